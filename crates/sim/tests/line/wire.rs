//! Calls over a bad network.

use havre_sim::{Setup, TOLL_FREE, Weather, World};

use crate::{millis, secs, told};

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

#[test]
fn everything_over_tcp() {
    let world = World::new(Setup::default());
    let (caller, advocate) = (world.caller(), world.advocate("advocate-en"));
    caller.uses_tcp();
    advocate.uses_tcp();
    advocate.signs_in();
    world.advance(secs(1));
    world.restart_log();
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses_by_info('1');
    world.advance(secs(1));
    advocate.answers();
    world.advance(secs(200));
    advocate.holds();
    world.advance(secs(1));
    advocate.resumes();
    world.advance(secs(1));
    caller.hangs_up();
    world.advance(secs(3));
    advocate.dials("*41");
    world.advance(secs(10));
    told(
        &world,
        "
            0.0 caller      dials +18335550100
            0.0 caller      > arrived at hotline
            0.0 caller      hears P1.1 en
            1.0 caller      presses 1
            1.0 caller      > joined: en, standard
            1.0 caller      hears P2 en
            1.0 caller      > offered to advocate-en (single)
            1.0 advocate-en > offered
            1.0 advocate-en rings: EN · standard
            2.0 advocate-en answers
            2.0 caller      > answered by advocate-en after 1.0 s
            2.0 advocate-en > talking
            2.0 advocate-en hears caller
            2.0 caller      hears advocate-en
          202.0 caller      hears waiting
          202.0 advocate-en holds
          203.0 caller      hears advocate-en
          203.0 advocate-en resumes
          203.0 advocate-en hears caller
          204.0 caller      hangs up
          204.0 caller      > ended: answered (caller_hung_up)
          204.0 advocate-en > wrap up
          204.0 caller      line ends: by own choice 200
          204.0 advocate-en line ends: hung up
          206.0 advocate-en > ready
          207.0 advocate-en dials *41
          207.0 advocate-en > not ready (break)
          207.0 advocate-en hears A-break en
          210.0 advocate-en line ends: hung up
        ",
    );
    world.assert_quiet();
}

#[test]
fn an_advocate_whose_connection_breaks_in_a_talk_goes_on_talking() {
    let world = World::new(Setup::default());
    let (caller, advocate) = (world.caller(), world.advocate("advocate-en"));
    advocate.uses_tcp();
    advocate.signs_in();
    world.advance(secs(1));
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(1));
    advocate.answers();
    world.advance(secs(10));
    advocate.loses_its_connection();
    world.advance(secs(200));
    assert_eq!(caller.hears().as_deref(), Some("advocate-en"), "{}", world.log());
    caller.hangs_up();
    world.advance(secs(3));
    assert!(!advocate.is_on_the_phone(), "{}", world.log());
    world.assert_quiet();
}

#[test]
fn a_phone_behind_a_broken_connection_rings_again_after_it_registered() {
    let world = World::new(Setup::default());
    let (caller, advocate) = (world.caller(), world.advocate("advocate-en"));
    advocate.uses_tcp();
    advocate.signs_in();
    world.advance(secs(1));
    advocate.crashes();
    world.advance(secs(1));
    world.restart_log();
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(20));
    advocate.starts_again();
    advocate.signs_in();
    world.advance(secs(1));
    assert!(advocate.rings(), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}
