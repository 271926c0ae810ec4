//! `tel:` addresses (RFC 3966).

use std::fmt;

use super::escape::is_escaped;
use super::split_pair;
use crate::wire::Params;
use crate::wire::error::Malformed;

/// A `tel:` address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TelUri {
    /// As written, visual separators included; [`TelUri::digits`] strips them.
    pub number: Box<str>,
    /// `;phone-context=…`.
    pub params: Params,
}

impl TelUri {
    /// The number without visual separators, `+` kept: `+1-833-555-0100` is `+18335550100`.
    #[must_use]
    pub fn digits(&self) -> String {
        self.number.chars().filter(|c| !"-.()".contains(*c)).collect()
    }

    pub(super) fn parse_rest(rest: &str) -> Result<Self, Malformed> {
        let mut parts = rest.split(';');
        let number = parts.next().unwrap_or("");
        let sound = number
            .bytes()
            .enumerate()
            .all(|(at, b)| b.is_ascii_hexdigit() || b"-.()*#".contains(&b) || (b == b'+' && at == 0));
        if !sound || !number.bytes().any(|b| b.is_ascii_hexdigit() || b == b'*' || b == b'#') {
            return Err(Malformed("telephone number"));
        }
        let mut params = Params::new();
        for part in parts {
            let (name, value) = split_pair(part);
            if name.is_empty() || !is_escaped(part) {
                return Err(Malformed("URI parameter"));
            }
            params.push_raw(name, value)?;
        }
        Ok(Self { number: number.into(), params })
    }

    pub(super) fn equivalent(&self, other: &Self) -> bool {
        let context = |tel: &Self| tel.params.get("phone-context").map(str::to_ascii_lowercase);
        self.digits().eq_ignore_ascii_case(&other.digits()) && context(self) == context(other)
    }
}

impl fmt::Display for TelUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tel:{}{}", self.number, self.params)
    }
}
