//! How one leg's audio gets to another: packet by packet where the other knows the codec, or else decoded, converted
//! and encoded again.

use std::collections::VecDeque;

use havre_model::Mono;

use super::{Kind, Leg, Received, Wire};
use crate::codec::{Codec, Encoder, FRAME_TICKS, MAX_FRAME_SAMPLES, TICKS_PER_MS};
use crate::meter::Reading;
use crate::outbox::Outbox;
use crate::resample::{Downsampler, Upsampler};
use crate::rtp::Packet;
use crate::{Counters, Event};

/// Packets in a row that ask for the other passage before it is taken: one short packet changes nothing.
const HABIT: u8 = 3;
/// Most ticks that wait to be packed: the longest packet and a frame.
const MAX_PENDING: usize = ((60 + 20) * TICKS_PER_MS) as usize;

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

/// Encodes decoded frames for a peer.
#[derive(Debug)]
pub(super) struct Transcoder {
    encoder: Encoder,
    down: Downsampler,
    up: Upsampler,
    /// Encoded, not yet a whole packet.
    pending: VecDeque<u8>,
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
    let measured = from.meter.is_some();
    let Some(wire) = &mut from.wire else { return };
    let mut heard = measured;
    // A key that was pressed before the bridge was meant for us; its packets have one timestamp (RFC 4733 §2.5.1.1).
    if to.is_none() && matches!(received.kind, Kind::Press(_)) {
        wire.private_press = Some(received.packet.timestamp);
    }
    let private =
        matches!(received.kind, Kind::Press(_)) && wire.private_press == Some(received.packet.timestamp);
    if let Some(to) = to.filter(|_| !private) {
        let (peer, silent) = (to.id, to.player.sounds() || to.keys.holds());
        if let Some(out) = &mut to.wire {
            let relay = match received.kind {
                Kind::Audio(codec) => wire.passage.choose(codec, received.packet.payload.len(), out),
                Kind::Press(_) | Kind::Pause => None,
            };
            heard |= wire.passage.transcodes();
            if !silent {
                out.relay(peer, received, relay, now, counters, outbox);
            }
        }
    }
    if heard {
        wire.listen_to(received, now);
    }
}

/// A leg's turn as a speaker: what its ear hears is measured, and encoded for its peer.
pub(crate) fn speak_for(
    from: &mut Leg,
    to: Option<&mut Leg>,
    now: Mono,
    counters: &mut Counters,
    outbox: &mut Outbox,
) {
    let Some(wire) = &mut from.wire else { return };
    if from.meter.is_none() && !wire.passage.transcodes() {
        wire.ear = None;
        return;
    }
    let mut samples = [0; MAX_FRAME_SAMPLES];
    let frame = wire.ear.as_mut().and_then(|ear| ear.pull(now, &mut samples));
    if let Some(meter) = &mut from.meter {
        let heard = match frame {
            Some((rate, count)) => meter.push(rate, &samples[..count]),
            None => meter.push_silence(),
        };
        if let Some(Reading { hz, dbm0, purity }) = heard {
            outbox.event(Event::Heard { leg: from.id, hz, dbm0, purity });
        }
    }
    let (Passage::Transcode { transcoder, .. }, Some((rate, count))) = (&mut wire.passage, frame) else {
        return;
    };
    let Some(to) = to else { return };
    let silent = to.player.sounds() || to.keys.holds();
    let (peer, Some(out)) = (to.id, &mut to.wire) else { return };
    counters.transcoded += 1;
    transcoder.take(rate, &samples[..count], out.codec().0);
    let length = out.codec().0.bytes(out.packet_ticks());
    while transcoder.pending.len() >= length {
        let payload = transcoder.pending.drain(..length);
        if let Some(destination) = out.destination().filter(|_| !silent) {
            let header = out.outgoing.own(out.codec().1, out.packet_ticks(), true, now);
            out.outgoing.count_octets(length);
            out.fed_at = Some(now);
            let room = outbox.rtp(peer, destination, &header, length);
            room.iter_mut().zip(payload).for_each(|(place, byte)| *place = byte);
        }
    }
}

