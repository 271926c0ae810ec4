//! People who are rung at a telephone outside: it has no registration, and is there as long as a trunk leads to it.

use std::time::Duration;

use havre_model::{AgentCommand, Language, Risk, Role, Step, WithdrawReason};

use crate::world::World;

/// On call at home, by telephone alone; the caller's plan rings there after 45 s.
fn on_call() -> World {
    let mut w = World::new();
    w.plan.usual.0.insert(3, (Duration::from_secs(45), Step::OnCall));
    w.account("home", "en", Role::OnCall, |_| {});
    assert_eq!(w.is("home"), "signed_out");
    w.telephone("home", true);
    assert!(w.says("home", AgentCommand::Ready).is_ok());
    w
}

#[test]
fn who_has_a_telephone_is_there_until_no_trunk_leads_to_it() {
    let mut w = on_call();
    // A phone with a registration besides comes and goes.
    w.registers("home");
    w.loses_phone("home");
    assert_eq!(w.is("home"), "ready");
    w.telephone("home", false);
    assert_eq!(w.is("home"), "signed_out");
    w.registers("home");
    assert_eq!(w.is("home"), "ready", "there is a phone, and the telephone was not missed for long");
    w.telephone("home", true);
    w.loses_phone("home");
    assert_eq!(w.is("home"), "ready");
}

#[test]
fn what_comes_of_ringing_a_telephone_does_not_say_that_it_is_gone() {
    let mut w = on_call();
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(46);
    w.expect(&[" 20.0 supervisors are alerted of Ann", " 45.0 home rings for Ann (ring_all)"]);
    // No trunk took the call, or what answered could not be spoken to.
    w.fails("home", WithdrawReason::Unreachable);
    assert_eq!(w.is("home"), "ready");
    w.seconds(28);
    w.expect(&[]);
    w.seconds(2);
    w.expect(&[" 75.0 home rings for Ann (ring_all)"]);
    w.is_asked("home");
    w.answers("home");
    w.expect(&[" 76.0 home talks with Ann"]);
    // The far end of the telephone is lost in the talk: they can be rung again.
    w.leg_dies("home", "Ann");
    assert_eq!(w.is("home"), "wrap_up");
    assert!(w.says("home", AgentCommand::Ready).is_ok());
}

#[test]
fn a_telephone_that_rings_is_let_be_where_the_trunk_goes_down() {
    let mut w = on_call();
    w.joins("Ann", Language::En, Risk::Standard);
    w.seconds(46);
    w.forget_log();
    w.telephone("home", false);
    w.expect(&[" 46.0 home stops ringing (unreachable)"]);
    assert_eq!(w.is("home"), "signed_out");
    w.telephone("home", true);
    w.expect(&[" 46.0 home rings for Ann (ring_all)"]);
}

#[test]
fn a_page_that_is_never_heard_is_not_rung_for_the_telephone_s_sake() {
    let mut w = on_call();
    w.registers("home");
    w.unheard("home", true);
    assert_eq!(w.is("home"), "signed_out", "the page would be rung");
    w.unheard("home", false);
    assert_eq!(w.is("home"), "ready");
}
