//! Callers who call at a fixed rate, whatever comes of it: INVITE, again after T1 and its doubles where nothing comes, ACK,
//! BYE. One thread, one socket, messages made once.

use std::collections::{HashMap, VecDeque};
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use havre_bench::{Answer, Carrier, drops, widen};
use havre_e2e::Line;

/// Half a second, then a second, and so on (RFC 3261 §17.1.1.2); a caller who hears nothing for longer has given up.
const REPEATS: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_millis(1_000), Duration::from_millis(2_000)];
/// A call that has not ended by then has failed.
const PATIENCE: Duration = Duration::from_secs(8);
/// Answers that are read before the next call is placed.
const BURST: usize = 256;
/// Calls that are owed and placed in one go; a generator that owes more has given out.
const CATCH_UP: usize = 256;
const MAX_OPEN: usize = 400_000;
/// Receive buffer, in bytes: answers of some seconds, so that what is lost is lost by the line.
const BUFFER: usize = 256 << 20;

/// What came of the calls of one step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Calls that were to be placed, and calls that were.
    pub(crate) due: u64,
    pub(crate) offered: u64,
    /// INVITE, 200, ACK, BYE, 200: in all, and while calls were placed.
    pub(crate) completed: u64,
    pub(crate) in_time: u64,
    /// Answered with a refusal.
    pub(crate) refused: u64,
    /// Without any final answer, or without an answer to their BYE.
    pub(crate) failed: u64,
    pub(crate) repeats: u64,
    /// Milliseconds from the first INVITE to the 200, and to the refusal, sorted.
    pub(crate) answers: Vec<f32>,
    pub(crate) refusals: Vec<f32>,
    pub(crate) took: Duration,
    /// Processor time of the line meanwhile, in microseconds.
    pub(crate) micros: f64,
}

impl Tally {
    /// Calls completed a second while calls were placed: what is caught up with afterwards does not count.
    pub(crate) fn goodput(&self) -> f64 {
        self.in_time as f64 / self.took.as_secs_f64()
    }

    /// Percent of a core that the line was busy.
    pub(crate) fn busy(&self) -> f64 {
        self.micros / self.took.as_micros() as f64 * 100.0
    }

    /// Milliseconds within which this share of what was answered or refused was.
    pub(crate) fn percentile(sorted: &[f32], share: f64) -> f64 {
        let at = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
        f64::from(sorted.get(at).copied().unwrap_or(0.0))
    }
}

enum Stage {
    Calling,
    Leaving,
    /// Stays up for the whole measurement.
    Up,
    Asked,
}

struct Call {
    since: Instant,
    stage: Stage,
    to: Box<str>,
}

/// Everybody who calls.
pub(crate) struct Crowd<'a> {
    line: &'a Line,
    socket: UdpSocket,
    carrier: Carrier,
    next: u64,
    open: HashMap<u64, Call>,
    /// When to repeat what, one row for each interval: each is in the order of time.
    repeats: [VecDeque<(Instant, u64)>; REPEATS.len()],
    buffer: Vec<u8>,
    /// The last sequence number of the questions whether a call is still up.
    asked: u32,
}

impl<'a> Crowd<'a> {
    pub(crate) fn new(from: SocketAddr, line: &'a Line) -> Self {
        let socket = UdpSocket::bind(from).expect("a UDP port");
        socket.set_nonblocking(true).expect("a socket may be nonblocking");
        widen(&socket, BUFFER);
        let at = socket.local_addr().expect("a bound socket has an address");
        Self {
            line,
            socket,
            carrier: Carrier { at, line: line.sip() },
            next: 0,
            open: HashMap::new(),
            repeats: [const { VecDeque::new() }; REPEATS.len()],
            buffer: vec![0; 8_192],
            asked: 1,
        }
    }

    /// Datagrams that were lost because nobody read them in time: by the line, and here.
    pub(crate) fn dropped(&self) -> (u64, u64) {
        (drops(self.carrier.line), drops(self.carrier.at))
    }

