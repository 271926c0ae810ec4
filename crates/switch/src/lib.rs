//! One node's control plane: translation only.
//!
//! [`Switch`] owns the SIP endpoint, the queue engine and the calls, and carries what one says to the others in their
//! own words. It holds no policy: when an `if` here decides something about a caller or an advocate, it belongs in
//! `call` or `queue`. It never sees an RTP packet, only digits and "prompt finished".

mod agent;
mod caller;
mod early;
mod feature;
mod handover;
mod io;
mod label;
mod leg;
mod library;
mod outside;
mod quality;
mod returning;
mod switch;
mod wakeups;

pub use io::{
    BrowserMedia, CodecPolicy, Configuration, Input, MediaInput, Output, Outsiders, QualityReport,
    ReloadPlan, SrtpPolicy,
};
pub use library::Library;
pub use switch::{Counters, Switch};
