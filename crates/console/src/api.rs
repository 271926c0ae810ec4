//! Every route in one table, with who may ask it; and what all answers have in common.

mod accounts;
mod agents;
mod board;
mod calls;
mod describe;
mod desk;
mod oidc;
mod plan;
mod probes;
mod prompts;
mod provinces;
mod reload;
mod session;
mod sip;
mod stream;
mod today;
mod trace;
mod trunks;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::HttpBody;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post, put};
use axum::{Json, Router};
use havre_model::{UserRole, UserRoles};
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

pub(crate) use trunks::TrunkWhy;

use crate::access::{Access, Audit, Keep, OidcError, Origins, Peer, People, Provider, guard};
use crate::config::{Config, Limits};
use crate::events::Events;
use crate::line::{Answer, Line};
use crate::metrics::Own;
use crate::page;
use crate::problem::Problem;
use crate::screens::Screens;

/// One way to ask: the method, the path, who may, what answers.
pub(crate) type Route = (Method, &'static str, Access, MethodRouter<Shared>);

/// Whoever has a role at all.
const ANY: Access = Access::Roles(UserRoles::of(&UserRole::ALL));
/// Looks at the whole line.
const WATCH: Access = Access::Roles(UserRoles::of(&[UserRole::Supervisor, UserRole::Operator]));
/// Acts on the line.
const ACT: Access = Access::Roles(UserRoles::of(&[UserRole::Supervisor]));
/// Runs the system.
const OPERATE: Access = Access::Roles(UserRoles::of(&[UserRole::Operator]));
/// Reads who did what.
const REVIEW: Access = Access::Roles(UserRoles::of(&[UserRole::Operator, UserRole::Auditor]));

/// Every route.
pub(crate) fn routes() -> Vec<Route> {
    use Access::{Desk, Metrics, Open, Session};
    const GET: Method = Method::GET;
    const PUT: Method = Method::PUT;
    const POST: Method = Method::POST;
    const DELETE: Method = Method::DELETE;
    vec![
        (GET, "/health", Open, get(probes::health)),
        (GET, "/ready", Open, get(probes::ready)),
        (GET, "/metrics", Metrics, get(probes::metrics)),
        (GET, "/openapi.json", ANY, get(describe::openapi)),
        (GET, "/api/v1/queues", WATCH, get(calls::queues)),
        (GET, "/api/v1/calls", WATCH, get(calls::calls)),
        (GET, "/api/v1/calls/{id}", WATCH, get(calls::call)),
        (POST, "/api/v1/calls/{id}/escalate", ACT, post(calls::escalate)),
        (POST, "/api/v1/calls/{id}/take", ACT, post(calls::take)),
        (GET, "/api/v1/agents", WATCH, get(agents::agents)),
        (GET, "/api/v1/agents/{id}", WATCH, get(agents::agent)),
        (PUT, "/api/v1/agents/{id}/state", ACT, put(agents::set_state)),
        (GET, "/api/v1/events", WATCH, get(stream::events)),
        (GET, "/api/v1/board", WATCH, get(board::board)),
        (GET, "/api/v1/board/events", WATCH, get(board::events)),
        (GET, "/api/v1/desk", Desk, get(desk::desk)),
        (GET, "/api/v1/desk/events", Desk, get(desk::events)),
        (PUT, "/api/v1/desk/state", Desk, put(desk::set_state)),
        (POST, "/api/v1/desk/escalate", Desk, post(desk::escalate)),
        (GET, "/api/v1/desk/history", Desk, get(desk::history)),
        (GET, "/api/v1/provinces", ANY, get(provinces::provinces)),
        (GET, "/api/v1/calls/{id}/events", WATCH, get(calls::log)),
        (GET, "/api/v1/calls/{id}/trace", WATCH, get(trace::call)),
        (GET, "/api/v1/attempts", WATCH, get(trace::attempts)),
        (GET, "/api/v1/today", WATCH, get(today::today)),
        (GET, "/api/v1/roster", WATCH, get(today::roster)),
        (PUT, "/api/v1/roster", ACT, put(today::set_roster)),
        (GET, "/api/v1/coverage", WATCH, get(today::coverage)),
        (GET, "/api/v1/trunks", OPERATE, get(trunks::trunks)),
        (GET, "/api/v1/dialplan", OPERATE, get(plan::plan)),
        (PUT, "/api/v1/dialplan", OPERATE, put(plan::replace)),
        (POST, "/api/v1/dialplan/check", OPERATE, post(plan::check)),
        (GET, "/api/v1/prompts", OPERATE, get(prompts::prompts)),
        (GET, "/api/v1/prompts/{id}/{recording}", OPERATE, get(prompts::recording)),
        (PUT, "/api/v1/prompts/{id}/{recording}", OPERATE, put(prompts::replace)),
        (POST, "/api/v1/reload", OPERATE, post(reload::reload)),
        (GET, "/api/v1/sign-in", Open, get(session::ways)),
        (POST, "/api/v1/session", Open, post(session::sign_in)),
        (GET, "/api/v1/session", Session, get(session::read)),
        (DELETE, "/api/v1/session", Session, delete(session::sign_out)),
        (PUT, "/api/v1/session/language", Session, put(session::set_language)),
        (PUT, "/api/v1/session/password", Session, put(session::set_password)),
        (POST, "/api/v1/setup", Open, post(session::set_up)),
        (GET, "/auth/oidc", Open, get(oidc::begin)),
        (GET, "/auth/oidc/callback", Open, get(oidc::finish)),
        (GET, "/api/v1/accounts", OPERATE, get(accounts::list)),
        (POST, "/api/v1/accounts", OPERATE, post(accounts::add)),
        (PUT, "/api/v1/accounts/{user}", OPERATE, put(accounts::change)),
        (DELETE, "/api/v1/accounts/{user}", OPERATE, delete(accounts::remove)),
        (GET, "/api/v1/audit", REVIEW, get(accounts::audit)),
        (GET, "/sip", Desk, get(sip::socket)),
        (GET, "/", Open, get(page::index)),
        (GET, "/app/{file}", Open, get(page::file)),
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
    pub(crate) people: Arc<People>,
    pub(crate) provider: Option<Arc<Provider>>,
    pub(crate) keep: Arc<dyn Keep>,
    pub(crate) origins: Arc<Origins>,
    pub(crate) readers: Arc<Semaphore>,
    pub(crate) screens: Arc<Screens>,
    /// Places for those who look at a screen.
    pub(crate) viewers: Arc<Semaphore>,
    pub(crate) sockets: Arc<Semaphore>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Shared {
    /// Where acts of supervisors and operators are written down.
    pub(crate) fn audit(&self) -> &Audit {
        &self.people.audit
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
            forbidden: count(&self.counts.forbidden),
            sessions: self.people.sessions(),
            sockets: self.config.limits.sockets - self.sockets.available_permits(),
            connections_refused: count(&self.counts.connections_refused),
            handshakes_failed: count(&self.counts.handshakes_failed),
            subscribers: self.config.limits.subscribers - self.readers.available_permits(),
            readers_cut: count(&self.counts.readers_cut),
            oidc: self.provider.as_ref().map(|_| {
                let OidcCounts { signed_in, refused } = &self.counts.oidc;
                (count(signed_in), refused.each_ref().map(count))
            }),
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

/// A JSON body of this shape.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Shared> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Problem> {
        let remedy = "Send `Content-Type: application/json` and a body as GET /openapi.json describes it.";
        let limit = shared.config.limits.body;
        let body = Json::<T>::from_request(request, shared).await;
        body.map(|Json(body)| Self(body))
            .map_err(|rejection| Problem::bad_body(&rejection, "Not understood", remedy, limit))
    }
}

/// The console's own counters.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    responses: [AtomicU64; 5],
    unauthorized: AtomicU64,
    forbidden: AtomicU64,
    connections_refused: AtomicU64,
    handshakes_failed: AtomicU64,
    readers_cut: AtomicU64,
    oidc: OidcCounts,
}

/// What came of signing in by the identity provider.
#[derive(Debug, Default)]
struct OidcCounts {
    signed_in: AtomicU64,
    refused: [AtomicU64; OidcError::ALL.len()],
}

impl Counts {
    /// Somebody was not let through, with this status.
    pub(crate) fn turned_away(&self, status: u16) {
        let counter = if status == 403 { &self.forbidden } else { &self.unauthorized };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connection_refused(&self) {
        self.connections_refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn handshake_failed(&self) {
        self.handshakes_failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn reader_cut(&self) {
        self.readers_cut.fetch_add(1, Ordering::Relaxed);
    }

    /// What came of signing in by the identity provider: somebody is in, or why not.
    pub(crate) fn oidc(&self, refused: Option<OidcError>) {
        let counter = refused.map_or(&self.oidc.signed_in, |error| &self.oidc.refused[error as usize]);
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn response(&self, status: u16) {
        if let Some(class) = self.responses.get(usize::from(status / 100).wrapping_sub(1)) {
            class.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The router over all routes.
pub(crate) fn router(shared: &Shared) -> Router {
    let mut router = Router::new();
    for (_, path, access, methods) in routes() {
        let open = access == Access::Open || (access == Access::Metrics && shared.config.open_metrics);
        let guarded = middleware::from_fn_with_state((shared.clone(), access), guard);
        let methods = methods.layer(DefaultBodyLimit::max(body_limit(path, &shared.config.limits)));
        router = router.route(path, if open { methods } else { methods.route_layer(guarded) });
    }
    let common = Common { shared: shared.clone(), policy: policy(&shared.origins) };
    router
        .fallback(async || Problem::no_such_path())
        .method_not_allowed_fallback(async || Problem::method())
        .layer(middleware::from_fn_with_state(common, every_answer))
        .with_state(shared.clone())
}

/// What all answers have in common.
#[derive(Clone)]
struct Common {
    shared: Shared,
    policy: HeaderValue,
}

/// In time, counted, and with the headers that keep a browser from doing anything clever with it.
async fn every_answer(
    State(Common { shared, policy }): State<Common>,
    peer: Peer,
    request: Request,
    next: Next,
) -> Response {
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
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    if peer.secure {
        // A year: the console is never again asked for in clear (RFC 6797).
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// The page loads its own files and talks to its own API, no more. Sockets are named besides `'self'`, which not every
/// browser takes to cover them.
fn policy(origins: &Origins) -> HeaderValue {
    let sockets: String = origins.sockets().map(|socket| format!(" {socket}")).collect();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
         media-src 'self' blob:; manifest-src 'self'; connect-src 'self'{sockets}; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// For every answer; a handler may set its own.
const SAFE_HEADERS: [(HeaderName, &str); 7] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    // The microphone is for the softphone; nothing else of the machine is anybody's business.
    (
        HeaderName::from_static("permissions-policy"),
        "microphone=(self), camera=(), geolocation=(), display-capture=()",
    ),
];
