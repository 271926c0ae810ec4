//! Trunks as ways out, and how much goes over them: which answer, which are tried in what order, who is registered where.
//!
//! A call of ours goes over a group. [`Trunks::next`] names one address after the other, those that answer first, until
//! one takes the call, a person or the far network has spoken (486, 603, 404 …), or the time is over.

mod attempt;
mod caps;
mod health;
mod order;
mod peer;
mod resolve;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;

use havre_model::{LegId, Mono, TrunkDown, TrunkGroup, TrunkHealth, TrunkId};

pub(crate) use attempt::{Attempt, Manners};
pub(crate) use caps::Full;
pub(crate) use peer::{PingId, why_of};
pub use resolve::{Answer, Question, Record, RecordKind};

use crate::config::{Config, Outside, Trunk};
use crate::endpoint::Output;
use crate::registration::RegistrationId;
use crate::stack::{ClientId, Outcome, Stack, Timer};
use crate::timer::Alarm;
use attempt::path_to;
use caps::Meter;
use order::{Rank, order};
use peer::{Peer, Target};
use resolve::{Families, Resolver};

/// Every trunk of the configuration.
#[derive(Default)]
pub(crate) struct Trunks {
    meters: HashMap<TrunkId, Meter>,
    peers: BTreeMap<TrunkId, Peer>,
    /// Which trunk each leg goes over now.
    carried: HashMap<LegId, TrunkId>,
    routes: HashMap<LegId, Route>,
    resolver: Resolver,
    dns: Option<Alarm>,
}

/// The search for a trunk that takes one call of ours.
struct Route {
    to: Outside,
    /// The line's number, in whose name it is called.
    line: String,
    left: VecDeque<Way>,
    /// No trunk is tried after this.
    until: Mono,
    trying: Option<Way>,
}

#[derive(Clone, Debug)]
struct Way {
    trunk: TrunkId,
    at: SocketAddr,
}

/// What a leg has to say of the trunk that it is tried over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Something came from there.
    Answers,
    /// It came to nothing, and the next one shall be tried: for this reason, if it is one of the trunk's health.
    Failed(Option<TrunkDown>),
}

impl Trunks {
    /// Takes what the configuration says now. A trunk that is as it was keeps what is known of it.
    pub(crate) fn on_configured(&mut self, stack: &mut Stack) {
        let config = stack.config.clone();
        let known = |id: &TrunkId| config.trunks.iter().any(|trunk| trunk.id == *id);
        self.meters.retain(|id, meter| known(id) || meter.calls() > 0);
        let wanted: BTreeMap<&TrunkId, _> =
            config.trunks.iter().filter_map(|trunk| Some((&trunk.id, trunk.outbound.as_ref()?))).collect();
        let gone: Vec<TrunkId> = self
            .peers
            .iter()
            .filter(|(id, peer)| wanted.get(id) != Some(&&peer.outbound))
            .map(|(id, _)| id.clone())
            .collect();
        for id in gone {
            if let Some(mut peer) = self.peers.remove(&id) {
                peer.leave(stack);
                stack.cancel_timer(peer.alarm.take());
            }
        }
        for (id, outbound) in wanted {
            if !self.peers.contains_key(id) {
                self.peers.insert(id.clone(), Peer::new(outbound.clone(), stack));
            }
        }
        self.resolve(stack);
    }

    /// Registrations end, and are not refreshed.
    pub(crate) fn drain(&mut self, stack: &mut Stack) {
        for peer in self.peers.values_mut() {
            peer.leave(stack);
        }
    }

    // ---- how much goes over them ----

    /// A call that comes over this trunk.
    pub(crate) fn admit(&mut self, trunk: &Trunk, leg: LegId, now: Mono) -> Result<(), Full> {
        self.meters.entry(trunk.id.clone()).or_default().take(trunk.caps, now)?;
        self.carried.insert(leg, trunk.id.clone());
        Ok(())
    }

