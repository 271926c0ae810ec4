//! `sip:` and `sips:` addresses (RFC 3261 §19.1).

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;

use super::escape::{escape, is_escaped, normal, unescape};
use super::{Host, parse_host_port, split_pair};
use crate::wire::Params;
use crate::wire::error::Malformed;
use crate::wire::limits::MAX_PARAMS;

/// A `sip:` or `sips:` address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SipUri {
    /// `sips:`.
    pub secure: bool,
    /// As on the wire, `%` escapes included; [`SipUri::user`] decodes.
    pub raw_user: Option<Box<str>>,
    /// As on the wire. Never used for authentication (§19.1.1).
    pub raw_password: Option<Box<str>>,
    /// Where to.
    pub host: Host,
    /// `None` is the scheme's default, and not the same as `Some(5060)` when compared.
    pub port: Option<u16>,
    /// `;transport=tcp;lr`. Needless escapes are gone: `;%6C%72` is `;lr` (RFC 4475, esc01).
    pub params: Params,
    /// `?Subject=x&…`, escapes included.
    pub headers: Vec<(Box<str>, Box<str>)>,
}

impl SipUri {
    /// `sip:` with `user` escaped as needed.
    #[must_use]
    pub fn new(user: Option<&str>, host: Host, port: Option<u16>) -> Self {
        Self {
            secure: false,
            raw_user: user.map(|user| escape(user).into()),
            raw_password: None,
            host,
            port,
            params: Params::new(),
            headers: Vec::new(),
        }
    }

    /// The user part, escapes decoded; bytes that are no UTF-8 become U+FFFD.
    #[must_use]
    pub fn user(&self) -> Option<Cow<'_, str>> {
        self.raw_user.as_deref().map(unescape)
    }

    /// A loose router (`;lr`, RFC 3261 §16.12).
    #[must_use]
    pub fn is_loose(&self) -> bool {
        self.params.has("lr")
    }

    /// The address to send to when the host is a literal: the default port filled in.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self.host {
            Host::Ip(ip) => Some(SocketAddr::new(ip, self.port.unwrap_or(self.default_port()))),
            Host::Name(_) => None,
        }
    }

    /// To be reached over TLS: `sips:`, or `;transport=tls` as many still write (RFC 5630 §3.1.4).
    #[must_use]
    pub fn wants_tls(&self) -> bool {
        let tls = || self.params.get("transport").is_some_and(|name| name.eq_ignore_ascii_case("tls"));
        self.secure || tls()
    }

    fn default_port(&self) -> u16 {
        if self.wants_tls() { 5061 } else { 5060 }
    }

    pub(super) fn parse_rest(secure: bool, rest: &str) -> Result<Self, Malformed> {
        // `@` may stand nowhere but behind the user part, in which `;` and `?` are ordinary (RFC 4475, semiuri).
        let (userinfo, rest) = match rest.split_once('@') {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, rest),
        };
        let (raw_user, raw_password) = match userinfo {
            None => (None, None),
            Some(userinfo) => match userinfo.split_once(':') {
                Some((user, password)) => (Some(user), Some(password)),
                None => (Some(userinfo), None),
            },
        };
        let (rest, headers) = match rest.split_once('?') {
            Some((rest, headers)) => (rest, Some(headers)),
            None => (rest, None),
        };
        let mut parts = rest.split(';');
        let (host, port) = parse_host_port(parts.next().unwrap_or(""))?;
        let mut params = Params::new();
        for part in parts {
            let (name, value) = split_pair(part);
            if name.is_empty() || value == Some("") || !is_escaped(part) {
                return Err(Malformed("URI parameter"));
            }
            params.push_raw(&normal(name), value.map(normal).as_deref())?;
        }
        let users = [raw_user, raw_password];
        if rest.contains('@') || raw_user == Some("") || users.iter().flatten().any(|text| !is_escaped(text))
        {
            return Err(Malformed("URI user"));
        }
        let headers = headers.map_or(Ok(Vec::new()), parse_uri_headers)?;
        Ok(Self {
            secure,
            raw_user: raw_user.map(Into::into),
            raw_password: raw_password.map(Into::into),
            host,
            port,
            params,
            headers,
        })
    }

    pub(super) fn equivalent(&self, other: &Self) -> bool {
        self.secure == other.secure
            && same_text(self.raw_user.as_deref(), other.raw_user.as_deref())
            && same_text(self.raw_password.as_deref(), other.raw_password.as_deref())
            && self.host.equivalent(&other.host)
            && self.port == other.port
            && self.same_params(other)
            && self.same_headers(other)
    }

    /// A parameter in both must match; one of only one side is ignored, but not `user`, `ttl`, `method`, `maddr`
    /// (§19.1.4) and `transport` (its own example: `sip:bob@biloxi.com` and `…;transport=udp` differ). Of one that is there
    /// twice, which §19.1.1 forbids, the first counts, as everywhere.
    fn same_params(&self, other: &Self) -> bool {
        const NEVER_IGNORED: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];
        let one_way = |a: &Self, b: &Self| {
            a.params.iter().all(|(name, _)| match b.params.get(name) {
                Some(theirs) => {
                    let ours = a.params.get(name).unwrap_or("");
                    unescape(ours).eq_ignore_ascii_case(&unescape(theirs))
                }
                None => !NEVER_IGNORED.iter().any(|known| known.eq_ignore_ascii_case(name)),
            })
        };
        one_way(self, other) && one_way(other, self)
    }

    fn same_headers(&self, other: &Self) -> bool {
        let found_in = |a: &Self, b: &Self| {
            a.headers.iter().all(|(name, value)| {
                b.headers.iter().any(|(theirs, text)| {
                    unescape(name).eq_ignore_ascii_case(&unescape(theirs))
                        && unescape(value) == unescape(text)
                })
            })
        };
        self.headers.len() == other.headers.len() && found_in(self, other) && found_in(other, self)
    }
}

/// `name=value`, escapes included.
type Pair = (Box<str>, Box<str>);

fn parse_uri_headers(text: &str) -> Result<Vec<Pair>, Malformed> {
    let mut headers = Vec::new();
    for part in text.split('&') {
        let (name, value) = part.split_once('=').ok_or(Malformed("URI header"))?;
        if name.is_empty() || part.contains('@') || !is_escaped(part) || headers.len() >= MAX_PARAMS {
            return Err(Malformed("URI header"));
        }
        headers.push((name.into(), value.into()));
    }
    Ok(headers)
}

fn same_text(a: Option<&str>, b: Option<&str>) -> bool {
    a.map(unescape) == b.map(unescape)
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secure { "sips:" } else { "sip:" })?;
        if let Some(user) = &self.raw_user {
            f.write_str(user)?;
            if let Some(password) = &self.raw_password {
                write!(f, ":{password}")?;
            }
            f.write_str("@")?;
        }
        self.host.fmt(f)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        self.params.fmt(f)?;
        for (at, (name, value)) in self.headers.iter().enumerate() {
            write!(f, "{}{name}={value}", if at == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}