impl Passage {
    /// Under which payload type an audio packet is relayed to `out`; `None` if it goes through the ear.
    fn choose(&mut self, codec: Codec, bytes: usize, out: &Wire) -> Option<u8> {
        let fit = out.fit(codec, bytes);
        *self = match (std::mem::take(self), fit) {
            (Self::New, Fit::Whole(_)) | (Self::Relay { .. }, Fit::Whole(_)) => Self::Relay { odd: 0 },
            (Self::Relay { odd }, Fit::Codec(_)) if odd + 1 < HABIT => Self::Relay { odd: odd + 1 },
            (Self::Transcode { even, .. }, Fit::Whole(_)) if even + 1 >= HABIT => Self::Relay { odd: 0 },
            (Self::Transcode { even, transcoder }, Fit::Whole(_)) => {
                Self::Transcode { even: even + 1, transcoder }
            }
            (Self::Transcode { transcoder, .. }, _) => Self::Transcode { even: 0, transcoder },
            (Self::New | Self::Relay { .. }, _) => {
                Self::Transcode { even: 0, transcoder: Box::new(Transcoder::new(out.codec().0)) }
            }
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

impl Transcoder {
    fn new(codec: Codec) -> Self {
        Self {
            encoder: Encoder::new(codec),
            down: Downsampler::default(),
            up: Upsampler::default(),
            pending: VecDeque::with_capacity(MAX_PENDING),
        }
    }

    fn take(&mut self, rate: u32, samples: &[i16], codec: Codec) {
        if self.encoder.codec() != codec {
            self.encoder = Encoder::new(codec);
            self.pending.clear();
        }
        let mut converted = [0; MAX_FRAME_SAMPLES];
        let samples = match (rate, codec.sample_rate()) {
            (16_000, 8_000) => {
                let made = self.down.process(samples, &mut converted);
                &converted[..made]
            }
            (8_000, 16_000) => {
                let made = self.up.process(samples, &mut converted);
                &converted[..made]
            }
            _ => samples,
        };
        let mut payload = [0; MAX_FRAME_SAMPLES];
        let payload = &mut payload[..codec.bytes(FRAME_TICKS)];
        self.encoder.encode(samples, payload);
        self.pending.extend(payload.iter());
    }
}

impl Wire {
    fn fit(&self, codec: Codec, bytes: usize) -> Fit {
        match self.agreed.send.iter().find(|(c, _)| *c == codec) {
            Some((_, pt)) if codec.ticks(bytes) == self.packet_ticks() => Fit::Whole(*pt),
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
        let header = match (received.kind, audio) {
            (Kind::Audio(codec), Some(pt)) => {
                self.outgoing.relay(packet, pt, codec.ticks(packet.payload.len()), now)
            }
            (Kind::Audio(_), None) => return, // The ear has it.
            (Kind::Press(payload), _) => match self.agreed.send_event {
                Some(pt) => self.outgoing.relay_press(packet, pt, payload.duration.into(), now),
                None => return self.outgoing.leave_out(packet),
            },
            // The peer's pause is filled by our own comfort noise.
            (Kind::Pause, _) => return self.outgoing.leave_out(packet),
        };
        let Some(header) = header else {
            counters.dropped_late += 1;
            return;
        };
        counters.relayed += 1;
        self.fed_at = Some(now);
        self.send(leg, to, &header, packet.payload, outbox);
    }

    fn send(
        &mut self,
        leg: havre_model::LegId,
        to: std::net::SocketAddr,
        header: &Packet<'_>,
        payload: &[u8],
        outbox: &mut Outbox,
    ) {
        self.outgoing.count_octets(payload.len());
        outbox.rtp(leg, to, header, payload.len()).copy_from_slice(payload);
    }
}
