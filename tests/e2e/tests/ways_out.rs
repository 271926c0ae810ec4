//! Which trunk a call of ours takes, and in what words: shares by weight, caps in both directions, each carrier's quirks on
//! the wire, and names that NAPTR leads to a transport.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use havre_e2e::message::{header, response, status};
use havre_e2e::{Carrier, Dns, Gateway, Host, Line, Sipp, Zone, until, way_out};
use toml::Value;

const SOON: Duration = Duration::from_secs(5);
/// An urgent caller's search for people on call, and some.
const ON_CALL: Duration = Duration::from_secs(20);
/// `limits::MAX_OFFERS_PER_CALL`, less some.
const PEOPLE: usize = 60;

/// Of 600 calls a quarter takes the lighter trunk: 150, give or take 11.
#[test]
fn two_trunks_of_one_priority_share_calls_by_weight() {
    let hosts = [Host::claim(), Host::claim()];
    let [heavy, light] = [0, 1].map(|at| Carrier::start(&hosts[at]));
    let weighed = |host: &Host, weight: i64| way_out(host, &[("weight", weight.into())]);
    let trunks = [("heavy", weighed(&hosts[0], 3)), ("light", weighed(&hosts[1], 1))];
    let line = Line::demo().all_on_call(&telephones(PEOPLE), &trunks).start();
    let counts = || [heavy.invites().len(), light.invites().len()];
    for round in 1..=10 {
        everybody_is_rung(&line, || counts().iter().sum::<usize>() == round * PEOPLE);
    }
    let [heavy, light] = counts();
    assert!((105..=195).contains(&light), "{heavy} and {light}");
}

#[test]
fn what_is_over_a_trunk_s_caps_goes_over_the_next_one() {
    for cap in ["max_calls", "max_calls_per_second"] {
        let hosts = [Host::claim(), Host::claim()];
        let [first, second] = [0, 1].map(|at| Carrier::start(&hosts[at]));
        let of = |host: &Host, priority: i64| way_out(host, &[("priority", priority.into())]);
        let trunks = [("first", of(&hosts[0], 1)), ("second", of(&hosts[1], 2))];
        // The demo's own trunk stands before them.
        let line =
            Line::demo().all_on_call(&telephones(5), &trunks).with(&format!("trunks.1.{cap}"), 2).start();
        everybody_is_rung(&line, || first.invites().len() + second.invites().len() == 5);
        assert_eq!((first.invites().len(), second.invites().len()), (2, 3), "{cap}");
        until("the full trunk to be counted", SOON, || {
            (line.api().metric("havre_component_events_total", "trunk_full") > 2.5).then_some(())
        });
    }
}

#[test]
fn callers_over_a_trunk_s_cap_are_refused_in_its_words_and_the_others_talk_on() {
    let line = Line::demo().with("trunks.0.max_calls", 2).with("trunks.0.overload", "500").start();
    let carrier = Gateway::open(&line);
    let calls = ["one", "two"].map(|call| carrier.calls(call));
    assert_eq!(calls.each_ref().map(|answer| status(answer)), [200, 200]);
    let refused = carrier.calls("three");
    assert!(refused.starts_with("SIP/2.0 500 ") && !refused.contains("Retry-After"), "{refused}");
    let in_progress = |wanted: usize| {
        until("so many calls", SOON, || (line.api().calls().len() == wanted).then_some(()));
    };
    in_progress(2);
    carrier.hangs_up(&calls[0]);
    in_progress(1);
    assert_eq!(status(&carrier.calls("four")), 200);
}

