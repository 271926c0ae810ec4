//! The HTTP API, the event stream, the metrics and the console's pages.
//!
//! Three pieces. [`Board`] is a plain value that the control thread feeds with what happens and asks for a
//! [`Snapshot`]. [`Events`] is the ring that the event stream reads. [`Console`] is the server; what it needs of
//! the running line it asks through [`Line`], which the binary implements. No caller's identity can appear here:
//! the vocabulary that comes in has none.

mod access;
mod api;
mod board;
mod config;
mod connection;
mod events;
mod line;
mod logs;
mod metrics;
mod office;
mod page;
mod problem;
mod roster;
mod screens;
mod server;
mod tally;
mod today;
mod views;
mod words;

pub use access::{
    DemoAccount, Keep, KeepError, Oidc, OidcFault, OidcSecret, Origin, OriginError, SessionTimes,
};
pub use board::{
    AgentEntry, Alarm, AlarmKind, Attention, Board, CallEntry, CertificateTrouble, LastTalk, LegEntry,
    PastCall, Reach, Ringing, Snapshot, Stage,
};
pub use config::{Clock, Config, Limits, StartError, Tls, Token, TokenError};
pub use events::{Events, System};
pub use line::{Answer, CommandError, Finding, Line, Readiness, ReloadRefused, Reloaded, SipFlow, TakeError};
pub use metrics::{Counter, Histogram, Measures, Rtp};
pub use office::{
    Office, OfficeError, PlanChecked, PlanDifference, PlanEdge, PlanInForce, PlanNode, PromptEntry,
    RecordingEntry, TalkEnd, TalkOver,
};
pub use roster::{ClockTime, Roster, Shift};
pub use server::{Console, Parts};
pub use tally::{Tally, WAIT_TARGET};
pub use today::Today;
