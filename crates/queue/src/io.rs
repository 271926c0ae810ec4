//! What goes into the engine and what comes out of it.

use std::fmt;
use std::sync::Arc;

use havre_model::{
    AgentCommand, AgentId, AgentProfile, AgentState, CallId, Language, Mode, OfferId, OfferKind, Risk, Unix,
    Widening, WithdrawReason,
};

use crate::{Ack, Op};

/// What the outside tells the engine. Any order and any repetition is safe: what makes no sense is counted.
#[derive(Clone, Debug)]
pub enum Input {
    /// The accounts, at the start and on every reload. An agent who is no longer listed is rung no more and
    /// leaves when the present talk ends.
    Agents(Vec<AgentProfile>),
    /// A live contact of the agent was proven (a registration, a refreshed one, an answered probe), or the last
    /// one is gone. Repeat it on every proof: only a proof after a loss changes anything.
    Reachable {
        /// Whose.
        agent: AgentId,
        /// Whether there is one.
        yes: bool,
    },
    /// A telephone outside can be rung for the agent, or none any more. It has no registration, and nothing that happens at it
    /// (no answer, a lost talk) says that it is gone: only this does.
    Telephone {
        /// Whose.
        agent: AgentId,
        /// Whether there is one.
        yes: bool,
    },
    /// Nothing was ever heard of the agent's phone in a talk that it answered: it sits in a network that lets no media
    /// through, and its proofs count for nothing until something is heard of it (`no`). Say [`Self::Reachable`] after that.
    Unheard {
        /// Whose.
        agent: AgentId,
        /// Whether it is so.
        yes: bool,
    },
    /// The agent's phone is in use for something else (a feature code is being answered), or no longer: it would
    /// answer an offer with 486. Nothing rings there meanwhile, for a minute at most; the state is not touched.
    Busy {
        /// Whose.
        agent: AgentId,
        /// Whether it is.
        yes: bool,
    },
    /// The agent, or someone for them, asks for a state. Answered by [`Output::Answer`].
    Command {
        /// Whose state.
        agent: AgentId,
        /// What is asked.
        command: AgentCommand,
        /// Copied into the answer.
        reply: u64,
    },
    /// Somebody wants the agent to have this call: it is offered at once, whatever the agent does at rest. Answered by
    /// [`Output::Taken`].
    Take {
        /// Which call.
        call: CallId,
        /// Who is to have it.
        agent: AgentId,
        /// Copied into the answer.
        reply: u64,
    },
    /// A caller joins the line, for the first time or again.
    Join {
        /// Which call.
        call: CallId,
        /// As what.
        language: Language,
        /// In which class.
        risk: Risk,
        /// In which manner.
        mode: Mode,
        /// The line's widening.
        widening: Arc<Widening>,
        /// `None` at the first join; the first arrival when queued again.
        arrival: Option<Unix>,
    },
    /// The caller pressed a key, or the class changed: all three as they are wished to be now. The class only
    /// rises, except from `standard` to `information`. Rewrites the caller's order at once.
    Change {
        /// Which call.
        call: CallId,
        /// The language now.
        language: Language,
        /// The class wished for.
        risk: Risk,
        /// The manner now.
        mode: Mode,
    },
    /// The caller is gone, while waiting or while talking (the agent then goes to wrap-up).
    Leave {
        /// Which call.
        call: CallId,
    },
    /// The agent's phone rings (180, or 183).
    Ringing {
        /// For which offer.
        offer: OfferId,
    },
    /// A telephone outside answered, and whoever (or whatever) it was is asked to take the call by a key; or the key was
    /// pressed, and they hear what call it is. Each time there is a while for it, and then the offer ends as
    /// [`WithdrawReason::NotTaken`]. [`Input::OfferAnswered`] follows once the call is taken.
    Asked {
        /// For which offer.
        offer: OfferId,
    },
    /// The agent's phone answered (2xx), or the call was taken by the key. Answered by [`Output::Connect`] or [`Output::Reject`].
    OfferAnswered {
        /// Which offer.
        offer: OfferId,
    },
    /// The agent's leg ended before [`Output::Connect`]: declined (486, 603), no answer (408 or 480 after
    /// ringing), unreachable (timeout, ICMP, any other failure).
    OfferEnded {
        /// Which offer.
        offer: OfferId,
        /// Why.
        why: WithdrawReason,
    },
    /// The talk is over for the agent. If the caller is still there (the agent was lost), `Join` again follows.
    TalkEnded {
        /// With which caller.
        call: CallId,
        /// For whom.
        agent: AgentId,
        /// Whether the agent's phone is known to live: `false` if its leg died.
        agent_reachable: bool,
    },
    /// What the store answered, or that it is gone or back.
    Store(Ack),
}

