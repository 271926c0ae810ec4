//! Two phones, a registrar, and the network between them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use havre_media::{Channel, Shard};
use havre_model::{AgentId, Cause, Digit, LegId, Mono, Now, PlayId};
use havre_phone::{Answering, Command, Config, Event, Input, Keying, Output, Phone};
use havre_sip::wire::Uri;
use havre_sip::{Account, EndedBy, Endpoint, Identity, Password, Path, Target};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub(crate) const ALICE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 5060);
pub(crate) const BOB: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 5060);
pub(crate) const REGISTRAR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)), 5060);
/// One way.
const DELAY: Duration = Duration::from_millis(10);

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) fn register(user: &str, password: &str) -> Command {
    Command::Register {
        account: Account { user: user.into(), realm: "havre".into(), password: Password::new(password) },
        // The phone's own address is put in by `Station::command`.
        registrar: Path::udp(REGISTRAR, REGISTRAR),
        uri: Uri::parse(&format!("sip:{user}@havre")).unwrap(),
        expires: secs(60),
    }
}

/// Everything there is.
pub(crate) struct World {
    pub(crate) now: Now,
    pub(crate) alice: Station,
    pub(crate) bob: Station,
    pub(crate) registrar: Endpoint,
    /// Datagrams to and from here are lost.
    pub(crate) unplugged: Option<SocketAddr>,
    wire: BTreeMap<(Mono, u64), Parcel>,
    sent: u64,
    random: ChaCha12Rng,
    bad: bool,
}

/// A datagram on its way.
#[derive(Clone)]
struct Parcel {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl World {
    pub(crate) fn new() -> Self {
        let now = Now::default();
        let accounts = [("bob".parse::<AgentId>().unwrap(), Password::new("secret"))];
        let config = havre_sip::Config {
            realm: "havre".into(),
            server_name: REGISTRAR.ip().to_string(),
            accounts: accounts.into_iter().collect(),
            ..havre_sip::Config::default()
        };
        Self {
            now,
            alice: Station::new(ALICE, 100, now),
            bob: Station::new(BOB, 1, now),
            registrar: Endpoint::new(Arc::new(config), [9; 32], now),
            unplugged: None,
            wire: BTreeMap::new(),
            sent: 0,
            random: ChaCha12Rng::from_seed([3; 32]),
            bad: false,
        }
    }

    /// Alice and Bob talk; returns Bob's leg.
    pub(crate) fn talking(leg: LegId) -> (Self, LegId) {
        let mut world = Self::new();
        world.bob.command(Command::Answering(Answering::After(Duration::ZERO)), world.now);
        world.alice_dials_bob(leg);
        world.run(secs(1));
        assert!(matches!(world.alice.said()[..], [Event::Answered { .. }]), "{:?}", world.alice.log);
        let bobs = world.bob.incoming();
        world.forget();
        (world, bobs)
    }

    /// From now on SIP and media are lost, doubled and delayed.
    pub(crate) fn be_bad(&mut self, seed: u64) {
        self.random = ChaCha12Rng::seed_from_u64(seed);
        self.bad = true;
    }

    pub(crate) fn random(&mut self, below: u64) -> u64 {
        self.random.next_u64() % below
    }

    pub(crate) fn station(&self, at: SocketAddr) -> &Station {
        if at == ALICE { &self.alice } else { &self.bob }
    }

    pub(crate) fn command(&mut self, at: SocketAddr, command: Command) {
        let now = self.now;
        if at == ALICE { &mut self.alice } else { &mut self.bob }.command(command, now);
    }

    pub(crate) fn alice_dials_bob(&mut self, leg: LegId) {
        self.alice_dials(leg, false);
    }

    pub(crate) fn alice_dials(&mut self, leg: LegId, late_offer: bool) {
        self.alice.command(dial(leg, late_offer), self.now);
    }

    pub(crate) fn registrar_dials(&mut self, agent: &str, display: &str) {
        let command = havre_sip::Command::Dial {
            leg: LegId(77),
            target: Target::Agent(agent.parse().unwrap()),
            from: Identity { display: display.into(), user: "line".into(), host: None },
            sdp: None,
            account: None,
        };
        self.registrar.handle_input(havre_sip::Input::Command(command), self.now);
    }

