//! SIP over WebSocket (RFC 7118), for the browser of somebody who is signed in. The session says who they are; the line
//! gets whole messages and an agent's name, and never has to ask for a password.

use std::pin::pin;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use havre_model::limits::MAX_SIP_MESSAGE;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::Shared;
use crate::access::{Peer, Who};
use crate::line::SipFlow;
use crate::problem::Problem;

/// The sub-protocol (RFC 7118 §4).
const PROTOCOL: &str = "sip";

/// SIP over WebSocket, sub-protocol `sip`: one message in each frame. For pages of this console; the socket is closed
/// with the session (code 4001).
#[utoipa::path(get, path = "/sip", tag = "desk", responses(
    (status = 101, description = "A WebSocket."),
    (status = 400, description = "Not the start of a WebSocket of sub-protocol `sip`.", body = Problem,
     content_type = "application/problem+json"),
    (status = 426, body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Too many sockets, or the line does not know the agent.", body = Problem,
     content_type = "application/problem+json"),
))]
pub(crate) async fn socket(
    State(shared): State<Shared>,
    peer: Peer,
    who: Who,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    // A browser opens sockets to anywhere for anybody's page, with cookies: the origin is all that tells (RFC 6455 §10.2).
    if !shared.origins.allow(&headers) {
        return Err(Problem::bad_origin());
    }
    let upgrade = upgrade.map_err(|rejection| not_a_socket(rejection.status(), rejection.body_text()))?;
    let upgrade =
        upgrade.max_message_size(MAX_SIP_MESSAGE).max_frame_size(MAX_SIP_MESSAGE).protocols([PROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        let detail = "The header Sec-WebSocket-Protocol does not offer `sip`.".to_owned();
        return Err(not_a_socket(StatusCode::BAD_REQUEST, detail));
    }
    let place = shared.sockets.clone().try_acquire_owned().map_err(|_| {
        let detail = format!("There are already {} sockets.", shared.config.limits.sockets);
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Problem::new(status, "too-many-sockets", "Too many sockets", detail, "Close one, or try again later.")
    })?;
    let agent = who.agent.clone().ok_or_else(Problem::no_session)?;
    let flow = shared.line.sip_flow(agent, peer.remote, peer.secure).ok_or_else(Problem::unavailable)?;
    Ok(upgrade.on_upgrade(move |socket| carry(shared, who, socket, flow, place)))
}

/// Carries messages both ways until one side, or the session, ends.
async fn carry(shared: Shared, who: Who, mut socket: WebSocket, flow: SipFlow, place: OwnedSemaphorePermit) {
    let (code, why) = end_of(&shared, &who, &mut socket, flow).await;
    tracing::debug!(agent = ?who.agent, code, why, "SIP socket closed");
    let frame = CloseFrame { code, reason: why.into() };
    let _ = timeout(shared.config.limits.write_time, socket.send(Message::Close(Some(frame)))).await;
    drop(place);
}

async fn end_of(
    shared: &Shared,
    who: &Who,
    socket: &mut WebSocket,
    SipFlow { to_line, mut from_line }: SipFlow,
) -> (u16, &'static str) {
    let limits = &shared.config.limits;
    let mut stopping = shared.stopping.clone();
    let mut stop = pin!(async { drop(stopping.wait_for(|stopping| *stopping).await) });
    let mut over = pin!(who.over());
    let mut pings = interval(limits.ping);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut dead_at = Instant::now() + limits.silence;
    loop {
        tokio::select! {
            () = &mut over => return (SESSION_OVER, "the session is over"),
            () = &mut stop => return (close_code::AWAY, "the server stops"),
            () = sleep_until(dead_at) => return (close_code::AWAY, "no sign of life"),
            _ = pings.tick() => {
                if socket.send(Message::Ping(Bytes::new())).await.is_err() {
                    return (close_code::AWAY, "gone");
                }
            }
            message = from_line.recv() => {
                let Some(message) = message else { return (close_code::AWAY, "the line closed the flow") };
                if socket.send(framed(message)).await.is_err() {
                    return (close_code::AWAY, "gone");
                }
            }
            frame = socket.recv() => {
                dead_at = Instant::now() + limits.silence;
                let message = match frame {
                    Some(Ok(Message::Text(text))) => Bytes::from(text),
                    Some(Ok(Message::Binary(bytes))) => bytes,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                        shared.people.heard_of(who);
                        continue;
                    }
                    Some(Ok(Message::Close(_))) | None => return (close_code::NORMAL, "closed"),
                    Some(Err(_)) => return (close_code::PROTOCOL, "not a frame, or a larger one than any SIP message"),
                };
                // Waits where the line is behind: what the browser sends next waits in its own kernel.
                if to_line.send(message).await.is_err() {
                    return (close_code::AWAY, "the line closed the flow");
                }
            }
        }
    }
}

/// A code of our own (RFC 6455 §7.4.2): the page asks for a sign-in, and does not try again.
const SESSION_OVER: u16 = 4001;

/// Text where it is text, as every browser's stack expects; SIP may carry other bytes (RFC 7118 §4).
fn framed(message: Bytes) -> Message {
    match axum::extract::ws::Utf8Bytes::try_from(message.clone()) {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(message),
    }
}

fn not_a_socket(status: StatusCode, detail: String) -> Problem {
    let remedy = "Open a WebSocket here with the sub-protocol `sip` (RFC 7118).";
    Problem::new(status, "not-a-socket", "Not a WebSocket", detail, remedy)
}
