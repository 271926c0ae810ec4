//! How calls end: by people, and by nothing else.

use havre_sim::{Advocate, Caller, Plan, Setup, TOLL_FREE, Tally, World};

use crate::{millis, secs, told};

fn talking() -> (World, Caller, Advocate) {
    let world = World::staffed_by(&["advocate-en"]);
    let (caller, advocate) = (world.caller(), world.advocate("advocate-en"));
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(2));
    advocate.answers();
    world.advance(secs(30));
    world.restart_log();
    (world, caller, advocate)
}

fn waiting() -> (World, Caller) {
    let world = World::staffed_by(&[]);
    let caller = world.caller();
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(1));
    world.restart_log();
    (world, caller)
}

fn abandoned() -> Tally {
    Tally { offered: 1, abandoned: 1, ..Tally::default() }
}

#[test]
fn a_caller_who_hears_nothing_of_us_raises_an_alarm_and_stays() {
    let (world, caller, _) = talking();
    for (world, caller) in [waiting(), (world, caller)] {
        for us in [false, false, true] {
            caller.reports_that_it_hears(us);
            world.advance(secs(20));
        }
        for (what, at) in [("> the caller hears nothing", 0.0), ("> the caller hears again", 40.0)] {
            assert_eq!(world.when("caller", what).round(), at, "{}", world.log());
            assert_eq!(world.log_of("caller").matches(what).count(), 1, "{}", world.log());
        }
        assert!(caller.is_on_the_phone());
    }
}

#[test]
fn a_caller_gives_up_before_anybody_picks_up() {
    let plan = Plan::shipped_with("after = 0", "after = 3");
    let world = World::new(Setup { plan, ..Setup::default() });
    world.restart_log();
    let caller = world.caller();
    caller.dials(TOLL_FREE);
    world.advance(secs(2));
    caller.hangs_up();
    world.advance(secs(5));
    told(
        &world,
        "
            0.0 caller dials +18335550100
            0.0 caller > arrived at hotline
            0.0 caller hears ringing
            2.0 caller hangs up
            2.0 caller line ends: by own choice
            2.0 caller > ended: abandoned (caller_cancelled)
        ",
    );
    world.assert_quiet();
    assert_eq!(world.tally(), abandoned());
}

#[test]
fn a_caller_gives_up_in_the_instant_of_the_answer() {
    let world = World::staffed_by(&[]);
    for after in 0..30 {
        let caller = world.caller();
        caller.dials(TOLL_FREE);
        world.advance(millis(after));
        caller.hangs_up();
        world.advance(secs(1));
        assert!(!caller.is_on_the_phone(), "after {after} ms\n{}", world.log());
    }
    world.assert_quiet();
    assert_eq!(world.tally().lost, 0);
}

#[test]
fn a_caller_hangs_up_in_the_greeting() {
    let world = World::staffed_by(&["advocate-en"]);
    let caller = world.caller();
    caller.dials(TOLL_FREE);
    world.advance(secs(3));
    caller.hangs_up();
    world.advance(secs(1));
    told(
        &world,
        "
            0.0 caller dials +18335550100
            0.0 caller > arrived at hotline
            0.0 caller hears P1.1 en
            2.9 caller hears P1.2 fr
            3.0 caller hangs up
            3.0 caller > ended: abandoned (caller_hung_up)
            3.0 caller line ends: by own choice 200
        ",
    );
    world.assert_quiet();
    assert_eq!(world.tally(), abandoned());
}

#[test]
fn a_caller_hangs_up_while_an_advocates_phone_rings() {
    let world = World::staffed_by(&["advocate-en"]);
    let (caller, advocate) = (world.caller(), world.advocate("advocate-en"));
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(2));
    caller.hangs_up();
    world.advance(secs(1));
    assert!(!advocate.rings(), "{}", world.log());
    assert_eq!(world.state_of("advocate-en"), "ready");
    world.assert_quiet();
    assert_eq!(world.tally(), abandoned());
}

#[test]
fn the_caller_ends_the_talk() {
    let (world, caller, _) = talking();
    caller.hangs_up();
    world.advance(secs(1));
    told(
        &world,
        "
            0.0 caller      hangs up
            0.0 caller      > ended: answered (caller_hung_up)
            0.0 advocate-en > wrap up
            0.0 caller      line ends: by own choice 200
            0.0 advocate-en line ends: hung up
        ",
    );
    world.assert_quiet();
    assert_eq!(world.tally(), Tally { offered: 1, answered: 1, ..Tally::default() });
}

#[test]
fn the_advocate_ends_the_talk() {
    let (world, _, advocate) = talking();
    advocate.hangs_up();
    world.advance(secs(1));
    told(
        &world,
        "
            0.0 advocate-en hangs up
            0.0 caller      > ended: answered (agent_hung_up)
            0.0 advocate-en > wrap up
            0.0 advocate-en line ends: by own choice 200
            0.0 caller      line ends: hung up
        ",
    );
    world.assert_quiet();
    assert_eq!(world.tally(), Tally { offered: 1, answered: 1, ..Tally::default() });
}

