//! Feature codes: done at once, and said in the advocate's language.

use havre_model::{Role, Spoken, WrapUp};
use havre_sim::{Setup, TOLL_FREE, World, account};

use crate::{secs, told};

/// Nobody is ready by registering alone, and wrap-up ends by code.
fn by_hand() -> World {
    let agents = [("advocate-en", Spoken::En), ("advocate-fr", Spoken::Fr)].map(|(id, language)| {
        let mut agent = account(id, &[language], Role::Advocate);
        agent.ready_on_register = false;
        agent.wrap_up = WrapUp::Manual;
        agent
    });
    World::with(Setup { agents: agents.to_vec(), ..Setup::default() }, &["advocate-en", "advocate-fr"])
}

/// Dials a code, and tells what was heard and what the state is then.
fn dialling(world: &World, agent: &str, code: &str) -> (Vec<String>, String) {
    world.restart_log();
    world.advocate(agent).dials(code);
    world.advance(secs(10));
    assert!(
        !world.advocate(agent).is_on_the_phone(),
        "{code}: Havre hangs up when it was said\n{}",
        world.log()
    );
    (world.heard(agent), world.state_of(agent))
}

#[test]
fn each_code_does_what_it_says_and_says_so() {
    for (agent, language) in [("advocate-en", "en"), ("advocate-fr", "fr")] {
        let world = by_hand();
        let rows = [
            ("*44", "A-state-signed-in", "not ready (signed_in)"),
            ("*40", "A-ready", "ready"),
            ("*44", "A-state-ready", "ready"),
            ("*41", "A-break", "not ready (break)"),
            ("*44", "A-state-break", "not ready (break)"),
            ("*43", "A-hard-call", "not ready (hard_call)"),
            ("*44", "A-state-hard-call", "not ready (hard_call)"),
            ("*42", "A-refused", "not ready (hard_call)"),
        ];
        for (code, clip, state) in rows {
            let (heard, is) = dialling(&world, agent, code);
            assert_eq!(heard, [format!("{clip} {language}")], "{code}");
            assert_eq!(is, state, "{code}");
        }
        world.assert_quiet();
    }
}

#[test]
fn wrap_up_ends_by_code() {
    let world = by_hand();
    let (caller, advocate) = (world.caller(), world.advocate("advocate-en"));
    let _ = dialling(&world, "advocate-en", "*40");
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(1));
    advocate.answers();
    world.advance(secs(10));
    caller.hangs_up();
    world.advance(secs(600));
    assert_eq!(world.state_of("advocate-en"), "wrap up");
    assert_eq!(dialling(&world, "advocate-en", "*44").0, ["A-state-wrap-up en"]);
    let (heard, state) = dialling(&world, "advocate-en", "*42");
    assert_eq!((heard, state.as_str()), (vec!["A-end-wrap-up en".to_owned()], "ready"));
    world.assert_quiet();
}

#[test]
fn a_hard_call_is_fifteen_minutes_of_peace() {
    let world = World::staffed_by(&["advocate-en"]);
    let _ = dialling(&world, "advocate-en", "*43");
    let caller = world.caller();
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    caller.presses('5');
    world.advance(secs(800));
    assert!(!world.happened("advocate-en", "rings"), "{}", world.log());
    world.advance(secs(120));
    assert!(world.happened("advocate-en", "rings"), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_break_asked_for_in_a_talk_follows_it() {
    let world = by_hand();
    let (caller, advocate) = (world.caller(), world.advocate("advocate-en"));
    let _ = dialling(&world, "advocate-en", "*40");
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(1));
    advocate.answers();
    world.advance(secs(10));
    world.commands("advocate-en", havre_model::AgentCommand::Break);
    world.advance(secs(1));
    assert_eq!(world.state_of("advocate-en"), "talking");
    caller.hangs_up();
    world.advance(secs(1));
    assert_eq!(world.state_of("advocate-en"), "not ready (break)", "{}", world.log());
    world.assert_quiet();
}

#[test]
fn an_advocates_phone_reaches_feature_codes_only() {
    let world = by_hand();
    world.advocate("advocate-en").dials(TOLL_FREE);
    world.advance(secs(2));
    assert_eq!(world.calls(), 0, "{}", world.log());
    assert!(!world.advocate("advocate-en").is_on_the_phone(), "{}", world.log());
    world.assert_quiet();
}

#[test]
fn a_code_dialled_by_a_phone_that_was_thought_dead_proves_that_it_lives() {
    let world = World::staffed_by(&["advocate-en", "advocate-bi"]);
    let advocate = world.advocate("advocate-en");
    let caller = world.caller();
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(2));
    advocate.answers();
    world.advance(secs(5));
    advocate.goes_dark();
    world.advance(secs(10));
    assert_eq!(world.state_of("advocate-en"), "signed out");
    advocate.comes_back();
    advocate.puts_down();
    world.advance(secs(5));
    advocate.dials("*40");
    world.advance(secs(5));
    assert_eq!(world.state_of("advocate-en"), "ready", "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn signing_out_and_in() {
    let world = World::staffed_by(&["advocate-en"]);
    let advocate = world.advocate("advocate-en");
    advocate.signs_out();
    world.advance(secs(1));
    advocate.signs_in();
    world.advance(secs(1));
    told(
        &world,
        "
            0.0 advocate-en signs out
            0.0 advocate-en > signed out
            1.0 advocate-en > ready
        ",
    );
    world.assert_quiet();
}

#[test]
fn a_registration_that_is_not_refreshed_runs_out() {
    let world = World::staffed_by(&["advocate-en"]);
    world.advocate("advocate-en").goes_dark();
    world.advance(secs(301));
    assert_eq!(world.state_of("advocate-en"), "signed out", "{}", world.log());
}

#[test]
fn a_test_call_says_the_state_and_then_what_is_said_into_it() {
    let world = by_hand();
    let advocate = world.advocate("advocate-en");
    world.restart_log();
    advocate.dials("*45");
    world.advance(secs(10));
    assert_eq!(world.heard("advocate-en"), ["A-state-signed-in en", "advocate-en"], "{}", world.log());
    assert!(advocate.talks(), "{}", world.log());
    advocate.puts_down();
    world.advance(secs(1));
    world.assert_quiet();
}

#[test]
fn a_test_call_that_nobody_is_at_any_more_ends() {
    let world = by_hand();
    let advocate = world.advocate("advocate-en");
    advocate.dials("*45");
    world.advance(secs(10));
    advocate.goes_dark();
    world.advance(secs(5));
    advocate.comes_back();
    world.advance(secs(5));
    assert!(!advocate.is_on_the_phone(), "{}", world.log());
    world.assert_quiet();
}

#[test]
fn a_browser_calls_to_test_its_headset_and_closes_the_page() {
    let world = by_hand();
    let advocate = world.advocate("advocate-fr");
    advocate.uses_a_browser();
    advocate.signs_in();
    world.advance(secs(1));
    advocate.dials("*45");
    world.advance(secs(10));
    assert!(world.heard("advocate-fr").contains(&"advocate-fr".to_owned()), "{}", world.log());
    advocate.starts_again();
    world.assert_quiet();
}
