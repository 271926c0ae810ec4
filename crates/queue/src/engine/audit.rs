//! Every invariant, checked from scratch: for tests and simulations, after every step.

use std::collections::BTreeSet;

use havre_model::{AgentId, CallId, OfferId};

use super::Engine;
use crate::agent::{Agent, State};
use crate::caller::{Caller, Standing, Wait};
use crate::offer::{Offer, Stage};
use crate::timers::Timer;

macro_rules! ensure {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(format!($($what)+));
        }
    };
}

impl Engine {
    /// Checks that each caller is in one place, that nobody has two of anybody, that every index agrees with what
    /// it indexes, and that nobody waits whom a free agent could take. Costs a walk through everything.
    ///
    /// # Errors
    /// Says which invariant is broken, and by whom.
    pub fn audit(&self) -> Result<(), String> {
        for (call, caller) in &self.callers {
            match &caller.place {
                Standing::Waiting(wait) => self.audit_wait(*call, caller, wait)?,
                Standing::Talking { agent, offer } => self.audit_talk(*call, agent, *offer)?,
            }
        }
        for (id, offer) in &self.offers {
            self.audit_offer(*id, offer)?;
        }
        let mut met = BTreeSet::new();
        for (id, agent) in &self.agents {
            self.audit_agent(id, agent)?;
            if let State::Talking { call, .. } = agent.state {
                ensure!(met.insert(call), "{call} talks with two agents, one of them {id}");
            }
        }
        self.audit_sizes()?;
        self.audit_dispatch()
    }

    fn audit_wait(&self, call: CallId, caller: &Caller, wait: &Wait) -> Result<(), String> {
        ensure!(
            self.line.at(call) == Some((caller.terms(wait), caller.score())),
            "{call} is filed wrongly in the line"
        );
        let due = wait.search.due(&caller.widening, caller.risk);
        ensure!(self.timers.at(&Timer::Caller(call)) == due, "{call} has the wrong deadline");
        ensure!(caller.lending(wait) == wait.lending, "{call} lends what it does not have");
        for (id, firmness) in wait.offers.iter() {
            let Some(offer) = self.offers.get(&id) else {
                return Err(format!("{call} lists {id}, which is over"));
            };
            ensure!(offer.call == call, "{call} lists {id}, which is of {}", offer.call);
            ensure!(offer.firmness() == firmness, "{call} lists {id} wrongly");
        }
        for (at, id) in wait.answered.iter().enumerate() {
            let Some(offer) = self.offers.get(id) else {
                return Err(format!("{call}: answered {id} is over"));
            };
            ensure!(
                matches!(offer.stage, Stage::Confirming { .. }) == (at == 0) && offer.is_answered(),
                "{call}: {id} is not answered in turn"
            );
        }
        Ok(())
    }

    fn audit_talk(&self, call: CallId, id: &AgentId, token: OfferId) -> Result<(), String> {
        ensure!(self.line.at(call).is_none(), "{call} talks and waits");
        ensure!(
            self.timers.at(&Timer::Caller(call)).is_none(),
            "{call} talks and has a waiting caller's deadline"
        );
        match self.agents.get(id).map(|agent| &agent.state) {
            Some(State::Talking { call: with, offer, .. }) => {
                ensure!(*with == call && *offer == token, "{call} talks with {id}, who talks with {with}");
                Ok(())
            }
            other => Err(format!("{call} talks with {id}, who is {other:?}")),
        }
    }

    fn audit_offer(&self, id: OfferId, offer: &Offer) -> Result<(), String> {
        let listed = self.callers.get(&offer.call).is_some_and(|caller| match &caller.place {
            Standing::Waiting(wait) => {
                wait.offers.contains(id) && wait.answered.contains(&id) == offer.is_answered()
            }
            Standing::Talking { .. } => false,
        });
        ensure!(listed, "{id} rings for {}, who does not list it", offer.call);
        let agent = self.agents.get(&offer.agent);
        ensure!(
            agent.and_then(Agent::offer) == Some(id),
            "{id} rings at {}, who is not offered it",
            offer.agent
        );
        let deadline = self.timers.at(&Timer::Offer(id));
        match offer.stage {
            Stage::Ringing { until } | Stage::Asking { until } => {
                ensure!(deadline == Some(until), "{id} does not ring out");
            }
            Stage::Claiming { op: None } => return Err(format!("{id} neither asks nor rings")),
            Stage::Claiming { op: Some(op) } | Stage::Confirming { op } => {
                ensure!(deadline.is_none() && self.peer.awaits(op), "{id} waits for nothing");
                ensure!(self.timers.at(&Timer::Op(op)).is_some(), "{id} waits without end");
            }
            Stage::Answered => ensure!(deadline.is_none(), "{id} is answered and rings out"),
        }
        Ok(())
    }

