//! What a relayed packet costs: ways to ask the kernel beside each other, then Havre's data plane beside the best of
//! them, then more and more calls until a core is full.
//!
//! One process: a relay is a thread on the first core, the generator a thread on the last, and processor time is that
//! of the relay's thread (`/proc/self/task/*/schedstat`), or of all threads of rtpengine, a process of its own. Every relay has the same number of sockets on loopback and
//! the same packets at the same times, so ratios hold; absolute figures are this machine's. Sends are never grouped by
//! GSO: it splits one buffer for one destination, and a relay's next packet goes to somebody else.
#![allow(clippy::print_stdout, reason = "figures are for people")]

mod engine;
mod peer;
mod uring;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::thread;
use std::time::Duration;

use engine::Engine;
use havre_bench::relay::{Bare, Load, Relay, Tally, bare};
use havre_bench::{Section, cpu, cpu_of_process, pin};
use nix::unistd::{Pid, gettid};
use peer::Rtpengine;

const IP: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 44, 0, 1));
/// Calls in the comparison.
const CALLS: usize = 100;
const ROUNDS: usize = 5;
/// Until ours has settled: after half a second each leg opens a socket that is connected to its phone.
const WARM_UP: Duration = Duration::from_millis(900);
const WINDOW: Duration = Duration::from_secs(2);
const STEPS: [usize; 14] =
    [25, 100, 200, 400, 600, 800, 1_000, 1_200, 1_400, 1_600, 1_800, 2_000, 2_200, 2_400];
/// A core is full at this share.
const FULL: f64 = 0.8;

