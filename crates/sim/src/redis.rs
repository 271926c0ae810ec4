//! Redis and the store's connection to it, without either: leases, waiting callers and agents, and everything that
//! can go wrong on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use havre_model::{AgentId, CallId, Mono, OfferId};
use havre_queue::{Ack, LEASE, Lease, Op};

/// Without an answer for this long the store counts Redis as hung: as in `havre-store`.
const RESPONSE: Duration = Duration::from_millis(500);
/// How often the store asks whether Redis lives.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// One way.
const NEAR: Duration = Duration::from_micros(500);

/// How Redis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answers after this time.
    Answers(Duration),
    /// It does what it is asked, and no answer arrives.
    Deaf,
    /// It takes what it is asked and does nothing, until it goes on.
    Hung,
    /// Nobody listens.
    Gone,
}

impl Health {
    /// As fast as next door.
    pub const GOOD: Self = Self::Answers(NEAR);
}

/// Whose lease it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    Us,
    AnotherNode,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    by: Holder,
    offer: OfferId,
    until: Mono,
}

/// The store of one node, seen from its switch.
pub(crate) struct Redis {
    health: Health,
    /// What the switch was told last.
    up: bool,
    /// Since when an answer is awaited.
    unanswered: Option<Mono>,
    heartbeat: Mono,
    held: BTreeMap<AgentId, Held>,
    talking: BTreeMap<CallId, Held>,
    waiting: BTreeSet<CallId>,
    /// Ops taken while hung: done when it goes on, if the connection lasts.
    stuck: Vec<Op>,
    acks: BTreeMap<(Mono, u64), Ack>,
    sent: u64,
}

impl Redis {
    pub(crate) fn new(now: Mono) -> Self {
        let mut this = Self {
            health: Health::GOOD,
            up: false,
            unanswered: None,
            heartbeat: now + HEARTBEAT,
            held: BTreeMap::new(),
            talking: BTreeMap::new(),
            waiting: BTreeSet::new(),
            stuck: Vec::new(),
            acks: BTreeMap::new(),
            sent: 0,
        };
        this.connect(now);
        this
    }

    /// From now on it is like this. What it held stays, as on a disk or through a hang.
    pub(crate) fn become_(&mut self, health: Health, now: Mono) {
        self.health = health;
        self.heartbeat = now + HEARTBEAT;
        match health {
            Health::Answers(_) => {
                let stuck = std::mem::take(&mut self.stuck);
                if self.up {
                    self.unanswered = None;
                    for op in stuck {
                        self.take(op, now);
                    }
                }
            }
            Health::Gone => self.disconnect(now),
            Health::Hung | Health::Deaf => {}
        }
    }

    /// It starts again with nothing in it.
    pub(crate) fn forget(&mut self, now: Mono) {
        self.held.clear();
        self.talking.clear();
        self.waiting.clear();
        self.disconnect(now);
    }

    /// Another node claims an agent for a call of its own. Whether it gets them: not while we hold them.
    pub(crate) fn another_node_takes(&mut self, agent: &AgentId, for_: Duration, now: Mono) -> bool {
        let free = self.ours(agent, now).is_none();
        if free {
            self.another_node_seizes(agent, for_, now);
        }
        free
    }

    /// Another node has an agent whom we thought to hold: our lease ran out unnoticed.
    pub(crate) fn another_node_seizes(&mut self, agent: &AgentId, for_: Duration, now: Mono) {
        let held = Held { by: Holder::AnotherNode, offer: OfferId(u64::MAX), until: now + for_ };
        self.held.insert(agent.clone(), held);
    }

    pub(crate) fn take(&mut self, op: Op, now: Mono) {
        if !self.up {
            return;
        }
        let latency = match self.health {
            Health::Answers(latency) => Some(latency),
            Health::Deaf => None,
            Health::Hung => {
                self.unanswered.get_or_insert(now);
                self.stuck.push(op);
                return;
            }
            Health::Gone => return,
        };
        let Some(ack) = self.carry_out(op, now) else { return };
        match latency {
            Some(latency) => self.say(ack, now + latency * 2),
            None => {
                self.unanswered.get_or_insert(now);
            }
        }
    }

