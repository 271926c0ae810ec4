//! One trunk as a way out: its addresses, what is known of each, and our registration there.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use havre_model::{Mono, TrunkDown, TrunkHealth, TrunkId};

use super::attempt::{path_to, peer_host, say_transport};
use super::health::Health;
use super::order::Rank;
use super::resolve::{Families, Question, Resolver};
use crate::Method;
use crate::config::{self, Outbound};
use crate::dialog::{PRODUCT, own_contact};
use crate::endpoint::{Event, Path, Transport};
use crate::registration::{Registered, Registration, RegistrationId};
use crate::stack::{ClientId, Outcome, Stack, User};
use crate::timer::Alarm;
use crate::wire::{CSeq, Host, Name, NameAddr, Request, SipUri, Uri};

/// Names one address of one trunk to the answers that are on their way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PingId(u64);

pub(super) struct Peer {
    pub(super) outbound: Outbound,
    pub(super) targets: Vec<Target>,
    /// DNS knows no address, and nothing more is awaited from it.
    nowhere: bool,
    membership: Membership,
    pub(super) told: TrunkHealth,
    pub(super) alarm: Option<Alarm>,
}

/// One address.
pub(super) struct Target {
    pub(super) at: SocketAddr,
    pub(super) transport: Transport,
    pub(super) rank: Rank,
    pub(super) id: PingId,
    pub(super) health: Health,
}

/// Our registration at the carrier.
enum Membership {
    /// None is wanted.
    Guest,
    /// One is wanted, and there is no address yet to ask at.
    Applying,
    /// Asked for, and what came of it.
    Asked { registration: Box<Registration>, state: Standing },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Open,
    Granted,
    Refused(TrunkDown),
}

impl Peer {
    pub(super) fn new(outbound: Outbound, stack: &mut Stack) -> Self {
        let membership = if outbound.register.is_some() { Membership::Applying } else { Membership::Guest };
        let mut peer = Self {
            outbound,
            targets: Vec::new(),
            nowhere: false,
            membership,
            told: TrunkHealth::Unknown,
            alarm: None,
        };
        if let config::Peer::At(at) = peer.outbound.peer {
            let transport = peer.outbound.transport.unwrap_or(Transport::Udp);
            peer.set_targets(vec![(Rank { priority: 0, weight: 0 }, transport, at)], stack);
        }
        peer
    }

    pub(super) fn state(&self) -> TrunkHealth {
        if self.nowhere {
            return TrunkHealth::Down(TrunkDown::DnsFailed);
        }
        if let Membership::Asked { state: Standing::Refused(why), .. } = self.membership {
            return TrunkHealth::Down(why);
        }
        let best = self.targets.iter().map(|target| target.health.state()).min_by_key(|state| match state {
            TrunkHealth::Up => 0,
            TrunkHealth::Unknown => 1,
            TrunkHealth::Down(_) => 2,
        });
        match (&self.membership, best) {
            // An answered REGISTER is an answer.
            (Membership::Asked { state: Standing::Granted, .. }, Some(TrunkHealth::Unknown)) => {
                TrunkHealth::Up
            }
            (_, best) => best.unwrap_or_default(),
        }
    }

    /// Whether calls may go there as far as registration goes.
    pub(super) fn is_registered(&self) -> bool {
        matches!(self.membership, Membership::Guest | Membership::Asked { state: Standing::Granted, .. })
    }

    pub(super) fn transport_to(&self, at: SocketAddr) -> Option<Transport> {
        self.targets.iter().find(|target| target.at == at).map(|target| target.transport)
    }

    pub(super) fn tell(&mut self, stack: &mut Stack, trunk: &TrunkId) {
        let health = self.state();
        if std::mem::replace(&mut self.told, health) != health {
            stack.emit(Event::Trunk { trunk: trunk.clone(), health });
        }
    }

    // ---- addresses ----

    pub(super) fn resolve(
        &mut self,
        resolver: &Resolver,
        families: Families,
        used: &mut BTreeSet<Question>,
        stack: &mut Stack,
    ) {
        let config::Peer::Name(name, port) = &self.outbound.peer else { return };
        let found = resolver.find(name, *port, self.outbound.transport, families, used);
        self.nowhere = found.targets.is_empty() && (found.failed || !found.pending);
        // While an answer is on its way, nothing that was known is forgotten.
        if !found.pending || self.targets.is_empty() {
            self.set_targets(found.targets, stack);
        }
    }

    fn set_targets(&mut self, found: Vec<(Rank, Transport, SocketAddr)>, stack: &mut Stack) {
        let mut former = std::mem::take(&mut self.targets);
        for (rank, transport, at) in found {
            let known = former.iter().position(|target| target.at == at && target.transport == transport);
            let target = match known {
                Some(known) => Target { rank, ..former.swap_remove(known) },
                None => {
                    let health = Health::new(self.outbound.ping.as_ref(), stack);
                    Target { at, transport, rank, id: PingId(stack.random_u64()), health }
                }
            };
            self.targets.push(target);
        }
        self.apply_for_membership(stack);
    }

    // ---- pings ----

    pub(super) fn due(&self) -> Option<Mono> {
        self.targets.iter().filter_map(|target| target.health.due()).min()
    }

