//! A network in virtual time: endpoints and raw senders, with loss, duplication, reordering, TCP, and a log of
//! everything that crosses it.

#![allow(dead_code, unreachable_pub, reason = "each test binary is a crate of its own and uses a part of it")]
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "helpers of tests")]

pub mod raw;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use havre_model::{Cause, FlowId, LegId, Mono, Now};
use havre_sip::digest::Algorithm;
use havre_sip::{
    Account, Answer, Command, Config, Endpoint, Event, Identity, Input, LineNumbers, Link, Output, Password,
    Path, Question, Target, Transport, Trunk,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub const HAVRE: &str = "192.0.2.10:5060";
pub const CARRIER: &str = "198.51.100.7:5060";
pub const PHONE: &str = "203.0.113.20:5062";
pub const OTHER_PHONE: &str = "203.0.113.21:5064";
pub const STRANGER: &str = "233.252.0.66:5060";
pub const LINE: &str = "+18335550100";

pub const OFFER: &str =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
pub const ANSWER: &str =
    "v=0\r\no=- 2 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n";

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn sdp(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// What happens to datagrams on their way.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    /// In percent.
    pub loss: u64,
    /// In percent.
    pub duplication: u64,
    /// Up to this much longer on the way, at random: later ones overtake.
    pub jitter: Duration,
}

pub struct Net {
    pub now: Now,
    pub faults: Faults,
    /// `0.010 havre > carrier 100 INVITE`, `0.010 havre Incoming`.
    pub log: Vec<String>,
    parties: Vec<Party>,
    raw: HashMap<SocketAddr, Vec<String>>,
    wire: BTreeMap<(Mono, u64), Arrival>,
    serial: u64,
    random: ChaCha8Rng,
    dead: Vec<SocketAddr>,
    dark: Vec<SocketAddr>,
    /// What DNS knows.
    pub zone: HashMap<Question, Answer>,
    /// Whether it answers.
    pub dns: bool,
}

pub struct Party {
    pub name: &'static str,
    pub address: SocketAddr,
    pub endpoint: Endpoint,
    pub events: Vec<Event>,
    /// Our connection ids to the far party and its id of the same connection.
    flows: HashMap<FlowId, (usize, FlowId)>,
}

enum Arrival {
    Datagram { from: SocketAddr, to: SocketAddr, bytes: Bytes },
    Stream { to: usize, flow: FlowId, bytes: Bytes },
    Connected { to: usize, flow: FlowId, local: SocketAddr, remote: SocketAddr },
    Closed { to: usize, flow: FlowId },
    Unreachable { to: usize, remote: SocketAddr },
    Resolved { to: usize, question: Question, answer: Option<Answer> },
}

/// One way of every packet.
const LATENCY: Duration = Duration::from_millis(10);

impl Net {
    pub fn new(seed: u64) -> Self {
        Self {
            now: Now::default().after(secs(1_000)),
            faults: Faults::default(),
            log: Vec::new(),
            parties: Vec::new(),
            raw: HashMap::new(),
            wire: BTreeMap::new(),
            serial: 0,
            random: ChaCha8Rng::seed_from_u64(seed),
            dead: Vec::new(),
            dark: Vec::new(),
            zone: HashMap::new(),
            dns: true,
        }
    }

    pub fn add(&mut self, name: &'static str, address: &str, config: Config) -> usize {
        let mut seed = [0; 32];
        self.random.fill_bytes(&mut seed);
        let endpoint = Endpoint::new(Arc::new(config), seed, self.now);
        let address = address.parse().unwrap();
        self.parties.push(Party { name, address, endpoint, events: Vec::new(), flows: HashMap::new() });
        let at = self.parties.len() - 1;
        // A gateway may register, or ask DNS, before anything happens to it.
        self.drain(at);
        at
    }

    /// Nobody listens there: packets to it come back as ICMP.
    pub fn kill(&mut self, address: &str) {
        self.dead.push(address.parse().unwrap());
    }

    /// Its network is gone: packets to it and from it vanish, until it is lit again.
    pub fn darken(&mut self, address: &str) {
        self.dark.push(address.parse().unwrap());
    }

    pub fn light(&mut self, address: &str) {
        let address: SocketAddr = address.parse().unwrap();
        self.dark.retain(|dark| *dark != address);
    }

    pub fn party(&mut self, at: usize) -> &mut Party {
        &mut self.parties[at]
    }

    pub fn command(&mut self, at: usize, command: Command) {
        self.input(at, Input::Command(command));
    }

    pub fn input(&mut self, at: usize, input: Input<'_>) {
        let now = self.now;
        self.parties[at].endpoint.handle_input(input, now);
        self.drain(at);
    }

    /// Events since the last call.
    pub fn events(&mut self, at: usize) -> Vec<Event> {
        std::mem::take(&mut self.parties[at].events)
    }

    /// Runs until `duration` has passed.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now.mono + duration;
        while let Some(at) = self.next_moment().filter(|at| *at <= end) {
            self.advance(at);
            self.step();
        }
        self.advance(end);
    }

    fn next_moment(&self) -> Option<Mono> {
        let wire = self.wire.first_key_value().map(|(key, _)| key.0);
        let timers =
            self.parties.iter().filter_map(|party| party.endpoint.poll_timeout()).map(|w| w.at).min();
        wire.into_iter().chain(timers).min()
    }

    fn advance(&mut self, to: Mono) {
        self.now = self.now.after(to.since(self.now.mono));
    }

    fn step(&mut self) {
        let now = self.now;
        if let Some(entry) = self.wire.first_entry().filter(|entry| entry.key().0 <= now.mono) {
            let arrival = entry.remove();
            self.deliver(arrival);
            return;
        }
        for at in 0..self.parties.len() {
            if self.parties[at].endpoint.poll_timeout().is_some_and(|wakeup| wakeup.at <= now.mono) {
                self.parties[at].endpoint.handle_timeout(now);
                self.drain(at);
            }
        }
    }

    fn deliver(&mut self, arrival: Arrival) {
        let now = self.now;
        let (at, input) = match &arrival {
            Arrival::Datagram { from, to, bytes } => {
                let Some(at) = self.parties.iter().position(|party| party.address == *to) else {
                    let text = String::from_utf8_lossy(bytes).into_owned();
                    self.raw.entry(*to).or_default().push(text);
                    return;
                };
                (at, Input::Datagram { local: *to, source: *from, bytes })
            }
            Arrival::Stream { to, flow, bytes } => (*to, Input::Stream { flow: *flow, bytes }),
            Arrival::Connected { to, flow, local, remote } => {
                (*to, Input::Connected { flow: *flow, local: *local, remote: *remote, link: Link::Tcp })
            }
            Arrival::Closed { to, flow } => (*to, Input::Closed { flow: *flow }),
            Arrival::Resolved { to, question, answer } => {
                (*to, Input::Resolved { question: question.clone(), answer: answer.clone() })
            }
            Arrival::Unreachable { to, remote } => {
                (*to, Input::Unreachable { local: self.parties[*to].address, remote: *remote })
            }
        };
        self.parties[at].endpoint.handle_input(input, now);
        self.drain(at);
    }

    fn drain(&mut self, at: usize) {
        while let Some(output) = self.parties[at].endpoint.poll_output() {
            match output {
                Output::Event(event) => {
                    let name = self.parties[at].name;
                    self.note(format!("{name} {}", describe(&event)));
                    self.parties[at].events.push(event);
                }
                Output::Transmit { path: Path { flow: None, local, remote, .. }, bytes } => {
                    self.datagram(local, remote, bytes);
                }
                Output::Transmit { path: Path { flow: Some(flow), remote, .. }, bytes } => {
                    self.stream(at, flow, remote, bytes);
                }
                Output::Connect { local, remote, flow, .. } => self.connect(at, local, remote, flow),
                Output::Disconnect { flow } => self.close(at, flow),
                Output::Resolve(question) => {
                    let answer = self.dns.then(|| self.zone.get(&question).cloned().unwrap_or_default());
                    // A resolver gives up after a while.
                    let after = if self.dns { LATENCY } else { secs(2) };
                    self.put(after, Arrival::Resolved { to: at, question, answer });
                }
            }
        }
    }

    fn datagram(&mut self, from: SocketAddr, to: SocketAddr, bytes: Bytes) {
        self.note_message(from, to, &bytes);
        if self.dark.contains(&to) || self.dark.contains(&from) {
            return;
        }
        if self.dead.contains(&to) {
            if let Some(at) = self.parties.iter().position(|party| party.address == from) {
                self.put(LATENCY, Arrival::Unreachable { to: at, remote: to });
            }
            return;
        }
        let copies = 1 + u64::from(self.chance(self.faults.duplication));
        for _ in 0..copies {
            if self.chance(self.faults.loss) {
                continue;
            }
            let jitter = u64::try_from(self.faults.jitter.as_micros()).unwrap();
            let extra = Duration::from_micros(if jitter == 0 { 0 } else { self.random.next_u64() % jitter });
            self.put(LATENCY + extra, Arrival::Datagram { from, to, bytes: bytes.clone() });
        }
    }

    fn stream(&mut self, at: usize, flow: FlowId, remote: SocketAddr, bytes: Bytes) {
        let from = self.parties[at].address;
        let to = self.parties[at].flows.get(&flow).map(|(to, _)| self.parties[*to].address);
        self.note_message(from, to.unwrap_or(remote), &bytes);
        let Some((to, theirs)) = self.parties[at].flows.get(&flow).copied() else { return };
        // Cut in two, to be put together again.
        let cut = bytes.len() / 3;
        self.put(LATENCY, Arrival::Stream { to, flow: theirs, bytes: bytes.slice(..cut) });
        self.put(LATENCY, Arrival::Stream { to, flow: theirs, bytes: bytes.slice(cut..) });
    }

    fn connect(&mut self, at: usize, local: SocketAddr, remote: SocketAddr, flow: FlowId) {
        let Some(to) =
            self.parties.iter().position(|party| party.address == remote && !self.dead.contains(&remote))
        else {
            self.put(LATENCY, Arrival::Closed { to: at, flow });
            return;
        };
        self.serial += 1;
        let theirs = FlowId(self.serial);
        self.parties[at].flows.insert(flow, (to, theirs));
        self.parties[to].flows.insert(theirs, (at, flow));
        let ephemeral = SocketAddr::new(local.ip(), 40_000 + u16::try_from(self.serial % 20_000).unwrap());
        self.put(LATENCY, Arrival::Connected { to, flow: theirs, local: remote, remote: ephemeral });
        self.put(LATENCY * 2, Arrival::Connected { to: at, flow, local: ephemeral, remote });
    }

    /// Breaks every connection of a party, as seen by both ends.
    pub fn break_connections(&mut self, at: usize) {
        for flow in self.parties[at].flows.keys().copied().collect::<Vec<_>>() {
            self.put(Duration::ZERO, Arrival::Closed { to: at, flow });
            self.close(at, flow);
        }
    }

    fn close(&mut self, at: usize, flow: FlowId) {
        if let Some((to, theirs)) = self.parties[at].flows.remove(&flow) {
            self.parties[to].flows.remove(&theirs);
            self.put(LATENCY, Arrival::Closed { to, flow: theirs });
        }
    }

    fn put(&mut self, after: Duration, arrival: Arrival) {
        self.serial += 1;
        self.wire.insert((self.now.mono + after, self.serial), arrival);
    }

    fn chance(&mut self, percent: u64) -> bool {
        percent > 0 && self.random.next_u64() % 100 < percent
    }

    // ---- raw senders ----

    /// Sends text as one datagram; lines may end in LF alone.
    pub fn send(&mut self, from: &str, to: &str, text: &str) {
        let bytes = Bytes::from(crlf(text));
        self.datagram(from.parse().unwrap(), to.parse().unwrap(), bytes);
    }

    /// Datagrams that arrived where no endpoint is, since the last call.
    pub fn received(&mut self, at: &str) -> Vec<String> {
        self.raw.remove(&at.parse().unwrap()).unwrap_or_default()
    }

    // ---- the log ----

    fn note(&mut self, line: String) {
        let at = self.now.mono.since(Mono::from_start(secs(1_000)));
        self.log.push(format!("{:.3} {line}", at.as_secs_f64()));
    }

    fn note_message(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let name = |at: SocketAddr| {
            let party = self.parties.iter().find(|party| party.address == at);
            party.map_or_else(|| at.to_string(), |party| party.name.to_owned())
        };
        let line = format!("{} > {} {}", name(from), name(to), start_of(bytes));
        self.note(line);
    }

    /// The log so far, and forgets it.
    pub fn take_log(&mut self) -> String {
        std::mem::take(&mut self.log).join("\n")
    }
}

