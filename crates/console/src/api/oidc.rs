//! Signing in by the identity provider: there and back. What goes wrong is said on the sign-in page, in the person's own
//! language, and passwords go on working beside it.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Shared;
use crate::access::{Begun, OidcError, Peer, Provider, SignedIn, cookie, set_cookie};
use crate::problem::Problem;

/// The cookie that ties the way back to the way there.
const COOKIE_NAME: &str = "havre_oidc";
/// Where the provider sends people back to, at each of our addresses; registered there.
const BACK: &str = "/auth/oidc/callback";
/// Longest code and state taken; real ones have a few hundred characters.
const LONGEST: usize = 4096;

/// What the provider sends along (RFC 6749 §4.1.2).
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Answer {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
}

/// Go to the identity provider to sign in.
#[utoipa::path(get, path = "/auth/oidc", tag = "people", security(()), responses(
    (status = 303, description = "To the provider; or to the sign-in page, which says why not."),
    (status = 404, description = "There is no provider.", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn begin(
    State(shared): State<Shared>,
    peer: Peer,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (provider, back) = provider(&shared, &headers)?;
    if !peer.private {
        return Ok(see_other(&page("not_private"), &[]));
    }
    let now = shared.people.now();
    let begun = Begun::new(now.unix);
    Ok(match provider.begin(&begun, &back, now).await {
        Ok(there) => {
            let cookie = own_cookie(Some(begun.cookie()), peer.secure || back.starts_with("https:"));
            see_other(&there, &[cookie])
        }
        Err(error) => {
            shared.counts.oidc(Some(error));
            see_other(&page(error.as_str()), &[])
        }
    })
}

/// Come back from the identity provider.
#[utoipa::path(get, path = "/auth/oidc/callback", tag = "people", security(()), params(Answer), responses(
    (status = 303, description = "Signed in: the cookie is the session. Or to the sign-in page, which says why not."),
    (status = 404, description = "There is no provider.", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn finish(
    State(shared): State<Shared>,
    peer: Peer,
    headers: HeaderMap,
    Query(answer): Query<Answer>,
) -> Result<Response, Problem> {
    let (provider, back) = provider(&shared, &headers)?;
    let secure = peer.secure || back.starts_with("https:");
    Ok(match come_back(&shared, provider, peer, &headers, &back, answer).await {
        Ok(signed_in) => {
            shared.counts.oidc(None);
            let session = set_cookie(Some(&signed_in.secret), secure, shared.config.sessions.most.as_secs());
            see_other("/", &[session, own_cookie(None, secure)])
        }
        Err(error) => {
            shared.counts.turned_away(401);
            shared.counts.oidc(Some(error));
            tracing::warn!(source = %peer.remote.ip(), why = error.as_str(), "sign-in by the identity provider refused");
            see_other(&page(error.as_str()), &[own_cookie(None, secure)])
        }
    })
}

async fn come_back(
    shared: &Shared,
    provider: &Provider,
    peer: Peer,
    headers: &HeaderMap,
    back: &str,
    Answer { code, state, error }: Answer,
) -> Result<SignedIn, OidcError> {
    let now = shared.people.now();
    let begun = cookie(headers, COOKIE_NAME).filter(|_| peer.private);
    let begun = begun.and_then(|cookie| Begun::back(cookie, now.unix)).ok_or(OidcError::Stale)?;
    if !state.is_some_and(|state| begun.began(&state)) {
        return Err(OidcError::Stale);
    }
    if error.is_some() {
        return Err(OidcError::Refused);
    }
    let code = code.filter(|code| code.len() <= LONGEST).ok_or(OidcError::Refused)?;
    let vouched = provider.finish(&begun, code, back, now).await?;
    if let Some(agent) = &vouched.agent {
        let snapshot = shared.line.snapshot();
        if !snapshot.agents.iter().any(|entry| entry.profile.id == *agent) {
            tracing::warn!(%agent, "the identity provider names an agent that the configuration does not have");
            return Err(OidcError::NoAccount);
        }
    }
    shared.people.vouched(vouched).await
}

/// The provider, and where it sends people back to.
fn provider<'a>(shared: &'a Shared, headers: &HeaderMap) -> Result<(&'a Provider, String), Problem> {
    let provider = shared.provider.as_deref().ok_or_else(Problem::no_such_path)?;
    let origin = shared.origins.of(headers).ok_or_else(Problem::bad_origin)?;
    Ok((provider, format!("{origin}{BACK}")))
}

/// The sign-in page, which knows the word.
fn page(why: &str) -> String {
    format!("/#/sign-in/{why}")
}

fn see_other(location: &str, cookies: &[String]) -> Response {
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response();
    for cookie in cookies.iter().filter_map(|cookie| cookie.parse().ok()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// `Lax`, unlike the session's: the way back begins on the provider's page.
fn own_cookie(value: Option<&str>, secure: bool) -> String {
    let (value, lives) = value.map_or(("", 0), |value| (value, crate::access::OIDC_LIVES.as_secs()));
    let secure = if secure { "; Secure" } else { "" };
    format!("{COOKIE_NAME}={value}; Path=/auth/oidc; HttpOnly; SameSite=Lax; Max-Age={lives}{secure}")
}
