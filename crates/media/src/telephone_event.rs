//! Keys as RTP packets (RFC 4733).

use havre_model::{Digit, Mono};
use std::collections::VecDeque;
use std::time::Duration;

use crate::limits::MAX_DIGITS_QUEUED;

/// Bytes of a payload (§2.3).
pub(crate) const PAYLOAD: usize = 4;
/// Two presses of one key begin further apart than this: 60 ms, where a key is held 40 ms and let go for 40 at the
/// least. Packets nearer by belong to one press, sent by a phone that moves the timestamp with every packet.
const ONE_PRESS_MS: u32 = 60;
/// The same while it is not known whether the phone moves the timestamp: one update of 50 ms may be lost.
const PERHAPS_ONE_PRESS_MS: u32 = 120;
/// And of a phone known to move it: four updates in a row may be lost, since its next press is told by the marker,
/// or by the end of the one before.
const MOVING_ONE_PRESS_MS: u32 = 250;
/// A packet of an earlier press comes no later than this: the longest press of ours, and more than any network delays.
/// What is further back is of another timeline: the phone's clock has leapt.
const STRAGGLES_MS: u32 = 10_000;
/// The longest duration that fits a payload; a longer press goes on in a new segment (§2.5.1.3).
const SEGMENT_TICKS: u32 = 0xffff;
/// Updates while a key is held (§2.5.1.2 recommends 50 ms).
const UPDATE_EVERY: Duration = Duration::from_millis(50);
/// The end is said three times (§2.5.1.4).
const ENDS: u8 = 3;
/// Silence after a key before the next one.
const PAUSE: Duration = Duration::from_millis(60);
const HELD: std::ops::RangeInclusive<u16> = 40..=8_000;

/// One telephone-event payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Payload {
    pub(crate) event: u8,
    pub(crate) end: bool,
    /// Since the press, in ticks of the event's clock rate.
    pub(crate) duration: u16,
}

impl Payload {
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let [event, flags, high, low, ..] = bytes else { return None };
        Some(Self { event: *event, end: flags & 0x80 != 0, duration: u16::from_be_bytes([*high, *low]) })
    }

    /// The same on another clock: from and to so many ticks in a millisecond.
    pub(crate) fn on_clock(self, from: u32, to: u32) -> Self {
        let duration = u32::from(self.duration) * to / from.max(1);
        Self { duration: u16::try_from(duration).unwrap_or(u16::MAX), ..self }
    }

    pub(crate) fn print(self) -> [u8; PAYLOAD] {
        // -10 dBm0, as most phones say; receivers ignore it.
        const VOLUME: u8 = 10;
        let [high, low] = self.duration.to_be_bytes();
        [self.event, u8::from(self.end) << 7 | VOLUME, high, low]
    }
}

/// Tells presses apart in one stream. All packets of a press bear its first packet's timestamp, so a press counts
/// at whichever of its packets comes first, and the rest are known by their timestamp, however late. Phones that move
/// the timestamp within a press are put up with, though packets of theirs be lost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Receiver {
    last: Option<Press>,
    timestamps: Timestamps,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    event: u8,
    timestamp: u32,
    duration: u16,
    /// Whether its end was heard.
    ended: bool,
}

/// What the phone does to the timestamp within a press.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Timestamps {
    #[default]
    Unknown,
    /// Keeps it, as RFC 4733 §2.2.2 says.
    Kept,
    /// Moves it with every packet.
    Moved,
}

impl Receiver {
    /// Takes a packet's payload, whose clock has so many ticks in a millisecond; gives the key if this is a new press.
    /// `late`: a packet that was sent after it has come before.
    pub(crate) fn on_packet(
        &mut self,
        timestamp: u32,
        (marker, late): (bool, bool),
        payload: Payload,
        ticks_per_ms: u32,
    ) -> Option<Digit> {
        if let Some(last) = &mut self.last {
            let later = timestamp.wrapping_sub(last.timestamp);
            if later > u32::MAX / 2 {
                let leapt = marker || later.wrapping_neg() > STRAGGLES_MS * ticks_per_ms;
                if late || !leapt {
                    return None; // a straggler of an earlier press
                }
            }
            if later == 0 {
                // A duplicate shows nothing of the phone; an update with a timestamp that stays does.
                if payload.duration != last.duration {
                    self.timestamps = Timestamps::Kept;
                }
                last.ended |= payload.end;
                return None;
            }
            if !marker && last.goes_on_with(later, payload, self.timestamps, ticks_per_ms) {
                if later != SEGMENT_TICKS {
                    self.timestamps = Timestamps::Moved;
                }
                *last = Press { timestamp, duration: payload.duration, ended: payload.end, ..*last };
                return None;
            }
        }
        let Payload { event, duration, end } = payload;
        self.last = Some(Press { event, timestamp, duration, ended: end });
        Digit::from_event(event)
    }
}

