//! Every route in one table, with who may ask it; and what all answers have in common.

mod agents;
mod board;
mod calls;
mod describe;
mod desk;
mod plan;
mod probes;
mod prompts;
mod provinces;
mod reload;
mod stream;
mod today;
mod trunks;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::HttpBody;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post, put};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::auth;
use crate::config::{Config, Limits};
use crate::events::Events;
use crate::line::{Answer, Line};
use crate::metrics::Own;
use crate::page;
use crate::problem::Problem;
use crate::screens::Screens;

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everyone who reaches the port.
    Open,
    /// Whoever bears the token.
    Token,
    /// As configured: `open_metrics`.
    Metrics,
}

/// Every route: its path, who may ask, what answers.
pub(crate) fn routes() -> Vec<(&'static str, Access, MethodRouter<Shared>)> {
    use Access::{Metrics, Open, Token};
    vec![
        ("/health", Open, get(probes::health)),
        ("/ready", Open, get(probes::ready)),
        ("/metrics", Metrics, get(probes::metrics)),
        ("/openapi.json", Token, get(describe::openapi)),
        ("/api/v1/queues", Token, get(calls::queues)),
        ("/api/v1/calls", Token, get(calls::calls)),
        ("/api/v1/calls/{id}", Token, get(calls::call)),
        ("/api/v1/calls/{id}/escalate", Token, post(calls::escalate)),
        ("/api/v1/agents", Token, get(agents::agents)),
        ("/api/v1/agents/{id}", Token, get(agents::agent)),
        ("/api/v1/agents/{id}/state", Token, put(agents::set_state)),
        ("/api/v1/events", Token, get(stream::events)),
        ("/api/v1/board", Token, get(board::board)),
        ("/api/v1/board/events", Token, get(board::events)),
        ("/api/v1/desk", Token, get(desk::desk)),
        ("/api/v1/desk/events", Token, get(desk::events)),
        ("/api/v1/desk/state", Token, put(desk::set_state)),
        ("/api/v1/desk/escalate", Token, post(desk::escalate)),
        ("/api/v1/desk/history", Token, get(desk::history)),
        ("/api/v1/provinces", Token, get(provinces::provinces)),
        ("/api/v1/calls/{id}/events", Token, get(calls::log)),
        ("/api/v1/today", Token, get(today::today)),
        ("/api/v1/roster", Token, get(today::roster).put(today::set_roster)),
        ("/api/v1/coverage", Token, get(today::coverage)),
        ("/api/v1/trunks", Token, get(trunks::trunks)),
        ("/api/v1/dialplan", Token, get(plan::plan).put(plan::replace)),
        ("/api/v1/dialplan/check", Token, post(plan::check)),
        ("/api/v1/prompts", Token, get(prompts::prompts)),
        ("/api/v1/prompts/{id}/{recording}", Token, get(prompts::recording).put(prompts::replace)),
        ("/api/v1/reload", Token, post(reload::reload)),
        ("/", Open, get(page::any)),
        ("/en", Open, get(page::en)),
        ("/fr", Open, get(page::fr)),
        ("/page/token", Open, get(page::token)),
        ("/page/{file}", Open, get(page::file)),
    ]
}

/// Bytes of a dialplan in JSON: the file may have a mebibyte, and every quote and line end takes one more.
const MAX_PLAN: usize = 2 << 20;
/// Bytes of a roster: 7,000 shifts with the longest names.
const MAX_ROSTER: usize = 1 << 20;
/// Bytes of a recording: four minutes at 16 kHz, longer than any prompt or loop may be.
const MAX_RECORDING: usize = 8 << 20;

/// Bytes that a request's body may have.
fn body_limit(path: &str, limits: &Limits) -> usize {
    match path {
        "/api/v1/dialplan" | "/api/v1/dialplan/check" => MAX_PLAN,
        "/api/v1/roster" => MAX_ROSTER,
        _ if path.starts_with("/api/v1/prompts/") => MAX_RECORDING,
        _ => limits.body,
    }
}

