//! Where a packet belongs on its stream's timeline.
//!
//! The timestamp decides, because it counts silence that was never sent and the sequence number does not. Where the
//! timestamp makes no sense (it stands still, runs backwards, or leaps), the packet follows its predecessor by its
//! sequence number, and the timeline goes on from there.

use super::{Grains, MILLISECOND, SECOND};

/// How far a timestamp may be from where time or the sequence number would have it. It is more than any network delays.
const LEAP: Grains = 3 * SECOND;
/// The longest packet that is taken for one: what a consecutive packet's timestamp may differ by.
pub(super) const LONGEST_PACKET: Grains = 120 * MILLISECOND;
const COMMON_PACKET: Grains = 20 * MILLISECOND;

/// A packet's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) position: Grains,
    /// It begins a new timeline: how long packets were on their way before says nothing about it.
    pub(super) leap: bool,
}

/// The packet with the highest sequence number so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeline {
    sequence: u16,
    timestamp: u32,
    clock: u32,
    position: Grains,
    arrival: Grains,
    /// From one packet to the next.
    step: Grains,
}

impl Timeline {
    /// Begins at position 0 with this packet; `clock`: ticks per second.
    pub(super) fn new(sequence: u16, timestamp: u32, clock: u32, now: Grains) -> Self {
        Self { sequence, timestamp, clock, position: 0, arrival: now, step: COMMON_PACKET }
    }

    /// Finds the place of a packet that came `now`.
    pub(super) fn place(&mut self, sequence: u16, timestamp: u32, clock: u32, now: Grains) -> Place {
        let ahead = Grains::from(sequence.wrapping_sub(self.sequence) as i16);
        let by_sequence = ahead * self.step;
        let by_timestamp =
            Grains::from(timestamp.wrapping_sub(self.timestamp) as i32) * SECOND / Grains::from(clock.max(1));
        let fits = |wanted: Grains| (by_timestamp - wanted).abs() < LEAP;
        let sane = clock == self.clock
            && by_timestamp.signum() == ahead.signum()
            && (fits(by_sequence) || fits(now - self.arrival));
        let position = self.position + if sane { by_timestamp } else { by_sequence };
        if ahead > 0 {
            if sane && ahead == 1 && by_timestamp <= LONGEST_PACKET {
                self.step = by_timestamp;
            }
            *self = Self { sequence, timestamp, clock, position, arrival: now, step: self.step };
        }
        Place { position, leap: !sane && ahead > 0 }
    }

    /// The place of a packet without a timestamp of its own: right after the newest, or before it.
    pub(super) fn follow(&self, sequence: u16) -> Place {
        let ahead = Grains::from(sequence.wrapping_sub(self.sequence) as i16);
        Place { position: self.position + ahead.signum() * self.step, leap: false }
    }

    /// From one packet to the next.
    pub(super) fn step(&self) -> Grains {
        self.step
    }

    /// Ticks per second.
    pub(super) fn clock(&self) -> u32 {
        self.clock
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: u32 = 8;

    fn timeline() -> Timeline {
        Timeline::new(65_534, u32::MAX - 80, 8_000, 0)
    }

    /// In milliseconds; `None` if it leaps.
    fn place(timeline: &mut Timeline, ahead: i16, timestamp: u32, now: i64) -> Option<i64> {
        let sequence = 65_534_u16.wrapping_add_signed(ahead);
        let place =
            timeline.place(sequence, (u32::MAX - 80).wrapping_add(timestamp), 8_000, now * MILLISECOND);
        (!place.leap).then_some(place.position / MILLISECOND)
    }

    #[test]
    fn timestamps_place_packets_across_wraps_losses_and_disorder() {
        let mut timeline = timeline();
        assert_eq!(place(&mut timeline, 1, 20 * MS, 20), Some(20));
        assert_eq!(place(&mut timeline, 4, 80 * MS, 80), Some(80));
        assert_eq!(place(&mut timeline, 2, 40 * MS, 81), Some(40));
    }

    #[test]
    fn a_pause_of_an_hour_is_one_and_so_is_a_stall_of_the_network() {
        let mut timeline = timeline();
        assert_eq!(place(&mut timeline, 1, 3_600_000 * MS, 3_600_010), Some(3_600_000));
        assert_eq!(place(&mut timeline, 2, 3_600_020 * MS, 3_620_000), Some(3_600_020));
        assert_eq!(place(&mut timeline, 3, 3_600_040 * MS, 3_620_000), Some(3_600_040));
    }

    #[test]
    fn a_leap_goes_on_where_the_sequence_is() {
        let mut timeline = timeline();
        place(&mut timeline, 1, 60 * MS, 20);
        assert_eq!(place(&mut timeline, 2, 3_000_000_000, 40), None);
        assert_eq!(place(&mut timeline, 3, 3_000_000_000 + 60 * MS, 60), Some(180));
        assert_eq!(place(&mut timeline, 0, 0, 61), Some(0), "a late one of the old timeline");
        assert_eq!(place(&mut timeline, 4, 3_000_000_000 + 120 * MS, 80), Some(240));
    }

    #[test]
    fn a_timestamp_that_stands_still_or_runs_back_is_not_believed() {
        let mut timeline = timeline();
        place(&mut timeline, 1, 20 * MS, 20);
        for n in 2..50 {
            let place = timeline.place(65_534_u16.wrapping_add(n), u32::MAX - 80, 8_000, 0);
            assert_eq!(place.position, Grains::from(n) * 20 * MILLISECOND);
        }
    }

    #[test]
    fn another_clock_is_another_timeline() {
        let mut timeline = timeline();
        let place = timeline.place(65_535, 80 - 1, 48_000, 960);
        assert_eq!(place, Place { position: 960, leap: true });
        let place = timeline.place(0, 80 + 960 - 1, 48_000, 1_920);
        assert_eq!(place, Place { position: 1_920, leap: false });
    }

    proptest! {
        #[test]
        fn hostile_numbers_keep_the_order_of_the_sequence(
            packets in prop::collection::vec((1..100_u16, any::<u32>(), 0..100_000_i64), 1..100)
        ) {
            let mut timeline = Timeline::new(0, 0, 8_000, 0);
            let (mut sequence, mut now, mut last) = (0_u16, 0, 0);
            for (step, timestamp, wait) in packets {
                sequence = sequence.wrapping_add(step);
                now += wait * MILLISECOND;
                let place = timeline.place(sequence, timestamp, 8_000, now);
                prop_assert!(place.position > last);
                last = place.position;
            }
        }
    }
}
