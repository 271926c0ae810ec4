//! What one leg sends: a tone that is encoded already, a stamp over it, and keys.

use std::collections::VecDeque;
use std::net::SocketAddr;

use havre_media::Codec;
use havre_media::rtp::{HEADER, Packet};
use havre_media::sdp::Negotiated;
use havre_model::Digit;

use crate::stamp::{self, LENGTH, Stamp};
use crate::tone::Loop;

/// The largest packet that a voice writes: 20 ms of L16.
pub(crate) const LARGEST: usize = HEADER + 640;
/// Frames a second.
const FRAMES: u32 = 50;
/// Packets of a held key (RFC 4733 §2.5.1.2): one a frame, 120 ms.
const HELD: u8 = 6;
/// Packets that say its end (§2.5.1.4).
const ENDS: u8 = 3;
/// Frames of audio between two keys.
const PAUSE: u8 = 4;
/// -10 dBm0, as most phones say.
const VOLUME: u8 = 10;

/// One leg's voice. It is asked for a packet every 20 ms.
pub(crate) struct Voice {
    id: u32,
    run: u16,
    codec: Codec,
    payload_type: u8,
    event: Option<u8>,
    to: SocketAddr,
    /// The far side wants to hear nothing (hold).
    held: bool,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    marker: bool,
    tone: Loop,
    frame: usize,
    /// Packets that bore a stamp; `None` where none does.
    stamped: Option<u32>,
    keys: VecDeque<Digit>,
    press: Press,
}

enum Press {
    None,
    Held { digit: Digit, timestamp: u32, packets: u8 },
    Pause { frames: u8 },
}

/// What all voices of a run have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// See [`Stamp::run`].
    pub(crate) run: u16,
    /// Whether packets are stamped.
    pub(crate) stamps: bool,
}

impl Voice {
    /// The voice `id`, towards what SDP named.
    pub(crate) fn new(id: u32, style: Style, negotiated: &Negotiated, tone: Loop) -> Option<Self> {
        let (codec, payload_type) = *negotiated.send.first()?;
        Some(Self {
            id,
            run: style.run,
            codec,
            payload_type,
            event: event_of(codec, negotiated),
            to: negotiated.remote_rtp,
            held: !negotiated.direction.sends(),
            // Told apart on the wire as they are in stamps.
            ssrc: id.wrapping_mul(0x9e37_79b1) ^ u32::from(style.run),
            sequence: id as u16,
            timestamp: id.wrapping_mul(0x85eb_ca6b),
            marker: true,
            tone,
            frame: 0,
            stamped: (style.stamps && stamp::fits(codec)).then_some(0),
            keys: VecDeque::new(),
            press: Press::None,
        })
    }

    /// Where its packets go.
    pub(crate) const fn to(&self) -> SocketAddr {
        self.to
    }

    /// A later offer or answer moved the far end, or holds us.
    pub(crate) fn move_to(&mut self, negotiated: &Negotiated) {
        self.to = negotiated.remote_rtp;
        self.held = !negotiated.direction.sends();
    }

    /// Whether anybody wants to hear it.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.held && self.to.port() != 0 && !self.to.ip().is_unspecified()
    }

    /// Presses a key as soon as the earlier ones are let go; false where the far side takes no telephone-events.
    pub(crate) fn press(&mut self, digit: Digit) -> bool {
        if self.event.is_some() {
            self.keys.push_back(digit);
        }
        self.event.is_some()
    }

    /// Writes the packet of this frame, to be sent at `now` (microseconds), and gives its length.
    pub(crate) fn speak(&mut self, now: u32, out: &mut [u8; LARGEST]) -> usize {
        let at = self.timestamp;
        let ticks = self.codec.clock_rate() / FRAMES;
        self.timestamp = at.wrapping_add(ticks);
        if let Press::None = self.press
            && let Some(digit) = self.keys.pop_front()
        {
            self.press = Press::Held { digit, timestamp: at, packets: 0 };
        }
        match (&mut self.press, self.event) {
            (Press::Held { digit, timestamp, packets }, Some(event)) => {
                let (digit, timestamp, number) = (*digit, *timestamp, *packets);
                *packets += 1;
                if *packets == HELD + ENDS {
                    self.press = Press::Pause { frames: PAUSE };
                }
                let held = u16::from(number.min(HELD - 1) + 1) * ticks as u16;
                let [high, low] = held.to_be_bytes();
                let end = u8::from(number >= HELD) << 7;
                self.marker = true;
                self.write(event, timestamp, number == 0, &[digit.event(), end | VOLUME, high, low], out)
            }
            (Press::Pause { frames }, _) => {
                *frames -= 1;
                if *frames == 0 {
                    self.press = Press::None;
                }
                self.audio(at, now, out)
            }
            _ => self.audio(at, now, out),
        }
    }

    fn audio(&mut self, timestamp: u32, now: u32, out: &mut [u8; LARGEST]) -> usize {
        let tone = Loop::clone(&self.tone);
        let payload = &tone[self.frame];
        self.frame = (self.frame + 1) % tone.len();
        let marker = std::mem::take(&mut self.marker);
        let length = self.write(self.payload_type, timestamp, marker, payload, out);
        if let Some(sequence) = &mut self.stamped
            && payload.len() >= LENGTH
        {
            let stamp = Stamp { run: self.run, voice: self.id, sequence: *sequence, sent: now };
            *sequence = sequence.wrapping_add(1);
            stamp.write(self.codec, &mut out[HEADER..length]);
        }
        length
    }

    fn write(
        &mut self,
        payload_type: u8,
        timestamp: u32,
        marker: bool,
        payload: &[u8],
        out: &mut [u8; LARGEST],
    ) -> usize {
        let packet =
            Packet { marker, payload_type, sequence: self.sequence, timestamp, ssrc: self.ssrc, payload };
        self.sequence = self.sequence.wrapping_add(1);
        let length = HEADER + payload.len().min(LARGEST - HEADER);
        out[..HEADER].copy_from_slice(&packet.header());
        out[HEADER..length].copy_from_slice(&payload[..length - HEADER]);
        length
    }
}

