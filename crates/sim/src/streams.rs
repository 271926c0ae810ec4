//! SIP over TCP: connections between phones and the switch. Nothing is lost or overtaken, but what is sent together may
//! arrive in pieces, a dark phone's bytes wait, and a crashed one's connections break.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use havre_model::{FlowId, Mono};
use havre_phone as phone;
use havre_sip::{FlowOwner, Input as SipInput, Link};
use havre_switch::Input;
use rand_chacha::rand_core::Rng;

use crate::hotline::SWITCH;
use crate::station::Life;
use crate::world::Inner;

/// One way.
const DELAY: Duration = Duration::from_millis(10);
/// The first port that phones call from.
const FIRST_PORT: u16 = 32_768;

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Phone(IpAddr),
    Switch,
}

#[derive(Clone, Debug)]
struct Connection {
    phone: IpAddr,
    /// The phone's end: its port, if it called.
    port: u16,
    phone_flow: FlowId,
    switch_flow: FlowId,
    /// Of a WebSocket.
    owner: Option<FlowOwner>,
}

#[derive(Clone, Debug)]
enum Carried {
    Opened,
    Bytes(Bytes),
    Closed,
}

/// All connections, and what is on its way in them.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    connections: BTreeMap<u64, Connection>,
    on_the_way: BTreeMap<(Mono, u64), (u64, End, Carried)>,
    /// For phones that are dark.
    waiting: Vec<(u64, End, Carried)>,
    /// Those of pages that have not noticed it yet.
    broken: Vec<(IpAddr, FlowId)>,
    count: u64,
}

impl Streams {
    pub(crate) fn next(&self) -> Option<Mono> {
        self.on_the_way.first_key_value().map(|((at, _), _)| *at)
    }

    fn put(&mut self, at: Mono, connection: u64, to: End, carried: Carried) {
        self.count += 1;
        self.on_the_way.insert((at, self.count), (connection, to, carried));
    }

    fn of(&self, end: End, flow: FlowId) -> Option<u64> {
        let is = |connection: &Connection| match end {
            End::Phone(ip) => connection.phone == ip && connection.phone_flow == flow,
            End::Switch => connection.switch_flow == flow,
        };
        self.connections.iter().find(|(_, connection)| is(connection)).map(|(id, _)| *id)
    }
}

impl Inner {
    /// One end opens a connection to the other.
    pub(crate) fn connect(&mut self, from: End, to: SocketAddr, flow: FlowId) {
        let streams = &mut self.streams;
        streams.count += 1;
        let id = streams.count;
        // The ids of those who are called are the shell's: the top bit is clear.
        let answered = FlowId(id);
        let (phone, phone_flow, switch_flow) = match from {
            End::Phone(ip) => (ip, flow, answered),
            End::Switch => (to.ip(), answered, flow),
        };
        let port = match from {
            End::Phone(_) => FIRST_PORT + u16::try_from(id % 20_000).unwrap_or(0),
            End::Switch => to.port(),
        };
        let browser = self.stations.get(&phone).filter(|station| station.browser);
        let agent = browser.and_then(|station| station.account.as_ref()?.user.parse().ok());
        let owner = agent.map(|agent| FlowOwner { agent, secure: true });
        streams.connections.insert(id, Connection { phone, port, phone_flow, switch_flow, owner });
        let listens = self.stations.get(&phone).is_some_and(|station| station.life != Life::Crashed);
        let (near, far) = (from, if from == End::Switch { End::Phone(phone) } else { End::Switch });
        let carried = if listens { Carried::Opened } else { Carried::Closed };
        let now = self.now.mono;
        self.streams.put(now + DELAY * 2, id, near, carried);
        if listens {
            self.streams.put(now + DELAY, id, far, Carried::Opened);
        }
    }

    /// One end sends.
    pub(crate) fn send(&mut self, from: End, flow: FlowId, mut bytes: Bytes) {
        let Some(id) = self.streams.of(from, flow) else { return };
        let to = self.far_end(id, from);
        let at = self.now.mono + DELAY;
        if self.streams.connections.get(&id).is_some_and(|connection| connection.owner.is_some()) {
            self.streams.put(at, id, to, Carried::Bytes(bytes));
            return;
        }
        let cut = usize::try_from(self.random.next_u64() % (bytes.len() as u64 + 1)).unwrap_or(0);
        let first = bytes.split_to(cut);
        for piece in [first, bytes] {
            self.streams.put(at, id, to, Carried::Bytes(piece));
        }
    }

