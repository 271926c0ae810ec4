//! People outside: rung over trunks, at the telephones that the configuration names.

use havre_model::{AgentId, CallId, Cause, Now, WithdrawReason};
use havre_queue as queue;
use havre_sip as sip;

use crate::switch::Switch;

impl Switch {
    /// A telephone has no registration: its owner is there as long as a trunk leads to it.
    pub(crate) fn say_who_is_reachable(&mut self, now: Now) {
        let mut owners: Vec<AgentId> = self.outsiders.phones.keys().cloned().collect();
        // The table has no order of its own, and runs must repeat.
        owners.sort_unstable();
        for agent in owners {
            let yes = self.has_telephone(&agent) || self.sip.is_reachable(&agent);
            self.queue.handle_input(queue::Input::Reachable { agent, yes }, now);
        }
    }

    /// Whether a telephone of this agent can be rung, as far as is known.
    pub(crate) fn has_telephone(&self, agent: &AgentId) -> bool {
        self.outsiders.phones.get(agent).is_some_and(|outside| self.sip.can_reach(&outside.group))
    }

    /// Whose name a call to the outside is placed in: a number of the line. Never the caller's.
    pub(crate) fn line_identity(&self, call: CallId) -> Option<sip::Identity> {
        let number = self.calls.get(&call)?.call.line_number()?;
        Some(sip::Identity { display: String::new(), user: number.to_owned(), host: None })
    }
}

/// Why a telephone outside did not answer. It has no registration to lose: whatever the reason, it may be rung again.
pub(crate) const fn why_of_telephone(cause: Cause) -> WithdrawReason {
    match cause {
        Cause::Declined => WithdrawReason::Declined,
        _ => WithdrawReason::NoAnswer,
    }
}
