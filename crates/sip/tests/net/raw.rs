//! Requests as text, for peers that are no endpoint of ours, and what is answered.

use super::*;
use havre_sip::Method;
use havre_sip::digest::Session;
use havre_sip::wire::{Auth, Uri};

/// A request from `from`, with more header lines and a body.
pub fn request(method: &str, uri: &str, from: &str, more: &str, body: &str) -> String {
    let branch = format!("z9hG4bK{:x}", fnv(&format!("{method}{uri}{from}{more}{body}")));
    let length = crlf(body).len();
    crlf(&format!(
        "{method} {uri} SIP/2.0\n\
         Via: SIP/2.0/UDP {from};branch={branch};rport\n\
         Max-Forwards: 70\n\
         {more}Content-Length: {length}\n\n{body}"
    ))
}

/// An INVITE of a caller at a carrier's gateway. `more` may replace any header by giving it first.
pub fn invite(uri: &str, from: &str, more: &str) -> String {
    let fallback = [
        ("From", "<sip:+14165550123@carrier.example>;tag=caller".to_owned()),
        ("To", format!("<{uri}>")),
        ("Call-ID", "call-1".to_owned()),
        ("CSeq", "1 INVITE".to_owned()),
        ("Contact", format!("<sip:{from}>")),
        ("Content-Type", "application/sdp".to_owned()),
    ];
    let mut lines = more.to_owned();
    for (name, value) in fallback {
        if !more.contains(&format!("{name}:")) {
            lines.push_str(&format!("{name}: {value}\n"));
        }
    }
    request("INVITE", uri, from, &lines, OFFER)
}

/// Lines that every request outside a dialog has.
pub fn common(method: &str, from: &str, to: &str, seq: u32) -> String {
    format!("From: <{from}>;tag=raw\nTo: <{to}>\nCall-ID: raw-{method}\nCSeq: {seq} {method}\n")
}

/// A message's header lines of one name.
pub fn all<'a>(message: &'a str, name: &str) -> Vec<&'a str> {
    let prefix = format!("{name}: ");
    message.lines().filter_map(|line| line.strip_prefix(prefix.as_str())).collect()
}

/// `Authorization` line that answers the challenge in `response`.
pub fn authorization(response: &str, method: Method, uri: &str, user: &str, password: &str) -> String {
    let challenges: Vec<_> =
        all(response, "WWW-Authenticate").iter().map(|c| Auth::parse(c).unwrap()).collect();
    let mut session = Session::accept(&challenges, None).unwrap();
    let uri = Uri::parse(uri).unwrap();
    format!("Authorization: {}\n", session.authorize(user, password, method, &uri, "c0ffee"))
}

impl Net {
    /// Sends text and returns what comes back within a second, without 100 Trying.
    pub fn ask(&mut self, from: &str, text: &str) -> Vec<String> {
        self.received(from);
        self.send(from, HAVRE, text);
        self.run(ms(400));
        let mut answers = self.received(from);
        answers.retain(|answer| status(answer) != 100);
        answers
    }

    /// The one answer.
    #[track_caller]
    pub fn answer_to(&mut self, from: &str, text: &str) -> String {
        let mut answers = self.ask(from, text);
        assert_eq!(answers.len(), 1, "{answers:#?}");
        answers.remove(0)
    }
}

fn fnv(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
