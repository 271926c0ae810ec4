//! Whether a carrier's trunk takes calls of ours, and why not.

/// What is known of an outbound trunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TrunkHealth {
    /// Nothing was asked yet, or it is never asked: calls go there.
    #[default]
    Unknown,
    /// It answers.
    Up,
    /// It does not: calls go elsewhere, and there only when nothing else is left.
    Down(TrunkDown),
}

/// Why a trunk is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrunkDown {
    /// Requests are not answered in time, or with 408.
    NoAnswer,
    /// ICMP: nobody listens at its address.
    Unreachable,
    /// A connection to it cannot be opened, or breaks.
    ConnectionFailed,
    /// It answers 503.
    Overloaded,
    /// Its name has no address, and had none before.
    DnsFailed,
    /// It refuses our registration.
    RegistrationRefused,
}

impl TrunkHealth {
    /// Calls may go there.
    #[must_use]
    pub const fn is_usable(self) -> bool {
        !matches!(self, Self::Down(_))
    }

    /// The stable spelling of the state alone: `unknown`, `up`, `down`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down(_) => "down",
        }
    }

    /// Why it is down.
    #[must_use]
    pub const fn why(self) -> Option<TrunkDown> {
        match self {
            Self::Down(why) => Some(why),
            Self::Unknown | Self::Up => None,
        }
    }
}

impl TrunkDown {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::NoAnswer,
        Self::Unreachable,
        Self::ConnectionFailed,
        Self::Overloaded,
        Self::DnsFailed,
        Self::RegistrationRefused,
    ];

    /// The stable spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoAnswer => "no_answer",
            Self::Unreachable => "unreachable",
            Self::ConnectionFailed => "connection_failed",
            Self::Overloaded => "overloaded",
            Self::DnsFailed => "dns_failed",
            Self::RegistrationRefused => "registration_refused",
        }
    }
}
