//! `Via` (RFC 3261 §20.42, RFC 3581).

use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};

use super::error::Malformed;
use super::uri::parse_host_port;
use super::{Host, Params, scan};

/// One hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// What the hop was sent over.
    pub transport: ViaTransport,
    /// sent-by: the sender's own idea of its host.
    pub host: Host,
    /// sent-by's port.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport` and others.
    pub params: Params,
}

/// A transport as `Via` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the transport of its name")]
pub enum ViaTransport {
    Udp,
    Tcp,
    Tls,
    Sctp,
    Ws,
    Wss,
    /// As written: a reader must not refuse transports it has never heard of (RFC 4475, transports).
    Other(Box<str>),
}

/// RFC 3261 §8.1.1.7.
const MAGIC_COOKIE: &str = "z9hG4bK";

impl Via {
    /// A hop of ours: `rport` asked for, `branch` as given (with the magic cookie).
    #[must_use]
    pub fn new(transport: ViaTransport, sent_by: SocketAddr, branch: &str) -> Self {
        let mut params = Params::new();
        params.set("branch", branch);
        params.set_flag("rport");
        Self { transport, host: Host::Ip(sent_by.ip()), port: Some(sent_by.port()), params }
    }

    /// Reads one value.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut parts = scan::split(text, b';')?.into_iter();
        let mut via = Self::parse_hop(parts.next().unwrap_or(""))?;
        for part in parts {
            via.params.push_part(part)?;
        }
        Ok(via)
    }

    /// What tells the transaction of a plain value (nothing quoted): its hop without parameters, and its `branch` if that
    /// says all. Its other parameters are not looked at.
    pub(crate) fn glimpse(text: &str) -> Option<(Self, &str)> {
        if memchr::memchr2(b'"', b'<', text.as_bytes()).is_some() {
            return None;
        }
        let mut parts = text.split(';');
        let hop = Self::parse_hop(scan::trim(parts.next()?)).ok()?;
        let (_, branch) = parts
            .filter_map(|part| part.split_once('='))
            .find(|(name, _)| scan::trim(name).eq_ignore_ascii_case("branch"))?;
        Some((hop, unique(scan::trim(branch))?))
    }

    /// Appends what [`Self::stamped`] makes of a plain value whose hop this is ([`Self::glimpse`]), without reading it into
    /// anything. Where an answer goes, or `None` if the value is not sound.
    pub(crate) fn stamp_text(&self, text: &str, source: SocketAddr, out: &mut String) -> Option<SocketAddr> {
        // Writing into a string does not fail.
        let _ = write!(out, "SIP/2.0/{} {}", self.transport.as_str(), self.host);
        if let Some(port) = self.port {
            let _ = write!(out, ":{port}");
        }
        let (mut rport, mut count) = (false, 0);
        for part in text.split(';').skip(1) {
            let (name, value) = Params::sound(scan::trim(part), count).ok()?;
            count += 1;
            if name.eq_ignore_ascii_case("received") {
                continue;
            }
            out.extend([";", name]);
            if name.eq_ignore_ascii_case("rport") && !rport {
                rport = true;
                let _ = write!(out, "={}", source.port());
            } else if let Some(value) = value {
                out.extend(["=", value]);
            }
        }
        if rport || self.host.ip() != Some(source.ip()) {
            let _ = write!(out, ";received={}", source.ip());
        }
        let port = if rport { source.port() } else { self.port.unwrap_or(self.transport.port()) };
        Some(SocketAddr::new(source.ip(), port))
    }

    /// What of a malformed value is enough to answer it: its hop, and the parameters that are sound (RFC 4475,
    /// badinv01).
    pub(crate) fn salvage(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(scan::trim);
        let mut via = Self::parse_hop(parts.next()?).ok()?;
        for part in parts {
            // A part that is not sound is what the answer complains of.
            let _ = via.params.push_part(part);
        }
        Some(via)
    }

    fn parse_hop(hop: &str) -> Result<Self, Malformed> {
        let mut protocol = hop.splitn(3, '/').map(scan::trim);
        let (name, version) = (protocol.next().unwrap_or(""), protocol.next().unwrap_or(""));
        // Another protocol's hop is read like ours: only our own top hop decides anything.
        if !scan::is_token(name) || !scan::is_token(version) {
            return Err(Malformed("Via protocol"));
        }
        let rest = protocol.next().ok_or(Malformed("Via"))?;
        let (transport, sent_by) = rest.split_once([' ', '\t']).ok_or(Malformed("Via"))?;
        let transport = ViaTransport::from_token(transport).ok_or(Malformed("Via transport"))?;
        let (host, port) = parse_host_port(scan::trim(sent_by)).map_err(|_| Malformed("Via sent-by"))?;
        Ok(Self { transport, host, port, params: Params::new() })
    }

    /// The `branch`.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch").filter(|branch| !branch.is_empty())
    }

    /// The `branch` if it identifies the transaction: it has the magic cookie and something behind it
    /// (§17.2.3; RFC 4475, badbranch).
    #[must_use]
    pub fn unique_branch(&self) -> Option<&str> {
        self.branch().and_then(unique)
    }

    /// `received`, brackets around IPv6 tolerated.
    #[must_use]
    pub fn received(&self) -> Option<IpAddr> {
        self.params.get("received")?.trim_matches(['[', ']']).parse().ok()
    }

    /// `rport` with a value.
    #[must_use]
    pub fn rport(&self) -> Option<u16> {
        scan::digits(self.params.get("rport")?)
    }

    /// With `received` if the sender's idea of its address is not `source` or it asked for `rport`, and with
    /// `rport` filled if it asked (§18.2.1, RFC 3581 §4). What the sender wrote there itself is replaced.
    #[must_use]
    pub fn stamped(&self, source: SocketAddr) -> Self {
        self.clone().into_stamped(source)
    }

    /// The same of a hop that is needed for nothing else.
    #[must_use]
    pub fn into_stamped(mut self, source: SocketAddr) -> Self {
        self.params.remove("received");
        let asked = self.params.has("rport");
        if asked {
            self.params.set("rport", &source.port().to_string());
        }
        if asked || self.host.ip() != Some(source.ip()) {
            self.params.set("received", &source.ip().to_string());
        }
        self
    }

    /// Where a response goes over an unreliable transport, from a stamped `Via` (§18.2.2, RFC 3581 §4; `maddr` is
    /// not followed: it would let anyone aim our answers).
    #[must_use]
    pub fn reply_to(&self) -> Option<SocketAddr> {
        let ip = self.received().or_else(|| self.host.ip())?;
        Some(SocketAddr::new(ip, self.rport().or(self.port).unwrap_or(self.transport.port())))
    }
}

