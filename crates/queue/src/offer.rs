//! One offer of a caller to an agent: claimed, ringing, answered, confirmed.

use havre_model::{AgentId, CallId, Mono, OfferId, OfferKind, WithdrawReason};

use crate::Lease;
use crate::pool::Spot;
use crate::reach::{Bench, Post};

#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) call: CallId,
    pub(crate) agent: AgentId,
    pub(crate) kind: OfferKind,
    /// Where the agent stood when asked.
    pub(crate) spot: Spot,
    /// Made while the call was offered to one agent after another: no answer means that the agent is not ready.
    pub(crate) alone: bool,
    pub(crate) began: Mono,
    pub(crate) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The store is asked for the agent, if there is one to ask.
    Claiming { op: Option<u64> },
    /// The phone rings.
    Ringing { until: Mono },
    /// A telephone outside is answered, but whoever holds it has not taken the call yet.
    Asking { until: Mono },
    /// Answered; another answer of the same call is being confirmed.
    Answered,
    /// The store is asked to confirm.
    Confirming { op: u64 },
}

/// How much an offer counts for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Firmness {
    /// A ready advocate's phone: the caller's place in the line is served.
    Firm,
    /// A supervisor's phone.
    Reserve,
    /// Wrap-up, no answer before, on call: rung besides.
    Extra,
}

/// What an offer that came to nothing means for the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aftermath {
    /// Nothing: withdrawn for reasons that were not the agent's.
    None,
    /// Rang out, or declined.
    Unanswered,
    /// Another node holds the agent.
    HeldElsewhere,
    /// The phone is not there.
    Unreachable,
    /// It is there, and nobody can talk over it.
    PhoneFailed,
}

impl Offer {
    pub(crate) fn kind(spot: Spot, rings_all: bool) -> OfferKind {
        match (spot.0.bench(), spot.0.post()) {
            (Bench::WrapUp, _) => OfferKind::WrapUp,
            (_, Post::Supervisor) => OfferKind::Reserve,
            (Bench::Ready, Post::Advocate) if !rings_all => OfferKind::Single,
            (Bench::Ready | Bench::NoAnswer, _) => OfferKind::RingAll,
        }
    }

    pub(crate) fn lease(&self, offer: OfferId, talking: bool) -> Lease {
        Lease { offer, call: self.call, agent: self.agent.clone(), talking }
    }

    pub(crate) fn firmness(&self) -> Firmness {
        match (self.spot.0.bench(), self.spot.0.post()) {
            (Bench::Ready, Post::Advocate) => Firmness::Firm,
            (Bench::Ready, Post::Supervisor) => Firmness::Reserve,
            _ => Firmness::Extra,
        }
    }

    /// The agent has picked up.
    pub(crate) fn is_answered(&self) -> bool {
        matches!(self.stage, Stage::Answered | Stage::Confirming { .. })
    }
}

impl Aftermath {
    /// What the end of an agent's leg means.
    pub(crate) fn of(why: WithdrawReason) -> Self {
        match why {
            WithdrawReason::NoAnswer | WithdrawReason::NotTaken | WithdrawReason::Declined => {
                Self::Unanswered
            }
            WithdrawReason::Unreachable => Self::Unreachable,
            WithdrawReason::PhoneFailed => Self::PhoneFailed,
            WithdrawReason::Claimed => Self::HeldElsewhere,
            WithdrawReason::AnsweredElsewhere | WithdrawReason::CallerLeft | WithdrawReason::AgentChanged => {
                Self::None
            }
        }
    }
}
