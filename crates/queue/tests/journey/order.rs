//! *Risk and order*: `arrival − head start`, classes that rise, places that are kept.

use havre_model::{Language, Risk};
use havre_queue::{Op, Place};

use crate::world::World;

fn line(w: &World) -> Vec<u64> {
    let waiting = w.engine.callers().filter(|c| matches!(c.place, Place::Waiting { .. }));
    waiting.map(|c| c.call.0).collect()
}

#[test]
fn the_order_is_arrival_minus_head_start() {
    let mut w = World::new();
    w.joins("standard", Language::En, Risk::Standard);
    w.seconds(50);
    w.joins("information", Language::En, Risk::Information);
    w.joins("elevated", Language::En, Risk::Elevated);
    w.seconds(30);
    w.joins("elevated too late", Language::En, Risk::Elevated);
    w.joins("urgent", Language::En, Risk::Urgent);
    assert_eq!(line(&w), [5, 3, 1, 4, 2]);
    w.seconds(25);
    w.joins("standard, a minute later", Language::En, Risk::Standard);
    assert_eq!(line(&w), [5, 3, 1, 4, 6, 2], "an informer waits a minute back, and no more");
}

#[test]
fn ties_go_by_call_id() {
    let mut w = World::new();
    for name in ["a", "b", "c"] {
        w.joins(name, Language::En, Risk::Standard);
    }
    assert_eq!(line(&w), [1, 2, 3]);
}

#[test]
fn a_change_of_class_rewrites_the_place_at_once() {
    let mut w = World::new();
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(100);
    w.joins("Eva", Language::En, Risk::Standard);
    w.changes("Eva", Language::En, Risk::Urgent);
    assert_eq!(line(&w), [2, 1]);
    let put = w.ops.iter().rev().find_map(|op| match op {
        Op::PutCaller(record) => Some(record.clone()),
        _ => None,
    });
    let put = put.expect("the store is told in the same turn");
    assert_eq!((put.call, put.risk), (w.call("Eva"), Risk::Urgent));
    assert_eq!(put.score.as_millis(), put.arrival.as_millis() - 600_000);
    w.forget_log();
    w.ready("en", "en");
    w.expect(&["100.0 en rings for Eva (single)"]);
}

#[test]
fn the_class_only_rises_except_by_key_7() {
    let mut w = World::new();
    w.joins("Ann", Language::En, Risk::Standard);
    let class = |w: &World| w.engine.caller(w.call("Ann")).map(|c| c.risk);
    for (wish, then) in [
        (Risk::Information, Risk::Information),
        (Risk::Standard, Risk::Standard),
        (Risk::Elevated, Risk::Elevated),
        (Risk::Information, Risk::Elevated),
        (Risk::Urgent, Risk::Urgent),
        (Risk::Information, Risk::Urgent),
    ] {
        w.changes("Ann", Language::En, wish);
        assert_eq!(class(&w), Some(then), "after {wish}");
    }
}

#[test]
fn a_caller_queued_again_keeps_the_first_arrival() {
    let mut w = World::new();
    w.ready("en", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    w.answers("en");
    w.seconds(60);
    w.joins("Eva", Language::En, Risk::Standard);
    w.seconds(240);
    let arrival = w.engine.caller(w.call("Ann")).map(|c| c.arrival);
    w.forget_log();
    w.leg_dies("en", "Ann");
    w.joins_again("Ann", Language::En, Risk::Elevated, arrival);
    assert_eq!(line(&w), [1, 2], "Ann goes before Eva, who came later");
    assert_eq!(w.is("en"), "signed_out");
    w.ready("two", "en");
    w.expect(&["300.0 two rings for Ann (single)"]);
}

#[test]
fn t_counts_again_from_queueing_again() {
    let mut w = World::new();
    w.ready("en", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    w.answers("en");
    w.seconds(300);
    w.leg_dies("en", "Ann");
    w.joins_again("Ann", Language::En, Risk::Elevated, Some(w.now.unix));
    w.forget_log();
    w.advance(19_999);
    w.expect(&[]);
    w.advance(1);
    w.expect(&["320.0 supervisors are alerted of Ann"]);
}

#[test]
fn joining_twice_is_one_place() {
    let mut w = World::new();
    w.joins("Ann", Language::En, Risk::Standard);
    w.joins("Ann", Language::Fr, Risk::Urgent);
    assert_eq!(line(&w), [1]);
    let view = w.engine.caller(w.call("Ann")).expect("Ann waits");
    assert_eq!((view.language, view.risk), (Language::Fr, Risk::Urgent));
}

#[test]
fn unix_time_jumping_moves_no_timer() {
    let mut w = World::new();
    w.ready("en", "en");
    w.joins("Ann", Language::En, Risk::Standard);
    w.now.unix = havre_model::Unix::from_millis(5);
    w.advance(11_999);
    w.expect(&["  0.0 en rings for Ann (single)"]);
    w.advance(1);
    w.expect(&[" 12.0 en stops ringing (no_answer)"]);
}
