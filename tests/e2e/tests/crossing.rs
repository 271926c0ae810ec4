//! Messages that meet on the wire: each is sent before what it meets has been read. Where either may win, both do here.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use havre_e2e::message::{header, status};
use havre_e2e::{Host, Line, TOLL_FREE, until};

const SOON: Duration = Duration::from_secs(5);
/// Longest search for the moment at which messages cross.
const SEARCH: Duration = Duration::from_secs(40);
/// The moment is looked for in steps that are shorter than a message's way.
const STEP: Duration = Duration::from_micros(20);
/// What is not acknowledged is repeated after T1 (RFC 3261 §17), and again after twice that.
const REPETITION: Duration = Duration::from_millis(1_200);

/// What a CANCEL met.
#[derive(Debug, PartialEq)]
enum Met {
    /// Nothing: 487.
    Nobody,
    /// The 200, on the way.
    Answer,
    /// It came after the 200 had been read.
    Late,
}

#[test]
fn a_cancel_and_the_200_cross_and_the_call_is_ended_by_bye() {
    let line = Line::demo().start();
    let host = Host::claim();
    let mut pause = Duration::ZERO;
    let (mut before, mut crossed, begun) = (0, 0, Instant::now());
    for n in 0.. {
        let mut call = Call::begin(&host, &line, n);
        match call.gives_up_after(pause) {
            Met::Nobody => {
                before += 1;
                pause += STEP;
            }
            Met::Late => pause = pause.saturating_sub(STEP),
            Met::Answer => crossed += 1,
        }
        if crossed >= 3 && before > 0 {
            break;
        }
        assert!(begun.elapsed() < SEARCH, "{n} calls, {before} cancelled, {crossed} crossed, {pause:?}");
    }
    until("nothing to be left", SOON, || line.api().calls().is_empty().then_some(()));
}

#[test]
fn a_bye_on_the_heels_of_a_reinvite_ends_the_call_and_nothing_is_repeated() {
    let line = Line::demo().start();
    let host = Host::claim();
    let mut call = Call::begin(&host, &line, 0);
    let accepted = call.answer("1 INVITE");
    call.confirm(&accepted, 1);
    // One after the other, with nothing read in between.
    let reinvite = call.in_dialog(&accepted, "INVITE", 2, true);
    let bye = call.in_dialog(&accepted, "BYE", 3, false);
    call.send(&reinvite);
    call.send(&bye);
    assert_eq!(status(&call.answer("3 BYE")), 200);
    let answered = call.answer("2 INVITE");
    assert!(matches!(status(&answered), 200 | 487), "{answered}");
    if status(&answered) == 487 {
        call.acknowledge(&reinvite, &answered, 2);
    }
    // A 200 to a call that is over wants no ACK any more.
    let finals = |call: &Call| {
        call.heard.iter().filter(|text| status(text) >= 200 && cseq(text) == "2 INVITE").count()
    };
    let (listening, before) = (Instant::now(), finals(&call));
    while listening.elapsed() < REPETITION {
        call.listen();
    }
    assert_eq!(finals(&call), before, "{:#?}", call.heard);
    until("nothing to be left", SOON, || line.api().calls().is_empty().then_some(()));
}

/// A caller's end, by hand: nothing is read but when asked for.
struct Call {
    socket: UdpSocket,
    at: SocketAddr,
    line: SocketAddr,
    n: u32,
    invite: String,
    begun: Instant,
    heard: Vec<String>,
}

impl Call {
    /// Sends an INVITE.
    fn begin(host: &Host, line: &Line, n: u32) -> Self {
        let socket = UdpSocket::bind(host.at(0)).expect("a host of one's own has free ports");
        socket.set_nonblocking(true).expect("a socket can be polled");
        let at = socket.local_addr().expect("it is bound");
        let (line, heard) = (line.sip(), Vec::new());
        let mut call = Self { socket, at, line, n, invite: String::new(), begun: Instant::now(), heard };
        let uri = call.uri();
        call.invite = call.request("INVITE", &uri, &format!("<{uri}>"), "i", "1 INVITE", true);
        call.begun = Instant::now();
        call.send(&call.invite);
        call
    }

