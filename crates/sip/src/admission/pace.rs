//! How many calls a second are let in while calls wait: as many as leave time to read what arrives.
//!
//! Nobody can say beforehand what a call costs on this machine, at this hour, beside all else that it does. So the pace is
//! found, as TCP finds its own: a little more while what arrives is read at once, a good part less while it has to wait
//! (Chiu and Jain, "Analysis of the increase and decrease algorithms for congestion avoidance", 1989). What must not wait
//! are the BYEs of calls that were let in, and the INVITEs that are to be refused before they come again.

use std::time::Duration;

use havre_model::Mono;

/// Calls a second with which it begins, its least and its most. Even the least is more than any hour of the line; the most
/// is more than a core can serve, and then the shell sets the pace.
const START: u64 = 2_000;
const SLOWEST: u64 = 100;
const FASTEST: u64 = 16_000;
/// How often it is changed, by the shortest wait in between: a queue that stays counts, not one that a moment's work of
/// another thread leaves (Nichols and Jacobson, "Controlling queue delay", 2012).
const STEP: Duration = Duration::from_millis(20);
/// What is saved up while the thread was late: no more than a burst, or what it was late for grows.
const MOST_AT_ONCE: u64 = 16;
/// Nothing waits: there is time for many more.
const NONE: Duration = Duration::from_millis(1);
/// A queue that grows.
const BEHIND: Duration = Duration::from_millis(5);
/// A queue that must be read away before anything else: what no longer fits into the socket is lost, and whoever it was
/// of is refused half a second later, when it comes again.
const FAR_BEHIND: Duration = Duration::from_millis(50);
const NANOS: u64 = 1_000_000_000;

/// See the module's page.
pub(super) struct Pace {
    /// Calls a second.
    rate: u64,
    /// Billionths of a call that may be let in.
    credit: u64,
    /// How long what arrives has to wait, and the shortest that it had to since the pace was changed.
    delay: Duration,
    least: Duration,
    /// When the credit was counted, and the pace changed last.
    counted: Mono,
    changed: Mono,
}

impl Pace {
    /// The pace of whoever begins to have too much to do.
    pub(super) const fn new(now: Mono) -> Self {
        let delay = Duration::MAX;
        Self { rate: START, credit: 0, delay, least: delay, counted: now, changed: now }
    }

    /// What arrives now has to wait so long.
    pub(super) fn saw(&mut self, delay: Duration) {
        self.delay = delay;
        self.least = self.least.min(delay);
    }

    /// How many may be let in now.
    pub(super) fn due(&mut self, now: Mono) -> usize {
        if now.since(self.changed) >= STEP {
            self.changed = now;
            let rate = match self.least {
                least if least > BEHIND * 4 => self.rate * 3 / 4,
                least if least > BEHIND => self.rate * 15 / 16,
                least if least > NONE => self.rate + self.rate / 64,
                _ => self.rate + self.rate / 8,
            };
            self.rate = rate.clamp(SLOWEST, FASTEST);
            self.least = self.delay;
        }
        let elapsed = u64::try_from(now.since(self.counted).as_nanos()).unwrap_or(u64::MAX);
        self.counted = now;
        let rate = if self.delay >= FAR_BEHIND { SLOWEST } else { self.rate };
        let credit = self.credit.saturating_add(rate.saturating_mul(elapsed));
        let due = (credit / NANOS).min(MOST_AT_ONCE);
        self.credit = if due == MOST_AT_ONCE { 0 } else { credit % NANOS };
        usize::try_from(due).unwrap_or(0)
    }

    /// Calls that are let in within this time at this pace.
    pub(super) fn within(&self, time: Duration) -> usize {
        usize::try_from(u128::from(self.rate) * time.as_nanos() / u128::from(NANOS)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls that are let in within a second of turns of `turn` milliseconds.
    fn second(pace: &mut Pace, start: u64, turn: usize, delay: impl Fn(u64) -> Duration) -> usize {
        let turns = (start..start + 1_000).step_by(turn).map(|at| {
            pace.saw(delay(at));
            pace.due(Mono::from_start(Duration::from_millis(at)))
        });
        turns.sum()
    }

    #[test]
    fn it_grows_while_reading_keeps_up_and_falls_while_it_does_not() {
        let mut pace = Pace::new(Mono::from_start(Duration::ZERO));
        let first = second(&mut pace, 0, 1, |_| Duration::ZERO);
        assert!((2_500..16_000).contains(&first), "{first}");
        let next = second(&mut pace, 1_000, 1, |_| Duration::ZERO);
        assert!(next > first && next <= 16_000, "{next}");
        let behind = second(&mut pace, 2_000, 1, |_| BEHIND * 2);
        assert!(behind < next / 2, "{behind}");
        second(&mut pace, 3_000, 1, |_| BEHIND * 2);
        let last = second(&mut pace, 4_000, 1, |_| BEHIND * 2);
        assert!((99..=101).contains(&last), "{last}: never nobody");
    }

    #[test]
    fn what_would_be_lost_unread_comes_first() {
        let mut pace = Pace::new(Mono::from_start(Duration::ZERO));
        assert!(second(&mut pace, 0, 1, |_| Duration::ZERO) > 2_500);
        let turns = (1_000..1_100).map(|at| {
            pace.saw(FAR_BEHIND);
            pace.due(Mono::from_start(Duration::from_millis(at)))
        });
        assert!((9..=11).contains(&turns.sum::<usize>()), "a hundred a second");
        let after = second(&mut pace, 1_100, 1, |_| Duration::ZERO);
        assert!(after > 1_000, "{after}: the pace is not forgotten");
    }

    #[test]
    fn waits_that_pass_do_not_count() {
        let mut pace = Pace::new(Mono::from_start(Duration::ZERO));
        let first = second(&mut pace, 0, 1, |at| if at % 20 < 15 { BEHIND * 4 } else { BEHIND });
        let next = second(&mut pace, 1_000, 1, |at| if at % 20 < 15 { BEHIND * 4 } else { BEHIND });
        assert!(next > first, "{first} {next}");
    }

    #[test]
    fn a_thread_that_is_late_lets_no_crowd_in() {
        let mut pace = Pace::new(Mono::from_start(Duration::ZERO));
        assert_eq!(pace.due(Mono::from_start(Duration::from_secs(60))), 16);
        assert_eq!(pace.due(Mono::from_start(Duration::from_secs(60))), 0);
    }

    #[test]
    fn how_often_it_is_asked_does_not_matter() {
        let let_in = |turn| {
            let mut pace = Pace::new(Mono::from_start(Duration::ZERO));
            // In turn too late and in time: about the same pace for all.
            second(&mut pace, 0, turn, |at| if at / 20 % 3 == 0 { BEHIND * 2 } else { BEHIND })
        };
        let (often, seldom) = (let_in(1), let_in(5));
        assert!(often.abs_diff(seldom) < often / 5, "{often} {seldom}");
    }
}
