//! Two nodes that share their agents through one store: the store here is what [`havre_queue::Op`] says a store is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use havre_model::{
    AgentCommand, AgentId, AgentProfile, AgentState, CallId, Language, Mode, Mono, Now, OfferId, Risk, Role,
    Spoken, Unix, WrapUp,
};
use havre_queue::{Ack, Engine, Input, LEASE, Lease, Op, Output};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::world::id;

const AGENTS: u64 = 4;

#[test]
fn an_agent_is_rung_by_one_node_at_a_time_while_the_store_answers() {
    for seed in 0..60 {
        let mut pair = Pair::new(seed);
        for _ in 0..300 {
            pair.does_something();
            pair.check(seed);
        }
        assert!(pair.talks > 10, "seed {seed}: {} talks prove nothing", pair.talks);
        assert_eq!(pair.missed(), 0, "seed {seed}: the store was never silent");
    }
}

#[test]
fn a_lost_nodes_agents_are_free_when_its_leases_run_out() {
    let mut pair = Pair::new(0);
    pair.joins(0);
    pair.passes(Duration::from_millis(200));
    let ringing = pair.nodes[0].ringing.clone();
    let (_, agent) = ringing.first().expect("node 0 rings somebody").clone();
    pair.nodes[0].dead = true;
    for _ in 0..AGENTS {
        pair.joins(1);
    }
    pair.passes(Duration::from_secs(11));
    assert!(!pair.nodes[1].rings(&agent), "{agent} is held by the lost node");
    pair.passes(LEASE);
    assert!(pair.nodes[1].rings(&agent), "{agent} is free again");
}

struct Node {
    engine: Engine,
    ringing: BTreeSet<(OfferId, AgentId)>,
    talks: BTreeMap<CallId, AgentId>,
    dead: bool,
    /// What is on its way to the store and back, in order.
    wire: VecDeque<(Mono, Op)>,
    back: VecDeque<(Mono, Ack)>,
}

impl Node {
    fn rings(&self, agent: &AgentId) -> bool {
        self.ringing.iter().any(|(_, rings)| rings == agent)
    }
}

struct Pair {
    now: Now,
    nodes: [Node; 2],
    store: Shared,
    rng: ChaCha8Rng,
    joined: u64,
    talks: usize,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let now = Now { mono: Mono::ZERO, unix: Unix::from_millis(1_700_000_000_000) };
        let profile = |n: u64| AgentProfile {
            id: id(&format!("agent-{n}")),
            languages: [Spoken::En].into_iter().collect(),
            ui_language: Spoken::En,
            roles: [Role::Advocate].into_iter().collect(),
            wrap_up: WrapUp::After(Duration::from_secs(3)),
            ready_on_register: true,
        };
        let node = |n: u8| {
            let mut engine = Engine::new([n; 32], now);
            engine.handle_input(Input::Store(Ack::Up), now);
            engine.handle_input(Input::Agents((0..AGENTS).map(profile).collect()), now);
            for agent in 0..AGENTS {
                engine.handle_input(Input::Reachable { agent: profile(agent).id, yes: true }, now);
            }
            Node {
                engine,
                ringing: BTreeSet::new(),
                talks: BTreeMap::new(),
                dead: false,
                wire: VecDeque::new(),
                back: VecDeque::new(),
            }
        };
        Self {
            now,
            nodes: [node(0), node(1)],
            store: Shared::default(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            joined: 0,
            talks: 0,
        }
    }

    fn does_something(&mut self) {
        let node = self.random(2);
        match self.random(8) {
            0 | 1 => self.joins(node),
            2 | 3 => self.answers(node),
            4 => {
                let call = self.nodes[node].talks.keys().next().copied();
                let Some(call) = call else { return };
                self.nodes[node].talks.remove(&call);
                self.input(node, Input::Leave { call });
            }
            5 => {
                // Everybody is ready at both nodes, as far as the nodes know.
                for agent in 0..AGENTS {
                    let agent = id(&format!("agent-{agent}"));
                    let not_ready = self.nodes[node]
                        .engine
                        .agent(&agent)
                        .is_some_and(|view| matches!(view.state, AgentState::NotReady { .. }));
                    if not_ready {
                        let command = AgentCommand::Ready;
                        self.input(node, Input::Command { agent, command, reply: 0 });
                    }
                }
            }
            _ => {
                let millis = [3, 40, 700, 5_000][self.random(4)];
                self.passes(Duration::from_millis(millis));
            }
        }
    }

    fn joins(&mut self, node: usize) {
        self.joined += 1;
        let (call, language, risk) = (CallId(self.joined), Language::En, Risk::Standard);
        let (mode, widening) = (Mode::default(), Arc::default());
        self.input(node, Input::Join { call, language, risk, mode, widening, arrival: None });
    }

    fn answers(&mut self, node: usize) {
        let Some((offer, _)) = self.nodes[node].ringing.first().cloned() else { return };
        self.input(node, Input::OfferAnswered { offer });
    }

    fn input(&mut self, node: usize, input: Input) {
        let now = self.now;
        self.nodes[node].engine.handle_input(input, now);
        self.drain(node);
    }

