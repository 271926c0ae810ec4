//! Who may call what, and what wrong requests are answered.

mod net;

use havre_model::Cause;
use havre_sip::{Command, Config, Event, LineNumbers, Method, Origin, Overload, Password, Transport, Trunk};
use net::raw::*;
use net::*;

const TO_LINE: &str = "sip:+18335550100@192.0.2.10";

fn havre_with(config: Config) -> (Net, usize) {
    let mut net = Net::new(4);
    let havre = net.add("havre", HAVRE, config);
    (net, havre)
}

fn havre() -> (Net, usize) {
    havre_with(gateway())
}

/// What an INVITE is answered, and what was reported of it: `Incoming` ends as 486 by our own hand.
#[track_caller]
fn outcome(net: &mut Net, at: usize, from: &str, text: &str) -> (u16, Vec<Event>) {
    net.events(at);
    net.send(from, HAVRE, text);
    net.run(ms(30));
    let events = net.events(at);
    if let Some(Event::Incoming { leg, .. }) = events.first() {
        net.command(at, Command::Reject { leg: *leg, status: 486 });
    }
    net.run(ms(30));
    let last = net.received(from).pop().unwrap_or_default();
    (status(&last), events)
}

#[test]
fn the_source_decides_the_trunk_and_the_number_the_line() {
    for (number, called) in [
        ("+18335550100", LINE),
        ("18335550100", LINE),
        ("8335550100", LINE),
        ("9%238335550100", LINE),
        ("+1-833-555-0100;npdi=yes", LINE),
    ] {
        let (mut net, at) = havre();
        let (status, events) =
            outcome(&mut net, at, CARRIER, &invite(&format!("sip:{number}@192.0.2.10"), CARRIER, ""));
        assert_eq!(status, 486, "{number}");
        let Event::Incoming { origin, called: to, line, caller, .. } = &events[0] else {
            panic!("{events:?}")
        };
        assert_eq!(*origin, Origin::Trunk("carrier".parse().unwrap()));
        assert_eq!((to.as_str(), line.as_ref().unwrap().as_str()), (called, "hotline"));
        assert_eq!(caller.expose().number.as_deref(), Some("+14165550123"));
    }
}

#[test]
fn a_tel_uri_reaches_the_line_too() {
    let (mut net, at) = havre();
    assert_eq!(outcome(&mut net, at, CARRIER, &invite("tel:+1-833-555-0100", CARRIER, "")).0, 486);
}

#[test]
fn an_unknown_number_is_404_and_an_unknown_source_403() {
    let (mut net, at) = havre();
    let (status, events) =
        outcome(&mut net, at, CARRIER, &invite("sip:+18335559999@192.0.2.10", CARRIER, ""));
    assert_eq!(status, 404);
    assert!(matches!(&events[..], [Event::Refused { status: 404, trunk: Some(_), .. }]), "{events:?}");
    let (status, events) = outcome(&mut net, at, STRANGER, &invite(TO_LINE, STRANGER, "Call-ID: s\n"));
    assert_eq!(status, 403);
    assert!(matches!(&events[..], [Event::Refused { status: 403, trunk: None, .. }]), "{events:?}");
}

#[test]
fn several_carriers_share_a_line_and_keep_to_their_numbers() {
    let mut config = gateway();
    config
        .lines
        .push(LineNumbers { line: "french".parse().unwrap(), numbers: vec!["+18335550101".to_owned()] });
    config.trunks[0].numbers = vec![LINE.to_owned()];
    config.trunks.push(Trunk {
        id: "other".parse().unwrap(),
        sources: vec!["203.0.113.0/24".parse().unwrap()],
        digest: None,
        certificate: None,
        numbers: vec![LINE.to_owned(), "+18335550101".to_owned()],
        strip_prefixes: Vec::new(),
        overload: Default::default(),
        caps: Default::default(),
        outbound: None,
    });
    for (from, number, expected) in [
        (CARRIER, LINE, 486),
        (CARRIER, "+18335550101", 404),
        ("203.0.113.5:5060", LINE, 486),
        ("203.0.113.5:5060", "+18335550101", 486),
    ] {
        let (mut net, at) = havre_with(config.clone());
        let text = invite(&format!("sip:{number}@192.0.2.10"), from, "");
        assert_eq!(outcome(&mut net, at, from, &text).0, expected, "{from} {number}");
    }
}

