//! An on-call person's telephone, rung over trunks: the switch, driven by hand.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use havre_dialplan::{Catalogue, Dialplan, Targets};
use havre_media::{Clip, Command, Event};
use havre_model::{
    AgentId, AgentProfile, AgentState, CallEvent, Digit, LegId, Now, PlayId, Role, Roles, Spoken, What,
    WithdrawReason, WrapUp,
};
use havre_sip::{NumberFormat, Outbound, Outside, Peer, Ping, Transport, Trunk};
use havre_switch::{
    CodecPolicy, Configuration, Input, Library, MediaInput, Output, Outsiders, SrtpPolicy, Switch,
};

const HAVRE: &str = "192.0.2.10:5060";
const CARRIER: &str = "198.51.100.7:5060";
const FIRST: &str = "203.0.113.1:5060";
const SECOND: &str = "203.0.113.2:5060";
const TELEPHONE: &str = "+15145550177";

struct Node {
    switch: Switch,
    now: Now,
    /// What was sent, and where.
    sent: Vec<(SocketAddr, String)>,
    media: Vec<Command>,
    states: Vec<AgentState>,
    events: Vec<What>,
    /// Trunks that answer OPTIONS.
    alive: Vec<SocketAddr>,
}

impl Node {
    fn new(alive: &[&str]) -> Self {
        let now = Now::default().after(Duration::from_secs(1_700_000_000));
        let switch = Switch::new(configuration(), [5; 32], now);
        let alive = alive.iter().map(|at| address(at)).collect();
        let mut node = Self {
            switch,
            now,
            sent: Vec::new(),
            media: Vec::new(),
            states: Vec::new(),
            events: Vec::new(),
            alive,
        };
        node.drain();
        node
    }

    fn urgent_caller(&mut self) {
        let invite = "INVITE sip:+18335550100@192.0.2.10 SIP/2.0\r\n\
             Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKcaller\r\nMax-Forwards: 70\r\n\
             From: <sip:+14165550123@carrier.example>;tag=c\r\nTo: <sip:+18335550100@192.0.2.10>\r\n\
             Call-ID: caller\r\nCSeq: 1 INVITE\r\nContact: <sip:198.51.100.7:5060>\r\n\
             Content-Type: application/sdp\r\n\r\nv=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\n\
             c=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
        self.datagram(CARRIER, invite);
        self.advance(2);
        self.press('5');
    }

    /// A key on the leg that was opened last.
    fn press(&mut self, key: char) {
        let (leg, digit) = (self.opened(), Digit::from_char(key).unwrap());
        self.input(Input::Media(MediaInput::Event(Event::Digit { leg, digit })));
    }

    /// What is being said on the leg that was opened last: which it is, and how long the clips are.
    fn said(&self) -> Option<(PlayId, Vec<Clip>)> {
        let ours = self.opened();
        self.media.iter().rev().find_map(|command| match command {
            Command::Play { leg, play, clips } if *leg == ours => Some((*play, clips.clone())),
            _ => None,
        })
    }

    /// It has been said.
    fn heard_out(&mut self) {
        let (leg, play) = (self.opened(), self.said().unwrap().0);
        self.input(Input::Media(MediaInput::Event(Event::PlayDone { leg, play })));
    }

    /// Key 1, and what comes then.
    fn takes_the_call(&mut self) {
        self.press('1');
        self.heard_out();
    }

    /// `;tag=…`, as the caller's 200 had it.
    fn callers_tag(&self) -> String {
        let there =
            |(to, text): &&(SocketAddr, String)| *to == address(CARRIER) && text.starts_with("SIP/2.0 200");
        let (_, ok) = self.sent.iter().find(there).unwrap();
        let to = header(ok, "To");
        to[to.find(";tag=").unwrap()..].to_owned()
    }

    fn why_not(&self) -> Option<WithdrawReason> {
        self.events.iter().rev().find_map(|what| match what {
            What::Withdrawn { why, .. } => Some(*why),
            _ => None,
        })
    }

    fn sent_last(&self, at: &str) -> &str {
        let there = self.sent.iter().rev().find(|(to, _)| *to == address(at));
        there.map_or("", |(_, text)| text)
    }

    fn datagram(&mut self, source: &str, text: &str) {
        self.input(Input::Datagram {
            local: address(HAVRE),
            source: address(source),
            bytes: text.as_bytes(),
        });
    }

    fn input(&mut self, input: Input<'_>) {
        self.switch.handle_input(input, self.now);
        self.drain();
    }

