//! A leg as a member of a conference: what the mixer has to know of it.

use havre_model::{ConferenceId, Mono};

use super::Leg;
use super::bridge::Passage;
use super::outbound::PEER_SILENT;
use crate::Codec;
use crate::sdp::OpusParameters;

/// A leg's place in a conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) conference: ConferenceId,
    /// Whether its members are mixed; two who talk to each other are relayed.
    pub(crate) mixed: bool,
    /// Whether anybody is to hear it.
    pub(crate) speaks: bool,
}

/// How a listener wants its packets. Who wants the same and hears the same has the same ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wants {
    pub(crate) codec: Codec,
    pub(crate) opus: OpusParameters,
    /// Length of a packet, in milliseconds.
    pub(crate) millis: u32,
    /// It makes comfort noise by itself.
    pub(crate) comfort: bool,
}

impl Leg {
    /// Whether what it says is decoded to be mixed.
    pub(super) fn mixes(&self) -> bool {
        self.seat.is_some_and(|seat| seat.mixed && seat.speaks)
    }

    /// Takes its place in a conference. Packets on their way to a peer end, and so does the filling of its silence, for
    /// the mix has something for every turn.
    pub(crate) fn sit(&mut self, seat: Seat, partner: Option<usize>, now: Mono) {
        let before = self.seat.replace(seat);
        self.peer = partner;
        self.echoes = false;
        let Some(wire) = &mut self.wire else { return };
        if before.is_some_and(|before| before.mixed) != seat.mixed {
            wire.passage = Passage::default();
            wire.background = None;
            wire.feed(PEER_SILENT, now);
        }
    }

    /// Whether what it said waits to be heard, a frame at least.
    pub(crate) fn holds_unheard(&self) -> bool {
        let ear = self.wire.as_ref().and_then(|wire| wire.ear.as_ref());
        ear.is_some_and(|ear| ear.holds_unheard())
    }

    /// What it said and nobody has heard is about to be read at once.
    pub(crate) fn play_out(&mut self) {
        if let Some(ear) = self.wire.as_mut().and_then(|wire| wire.ear.as_mut()) {
            ear.play_out();
        }
    }

    /// How it wants to hear a mix; `None` until SDP is agreed.
    pub(crate) fn wants(&self) -> Option<Wants> {
        self.wire.as_ref().map(|wire| Wants {
            codec: wire.codec().0,
            opus: wire.agreed.opus,
            millis: wire.packet_ms(),
            comfort: wire.takes_comfort(),
        })
    }

    /// How many per cent of our packets it loses.
    pub(crate) fn loses(&self) -> u8 {
        self.wire.as_ref().map_or(0, |wire| wire.far_loss)
    }
}
