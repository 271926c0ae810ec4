//! Interactive connectivity (RFC 8445) as a server with public addresses does it: ICE-lite answers checks, and sends none.
//!
//! A check's user name says which leg it is for, and its signature proves that the sender has read that leg's SDP. The leg's
//! [`Agent`] decides to which of its browser's addresses it sends.

mod agent;
pub(crate) mod stun;

use std::fmt;

use rand_chacha::rand_core::Rng;

pub(crate) use agent::{Agent, Refusal};

/// Lengths of user names and passwords (RFC 8839 §5.4).
pub(crate) const MIN_UFRAG: usize = 4;
pub(crate) const MAX_UFRAG: usize = 256;
pub(crate) const MIN_PASSWORD: usize = 22;
pub(crate) const MAX_PASSWORD: usize = 256;
/// Characters of ours, of 6 random bits each. A user name has to be unlike all others of a shard; a password has to be as
/// good as a key of 128 bits.
pub(crate) const UFRAG: usize = 8;
const PASSWORD: usize = 24;
/// RFC 8839 §5.4's `ice-char`s, of which there are just 64.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What a browser has to know to be let in to a leg: told in SDP, proven in every check. Printed without the password.
#[derive(Clone, PartialEq, Eq)]
pub struct IceLocal {
    /// Says which leg is meant.
    pub ufrag: String,
    /// Proves that the one who checks has read our SDP.
    pub password: String,
}

impl IceLocal {
    /// Random ones.
    #[must_use]
    pub fn new(rng: &mut impl Rng) -> Self {
        let mut text = |length| {
            let chars = (0..length).map(|_| ALPHABET[(rng.next_u32() >> 26) as usize]);
            chars.map(char::from).collect()
        };
        Self { ufrag: text(UFRAG), password: text(PASSWORD) }
    }
}

impl fmt::Debug for IceLocal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceLocal").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// Whether RFC 8839 allows this byte in user names and passwords.
pub(crate) fn is_ice_char(byte: u8) -> bool {
    ALPHABET.contains(&byte)
}