    /// Calls that stay up. They are answered before this returns; one that is refused (the ports of the calls before rest
    /// for a while) is placed again.
    pub(crate) fn establish(&mut self, count: usize) -> Vec<u64> {
        let mut calls = Vec::new();
        let start = Instant::now();
        while calls.len() < count {
            let call = self.place(Instant::now());
            let mut told = None;
            while told.is_none() {
                assert!(start.elapsed() < PATIENCE * 2, "the line does not answer");
                self.wait(Duration::from_millis(1));
                let mut tally = Tally::default();
                self.read_one(
                    &mut |crowd, answer| {
                        if answer.method != "INVITE" || answer.call != call || answer.status < 200 {
                            return;
                        }
                        told = Some(answer.status == 200);
                        if answer.status == 200 {
                            crowd.send(&crowd.carrier.ack(call, answer.to));
                            if let Some(known) = crowd.open.get_mut(&call) {
                                known.stage = Stage::Up;
                                known.to = answer.to.into();
                            }
                        }
                    },
                    &mut tally,
                );
            }
            if told == Some(true) {
                calls.push(call);
            }
        }
        calls
    }

    /// How many of these calls the line no longer knows: each is asked by OPTIONS, twice if need be.
    pub(crate) fn lost(&mut self, calls: &[u64]) -> usize {
        let mut left: Vec<u64> = calls.to_vec();
        for _ in 0..3 {
            self.asked += 1;
            for call in &left {
                if let Some(known) = self.open.get_mut(call) {
                    known.stage = Stage::Asked;
                    let text = self.carrier.options(*call, self.asked, &known.to);
                    self.send(&text);
                }
            }
            let start = Instant::now();
            let mut alive = Vec::new();
            while start.elapsed() < Duration::from_secs(1) && alive.len() < left.len() {
                self.wait(Duration::from_millis(1));
                let mut tally = Tally::default();
                self.read_one(
                    &mut |_, answer| {
                        if answer.method == "OPTIONS" && answer.status == 200 {
                            alive.push(answer.call);
                        }
                    },
                    &mut tally,
                );
            }
            left.retain(|call| !alive.contains(call));
            if left.is_empty() {
                break;
            }
        }
        left.len()
    }

    /// `window` calls open at all times: as many as the line can do.
    pub(crate) fn closed(&mut self, window: usize, for_: Duration) -> Tally {
        self.run(for_, |_, open| window.saturating_sub(open))
    }

    /// `rate` calls a second, whatever comes of them.
    pub(crate) fn at_rate(&mut self, rate: f64, for_: Duration) -> Tally {
        let mut placed = 0;
        self.run(for_, move |elapsed, _| {
            let due = (elapsed.as_secs_f64() * rate) as u64;
            let owed = usize::try_from(due.saturating_sub(placed)).unwrap_or(0);
            placed = due;
            owed
        })
    }

    fn run(&mut self, for_: Duration, mut owed: impl FnMut(Duration, usize) -> usize) -> Tally {
        let (start, before) = (Instant::now(), self.line.cpu_micros());
        let mut tally = Tally::default();
        let held = self.open.len();
        let mut debt = 0;
        loop {
            let now = Instant::now();
            let elapsed = now - start;
            let over = elapsed >= for_;
            if over && tally.took.is_zero() {
                tally.took = elapsed;
                tally.in_time = tally.completed;
                tally.micros = self.line.cpu_micros() - before;
            }
            if over && (self.open.len() <= held || elapsed > for_ + PATIENCE) {
                break;
            }
            if !over {
                let more = owed(elapsed, self.open.len() - held);
                debt += more;
                tally.due += more as u64;
                let places = debt.min(CATCH_UP).min(MAX_OPEN.saturating_sub(self.open.len()));
                debt -= places;
                for _ in 0..places {
                    self.place(now);
                    tally.offered += 1;
                }
            }
            self.repeat(now, &mut tally);
            let mut idle = true;
            for _ in 0..BURST {
                if !self.read_one(&mut |_, _| {}, &mut tally) {
                    break;
                }
                idle = false;
            }
            if idle && debt == 0 {
                self.wait(Duration::from_micros(200));
            }
        }
        // What is still open has failed, but for the calls that are to stay.
        let before = self.open.len();
        self.open.retain(|_, call| matches!(call.stage, Stage::Up | Stage::Asked));
        tally.failed += (before - self.open.len()) as u64;
        self.repeats.iter_mut().for_each(VecDeque::clear);
        tally.answers.sort_by(f32::total_cmp);
        tally.refusals.sort_by(f32::total_cmp);
        tally
    }

