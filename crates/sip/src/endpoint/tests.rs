//! Storms: random datagrams, streams, commands and time, interleaved. Nothing panics, no table outgrows its limit,
//! and every leg ends once.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use havre_model::{Cause, Digit, FlowId, LegId, Now};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::Method;
use crate::config::{Limits, LineNumbers, Password, Trunk};
use crate::wire::{Message, Name, Uri, parse_datagram};

const ROOMY: Limits = Limits { transactions: 40, legs: 6, flows: 4, bindings_per_agent: 2 };
const TIGHT: Limits = Limits { transactions: 8, ..ROOMY };
const SOURCES: [&str; 3] = ["198.51.100.7:5060", "198.51.100.8:5060", "233.252.0.66:5060"];
const STATUSES: [u16; 14] = [100, 180, 183, 200, 200, 202, 302, 401, 408, 422, 481, 486, 491, 603];
const METHODS: [&str; 12] = [
    "INVITE", "ACK", "BYE", "CANCEL", "INFO", "OPTIONS", "UPDATE", "REGISTER", "PRACK", "REFER", "INVITE",
    "INVITE",
];

/// One step of a storm: what, and three numbers to choose with.
type Step = (u8, u8, u8, u16);

struct Storm {
    endpoint: Endpoint,
    now: Now,
    /// Messages that the endpoint sent, to be answered and followed up.
    sent: Vec<Message>,
    legs: HashMap<LegId, bool>,
    order: Vec<LegId>,
    flows: Vec<FlowId>,
    dialled: u64,
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        rng_seed: RngSeed::Fixed(20_261_123),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_storm_breaks_nothing(steps in prop::collection::vec(any::<Step>(), 1..150), anyone: bool) {
        let mut storm = Storm::new(anyone);
        for step in steps {
            storm.step(step);
            storm.check();
        }
        storm.calm();
    }
}

impl Storm {
    fn new(anyone: bool) -> Self {
        let limits = if anyone { TIGHT } else { ROOMY };
        let config = Config {
            accounts: [("agent".parse().unwrap(), Password::new("secret"))].into(),
            trunks: vec![Trunk {
                id: "trunk".parse().unwrap(),
                sources: vec!["198.51.100.0/24".parse().unwrap()],
                digest: None,
                certificate: None,
                numbers: Vec::new(),
                strip_prefixes: Vec::new(),
                overload: Default::default(),
                caps: Default::default(),
                outbound: None,
            }],
            lines: vec![LineNumbers {
                line: "line".parse().unwrap(),
                numbers: vec!["+18335550100".to_owned()],
            }],
            accept_anyone: anyone,
            limits,
            ..Config::default()
        };
        let now = Now::default();
        Self {
            endpoint: Endpoint::new(Arc::new(config), [7; 32], now),
            now,
            sent: Vec::new(),
            legs: HashMap::new(),
            order: Vec::new(),
            flows: Vec::new(),
            dialled: 0,
        }
    }

    fn step(&mut self, (what, a, b, c): Step) {
        let source: SocketAddr = SOURCES[usize::from(a) % 3].parse().unwrap();
        let local: SocketAddr = "192.0.2.10:5060".parse().unwrap();
        match what % 12 {
            0 => self.datagram(source, local, fresh(a, b, c).as_bytes()),
            1 | 2 => {
                if let Some(text) = self.in_dialog(b, c) {
                    self.datagram(source, local, text.as_bytes());
                }
            }
            3..=5 => {
                if let Some(bytes) = self.response(b, c) {
                    self.datagram(source, local, &bytes);
                }
            }
            6 => {
                let mut bytes = fresh(a, b, c).into_bytes();
                let at = usize::from(c) % bytes.len();
                bytes[at] = b;
                self.datagram(source, local, &bytes);
            }
            7 => self.stream(a, b, c, source, local),
            8 if b.is_multiple_of(4) => {
                self.input(Input::Load { delay: Duration::from_millis(u64::from(c % 100)) });
            }
            8 => self.input(Input::Unreachable { local, remote: source }),
            9 | 10 => self.command(a, b, c, local, source),
            _ => {
                self.now = self.now.after(Duration::from_millis(u64::from(c) * u64::from(b % 4 + 1)));
                self.endpoint.handle_timeout(self.now);
                self.drain();
            }
        }
    }