/// `INVITE`, or `200 INVITE`.
fn start_of(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let first = text.lines().next().unwrap_or("").to_owned();
    match first.strip_prefix("SIP/2.0 ") {
        Some(rest) => format!("{} {}", &rest[..3], header(&text, "CSeq").split(' ').nth(1).unwrap_or("")),
        None => first.split(' ').next().unwrap_or("").to_owned(),
    }
}

fn describe(event: &Event) -> String {
    match event {
        Event::Incoming { called, offer, .. } => {
            format!("Incoming {called}{}", if offer.is_some() { "" } else { ", no offer" })
        }
        Event::Ended { by, status, cause, .. } => {
            format!("Ended by {by:?}, {}, {cause}", status.map_or("-".to_owned(), |s| s.to_string()))
        }
        Event::Ringing { .. } => "Ringing".to_owned(),
        Event::Progress { .. } => "Progress".to_owned(),
        Event::Answered { sdp, .. } => format!("Answered{}", with(sdp)),
        Event::Confirmed { sdp, .. } => format!("Confirmed{}", with(sdp)),
        Event::NotConfirmed { .. } => "NotConfirmed".to_owned(),
        Event::Reoffered { sdp, .. } => format!("Reoffered{}", with(sdp)),
        Event::ReofferAnswered { sdp, .. } => format!("ReofferAnswered{}", with(sdp)),
        Event::ReofferRefused { status, .. } => format!("ReofferRefused {status}"),
        Event::Digit { digit, millis, .. } => format!("Digit {digit} {millis}"),
        Event::Probed { alive, status, .. } => format!("Probed {alive} {status:?}"),
        Event::SessionExpired { .. } => "SessionExpired".to_owned(),
        other => format!("{other:?}"),
    }
}

