//! Random rough hours: two thousand seeds, each with its own team, callers, network and failures.
//!
//! What must hold is checked by the world after every step. A seed that fails prints how to see it again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use havre_sim::day::{Day, Outline, Report};

/// Lines of the log of a failing seed that are shown: what led to the failure.
const SHOWN: usize = 4000;

/// What has to happen on these days, or they test little: every kind of event, offer, and end of an offer.
const KINDS: [&str; 26] = [
    "arrived",
    "picked",
    "joined",
    "rejoined",
    "language",
    "risk",
    "mode",
    "answered",
    "key",
    "agent_lost",
    "caller_media",
    "one_way",
    "alerted",
    "paged",
    "ended",
    "single",
    "ring_all",
    "wrap_up",
    "reserve",
    "answered_elsewhere",
    "caller_left",
    "no_answer",
    "declined",
    "unreachable",
    "claimed",
    "agent_changed",
];

#[allow(clippy::print_stdout, reason = "shown when a test fails, or on request")]
fn try_seeds(seeds: std::ops::Range<u64>) {
    let mut total = Report::default();
    for seed in seeds {
        // A panic's message is printed as it happens; here it only matters that there was one.
        let report = catch_unwind(AssertUnwindSafe(|| Day::new(Outline::rough(seed)).run(|_| {})));
        let Ok(report) = report else {
            panic!(
                "seed {seed} fails; to see what led to it:\n\
                 HAVRE_SIM_SEED={seed} cargo test -p havre-sim --test days replay -- --nocapture"
            );
        };
        total.add(&report);
    }
    println!("{:?}\n{:?}", total.tally, total.kinds);
    for kind in KINDS {
        assert!(total.kinds.contains_key(kind), "{kind} never happened: {:?}", total.kinds);
    }
}

#[test]
fn seeds_0_to_499() {
    try_seeds(0..500);
}

#[test]
fn seeds_500_to_999() {
    try_seeds(500..1000);
}

#[test]
fn seeds_1000_to_1499() {
    try_seeds(1000..1500);
}

#[test]
fn seeds_1500_to_1999() {
    try_seeds(1500..2000);
}

/// More seeds, for nights and doubts: `HAVRE_SIM_SEEDS=2000..12000 cargo test -p havre-sim --test days hunt`.
#[test]
fn hunt() {
    let Ok(seeds) = std::env::var("HAVRE_SIM_SEEDS") else { return };
    let (from, to) = seeds.split_once("..").expect("HAVRE_SIM_SEEDS is FROM..TO");
    try_seeds(from.parse().expect("FROM is a number")..to.parse().expect("TO is a number"));
}

/// Where everything works, nobody may be taken for dead.
#[test]
fn calm_days_lose_nobody() {
    let mut total = Report::default();
    for seed in 0..20 {
        total.add(&Day::new(Outline::whole(seed, 78.0)).run(|_| {}));
    }
    println!("{total}");
    assert_eq!(total.tally.lost, 0);
    for kind in ["agent_lost", "rejoined", "unreachable", "caller_media", "declined"] {
        assert_eq!(total.kinds.get(kind), None, "{kind}");
    }
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
