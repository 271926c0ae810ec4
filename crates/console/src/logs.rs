//! What happened in each call, for a supervisor who looks into it: calls in progress, and the last ones that are over.
//! No key's digit is in it, as nowhere else.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use havre_model::{CallEvent, CallId, What, limits};
use serde_json::value::RawValue;

use crate::events::CallNews;

/// Events kept of one call: a usual one has some 20; a storm of keys would have thousands.
const MAX_EVENTS: usize = 128;
/// Calls kept that are over: a supervisor asks about the last hour.
const MAX_OVER: usize = 256;

/// The logs. Writing never blocks longer than a reader copies one.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    logs: HashMap<CallId, Log>,
    over: VecDeque<CallId>,
}

/// One call's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    /// Ready for the wire.
    pub(crate) events: Vec<Box<RawValue>>,
    /// Events that were too many.
    pub(crate) left_out: u64,
}

impl Logs {
    pub(crate) fn on_call(&self, event: &CallEvent) {
        let mut calls = self.lock();
        if matches!(event.what, What::Arrived { .. }) {
            if calls.logs.len() >= limits::MAX_CALLS + MAX_OVER {
                return;
            }
            calls.logs.entry(event.call).or_default();
        }
        let Some(log) = calls.logs.get_mut(&event.call) else { return };
        let ended = matches!(event.what, What::Ended { .. });
        // How it ended is always said.
        if log.events.len() < MAX_EVENTS || ended {
            log.events.extend(serde_json::value::to_raw_value(&CallNews::new(event)));
        } else {
            log.left_out += 1;
        }
        if ended {
            calls.over.push_back(event.call);
            if calls.over.len() > MAX_OVER
                && let Some(oldest) = calls.over.pop_front()
            {
                calls.logs.remove(&oldest);
            }
        }
    }

    pub(crate) fn of(&self, call: CallId) -> Option<Log> {
        self.lock().logs.get(&call).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use havre_model::{Cause, Outcome, Unix};

    use super::*;

    #[test]
    fn a_log_outlives_its_call_for_a_while_and_is_never_long() {
        let logs = Logs::default();
        let tell =
            |call, what| logs.on_call(&CallEvent { call: CallId(call), at: Unix::from_millis(1), what });
        let arrived = || What::Arrived { line: "hotline".parse().unwrap(), trunk: "demo".parse().unwrap() };
        let ended = || What::Ended { outcome: Outcome::Abandoned, cause: Cause::CallerHungUp };
        tell(1, What::Picked);
        assert!(logs.of(CallId(1)).is_none(), "nothing is begun by what comes after the end");
        tell(1, arrived());
        for _ in 0..MAX_EVENTS + 10 {
            tell(1, What::Paged);
        }
        tell(1, ended());
        let log = logs.of(CallId(1)).unwrap();
        assert_eq!((log.events.len(), log.left_out), (MAX_EVENTS + 1, 11));
        assert!(log.events[MAX_EVENTS].get().contains("abandoned"));
        for call in 2..MAX_OVER as u64 + 2 {
            tell(call, arrived());
            tell(call, ended());
        }
        assert!(logs.of(CallId(1)).is_none());
        assert!(logs.of(CallId(2)).is_some());
    }
}
