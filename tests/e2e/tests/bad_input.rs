//! Everything wrong that a network can bring to the SIP ports; and afterwards a genuine call is answered, as before.

// A helper of tests may panic as a test may.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use havre_e2e::{Authority, Host, Line, Sipp, repository};

const SOON: Duration = Duration::from_secs(8);

#[test]
fn after_every_bad_message_a_genuine_call_is_answered() {
    let mut line = Line::demo().start();
    let host = Host::claim();
    let at = line.sip();
    let bad = bad_messages(host.ip().into());
    assert!(bad.len() > 90, "{}", bad.len());
    let socket = UdpSocket::bind((host.ip(), 0)).unwrap();
    for message in &bad {
        // What is longer than a datagram comes by TCP alone.
        if message.len() < 65_000 {
            socket.send_to(message, at).unwrap();
        }
    }
    for message in &bad {
        over_tcp(at, message);
    }
    // TLS and HTTP spoken to the port, half a message and the end, and nothing at all.
    for junk in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"GET / HTTP/1.1\r\n\r\n", b"INVITE sip", b""]
    {
        over_tcp(at, junk);
    }
    let mut call = Sipp::new("caller").start(at);
    call.hears("SIP/2.0 200", SOON);
    call.cue();
    call.finish(SOON);
    let mut call = Sipp::new("short_call").over_tcp().with("-d", "100").start(at);
    call.finish(SOON);
    line.runs();
    assert!(!line.log().contains("panic"), "{}", line.log());
    let metric = line.api().metric("havre_component_events_total", r#"event="malformed""#);
    assert!(metric > 20.0, "{metric}: what could not be read is counted");
}

