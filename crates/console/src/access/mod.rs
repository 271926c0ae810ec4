//! Who may ask what: people with sessions, machines with the token, and what is known of both.

mod audit;
mod guard;
mod keep;
mod oidc;
mod origin;
mod password;
mod patience;
mod people;
mod secret;
mod session;

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use havre_model::{AgentId, SessionKey, Unix, UserId, UserRole, UserRoles};
use tokio::sync::watch;

pub(crate) use audit::{Act, Asked, Audit};
pub(crate) use guard::{cookie, guard, set_cookie};
pub use keep::{Keep, KeepError};
pub(crate) use oidc::{Begun, LIVES as OIDC_LIVES, OidcError, Provider, Vouched};
pub use oidc::{Oidc, OidcFault, OidcSecret};
pub(crate) use origin::Origins;
pub use origin::{Origin, OriginError};
pub(crate) use people::{Change, ChangeError, People, SignInError, SignedIn, described};
pub use people::{DemoAccount, SessionTimes};

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everyone who reaches the port.
    Open,
    /// As configured: everyone with `open_metrics`, otherwise operators and the token.
    Metrics,
    /// People with one of these roles; and the token, which counts as operator and supervisor.
    Roles(UserRoles),
    /// Any person with a session; not the token.
    Session,
    /// A person who takes calls: an advocate or a supervisor with an agent. And the token, which has no desk of its own.
    Desk,
}

/// What the bearer of the token may do.
pub(crate) const MACHINE: UserRoles = UserRoles::of(&[UserRole::Operator, UserRole::Supervisor]);

/// Who asks. Handlers behind anything but [`Access::Open`] take it as an argument.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    /// What the audit calls them.
    pub(crate) name: String,
    pub(crate) roles: UserRoles,
    /// Whose calls they take.
    pub(crate) agent: Option<AgentId>,
    /// None for the token.
    pub(crate) session: Option<Here>,
}

/// The session somebody asks from.
#[derive(Clone, Debug)]
pub(crate) struct Here {
    pub(crate) key: SessionKey,
    pub(crate) user: UserId,
    /// What unsafe requests must repeat in `X-CSRF-Token`.
    pub(crate) csrf: String,
    /// When it is over at the latest.
    pub(crate) expires: Unix,
    live: watch::Receiver<()>,
}

impl Who {
    /// The bearer of the token. No user can have this name.
    fn machine() -> Self {
        Self { name: "(token)".to_owned(), roles: MACHINE, agent: None, session: None }
    }

    /// Returns once the session is over: signed out, expired, the account disabled. Never for the token. Streams and
    /// sockets end with it.
    pub(crate) async fn over(&self) {
        let Some(here) = &self.session else { return pending().await };
        let mut live = here.live.clone();
        while live.changed().await.is_ok() {}
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Who {
    type Rejection = crate::problem::Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        // The guard of every route that is not open has put it there.
        parts.extensions.get().cloned().ok_or_else(crate::problem::Problem::no_session)
    }
}

/// The connection that a request came over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) remote: SocketAddr,
    /// TLS, by us.
    pub(crate) secure: bool,
    /// Sessions may travel here: over TLS, or within this machine.
    pub(crate) private: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // The accept loop gives every request its own; without it, nothing is private.
        let nowhere = Self { remote: ([0, 0, 0, 0], 0).into(), secure: false, private: false };
        Ok(parts.extensions.get().copied().unwrap_or(nowhere))
    }
}
