//! *Languages*: who is skilled for whom, and from when on others are.

use havre_model::{Language, Risk};

use crate::world::World;

#[test]
fn a_caller_reaches_who_speaks_the_language() {
    let mut w = World::new();
    w.ready("en", "en");
    w.ready("fr", "fr");
    w.joins("Rose", Language::Fr, Risk::Standard);
    w.joins("John", Language::En, Risk::Standard);
    w.expect(&["  0.0 fr rings for Rose (single)", "  0.0 en rings for John (single)"]);
}

#[test]
fn nobody_of_the_other_language_rings_before_t45_and_then_with_an_interpreter() {
    let mut w = World::new();
    w.ready("en", "en");
    w.joins("Rose", Language::Fr, Risk::Standard);
    w.advance(44_999);
    w.expect(&[" 20.0 supervisors are alerted of Rose"]);
    w.advance(1);
    w.expect(&[" 45.0 en rings for Rose (ring_all, interpreter needed)"]);
    w.answers("en");
    w.expect(&[" 45.0 en talks with Rose"]);
}

#[test]
fn unknown_goes_to_the_bilingual_first_even_if_others_are_longer_idle() {
    let mut w = World::new();
    w.ready("en", "en");
    w.seconds(5);
    w.ready("bi", "en fr");
    w.joins("Ana", Language::Unknown, Risk::Standard);
    w.expect(&["  5.0 bi rings for Ana (single)"]);
}

#[test]
fn unknown_reaches_anyone_from_t10() {
    let mut w = World::new();
    w.ready("en", "en");
    w.ready("fr", "fr");
    w.joins("Ana", Language::Unknown, Risk::Standard);
    w.advance(9_999);
    w.expect(&[]);
    w.advance(1);
    w.expect(&[" 10.0 en rings for Ana (single)"]);
}

#[test]
fn unknown_prefers_the_bilingual_after_t10_too() {
    let mut w = World::new();
    w.ready("en", "en");
    w.seconds(5);
    w.ready("bi", "en fr");
    w.joins("John", Language::En, Risk::Urgent);
    w.seconds(5);
    w.joins("Ana", Language::Unknown, Risk::Standard);
    w.expect(&[
        "  5.0 en rings for John (single)",
        " 10.0 supervisors are alerted of John",
        " 10.0 bi rings for John (ring_all)",
    ]);
    w.seconds(11);
    w.forget_log();
    w.leaves("John");
    w.expect(&[" 21.0 bi stops ringing (caller_left)", " 21.0 bi rings for Ana (single)"]);
}

#[test]
fn a_key_while_waiting_settles_the_language_and_stops_the_wrong_phone() {
    let mut w = World::new();
    w.ready("en", "en");
    w.ready("fr", "fr");
    w.joins("Ana", Language::Unknown, Risk::Standard);
    w.seconds(10);
    w.expect(&[" 10.0 en rings for Ana (single)"]);
    w.changes("Ana", Language::Fr, Risk::Standard);
    w.expect(&[" 10.0 en stops ringing (agent_changed)", " 10.0 fr rings for Ana (single)"]);
    assert_eq!(w.is("en"), "ready");
    assert_eq!(w.idle_since("en"), 0, "idle time is kept");
}

#[test]
fn other_reaches_any_agent_marked_interpreter_needed() {
    let mut w = World::new();
    w.ready("fr", "fr");
    w.joins("Mai", Language::Other, Risk::Standard);
    w.expect(&["  0.0 fr rings for Mai (single, interpreter needed)"]);
}

#[test]
fn the_team_is_one_pool_by_skill() {
    let mut w = World::new();
    w.ready("bi", "en fr");
    w.seconds(1);
    w.ready("en", "en");
    w.joins("John", Language::En, Risk::Standard);
    w.joins("Rose", Language::Fr, Risk::Standard);
    w.expect(&["  1.0 bi rings for John (single)"]);
    w.answers("bi");
    w.seconds(10);
    w.expect(&["  1.0 bi talks with John"]);
}
