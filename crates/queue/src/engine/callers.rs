//! Callers: joining, changing, waiting longer, leaving.

use std::sync::Arc;
use std::time::Duration;

use havre_model::{AgentId, CallId, Language, Mode, Now, Risk, Step, Unix, Widening, WithdrawReason};

use super::Engine;
use crate::caller::{Caller, Standing, Wait};
use crate::offer::Aftermath;
use crate::timers::Timer;
use crate::{Op, Output};

/// When the caller hangs up, the agent's leg is still to be ended: a phone that is rung in the same moment says busy.
const LEG_CLEARS: Duration = Duration::from_millis(500);

impl Engine {
    #[expect(clippy::too_many_arguments, reason = "the fields of `Input::Join`, and the time")]
    pub(super) fn on_join(
        &mut self,
        call: CallId,
        language: Language,
        risk: Risk,
        mode: Mode,
        widening: Arc<Widening>,
        arrival: Option<Unix>,
        now: Now,
    ) {
        match self.callers.get(&call).map(|caller| &caller.place) {
            // Twice in the line there is nobody: the first place holds.
            Some(Standing::Waiting(_)) => return self.on_change(call, language, risk, mode, now),
            // Queued again before the end of the talk was told.
            Some(Standing::Talking { agent, .. }) => {
                let agent = agent.clone();
                self.end_talk(&agent, call, now.mono + LEG_CLEARS, now);
            }
            None => {}
        }
        self.counters.joins += 1;
        let arrival = arrival.unwrap_or(now.unix);
        let place = Standing::Waiting(Wait::new(now.mono));
        let caller = Caller { language, risk, mode, arrival, joined: now, widening, place };
        self.send(Op::PutCaller(caller.record(call)));
        self.callers.insert(call, caller);
        self.on_caller_due(call, now);
    }

    pub(super) fn on_change(&mut self, call: CallId, language: Language, risk: Risk, mode: Mode, now: Now) {
        let Some(caller) = self.callers.get_mut(&call) else {
            self.counters.unknown_calls += 1;
            return;
        };
        let before = caller.record(call);
        caller.language = language;
        caller.risk = caller.risk.changed_to(risk);
        caller.mode = mode;
        let after = caller.record(call);
        let Standing::Waiting(wait) = &mut caller.place else { return };
        if after == before {
            return;
        }
        if after.risk > before.risk {
            wait.search.restart(now.mono);
        }
        self.send(Op::PutCaller(after));
        self.withdraw_unskilled(call, now);
        self.on_caller_due(call, now);
    }

    /// The language became known: phones of those who do not speak it stop, unless they are answered.
    fn withdraw_unskilled(&mut self, call: CallId, now: Now) {
        let Some(caller) = self.callers.get(&call) else { return };
        let Standing::Waiting(wait) = &caller.place else { return };
        let skill = caller.skill(&wait.search);
        let unskilled: Vec<_> = wait
            .offers
            .iter()
            .map(|(id, _)| id)
            .filter(|id| {
                self.offers.get(id).is_some_and(|offer| {
                    let agent = self.agents.get(&offer.agent);
                    !offer.is_answered() && agent.is_some_and(|agent| !skill.has(agent.profile.languages))
                })
            })
            .collect();
        for offer in unskilled {
            self.withdraw(offer, WithdrawReason::AgentChanged, Aftermath::None, now);
        }
    }

    /// Takes the steps that are due, and sets the time of the next.
    pub(super) fn on_caller_due(&mut self, call: CallId, now: Now) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        let Standing::Waiting(wait) = &mut caller.place else { return };
        let told = wait.search.advance(&caller.widening, caller.risk, now.mono);
        let next = wait.search.due(&caller.widening, caller.risk);
        self.timers.set(Timer::Caller(call), next);
        for step in told {
            match step {
                Step::Alert => self.emit(Output::Alert { call }),
                Step::Page { .. } => self.emit(Output::Page { call }),
                Step::Partner => self.emit(Output::Partner { call }),
                Step::RingAll | Step::OtherLanguage | Step::OnCall | Step::Supervisors => {}
            }
        }
        self.refile(call);
    }

    pub(super) fn on_leave(&mut self, call: CallId, now: Now) {
        let Some(caller) = self.callers.remove(&call) else {
            self.counters.unknown_calls += 1;
            return;
        };
        match caller.place {
            Standing::Talking { agent, .. } => self.end_talk(&agent, call, now.mono + LEG_CLEARS, now),
            Standing::Waiting(wait) => {
                self.line.set(call, None);
                self.timers.set(Timer::Caller(call), None);
                self.send(Op::DropCaller(call));
                for (offer, _) in wait.offers.iter() {
                    self.withdraw(offer, WithdrawReason::CallerLeft, Aftermath::None, now);
                }
            }
        }
    }

    pub(super) fn on_talk_ended(&mut self, call: CallId, agent: &AgentId, reachable: bool, now: Now) {
        if self.callers.get(&call).is_some_and(|caller| match &caller.place {
            Standing::Talking { agent: with, .. } => with == agent,
            Standing::Waiting(_) => false,
        }) {
            self.callers.remove(&call);
        }
        if !reachable {
            self.on_leg_lost(agent, call, now);
        }
        self.end_talk(agent, call, now.mono, now);
    }

    /// Files the caller in the line as the caller stands now.
    pub(super) fn refile(&mut self, call: CallId) {
        let Some(caller) = self.callers.get(&call) else { return };
        let Standing::Waiting(wait) = &caller.place else { return };
        self.line.set(call, Some((caller.terms(wait), caller.score())));
        self.relend(call);
    }
}