#[test]
fn a_trunk_with_credentials_is_challenged() {
    let mut config = gateway();
    config.trunks[0].digest = Some(("carrier-user".to_owned(), Password::new("carrier-secret")));
    let (mut net, at) = havre_with(config.clone());
    let challenge = net.answer_to(CARRIER, &invite(TO_LINE, CARRIER, ""));
    assert_eq!(status(&challenge), 401);
    for (user, password, expected) in [
        ("carrier-user", "carrier-secret", 486),
        ("carrier-user", "x", 401),
        ("advocate-fr", "secret-fr", 401),
    ] {
        let proof = authorization(&challenge, Method::Invite, TO_LINE, user, password);
        let text = invite(TO_LINE, CARRIER, &format!("{proof}Call-ID: {user}{password}\nCSeq: 2 INVITE\n"));
        assert_eq!(outcome(&mut net, at, CARRIER, &text).0, expected, "{user}");
    }

    // Without networks, anybody may show the credentials.
    config.trunks[0].sources.clear();
    let (mut net, at) = havre_with(config);
    let challenge = net.answer_to(STRANGER, &invite(TO_LINE, STRANGER, ""));
    let proof = authorization(&challenge, Method::Invite, TO_LINE, "carrier-user", "carrier-secret");
    let text = invite(TO_LINE, STRANGER, &format!("{proof}CSeq: 2 INVITE\n"));
    assert_eq!(outcome(&mut net, at, STRANGER, &text).0, 486);
}

#[test]
fn an_accounts_uri_is_challenged_wherever_it_comes_from() {
    let from = "From: <sip:advocate-fr@havre.example>;tag=a\n";
    for source in [CARRIER, STRANGER] {
        let (mut net, at) = havre();
        assert_eq!(outcome(&mut net, at, source, &invite(TO_LINE, source, from)).0, 401, "{source}");
    }
    // The same words at a carrier's own host are a caller's.
    let (mut net, at) = havre();
    let from = "From: <sip:advocate-fr@carrier.example>;tag=a\n";
    assert_eq!(outcome(&mut net, at, CARRIER, &invite(TO_LINE, CARRIER, from)).0, 486);
}

#[test]
fn an_account_that_does_not_exist_is_answered_like_one_that_does() {
    let mut answers = Vec::new();
    for user in ["advocate-fr", "nobody"] {
        let (mut net, _) = havre();
        let from = format!("From: <sip:{user}@havre.example>;tag=a\n");
        let challenge = net.answer_to(STRANGER, &invite("sip:*40@havre.example", STRANGER, &from));
        assert_eq!(status(&challenge), 401, "{user}");
        let proof = authorization(&challenge, Method::Invite, "sip:*40@havre.example", user, "wrong");
        let again = invite("sip:*40@havre.example", STRANGER, &format!("{from}{proof}CSeq: 2 INVITE\n"));
        answers.push(status(&net.answer_to(STRANGER, &again)));
    }
    assert_eq!(answers, [401, 401]);
}

#[test]
fn what_comes_from_a_phones_address_is_an_agents() {
    let mut net = Net::new(5);
    let mut config = gateway();
    // The demo: everything is on one host, and a trunk.
    config.trunks[0].sources = vec!["203.0.113.0/24".parse().unwrap()];
    let at = net.add("havre", HAVRE, config);
    let desk = net.add("desk", PHONE, phone());
    assert_eq!(outcome(&mut net, at, OTHER_PHONE, &invite(TO_LINE, OTHER_PHONE, "")).0, 486);
    net.registers(desk, "advocate-fr", "secret-fr", Transport::Udp);
    net.run(ms(100));
    net.take_log();
    net.dials(desk, TO_LINE, HAVRE);
    net.run(ms(100));
    assert!(net.take_log().contains("havre > desk 401 INVITE"));
    // Another port of the same host is no phone of ours.
    assert_eq!(outcome(&mut net, at, OTHER_PHONE, &invite(TO_LINE, OTHER_PHONE, "Call-ID: c2\n")).0, 486);
}

