//! The world: one switch, its data plane and its Redis, everybody's phones, and the network between them, moved on
//! from one thing that happens to the next.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use havre_model::{AgentId, AgentProfile, CallEvent, CallId, Mono, Now, Unix};
use havre_phone as phone;
use havre_switch::{Input, SrtpPolicy, Switch};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::checks::Checks;
use crate::hotline::{self, Plan, SWITCH};
use crate::log::Log;
use crate::network::{Datagram, Loss, Network, Weather};
use crate::people::{Advocate, Caller};
use crate::plane::Plane;
use crate::redis::{Health, Redis};
use crate::station::{Life, Station};
use crate::streams::Streams;

/// 2025-01-15, 12:00 UTC: the day has no meaning.
const START: Unix = Unix::from_millis(1_736_942_400_000);
/// More steps than this without time passing: something asks to be woken for nothing.
const SPIN: usize = 20_000;

/// How a world begins.
#[derive(Clone)]
pub struct Setup {
    /// Everything random is drawn from it.
    pub seed: u64,
    /// Accounts.
    pub agents: Vec<AgentProfile>,
    /// Whose media is to be SRTP; the trunk is `carrier`.
    pub srtp: SrtpPolicy,
    /// What callers hear.
    pub plan: Plan,
    /// The network.
    pub weather: Weather,
    /// Legs that the switch has ports for.
    pub ports: usize,
    /// Whether a log is written.
    pub log: bool,
}

impl Default for Setup {
    /// The demo's accounts, the shipped plan, a good network.
    fn default() -> Self {
        Self {
            seed: 1,
            agents: hotline::demo_accounts(),
            srtp: SrtpPolicy::default(),
            plan: Plan::shipped(),
            weather: Weather::FINE,
            ports: 1_000,
            log: true,
        }
    }
}

/// The world. Clones are the same world.
#[derive(Clone)]
pub struct World(pub(crate) Rc<RefCell<Inner>>);

pub(crate) struct Inner {
    pub(crate) now: Now,
    pub(crate) switch: Switch,
    pub(crate) plane: Plane,
    pub(crate) redis: Redis,
    pub(crate) network: Network,
    pub(crate) streams: Streams,
    pub(crate) stations: BTreeMap<IpAddr, Station>,
    pub(crate) callers: BTreeMap<CallId, IpAddr>,
    pub(crate) agents: Vec<AgentProfile>,
    pub(crate) srtp: SrtpPolicy,
    pub(crate) plan: Plan,
    pub(crate) log: Log,
    pub(crate) checks: Checks,
    /// Keys on their way in RTP: (when, whose port) to (at which host, which key).
    pub(crate) keys: BTreeMap<(Mono, u64), (SocketAddr, havre_model::Digit)>,
    pub(crate) happened: VecDeque<Happening>,
    /// How often the people at these phones hung up.
    pub(crate) left: BTreeMap<IpAddr, u32>,
    /// Phones that something befell.
    pub(crate) failed: BTreeSet<IpAddr>,
    /// The node was told to end every call.
    pub(crate) stopped: bool,
    /// Whose datagram the switch is looking at.
    pub(crate) reading: Option<IpAddr>,
    pub(crate) random: ChaCha12Rng,
    pub(crate) count: u64,
    hosts: u32,
}

/// What the people of a world notice, for those who act on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// An advocate's phone rings.
    Rings(IpAddr),
    /// Somebody is connected: for a caller, with Havre.
    Established(IpAddr),
    /// A line of a call's record.
    Call {
        /// The caller's phone.
        caller: IpAddr,
        /// What happened.
        event: CallEvent,
    },
    /// An advocate's state changed.
    State(AgentId, havre_model::AgentState),
}

