//! What a call costs, and how long a caller waits for us: `make bench` prints the figures and writes them to
//! `tests/bench/RESULTS.md`. Everything runs on loopback, so the load generators share the machine with the line:
//! compare ratios, and runs on one machine, not absolute figures between machines.
#![allow(clippy::print_stdout, reason = "figures are for people")]

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use havre_bench::Section;
use havre_e2e::{Account, Host, Line, LineBuilder, Logged, Media, Run, Sipp, repository, until};

const SOON: Duration = Duration::from_secs(20);
/// Calls bridged at once for the relay's and the memory's figures: as many as the peers' were taken with.
const BRIDGES: usize = 100;
/// How long packets are counted.
const WINDOW: Duration = Duration::from_secs(10);

type Measurement = fn(&mut Results);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let all: [(&str, Measurement); 5] = [
        ("answers", answer_times),
        ("sounds", first_sounds_and_bridges),
        ("calls", calls),
        ("waiting", waiting_memory),
        ("relays", relays),
    ];
    let wanted: Vec<&String> = arguments[1..].iter().filter(|a| !a.starts_with('-')).collect();
    let mut results = Results(Section::new(
        "Line",
        "`cargo bench -p havre-e2e` (`tests/e2e/benches/line.rs`): the whole program, SIPp as carrier and phones. \
         Generators and phones share the machine with the line.",
    ));
    results.0.table(&["what", "figure"]);
    for (name, measure) in all {
        if wanted.is_empty() || wanted.iter().any(|w| *w == name) {
            measure(&mut results);
        }
    }
    results.0.say(
        "A call is dear while calls are few, for the bare relay of its talk as for the line: whoever wakes for each packet pays for \
         waking up. LOAD.md has both at 2 to 40 calls a second.",
    );
    // A part of the figures is for the one who asked.
    if wanted.is_empty() {
        results.0.write(&repository()).expect("tests/bench/RESULTS.md");
    }
}

/// INVITE to 200 at 20 calls a second.
fn answer_times(results: &mut Results) {
    let line = Line::demo().start();
    let host = Host::claim();
    let sink = Flood::open(host.ip());
    let mut run = Sipp::new("short_call")
        .on_host(host, 5060)
        .with("-m", "600")
        .with("-r", "20")
        .with("-l", "200")
        .with("-d", "2000")
        .audio(sink.port)
        .start(line.sip());
    run.finish(Duration::from_secs(120));
    let mut invites = HashMap::new();
    let mut times = Vec::new();
    for message in run.log() {
        let Some(call_id) = header(&message, "Call-ID:") else { continue };
        if message.sent && message.text.starts_with("INVITE") {
            invites.entry(call_id).or_insert(message.at);
        } else if message.text.starts_with("SIP/2.0 200") && message.text.contains(" INVITE") {
            times.extend(invites.remove(&call_id).map(|sent| millis(message.at.saturating_sub(sent))));
        }
    }
    results.times("INVITE to 200 at 20 calls/s", &mut times, "p99 ≤ 50");
}

/// ACK to the first packet of the greeting; the advocate's 200 to the first packet of the caller's voice at the
/// advocate.
fn first_sounds_and_bridges(results: &mut Results) {
    let (mut first, mut bridged) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        let line = advocates_line(1).start();
        for _ in 0..3 {
            let (host, phone) = (Host::claim(), Host::claim());
            let caller = Media::open(host.ip(), Some((440.0, -12.0)));
            let advocate = Media::open(phone.ip(), None);
            let phone_run = phones(&line, 1, phone, advocate.port());
            let mut call = Sipp::new("caller").on_host(host, 5060).audio(caller.port()).start(line.sip());
            let heard = until("the greeting", SOON, || caller.first_packet());
            let acked = call.log().iter().find(|m| m.sent && m.text.starts_with("ACK")).map(|m| m.at);
            first.extend(acked.map(|at| millis(of_day(heard).saturating_sub(at))));
            caller.press("1");
            let heard = until("the caller at the advocate's", SOON, || advocate.first_packet());
            let answered =
                phone_run.log().iter().find(|m| m.sent && m.text.starts_with("SIP/2.0 200")).map(|m| m.at);
            bridged.extend(answered.map(|at| millis(of_day(heard).saturating_sub(at))));
            call.cue();
            call.finish(SOON);
            line.api().wait_for_state("a0", "ready");
        }
    }
    results.times("ACK to the first packet of the greeting", &mut first, "≤ 40");
    results.times(
        "advocate's 200 to the caller's voice at the advocate (packets every 20 ms)",
        &mut bridged,
        "≤ 100",
    );
}

