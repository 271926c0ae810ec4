//! A browser as ICE and SRTP see it, and a gateway's shard with a leg for it; its STUN is rtc-stun's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use havre_media::sdp::{BrowserLocal, Fingerprint, Local, Negotiated, Session};
use havre_media::srtp::{Keys, Pair, Receiver, Sender, Suite};
use havre_media::{
    Codec, Command, Config, Event, Face, Handshake, IceLocal, Input, Output, Shard, limits, rtp,
};
use havre_model::{LegId, Now};
use rtc_stun::attributes::{
    ATTR_ICE_CONTROLLED, ATTR_ICE_CONTROLLING, ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME,
};
use rtc_stun::error_code::ErrorCodeAttribute;
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Getter, Message, Setter, TransactionId};
use rtc_stun::textattrs::TextAttribute;
use rtc_stun::xoraddr::XorMappedAddress;

/// One browser.
pub struct Browser {
    pub ice: IceLocal,
    pub fingerprint: Fingerprint,
    checks: u64,
    sequence: u16,
    sender: Sender,
    receiver: Receiver,
}

/// How a check looks.
#[derive(Clone, Debug)]
pub struct Look {
    pub nominates: bool,
    pub priority: u32,
    pub controlled: bool,
    /// An attribute besides.
    pub extra: Option<u16>,
}

impl Default for Look {
    fn default() -> Self {
        Self { nominates: false, priority: 1_000, controlled: false, extra: None }
    }
}

pub const NOMINATES: Look = Look { nominates: true, priority: 1_000, controlled: false, extra: None };

/// What came out of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Begin { client: bool },
    Packet(Vec<u8>),
    End,
}

pub struct Gateway {
    pub shard: Shard,
    pub now: Now,
    pub sent: Vec<(LegId, SocketAddr, Vec<u8>)>,
    pub steps: Vec<(LegId, Step)>,
    pub events: Vec<Event>,
    next_leg: u64,
}

impl Gateway {
    pub fn new() -> Self {
        let now = Now::default().after(Duration::from_secs(1_000));
        let shard = Shard::new(Arc::new(Config::default()), [7; 32], now);
        Self { shard, now, sent: Vec::new(), steps: Vec::new(), events: Vec::new(), next_leg: 1 }
    }

    /// A leg for a browser, open but not agreed.
    pub fn open(&mut self, face: Face) -> LegId {
        let leg = LegId(self.next_leg);
        self.next_leg += 1;
        self.command(Command::Open { leg, face });
        leg
    }

    pub fn ice(&self, leg: LegId) -> IceLocal {
        self.shard.ice(leg).unwrap().clone()
    }

    /// An offer of ours, and the browser's answer.
    pub fn agree(&mut self, leg: LegId, browser: &Browser, codecs: &[Codec]) -> Negotiated {
        let ours = BrowserLocal {
            ice: self.ice(leg),
            fingerprint: Fingerprint([1; 32]),
            candidates: vec!["192.0.2.1:19000".parse().unwrap()],
        };
        let theirs = BrowserLocal {
            ice: browser.ice.clone(),
            fingerprint: browser.fingerprint,
            candidates: Vec::new(),
        };
        let local = |port, browser| Local {
            addr: [192, 0, 2, 1].into(),
            rtp: port,
            rtcp: port,
            codecs: codecs.to_vec(),
            browser: Some(browser),
            sdes: None,
        };
        let mut session = Session::new(local(19_000, ours), 1);
        let offer = session.offer();
        let (answer, _) = Session::new(local(9, theirs), 2).answer(&offer).unwrap();
        // Our own answers are passive, for we are no browser; a browser's are active.
        let answer = String::from_utf8(answer).unwrap().replace("setup:passive", "setup:active");
        session.accept(answer.as_bytes()).unwrap()
    }

    pub fn configure(&mut self, leg: LegId, negotiated: Negotiated) {
        self.command(Command::Configure { leg, negotiated: Box::new(negotiated) });
    }

    pub fn command(&mut self, command: Command) {
        self.shard.handle_input(Input::Command(command), self.now);
        self.drain();
    }

    /// A datagram on the shared port.
    pub fn shared(&mut self, source: SocketAddr, bytes: &[u8]) {
        self.shard.handle_input(Input::Shared { source, bytes }, self.now);
        self.drain();
    }

    pub fn run(&mut self, millis: u64) {
        let end = self.now.after(Duration::from_millis(millis));
        while let Some(wakeup) = self.shard.poll_timeout().filter(|w| w.at <= end.mono) {
            self.now = self.now.after(wakeup.at.since(self.now.mono));
            self.shard.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// The answer to a check, if there was one: 0 for "good", or the error.
    pub fn check(&mut self, leg: LegId, browser: &mut Browser, from: &str, look: &Look) -> Option<u16> {
        let from = addr(from);
        let ice = self.ice(leg);
        let check = browser.check(&ice, look);
        self.sent.clear();
        self.shared(from, &check);
        let (_, to, answer) = self.sent.iter().find(|(_, _, bytes)| bytes[0] < 4)?;
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        assert_eq!(*to, from, "whoever asks is answered");
        Some(read_answer(answer, &check, &ice.password, from))
    }

    /// Where the leg's audio goes now.
    pub fn destination(&mut self) -> Option<SocketAddr> {
        self.sent.clear();
        self.run(40);
        self.sent.iter().rev().find(|(_, _, bytes)| bytes[0] >= 128).map(|(_, to, _)| *to)
    }

    pub fn counter(&self, name: &str) -> u64 {
        self.shard.counters().iter().find(|(n, _)| *n == name).unwrap().1
    }

    fn drain(&mut self) {
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Transmit { leg, to, bytes, .. } | Output::Answer { leg, to, bytes } => {
                    self.sent.push((leg, to, bytes.to_vec()));
                }
                Output::Event(Event::Quality { .. }) => {}
                Output::Event(event) => self.events.push(event),
                Output::Handshake { leg, step } => {
                    let step = match step {
                        Handshake::Begin { client, .. } => Step::Begin { client },
                        Handshake::Packet(bytes) => Step::Packet(bytes.to_vec()),
                        Handshake::End => Step::End,
                    };
                    self.steps.push((leg, step));
                }
            }
        }
    }
}