impl World {
    /// A world in which nobody has signed in.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let Setup { seed, agents, srtp, plan, weather, ports, log } = setup;
        let mut random = ChaCha12Rng::seed_from_u64(seed);
        let now = Now { mono: Mono::ZERO, unix: START };
        let switch = Switch::new(hotline::configuration(&plan, &agents, &srtp), seed_from(&mut random), now);
        let inner = Inner {
            now,
            switch,
            plane: Plane::new(ports),
            redis: Redis::new(now.mono),
            network: Network::new(weather, ChaCha12Rng::from_seed(seed_from(&mut random))),
            streams: Streams::default(),
            stations: BTreeMap::new(),
            callers: BTreeMap::new(),
            checks: Checks::new(&agents),
            agents,
            srtp,
            plan,
            log: Log::new(log),
            keys: BTreeMap::new(),
            happened: VecDeque::new(),
            left: BTreeMap::new(),
            failed: BTreeSet::new(),
            stopped: false,
            reading: None,
            random,
            count: 0,
            hosts: 0,
        };
        let world = Self(Rc::new(RefCell::new(inner)));
        world.0.borrow_mut().settle();
        world.advance(Duration::from_millis(10));
        world
    }

    /// The demo's world with these advocates signed in and ready, in this order of idleness; the log begins now.
    #[must_use]
    pub fn staffed_by(agents: &[&str]) -> Self {
        Self::with(Setup::default(), agents)
    }

    /// Any world with these advocates signed in and ready, in this order of idleness; the log begins now.
    #[must_use]
    pub fn with(setup: Setup, agents: &[&str]) -> Self {
        let world = Self::new(setup);
        for agent in agents {
            world.advocate(agent).signs_in();
            world.advance(Duration::from_secs(1));
        }
        world.restart_log();
        world
    }

    /// Somebody at a carrier's phone.
    #[must_use]
    pub fn caller(&self) -> Caller {
        self.caller_named("caller")
    }

    /// Somebody else at a carrier's phone.
    #[must_use]
    pub fn caller_named(&self, name: &str) -> Caller {
        let number = format!("+1416555{:04}", 1_000 + self.0.borrow().hosts);
        self.caller_from(name, &number)
    }

    /// Somebody whose carrier shows this number.
    #[must_use]
    pub fn caller_from(&self, name: &str, number: &str) -> Caller {
        let inner = &mut *self.0.borrow_mut();
        let ip = inner.fresh_host(1);
        let config = phone::Config::new(ip);
        inner.add_station(name.to_owned(), ip, number.to_owned(), config);
        Caller { world: self.clone(), ip }
    }

    /// An advocate, or a supervisor, at a phone that is not registered.
    ///
    /// # Panics
    /// There is no such account.
    #[must_use]
    pub fn advocate(&self, id: &str) -> Advocate {
        let inner = &mut *self.0.borrow_mut();
        let known = inner.stations.values().find(|station| station.name == id).map(Station::ip);
        let ip = known.unwrap_or_else(|| inner.add_advocate(id, id));
        Advocate { world: self.clone(), ip }
    }

    /// A further phone of an account.
    #[must_use]
    pub fn second_phone(&self, id: &str) -> Advocate {
        let ip = self.0.borrow_mut().add_advocate(id, &format!("{id} (2)"));
        Advocate { world: self.clone(), ip }
    }

    pub(crate) fn advocate_at(&self, ip: IpAddr) -> Advocate {
        Advocate { world: self.clone(), ip }
    }

    pub(crate) fn caller_of(&self, call: CallId) -> Option<IpAddr> {
        self.0.borrow().callers.get(&call).copied()
    }

    /// Time passes, and everything that is due happens.
    pub fn advance(&self, by: Duration) {
        let inner = &mut *self.0.borrow_mut();
        let end = inner.now.mono + by;
        inner.run(end, false);
    }

    /// Time passes until somebody notices something, or until `end`.
    pub fn advance_to(&self, end: Mono) -> Option<Happening> {
        let inner = &mut *self.0.borrow_mut();
        inner.run(end, true);
        inner.happened.pop_front()
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Mono {
        self.0.borrow().now.mono
    }

    /// The log begins anew, at 0 s.
    pub fn restart_log(&self) {
        let inner = &mut *self.0.borrow_mut();
        inner.log.restart(inner.now.mono);
    }

    /// All of the log.
    #[must_use]
    pub fn log(&self) -> String {
        self.0.borrow().log.print(|_, _| true)
    }

    /// What concerns one.
    #[must_use]
    pub fn log_of(&self, name: &str) -> String {
        self.0.borrow().log.print(|who, _| who == name)
    }

    /// Seconds at which somebody first did, heard or was something that begins like this.
    ///
    /// # Panics
    /// Never happened.
    #[must_use]
    pub fn when(&self, who: &str, what: &str) -> f64 {
        let when = self.0.borrow().log.when(who, what);
        when.unwrap_or_else(|| panic!("{who} never: {what}\n{}", self.log()))
    }

    /// Whether it happened.
    #[must_use]
    pub fn happened(&self, who: &str, what: &str) -> bool {
        self.0.borrow().log.when(who, what).is_some()
    }

    /// What somebody heard so far, in order.
    #[must_use]
    pub fn heard(&self, who: &str) -> Vec<String> {
        let heard = self.0.borrow().log.all(who, "hears ");
        heard.iter().map(|what| what.trim_start_matches("hears ").to_owned()).collect()
    }

    /// Redis is like this from now on.
    pub fn redis_becomes(&self, health: Health) {
        let inner = &mut *self.0.borrow_mut();
        inner.redis.become_(health, inner.now.mono);
        inner.log.say(inner.now.mono, "redis", format_args!("{health:?}"));
        inner.settle();
    }

    /// Redis starts again, empty.
    pub fn redis_restarts(&self) {
        let inner = &mut *self.0.borrow_mut();
        inner.redis.forget(inner.now.mono);
        inner.redis.become_(Health::GOOD, inner.now.mono);
        inner.settle();
    }

    /// Another node claims an advocate for a call of its own, and gets them unless we hold them.
    ///
    /// # Panics
    /// There is no such account.
    pub fn another_node_takes(&self, agent: &str, for_: Duration) {
        let inner = &mut *self.0.borrow_mut();
        let id = agent_id(agent);
        if inner.redis.another_node_takes(&id, for_, inner.now.mono) {
            inner.log.say(inner.now.mono, agent, format_args!("is taken by another node"));
            inner.checks.is_elsewhere(id, inner.now.mono + for_);
        }
    }

    /// Another node has an advocate whom we thought to hold: our lease ran out unnoticed.
    ///
    /// # Panics
    /// There is no such account.
    pub fn another_node_seizes(&self, agent: &str, for_: Duration) {
        let inner = &mut *self.0.borrow_mut();
        let id = agent_id(agent);
        inner.redis.another_node_seizes(&id, for_, inner.now.mono);
        inner.log.say(inner.now.mono, agent, format_args!("is seized by another node"));
        inner.checks.is_elsewhere(id, inner.now.mono + for_);
    }

    /// The network is like this from now on.
    pub fn weather(&self, weather: Weather) {
        self.0.borrow_mut().network.weather = weather;
    }

    /// The switch has ports for so many legs from now on.
    pub fn ports(&self, legs: usize) {
        self.0.borrow_mut().plane.limit = legs;
    }

    /// A new plan is loaded.
    pub fn reloads(&self, plan: Plan) {
        let inner = &mut *self.0.borrow_mut();
        let reload = Box::new(hotline::reload(&plan, &inner.agents, &inner.srtp));
        inner.plan = plan;
        inner.tell_switch(Input::Reload(reload));
    }

    /// The accounts are changed, and loaded.
    pub fn reloads_agents(&self, agents: Vec<AgentProfile>) {
        let inner = &mut *self.0.borrow_mut();
        inner.agents = agents;
        inner.checks.set_agents(&inner.agents);
        let reload = Box::new(hotline::reload(&inner.plan, &inner.agents, &inner.srtp));
        inner.tell_switch(Input::Reload(reload));
    }

    /// The node is to stop: no new calls.
    pub fn drains(&self) {
        self.0.borrow_mut().tell_switch(Input::Drain);
    }

    /// The time to drain is over.
    pub fn stops(&self) {
        let inner = &mut *self.0.borrow_mut();
        inner.stopped = true;
        inner.tell_switch(Input::HangUp);
    }

    /// An advocate's state is set over the API.
    ///
    /// # Panics
    /// There is no such account.
    pub fn commands(&self, agent: &str, command: havre_model::AgentCommand) {
        let agent = agent_id(agent);
        self.0.borrow_mut().tell_switch(Input::Command { agent, command, reply: 1 });
    }

    /// The state of an advocate, as the queue has it.
    ///
    /// # Panics
    /// There is no such account.
    #[must_use]
    pub fn state_of(&self, agent: &str) -> String {
        let inner = self.0.borrow();
        let view =
            inner.switch.queue().agent(&agent_id(agent)).unwrap_or_else(|| panic!("{agent} is no account"));
        crate::words::state(&view.state)
    }

    /// Calls in progress.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.0.borrow().switch.calls().count()
    }

    /// What was counted over all calls so far.
    #[must_use]
    pub fn tally(&self) -> crate::Tally {
        self.0.borrow().checks.tally()
    }

    /// Everybody has gone: nothing may be left of any call, in any part.
    ///
    /// # Panics
    /// Something is left.
    pub fn assert_quiet(&self) {
        self.advance(Duration::from_secs(40));
        let inner = self.0.borrow();
        if let Err(leak) = crate::checks::quiet(&inner) {
            panic!("{leak}\n{}", inner.log.print(|_, _| true));
        }
    }
}

