//! Requests and responses, and how they are printed.

use bytes::Bytes;

use super::{Headers, Uri, method_name};
use crate::Method;

/// A SIP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

/// A request of RFC 3261 §7.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// The Request-URI. Of any scheme: one that is not ours to serve is answered 416 (§8.2.2.1).
    pub uri: Uri,
    /// The headers.
    pub headers: Headers,
    /// The body, byte for byte.
    pub body: Bytes,
}

/// A response of RFC 3261 §7.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// 100 to 699.
    pub status: u16,
    /// For people; never decides anything.
    pub reason: String,
    /// The headers.
    pub headers: Headers,
    /// The body, byte for byte.
    pub body: Bytes,
}

impl Message {
    /// The headers of either.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// What goes on the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }
}

impl Request {
    /// A request without headers and body.
    #[must_use]
    pub const fn new(method: Method, uri: Uri) -> Self {
        Self { method, uri, headers: Headers::new(), body: Bytes::new() }
    }

    /// What goes on the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        print(&format!("{} {} SIP/2.0", method_name(self.method), self.uri), &self.headers, &self.body)
    }
}

impl Response {
    /// A response without headers and body, with the RFC's reason phrase.
    #[must_use]
    pub fn new(status: u16) -> Self {
        let reason = super::reason_phrase(status).to_owned();
        Self { status, reason, headers: Headers::new(), body: Bytes::new() }
    }

    /// What goes on the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let reason: String =
            self.reason.chars().map(|c| if c.is_ascii_control() { ' ' } else { c }).collect();
        print(&format!("SIP/2.0 {:03} {reason}", self.status), &self.headers, &self.body)
    }
}

fn print(start_line: &str, headers: &Headers, body: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(512 + body.len());
    out.extend_from_slice(start_line.as_bytes());
    out.extend_from_slice(b"\r\n");
    headers.print(&mut out);
    out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    out.extend_from_slice(body);
    // Transactions keep it for half a minute: not a byte more than it has.
    Bytes::from(out.into_boxed_slice())
}
