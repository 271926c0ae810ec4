//! TLS as phones, carriers and browsers meet it: registration and calls, trunks known by certificate, certificates renewed
//! in the middle of a call, and whoever speaks the wrong thing to the wrong port.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use havre_e2e::message::response;
use havre_e2e::{
    Authority, Baresip, Host, Identity, Line, Linphone, Media, Signal, TlsClient, TlsServer, connect_from,
    havre, holds_for, until,
};

const SOON: Duration = Duration::from_secs(10);
/// `limits::MAX_HANDSHAKES_PER_SOURCE`.
const HANDSHAKES_OF_ONE_PLACE: usize = 64;
/// Longest time for a reload, and for changed files to be noticed.
const RELOAD: Duration = Duration::from_secs(60);

#[test]
fn baresip_is_rung_over_tls_and_heard() {
    let authority = Authority::new();
    let line = Line::demo().secure(&authority).start();
    let events = line.events();
    let advocate = Baresip::advocate(&line, "advocate-en", 700.0).over_tls(&line, &authority).start();
    line.api().wait_for_state("advocate-en", "ready");
    let mut caller = Baresip::caller(440.0).start();
    caller.dial_line(&line, havre_e2e::TOLL_FREE);
    caller.talks(SOON);
    caller.press("1");
    assert_eq!(events.answered_by(1, SOON), "advocate-en");
    caller.hears_tone(700.0, SOON);
    advocate.hears_tone(440.0, SOON);
    assert!(advocate.wire().contains("SIP/2.0/TLS"), "{}", advocate.wire());
    caller.hang_up();
    until("the advocate to be hung up on", SOON, || advocate.has_hung_up().then_some(()));
}

#[test]
fn linphone_is_rung_over_tls_and_heard() {
    let authority = Authority::new();
    let line = Line::demo().secure(&authority).start();
    let events = line.events();
    // No carrier is known by certificate here: this program stops to ask its user for one where it is asked.
    let mut advocate = Linphone::start_secure(900.0, &authority);
    advocate.register_secure(&line, "advocate-fr");
    line.api().wait_for_state("advocate-fr", "ready");
    let mut caller = Baresip::caller(440.0).start();
    caller.dial_line(&line, havre_e2e::TOLL_FREE);
    caller.talks(SOON);
    caller.press("2");
    assert_eq!(events.answered_by(1, SOON), "advocate-fr");
    advocate.talks(SOON);
    caller.hears_tone(900.0, SOON * 2);
    advocate.hears_tone(440.0, SOON * 2);
}

#[test]
fn a_trunk_by_certificate_keeps_its_call_while_certificates_are_renewed() {
    let authority = Authority::new();
    let line = Line::demo().secure(&authority).certified_trunk(&authority, "sip.carrier.example").start();
    let events = line.events();
    let host = Host::claim();
    let media = Media::open(host.ip(), None);
    let carrier = authority.issue("carrier", &["sip.carrier.example"]);
    let mut call = Call::new(&authority, &line, &host, Some(&carrier));
    call.invite(media.port());
    until("the greeting", SOON, || media.first_packet());
    media.press("1");
    events.wait("joined", 1, SOON);

    // Renewed in place, as certbot's hook does; and told by SIGHUP.
    let before = call.client.certificate();
    let ip = line.ip().to_string();
    authority.issue("line", &[&ip, "havre.example"]);
    line.signal(Signal::Hup);
    let newcomer = || authority.connect(host.ip().into(), line.sip_tls(), Some(&carrier));
    let shown = || {
        let mut newcomer = newcomer().expect("TLS is open");
        newcomer.send("\r\n\r\n");
        newcomer.hears("\r\n");
        newcomer.certificate()
    };
    // It reads dialplan and prompts again, too.
    until("the reload", RELOAD, || line.log().contains("reloaded: new calls").then_some(()));
    assert!(shown() != before, "the old certificate is shown");
    call.client.send("\r\n\r\n");
    call.client.hears("\r\n");
    assert!(events.of("ended").is_empty(), "{}", events.log());
    call.bye();
    events.wait("ended", 1, SOON);

    // Renewed without a word: it is noticed.
    let before = shown();
    authority.issue("line", &[&ip, "havre.example"]);
    until("the certificate to be noticed", RELOAD, || (shown() != before).then_some(()));
    assert!(line.api().metric("havre_tls_certificate_expiry_timestamp_seconds", "") > 2e9);
}

