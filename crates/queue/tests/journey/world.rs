//! A line in virtual time: phones and a store that do what the test says, and a log of what the engine did.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use havre_model::{
    AgentCommand, AgentId, AgentProfile, AgentState, CallId, Language, Mode, Mono, Now, OfferId, Risk, Role,
    Spoken, StateReason, Unix, Widening, WithdrawReason, WrapUp,
};
use havre_queue::{Ack, CommandError, Engine, Input, Op, Output, TakeError};

/// What the store does with what it is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    /// Grants at once, as the embedded one.
    Embedded,
    /// Keeps the ops in `World::ops` and says nothing by itself.
    Manual,
}

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) now: Now,
    pub(crate) plan: Widening,
    pub(crate) ops: Vec<Op>,
    pub(crate) degraded: Vec<bool>,
    store: Store,
    start: Now,
    agents: Vec<AgentProfile>,
    calls: BTreeMap<String, CallId>,
    names: BTreeMap<CallId, String>,
    ringing: BTreeMap<AgentId, OfferId>,
    answers: VecDeque<Result<AgentState, CommandError>>,
    taken: Option<Result<(), TakeError>>,
    log: Vec<String>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Store::Embedded)
    }

    pub(crate) fn with(store: Store) -> Self {
        let now = Now {
            mono: Mono::from_start(Duration::from_secs(1000)),
            unix: Unix::from_millis(1_700_000_000_000),
        };
        let mut world = Self {
            engine: Engine::new([7; 32], now),
            now,
            plan: Widening::default(),
            ops: Vec::new(),
            degraded: Vec::new(),
            store,
            start: now,
            agents: Vec::new(),
            calls: BTreeMap::new(),
            names: BTreeMap::new(),
            ringing: BTreeMap::new(),
            answers: VecDeque::new(),
            taken: None,
            log: Vec::new(),
        };
        world.input(Input::Store(Ack::Up));
        world
    }

    /// An account, registered and ready. `languages` as in "en fr".
    pub(crate) fn ready(&mut self, name: &str, languages: &str) {
        self.account(name, languages, Role::Advocate, |_| {});
        self.registers(name);
        assert!(self.says(name, AgentCommand::Ready).is_ok());
    }

    pub(crate) fn supervisor(&mut self, name: &str, languages: &str) {
        self.account(name, languages, Role::Supervisor, |_| {});
        self.registers(name);
        assert!(self.says(name, AgentCommand::Ready).is_ok());
    }

    pub(crate) fn on_call(&mut self, name: &str, languages: &str) {
        self.account(name, languages, Role::OnCall, |_| {});
        self.registers(name);
        assert!(self.says(name, AgentCommand::Ready).is_ok());
    }

    pub(crate) fn account(
        &mut self,
        name: &str,
        languages: &str,
        role: Role,
        adjust: impl Fn(&mut AgentProfile),
    ) {
        let mut profile = AgentProfile {
            id: id(name),
            languages: languages.split_whitespace().filter_map(Spoken::from_name).collect(),
            ui_language: Spoken::En,
            roles: [role].into_iter().collect(),
            wrap_up: WrapUp::Manual,
            ready_on_register: false,
        };
        adjust(&mut profile);
        self.agents.retain(|agent| agent.id != profile.id);
        self.agents.push(profile);
        self.input(Input::Agents(self.agents.clone()));
    }

    pub(crate) fn fires(&mut self, name: &str) {
        self.agents.retain(|agent| agent.id != id(name));
        self.input(Input::Agents(self.agents.clone()));
    }

    /// In wrap-up after a talk of no length.
    pub(crate) fn wrapping_up(&mut self, name: &str, languages: &str) {
        self.ready(name, languages);
        self.talks(name, &format!("before-{name}"));
        self.ends_talk(name, &format!("before-{name}"));
        self.log.clear();
    }

    /// Ready, and at once in a talk with a caller who says nothing of languages.
    pub(crate) fn talks(&mut self, name: &str, caller: &str) {
        let others: Vec<_> =
            self.agents.iter().map(|a| a.id.clone()).filter(|a| a != &id(name) && self.is_ready(a)).collect();
        for other in &others {
            self.says(other.as_str(), AgentCommand::Break).ok();
        }
        self.joins(caller, Language::Other, Risk::Standard);
        self.answers(name);
        for other in &others {
            self.says(other.as_str(), AgentCommand::Ready).ok();
        }
        self.log.clear();
    }

    fn is_ready(&self, agent: &AgentId) -> bool {
        self.engine.agent(agent).is_some_and(|view| matches!(view.state, AgentState::Ready { .. }))
    }

    pub(crate) fn registers(&mut self, name: &str) {
        self.input(Input::Reachable { agent: id(name), yes: true });
    }

    pub(crate) fn loses_phone(&mut self, name: &str) {
        self.input(Input::Reachable { agent: id(name), yes: false });
    }

    /// Whether a telephone outside can be rung.
    pub(crate) fn telephone(&mut self, name: &str, yes: bool) {
        self.input(Input::Telephone { agent: id(name), yes });
    }

    /// Whether it is so that nothing was ever heard of the phone.
    pub(crate) fn unheard(&mut self, name: &str, yes: bool) {
        self.input(Input::Unheard { agent: id(name), yes });
    }

    pub(crate) fn says(&mut self, name: &str, command: AgentCommand) -> Result<AgentState, CommandError> {
        self.input(Input::Command { agent: id(name), command, reply: 5 });
        self.answers.pop_front().expect("every command is answered")
    }

    pub(crate) fn joins(&mut self, name: &str, language: Language, risk: Risk) {
        self.joins_again(name, language, risk, None);
    }

    pub(crate) fn joins_again(&mut self, name: &str, language: Language, risk: Risk, arrival: Option<Unix>) {
        let next = CallId(self.calls.len() as u64 + 1);
        let call = *self.calls.entry(name.to_owned()).or_insert(next);
        self.names.insert(call, name.to_owned());
        let widening = Arc::new(self.plan.clone());
        self.input(Input::Join { call, language, risk, mode: Mode::default(), widening, arrival });
    }

    pub(crate) fn changes(&mut self, name: &str, language: Language, risk: Risk) {
        let call = self.call(name);
        self.input(Input::Change { call, language, risk, mode: Mode::default() });
    }

    pub(crate) fn leaves(&mut self, name: &str) {
        let call = self.call(name);
        self.input(Input::Leave { call });
    }

    pub(crate) fn answers(&mut self, name: &str) {
        let offer = self.offer(name);
        self.input(Input::OfferAnswered { offer });
    }

    pub(crate) fn rings(&mut self, name: &str) {
        let offer = self.offer(name);
        self.input(Input::Ringing { offer });
    }

    /// The telephone is answered, and asks for the key; or the key was pressed.
    pub(crate) fn is_asked(&mut self, name: &str) {
        let offer = self.offer(name);
        self.input(Input::Asked { offer });
    }

    pub(crate) fn declines(&mut self, name: &str) {
        self.fails(name, WithdrawReason::Declined);
    }

    pub(crate) fn fails(&mut self, name: &str, why: WithdrawReason) {
        let offer = self.offer(name);
        self.ringing.remove(&id(name));
        self.input(Input::OfferEnded { offer, why });
    }

    pub(crate) fn ends_talk(&mut self, name: &str, caller: &str) {
        self.talk_ends(name, caller, true);
    }

    pub(crate) fn leg_dies(&mut self, name: &str, caller: &str) {
        self.talk_ends(name, caller, false);
    }

    fn talk_ends(&mut self, name: &str, caller: &str, agent_reachable: bool) {
        let call = self.call(caller);
        self.input(Input::TalkEnded { call, agent: id(name), agent_reachable });
    }

    pub(crate) fn takes(&mut self, caller: &str, name: &str) -> Result<(), TakeError> {
        let call = self.call(caller);
        self.input(Input::Take { call, agent: id(name), reply: 6 });
        self.taken.take().expect("every wish is answered")
    }

    pub(crate) fn rings_for(&self, name: &str, caller: &str) -> bool {
        let call = self.call(caller);
        matches!(self.state(name), AgentState::Offered { call: rings, .. } if rings == call)
    }

    pub(crate) fn acks(&mut self, ack: Ack) {
        self.input(Input::Store(ack));
    }

    /// Lets time pass, doing what becomes due at its own time.
    pub(crate) fn advance(&mut self, millis: u64) {
        let end = self.now.mono + Duration::from_millis(millis);
        while let Some(wakeup) = self.engine.poll_timeout().filter(|wakeup| wakeup.at <= end) {
            self.now = self.now.after(wakeup.at.since(self.now.mono));
            self.engine.handle_timeout(self.now);
            self.drain();
        }
        self.now = self.now.after(end.since(self.now.mono));
    }

    pub(crate) fn seconds(&mut self, seconds: u64) {
        self.advance(seconds * 1000);
    }

    pub(crate) fn state(&self, name: &str) -> AgentState {
        self.engine.agent(&id(name)).map(|view| view.state).expect("a known agent")
    }

    /// `ready`, `not_ready break`, …
    pub(crate) fn is(&self, name: &str) -> String {
        match self.state(name) {
            AgentState::NotReady { reason, .. } => format!("not_ready {}", reason.as_str()),
            state => state.as_str().to_owned(),
        }
    }

    pub(crate) fn then(&self, name: &str) -> Option<StateReason> {
        self.engine.agent(&id(name)).and_then(|view| view.then)
    }

    pub(crate) fn call(&self, name: &str) -> CallId {
        self.calls[name]
    }

    pub(crate) fn offer(&self, name: &str) -> OfferId {
        self.ringing[&id(name)]
    }

    /// Since which millisecond of this world the agent is idle.
    pub(crate) fn idle_since(&self, name: &str) -> u128 {
        match self.state(name) {
            AgentState::Ready { since } => since.since(self.start.unix).as_millis(),
            other => panic!("{name} is {other:?}"),
        }
    }

    /// The log since the last look must read like this.
    #[track_caller]
    pub(crate) fn expect(&mut self, lines: &[&str]) {
        let mut log = std::mem::take(&mut self.log);
        // Phones that stop together stop in no particular order.
        log.chunk_by_mut(|a, b| a.contains("stops") && b.contains("stops")).for_each(<[String]>::sort);
        assert_eq!(log, lines, "the log differs");
    }

    pub(crate) fn forget_log(&mut self) {
        self.log.clear();
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.engine.handle_input(input, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            self.on_output(output);
        }
        self.engine.audit().expect("every invariant holds");
        let next = self.engine.poll_timeout();
        assert!(next.is_none_or(|wakeup| wakeup.at > self.now.mono), "{next:?} is not in the future");
    }

    fn on_output(&mut self, output: Output) {
        match output {
            Output::Offer { offer, call, agent, kind, interpreter } => {
                let mark = if interpreter { ", interpreter needed" } else { "" };
                self.write(&format!("{agent} rings for {} ({}{mark})", self.names[&call], kind.as_str()));
                self.ringing.insert(agent, offer);
            }
            Output::Withdraw { offer, agent, why, .. } => {
                assert_eq!(self.ringing.remove(&agent), Some(offer), "what stops must have rung");
                self.write(&format!("{agent} stops ringing ({})", why.as_str()));
            }
            Output::Connect { call, agent, offer } => {
                assert_eq!(self.ringing.remove(&agent), Some(offer));
                self.write(&format!("{agent} talks with {}", self.names[&call]));
            }
            Output::Reject { offer } => {
                let agent = self.ringing.iter().find(|(_, rings)| **rings == offer).map(|(a, _)| a.clone());
                let late = match &agent {
                    Some(agent) => format!("{agent} is too late"),
                    None => "somebody is too late".to_owned(),
                };
                self.write(&late);
                agent.and_then(|agent| self.ringing.remove(&agent));
            }
            Output::Alert { call } => {
                self.write(&format!("supervisors are alerted of {}", self.names[&call]));
            }
            Output::Page { call } => self.write(&format!("supervisors are paged for {}", self.names[&call])),
            Output::MoreHelp { call } => {
                self.write(&format!("more help is called for {}", self.names[&call]));
            }
            Output::Partner { call } => {
                self.write(&format!("the partner is offered to {}", self.names[&call]));
            }
            Output::Agent { .. } => {}
            Output::Answer { reply, result } => {
                assert_eq!(reply, 5);
                self.answers.push_back(result);
            }
            Output::Taken { reply, result } => {
                assert_eq!(reply, 6);
                self.taken = Some(result);
            }
            Output::Degraded(yes) => self.degraded.push(yes),
            Output::Store(op) => self.on_op(op),
        }
    }

    fn on_op(&mut self, op: Op) {
        let ack = match op {
            Op::Claim { op, .. } => Some(Ack::Claimed { op, ok: true }),
            Op::Confirm { op, .. } => Some(Ack::Confirmed { op, ok: true }),
            _ => None,
        };
        self.ops.push(op);
        if let (Store::Embedded, Some(ack)) = (self.store, ack) {
            self.engine.handle_input(Input::Store(ack), self.now);
        }
    }

    fn write(&mut self, what: &str) {
        let t = self.now.mono.since(self.start.mono);
        self.log.push(format!("{:>5.1} {what}", t.as_secs_f64()));
    }
}

pub(crate) fn id(name: &str) -> AgentId {
    name.parse().expect("a good name")
}
