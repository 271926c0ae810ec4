//! Keys in SDP (SDES, RFC 4568): `a=crypto` lines, which of them are of use, and whether a leg may do without.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rand_chacha::rand_core::Rng;
use zeroize::Zeroizing;

use crate::srtp::{Keys, Pair, Suite};

/// Base64 as RFC 4568 has it; some phones leave out the padding that AES-GCM's lengths need.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Bytes that the longest decodable text gives; every key with its salt is shorter.
const MAX_DECODED: usize = 96;
/// Longest life of a key, in packets, as a power of two (RFC 3711 §9.2).
const MAX_LIFETIME: u32 = 48;
/// Digits of a tag.
const MAX_TAG: usize = 9;

/// Whether a leg's media is to be SRTP with keys from SDP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Srtp {
    /// Never: an offer of SRTP alone is refused.
    #[default]
    Off,
    /// Where the far side can: we offer keys beside plain RTP (RFC 8643), and answer with keys where they are offered.
    Offered,
    /// Always: what has no keys is refused.
    Required,
}

impl Srtp {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Off, Self::Offered, Self::Required];

    /// The stable spelling, as in a configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Offered => "offered",
            Self::Required => "required",
        }
    }

    /// From its spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|srtp| srtp.as_str() == name)
    }
}

/// Our keys for one leg, one for each suite, and whether it may do without. They stay the same for as long as the leg
/// lives, so that a re-INVITE restarts nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sdes {
    required: bool,
    keys: [Keys; Suite::ALL.len()],
}

/// One `a=crypto` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Crypto {
    tag: u32,
    keys: Result<Keys, Unusable>,
}

/// Why there are no keys that both sides can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// SRTP is switched off here, and the far side speaks nothing else.
    #[error("SRTP is switched off for this leg")]
    Off,
    /// No `a=crypto` in the stream; one for the whole session does not count (RFC 4568 §4).
    #[error("no a=crypto in the audio stream")]
    Missing,
    /// An answer that belongs to no line of the offer: another tag, or another suite under it.
    #[error("a=crypto answers none of the offered ones")]
    NotOffered,
    /// Another suite than ours.
    #[error("no crypto suite in common")]
    Suite,
    /// Another key method than `inline`, no base64, a key of the wrong length, or our own key.
    #[error("a broken key")]
    Key,
    /// Zero, more than the suite allows, or no number.
    #[error("a key lifetime that makes no sense")]
    Lifetime,
    /// Master key identifiers, and so several keys at once.
    #[error("a master key identifier (MKI), which is not supported")]
    Mki,
    /// A session parameter that changes packets: `UNENCRYPTED_SRTP`, `KDR`, and the like.
    #[error("a session parameter that is not supported")]
    Parameter,
}

impl Sdes {
    /// Fresh keys; none where SRTP is off.
    #[must_use]
    pub fn new(srtp: Srtp, rng: &mut impl Rng) -> Option<Self> {
        let required = match srtp {
            Srtp::Off => return None,
            Srtp::Offered => false,
            Srtp::Required => true,
        };
        Some(Self { required, keys: Suite::ALL.map(|suite| Keys::random(suite, rng)) })
    }

    pub(super) const fn required(&self) -> bool {
        self.required
    }

    /// The lines of our offer, the suite to prefer first.
    pub(super) fn lines(&self) -> Vec<Crypto> {
        (1..).zip(&self.keys).map(|(tag, keys)| Crypto { tag, keys: Ok(keys.clone()) }).collect()
    }

    /// Answers the first of the offered lines that is of use, with its tag (RFC 4568 §7.1.2).
    pub(super) fn answer(&self, offered: &[Crypto]) -> Result<(Crypto, Pair), Unusable> {
        let mut why = Unusable::Missing;
        for line in offered {
            match &line.keys {
                Ok(theirs) => {
                    let ours = self.keys_of(theirs.suite());
                    let answer = Crypto { tag: line.tag, keys: Ok(ours.clone()) };
                    return Ok((answer, Pair { send: ours.clone(), receive: theirs.clone() }));
                }
                Err(reason) => why = *reason,
            }
        }
        Err(why)
    }

