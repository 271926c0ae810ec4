//! The bare relay on io_uring: one multishot `recvmsg` per socket into buffers that the kernel picks, sends and
//! returned buffers submitted together with the wait, so that a turn is one system call.
#![allow(unsafe_code, reason = "the kernel writes into buffers of ours")]

use std::mem::{size_of, zeroed};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};

use io_uring::squeue::Flags;
use io_uring::types::{Fd, RecvMsgOut, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use nix::libc;
use nix::sys::socket::{SockaddrLike, SockaddrStorage};

use havre_bench::relay::Legs;

const GROUP: u16 = 1;
const BUFFERS: u16 = 1_024;
const ROOM: usize = 512;
const ENTRIES: u32 = 4_096;
/// `user_data` of sends: the buffer's number is in the lower bits.
const SEND: u64 = 1 << 32;

/// Relays until told to stop.
pub(crate) fn relay(legs: &Legs, stop: &AtomicBool) {
    let mut ring: IoUring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_cqsize(2 * ENTRIES)
        .build(ENTRIES)
        .expect("a ring (Linux 6.1)");
    let mut memory = vec![0_u8; usize::from(BUFFERS) * ROOM];
    let base = memory.as_mut_ptr();
    // SAFETY: an all-zero header is valid: no name, no data of its own, no control messages.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_namelen = size_of::<libc::sockaddr_in6>() as u32;
    let to: Vec<SockaddrStorage> = legs.to.iter().map(|to| SockaddrStorage::from(*to)).collect();
    let receive = |leg: usize| {
        opcode::RecvMsgMulti::new(Fd(legs.sockets[leg].as_raw_fd()), &raw const header, GROUP)
            .build()
            .user_data(leg as u64)
    };
    let provide = |number: u16, count: u16| {
        // SAFETY: `number` is one of `BUFFERS`, so the address is within `memory`.
        let at = unsafe { base.add(usize::from(number) * ROOM) };
        opcode::ProvideBuffers::new(at, ROOM as i32, count, GROUP, number).build().flags(Flags::SKIP_SUCCESS)
    };
    push(&mut ring, &provide(0, BUFFERS));
    (0..legs.sockets.len()).for_each(|leg| push(&mut ring, &receive(leg)));
    let patience = Timespec::new().nsec(100_000_000);
    while !stop.load(Ordering::Relaxed) {
        let _ = ring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&patience));
        let done: Vec<cqueue::Entry> = ring.completion().collect();
        for entry in done {
            if entry.user_data() & SEND != 0 {
                push(&mut ring, &provide(entry.user_data() as u16, 1));
                continue;
            }
            let leg = entry.user_data() as usize;
            if let Some(number) = cqueue::buffer_select(entry.flags()).filter(|_| entry.result() > 0) {
                // SAFETY: the kernel has filled this buffer and leaves it alone until it is provided again.
                let bytes = unsafe {
                    std::slice::from_raw_parts(base.add(usize::from(number) * ROOM), entry.result() as usize)
                };
                if let Ok(received) = RecvMsgOut::parse(bytes, &header) {
                    let payload = received.payload_data();
                    let (fd, to) = (Fd(legs.sockets[leg ^ 1].as_raw_fd()), &to[leg ^ 1]);
                    let send = opcode::Send::new(fd, payload.as_ptr(), payload.len() as u32)
                        .dest_addr(to.as_ptr().cast())
                        .dest_addr_len(to.len());
                    push(&mut ring, &send.build().user_data(SEND | u64::from(number)));
                } else {
                    push(&mut ring, &provide(number, 1));
                }
            }
            if !cqueue::more(entry.flags()) {
                push(&mut ring, &receive(leg));
            }
        }
    }
    // The ring goes before the memory that it writes to.
    drop(ring);
    drop(memory);
}

fn push(ring: &mut IoUring, entry: &squeue::Entry) {
    // SAFETY: whatever entries point to (legs, addresses, header, memory) outlives the ring.
    while unsafe { ring.submission().push(entry) }.is_err() {
        ring.submit().expect("a ring that takes entries");
    }
}
