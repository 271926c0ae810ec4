//! What callers would notice of another plan.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::{HOTLINE, NONE, list, silent_prompts, without_tests};
use havre_dialplan::compare::{Difference, differences};
use havre_dialplan::{Dialplan, Pressed};

#[test]
fn a_plan_differs_in_nothing_from_itself() {
    assert_eq!(differences(&plan(HOTLINE), &plan(HOTLINE)), []);
    // Comments and order are no matter to a caller.
    let other = format!("# Another hand.\n{HOTLINE}");
    assert_eq!(differences(&plan(HOTLINE), &plan(&other)), []);
}

#[test]
fn a_key_that_leads_elsewhere_is_told_with_the_shortest_path() {
    let other = HOTLINE.replacen("7 = { risk = \"information\"", "7 = { risk = \"urgent\"", 1);
    assert_ne!(other, HOTLINE);
    let found = differences(&plan(HOTLINE), &plan(&other));
    let Difference { path, before, after, .. } = &found[0];
    assert!(path.en.ends_with(": 7") && path.fr.ends_with("\u{a0}: 7"), "{path:?}");
    let (before, after) = (&before[0], &after[0]);
    assert!(before.en.contains("information") && after.en.contains("urgent"), "{before:?} {after:?}");
    assert!(found.len() < 40, "the same difference is told once: {}", found.len());
}

#[test]
fn what_differs_is_told_in_both_languages() {
    let other = HOTLINE.replacen(
        "5 = { risk = \"urgent\", silent = true",
        "5 = { risk = \"urgent\", discreet = true",
        1,
    );
    assert_ne!(other, HOTLINE);
    let found = differences(&plan(HOTLINE), &plan(&other));
    let joins = found.iter().flat_map(|one| &one.before).find(|step| step.en.starts_with("JOINS")).unwrap();
    assert!(joins.fr.starts_with("ENTRE DANS LA FILE\u{a0}: langue "), "{joins:?}");
    assert!(joins.fr.contains("risque urgent, ne peut pas parler, après "), "{joins:?}");
    let joins = found.iter().flat_map(|one| &one.after).find(|step| step.en.starts_with("JOINS")).unwrap();
    assert!(
        joins.fr.contains("risque urgent, mode discret, après ") && joins.fr.ends_with("0 s"),
        "{joins:?}"
    );
    for step in found.iter().flat_map(|one| one.before.iter().chain(&one.after)) {
        assert_ne!(step.en, step.fr, "a step exists in one language only");
    }
    let shorter = HOTLINE.replacen("after = 3", "after = 2", 1);
    let silence = &differences(&plan(HOTLINE), &plan(&shorter))[0];
    assert!(silence.path.en.ends_with(": no key"), "{silence:?}");
    assert!(silence.path.fr.ends_with("\u{a0}: aucune touche"), "{silence:?}");
}

#[test]
fn an_outline_leads_from_every_line_to_an_advocate() {
    let outline = plan(HOTLINE).outline();
    let ids: Vec<_> = outline.places.iter().map(|place| place.id.as_str()).collect();
    assert!(ids[0].starts_with("line:") && ids.contains(&"waiting") && ids.contains(&"advocate"), "{ids:?}");
    for way in &outline.ways {
        assert!(ids.contains(&way.from.as_str()) && ids.contains(&way.to.as_str()), "{way:?}");
    }
    let menu = outline.places.iter().find(|place| place.kind == "menu").unwrap();
    assert!(menu.english.contains("press 1") && menu.french.contains("appuyez"), "{menu:?}");
    let from_menu: Vec<_> =
        outline.ways.iter().filter(|way| way.from == menu.id).map(|way| way.key).collect();
    assert!(from_menu.contains(&Pressed::Nothing) && from_menu.len() > 3, "{from_menu:?}");
}

fn plan(text: &str) -> Arc<Dialplan> {
    Dialplan::parse("hotline.toml", &without_tests(text), &silent_prompts(), NONE)
        .unwrap_or_else(|found| panic!("{}", list(&found)))
}
