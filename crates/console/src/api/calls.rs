//! The queue and the calls.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use havre_model::{CallId, Risk};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::desk::Mine;
use super::{Part, Shared};
use crate::access::{Act, Who};
use crate::board::CallEntry;
use crate::events::CallNews;
use crate::line::TakeError;
use crate::problem::Problem;
use crate::views::{self, Call, Calls, LegView, Queues};

/// The queue by language and class, counts since the start, and how each language is served.
#[utoipa::path(get, path = "/api/v1/queues", tag = "line", responses(
    (status = 200, body = Queues),
    (status = 401, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn queues(State(shared): State<Shared>) -> Json<Queues> {
    Json(views::queues(&shared.line.snapshot()))
}

/// The calls in progress.
#[utoipa::path(get, path = "/api/v1/calls", tag = "line", responses(
    (status = 200, body = Calls),
    (status = 401, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn calls(State(shared): State<Shared>) -> Json<Calls> {
    Json(views::calls(&shared.line.snapshot()))
}

/// One call in progress.
#[utoipa::path(get, path = "/api/v1/calls/{id}", tag = "line", params(("id" = String, Path)), responses(
    (status = 200, body = Call),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is none, or it is over.", body = Problem,
     content_type = "application/problem+json"),
))]
pub(crate) async fn call(State(shared): State<Shared>, Part(id): Part) -> Result<Json<Call>, Problem> {
    let snapshot = shared.line.snapshot();
    let entry = id.parse().ok().and_then(|id| snapshot.calls.iter().find(|call| call.id == id));
    let entry = entry.ok_or_else(|| Problem::no_such("call in progress", &id, "/api/v1/calls"))?;
    Ok(Json(views::call(entry, snapshot.at.unix)))
}

/// What happened in a call so far.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallLog {
    call: String,
    /// As on the event stream (CallNews), the first first.
    #[schema(value_type = Vec<CallNews>)]
    events: Vec<Box<RawValue>>,
    /// Events left out, because there were too many.
    left_out: u64,
    /// How it sounds; null once it is over (its last events tell).
    quality: Option<CallQuality>,
}

/// How both parties of a call sound.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallQuality {
    caller: LegView,
    /// Null unless they talk.
    advocate: Option<LegView>,
}

/// What happened in a call: one in progress, or one of the last that are over.
#[utoipa::path(get, path = "/api/v1/calls/{id}/events", tag = "line", params(("id" = String, Path)), responses(
    (status = 200, body = CallLog),
    (status = 400, description = "Not a path.", body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is none, or it is long over.", body = Problem,
     content_type = "application/problem+json"),
))]
pub(crate) async fn log(State(shared): State<Shared>, Part(id): Part) -> Result<Json<CallLog>, Problem> {
    let known = id.parse::<CallId>().ok().and_then(|call| Some((call, shared.events.logs.of(call)?)));
    let (call, log) = known.ok_or_else(|| Problem::no_such("call known any more", &id, "/api/v1/calls"))?;
    let snapshot = shared.line.snapshot();
    let quality = snapshot.calls.iter().find(|entry| entry.id == call).map(|entry| CallQuality {
        caller: views::leg(&entry.caller),
        advocate: entry.agent.as_ref().map(|_| views::leg(&entry.advocate)),
    });
    Ok(Json(CallLog { call: call.to_string(), events: log.events, left_out: log.left_out, quality }))
}

/// Make a call urgent: the caller is in danger. Should they be cut off, they come before others, now and when they call
/// again. There is no way back: a class only rises.
#[utoipa::path(post, path = "/api/v1/calls/{id}/escalate", tag = "line", params(("id" = String, Path)), responses(
    (status = 200, body = Call),
    (status = 400, description = "Not a path.", body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is none, or it is over.", body = Problem,
     content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn escalate(
    State(shared): State<Shared>,
    who: Who,
    Part(id): Part,
) -> Result<Json<Call>, Problem> {
    let unknown = || Problem::no_such("call in progress", &id, "/api/v1/calls");
    let call: CallId = id.parse().map_err(|_| unknown())?;
    let asked = shared.audit().ask(&who, Act::Escalate, call, "");
    match shared.answered(shared.line.escalate(call)).await? {
        Some(true) => asked.done(),
        Some(false) => {
            asked.refused();
            return Err(unknown());
        }
        None => return Err(Problem::unavailable()),
    }
    let snapshot = shared.line.snapshot();
    // The published snapshot may be a moment older than the answer.
    let entry = snapshot.calls.iter().find(|entry| entry.id == call).ok_or_else(unknown)?;
    let mut entry = CallEntry::clone(entry);
    entry.risk = Risk::Urgent;
    Ok(Json(views::call(&entry, snapshot.at.unix)))
}

/// Take a call that waits: it rings at once for whoever asks, besides those who ring for it already. A machine says for
/// whom with `?agent=ID`.
#[utoipa::path(post, path = "/api/v1/calls/{id}/take", tag = "line",
    params(("id" = String, Path), ("agent" = Option<String>, Query)), responses(
    (status = 204, description = "It rings."),
    (status = 400, description = "Not a path, or for whom?", body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is none, or it is over.", body = Problem,
     content_type = "application/problem+json"),
    (status = 409, description = "`unreachable`, `busy` or `not_waiting`.", body = Problem,
     content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn take(
    State(shared): State<Shared>,
    Mine { agent, who }: Mine,
    Part(id): Part,
) -> Result<StatusCode, Problem> {
    let unknown = || Problem::no_such("call in progress", &id, "/api/v1/calls");
    let call: CallId = id.parse().map_err(|_| unknown())?;
    if !shared.line.snapshot().calls.iter().any(|entry| entry.id == call) {
        return Err(unknown());
    }
    let asked = shared.audit().ask(&who, Act::Take, call, &agent);
    match shared.answered(shared.line.take(call, agent)).await? {
        Some(Ok(())) => asked.done(),
        Some(Err(refused)) => {
            asked.refused();
            return Err(not_taken(refused));
        }
        None => return Err(Problem::unavailable()),
    }
    Ok(StatusCode::NO_CONTENT)
}

fn not_taken(refused: TakeError) -> Problem {
    let (kind, remedy) = match refused {
        TakeError::UnknownAgent => ("unknown-agent", "Sign in again; ask an operator for an agent."),
        TakeError::Unreachable => (
            "unreachable",
            "Open your desk, allow the microphone, and wait until it says that you can be reached.",
        ),
        TakeError::Busy => ("busy", "End the other call first."),
        TakeError::NotWaiting => ("not-waiting", "Nothing to do: somebody answers, or the caller left."),
    };
    Problem::new(StatusCode::CONFLICT, kind, "Not taken", format!("{refused}."), remedy)
}
