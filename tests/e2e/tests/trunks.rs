//! Calls of ours over carriers' trunks: to a silent one and on to the next, by DNS and without it, as a registered customer.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use havre_e2e::message::{header, md5, response};
use havre_e2e::{
    Authority, Baresip, Carrier, Dns, Host, Line, LineBuilder, Media, Sipp, TlsServer, holds_for, until,
    way_out,
};
use toml::{Table, Value};

const SOON: Duration = Duration::from_secs(5);
/// An urgent caller's T+15, and some.
const ON_CALL: Duration = Duration::from_secs(20);
const TELEPHONE: &str = "+14165550199";
const LINES_OWN: &str = "+18335550100";
const CALLER: &str = "+15145550123";

#[test]
fn a_trunk_that_falls_silent_is_an_alarm_until_it_answers_again() {
    let carrier = Host::claim();
    let outbound = way_out(&carrier, &[("options_every", 5.into())]);
    let answering = Carrier::start(&carrier);
    let line = line(&[("carrier-a", outbound)], &[]).start();
    let told = || {
        let trunks = line.api().json("/api/v1/trunks");
        let trunk = trunks["trunks"].as_array()?.iter().find(|trunk| trunk["id"] == "carrier-a")?.clone();
        let alarms = line.api().json("/api/v1/board")["alarms"].as_array()?.clone();
        let alarmed = alarms.iter().any(|a| a["kind"] == "trunk_down" && a["trunk"] == "carrier-a");
        let up = line.api().metric("havre_trunk_up", "carrier-a");
        Some((trunk["state"].as_str()?.to_owned(), trunk["why"].as_str()?.to_owned(), alarmed, up >= 1.0))
    };
    let up = Some(("up".to_owned(), "answers".to_owned(), false, true));
    until("the trunk to answer", SOON, || (told() == up).then_some(()));
    answering.stop();
    // Nobody listens there any more: two OPTIONS in a row come back by ICMP.
    let down = Some(("down".to_owned(), "unreachable".to_owned(), true, false));
    until("the alarm", ON_CALL, || (told() == down).then_some(()));
    let again = Carrier::start(&carrier);
    until("the trunk to be back", ON_CALL, || (told() == up).then_some(()));
    again.stop();
}

#[test]
fn an_on_call_telephone_is_reached_over_the_trunk_that_answers() {
    let (deaf, carrier) = (Host::claim(), Host::claim());
    let hears = UdpSocket::bind(deaf.at(5060)).unwrap();
    let outbound = |host: &Host, priority: i64| way_out(host, &[("priority", priority.into())]);
    // Each is spoken to in its own codecs.
    let own = [("trunks.1.codecs", vec!["pcma"].into())];
    let line = line(&[("first", outbound(&deaf, 1)), ("second", outbound(&carrier, 2))], &own).start();
    let events = line.events();
    let telephone = Media::open(carrier.ip(), Some((700.0, -12.0)));
    let mut far = Sipp::new("advocate").on_host(carrier, 5060).audio(telephone.port()).start(line.sip());
    let (mut call, caller) = Sipp::urgent_caller(&line);
    let (_, offered) = events.wait("offered", 1, ON_CALL);
    assert_eq!(offered["agent"].as_str(), Some("on-call"), "{offered}");
    let first = receive(&hears);
    let since = Instant::now();
    let second = far.hears("INVITE", ON_CALL);
    let failover = since.elapsed().as_secs_f64();
    assert!((3.5..5.0).contains(&failover), "the second trunk was tried after {failover} s");
    assert!(first.contains("RTP/AVP 8 101\r\n"), "{first}");
    assert!(second.contains("RTP/AVP 0 8 9 101"), "{second}");
    for invite in [&first, &second] {
        assert!(invite.starts_with(&format!("INVITE sip:{TELEPHONE}@")), "{invite}");
        let from = invite.lines().find(|row| row.starts_with("From:")).unwrap();
        assert!(from.contains(&format!("<sip:{LINES_OWN}@")), "{from}");
        assert!(!invite.contains(&CALLER[1..]), "the caller's number is nobody's business: {invite}");
    }
    // Whoever answers is asked for the key, and has no caller without it: a voicemail would have one otherwise.
    telephone.press("4");
    // 3 s of it.
    until("the question", SOON, || (telephone.received() > 150).then_some(()));
    let heard = caller.tone(Duration::from_secs(1)).map(|tone| tone.hz);
    assert!(heard.is_none_or(|hz| (hz - 700.0).abs() > 50.0), "the caller hears the telephone: {heard:?} Hz");
    telephone.press("1");
    assert_eq!(events.answered_by(1, ON_CALL), "on-call");
    caller.hears_tone(700.0, SOON);
    telephone.hears_tone(440.0, SOON);
    call.cue();
    call.finish(SOON);
    far.finish(SOON);
    let failovers = line.api().metric("havre_component_events_total", "trunk_failovers");
    assert!(failovers >= 1.0, "{failovers}");
}

