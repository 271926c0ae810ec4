//! Whole runs in virtual time, against a server of ours on the same SIP machine: it answers, asks for a key, rings an
//! agent, and relays; and it can be told to do each of these badly.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use havre_media::Codec;
use havre_media::rtp;
use havre_media::sdp::{Local, Negotiated, Session};
use havre_model::{AgentId, LegId, Mono, Now};
use havre_sip::{Command, Endpoint, Event, Identity, Input, LineNumbers, Output, Password, Target, Trunk};

use super::{Crowd, Places};
use crate::ladder::Ladder;
use crate::plan::tests::plan;
use crate::plan::{Check, Plan, Scenario};
use crate::step::{Reading, Step, Stop};
use crate::tally::Failure;

const SERVER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));
const OURS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 1));
const FRAME: Duration = Duration::from_millis(20);
/// What the relay takes, in microseconds.
const DELAY: u64 = 300;
/// The wall clock at the start, in microseconds.
const EPOCH: u64 = 1_700_000_000_000_000;

#[test]
fn whole_calls_reach_agents_talk_and_end() {
    let done = World::new(Plan { steps: vec![1.0], ..plan(Scenario::Calls) }).run();
    let step = &done.steps[0];
    let tally = &step.tally;
    assert_eq!((tally.offered, tally.answered, tally.bridged, tally.completed), (5, 5, 5, 5));
    assert_eq!(step.faults(Scenario::Calls), Vec::<String>::new());
    // Two seconds both ways, less what it takes to hang up.
    assert!((900..1_100).contains(&(tally.heard.relayed)), "{}", tally.heard.relayed);
    assert_eq!(tally.heard.delay.quantile(0.99), Some(Duration::from_micros(DELAY)));
    assert_eq!((done.stop, done.legs), (None, 0));
}

#[test]
fn calls_that_stay_are_kept_from_step_to_step() {
    let done = World::new(Plan { steps: vec![1.0, 3.0], ..plan(Scenario::Bridged) }).run();
    let seen: Vec<_> = done.steps.iter().map(|step| (step.tally.offered, step.up)).collect();
    assert_eq!(seen, [(1, 1), (2, 3)], "two more come for the second step");
    let heard = &done.steps[1].tally.heard;
    assert_eq!((heard.lost, heard.gaps, heard.crosstalk), (0, 0, 0));
    // Five seconds, six legs.
    assert!((1_490..=1_510).contains(&heard.relayed), "{}", heard.relayed);
}

#[test]
fn a_relay_that_loses_packets_is_found_out() {
    let mut world = World::new(plan(Scenario::Bridged));
    world.faults.lose_every = Some(50);
    let heard = world.run().steps.remove(0).tally.heard;
    assert!((28..=32).contains(&heard.lost), "{} of 1,500", heard.lost);
}

#[test]
fn crossed_lines_are_an_alarm() {
    let mut world = World::new(plan(Scenario::Bridged));
    world.faults.cross = true;
    let step = world.run().steps.remove(0);
    assert!(step.tally.heard.crosstalk > 100);
    assert!(step.faults(Scenario::Bridged)[0].contains("CROSS-TALK"));
}

#[test]
fn a_talk_that_only_one_side_hears_is_an_alarm() {
    let mut world = World::new(plan(Scenario::Bridged));
    world.faults.deaf_agents = true;
    assert_eq!(world.run().steps[0].tally.one_way, 3);
}

#[test]
fn who_waits_has_to_hear_something() {
    let waiting = Plan { keys: Vec::new(), ..plan(Scenario::Waiting) };
    let step = World::new(waiting.clone()).run().steps.remove(0);
    assert_eq!((step.up, step.faults(Scenario::Waiting)), (3, Vec::new()));
    let mut world = World::new(waiting);
    world.faults.mute = true;
    let step = world.run().steps.remove(0);
    assert_eq!(
        (step.up, step.faults(Scenario::Waiting)),
        (3, vec!["3 callers who wait and hear nothing".into()])
    );
}