#[test]
fn both_hang_up_in_the_same_instant() {
    let (world, caller, advocate) = talking();
    advocate.hangs_up();
    caller.hangs_up();
    world.advance(secs(3));
    assert_eq!(world.state_of("advocate-en"), "ready", "{}", world.log());
    world.assert_quiet();
    assert_eq!(world.tally(), Tally { offered: 1, answered: 1, ..Tally::default() });
}

#[test]
fn silence_never_hangs_up() {
    let (world, caller) = waiting();
    caller.mutes();
    world.advance(secs(3_600));
    assert!(caller.is_on_the_phone());
    assert_eq!(world.calls(), 1, "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_caller_whose_carrier_loses_the_ack_is_not_hung_up() {
    let world = World::staffed_by(&[]);
    let caller = world.caller();
    caller.loses("ACK");
    caller.dials(TOLL_FREE);
    world.advance(secs(2));
    assert_eq!(world.heard("caller"), ["P1.1 en"], "the greeting does not wait for it\n{}", world.log());
    caller.presses('1');
    world.advance(secs(300));
    assert!(caller.is_on_the_phone());
    assert_eq!(world.calls(), 1, "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn without_signalling_and_without_audio_a_caller_is_gone_after_thirty_seconds() {
    let world = World::staffed_by(&[]);
    let caller = world.caller();
    caller.loses("ACK");
    caller.dials(TOLL_FREE);
    world.advance(secs(2));
    world.restart_log();
    caller.goes_dark();
    world.advance(secs(40));
    let gone = world.when("caller", "> ended: abandoned (caller_gone)");
    assert!((30.0..33.0).contains(&gone), "{}", world.log());
}

#[test]
fn without_signalling_and_with_audio_a_caller_stays() {
    let (world, caller) = waiting();
    for beginning in ["SIP/2.0", "ACK", "BYE"] {
        caller.loses(beginning);
    }
    world.advance(secs(600));
    assert_eq!(world.calls(), 1, "{}", world.log());
    for beginning in ["SIP/2.0", "ACK", "BYE"] {
        caller.loses_no_more(beginning);
    }
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_phone_that_does_not_know_the_call_any_more_is_gone() {
    let (world, caller) = waiting();
    caller.starts_again();
    world.advance(secs(61));
    told(
        &world,
        "
            0.0 caller starts again
            3.0 caller > inaudible
           19.0 caller > supervisors alerted
           58.0 caller > ended: abandoned (caller_gone)
        ",
    );
    world.assert_quiet();
    assert_eq!(world.tally(), abandoned());
}

#[test]
fn a_caller_who_dies_in_the_talk_is_noticed_and_the_advocate_is_free_again() {
    let (world, caller, advocate) = talking();
    caller.goes_dark();
    world.advance(secs(150));
    assert!(world.happened("caller", "> ended: answered (caller_gone)"), "{}", world.log());
    assert!(!advocate.is_on_the_phone());
    assert_eq!(world.state_of("advocate-en"), "ready");
    world.assert_quiet();
}

#[test]
fn a_caller_whose_phone_crashed_is_gone_by_signalling_and_silence_together() {
    let (world, caller) = waiting();
    caller.crashes();
    world.advance(secs(100));
    // Asked 60 s after the answer; nothing was heard for more than 30 s by then.
    let gone = world.when("caller", "> ended: abandoned (caller_gone)");
    assert!((57.0..60.0).contains(&gone), "{}", world.log());
}

/// The advocate ends a talk whose INVITE was never acknowledged: before and after the 32 s in which an ACK may come.
#[test]
fn a_call_without_an_ack_ends_like_any_other() {
    for (late_offer, talk) in [(false, 10), (false, 60), (true, 10)] {
        let world = World::staffed_by(&["advocate-en"]);
        let (caller, advocate) = (world.caller(), world.advocate("advocate-en"));
        caller.loses("ACK");
        if late_offer {
            caller.dials_with_late_offer(TOLL_FREE);
        } else {
            caller.dials(TOLL_FREE);
        }
        world.advance(secs(1));
        caller.presses_by_info('1');
        world.advance(secs(1));
        advocate.answers();
        world.advance(secs(talk));
        advocate.hangs_up();
        world.advance(secs(40));
        assert!(!caller.is_on_the_phone(), "late offer {late_offer}, {talk} s\n{}", world.log());
        world.assert_quiet();
    }
}

/// A late offer's answer would have come in the ACK: without it there is no audio either, and both together are an end.
#[test]
fn a_late_offer_whose_answer_never_comes_ends_by_itself() {
    let world = World::staffed_by(&["advocate-en"]);
    let (caller, advocate) = (world.caller(), world.advocate("advocate-en"));
    caller.loses("ACK");
    caller.dials_with_late_offer(TOLL_FREE);
    world.advance(secs(1));
    caller.presses_by_info('1');
    world.advance(secs(1));
    advocate.answers();
    world.advance(secs(100));
    let gone = world.when("caller", "> ended: answered (caller_gone)");
    assert!((32.0..64.0).contains(&gone), "{}", world.log());
    assert!(!advocate.is_on_the_phone() && !caller.is_on_the_phone(), "{}", world.log());
    assert_eq!(world.state_of("advocate-en"), "ready");
    world.assert_quiet();
}
