//! An advocate who goes on with a caller, or answers one, on another phone of the same account (RFC 3891).

use havre_sim::{Advocate, Caller, TOLL_FREE, World};

use crate::{millis, secs, told};

/// An English caller talks with `advocate-en` at the desk; a second phone of theirs lies beside it. The log begins.
fn talking(staff: &[&str]) -> (World, Caller, Advocate, Advocate) {
    let world = World::staffed_by(staff);
    let (caller, desk) = (world.caller(), world.advocate("advocate-en"));
    let soft = world.second_phone("advocate-en");
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(2));
    desk.answers();
    world.advance(secs(30));
    world.restart_log();
    (world, caller, desk, soft)
}

/// How long the caller heard nothing at all.
fn assert_no_gap(world: &World) {
    let heard = world.heard("caller");
    assert!(!heard.iter().any(|what| what == "silence" || what == "nothing"), "{heard:?}\n{}", world.log());
}

#[test]
fn the_caller_goes_along_from_one_phone_to_the_other() {
    let (world, caller, desk, soft) = talking(&["advocate-en", "advocate-bi"]);
    soft.takes_over(desk.dialog());
    world.advance(secs(10));
    told(
        &world,
        "
            0.0 advocate-en (2) takes over
            0.0 caller      > moved advocate-en
            0.0 advocate-en (2) hears caller
            0.0 caller      hears advocate-en (2)
            0.0 advocate-en line ends: hung up
        ",
    );
    assert_no_gap(&world);
    assert!(caller.talks() && soft.is_with_a_caller() && !desk.is_on_the_phone());
    // And back again, by the new dialog.
    desk.takes_over(soft.dialog());
    world.advance(secs(5));
    assert!(caller.talks() && desk.is_with_a_caller() && !soft.is_on_the_phone(), "{}", world.log());
    desk.hangs_up();
    world.advance(secs(1));
    assert!(!caller.is_on_the_phone() && world.happened("advocate-en", "> wrap up"), "{}", world.log());
    world.assert_quiet();
}