    /// What an answer to our lines chose.
    pub(super) fn accept(&self, answered: &[Crypto]) -> Result<Pair, Unusable> {
        let line = answered.first().ok_or(Unusable::Missing)?;
        let theirs = line.keys.as_ref().map_err(|why| *why)?;
        let ours =
            (1..).zip(&self.keys).find(|(tag, keys)| *tag == line.tag && keys.suite() == theirs.suite());
        let (_, ours) = ours.ok_or(Unusable::NotOffered)?;
        // One key for both directions would encrypt two streams alike, should they have the same SSRC.
        if ours == theirs {
            return Err(Unusable::Key);
        }
        Ok(Pair { send: ours.clone(), receive: theirs.clone() })
    }

    fn keys_of(&self, suite: Suite) -> &Keys {
        let place = Suite::ALL.iter().position(|known| *known == suite).unwrap_or(0);
        &self.keys[place]
    }
}

impl Crypto {
    /// `1 AES_CM_128_HMAC_SHA1_80 inline:...|2^20 WSH=64`; `None` if there is not even a tag.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_whitespace();
        let tag = words.next().filter(|tag| tag.len() <= MAX_TAG && is_number(tag))?.parse().ok()?;
        let (suite, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let keys = keys(suite, key).and_then(|keys| match words.all(is_harmless) {
            true => Ok(keys),
            false => Err(Unusable::Parameter),
        });
        Some(Self { tag, keys })
    }
}

impl fmt::Display for Crypto {
    /// The whole line; nothing for one that could not be read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(keys) = &self.keys else { return Ok(()) };
        let secret = Zeroizing::new(BASE64.encode(keys.secret()));
        write!(f, "a=crypto:{} {} inline:{}\r\n", self.tag, keys.suite().name(), *secret)
    }
}

fn keys(suite: &str, parameters: &str) -> Result<Keys, Unusable> {
    let suite = Suite::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(suite));
    let suite = suite.ok_or(Unusable::Suite)?;
    if parameters.contains(';') {
        return Err(Unusable::Mki);
    }
    let (method, info) = parameters.split_once(':').ok_or(Unusable::Key)?;
    if !method.eq_ignore_ascii_case("inline") {
        return Err(Unusable::Key);
    }
    let mut parts = info.split('|');
    let text = parts.next().unwrap_or_default();
    for part in parts {
        if part.contains(':') {
            return Err(Unusable::Mki);
        }
        // Theirs to keep: whoever's key wears out brings another one in time.
        if !is_lifetime(part) {
            return Err(Unusable::Lifetime);
        }
    }
    let mut secret = Zeroizing::new([0; MAX_DECODED]);
    let length = BASE64.decode_slice(text, secret.as_mut()).map_err(|_| Unusable::Key)?;
    let (key, salt) = secret[..length].split_at_checked(suite.key_length()).ok_or(Unusable::Key)?;
    Keys::new(suite, key, salt).ok_or(Unusable::Key)
}

/// `2^20`, or the number itself.
fn is_lifetime(text: &str) -> bool {
    let most = 1_u64 << MAX_LIFETIME;
    match text.strip_prefix("2^") {
        Some(power) => is_number(power) && power.parse().is_ok_and(|power: u32| power <= MAX_LIFETIME),
        None => is_number(text) && text.parse().is_ok_and(|packets: u64| (1..=most).contains(&packets)),
    }
}

