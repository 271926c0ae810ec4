//! What `havre check` says of a plan that is wrong: file, line, key, what, and the remedy.

#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "bad_plans/cases.rs"]
mod cases;
mod common;

use std::time::Duration;

use cases::CASES;
use common::{ALL, HOTLINE, NONE, list, silent_prompts, without_tests};
use havre_dialplan::{Catalogue, Diagnostic, Dialplan, Input, Output, Severity, Targets, Walk};
use havre_model::{Digit, Mono, Now, Unix};

#[test]
fn each_fault_is_found_with_its_line_its_key_and_a_remedy() {
    let whole = without_tests(HOTLINE);
    for case in CASES {
        assert!(whole.contains(case.replace), "the plan no longer holds {:?}", case.replace);
        let text = whole.replacen(case.replace, case.by, 1);
        let line = match case.at {
            "LINE 2" => {
                1 + text.lines().enumerate().filter(|(_, line)| *line == "[[lines]]").nth(1).unwrap().0
            }
            at => line_of(&text, at),
        };
        let found = refuse(&text, NONE);
        let hit = found.iter().find(|d| {
            (d.line, d.key.as_str()) == (line, case.key)
                && d.what.contains(case.what)
                && d.remedy.contains(case.remedy)
        });
        let wanted = format!("hotline.toml:{line}: {}: {} | {}", case.key, case.what, case.remedy);
        assert!(
            hit.is_some_and(|d| d.severity == Severity::Error),
            "wanted {wanted}\nfound\n{}",
            list(&found)
        );
    }
}