impl Press {
    /// Whether an unmarked packet with a timestamp `later` ticks on is still of this press.
    fn goes_on_with(self, later: u32, payload: Payload, timestamps: Timestamps, ticks_per_ms: u32) -> bool {
        let within = |millis| later <= millis * ticks_per_ms;
        let grown = u32::from(payload.duration.saturating_sub(self.duration));
        if payload.event != self.event || self.ended && !payload.end {
            return false;
        }
        // A press lasts no shorter than it did; but what a phone says within 60 ms is not held against it.
        let shorter = payload.duration < self.duration;
        later == SEGMENT_TICKS
            || within(ONE_PRESS_MS)
            || !shorter
                && match timestamps {
                    Timestamps::Kept => false,
                    // One that has lasted just so much longer is the same press, though more be lost.
                    Timestamps::Unknown => {
                        within(PERHAPS_ONE_PRESS_MS) || within(MOVING_ONE_PRESS_MS) && grown == later
                    }
                    // The end is said again soon.
                    Timestamps::Moved if self.ended => within(PERHAPS_ONE_PRESS_MS),
                    Timestamps::Moved => within(MOVING_ONE_PRESS_MS),
                }
    }
}

/// Presses keys towards the far side, one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sender {
    queue: VecDeque<(Digit, u16)>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Idle,
    Held {
        digit: Digit,
        millis: u16,
        since: Mono,
        next: Mono,
        first: bool,
    },
    Ending {
        digit: Digit,
        millis: u16,
        left: u8,
    },
    Pausing {
        until: Mono,
    },
}

/// What to send now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// No key is held: audio may flow.
    Audio,
    /// A key is held, but nothing is due: audio must not flow.
    Nothing,
    /// The first packet of a press: it takes a new timestamp and the marker.
    First(Payload),
    /// A later packet of the same press.
    Again(Payload),
}

impl Sender {
    /// Queues a key; false if too many wait.
    pub(crate) fn press(&mut self, digit: Digit, millis: u16) -> bool {
        let room = self.queue.len() < MAX_DIGITS_QUEUED;
        if room {
            self.queue.push_back((digit, millis.clamp(*HELD.start(), *HELD.end())));
        }
        room
    }

    /// Whether a key is held, so that audio must not flow.
    pub(crate) const fn holds(&self) -> bool {
        matches!(self.state, State::Held { .. } | State::Ending { .. })
    }

    /// The key that sounds now, where keys are tones; asked once a tick in place of [`Self::tick`].
    pub(crate) fn sounds(&mut self, now: Mono) -> Option<Digit> {
        self.begin(now);
        let State::Held { digit, millis, since, .. } = self.state else { return None };
        if now.since(since).as_millis() < u128::from(millis) {
            return Some(digit);
        }
        self.state = State::Pausing { until: now + PAUSE };
        None
    }

    /// Goes on to the next key if the one before is over.
    fn begin(&mut self, now: Mono) {
        if let State::Pausing { until } = self.state
            && until <= now
        {
            self.state = State::Idle;
        }
        if matches!(self.state, State::Idle)
            && let Some((digit, millis)) = self.queue.pop_front()
        {
            self.state = State::Held { digit, millis, since: now, next: now, first: true };
        }
    }

    /// What is due now, asked once a tick; durations are told in ticks of a clock with so many in a millisecond.
    pub(crate) fn tick(&mut self, ticks_per_ms: u32, now: Mono) -> Due {
        self.begin(now);
        match self.state {
            State::Idle | State::Pausing { .. } => Due::Audio,
            State::Held { digit, millis, since, next, first } => {
                // No longer than one segment: 8 s at 8 kHz, 1.3 s at 48 kHz.
                let millis = millis.min((SEGMENT_TICKS / ticks_per_ms) as u16);
                let held = now.since(since).as_millis() as u32;
                if held >= u32::from(millis) {
                    return self.end(digit, millis, ENDS, ticks_per_ms, now);
                }
                if now < next {
                    return Due::Nothing;
                }
                self.state = State::Held { digit, millis, since, next: next + UPDATE_EVERY, first: false };
                // The first packet says that the key has been held for as long as a frame takes.
                let duration = held.max(20) * ticks_per_ms;
                let payload = Payload { event: digit.event(), end: false, duration: duration as u16 };
                if first { Due::First(payload) } else { Due::Again(payload) }
            }
            State::Ending { digit, millis, left } => self.end(digit, millis, left, ticks_per_ms, now),
        }
    }

