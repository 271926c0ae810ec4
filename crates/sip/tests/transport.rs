//! Connections, sizes, and what happens when a path fails.

mod net;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use havre_model::{Cause, FlowId, LegId, Now};
use havre_sip::{Command, Config, Endpoint, Event, Input, Link, Output, Path, Target, Transport};
use net::raw::*;
use net::*;

const TO_LINE: &str = "sip:+18335550100@192.0.2.10";
const FLOW: FlowId = FlowId(1);

/// Havre with one accepted connection, driven by hand.
struct Peer {
    havre: Endpoint,
    now: Now,
}

impl Peer {
    fn connected(config: Config) -> Self {
        let now = Now::default().after(secs(1));
        let mut peer = Self { havre: Endpoint::new(Arc::new(config), [3; 32], now), now };
        peer.connects(FLOW, CARRIER);
        peer
    }

    fn connects(&mut self, flow: FlowId, remote: &str) -> Vec<Output> {
        let address = |text: &str| -> SocketAddr { text.parse().expect("an address") };
        let (local, remote) = (address(HAVRE), address(remote));
        self.havre.handle_input(Input::Connected { flow, local, remote, link: Link::Tcp }, self.now);
        self.outputs()
    }

    fn sends(&mut self, text: &str) -> Vec<Output> {
        self.havre.handle_input(Input::Stream { flow: FLOW, bytes: text.as_bytes() }, self.now);
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

/// The messages among outputs.
fn messages(outputs: &[Output]) -> Vec<(Path, String)> {
    let sent = outputs.iter().filter_map(|output| match output {
        Output::Transmit { path, bytes } => Some((*path, String::from_utf8_lossy(bytes).into_owned())),
        _ => None,
    });
    sent.collect()
}

fn disconnects(outputs: &[Output]) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Disconnect { .. }))
}

fn over_tcp(text: &str) -> String {
    text.replace("SIP/2.0/UDP", "SIP/2.0/TCP")
}

#[test]
fn several_messages_and_pings_in_one_read() {
    let mut peer = Peer::connected(gateway());
    let options =
        over_tcp(&request("OPTIONS", TO_LINE, CARRIER, &common("OPTIONS", "sip:a@b", TO_LINE, 1), ""));
    let sent = messages(&peer.sends(&format!("\r\n\r\n{options}{options}\r\n\r\n")));
    let statuses: Vec<_> = sent.iter().map(|(_, text)| status(text)).collect();
    assert_eq!(statuses, [0, 200, 200, 0]);
    assert_eq!(sent[0].1, "\r\n");
    assert!(sent.iter().all(|(path, _)| path.flow == Some(FLOW)));
}

#[test]
fn nonsense_on_a_connection_is_answered_and_ends_it() {
    let mut peer = Peer::connected(gateway());
    let broken = over_tcp(&invite(TO_LINE, CARRIER, "")).replace("Content-Length: ", "Content-Length: x");
    let outputs = peer.sends(&broken);
    assert_eq!(status(&messages(&outputs)[0].1), 400);
    assert!(disconnects(&outputs));
    assert!(peer.sends("more").is_empty(), "what follows is not looked at");
    assert_eq!(peer.havre.counters().flows_dropped, 1);
}

#[test]
fn a_silent_connection_is_closed_and_one_that_speaks_is_kept() {
    let mut peer = Peer::connected(gateway());
    assert!(disconnects(&peer.waits(secs(33))));
    let mut peer = Peer::connected(gateway());
    peer.sends("\r\n\r\n");
    assert!(!disconnects(&peer.waits(secs(3600))));
    assert!(disconnects(&peer.waits(secs(200))));
}

#[test]
fn connections_have_a_limit() {
    let mut config = gateway();
    config.limits.flows = 2;
    let mut peer = Peer::connected(config);
    assert!(!disconnects(&peer.connects(FlowId(2), "198.51.100.7:5062")));
    assert!(disconnects(&peer.connects(FlowId(3), "198.51.100.7:5063")));
    peer.havre.handle_input(Input::Closed { flow: FlowId(2) }, peer.now);
    assert!(!disconnects(&peer.connects(FlowId(4), "198.51.100.7:5064")));
}

#[test]
fn a_large_request_goes_over_tcp_only_where_a_connection_is_open() {
    let large = Bytes::from(format!("{OFFER}a=x:{}\r\n", "x".repeat(1300)));
    let dial = |to: &str| Command::Dial {
        leg: LegId(1),
        target: Target::Uri { uri: uri("sip:x@198.51.100.7"), path: path(Transport::Udp, HAVRE, to) },
        from: identity("line"),
        sdp: Some(large.clone().into()),
        account: None,
    };
    let mut peer = Peer::connected(gateway());
    peer.havre.handle_input(Input::Command(dial(CARRIER)), peer.now);
    let (path, text) = messages(&peer.outputs()).remove(0);
    assert_eq!((path.transport, path.flow), (Transport::Tcp, Some(FLOW)));
    assert!(header(&text, "Via").starts_with("SIP/2.0/TCP 192.0.2.10:5060;branch=z9hG4bK"), "{text}");
    assert_eq!(all(&text, "Via").len(), 1);

    let mut peer = Peer::connected(gateway());
    peer.havre.handle_input(Input::Command(dial("198.51.100.8:5060")), peer.now);
    let (path, text) = messages(&peer.outputs()).remove(0);
    assert_eq!(path.transport, Transport::Udp);
    assert!(text.len() > 1300 && header(&text, "Via").starts_with("SIP/2.0/UDP"));
}

