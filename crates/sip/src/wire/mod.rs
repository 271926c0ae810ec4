//! SIP on the wire: one lexer for datagrams and streams, and typed values for what routing and security depend on.
//!
//! - [`parse_datagram`] and [`Framer`] turn bytes into a [`Message`] or a [`ParseError`] that carries its answer.
//! - A parsed request has readable `Via`, `From`, `To`, `Call-ID` and `CSeq`, of its own method (RFC 3261 §8.1.1),
//!   each but `Via` exactly once, and a method that we know; what is otherwise is a [`ParseError`].
//! - `to_bytes` prints; `Content-Length` is always ours.
//!
//! # Line ends
//! RFC 3261 §7 ends lines with CRLF and with nothing else. A bare LF or bare CR is refused (400) here, on streams
//! as in datagrams: a peer in front of us that reads lines otherwise would see other messages than we do.

mod access;
mod auth;
mod check;
mod contact;
mod cseq;
mod error;
mod framer;
mod glimpse;
mod headers;
mod lexer;
pub mod limits;
mod list;
mod media_type;
mod message;
mod name;
mod name_addr;
mod params;
mod reason;
mod replaces;
mod reply;
mod scan;
mod session;
mod uri;
mod via;

pub use auth::Auth;
pub use contact::Contacts;
pub use cseq::{CSeq, RAck, method_name};
pub use error::{KEEP_ALIVE, Malformed, ParseError};
pub use framer::Framer;
pub use glimpse::Glimpse;
pub use headers::Headers;
pub use lexer::{begins_call, parse_datagram};
pub use list::{Privacy, Tokens};
pub use media_type::MediaType;
pub use message::{Message, Request, Response};
pub use name::Name;
pub use name_addr::NameAddr;
pub use params::Params;
pub use reason::Reason;
pub use replaces::Replaces;
pub use reply::reason_phrase;
pub use session::{Refresher, SessionExpires};
pub use uri::{Host, SipUri, TelUri, Uri};
pub use via::{Via, ViaTransport};
