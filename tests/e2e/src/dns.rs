//! A DNS server of a test: it knows what it is told, and can fall silent.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use crate::Host;

const A: u16 = 1;
const SRV: u16 = 33;
const NAPTR: u16 = 35;
/// Where it listens, on its host.
const PORT: u16 = 53;

/// One record: of which name, of which type, and its data on the wire.
type Row = (&'static str, u16, Vec<u8>);

/// What is known.
pub struct Zone<'a> {
    /// For so many seconds each; the line keeps everything for five at least.
    pub ttl: u32,
    /// Order, service, the name to ask for SRV.
    pub naptr: &'a [(&'static str, u16, &'static str, &'static str)],
    /// Priority, port, target.
    pub srv: &'a [(&'static str, u16, u16, &'static str)],
    /// IPv4 addresses.
    pub addresses: &'a [(&'static str, Ipv4Addr)],
}

/// A DNS server that runs as long as the test.
pub struct Dns {
    host: Host,
    silent: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<Instant>>>,
    zone: Arc<Mutex<Vec<Row>>>,
}

impl Dns {
    /// One that knows SRV records and addresses.
    ///
    /// # Panics
    /// Its port is taken.
    #[must_use]
    pub fn start(
        srv: &[(&'static str, u16, u16, &'static str)],
        addresses: &[(&'static str, Ipv4Addr)],
    ) -> Self {
        Self::start_zone(&Zone { ttl: 1, naptr: &[], srv, addresses })
    }

    /// One that knows this.
    ///
    /// # Panics
    /// Its port is taken.
    #[must_use]
    pub fn start_zone(zone: &Zone<'_>) -> Self {
        let Zone { ttl, naptr, srv, addresses } = zone;
        let host = Host::claim();
        let socket = UdpSocket::bind(host.at(PORT)).expect("a host of one's own has a free port 53");
        let (silent, asked) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Vec<Instant>>>::default());
        let mut zone: Vec<Row> = Vec::new();
        for (name, order, service, replacement) in *naptr {
            // Preference, flags, service, no expression.
            let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
            let numbers = [*order, 50].map(u16::to_be_bytes).concat();
            let data = [numbers, text("s"), text(service), text(""), wire_name(replacement)].concat();
            zone.push((name, NAPTR, data));
        }
        for (name, priority, port, target) in *srv {
            let numbers = [*priority, 0, *port].map(u16::to_be_bytes).concat();
            zone.push((name, SRV, [numbers, wire_name(target)].concat()));
        }
        zone.extend(addresses.iter().map(|(name, ip)| (*name, A, ip.octets().to_vec())));
        let (ttl, zone) = (*ttl, Arc::new(Mutex::new(zone)));
        let (quiet, times, known) = (Arc::clone(&silent), Arc::clone(&asked), Arc::clone(&zone));
        // Ends with the test's process.
        thread::spawn(move || {
            let mut buffer = [0; 1232];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                times.lock().expect("tests do not panic with it held").push(Instant::now());
                if !quiet.load(Ordering::Relaxed) {
                    let zone = known.lock().expect("tests do not panic with it held");
                    let _ = socket.send_to(&answer(&buffer[..length], &zone, ttl), from);
                }
            }
        });
        Self { host, silent, asked, zone }
    }

    /// Its address, as a configuration names it.
    #[must_use]
    pub fn address(&self) -> String {
        self.host.at(PORT).to_string()
    }

    /// It answers no more.
    pub fn falls_silent(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }

    /// A host has another address from now on.
    ///
    /// # Panics
    /// Its thread did.
    pub fn moves(&self, host: &'static str, to: Ipv4Addr) {
        let mut zone = self.zone.lock().expect("the thread does not panic");
        zone.retain(|(name, kind, _)| (*name, *kind) != (host, A));
        zone.push((host, A, to.octets().to_vec()));
    }

    /// How often it was asked.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.asked_at().len()
    }

    /// When it was asked.
    ///
    /// # Panics
    /// Its thread did.
    #[must_use]
    pub fn asked_at(&self) -> Vec<Instant> {
        self.asked.lock().expect("the thread does not panic").clone()
    }
}

fn wire_name(name: &str) -> Vec<u8> {
    let labels = name.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
    labels.chain([0]).collect()
}

/// The question given back, and every record of its name and type.
fn answer(query: &[u8], zone: &[Row], ttl: u32) -> Vec<u8> {
    let end = 12 + query[12..].iter().position(|byte| *byte == 0).unwrap_or(0) + 5;
    let (name, kind) = (&query[12..end - 4], u16::from_be_bytes([query[end - 4], query[end - 3]]));
    let found: Vec<_> = zone.iter().filter(|(of, is, _)| wire_name(of) == name && *is == kind).collect();
    let mut out =
        [&query[..2], &[0x81, 0x80, 0, 1, 0, found.len() as u8, 0, 0, 0, 0], &query[12..end]].concat();
    for (_, kind, data) in found {
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1]);
        out.extend(ttl.to_be_bytes());
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
    }
    out
}
