//! End-to-end tests: a real havre, SIPp, baresip and Redis, each on a loopback address of its own.
//!
//! This library is the bench that the tests in `tests/` stand on. It knows nothing of Havre's crates: it sees the
//! line as carriers, phones and operators see it. A step that fails panics with what was awaited and the tail of
//! every process's output, so a test reads like a call log and needs no error handling.
#![allow(clippy::print_stderr, reason = "what a failed test prints is for people")]

mod api;
pub mod audio;
mod baresip;
mod browser;
mod browser_caller;
pub mod canary;
mod carrier;
mod dns;
mod gateway;
mod host;
mod http;
mod line;
mod linphone;
mod media;
pub mod message;
mod process;
mod record;
mod redis;
mod registrar;
mod signer;
mod sipp;
mod tls;
mod wait;
mod weather;

pub use api::{Api, Events};
pub use baresip::{Baresip, Setup as PhoneSetup};
pub use browser::{Browser, Heard, Look, Page};
pub use browser_caller::Caller;
pub use carrier::{Carrier, way_out};
pub use dns::{Dns, Zone};
pub use gateway::Gateway;
pub use host::{Host, Scratch};
pub use http::{Reply, Stream};
pub use line::{Account, Line, LineBuilder, TOKEN, havre, havre_load, repository};
pub use linphone::Linphone;
pub use media::Media;
pub use process::{Process, Signal};
pub use record::Report;
pub use redis::Redis;
pub use registrar::{Registrar, Says};
pub use signer::Signer;
pub use sipp::{Logged, Run, Sipp};
pub use tls::{Authority, Identity, TlsClient, TlsServer, connect_from};
pub use wait::{holds_for, until};
pub use weather::{Carried, Relay, Weather};

/// The line's number, as the demo profile has it.
pub const TOLL_FREE: &str = "+18335550100";
/// The French-first number.
pub const TOLL_FREE_FR: &str = "+18335550101";
