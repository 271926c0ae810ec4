//! What WebRTC adds to an SDP stream (RFC 8829): ICE credentials (RFC 8839), the certificate that DTLS has to show
//! (RFC 8122, RFC 8842), and the bundle (RFC 9143).

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use super::Rejected;
use super::description::{Description, Media};
use crate::ice::{self, IceLocal};

/// Bytes of a SHA-256 hash.
const HASH: usize = 32;
/// What we call our only stream, where the far side has not named it.
pub(super) const MID: &str = "0";
/// What an offer of ours speaks (RFC 8829 §5.1.2).
pub(super) const PROTOCOL: &str = "UDP/TLS/RTP/SAVPF";
/// What browsers, older and newer, call the same.
const PROTOCOLS: [&str; 4] = [PROTOCOL, "UDP/TLS/RTP/SAVP", "RTP/SAVPF", "RTP/SAVP"];

/// Our side of a leg that a browser is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserLocal {
    /// As the shard said it when the leg was opened.
    pub ice: IceLocal,
    /// Of our DTLS certificate.
    pub fingerprint: Fingerprint,
    /// Where we may be reached, best first: the shard's shared port at every address of ours.
    pub candidates: Vec<SocketAddr>,
}

/// What a browser said of its side.
#[derive(Clone, PartialEq, Eq)]
pub struct BrowserFar {
    /// Its half of the user name in connectivity checks.
    pub ufrag: String,
    /// What we would protect checks of our own with. ICE-lite sends none: kept so that a restart shows.
    pub password: String,
    /// Of the certificate that it shows in the DTLS handshake: another one is somebody else's.
    pub fingerprint: Fingerprint,
    /// Its part in the handshake.
    pub setup: Setup,
}

/// The SHA-256 hash of a certificate. Printed as SDP has it: `AB:CD:...`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; HASH]);

/// Who begins the DTLS handshake, seen from whoever says it (RFC 4145 §4, RFC 8842 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Setup {
    /// The one who says it: it is the client.
    Active,
    /// The other side.
    Passive,
}

/// The attributes, of a stream or, for all streams, of the session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Web {
    pub(super) mid: Option<String>,
    pub(super) ufrag: Option<String>,
    pub(super) password: Option<String>,
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) setup: Option<Role>,
    /// Printed only: whoever answers every check needs no addresses, and a browser's are mDNS names.
    pub(super) candidates: Vec<SocketAddr>,
}

/// `a=setup`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Active,
    Passive,
    ActPass,
    /// `holdconn`, or a word of the future.
    Other,
}

impl Web {
    /// Takes an attribute; false if it is none of these. One that makes no sense is passed over, and found missing.
    pub(super) fn take(&mut self, name: &str, value: &str) -> bool {
        let text = |allowed: fn(u8) -> bool, most: usize| {
            let fits = (1..=most).contains(&value.len()) && value.bytes().all(allowed);
            fits.then(|| value.to_owned())
        };
        match name {
            "mid" => self.mid = text(|b| b.is_ascii_graphic(), ice::MAX_UFRAG),
            "ice-ufrag" => self.ufrag = text(ice::is_ice_char, ice::MAX_UFRAG),
            "ice-pwd" => self.password = text(ice::is_ice_char, ice::MAX_PASSWORD),
            // Other hashes may stand beside it; the first of this kind counts.
            "fingerprint" => self.fingerprint = self.fingerprint.or(Fingerprint::from_attribute(value)),
            "setup" => self.setup = Some(Role::from_name(value)),
            _ => return false,
        }
        true
    }
}

/// Whether a stream's protocol is one of WebRTC's.
pub(super) fn is_browsers(media: &Media) -> bool {
    PROTOCOLS.contains(&media.protocol.as_str())
}

/// What the far side says in an offer, or in an answer to ours.
pub(super) fn far(theirs: &Description, media: &Media, in_answer: bool) -> Result<BrowserFar, Rejected> {
    let (own, all) = (&media.web, &theirs.web);
    let ufrag = own.ufrag.as_ref().or(all.ufrag.as_ref()).filter(|u| u.len() >= ice::MIN_UFRAG);
    let password = own.password.as_ref().or(all.password.as_ref()).filter(|p| p.len() >= ice::MIN_PASSWORD);
    let (ufrag, password) = ufrag.zip(password).ok_or(Rejected::NotSdp("no ICE credentials"))?;
    let fingerprint =
        own.fingerprint.or(all.fingerprint).ok_or(Rejected::NotSdp("no fingerprint of SHA-256"))?;
    if !media.rtcp_mux {
        return Err(Rejected::NotSdp("no rtcp-mux"));
    }
    let setup = match (own.setup.or(all.setup), in_answer) {
        // RFC 4145 §4: the defaults of an offer and an answer.
        (Some(Role::Active), _) | (None, false) => Setup::Active,
        (Some(Role::Passive), _) | (None, true) => Setup::Passive,
        // We let the browser begin: it knows when its checks have succeeded.
        (Some(Role::ActPass), false) => Setup::Active,
        (Some(Role::ActPass | Role::Other), _) => return Err(Rejected::NotSdp("no use of a=setup")),
    };
    Ok(BrowserFar { ufrag: ufrag.clone(), password: password.clone(), fingerprint, setup })
}

