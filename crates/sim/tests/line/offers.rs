//! Who is rung, for how long, and who is rung next.

use havre_model::{AgentProfile, Role, Spoken, WrapUp};
use havre_sim::{Caller, Setup, TOLL_FREE, World, account, demo_accounts};

use crate::{millis, secs, told};

/// An English caller has joined: T = 0, and the log begins.
fn joined(world: &World) -> Caller {
    joined_as(world, "caller", '1')
}

fn joined_as(world: &World, name: &str, key: char) -> Caller {
    let caller = world.caller_named(name);
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    world.restart_log();
    caller.presses(key);
    world.advance(millis(20));
    caller
}

fn with_a_second_english_advocate() -> Setup {
    let mut agents = demo_accounts();
    agents.push(account("advocate-en-2", &[Spoken::En], Role::Advocate));
    Setup { agents, ..Setup::default() }
}

fn with(agent: AgentProfile) -> Setup {
    Setup {
        agents: vec![agent, account("advocate-bi", &[Spoken::En, Spoken::Fr], Role::Advocate)],
        ..Setup::default()
    }
}

#[test]
fn an_offer_that_is_not_answered_moves_on_after_twelve_seconds() {
    let world = World::staffed_by(&["advocate-en", "advocate-bi"]);
    let caller = joined(&world);
    world.advance(secs(14));
    world.advocate("advocate-bi").answers();
    world.advance(secs(3));
    caller.hangs_up();
    world.advance(secs(3));
    told(
        &world,
        "
            0.0 caller      presses 1
            0.0 caller      > joined: en, standard
            0.0 caller      hears P2 en
            0.0 caller      > offered to advocate-en (single)
            0.0 advocate-en > offered
            0.0 advocate-en rings: EN · standard
           12.0 caller      > withdrawn from advocate-en (no_answer)
           12.0 advocate-en > not ready (no_answer)
           12.0 caller      > offered to advocate-bi (single)
           12.0 advocate-bi > offered
           12.0 advocate-en line ends: cancelled
           12.0 advocate-bi rings: EN · standard
           12.2 caller      hears P3 en
           14.0 advocate-bi answers
           14.0 caller      > answered by advocate-bi after 14.0 s
           14.0 advocate-bi > talking
           14.0 advocate-bi hears caller
           14.0 caller      hears advocate-bi
           17.0 caller      hangs up
           17.0 caller      > ended: answered (caller_hung_up)
           17.0 advocate-bi > wrap up
           17.0 caller      line ends: by own choice 200
           17.0 advocate-bi line ends: hung up
           19.0 advocate-bi > ready
        ",
    );
    world.assert_quiet();
}

#[test]
fn an_offer_that_is_declined_moves_on_at_once() {
    for status in [486, 603] {
        let world = World::staffed_by(&["advocate-en", "advocate-bi"]);
        let caller = joined(&world);
        world.advance(secs(2));
        world.advocate("advocate-en").declines(status);
        world.advance(millis(100));
        assert!(world.happened("caller", "> withdrawn from advocate-en (declined)"), "{}", world.log());
        assert!(world.advocate("advocate-bi").rings(), "{}", world.log());
        caller.hangs_up();
        world.assert_quiet();
    }
}

