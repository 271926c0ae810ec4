//! SDP bodies as text (RFC 8866): reads what is meant, tolerates what is missing, and prints what is right.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::browser::Web;
use super::crypto::Crypto;
use super::{Direction, Rejected};
use crate::limits::{MAX_SDP, MAX_SDP_CRYPTO, MAX_SDP_FORMATS, MAX_SDP_LINES, MAX_SDP_MEDIA};

/// Longest token that is echoed in an answer; registered ones are shorter.
const MAX_TOKEN: usize = 64;

/// What an SDP body says, as far as it concerns us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Description {
    pub(super) origin: Origin,
    /// For all streams that have none of their own.
    pub(super) connection: Option<Address>,
    pub(super) direction: Option<Direction>,
    /// As in [`Media`], for all streams.
    pub(super) voip_metrics: bool,
    /// The server of a WebRTC session says so (RFC 8445 §2.5).
    pub(super) ice_lite: bool,
    /// What shares one transport (RFC 9143), by `mid`s.
    pub(super) bundle: Option<String>,
    pub(super) web: Web,
    pub(super) media: Vec<Media>,
}

/// Who made the session, and which version of it this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) id: u64,
    pub(super) version: u64,
    pub(super) addr: IpAddr,
}

/// Where media goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Ip(IpAddr),
    /// A name. It is not resolved: media is learned from where it comes from.
    Name,
}

/// One stream: an `m=` line and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Media {
    pub(super) kind: String,
    /// 0: refused, or not wanted.
    pub(super) port: u16,
    pub(super) protocol: String,
    pub(super) formats: Vec<String>,
    pub(super) connection: Option<Address>,
    pub(super) encodings: Vec<Encoding>,
    /// `a=fmtp`, of those formats that have one.
    pub(super) parameters: Vec<(u8, String)>,
    pub(super) ptime: Option<u16>,
    pub(super) maxptime: Option<u16>,
    /// `a=rtcp` (RFC 3605).
    pub(super) rtcp: Option<(u16, Option<Address>)>,
    pub(super) rtcp_mux: bool,
    /// `a=rtcp-xr` with `voip-metrics` (RFC 3611 §5.1): these are welcome.
    pub(super) voip_metrics: bool,
    pub(super) direction: Option<Direction>,
    /// `a=crypto`, which belongs to a stream and never to a session (RFC 4568 §4).
    pub(super) crypto: Vec<Crypto>,
    pub(super) web: Web,
}

/// An `a=rtpmap`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Encoding {
    pub(super) payload_type: u8,
    pub(super) name: String,
    pub(super) clock: u32,
    pub(super) channels: u8,
}

impl Description {
    /// Reads a body. `s=` and `t=` may lack, unknown lines and attributes are passed over, and so are attributes
    /// that make no sense; a broken `m=` line is an error, for the answer has to keep its place.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Rejected> {
        if body.len() > MAX_SDP {
            return Err(Rejected::NotSdp("too long"));
        }
        let text = String::from_utf8_lossy(body);
        let mut lines = text.split(['\n', '\r']).filter(|line| !line.trim().is_empty());
        if lines.next().map(str::trim) != Some("v=0") {
            return Err(Rejected::NotSdp("does not begin with v=0"));
        }
        let nowhere = Origin { id: 0, version: 0, addr: Ipv4Addr::UNSPECIFIED.into() };
        let mut description = Self {
            origin: nowhere,
            connection: None,
            direction: None,
            voip_metrics: false,
            ice_lite: false,
            bundle: None,
            web: Web::default(),
            media: Vec::new(),
        };
        for (count, line) in lines.enumerate() {
            if count >= MAX_SDP_LINES {
                return Err(Rejected::NotSdp("too many lines"));
            }
            if let Some((kind, value)) = line.trim().split_once('=') {
                description.take(kind, value.trim())?;
            }
        }
        Ok(description)
    }

    fn take(&mut self, kind: &str, value: &str) -> Result<(), Rejected> {
        match kind {
            "m" if self.media.len() >= MAX_SDP_MEDIA => return Err(Rejected::NotSdp("too many streams")),
            "m" => self.media.push(Media::parse(value)?),
            "o" => self.origin = Origin::parse(value).unwrap_or(self.origin),
            "c" => match self.media.last_mut() {
                Some(media) => media.connection = Address::parse(value).or(media.connection),
                None => self.connection = Address::parse(value).or(self.connection),
            },
            "a" => match self.media.last_mut() {
                Some(media) => media.attribute(value),
                None => self.attribute(value),
            },
            _ => {}
        }
        Ok(())
    }

    fn attribute(&mut self, value: &str) {
        let (name, rest) = value.split_once(':').unwrap_or((value, ""));
        match name {
            "rtcp-xr" => self.voip_metrics |= asks_for_metrics(value),
            "ice-lite" => self.ice_lite = true,
            "group" => {
                let bundle = rest.strip_prefix("BUNDLE ").map(|mids| mids.trim().to_owned());
                self.bundle = bundle.or(self.bundle.take());
            }
            name if self.web.take(name, rest.trim()) => {}
            name => self.direction = Direction::from_name(name).or(self.direction),
        }
    }
}

