//! Transactions (RFC 3261 §17, RFC 6026): four small machines, and the table that holds them.
//!
//! The machines know statuses and deadlines, not messages: what to send again is kept by the [`table`].

mod client_invite;
mod client_non_invite;
mod server_invite;
mod server_non_invite;
#[cfg(test)]
mod tests;

pub(crate) use client_invite::ClientInvite;
pub(crate) use client_non_invite::ClientNonInvite;
pub(crate) use server_invite::ServerInvite;
pub(crate) use server_non_invite::ServerNonInvite;

use std::time::Duration;

use havre_model::Mono;

/// What a deadline asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fired {
    /// None was due.
    Nothing,
    /// Send the last message again.
    Resend,
    /// No answer: tell the transaction user. The transaction is over.
    TimedOut,
    /// The transaction has absorbed what it had to. It is over.
    Terminated,
}

/// What to do with a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnResponse {
    /// Pass it to the transaction user.
    Deliver,
    /// Send the ACK of a non-2xx, and pass it on.
    AckAndDeliver,
    /// Send the ACK again.
    Ack,
    /// Drop it.
    Absorb,
}

/// What to do with a request that matches a server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnRequest {
    /// Send the last response again, if there is one.
    ResendLast,
    /// Drop it.
    Absorb,
    /// Pass it to the transaction user: an ACK of a 2xx (RFC 6026 §7.1).
    Deliver,
}

/// A retransmission whose interval doubles (timers A, E and G, and the 2xx of §13.3.1.4).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    pub(crate) at: Mono,
    interval: Duration,
    cap: Option<Duration>,
}

impl Backoff {
    pub(crate) fn new(now: Mono, first: Duration, cap: Option<Duration>) -> Self {
        Self { at: now + first, interval: first, cap }
    }

    pub(crate) fn advance(&mut self) {
        let doubled = self.interval.saturating_mul(2);
        self.interval = self.cap.map_or(doubled, |cap| doubled.min(cap));
        self.at += self.interval;
    }

    /// From now on at this interval (timer E in Proceeding).
    pub(crate) fn slow_to(&mut self, interval: Duration) {
        self.interval = interval;
    }
}
