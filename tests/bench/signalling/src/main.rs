//! What a call costs in signalling: INVITE, 200, ACK, BYE, 200.
//!
//! First in memory and virtual time: the whole control plane with the shipped dialplan, without any socket; processor
//! time, allocations, and the heap of a call that nothing happens in. Then over UDP on loopback, one core answering and
//! one calling: the line's own control thread with its data plane (each call gets a pair of ports), and beside it, in
//! the same run, a bare user agent on `rsipstack`, which answers and does nothing else.
#![allow(clippy::print_stdout, reason = "figures are for people")]

mod havre;
mod heap;
mod line;
mod rsipstack;
mod udp;

use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use havre::Havre;
use havre_bench::{Answer, Carrier, Section};
use line::Line;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::{Pid, gettid};
use rsipstack::Peer;
use udp::{Calls, Tally};

const LINE: &str = "127.44.1.1:5060";
const CARRIER: &str = "127.44.1.2:5060";
/// Calls in memory, of which the first ones fill what is kept for 32 s.
const CALLS: u64 = 60_000;
const ROUNDS: usize = 5;
/// Calls that are up at once, when their memory is measured.
const IDLE: u64 = 2_000;
/// Ports rest before they serve again: of 20,000 pairs none may be used twice in a round.
const WINDOW: Duration = Duration::from_secs(2);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let wants = |what: &str| arguments.is_empty() || arguments.iter().any(|a| a == what);
    if arguments.iter().any(|argument| argument == "profile") {
        return profile();
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut section = Section::new(
        "Signalling",
        "`cargo run --release --manifest-path tests/bench/signalling/Cargo.toml --target-dir target`: INVITE, 200, ACK, BYE, 200, with SDP. In memory: the whole \
         control plane with the shipped dialplan, no sockets, 6,000 calls/s of virtual time. Over UDP: loopback, one core \
         answers, one calls, 30 calls open at once, and each that is refused as an overload replaced at once; rounds in turns, the median of each.",
    );
    if wants("memory") {
        in_memory(&mut section);
    }
    if wants("udp") {
        over_udp(&mut section, cores);
    }
    if arguments.is_empty() {
        section
            .write(Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).expect("three levels"))
            .expect("RESULTS.md");
    }
}

/// Runs some calls in memory and nothing else: for valgrind and perf, which are told nothing here.
fn profile() {
    let mut calls = InMemory::new();
    for _ in 0..3_000 {
        calls.whole_call();
    }
}

struct InMemory {
    line: Line,
    carrier: Carrier,
    next: u64,
}

impl InMemory {
    fn new() -> Self {
        let (line, at): (SocketAddr, SocketAddr) =
            (LINE.parse().expect("an address"), CARRIER.parse().expect("an address"));
        Self { line: Line::new(line, at), carrier: Carrier { at, line }, next: 0 }
    }

    /// Answered and acknowledged. Returns its number and its `To`.
    fn call(&mut self) -> (u64, String) {
        self.next += 1;
        let answer = self.line.receive(self.carrier.invite(self.next).as_bytes()).expect("an answer");
        let answer = Answer::read(std::str::from_utf8(&answer).expect("text")).expect("a response");
        assert_eq!((answer.status, answer.call), (200, self.next));
        let to = answer.to.to_owned();
        assert!(self.line.receive(self.carrier.ack(self.next, &to).as_bytes()).is_none());
        (self.next, to)
    }

    fn whole_call(&mut self) {
        self.line.pass();
        let (call, to) = self.call();
        let answer = self.line.receive(self.carrier.bye(call, &to).as_bytes()).expect("an answer");
        assert!(answer.starts_with(b"SIP/2.0 200"));
    }
}

fn in_memory(section: &mut Section) {
    let mut calls = InMemory::new();
    for _ in 0..CALLS {
        calls.whole_call();
    }
    let messages: Vec<f64> = (0..ROUNDS).map(|_| generating(CALLS / 10)).collect();
    let mut figures = Vec::new();
    let before = heap::allocations();
    for _ in 0..ROUNDS {
        let (start, wall) = (cpu(gettid()), Instant::now());
        for _ in 0..CALLS / 10 {
            calls.whole_call();
        }
        let (took, wall) = (cpu(gettid()) - start, wall.elapsed());
        figures.push(took.as_secs_f64() * 1e6 / (CALLS / 10) as f64);
        println!(
            "{:.1} µs per call ({:.2} s of {:.2} s)",
            figures[figures.len() - 1],
            took.as_secs_f64(),
            wall.as_secs_f64()
        );
    }
    let allocations = (heap::allocations() - before) / (ROUNDS as u64 * CALLS / 10);
    assert_eq!(calls.line.calls(), 0);
    let micros = median(figures.iter().copied()) - median(messages.iter().copied());
    section.table(&["control plane in memory", "figure"]);
    section.row(&["processor time per call", &format!("{micros:.1} µs")]);
    section.row(&["calls/s on one core", &format!("{:.0} (target: ≥ 6,000)", 1e6 / micros)]);
    section.row(&["allocations per call, those of the caller's messages included", &allocations.to_string()]);
    section.row(&[
        "heap of an idle call in the greeting",
        &format!("{:.1} KiB (target: ≤ 12)", idle(Duration::ZERO)),
    ]);
    section.row(&["… that has waited for a minute", &format!("{:.1} KiB", idle(Duration::from_secs(60)))]);
}