    fn audit_agent(&self, id: &AgentId, agent: &Agent) -> Result<(), String> {
        ensure!(
            agent.told == agent.public(),
            "{id} is {:?}, the outside was told {:?}",
            agent.state,
            agent.told
        );
        match (&agent.state, self.free.at(id), agent.could_stand()) {
            (_, None, None) => {}
            (_, Some(spot), Some((right, _))) => ensure!(spot == right, "{id} stands in the wrong group"),
            (_, Some(_), None) => return Err(format!("{id} stands free and is {:?}", agent.state)),
            (_, None, Some((_, from))) => ensure!(
                self.timers.at(&Timer::Agent(id.clone())).is_some_and(|at| at <= from),
                "{id} is never rung again"
            ),
        }
        let signed_out = matches!(agent.state, State::SignedOut { .. });
        ensure!(!(signed_out && agent.is_there()), "{id} is signed out with a live phone");
        if let State::Resting { rest, .. } = &agent.state {
            ensure!(agent.is_there() && !agent.retired, "{id} rests without a phone or an account");
            let deadline = self.timers.at(&Timer::Agent(id.clone()));
            ensure!(
                rest.until().is_none_or(|until| deadline.is_some_and(|at| at <= until)),
                "{id} rests for ever"
            );
        }
        if let State::Talking { call, .. } = agent.state {
            ensure!(self.callers.contains_key(&call), "{id} talks with {call}, who is gone");
        }
        if let Some(offer) = agent.offer() {
            ensure!(self.offers.contains_key(&offer), "{id} is offered {offer}, which is over");
        }
        Ok(())
    }

    fn audit_sizes(&self) -> Result<(), String> {
        let waiting: Vec<_> =
            self.callers.values().filter(|c| matches!(c.place, Standing::Waiting(_))).collect();
        ensure!(
            self.line.len() == waiting.len(),
            "the line is {} long, {} wait",
            self.line.len(),
            waiting.len()
        );
        let urgent = waiting.iter().any(|caller| caller.is_urgent());
        ensure!(self.line.has_urgent() == urgent, "the line miscounts urgent callers");
        let standing = self.agents.keys().filter(|id| self.free.at(id).is_some()).count();
        ensure!(self.free.len() == standing, "{} stand free, {standing} exist", self.free.len());
        let lendable = self.offers.values().filter(|offer| self.is_lendable(offer));
        let lent: BTreeSet<&AgentId> = lendable.map(|offer| &offer.agent).collect();
        ensure!(
            self.lent.len() == lent.len() && lent.iter().all(|id| self.lent.at(id).is_some()),
            "the wrong phones may be taken over"
        );
        let timers = self.callers.len() + self.agents.len() + self.offers.len() + self.peer.open_asks() + 1;
        ensure!(self.timers.len() <= timers, "{} timers for {timers} things", self.timers.len());
        Ok(())
    }

    fn is_lendable(&self, offer: &Offer) -> bool {
        if let Stage::Asking { .. } = offer.stage {
            return false;
        }
        self.callers.get(&offer.call).is_some_and(|caller| match &caller.place {
            Standing::Waiting(wait) => caller.lending(wait).includes(offer.firmness()),
            Standing::Talking { .. } => false,
        })
    }

    /// Nobody waits for whom somebody could be rung.
    fn audit_dispatch(&self) -> Result<(), String> {
        let left = [
            self.next_first(),
            self.next_first_lent(),
            self.next_reserve(),
            self.next_reserve_lent(),
            self.next_surplus(),
        ];
        match left.into_iter().flatten().next() {
            Some((call, agent)) => Err(format!("{agent} could be rung for {call}")),
            None => Ok(()),
        }
    }
}
