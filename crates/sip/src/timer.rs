//! One queue for every deadline of an endpoint.
//!
//! Owners keep the [`Alarm`] of the deadline they are waiting for and cancel it when they leave the state it belongs
//! to, so the queue never holds more than what really is to happen.

use std::collections::BTreeMap;

use havre_model::{Mono, Wakeup};

/// Deadlines in order, each with what it is for.
pub(crate) struct TimerQueue<T> {
    queue: BTreeMap<Alarm, T>,
    generation: u64,
}

/// One set deadline. The generation makes it unique, and keeps deadlines of one moment in the order they were set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Alarm {
    at: Mono,
    generation: u64,
}

/// What a wake-up is for, in a word for logs.
pub(crate) trait Why {
    fn why(&self) -> &'static str;
}

impl<T: Why> TimerQueue<T> {
    pub(crate) const fn new() -> Self {
        Self { queue: BTreeMap::new(), generation: 0 }
    }

    pub(crate) fn set(&mut self, at: Mono, what: T) -> Alarm {
        self.generation += 1;
        let alarm = Alarm { at, generation: self.generation };
        self.queue.insert(alarm, what);
        alarm
    }

    /// Does nothing if it has fired.
    pub(crate) fn cancel(&mut self, alarm: Alarm) {
        self.queue.remove(&alarm);
    }

    /// The next that is due at `now`.
    pub(crate) fn pop(&mut self, now: Mono) -> Option<T> {
        let first = self.queue.first_entry()?;
        (first.key().at <= now).then(|| first.remove())
    }

    pub(crate) fn next(&self) -> Option<Wakeup> {
        self.queue.first_key_value().map(|(alarm, what)| Wakeup { at: alarm.at, why: what.why() })
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    impl Why for &'static str {
        fn why(&self) -> &'static str {
            self
        }
    }

    #[test]
    fn deadlines_fire_in_order_and_cancelled_ones_never() {
        let at = |s| Mono::from_start(Duration::from_secs(s));
        let mut queue = TimerQueue::new();
        queue.set(at(2), "second");
        let gone = queue.set(at(1), "cancelled");
        queue.set(at(1), "first");
        queue.set(at(2), "third");
        queue.cancel(gone);
        queue.cancel(gone);
        assert_eq!(queue.next().map(|w| (w.at, w.why)), Some((at(1), "first")));
        assert_eq!(queue.pop(at(0)), None);
        assert_eq!(
            [queue.pop(at(9)), queue.pop(at(9)), queue.pop(at(9))],
            [Some("first"), Some("second"), Some("third")]
        );
        assert_eq!((queue.pop(at(9)), queue.len()), (None, 0));
    }
}