#[test]
fn another_accounts_from_is_forbidden() {
    let (mut net, _) = havre();
    let from = "From: <sip:advocate-fr@havre.example>;tag=a\n";
    let uri = "sip:*40@havre.example";
    let challenge = net.answer_to(STRANGER, &invite(uri, STRANGER, from));
    let proof = authorization(&challenge, Method::Invite, uri, "advocate-en", "secret-en");
    let again = invite(uri, STRANGER, &format!("{from}{proof}CSeq: 2 INVITE\n"));
    assert_eq!(status(&net.answer_to(STRANGER, &again)), 403);
}

#[test]
fn the_callers_number_is_the_asserted_one_and_withheld_when_asked() {
    for (more, number) in [
        ("P-Asserted-Identity: <tel:+16045550199>\n", Some("+16045550199")),
        (
            "P-Asserted-Identity: \"X\" <sip:6045550199@c.example>\nFrom: <sip:anonymous@anonymous.invalid>;tag=a\n",
            Some("+16045550199"),
        ),
        ("P-Asserted-Identity: <tel:+16045550199>\nPrivacy: id\n", None),
        ("From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=a\n", None),
        ("From: <sip:0114420718387@c.example>;tag=a\n", Some("+4420718387")),
    ] {
        let (mut net, at) = havre();
        let (_, events) = outcome(&mut net, at, CARRIER, &invite(TO_LINE, CARRIER, more));
        let Event::Incoming { caller, .. } = &events[0] else { panic!("{events:?}") };
        assert_eq!((caller.expose().number.as_deref(), &caller.expose().display), (number, &None), "{more}");
    }
}

#[test]
fn the_number_that_was_dialled_first_decides_the_line() {
    let mut config = gateway();
    config
        .lines
        .push(LineNumbers { line: "french".parse().unwrap(), numbers: vec!["+18335550101".to_owned()] });
    for (uri, more, line) in [
        (TO_LINE, "", Some("hotline")),
        (TO_LINE, "Diversion: <tel:+1-833-555-0101>;reason=unconditional\n", Some("french")),
        // The last diversion stands first.
        (TO_LINE, "Diversion: <sip:+15145550100@c.example>,<sip:8335550101@c.example>\n", Some("french")),
        (
            TO_LINE,
            "History-Info: <sip:+18335550101@c.example>;index=1,<sip:+18335550100@192.0.2.10>;index=1.1\n",
            Some("french"),
        ),
        // A person's own telephone, forwarded to the line, is no number of ours.
        (TO_LINE, "Diversion: <sip:+15145550177@c.example>\n", Some("hotline")),
        // A routing number that only the carrier knows.
        ("sip:7775550000@192.0.2.10", "History-Info: <sip:+18335550101@c.example>;index=1\n", Some("french")),
        ("sip:7775550000@192.0.2.10", "Diversion: <sip:+15145550177@c.example>\n", None),
        (TO_LINE, "History-Info: ;;<,\"\nDiversion: <<\n", Some("hotline")),
    ] {
        let (mut net, at) = havre_with(config.clone());
        let (_, events) = outcome(&mut net, at, CARRIER, &invite(uri, CARRIER, more));
        let reached = match &events[0] {
            Event::Incoming { line, .. } => line.as_ref().map(havre_model::LineId::as_str),
            _ => None,
        };
        assert_eq!(reached, line, "{more}");
        assert!(!format!("{events:?}").contains("5145550177"), "{events:?}");
    }
}

