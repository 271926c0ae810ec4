//! What fifty people who look at the wallboard cost the server: processor time of its one thread, while the line is at its
//! fullest (500 advocates, 200 callers in line) and changes ten times a second, twenty rows at a time; beside the target of
//! 1 % of a core.

// A bench owns the clock, talks to its terminal, and may panic as a test may.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use common::{NOW, Server, TOKEN};
use havre_model::{
    AgentId, AgentProfile, AgentState, CallId, Language, OfferId, OfferKind, Risk, Role, Spoken, What, WrapUp,
};
use rustix::time::{ClockId, clock_gettime};

const VIEWERS: u64 = 50;
const AGENTS: u64 = 500;
const CALLS: u64 = 200;
const SECONDS: u64 = 10;
/// Of a core.
const MOST: f64 = 0.01;

fn main() {
    let (started, starts) = mpsc::channel();
    let (asked, asks) = mpsc::channel::<mpsc::Sender<Duration>>();
    let (ended, mut ends) = tokio::sync::oneshot::channel::<()>();
    let server = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::start().await;
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
    let bytes = Arc::new(AtomicU64::new(0));
    for _ in 0..VIEWERS {
        let bytes = Arc::clone(&bytes);
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "GET /api/v1/board/events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        )
        .unwrap();
        thread::spawn(move || look_on(stream, &bytes));
    }
    // Everybody has the whole, some 200 kB, before it counts.
    while bytes.load(Ordering::Relaxed) < VIEWERS * 100_000 {
        thread::sleep(Duration::from_millis(20));
    }
    thread::sleep(Duration::from_millis(500));
    let (before, sent, began) = (worked(), bytes.load(Ordering::Relaxed), Instant::now());
    for turn in 0..SECONDS * 10 {
        line.tell(|board| {
            for n in 0..10 {
                let (agent, call) = (agent((turn * 10 + n) % AGENTS), CallId((turn * 10 + n) % CALLS));
                board.on_agent(&agent, AgentState::Ready { since: NOW.unix }, NOW);
                let offer = OfferId(turn * 10 + n);
                let what = What::Offered { offer, agent: agent.clone(), kind: OfferKind::Single };
                board.on_call(&havre_model::CallEvent { call, at: NOW.unix, what });
                let until = NOW.mono + Duration::from_secs(12);
                board.on_agent(&agent, AgentState::Offered { offer, call, until }, NOW);
            }
        });
        thread::sleep(Duration::from_millis(100));
    }
    let share = (worked() - before).as_secs_f64() / began.elapsed().as_secs_f64();
    let sent = bytes.load(Ordering::Relaxed) - sent;
    println!(
        "{VIEWERS} wallboards, {AGENTS} advocates, {CALLS} callers, 10 changes of 20 rows a second: {:.2} % of a core, \
         {} kB/s to each",
        share * 100.0,
        sent / VIEWERS / SECONDS / 1000
    );
    ended.send(()).unwrap();
    server.join().unwrap();
    println!(
        "a bare thread that only writes as much to as many: {:.2} % of a core",
        bare(sent / VIEWERS / SECONDS / 10) * 100.0
    );
    let target = MOST * 100.0;
    println!(
        "{}",
        if share <= MOST {
            format!("within the target of {target} %")
        } else {
            format!("above the target of {target} %")
        }
    );
}

/// What this thread has worked since it began.
fn worked_here() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = Duration::from_secs(u64::try_from(now.tv_sec).unwrap());
    seconds + Duration::from_nanos(u64::try_from(now.tv_nsec).unwrap())
}

/// Reads until the end, and counts.
fn look_on(mut stream: TcpStream, bytes: &AtomicU64) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count) = stream.read(&mut buffer) {
        if count == 0 {
            break;
        }
        bytes.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// The share of a core that the kernel takes for it: ten times a second, this many bytes to each.
fn bare(length: u64) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let bytes = Arc::new(AtomicU64::new(0));
    let mut viewers: Vec<TcpStream> = (0..VIEWERS)
        .map(|_| {
            let viewer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let bytes = Arc::clone(&bytes);
            thread::spawn(move || look_on(viewer, &bytes));
            listener.accept().unwrap().0
        })
        .collect();
    let frame = vec![b'x'; usize::try_from(length).unwrap()];
    let (before, began) = (worked_here(), Instant::now());
    for _ in 0..SECONDS * 10 {
        viewers.iter_mut().for_each(|viewer| viewer.write_all(&frame).unwrap());
        thread::sleep(Duration::from_millis(100));
    }
    (worked_here() - before).as_secs_f64() / began.elapsed().as_secs_f64()
}
