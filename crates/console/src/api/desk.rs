//! An advocate's own desk: what rings, the talk, the state, and whether a call can arrive at all.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use havre_model::{AgentId, AgentState};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};
use utoipa::ToSchema;

use super::Shared;
use super::agents::{bad_body, command};
use super::stream::{Frames, place, respond};
use crate::access::{Act, Who};
use crate::office::TalkEnd;
use crate::problem::Problem;
use crate::screens::{call_of, desk_of};
use crate::views::{Desk, millis};
use crate::words::{CommandWord, LanguageWord, RiskWord};

/// What the advocate asks of their own state.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeskWish {
    command: CommandWord,
}

/// Whose desk it is: one's own. Whoever bears the token may look at any.
pub(crate) struct Mine {
    pub(super) agent: AgentId,
    pub(super) who: Who,
}

#[derive(Deserialize)]
struct Asked {
    agent: Option<String>,
}

impl FromRequestParts<Shared> for Mine {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Problem> {
        let who = Who::from_request_parts(parts, shared).await?;
        let agent = if who.session.is_some() {
            who.agent.clone()
        } else {
            let asked = Query::<Asked>::from_request_parts(parts, shared).await;
            asked.ok().and_then(|Query(asked)| asked.agent).and_then(|agent| agent.parse().ok())
        };
        let own = who.session.is_some();
        agent.map(|agent| Self { agent, who }).ok_or_else(|| {
            if own {
                let detail = "This account takes no calls.";
                let remedy = "Ask an operator to give it an agent.";
                return Problem::new(StatusCode::FORBIDDEN, "no-agent", "No desk", detail, remedy);
            }
            let detail = "The request does not say whose desk is meant.";
            let remedy = "Say it with `?agent=ID`; GET /api/v1/agents lists those there are.";
            Problem::new(StatusCode::BAD_REQUEST, "no-agent", "Whose desk?", detail, remedy)
        })
    }
}

