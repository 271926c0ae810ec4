//! Server transactions that are answered for good, and only wait until no repetition can come any more (RFC 3261
//! §17.2.2, timer J; RFC 6026 §7.1, timer L).
//!
//! They outnumber those that are alive by far: each lives for half a minute, a call leaves two of them, and thousands of
//! calls may come in a second. So no more is kept of one than tells what to do with a repetition.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use havre_model::{Mono, limits};

use super::server::Key;
use crate::timer::Alarm;

/// Those that are over are looked for no more often than this.
const PURGE_EVERY: Duration = Duration::from_secs(1);

/// What a repetition gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Epilogue {
    /// Nothing: an INVITE whose 2xx is repeated by its leg.
    Absorb,
    /// The same answer again, which is made of the request and this status alone.
    Again(u16),
}

/// See the module's page.
#[derive(Default)]
pub(super) struct Finished {
    table: HashMap<Key, Epilogue>,
    /// All live equally long, so the first to come is the first to go.
    order: VecDeque<(Mono, Key)>,
    /// When they are looked through next.
    pub(super) alarm: Option<Alarm>,
}

impl Finished {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn find(&self, key: Key, now: Mono) -> Option<Epilogue> {
        // What has run out may be here for a moment yet.
        let first = self.order.front().is_some_and(|(until, first)| *first == key && *until <= now);
        self.table.get(&key).copied().filter(|_| !first)
    }

    /// Notes one. True if the oldest had to go for it.
    pub(super) fn note(&mut self, key: Key, epilogue: Epilogue, until: Mono) -> bool {
        if self.table.insert(key, epilogue).is_some() {
            return false;
        }
        self.order.push_back((until, key));
        let full = self.order.len() > limits::MAX_FINISHED_TRANSACTIONS;
        if full && let Some((_, oldest)) = self.order.pop_front() {
            self.table.remove(&oldest);
        }
        full
    }

    /// Forgets those that are over. When to come again, if any are left.
    pub(super) fn purge(&mut self, now: Mono) -> Option<Mono> {
        while let Some((_, key)) = self.order.pop_front_if(|(until, _)| *until <= now) {
            self.table.remove(&key);
        }
        self.next(now)
    }

    /// When `purge` is wanted next.
    pub(super) fn next(&self, now: Mono) -> Option<Mono> {
        self.order.front().map(|(until, _)| (*until).max(now + PURGE_EVERY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Mono {
        Mono::from_start(Duration::from_secs(secs))
    }

    #[test]
    fn each_is_known_for_its_time_and_no_longer() {
        let mut finished = Finished::default();
        finished.note(Key(1), Epilogue::Absorb, at(32));
        finished.note(Key(2), Epilogue::Again(200), at(40));
        assert_eq!(finished.find(Key(1), at(31)), Some(Epilogue::Absorb));
        assert_eq!(finished.find(Key(1), at(32)), None);
        assert_eq!(finished.find(Key(2), at(33)), Some(Epilogue::Again(200)));
        assert_eq!(finished.purge(at(32)), Some(at(40)));
        assert_eq!(finished.purge(at(40)), None);
        assert_eq!(finished.len(), 0);
    }

    #[test]
    fn the_oldest_make_room() {
        let mut finished = Finished::default();
        for n in 0..limits::MAX_FINISHED_TRANSACTIONS as u64 {
            assert!(!finished.note(Key(n), Epilogue::Absorb, at(32)));
        }
        assert!(finished.note(Key(u64::MAX), Epilogue::Absorb, at(33)));
        assert_eq!(finished.len(), limits::MAX_FINISHED_TRANSACTIONS);
        assert_eq!(finished.find(Key(0), at(1)), None);
        assert!(finished.find(Key(1), at(1)).is_some());
    }
}
