//! `havre check`: everything that `havre run` would refuse, found before.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use havre_model::{Spoken, Unix};
use havre_node::clock::Clock;
use serde_json::json;

use crate::load::{self, Finding, Loaded};
use crate::output::outln;
use crate::{tls, tongue};

/// Check configuration, prompts and dialplan.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The configuration; without it, the built-in demo.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// For machines.
    #[arg(long)]
    json: bool,
}

/// Says what is wrong, or what was proven.
pub(crate) fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    match load::load(args.config.as_deref()) {
        Ok(loaded) => {
            if args.json {
                let plan = &loaded.plan;
                let proof = plan.proof().to_string();
                let warnings: Vec<String> = plan.warnings().iter().map(ToString::to_string).collect();
                outln!(
                    "{}",
                    json!({"ok": true, "dialplan": plan.hash(), "proof": proof, "warnings": warnings})
                );
            } else {
                for line in proven(&loaded, Clock::new().now().unix, tongue::of_reader()) {
                    outln!("{line}");
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(findings) => {
            if args.json {
                let list: Vec<_> = findings
                    .iter()
                    .map(|f| {
                        let (what_fr, remedy_fr) = f.french.clone().unzip();
                        json!({"file": f.file, "line": f.line, "key": f.key, "what": f.what, "remedy": f.remedy,
                               "what_fr": what_fr, "remedy_fr": remedy_fr})
                    })
                    .collect();
                outln!("{}", json!({"ok": false, "findings": list}));
            } else {
                crate::print_findings(findings);
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What is worth a look in a good configuration, and what it holds.
fn proven(loaded: &Loaded, now: Unix, tongue: Spoken) -> Vec<String> {
    let (plan, config) = (&loaded.plan, &loaded.config);
    let (hash, proof) = (plan.hash(), plan.proof().said());
    let (found, note) = (plan.warnings().iter().cloned(), tls::note(&loaded.material, now));
    let count = |count, one, many| tongue::counted(count, tongue, one, many);
    let (trunks, accounts, lines) = (config.trunks.len(), config.agents.len(), plan.lines().len());
    if tongue == Spoken::Fr {
        let found = found.map(|found| Finding::from(found).said_in(tongue));
        let warnings =
            found.chain(note.map(|note| note.fr)).map(|said| format!("avertissement\u{a0}: {said}"));
        let (trunks, accounts) =
            (count(trunks, "ligne réseau", "lignes réseau"), count(accounts, "poste", "postes"));
        let facts = [
            format!("configuration\u{a0}: {trunks}, {accounts}"),
            format!("parcours d’appel\u{a0}: {}, {hash}", count(lines, "ligne", "lignes")),
            proof.fr,
            "tout est bon".to_owned(),
        ];
        return warnings.chain(facts).collect();
    }
    let found = found.map(|found| found.to_string());
    let warnings = found.chain(note.map(|note| format!("warning: {}", note.en)));
    let (trunks, accounts) = (count(trunks, "trunk", "trunks"), count(accounts, "account", "accounts"));
    let facts = [
        format!("configuration: {trunks}, {accounts}"),
        format!("dialplan:      {}, {hash}", count(lines, "line", "lines")),
        proof.en,
        "ok".to_owned(),
    ];
    warnings.chain(facts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_proven_is_said_in_the_readers_language() {
        let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/demo.toml");
        let loaded = load::load(Some(demo.as_ref())).unwrap_or_else(|found| panic!("{found:?}"));
        let now = Unix::from_millis(0);
        let (english, french) =
            (proven(&loaded, now, Spoken::En).join("\n"), proven(&loaded, now, Spoken::Fr).join("\n"));
        assert_eq!(english.lines().count(), french.lines().count());
        for said in ["configuration: ", " accounts", "every one ends at a person", "English first"] {
            assert!(english.contains(said) && !french.contains(said), "{said}:\n{english}\n{french}");
        }
        for said in ["postes", "parcours d’appel\u{a0}: ", "chacun mène à une personne", "l’anglais d’abord"]
        {
            assert!(french.contains(said), "{said}:\n{french}");
        }
        assert!(english.ends_with("\nok") && french.ends_with("\ntout est bon"));
    }
}
