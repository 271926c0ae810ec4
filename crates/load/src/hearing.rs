//! What one leg hears: which packets are missing, late or there twice, how long they took, and whose they are.

use std::time::Duration;

use havre_media::Codec;
use havre_media::rtp::Packet;

use crate::histogram::Histogram;
use crate::stamp::{self, Stamp};
use crate::tone::{ToneEar, tone_of};

/// Time between two packets of a stream above which a listener hears a gap: one packet is missing or late.
const GAP: Duration = Duration::from_millis(40);
/// A step further than this is a new stream, not a loss: 30 s of packets.
const JUMP: i32 = 1_500;
/// Frames without a packet after which nobody is heard any more: a second. They are those that we spoke meanwhile, so that a
/// stall of our own makes nobody deaf.
const DEAF: u32 = 50;
/// Packets in a row that bear another tone before it is believed: 300 ms, longer than a note of most waiting sounds.
const SURE: u8 = 15;

/// What all legs heard together since it was last taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// RTP packets.
    pub(crate) packets: u64,
    /// Those that came from another voice of this run, through the server.
    pub(crate) relayed: u64,
    /// Packets that were sent and not heard.
    pub(crate) lost: u64,
    /// Packets overtaken by later ones.
    pub(crate) reordered: u64,
    /// Packets heard twice.
    pub(crate) duplicated: u64,
    /// Times between two packets of one leg above 40 ms.
    pub(crate) gaps: u64,
    /// Packets of a voice that does not belong to the call.
    pub(crate) crosstalk: u64,
    /// Packets of one's own voice that came back.
    pub(crate) echoed: u64,
    /// Packets in which the other party's tone was not heard (only with `--check tone`).
    pub(crate) tone_breaks: u64,
    /// From handing a packet to our kernel until it came back.
    pub(crate) delay: Histogram,
}

/// One leg's ear.
pub(crate) struct Hearing {
    /// Our own voice.
    own: u32,
    run: u16,
    codec: Codec,
    /// Arrival of the last packet, in microseconds.
    last: Option<u64>,
    /// Frames since then.
    silence: u32,
    stream: Option<(u32, Track)>,
    peer: Option<Peer>,
    /// Whom we heard before: their last packets may still be under way.
    former: Option<Voice>,
    tone: Option<(ToneEar, u8)>,
}

/// Whom we hear.
#[derive(Clone, Copy, Debug)]
struct Peer {
    voice: Voice,
    track: Track,
    /// Frames since the last packet.
    silence: u32,
}

/// How a voice is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    /// By its stamp.
    Number(u32),
    /// By its stamp, too: the run and the number of another process, which shares our server's agents.
    Elsewhere(u16, u32),
    /// By its tone, which it may share with others.
    Tone(usize),
}

impl Hearing {
    /// Nothing heard yet. Streams of `codec` are searched for stamps (`run` is our own), or for tones.
    pub(crate) fn new(own: u32, run: u16, codec: Codec, tones: bool) -> Self {
        let tone = tones.then(|| (ToneEar::new(codec), 0));
        Self { own, run, codec, last: None, silence: 0, stream: None, peer: None, former: None, tone }
    }

    /// Whom we hear.
    pub(crate) fn peer(&self) -> Option<Voice> {
        self.peer.map(|peer| peer.voice)
    }

    /// We spoke a frame, and have heard nothing since the one before.
    pub(crate) fn pass(&mut self) {
        self.silence = self.silence.saturating_add(1);
        if let Some(peer) = &mut self.peer {
            peer.silence = peer.silence.saturating_add(1);
        }
    }

    /// Whether nobody of a run is heard now.
    pub(crate) fn is_deaf(&self) -> bool {
        self.peer.is_none_or(|peer| peer.silence >= DEAF)
    }

    /// Whether nothing at all is heard now.
    pub(crate) const fn hears_nothing(&self) -> bool {
        self.silence >= DEAF
    }

    /// Whether `voice`, of our own run, is the one that we hear.
    pub(crate) fn hears(&self, voice: u32) -> bool {
        match self.peer() {
            Some(Voice::Number(number)) => number == voice,
            Some(Voice::Tone(tone)) => tone == tone_of(voice),
            Some(Voice::Elsewhere(..)) | None => false,
        }
    }

    /// The peer is gone: whoever speaks next belongs to the call.
    pub(crate) fn forget_peer(&mut self) {
        self.former = self.peer.take().map(|peer| peer.voice);
    }

