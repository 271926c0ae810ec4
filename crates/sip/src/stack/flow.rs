//! Connections: opening, reading messages out of them, and noticing that they are gone.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use havre_model::{FlowId, Mono};

use super::{Stack, Timer};
use crate::endpoint::{Output, Path, Transport};
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
    by_remote: HashMap<SocketAddr, FlowId>,
}

struct Flow {
    path: Path,
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
    pub(crate) fn on_connected(&mut self, flow: FlowId, local: SocketAddr, remote: SocketAddr) {
        if let Some(known) = self.flows.table.get_mut(&flow) {
            let path = known.path;
            for bytes in known.waiting.take().into_iter().flatten() {
                self.outbox.push_back(Output::Transmit { path, bytes });
            }
            return;
        }
        if self.flows.table.len() >= self.config.limits.flows {
            self.counters.flows_full += 1;
            self.outbox.push_back(Output::Disconnect { flow });
            return;
        }
        self.add_flow(Path { transport: Transport::Tcp, local, remote, flow: Some(flow) }, None);
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

    /// Closes it ourselves.
    pub(crate) fn drop_flow(&mut self, flow: FlowId) {
        self.counters.flows_dropped += 1;
        self.outbox.push_back(Output::Disconnect { flow });
        self.on_closed(flow);
    }

    /// Takes bytes of a connection. The messages in it come from [`Self::next_message`].
    pub(crate) fn on_stream(&mut self, flow: FlowId, bytes: &[u8]) {
        if let Some(known) = self.flows.table.get_mut(&flow) {
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
        if path.transport == Transport::Udp || path.flow.is_some() {
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
        self.add_flow(path, Some(VecDeque::new()));
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

    fn add_flow(&mut self, path: Path, waiting: Option<VecDeque<Bytes>>) {
        let Some(flow) = path.flow else { return };
        let alarm = self.timers.set(self.now.mono + FIRST_MESSAGE_WITHIN, Timer::Flow(flow));
        self.flows.by_remote.insert(path.remote, flow);
        self.flows.table.insert(flow, Flow { path, framer: Framer::new(), waiting, heard: None, alarm });
    }
}
