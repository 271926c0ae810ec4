//! `recvmmsg` and `sendmmsg` with buffers that are made once: the safe wrappers borrow theirs for as long as the
//! headers live.
#![allow(unsafe_code, reason = "system calls on buffers that this module owns")]

use std::mem::{MaybeUninit, size_of};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::libc;
use nix::sys::socket::{SockaddrLike, SockaddrStorage};

/// Datagrams of one call.
const BATCH: usize = 64;
const ROOM: usize = 512;
const CONTROL: usize = 64;

/// Receives many datagrams at once, with the times of their arrival.
pub(crate) struct Inbox {
    buffers: Box<[[u8; ROOM]; BATCH]>,
    control: Box<[[u64; CONTROL / 8]; BATCH]>,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self { buffers: Box::new([[0; ROOM]; BATCH]), control: Box::new([[0; CONTROL / 8]; BATCH]) }
    }

    /// Takes everything that waits at `socket`.
    pub(crate) fn drain(&mut self, socket: &UdpSocket, mut take: impl FnMut(&[u8], Duration)) {
        loop {
            let count = self.receive(socket, BATCH, &mut take);
            if count < BATCH {
                return;
            }
        }
    }

    /// Takes up to `most` datagrams with one call; how many there were.
    pub(crate) fn receive(
        &mut self,
        socket: &UdpSocket,
        most: usize,
        mut take: impl FnMut(&[u8], Duration),
    ) -> usize {
        let most = most.min(BATCH);
        // SAFETY: all-zero headers and vectors are valid ones, without buffers.
        let mut vectors: [libc::iovec; BATCH] = unsafe { MaybeUninit::zeroed().assume_init() };
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { MaybeUninit::zeroed().assume_init() };
        for index in 0..most {
            vectors[index].iov_base = self.buffers[index].as_mut_ptr().cast();
            vectors[index].iov_len = ROOM;
            let header = &mut headers[index].msg_hdr;
            header.msg_iov = &raw mut vectors[index];
            header.msg_iovlen = 1;
            header.msg_control = self.control[index].as_mut_ptr().cast();
            header.msg_controllen = CONTROL;
        }
        // SAFETY: every header points to a vector and buffers that live until after the call, with their sizes.
        let count = unsafe {
            let flags = libc::MSG_DONTWAIT;
            libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), most as u32, flags, std::ptr::null_mut())
        };
        let count = usize::try_from(count).unwrap_or(0);
        for (index, header) in headers[..count].iter().enumerate() {
            let length = (header.msg_len as usize).min(ROOM);
            take(&self.buffers[index][..length], stamp(&header.msg_hdr));
        }
        count
    }
}

/// When the kernel took a datagram, since 1970.
fn stamp(header: &libc::msghdr) -> Duration {
    // SAFETY: the kernel filled in the control messages of this header, and they are aligned as `u64`s.
    unsafe {
        let part = libc::CMSG_FIRSTHDR(header);
        if part.is_null() || (*part).cmsg_type != libc::SCM_TIMESTAMPNS {
            return Duration::ZERO;
        }
        let time: libc::timespec = libc::CMSG_DATA(part).cast::<libc::timespec>().read_unaligned();
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
}

/// Sends `count` datagrams of `length` bytes each, lying `ROOM` apart, to one address with one call.
pub(crate) fn send_all(socket: &UdpSocket, packets: &[Vec<u8>], to: SocketAddr) {
    let address = SockaddrStorage::from(to);
    // SAFETY: as in `receive`.
    let mut vectors: [libc::iovec; BATCH] = unsafe { MaybeUninit::zeroed().assume_init() };
    let mut headers: [libc::mmsghdr; BATCH] = unsafe { MaybeUninit::zeroed().assume_init() };
    let count = packets.len().min(BATCH);
    for (index, packet) in packets[..count].iter().enumerate() {
        vectors[index].iov_base = packet.as_ptr().cast_mut().cast();
        vectors[index].iov_len = packet.len();
        let header = &mut headers[index].msg_hdr;
        header.msg_name = address.as_ptr().cast_mut().cast();
        header.msg_namelen = address.len().min(size_of::<SockaddrStorage>() as u32);
        header.msg_iov = &raw mut vectors[index];
        header.msg_iovlen = 1;
    }
    // SAFETY: every header points to an address, a vector and a packet that live until after the call; the kernel
    // only reads them.
    let _ = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count as u32, 0) };
}
