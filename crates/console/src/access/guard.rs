//! The one place where a request is let through or not: the bearer token (RFC 6750), or a session's cookie with, for
//! what changes something, the page's origin and the session's CSRF token.

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use havre_model::{UserRole, UserRoles};
use subtle::ConstantTimeEq as _;

use super::{Access, Peer, Who};
use crate::api::Shared;
use crate::problem::Problem;

/// The session's cookie.
const COOKIE_NAME: &str = "havre_session";
/// What a page repeats in what it changes.
const CSRF_HEADER: &str = "x-csrf-token";

/// Lets a request pass that `access` allows, with [`Who`] asks in its extensions.
pub(crate) async fn guard(
    State((shared, access)): State<(Shared, Access)>,
    peer: Peer,
    mut request: Request,
    next: Next,
) -> Response {
    match admit(&shared, access, peer, request.method(), request.headers()) {
        Ok(who) => {
            request.extensions_mut().insert(who);
            next.run(request).await
        }
        Err(problem) => {
            shared.counts.turned_away(problem.status());
            problem.into_response()
        }
    }
}

fn admit(
    shared: &Shared,
    access: Access,
    peer: Peer,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Who, Problem> {
    let who = identify(shared, access, peer, headers)?;
    if let Some(here) = &who.session
        && !method.is_safe()
    {
        if !shared.origins.allow(headers) {
            return Err(Problem::bad_origin());
        }
        let offered = headers.get(CSRF_HEADER).map(HeaderValue::as_bytes).unwrap_or_default();
        if !bool::from(offered.ct_eq(here.csrf.as_bytes())) {
            return Err(Problem::bad_csrf());
        }
    }
    let allowed = match access {
        Access::Open | Access::Session => true,
        Access::Metrics => who.roles.contains(UserRole::Operator),
        Access::Roles(roles) => who.roles.meets(roles),
        Access::Desk => who.session.is_none() || (who.agent.is_some() && who.roles.meets(DESK)),
    };
    if allowed { Ok(who) } else { Err(Problem::not_allowed(access)) }
}

/// Who may sit at a desk.
pub(crate) const DESK: UserRoles = UserRoles::of(&[UserRole::Advocate, UserRole::Supervisor]);

fn identify(shared: &Shared, access: Access, peer: Peer, headers: &HeaderMap) -> Result<Who, Problem> {
    let people_only = access == Access::Session;
    if let Some(offered) = headers.get(AUTHORIZATION) {
        return match bearer(offered.as_bytes()) {
            Some(_) if people_only => Err(Problem::no_session()),
            Some(token) if shared.config.token.is(token) => Ok(Who::machine()),
            _ => Err(Problem::unauthorized(true)),
        };
    }
    match cookie(headers, COOKIE_NAME).filter(|_| peer.private) {
        Some(secret) => shared.people.who(secret).ok_or_else(Problem::no_session),
        None if people_only => Err(Problem::no_session()),
        None => Err(Problem::unauthorized(false)),
    }
}

/// What a cookie holds (RFC 6265 §5.4).
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, secret)| secret)
}

/// `Set-Cookie` for a session, or without one, to end it.
pub(crate) fn set_cookie(secret: Option<&str>, secure: bool, lives: u64) -> String {
    let (secret, lives) = secret.map_or(("", 0), |secret| (secret, lives));
    let secure = if secure { "; Secure" } else { "" };
    format!("{COOKIE_NAME}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age={lives}{secure}")
}

/// The credentials of `Bearer …`; the scheme is case-insensitive (RFC 9110 §11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

impl Problem {
    pub(crate) fn unauthorized(offered: bool) -> Self {
        let detail = if offered {
            "The token is not the right one."
        } else {
            "The request has no token and no session."
        };
        let remedy = "Sign in, or send the header `Authorization: Bearer TOKEN` with the token of [http] in the \
                      configuration.";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "A token is needed", detail, remedy)
    }

    pub(crate) fn no_session() -> Self {
        let detail = "Nobody is signed in: there is no session here, or it is over.";
        Self::new(StatusCode::UNAUTHORIZED, "no-session", "Not signed in", detail, "Sign in.")
    }

    pub(crate) fn bad_origin() -> Self {
        let detail = "The request does not come from a page of this console.";
        let remedy = "Open the console under an address that [console] origins lists.";
        Self::new(StatusCode::FORBIDDEN, "bad-origin", "Wrong origin", detail, remedy)
    }

    fn bad_csrf() -> Self {
        let detail = "The header X-CSRF-Token is missing or not this session's.";
        let remedy = "Send the `csrf` of GET /api/v1/session.";
        Self::new(StatusCode::FORBIDDEN, "bad-csrf", "Wrong CSRF token", detail, remedy)
    }

    fn not_allowed(access: Access) -> Self {
        let detail = format!("This is for {access}.");
        let remedy = "Ask an operator for the role, or sign in as somebody who has it.";
        Self::new(StatusCode::FORBIDDEN, "not-allowed", "Not allowed", detail, remedy)
    }
}

impl std::fmt::Display for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let roles = |roles: UserRoles| roles.iter().map(UserRole::as_str).collect::<Vec<_>>().join(", ");
        match self {
            Self::Open => f.write_str("everyone"),
            Self::Metrics => f.write_str("the token and the role operator, unless metrics_open is set"),
            Self::Roles(of) if of.meets(super::MACHINE) => {
                write!(f, "the token and the roles {}", roles(*of))
            }
            Self::Roles(of) => write!(f, "the roles {}", roles(*of)),
            Self::Session => f.write_str("whoever is signed in"),
            Self::Desk => write!(f, "the token and, with an agent, the roles {}", roles(DESK)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bearer_credentials_are_read() {
        assert_eq!(bearer(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(bearer(b"bEARER  abc "), Some(&b"abc"[..]));
        for other in [&b"Basic abc"[..], b"Bearer", b"", b"Bearerabc", b"abc"] {
            assert_eq!(bearer(other), None);
        }
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let found = |line: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, line.parse().unwrap());
            cookie(&headers, COOKIE_NAME).map(str::to_owned)
        };
        assert_eq!(found("havre_session=abc").as_deref(), Some("abc"));
        assert_eq!(found("a=b; havre_session=abc; c=d").as_deref(), Some("abc"));
        for none in ["", "havre_session", "xhavre_session=a", "a=havre_session=b", "HAVRE_SESSION=a"] {
            assert_eq!(found(none), None, "{none}");
        }
        assert_eq!(cookie(&HeaderMap::new(), COOKIE_NAME), None);
    }
}
