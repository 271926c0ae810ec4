//! Numbers that carriers vouch for (STIR/SHAKEN): the `Identity` header (RFC 8224) and the PASSporT in it (RFC 8225,
//! RFC 8588).
//!
//! What comes of it is counted, and keeps the calls that are proven to be of a number apart from those that only claim it,
//! where calls of one number are counted as a flood ([`admission`](crate::admission)): nobody is refused, queued or shown by
//! it. A stolen phone may be vouched for, and a frightened caller's may not. Numbers are compared here and forgotten;
//! certificates are those that the operator has put there, and nothing is fetched.

mod header;
mod token;

use std::collections::HashMap;
use std::fmt;

use havre_model::Unix;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

use crate::number::{caller_number, e164};
use crate::wire::{Name, Request};
use header::Header;
use token::Token;

/// How many `Identity` headers of one call are looked at. A call that was diverted twice has three; each may cost a
/// verification.
const MAX_IDENTITIES: usize = 4;
/// How old a PASSporT may be, or how far ahead its carrier's clock, in seconds (RFC 8224 §6.2.2, ATIS-1000074).
const FRESH_SECS: i64 = 60;
/// Bytes of a point on P-256, uncompressed (SEC 1 §2.3.3).
const POINT: usize = 65;

/// How far a call's carrier vouches for the number that it shows. Ordered: what says more is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attestation {
    /// No `Identity` header.
    #[default]
    Absent,
    /// There is one, and we cannot judge it: its certificate is not here, or it is of another kind.
    Unverifiable,
    /// There is one, and it is wrong: broken, forged, old, or of other numbers.
    Invalid,
    /// C, gateway: the call came in from elsewhere, and nobody knows its number.
    Gateway,
    /// B, partial: the carrier knows the customer, and not whether the number is theirs.
    Partial,
    /// A, full: the carrier knows the customer, and the number is theirs.
    Full,
}

impl Attestation {
    /// The stable spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Unverifiable => "unverifiable",
            Self::Invalid => "invalid",
            Self::Gateway => "gateway",
            Self::Partial => "partial",
            Self::Full => "full",
        }
    }
}

/// What the PASSporTs of one call come to. Ordered: what says more is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Judged {
    pub(crate) attestation: Attestation,
    /// Its carrier says that the number under which the call is counted is the caller's own (A, of this very number).
    pub(crate) proven: bool,
}

impl From<Attestation> for Judged {
    fn from(attestation: Attestation) -> Self {
        Self { attestation, proven: false }
    }
}

/// The certificates that PASSporTs may be signed with, by the URL under which carriers publish them (`x5u`).
#[derive(Clone, Default)]
pub struct Certificates(HashMap<String, Certificate>);

/// As much of a certificate as verifying takes.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    key: [u8; POINT],
    not_before: Unix,
    not_after: Unix,
}

impl Certificate {
    /// A key on P-256, as an uncompressed point, and when it may be used. `None` if it is no such point.
    #[must_use]
    pub fn new(key: &[u8], not_before: Unix, not_after: Unix) -> Option<Self> {
        let key: [u8; POINT] = key.try_into().ok()?;
        (key[0] == 4).then_some(Self { key, not_before, not_after })
    }
}

impl Certificates {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none: then no call is verified.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, Certificate)> for Certificates {
    fn from_iter<I: IntoIterator<Item = (String, Certificate)>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Why a PASSporT says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Perhaps good, and not for us to tell.
    Unverifiable,
    /// Wrong.
    Invalid,
}

/// Judges the best of a call's PASSporTs. `called` is the number as the edge understood it, in E.164; `shown` the one under
/// which the call is counted, if it shows one.
pub(crate) fn judge(
    certificates: &Certificates,
    request: &Request,
    called: &str,
    shown: Option<&str>,
    now: Unix,
) -> Judged {
    let values = request.headers.all(&Name::Identity).take(MAX_IDENTITIES);
    let judged = values.map(|value| {
        if certificates.is_empty() {
            return Attestation::Unverifiable.into();
        }
        match verify(certificates, value, request, called, shown, now) {
            Ok(judged) => judged,
            Err(Fault::Unverifiable) => Attestation::Unverifiable.into(),
            Err(Fault::Invalid) => Attestation::Invalid.into(),
        }
    });
    judged.max().unwrap_or_default()
}

/// RFC 8224 §6.2, what is cheap first: a signature is looked at only if all else fits.
fn verify(
    certificates: &Certificates,
    value: &str,
    request: &Request,
    called: &str,
    shown: Option<&str>,
    now: Unix,
) -> Result<Judged, Fault> {
    let header = Header::parse(value)?;
    let token = Token::parse(header.token)?;
    if token.x5u != header.info {
        return Err(Fault::Invalid);
    }
    if now.as_secs().abs_diff(token.iat) > FRESH_SECS.unsigned_abs() {
        return Err(Fault::Invalid);
    }
    compare(&token, request, called)?;
    let certificate = certificates.0.get(&token.x5u).ok_or(Fault::Unverifiable)?;
    if !(certificate.not_before..=certificate.not_after).contains(&now) {
        return Err(Fault::Unverifiable);
    }
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &certificate.key);
    key.verify(token.signed.as_bytes(), &token.signature).map_err(|_| Fault::Invalid)?;
    let of_shown = shown.is_some_and(|number| same(&token.orig, number));
    Ok(Judged { attestation: token.attestation, proven: of_shown && token.attestation == Attestation::Full })
}

/// Whether it speaks of this call: of the number that is called (which a network may have translated on the way: then `To`
/// still has the one that was dialled), and of the one that calls.
fn compare(token: &Token<'_>, request: &Request, called: &str) -> Result<(), Fault> {
    let headers = &request.headers;
    let to = headers.to().ok().and_then(|to| e164(&to.uri.user()?));
    let dialled = [Some(called), to.as_deref()];
    if !token.dest.iter().any(|tn| dialled.into_iter().flatten().any(|number| same(tn, number))) {
        return Err(Fault::Invalid);
    }
    let asserted = headers.asserted_identities().unwrap_or_default();
    let callers =
        asserted.iter().chain(headers.from().ok()).filter_map(|identity| caller_number(&identity.uri));
    let mut callers = callers.peekable();
    // Withheld on the way: there is nothing to compare with.
    callers.peek().ok_or(Fault::Unverifiable)?;
    callers.any(|number| same(&token.orig, &number)).then_some(()).ok_or(Fault::Invalid)
}

/// Whether two spellings are of one number: digits with the country's, and without signs (RFC 8224 §8.3).
fn same(tn: &str, number: &str) -> bool {
    e164(tn).is_some_and(|tn| tn.trim_start_matches('+') == number.trim_start_matches('+'))
}
