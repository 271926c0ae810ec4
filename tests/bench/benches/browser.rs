//! What browsers cost: a packet that is relayed to and from one, beside one between two plain legs; and a handshake.
//!
//! One process: the data plane's threads have the first core, and whoever plays callers and browsers the last; processor
//! time is that of the data plane's threads. Packets are G.711 on both sides, a browser's are SRTP (AEAD_AES_128_GCM).
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "figures are for people; a failure ends them")]

#[path = "../../../crates/media/tests/support/browser.rs"]
#[allow(dead_code, unreachable_pub, reason = "its tests have a gateway of their own")]
mod support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use havre_bench::{Section, pin};
use havre_media::sdp::{BrowserFar, Direction, EventFormat, Fingerprint, Negotiated, OpusParameters, Setup};
use havre_media::{Codec, Command, Face, IceLocal, rtp};
use havre_model::LegId;
use havre_node::clock::Clock;
use havre_node::media::{MediaConfig, MediaThreads, ShardEvent};
use nix::unistd::{Pid, gettid};
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::crypto_provider::default_provider;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use sha2::{Digest, Sha256};
use support::{Browser, NOMINATES, pair};
use tokio::sync::mpsc::{self, Receiver};

const IP: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 44, 0, 2));
const SHARED_PORT: u16 = 61_000;
const KEYS: EventFormat = EventFormat { payload_type: 101, clock_rate: 8_000 };
const CALLS: usize = 100;
const ROUNDS: usize = 5;
const WINDOW: Duration = Duration::from_secs(2);
const FRAME: Duration = Duration::from_millis(20);
/// Handshakes at once, and how often as many.
const AT_ONCE: usize = 40;
const BATCHES: usize = 10;
const PATIENCE: Duration = Duration::from_secs(20);

fn main() {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    nix::sys::prctl::set_timerslack(1_000).unwrap();
    let mut section = Section::new(
        "Browsers",
        "`cargo bench -p havre-bench --bench browser`: 100 calls between a plain leg and a browser's, beside 100 between two \
         plain ones, PCMU, 50 packets/s and direction, medians of 5 rounds in turns; then 400 handshakes, 40 at once. \
         Data plane on one core, its peers on the other.",
    );
    // After the section has counted the cores: a pinned thread sees one.
    pin(gettid(), cores - 1);
    packets(&mut section);
    handshakes(&mut section);
    section.write(Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()).unwrap();
}

fn packets(section: &mut Section) {
    let mut figures = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        figures[0].push(relayed(Face::Plain));
        figures[1].push(relayed(Face::Browser));
    }
    let [plain, browser] = figures.map(median);
    section.table(&["relayed packet of 100 calls", "µs", "ratio"]);
    section.row(&["between two plain legs".to_owned(), format!("{plain:.2}"), "1.00".to_owned()]);
    let ratio = format!("{:.2} (target: ≤ 2.5)", browser / plain);
    section.row(&["between a plain leg and a browser".to_owned(), format!("{browser:.2}"), ratio]);
}

/// Microseconds of the data plane per packet that came out of calls whose second legs have this face.
fn relayed(face: Face) -> f64 {
    let mut plane = Plane::start();
    let callers = socket();
    let mut calls: Vec<Call> =
        (0..CALLS).map(|number| Call::start(&mut plane, number, face, &callers)).collect();
    run(&mut calls, &callers, Duration::from_millis(400));
    let before = plane.cpu();
    let (sent, received) = run(&mut calls, &callers, WINDOW);
    let used = (plane.cpu() - before).as_secs_f64();
    assert!(received * 100 > sent * 98, "{received} packets of {sent} were relayed");
    used * 1e6 / received as f64
}

/// Both ends of a call.
struct Call {
    /// Where the caller's packets go, and how many went.
    caller_to: SocketAddr,
    sequence: u16,
    /// The advocate's own socket and, if it is a browser, what protects its packets.
    advocate: UdpSocket,
    browser: Option<Browser>,
}

impl Call {
    fn start(plane: &mut Plane, number: usize, face: Face, callers: &UdpSocket) -> Self {
        let (caller, second) = (LegId(2 * number as u64 + 1), LegId(2 * number as u64 + 2));
        let (port, _) = plane.open(caller, Face::Plain);
        plane.configure(caller, callers.local_addr().unwrap(), None);
        let advocate = socket();
        let (theirs, ice) = plane.open(second, face);
        advocate.connect((IP, theirs)).unwrap();
        let browser = ice.map(|ice| {
            let mut browser = Browser::new(number as u8);
            plane.configure(second, advocate.local_addr().unwrap(), Some(&browser));
            find(&advocate, &browser.check(&ice, &NOMINATES));
            plane.command(Command::Secure { leg: second, keys: Box::new(pair(number as u8)) });
            browser
        });
        if browser.is_none() {
            plane.configure(second, advocate.local_addr().unwrap(), None);
        }
        plane.command(Command::Bridge { a: caller, b: second });
        Self { caller_to: SocketAddr::new(IP, port), sequence: 0, advocate, browser }
    }

