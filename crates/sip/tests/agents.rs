//! Advocates' phones: registering, being rung, feature codes.

mod net;

use havre_model::{AgentId, Cause, LegId};
use havre_sip::{Command, DialOffer, EndedBy, Event, Identity, Method, Origin, Target, Transport};
use net::raw::{authorization, request};
use net::*;

const OFFER_LEG: LegId = LegId(7);

fn agent() -> AgentId {
    "advocate-fr".parse().expect("an id")
}

/// Havre and one registered phone.
fn registered(transport: Transport) -> (Net, usize, usize) {
    let mut net = Net::new(2);
    let havre = net.add("havre", HAVRE, gateway());
    let desk = net.add("desk", PHONE, phone());
    net.registers(desk, "advocate-fr", "secret-fr", transport);
    net.run(ms(200));
    (net, havre, desk)
}

fn rings(net: &mut Net, havre: usize) {
    let from = Identity { display: "FR · urgent · silent".to_owned(), user: "line".to_owned(), host: None };
    let target = Target::Agent(agent());
    net.command(
        havre,
        Command::Dial { leg: OFFER_LEG, target, from, sdp: Some(sdp(OFFER).into()), account: None },
    );
}

/// RFC 6157: an offer is of use only where its address can be reached.
#[test]
fn each_phone_is_offered_what_its_own_network_reaches() {
    const SIX: &str = "[2001:db8::20]:5062";
    let mut net = Net::new(2);
    let havre = net.add("havre", HAVRE, gateway());
    let uri = "sip:havre.example";
    for at in [PHONE, SIX] {
        let register = |seq: u32, proof: &str| {
            let lines = format!(
                "From: <sip:advocate-fr@havre.example>;tag=r\nTo: <sip:advocate-fr@havre.example>\nCall-ID: {at}\n\
                 CSeq: {seq} REGISTER\n{proof}Contact: <sip:advocate-fr@{at}>\n"
            );
            request("REGISTER", uri, at, &lines, "")
        };
        let challenge = net.answer_to(at, &register(1, ""));
        let proof = authorization(&challenge, Method::Register, uri, "advocate-fr", "secret-fr");
        assert_eq!(status(&net.answer_to(at, &register(2, &proof))), 200);
    }
    let sdp = Some(DialOffer::new(sdp("v=4"), sdp("v=6")));
    let target = Target::Agent(agent());
    net.command(havre, Command::Dial { leg: OFFER_LEG, target, from: identity("line"), sdp, account: None });
    net.run(ms(50));
    for (at, offered) in [(PHONE, "v=4"), (SIX, "v=6")] {
        let heard = net.received(at);
        let invite = heard.iter().find(|text| text.starts_with("INVITE")).expect("it rings");
        assert_eq!(invite.split_once("\r\n\r\n").expect("a body").1, offered, "{at}");
    }
}

#[test]
fn a_phone_registers_with_its_password() {
    let (mut net, havre, _) = registered(Transport::Udp);
    assert_eq!(
        net.take_log(),
        "0.000 desk > havre REGISTER\n\
         0.010 havre > desk 401 REGISTER\n\
         0.020 desk > havre REGISTER\n\
         0.030 havre Registered(advocate-fr, first true)\n\
         0.030 havre > desk 200 REGISTER\n\
         0.040 desk RegisterResult(200, 300s)"
    );
    assert_eq!(net.party(havre).endpoint.bindings().count(), 1);
}

#[test]
fn a_registration_is_refreshed_without_another_challenge_and_removed_on_request() {
    let (mut net, havre, desk) = registered(Transport::Udp);
    net.take_log();
    net.run(secs(250));
    let log = net.take_log();
    let refresh: Vec<&str> = log.lines().filter(|line| !line.ends_with("OPTIONS")).collect();
    assert_eq!(
        refresh.join("\n"),
        "240.040 desk > havre REGISTER\n\
         240.050 havre Registered(advocate-fr, first false)\n\
         240.050 havre > desk 200 REGISTER\n\
         240.060 desk RegisterResult(200, 300s)"
    );
    net.run(secs(3600));
    assert_eq!(net.party(havre).endpoint.bindings().count(), 1);
    net.take_log();
    net.command(desk, Command::Unregister);
    net.run(secs(60));
    let log = net.take_log();
    assert!(log.contains("havre Unregistered(advocate-fr)"), "{log}");
    assert!(log.ends_with("desk RegisterResult(200, 0ns)"), "{log}");
    assert_eq!(net.party(havre).endpoint.bindings().count(), 0);
}

