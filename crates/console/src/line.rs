//! What the console asks of the running line. The binary implements it.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Bytes;
use havre_model::{AgentCommand, AgentId, AgentState, Attempt, CallId, Ladder};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use utoipa::ToSchema;

use crate::{Measures, Office, Snapshot};

/// An answer that takes a while: `Box::pin(async move { … })`.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The running line, as the console sees it.
pub trait Line: Office {
    /// The last published state of calls and agents. Waits are counted up to its `at`, so it should be published
    /// at least every second.
    fn snapshot(&self) -> Arc<Snapshot>;

    /// The same and each one that follows: what live screens are fed with.
    fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>>;

    /// Other crates' counters, for `/metrics`.
    fn measures(&self) -> Measures;

    /// Whether new calls are welcome.
    fn readiness(&self) -> Readiness;

    /// Asks for an agent's state to change; answers with the state that the agent then has.
    fn command(&self, agent: AgentId, command: AgentCommand) -> Answer<'_, Result<AgentState, CommandError>>;

    /// Makes a call urgent, for good. `Some(false)` if it is not in progress; `None` if the line does not answer.
    fn escalate(&self, call: CallId) -> Answer<'_, Option<bool>>;

    /// The signalling of a call, `Some(None)` if it is not, or no longer, known; `None` if the line does not answer.
    fn ladder(&self, call: CallId) -> Answer<'_, Option<Option<Ladder>>>;

    /// INVITEs that became no call, the oldest first; `None` if the line does not answer.
    fn attempts(&self) -> Answer<'_, Option<Vec<Attempt>>>;

    /// Lets a call that waits ring for this agent at once. `None` if the line does not answer.
    fn take(&self, call: CallId, agent: AgentId) -> Answer<'_, Option<Result<(), TakeError>>>;

    /// A flow for SIP messages over the WebSocket of `agent`'s signed-in browser at `remote`. `None` if there is no such
    /// agent, or no room.
    fn sip_flow(&self, agent: AgentId, remote: SocketAddr, secure: bool) -> Option<SipFlow>;

    /// Reads configuration, dialplan and prompts again. A bad one is refused and the old one kept.
    fn reload(&self) -> Answer<'_, Result<Reloaded, ReloadRefused>>;
}

/// A flow of whole SIP messages between a browser and the line. Dropping either end closes it.
#[derive(Debug)]
pub struct SipFlow {
    /// From the browser. Bounded: a browser that floods waits.
    pub to_line: mpsc::Sender<Bytes>,
    /// To the browser. Bounded: one that does not read loses the flow.
    pub from_line: mpsc::Receiver<Bytes>,
}

/// Whether new calls are welcome, and what an operator should know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Not everything is up yet: not ready.
    pub starting: bool,
    /// New calls are refused, calls in progress go on: not ready.
    pub draining: bool,
    /// The shared store answers. Without it the node is still ready, and says so.
    pub store_up: bool,
    /// Whatever else should be known; changes nothing.
    pub notes: Vec<String>,
}

/// Why an agent's state was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such account.
    #[error("no such advocate")]
    UnknownAgent,
    /// The present state does not allow it.
    #[error("{detail}")]
    Refused {
        /// Why.
        detail: String,
        /// What to do instead.
        remedy: String,
    },
    /// The line does not answer.
    #[error("the line does not answer")]
    Unavailable,
}

/// Why a call does not ring for whoever wants to take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TakeError {
    /// No such account.
    #[error("there is no such advocate any more")]
    UnknownAgent,
    /// They have no live phone.
    #[error("no phone of yours can be reached")]
    Unreachable,
    /// They are with another caller, or about to be.
    #[error("you are with another caller")]
    Busy,
    /// The call is over, in a talk, or being answered just now.
    #[error("the call does not wait any more")]
    NotWaiting,
}

/// What a reload brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reloaded {
    /// Content hash of the dialplan that new calls get.
    pub dialplan: String,
    /// Lines in it.
    pub lines: usize,
    /// Accounts.
    pub agents: usize,
    /// What should be looked at, though it was accepted.
    pub warnings: Vec<Finding>,
}

/// Why a reload changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} finding(s): the old configuration stays", .findings.len())]
pub struct ReloadRefused {
    /// What is wrong and what to do.
    pub findings: Vec<Finding>,
}

/// One thing wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Finding {
    /// The file.
    pub file: String,
    /// The line in it, from 1.
    pub line: Option<u32>,
    /// The key.
    pub key: String,
    /// What is wrong, in English.
    pub what: String,
    /// What to do, in English.
    pub remedy: String,
    /// What is wrong, in Canadian French. Null for the configuration's own file, which the command line speaks of in
    /// English.
    pub what_fr: Option<String>,
    /// What to do, likewise.
    pub remedy_fr: Option<String>,
}
