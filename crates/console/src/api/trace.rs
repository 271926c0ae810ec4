//! What passed over the wire in a call, and in attempts that became none: for whoever has to find out why.

use axum::Json;
use axum::extract::State;
use havre_model::{Attempt, CallId, Ladder, Passed, Peer, Said};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Part, Shared};
use crate::problem::Problem;

/// The signalling of one call: who sent what when. Identities were left out when it passed.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallTrace {
    call: String,
    /// In the order in which they passed.
    messages: Vec<MessageView>,
    /// Messages left out, because there were too many.
    left_out: u64,
}

/// One SIP message.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageView {
    /// When, in milliseconds since 1970 (UTC).
    at: i64,
    /// Milliseconds since the first message of the ladder.
    after_ms: u64,
    peer: PeerView,
    /// Which dialog: 0 is the caller's, the others are advocates' phones in the order in which they rang.
    dialog: usize,
    /// From this node to the peer.
    sent: bool,
    /// `udp`, `tcp`, `tls`, `ws`, `wss`.
    transport: &'static str,
    /// Of the request, or of the request that is answered.
    method: &'static str,
    /// Of a response.
    status: Option<u16>,
    /// `CSeq` number.
    seq: u32,
    /// The same message passed before.
    again: bool,
    /// It carried a session description.
    sdp: bool,
    /// The Q.850 cause that its `Reason` named.
    cause: Option<u16>,
}

/// The far end, as the configuration names it.
#[derive(Serialize, ToSchema)]
pub(crate) struct PeerView {
    kind: PeerKind,
    /// Of a trunk or an agent.
    id: Option<String>,
}

/// What the far end is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PeerKind {
    Trunk,
    Agent,
    Unknown,
}

/// Calls that were refused, and others that became no call.
#[derive(Serialize, ToSchema)]
pub(crate) struct Attempts {
    /// The oldest first.
    attempts: Vec<AttemptView>,
}

/// An INVITE that became no call: refused, dropped, challenged and left, or of a feature code.
#[derive(Serialize, ToSchema)]
pub(crate) struct AttemptView {
    /// When it began, in milliseconds since 1970 (UTC).
    at: i64,
    peer: PeerView,
    /// The last final answer; null if there was none.
    status: Option<u16>,
    /// In the order in which they passed.
    messages: Vec<MessageView>,
    /// Messages left out, because there were too many.
    left_out: u64,
}

/// The signalling of a call: one in progress, or one of the last that are over.
#[utoipa::path(get, path = "/api/v1/calls/{id}/trace", tag = "operation", params(("id" = String, Path)), responses(
    (status = 200, body = CallTrace),
    (status = 400, description = "Not a path.", body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is none, or it is long over.", body = Problem,
     content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn call(State(shared): State<Shared>, Part(id): Part) -> Result<Json<CallTrace>, Problem> {
    let unknown = || Problem::no_such("call known any more", &id, "/api/v1/calls");
    let call: CallId = id.parse().map_err(|_| unknown())?;
    let ladder = shared.answered(shared.line.ladder(call)).await?.ok_or_else(Problem::unavailable)?;
    let Ladder { messages, left_out } = ladder.ok_or_else(unknown)?;
    Ok(Json(CallTrace { call: call.to_string(), messages: view(messages), left_out }))
}

/// The last INVITEs that became no call, and why, as far as an answer tells.
#[utoipa::path(get, path = "/api/v1/attempts", tag = "operation", responses(
    (status = 200, body = Attempts),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn attempts(State(shared): State<Shared>) -> Result<Json<Attempts>, Problem> {
    let attempts = shared.answered(shared.line.attempts()).await?.ok_or_else(Problem::unavailable)?;
    let attempts = attempts.into_iter().map(|Attempt { at, peer, status, ladder }| AttemptView {
        at: at.as_millis(),
        peer: peer_view(peer),
        status,
        messages: view(ladder.messages),
        left_out: ladder.left_out,
    });
    Ok(Json(Attempts { attempts: attempts.collect() }))
}

fn view(messages: Vec<Passed>) -> Vec<MessageView> {
    let view = |passed| {
        let Passed { at, after, peer, dialog, sent, transport, said, seq, again, described, cause } = passed;
        let (method, status) = match said {
            Said::Request(method) => (method, None),
            Said::Response { status, to } => (to, Some(status)),
        };
        MessageView {
            at: at.as_millis(),
            after_ms: u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
            peer: peer_view(peer),
            dialog,
            sent,
            transport,
            method,
            status,
            seq,
            again,
            sdp: described,
            cause,
        }
    };
    messages.into_iter().map(view).collect()
}

fn peer_view(peer: Peer) -> PeerView {
    match peer {
        Peer::Trunk(trunk) => PeerView { kind: PeerKind::Trunk, id: Some(trunk.to_string()) },
        Peer::Agent(agent) => PeerView { kind: PeerKind::Agent, id: Some(agent.to_string()) },
        Peer::Unknown => PeerView { kind: PeerKind::Unknown, id: None },
    }
}
