//! A caller reaches the right advocate.

use havre_sim::{SANS_FRAIS, TOLL_FREE, World};

use crate::{secs, told};

#[test]
fn an_english_caller_reaches_an_advocate() {
    let world = World::staffed_by(&["advocate-fr", "advocate-en"]);
    let (caller, advocate) = (world.caller(), world.advocate("advocate-en"));
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(3));
    advocate.answers();
    world.advance(secs(60));
    caller.hangs_up();
    world.advance(secs(3));
    told(&world, "");
    world.assert_quiet();
}

#[test]
fn a_french_caller_reaches_an_advocate() {
    let world = World::staffed_by(&["advocate-en", "advocate-fr"]);
    let (caller, advocate) = (world.caller(), world.advocate("advocate-fr"));
    caller.dials(SANS_FRAIS);
    world.advance(secs(4));
    caller.presses('2');
    world.advance(secs(3));
    advocate.answers();
    world.advance(secs(60));
    advocate.hangs_up();
    world.advance(secs(3));
    told(&world, "");
    world.assert_quiet();
}

#[test]
fn a_caller_from_quebec_hears_french_first() {
    let world = World::staffed_by(&[]);
    let caller = world.caller_from("caller", "+15145550123");
    caller.dials(TOLL_FREE);
    world.advance(secs(8));
    caller.hangs_up();
    world.advance(secs(1));
    told(&world, "");
    world.assert_quiet();
}

#[test]
fn a_caller_who_presses_nothing_is_queued_and_gets_the_bilingual_advocate() {
    let world = World::staffed_by(&["advocate-en", "advocate-fr", "advocate-bi"]);
    let (caller, bilingual) = (world.caller(), world.advocate("advocate-bi"));
    caller.dials(TOLL_FREE);
    world.advance(secs(25));
    bilingual.answers();
    world.advance(secs(30));
    caller.hangs_up();
    world.advance(secs(3));
    told(&world, "");
    world.assert_quiet();
}

#[test]
fn without_a_bilingual_advocate_a_silent_caller_gets_anyone_from_ten_seconds_on() {
    let world = World::staffed_by(&["advocate-fr", "advocate-en"]);
    let (caller, longest_idle) = (world.caller(), world.advocate("advocate-fr"));
    caller.dials(TOLL_FREE);
    world.advance(secs(35));
    let joined = world.when("caller", "> joined: unknown, standard");
    let offered = world.when("caller", "> offered to advocate-fr (single)");
    assert!((offered - joined - 10.0).abs() < 0.1, "{}", world.log());
    longest_idle.answers();
    world.advance(secs(5));
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_silent_caller_says_the_language_while_waiting() {
    let world = World::staffed_by(&["advocate-fr"]);
    let (caller, advocate) = (world.caller(), world.advocate("advocate-fr"));
    caller.dials(TOLL_FREE);
    world.advance(secs(20));
    assert!(!advocate.rings(), "the first ten seconds are for the bilingual\n{}", world.log());
    caller.presses('2');
    world.advance(secs(1));
    assert!(advocate.rings(), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn another_language_goes_to_any_advocate_and_says_that_an_interpreter_is_needed() {
    let world = World::staffed_by(&["advocate-fr", "advocate-en"]);
    let (caller, advocate) = (world.caller(), world.advocate("advocate-fr"));
    caller.dials(TOLL_FREE);
    world.advance(secs(2));
    caller.presses('3');
    world.advance(secs(2));
    advocate.answers();
    world.advance(secs(2));
    assert!(world.happened("advocate-fr", "rings: autre langue · standard · interprète requis"), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn nobody_there_is_no_reason_to_be_sent_away() {
    let world = World::staffed_by(&[]);
    let caller = world.caller();
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(3_600));
    assert!(caller.is_on_the_phone());
    let advocate = world.advocate("advocate-en");
    advocate.signs_in();
    world.advance(secs(1));
    advocate.answers();
    world.advance(secs(1));
    assert_eq!(world.heard("caller").last().map(String::as_str), Some("advocate-en"));
    caller.hangs_up();
    world.assert_quiet();
}
