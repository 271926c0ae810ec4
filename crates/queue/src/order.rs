//! The order of the line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use havre_model::{CallId, Risk, Unix};

use crate::reach::Terms;

/// A caller's place in the order: `arrival − head start`, in Unix milliseconds; lower goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Score(i64);

impl Score {
    /// The score of a caller who arrived then and is in this class now.
    #[must_use]
    pub const fn new(arrival: Unix, risk: Risk) -> Self {
        Self(arrival.as_millis().saturating_sub(risk.head_start_millis()))
    }

    /// In Unix milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A caller's key in the order: the score, and the call's id where scores tie.
pub(crate) type Turn = (Score, CallId);

/// All waiting callers, in order, filed by the terms on which they stand: whoever is to be found next is at the
/// front of one of a few files.
#[derive(Debug, Default)]
pub(crate) struct Line {
    filed: BTreeMap<CallId, (Terms, Score)>,
    files: BTreeMap<Terms, BTreeSet<Turn>>,
    urgent: usize,
}

impl Line {
    /// Files the caller anew, or takes the caller out of the line.
    pub(crate) fn set(&mut self, call: CallId, filing: Option<(Terms, Score)>) {
        if self.filed.get(&call).copied() == filing {
            return;
        }
        if let Some((terms, score)) = self.filed.remove(&call) {
            self.urgent -= usize::from(terms.urgent);
            if let Some(file) = self.files.get_mut(&terms) {
                file.remove(&(score, call));
                if file.is_empty() {
                    self.files.remove(&terms);
                }
            }
        }
        if let Some((terms, score)) = filing {
            self.urgent += usize::from(terms.urgent);
            self.filed.insert(call, (terms, score));
            self.files.entry(terms).or_default().insert((score, call));
        }
    }

    pub(crate) fn at(&self, call: CallId) -> Option<(Terms, Score)> {
        self.filed.get(&call).copied()
    }

    /// The first in order of those whose terms will do.
    pub(crate) fn first(&self, will_do: impl Fn(&Terms) -> bool) -> Option<(CallId, Terms)> {
        self.files
            .iter()
            .filter(|(terms, _)| will_do(terms))
            .filter_map(|(terms, file)| Some((file.first()?, terms)))
            .min_by_key(|(turn, _)| **turn)
            .map(|((_, call), terms)| (*call, *terms))
    }

    /// Whether an urgent caller waits.
    pub(crate) fn has_urgent(&self) -> bool {
        self.urgent > 0
    }

    pub(crate) fn len(&self) -> usize {
        self.filed.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_urgent_caller_goes_before_anyone_of_the_last_ten_minutes() {
        let at = |seconds: i64| Unix::from_millis(seconds * 1000);
        assert!(Score::new(at(599), Risk::Urgent) < Score::new(at(0), Risk::Standard));
        assert!(Score::new(at(601), Risk::Urgent) > Score::new(at(0), Risk::Standard));
        assert!(Score::new(at(59), Risk::Elevated) < Score::new(at(0), Risk::Standard));
        assert!(Score::new(at(59), Risk::Standard) < Score::new(at(0), Risk::Information));
    }

    #[test]
    fn the_first_is_found_across_files_and_ties_go_by_id() {
        let calm = Terms::default();
        let urgent = Terms { urgent: true, ..Terms::default() };
        let mut line = Line::default();
        line.set(CallId(2), Some((calm, Score(5))));
        line.set(CallId(1), Some((calm, Score(5))));
        line.set(CallId(9), Some((urgent, Score(3))));
        assert_eq!(line.first(|_| true).map(|(call, _)| call), Some(CallId(9)));
        assert_eq!(line.first(|terms| !terms.urgent).map(|(call, _)| call), Some(CallId(1)));
        assert!(line.has_urgent());
        line.set(CallId(9), Some((calm, Score(9))));
        assert!(!line.has_urgent());
        line.set(CallId(9), None);
        line.set(CallId(9), None);
        assert_eq!(line.len(), 2);
    }
}
