//! A supervisor takes a call that waits.

use havre_model::{AgentCommand, Language, Risk, Role};
use havre_queue::{Input, TakeError};

use crate::world::{World, id};

/// A line whose only advocate talks, with one urgent French caller waiting, and a supervisor on a break.
fn waiting() -> World {
    let mut world = World::new();
    world.ready("ann", "en fr");
    world.talks("ann", "first");
    world.account("sue", "en", Role::Supervisor, |_| {});
    world.registers("sue");
    assert!(world.says("sue", AgentCommand::Break).is_ok());
    world.joins("danger", Language::Fr, Risk::Urgent);
    world.forget_log();
    world
}

#[test]
fn it_rings_at_once_from_a_break_and_the_break_is_there_again_if_nobody_answers() {
    let mut world = waiting();
    assert_eq!(world.takes("danger", "sue"), Ok(()));
    world.expect(&["  0.0 sue rings for danger (reserve, interpreter needed)"]);
    assert_eq!(world.takes("danger", "sue"), Ok(()), "it rings already");
    world.expect(&[]);
    world.declines("sue");
    assert_eq!(world.is("sue"), "not_ready break");
    assert_eq!(world.takes("danger", "sue"), Ok(()));
    world.answers("sue");
    assert_eq!(world.is("sue"), "talking");
}

#[test]
fn a_phone_that_rings_for_another_call_rings_for_this_one() {
    let mut world = waiting();
    world.joins("other", Language::En, Risk::Urgent);
    assert!(world.says("sue", AgentCommand::Ready).is_ok());
    let rung = if world.rings_for("sue", "other") { "danger" } else { "other" };
    world.forget_log();
    assert_eq!(world.takes(rung, "sue"), Ok(()));
    assert!(world.rings_for("sue", rung));
}

#[test]
fn who_cannot_have_it_is_told_why() {
    let mut world = waiting();
    assert_eq!(world.takes("danger", "nobody"), Err(TakeError::UnknownAgent));
    assert_eq!(world.takes("danger", "ann"), Err(TakeError::Busy), "with another caller");
    assert_eq!(world.takes("first", "sue"), Err(TakeError::NotWaiting), "in a talk");
    world.input(Input::Busy { agent: id("sue"), yes: true });
    assert_eq!(world.takes("danger", "sue"), Err(TakeError::Busy), "on the phone");
    world.input(Input::Busy { agent: id("sue"), yes: false });
    world.loses_phone("sue");
    assert_eq!(world.takes("danger", "sue"), Err(TakeError::Unreachable));
    world.leaves("danger");
    assert_eq!(world.takes("danger", "sue"), Err(TakeError::NotWaiting), "over");
}

#[test]
fn others_are_rung_for_the_caller_as_before() {
    let mut world = waiting();
    assert_eq!(world.takes("danger", "sue"), Ok(()));
    world.forget_log();
    world.ready("bob", "fr");
    world.expect(&["  0.0 bob rings for danger (single)"]);
    world.answers("bob");
    world.expect(&["  0.0 bob talks with danger", "  0.0 sue stops ringing (answered_elsewhere)"]);
    assert_eq!(world.is("sue"), "not_ready break");
}
