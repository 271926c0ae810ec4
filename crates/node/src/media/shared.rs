//! The port that all browser legs of a shard share, at one address or at every one that this machine has.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use havre_media::{LegHasher, limits};
use havre_model::LegId;
use nix::cmsg_space;
use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
};

use super::lane::bind_marked;
use super::poll::{Poll, Token};
use crate::icmp::to_std;

/// Receive buffer of the port, in bytes: a tenth of a second of 1,000 browsers, or of somebody's junk.
const BUFFER: usize = 4 * 1024 * 1024;

/// One socket for all browser legs of a shard.
pub(super) struct SharedSocket {
    socket: UdpSocket,
    port: u16,
    /// Each leg's browser by its addresses, and at which of ours it asked from there last; kept only where we have several.
    legs: HashMap<LegId, Vec<(SocketAddr, IpAddr)>, BuildHasherDefault<LegHasher>>,
    several: Option<Several>,
}

/// What a socket needs that takes what comes to any of our addresses.
struct Several {
    control: Vec<u8>,
    /// At which of them the last datagram came.
    came: Option<IpAddr>,
}

impl SharedSocket {
    /// Nobody asks it for ICMP errors: with consent, silence says the same.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn bind(listen: IpAddr, port: u16) -> io::Result<Self> {
        let socket = bind_marked(SocketAddr::new(listen, port))?;
        // Best effort: containers may refuse it.
        let _ = socket.set_recv_buffer_size(BUFFER);
        let several = match listen {
            IpAddr::V4(ip) if ip.is_unspecified() => {
                setsockopt(&socket, Ipv4PacketInfo, &true)?;
                Some(Several { control: cmsg_space!(in_pktinfo), came: None })
            }
            IpAddr::V6(ip) if ip.is_unspecified() => {
                setsockopt(&socket, Ipv6RecvPacketInfo, &true)?;
                Some(Several { control: cmsg_space!(in6_pktinfo), came: None })
            }
            _ => None,
        };
        Ok(Self { socket: socket.into(), port, legs: HashMap::default(), several })
    }

    /// Has `poll` tell when there is something to read.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn watch(&self, poll: &Poll, token: Token) -> io::Result<()> {
        poll.add(&self.socket, token)
    }

    /// Its port.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Legs that share it.
    pub(super) fn len(&self) -> usize {
        self.legs.len()
    }

    /// Whether `leg` is one of them.
    pub(super) fn has(&self, leg: LegId) -> bool {
        self.legs.contains_key(&leg)
    }

    /// One more.
    pub(super) fn open(&mut self, leg: LegId) {
        self.legs.insert(leg, Vec::new());
    }

    /// One less.
    pub(super) fn close(&mut self, leg: LegId) {
        self.legs.remove(&leg);
    }

    /// One datagram: its length, and who sent it.
    ///
    /// # Errors
    /// The kernel's; `WouldBlock` if there is none.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let Some(Several { control, came }) = &mut self.several else { return self.socket.recv_from(buffer) };
        let mut parts = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let message = recvmsg::<SockaddrStorage>(self.socket.as_raw_fd(), &mut parts, Some(control), flags)?;
        let source = message.address.as_ref().and_then(to_std).ok_or(ErrorKind::InvalidData)?;
        *came = message.cmsgs().into_iter().flatten().find_map(|part| match part {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                Some(IpAddr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()))
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::from(info.ipi6_addr.s6_addr)),
            _ => None,
        });
        Ok((message.bytes, source))
    }

    /// Answers the connectivity check that was read last, from where it came in. It was proven to be the leg's: what goes
    /// to `to` later leaves from there.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn answer(&mut self, leg: LegId, to: SocketAddr, bytes: &[u8]) -> io::Result<usize> {
        let came = self.several.as_ref().and_then(|several| several.came);
        if let (Some(came), Some(ways)) = (came, self.legs.get_mut(&leg)) {
            match ways.iter_mut().find(|(known, _)| *known == to) {
                Some((_, ours)) => *ours = came,
                None => {
                    if ways.len() >= limits::MAX_ICE_SOURCES {
                        ways.remove(0);
                    }
                    ways.push((to, came));
                }
            }
        }
        self.send(leg, to, bytes)
    }

    /// Sends a datagram of a leg's.
    ///
    /// # Errors
    /// The system's; `NotConnected` if the leg is none of ours.
    pub(super) fn send(&self, leg: LegId, to: SocketAddr, bytes: &[u8]) -> io::Result<usize> {
        let ways = self.legs.get(&leg).ok_or(ErrorKind::NotConnected)?;
        match ways.iter().find(|(known, _)| *known == to) {
            Some((_, ours)) => self.send_from(*ours, to, bytes),
            None => self.socket.send_to(bytes, to),
        }
    }

    fn send_from(&self, ours: IpAddr, to: SocketAddr, bytes: &[u8]) -> io::Result<usize> {
        let (parts, flags) = ([IoSlice::new(bytes)], MsgFlags::MSG_DONTWAIT);
        let to = SockaddrStorage::from(to);
        let send = |from| Ok(sendmsg(self.socket.as_raw_fd(), &parts, &[from], flags, Some(&to))?);
        // The interface is left to the routes.
        match ours {
            IpAddr::V4(ip) => {
                let here = in_addr { s_addr: u32::from_ne_bytes(ip.octets()) };
                let none = in_addr { s_addr: 0 };
                send(ControlMessage::Ipv4PacketInfo(&in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: here,
                    ipi_addr: none,
                }))
            }
            IpAddr::V6(ip) => {
                let here = in6_addr { s6_addr: ip.octets() };
                send(ControlMessage::Ipv6PacketInfo(&in6_pktinfo { ipi6_addr: here, ipi6_ifindex: 0 }))
            }
        }
    }
}
