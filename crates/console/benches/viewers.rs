//! What fifty people who look at the wallboard cost the server: processor time of its one thread, while the line is at its
//! fullest (500 advocates, 200 callers in line), beside the target of 1 % of a core. Under two kinds of traffic:
//!
//! - **a full day**: what 500 advocates do who are all at work. A talk and its wrap-up take a quarter of an hour, so that in
//!   every 1.8 s one call is offered and answered and another ends: some 4 rows a second, each at a moment of its own. Four
//!   times as much, for the busiest hour.
//! - **a storm**: 200 rows a second, as often as a line publishes (every 75 ms), without a pause. Every advocate's state and
//!   every caller's changes within 5 s.
//!
//! Viewers are elsewhere: one thread empties their sockets every few milliseconds, as a network card would. A thread for each,
//! asleep in `read`, would charge the server with waking it (half of what a write costs), which no viewer over a network does.

// A bench owns the clock, talks to its terminal, and may panic as a test may.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use common::{NOW, Server, TOKEN};
use havre_bench::Section;
use havre_console::Tls;
use havre_model::{
    AgentId, AgentProfile, AgentState, CallId, Language, OfferId, OfferKind, Risk, Role, Spoken, What, WrapUp,
};
use rustix::time::{ClockId, clock_gettime};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};

const VIEWERS: u64 = 50;
const AGENTS: u64 = 500;
const CALLS: u64 = 200;
const SECONDS: u64 = 10;
/// Of a core.
const MOST: f64 = 0.01;
/// How often viewers' sockets are emptied.
const READ_EVERY: Duration = Duration::from_millis(5);

/// So many advocates change at each moment, each with a caller, and so many moments are in a second.
struct Traffic {
    name: &'static str,
    at_once: u64,
    each_second: u64,
}

const TRAFFIC: [Traffic; 2] = [
    Traffic { name: "a full day's", at_once: 1, each_second: 8 },
    Traffic { name: "a storm's", at_once: 8, each_second: 13 },
];

fn main() {
    let mut results = Section::new(
        "Wallboard",
        &format!(
            "`cargo bench -p havre-console --bench viewers`: what {VIEWERS} wallboards of {AGENTS} advocates and {CALLS} waiting \
             callers cost the console's thread on loopback, over HTTPS as in production and over plain HTTP; one thread empties all their \
             sockets (a write wakes nobody, as over a network). A full day's traffic is four times what {AGENTS} advocates at work bring about; \
             a storm changes every row within 5 s. How soon news are on the screen: `npm run measure` in crates/console/web."
        ),
    );
    results.table(&[
        "traffic",
        "of a core",
        "writes/s to each",
        "bytes of each",
        "a bare thread that only writes them",
    ]);
    let held = [true, false].map(|secure| measure(secure, &mut results));
    println!("{} the target of {} %", if held == [true; 2] { "within" } else { "above" }, MOST * 100.0);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    results.write(root).expect("tests/bench/RESULTS.md");
}

/// A row for each traffic; whether all are within the target.
fn measure(secure: bool, results: &mut Section) -> bool {
    let (started, starts) = mpsc::channel();
    let (asked, asks) = mpsc::channel::<mpsc::Sender<Duration>>();
    let (ended, mut ends) = tokio::sync::oneshot::channel::<()>();
    let (tls, trusting) = identity();
    let server = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = if secure { Server::start_secure(tls).await } else { Server::start().await };
            started.send((server.address, Arc::clone(&server.line))).unwrap();
            // Its own clock tells what this thread has worked.
            while ends.try_recv().is_err() {
                if let Ok(answer) = asks.try_recv() {
                    answer.send(worked_here()).unwrap();
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    });
    let (address, line) = starts.recv().unwrap();
    let worked = || {
        let (answer, answered) = mpsc::channel();
        asked.send(answer).unwrap();
        answered.recv().unwrap()
    };
    let agent = |n: u64| -> AgentId { format!("advocate-{n:03}").parse().unwrap() };
    let profiles: Vec<_> = (0..AGENTS)
        .map(|n| AgentProfile {
            id: agent(n),
            languages: [Spoken::En, Spoken::Fr].into_iter().collect(),
            ui_language: Spoken::En,
            roles: [Role::Advocate].into_iter().collect(),
            wrap_up: WrapUp::Manual,
            ready_on_register: true,
        })
        .collect();
    line.tell(|board| board.on_agents(&profiles, NOW));
    for call in 0..CALLS {
        line.arrive_and_join(1, call, Language::ALL[(call % 4) as usize], Risk::Standard);
    }
    let trusting = secure.then_some(trusting);
    let viewers = (0..VIEWERS).map(|_| viewer(address, trusting.clone())).collect();
    let (bytes, reads) = look_on(viewers);
    // Everybody has the whole, some 200 kB, before it counts.
    while bytes.load(Ordering::Relaxed) < VIEWERS * 100_000 {
        thread::sleep(Duration::from_millis(20));
    }
    thread::sleep(Duration::from_millis(500));
    let target = MOST * 100.0;
    let (mut turn, mut held) = (0, true);
    for Traffic { name, at_once, each_second } in TRAFFIC {
        let (before, sent, began) = (worked(), bytes.load(Ordering::Relaxed), Instant::now());
        let written = reads.load(Ordering::Relaxed);
        for moment in 0..each_second * SECONDS {
            line.tell(|board| {
                for _ in 0..at_once {
                    changes(board, turn, &agent(turn % AGENTS));
                    turn += 1;
                }
            });
            let next = Duration::from_secs(1) * u32::try_from(moment + 1).unwrap()
                / u32::try_from(each_second).unwrap();
            thread::sleep(next.saturating_sub(began.elapsed()));
        }
        let share = (worked() - before).as_secs_f64() / began.elapsed().as_secs_f64();
        let (sent, written) = (bytes.load(Ordering::Relaxed) - sent, reads.load(Ordering::Relaxed) - written);
        let (writes, length) = (written / VIEWERS / SECONDS, sent / written);
        let over = if secure { "HTTPS" } else { "plain HTTP" };
        results.row(&[
            format!("{over}, {name}: {} rows a second at {each_second} moments", 2 * at_once * each_second),
            format!("{:.2} % (target: ≤ {target} %)", share * 100.0),
            writes.to_string(),
            length.to_string(),
            format!("{:.2} %", bare(writes, length) * 100.0),
        ]);
        held &= share <= MOST;
    }
    ended.send(()).unwrap();
    server.join().unwrap();
    held
}

