//! All callers and agents of a run, as one machine: datagrams and time in, datagrams and counts out.
//!
//! One SIP endpoint places all calls, as a carrier does; each agent's phone has an endpoint of its own, as phones do.
//! Several legs share an RTP port, told apart by the server's port, so that one system call moves packets of many.

mod end;
mod media;
mod signalling;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use havre_media::Codec;
use havre_model::{LegId, Mono, Now};
use havre_sip::{Endpoint, Input as SipInput};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::plan::{Plan, Scenario};
use crate::tally::{Failure, Tally};
use crate::tone::Tones;
use crate::voice::Style;
use end::{End, Stage};

/// The station that places all calls; the others are agents' phones.
pub(crate) const CALLERS: usize = 0;
/// Telephone numbers that differ in their last seven digits.
const PLACES: u32 = 10_000_000;
/// Registrations a second: a registrar is not what is measured.
const REGISTRATIONS: u64 = 200;

/// Where a crowd's sockets are.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// SIP addresses, by station.
    pub(crate) sip: Vec<SocketAddr>,
    /// RTP ports; RTCP is one above each.
    pub(crate) rtp: Vec<u16>,
    /// The address of all RTP ports.
    pub(crate) media: IpAddr,
}

/// A datagram for the SIP socket of a station.
#[derive(Debug)]
pub(crate) struct Transmit {
    pub(crate) station: usize,
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Bytes,
}

/// How many are where, now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    pub(crate) calling: usize,
    pub(crate) waiting: usize,
    pub(crate) talking: usize,
    pub(crate) leaving: usize,
    /// Agents' phones in a call.
    pub(crate) serving: usize,
}

/// See the module's page.
pub(crate) struct Crowd {
    plan: Arc<Plan>,
    places: Places,
    style: Style,
    stations: Vec<Station>,
    ends: Vec<Option<End>>,
    vacant: Vec<usize>,
    by_leg: HashMap<(usize, LegId), usize>,
    by_number: HashMap<u32, usize>,
    /// Who is behind an address of the server, by our port.
    by_source: HashMap<(usize, SocketAddr), usize>,
    /// Legs of each RTP port.
    by_port: Vec<Vec<usize>>,
    /// When stations want to be woken.
    wakeups: BTreeSet<(Mono, usize)>,
    /// What else is due, in order.
    dues: BTreeMap<(Mono, u64), (u32, Due)>,
    outbox: VecDeque<Transmit>,
    tally: Tally,
    tones: HashMap<Codec, Tones>,
    numbers: u32,
    /// Where callers' telephone numbers begin, so that those of several processes are not the same.
    first_number: u32,
    serial: u64,
    registered: usize,
    refused: Option<(usize, u16)>,
    random: ChaCha12Rng,
}

struct Station {
    endpoint: Endpoint,
    wakeup: Option<Mono>,
    registered: bool,
    legs: usize,
}

/// What is due for one leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// The agent picks up.
    PickUp,
    /// The caller presses the key of this place in the plan.
    Press(usize),
    /// The caller has waited long enough: for an answer, or for an agent.
    LosePatience,
    /// The talk is over.
    HangUp,
    /// This agent's phone (not a leg) registers.
    Register(usize),
}

impl Crowd {
    /// Nobody calls yet; agents begin to register.
    pub(crate) fn new(plan: Arc<Plan>, places: Places, seed: [u8; 32], now: Now) -> Self {
        let mut random = ChaCha12Rng::from_seed(seed);
        let config = Arc::new(signalling::sip_config(&places));
        let stations = places.sip.iter().map(|_| {
            let mut seed = [0; 32];
            random.fill_bytes(&mut seed);
            let endpoint = Endpoint::new(Arc::clone(&config), seed, now);
            Station { endpoint, wakeup: None, registered: false, legs: 0 }
        });
        let stations: Vec<Station> = stations.collect();
        let codecs = [plan.codec, plan.agents.codec];
        let style = Style {
            run: random.next_u32() as u16,
            stamps: plan.check == crate::plan::Check::Stamps && plan.scenario != Scenario::Signalling,
        };
        let mut crowd = Self {
            by_port: vec![Vec::new(); places.rtp.len()],
            plan,
            places,
            style,
            stations,
            ends: Vec::new(),
            vacant: Vec::new(),
            by_leg: HashMap::new(),
            by_number: HashMap::new(),
            by_source: HashMap::new(),
            wakeups: BTreeSet::new(),
            dues: BTreeMap::new(),
            outbox: VecDeque::new(),
            tally: Tally::default(),
            tones: codecs.into_iter().map(|codec| (codec, Tones::new(codec))).collect(),
            numbers: 0,
            first_number: random.next_u32() % PLACES,
            serial: 0,
            registered: 0,
            refused: None,
            random,
        };
        if crowd.plan.agents.register {
            for station in 1..crowd.stations.len() {
                let pause = Duration::from_secs(1) * (station as u32 - 1) / REGISTRATIONS as u32;
                crowd.schedule(now.mono + pause, 0, Due::Register(station));
            }
        }
        crowd
    }

