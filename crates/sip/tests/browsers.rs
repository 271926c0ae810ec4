//! Advocates in a browser: SIP over WebSocket (RFC 7118) behind the console's login, as JsSIP 3.13 writes it.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod net;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use havre_model::{AgentId, CallId, Cause, FlowId, LegId, Now};
use havre_sip::{
    Command, Config, Endpoint, Event, FlowOwner, Input, Link, Origin, Output, Path, Target, Transport,
};
use net::raw::*;
use net::*;

const FLOW: FlowId = FlowId(1);
const RELOADED: FlowId = FlowId(2);
const OTHER_TAB: FlowId = FlowId(3);
const BROWSER: &str = "203.0.113.40:49152";
const LEG: LegId = LegId(7);
const TAB: &str = "8f1f1c0e-7f0a-4b1e-9b57-0f5a3f1c2d3e";
const SECOND_TAB: &str = "5a3f1c2d-1c0e-4b1e-9b57-8f1f7f0a3e3e";

/// Havre, driven by hand.
struct Line {
    havre: Endpoint,
    now: Now,
}

impl Line {
    fn new(config: Config) -> Self {
        let now = Now::default().after(secs(1));
        Self { havre: Endpoint::new(Arc::new(config), [3; 32], now), now }
    }

    /// Havre, and one page that has registered.
    fn registered() -> Self {
        let mut line = Self::new(gateway());
        line.connects(FLOW, "advocate-fr");
        line.sends(FLOW, &register("page-1", "sip:jl8lmv34@1vp3vfnguib4.invalid;transport=ws", TAB, 600));
        line
    }

    fn connects(&mut self, flow: FlowId, agent: &str) -> Vec<Output> {
        self.connects_as(flow, Link::Web(FlowOwner { agent: agent.parse().unwrap(), secure: true }))
    }

    fn connects_as(&mut self, flow: FlowId, link: Link) -> Vec<Output> {
        let address = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let (local, remote) = (address(HAVRE), address(BROWSER));
        self.havre.handle_input(Input::Connected { flow, local, remote, link }, self.now);
        self.outputs()
    }

    fn sends(&mut self, flow: FlowId, text: &str) -> Vec<Output> {
        self.havre.handle_input(Input::Message { flow, bytes: text.as_bytes() }, self.now);
        self.outputs()
    }

    fn closes(&mut self, flow: FlowId) -> Vec<Output> {
        self.havre.handle_input(Input::Closed { flow }, self.now);
        self.outputs()
    }

    fn command(&mut self, command: Command) -> Vec<Output> {
        self.havre.handle_input(Input::Command(command), self.now);
        self.outputs()
    }

    fn rings(&mut self, resume: bool) -> Vec<Output> {
        let target = Target::Browser { agent: fr(), call: CallId(0xc0ffee), resume };
        let (from, sdp) = (identity("line"), Some(sdp(OFFER).into()));
        self.command(Command::Dial { leg: LEG, target, from, sdp, account: None })
    }

    /// The call is up: the page answered what rang.
    fn talks(&mut self) -> String {
        let invite = messages(&self.rings(false)).remove(0).1;
        self.sends(FLOW, &answer(&invite, 200, "page", ANSWER));
        invite
    }

    fn waits(&mut self, duration: std::time::Duration) -> Vec<Output> {
        let end = self.now.after(duration);
        while let Some(wakeup) = self.havre.poll_timeout().filter(|wakeup| wakeup.at <= end.mono) {
            self.now = self.now.after(wakeup.at.since(self.now.mono));
            self.havre.handle_timeout(self.now);
        }
        self.now = end;
        self.outputs()
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.havre.poll_output()).collect()
    }

    fn bindings(&self) -> Vec<Option<FlowId>> {
        self.havre.bindings().map(|(_, binding)| binding.path.flow).collect()
    }
}

fn fr() -> AgentId {
    "advocate-fr".parse().unwrap()
}