    /// Time passes for both nodes, and everything arrives in its own millisecond.
    fn passes(&mut self, time: Duration) {
        let end = self.now.mono + time;
        while self.now.mono < end {
            self.now = self.now.after(Duration::from_millis(1));
            for node in 0..2 {
                self.delivers(node);
            }
        }
    }

    fn delivers(&mut self, n: usize) {
        let now = self.now;
        while let Some((_, op)) = self.nodes[n].wire.pop_front_if(|(at, _)| *at <= now.mono) {
            if let Some(ack) = self.store.carry_out(n, op, now.mono) {
                let there = self.nodes[n].back.back().map_or(now.mono, |(at, _)| (*at).max(now.mono));
                let delay = self.random(40) as u64;
                self.nodes[n].back.push_back((there.max(now.mono + Duration::from_millis(delay)), ack));
            }
        }
        if self.nodes[n].dead {
            return;
        }
        while let Some((_, ack)) = self.nodes[n].back.pop_front_if(|(at, _)| *at <= now.mono) {
            self.input(n, Input::Store(ack));
        }
        if self.nodes[n].engine.poll_timeout().is_some_and(|wakeup| wakeup.at <= now.mono) {
            self.nodes[n].engine.handle_timeout(now);
            self.drain(n);
        }
    }

    fn drain(&mut self, n: usize) {
        while let Some(output) = self.nodes[n].engine.poll_output() {
            match output {
                Output::Offer { offer, agent, .. } => {
                    self.nodes[n].ringing.insert((offer, agent));
                }
                Output::Withdraw { offer, .. } | Output::Reject { offer } => {
                    self.nodes[n].ringing.retain(|(id, _)| *id != offer);
                }
                Output::Connect { call, agent, offer } => {
                    self.nodes[n].ringing.retain(|(id, _)| *id != offer);
                    self.nodes[n].talks.insert(call, agent);
                    self.talks += 1;
                }
                Output::Store(op) => {
                    let after = Duration::from_millis(self.random(40) as u64);
                    let node = &mut self.nodes[n];
                    let last = node.wire.back().map_or(Mono::ZERO, |(at, _)| *at);
                    node.wire.push_back((last.max(self.now.mono + after), op));
                }
                _ => {}
            }
        }
        self.nodes[n].engine.audit().unwrap();
    }

    fn check(&self, seed: u64) {
        for (_, agent) in &self.nodes[0].ringing {
            assert!(!self.nodes[1].rings(agent), "seed {seed}: both nodes ring {agent}");
        }
        let [a, b] = &self.nodes;
        for agent in a.talks.values() {
            assert!(!b.rings(agent), "seed {seed}: {agent} is rung in a talk");
            assert!(b.talks.values().all(|other| other != agent), "seed {seed}: {agent} has two callers");
        }
        for agent in b.talks.values() {
            assert!(!a.rings(agent), "seed {seed}: {agent} is rung in a talk");
        }
    }

    fn missed(&self) -> u64 {
        self.nodes.iter().map(|node| node.engine.counters().acks_missed).sum()
    }

    fn random(&mut self, below: usize) -> usize {
        (self.rng.next_u64() % below as u64) as usize
    }
}

/// Leases of all nodes: who holds whom, under which offer, until when.
#[derive(Default)]
struct Shared {
    leases: BTreeMap<AgentId, (usize, Lease, Mono)>,
}

impl Shared {
    fn carry_out(&mut self, node: usize, op: Op, now: Mono) -> Option<Ack> {
        self.leases.retain(|_, (_, _, until)| *until > now);
        match op {
            Op::Claim { op, lease } => {
                let ok = self.leases.get(&lease.agent).is_none_or(|(holder, ..)| *holder == node);
                self.hold(ok, node, lease, now);
                Some(Ack::Claimed { op, ok })
            }
            Op::Confirm { op, lease } => {
                let ok = self.free_or_same(node, &lease) && !self.is_taken_elsewhere(node, &lease);
                self.hold(ok, node, lease, now);
                Some(Ack::Confirmed { op, ok })
            }
            Op::Renew(leases) => {
                for lease in leases {
                    self.hold(self.free_or_same(node, &lease), node, lease, now);
                }
                None
            }
            Op::Release(lease) => {
                if self.free_or_same(node, &lease) {
                    self.leases.remove(&lease.agent);
                }
                None
            }
            Op::Sync { leases, .. } => {
                self.leases.retain(|_, (holder, ..)| *holder != node);
                for lease in leases {
                    self.hold(self.free_or_same(node, &lease), node, lease, now);
                }
                None
            }
            _ => None,
        }
    }

    fn free_or_same(&self, node: usize, lease: &Lease) -> bool {
        self.leases
            .get(&lease.agent)
            .is_none_or(|(holder, held, _)| *holder == node && held.offer == lease.offer)
    }

    fn is_taken_elsewhere(&self, node: usize, lease: &Lease) -> bool {
        self.leases
            .values()
            .any(|(holder, held, _)| held.talking && held.call == lease.call && *holder != node)
    }

    fn hold(&mut self, ok: bool, node: usize, lease: Lease, now: Mono) {
        if ok {
            self.leases.insert(lease.agent.clone(), (node, lease, now + LEASE));
        }
    }
}