    /// Takes a packet of `payload_type` audio that arrived at `at` (microseconds). True if a peer is heard for the
    /// first time.
    pub(crate) fn on_packet(&mut self, packet: &Packet<'_>, at: u64, heard: &mut Heard) -> bool {
        heard.packets += 1;
        self.silence = 0;
        if let Some(last) = self.last.replace(at)
            && at.saturating_sub(last) > GAP.as_micros() as u64
        {
            heard.gaps += 1;
        }
        if self.tone.is_some() {
            self.on_sequence(packet, heard);
            return self.on_tone(packet, heard);
        }
        let stamp = Some(packet.payload).filter(|_| stamp::fits(self.codec));
        let stamp = stamp.and_then(|payload| Stamp::read(self.codec, payload));
        match stamp {
            Some(stamp) => self.on_stamp(stamp, at, heard),
            None => {
                self.on_sequence(packet, heard);
                false
            }
        }
    }

    fn on_stamp(&mut self, stamp: Stamp, at: u64, heard: &mut Heard) -> bool {
        let ours = stamp.run == self.run;
        if ours && stamp.voice == self.own {
            heard.echoed += 1;
            return false;
        }
        heard.relayed += 1;
        let voice = if ours { Voice::Number(stamp.voice) } else { Voice::Elsewhere(stamp.run, stamp.voice) };
        let Some(peer) = &mut self.peer else {
            if self.former == Some(voice) {
                return false;
            }
            self.peer = Some(Peer { voice, track: Track::new(stamp.sequence), silence: 0 });
            return true;
        };
        if peer.voice != voice {
            heard.crosstalk += 1;
            return false;
        }
        peer.silence = 0;
        peer.track.step(stamp.sequence, heard);
        let micros = (at as u32).wrapping_sub(stamp.sent);
        // A wall clock that was set back makes a delay that cannot be, and another process may have another clock.
        if ours && micros < u32::MAX / 2 {
            heard.delay.add(Duration::from_micros(micros.into()));
        }
        false
    }

    /// Sounds of the server itself, or of a voice that it has encoded anew: only the header counts packets.
    fn on_sequence(&mut self, packet: &Packet<'_>, heard: &mut Heard) {
        match &mut self.stream {
            Some((ssrc, track)) if *ssrc == packet.ssrc => {
                let step = packet.sequence.wrapping_sub(track.highest as u16) as i16;
                track.step(track.highest.wrapping_add_signed(step.into()), heard);
            }
            stream => *stream = Some((packet.ssrc, Track::new(packet.sequence.into()))),
        }
    }

    fn on_tone(&mut self, packet: &Packet<'_>, heard: &mut Heard) -> bool {
        let Some((ear, sure)) = &mut self.tone else { return false };
        let tone = ear.hear(packet.payload);
        if let Some(peer) = &mut self.peer
            && tone.map(Voice::Tone) == Some(peer.voice)
        {
            (peer.silence, *sure) = (0, 0);
            heard.relayed += 1;
            return false;
        }
        heard.tone_breaks += u64::from(self.peer.is_some());
        // One odd frame may be the seam of a concealed loss; a run of them is another voice.
        *sure = if tone.is_some() { *sure + 1 } else { 0 };
        if *sure < SURE {
            return false;
        }
        *sure = 0;
        let Some(tone) = tone else { return false };
        if self.peer.is_some() {
            heard.crosstalk += 1;
            return false;
        }
        self.peer = Some(Peer { voice: Voice::Tone(tone), track: Track::new(0), silence: 0 });
        true
    }
}

/// A numbered stream: the highest number, and which of the 64 up to it have come.
#[derive(Clone, Copy, Debug)]
struct Track {
    highest: u32,
    seen: u64,
}

impl Track {
    /// What came before its first packet is not missed.
    const fn new(first: u32) -> Self {
        Self { highest: first, seen: u64::MAX }
    }

