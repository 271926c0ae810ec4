//! SIP over TLS as the endpoint sees it: who may come in by certificate, which connection serves whom, `sips:`, and senders
//! that never finish.

mod net;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use havre_model::{FlowId, LegId, Now};
use havre_sip::{
    Command, Config, Endpoint, Event, Input, Link, NumberFormat, Origin, Outbound, Output, Outside, Path,
    Record, Target, Transport, Trunk,
};
use net::raw::*;
use net::*;

const TO_LINE: &str = "sip:+18335550100@192.0.2.10";
const LISTENER: &str = "192.0.2.10:5061";
/// A carrier's connection, from a port of its own.
const FROM: &str = "203.0.113.90:40000";
const FLOW: FlowId = FlowId(1);

/// Havre with one accepted TLS connection, driven by hand.
struct Peer {
    havre: Endpoint,
    now: Now,
}

impl Peer {
    fn certified(config: Config, names: &[&str]) -> Self {
        let now = Now::default().after(secs(1));
        let mut peer = Self { havre: Endpoint::new(Arc::new(config), [3; 32], now), now };
        peer.connects(FLOW, FROM, Link::Tls { names: names.iter().map(|&name| name.into()).collect() });
        peer
    }

    fn connects(&mut self, flow: FlowId, remote: &str, link: Link) -> Vec<Output> {
        let (local, remote) = (at(LISTENER), at(remote));
        self.havre.handle_input(Input::Connected { flow, local, remote, link }, self.now);
        self.outputs()
    }

    fn sends(&mut self, text: &str) -> Vec<Output> {
        self.havre.handle_input(Input::Stream { flow: FLOW, bytes: text.as_bytes() }, self.now);
        self.outputs()
    }

    fn dials(&mut self, leg: u64, uri_text: &str, remote: &str) -> Vec<Output> {
        let target = Target::Uri { uri: uri(uri_text), path: Path::tls(at(LISTENER), at(remote)) };
        let (leg, from, sdp) = (LegId(leg), identity("line"), Some(sdp(OFFER).into()));
        self.havre
            .handle_input(Input::Command(Command::Dial { leg, target, from, sdp, account: None }), self.now);
        self.outputs()
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
}

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn over_tls(text: &str) -> String {
    text.replace("SIP/2.0/UDP", "SIP/2.0/TLS")
}

/// Only a trunk that shows this certificate, from wherever it is.
fn certified_trunk(sources: &[&str]) -> Config {
    let trunk = Trunk {
        id: "secure".parse().expect("a name"),
        sources: sources.iter().map(|net| net.parse().expect("a network")).collect(),
        digest: None,
        certificate: Some("sip.carrier.example".to_owned()),
        numbers: Vec::new(),
        strip_prefixes: Vec::new(),
        overload: havre_sip::Overload::default(),
        caps: Default::default(),
        outbound: None,
    };
    Config { trunks: vec![trunk], ..gateway() }
}

fn comes_in(outputs: &[Output]) -> Option<&str> {
    outputs.iter().find_map(|output| match output {
        Output::Event(Event::Incoming { origin: Origin::Trunk(trunk), .. }) => Some(trunk.as_str()),
        _ => None,
    })
}

fn connections(outputs: &[Output]) -> Vec<(FlowId, Option<&str>)> {
    let opened = outputs.iter().filter_map(|output| match output {
        Output::Connect { transport, flow, server_name, .. } => {
            assert_eq!(*transport, Transport::Tls);
            Some((*flow, server_name.as_deref()))
        }
        _ => None,
    });
    opened.collect()
}

fn sent(outputs: &[Output]) -> Vec<(Path, String)> {
    let sent = outputs.iter().filter_map(|output| match output {
        Output::Transmit { path, bytes } => Some((*path, String::from_utf8_lossy(bytes).into_owned())),
        _ => None,
    });
    sent.collect()
}

fn disconnects(outputs: &[Output]) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Disconnect { .. }))
}