/// RFC 3261 §26.2.2, RFC 5630: what began as `sips:` goes on over TLS or not at all.
#[test]
fn a_sips_call_ends_over_tls_even_if_its_connection_is_gone_and_never_in_clear() {
    for reachable in [true, false] {
        let authority = Authority::new();
        let line = Line::demo().secure(&authority).certified_trunk(&authority, "sip.carrier.example").start();
        let events = line.events();
        let mut advocate = line.advocate("advocate-en", 700.0);
        let host = Host::claim();
        let carrier = authority.issue("carrier", &["sip.carrier.example", &host.ip().to_string()]);
        let (plain, datagrams) = (TcpListener::bind(host.at(5060)), UdpSocket::bind(host.at(5060)));
        let (plain, datagrams) = (plain.expect("a free port"), datagrams.expect("a free port"));
        plain.set_nonblocking(true).expect("an open listener");
        datagrams.set_nonblocking(true).expect("an open socket");
        let secure = reachable.then(|| TlsServer::open(host.at(5061), &carrier));

        let media = Media::open(host.ip(), Some((440.0, -12.0)));
        let mut call = Call::new(&authority, &line, &host, Some(&carrier));
        call.contact = Some(format!("<sips:gateway@{}>", host.at(5061)));
        let answer = call.invite(media.port());
        assert!(answer.contains(&format!("Contact: <sips:havre@{}>\r\n", line.sip_tls())), "{answer}");
        until("the greeting", SOON, || media.first_packet());
        media.press("1");
        assert_eq!(events.answered_by(1, SOON), "advocate-en");
        media.hears_tone(700.0, SOON);
        drop(call);
        advocate.hears_tone(440.0, SOON);
        // What they hear of each other does not hang by the connection.
        advocate.hang_up();
        if let Some(secure) = secure {
            let mut back = secure.accept(SOON).expect("the certificate is right");
            let bye = back.message();
            assert!(bye.starts_with(&format!("BYE sips:gateway@{} SIP/2.0\r\n", host.at(5061))), "{bye}");
            assert!(bye.contains("Via: SIP/2.0/TLS "), "{bye}");
            back.send(&response(&bye, "200 OK", ""));
            events.wait("ended", 1, SOON);
        } else {
            let clear = || plain.accept().is_ok() || datagrams.recv(&mut [0; 64]).is_ok();
            holds_for("nothing comes in clear", Duration::from_secs(3), || !clear());
        }
        assert!(plain.accept().is_err() && datagrams.recv(&mut [0; 64]).is_err(), "it was called in clear");
    }
}

#[test]
fn no_other_certificate_is_that_trunk_s() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let line = Line::demo().secure(&authority).certified_trunk(&authority, "sip.carrier.example").start();
    let host = Host::claim();
    // Without one, or with another's, the connection stands, and the call is a stranger's.
    let another = authority.issue("another", &["sip.other.example"]);
    for identity in [None, Some(&another)] {
        let mut call = Call::new(&authority, &line, &host, identity);
        call.send_invite(9);
        call.client.hears("SIP/2.0 403");
    }
    // With one that is over, or that nobody we know has made, there is no connection.
    let expired = authority.issue_until("expired", &["sip.carrier.example"], 2020);
    let unknown = stranger.issue("unknown", &["sip.carrier.example"]);
    for (identity, refused) in [(&expired, 1.0), (&unknown, 2.0)] {
        let connected = authority.connect(host.ip().into(), line.sip_tls(), Some(identity));
        if let Ok(mut client) = connected {
            assert!(client.read().is_err(), "an alert is awaited");
        }
        until("the refusal to be counted", SOON, || {
            let count = line.api().metric("havre_component_events_total", "certificates_refused");
            (count >= refused).then_some(())
        });
    }
    // Over plain TCP and UDP the trunk is not known at all.
    let mut plain = connect_from(host.ip().into(), line.sip()).expect("TCP is open");
    let local = plain.local_addr().expect("connected");
    plain.write_all(invite(local, line.sip(), 9, "TCP").as_bytes()).expect("an open connection");
    assert!(read_some(&mut plain).starts_with("SIP/2.0 403"));
}