#[test]
fn a_connection_that_can_not_be_opened_fails_the_call() {
    let mut net = Net::new(21);
    let havre = net.add("havre", HAVRE, gateway());
    net.dials_over(Transport::Tcp, havre, "sip:x@198.51.100.7", CARRIER, Some(sdp(OFFER)));
    net.run(secs(1));
    assert_eq!(net.take_log(), "0.010 havre Ended by Timeout, -, unreachable");
}

#[test]
fn a_connection_that_breaks_under_a_call_is_opened_again_for_the_bye() {
    let mut net = Net::new(22);
    let carrier = net.add("carrier", CARRIER, phone());
    let havre = net.add("havre", HAVRE, gateway());
    net.dials_over(
        Transport::Tcp,
        carrier,
        "sip:8335550100@192.0.2.10;transport=tcp",
        HAVRE,
        Some(sdp(OFFER)),
    );
    net.run(ms(100));
    let leg = net.incoming(havre);
    net.answers(havre, leg);
    net.run(ms(100));
    net.break_connections(carrier);
    net.run(ms(100));
    assert_eq!(net.party(havre).endpoint.legs(), 1, "a broken connection ends no call");
    net.hangs_up(havre, leg, Cause::AgentHungUp);
    net.run(secs(1));
    let log = net.take_log();
    assert!(log.contains("carrier Ended by Remote") && log.contains("havre Ended by Us, 200"), "{log}");
}

#[test]
fn a_peer_that_only_ever_says_trying_to_an_offer_is_not_waited_for() {
    let mut net = Net::new(23);
    let havre = net.add("havre", HAVRE, gateway());
    net.dials(havre, "sip:x@198.51.100.7", CARRIER);
    net.run(ms(20));
    let respond = |net: &mut Net, request: &str, code: u16| {
        let tag = if header(request, "To").contains("tag=") { "" } else { ";tag=peer" };
        let lines: String = ["Via", "From", "Call-ID", "CSeq"]
            .map(|name| format!("{name}: {}\n", header(request, name)))
            .concat();
        let text = format!(
            "SIP/2.0 {code} X\n{lines}To: {}{tag}\nContact: <sip:{CARRIER}>\nContent-Length: 0\n\n",
            header(request, "To")
        );
        net.send(CARRIER, HAVRE, &text);
        net.run(ms(20));
    };
    let invite = net.received(CARRIER).remove(0);
    respond(&mut net, &invite, 200);
    net.received(CARRIER);
    net.command(havre, Command::Reoffer { leg: LEG, sdp: sdp(OFFER) });
    net.run(ms(20));
    let reinvite = net.received(CARRIER).remove(0);
    respond(&mut net, &reinvite, 100);
    net.events(havre);
    net.run(secs(33));
    assert!(matches!(net.events(havre)[..], [Event::ReofferRefused { status: 408, .. }]));
    assert!(net.received(CARRIER).iter().any(|text| text.starts_with("CANCEL")));
    // Its answer comes all the same: it is acknowledged and holds, and the call goes on.
    respond(&mut net, &reinvite, 200);
    assert!(matches!(net.events(havre)[..], [Event::ReofferAnswered { .. }]));
    let after = net.received(CARRIER);
    assert!(after.iter().any(|text| text.starts_with("ACK")), "{after:?}");
    assert!(!after.iter().any(|text| text.starts_with("BYE")), "{after:?}");
    assert_eq!(net.party(havre).endpoint.legs(), 1);
}

#[test]
fn only_the_accounts_own_realm_gets_an_answer() {
    let mut net = Net::new(24);
    let desk = net.add("desk", PHONE, phone());
    let target = Target::Uri { uri: uri("sip:*40@havre.example"), path: path(Transport::Udp, PHONE, HAVRE) };
    let account = Some(account("advocate-fr", "secret-fr"));
    net.command(desk, Command::Dial { leg: LEG, target, from: identity("x"), sdp: None, account });
    net.run(ms(20));
    let invite = net.received(HAVRE).remove(0);
    let lines: String = ["Via", "From", "Call-ID", "CSeq"]
        .map(|name| format!("{name}: {}\n", header(&invite, name)))
        .concat();
    let challenge = "WWW-Authenticate: Digest realm=\"evil\", nonce=\"n\", qop=\"auth\"";
    let text = format!(
        "SIP/2.0 401 X\n{lines}To: {};tag=t\n{challenge}\nContent-Length: 0\n\n",
        header(&invite, "To")
    );
    net.send(HAVRE, PHONE, &text);
    net.run(secs(1));
    assert!(net.received(HAVRE).iter().all(|text| text.starts_with("ACK")));
    assert!(matches!(net.events(desk)[..], [Event::Ended { status: Some(401), .. }]));
}