/// What the engine asks of the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ring the agent's phone for this call.
    Offer {
        /// Names the offer from now on.
        offer: OfferId,
        /// For whom it rings.
        call: CallId,
        /// Who is rung.
        agent: AgentId,
        /// In which role.
        kind: OfferKind,
        /// The agent does not speak the caller's language: mark it "interpreter needed".
        interpreter: bool,
    },
    /// Stop ringing (or hang up, if the phone answered in the meantime). No answer is expected.
    Withdraw {
        /// Which offer.
        offer: OfferId,
        /// Whose call it was.
        call: CallId,
        /// Whose phone rings.
        agent: AgentId,
        /// Why.
        why: WithdrawReason,
    },
    /// Confirmed: bridge the caller and the agent's answered leg. The agent is `Talking`.
    Connect {
        /// The caller.
        call: CallId,
        /// The advocate.
        agent: AgentId,
        /// The offer that won.
        offer: OfferId,
    },
    /// The leg answered too late (another was first, the caller left, or another node has the agent): hang it
    /// up. May name an offer that was withdrawn before.
    Reject {
        /// Which offer.
        offer: OfferId,
    },
    /// Supervisors are alerted: the caller waits too long.
    Alert {
        /// Who waits.
        call: CallId,
    },
    /// Supervisors are paged, again and again.
    Page {
        /// Who waits.
        call: CallId,
    },
    /// An on-call phone really rings for this caller: P7 may be played. Once per joining.
    MoreHelp {
        /// Who waits.
        call: CallId,
    },
    /// The partner centre may be offered now (P8).
    Partner {
        /// Who waits.
        call: CallId,
    },
    /// An agent's state changed (stream, metrics; the store hears it by [`Op::PutAgent`]).
    Agent {
        /// Whose.
        agent: AgentId,
        /// The state now.
        state: AgentState,
    },
    /// Answers [`Input::Command`]: the state that holds now, or why nothing changed. In a talk the state stays
    /// `Talking`, and what was asked for is done at its end (see [`crate::AgentView::then`]).
    Answer {
        /// From the command.
        reply: u64,
        /// The state now, or the refusal.
        result: Result<AgentState, CommandError>,
    },
    /// Answers [`Input::Take`].
    Taken {
        /// From the input.
        reply: u64,
        /// The phone is rung as soon as the store grants it, or why it is not.
        result: Result<(), TakeError>,
    },
    /// To be carried to the store.
    Store(Op),
    /// The store stopped answering (`true`: the engine goes on with local truth) or answers again.
    Degraded(bool),
}

/// Why a command changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CommandError {
    /// No such account.
    UnknownAgent,
    /// The agent has no live phone.
    Unreachable,
    /// `EndWrapUp` outside wrap-up.
    NotInWrapUp,
}

impl CommandError {
    /// The stable spelling: `unknown_agent`, `unreachable`, `not_in_wrap_up`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownAgent => "unknown_agent",
            Self::Unreachable => "unreachable",
            Self::NotInWrapUp => "not_in_wrap_up",
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownAgent => "there is no such agent: check the id against [[agents]]",
            Self::Unreachable => "the agent has no live phone: register it first",
            Self::NotInWrapUp => "the agent is not in wrap-up: there is nothing to end",
        })
    }
}

impl std::error::Error for CommandError {}

/// Why a call is not offered to the one who shall have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TakeError {
    /// No such account.
    UnknownAgent,
    /// The agent has no live phone.
    Unreachable,
    /// The agent is with a caller, has just answered another, or the phone is in use.
    Busy,
    /// The call does not wait: it is over, in a talk, being answered just now, or rings everywhere.
    NotWaiting,
}

impl TakeError {
    /// The stable spelling: `unknown_agent`, `unreachable`, `busy`, `not_waiting`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownAgent => "unknown_agent",
            Self::Unreachable => "unreachable",
            Self::Busy => "busy",
            Self::NotWaiting => "not_waiting",
        }
    }
}

impl fmt::Display for TakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownAgent => "there is no such agent: check the id against [[agents]]",
            Self::Unreachable => "the agent has no live phone: register it first",
            Self::Busy => "the agent is with a caller or on the phone: end that first",
            Self::NotWaiting => "the call does not wait: it is over, or somebody has it",
        })
    }
}

impl std::error::Error for TakeError {}