/// As JsSIP 3.13.8 writes it, byte for byte, but for what is random in it.
fn register(call_id: &str, contact: &str, tab: &str, expires: u32) -> String {
    crlf(&format!(
        "REGISTER sip:havre.example SIP/2.0\n\
         Via: SIP/2.0/WSS 1vp3vfnguib4.invalid;branch=z9hG4bK{call_id}{expires}\n\
         Max-Forwards: 69\n\
         To: <sip:advocate-fr@havre.example>\n\
         From: <sip:advocate-fr@havre.example>;tag=86nd2ivrh3\n\
         Call-ID: {call_id}\n\
         CSeq: {} REGISTER\n\
         Expires: {expires}\n\
         Contact: <{contact}>;+sip.ice;reg-id=1;+sip.instance=\"<urn:uuid:{tab}>\";expires={expires}\n\
         Allow: INVITE,ACK,CANCEL,BYE,UPDATE,MESSAGE,OPTIONS,REFER,INFO,NOTIFY,SUBSCRIBE\n\
         Supported: path,gruu,outbound\n\
         User-Agent: JsSIP 3.13.8\n\
         Content-Length: 0\n\n",
        if expires == 0 { 2 } else { 1 }
    ))
}

/// A page calls a feature code.
fn test_call(code: &str, from: &str) -> String {
    crlf(&format!(
        "INVITE sip:{code}@havre.example SIP/2.0\n\
         Via: SIP/2.0/WSS 1vp3vfnguib4.invalid;branch=z9hG4bK8833190\n\
         Max-Forwards: 69\n\
         To: <sip:{code}@havre.example>\n\
         From: <sip:{from}@havre.example>;tag=7b1ujhgl7s\n\
         Call-ID: s1dv7rjeom92bk5g00dgu0{code}{from}\n\
         CSeq: 4711 INVITE\n\
         Contact: <sip:jl8lmv34@1vp3vfnguib4.invalid;transport=ws;ob>\n\
         Content-Type: application/sdp\n\
         Allow: INVITE,ACK,CANCEL,BYE,UPDATE,MESSAGE,OPTIONS,REFER,INFO,NOTIFY,SUBSCRIBE\n\
         Supported: ice,replaces,outbound\n\
         User-Agent: JsSIP 3.13.8\n\
         Content-Length: {}\n\n{OFFER}",
        crlf(OFFER).len()
    ))
}