#[test]
fn only_a_trunk_is_believed_about_who_calls() {
    let (mut net, at) = havre();
    let more = "From: <sip:advocate-fr@havre.example>;tag=a\nP-Asserted-Identity: <tel:+16045550199>\n";
    let challenge = net.answer_to(PHONE, &invite("sip:*40@havre.example", PHONE, more));
    let proof =
        authorization(&challenge, Method::Invite, "sip:*40@havre.example", "advocate-fr", "secret-fr");
    let text = invite("sip:*40@havre.example", PHONE, &format!("{proof}{more}CSeq: 2 INVITE\n"));
    let (_, events) = outcome(&mut net, at, PHONE, &text);
    let Event::Incoming { caller, .. } = &events[0] else { panic!("{events:?}") };
    assert_eq!(caller.expose().number, None);
}

#[test]
fn events_do_not_print_a_caller() {
    let (mut net, at) = havre();
    let (_, events) = outcome(&mut net, at, CARRIER, &invite(TO_LINE, CARRIER, ""));
    let text = format!("{events:?}");
    assert!(!text.contains("4165550123") && !text.contains(CARRIER), "{text}");
}

/// Request, expected status, a header that must be in the answer.
#[test]
fn wrong_requests_are_answered_as_the_rfc_says() {
    let to = "sip:+18335550100@192.0.2.10";
    let in_dialog = |method: &str| {
        let lines =
            format!("From: <sip:a@b>;tag=x\nTo: <{to}>;tag=0123456789abcdef\nCall-ID: q\nCSeq: 9 {method}\n");
        request(method, to, CARRIER, &lines, "")
    };
    let cases = [
        (invite("mailto:a@b.example", CARRIER, ""), 416, ""),
        (invite(to, CARRIER, "Require: path, 100rel, timer\n"), 420, "Unsupported: path"),
        (invite(to, CARRIER, "").replace("Max-Forwards: 70", "Max-Forwards: 0"), 483, ""),
        (invite(to, CARRIER, "Content-Type: text/plain\n"), 415, "Accept: application/sdp"),
        (invite(to, CARRIER, "Content-Encoding: gzip\n"), 415, "Accept-Encoding: identity"),
        (invite(to, CARRIER, "Supported: timer\nSession-Expires: 30\n"), 422, "Min-SE: 90"),
        (invite(to, CARRIER, "").replace("Contact:", "X-Contact:"), 400, ""),
        (invite(to, CARRIER, "CSeq: 2147483648 INVITE\n"), 400, ""),
        (
            request("MESSAGE", to, CARRIER, &common("MESSAGE", "sip:a@b", to, 1), ""),
            405,
            "Allow: INVITE, ACK",
        ),
        (
            request("SUBSCRIBE", to, CARRIER, &common("SUBSCRIBE", "sip:a@b", to, 1), ""),
            405,
            "Allow: INVITE, ACK",
        ),
        (request("BYE", to, CARRIER, &common("BYE", "sip:a@b", to, 1), ""), 481, ""),
        (
            request("OPTIONS", to, CARRIER, &common("OPTIONS", "sip:a@b", to, 1), ""),
            200,
            "Accept: application/sdp",
        ),
        (
            request("OPTIONS", to, CARRIER, &(common("OPTIONS", "sip:a@b", to, 1) + "Require: x\n"), ""),
            420,
            "Unsupported: x",
        ),
        (request("CANCEL", to, CARRIER, &common("CANCEL", "sip:a@b", to, 1), ""), 481, ""),
        (request("FLY", to, CARRIER, &common("FLY", "sip:a@b", to, 1), ""), 501, "Allow: INVITE, ACK"),
        (in_dialog("BYE"), 481, ""),
        (in_dialog("INVITE").replace("Content-Length", "Contact: <sip:c@d>\r\nContent-Length"), 481, ""),
        (in_dialog("OPTIONS"), 481, ""),
    ];
    for (text, expected, line) in cases {
        let (mut net, at) = havre();
        let answer = net.answer_to(CARRIER, &text);
        let first = text.lines().next().unwrap();
        assert_eq!(status(&answer), expected, "{first}\n{answer}");
        assert!(answer.contains(line), "{first}: {line} is missing\n{answer}");
        assert!(header(&answer, "To").contains(";tag="), "{answer}");
        assert_eq!(net.party(at).endpoint.legs(), 0);
    }
}