    fn stream(&mut self, a: u8, b: u8, c: u16, remote: SocketAddr, local: SocketAddr) {
        let known = self.flows.get(usize::from(b) % self.flows.len().max(1)).copied();
        match (a % 5, known) {
            (3, Some(flow)) => {
                let text = fresh(a, b, c).replace("/UDP", "/WSS");
                self.input(Input::Message { flow, bytes: text.as_bytes() });
            }
            (0, Some(flow)) => {
                self.flows.retain(|known| *known != flow);
                self.input(Input::Closed { flow });
            }
            (1 | 2, Some(flow)) => {
                let text = fresh(a, b, c).replace("/UDP", "/TCP");
                let cut = usize::from(c) % text.len();
                self.input(Input::Stream { flow, bytes: &text.as_bytes()[..cut] });
                if !b.is_multiple_of(3) {
                    self.input(Input::Stream { flow, bytes: &text.as_bytes()[cut..] });
                }
            }
            _ => {
                let flow = FlowId(u64::from(c));
                self.flows.push(flow);
                let secure = b.is_multiple_of(2);
                let link = match a {
                    0..=63 => Link::Tcp,
                    64..=128 => {
                        Link::Tls { names: if secure { vec!["carrier.example".into()] } else { vec![] } }
                    }
                    _ => Link::Web(FlowOwner { agent: "advocate-fr".parse().unwrap(), secure }),
                };
                self.input(Input::Connected { flow, local, remote, link });
            }
        }
    }

    fn command(&mut self, a: u8, b: u8, c: u16, local: SocketAddr, remote: SocketAddr) {
        let leg = self.order.get(usize::from(b) % self.order.len().max(1)).copied().unwrap_or(LegId(99));
        let sdp = Bytes::from_static(b"v=0\r\n");
        let from = Identity { display: "EN".to_owned(), user: "line".to_owned(), host: None };
        let account =
            Account { user: "u".to_owned(), realm: "havre".to_owned(), password: Password::new("p") };
        let command = match a % 12 {
            0 => Command::Progress { leg, status: 180 },
            1 | 2 => Command::Answer { leg, sdp },
            3 => Command::Reject { leg, status: STATUSES[usize::from(c) % STATUSES.len()] },
            4 => {
                self.dialled += 1;
                let leg = LegId(self.dialled);
                self.legs.insert(leg, true);
                self.order.push(leg);
                let uri = Uri::parse("sip:+14165550123@198.51.100.7").unwrap();
                let path = match b % 4 {
                    0 | 2 => Path::udp(local, remote),
                    1 => Path::tcp(local, remote),
                    _ => Path::tls(local, remote),
                };
                let target = Target::Uri { uri, path };
                Command::Dial {
                    leg,
                    target,
                    from,
                    sdp: (!c.is_multiple_of(3)).then(|| sdp.into()),
                    account: Some(account),
                }
            }
            5 => Command::Ack { leg, sdp },
            6 => Command::Reoffer { leg, sdp },
            7 => Command::SendDigit { leg, digit: Digit::from_event(5).unwrap() },
            8 => Command::Probe { leg },
            9 | 10 => Command::HangUp { leg, cause: Cause::Done },
            _ if c.is_multiple_of(2) => Command::Unregister,
            _ => {
                let uri = Uri::parse("sip:u@198.51.100.7").unwrap();
                let registrar = Path::udp(local, remote);
                Command::Register { account, registrar, uri, expires: Duration::from_secs(60) }
            }
        };
        self.input(Input::Command(command));
    }

    fn datagram(&mut self, source: SocketAddr, local: SocketAddr, bytes: &[u8]) {
        self.input(Input::Datagram { local, source, bytes });
    }

