//! Claim, lease, confirm; a store that refuses, is late, is silent, is gone and comes back.

use havre_model::{CallId, Language, OfferId, Risk};
use havre_queue::{Ack, Lease, Op};

use crate::world::{Store, World, id};

/// A world whose store says only what the test says, with agents `a` and `b` ready.
fn world() -> World {
    let mut w = World::with(Store::Manual);
    w.ready("a", "en");
    w.ready("b", "en");
    w.ops.clear();
    w
}

/// The last claim: its number and the offer.
fn claim(w: &World) -> (u64, OfferId) {
    let claims = w.ops.iter().rev().find_map(|op| match op {
        Op::Claim { op, lease } => Some((*op, lease.offer)),
        _ => None,
    });
    claims.expect("a claim")
}

fn confirm(w: &World) -> u64 {
    let confirms = w.ops.iter().rev().find_map(|op| match op {
        Op::Confirm { op, .. } => Some(*op),
        _ => None,
    });
    confirms.expect("a confirmation")
}

fn releases(w: &World) -> Vec<OfferId> {
    w.ops
        .iter()
        .filter_map(|op| match op {
            Op::Release(lease) => Some(lease.offer),
            _ => None,
        })
        .collect()
}

fn grant(w: &mut World) {
    let (op, _) = claim(w);
    w.acks(Ack::Claimed { op, ok: true });
}

#[test]
fn a_phone_rings_once_the_claim_is_granted_and_talks_once_it_is_confirmed() {
    let mut w = world();
    w.joins("Ann", Language::En, Risk::Standard);
    w.expect(&[]);
    assert_eq!(w.is("a"), "ready", "a claim is not yet an offer");
    w.advance(30);
    grant(&mut w);
    w.expect(&["  0.0 a rings for Ann (single)"]);
    w.answers("a");
    w.expect(&[]);
    let op = confirm(&w);
    w.acks(Ack::Confirmed { op, ok: true });
    w.expect(&["  0.0 a talks with Ann"]);
    assert!(w.ops.contains(&Op::DropCaller(w.call("Ann"))));
}

#[test]
fn what_the_caller_says_while_the_store_thinks_is_on_the_agents_screen() {
    let mut w = world();
    w.joins("Ann", Language::En, Risk::Standard);
    w.changes("Ann", Language::Other, Risk::Standard);
    grant(&mut w);
    w.expect(&["  0.0 a rings for Ann (single, interpreter needed)"]);
}

#[test]
fn the_ring_time_counts_from_the_ringing() {
    let mut w = world();
    w.joins("Ann", Language::En, Risk::Standard);
    w.advance(90);
    grant(&mut w);
    w.advance(11_999);
    assert_eq!(w.is("a"), "offered");
}

#[test]
fn a_refused_claim_offers_the_next_agent_at_once_and_asks_again_later() {
    let mut w = world();
    w.joins("Ann", Language::En, Risk::Standard);
    let (op, offer) = claim(&w);
    w.acks(Ack::Claimed { op, ok: false });
    assert_ne!(claim(&w).1, offer, "b is asked for");
    grant(&mut w);
    w.expect(&["  0.0 b rings for Ann (single)"]);
    assert_eq!(w.is("a"), "ready", "a is held elsewhere, which is no fault");
    w.joins("Eva", Language::En, Risk::Standard);
    w.advance(1_999);
    w.expect(&[]);
    w.advance(1);
    grant(&mut w);
    w.expect(&["  2.0 a rings for Eva (single)"]);
    assert_eq!(w.engine.counters().claims_refused, 1);
}

#[test]
fn a_silent_store_delays_an_offer_by_100_ms_once_and_loudly() {
    let mut w = world();
    w.joins("Ann", Language::En, Risk::Standard);
    w.advance(99);
    w.expect(&[]);
    w.advance(1);
    w.expect(&["  0.1 a rings for Ann (single)"]);
    assert_eq!(w.degraded, [false, true]);
    w.joins("Eva", Language::En, Risk::Standard);
    w.expect(&["  0.1 b rings for Eva (single)"]);
    w.answers("a");
    w.expect(&["  0.1 a talks with Ann"]);
    assert_eq!(w.engine.counters().acks_missed, 1, "nobody waits for it again");
}