    fn place(&mut self, now: Instant) -> u64 {
        self.next += 1;
        let call = self.next;
        self.send(&self.carrier.invite(call));
        self.open.insert(call, Call { since: now, stage: Stage::Calling, to: "".into() });
        self.repeats[0].push_back((now + REPEATS[0], call));
        call
    }

    fn repeat(&mut self, now: Instant, tally: &mut Tally) {
        for row in 0..REPEATS.len() {
            while let Some((_, call)) = self.repeats[row].pop_front_if(|(at, _)| *at <= now) {
                let Some(known) = self.open.get(&call) else { continue };
                let text = match known.stage {
                    Stage::Calling => self.carrier.invite(call),
                    Stage::Leaving => self.carrier.bye(call, &known.to),
                    Stage::Up | Stage::Asked => continue,
                };
                self.send(&text);
                tally.repeats += 1;
                if let Some(next) = REPEATS.get(row + 1) {
                    self.repeats[row + 1].push_back((now + *next, call));
                }
            }
        }
    }

    /// Reads one answer, if there is any. `also` is told first.
    fn read_one(&mut self, also: &mut dyn FnMut(&mut Self, Answer<'_>), tally: &mut Tally) -> bool {
        let mut buffer = std::mem::take(&mut self.buffer);
        let read = self.socket.recv(&mut buffer);
        let text = read.as_ref().ok().and_then(|length| std::str::from_utf8(&buffer[..*length]).ok());
        if let Some(text) = text {
            match Answer::read(text) {
                Some(answer) => {
                    also(self, answer);
                    self.on_answer(answer, tally);
                }
                // Of calls that are up: the line asks whether we are there.
                None => self.answer_request(text),
            }
        }
        self.buffer = buffer;
        !matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    fn on_answer(&mut self, answer: Answer<'_>, tally: &mut Tally) {
        let (call, status) = (answer.call, answer.status);
        let Some(known) = self.open.get_mut(&call) else {
            // The answer to an INVITE that was given up, or repeated.
            if answer.method == "INVITE" && status >= 300 {
                self.send(&self.carrier.ack_refusal(call, answer.to));
            } else if answer.method == "INVITE" && status >= 200 {
                self.send(&self.carrier.ack(call, answer.to));
                self.send(&self.carrier.bye(call, answer.to));
            }
            return;
        };
        let waited = known.since.elapsed().as_secs_f32() * 1_000.0;
        match (&known.stage, answer.method, status) {
            (_, _, ..200) => {}
            (Stage::Calling, "INVITE", 200..300) => {
                tally.answers.push(waited);
                known.stage = Stage::Leaving;
                known.to = answer.to.into();
                self.send(&self.carrier.ack(call, answer.to));
                self.send(&self.carrier.bye(call, answer.to));
                self.repeats[0].push_back((Instant::now() + REPEATS[0], call));
            }
            (Stage::Calling, "INVITE", _) => {
                tally.refusals.push(waited);
                tally.refused += 1;
                self.open.remove(&call);
                self.send(&self.carrier.ack_refusal(call, answer.to));
            }
            (Stage::Leaving | Stage::Up, "INVITE", 200..300) => {
                self.send(&self.carrier.ack(call, answer.to));
            }
            (Stage::Leaving, "BYE", _) => {
                tally.completed += 1;
                self.open.remove(&call);
            }
            _ => {}
        }
    }

    /// 200 to OPTIONS in a dialog, as a phone says that it is there.
    fn answer_request(&self, text: &str) {
        if !text.starts_with("OPTIONS ") {
            return;
        }
        let kept = ["Via", "From", "To", "Call-ID", "CSeq"];
        let lines =
            text.split("\r\n").filter(|line| kept.iter().any(|name| line.starts_with(&format!("{name}:"))));
        let lines: String = lines.map(|line| format!("{line}\r\n")).collect();
        self.send(&format!("SIP/2.0 200 OK\r\n{lines}Content-Length: 0\r\n\r\n"));
    }

    fn send(&self, text: &str) {
        // A full buffer of ours is a loss on the way.
        let _ = self.socket.send_to(text.as_bytes(), self.carrier.line);
    }

    fn wait(&self, time: Duration) {
        std::thread::sleep(time);
    }
}