    /// A SIP datagram came in.
    pub(crate) fn on_datagram(&mut self, station: usize, source: SocketAddr, bytes: &[u8], now: Now) {
        let local = self.places.sip[station];
        self.tell(station, SipInput::Datagram { local, source, bytes }, now);
    }

    /// ICMP said that nobody listens at the server's SIP address.
    pub(crate) fn on_unreachable(&mut self, station: usize, now: Now) {
        let (local, remote) = (self.places.sip[station], self.plan.server);
        self.tally.unreachable += 1;
        self.tell(station, SipInput::Unreachable { local, remote }, now);
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Now) {
        while let Some((at, station)) = self.wakeups.first().copied()
            && at <= now.mono
        {
            self.stations[station].endpoint.handle_timeout(now);
            self.settle(station, now);
        }
        while let Some(entry) = self.dues.first_entry()
            && entry.key().0 <= now.mono
        {
            let (number, due) = entry.remove();
            self.on_due(number, due, now);
        }
    }

    /// When something is due next.
    pub(crate) fn poll_timeout(&self) -> Option<Mono> {
        let wakeup = self.wakeups.first().map(|(at, _)| *at);
        let due = self.dues.first_key_value().map(|((at, _), _)| *at);
        wakeup.into_iter().chain(due).min()
    }

    /// The next SIP datagram to send.
    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.pop_front()
    }

    /// Everything counted since the last time.
    pub(crate) fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// What is counted so far.
    pub(crate) const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Counts a call that was due while the most were up.
    pub(crate) fn hold_back(&mut self) {
        self.tally.held_back += 1;
    }

    /// Who is where.
    pub(crate) fn census(&self) -> Census {
        let mut census = Census::default();
        for end in self.ends.iter().flatten() {
            match (&end.stage, end.is_caller()) {
                (Stage::Calling { .. }, _) => census.calling += 1,
                (Stage::Waiting { .. }, _) => census.waiting += 1,
                (Stage::Talking, _) => census.talking += 1,
                (Stage::Leaving { .. }, true) => census.leaving += 1,
                (_, false) | (_, true) => census.serving += 1,
            }
        }
        census
    }

    /// Callers' legs, whatever their stage.
    pub(crate) fn calls(&self) -> usize {
        self.stations[CALLERS].legs
    }

    /// All legs, agents' included.
    pub(crate) fn legs(&self) -> usize {
        self.by_leg.len()
    }

    /// Registered agents, and all.
    pub(crate) fn agents(&self) -> (usize, usize) {
        let all = if self.plan.agents.register { self.stations.len() - 1 } else { 0 };
        (self.registered, all)
    }

    /// An agent that the registrar refused: its place, and the status.
    pub(crate) const fn refused_agent(&self) -> Option<(usize, u16)> {
        self.refused
    }

    /// Ends every call. Callers who were not done count as cut short only if `cut`.
    pub(crate) fn hang_up_all(&mut self, cut: bool, now: Now) {
        let callers = self.ends.iter().flatten().filter(|end| end.is_caller());
        let numbers: Vec<u32> = callers.map(|end| end.number).collect();
        for number in numbers {
            self.leave(number, cut.then_some(Failure::CutShort), now);
        }
    }

    /// Ends what is left at the agents' phones.
    pub(crate) fn hang_up_agents(&mut self, now: Now) {
        let numbers: Vec<u32> = self.ends.iter().flatten().map(|end| end.number).collect();
        for number in numbers {
            self.leave(number, None, now);
        }
    }

    /// Ends the agents' registrations.
    pub(crate) fn sign_out(&mut self, now: Now) {
        for station in 1..self.stations.len() {
            if std::mem::take(&mut self.stations[station].registered) {
                self.registered -= 1;
                self.command(station, havre_sip::Command::Unregister, now);
            }
        }
    }

    fn schedule(&mut self, at: Mono, number: u32, due: Due) {
        self.serial += 1;
        self.dues.insert((at, self.serial), (number, due));
    }

    fn end_mut(&mut self, number: u32) -> Option<&mut End> {
        let slot = *self.by_number.get(&number)?;
        self.ends[slot].as_mut()
    }
}

#[cfg(test)]
mod tests;
