//! The whole hotline in virtual time.
//!
//! A [`World`] holds one real `havre_switch::Switch` and real `havre_phone::Phone`s, and in place of everything with
//! I/O something simple: a network that loses, delays, doubles and reorders datagrams, a data plane without packets,
//! a Redis that hangs. Everything random is drawn from one seed, so whatever happens once can be made to happen again.
//! After every step the invariants of the line are looked at: see `checks.rs`.
//!
//! ```
//! use std::time::Duration;
//! use havre_sim::{TOLL_FREE, World};
//!
//! let world = World::staffed_by(&["advocate-bi"]);
//! let (caller, bilingual) = (world.caller(), world.advocate("advocate-bi"));
//! caller.dials(TOLL_FREE);
//! world.advance(Duration::from_secs(1));
//! caller.presses('2');
//! world.advance(Duration::from_secs(4));
//! bilingual.answers();
//! world.advance(Duration::from_secs(60));
//! caller.hangs_up();
//! world.assert_quiet();
//! assert_eq!(world.tally().answered, 1);
//! ```

mod checks;
pub mod day;
mod delivery;
mod hotline;
mod log;
mod network;
mod people;
mod plane;
mod redis;
mod station;
mod streams;
mod words;
mod world;

pub use checks::Tally;
pub use hotline::{Plan, SANS_FRAIS, TOLL_FREE, account, demo_accounts};
pub use network::Weather;
pub use people::{Advocate, Caller};
pub use redis::Health;
pub use world::{Happening, Setup, World};
