//! What a refusal needs of a request, found without reading the rest of it: under overload most of the work is saying no.
//!
//! Only what is plain is glimpsed (one line per header, each of the five headers once, UTF-8); anything else goes the
//! long way, which knows every shape.

use super::lexer::find_head_end;
use super::limits::{MAX_HEAD, MAX_HEADERS, MAX_LINE, MAX_MESSAGE};
use super::{CSeq, Via};
use crate::Method;

/// See the module's page. Values are trimmed, and as they came.
#[derive(Debug, PartialEq, Eq)]
pub struct Glimpse<'a> {
    /// INVITE outside a dialog, or ACK.
    pub method: Method,
    /// The last hop's.
    pub via: Via,
    /// Of hops before the last one.
    pub more_vias: Vec<&'a str>,
    /// With a tag.
    pub from: &'a str,
    /// With a tag in an ACK, and without one in an INVITE.
    pub to: &'a str,
    /// Of one word or more.
    pub call_id: &'a str,
    /// Of this method.
    pub cseq: &'a str,
}

impl<'a> Glimpse<'a> {
    /// `None` for everything that is not a plain INVITE that begins a call, or a plain ACK.
    #[must_use]
    pub fn of(datagram: &'a [u8]) -> Option<Self> {
        let method = match datagram {
            [b'I', b'N', b'V', b'I', b'T', b'E', b' ', ..] => Method::Invite,
            [b'A', b'C', b'K', b' ', ..] => Method::Ack,
            _ => return None,
        };
        if datagram.len() > MAX_HEAD.min(MAX_MESSAGE) {
            return None;
        }
        let head = std::str::from_utf8(datagram.get(..find_head_end(datagram, 0)?)?).ok()?;
        let mut lines = head.split("\r\n");
        if !lines.next()?.ends_with(" SIP/2.0") {
            return None;
        }
        let [mut via, mut from, mut to, mut call_id, mut cseq] = [None; 5];
        let mut more_vias = Vec::new();
        for (count, line) in lines.filter(|line| !line.is_empty()).enumerate() {
            let plain = |byte: u8| byte >= b' ' && byte != 0x7f || byte == b'\t';
            if count >= MAX_HEADERS || line.len() > MAX_LINE || !line.bytes().all(plain) {
                return None;
            }
            // A fold begins with a space, and has its colon anywhere: the name is none then.
            let (name, value) = line.split_once(':')?;
            let (name, value) = (name.trim_ascii_end(), value.trim_ascii());
            let place = match name {
                _ if name.starts_with([' ', '\t']) => return None,
                // A list of hops in one line.
                _ if is(name, "Via", "v") && value.contains(',') => return None,
                _ if is(name, "Via", "v") && via.is_some() => {
                    more_vias.push(value);
                    continue;
                }
                _ if is(name, "Via", "v") => &mut via,
                _ if is(name, "From", "f") => &mut from,
                _ if is(name, "To", "t") => &mut to,
                _ if is(name, "Call-ID", "i") => &mut call_id,
                _ if name.eq_ignore_ascii_case("CSeq") => &mut cseq,
                _ => continue,
            };
            if place.replace(value).is_some() || value.is_empty() {
                return None;
            }
        }
        let found = Self {
            method,
            via: Via::parse(via?).ok()?,
            more_vias,
            from: from?,
            to: to?,
            call_id: call_id?,
            cseq: cseq?,
        };
        let ours = CSeq::parse(found.cseq).is_ok_and(|cseq| cseq.method == method);
        let fits = if method == Method::Ack { has_tag(found.to) } else { !may_have_tag(found.to) };
        (ours && has_tag(found.from) && fits).then_some(found)
    }
}

fn is(name: &str, long: &str, short: &str) -> bool {
    name.eq_ignore_ascii_case(long) || name.eq_ignore_ascii_case(short)
}

/// Whether a tag is in it, or what looks like one.
fn has_tag(value: &str) -> bool {
    value.as_bytes().windows(5).any(|part| part.eq_ignore_ascii_case(b";tag="))
}

