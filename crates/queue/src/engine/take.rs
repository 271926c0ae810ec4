//! A call that somebody takes: a supervisor who sees an urgent caller waiting does not wait for the line's own order.

use havre_model::limits::MAX_OFFERS_PER_CALL;
use havre_model::{AgentId, CallId, Mono, Now, WithdrawReason};

use super::Engine;
use crate::TakeError;
use crate::agent::{Agent, State};
use crate::caller::{Caller, Standing};
use crate::offer::{Aftermath, Offer};
use crate::reach::{Bench, Group, Post};

impl Engine {
    /// Offers the call to this agent besides whoever rings for it, from any state of rest: the wish is the agent's own.
    pub(super) fn take(&mut self, call: CallId, id: &AgentId, now: Now) -> Result<(), TakeError> {
        let agent = self.agents.get(id).filter(|agent| !agent.retired).ok_or(TakeError::UnknownAgent)?;
        let Some(Caller { place: Standing::Waiting(wait), .. }) = self.callers.get(&call) else {
            return Err(TakeError::NotWaiting);
        };
        if !wait.answered.is_empty() || wait.offers.len() >= MAX_OFFERS_PER_CALL {
            return Err(TakeError::NotWaiting);
        }
        if agent.busy_until > now.mono || matches!(agent.state, State::Talking { .. }) {
            return Err(TakeError::Busy);
        }
        if let Some(offer) = agent.offer() {
            match self.offers.get(&offer) {
                Some(Offer { call: rings, .. }) if *rings == call => return Ok(()),
                Some(offer) if offer.is_answered() => return Err(TakeError::Busy),
                _ => self.withdraw(offer, WithdrawReason::AgentChanged, Aftermath::None, now),
            }
        }
        let Some(Agent { state: State::Resting { .. }, profile, .. }) = self.agents.get(id) else {
            return Err(TakeError::Unreachable);
        };
        // Rung besides: nobody borrows this phone, and the caller goes on being served as if it did not ring.
        let post = Post::of(profile).unwrap_or(Post::Supervisor);
        let spot = (Group::new(Bench::NoAnswer, post, profile.languages), Mono::ZERO);
        self.offer_at(spot, call, id, now);
        Ok(())
    }
}
