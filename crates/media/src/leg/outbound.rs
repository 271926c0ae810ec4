//! What a leg sends by itself, once every 20 ms: keys, prompts, or comfort noise so that no NAT and no phone takes the
//! line for dead; and its reports.

use std::time::Duration;

use havre_model::{LegId, Mono};
use rand_chacha::rand_core::Rng;

use super::player::Shared;
use super::reports::Wall;
use super::{Leg, Wire};
use crate::codec::{FRAME_MS, FRAME_TICKS, MAX_PAYLOAD, TICKS_PER_MS};
use crate::outbox::Outbox;
use crate::telephone_event::Due;
use crate::{Channel, Config, Counters, Event, rtcp};

/// Comfort noise begins when a bridged peer has been silent for this long: more than jitter, less than a phone's
/// patience.
const PEER_SILENT: Duration = Duration::from_millis(200);
/// Time between comfort noise packets where RFC 3389's kind was agreed.
const COMFORT_EVERY: Duration = Duration::from_millis(200);
const COMFORT_NOISE: u8 = 13;
/// The level that such a packet says: -65 dBov.
const COMFORT_LEVEL: [u8; 1] = [65];

impl Leg {
    /// The leg's turn.
    pub(crate) fn on_turn(
        &mut self,
        shared: Shared<'_>,
        now: Mono,
        counters: &mut Counters,
        outbox: &mut Outbox,
    ) {
        let Some(wire) = &mut self.wire else { return };
        if let Some(play) = self.player.finished() {
            outbox.event(Event::PlayDone { leg: self.id, play });
        }
        let Some(to) = wire.destination() else {
            self.keys.tick(TICKS_PER_MS, now);
            self.player.skip(FRAME_TICKS);
            return;
        };
        let (codec, payload_type) = wire.codec();
        if let Some(event) = wire.agreed.event_for(wire.outgoing.ticks_per_ms()) {
            let (first, payload) = match self.keys.tick(event.ticks_per_ms(), now) {
                Due::Audio => (false, None),
                Due::Nothing => return self.player.skip(FRAME_TICKS),
                Due::First(payload) => (true, Some(payload)),
                Due::Again(payload) => (false, Some(payload)),
            };
            if let Some(payload) = payload {
                let held = event.on_clock(payload.duration, wire.outgoing.ticks_per_ms());
                let header = wire.outgoing.press(event.payload_type, first, held, now);
                let bytes = payload.print();
                wire.outgoing.count_octets(bytes.len());
                outbox.rtp(self.id, to, &header, bytes.len()).copy_from_slice(&bytes);
                return self.player.skip(FRAME_TICKS);
            }
        }
        let talk = self.player.sounds();
        if !talk && wire.is_fed(now) {
            wire.credit = None;
            return;
        }
        // RFC 3389's payload type 13 has a clock of 8 kHz.
        if !talk && wire.agreed.comfort_noise && codec.ticks_per_ms() == TICKS_PER_MS {
            wire.credit = None;
            return wire.comfort(self.id, now, counters, outbox);
        }
        // A packet longer than a turn is sent at the turn that begins it; one shorter, as often as fits.
        let millis = wire.packet_ms();
        let ticks = millis * codec.ticks_per_ms();
        wire.outgoing.tune(codec.ticks_per_ms(), now);
        let mut credit = wire.credit.unwrap_or(millis.saturating_sub(FRAME_MS)) + FRAME_MS;
        while credit >= millis {
            credit -= millis;
            let mut payload = [0; MAX_PAYLOAD];
            let length = self.player.fill(codec, shared, millis, &mut payload);
            if length == 0 {
                wire.outgoing.pass(ticks, now);
                continue;
            }
            let header = wire.outgoing.own(payload_type, ticks, talk, now);
            wire.outgoing.count_octets(length);
            outbox.rtp(self.id, to, &header, length).copy_from_slice(&payload[..length]);
            *(if talk { &mut counters.played } else { &mut counters.filled }) += 1;
        }
        wire.credit = Some(credit);
    }

    /// Watches over the leg, and reports what is due.
    pub(crate) fn report(
        &mut self,
        config: &Config,
        wall: Wall,
        now: Mono,
        rng: &mut impl Rng,
        outbox: &mut Outbox,
    ) {
        let Some(wire) = &mut self.wire else { return };
        let due = wire.agreed.direction.receives();
        if let Some(event) = wire.watch.tick(self.id, due, config.media_lost_after, now) {
            outbox.event(event);
        }
        if now.since(wire.quality_at) >= config.quality_every {
            wire.quality_at = now;
            outbox.event(Event::Quality {
                leg: self.id,
                received: wire.reception.received(),
                lost: wire.reception.lost(),
                jitter_ms: wire.reception.jitter_ms(),
                round_trip_ms: wire.schedule.round_trip_ms(),
            });
        }
        if wire.schedule.due(rng, now) {
            wire.report(self.id, wall, now, outbox);
        }
    }
}

impl Wire {
    fn is_fed(&self, now: Mono) -> bool {
        self.fed_at.is_some_and(|at| now.since(at) < PEER_SILENT)
    }

    fn comfort(&mut self, leg: LegId, now: Mono, counters: &mut Counters, outbox: &mut Outbox) {
        let Some(to) = self.destination().filter(|_| self.comfort_at <= now) else { return };
        self.comfort_at = now + COMFORT_EVERY;
        self.outgoing.tune(TICKS_PER_MS, now);
        let header = self.outgoing.own(COMFORT_NOISE, FRAME_TICKS, false, now);
        self.outgoing.count_octets(COMFORT_LEVEL.len());
        outbox.rtp(leg, to, &header, COMFORT_LEVEL.len()).copy_from_slice(&COMFORT_LEVEL);
        counters.filled += 1;
    }

    /// Sends a report: to where SDP says, unless RTP has shown that the far side is elsewhere.
    fn report(&mut self, leg: LegId, wall: Wall, now: Mono, outbox: &mut Outbox) {
        let Some(rtp) = self.source.destination() else { return };
        let (channel, to) = if self.agreed.rtcp_mux {
            (Channel::Rtp, rtp)
        } else if rtp == self.agreed.remote_rtp {
            (Channel::Rtcp, self.agreed.remote_rtcp)
        } else {
            let mut to = rtp;
            to.set_port(rtp.port().saturating_add(1));
            (Channel::Rtcp, to)
        };
        let sent = self.outgoing.report(wall.ntp(now), now);
        let bytes = rtcp::print(self.outgoing.ssrc(), sent, self.reception.block(now), &self.cname);
        outbox.packet(leg, channel, to, bytes.len()).copy_from_slice(&bytes);
    }
}
