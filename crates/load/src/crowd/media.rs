//! RTP: whose packet it is, and what everybody says.

use std::net::SocketAddr;

use havre_media::rtp;
use havre_media::sdp::Negotiated;
use havre_model::Now;

use super::end::{Sound, Stage};
use super::{CALLERS, Crowd, Due};
use crate::hearing::{self, Hearing};
use crate::plan::{Check, Scenario};
use crate::tally::Failure;
use crate::voice::{LARGEST, Voice};

/// Silence of the other party after which a talk counts as one-way, in microseconds.
const DEAF: u64 = 1_000_000;

impl Crowd {
    /// An RTP packet came in on a port, at `at` (microseconds of the wall clock).
    pub(crate) fn on_rtp(&mut self, port: usize, source: SocketAddr, bytes: &[u8], at: u64, now: Now) {
        let end = self.by_source.get(&(port, source)).and_then(|slot| self.ends[*slot].as_mut());
        let Some((end, packet)) = end.zip(rtp::parse(bytes).ok()) else {
            self.tally.strays += 1;
            return;
        };
        let Some(sound) = &mut end.sound else { return };
        // Keys and comfort noise are no audio.
        if !sound.payload_types.contains(&packet.payload_type) {
            return;
        }
        let first = sound.hearing.on_packet(&packet, at, &mut self.tally.heard);
        if first && let Stage::Waiting { since } = end.stage {
            let number = end.number;
            if !self.plan.scenario.has_agents() {
                // Nobody should talk to a caller who waits.
                self.tally.heard.crosstalk += 1;
                return;
            }
            end.stage = Stage::Talking;
            self.tally.bridged += 1;
            self.tally.reach.add(now.mono.since(since));
            if self.plan.scenario == Scenario::Calls {
                self.schedule(now.mono + self.plan.talk, number, Due::HangUp);
            }
        }
    }

    /// What all legs of a port say in this frame, sent at `micros` of the wall clock.
    pub(crate) fn speak(&mut self, port: usize, micros: u64, mut say: impl FnMut(SocketAddr, &[u8])) {
        let mut packet = [0; LARGEST];
        for slot in &self.by_port[port] {
            let end = self.ends[*slot].as_mut();
            if let Some(sound) = end.and_then(|end| end.sound.as_mut())
                && sound.voice.is_wanted()
            {
                let length = sound.voice.speak(micros as u32, &mut packet);
                say(sound.voice.to(), &packet[..length]);
            }
        }
    }

    /// Whether anybody uses this port.
    pub(crate) fn is_used(&self, port: usize) -> bool {
        !self.by_port[port].is_empty()
    }

    /// Talks in which one side does not hear the other now. "Now" is when anybody heard anything last, so that a stall of
    /// our own does not make everybody deaf.
    pub(crate) fn count_one_way(&self) -> u64 {
        let sounds = self.ends.iter().flatten().filter_map(|end| end.sound.as_ref());
        let now = sounds.filter_map(|sound| sound.hearing.last_heard().1).max().unwrap_or(0);
        let deaf =
            |sound: &Sound| sound.hearing.last_heard().0.is_none_or(|last| last.saturating_add(DEAF) < now);
        let talking = self.ends.iter().flatten().filter(|end| matches!(end.stage, Stage::Talking));
        let one_way =
            talking.filter(|end| end.sound.as_ref().is_none_or(deaf) || self.is_one_way(end.number));
        one_way.count() as u64
    }

    /// Whether nobody whom this caller hears, hears them.
    pub(super) fn is_one_way(&self, number: u32) -> bool {
        let caller = self.by_number.get(&number).and_then(|slot| self.ends[*slot].as_ref());
        let Some(sound) = caller.and_then(|end| end.sound.as_ref()) else { return true };
        let hears = |slot: &usize| {
            let sound = self.ends[*slot].as_ref().and_then(|end| end.sound.as_ref());
            sound.is_some_and(|sound| sound.hearing.hears(number))
        };
        match sound.hearing.peer() {
            None => true,
            Some(hearing::Voice::Number(peer)) => !self.by_number.get(&peer).is_some_and(hears),
            // Several voices share a tone; it will do if one of the agents hears ours.
            Some(hearing::Voice::Tone(_)) => !self.by_leg.values().any(hears),
        }
    }

    /// SDP is agreed, first or again: media flows.
    pub(super) fn connect(&mut self, number: u32, negotiated: &Negotiated, now: Now) {
        let to = negotiated.remote_rtp;
        let Some(slot) = self.by_number.get(&number).copied() else { return };
        let Some(end) = self.ends[slot].as_mut() else { return };
        if !to.ip().is_unspecified() && !self.plan.media_hosts.contains(&to.ip()) {
            return self.leave(number, Some(Failure::MediaElsewhere(to.ip())), now);
        }
        if let Some(sound) = &mut end.sound {
            self.by_source.remove(&(end.port, sound.voice.to()));
            sound.voice.move_to(negotiated);
            sound.listen_for(negotiated);
            self.by_source.insert((end.port, to), slot);
            return;
        }
        let codec = if end.station == CALLERS { self.plan.codec } else { self.plan.agents.codec };
        let tone = self.tones.get(&codec).map(|tones| tones.of(number));
        let voice = tone.and_then(|tone| Voice::new(number, self.style, negotiated, tone));
        let Some(voice) = voice else {
            return self.leave(number, Some(Failure::NoMedia), now);
        };
        let hearing = Hearing::new(self.style.run, codec, self.plan.check == Check::Tone);
        let mut sound = Sound { voice, hearing, payload_types: Vec::new() };
        sound.listen_for(negotiated);
        end.sound = Some(sound);
        self.by_source.insert((end.port, to), slot);
    }

    /// Legs are spread evenly, so that packets are.
    pub(super) fn least_busy_port(&self) -> usize {
        (0..self.by_port.len()).min_by_key(|port| self.by_port[*port].len()).unwrap_or(0)
    }
}
