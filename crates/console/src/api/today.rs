//! Today's curves, the roster and what it leaves uncovered.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::{MAX_ROSTER, Shared};
use crate::access::{Act, Who};
use crate::problem::Problem;
use crate::roster::{CoveredHour, Roster};
use crate::views::{self, Curves};

/// How many work in each hour of a usual week.
#[derive(Serialize, ToSchema)]
pub(crate) struct Coverage {
    /// Whose wall clock the hours are of.
    #[schema(example = "America/Toronto")]
    zone: String,
    /// All 168, Monday's first.
    hours: Vec<CoveredHour>,
}

/// The last 24 hours in quarters of an hour: calls, waits by language, and how many were ready.
#[utoipa::path(get, path = "/api/v1/today", tag = "line", responses(
    (status = 200, body = Curves),
    (status = 401, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn today(State(shared): State<Shared>) -> Json<Curves> {
    Json(views::curves(&shared.line.snapshot().today))
}

/// Who works when in a usual week.
#[utoipa::path(get, path = "/api/v1/roster", tag = "roster", responses(
    (status = 200, body = Roster),
    (status = 401, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn roster(State(shared): State<Shared>) -> Json<Roster> {
    Json(Roster::clone(&shared.line.roster()))
}

/// Keep another roster. Answers with it.
#[utoipa::path(put, path = "/api/v1/roster", tag = "roster", request_body = Roster, responses(
    (status = 200, body = Roster),
    (status = 400, description = "Not JSON.", body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 415, body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "A time, day or advocate that there is not.", body = Problem,
     content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn set_roster(
    State(shared): State<Shared>,
    who: Who,
    roster: Result<Json<Roster>, JsonRejection>,
) -> Result<Json<Roster>, Problem> {
    let remedy = "Send {\"shifts\":[{\"agent\":ID,\"day\":0,\"from\":\"08:00\",\"to\":\"16:00\"}]}; GET /openapi.json describes it.";
    let Json(roster) =
        roster.map_err(|rejection| Problem::bad_body(&rejection, "Not a roster", remedy, MAX_ROSTER))?;
    let snapshot = shared.line.snapshot();
    let agents: Vec<_> = snapshot.agents.iter().map(|entry| &entry.profile).collect();
    if let Some(fault) = roster.fault(&agents) {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad-value",
            "Not a roster",
            fault,
            remedy,
        ));
    }
    let asked = shared.audit().ask(&who, Act::Roster, "", format_args!("{} shifts", roster.shifts.len()));
    match shared.answered(shared.line.keep_roster(roster.clone())).await? {
        Ok(()) => {
            asked.done();
            Ok(Json(roster))
        }
        Err(error) => Err(asked.failed(error)),
    }
}

/// Which hours of a usual week the roster covers in each language, and for urgent calls.
#[utoipa::path(get, path = "/api/v1/coverage", tag = "roster", responses(
    (status = 200, body = Coverage),
    (status = 401, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn coverage(State(shared): State<Shared>) -> Json<Coverage> {
    let snapshot = shared.line.snapshot();
    let agents: Vec<_> = snapshot.agents.iter().map(|entry| &entry.profile).collect();
    let hours = shared.line.roster().coverage(&agents);
    Json(Coverage { zone: shared.config.zone.clone(), hours })
}
