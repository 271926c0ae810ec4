//! `Session-Expires` and `Min-SE` (RFC 4028).

use std::fmt;

use super::error::Malformed;
use super::{Params, scan};

/// `Session-Expires: 1800;refresher=uac`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// The session interval, seconds.
    pub seconds: u32,
    /// Who refreshes, where it was said.
    pub refresher: Option<Refresher>,
}

/// Who sends the refresh requests. Roles are those of the transaction that carries the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    /// The one that sent the request.
    Uac,
    /// The one that answers it.
    Uas,
}

impl SessionExpires {
    /// Reads the header's value. An unknown refresher is none.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let (seconds, params) = delta(text, "Session-Expires")?;
        let refresher = match params.get("refresher") {
            Some(who) if who.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(who) if who.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            _ => None,
        };
        Ok(Self { seconds, refresher })
    }
}

/// `delta-seconds *(;param)`, as in `Session-Expires` and `Min-SE`.
pub(crate) fn delta(text: &str, what: &'static str) -> Result<(u32, Params), Malformed> {
    let (seconds, params) = match text.split_once(';') {
        Some((seconds, params)) => (seconds, Params::parse(params)?),
        None => (text, Params::new()),
    };
    Ok((scan::saturating(scan::trim(seconds)).ok_or(Malformed(what))?, params))
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refresher = match self.refresher {
            None => "",
            Some(Refresher::Uac) => ";refresher=uac",
            Some(Refresher::Uas) => ";refresher=uas",
        };
        write!(f, "{}{refresher}", self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refresher_is_optional() {
        let session = SessionExpires::parse("1800 ; Refresher=UAS").unwrap();
        assert_eq!(session, SessionExpires { seconds: 1800, refresher: Some(Refresher::Uas) });
        assert_eq!(session.to_string(), "1800;refresher=uas");
        assert_eq!(SessionExpires::parse("90").unwrap().refresher, None);
        assert!(SessionExpires::parse("soon").is_err());
    }
}
