//! The Origin allow-list: which pages may act with somebody's session (RFC 6454; for WebSockets RFC 6455 §10.2).

use std::net::SocketAddr;
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderValue, header};

/// An origin: `https://console.example.ca`, `http://127.0.0.1:8080`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(Box<str>);

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let lower = text.to_ascii_lowercase();
        let host =
            lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://")).ok_or(OriginError)?;
        let good = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
        let default_port = [("http://", ":80"), ("https://", ":443")]
            .iter()
            .any(|(scheme, port)| lower.starts_with(scheme) && lower.ends_with(port));
        // Browsers leave the scheme's own port out, so an origin with it would never be met.
        if host.is_empty() || !host.bytes().all(good) || default_port {
            return Err(OriginError);
        }
        Ok(Self(lower.into()))
    }
}

/// The text is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an origin: write it as a browser shows it, https://HOST or https://HOST:PORT, and nothing after it"
)]
pub struct OriginError;

/// The origins whose pages may act with a session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins(Vec<Origin>);

impl Origins {
    /// The configured ones.
    pub(crate) fn new(configured: Vec<Origin>) -> Self {
        Self(configured)
    }

    /// Those that a page from this listener has by itself.
    pub(crate) fn add(&mut self, listener: SocketAddr, secure: bool) {
        let (scheme, usual) = if secure { ("https", 443) } else { ("http", 80) };
        let port = if listener.port() == usual { String::new() } else { format!(":{}", listener.port()) };
        let mut hosts = vec![match listener {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        }];
        if listener.ip().is_loopback() {
            hosts.push("localhost".to_owned());
        }
        self.0.extend(hosts.into_iter().filter_map(|host| format!("{scheme}://{host}{port}").parse().ok()));
    }

    /// The same as addresses of sockets, for the pages' policy.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|origin| origin.0.replacen("http", "ws", 1))
    }

    /// The address under which the browser that asks knows this console; where it names none of them, a proxy has
    /// changed it, and the first one listed is meant.
    pub(crate) fn of(&self, headers: &HeaderMap) -> Option<&str> {
        let host = headers.get(header::HOST).map(HeaderValue::as_bytes).unwrap_or_default();
        let named = |origin: &&Origin| {
            origin.0.split_once("//").is_some_and(|(_, own)| own.as_bytes().eq_ignore_ascii_case(host))
        };
        self.0.iter().find(named).or(self.0.first()).map(|origin| &*origin.0)
    }

    /// Whether the request says that it comes from a page of one of them. One without an origin does not: browsers
    /// send it with every request that can change something.
    pub(crate) fn allow(&self, headers: &HeaderMap) -> bool {
        let mut said = headers.get_all(header::ORIGIN).iter();
        let (Some(origin), None) = (said.next(), said.next()) else { return false };
        self.0.iter().any(|allowed| origin.as_bytes().eq_ignore_ascii_case(allowed.0.as_bytes()))
    }

    /// Whether the page that asks came over TLS, perhaps by a proxy before us.
    pub(crate) fn is_https(headers: &HeaderMap) -> bool {
        headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
    }
}

#[cfg(test)]
pub(crate) const WRONG_ORIGINS: [&str; 20] = [
    "",
    "null",
    "http://127.0.0.1",
    "http://127.0.0.1:80",
    "https://127.0.0.1:8080",
    "http://127.0.0.1:8081",
    "http://127.0.0.1:80800",
    "http://127.0.0.1:8080/",
    "http://127.0.0.1:8080.evil.example",
    "http://127.0.0.1.evil.example:8080",
    "http://evil.example",
    "http://evil.example:8080",
    "http://localhost.evil.example:8080",
    "http://user@127.0.0.1:8080",
    "http://127.0.0.2:8080",
    "http://[::1]:8080",
    "http://0x7f000001:8080",
    "file://",
    "http://127.0.0.1:8080, http://evil.example",
    "ws://127.0.0.1:8080",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(origins: &Origins, said: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, said.parse().unwrap());
        origins.allow(&headers)
    }

    #[test]
    fn only_own_and_configured_origins_pass() {
        let mut origins = Origins::new(vec!["https://Console.example.ca".parse().unwrap()]);
        origins.add("127.0.0.1:8080".parse().unwrap(), false);
        origins.add("192.0.2.7:443".parse().unwrap(), true);
        origins.add("[::1]:9000".parse().unwrap(), false);
        for own in [
            "https://console.example.ca",
            "http://127.0.0.1:8080",
            "http://localhost:8080",
            "HTTP://LOCALHOST:8080",
            "https://192.0.2.7",
            "http://[::1]:9000",
        ] {
            assert!(allowed(&origins, own), "{own}");
        }
        for wrong in WRONG_ORIGINS {
            assert!(!allowed(&origins, wrong), "{wrong}");
        }
        let mut two = HeaderMap::new();
        assert!(!origins.allow(&two), "none");
        two.append(header::ORIGIN, "http://127.0.0.1:8080".parse().unwrap());
        assert!(origins.allow(&two));
        two.append(header::ORIGIN, "http://127.0.0.1:8080".parse().unwrap());
        assert!(!origins.allow(&two), "two");
    }

    #[test]
    fn a_browser_comes_back_to_the_address_it_knows() {
        let mut origins = Origins::new(vec!["https://console.example.ca".parse().unwrap()]);
        origins.add("127.0.0.1:8080".parse().unwrap(), false);
        let of = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            origins.of(&headers).unwrap().to_owned()
        };
        assert_eq!(of("127.0.0.1:8080"), "http://127.0.0.1:8080");
        assert_eq!(of("LOCALHOST:8080"), "http://localhost:8080");
        for other in ["Console.example.ca", "evil.example", "", "127.0.0.1"] {
            assert_eq!(of(other), "https://console.example.ca", "{other}");
        }
    }

    #[test]
    fn what_no_browser_would_say_is_no_origin() {
        for bad in [
            "",
            "console.example.ca",
            "https://",
            "https://a/",
            "https://a b",
            "https://a:443",
            "ws://a",
            "*",
        ] {
            assert_eq!(bad.parse::<Origin>(), Err(OriginError), "{bad}");
        }
    }
}
