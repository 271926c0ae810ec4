//! The sockets of a shard's legs: which port is whose, what is to be read, and where a packet goes out.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use havre_media::{Channel, Face, LegMap, limits};
use havre_model::{LegId, Mono};

use super::counters::Counters;
use super::lane::{Lane, Pair, Which};
use super::poll::{Poll, Ready, Token, Told};
use super::ports::Ports;
use super::shared::SharedSocket;
use crate::icmp::{Errors, Notice};

/// Pairs tried for one leg. More of them taken by others in a row means that the range belongs to somebody else.
const TRIES: usize = 64;

/// The token of that port. The others count from 0.
const SHARED: Token = Token(usize::MAX - 1);

/// What a shard's sockets are made of.
pub(super) struct SocketsConfig {
    pub(super) listen: IpAddr,
    pub(super) ports: Ports,
    /// The port that browser legs share, bound.
    pub(super) browsers: Option<SharedSocket>,
}

/// Sockets of the legs of one shard.
pub(super) struct Sockets {
    listen: IpAddr,
    ports: Ports,
    browsers: Option<SharedSocket>,
    /// Tells at once of what somebody waits for: bridged legs' RTP, and all RTCP, whose delay is measured.
    urgent: Poll,
    /// Tells, when asked, of the RTP of all other legs. Nobody hears it, and waking up costs more than reading.
    patient: Poll,
    /// Where a token's pair is; a closed leg leaves its place to the next one.
    pairs: Vec<Option<Pair>>,
    vacant: Vec<usize>,
    by_leg: LegMap<usize>,
    errors: Errors,
    counters: Arc<Counters>,
}

/// What came of reading one datagram.
pub(super) enum Read {
    /// This many bytes for this leg.
    Packet {
        /// Whose.
        leg: LegId,
        /// On which socket.
        channel: Channel,
        /// Who sent it.
        source: SocketAddr,
        /// Its length.
        length: usize,
    },
    /// This many bytes on the port that browsers share.
    Shared {
        /// Who sent it.
        source: SocketAddr,
        /// Its length.
        length: usize,
    },
    /// One that is of no use; there may be more.
    Skipped,
    /// There is nothing more for now.
    Empty,
}

impl Sockets {
    /// None yet.
    ///
    /// # Errors
    /// The system gives no second poll.
    pub(super) fn new(
        SocketsConfig { listen, ports, browsers }: SocketsConfig,
        urgent: Poll,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        if let Some(browsers) = &browsers {
            browsers.watch(&urgent, SHARED)?;
        }
        Ok(Self {
            listen,
            ports,
            browsers,
            urgent,
            patient: Poll::new()?,
            pairs: Vec::new(),
            vacant: Vec::new(),
            by_leg: LegMap::default(),
            errors: Errors::new(),
            counters,
        })
    }

    /// Legs with sockets.
    pub(super) fn len(&self) -> usize {
        self.by_leg.len() + self.browsers.as_ref().map_or(0, SharedSocket::len)
    }

    /// The RTP port of a leg.
    pub(super) fn port(&self, leg: LegId) -> Option<u16> {
        if let Some(browsers) = self.browsers.as_ref().filter(|browsers| browsers.has(leg)) {
            return Some(browsers.port());
        }
        let place = self.by_leg.get(&leg)?;
        self.pairs.get(*place)?.as_ref().map(|pair| pair.port)
    }