impl Inner {
    /// Moves on to `end`, or until something happened that somebody acts on.
    fn run(&mut self, end: Mono, stop_when_noticed: bool) {
        let mut spins = 0;
        loop {
            if stop_when_noticed && !self.happened.is_empty() {
                return;
            }
            let Some(at) = self.next().filter(|at| *at <= end) else { break };
            if at > self.now.mono {
                self.now = self.now.after(at.since(self.now.mono));
                spins = 0;
            } else {
                spins += 1;
                assert!(spins < SPIN, "time stands still: {:?}", self.switch.poll_timeout());
            }
            self.step();
        }
        self.now = self.now.after(end.since(self.now.mono));
        if !stop_when_noticed {
            self.happened.clear();
        }
    }

    fn next(&self) -> Option<Mono> {
        let phones = self.stations.values().filter(|station| station.life != Life::Crashed);
        let phones = phones.filter_map(|station| station.phone.poll_timeout()).map(|wakeup| wakeup.at).min();
        let keys = self.keys.first_key_value().map(|((at, _), _)| *at);
        let switch = self.switch.poll_timeout().map(|wakeup| wakeup.at);
        [self.network.next(), self.streams.next(), self.plane.next(), self.redis.next(), switch, phones, keys]
            .into_iter()
            .flatten()
            .min()
    }

