//! A SIP user agent for tests, simulation and the command line, on the same `sip` and `media` machines; no I/O.
//!
//! [`Phone`] is what a person holds: it registers, rings, answers, dials, holds, presses keys and hangs up. Audio is not
//! in it: it emits [`Output::Media`] commands, which a data thread, a `media::Shard` in the same process, or a fake does.

mod commands;
mod config;
mod io;
mod leg;
mod network;
mod phone;

pub use config::{Answering, Config};
pub use io::{Command, Event, Input, Keying, Output};
pub use phone::{Counters, Phone};