/// What every handler shares.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) line: Arc<dyn Line>,
    pub(crate) events: Arc<Events>,
    pub(crate) readers: Arc<Semaphore>,
    pub(crate) screens: Arc<Screens>,
    /// Places for those who look at a screen.
    pub(crate) viewers: Arc<Semaphore>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Shared {
    pub(crate) fn new(
        config: Config,
        line: Arc<dyn Line>,
        events: Arc<Events>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let readers = Arc::new(Semaphore::new(config.limits.subscribers));
        let viewers = Arc::new(Semaphore::new(config.limits.viewers));
        let (screens, counts) = (Arc::default(), Arc::default());
        Self { config: Arc::new(config), line, events, readers, screens, viewers, counts, stopping }
    }

    /// The line's answer, if it comes in time.
    pub(crate) async fn answered<T>(&self, answer: Answer<'_, T>) -> Result<T, Problem> {
        timeout(self.config.limits.answer_time, answer).await.map_err(|_| Problem::unavailable())
    }

    /// What the console counts itself, at this moment.
    pub(crate) fn own(&self) -> Own {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Own {
            requests: self.counts.responses.each_ref().map(count),
            unauthorized: count(&self.counts.unauthorized),
            connections_refused: count(&self.counts.connections_refused),
            subscribers: self.config.limits.subscribers - self.readers.available_permits(),
            readers_cut: count(&self.counts.readers_cut),
            events_published: self.events.last(),
            events_dropped: self.events.missed(),
        }
    }
}

/// The one variable part of a path.
pub(crate) struct Part(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Part {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(part) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::bad_path(rejection.body_text()))?;
        Ok(Self(part))
    }
}

/// The console's own counters.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    responses: [AtomicU64; 5],
    unauthorized: AtomicU64,
    connections_refused: AtomicU64,
    readers_cut: AtomicU64,
}

impl Counts {
    pub(crate) fn unauthorized(&self) {
        self.unauthorized.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connection_refused(&self) {
        self.connections_refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn reader_cut(&self) {
        self.readers_cut.fetch_add(1, Ordering::Relaxed);
    }

    fn response(&self, status: u16) {
        if let Some(class) = self.responses.get(usize::from(status / 100).wrapping_sub(1)) {
            class.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The router over all routes.
pub(crate) fn router(shared: &Shared) -> Router {
    let with_token = middleware::from_fn_with_state(shared.clone(), auth::token);
    let mut router = Router::new();
    for (path, access, methods) in routes() {
        let open = match access {
            Access::Open => true,
            Access::Token => false,
            Access::Metrics => shared.config.open_metrics,
        };
        let methods = methods.layer(DefaultBodyLimit::max(body_limit(path, &shared.config.limits)));
        router = router.route(path, if open { methods } else { methods.route_layer(with_token.clone()) });
    }
    router
        .fallback(async || Problem::no_such_path())
        .method_not_allowed_fallback(async || Problem::method())
        .layer(middleware::from_fn_with_state(shared.clone(), every_answer))
        .with_state(shared.clone())
}

/// In time, counted, and with the headers that keep a browser from doing anything clever with it.
async fn every_answer(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let limits = &shared.config.limits;
    let declared = request.body().size_hint().lower();
    let most = body_limit(request.uri().path(), limits);
    let mut response = if declared > most as u64 {
        Problem::too_large(most).into_response()
    } else {
        let in_time = timeout(limits.request_time, next.run(request)).await;
        in_time.unwrap_or_else(|_| Problem::too_slow().into_response())
    };
    shared.counts.response(response.status().as_u16());
    let headers = response.headers_mut();
    for (name, value) in SAFE_HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// For every answer; a handler may set its own. The page loads its own files and talks to its own API, no more.
const SAFE_HEADERS: [(HeaderName, &str); 7] = [
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];
