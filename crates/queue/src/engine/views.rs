//! The engine seen from outside.

use havre_model::AgentState;

use super::Engine;
use crate::agent::{Agent, State};
use crate::caller::{Caller, Standing};
use crate::{AgentView, CallerView, Counters, Counts, Place};
use havre_model::{AgentId, CallId};

impl Engine {
    /// Waiting callers in the order of the line, then those who talk.
    pub fn callers(&self) -> impl Iterator<Item = CallerView> {
        let mut views: Vec<CallerView> =
            self.callers.iter().map(|(call, caller)| caller_view(*call, caller)).collect();
        views.sort_by_key(|view| (matches!(view.place, Place::Talking { .. }), view.score, view.call));
        views.into_iter()
    }

    /// One caller.
    #[must_use]
    pub fn caller(&self, call: CallId) -> Option<CallerView> {
        self.callers.get(&call).map(|caller| caller_view(call, caller))
    }

    /// All agents, by id.
    pub fn agents(&self) -> impl Iterator<Item = AgentView<'_>> {
        self.agents.values().map(agent_view)
    }

    /// One agent.
    #[must_use]
    pub fn agent(&self, id: &AgentId) -> Option<AgentView<'_>> {
        self.agents.get(id).map(agent_view)
    }

    /// How many of each.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for caller in self.callers.values() {
            match caller.place {
                Standing::Waiting(_) => {
                    counts.waiting[caller.language as usize][caller.risk as usize] += 1;
                }
                Standing::Talking { .. } => counts.talking += 1,
            }
        }
        for agent in self.agents.values() {
            *match agent.told {
                AgentState::SignedOut => &mut counts.signed_out,
                AgentState::NotReady { .. } => &mut counts.not_ready,
                AgentState::Ready { .. } => &mut counts.ready,
                AgentState::Offered { .. } => &mut counts.offered,
                AgentState::Talking { .. } => &mut counts.in_talk,
                AgentState::WrapUp { .. } => &mut counts.wrap_up,
            } += 1;
        }
        counts
    }

    /// What was done, and what went otherwise than planned.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether the engine goes on without the store: there is none, it is gone, or it is silent.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.peer.is_degraded()
    }
}

fn caller_view(call: CallId, caller: &Caller) -> CallerView {
    CallerView {
        call,
        language: caller.language,
        risk: caller.risk,
        mode: caller.mode,
        arrival: caller.arrival,
        score: caller.score(),
        joined: caller.joined,
        place: match &caller.place {
            Standing::Waiting(wait) => Place::Waiting { ringing: wait.offers.len() },
            Standing::Talking { agent, .. } => Place::Talking { agent: agent.clone() },
        },
    }
}

fn agent_view(agent: &Agent) -> AgentView<'_> {
    let then = match agent.state {
        State::Talking { then, .. } => then,
        _ => None,
    };
    AgentView {
        profile: &agent.profile,
        state: agent.told,
        reachable: agent.is_there(),
        unheard: agent.unheard,
        then,
    }
}
