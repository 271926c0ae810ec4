//! Identities of things, never of callers: a `CallId` is random and tells nothing of who called.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest name that a configured id may have, in bytes.
const MAX_NAME: usize = 64;

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{:016x}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                text.strip_prefix($prefix)
                    .filter(|hex| hex.len() == 16)
                    .and_then(|hex| u64::from_str_radix(hex, 16).ok())
                    .map(Self)
                    .ok_or(ParseIdError)
            }
        }
    };
}

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as configured.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            /// 1 to 64 of `a-z A-Z 0-9 . _ -`, beginning with a letter or a digit.
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let good = !text.is_empty()
                    && text.len() <= MAX_NAME
                    && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
                    && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
                if good { Ok(Self(Arc::from(text))) } else { Err(ParseIdError) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

number_id!(
    /// One caller's call, from INVITE to record. Random: it is safe in logs, records and Redis.
    CallId, "c"
);
number_id!(
    /// One party's connection.
    LegId, "l"
);
number_id!(
    /// One offer of a call to an agent.
    OfferId, "o"
);
number_id!(
    /// One transport flow (RFC 5626): a connection, or a UDP pair of addresses.
    FlowId, "f"
);
number_id!(
    /// One conference: several legs that are mixed.
    ConferenceId, "m"
);
number_id!(
    /// One playing of prompts or sound on a leg.
    PlayId, "p"
);

name_id!(
    /// An advocate's, supervisor's or on-call person's account; also the SIP user.
    AgentId
);
name_id!(
    /// A carrier's peer.
    TrunkId
);
name_id!(
    /// Trunks that lead to the same numbers: a call of ours takes one of them.
    TrunkGroup
);
name_id!(
    /// A dialled line (an entry of the dialplan).
    LineId
);
name_id!(
    /// One Havre process among several.
    NodeId
);

/// The text is no id of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseIdError;

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not an id: use 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit",
        )
    }
}

impl std::error::Error for ParseIdError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip() {
        let id = CallId(0x1234);
        assert_eq!(id.to_string(), "c0000000000001234");
        assert_eq!("c0000000000001234".parse(), Ok(id));
        assert_eq!("l0000000000001234".parse::<CallId>(), Err(ParseIdError));
        assert_eq!("c12".parse::<CallId>(), Err(ParseIdError));
    }

    #[test]
    fn names_are_checked() {
        assert_eq!("advocate-fr".parse::<AgentId>().unwrap().as_str(), "advocate-fr");
        for bad in ["", "-x", "a b", "é", "a/b", &"x".repeat(65)] {
            assert_eq!(bad.parse::<AgentId>(), Err(ParseIdError), "{bad:?}");
        }
    }
}