#[test]
fn so_many_callers_a_second_come_over_a_trunk_and_the_next_second_as_many() {
    let line = Line::demo().with("trunks.0.max_calls_per_second", 2).start();
    let carrier = Gateway::open(&line);
    for call in ["one", "two", "three", "four", "five"] {
        carrier.send_invite(call);
    }
    let answers: Vec<String> = (0..5).map(|_| carrier.final_answer()).collect();
    let (taken, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| status(answer) == 200);
    assert_eq!((taken.len(), refused.len()), (2, 3), "{answers:#?}");
    for answer in refused {
        let pause: u32 = header(answer, "Retry-After").parse().expect("seconds");
        assert!(status(answer) == 503 && (1..=3).contains(&pause), "{answer}");
    }
    let mut later = 0;
    until("the next second", SOON, || {
        later += 1;
        (status(&carrier.calls(&format!("later-{later}"))) == 200).then_some(())
    });
}

#[test]
fn each_carrier_s_quirks_are_on_the_wire_and_nobody_else_s() {
    let quirks: [(&str, Value); 6] = [
        ("numbers", "national".into()),
        ("from", "line.example".into()),
        ("user_phone", true.into()),
        ("asserted_identity", true.into()),
        ("reliable", false.into()),
        ("session_timer", false.into()),
    ];
    for (quirks, codecs) in [(&quirks[..], Some("pcma")), (&[], None)] {
        let host = Host::claim();
        let carrier = Carrier::start(&host);
        let line = Line::demo().with("sip.session_expires", 600);
        let mut line = line.all_on_call(&telephones(1), &[("carrier", way_out(&host, quirks))]);
        if let Some(codec) = codecs {
            line.set("trunks.1.codecs", vec![codec]);
        }
        let line = line.start();
        everybody_is_rung(&line, || carrier.invites().len() == 1);
        let invite = carrier.invites().remove(0);
        let ip = host.ip();
        let (uri, from) = (format!("INVITE {} SIP/2.0", uri_of(&invite)), header(&invite, "From"));
        let formats = invite.lines().find_map(|row| row.strip_prefix("m=audio ")).expect("an offer");
        let formats: Vec<_> = formats.split(' ').skip(2).collect();
        if quirks.is_empty() {
            assert_eq!(uri, format!("INVITE sip:+14165550000@{ip} SIP/2.0"));
            assert!(from.starts_with("<sip:+18335550100@") && !from.contains("user=phone"), "{invite}");
            assert!(
                header(&invite, "Supported") == "timer, 100rel"
                    && invite.contains("Session-Expires: 600\r\n"),
                "{invite}"
            );
            assert!(!invite.contains("P-Asserted-Identity"), "{invite}");
            assert_eq!(formats[..3], ["0", "8", "9"], "{invite}");
        } else {
            assert_eq!(uri, format!("INVITE sip:4165550000@{ip};user=phone SIP/2.0"));
            assert!(from.starts_with("<sip:8335550100@line.example;user=phone>;tag="), "{invite}");
            assert_eq!(header(&invite, "P-Asserted-Identity"), "<sip:8335550100@line.example;user=phone>");
            assert!(!invite.contains("Supported: ") && !invite.contains("Session-Expires: "), "{invite}");
            assert_eq!(formats, ["8", "101"], "{invite}");
        }
    }
}

#[test]
fn a_carrier_s_own_codecs_are_those_that_its_callers_are_answered_with() {
    let line = Line::demo().with("trunks.0.codecs", vec!["pcma"]).start();
    let carrier = Gateway::open(&line);
    let answer = carrier.calls("one");
    assert!(answer.contains("RTP/AVP 8 101\r\n") && !answer.contains("PCMU"), "{answer}");
    // Whoever has none of them is told so, not left in silence.
    carrier.send_invite_with("two", "0 101");
    assert_eq!(status(&carrier.final_answer()), 488);
}

