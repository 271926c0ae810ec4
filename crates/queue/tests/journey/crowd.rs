//! A crowd: as many callers and agents as the limits allow.

use std::sync::Arc;
use std::time::Duration;

use havre_model::limits::{MAX_AGENTS, MAX_CALLS};
use havre_model::{
    AgentProfile, CallId, Language, Mode, Mono, Now, Risk, Role, Spoken, Unix, Widening, WrapUp,
};
use havre_queue::{Engine, Input, Output};

use crate::world::id;

/// Every caller is served and in order, and the engine's own account of its work stays small.
#[test]
fn the_limits_of_callers_and_agents_at_once() {
    let mut crowd = Crowd::new(MAX_AGENTS / 10);
    crowd.callers(MAX_CALLS, Language::Fr);
    crowd.passes(Duration::from_secs(44));
    assert_eq!(crowd.engine.counters().offers, 0, "nobody speaks French");
    crowd.passes(Duration::from_secs(1));
    assert_eq!(crowd.talking, MAX_AGENTS / 10, "an interpreter for each agent there is");
    crowd.engine.audit().unwrap();
    for call in 0..MAX_CALLS as u64 {
        crowd.input(Input::Leave { call: CallId(call) });
        crowd.passes(Duration::from_secs(1));
    }
    assert_eq!(crowd.talking, MAX_CALLS, "everyone was served before the next");
    assert_eq!(crowd.engine.callers().count(), 0);
}

struct Crowd {
    engine: Engine,
    now: Now,
    joined: u64,
    talking: usize,
    widening: Arc<Widening>,
}

impl Crowd {
    /// English advocates, ready, who answer at once.
    fn new(agents: usize) -> Self {
        let now = Now { mono: Mono::ZERO, unix: Unix::from_millis(1_700_000_000_000) };
        let mut engine = Engine::new([0; 32], now);
        let profile = |n| AgentProfile {
            id: id(&format!("agent-{n}")),
            languages: [Spoken::En].into_iter().collect(),
            ui_language: Spoken::En,
            roles: [Role::Advocate].into_iter().collect(),
            wrap_up: WrapUp::After(Duration::ZERO),
            ready_on_register: true,
        };
        engine.handle_input(Input::Agents((0..agents).map(profile).collect()), now);
        for n in 0..agents {
            engine.handle_input(Input::Reachable { agent: profile(n).id, yes: true }, now);
        }
        while engine.poll_output().is_some() {}
        Self { engine, now, joined: 0, talking: 0, widening: Arc::default() }
    }

    fn callers(&mut self, how_many: usize, language: Language) {
        for _ in 0..how_many {
            let (call, risk, mode) = (CallId(self.joined), Risk::Standard, Mode::default());
            self.joined += 1;
            let widening = self.widening.clone();
            self.input(Input::Join { call, language, risk, mode, widening, arrival: None });
        }
    }

    fn input(&mut self, input: Input) {
        self.engine.handle_input(input, self.now);
        self.drain();
    }

    fn passes(&mut self, time: Duration) {
        let end = self.now.mono + time;
        while let Some(wakeup) = self.engine.poll_timeout().filter(|wakeup| wakeup.at <= end) {
            self.now = self.now.after(wakeup.at.since(self.now.mono));
            self.engine.handle_timeout(self.now);
            self.drain();
        }
        self.now = self.now.after(end.since(self.now.mono));
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Offer { offer, .. } => {
                    self.engine.handle_input(Input::OfferAnswered { offer }, self.now);
                }
                Output::Connect { .. } => self.talking += 1,
                _ => {}
            }
        }
    }
}
