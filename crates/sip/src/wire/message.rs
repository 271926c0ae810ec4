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
    pub fn new(method: Method, uri: Uri) -> Self {
        Self { method, uri, headers: Headers::new(), body: Bytes::new() }
    }

    /// What goes on the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let uri = self.uri.to_string();
        print(&[method_name(self.method), " ", &uri, " SIP/2.0"], &self.headers, &self.body)
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
        let status = format!("{:03}", self.status);
        print(&["SIP/2.0 ", &status, " ", &reason], &self.headers, &self.body)
    }
}

fn print(start_line: &[&str], headers: &Headers, body: &[u8]) -> Bytes {
    let length = format!("Content-Length: {}\r\n\r\n", body.len());
    let start: usize = start_line.iter().map(|part| part.len()).sum();
    // Transactions keep it for half a minute: not a byte more than it has.
    let mut out = Vec::with_capacity(start + 2 + headers.printed_len() + length.len() + body.len());
    for part in start_line {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    headers.print(&mut out);
    out.extend_from_slice(length.as_bytes());
    out.extend_from_slice(body);
    Bytes::from(out)
}
