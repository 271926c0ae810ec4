//! Notices when a leg falls silent on the wire. It only reports: media never ends a call.

use std::time::Duration;

use havre_model::{LegId, Mono};

use crate::Event;

/// A far side that said "comfort noise" sends little on purpose: it has this many times longer.
const PAUSED_FACTOR: u32 = 5;

/// One leg's watch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    heard: Mono,
    paused: bool,
    lost: bool,
    unreachable: bool,
}

impl Watch {
    pub(crate) fn new(now: Mono) -> Self {
        Self { heard: now, paused: false, lost: false, unreachable: false }
    }

    /// A packet came in.
    pub(crate) fn on_packet(&mut self, leg: LegId, paused: bool, now: Mono) -> Option<Event> {
        let back = self.lost || self.unreachable;
        *self = Self { paused, ..Self::new(now) };
        back.then_some(Event::MediaBack { leg })
    }

    /// A browser has not consented for too long.
    pub(crate) fn on_no_consent(&mut self, leg: LegId, now: Mono) -> Option<Event> {
        let first = !std::mem::replace(&mut self.lost, true);
        first.then_some(Event::MediaLost { leg, for_: now.since(self.heard) })
    }

    /// The network said that nobody listens there.
    pub(crate) fn on_unreachable(&mut self, leg: LegId) -> Option<Event> {
        let first = !std::mem::replace(&mut self.unreachable, true);
        first.then_some(Event::Unreachable { leg })
    }

    /// Once a tick: `due` says whether packets should be coming at all.
    pub(crate) fn tick(&mut self, leg: LegId, due: bool, limit: Duration, now: Mono) -> Option<Event> {
        if !due {
            self.heard = now;
            return None;
        }
        let limit = if self.paused { limit * PAUSED_FACTOR } else { limit };
        let for_ = now.since(self.heard);
        let lost = !self.lost && for_ >= limit;
        self.lost |= lost;
        lost.then_some(Event::MediaLost { leg, for_ })
    }
}
