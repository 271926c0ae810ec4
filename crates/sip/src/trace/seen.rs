//! What the trace looks at in a message.

use crate::Method;
use crate::wire::{CSeq, Headers, Message, Name};

/// See the module's page. Nothing of it is kept as it stands but numbers and the method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen<'a> {
    pub(super) call_id: &'a str,
    /// Of the request, or of the one that is answered.
    pub(super) method: Method,
    /// Of a response.
    pub(super) status: Option<u16>,
    pub(super) seq: u32,
    /// Of `To`.
    pub(super) tag: Option<&'a str>,
    /// A session description comes with it.
    pub(super) described: bool,
    /// Q.850, of `Reason`.
    pub(super) cause: Option<u16>,
}

impl<'a> Seen<'a> {
    /// A message that came.
    pub(crate) fn received(message: &'a Message) -> Option<Self> {
        let (headers, body, method, status): (&Headers, _, _, _) = match message {
            Message::Request(request) => (&request.headers, &request.body, Some(request.method), None),
            Message::Response(response) => (&response.headers, &response.body, None, Some(response.status)),
        };
        let cseq = headers.cseq().ok()?;
        let reasons = if headers.has(&Name::Reason) { headers.reasons() } else { Vec::new() };
        let q850 = reasons.iter().find(|reason| reason.protocol.eq_ignore_ascii_case("Q.850"));
        Some(Self {
            call_id: headers.call_id().ok()?,
            method: method.unwrap_or(cseq.method),
            status,
            seq: cseq.seq,
            tag: headers.first(&Name::To).and_then(tag),
            described: !body.is_empty() && is_described(headers.first(&Name::ContentType)),
            cause: q850.and_then(|reason| reason.cause),
        })
    }

    /// A message that goes. Ours are written in one way alone (long names, one space, no folds), so a glance at the
    /// lines is enough. `None` for a keep-alive.
    pub(crate) fn sent(bytes: &'a [u8]) -> Option<Self> {
        let mut lines =
            bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let start = std::str::from_utf8(lines.next()?).ok()?;
        let status =
            start.strip_prefix("SIP/2.0 ").map(|rest| rest.get(..3).and_then(|code| code.parse().ok()));
        let (mut call_id, mut cseq, mut to, mut kind, mut cause) = (None, None, None, None, None);
        for line in lines.take_while(|line| !line.is_empty()) {
            // Others' display names may be no UTF-8; nothing of theirs is looked at.
            let Ok(line) = std::str::from_utf8(line) else { continue };
            let Some((name, value)) = line.split_once(": ") else { continue };
            match name {
                "Call-ID" => call_id = call_id.or(Some(value)),
                "CSeq" => cseq = cseq.or_else(|| CSeq::parse(value).ok()),
                "To" => to = to.or(Some(value)),
                "Content-Type" => kind = kind.or(Some(value)),
                "Reason" => cause = cause.or_else(|| value.strip_prefix("Q.850;cause=")),
                _ => {}
            }
        }
        let cseq = cseq?;
        let digits =
            |text: &str| text.split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok());
        Some(Self {
            call_id: call_id?,
            method: cseq.method,
            status: status.flatten(),
            seq: cseq.seq,
            tag: to.and_then(tag),
            described: is_described(kind),
            cause: cause.and_then(digits),
        })
    }
}

/// Of a `To`. The tag stands after the URI's `>`, and is no secret: it only tells forks apart.
fn tag(to: &str) -> Option<&str> {
    let params = to.rsplit_once('>').map_or(to, |(_, params)| params);
    let (_, rest) = params.split_once(";tag=")?;
    rest.split(';').next()
}

fn is_described(kind: Option<&str>) -> bool {
    kind.is_some_and(|kind| kind.starts_with("application/sdp") || kind.starts_with("multipart/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::parse_datagram;

    #[test]
    fn what_is_sent_and_what_is_read_look_the_same() {
        for text in [
            "BYE sip:havre@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: \"x;tag=no\" <sip:c@d;tag=no>;tag=2\r\nCall-ID: one\r\nCSeq: 7 BYE\r\nReason: Q.850;cause=16;text=\"n\"\r\n\
             Content-Length: 0\r\n\r\n",
            "SIP/2.0 183 Session Progress\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:c@d>\r\nCall-ID: one\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n",
        ] {
            let message = parse_datagram(text.as_bytes()).unwrap();
            let printed = match &message {
                Message::Request(request) => request.to_bytes(),
                Message::Response(response) => response.to_bytes(),
            };
            let (read, sent) = (Seen::received(&message).unwrap(), Seen::sent(&printed).unwrap());
            assert_eq!(read, sent);
            assert_eq!(read.tag, text.contains("tag=2").then_some("2"));
            assert_eq!(read.described, text.contains("v=0"));
            assert_eq!(read.cause, text.contains("Q.850").then_some(16));
        }
        assert_eq!(Seen::sent(b"\r\n\r\n"), None);
    }
}
