//! *Advocates*: phones, states, commands, wrap-up, hard calls.

use std::time::Duration;

use havre_model::{AgentCommand, AgentState, Language, Risk, Role, StateReason, WrapUp};
use havre_queue::{CommandError, Input};

use crate::world::{World, id};

const FIFTEEN_MINUTES: u64 = 15 * 60;

#[test]
fn signing_in_is_registering_and_ready_is_said() {
    let mut w = World::new();
    w.account("a", "en", Role::Advocate, |_| {});
    assert_eq!(w.is("a"), "signed_out");
    assert_eq!(w.says("a", AgentCommand::Ready), Err(CommandError::Unreachable));
    assert_eq!(w.says("nobody", AgentCommand::Ready), Err(CommandError::UnknownAgent));
    w.registers("a");
    assert_eq!(w.is("a"), "not_ready signed_in");
    w.says("a", AgentCommand::Ready).unwrap();
    assert_eq!(w.is("a"), "ready");
}

#[test]
fn in_the_demo_a_live_phone_is_a_ready_one() {
    let mut w = World::new();
    w.account("a", "en", Role::Advocate, |p| p.ready_on_register = true);
    w.registers("a");
    assert_eq!(w.is("a"), "ready");
    w.loses_phone("a");
    assert_eq!(w.is("a"), "signed_out");
    w.seconds(3600);
    w.registers("a");
    assert_eq!(w.is("a"), "ready");
}

#[test]
fn who_was_never_heard_is_no_live_phone_whatever_it_registers() {
    let mut w = World::new();
    w.ready("a", "en");
    w.talks("a", "c");
    w.unheard("a", true);
    w.leg_dies("a", "c");
    assert_eq!(w.is("a"), "signed_out");
    for _ in 0..3 {
        w.registers("a");
        w.seconds(30);
    }
    assert_eq!(w.is("a"), "signed_out");
    assert_eq!(w.says("a", AgentCommand::Ready), Err(CommandError::Unreachable));
    w.unheard("a", false);
    assert_eq!(w.is("a"), "signed_out", "a phone that was heard has still to be there");
    w.registers("a");
    assert_eq!(w.is("a"), "wrap_up");
    // One that rests is rung no more from then on.
    w.ready("b", "en");
    w.unheard("b", true);
    assert_eq!(w.is("b"), "signed_out");
}

#[test]
fn a_blinking_network_changes_nobodys_mind() {
    let mut w = World::new();
    for (name, command) in
        [("a", AgentCommand::Ready), ("b", AgentCommand::Break), ("c", AgentCommand::HardCall)]
    {
        w.account(name, "en", Role::Advocate, |p| p.ready_on_register = name == "b");
        w.registers(name);
        w.says(name, command).unwrap();
        w.loses_phone(name);
        w.seconds(30);
        w.registers(name);
    }
    assert_eq!(w.idle_since("a"), 0, "ready, and the idle time is kept");
    assert_eq!(w.is("b"), "not_ready break");
    assert_eq!(w.is("c"), "not_ready hard_call");
    w.loses_phone("a");
    w.loses_phone("c");
    w.seconds(600);
    w.registers("a");
    w.registers("c");
    assert_eq!(w.is("a"), "not_ready signed_in", "a new sitting begins with a word");
    assert_eq!(w.is("c"), "not_ready hard_call", "protected time outlives any absence");
}

