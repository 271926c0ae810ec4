//! Who may ask: the bearer token (RFC 6750).

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::api::Shared;
use crate::problem::Problem;

/// Lets a request with the token pass.
pub(crate) async fn token(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let offered = request.headers().get(AUTHORIZATION).map(|value| bearer(value.as_bytes()));
    match offered {
        Some(Some(token)) if shared.config.token.is(token) => next.run(request).await,
        _ => {
            shared.counts.unauthorized();
            Problem::unauthorized(offered.is_some()).into_response()
        }
    }
}

/// The credentials of `Bearer …`; the scheme is case-insensitive (RFC 9110 §11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
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
}
