//! Calls over a bad network.

use havre_sim::{Setup, TOLL_FREE, Weather, World};

use crate::{millis, secs};

#[test]
fn a_whole_call_over_a_network_that_loses_doubles_and_reorders() {
    for seed in 0..40 {
        let world = World::with(Setup { seed, ..Setup::default() }, &["advocate-en", "advocate-bi"]);
        world.weather(Weather { delay: millis(20), jitter: millis(300), lost: 200, doubled: 200 });
        let caller = world.caller();
        caller.dials(TOLL_FREE);
        world.advance(secs(12));
        assert!(world.happened("caller", "hears P1.1 en"), "seed {seed}\n{}", world.log());
        caller.presses('1');
        world.advance(secs(1));
        for agent in ["advocate-en", "advocate-bi"] {
            world.advocate(agent).answers_after(millis(500));
        }
        world.advance(secs(40));
        assert!(world.happened("caller", "> answered by"), "seed {seed}\n{}", world.log());
        caller.hangs_up();
        world.advance(secs(40));
        world.weather(Weather::FINE);
        world.assert_quiet();
        assert_eq!(world.tally().answered, 1);
    }
}

#[test]
fn a_network_that_doubles_everything_changes_nothing() {
    let calls = |doubled: u64| {
        let world = World::staffed_by(&["advocate-en"]);
        world.weather(Weather { doubled, ..Weather::FINE });
        let (caller, advocate) = (world.caller(), world.advocate("advocate-en"));
        caller.dials(TOLL_FREE);
        world.advance(secs(1));
        caller.presses_by_info('1');
        world.advance(secs(1));
        advocate.answers();
        world.advance(secs(2));
        caller.presses_by_info('4');
        advocate.holds();
        world.advance(secs(2));
        advocate.resumes();
        world.advance(secs(2));
        advocate.hangs_up();
        world.advance(secs(5));
        advocate.dials("*41");
        world.advance(secs(10));
        world.assert_quiet();
        world.log()
    };
    assert_eq!(calls(1_000), calls(0));
}

#[test]
fn a_caller_whose_network_fails_in_the_greeting_may_come_back() {
    let world = World::staffed_by(&["advocate-en"]);
    let caller = world.caller();
    caller.dials(TOLL_FREE);
    world.advance(secs(2));
    caller.goes_dark();
    world.advance(secs(25));
    caller.comes_back();
    world.advance(secs(2));
    caller.presses('1');
    world.advance(secs(1));
    world.advocate("advocate-en").answers();
    world.advance(secs(1));
    assert_eq!(world.heard("caller").last().map(String::as_str), Some("advocate-en"), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn whoever_dials_again_at_once_is_a_new_call() {
    let world = World::staffed_by(&["advocate-en"]);
    let caller = world.caller();
    for _ in 0..3 {
        caller.dials(TOLL_FREE);
        world.advance(secs(1));
        caller.hangs_up();
    }
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(1));
    assert_eq!(world.tally().offered, 4);
    assert!(world.happened("caller", "> joined: en, elevated"), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}
