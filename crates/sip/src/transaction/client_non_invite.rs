//! Non-INVITE client transaction: RFC 3261 §17.1.2.

use havre_model::Mono;

use super::{Backoff, Fired, OnResponse};
use crate::config::Timers;

/// From our request until no response of its can arrive any more.
#[derive(Debug)]
pub(crate) struct ClientNonInvite {
    state: State,
    timers: Timers,
    reliable: bool,
}

#[derive(Debug)]
enum State {
    /// Trying and Proceeding differ only in the pace of timer E; timer F gives up in both.
    Trying {
        resend: Option<Backoff>,
        give_up: Mono,
    },
    /// A final response. Timer K absorbs repetitions.
    Completed {
        until: Mono,
    },
    Terminated,
}

impl ClientNonInvite {
    pub(crate) fn new(timers: Timers, reliable: bool, now: Mono) -> Self {
        let resend = (!reliable).then(|| Backoff::new(now, timers.t1, Some(timers.t2)));
        Self { state: State::Trying { resend, give_up: now + timers.t1x64() }, timers, reliable }
    }

    pub(crate) fn on_response(&mut self, status: u16, now: Mono) -> OnResponse {
        let State::Trying { resend, .. } = &mut self.state else {
            return OnResponse::Absorb;
        };
        if status < 200 {
            if let Some(resend) = resend {
                resend.slow_to(self.timers.t2);
            }
        } else if self.reliable {
            self.state = State::Terminated;
        } else {
            self.state = State::Completed { until: now + self.timers.t4 };
        }
        OnResponse::Deliver
    }

    pub(crate) fn on_timeout(&mut self, now: Mono) -> Fired {
        match &mut self.state {
            State::Trying { give_up, .. } if *give_up <= now => {
                self.state = State::Terminated;
                Fired::TimedOut
            }
            State::Trying { resend: Some(resend), .. } if resend.at <= now => {
                resend.advance();
                Fired::Resend
            }
            State::Completed { until } if *until <= now => {
                self.state = State::Terminated;
                Fired::Terminated
            }
            _ => Fired::Nothing,
        }
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        match &self.state {
            State::Trying { resend: Some(resend), give_up } => Some(resend.at.min(*give_up)),
            State::Trying { resend: None, give_up } => Some(*give_up),
            State::Completed { until } => Some(*until),
            State::Terminated => None,
        }
    }

    /// No final response yet.
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.state, State::Trying { .. })
    }

    pub(crate) fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}