#[test]
fn a_telephone_is_reached_past_a_full_trunk_through_a_challenge_and_an_announcement() {
    let (full, carrier) = (Host::claim(), Host::claim());
    let outbound = |host: &Host, priority: i64| {
        let account = [("user", "havre"), ("password", "carrier-secret"), ("realm", "carrier.test")];
        let mut all: Vec<(&str, Value)> = account.map(|(key, value)| (key, value.into())).into();
        all.push(("priority", priority.into()));
        way_out(host, &all)
    };
    let line = line(&[("full", outbound(&full, 1)), ("carrier", outbound(&carrier, 2))], &[]).start();
    let events = line.events();
    let mut no_room = Sipp::new("no_room").on_host(full, 5060).start(line.sip());
    let telephone = Media::open(carrier.ip(), Some((700.0, -12.0)));
    let mut far = Sipp::new("telephone").on_host(carrier, 5060).audio(telephone.port()).start(line.sip());
    let (mut call, caller) = Sipp::urgent_caller(&line);
    no_room.finish(ON_CALL);
    let proven = far.hears("\nProxy-Authorization: Digest ", SOON);
    let proof = header(&proven, "Proxy-Authorization");
    let part = |name: &str| {
        let (_, rest) = proof.split_once(&format!("{name}=")).unwrap_or_else(|| panic!("no {name}: {proof}"));
        rest.trim_start_matches('"').split(['"', ',']).next().unwrap_or_default().to_owned()
    };
    let (secret, asked) = (md5("havre:carrier.test:carrier-secret"), md5(&format!("INVITE:{}", part("uri"))));
    let counted = ["nonce", "nc", "cnonce", "qop"].map(part).join(":");
    assert_eq!(part("response"), md5(&format!("{secret}:{counted}:{asked}")), "{proof}");
    // What is announced before the answer is nobody's voice, and the telephone rings on.
    let heard = caller.tone(Duration::from_millis(500)).map(|tone| tone.hz);
    assert!(heard.is_none_or(|hz| (hz - 700.0).abs() > 50.0), "the caller hears the telephone: {heard:?} Hz");
    let acks = || far.received().iter().filter(|text| text.starts_with("ACK")).count();
    until("the telephone to be answered", SOON, || (acks() == 2).then_some(()));
    telephone.press("1");
    assert_eq!(events.answered_by(1, ON_CALL), "on-call");
    caller.hears_tone(700.0, SOON);
    telephone.hears_tone(440.0, SOON);
    call.cue();
    call.finish(SOON);
    far.finish(SOON);
    assert_eq!(events.of("offered").len(), 1, "{}", events.log());
}

