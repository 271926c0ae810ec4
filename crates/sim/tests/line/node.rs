//! The node itself: reload, drain, no ports left, late offers.

use havre_model::{AgentCommand, AgentProfile};
use havre_sim::{Caller, Plan, TOLL_FREE, Tally, World, demo_accounts};

use crate::{secs, told};

fn joined(world: &World, name: &str) -> Caller {
    let caller = world.caller_named(name);
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(1));
    caller
}

#[test]
fn calls_in_progress_keep_their_plan_and_new_ones_get_the_new_one() {
    let world = World::staffed_by(&["advocate-en"]);
    let talking = joined(&world, "talking");
    world.advocate("advocate-en").answers();
    world.advance(secs(1));
    let old = joined(&world, "old");
    world.reloads(Plan::shipped_with("say = [\"P2\", \"P3\"]", "say = [\"P3\", \"P2\"]"));
    let new = joined(&world, "new");
    world.advance(secs(20));
    assert_eq!(world.heard("old")[1..3], ["P2 en", "P3 en"], "{}", world.log());
    assert_eq!(world.heard("new")[1..3], ["P3 en", "P2 en"], "{}", world.log());
    assert_eq!(world.heard("talking").last().map(String::as_str), Some("advocate-en"));
    for caller in [talking, old, new] {
        caller.hangs_up();
    }
    world.assert_quiet();
}

#[test]
fn an_account_that_is_removed_finishes_its_talk() {
    let world = World::staffed_by(&["advocate-en", "advocate-bi"]);
    let talking = joined(&world, "talking");
    world.advocate("advocate-en").answers();
    world.advance(secs(1));
    let rest: Vec<AgentProfile> =
        demo_accounts().into_iter().filter(|a| a.id.as_str() != "advocate-en").collect();
    world.reloads_agents(rest);
    world.advance(secs(120));
    assert_eq!(world.heard("talking").last().map(String::as_str), Some("advocate-en"), "{}", world.log());
    talking.hangs_up();
    world.assert_quiet();
}

#[test]
fn draining_refuses_new_calls_and_keeps_the_others() {
    let world = World::staffed_by(&["advocate-en"]);
    let talking = joined(&world, "talking");
    world.advocate("advocate-en").answers();
    world.advance(secs(1));
    let waiting = joined(&world, "waiting");
    world.drains();
    world.restart_log();
    let late = world.caller_named("late");
    late.dials(TOLL_FREE);
    world.advance(secs(1));
    told(
        &world,
        "
            0.0 late dials +18335550100
            0.0 late line ends: refused 503
        ",
    );
    talking.hangs_up();
    world.advance(secs(4));
    world.advocate("advocate-en").answers();
    world.advance(secs(1));
    assert_eq!(world.heard("waiting").last().map(String::as_str), Some("advocate-en"), "{}", world.log());
    waiting.hangs_up();
    world.assert_quiet();
}

#[test]
fn when_the_time_to_drain_is_over_every_call_is_ended_and_counted() {
    let world = World::staffed_by(&["advocate-en"]);
    let _talking = joined(&world, "talking");
    world.advocate("advocate-en").answers();
    world.advance(secs(1));
    let _waiting = joined(&world, "waiting");
    world.drains();
    world.restart_log();
    world.stops();
    world.advance(secs(1));
    assert!(world.happened("talking", "> ended: answered (draining)"), "{}", world.log());
    assert!(world.happened("waiting", "> ended: lost (draining)"), "{}", world.log());
    assert!(!world.advocate("advocate-en").is_on_the_phone(), "{}", world.log());
    assert_eq!(world.tally(), Tally { offered: 2, answered: 1, lost: 1, ..Tally::default() });
    world.assert_quiet();
}

#[test]
fn a_state_set_over_the_api_is_the_same_as_one_that_was_dialled() {
    let world = World::staffed_by(&["advocate-en"]);
    world.commands("advocate-en", AgentCommand::Break);
    world.advance(secs(1));
    world.commands("advocate-en", AgentCommand::EndWrapUp);
    world.commands("advocate-en", AgentCommand::Ready);
    world.commands("supervisor", AgentCommand::Ready);
    world.advance(secs(1));
    told(
        &world,
        "
            0.0 advocate-en > not ready (break)
            0.0 havre       > answers: not ready (break)
            1.0 havre       > answers: the agent is not in wrap-up: there is nothing to end
            1.0 advocate-en > ready
            1.0 havre       > answers: ready
            1.0 havre       > answers: the agent has no live phone: register it first
        ",
    );
    world.assert_quiet();
}

#[test]
fn without_a_port_a_call_is_refused_and_counted_as_lost() {
    let world = World::staffed_by(&["advocate-en"]);
    world.ports(0);
    let caller = world.caller();
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    told(
        &world,
        "
            0.0 caller dials +18335550100
            0.0 caller > arrived at hotline
            0.0 caller > ended: lost (overloaded)
            0.0 caller line ends: refused 503
        ",
    );
    assert_eq!(world.tally(), Tally { offered: 1, lost: 1, ..Tally::default() });
    world.assert_quiet();
}

#[test]
fn without_a_port_for_the_next_caller_those_before_go_on() {
    let world = World::staffed_by(&["advocate-en"]);
    let talking = joined(&world, "talking");
    world.advocate("advocate-en").answers();
    let waiting = joined(&world, "waiting");
    world.ports(0);
    world.restart_log();
    let late = world.caller_named("late");
    late.dials(TOLL_FREE);
    world.advance(secs(1));
    assert!(world.happened("late", "line ends: refused 503"), "{}", world.log());
    // Nobody else noticed.
    assert_eq!((world.log_of("talking"), world.log_of("waiting")), (String::new(), String::new()));
    world.advance(secs(60));
    assert!(talking.is_on_the_phone() && waiting.is_on_the_phone());
    assert_eq!(talking.hears().as_deref(), Some("advocate-en"), "{}", world.log());
}

#[test]
fn without_a_port_for_the_advocate_the_caller_keeps_waiting() {
    let world = World::staffed_by(&["advocate-en"]);
    world.ports(1);
    let caller = joined(&world, "caller");
    world.advance(secs(30));
    assert!(caller.is_on_the_phone());
    assert!(world.happened("caller", "> withdrawn from advocate-en"), "{}", world.log());
    world.ports(10);
    world.advance(secs(600));
    assert!(world.happened("advocate-en", "rings"), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_carrier_without_an_offer_gets_ours() {
    let world = World::staffed_by(&["advocate-en"]);
    let caller = world.caller();
    caller.dials_with_late_offer(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(1));
    world.advocate("advocate-en").answers();
    world.advance(secs(1));
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
        ",
    );
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_number_that_is_no_line_is_not_found() {
    let world = World::staffed_by(&[]);
    let caller = world.caller();
    caller.dials("+18335559999");
    world.advance(secs(1));
    assert!(world.happened("caller", "line ends: refused 404"), "{}", world.log());
    world.assert_quiet();
}

#[test]
fn numbers_are_understood_as_carriers_write_them() {
    for dialled in ["+18335550100", "18335550100", "8335550100", "901118335550100"] {
        let world = World::staffed_by(&[]);
        let caller = world.caller();
        caller.dials(dialled);
        world.advance(secs(1));
        assert!(world.happened("caller", "> arrived at hotline"), "{dialled}\n{}", world.log());
        caller.hangs_up();
        world.assert_quiet();
    }
}
