//! The side that answers a challenge.

use super::{Algorithm, Proof, Secret};
use crate::Method;
use crate::wire::{Auth, Uri, method_name};

/// A challenge that we can answer, and how often we did.
#[derive(Clone, Debug)]
pub struct Session {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// The challenge named its algorithm: so must we.
    names_algorithm: bool,
    /// `qop=auth` was offered.
    counts: bool,
    nc: u32,
    stale: bool,
}

/// Why a challenge gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswerable {
    /// None is Digest with a realm and a nonce.
    #[error("no digest challenge")]
    NotDigest,
    /// A password for one realm must not be proven to another.
    #[error("challenge of another realm")]
    Realm,
    /// Neither MD5 nor SHA-256, or no `qop` that we do.
    #[error("challenge asks for an algorithm or qop that we lack")]
    Unsupported,
}

impl Session {
    /// Picks the challenge to answer: of `realm` if one is expected, SHA-256 before MD5 (RFC 8760 §2.4 has the
    /// first supported one; we do not let the order weaken the choice).
    pub fn accept(challenges: &[Auth], realm: Option<&str>) -> Result<Self, Unanswerable> {
        let complete =
            |auth: &&Auth| auth.is_digest() && auth.get("realm").is_some() && auth.get("nonce").is_some();
        let digests: Vec<&Auth> = challenges.iter().filter(complete).collect();
        if digests.is_empty() {
            return Err(Unanswerable::NotDigest);
        }
        let expected = |auth: &&&Auth| realm.is_none_or(|realm| auth.get("realm") == Some(realm));
        let mut ours = digests.iter().filter(expected).peekable();
        if ours.peek().is_none() {
            return Err(Unanswerable::Realm);
        }
        let sessions: Vec<Self> = ours.filter_map(|auth| Self::of(auth)).collect();
        let best =
            sessions.iter().find(|session| session.algorithm == Algorithm::Sha256).or(sessions.first());
        best.cloned().ok_or(Unanswerable::Unsupported)
    }

    /// Credentials for one request, for `Authorization` or `Proxy-Authorization`. `cnonce` is any fresh token.
    pub fn authorize(
        &mut self,
        username: &str,
        password: &str,
        method: Method,
        uri: &Uri,
        cnonce: &str,
    ) -> Auth {
        self.nc = self.nc.saturating_add(1);
        let (nc, uri) = (format!("{:08x}", self.nc), uri.to_string());
        let proof = Proof {
            algorithm: self.algorithm,
            nonce: &self.nonce,
            method: method_name(method),
            uri: &uri,
            counted: self.counts.then_some((&nc, cnonce)),
        };
        let secret = Secret::new(username, &self.realm, password);
        let mut auth = Auth::digest()
            .quoted("username", username)
            .quoted("realm", &self.realm)
            .quoted("nonce", &self.nonce)
            .quoted("uri", &uri)
            .quoted("response", &proof.response(&secret));
        if self.names_algorithm {
            auth = auth.token("algorithm", self.algorithm.as_str());
        }
        if self.counts {
            auth = auth.quoted("cnonce", cnonce).token("qop", "auth").token("nc", &nc);
        }
        match &self.opaque {
            Some(opaque) => auth.quoted("opaque", opaque),
            None => auth,
        }
    }

    /// The nonce that it answers.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The challenge says that only the nonce was old: the same password is worth another try.
    #[must_use]
    pub const fn stale(&self) -> bool {
        self.stale
    }

    fn of(auth: &Auth) -> Option<Self> {
        let qop = auth.get("qop");
        let counts = qop.is_some_and(|qop| qop.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth")));
        if qop.is_some() && !counts {
            return None;
        }
        Some(Self {
            realm: auth.get("realm")?.to_owned(),
            nonce: auth.get("nonce")?.to_owned(),
            opaque: auth.get("opaque").map(str::to_owned),
            algorithm: Algorithm::parse(auth.get("algorithm"))?,
            names_algorithm: auth.get("algorithm").is_some(),
            counts,
            nc: 0,
            stale: auth.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(realm: &str, algorithm: &str) -> Auth {
        let auth = Auth::digest().quoted("realm", realm).quoted("nonce", "n").quoted("qop", "auth-int,auth");
        auth.token("algorithm", algorithm).quoted("opaque", "o")
    }

    #[test]
    fn the_stronger_hash_wins_whatever_the_order() {
        let session =
            Session::accept(&[challenge("r", "MD5"), challenge("r", "SHA-256")], Some("r")).unwrap();
        assert_eq!(session.algorithm, Algorithm::Sha256);
        let only_md5 =
            Session::accept(&[challenge("r", "SHA-512-256"), challenge("r", "MD5")], None).unwrap();
        assert_eq!(only_md5.algorithm, Algorithm::Md5);
    }

    #[test]
    fn only_the_expected_realm_gets_a_proof() {
        let theirs = [challenge("evil", "MD5")];
        assert_eq!(Session::accept(&theirs, Some("havre")).unwrap_err(), Unanswerable::Realm);
        assert_eq!(Session::accept(&[], None).unwrap_err(), Unanswerable::NotDigest);
        let int = Auth::digest().quoted("realm", "r").quoted("nonce", "n").quoted("qop", "auth-int");
        assert_eq!(Session::accept(&[int], None).unwrap_err(), Unanswerable::Unsupported);
        assert_eq!(Session::accept(&[challenge("r", "SHA-1")], None).unwrap_err(), Unanswerable::Unsupported);
    }

    #[test]
    fn what_was_not_named_is_not_named_back() {
        let old = Auth::digest().quoted("realm", "r").quoted("nonce", "n");
        let uri = Uri::parse("sip:h").unwrap();
        let auth = Session::accept(&[old], None).unwrap().authorize("u", "p", Method::Bye, &uri, "c");
        for absent in ["algorithm", "qop", "nc", "cnonce", "opaque"] {
            assert_eq!(auth.get(absent), None, "{absent}");
        }
        let full = Session::accept(&[challenge("r", "MD5")], None).unwrap();
        let auth = full.clone().authorize("u", "p", Method::Bye, &uri, "c");
        assert_eq!(auth.get("opaque"), Some("o"));
        assert_eq!(auth.get("nc"), Some("00000001"));
    }
}
