//! The sixteen keys of a telephone.

use std::fmt;

/// One key, as in RFC 4733 §3.2 (events 0 to 15).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digit(u8);

const KEYS: &[u8; 16] = b"0123456789*#ABCD";

impl Digit {
    /// All sixteen, in the order of RFC 4733 event codes.
    #[must_use]
    pub fn all() -> [Self; 16] {
        std::array::from_fn(|i| Self(u8::try_from(i).unwrap_or(0)))
    }

    /// From an RFC 4733 event code, 0 to 15.
    #[must_use]
    pub const fn from_event(code: u8) -> Option<Self> {
        if code < 16 { Some(Self(code)) } else { None }
    }

    /// The RFC 4733 event code.
    #[must_use]
    pub const fn event(self) -> u8 {
        self.0
    }

    /// From `0-9 * # A-D` (either case).
    #[must_use]
    pub fn from_char(key: char) -> Option<Self> {
        let key = u8::try_from(key).ok()?.to_ascii_uppercase();
        KEYS.iter().position(|k| *k == key).and_then(|i| u8::try_from(i).ok()).map(Self)
    }

    /// The key as printed on a telephone.
    #[must_use]
    pub fn as_char(self) -> char {
        char::from(KEYS[usize::from(self.0 & 15)])
    }
}

impl fmt::Display for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_char())
    }
}

impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_char())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_round_trip() {
        for digit in Digit::all() {
            assert_eq!(Digit::from_char(digit.as_char()), Some(digit));
            assert_eq!(Digit::from_event(digit.event()), Some(digit));
        }
        assert_eq!(Digit::from_char('b').map(Digit::event), Some(13));
        assert_eq!(Digit::from_char('x'), None);
        assert_eq!(Digit::from_event(16), None);
    }
}