#[test]
fn a_call_on_hold_is_taken_off_it_by_the_other_phone() {
    let (world, caller, desk, soft) = talking(&["advocate-en"]);
    desk.holds();
    world.advance(secs(5));
    assert_eq!(caller.hears().as_deref(), Some("waiting"), "{}", world.log());
    soft.takes_over(desk.dialog());
    world.advance(secs(2));
    assert_eq!(caller.hears().as_deref(), Some("advocate-en (2)"), "{}", world.log());
    world.advance(secs(60));
    assert!(caller.talks() && soft.is_with_a_caller(), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_caller_who_hangs_up_meanwhile_leaves_nothing_behind() {
    // The BYE overtakes nothing, an INVITE, its challenge, its 200, its ACK.
    for after in [0, 5, 10, 15, 20, 25, 30, 35, 40, 50, 60, 80] {
        let (world, caller, desk, soft) = talking(&["advocate-en"]);
        soft.takes_over(desk.dialog());
        world.advance(millis(after));
        caller.hangs_up();
        world.advance(secs(40));
        let log = world.log();
        assert!(!desk.is_on_the_phone() && !soft.is_on_the_phone(), "after {after} ms\n{log}");
        assert!(world.happened("advocate-en", "> wrap up"), "after {after} ms\n{log}");
        world.assert_quiet();
    }
}

#[test]
fn a_phone_that_hangs_up_before_the_other_one_has_the_call_loses_nobody() {
    for after in [0, 5, 10, 15, 20, 25, 30, 35, 40, 50, 60, 80] {
        let (world, caller, desk, soft) = talking(&["advocate-en", "advocate-bi"]);
        soft.takes_over(desk.dialog());
        world.advance(millis(after));
        if !desk.talks() {
            continue;
        }
        // Before the switch has heard of the other phone it is a hanging-up like any other.
        let known = after >= 30;
        desk.hangs_up();
        world.advance(secs(5));
        assert_eq!(caller.talks(), soft.is_with_a_caller(), "after {after} ms\n{}", world.log());
        assert!(!known || caller.talks(), "after {after} ms\n{}", world.log());
        if caller.talks() {
            caller.hangs_up();
        }
        world.assert_quiet();
    }
}

#[test]
fn a_phone_that_dies_in_the_middle_of_it_changes_nothing() {
    let (world, caller, desk, soft) = talking(&["advocate-en"]);
    let dialog = desk.dialog();
    // Its 200 is never acknowledged.
    soft.loses("ACK");
    soft.takes_over(dialog);
    world.advance(secs(3));
    soft.goes_dark();
    world.advance(secs(60));
    assert!(caller.talks() && desk.is_with_a_caller(), "{}", world.log());
    assert!(!world.happened("caller", "> moved"), "{}", world.log());
    caller.hangs_up();
    world.advance(secs(40));
}

#[test]
fn a_dead_phone_of_a_talk_that_moved_away_before_is_waited_for_by_nobody() {
    let (world, caller, desk, soft) = talking(&["advocate-en", "advocate-bi"]);
    soft.loses("ACK");
    soft.takes_over(desk.dialog());
    world.advance(millis(200));
    desk.hangs_up();
    world.advance(millis(100));
    soft.goes_dark();
    world.advance(secs(5));
    assert_eq!(caller.hears().as_deref(), Some("waiting"), "{}", world.log());
    world.advance(secs(18));
    assert!(world.happened("caller", "> lost advocate-en"), "{}", world.log());
    world.advocate("advocate-bi").answers();
    world.advance(secs(2));
    assert!(caller.talks() && world.advocate("advocate-bi").is_with_a_caller(), "{}", world.log());
    caller.hangs_up();
    world.advance(secs(60));
}

#[test]
fn two_phones_want_the_same_call_and_one_gets_it() {
    let (world, caller, desk, soft) = talking(&["advocate-en"]);
    let third = world.second_phone("advocate-en");
    let dialog = desk.dialog();
    soft.takes_over(dialog.clone());
    third.takes_over(dialog);
    world.advance(secs(5));
    let with: Vec<bool> = [&desk, &soft, &third].map(Advocate::is_with_a_caller).to_vec();
    assert_eq!(with.iter().filter(|with| **with).count(), 1, "{with:?}\n{}", world.log());
    assert!(caller.talks() && !desk.is_on_the_phone(), "{}", world.log());
    caller.hangs_up();
    world.advance(secs(2));
    assert!(!soft.is_on_the_phone() && !third.is_on_the_phone(), "{}", world.log());
    world.assert_quiet();
}

#[test]
fn a_page_gives_its_caller_to_a_phone() {
    let world = World::staffed_by(&["advocate-en"]);
    let (caller, page) = (world.caller(), world.advocate("advocate-en"));
    page.uses_a_browser();
    page.signs_in();
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(2));
    page.answers();
    world.advance(secs(10));
    let phone = world.second_phone("advocate-en");
    phone.takes_over(page.dialog());
    world.advance(secs(5));
    assert!(caller.talks() && phone.is_with_a_caller() && !page.is_on_the_phone(), "{}", world.log());
    // The page's end is no longer of any concern to this caller.
    page.starts_again();
    world.advance(secs(30));
    assert!(caller.talks() && phone.is_with_a_caller(), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn another_advocate_does_not_get_the_caller() {
    let (world, caller, desk, _) = talking(&["advocate-en", "advocate-bi"]);
    let other = world.advocate("advocate-bi");
    other.takes_over(desk.dialog());
    world.advance(secs(5));
    assert!(world.happened("advocate-bi", "line ends: refused 481"), "{}", world.log());
    assert!(caller.talks() && desk.is_with_a_caller(), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

/// It rings at the desk of `advocate-en`; a phone that was switched on since has not been rung.
fn ringing() -> (World, Caller, Advocate, Advocate) {
    let world = World::staffed_by(&["advocate-en"]);
    let (caller, desk) = (world.caller(), world.advocate("advocate-en"));
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(2));
    let soft = world.second_phone("advocate-en");
    world.advance(secs(1));
    (world, caller, desk, soft)
}

#[test]
fn a_call_that_rings_at_the_desk_is_picked_up_on_the_other_phone() {
    let (world, caller, desk, soft) = ringing();
    soft.takes_over(desk.ringing_dialog());
    world.advance(secs(2));
    assert!(caller.talks() && soft.is_with_a_caller() && !desk.is_on_the_phone(), "{}", world.log());
    assert_eq!(caller.hears().as_deref(), Some("advocate-en (2)"), "{}", world.log());
    soft.hangs_up();
    world.advance(secs(1));
    assert!(!caller.is_on_the_phone() && world.happened("advocate-en", "> wrap up"), "{}", world.log());
    world.assert_quiet();
}

#[test]
fn of_a_phone_that_picks_up_and_one_that_answers_one_has_the_call() {
    for after in [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 60, 80] {
        let (world, caller, desk, soft) = ringing();
        soft.takes_over(desk.ringing_dialog());
        world.advance(millis(after));
        if desk.rings() {
            desk.answers();
        }
        world.advance(secs(5));
        let log = world.log();
        assert!(caller.talks(), "after {after} ms\n{log}");
        assert!(desk.is_with_a_caller() != soft.is_with_a_caller(), "after {after} ms\n{log}");
        caller.hangs_up();
        world.advance(secs(40));
        assert!(!desk.is_on_the_phone() && !soft.is_on_the_phone(), "after {after} ms\n{log}");
        world.assert_quiet();
    }
}

#[test]
fn a_caller_who_hangs_up_while_a_phone_picks_up_leaves_nothing_behind() {
    for after in [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 60, 80] {
        let (world, caller, desk, soft) = ringing();
        soft.takes_over(desk.ringing_dialog());
        world.advance(millis(after));
        caller.hangs_up();
        world.advance(secs(40));
        let log = world.log();
        assert!(!desk.is_on_the_phone() && !soft.is_on_the_phone(), "after {after} ms\n{log}");
        world.assert_quiet();
    }
}

#[test]
fn a_phone_that_dies_while_it_picks_up_takes_nothing_from_the_one_that_rings() {
    let (world, caller, desk, soft) = ringing();
    // Its 200 is never acknowledged.
    soft.loses("ACK");
    soft.takes_over(desk.ringing_dialog());
    world.advance(secs(2));
    desk.answers();
    world.advance(secs(60));
    assert!(caller.talks() && desk.is_with_a_caller() && !soft.is_with_a_caller(), "{}", world.log());
    caller.hangs_up();
    world.advance(secs(40));
}
