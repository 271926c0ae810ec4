//! What identifies a caller. It exists only in the answering node's memory.

use std::fmt;

/// A value that must never be printed, logged, stored or sent on: a caller's number, name or address.
///
/// `Debug` is redacted and there is no `Display`. Reading it takes an explicit [`Pii::expose`], which
/// a reviewer can search for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pii<T>(T);

impl<T> Pii<T> {
    /// Seals `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Opens the seal: only to derive what is not an identity (an area code's language, a redial token).
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pii(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_is_redacted() {
        let number = Pii::new("+14165550123");
        assert_eq!(format!("{number:?}"), "Pii(…)");
        assert_eq!(*number.expose(), "+14165550123");
    }
}