    fn advance(&mut self, secs: u64) {
        let end = self.now.after(Duration::from_secs(secs));
        while let Some(wakeup) = self.switch.poll_timeout().filter(|wakeup| wakeup.at <= end.mono) {
            self.now = self.now.after(wakeup.at.since(self.now.mono));
            self.switch.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn drain(&mut self) {
        while let Some(output) = self.switch.poll_output() {
            match output {
                Output::Transmit { path, bytes } => {
                    let text = String::from_utf8(bytes.to_vec()).unwrap();
                    if text.starts_with("OPTIONS") && self.alive.contains(&path.remote) {
                        let answer = reply(&text, 200, "");
                        let (local, source) = (path.local, path.remote);
                        self.switch.handle_input(
                            Input::Datagram { local, source, bytes: answer.as_bytes() },
                            self.now,
                        );
                    }
                    self.sent.push((path.remote, text));
                }
                Output::Media { command, .. } => {
                    if let Command::Open { leg, .. } = &command {
                        let opened = MediaInput::Opened { leg: *leg, rtp: 20_000, rtcp: 20_001, ice: None };
                        self.switch.handle_input(Input::Media(opened), self.now);
                    }
                    self.media.push(command);
                }
                Output::Agent { state, .. } => self.states.push(state),
                Output::Event(CallEvent { what, .. }) => self.events.push(what),
                _ => {}
            }
        }
    }

    fn opened(&self) -> LegId {
        let legs = self.media.iter().rev().find_map(|command| match command {
            Command::Open { leg, .. } => Some(*leg),
            _ => None,
        });
        legs.unwrap()
    }

    /// The last INVITE that went there.
    fn invited(&self, at: &str) -> Option<String> {
        let there = |(to, text): &&(SocketAddr, String)| *to == address(at) && text.starts_with("INVITE");
        self.sent.iter().rev().find(there).map(|(_, text)| text.clone())
    }

    fn is_bridged(&self) -> bool {
        self.media.iter().any(|command| matches!(command, Command::Bridge { .. }))
    }
}

#[test]
fn the_telephone_rings_at_t_15_over_the_first_trunk_in_the_lines_name() {
    let mut node = Node::new(&[FIRST, SECOND]);
    node.advance(2);
    assert!(matches!(node.states.last(), Some(AgentState::Ready { .. })), "{:?}", node.states);
    node.urgent_caller();
    node.advance(14);
    assert_eq!(node.invited(FIRST), None, "on-call people are the last to be woken");
    node.advance(2);
    let invite = node.invited(FIRST).expect("the telephone rings");
    assert!(invite.starts_with(&format!("INVITE sip:{TELEPHONE}@203.0.113.1 ")), "{invite}");
    assert!(header(&invite, "From").starts_with("<sip:+18335550100@havre.invalid>;tag="), "{invite}");
    assert!(
        !invite.contains("4165550123") && !invite.contains("urgent"),
        "nothing of the caller's: {invite}"
    );
    node.datagram(FIRST, &reply(&invite, 180, ""));
    node.advance(20);
    assert!(
        matches!(node.states.last(), Some(AgentState::Offered { .. })),
        "20 s are no time for a telephone"
    );
    node.datagram(FIRST, &reply(&invite, 200, SDP));
    node.takes_the_call();
    assert!(node.is_bridged());
    assert_eq!(node.invited(SECOND), None);
    node.datagram(FIRST, &bye(&invite));
    assert_eq!(node.switch.calls().count(), 0, "who was called may end the talk");
}

#[test]
fn a_trunk_that_refuses_leads_to_the_next_and_a_person_who_declines_does_not() {
    let mut node = Node::new(&[FIRST, SECOND]);
    node.advance(2);
    node.urgent_caller();
    node.advance(16);
    let first = node.invited(FIRST).unwrap();
    node.datagram(FIRST, &reply(&first, 503, ""));
    let second = node.invited(SECOND).expect("the next trunk at once");
    assert_ne!(header(&first, "Call-ID"), header(&second, "Call-ID"));
    node.datagram(SECOND, &reply(&second, 486, ""));
    node.advance(5);
    assert!(matches!(node.states.last(), Some(AgentState::Ready { .. })), "{:?}", node.states.last());
    assert_eq!(node.switch.calls().count(), 1, "the caller waits on");
    let invites = |node: &Node| node.sent.iter().filter(|(_, text)| text.starts_with("INVITE")).count();
    let before = invites(&node);
    node.advance(20);
    assert_eq!(invites(&node), before, "nobody at home is rung without end");
    node.advance(10);
    assert!(invites(&node) > before, "but again after half a minute");
}

#[test]
fn with_every_trunk_down_nobody_is_on_call_until_one_answers() {
    let mut node = Node::new(&[]);
    node.advance(60);
    assert!(matches!(node.states.last(), Some(AgentState::SignedOut)), "{:?}", node.states);
    node.urgent_caller();
    node.advance(30);
    assert!(node.invited(FIRST).is_none() && node.invited(SECOND).is_none());
    node.alive.push(address(SECOND));
    // Answered soon: a trunk that says nothing for 4 s is left.
    let rung = (0..15).find_map(|_| {
        node.advance(1);
        node.invited(SECOND)
    });
    let invite = rung.expect("the way is there again");
    node.datagram(SECOND, &reply(&invite, 200, SDP));
    node.takes_the_call();
    assert!(node.is_bridged());
}

#[test]
fn a_voicemail_never_has_the_caller() {
    let (mut node, invite) = answered();
    let question = node.said().expect("whoever answers is asked").1;
    assert!(question.len() > 4, "more than once: {question:?}");
    for key in ['2', '#', '0'] {
        node.press(key);
    }
    node.advance(19);
    assert!(!node.is_bridged() && matches!(node.states.last(), Some(AgentState::Offered { .. })));
    node.advance(2);
    assert_eq!(node.why_not(), Some(WithdrawReason::NotTaken));
    assert!(node.sent_last(FIRST).starts_with("BYE"), "{}", node.sent_last(FIRST));
    assert!(!node.is_bridged() && node.switch.calls().count() == 1, "the caller waits on");
    // It is asked again, and hangs up by itself.
    let again = (0..30).find_map(|_| {
        node.advance(1);
        node.invited(FIRST).filter(|again| header(again, "Call-ID") != header(&invite, "Call-ID"))
    });
    let again = again.expect("it rings again");
    node.datagram(FIRST, &reply(&again, 200, SDP));
    node.events.clear();
    node.datagram(FIRST, &bye(&again));
    assert_eq!(node.why_not(), Some(WithdrawReason::NotTaken));
    assert!(!node.is_bridged() && node.switch.calls().count() == 1);
}

#[test]
fn whoever_takes_the_call_first_hears_what_call_it_is() {
    let (mut node, _) = answered();
    let question = node.said().unwrap();
    node.press('1');
    let briefing = node.said().unwrap();
    assert_ne!(briefing.0, question.0);
    assert_eq!(briefing.1.len(), 3, "urgent, of unknown language, and silent: key 5");
    // What ends late is the question that was cut off.
    let leg = node.opened();
    node.input(Input::Media(MediaInput::Event(Event::PlayDone { leg, play: question.0 })));
    node.press('1');
    assert!(!node.is_bridged());
    node.heard_out();
    assert!(node.is_bridged());
}

#[test]
fn the_key_counts_as_sip_info_too() {
    let (mut node, invite) = answered();
    let (from, to) = (header(&invite, "From"), header(&invite, "To"));
    let body = "Signal=1\r\nDuration=160\r\n";
    node.datagram(
        FIRST,
        &format!(
            "INFO sip:havre@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP {FIRST};branch=z9hG4bKinfo\r\nMax-Forwards: 70\r\n\
             From: {to};tag=far\r\nTo: {from}\r\nCall-ID: {}\r\nCSeq: 1 INFO\r\n\
             Content-Type: application/dtmf-relay\r\nContent-Length: {}\r\n\r\n{body}",
            header(&invite, "Call-ID"),
            body.len()
        ),
    );
    node.heard_out();
    assert!(node.is_bridged());
}

#[test]
fn whoever_is_asked_for_a_caller_who_left_is_thanked() {
    let (mut node, _) = answered();
    let question = node.said().unwrap().0;
    node.datagram(
        CARRIER,
        "BYE sip:+18335550100@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKleft\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+14165550123@carrier.example>;tag=c\r\nTo: <sip:+18335550100@192.0.2.10>;tag=@\r\n\
         Call-ID: caller\r\nCSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n"
            .replace(";tag=@", &node.callers_tag())
            .as_str(),
    );
    assert_eq!(node.switch.calls().count(), 0);
    assert_ne!(node.said().unwrap().0, question, "they are told");
    assert!(!node.sent_last(FIRST).starts_with("BYE"), "and not hung up in the middle of it");
    node.press('1');
    node.heard_out();
    assert!(node.sent_last(FIRST).starts_with("BYE"), "{}", node.sent_last(FIRST));
    assert!(!node.is_bridged());
    assert!(matches!(node.states.last(), Some(AgentState::Ready { .. })), "{:?}", node.states.last());
}

/// The telephone rings, and is answered by somebody or something.
fn answered() -> (Node, String) {
    let mut node = Node::new(&[FIRST, SECOND]);
    node.advance(2);
    node.urgent_caller();
    node.advance(16);
    let invite = node.invited(FIRST).unwrap();
    node.datagram(FIRST, &reply(&invite, 200, SDP));
    (node, invite)
}

const SDP: &str =
    "v=0\r\no=- 2 1 IN IP4 203.0.113.1\r\ns=-\r\nc=IN IP4 203.0.113.1\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n";

fn configuration() -> Configuration {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let catalogue = Catalogue::load(&root.join("prompts")).unwrap();
    let targets = Targets { on_call: true, partner: false, interpreter: false };
    let text = std::fs::read_to_string(root.join("dialplans/hotline.toml")).unwrap();
    let text = text.replacen("[on_call]\nenabled = false", "[on_call]\nenabled = true", 1);
    let plan = Dialplan::parse("hotline.toml", &text, &catalogue, targets).unwrap();
    let trunk = |id: &str, outbound| Trunk {
        id: id.parse().unwrap(),
        sources: if id == "carrier" { vec!["198.51.100.0/24".parse().unwrap()] } else { Vec::new() },
        digest: None,
        certificate: None,
        numbers: Vec::new(),
        strip_prefixes: Vec::new(),
        overload: Default::default(),
        caps: Default::default(),
        outbound,
    };
    let on_call: AgentId = "on-call".parse().unwrap();
    let person = AgentProfile {
        id: on_call.clone(),
        languages: [Spoken::En].into_iter().collect(),
        ui_language: Spoken::En,
        roles: Roles::default().with(Role::OnCall),
        wrap_up: WrapUp::After(Duration::from_secs(120)),
        ready_on_register: true,
    };
    let sip = havre_sip::Config {
        listeners: vec![address(HAVRE)],
        trunks: vec![
            trunk("carrier", None),
            trunk("first", Some(outbound(FIRST, 1))),
            trunk("second", Some(outbound(SECOND, 2))),
        ],
        ..havre_sip::Config::default()
    };
    let outside = Outside { group: "out".parse().unwrap(), number: TELEPHONE.to_owned() };
    Configuration {
        sip,
        agents: vec![person],
        outsiders: Outsiders { phones: [(on_call, outside)].into() },
        ring_first: HashSet::new(),
        srtp: SrtpPolicy::default(),
        codecs: CodecPolicy::default(),
        plan,
        library: Arc::new(Library::unencoded(&catalogue)),
        rtp_advertise: "192.0.2.10".parse().unwrap(),
        rtp_advertise_other: None,
        browser: None,
        shards: 2,
    }
}

fn outbound(at: &str, priority: u16) -> Outbound {
    Outbound {
        peer: Peer::At(address(at)),
        transport: Some(Transport::Udp),
        account: None,
        group: "out".parse().unwrap(),
        priority,
        weight: 1,
        answer_within: Duration::from_secs(4),
        ring_within: Duration::from_secs(8),
        numbers: NumberFormat::E164,
        from: None,
        user_phone: false,
        asserted: false,
        reliable: false,
        session_timer: false,
        ping: Some(Ping::default()),
        register: None,
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn header(message: &str, name: &str) -> String {
    let prefix = format!("{name}: ");
    message.lines().find_map(|line| line.strip_prefix(prefix.as_str())).unwrap_or_default().to_owned()
}

fn reply(request: &str, status: u16, sdp: &str) -> String {
    let [via, from, to, id, seq] = ["Via", "From", "To", "Call-ID", "CSeq"].map(|name| header(request, name));
    format!(
        "SIP/2.0 {status} Word\r\nVia: {via}\r\nFrom: {from}\r\nTo: {to};tag=far\r\nCall-ID: {id}\r\n\
         CSeq: {seq}\r\nContact: <sip:far@203.0.113.1>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
}

/// The far side hangs up.
fn bye(invite: &str) -> String {
    let (from, to) = (header(invite, "From"), header(invite, "To"));
    format!(
        "BYE sip:havre@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP {FIRST};branch=z9hG4bKbye\r\nMax-Forwards: 70\r\n\
         From: {to};tag=far\r\nTo: {from}\r\nCall-ID: {}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
        header(invite, "Call-ID")
    )
}
