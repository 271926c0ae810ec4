//! `havre dialplan`: look at a plan before a caller does.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use havre_dialplan::simulate::{self, Script};
use havre_dialplan::{Catalogue, Dialplan};

use crate::config::{Config, ConfigErrors};
use crate::load::{Finding, targets};
use crate::output::{out, outln};

/// What to do with a plan.
#[derive(Debug, Subcommand)]
pub(crate) enum DialplanCommand {
    /// Draw it as SVG
    Graph(GraphArgs),
    /// Walk through it as a caller who presses these keys
    Walk(WalkArgs),
}

#[derive(Debug, Args)]
struct PlanArgs {
    /// The configuration that names plan and prompts; without it, the built-in demo.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Another plan than the configured one.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// `havre dialplan graph`.
#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    #[command(flatten)]
    plan: PlanArgs,
    /// Where to write; standard output by default.
    #[arg(long, short)]
    output: Option<PathBuf>,
}

/// `havre dialplan walk`.
#[derive(Debug, Args)]
pub(crate) struct WalkArgs {
    #[command(flatten)]
    plan: PlanArgs,
    /// Keys, with seconds from the INVITE where they matter: 2,5 or 2@1.5,5@30. Empty presses nothing.
    #[arg(long, default_value = "")]
    keys: String,
    /// The line dialled; the first of the plan by default.
    #[arg(long)]
    line: Option<String>,
    /// The caller's number (E.164), for its area code.
    #[arg(long)]
    caller: Option<String>,
}

/// Does it.
pub(crate) fn run(command: DialplanCommand) -> anyhow::Result<ExitCode> {
    let args = match &command {
        DialplanCommand::Graph(graph) => &graph.plan,
        DialplanCommand::Walk(walk) => &walk.plan,
    };
    let plan = match load(args) {
        Ok(plan) => plan,
        Err(findings) => {
            crate::print_findings(findings);
            return Ok(ExitCode::FAILURE);
        }
    };
    match command {
        DialplanCommand::Graph(graph) => match graph.output {
            Some(path) => {
                std::fs::write(&path, plan.graph_svg())
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
            None => outln!("{}", plan.graph_svg()),
        },
        DialplanCommand::Walk(walk) => {
            let line = match &walk.line {
                Some(name) => plan.lines().iter().find(|line| line.id.as_str() == name),
                None => plan.lines().first(),
            };
            let line = line.ok_or_else(|| {
                let known: Vec<&str> = plan.lines().iter().map(|line| line.id.as_str()).collect();
                anyhow!("no such line; the plan has {}", known.join(", "))
            })?;
            let mut script = Script::keys(&line.id, &walk.keys).map_err(|error| anyhow!(error))?;
            script.caller = walk.caller;
            out!("{}", simulate::run(&plan, &script));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn load(args: &PlanArgs) -> Result<Arc<Dialplan>, Vec<Finding>> {
    let config = Config::load(args.config.as_deref())
        .map_err(|ConfigErrors(errors)| errors.into_iter().map(Finding::from).collect::<Vec<_>>())?;
    let found =
        |found: Vec<havre_dialplan::Diagnostic>| found.into_iter().map(Finding::from).collect::<Vec<_>>();
    let catalogue = Catalogue::load(&config.prompts).map_err(found)?;
    let file = args.file.as_ref().unwrap_or(&config.dialplan);
    Dialplan::load(file, &catalogue, targets(&config)).map_err(found)
}
