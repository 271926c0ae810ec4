//! A password as responses are made of it.

use std::fmt;

use super::Algorithm;

/// `H(user:realm:password)` by each algorithm (RFC 7616 §3.4.2): as long for one password as for any other, so that what
/// a check costs does not tell one from another, or from none.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    sha256: Box<str>,
    md5: Box<str>,
}

impl Secret {
    /// Of this user of `realm`.
    #[must_use]
    pub fn new(user: &str, realm: &str, password: &str) -> Self {
        let of = |algorithm: Algorithm| algorithm.hash(&[user, realm, password]).into_boxed_str();
        Self { sha256: of(Algorithm::Sha256), md5: of(Algorithm::Md5) }
    }

    pub(super) fn by(&self, algorithm: Algorithm) -> &str {
        match algorithm {
            Algorithm::Sha256 => &self.sha256,
            Algorithm::Md5 => &self.md5,
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
