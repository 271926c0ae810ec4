//! Connections: opening, reading messages out of them, and noticing that they are gone.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use havre_model::{AgentId, FlowId, Mono};

use super::{Stack, Timer};
use crate::endpoint::{FlowOwner, Output, Path, Transport};
use crate::timer::Alarm;
use crate::wire::{Framer, Message, ParseError};

/// A connection that has sent no whole message by then is closed: it costs us a place.
const FIRST_MESSAGE_WITHIN: Duration = Duration::from_secs(32);
/// Added to the longest registration: a phone that is connected and alive has refreshed by then.
const QUIET_MARGIN: Duration = Duration::from_secs(120);
/// Messages that wait for one connection to open.
const MAX_WAITING: usize = 64;
/// Set in the ids of connections that we open, so that they never meet the shell's.
const OURS: u64 = 1 << 63;

/// Every connection, and which of them leads where.
#[derive(Default)]
pub(crate) struct Flows {
    table: HashMap<FlowId, Flow>,
    /// Not of WebSockets: nothing finds its way to a browser but by its binding.
    by_remote: HashMap<SocketAddr, FlowId>,
}

struct Flow {
    path: Path,
    /// Of a WebSocket.
    owner: Option<AgentId>,
    framer: Framer,
    /// Until the shell says that it is open.
    waiting: Option<VecDeque<Bytes>>,
    /// When the last whole message or keep-alive came.
    heard: Option<Mono>,
    alarm: Alarm,
}

impl Flows {
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }
}

impl Stack {
    /// Opened by the shell, accepted or as we asked.
    pub(crate) fn on_connected(
        &mut self,
        flow: FlowId,
        local: SocketAddr,
        remote: SocketAddr,
        owner: Option<FlowOwner>,
    ) {
        if let Some(known) = self.flows.table.get_mut(&flow) {
            let path = known.path;
            for bytes in known.waiting.take().into_iter().flatten() {
                self.outbox.push_back(Output::Transmit { path, bytes });
            }
            return;
        }
        let known = owner.as_ref().is_none_or(|owner| self.config.accounts.contains_key(&owner.agent));
        if !known || self.flows.table.len() >= self.flow_limit(owner.is_some()) {
            self.counters.flows_full += u64::from(known);
            self.outbox.push_back(Output::Disconnect { flow });
            return;
        }
        let transport = owner.as_ref().map_or(Transport::Tcp, FlowOwner::transport);
        let agent = owner.map(|owner| owner.agent);
        self.add_flow(Path { transport, local, remote, flow: Some(flow) }, agent, None);
    }

    /// Strangers can fill no more than three quarters of the table: an advocate who has logged in finds a place.
    fn flow_limit(&self, owned: bool) -> usize {
        let limit = self.config.limits.flows;
        if owned { limit } else { limit - limit / 4 }
    }

    /// Whose WebSocket it came over, if it came over one.
    pub(crate) fn owner(&self, path: Path) -> Option<&AgentId> {
        self.flows.table.get(&path.flow?)?.owner.as_ref()
    }

    /// Accounts that are gone lose their connections.
    pub(crate) fn drop_ownerless_flows(&mut self) {
        let config = self.config.clone();
        let gone =
            |flow: &Flow| flow.owner.as_ref().is_some_and(|owner| !config.accounts.contains_key(owner));
        let mut flows: Vec<FlowId> =
            self.flows.table.iter().filter(|(_, flow)| gone(flow)).map(|(id, _)| *id).collect();
        // The table has no order of its own, and runs must repeat.
        flows.sort_unstable();
        for flow in flows {
            self.drop_flow(flow);
        }
    }

    /// The shell says that it is gone.
    pub(crate) fn on_closed(&mut self, flow: FlowId) {
        if let Some(Flow { path, alarm, .. }) = self.flows.table.remove(&flow) {
            self.timers.cancel(alarm);
            if self.flows.by_remote.get(&path.remote) == Some(&flow) {
                self.flows.by_remote.remove(&path.remote);
            }
            self.closed.push_back((flow, path.remote));
            self.fail_clients(|path| path.flow == Some(flow));
        }
    }

    /// A page has registered over a newer connection: this one leads nowhere any more, whatever it looks like.
    pub(crate) fn supersede_flow(&mut self, flow: FlowId) {
        self.counters.flows_superseded += 1;
        self.outbox.push_back(Output::Disconnect { flow });
        self.on_closed(flow);
    }