fn refusal(outputs: &[Output]) -> u16 {
    sent(outputs).iter().map(|(_, text)| status(text)).find(|status| *status >= 300).unwrap_or(0)
}

#[test]
fn a_trunk_is_known_by_its_certificate_wherever_it_calls_from() {
    let call = over_tls(&invite(TO_LINE, FROM, ""));
    for names in [&["sip.carrier.example"][..], &["other.example", "SIP.Carrier.Example"]] {
        let mut peer = Peer::certified(certified_trunk(&[]), names);
        assert_eq!(comes_in(&peer.sends(&call)), Some("secure"), "{names:?}");
    }
    // Not by less than the whole name, by a pattern, or without any (RFC 5922 §7.2).
    for names in [&[][..], &["carrier.example"], &["*.carrier.example"], &["x.sip.carrier.example"]] {
        let mut peer = Peer::certified(certified_trunk(&[]), names);
        let outputs = peer.sends(&call);
        assert_eq!((comes_in(&outputs), refusal(&outputs)), (None, 403), "{names:?}");
    }
}

#[test]
fn the_address_alone_proves_nothing_where_a_certificate_is_asked_for() {
    let sources = ["203.0.113.0/24"];
    let call = over_tls(&invite(TO_LINE, FROM, ""));
    let mut known = Peer::certified(certified_trunk(&sources), &["sip.carrier.example"]);
    assert_eq!(comes_in(&known.sends(&call)), Some("secure"));
    let mut plain = Peer::certified(certified_trunk(&sources), &[]);
    assert_eq!(refusal(&plain.sends(&call)), 403);
    // And the certificate not where addresses are listed as well.
    let mut elsewhere = Peer::certified(certified_trunk(&["198.51.100.0/24"]), &["sip.carrier.example"]);
    assert_eq!(refusal(&elsewhere.sends(&call)), 403);
    // Over UDP from its own address, as anybody can forge it.
    let mut spoofed = Peer::certified(certified_trunk(&sources), &[]);
    let datagram = invite(TO_LINE, FROM, "");
    let (local, source) = (at(HAVRE), at(FROM));
    let input = Input::Datagram { local, source, bytes: datagram.as_bytes() };
    spoofed.havre.handle_input(input, spoofed.now);
    assert_eq!(refusal(&spoofed.outputs()), 403);
}

#[test]
fn a_call_out_asks_for_the_certificate_of_the_domain_that_it_is_for() {
    let mut peer = Peer::certified(gateway(), &[]);
    let outputs = peer.dials(1, "sips:+15145550100@carrier.example", "203.0.113.7:5061");
    let [(flow, Some("carrier.example"))] = connections(&outputs)[..] else { panic!("{outputs:?}") };
    assert!(sent(&outputs).is_empty(), "nothing leaves before the connection is there");
    let names = vec!["carrier.example".into()];
    let outputs = peer.connects(flow, "203.0.113.7:5061", Link::Tls { names });
    let (path, invite) = sent(&outputs).remove(0);
    assert_eq!((path.transport, path.flow), (Transport::Tls, Some(flow)));
    let via = header(&invite, "Via");
    assert!(via.starts_with("SIP/2.0/TLS 192.0.2.10:5061;") && via.contains(";alias"), "{via}");
    assert_eq!(header(&invite, "Contact"), "<sips:havre@192.0.2.10:5061>");

    // The next call uses the same connection; one to another domain there does not.
    let outputs = peer.dials(2, "sips:+15145550101@carrier.example", "203.0.113.7:5061");
    assert_eq!((connections(&outputs).len(), sent(&outputs)[0].0.flow), (0, Some(flow)));
    let outputs = peer.dials(3, "sips:+15145550101@other.example", "203.0.113.7:5061");
    assert!(matches!(connections(&outputs)[..], [(_, Some("other.example"))]), "{outputs:?}");

    // The connection is lost: a message to the bare address is for the name that was there before.
    peer.havre.handle_input(Input::Closed { flow }, peer.now);
    peer.outputs();
    let outputs = peer.dials(4, "sip:x@203.0.113.7:5061;transport=tls", "203.0.113.7:5061");
    assert!(matches!(connections(&outputs)[..], [(_, Some("carrier.example"))]), "{outputs:?}");
    let outputs = peer.dials(5, "sip:x@203.0.113.8;transport=tls", "203.0.113.8:5061");
    assert!(matches!(connections(&outputs)[..], [(_, Some("203.0.113.8"))]), "{outputs:?}");
}