#[test]
fn a_server_that_dies_while_it_is_measured_is_no_good_one() {
    for (scenario, fault) in [(Scenario::Waiting, "hear nothing"), (Scenario::Bridged, "does not hear")] {
        let keys = if scenario == Scenario::Waiting { Vec::new() } else { plan(scenario).keys };
        let mut world = World::new(Plan { keys, ..plan(scenario) });
        // At rest 2 s, the calls come, settle for 1 s, and are measured for 5 s.
        world.faults.dies_at = Some(world.now.mono + Duration::from_secs(6));
        let faults = world.run().steps.remove(0).faults(scenario);
        assert!(faults.len() == 1 && faults[0].starts_with("3 ") && faults[0].contains(fault), "{faults:?}");
    }
}

#[test]
fn agents_whom_no_caller_hears_are_a_hint() {
    let mut world = World::new(Plan { patience: Duration::from_secs(3), ..plan(Scenario::Bridged) });
    world.faults.recodes = true;
    let step = world.run().steps.remove(0);
    assert_eq!(step.tally.failed, BTreeMap::from([(Failure::NoAgent, 3)]));
    assert!(step.remarks().iter().any(|remark| remark.contains("--check tone")), "{:?}", step.remarks());
}

#[test]
fn callers_of_two_processes_have_different_numbers() {
    let first = |seed| {
        let world = World::new(plan(Scenario::Waiting));
        let mut crowd = Crowd::new(Arc::new(plan(Scenario::Waiting)), world.places, [seed; 32], world.now);
        crowd.dial(world.now);
        let invite = String::from_utf8(crowd.poll_transmit().unwrap().bytes.to_vec()).unwrap();
        let at = invite.find("sip:+1416").unwrap();
        invite[at..at + 16].to_owned()
    };
    assert_eq!(first(1), first(1));
    assert_ne!(first(1), first(2));
}

#[test]
fn tones_tell_who_is_heard_where_stamps_do_not_survive() {
    let done = World::new(Plan { check: Check::Tone, ..plan(Scenario::Bridged) }).run();
    let step = &done.steps[0];
    assert_eq!((step.up, step.tally.one_way, step.tally.heard.tone_breaks), (3, 0, 0));
    assert!(step.tally.heard.relayed > 1_400);
}

#[test]
fn a_long_note_of_the_waiting_sound_is_no_agent() {
    let tones = Plan { check: Check::Tone, keys: Vec::new(), ..plan(Scenario::Bridged) };
    let mut world = World::new(tones);
    world.faults.notes = true;
    let step = world.run().steps.remove(0);
    assert_eq!((step.tally.bridged, step.up), (0, 0));
    assert_eq!(step.tally.failed, BTreeMap::from([(Failure::NoAgent, 3)]));
}

#[test]
fn refused_calls_are_counted_by_status_and_end_the_climb() {
    let mut world = World::new(Plan { steps: vec![1.0, 2.0], ..plan(Scenario::Signalling) });
    world.faults.refuse = Some(503);
    let done = world.run();
    assert_eq!(done.steps.len(), 1);
    assert_eq!(done.steps[0].tally.failed, BTreeMap::from([(Failure::Refused(503), 5)]));
    assert_eq!(done.stop, Some(Stop::Failed(1.0)));
}

#[test]
fn a_server_that_says_nothing_fails_every_call_in_time() {
    let mut world = World::new(Plan { steps: vec![1.0], ..plan(Scenario::Calls) });
    world.faults.silent = true;
    let done = world.run();
    // Three are the most at once; they give up after ten seconds, when nobody calls any more.
    assert_eq!(done.steps[0].tally.failed, BTreeMap::from([(Failure::NoAnswer, 3)]));
    assert_eq!(done.steps[0].tally.held_back, 2);
}

