//! The keys that callers press in their talks, on the way to the one advocate each is meant for. They are handed on and
//! kept nowhere: who is not there to see one, or does not keep up, misses it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use havre_model::{AgentId, CallId, Digit, Unix};
use serde::Serialize;
use tokio::sync::broadcast;
use utoipa::ToSchema;

use super::frame;

/// Keys under way to one advocate. A caller presses a few in a second; a storm of keys says nothing more.
const UNDER_WAY: usize = 32;

/// Data of an event of type `key`: the caller pressed a key in the talk.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyNews {
    call: String,
    /// `0` to `9`, `*`, `#`, or `A` to `D`.
    #[schema(example = "1")]
    digit: String,
    /// When, in milliseconds since 1970 (UTC).
    at: i64,
}

/// Who wishes to see which keys.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    desks: Mutex<HashMap<AgentId, broadcast::Sender<Bytes>>>,
}

impl Keys {
    /// A key for `agent`.
    pub(crate) fn press(&self, agent: &AgentId, call: CallId, digit: Digit, at: Unix) {
        if let Some(desk) = self.lock().get(agent) {
            let news = KeyNews { call: call.to_string(), digit: digit.to_string(), at: at.as_millis() };
            // Nobody may look just now.
            let _ = desk.send(frame("key", &news));
        }
    }

    /// The keys for `agent` from now on.
    pub(crate) fn listen(&self, agent: &AgentId) -> broadcast::Receiver<Bytes> {
        let mut desks = self.lock();
        desks.retain(|_, desk| desk.receiver_count() > 0);
        desks.entry(agent.clone()).or_insert_with(|| broadcast::Sender::new(UNDER_WAY)).subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgentId, broadcast::Sender<Bytes>>> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