#[test]
fn a_trunk_over_tls_is_asked_for_its_name_and_told_where_we_hear_tls() {
    let outbound = Outbound {
        peer: havre_sip::Peer::Name("carrier.example".into(), None),
        transport: Some(Transport::Tls),
        account: None,
        group: "out".parse().unwrap(),
        priority: 1,
        weight: 1,
        answer_within: secs(4),
        ring_within: secs(8),
        numbers: NumberFormat::E164,
        from: None,
        user_phone: false,
        asserted: false,
        reliable: true,
        session_timer: true,
        ping: None,
        register: None,
    };
    let to = Outside { group: "out".parse().unwrap(), number: "+15145550123".into() };
    let carrier = Trunk { outbound: Some(outbound), ..certified_trunk(&[]).trunks.remove(0) };
    let config = Config {
        listeners: vec![at("192.0.2.10:5060")],
        listeners_tls: vec![at(LISTENER)],
        trunks: vec![carrier],
        outside: HashSet::from([to.clone()]),
        ..gateway()
    };
    let mut peer =
        Peer { havre: Endpoint::new(Arc::new(config), [3; 32], Now::default()), now: Now::default() };
    let mut outputs = peer.outputs();
    // SRV of `sips`, and then the host's address.
    for (asked, record) in [
        (
            "_sips._tcp.carrier.example",
            Record::Srv { priority: 1, weight: 1, port: 5071, target: "edge.carrier.example".into() },
        ),
        ("edge.carrier.example", Record::Address("203.0.113.7".parse().unwrap())),
    ] {
        let question = outputs.iter().find_map(|output| match output {
            Output::Resolve(question) => Some(question.clone()),
            _ => None,
        });
        let question = question.unwrap();
        assert_eq!(question.name, asked);
        let answer = Some((vec![record], 60));
        peer.havre.handle_input(Input::Resolved { question, answer }, peer.now);
        outputs = peer.outputs();
    }
    let target = Target::Outside(to);
    let from = identity("+18335550100");
    let dial = Command::Dial { leg: LegId(1), target, from, sdp: Some(sdp(OFFER).into()), account: None };
    peer.havre.handle_input(Input::Command(dial), peer.now);
    let outputs = peer.outputs();
    let [(flow, Some("carrier.example"))] = connections(&outputs)[..] else { panic!("{outputs:?}") };
    let link = Link::Tls { names: vec!["carrier.example".into()] };
    let outputs = peer.connects(flow, "203.0.113.7:5071", link);
    let (path, invite) = sent(&outputs).remove(0);
    assert_eq!((path.transport, path.flow, path.local), (Transport::Tls, Some(flow), at(LISTENER)));
    assert!(invite.starts_with("INVITE sip:+15145550123@carrier.example;transport=tls "), "{invite}");
    assert!(header(&invite, "Via").starts_with("SIP/2.0/TLS 192.0.2.10:5061;"), "{invite}");
    assert_eq!(header(&invite, "Contact"), "<sip:havre@192.0.2.10:5061;transport=tls>");
}