#[test]
fn of_two_trunks_one_dies_in_the_middle_and_the_other_takes_the_next_call() {
    let (first, second) = (Host::claim(), Host::claim());
    let outbound = |host: &Host, priority: i64| way_out(host, &[("priority", priority.into())]);
    let trunks = [("first", outbound(&first, 1)), ("second", outbound(&second, 2))];
    let line = line(&trunks, &[("agents.0.wrap_up", 1.into())]).start();
    let events = line.events();
    let telephones = [&first, &second].map(|host| Media::open(host.ip(), Some((700.0, -12.0))));
    let mut fars = [first, second].into_iter().zip(&telephones).map(|(host, telephone)| {
        Sipp::new("advocate").on_host(host, 5060).audio(telephone.port()).start(line.sip())
    });
    let mut fars = [fars.next().unwrap(), fars.next().unwrap()];
    for (nth, telephone) in telephones.iter().enumerate() {
        let (mut call, caller) = Sipp::urgent_caller(&line);
        fars[nth].hears("INVITE", ON_CALL);
        fars[nth].hears("ACK", ON_CALL);
        telephone.press("1");
        assert_eq!(events.answered_by(nth + 1, ON_CALL), "on-call");
        caller.hears_tone(700.0, SOON);
        call.cue();
        call.finish(SOON);
        // The first one's program ends with its call, and nobody listens there any more: the next INVITE comes back by ICMP.
        fars[nth].finish(SOON);
        events.wait("ended", nth + 1, SOON);
    }
    assert_eq!(events.of("not_taken").len() + events.of("abandoned").len(), 0, "{}", events.log());
    let failovers = line.api().metric("havre_component_events_total", "trunk_failovers");
    assert!(failovers >= 1.0, "{failovers}");
}

#[test]
fn a_registering_trunk_is_found_by_dns_and_up_and_its_loss_of_dns_is_survived() {
    let carrier = Host::claim();
    let dns = Dns::start(
        &[("_sip._udp.carrier.test", 10, 5060, "edge.carrier.test")],
        &[("edge.carrier.test", carrier.ip())],
    );
    let outbound = table(&[
        ("peer", "carrier.test".into()),
        ("user", "havre".into()),
        ("password", "carrier-secret".into()),
        ("realm", "carrier.test".into()),
        ("register", 600.into()),
        ("options_every", 0.into()),
    ]);
    // The registrar first: the line registers as soon as it knows where.
    let builder = line(&[("member", outbound)], &[("sip.dns", Value::Array(vec![dns.address().into()]))]);
    let mut registrar =
        Sipp::new("registrar").on_host(carrier, 5060).key("expires", "600").start(builder.sip());
    let line = builder.start();
    let proof = registrar.hears("Authorization: Digest", SOON);
    assert!(
        proof.starts_with("REGISTER sip:carrier.test ") && proof.contains("username=\"havre\""),
        "{proof}"
    );
    registrar.finish(SOON);
    let state = |name: &str| {
        let trunks = line.api().json("/api/v1/trunks");
        let trunk = trunks["trunks"].as_array()?.iter().find(|trunk| trunk["id"] == name)?.clone();
        Some((trunk["state"].as_str()?.to_owned(), trunk["why"].as_str()?.to_owned()))
    };
    let up = Some(("up".to_owned(), "answers".to_owned()));
    until("the trunk to be up", SOON, || (state("member") == up).then_some(()));
    dns.falls_silent();
    let before = dns.asked();
    until("DNS to be asked in vain", ON_CALL, || {
        (line.api().metric("havre_component_events_total", "dns_failures") >= 1.0).then_some(())
    });
    assert!(dns.asked() > before);
    assert_eq!(state("member"), up, "what is known is used on");
}

