//! How long a datagram has waited in its socket: Linux notes when it came, where it was asked to (`SO_TIMESTAMPNS`).

use std::io::{ErrorKind, IoSliceMut, Result};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::cmsg_space;
use nix::sys::socket::sockopt::ReceiveTimestampns;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt};
use nix::sys::time::TimeSpec;

use crate::icmp::to_std;

/// Asks the kernel to note when each datagram comes.
///
/// # Errors
/// The kernel's.
pub(crate) fn enable(socket: &impl AsFd) -> Result<()> {
    Ok(setsockopt(socket, ReceiveTimestampns, &true)?)
}

/// Reads datagrams with the time of their arrival; its buffer is made once.
pub(crate) struct Stamps {
    control: Vec<u8>,
}

impl Stamps {
    /// With room for one stamp.
    pub(crate) fn new() -> Self {
        Self { control: cmsg_space!(TimeSpec) }
    }

    /// One datagram: its length, who sent it, and when it came (since 1970, by the wall clock), if the kernel noted it.
    ///
    /// # Errors
    /// The kernel's; `WouldBlock` if there is none.
    pub(crate) fn receive(
        &mut self,
        socket: &impl AsRawFd,
        buffer: &mut [u8],
    ) -> Result<(usize, SocketAddr, Option<Duration>)> {
        let mut parts = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let message =
            recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut self.control), flags)?;
        let source = message.address.as_ref().and_then(to_std).ok_or(ErrorKind::InvalidData)?;
        let came = message.cmsgs().into_iter().flatten().find_map(|part| match part {
            ControlMessageOwned::ScmTimestampns(came) => Some(Duration::from(came)),
            _ => None,
        });
        Ok((message.bytes, source, came))
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::clock::Clock;

    /// The kernel may read the time on another processor, whose clock is a little ahead or behind.
    const APART: Duration = Duration::from_millis(1);

    #[test]
    fn a_datagram_is_read_with_the_time_at_which_it_came() {
        for loopback in ["127.0.0.1:0", "[::1]:0"] {
            // A machine without IPv6 has nothing to test there.
            let Ok(socket) = UdpSocket::bind(loopback) else { continue };
            enable(&socket).unwrap();
            let (mut stamps, mut buffer) = (Stamps::new(), [0; 64]);
            let none = stamps.receive(&socket, &mut buffer).unwrap_err();
            assert_eq!(none.kind(), ErrorKind::WouldBlock);
            let sender = UdpSocket::bind(loopback).unwrap();
            let before = Clock::new().wall();
            sender.send_to(b"hello", socket.local_addr().unwrap()).unwrap();
            let after = Clock::new().wall();
            let (length, source, came) = stamps.receive(&socket, &mut buffer).unwrap();
            assert_eq!((&buffer[..length], source), (&b"hello"[..], sender.local_addr().unwrap()));
            let came = came.unwrap();
            assert!(before <= came + APART && came <= after + APART, "{before:?} {came:?} {after:?}");
        }
    }
}
