//! Claim, lease, confirm: what the engine and the store say to each other.
//!
//! The store answers [`Op::Claim`] and [`Op::Confirm`], and nothing else. It may lose, repeat or delay its
//! answers: the engine waits [`ACK_WITHIN`] and then goes on with what it knows itself.

use std::time::Duration;

use havre_model::{AgentId, AgentState, CallId, Language, OfferId, Risk, Unix};

use crate::Score;

/// How long an answer of the store is waited for. It bounds what a hung store can cost a caller.
pub const ACK_WITHIN: Duration = Duration::from_millis(100);
/// How long the store keeps a lease that is not renewed: how long a lost node's agents stay taken.
pub const LEASE: Duration = Duration::from_secs(30);
/// How often held leases are renewed: two renewals may be lost without losing the lease.
pub const RENEW_EVERY: Duration = Duration::from_secs(10);

/// An agent held for a call. The offer is its token: whoever names another one does not hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The token.
    pub offer: OfferId,
    /// For which caller.
    pub call: CallId,
    /// Who is held.
    pub agent: AgentId,
    /// Confirmed: they talk.
    pub talking: bool,
}

/// A waiting caller, as the store keeps it. Nothing in it tells who called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerRecord {
    /// Which call.
    pub call: CallId,
    /// The order of the line: `arrival − head start`.
    pub score: Score,
    /// First arrival.
    pub arrival: Unix,
    /// Language.
    pub language: Language,
    /// Class.
    pub risk: Risk,
}

/// An agent's state, as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentRecord {
    /// Who.
    pub agent: AgentId,
    /// In which state. Its `Mono` deadlines mean nothing outside this node.
    pub state: AgentState,
}

/// What is asked of the store. Ops are to be carried out in the order given, each atomically.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Take the agent for [`LEASE`], as `lease.offer`. Granted unless *another node* holds the agent; an older
    /// lease of this node is replaced, for the engine knows its own agents. Answered by [`Ack::Claimed`].
    Claim {
        /// Copied into the answer.
        op: u64,
        /// What to take (`talking` is false).
        lease: Lease,
    },
    /// Take caller and agent for each other. Granted unless another node holds either, or this node has since
    /// claimed the agent under another offer; a lease that ran out and is held by nobody is taken again.
    /// Answered by [`Ack::Confirmed`].
    Confirm {
        /// Copied into the answer.
        op: u64,
        /// What to take (`talking` is true).
        lease: Lease,
    },
    /// Extend these leases by [`LEASE`] from now: those held under the same offer, or by nobody. No answer.
    Renew(Vec<Lease>),
    /// Free agent and caller, if held under this offer; otherwise nothing. May be repeated. No answer.
    Release(Lease),
    /// A caller waits, or its order changed. No answer.
    PutCaller(CallerRecord),
    /// The caller waits no longer. No answer.
    DropCaller(CallId),
    /// An agent's state changed. No answer.
    PutAgent(AgentRecord),
    /// The account is gone. No answer.
    DropAgent(AgentId),
    /// Forget what this node said before; this is the truth now. Sent after every [`Ack::Up`]. A lease that
    /// another node holds by now stays with it. No answer.
    Sync {
        /// Waiting callers, in order.
        callers: Vec<CallerRecord>,
        /// All agents of this node.
        agents: Vec<AgentRecord>,
        /// Ringing offers and talks.
        leases: Vec<Lease>,
    },
}

/// What the store says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ack {
    /// The answer to [`Op::Claim`].
    Claimed {
        /// Which.
        op: u64,
        /// Granted.
        ok: bool,
    },
    /// The answer to [`Op::Confirm`].
    Confirmed {
        /// Which.
        op: u64,
        /// Granted.
        ok: bool,
    },
    /// The store is reachable: at the start, and after every reconnection. The engine begins without a store.
    Up,
    /// The store is not reachable. Nothing is sent to it until `Up`.
    Down,
}