    /// Lets everything happen that is due within `time`.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now.mono + time;
        loop {
            self.drain();
            let timeouts = [
                self.alice.next_timeout(),
                self.bob.next_timeout(),
                self.registrar.poll_timeout().map(|wakeup| wakeup.at),
                self.wire.first_key_value().map(|((at, _), _)| *at),
            ];
            let Some(next) = timeouts.into_iter().flatten().min().filter(|at| *at <= end) else { break };
            self.now = self.now.after(next.since(self.now.mono));
            self.deliver();
            self.alice.on_time(self.now);
            self.bob.on_time(self.now);
            if self.registrar.poll_timeout().is_some_and(|wakeup| wakeup.at <= self.now.mono) {
                self.registrar.handle_timeout(self.now);
            }
        }
        self.now = self.now.after(end.since(self.now.mono));
    }

    pub(crate) fn forget(&mut self) {
        self.alice.log.clear();
        self.bob.log.clear();
    }

    /// No legs, no ports, nothing due.
    pub(crate) fn assert_idle(&self) {
        for station in [&self.alice, &self.bob] {
            assert_eq!(station.phone.legs().count(), 0, "{:?}", station.log);
            assert!(station.ports.is_empty(), "{:?}", station.ports);
        }
    }

    /// What somebody might press; `new` is an id for a call that is placed.
    pub(crate) fn random_command(&mut self, new: LegId) {
        let station = if self.random(2) == 0 { ALICE } else { BOB };
        let theirs: Vec<LegId> = self.station(station).phone.legs().collect();
        let leg = theirs.first().copied().unwrap_or(new);
        let digit = Digit::from_event(u8::try_from(self.random(16)).unwrap()).unwrap();
        let by = if self.random(2) == 0 { Keying::Event } else { Keying::Info };
        let command = match self.random(14) {
            0..3 if station == ALICE => dial(new, self.random(3) == 0),
            0..3 => Command::Answer { leg },
            3 => Command::Answering(Answering::Manual),
            4 => Command::Answering(Answering::After(Duration::from_millis(self.random(2_000)))),
            5 => Command::HangUp { leg },
            6 => Command::Hold { leg },
            7 => Command::Resume { leg },
            8 => Command::Key { leg, digit, millis: 100, by },
            9 => Command::Stop { leg },
            10 => Command::Decline { leg, status: 603 },
            11 => Command::Play { leg, play: PlayId(1), clips: Vec::new() },
            12 => Command::Listen { leg, on: self.random(2) == 0 },
            _ => Command::Answering(Answering::Decline(486)),
        };
        self.command(station, command);
    }

    fn drain(&mut self) {
        let mut parcels = Vec::new();
        self.alice.drain(self.now, &mut parcels);
        self.bob.drain(self.now, &mut parcels);
        while let Some(output) = self.registrar.poll_output() {
            if let havre_sip::Output::Transmit { path, bytes } = output {
                parcels.push(Parcel { from: path.local, to: path.remote, bytes: bytes.to_vec() });
            }
        }
        for parcel in parcels {
            self.post(&parcel);
        }
    }

    fn post(&mut self, parcel: &Parcel) {
        if self.unplugged.is_some_and(|out| out == parcel.from || out == parcel.to) {
            return;
        }
        let copies = match self.random(20) {
            0..2 if self.bad => 0,
            2..4 if self.bad => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let jitter = if self.bad { Duration::from_millis(self.random(60)) } else { Duration::ZERO };
            self.sent += 1;
            self.wire.insert((self.now.mono + DELAY + jitter, self.sent), parcel.clone());
        }
    }

    fn deliver(&mut self) {
        while let Some(entry) = self.wire.first_entry()
            && entry.key().0 <= self.now.mono
        {
            let parcel = entry.remove();
            if parcel.to == REGISTRAR {
                let input = havre_sip::Input::Datagram {
                    local: parcel.to,
                    source: parcel.from,
                    bytes: &parcel.bytes,
                };
                self.registrar.handle_input(input, self.now);
            } else if parcel.to.ip() == ALICE.ip() {
                self.alice.receive(&parcel, self.now);
            } else {
                self.bob.receive(&parcel, self.now);
            }
            self.drain();
        }
    }
}

