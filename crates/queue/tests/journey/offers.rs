//! *Offers*: ring time, several at once, spreading, and what no answer means.

use havre_model::{AgentCommand, Language, Risk, WithdrawReason, WrapUp};

use crate::world::World;

#[test]
fn an_offer_rings_twelve_seconds_and_the_next_agent_rings_at_once() {
    let mut w = World::new();
    w.ready("a", "en");
    w.ready("b", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    w.joins("Eva", Language::Fr, Risk::Standard);
    w.advance(11_999);
    w.expect(&["  0.0 a rings for Ann (single)"]);
    w.advance(1);
    w.expect(&[" 12.0 a stops ringing (no_answer)", " 12.0 b rings for Ann (single)"]);
    assert_eq!(w.is("a"), "not_ready no_answer");
    w.answers("b");
    w.expect(&[" 12.0 b talks with Ann"]);
}

#[test]
fn the_caller_keeps_the_place_when_an_offer_is_not_answered() {
    let mut w = World::new();
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(1);
    w.joins("Eva", Language::En, Risk::Standard);
    w.ready("a", "en");
    w.seconds(12);
    w.ready("b", "en");
    w.expect(&[
        "  1.0 a rings for Ann (single)",
        " 13.0 a stops ringing (no_answer)",
        " 13.0 b rings for Ann (single)",
    ]);
}

#[test]
fn a_declined_single_offer_counts_as_one_not_answered() {
    let mut w = World::new();
    w.ready("a", "en");
    w.ready("b", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(2);
    w.declines("a");
    w.expect(&["  0.0 a rings for Ann (single)", "  2.0 b rings for Ann (single)"]);
    assert_eq!(w.is("a"), "not_ready no_answer");
    w.declines("b");
    w.says("a", AgentCommand::Ready).unwrap();
    w.expect(&["  2.0 a rings for Ann (single)"]);
}

#[test]
fn free_agents_are_spread_over_the_callers_in_order_and_the_surplus_rings_for_the_head() {
    let mut w = World::new();
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(1);
    w.joins("Eva", Language::En, Risk::Standard);
    w.seconds(24);
    w.forget_log();
    for agent in ["a", "b", "c", "d"] {
        w.ready(agent, "en");
    }
    w.expect(&[
        " 25.0 a rings for Ann (ring_all)",
        " 25.0 b rings for Eva (ring_all)",
        " 25.0 c rings for Ann (ring_all)",
        " 25.0 d rings for Ann (ring_all)",
    ]);
}

#[test]
fn surplus_is_surplus_only_while_nobody_else_needs_it() {
    let mut w = World::new();
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(20);
    for agent in ["a", "b", "c"] {
        w.ready(agent, "en");
    }
    w.forget_log();
    w.joins("Eva", Language::En, Risk::Standard);
    w.joins("Ida", Language::En, Risk::Standard);
    w.joins("Zoe", Language::En, Risk::Standard);
    w.expect(&[
        " 20.0 a stops ringing (agent_changed)",
        " 20.0 a rings for Eva (single)",
        " 20.0 b stops ringing (agent_changed)",
        " 20.0 b rings for Ida (single)",
    ]);
}

#[test]
fn an_urgent_caller_lends_nobody() {
    let mut w = World::new();
    w.ready("a", "en");
    w.ready("b", "en");
    w.joins("Ann", Language::En, Risk::Urgent);
    w.seconds(5);
    w.forget_log();
    w.joins("Eva", Language::En, Risk::Standard);
    w.expect(&[]);
}

#[test]
fn the_first_confirmed_wins_and_the_others_stay_ready_with_their_idle_time() {
    let mut w = World::new();
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(20);
    w.ready("a", "en");
    w.seconds(3);
    w.ready("b", "en");
    w.seconds(1);
    w.answers("b");
    w.forget_log();
    assert_eq!(w.is("a"), "ready");
    assert_eq!(w.idle_since("a"), 20_000);
    w.joins("Eva", Language::En, Risk::Standard);
    w.expect(&[" 24.0 a rings for Eva (single)"]);
}

#[test]
fn no_answer_to_a_ring_all_changes_nothing() {
    let mut w = World::new();
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(20);
    w.forget_log();
    w.ready("a", "en");
    w.ready("b", "en");
    w.seconds(12);
    assert_eq!((w.is("a"), w.is("b")), ("ready".into(), "ready".into()));
    assert_eq!(w.idle_since("a"), 20_000);
    w.seconds(5);
    w.expect(&[
        " 20.0 a rings for Ann (ring_all)",
        " 20.0 b rings for Ann (ring_all)",
        " 32.0 a stops ringing (no_answer)",
        " 32.0 b stops ringing (no_answer)",
        " 37.0 a rings for Ann (ring_all)",
        " 37.0 b rings for Ann (ring_all)",
    ]);
    w.declines("a");
    assert_eq!(w.is("a"), "ready", "a declined ring-all changes nothing either");
}

#[test]
fn from_t20_no_answer_agents_ring_again_every_thirty_seconds_if_nobody_ready_is_left() {
    let mut w = World::new();
    w.ready("a", "en");
    w.ready("b", "en");
    w.says("b", AgentCommand::Break).unwrap();
    w.ready("c", "en");
    w.says("c", AgentCommand::HardCall).unwrap();
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(92);
    w.expect(&[
        "  0.0 a rings for Ann (single)",
        " 12.0 a stops ringing (no_answer)",
        " 20.0 supervisors are alerted of Ann",
        " 20.0 a rings for Ann (ring_all)",
        " 32.0 a stops ringing (no_answer)",
        " 50.0 a rings for Ann (ring_all)",
        " 62.0 a stops ringing (no_answer)",
        " 80.0 a rings for Ann (ring_all)",
        " 92.0 a stops ringing (no_answer)",
    ]);
    assert_eq!(w.is("a"), "not_ready no_answer");
    w.seconds(18);
    w.answers("a");
    w.expect(&["110.0 a rings for Ann (ring_all)", "110.0 a talks with Ann"]);
}

#[test]
fn while_somebody_ready_rings_no_answer_agents_are_left_alone() {
    let mut w = World::new();
    w.ready("a", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(15);
    w.ready("b", "en");
    w.seconds(7);
    w.expect(&[
        "  0.0 a rings for Ann (single)",
        " 12.0 a stops ringing (no_answer)",
        " 15.0 b rings for Ann (single)",
        " 20.0 supervisors are alerted of Ann",
    ]);
}

#[test]
fn an_offer_in_wrap_up_declined_or_unanswered_changes_nothing() {
    let mut w = World::new();
    w.account("a", "en", havre_model::Role::Advocate, |p| {
        p.wrap_up = WrapUp::After(std::time::Duration::from_secs(600));
    });
    w.registers("a");
    w.says("a", AgentCommand::Ready).unwrap();
    w.talks("a", "Eve");
    w.ends_talk("a", "Eve");
    let before = w.state("a");
    w.joins("Ann", Language::En, Risk::Urgent);
    w.seconds(1);
    w.declines("a");
    assert_eq!(w.state("a"), before, "with its own deadline");
    w.seconds(41);
    assert_eq!(w.state("a"), before);
    w.expect(&[
        "  0.0 a rings for Ann (wrap_up)",
        "  5.0 supervisors are alerted of Ann",
        " 30.0 a rings for Ann (wrap_up)",
        " 42.0 a stops ringing (no_answer)",
    ]);
    w.seconds(558);
    assert_eq!(w.is("a"), "offered", "wrap-up ended at its time, and the ready agent rings");
}

#[test]
fn wrap_up_that_runs_out_while_the_phone_rings_ends_in_ready() {
    let mut w = World::new();
    w.account("a", "en", havre_model::Role::Advocate, |p| {
        p.wrap_up = WrapUp::After(std::time::Duration::from_secs(5));
    });
    w.registers("a");
    w.says("a", AgentCommand::Ready).unwrap();
    w.talks("a", "Eve");
    w.ends_talk("a", "Eve");
    w.joins("Ann", Language::En, Risk::Urgent);
    w.seconds(6);
    assert_eq!(w.is("a"), "offered");
    w.leaves("Ann");
    assert_eq!(w.is("a"), "ready");
}

#[test]
fn a_phone_that_cannot_be_reached_signs_its_agent_out_until_proven_again() {
    let mut w = World::new();
    w.ready("a", "en");
    w.ready("b", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    w.fails("a", WithdrawReason::Unreachable);
    w.expect(&["  0.0 a rings for Ann (single)", "  0.0 b rings for Ann (single)"]);
    assert_eq!(w.is("a"), "signed_out");
    w.answers("b");
    w.seconds(20);
    w.registers("a");
    assert_eq!(w.is("a"), "ready", "who had said ready is ready again");
}

/// Rung for one caller after the other, it would cost each of them the time until it is found out again.
#[test]
fn a_phone_over_which_nobody_can_talk_is_left_alone_until_its_agent_says_ready() {
    let mut w = World::new();
    w.ready("a", "en");
    w.ready("b", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    w.fails("a", WithdrawReason::PhoneFailed);
    w.expect(&["  0.0 a rings for Ann (single)", "  0.0 b rings for Ann (single)"]);
    assert_eq!(w.is("a"), "not_ready phone_failed");
    w.answers("b");
    w.joins("Bea", Language::En, Risk::Standard);
    w.registers("a");
    assert_eq!(w.is("a"), "not_ready phone_failed", "a refresh mends nothing");
    w.seconds(19);
    w.leaves("Bea");
    w.forget_log();
    w.says("a", AgentCommand::Ready).unwrap();
    w.joins("Cleo", Language::En, Risk::Standard);
    w.expect(&[" 19.0 a rings for Cleo (single)"]);
}

#[test]
fn where_nobody_else_is_left_it_rings_again_all_the_same() {
    let mut w = World::new();
    w.ready("a", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    w.fails("a", WithdrawReason::PhoneFailed);
    w.seconds(31);
    w.expect(&[
        "  0.0 a rings for Ann (single)",
        " 20.0 supervisors are alerted of Ann",
        " 30.0 a rings for Ann (ring_all)",
    ]);
}

#[test]
fn a_caller_who_leaves_stops_every_phone() {
    let mut w = World::new();
    w.wrapping_up("wrap", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(20);
    w.ready("a", "en");
    w.forget_log();
    w.leaves("Ann");
    w.expect(&[" 20.0 a stops ringing (caller_left)", " 20.0 wrap stops ringing (caller_left)"]);
    assert_eq!(w.is("wrap"), "wrap_up");
    assert_eq!(w.engine.callers().count(), 0);
}

#[test]
fn an_answer_to_an_offer_that_is_over_is_hung_up() {
    let mut w = World::new();
    w.ready("a", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    let offer = w.offer("a");
    w.leaves("Ann");
    w.forget_log();
    w.input(havre_queue::Input::OfferAnswered { offer });
    w.expect(&["  0.0 somebody is too late"]);
    assert_eq!(w.is("a"), "ready");
    assert_eq!(w.engine.counters().late_answers, 1);
}

#[test]
fn a_call_rings_at_no_more_phones_than_the_limit() {
    let mut w = World::new();
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(20);
    for n in 0..70 {
        w.ready(&format!("a{n:02}"), "en");
    }
    assert_eq!(w.engine.counts().offered, havre_model::limits::MAX_OFFERS_PER_CALL);
}