#[test]
fn the_wrong_thing_on_the_wrong_port_is_cut_at_once_and_counted() {
    let authority = Authority::new();
    let line = Line::demo().secure(&authority).start();
    let host = Host::claim();
    let from: IpAddr = host.ip().into();
    let loud = || line.log().matches("WARN").count() + line.log().matches("ERROR").count();
    let (start, before) = (Instant::now(), loud());
    // SIP where TLS is spoken.
    let mut plain = connect_from(from, line.sip_tls()).expect("the port is open");
    let local = plain.local_addr().expect("connected");
    plain.write_all(invite(local, line.sip_tls(), 9, "TCP").as_bytes()).expect("an open connection");
    assert!(is_cut(&mut plain), "nothing is answered");
    // TLS where SIP is plain.
    assert!(authority.connect(from, line.sip(), None).is_err());
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    for (component, event) in [("tls", "not_tls"), ("sip", "tls_on_plain_port")] {
        until(&format!("{component} {event}"), SOON, || {
            (line.api().metric("havre_component_events_total", event) >= 1.0).then_some(())
        });
    }
    assert_eq!(loud(), before, "nobody is woken for it: {}", line.log());
    // Whoever connects and says nothing has five seconds, and whoever says half of a ClientHello, too.
    let mut silent = connect_from(from, line.sip_tls()).expect("the port is open");
    let mut half = connect_from(from, line.sip_tls()).expect("the port is open");
    half.write_all(&[22, 3, 1, 2, 0, 1]).expect("an open connection");
    assert!(is_cut(&mut silent) && is_cut(&mut half));
    until("slow handshakes to be counted", SOON, || {
        (line.api().metric("havre_component_events_total", "handshakes_too_slow") >= 2.0).then_some(())
    });
}

#[test]
fn silent_connections_of_one_place_are_bounded_and_take_nobody_else_s_room() {
    let authority = Authority::new();
    let line = Line::demo().secure(&authority).start();
    let (crowd, other) = (Host::claim(), Host::claim());
    let open = || connect_from(crowd.ip().into(), line.sip_tls()).expect("the port is open");
    let start = Instant::now();
    let mut silent: Vec<_> = (0..HANDSHAKES_OF_ONE_PLACE).map(|_| open()).collect();
    assert!(is_cut(&mut open()), "one too many");
    assert!(start.elapsed() < Duration::from_secs(4), "at once: {:?}", start.elapsed());
    let speaks = |host: &Host| {
        let mut client = authority.connect(host.ip().into(), line.sip_tls(), None).expect("a handshake");
        client.send("\r\n\r\n");
        client.hears("\r\n");
    };
    speaks(&other);
    assert!(start.elapsed() < Duration::from_secs(5), "while they hold their places: {:?}", start.elapsed());
    assert!(silent.iter_mut().all(is_cut), "nobody holds one for long");
    speaks(&crowd);
}

#[test]
fn a_message_that_does_not_end_ends_its_connection() {
    let authority = Authority::new();
    let line = Line::demo().secure(&authority).start();
    let host = Host::claim();
    let half = format!("OPTIONS sip:{} SIP/2.0\r\nSubject: ", line.sip());
    let mut tcp = connect_from(host.ip().into(), line.sip()).expect("the port is open");
    let mut tls = authority.connect(host.ip().into(), line.sip_tls(), None).expect("a handshake");
    let start = Instant::now();
    tcp.write_all(half.as_bytes()).expect("an open connection");
    tls.send(&half);
    let drips = std::thread::spawn(move || {
        // A byte now and then makes it no shorter.
        tcp.set_read_timeout(Some(Duration::from_millis(500))).expect("a socket takes a timeout");
        loop {
            match tcp.read(&mut [0; 64]) {
                Ok(0) => break start.elapsed(),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if tcp.write_all(b"x").is_err() {
                        break start.elapsed();
                    }
                }
                Err(_) => break start.elapsed(),
            }
        }
    });
    until("the end over TLS", Duration::from_secs(25), || match tls.read() {
        Ok(open) => (!open).then_some(()),
        // Only our own patience.
        Err(error) => (error.kind() != std::io::ErrorKind::WouldBlock).then_some(()),
    });
    let cut = [start.elapsed(), drips.join().expect("the thread ends")];
    assert!(cut.iter().all(|cut| (9.0..16.0).contains(&cut.as_secs_f64())), "{cut:?}");
}

#[test]
fn a_certificate_that_is_over_is_an_alarm_until_it_is_renewed() {
    let authority = Authority::new();
    let old = authority.issue_until("old", &["havre.example"], 2020);
    let line = Line::demo()
        .secure(&authority)
        .with("tls.certificate", old.chain.display().to_string())
        .with("tls.key", old.key.display().to_string())
        .start();
    let alarms = |kind: &str| line.api().metric("havre_alarms", &format!("kind=\"{kind}\""));
    until("the alarm", SOON, || (alarms("certificate_expired") > 0.5).then_some(()));
    assert!(line.api().get("/api/v1/board").body.contains("certificate_expired"));
    authority.issue("old", &["havre.example"]);
    line.signal(Signal::Hup);
    until("the alarm to be over", RELOAD, || (alarms("certificate_expired") < 0.5).then_some(()));
}

