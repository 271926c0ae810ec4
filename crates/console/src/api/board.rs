//! The wallboard, at once and as it changes.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::Shared;
use super::stream::{Frames, place, respond};
use crate::access::Who;
use crate::problem::Problem;
use crate::screens::Seen;
use crate::views::{self, Board};

/// The whole line on one screen: queue, service, calls, advocates, alarms.
#[utoipa::path(get, path = "/api/v1/board", tag = "screens", responses(
    (status = 200, body = Board),
    (status = 401, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn board(State(shared): State<Shared>) -> Json<Board> {
    Json(views::board(&shared.line.snapshot()))
}

/// The same as server-sent events: `board` (Board) first, then `change` (Change) thirteen times a second in the long run at most, and
/// `alive` where nothing changed for 15 seconds. A viewer who does not keep up gets a `board` again. There is nothing to resume:
/// whoever comes back gets the whole.
#[utoipa::path(get, path = "/api/v1/board/events", tag = "screens", responses(
    (status = 200, content_type = "text/event-stream", body = String),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Too many viewers.", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn events(State(shared): State<Shared>, who: Who) -> Result<Response, Problem> {
    let place = place(&shared.viewers, shared.config.limits.viewers)?;
    let newest = shared.screens.wall.newest();
    let viewer = Viewer { shared: shared.clone(), seen: Seen::default(), newest, _place: place };
    Ok(respond(&shared, &who, viewer))
}

struct Viewer {
    shared: Shared,
    seen: Seen,
    newest: watch::Receiver<u64>,
    _place: OwnedSemaphorePermit,
}

impl Frames for Viewer {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            self.newest.mark_unchanged();
            if let Some(frames) = self.shared.screens.wall.next(&mut self.seen) {
                return Some(frames);
            }
            self.newest.changed().await.ok()?;
        }
    }
}
