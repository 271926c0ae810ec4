//! INVITE server transaction: RFC 3261 §17.2.1, with the Accepted state of RFC 6026 §7.1.

use havre_model::Mono;

use super::{Backoff, Fired, OnRequest};
use crate::config::Timers;

/// From a received INVITE until no repetition of it, and no ACK, can arrive any more.
#[derive(Debug)]
pub(crate) struct ServerInvite {
    state: State,
    timers: Timers,
    reliable: bool,
}

#[derive(Debug)]
enum State {
    /// Provisional responses only.
    Proceeding,
    /// Refused. Timer G resends (unreliable transports), timer H stops waiting for the ACK.
    Completed {
        resend: Option<Backoff>,
        give_up: Mono,
    },
    /// Refused and acknowledged. Timer I absorbs further ACKs.
    Confirmed {
        until: Mono,
    },
    /// 2xx sent. Timer L: repeated INVITEs are absorbed; the transaction user repeats the 2xx, not we.
    Accepted {
        until: Mono,
    },
    Terminated,
}

impl ServerInvite {
    pub(crate) const fn new(timers: Timers, reliable: bool) -> Self {
        Self { state: State::Proceeding, timers, reliable }
    }

    /// A response of the transaction user's. False if it comes too late to be sent.
    pub(crate) fn on_respond(&mut self, status: u16, now: Mono) -> bool {
        match (&self.state, status) {
            (State::Proceeding, ..200) => true,
            (State::Proceeding, 200..300) => {
                self.state = State::Accepted { until: now + self.timers.t1x64() };
                true
            }
            (State::Proceeding, _) => {
                let resend =
                    (!self.reliable).then(|| Backoff::new(now, self.timers.t1, Some(self.timers.t2)));
                self.state = State::Completed { resend, give_up: now + self.timers.t1x64() };
                true
            }
            (State::Accepted { .. }, 200..300) => true,
            _ => false,
        }
    }

    /// The INVITE again.
    pub(crate) const fn on_request(&self) -> OnRequest {
        match self.state {
            State::Proceeding | State::Completed { .. } => OnRequest::ResendLast,
            State::Confirmed { .. } | State::Accepted { .. } | State::Terminated => OnRequest::Absorb,
        }
    }

    pub(crate) fn on_ack(&mut self, now: Mono) -> OnRequest {
        match self.state {
            State::Completed { .. } => {
                self.state = if self.reliable {
                    State::Terminated
                } else {
                    State::Confirmed { until: now + self.timers.t4 }
                };
                OnRequest::Absorb
            }
            State::Accepted { .. } => OnRequest::Deliver,
            State::Proceeding | State::Confirmed { .. } | State::Terminated => OnRequest::Absorb,
        }
    }

    pub(crate) fn on_timeout(&mut self, now: Mono) -> Fired {
        match &mut self.state {
            State::Completed { give_up, .. } if *give_up <= now => {
                self.state = State::Terminated;
                Fired::TimedOut
            }
            State::Completed { resend: Some(resend), .. } if resend.at <= now => {
                resend.advance();
                Fired::Resend
            }
            State::Confirmed { until } | State::Accepted { until } if *until <= now => {
                self.state = State::Terminated;
                Fired::Terminated
            }
            _ => Fired::Nothing,
        }
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        match &self.state {
            State::Completed { resend: Some(resend), give_up } => Some(resend.at.min(*give_up)),
            State::Completed { resend: None, give_up } => Some(*give_up),
            State::Confirmed { until } | State::Accepted { until } => Some(*until),
            State::Proceeding | State::Terminated => None,
        }
    }

    /// No final response yet.
    pub(crate) const fn is_pending(&self) -> bool {
        matches!(self.state, State::Proceeding)
    }

    pub(crate) const fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}
