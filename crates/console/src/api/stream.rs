//! Streams of server-sent events. The event stream is one cursor into the ring for each reader, and no buffer.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, interval_at};

use super::Shared;
use crate::access::Who;
use crate::events::Read;
use crate::problem::Problem;

/// What happens, as server-sent events: `open` first, then `call` (CallNews), `agent` (AgentNews) and `system`
/// (SystemNews) as they happen; `alive` where nothing did for 15 seconds; `reset` where events are missing, after which the other resources should be read
/// again. Every event has an id; with the header `Last-Event-ID` the stream goes on after it. A reader who does
/// not keep up is cut.
#[utoipa::path(get, path = "/api/v1/events", tag = "line",
    params(("Last-Event-ID" = Option<String>, Header, description = "The last event seen.")),
    responses(
    (status = 200, content_type = "text/event-stream", body = String),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Too many readers.", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn events(
    State(shared): State<Shared>,
    who: Who,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let place = place(&shared.readers, shared.config.limits.subscribers)?;
    let asked = headers.get("last-event-id").map(|id| id.to_str().unwrap_or_default());
    let reader = Reader::new(shared.clone(), place, asked);
    Ok(respond(&shared, &who, reader))
}

/// What a stream is made of.
pub(super) trait Frames: Send + 'static {
    /// The next bytes, as soon as there are any, or the end. Dropped and asked again while nothing happens.
    fn next(&mut self) -> impl Future<Output = Option<Bytes>> + Send;
}

/// A place among the readers of a kind of stream.
pub(super) fn place(places: &Arc<Semaphore>, limit: usize) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(places).try_acquire_owned().map_err(|_| {
        let detail = format!("There are already {limit} streams of this kind.");
        let remedy = "Close one, or try again later; the other resources can be read without it.";
        let status = axum::http::StatusCode::SERVICE_UNAVAILABLE;
        Problem::new(status, "too-many-readers", "Too many readers", detail, remedy)
    })
}

/// A response that goes on as long as `frames` do, the console runs, and `who` may hear them.
pub(super) fn respond(shared: &Shared, who: &Who, frames: impl Frames) -> Response {
    let (who, mut stopping) = (who.clone(), shared.stopping.clone());
    let over = Box::pin(async move {
        tokio::select! {
            () = who.over() => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    });
    // One for the whole stream: a timer for each frame costs more than a needless sign of life now and then.
    let heartbeat = shared.config.limits.heartbeat;
    let alive = interval_at(Instant::now() + heartbeat, heartbeat);
    let frames = stream::unfold((frames, over, alive), |(mut frames, mut over, mut alive)| async move {
        // What is there goes first: a stream that is over ends when nothing more is, and fifty of them are not asked at each frame.
        let frame = tokio::select! {
            biased;
            frame = frames.next() => frame?,
            () = &mut over => return None,
            _ = alive.tick() => ALIVE,
        };
        Some((Ok::<_, Infallible>(frame), (frames, over, alive)))
    });
    // A proxy that buffers would hold events back.
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (X_ACCEL_BUFFERING, "no")];
    (headers, Body::from_stream(frames)).into_response()
}

/// What a stream says every now and then, so that both ends know the other lives. An event: browsers keep comments to
/// themselves, and a page must be able to tell silence from a network that lets nothing through.
const ALIVE: Bytes = Bytes::from_static(
    b"event: alive
data: {}

",
);

const X_ACCEL_BUFFERING: header::HeaderName = header::HeaderName::from_static("x-accel-buffering");

struct Reader {
    shared: Shared,
    seen: u64,
    /// What to say before the first event.
    greeting: Option<String>,
    newest: watch::Receiver<u64>,
    over: bool,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    fn new(shared: Shared, place: OwnedSemaphorePermit, asked: Option<&str>) -> Self {
        let events = &shared.events;
        // Subscribed before the ring is read: nothing falls between.
        let newest = events.newest();
        let last = events.last();
        let known = asked.and_then(|id| events.number(id));
        let behind = known.is_some_and(|seen| matches!(events.after(seen), Read::Behind));
        let (seen, greeting) = match known {
            Some(seen) if !behind => (seen, frame(&events.id(seen), "open", "{}")),
            _ if asked.is_some() => (last, frame(&events.id(last), "reset", "{}")),
            _ => (last, frame(&events.id(last), "open", "{}")),
        };
        Self { shared, seen, greeting: Some(greeting), newest, over: false, _place: place }
    }
}

impl Frames for Reader {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(greeting) = self.greeting.take() {
            return Some(greeting.into());
        }
        loop {
            if self.over {
                return None;
            }
            self.newest.mark_unchanged();
            match self.shared.events.after(self.seen) {
                Read::Frames(frames, last) => {
                    self.seen = last;
                    return Some(frames.concat().into());
                }
                Read::Behind => {
                    self.shared.counts.reader_cut();
                    self.over = true;
                    return Some(Bytes::from_static(b": cut: you read too slowly\n\n"));
                }
                Read::Nothing => {}
            }
            self.newest.changed().await.ok()?;
        }
    }
}

fn frame(id: &str, event: &str, data: &str) -> String {
    format!("id: {id}\nevent: {event}\ndata: {data}\n\n")
}
