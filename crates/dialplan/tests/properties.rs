//! Whatever is pressed and whatever happens: every caller reaches the queue in time, the class only rises, nobody is
//! left in silence, and no text makes the reader panic.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::time::Duration;

use common::{ALL, HOTLINE, TEXTS, silent_plan, silent_prompts, without_tests};
use havre_dialplan::simulate::{Happened, Script, Trace, run};
use havre_dialplan::{Catalogue, Dialplan, Input, Output, Walk, limits};
use havre_model::{Digit, Mono, Now, PlayId, Risk, Unix};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_keys_always_join_in_time(keys in keys(40), french in any::<bool>()) {
        let trace = call(keys.clone(), french, 60_000);
        let joined = trace.joined.expect("joined");
        prop_assert!(joined <= limits::JOIN_WITHOUT_KEY);
        let effective = |input: &Input| matches!(input, Input::Digit(d) if "012357*#".contains(d.as_char()));
        let first = keys.iter().filter(|(_, input)| effective(input)).map(|(at, _)| *at).min();
        if let Some(first) = first.filter(|at| *at < joined) {
            prop_assert!(joined <= first + limits::JOIN_AFTER_KEY);
        }
        prop_assert_eq!(trace.entries.iter().filter(|(_, what)| is_join(what)).count(), 1);
    }

    #[test]
    fn the_class_only_rises(steps in steps(60), french in any::<bool>()) {
        let trace = call(steps, french, 400_000);
        let mut risk = None;
        for (_, what) in &trace.entries {
            let now = match what {
                Happened::Said(Output::Join { risk, .. }) => Some(*risk),
                Happened::Said(Output::Changed { risk, .. }) => *risk,
                _ => None,
            };
            if let Some(now) = now {
                let fine = risk.is_none_or(|before| now > before || (before, now) == (Risk::Standard, Risk::Information));
                prop_assert!(fine, "{risk:?} became {now:?}");
                risk = Some(now);
            }
        }
    }

    #[test]
    fn nobody_is_left_in_silence_or_talked_over(steps in steps(60), french in any::<bool>()) {
        let trace = call(steps, french, 400_000);
        let (mut talking, mut sound, mut joined) = (false, false, false);
        for (i, (at, what)) in trace.entries.iter().enumerate() {
            match what {
                Happened::Input(Input::Answered) => talking = true,
                Happened::Input(Input::AgentLost) => talking = false,
                Happened::Said(Output::Join { .. }) => joined = true,
                Happened::Sound(_) => sound = true,
                Happened::Silence => sound = false,
                Happened::Heard(clip) => prop_assert!(!talking, "{clip} at {at:?} over the talk"),
                _ => {}
            }
            // What happens at one moment is judged when it is over.
            let over = trace.entries.get(i + 1).is_none_or(|(next, _)| next > at);
            if over && joined && !talking {
                prop_assert!(sound, "silence at {at:?}\n{trace}");
            }
        }
    }

    #[test]
    fn the_walk_takes_anything_at_any_time(inputs in prop::collection::vec((any_input(), 0_u64..30_000), 0..200)) {
        let line = "hotline".parse().unwrap();
        let mut walk = Walk::new(silent_plan(), &line, false, at(0));
        let mut now = 0;
        for (input, passed) in inputs {
            now += passed;
            walk.handle_input(input, at(now));
            if passed % 3 == 0 {
                walk.handle_timeout(at(now));
            }
            while walk.poll_output().is_some() {}
        }
        // However long it is woken, it comes to rest at each moment.
        for _ in 0..50 {
            let Some(wakeup) = walk.poll_timeout() else { break };
            let then = Now { mono: wakeup.at.max(Mono::from_start(Duration::from_millis(now))), unix: Unix::default() };
            walk.handle_timeout(then);
            while walk.poll_output().is_some() {}
            if let Some(next) = walk.poll_timeout() {
                prop_assert!(next != wakeup, "woken at {wakeup} for nothing");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_plans_never_panic(edits in edits()) {
        let text = mutate(&without_tests(HOTLINE), &edits);
        if let Err(found) = Dialplan::parse("p.toml", &text, &silent_prompts(), ALL) {
            prop_assert!(!found.is_empty());
            prop_assert!(found.iter().all(|d| !d.what.is_empty() && !d.remedy.is_empty()));
            prop_assert!(found.iter().all(|d| d.what_fr != d.what && d.remedy_fr != d.remedy));
        }
    }

    #[test]
    fn mutated_catalogues_never_panic(edits in edits()) {
        let _ = Catalogue::without_audio("c.toml", &mutate(TEXTS, &edits));
    }

    #[test]
    fn noise_never_panics(text in "\\PC{0,200}", toml in "[a-z\\[\\]{}=\"0-9.\n' #]{0,200}") {
        for text in [text, toml] {
            prop_assert!(Dialplan::parse("p.toml", &text, &silent_prompts(), ALL).is_err());
            prop_assert!(Catalogue::without_audio("c.toml", &text).is_err());
            let _ = Script::keys(&"hotline".parse().unwrap(), &text);
        }
    }
}

#[test]
fn deep_nesting_does_not_exhaust_the_stack() {
    for open in ["[", "{a=", "a.", "[[a]]\n"] {
        let text = format!("a = {}", open.repeat(20_000));
        assert!(Dialplan::parse("p.toml", &text, &silent_prompts(), ALL).is_err());
    }
}

fn call(inputs: Vec<(Duration, Input)>, french: bool, until: u64) -> Trace {
    let line = if french { "hotline-fr" } else { "hotline" };
    let script =
        Script { line: line.parse().unwrap(), caller: None, inputs, until: Duration::from_millis(until) };
    run(&silent_plan(), &script)
}

fn is_join(what: &Happened) -> bool {
    matches!(what, Happened::Said(Output::Join { .. }))
}

fn at(millis: u64) -> Now {
    Now { mono: Mono::from_start(Duration::from_millis(millis)), unix: Unix::default() }
}

fn digit() -> impl Strategy<Value = Digit> {
    (0_u8..16).prop_map(|code| Digit::from_event(code).unwrap())
}

fn keys(most: usize) -> impl Strategy<Value = Vec<(Duration, Input)>> {
    let key =
        (0_u64..20_000, digit()).prop_map(|(at, digit)| (Duration::from_millis(at), Input::Digit(digit)));
    prop::collection::vec(key, 0..most)
}

/// Keys, and what can happen to a call that has joined: everything after the first twenty seconds.
fn steps(most: usize) -> impl Strategy<Value = Vec<(Duration, Input)>> {
    let event = prop::sample::select(vec![
        Input::Answered,
        Input::AgentLost,
        Input::MoreHelp,
        Input::PartnerOffered,
        Input::InterpreterComing,
        Input::Trouble,
    ]);
    let step = prop_oneof![
        3 => (0_u64..300_000, digit().prop_map(Input::Digit)),
        1 => (20_001_u64..300_000, event),
    ];
    prop::collection::vec(step.prop_map(|(at, input)| (Duration::from_millis(at), input)), 0..most)
}

fn any_input() -> impl Strategy<Value = Input> {
    prop_oneof![
        4 => digit().prop_map(Input::Digit),
        2 => (0_u64..20).prop_map(|play| Input::PlayDone(PlayId(play))),
        3 => prop::sample::select(vec![
            Input::Picked,
            Input::Answered,
            Input::AgentSilent,
            Input::AgentBack,
            Input::AgentLost,
            Input::MoreHelp,
            Input::PartnerOffered,
            Input::InterpreterComing,
            Input::Trouble,
        ]),
    ]
}

/// One edit: where (per mille of the text), what.
fn edits() -> impl Strategy<Value = Vec<(usize, u8, String)>> {
    prop::collection::vec((0_usize..1_000, 0_u8..5, "[ -~\n]{0,6}"), 1..4)
}

fn mutate(text: &str, edits: &[(usize, u8, String)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (place, kind, with) in edits {
        let i = place * lines.len() / 1_000;
        match kind {
            0 => {
                lines.remove(i);
            }
            1 => lines.insert(i, lines[i].clone()),
            2 => lines[i].push_str(with),
            3 => {
                let cut = lines[i].char_indices().map(|(at, _)| at).nth(place % 20).unwrap_or(0);
                lines[i].insert_str(cut, with);
            }
            _ => lines[i] = lines[i].chars().rev().collect(),
        }
        if lines.is_empty() {
            lines.push(String::new());
        }
    }
    lines.join("\n")
}
