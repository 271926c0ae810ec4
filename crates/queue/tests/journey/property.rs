//! Anything may happen in any order: callers, phones, commands, and a store whose answers are lost, repeated, late
//! or refusals. After every step the invariants hold, as seen from outside (the harness knows nothing of the
//! engine's inside) and from inside (`audit`).
//!
//! The seed is fixed. `PROPTEST_RNG_SEED=n PROPTEST_CASES=m cargo test -p havre-queue property` looks further.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use havre_model::{
    AgentCommand, AgentId, AgentProfile, AgentState, CallId, Language, Mode, Mono, Now, OfferId, OfferKind,
    Risk, Role, Spoken, Unix, Widening, WithdrawReason, WrapUp,
};
use havre_queue::{Ack, Engine, Input, Op, Output, Place};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::world::id;

/// An agent may be left alone this long although somebody waits: after a ring-all in vain. The claim that follows
/// may take 100 ms more, but it is seen at once.
const PROMPTLY: Duration = Duration::from_secs(5);
/// … or while the phone is busy with something else.
const A_MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
enum Step {
    Joins(Language, Risk),
    Changes(usize, Language, Risk),
    Leaves(usize),
    Rings(usize),
    Asks(usize),
    Answers(usize),
    Fails(usize, WithdrawReason),
    TalkEnds(usize, bool),
    /// The advocate's leg is lost and the caller queued again.
    Requeued(usize),
    Says(usize, AgentCommand),
    Phone(usize, bool),
    Busy(usize, bool),
    Passes(u64),
    /// What the store answers from now on.
    Network(Network),
    /// A delayed answer arrives now.
    Arrives(usize),
    Store(bool),
    Reload(u8),
}

#[derive(Clone, Copy, Debug)]
enum Network {
    Answers { refuses: bool, twice: bool },
    Loses,
    Delays,
}

fn steps() -> impl Strategy<Value = Step> {
    let language = prop::sample::select(Language::ALL.to_vec());
    let risk = prop::sample::select(Risk::ALL.to_vec());
    let command = prop::sample::select(AgentCommand::ALL.to_vec());
    let why = prop::sample::select(vec![
        WithdrawReason::Declined,
        WithdrawReason::NoAnswer,
        WithdrawReason::NotTaken,
        WithdrawReason::Unreachable,
        WithdrawReason::PhoneFailed,
        WithdrawReason::Claimed,
        WithdrawReason::CallerLeft,
    ]);
    let network = prop_oneof![
        4 => (any::<bool>(), any::<bool>())
            .prop_map(|(twice, refuses)| Network::Answers { refuses: refuses && twice, twice }),
        1 => Just(Network::Loses),
        1 => Just(Network::Delays),
    ];
    let passes = prop_oneof![1..200u64, 1_000..6_000u64, 10_000..40_000u64, 100_000..1_000_000u64];
    prop_oneof![
        8 => (language.clone(), risk.clone()).prop_map(|(l, r)| Step::Joins(l, r)),
        3 => (any::<usize>(), language, risk).prop_map(|(n, l, r)| Step::Changes(n, l, r)),
        2 => any::<usize>().prop_map(Step::Leaves),
        2 => any::<usize>().prop_map(Step::Rings),
        2 => any::<usize>().prop_map(Step::Asks),
        8 => any::<usize>().prop_map(Step::Answers),
        3 => (any::<usize>(), why).prop_map(|(n, w)| Step::Fails(n, w)),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(n, r)| Step::TalkEnds(n, r)),
        1 => any::<usize>().prop_map(Step::Requeued),
        8 => (any::<usize>(), command).prop_map(|(n, c)| Step::Says(n, c)),
        4 => (any::<usize>(), prop::bool::weighted(0.75)).prop_map(|(n, y)| Step::Phone(n, y)),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(n, y)| Step::Busy(n, y)),
        10 => passes.prop_map(Step::Passes),
        2 => network.prop_map(Step::Network),
        3 => any::<usize>().prop_map(Step::Arrives),
        1 => any::<bool>().prop_map(Step::Store),
        1 => any::<u8>().prop_map(Step::Reload),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_invariants_hold_whatever_happens(steps in prop::collection::vec(steps(), 1..200)) {
        let mut house = House::new();
        for step in steps {
            house.take(step);
        }
        house.closes();
    }
}

fn config() -> ProptestConfig {
    let asked = |variable| std::env::var_os(variable).is_some();
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if !asked("PROPTEST_CASES") {
        config.cases = 1_000;
    }
    if !asked("PROPTEST_RNG_SEED") {
        config.rng_seed = RngSeed::Fixed(2_024);
    }
    config
}