#[test]
fn a_fault_is_told_in_french_as_well_as_in_english() {
    let text = without_tests(HOTLINE).replacen("pause = 3", "pause = -3", 1).replacen(
        "language = \"fr\", then",
        "language = \"quebecois\", then",
        1,
    );
    let found = refuse(&text, NONE);
    let french: Vec<_> = found.iter().map(|d| format!("{} | {}", d.what_fr, d.remedy_fr)).collect();
    assert!(
        french.contains(&"est hors limites | écrivez un nombre de secondes de 0 à 10".to_owned()),
        "{french:?}"
    );
    let language = "\"quebecois\" n’est pas connu ici | écrivez \"en\", \"fr\", \"other\"";
    assert!(french.contains(&language.to_owned()), "{french:?}");
    // What the prover tells has the same figures in both, each written as its language writes them.
    let slow = without_tests(HOTLINE).replacen("after = 3, then", "after = 11.5, then", 1);
    let found = refuse(&slow, NONE);
    let longest = found.iter().find(|d| d.what.contains("from INVITE to queue")).unwrap();
    let takes = longest.what.split("takes ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    let wanted = format!("le plus long parcours prend {} s de l’INVITE à la file", takes.replace('.', ","));
    assert!(longest.what_fr.starts_with(&wanted), "{longest:?}");
    assert!(longest.what_fr.ends_with("aucune touche)"), "{longest:?}");
    assert!(longest.remedy_fr.contains("attend 11,5 s"), "{longest:?}");
}

#[test]
fn all_faults_are_found_at_once_in_the_order_of_the_file() {
    let text = without_tests(HOTLINE)
        .replace("after = 3, then", "aftr = 3, then")
        .replace("language = \"fr\", then", "language = \"quebecois\", then")
        .replace("every = 60, say", "every = \"often\", say")
        .replace("ring_time = 12", "ring_time = 1200");
    let found = refuse(&text, NONE);
    let keys: Vec<_> = found.iter().map(|d| d.key.as_str()).collect();
    for key in
        ["menus.greeting.no_input.after", "menus.greeting.no_input.aftr", "menus.greeting.keys.2.language"]
    {
        assert!(keys.contains(&key), "{key} in {keys:?}");
    }
    assert!(keys.contains(&"waiting.no_input.every") && keys.contains(&"widening.ring_time"), "{keys:?}");
    assert!(found.is_sorted_by_key(|d| d.line), "{}", list(&found));
}

#[test]
fn a_second_menu_must_join_within_five_seconds_of_the_key() {
    let with_menu = |after: &str| {
        let second = format!(
            "[menus.second]\nsay = [\"P6n\"]\nno_input = {{ after = {after}, then = \"join\" }}\nno_match = \"ignore\"\n\
             [menus.second.keys]\n1 = {{ language = \"en\", then = \"join\" }}\n2 = {{ language = \"fr\", then = \"join\" }}\n"
        );
        without_tests(HOTLINE).replace(
            "3 = { language = \"other\", then = \"join\" }",
            "3 = { language = \"other\", then = \"second\" }",
        ) + &second
    };
    let found = refuse(&with_menu("3"), NONE);
    assert!(
        found.iter().any(|d| d
            .what
            .contains("s from a key to queue; the limit is 5 s (line hotline, English first, 3 at")),
        "{}",
        list(&found)
    );
    // English alone, two seconds and a bit, is soon enough; and the path is really walked.
    let quick = with_menu("1").replace("say = [\"P6n\"]", "say = [\"P1.4\", \"P1.5\"]");
    let plan = Dialplan::parse("hotline.toml", &quick, &silent_prompts(), NONE)
        .unwrap_or_else(|d| panic!("{}", list(&d)));
    let longest = &plan.proof().longest_after_key;
    assert!(longest.takes.as_secs_f64() > 1.0 && longest.takes.as_secs_f64() <= 5.0, "{longest:?}");
    assert!(longest.keys.en.contains("3 at"), "{longest:?}");
    assert!(plan.graph_svg().contains(">second<"));
    // Should media never say that the second menu is over, the walk joins five seconds after the key all the same.
    let now = |millis| Now { mono: Mono::from_start(Duration::from_millis(millis)), unix: Unix::default() };
    let mut walk = Walk::new(plan.clone(), &plan.lines()[0].id, false, now(0));
    walk.handle_input(Input::Picked, now(0));
    walk.handle_input(Input::Digit(Digit::from_char('3').unwrap()), now(1_000));
    let joins =
        |walk: &mut Walk| std::iter::from_fn(|| walk.poll_output()).any(|o| matches!(o, Output::Join { .. }));
    assert!(!joins(&mut walk));
    assert_eq!(walk.poll_timeout().unwrap().at, now(6_000).mono);
    walk.handle_timeout(now(6_000));
    assert!(joins(&mut walk));
}

#[test]
fn menus_that_differ_by_language_are_no_mirror_of_each_other() {
    let menus = |french_after: u32| {
        let menu = |name: &str, after: u32| {
            format!(
                "[menus.{name}]\nsay = [\"P1.4\", \"P1.5\"]\nno_input = {{ after = {after}, then = \"join\" }}\n\
                 no_match = \"ignore\"\n[menus.{name}.keys]\n5 = {{ risk = \"urgent\", silent = true, then = \"join\" }}\n"
            )
        };
        without_tests(HOTLINE)
            .replace(
                "1 = { language = \"en\", then = \"join\" }",
                "1 = { language = \"en\", then = \"english\" }",
            )
            .replace(
                "2 = { language = \"fr\", then = \"join\" }",
                "2 = { language = \"fr\", then = \"french\" }",
            )
            + &menu("english", 0)
            + &menu("french", french_after)
    };
    Dialplan::parse("hotline.toml", &menus(0), &silent_prompts(), NONE)
        .unwrap_or_else(|d| panic!("{}", list(&d)));
    let found = refuse(&menus(1), NONE);
    assert!(found.iter().any(|d| d.what == "no key does the same in the other language"), "{}", list(&found));
}

#[test]
fn a_maze_of_menus_is_refused() {
    let mut text = without_tests(HOTLINE).replace(
        "3 = { language = \"other\", then = \"join\" }",
        "3 = { language = \"other\", then = \"a\" }",
    );
    for (name, next) in [("a", "b"), ("b", "c"), ("c", "join")] {
        text += &format!(
            "[menus.{name}]\nsay = [\"P1.4\", \"P1.5\"]\nno_input = {{ after = 0, then = \"{next}\" }}\nno_match = \"join\"\nkeys = {{}}\n"
        );
    }
    let found = refuse(&text, NONE);
    assert!(found.iter().any(|d| d.what == "more than 3 menus follow each other"), "{}", list(&found));
}

#[test]
fn a_plan_with_too_many_paths_to_prove_is_refused() {
    let menu = |name: &str, next: &str| {
        let keys: String = (0..10).map(|key| format!("{key} = {{ then = \"{next}\" }}\n")).collect();
        format!(
            "[menus.{name}]\nsay = [\"P1.4\", \"P1.5\"]\nno_input = {{ after = 0, then = \"join\" }}\n\
             no_match = \"ignore\"\n[menus.{name}.keys]\n{keys}"
        )
    };
    let text = without_tests(HOTLINE).replace("then = \"join\" }\n", "then = \"a\" }\n")
        + &menu("a", "b")
        + &menu("b", "join");
    let found = refuse(&text, NONE);
    assert!(found.iter().any(|d| d.what.starts_with("there are too many key paths")), "{}", list(&found));
}

#[test]
fn a_menu_that_nobody_reaches_is_only_a_warning() {
    let text = without_tests(HOTLINE)
        + "[menus.lost]\nsay = [\"P2n\"]\nno_input = { after = 1, then = \"join\" }\nno_match = \"ignore\"\nkeys = {}\n";
    let plan = Dialplan::parse("hotline.toml", &text, &silent_prompts(), NONE).unwrap();
    assert_eq!(plan.warnings().len(), 1);
    assert_eq!(plan.warnings()[0].key, "menus.lost");
    assert_eq!(plan.warnings()[0].line, line_of(&text, "[menus.lost]"));
}

#[test]
fn optional_steps_are_accepted_with_a_target() {
    let text = without_tests(HOTLINE).replace("enabled = false", "enabled = true");
    let plan = Dialplan::parse("hotline.toml", &text, &silent_prompts(), ALL).unwrap();
    let steps = &plan.widening().usual.0;
    assert!(steps.iter().any(|(_, s)| *s == havre_model::Step::OnCall));
    assert!(steps.iter().any(|(_, s)| *s == havre_model::Step::Partner));
}

#[test]
fn a_failing_test_block_refuses_the_plan() {
    let text = without_tests(HOTLINE)
        + "[[test]]\nname = \"wrong\"\nline = \"hotline\"\nkeys = [{ at = 1, key = \"1\" }]\nuntil = 5\nlanguage = \"fr\"\n\
           joined_by = 0.5\nprompts = [\"P1.1 en\"]\n";
    let found = refuse(&text, NONE);
    let line = line_of(&text, "[[test]]");
    let whats: Vec<_> = found.iter().map(|d| d.what.as_str()).collect();
    assert!(found.iter().all(|d| (d.line, d.key.as_str()) == (line, "test[1]")), "{}", list(&found));
    assert_eq!(
        whats,
        [
            "test \"wrong\": language is en, not fr",
            "test \"wrong\": what is heard is [\"P1.1 en\", \"P2 en\"], not [\"P1.1 en\"]",
            "test \"wrong\": the caller joins at 1.00 s, not by 0.50 s",
        ]
    );
}

#[test]
fn prompts_that_break_the_rules_are_refused() {
    let refuse = |from: &str, to: &str, key: &str, what: &str| {
        assert!(common::TEXTS.contains(from), "{from}");
        let text = common::TEXTS.replacen(from, to, 1);
        let found = Catalogue::without_audio("catalogue.toml", &text).unwrap_err();
        assert!(
            found.iter().any(|d| d.key == key && d.what.contains(what)),
            "{key}: {what}\n{}",
            list(&found)
        );
    };
    refuse(
        "You're still in line. Someone",
        "You are at position 3. Someone",
        "prompts.P6.en",
        "says \"position\"",
    );
    refuse(
        "Vous êtes toujours en ligne. Quelqu'un",
        "Votre appel est important. Quelqu'un",
        "prompts.P6.fr",
        "votre appel est important",
    );
    refuse("You're still in line. Someone", "Wait {minutes}. Someone", "prompts.P6.en", "placeholder");
    refuse(
        "fr = \"Vous êtes toujours en ligne. Quelqu'un va vous répondre.\"\n",
        "",
        "prompts.P6",
        "has no `fr`",
    );
    refuse("pair = \"P1.2\"\n", "", "prompts.\"P1.1\"", "has no `pair`");
    refuse(
        "pair = \"P1.2\"\n",
        "pair = \"P1.4\"\n",
        "prompts.\"P1.1\"",
        "not the same clip in the other language",
    );
    refuse("[prompts.A-ready]", "[prompts.A-redy]", "prompts.A-ready", "is missing");
    refuse("[prompts.P6]", "[prompts.\"../P6\"]", "prompts.\"../P6\"", "is no name of a prompt");
    refuse("max_seconds = 4\n", "max_secs = 4\n", "prompts.\"P1.3\".max_secs", "is not known here");
}

#[test]
fn a_plan_that_is_no_file_says_so() {
    let found =
        Dialplan::load(std::path::Path::new("/nonexistent/x.toml"), &silent_prompts(), NONE).unwrap_err();
    assert!(found[0].what.starts_with("cannot be read"), "{}", list(&found));
    assert!(refuse("", NONE).len() >= 4, "an empty file lacks everything");
    assert!(refuse(&"#".repeat(2_000_000), NONE)[0].what.contains("bytes"));
}

fn refuse(text: &str, targets: Targets) -> Vec<Diagnostic> {
    let found =
        Dialplan::parse("hotline.toml", text, &silent_prompts(), targets).expect_err("the plan was accepted");
    for Diagnostic { what, remedy, what_fr, remedy_fr, .. } in &found {
        assert!(what_fr != what && remedy_fr != remedy, "in one language only: {what_fr} | {remedy_fr}");
        for french in [what_fr, remedy_fr] {
            assert!(!french.contains(['\'', '{']) || french.contains("{ a"), "{french}");
            assert!(!french.contains(" :") && !french.contains(" ;"), "Canadian French: {french}");
        }
    }
    found
}

fn line_of(text: &str, part: &str) -> usize {
    1 + text.lines().position(|line| line.contains(part)).unwrap_or_else(|| panic!("no line holds {part:?}"))
}