/// The telephone-events to send amid this codec's audio: those on its clock, or else any.
fn event_of(codec: Codec, negotiated: &Negotiated) -> Option<u8> {
    let all = &negotiated.send_events;
    let same = all.iter().find(|event| event.clock_rate == codec.clock_rate());
    same.or(all.first()).map(|event| event.payload_type)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::tone::Tones;
    use havre_media::rtp;
    use havre_media::sdp::{Direction, EventFormat, OpusParameters};

    pub(crate) fn negotiated(port: u16) -> Negotiated {
        let at = SocketAddr::from(([127, 0, 0, 1], port));
        Negotiated {
            remote_rtp: at,
            remote_rtcp: at,
            rtcp_mux: false,
            voip_metrics: false,
            direction: Direction::SendRecv,
            send: vec![(Codec::Pcmu, 0)],
            receive: vec![(0, Codec::Pcmu)],
            send_events: vec![EventFormat { payload_type: 101, clock_rate: 8_000 }],
            receive_events: Vec::new(),
            opus: OpusParameters::default(),
            comfort_noise: false,
            srtp: None,
            browser: None,
            ptime: 20,
        }
    }

    pub(crate) fn voice(id: u32, stamps: bool) -> Voice {
        let tones = Tones::new(Codec::Pcmu);
        Voice::new(id, Style { run: 5, stamps }, &negotiated(4_000), tones.of(id)).unwrap()
    }

    #[test]
    fn packets_follow_each_other_and_bear_stamps() {
        let (mut voice, mut out) = (voice(7, true), [0; LARGEST]);
        let mut last: Option<(u16, u32)> = None;
        for i in 0..200 {
            let length = voice.speak(i * 20_000, &mut out);
            let packet = rtp::parse(&out[..length]).unwrap();
            let stamp = Stamp::read(Codec::Pcmu, packet.payload).unwrap();
            assert_eq!((stamp.voice, stamp.sequence, stamp.sent, stamp.run), (7, i, i * 20_000, 5));
            assert_eq!(packet.marker, i == 0);
            if let Some((sequence, timestamp)) = last {
                assert_eq!(
                    (packet.sequence, packet.timestamp),
                    (sequence.wrapping_add(1), timestamp.wrapping_add(160))
                );
            }
            last = Some((packet.sequence, packet.timestamp));
        }
    }

    #[test]
    fn a_held_voice_is_silent_until_it_is_resumed() {
        let mut voice = voice(7, true);
        voice.move_to(&Negotiated { direction: Direction::RecvOnly, ..negotiated(5_000) });
        assert!(!voice.is_wanted());
        voice.move_to(&negotiated(5_000));
        assert!(voice.is_wanted() && voice.to().port() == 5_000);
    }

    #[test]
    fn keys_are_events_one_after_the_other_and_no_stamp_is_missed() {
        let (mut voice, mut out) = (voice(7, true), [0; LARGEST]);
        for key in ['1', '1'] {
            assert!(voice.press(Digit::from_char(key).unwrap()));
        }
        let (mut presses, mut ends, mut stamps) = (Vec::new(), 0, Vec::new());
        for _ in 0..40 {
            let length = voice.speak(0, &mut out);
            let packet = rtp::parse(&out[..length]).unwrap();
            if packet.payload_type == 101 {
                presses.push(packet.timestamp);
                ends += usize::from(packet.payload[1] & 0x80 != 0);
                assert_eq!(packet.payload[0], 1);
            } else {
                stamps.push(Stamp::read(Codec::Pcmu, packet.payload).unwrap().sequence);
            }
        }
        assert_eq!((presses.len(), ends), (18, 6));
        presses.dedup();
        assert_eq!(presses.len(), 2, "each press has one timestamp");
        assert_eq!(stamps, (0..22).collect::<Vec<_>>());
    }
}
