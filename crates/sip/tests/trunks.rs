//! Calls of ours over trunks: health, order, failover, DNS, registration, caps, and what an INVITE says.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod net;

use std::collections::HashSet;

use havre_model::{Cause, LegId, TrunkDown, TrunkHealth};
use havre_sip::{
    Account, Caps, Command, Config, EndedBy, Event, NumberFormat, Outbound, Outside, Overload, Password,
    Peer, Ping, Question, Record, RecordKind, Target, Transport, Trunk,
};
use net::*;

const A: &str = "198.51.100.7:5060";
const B: &str = "198.51.100.8:5060";
const FAR: &str = "+15145550123";

fn outbound(at: &str, priority: u16) -> Outbound {
    Outbound {
        peer: Peer::At(at.parse().unwrap()),
        transport: Some(Transport::Udp),
        account: None,
        group: "out".parse().unwrap(),
        priority,
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
    }
}

fn trunk(id: &str, outbound: Outbound) -> Trunk {
    Trunk {
        id: id.parse().unwrap(),
        sources: Vec::new(),
        digest: None,
        certificate: None,
        numbers: Vec::new(),
        strip_prefixes: Vec::new(),
        overload: Overload::default(),
        caps: Caps::default(),
        outbound: Some(outbound),
    }
}

fn far() -> Outside {
    Outside { group: "out".parse().unwrap(), number: FAR.to_owned() }
}

fn with(trunks: Vec<Trunk>) -> Config {
    Config { listeners: vec![HAVRE.parse().unwrap()], trunks, outside: HashSet::from([far()]), ..gateway() }
}

fn two(a: Outbound, b: Outbound) -> Config {
    with(vec![trunk("a", a), trunk("b", b)])
}

impl Net {
    fn calls_out(&mut self, at: usize, leg: LegId, to: Outside) {
        let target = Target::Outside(to);
        let from = identity(LINE);
        self.command(at, Command::Dial { leg, target, from, sdp: Some(sdp(OFFER).into()), account: None });
    }

    fn dials_as(&mut self, at: usize, leg: LegId) {
        let target = Target::Uri {
            uri: uri(&format!("sip:{LINE}@{HAVRE}")),
            path: path(Transport::Udp, CARRIER, HAVRE),
        };
        let from = identity("+14165550123");
        self.command(at, Command::Dial { leg, target, from, sdp: Some(sdp(OFFER).into()), account: None });
    }

    fn ended(&mut self, at: usize) -> Option<(EndedBy, Option<u16>, Cause)> {
        self.events(at).into_iter().find_map(|event| match event {
            Event::Ended { by, status, cause, .. } => Some((by, status, cause)),
            _ => None,
        })
    }

    fn healths(&mut self, at: usize) -> Vec<(String, TrunkHealth)> {
        let told = self.events(at).into_iter().filter_map(|event| match event {
            Event::Trunk { trunk, health } => Some((trunk.to_string(), health)),
            _ => None,
        });
        told.collect()
    }
}

/// The two carriers and Havre, which has said nothing yet.
fn carriers(config: Config) -> (Net, usize, usize, usize) {
    let mut net = Net::new(7);
    let a = net.add("a", A, phone());
    let b = net.add("b", B, phone());
    let havre = net.add("havre", HAVRE, config);
    (net, a, b, havre)
}

#[test]
fn the_first_trunk_takes_the_call_in_the_lines_own_name() {
    let (mut net, a, _, havre) = carriers(two(outbound(A, 1), outbound(B, 2)));
    net.calls_out(havre, LEG, far());
    net.run(ms(50));
    let theirs = net.incoming(a);
    net.answers(a, theirs);
    net.run(ms(50));
    assert!(
        net.events(havre).iter().any(|event| matches!(event, Event::Answered { leg, .. } if *leg == LEG))
    );
    net.hangs_up(havre, LEG, Cause::Done);
    net.run(secs(60));
    let log = net.take_log();
    assert!(log.contains("havre > a BYE") && !log.contains("havre > b"), "{log}");
    assert_eq!(net.party(havre).endpoint.legs(), 0);
}

#[test]
fn a_trunk_that_says_nothing_is_left_after_four_seconds() {
    let (mut net, _, b, havre) = carriers(two(outbound(A, 1), outbound(B, 2)));
    net.darken(A);
    net.calls_out(havre, LEG, far());
    net.run(ms(3_990));
    assert!(net.take_log().lines().all(|line| line.contains("havre > a INVITE")));
    net.run(ms(100));
    let theirs = net.incoming(b);
    net.answers(b, theirs);
    net.run(ms(100));
    assert!(net.events(havre).iter().any(|event| matches!(event, Event::Answered { .. })));
}