#[test]
fn a_certified_peer_is_called_back_over_its_own_connection() {
    let options = |via: &str| {
        let text =
            request("OPTIONS", TO_LINE, "203.0.113.90:5071", &common("OPTIONS", "sip:a@b", TO_LINE, 1), "");
        over_tls(&text).replacen(";branch", &format!("{via};branch"), 1)
    };
    let callback = |peer: &mut Peer| peer.dials(1, "sip:x@sip.carrier.example", "203.0.113.90:5071");
    let mut peer = Peer::certified(gateway(), &["sip.carrier.example"]);
    peer.sends(&options(";alias"));
    let outputs = callback(&mut peer);
    assert_eq!((connections(&outputs).len(), sent(&outputs)[0].0.flow), (0, Some(FLOW)));
    // Gone with the connection.
    peer.havre.handle_input(Input::Closed { flow: FLOW }, peer.now);
    peer.outputs();
    assert_eq!(connections(&peer.dials(2, "sip:x@sip.carrier.example", "203.0.113.90:5071")).len(), 1);

    // Not without the word, not without a certificate, and not in another's name.
    for (names, via) in [(&["sip.carrier.example"][..], ""), (&[], ";alias"), (&["evil.example"], ";alias")] {
        let mut peer = Peer::certified(gateway(), names);
        peer.sends(&options(via));
        assert_eq!(connections(&callback(&mut peer)).len(), 1, "{names:?} {via}");
    }
}

#[test]
fn a_dialog_that_began_over_tls_never_goes_on_in_clear() {
    let mut peer = Peer::certified(certified_trunk(&[]), &["sip.carrier.example"]);
    let call = over_tls(&invite(TO_LINE, FROM, "")).replace(";transport=udp", "");
    let outputs = peer.sends(&call);
    let leg = outputs.iter().find_map(|output| match output {
        Output::Event(Event::Incoming { leg, .. }) => Some(*leg),
        _ => None,
    });
    let answer = Command::Answer { leg: leg.unwrap(), sdp: sdp(OFFER) };
    peer.havre.handle_input(Input::Command(answer), peer.now);
    let (_, ok) = sent(&peer.outputs()).remove(0);
    assert_eq!(header(&ok, "Contact"), "<sip:havre@192.0.2.10:5061;transport=tls>");
    peer.havre.handle_input(Input::Closed { flow: FLOW }, peer.now);
    peer.outputs();
    let bye = Command::HangUp { leg: leg.unwrap(), cause: havre_model::Cause::AgentHungUp };
    peer.havre.handle_input(Input::Command(bye), peer.now);
    // The 2xx was never acknowledged: BYE goes once it is given up, over TLS or not at all.
    let outputs = [peer.outputs(), peer.waits(secs(40))].concat();
    assert!(!connections(&outputs).is_empty(), "{outputs:?}");
    assert!(sent(&outputs).iter().all(|(path, _)| path.transport == Transport::Tls), "{outputs:?}");
}

#[test]
fn whoever_begins_a_message_ends_it_soon() {
    let whole = over_tls(&request("OPTIONS", TO_LINE, FROM, &common("OPTIONS", "sip:a@b", TO_LINE, 1), ""));
    let (first, rest) = whole.split_at(40);
    let mut peer = Peer::certified(gateway(), &[]);
    peer.sends(first);
    assert!(!disconnects(&peer.waits(secs(9))));
    let answered = sent(&peer.sends(rest));
    assert_eq!(status(&answered[0].1), 200);
    // Once more, and a little in every second: the whole counts, not the last part of it.
    peer.waits(secs(60));
    let mut cut = false;
    for byte in first.as_bytes().chunks(4) {
        cut |=
            disconnects(&peer.sends(std::str::from_utf8(byte).unwrap())) || disconnects(&peer.waits(secs(2)));
    }
    assert!(cut);
    assert_eq!(peer.havre.counters().slow_senders, 1);
}

#[test]
fn tls_spoken_to_a_plain_port_is_cut_at_once_and_counted() {
    let mut peer = Peer::certified(gateway(), &[]);
    peer.connects(FlowId(2), "203.0.113.91:5000", Link::Tcp);
    // The record header of a ClientHello.
    let hello = [22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    peer.havre.handle_input(Input::Stream { flow: FlowId(2), bytes: &hello }, peer.now);
    let outputs = peer.outputs();
    assert!(disconnects(&outputs) && sent(&outputs).is_empty(), "{outputs:?}");
    assert_eq!(peer.havre.counters().tls_on_plain_port, 1);
}
