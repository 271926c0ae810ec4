//! The one clock of a process: everything else is handed a [`Now`].

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use havre_model::{Mono, Now, Unix};

/// Reads both clocks at once. Copies of it count from the same start.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose monotonic time starts now.
    #[expect(clippy::new_without_default, reason = "`default()` would hide that a clock is started")]
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }

    /// This moment.
    #[must_use]
    pub fn now(&self) -> Now {
        // Before 1970 the wall clock is wrong anyway, and nothing but records and shared scores reads it.
        let unix = self.wall();
        Now {
            mono: Mono::from_start(self.start.elapsed()),
            unix: Unix::from_millis(i64::try_from(unix.as_millis()).unwrap_or(i64::MAX)),
        }
    }

    /// The wall clock alone, since 1970.
    #[must_use]
    pub fn wall(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    /// A later moment, with its wall clock as of `before`: for machines that read it only at their start. It saves a
    /// reading per turn.
    #[must_use]
    pub fn later(&self, before: Now) -> Now {
        Now { mono: self.mono(), unix: before.unix }
    }

    /// This moment, for timers only.
    #[must_use]
    pub fn mono(&self) -> Mono {
        Mono::from_start(self.start.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_tell_the_same_time_and_it_goes_on() {
        let clock = Clock::new();
        let first = clock.now();
        let second = { clock }.now();
        assert!(first.mono <= second.mono);
        assert!(second.mono.since(first.mono).as_secs() < 5);
        // 2020-01-01: the wall clock is read in the right unit.
        assert!(first.unix > Unix::from_millis(1_577_836_800_000));
    }
}