#[test]
fn a_port_where_nobody_listens_is_said_to_be_one() {
    let mut world = World::new(Plan { steps: vec![1.0], ..plan(Scenario::Signalling) });
    world.faults.absent = true;
    let step = world.run().steps.remove(0);
    assert_eq!(step.tally.failed, BTreeMap::from([(Failure::NoAnswer, 5)]));
    let faults = step.faults(Scenario::Signalling);
    assert!(faults.iter().any(|fault| fault.contains("nobody listens")), "{faults:?}");
    let mut world = World::new(plan(Scenario::Bridged));
    world.faults.absent = true;
    assert_eq!(world.run().stop, Some(Stop::AgentsMissing { registered: 0, all: 3 }));
}

#[test]
fn a_server_that_comes_after_us_is_waited_for() {
    let mut world = World::new(plan(Scenario::Bridged));
    world.faults.absent = true;
    (0..5).for_each(|_| world.tick());
    assert!(world.crowd.tally().unreachable > 0);
    world.faults.absent = false;
    let step = world.run().steps.remove(0);
    assert_eq!((step.up, step.faults(Scenario::Bridged)), (3, Vec::new()));
}

#[test]
fn callers_whom_no_agent_takes_give_up() {
    let mut nobody = plan(Scenario::Calls);
    nobody.keys.clear();
    nobody.steps = vec![0.2];
    let done = World::new(nobody).run();
    assert_eq!(done.steps[0].tally.failed, BTreeMap::from([(Failure::NoAgent, 1)]));
}

#[test]
fn media_goes_to_nobody_but_the_server() {
    let mut world = World::new(plan(Scenario::Waiting));
    let stranger = IpAddr::from([192, 0, 2, 1]);
    world.media = stranger;
    let done = world.run();
    assert_eq!(done.steps[0].tally.failed, BTreeMap::from([(Failure::MediaElsewhere(stranger), 3)]));
    assert_eq!(done.sent, 0);
}

#[test]
fn an_interruption_hangs_up_every_call() {
    let mut world = World::new(plan(Scenario::Bridged));
    while world.crowd.census().talking < 3 {
        world.tick();
    }
    world.ladder.cut(&mut world.crowd, world.now);
    let done = world.run();
    assert_eq!((done.steps.len(), done.stop, done.legs), (0, Some(Stop::Cut), 0));
}

#[test]
fn a_wrong_password_is_told_at_once() {
    let mut wrong = plan(Scenario::Bridged);
    wrong.agents.accounts[1].password = Password::new("wrong");
    let world = World::new(wrong);
    let start = world.now.mono;
    let done = world.run();
    assert!(
        matches!(done.stop, Some(Stop::AgentRefused { ref user, .. }) if user == "a1"),
        "{:?}",
        done.stop
    );
    assert!(done.ended.since(start) < Duration::from_secs(10));
}

/// What came of a run.
struct Done {
    steps: Vec<Step>,
    stop: Option<Stop>,
    /// Legs that the server still has.
    legs: usize,
    /// RTP packets that we sent.
    sent: u64,
    ended: Mono,
}

#[derive(Default)]
struct Faults {
    lose_every: Option<u64>,
    cross: bool,
    deaf_agents: bool,
    refuse: Option<u16>,
    silent: bool,
    /// Nobody is there at all.
    absent: bool,
    /// The waiting sound has long notes: the caller's own, in this world.
    notes: bool,
    /// Nobody who waits hears anything.
    mute: bool,
    /// What is passed on is encoded anew.
    recodes: bool,
    dies_at: Option<Mono>,
}

struct World {
    crowd: Crowd,
    ladder: Ladder,
    now: Now,
    places: Places,
    server: Endpoint,
    at: SocketAddr,
    /// The address in the server's SDP.
    media: IpAddr,
    legs: BTreeMap<LegId, Leg>,
    /// Agents that have no call.
    free: Vec<String>,
    ports: u16,
    serial: u64,
    sent: u64,
    faults: Faults,
}

/// A leg at the server.
struct Leg {
    port: u16,
    session: Session,
    remote: Option<Negotiated>,
    peer: Option<LegId>,
    agent: Option<String>,
}

