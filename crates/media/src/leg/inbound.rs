//! What comes in on a leg's sockets.

use std::net::SocketAddr;

use havre_model::{Digit, Mono};

use super::reports::Wall;
use super::{Leg, Wire};
use crate::codec::{Codec, comfort};
use crate::outbox::Outbox;
use crate::rtp::{self, Packet};
use crate::stream::ear::{Ear, Sound};
use crate::stream::reception::Arrival;
use crate::telephone_event::{self, Payload};
use crate::{Counters, Event, rtcp};

/// What a packet's payload is, by what was agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Audio(Codec),
    /// A key, and the ticks of its clock in a millisecond.
    Press(Payload, u32),
    Pause,
}

/// A packet that has been admitted, to be passed on to the peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    pub(crate) packet: Packet<'a>,
    pub(crate) kind: Kind,
    /// The key, if this packet is the first of a press.
    pub(crate) pressed: Option<Digit>,
}

impl Leg {
    /// Takes an RTP packet; gives it back if it belongs to this leg's stream.
    pub(crate) fn on_rtp<'a>(
        &mut self,
        source: SocketAddr,
        bytes: &'a [u8],
        now: Mono,
        counters: &mut Counters,
        outbox: &mut Outbox,
    ) -> Option<Received<'a>> {
        let Some(wire) = &mut self.wire else {
            counters.dropped_not_configured += 1;
            return None;
        };
        let Ok(packet) = rtp::parse(bytes) else {
            counters.dropped_malformed += 1;
            return None;
        };
        let Some(kind) = wire.kind(&packet) else {
            counters.dropped_payload_type += 1;
            return None;
        };
        if !wire.source.admit(source, (packet.ssrc, packet.sequence), wire.reception.known(), now) {
            counters.dropped_stranger += 1;
            return None;
        }
        let clock = match kind {
            Kind::Audio(codec) => Some(codec.ticks_per_ms()),
            Kind::Press(..) | Kind::Pause => None,
        };
        let before = wire.reception.known().map(|known| known.ssrc);
        match wire.reception.on_packet(&packet, clock, now) {
            Arrival::First => {
                wire.change_stream(before, packet.ssrc);
                if let Some(ear) = &mut wire.ear {
                    ear.restart();
                }
            }
            Arrival::Fresh => {}
            Arrival::Duplicate => {
                counters.dropped_duplicate += 1;
                return None;
            }
            Arrival::Unfit => {
                counters.dropped_unfit += 1;
                if let Some(digit) = wire.press_beside(&packet, kind) {
                    counters.digits += 1;
                    outbox.event(Event::Digit { leg: self.id, digit });
                }
                return None;
            }
        }
        counters.received += 1;
        if let Some(back) = wire.watch.on_packet(self.id, kind == Kind::Pause, now) {
            outbox.event(back);
        }
        let pressed = match kind {
            Kind::Press(payload, clock) => {
                let late = wire.reception.known().is_some_and(|known| known.sequence != packet.sequence);
                wire.presses.on_packet(packet.timestamp, (packet.marker, late), payload, clock)
            }
            Kind::Audio(codec) => {
                if wire.tty.on_packet(codec, packet.payload) {
                    outbox.event(Event::Tty { leg: self.id });
                }
                None
            }
            Kind::Pause => None,
        };
        if let Some(digit) = pressed {
            counters.digits += 1;
            outbox.event(Event::Digit { leg: self.id, digit });
        }
        Some(Received { packet, kind, pressed })
    }

    /// Takes an RTCP packet.
    pub(crate) fn on_rtcp(
        &mut self,
        source: SocketAddr,
        bytes: &[u8],
        wall: Wall,
        now: Mono,
        counters: &mut Counters,
        outbox: &mut Outbox,
    ) {
        let Some(wire) = &mut self.wire else {
            counters.dropped_not_configured += 1;
            return;
        };
        if !wire.source.admits_rtcp(source) {
            counters.dropped_stranger += 1;
            return;
        }
        let Some(reports) = rtcp::parse(bytes) else {
            counters.dropped_rtcp += 1;
            return;
        };
        if let Some(sent) = &reports.sender {
            wire.reception.on_sender_report(sent, now);
        }
        for block in reports.blocks.iter().filter(|b| b.ssrc == wire.outgoing.ssrc()) {
            wire.schedule.on_block(block, wall.ntp(now));
            wire.far_loss = (u32::from(block.fraction_lost) * 100 / 256) as u8;
        }
        if let Some(ours) = wire.on_far_report(&reports) {
            outbox.event(Event::FarHears { leg: self.id, ours });
        }
    }

    /// The network said that this leg's port is unreachable.
    pub(crate) fn on_unreachable(&mut self) -> Option<Event> {
        self.wire.as_mut()?.watch.on_unreachable(self.id)
    }
}

impl Wire {
    /// The keys of another stream are listened to; those of the one before still, where it has them beside this one.
    fn change_stream(&mut self, before: Option<u32>, ssrc: u32) {
        let known = self.presses_beside.take().filter(|(beside, _)| *beside == ssrc && before != Some(ssrc));
        let presses =
            std::mem::replace(&mut self.presses, known.map(|(_, presses)| presses).unwrap_or_default());
        self.presses_beside = before.filter(|before| *before != ssrc).map(|before| (before, presses));
    }

    /// A key that comes under another SSRC than the audio, as some gateways send them; like any other stream it has to show
    /// two packets.
    fn press_beside(&mut self, packet: &Packet<'_>, kind: Kind) -> Option<Digit> {
        let Kind::Press(payload, clock) = kind else { return None };
        if self.reception.known().is_none_or(|known| known.ssrc == packet.ssrc) {
            return None;
        }
        match &mut self.presses_beside {
            Some((ssrc, presses)) if *ssrc == packet.ssrc => {
                presses.on_packet(packet.timestamp, (packet.marker, true), payload, clock)
            }
            beside => {
                *beside = Some((packet.ssrc, telephone_event::Receiver::default()));
                None
            }
        }
    }

    fn kind(&self, packet: &Packet<'_>) -> Option<Kind> {
        let payload_type = packet.payload_type;
        let event = self.agreed.receive_events.iter().find(|event| event.payload_type == payload_type);
        if let Some(event) = event {
            return Payload::parse(packet.payload).map(|payload| Kind::Press(payload, event.ticks_per_ms()));
        }
        let codec = self.agreed.receive.iter().find(|(pt, _)| *pt == payload_type);
        codec
            .map(|(_, codec)| Kind::Audio(*codec))
            .or((payload_type == comfort::PAYLOAD_TYPE).then_some(Kind::Pause))
    }

    /// Gives a packet to the ear, which is made for it if need be.
    pub(super) fn listen_to(&mut self, received: &Received<'_>, now: Mono) {
        let sound = match received.kind {
            Kind::Audio(codec) => Sound::Audio(codec),
            Kind::Pause => Sound::Noise,
            Kind::Press(..) => Sound::Key,
        };
        if let (Sound::Audio(codec), None) = (sound, &self.ear) {
            let mut ear = Box::new(Ear::new(codec));
            // A stream that was relayed so far need not be waited for as if it were unknown.
            if let Some(jitter) = self.reception.settled_jitter_ms() {
                ear.expect(jitter);
            }
            self.ear = Some(ear);
        }
        if let Some(ear) = &mut self.ear {
            ear.push(&received.packet, sound, now);
        }
    }
}
