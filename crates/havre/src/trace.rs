//! `havre trace`: the signalling of a call, as the running node saw it pass, drawn as a ladder.

mod ask;
mod draw;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Deserialize;

use crate::config::Config;
use crate::output::{out, outln};

/// Show what passed over the wire in a call.
#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// The call, as the log, the API and the console name it.
    #[arg(required_unless_present = "attempts")]
    call: Option<String>,
    /// The last INVITEs that became no call: refused, dropped, or feature codes.
    #[arg(long, conflicts_with = "call")]
    attempts: bool,
    /// The configuration that the node runs with; without it, the built-in demo.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the node's API listens, if it is not where the configuration says.
    #[arg(long, value_name = "ADDRESS")]
    api: Option<SocketAddr>,
    /// For machines: as the API answers.
    #[arg(long)]
    json: bool,
}

/// The signalling of one call or attempt, as the API tells it.
#[derive(Debug, Deserialize)]
struct Ladder {
    messages: Vec<Message>,
    left_out: u64,
}

/// One message.
#[derive(Debug, Deserialize)]
struct Message {
    at: i64,
    after_ms: u64,
    peer: Peer,
    dialog: usize,
    sent: bool,
    transport: String,
    method: String,
    status: Option<u16>,
    again: bool,
    sdp: bool,
    cause: Option<u16>,
}

/// The far end.
#[derive(Debug, Deserialize)]
struct Peer {
    id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Attempts {
    attempts: Vec<Attempt>,
}

#[derive(Debug, Deserialize)]
struct Attempt {
    at: i64,
    peer: Peer,
    status: Option<u16>,
    #[serde(flatten)]
    ladder: Ladder,
}

/// Prints a ladder, or those of the attempts.
pub(crate) async fn trace(args: TraceArgs) -> anyhow::Result<ExitCode> {
    let config = match Config::load(args.config.as_deref()) {
        Ok(config) => config,
        Err(errors) => {
            crate::print_findings(errors.0);
            return Ok(ExitCode::FAILURE);
        }
    };
    let secure = config.http_secure.then(|| ask::Secure::new(&config.tls)).transpose()?;
    let address = args.api.unwrap_or(config.http_listen);
    let node = ask::Node { address, token: config.http_token, secure };
    let Some(call) = args.call else {
        let answer = node.get("/api/v1/attempts").await?;
        return print(&answer, args.json, print_attempts);
    };
    // An id is hexadecimal; nothing else becomes part of a path.
    if call.is_empty() || !call.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        bail!("{call:?} is no id of a call; the log and GET /api/v1/calls show them");
    }
    let answer = node.get(&format!("/api/v1/calls/{call}/trace")).await?;
    print(&answer, args.json, |ladder: &Ladder| out!("Call {call}\n\n{}", draw::ladder(ladder)))
}

fn print<T: for<'a> Deserialize<'a>>(
    answer: &[u8],
    json: bool,
    show: impl FnOnce(&T),
) -> anyhow::Result<ExitCode> {
    if json {
        outln!("{}", String::from_utf8_lossy(answer));
    } else {
        show(
            &serde_json::from_slice(answer)
                .context("the node's answer is not understood: is it as new as this program?")?,
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn print_attempts(Attempts { attempts }: &Attempts) {
    if attempts.is_empty() {
        outln!("Every INVITE became a call.");
    }
    for Attempt { at, peer, status, ladder } in attempts {
        let who = peer.id.as_deref().unwrap_or("unknown source");
        let answer =
            status.map_or_else(|| "no final answer".to_owned(), |status| format!("answered {status}"));
        out!("{}  {who}: {answer}\n\n{}\n", draw::moment(*at), draw::ladder(ladder));
    }
}
