//! Shards on a simulated network, in virtual time.
#![allow(dead_code, unreachable_pub, missing_docs)] // Each test file uses its own part of it.
#![allow(clippy::unwrap_used)] // It is how a test fails.

pub mod browser;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use havre_media::sdp::{Local, Negotiated, Session};
use havre_media::{Channel, Clip, Codec, Command, Config, Event, Face, Input, Output, Prompt, Shard, rtp};
use havre_model::{LegId, Mono, Now, PlayId};

/// A node of the network: one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(pub usize);

/// A leg on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At(pub Node, pub LegId);

/// A packet as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub at: Duration,
    pub by: At,
    pub channel: Channel,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

impl Sent {
    pub fn rtp(&self) -> rtp::Packet<'_> {
        rtp::parse(&self.bytes).unwrap()
    }
}

/// What the network does to each packet, decided by a random number.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    pub delay_ms: u64,
    pub jitter_ms: u64,
    pub loss_percent: u32,
    pub double_percent: u32,
}

pub struct World {
    pub now: Now,
    pub shards: Vec<Shard>,
    pub weather: Weather,
    pub sent: Vec<Sent>,
    pub events: Vec<(Duration, Node, Event)>,
    sockets: HashMap<SocketAddr, (At, Channel)>,
    addresses: HashMap<At, SocketAddr>,
    sessions: HashMap<At, Session>,
    flying: BTreeMap<(Duration, u64), (SocketAddr, SocketAddr, Vec<u8>)>,
    launched: u64,
    random: u64,
    next_leg: u64,
}

impl World {
    pub fn new(nodes: usize) -> Self {
        let now = Now::default().after(Duration::from_secs(1_700_000_000));
        let shard = |i: usize| Shard::new(Arc::new(Config::default()), [i as u8; 32], now);
        Self {
            now,
            shards: (0..nodes).map(shard).collect(),
            weather: Weather { delay_ms: 5, ..Weather::default() },
            sent: Vec::new(),
            events: Vec::new(),
            sockets: HashMap::new(),
            addresses: HashMap::new(),
            sessions: HashMap::new(),
            flying: BTreeMap::new(),
            launched: 0,
            random: 1,
            next_leg: 1,
        }
    }

    /// A leg on each of two nodes, one having offered to the other.
    pub fn call(&mut self, from: Node, to: Node, offered: &[Codec], known: &[Codec]) -> (At, At) {
        let (caller, callee) = (self.open(from, offered), self.open(to, known));
        self.offer(caller, callee);
        (caller, callee)
    }

    /// A leg with sockets and a session that has said nothing yet.
    pub fn open(&mut self, node: Node, codecs: &[Codec]) -> At {
        let leg = LegId(self.next_leg);
        let port = 10_000 + 2 * self.next_leg as u16;
        self.next_leg += 1;
        let at = At(node, leg);
        let addr = SocketAddr::from(([198, 51, 100, node.0 as u8 + 1], port));
        let rtcp = SocketAddr::new(addr.ip(), port + 1);
        self.sockets.insert(addr, (at, Channel::Rtp));
        self.sockets.insert(rtcp, (at, Channel::Rtcp));
        self.addresses.insert(at, addr);
        let local = Local {
            addr: addr.ip(),
            rtp: port,
            rtcp: port + 1,
            codecs: codecs.to_vec(),
            browser: None,
            sdes: None,
        };
        self.sessions.insert(at, Session::new(local, leg.0));
        self.command(node, Command::Open { leg, face: Face::Plain });
        at
    }

    pub fn session(&mut self, at: At) -> &mut Session {
        self.sessions.get_mut(&at).unwrap()
    }

    /// Offer and answer, first or again.
    pub fn offer(&mut self, from: At, to: At) {
        let offer = self.session(from).offer();
        let (answer, agreed) = self.session(to).answer(&offer).unwrap();
        self.configure(to, agreed);
        let agreed = self.session(from).accept(&answer).unwrap();
        self.configure(from, agreed);
    }

    pub fn configure(&mut self, at: At, negotiated: Negotiated) {
        self.command(at.0, Command::Configure { leg: at.1, negotiated: Box::new(negotiated) });
    }

    pub fn address(&self, at: At) -> SocketAddr {
        self.addresses[&at]
    }

    /// The leg's packets come and go under another address from now on, as behind a NAT.
    pub fn moves(&mut self, at: At, to: SocketAddr) {
        let old = self.addresses.insert(at, to).unwrap();
        self.sockets.remove(&old);
        self.sockets.insert(to, (at, Channel::Rtp));
    }

    /// From now on, RTP to the leg is lost on the way, or no longer; what it sends, and RTCP, arrives.
    pub fn is_cut_off(&mut self, at: At, cut: bool) {
        let address = self.addresses[&at];
        if cut {
            self.sockets.remove(&address);
        } else {
            self.sockets.insert(address, (at, Channel::Rtp));
        }
    }

    pub fn command(&mut self, node: Node, command: Command) {
        self.shards[node.0].handle_input(Input::Command(command), self.now);
        self.collect(node);
    }

    pub fn play(&mut self, at: At, play: u64, clips: Vec<Clip>) {
        self.command(at.0, Command::Play { leg: at.1, play: PlayId(play), clips });
    }

    pub fn tone(&mut self, at: At, hz: f32, dbm0: f32) {
        self.play(at, 0, vec![Clip::Tone { hz, dbm0, duration: Duration::from_secs(3_600) }]);
    }

    pub fn listen(&mut self, at: At) {
        self.command(at.0, Command::Listen { leg: at.1, on: true });
    }

