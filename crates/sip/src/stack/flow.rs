//! Connections: opening, reading messages out of them, and noticing that they are gone.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use havre_model::{AgentId, FlowId, Mono};

use super::{Stack, Timer};
use crate::endpoint::{FlowOwner, Link, Output, Path, Transport};
use crate::timer::Alarm;
use crate::wire::{Framer, Host, Message, ParseError, Request, ViaTransport};

/// A connection that has sent no whole message by then is closed: it costs us a place.
const FIRST_MESSAGE_WITHIN: Duration = Duration::from_secs(32);
/// A message that has begun and is not whole by then closes its connection: nothing a peer sends takes longer.
const WHOLE_MESSAGE_WITHIN: Duration = Duration::from_secs(10);
/// Added to the longest registration: a phone that is connected and alive has refreshed by then.
const QUIET_MARGIN: Duration = Duration::from_secs(120);
/// Messages that wait for one connection to open.
const MAX_WAITING: usize = 64;
/// Addresses of which we remember what name their certificate had.
const MAX_NAMED: usize = 1_024;
/// What a TLS connection begins with (RFC 8446 §5.1: a handshake record), and no SIP message does.
const TLS_HANDSHAKE: u8 = 22;
/// Set in the ids of connections that we open, so that they never meet the shell's.
const OURS: u64 = 1 << 63;

/// Every connection, and which of them leads where.
#[derive(Default)]
pub(crate) struct Flows {
    table: HashMap<FlowId, Flow>,
    /// Not of WebSockets: nothing finds its way to a browser but by its binding.
    by_remote: HashMap<(Transport, SocketAddr), FlowId>,
    /// The name by which we last reached this address over TLS: its certificate has to be for that name again when a
    /// message of a dialog names the bare address.
    named: HashMap<SocketAddr, Arc<str>>,
}

struct Flow {
    path: Path,
    /// Of a WebSocket.
    owner: Option<AgentId>,
    /// Of TLS: what the far end's certificate is for, as far as it was verified.
    names: Vec<Box<str>>,
    /// Of TLS, where we opened it: whom we meant to reach.
    server_name: Option<Arc<str>>,
    /// Of TLS: where else it is known to lead (RFC 5923).
    alias: Option<SocketAddr>,
    since: Mono,
    framer: Framer,
    /// Until the shell says that it is open.
    waiting: Option<VecDeque<Bytes>>,
    /// When the last whole message or keep-alive came.
    heard: Option<Mono>,
    /// When the message began that is not whole yet.
    begun: Option<Mono>,
    alarm: Alarm,
}

impl Flow {
    fn new(path: Path, link: Link, since: Mono, alarm: Alarm) -> Self {
        let (owner, names) = match link {
            Link::Tcp => (None, Vec::new()),
            Link::Tls { names } => (None, names),
            Link::Web(owner) => (Some(owner.agent), Vec::new()),
        };
        Self {
            path,
            owner,
            names,
            server_name: None,
            alias: None,
            since,
            framer: Framer::new(),
            waiting: None,
            heard: None,
            begun: None,
            alarm,
        }
    }

    /// Whether its far end is the one that is wanted: on TCP whoever is there, on TLS whoever has shown a certificate
    /// for `name`.
    fn reaches(&self, name: Option<&str>) -> bool {
        let Some(name) = name else { return self.path.transport == Transport::Tcp };
        self.server_name.as_ref().is_some_and(|known| known.eq_ignore_ascii_case(name)) || self.is_named(name)
    }

