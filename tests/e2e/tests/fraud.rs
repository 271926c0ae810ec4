//! An advocate's account, stolen: whatever is said with it over real sockets, nobody is called but phones that registered.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use havre_e2e::message::{header, md5, response, status};
use havre_e2e::{Dns, Host, Line, Media, Sipp, until};

const SOON: Duration = Duration::from_secs(10);
const ATTEMPTS: usize = 10_000;
/// Attempts whose answer has not come yet.
const WINDOW: usize = 50;
/// After as many the phone registers again, for another nonce.
const PER_NONCE: usize = 500;
const ACCOUNT: &str = "advocate-en";
/// Where the fraudster's friends are, by name.
const EVIL: &str = "evil.test";

#[test]
fn ten_thousand_attempts_with_a_stolen_account_make_no_call_that_leaves() {
    let (trap, host) = (Trap::set(), Host::claim());
    let dns = Dns::start(&[], &[(EVIL, trap.host.ip())]);
    let line = Line::demo().with("sip.dns", vec![dns.address()]).start();
    let invites_sent = || {
        let requests = line.api().get("/metrics").body;
        let sent =
            requests.lines().filter(|row| row.starts_with("havre_sip_requests_total{direction=\"out\""));
        let invites = sent.filter(|row| row.contains("method=\"INVITE\""));
        invites.map(|row| row.rsplit(' ').next().unwrap_or("?").to_owned()).collect::<Vec<_>>()
    };
    let mut answers = HashMap::new();
    let mut thieves = [Wire::datagrams(&host, &line), Wire::stream(&line)].map(|wire| {
        let mut thief = Thief::new(wire, &line, &trap);
        thief.tries(ATTEMPTS / 2);
        for (status, count) in &thief.answers {
            *answers.entry(*status).or_insert(0) += count;
        }
        thief
    });
    assert_eq!(answers.values().sum::<usize>(), ATTEMPTS, "{answers:?}");
    // What was said lately is told once a second.
    until("all answers to be told", SOON, || {
        let told = line.api().metric("havre_sip_responses_total", "direction=\"out\"");
        (told >= ATTEMPTS as f64).then_some(())
    });
    // Feature codes are answered, and so it was the account that called.
    assert!(answers[&200] > 300 && answers[&403] + answers[&404] > 2_000, "{answers:?}");
    assert_eq!(invites_sent(), [""; 0]);
    assert_eq!((trap.caught(), dns.asked()), (0, 0));
    assert!(line.api().calls().is_empty());
    // The phone itself is rung, and says that the call is to go elsewhere.
    assert_eq!(line.api().set_state(ACCOUNT, "ready").status, 200);
    let caller = Host::claim();
    let media = Media::open(caller.ip(), None);
    let mut call = Sipp::new("caller").on_host(caller, 5060).audio(media.port()).start(line.sip());
    until("the greeting", SOON, || media.first_packet());
    media.press("1");
    for thief in &mut thieves {
        thief.redirects();
    }
    until("a call that leaves to be counted", SOON, || (!invites_sent().is_empty()).then_some(()));
    call.cue();
    call.finish(SOON);
    assert_eq!((trap.caught(), dns.asked()), (0, 0));
}

/// Where no call may arrive: it takes whatever comes, over UDP and TCP.
struct Trap {
    host: Host,
    caught: Arc<AtomicUsize>,
}

