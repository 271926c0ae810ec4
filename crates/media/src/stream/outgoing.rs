//! Our stream to one leg: one SSRC, sequence numbers without a gap of our making and timestamps that never go back,
//! whatever it is made of: prompts, noise, keys, another leg's packets.

use havre_model::Mono;

use crate::codec::TICKS_PER_MS;
use crate::rtcp::Sent;
use crate::rtp::Packet;

/// A source whose timestamps and clock fall apart by more milliseconds than this has begun a new timeline.
const MAX_SLIP_MS: u32 = 500;
/// A source that leaps further than this in sequence has begun anew; fewer are loss, and shown as such.
const MAX_GAP: i16 = 64;
/// Our own audio keeps its own timestamps until it is so many milliseconds late.
const MAX_LATE_MS: u32 = 60;

/// The state of our stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing {
    ssrc: u32,
    /// The clock: `base` at `epoch`, and its ticks in a millisecond.
    epoch: Mono,
    base: u32,
    ticks_per_ms: u32,
    /// What comes after the newest packet.
    next_sequence: u16,
    next_timestamp: u32,
    flow: Flow,
    /// The press that was relayed last: stream and timestamp there, timestamp here. It survives a change of flow, or
    /// one press would become two.
    press: Option<(u32, u32, u32)>,
    packets: u32,
    octets: u32,
}

/// What our stream is made of at present.
#[derive(Clone, Copy, Debug)]
enum Flow {
    Idle,
    /// Packets of our own; talk, or noise between talks.
    Own {
        talk: bool,
    },
    /// A key of our own, and its timestamp.
    Press {
        timestamp: u32,
    },
    /// Another leg's packets, renumbered.
    Relayed(Map),
}

/// How a source's numbers become ours.
#[derive(Clone, Copy, Debug)]
struct Map {
    ssrc: u32,
    sequence_offset: u16,
    timestamp_offset: u32,
    /// Packets before this one belong to the time before this map.
    first: u16,
    newest: u16,
    /// The newest audio packet's timestamp, and when it came.
    timestamp: u32,
    at: Mono,
}

impl Outgoing {
    /// A stream with random numbers to begin with (RFC 3550 §5.1), at 8 kHz until it is told otherwise.
    pub(crate) fn new(ssrc: u32, sequence: u16, timestamp: u32, now: Mono) -> Self {
        Self {
            ssrc,
            epoch: now,
            base: timestamp,
            ticks_per_ms: TICKS_PER_MS,
            next_sequence: sequence,
            next_timestamp: timestamp,
            flow: Flow::Idle,
            press: None,
            packets: 0,
            octets: 0,
        }
    }

    pub(crate) const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Goes on under another name: to the far side it is another stream that begins here.
    pub(crate) fn rename(&mut self, ssrc: u32) {
        self.ssrc = ssrc;
    }

    /// What follows has a clock of so many ticks in a millisecond. All `ticks` given from now on are on that clock. Where
    /// it changes, timestamps go on from where they are, so that they never go back (RFC 7160 tells receivers to
    /// expect a change of payload type to change their rate).
    pub(crate) fn tune(&mut self, ticks_per_ms: u32, now: Mono) {
        if ticks_per_ms != self.ticks_per_ms {
            self.base = self.anchor(now);
            self.next_timestamp = self.base;
            self.epoch = now;
            self.ticks_per_ms = ticks_per_ms;
            self.flow = Flow::Idle;
            self.press = None;
        }
    }

    /// Ticks of its clock in a millisecond.
    pub(crate) const fn ticks_per_ms(&self) -> u32 {
        self.ticks_per_ms
    }

    /// `ticks` of our own audio are left unsent because nothing is to be heard (DTX).
    pub(crate) fn pass(&mut self, ticks: u32, now: Mono) {
        if let Flow::Own { talk } = &mut self.flow {
            *talk = false;
            let late = self.clock(now).wrapping_sub(self.next_timestamp) as i32;
            if late <= (MAX_LATE_MS * self.ticks_per_ms) as i32 {
                self.next_timestamp = self.next_timestamp.wrapping_add(ticks);
            }
        }
    }