#[test]
fn wrong_passwords_and_unknown_accounts_look_the_same() {
    let mut logs = Vec::new();
    for (user, password) in [("advocate-fr", "wrong"), ("nobody", "wrong")] {
        let mut net = Net::new(3);
        let havre = net.add("havre", HAVRE, gateway());
        let desk = net.add("desk", PHONE, phone());
        net.registers(desk, user, password, Transport::Udp);
        net.run(ms(400));
        logs.push(net.take_log());
        assert_eq!(net.party(havre).endpoint.bindings().count(), 0);
        assert_eq!(net.party(havre).endpoint.counters().authentication_failures, 1);
    }
    assert_eq!(logs[0], logs[1]);
    assert!(logs[0].ends_with("desk RegisterResult(401, 0ns)"), "{}", logs[0]);
}

#[test]
fn a_binding_that_is_not_refreshed_ends() {
    let (mut net, havre, desk) = registered(Transport::Udp);
    net.take_log();
    net.kill(HAVRE);
    net.run(secs(301));
    let log = net.take_log();
    assert!(log.contains("havre Unregistered(advocate-fr)"), "{log}");
    assert_eq!(net.party(havre).endpoint.bindings().count(), 0);
    assert!(net.events(desk).iter().any(|event| matches!(event, Event::RegisterResult { status: 503, .. })));
}