#[test]
fn a_silent_store_that_answers_in_time_again_is_told_the_truth() {
    let mut w = world();
    w.joins("Ann", Language::En, Risk::Standard);
    w.advance(150);
    w.joins("Eva", Language::En, Risk::Standard);
    w.advance(101);
    let (op, _) = claim(&w);
    w.ops.clear();
    w.acks(Ack::Claimed { op, ok: true });
    assert_eq!(w.degraded, [false, true], "an answer after 101 ms is no proof");
    w.leaves("Eva");
    w.joins("Ida", Language::En, Risk::Standard);
    let (op, _) = claim(&w);
    w.acks(Ack::Claimed { op, ok: true });
    assert_eq!(w.degraded, [false, true, false]);
    let Some(Op::Sync { callers, agents, leases }) = w.ops.last() else { panic!("{:?}", w.ops) };
    assert_eq!(callers.len(), 2);
    assert_eq!(agents.len(), 2);
    assert_eq!(leases.iter().map(|l| l.call).collect::<Vec<_>>().len(), 2);
}

#[test]
fn gone_means_local_truth_at_once_and_nothing_is_sent() {
    let mut w = world();
    w.joins("Ann", Language::En, Risk::Standard);
    w.expect(&[]);
    w.acks(Ack::Down);
    w.expect(&["  0.0 a rings for Ann (single)"]);
    w.ops.clear();
    w.answers("a");
    w.joins("Eva", Language::En, Risk::Standard);
    w.answers("b");
    w.expect(&["  0.0 a talks with Ann", "  0.0 b rings for Eva (single)", "  0.0 b talks with Eva"]);
    w.seconds(100);
    assert_eq!(w.ops, []);
    assert!(w.engine.is_degraded());
}

#[test]
fn gone_while_a_confirmation_is_awaited_connects_at_once() {
    let mut w = world();
    w.joins("Ann", Language::En, Risk::Standard);
    grant(&mut w);
    w.answers("a");
    w.forget_log();
    w.acks(Ack::Down);
    w.expect(&["  0.0 a talks with Ann"]);
}

#[test]
fn back_again_the_state_is_rebuilt_from_what_is_true() {
    let mut w = world();
    w.acks(Ack::Down);
    w.joins("Ann", Language::En, Risk::Standard);
    w.answers("a");
    w.joins("Eva", Language::En, Risk::Standard);
    w.joins("Ida", Language::En, Risk::Urgent);
    w.ops.clear();
    w.acks(Ack::Up);
    let [Op::Sync { callers, agents, leases }] = &w.ops[..] else { panic!("{:?}", w.ops) };
    assert_eq!(callers.iter().map(|c| c.call).collect::<Vec<_>>(), [w.call("Ida"), w.call("Eva")]);
    assert_eq!(agents.iter().map(|a| a.state.as_str()).collect::<Vec<_>>(), ["talking", "offered"]);
    let mut held: Vec<_> = leases.iter().map(|l| (l.call, l.agent.as_str(), l.talking)).collect();
    held.sort();
    assert_eq!(held, [(w.call("Ann"), "a", true), (w.call("Eva"), "b", false)]);
}

#[test]
fn a_grant_that_comes_after_the_offer_is_over_is_given_back() {
    let mut w = world();
    w.joins("Ann", Language::En, Risk::Standard);
    let (op, offer) = claim(&w);
    w.leaves("Ann");
    w.ops.clear();
    w.advance(200);
    w.acks(Ack::Claimed { op, ok: true });
    assert_eq!(releases(&w), [offer]);
    w.acks(Ack::Claimed { op, ok: true });
    assert_eq!(releases(&w), [offer], "repeated, it means nothing");
    assert_eq!(w.engine.counters().acks_dropped, 1);
}

#[test]
fn a_late_refusal_stops_a_ringing_phone() {
    let mut w = world();
    w.joins("Ann", Language::En, Risk::Standard);
    let (op, _) = claim(&w);
    w.advance(100);
    w.acks(Ack::Claimed { op, ok: false });
    w.expect(&[
        "  0.1 a rings for Ann (single)",
        "  0.1 a stops ringing (claimed)",
        "  0.1 b rings for Ann (single)",
    ]);
    assert_eq!(w.is("a"), "ready");
}

#[test]
fn a_late_refusal_never_cuts_a_talk() {
    let mut w = world();
    w.joins("Ann", Language::En, Risk::Standard);
    grant(&mut w);
    w.answers("a");
    let op = confirm(&w);
    w.advance(100);
    w.expect(&["  0.0 a rings for Ann (single)", "  0.1 a talks with Ann"]);
    w.acks(Ack::Confirmed { op, ok: false });
    w.expect(&[]);
    assert_eq!(w.is("a"), "talking");
    assert_eq!(w.engine.counters().late_refusals, 1);
}

#[test]
fn a_refused_confirmation_lets_that_agent_go_and_the_next_who_answered_wins() {
    let mut w = world();
    w.joins("Ann", Language::En, Risk::Standard);
    grant(&mut w);
    w.fails("a", havre_model::WithdrawReason::Declined);
    grant(&mut w);
    w.seconds(20);
    for agent in ["c", "d"] {
        w.ready(agent, "en");
        grant(&mut w);
    }
    w.forget_log();
    w.answers("c");
    w.answers("d");
    let op = confirm(&w);
    w.acks(Ack::Confirmed { op, ok: false });
    w.expect(&[" 20.0 c is too late"]);
    let op = confirm(&w);
    w.acks(Ack::Confirmed { op, ok: true });
    w.expect(&[" 20.0 d talks with Ann"]);
    assert_eq!((w.is("c"), w.is("d")), ("ready".into(), "talking".into()));
}