impl Origin {
    fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_whitespace().skip(1);
        let id = words.next()?.parse().ok()?;
        let version = words.next()?.parse().ok()?;
        let addr = words.nth(2)?.parse().ok()?;
        Some(Self { id, version, addr })
    }
}

impl Address {
    /// `IN IP4 192.0.2.1/127`: a time to live or a count of addresses is cut off.
    fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_whitespace();
        let (net, kind, host) = (words.next()?, words.next()?, words.next()?);
        let host = host.split('/').next()?;
        match (net, kind, host.parse()) {
            ("IN", "IP4" | "IP6", Ok(ip)) if !is_many(ip) => Some(Self::Ip(ip)),
            // Whoever speaks is found by what comes.
            ("IN", "IP4" | "IP6", _) => Some(Self::Name),
            _ => None,
        }
    }

    /// The address; unspecified if it is a name.
    pub(super) fn ip(self) -> IpAddr {
        match self {
            Self::Ip(ip) => ip,
            Self::Name => Ipv6Addr::UNSPECIFIED.into(),
        }
    }
}

/// Nobody's own: what is sent there reaches a whole network.
fn is_many(ip: IpAddr) -> bool {
    ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
}

impl Media {
    fn parse(value: &str) -> Result<Self, Rejected> {
        let bad = Rejected::NotSdp("a broken m= line");
        let token = |word: Option<&str>| {
            let fits = |w: &&str| w.len() <= MAX_TOKEN && w.bytes().all(|b| b.is_ascii_graphic());
            word.filter(fits).map(str::to_owned).ok_or(bad)
        };
        let mut words = value.split_whitespace();
        let kind = token(words.next())?;
        let port = words.next().and_then(|w| w.split('/').next()?.parse().ok()).ok_or(bad)?;
        let protocol = token(words.next())?;
        let formats = words.map(|w| token(Some(w))).take(MAX_SDP_FORMATS).collect::<Result<_, _>>()?;
        Ok(Self::bare(kind, port, protocol, formats))
    }

    fn bare(kind: String, port: u16, protocol: String, formats: Vec<String>) -> Self {
        Self {
            kind,
            port,
            protocol,
            formats,
            connection: None,
            encodings: Vec::new(),
            parameters: Vec::new(),
            ptime: None,
            maxptime: None,
            rtcp: None,
            rtcp_mux: false,
            voip_metrics: false,
            direction: None,
            crypto: Vec::new(),
            web: Web::default(),
        }
    }

    /// The `m=` line that refuses this stream (RFC 3264 §6).
    pub(super) fn refused(&self) -> Self {
        let refused = Self::bare(self.kind.clone(), 0, self.protocol.clone(), self.formats.clone());
        Self { web: Web { mid: self.web.mid.clone(), ..Web::default() }, ..refused }
    }

    fn attribute(&mut self, value: &str) {
        let (name, rest) = value.split_once(':').unwrap_or((value, ""));
        let rest = rest.trim();
        match name {
            "rtpmap" if self.encodings.len() < MAX_SDP_FORMATS => {
                self.encodings.extend(Encoding::parse(rest));
            }
            "fmtp" if self.parameters.len() < MAX_SDP_FORMATS => {
                if let Some((format, parameters)) = rest.split_once(char::is_whitespace)
                    && let Ok(payload_type) = format.parse()
                {
                    self.parameters.push((payload_type, parameters.trim().to_owned()));
                }
            }
            "ptime" => self.ptime = whole(rest).or(self.ptime),
            "maxptime" => self.maxptime = whole(rest).or(self.maxptime),
            "rtcp" => {
                let (port, at) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                self.rtcp = port.parse().ok().map(|port| (port, Address::parse(at))).or(self.rtcp);
            }
            "rtcp-mux" => self.rtcp_mux = true,
            "rtcp-xr" => self.voip_metrics |= asks_for_metrics(value),
            "crypto" if self.crypto.len() < MAX_SDP_CRYPTO => self.crypto.extend(Crypto::parse(rest)),
            name if self.web.take(name, rest) => {}
            name => self.direction = Direction::from_name(name).or(self.direction),
        }
    }
}

