//! How one leg's audio gets to another: packet by packet where the other knows the codec, or else decoded, converted
//! and encoded again. Who listens besides, to measure or for keys, has a copy: it delays nothing.

use havre_model::Mono;

use super::outbound::{OPUS_SILENT, PEER_SILENT};
use super::transcoder::{Made, Transcoder};
use super::{Kind, Leg, Received, Wire};
use crate::codec::{Codec, MAX_FRAME_SAMPLES, MAX_PAYLOAD, comfort};
use crate::meter::Reading;
use crate::outbox::Outbox;
use crate::rtp::Packet;
use crate::{Counters, Event};

/// Packets in a row that ask for the other passage before it is taken: one short packet changes nothing.
const HABIT: u8 = 3;
/// How long a key sounds, in milliseconds, that came as telephone-events and goes on as tones: its own length is known
/// only when it is let go.
const KEY_MILLIS: u16 = 120;

/// The way from one leg to its peer.
#[derive(Debug, Default)]
pub(super) enum Passage {
    /// Nothing has passed yet.
    #[default]
    New,
    /// Packets go on as they are, under new headers. `odd` of them in a row were not as the peer wants them.
    Relay { odd: u8 },
    /// Audio is decoded by the ear and encoded again. `even` packets in a row could have been relayed.
    Transcode { even: u8, transcoder: Box<Transcoder> },
}

/// How well a packet suits a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    /// Codec known, under this payload type, and length right.
    Whole(u8),
    /// Codec known, but packets of this length are not what it asked for.
    Codec(u8),
    /// Codec unknown.
    No,
}

/// Passes a packet of `from` on to `to`, or into `from`'s ear.
pub(crate) fn pass_on(
    from: &mut Leg,
    to: Option<&mut Leg>,
    received: &Received<'_>,
    now: Mono,
    counters: &mut Counters,
    outbox: &mut Outbox,
) {
    if from.echoes && to.is_none() {
        echo(from, received, now, counters, outbox);
    }
    let mut heard = from.listens() || from.mixes();
    let mixed = from.seat.is_some_and(|seat| seat.mixed);
    let Some(wire) = &mut from.wire else { return };
    // A key that was pressed before the bridge was meant for us; its packets have one timestamp (RFC 4733 §2.5.1.1).
    if to.is_none() && matches!(received.kind, Kind::Press(..)) {
        wire.private_press = Some(received.packet.timestamp);
    }
    let private =
        matches!(received.kind, Kind::Press(..)) && wire.private_press == Some(received.packet.timestamp);
    if let Some(to) = to.filter(|_| !private) {
        let (peer, silent) = (to.id, to.player.sounds() || to.keys.holds());
        // A key goes on beside what is said on the leg, which waits for its end: half a key is none, or one that never ends.
        let silent = match received.kind {
            Kind::Press(..) => to.player.loops() || to.keys.holds(),
            Kind::Audio(_) | Kind::Pause => silent,
        };
        if let Some(out) = &mut to.wire {
            if let Some(digit) = received.pressed.filter(|_| out.agreed.send_events.is_empty()) {
                counters.refused_digits += u64::from(!to.keys.press(digit, KEY_MILLIS));
            }
            let relay = match received.kind {
                Kind::Audio(codec) if !mixed => wire.passage.choose(codec, received.packet.payload, out),
                Kind::Audio(_) | Kind::Press(..) | Kind::Pause => None,
            };
            heard |= wire.passage.transcodes();
            if !silent {
                match received.kind {
                    Kind::Pause if mixed => {}
                    Kind::Pause => out.pause(&received.packet, wire.passage.transcodes()),
                    _ => out.relay(peer, received, relay, now, counters, outbox),
                }
            }
        }
    }
    if heard {
        wire.listen_to(received, now);
    }
}

/// Sends a packet back to where it came from.
fn echo(leg: &mut Leg, received: &Received<'_>, now: Mono, counters: &mut Counters, outbox: &mut Outbox) {
    let silent = leg.player.sounds() || leg.keys.holds();
    let (Some(wire), Kind::Audio(codec), false) = (&mut leg.wire, received.kind, silent) else { return };
    if let Fit::Whole(payload_type) | Fit::Codec(payload_type) = wire.fit(codec, received.packet.payload) {
        wire.relay(leg.id, received, Some(payload_type), now, counters, outbox);
    }
}

