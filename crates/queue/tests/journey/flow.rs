//! *The flow*: what happens at T+0, T+20, T+45, T+90 and T+180, and when T begins.

use std::time::Duration;

use havre_model::{Language, Risk, Step};

use crate::world::World;

#[test]
fn t0_the_head_of_the_line_goes_to_the_longest_idle_skilled_agent() {
    let mut w = World::new();
    w.joins("Ann", Language::En, Risk::Standard);
    w.joins("Eva", Language::En, Risk::Standard);
    w.ready("a", "en");
    w.expect(&["  0.0 a rings for Ann (single)"]);
    w.answers("a");
    w.ends_talk("a", "Ann");
    w.leaves("Eva");
    w.forget_log();
    w.ready("b", "en");
    w.seconds(3);
    w.says("a", havre_model::AgentCommand::EndWrapUp).unwrap();
    w.joins("Ida", Language::En, Risk::Standard);
    w.expect(&["  3.0 b rings for Ida (single)"]);
}

#[test]
fn t20_every_skilled_ready_agent_rings_and_those_in_wrap_up_get_an_offer() {
    let mut w = World::new();
    w.wrapping_up("wrap", "en");
    w.ready("fr", "fr");
    w.supervisor("boss", "en fr");
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(20);
    w.expect(&[" 20.0 supervisors are alerted of Ann", " 20.0 wrap rings for Ann (wrap_up)"]);
    w.seconds(5);
    w.ready("a", "en");
    w.ready("b", "en");
    w.expect(&[" 25.0 a rings for Ann (ring_all)", " 25.0 b rings for Ann (ring_all)"]);
    w.answers("b");
    w.expect(&[
        " 25.0 b talks with Ann",
        " 25.0 a stops ringing (answered_elsewhere)",
        " 25.0 wrap stops ringing (answered_elsewhere)",
    ]);
    assert_eq!((w.is("a"), w.is("wrap")), ("ready".into(), "wrap_up".into()));
}