impl Browser {
    pub fn new(seed: u8) -> Self {
        let name = |length| (0..length).map(|i| char::from(b'a' + (i + seed) % 26)).collect();
        let pair = pair(seed);
        Self {
            ice: IceLocal { ufrag: name(4), password: name(24) },
            fingerprint: Fingerprint([seed; 32]),
            checks: 0,
            sequence: 1,
            sender: Sender::new(pair.receive),
            receiver: Receiver::new(pair.send),
        }
    }

    /// A connectivity check for the leg with these credentials.
    pub fn check(&mut self, leg: &IceLocal, look: &Look) -> Vec<u8> {
        self.checks += 1;
        let mut id = [0; 12];
        id[..8].copy_from_slice(&self.checks.to_be_bytes());
        id[8] = self.fingerprint.0[0];
        let user = format!("{}:{}", leg.ufrag, self.ice.ufrag);
        let mut message = Message::new();
        message
            .build(&[
                Box::new(TransactionId(id)),
                Box::new(BINDING_REQUEST),
                Box::new(TextAttribute::new(ATTR_USERNAME, user)),
            ])
            .unwrap();
        message.add(ATTR_PRIORITY, &look.priority.to_be_bytes());
        message.add(if look.controlled { ATTR_ICE_CONTROLLED } else { ATTR_ICE_CONTROLLING }, &[1; 8]);
        if look.nominates {
            message.add(ATTR_USE_CANDIDATE, &[]);
        }
        if let Some(kind) = look.extra {
            message.add(rtc_stun::attributes::AttrType(kind), b"what?");
        }
        let provider = rtc_stun::crypto::default_provider().unwrap();
        MessageIntegrity::new_short_term_integrity_with_provider(leg.password.clone(), provider.crypto())
            .add_to(&mut message)
            .unwrap();
        FINGERPRINT.add_to(&mut message).unwrap();
        message.raw
    }

    /// 20 ms of its audio, as SRTP.
    pub fn audio(&mut self, payload_type: u8, payload: &[u8]) -> Vec<u8> {
        let sequence = self.sequence;
        self.sequence += 1;
        let timestamp = u32::from(sequence) * 160;
        let header =
            rtp::Packet { marker: false, payload_type, sequence, timestamp, ssrc: 77, payload }.header();
        let mut packet = [&header[..], payload].concat();
        packet.resize(packet.len() + self.sender.keys().suite().rtp_overhead(), 0);
        self.sender.protect_rtp(&mut packet).unwrap();
        packet
    }

    /// What an RTP packet of ours holds.
    pub fn hears(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut room = [0; limits::MAX_PACKET];
        let packet = self.receiver.unprotect_rtp(bytes, &mut room).ok()?;
        Some(rtp::parse(packet).unwrap().payload.to_vec())
    }

    /// It agrees upon other keys.
    pub fn rekey(&mut self, seed: u8) {
        let pair = pair(seed);
        self.sender = Sender::new(pair.receive);
        self.receiver = Receiver::new(pair.send);
    }
}

/// Keys as DTLS would agree upon, seen from the gateway.
pub fn pair(seed: u8) -> Pair {
    let keys = |seed| Keys::new(Suite::AeadAes128Gcm, &[seed; 16], &[seed.wrapping_add(1); 12]).unwrap();
    Pair { send: keys(seed), receive: keys(seed.wrapping_add(100)) }
}

/// Checks an answer with rtc-stun's eyes; gives 0, or the error's code.
fn read_answer(answer: &[u8], check: &[u8], password: &str, from: SocketAddr) -> u16 {
    assert_eq!(answer[4..20], check[4..20], "cookie and transaction");
    let mut message = Message::new();
    message.raw = answer.to_vec();
    message.decode().unwrap();
    let provider = rtc_stun::crypto::default_provider().unwrap();
    FINGERPRINT.check(&message).unwrap();
    MessageIntegrity::check(&mut message, password.as_bytes(), provider.crypto()).unwrap();
    if message.typ == BINDING_SUCCESS {
        let mut seen = XorMappedAddress::default();
        seen.get_from(&message).unwrap();
        assert_eq!(SocketAddr::new(seen.ip, seen.port), from);
        return 0;
    }
    let mut error = ErrorCodeAttribute::default();
    error.get_from(&message).unwrap();
    error.code.0
}

pub fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}