#[test]
fn a_trunk_that_answers_after_all_is_not_left_in_a_call() {
    let (mut net, a, b, havre) = carriers(two(outbound(A, 1), outbound(B, 2)));
    net.darken(A);
    net.calls_out(havre, LEG, far());
    net.run(ms(4_050));
    net.light(A);
    // The INVITE is on its way again until timer B; its late 180 is answered by CANCEL.
    net.run(secs(8));
    assert!(
        net.events(a).iter().any(|event| matches!(event, Event::Incoming { .. }))
            == net.take_log().contains("havre > a CANCEL")
    );
    let theirs = net.incoming(b);
    net.answers(b, theirs);
    net.run(ms(100));
    net.run(secs(60));
    assert_eq!(net.party(a).endpoint.legs(), 0, "nobody is left ringing");
}

#[test]
fn icmp_and_5xx_go_on_at_once_and_a_persons_no_is_final() {
    let (mut net, _, b, havre) = carriers(two(outbound(A, 1), outbound(B, 2)));
    net.kill(A);
    net.calls_out(havre, LEG, far());
    net.run(ms(100));
    let theirs = net.incoming(b);
    net.command(b, Command::Reject { leg: theirs, status: 486 });
    net.run(ms(100));
    assert_eq!(net.ended(havre), Some((EndedBy::Refused, Some(486), Cause::Declined)));

    for (status, passed_on) in
        [(408, true), (500, true), (503, true), (404, false), (603, false), (480, false)]
    {
        let (mut net, a, b, havre) = carriers(two(outbound(A, 1), outbound(B, 2)));
        net.calls_out(havre, LEG, far());
        net.run(ms(50));
        let theirs = net.incoming(a);
        net.command(a, Command::Reject { leg: theirs, status });
        net.run(ms(100));
        let at_b = net.events(b).iter().any(|event| matches!(event, Event::Incoming { .. }));
        assert_eq!(at_b, passed_on, "{status}");
        assert_eq!(net.ended(havre).is_some(), !passed_on, "{status}");
    }
}

#[test]
fn the_search_ends_in_time_with_the_most_telling_refusal() {
    let config = Config { dial_within: secs(6), ..two(outbound(A, 1), outbound(B, 2)) };
    let (mut net, a, _, havre) = carriers(config.clone());
    net.calls_out(havre, LEG, far());
    net.run(ms(50));
    let theirs = net.incoming(a);
    net.command(a, Command::Reject { leg: theirs, status: 503 });
    net.darken(B);
    net.run(secs(5));
    assert_eq!(net.ended(havre), Some((EndedBy::Refused, Some(503), Cause::Overloaded)));

    let three = vec![trunk("a", outbound(A, 1)), trunk("b", outbound(B, 2)), trunk("c", outbound(A, 3))];
    let (mut net, _, _, havre) = carriers(Config { dial_within: secs(6), ..with(three) });
    net.darken(A);
    net.darken(B);
    net.calls_out(havre, LEG, far());
    net.run(ms(8_100));
    assert_eq!(
        net.ended(havre),
        Some((EndedBy::Timeout, None, Cause::Unreachable)),
        "two fit into six seconds"
    );
}

#[test]
fn after_an_answer_whose_way_cannot_be_read_the_next_trunk_is_called() {
    for (status, more, ends) in [(200, "", "ACK BYE"), (183, "Require: 100rel\nRSeq: 1\n", "CANCEL")] {
        let mut net = Net::new(7);
        let b = net.add("b", B, phone());
        let havre = net.add("havre", HAVRE, two(outbound(A, 1), outbound(B, 2)));
        net.calls_out(havre, LEG, far());
        net.run(ms(50));
        let invite = net.received(A).remove(0);
        net.send(
            A,
            HAVRE,
            &reply(&invite, status, &format!("{more}Record-Route: <<>>\nContact: <sip:{A}>\n")),
        );
        net.run(ms(50));
        let heard = net.received(A);
        let methods: Vec<_> = heard.iter().filter_map(|text| text.split(' ').next()).collect();
        assert_eq!(methods.join(" "), ends, "{heard:#?}");
        let theirs = net.incoming(b);
        net.answers(b, theirs);
        net.run(ms(50));
        let events = net.events(havre);
        assert!(matches!(events[..], [Event::Answered { leg: LEG, .. }]), "{status}: {events:?}");
    }
}