#[test]
fn the_console_speaks_https_and_wss() {
    let authority = Authority::new();
    let line = Line::demo().secure(&authority).with("http.secure", true).launch();
    let host = Host::claim();
    let open = || authority.connect(host.ip().into(), line.http(), None);
    until("HTTPS", Duration::from_secs(60), || {
        let mut client = open().ok()?;
        client.send(&format!("GET /ready HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", line.http()));
        client.hears("HTTP/1.1 200").ends_with("200").then_some(())
    });
    let origin = format!("https://{}", line.http());
    let sign_in = |origin: &str| {
        let mut client = open().expect("HTTPS");
        let body = r#"{"user":"advocate-en","password":"demo-en"}"#;
        client.send(&format!(
            "POST /api/v1/session HTTP/1.1\r\nHost: {}\r\nOrigin: {origin}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            line.http(),
            body.len()
        ));
        client.hears("\r\n\r\n")
    };
    let head = sign_in(&origin);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let lower = head.to_lowercase();
    assert!(lower.contains("strict-transport-security: max-age="), "{head}");
    let cookie = head.lines().find(|line| line.to_lowercase().starts_with("set-cookie:")).expect("a cookie");
    assert!(cookie.contains("; Secure") && cookie.contains("HttpOnly"), "{cookie}");
    assert!(sign_in(&format!("http://{}", line.http())).starts_with("HTTP/1.1 403"), "another's origin");
    assert!(sign_in("https://havre.example:8080").starts_with("HTTP/1.1 200"), "the certificate's name");

    // SIP over WSS, behind that login.
    let secret = cookie.split([':', ';']).nth(1).expect("a pair").trim();
    let mut socket = open().expect("WSS");
    socket.send(&format!(
        "GET /sip HTTP/1.1\r\nHost: {}\r\nOrigin: {origin}\r\nCookie: {secret}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
         Sec-WebSocket-Protocol: sip\r\n\r\n",
        line.http()
    ));
    let upgraded = socket.hears("\r\n\r\n");
    assert!(upgraded.starts_with("HTTP/1.1 101"), "{upgraded}");
    // The endpoint knows it as WSS, and answers through it.
    socket.send_frame(
        "OPTIONS sip:havre SIP/2.0\r\nVia: SIP/2.0/WSS x.invalid;branch=z9hG4bKwss\r\nFrom: <sip:advocate-en@havre>;tag=x\r\n\
         To: <sip:havre>\r\nCall-ID: wss\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
    );
    socket.hears("SIP/2.0 200");

    // Whoever debugs it asks over HTTPS, too.
    let trace =
        havre().args(["trace", "--attempts", "--config"]).arg(line.config()).output().expect("havre runs");
    assert!(trace.status.success(), "{}", String::from_utf8_lossy(&trace.stderr));

    // Plain HTTP there is told so.
    let mut plain = connect_from(host.ip().into(), line.http()).expect("the port is open");
    plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").expect("an open connection");
    assert!(read_some(&mut plain).starts_with("HTTP/1.1 400"));
}

#[test]
fn a_certificate_that_is_of_no_use_refuses_the_start_and_says_what_to_do() {
    let authority = Authority::new();
    let other = authority.issue("other", &["other.example"]);
    let refused = |builder: havre_e2e::LineBuilder, wanted: &str| {
        let printed = builder.refuses(Duration::from_secs(60));
        assert!(printed.contains(wanted), "{wanted:?} is awaited: {printed}");
    };
    let secure = || Line::demo().secure(&authority);
    refused(secure().with("tls.key", other.key.display().to_string()), "tls.key");
    refused(secure().with("tls.certificate", "/nowhere/fullchain.pem"), "/nowhere/fullchain.pem");
    refused(Line::demo().with("http.secure", true), "http.secure");
}

/// A carrier's gateway with one call over TLS.
struct Call {
    client: TlsClient,
    to: SocketAddr,
    tag: String,
    /// Of a `sips:` call: where the far end is to be reached.
    contact: Option<String>,
}

impl Call {
    fn new(authority: &Authority, line: &Line, host: &Host, identity: Option<&Identity>) -> Self {
        let client = authority.connect(host.ip().into(), line.sip_tls(), identity).expect("TLS is open");
        Self { client, to: line.sip_tls(), tag: String::new(), contact: None }
    }