/// The advocate's desk.
#[utoipa::path(get, path = "/api/v1/desk", tag = "desk", params(("agent" = Option<String>, Query)), responses(
    (status = 200, body = Desk),
    (status = 400, description = "Whose desk?", body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "No such advocate.", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn desk(
    State(shared): State<Shared>,
    Mine { agent, .. }: Mine,
) -> Result<Json<Desk>, Problem> {
    desk_of(&agent, &shared.line.snapshot()).map(Json).ok_or_else(|| unknown(&agent))
}

/// The desk as server-sent events: `desk` (Desk) at once and whenever it changes, and `key` (KeyNews) when the caller
/// presses a key in the talk; `alive` where nothing did for 15 seconds. Keys are kept nowhere: one that nobody saw is not
/// told again.
#[utoipa::path(get, path = "/api/v1/desk/events", tag = "desk", params(("agent" = Option<String>, Query)), responses(
    (status = 200, content_type = "text/event-stream", body = String),
    (status = 400, description = "Whose desk?", body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "No such advocate.", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Too many viewers.", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn events(
    State(shared): State<Shared>,
    Mine { agent, who }: Mine,
) -> Result<Response, Problem> {
    let place = place(&shared.viewers, shared.config.limits.viewers)?;
    let opened = shared.screens.desks.open(&agent, &shared.line.snapshot());
    let (first, desks) = opened.ok_or_else(|| unknown(&agent))?;
    let keys = shared.events.keys.listen(&agent);
    Ok(respond(&shared, &who, Viewer { first: Some(first), desks, keys, _place: place }))
}

/// Ask for the advocate's own state to change. Answers with the desk as it then is.
#[utoipa::path(put, path = "/api/v1/desk/state", tag = "desk", params(("agent" = Option<String>, Query)),
    request_body = DeskWish, responses(
    (status = 200, body = Desk),
    (status = 400, description = "Not JSON, or whose desk?", body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "No such advocate.", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "The present state does not allow it.", body = Problem,
     content_type = "application/problem+json"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 415, body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "JSON, but not a state.", body = Problem,
     content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn set_state(
    State(shared): State<Shared>,
    Mine { agent, who }: Mine,
    wish: Result<Json<DeskWish>, JsonRejection>,
) -> Result<Json<Desk>, Problem> {
    let Json(DeskWish { command: CommandWord(asked) }) =
        wish.map_err(|rejection| bad_body(&rejection, shared.config.limits.body))?;
    let snapshot = command(&shared, &who, &agent, asked).await?;
    desk_of(&agent, &snapshot).map(Json).ok_or_else(|| unknown(&agent))
}

/// Make the call that the advocate talks in urgent, for good: the caller is in danger.
#[utoipa::path(post, path = "/api/v1/desk/escalate", tag = "desk", params(("agent" = Option<String>, Query)), responses(
    (status = 204, description = "It is urgent now."),
    (status = 400, description = "Whose desk?", body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "The advocate talks with nobody.", body = Problem,
     content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn escalate(
    State(shared): State<Shared>,
    Mine { agent, who }: Mine,
) -> Result<StatusCode, Problem> {
    let snapshot = shared.line.snapshot();
    let entry = snapshot.agents.iter().find(|entry| entry.profile.id == agent);
    let talking = entry.filter(|entry| matches!(entry.state, AgentState::Talking { .. }));
    if let Some(call) = talking.and_then(|entry| call_of(entry)) {
        let asked = shared.audit().ask(&who, Act::Escalate, &agent, "own call");
        let done = shared.answered(shared.line.escalate(call)).await?.ok_or_else(Problem::unavailable)?;
        if done {
            asked.done();
            return Ok(StatusCode::NO_CONTENT);
        }
        asked.refused();
    }
    let remedy = "A call can be made urgent while it lasts.";
    Err(Problem::new(StatusCode::CONFLICT, "no-talk", "No talk", "The advocate talks with nobody.", remedy))
}

/// The advocate's own last talks.
#[derive(Serialize, ToSchema)]
pub(crate) struct History {
    /// The newest first.
    calls: Vec<HistoryCall>,
}

/// One talk. Nothing of who called.
#[derive(Serialize, ToSchema)]
pub(crate) struct HistoryCall {
    call: String,
    /// When the talk began, in milliseconds since 1970 (UTC).
    at: i64,
    language: LanguageWord,
    risk: RiskWord,
    /// How long they talked.
    talked_ms: u64,
    /// How long the caller had waited.
    waited_ms: u64,
    ended: TalkEnd,
}

/// The advocate's own last 50 talks, from the record. Nobody else's, and nothing of who called.
#[utoipa::path(get, path = "/api/v1/desk/history", tag = "desk", params(("agent" = Option<String>, Query)), responses(
    (status = 200, body = History),
    (status = 400, description = "Whose desk?", body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn history(
    State(shared): State<Shared>,
    Mine { agent, .. }: Mine,
) -> Result<Json<History>, Problem> {
    let talks = shared.answered(shared.line.history(agent, HISTORY)).await?.map_err(Problem::office)?;
    let calls = talks.into_iter().map(|talk| HistoryCall {
        call: talk.call.to_string(),
        at: talk.at.as_millis(),
        language: LanguageWord(talk.language),
        risk: RiskWord(talk.risk),
        talked_ms: millis(talk.talked),
        waited_ms: millis(talk.waited),
        ended: talk.ended,
    });
    Ok(Json(History { calls: calls.collect() }))
}

/// Talks shown to the one who had them.
const HISTORY: u32 = 50;

fn unknown(agent: &AgentId) -> Problem {
    Problem::no_such("advocate", agent.as_str(), "/api/v1/agents")
}

struct Viewer {
    first: Option<Bytes>,
    desks: watch::Receiver<Bytes>,
    keys: broadcast::Receiver<Bytes>,
    _place: OwnedSemaphorePermit,
}

impl Frames for Viewer {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            tokio::select! {
                // A key belongs to the talk as shown: the desk is told first.
                biased;
                changed = self.desks.changed() => {
                    // The account is gone: so is its desk.
                    changed.ok()?;
                    return Some(self.desks.borrow_and_update().clone());
                }
                key = self.keys.recv() => match key {
                    Ok(key) => return Some(key),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
            }
        }
    }
}
