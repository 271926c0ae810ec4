//! The caller's language (a typed field of the call) and the languages that people and prompts speak.

use std::fmt;

/// What is known of the caller's language. Survives transfer, overflow and re-queueing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// English was chosen.
    En,
    /// French was chosen.
    Fr,
    /// No key yet: messages in both languages, bilingual agents first.
    Unknown,
    /// Key 3: neither; the offer is marked "interpreter needed".
    Other,
}

impl Language {
    /// All, in the order in which they are reported.
    pub const ALL: [Self; 4] = [Self::En, Self::Fr, Self::Unknown, Self::Other];

    /// The stable spelling: `en`, `fr`, `unknown`, `other`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Fr => "fr",
            Self::Unknown => "unknown",
            Self::Other => "other",
        }
    }

    /// From the stable spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.as_str() == name)
    }

    /// The language spoken by the caller, where it is one that agents are listed with.
    #[must_use]
    pub const fn spoken(self) -> Option<Spoken> {
        match self {
            Self::En => Some(Spoken::En),
            Self::Fr => Some(Spoken::Fr),
            Self::Unknown | Self::Other => None,
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A language that a prompt or an agent speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Spoken {
    /// Canadian English.
    En,
    /// Canadian French.
    Fr,
    /// Spanish: for the one clip of the greeting.
    Es,
}

impl Spoken {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::En, Self::Fr, Self::Es];

    /// The stable spelling: `en`, `fr`, `es`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Fr => "fr",
            Self::Es => "es",
        }
    }

    /// The directory under `prompts/`: `en-CA`, `fr-CA`, `es`.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en-CA",
            Self::Fr => "fr-CA",
            Self::Es => "es",
        }
    }

    /// From the stable spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.as_str() == name)
    }
}

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of spoken languages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SpokenSet(u8);

impl SpokenSet {
    /// None.
    pub const EMPTY: Self = Self(0);

    /// With `language` too.
    #[must_use]
    pub const fn with(self, language: Spoken) -> Self {
        Self(self.0 | 1 << language as u8)
    }

    /// Whether `language` is in the set.
    #[must_use]
    pub const fn contains(self, language: Spoken) -> bool {
        self.0 & (1 << language as u8) != 0
    }

    /// Both official languages.
    #[must_use]
    pub const fn is_bilingual(self) -> bool {
        self.contains(Spoken::En) && self.contains(Spoken::Fr)
    }

    /// The languages in it, in the order of [`Spoken::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Spoken> {
        Spoken::ALL.into_iter().filter(move |l| self.contains(*l))
    }
}

impl FromIterator<Spoken> for SpokenSet {
    fn from_iter<I: IntoIterator<Item = Spoken>>(languages: I) -> Self {
        languages.into_iter().fold(Self::EMPTY, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_round_trip() {
        for language in Language::ALL {
            assert_eq!(Language::from_name(language.as_str()), Some(language));
        }
        for spoken in Spoken::ALL {
            assert_eq!(Spoken::from_name(spoken.as_str()), Some(spoken));
        }
        assert_eq!(Language::from_name("EN"), None);
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        let both: SpokenSet = [Spoken::Fr, Spoken::En].into_iter().collect();
        assert!(both.is_bilingual());
        assert!(!both.contains(Spoken::Es));
        assert_eq!(both.iter().collect::<Vec<_>>(), [Spoken::En, Spoken::Fr]);
    }
}
