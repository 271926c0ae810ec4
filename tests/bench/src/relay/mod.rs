//! The least that a relay can do, and callers to measure it with: what everything else that relays is put beside.

pub mod bare;
mod load;
mod raw;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::unistd::{Pid, gettid};

pub use bare::Legs;
pub use load::{Load, PACKET, Tally};

use crate::{cpu, pin};

/// One way of relaying: until it is told to stop.
pub type Relay = fn(&Legs, &AtomicBool);

/// A bare relay on its thread.
#[derive(Debug)]
pub struct Bare {
    /// Where each leg listens.
    pub at: Vec<SocketAddr>,
    /// Its thread, on the first core.
    pub thread: Pid,
    stop: Arc<AtomicBool>,
    handle: Option<JoinHandle<()>>,
}

impl Bare {
    /// Begins to relay, on `ip`; leg `n` sends to `to[n]`.
    ///
    /// # Panics
    /// If the system refuses sockets or a thread.
    #[must_use]
    pub fn start(relay: Relay, ip: IpAddr, to: Vec<SocketAddr>) -> Self {
        let socket = |_: &SocketAddr| {
            let socket = UdpSocket::bind((ip, 0)).expect("a UDP port");
            socket.set_nonblocking(true).expect("a socket may be nonblocking");
            socket
        };
        let sockets: Vec<UdpSocket> = to.iter().map(socket).collect();
        let at = sockets.iter().map(|s| s.local_addr().expect("a bound socket has an address")).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let (theirs, (tell, told)) = (Arc::clone(&stop), std::sync::mpsc::channel());
        let handle = thread::spawn(move || {
            tell.send(gettid()).expect("somebody waits for it");
            relay(&Legs { sockets, to }, &theirs);
        });
        let thread = told.recv().expect("the relay says who it is");
        pin(thread, 0);
        Self { at, thread, stop, handle: Some(handle) }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.handle.take().map(JoinHandle::join);
    }
}

/// Microseconds of processor time per packet of a bare relay of so many calls, measured for `time`. The relay has the first
/// core; the generator is the calling thread, which is put on the core `generator`.
///
/// # Panics
/// If the system refuses sockets or a thread.
#[must_use]
pub fn bare_packet(calls: usize, generator: usize, time: Duration) -> f64 {
    const IP: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 44, 0, 2));
    let measuring = thread::spawn(move || {
        pin(gettid(), generator);
        let mut load = Load::open(IP);
        let to = (0..2 * calls).map(|leg| load.address(leg)).collect();
        let running = Bare::start(bare::level_triggered, IP, to);
        load.send_to(&running.at);
        load.run(time / 4);
        let before = cpu(running.thread);
        let tally = load.run(time);
        (cpu(running.thread) - before).as_secs_f64() * 1e6 / tally.received as f64
    });
    measuring.join().expect("a relay that was measured")
}