#[test]
fn a_trunk_over_tls_is_called_by_its_name_and_never_under_another() {
    let (carrier, imposter) = (Host::claim(), Host::claim());
    let authority = Authority::new();
    let dns = Dns::start(
        &[
            ("_sips._tcp.sip.carrier.test", 10, 5061, "edge.carrier.test"),
            ("_sips._tcp.sip.other.test", 10, 5061, "edge.other.test"),
        ],
        &[("edge.carrier.test", carrier.ip()), ("edge.other.test", imposter.ip())],
    );
    let identity = authority.issue("carrier", &["sip.carrier.test"]);
    let honest = TlsServer::open(carrier.at(5061), &identity);
    // The same certificate, where another is wanted.
    let wrong = TlsServer::open(imposter.at(5061), &identity);
    let outbound = |peer: &str, priority: i64| {
        table(&[
            ("peer", peer.into()),
            ("transport", "tls".into()),
            ("priority", priority.into()),
            ("options_every", 0.into()),
        ])
    };
    let trunks = [("wrong", outbound("sip.other.test", 1)), ("right", outbound("sip.carrier.test", 2))];
    let line =
        line(&trunks, &[("sip.dns", Value::Array(vec![dns.address().into()]))]).secure(&authority).start();
    let events = line.events();
    let (mut call, caller) = Sipp::urgent_caller(&line);
    assert!(wrong.accept(ON_CALL).is_err(), "the certificate is for somebody else");
    let mut far = honest.accept(SOON).expect("the certificate is right");
    let invite = far.message();
    assert!(
        invite.starts_with(&format!("INVITE sip:{TELEPHONE}@sip.carrier.test;transport=tls ")),
        "{invite}"
    );
    assert!(invite.contains(&format!("SIP/2.0/TLS {};", line.sip_tls())), "{invite}");
    assert!(invite.contains(&format!("Contact: <sip:havre@{};transport=tls>", line.sip_tls())), "{invite}");
    assert!(!invite.contains(&CALLER[1..]), "the caller's number is nobody's business: {invite}");
    let telephone = Media::open(carrier.ip(), Some((700.0, -12.0)));
    far.send(&answer(&invite, &carrier, telephone.port()));
    assert!(far.message().starts_with("ACK "));
    telephone.press("1");
    assert_eq!(events.answered_by(1, ON_CALL), "on-call");
    caller.hears_tone(700.0, SOON);
    telephone.hears_tone(440.0, SOON);
    call.cue();
    call.finish(SOON);
    let bye = far.message();
    assert!(bye.starts_with("BYE sip:telephone@"), "{bye}");
    far.send(&response(&bye, "200 OK", ""));
    let refused = line.api().metric("havre_component_events_total", "certificates_refused");
    assert!(refused >= 1.0, "{refused}");
    assert!(line.log().contains("the peer's certificate is not accepted"), "the log says why");
}

