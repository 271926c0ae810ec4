//! Reading configuration, dialplan and prompts again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::Shared;
use crate::access::{Act, Who};
use crate::line::Reloaded;
use crate::problem::Problem;

/// Read configuration, dialplan and prompts again. New calls get the new ones, calls in progress keep theirs.
#[utoipa::path(post, path = "/api/v1/reload", tag = "node", responses(
    (status = 200, body = Reloaded),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "Refused: see the findings. The old ones stay.", body = Problem,
     content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn reload(State(shared): State<Shared>, who: Who) -> Result<Json<Reloaded>, Problem> {
    let asked = shared.audit().ask(&who, Act::Reload, "", "");
    match shared.answered(shared.line.reload()).await? {
        Ok(reloaded) => {
            asked.done_to(&reloaded.dialplan);
            Ok(Json(reloaded))
        }
        Err(refused) => {
            asked.refused();
            shared.audit().write(&who, Act::ReloadRefused, "", &refused);
            let detail = format!("{refused}.");
            let remedy = "Correct what `findings` names (`havre check` says the same) and ask again.";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            let problem = Problem::new(status, "reload-refused", "The reload was refused", detail, remedy);
            Err(problem.with_findings(refused.findings))
        }
    }
}
