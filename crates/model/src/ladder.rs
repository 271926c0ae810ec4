//! A call's signalling as it passed: who sent what when. Nothing in it says who called.

use std::time::Duration;

use crate::{AgentId, TrunkId, Unix};

/// Whom a message came from or went to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// A carrier.
    Trunk(TrunkId),
    /// An advocate's phone or browser.
    Agent(AgentId),
    /// Nobody that the configuration names.
    Unknown,
}

/// What a message was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Said {
    /// A request of this method.
    Request(&'static str),
    /// A response.
    Response {
        /// The code.
        status: u16,
        /// The method of the request that it answers.
        to: &'static str,
    },
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// When it was read or written.
    pub at: Unix,
    /// Time since the first message of the ladder.
    pub after: Duration,
    /// The far end.
    pub peer: Peer,
    /// Which of the ladder's dialogs, from 0 (the first is the caller's).
    pub dialog: usize,
    /// From us to the far end.
    pub sent: bool,
    /// `udp`, `tcp`, …
    pub transport: &'static str,
    /// What it was.
    pub said: Said,
    /// Its `CSeq` number.
    pub seq: u32,
    /// The same message passed before.
    pub again: bool,
    /// It carried a session description.
    pub described: bool,
    /// The Q.850 cause that its `Reason` named.
    pub cause: Option<u16>,
}

/// The messages of one call (or attempt), in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ladder {
    /// In the order in which they passed.
    pub messages: Vec<Passed>,
    /// Messages left out, because there were too many.
    pub left_out: u64,
}

/// An INVITE that never became a call: refused, challenged and left, or a feature code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub at: Unix,
    /// Who, as far as the edge knows.
    pub peer: Peer,
    /// The last final answer to its INVITEs.
    pub status: Option<u16>,
    /// All that passed.
    pub ladder: Ladder,
}

/// How many messages of one kind passed since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// From us to others.
    pub sent: bool,
    /// `udp`, `tcp`, …
    pub transport: &'static str,
    /// A method, or the code of a response (`200`).
    pub what: Kind,
    /// How many.
    pub count: u64,
}

/// The kind of a counted message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Requests of this method.
    Method(&'static str),
    /// Responses of this code.
    Status(u16),
    /// Responses of codes that no RFC names.
    OtherStatus,
}