    /// Binds a pair of ports for `leg`, or has it share the browsers' port; `None` where there is none to be had. Returns
    /// the RTP port.
    pub(super) fn open(&mut self, leg: LegId, face: Face, now: Mono) -> Option<u16> {
        if self.len() >= limits::MAX_LEGS {
            return None;
        }
        if face == Face::Browser {
            let browsers = self.browsers.as_mut()?;
            browsers.open(leg);
            return Some(browsers.port());
        }
        for _ in 0..TRIES {
            let port = self.ports.take(now)?;
            match Pair::bind(leg, self.listen, port) {
                Ok(pair) => match self.place(pair) {
                    Ok(()) => return Some(port),
                    Err(error) => {
                        tracing::error!(%error, "cannot watch an RTP socket");
                        self.ports.rest(port, now);
                        return None;
                    }
                },
                Err(error) => {
                    Counters::count(&self.counters.ports_busy);
                    self.ports.rest(port, now);
                    // Out of descriptors, or the address is gone: the next pair would fail alike.
                    if error.kind() != ErrorKind::AddrInUse {
                        tracing::error!(%error, port, "cannot bind an RTP port");
                        return None;
                    }
                }
            }
        }
        None
    }

    /// Frees a leg's ports.
    pub(super) fn close(&mut self, leg: LegId, now: Mono) {
        if let Some(browsers) = &mut self.browsers {
            browsers.close(leg);
        }
        let Some(place) = self.by_leg.remove(&leg) else { return };
        let Some(pair) = self.pairs.get_mut(place).and_then(Option::take) else { return };
        let rtp = if pair.bridged { &self.urgent } else { &self.patient };
        pair.deregister(rtp, &self.urgent);
        self.vacant.push(place);
        self.ports.rest(pair.port, now);
    }

    /// Reads a leg's RTP at once from now on (its peer hears it), or with the others.
    pub(super) fn bridged(&mut self, leg: LegId, bridged: bool) {
        let Some(place) = self.by_leg.get(&leg).copied() else { return };
        let Some(pair) = self.pairs.get_mut(place).and_then(Option::as_mut) else { return };
        if pair.bridged == bridged {
            return;
        }
        pair.bridged = bridged;
        let (from, to) = match bridged {
            true => (&self.patient, &self.urgent),
            false => (&self.urgent, &self.patient),
        };
        if let Err(error) = pair.move_rtp(place, from, to) {
            Counters::count(&self.counters.receive_errors);
            tracing::error!(%error, "cannot watch an RTP socket any more");
        }
    }

    #[cfg(test)]
    pub(super) fn is_bridged(&self, leg: LegId) -> bool {
        let pair = self.by_leg.get(&leg).and_then(|place| self.pairs[*place].as_ref());
        pair.is_some_and(|pair| pair.bridged)
    }

    /// Asks for the sockets that have something and are not told at once.
    pub(super) fn look(&self, found: &mut Ready) -> io::Result<()> {
        self.patient.wait(found, Duration::ZERO)
    }

    /// How many datagrams of a socket are to be read now: one, after which a phone's next comes in 20 ms; or `most`, where
    /// many send to one socket, or one sends more than a phone.
    pub(super) fn share(&mut self, told: Told, most: usize) -> usize {
        let many = told.token == SHARED || self.lane(told.token).is_some_and(|lane| lane.again(told.turn));
        if many { most } else { 1 }
    }

    /// Reads one datagram into `buffer`, which is longer by one byte than a packet may be.
    pub(super) fn read(&mut self, token: Token, buffer: &mut [u8]) -> Read {
        let (owner, received) = match &mut self.browsers {
            Some(browsers) if token == SHARED => (None, browsers.receive(buffer)),
            _ => {
                let (place, which) = Which::of(token);
                let pair = self.pairs.get(place).and_then(Option::as_ref);
                let Some((leg, lane)) = pair.and_then(|pair| Some((pair.leg, pair.lane(which)?))) else {
                    return Read::Empty;
                };
                (Some((leg, which.channel())), lane.socket.recv_from(buffer))
            }
        };
        match received {
            Ok((length, _)) if length >= buffer.len() => {
                Counters::count(&self.counters.oversized_packets);
                Read::Skipped
            }
            Ok((length, source)) => {
                Counters::count(&self.counters.received_packets);
                match owner {
                    Some((leg, channel)) => Read::Packet { leg, channel, source, length },
                    None => Read::Shared { source, length },
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Read::Empty,
            // The error queue has the details, and the poll tells of it.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::Interrupted) => {
                Read::Skipped
            }
            Err(_) => {
                Counters::count(&self.counters.receive_errors);
                Read::Empty
            }
        }
    }

    /// Answers the connectivity check that was read last.
    pub(super) fn answer(&mut self, leg: LegId, to: SocketAddr, bytes: &[u8]) {
        let to = self.mapped(to);
        let sent = match &mut self.browsers {
            Some(browsers) => browsers.answer(leg, to, bytes),
            None => Err(ErrorKind::NotConnected.into()),
        };
        Counters::count(if sent.is_ok() { &self.counters.sent_packets } else { &self.counters.send_errors });
    }

    /// On a socket of both families the kernel knows IPv4 addresses as mapped ones.
    fn mapped(&self, to: SocketAddr) -> SocketAddr {
        match to {
            SocketAddr::V4(v4) if self.listen.is_ipv6() => {
                SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port())
            }
            to => to,
        }
    }

