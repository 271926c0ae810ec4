//! A PASSporT: a JSON web signature in its compact form (RFC 7515, RFC 8225), of the kind `shaken` (RFC 8588).

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{GeneralPurpose, general_purpose};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::header::SHAKEN;
use super::{Attestation, Fault};

/// Base64 for URLs, without padding (RFC 7515 §2).
const BASE64: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, general_purpose::NO_PAD);
/// Bytes of an ES256 signature (RFC 7518 §3.4).
const SIGNATURE: usize = 64;
/// Bytes of a token; real ones are near 700. What is longer is not decoded.
const MAX_TOKEN: usize = 4 * 1024;
/// Numbers that are called; a call to us has one.
const MAX_DEST: usize = 16;

/// What it says, not verified yet.
pub(super) struct Token<'a> {
    pub(super) x5u: String,
    pub(super) attestation: Attestation,
    /// The number that calls.
    pub(super) orig: String,
    /// The numbers that are called.
    pub(super) dest: Vec<String>,
    /// When it was made, in seconds of Unix time.
    pub(super) iat: i64,
    /// What the signature is of.
    pub(super) signed: &'a str,
    pub(super) signature: [u8; SIGNATURE],
}

/// RFC 8225 §4. What else it may hold is not looked at.
#[derive(Deserialize)]
struct Jose {
    alg: String,
    typ: String,
    ppt: Option<String>,
    x5u: String,
    /// Extensions that must be understood (RFC 7515 §4.1.11): none is.
    crit: Option<IgnoredAny>,
}

/// RFC 8225 §5, RFC 8588 §4.
#[derive(Deserialize)]
struct Claims {
    attest: String,
    iat: i64,
    orig: Orig,
    dest: Dest,
}

#[derive(Deserialize)]
struct Orig {
    tn: String,
}

#[derive(Deserialize)]
struct Dest {
    tn: Vec<String>,
}

impl<'a> Token<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Fault> {
        if text.len() > MAX_TOKEN {
            return Err(Fault::Invalid);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Fault::Invalid)?;
        let (jose, claims) = signed.split_once('.').ok_or(Fault::Invalid)?;
        // RFC 8225 §7: only the signature is sent. SHAKEN forbids it, and who means another kind may be right.
        if jose.is_empty() && claims.is_empty() {
            return Err(Fault::Unverifiable);
        }
        let jose: Jose = json(jose)?;
        if jose.typ != "passport" {
            return Err(Fault::Invalid);
        }
        if jose.alg != "ES256" || jose.ppt.as_deref() != Some(SHAKEN) || jose.crit.is_some() {
            return Err(Fault::Unverifiable);
        }
        let Claims { attest, iat, orig, dest } = json(claims)?;
        let attestation = match attest.as_str() {
            "A" => Attestation::Full,
            "B" => Attestation::Partial,
            "C" => Attestation::Gateway,
            _ => return Err(Fault::Invalid),
        };
        if dest.tn.len() > MAX_DEST {
            return Err(Fault::Invalid);
        }
        let signature = BASE64.decode(signature).map_err(|_| Fault::Invalid)?;
        let signature = signature.try_into().map_err(|_| Fault::Invalid)?;
        Ok(Self { x5u: jose.x5u, attestation, orig: orig.tn, dest: dest.tn, iat, signed, signature })
    }
}

fn json<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, Fault> {
    let bytes = BASE64.decode(text).map_err(|_| Fault::Invalid)?;
    serde_json::from_slice(&bytes).map_err(|_| Fault::Invalid)
}
