//! An agent's state: what each is, what follows it, and whether the agent may be rung in it.

use std::time::Duration;

use havre_model::{
    AgentCommand, AgentProfile, AgentState, CallId, Mono, Now, OfferId, StateReason, Unix, WrapUp,
};

use crate::CommandError;
use crate::pool::Spot;
use crate::reach::{Bench, Group, Post};

/// The time after a hard call that the system never interrupts.
pub(crate) const HARD_CALL: Duration = Duration::from_secs(15 * 60);
/// A phone that comes back within this time (a network that blinked, a softphone restarted) finds its agent as
/// they were: an advocate who said "ready" is not quietly lost to the line, a break stays a break.
pub(crate) const SAME_SITTING: Duration = Duration::from_secs(120);

/// A feature code takes seconds; whoever forgets to say that it is over does not lose the line an agent.
pub(crate) const BUSY_AT_MOST: Duration = Duration::from_secs(60);

/// A state in which the agent is neither rung nor talking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    NotReady { reason: StateReason, since: Unix, until: Option<Mono> },
    Ready { since: Now },
    WrapUp { since: Now, until: Option<Mono> },
}

#[derive(Clone, Debug)]
pub(crate) enum State {
    /// No live phone. What the agent was before, and when the phone was lost.
    SignedOut { before: Option<(Rest, Mono)> },
    /// May be rung from `ask_from` on, if `rest` allows it at all.
    Resting { rest: Rest, ask_from: Mono },
    /// The store is asked; nothing rings yet.
    Claimed { offer: OfferId, back: Rest },
    /// The phone rings; `back` is what the agent returns to if nothing comes of it.
    Offered { offer: OfferId, call: CallId, until: Mono, back: Rest },
    /// With a caller; `then` is asked for instead of wrap-up.
    Talking { call: CallId, offer: OfferId, since: Unix, then: Option<StateReason> },
}

#[derive(Clone, Debug)]
pub(crate) struct Agent {
    pub(crate) profile: AgentProfile,
    pub(crate) state: State,
    /// A live contact is known. Without one an agent is signed out as soon as the present talk or answer is over.
    pub(crate) reachable: bool,
    /// A telephone outside can be rung, as far as is known.
    pub(crate) telephone: bool,
    /// Nothing was ever heard of the phone in the last talk: until something is, no contact counts as a live one.
    pub(crate) unheard: bool,
    /// The phone is in use for something else until then at most.
    pub(crate) busy_until: Mono,
    /// No longer configured: leaves when the present talk is over.
    pub(crate) retired: bool,
    /// The state last told to the outside.
    pub(crate) told: AgentState,
}

impl Rest {
    pub(crate) fn signed_in(now: Now) -> Self {
        Self::NotReady { reason: StateReason::SignedIn, since: now.unix, until: None }
    }

    pub(crate) fn for_break(now: Now) -> Self {
        Self::NotReady { reason: StateReason::Break, since: now.unix, until: None }
    }

    pub(crate) fn no_answer(now: Now) -> Self {
        Self::NotReady { reason: StateReason::NoAnswer, since: now.unix, until: None }
    }

    pub(crate) fn phone_failed(now: Now) -> Self {
        Self::NotReady { reason: StateReason::PhoneFailed, since: now.unix, until: None }
    }

    pub(crate) fn hard_call(now: Now) -> Self {
        Self::NotReady { reason: StateReason::HardCall, since: now.unix, until: Some(now.mono + HARD_CALL) }
    }

    /// What follows a talk.
    pub(crate) fn after_talk(then: Option<StateReason>, wrap_up: WrapUp, now: Now) -> Self {
        match then {
            Some(StateReason::HardCall) => Self::hard_call(now),
            Some(reason) => Self::NotReady { reason, since: now.unix, until: None },
            None => match wrap_up {
                WrapUp::Manual => Self::WrapUp { since: now, until: None },
                WrapUp::After(time) if time.is_zero() => Self::Ready { since: now },
                WrapUp::After(time) => Self::WrapUp { since: now, until: Some(now.mono + time) },
            },
        }
    }

    pub(crate) fn until(&self) -> Option<Mono> {
        match self {
            Self::NotReady { until, .. } | Self::WrapUp { until, .. } => *until,
            Self::Ready { .. } => None,
        }
    }

    /// The state that holds now, if this one's time has run out: a timed wrap-up ends in `Ready`. After a hard call
    /// nobody is put back to work by a clock, unless the house has said that a live phone is a ready one.
    pub(crate) fn settled(self, profile: &AgentProfile, now: Now) -> Self {
        match self.until() {
            Some(until) if until <= now.mono => match self {
                Self::NotReady { .. } if !profile.ready_on_register => Self::signed_in(now),
                _ => Self::Ready { since: now },
            },
            _ => self,
        }
    }

    fn bench(&self) -> Option<(Bench, Mono)> {
        match self {
            Self::Ready { since } => Some((Bench::Ready, since.mono)),
            Self::WrapUp { since, .. } => Some((Bench::WrapUp, since.mono)),
            // It may do better with another call, where there is nobody else.
            Self::NotReady { reason: StateReason::NoAnswer | StateReason::PhoneFailed, .. } => {
                Some((Bench::NoAnswer, Mono::ZERO))
            }
            Self::NotReady { .. } => None,
        }
    }