    /// Sends one datagram.
    pub(super) fn send(&mut self, leg: LegId, channel: Channel, to: SocketAddr, bytes: &[u8]) {
        let place = self.by_leg.get(&leg).copied();
        let to = self.mapped(to);
        let sent = match (place.and_then(|place| self.pairs.get_mut(place)?.as_mut()), &self.browsers) {
            (Some(pair), _) => pair.send(channel, to, bytes),
            (None, Some(browsers)) => browsers.send(leg, to, bytes),
            (None, None) => Err(ErrorKind::NotConnected.into()),
        };
        Counters::count(if sent.is_ok() { &self.counters.sent_packets } else { &self.counters.send_errors });
        if let Some(place) = place.filter(|_| channel == Channel::Rtp) {
            self.connect(place);
        }
    }

    /// Gives a leg whose phone stays where it is a socket that is connected to it.
    fn connect(&mut self, place: usize) {
        let Some(pair) = self.pairs.get_mut(place).and_then(Option::as_mut) else { return };
        let Some(to) = pair.settled() else { return };
        let poll = if pair.bridged { &self.urgent } else { &self.patient };
        let done = pair.connect(place, self.listen, to, poll);
        // Without it the first one sends on.
        Counters::count(if done.is_ok() {
            &self.counters.connected_sockets
        } else {
            &self.counters.connect_failed
        });
    }

    fn place(&mut self, pair: Pair) -> io::Result<()> {
        let place = self.vacant.pop().unwrap_or(self.pairs.len());
        if place == self.pairs.len() {
            self.pairs.push(None);
        }
        if let Err(error) = pair.register(place, &self.patient, &self.urgent) {
            self.vacant.push(place);
            return Err(error);
        }
        self.by_leg.insert(pair.leg, place);
        self.pairs[place] = Some(pair);
        Ok(())
    }

    fn lane(&mut self, token: Token) -> Option<&mut Lane> {
        let (place, which) = Which::of(token);
        self.pairs.get_mut(place)?.as_mut()?.lane_mut(which)
    }

    /// Empties a socket's error queue. The leg is returned if its RTP has no listener; an unreachable RTCP port means nothing:
    /// many phones have none.
    pub(super) fn read_errors(&mut self, token: Token) -> Option<LegId> {
        let (place, which) = Which::of(token);
        let pair = self.pairs.get(place)?.as_ref()?;
        let lane = pair.lane(which)?;
        let mut unreachable = false;
        while let Some(notice) = self.errors.next(&lane.socket) {
            match notice {
                Notice::PortUnreachable(to) if lane.last_to == Some(to) => {
                    Counters::count(&self.counters.icmp_unreachable);
                    unreachable |= which.channel() == Channel::Rtp;
                }
                Notice::PortUnreachable(_) | Notice::Other => Counters::count(&self.counters.icmp_other),
            }
        }
        unreachable.then_some(pair.leg)
    }
}