fn unique(branch: &str) -> Option<&str> {
    let (cookie, rest) = branch.split_at_checked(MAGIC_COOKIE.len())?;
    (cookie.eq_ignore_ascii_case(MAGIC_COOKIE) && !rest.is_empty()).then_some(branch)
}

impl ViaTransport {
    /// Where it is spoken if nothing is said.
    fn port(&self) -> u16 {
        if *self == Self::Tls { 5061 } else { 5060 }
    }

    fn from_token(text: &str) -> Option<Self> {
        const KNOWN: [ViaTransport; 6] = [
            ViaTransport::Udp,
            ViaTransport::Tcp,
            ViaTransport::Tls,
            ViaTransport::Sctp,
            ViaTransport::Ws,
            ViaTransport::Wss,
        ];
        if !scan::is_token(text) {
            return None;
        }
        let known = KNOWN.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(text));
        Some(known.unwrap_or_else(|| Self::Other(text.into())))
    }

    /// The spelling in `Via`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Sctp => "SCTP",
            Self::Ws => "WS",
            Self::Wss => "WSS",
            Self::Other(text) => text,
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport.as_str(), self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        self.params.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng as _, SeedableRng};

    use super::*;

    #[test]
    fn what_is_stamped_as_text_is_what_is_stamped_as_read() {
        let source = "192.0.2.9:5080".parse().unwrap();
        let values = [
            "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKa;rport",
            "SIP/2.0/UDP host.example.com;received=10.0.0.1;branch=z9hG4bKa;rport=7;x",
            "SIP / 2.0 / TLS [2001:db8::1] ; branch = z9hG4bKa ; ttl=1 ; rport ; RPORT",
        ];
        let mut random = ChaCha8Rng::from_seed([6; 32]);
        let mut agreed = 0;
        for round in 0..100_000 {
            let mut text = values[round % 3].as_bytes().to_vec();
            for _ in 0..random.next_u32() % 3 {
                let at = random.next_u32() as usize % text.len();
                match random.next_u32() % 3 {
                    0 => text[at] = b" ;=:/,.rR10[]\"<"[random.next_u32() as usize % 15],
                    1 => drop(text.remove(at)),
                    _ => text.extend_from_within(at..),
                }
            }
            let text = String::from_utf8(text).unwrap();
            let Some((hop, branch)) = Via::glimpse(&text) else { continue };
            let mut out = String::new();
            let to = hop.stamp_text(&text, source, &mut out);
            match Via::parse(&text).map(|via| via.into_stamped(source)) {
                Ok(via) => {
                    assert_eq!((out.as_str(), to), (via.to_string().as_str(), via.reply_to()), "{text}");
                    assert_eq!(via.unique_branch(), Some(branch), "{text}");
                    agreed += 1;
                }
                Err(_) => assert_eq!(to, None, "{text}"),
            }
        }
        assert!(agreed > 50_000, "{agreed}");
    }

    #[test]
    fn space_and_ipv6_are_read() {
        let via = Via::parse("SIP  /   2.0  /UDP     192.0.2.2 : 5070 ;rport ; branch=390skdjuw").unwrap();
        assert_eq!(via.to_string(), "SIP/2.0/UDP 192.0.2.2:5070;rport;branch=390skdjuw");
        let via =
            Via::parse("SIP/2.0/TCP [2001:db8::9:1];branch=z9hG4bKas3;received=2001:db8::9:255").unwrap();
        assert_eq!(via.host, Host::Ip("2001:db8::9:1".parse().unwrap()));
        assert_eq!(via.received(), Some("2001:db8::9:255".parse().unwrap()));
        for bad in
            ["", "SIP/2.0/UDP", "SIP/2.0 h", "SIP/2.0/UDP h;;branch=1", "SIP/2.0/UDP h:x", "SIP/2.0/U(P h"]
        {
            assert!(Via::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_reply_goes_where_the_request_came_from() {
        let source: SocketAddr = "198.51.100.7:4040".parse().unwrap();
        let asked =
            Via::parse("SIP/2.0/UDP 10.0.0.1:5060;rport;received=203.0.113.9;branch=z9hG4bKx").unwrap();
        let stamped = asked.stamped(source);
        assert_eq!(stamped.received(), Some(source.ip()));
        assert_eq!(stamped.reply_to(), Some(source));
        let silent = Via::parse("SIP/2.0/UDP h.example.com:5070;branch=z9hG4bKx").unwrap().stamped(source);
        assert_eq!(silent.reply_to(), Some("198.51.100.7:5070".parse().unwrap()));
        let honest = Via::parse("SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKx").unwrap();
        assert_eq!(honest.stamped(source), honest);
        assert_eq!(honest.reply_to(), Some("198.51.100.7:5060".parse().unwrap()));
        let forged = Via::parse("SIP/2.0/UDP 198.51.100.7;received=203.0.113.9;branch=z9hG4bKx").unwrap();
        assert_eq!(forged.stamped(source), honest);
        // RFC 3581 §4: with rport, `received` even where it says nothing new.
        let both = Via::parse("SIP/2.0/UDP 198.51.100.7:5060;rport").unwrap().stamped(source);
        assert_eq!(both.to_string(), "SIP/2.0/UDP 198.51.100.7:5060;rport=4040;received=198.51.100.7");
    }

    #[test]
    fn only_a_branch_behind_the_cookie_is_unique() {
        let branch = |b: &str| Via::parse(&format!("SIP/2.0/UDP h;branch={b}")).unwrap();
        assert!(branch("z9hG4bKa").unique_branch().is_some());
        assert!(branch("Z9HG4BKa").unique_branch().is_some());
        assert!(branch("z9hG4bK").unique_branch().is_none());
        assert!(branch("1").unique_branch().is_none());
    }
}
