//! Advocates in a browser, whose pages are reloaded in the middle of a talk.

use havre_sim::{Advocate, Caller, TOLL_FREE, World};

use crate::{millis, secs, told};

/// An English caller talks with `advocate-en`, who is in a browser; the log begins.
fn talking(staff: &[&str]) -> (World, Caller, Advocate) {
    let world = World::staffed_by(staff);
    let (caller, advocate) = (world.caller(), world.advocate("advocate-en"));
    advocate.uses_a_browser();
    advocate.signs_in();
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
fn a_page_that_is_reloaded_has_its_caller_again() {
    let (world, caller, advocate) = talking(&["advocate-en", "advocate-bi"]);
    advocate.starts_again();
    world.advance(secs(4));
    advocate.signs_in();
    world.advance(secs(1));
    advocate.answers();
    world.advance(secs(10));
    told(
        &world,
        "
            0.0 advocate-en starts again
            3.0 caller      > away advocate-en
            3.0 caller      hears waiting
            4.0 advocate-en rings: EN · standard
            5.0 advocate-en answers
            5.0 caller      > back advocate-en
            5.0 advocate-en hears caller
            5.0 caller      hears advocate-en
        ",
    );
    caller.hangs_up();
    world.advance(secs(1));
    assert!(world.happened("advocate-en", "> wrap up"), "{}", world.log());
    world.assert_quiet();
}

#[test]
fn a_page_that_stays_away_gives_its_caller_to_the_next_advocate() {
    let (world, caller, advocate) = talking(&["advocate-en", "advocate-bi"]);
    advocate.starts_again();
    world.advance(secs(25));
    world.advocate("advocate-bi").answers();
    world.advance(secs(1));
    told(
        &world,
        "
            0.0 advocate-en starts again
            3.0 caller      > away advocate-en
            3.0 caller      hears waiting
           23.0 caller      > lost advocate-en
           23.0 caller      > class elevated
           23.0 caller      > joined again: en, elevated
           23.0 advocate-en > signed out
           23.0 caller      hears P12 en
           23.0 caller      > offered to advocate-bi (single)
           23.0 advocate-bi > offered
           23.0 advocate-bi rings: EN · elevated
           25.0 advocate-bi answers
           25.0 caller      > answered by advocate-bi after 2.0 s
           25.0 advocate-bi > talking
           25.0 advocate-bi hears caller
           25.0 caller      hears advocate-bi
        ",
    );
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_cut_connection_alone_interrupts_no_talk() {
    let (world, caller, advocate) = talking(&["advocate-en", "advocate-bi"]);
    advocate.loses_its_connection();
    world.advance(secs(4));
    advocate.signs_in();
    world.advance(secs(30));
    // Nothing else is told, and nothing is heard in between.
    told(
        &world,
        "
            0.0 advocate-en loses its connection
        ",
    );
    assert!(caller.talks() && advocate.is_with_a_caller(), "{}", world.log());
    advocate.hangs_up();
    world.advance(secs(1));
    assert!(!caller.is_on_the_phone() && world.happened("advocate-en", "> wrap up"), "{}", world.log());
    world.assert_quiet();
}

#[test]
fn a_talk_over_a_cut_connection_goes_on_until_its_sound_ends() {
    let (world, caller, advocate) = talking(&["advocate-en", "advocate-bi"]);
    advocate.loses_its_connection();
    // Longer than any question that it would be asked meanwhile.
    world.advance(secs(90));
    assert!(caller.talks() && !world.happened("caller", "> away advocate-en"), "{}", world.log());
    world.restart_log();
    advocate.goes_dark();
    world.advance(secs(24));
    let (away, lost) = ("> away advocate-en", "> lost advocate-en");
    assert_eq!((world.when("caller", away), world.when("caller", lost)), (3.0, 23.0), "{}", world.log());
    world.advocate("advocate-bi").answers();
    world.advance(secs(1));
    assert!(caller.talks(), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_page_that_was_silent_already_is_away_with_its_connection() {
    let (world, caller, advocate) = talking(&["advocate-en"]);
    advocate.mutes();
    world.advance(secs(10));
    world.restart_log();
    advocate.loses_its_connection();
    world.advance(secs(1));
    assert!(world.when("caller", "> away advocate-en") < 0.1, "{}", world.log());
    advocate.reloads();
    world.advance(secs(1));
    advocate.answers();
    world.advance(secs(5));
    assert!(caller.talks() && advocate.is_with_a_caller(), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_caller_who_hangs_up_meanwhile_leaves_the_advocate_in_wrap_up() {
    let (world, caller, advocate) = talking(&["advocate-en"]);
    advocate.reloads();
    world.advance(secs(1));
    assert!(advocate.rings(), "{}", world.log());
    caller.hangs_up();
    world.advance(secs(1));
    assert!(!advocate.rings() && world.happened("advocate-en", "> wrap up"), "{}", world.log());
    world.assert_quiet();
}

#[test]
fn a_caller_who_hangs_up_before_the_page_is_back_rings_nowhere() {
    let (world, caller, advocate) = talking(&["advocate-en"]);
    advocate.starts_again();
    world.advance(secs(2));
    caller.hangs_up();
    world.advance(secs(2));
    advocate.signs_in();
    world.advance(secs(3));
    assert!(!advocate.is_on_the_phone(), "{}", world.log());
    assert!(!world.happened("caller", "> lost advocate-en"), "{}", world.log());
    world.assert_quiet();
}

#[test]
fn an_advocate_may_hang_up_right_after_coming_back() {
    let (world, caller, advocate) = talking(&["advocate-en"]);
    advocate.reloads();
    world.advance(secs(1));
    advocate.answers();
    world.advance(millis(50));
    advocate.hangs_up();
    world.advance(secs(1));
    assert!(!caller.is_on_the_phone(), "{}", world.log());
    assert!(world.happened("caller", "> ended"), "{}", world.log());
    world.assert_quiet();
}

#[test]
fn a_page_is_reloaded_twice_and_again_before_it_answers() {
    let (world, caller, advocate) = talking(&["advocate-en"]);
    advocate.reloads();
    world.advance(secs(1));
    advocate.answers();
    world.advance(secs(1));
    advocate.reloads();
    world.advance(secs(1));
    assert!(advocate.rings(), "{}", world.log());
    advocate.reloads();
    world.advance(secs(1));
    advocate.answers();
    world.advance(secs(30));
    assert!(advocate.is_with_a_caller() && caller.talks(), "{}", world.log());
    assert!(!world.happened("caller", "> lost advocate-en"), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_page_that_falls_silent_may_come_back_too() {
    let (world, caller, advocate) = talking(&["advocate-en"]);
    advocate.goes_dark();
    world.advance(secs(15));
    assert!(world.when("caller", "hears waiting") <= 3.1, "{}", world.log());
    assert!(world.happened("caller", "> away advocate-en"), "{}", world.log());
    advocate.reloads();
    world.advance(secs(1));
    advocate.answers();
    world.advance(secs(30));
    assert!(advocate.is_with_a_caller() && caller.talks(), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn the_desk_sees_the_keys_of_its_caller() {
    let (world, caller, _) = talking(&["advocate-en"]);
    caller.presses('1');
    world.advance(secs(1));
    assert!(world.happened("advocate-en", "sees key 1"), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}
