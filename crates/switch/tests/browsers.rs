//! What a browser is told of its media, from the offer to hold, and a test call: the switch, driven by hand.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use havre_dialplan::{Catalogue, Dialplan, Targets};
use havre_media::sdp::{Fingerprint, Negotiated};
use havre_media::{Command, Event, Face, IceLocal};
use havre_model::{AgentProfile, CallId, Digit, FlowId, LegId, Now, Quality, Role, Roles, Spoken, WrapUp};
use havre_sip::{FlowOwner, Link, Password, Trunk};
use havre_switch::{
    BrowserMedia, CodecPolicy, Configuration, Input, Library, MediaInput, Output, SrtpPolicy, Switch,
};

const HAVRE: &str = "192.0.2.10:5060";
const CARRIER: &str = "198.51.100.7:5060";
const PAGE: FlowId = FlowId(1);
/// The port that a data thread's browsers share.
const SHARED: u16 = 19_000;
const HASH: &str =
    "19:E2:1C:3B:4B:9F:81:E6:B8:5C:F4:A5:A8:D8:73:04:BB:05:2F:70:9F:04:A9:0E:05:E9:26:33:E8:70:88:A2";

/// A node whose one advocate is in a browser.
struct Node {
    switch: Switch,
    now: Now,
    /// What was sent, and whether it went to the page.
    sent: Vec<(bool, String)>,
    media: Vec<Command>,
    /// What happened in the call, by its words.
    events: Vec<&'static str>,
}

impl Node {
    fn new(browser: bool) -> Self {
        let now = Now::default().after(Duration::from_secs(1_700_000_000));
        let mut switch = Switch::new(configuration(browser), [5; 32], now);
        let link = Link::Web(FlowOwner { agent: "advocate-en".parse().unwrap(), secure: true });
        let (local, remote) = (address(HAVRE), address("203.0.113.40:49152"));
        switch.handle_input(Input::Connected { flow: PAGE, local, remote, link }, now);
        let mut node = Self { switch, now, sent: Vec::new(), media: Vec::new(), events: Vec::new() };
        node.page(&request("REGISTER", "sip:havre", "register", 1, ";expires=600", ""));
        node
    }

    /// A caller has pressed 1, and the page rings: its INVITE.
    fn rings(&mut self) -> String {
        let invite = "INVITE sip:+18335550100@192.0.2.10 SIP/2.0\r\n\
             Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKcaller\r\nMax-Forwards: 70\r\n\
             From: <sip:+14165550123@carrier.example>;tag=c\r\nTo: <sip:+18335550100@192.0.2.10>\r\n\
             Call-ID: caller\r\nCSeq: 1 INVITE\r\nContact: <sip:198.51.100.7:5060>\r\n\
             Content-Type: application/sdp\r\n\r\nv=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\n\
             c=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
        let (local, source) = (address(HAVRE), address(CARRIER));
        self.input(Input::Datagram { local, source, bytes: invite.as_bytes() });
        self.advance(5);
        let caller = self.opened(Face::Plain);
        let digit = Digit::from_char('1').unwrap();
        self.input(Input::Media(MediaInput::Event(Event::Digit { leg: caller, digit })));
        self.advance(5);
        let found = self.sent.iter().find(|(page, text)| *page && text.starts_with("INVITE"));
        found.unwrap_or_else(|| panic!("nothing rings: {:#?}", self.sent)).1.clone()
    }

    fn page(&mut self, text: &str) {
        self.input(Input::Message { flow: PAGE, bytes: text.as_bytes() });
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
                    self.sent.push((path.flow.is_some(), String::from_utf8(bytes.to_vec()).unwrap()));
                }
                Output::Media { command, .. } => {
                    if let Command::Open { leg, face } = &command {
                        let (leg, web) = (*leg, *face == Face::Browser);
                        let ice = web.then(|| IceLocal { ufrag: "ours".into(), password: "p".repeat(24) });
                        let (rtp, rtcp) = if web { (SHARED, SHARED) } else { (20_000, 20_001) };
                        let opened = MediaInput::Opened { leg, rtp, rtcp, ice };
                        self.switch.handle_input(Input::Media(opened), self.now);
                    }
                    self.media.push(command);
                }
                Output::Event(event) => self.events.push(event.what.as_str()),
                _ => {}
            }
        }
    }

    /// The advocate's state, and whether they count as unheard.
    fn state(&self) -> (&'static str, bool) {
        let view = self.switch.queue().agent(&"advocate-en".parse().unwrap()).unwrap();
        (view.state.as_str(), view.unheard)
    }

    /// The last leg that was opened for such a far side.
    fn opened(&self, wanted: Face) -> LegId {
        let legs = self.media.iter().rev().find_map(|command| match command {
            Command::Open { leg, face } if *face == wanted => Some(*leg),
            _ => None,
        });
        legs.unwrap()
    }

    /// What was agreed with a leg last.
    fn agreed(&self, leg: LegId) -> &Negotiated {
        let agreed = self.media.iter().rev().find_map(|command| match command {
            Command::Configure { leg: of, negotiated } if *of == leg => Some(negotiated),
            _ => None,
        });
        agreed.unwrap()
    }

    /// The last answer to the page.
    fn answer(&self) -> &str {
        &self.sent.iter().rev().find(|(page, text)| *page && text.starts_with("SIP/2.0 200")).unwrap().1
    }
}

