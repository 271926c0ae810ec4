//! The carriers' trunks, as far as anything is known of them.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use crate::problem::Problem;

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
    why: TrunkWhy,
}

/// What the calls say of a trunk. It is not asked whether it is there, so nothing more is known.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TrunkState {
    Up,
    Quiet,
    Unknown,
}

/// Why it is thought so.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TrunkWhy {
    /// It carries calls now.
    CallInProgress,
    /// It brought one in the last 24 hours.
    CalledLately,
    /// It brought none in the last 24 hours.
    NoCallForADay,
    /// It has brought none since the start.
    NoCallSinceStart,
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
        let (state, why) = match last {
            _ if calls > 0 => (TrunkState::Up, TrunkWhy::CallInProgress),
            Some(last) if snapshot.at.unix.since(last) <= LATELY => (TrunkState::Up, TrunkWhy::CalledLately),
            Some(_) => (TrunkState::Quiet, TrunkWhy::NoCallForADay),
            None => (TrunkState::Unknown, TrunkWhy::NoCallSinceStart),
        };
        let refused = measures.trunk_errors.iter().filter(|(trunk, ..)| *trunk == id).map(|(.., n)| n).sum();
        let last_call = last.map(havre_model::Unix::as_millis);
        Trunk { id: id.to_string(), sources, calls, offered, refused, last_call, state, why }
    });
    Json(Trunks { trunks: trunks.collect() })
}