#[test]
fn no_invite_leaves_for_a_number_that_is_not_named() {
    let (mut net, _, _, havre) = carriers(two(outbound(A, 1), outbound(B, 2)));
    for number in ["+15145550124", "+1900555", "911"] {
        net.calls_out(havre, LEG, Outside { number: number.to_owned(), ..far() });
        assert_eq!(net.ended(havre), Some((EndedBy::Refused, Some(403), Cause::Forbidden)));
    }
    net.calls_out(havre, LEG, Outside { group: "other".parse().unwrap(), ..far() });
    assert!(net.ended(havre).is_some());
    net.run(secs(1));
    assert!(!net.take_log().contains(" INVITE"));
    assert_eq!(net.party(havre).endpoint.counters().unnamed_numbers, 4);
}

#[test]
fn quirks_are_data() {
    let quirky = Outbound {
        numbers: NumberFormat::National,
        from: Some("line.example".to_owned()),
        user_phone: true,
        asserted: true,
        reliable: false,
        session_timer: false,
        ..outbound(A, 1)
    };
    let mut net = Net::new(7);
    let havre = net.add("havre", HAVRE, with(vec![trunk("a", quirky)]));
    net.calls_out(havre, LEG, far());
    net.run(ms(50));
    let invite = net.received(A).remove(0);
    assert!(invite.starts_with("INVITE sip:5145550123@198.51.100.7;user=phone SIP/2.0"), "{invite}");
    assert!(header(&invite, "From").starts_with("<sip:8335550100@line.example;user=phone>;tag="), "{invite}");
    assert_eq!(header(&invite, "To"), "<sip:5145550123@198.51.100.7;user=phone>");
    assert_eq!(header(&invite, "P-Asserted-Identity"), "<sip:8335550100@line.example;user=phone>");
    assert!(!invite.contains("Supported:") && !invite.contains("Session-Expires:"), "{invite}");
}

#[test]
fn a_challenge_is_answered_for_our_realm_alone() {
    let account =
        Account { user: "havre".into(), realm: "carrier".into(), password: Password::new("secret") };
    for (realm, answered) in [("carrier", true), ("elsewhere", false)] {
        let proving = Outbound { account: Some(account.clone()), ..outbound(A, 1) };
        let mut net = Net::new(7);
        let havre = net.add("havre", HAVRE, with(vec![trunk("a", proving)]));
        net.calls_out(havre, LEG, far());
        net.run(ms(50));
        let invite = net.received(A).remove(0);
        let challenge = format!("Proxy-Authenticate: Digest realm=\"{realm}\", nonce=\"n1\", qop=\"auth\"\n");
        net.send(A, HAVRE, &reply(&invite, 407, &challenge));
        net.run(ms(50));
        let second = net.received(A).into_iter().find(|text| text.starts_with("INVITE"));
        assert_eq!(second.is_some(), answered, "{realm}");
        if let Some(second) = second {
            assert!(header(&second, "Proxy-Authorization").contains("username=\"havre\""), "{second}");
        } else {
            assert_eq!(net.ended(havre), Some((EndedBy::Refused, Some(407), Cause::Forbidden)));
        }
    }
}

#[test]
fn a_trunk_is_down_and_why_and_up_again() {
    let pinged = |at| Outbound { ping: Some(Ping::default()), ..outbound(at, 1) };
    let (mut net, _, _, havre) = carriers(two(pinged(A), pinged(B)));
    net.run(secs(2));
    let up = |id: &str| (id.to_owned(), TrunkHealth::Up);
    let mut first = net.healths(havre);
    first.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(first, [up("a"), up("b")]);
    net.darken(A);
    net.kill(B);
    net.run(secs(90));
    let mut down = net.healths(havre);
    down.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        down,
        [
            ("a".to_owned(), TrunkHealth::Down(TrunkDown::NoAnswer)),
            ("b".to_owned(), TrunkHealth::Down(TrunkDown::Unreachable))
        ]
    );
    assert!(!net.party(havre).endpoint.can_reach(&far().group));
    net.light(A);
    net.run(secs(20));
    assert_eq!(net.healths(havre), [up("a")]);
    assert!(net.party(havre).endpoint.can_reach(&far().group));
}

