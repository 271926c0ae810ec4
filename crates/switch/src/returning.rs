//! Advocates whose browser went away in a talk: it is rung again, for the same call, as soon as it is back.

use havre_call::Input as CallInput;
use havre_model::{AgentId, CallId, Cause, LegId, Now};
use havre_sip as sip;

use crate::leg::{Leg, Part, Role};
use crate::switch::Switch;

/// How often one browser is rung for one return. A page may be reloaded again meanwhile; one that refuses is let be.
const MAX_DIALS: u8 = 8;

/// A talk that waits for a browser.
#[derive(Debug)]
pub(crate) struct Returning {
    call: CallId,
    /// What rings there.
    leg: Option<LegId>,
    dials: u8,
}

impl Switch {
    /// The connection of a page in a talk is gone; perhaps it has the next one already.
    pub(crate) fn on_detached(&mut self, leg: LegId, call: CallId, now: Now) {
        let Some(Leg { role: Role::Agent { agent, .. }, .. }) = self.legs.get(&leg) else { return };
        let agent = agent.clone();
        if self.sip.reattach(leg, &agent) {
            self.tell_call(call, CallInput::AgentAttached, now);
        } else {
            self.detached.insert(agent, leg);
            self.tell_call(call, CallInput::AgentDetached, now);
        }
    }

    /// The agent has registered: the page of a talk may have its next connection. Another page means that the old one is
    /// gone: it was loaded again.
    pub(crate) fn reattach(&mut self, agent: &AgentId, now: Now) {
        let Some(leg) = self.detached.get(agent).copied() else { return };
        let call = match self.legs.get(&leg).map(|leg| &leg.role) {
            Some(Role::Agent { call, part: Part::Talking, .. }) => *call,
            _ => {
                self.detached.remove(agent);
                return;
            }
        };
        let input = if self.sip.reattach(leg, agent) {
            CallInput::AgentAttached
        } else if self.sip.has_browser(agent) {
            CallInput::AgentEnded(havre_call::End::Lost)
        } else {
            return;
        };
        self.detached.remove(agent);
        self.tell_call(call, input, now);
    }

    /// The call waits for this agent's browser.
    pub(crate) fn await_return(&mut self, call: CallId, agent: &AgentId) {
        self.returning.insert(agent.clone(), Returning { call, leg: None, dials: 0 });
        // Another tab may be there, or the page has been quicker than the end of its old connection.
        self.dial_returning(agent);
    }

    /// The agent has registered: if a talk waits for that, and in a browser, it rings.
    pub(crate) fn dial_returning(&mut self, agent: &AgentId) {
        if !self.sip.has_browser(agent) {
            return;
        }
        let Some(returning) = self.returning.get_mut(agent) else { return };
        if returning.leg.is_some() || returning.dials >= MAX_DIALS {
            return;
        }
        let call = returning.call;
        let caller = self.calls.get(&call).and_then(|entry| self.legs.get(&entry.leg));
        let Some(shard) = caller.map(|leg| leg.shard) else { return };
        let leg = self.dialled.next();
        returning.leg = Some(leg);
        returning.dials += 1;
        let role = Role::Agent { call, agent: agent.clone(), browser: true, part: Part::Returning };
        let srtp = self.srtp_of(agent);
        self.add_leg(leg, Leg::new(shard, role, srtp));
    }

    /// The page has answered.
    pub(crate) fn on_returned(&mut self, leg: LegId, now: Now) {
        let Some(Leg { role: Role::Agent { call, agent, part, .. }, .. }) = self.legs.get_mut(&leg) else {
            return;
        };
        *part = Part::Talking;
        let (call, agent) = (*call, agent.clone());
        self.returning.remove(&agent);
        self.say_what_is_missing(leg, now);
        self.tell_call(call, CallInput::Resumed { leg }, now);
    }

    /// What rang there is over. A page that was reloaded once more is there already, or will register.
    pub(crate) fn on_not_returned(&mut self, leg: LegId, by: sip::EndedBy) {
        let waiting = self.returning.iter_mut().find(|(_, returning)| returning.leg == Some(leg));
        let Some((agent, returning)) = waiting else { return };
        returning.leg = None;
        if by == sip::EndedBy::Timeout {
            let agent = agent.clone();
            self.dial_returning(&agent);
        }
    }

    /// The talk is over, or goes on otherwise.
    pub(crate) fn forget_return(&mut self, call: CallId, agent: &AgentId, now: Now) {
        if self.returning.get(agent).is_some_and(|returning| returning.call == call)
            && let Some(Returning { leg: Some(leg), .. }) = self.returning.remove(agent)
        {
            self.drop_leg(leg, Cause::Withdrawn, now);
        }
    }
}
