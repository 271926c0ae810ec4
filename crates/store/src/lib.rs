//! What outlives a turn of the control loop: presence and the line, shared through Redis or kept here; and the record.
//!
//! Four pieces, none of which ever makes a call wait. [`embedded`] grants what a single node asks. [`Redis`] carries
//! the same ops to a shared server and says `Down` and `Up`. [`Records`] writes one identity-free event log per call,
//! from which [`report`] counts a day again. [`Accounts`] is what the console keeps of people.

// A shell: it owns timeouts and the wall clock of reports.
#![allow(clippy::disallowed_methods)]

mod accounts;
mod detail;
mod embedded;
mod ledger;
mod past;
mod records;
mod redis;
mod report;
mod scripts;

pub use accounts::{Accounts, AccountsError};
pub use embedded::embedded;
pub use past::{PastCall, PastTalk, calls_of, calls_since};
pub use records::{Records, RecordsCounters, RecordsError};
pub use redis::{Redis, RedisConfig, RedisCounters, StoreError};
pub use report::{Day, ParseDayError, Report, Share, report};