    fn end(&mut self, digit: Digit, millis: u16, left: u8, ticks_per_ms: u32, now: Mono) -> Due {
        self.state = match left {
            1 => State::Pausing { until: now + PAUSE },
            _ => State::Ending { digit, millis, left: left - 1 },
        };
        let duration = (u32::from(millis) * ticks_per_ms) as u16;
        Due::Again(Payload { event: digit.event(), end: true, duration })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digit(key: char) -> Digit {
        Digit::from_char(key).unwrap()
    }

    /// Everything sent for `keys`, as (timestamp, marker, payload), ticking every 20 ms.
    fn sent(keys: &str, millis: u16) -> Vec<(u32, bool, Payload)> {
        let mut sender = Sender::default();
        for key in keys.chars() {
            assert!(sender.press(digit(key), millis));
        }
        let (mut timestamp, mut packets) = (0, Vec::new());
        for tick in 0..2_000 {
            match sender.tick(8, Mono::from_start(Duration::from_millis(tick * 20))) {
                Due::First(payload) => {
                    timestamp = tick as u32 * 160;
                    packets.push((timestamp, true, payload));
                }
                Due::Again(payload) => packets.push((timestamp, false, payload)),
                Due::Audio | Due::Nothing => {}
            }
        }
        packets
    }

    fn heard(packets: &[(u32, bool, Payload)]) -> String {
        let (mut receiver, mut newest) = (Receiver::default(), 0);
        let digit = |(timestamp, marker, payload): &(u32, bool, Payload)| {
            let late = *timestamp < newest;
            newest = newest.max(*timestamp);
            receiver.on_packet(*timestamp, (*marker, late), *payload, 8)
        };
        packets.iter().filter_map(digit).map(Digit::as_char).collect()
    }

    #[test]
    fn a_key_is_marked_first_updated_and_ended_three_times() {
        let packets = sent("5", 160);
        assert!(packets[0].1 && packets[1..].iter().all(|p| !p.1));
        assert!(packets.iter().all(|p| p.0 == packets[0].0 && p.2.event == 5));
        let durations: Vec<_> = packets.iter().map(|p| (p.2.duration / 8, p.2.end)).collect();
        assert_eq!(
            durations,
            [(20, false), (60, false), (100, false), (160, true), (160, true), (160, true)]
        );
    }

    #[test]
    fn a_long_press_is_one_digit_across_segments() {
        let payload = |duration, end| Payload { event: 1, end, duration };
        let mut receiver = Receiver::default();
        assert_eq!(receiver.on_packet(1_000, (true, false), payload(160, false), 8), Some(digit('1')));
        assert_eq!(receiver.on_packet(1_000, (false, false), payload(0xffff, false), 8), None);
        assert_eq!(receiver.on_packet(1_000 + 0xffff, (false, false), payload(400, true), 8), None);
        assert_eq!(
            receiver.on_packet(1_000 + 0xffff + 1_200, (true, false), payload(160, false), 8),
            Some(digit('1'))
        );
    }

    #[test]
    fn a_straggler_of_an_earlier_press_is_no_press() {
        let payload = |event| Payload { event, end: true, duration: 800 };
        let mut receiver = Receiver::default();
        assert_eq!(receiver.on_packet(1_000, (true, false), payload(1), 8), Some(digit('1')));
        assert_eq!(receiver.on_packet(3_000, (true, false), payload(2), 8), Some(digit('2')));
        assert_eq!(receiver.on_packet(1_000, (false, false), payload(1), 8), None);
        assert_eq!(receiver.on_packet(1_000, (true, true), payload(1), 8), None);
        assert_eq!(receiver.on_packet(3_000, (false, false), payload(2), 8), None);
        assert_eq!(receiver.on_packet(5_000, (true, false), payload(1), 8), Some(digit('1')));
    }

    #[test]
    fn a_phone_whose_clock_leaps_back_is_still_heard_at_every_key() {
        let payload = |event, end| Payload { event, end, duration: 800 };
        // An hour back, with the first packet or without it; and a second back.
        for (leap, marker) in [(28_800_000, true), (28_800_000, false), (8_000, true)] {
            let mut receiver = Receiver::default();
            let mut heard = |timestamp, marker, event, end| {
                receiver.on_packet(timestamp, (marker, false), payload(event, end), 8).map(Digit::as_char)
            };
            assert_eq!(heard(40_000_000, true, 1, true), Some('1'));
            assert_eq!(heard(40_000_000 - leap, marker, 2, false), Some('2'), "{leap} ticks");
            assert_eq!(heard(40_000_000 - leap, false, 2, true), None);
            assert_eq!(heard(40_008_000 - leap, true, 3, true), Some('3'));
        }
    }

    #[test]
    fn a_phone_that_moves_the_timestamp_presses_once() {
        let mut receiver = Receiver::default();
        let press = |i: u32| (8_000 + i * 160, i == 0, Payload { event: 9, end: i > 5, duration: 160 });
        let digits = (0..9).filter_map(|i| {
            let (t, m, p) = press(i);
            receiver.on_packet(t, (m, false), p, 8)
        });
        assert_eq!(digits.count(), 1);
    }

    /// Everything sent for `keys`, held `millis`, by a phone that says a timestamp of its own with every packet.
    fn moving(keys: &str, millis: u32, every: u32, grows: bool) -> Vec<(u32, bool, Payload)> {
        let mut packets = Vec::new();
        for (press, event) in keys.chars().map(|key| digit(key).event()).enumerate() {
            let begin = 16_000 + press as u32 * (millis + 3 * every + 60) * 8;
            for i in 0..millis / every + 3 {
                let end = i >= millis / every;
                let held = if grows { ((i + 1) * every).min(millis) } else { every };
                let payload = Payload { event, end, duration: (held * 8) as u16 };
                packets.push((begin + i * every * 8, i == 0, payload));
            }
        }
        packets
    }

    #[test]
    fn a_burst_of_loss_doubles_no_key_of_a_phone_that_moves_the_timestamp() {
        for (every, grows, burst) in
            [(50, true, 1), (50, true, 4), (50, false, 1), (20, false, 3), (20, true, 10)]
        {
            let packets = moving("2277", 300, every, grows);
            for first in 1..packets.len() {
                let mut heard_packets = packets.clone();
                heard_packets.drain(first..packets.len().min(first + burst));
                assert_eq!(
                    heard(&heard_packets),
                    "2277",
                    "{every} ms, grows {grows}, {burst} lost at {first}"
                );
            }
        }
    }

    /// A share of the packets is lost at random; how many of so many streams of digits come out wrong.
    fn wrong(packets: &[(u32, bool, Payload)], keys: &str, percent: u64, streams: u64) -> usize {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut lost = || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % 100 < percent
        };
        let stream = |_| heard(&packets.iter().filter(|_| !lost()).copied().collect::<Vec<_>>()) != keys;
        (0..streams).map(stream).filter(|wrong| *wrong).count()
    }

