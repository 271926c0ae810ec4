//! What Havre says into phones that show nothing: to people on call, and for callers who cannot speak.

use havre_model::{Language, Mode, Risk};

/// What Havre says to an on-call person whose telephone outside it has rung, and to whoever talks over a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// There is a call, and key 1 takes it. Nothing else is said: a voicemail, or a child, may be listening.
    Ask,
    /// Whoever took the call hears what a phone's display would have shown: the class, if it is urgent …
    Urgent,
    /// … what the caller speaks …
    Speaks(Language),
    /// … and that they cannot speak.
    Silent,
    /// The call was taken by somebody else, or the caller left.
    NotNeeded,
    /// A caller who cannot speak pressed 1 …
    Yes,
    /// … or 2.
    No,
}

impl Notice {
    /// The prompts that a catalogue must have for them.
    pub(crate) const NAMES: &[&str] = &[
        "A-ask",
        "A-urgent",
        "A-speaks-english",
        "A-speaks-french",
        "A-speaks-unknown",
        "A-speaks-other",
        "A-silent",
        "A-not-needed",
        "A-yes",
        "A-no",
    ];

    /// The prompt that says it.
    #[must_use]
    pub const fn prompt(self) -> &'static str {
        match self {
            Self::Ask => "A-ask",
            Self::Urgent => "A-urgent",
            Self::Speaks(Language::En) => "A-speaks-english",
            Self::Speaks(Language::Fr) => "A-speaks-french",
            Self::Speaks(Language::Unknown) => "A-speaks-unknown",
            Self::Speaks(Language::Other) => "A-speaks-other",
            Self::Silent => "A-silent",
            Self::NotNeeded => "A-not-needed",
            Self::Yes => "A-yes",
            Self::No => "A-no",
        }
    }

    /// What has to be known before the first word to this caller. It takes seconds of the caller's time: no more than that.
    pub fn briefing(language: Language, risk: Risk, mode: Mode) -> impl Iterator<Item = Self> {
        let urgent = (risk == Risk::Urgent).then_some(Self::Urgent);
        let silent = mode.silent.then_some(Self::Silent);
        urgent.into_iter().chain([Self::Speaks(language)]).chain(silent)
    }
}