#[test]
fn over_tls_the_same_is_survived_too() {
    let authority = Authority::new();
    let mut line = Line::demo().secure(&authority).start();
    let host = Host::claim();
    let from = host.ip().into();
    for message in bad_messages(from) {
        let connection = authority.connect(from, line.sip_tls(), None).expect("the line takes connections");
        connection.hurls(&message, Duration::from_millis(30));
    }
    let mut genuine = authority.connect(from, line.sip_tls(), None).expect("the line takes connections");
    let at = genuine.local();
    genuine.send(&format!(
        "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/TLS {at};branch=z9hG4bKgenuine;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:a@{at}>;tag=1\r\nTo: <sip:{to}>\r\nCall-ID: genuine@{at}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n",
        to = line.sip_tls()
    ));
    assert!(genuine.message().starts_with("SIP/2.0 200 "));
    line.runs();
    assert!(!line.log().contains("panic"), "{}", line.log());
    let metric = line.api().metric("havre_component_events_total", r#"event="malformed""#);
    assert!(metric > 20.0, "{metric}: what could not be read is counted");
}

/// Sends it on a connection of its own, and reads what comes until the line has nothing more to say.
fn over_tcp(at: SocketAddr, message: &[u8]) {
    let mut stream = TcpStream::connect(at).expect("the line takes connections");
    stream.set_read_timeout(Some(Duration::from_millis(30))).unwrap();
    // The line may close before it has read all.
    if stream.write_all(message).is_ok() {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = [0; 4096];
    while matches!(stream.read(&mut answer), Ok(read) if read > 0) {}
}

fn bad_messages(from: std::net::IpAddr) -> Vec<Vec<u8>> {
    let mut all = torture();
    assert_eq!(all.len(), 49);
    let number = "sip:+18335550100@127.0.0.1";
    let head = |n: usize, method: &str| {
        format!(
            "{method} {number} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKbad{n};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:+15145550123@{from}>;tag=bad{n}\r\nTo: <{number}>\r\nCall-ID: bad{n}@{from}\r\n\
             CSeq: 1 {method}\r\n"
        )
    };
    // OPTIONS, so that what is good in parts rings nowhere.
    let lines: &[&str] = &[
        "Content-Length : 0\r\n\r\n",
        "Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello",
        "Content-Length: -1\r\n\r\n",
        "Content-Length: 99999999999999999999\r\n\r\n",
        "Content-Length: 10\r\n\r\nshort",
        "l: 0\r\nContent-Length: 3\r\n\r\nabc",
        "Subject: a\nb: c\r\nContent-Length: 0\r\n\r\n",
        "Subject: a\0b\r\nContent-Length: 0\r\n\r\n",
        "Subject: a\r\n\tfolded\r\n folded again\r\nContent-Length: 0\r\n\r\n",
        " starts with a space: x\r\nContent-Length: 0\r\n\r\n",
        ": no name\r\nContent-Length: 0\r\n\r\n",
        "Contact: \"Zoé Ωmega 🚑\" <sip:a@b>\r\nContent-Length: 0\r\n\r\n",
        "Content-Type: multipart/mixed;boundary=x\r\nContent-Length: 8\r\n\r\n--x\r\n--x",
        "Content-Type: multipart/mixed\r\nContent-Length: 3\r\n\r\n--x",
        "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x0b\x08\x00",
        "Route: <sip:[::1;lr>\r\nContent-Length: 0\r\n\r\n",
        "Via: SIP/2.0/UDP [::ffff:1.2.3.4]:99999;branch=x\r\nContent-Length: 0\r\n\r\n",
        "Contact: <sip:user@[2001:db8::9:1]:5060;maddr=[::1]>\r\nContent-Length: 0\r\n\r\n",
        "Require: nothing-that-is-known\r\nContent-Length: 0\r\n\r\n",
        "Max-Forwards: -1\r\nContent-Length: 0\r\n\r\n",
        "Session-Expires: 99999999999999\r\nMin-SE: -5\r\nContent-Length: 0\r\n\r\n",
        "Authorization: Digest username=\"\\\", realm=,, nonce\r\nContent-Length: 0\r\n\r\n",
    ];
    for (n, rest) in lines.iter().enumerate() {
        all.push(format!("{}{rest}", head(n, "OPTIONS")).into_bytes());
        // The same with line ends of LF alone.
        all.push(format!("{}{rest}", head(100 + n, "OPTIONS")).replace("\r\n", "\n").into_bytes());
    }
    // Latin-1, in a name that a phone would show.
    let mut latin = format!("{}Contact: \"Zo", head(200, "OPTIONS")).into_bytes();
    latin.extend(b"\xe9\" <sip:a@b>\r\nContent-Length: 0\r\n\r\n");
    all.push(latin);
    let long = "x".repeat(64 * 1024);
    all.push(format!("{}Subject: {long}\r\nContent-Length: 0\r\n\r\n", head(201, "INVITE")).into_bytes());
    let many: String = (0..10_000).map(|n| format!("X-{n}: y\r\n")).collect();
    all.push(format!("{}{many}Content-Length: 0\r\n\r\n", head(202, "INVITE")).into_bytes());
    let vias = format!("Via: SIP/2.0/UDP {from};branch=z9hG4bKv\r\n").repeat(500);
    all.push(format!("{}{vias}Content-Length: 0\r\n\r\n", head(203, "INVITE")).into_bytes());
    all.push(vec![b'A'; 60_000]);
    all.push(vec![0; 1_000]);
    all.push(b"\r\n\r\n".to_vec());
    all.push(b"SIP/2.0 200 OK\r\n\r\n".to_vec());
    all
}

/// RFC 4475's 49, as the parser's own tests have them.
fn torture() -> Vec<Vec<u8>> {
    let directory = repository().join("crates/sip/tests/torture");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "dat"))
        .collect();
    files.sort();
    let text = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
    let message = |file: String| expand(&file.split_once("\n---\n").unwrap().1.replace('\n', "\r\n"));
    files.iter().map(text).map(message).collect()
}

/// By the rules of `torture/README.md`.
fn expand(text: &str) -> Vec<u8> {
    let Some((before, rest)) = text.split_once('«') else { return text.as_bytes().to_vec() };
    let (code, after) = rest.split_once('»').unwrap();
    let after = expand(after);
    let mut wire = before.as_bytes().to_vec();
    match code.split_once('*') {
        Some((times, text)) => wire.extend(text.repeat(times.parse().unwrap()).into_bytes()),
        None if code == "length" => {
            let head = after.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
            wire.extend((after.len() - head).to_string().into_bytes());
        }
        None => wire.extend(code.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap())),
    }
    wire.extend(after);
    wire
}
