//! How much delay a stream needs: a histogram of how late its packets come.
//!
//! A packet's transit is its arrival minus its position on the stream's timeline. The least transit of the last seconds
//! is what the network takes at best; what a packet took longer is its lateness. The target is the lateness that all
//! but a few of the packets keep within. (The same idea as WebRTC's NetEQ, with finer buckets and an exact lag in
//! place of a filtered buffer level.)

use super::{Grains, MILLISECOND};

/// Width of a bucket, and how many there are: half a second in all. What is later comes after an outage, which no delay
/// would have bridged.
const BUCKET: Grains = 5 * MILLISECOND;
const BUCKETS: usize = 100;
/// The share of packets that may come too late: a rare straggler is concealed rather than waited for.
const TOO_LATE: f32 = 0.03;
/// What a packet's weight is to the weight of all before it: the last three seconds of 20 ms packets count most.
const FRESHNESS: f32 = 1.0 / 150.0;
/// The target before anything was measured, or known from before, which is then given up packet by packet.
const FIRST: Grains = 40 * MILLISECOND;
const FIRST_LASTS: u32 = 25;
/// The target is never less, since the reader's own rounds are not exact, nor more, since people would talk at once.
const LEAST: Grains = 20 * MILLISECOND;
const MOST: Grains = 400 * MILLISECOND;
/// For so many packets, half a minute, a recovered packet makes its successor worth waiting for.
const WORTHWHILE: u32 = 1_500;
/// The least transit is that of the last four seconds, kept for each half second.
const SPANS: usize = 8;
const SPAN: Grains = 500 * MILLISECOND;

/// One stream's delay.
#[derive(Clone, Debug)]
pub(super) struct Delay {
    /// The least transit of each span, the newest first; and when that one began.
    least: [Option<Grains>; SPANS],
    began: Grains,
    /// The share of packets in each bucket of lateness, and how many packets were measured.
    shares: [f32; BUCKETS],
    measured: u32,
    target: Grains,
    /// The target before anything was measured.
    first: Grains,
    /// From a packet to the one that holds it once more, and for how many packets that is still waited for.
    successor: Grains,
    worthwhile: u32,
}

impl Default for Delay {
    fn default() -> Self {
        Self {
            least: [None; SPANS],
            began: 0,
            shares: [0.0; BUCKETS],
            measured: 0,
            target: FIRST,
            first: FIRST,
            successor: 0,
            worthwhile: 0,
        }
    }
}

impl Delay {
    /// The stream is known to come with so much jitter (RFC 3550 §6.4.1, a mean): four times that is seldom exceeded.
    pub(super) fn expect(&mut self, jitter: Grains) {
        self.first = (LEAST + 4 * jitter).min(FIRST);
        self.target = self.first;
    }

    /// Takes note of a packet that came `now`.
    pub(super) fn on_packet(&mut self, position: Grains, now: Grains) {
        self.worthwhile = self.worthwhile.saturating_sub(1);
        let transit = now - position;
        if self.least[0].is_none() {
            self.began = now;
        } else if now - self.began >= SPAN {
            // One span per packet: after a pause, what was known before it is forgotten little by little.
            self.least.rotate_right(1);
            self.least[0] = None;
            self.began = now;
        }
        self.least[0] = Some(self.least[0].map_or(transit, |least| least.min(transit)));
        let lateness = transit - self.base().unwrap_or(transit);
        let bucket = usize::try_from(lateness / BUCKET).unwrap_or(0);
        if bucket >= BUCKETS {
            return;
        }
        self.measured = self.measured.saturating_add(1);
        // The first packets weigh the same, so that the target is right after a few of them.
        let weight = FRESHNESS.max(1.0 / self.measured as f32);
        self.shares.iter_mut().for_each(|share| *share *= 1.0 - weight);
        self.shares[bucket] += weight;
        self.target = self.quantile().max(self.prior()).clamp(LEAST, MOST);
    }

    /// Transits before and after this moment have nothing to do with each other: another sender or another timeline.
    /// How late its packets come is taken to be the same.
    pub(super) fn rebase(&mut self) {
        self.least = [None; SPANS];
    }

    /// A lost packet was told by the one that follows it, by `step`: for a while the delay has room for that one.
    pub(super) fn wait_for_successors(&mut self, step: Grains) {
        (self.successor, self.worthwhile) = (step, WORTHWHILE);
    }

    /// What the network takes at best; `None` before the first packet.
    pub(super) fn base(&self) -> Option<Grains> {
        self.least.iter().flatten().min().copied()
    }

    /// The delay that a position should be played with, after the moment at which it comes at best.
    pub(super) fn target(&self) -> Grains {
        let room = if self.worthwhile > 0 { self.successor } else { 0 };
        (self.target + room).min(MOST)
    }