    /// The header of a packet of our own that lasts `ticks`.
    pub(crate) fn own(&mut self, payload_type: u8, ticks: u32, talk: bool, now: Mono) -> Packet<'static> {
        let late = self.clock(now).wrapping_sub(self.next_timestamp) as i32;
        let (timestamp, goes_on) = match self.flow {
            Flow::Own { talk: before } if late <= (MAX_LATE_MS * self.ticks_per_ms) as i32 => {
                (self.next_timestamp, before == talk)
            }
            _ => (self.anchor(now), false),
        };
        self.flow = Flow::Own { talk };
        self.write(payload_type, talk && !goes_on, self.next_sequence, timestamp, ticks)
    }

    /// The header of a key's packet: `held` ticks so far.
    pub(crate) fn press(&mut self, payload_type: u8, first: bool, held: u32, now: Mono) -> Packet<'static> {
        let timestamp = match self.flow {
            Flow::Press { timestamp } if !first => timestamp,
            _ => self.anchor(now),
        };
        self.flow = Flow::Press { timestamp };
        self.write(payload_type, first, self.next_sequence, timestamp, held)
    }

    /// The header under which an audio packet of another leg goes on; `None` if it is too late for that.
    pub(crate) fn relay(
        &mut self,
        packet: &Packet<'_>,
        payload_type: u8,
        ticks: u32,
        now: Mono,
    ) -> Option<Packet<'static>> {
        let (mut map, begun) = match self.flow {
            Flow::Relayed(map) if map.continues(packet, self.ticks_per_ms, now) => (map, false),
            _ => (self.begin(packet, packet.timestamp, now), true),
        };
        let sequence = map.place(packet.sequence)?;
        if packet.sequence == map.newest {
            map.timestamp = packet.timestamp;
            map.at = now;
        }
        self.flow = Flow::Relayed(map);
        let timestamp = packet.timestamp.wrapping_add(map.timestamp_offset);
        Some(self.write(payload_type, packet.marker || begun, sequence, timestamp, ticks))
    }

    /// The header under which a key's packet of another leg goes on. It takes its place among relayed audio, and
    /// stands by itself among audio of our own (transcoded).
    pub(crate) fn relay_press(
        &mut self,
        packet: &Packet<'_>,
        payload_type: u8,
        held: u32,
        now: Mono,
    ) -> Option<Packet<'static>> {
        let mapped = match &mut self.flow {
            Flow::Relayed(map) if map.follows(packet) => {
                Some((map.place(packet.sequence)?, map.timestamp_offset))
            }
            _ => None,
        };
        let timestamp = match (self.press, mapped) {
            (Some((ssrc, there, here)), _) if (ssrc, there) == (packet.ssrc, packet.timestamp) => here,
            (_, Some((_, offset))) => packet.timestamp.wrapping_add(offset),
            (_, None) => self.anchor(now),
        };
        self.press = Some((packet.ssrc, packet.timestamp, timestamp));
        let sequence = mapped.map_or(self.next_sequence, |(sequence, _)| sequence);
        Some(self.write(payload_type, packet.marker, sequence, timestamp, held))
    }

    /// A packet of the relayed stream is left out, because this leg does not know its kind: that is no loss.
    pub(crate) fn leave_out(&mut self, packet: &Packet<'_>) {
        if let Flow::Relayed(map) = &mut self.flow
            && map.follows(packet)
            && map.place(packet.sequence).is_some()
            && map.newest == packet.sequence
        {
            map.sequence_offset = map.sequence_offset.wrapping_sub(1);
            map.first = packet.sequence.wrapping_add(1);
        }
    }

    /// What a sender report says; `None` if nothing was sent.
    pub(crate) fn report(&self, ntp: u64, now: Mono) -> Option<Sent> {
        (self.packets > 0).then(|| Sent {
            ssrc: self.ssrc,
            ntp,
            timestamp: self.clock(now),
            packets: self.packets,
            octets: self.octets,
        })
    }

    /// Packets sent so far; wraps.
    pub(crate) const fn packets(&self) -> u32 {
        self.packets
    }

    pub(crate) fn count_octets(&mut self, payload: usize) {
        self.octets = self.octets.wrapping_add(payload as u32);
    }

    fn clock(&self, now: Mono) -> u32 {
        let ticks = now.since(self.epoch).as_micros() * u128::from(self.ticks_per_ms) / 1_000;
        self.base.wrapping_add(ticks as u32)
    }

    /// The timestamp of something new: now, but never before what was sent already.
    fn anchor(&self, now: Mono) -> u32 {
        let clock = self.clock(now);
        if (clock.wrapping_sub(self.next_timestamp) as i32) < 0 { self.next_timestamp } else { clock }
    }

    fn begin(&self, packet: &Packet<'_>, timestamp: u32, now: Mono) -> Map {
        Map {
            ssrc: packet.ssrc,
            sequence_offset: self.next_sequence.wrapping_sub(packet.sequence),
            timestamp_offset: self.anchor(now).wrapping_sub(timestamp),
            first: packet.sequence,
            newest: packet.sequence,
            timestamp,
            at: now,
        }
    }

    fn write(
        &mut self,
        payload_type: u8,
        marker: bool,
        sequence: u16,
        timestamp: u32,
        ticks: u32,
    ) -> Packet<'static> {
        let after = sequence.wrapping_add(1);
        if (after.wrapping_sub(self.next_sequence) as i16) > 0 {
            self.next_sequence = after;
        }
        let end = timestamp.wrapping_add(ticks);
        if (end.wrapping_sub(self.next_timestamp) as i32) > 0 {
            self.next_timestamp = end;
        }
        self.packets = self.packets.wrapping_add(1);
        Packet { marker, payload_type, sequence, timestamp, ssrc: self.ssrc, payload: &[] }
    }
}