/// Whether a tag may be in it, with whatever spaces: an established call's offer must never be taken for a new call.
fn may_have_tag(value: &str) -> bool {
    value.as_bytes().windows(3).any(|part| part.eq_ignore_ascii_case(b"tag"))
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng as _, SeedableRng};

    use super::*;
    use crate::wire::{Message, Name, parse_datagram};

    const INVITE: &str = "INVITE sip:+18335550100@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa;rport\r\n\
        v: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKb\r\nMax-Forwards: 70\r\nf:<sip:a@b>;tag=1\r\nTo : <sip:c@d> \r\nCall-ID: one\r\n\
        CSeq: 7 INVITE\r\nContent-Length: 5\r\n\r\nv=0\r\n";

    #[test]
    fn a_plain_invite_is_glimpsed() {
        let found = Glimpse::of(INVITE.as_bytes()).unwrap();
        assert_eq!(found.via.branch(), Some("z9hG4bKa"));
        assert_eq!(found.more_vias, ["SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKb"]);
        assert_eq!((found.from, found.to), ("<sip:a@b>;tag=1", "<sip:c@d>"));
        assert_eq!((found.call_id, found.cseq), ("one", "7 INVITE"));
        let ack = INVITE.replace("INVITE", "ACK").replace("<sip:c@d>", "<sip:c@d>;tag=x1");
        assert_eq!(Glimpse::of(ack.as_bytes()).unwrap().method, Method::Ack);
    }

    #[test]
    fn what_is_glimpsed_is_what_the_long_way_reads() {
        let ack = INVITE.replace("INVITE", "ACK").replace("<sip:c@d>", "<sip:c@d>;tag=x1");
        let mut random = ChaCha8Rng::from_seed([5; 32]);
        let mut agreed = 0;
        for round in 0..200_000 {
            let mut bytes = if round % 2 == 0 { INVITE } else { &ack }.as_bytes().to_vec();
            for _ in 0..random.next_u32() % 3 {
                let (at, from) =
                    (random.next_u32() as usize % bytes.len(), random.next_u32() as usize % bytes.len());
                match random.next_u32() % 4 {
                    0 => bytes[at] = b" \r\n\t,;:<>\"\0"[random.next_u32() as usize % 11],
                    1 => bytes.insert(at, bytes[from]),
                    2 => drop(bytes.remove(at)),
                    _ => bytes.extend_from_within(from..(from + 40).min(bytes.len())),
                }
            }
            let Some(glimpse) = Glimpse::of(&bytes) else { continue };
            // What the long way answers 400 is refused either way, before anything is done.
            let Ok(Message::Request(request)) = parse_datagram(&bytes) else { continue };
            let headers = &request.headers;
            assert_eq!((glimpse.method, Ok(&glimpse.via)), (request.method, headers.via_top()));
            assert_eq!(
                glimpse.more_vias.join(","),
                headers.all(&Name::Via).skip(1).collect::<Vec<_>>().join(",")
            );
            for (value, name) in [
                (glimpse.from, Name::From),
                (glimpse.to, Name::To),
                (glimpse.call_id, Name::CallId),
                (glimpse.cseq, Name::CSeq),
            ] {
                assert_eq!(Some(value), headers.first(&name));
            }
            let in_dialog = headers.to().is_ok_and(|to| to.tag().is_some());
            assert!(!in_dialog || glimpse.method == Method::Ack, "{:?}", headers.first(&Name::To));
            agreed += 1;
        }
        assert!(agreed > 100_000, "{agreed}");
    }

    #[test]
    fn what_is_not_plain_goes_the_long_way() {
        for (from, to) in [
            ("INVITE sip", "OPTIONS sip"),
            ("<sip:c@d>", "<sip:c@d>;tag=2"),
            ("<sip:c@d>", "<sip:c@d>; tag=2"),
            ("<sip:c@d>", "<sip:c@d> ;\tTag = 2"),
            (";tag=1", ""),
            ("f:", "Subject:"),
            ("Call-ID: one\r\n", "Call-ID: one\r\nCall-ID: two\r\n"),
            ("Call-ID: one\r\n", "Call-ID: one\r\n two\r\n"),
            ("Call-ID: one\r\n", "Call-ID: one\r\n two: three\r\n"),
            ("Call-ID: one", "Call-ID:"),
            ("Call-ID: one", "Call-ID: o\0ne"),
            ("Call-ID: one", "Call-ID: o\rne"),
            ("7 INVITE", "7 BYE"),
            ("Max-Forwards: 70", "nonsense"),
            (";rport", ",SIP/2.0/UDP 192.0.2.8;branch=z9hG4bKc"),
            ("SIP/2.0/UDP 192.0.2.9", "nonsense"),
            ("SIP/2.0\r\nVia", "SIP/3.0\r\nVia"),
            ("\r\n\r\nv=0", "\r\nv=0"),
        ] {
            let other = INVITE.replacen(from, to, 1);
            assert_ne!(other, INVITE);
            assert_eq!(Glimpse::of(other.as_bytes()), None, "{other}");
        }
        let latin1 = [INVITE.as_bytes().split_at(60).0, b"\xe9", INVITE.as_bytes().split_at(60).1].concat();
        assert_eq!(Glimpse::of(&latin1), None);
    }
}
