//! Errors as problem details (RFC 9457): what happened and what to do.

use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::line::Finding;
use crate::office::OfficeError;

/// What went wrong and what to do (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// The kind of problem, for programs: `urn:havre:problem:…`.
    #[serde(rename = "type", serialize_with = "urn")]
    kind: &'static str,
    /// The same in one stable word: `not_found`, `bad_csrf`, `slow_down`.
    #[serde(serialize_with = "word")]
    code: &'static str,
    /// The kind of problem, for people.
    title: &'static str,
    status: u16,
    /// What happened this time.
    #[schema(value_type = String)]
    detail: Box<str>,
    /// What to do.
    #[schema(value_type = String)]
    remedy: Box<str>,
    /// What is wrong in the files, after a refused reload.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    findings: Vec<Finding>,
    /// When it is worth trying again, in seconds: the header `Retry-After`.
    #[serde(skip)]
    retry_after: Option<u16>,
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            code: kind,
            title,
            status: status.as_u16(),
            detail: detail.into().into(),
            remedy: remedy.into().into(),
            findings: Vec::new(),
            retry_after: (status == StatusCode::SERVICE_UNAVAILABLE).then_some(5),
        }
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    pub(crate) fn no_such(what: &str, id: &str, list: &str) -> Self {
        // An id is echoed only as far as an id can be long.
        let id: String = id.chars().take(64).collect();
        let detail = format!("There is no {what} `{id}`.");
        let remedy = format!("GET {list} lists those there are.");
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail, remedy)
    }

    pub(crate) fn no_such_path() -> Self {
        let remedy = "GET /openapi.json describes every path.";
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", "There is nothing at this path.", remedy)
    }

    pub(crate) fn bad_path(detail: String) -> Self {
        let remedy = "Use the ids as the lists give them, percent-encoded UTF-8.";
        Self::new(StatusCode::BAD_REQUEST, "bad-path", "Bad path", detail, remedy)
    }

    pub(crate) fn method() -> Self {
        let detail = "This path does not take this method.";
        let remedy = "The header `Allow` of this answer names those it takes.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method", "Method not allowed", detail, remedy)
    }

    pub(crate) fn unavailable() -> Self {
        let remedy = "Try again in a few seconds; if it lasts, look at the log.";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, "unavailable", "Not available", "The line does not answer.", remedy)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let remedy = format!("Send at most {limit} bytes.");
        let detail = "The request's body is larger than any that means something here.";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large", detail, remedy)
    }

    pub(crate) fn too_slow() -> Self {
        let detail = "The request's body did not arrive in time.";
        Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "Too slow", detail, "Try again.")
    }

    /// Too many attempts: the next one is welcome after `wait`.
    pub(crate) fn slow_down(wait: Duration) -> Self {
        let seconds =
            u16::try_from(wait.as_secs()).unwrap_or(u16::MAX - 1) + u16::from(wait.subsec_nanos() > 0);
        let detail = "There were failed attempts just before, or too many at once.";
        let remedy = format!("Try again in {seconds} s.");
        let status = StatusCode::TOO_MANY_REQUESTS;
        let problem = Self::new(status, "slow-down", "Too many attempts", detail, remedy);
        Self { retry_after: Some(seconds), ..problem }
    }

    /// A body that is not what the route takes; `remedy` says what it takes.
    pub(crate) fn bad_body(
        rejection: &JsonRejection,
        title: &'static str,
        remedy: &str,
        limit: usize,
    ) -> Self {
        let status = rejection.status();
        let (kind, title) = match status {
            StatusCode::PAYLOAD_TOO_LARGE => return Self::too_large(limit),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => ("not-json", "Not JSON"),
            StatusCode::UNPROCESSABLE_ENTITY => ("bad-value", title),
            _ => ("bad-json", "Not JSON"),
        };
        Self::new(status, kind, title, rejection.body_text(), remedy)
    }

    /// What the house behind the line answered.
    pub(crate) fn office(error: OfficeError) -> Self {
        match error {
            OfficeError::Unavailable(detail) => {
                let remedy = "Look at the log of the node.";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available", detail, remedy)
            }
            OfficeError::Unknown => {
                let remedy = "The list of them says what there is.";
                Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", "There is no such thing.", remedy)
            }
            OfficeError::Stale(detail) => {
                let remedy = "Read it again, and make your change to what it is now.";
                Self::new(StatusCode::CONFLICT, "stale", "Changed meanwhile", detail, remedy)
            }
            OfficeError::Refused(findings) => {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                let detail = format!("{} finding(s): the old one stays.", findings.len());
                let remedy = "Correct what `findings` names and send it again.";
                Self::new(status, "refused", "Refused", detail, remedy).with_findings(findings)
            }
        }
    }

    pub(crate) fn with_findings(mut self, findings: Vec<Finding>) -> Self {
        self.findings = findings;
        self
    }
}

fn urn<S: Serializer>(kind: &&'static str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("urn:havre:problem:{kind}"))
}

fn word<S: Serializer>(kind: &&'static str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&kind.replace('-', "_"))
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"api\""));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
