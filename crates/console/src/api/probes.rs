//! For machines that watch: liveness, readiness, metrics.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use crate::metrics;
use crate::problem::Problem;

/// The process answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`.
    status: &'static str,
}

/// Whether new calls are welcome.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ready {
    ready: bool,
    /// Why not; and what is degraded though it is ready.
    reasons: Vec<Reason>,
}

/// One thing to know.
#[derive(Serialize, ToSchema)]
pub(crate) struct Reason {
    /// `starting`, `draining`, `store_degraded` or `note`.
    kind: &'static str,
    /// In words.
    detail: String,
}

/// Does the process answer?
#[utoipa::path(get, path = "/health", tag = "probes", security(()), responses((status = 200, body = Health)))]
pub(crate) async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Are new calls welcome? A node without its shared store is ready, and says that it is degraded.
#[utoipa::path(get, path = "/ready", tag = "probes", security(()), responses(
    (status = 200, description = "New calls are welcome.", body = Ready),
    (status = 503, description = "They are not: see the reasons.", body = Ready),
))]
pub(crate) async fn ready(State(shared): State<Shared>) -> Response {
    let readiness = shared.line.readiness();
    let said = [
        (readiness.starting, "starting", "The node is starting: not everything is up yet."),
        (readiness.draining, "draining", "New calls are refused; calls in progress go on."),
        (
            !readiness.store_up,
            "store_degraded",
            "The shared store does not answer: the node goes on with the callers and advocates it holds itself.",
        ),
    ];
    let said = said.into_iter().filter(|(so, ..)| *so);
    let mut reasons: Vec<_> =
        said.map(|(_, kind, detail)| Reason { kind, detail: detail.to_owned() }).collect();
    reasons.extend(readiness.notes.into_iter().map(|detail| Reason { kind: "note", detail }));
    let ready = !readiness.starting && !readiness.draining;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Ready { ready, reasons })).into_response()
}

/// The metrics, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "probes", responses(
    (status = 200, description = "Text format 0.0.4.", content_type = "text/plain", body = String),
    (status = 401, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn metrics(State(shared): State<Shared>) -> Response {
    let line = &shared.line;
    let (snapshot, readiness, measures) = (line.snapshot(), line.readiness(), line.measures());
    let text = metrics::render(&shared.config.version, &snapshot, &readiness, &measures, &shared.own());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
