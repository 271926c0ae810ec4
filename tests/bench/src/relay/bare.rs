//! The least that a relay can do: what comes in on socket 2n goes out of 2n + 1, and the other way round. Each way of
//! asking the kernel is a function; all see the same sockets and the same load.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use super::raw;

/// A relay's sockets, and where each sends to.
#[derive(Debug)]
pub struct Legs {
    /// Two for each call.
    pub sockets: Vec<UdpSocket>,
    /// As many addresses.
    pub to: Vec<SocketAddr>,
}

const EVENTS: usize = 64;
const BUFFER: usize = 2_048;
/// How often a relay looks whether it is to stop.
const PATIENCE_MS: u16 = 100;

/// One `recvfrom` and one `sendto` per readable socket; the kernel tells again of what is left.
pub fn level_triggered(legs: &Legs, stop: &AtomicBool) {
    let mut buffer = [0; BUFFER];
    wait(legs, EpollFlags::EPOLLIN, stop, |leg| {
        let _ = pass(legs, leg, &mut buffer);
    });
}

/// The kernel tells once, so every socket is read until it is empty.
pub fn edge_triggered(legs: &Legs, stop: &AtomicBool) {
    let mut buffer = [0; BUFFER];
    wait(legs, EpollFlags::EPOLLIN | EpollFlags::EPOLLET, stop, |leg| {
        while pass(legs, leg, &mut buffer).is_ok() {}
    });
}

/// `recvmmsg` of up to 16 datagrams per readable socket, and `sendmmsg` of what came.
pub fn many_at_once(legs: &Legs, stop: &AtomicBool) {
    const MOST: usize = 16;
    let mut inbox = raw::Inbox::new();
    let mut packets = vec![Vec::new(); MOST];
    wait(legs, EpollFlags::EPOLLIN | EpollFlags::EPOLLET, stop, |leg| {
        loop {
            let mut count = 0;
            inbox.receive(&legs.sockets[leg], MOST, |packet, _| {
                packets[count].clear();
                packets[count].extend_from_slice(packet);
                count += 1;
            });
            if count > 0 {
                raw::send_all(&legs.sockets[leg ^ 1], &packets[..count], legs.to[leg ^ 1]);
            }
            if count < MOST {
                return;
            }
        }
    });
}

fn pass(legs: &Legs, leg: usize, buffer: &mut [u8]) -> std::io::Result<usize> {
    let (length, _) = legs.sockets[leg].recv_from(buffer)?;
    legs.sockets[leg ^ 1].send_to(&buffer[..length], legs.to[leg ^ 1])
}

fn wait(legs: &Legs, interest: EpollFlags, stop: &AtomicBool, mut ready: impl FnMut(usize)) {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("an epoll");
    for (leg, socket) in legs.sockets.iter().enumerate() {
        epoll.add(socket, EpollEvent::new(interest, leg as u64)).expect("a watched socket");
    }
    let mut events = [EpollEvent::empty(); EVENTS];
    while !stop.load(Ordering::Relaxed) {
        let count = epoll.wait(&mut events, PATIENCE_MS).unwrap_or(0);
        for event in &events[..count] {
            ready(event.data() as usize);
        }
    }
}
