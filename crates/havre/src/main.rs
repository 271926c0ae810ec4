//! `havre`: the voice-routing system of a bilingual crisis line.
//!
//! This binary is configuration, wiring and the command line; everything that a caller or an advocate meets lives in
//! the crates under it.

// The command line speaks to its reader on standard output, and measures time for them.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)]

mod banner;
mod certificates;
mod check;
mod config;
mod dialplan;
mod line;
mod load;
mod logging;
mod office;
mod output;
mod people;
mod phone;
mod prompts;
mod report;
mod run;
mod tls;
mod tongue;
mod trace;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Havre, the voice-routing system of a bilingual crisis line.
#[derive(Debug, Parser)]
#[command(name = "havre", version, about, max_term_width = 100)]
#[command(after_help = "A first call, each line in a terminal of its own:\n  \
    havre run                        the line, on loopback\n  \
    havre answer --as advocate-en    an advocate\n  \
    havre call --keys 1              a caller")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer calls, until SIGTERM or Ctrl-C
    Run(run::RunArgs),
    /// Check configuration, prompts and dialplan, and prove that every caller reaches a person
    Check(check::CheckArgs),
    /// Draw a dialplan, or walk through it as a caller
    #[command(subcommand)]
    Dialplan(dialplan::DialplanCommand),
    /// Check the recordings, or replace one by a human voice
    #[command(subcommand)]
    Prompts(prompts::PromptsCommand),
    /// Place a test call to a running line, and say what was heard
    Call(phone::CallArgs),
    /// Be an advocate in the terminal
    Answer(phone::AnswerArgs),
    /// Count a day's calls: offered = answered + abandoned + lost + in progress
    Report(report::ReportArgs),
    /// Show what passed over the wire in a call: who sent what when
    Trace(trace::TraceArgs),
}

fn main() -> ExitCode {
    havre_tls::install_provider();
    let done = match Cli::parse().command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::check(&args),
        Command::Dialplan(command) => dialplan::run(command),
        Command::Prompts(command) => prompts::run(command),
        Command::Call(args) => block_on(phone::call(args)),
        Command::Answer(args) => block_on(phone::answer(args)),
        Command::Report(args) => block_on(report::report(args)),
        Command::Trace(args) => block_on(trace::trace(args)),
    };
    done.unwrap_or_else(|error| {
        eprintln!("havre: {error:#}");
        ExitCode::FAILURE
    })
}

fn block_on(future: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}

/// Prints what is wrong with files, each with its remedy, in the language of whoever reads it.
fn print_findings<T: Into<load::Finding>>(findings: Vec<T>) {
    let (tongue, count) = (tongue::of_reader(), findings.len());
    for finding in findings {
        eprintln!("{}", finding.into().said_in(tongue));
    }
    eprintln!("{}", tongue::nothing_was_done(count, tongue));
}
