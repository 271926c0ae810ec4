//! How long a data thread waits for packets when something else is due.
//!
//! A timer that ends before the kernel's next tick makes it set the processor's clock, and set it back when a packet comes first.
//! In a virtual machine, where either leaves the machine, that is 8 to 10 µs: as much as relaying a packet (`tests/bench/RESULTS.md`,
//! "Relay"). So where packets come so often that one of them wakes the thread in time anyway, it waits for a tick at least.

use std::time::Duration;

/// Turns that follow each other so closely are woken by packets.
const BRISK: Duration = Duration::from_millis(1);
/// The kernel's at 250 Hz, which is Debian's. Where packets stop, what is due comes so late once.
const TICK: Duration = Duration::from_millis(4);
/// The average is of about so many turns.
const TURNS: u32 = 8;

/// How closely turns follow each other.
#[derive(Debug)]
pub(super) struct Patience {
    gap: Duration,
}

impl Patience {
    /// Of a thread that has not turned yet.
    pub(super) const fn new() -> Self {
        Self { gap: Duration::from_secs(1) }
    }

    /// A turn begins, so long after the last one.
    pub(super) fn turned(&mut self, gap: Duration) {
        // What was due has just been late: until packets come again, it is not to be so once more.
        if gap >= TICK {
            self.gap = self.gap.max(BRISK);
        }
        self.gap = (self.gap * (TURNS - 1) + gap) / TURNS;
    }

    /// How long to wait for packets if something is due in so long.
    pub(super) fn wait(&self, due: Duration) -> Duration {
        if self.gap < BRISK && !due.is_zero() { due.max(TICK) } else { due }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn who_is_woken_by_packets_sets_no_short_timer() {
        let mut patience = Patience::new();
        assert_eq!(patience.wait(ms(2)), ms(2), "nothing is known yet");
        (0..64).for_each(|_| patience.turned(Duration::from_micros(200)));
        for (due, wait) in [(0, 0), (1, 4), (3, 4), (4, 4), (5, 5), (1_000, 1_000)] {
            assert_eq!(patience.wait(ms(due)), ms(wait), "{due}");
        }
    }

    #[test]
    fn what_is_due_is_late_once_when_packets_stop() {
        for micros in [20, 200, 700] {
            let mut patience = Patience::new();
            (0..64).for_each(|_| patience.turned(Duration::from_micros(micros)));
            assert_eq!(patience.wait(ms(1)), ms(4));
            patience.turned(ms(4));
            assert_eq!(patience.wait(ms(1)), ms(1), "turns every {micros} us");
            // Packets come again.
            (0..8).for_each(|_| patience.turned(Duration::from_micros(micros)));
            assert_eq!(patience.wait(ms(1)), ms(4), "turns every {micros} us");
        }
    }
}
