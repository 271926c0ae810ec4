//! The queue engine: who is offered to whom, and when. No I/O, no clock, no randomness of its own.
//!
//! [`Engine`] sees every caller and every agent of this node and does what the caller's journey says under
//! *Languages*, *Risk and order*, *Offers* and *The flow*. It is one plain machine: push [`Input`]s in, pull
//! [`Output`]s out until `None`, wake it when [`Engine::poll_timeout`] says so.
//!
//! An offer is claim → lease → confirm. The store that grants them is a peer on a network: what is asked of it
//! is an [`Op`] among the outputs, what it says (or that it is gone) is an [`Ack`] among the inputs. If it says
//! nothing for [`ACK_WITHIN`], the engine goes on with what it knows itself.

mod agent;
mod caller;
mod counters;
mod engine;
mod io;
mod offer;
mod order;
mod pool;
mod protocol;
mod reach;
mod timers;
mod view;
mod widen;

pub use counters::Counters;
pub use engine::Engine;
pub use io::{CommandError, Input, Output, TakeError};
pub use order::Score;
pub use protocol::{ACK_WITHIN, Ack, AgentRecord, CallerRecord, LEASE, Lease, Op, RENEW_EVERY};
pub use view::{AgentView, CallerView, Counts, Place};
