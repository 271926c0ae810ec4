//! The carriers' trunks, as far as anything is known of them, and why one is down.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use havre_model::{TrunkDown, TrunkHealth};
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use crate::problem::Problem;
use crate::words::WhyWord;

/// A trunk that brought no call for so long is quiet. A line with 14 calls a day has quiet nights.
const LATELY: Duration = Duration::from_secs(24 * 3600);

/// The configured trunks.
#[derive(Serialize, ToSchema)]
pub(crate) struct Trunks {
    trunks: Vec<Trunk>,
}

/// One trunk.
#[derive(Serialize, ToSchema)]
pub(crate) struct Trunk {
    id: String,
    /// The addresses it may call from.
    sources: Vec<String>,
    /// Calls in progress.
    calls: usize,
    /// Calls taken since the start.
    offered: u64,
    /// Calls refused since the start.
    refused: u64,
    /// When the last one was taken, in milliseconds since 1970 (UTC).
    last_call: Option<i64>,
    state: TrunkState,
    why: WhyWord,
    /// Since when it is up or down, where it is asked, in milliseconds since 1970 (UTC).
    since: Option<i64>,
}

/// What is known of a trunk. One over which we call is asked whether it is there; of another only its calls tell.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TrunkState {
    Up,
    /// It does not answer, or refuses us.
    Down,
    Quiet,
    Unknown,
}

/// Why it is thought so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrunkWhy {
    /// It answers when it is asked.
    Answers,
    /// It does not, or refuses us.
    Down(TrunkDown),
    /// It carries calls now.
    CallInProgress,
    /// It brought one in the last 24 hours.
    CalledLately,
    /// It brought none in the last 24 hours.
    NoCallForADay,
    /// It has brought none since the start.
    NoCallSinceStart,
}

impl TrunkWhy {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Answers => "answers",
            Self::Down(why) => why.as_str(),
            Self::CallInProgress => "call_in_progress",
            Self::CalledLately => "called_lately",
            Self::NoCallForADay => "no_call_for_a_day",
            Self::NoCallSinceStart => "no_call_since_start",
        }
    }

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let calls = [Self::CallInProgress, Self::CalledLately, Self::NoCallForADay, Self::NoCallSinceStart];
        [Self::Answers].into_iter().chain(TrunkDown::ALL.map(Self::Down)).chain(calls)
    }
}

/// The trunks, and what their calls say of them.
#[utoipa::path(get, path = "/api/v1/trunks", tag = "operation", responses(
    (status = 200, body = Trunks),
    (status = 401, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn trunks(State(shared): State<Shared>) -> Json<Trunks> {
    let (snapshot, measures) = (shared.line.snapshot(), shared.line.measures());
    let configured = shared.line.trunks();
    let trunks = configured.into_iter().map(|(id, sources)| {
        let calls = snapshot.calls.iter().filter(|call| call.trunk == id).count();
        let (offered, last) =
            snapshot.tally.by_trunk.get(&id).map_or((0, None), |(n, last)| (*n, Some(*last)));
        let health = snapshot.trunks.get(&id).copied();
        let (state, why) = match (health, last) {
            (Some((TrunkHealth::Down(why), _)), _) => (TrunkState::Down, TrunkWhy::Down(why)),
            _ if calls > 0 => (TrunkState::Up, TrunkWhy::CallInProgress),
            (Some((TrunkHealth::Up, _)), _) => (TrunkState::Up, TrunkWhy::Answers),
            (_, Some(last)) if snapshot.at.unix.since(last) <= LATELY => {
                (TrunkState::Up, TrunkWhy::CalledLately)
            }
            (_, Some(_)) => (TrunkState::Quiet, TrunkWhy::NoCallForADay),
            (_, None) => (TrunkState::Unknown, TrunkWhy::NoCallSinceStart),
        };
        let refused = measures.trunk_errors.iter().filter(|(trunk, ..)| *trunk == id).map(|(.., n)| n).sum();
        let last_call = last.map(havre_model::Unix::as_millis);
        let since = health.map(|(_, since)| since.as_millis());
        let why = WhyWord(why);
        Trunk { id: id.to_string(), sources, calls, offered, refused, last_call, state, why, since }
    });
    Json(Trunks { trunks: trunks.collect() })
}
