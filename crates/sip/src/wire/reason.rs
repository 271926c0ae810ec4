//! `Reason` (RFC 3326): why a call was ended, in Q.850's or SIP's terms.

use std::fmt;

use super::error::Malformed;
use super::{Params, scan};

/// One reason value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// `Q.850` or `SIP`, as written.
    pub protocol: Box<str>,
    /// The number in that protocol.
    pub cause: Option<u16>,
    /// For people.
    pub text: Option<String>,
}

impl Reason {
    /// `Q.850;cause=16;text="…"`.
    #[must_use]
    pub fn q850(cause: u16, text: &str) -> Self {
        Self { protocol: "Q.850".into(), cause: Some(cause), text: Some(text.to_owned()) }
    }

    /// `SIP;cause=200;text="…"`, as in the CANCEL to a phone when another one answered (RFC 3326 §3.1).
    #[must_use]
    pub fn sip(status: u16, text: &str) -> Self {
        Self { protocol: "SIP".into(), cause: Some(status), text: Some(text.to_owned()) }
    }

    /// Reads one value.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let (protocol, params) = match text.split_once(';') {
            Some((protocol, params)) => (scan::trim(protocol), Params::parse(params)?),
            None => (scan::trim(text), Params::new()),
        };
        if !scan::is_token(protocol) {
            return Err(Malformed("Reason"));
        }
        let cause = params.get("cause").and_then(scan::digits);
        Ok(Self { protocol: protocol.into(), cause, text: params.unquoted("text") })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.protocol)?;
        if let Some(cause) = self.cause {
            write!(f, ";cause={cause}")?;
        }
        if let Some(text) = &self.text {
            write!(f, ";text={}", scan::quote(text))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q850_survives_print_and_parse() {
        let reason = Reason::q850(16, "Normal \"clearing\"; bye");
        assert_eq!(reason.to_string(), r#"Q.850;cause=16;text="Normal \"clearing\"; bye""#);
        assert_eq!(Reason::parse(&reason.to_string()).unwrap(), reason);
        assert_eq!(Reason::parse("Q.850 ;cause=x").unwrap().cause, None);
    }
}
