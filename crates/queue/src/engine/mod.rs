//! The engine: what each input does, and who is rung for whom afterwards.
//!
//! Every input changes callers, agents or offers, each in the file of its noun; then [`Engine::dispatch`] rings
//! whoever is to be rung now. Nothing else ever starts an offer.

mod agents;
mod audit;
mod callers;
mod dispatch;
mod offers;
mod store;
mod take;
mod views;

use std::collections::{BTreeMap, VecDeque};

use havre_model::{AgentId, CallId, Now, OfferId, Wakeup};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::agent::Agent;
use crate::caller::Caller;
use crate::offer::Offer;
use crate::order::Line;
use crate::pool::Pool;
use crate::timers::{Timer, Timers};
use crate::{Counters, Input, Op, Output};
use store::Peer;

/// The queue of one node.
#[derive(Debug)]
pub struct Engine {
    agents: BTreeMap<AgentId, Agent>,
    /// Not limited here: the edge refuses calls beyond [`havre_model::limits::MAX_CALLS`], and a caller who is
    /// already in the house is never turned away.
    callers: BTreeMap<CallId, Caller>,
    offers: BTreeMap<OfferId, Offer>,
    line: Line,
    /// Agents who can be rung now.
    free: Pool,
    /// Agents whose ringing phone could ring for another caller.
    lent: Pool,
    timers: Timers,
    peer: Peer,
    ids: ChaCha20Rng,
    outputs: VecDeque<Output>,
    counters: Counters,
}

impl Engine {
    /// An engine with no callers, no agents and no store (see [`crate::Ack::Up`]).
    #[must_use]
    pub fn new(seed: [u8; 32], _now: Now) -> Self {
        Self {
            agents: BTreeMap::new(),
            callers: BTreeMap::new(),
            offers: BTreeMap::new(),
            line: Line::default(),
            free: Pool::new(),
            lent: Pool::new(),
            timers: Timers::default(),
            peer: Peer::default(),
            ids: ChaCha20Rng::from_seed(seed),
            outputs: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Takes what the outside says.
    pub fn handle_input(&mut self, input: Input, now: Now) {
        match input {
            Input::Agents(profiles) => self.on_agents(profiles, now),
            Input::Reachable { agent, yes: true } => self.on_proof(&agent, now),
            Input::Reachable { agent, yes: false } => self.on_loss(&agent, now),
            Input::Telephone { agent, yes } => self.on_telephone(&agent, yes, now),
            Input::Unheard { agent, yes } => self.on_unheard(&agent, yes, now),
            Input::Busy { agent, yes } => self.on_busy(&agent, yes, now),
            Input::Command { agent, command, reply } => {
                let result = self.command(&agent, command, now);
                self.emit(Output::Answer { reply, result });
            }
            Input::Take { call, agent, reply } => {
                let result = self.take(call, &agent, now);
                self.emit(Output::Taken { reply, result });
            }
            Input::Join { call, language, risk, mode, widening, arrival } => {
                self.on_join(call, language, risk, mode, widening, arrival, now);
            }
            Input::Change { call, language, risk, mode } => self.on_change(call, language, risk, mode, now),
            Input::Leave { call } => self.on_leave(call, now),
            Input::Ringing { offer } => self.on_ringing(offer),
            Input::Asked { offer } => self.on_asked(offer, now),
            Input::OfferAnswered { offer } => self.on_answered(offer, now),
            Input::OfferEnded { offer, why } => self.on_ended(offer, why, now),
            Input::TalkEnded { call, agent, agent_reachable } => {
                self.on_talk_ended(call, &agent, agent_reachable, now);
            }
            Input::Store(ack) => self.on_ack(&ack, now),
        }
        self.dispatch(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(timer) = self.timers.pop(now.mono) {
            match timer {
                Timer::Op(op) => self.on_op_due(op, now),
                Timer::Offer(offer) => self.on_rung_out(offer, now),
                Timer::Caller(call) => self.on_caller_due(call, now),
                Timer::Agent(agent) => self.on_agent_due(&agent, now),
                Timer::Renew => self.on_renew_due(now),
            }
        }
        self.dispatch(now);
    }

    /// What is asked of the outside; call until `None`.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call `handle_timeout` next, and why.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        self.timers.next()
    }

    fn emit(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// To the store, if there is one: what it misses it is told by [`Op::Sync`] when it is back.
    fn send(&mut self, op: Op) {
        if self.peer.is_there() {
            self.emit(Output::Store(op));
        }
    }

    fn fresh_offer_id(&mut self) -> OfferId {
        loop {
            let id = OfferId(self.ids.next_u64());
            if !self.offers.contains_key(&id) {
                return id;
            }
        }
    }
}
