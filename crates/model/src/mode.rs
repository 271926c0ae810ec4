//! How a caller wishes to be spoken to: silent, discreet, and what is heard while waiting.

/// What a waiting caller hears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WaitingSound {
    /// Messages and waiting sound.
    #[default]
    Full,
    /// Key 0: waiting sound, no messages.
    NoMessages,
    /// Key `*`: a faint tick only, so that the line is known to be alive.
    Tick,
}

/// A caller's chosen manner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mode {
    /// Key 5: the caller cannot speak and answers yes / no by keys 1 and 2.
    pub silent: bool,
    /// Key `#`: neutral messages; the advocate opens with "Hello? / Allô?".
    pub discreet: bool,
    /// What is heard while waiting.
    pub sound: WaitingSound,
}

impl WaitingSound {
    /// The stable spelling: `full`, `no_messages`, `tick`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::NoMessages => "no_messages",
            Self::Tick => "tick",
        }
    }
}
