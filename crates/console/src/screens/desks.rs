//! The advocates' desks: each is looked at by its own advocate, in a tab or two.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use havre_model::{AgentId, AgentState, CallId};
use tokio::sync::watch;

use super::frame;
use crate::board::{AgentEntry, CallEntry, Snapshot};
use crate::views::{self, Desk};

/// The desks that somebody looks at.
#[derive(Debug, Default)]
pub(crate) struct Desks {
    open: Mutex<HashMap<AgentId, Open>>,
}

#[derive(Debug)]
struct Open {
    agent: Arc<AgentEntry>,
    call: Option<Arc<CallEntry>>,
    shown: Desk,
    frames: watch::Sender<Bytes>,
}

impl Desks {
    /// Opens a desk: how it looks now, and what tells of each later look (until the account is gone). `None` if there
    /// is no such account.
    pub(crate) fn open(
        &self,
        agent: &AgentId,
        snapshot: &Snapshot,
    ) -> Option<(Bytes, watch::Receiver<Bytes>)> {
        let (entry, call) = found(agent, snapshot)?;
        let shown = look(entry, call.map(Arc::as_ref), snapshot);
        let first = frame("desk", &shown);
        let mut desks = self.lock();
        let open = desks.entry(agent.clone()).or_insert_with(|| Open {
            agent: Arc::clone(entry),
            call: call.cloned(),
            shown,
            frames: watch::Sender::new(Bytes::new()),
        });
        Some((first, open.frames.subscribe()))
    }

    /// The line is now as in `snapshot`: tells those whose desk looks otherwise than before.
    pub(crate) fn update(&self, snapshot: &Snapshot) {
        let mut desks = self.lock();
        if desks.is_empty() {
            return;
        }
        let calls: HashMap<CallId, &Arc<CallEntry>> =
            snapshot.calls.iter().map(|call| (call.id, call)).collect();
        desks.retain(|agent, open| {
            if open.frames.is_closed() {
                return false;
            }
            let Some(entry) = agent_of(snapshot, agent) else { return false };
            let call = call_of(entry).and_then(|id| calls.get(&id).copied());
            open.update(entry, call, snapshot);
            true
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgentId, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn update(&mut self, entry: &Arc<AgentEntry>, call: Option<&Arc<CallEntry>>, snapshot: &Snapshot) {
        let same_call = match (&self.call, call) {
            (Some(before), Some(now)) => Arc::ptr_eq(before, now),
            (None, None) => true,
            _ => false,
        };
        if same_call && Arc::ptr_eq(&self.agent, entry) {
            return;
        }
        self.agent = Arc::clone(entry);
        self.call = call.cloned();
        let mut desk = look(entry, call.map(Arc::as_ref), snapshot);
        let at = std::mem::replace(&mut desk.at, self.shown.at);
        if desk == self.shown {
            return;
        }
        desk.at = at;
        self.frames.send_replace(frame("desk", &desk));
        self.shown = desk;
    }
}

/// How the desk of `agent` looks now; `None` if there is no such account.
pub(crate) fn desk_of(agent: &AgentId, snapshot: &Snapshot) -> Option<Desk> {
    let (entry, call) = found(agent, snapshot)?;
    Some(look(entry, call.map(Arc::as_ref), snapshot))
}

fn found<'a>(
    agent: &AgentId,
    snapshot: &'a Snapshot,
) -> Option<(&'a Arc<AgentEntry>, Option<&'a Arc<CallEntry>>)> {
    let entry = agent_of(snapshot, agent)?;
    let call = call_of(entry).and_then(|id| snapshot.calls.iter().find(|call| call.id == id));
    Some((entry, call))
}

/// The call that rings at an agent's or that they talk in.
pub(crate) fn call_of(agent: &AgentEntry) -> Option<CallId> {
    match agent.state {
        AgentState::Offered { call, .. } | AgentState::Talking { call, .. } => Some(call),
        _ => None,
    }
}

/// Accounts stand by id.
fn agent_of<'a>(snapshot: &'a Snapshot, agent: &AgentId) -> Option<&'a Arc<AgentEntry>> {
    let place = snapshot.agents.binary_search_by(|entry| entry.profile.id.cmp(agent)).ok()?;
    snapshot.agents.get(place)
}

fn look(agent: &AgentEntry, call: Option<&CallEntry>, snapshot: &Snapshot) -> Desk {
    Desk { at: snapshot.at.unix.as_millis(), ..views::desk(agent, call) }
}