impl BrowserLocal {
    /// The attributes of our stream.
    pub(super) fn web(&self, mid: Option<String>, setup: Role) -> Web {
        Web {
            mid,
            ufrag: Some(self.ice.ufrag.clone()),
            password: Some(self.ice.password.clone()),
            fingerprint: Some(self.fingerprint),
            setup: Some(setup),
            candidates: self.candidates.clone(),
        }
    }
}

impl Setup {
    /// What the other side does then.
    pub(super) const fn role_of_other(self) -> Role {
        match self {
            Self::Active => Role::Passive,
            Self::Passive => Role::Active,
        }
    }
}

impl Role {
    fn from_name(name: &str) -> Self {
        let known = [Self::Active, Self::Passive, Self::ActPass];
        known.into_iter().find(|role| role.as_str() == name).unwrap_or(Self::Other)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
            Self::Other => "holdconn",
        }
    }
}

impl Fingerprint {
    /// `sha-256 AB:CD:...`, in any case; `None` for another hash.
    fn from_attribute(value: &str) -> Option<Self> {
        let (hash, digits) = value.split_once(' ')?;
        hash.eq_ignore_ascii_case("sha-256").then(|| digits.trim().parse().ok())?
    }
}

impl FromStr for Fingerprint {
    type Err = Rejected;

    fn from_str(text: &str) -> Result<Self, Rejected> {
        let bad = Rejected::NotSdp("a broken fingerprint");
        let mut bytes = [0; HASH];
        let mut pairs = text.split(':');
        for byte in &mut bytes {
            let pair = pairs.next().filter(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()));
            *byte = u8::from_str_radix(pair.ok_or(bad)?, 16).map_err(|_| bad)?;
        }
        pairs.next().is_none().then_some(Self(bytes)).ok_or(bad)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.0.iter();
        bytes.next().map_or(Ok(()), |byte| write!(f, "{byte:02X}"))?;
        bytes.try_for_each(|byte| write!(f, ":{byte:02X}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for BrowserFar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ufrag, fingerprint, setup, .. } = self;
        write!(f, "BrowserFar {{ ufrag: {ufrag:?}, fingerprint: {fingerprint}, setup: {setup:?}, .. }}")
    }
}

impl fmt::Display for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mid, ufrag, password, fingerprint, setup, candidates } = self;
        let mut line = |name, value: &Option<String>| match value {
            Some(value) => write!(f, "a={name}:{value}\r\n"),
            None => Ok(()),
        };
        line("mid", mid)?;
        line("ice-ufrag", ufrag)?;
        line("ice-pwd", password)?;
        if let Some(fingerprint) = fingerprint {
            write!(f, "a=fingerprint:sha-256 {fingerprint}\r\n")?;
        }
        if let Some(setup) = setup {
            write!(f, "a=setup:{}\r\n", setup.as_str())?;
        }
        for (place, at) in candidates.iter().enumerate() {
            // RFC 8445 §5.1.2.1: type preference of a host's, then ours, then component 1.
            let priority = 126 << 24 | (65_535_usize.saturating_sub(place)) << 8 | 255;
            write!(f, "a=candidate:{} 1 udp {priority} {} {} typ host\r\n", place + 1, at.ip(), at.port())?;
        }
        if !candidates.is_empty() {
            f.write_str("a=end-of-candidates\r\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_in_any_case_and_printed_in_one() {
        let text = "ab:CD:".to_owned() + &["0f"; 30].join(":");
        let read = Fingerprint::from_attribute(&format!("SHA-256 {text}")).unwrap();
        assert_eq!(read.to_string(), text.to_uppercase());
        for bad in
            ["", "ab", &text[..93], &format!("{text}:00"), &text.replace(':', ""), &text.replace("ab", "+b")]
        {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
        assert_eq!(Fingerprint::from_attribute(&format!("sha-1 {text}")), None);
    }

    #[test]
    fn what_is_too_long_or_oddly_written_is_as_if_missing() {
        let mut web = Web::default();
        for (name, value) in [
            ("ice-ufrag", "a".repeat(257)),
            ("ice-pwd", "bad password with spaces in it".to_owned()),
            ("mid", "two words".to_owned()),
            ("fingerprint", "sha-256 12".to_owned()),
        ] {
            assert!(web.take(name, &value));
        }
        assert!(web == Web::default() && !web.take("msid", "- x"));
    }
}