#[test]
fn a_phone_that_crashed_is_known_at_once_and_the_next_one_rings() {
    let world = World::staffed_by(&["advocate-en", "advocate-bi"]);
    world.advocate("advocate-en").crashes();
    let caller = joined(&world);
    world.advance(millis(200));
    assert!(world.happened("caller", "> withdrawn from advocate-en (unreachable)"), "{}", world.log());
    assert_eq!(world.state_of("advocate-en"), "signed out");
    assert!(world.advocate("advocate-bi").rings(), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_phone_that_says_nothing_costs_one_ring_time() {
    let world = World::staffed_by(&["advocate-en", "advocate-bi"]);
    world.advocate("advocate-en").goes_dark();
    let caller = joined(&world);
    world.advance(secs(13));
    assert!(world.advocate("advocate-bi").rings(), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn from_twenty_seconds_on_everyone_skilled_rings_and_the_first_answer_wins() {
    let world = World::with(
        with_a_second_english_advocate(),
        &["advocate-en", "advocate-fr", "advocate-bi", "advocate-en-2"],
    );
    let caller = joined(&world);
    world.advance(secs(23));
    world.advocate("advocate-en-2").answers();
    world.advance(secs(3));
    caller.hangs_up();
    world.advance(secs(3));
    told(
        &world,
        "
            0.0 caller        presses 1
            0.0 caller        > joined: en, standard
            0.0 caller        hears P2 en
            0.0 caller        > offered to advocate-en (single)
            0.0 advocate-en   > offered
            0.0 advocate-en   rings: EN · standard
           12.0 caller        > withdrawn from advocate-en (no_answer)
           12.0 advocate-en   > not ready (no_answer)
           12.0 caller        > offered to advocate-bi (single)
           12.0 advocate-bi   > offered
           12.0 advocate-en   line ends: cancelled
           12.0 advocate-bi   rings: EN · standard
           12.2 caller        hears P3 en
           20.0 caller        > supervisors alerted
           20.0 caller        > offered to advocate-en-2 (ring_all)
           20.0 advocate-en-2 > offered
           20.0 advocate-en-2 rings: EN · standard
           23.0 advocate-en-2 answers
           23.0 caller        > answered by advocate-en-2 after 23.0 s
           23.0 advocate-en-2 > talking
           23.0 caller        > withdrawn from advocate-bi (answered_elsewhere)
           23.0 advocate-bi   > ready
           23.0 advocate-en-2 hears caller
           23.0 caller        hears advocate-en-2
           23.0 advocate-bi   line ends: cancelled
           26.0 caller        hangs up
           26.0 caller        > ended: answered (caller_hung_up)
           26.0 advocate-en-2 > wrap up
           26.0 caller        line ends: by own choice 200
           26.0 advocate-en-2 line ends: hung up
           28.0 advocate-en-2 > ready
        ",
    );
    world.assert_quiet();
}

#[test]
fn two_who_answer_in_the_same_instant_do_not_both_get_the_caller() {
    let world =
        World::with(with_a_second_english_advocate(), &["advocate-en", "advocate-bi", "advocate-en-2"]);
    let caller = joined(&world);
    world.advance(secs(21));
    world.advocate("advocate-bi").answers();
    world.advocate("advocate-en-2").answers();
    world.advance(secs(1));
    told(
        &world,
        "
            0.0 caller        presses 1
            0.0 caller        > joined: en, standard
            0.0 caller        hears P2 en
            0.0 caller        > offered to advocate-en (single)
            0.0 advocate-en   > offered
            0.0 advocate-en   rings: EN · standard
           12.0 caller        > withdrawn from advocate-en (no_answer)
           12.0 advocate-en   > not ready (no_answer)
           12.0 caller        > offered to advocate-bi (single)
           12.0 advocate-bi   > offered
           12.0 advocate-en   line ends: cancelled
           12.0 advocate-bi   rings: EN · standard
           12.2 caller        hears P3 en
           20.0 caller        > supervisors alerted
           20.0 caller        > offered to advocate-en-2 (ring_all)
           20.0 advocate-en-2 > offered
           20.0 advocate-en-2 rings: EN · standard
           21.0 advocate-bi   answers
           21.0 advocate-en-2 answers
           21.0 caller        > answered by advocate-bi after 21.0 s
           21.0 advocate-bi   > talking
           21.0 caller        > withdrawn from advocate-en-2 (answered_elsewhere)
           21.0 advocate-en-2 > ready
           21.0 advocate-bi   hears caller
           21.0 caller        hears advocate-bi
           21.0 advocate-en-2 line ends: hung up
        ",
    );
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn from_forty_five_seconds_on_the_other_language_rings_and_is_told_so() {
    let world = World::staffed_by(&["advocate-fr"]);
    let caller = joined(&world);
    world.advance(secs(47));
    assert_eq!(world.when("caller", "> offered to advocate-fr").round(), 45.0, "{}", world.log());
    assert!(world.happened("advocate-fr", "rings: EN · standard · interprète requis"), "{}", world.log());
    world.advocate("advocate-fr").answers();
    world.advance(secs(1));
    assert_eq!(world.heard("caller").last().map(String::as_str), Some("advocate-fr"));
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn supervisors_are_alerted_at_twenty_take_calls_at_ninety_and_are_paged_from_a_hundred_and_eighty_seconds_on()
{
    let world = World::staffed_by(&["supervisor"]);
    world.advocate("supervisor").is_out_of_reach();
    let caller = joined(&world);
    world.advance(secs(305));
    let at = |what: &str| world.when("caller", what).round();
    assert_eq!(at("> supervisors alerted"), 20.0);
    assert_eq!(at("> offered to supervisor"), 90.0);
    assert_eq!(at("> supervisors paged"), 180.0);
    assert_eq!(world.log_of("caller").matches("paged").count(), 3, "{}", world.log());
    assert!(caller.is_on_the_phone());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn whoever_did_not_answer_is_rung_again_every_thirty_seconds_if_nobody_else_is_left() {
    let world = World::staffed_by(&["advocate-en"]);
    let caller = joined(&world);
    world.advance(secs(85));
    let offers = world.log_of("caller").matches("offered to advocate-en").count();
    // At 0, 20, 50 and 80 s.
    assert_eq!(offers, 4, "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_break_is_not_disturbed() {
    let world = World::staffed_by(&["advocate-en"]);
    world.advocate("advocate-en").dials("*41");
    world.advance(secs(10));
    let caller = joined(&world);
    world.advance(secs(300));
    assert!(!world.happened("advocate-en", "rings"), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn wrap_up_is_disturbed_at_twenty_seconds_and_may_be_declined() {
    let mut agent = account("advocate-en", &[Spoken::En], Role::Advocate);
    agent.wrap_up = WrapUp::Manual;
    let world = World::with(with(agent), &["advocate-en"]);
    let advocate = world.advocate("advocate-en");
    let first = joined_as(&world, "first", '1');
    world.advance(secs(1));
    advocate.answers();
    world.advance(secs(1));
    first.hangs_up();
    world.advance(secs(1));
    assert_eq!(world.state_of("advocate-en"), "wrap up");
    let second = joined_as(&world, "second", '1');
    world.advance(secs(21));
    assert_eq!(world.when("second", "> offered to advocate-en (wrap_up)").round(), 20.0, "{}", world.log());
    advocate.declines(603);
    world.advance(secs(1));
    assert_eq!(world.state_of("advocate-en"), "wrap up", "{}", world.log());
    second.hangs_up();
    world.assert_quiet();
}

#[test]
fn callers_are_served_in_order_and_one_phone_rings_for_one_caller() {
    let world = World::staffed_by(&["advocate-en", "advocate-bi"]);
    let first = joined_as(&world, "first", '1');
    let second = joined_as(&world, "second", '1');
    let third = joined_as(&world, "third", '1');
    world.advance(secs(1));
    world.advocate("advocate-en").answers();
    world.advocate("advocate-bi").answers();
    world.advance(secs(1));
    assert_eq!(world.heard("advocate-en"), ["first"]);
    assert_eq!(world.heard("advocate-bi"), ["second"]);
    assert_eq!(world.heard("third"), ["P2 en"]);
    first.hangs_up();
    world.advance(secs(3));
    world.advocate("advocate-en").answers();
    world.advance(secs(1));
    assert_eq!(world.heard("third"), ["P2 en", "advocate-en"]);
    second.hangs_up();
    third.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_caller_who_said_that_it_can_wait_goes_after_one_who_came_later() {
    let world = World::staffed_by(&[]);
    let question = joined_as(&world, "question", '7');
    world.advance(secs(30));
    let worried = joined_as(&world, "worried", '1');
    world.advance(secs(1));
    world.advocate("advocate-bi").signs_in();
    world.advance(secs(1));
    world.advocate("advocate-bi").answers();
    world.advance(secs(1));
    assert_eq!(world.heard("advocate-bi"), ["worried"], "{}", world.log());
    question.hangs_up();
    worried.hangs_up();
    world.assert_quiet();
}

#[test]
fn all_phones_of_an_account_ring_and_the_first_wins() {
    let world = World::staffed_by(&["advocate-en"]);
    let (desk, mobile) = (world.advocate("advocate-en"), world.second_phone("advocate-en"));
    mobile.signs_in();
    world.advance(secs(1));
    let caller = joined(&world);
    world.advance(secs(1));
    assert!(desk.rings() && mobile.rings(), "{}", world.log());
    mobile.answers();
    world.advance(secs(1));
    told(
        &world,
        "
            0.0 caller      presses 1
            0.0 caller      > joined: en, standard
            0.0 caller      hears P2 en
            0.0 caller      > offered to advocate-en (single)
            0.0 advocate-en > offered
            0.0 advocate-en rings: EN · standard
            0.0 advocate-en (2) rings: EN · standard
            1.0 advocate-en (2) answers
            1.0 caller      > answered by advocate-en after 1.0 s
            1.0 advocate-en > talking
            1.0 advocate-en (2) hears caller
            1.0 caller      hears advocate-en (2)
            1.0 advocate-en line ends: cancelled
        ",
    );
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn two_phones_of_an_account_answered_in_the_same_instant_make_one_talk() {
    let world = World::staffed_by(&["advocate-en"]);
    let (desk, mobile) = (world.advocate("advocate-en"), world.second_phone("advocate-en"));
    mobile.signs_in();
    world.advance(secs(1));
    let caller = joined(&world);
    world.advance(secs(1));
    desk.answers();
    mobile.answers();
    world.advance(secs(1));
    assert!(desk.is_on_the_phone() != mobile.is_on_the_phone(), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn the_caller_hangs_up_in_the_instant_the_advocate_answers() {
    let world = World::staffed_by(&["advocate-en"]);
    let caller = joined(&world);
    world.advance(secs(1));
    let advocate = world.advocate("advocate-en");
    advocate.answers();
    caller.hangs_up();
    world.advance(secs(3));
    assert!(!advocate.is_on_the_phone(), "{}", world.log());
    assert_eq!(world.state_of("advocate-en"), "ready");
    world.assert_quiet();
}

#[test]
fn an_answer_in_the_instant_of_ringing_out_is_a_talk_or_nothing() {
    for after in (11_940..12_060).step_by(3) {
        let world = World::staffed_by(&["advocate-en", "advocate-bi"]);
        let (caller, advocate) = (joined(&world), world.advocate("advocate-en"));
        world.advance(millis(after));
        if advocate.rings() {
            advocate.answers();
        }
        world.advance(secs(3));
        let talks = world.heard("caller").contains(&"advocate-en".to_owned());
        assert_eq!(advocate.is_on_the_phone(), talks, "after {after} ms\n{}", world.log());
        assert_eq!(world.advocate("advocate-bi").rings(), !talks, "after {after} ms\n{}", world.log());
        caller.hangs_up();
        world.assert_quiet();
    }
}