/// RFC 5923: nobody listens where the carrier's name leads, and the INVITE comes all the same.
#[test]
fn a_carrier_is_called_back_over_the_connection_that_it_opened() {
    let carrier = Host::claim();
    let authority = Authority::new();
    let dns = Dns::start(
        &[("_sips._tcp.sip.carrier.test", 10, 5061, "edge.carrier.test")],
        &[("edge.carrier.test", carrier.ip())],
    );
    let outbound = table(&[
        ("peer", "sip.carrier.test".into()),
        ("transport", "tls".into()),
        ("options_every", 0.into()),
    ]);
    let more = [
        ("sip.dns", Value::Array(vec![dns.address().into()])),
        ("trunks.1.certificate", "sip.carrier.test".into()),
        ("tls.client_ca", authority.path().display().to_string().into()),
    ];
    let line = line(&[("carrier", outbound)], &more).secure(&authority).start();
    let events = line.events();
    let identity = authority.issue("carrier", &["sip.carrier.test"]);
    let mut far =
        authority.connect(carrier.ip().into(), line.sip_tls(), Some(&identity)).expect("TLS is open");
    let (here, there) = (carrier.at(5061), line.sip_tls());
    far.send(&format!(
        "OPTIONS sip:{there} SIP/2.0\r\nVia: SIP/2.0/TLS {here};branch=z9hG4bKalive;alias\r\nMax-Forwards: 70\r\n\
         From: <sip:{here}>;tag=alive\r\nTo: <sip:{there}>\r\nCall-ID: alive@{here}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    ));
    assert!(far.message().starts_with("SIP/2.0 200 "));
    let (mut call, caller) = Sipp::urgent_caller(&line);
    let invite = far.message();
    assert!(invite.starts_with(&format!("INVITE sip:{TELEPHONE}@sip.carrier.test;")), "{invite}");
    let telephone = Media::open(carrier.ip(), Some((700.0, -12.0)));
    far.send(&answer(&invite, &carrier, telephone.port()));
    assert!(far.message().starts_with("ACK "));
    telephone.press("1");
    assert_eq!(events.answered_by(1, ON_CALL), "on-call");
    caller.hears_tone(700.0, SOON);
    call.cue();
    call.finish(SOON);
    let bye = far.message();
    far.send(&response(&bye, "200 OK", ""));
    assert!(bye.starts_with("BYE sip:telephone@"), "{bye}");
}

#[test]
fn an_on_call_telephone_talks_over_srtp_as_its_trunk_says() {
    // What the trunk is to be, what the telephone does, and whether it comes to keys.
    for (trunk, telephone, secret) in
        [("required", Some("srtp-mand"), true), ("offered", Some("srtp"), true), ("offered", None, false)]
    {
        let setup = Baresip::telephone(TELEPHONE, 700.0);
        let mut phone = match telephone {
            Some(mode) => setup.encrypted(mode).start(),
            None => setup.start(),
        };
        let line = secured(trunk, phone.host()).start();
        let events = line.events();
        let (mut call, caller) = Sipp::urgent_caller(&line);
        phone.sees("CALL_ESTABLISHED", 1, ON_CALL);
        phone.press("1");
        assert_eq!(events.answered_by(1, ON_CALL), "on-call");
        caller.hears_tone(700.0, SOON);
        phone.hears_tone(440.0, SOON);
        let suite = until("both legs measured", ON_CALL, || {
            let call = line.api().calls().into_iter().next()?;
            let quality = call["advocate"]["quality"].clone();
            quality.is_object().then(|| quality["srtp"].as_str().map(str::to_owned))
        });
        assert_eq!(suite.is_some(), secret, "{trunk}, {telephone:?}: {suite:?}");
        let profile = if trunk == "required" { "RTP/SAVP " } else { "RTP/AVP " };
        let wire = phone.wire();
        assert!(wire.contains(profile) && wire.contains("a=crypto:1 "), "what the line offers: {wire}");
        call.cue();
        call.finish(SOON);
        until("the telephone to be hung up on", SOON, || phone.has_hung_up().then_some(()));
    }
}

#[test]
fn a_telephone_that_answers_in_the_clear_where_srtp_is_required_has_no_caller() {
    let carrier = Host::claim();
    let line = secured("required", &carrier).start();
    let events = line.events();
    let telephone = Media::open(carrier.ip(), Some((700.0, -12.0)));
    let mut far = Sipp::new("advocate").on_host(carrier, 5060).audio(telephone.port()).start(line.sip());
    let (mut call, caller) = Sipp::urgent_caller(&line);
    let invite = far.hears("INVITE", ON_CALL);
    assert!(invite.contains("RTP/SAVP ") && invite.contains("a=crypto:1 "), "{invite}");
    // It is answered in plain RTP, and hung up on.
    far.finish(SOON);
    let (_, withdrawn) = events.wait("withdrawn", 1, SOON);
    assert_eq!(withdrawn["agent"].as_str(), Some("on-call"), "{withdrawn}");
    until("the refusal to be counted", SOON, || {
        (line.api().metric("havre_component_events_total", "not_secure") >= 1.0).then_some(())
    });
    telephone.press("1");
    let silent = || telephone.received() == 0 && events.of("answered").is_empty();
    holds_for("nothing at all goes there in the clear", Duration::from_secs(3), silent);
    assert!(caller.received() > 100, "while the caller hears the line");
    call.cue();
    call.finish(SOON);
}

/// One outbound trunk to this host, whose media are to be like this.
fn secured(srtp: &str, host: &Host) -> LineBuilder {
    line(&[("carrier", way_out(host, &[]))], &[("trunks.1.srtp", srtp.into())])
}

/// 200 with SDP of a telephone that listens there.
fn answer(invite: &str, host: &Host, media: u16) -> String {
    let ip = host.ip();
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {media} RTP/AVP 0 101\r\n\
         a=rtpmap:101 telephone-event/8000\r\n"
    );
    let head = response(invite, "200 OK", "").replace(
        "Content-Length: 0\r\n\r\n",
        &format!(
            "Contact: <sip:telephone@{ip}:5061;transport=tls>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n",
            sdp.len()
        ),
    );
    head + &sdp
}

/// The demo with these outbound trunks, and one person on call.
fn line(trunks: &[(&str, Table)], more: &[(&str, Value)]) -> LineBuilder {
    let builder = Line::demo().on_call(TELEPHONE, trunks);
    more.iter().fold(builder, |builder, (key, value)| builder.with(key, value.clone()))
}

fn receive(socket: &UdpSocket) -> String {
    socket.set_read_timeout(Some(ON_CALL)).expect("a socket takes a timeout");
    let mut buffer = [0; 4_096];
    let length = socket.recv(&mut buffer).expect("an INVITE");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

fn table(entries: &[(&str, Value)]) -> Table {
    entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}