/// Processor time of a complete call: greeting, key, offer, two seconds of talk (no media from either phone), BYE.
fn calls(results: &mut Results) {
    const CALLS: u32 = 100;
    let line = advocates_line(40).start();
    let (host, phone) = (Host::claim(), Host::claim());
    let (callers, advocates) = (Flood::open(host.ip()), Flood::open(phone.ip()));
    let _phones = phones(&line, 40, phone, advocates.port);
    // Sign-ins have to be over, or they count as what an idle line costs.
    thread::sleep(Duration::from_secs(5));
    let before = line.cpu_micros();
    let idle = Instant::now();
    thread::sleep(Duration::from_secs(5));
    let idle_rate = (line.cpu_micros() - before) / idle.elapsed().as_secs_f64();
    let (before, start) = (line.cpu_micros(), Instant::now());
    Sipp::new("hotline_call")
        .on_host(host, 5060)
        .with("-m", &CALLS.to_string())
        .with("-r", "4")
        .with("-d", "2000")
        .audio(callers.port)
        .start(line.sip())
        .finish(Duration::from_secs(120));
    let used = line.cpu_micros() - before - idle_rate * start.elapsed().as_secs_f64();
    let count = |name: &str| line.api().metric(&format!("havre_calls_{name}_total"), "");
    until("all to be counted", SOON, || {
        (count("answered") + count("abandoned") >= f64::from(CALLS)).then_some(())
    });
    let answered = count("answered");
    results.row(
        "processor time of a hotline call of 2 s of talk, phones silent (with their voices: LOAD.md)",
        &format!("{:.2} ms", used / 1_000.0 / f64::from(CALLS)),
    );
    results.row("… of which answered by an advocate", &format!("{answered} of {CALLS}"));
    results.row(
        "processor time of the idle line, 40 phones registered",
        &format!("{:.2} ms/s", idle_rate / 1_000.0),
    );
}

/// Memory of callers who wait, and the processor time that they and their own packets take.
fn waiting_memory(results: &mut Results) {
    const CALLERS: usize = 200;
    let line = Line::demo().start();
    let host = Host::claim();
    let sink = Flood::open(host.ip());
    let before = line.memory();
    let _calls = many_calls(&line, CALLERS, host, sink.port, 60_000);
    until("all to wait", SOON * 2, || (sink.streams() >= CALLERS).then_some(()));
    thread::sleep(Duration::from_secs(3));
    sink.start();
    thread::sleep(Duration::from_secs(1));
    let (cpu, start) = (line.cpu_micros(), Instant::now());
    thread::sleep(Duration::from_secs(5));
    let per_second = (line.cpu_micros() - cpu) / start.elapsed().as_secs_f64() / CALLERS as f64;
    results.row("resident memory, no call", &kib(before as f64));
    let per_call = kib((line.memory().saturating_sub(before)) as f64 / CALLERS as f64);
    results.row("… per waiting call", &format!("{per_call} (target: ≤ 20 KB)"));
    results.row(
        "processor time of 100 waiting callers (50 packets/s each way)",
        &format!("{:.1} % of a core (target: ≤ 5 %)", per_second / 100.0),
    );
}

/// Processor time per relayed packet, control plane included, and memory per bridged call. `havre-bench` has the bare
/// relay beside it, and more calls.
fn relays(results: &mut Results) {
    let line = advocates_line(BRIDGES).start();
    let before = line.memory();
    let (host, phone) = (Host::claim(), Host::claim());
    let (callers, advocates) = (Flood::open(host.ip()), Flood::open(phone.ip()));
    let _phones = phones(&line, BRIDGES, phone, advocates.port);
    let _calls = many_calls(&line, BRIDGES, host, callers.port, 120_000);
    until("all to talk", SOON * 2, || {
        (line.api().metric("havre_calls_in_progress", "talking") >= BRIDGES as f64).then_some(())
    });
    callers.start();
    until("all advocates to hear", SOON, || (advocates.streams() >= BRIDGES).then_some(()));
    advocates.start();
    thread::sleep(Duration::from_secs(2));
    let memory = line.memory().saturating_sub(before) as f64 / BRIDGES as f64;
    let havre = measure(|| line.cpu_micros(), &callers, &advocates);

    results.row(&format!("relayed packets/s in {BRIDGES} calls"), &format!("{:.0}", havre.per_second));
    // What was on its way at the start may come out while it is counted.
    results.row("… lost or not relayed", &format!("{:.2} %", havre.lost_percent.max(0.0)));
    results.row("processor time per relayed packet", &format!("{:.2} µs", havre.micros));
    results.row("resident memory per bridged call", &format!("{} (target: ≤ 40 KB)", kib(memory)));
}

struct Measured {
    micros: f64,
    per_second: f64,
    lost_percent: f64,
}

fn measure(cpu: impl Fn() -> f64, a: &Flood, b: &Flood) -> Measured {
    let count = || (a.sent() + b.sent(), a.received() + b.received());
    let (start, before, (sent, received)) = (Instant::now(), cpu(), count());
    thread::sleep(WINDOW);
    let (used, (sent_then, received_then)) = (cpu() - before, count());
    let (sent, received) = ((sent_then - sent) as f64, (received_then - received) as f64);
    Measured {
        micros: used / received,
        per_second: received / start.elapsed().as_secs_f64(),
        lost_percent: 100.0 * (1.0 - received / sent),
    }
}

