//! `CSeq` and `RAck`, and the spelling of methods.

use std::fmt;

use super::error::Malformed;
use super::scan;
use crate::Method;

/// `CSeq: 4711 INVITE` (RFC 3261 §20.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq {
    /// Below 2^31 (§8.1.1.5).
    pub seq: u32,
    /// The method of the request.
    pub method: Method,
}

/// `RAck: 776656 1 INVITE` (RFC 3262 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RAck {
    /// The `RSeq` that is acknowledged; never 0.
    pub rseq: u32,
    /// The `CSeq` of the response that is acknowledged.
    pub cseq: CSeq,
}

/// The largest sequence number (RFC 3261 §8.1.1.5).
const MAX_SEQ: u32 = 0x7fff_ffff;

impl CSeq {
    /// Reads the header's value.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let (seq, method) = text.split_once([' ', '\t']).ok_or(Malformed("CSeq"))?;
        let seq = scan::digits(seq).filter(|seq| *seq <= MAX_SEQ).ok_or(Malformed("CSeq"))?;
        let method = method_from_token(scan::trim(method)).ok_or(Malformed("CSeq method"))?;
        Ok(Self { seq, method })
    }
}

impl RAck {
    /// Reads the header's value.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let (rseq, cseq) = text.split_once([' ', '\t']).ok_or(Malformed("RAck"))?;
        let rseq = scan::digits(rseq).filter(|number| *number > 0).ok_or(Malformed("RAck"))?;
        Ok(Self { rseq, cseq: CSeq::parse(scan::trim(cseq))? })
    }
}

/// The method's name on the wire.
#[must_use]
pub const fn method_name(method: Method) -> &'static str {
    match method {
        Method::Ack => "ACK",
        Method::Bye => "BYE",
        Method::Cancel => "CANCEL",
        Method::Info => "INFO",
        Method::Invite => "INVITE",
        Method::Message => "MESSAGE",
        Method::Notify => "NOTIFY",
        Method::Options => "OPTIONS",
        Method::PRack => "PRACK",
        Method::Publish => "PUBLISH",
        Method::Refer => "REFER",
        Method::Register => "REGISTER",
        Method::Subscribe => "SUBSCRIBE",
        Method::Update => "UPDATE",
    }
}

/// All that `rsip` names, the frequent ones first.
const METHODS: [Method; 14] = [
    Method::Invite,
    Method::Ack,
    Method::Bye,
    Method::Register,
    Method::Options,
    Method::Cancel,
    Method::Info,
    Method::Update,
    Method::PRack,
    Method::Message,
    Method::Notify,
    Method::Publish,
    Method::Refer,
    Method::Subscribe,
];

/// Methods are case-sensitive (RFC 3261 §7.1), which `rsip`'s own reading ignores.
pub(crate) fn method_from_token(token: &str) -> Option<Method> {
    METHODS.into_iter().find(|method| method_name(*method) == token)
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.seq, method_name(self.method))
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.rseq, self.cseq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_method_is_missing() {
        for method in Method::all() {
            assert_eq!(method_from_token(method_name(method)), Some(method));
        }
    }

    #[test]
    fn reads_what_the_rfc_allows_and_nothing_else() {
        assert_eq!(CSeq::parse("0009   INVITE").unwrap(), CSeq { seq: 9, method: Method::Invite });
        assert_eq!(CSeq::parse("2147483647 ACK").unwrap().to_string(), "2147483647 ACK");
        for bad in [
            "",
            "1",
            "INVITE 1",
            "2147483648 ACK",
            "4294967296 ACK",
            "-1 ACK",
            "1 invite",
            "1 FOO",
            "1 ACK x",
        ] {
            assert!(CSeq::parse(bad).is_err(), "{bad}");
        }
        let rack = RAck::parse("776656 1 INVITE").unwrap();
        assert_eq!(rack, RAck { rseq: 776_656, cseq: CSeq { seq: 1, method: Method::Invite } });
        for bad in ["0 1 INVITE", "1 2147483648 INVITE", "4294967296 1 INVITE", "1 INVITE"] {
            assert!(RAck::parse(bad).is_err(), "{bad}");
        }
    }
}