#[test]
fn of_two_who_answer_one_wins_and_the_other_stays_ready() {
    let mut w = World::with(Store::Manual);
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(20);
    for agent in ["a", "b"] {
        w.ready(agent, "en");
        grant(&mut w);
    }
    w.forget_log();
    w.answers("b");
    w.answers("a");
    let op = confirm(&w);
    w.acks(Ack::Confirmed { op, ok: true });
    w.expect(&[" 20.0 b talks with Ann", " 20.0 a is too late"]);
    assert_eq!(w.is("a"), "ready");
    w.acks(Ack::Confirmed { op, ok: true });
    w.expect(&[]);
}

#[test]
fn an_agent_who_hangs_up_before_the_confirmation_loses_nobody() {
    let mut w = world();
    w.joins("Ann", Language::En, Risk::Standard);
    grant(&mut w);
    w.answers("a");
    let op = confirm(&w);
    w.forget_log();
    let offer = w.offer("a");
    w.fails("a", havre_model::WithdrawReason::Declined);
    grant(&mut w);
    w.expect(&["  0.0 b rings for Ann (single)"]);
    w.ops.clear();
    w.acks(Ack::Confirmed { op, ok: true });
    w.expect(&[]);
    assert_eq!(releases(&w), [offer], "the grant is given back");
}

#[test]
fn nobody_new_is_rung_while_an_answer_is_confirmed() {
    let mut w = World::with(Store::Manual);
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(20);
    w.ready("a", "en");
    grant(&mut w);
    w.answers("a");
    w.ops.clear();
    w.ready("b", "en");
    assert!(!w.ops.iter().any(|op| matches!(op, Op::Claim { .. })), "{:?}", w.ops);
}

#[test]
fn an_answered_phone_is_not_taken_for_another_caller() {
    let mut w = World::with(Store::Manual);
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(20);
    for agent in ["a", "b"] {
        w.ready(agent, "en");
        grant(&mut w);
    }
    w.answers("a");
    w.forget_log();
    w.joins("Eva", Language::En, Risk::Standard);
    w.expect(&[]);
    let op = confirm(&w);
    w.acks(Ack::Confirmed { op, ok: true });
    grant(&mut w);
    w.expect(&[
        " 20.0 a talks with Ann",
        " 20.0 b stops ringing (answered_elsewhere)",
        " 20.0 b rings for Eva (single)",
    ]);
}

#[test]
fn a_phone_that_has_just_answered_proves_more_than_a_registration() {
    let mut w = world();
    w.joins("Ann", Language::En, Risk::Standard);
    grant(&mut w);
    w.answers("a");
    w.loses_phone("a");
    let op = confirm(&w);
    w.acks(Ack::Confirmed { op, ok: true });
    w.expect(&["  0.0 a rings for Ann (single)", "  0.0 a talks with Ann"]);
    w.ends_talk("a", "Ann");
    assert_eq!(w.is("a"), "signed_out");
}

#[test]
fn leases_are_renewed_every_ten_seconds_while_held() {
    let mut w = world();
    w.joins("Ann", Language::En, Risk::Standard);
    grant(&mut w);
    w.answers("a");
    let op = confirm(&w);
    w.acks(Ack::Confirmed { op, ok: true });
    w.ops.clear();
    w.seconds(35);
    let lease = Lease { offer: releases_or_renewals(&w), call: CallId(1), agent: id("a"), talking: true };
    assert_eq!(w.ops, vec![Op::Renew(vec![lease]); 3]);
    w.ends_talk("a", "Ann");
    w.ops.clear();
    w.seconds(100);
    assert_eq!(w.ops, []);
}

fn releases_or_renewals(w: &World) -> OfferId {
    match &w.ops[0] {
        Op::Renew(leases) => leases[0].offer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_talk_that_ends_releases_its_lease() {
    let mut w = World::new();
    w.ready("a", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    let offer = w.offer("a");
    w.answers("a");
    w.ops.clear();
    w.ends_talk("a", "Ann");
    assert_eq!(releases(&w), [offer]);
}

#[test]
fn without_any_store_the_line_works() {
    let mut w = World::with(Store::Manual);
    w.acks(Ack::Down);
    w.ready("a", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    w.answers("a");
    w.expect(&["  0.0 a rings for Ann (single)", "  0.0 a talks with Ann"]);
}
