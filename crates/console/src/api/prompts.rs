//! What callers hear: the texts, the recordings, and taking in better ones.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use havre_model::Spoken;
use serde::Serialize;
use utoipa::ToSchema;

use super::{MAX_RECORDING, Shared};
use crate::access::{Act, Who};
use crate::line::Reloaded;
use crate::office::{OfficeError, PromptEntry};
use crate::problem::Problem;

/// The prompts.
#[derive(Serialize, ToSchema)]
pub(crate) struct Prompts {
    prompts: Vec<PromptEntry>,
}

/// The prompts with their texts and recordings, each measured anew.
#[utoipa::path(get, path = "/api/v1/prompts", tag = "operation", responses(
    (status = 200, body = Prompts),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn prompts(State(shared): State<Shared>) -> Result<Json<Prompts>, Problem> {
    let prompts = shared.answered(shared.line.prompts()).await?.map_err(Problem::office)?;
    Ok(Json(Prompts { prompts }))
}

/// One recording.
#[utoipa::path(get, path = "/api/v1/prompts/{id}/{recording}", tag = "operation",
    params(("id" = String, Path), ("recording" = String, Path, description = "`en.wav`, `fr.wav`, `es.wav`; `none.wav` for sounds.")),
    responses(
    (status = 200, content_type = "audio/wav", body = Vec<u8>),
    (status = 400, description = "Not a path.", body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is none.", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn recording(
    State(shared): State<Shared>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let Path((prompt, recording)) = path.map_err(|rejection| Problem::bad_path(rejection.body_text()))?;
    let spoken = recording.strip_suffix(".wav").and_then(language);
    let spoken = spoken.ok_or(OfficeError::Unknown).map_err(Problem::office)?;
    let wav = shared.answered(shared.line.recording(prompt, spoken)).await?.map_err(Problem::office)?;
    Ok(([(header::CONTENT_TYPE, "audio/wav")], wav).into_response())
}

/// Take in another recording, by a person: checked as `havre prompts check` does, put in the old one's place, and in
/// force for new calls.
#[utoipa::path(put, path = "/api/v1/prompts/{id}/{recording}", tag = "operation",
    params(("id" = String, Path), ("recording" = String, Path, description = "`en`, `fr`, `es`; `none` for sounds.")),
    request_body(content = Vec<u8>, content_type = "audio/wav"), responses(
    (status = 200, body = Reloaded),
    (status = 400, description = "Not a path.", body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is no such prompt.", body = Problem, content_type = "application/problem+json"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "Refused: see the findings.", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn replace(
    State(shared): State<Shared>,
    who: Who,
    path: Result<Path<(String, String)>, PathRejection>,
    wav: Result<Bytes, BytesRejection>,
) -> Result<Json<Reloaded>, Problem> {
    let Path((prompt, recording)) = path.map_err(|rejection| Problem::bad_path(rejection.body_text()))?;
    let spoken = language(&recording).ok_or(OfficeError::Unknown).map_err(Problem::office)?;
    let wav = wav.map_err(|_| Problem::too_large(MAX_RECORDING))?;
    let asked = shared.audit().ask(&who, Act::Recording, &prompt, recording);
    match shared.answered(shared.line.replace_recording(prompt, spoken, wav.into())).await? {
        Ok(reloaded) => {
            asked.done();
            Ok(Json(reloaded))
        }
        Err(error) => Err(asked.failed(error)),
    }
}

/// The language in a path: `none` for sounds.
fn language(name: &str) -> Option<Option<Spoken>> {
    if name == "none" { Some(None) } else { Spoken::from_name(name).map(Some) }
}