    /// 20 ms of each side.
    fn speak(&mut self, callers: &UdpSocket) {
        self.sequence = self.sequence.wrapping_add(1);
        let (sequence, ssrc) = (self.sequence, u32::from(self.caller_to.port()));
        let timestamp = u32::from(sequence) * 160;
        let payload = &[0xff; 160];
        let plain = rtp::Packet { marker: false, payload_type: 0, sequence, timestamp, ssrc, payload };
        let plain = [&plain.header()[..], payload].concat();
        callers.send_to(&plain, self.caller_to).unwrap();
        let audio = self.browser.as_mut().map_or(plain, |browser| browser.audio(0, payload));
        self.advocate.send(&audio).unwrap();
    }
}

/// Lets everybody speak for `time`; how many packets were sent, and heard.
fn run(calls: &mut [Call], callers: &UdpSocket, time: Duration) -> (u64, u64) {
    const TURNS: usize = 50;
    let (start, mut due, mut turn) = (Instant::now(), Instant::now(), 0);
    let (mut sent, mut heard) = (0, 0);
    let mut buffer = [0; 2_048];
    let mut drain = |socket: &UdpSocket| {
        while let Ok(length) = socket.recv(&mut buffer) {
            // Not reports, not answers of ICE.
            heard += u64::from(length >= 172 && buffer[1] & 0x7f == 0);
        }
    };
    while start.elapsed() < time {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        due = due.max(Instant::now().checked_sub(FRAME / TURNS as u32).unwrap_or(due)) + FRAME / TURNS as u32;
        for call in calls.iter_mut().skip(turn).step_by(TURNS) {
            call.speak(callers);
            sent += 2;
            drain(&call.advocate);
        }
        drain(callers);
        turn = (turn + 1) % TURNS;
    }
    thread::sleep(Duration::from_millis(5));
    calls.iter().for_each(|call| drain(&call.advocate));
    drain(callers);
    (sent, heard)
}

fn handshakes(section: &mut Section) {
    let (client, fingerprint) = client();
    let mut plane = Plane::start();
    let mut used = Duration::ZERO;
    for batch in 0..BATCHES {
        let mut peers = Vec::new();
        for number in 0..AT_ONCE {
            let leg = LegId((batch * AT_ONCE + number) as u64 + 1);
            let (port, ice) = plane.open(leg, Face::Browser);
            let mut browser = Browser::new(number as u8);
            browser.fingerprint = fingerprint;
            let socket = socket();
            socket.connect((IP, port)).unwrap();
            plane.configure(leg, socket.local_addr().unwrap(), Some(&browser));
            find(&socket, &browser.check(&ice.unwrap(), &NOMINATES));
            let peer = socket.peer_addr().unwrap();
            peers.push((socket, Endpoint::new(peer, Default::default(), None), leg));
        }
        let before = plane.cpu();
        for (socket, endpoint, _) in &mut peers {
            endpoint.connect(Instant::now(), socket.peer_addr().unwrap(), Arc::clone(&client), None).unwrap();
        }
        shake(&mut peers);
        used += plane.cpu() - before;
        for (_, _, leg) in peers {
            plane.command(Command::Close { leg });
        }
    }
    let count = BATCHES * AT_ONCE;
    let done = plane.media.counters()["dtls_done"];
    assert_eq!(done, count as u64, "every handshake has ended well");
    let rate = count as f64 / used.as_secs_f64();
    section.table(&["handshakes (DTLS 1.2, ECDHE with P-256 or X25519, certificates both ways)", "figure"]);
    section.row(&["processor time of one".to_owned(), format!("{:.2} ms", 1e3 / rate)]);
    section.row(&["per second and core".to_owned(), format!("{rate:.0} (target: ≥ 500)")]);
}

/// Moves datagrams until all are through.
fn shake(peers: &mut [(UdpSocket, Endpoint, LegId)]) {
    let start = Instant::now();
    let mut buffer = [0; 2_048];
    let mut complete = 0;
    while complete < peers.len() {
        assert!(start.elapsed() < PATIENCE, "{complete} handshakes of {} ended", peers.len());
        for (socket, endpoint, _) in peers.iter_mut() {
            let peer = socket.peer_addr().unwrap();
            while let Some(datagram) = endpoint.poll_transmit() {
                socket.send(&datagram.message).unwrap();
            }
            while let Ok(length) = socket.recv(&mut buffer) {
                // DTLS is 20 to 63 (RFC 7983); the rest is ICE's.
                if !(20..64).contains(&buffer[0]) {
                    continue;
                }
                let read = endpoint.read(Instant::now(), peer, None, BytesMut::from(&buffer[..length]));
                let ended = |event: &EndpointEvent| matches!(event, EndpointEvent::HandshakeComplete);
                complete += read.unwrap().iter().filter(|event| ended(event)).count();
            }
            let _ = endpoint.handle_timeout(peer, Instant::now());
        }
        thread::sleep(Duration::from_micros(100));
    }
}