/// Whether a session parameter asks nothing of packets: a hint for the replay window, or what its sender can do without
/// (RFC 4568 §6.3.7).
fn is_harmless(parameter: &str) -> bool {
    parameter.starts_with('-') || parameter.to_ascii_uppercase().starts_with("WSH=")
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of RFC 4568 §6.1.
    const KEY: &str = "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

    fn usable(value: &str) -> Result<Suite, Unusable> {
        Crypto::parse(value).unwrap().keys.map(|keys| keys.suite())
    }

    #[test]
    fn lines_as_phones_and_carriers_write_them() {
        use Suite::{AeadAes128Gcm, AeadAes256Gcm, AesCm128HmacSha1_80};
        let gcm128 = "inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw";
        let gcm256 = "inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKis=";
        for (value, suite) in [
            (format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}"), AesCm128HmacSha1_80),
            (
                format!("999999999 aes_cm_128_hmac_sha1_80 {}|2^20", KEY.replace("inline", "INLINE")),
                AesCm128HmacSha1_80,
            ),
            (format!("4 AES_CM_128_HMAC_SHA1_80 {KEY}|281474976710656 WSH=128 -X=1"), AesCm128HmacSha1_80),
            (format!("1 AEAD_AES_128_GCM {gcm128}==|2^31"), AeadAes128Gcm),
            (format!("1 AEAD_AES_128_GCM {gcm128}"), AeadAes128Gcm),
            (format!("2 AEAD_AES_256_GCM {gcm256}"), AeadAes256Gcm),
        ] {
            assert_eq!(usable(&value), Ok(suite), "{value}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused_for_what_it_is() {
        use Unusable::{Key, Lifetime, Mki, Parameter, Suite};
        for (rest, why) in [
            (format!("AES_CM_128_HMAC_SHA1_32 {KEY}"), Suite),
            (format!("F8_128_HMAC_SHA1_80 {KEY}"), Suite),
            ("AES_CM_128_HMAC_SHA1_80".to_owned(), Key),
            (format!("AES_CM_128_HMAC_SHA1_80 {KEY}A"), Key),
            (format!("AES_CM_128_HMAC_SHA1_80 {KEY}AAAA"), Key),
            (format!("AES_CM_128_HMAC_SHA1_80 {}", &KEY[..43]), Key),
            ("AES_CM_128_HMAC_SHA1_80 inline:".to_owned(), Key),
            (format!("AES_CM_128_HMAC_SHA1_80 {}", KEY.replace("d0", "*0")), Key),
            (format!("AES_CM_128_HMAC_SHA1_80 inline:{}", "A".repeat(4_096)), Key),
            (format!("AES_CM_128_HMAC_SHA1_80 {}", KEY.replace("inline", "uri")), Key),
            (format!("AES_CM_128_HMAC_SHA1_80 {KEY}|1:4"), Mki),
            (format!("AES_CM_128_HMAC_SHA1_80 {KEY}|2^20|1:4"), Mki),
            (format!("AES_CM_128_HMAC_SHA1_80 {KEY}|2^20|1:4;{KEY}|2^20|2:4"), Mki),
            (format!("AES_CM_128_HMAC_SHA1_80 {KEY}|0"), Lifetime),
            (format!("AES_CM_128_HMAC_SHA1_80 {KEY}|2^49"), Lifetime),
            (format!("AES_CM_128_HMAC_SHA1_80 {KEY}|2^+1"), Lifetime),
            (format!("AES_CM_128_HMAC_SHA1_80 {KEY}|"), Lifetime),
            (format!("AES_CM_128_HMAC_SHA1_80 {KEY} UNENCRYPTED_SRTP"), Parameter),
            (format!("AES_CM_128_HMAC_SHA1_80 {KEY} WSH=64 KDR=1"), Parameter),
            (format!("AES_CM_128_HMAC_SHA1_80 {KEY} UNAUTHENTICATED_SRTP"), Parameter),
            (format!("AES_CM_128_HMAC_SHA1_80 {KEY} FEC_ORDER=FEC_SRTP"), Parameter),
        ] {
            assert_eq!(usable(&format!("1 {rest}")), Err(why), "{rest}");
        }
        for tagless in ["", "x", "+1 AES_CM_128_HMAC_SHA1_80", "1234567890 AES_CM_128_HMAC_SHA1_80", "-1"] {
            assert_eq!(Crypto::parse(tagless), None, "{tagless}");
        }
    }

    #[test]
    fn keys_are_shown_to_nobody_but_the_far_side() {
        let line = Crypto::parse(&format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}")).unwrap();
        assert!(line.to_string().contains(KEY));
        let shown = format!("{line:?}");
        assert!(!shown.contains("d0Rm") && !shown.contains("119, 68"), "{shown}");
    }

    prop_compose! {
        pub(in crate::sdp) fn line()(
            tag in 0..1_000_000_000_u32,
            suite in prop::sample::select(Suite::ALL.to_vec()),
            secret: [u8; 32],
        ) -> Crypto {
            let keys = Keys::new(suite, &secret[..suite.key_length()], &secret[..suite.salt_length()]);
            Crypto { tag, keys: Ok(keys.unwrap()) }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_passed_over(value in "[0-9]{1,9} (AES_CM_128_HMAC_SHA1_80|AEAD_AES_128_GCM) inline:[ -~]{0,80}") {
            let _ = Crypto::parse(&value);
        }
    }
}