    /// Everything that is due now.
    fn step(&mut self) {
        let now = self.now;
        while let Some(datagram) = self.network.take_due(now.mono) {
            self.deliver(&datagram);
        }
        self.deliver_streams();
        while let Some(entry) = self.keys.first_entry()
            && entry.key().0 <= now.mono
        {
            let (to, digit) = entry.remove();
            self.deliver_key(to, digit);
        }
        if self.plane.next().is_some_and(|at| at <= now.mono) {
            self.plane.handle_timeout(now.mono);
        }
        if self.redis.next().is_some_and(|at| at <= now.mono) {
            self.redis.handle_timeout(now.mono);
        }
        if self.switch.poll_timeout().is_some_and(|wakeup| wakeup.at <= now.mono) {
            self.switch.handle_timeout(now);
            self.checked();
        }
        for ip in self.stations.keys().copied().collect::<Vec<_>>() {
            if let Some(station) = self.stations.get_mut(&ip)
                && station.life != Life::Crashed
                && station.phone.poll_timeout().is_some_and(|wakeup| wakeup.at <= now.mono)
            {
                station.phone.handle_timeout(now);
                self.drain_station(ip);
            }
        }
        self.settle();
    }

    /// The switch hears something, and its invariants are looked at.
    pub(crate) fn tell_switch(&mut self, input: Input<'_>) {
        self.switch.handle_input(input, self.now);
        self.checked();
        self.settle();
    }

    fn fresh_host(&mut self, net: u8) -> IpAddr {
        self.hosts += 1;
        let [_, _, high, low] = self.hosts.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(10, net, high, low))
    }

    fn add_advocate(&mut self, id: &str, name: &str) -> IpAddr {
        let agent = agent_id(id);
        assert!(self.agents.iter().any(|profile| profile.id == agent), "{id} is no account");
        let ip = self.fresh_host(2);
        let password = hotline::password_of(&agent);
        self.add_station(name.to_owned(), ip, id.to_owned(), phone::Config::new(ip));
        if let Some(station) = self.stations.get_mut(&ip) {
            let account =
                havre_sip::Account { user: id.to_owned(), realm: hotline::REALM.to_owned(), password };
            station.account = Some(account);
        }
        ip
    }

    fn add_station(&mut self, name: String, ip: IpAddr, number: String, config: phone::Config) {
        let seed = seed_from(&mut self.random);
        let addr = SocketAddr::new(ip, SWITCH.port());
        let station = Station::new(name, addr, number, config, seed, self.now);
        self.stations.insert(ip, station);
    }

    /// A phone is started again and knows nothing of any call.
    pub(crate) fn restart_phone(&mut self, ip: IpAddr) {
        let seed = seed_from(&mut self.random);
        let now = self.now;
        let Some(station) = self.stations.get_mut(&ip) else { return };
        let config = phone::Config { srtp: station.srtp, ..phone::Config::new(ip) };
        station.phone = phone::Phone::new(config, seed, now);
        station.life = Life::Well;
        station.lines.clear();
        station.audio.clear();
        self.break_connections(ip);
        self.plane.changed = true;
        self.settle();
    }

    pub(crate) fn loses(&mut self, from: IpAddr, beginning: &'static str, on: bool) {
        let loss = Loss { from, beginning };
        self.network.losses.retain(|other| *other != loss);
        if on {
            self.network.losses.push(loss);
        }
    }

    pub(crate) fn post(&mut self, from: SocketAddr, to: SocketAddr, bytes: bytes::Bytes) {
        self.network.post(&Datagram { from, to, bytes }, self.now.mono);
    }

    /// The name of whoever has this call.
    pub(crate) fn name_of(&self, call: CallId) -> String {
        let station = self.callers.get(&call).and_then(|ip| self.stations.get(ip));
        station.map_or_else(|| call.to_string(), |station| station.name.clone())
    }
}

fn agent_id(id: &str) -> AgentId {
    id.parse().unwrap_or_else(|error| panic!("{id}: {error}"))
}

pub(crate) fn seed_from(random: &mut ChaCha12Rng) -> [u8; 32] {
    let mut seed = [0; 32];
    random.fill_bytes(&mut seed);
    seed
}