/// A browser's side of a handshake, and the hash of its certificate.
fn client() -> (Arc<HandshakeConfig>, Fingerprint) {
    let provider = default_provider().unwrap();
    let certificate = Certificate::generate_self_signed(Vec::new(), provider.crypto()).unwrap();
    let fingerprint = Fingerprint(Sha256::digest(&certificate.certificate[0]).into());
    let config = ConfigBuilder::default()
        .with_crypto_provider(provider)
        .with_certificates(vec![certificate])
        .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm])
        .with_client_auth(ClientAuthType::RequireAnyClientCert)
        .with_insecure_skip_verify(true)
        .with_extended_master_secret(ExtendedMasterSecretType::Require)
        .with_server_name("bench.invalid".to_owned())
        .build(true, None);
    (Arc::new(config.unwrap()), fingerprint)
}

/// Asks until ICE has answered.
fn find(socket: &UdpSocket, check: &[u8]) {
    let start = Instant::now();
    let mut buffer = [0; 2_048];
    socket.send(check).unwrap();
    while socket.recv(&mut buffer).is_err() {
        assert!(start.elapsed() < PATIENCE, "no answer to a connectivity check");
        thread::sleep(Duration::from_micros(100));
    }
}

/// The data plane as the line starts it, with one shard.
struct Plane {
    media: MediaThreads,
    events: Receiver<ShardEvent>,
}

impl Plane {
    fn start() -> Self {
        let (sender, events) = mpsc::channel(65_536);
        let config = MediaConfig {
            listen: IP,
            ports: 20_000..=60_000,
            browser_ports: Some(SHARED_PORT..=SHARED_PORT),
            shards: 1,
            shard: havre_media::Config::default(),
        };
        let media = MediaThreads::start(config, Clock::new(), [7; 32], sender).unwrap();
        threads().iter().for_each(|thread| pin(*thread, 0));
        Self { media, events }
    }

    fn command(&self, command: Command) {
        self.media.command(0, command).unwrap();
    }

    fn open(&mut self, leg: LegId, face: Face) -> (u16, Option<IceLocal>) {
        self.command(Command::Open { leg, face });
        let start = Instant::now();
        loop {
            match self.events.try_recv() {
                Ok(ShardEvent::Opened { rtp, ice, .. }) => return (rtp, ice),
                Ok(ShardEvent::OpenFailed { leg }) => panic!("no ports for {leg:?}"),
                Ok(_) => {}
                Err(_) => {
                    assert!(start.elapsed() < PATIENCE, "no leg opened");
                    thread::sleep(Duration::from_micros(50));
                }
            }
        }
    }

    fn configure(&self, leg: LegId, remote: SocketAddr, browser: Option<&Browser>) {
        let browser = browser.map(|browser| {
            Box::new(BrowserFar {
                ufrag: browser.ice.ufrag.clone(),
                password: browser.ice.password.clone(),
                fingerprint: browser.fingerprint,
                setup: Setup::Active,
            })
        });
        let negotiated = Negotiated {
            remote_rtp: remote,
            remote_rtcp: remote,
            rtcp_mux: true,
            voip_metrics: false,
            direction: Direction::SendRecv,
            send: vec![(Codec::Pcmu, 0)],
            receive: vec![(0, Codec::Pcmu)],
            send_events: vec![KEYS],
            receive_events: vec![KEYS],
            opus: OpusParameters::default(),
            comfort_noise: false,
            srtp: None,
            browser,
            ptime: 20,
        };
        self.command(Command::Configure { leg, negotiated: Box::new(negotiated) });
    }

    /// Processor time of its threads.
    fn cpu(&self) -> Duration {
        let of = |thread: Pid| {
            let text =
                std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
        };
        Duration::from_nanos(threads().into_iter().map(of).sum())
    }
}

/// The data plane's threads.
fn threads() -> Vec<Pid> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let ours = |task: &std::fs::DirEntry| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.starts_with("media-"))
    };
    tasks
        .filter(ours)
        .map(|task| Pid::from_raw(task.file_name().to_string_lossy().parse().unwrap()))
        .collect()
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((IP, 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