fn configuration(browser: bool) -> Configuration {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let catalogue = Catalogue::load(&root.join("prompts")).unwrap();
    let targets = Targets { on_call: false, partner: false, interpreter: false };
    let text = std::fs::read_to_string(root.join("dialplans/hotline.toml")).unwrap();
    let plan = Dialplan::parse("hotline.toml", &text, &catalogue, targets).unwrap();
    let trunk = Trunk {
        id: "carrier".parse().unwrap(),
        sources: vec!["198.51.100.0/24".parse().unwrap()],
        digest: None,
        certificate: None,
        numbers: Vec::new(),
        strip_prefixes: Vec::new(),
        overload: Default::default(),
        caps: Default::default(),
        outbound: None,
    };
    let advocate = AgentProfile {
        id: "advocate-en".parse().unwrap(),
        languages: [Spoken::En].into_iter().collect(),
        ui_language: Spoken::En,
        roles: Roles::default().with(Role::Advocate),
        wrap_up: WrapUp::Manual,
        ready_on_register: true,
    };
    let sip = havre_sip::Config {
        accounts: [(advocate.id.clone(), Password::new("secret"))].into(),
        trunks: vec![trunk],
        ..havre_sip::Config::default()
    };
    let hosts = ["192.0.2.10", "2001:db8::10"].map(|ip| ip.parse().unwrap());
    let browser =
        browser.then(|| BrowserMedia { fingerprint: Fingerprint([7; 32]), candidates_host: hosts.to_vec() });
    Configuration {
        sip,
        agents: vec![advocate],
        outsiders: Default::default(),
        ring_first: HashSet::new(),
        srtp: SrtpPolicy::default(),
        codecs: CodecPolicy::default(),
        plan,
        library: Arc::new(Library::unencoded(&catalogue)),
        rtp_advertise: "192.0.2.10".parse().unwrap(),
        rtp_advertise_other: None,
        browser,
        shards: 2,
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A request of the page's.
fn request(method: &str, uri: &str, call_id: &str, seq: u32, contact: &str, sdp: &str) -> String {
    let to = if method == "REGISTER" { "sip:advocate-en@havre" } else { uri };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/WSS x.invalid;branch=z9hG4bK{method}{seq}\r\nMax-Forwards: 69\r\n\
         To: <{to}>\r\nFrom: <sip:advocate-en@havre>;tag=p\r\nCall-ID: {call_id}\r\nCSeq: {seq} {method}\r\n\
         Contact: <sip:page@x.invalid;transport=ws>{contact}\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
}

/// What the page has in each description, as Chrome has it.
fn description(setup: &str, direction: &str) -> String {
    format!(
        "v=0\r\no=- 4611 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 0 110\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:4ZcD\r\n\
         a=ice-pwd:2/1muCWoOi3uLifh0NuRHlMK\r\na=fingerprint:sha-256 {HASH}\r\na=setup:{setup}\r\na=mid:0\r\n\
         a={direction}\r\na=rtcp-mux\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:110 telephone-event/8000\r\n"
    )
}

fn line(message: &str, name: &str) -> String {
    let prefix = format!("{name}: ");
    message.lines().find_map(|line| line.strip_prefix(prefix.as_str())).unwrap_or_default().to_owned()
}

/// The page takes what rings.
fn answered(node: &mut Node, invite: &str) {
    let sdp = description("active", "sendrecv");
    let headers =
        ["Via", "From", "Call-ID", "CSeq"].map(|name| format!("{name}: {}\r\n", line(invite, name)));
    node.page(&format!(
        "SIP/2.0 200 OK\r\n{}To: {};tag=page\r\nContact: <sip:page@x.invalid;transport=ws>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        headers.concat(),
        line(invite, "To"),
        sdp.len()
    ));
    node.advance(1);
}

/// A request of the page's, in the dialog that our INVITE began.
fn in_dialog(method: &str, invite: &str, seq: u32, sdp: &str) -> String {
    let text = request(method, "sip:havre@192.0.2.10:5060;transport=ws", "x", seq, "", sdp);
    let text = text.replace("Call-ID: x", &format!("Call-ID: {}", line(invite, "Call-ID")));
    let from = format!("From: {};tag=page", line(invite, "To"));
    let text = text.replace("From: <sip:advocate-en@havre>;tag=p", &from);
    text.replace("To: <sip:havre@192.0.2.10:5060;transport=ws>", &format!("To: {}", line(invite, "From")))
}

const OURS: [&str; 6] = [
    "a=ice-lite",
    "a=ice-ufrag:ours",
    "a=rtcp-mux",
    "a=candidate:1 1 udp 2130706431 192.0.2.10 19000 typ host",
    "a=candidate:2 1 udp 2130706175 2001:db8::10 19000 typ host",
    "a=fingerprint:sha-256 07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07:07",
];

#[track_caller]
fn has_ours(message: &str, more: &[&str]) {
    for line in OURS.iter().chain(more) {
        assert!(message.contains(&format!("{line}\r\n")), "{line} is not in {message}");
    }
}

#[test]
fn an_offer_to_a_browser_says_what_webrtc_wants_and_its_answer_reaches_the_data_plane() {
    let mut node = Node::new(true);
    let invite = node.rings();
    has_ours(&invite, &["a=setup:actpass", "a=sendrecv"]);
    assert!(invite.contains("m=audio 19000 UDP/TLS/RTP/SAVPF 0 "), "the caller's codec first: {invite}");
    let call: CallId = node.switch.calls().next().unwrap().id();
    assert_eq!(line(&invite, "X-Havre-Call"), call.to_string());
    assert!(!invite.contains("4165550123"), "nothing of the caller's");
    answered(&mut node, &invite);
    let far = node.agreed(node.opened(Face::Browser)).browser.clone().unwrap();
    assert_eq!((far.ufrag.as_str(), far.fingerprint), ("4ZcD", HASH.parse().unwrap()));
    assert!(node.media.iter().any(|command| matches!(command, Command::Bridge { .. })));
}

#[test]
fn hold_keeps_the_connection_that_ice_and_dtls_have_made() {
    for direction in ["sendonly", "inactive"] {
        let mut node = Node::new(true);
        let invite = node.rings();
        answered(&mut node, &invite);
        let leg = node.opened(Face::Browser);
        let before = node.agreed(leg).browser.clone();
        node.page(&in_dialog("INVITE", &invite, 1, &description("actpass", direction)));
        has_ours(node.answer(), &["a=setup:passive"]);
        assert!(node.switch.calls().next().unwrap().is_held(), "{direction}");
        assert_eq!(node.agreed(leg).browser, before);
        node.page(&in_dialog("INVITE", &invite, 2, &description("actpass", "sendrecv")));
        assert!(!node.switch.calls().next().unwrap().is_held(), "{direction}");
        assert_eq!(node.agreed(leg).browser, before);
    }
}

#[test]
fn a_test_call_of_a_browser_is_answered_as_a_browser_wants() {
    let mut node = Node::new(true);
    let offer = description("actpass", "sendrecv");
    node.page(&request("INVITE", "sip:*45@havre", "test", 1, "", &offer));
    has_ours(node.answer(), &["a=setup:passive", "a=group:BUNDLE 0"]);
    let leg = node.opened(Face::Browser);
    assert!(node.agreed(leg).browser.is_some());
    let to = line(node.answer(), "To");
    let ack = request("ACK", "sip:havre@192.0.2.10:5060;transport=ws", "test", 1, "", "");
    let ack = ack.replace("To: <sip:havre@192.0.2.10:5060;transport=ws>", &format!("To: {to}"));
    node.page(&ack);
    let play = node.media.iter().find_map(|command| match command {
        Command::Play { play, .. } => Some(*play),
        _ => None,
    });
    node.input(Input::Media(MediaInput::Event(Event::PlayDone { leg, play: play.unwrap() })));
    assert!(matches!(node.media.last(), Some(Command::Echo { leg: echoes }) if *echoes == leg));
    node.input(Input::Closed { flow: PAGE });
    assert!(matches!(node.media.last(), Some(Command::Close { leg: closed }) if *closed == leg));
}

/// A talk that has lasted for a while; the page's leg. What was sent until now is forgotten.
fn talking() -> (Node, String, LegId) {
    let mut node = Node::new(true);
    let invite = node.rings();
    answered(&mut node, &invite);
    node.advance(5);
    let leg = node.opened(Face::Browser);
    node.sent.clear();
    node.events.clear();
    (node, invite, leg)
}

/// The port of a page that hangs up is closed before its BYE arrives over another connection.
#[test]
fn a_port_that_closes_before_the_bye_loses_no_advocate_and_rings_nobody_again() {
    let (mut node, invite, leg) = talking();
    node.input(Input::Media(MediaInput::Event(Event::Unreachable { leg })));
    let to_page = |node: &Node, method: &str| {
        node.sent.iter().filter(|(page, text)| *page && text.starts_with(method)).count()
    };
    assert_eq!(to_page(&node, "OPTIONS"), 1, "it is asked: {:#?}", node.sent);
    assert_eq!(node.events, [""; 0]);
    node.page(&in_dialog("BYE", &invite, 1, ""));
    node.drain();
    assert!(node.answer().contains("BYE"), "{:#?}", node.sent);
    node.advance(25);
    assert_eq!(to_page(&node, "INVITE"), 0, "who hung up is not called again: {:#?}", node.sent);
    assert_eq!(node.events.iter().filter(|what| **what != "quality").collect::<Vec<_>>(), [&"ended"]);
    assert!(node.sent.iter().any(|(page, text)| !page && text.starts_with("BYE")), "{:#?}", node.sent);
}

/// A page that is gone says nothing more: it is away after its time to answer, and the caller is kept for it a while.
#[test]
fn a_port_that_closes_without_a_bye_is_a_page_that_is_away() {
    let (mut node, _, leg) = talking();
    node.input(Input::Media(MediaInput::Event(Event::Unreachable { leg })));
    node.advance(4);
    assert_eq!(node.events, [""; 0]);
    node.advance(1);
    assert_eq!(node.events, ["agent_away"]);
    node.advance(19);
    assert_eq!(node.events, ["agent_away"]);
    node.advance(1);
    assert_eq!(node.events[1..4], ["agent_lost", "risk", "rejoined"], "{:?}", node.events);
}

/// A page in a network without UDP costs one caller ten seconds, and no second one.
#[test]
fn a_page_of_which_nothing_was_heard_is_offered_nothing_until_a_test_call_is_heard() {
    let mut node = Node::new(true);
    let invite = node.rings();
    answered(&mut node, &invite);
    let leg = node.opened(Face::Browser);
    // A second has passed since it answered.
    node.advance(2);
    let for_ = Duration::from_secs(3);
    node.input(Input::Media(MediaInput::Event(Event::MediaLost { leg, for_ })));
    // It is there, and says so; that proves nothing of its sound.
    let asked = node.sent.iter().rev().find(|(page, text)| *page && text.starts_with("OPTIONS")).unwrap();
    let headers =
        ["Via", "From", "To", "Call-ID", "CSeq"].map(|name| format!("{name}: {}\r\n", line(&asked.1, name)));
    node.page(&format!("SIP/2.0 200 OK\r\n{}Content-Length: 0\r\n\r\n", headers.concat()));
    node.advance(8);
    assert!(node.events.contains(&"agent_lost") && node.events.contains(&"rejoined"), "{:?}", node.events);
    let invites =
        |node: &Node| node.sent.iter().filter(|(page, text)| *page && text.starts_with("INVITE")).count();
    assert_eq!(invites(&node), 1);
    // It registers again, as pages do every minute, and when they are loaded again; it is there, and says so.
    for seq in 2..5 {
        node.page(&request("REGISTER", "sip:havre", "register", seq, ";expires=600", ""));
        node.advance(30);
    }
    assert_eq!(node.state(), ("signed_out", true));
    assert_eq!(invites(&node), 1, "the caller waits on, and it does not ring");
    // A test call that is not heard changes nothing; nor does it that the page called.
    let test = |node: &mut Node, seq, received| {
        node.page(&request(
            "INVITE",
            "sip:*45@havre",
            &format!("test-{seq}"),
            seq,
            "",
            &description("actpass", "sendrecv"),
        ));
        let leg = node.opened(Face::Browser);
        let quality = Quality {
            codec: "PCMU",
            srtp: None,
            received,
            lost: 0,
            loss_permille: 0,
            jitter: Duration::ZERO,
            round_trip: None,
            mos: None,
            far: None,
        };
        let event = Event::Quality { leg, quality, last: false };
        node.input(Input::Media(MediaInput::Event(event)));
        node.input(Input::Media(MediaInput::Event(Event::MediaLost { leg, for_ })));
    };
    test(&mut node, 1, 0);
    node.advance(1);
    assert_eq!((node.state(), invites(&node)), (("signed_out", true), 1));
    test(&mut node, 2, 40);
    node.advance(20);
    assert!(!node.state().1);
    assert_ne!(node.state().0, "signed_out");
}

#[test]
fn without_a_certificate_nobody_is_told_of_one() {
    let mut node = Node::new(false);
    let invite = node.rings();
    assert!(invite.contains("m=audio 20000 RTP/AVP "), "{invite}");
}
