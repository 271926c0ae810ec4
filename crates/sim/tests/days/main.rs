//! Random rough hours: a thousand seeds, each with its own team, callers, network and failures.
//!
//! What must hold is checked by the world after every step. A seed that fails prints how to see it again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use havre_sim::day::{Day, Outline};

/// Lines of the log of a failing seed that are shown: what led to the failure.
const SHOWN: usize = 400;

fn try_seeds(seeds: std::ops::Range<u64>) {
    let (mut calls, mut answered) = (0, 0);
    for seed in seeds {
        // A panic's message is printed as it happens; here it only matters that there was one.
        let report = catch_unwind(AssertUnwindSafe(|| Day::new(Outline::rough(seed)).run(|_| {})));
        let Ok(report) = report else {
            panic!(
                "seed {seed} fails; to see what led to it:\n\
                 HAVRE_SIM_SEED={seed} cargo test -p havre-sim --test days replay -- --nocapture"
            );
        };
        assert_eq!(report.tally.lost, 0, "seed {seed}: calls were lost by the system");
        calls += report.tally.offered;
        answered += report.tally.answered;
    }
    println!("{calls} calls, {answered} answered");
    assert!(answered > calls / 4, "days on which hardly anybody is answered test little");
}

#[test]
fn seeds_0_to_249() {
    try_seeds(0..250);
}

#[test]
fn seeds_250_to_499() {
    try_seeds(250..500);
}

#[test]
fn seeds_500_to_749() {
    try_seeds(500..750);
}

#[test]
fn seeds_750_to_999() {
    try_seeds(750..1000);
}

/// The seed in `HAVRE_SIM_SEED`, with the end of its log if it fails.
#[test]
fn replay() {
    let Ok(seed) = std::env::var("HAVRE_SIM_SEED") else { return };
    let seed = seed.parse().expect("HAVRE_SIM_SEED is a number");
    let day = Day::new(Outline { log: true, ..Outline::rough(seed) });
    let world = day.world();
    let run = catch_unwind(AssertUnwindSafe(|| day.run(|_| {})));
    let log = world.log();
    let lines: Vec<&str> = log.lines().collect();
    println!("{}", lines[lines.len().saturating_sub(SHOWN)..].join("\n"));
    assert!(run.is_ok(), "seed {seed} fails");
}

#[test]
fn the_same_seed_gives_the_same_day() {
    let log = |seed| {
        let day = Day::new(Outline { log: true, ..Outline::rough(seed) });
        let world = day.world();
        day.run(|_| {});
        world.log()
    };
    for seed in [3, 4, 5] {
        let (first, second) = (log(seed), log(seed));
        let differing = first.lines().zip(second.lines()).find(|(a, b)| a != b);
        assert_eq!(differing, None, "seed {seed}");
    }
}
