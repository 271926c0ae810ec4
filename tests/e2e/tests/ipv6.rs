//! IPv6 on real sockets: the cases of RFC 5118 over every transport, and a caller on IPv6 with an advocate on IPv4.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use havre_e2e::{Authority, Host, Line, LineBuilder, Media, Sipp, until};

const SOON: Duration = Duration::from_secs(8);
const HERE: Ipv6Addr = Ipv6Addr::LOCALHOST;

/// A port of `::1` that nobody has, for UDP and TCP.
fn free_port() -> u16 {
    until("a free port", SOON, || {
        let listener = TcpListener::bind((HERE, 0)).ok()?;
        let port = listener.local_addr().ok()?.port();
        UdpSocket::bind((HERE, port)).is_ok().then_some(port)
    })
}

/// The demo, also at this port of `::1`, whose callers come from there, too. Media are at both, on ports of their own: they
/// are those of every address, also of other tests.
fn line(port: u16, media: &str) -> LineBuilder {
    let mut line = Line::demo();
    let (four, ip) = (line.sip().to_string(), line.sip().ip().to_string());
    line.set("sip.listen", vec![four, format!("[::1]:{port}")]);
    line.set("rtp.listen", "::");
    line.set("rtp.ports", media);
    line.set("rtp.advertise", vec![ip, "::1".to_owned()]);
    line.set("trunks.0.sources", vec!["127.0.0.0/8", "::1/128"]);
    line
}

/// The messages of RFC 5118 §4, with the answer that a line must give to each: `via` is `SIP/2.0/UDP` or another.
fn cases(via: &str, port: u16) -> Vec<(&'static str, String, u16)> {
    let head = |method: &str, uri: &str, sent_by: &str, more: &str| {
        format!(
            "{method} {uri} SIP/2.0\r\nTo: sip:user@example.com{}\r\nFrom: sip:user@example.com;tag=81x2\r\n\
             Via: {via} {sent_by};branch=z9hG4bKas3-{method}\r\n{more}Max-Forwards: 70\r\n\
             Contact: \"Caller\" <sip:caller@[2001:db8::1]>\r\nCSeq: 98176 {method}\r\n",
            if method == "BYE" { ";tag=bd76ya" } else { "" }
        )
    };
    let from = format!("[2001:db8::9:1]:{port}");
    let register = |uri: &str| head("REGISTER", uri, &from, "");
    let sdp =
        |body: &str| format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let six = "v=0\r\no=assistant 971731711378798081 0 IN IP6 2001:db8::20\r\ns=Live video feed\r\n\
               c=IN IP6 2001:db8::20\r\nt=3338481189 3370017201\r\nm=audio 6000 RTP/AVP 2\r\na=rtpmap:2 G726-32/8000\r\n";
    let both = "v=0\r\no=bob 280744730 28977631 IN IP4 host.example.com\r\ns=\r\nt=0 0\r\n\
                m=audio 22334 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\nm=video 6024 RTP/AVP 107\r\nc=IN IP6 2001:db8::1\r\n\
                a=rtpmap:107 H263-1998/90000\r\n";
    let vias = format!(
        "Via: {via} 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144\r\n\
         Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200\r\n"
    );
    let none = "Content-Length: 0\r\n\r\n";
    let mapped = format!("[::ffff:192.0.2.10]:{port}");
    let received = |text: &str| format!("{from};received={text}");
    vec![
        ("4.1 a reference", register("sip:[2001:db8::10]") + none, 401),
        ("4.2 without brackets", register("sip:2001:db8::10") + none, 400),
        ("4.3 a port within", register("sip:[2001:db8::10:5070]") + none, 401),
        ("4.4 a port behind", register("sip:[2001:db8::10]:5070") + none, 401),
        (
            "4.5 received in brackets",
            head("BYE", "sip:[2001:db8::10]", &received("[2001:db8::9:255]"), "") + none,
            481,
        ),
        (
            "4.5 received without",
            head("BYE", "sip:[2001:db8::10]", &received("2001:db8::9:255"), "") + none,
            481,
        ),
        ("4.6 in SDP", head("INVITE", "sip:user@[2001:db8::10]", &from, "") + &sdp(six), 404),
        ("4.7 hops of both kinds", head("BYE", "sip:user@[2001:db8::10]", &from, &vias) + none, 481),
        ("4.8 streams of both kinds", head("INVITE", "sip:user@[2001:db8::10]", &from, "") + &sdp(both), 404),
        ("4.9 IPv4-mapped", head("INVITE", "sip:user@[::ffff:192.0.2.10]", &mapped, "") + &sdp(both), 404),
        ("4.10 three colons", head("OPTIONS", "sip:user@[2001:db8:::192.0.2.1]", &from, "") + none, 400),
        ("4.10 as it was meant", head("OPTIONS", "sip:user@[2001:db8::192.0.2.1]", &from, "") + none, 200),
    ]
    .into_iter()
    .enumerate()
    // Each is a request of its own.
    .map(|(n, (name, text, status))| {
        let unique = text
            .replacen(
                "Max-Forwards",
                &format!("Call-ID: {n}-{}@hlau\r\nMax-Forwards", via.replace('/', "-")),
                1,
            )
            .replace("z9hG4bKas3", &format!("z9hG4bKas3{n}"));
        (name, unique, status)
    })
    .collect()
}

/// Reads answers until a final one is there; 100 is none.
fn status(mut read: impl FnMut() -> String) -> (u16, String) {
    loop {
        let text = read();
        let status = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0);
        if status != 100 {
            return (status, text);
        }
    }
}