impl World {
    fn new(plan: Plan) -> Self {
        let now = Now::default();
        let at = plan.server;
        let account = |n: usize| (format!("a{n}").parse::<AgentId>().unwrap(), Password::new("secret"));
        let config = havre_sip::Config {
            server_name: SERVER.to_string(),
            accounts: (0..3).map(account).collect(),
            trunks: vec![Trunk {
                id: "carrier".parse().unwrap(),
                sources: vec!["127.0.0.1/32".parse().unwrap()],
                digest: None,
                certificate: None,
                numbers: Vec::new(),
                strip_prefixes: Vec::new(),
                overload: Default::default(),
                caps: Default::default(),
                outbound: None,
            }],
            lines: vec![LineNumbers { line: "line".parse().unwrap(), numbers: vec![plan.number.clone()] }],
            ..havre_sip::Config::default()
        };
        let phones = if plan.scenario.has_agents() { 3 } else { 0 };
        let places = Places {
            sip: (0..=phones).map(|n| SocketAddr::new(OURS, 6_000 + n)).collect(),
            rtp: vec![7_000, 7_002],
            media: OURS,
        };
        let plan = Arc::new(plan);
        Self {
            crowd: Crowd::new(Arc::clone(&plan), places.clone(), [1; 32], now),
            ladder: Ladder::new(plan, [2; 32], now),
            now,
            places,
            server: Endpoint::new(Arc::new(config), [3; 32], now),
            at,
            media: SERVER,
            legs: BTreeMap::new(),
            free: (0..3).map(|n| format!("a{n}")).collect(),
            ports: 10_000,
            serial: 1 << 32,
            sent: 0,
            faults: Faults::default(),
        }
    }

    fn run(mut self) -> Done {
        while !self.ladder.is_over() {
            assert!(self.now.mono < Mono::from_start(Duration::from_secs(600)), "it never ends");
            self.tick();
        }
        let (legs, sent, ended) = (self.server.legs(), self.sent, self.now.mono);
        let (steps, _, stop) = self.ladder.finish();
        Done { steps, stop, legs, sent, ended }
    }

    /// Twenty milliseconds of everything.
    fn tick(&mut self) {
        self.now = self.now.after(FRAME);
        if self.faults.dies_at.is_some_and(|at| at <= self.now.mono) {
            self.legs.clear();
            self.faults.silent = true;
        }
        self.server.handle_timeout(self.now);
        self.crowd.handle_timeout(self.now);
        self.relay();
        self.ladder.advance(&mut self.crowd, &mut Reading::default, self.now);
        self.exchange();
    }

    fn micros(&self) -> u64 {
        EPOCH + self.now.mono.since_start().as_micros() as u64
    }