    /// The leg is over.
    pub(crate) fn on_over(&mut self, leg: LegId) {
        self.routes.remove(&leg);
        self.release(leg);
    }

    /// Which it goes over now.
    pub(crate) fn of(&self, leg: LegId) -> Option<&TrunkId> {
        self.carried.get(&leg)
    }

    fn release(&mut self, leg: LegId) {
        if let Some(meter) = self.carried.remove(&leg).and_then(|trunk| self.meters.get_mut(&trunk)) {
            meter.give_back();
        }
    }

    // ---- calls of ours ----

    /// Begins the search for a trunk.
    pub(crate) fn begin(&mut self, stack: &mut Stack, leg: LegId, to: Outside, line: String) {
        let ways = self.ways(stack, &to.group);
        let until = stack.mono() + stack.config.dial_within;
        self.routes.insert(leg, Route { to, line, left: ways, until, trying: None });
    }

    /// The next address to be tried; `None` when there is none, or no time.
    pub(crate) fn next(&mut self, stack: &mut Stack, leg: LegId) -> Option<Attempt> {
        self.release(leg);
        let now = stack.mono();
        let config = stack.config.clone();
        let route = self.routes.get_mut(&leg)?;
        route.trying = None;
        while now < route.until {
            let way = route.left.pop_front()?;
            let Some(peer) = self.peers.get(&way.trunk) else { continue };
            let Some(transport) = peer.transport_to(way.at) else { continue };
            let Some(path) = path_to(&config, transport, way.at) else { continue };
            let caps = config.trunk(&way.trunk).map(|t| t.caps).unwrap_or_default();
            if self.meters.entry(way.trunk.clone()).or_default().take(caps, now).is_err() {
                stack.counters.trunk_full += 1;
                continue;
            }
            let attempt =
                Attempt::new(&config, way.trunk.clone(), &peer.outbound, path, &route.to.number, &route.line);
            self.carried.insert(leg, way.trunk.clone());
            route.trying = Some(way);
            return Some(attempt);
        }
        None
    }

    /// What the leg says of the address that it is tried at.
    pub(crate) fn on_news(&mut self, stack: &mut Stack, leg: LegId, news: News) {
        let Some(way) = self.routes.get(&leg).and_then(|route| route.trying.clone()) else { return };
        let Some(peer) = self.peers.get_mut(&way.trunk) else { return };
        let ping = peer.outbound.ping.clone();
        let Some(target) = peer.targets.iter_mut().find(|target| target.at == way.at) else { return };
        match news {
            News::Answers => target.health.on_answer(ping.as_ref()),
            News::Failed(None) => {}
            News::Failed(Some(why)) => target.health.on_failure(why, ping.as_ref()),
        }
        self.tell(stack, &way.trunk);
    }

    /// Whether a call to this group has a trunk to go over, as far as is known.
    pub(crate) fn can_reach(&self, group: &TrunkGroup) -> bool {
        self.peers.values().any(|peer| peer.outbound.group == *group && peer.state().is_usable())
    }

    /// What is known of each outbound trunk.
    pub(crate) fn states(&self) -> impl Iterator<Item = (&TrunkId, TrunkHealth)> {
        self.peers.iter().map(|(id, peer)| (id, peer.told))
    }

    /// Whether this trunk's peer knows us by a registration.
    pub(crate) fn registers(config: &Config, trunk: &TrunkId) -> bool {
        let found = config.trunk(trunk);
        found.and_then(|trunk| trunk.outbound.as_ref()).is_some_and(|outbound| outbound.register.is_some())
    }

