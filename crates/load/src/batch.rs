//! Many RTP packets in one system call, with the kernel's word on when each arrived.

use std::io;
use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;

use crate::voice::LARGEST;

/// Packets of one system call.
const BATCH: usize = 32;
/// Largest packet that is read; what is cut is no audio of a telephone.
const READ: usize = 2_048;
/// Batches read from one socket in a turn.
const TURNS: usize = 8;

/// Asks the kernel to note when packets arrive.
pub(crate) fn stamp_arrivals(socket: &UdpSocket) -> io::Result<()> {
    Ok(setsockopt(socket, sockopt::ReceiveTimestampns, &true)?)
}

/// Packets on their way out.
pub(crate) struct Sender {
    headers: MultiHeaders<SockaddrStorage>,
    packets: Box<[[u8; LARGEST]; BATCH]>,
    lengths: [usize; BATCH],
    addresses: [Option<SockaddrStorage>; BATCH],
    count: usize,
}

impl Sender {
    pub(crate) fn new() -> Self {
        Self {
            headers: MultiHeaders::preallocate(BATCH, None),
            packets: Box::new([[0; LARGEST]; BATCH]),
            lengths: [0; BATCH],
            addresses: [None; BATCH],
            count: 0,
        }
    }

    /// Adds one; beyond [`BATCH`] it is dropped, as it would be by a full queue.
    pub(crate) fn push(&mut self, to: SocketAddr, bytes: &[u8]) {
        if let Some(packet) = self.packets.get_mut(self.count)
            && bytes.len() <= packet.len()
        {
            packet[..bytes.len()].copy_from_slice(bytes);
            self.lengths[self.count] = bytes.len();
            self.addresses[self.count] = Some(to.into());
            self.count += 1;
        }
    }

    /// Sends what was added. A packet that the kernel refuses is lost, as it would be on a wire.
    pub(crate) fn flush(&mut self, socket: &UdpSocket) {
        let all = std::mem::take(&mut self.count);
        let mut first = 0;
        while first < all {
            let slices: [[IoSlice<'_>; 1]; BATCH] =
                std::array::from_fn(|i| [IoSlice::new(&self.packets[i][..self.lengths[i]])]);
            let sent = sendmmsg(
                socket.as_raw_fd(),
                &mut self.headers,
                &slices[first..all],
                &self.addresses[first..all],
                [],
                MsgFlags::MSG_DONTWAIT,
            );
            match sent {
                Ok(results) => first += results.count().max(1),
                // An ICMP error of an earlier packet; this one has not gone out yet.
                Err(Errno::ECONNREFUSED | Errno::EINTR) => {}
                Err(_) => first += 1,
            }
        }
    }
}

/// Packets on their way in.
pub(crate) struct Receiver {
    headers: MultiHeaders<SockaddrStorage>,
    buffers: Box<[[u8; READ]; BATCH]>,
}

impl Receiver {
    pub(crate) fn new() -> Self {
        Self {
            headers: MultiHeaders::preallocate(BATCH, Some(nix::cmsg_space!(TimeSpec))),
            buffers: Box::new([[0; READ]; BATCH]),
        }
    }

    /// Reads all there is. `take` gets the sender, the packet, and its arrival in microseconds of the wall clock.
    pub(crate) fn drain(
        &mut self,
        socket: &UdpSocket,
        mut take: impl FnMut(SocketAddr, &[u8], u64),
    ) -> io::Result<()> {
        for _ in 0..TURNS {
            let mut buffers = self.buffers.iter_mut();
            let mut slices: [[IoSliceMut<'_>; 1]; BATCH] = std::array::from_fn(|_| {
                [IoSliceMut::new(buffers.next().map_or(&mut [], |buffer| &mut buffer[..]))]
            });
            let flags = MsgFlags::MSG_DONTWAIT;
            let results =
                match recvmmsg(socket.as_raw_fd(), &mut self.headers, slices.iter_mut(), flags, None) {
                    Ok(results) => results,
                    Err(Errno::EAGAIN | Errno::ECONNREFUSED | Errno::EINTR) => return Ok(()),
                    Err(error) => return Err(error.into()),
                };
            let mut count = 0;
            for message in results {
                count += 1;
                let source = message.address.as_ref().and_then(address);
                let arrived = message.cmsgs().ok().and_then(|mut all| all.find_map(|one| timestamp(&one)));
                if let Some(((source, at), bytes)) = source.zip(arrived).zip(message.iovs().next()) {
                    take(source, bytes, at);
                }
            }
            if count < BATCH {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn timestamp(message: &ControlMessageOwned) -> Option<u64> {
    match message {
        ControlMessageOwned::ScmTimestampns(time) => {
            Some(time.tv_sec().cast_unsigned() * 1_000_000 + time.tv_nsec().cast_unsigned() / 1_000)
        }
        _ => None,
    }
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|v4| SocketAddr::new(v4.ip().into(), v4.port()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|v6| SocketAddr::new(v6.ip().into(), v6.port())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn packets_go_out_and_come_in_with_their_times() {
        let (one, other) = (socket(), socket());
        let (mut sender, mut receiver) = (Sender::new(), Receiver::new());
        let mut last = 0;
        for round in 0..3_u8 {
            for number in 0..BATCH as u8 + 5 {
                sender.push(other.local_addr().unwrap(), &[round, number]);
            }
            sender.flush(&one);
            let mut heard = Vec::new();
            // Loopback delivers before the send returns.
            receiver
                .drain(&other, |source, bytes, at| {
                    assert_eq!(source, one.local_addr().unwrap());
                    assert!(at >= last, "time does not run backwards");
                    last = at;
                    heard.push(bytes.to_vec());
                })
                .unwrap();
            assert_eq!(heard, (0..BATCH as u8).map(|number| vec![round, number]).collect::<Vec<_>>());
        }
    }

    fn socket() -> UdpSocket {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stamp_arrivals(&socket).unwrap();
        socket
    }
}
