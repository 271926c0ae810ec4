//! The store as a peer: what is asked of it, what it answers, and how to go on without it.

use std::collections::BTreeMap;

use havre_model::{Mono, Now, WithdrawReason};

use super::Engine;
use crate::caller::Standing;
use crate::offer::{Aftermath, Stage};
use crate::timers::Timer;
use crate::{ACK_WITHIN, Ack, AgentRecord, CallerRecord, LEASE, Lease, Op, Output, RENEW_EVERY};

#[derive(Debug, Default)]
pub(super) struct Peer {
    link: Link,
    last_op: u64,
    /// What was asked and not answered. Bounded in time: each is forgotten after [`LEASE`].
    asks: BTreeMap<u64, Ask>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Link {
    /// There is none, or it said that it is gone: nothing is sent.
    #[default]
    Down,
    /// It did not answer in time: it is still told and asked everything, and never waited for.
    Silent,
    /// It answers: claims and confirmations wait for it.
    Up,
}

#[derive(Debug)]
struct Ask {
    lease: Lease,
    sent: Mono,
    /// The offer waits for the answer.
    awaited: bool,
}

impl Peer {
    pub(super) fn is_there(&self) -> bool {
        self.link != Link::Down
    }

    pub(super) fn is_degraded(&self) -> bool {
        self.link != Link::Up
    }

    pub(super) fn open_asks(&self) -> usize {
        self.asks.len()
    }

    /// Whether the answer to `op` is still waited for.
    pub(super) fn awaits(&self, op: u64) -> bool {
        self.asks.get(&op).is_some_and(|ask| ask.awaited)
    }
}

impl Engine {
    /// Asks for the agent. `None`: there is nobody to wait for.
    pub(super) fn claim(&mut self, lease: Lease, now: Now) -> Option<u64> {
        self.ask(lease, now, |op, lease| Op::Claim { op, lease })
    }

    /// Asks for caller and agent for each other. `None`: there is nobody to wait for.
    pub(super) fn confirm(&mut self, lease: Lease, now: Now) -> Option<u64> {
        self.ask(lease, now, |op, lease| Op::Confirm { op, lease })
    }

    fn ask(&mut self, lease: Lease, now: Now, op_of: impl Fn(u64, Lease) -> Op) -> Option<u64> {
        if !self.peer.is_there() {
            return None;
        }
        if self.timers.at(&Timer::Renew).is_none() {
            self.timers.set(Timer::Renew, Some(now.mono + RENEW_EVERY));
        }
        self.peer.last_op += 1;
        let op = self.peer.last_op;
        let awaited = self.peer.link == Link::Up;
        let interest = if awaited { ACK_WITHIN } else { LEASE };
        self.timers.set(Timer::Op(op), Some(now.mono + interest));
        self.peer.asks.insert(op, Ask { lease: lease.clone(), sent: now.mono, awaited });
        self.emit(Output::Store(op_of(op, lease)));
        awaited.then_some(op)
    }

    /// A late grant is still to be given back, so the question is not forgotten at once.
    fn stop_waiting(&mut self, op: u64) {
        if let Some(ask) = self.peer.asks.get_mut(&op) {
            ask.awaited = false;
            self.timers.set(Timer::Op(op), Some(ask.sent + LEASE));
        }
    }

    pub(super) fn on_op_due(&mut self, op: u64, now: Now) {
        if !self.peer.awaits(op) {
            self.peer.asks.remove(&op);
            return;
        }
        self.counters.acks_missed += 1;
        if self.peer.link == Link::Up {
            self.peer.link = Link::Silent;
            self.emit(Output::Degraded(true));
        }
        self.go_on_without(op, now);
    }

    /// Local truth: what this node holds, it holds.
    fn go_on_without(&mut self, op: u64, now: Now) {
        self.stop_waiting(op);
        let Some(offer) = self.peer.asks.get(&op).map(|ask| ask.lease.offer) else { return };
        match self.offers.get(&offer).map(|offer| offer.stage) {
            Some(Stage::Claiming { op: waits }) if waits == Some(op) => self.ring(offer, now),
            Some(Stage::Confirming { op: waits }) if waits == op => self.connect(offer, now),
            _ => {}
        }
    }

