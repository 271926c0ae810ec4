//! `havre check`: everything that `havre run` would refuse, found before.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use havre_model::Spoken;
use havre_node::clock::Clock;
use serde_json::json;

use crate::load::{self, Finding};
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
            let (plan, config) = (&loaded.plan, &loaded.config);
            let warnings = plan.warnings().iter().cloned();
            let tongue = if args.json { Spoken::En } else { tongue::of_reader() };
            let warnings: Vec<String> = warnings
                .map(|found| match tongue {
                    Spoken::Fr => format!("avertissement\u{a0}: {}", Finding::from(found).said_in(tongue)),
                    _ => found.to_string(),
                })
                .collect();
            if args.json {
                let proof = plan.proof().to_string();
                outln!(
                    "{}",
                    json!({"ok": true, "dialplan": plan.hash(), "proof": proof, "warnings": warnings})
                );
            } else {
                for warning in warnings {
                    outln!("{warning}");
                }
                outln!("configuration: {} trunks, {} accounts", config.trunks.len(), config.agents.len());
                outln!("dialplan:      {} lines, {}", plan.lines().len(), plan.hash());
                outln!("{}", plan.proof());
                if let Some(note) = tls::note(&loaded.material, Clock::new().now().unix) {
                    outln!("warning: {note}");
                }
                outln!("ok");
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