    /// Carries SIP both ways until nobody has anything to say.
    fn exchange(&mut self) {
        loop {
            let mut quiet = true;
            while let Some(transmit) = self.crowd.poll_transmit() {
                quiet = false;
                if self.faults.absent {
                    self.crowd.on_unreachable(transmit.station, self.now);
                } else if !self.faults.silent || transmit.bytes.starts_with(b"REGISTER") {
                    let source = self.places.sip[transmit.station];
                    let input = Input::Datagram { local: self.at, source, bytes: &transmit.bytes };
                    self.server.handle_input(input, self.now);
                }
            }
            while let Some(output) = self.server.poll_output() {
                quiet = false;
                match output {
                    Output::Transmit { path, bytes } => {
                        let station = self.places.sip.iter().position(|at| *at == path.remote).unwrap();
                        self.crowd.on_datagram(station, self.at, &bytes, self.now);
                    }
                    Output::Event(event) => self.on_event(event),
                    Output::Connect { .. } | Output::Disconnect { .. } | Output::Resolve(_) => {
                        unreachable!("no TCP and no names here")
                    }
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Incoming { leg, offer, .. } => {
                if let Some(status) = self.faults.refuse {
                    return self.command(Command::Reject { leg, status });
                }
                let mut session = self.session();
                let (sdp, remote) = session.1.answer(&offer.unwrap()).unwrap();
                let (port, session) = session;
                self.legs.insert(leg, Leg { port, session, remote: Some(remote), peer: None, agent: None });
                self.command(Command::Answer { leg, sdp: sdp.into() });
            }
            Event::Answered { leg, sdp } => {
                let state = self.legs.get_mut(&leg).unwrap();
                state.remote = Some(state.session.accept(&sdp.unwrap()).unwrap());
            }
            Event::Ended { leg, .. } => {
                let Some(gone) = self.legs.remove(&leg) else { return };
                self.free.extend(gone.agent);
                if let Some(peer) = gone.peer {
                    self.command(Command::HangUp { leg: peer, cause: havre_model::Cause::Done });
                }
            }
            _ => {}
        }
    }

    /// Rings an agent for a caller.
    fn ring(&mut self, caller: LegId) {
        let Some(agent) = self.free.pop() else { return };
        self.serial += 1;
        let leg = LegId(self.serial);
        let (port, mut session) = self.session();
        let sdp = Some(bytes::Bytes::from(session.offer()).into());
        let target = Target::Agent(agent.parse::<AgentId>().unwrap());
        let from = Identity { display: String::new(), user: "line".into(), host: None };
        self.legs.insert(leg, Leg { port, session, remote: None, peer: Some(caller), agent: Some(agent) });
        self.legs.get_mut(&caller).unwrap().peer = Some(leg);
        self.command(Command::Dial { leg, target, from, sdp, account: None });
    }

    fn relay(&mut self) {
        let mut packets = Vec::new();
        for port in 0..self.places.rtp.len() {
            let source = self.places.rtp[port];
            let micros = self.micros();
            self.crowd.speak(port, micros, |to, bytes| packets.push((source, to, bytes.to_vec())));
        }
        for (source, to, bytes) in packets {
            self.sent += 1;
            let of = |leg: &&LegId| {
                let leg = &self.legs[leg];
                let remote = leg.remote.as_ref().map(|remote| remote.remote_rtp);
                leg.port == to.port() && remote == Some(SocketAddr::new(OURS, source))
            };
            let Some(from) = self.legs.keys().find(of).copied() else { continue };
            let packet = rtp::parse(&bytes).unwrap();
            let peer = self.legs[&from].peer;
            if packet.payload_type == 101 && packet.marker && peer.is_none() {
                self.ring(from);
            }
            let lost = self.faults.lose_every.is_some_and(|every| self.sent.is_multiple_of(every));
            if packet.payload_type != 0 || lost {
                continue;
            }
            // Waiting sound, or what is left of a voice.
            let mut dull = bytes.clone();
            if !self.faults.notes {
                dull[rtp::HEADER..].fill(0xff);
            }
            if peer.is_none() && !self.faults.mute {
                self.deliver(from, &dull);
            }
            let heard = if self.faults.recodes { &dull } else { &bytes };
            let crossed = self.faults.cross && packet.sequence.is_multiple_of(4);
            let all = self.legs.keys().copied().filter(|leg| Some(*leg) == peer || crossed && *leg != from);
            for leg in all.collect::<Vec<_>>() {
                self.deliver(leg, heard);
            }
        }
    }

    fn deliver(&mut self, leg: LegId, bytes: &[u8]) {
        let leg = &self.legs[&leg];
        let deaf = self.faults.deaf_agents && leg.agent.is_some();
        let Some(remote) = leg.remote.as_ref().filter(|_| !deaf) else { return };
        let port = self.places.rtp.iter().position(|port| *port == remote.remote_rtp.port()).unwrap();
        let at = self.micros() + DELAY;
        self.crowd.on_rtp(port, SocketAddr::new(self.media, leg.port), bytes, at, self.now);
    }

    fn session(&mut self) -> (u16, Session) {
        self.ports += 2;
        let (rtp, rtcp) = (self.ports, self.ports + 1);
        let local =
            Local { addr: self.media, rtp, rtcp, codecs: vec![Codec::Pcmu], browser: None, sdes: None };
        (rtp, Session::new(local, rtp.into()))
    }

    fn command(&mut self, command: Command) {
        self.server.handle_input(Input::Command(command), self.now);
    }
}
