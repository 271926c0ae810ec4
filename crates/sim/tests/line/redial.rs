//! "May have called earlier": remembered for two hours, in memory, without knowing who it is.

use havre_sim::{TOLL_FREE, World};

use crate::secs;

/// Calls, presses these keys, and hangs up after 20 s.
fn call(world: &World, number: &str, keys: &str) {
    let caller = world.caller_from("caller", number);
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    for key in keys.chars() {
        caller.presses(key);
    }
    world.advance(secs(19));
    caller.hangs_up();
    world.advance(secs(1));
}

/// The class in which a new call joins.
fn class(world: &World, number: &str) -> String {
    world.restart_log();
    call(world, number, "1");
    let log = world.log_of("caller");
    let joined =
        log.lines().find_map(|line| line.split("> joined: en, ").nth(1)).unwrap_or_else(|| panic!("{log}"));
    joined.trim().to_owned()
}

#[test]
fn a_redial_within_two_hours_is_elevated() {
    let world = World::staffed_by(&[]);
    call(&world, "+14165550123", "1");
    assert_eq!(class(&world, "+14165550123"), "elevated");
    assert_eq!(class(&world, "+14165550124"), "standard");
    world.advance(secs(7_201));
    assert_eq!(class(&world, "+14165550123"), "standard");
    world.assert_quiet();
}

#[test]
fn an_urgent_call_that_was_cut_off_is_urgent_on_redial() {
    let world = World::staffed_by(&[]);
    call(&world, "+14165550123", "15");
    assert_eq!(class(&world, "+14165550123"), "urgent");
    world.assert_quiet();
}

#[test]
fn an_urgent_call_that_lost_its_advocate_is_urgent_on_redial() {
    let world = World::staffed_by(&["advocate-en"]);
    let caller = world.caller_from("caller", "+14165550123");
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    caller.presses('5');
    world.advance(secs(1));
    world.advocate("advocate-en").answers();
    world.advance(secs(30));
    world.advocate("advocate-en").goes_dark();
    world.advance(secs(20));
    caller.hangs_up();
    world.advance(secs(1));
    assert_eq!(class(&world, "+14165550123"), "urgent");
    world.assert_quiet();
}

#[test]
fn an_urgent_call_that_was_ended_by_people_is_only_elevated_on_redial() {
    let world = World::staffed_by(&["advocate-en"]);
    let caller = world.caller_from("caller", "+14165550123");
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    caller.presses('5');
    world.advance(secs(1));
    world.advocate("advocate-en").answers();
    world.advance(secs(30));
    caller.hangs_up();
    world.advance(secs(1));
    assert_eq!(class(&world, "+14165550123"), "elevated");
    world.assert_quiet();
}

#[test]
fn a_withheld_number_is_not_remembered() {
    let world = World::staffed_by(&[]);
    call(&world, "anonymous", "15");
    assert_eq!(class(&world, "anonymous"), "standard");
    world.assert_quiet();
}

#[test]
fn information_is_a_wish_that_a_redial_outranks() {
    let world = World::staffed_by(&[]);
    call(&world, "+14165550123", "1");
    world.restart_log();
    call(&world, "+14165550123", "7");
    assert!(world.happened("caller", "> joined: unknown, elevated"), "{}", world.log());
    world.assert_quiet();
}
