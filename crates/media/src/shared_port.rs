//! The port that all browser legs of a shard share: whose each datagram is.
//!
//! The first byte tells the protocol (RFC 7983). A connectivity check names its leg, and proves itself; from then on its
//! sender's address says whose everything else is that comes from there. Nothing else teaches an address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;

use havre_model::Mono;

use crate::ice::stun::Message;
use crate::ice::{Agent, IceLocal, Refusal, UFRAG};
use crate::leg::Leg;
use crate::outbox::Outbox;
use crate::stream::source::canonical;
use crate::{Counters, Handshake};

/// Whose is what. Legs are named by their places in the shard.
#[derive(Debug, Default)]
pub(crate) struct SharedPort {
    users: HashMap<[u8; UFRAG], usize>,
    addresses: HashMap<SocketAddr, usize>,
}

/// What a datagram is (RFC 7983 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Stun,
    Dtls,
    /// RTP or RTCP.
    Media,
}

impl Protocol {
    /// `None` for ZRTP, TURN and whatever else nobody here speaks.
    fn of(bytes: &[u8]) -> Option<Self> {
        match bytes.first()? {
            0..=3 => Some(Self::Stun),
            20..=63 => Some(Self::Dtls),
            128..=191 => Some(Self::Media),
            _ => None,
        }
    }
}

impl SharedPort {
    /// A leg for a browser is open; false if another one has its name.
    pub(crate) fn add(&mut self, ice: &IceLocal, place: usize) -> bool {
        let Some(user) = user(ice) else { return false };
        match self.users.entry(user) {
            Entry::Vacant(vacant) => {
                vacant.insert(place);
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// It is closed.
    pub(crate) fn remove(&mut self, agent: &Agent) {
        if let Some(user) = user(agent.local()) {
            self.users.remove(&user);
        }
        for address in agent.addresses() {
            self.addresses.remove(&address);
        }
    }

    /// What comes from there is no leg's any more.
    pub(crate) fn forget(&mut self, address: SocketAddr) {
        self.addresses.remove(&address);
    }

    /// Takes a datagram: answers a check, and hands on what belongs to a handshake. Gives the leg whose media it is, if it is.
    pub(crate) fn on_datagram(
        &mut self,
        source: SocketAddr,
        bytes: &[u8],
        now: Mono,
        legs: &mut [Option<Box<Leg>>],
        counters: &mut Counters,
        outbox: &mut Outbox,
    ) -> Option<usize> {
        let source = canonical(source);
        let Some(protocol) = Protocol::of(bytes) else {
            counters.dropped_malformed += 1;
            return None;
        };
        if protocol == Protocol::Stun {
            self.on_stun(source, bytes, now, legs, counters, outbox);
            return None;
        }
        let Some(place) = self.addresses.get(&source).copied() else {
            counters.dropped_stranger += 1;
            return None;
        };
        if protocol == Protocol::Media {
            return Some(place);
        }
        match legs.get(place).and_then(Option::as_deref) {
            Some(leg) if leg.shakes_hands() => outbox.handshake(leg.id, Handshake::Packet(bytes)),
            _ => counters.dropped_not_configured += 1,
        }
        None
    }

    /// A browser says where it is.
    fn on_stun(
        &mut self,
        from: SocketAddr,
        bytes: &[u8],
        now: Mono,
        legs: &mut [Option<Box<Leg>>],
        counters: &mut Counters,
        outbox: &mut Outbox,
    ) {
        let check = match Message::parse(bytes) {
            Some(Message::Check(check)) => check,
            Some(Message::Indication) => return,
            None => {
                counters.bad_stun += 1;
                return;
            }
        };
        let place = check.ufrag.try_into().ok().and_then(|user: [u8; UFRAG]| self.users.get(&user)).copied();
        let leg = place.and_then(|place| legs.get_mut(place)?.as_deref_mut());
        let (Some(place), Some(leg)) = (place, leg) else {
            counters.ice_unknown_user += 1;
            return;
        };
        let Some(agent) = leg.agent() else { return };
        let free = self.addresses.get(&from).is_none_or(|owner| *owner == place);
        let outcome = match agent.on_check(&check, from, free, now) {
            Ok(outcome) => outcome,
            Err(Refusal::Unauthentic) => {
                counters.ice_unauthentic += 1;
                return;
            }
            Err(Refusal::TooMany) => {
                counters.ice_refused += 1;
                return;
            }
        };
        outbox.answer(leg.id, from, outcome.answer.bytes());
        if let Some(address) = outcome.forgotten {
            self.addresses.remove(&address);
        }
        if outcome.valid {
            counters.ice_checks += 1;
            self.addresses.insert(from, place);
            leg.on_path(counters, outbox);
        } else {
            counters.ice_errors += 1;
        }
    }
}

/// Our names have one length.
fn user(ice: &IceLocal) -> Option<[u8; UFRAG]> {
    ice.ufrag.as_bytes().try_into().ok()
}