#[test]
fn calls_go_where_an_answer_comes_from_and_with_all_down_they_are_tried_all_the_same() {
    let pinged = |at, priority| Outbound { ping: Some(Ping::default()), ..outbound(at, priority) };
    let (mut net, _, b, havre) = carriers(two(pinged(A, 1), pinged(B, 2)));
    net.darken(A);
    net.run(secs(120));
    net.take_log();
    net.calls_out(havre, LEG, far());
    net.run(ms(50));
    assert!(net.events(b).iter().any(|event| matches!(event, Event::Incoming { .. })), "at once");
    net.hangs_up(havre, LEG, Cause::Withdrawn);
    net.darken(B);
    net.run(secs(120));
    net.light(B);
    net.take_log();
    net.calls_out(havre, LegId(2), far());
    net.run(ms(4_100));
    let log = net.take_log();
    assert!(log.contains("havre > a INVITE") && log.contains("havre > b INVITE"), "{log}");
}

#[test]
fn any_answer_but_408_and_503_is_a_sign_of_life() {
    for (status, expected) in [
        (404, TrunkHealth::Up),
        (405, TrunkHealth::Up),
        (503, TrunkHealth::Down(TrunkDown::Overloaded)),
        (408, TrunkHealth::Down(TrunkDown::NoAnswer)),
    ] {
        let ping = Ping { user: Some("ping".into()), ..Ping::default() };
        let mut net = Net::new(7);
        let out = Outbound { ping: Some(ping), ..outbound(A, 1) };
        let havre = net.add("havre", HAVRE, with(vec![trunk("a", out)]));
        for _ in 0..300 {
            net.run(ms(100));
            for options in net.received(A) {
                assert!(options.starts_with("OPTIONS sip:ping@198.51.100.7 SIP/2.0"), "{options}");
                net.send(A, HAVRE, &reply(&options, status, ""));
            }
        }
        assert_eq!(net.healths(havre), [("a".to_owned(), expected)], "{status}");
    }
}

#[test]
fn a_cap_refuses_new_calls_as_the_trunk_wants_it_and_touches_no_other() {
    let mut config = gateway();
    config.trunks[0].caps = Caps { calls: Some(1), per_second: None };
    config.trunks[0].overload = Overload::ServerError;
    let mut net = Net::new(1);
    let carrier = net.add("carrier", CARRIER, phone());
    let havre = net.add("havre", HAVRE, config);
    let leg = net.call_in_progress(carrier, havre);
    net.dials_as(carrier, LegId(2));
    net.run(ms(100));
    assert_eq!(net.ended(carrier), Some((EndedBy::Refused, Some(500), Cause::Unreachable)));
    let refused = net.events(havre).into_iter().find_map(|event| match event {
        Event::Refused { status, why, .. } => Some((status, why)),
        _ => None,
    });
    assert_eq!(refused, Some((500, "calls at once")));
    net.run(secs(120));
    assert_eq!(net.party(havre).endpoint.legs(), 1, "the established call goes on");
    net.hangs_up(havre, leg, Cause::Done);
    net.run(secs(1));
    net.dials_as(carrier, LegId(3));
    net.run(ms(100));
    assert!(net.events(havre).iter().any(|event| matches!(event, Event::Incoming { .. })), "room again");
}

#[test]
fn a_call_of_ours_over_the_cap_takes_the_next_trunk() {
    let mut config = two(outbound(A, 1), outbound(B, 2));
    config.trunks[0].caps = Caps { calls: Some(1), per_second: None };
    let (mut net, a, b, havre) = carriers(config);
    net.calls_out(havre, LEG, far());
    net.calls_out(havre, LegId(2), far());
    net.run(ms(50));
    for carrier in [a, b] {
        assert_eq!(net.party(carrier).endpoint.legs(), 1);
    }
    net.hangs_up(havre, LEG, Cause::Withdrawn);
    net.run(secs(1));
    net.calls_out(havre, LegId(3), far());
    net.run(ms(50));
    assert_eq!(net.party(a).endpoint.legs(), 1);
}

#[test]
fn weights_share_and_a_seed_repeats() {
    let weighed = |at, weight| Outbound { weight, ..outbound(at, 1) };
    let (mut net, a, b, havre) = carriers(two(weighed(A, 3), weighed(B, 1)));
    for leg in 1..=200 {
        net.calls_out(havre, LegId(leg), far());
        net.run(ms(20));
    }
    let (a, b) = (net.party(a).endpoint.legs(), net.party(b).endpoint.legs());
    assert_eq!(a + b, 200);
    assert!((125..=175).contains(&a), "{a} and {b}");
}