impl Map {
    /// Whether a packet is of this map's stream, near its newest.
    fn follows(&self, packet: &Packet<'_>) -> bool {
        let ahead = packet.sequence.wrapping_sub(self.newest) as i16;
        packet.ssrc == self.ssrc && (-MAX_GAP..=MAX_GAP).contains(&ahead)
    }

    /// And whether its timestamp moved as time did.
    fn continues(&self, packet: &Packet<'_>, ticks_per_ms: u32, now: Mono) -> bool {
        let passed = (now.since(self.at).as_millis() as i32).saturating_mul(ticks_per_ms as i32);
        let moved = packet.timestamp.wrapping_sub(self.timestamp) as i32;
        self.follows(packet)
            && moved.saturating_sub(passed).saturating_abs() <= (MAX_SLIP_MS * ticks_per_ms) as i32
    }

    /// Our sequence number for one of the source's; `None` for one from before this map.
    fn place(&mut self, sequence: u16) -> Option<u16> {
        if (sequence.wrapping_sub(self.first) as i16) < 0 {
            return None;
        }
        if (sequence.wrapping_sub(self.newest) as i16) > 0 {
            self.newest = sequence;
        }
        // `first` follows at a distance, or it would lie ahead after half a cycle.
        if self.newest.wrapping_sub(self.first) > 2 * MAX_GAP as u16 {
            self.first = self.newest.wrapping_sub(MAX_GAP as u16);
        }
        Some(sequence.wrapping_add(self.sequence_offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(millis: u64) -> Mono {
        Mono::from_start(Duration::from_millis(millis))
    }

    fn source(sequence: u16, timestamp: u32) -> Packet<'static> {
        Packet { marker: false, payload_type: 0, sequence, timestamp, ssrc: 99, payload: &[] }
    }

    fn stream() -> Outgoing {
        Outgoing::new(7, 65_534, u32::MAX - 100, at(0))
    }

    /// Each step's (sequence, timestamp) relative to the stream's beginning, and the marker.
    fn from_start(packet: Packet<'_>) -> (u16, u32, bool) {
        (packet.sequence.wrapping_sub(65_534), packet.timestamp.wrapping_sub(u32::MAX - 100), packet.marker)
    }

    #[test]
    fn prompt_bridge_prompt_is_one_stream() {
        let mut out = stream();
        let own = |out: &mut Outgoing, ms| from_start(out.own(0, 160, true, at(ms)));
        assert_eq!(own(&mut out, 0), (0, 0, true));
        assert_eq!(own(&mut out, 20), (1, 160, false));
        // The bridge begins 7 ms after the last prompt packet: its audio must not overlap that packet's.
        let relay = |out: &mut Outgoing, s, t, ms| out.relay(&source(s, t), 8, 160, at(ms)).map(from_start);
        assert_eq!(relay(&mut out, 5_000, 77_000, 27), Some((2, 320, true)));
        assert_eq!(relay(&mut out, 5_002, 77_320, 67), Some((4, 640, false)), "a loss stays visible");
        assert_eq!(
            relay(&mut out, 5_001, 77_160, 68),
            Some((3, 480, false)),
            "a late packet keeps its place"
        );
        assert_eq!(relay(&mut out, 4_999, 76_840, 69), None, "older than the bridge");
        assert_eq!(own(&mut out, 120), (5, 960, true));
        assert_eq!(relay(&mut out, 5_003, 77_480, 141), Some((6, 1_128, true)));
    }

    #[test]
    fn noise_turns_into_talk_with_a_marker_and_without_a_gap() {
        let mut out = stream();
        assert_eq!(from_start(out.own(0, 160, false, at(0))), (0, 0, false));
        assert_eq!(from_start(out.own(0, 160, true, at(20))), (1, 160, true));
        assert_eq!(from_start(out.own(0, 160, false, at(40))), (2, 320, false));
        // A stall of the shell moves the timestamp on, by what was not sent.
        assert_eq!(from_start(out.own(0, 160, false, at(1_060))), (3, 8_480, false));
    }

    #[test]
    fn a_source_that_begins_anew_is_taken_up_where_we_are() {
        let mut out = stream();
        out.relay(&source(10, 1_000), 0, 160, at(0));
        let leap = out.relay(&source(11, 900_000), 0, 160, at(20)).map(from_start);
        assert_eq!(leap, Some((1, 160, true)));
        let other = Packet { ssrc: 5, ..source(40_000, 5) };
        assert_eq!(out.relay(&other, 0, 160, at(40)).map(from_start), Some((2, 320, true)));
    }

    #[test]
    fn a_whole_cycle_of_sequence_numbers_passes() {
        let mut out = stream();
        for i in 0..140_000_u32 {
            let packet = source(i as u16, i * 160);
            let relayed = out.relay(&packet, 0, 160, at(u64::from(i) * 20)).map(from_start);
            assert_eq!(relayed, Some((i as u16, i * 160, i == 0)));
        }
    }

    #[test]
    fn a_press_keeps_its_timestamp_across_a_prompt() {
        let mut out = stream();
        out.relay(&source(10, 1_000), 0, 160, at(0));
        let key = |s| Packet { marker: s == 11, ..source(s, 1_160) };
        let first = out.relay_press(&key(11), 101, 160, at(20)).unwrap();
        assert_eq!(from_start(first), (1, 160, true));
        out.own(0, 160, true, at(40));
        let again = out.relay_press(&key(12), 101, 480, at(60)).unwrap();
        assert_eq!((again.timestamp, from_start(again).0), (first.timestamp, 3));
    }

    #[test]
    fn what_is_left_out_leaves_no_gap() {
        let mut out = stream();
        let relay =
            |out: &mut Outgoing, s: u16, t, ms| out.relay(&source(s, t), 0, 160, at(ms)).map(from_start);
        assert_eq!(relay(&mut out, 10, 1_000, 0), Some((0, 0, true)));
        out.leave_out(&source(11, 1_160));
        assert_eq!(relay(&mut out, 12, 1_320, 40), Some((1, 320, false)));
        assert_eq!(relay(&mut out, 11, 1_160, 41), None);
    }
}