fn reachable(events: &[Event]) -> Vec<bool> {
    let told = events.iter().filter_map(|event| match event {
        Event::Registered { .. } => Some(true),
        Event::Unregistered { .. } => Some(false),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_phone_that_falls_silent_is_gone_within_a_minute_and_back_when_it_answers() {
    let (mut net, havre, _) = registered(Transport::Udp);
    net.run(secs(60));
    net.events(havre);
    net.darken(PHONE);
    net.run(secs(41));
    assert_eq!(reachable(&net.events(havre)), [false], "asked every 30 s, with 10 s for the answer");
    assert_eq!(net.party(havre).endpoint.counters().phones_gone, 1);
    assert_eq!(net.party(havre).endpoint.bindings().count(), 1, "its registration stands");
    net.light(PHONE);
    net.run(secs(41));
    assert_eq!(reachable(&net.events(havre)), [true]);
    net.run(secs(60));
    assert!(net.events(havre).is_empty(), "nothing is told twice");
}

#[test]
fn a_phone_where_nobody_listens_is_gone_at_once() {
    let (mut net, havre, _) = registered(Transport::Udp);
    net.events(havre);
    net.kill(PHONE);
    net.run(secs(31));
    assert_eq!(reachable(&net.events(havre)), [false]);
    net.run(secs(200));
    assert!(net.events(havre).is_empty(), "nothing is told twice");
}

#[test]
fn a_call_goes_to_the_phone_that_is_there() {
    let (mut net, havre, _) = registered(Transport::Udp);
    let second = net.add("second", OTHER_PHONE, phone());
    net.registers(second, "advocate-fr", "secret-fr", Transport::Udp);
    net.run(secs(60));
    net.darken(PHONE);
    net.run(secs(41));
    net.events(havre);
    net.take_log();
    rings(&mut net, havre);
    net.run(secs(1));
    let log = net.take_log();
    assert!(log.contains("havre > second INVITE") && !log.contains("havre > desk INVITE"), "{log}");
}

#[test]
fn a_phone_that_never_answered_is_believed_until_its_registration_ends() {
    let mut net = Net::new(2);
    let havre = net.add("havre", HAVRE, gateway());
    let desk = net.add("desk", PHONE, phone());
    net.registers(desk, "advocate-fr", "secret-fr", Transport::Udp);
    net.run(ms(200));
    net.events(havre);
    net.darken(PHONE);
    net.run(secs(200));
    assert!(net.events(havre).is_empty());
    net.run(secs(120));
    assert_eq!(reachable(&net.events(havre)), [false]);
}

#[test]
fn a_binding_ends_with_its_connection_and_the_phone_comes_back() {
    let (mut net, havre, desk) = registered(Transport::Tcp);
    assert_eq!(net.party(havre).endpoint.bindings().count(), 1);
    net.events(havre);
    net.break_connections(desk);
    net.run(secs(10));
    let events = net.events(havre);
    assert!(matches!(events[0], Event::Unregistered { .. }), "{events:?}");
    assert!(matches!(events[1], Event::Registered { first: true, .. }), "{events:?}");
}

#[test]
fn an_advocate_is_rung_answers_and_is_hung_up() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let (mut net, havre, desk) = registered(transport);
        net.take_log();
        rings(&mut net, havre);
        net.run(ms(50));
        let at_desk = net.incoming(desk);
        net.command(desk, Command::Progress { leg: at_desk, status: 180 });
        net.run(secs(2));
        net.answers(desk, at_desk);
        net.run(secs(2));
        net.hangs_up(havre, OFFER_LEG, Cause::CallerHungUp);
        net.run(secs(2));
        let log = net.take_log();
        let events: Vec<_> = log.lines().filter(|l| !l.contains(" > ")).map(|l| &l[6..]).collect();
        assert_eq!(
            events,
            [
                "desk Incoming havre",
                "havre Ringing",
                "havre Answered with SDP",
                "desk Confirmed",
                "desk Ended by Remote, -, agent_hung_up",
                "havre Ended by Us, 200, caller_hung_up"
            ],
            "{log}"
        );
    }
}

#[test]
fn the_phone_sees_the_identity_it_was_given() {
    let (mut net, havre, desk) = registered(Transport::Udp);
    rings(&mut net, havre);
    net.run(ms(50));
    let events = net.events(desk);
    let caller = events.iter().find_map(|event| match event {
        Event::Incoming { caller, .. } => Some(caller.expose().clone()),
        _ => None,
    });
    assert_eq!(caller.unwrap().display.as_deref(), Some("FR · urgent · silent"));
}

#[test]
fn an_offer_that_is_withdrawn_stops_ringing() {
    let (mut net, havre, desk) = registered(Transport::Udp);
    rings(&mut net, havre);
    net.run(ms(50));
    net.take_log();
    net.hangs_up(havre, OFFER_LEG, Cause::Withdrawn);
    net.run(secs(40));
    let log = net.take_log();
    assert!(log.contains("desk Ended by Cancelled, -, caller_cancelled"), "{log}");
    assert_eq!((net.party(havre).endpoint.legs(), net.party(desk).endpoint.legs()), (0, 0));
}

#[test]
fn all_phones_of_an_advocate_ring_and_the_first_answer_wins() {
    let (mut net, havre, desk) = registered(Transport::Udp);
    let soft = net.add("soft", OTHER_PHONE, phone());
    net.registers(soft, "advocate-fr", "secret-fr", Transport::Tcp);
    net.run(ms(200));
    assert_eq!(net.party(havre).endpoint.bindings().count(), 2);
    rings(&mut net, havre);
    net.run(ms(50));
    let (at_desk, at_soft) = (net.incoming(desk), net.incoming(soft));
    assert_ne!(at_desk, at_soft);
    net.answers(soft, at_soft);
    net.run(secs(1));
    let log = net.take_log();
    assert!(log.contains("havre Answered with SDP"), "{log}");
    assert!(log.contains("desk Ended by Cancelled"), "{log}");
    assert!(log.contains("soft Confirmed"), "{log}");
    net.hangs_up(soft, at_soft, Cause::AgentHungUp);
    net.run(secs(1));
    assert!(net.take_log().contains("havre Ended by Remote, -, agent_hung_up"));
}

#[test]
fn two_phones_answer_at_once_and_one_is_let_go() {
    let (mut net, havre, desk) = registered(Transport::Udp);
    let soft = net.add("soft", OTHER_PHONE, phone());
    net.registers(soft, "advocate-fr", "secret-fr", Transport::Udp);
    net.run(ms(200));
    rings(&mut net, havre);
    net.run(ms(50));
    let (at_desk, at_soft) = (net.incoming(desk), net.incoming(soft));
    net.answers(desk, at_desk);
    net.answers(soft, at_soft);
    net.run(secs(40));
    let log = net.take_log();
    assert_eq!(log.matches("havre Answered").count(), 1, "{log}");
    assert_eq!(log.matches("Ended by Remote").count(), 1, "{log}");
    assert_eq!((net.party(havre).endpoint.legs(), net.party(desk).endpoint.legs()), (1, 1));
    assert_eq!(net.party(soft).endpoint.legs(), 0);
}

#[test]
fn declined_on_one_phone_is_declined_on_all_but_busy_is_not() {
    for (status, ended) in [(603, true), (486, false)] {
        let (mut net, havre, desk) = registered(Transport::Udp);
        let soft = net.add("soft", OTHER_PHONE, phone());
        net.registers(soft, "advocate-fr", "secret-fr", Transport::Udp);
        net.run(ms(200));
        rings(&mut net, havre);
        net.run(ms(50));
        let at_desk = net.incoming(desk);
        net.command(desk, Command::Reject { leg: at_desk, status });
        net.run(secs(1));
        let over = net
            .events(havre)
            .into_iter()
            .any(|event| matches!(event, Event::Ended { by: EndedBy::Refused, cause: Cause::Declined, .. }));
        assert_eq!((over, net.party(soft).endpoint.legs() == 0), (ended, ended), "{status}");
    }
}

#[test]
fn an_advocate_without_a_phone_can_not_be_rung() {
    let mut net = Net::new(1);
    let havre = net.add("havre", HAVRE, gateway());
    rings(&mut net, havre);
    assert_eq!(net.take_log(), "0.000 havre Ended by Refused, 480, unreachable");
}

#[test]
fn a_phone_whose_port_is_closed_is_unreachable_at_once() {
    let (mut net, havre, _) = registered(Transport::Udp);
    net.kill(PHONE);
    net.take_log();
    rings(&mut net, havre);
    net.run(secs(1));
    assert!(net.take_log().ends_with("0.210 havre Ended by Timeout, -, unreachable"));
}

#[test]
fn an_advocate_dials_a_feature_code_after_proving_who_it_is() {
    let (mut net, havre, desk) = registered(Transport::Udp);
    net.take_log();
    let dial = |code: &str, password: &str| Command::Dial {
        leg: LegId(9),
        target: Target::Uri {
            uri: uri(&format!("sip:{code}@havre.example")),
            path: path(Transport::Udp, PHONE, HAVRE),
        },
        from: Identity { host: Some("havre.example".to_owned()), ..identity("advocate-fr") },
        sdp: Some(sdp(OFFER).into()),
        account: Some(account("advocate-fr", password)),
    };
    net.command(desk, dial("*40", "secret-fr"));
    net.run(ms(100));
    assert_eq!(
        net.take_log(),
        "0.200 desk > havre INVITE\n\
         0.210 havre > desk 401 INVITE\n\
         0.220 desk > havre ACK\n\
         0.220 desk > havre INVITE\n\
         0.230 havre > desk 100 INVITE\n\
         0.230 havre Incoming *40"
    );
    let events = net.events(havre);
    let origin = events.iter().find_map(|event| match event {
        Event::Incoming { origin, caller, .. } => Some((origin.clone(), caller.expose().number.clone())),
        _ => None,
    });
    assert_eq!(origin, Some((Origin::Agent(agent()), None)));
    let leg = net.incoming_leg(events);
    net.hangs_up(havre, leg, Cause::Done);
    net.run(secs(1));

    for (code, password, status) in
        [("*40", "wrong", 401), ("*99", "secret-fr", 404), (LINE, "secret-fr", 403)]
    {
        net.events(desk);
        net.command(desk, dial(code, password));
        net.run(secs(1));
        let events = net.events(desk);
        assert!(
            matches!(events[..], [Event::Ended { status: Some(s), .. }] if s == status),
            "{code} {password}: {events:?}"
        );
    }
}
