//! `havre prompts`: the recordings.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use havre_dialplan::prompts;
use havre_model::Spoken;

use crate::output::{out, outln};

/// What to do with the recordings.
#[derive(Debug, Subcommand)]
pub(crate) enum PromptsCommand {
    /// Measure every recording again: format, loudness, length, and whether its text has changed
    Check(CheckArgs),
    /// Take in a human recording in place of one clip
    Replace(ReplaceArgs),
}

/// `havre prompts check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The directory of the recordings.
    #[arg(long, default_value = "prompts")]
    dir: PathBuf,
}

/// `havre prompts replace`.
#[derive(Debug, Args)]
pub(crate) struct ReplaceArgs {
    /// The clip, as the catalogue names it (P2), or a sound (waiting).
    prompt: String,
    /// en, fr or es; `none` for sounds.
    language: String,
    /// The recording: WAV, 16 kHz, mono, 16 bit.
    wav: PathBuf,
    /// The directory of the recordings.
    #[arg(long, default_value = "prompts")]
    dir: PathBuf,
}

/// Does it.
pub(crate) fn run(command: PromptsCommand) -> anyhow::Result<ExitCode> {
    match command {
        PromptsCommand::Check(args) => {
            let report = prompts::check(&args.dir);
            out!("{report}");
            outln!("{}", if report.is_good() { "ok" } else { "not usable as it is" });
            Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        PromptsCommand::Replace(args) => {
            let spoken = match args.language.as_str() {
                "none" => None,
                name => match Spoken::from_name(name) {
                    Some(spoken) => Some(spoken),
                    None => anyhow::bail!("{name:?} is no language of the prompts: write en, fr, es or none"),
                },
            };
            match prompts::replace(&args.dir, &args.prompt, spoken, &args.wav) {
                Ok(clip) => {
                    let (seconds, loudness) = (clip.duration().as_secs_f64(), clip.loudness);
                    outln!("{clip} replaced: {seconds:.2} s, {loudness:.1} LUFS");
                    Ok(ExitCode::SUCCESS)
                }
                Err(findings) => {
                    crate::print_findings(findings);
                    Ok(ExitCode::FAILURE)
                }
            }
        }
    }
}