#[test]
fn a_name_is_resolved_and_the_loss_of_dns_survived() {
    let named = Outbound {
        peer: Peer::Name("carrier.example".into(), None),
        transport: None,
        ping: Some(Ping::default()),
        ..outbound(A, 1)
    };
    let mut net = Net::new(7);
    let question = |name: &str, kind| Question { name: name.to_owned(), kind };
    let srv =
        |priority, target: &str| Record::Srv { priority, weight: 0, port: 5060, target: target.to_owned() };
    let udp = "_sip._udp.carrier.example";
    net.zone.insert(question(udp, RecordKind::Srv), (vec![srv(1, "a.example"), srv(2, "b.example")], 60));
    for (name, ip) in [("a.example", "198.51.100.7"), ("b.example", "198.51.100.8")] {
        net.zone.insert(question(name, RecordKind::A), (vec![Record::Address(ip.parse().unwrap())], 60));
    }
    let a = net.add("a", A, phone());
    let b = net.add("b", B, phone());
    let havre = net.add("havre", HAVRE, with(vec![trunk("named", named)]));
    net.run(secs(2));
    assert_eq!(net.healths(havre), [("named".to_owned(), TrunkHealth::Up)]);
    net.dns = false;
    net.run(secs(3_600));
    net.calls_out(havre, LEG, far());
    net.run(ms(50));
    let theirs = net.incoming(a);
    net.command(a, Command::Reject { leg: theirs, status: 503 });
    net.run(ms(50));
    assert!(
        net.events(b).iter().any(|event| matches!(event, Event::Incoming { .. })),
        "the second host of SRV"
    );
    assert!(net.healths(havre).is_empty(), "an hour without DNS changes nothing");
    assert!(net.party(havre).endpoint.counters().dns_failures > 100);
}

#[test]
fn a_name_that_leads_nowhere_is_down_for_dns() {
    let named = Outbound { peer: Peer::Name("carrier.example".into(), None), ..outbound(A, 1) };
    for dns in [true, false] {
        let mut net = Net::new(7);
        net.dns = dns;
        let havre = net.add("havre", HAVRE, with(vec![trunk("named", named.clone())]));
        net.run(secs(10));
        assert_eq!(net.healths(havre), [("named".to_owned(), TrunkHealth::Down(TrunkDown::DnsFailed))]);
        net.calls_out(havre, LEG, far());
        assert_eq!(net.ended(havre), Some((EndedBy::Timeout, None, Cause::Unreachable)));
    }
}

fn member() -> Outbound {
    let account =
        Account { user: "havre".into(), realm: "carrier".into(), password: Password::new("secret") };
    Outbound { account: Some(account), register: Some(secs(600)), ..outbound(A, 1) }
}

#[test]
fn a_trunk_registers_refreshes_and_leaves_at_drain() {
    let mut net = Net::new(7);
    let havre = net.add("havre", HAVRE, with(vec![trunk("a", member())]));
    net.run(ms(50));
    let first = net.received(A).remove(0);
    assert!(first.starts_with("REGISTER sip:198.51.100.7 SIP/2.0"), "{first}");
    assert_eq!(header(&first, "To"), "<sip:havre@198.51.100.7>");
    net.send(
        A,
        HAVRE,
        &reply(&first, 401, "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n\", qop=\"auth\"\n"),
    );
    net.run(ms(50));
    let second = net.received(A).remove(0);
    assert!(header(&second, "Authorization").contains("username=\"havre\""));
    net.send(A, HAVRE, &reply(&second, 423, "Min-Expires: 1200\n"));
    net.run(ms(50));
    let third = net.received(A).remove(0);
    assert_eq!(header(&third, "Expires"), "1200");
    net.send(A, HAVRE, &reply(&third, 200, "Expires: 1200\n"));
    net.run(ms(50));
    assert_eq!(net.healths(havre), [("a".to_owned(), TrunkHealth::Up)]);
    net.run(secs(1_139));
    assert!(net.received(A).is_empty(), "no refresh before its time");
    net.run(secs(2));
    let refresh = net.received(A).remove(0);
    // Some take each nonce once, and say nothing of its age; who refuses what answers the next one means the password.
    let anew =
        |nonce| format!("WWW-Authenticate: Digest realm=\"carrier\", nonce=\"{nonce}\", qop=\"auth\"\n");
    net.send(A, HAVRE, &reply(&refresh, 401, &anew("m")));
    net.run(ms(50));
    let proof = net.received(A).remove(0);
    assert!(header(&proof, "Authorization").contains("nonce=\"m\""), "{proof}");
    assert_eq!(net.healths(havre), [], "to be asked anew is no failure");
    net.send(A, HAVRE, &reply(&proof, 401, &anew("o")));
    net.run(ms(50));
    assert_eq!(net.healths(havre), [("a".to_owned(), TrunkHealth::Down(TrunkDown::RegistrationRefused))]);
    net.run(secs(2));
    let again = net.received(A).remove(0);
    net.send(A, HAVRE, &reply(&again, 200, "Expires: 1200\n"));
    net.run(ms(50));
    net.command(havre, Command::Drain);
    net.run(ms(50));
    let last = net.received(A).remove(0);
    assert!(last.starts_with("REGISTER") && header(&last, "Expires") == "0", "{last}");
}