const CANDIDATES: [(&str, Relay); 4] = [
    ("epoll, level-triggered; recvfrom, sendto", bare::level_triggered),
    ("epoll, edge-triggered; recvfrom until empty, sendto", bare::edge_triggered),
    ("epoll, edge-triggered; recvmmsg, sendmmsg", bare::many_at_once),
    ("io_uring: multishot recvmsg, provided buffers, send", uring::relay),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let wants = |what: &str| arguments.is_empty() || arguments.iter().any(|a| a == what);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    nix::sys::prctl::set_timerslack(1_000).expect("short sleeps");
    let mut section = Section::new(
        "Relay",
        "`cargo bench -p havre-bench --bench relay`: PCMU, 50 packets/s and direction, loopback; relay on one core, \
         generator on another. The first table gives medians of 5 rounds, the others of 3.",
    );
    // After the section has counted the cores: a pinned thread sees one.
    pin(gettid(), cores - 1);
    if wants("candidates") {
        compare(&mut section);
    }
    if wants("waiting") {
        wait(&mut section);
    }
    if wants("steps") {
        climb(&mut section);
    }
    if arguments.is_empty() {
        section
            .write(Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two levels"))
            .expect("RESULTS.md");
    }
}

/// The candidates and the engine in turns, so that whatever else the machine does meets all alike.
fn compare(section: &mut Section) {
    let mut figures = vec![Vec::new(); CANDIDATES.len() + 1];
    let (peer, mut peers) = (Rtpengine::version(), Vec::new());
    for _ in 0..ROUNDS {
        for (index, (_, relay)) in CANDIDATES.iter().enumerate() {
            figures[index].push(Measured::bare(*relay, CALLS));
        }
        figures[CANDIDATES.len()].push(Measured::engine(Engine::bridged, 2 * CALLS));
        if peer.is_some() {
            peers.push(Measured::peer(2 * CALLS));
        }
    }
    let peer_name = peer.map(|version| format!("rtpengine {version}, in userspace"));
    match &peer_name {
        Some(_) => figures.push(peers),
        None => println!("no rtpengine here: `tests/setup/install bench` brings it"),
    }
    let base = median(figures[0].iter().map(|m| m.micros));
    section.table(&["relay of 100 calls", "µs/packet", "ratio", "delay p50", "p99", "lost"]);
    let names = CANDIDATES
        .iter()
        .map(|(name, _)| *name)
        .chain(["**Havre's data plane**"])
        .chain(peer_name.as_deref());
    for (name, figures) in names.zip(&figures) {
        let of = |figure: fn(&Measured) -> f64| median(figures.iter().map(figure));
        section.row(&[
            name.to_owned(),
            format!("{:.2}", of(|m| m.micros)),
            format!("{:.2}", of(|m| m.micros) / base),
            format!("{:.0} µs", of(|m| m.p50)),
            format!("{:.0} µs", of(|m| m.p99)),
            format!("{:.2} %", of(|m| m.lost)),
        ]);
    }
}

/// Callers who hear the waiting sound, and send all the while.
fn wait(section: &mut Section) {
    section.table(&["waiting callers", "% of a core", "% per 100 callers"]);
    for callers in [100, 200, 400, 800] {
        let rounds: Vec<Measured> = (0..3).map(|_| Measured::engine(Engine::waiting, callers)).collect();
        let percent = 100.0 * median(rounds.iter().map(|m| m.server));
        let per_100 = 100.0 * percent / callers as f64;
        section.row(&[format!("{callers}"), format!("{percent:.1} %"), format!("{per_100:.2} %")]);
    }
}

/// More and more calls until one of the cores is full.
fn climb(section: &mut Section) {
    section.say(
        "CPU per call falls with the number of calls, for the bare relay as for the data plane: packets that come together \
         share a wake-up, and find the caches warm.",
    );
    section.table(&[
        "bridged calls",
        "packets/s",
        "data plane's core",
        "generator's core",
        "CPU per call",
        "µs/packet",
        "bare relay",
        "ratio",
        "delay p50",
        "p99",
        "bare p99",
        "lost",
    ]);
    for calls in STEPS {
        // In turns, as above.
        let rounds: Vec<[Measured; 2]> = (0..3)
            .map(|_| {
                [Measured::engine(Engine::bridged, 2 * calls), Measured::bare(bare::level_triggered, calls)]
            })
            .collect();
        let m = Measured::middle(&rounds.iter().map(|[engine, _]| engine));
        let bare = Measured::middle(&rounds.iter().map(|[_, bare]| bare));
        section.row(&[
            format!("{calls}"),
            format!("{:.0}", m.per_second),
            format!("{:.0} %", 100.0 * m.server),
            format!("{:.0} %", 100.0 * m.generator),
            format!("{:.2} ms/s", 1_000.0 * m.server / calls as f64),
            format!("{:.2}", m.micros),
            format!("{:.2}", bare.micros),
            format!("{:.2}", m.micros / bare.micros),
            format!("{:.0} µs", m.p50),
            format!("{:.0} µs", m.p99),
            format!("{:.0} µs", bare.p99),
            format!("{:.3} %", m.lost),
        ]);
        if m.server.max(m.generator) >= FULL {
            let who = if m.server >= m.generator { "data plane" } else { "generator" };
            return section
                .say(&format!("At {calls} calls the {who} has {:.0} % of its core.", 100.0 * FULL));
        }
    }
}

/// One round's figures.
#[derive(Clone, Copy)]
struct Measured {
    /// Processor time of the relay's thread per packet that came out.
    micros: f64,
    /// Shares of a core.
    server: f64,
    generator: f64,
    per_second: f64,
    /// Microseconds.
    p50: f64,
    p99: f64,
    lost: f64,
}

impl Measured {
    fn bare(relay: Relay, calls: usize) -> Self {
        let mut load = Load::open(IP);
        let to: Vec<SocketAddr> = (0..2 * calls).map(|leg| load.address(leg)).collect();
        let running = Bare::start(relay, IP, to);
        load.send_to(&running.at);
        Self::measure(&mut load, || cpu(running.thread))
    }

    fn peer(legs: usize) -> Self {
        let mut load = Load::open(IP);
        let running = Rtpengine::bridged(IP, legs, &[load.address(0), load.address(1)]);
        load.send_to(&running.at);
        Self::measure(&mut load, || cpu_of_process(running.pid()))
    }

    fn engine(start: fn(IpAddr, usize, &[SocketAddr; 2]) -> Engine, legs: usize) -> Self {
        let mut load = Load::open(IP);
        let engine = start(IP, legs, &[load.address(0), load.address(1)]);
        let thread = thread_named("media-0");
        pin(thread, 0);
        load.send_to(&engine.at);
        let measured = Self::measure(&mut load, || cpu(thread));
        assert!(engine.sent() > 0, "the data plane relayed nothing");
        measured
    }

    /// The median of each figure.
    fn middle<'a>(rounds: &(impl Iterator<Item = &'a Self> + Clone)) -> Self {
        let of = |figure: fn(&Self) -> f64| median(rounds.clone().map(figure));
        Self {
            micros: of(|m| m.micros),
            server: of(|m| m.server),
            generator: of(|m| m.generator),
            per_second: of(|m| m.per_second),
            p50: of(|m| m.p50),
            p99: of(|m| m.p99),
            lost: of(|m| m.lost),
        }
    }

    fn measure(load: &mut Load, relay: impl Fn() -> Duration) -> Self {
        load.run(WARM_UP);
        let (server, generator) = (relay(), cpu(gettid()));
        let mut tally: Tally = load.run(WINDOW);
        let server = (relay() - server).as_secs_f64();
        let generator = (cpu(gettid()) - generator).as_secs_f64();
        let took = tally.took.as_secs_f64();
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        Self {
            micros: server * 1e6 / tally.received as f64,
            server: server / took,
            generator: generator / took,
            per_second: tally.received as f64 / took,
            p50: micros(tally.delay(0.5)),
            p99: micros(tally.delay(0.99)),
            lost: tally.lost(),
        }
    }
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

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