#[test]
fn t20_rings_beside_a_single_offer_that_still_rings() {
    let mut w = World::new();
    w.ready("a", "en");
    w.ready("b", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(12);
    w.expect(&[
        "  0.0 a rings for Ann (single)",
        " 12.0 a stops ringing (no_answer)",
        " 12.0 b rings for Ann (single)",
    ]);
    w.ready("c", "en");
    w.seconds(8);
    w.expect(&[" 20.0 supervisors are alerted of Ann", " 20.0 c rings for Ann (ring_all)"]);
    w.seconds(4);
    assert_eq!(w.is("b"), "not_ready no_answer", "b was offered the call alone");
}

#[test]
fn t45_the_other_language_and_on_call_phones_ring() {
    let mut w = World::new();
    w.plan.usual.0.insert(3, (Duration::from_secs(45), Step::OnCall));
    w.ready("fr", "fr");
    w.on_call("home", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(45);
    w.expect(&[
        " 20.0 supervisors are alerted of Ann",
        " 45.0 fr rings for Ann (ring_all, interpreter needed)",
        " 45.0 home rings for Ann (ring_all)",
    ]);
    w.seconds(2);
    w.expect(&[]);
    w.rings("fr");
    w.expect(&[]);
    w.rings("home");
    w.rings("home");
    w.expect(&[" 47.0 more help is called for Ann"]);
    w.answers("home");
    w.expect(&[" 47.0 home talks with Ann", " 47.0 fr stops ringing (answered_elsewhere)"]);
}

#[test]
fn a_telephone_that_nobody_takes_the_call_at_keeps_no_caller() {
    let mut w = World::new();
    w.plan.usual.0.insert(3, (Duration::from_secs(45), Step::OnCall));
    w.on_call("home", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(50);
    w.is_asked("home");
    w.advance(19_999);
    w.expect(&[" 20.0 supervisors are alerted of Ann", " 45.0 home rings for Ann (ring_all)"]);
    w.advance(1);
    w.expect(&[" 70.0 home stops ringing (not_taken)"]);
    assert_eq!(w.is("home"), "ready", "a voicemail is no fault of its owner");
    w.seconds(5);
    w.expect(&[" 75.0 home rings for Ann (ring_all)"]);
    w.is_asked("home");
    w.seconds(15);
    // The key was pressed: there is time to hear what call it is.
    w.is_asked("home");
    w.seconds(15);
    w.expect(&[]);
    w.answers("home");
    w.expect(&["105.0 home talks with Ann"]);
}

#[test]
fn whoever_answers_at_once_has_the_caller_before_a_telephone_that_is_asked() {
    let mut w = World::new();
    w.plan.usual.0.insert(3, (Duration::from_secs(45), Step::OnCall));
    w.on_call("home", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(50);
    w.is_asked("home");
    w.forget_log();
    w.ready("en", "en");
    w.answers("en");
    w.expect(&[
        " 50.0 en rings for Ann (ring_all)",
        " 50.0 en talks with Ann",
        " 50.0 home stops ringing (answered_elsewhere)",
    ]);
    assert_eq!(w.is("home"), "ready");
}

#[test]
fn without_the_on_call_step_no_on_call_phone_ever_rings() {
    let mut w = World::new();
    w.on_call("home", "en");
    w.joins("Ann", Language::En, Risk::Urgent);
    w.seconds(170);
    w.expect(&["  5.0 supervisors are alerted of Ann"]);
}

#[test]
fn t90_supervisors_take_any_call_and_the_partner_is_offered_where_there_is_one() {
    let mut w = World::new();
    w.plan.usual.0.insert(4, (Duration::from_secs(90), Step::Partner));
    w.supervisor("boss", "en");
    w.joins("Ann", Language::En, Risk::Information);
    w.advance(89_999);
    w.expect(&[" 20.0 supervisors are alerted of Ann"]);
    w.advance(1);
    w.expect(&[" 90.0 the partner is offered to Ann", " 90.0 boss rings for Ann (reserve)"]);
    w.answers("boss");
    w.expect(&[" 90.0 boss talks with Ann"]);
}

#[test]
fn t180_supervisors_are_paged_every_minute_and_nobody_is_disconnected() {
    let mut w = World::new();
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(320);
    w.expect(&[
        " 20.0 supervisors are alerted of Ann",
        "180.0 supervisors are paged for Ann",
        "240.0 supervisors are paged for Ann",
        "300.0 supervisors are paged for Ann",
    ]);
    w.seconds(24 * 3600);
    w.forget_log();
    w.ready("en", "en");
    w.answers("en");
    assert_eq!(w.is("en"), "talking", "a day later the place still holds");
}

#[test]
fn for_urgent_calls_the_steps_come_at_t5_and_t15() {
    let mut w = World::new();
    w.wrapping_up("wrap", "en");
    w.ready("fr", "fr");
    w.ready("a", "en");
    w.joins("Ann", Language::En, Risk::Urgent);
    w.ready("b", "en");
    w.advance(4_999);
    w.expect(&["  0.0 a rings for Ann (single)"]);
    w.advance(1);
    w.expect(&[
        "  5.0 supervisors are alerted of Ann",
        "  5.0 b rings for Ann (ring_all)",
        "  5.0 wrap rings for Ann (wrap_up)",
    ]);
    w.seconds(10);
    w.expect(&[" 12.0 a stops ringing (no_answer)", " 15.0 fr rings for Ann (ring_all, interpreter needed)"]);
}

#[test]
fn t_counts_from_a_rise_in_class_and_undoes_nothing() {
    let mut w = World::new();
    w.ready("fr", "fr");
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(18);
    w.changes("Ann", Language::En, Risk::Urgent);
    w.advance(4_999);
    w.expect(&[]);
    w.advance(1);
    w.expect(&[" 23.0 supervisors are alerted of Ann"]);
    w.seconds(10);
    w.expect(&[" 33.0 fr rings for Ann (ring_all, interpreter needed)"]);
    w.leaves("Ann");

    w.joins("Eva", Language::Fr, Risk::Standard);
    w.answers("fr");
    w.joins("Ida", Language::En, Risk::Standard);
    w.seconds(50);
    w.changes("Ida", Language::En, Risk::Elevated);
    w.forget_log();
    w.ends_talk("fr", "Eva");
    w.expect(&[" 83.0 fr rings for Ida (wrap_up, interpreter needed)"]);
}

#[test]
fn key_7_is_no_rise() {
    let mut w = World::new();
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(15);
    w.changes("Ann", Language::En, Risk::Information);
    w.seconds(5);
    w.expect(&[" 20.0 supervisors are alerted of Ann"]);
}

#[test]
fn a_rise_never_delays_anyone_from_t10() {
    let mut w = World::new();
    w.ready("en", "en");
    w.joins("Ann", Language::Unknown, Risk::Standard);
    w.seconds(8);
    w.changes("Ann", Language::Unknown, Risk::Urgent);
    w.seconds(2);
    w.expect(&[" 10.0 en rings for Ann (single)"]);
}