fn dial(leg: LegId, late_offer: bool) -> Command {
    Command::Dial {
        leg,
        to: Uri::sip(Some("bob"), BOB),
        path: Path::udp(ALICE, BOB),
        from: Identity { display: "EN · standard".into(), user: "alice".into(), host: None },
        account: None,
        late_offer,
        instead_of: None,
    }
}

/// A phone and its audio.
pub(crate) struct Station {
    pub(crate) phone: Phone,
    pub(crate) log: Vec<Event>,
    /// Legs that still can be opened.
    pub(crate) ports_left: u16,
    /// Whose port.
    pub(crate) ports: HashMap<u16, (LegId, Channel)>,
    shard: Shard,
    at: SocketAddr,
    next_port: u16,
    sent_sdp: Vec<String>,
}

impl Station {
    fn new(at: SocketAddr, max_legs: usize, now: Now) -> Self {
        let config = Config { max_legs, ..Config::new(at.ip()) };
        Self {
            phone: Phone::new(config, [at.ip().is_ipv4().into(); 32], now),
            log: Vec::new(),
            ports_left: 1_000,
            ports: HashMap::new(),
            shard: Shard::new(Arc::new(havre_media::Config::default()), [5; 32], now),
            at,
            next_port: 20_000,
            sent_sdp: Vec::new(),
        }
    }

    pub(crate) fn command(&mut self, command: Command, now: Now) {
        let command = match command {
            Command::Register { account, registrar, uri, expires } => {
                Command::Register { account, registrar: Path::udp(self.at, registrar.remote), uri, expires }
            }
            other => other,
        };
        self.phone.handle_input(Input::Command(command), now);
    }

    /// The leg of the last incoming call.
    pub(crate) fn incoming(&self) -> LegId {
        let mut legs = self.phone.legs();
        legs.next().expect("somebody calls")
    }

    /// The log without measurements.
    pub(crate) fn said(&self) -> Vec<Event> {
        let measured = |event: &&Event| {
            !matches!(
                event,
                Event::Heard { .. } | Event::Quality { .. } | Event::Ringing { .. } | Event::Incoming { .. }
            )
        };
        self.log.iter().filter(measured).cloned().collect()
    }

    pub(crate) fn ended(&self, leg: LegId) -> Option<(EndedBy, Cause)> {
        self.log.iter().find_map(|event| match event {
            Event::Ended { leg: ended, by, cause, .. } if *ended == leg => Some((*by, *cause)),
            _ => None,
        })
    }

    pub(crate) fn heard(&self) -> Option<(f32, f32, f32)> {
        self.log.iter().rev().find_map(|event| match event {
            Event::Heard { hz, dbm0, purity, .. } => Some((*hz, *dbm0, *purity)),
            _ => None,
        })
    }

    pub(crate) fn keys(&self, on: LegId, how: Keying) -> String {
        let key = |event: &Event| match event {
            Event::Digit { leg, digit, by } if (*leg, *by) == (on, how) => Some(digit.as_char()),
            _ => None,
        };
        self.log.iter().filter_map(key).collect()
    }

    /// Versions of the different session descriptions sent so far.
    pub(crate) fn versions(&self) -> Vec<u64> {
        let version = |sdp: &String| {
            let origin = sdp.lines().find(|line| line.starts_with("o=")).unwrap();
            origin.split(' ').nth(2).unwrap().parse().unwrap()
        };
        self.sent_sdp.iter().map(version).collect()
    }

    pub(crate) fn assert_each_leg_ends_once_and_last(&self, seed: u64) {
        let mut open = HashSet::new();
        let mut ended = HashSet::new();
        for event in &self.log {
            let Some(leg) = event.leg() else { continue };
            assert!(!ended.contains(&leg), "seed {seed}: {event:?} after the end: {:?}", self.log);
            if matches!(event, Event::Ended { .. }) {
                open.remove(&leg);
                ended.insert(leg);
            } else {
                open.insert(leg);
            }
        }
        assert!(open.is_empty(), "seed {seed}: {open:?} never ended: {:?}", self.log);
    }

