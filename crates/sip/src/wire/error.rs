//! Why bytes were no message, and what to answer.

use super::Response;

/// A value whose text is not what its grammar says. The text names the part, never the content (it may be a
/// caller's number).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {0}")]
pub struct Malformed(pub &'static str);

/// Bytes that are no message we can act on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct ParseError {
    /// What was wrong: a fixed text for counters and logs, without any of the message's content.
    pub why: &'static str,
    /// What to send back, when it was a request other than ACK and its `Via` can be read. It has the request's
    /// `Via`s, `From`, `To`, `Call-ID` and `CSeq` as far as they were there; the endpoint still adds `received`
    /// and `rport` ([`Headers::stamp_via`](super::Headers::stamp_via)) and a `To` tag
    /// ([`Headers::tag_to`](super::Headers::tag_to)).
    pub reply: Option<Box<Response>>,
    /// On a stream: where the next message starts is unknown or not to be trusted. Answer, then close.
    pub fatal: bool,
}

/// [`ParseError::why`] of a datagram of nothing but CR, LF and NUL: a NAT keep-alive, not an error to count.
pub const KEEP_ALIVE: &str = "keep-alive";
