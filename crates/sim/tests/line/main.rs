//! Calls to the line, told as logs: who does what, what they hear, and what Havre says of it (`>`). Times are seconds.

mod browsers;
mod endings;
mod features;
mod handover;
mod journey;
mod keys;
mod lost;
mod node;
mod offers;
mod redial;
mod secure;
mod store;
mod urgent;
mod wire;

use std::time::Duration;

use havre_sim::World;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The whole log of a world.
#[track_caller]
fn told(world: &World, expected: &str) {
    let (log, expected) = (lines(&world.log()), lines(expected));
    if log != expected {
        let at = log.iter().zip(&expected).position(|(a, b)| a != b).unwrap_or(log.len().min(expected.len()));
        let (is, was) = (log.get(at), expected.get(at));
        panic!("line {}: {is:?}, not {was:?}\n--- log\n{}\n--- end", at + 1, log.join("\n"));
    }
}

/// Without indentation, and with single spaces.
fn lines(text: &str) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().map(words).filter(|line| !line.is_empty()).collect()
}
