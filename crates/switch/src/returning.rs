//! Advocates whose browser went away in a talk: it is rung again, for the same call, as soon as it is back. What is on its
//! way into a talk, from another device too (`handover`), is noted here.

use havre_call::Input as CallInput;
use havre_model::{AgentId, CallId, Cause, LegId, Now};
use havre_sip as sip;

use crate::leg::{Begins, Leg, Part, Role};
use crate::switch::Switch;

/// How often one browser is rung for one return. A page may be reloaded again meanwhile; one that refuses is let be.
const MAX_DIALS: u8 = 8;

/// A talk that waits for a browser, or for another device of the agent's.
#[derive(Debug)]
pub(crate) struct Returning {
    call: CallId,
    /// What rings there, or has called.
    leg: Option<LegId>,
    dials: u8,
    /// A device has called that wants the place of this one.
    former: Option<Former>,
}

/// The leg whose place is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Former {
    /// It is in the talk until then.
    Talks(LegId),
    /// Its device has hung up already.
    HungUp,
    /// It was a page's, and is lost: the page may come back, too.
    Lost,
}

impl Returning {
    pub(crate) const fn taking_over(call: CallId, leg: LegId, former: LegId) -> Self {
        Self { call, leg: Some(leg), dials: 0, former: Some(Former::Talks(former)) }
    }

    pub(crate) const fn call(&self) -> CallId {
        self.call
    }

    /// Whether it waits for what is at the other end of this leg.
    pub(crate) fn is_by(&self, leg: LegId) -> bool {
        self.leg == Some(leg)
    }

    pub(crate) const fn former(&self) -> Option<Former> {
        self.former
    }

    /// The leg has ended by itself; whether it was the one to be replaced.
    pub(crate) fn hung_up(&mut self, leg: LegId) -> bool {
        let replaced = self.former == Some(Former::Talks(leg));
        if replaced {
            self.former = Some(Former::HungUp);
        }
        replaced
    }

    /// Only for a page, from now on.
    pub(crate) fn wait_for_page(&mut self) {
        (self.leg, self.former) = (None, None);
    }
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
        if let Some(Returning { call: same, former: Some(former), .. }) = self.returning.get_mut(agent)
            && *same == call
        {
            // Another device is about to take its place.
            *former = Former::Lost;
            return;
        }
        let waiting = Returning { call, leg: None, dials: 0, former: None };
        self.returning.insert(agent.clone(), waiting);
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
        self.add_leg(leg, Leg::new(shard, role, srtp, Begins::Dial));
    }

    /// The page has answered, or the other device is there.
    pub(crate) fn on_returned(&mut self, leg: LegId, now: Now) {
        let Some(Leg { role: Role::Agent { call, agent, part, browser }, .. }) = self.legs.get_mut(&leg)
        else {
            return;
        };
        *part = Part::Talking;
        let (call, agent, browser) = (*call, agent.clone(), *browser);
        self.returning.remove(&agent);
        self.say_what_is_missing(leg, now);
        self.tell_call(call, CallInput::Resumed { leg, browser }, now);
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