/// `rtcp-xr:` and formats, each with parameters behind an `=`.
fn asks_for_metrics(attribute: &str) -> bool {
    let formats = attribute.strip_prefix("rtcp-xr:");
    formats.is_some_and(|all| {
        all.split_whitespace().any(|format| format.split('=').next() == Some("voip-metrics"))
    })
}

/// Milliseconds, of which some phones write fractions.
fn whole(value: &str) -> Option<u16> {
    value.split('.').next()?.parse().ok()
}

impl Encoding {
    /// `0 PCMU/8000`, perhaps with a number of channels.
    fn parse(value: &str) -> Option<Self> {
        let (payload_type, encoding) = value.split_once(char::is_whitespace)?;
        let (name, clock) = encoding.trim().split_once('/')?;
        let (clock, channels) = clock.split_once('/').unwrap_or((clock, "1"));
        let (clock, channels) = (clock.trim().parse().ok()?, channels.trim().parse().ok()?);
        let payload_type = payload_type.parse().ok().filter(|pt| *pt < 128)?;
        Some(Self { payload_type, name: name.to_owned(), clock, channels })
    }
}

impl Direction {
    /// As in an SDP attribute.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive]
            .into_iter()
            .find(|d| d.as_str() == name)
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { id, version, addr } = self.origin;
        write!(f, "v=0\r\no=- {id} {version} {}\r\ns=-\r\n", Address::Ip(addr))?;
        if let Some(connection) = self.connection {
            write!(f, "c={connection}\r\n")?;
        }
        f.write_str("t=0 0\r\n")?;
        if let Some(direction) = self.direction {
            write!(f, "a={}\r\n", direction.as_str())?;
        }
        if self.voip_metrics {
            f.write_str("a=rtcp-xr:voip-metrics\r\n")?;
        }
        if self.ice_lite {
            f.write_str("a=ice-lite\r\n")?;
        }
        if let Some(bundle) = &self.bundle {
            write!(f, "a=group:BUNDLE {bundle}\r\n")?;
        }
        self.web.fmt(f)?;
        self.media.iter().try_for_each(|media| media.fmt(f))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V4(ip)) => write!(f, "IN IP4 {ip}"),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "IN IP6 {ip}"),
            // RFC 6761 §6.4: resolves nowhere. We never print one, but for the sake of round trips.
            Self::Name => f.write_str("IN IP4 unresolved.invalid"),
        }
    }
}

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={} {} {}", self.kind, self.port, self.protocol)?;
        self.formats.iter().try_for_each(|format| write!(f, " {format}"))?;
        f.write_str("\r\n")?;
        if let Some(connection) = self.connection {
            write!(f, "c={connection}\r\n")?;
        }
        for Encoding { payload_type, name, clock, channels } in &self.encodings {
            write!(f, "a=rtpmap:{payload_type} {name}/{clock}")?;
            if *channels != 1 {
                write!(f, "/{channels}")?;
            }
            f.write_str("\r\n")?;
        }
        for (payload_type, parameters) in &self.parameters {
            write!(f, "a=fmtp:{payload_type} {parameters}\r\n")?;
        }
        if let Some(ptime) = self.ptime {
            write!(f, "a=ptime:{ptime}\r\n")?;
        }
        if let Some(maxptime) = self.maxptime {
            write!(f, "a=maxptime:{maxptime}\r\n")?;
        }
        match self.rtcp {
            Some((port, Some(at))) => write!(f, "a=rtcp:{port} {at}\r\n")?,
            Some((port, None)) => write!(f, "a=rtcp:{port}\r\n")?,
            None => {}
        }
        if self.rtcp_mux {
            f.write_str("a=rtcp-mux\r\n")?;
        }
        if self.voip_metrics {
            f.write_str("a=rtcp-xr:voip-metrics\r\n")?;
        }
        if let Some(direction) = self.direction {
            write!(f, "a={}\r\n", direction.as_str())?;
        }
        self.crypto.iter().try_for_each(|line| line.fmt(f))?;
        self.web.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::super::browser::{Fingerprint, Role};
    use super::super::crypto::tests::line;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn missing_and_unknown_lines_are_tolerated() {
        let body =
            b"v=0\nx=what\nnonsense\nm=audio 4000/2 RTP/AVP 0 18\na=rtpmap:18 G729/8000/1\na=ptime:20.5\n\
            a=what:ever\nk=clear\na=rtcp:x\na=rtpmap:200 A/1\nc=IN IP4 192.0.2.1/127\na=sendonly";
        let media = &Description::parse(body).unwrap().media[0];
        assert_eq!((media.port, media.ptime, media.rtcp), (4_000, Some(20), None));
        assert_eq!(
            media.encodings,
            [Encoding { payload_type: 18, name: "G729".into(), clock: 8_000, channels: 1 }]
        );
        assert_eq!(media.connection, Some(Address::Ip([192, 0, 2, 1].into())));
        assert_eq!(media.direction, Some(Direction::SendOnly));
    }

    #[test]
    fn what_is_no_sdp_is_refused() {
        for body in [&b""[..], b"hello", b"v=1\r\n", b"v=0\r\nm=audio\r\n", b"v=0\r\nm=audio x RTP/AVP 0\r\n"]
        {
            assert!(Description::parse(body).is_err(), "{}", String::from_utf8_lossy(body));
        }
        assert!(Description::parse(&[b'a'; MAX_SDP + 1]).is_err());
        let many = |line: &str, count| format!("v=0\r\n{}", line.repeat(count));
        assert!(Description::parse(many("a=b\r\n", MAX_SDP_LINES + 1).as_bytes()).is_err());
        assert!(Description::parse(many("m=audio 1 RTP/AVP 0\r\n", MAX_SDP_MEDIA).as_bytes()).is_ok());
        assert!(Description::parse(many("m=audio 1 RTP/AVP 0\r\n", MAX_SDP_MEDIA + 1).as_bytes()).is_err());
    }

    fn own(ip: IpAddr) -> Address {
        if is_many(ip) { Address::Name } else { Address::Ip(ip) }
    }

    fn address() -> impl Strategy<Value = Address> {
        prop_oneof![
            any::<[u8; 4]>().prop_map(|ip| own(ip.into())),
            any::<[u16; 8]>().prop_map(|ip| own(ip.into())),
            Just(Address::Name),
        ]
    }

    fn direction() -> impl Strategy<Value = Direction> {
        use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
        prop::sample::select(vec![SendRecv, SendOnly, RecvOnly, Inactive])
    }

    prop_compose! {
        fn encoding()(payload_type in 0..128_u8, name in "[A-Za-z0-9-]{1,16}", clock: u32, channels: u8) -> Encoding {
            Encoding { payload_type, name, clock, channels }
        }
    }

    prop_compose! {
        fn web()(
            (mid, ufrag, password) in (
                prop::option::of("[!-~]{1,16}"),
                prop::option::of("[A-Za-z0-9+/]{4,256}"),
                prop::option::of("[A-Za-z0-9+/]{22,40}"),
            ),
            fingerprint in prop::option::of(any::<[u8; 32]>().prop_map(Fingerprint)),
            setup in prop::option::of(prop::sample::select(vec![Role::Active, Role::Passive, Role::ActPass, Role::Other])),
        ) -> Web {
            Web { mid, ufrag, password, fingerprint, setup, candidates: Vec::new() }
        }
    }

    prop_compose! {
        fn media()(
            (kind, port, protocol) in ("[a-z]{1,10}", any::<u16>(), "[A-Z/]{1,12}"),
            formats in prop::collection::vec("[0-9a-z]{1,5}", 0..6),
            connection in prop::option::of(address()),
            encodings in prop::collection::vec(encoding(), 0..6),
            parameters in prop::collection::vec((0..128_u8, "[!-~]([ -~]{0,20}[!-~])?"), 0..3),
            (ptime, maxptime, rtcp_mux, voip_metrics) in any::<(Option<u16>, Option<u16>, bool, bool)>(),
            rtcp in prop::option::of((any::<u16>(), prop::option::of(address()))),
            direction in prop::option::of(direction()),
            crypto in prop::collection::vec(line(), 0..3),
            web in web(),
        ) -> Media {
            Media {
                kind, port, protocol, formats, connection, encodings, parameters, ptime, maxptime, rtcp, rtcp_mux,
                voip_metrics, direction, crypto, web,
            }
        }
    }

    prop_compose! {
        fn description()(
            (id, version) in any::<(u64, u64)>(),
            addr in any::<[u8; 4]>(),
            connection in prop::option::of(address()),
            direction in prop::option::of(direction()),
            (voip_metrics, ice_lite) in any::<(bool, bool)>(),
            bundle in prop::option::of("[0-9a-z]{1,4}( [0-9a-z]{1,4})?"),
            web in web(),
            media in prop::collection::vec(media(), 0..4),
        ) -> Description {
            let origin = Origin { id, version, addr: addr.into() };
            Description { origin, connection, direction, voip_metrics, ice_lite, bundle, web, media }
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_the_same(description in description()) {
            prop_assert_eq!(Description::parse(description.to_string().as_bytes()), Ok(description));
        }

        #[test]
        fn mutated_bodies_never_panic(
            description in description(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..10),
        ) {
            let mut body = description.to_string().into_bytes();
            for (at, byte) in changes {
                let at = at.index(body.len());
                body[at] = byte;
            }
            let _ = Description::parse(&body);
        }
    }
}
