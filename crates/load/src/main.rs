//! `havre-load`: a load generator for SIP servers. It places real calls with real RTP, takes them as agents too, and
//! checks every packet that comes back.
//!
//! A run is a [`plan`]; the [`ladder`] climbs its steps with a [`crowd`] of callers and agents; both are machines that
//! take time as an argument. The [`shell`] around them has the sockets and the clocks. Nothing here knows Havre: any SIP
//! server with a number and a queue can be measured.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line speaks to its reader")]

mod arrivals;
mod batch;
mod cli;
mod crowd;
mod hearing;
mod histogram;
mod ladder;
mod pace;
mod plan;
mod progress;
mod report;
mod shell;
mod stamp;
mod step;
mod tally;
mod tone;
mod voice;
mod watch;

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser as _;

use cli::{Cli, Order};
use progress::Progress;
use report::Report;

fn main() -> ExitCode {
    run(Cli::parse()).unwrap_or_else(|error| {
        eprintln!("havre-load: {error:#}");
        ExitCode::from(2)
    })
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let (scenario, options) = cli.command.parts();
    let Order { plan, sockets, pids } = options.order(scenario)?;
    if let Some(pid) = pids.iter().find(|pid| watch::usage_of(&[**pid]).is_none()) {
        anyhow::bail!("there is no process {pid} to measure");
    }
    if let Some(file) = &options.svg {
        // Before anything is measured: what cannot be written would be lost.
        let opened = std::fs::OpenOptions::new().create(true).append(true).open(file);
        opened.with_context(|| format!("cannot write {}", file.display()))?;
    }
    let plan = Arc::new(plan);
    let outcome = shell::run(&plan, sockets, pids, Progress::new(options.quiet))?;
    let report = Report { plan: &plan, outcome: &outcome };
    let text = if options.json { format!("{:#}\n", report.json()) } else { report.text() };
    match std::io::stdout().write_all(text.as_bytes()) {
        // Whoever reads it may stop reading; the plots and the exit status are still wanted.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written?,
    }
    if let Some(file) = &options.svg {
        std::fs::write(file, report.svg()).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
