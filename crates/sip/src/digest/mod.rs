//! Digest authentication (RFC 3261 §22, RFC 7616, RFC 8760): MD5 and SHA-256, `qop=auth`.
//!
//! [`Guard`] is the side that challenges, [`Session`] the side that answers. `auth-int` is neither offered nor
//! accepted: bodies are rewritten by honest middleboxes, and TLS protects them better.

mod guard;
mod nonce;
mod patience;
mod secret;
mod session;

use md5::Md5;
use sha2::{Digest, Sha256};

pub use guard::{Guard, NONCE_LIFETIME, Verdict};
pub(crate) use patience::Guessing;
pub use secret::Secret;
pub use session::{Session, Unanswerable};

/// A hash that a challenge may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RFC 8760's, preferred.
    Sha256,
    /// RFC 3261's, which every phone has.
    Md5,
}

impl Algorithm {
    /// The spelling in headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    /// From a header; none is MD5 (RFC 7616 §3.3).
    pub(crate) fn parse(text: Option<&str>) -> Option<Self> {
        let Some(text) = text else { return Some(Self::Md5) };
        [Self::Sha256, Self::Md5].into_iter().find(|known| known.as_str().eq_ignore_ascii_case(text))
    }

    /// The hash of the parts joined by `:`, in lower-case hexadecimal.
    fn hash(self, parts: &[&str]) -> String {
        let joined = parts.join(":");
        #[cfg(test)]
        tests::count(joined.len());
        match self {
            Self::Sha256 => hex(&Sha256::digest(joined)),
            Self::Md5 => hex(&Md5::digest(joined)),
        }
    }
}

/// What goes into a response besides the secret.
struct Proof<'a> {
    algorithm: Algorithm,
    nonce: &'a str,
    method: &'a str,
    uri: &'a str,
    /// `(nc, cnonce)` with `qop=auth`; `None` without qop (RFC 2069).
    counted: Option<(&'a str, &'a str)>,
}

impl Proof<'_> {
    /// `request-digest` (RFC 7616 §3.4.1).
    fn response(&self, secret: &Secret) -> String {
        let hash = |parts: &[&str]| self.algorithm.hash(parts);
        let secret = secret.by(self.algorithm);
        let asked = hash(&[self.method, self.uri]);
        match self.counted {
            Some((nc, cnonce)) => hash(&[secret, self.nonce, nc, cnonce, "auth", &asked]),
            None => hash(&[secret, self.nonce, &asked]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// Hashes made by this test, and the blocks that they went over.
        static HASHED: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    }

    pub(super) fn count(length: usize) {
        let (hashes, blocks) = HASHED.get();
        // Both algorithms end with a bit and the length, in blocks of 64 bytes.
        HASHED.set((hashes + 1, blocks + (length + 9).div_ceil(64)));
    }

    /// What `work` hashes.
    pub(super) fn hashed(work: impl FnOnce()) -> (usize, usize) {
        HASHED.set((0, 0));
        work();
        HASHED.get()
    }

    /// RFC 7616 §3.9.1.
    #[test]
    fn the_rfc_s_example_comes_out() {
        let response = |algorithm| {
            Proof {
                algorithm,
                nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
                method: "GET",
                uri: "/dir/index.html",
                counted: Some(("00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")),
            }
            .response(&Secret::new("Mufasa", "http-auth@example.org", "Circle of Life"))
        };
        assert_eq!(response(Algorithm::Md5), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            response(Algorithm::Sha256),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    /// RFC 2617 §3.5's example, by the rule of RFC 2069 (computed independently with md5sum).
    #[test]
    fn without_qop_the_old_rule_holds() {
        let proof = Proof {
            algorithm: Algorithm::Md5,
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            method: "GET",
            uri: "/dir/index.html",
            counted: None,
        };
        let secret = Secret::new("Mufasa", "testrealm@host.com", "Circle Of Life");
        assert_eq!(proof.response(&secret), "670fd8c2df070c60b045671b8b24ff02");
    }

    #[test]
    fn unknown_algorithms_are_none() {
        assert_eq!(Algorithm::parse(None), Some(Algorithm::Md5));
        assert_eq!(Algorithm::parse(Some("sha-256")), Some(Algorithm::Sha256));
        assert_eq!(Algorithm::parse(Some("MD5-sess")), None);
    }
}
