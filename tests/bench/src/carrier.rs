//! What a carrier says of a call: the same messages for whoever answers.

use std::fmt::Write as _;
use std::net::SocketAddr;

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
    a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";

/// One carrier, who calls `line` from `at`.
#[derive(Clone, Copy, Debug)]
pub struct Carrier {
    /// Its own address.
    pub at: SocketAddr,
    /// Whom it calls.
    pub line: SocketAddr,
}

impl Carrier {
    /// The INVITE of call `n`, each from another number.
    #[must_use]
    pub fn invite(&self, n: u64) -> String {
        let at = self.at;
        let mut text = self.head("INVITE", n, 1, "");
        let _ = write!(
            text,
            "Contact: <sip:{at}>\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO\r\nSupported: timer, 100rel\r\n\
             User-Agent: Carrier SBC 7.1\r\nP-Asserted-Identity: <sip:+1416{:07}@carrier.example>\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
            n % 10_000_000,
            SDP.len()
        );
        text
    }

    /// The ACK of a 2xx whose `To` is `to`.
    #[must_use]
    pub fn ack(&self, n: u64, to: &str) -> String {
        self.head("ACK", n, 1, to) + "Content-Length: 0\r\n\r\n"
    }

    /// The BYE of that dialog.
    #[must_use]
    pub fn bye(&self, n: u64, to: &str) -> String {
        self.head("BYE", n, 2, to) + "Content-Length: 0\r\n\r\n"
    }

    /// The ACK of a refusal: it belongs to the INVITE's own transaction.
    #[must_use]
    pub fn ack_refusal(&self, n: u64, to: &str) -> String {
        self.ack(n, to).replacen("branch=z9hG4bKACK", "branch=z9hG4bKINVITE", 1)
    }

    /// An OPTIONS in that dialog: is the call still up? `seq` grows from one to the next (RFC 3261 §12.2.2), from 2 on.
    #[must_use]
    pub fn options(&self, n: u64, seq: u32, to: &str) -> String {
        self.head("OPTIONS", n, seq, to) + "Content-Length: 0\r\n\r\n"
    }

    fn head(&self, method: &str, n: u64, seq: u32, to: &str) -> String {
        let Self { at, line } = self;
        let number = n % 10_000_000;
        let to = if to.is_empty() { format!("<sip:+18335550100@{line}>") } else { to.to_owned() };
        format!(
            "{method} sip:+18335550100@{line} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{method}{seq}.{n:x};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+1416{number:07}@carrier.example>;tag=c{n:x}\r\nTo: {to}\r\n\
             Call-ID: {n}@carrier.example\r\nCSeq: {seq} {method}\r\n"
        )
    }
}

/// A response, as far as a caller looks at it: its status, which call it is of, and whether it answers the BYE.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Its status.
    pub status: u16,
    /// The call's number.
    pub call: u64,
    /// The method of the request that it answers.
    pub method: &'a str,
    /// Its `To`, with the tag of whoever answers.
    pub to: &'a str,
}

impl<'a> Answer<'a> {
    /// Reads one; `None` for anything else.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        let status = text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()?;
        let value = |names: [&str; 2]| {
            text.split("\r\n").find_map(|line| {
                let (name, value) = line.split_once(':')?;
                names.iter().any(|known| known.eq_ignore_ascii_case(name.trim())).then(|| value.trim())
            })
        };
        let call = value(["Call-ID", "i"])?.split('@').next()?.parse().ok()?;
        let method = value(["CSeq", "CSeq"])?.split(' ').nth(1)?;
        Some(Self { status, call, method, to: value(["To", "t"])? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_which_call_and_what_of_it() {
        let text = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=1\r\nTo: <sip:b>;tag=7\r\nCall-ID: 12@carrier.example\r\n\
                    CSeq: 2 BYE\r\n\r\n";
        let answer = Answer::read(text).expect("an answer");
        assert_eq!((answer.status, answer.call, answer.method, answer.to), (200, 12, "BYE", "<sip:b>;tag=7"));
        assert!(Answer::read("OPTIONS sip:a SIP/2.0\r\n\r\n").is_none());
    }
}