    pub(super) fn on_due(&mut self, stack: &mut Stack) {
        let Some(ping) = &self.outbound.ping else { return };
        for target in &mut self.targets {
            if target.health.on_due(ping, stack)
                && let Some(path) = path_to(&stack.config.clone(), target.transport, target.at)
            {
                let options = options(stack, &self.outbound, path);
                stack.send_request(options, path, User::Ping(target.id));
            }
        }
    }

    pub(super) fn on_pinged(&mut self, stack: &mut Stack, id: PingId, outcome: &Outcome) {
        let Some(ping) = &self.outbound.ping else { return };
        let Some(target) = self.targets.iter_mut().find(|target| target.id == id) else { return };
        if let Outcome::Response(response) = outcome
            && response.status < 200
        {
            return;
        }
        let why = why_of(outcome, target.transport);
        target.health.on_pinged(why, ping, stack);
    }

    // ---- registration ----

    fn apply_for_membership(&mut self, stack: &mut Stack) {
        let (Membership::Applying, Some(expires)) = (&self.membership, self.outbound.register) else {
            return;
        };
        let Some(account) = self.outbound.account.clone() else { return };
        let config = stack.config.clone();
        let found = self.targets.iter().min_by_key(|target| target.rank.priority);
        let Some(path) = found.and_then(|target| path_to(&config, target.transport, target.at)) else {
            return;
        };
        let (host, port) = peer_host(&self.outbound, path.remote);
        let mut uri = SipUri::new(Some(&account.user), host, port);
        if path.transport == Transport::Tls {
            say_transport(&mut uri, path.transport);
        }
        let uri = Uri::Sip(uri);
        let id = RegistrationId(stack.random_u64() | 1);
        let registration = Box::new(Registration::begin(stack, id, account, path, uri, expires));
        self.membership = Membership::Asked { registration, state: Standing::Open };
    }

    pub(super) fn has_registration(&self, id: RegistrationId) -> bool {
        matches!(&self.membership, Membership::Asked { registration, .. } if registration.id() == id)
    }

    pub(super) fn on_registration_due(&mut self, stack: &mut Stack) {
        if let Membership::Asked { registration, .. } = &mut self.membership {
            registration.on_timer(stack);
        }
    }

    pub(super) fn on_registration(&mut self, stack: &mut Stack, client: ClientId, outcome: &Outcome) {
        let Membership::Asked { registration, state } = &mut self.membership else { return };
        let Some(Registered { status, expires }) = registration.on_outcome(stack, client, outcome) else {
            return;
        };
        *state = match (expires.is_zero(), outcome) {
            (false, _) => Standing::Granted,
            (true, Outcome::Response(_)) if status != 408 && status != 503 => {
                Standing::Refused(TrunkDown::RegistrationRefused)
            }
            (true, outcome) => {
                let udp = registration.path().transport;
                Standing::Refused(why_of(outcome, udp).unwrap_or(TrunkDown::NoAnswer))
            }
        };
    }

    pub(super) fn on_flow_closed(&mut self, stack: &mut Stack, remote: SocketAddr) {
        if let Membership::Asked { registration, .. } = &mut self.membership {
            registration.on_flow_closed(stack, remote);
        }
    }

    /// Takes our registration back.
    pub(super) fn leave(&mut self, stack: &mut Stack) {
        match &mut self.membership {
            Membership::Asked { registration, state: Standing::Granted } => registration.leave(stack),
            Membership::Asked { registration, .. } => registration.stop(stack),
            Membership::Guest | Membership::Applying => {}
        }
    }
}

/// Why this outcome speaks against the trunk's health, if it does.
pub(crate) fn why_of(outcome: &Outcome, transport: Transport) -> Option<TrunkDown> {
    match outcome {
        Outcome::Response(response) => match response.status {
            408 => Some(TrunkDown::NoAnswer),
            503 => Some(TrunkDown::Overloaded),
            _ => None,
        },
        Outcome::TimedOut => Some(TrunkDown::NoAnswer),
        Outcome::Unreachable if transport == Transport::Udp => Some(TrunkDown::Unreachable),
        Outcome::Unreachable => Some(TrunkDown::ConnectionFailed),
    }
}

fn options(stack: &mut Stack, outbound: &Outbound, path: Path) -> Request {
    let (host, port) = peer_host(outbound, path.remote);
    let user = outbound.ping.as_ref().and_then(|ping| ping.user.as_deref());
    let mut sip = SipUri::new(user, host, port);
    say_transport(&mut sip, path.transport);
    let uri = Uri::Sip(sip);
    let ours = outbound.from.as_ref().unwrap_or(&stack.config.server_name);
    let ours = Host::parse(ours).unwrap_or_else(|_| Host::Ip(stack.config.advertise(path.local).ip()));
    let from = NameAddr::new(Uri::Sip(SipUri::new(None, ours, None)));
    let mut request = Request::new(Method::Options, uri.clone());
    let headers = &mut request.headers;
    headers.push(Name::MaxForwards, "70");
    headers.push(Name::From, &from.with_tag(&format!("{:016x}", stack.random_u64())));
    headers.push(Name::To, &NameAddr::new(uri));
    headers.push(Name::CallId, &format!("{:016x}{:016x}", stack.random_u64(), stack.random_u64()));
    headers.push(Name::CSeq, &CSeq { seq: 1, method: Method::Options });
    headers.push(Name::Contact, &own_contact(&stack.config, path, &request.uri));
    headers.push(Name::Accept, "application/sdp");
    headers.push(Name::UserAgent, PRODUCT);
    request
}
