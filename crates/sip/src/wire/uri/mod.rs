//! `sip:`, `sips:` and `tel:` addresses (RFC 3261 §19.1, RFC 3966); any other scheme is kept as written.

mod escape;
mod host;
mod sip;
mod tel;

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;

use super::error::Malformed;

pub use host::Host;
pub(crate) use host::parse_host_port;
pub use sip::SipUri;
pub use tel::TelUri;

/// An address. `==` compares as written; [`Uri::equivalent`] compares by RFC 3261 §19.1.4.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Uri {
    /// `sip:` or `sips:`.
    Sip(SipUri),
    /// `tel:`.
    Tel(TelUri),
    /// Another absolute URI: never routed to, only carried.
    Other(Box<str>),
}

impl Uri {
    /// Reads one URI, without brackets or header parameters around it.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let (scheme, rest) = text.split_once(':').ok_or(Malformed("URI"))?;
        let sound = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
            && !rest.is_empty()
            && rest.bytes().all(is_uri_byte);
        if !sound {
            return Err(Malformed("URI"));
        }
        if scheme.eq_ignore_ascii_case("sip") {
            Ok(Self::Sip(SipUri::parse_rest(false, rest)?))
        } else if scheme.eq_ignore_ascii_case("sips") {
            Ok(Self::Sip(SipUri::parse_rest(true, rest)?))
        } else if scheme.eq_ignore_ascii_case("tel") {
            Ok(Self::Tel(TelUri::parse_rest(rest)?))
        } else {
            Ok(Self::Other(text.into()))
        }
    }

    /// `sip:user@host:port`, the user escaped as needed.
    #[must_use]
    pub fn sip(user: Option<&str>, at: SocketAddr) -> Self {
        Self::Sip(SipUri::new(user, Host::Ip(at.ip()), Some(at.port())))
    }

    /// The `sip:` or `sips:` form, if it is one.
    #[must_use]
    pub const fn as_sip(&self) -> Option<&SipUri> {
        match self {
            Self::Sip(sip) => Some(sip),
            Self::Tel(_) | Self::Other(_) => None,
        }
    }

    /// The decoded user part of `sip:`, or the digits of `tel:`.
    #[must_use]
    pub fn user(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Sip(sip) => sip.user(),
            Self::Tel(tel) => Some(Cow::Owned(tel.digits())),
            Self::Other(_) => None,
        }
    }

    /// RFC 3261 §19.1.4 for `sip:`, RFC 3966 §4 for `tel:`. Not transitive, hence not `==`.
    #[must_use]
    pub fn equivalent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sip(a), Self::Sip(b)) => a.equivalent(b),
            (Self::Tel(a), Self::Tel(b)) => a.equivalent(b),
            (Self::Other(a), Self::Other(b)) => a == b,
            _ => false,
        }
    }
}

/// Whether a byte may stand in a URI at all. Wider than the grammar (`#`, UTF-8 in user parts are in the field),
/// but nothing that could end a bracket, a header or a line.
fn is_uri_byte(byte: u8) -> bool {
    !byte.is_ascii_control() && !matches!(byte, b' ' | b'"' | b'<' | b'>')
}

pub(super) fn split_pair(part: &str) -> (&str, Option<&str>) {
    match part.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (part, None),
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sip(sip) => sip.fmt(f),
            Self::Tel(tel) => tel.fmt(f),
            Self::Other(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        Uri::parse(text).unwrap_or_else(|_| panic!("{text}"))
    }

    #[test]
    fn every_part_is_read_and_printed_back() {
        for text in [
            "sip:h",
            "sips:alice:pw@[2001:db8::1]:5061;transport=tcp;lr?Subject=a%20b&Priority=urgent",
            "sip:192.0.2.1:5060",
            "sip:+18335550100;phone-context=x@h;user=phone",
            "sip:*40@h",
            "tel:+1-833-555-0100;ext=7",
            "urn:service:sos",
        ] {
            assert_eq!(uri(text).to_string(), text);
        }
        let sip = uri("SIP:al%69ce:s%40@H.example;X=y");
        assert_eq!(sip.user().unwrap(), "alice");
        assert_eq!(uri("sip:h.example:65535").as_sip().unwrap().port, Some(65535));
        assert_eq!(uri("tel:+1-(833).555").user().unwrap(), "+1833555");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_malformed() {
        for bad in [
            "",
            "sip",
            "sip:",
            ":x",
            "1a:b",
            "sip:@h",
            "sip:a@",
            "sip:a@b@c",
            "sip:a@h:",
            "sip:h:99999",
            "sip:h:+1",
            "sip:h;",
            "sip:h;;lr",
            "sip:h;=x",
            "sip:h;a=",
            "sip:a b@h",
            "sip:a@h>",
            "<sip:h>",
            "sip:a\"@h",
            "sip:a%@h",
            "sip:a%4@h",
            "sip:a%zz@h",
            "sip:h;x=%",
            "sip:[::1",
            "sip:[::g]",
            "sip:h?",
            "sip:h?a",
            "sip:h?=b",
            "sip:h\r\n",
            "tel:",
            "tel:+",
            "tel:abcxyz",
            "tel:1+1",
            "tel:+1;",
            "sip:h_%41",
        ] {
            assert!(Uri::parse(bad).is_err(), "{bad}");
        }
    }

    /// The pairs of RFC 3261 §19.1.4.
    /// Found by fuzzing (`sip_datagram`).
    #[test]
    fn what_has_a_parameter_twice_equals_itself() {
        for text in ["sip:a@h;n%61me=1;n%61me=2", "sip:a@h;transport=udp;transport=tcp", "sip:a@h;lr;lr=x"] {
            assert!(uri(text).equivalent(&uri(text)), "{text}");
        }
        assert!(!uri("sip:a@h;transport=udp;transport=tcp").equivalent(&uri("sip:a@h;transport=tcp")));
    }

    #[test]
    fn comparison_follows_the_rfc_s_examples() {
        for (a, b) in [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
            ("tel:+1-201-555-0123", "tel:+12015550123"),
        ] {
            assert!(uri(a).equivalent(&uri(b)) && uri(b).equivalent(&uri(a)), "{a} {b}");
        }
        for (a, b) in [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            ("sip:a@h", "sips:a@h"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:%00@h", "sip:%00%00@h"),
            ("tel:911;phone-context=+1", "tel:911;phone-context=+44"),
        ] {
            assert!(!uri(a).equivalent(&uri(b)) && !uri(b).equivalent(&uri(a)), "{a} {b}");
        }
    }

    #[test]
    fn needless_escapes_in_parameters_are_resolved() {
        let target = uri("sip:cal%6Cer@h;%6C%72;n%61me=v%61lue%25%34%31");
        let sip = target.as_sip().unwrap();
        assert!(sip.is_loose());
        assert_eq!(sip.params.get("name"), Some("value%2541"));
        assert_eq!(sip.user().unwrap(), "caller");
    }

    #[test]
    fn a_user_of_ours_is_escaped() {
        let uri = Uri::sip(Some("a b;c@\r\n>é%"), "192.0.2.1:5060".parse().unwrap());
        assert_eq!(uri.to_string(), "sip:a%20b;c%40%0D%0A%3E%C3%A9%25@192.0.2.1:5060");
        assert_eq!(Uri::parse(&uri.to_string()).unwrap().user().unwrap(), "a b;c@\r\n>é%");
    }
}
