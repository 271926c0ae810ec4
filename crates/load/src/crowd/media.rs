//! RTP: whose packet it is, and what everybody says.

use std::net::SocketAddr;

use havre_media::rtp;
use havre_media::sdp::Negotiated;
use havre_model::Now;

use super::end::{End, Sound, Stage};
use super::{CALLERS, Crowd, Due};
use crate::hearing::{self, Hearing};
use crate::plan::{Check, Scenario};
use crate::tally::Failure;
use crate::tone::tone_of;
use crate::voice::{LARGEST, Voice};

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
            let tone = sound.hearing.peer();
            if !self.is_sounded(tone) {
                // A long note of the waiting sound.
                if let Some(sound) = self.end_mut(number).and_then(|end| end.sound.as_mut()) {
                    sound.hearing.forget_peer();
                }
                return;
            }
            let Some(end) = self.end_mut(number) else { return };
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
            let Some(sound) = self.ends[*slot].as_mut().and_then(|end| end.sound.as_mut()) else { continue };
            sound.hearing.pass();
            if sound.voice.is_wanted() {
                let length = sound.voice.speak(micros as u32, &mut packet);
                say(sound.voice.to(), &packet[..length]);
            }
        }
    }

    /// Whether anybody uses this port.
    pub(crate) fn is_used(&self, port: usize) -> bool {
        !self.by_port[port].is_empty()
    }

    /// Talks in which one side does not hear the other now.
    pub(crate) fn count_one_way(&self) -> u64 {
        let callers = self.ends.iter().flatten().filter(|end| matches!(end.stage, Stage::Talking));
        let callers = callers.filter(|end| self.is_one_way(end.number)).count();
        let agents = self.ends.iter().flatten().filter(|end| matches!(end.stage, Stage::Serving));
        let agents = agents.filter(|end| end.sound.as_ref().is_some_and(|sound| sound.hearing.is_deaf()));
        // Whom one of our callers hears is counted with them.
        let others = agents.filter(|agent| !self.sounds().any(|sound| sound.hearing.hears(agent.number)));
        (callers + others.count()) as u64
    }

    /// Callers who wait and hear nothing at all now.
    pub(crate) fn count_unserved(&self) -> u64 {
        let waiting = self.ends.iter().flatten().filter(|end| matches!(end.stage, Stage::Waiting { .. }));
        let deaf = |end: &&End| end.sound.as_ref().is_none_or(|sound| sound.hearing.hears_nothing());
        waiting.filter(deaf).count() as u64
    }

    /// Whether an agent of ours talks with a caller of another process.
    pub(crate) fn serves_others(&self) -> bool {
        let agents = self.ends.iter().flatten().filter(|end| matches!(end.stage, Stage::Serving));
        let mut sounds = agents.filter_map(|end| end.sound.as_ref());
        sounds.any(|sound| {
            matches!(sound.hearing.peer(), Some(hearing::Voice::Elsewhere(..))) && !sound.hearing.is_deaf()
        })
    }

    /// Whether this caller hears nobody, or nobody whom they hear hears them.
    pub(super) fn is_one_way(&self, number: u32) -> bool {
        let sound_of = |number: u32| self.ends[*self.by_number.get(&number)?].as_ref()?.sound.as_ref();
        let hears = |sound: &Sound| sound.hearing.hears(number) && !sound.hearing.is_deaf();
        let Some(sound) = sound_of(number).filter(|sound| !sound.hearing.is_deaf()) else { return true };
        match sound.hearing.peer() {
            None => true,
            Some(hearing::Voice::Number(peer)) => !sound_of(peer).is_some_and(hears),
            // Several voices share a tone; it will do if one of the agents hears ours.
            Some(hearing::Voice::Tone(_)) => !self.sounds().any(hears),
            // What that agent hears, its own process counts.
            Some(hearing::Voice::Elsewhere(..)) => false,
        }
    }

    /// Whether an agent of ours sounds this tone.
    fn is_sounded(&self, voice: Option<hearing::Voice>) -> bool {
        let Some(hearing::Voice::Tone(tone)) = voice else { return true };
        let mut agents = self.ends.iter().flatten().filter(|end| matches!(end.stage, Stage::Serving));
        agents.any(|agent| tone_of(agent.number) == tone)
    }

    fn sounds(&self) -> impl Iterator<Item = &Sound> {
        self.ends.iter().flatten().filter_map(|end| end.sound.as_ref())
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
        let hearing = Hearing::new(number, self.style.run, codec, self.plan.check == Check::Tone);
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
