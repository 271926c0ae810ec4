//! The sockets of one leg: a pair of ports, and in time a third socket, on the RTP port too, that is connected to the
//! phone.
//!
//! For a connected socket the kernel has found the way once, and does not look for it again with every packet. (A bare relay
//! of 100 calls took 9.2 instead of 10.6 µs a packet with such sockets.) The first socket stays open beside it. What comes from
//! anywhere else arrives there, is judged as ever, and may move the stream (a phone changes its network); a port that
//! is connected and nothing else would answer it with an ICMP error, upon which some hang up.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use havre_media::Channel;
use havre_model::LegId;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::Ipv6TClass;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::poll::{Poll, Token};
use crate::icmp;

/// Expedited forwarding (RFC 3246), as RFC 4594 §2.3 asks for telephony: DSCP 46 in the upper six bits.
const EF: u8 = 46 << 2;
/// RTP packets in a row to one address, half a second of them, after which it is worth a socket of its own.
const SETTLED: u32 = 25;
/// Sockets that a leg may have.
const LANES: usize = 3;

/// Which leg's socket, of `LANES` each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// What comes to the RTP port from anywhere.
    Rtp,
    /// What comes to the RTCP port.
    Rtcp,
    /// What comes to the RTP port from where we send to.
    Direct,
}

impl Which {
    /// The token of that socket of the pair at `place`.
    pub(super) const fn token(self, place: usize) -> Token {
        Token(place * LANES + self as usize)
    }

    /// Whose socket a token means.
    pub(super) const fn of(token: Token) -> (usize, Self) {
        let which = match token.0 % LANES {
            0 => Self::Rtp,
            1 => Self::Rtcp,
            _ => Self::Direct,
        };
        (token.0 / LANES, which)
    }

    /// What its packets are.
    pub(super) const fn channel(self) -> Channel {
        match self {
            Self::Rtp | Self::Direct => Channel::Rtp,
            Self::Rtcp => Channel::Rtcp,
        }
    }
}

/// The sockets of a leg.
pub(super) struct Pair {
    pub(super) leg: LegId,
    /// That of RTP.
    pub(super) port: u16,
    /// Its RTP is told at once.
    pub(super) bridged: bool,
    rtp: Lane,
    rtcp: Lane,
    direct: Option<Lane>,
    /// RTP packets that went to `rtp.last_to` since it changed; not counted on once it was tried to connect to it.
    alike: u32,
}

/// One socket of a leg.
pub(super) struct Lane {
    pub(super) socket: UdpSocket,
    /// Which turn of its poll told of it last.
    told: u64,
    /// Where the last datagram went: an ICMP error about any other address is stale, or a lie.
    pub(super) last_to: Option<SocketAddr>,
}

impl Pair {
    /// Binds `port` and the one above it.
    ///
    /// # Errors
    /// The system's: one of them is taken, or there are no more descriptors.
    pub(super) fn bind(leg: LegId, listen: IpAddr, port: u16) -> io::Result<Self> {
        let lane = |port| Lane::new(bind_marked(SocketAddr::new(listen, port))?, listen);
        Ok(Self {
            leg,
            port,
            bridged: false,
            rtp: lane(port)?,
            rtcp: lane(port + 1)?,
            direct: None,
            alike: 0,
        })
    }

