//! Events on their way to the control plane, which the data thread never waits for.

use std::collections::VecDeque;
use std::sync::Arc;

use havre_media::Event;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::ShardEvent;
use super::counters::Counters;

/// Events that may wait for the control plane. It is busy with 1,000 calls for milliseconds at most; this is seconds.
const MAX_WAITING: usize = 4_096;

/// Sends events, and keeps those that must not be lost while the channel is full.
pub(super) struct Outbox {
    to: Sender<ShardEvent>,
    waiting: VecDeque<ShardEvent>,
    counters: Arc<Counters>,
}

impl Outbox {
    pub(super) const fn new(to: Sender<ShardEvent>, counters: Arc<Counters>) -> Self {
        Self { to, waiting: VecDeque::new(), counters }
    }

    /// Sends `event` now, or later, or, if it is only a measurement and the channel is full, never.
    pub(super) fn send(&mut self, event: ShardEvent) {
        if self.waiting.is_empty() {
            match self.to.try_send(event) {
                Ok(()) | Err(TrySendError::Closed(_)) => {}
                Err(TrySendError::Full(event)) => self.keep(event),
            }
        } else {
            self.keep(event);
        }
    }

    /// Tries again to send what waits.
    pub(super) fn flush(&mut self) {
        while let Some(event) = self.waiting.pop_front() {
            match self.to.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => {
                    self.waiting.push_front(event);
                    return;
                }
                Err(TrySendError::Closed(_)) => self.waiting.clear(),
            }
        }
    }

    /// Whether `flush` has something to do.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn keep(&mut self, event: ShardEvent) {
        let measurement =
            matches!(event, ShardEvent::Media(Event::Heard { .. } | Event::Quality { last: false, .. }));
        if measurement || self.waiting.len() >= MAX_WAITING {
            if !measurement {
                tracing::error!(?event, "the control plane does not read: event dropped");
            }
            Counters::count(&self.counters.events_dropped);
        } else {
            self.waiting.push_back(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use havre_model::LegId;
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn measurements_are_dropped_and_the_rest_waits_in_order() {
        let counters = Arc::new(Counters::default());
        let (to, mut from) = mpsc::channel(1);
        let mut outbox = Outbox::new(to, Arc::clone(&counters));
        let lost = |n| ShardEvent::Media(Event::Unreachable { leg: LegId(n) });
        let heard = ShardEvent::Media(Event::Heard { leg: LegId(9), hz: 0.0, dbm0: -96.0, purity: 0.0 });
        for event in [lost(1), heard, lost(2), lost(3)] {
            outbox.send(event);
        }
        assert_eq!(counters.events_dropped.load(Ordering::Relaxed), 1);
        let mut seen = Vec::new();
        while let Ok(event) = from.try_recv() {
            seen.push(event);
            outbox.flush();
        }
        assert_eq!(seen, [lost(1), lost(2), lost(3)]);
        assert!(!outbox.is_waiting());
    }

    #[test]
    fn a_full_backlog_drops_and_counts() {
        let counters = Arc::new(Counters::default());
        let (to, _from) = mpsc::channel(1);
        let mut outbox = Outbox::new(to, Arc::clone(&counters));
        for n in 0..u64::try_from(MAX_WAITING).unwrap() + 3 {
            outbox.send(ShardEvent::OpenFailed { leg: LegId(n) });
        }
        assert_eq!(counters.events_dropped.load(Ordering::Relaxed), 2);
    }
}
