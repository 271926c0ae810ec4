//! The same calls over sockets: who answers is pinned to the first core, the carrier is a thread on the last.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use havre_bench::{Answer, Carrier};

/// Calls that are open at once. One that is refused is replaced at once.
const WINDOW: usize = 30;
/// Without an answer for so long, a call has failed. Longer than T1: what was lost is said again, by whoever answers.
const PATIENCE: Duration = Duration::from_secs(3);

/// What came of some calls.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) took: Duration,
}

/// One carrier's socket.
pub(crate) struct Calls {
    socket: UdpSocket,
    carrier: Carrier,
    next: u64,
}

impl Calls {
    pub(crate) fn to(line: SocketAddr) -> Self {
        let socket = UdpSocket::bind((line.ip(), 0)).expect("a UDP port");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        let at = socket.local_addr().expect("a bound socket has an address");
        Self { socket, carrier: Carrier { at, line }, next: 0 }
    }

    /// Calls for so long, as fast as the other side answers.
    pub(crate) fn run(&mut self, for_: Duration) -> Tally {
        let start = Instant::now();
        let mut tally = Tally::default();
        let mut open: std::collections::HashMap<u64, Instant> = std::collections::HashMap::new();
        let mut buffer = [0; 4_096];
        let mut looked = start;
        for _ in 0..WINDOW {
            self.call(&mut open);
        }
        loop {
            let over = start.elapsed() >= for_;
            if over && open.is_empty() {
                break;
            }
            if looked.elapsed() > PATIENCE / 3 {
                looked = Instant::now();
                let before = open.len();
                open.retain(|_, since| since.elapsed() < PATIENCE);
                for _ in open.len()..before {
                    tally.failed += 1;
                    if !over {
                        self.call(&mut open);
                    }
                }
            }
            let Ok(length) = self.socket.recv(&mut buffer) else { continue };
            let Some(answer) = std::str::from_utf8(&buffer[..length]).ok().and_then(Answer::read) else {
                // A request of theirs: none is due in calls this short.
                continue;
            };
            match (answer.status, answer.method == "BYE") {
                (..200, _) => {}
                (200, false) if open.contains_key(&answer.call) => {
                    self.send(&self.carrier.ack(answer.call, answer.to));
                    self.send(&self.carrier.bye(answer.call, answer.to));
                }
                // Repeated: its ACK was lost, or is on its way.
                (200, false) => self.send(&self.carrier.ack(answer.call, answer.to)),
                (status, _) => {
                    if open.remove(&answer.call).is_some() {
                        *if status == 200 { &mut tally.completed } else { &mut tally.failed } += 1;
                        if !over {
                            self.call(&mut open);
                        }
                    }
                }
            }
        }
        tally.took = start.elapsed();
        tally
    }

    fn call(&mut self, open: &mut std::collections::HashMap<u64, Instant>) {
        self.next += 1;
        open.insert(self.next, Instant::now());
        self.send(&self.carrier.invite(self.next));
    }

    fn send(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), self.carrier.line).expect("loopback takes datagrams");
    }
}