#[test]
fn a_refused_registration_is_said_tried_again_with_pauses_and_calls_go_elsewhere() {
    let (mut net, _, b, havre) = {
        let mut net = Net::new(7);
        let b = net.add("b", B, phone());
        let havre = net.add("havre", HAVRE, two(member(), outbound(B, 2)));
        (net, (), b, havre)
    };
    let mut asked = Vec::new();
    for _ in 0..1_200 {
        net.run(ms(100));
        for register in net.received(A) {
            asked.push(net.now.mono);
            net.send(A, HAVRE, &reply(&register, 403, ""));
        }
    }
    let down = TrunkHealth::Down(TrunkDown::RegistrationRefused);
    assert_eq!(net.healths(havre), [("a".to_owned(), down)]);
    assert!((4..=9).contains(&asked.len()), "{} in two minutes", asked.len());
    net.calls_out(havre, LEG, far());
    net.run(ms(50));
    assert!(net.events(b).iter().any(|event| matches!(event, Event::Incoming { .. })));
}

#[test]
fn callers_of_a_registering_trunk_come_to_the_contact() {
    let mut registering = trunk("a", member());
    registering.sources = vec!["198.51.100.0/24".parse().unwrap()];
    let mut net = Net::new(7);
    let havre = net.add("havre", HAVRE, with(vec![registering]));
    let invite = format!(
        "INVITE sip:havre@{HAVRE} SIP/2.0\nVia: SIP/2.0/UDP {A};branch=z9hG4bKx;rport\nMax-Forwards: 70\n\
         From: <sip:+14165550123@carrier.example>;tag=f\nTo: <sip:8335550100@carrier.example>\nCall-ID: c\n\
         CSeq: 1 INVITE\nContact: <sip:{A}>\nContent-Length: 0\n\n"
    );
    net.send(A, HAVRE, &invite);
    net.run(ms(50));
    let called = net.events(havre).into_iter().find_map(|event| match event {
        Event::Incoming { called, .. } => Some(called),
        _ => None,
    });
    assert_eq!(called.as_deref(), Some(LINE));
}

#[test]
fn a_reload_keeps_what_is_known_of_a_trunk_that_did_not_change() {
    let pinged = |at, priority| Outbound { ping: Some(Ping::default()), ..outbound(at, priority) };
    let (mut net, _, _, havre) = carriers(two(pinged(A, 1), pinged(B, 2)));
    net.darken(A);
    net.run(secs(120));
    net.events(havre);
    let next = std::sync::Arc::new(two(pinged(A, 1), pinged(B, 3)));
    net.command(havre, Command::Configure(next));
    net.run(secs(2));
    let healths: Vec<_> = net.party(havre).endpoint.trunks().map(|(_, health)| health).collect();
    assert_eq!(healths, [TrunkHealth::Down(TrunkDown::NoAnswer), TrunkHealth::Up]);
}

/// A response to the text of a request.
fn reply(request: &str, status: u16, more: &str) -> String {
    let via = header(request, "Via");
    let to = header(request, "To");
    let (from, id, seq) = (header(request, "From"), header(request, "Call-ID"), header(request, "CSeq"));
    format!(
        "SIP/2.0 {status} Word\nVia: {via}\nFrom: {from}\nTo: {to};tag=t\nCall-ID: {id}\nCSeq: {seq}\n{more}\
         Content-Length: 0\n\n"
    )
}
