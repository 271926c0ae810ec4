//! SIP for Havre: one lexer, typed headers, transactions, dialogs, digest, registrar; no I/O
//!
//! `rsip` gives the vocabulary ([`Method`], [`StatusCode`]); its parser is never handed network bytes.

mod admission;
mod config;
mod counters;
mod dialog;
pub mod digest;
mod edge;
mod endpoint;
mod leg;
mod number;
mod passport;
mod registrar;
mod registration;
mod scanner;
mod secrets;
mod stack;
mod strangers;
mod timer;
mod trace;
mod transaction;
mod trunk;
pub mod wire;

pub use config::{
    Caps, Config, Limits, LineNumbers, NumberFormat, Outbound, Outside, Overload, Password, Peer, Ping,
    RegistrationTimes, SessionTimers, Timers, Trunk,
};
pub use counters::Counters;
pub use endpoint::{
    Account, Caller, Command, DialOffer, EndedBy, Endpoint, Event, FlowOwner, Identity, Input, Link, Origin,
    Output, Path, Target, Transport,
};
pub use passport::{Attestation, Certificate, Certificates};
pub use registrar::Binding;
pub use rsip::{Method, StatusCode};
pub use trunk::{Answer, Question, Record, RecordKind};
