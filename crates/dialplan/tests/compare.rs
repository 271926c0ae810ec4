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
    assert!(path.ends_with(": 7"), "{path}");
    assert!(before[0].contains("information") && after[0].contains("urgent"), "{before:?} {after:?}");
    assert!(found.len() < 40, "the same difference is told once: {}", found.len());
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