impl Trap {
    fn set() -> Self {
        let (host, caught) = (Host::claim(), Arc::new(AtomicUsize::new(0)));
        let socket = UdpSocket::bind(host.at(5060)).expect("a host of one's own has a free port 5060");
        let count = Arc::clone(&caught);
        // Both end with the test's process.
        thread::spawn(move || {
            while socket.recv(&mut [0; 4_096]).is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        for port in [5060, 5061] {
            let listener = TcpListener::bind(host.at(port)).expect("a host of one's own has free ports");
            let count = Arc::clone(&caught);
            thread::spawn(move || {
                while listener.accept().is_ok() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self { host, caught }
    }

    fn caught(&self) -> usize {
        self.caught.load(Ordering::Relaxed)
    }
}

/// Whoever has the password of an advocate's account.
struct Thief {
    wire: Wire,
    at: SocketAddr,
    line: SocketAddr,
    trap: SocketAddr,
    password: String,
    realm: String,
    nonce: String,
    /// How often the nonce was used.
    used: u32,
    registrations: usize,
    random: u64,
    /// Attempts without an answer, by Call-ID.
    open: HashMap<String, Attempt>,
    /// How many attempts came to each status.
    answers: HashMap<u16, usize>,
}

struct Attempt {
    method: &'static str,
    target: String,
    /// From `Via` to `Call-ID`.
    dialog: String,
}

impl Thief {
    fn new(wire: Wire, line: &Line, trap: &Trap) -> Self {
        Self {
            at: wire.at(),
            wire,
            line: line.sip(),
            trap: trap.host.at(5060),
            password: line.password(ACCOUNT),
            realm: String::new(),
            nonce: String::new(),
            used: 0,
            registrations: 0,
            random: 0x9e37_79b9_7f4a_7c15,
            open: HashMap::new(),
            answers: HashMap::new(),
        }
    }

    fn tries(&mut self, times: usize) {
        for n in 0..times {
            if n % PER_NONCE == 0 {
                self.awaits_answers(0);
                self.registers();
            }
            self.tries_once(n);
            self.awaits_answers(WINDOW);
        }
        self.awaits_answers(0);
    }

    fn tries_once(&mut self, n: usize) {
        let (at, line, trap) = (self.at, self.line, self.trap);
        let evil = trap.ip();
        let targets = [
            format!("sip:+19005550199@{line}"),
            format!("sip:9005550199@{EVIL}"),
            format!("sip:0119005550199@{evil}"),
            format!("sip:+18335550100@{line}"),
            format!("sip:*40@{EVIL}"),
            format!("sip:*72+19005550199@{line}"),
            format!("sip:*40%40{EVIL}@{line}"),
            format!("sip:*40;phone-context=+1900@{line}"),
            format!("sip:%2A40+19005550199@{line}"),
            format!("sips:+19005550199@{EVIL}"),
            "tel:+1-900-555-0199".to_owned(),
            "tel:*40".to_owned(),
            format!("sip:{ACCOUNT}@{line}"),
            format!("sip:line@{trap};transport=tcp"),
            format!("sip:+19005550199@{line};maddr={evil}"),
            format!("sip:{evil}"),
        ];
        let lines = [
            format!("Route: <sip:{trap};lr>\r\n"),
            format!("Route: <sip:{EVIL};lr>,<sip:+19005550199@{trap};lr>\r\n"),
            format!("Refer-To: <sip:+19005550199@{trap}>\r\nReferred-By: <sip:{ACCOUNT}@{line}>\r\n"),
            "Replaces: call-1;to-tag=a;from-tag=caller\r\n".to_owned(),
            format!("Record-Route: <sip:{trap};lr>\r\n"),
            "P-Asserted-Identity: <tel:+18335550100>\r\n".to_owned(),
            format!("P-Preferred-Identity: <sip:line@{line}>\r\nPrivacy: id\r\n"),
            format!("Diversion: <sip:+18335550100@{line}>;reason=unconditional\r\n"),
            format!("History-Info: <sip:+18335550100@{line}>;index=1\r\n"),
            String::new(),
        ];
        let method = ["INVITE", "INVITE", "INVITE", "REFER", "MESSAGE", "SUBSCRIBE"][self.picks(6)];
        let target = targets[self.picks(targets.len())].clone();
        let proof = if self.picks(8) > 0 { self.proof(method, &target) } else { String::new() };
        let more = format!("{}{}{proof}", lines[self.picks(10)], lines[self.picks(10)]);
        let call = format!("fraud-{n}@{at}");
        let dialog = format!(
            "Via: SIP/2.0/{} {at};branch=z9hG4bK{n};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{ACCOUNT}@{line}>;tag=t{n}\r\nCall-ID: {call}\r\n",
            self.wire.transport()
        );
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n",
            ip = at.ip()
        );
        self.wire.send(&format!(
            "{method} {target} SIP/2.0\r\n{dialog}To: <{target}>\r\nCSeq: 1 {method}\r\n{more}\
             Contact: <sip:+19005550199@{trap}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        ));
        self.open.insert(call, Attempt { method, target, dialog });
    }

    /// Until no more than these have no answer.
    fn awaits_answers(&mut self, most: usize) {
        while self.open.len() > most {
            let message = self.wire.read().unwrap_or_else(|| panic!("{} without an answer", self.open.len()));
            self.hears(&message);
        }
    }

    fn hears(&mut self, message: &str) {
        let status = status(message);
        if status == 0 {
            assert!(!message.starts_with("INVITE"), "{message}");
            self.wire.send(&response(message, "200 OK", ""));
            return;
        }
        let (call, cseq) = (header(message, "Call-ID"), header(message, "CSeq"));
        // Of what else was said in a call, only that nobody is called for it matters.
        if cseq.contains("REFER") && !cseq.starts_with("1 ") {
            assert!(status >= 400, "{message}");
        }
        if status < 200 || !cseq.starts_with("1 ") {
            return;
        }
        // A repetition wants its ACK again; it has had one.
        let Some(Attempt { method, target, dialog }) = self.open.remove(call) else { return };
        *self.answers.entry(status).or_default() += 1;
        if method != "INVITE" {
            assert!(status >= 400, "{message}");
            return;
        }
        let to = header(message, "To");
        let request = |method: &str, seq: u32, dialog: &str, more: &str| {
            format!(
                "{method} {target} SIP/2.0\r\n{dialog}To: {to}\r\nCSeq: {seq} {method}\r\n{more}Content-Length: 0\r\n\r\n"
            )
        };
        self.wire.send(&request("ACK", 1, &dialog, ""));
        if status < 300 {
            assert!(target.contains("*40") || target.contains("%2A40"), "{target}: {message}");
            let refer_to = format!("Refer-To: <sip:+19005550199@{}>\r\n", self.trap);
            let again = |n: u32| dialog.replacen("z9hG4bK", &format!("z9hG4bK-{n}-"), 1);
            self.wire.send(&request("REFER", 2, &again(2), &refer_to));
            self.wire.send(&request("BYE", 3, &again(3), ""));
        }
    }

    /// For another nonce, which is good for calls, too.
    fn registers(&mut self) {
        let uri = format!("sip:{}", self.line);
        self.registrations += 1;
        let first = self.register(&uri, "");
        let challenge = first.lines().find(|row| row.contains("Digest") && row.contains("algorithm=MD5"));
        let challenge = challenge.unwrap_or_else(|| panic!("no challenge: {first}")).to_owned();
        let quoted = |name: &str| {
            let (_, rest) = challenge.split_once(&format!("{name}=\"")).expect("a challenge has it");
            rest.split('"').next().expect("split gives one").to_owned()
        };
        (self.realm, self.nonce, self.used) = (quoted("realm"), quoted("nonce"), 0);
        let proof = self.proof("REGISTER", &uri);
        self.registrations += 1;
        let accepted = self.register(&uri, &proof);
        assert_eq!(status(&accepted), 200, "{accepted}");
    }

    fn register(&mut self, uri: &str, proof: &str) -> String {
        let (at, line, n, transport) = (self.at, self.line, self.registrations, self.wire.transport());
        self.wire.send(&format!(
            "REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {at};branch=z9hG4bKr{n};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{ACCOUNT}@{line}>;tag=r\r\nTo: <sip:{ACCOUNT}@{line}>\r\nCall-ID: register@{at}\r\n\
             CSeq: {n} REGISTER\r\n{proof}Contact: <sip:{ACCOUNT}@{at};transport={transport}>;expires=3600\r\n\
             Content-Length: 0\r\n\r\n"
        ));
        let expected = format!("{n} REGISTER");
        loop {
            let message = self.wire.read().expect("an answer");
            if status(&message) >= 200 && header(&message, "CSeq") == expected {
                return message;
            }
            self.hears(&message);
        }
    }

    /// The account's password is known (RFC 7616).
    fn proof(&mut self, method: &str, uri: &str) -> String {
        self.used += 1;
        let (realm, nonce, nc) = (&self.realm, &self.nonce, format!("{:08x}", self.used));
        let secret = md5(&format!("{ACCOUNT}:{realm}:{}", self.password));
        let response = md5(&format!("{secret}:{nonce}:{nc}:c:auth:{}", md5(&format!("{method}:{uri}"))));
        format!(
            "Authorization: Digest username=\"{ACCOUNT}\",realm=\"{realm}\",nonce=\"{nonce}\",uri=\"{uri}\",\
             response=\"{response}\",algorithm=MD5,cnonce=\"c\",qop=auth,nc={nc}\r\n"
        )
    }

    /// Its phone rings, and wants the call elsewhere.
    fn redirects(&mut self) {
        loop {
            let message = self.wire.read().expect("it rings");
            if message.starts_with("INVITE") {
                let elsewhere = format!("Contact: <sip:+19005550199@{}>\r\n", self.trap);
                self.wire.send(&response(&message, "302 Moved", &elsewhere));
            }
            if message.starts_with("ACK") || message.starts_with("CANCEL") {
                return;
            }
        }
    }

    /// xorshift64.
    fn picks(&mut self, of: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % of as u64) as usize
    }
}

/// The thief's connection.
enum Wire {
    Datagrams(UdpSocket),
    Stream(TcpStream, Vec<u8>),
}

impl Wire {
    fn datagrams(host: &Host, line: &Line) -> Self {
        let socket = UdpSocket::bind(host.at(0)).expect("a port");
        socket.connect(line.sip()).expect("an address");
        socket.set_read_timeout(Some(SOON)).expect("a socket takes a timeout");
        Self::Datagrams(socket)
    }

    fn stream(line: &Line) -> Self {
        let stream = TcpStream::connect(line.sip()).expect("the line takes connections");
        stream.set_read_timeout(Some(SOON)).expect("a socket takes a timeout");
        stream.set_nodelay(true).expect("a socket need not wait");
        Self::Stream(stream, Vec::new())
    }

    fn at(&self) -> SocketAddr {
        match self {
            Self::Datagrams(socket) => socket.local_addr(),
            Self::Stream(stream, _) => stream.local_addr(),
        }
        .expect("it is bound")
    }

    const fn transport(&self) -> &'static str {
        match self {
            Self::Datagrams(_) => "UDP",
            Self::Stream(..) => "TCP",
        }
    }

    fn send(&mut self, text: &str) {
        match self {
            Self::Datagrams(socket) => drop(socket.send(text.as_bytes()).expect("loopback takes it")),
            Self::Stream(stream, _) => stream.write_all(text.as_bytes()).expect("the line reads"),
        }
    }

    /// The next message; `None` if none comes.
    fn read(&mut self) -> Option<String> {
        let mut buffer = [0; 65_536];
        match self {
            Self::Datagrams(socket) => match socket.recv(&mut buffer) {
                Ok(length) => Some(String::from_utf8_lossy(&buffer[..length]).into_owned()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => None,
                Err(error) => panic!("{error}"),
            },
            Self::Stream(stream, unread) => loop {
                if let Some(message) = cut(unread) {
                    return Some(message);
                }
                match stream.read(&mut buffer) {
                    Ok(0) => panic!("the line has closed the connection"),
                    Ok(length) => unread.extend(&buffer[..length]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                    Err(error) => panic!("{error}"),
                }
            },
        }
    }
}

/// The first message of a stream.
fn cut(unread: &mut Vec<u8>) -> Option<String> {
    let text = String::from_utf8_lossy(unread);
    let head = text.find("\r\n\r\n")? + 4;
    let length: usize = header(&text[..head], "Content-Length").parse().expect("a length");
    let message = text.get(..head + length)?.to_owned();
    unread.drain(..head + length);
    Some(message)
}
