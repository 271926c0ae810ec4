//! `havre report`: a day, counted again from the record.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;
use havre_store::{Day, Report, Share};

use crate::config::Config;
use crate::output::outln;

/// Count a day's calls.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The configuration that names the record; without it, the built-in demo.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// today, yesterday or YYYY-MM-DD (UTC).
    #[arg(long, default_value = "today")]
    day: Day,
    /// For machines.
    #[arg(long)]
    json: bool,
}

/// Prints the day.
pub(crate) async fn report(args: ReportArgs) -> anyhow::Result<ExitCode> {
    let config = match Config::load(args.config.as_deref()) {
        Ok(config) => config,
        Err(errors) => {
            crate::print_findings(errors.0);
            return Ok(ExitCode::FAILURE);
        }
    };
    let report = havre_store::report(&config.records, args.day).await.map_err(|error| anyhow!("{error}"))?;
    if args.json {
        outln!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(report: &Report) {
    outln!("Calls of {} (UTC)\n", report.day);
    let sum = report.answered + report.abandoned + report.lost + report.in_progress;
    for (name, count) in [
        ("offered", report.offered),
        ("answered", report.answered),
        ("abandoned", report.abandoned),
        ("lost", report.lost),
        ("in progress", report.in_progress),
    ] {
        outln!("  {name:<12} {count:>6}");
    }
    let adds_up = if sum == report.offered { "adds up" } else { "DOES NOT ADD UP: please report this" };
    outln!("\n  answered + abandoned + lost + in progress = {sum}: {adds_up}");
    table("language", report.by_language.iter());
    table("class", report.by_risk.iter());
}

fn table<'a>(title: &str, shares: impl Iterator<Item = (&'a String, &'a Share)>) {
    outln!("\n  {title:<12} offered  answered  abandoned  mean wait   80 % within  answered in 20 s");
    for (name, share) in shares {
        outln!(
            "  {name:<12} {:>7}  {:>8}  {:>9}  {:>7.1} s  {:>9.1} s  {:>14.0} %",
            share.offered,
            share.answered,
            share.abandoned,
            share.mean_wait_s,
            share.p80_wait_s,
            share.within_20_s * 100.0
        );
    }
}