#[test]
fn a_phone_that_goes_while_it_rings_passes_the_call_on() {
    let mut w = World::new();
    w.ready("a", "en");
    w.ready("b", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    w.loses_phone("a");
    w.expect(&[
        "  0.0 a rings for Ann (single)",
        "  0.0 a stops ringing (unreachable)",
        "  0.0 b rings for Ann (single)",
    ]);
}

#[test]
fn a_registration_that_expires_in_a_talk_ends_no_talk() {
    let mut w = World::new();
    w.ready("a", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    w.answers("a");
    w.loses_phone("a");
    assert_eq!(w.is("a"), "talking");
    w.ends_talk("a", "Ann");
    assert_eq!(w.is("a"), "signed_out");
    w.registers("a");
    assert_eq!(w.is("a"), "wrap_up", "the notes are still to be written");
}

#[test]
fn wrap_up_ends_when_the_advocate_ends_it() {
    let mut w = World::new();
    w.wrapping_up("a", "en");
    w.seconds(36_000);
    assert_eq!(w.is("a"), "wrap_up");
    w.says("a", AgentCommand::EndWrapUp).unwrap();
    assert_eq!(w.is("a"), "ready");
    assert!(w.says("a", AgentCommand::EndWrapUp).is_ok(), "pressing twice is no error");
    w.says("a", AgentCommand::Break).unwrap();
    assert_eq!(w.says("a", AgentCommand::EndWrapUp), Err(CommandError::NotInWrapUp));
}

#[test]
fn timed_wrap_up_ends_by_itself_and_of_no_time_at_once() {
    let mut w = World::new();
    for (name, seconds) in [("a", 2), ("b", 0)] {
        w.account(name, "en", Role::Advocate, |p| p.wrap_up = WrapUp::After(Duration::from_secs(seconds)));
        w.registers(name);
        w.says(name, AgentCommand::Ready).unwrap();
        w.talks(name, name);
        w.ends_talk(name, name);
    }
    assert_eq!((w.is("a"), w.is("b")), ("wrap_up".into(), "ready".into()));
    w.advance(1_999);
    assert_eq!(w.is("a"), "wrap_up");
    w.advance(1);
    assert_eq!(w.is("a"), "ready");
    assert_eq!(w.idle_since("a"), 2_000);
}

#[test]
fn a_caller_who_hangs_up_sends_the_advocate_to_wrap_up() {
    let mut w = World::new();
    w.ready("a", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    w.answers("a");
    w.leaves("Ann");
    assert_eq!(w.is("a"), "wrap_up");
    w.ends_talk("a", "Ann");
    assert_eq!(w.is("a"), "wrap_up", "telling it twice changes nothing");
}

#[test]
fn a_phone_is_not_rung_before_its_last_call_has_cleared() {
    let mut w = World::new();
    w.account("a", "en", Role::Advocate, |p| p.wrap_up = WrapUp::After(Duration::ZERO));
    w.registers("a");
    w.says("a", AgentCommand::Ready).unwrap();
    w.joins("Ann", Language::En, Risk::Standard);
    w.answers("a");
    w.joins("Eva", Language::En, Risk::Standard);
    w.forget_log();
    w.leaves("Ann");
    w.advance(499);
    w.expect(&[]);
    w.advance(1);
    w.expect(&["  0.5 a rings for Eva (single)"]);
}

#[test]
fn nothing_interrupts_the_fifteen_minutes_after_a_hard_call() {
    let mut w = World::new();
    w.wrapping_up("a", "en");
    w.says("a", AgentCommand::HardCall).unwrap();
    w.joins("Ann", Language::En, Risk::Urgent);
    w.seconds(FIFTEEN_MINUTES - 1);
    assert_eq!(w.is("a"), "not_ready hard_call");
    w.seconds(1);
    assert_eq!(w.is("a"), "not_ready signed_in", "and then it is the advocate who says ready");
    assert_eq!(w.engine.counters().offers, 1, "the one before");
    w.says("a", AgentCommand::Ready).unwrap();
    assert_eq!(w.is("a"), "offered");
}

#[test]
fn after_a_hard_call_the_house_may_have_said_that_a_live_phone_is_ready() {
    let mut w = World::new();
    w.account("a", "en", Role::Advocate, |p| p.ready_on_register = true);
    w.registers("a");
    w.says("a", AgentCommand::HardCall).unwrap();
    w.seconds(FIFTEEN_MINUTES);
    assert_eq!(w.is("a"), "ready");
    w.says("a", AgentCommand::HardCall).unwrap();
    w.says("a", AgentCommand::Ready).unwrap();
    assert_eq!(w.is("a"), "ready", "the advocate may end it sooner");
}

#[test]
fn what_is_asked_for_in_a_talk_is_done_after_it() {
    let mut w = World::new();
    for (name, command, after) in
        [("a", AgentCommand::Break, "not_ready break"), ("b", AgentCommand::HardCall, "not_ready hard_call")]
    {
        w.ready(name, "en");
        w.talks(name, name);
        let result = w.says(name, command).unwrap();
        assert!(matches!(result, AgentState::Talking { .. }));
        assert_eq!(w.is(name), "talking");
        w.ends_talk(name, name);
        assert_eq!(w.is(name), after);
    }
    w.ready("c", "en");
    w.talks("c", "c");
    w.says("c", AgentCommand::Break).unwrap();
    assert_eq!(w.then("c"), Some(StateReason::Break));
    w.says("c", AgentCommand::Ready).unwrap();
    assert_eq!(w.then("c"), None, "ready takes it back");
    assert_eq!(w.says("c", AgentCommand::EndWrapUp), Err(CommandError::NotInWrapUp));
    w.ends_talk("c", "c");
    assert_eq!(w.is("c"), "wrap_up");
}

#[test]
fn a_break_while_the_phone_rings_passes_the_call_on() {
    let mut w = World::new();
    w.ready("a", "en");
    w.ready("b", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    w.says("a", AgentCommand::Break).unwrap();
    w.expect(&[
        "  0.0 a rings for Ann (single)",
        "  0.0 a stops ringing (agent_changed)",
        "  0.0 b rings for Ann (single)",
    ]);
    assert_eq!(w.is("a"), "not_ready break");
}

#[test]
fn ready_while_a_wrap_up_offer_rings_holds_afterwards() {
    let mut w = World::new();
    w.wrapping_up("a", "en");
    w.joins("Ann", Language::En, Risk::Urgent);
    assert!(matches!(w.says("a", AgentCommand::EndWrapUp), Ok(AgentState::Offered { .. })));
    w.leaves("Ann");
    assert_eq!(w.is("a"), "ready");
}

#[test]
fn nothing_rings_while_the_advocate_listens_to_a_feature_code() {
    let mut w = World::new();
    w.ready("a", "en");
    let busy = |yes| Input::Busy { agent: id("a"), yes };
    w.input(busy(true));
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(4);
    w.expect(&[]);
    assert_eq!(w.is("a"), "ready");
    w.input(busy(false));
    w.expect(&["  4.0 a rings for Ann (single)"]);
    w.leaves("Ann");
    w.input(busy(true));
    w.joins("Eva", Language::En, Risk::Standard);
    w.forget_log();
    w.seconds(60);
    w.expect(&[" 24.0 supervisors are alerted of Eva", " 64.0 a rings for Eva (ring_all)"]);
}

#[test]
fn a_reload_adds_changes_and_retires_accounts() {
    let mut w = World::new();
    w.ready("a", "en");
    w.ready("b", "en");
    w.ready("c", "en");
    w.talks("b", "Eve");
    w.joins("Ann", Language::En, Risk::Standard);
    w.fires("a");
    w.expect(&[
        "  0.0 a rings for Ann (single)",
        "  0.0 a stops ringing (agent_changed)",
        "  0.0 c rings for Ann (single)",
    ]);
    w.fires("b");
    assert_eq!(w.is("b"), "talking", "a talk is not cut by a reload");
    w.ends_talk("b", "Eve");
    assert_eq!(w.engine.agents().count(), 1);
    w.answers("c");
    w.joins("Rose", Language::Fr, Risk::Standard);
    w.ready("d", "en");
    w.forget_log();
    w.account("d", "fr", Role::Advocate, |_| {});
    w.expect(&["  0.0 d rings for Rose (single)"]);
}

#[test]
fn an_account_with_no_role_is_never_rung() {
    let mut w = World::new();
    w.account("a", "en", Role::Advocate, |p| p.roles = havre_model::Roles::default());
    w.registers("a");
    w.says("a", AgentCommand::Ready).unwrap();
    w.joins("Ann", Language::En, Risk::Urgent);
    w.seconds(100);
    w.expect(&["  5.0 supervisors are alerted of Ann"]);
}

#[test]
fn counts_add_up() {
    let mut w = World::new();
    w.ready("a", "en");
    w.ready("b", "en");
    w.wrapping_up("c", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    w.answers("a");
    w.joins("Rose", Language::Fr, Risk::Urgent);
    let counts = w.engine.counts();
    assert_eq!(counts.waiting[Language::Fr as usize][Risk::Urgent as usize], 1);
    assert_eq!((counts.talking, counts.in_talk, counts.ready, counts.wrap_up), (1, 1, 1, 1));
    assert_eq!(counts.signed_out + counts.not_ready + counts.offered, 0);
}