fn with(sdp: &Option<Bytes>) -> &'static str {
    if sdp.is_some() { " with SDP" } else { "" }
}

pub fn crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// The first value of a header in a message's text.
pub fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}: ");
    message.lines().find_map(|line| line.strip_prefix(prefix.as_str())).unwrap_or("")
}

pub fn status(message: &str) -> u16 {
    message.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)).and_then(|s| s.parse().ok()).unwrap_or(0)
}

// ---- configurations ----

/// The hotline: one line, one carrier, two advocates.
pub fn gateway() -> Config {
    let passwords = [("advocate-en", "secret-en"), ("advocate-fr", "secret-fr")];
    Config {
        realm: "havre".to_owned(),
        algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
        server_name: "havre.example".to_owned(),
        accounts: passwords.iter().map(|(id, text)| (id.parse().unwrap(), Password::new(*text))).collect(),
        trunks: vec![Trunk {
            id: "carrier".parse().unwrap(),
            sources: vec!["198.51.100.0/24".parse().unwrap()],
            digest: None,
            certificate: None,
            numbers: Vec::new(),
            strip_prefixes: vec!["9#".to_owned()],
            overload: Default::default(),
            caps: Default::default(),
            outbound: None,
        }],
        lines: vec![LineNumbers { line: "hotline".parse().unwrap(), numbers: vec![LINE.to_owned()] }],
        feature_codes: vec!["*40".to_owned(), "*41".to_owned()],
        ..Config::default()
    }
}

