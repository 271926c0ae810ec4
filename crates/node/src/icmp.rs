//! What ICMP says of our datagrams: Linux keeps it in a socket's error queue, where it was asked to (`IP_RECVERR`).

use std::io::IoSliceMut;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc::{sock_extended_err, sockaddr_in6};
use nix::sys::socket::sockopt::{Ipv4RecvErr, Ipv6RecvErr};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockaddrLike, SockaddrStorage, recvmsg, setsockopt,
};

/// Asks the kernel to keep ICMP errors for [`Errors::next`].
///
/// # Errors
/// The kernel's.
pub(crate) fn enable(socket: &impl AsFd, ipv6: bool) -> std::io::Result<()> {
    match ipv6 {
        true => setsockopt(socket, Ipv6RecvErr, &true)?,
        false => setsockopt(socket, Ipv4RecvErr, &true)?,
    }
    Ok(())
}

/// One ICMP error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Nobody listens at this address, to which we sent.
    PortUnreachable(SocketAddr),
    /// Anything else: too big, no route, forbidden on the way.
    Other,
}

/// Reads error queues; its buffer is made once.
pub(crate) struct Errors {
    control: Vec<u8>,
}

impl Errors {
    /// With room for one error.
    pub(crate) fn new() -> Self {
        Self { control: cmsg_space!(sock_extended_err, sockaddr_in6) }
    }

    /// The next error of `socket`; `None` when there is none.
    pub(crate) fn next(&mut self, socket: &impl AsRawFd) -> Option<Notice> {
        // The head of the datagram comes back too; nobody wants it.
        let mut datagram = [0_u8; 1];
        let mut parts = [IoSliceMut::new(&mut datagram)];
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let message =
            recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut self.control), flags)
                .ok()?;
        let to = message.address.as_ref().and_then(to_std);
        let error = message.cmsgs().into_iter().flatten().find_map(|part| match part {
            ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => {
                Some(error)
            }
            _ => None,
        });
        Some(match (error, to) {
            (Some(error), Some(to)) if i32::try_from(error.ee_errno) == Ok(Errno::ECONNREFUSED as i32) => {
                Notice::PortUnreachable(to)
            }
            _ => Notice::Other,
        })
    }
}

/// As the standard library has it; `None` for what is no Internet address.
pub(crate) fn to_std(address: &SockaddrStorage) -> Option<SocketAddr> {
    match address.family()? {
        AddressFamily::Inet => address.as_sockaddr_in().map(|a| SocketAddrV4::from(*a).into()),
        AddressFamily::Inet6 => address.as_sockaddr_in6().map(|a| SocketAddrV6::from(*a).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_closed_port_is_told_with_its_address() {
        for loopback in ["127.0.0.1:0", "[::1]:0"] {
            // A machine without IPv6 has nothing to test there.
            let Ok(socket) = UdpSocket::bind(loopback) else { continue };
            enable(&socket, loopback.starts_with('[')).unwrap();
            let closed = UdpSocket::bind(loopback).unwrap().local_addr().unwrap();
            let mut errors = Errors::new();
            assert_eq!(errors.next(&socket), None);
            socket.send_to(b"anybody?", closed).unwrap();
            // On loopback the error is there before `send_to` returns, or a moment later: `recv` waits for it.
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            assert!(socket.recv(&mut [0; 8]).is_err());
            assert_eq!(errors.next(&socket), Some(Notice::PortUnreachable(closed)));
            assert_eq!(errors.next(&socket), None);
        }
    }
}