/// A certificate for the server, and whom browsers have to trust for it.
fn identity() -> (Tls, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = vec![made.cert.der().clone()];
    let key = made.signing_key.serialize_der().try_into().unwrap();
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let server = server.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let server = Arc::new(server.with_single_cert(chain.clone(), key).unwrap());
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(chain);
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();
    (Arc::new(move || Some(Arc::clone(&server))), Arc::new(client))
}

/// Somebody opens the wallboard. What comes over TLS is not read by anybody: it is their own time that it would take.
fn viewer(address: SocketAddr, trusting: Option<Arc<ClientConfig>>) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "GET /api/v1/board/events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    );
    match trusting {
        None => stream.write_all(request.as_bytes()).unwrap(),
        Some(trusting) => {
            let name = ServerName::try_from(address.ip().to_string()).unwrap();
            let mut client = ClientConnection::new(trusting, name).unwrap();
            rustls::Stream::new(&mut client, &mut stream).write_all(request.as_bytes()).unwrap();
        }
    }
    stream
}

/// A caller and an advocate are brought together: two rows are others.
fn changes(board: &mut havre_console::Board, turn: u64, agent: &AgentId) {
    let (call, offer) = (CallId(turn % CALLS), OfferId(turn));
    board.on_agent(agent, AgentState::Ready { since: NOW.unix }, NOW);
    let what = What::Offered { offer, agent: agent.clone(), kind: OfferKind::Single };
    board.on_call(&havre_model::CallEvent { call, at: NOW.unix, what });
    let until = NOW.mono + Duration::from_secs(12);
    board.on_agent(agent, AgentState::Offered { offer, call, until }, NOW);
}

/// What this thread has worked since it began.
fn worked_here() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = Duration::from_secs(u64::try_from(now.tv_sec).unwrap());
    seconds + Duration::from_nanos(u64::try_from(now.tv_nsec).unwrap())
}

/// Empties them all until the end; counts bytes, and the times that there were any.
fn look_on(mut viewers: Vec<TcpStream>) -> (Arc<AtomicU64>, Arc<AtomicU64>) {
    let (bytes, reads) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let counts = (Arc::clone(&bytes), Arc::clone(&reads));
    viewers.iter().for_each(|viewer| viewer.set_nonblocking(true).unwrap());
    thread::spawn(move || {
        let mut buffer = vec![0; 256 * 1024];
        while !viewers.is_empty() {
            viewers.retain_mut(|viewer| {
                let mut any = false;
                loop {
                    match viewer.read(&mut buffer) {
                        Ok(0) => return false,
                        Ok(count) => {
                            bytes.fetch_add(count as u64, Ordering::Relaxed);
                            any = true;
                        }
                        Err(_) => break,
                    }
                }
                reads.fetch_add(u64::from(any), Ordering::Relaxed);
                true
            });
            thread::sleep(READ_EVERY);
        }
    });
    counts
}

/// The share of a core that the kernel takes for it: so many times a second, so many bytes to each.
fn bare(writes: u64, length: u64) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (viewers, mut ours): (Vec<_>, Vec<_>) = (0..VIEWERS)
        .map(|_| {
            let viewer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (viewer, listener.accept().unwrap().0)
        })
        .unzip();
    look_on(viewers);
    let frame = vec![b'x'; usize::try_from(length).unwrap()];
    let pause = Duration::from_secs(1) / u32::try_from(writes.max(1)).unwrap();
    let (before, began) = (worked_here(), Instant::now());
    for _ in 0..writes * SECONDS {
        ours.iter_mut().for_each(|viewer| viewer.write_all(&frame).unwrap());
        thread::sleep(pause);
    }
    (worked_here() - before).as_secs_f64() / began.elapsed().as_secs_f64()
}
