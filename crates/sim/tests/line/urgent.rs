//! Queue by risk means reserved capacity.

use havre_sim::{TOLL_FREE, World};

use crate::{millis, secs, told};

#[test]
fn with_nobody_idle_the_supervisors_phone_rings_at_once() {
    let world = World::staffed_by(&["advocate-en", "supervisor"]);
    let first = world.caller_named("first");
    first.dials(TOLL_FREE);
    world.advance(secs(1));
    first.presses('1');
    world.advance(secs(1));
    world.advocate("advocate-en").answers();
    world.advance(secs(5));
    world.restart_log();
    let caller = world.caller();
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(millis(500));
    assert!(!world.advocate("supervisor").rings(), "not for a standard call");
    caller.presses('5');
    world.advance(secs(2));
    world.advocate("supervisor").answers();
    world.advance(secs(2));
    told(
        &world,
        "
            0.0 caller     dials +18335550100
            0.0 caller     > arrived at hotline
            0.0 caller     hears P1.1 en
            1.0 caller     presses 1
            1.0 caller     > joined: en, standard
            1.0 caller     hears P2 en
            1.5 caller     presses 5
            1.5 caller     > mode full silent
            1.5 caller     > class urgent
            1.5 caller     hears P5 en
            1.5 caller     > offered to supervisor (reserve)
            1.5 supervisor > offered
            1.5 supervisor rings: EN · urgent · silent
            3.5 supervisor answers
            3.5 caller     > answered by supervisor after 2.5 s
            3.5 supervisor > talking
            3.5 supervisor hears caller
            3.5 caller     hears supervisor
        ",
    );
    first.hangs_up();
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn who_cannot_speak_is_heard_as_words_on_a_phone_and_nobody_else_s_keys_are() {
    let world = World::staffed_by(&["advocate-fr"]);
    let caller = world.caller();
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('2');
    world.advance(secs(1));
    caller.presses('5');
    world.advance(secs(2));
    world.advocate("advocate-fr").answers();
    world.advance(secs(1));
    world.restart_log();
    for key in ['1', '7', '2'] {
        caller.presses(key);
        world.advance(secs(2));
    }
    for (at, what) in [("0.0", "hears A-yes fr"), ("4.0", "hears A-no fr")] {
        assert!(world.log().contains(&format!("{at} advocate-fr {what}")), "{}", world.log());
    }
    let heard = world.advocate("advocate-fr").hears();
    assert_eq!(heard.as_deref(), Some("caller"), "and the caller again after it: {}", world.log());
    caller.hangs_up();
    world.assert_quiet();
    // Who speaks presses keys for another reason.
    let world = World::staffed_by(&["advocate-fr"]);
    let caller = world.caller();
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('2');
    world.advance(secs(2));
    world.advocate("advocate-fr").answers();
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(2));
    assert!(!world.log().contains("A-yes"), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn an_idle_advocate_comes_before_the_reserve() {
    let world = World::staffed_by(&["advocate-en", "supervisor"]);
    let caller = world.caller();
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    caller.presses('5');
    world.advance(secs(2));
    assert!(
        world.advocate("advocate-en").rings() && !world.advocate("supervisor").rings(),
        "{}",
        world.log()
    );
    world.advocate("advocate-en").answers();
    world.advance(secs(1));
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn an_urgent_call_takes_five_seconds_to_ring_everyone_and_fifteen_for_the_other_language() {
    let world = World::staffed_by(&["advocate-fr", "advocate-en", "advocate-bi"]);
    let caller = world.caller();
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(millis(20));
    world.restart_log();
    caller.presses('5');
    world.advance(secs(16));
    let offered = |agent: &str| world.when("caller", &format!("> offered to {agent}")).round();
    assert_eq!(offered("advocate-bi"), 5.0, "{}", world.log());
    assert_eq!(offered("advocate-fr"), 15.0, "{}", world.log());
    assert!(
        world.happened("advocate-fr", "rings: EN · urgent · silencieux · interprète requis"),
        "{}",
        world.log()
    );
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn an_urgent_caller_goes_before_all_who_wait() {
    let world = World::staffed_by(&[]);
    let names = ["first", "second", "urgent"];
    let callers = names.map(|name| world.caller_named(name));
    for caller in &callers {
        caller.dials(TOLL_FREE);
        world.advance(secs(1));
        caller.presses('1');
        world.advance(secs(10));
    }
    callers[2].presses('5');
    world.advance(secs(1));
    world.advocate("advocate-en").signs_in();
    world.advance(secs(1));
    world.advocate("advocate-en").answers();
    world.advance(secs(1));
    assert_eq!(world.heard("advocate-en"), ["urgent"], "{}", world.log());
    for caller in &callers {
        caller.hangs_up();
    }
    world.assert_quiet();
}