    fn step(&mut self, number: u32, heard: &mut Heard) {
        let ahead = number.wrapping_sub(self.highest).cast_signed();
        match ahead {
            1..=JUMP => {
                heard.lost += u64::from(ahead.unsigned_abs()) - 1;
                self.seen = self.seen.checked_shl(ahead.unsigned_abs()).unwrap_or(0) | 1;
                self.highest = number;
            }
            -63..=0 => {
                let bit = 1 << ahead.unsigned_abs();
                if self.seen & bit == 0 {
                    self.seen |= bit;
                    heard.reordered += 1;
                    heard.lost = heard.lost.saturating_sub(1);
                } else {
                    heard.duplicated += 1;
                }
            }
            // Too late for anybody's ear: it stays lost.
            -1_500..-63 => heard.reordered += 1,
            _ => *self = Self::new(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voice::LARGEST;
    use crate::voice::tests::voice;
    use havre_media::rtp;

    const FRAME: u64 = 20_000;

    /// `count` packets of a voice, each with the moment it was sent at.
    fn packets(id: u32, count: u64, stamps: bool) -> Vec<(u64, Vec<u8>)> {
        let (mut voice, mut out) = (voice(id, stamps), [0; LARGEST]);
        let packets = (0..count).map(|i| {
            let length = voice.speak((i * FRAME) as u32, &mut out);
            (i * FRAME, out[..length].to_vec())
        });
        packets.collect()
    }

    /// Hears them 300 µs after they were sent, in this order.
    fn hear(hearing: &mut Hearing, packets: &[(u64, Vec<u8>)]) -> Heard {
        let mut heard = Heard::default();
        let mut clock = 0;
        for (sent, bytes) in packets {
            clock = (sent + 300).max(clock);
            hearing.on_packet(&rtp::parse(bytes).unwrap(), clock, &mut heard);
        }
        heard
    }

    fn by_stamp() -> Hearing {
        Hearing::new(9, 5, Codec::Pcmu, false)
    }

    #[test]
    fn a_clean_stream_has_no_fault() {
        let heard = hear(&mut by_stamp(), &packets(1, 100, true));
        assert_eq!((heard.packets, heard.relayed, heard.lost, heard.gaps), (100, 100, 0, 0));
        assert_eq!(heard.delay.count(), 99, "the first packet only makes the acquaintance");
        assert_eq!(heard.delay.quantile(0.99), Some(Duration::from_micros(300)));
    }

    #[test]
    fn lost_late_and_doubled_packets_are_told_apart() {
        let mut sent = packets(1, 100, true);
        sent.swap(10, 11);
        sent.insert(20, sent[18].clone());
        sent.drain(50..53);
        let heard = hear(&mut by_stamp(), &sent);
        assert_eq!((heard.lost, heard.reordered, heard.duplicated, heard.gaps), (3, 1, 1, 1));
    }

    #[test]
    fn the_servers_own_sound_is_counted_by_its_header() {
        let mut sent = packets(1, 100, false);
        sent.remove(50);
        let heard = hear(&mut by_stamp(), &sent);
        assert_eq!((heard.packets, heard.relayed, heard.lost, heard.gaps), (99, 0, 1, 0));
    }

    #[test]
    fn another_callers_voice_is_an_alarm() {
        let mut hearing = by_stamp();
        hear(&mut hearing, &packets(1, 10, true));
        let heard = hear(&mut hearing, &packets(2, 10, true));
        assert_eq!((heard.crosstalk, hearing.hears(1), hearing.hears(2)), (10, true, false));
        hearing.forget_peer();
        assert_eq!(hear(&mut hearing, &packets(2, 10, true)).crosstalk, 0);
        assert!(hearing.hears(2));
        hearing.forget_peer();
        hear(&mut hearing, &packets(2, 1, true));
        assert_eq!(hearing.peer(), None, "a straggler of the one who left");
    }

    #[test]
    fn a_voice_of_another_process_is_heard_and_never_mistaken_for_ours() {
        let mut hearing = Hearing::new(9, 6, Codec::Pcmu, false);
        let heard = hear(&mut hearing, &packets(1, 100, true));
        assert_eq!((heard.relayed, heard.lost, heard.crosstalk), (100, 0, 0));
        assert_eq!(heard.delay.count(), 0, "its clock may be another");
        assert_eq!((hearing.peer(), hearing.hears(1)), (Some(Voice::Elsewhere(5, 1)), false));
        assert_eq!(hear(&mut hearing, &packets(2, 10, true)).crosstalk, 10);
    }

    #[test]
    fn ones_own_voice_is_nobodys_answer() {
        let mut hearing = by_stamp();
        let heard = hear(&mut hearing, &packets(9, 10, true));
        assert_eq!((heard.echoed, heard.relayed, hearing.peer()), (10, 0, None));
    }

    #[test]
    fn who_speaks_for_a_second_and_hears_nothing_is_deaf() {
        let mut hearing = by_stamp();
        assert!(hearing.is_deaf() && !hearing.hears_nothing());
        let sent = packets(1, 2, true);
        hear(&mut hearing, &sent[..1]);
        (0..49).for_each(|_| hearing.pass());
        assert!(!hearing.is_deaf() && !hearing.hears_nothing());
        hearing.pass();
        assert!(hearing.is_deaf() && hearing.hears_nothing());
        hear(&mut hearing, &sent[1..]);
        assert!(!hearing.is_deaf() && !hearing.hears_nothing());
    }

    #[test]
    fn voices_are_known_by_their_tones_where_stamps_do_not_survive() {
        let mut hearing = Hearing::new(9, 5, Codec::Pcmu, true);
        let heard = hear(&mut hearing, &packets(1, 50, false));
        assert!(hearing.hears(1) && !hearing.hears(2));
        assert_eq!((heard.relayed, heard.tone_breaks), (35, 0));
        let heard = hear(&mut hearing, &packets(2, 50, false));
        assert_eq!((heard.crosstalk, heard.tone_breaks), (3, 50));
    }

    #[test]
    fn a_new_stream_is_no_loss() {
        let mut heard = Heard::default();
        let mut track = Track::new(7);
        track.step(1_000_000, &mut heard);
        track.step(1_000_001, &mut heard);
        assert_eq!(heard, Heard::default());
    }
}
