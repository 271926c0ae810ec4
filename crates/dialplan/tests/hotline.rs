//! The shipped plan is good with the shipped prompts, and its hash tells what changed.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use common::{HOTLINE, NONE, list, prompts, repository, silent_prompts};
use havre_dialplan::simulate::{Script, run};
use havre_dialplan::{Catalogue, Dialplan};

#[test]
fn it_is_proven_with_the_real_audio() {
    let path = repository("dialplans").join("hotline.toml");
    let plan = Dialplan::load(&path, &prompts(), NONE).unwrap_or_else(|found| panic!("{}", list(&found)));
    let proof = plan.proof();
    assert!(proof.paths > 10_000, "{proof}");
    assert!(proof.longest.takes.as_secs_f64() > 10.0, "the longest path waits for the greeting: {proof}");
    assert!(
        proof.longest.takes.as_secs_f64() <= 20.0 && proof.longest.keys.en.ends_with("no key"),
        "{proof}"
    );
    assert_eq!(proof.longest_after_key.takes.as_secs_f64(), 0.0, "a key joins at once");
    assert_eq!(plan.tests(), HOTLINE.matches("[[test]]").count());
    assert!(plan.warnings().is_empty());
    assert_eq!(plan.line_of("+18335550101").unwrap().id.as_str(), "hotline-fr");
    assert_eq!(plan.line_of("8335550101"), None, "carriers' prefixes belong to the trunk");
}

#[test]
fn everything_can_be_switched_on() {
    assert!(common::everything_on().proof().paths > 10_000);
}

#[test]
fn the_hash_counts_what_a_caller_could_notice() {
    let hash = |text: &str| parse(text, &silent_prompts()).hash().to_owned();
    let base = hash(HOTLINE);
    assert_eq!(base.len(), 64);
    let same = [
        ("# --- Lines", "# --- The lines"),
        ("after = 3, then = \"join\"", "then = 'join', after = 3.0"),
        ("label = \"Hotline\"", "label = \"The line\""),
        ("name = \"English, in the first second\"", "name = \"English\""),
        ("\"263\", \"354\"", "\"354\", \"263\""),
    ];
    for (from, to) in same {
        assert_eq!(hash(&replaced(HOTLINE, from, to)), base, "{to}");
    }
    let other = [
        ("after = 3, then = \"join\"", "after = 2.9, then = \"join\""),
        ("\"263\", \"354\"", "\"354\""),
        ("+18335550101", "+18335550102"),
        ("anyone_after = 10", "anyone_after = 11"),
        ("8 = \"repeat\"", "4 = \"repeat\""),
        ("P2 = \"P2n\"", "P2 = \"P6n\""),
    ];
    for (from, to) in other {
        let text = common::without_tests(&replaced(HOTLINE, from, to));
        assert_ne!(hash(&text), base, "{to}");
    }
    let texts = replaced(common::TEXTS, "You're still in line.", "You are still in line.");
    let reworded = Catalogue::without_audio("catalogue.toml", &texts).unwrap();
    assert_ne!(parse(HOTLINE, &reworded).hash(), base, "a prompt's text");
    let texts = replaced(common::TEXTS, "Your state is: ready.", "You are ready.");
    let reworded = Catalogue::without_audio("catalogue.toml", &texts).unwrap();
    assert_eq!(parse(HOTLINE, &reworded).hash(), base, "what advocates hear is no part of the plan");
}

#[test]
fn a_walk_is_printed_as_a_log() {
    let plan = parse(HOTLINE, &silent_prompts());
    let line = plan.lines()[0].id.clone();
    let log = run(&plan, &Script::keys(&line, "2,5").unwrap()).to_string();
    let mut lines = log.lines();
    assert_eq!(lines.next().unwrap(), "   0.00 s  picked up");
    for wanted in [
        "   0.00 s  hears P1.1 en (2.0 s): Hello. For English, press 1.",
        "   1.00 s  key 2",
        "   1.00 s  JOINS THE QUEUE: language fr standard",
        "   1.00 s  sound: waiting",
        "   6.00 s  key 5",
        "   6.00 s  now known: urgent silent",
    ] {
        assert!(log.lines().any(|line| line == wanted), "no {wanted:?} in\n{log}");
    }
    assert!(Script::keys(&line, "2,x").unwrap_err().contains("\"x\" is no key"));
    assert!(Script::keys(&line, "2@-1").unwrap_err().contains("no time"));
    assert!(Script::keys(&line, "2@1.5, # ,").is_ok());
}

#[test]
fn the_drawing_is_one_clean_accessible_image() {
    for plan in [parse(HOTLINE, &silent_prompts()), common::everything_on()] {
        let svg = plan.graph_svg();
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && svg.ends_with("</svg>\n"));
        for part in [
            "role=\"img\"",
            "<title id=\"title\">",
            "<desc id=\"desc\">",
            ">greeting<",
            ">Waiting in the queue<",
            ">An advocate<",
        ] {
            assert!(svg.contains(part), "{part}");
        }
        assert!(
            !svg.contains("href") && !svg.contains("NaN") && !svg.contains("\"inf"),
            "self-contained, finite"
        );
        assert_eq!(svg.matches("<g>").count(), svg.matches("</g>").count());
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    }
}

fn parse(text: &str, prompts: &std::sync::Arc<Catalogue>) -> std::sync::Arc<Dialplan> {
    let text = if prompts.placeholders() == 0 { common::without_tests(text) } else { text.to_owned() };
    Dialplan::parse("hotline.toml", &text, prompts, NONE).unwrap_or_else(|found| panic!("{}", list(&found)))
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}
