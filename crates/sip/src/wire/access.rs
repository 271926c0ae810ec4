//! Typed reading of [`Headers`].
//!
//! What every request must have is a `Result`: parsing has checked it, headers that we build may lack it. What is
//! optional and only a hint is an `Option`: malformed is absent. What is optional and decides something is a
//! `Result<Option<…>>`: malformed is for the caller to refuse.

use super::error::Malformed;
use super::session::delta;
use super::{
    Auth, CSeq, Contacts, Headers, MediaType, Name, NameAddr, Privacy, RAck, Reason, Replaces,
    SessionExpires, Tokens, Via, scan,
};

impl Headers {
    /// The first `Via`.
    pub fn via_top(&self) -> Result<&Via, Malformed> {
        self.read_via()
    }

    /// Every `Via`, top first.
    pub fn vias(&self) -> Result<Vec<Via>, Malformed> {
        self.all(&Name::Via).map(Via::parse).collect()
    }

    /// `CSeq`.
    pub fn cseq(&self) -> Result<CSeq, Malformed> {
        self.read_cseq()
    }

    /// `From`.
    pub fn from(&self) -> Result<&NameAddr, Malformed> {
        self.read_from()
    }

    /// `To`.
    pub fn to(&self) -> Result<&NameAddr, Malformed> {
        self.read_to()
    }

    /// `Call-ID`; compared as it is, with case (RFC 3261 §20.8).
    pub fn call_id(&self) -> Result<&str, Malformed> {
        self.must(&Name::CallId, "Call-ID")
    }

    /// `Max-Forwards`; beyond 255 it is 255 (§20.22 has no larger).
    #[must_use]
    pub fn max_forwards(&self) -> Option<u8> {
        let hops = scan::saturating(self.first(&Name::MaxForwards)?)?;
        Some(u8::try_from(hops).unwrap_or(u8::MAX))
    }

    /// `Contact`: an empty list if there is none. `*` beside an address is malformed.
    pub fn contacts(&self) -> Result<Contacts, Malformed> {
        let values: Vec<_> = self.all(&Name::Contact).collect();
        match values[..] {
            ["*"] => Ok(Contacts::Star),
            _ => Ok(Contacts::List(self.addresses(&Name::Contact)?)),
        }
    }

    /// `Route`, top first.
    pub fn routes(&self) -> Result<Vec<NameAddr>, Malformed> {
        self.addresses(&Name::Route)
    }

    /// `Record-Route`, top first: a UAS's route set as it is, a UAC's reversed (§12.1).
    pub fn record_routes(&self) -> Result<Vec<NameAddr>, Malformed> {
        self.addresses(&Name::RecordRoute)
    }

    /// The readable values of `Record-Route`.
    pub(crate) fn readable_record_routes(&self) -> Vec<NameAddr> {
        self.all(&Name::RecordRoute).filter_map(|value| NameAddr::parse(value).ok()).collect()
    }

    /// `P-Asserted-Identity` (RFC 3325 §9.1): to be believed only from a trusted peer.
    pub fn asserted_identities(&self) -> Result<Vec<NameAddr>, Malformed> {
        self.addresses(&Name::PAssertedIdentity)
    }

    /// `Diversion` (RFC 5806), the last diversion first.
    pub fn diversions(&self) -> Result<Vec<NameAddr>, Malformed> {
        self.addresses(&Name::Diversion)
    }

    /// `History-Info` (RFC 7044), the first target first. What cannot be read is left out: it is a hint.
    #[must_use]
    pub fn history(&self) -> Vec<NameAddr> {
        let values = self.all(&Name::HistoryInfo).filter_map(|line| scan::split(line, b',').ok());
        values.flatten().filter_map(|value| NameAddr::parse(value).ok()).collect()
    }

    /// `Privacy`.
    #[must_use]
    pub fn privacy(&self) -> Privacy {
        Privacy::from_values(self.all(&Name::Privacy))
    }

    /// `Content-Type`.
    pub fn content_type(&self) -> Result<Option<MediaType>, Malformed> {
        self.first(&Name::ContentType).map(MediaType::parse).transpose()
    }

    /// `Require`.
    #[must_use]
    pub fn require(&self) -> Tokens {
        self.tokens(&Name::Require)
    }

    /// `Proxy-Require`.
    #[must_use]
    pub fn proxy_require(&self) -> Tokens {
        self.tokens(&Name::ProxyRequire)
    }

    /// `Supported`.
    #[must_use]
    pub fn supported(&self) -> Tokens {
        self.tokens(&Name::Supported)
    }

    /// `Allow`; methods as tokens.
    #[must_use]
    pub fn allow(&self) -> Tokens {
        self.tokens(&Name::Allow)
    }

    /// `Expires`, seconds.
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        scan::saturating(self.first(&Name::Expires)?)
    }

    /// `Min-Expires`, seconds.
    #[must_use]
    pub fn min_expires(&self) -> Option<u32> {
        scan::saturating(self.first(&Name::MinExpires)?)
    }

    /// `Retry-After`, seconds; its comment and parameters are skipped.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        let text = self.first(&Name::RetryAfter)?;
        scan::saturating(text.split([' ', '\t', ';', '(']).next()?)
    }

    /// `Session-Expires` (RFC 4028 §4).
    pub fn session_expires(&self) -> Result<Option<SessionExpires>, Malformed> {
        self.first(&Name::SessionExpires).map(SessionExpires::parse).transpose()
    }

    /// `Min-SE`, seconds (RFC 4028 §5).
    pub fn min_se(&self) -> Result<Option<u32>, Malformed> {
        let parsed = self.first(&Name::MinSe).map(|text| delta(text, "Min-SE")).transpose()?;
        Ok(parsed.map(|(seconds, _)| seconds))
    }

    /// `RSeq` (RFC 3262 §7.1: 0 is none).
    #[must_use]
    pub fn rseq(&self) -> Option<u32> {
        scan::digits(self.first(&Name::RSeq)?).filter(|number| *number > 0)
    }

    /// `RAck` (RFC 3262 §7.2).
    pub fn rack(&self) -> Result<Option<RAck>, Malformed> {
        self.first(&Name::RAck).map(RAck::parse).transpose()
    }

    /// `Replaces`; more than one is malformed (RFC 3891 §3).
    pub fn replaces(&self) -> Result<Option<Replaces>, Malformed> {
        let mut values = self.all(&Name::Replaces);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(text), None) => Replaces::parse(text).map(Some),
            (Some(_), Some(_)) => Err(Malformed("Replaces")),
        }
    }

    /// Every readable `Reason`.
    #[must_use]
    pub fn reasons(&self) -> Vec<Reason> {
        let values = self.all(&Name::Reason).filter_map(|line| scan::split(line, b',').ok());
        values.flatten().filter_map(|value| Reason::parse(value).ok()).collect()
    }

    /// The readable values of `WWW-Authenticate`, `Proxy-Authenticate`, `Authorization` or `Proxy-Authorization`.
    #[must_use]
    pub fn auths(&self, name: &Name) -> Vec<Auth> {
        self.all(name).filter_map(|text| Auth::parse(text).ok()).collect()
    }

    fn must(&self, name: &Name, what: &'static str) -> Result<&str, Malformed> {
        self.first(name).ok_or(Malformed(what))
    }

    fn addresses(&self, name: &Name) -> Result<Vec<NameAddr>, Malformed> {
        self.all(name).map(NameAddr::parse).collect()
    }

    fn tokens(&self, name: &Name) -> Tokens {
        Tokens::from_values(self.all(name), &[','])
    }
}