    /// Closes it ourselves.
    pub(crate) fn drop_flow(&mut self, flow: FlowId) {
        self.counters.flows_dropped += 1;
        self.outbox.push_back(Output::Disconnect { flow });
        self.on_closed(flow);
    }

    /// Takes bytes of a TCP connection. The messages in it come from [`Self::next_message`].
    pub(crate) fn on_stream(&mut self, flow: FlowId, bytes: &[u8]) {
        if let Some(known) = self.flows.table.get_mut(&flow).filter(|known| known.owner.is_none()) {
            known.framer.push(bytes);
        }
    }

    /// The next message of a connection, and the way it came.
    pub(crate) fn next_message(&mut self, flow: FlowId) -> Option<(Path, Result<Message, ParseError>)> {
        let now = self.mono();
        let known = self.flows.table.get_mut(&flow)?;
        let next = known.framer.next();
        let pings = known.framer.take_pings();
        if pings > 0 || matches!(next, Some(Ok(_))) {
            known.heard = Some(now);
        }
        let path = known.path;
        if pings > 0 {
            // RFC 5626 §4.4.1. One pong answers for all pings of one read.
            self.transmit(path, Bytes::from_static(b"\r\n"));
        }
        next.map(|message| (path, message))
    }

    /// A message of a WebSocket came: the way it came, if there is one.
    pub(crate) fn on_web_message(&mut self, flow: FlowId) -> Option<Path> {
        let now = self.mono();
        let known = self.flows.table.get_mut(&flow).filter(|known| known.owner.is_some())?;
        known.heard = Some(now);
        Some(known.path)
    }

    /// An open connection to exactly this address.
    pub(crate) fn open_flow_to(&self, remote: SocketAddr) -> Option<Path> {
        let flow = self.flows.by_remote.get(&remote)?;
        self.flows.table.get(flow).filter(|known| known.waiting.is_none()).map(|known| known.path)
    }

    pub(crate) fn is_open(&self, flow: FlowId) -> bool {
        self.flows.table.contains_key(&flow)
    }

    /// Gives a TCP path without a connection the one that leads there, opening it if need be.
    pub(crate) fn resolve(&mut self, path: Path) -> Path {
        if path.transport != Transport::Tcp || path.flow.is_some() {
            return path;
        }
        if let Some(flow) = self.flows.by_remote.get(&path.remote) {
            return Path { flow: Some(*flow), ..path };
        }
        if self.flows.table.len() >= self.config.limits.flows {
            self.counters.flows_full += 1;
            return path;
        }
        let flow = FlowId(self.random_u64() | OURS);
        let path = Path { flow: Some(flow), ..path };
        self.add_flow(path, None, Some(VecDeque::new()));
        self.outbox.push_back(Output::Connect { local: path.local, remote: path.remote, flow });
        path
    }

    pub(super) fn transmit_on_flow(&mut self, path: Path, bytes: Bytes) -> bool {
        let known = path.flow.and_then(|flow| self.flows.table.get_mut(&flow));
        match known {
            Some(Flow { waiting: None, .. }) => {
                self.outbox.push_back(Output::Transmit { path, bytes });
                true
            }
            Some(Flow { waiting: Some(waiting), .. }) if waiting.len() < MAX_WAITING => {
                waiting.push_back(bytes);
                true
            }
            _ => {
                self.counters.flow_gone += 1;
                false
            }
        }
    }

    pub(super) fn on_flow_timer(&mut self, flow: FlowId) {
        let now = self.mono();
        let quiet = self.config.registration.max + QUIET_MARGIN;
        let Some(known) = self.flows.table.get_mut(&flow) else { return };
        match known.heard.map(|heard| heard + quiet) {
            Some(until) if until > now => known.alarm = self.timers.set(until, Timer::Flow(flow)),
            _ => self.drop_flow(flow),
        }
    }

    fn add_flow(&mut self, path: Path, owner: Option<AgentId>, waiting: Option<VecDeque<Bytes>>) {
        let Some(flow) = path.flow else { return };
        let alarm = self.timers.set(self.now.mono + FIRST_MESSAGE_WITHIN, Timer::Flow(flow));
        if owner.is_none() {
            self.flows.by_remote.insert(path.remote, flow);
        }
        self.flows
            .table
            .insert(flow, Flow { path, owner, framer: Framer::new(), waiting, heard: None, alarm });
    }
}