/// RFC 3263 §4.1: what it prefers and we speak first, and then what it prefers less.
#[test]
fn naptr_leads_to_the_transport_that_a_carrier_prefers() {
    let host = Host::claim();
    let dns = Dns::start_zone(&Zone {
        ttl: 1,
        naptr: &[
            // Nothing of TLS is configured here.
            ("carrier.test", 10, "SIPS+D2T", "_sips._tcp.carrier.test"),
            ("carrier.test", 30, "SIP+D2U", "_sip._udp.carrier.test"),
            ("carrier.test", 20, "SIP+D2T", "_sip._tcp.carrier.test"),
        ],
        srv: &[
            ("_sips._tcp.carrier.test", 1, 5061, "edge.carrier.test"),
            ("_sip._tcp.carrier.test", 1, 5070, "edge.carrier.test"),
            ("_sip._udp.carrier.test", 1, 5080, "edge.carrier.test"),
        ],
        addresses: &[("edge.carrier.test", host.ip())],
    });
    let (tls, tcp) = (TcpListener::bind(host.at(5061)), TcpListener::bind(host.at(5070)));
    let (tls, tcp) = (tls.expect("a free port"), tcp.expect("a free port"));
    let udp = UdpSocket::bind(host.at(5080)).expect("a free port");
    udp.set_read_timeout(Some(ON_CALL)).expect("a socket takes a timeout");
    udp.set_nonblocking(true).expect("an open socket");
    tls.set_nonblocking(true).expect("an open listener");
    let mut outbound = way_out(&host, &[]);
    outbound.insert("peer".into(), "carrier.test".into());
    let line = Line::demo()
        .all_on_call(&telephones(1), &[("carrier", outbound)])
        .with("sip.dns", vec![dns.address()])
        .start();
    line.api().wait_for_state("on-call", "ready");
    let (mut call, _media) = Sipp::urgent_caller(&line);
    let (mut connection, _) = tcp.accept().expect("it is called over TCP");
    connection.set_read_timeout(Some(SOON)).expect("a socket takes a timeout");
    let mut first = String::new();
    while !first.contains("\r\n\r\n") {
        let mut buffer = [0; 4_096];
        let length = connection.read(&mut buffer).expect("an INVITE");
        assert!(length > 0, "it closed after {first:?}");
        first.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    assert!(first.starts_with("INVITE sip:+14165550000@carrier.test;transport=tcp SIP/2.0\r\n"), "{first}");
    assert!(header(&first, "Via").starts_with("SIP/2.0/TCP "), "{first}");
    assert!(udp.recv(&mut [0; 64]).is_err(), "what it prefers less is not tried first");
    udp.set_nonblocking(false).expect("an open socket");
    let busy = response(&first, "503 Service Unavailable", "");
    connection.write_all(busy.as_bytes()).expect("an open connection");
    let mut buffer = [0; 8_192];
    let (length, from) = udp.recv_from(&mut buffer).expect("then over UDP");
    let second = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert!(second.starts_with("INVITE sip:+14165550000@carrier.test SIP/2.0\r\n"), "{second}");
    assert!(header(&second, "Via").starts_with("SIP/2.0/UDP "), "{second}");
    udp.send_to(response(&second, "486 Busy Here", "").as_bytes(), from).expect("loopback takes a datagram");
    assert!(tls.accept().is_err(), "what we do not speak is not tried");
    call.cue();
    call.finish(SOON);
}

/// Numbers of people on call.
fn telephones(count: usize) -> Vec<String> {
    (0..count).map(|nth| format!("+1416555{nth:04}")).collect()
}

/// One urgent caller, for whom everybody on call is rung, until it is so; then the caller leaves and all is quiet.
fn everybody_is_rung(line: &Line, rung: impl Fn() -> bool) {
    let quiet = || line.api().agents().values().all(|state| state == "ready").then_some(());
    until("everybody to be there", SOON, quiet);
    let (mut call, _media) = Sipp::urgent_caller(line);
    until("everybody to be rung", ON_CALL, || rung().then_some(()));
    call.cue();
    call.finish(SOON);
    until("everybody to be let go", SOON, quiet);
}

fn uri_of(request: &str) -> &str {
    request.split(' ').nth(1).expect("a request line")
}