    fn public(&self) -> AgentState {
        match *self {
            Self::NotReady { reason, since, until } => AgentState::NotReady { reason, since, until },
            Self::Ready { since } => AgentState::Ready { since: since.unix },
            Self::WrapUp { since, until } => AgentState::WrapUp { since: since.unix, until },
        }
    }
}

impl Agent {
    pub(crate) fn new(profile: AgentProfile) -> Self {
        Self {
            profile,
            state: State::SignedOut { before: None },
            reachable: false,
            telephone: false,
            unheard: false,
            busy_until: Mono::ZERO,
            retired: false,
            told: AgentState::SignedOut,
        }
    }

    /// Whether there is anything to ring. Who has an unheard page is rung there, and so not at all.
    pub(crate) const fn is_there(&self) -> bool {
        self.reachable || self.telephone && !self.unheard
    }

    /// The state as everyone may see it. A claim that the store has not granted is not yet an offer.
    pub(crate) fn public(&self) -> AgentState {
        match self.state {
            State::SignedOut { .. } => AgentState::SignedOut,
            State::Resting { rest, .. } | State::Claimed { back: rest, .. } => rest.public(),
            State::Offered { offer, call, until, .. } => AgentState::Offered { offer, call, until },
            State::Talking { call, since, .. } => AgentState::Talking { call, since },
        }
    }

    /// The offer that rings, or is about to.
    pub(crate) fn offer(&self) -> Option<OfferId> {
        match self.state {
            State::Claimed { offer, .. } | State::Offered { offer, .. } => Some(offer),
            _ => None,
        }
    }

    /// Where the agent returns to if the offer comes to nothing.
    pub(crate) fn back(&self) -> Option<Rest> {
        match self.state {
            State::Claimed { back, .. } | State::Offered { back, .. } => Some(back),
            _ => None,
        }
    }

    /// Where the agent stands among those who can be rung, at or after `ask_from`.
    pub(crate) fn could_stand(&self) -> Option<(Spot, Mono)> {
        let State::Resting { rest, ask_from } = &self.state else { return None };
        let (bench, since) = rest.bench()?;
        let post = Post::of(&self.profile)?;
        Some(((Group::new(bench, post, self.profile.languages), since), (*ask_from).max(self.busy_until)))
    }

    /// When the agent's state changes by itself, or the agent may be rung again after `now`.
    pub(crate) fn deadline(&self, now: Mono) -> Option<Mono> {
        let State::Resting { rest, .. } = &self.state else { return None };
        let again = self.could_stand().map(|(_, ask_from)| ask_from).filter(|from| *from > now);
        [rest.until(), again].into_iter().flatten().min()
    }

    /// What the agent is once a live phone is proven.
    pub(crate) fn on_proof(&self, before: Option<(Rest, Mono)>, now: Now) -> Rest {
        let fresh =
            if self.profile.ready_on_register { Rest::Ready { since: now } } else { Rest::signed_in(now) };
        let Some((rest, lost)) = before else { return fresh };
        let recent = now.mono.since(lost) <= SAME_SITTING;
        match rest {
            // Protected time outlives any absence.
            Rest::NotReady { reason: StateReason::HardCall, .. } => rest.settled(&self.profile, now),
            Rest::NotReady { reason: StateReason::NoAnswer | StateReason::PhoneFailed, .. }
                if self.profile.ready_on_register =>
            {
                fresh
            }
            _ if recent => rest.settled(&self.profile, now),
            _ => fresh,
        }
    }

    /// What `command` makes of a state of rest.
    pub(crate) fn commanded(rest: Rest, command: AgentCommand, now: Now) -> Result<Rest, CommandError> {
        match (command, rest) {
            (AgentCommand::Ready | AgentCommand::EndWrapUp, Rest::Ready { .. }) => Ok(rest),
            (AgentCommand::EndWrapUp, Rest::NotReady { .. }) => Err(CommandError::NotInWrapUp),
            (AgentCommand::Ready | AgentCommand::EndWrapUp, _) => Ok(Rest::Ready { since: now }),
            (AgentCommand::Break, Rest::NotReady { reason: StateReason::Break, .. }) => Ok(rest),
            (AgentCommand::Break, _) => Ok(Rest::for_break(now)),
            (AgentCommand::HardCall, _) => Ok(Rest::hard_call(now)),
        }
    }

    /// What `command` makes of what follows a talk: `Ready` takes a break or a hard call back.
    pub(crate) fn commanded_in_talk(command: AgentCommand) -> Result<Option<StateReason>, CommandError> {
        match command {
            AgentCommand::Ready => Ok(None),
            AgentCommand::Break => Ok(Some(StateReason::Break)),
            AgentCommand::HardCall => Ok(Some(StateReason::HardCall)),
            AgentCommand::EndWrapUp => Err(CommandError::NotInWrapUp),
        }
    }
}