/// A leg's turn as a speaker: what its ear hears is measured, and encoded for its peer.
pub(crate) fn speak_for(
    from: &mut Leg,
    to: Option<&mut Leg>,
    suppress_silence: bool,
    now: Mono,
    counters: &mut Counters,
    outbox: &mut Outbox,
) {
    let mut samples = [0; MAX_FRAME_SAMPLES];
    let frame = from.hear(&mut samples, now, counters, outbox);
    let Some(wire) = &mut from.wire else { return };
    let (Passage::Transcode { transcoder, .. }, Some(to)) = (&mut wire.passage, to) else { return };
    let Some(out) = &mut to.wire else { return };
    let Some((rate, count)) = frame else {
        // The last of what was said has been heard, and how the quiet sounds was told: it begins at once.
        if out.background.is_some() {
            out.fed_until = None;
        }
        return;
    };
    counters.transcoded += 1;
    let (codec, millis) = (out.codec().0, out.packet_ms());
    let comfort = out.takes_comfort();
    transcoder.expect_loss(out.far_loss);
    transcoder.take(rate, &samples[..count], codec, &out.agreed.opus, suppress_silence);
    let mut payload = [0; MAX_PAYLOAD];
    while let Some(made) = transcoder.packet(millis, comfort, &mut payload) {
        to.say(made, &payload, now, outbox);
    }
}

impl Leg {
    /// The next 20 ms of what it says, if that is decoded at all: measured, searched for keys, and written into `samples`.
    /// Called once a turn; gives the sampling rate and the number of samples.
    pub(crate) fn hear(
        &mut self,
        samples: &mut [i16; MAX_FRAME_SAMPLES],
        now: Mono,
        counters: &mut Counters,
        outbox: &mut Outbox,
    ) -> Option<(u32, usize)> {
        let wanted = self.listens() || self.mixes();
        let wire = self.wire.as_mut()?;
        if !wanted && !wire.passage.transcodes() {
            wire.ear = None;
            return None;
        }
        let frame = wire.ear.as_mut().and_then(|ear| ear.pull(now, samples));
        if let Some(meter) = &mut self.meter {
            let heard = match frame {
                Some((rate, count)) => meter.push(rate, &samples[..count]),
                None => meter.push_silence(),
            };
            if let Some(Reading { hz, dbm0, purity }) = heard {
                outbox.event(Event::Heard { leg: self.id, hz, dbm0, purity });
            }
        }
        if let Some(ear) = &mut self.key_ear {
            let pressed = match frame {
                Some((rate, count)) => ear.push(rate, &samples[..count]),
                None => ear.push_silence(),
            };
            if let Some(digit) = pressed {
                counters.digits += 1;
                outbox.event(Event::Digit { leg: self.id, digit });
            }
        }
        frame
    }

    /// Sends what a transcoder made for it, unless something else is to be heard.
    pub(crate) fn say(&mut self, made: Made, payload: &[u8], now: Mono, outbox: &mut Outbox) {
        let silent = self.player.sounds() || self.keys.holds();
        let Some(wire) = &mut self.wire else { return };
        let Some(destination) = wire.destination().filter(|_| !silent) else { return };
        let (codec, payload_type) = wire.codec();
        let ticks = wire.packet_ms() * codec.ticks_per_ms();
        wire.feed(PEER_SILENT, now);
        wire.outgoing.tune(codec.ticks_per_ms(), now);
        match made {
            Made::Audio(length) => {
                let header = wire.outgoing.own(payload_type, ticks, true, now);
                wire.send(self.id, destination, &header, &payload[..length], outbox);
            }
            Made::Quiet(description) if wire.comfort(self.id, description, ticks, now, outbox) => {}
            Made::Quiet(_) | Made::Nothing => wire.outgoing.pass(ticks, now),
        }
    }
}

