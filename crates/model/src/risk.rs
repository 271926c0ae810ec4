//! Risk classes and what they are worth in the order of the line.

use std::fmt;

/// The class of a call, lowest first, so that "rises" is `>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Risk {
    /// Declared by key 7: a report or a question.
    Information,
    /// The default.
    Standard,
    /// A redial, one-ring calls, a key storm, an advocate's lost leg.
    Elevated,
    /// Key 5, an urgent call that was cut off, an advocate's escalation.
    Urgent,
}

impl Risk {
    /// All, lowest first.
    pub const ALL: [Self; 4] = [Self::Information, Self::Standard, Self::Elevated, Self::Urgent];

    /// The stable spelling: `information`, `standard`, `elevated`, `urgent`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Information => "information",
            Self::Standard => "standard",
            Self::Elevated => "elevated",
            Self::Urgent => "urgent",
        }
    }

    /// From the stable spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == name)
    }

    /// Head start in the order of the line, in milliseconds: order = arrival − head start. `information` waits back.
    #[must_use]
    pub const fn head_start_millis(self) -> i64 {
        match self {
            Self::Information => -60_000,
            Self::Standard => 0,
            Self::Elevated => 60_000,
            Self::Urgent => 600_000,
        }
    }

    /// The class after a wish for `to`: classes only rise, except that `standard` may become `information`.
    #[must_use]
    pub fn changed_to(self, to: Self) -> Self {
        match (self, to) {
            (Self::Standard, Self::Information) => Self::Information,
            _ => self.max(to),
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_only_rises_except_key_7_on_standard() {
        for from in Risk::ALL {
            for to in Risk::ALL {
                let then = from.changed_to(to);
                if from == Risk::Standard && to == Risk::Information {
                    assert_eq!(then, Risk::Information);
                } else {
                    assert_eq!(then, from.max(to));
                }
            }
        }
    }

    #[test]
    fn head_starts_are_those_of_the_journey() {
        assert_eq!(Risk::ALL.map(Risk::head_start_millis), [-60_000, 0, 60_000, 600_000]);
    }
}
