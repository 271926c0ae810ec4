//! When each call wants to be woken: an index, so that ten thousand waiting callers cost nothing while they wait.

use std::collections::{BTreeSet, HashMap};

use havre_model::{CallId, Mono, Wakeup};

#[derive(Debug, Default)]
pub(crate) struct Wakeups {
    order: BTreeSet<(Mono, CallId)>,
    of: HashMap<CallId, Wakeup>,
}

impl Wakeups {
    /// Notes when `call` wants to be woken next; `None` forgets it.
    pub(crate) fn set(&mut self, call: CallId, wakeup: Option<Wakeup>) {
        if self.of.get(&call).copied() == wakeup {
            return;
        }
        if let Some(old) = self.of.remove(&call) {
            self.order.remove(&(old.at, call));
        }
        if let Some(new) = wakeup {
            self.order.insert((new.at, call));
            self.of.insert(call, new);
        }
    }

    /// The next wake-up of all.
    pub(crate) fn next(&self) -> Option<Wakeup> {
        self.order.first().and_then(|(_, call)| self.of.get(call)).copied()
    }

    /// A call whose time has come; it is forgotten until `set` again.
    pub(crate) fn take_due(&mut self, now: Mono) -> Option<CallId> {
        let (at, call) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.order.pop_first();
        self.of.remove(&call);
        Some(call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(secs: u64) -> Wakeup {
        Wakeup { at: Mono::from_start(Duration::from_secs(secs)), why: "test" }
    }

    #[test]
    fn calls_are_woken_in_order_and_only_when_due() {
        let mut wakeups = Wakeups::default();
        wakeups.set(CallId(1), Some(at(5)));
        wakeups.set(CallId(2), Some(at(3)));
        wakeups.set(CallId(1), Some(at(4)));
        assert_eq!(wakeups.next(), Some(at(3)));
        assert_eq!(wakeups.take_due(at(3).at), Some(CallId(2)));
        assert_eq!(wakeups.take_due(at(3).at), None);
        wakeups.set(CallId(1), None);
        assert_eq!(wakeups.next(), None);
    }
}