impl Passage {
    /// Under which payload type an audio packet is relayed to `out`; `None` if it goes through the ear.
    fn choose(&mut self, codec: Codec, payload: &[u8], out: &Wire) -> Option<u8> {
        let fit = out.fit(codec, payload);
        *self = match (std::mem::take(self), fit) {
            (Self::New, Fit::Whole(_)) | (Self::Relay { .. }, Fit::Whole(_)) => Self::Relay { odd: 0 },
            (Self::Relay { odd }, Fit::Codec(_)) if odd + 1 < HABIT => Self::Relay { odd: odd + 1 },
            (Self::Transcode { even, .. }, Fit::Whole(_)) if even + 1 >= HABIT => Self::Relay { odd: 0 },
            (Self::Transcode { even, transcoder }, Fit::Whole(_)) => {
                Self::Transcode { even: even + 1, transcoder }
            }
            (Self::Transcode { transcoder, .. }, _) => Self::Transcode { even: 0, transcoder },
            (Self::New | Self::Relay { .. }, _) => Self::Transcode {
                even: 0,
                transcoder: Box::new(Transcoder::new(out.codec().0, &out.agreed.opus)),
            },
        };
        match (&self, fit) {
            (Self::Relay { .. }, Fit::Whole(payload_type) | Fit::Codec(payload_type)) => Some(payload_type),
            _ => None,
        }
    }

    fn transcodes(&self) -> bool {
        matches!(self, Self::Transcode { .. })
    }
}

impl Wire {
    fn fit(&self, codec: Codec, payload: &[u8]) -> Fit {
        // A receiver of Opus takes packets of any length (RFC 7587 §7.1).
        let whole = || {
            let ticks = codec.packet_ms(self.agreed.ptime) * codec.ticks_per_ms();
            codec.bytes_per_ms().is_none() || codec.ticks(payload) == ticks
        };
        match self.agreed.send.iter().find(|(c, _)| *c == codec) {
            Some((_, pt)) if whole() => Fit::Whole(*pt),
            Some((_, pt)) => Fit::Codec(*pt),
            None => Fit::No,
        }
    }

    /// Sends a packet of the peer under our header. `audio`: the payload type of audio that is relayed.
    fn relay(
        &mut self,
        leg: havre_model::LegId,
        received: &Received<'_>,
        audio: Option<u8>,
        now: Mono,
        counters: &mut Counters,
        outbox: &mut Outbox,
    ) {
        let Some(to) = self.destination() else { return };
        let packet = &received.packet;
        let printed;
        let mut content = packet.payload;
        let header = match (received.kind, audio) {
            (Kind::Audio(codec), Some(pt)) => {
                self.outgoing.tune(codec.ticks_per_ms(), now);
                self.outgoing.relay(packet, pt, codec.ticks(packet.payload), now)
            }
            (Kind::Audio(_), None) => return, // The ear has it.
            (Kind::Press(payload, clock), _) => {
                let Some(event) = self.agreed.event_for(self.outgoing.ticks_per_ms()) else {
                    return self.outgoing.leave_out(packet);
                };
                // The other leg's events may be on another clock, and then the duration is another number.
                let payload = payload.on_clock(clock, event.ticks_per_ms());
                if clock != event.ticks_per_ms() {
                    printed = payload.print();
                    content = &printed;
                }
                let held = event.on_clock(payload.duration, self.outgoing.ticks_per_ms());
                self.outgoing.relay_press(packet, event.payload_type, held, now)
            }
            (Kind::Pause, _) => return, // It has its own way.
        };
        let Some(header) = header else {
            counters.dropped_late += 1;
            return;
        };
        counters.relayed += 1;
        let opus = received.kind == Kind::Audio(Codec::Opus);
        self.feed(if opus { OPUS_SILENT } else { PEER_SILENT }, now);
        if let Kind::Press(..) = received.kind {
            self.pressed_at = Some(now);
        }
        self.send(leg, to, &header, content, outbox);
    }

    /// The peer's phone fell silent and said how that sounds: comfort noise of ours goes on. What is transcoded is played
    /// out first.
    fn pause(&mut self, packet: &Packet<'_>, transcoded: bool) {
        self.outgoing.leave_out(packet);
        self.set_background(comfort::Description::parse(packet.payload));
        if !transcoded {
            self.fed_until = None;
        }
    }
}
