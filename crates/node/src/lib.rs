//! The shell: sockets, media threads, the one clock.
//!
//! The control plane is one thread: a [`Control`] owns the switch and lets the network, the data plane, the store, the
//! API and the clock speak to it one after the other. Nothing here decides anything about a call.

// The shell owns the one clock: pure crates get `Now` from here.
#![allow(clippy::disallowed_methods)]

mod arrival;
pub mod clock;
mod command;
mod control;
pub mod dns;
mod icmp;
pub mod media;
mod observer;
mod stream;
mod tcp;
mod tls;
mod udp;
mod web;

pub use command::{Handle, Request};
pub use control::{Control, Parts};
pub use observer::Observer;
pub use tls::{TlsCounters, TlsParts};
pub use udp::{BindError, Sockets};
pub use web::WebSocket;