    /// One end closes.
    pub(crate) fn disconnect(&mut self, from: End, flow: FlowId) {
        if let Some(id) = self.streams.of(from, flow) {
            let (at, to) = (self.now.mono + DELAY, self.far_end(id, from));
            self.streams.put(at, id, to, Carried::Closed);
        }
    }

    /// A phone's connections break.
    pub(crate) fn break_connections(&mut self, ip: IpAddr) {
        let theirs = self.streams.connections.iter().filter(|(_, connection)| connection.phone == ip);
        for (id, flow) in theirs.map(|(id, connection)| (*id, connection.phone_flow)).collect::<Vec<_>>() {
            let at = self.now.mono + DELAY;
            self.streams.put(at, id, End::Switch, Carried::Closed);
            self.streams.broken.push((ip, flow));
        }
    }

    /// A page that makes its next connection knows that the last one broke.
    pub(crate) fn notice_broken_connections(&mut self, ip: IpAddr) {
        let (theirs, others) =
            std::mem::take(&mut self.streams.broken).into_iter().partition(|(of, _)| *of == ip);
        self.streams.broken = others;
        let theirs: Vec<(IpAddr, FlowId)> = theirs;
        let now = self.now;
        for (_, flow) in theirs {
            if let Some(station) = self.stations.get_mut(&ip) {
                station.phone.handle_input(phone::Input::Sip(SipInput::Closed { flow }), now);
                self.drain_station(ip);
            }
        }
    }

    /// What waited for a phone in the dark goes on.
    pub(crate) fn resume_connections(&mut self, ip: IpAddr) {
        let (theirs, others) = std::mem::take(&mut self.streams.waiting).into_iter().partition(|(id, ..)| {
            self.streams.connections.get(id).is_some_and(|connection| connection.phone == ip)
        });
        self.streams.waiting = others;
        let theirs: Vec<(u64, End, Carried)> = theirs;
        for (id, to, carried) in theirs {
            let at = self.now.mono + DELAY;
            self.streams.put(at, id, to, carried);
        }
    }

    pub(crate) fn deliver_streams(&mut self) {
        while let Some(entry) = self.streams.on_the_way.first_entry()
            && entry.key().0 <= self.now.mono
        {
            let (id, to, carried) = entry.remove();
            self.deliver_stream(id, to, carried);
        }
    }

    fn deliver_stream(&mut self, id: u64, to: End, carried: Carried) {
        let Some(connection) = self.streams.connections.get(&id).cloned() else { return };
        let Connection { phone: ip, port, phone_flow, switch_flow, owner } = connection;
        let life = self.stations.get(&ip).map_or(Life::Crashed, |station| station.life);
        if life == Life::Dark {
            self.streams.waiting.push((id, to, carried));
            return;
        }
        if matches!(carried, Carried::Closed) {
            self.streams.connections.remove(&id);
        }
        let far = SocketAddr::new(ip, port);
        if to == End::Switch {
            self.reading = Some(ip);
            self.tell_switch(match &carried {
                Carried::Opened => {
                    let link = owner.clone().map_or(Link::Tcp, Link::Web);
                    Input::Connected { flow: switch_flow, local: SWITCH, remote: far, link }
                }
                Carried::Bytes(bytes) if owner.is_some() => Input::Message { flow: switch_flow, bytes },
                Carried::Bytes(bytes) => Input::Stream { flow: switch_flow, bytes },
                Carried::Closed => Input::Closed { flow: switch_flow },
            });
            self.reading = None;
            return;
        }
        let now = self.now;
        if let Some(station) = self.stations.get_mut(&ip).filter(|station| station.life == Life::Well) {
            let local = station.addr;
            let input = match &carried {
                Carried::Opened => {
                    SipInput::Connected { flow: phone_flow, local, remote: SWITCH, link: Link::Tcp }
                }
                Carried::Bytes(bytes) => SipInput::Stream { flow: phone_flow, bytes },
                Carried::Closed => SipInput::Closed { flow: phone_flow },
            };
            station.phone.handle_input(phone::Input::Sip(input), now);
            self.drain_station(ip);
        }
    }

    fn far_end(&self, id: u64, from: End) -> End {
        match (from, self.streams.connections.get(&id)) {
            (End::Switch, Some(connection)) => End::Phone(connection.phone),
            _ => End::Switch,
        }
    }
}