    fn send_invite(&mut self, media: u16) {
        let text = invite(self.client.local(), self.to, media, "TLS");
        self.send(&text);
    }

    fn send(&mut self, text: &str) {
        let Some(contact) = &self.contact else { return self.client.send(text) };
        let lines = text.split_inclusive("\r\n").map(|row| match row.starts_with("Contact: ") {
            true => format!("Contact: {contact}\r\n"),
            false => row.replace(" sip:", " sips:").replace("<sip:", "<sips:"),
        });
        let text: String = lines.collect();
        self.client.send(&text);
    }

    fn invite(&mut self, media: u16) -> String {
        self.send_invite(media);
        let answer = self.answer();
        let to = answer.lines().find(|line| line.starts_with("To:")).expect("a To header");
        self.tag = to.split("tag=").nth(1).expect("a tag").trim().to_owned();
        self.request(1, "ACK");
        answer
    }

    /// The next final answer, which is a 200.
    fn answer(&mut self) -> String {
        loop {
            let message = self.client.message();
            if !message.starts_with("SIP/2.0 1") {
                assert!(message.starts_with("SIP/2.0 200"), "{message}");
                return message;
            }
        }
    }

    fn bye(&mut self) {
        self.request(2, "BYE");
        assert!(self.answer().contains("2 BYE"));
    }

    fn request(&mut self, seq: u32, method: &str) {
        let (local, to, tag) = (self.client.local(), self.to, &self.tag);
        let text = format!(
            "{method} sip:havre@{to};transport=tls SIP/2.0\r\nVia: SIP/2.0/TLS {local};branch=z9hG4bK{method}{seq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+15145550123@sip.carrier.example>;tag=carrier\r\n\
             To: <sip:+18335550100@{to}>;tag={tag}\r\nCall-ID: secure-{local}\r\nCSeq: {seq} {method}\r\n\
             Content-Length: 0\r\n\r\n"
        );
        self.send(&text);
    }
}

fn invite(local: SocketAddr, to: SocketAddr, media: u16, transport: &str) -> String {
    let ip = local.ip();
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {media} RTP/AVP 0 101\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
    );
    format!(
        "INVITE sip:+18335550100@{to} SIP/2.0\r\nVia: SIP/2.0/{transport} {local};branch=z9hG4bKinvite\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+15145550123@sip.carrier.example>;tag=carrier\r\n\
         To: <sip:+18335550100@{to}>\r\nCall-ID: secure-{local}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:gateway@{local};transport={}>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{sdp}",
        transport.to_lowercase(),
        sdp.len()
    )
}

fn read_some(stream: &mut std::net::TcpStream) -> String {
    let mut buffer = [0; 4096];
    let length = stream.read(&mut buffer).expect("an answer");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

/// Whether the far end closes without a word.
fn is_cut(stream: &mut std::net::TcpStream) -> bool {
    match stream.read(&mut [0; 64]) {
        Ok(length) => length == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn nothing_older_than_tls_1_2_is_spoken() {
    let authority = Authority::new();
    let line = Line::demo().secure(&authority).start();
    let host = Host::claim();
    let hello = |version: u8| {
        let mut body = vec![3, version];
        // Random, no session, ECDHE with AES-GCM by ECDSA and RSA, no compression; curves and signatures that are known.
        body.extend([7; 32]);
        body.extend([0, 0, 4, 0xc0, 0x2b, 0xc0, 0x2f, 1, 0]);
        body.extend([0, 22, 0, 10, 0, 6, 0, 4, 0, 0x1d, 0, 0x17, 0, 13, 0, 8, 0, 6, 4, 3, 8, 4, 4, 1]);
        let length = u8::try_from(body.len()).expect("short");
        let mut record = vec![0x16, 3, 1, 0, length + 4, 1, 0, 0, length];
        record.extend(body);
        record
    };
    let answer = |version: u8| {
        let mut stream = connect_from(host.ip().into(), line.sip_tls()).expect("the line takes connections");
        stream.set_read_timeout(Some(SOON)).expect("a socket takes a timeout");
        stream.write_all(&hello(version)).expect("an open connection");
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).expect("an answer");
        answer
    };
    for (name, version) in [("SSL 3.0", 0), ("TLS 1.0", 1), ("TLS 1.1", 2)] {
        let answer = answer(version);
        // A fatal alert, and no handshake.
        assert_eq!((answer[0], answer[5]), (0x15, 2), "{name}: {answer:?}");
    }
    assert_eq!(answer(3)[0], 0x16, "TLS 1.2 is");
}