#[test]
fn the_cases_of_rfc_5118_get_their_answers_over_udp_tcp_and_tls() {
    let authority = Authority::new();
    let (port, tls_port) = (free_port(), free_port());
    let mut builder = line(port, "8600-8999").secure(&authority);
    let four = builder.sip().ip().to_string();
    authority.issue("line", &[&four, "::1"]);
    builder.set("sip.tls_listen", vec![format!("[::1]:{tls_port}")]);
    let mut line = builder.start();
    let (at, tls_at): (SocketAddr, SocketAddr) = ((HERE, port).into(), (HERE, tls_port).into());

    let socket = UdpSocket::bind((HERE, 0)).expect("a port");
    socket.set_read_timeout(Some(SOON)).expect("a socket takes a timeout");
    for (name, message, expected) in cases("SIP/2.0/UDP", socket.local_addr().expect("bound").port()) {
        socket.send_to(message.as_bytes(), at).expect("loopback takes a datagram");
        let (got, text) = status(|| {
            let mut buffer = [0; 4_096];
            let length = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("UDP, {name}: {error}"));
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        });
        assert_eq!(got, expected, "UDP, {name}: {text}");
        if expected != 400 {
            assert!(text.contains("received=::1"), "UDP, {name}: {text}");
        }
    }
    for (name, message, expected) in cases("SIP/2.0/TCP", 5060) {
        let mut stream = TcpStream::connect(at).expect("the line takes connections");
        stream.set_read_timeout(Some(SOON)).expect("a socket takes a timeout");
        stream.write_all(message.as_bytes()).expect("an open connection");
        let mut text = String::new();
        let (got, text) = status(|| {
            // Answers here have no body.
            while !text.contains("\r\n\r\n") {
                let mut buffer = [0; 4_096];
                let length = stream.read(&mut buffer).unwrap_or_else(|error| panic!("TCP, {name}: {error}"));
                assert!(length > 0, "TCP, {name}: closed without an answer");
                text.push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
            let (first, rest) = text.split_once("\r\n\r\n").expect("just seen");
            let first = first.to_owned();
            text = rest.to_owned();
            first
        });
        assert_eq!(got, expected, "TCP, {name}: {text}");
    }
    for (name, message, expected) in cases("SIP/2.0/TLS", 5061) {
        let mut client = authority.connect(HERE.into(), tls_at, None).expect("the line takes connections");
        client.send(&message);
        let (got, text) = status(|| client.message());
        assert_eq!(got, expected, "TLS, {name}: {text}");
    }
    line.runs();
    assert!(!line.log().contains("panic"), "{}", line.log());
}

#[test]
fn a_caller_on_ipv6_talks_to_an_advocate_on_ipv4() {
    let port = free_port();
    let line = line(port, "8200-8599").start();
    let events = line.events();
    let advocate = line.advocate("advocate-en", 700.0);
    let media = Media::open(HERE, Some((440.0, -12.0)));
    let sipp = Sipp::new("caller").at_ipv6(free_port()).audio(media.port());
    let mut call = sipp.start((HERE, port).into());
    let answer = call.hears("SIP/2.0 200", SOON);
    assert!(
        answer.contains("c=IN IP6 ::1") && answer.contains(&format!("Contact: <sip:havre@[::1]:{port}>")),
        "{answer}"
    );
    until("the greeting", SOON, || media.first_packet());
    media.press("1");
    assert_eq!(events.answered_by(1, SOON), "advocate-en");
    media.hears_tone(700.0, SOON);
    advocate.hears_tone(440.0, SOON);
    let offer = advocate.wire();
    assert!(offer.contains(&format!("c=IN IP4 {}", line.ip())) && !offer.contains("::1"), "{offer}");
    call.cue();
    call.finish(SOON);
    until("the advocate to be hung up on", SOON, || advocate.has_hung_up().then_some(()));
}

/// A phone that has no other address can do nothing with an offer of media at an IPv4 one.
#[test]
fn an_advocate_on_ipv6_is_offered_media_there_and_so_is_a_caller_who_asks_for_an_offer() {
    let port = free_port();
    let line = line(port, "7800-8199").start();
    let events = line.events();
    let at = free_port();
    let mut registration = Sipp::registration("advocate-en", &line.password("advocate-en"), Host::claim())
        .at_ipv6(at)
        .key("contact", &format!("[::1]:{at}"))
        // SIPp leaves out the brackets.
        .with("-auth_uri", &format!("[::1]:{port}"))
        .start((HERE, port).into());
    registration.finish(SOON);
    line.api().wait_for_state("advocate-en", "ready");
    let audio = Media::open(HERE, Some((700.0, -12.0)));
    let mut phone = Sipp::new("advocate").at_ipv6(at).audio(audio.port()).start((HERE, port).into());

    let host = Host::claim();
    let media = Media::open(host.ip(), Some((440.0, -12.0)));
    let mut call = Sipp::new("caller").on_host(host, 5060).audio(media.port()).start(line.sip());
    until("the greeting", SOON, || media.first_packet());
    media.press("1");
    assert_eq!(events.answered_by(1, SOON), "advocate-en");
    let offer = phone.hears("INVITE sip:", SOON);
    assert!(offer.contains("c=IN IP6 ::1") && !offer.contains("IN IP4"), "{offer}");
    audio.hears_tone(440.0, SOON);
    media.hears_tone(700.0, SOON);
    call.cue();
    call.finish(SOON);
    phone.finish(SOON);

    let media = Media::open(HERE, None);
    let late = Sipp::new("late_offer").at_ipv6(free_port()).audio(media.port());
    let mut late = late.start((HERE, port).into());
    let offer = late.hears("SIP/2.0 200", SOON);
    assert!(offer.contains("c=IN IP6 ::1") && !offer.contains("IN IP4"), "{offer}");
    until("the greeting", SOON, || media.first_packet());
    late.cue();
    late.finish(SOON);
}