    pub fn bridge(&mut self, a: At, b: At) {
        self.command(a.0, Command::Bridge { a: a.1, b: b.1 });
    }

    pub fn run(&mut self, millis: u64) {
        let end = self.now.after(Duration::from_millis(millis));
        loop {
            let timer = self.shards.iter().filter_map(Shard::poll_timeout).map(|w| w.at).min();
            let arrival = self.flying.keys().next().map(|(at, _)| *at);
            let next = [timer.map(Mono::since_start), arrival].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end.mono.since_start()) else { break };
            self.now = self.now.after(next.saturating_sub(self.now.mono.since_start()));
            while let Some(entry) = self.flying.first_entry().filter(|e| e.key().0 <= next) {
                let (source, to, bytes) = entry.remove();
                self.deliver(source, to, &bytes);
            }
            for node in 0..self.shards.len() {
                self.shards[node].handle_timeout(self.now);
                self.collect(Node(node));
            }
        }
        self.now = end;
    }

    /// A datagram from anywhere to a leg's RTP socket, at once.
    pub fn inject(&mut self, source: SocketAddr, to: At, bytes: &[u8]) {
        self.deliver(source, self.address(to), bytes);
    }

    /// A report from somebody to a leg's RTCP socket, at once.
    pub fn report(&mut self, from: At, to: At, bytes: &[u8]) {
        let [source, to] =
            [from, to].map(|at| SocketAddr::new(self.address(at).ip(), self.address(at).port() + 1));
        self.deliver(source, to, bytes);
    }

    fn deliver(&mut self, source: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if let Some((At(node, leg), channel)) = self.sockets.get(&to).copied() {
            self.shards[node.0].handle_input(Input::Packet { leg, channel, source, bytes }, self.now);
            self.collect(node);
        }
    }

    fn collect(&mut self, node: Node) {
        let at = self.now.mono.since_start() - Duration::from_secs(1_700_000_000);
        let mut packets = Vec::new();
        while let Some(output) = self.shards[node.0].poll_output() {
            match output {
                Output::Event(event) => self.events.push((at, node, event)),
                Output::Handshake { .. } | Output::Answer { .. } => panic!("no leg here is a browser's"),
                Output::Transmit { leg, channel, to, bytes } => {
                    packets.push(Sent { at, by: At(node, leg), channel, to, bytes: bytes.to_vec() });
                }
            }
        }
        for packet in packets {
            self.launch(&packet);
            self.sent.push(packet);
        }
    }

    fn launch(&mut self, packet: &Sent) {
        let mut source = self.addresses[&packet.by];
        if packet.channel == Channel::Rtcp {
            source.set_port(source.port() + 1);
        }
        let weather = self.weather;
        let lost = self.random() % 100 < u64::from(weather.loss_percent);
        let doubled = self.random() % 100 < u64::from(weather.double_percent);
        for _ in 0..if lost { 0 } else { 1 + usize::from(doubled) } {
            let delay = weather.delay_ms + self.random() % (weather.jitter_ms + 1);
            let arrival = self.now.mono.since_start() + Duration::from_millis(delay);
            self.launched += 1;
            self.flying.insert((arrival, self.launched), (source, packet.to, packet.bytes.clone()));
        }
    }

    /// Another weather, hour by hour.
    pub fn reseed(&mut self, seed: u64) {
        self.random = seed;
    }

    fn random(&mut self) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.random >> 33
    }

    /// RTP sent by a leg.
    pub fn rtp_of(&self, by: At) -> Vec<&Sent> {
        let rtp = |s: &&Sent| s.by == by && s.channel == Channel::Rtp && !rtp::is_rtcp(&s.bytes);
        self.sent.iter().filter(rtp).collect()
    }

    /// What a leg heard last: frequency, level, purity.
    pub fn heard(&self, by: At) -> (f32, f32, f32) {
        let reading = |e: &(Duration, Node, Event)| match e.2 {
            Event::Heard { leg, hz, dbm0, purity } if At(e.1, leg) == by => Some((hz, dbm0, purity)),
            _ => None,
        };
        self.events.iter().rev().find_map(reading).expect("nothing was heard")
    }

    #[track_caller]
    pub fn assert_heard(&self, by: At, hz: f32, dbm0: f32) {
        let heard = self.heard(by);
        assert!(
            (heard.0 - hz).abs() <= 5.0 && (heard.1 - dbm0).abs() <= 1.0 && heard.2 > 0.9,
            "{by:?} heard {heard:?} instead of {hz} Hz at {dbm0} dBm0"
        );
    }

    /// The keys heard on a leg.
    pub fn digits(&self, by: At) -> String {
        let digit = |e: &(Duration, Node, Event)| match e.2 {
            Event::Digit { leg, digit } if At(e.1, leg) == by => Some(digit.as_char()),
            _ => None,
        };
        self.events.iter().filter_map(digit).collect()
    }

    /// Events of a node but the regular ones.
    pub fn told(&self, node: Node) -> Vec<(u64, Event)> {
        let told = |e: &&(Duration, Node, Event)| {
            e.1 == node && !matches!(e.2, Event::Quality { .. } | Event::Heard { .. })
        };
        self.events.iter().filter(told).map(|e| (e.0.as_millis() as u64, e.2.clone())).collect()
    }
}

pub fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A prompt that is a sine.
pub fn sine(hz: f64, millis: usize) -> Arc<Prompt> {
    let sample = |i: usize| (7_000.0 * (std::f64::consts::TAU * hz * i as f64 / 16_000.0).sin()) as i16;
    Prompt::new(&(0..millis * 16).map(sample).collect::<Vec<_>>())
}
