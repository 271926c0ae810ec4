//! What a refusal needs of a request, found without reading the rest of it: under overload most of the work is saying no.
//!
//! Only what is plain is glimpsed (one line per header, each of the five headers once, UTF-8); anything else goes the
//! long way, which knows every shape.

use memchr::{memchr, memchr_iter};

use super::CSeq;
use super::limits::{MAX_HEAD, MAX_HEADERS, MAX_LINE, MAX_MESSAGE};
use crate::Method;

/// See the module's page. Values are trimmed, and as they came.
#[derive(Debug, PartialEq, Eq)]
pub struct Glimpse<'a> {
    /// INVITE outside a dialog, or ACK.
    pub method: Method,
    /// The last hop's.
    pub via: &'a str,
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
    /// `None` for everything that is not a plain INVITE that begins a call, or a plain ACK. The values are not looked into,
    /// but for what tells these apart.
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
        let (first, mut rest) = line(datagram)?;
        if !first.ends_with(b" SIP/2.0") || std::str::from_utf8(first).is_err() {
            return None;
        }
        let [mut via, mut from, mut to, mut call_id, mut cseq] = [None; 5];
        let mut more_vias = Vec::new();
        for _ in 0..=MAX_HEADERS {
            let (bytes, behind) = line(rest)?;
            rest = behind;
            if bytes.is_empty() {
                let (via, from, to, call_id, cseq) = (via?, from?, to?, call_id?, cseq?);
                let ours = CSeq::parse(cseq).is_ok_and(|cseq| cseq.method == method);
                let fits =
                    if method == Method::Ack { has_tag(to.as_bytes()) } else { !may_have_tag(to.as_bytes()) };
                let plain = ours && has_tag(from.as_bytes()) && fits;
                return plain.then_some(Self { method, via, more_vias, from, to, call_id, cseq });
            }
            let text = plain(bytes)?;
            // A fold begins with a space, and may have a colon anywhere.
            if matches!(bytes, [b' ' | b'\t' | b':', ..]) {
                return None;
            }
            let (name, value) = text.split_at_checked(memchr(b':', bytes)?)?;
            let (name, value) = (name.trim_ascii_end(), value[1..].trim_ascii());
            let place = match name.as_bytes() {
                [b'v' | b'V', ..] if is(name, "Via", "v") => {
                    // A list of hops in one line.
                    if value.contains(',') {
                        return None;
                    }
                    if via.is_some() {
                        more_vias.push(value);
                        continue;
                    }
                    &mut via
                }
                [b'f' | b'F', ..] if is(name, "From", "f") => &mut from,
                [b't' | b'T', ..] if is(name, "To", "t") => &mut to,
                [b'c' | b'C' | b'i' | b'I', ..] if is(name, "Call-ID", "i") => &mut call_id,
                [b'c' | b'C', ..] if is(name, "CSeq", "") => &mut cseq,
                _ => continue,
            };
            if place.replace(value).is_some() || value.is_empty() {
                return None;
            }
        }
        None
    }
}

/// The first line, without its CRLF, and what is behind it. A bare LF is not plain.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr(b'\n', bytes)?;
    let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
    Some((line.strip_suffix(b"\r")?, rest))
}

/// A line that is no longer than may be, and has no control character in it.
fn plain(line: &[u8]) -> Option<&str> {
    // Without a way out in the middle, so that many bytes are looked at together.
    let odd = line.iter().fold(false, |odd, byte| odd | (*byte < b' ' && *byte != b'\t' || *byte == 0x7f));
    if odd || line.len() > MAX_LINE {
        return None;
    }
    std::str::from_utf8(line).ok()
}

fn is(name: &str, long: &str, short: &str) -> bool {
    name.eq_ignore_ascii_case(long) || name.eq_ignore_ascii_case(short)
}

/// Whether a tag is in it, or what looks like one.
pub(super) fn has_tag(value: &[u8]) -> bool {
    memchr_iter(b';', value)
        .any(|at| value.get(at + 1..at + 5).is_some_and(|part| part.eq_ignore_ascii_case(b"tag=")))
}

/// Whether a tag may be in it, with whatever spaces: an established call's offer must never be taken for a new call.
fn may_have_tag(value: &[u8]) -> bool {
    value.windows(3).any(|part| part.eq_ignore_ascii_case(b"tag"))
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
        assert_eq!(found.via, "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa;rport");
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
            assert_eq!((glimpse.method, Some(glimpse.via)), (request.method, headers.first(&Name::Via)));
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
            // Found by fuzzing.
            ("Call-ID: one\r\n", "Call-ID: one\r\n : two\r\n"),
            ("Call-ID: one", "Call-ID:"),
            ("Call-ID: one", "Call-ID: o\0ne"),
            ("Call-ID: one", "Call-ID: o\rne"),
            ("7 INVITE", "7 BYE"),
            ("Max-Forwards: 70", "nonsense"),
            (";rport", ",SIP/2.0/UDP 192.0.2.8;branch=z9hG4bKc"),
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