    /// Gives up at this time after the INVITE, and sees the call to its end.
    fn gives_up_after(&mut self, pause: Duration) -> Met {
        while self.begun.elapsed() < pause {
            std::hint::spin_loop();
        }
        self.listen();
        let late = self.find("1 INVITE").is_some();
        // As the INVITE, without its body (RFC 3261 §9.1).
        let uri = self.uri();
        let cancel = self.request("CANCEL", &uri, &format!("<{uri}>"), "i", "1 CANCEL", false);
        self.send(&cancel);
        assert_eq!(status(&self.answer("1 CANCEL")), 200, "its INVITE is known");
        let answered = self.answer("1 INVITE");
        match status(&answered) {
            487 => {
                assert!(!late);
                self.acknowledge(&self.invite.clone(), &answered, 1);
                Met::Nobody
            }
            200 => {
                self.confirm(&answered, 1);
                let bye = self.in_dialog(&answered, "BYE", 2, false);
                self.send(&bye);
                assert_eq!(status(&self.answer("2 BYE")), 200);
                if late { Met::Late } else { Met::Answer }
            }
            _ => panic!("{answered}"),
        }
    }

    fn uri(&self) -> String {
        format!("sip:{TOLL_FREE}@{}", self.line)
    }

    /// The ACK of a 2xx.
    fn confirm(&self, accepted: &str, seq: u32) {
        self.send(&self.request(
            "ACK",
            contact(accepted),
            header(accepted, "To"),
            "a",
            &format!("{seq} ACK"),
            false,
        ));
    }

    /// The ACK of a refusal, which belongs to the INVITE's transaction (§17.1.1.3).
    fn acknowledge(&self, invite: &str, refused: &str, seq: u32) {
        let uri = invite.split(' ').nth(1).expect("a request has a URI");
        let branch = header(invite, "Via").rsplit("-").next().expect("ours").to_owned();
        self.send(&self.request("ACK", uri, header(refused, "To"), &branch, &format!("{seq} ACK"), false));
    }

    fn in_dialog(&self, accepted: &str, method: &str, seq: u32, offer: bool) -> String {
        let cseq = format!("{seq} {method}");
        self.request(method, contact(accepted), header(accepted, "To"), &format!("d{seq}"), &cseq, offer)
    }

    fn request(&self, method: &str, uri: &str, to: &str, branch: &str, cseq: &str, offer: bool) -> String {
        let (at, n) = (self.at, self.n);
        let body = if offer {
            format!(
                "v=0\r\no=carrier {n} 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
                 m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n",
                ip = at.ip()
            )
        } else {
            String::new()
        };
        let kind = if offer { "Content-Type: application/sdp\r\n" } else { "" };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK-{n}-{branch}\r\nMax-Forwards: 70\r\n\
             From: <sip:+1514{n:07}@{at}>;tag=t{n}\r\nTo: {to}\r\nCall-ID: crossing-{n}@{at}\r\nCSeq: {cseq}\r\n\
             Contact: <sip:carrier@{at}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn send(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), self.line).expect("loopback takes it");
    }

    /// Reads what has come.
    fn listen(&mut self) {
        let mut buffer = [0; 4_096];
        loop {
            match self.socket.recv(&mut buffer) {
                Ok(length) => self.heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn find(&self, wanted: &str) -> Option<String> {
        self.heard.iter().find(|text| status(text) >= 200 && cseq(text) == wanted).cloned()
    }

    /// The final answer to this request.
    #[track_caller]
    fn answer(&mut self, wanted: &str) -> String {
        let begun = Instant::now();
        loop {
            self.listen();
            if let Some(found) = self.find(wanted) {
                return found;
            }
            assert!(begun.elapsed() < SOON, "no answer to {wanted}: {:#?}", self.heard);
            std::thread::yield_now();
        }
    }
}

fn cseq(text: &str) -> &str {
    header(text, "CSeq")
}

fn contact(text: &str) -> &str {
    header(text, "Contact").trim_start_matches('<').split('>').next().expect("split gives one")
}