    fn next_timeout(&self) -> Option<Mono> {
        let phone = self.phone.poll_timeout().map(|wakeup| wakeup.at);
        phone.into_iter().chain(self.shard.poll_timeout().map(|wakeup| wakeup.at)).min()
    }

    fn on_time(&mut self, now: Now) {
        if self.phone.poll_timeout().is_some_and(|wakeup| wakeup.at <= now.mono) {
            self.phone.handle_timeout(now);
        }
        if self.shard.poll_timeout().is_some_and(|wakeup| wakeup.at <= now.mono) {
            self.shard.handle_timeout(now);
        }
    }

    fn receive(&mut self, parcel: &Parcel, now: Now) {
        let (source, bytes) = (parcel.from, &parcel.bytes[..]);
        if parcel.to == self.at {
            let input = havre_sip::Input::Datagram { local: self.at, source, bytes };
            self.phone.handle_input(Input::Sip(input), now);
        } else if let Some((leg, channel)) = self.ports.get(&parcel.to.port()).copied() {
            self.shard.handle_input(havre_media::Input::Packet { leg, channel, source, bytes }, now);
        }
    }

    fn drain(&mut self, now: Now, parcels: &mut Vec<Parcel>) {
        loop {
            let mut idle = true;
            while let Some(output) = self.phone.poll_output() {
                idle = false;
                self.on_output(output, now, parcels);
            }
            let mut events = Vec::new();
            while let Some(output) = self.shard.poll_output() {
                match output {
                    havre_media::Output::Transmit { leg, channel, to, bytes } => {
                        let own = self.ports.iter().find(|(_, whose)| **whose == (leg, channel));
                        let from = SocketAddr::new(self.at.ip(), *own.expect("an open leg").0);
                        parcels.push(Parcel { from, to, bytes: bytes.to_vec() });
                    }
                    havre_media::Output::Event(event) => events.push(event),
                    havre_media::Output::Handshake { .. } | havre_media::Output::Answer { .. } => {
                        panic!("no phone is a browser")
                    }
                }
            }
            for event in events {
                idle = false;
                self.phone.handle_input(Input::Media(event), now);
            }
            if idle {
                return;
            }
        }
    }

    fn on_output(&mut self, output: Output, now: Now, parcels: &mut Vec<Parcel>) {
        match output {
            Output::Transmit { path, bytes } => {
                let text = String::from_utf8_lossy(&bytes);
                if let Some((_, sdp)) = text.split_once("\r\n\r\n")
                    && !sdp.is_empty()
                    && self.sent_sdp.last().is_none_or(|last| last != sdp)
                    && sdp.starts_with("v=0")
                {
                    self.sent_sdp.push(sdp.to_owned());
                }
                parcels.push(Parcel { from: path.local, to: path.remote, bytes: bytes.to_vec() });
            }
            Output::Connect { .. } | Output::Disconnect { .. } => panic!("this network has no connections"),
            Output::Media(havre_media::Command::Open { leg, .. }) => self.open(leg, now),
            Output::Media(command) => {
                let closed = match &command {
                    havre_media::Command::Close { leg } => Some(*leg),
                    _ => None,
                };
                self.shard.handle_input(havre_media::Input::Command(command), now);
                // Its farewell (RTCP BYE) needs no answer here.
                if let Some(leg) = closed {
                    while self.shard.poll_output().is_some() {}
                    self.ports.retain(|_, (owner, _)| *owner != leg);
                }
            }
            Output::Event(event) => self.log.push(event),
        }
    }

    fn open(&mut self, leg: LegId, now: Now) {
        if self.ports_left == 0 {
            return self.phone.handle_input(Input::OpenFailed { leg }, now);
        }
        self.ports_left -= 1;
        let (rtp, rtcp) = (self.next_port, self.next_port + 1);
        self.next_port += 2;
        self.ports.insert(rtp, (leg, Channel::Rtp));
        self.ports.insert(rtcp, (leg, Channel::Rtcp));
        self.shard.handle_input(
            havre_media::Input::Command(havre_media::Command::Open { leg, face: havre_media::Face::Plain }),
            now,
        );
        self.phone.handle_input(Input::Opened { leg, rtp, rtcp }, now);
    }
}
