//! INVITE client transaction: RFC 3261 §17.1.1, with the Accepted state of RFC 6026 §7.2.

use std::time::Duration;

use havre_model::Mono;

use super::{Backoff, Fired, OnResponse};
use crate::config::Timers;

/// From our INVITE until no response of its can arrive any more.
#[derive(Debug)]
pub(crate) struct ClientInvite {
    state: State,
    timers: Timers,
    reliable: bool,
}

#[derive(Debug)]
enum State {
    /// Nothing heard. Timer A resends (unreliable transports), timer B gives up.
    Calling {
        resend: Option<Backoff>,
        give_up: Mono,
    },
    /// A provisional response. How long it rings is the transaction user's affair.
    Proceeding,
    /// A final refusal. Timer D: repeated finals are acknowledged again.
    Completed {
        until: Mono,
    },
    /// A 2xx. Timer M: further 2xx (also of other forks) go to the transaction user.
    Accepted {
        until: Mono,
    },
    Terminated,
}

impl ClientInvite {
    pub(crate) fn new(timers: Timers, reliable: bool, now: Mono) -> Self {
        let resend = (!reliable).then(|| Backoff::new(now, timers.t1, None));
        Self { state: State::Calling { resend, give_up: now + timers.t1x64() }, timers, reliable }
    }

    pub(crate) fn on_response(&mut self, status: u16, now: Mono) -> OnResponse {
        match (&self.state, status) {
            (State::Calling { .. } | State::Proceeding, ..200) => {
                self.state = State::Proceeding;
                OnResponse::Deliver
            }
            (State::Calling { .. } | State::Proceeding, 200..300) => {
                self.state = State::Accepted { until: now + self.timers.t1x64() };
                OnResponse::Deliver
            }
            (State::Calling { .. } | State::Proceeding, _) => {
                // Timer D: at least 32 s on unreliable transports, 0 on reliable ones.
                let d = if self.reliable { Duration::ZERO } else { self.timers.t1x64() };
                self.state = State::Completed { until: now + d };
                OnResponse::AckAndDeliver
            }
            (State::Accepted { .. }, 200..300) => OnResponse::Deliver,
            (State::Completed { .. }, 300..) => OnResponse::Ack,
            (State::Completed { .. } | State::Accepted { .. } | State::Terminated, _) => OnResponse::Absorb,
        }
    }

    pub(crate) fn on_timeout(&mut self, now: Mono) -> Fired {
        match &mut self.state {
            State::Calling { give_up, .. } if *give_up <= now => {
                self.state = State::Terminated;
                Fired::TimedOut
            }
            State::Calling { resend: Some(resend), .. } if resend.at <= now => {
                resend.advance();
                Fired::Resend
            }
            State::Completed { until } | State::Accepted { until } if *until <= now => {
                self.state = State::Terminated;
                Fired::Terminated
            }
            _ => Fired::Nothing,
        }
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        match &self.state {
            State::Calling { resend: Some(resend), give_up } => Some(resend.at.min(*give_up)),
            State::Calling { resend: None, give_up } => Some(*give_up),
            State::Completed { until } | State::Accepted { until } => Some(*until),
            State::Proceeding | State::Terminated => None,
        }
    }

    /// A CANCEL may be sent now (§9.1: not before a provisional response, and of no use after a final one).
    pub(crate) fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding)
    }

    /// No final response yet.
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.state, State::Calling { .. } | State::Proceeding)
    }

    pub(crate) fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}