/// The page's answer to a request of ours.
fn answer(request: &str, status: u16, tag: &str, body: &str) -> String {
    let line = |name: &str| all(request, name).remove(0).to_owned();
    let mut text = format!("SIP/2.0 {status} OK\r\n");
    for name in ["Via", "From", "Call-ID", "CSeq"] {
        text += &format!("{name}: {}\r\n", line(name));
    }
    text += &format!("To: {};tag={tag}\r\n", line("To"));
    text += "Contact: <sip:jl8lmv34@1vp3vfnguib4.invalid;transport=ws>\r\n";
    text += "Content-Type: application/sdp\r\n";
    text + &format!("Supported: outbound\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn messages(outputs: &[Output]) -> Vec<(Path, String)> {
    let sent = outputs.iter().filter_map(|output| match output {
        Output::Transmit { path, bytes } => Some((*path, String::from_utf8_lossy(bytes).into_owned())),
        _ => None,
    });
    sent.collect()
}

fn events(outputs: &[Output]) -> Vec<&Event> {
    let events = outputs.iter().filter_map(|output| match output {
        Output::Event(event) => Some(event),
        _ => None,
    });
    events.collect()
}

fn closed(outputs: &[Output]) -> Vec<FlowId> {
    let closed = outputs.iter().filter_map(|output| match output {
        Output::Disconnect { flow } => Some(*flow),
        _ => None,
    });
    closed.collect()
}

#[test]
fn a_page_registers_without_a_password_and_finds_its_own_binding_in_the_answer() {
    let mut line = Line::new(gateway());
    line.connects(FLOW, "advocate-fr");
    let outputs =
        line.sends(FLOW, &register("page-1", "sip:jl8lmv34@1vp3vfnguib4.invalid;transport=ws", TAB, 600));
    assert!(matches!(events(&outputs)[..], [Event::Registered { agent, first: true }] if *agent == fr()));
    let (path, text) = messages(&outputs).remove(0);
    assert_eq!((path.transport, path.flow, status(&text)), (Transport::Wss, Some(FLOW), 200));
    let contact = format!(
        "<sip:jl8lmv34@1vp3vfnguib4.invalid;transport=ws>;expires=600;\
         +sip.instance=\"<urn:uuid:{TAB}>\";reg-id=1"
    );
    assert_eq!(all(&text, "Contact"), [contact.as_str()]);
    assert_eq!((all(&text, "Require"), all(&text, "Supported")), (vec!["outbound"], vec!["outbound"]));
    assert!(all(&text, "Via")[0].starts_with("SIP/2.0/WSS 1vp3vfnguib4.invalid;"));
    assert!(line.havre.has_browser(&fr()));
    assert_eq!(line.havre.counters().challenges, 0);
}

#[test]
fn nobody_registers_or_calls_for_another_over_it() {
    let mut line = Line::new(gateway());
    line.connects(FLOW, "advocate-en");
    let outputs = line.sends(FLOW, &register("page-1", "sip:x@y.invalid", TAB, 600));
    assert_eq!(status(&messages(&outputs)[0].1), 403);
    assert!(line.bindings().is_empty());
    let outputs = line.sends(FLOW, &test_call("*40", "advocate-fr"));
    assert_eq!(status(&messages(&outputs)[0].1), 403);
    assert!(matches!(events(&outputs)[..], [Event::Refused { status: 403, .. }]));
}

#[test]
fn a_websocket_of_no_account_is_closed_and_one_whose_account_goes_too() {
    let mut line = Line::new(gateway());
    assert_eq!(closed(&line.connects(FLOW, "nobody")), [FLOW]);
    let mut line = Line::registered();
    let mut config = gateway();
    config.accounts.remove(&fr());
    let outputs = line.command(Command::Configure(Arc::new(config)));
    assert_eq!(closed(&outputs), [FLOW]);
    assert!(matches!(events(&outputs)[..], [Event::Unregistered { .. }]));
}

#[test]
fn messages_and_bytes_do_not_mix() {
    let mut line = Line::new(gateway());
    line.connects(FLOW, "advocate-fr");
    line.connects_as(OTHER_TAB, Link::Tcp);
    let text = register("page-1", "sip:x@y.invalid", TAB, 600);
    line.havre.handle_input(Input::Stream { flow: FLOW, bytes: text.as_bytes() }, line.now);
    assert!(line.outputs().is_empty(), "a WebSocket has no stream");
    assert!(line.sends(OTHER_TAB, &text).is_empty(), "a stream has no messages");
    assert!(line.sends(FlowId(9), &text).is_empty(), "nobody knows this one");
    assert!(line.bindings().is_empty());
}

#[test]
fn keep_alives_and_nonsense_are_borne() {
    let mut line = Line::registered();
    assert_eq!(messages(&line.sends(FLOW, "\r\n\r\n"))[0].1, "\r\n");
    assert!(line.sends(FLOW, "\r\n").is_empty());
    assert!(line.sends(FLOW, "").is_empty());
    assert!(messages(&line.sends(FLOW, "{\"no\": \"sip\"}\r\n\r\n")).is_empty());
    assert_eq!((line.havre.counters().malformed, line.bindings().len()), (1, 1));
}

#[test]
fn a_page_that_calls_itself_a_scanner_is_answered_all_the_same() {
    let mut line = Line::new(gateway());
    line.connects(FLOW, "advocate-fr");
    let text = register("page-1", "sip:x@y.invalid", TAB, 600).replace("JsSIP 3.13.8", "friendly-scanner");
    assert_eq!(status(&messages(&line.sends(FLOW, &text))[0].1), 200);
}

#[test]
fn the_page_is_rung_over_its_websocket_and_told_the_call() {
    let mut line = Line::registered();
    let outputs = line.rings(false);
    let (path, invite) = messages(&outputs).remove(0);
    assert_eq!(path.flow, Some(FLOW));
    assert!(
        invite.starts_with("INVITE sip:jl8lmv34@1vp3vfnguib4.invalid;transport=ws SIP/2.0\r\n"),
        "{invite}"
    );
    assert!(all(&invite, "Via")[0].starts_with("SIP/2.0/WSS 192.0.2.10:5060;"), "{invite}");
    assert_eq!(all(&invite, "Contact"), ["<sip:havre@192.0.2.10:5060;transport=ws>"]);
    assert_eq!(all(&invite, "X-Havre-Call"), [CallId(0xc0ffee).to_string().as_str()]);
    assert!(all(&invite, "X-Havre-Resume").is_empty());

    let outputs = line.sends(FLOW, &answer(&invite, 200, "page", ANSWER));
    assert!(matches!(events(&outputs)[..], [Event::Answered { .. }]));
    assert!(messages(&outputs)[0].1.starts_with("ACK sip:jl8lmv34@1vp3vfnguib4.invalid"));
    let outputs = line.command(Command::HangUp { leg: LEG, cause: Cause::CallerHungUp });
    let (path, bye) = messages(&outputs).remove(0);
    assert!(bye.starts_with("BYE sip:jl8lmv34@1vp3vfnguib4.invalid") && path.flow == Some(FLOW), "{bye}");
    let outputs = line.sends(FLOW, &answer(&bye, 200, "page", "").replace("page;tag=page", "page"));
    assert!(matches!(events(&outputs)[..], [Event::Ended { .. }]), "{:?}", events(&outputs));
}

#[test]
fn a_page_that_comes_back_is_told_to_answer_by_itself() {
    let mut line = Line::registered();
    let invite = messages(&line.rings(true)).remove(0).1;
    assert_eq!(all(&invite, "X-Havre-Resume"), ["yes"]);
}

#[test]
fn every_tab_rings_the_newest_first_and_other_phones_do_not() {
    let mut line = Line::registered();
    line.connects(OTHER_TAB, "advocate-fr");
    line.sends(OTHER_TAB, &register("page-2", "sip:qq@zz.invalid;transport=ws", SECOND_TAB, 600));
    let outputs = line.rings(false);
    let flows: Vec<_> = messages(&outputs).iter().map(|(path, _)| path.flow.unwrap()).collect();
    assert_eq!(flows, [OTHER_TAB, FLOW]);
    let (target, from) = (Target::Agent(fr()), identity("line"));
    let dial = Command::Dial { leg: LegId(8), target, from, sdp: Some(sdp(OFFER).into()), account: None };
    let outputs = line.command(dial);
    assert!(
        matches!(events(&outputs)[..], [Event::Ended { status: Some(480), .. }]),
        "no phone of another kind"
    );
}

#[test]
fn a_closed_websocket_takes_its_binding_at_once_and_leaves_the_call_to_its_owner() {
    let mut line = Line::registered();
    line.talks();
    let outputs = line.closes(FLOW);
    assert!(
        matches!(events(&outputs)[..], [Event::Unregistered { .. }, Event::Detached { leg: LEG }]),
        "{:?}",
        events(&outputs)
    );
    assert!(!line.havre.has_browser(&fr()));
    assert_eq!(line.havre.legs(), 1);
    let outputs = line.command(Command::HangUp { leg: LEG, cause: Cause::AgentLost });
    assert!(matches!(events(&outputs)[..], [Event::Ended { leg: LEG, .. }]), "{:?}", events(&outputs));
    assert_eq!(line.havre.legs(), 0);
}

#[test]
fn a_reloaded_page_replaces_its_old_connection_even_if_nobody_noticed_its_end() {
    let mut line = Line::registered();
    line.talks();
    line.connects(RELOADED, "advocate-fr");
    let contact = "sip:new@page.invalid;transport=ws";
    let outputs = line.sends(RELOADED, &register("page-2", contact, TAB, 600));
    assert_eq!(closed(&outputs), [FLOW]);
    assert!(events(&outputs).contains(&&Event::Detached { leg: LEG }), "{:?}", events(&outputs));
    assert!(!events(&outputs).iter().any(|event| matches!(event, Event::Unregistered { .. })));
    assert_eq!(line.bindings(), [Some(RELOADED)]);
    assert_eq!(line.havre.counters().flows_superseded, 1);
    assert!(line.closes(FLOW).is_empty(), "the shell may say so later");
}

#[test]
fn a_page_whose_connection_was_cut_goes_on_with_its_call_over_the_next() {
    let mut line = Line::registered();
    line.talks();
    line.closes(FLOW);
    assert!(!line.havre.reattach(LEG, &fr()), "there is no page");
    line.connects(OTHER_TAB, "advocate-fr");
    line.sends(OTHER_TAB, &register("page-2", "sip:qq@zz.invalid;transport=ws", SECOND_TAB, 600));
    assert!(!line.havre.reattach(LEG, &fr()), "it is another page");
    line.connects(RELOADED, "advocate-fr");
    line.sends(RELOADED, &register("page-1b", "sip:jl8lmv34@1vp3vfnguib4.invalid;transport=ws", TAB, 600));
    assert!(!line.havre.reattach(LEG, &"advocate-en".parse().unwrap()), "nobody else has that page");
    assert!(line.havre.reattach(LEG, &fr()));
    let outputs = line.command(Command::Probe { leg: LEG });
    let (path, options) = messages(&outputs).remove(0);
    assert_eq!(path.flow, Some(RELOADED));
    let outputs = line.sends(RELOADED, &answer(&options, 200, "page", ""));
    assert!(
        matches!(events(&outputs)[..], [Event::Probed { leg: LEG, alive: true, .. }]),
        "{:?}",
        events(&outputs)
    );
}

#[test]
fn another_tab_replaces_nothing() {
    let mut line = Line::registered();
    line.connects(OTHER_TAB, "advocate-fr");
    line.sends(OTHER_TAB, &register("page-2", "sip:qq@zz.invalid;transport=ws", SECOND_TAB, 600));
    assert_eq!(line.bindings(), [Some(FLOW), Some(OTHER_TAB)]);
    let outputs = line.closes(FLOW);
    assert!(events(&outputs).is_empty(), "still reachable: {:?}", events(&outputs));
    assert_eq!(line.bindings(), [Some(OTHER_TAB)]);
}

#[test]
fn a_page_that_leaves_says_so() {
    let mut line = Line::registered();
    let contact = "sip:jl8lmv34@1vp3vfnguib4.invalid;transport=ws";
    let outputs = line.sends(FLOW, &register("page-1", contact, TAB, 0));
    assert!(matches!(events(&outputs)[..], [Event::Unregistered { .. }]));
    assert_eq!(status(&messages(&outputs)[0].1), 200);
}

#[test]
fn a_browser_calls_a_feature_code_without_a_challenge() {
    let mut line = Line::registered();
    let outputs = line.sends(FLOW, &test_call("*40", "advocate-fr"));
    let incoming = events(&outputs).into_iter().find_map(|event| match event {
        Event::Incoming { leg, origin, called, .. } => Some((*leg, origin.clone(), called.clone())),
        _ => None,
    });
    let (leg, origin, called) = incoming.unwrap();
    assert_eq!((origin, called.as_str()), (Origin::Agent(fr()), "*40"));
    let outputs = line.command(Command::Answer { leg, sdp: Bytes::from_static(b"v=0\r\n") });
    let (path, answer) = messages(&outputs).remove(0);
    assert_eq!((path.flow, status(&answer)), (Some(FLOW), 200));
    let outputs = line.closes(FLOW);
    assert!(events(&outputs).contains(&&Event::Detached { leg }));
    assert!(matches!(events(&line.sends(FLOW, &test_call("*99", "advocate-fr")))[..], []));
}

#[test]
fn a_browser_that_answers_no_question_is_not_rung_and_back_when_it_does() {
    let mut line = Line::registered();
    let asked = messages(&line.waits(secs(31)));
    let options = &asked.iter().find(|(_, text)| text.starts_with("OPTIONS")).unwrap().1;
    line.sends(FLOW, &answer(options, 200, "page", ""));
    let outputs = line.waits(secs(45));
    assert!(matches!(events(&outputs)[..], [Event::Unregistered { .. }]), "{:?}", events(&outputs));
    assert!(!line.havre.has_browser(&fr()) && line.bindings() == [Some(FLOW)]);
    let asked = messages(&line.waits(secs(30)));
    let options = &asked.iter().rev().find(|(_, text)| text.starts_with("OPTIONS")).unwrap().1;
    let outputs = line.sends(FLOW, &answer(options, 200, "page", ""));
    assert!(matches!(events(&outputs)[..], [Event::Registered { .. }]), "{:?}", events(&outputs));
    assert!(line.havre.has_browser(&fr()));
}

#[test]
fn strangers_connections_leave_room_for_advocates() {
    let mut config = gateway();
    config.limits.flows = 8;
    let mut line = Line::new(config);
    for flow in 10..16 {
        assert!(closed(&line.connects_as(FlowId(flow), Link::Tcp)).is_empty());
    }
    assert_eq!(closed(&line.connects_as(FlowId(16), Link::Tcp)), [FlowId(16)]);
    assert!(closed(&line.connects(FLOW, "advocate-fr")).is_empty());
    assert!(closed(&line.connects(OTHER_TAB, "advocate-fr")).is_empty());
    assert_eq!(closed(&line.connects(RELOADED, "advocate-fr")), [RELOADED]);
    assert_eq!(line.havre.counters().flows_full, 2);
}
