//! Agents: accounts, phones, commands, the end of a talk.

use std::collections::BTreeSet;

use havre_model::limits::MAX_AGENTS;
use havre_model::{
    AgentCommand, AgentId, AgentProfile, AgentState, CallId, Mono, Now, StateReason, WithdrawReason,
};

use super::Engine;
use crate::agent::{Agent, BUSY_AT_MOST, Rest, State};
use crate::offer::{Aftermath, Offer};
use crate::timers::Timer;
use crate::{AgentRecord, CommandError, Lease, Op, Output};

impl Engine {
    pub(super) fn on_agents(&mut self, profiles: Vec<AgentProfile>, now: Now) {
        self.counters.agents_dropped += profiles.len().saturating_sub(MAX_AGENTS) as u64;
        let listed: BTreeSet<AgentId> = profiles.iter().take(MAX_AGENTS).map(|p| p.id.clone()).collect();
        let gone: Vec<AgentId> = self.agents.keys().filter(|id| !listed.contains(*id)).cloned().collect();
        for agent in gone {
            self.retire(&agent, now);
        }
        for profile in profiles.into_iter().take(MAX_AGENTS) {
            let id = profile.id.clone();
            if let Some(agent) = self.agents.get_mut(&id) {
                agent.profile = profile;
                agent.retired = false;
                self.refresh(&id, now);
            } else {
                let agent = Agent::new(profile);
                let state = agent.told;
                self.agents.insert(id.clone(), agent);
                self.tell(&id, state);
            }
        }
    }

    /// No longer configured: not rung any more, gone when the present talk is over.
    fn retire(&mut self, id: &AgentId, now: Now) {
        let Some(agent) = self.agents.get_mut(id) else { return };
        agent.retired = true;
        match agent.offer() {
            Some(offer) => self.withdraw(offer, WithdrawReason::AgentChanged, Aftermath::None, now),
            None if !matches!(agent.state, State::Talking { .. }) => self.remove(id),
            None => {}
        }
    }

    fn remove(&mut self, id: &AgentId) {
        self.free.set(id, None);
        self.timers.set(Timer::Agent(id.clone()), None);
        if let Some(agent) = self.agents.remove(id)
            && agent.told != AgentState::SignedOut
        {
            self.emit(Output::Agent { agent: id.clone(), state: AgentState::SignedOut });
        }
        self.send(Op::DropAgent(id.clone()));
    }

    /// A live contact was proven.
    pub(super) fn on_proof(&mut self, id: &AgentId, now: Now) {
        let Some(agent) = self.agents.get_mut(id) else {
            self.counters.unknown_agents += 1;
            return;
        };
        if agent.unheard {
            // It would answer, and cost a caller the time until that is found out again.
            return;
        }
        agent.reachable = true;
        self.sign_in(id, now);
    }

    fn sign_in(&mut self, id: &AgentId, now: Now) {
        if let Some(agent) = self.agents.get_mut(id)
            && let State::SignedOut { before } = agent.state
        {
            let rest = agent.on_proof(before, now);
            self.settle(id, rest, now.mono, now);
        }
    }

    /// A trunk leads to the agent's telephone, or none does.
    pub(super) fn on_telephone(&mut self, id: &AgentId, yes: bool, now: Now) {
        let Some(agent) = self.agents.get_mut(id) else {
            self.counters.unknown_agents += 1;
            return;
        };
        agent.telephone = yes;
        match agent.is_there() {
            true => self.sign_in(id, now),
            false => self.sign_out(id, now),
        }
    }

    /// The last contact is gone. A talk, or a phone that has just answered, proves more than a registration.
    pub(super) fn on_loss(&mut self, id: &AgentId, now: Now) {
        let Some(agent) = self.agents.get_mut(id) else {
            self.counters.unknown_agents += 1;
            return;
        };
        agent.reachable = false;
        if !agent.is_there() {
            self.sign_out(id, now);
        }
    }

    fn sign_out(&mut self, id: &AgentId, now: Now) {
        let Some(agent) = self.agents.get(id) else { return };
        match agent.state {
            State::Resting { rest, .. } => self.settle(id, rest, now.mono, now),
            State::Claimed { offer, .. } | State::Offered { offer, .. }
                if !self.offers.get(&offer).is_some_and(Offer::is_answered) =>
            {
                self.withdraw(offer, WithdrawReason::Unreachable, Aftermath::Unreachable, now);
            }
            _ => {}
        }
    }

    /// Whether the agent's phone is one that can be answered and never be heard.
    pub(super) fn on_unheard(&mut self, id: &AgentId, yes: bool, now: Now) {
        let Some(agent) = self.agents.get_mut(id) else {
            self.counters.unknown_agents += 1;
            return;
        };
        agent.unheard = yes;
        if yes {
            self.on_loss(id, now);
        } else if agent.is_there() {
            self.sign_in(id, now);
        }
    }

