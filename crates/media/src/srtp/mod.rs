//! SRTP and SRTCP (RFC 3711, RFC 7714) as a pure stage: packets in, packets out, and nothing allocated for either.
//!
//! A [`Sender`] protects what leaves a leg, a [`Receiver`] lets in what was protected by the far side, once. Both begin
//! with master [`Keys`], which SDES or DTLS agree upon. No MKI, no key derivation rate, and no SRTCP in the clear: none
//! of the three is negotiated.

mod receiver;
mod sender;
mod transform;
mod window;

#[cfg(test)]
mod tests;

use std::fmt;

use rand_chacha::rand_core::Rng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

pub use receiver::Receiver;
pub use sender::Sender;

/// Bytes of a report's header that stay readable (RFC 3711 §3.4): flags, type, length, SSRC.
const RTCP_HEADER: usize = 8;
/// Bytes of SRTCP's own index, with the flag that says "encrypted".
const RTCP_INDEX: usize = 4;
/// The most bytes of a salt, and of a master key with its salt.
const MAX_SALT: usize = 14;
const MAX_SECRET: usize = 32 + MAX_SALT;

/// How packets are encrypted and authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES in counter mode and HMAC-SHA1, cut to 80 bits (RFC 3711): what every phone knows.
    AesCm128HmacSha1_80,
    /// AES-GCM with a key of 128 bits (RFC 7714).
    AeadAes128Gcm,
    /// AES-GCM with a key of 256 bits (RFC 7714).
    AeadAes256Gcm,
}

impl Suite {
    /// Every suite, the one to prefer first.
    pub const ALL: [Self; 3] = [Self::AeadAes256Gcm, Self::AeadAes128Gcm, Self::AesCm128HmacSha1_80];

    /// Its name in SDP (RFC 4568 §6.2, RFC 7714 §14.1).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// Bytes of a master key.
    #[must_use]
    pub const fn key_length(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AeadAes128Gcm => 16,
            Self::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of a master salt.
    #[must_use]
    pub const fn salt_length(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 => 14,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
        }
    }

    /// Bytes by which an RTP packet grows.
    #[must_use]
    pub const fn rtp_overhead(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 => 10,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
        }
    }

    /// Bytes by which an RTCP packet grows.
    #[must_use]
    pub const fn rtcp_overhead(self) -> usize {
        self.rtp_overhead() + RTCP_INDEX
    }
}

/// A suite with its master key and salt, for one direction. Printed without them, and wiped when dropped.
#[derive(Clone)]
pub struct Keys {
    suite: Suite,
    /// Key, then salt, then zeroes.
    secret: [u8; MAX_SECRET],
}

impl Keys {
    /// `None` if the key or the salt is not as long as the suite says.
    #[must_use]
    pub fn new(suite: Suite, key: &[u8], salt: &[u8]) -> Option<Self> {
        let fits = key.len() == suite.key_length() && salt.len() == suite.salt_length();
        fits.then(|| {
            let mut secret = [0; MAX_SECRET];
            secret[..key.len()].copy_from_slice(key);
            secret[key.len()..][..salt.len()].copy_from_slice(salt);
            Self { suite, secret }
        })
    }

    /// New ones.
    #[must_use]
    pub fn random(suite: Suite, rng: &mut impl Rng) -> Self {
        let mut keys = Self { suite, secret: [0; MAX_SECRET] };
        rng.fill_bytes(&mut keys.secret[..suite.key_length() + suite.salt_length()]);
        keys
    }

    /// The suite.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The master key, and its salt behind it.
    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret[..self.suite.key_length() + self.suite.salt_length()]
    }

    /// The master key, as long as the suite's.
    fn key<const N: usize>(&self) -> Zeroizing<[u8; N]> {
        Zeroizing::new(std::array::from_fn(|i| self.secret[i]))
    }

    /// The master salt; a shorter one than RFC 3711's is filled up with zeroes (RFC 7714 §11).
    fn salt(&self) -> [u8; MAX_SALT] {
        std::array::from_fn(|i| self.secret[self.suite.key_length() + i])
    }
}

impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        self.suite == other.suite && self.secret.ct_eq(&other.secret).into()
    }
}

impl Eq for Keys {}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("suite", &self.suite).finish_non_exhaustive()
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// A leg's keys, one for each direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// What we protect with: of our own making with SDES.
    pub send: Keys,
    /// What the far side protects with.
    pub receive: Keys,
}

/// Why a packet was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Too short for its own header and a tag, or not RTP at all.
    #[error("no packet of this kind")]
    Malformed,
    /// Longer than the room for it.
    #[error("too long")]
    TooLong,
    /// Not protected with the key that was agreed, or changed on the way.
    #[error("not authentic")]
    NotAuthentic,
    /// Taken before, or older than [`limits::REPLAY_WINDOW`](crate::limits::REPLAY_WINDOW) packets, so that nobody can
    /// tell. Of a sender: the number was used before, and would give away both packets.
    #[error("replayed")]
    Replayed,
    /// One stream more than [`limits::MAX_SRTP_SOURCES`](crate::limits::MAX_SRTP_SOURCES) under one key.
    #[error("too many sources")]
    TooManySources,
    /// The key's packets are used up: 2^48 of RTP, 2^31 of RTCP (RFC 3711 §9.2).
    #[error("key exhausted")]
    Exhausted,
}

/// The length of an RTP header with its CSRCs and extension, which stay readable.
fn rtp_header(packet: &[u8]) -> Option<usize> {
    let first = *packet.first().filter(|first| **first >> 6 == 2)?;
    let mut length = crate::rtp::HEADER + usize::from(first & 0x0f) * 4;
    if first & 0x10 != 0 {
        let words = packet.get(length + 2..length + 4)?;
        length += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    }
    Some(length)
}

/// Four bytes as a number.
fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}

/// An RTP packet's SSRC and sequence number.
fn stream(packet: &[u8]) -> Option<(u32, u16)> {
    Some((number(packet, 8)?, number(packet, 0)? as u16))
}