/// A line with `count` English advocates, `a0` and so on, without wrap-up.
fn advocates_line(count: usize) -> LineBuilder {
    let account = |n| Account { id: format!("a{n}"), languages: &["en"], role: "advocate" };
    let accounts: Vec<Account> = (0..count).map(account).collect();
    Line::demo().accounts(&accounts)
}

/// One SIPp that is the phone of every account, all with the media port `audio`.
fn phones(line: &Line, count: usize, host: Host, audio: u16) -> Run {
    let register = |host, n| {
        let account = format!("a{n}");
        Sipp::register(line, &account, &line.password(&account), host)
    };
    let host = (0..count).fold(host, register);
    line.api().wait_for_state(&format!("a{}", count - 1), "ready");
    Sipp::new("advocate").on_host(host, 5060).with("-m", "1000").audio(audio).start(line.sip())
}

/// `count` calls that press 1 and last `millis`.
fn many_calls(line: &Line, count: usize, host: Host, audio: u16, millis: u32) -> Run {
    Sipp::new("hotline_call")
        .on_host(host, 5060)
        .with("-m", &count.to_string())
        .with("-r", "20")
        .with("-l", "1000")
        .with("-d", &millis.to_string())
        .audio(audio)
        .start(line.sip())
}

/// A media port for many calls at once: it learns every stream's source, and sends each 50 packets a second.
struct Flood {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    streams: Mutex<BTreeMap<(SocketAddr, usize), u16>>,
    sending: AtomicBool,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Flood {
    fn open(ip: Ipv4Addr) -> Self {
        let socket = UdpSocket::bind((ip, 0)).expect("a UDP port");
        let port = socket.local_addr().expect("a bound socket has an address").port();
        let shared: Arc<Shared> = Arc::default();
        let (theirs, sender) = (Arc::clone(&shared), socket.try_clone().expect("a socket can be cloned"));
        thread::spawn(move || receive(&socket, &theirs));
        let theirs = Arc::clone(&shared);
        thread::spawn(move || send(&sender, &theirs));
        Self { port, shared }
    }

    fn start(&self) {
        self.shared.sending.store(true, Ordering::Relaxed);
    }

    fn streams(&self) -> usize {
        self.shared.streams.lock().expect("nobody panics with it held").len()
    }

    fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    fn received(&self) -> u64 {
        self.shared.received.load(Ordering::Relaxed)
    }
}

fn receive(socket: &UdpSocket, shared: &Shared) {
    let mut buffer = [0; 2_048];
    loop {
        let Ok((length, source)) = socket.recv_from(&mut buffer) else { continue };
        if length < 12 {
            continue;
        }
        if shared.received.fetch_add(1, Ordering::Relaxed).is_multiple_of(16)
            || !shared.sending.load(Ordering::Relaxed)
        {
            shared.streams.lock().expect("nobody panics with it held").entry((source, 0)).or_default();
        }
    }
}

fn send(socket: &UdpSocket, shared: &Shared) {
    // Callers are not in step: a twentieth of the streams has its turn every millisecond.
    const TURNS: usize = 20;
    let mut next = Instant::now();
    let mut packet = [0xff_u8; 172];
    for turn in (0..TURNS).cycle() {
        next += Duration::from_millis(1);
        thread::sleep(next.saturating_duration_since(Instant::now()));
        if !shared.sending.load(Ordering::Relaxed) {
            continue;
        }
        let mut streams = shared.streams.lock().expect("nobody panics with it held");
        for (index, ((remote, _), sequence)) in streams.iter_mut().enumerate().skip(turn).step_by(TURNS) {
            *sequence = sequence.wrapping_add(1);
            packet[..2].copy_from_slice(&[0x80, 0]);
            packet[2..4].copy_from_slice(&sequence.to_be_bytes());
            packet[4..8].copy_from_slice(&(u32::from(*sequence) * 160).to_be_bytes());
            packet[8..12].copy_from_slice(&(0x1000_0000 + index as u32).to_be_bytes());
            if socket.send_to(&packet, *remote).is_ok() {
                shared.sent.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// The figures, in order.
struct Results(Section);

impl Results {
    fn row(&mut self, what: &str, figure: &str) {
        self.0.row(&[what, figure]);
    }

    fn times(&mut self, what: &str, millis: &mut [f64], target: &str) {
        assert!(!millis.is_empty(), "{what}: nothing was measured");
        millis.sort_by(f64::total_cmp);
        let at = |share: f64| millis[((millis.len() - 1) as f64 * share).round() as usize];
        let figure = format!(
            "median {:.1}, p99 {:.1}, longest {:.1} ms of {} (target: {target} ms)",
            at(0.5),
            at(0.99),
            at(1.0),
            millis.len()
        );
        self.row(what, &figure);
    }
}

fn header(message: &Logged, name: &str) -> Option<String> {
    message.text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
}

fn of_day(at: SystemTime) -> Duration {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    Duration::new(since.as_secs() % 86_400, since.subsec_nanos())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn kib(bytes: f64) -> String {
    format!("{:.1} KiB", bytes / 1_024.0)
}