    #[test]
    fn five_percent_of_loss_changes_no_digit_of_any_phone() {
        let keys = "1123555#";
        for millis in [60, 100, 200, 300] {
            assert_eq!(wrong(&sent(keys, millis as u16), keys, 5, 2_000), 0, "{millis} ms");
            assert_eq!(wrong(&moving(keys, millis, 20, true), keys, 5, 2_000), 0, "moving, {millis} ms");
        }
        for millis in [200, 300] {
            assert_eq!(
                wrong(&moving(keys, millis, 50, true), keys, 5, 2_000),
                0,
                "moving slowly, {millis} ms"
            );
        }
        // Where the durations say little, two updates of 50 ms lost in a stream's first key make two of it, and
        // where all ends and the next marker are lost, two keys are one: once in some hundred streams, or thousand.
        assert!(wrong(&moving(keys, 100, 50, true), keys, 5, 2_000) <= 10);
        assert!(wrong(&moving(keys, 200, 50, false), keys, 5, 2_000) <= 10);
        assert!(wrong(&moving(keys, 200, 20, false), keys, 5, 2_000) <= 2);
    }

    #[test]
    fn events_that_are_no_keys_are_no_digits() {
        let flash = Payload { event: 16, end: false, duration: 0 };
        assert_eq!(Receiver::default().on_packet(0, (true, false), flash, 8), None);
        assert_eq!(Payload::parse(&[1, 2, 3]), None);
        assert_eq!(Payload::parse(&[1, 0x8a, 3, 4]), Some(Payload { event: 1, end: true, duration: 0x304 }));
    }

    proptest! {
        /// Any packets may be lost but one of each press, some come twice, and some come up to three places late.
        #[test]
        fn loss_reordering_and_duplication_change_no_digit(
            keys in "[0-9*#A-D]{1,8}",
            millis in 40_u16..300,
            fates in prop::collection::vec((0..3_u8, 0..4_usize), 200),
            kept in any::<prop::sample::Index>(),
        ) {
            let packets = sent(&keys, millis);
            let mut network = Vec::new();
            let mut at = 0;
            for press in packets.chunk_by(|a, b| a.0 == b.0) {
                let survivor = kept.index(press.len());
                for (i, packet) in press.iter().enumerate() {
                    let (copies, late) = fates[(at + i) % fates.len()];
                    let copies = if i == survivor { copies.max(1) } else { copies };
                    for copy in 0..copies {
                        network.push((at + i + late + usize::from(copy), *packet));
                    }
                }
                // A stranger to this test: three places late is far less than the pause between presses.
                at += press.len() + 3;
            }
            network.sort_by_key(|(arrival, _)| *arrival);
            let arrived: Vec<_> = network.into_iter().map(|(_, packet)| packet).collect();
            prop_assert_eq!(heard(&arrived), keys);
        }
    }
}
