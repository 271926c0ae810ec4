//! What the tests of this crate share: the shipped prompts and dialplan.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use havre_dialplan::{Catalogue, Diagnostic, Dialplan, Targets};

pub(crate) const HOTLINE: &str = include_str!("../../../../dialplans/hotline.toml");
pub(crate) const TEXTS: &str = include_str!("../../../../prompts/catalogue.toml");
pub(crate) const ALL: Targets = Targets { on_call: true, partner: true, interpreter: true };
pub(crate) const NONE: Targets = Targets { on_call: false, partner: false, interpreter: false };

/// A directory of the repository.
pub(crate) fn repository(directory: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(directory)
}

/// The real prompts.
pub(crate) fn prompts() -> Arc<Catalogue> {
    static PROMPTS: OnceLock<Arc<Catalogue>> = OnceLock::new();
    PROMPTS
        .get_or_init(|| {
            Catalogue::load(&repository("prompts")).unwrap_or_else(|found| panic!("{}", list(&found)))
        })
        .clone()
}

/// The real texts with silence as long as they would take.
pub(crate) fn silent_prompts() -> Arc<Catalogue> {
    static PROMPTS: OnceLock<Arc<Catalogue>> = OnceLock::new();
    PROMPTS.get_or_init(|| Catalogue::without_audio("catalogue.toml", TEXTS).unwrap()).clone()
}

/// The real plan with everything switched on.
pub(crate) fn everything_on() -> Arc<Dialplan> {
    static PLAN: OnceLock<Arc<Dialplan>> = OnceLock::new();
    PLAN.get_or_init(|| {
        let text = HOTLINE.replace("enabled = false", "enabled = true");
        Dialplan::parse("hotline.toml", &text, &prompts(), ALL)
            .unwrap_or_else(|found| panic!("{}", list(&found)))
    })
    .clone()
}

pub(crate) fn list(found: &[Diagnostic]) -> String {
    found.iter().map(|d| format!("{d}\n")).collect()
}

/// The real plan, with everything switched on, and silence in place of the audio.
pub(crate) fn silent_plan() -> Arc<Dialplan> {
    static PLAN: OnceLock<Arc<Dialplan>> = OnceLock::new();
    PLAN.get_or_init(|| {
        let text = without_tests(&HOTLINE.replace("enabled = false", "enabled = true"));
        Dialplan::parse("hotline.toml", &text, &silent_prompts(), ALL)
            .unwrap_or_else(|found| panic!("{}", list(&found)))
    })
    .clone()
}

/// The plan without its own tests: a test that changes it expects other things.
pub(crate) fn without_tests(text: &str) -> String {
    text.split("[[test]]").next().unwrap().to_owned()
}