    /// The upper end of the bucket that all but [`TOO_LATE`] of the packets come within.
    fn quantile(&self) -> Grains {
        let mut left = TOO_LATE;
        let worst = self.shares.iter().rposition(|share| {
            left -= share;
            left < 0.0
        });
        (worst.unwrap_or(0) as Grains + 1) * BUCKET
    }

    fn prior(&self) -> Grains {
        self.first * Grains::from(FIRST_LASTS.saturating_sub(self.measured)) / Grains::from(FIRST_LASTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets every 20 ms, from number `from` on, each late by what `late` says (in ms).
    fn feed(delay: &mut Delay, numbers: std::ops::Range<i64>, late: impl Fn(i64) -> i64) {
        for n in numbers {
            let position = n * 20 * MILLISECOND;
            delay.on_packet(position, position + (1_000 + late(n)) * MILLISECOND);
        }
    }

    fn target_ms(delay: &Delay) -> i64 {
        delay.target() / MILLISECOND
    }

    /// A spread of 0 to `most` - 1 without a pattern.
    fn spread(n: i64, most: i64) -> i64 {
        (n * 7_919 + n * n * 104_729) % most
    }

    #[test]
    fn a_steady_stream_needs_the_least() {
        let mut delay = Delay::default();
        assert_eq!((delay.base(), target_ms(&delay)), (None, 40));
        feed(&mut delay, 0..100, |_| 0);
        assert_eq!((delay.base(), target_ms(&delay)), (Some(1_000 * MILLISECOND), 20));
    }

    #[test]
    fn the_target_covers_the_jitter_and_not_the_rare_straggler() {
        let mut delay = Delay::default();
        feed(&mut delay, 0..1_000, |n| spread(n, 60));
        assert!((55..=60).contains(&target_ms(&delay)), "{}", target_ms(&delay));
        feed(&mut delay, 1_000..2_000, |n| if n % 100 == 0 { 300 } else { spread(n, 60) });
        assert!((55..=65).contains(&target_ms(&delay)), "{}", target_ms(&delay));
    }

    #[test]
    fn more_jitter_is_met_within_a_fifth_of_a_second_and_forgotten_within_fifteen() {
        let mut delay = Delay::default();
        feed(&mut delay, 0..1_000, |n| spread(n, 10));
        feed(&mut delay, 1_000..1_010, |_| 120);
        assert!(target_ms(&delay) >= 120, "{}", target_ms(&delay));
        feed(&mut delay, 1_010..1_100, |n| spread(n, 120));
        feed(&mut delay, 1_100..1_850, |n| spread(n, 10));
        assert_eq!(target_ms(&delay), 20);
    }

    #[test]
    fn a_successor_that_tells_of_a_lost_packet_is_waited_for_half_a_minute() {
        let mut delay = Delay::default();
        feed(&mut delay, 0..100, |_| 0);
        delay.wait_for_successors(20 * MILLISECOND);
        assert_eq!(target_ms(&delay), 40);
        feed(&mut delay, 100..1_599, |_| 0);
        assert_eq!(target_ms(&delay), 40);
        feed(&mut delay, 1_599..1_600, |_| 0);
        assert_eq!(target_ms(&delay), 20);
    }

    #[test]
    fn a_longer_way_is_the_new_base_after_four_seconds() {
        let mut delay = Delay::default();
        feed(&mut delay, 0..500, |_| 0);
        feed(&mut delay, 500..520, |_| 100);
        assert!(target_ms(&delay) >= 100, "until then all are late: {}", target_ms(&delay));
        feed(&mut delay, 520..720, |_| 100);
        assert_eq!(delay.base(), Some(1_100 * MILLISECOND));
        feed(&mut delay, 720..1_500, |_| 100);
        assert_eq!(target_ms(&delay), 20);
        feed(&mut delay, 1_500..1_501, |_| 0);
        assert_eq!(delay.base(), Some(1_000 * MILLISECOND), "a shorter one is so at once");
    }

    #[test]
    fn a_drifting_clock_is_followed() {
        for ppm in [-200_i64, 200] {
            let mut delay = Delay::default();
            for n in 0..180_000_i64 {
                let position = n * 20 * MILLISECOND;
                let now = position + position * ppm / 1_000_000;
                delay.on_packet(position, now);
                let off = (delay.base().unwrap() - (now - position)).abs();
                assert!(off <= MILLISECOND, "{ppm} ppm: off by {off} grains at packet {n}");
            }
            assert_eq!(target_ms(&delay), 20);
        }
    }

    #[test]
    fn whatever_comes_the_target_keeps_its_limits() {
        let mut delay = Delay::default();
        feed(&mut delay, 0..100, |n| n * 1_000_000_000);
        assert!((LEAST..=MOST).contains(&delay.target()));
        feed(&mut delay, 0..300, |n| n % 2 * 490);
        assert_eq!(delay.target(), MOST);
        delay.wait_for_successors(60 * MILLISECOND);
        assert_eq!(delay.target(), MOST);
        delay.rebase();
        assert_eq!(delay.base(), None);
    }
}
