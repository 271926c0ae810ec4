//! What the API and signals may ask of the control thread, from any other thread.

use std::net::SocketAddr;

use bytes::Bytes;
use havre_model::{AgentCommand, AgentId, AgentState, Attempt, CallId, Ladder};
use havre_queue::{CommandError, TakeError};
use havre_switch::ReloadPlan;
use tokio::sync::{mpsc, oneshot};

use crate::web::WebSocket;

/// Requests under way at once; the API answers 503 beyond.
const MAX_REQUESTS: usize = 256;

/// One request.
pub enum Request {
    /// An agent's state.
    Agent {
        /// Whose.
        agent: AgentId,
        /// What is asked.
        command: AgentCommand,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<AgentState, CommandError>>,
    },
    /// A call becomes urgent.
    Escalate {
        /// Which.
        call: CallId,
        /// Told whether it is in progress.
        answer: oneshot::Sender<bool>,
    },
    /// A call that waits is to ring for this agent at once.
    Take {
        /// Which.
        call: CallId,
        /// For whom.
        agent: AgentId,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<(), TakeError>>,
    },
    /// What passed in a call.
    Ladder {
        /// Which.
        call: CallId,
        /// Where the answer goes; `None` if the call is not, or no longer, known.
        answer: oneshot::Sender<Option<Ladder>>,
    },
    /// INVITEs that became no call.
    Attempts {
        /// Where the answer goes.
        answer: oneshot::Sender<Vec<Attempt>>,
    },
    /// A new plan, checked already.
    Reload {
        /// The plan.
        plan: Box<ReloadPlan>,
        /// Told when it is in force.
        done: oneshot::Sender<()>,
    },
    /// A new plan was wrong: say so to whoever watches.
    ReloadRefused,
    /// End every call; told when the last leg is gone.
    HangUp {
        /// Told when no leg is left.
        idle: oneshot::Sender<()>,
    },
    /// Take no new calls; told when the last one ended.
    Drain {
        /// Told when no call is left.
        idle: oneshot::Sender<()>,
    },
    /// An advocate's browser is connected by WebSocket.
    Flow {
        /// Whose.
        agent: AgentId,
        /// Where the browser is.
        remote: SocketAddr,
        /// Over TLS.
        secure: bool,
        /// The control thread's end.
        socket: WebSocket,
    },
    /// How many calls are in progress.
    Count {
        /// Where the answer goes.
        answer: oneshot::Sender<usize>,
    },
    /// End the control thread.
    Stop,
}

/// Messages from one browser that wait for the control thread; the browser's own buffers wait beyond.
const MAX_FROM_BROWSER: usize = 64;
/// Messages to one browser that wait for it; beyond that it is closed.
const MAX_TO_BROWSER: usize = 256;

/// Speaks to a control thread.
#[derive(Clone, Debug)]
pub struct Handle(mpsc::Sender<Request>);

impl Handle {
    pub(crate) fn pair() -> (Self, mpsc::Receiver<Request>) {
        let (sender, receiver) = mpsc::channel(MAX_REQUESTS);
        (Self(sender), receiver)
    }

    /// Asks for an agent's state; `None` if the control thread has too much to do or is gone.
    pub async fn command(
        &self,
        agent: AgentId,
        command: AgentCommand,
    ) -> Option<Result<AgentState, CommandError>> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(Request::Agent { agent, command, answer }).ok()?;
        answered.await.ok()
    }

    /// A WebSocket of this agent's browser is open, whose login was proven: one message of SIP in each item, both ways.
    /// It closes by dropping either end, here or there. `None` if the control thread has too much to do or is gone.
    #[must_use]
    pub fn sip_flow(
        &self,
        agent: AgentId,
        remote: SocketAddr,
        secure: bool,
    ) -> Option<(mpsc::Sender<Bytes>, mpsc::Receiver<Bytes>)> {
        let (to_line, incoming) = mpsc::channel(MAX_FROM_BROWSER);
        let (outgoing, from_line) = mpsc::channel(MAX_TO_BROWSER);
        let socket = WebSocket { incoming, outgoing };
        self.0.try_send(Request::Flow { agent, remote, secure, socket }).ok()?;
        Some((to_line, from_line))
    }

    /// Makes a call urgent; `Some(false)` if it is not in progress, `None` if the control thread has too much to do or
    /// is gone.
    pub async fn escalate(&self, call: CallId) -> Option<bool> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(Request::Escalate { call, answer }).ok()?;
        answered.await.ok()
    }

    /// Lets a call that waits ring for this agent at once; `None` if the control thread has too much to do or is gone.
    pub async fn take(&self, call: CallId, agent: AgentId) -> Option<Result<(), TakeError>> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(Request::Take { call, agent, answer }).ok()?;
        answered.await.ok()
    }

    /// What passed in a call, `Some(None)` if it is not known; `None` if the control thread has too much to do or is gone.
    pub async fn ladder(&self, call: CallId) -> Option<Option<Ladder>> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(Request::Ladder { call, answer }).ok()?;
        answered.await.ok()
    }

    /// INVITEs that became no call; `None` if the control thread has too much to do or is gone.
    pub async fn attempts(&self) -> Option<Vec<Attempt>> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(Request::Attempts { answer }).ok()?;
        answered.await.ok()
    }

    /// Puts a checked plan in force; `false` if the control thread is gone.
    pub async fn reload(&self, plan: Box<ReloadPlan>) -> bool {
        let (done, told) = oneshot::channel();
        self.0.send(Request::Reload { plan, done }).await.is_ok() && told.await.is_ok()
    }

    /// Tells whoever watches that a new plan was wrong.
    pub async fn reload_refused(&self) {
        let _ = self.0.send(Request::ReloadRefused).await;
    }

    /// Ends every call, and returns when the last leg is gone.
    pub async fn hang_up(&self) {
        let (idle, told) = oneshot::channel();
        if self.0.send(Request::HangUp { idle }).await.is_ok() {
            let _ = told.await;
        }
    }

    /// Takes no new calls, and returns when the last one ended.
    pub async fn drain(&self) {
        let (idle, told) = oneshot::channel();
        if self.0.send(Request::Drain { idle }).await.is_ok() {
            let _ = told.await;
        }
    }

    /// Calls in progress.
    pub async fn count(&self) -> usize {
        let (answer, answered) = oneshot::channel();
        if self.0.send(Request::Count { answer }).await.is_err() {
            return 0;
        }
        answered.await.unwrap_or(0)
    }

    /// Ends the control thread, whatever is in progress.
    pub async fn stop(&self) {
        let _ = self.0.send(Request::Stop).await;
    }
}
