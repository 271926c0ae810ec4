//! A dialplan's text: no panic; what is refused says what is wrong and what to do; what is accepted joins every caller.
//! Seeds: the repository's `dialplans/`.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use havre_dialplan::simulate::{Script, run};
use havre_dialplan::{Catalogue, Dialplan, Targets, limits};
use libfuzzer_sys::fuzz_target;

static PROMPTS: LazyLock<Arc<Catalogue>> = LazyLock::new(|| {
    let texts = include_str!("../../../prompts/catalogue.toml");
    Catalogue::without_audio("catalogue.toml", texts).expect("the shipped texts are good")
});

fuzz_target!(|text: &str| {
    let targets = Targets { on_call: true, partner: true, interpreter: false };
    match Dialplan::parse("fuzz.toml", text, &PROMPTS, targets) {
        Ok(plan) => {
            for line in plan.lines() {
                let keys = Script {
                    line: line.id.clone(),
                    caller: None,
                    inputs: Vec::new(),
                    until: Duration::from_secs(60),
                };
                let joined = run(&plan, &keys).joined.expect("joined");
                assert!(joined <= limits::JOIN_WITHOUT_KEY);
            }
            assert!(plan.graph_svg().ends_with("</svg>\n"));
        }
        Err(found) => {
            assert!(!found.is_empty());
            for diagnostic in found {
                assert!(!diagnostic.what.is_empty() && !diagnostic.remedy.is_empty(), "{diagnostic}");
            }
        }
    }
});
