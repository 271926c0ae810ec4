//! Who is rung for whom. The only place where offers begin.

use havre_model::{AgentId, CallId, Now};

use super::Engine;
use crate::reach::{Groups, Terms};

impl Engine {
    /// Rings everyone who is to be rung now. Each round takes a free agent, or serves a caller who had nobody to
    /// hope for, and undoes no other; so the bound is never met. If it were, a phone would ring late: the line lives.
    pub(super) fn dispatch(&mut self, now: Now) {
        for _ in 0..self.free.len() + 2 * self.line.len() {
            // Free agents are spread over the waiting callers in order, the surplus rings for the head; and who
            // rings only as surplus is free for a caller who has nobody.
            if let Some((call, agent)) = self.next_first().or_else(|| self.next_reserve()) {
                self.offer(call, &agent, now);
            } else if let Some((call, agent)) = self.next_first_lent().or_else(|| self.next_reserve_lent()) {
                self.take_over(call, &agent, now);
            } else if let Some((call, agent)) = self.next_surplus() {
                self.offer(call, &agent, now);
            } else {
                return;
            }
        }
    }

    /// The first caller in order whom a free agent can take, and of these the longest idle.
    pub(super) fn next_first(&self) -> Option<(CallId, AgentId)> {
        let free = self.free.present();
        let (call, terms) = self.line.first(|terms| terms.first_any().meets(free))?;
        let agent = terms.first.iter().find_map(|groups| self.free.longest(*groups))?;
        Some((call, agent.clone()))
    }

    /// The same, where the advocate's phone rings as one of several for another caller.
    pub(super) fn next_first_lent(&self) -> Option<(CallId, AgentId)> {
        let lent = self.lent.present();
        let (call, terms) = self.line.first(|terms| terms.first_any().meets(lent))?;
        let agent = terms.first.iter().find_map(|groups| self.lent.longest(*groups))?;
        Some((call, agent.clone()))
    }

    /// An urgent caller whom no ready advocate can take, and a supervisor.
    pub(super) fn next_reserve(&self) -> Option<(CallId, AgentId)> {
        let free = self.free.present();
        let (call, terms) = self.line.first(|terms| terms.reserve.meets(free))?;
        Some((call, self.free.longest(terms.reserve)?.clone()))
    }

    /// The same, where the supervisor's phone rings for a caller who is not urgent.
    pub(super) fn next_reserve_lent(&self) -> Option<(CallId, AgentId)> {
        let lent = self.lent.present();
        let (call, terms) = self.line.first(|terms| terms.reserve.meets(lent))?;
        Some((call, self.lent.longest(terms.reserve)?.clone()))
    }

    /// A free agent whom nobody needs alone, and the first caller in order for whom everyone is rung.
    pub(super) fn next_surplus(&self) -> Option<(CallId, AgentId)> {
        self.free.present().iter().find_map(|group| {
            let (call, _) = self.line.first(|terms| self.surplus(terms).contains(group))?;
            let agent = self.free.longest(Groups::NONE.with(group))?;
            Some((call, agent.clone()))
        })
    }

    /// Supervisors take any call from T+90, but only if no urgent one waits.
    fn surplus(&self, terms: &Terms) -> Groups {
        if self.line.has_urgent() && !terms.urgent {
            terms.surplus.without(Groups::supervisors())
        } else {
            terms.surplus
        }
    }
}
