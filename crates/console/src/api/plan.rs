//! The dialplan: the one in force with live counts, and another one, checked and compared before it is put in force.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use havre_model::Digit;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{MAX_PLAN, Shared};
use crate::access::{Act, Who};
use crate::board::{Snapshot, Stage};
use crate::line::Reloaded;
use crate::office::{PlanChecked, PlanEdge, PlanInForce};
use crate::problem::Problem;
use crate::today::Today;

/// The dialplan in force.
#[derive(Serialize, ToSchema)]
pub(crate) struct Plan {
    /// Content hash: what a change is made from.
    hash: String,
    /// The file as it is now.
    source: String,
    graph: Graph,
}

/// The plan as a graph.
#[derive(Serialize, ToSchema)]
pub(crate) struct Graph {
    /// Since when it is counted how often a way was taken, in milliseconds since 1970 (UTC): for 24 hours, or since the
    /// start of this process if that is later.
    since: i64,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

/// One place in the plan.
#[derive(Serialize, ToSchema)]
pub(crate) struct Node {
    #[schema(example = "menu:greeting")]
    id: String,
    /// `line`, `menu`, `waiting`, `advocate` or `partner`.
    kind: &'static str,
    label_en: String,
    label_fr: String,
    /// Callers here now: at a line those in its menus, who are not told apart. Null where they are not counted.
    here: Option<u64>,
}

/// One way from place to place.
#[derive(Serialize, ToSchema)]
pub(crate) struct Edge {
    from: String,
    to: String,
    /// The key, or `no_input`; null where nothing is pressed.
    key: Option<String>,
    /// How often it was taken since `since`. Null for the keys of waiting callers, which are not counted.
    taken: Option<u64>,
}

/// Another dialplan.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanSource {
    /// The file.
    source: String,
}

/// Another dialplan, to be put in force.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanChange {
    /// The file.
    source: String,
    /// The hash of the plan that it was made from.
    base_hash: String,
}

/// The dialplan in force, as its file and as a graph with live counts.
#[utoipa::path(get, path = "/api/v1/dialplan", tag = "operation", responses(
    (status = 200, body = Plan),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn plan(State(shared): State<Shared>) -> Result<Json<Plan>, Problem> {
    let in_force = shared.answered(shared.line.dialplan()).await?.map_err(Problem::office)?;
    let snapshot = shared.line.snapshot();
    let PlanInForce { hash, source, nodes, edges } = in_force;
    let nodes = nodes.into_iter().map(|node| Node {
        here: here(&node.id, &snapshot),
        id: node.id,
        kind: node.kind,
        label_en: node.label_en,
        label_fr: node.label_fr,
    });
    let edges = edges.into_iter().map(|edge| Edge {
        taken: taken(&edge, &snapshot.today),
        from: edge.from,
        to: edge.to,
        key: edge.key,
    });
    let since = snapshot.today.since().as_millis();
    Ok(Json(Plan { hash, source, graph: Graph { since, nodes: nodes.collect(), edges: edges.collect() } }))
}

fn here(node: &str, snapshot: &Snapshot) -> Option<u64> {
    let count = |stage: Stage, line: Option<&str>| {
        let calls = snapshot.calls.iter().filter(|call| call.stage == stage);
        Some(calls.filter(|call| line.is_none_or(|line| call.line.as_str() == line)).count() as u64)
    };
    match node.split_once(':') {
        Some(("line", line)) => count(Stage::Greeting, Some(line)),
        None if node == "waiting" => count(Stage::Waiting, None),
        None if node == "advocate" => count(Stage::Talking, None),
        _ => None,
    }
}

/// The board counts by the plan's own names.
fn taken(edge: &PlanEdge, today: &Today) -> Option<u64> {
    let key = match (edge.from.as_str(), edge.to.as_str(), edge.key.as_deref()) {
        ("waiting", "advocate", None) | ("advocate", "waiting", None) => None,
        (from, _, Some("no_input")) if from.starts_with("menu:") => None,
        (from, _, Some(key)) if from.starts_with("menu:") => {
            Some(key.chars().next().and_then(Digit::from_char)?)
        }
        (from, _, None) if from.starts_with("line:") => None,
        _ => return None,
    };
    Some(today.went(&edge.from, key))
}

/// Check another dialplan, and compare what callers would notice of it. Changes nothing.
#[utoipa::path(post, path = "/api/v1/dialplan/check", tag = "operation", request_body = PlanSource, responses(
    (status = 200, description = "`good` says whether it could be put in force.", body = PlanChecked),
    (status = 400, description = "Not JSON.", body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 415, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn check(
    State(shared): State<Shared>,
    asked: Result<Json<PlanSource>, JsonRejection>,
) -> Result<Json<PlanChecked>, Problem> {
    let remedy = "Send {\"source\":TEXT}.";
    let Json(PlanSource { source }) =
        asked.map_err(|rejection| Problem::bad_body(&rejection, "Not understood", remedy, MAX_PLAN))?;
    let checked = shared.answered(shared.line.check_dialplan(source)).await?;
    Ok(Json(checked.map_err(Problem::office)?))
}

/// Put another dialplan in force: new calls get it, calls in progress keep theirs. The old file is kept beside it.
#[utoipa::path(put, path = "/api/v1/dialplan", tag = "operation", request_body = PlanChange, responses(
    (status = 200, body = Reloaded),
    (status = 400, description = "Not JSON.", body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "The plan is no longer the one that the change was made from.", body = Problem,
     content_type = "application/problem+json"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 415, body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "Refused: see the findings.", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn replace(
    State(shared): State<Shared>,
    who: Who,
    change: Result<Json<PlanChange>, JsonRejection>,
) -> Result<Json<Reloaded>, Problem> {
    let remedy = "Send {\"source\":TEXT,\"base_hash\":HASH}; GET /api/v1/dialplan has the hash.";
    let Json(PlanChange { source, base_hash }) =
        change.map_err(|rejection| Problem::bad_body(&rejection, "Not understood", remedy, MAX_PLAN))?;
    let asked = shared.audit().ask(&who, Act::Dialplan, "", "");
    match shared.answered(shared.line.replace_dialplan(source, base_hash)).await? {
        Ok(reloaded) => {
            asked.done_to(&reloaded.dialplan);
            Ok(Json(reloaded))
        }
        Err(error) => Err(asked.failed(error)),
    }
}
