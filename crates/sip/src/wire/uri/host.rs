//! Hosts and ports, of URIs and of `Via`.

use std::fmt;
use std::net::IpAddr;

use crate::wire::error::Malformed;
use crate::wire::scan;

/// The host of an address or of a `Via`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// An IPv4 address, or an IPv6 address in brackets.
    Ip(IpAddr),
    /// A domain name, as written.
    Name(Box<str>),
}

impl Host {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if let Some(v6) = text.strip_prefix('[') {
            let v6 = v6.strip_suffix(']').ok_or(Malformed("host"))?;
            return v6.parse().map(|ip| Self::Ip(IpAddr::V6(ip))).map_err(|_| Malformed("host"));
        }
        if let Ok(ip) = text.parse() {
            return Ok(Self::Ip(IpAddr::V4(ip)));
        }
        // `_` is no host name, but it is found in the field.
        let sound =
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        if sound { Ok(Self::Name(text.into())) } else { Err(Malformed("host")) }
    }

    /// The literal address, if it is one.
    #[must_use]
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Name(_) => None,
        }
    }

    /// Names compare without case.
    #[must_use]
    pub fn equivalent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ip(a), Self::Ip(b)) => a == b,
            (Self::Name(a), Self::Name(b)) => a.eq_ignore_ascii_case(b),
            _ => false,
        }
    }
}

/// `host[:port]`, space around the colon tolerated for `Via` (COLON of RFC 3261 §25.1).
pub(crate) fn parse_host_port(text: &str) -> Result<(Host, Option<u16>), Malformed> {
    let host_len = if text.starts_with('[') {
        text.find(']').ok_or(Malformed("host"))? + 1
    } else {
        text.find(':').unwrap_or(text.len())
    };
    let (host, rest) = text.split_at(host_len);
    let port = match scan::trim(rest).strip_prefix(':') {
        Some(port) => Some(scan::digits(scan::trim(port)).ok_or(Malformed("port"))?),
        None if scan::trim(rest).is_empty() => None,
        None => return Err(Malformed("host")),
    };
    Ok((Host::parse(scan::trim(host))?, port))
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Name(name) => f.write_str(name),
        }
    }
}