/// A phone, or a carrier's gateway: takes what comes.
pub fn phone() -> Config {
    Config { accept_anyone: true, server_name: "carrier.example".to_owned(), ..Config::default() }
}

pub fn account(user: &str, password: &str) -> Account {
    Account { user: user.to_owned(), realm: "havre".to_owned(), password: Password::new(password) }
}

pub fn identity(user: &str) -> Identity {
    Identity { display: String::new(), user: user.to_owned(), host: None }
}

pub fn path(transport: Transport, from: &str, to: &str) -> Path {
    Path { transport, local: from.parse().unwrap(), remote: to.parse().unwrap(), flow: None }
}

pub fn uri(text: &str) -> havre_sip::wire::Uri {
    havre_sip::wire::Uri::parse(text).unwrap()
}

// ---- what people do ----

pub const LEG: LegId = LegId(1);

impl Net {
    /// `from` calls `to_uri` over UDP as leg [`LEG`].
    pub fn dials(&mut self, at: usize, to_uri: &str, to: &str) {
        self.dials_over(Transport::Udp, at, to_uri, to, Some(sdp(OFFER)));
    }

    pub fn dials_over(
        &mut self,
        transport: Transport,
        at: usize,
        to_uri: &str,
        to: &str,
        sdp: Option<Bytes>,
    ) {
        let from = self.parties[at].address.to_string();
        let target = Target::Uri { uri: uri(to_uri), path: path(transport, &from, to) };
        let from = identity("+14165550123");
        let sdp = sdp.map(Into::into);
        self.command(at, Command::Dial { leg: LEG, target, from, sdp, account: None });
    }

