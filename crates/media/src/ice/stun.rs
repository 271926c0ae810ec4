//! STUN messages (RFC 8489) as connectivity checks have them (RFC 8445 §7): read in place, answered from a buffer of fixed
//! size. Whoever sends them is a stranger until the message is found to be authentic.

use std::net::{IpAddr, SocketAddr};

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

/// Bytes of a header, of an attribute's head, of an HMAC-SHA1 and of a CRC.
const HEADER: usize = 20;
const HEAD: usize = 4;
const HMAC: usize = 20;
const CRC: usize = 4;
/// Marks STUN among everything else that begins with two zero bits.
const COOKIE: u32 = 0x2112_a442;
/// What the CRC is combined with, lest it be another protocol's (§14.7).
const CRC_MASK: u32 = 0x5354_554e;

/// Message types: method "binding" with each class.
const REQUEST: u16 = 0x0001;
const INDICATION: u16 = 0x0011;
const SUCCESS: u16 = 0x0101;
const ERROR: u16 = 0x0111;

/// Attributes (§18.3, RFC 8445 §20.2).
const USERNAME: u16 = 0x0006;
const INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const INTEGRITY_SHA256: u16 = 0x001c;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const CONTROLLED: u16 = 0x8029;
/// Attributes below must be understood.
const OPTIONAL: u16 = 0x8000;

/// Attributes of one message that are looked at; a check has eight.
const MAX_ATTRIBUTES: usize = 32;
/// Attributes that an answer names as not understood.
const MAX_UNKNOWN: usize = 8;
/// The longest answer: an address of IPv6 or eight unknown attributes, and both signatures.
const MAX_ANSWER: usize = 128;

/// What names a request and its answer: 96 random bits of the sender's.
pub(crate) type Transaction = [u8; 12];

/// What came.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Message<'a> {
    Check(Check<'a>),
    /// A keep-alive: nothing is to be done.
    Indication,
}

/// A connectivity check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check<'a> {
    message: &'a [u8],
    /// Our half of the user name, and theirs.
    pub(crate) ufrag: &'a [u8],
    pub(crate) far: &'a [u8],
    /// Where the attribute stands that signs what is before it.
    signature: usize,
    pub(crate) priority: u32,
    pub(crate) nominates: bool,
    /// The sender thinks that we decide.
    pub(crate) controlled: bool,
    unknown: Unknown,
}

/// Types of attributes that we should understand and do not.
#[derive(Clone, Copy, Debug, Default)]
struct Unknown {
    types: [u16; MAX_UNKNOWN],
    count: usize,
}

impl<'a> Message<'a> {
    /// `None` if it is no STUN, broken, or neither a check nor an indication. Answers are none of ours: we ask nothing.
    pub(crate) fn parse(message: &'a [u8]) -> Option<Self> {
        let word = |at: usize| message.get(at..)?.first_chunk().copied().map(u16::from_be_bytes);
        let kind = word(0)?;
        let cookie = message.get(4..)?.first_chunk().copied().map(u32::from_be_bytes)?;
        let length = usize::from(word(2)?);
        if cookie != COOKIE || length % 4 != 0 || message.len() != HEADER + length {
            return None;
        }
        match kind {
            INDICATION => return Some(Self::Indication),
            REQUEST => {}
            _ => return None,
        }
        let (mut user, mut signature, mut sealed) = (None, None, false);
        let mut unknown = Unknown::default();
        let (mut priority, mut nominates, mut controlled) = (0, false, false);
        let mut at = HEADER;
        for _ in 0..MAX_ATTRIBUTES {
            if at == message.len() {
                break;
            }
            let (kind, length) = (word(at)?, usize::from(word(at + 2)?));
            let value = message.get(at + HEAD..at + HEAD + length)?;
            match kind {
                // RFC 8445 §7.1.1: checks have one, at the end.
                FINGERPRINT => {
                    let end = at + HEAD + CRC;
                    let crc = crc32(&message[..at]) ^ CRC_MASK;
                    sealed = end == message.len() && value == crc.to_be_bytes();
                }
                // What follows the signature is not signed (RFC 8489 §14.5).
                _ if signature.is_some() => {}
                INTEGRITY => signature = Some(at).filter(|_| length == HMAC),
                USERNAME => user = user.or(Some(value)),
                PRIORITY => priority = value.first_chunk().copied().map_or(0, u32::from_be_bytes),
                USE_CANDIDATE => nominates = true,
                CONTROLLED => controlled = true,
                INTEGRITY_SHA256 | XOR_MAPPED_ADDRESS => {}
                kind if kind < OPTIONAL => unknown.push(kind),
                _ => {}
            }
            at += HEAD + length.next_multiple_of(4);
        }
        let user: &[u8] = user?;
        let colon = user.iter().position(|byte| *byte == b':')?;
        let (ufrag, far) = (&user[..colon], &user[colon + 1..]);
        let signature = signature.filter(|_| sealed && at == message.len())?;
        Some(Self::Check(Check { message, ufrag, far, signature, priority, nominates, controlled, unknown }))
    }
}

