//! The generator: many callers' RTP from one thread, as evenly spread over time as callers are, and how late each
//! packet came out of the other side. Arrival is the kernel's own stamp, so a sleepy generator spoils no delay.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::socket::{setsockopt, sockopt};

use super::raw;

/// Packet time of every stream.
const FRAME: Duration = Duration::from_millis(20);
/// Packets leave at most this late, so that the generator may sleep in between.
const TICK: Duration = Duration::from_micros(200);
const TICKS: usize = (FRAME.as_micros() / TICK.as_micros()) as usize;
/// RTP header and 20 ms of G.711.
pub const PACKET: usize = 12 + 160;
/// Room for packets that wait for a generator that was kept from its core.
const SOCKET_BUFFER: usize = 4 << 20;

/// Where the generator's packets go and come from.
#[derive(Debug)]
pub struct Load {
    /// One for all callers and one for all advocates.
    sockets: [UdpSocket; 2],
    streams: Vec<Stream>,
}

#[derive(Debug)]
struct Stream {
    to: SocketAddr,
    side: usize,
    sequence: u16,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Tally {
    /// Packets that went in.
    pub sent: u64,
    /// Packets that came out.
    pub received: u64,
    /// How long each was on its way.
    pub delays: Vec<Duration>,
    /// How long it was measured.
    pub took: Duration,
}

impl Load {
    /// Sockets on `ip`, without streams yet.
    pub fn open(ip: IpAddr) -> Self {
        let socket = || {
            let socket = UdpSocket::bind((ip, 0)).expect("a UDP port");
            socket.set_nonblocking(true).expect("a socket may be nonblocking");
            setsockopt(&socket, sockopt::RcvBuf, &SOCKET_BUFFER).expect("a larger buffer");
            setsockopt(&socket, sockopt::ReceiveTimestampns, &true).expect("the kernel's time stamps");
            socket
        };
        Self { sockets: [socket(), socket()], streams: Vec::new() }
    }

    /// Where side 0 or 1 listens: the destination of leg `n` is that of side `n % 2`.
    pub fn address(&self, side: usize) -> SocketAddr {
        self.sockets[side % 2].local_addr().expect("a bound socket has an address")
    }

    /// Sends one stream to each of these sockets of a relay from now on.
    pub fn send_to(&mut self, relay: &[SocketAddr]) {
        let stream = |(leg, to): (usize, &SocketAddr)| Stream { to: *to, side: leg % 2, sequence: 0 };
        self.streams = relay.iter().enumerate().map(stream).collect();
    }

    /// Sends and receives for `time`.
    pub fn run(&mut self, time: Duration) -> Tally {
        let mut tally = Tally::default();
        let mut inbox = raw::Inbox::new();
        let start = Instant::now();
        let (mut due, mut turn) = (start, 0);
        while start.elapsed() < time {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            // Callers do not know of each other: a generator that was kept from its core goes on from there, and what it
            // owes does not come out of it at once.
            due = due.max(Instant::now() - TICK) + TICK;
            for (index, stream) in self.streams.iter_mut().enumerate().skip(turn).step_by(TICKS) {
                let packet = stream.packet(index);
                tally.sent += u64::from(self.sockets[stream.side].send_to(&packet, stream.to).is_ok());
            }
            for socket in &self.sockets {
                inbox.drain(socket, |packet, stamp| tally.take(packet, stamp));
            }
            turn = (turn + 1) % TICKS;
        }
        tally.took = start.elapsed();
        // What is still on its way is not lost.
        std::thread::sleep(Duration::from_millis(5));
        for socket in &self.sockets {
            inbox.drain(socket, |packet, stamp| tally.take(packet, stamp));
        }
        tally
    }
}

impl Stream {
    fn packet(&mut self, index: usize) -> [u8; PACKET] {
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = [0xff; PACKET];
        packet[..2].copy_from_slice(&[0x80, 0]);
        packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(self.sequence) * 160).to_be_bytes());
        packet[8..12].copy_from_slice(&(0x1000_0000 + index as u32).to_be_bytes());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        packet[12..20].copy_from_slice(&(now.as_nanos() as u64).to_be_bytes());
        packet
    }
}

impl Tally {
    fn take(&mut self, packet: &[u8], stamp: Duration) {
        // Reports and comfort noise are not of interest.
        let Some(sent) = packet.get(12..20).filter(|_| packet.len() == PACKET && packet[1] & 0x7f == 0)
        else {
            return;
        };
        let sent = Duration::from_nanos(u64::from_be_bytes(sent.try_into().expect("eight bytes")));
        let Some(delay) = stamp.checked_sub(sent).filter(|delay| *delay < Duration::from_secs(10)) else {
            return;
        };
        self.received += 1;
        self.delays.push(delay);
    }

    /// The delay that this share of the packets did not exceed.
    pub fn delay(&mut self, share: f64) -> Duration {
        self.delays.sort_unstable();
        let last = self.delays.len().saturating_sub(1);
        self.delays.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
    }

    /// Packets that went in and did not come out, in percent.
    pub fn lost(&self) -> f64 {
        100.0 * (1.0 - self.received as f64 / self.sent.max(1) as f64)
    }
}
