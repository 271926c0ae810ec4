//! Deadlines, at most one per thing. The state that a deadline belongs to sets it and cancels it.

use std::collections::{BTreeMap, BTreeSet};

use havre_model::{AgentId, CallId, Mono, OfferId, Wakeup};

/// Whose deadline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// An answer of the store is overdue, or a late one is no longer of interest.
    Op(u64),
    /// An offer has rung for its time.
    Offer(OfferId),
    /// The search for an agent widens, or supervisors are paged.
    Caller(CallId),
    /// Wrap-up or a protected time ends, or the agent may be rung again.
    Agent(AgentId),
    /// Held leases are renewed.
    Renew,
}

impl Timer {
    const fn why(&self) -> &'static str {
        match self {
            Self::Op(_) => "store is silent",
            Self::Offer(_) => "offer rings out",
            Self::Caller(_) => "search widens",
            Self::Agent(_) => "agent's time is up",
            Self::Renew => "leases are renewed",
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    at: BTreeMap<Timer, Mono>,
    order: BTreeSet<(Mono, Timer)>,
}

impl Timers {
    /// Sets the deadline, or cancels it.
    pub(crate) fn set(&mut self, timer: Timer, at: Option<Mono>) {
        if let Some(old) = self.at.remove(&timer) {
            self.order.remove(&(old, timer.clone()));
        }
        if let Some(at) = at {
            self.at.insert(timer.clone(), at);
            self.order.insert((at, timer));
        }
    }

    pub(crate) fn at(&self, timer: &Timer) -> Option<Mono> {
        self.at.get(timer).copied()
    }

    /// Takes the earliest deadline that is due.
    pub(crate) fn pop(&mut self, now: Mono) -> Option<Timer> {
        if self.order.first()?.0 > now {
            return None;
        }
        let (_, timer) = self.order.pop_first()?;
        self.at.remove(&timer);
        Some(timer)
    }

    pub(crate) fn next(&self) -> Option<Wakeup> {
        self.order.first().map(|(at, timer)| Wakeup { at: *at, why: timer.why() })
    }

    pub(crate) fn len(&self) -> usize {
        self.at.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn one_deadline_per_thing_in_order_of_time() {
        let at = |s| Mono::from_start(Duration::from_secs(s));
        let mut timers = Timers::default();
        timers.set(Timer::Op(1), Some(at(5)));
        timers.set(Timer::Op(1), Some(at(9)));
        timers.set(Timer::Renew, Some(at(7)));
        assert_eq!(timers.next().map(|w| w.at), Some(at(7)));
        assert_eq!(timers.pop(at(6)), None);
        assert_eq!(timers.pop(at(9)), Some(Timer::Renew));
        assert_eq!(timers.pop(at(9)), Some(Timer::Op(1)));
        timers.set(Timer::Op(1), Some(at(9)));
        timers.set(Timer::Op(1), None);
        assert_eq!((timers.pop(at(10)), timers.len()), (None, 0));
    }
}