    fn is_named(&self, name: &str) -> bool {
        self.names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

impl Flows {
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }
}

impl Stack {
    /// Opened by the shell, accepted or as we asked.
    pub(crate) fn on_connected(&mut self, flow: FlowId, local: SocketAddr, remote: SocketAddr, link: Link) {
        if let Some(known) = self.flows.table.get_mut(&flow) {
            let path = known.path;
            if let Link::Tls { names } = link {
                known.names = names;
            }
            if let Some(name) = known.server_name.clone().filter(|name| name.parse::<IpAddr>().is_err())
                && (self.flows.named.len() < MAX_NAMED || self.flows.named.contains_key(&path.remote))
            {
                self.flows.named.insert(path.remote, name);
            }
            for bytes in known.waiting.take().into_iter().flatten() {
                self.outbox.push_back(Output::Transmit { path, bytes });
            }
            return;
        }
        let owner = match &link {
            Link::Web(owner) => Some(owner),
            Link::Tcp | Link::Tls { .. } => None,
        };
        let known = owner.is_none_or(|owner| self.config.accounts.contains_key(&owner.agent));
        if !known || self.flows.table.len() >= self.flow_limit(owner.is_some()) {
            self.counters.flows_full += u64::from(known);
            self.outbox.push_back(Output::Disconnect { flow });
            return;
        }
        let transport = match &link {
            Link::Tcp => Transport::Tcp,
            Link::Tls { .. } => Transport::Tls,
            Link::Web(owner) => FlowOwner::transport(owner),
        };
        self.add_flow(flow, Path { transport, local, remote, flow: Some(flow) }, link);
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

    /// What the certificate is for that the far end of this way has shown.
    pub(crate) fn names(&self, path: Path) -> &[Box<str>] {
        let flow = path.flow.and_then(|flow| self.flows.table.get(&flow));
        flow.map_or(&[], |flow| &flow.names)
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
        if let Some(Flow { path, alias, alarm, .. }) = self.flows.table.remove(&flow) {
            self.timers.cancel(alarm);
            for address in [Some(path.remote), alias].into_iter().flatten() {
                let key = (path.transport, address);
                if self.flows.by_remote.get(&key) == Some(&flow) {
                    self.flows.by_remote.remove(&key);
                }
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

    /// Takes bytes of a TCP or TLS connection. The messages in it come from [`Self::next_message`].
    pub(crate) fn on_stream(&mut self, flow: FlowId, bytes: &[u8]) {
        let Some(known) = self.flows.table.get_mut(&flow).filter(|known| known.owner.is_none()) else {
            return;
        };
        let first = known.heard.is_none() && known.begun.is_none();
        if first && known.path.transport == Transport::Tcp && bytes.first() == Some(&TLS_HANDSHAKE) {
            self.counters.tls_on_plain_port += 1;
            return self.drop_flow(flow);
        }
        known.framer.push(bytes);
    }

    /// RFC 5923 §8: whoever has proven by certificate who it is, and says `alias`, is called back over this connection,
    /// at the port that it names. The address is its own in any case.
    pub(crate) fn on_alias(&mut self, path: Path, request: &Request) {
        if path.transport != Transport::Tls || self.names(path).is_empty() {
            return;
        }
        let (Some(flow), Ok(via)) = (path.flow, request.headers.via_top()) else { return };
        let Some(known) = self.flows.table.get_mut(&flow) else { return };
        // One, the first: nobody has more than one listener for us.
        if known.alias.is_none() && via.params.has("alias") && via.transport == ViaTransport::Tls {
            let listener = SocketAddr::new(path.remote.ip(), via.port.unwrap_or(5061));
            known.alias = Some(listener);
            self.flows.by_remote.entry((Transport::Tls, listener)).or_insert(flow);
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
        let late = next.is_none() && known.framer.is_midway();
        known.begun = late.then(|| known.begun.unwrap_or(now));
        if known.begun == Some(now) {
            // Sooner than whatever it was set for; what that was is seen when it fires.
            self.timers.cancel(known.alarm);
            known.alarm = self.timers.set(now + WHOLE_MESSAGE_WITHIN, Timer::Flow(flow));
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
        let flow = self.flows.by_remote.get(&(Transport::Tcp, remote))?;
        self.flows.table.get(flow).filter(|known| known.waiting.is_none()).map(|known| known.path)
    }

    pub(crate) fn is_open(&self, flow: FlowId) -> bool {
        self.flows.table.contains_key(&flow)
    }

    /// Gives a TCP or TLS path without a connection the one that leads there, opening it if need be.
    pub(crate) fn resolve(&mut self, path: Path, request: &Request) -> Path {
        if !matches!(path.transport, Transport::Tcp | Transport::Tls) || path.flow.is_some() {
            return path;
        }
        let name = (path.transport == Transport::Tls).then(|| self.server_name(path, request));
        if let Some(flow) = self.flows.by_remote.get(&(path.transport, path.remote))
            && self.flows.table.get(flow).is_some_and(|known| known.reaches(name.as_deref()))
        {
            return Path { flow: Some(*flow), ..path };
        }
        if self.flows.table.len() >= self.config.limits.flows {
            self.counters.flows_full += 1;
            return path;
        }
        let flow = FlowId(self.random_u64() | OURS);
        let path = Path { flow: Some(flow), ..path };
        let link = if name.is_some() { Link::Tls { names: Vec::new() } } else { Link::Tcp };
        self.add_flow(flow, path, link);
        if let Some(known) = self.flows.table.get_mut(&flow) {
            known.waiting = Some(VecDeque::new());
            known.server_name.clone_from(&name);
        }
        let Path { transport, local, remote, .. } = path;
        self.outbox.push_back(Output::Connect { transport, local, remote, flow, server_name: name });
        path
    }

    /// Whom the certificate has to be for (RFC 5922 §7.2: the domain that led there): the host of the first `Route`, or
    /// of the Request-URI. Where that is the bare address that we reached by a name before, this name.
    fn server_name(&self, path: Path, request: &Request) -> Arc<str> {
        let routes = request.headers.routes().unwrap_or_default();
        let hop = routes.first().map_or(&request.uri, |route| &route.uri);
        match hop.as_sip().map(|sip| &sip.host) {
            Some(Host::Name(name)) => name.as_ref().into(),
            Some(Host::Ip(ip)) if *ip != path.remote.ip() => ip.to_string().into(),
            _ => match self.flows.named.get(&path.remote) {
                Some(name) => Arc::clone(name),
                None => path.remote.ip().to_string().into(),
            },
        }
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
        let whole = known.begun.map(|begun| begun + WHOLE_MESSAGE_WITHIN);
        if whole.is_some_and(|whole| whole <= now) {
            self.counters.slow_senders += 1;
            return self.drop_flow(flow);
        }
        let silent = known.heard.map_or(known.since + FIRST_MESSAGE_WITHIN, |heard| heard + quiet);
        if silent <= now {
            return self.drop_flow(flow);
        }
        let next = whole.map_or(silent, |whole| whole.min(silent));
        known.alarm = self.timers.set(next, Timer::Flow(flow));
    }

    fn add_flow(&mut self, flow: FlowId, path: Path, link: Link) {
        let now = self.now.mono;
        let alarm = self.timers.set(now + FIRST_MESSAGE_WITHIN, Timer::Flow(flow));
        if !path.transport.is_web() {
            self.flows.by_remote.insert((path.transport, path.remote), flow);
        }
        self.flows.table.insert(flow, Flow::new(path, link, now, alarm));
    }
}

/// Opened by us.
pub(super) const fn is_ours(flow: FlowId) -> bool {
    flow.0 & OURS != 0
}
