//! The advocate's phone in the middle of a talk.

use havre_sim::{Advocate, Caller, TOLL_FREE, World};

use crate::{millis, secs, told};

/// An English caller talks with `advocate-en`; the log begins.
fn talking(staff: &[&str]) -> (World, Caller, Advocate) {
    let world = World::staffed_by(staff);
    let (caller, advocate) = (world.caller(), world.advocate("advocate-en"));
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(2));
    advocate.answers();
    world.advance(secs(30));
    world.restart_log();
    (world, caller, advocate)
}

#[test]
fn a_phone_that_dies_is_replaced_by_the_next_advocate() {
    let (world, caller, advocate) = talking(&["advocate-en", "advocate-bi"]);
    advocate.goes_dark();
    world.advance(secs(12));
    world.advocate("advocate-bi").answers();
    world.advance(secs(3));
    told(
        &world,
        "
            0.0 advocate-en goes dark
            3.0 caller      hears waiting
            8.0 caller      > lost advocate-en
            8.0 caller      > class elevated
            8.0 caller      > joined again: en, elevated
            8.0 advocate-en > signed out
            8.0 caller      hears P12 en
            8.0 caller      > offered to advocate-bi (single)
            8.0 advocate-bi > offered
            8.0 advocate-bi rings: EN · elevated
           12.0 advocate-bi answers
           12.0 caller      > answered by advocate-bi after 4.0 s
           12.0 advocate-bi > talking
           12.0 advocate-bi hears caller
           12.0 caller      hears advocate-bi
        ",
    );
    assert!(world.when("caller", "hears waiting") <= 3.1);
    assert!(world.when("caller", "hears P12 en") <= 10.0);
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_caller_in_danger_whose_advocate_is_lost_has_the_reserve() {
    let (world, caller, advocate) = talking(&["advocate-en", "supervisor"]);
    advocate.escalates();
    advocate.escalates();
    world.advance(secs(10));
    advocate.goes_dark();
    world.advance(secs(9));
    world.advocate("supervisor").answers();
    world.advance(secs(1));
    told(
        &world,
        "
            0.0 advocate-en escalates
            0.0 caller      > class urgent
            0.0 advocate-en escalates
           10.0 advocate-en goes dark
           13.0 caller      hears waiting
           18.0 caller      > lost advocate-en
           18.0 caller      > joined again: en, urgent
           18.0 advocate-en > signed out
           18.0 caller      hears P12 en
           18.0 caller      > offered to supervisor (reserve)
           18.0 supervisor  > offered
           18.0 supervisor  rings: EN · urgent
           19.0 supervisor  answers
           19.0 caller      > answered by supervisor after 1.0 s
           19.0 supervisor  > talking
           19.0 supervisor  hears caller
           19.0 caller      hears supervisor
        ",
    );
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn the_first_arrival_is_kept() {
    let (world, caller, advocate) = talking(&["advocate-en"]);
    let later = world.caller_named("later");
    later.dials(TOLL_FREE);
    world.advance(secs(1));
    later.presses('1');
    world.advance(secs(20));
    advocate.crashes();
    world.advance(secs(2));
    assert!(world.happened("caller", "> joined again: en, elevated"), "{}", world.log());
    world.advocate("advocate-bi").signs_in();
    world.advance(secs(1));
    world.advocate("advocate-bi").answers();
    world.advance(secs(1));
    assert_eq!(world.heard("advocate-bi"), ["caller"], "{}", world.log());
    caller.hangs_up();
    later.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_port_that_is_unreachable_is_known_at_once() {
    let (world, caller, advocate) = talking(&["advocate-en", "advocate-bi"]);
    advocate.crashes();
    world.advance(millis(500));
    assert!(world.when("caller", "> lost advocate-en") < 0.1, "{}", world.log());
    assert!(world.advocate("advocate-bi").rings(), "{}", world.log());
    assert_eq!(world.state_of("advocate-en"), "signed out");
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_phone_that_started_again_knows_nothing_of_the_talk() {
    let (world, caller, advocate) = talking(&["advocate-en", "advocate-bi"]);
    advocate.starts_again();
    world.advance(secs(4));
    // Silent for 3 s, asked, and 481 is the answer.
    assert_eq!(world.when("caller", "> lost advocate-en").round(), 3.0, "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_muted_phone_that_answers_is_alive() {
    let (world, caller, advocate) = talking(&["advocate-en", "advocate-bi"]);
    advocate.mutes();
    world.advance(secs(120));
    assert!(!world.happened("caller", "> lost"), "{}", world.log());
    advocate.unmutes();
    world.advance(secs(1));
    assert_eq!(world.heard("caller").last().map(String::as_str), Some("advocate-en"), "{}", world.log());
    assert!(!world.happened("caller", "hears P12"), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_muted_phone_that_dies_is_found_out() {
    let (world, caller, advocate) = talking(&["advocate-en", "advocate-bi"]);
    advocate.mutes();
    world.advance(secs(60));
    world.restart_log();
    advocate.goes_dark();
    world.advance(secs(12));
    assert!(world.when("caller", "> lost advocate-en") <= 10.1, "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_gap_of_four_seconds_costs_nobody_the_talk() {
    let (world, caller, advocate) = talking(&["advocate-en", "advocate-bi"]);
    advocate.goes_dark();
    world.advance(secs(4));
    advocate.comes_back();
    world.advance(secs(10));
    told(
        &world,
        "
            0.0 advocate-en goes dark
            3.0 caller      hears waiting
            4.0 advocate-en comes back
            4.0 caller      hears advocate-en
        ",
    );
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn hold_is_not_silence() {
    let (world, caller, advocate) = talking(&["advocate-en", "advocate-bi"]);
    advocate.holds();
    world.advance(secs(1));
    advocate.mutes();
    world.advance(secs(300));
    advocate.unmutes();
    advocate.resumes();
    world.advance(secs(2));
    told(
        &world,
        "
            0.0 caller      hears waiting
            0.0 advocate-en holds
            1.0 advocate-en mutes
          301.0 advocate-en unmutes
          301.0 caller      hears advocate-en
          301.0 advocate-en resumes
          301.0 advocate-en hears caller
        ",
    );
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_phone_on_hold_may_be_away_for_a_while() {
    let (world, caller, advocate) = talking(&["advocate-en", "advocate-bi"]);
    advocate.holds();
    world.advance(secs(1));
    advocate.goes_dark();
    world.advance(secs(15));
    advocate.comes_back();
    advocate.resumes();
    world.advance(secs(1));
    assert!(!world.happened("caller", "> lost"), "{}", world.log());
    assert_eq!(caller.hears().as_deref(), Some("advocate-en"), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_phone_that_dies_on_hold_is_found_out_by_the_probe() {
    let (world, caller, advocate) = talking(&["advocate-en", "advocate-bi"]);
    advocate.holds();
    world.advance(secs(1));
    advocate.goes_dark();
    world.advance(secs(100));
    assert!(world.happened("caller", "> lost advocate-en"), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_phone_that_comes_back_rings_again_once_it_registers() {
    let (world, caller, advocate) = talking(&["advocate-en"]);
    advocate.goes_dark();
    world.advance(secs(20));
    assert_eq!(world.state_of("advocate-en"), "signed out");
    advocate.starts_again();
    advocate.signs_in();
    world.advance(secs(1));
    advocate.answers();
    world.advance(secs(1));
    assert_eq!(world.heard("caller").last().map(String::as_str), Some("advocate-en"), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn lost_twice_the_caller_is_still_not_sent_away() {
    let (world, caller, advocate) = talking(&["advocate-en", "advocate-bi"]);
    advocate.goes_dark();
    world.advance(secs(12));
    let next = world.advocate("advocate-bi");
    next.answers();
    world.advance(secs(20));
    next.goes_dark();
    world.advance(secs(12));
    assert_eq!(world.log_of("caller").matches("joined again: en, elevated").count(), 2, "{}", world.log());
    assert!(caller.is_on_the_phone());
    caller.hangs_up();
    world.assert_quiet();
    assert_eq!(world.tally().answered, 1);
}

#[test]
fn the_language_is_kept_and_p12_is_said_in_it() {
    let world = World::staffed_by(&["advocate-fr"]);
    let (caller, advocate) = (world.caller(), world.advocate("advocate-fr"));
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('2');
    world.advance(secs(2));
    advocate.answers();
    world.advance(secs(30));
    world.restart_log();
    advocate.crashes();
    world.advance(secs(70));
    told(
        &world,
        "
            0.0 advocate-fr crashes
            0.0 caller      > lost advocate-fr
            0.0 caller      > class elevated
            0.0 caller      > joined again: fr, elevated
            0.0 advocate-fr > signed out
            0.0 caller      hears P12 fr
            4.6 caller      hears waiting
           20.0 caller      > supervisors alerted
           45.0 caller      hears P6 fr
           48.3 caller      hears waiting
        ",
    );
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_carrier_that_holds_and_resumes_disturbs_nothing() {
    let (world, caller, advocate) = talking(&["advocate-en"]);
    caller.holds();
    world.advance(secs(50));
    assert_eq!((caller.hears(), advocate.hears().as_deref()), (None, Some("caller")), "{}", world.log());
    advocate.holds();
    world.advance(secs(50));
    caller.resumes();
    world.advance(secs(1));
    assert_eq!(caller.hears().as_deref(), Some("waiting"), "{}", world.log());
    advocate.resumes();
    world.advance(secs(1));
    assert_eq!(caller.hears().as_deref(), Some("advocate-en"), "{}", world.log());
    assert_eq!(advocate.hears().as_deref(), Some("caller"), "{}", world.log());
    assert!(!world.happened("caller", "> lost"), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn hold_meets_hanging_up() {
    for caller_first in [true, false] {
        let (world, caller, advocate) = talking(&["advocate-en"]);
        advocate.holds();
        if caller_first {
            caller.hangs_up();
        } else {
            advocate.hangs_up();
        }
        world.advance(secs(5));
        assert_eq!(world.state_of("advocate-en"), "ready", "{}", world.log());
        world.assert_quiet();
    }
}
