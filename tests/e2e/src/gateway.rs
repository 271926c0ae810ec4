//! A carrier's gateway of a test whose callers hear nothing: only how they are answered counts.

use std::cell::RefCell;
use std::collections::HashSet;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use crate::message::{header, status};
use crate::{Host, Line, TOLL_FREE};

/// Longest wait for a message.
const LIMIT: Duration = Duration::from_secs(5);
/// Who calls, where it does not matter.
const CALLER: &str = "+15145550123";

/// A gateway at port 5060 of a host of its own, over UDP. A call's name is in its `Call-ID`, before the `@`, and its tag.
pub struct Gateway {
    socket: UdpSocket,
    _host: Host,
    to: SocketAddr,
    done: RefCell<HashSet<String>>,
}

impl Gateway {
    /// Opens it.
    ///
    /// # Panics
    /// Its port is taken.
    #[must_use]
    pub fn open(line: &Line) -> Self {
        let host = Host::claim();
        let socket = UdpSocket::bind(host.at(5060)).expect("a host of one's own has a free port 5060");
        socket.set_read_timeout(Some(LIMIT)).expect("a socket takes a timeout");
        Self { socket, _host: host, to: line.sip(), done: RefCell::default() }
    }

    /// A call, answered and acknowledged: its final answer.
    #[must_use]
    pub fn calls(&self, call: &str) -> String {
        self.send_invite(call);
        self.final_answer()
    }

    /// An INVITE.
    pub fn send_invite(&self, call: &str) {
        self.send_invite_with(call, "0 8 101");
    }

    /// One that offers these formats.
    pub fn send_invite_with(&self, call: &str, formats: &str) {
        self.invite(call, CALLER, formats, "");
    }

    /// One of this number, with these header lines more.
    pub fn send_invite_of(&self, call: &str, number: &str, more: &str) {
        self.invite(call, number, "0 8 101", more);
    }

    fn invite(&self, call: &str, number: &str, formats: &str, more: &str) {
        let here = self.here();
        let ip = here.ip();
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP {formats}\r\n\
             a=rtpmap:101 telephone-event/8000\r\n"
        );
        let to = format!("<sip:{TOLL_FREE}@{}>", self.to);
        let lines = format!(
            "{more}Contact: <sip:carrier@{here}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        );
        self.send_of("INVITE", call, number, 1, &to, &lines);
    }

    /// A request of a call: `more` is the rest of it, from the last header lines on.
    pub fn send(&self, method: &str, call: &str, seq: u32, to: &str, more: &str) {
        self.send_of(method, call, CALLER, seq, to, more);
    }

    fn send_of(&self, method: &str, call: &str, number: &str, seq: u32, to: &str, more: &str) {
        let here = self.here();
        let text = format!(
            "{method} sip:{TOLL_FREE}@{} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{method}{call}\r\nMax-Forwards: 70\r\n\
             From: <sip:{number}@{here}>;tag={call}\r\nTo: {to}\r\nCall-ID: {call}@{here}\r\nCSeq: {seq} {method}\r\n{more}",
            self.to
        );
        self.socket.send_to(text.as_bytes(), self.to).expect("loopback takes a datagram");
    }

    /// The next message.
    ///
    /// # Panics
    /// None comes in time.
    #[must_use]
    pub fn hears(&self) -> String {
        let mut buffer = [0; 8_192];
        let length = self.socket.recv(&mut buffer).expect("a message");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    /// The next final answer to an INVITE that was not heard before. It is acknowledged.
    #[must_use]
    pub fn final_answer(&self) -> String {
        loop {
            let text = self.hears();
            if self.is_end(&text) {
                return text;
            }
        }
    }

    /// Whether this is a final answer to an INVITE that was not heard before. It is acknowledged, as often as it comes.
    #[must_use]
    pub fn is_end(&self, text: &str) -> bool {
        if status(text) < 200 || !header(text, "CSeq").ends_with("INVITE") {
            return false;
        }
        let call = Self::call_of(text);
        self.send("ACK", &call, 1, header(text, "To"), "Content-Length: 0\r\n\r\n");
        self.done.borrow_mut().insert(call)
    }

    /// The call that was answered so hangs up.
    pub fn hangs_up(&self, answer: &str) {
        self.hangs_up_with(answer, "");
    }

    /// The same, with these header lines more.
    pub fn hangs_up_with(&self, answer: &str, more: &str) {
        let rest = format!("{more}Content-Length: 0\r\n\r\n");
        self.send("BYE", &Self::call_of(answer), 2, header(answer, "To"), &rest);
    }

    /// The name of the call that a message belongs to.
    #[must_use]
    pub fn call_of(text: &str) -> String {
        header(text, "Call-ID").split('@').next().unwrap_or_default().to_owned()
    }

    fn here(&self) -> SocketAddr {
        self.socket.local_addr().expect("bound")
    }
}