    fn carry_out(&mut self, op: Op, now: Mono) -> Option<Ack> {
        match op {
            Op::Claim { op, lease } => {
                let ok = !self.is_elsewhere(&lease.agent, now);
                if ok {
                    self.hold(&lease, now);
                }
                return Some(Ack::Claimed { op, ok });
            }
            Op::Confirm { op, lease } => {
                let ok = !self.is_elsewhere(&lease.agent, now)
                    && self.ours(&lease.agent, now).is_none_or(|offer| offer == lease.offer);
                if ok {
                    self.hold(&lease, now);
                }
                return Some(Ack::Confirmed { op, ok });
            }
            Op::Renew(leases) => self.renew(&leases, now),
            Op::Release(lease) => {
                if self.ours(&lease.agent, now) == Some(lease.offer) {
                    self.held.remove(&lease.agent);
                }
                if self.talking.get(&lease.call).is_some_and(|held| held.offer == lease.offer) {
                    self.talking.remove(&lease.call);
                }
            }
            Op::PutCaller(record) => {
                self.waiting.insert(record.call);
            }
            Op::DropCaller(call) => {
                self.waiting.remove(&call);
            }
            Op::PutAgent(_) | Op::DropAgent(_) => {}
            Op::Sync { callers, leases, .. } => {
                self.waiting = callers.iter().map(|record| record.call).collect();
                self.held.retain(|_, held| held.by == Holder::AnotherNode);
                self.talking.clear();
                self.renew(&leases, now);
            }
        }
        None
    }

    fn renew(&mut self, leases: &[Lease], now: Mono) {
        for lease in leases {
            let held = self.held.get(&lease.agent).filter(|held| held.until > now);
            if held.is_none_or(|held| held.by == Holder::Us && held.offer == lease.offer) {
                self.hold(lease, now);
            }
        }
    }

    fn hold(&mut self, lease: &Lease, now: Mono) {
        let held = Held { by: Holder::Us, offer: lease.offer, until: now + LEASE };
        self.held.insert(lease.agent.clone(), held);
        if lease.talking {
            self.talking.insert(lease.call, held);
        }
    }

    fn is_elsewhere(&self, agent: &AgentId, now: Mono) -> bool {
        self.held.get(agent).is_some_and(|held| held.by == Holder::AnotherNode && held.until > now)
    }

    fn ours(&self, agent: &AgentId, now: Mono) -> Option<OfferId> {
        self.held.get(agent).filter(|held| held.by == Holder::Us && held.until > now).map(|held| held.offer)
    }

    fn say(&mut self, ack: Ack, at: Mono) {
        self.sent += 1;
        self.acks.insert((at, self.sent), ack);
    }

    fn connect(&mut self, now: Mono) {
        self.up = true;
        self.unanswered = None;
        self.stuck.clear();
        self.say(Ack::Up, now);
    }

    fn disconnect(&mut self, now: Mono) {
        if std::mem::take(&mut self.up) {
            self.acks.clear();
            self.stuck.clear();
            self.say(Ack::Down, now);
        }
        self.unanswered = None;
    }

    pub(crate) fn next(&self) -> Option<Mono> {
        let ack = self.acks.first_key_value().map(|((at, _), _)| *at);
        let hung = self.unanswered.map(|since| since + RESPONSE);
        // A healthy heartbeat changes nothing: it is not simulated.
        let ill = !matches!(self.health, Health::Answers(_));
        let beat = (ill == self.up).then_some(self.heartbeat);
        [ack, hung, beat].into_iter().flatten().min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Mono) {
        if self.unanswered.is_some_and(|since| since + RESPONSE <= now) {
            self.disconnect(now);
        }
        if self.heartbeat <= now {
            self.heartbeat = now + HEARTBEAT;
            match (self.health, self.up) {
                (Health::Answers(_), false) => self.connect(now),
                (Health::Hung | Health::Deaf, true) => {
                    self.unanswered.get_or_insert(now);
                }
                _ => {}
            }
        }
    }

    pub(crate) fn poll_ack(&mut self, now: Mono) -> Option<Ack> {
        let first = self.acks.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// What is left when all is quiet: callers, agents held, calls held.
    pub(crate) fn leftovers(&self, now: Mono) -> (usize, usize, usize) {
        let ours = |held: &&Held| held.by == Holder::Us && held.until > now;
        (
            self.waiting.len(),
            self.held.values().filter(ours).count(),
            self.talking.values().filter(ours).count(),
        )
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up
    }
}
