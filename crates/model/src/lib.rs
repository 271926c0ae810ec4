//! Havre's vocabulary: the words that every other crate speaks, and nothing that acts.
//!
//! One word for one thing (see the table of names in `ARCHITECTURE.md`). This crate depends on `std` only, reads
//! no clock and no randomness, and every type that people or machines read has one stable spelling (`as_str`).

mod account;
mod agent;
mod cause;
mod digit;
mod event;
mod id;
mod ladder;
mod language;
pub mod limits;
mod mode;
mod pii;
mod quality;
mod risk;
mod time;
mod trunk;
mod widening;

pub use account::{
    AccountChange, AuditEntry, KeptAccounts, SessionKey, UserAccount, UserId, UserRole, UserRoles,
    UserSession,
};
pub use agent::{AgentCommand, AgentProfile, AgentState, Role, Roles, StateReason, WrapUp};
pub use cause::Cause;
pub use digit::Digit;
pub use event::{CallEvent, OfferKind, Outcome, What, WithdrawReason};
pub use id::{
    AgentId, CallId, ConferenceId, FlowId, LegId, LineId, NodeId, OfferId, ParseIdError, PlayId, TrunkGroup,
    TrunkId,
};
pub use ladder::{Attempt, Kind, Ladder, Passed, Peer, Said, Traffic};
pub use language::{Language, Spoken, SpokenSet};
pub use mode::{Mode, WaitingSound};
pub use pii::Pii;
pub use quality::{Far, Mos, Quality, Side, Way};
pub use risk::Risk;
pub use time::{Mono, Now, Unix, Wakeup};
pub use trunk::{TrunkDown, TrunkHealth};
pub use widening::{Schedule, Step, Widening};
