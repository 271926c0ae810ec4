//! One caller's life, from INVITE to record.
//!
//! [`Call`] is the parent of a caller's [`havre_dialplan::Walk`] and the one place that knows what a call is: when it
//! is picked up, what a key means at this moment, when an advocate is lost, and when a caller is really gone. It never
//! ends a call by itself: only the caller or the advocate does (the journey's rule 1).

mod call;
mod health;
mod input;
mod output;
mod redial;
mod talk;
pub mod telephone;

pub use call::{Arrival, Call, Stage};
pub use input::{End, Input};
pub use output::Output;
pub use redial::Redial;
pub use talk::Talk;
pub use telephone::Telephone;