    /// The agent's leg of this talk died. It says nothing of a later talk.
    pub(super) fn on_leg_lost(&mut self, id: &AgentId, lost: CallId, now: Now) {
        match self.agents.get_mut(id) {
            Some(Agent { state: State::Talking { call, .. }, reachable, .. }) => {
                *reachable = *reachable && *call != lost;
            }
            _ => self.on_loss(id, now),
        }
    }

    pub(super) fn on_busy(&mut self, id: &AgentId, yes: bool, now: Now) {
        let Some(agent) = self.agents.get_mut(id) else {
            self.counters.unknown_agents += 1;
            return;
        };
        agent.busy_until = if yes { now.mono + BUSY_AT_MOST } else { Mono::ZERO };
        self.refresh(id, now);
    }

    pub(super) fn command(
        &mut self,
        id: &AgentId,
        command: AgentCommand,
        now: Now,
    ) -> Result<AgentState, CommandError> {
        let agent = self.agents.get_mut(id).ok_or(CommandError::UnknownAgent)?;
        match &mut agent.state {
            State::SignedOut { .. } => return Err(CommandError::Unreachable),
            State::Talking { then, .. } => *then = Agent::commanded_in_talk(command)?,
            State::Resting { rest, .. } => {
                let rest = Agent::commanded(*rest, command, now)?;
                self.settle(id, rest, now.mono, now);
            }
            State::Claimed { offer, back } | State::Offered { offer, back, .. } => {
                *back = Agent::commanded(*back, command, now)?;
                // "Ready" may go on ringing; whoever wants peace has it at once, and the caller the next agent.
                let peace =
                    matches!(back, Rest::NotReady { reason: StateReason::Break | StateReason::HardCall, .. });
                let offer = *offer;
                if peace {
                    self.withdraw(offer, WithdrawReason::AgentChanged, Aftermath::None, now);
                } else {
                    self.refresh(id, now);
                }
            }
        }
        self.agents.get(id).map(Agent::public).ok_or(CommandError::UnknownAgent)
    }

    /// The talk with this caller is over for the agent, if it is this one the agent has.
    pub(super) fn end_talk(&mut self, id: &AgentId, with: CallId, ask_from: Mono, now: Now) {
        let Some(agent) = self.agents.get(id) else { return };
        let State::Talking { call, offer, then, .. } = agent.state else { return };
        if call != with {
            return;
        }
        let rest = Rest::after_talk(then, agent.profile.wrap_up, now);
        self.send(Op::Release(Lease { offer, call, agent: id.clone(), talking: true }));
        self.settle(id, rest, ask_from, now);
    }

    pub(super) fn on_agent_due(&mut self, id: &AgentId, now: Now) {
        if let Some(Agent { state: State::Resting { rest, ask_from }, .. }) = self.agents.get(id) {
            let (rest, ask_from) = (*rest, *ask_from);
            self.settle(id, rest, ask_from, now);
        }
    }

    /// Puts the agent to rest in this state, not to be rung before `ask_from`.
    pub(super) fn settle(&mut self, id: &AgentId, rest: Rest, ask_from: Mono, now: Now) {
        let Some(agent) = self.agents.get_mut(id) else { return };
        if agent.retired {
            return self.remove(id);
        }
        let settled = rest.settled(&agent.profile, now);
        // A pause belongs to the state in which it was given.
        let ask_from = if settled == rest { ask_from } else { now.mono };
        agent.state = if agent.is_there() {
            State::Resting { rest: settled, ask_from }
        } else {
            State::SignedOut { before: Some((settled, now.mono)) }
        };
        self.refresh(id, now);
    }

    /// Brings the pool, the timer and what the outside knows in line with the agent's state.
    pub(super) fn refresh(&mut self, id: &AgentId, now: Now) {
        let Some(agent) = self.agents.get_mut(id) else { return };
        let spot = agent.could_stand().filter(|(_, ask_from)| *ask_from <= now.mono).map(|(spot, _)| spot);
        let state = agent.public();
        let changed = std::mem::replace(&mut agent.told, state) != state;
        self.timers.set(Timer::Agent(id.clone()), agent.deadline(now.mono));
        self.free.set(id, spot);
        if changed {
            self.tell(id, state);
        }
    }

    fn tell(&mut self, id: &AgentId, state: AgentState) {
        self.emit(Output::Agent { agent: id.clone(), state });
        self.send(Op::PutAgent(AgentRecord { agent: id.clone(), state }));
    }
}
