//! The advocates and their states.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use havre_model::{AgentCommand, AgentId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Part, Shared};
use crate::access::{Act, Who};
use crate::board::Snapshot;
use crate::line::CommandError;
use crate::problem::Problem;
use crate::views::{self, Agent, Agents};
use crate::words::CommandWord;

/// What is asked of an advocate's state, as by the feature codes `*40` to `*43`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StateWish {
    state: CommandWord,
}

/// The advocates, supervisors and on-call people.
#[utoipa::path(get, path = "/api/v1/agents", tag = "advocates", responses(
    (status = 200, body = Agents),
    (status = 401, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn agents(State(shared): State<Shared>) -> Json<Agents> {
    Json(views::agents(&shared.line.snapshot()))
}

/// One advocate.
#[utoipa::path(get, path = "/api/v1/agents/{id}", tag = "advocates", params(("id" = String, Path)), responses(
    (status = 200, body = Agent),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "No such advocate.", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn agent(State(shared): State<Shared>, Part(id): Part) -> Result<Json<Agent>, Problem> {
    let snapshot = shared.line.snapshot();
    let entry = snapshot.agents.iter().find(|entry| entry.profile.id.as_str() == id);
    let entry = entry.ok_or_else(|| Problem::no_such("advocate", &id, "/api/v1/agents"))?;
    Ok(Json(views::agent(entry, snapshot.at)))
}

/// Ask for an advocate's state to change. Answers with the advocate as it then is.
#[utoipa::path(put, path = "/api/v1/agents/{id}/state", tag = "advocates", params(("id" = String, Path)),
    request_body = StateWish, responses(
    (status = 200, body = Agent),
    (status = 400, description = "Not JSON, or not a path.", body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "No such advocate.", body = Problem, content_type = "application/problem+json"),
    (status = 408, body = Problem, content_type = "application/problem+json"),
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
    who: Who,
    Part(id): Part,
    wish: Result<Json<StateWish>, JsonRejection>,
) -> Result<Json<Agent>, Problem> {
    let unknown = || Problem::no_such("advocate", &id, "/api/v1/agents");
    let agent: AgentId = id.parse().map_err(|_| unknown())?;
    let wish = wish.map_err(|rejection| bad_body(&rejection, shared.config.limits.body))?;
    let Json(StateWish { state: CommandWord(asked) }) = wish;
    let snapshot = command(&shared, &who, &agent, asked).await?;
    let entry = snapshot.agents.iter().find(|entry| entry.profile.id == agent).ok_or_else(unknown)?;
    Ok(Json(views::agent(entry, snapshot.at)))
}

/// Has it done; the state of the line with what came of it.
pub(super) async fn command(
    shared: &Shared,
    who: &Who,
    agent: &AgentId,
    command: AgentCommand,
) -> Result<Arc<Snapshot>, Problem> {
    let unknown = || Problem::no_such("advocate", agent.as_str(), "/api/v1/agents");
    let asked = shared.audit().ask(who, Act::AgentState, agent, command);
    let state = match shared.answered(shared.line.command(agent.clone(), command)).await? {
        Ok(state) => state,
        Err(CommandError::Unavailable) => return Err(Problem::unavailable()),
        Err(error) => {
            asked.refused();
            return Err(match error {
                CommandError::Refused { detail, remedy } => {
                    Problem::new(StatusCode::CONFLICT, "not-now", "Not in this state", detail, remedy)
                }
                CommandError::UnknownAgent | CommandError::Unavailable => unknown(),
            });
        }
    };
    asked.done();
    // The published snapshot may be a moment older than the answer.
    let mut snapshot = shared.line.snapshot();
    let now = snapshot.at;
    let mut agents = Arc::make_mut(&mut snapshot).agents.iter_mut();
    let entry = agents.find(|entry| entry.profile.id == *agent).ok_or_else(unknown)?;
    Arc::make_mut(entry).set(state, now);
    Ok(snapshot)
}

pub(super) fn bad_body(rejection: &JsonRejection, limit: usize) -> Problem {
    let remedy = "Send `Content-Type: application/json` and a body like {\"state\":\"ready\"} \
                  ({\"command\":\"ready\"} at the desk); they are ready, break, end_wrap_up, hard_call.";
    Problem::bad_body(rejection, "Not a state", remedy, limit)
}