    /// Every address of the group: those that answer, or are not known not to, before the others.
    fn ways(&self, stack: &mut Stack, group: &TrunkGroup) -> VecDeque<Way> {
        let mut trunks = Vec::new();
        for (id, peer) in self.peers.iter().filter(|(_, peer)| peer.outbound.group == *group) {
            let rank = Rank { priority: peer.outbound.priority, weight: peer.outbound.weight };
            trunks.push((rank, (id, peer)));
        }
        let (mut up, mut down) = (VecDeque::new(), VecDeque::new());
        for (id, peer) in order(trunks, stack) {
            let targets = peer.targets.iter().map(|target| (target.rank, target)).collect();
            for Target { at, health, .. } in order(targets, stack) {
                let way = Way { trunk: id.clone(), at: *at };
                let usable = peer.is_registered() && health.state().is_usable();
                if usable { up.push_back(way) } else { down.push_back(way) }
            }
        }
        up.append(&mut down);
        up
    }

    // ---- pings, registrations, names ----

    pub(crate) fn on_due(&mut self, stack: &mut Stack, id: &TrunkId) {
        if let Some(peer) = self.peers.get_mut(id) {
            peer.alarm = None;
            peer.on_due(stack);
        }
        self.tell(stack, id);
    }

    pub(crate) fn on_pinged(&mut self, stack: &mut Stack, ping: PingId, outcome: &Outcome) {
        let pinged =
            self.peers.iter_mut().find(|(_, peer)| peer.targets.iter().any(|target| target.id == ping));
        let Some((id, peer)) = pinged else { return };
        peer.on_pinged(stack, ping, outcome);
        let id = id.clone();
        self.tell(stack, &id);
    }

    pub(crate) fn on_registration_due(&mut self, stack: &mut Stack, registration: RegistrationId) {
        if let Some((_, peer)) = self.registering(registration) {
            peer.on_registration_due(stack);
        }
    }

    pub(crate) fn on_registration(
        &mut self,
        stack: &mut Stack,
        registration: RegistrationId,
        client: ClientId,
        outcome: &Outcome,
    ) {
        let Some((id, peer)) = self.registering(registration) else { return };
        peer.on_registration(stack, client, outcome);
        let id = id.clone();
        self.tell(stack, &id);
    }

    /// A connection has ended: whoever registered over it does so again.
    pub(crate) fn on_flow_closed(&mut self, stack: &mut Stack, remote: SocketAddr) {
        for peer in self.peers.values_mut() {
            peer.on_flow_closed(stack, remote);
        }
    }

    fn registering(&mut self, registration: RegistrationId) -> Option<(&TrunkId, &mut Peer)> {
        self.peers.iter_mut().find(|(_, peer)| peer.has_registration(registration))
    }

    /// DNS has answered, or has not (`None`).
    pub(crate) fn on_resolved(&mut self, stack: &mut Stack, question: &Question, answer: Option<Answer>) {
        stack.counters.dns_failures += u64::from(answer.is_none());
        self.resolver.on_answer(question, answer, stack.mono());
        self.resolve(stack);
    }

    /// Brings every trunk's addresses in line with what is known of its name, and asks what is missing or old.
    pub(crate) fn resolve(&mut self, stack: &mut Stack) {
        let of = |listeners: &[SocketAddr]| {
            [true, false].map(|v4| listeners.iter().any(|local| local.is_ipv4() == v4))
        };
        let families = Families { plain: of(&stack.config.listeners), tls: of(&stack.config.listeners_tls) };
        let mut used = BTreeSet::new();
        let ids: Vec<TrunkId> = self.peers.keys().cloned().collect();
        for id in &ids {
            if let Some(peer) = self.peers.get_mut(id) {
                peer.resolve(&self.resolver, families, &mut used, stack);
            }
            self.tell(stack, id);
        }
        for question in self.resolver.ask(&used, stack.mono()) {
            stack.put(Output::Resolve(question));
        }
        stack.cancel_timer(self.dns.take());
        self.dns = self.resolver.due().map(|at| stack.set_timer(at, Timer::Dns));
    }

    /// Says what has changed, and sets the trunk's timer.
    fn tell(&mut self, stack: &mut Stack, id: &TrunkId) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        peer.tell(stack, id);
        stack.cancel_timer(peer.alarm.take());
        peer.alarm = peer.due().map(|at| stack.set_timer(at, Timer::Trunk(id.clone())));
    }
}
