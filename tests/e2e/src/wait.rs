//! Waiting for what should happen, never for time to pass.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a condition is looked at: well below every time limit that a test asserts.
const POLL: Duration = Duration::from_millis(5);

/// Looks until `probe` says `Some`, and panics with `what` after `limit`: when it was looked once more, for the machine may have
/// stood still.
#[track_caller]
pub fn until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        let late = start.elapsed() >= limit;
        if let Some(found) = probe() {
            return found;
        }
        assert!(!late, "waited {limit:?} in vain for: {what}");
        sleep(POLL);
    }
}

/// Panics with `what` if `probe` is ever false during `time`: for "this must not happen".
#[track_caller]
pub fn holds_for(what: &str, time: Duration, mut probe: impl FnMut() -> bool) {
    let start = Instant::now();
    while start.elapsed() < time {
        assert!(probe(), "after {:?} no longer true: {what}", start.elapsed());
        sleep(POLL);
    }
}