    /// Has `patient` tell of RTP, and `urgent` of RTCP.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn register(&self, place: usize, patient: &Poll, urgent: &Poll) -> io::Result<()> {
        patient.add(&self.rtp.socket, Which::Rtp.token(place))?;
        urgent.add(&self.rtcp.socket, Which::Rtcp.token(place))
    }

    /// Has `to` tell of RTP, which `from` did. What waits in a socket is told again.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn move_rtp(&self, place: usize, from: &Poll, to: &Poll) -> io::Result<()> {
        for which in [Which::Rtp, Which::Direct] {
            if let Some(Lane { socket, .. }) = self.lane(which) {
                from.remove(socket)?;
                to.add(socket, which.token(place))?;
            }
        }
        Ok(())
    }

    /// Has nobody tell of anything any more.
    pub(super) fn deregister(&self, rtp: &Poll, rtcp: &Poll) {
        // Closing the descriptors takes them out of the polls anyway.
        let _ = rtp.remove(&self.rtp.socket);
        let _ = rtcp.remove(&self.rtcp.socket);
        if let Some(direct) = &self.direct {
            let _ = rtp.remove(&direct.socket);
        }
    }

    pub(super) const fn lane(&self, which: Which) -> Option<&Lane> {
        match which {
            Which::Rtp => Some(&self.rtp),
            Which::Rtcp => Some(&self.rtcp),
            Which::Direct => self.direct.as_ref(),
        }
    }

    pub(super) const fn lane_mut(&mut self, which: Which) -> Option<&mut Lane> {
        match which {
            Which::Rtp => Some(&mut self.rtp),
            Which::Rtcp => Some(&mut self.rtcp),
            Which::Direct => self.direct.as_mut(),
        }
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn send(&mut self, channel: Channel, to: SocketAddr, bytes: &[u8]) -> io::Result<usize> {
        match channel {
            Channel::Rtp => self.send_rtp(to, bytes),
            Channel::Rtcp => self.rtcp.send(to, bytes),
        }
    }

    fn send_rtp(&mut self, to: SocketAddr, bytes: &[u8]) -> io::Result<usize> {
        if let Some(direct) = &self.direct {
            if direct.last_to == Some(to) {
                match twice(|| direct.socket.send(bytes)) {
                    Err(error) if error.kind() != ErrorKind::WouldBlock => {}
                    sent => return sent,
                }
            }
            // The phone moved; or the way to it is gone, and there may be another.
            self.direct = None;
        }
        self.alike = if self.rtp.last_to == Some(to) { self.alike.saturating_add(1) } else { 0 };
        self.rtp.send(to, bytes)
    }

    /// Where a socket of its own is to be connected to: said once for each address.
    pub(super) fn settled(&self) -> Option<SocketAddr> {
        self.rtp.last_to.filter(|_| self.alike == SETTLED)
    }

    /// Opens that socket.
    ///
    /// # Errors
    /// The system's; `QuotaExceeded` where the descriptors are better kept for the next calls' ports.
    pub(super) fn connect(
        &mut self,
        place: usize,
        listen: IpAddr,
        to: SocketAddr,
        poll: &Poll,
    ) -> io::Result<()> {
        // Tried once for each address, whatever comes of it.
        self.alike += 1;
        // Only for this moment may a port have two sockets: a process of this machine that asks for the same could have it now.
        let first = SockRef::from(&self.rtp.socket);
        first.set_reuse_address(true)?;
        let second = connected(SocketAddr::new(listen, self.port), to);
        first.set_reuse_address(false)?;
        let lane = Lane { last_to: Some(to), ..Lane::new(second?, listen)? };
        poll.add(&lane.socket, Which::Direct.token(place))?;
        self.direct = Some(lane);
        Ok(())
    }
}

impl Lane {
    fn new(socket: Socket, listen: IpAddr) -> io::Result<Self> {
        // Best effort: calls work without ICMP. An IPv6 socket may carry IPv4 too.
        let _ = icmp::enable(&socket, false);
        if listen.is_ipv6() {
            let _ = icmp::enable(&socket, true);
        }
        Ok(Self { socket: socket.into(), told: 0, last_to: None })
    }

    /// Notes that this turn of its poll told of it; true if the one before did, too: more than a phone sends.
    pub(super) const fn again(&mut self, turn: u64) -> bool {
        let again = self.told + 1 == turn;
        self.told = turn;
        again
    }

    fn send(&mut self, to: SocketAddr, bytes: &[u8]) -> io::Result<usize> {
        self.last_to = Some(to);
        twice(|| self.socket.send_to(bytes, to))
    }
}

/// Sends again if the first answer was the ICMP error of an earlier datagram: this one has not gone out yet.
fn twice(send: impl Fn() -> io::Result<usize>) -> io::Result<usize> {
    match send() {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => send(),
        sent => sent,
    }
}

/// A socket whose packets are marked as telephony.
pub(super) fn bind_marked(address: SocketAddr) -> io::Result<Socket> {
    let socket = marked(address)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn marked(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // Best effort: calls work without a mark.
    let _ = socket.set_tos_v4(EF.into());
    if address.is_ipv6() {
        let _ = setsockopt(&socket, Ipv6TClass, &EF.into());
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    Ok(socket)
}

/// A second socket on a port of ours whose first one allows it for now.
fn connected(near: SocketAddr, to: SocketAddr) -> io::Result<Socket> {
    let socket = marked(near)?;
    // The kernel gives the lowest free descriptor, so its number says how many are in use.
    let most = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    if u64::try_from(socket.as_raw_fd()).is_ok_and(|used| used > most / 4 * 3) {
        return Err(ErrorKind::QuotaExceeded.into());
    }
    socket.set_reuse_address(true)?;
    socket.bind(&near.into())?;
    socket.connect(&to.into())?;
    socket.set_reuse_address(false)?;
    Ok(socket)
}
