//! What a leg sends by itself, once every 20 ms: keys, prompts, or comfort noise so that no NAT and no phone takes the
//! line for dead; and its reports.

use std::time::Duration;

use havre_model::{Digit, LegId, Mono};
use rand_chacha::rand_core::Rng;

use super::player::Shared;
use super::reports::Wall;
use super::{Background, KeyTones, Leg, Wire};
use crate::codec::comfort::{Description, Generator};
use crate::codec::{
    Codec, Encoder, FRAME_MS, FRAME_TICKS, MAX_FRAME_SAMPLES, MAX_PAYLOAD, TICKS_PER_MS, comfort,
};
use crate::dtmf::Tones;
use crate::outbox::Outbox;
use crate::sdp::OpusParameters;
use crate::telephone_event::Due;
use crate::tone::{self, COMFORT_DBM0};
use crate::{Channel, Config, Counters, Event, rtcp};

/// Comfort noise begins when a bridged peer has been silent for this long: more than jitter, less than a phone's
/// patience.
pub(super) const PEER_SILENT: Duration = Duration::from_millis(200);
/// The same where Opus is relayed: in silence it may say something every 400 ms only (DTX), and the listener's decoder makes
/// its noise from that. Ours in between would sound like breathing.
pub(super) const OPUS_SILENT: Duration = Duration::from_secs(1);
/// Time between comfort noise packets where RFC 3389's kind was agreed.
const COMFORT_EVERY: Duration = Duration::from_millis(200);
/// A relayed key of which nothing came for this long, three packets, is over.
const PRESS_GAP: Duration = Duration::from_millis(60);

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
                wire.send(self.id, to, &header, &payload.print(), outbox);
                return self.player.skip(FRAME_TICKS);
            }
        }
        // What is said waits until the peer's key is up.
        if self.player.sounds() && wire.is_pressed(now) {
            return;
        }
        let key = if wire.agreed.send_events.is_empty() { self.keys.sounds(now) } else { None };
        if key.is_none() {
            wire.key_tones = None;
        }
        let talk = key.is_some() || self.player.sounds();
        if !talk && wire.is_fed(now) {
            wire.credit = None;
            return;
        }
        if !talk && wire.takes_comfort() {
            wire.credit = None;
            let usual = Description::white(COMFORT_DBM0);
            let description = wire.background.as_ref().map_or(usual, |background| background.description);
            let sent = wire.comfort(self.id, description, FRAME_TICKS, now, outbox);
            counters.filled += u64::from(sent);
            return;
        }
        // A packet longer than a turn is sent at the turn that begins it; one shorter, as often as fits.
        let millis = wire.packet_ms();
        let ticks = millis * codec.ticks_per_ms();
        wire.outgoing.tune(codec.ticks_per_ms(), now);
        let mut credit = wire.credit.unwrap_or(millis.saturating_sub(FRAME_MS)) + FRAME_MS;
        while credit >= millis {
            credit -= millis;
            let mut payload = [0; MAX_PAYLOAD];
            let length = match (&mut wire.background, key) {
                (_, Some(key)) => {
                    let tones = wire.key_tones.get_or_insert_with(|| Box::new(KeyTones::new(codec)));
                    self.player.skip(millis * TICKS_PER_MS);
                    tones.fill(codec, key, millis, &mut payload)
                }
                (Some(background), None) if !talk => background.fill(codec, millis, &mut payload),
                _ => self.player.fill(codec, shared, millis, &mut payload),
            };
            if length == 0 {
                wire.outgoing.pass(ticks, now);
                continue;
            }
            let header = wire.outgoing.own(payload_type, ticks, talk, now);
            wire.send(self.id, to, &header, &payload[..length], outbox);
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
            outbox.event(Event::Quality { leg: self.id, quality: wire.quality(false), last: false });
        }
        if wire.schedule.due(rng, now) {
            wire.report(self.id, wall, now, false, outbox);
        }
    }

    /// The leg's last words.
    pub(crate) fn close(&mut self, wall: Wall, now: Mono, outbox: &mut Outbox) {
        let Some(wire) = &mut self.wire else { return };
        wire.report(self.id, wall, now, true, outbox);
        outbox.event(Event::Quality { leg: self.id, quality: wire.quality(true), last: true });
    }
}