#[test]
fn an_ack_is_never_answered() {
    let (mut net, at) = havre();
    let ack = request("ACK", "sip:x@192.0.2.10", CARRIER, &common("ACK", "sip:a@b", "sip:x@y", 1), "");
    assert!(net.ask(CARRIER, &ack).is_empty());
    assert_eq!(net.party(at).endpoint.counters().stray_acks, 1);
}

#[test]
fn the_same_invite_by_another_way_is_482() {
    let (mut net, at) = havre();
    net.send(CARRIER, HAVRE, &invite(TO_LINE, CARRIER, ""));
    net.run(ms(30));
    net.received(CARRIER);
    let again = invite(TO_LINE, CARRIER, "Subject: the long way round\n");
    assert_eq!(status(&net.answer_to(CARRIER, &again)), 482);
    assert_eq!(net.party(at).endpoint.legs(), 1);
}

#[test]
fn a_repeated_invite_is_absorbed() {
    let (mut net, at) = havre();
    for _ in 0..3 {
        net.send(CARRIER, HAVRE, &invite(TO_LINE, CARRIER, ""));
        net.run(ms(30));
    }
    let answers: Vec<_> = net.received(CARRIER).iter().map(|answer| status(answer)).collect();
    assert_eq!(answers, [100, 100, 100]);
    assert_eq!(net.events(at).len(), 1);
}

#[test]
fn answers_go_where_rfc_3581_says() {
    let (mut net, _) = havre();
    let options = |via: &str| {
        let lines = common("OPTIONS", "sip:a@b", "sip:c@d", 1);
        crlf(&format!("OPTIONS sip:c@d SIP/2.0\nVia: SIP/2.0/UDP {via}\n{lines}Content-Length: 0\n\n"))
    };
    let natted = "203.0.113.99:31337";
    net.send(natted, HAVRE, &options("10.0.0.5:5060;branch=z9hG4bK1;rport"));
    net.run(ms(50));
    let answer = net.received(natted).pop().unwrap();
    assert_eq!(
        header(&answer, "Via"),
        "SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK1;rport=31337;received=203.0.113.99"
    );
    // Without rport: the received address, but the port that the sender names.
    net.send(natted, HAVRE, &options("10.0.0.5:5080;branch=z9hG4bK2"));
    net.run(ms(50));
    assert!(net.received(natted).is_empty());
    let answer = net.received("203.0.113.99:5080").pop().unwrap();
    assert_eq!(header(&answer, "Via"), "SIP/2.0/UDP 10.0.0.5:5080;branch=z9hG4bK2;received=203.0.113.99");
}

/// Each carrier hears what makes it try its next route.
#[test]
fn at_the_limit_a_trunk_hears_what_its_configuration_says() {
    for (overload, expected) in [(Overload::Unavailable, 503), (Overload::ServerError, 500)] {
        let mut config = gateway();
        config.limits.legs = 0;
        for trunk in &mut config.trunks {
            trunk.overload = overload;
        }
        let mut net = Net::new(7);
        net.add("havre", HAVRE, config);
        let answer =
            net.answer_to("198.51.100.9:6000", &invite(TO_LINE, "198.51.100.9:6000", "Call-ID: c\n"));
        assert_eq!((status(&answer), header(&answer, "Retry-After")), (expected, ""), "{answer}");
    }
}