/// Microseconds that the messages of a call take to write and to read, which is not the line's work.
fn generating(calls: u64) -> f64 {
    let carrier =
        Carrier { at: CARRIER.parse().expect("an address"), line: LINE.parse().expect("an address") };
    let start = cpu(gettid());
    let mut length = 0;
    for call in 0..calls {
        let invite = carrier.invite(call);
        let to = "<sip:+18335550100@127.44.1.1:5060>;tag=0123456789abcdef";
        length += invite.len() + carrier.ack(call, to).len() + carrier.bye(call, to).len();
    }
    assert!(length > 0);
    (cpu(gettid()) - start).as_secs_f64() * 1e6 / calls as f64
}

/// KiB of the heap that a call takes after `wait`, once its transactions are over.
fn idle(wait: Duration) -> f64 {
    let mut calls = InMemory::new();
    // Tables have their places.
    for _ in 0..IDLE {
        calls.whole_call();
    }
    calls.line.advance(Duration::from_secs(60));
    let before = heap::live();
    for _ in 0..IDLE {
        calls.call();
    }
    if !wait.is_zero() {
        calls.line.advance(wait);
    }
    assert_eq!(calls.line.calls() as u64, IDLE);
    (heap::live() - before) as f64 / IDLE as f64 / 1_024.0
}

fn over_udp(section: &mut Section, cores: usize) {
    pin(gettid(), 0);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let havre = Havre::start("127.44.1.1:0".parse().expect("an address"));
        ours.push(measure(havre.at, &["control", "media-0"], cores - 1));
        drop(havre);
        let peer = Peer::start("127.44.1.1:0".parse().expect("an address"));
        theirs.push(measure(peer.at, &["rsipstack"], cores - 1));
        drop(peer);
        println!("round {}: {:?} {:?}", round + 1, ours[round], theirs[round]);
    }
    section.table(&[
        "over UDP",
        "processor time per call",
        "calls/s as measured",
        "… of a whole core",
        "failed",
    ]);
    let base = median(theirs.iter().map(|m| m.micros));
    for (name, figures) in
        [("**Havre: control thread and data plane**", &ours), ("`rsipstack` 0.7, bare user agent", &theirs)]
    {
        let micros = median(figures.iter().map(|m| m.micros));
        let rate = median(figures.iter().map(|m| m.per_second));
        let failed: u64 = figures.iter().map(|m| m.failed).sum();
        section.row(&[
            name.to_owned(),
            format!("{micros:.0} µs ({:.2})", micros / base),
            format!("{rate:.0}"),
            format!("{:.0}", 1e6 / micros),
            failed.to_string(),
        ]);
    }
    let control = median(ours.iter().map(|m| m.first));
    section.say(&format!("Of ours the control thread has {control:.0} µs; the rest is the data plane's, which opens and closes the ports."));
}

#[derive(Debug)]
struct Measured {
    /// Processor time per call, of all threads and of the first.
    micros: f64,
    first: f64,
    per_second: f64,
    failed: u64,
}

/// Calls whoever is at `at`; `threads` are those who answer.
fn measure(at: SocketAddr, threads: &[&str], core: usize) -> Measured {
    let threads: Vec<Pid> = threads.iter().map(|name| thread_named(name)).collect();
    let caller = thread::spawn(move || {
        pin(gettid(), core);
        let mut calls = Calls::to(at);
        calls.run(Duration::from_millis(500));
        let before: Vec<Duration> = threads.iter().map(|thread| cpu(*thread)).collect();
        let tally = calls.run(WINDOW);
        let used: Vec<Duration> =
            threads.iter().zip(before).map(|(thread, before)| cpu(*thread).saturating_sub(before)).collect();
        (tally, used)
    });
    let (Tally { completed, failed, took }, used) = caller.join().expect("the caller");
    let per_call = |time: Duration| time.as_secs_f64() * 1e6 / completed.max(1) as f64;
    Measured {
        micros: per_call(used.iter().sum()),
        first: per_call(used[0]),
        per_second: completed as f64 / took.as_secs_f64(),
        failed,
    }
}

/// Keeps a thread on one core.
fn pin(thread: Pid, core: usize) {
    let mut set = CpuSet::new();
    set.set(core).expect("a core that exists");
    sched_setaffinity(thread, &set).expect("a thread may be pinned");
}

/// The thread of this process that has a name.
fn thread_named(name: &str) -> Pid {
    let tasks = std::fs::read_dir("/proc/self/task").expect("/proc").flatten();
    let named = |task: &std::fs::DirEntry| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name)
    };
    let task = tasks.filter(named).last().expect("a thread of that name");
    Pid::from_raw(task.file_name().to_string_lossy().parse().expect("a thread's number"))
}

/// Processor time of a thread.
fn cpu(thread: Pid) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