    pub(super) fn on_ack(&mut self, ack: &Ack, now: Now) {
        match *ack {
            Ack::Claimed { op, ok } | Ack::Confirmed { op, ok } => self.on_verdict(op, ok, now),
            Ack::Up => self.on_up(now),
            Ack::Down => {
                if self.peer.link == Link::Up {
                    self.emit(Output::Degraded(true));
                }
                self.peer.link = Link::Down;
                let asks = self.peer.asks.iter();
                let awaited: Vec<u64> = asks.filter(|(_, ask)| ask.awaited).map(|(op, _)| *op).collect();
                for op in awaited {
                    self.go_on_without(op, now);
                }
            }
        }
    }

    fn on_up(&mut self, now: Now) {
        if self.peer.is_degraded() {
            self.peer.link = Link::Up;
            self.emit(Output::Degraded(false));
        }
        let agents = self
            .agents
            .iter()
            .map(|(id, agent)| AgentRecord { agent: id.clone(), state: agent.told })
            .collect();
        let mut callers: Vec<CallerRecord> = self
            .callers
            .iter()
            .filter(|(_, caller)| matches!(caller.place, Standing::Waiting(_)))
            .map(|(call, caller)| caller.record(*call))
            .collect();
        callers.sort_by_key(|caller| (caller.score, caller.call));
        let leases = self.leases();
        self.timers.set(Timer::Renew, (!leases.is_empty()).then(|| now.mono + RENEW_EVERY));
        self.emit(Output::Store(Op::Sync { callers, agents, leases }));
    }

    fn on_verdict(&mut self, op: u64, ok: bool, now: Now) {
        let Some(Ask { lease, sent, .. }) = self.peer.asks.remove(&op) else {
            self.counters.acks_dropped += 1;
            return;
        };
        self.timers.set(Timer::Op(op), None);
        if self.peer.link == Link::Silent && now.mono.since(sent) < ACK_WITHIN {
            self.on_up(now);
        }
        let offer = lease.offer;
        match self.offers.get(&offer).map(|offer| offer.stage) {
            Some(Stage::Claiming { op: waits }) if waits == Some(op) => {
                if ok {
                    self.ring(offer, now);
                } else {
                    self.counters.claims_refused += 1;
                    self.end(offer, Aftermath::HeldElsewhere, now);
                }
            }
            Some(Stage::Confirming { op: waits }) if waits == op => {
                if ok {
                    self.connect(offer, now);
                } else {
                    self.counters.claims_refused += 1;
                    self.reject(offer, Aftermath::HeldElsewhere, now);
                }
            }
            _ => self.on_late_verdict(ok, &lease, now),
        }
    }

    /// The engine had gone on. A talk is never undone; a phone that only rings is; a grant for what is over is
    /// given back.
    fn on_late_verdict(&mut self, ok: bool, lease: &Lease, now: Now) {
        self.counters.late_refusals += u64::from(!ok);
        match self.offers.get(&lease.offer).map(|offer| offer.stage) {
            Some(Stage::Ringing { .. }) if !ok => {
                self.withdraw(lease.offer, WithdrawReason::Claimed, Aftermath::HeldElsewhere, now);
            }
            None if ok && !self.talks_under(lease) => self.send(Op::Release(lease.clone())),
            _ => {}
        }
    }

    fn talks_under(&self, lease: &Lease) -> bool {
        self.callers.get(&lease.call).is_some_and(|caller| match &caller.place {
            Standing::Talking { offer, .. } => *offer == lease.offer,
            Standing::Waiting(_) => false,
        })
    }

    pub(super) fn on_renew_due(&mut self, now: Now) {
        let leases = self.leases();
        if !leases.is_empty() {
            self.timers.set(Timer::Renew, Some(now.mono + RENEW_EVERY));
            self.send(Op::Renew(leases));
        }
    }

    /// Everything this node holds.
    fn leases(&self) -> Vec<Lease> {
        let ringing = self.offers.iter().map(|(id, offer)| offer.lease(*id, false));
        let talks = self.callers.iter().filter_map(|(call, caller)| match &caller.place {
            Standing::Talking { agent, offer } => {
                Some(Lease { offer: *offer, call: *call, agent: agent.clone(), talking: true })
            }
            Standing::Waiting(_) => None,
        });
        ringing.chain(talks).collect()
    }
}