/// A caller as the outside knows it.
#[derive(Debug)]
struct Caller {
    language: Language,
    risk: Risk,
    arrival: Unix,
    talks_with: Option<AgentId>,
}

/// A phone that is claimed, rings or has answered.
#[derive(Debug)]
struct Offer {
    call: CallId,
    agent: AgentId,
    /// Counts as the caller's place being served: a ready advocate's.
    firm: bool,
    rings: bool,
}

struct House {
    engine: Engine,
    now: Now,
    widening: Arc<Widening>,
    network: Network,
    late: Vec<Ack>,
    profiles: Vec<AgentProfile>,
    callers: BTreeMap<CallId, Caller>,
    offers: BTreeMap<OfferId, Offer>,
    answered: BTreeSet<OfferId>,
    /// As last told.
    states: BTreeMap<AgentId, AgentState>,
    /// Until when each agent's phone may be silent although somebody waits.
    silent_until: BTreeMap<AgentId, Mono>,
    joined: u64,
    gone: u64,
    replies: u64,
}

impl House {
    fn new() -> Self {
        let now = Now {
            mono: Mono::from_start(Duration::from_secs(9)),
            unix: Unix::from_millis(1_700_000_000_000),
        };
        let profile = |name: &str, languages: &[Spoken], role, wrap_up, ready_on_register| AgentProfile {
            id: id(name),
            languages: languages.iter().copied().collect(),
            ui_language: Spoken::En,
            roles: [role].into_iter().collect(),
            wrap_up,
            ready_on_register,
        };
        let (en, fr) = (Spoken::En, Spoken::Fr);
        let two_seconds = WrapUp::After(Duration::from_secs(2));
        let mut house = Self {
            engine: Engine::new([3; 32], now),
            now,
            widening: Arc::new(Widening {
                usual: with_on_call(&Widening::default().usual),
                ..Widening::default()
            }),
            network: Network::Answers { refuses: false, twice: false },
            late: Vec::new(),
            profiles: vec![
                profile("en", &[en], Role::Advocate, WrapUp::Manual, false),
                profile("fr", &[fr], Role::Advocate, two_seconds, true),
                profile("bi", &[en, fr], Role::Advocate, WrapUp::Manual, true),
                profile("quick", &[en], Role::Advocate, WrapUp::After(Duration::ZERO), true),
                profile("boss", &[en, fr], Role::Supervisor, two_seconds, true),
                profile("home", &[en], Role::OnCall, two_seconds, true),
            ],
            callers: BTreeMap::new(),
            offers: BTreeMap::new(),
            answered: BTreeSet::new(),
            states: BTreeMap::new(),
            silent_until: BTreeMap::new(),
            joined: 0,
            gone: 0,
            replies: 0,
        };
        house.input(Input::Agents(house.profiles.clone()));
        house.input(Input::Store(Ack::Up));
        for agent in house.profiles.clone() {
            house.input(Input::Reachable { agent: agent.id, yes: true });
        }
        house
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Joins(language, risk) => self.joins(language, risk),
            Step::Changes(n, language, risk) => {
                let Some(call) = pick(self.callers.keys(), n) else { return };
                let caller = self.callers.get_mut(&call).unwrap();
                caller.language = language;
                caller.risk = caller.risk.changed_to(risk);
                self.input(Input::Change { call, language, risk, mode: Mode::default() });
            }
            Step::Leaves(n) => {
                let Some(call) = pick(self.callers.keys(), n) else { return };
                self.leaves(call);
            }
            Step::Rings(n) => {
                let Some(offer) = pick(self.ringing().iter(), n) else { return };
                self.input(Input::Ringing { offer });
            }
            Step::Asks(n) => {
                let Some(offer) = pick(self.ringing().iter(), n) else { return };
                self.input(Input::Asked { offer });
            }
            Step::Answers(n) => {
                let Some(offer) = pick(self.ringing().iter(), n) else { return };
                self.answered.insert(offer);
                self.input(Input::OfferAnswered { offer });
            }
            Step::Fails(n, why) => {
                let Some(offer) = pick(self.ringing().iter(), n) else { return };
                self.falls_silent(offer);
                self.input(Input::OfferEnded { offer, why });
            }
            Step::TalkEnds(n, agent_reachable) => {
                let Some((call, agent)) = self.talk(n) else { return };
                self.callers.remove(&call);
                self.gone += 1;
                self.input(Input::TalkEnded { call, agent, agent_reachable });
            }
            Step::Requeued(n) => self.requeued(n),
            Step::Says(n, command) => {
                let agent = self.profiles[n % self.profiles.len()].id.clone();
                self.replies += 1;
                self.input(Input::Command { agent, command, reply: self.replies });
            }
            Step::Phone(n, yes) => {
                let agent = self.profiles[n % self.profiles.len()].id.clone();
                self.input(Input::Reachable { agent, yes });
            }
            Step::Busy(n, yes) => {
                let agent = self.profiles[n % self.profiles.len()].id.clone();
                self.may_be_silent(&agent, if yes { A_MINUTE } else { PROMPTLY });
                self.input(Input::Busy { agent, yes });
            }
            Step::Passes(millis) => self.passes(Duration::from_millis(millis)),
            Step::Network(network) => self.network = network,
            Step::Arrives(n) => {
                if !self.late.is_empty() {
                    let ack = self.late.remove(n % self.late.len());
                    self.input(Input::Store(ack));
                }
            }
            Step::Store(up) => self.input(Input::Store(if up { Ack::Up } else { Ack::Down })),
            Step::Reload(without) => {
                let keeps = |n: usize| without >> (n % 8) & 1 == 0 || without % 2 == 0;
                let listed = self.profiles.iter().enumerate().filter(|(n, _)| keeps(*n));
                let listed = listed.map(|(_, profile)| profile.clone()).collect();
                self.input(Input::Agents(listed));
            }
        }
    }

    fn joins(&mut self, language: Language, risk: Risk) {
        self.joined += 1;
        let call = CallId(self.joined.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        self.callers.insert(call, Caller { language, risk, arrival: self.now.unix, talks_with: None });
        self.input(Input::Join {
            call,
            language,
            risk,
            mode: Mode::default(),
            widening: self.widening.clone(),
            arrival: None,
        });
    }

    fn leaves(&mut self, call: CallId) {
        if let Some(agent) = self.callers.remove(&call).and_then(|caller| caller.talks_with) {
            self.may_be_silent(&agent, PROMPTLY);
        }
        self.gone += 1;
        self.input(Input::Leave { call });
    }

    fn requeued(&mut self, n: usize) {
        let Some((call, agent)) = self.talk(n) else { return };
        self.may_be_silent(&agent, PROMPTLY);
        let caller = self.callers.get_mut(&call).unwrap();
        caller.talks_with = None;
        caller.risk = caller.risk.max(Risk::Elevated);
        let (language, risk, arrival) = (caller.language, caller.risk, caller.arrival);
        let join = Input::Join {
            call,
            language,
            risk,
            mode: Mode::default(),
            widening: self.widening.clone(),
            arrival: Some(arrival),
        };
        let end = Input::TalkEnded { call, agent, agent_reachable: false };
        // The end may be told before or after.
        if n.is_multiple_of(2) {
            self.engine.handle_input(end, self.now);
            self.input(join);
        } else {
            self.input(join);
            self.input(end);
        }
    }

    fn passes(&mut self, time: Duration) {
        let end = self.now.mono + time;
        let mut wakes = 0;
        while let Some(wakeup) = self.engine.poll_timeout().filter(|wakeup| wakeup.at <= end) {
            assert!(wakeup.at > self.now.mono, "{wakeup} makes no progress");
            wakes += 1;
            assert!(wakes < 10_000, "busy for ever: {wakeup}");
            self.now = self.now.after(wakeup.at.since(self.now.mono));
            self.engine.handle_timeout(self.now);
            self.settle();
        }
        self.now = self.now.after(end.since(self.now.mono));
        self.check();
    }

    /// Everybody leaves: nothing is left behind.
    fn closes(&mut self) {
        let calls: Vec<CallId> = self.callers.keys().copied().collect();
        for call in calls {
            self.leaves(call);
        }
        assert!(self.offers.is_empty(), "phones ring for nobody: {:?}", self.offers);
        self.passes(Duration::from_secs(3_600));
        let counts = self.engine.counts();
        assert_eq!((counts.offered, counts.in_talk), (0, 0));
        assert_eq!(self.engine.poll_timeout(), None, "an empty house sleeps");
    }

    fn ringing(&self) -> Vec<OfferId> {
        self.offers.iter().filter(|(_, offer)| offer.rings).map(|(id, _)| *id).collect()
    }

    fn talk(&self, n: usize) -> Option<(CallId, AgentId)> {
        let talks: Vec<_> =
            self.callers.iter().filter_map(|(call, c)| Some((*call, c.talks_with.clone()?))).collect();
        pick(talks.iter(), n)
    }

    fn input(&mut self, input: Input) {
        self.engine.handle_input(input, self.now);
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            self.on_output(output);
        }
        self.check();
    }

    fn on_output(&mut self, output: Output) {
        match output {
            Output::Offer { offer, call, agent, kind, interpreter } => {
                let profile = self.profile(&agent);
                let caller = &self.callers[&call];
                let spoken = caller.language.spoken();
                assert!(
                    spoken.is_none_or(|spoken| profile.languages.contains(spoken) != interpreter),
                    "wrong mark"
                );
                let supervisor = profile.roles.contains(Role::Supervisor);
                assert_eq!(supervisor, kind == OfferKind::Reserve || supervisor && kind == OfferKind::WrapUp);
                self.begins(offer, call, &agent);
                self.offers.get_mut(&offer).unwrap().rings = true;
            }
            Output::Withdraw { offer, call, agent, .. } => {
                let over = self.falls_silent(offer).expect("only a ringing phone is stopped");
                assert_eq!((over.call, over.agent), (call, agent));
            }
            Output::Connect { call, agent, offer } => {
                assert!(self.answered.remove(&offer), "only who answered is connected");
                let won = self.offers.remove(&offer).expect("only an offer is connected");
                assert_eq!((won.call, &won.agent), (call, &agent));
                let caller = self.callers.get_mut(&call).expect("a caller who is here");
                assert_eq!(caller.talks_with.replace(agent), None, "two advocates for one caller");
            }
            Output::Reject { offer } => {
                assert!(self.answered.remove(&offer), "only who answered is too late");
                self.falls_silent(offer);
            }
            Output::Store(op) => self.on_op(&op),
            Output::Agent { agent, state } => {
                self.states.insert(agent, state);
            }
            Output::Answer { reply, .. } => assert_eq!(reply, self.replies),
            _ => {}
        }
    }

    /// An offer begins with its claim, or with its ringing where there is no store to ask.
    fn begins(&mut self, id: OfferId, call: CallId, agent: &AgentId) {
        if self.offers.contains_key(&id) {
            return;
        }
        assert!(self.offers.values().all(|offer| offer.agent != *agent), "two callers ring at {agent}");
        assert!(
            self.callers.values().all(|c| c.talks_with.as_ref() != Some(agent)),
            "{agent} is rung in a talk"
        );
        assert_eq!(self.callers[&call].talks_with, None, "a phone rings for a caller in a talk");
        let firm = self.profile(agent).roles.contains(Role::Advocate)
            && matches!(self.states.get(agent), Some(AgentState::Ready { .. }));
        if firm {
            self.check_order(call, agent);
        }
        self.offers.insert(id, Offer { call, agent: agent.clone(), firm, rings: false });
    }

    /// Later B goes before A only if `arrival(B) − arrival(A) < head start(B) − head start(A)`.
    fn check_order(&self, b: CallId, agent: &AgentId) {
        let profile = self.profile(agent);
        let later = &self.callers[&b];
        for (a, earlier) in &self.callers {
            let served = self.offers.values().any(|offer| offer.call == *a && offer.firm);
            let waits = earlier.talks_with.is_none() && !served && !self.is_answered(*a);
            if *a == b || !waits || !skilled(earlier.language, profile) || earlier.arrival > later.arrival {
                continue;
            }
            let ahead = later.risk.head_start_millis() - earlier.risk.head_start_millis();
            let behind = later.arrival.as_millis() - earlier.arrival.as_millis();
            assert!(behind < ahead || behind == ahead && b < *a, "{b} goes before {a} at {agent}");
        }
    }

    fn is_answered(&self, call: CallId) -> bool {
        self.answered.iter().any(|id| self.offers.get(id).is_some_and(|offer| offer.call == call))
    }

    fn falls_silent(&mut self, offer: OfferId) -> Option<Offer> {
        let over = self.offers.remove(&offer)?;
        self.may_be_silent(&over.agent, PROMPTLY);
        Some(over)
    }

    fn may_be_silent(&mut self, agent: &AgentId, time: Duration) {
        let until = self.silent_until.entry(agent.clone()).or_default();
        *until = (*until).max(self.now.mono + time);
    }

    fn on_op(&mut self, op: &Op) {
        let ack = |ok| match *op {
            Op::Claim { op, .. } => Some(Ack::Claimed { op, ok }),
            Op::Confirm { op, .. } => Some(Ack::Confirmed { op, ok }),
            _ => None,
        };
        match op {
            Op::Claim { lease, .. } => {
                self.begins(lease.offer, lease.call, &lease.agent);
            }
            Op::Release(lease) => {
                self.falls_silent(lease.offer);
            }
            Op::Sync { callers, agents, leases } => {
                let waiting = self.callers.values().filter(|c| c.talks_with.is_none()).count();
                assert_eq!(callers.len(), waiting, "the store is told of every caller");
                assert!(callers.is_sorted_by_key(|c| (c.score, c.call)));
                assert_eq!(agents.len(), self.engine.agents().count());
                let talks = self.callers.values().filter(|c| c.talks_with.is_some()).count();
                assert_eq!(leases.iter().filter(|lease| lease.talking).count(), talks);
            }
            _ => {}
        }
        match self.network {
            Network::Answers { refuses, twice } => {
                let Some(ack) = ack(!refuses) else { return };
                self.engine.handle_input(Input::Store(ack.clone()), self.now);
                if twice {
                    self.engine.handle_input(Input::Store(ack), self.now);
                }
            }
            Network::Loses => {}
            Network::Delays => self.late.extend(ack(!self.late.len().is_multiple_of(3))),
        }
    }

    fn check(&self) {
        self.engine.audit().unwrap();
        self.check_places();
        self.check_promptness();
        if let Some(wakeup) = self.engine.poll_timeout() {
            assert!(wakeup.at > self.now.mono, "{wakeup} is not in the future");
        }
    }

    /// Nobody is lost, nobody is twice, nobody is changed.
    fn check_places(&self) {
        let mut seen = BTreeSet::new();
        for view in self.engine.callers() {
            assert!(seen.insert(view.call), "{} is in two places", view.call);
            let caller = &self.callers[&view.call];
            assert_eq!((view.language, view.risk), (caller.language, caller.risk));
            assert_eq!(view.arrival, caller.arrival, "the first arrival is kept");
            let talks_with = match view.place {
                Place::Talking { agent } => Some(agent),
                Place::Waiting { .. } => None,
            };
            assert_eq!(talks_with, caller.talks_with);
        }
        assert_eq!(seen.len(), self.callers.len(), "a caller is lost");
        assert_eq!(self.joined, self.gone + self.callers.len() as u64, "the counts add up");
        let counts = self.engine.counts();
        let waiting: usize = counts.waiting.iter().flatten().sum();
        assert_eq!(waiting + counts.talking, self.callers.len());
        assert_eq!(counts.talking, counts.in_talk, "one advocate for each talk");
    }

    /// A caller whom a ready advocate could take has a phone ringing, or an agent's breath is awaited.
    fn check_promptness(&self) {
        for (call, caller) in &self.callers {
            let served = self.offers.values().any(|offer| offer.call == *call && offer.firm);
            if caller.talks_with.is_some() || served || self.is_answered(*call) {
                continue;
            }
            for agent in self.engine.agents() {
                let idle = matches!(agent.state, AgentState::Ready { .. })
                    && agent.profile.roles.contains(Role::Advocate)
                    && self.offers.values().all(|offer| offer.agent != agent.profile.id);
                let rested =
                    self.silent_until.get(&agent.profile.id).is_none_or(|until| self.now.mono > *until);
                assert!(
                    !(idle && rested && skilled(caller.language, agent.profile)),
                    "{call} waits and {} is ready",
                    agent.profile.id
                );
            }
        }
    }

    fn profile(&self, agent: &AgentId) -> &AgentProfile {
        self.profiles.iter().find(|profile| profile.id == *agent).unwrap()
    }
}

fn skilled(language: Language, profile: &AgentProfile) -> bool {
    match language {
        Language::En => profile.languages.contains(Spoken::En),
        Language::Fr => profile.languages.contains(Spoken::Fr),
        Language::Unknown => profile.languages.is_bilingual(),
        Language::Other => true,
    }
}

fn with_on_call(schedule: &havre_model::Schedule) -> havre_model::Schedule {
    let mut steps = schedule.0.clone();
    steps.insert(3, (Duration::from_secs(45), havre_model::Step::OnCall));
    havre_model::Schedule(steps)
}

fn pick<'a, T: Clone + 'a>(mut of: impl ExactSizeIterator<Item = &'a T>, n: usize) -> Option<T> {
    if of.len() == 0 {
        return None;
    }
    of.nth(n % of.len()).cloned()
}
