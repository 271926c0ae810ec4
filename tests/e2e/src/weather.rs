//! Bad weather on the way: a relay between a phone's media port and the line that loses, delays, disorders and doubles
//! packets, decided by a seed.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What the network does to each packet, either way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// So many in a hundred are lost.
    pub loss: u64,
    /// Each is delayed by up to this, all delays alike likely: above 20 ms they overtake each other.
    pub jitter: Duration,
    /// So many in a hundred come twice.
    pub doubles: u64,
    /// Decides which.
    pub seed: u64,
}

/// What became of the packets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Carried {
    /// Sent on, doubles included.
    pub packets: u64,
    /// Lost.
    pub lost: u64,
    /// Sent on before one that came earlier.
    pub overtook: u64,
}

/// A relay.
pub struct Relay {
    port: u16,
    shared: Arc<Mutex<Shared>>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: bool,
    /// The line's address, once it has sent something.
    line: Option<SocketAddr>,
    carried: Carried,
}

impl Relay {
    /// Opens a port on `ip` that stands for the media port `phone` there: it is what the phone's SDP names.
    #[must_use]
    pub fn open(ip: Ipv4Addr, phone: u16, weather: Weather) -> Self {
        let outer = UdpSocket::bind((ip, 0)).expect("a UDP port");
        let inner = UdpSocket::bind((ip, 0)).expect("a UDP port");
        let port = outer.local_addr().expect("a bound socket has an address").port();
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let phone = SocketAddr::from((ip, phone));
        let twin = |socket: &UdpSocket| socket.try_clone().expect("a socket can be cloned");
        let ways = [
            Way { from: twin(&outer), to: twin(&inner), phone: Some(phone), weather, shared: shared.clone() },
            Way { from: inner, to: outer, phone: None, weather, shared: shared.clone() },
        ];
        let threads = ways.into_iter().map(|way| thread::spawn(move || way.run())).collect();
        Self { port, shared, threads }
    }

    /// The port, for the SDP.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What became of the packets so far, both ways together.
    #[must_use]
    pub fn carried(&self) -> Carried {
        lock(&self.shared).carried
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Ok(mut shared) = self.shared.lock() {
            shared.stop = true;
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// One way: to the phone, or to the line.
struct Way {
    from: UdpSocket,
    to: UdpSocket,
    /// Where to send; `None`: to the line.
    phone: Option<SocketAddr>,
    weather: Weather,
    shared: Arc<Mutex<Shared>>,
}

impl Way {
    fn run(self) {
        /// Longest wait, so that the end of the test is noticed.
        const PATIENCE: Duration = Duration::from_millis(50);
        let mut random = self.weather.seed << 1 | u64::from(self.phone.is_some());
        let mut random = |most: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % most
        };
        let mut flying: BTreeMap<(Instant, u64), Vec<u8>> = BTreeMap::new();
        let (mut came, mut newest) = (0, 0);
        let mut buffer = [0; 2_048];
        while !lock(&self.shared).stop {
            while let Some(entry) = flying.first_entry().filter(|entry| entry.key().0 <= Instant::now()) {
                let ((_, number), packet) = entry.remove_entry();
                self.deliver(&packet, number < newest);
                newest = newest.max(number);
            }
            let next =
                flying.keys().next().map_or(PATIENCE, |(at, _)| at.saturating_duration_since(Instant::now()));
            self.from
                .set_read_timeout(Some(next.clamp(Duration::from_micros(100), PATIENCE)))
                .expect("above zero");
            let Ok((length, source)) = self.from.recv_from(&mut buffer) else { continue };
            if self.phone.is_some() {
                lock(&self.shared).line = Some(source);
            }
            if random(100) < self.weather.loss {
                lock(&self.shared).carried.lost += 1;
                continue;
            }
            for _ in 0..1 + u64::from(random(100) < self.weather.doubles) {
                came += 1;
                let delay = Duration::from_micros(random(self.weather.jitter.as_micros() as u64 + 1));
                flying.insert((Instant::now() + delay, came), buffer[..length].to_vec());
            }
        }
    }

    fn deliver(&self, packet: &[u8], overtaken: bool) {
        let line = {
            let mut shared = lock(&self.shared);
            shared.carried.packets += 1;
            shared.carried.overtook += u64::from(overtaken);
            shared.line
        };
        if let Some(to) = self.phone.or(line) {
            // A refused port is what some tests make happen.
            let _ = self.to.send_to(packet, to);
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().expect("a relay does not panic with it held")
}
