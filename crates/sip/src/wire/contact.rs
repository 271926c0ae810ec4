//! `Contact` in REGISTER: addresses, or `*` for all of them.

use super::NameAddr;

/// The contacts of a message (RFC 3261 §20.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contacts {
    /// `*`: every binding; legal only in REGISTER with `Expires: 0` (§10.2.2).
    Star,
    /// The addresses in order; may be empty.
    List(Vec<NameAddr>),
}

impl Contacts {
    /// The first address: the remote target of a dialog (§12.1).
    #[must_use]
    pub fn target(&self) -> Option<&NameAddr> {
        match self {
            Self::Star => None,
            Self::List(list) => list.first(),
        }
    }
}
