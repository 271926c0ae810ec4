//! Phones in the terminal: `havre call` is a caller, `havre answer` is an advocate. A first call needs no other phone.

mod answer;
mod call;
mod driver;
mod ear;
mod keys;
mod levels;
mod screen;
mod typed;
mod verdict;

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use havre_media::Codec;
use havre_media::sdp::Srtp;
use havre_media::srtp::Suite;

use crate::config::Config;

pub(crate) use answer::{AnswerArgs, answer};
pub(crate) use call::{CallArgs, call};

/// What `havre answer` sounds like. Between two notes, so that no waiting sound is taken for it.
const ADVOCATE_HZ: f32 = 453.0;
/// The same, once it hears `havre call`: that is how the caller knows of it.
const ADVOCATE_HEARS_HZ: f32 = 640.0;
/// What `havre call` sounds like once it hears an advocate.
const CALLER_HZ: f32 = 855.0;
/// Soft, and well above noise.
const TONE_DBM0: f32 = -25.0;

/// The configuration that a terminal phone takes its defaults from.
fn configuration(path: Option<&Path>) -> anyhow::Result<Config> {
    Config::load(path).map_err(|errors| anyhow!("{errors}"))
}

/// Where the line is: as asked for, or as configured.
fn line_address(asked: Option<SocketAddr>, config: &Config) -> anyhow::Result<SocketAddr> {
    asked.or(config.sip_listen.first().copied()).context("the configuration has no sip.listen; give --line")
}

/// `--srtp`.
fn parse_srtp(text: &str) -> Result<Srtp, String> {
    Srtp::from_name(text).ok_or_else(|| "write off, offered or required".to_owned())
}

/// How audio travels, for people.
fn carriage(codec: Codec, suite: Option<Suite>) -> String {
    let protection = suite.map_or("not encrypted", Suite::name);
    format!("{}, {protection}", codec.name())
}

/// A refusal's status, in words that help.
fn hint(status: Option<u16>, line: SocketAddr) -> String {
    match status {
        None | Some(408 | 503) => {
            format!("nobody answers at {line}. Is the line running? Start it with `havre run`")
        }
        Some(401 | 403) => {
            "the line does not let us in: wrong password, or not a source that it knows".to_owned()
        }
        Some(404) => "the line has no such number or account".to_owned(),
        Some(480) => "nobody is there".to_owned(),
        Some(488) => "the line takes no such media: no codec in common, or encryption (`--srtp`) that one side wants and the other lacks".to_owned(),
        Some(486 | 600) => "busy".to_owned(),
        Some(603) => "declined".to_owned(),
        Some(status) => format!("refused with SIP status {status}"),
    }
}

/// Ctrl-C, or a polite kill.
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