    pub fn answers(&mut self, at: usize, leg: LegId) {
        self.command(at, Command::Answer { leg, sdp: sdp(ANSWER) });
    }

    pub fn hangs_up(&mut self, at: usize, leg: LegId, cause: Cause) {
        self.command(at, Command::HangUp { leg, cause });
    }

    pub fn registers(&mut self, at: usize, user: &str, password: &str, transport: Transport) {
        let from = self.parties[at].address.to_string();
        self.command(
            at,
            Command::Register {
                account: account(user, password),
                registrar: path(transport, &from, HAVRE),
                uri: uri(&format!("sip:{user}@havre.example")),
                expires: secs(300),
            },
        );
    }

    /// The leg of the last `Incoming` at a party.
    pub fn incoming(&mut self, at: usize) -> LegId {
        let events = &self.parties[at].events;
        let legs = events.iter().rev().filter_map(|event| match event {
            Event::Incoming { leg, .. } => Some(*leg),
            _ => None,
        });
        legs.into_iter().next().expect("nobody called")
    }

    /// A call from the carrier, answered and confirmed. Returns Havre's leg.
    pub fn call_in_progress(&mut self, carrier: usize, havre: usize) -> LegId {
        self.dials(carrier, &format!("sip:{LINE}@{HAVRE}"), HAVRE);
        self.run(ms(50));
        let leg = self.incoming(havre);
        self.answers(havre, leg);
        self.run(ms(50));
        self.events(carrier);
        self.events(havre);
        self.take_log();
        leg
    }
}

impl Net {
    /// The leg of the `Incoming` among these events.
    pub fn incoming_leg(&self, events: Vec<Event>) -> LegId {
        let legs = events.into_iter().filter_map(|event| match event {
            Event::Incoming { leg, .. } => Some(leg),
            _ => None,
        });
        legs.last().expect("nobody called")
    }
}