    fn input(&mut self, input: Input<'_>) {
        self.endpoint.handle_input(input, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit { bytes, .. } if bytes.len() > 4 => {
                    // Answers to junk lack what the junk lacked.
                    self.sent.extend(parse_datagram(&bytes));
                }
                Output::Transmit { .. } => {}
                Output::Connect { flow, .. } => self.flows.push(flow),
                Output::Disconnect { flow } => self.flows.retain(|known| *known != flow),
                // No trunk here has a name.
                Output::Resolve(question) => panic!("{question:?} was asked"),
                Output::Event(event) => self.note(&event),
            }
        }
        let excess = self.sent.len().saturating_sub(32);
        self.sent.drain(..excess);
    }

    fn note(&mut self, event: &Event) {
        let Some(leg) = event.leg() else { return };
        match event {
            Event::Incoming { .. } => {
                assert!(self.legs.insert(leg, true).is_none(), "{leg} came twice");
                self.order.push(leg);
            }
            Event::Ended { .. } => {
                assert_eq!(self.legs.insert(leg, false), Some(true), "{event:?}");
                self.order.retain(|known| *known != leg);
            }
            _ => assert_eq!(self.legs.get(&leg), Some(&true), "{event:?} of a leg that is over"),
        }
    }

    fn check(&self) {
        let (clients, servers, flows, timers) = self.endpoint.stack.sizes();
        let limits = self.endpoint.stack.config.limits;
        assert!(clients + servers <= limits.transactions, "{clients} + {servers} transactions");
        assert!(flows <= limits.flows, "{flows} connections");
        assert!(self.endpoint.legs.len() <= limits.legs, "{} legs", self.endpoint.legs.len());
        // Each transaction and connection has at most one deadline, a leg four, our registration one; all
        // answered transactions share one, and so do calls that wait.
        let owed = clients + servers + flows + 4 * self.endpoint.legs.len() + 2;
        assert!(
            timers <= owed + usize::from(self.endpoint.registration.is_some()),
            "{timers} timers, {owed} owed"
        );
        let open = self.legs.values().filter(|open| **open).count();
        assert_eq!(open, self.endpoint.legs.len(), "what was told is what is held");
    }

    /// Everybody hangs up and time passes: nothing is left.
    fn calm(mut self) {
        self.input(Input::Command(Command::Unregister));
        for leg in self.order.clone() {
            self.input(Input::Command(Command::HangUp { leg, cause: Cause::Done }));
        }
        for flow in self.flows.clone() {
            self.input(Input::Closed { flow });
        }
        for _ in 0..2000 {
            let Some(wakeup) = self.endpoint.poll_timeout() else { break };
            self.now = self.now.after(wakeup.at.since(self.now.mono));
            self.endpoint.handle_timeout(self.now);
            self.drain();
            // Calls that waited are let in.
            for leg in self.order.clone() {
                self.input(Input::Command(Command::HangUp { leg, cause: Cause::Done }));
            }
        }
        assert_eq!(self.endpoint.legs.len(), 0);
        assert_eq!(self.endpoint.stack.sizes(), (0, 0, 0, 0), "something is kept for ever");
        assert_eq!((self.endpoint.stack.finished(), self.endpoint.waiting()), (0, 0));
    }

    /// A request in a dialog that a response of ours has named.
    fn in_dialog(&self, b: u8, c: u16) -> Option<String> {
        let tagged = |message: &&Message| {
            let tag =
                message.headers().to().is_ok_and(|to| to.tag().is_some_and(|tag| !tag.starts_with('x')));
            tag && matches!(message, Message::Response(_))
        };
        // The latest are the likeliest to be of a call in progress.
        let headers = self.sent.iter().rev().filter(tagged).nth(usize::from(c) % 5)?.headers();
        let method = METHODS[usize::from(b) % METHODS.len()];
        let (from, to, id) =
            (headers.first(&Name::From)?, headers.first(&Name::To)?, headers.first(&Name::CallId)?);
        let seq = if matches!(method, "ACK" | "CANCEL") { 1 } else { c % 5 + 1 };
        let body = if b.is_multiple_of(2) { "v=0\r\n" } else { "" };
        let via = match (method, headers.first(&Name::Via)) {
            ("CANCEL" | "ACK", Some(via)) if c.is_multiple_of(2) => via.to_owned(),
            _ => format!("SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKd{c}"),
        };
        let kind = if method == "INFO" { "application/dtmf" } else { "application/sdp" };
        Some(format!(
            "{method} sip:havre@192.0.2.10 SIP/2.0\r\nVia: {via}\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {id}\r\n\
             CSeq: {seq} {method}\r\nContact: <sip:198.51.100.7>\r\nContent-Type: {kind}\r\nSupported: timer\r\n\
             Session-Expires: {}\r\nContent-Length: {}\r\n\r\n{body}",
            c % 200,
            body.len()
        ))
    }

    /// A response to a request that we have sent.
    fn response(&self, b: u8, c: u16) -> Option<Bytes> {
        let mut requests = self.sent.iter().rev().filter_map(|message| match message {
            Message::Request(request) if request.method != Method::Ack => Some(request),
            _ => None,
        });
        let request = requests.nth(usize::from(c) % 5)?;
        let mut response =
            request.respond(STATUSES[usize::from(b) % STATUSES.len()], Some(&format!("t{}", c % 3)));
        response.headers.push(Name::Contact, "<sip:198.51.100.7:5080>");
        response.headers.push(Name::Allow, if c.is_multiple_of(2) { "UPDATE" } else { "INVITE" });
        response.headers.push(Name::MinSe, "120");
        response.headers.push(Name::SessionExpires, &format!("{};refresher=uac", c % 400));
        response.headers.push(Name::WwwAuthenticate, "Digest realm=\"havre\", nonce=\"n\", qop=\"auth\"");
        if b.is_multiple_of(3) {
            response.headers.push(Name::ContentType, "application/sdp");
            response.body = Bytes::from_static(b"v=0\r\n");
        }
        Some(response.to_bytes())
    }
}

/// A request outside any dialog, from a small world so that requests meet.
fn fresh(a: u8, b: u8, c: u16) -> String {
    let method = METHODS[usize::from(b) % METHODS.len()];
    let user = ["+18335550100", "8335550100", "*40", "nobody"][usize::from(a / 3) % 4];
    let from = ["+14165550123@carrier.example", "agent@havre", "agent@192.0.2.10"][usize::from(c) % 3];
    let body = ["v=0\r\n", "", "Signal=1\r\n"][usize::from(b) % 3];
    format!(
        "{method} sip:{user}@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:{from}>;tag=f{}\r\nTo: <sip:{user}@192.0.2.10>\r\nCall-ID: c{}\r\nCSeq: {} {method}\r\n\
         Contact: <sip:198.51.100.7:5060>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        SOURCES[usize::from(a) % 3],
        c % 64,
        c % 2,
        c % 16,
        c % 3 + 1,
        body.len()
    )
}
