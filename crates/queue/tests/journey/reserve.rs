//! The reserve: supervisors, wrap-up, and what is kept for urgent calls.

use havre_model::{Language, Risk};

use crate::world::World;

#[test]
fn an_urgent_call_with_nobody_idle_rings_a_supervisor_and_wrap_up_at_once() {
    let mut w = World::new();
    w.wrapping_up("wrap", "en");
    w.ready("busy", "en");
    w.talks("busy", "Eve");
    w.supervisor("boss", "en");
    w.supervisor("chief", "en");
    w.joins("Ann", Language::En, Risk::Urgent);
    w.expect(&["  0.0 boss rings for Ann (reserve)", "  0.0 wrap rings for Ann (wrap_up)"]);
    w.answers("boss");
    w.expect(&["  0.0 boss talks with Ann", "  0.0 wrap stops ringing (answered_elsewhere)"]);
    assert_eq!(w.is("wrap"), "wrap_up");
}

#[test]
fn with_somebody_idle_the_reserve_is_kept() {
    let mut w = World::new();
    w.wrapping_up("wrap", "en");
    w.supervisor("boss", "en");
    w.ready("a", "en");
    w.joins("Ann", Language::En, Risk::Urgent);
    w.expect(&["  0.0 a rings for Ann (single)"]);
    w.joins("Eva", Language::En, Risk::Urgent);
    w.expect(&["  0.0 boss rings for Eva (reserve)", "  0.0 wrap rings for Eva (wrap_up)"]);
}

#[test]
fn the_next_supervisor_rings_when_one_does_not_answer() {
    let mut w = World::new();
    w.plan.urgent.0.clear();
    w.supervisor("boss", "en");
    w.supervisor("chief", "en");
    w.joins("Ann", Language::En, Risk::Urgent);
    w.seconds(12);
    w.expect(&[
        "  0.0 boss rings for Ann (reserve)",
        " 12.0 boss stops ringing (no_answer)",
        " 12.0 chief rings for Ann (reserve)",
    ]);
    assert_eq!(w.is("boss"), "not_ready no_answer");
}

#[test]
fn an_advocate_who_comes_free_is_offered_besides_the_reserve() {
    let mut w = World::new();
    w.supervisor("boss", "en");
    w.joins("Ann", Language::En, Risk::Urgent);
    w.ready("a", "en");
    w.expect(&["  0.0 boss rings for Ann (reserve)", "  0.0 a rings for Ann (single)"]);
}

#[test]
fn an_urgent_french_call_does_not_ring_an_english_supervisor_before_the_languages_widen() {
    let mut w = World::new();
    w.supervisor("boss", "en");
    w.joins("Rose", Language::Fr, Risk::Urgent);
    w.seconds(15);
    w.expect(&[
        "  5.0 supervisors are alerted of Rose",
        " 15.0 boss rings for Rose (reserve, interpreter needed)",
    ]);
}

#[test]
fn supervisors_are_offered_urgent_calls_only() {
    let mut w = World::new();
    w.supervisor("boss", "en");
    for (name, risk) in [("a", Risk::Information), ("b", Risk::Standard), ("c", Risk::Elevated)] {
        w.joins(name, Language::En, risk);
    }
    w.advance(89_999);
    w.forget_log();
    w.joins("d", Language::En, Risk::Urgent);
    w.expect(&[" 90.0 boss rings for d (reserve)"]);
}

#[test]
fn from_t90_supervisors_take_any_call_only_while_no_urgent_one_waits() {
    let mut w = World::new();
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(90);
    w.joins("Rose", Language::Fr, Risk::Urgent);
    w.forget_log();
    w.supervisor("boss", "en");
    w.expect(&[]);
    w.leaves("Rose");
    w.expect(&[" 90.0 boss rings for Ann (reserve)"]);
}

#[test]
fn an_urgent_call_takes_a_supervisor_from_one_that_is_not() {
    let mut w = World::new();
    w.supervisor("boss", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(90);
    w.joins("Eva", Language::En, Risk::Urgent);
    w.expect(&[
        " 20.0 supervisors are alerted of Ann",
        " 90.0 boss rings for Ann (reserve)",
        " 90.0 boss stops ringing (agent_changed)",
        " 90.0 boss rings for Eva (reserve)",
    ]);
}

#[test]
fn a_rise_to_urgent_rings_the_reserve_at_once() {
    let mut w = World::new();
    w.wrapping_up("wrap", "en");
    w.supervisor("boss", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(3);
    w.changes("Ann", Language::En, Risk::Urgent);
    w.expect(&["  3.0 boss rings for Ann (reserve)", "  3.0 wrap rings for Ann (wrap_up)"]);
}

#[test]
fn from_t5_every_supervisor_rings_for_an_urgent_call_and_those_who_did_not_answer_again() {
    let mut w = World::new();
    for name in ["boss", "chief", "deputy"] {
        w.supervisor(name, "en");
    }
    w.joins("Eva", Language::En, Risk::Urgent);
    w.seconds(4);
    w.declines("boss");
    w.expect(&["  0.0 boss rings for Eva (reserve)", "  4.0 chief rings for Eva (reserve)"]);
    w.seconds(5);
    w.expect(&[
        "  5.0 supervisors are alerted of Eva",
        "  5.0 deputy rings for Eva (reserve)",
        "  9.0 boss rings for Eva (reserve)",
    ]);
}

#[test]
fn two_urgent_calls_share_two_supervisors() {
    let mut w = World::new();
    w.supervisor("boss", "en");
    w.supervisor("chief", "en");
    w.joins("Ann", Language::En, Risk::Urgent);
    w.joins("Eva", Language::En, Risk::Urgent);
    w.expect(&["  0.0 boss rings for Ann (reserve)", "  0.0 chief rings for Eva (reserve)"]);
}