impl Wire {
    /// The peer is heard on this leg, and may be silent for so long.
    pub(super) fn feed(&mut self, patience: Duration, now: Mono) {
        self.fed_until = self.fed_until.max(Some(now + patience));
    }

    fn is_fed(&self, now: Mono) -> bool {
        self.fed_until.is_some_and(|until| now < until)
    }

    fn is_pressed(&self, now: Mono) -> bool {
        self.pressed_at.is_some_and(|at| now.since(at) < PRESS_GAP)
    }

    /// Says how the quiet sounds that lasts `ticks` from now on; false if that was said not long ago.
    pub(super) fn comfort(
        &mut self,
        leg: LegId,
        description: Description,
        ticks: u32,
        now: Mono,
        outbox: &mut Outbox,
    ) -> bool {
        let Some(to) = self.destination().filter(|_| self.comfort_at <= now) else { return false };
        self.comfort_at = now + COMFORT_EVERY;
        self.outgoing.tune(TICKS_PER_MS, now);
        let header = self.outgoing.own(comfort::PAYLOAD_TYPE, ticks, false, now);
        let mut payload = [0; comfort::PAYLOAD];
        let length = description.print(&mut payload);
        self.send(leg, to, &header, &payload[..length], outbox);
        true
    }

    /// Whether silence may be said by RFC 3389's packets: they have a clock of 8 kHz, so what we send has to.
    pub(super) fn takes_comfort(&self) -> bool {
        self.agreed.comfort_noise && self.codec().0.ticks_per_ms() == TICKS_PER_MS
    }

    /// The peer fell silent, and its phone said what quiet sounds like there.
    pub(super) fn set_background(&mut self, description: Description) {
        match &mut self.background {
            Some(background) if background.description == description => {}
            Some(background) => background.describe(description),
            None => self.background = Some(Box::new(Background::new(description, self.codec().0))),
        }
    }

    /// Sends a report, the last one with a goodbye: to where SDP says, unless RTP has shown that the far side is elsewhere.
    fn report(&mut self, leg: LegId, wall: Wall, now: Mono, last: bool, outbox: &mut Outbox) {
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
        let ssrc = self.outgoing.ssrc();
        let mut bytes = rtcp::print(ssrc, sent, self.reception.block(now), &self.cname);
        if let Some(metrics) = self.voip_metrics() {
            rtcp::append_voip(&mut bytes, ssrc, &metrics);
        }
        if last {
            rtcp::append_goodbye(&mut bytes, ssrc);
        }
        self.send_report(leg, channel, to, &bytes, outbox);
    }
}

impl KeyTones {
    fn new(codec: Codec) -> Self {
        let mut encoder = Encoder::new(codec, &OpusParameters::default());
        // The far side has heard something before: a predictor (G.722's) that knows only zero would start beside it.
        let quiet = tone::noise(COMFORT_DBM0, codec.frame_samples());
        encoder.encode(&quiet, &mut [0; MAX_PAYLOAD]);
        Self { tones: Tones::default(), encoder }
    }

    /// Fills the payload of one packet; gives its length.
    fn fill(&mut self, codec: Codec, key: Digit, millis: u32, out: &mut [u8]) -> usize {
        if self.encoder.codec() != codec {
            self.encoder = Encoder::new(codec, &OpusParameters::default());
        }
        let mut samples = [0; 3 * MAX_FRAME_SAMPLES];
        let samples = &mut samples[..(codec.sample_rate() / 1_000 * millis) as usize];
        self.tones.fill(key, codec.sample_rate(), samples);
        self.encoder.encode(samples, out)
    }
}

impl Background {
    fn new(description: Description, codec: Codec) -> Self {
        let encoder = Encoder::new(codec, &OpusParameters::default());
        Self { generator: Generator::new(&description), description, encoder }
    }

    fn describe(&mut self, description: Description) {
        self.description = description;
        self.generator.describe(&description);
    }

    /// Fills the payload of one packet; gives its length.
    fn fill(&mut self, codec: Codec, millis: u32, out: &mut [u8]) -> usize {
        if self.encoder.codec() != codec {
            self.encoder = Encoder::new(codec, &OpusParameters::default());
        }
        let mut samples = [0; 3 * MAX_FRAME_SAMPLES];
        let samples = &mut samples[..(codec.sample_rate() / 1_000 * millis) as usize];
        self.generator.fill(codec.sample_rate(), samples);
        self.encoder.encode(samples, out)
    }
}