#[test]
fn at_the_limit_new_calls_get_503_and_calls_in_progress_go_on() {
    let mut config = gateway();
    config.limits.legs = 1;
    let mut net = Net::new(6);
    let carrier = net.add("carrier", CARRIER, phone());
    let at = net.add("havre", HAVRE, config);
    let leg = net.call_in_progress(carrier, at);
    let mut pauses = Vec::new();
    for n in 0..40 {
        let from = format!("198.51.100.9:{}", 6000 + n);
        let answer = net.answer_to(&from, &invite(TO_LINE, &from, &format!("Call-ID: c{n}\n")));
        assert_eq!(status(&answer), 503);
        pauses.push(header(&answer, "Retry-After").to_owned());
    }
    pauses.sort();
    pauses.dedup();
    assert_eq!(pauses, ["1", "2", "3"]);
    assert_eq!(net.party(at).endpoint.counters().overload_refusals, 40);
    net.take_log();
    net.command(at, Command::Probe { leg });
    net.run(secs(1));
    net.hangs_up(carrier, LEG, Cause::CallerHungUp);
    net.run(secs(1));
    let log = net.take_log();
    assert!(log.contains("Probed true") && log.contains("havre Ended by Remote"), "{log}");
    // And there is room again.
    assert_eq!(
        outcome(&mut net, at, "198.51.100.9:7000", &invite(TO_LINE, "198.51.100.9:7000", "Call-ID: z\n")).0,
        486
    );
}

#[test]
fn while_draining_new_calls_get_503() {
    let mut net = Net::new(7);
    let carrier = net.add("carrier", CARRIER, phone());
    let at = net.add("havre", HAVRE, gateway());
    net.call_in_progress(carrier, at);
    net.command(at, Command::Drain);
    let from = "198.51.100.9:6000";
    assert_eq!(status(&net.answer_to(from, &invite(TO_LINE, from, "Call-ID: d\n"))), 503);
    assert_eq!(net.party(at).endpoint.legs(), 1);
    net.hangs_up(carrier, LEG, Cause::CallerHungUp);
    net.run(secs(1));
    assert_eq!(net.party(at).endpoint.legs(), 0);
}

#[test]
fn strangers_fill_no_table() {
    let mut config = gateway();
    config.limits.transactions = 8;
    let (mut net, at) = havre_with(config);
    for n in 0..200 {
        let from = format!("233.252.0.{}:5060", n % 250);
        let account = "From: <sip:advocate-fr@havre.example>;tag=a\n";
        let lines = common("REGISTER", "sip:advocate-fr@havre", "sip:advocate-fr@havre", n);
        net.send(&from, HAVRE, &invite(TO_LINE, &from, &format!("Call-ID: s{n}\n")));
        net.send(&from, HAVRE, &invite(TO_LINE, &from, &format!("Call-ID: t{n}\n{account}")));
        net.send(&from, HAVRE, &request("REGISTER", "sip:havre", &from, &lines, ""));
        net.send(&from, HAVRE, &request("BYE", TO_LINE, &from, &common("BYE", "sip:a@b", "sip:c@d", n), ""));
        net.run(ms(1));
    }
    net.run(ms(20));
    assert_eq!(net.party(at).endpoint.counters().transactions_full, 0);
    // A caller still gets through.
    assert_eq!(outcome(&mut net, at, CARRIER, &invite(TO_LINE, CARRIER, "")).0, 486);
}

#[test]
fn a_configuration_that_loses_an_account_loses_its_bindings() {
    let mut net = Net::new(8);
    let at = net.add("havre", HAVRE, gateway());
    let desk = net.add("desk", PHONE, phone());
    net.registers(desk, "advocate-fr", "secret-fr", Transport::Udp);
    net.run(ms(100));
    net.events(at);
    let mut config = gateway();
    config.accounts.remove(&"advocate-fr".parse().unwrap());
    net.command(at, Command::Configure(std::sync::Arc::new(config)));
    assert!(matches!(&net.events(at)[..], [Event::Unregistered { .. }]));
    assert_eq!(net.party(at).endpoint.bindings().count(), 0);
}