impl Check<'_> {
    /// Whether its sender knows the password.
    pub(crate) fn is_authentic(&self, password: &str) -> bool {
        let end = self.signature + HEAD + HMAC;
        let Some(theirs) = self.message.get(self.signature + HEAD..end) else { return false };
        sign(&self.message[..self.signature], password).ct_eq(theirs).into()
    }

    pub(crate) fn transaction(&self) -> Transaction {
        self.message.get(8..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default()
    }

    /// Whether it has attributes that nobody here understands.
    pub(crate) fn is_strange(&self) -> bool {
        self.unknown.count > 0
    }

    /// "I see you at this address."
    pub(crate) fn success(&self, seen: SocketAddr, password: &str) -> Answer {
        let mut answer = Answer::new(SUCCESS, self);
        let port = seen.port() ^ (COOKIE >> 16) as u16;
        // The cookie and the transaction hide the address from NATs that rewrite what looks like one (§14.2).
        let mask = &self.message[4..HEADER];
        let mut value = [0; 20];
        value[2..4].copy_from_slice(&port.to_be_bytes());
        let mut mapped = |family: u8, ip: &[u8]| {
            value[1] = family;
            for (place, (byte, mask)) in value[4..].iter_mut().zip(ip.iter().zip(mask)) {
                *place = byte ^ mask;
            }
            HEAD + ip.len()
        };
        let length = match seen.ip().to_canonical() {
            IpAddr::V4(ip) => mapped(1, &ip.octets()),
            IpAddr::V6(ip) => mapped(2, &ip.octets()),
        };
        answer.attribute(XOR_MAPPED_ADDRESS, &value[..length]);
        answer.finish(password)
    }

    /// "We cannot both be controlled" (RFC 8445 §7.3.1.1): ICE-lite always is.
    pub(crate) fn role_conflict(&self, password: &str) -> Answer {
        self.error(487, "Role Conflict").finish(password)
    }

    /// "What does this mean?" (RFC 8489 §6.3.1)
    pub(crate) fn unknown_attributes(&self, password: &str) -> Answer {
        let mut answer = self.error(420, "Unknown Attribute");
        let mut value = [0; 2 * MAX_UNKNOWN];
        for (place, kind) in value.chunks_exact_mut(2).zip(self.unknown.types) {
            place.copy_from_slice(&kind.to_be_bytes());
        }
        answer.attribute(UNKNOWN_ATTRIBUTES, &value[..2 * self.unknown.count]);
        answer.finish(password)
    }

    fn error(&self, code: u16, reason: &str) -> Answer {
        let mut answer = Answer::new(ERROR, self);
        let mut value = [0; HEAD + 20];
        value[2] = (code / 100) as u8;
        value[3] = (code % 100) as u8;
        let length = reason.len().min(20);
        value[HEAD..HEAD + length].copy_from_slice(&reason.as_bytes()[..length]);
        answer.attribute(ERROR_CODE, &value[..HEAD + length]);
        answer
    }
}

impl Unknown {
    fn push(&mut self, kind: u16) {
        if let Some(place) = self.types.get_mut(self.count) {
            *place = kind;
            self.count += 1;
        }
    }
}

/// An answer to a check, ready to be sent.
#[derive(Clone, Copy)]
pub(crate) struct Answer {
    bytes: [u8; MAX_ANSWER],
    length: usize,
}

impl Answer {
    fn new(kind: u16, check: &Check<'_>) -> Self {
        let mut bytes = [0; MAX_ANSWER];
        bytes[..2].copy_from_slice(&kind.to_be_bytes());
        bytes[4..HEADER].copy_from_slice(&check.message[4..HEADER]);
        Self { bytes, length: HEADER }
    }

    /// The message.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        let room = &mut self.bytes[self.length..];
        room[..2].copy_from_slice(&kind.to_be_bytes());
        room[2..HEAD].copy_from_slice(&(value.len() as u16).to_be_bytes());
        room[HEAD..HEAD + value.len()].copy_from_slice(value);
        self.length += HEAD + value.len().next_multiple_of(4);
        let body = (self.length - HEADER) as u16;
        self.bytes[2..4].copy_from_slice(&body.to_be_bytes());
    }

    /// Signs it with our own password (RFC 8445 §7.2.2), and seals it.
    fn finish(mut self, password: &str) -> Self {
        let hmac = sign(self.bytes(), password);
        self.attribute(INTEGRITY, &hmac);
        // The CRC is of a message whose length counts it.
        let end = self.length;
        self.attribute(FINGERPRINT, &[0; CRC]);
        let crc = crc32(&self.bytes[..end]) ^ CRC_MASK;
        self.bytes[end + HEAD..end + HEAD + CRC].copy_from_slice(&crc.to_be_bytes());
        self
    }
}

/// The HMAC of a message up to its signature, as if that were its end (RFC 8489 §14.5).
fn sign(before: &[u8], password: &str) -> [u8; HMAC] {
    let length = (before.len() + HEAD + HMAC - HEADER) as u16;
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(password.as_bytes()) else { return [0; HMAC] };
    mac.update(&before[..2]);
    mac.update(&length.to_be_bytes());
    mac.update(&before[4..]);
    mac.finalize().into_bytes().into()
}

/// The CRC of ISO 3309, that of Ethernet.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let mut crc = byte as u32;
            let mut bit = 0;
            while bit < 8 {
                crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
                bit += 1;
            }
            table[byte] = crc;
            byte += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc: u32, byte| (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)])
}
