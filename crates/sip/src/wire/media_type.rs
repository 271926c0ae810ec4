//! `Content-Type` (RFC 3261 §20.15).

use std::fmt;

use super::error::Malformed;
use super::{Params, scan};

/// `application/sdp;charset=utf-8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// `application`.
    pub kind: Box<str>,
    /// `sdp`.
    pub subtype: Box<str>,
    /// What follows.
    pub params: Params,
}

impl MediaType {
    /// Reads the header's value.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let (essence, params) = match text.split_once(';') {
            Some((essence, params)) => (essence, Params::parse(params)?),
            None => (text, Params::new()),
        };
        let (kind, subtype) = essence.split_once('/').ok_or(Malformed("media type"))?;
        let (kind, subtype) = (scan::trim(kind), scan::trim(subtype));
        if !scan::is_token(kind) || !scan::is_token(subtype) {
            return Err(Malformed("media type"));
        }
        Ok(Self { kind: kind.into(), subtype: subtype.into(), params })
    }

    /// Whether it is `kind/subtype`, without regard to case and parameters.
    #[must_use]
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.kind, self.subtype, self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_space_do_not_matter() {
        let kind = MediaType::parse("Application / SDP ;charset=\"utf-8\"").unwrap();
        assert!(kind.is("application", "sdp"));
        for bad in ["", "sdp", "/sdp", "application/", "a b/c"] {
            assert!(MediaType::parse(bad).is_err(), "{bad}");
        }
    }
}
