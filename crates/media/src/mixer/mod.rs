//! Conferences: several legs hear each other, each with its own choice of whom it is heard by.
//!
//! A member's voice comes out of its ear, at 16 kHz. Those who speak to all are added up once, and each listener's mix is
//! that sum without its own voice, and with what is whispered to it, in range by a [`limiter`]. It is encoded once for
//! all who hear the same in the same codec. All of this happens in one turn of the wheel, that of the member who came
//! first. Two members who talk to each other are not mixed but relayed, as in any bridge.

mod conference;
mod limiter;
mod signal;

use std::collections::HashMap;

use havre_model::{ConferenceId, LegId, Mono};

use crate::leg::Leg;
use crate::limits::{MAX_CONFERENCE, MAX_CONFERENCES};
use crate::outbox::Outbox;
use crate::{Counters, Voice};
use conference::Conference;

/// Samples in a second of a mix: wideband, which is what telephones have at best.
const RATE: u32 = 16_000;
/// Samples of 20 ms.
const FRAME: usize = RATE as usize / 50;

/// The conferences of a shard.
#[derive(Debug)]
pub(crate) struct Mixer {
    suppress_silence: bool,
    conferences: HashMap<ConferenceId, Box<Conference>>,
}

/// A leg's wish to join, or to be heard by others than before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Join {
    pub(crate) conference: ConferenceId,
    pub(crate) leg: LegId,
    pub(crate) place: usize,
    pub(crate) voice: Voice,
    pub(crate) tones: bool,
}

impl Mixer {
    /// `suppress_silence`: as in [`Config`](crate::Config).
    pub(crate) fn new(suppress_silence: bool) -> Self {
        Self { suppress_silence, conferences: HashMap::new() }
    }

    pub(crate) fn join(
        &mut self,
        join: Join,
        legs: &mut [Option<Box<Leg>>],
        now: Mono,
        counters: &mut Counters,
        outbox: &mut Outbox,
    ) {
        let Join { conference: id, leg: leg_id, place, voice, tones } = join;
        let Some(leg) = &mut legs[place] else { return };
        let there = leg.seat.is_some_and(|seat| seat.conference == id);
        // Who talks to it outside of any conference comes too.
        let partner = leg.peer.filter(|_| leg.seat.is_none());
        if !there {
            let room = self.conferences.get(&id).map_or(MAX_CONFERENCE, |c| MAX_CONFERENCE - c.count());
            let new = !self.conferences.contains_key(&id);
            if room < 1 + usize::from(partner.is_some()) || new && self.conferences.len() >= MAX_CONFERENCES {
                counters.refused_joins += 1;
                return;
            }
            leg.player.stop();
            if partner.is_none() {
                self.leave(place, legs, now, counters, outbox);
            }
        }
        let relays = partner.is_some() && voice == Voice::ToAll;
        let conference = self.conferences.entry(id).or_insert_with(|| Box::new(Conference::new(id, relays)));
        conference.admit(leg_id, place, voice, tones);
        if let Some((leg, place)) = partner.and_then(|place| Some((legs[place].as_ref()?.id, place))) {
            conference.admit(leg, place, Voice::ToAll, false);
        }
        conference.settle(legs, now, counters, outbox);
    }

    /// Takes a leg out of its conference, if it is in one.
    pub(crate) fn leave(
        &mut self,
        place: usize,
        legs: &mut [Option<Box<Leg>>],
        now: Mono,
        counters: &mut Counters,
        outbox: &mut Outbox,
    ) {
        let Some(leg) = &mut legs[place] else { return };
        let Some(seat) = leg.seat.take() else { return };
        leg.part();
        let Some(conference) = self.conferences.get_mut(&seat.conference) else { return };
        conference.dismiss(place);
        if conference.count() == 0 {
            self.conferences.remove(&seat.conference);
        } else {
            conference.settle(legs, now, counters, outbox);
        }
    }

    /// The turn of a leg that is mixed: one of the members' is everybody's.
    pub(crate) fn on_turn(
        &mut self,
        place: usize,
        position: u64,
        legs: &mut [Option<Box<Leg>>],
        now: Mono,
        counters: &mut Counters,
        outbox: &mut Outbox,
    ) {
        let Some(seat) = legs[place].as_ref().and_then(|leg| leg.seat) else { return };
        let Some(conference) = self.conferences.get_mut(&seat.conference) else { return };
        if conference.is_mixed_by(place, legs) {
            conference.mix(legs, position, self.suppress_silence, now, counters, outbox);
        }
    }
}
