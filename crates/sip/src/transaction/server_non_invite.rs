//! Non-INVITE server transaction: RFC 3261 §17.2.2.

use havre_model::Mono;

use super::{Fired, OnRequest};
use crate::config::Timers;

/// From a received request until no repetition of it can arrive any more.
#[derive(Debug)]
pub(crate) struct ServerNonInvite {
    state: State,
    timers: Timers,
    reliable: bool,
}

#[derive(Debug)]
enum State {
    /// Trying and Proceeding: no final response yet.
    Pending,
    /// Final response sent. Timer J: repetitions get it again.
    Completed {
        until: Mono,
    },
    Terminated,
}

impl ServerNonInvite {
    pub(crate) const fn new(timers: Timers, reliable: bool) -> Self {
        Self { state: State::Pending, timers, reliable }
    }

    /// A response of the transaction user's. False if it comes too late to be sent.
    pub(crate) fn on_respond(&mut self, status: u16, now: Mono) -> bool {
        let State::Pending = self.state else {
            return false;
        };
        if status >= 200 {
            self.state = if self.reliable {
                State::Terminated
            } else {
                State::Completed { until: now + self.timers.t1x64() }
            };
        }
        true
    }

    /// The request again.
    pub(crate) const fn on_request(&self) -> OnRequest {
        match self.state {
            State::Pending | State::Completed { .. } => OnRequest::ResendLast,
            State::Terminated => OnRequest::Absorb,
        }
    }

    pub(crate) fn on_timeout(&mut self, now: Mono) -> Fired {
        match self.state {
            State::Completed { until } if until <= now => {
                self.state = State::Terminated;
                Fired::Terminated
            }
            _ => Fired::Nothing,
        }
    }

    pub(crate) const fn deadline(&self) -> Option<Mono> {
        match self.state {
            State::Completed { until } => Some(until),
            State::Pending | State::Terminated => None,
        }
    }

    pub(crate) const fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}
