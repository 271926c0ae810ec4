//! What the users of transactions (legs, registrar, registration) stand on: transactions, connections, deadlines,
//! randomness, and the outbox.

mod client;
mod finished;
mod flow;
mod server;

pub(crate) use client::{ClientId, Outcome, Purpose, User, add_reason};
pub(crate) use server::{Arrival, Inbound, Key, ReplyTo};

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use havre_model::{AgentId, FlowId, LegId, Mono, Now, TrunkId, Wakeup};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use crate::config::{Config, Overload, Timers};
use crate::counters::Counters;
use crate::endpoint::{Event, Output, Path, Transport};
use crate::registration::RegistrationId;
use crate::secrets::Secrets;
use crate::timer::{Alarm, TimerQueue, Why};
use crate::trace::{Seen, Trace};
use crate::trunk::News;
use crate::wire::{Headers, Name, Request, Response, reason_phrase};
use client::Clients;
use flow::Flows;
use server::Servers;

/// See the module's page.
pub(crate) struct Stack {
    pub(crate) config: Arc<Config>,
    /// Of this configuration.
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) counters: Counters,
    pub(crate) trace: Trace,
    /// The moment of the input that is being handled.
    pub(crate) now: Now,
    /// What transactions have to tell their users, told before the next input.
    outcomes: VecDeque<(ClientId, User, Outcome)>,
    /// Connections that ended, to be told to the registrar likewise.
    closed: VecDeque<(FlowId, SocketAddr)>,
    /// What legs have to say of the trunks that they are tried over, told likewise.
    news: VecDeque<(LegId, News)>,
    outbox: VecDeque<Output>,
    timers: TimerQueue<Timer>,
    clients: Clients,
    servers: Servers,
    flows: Flows,
    random: ChaCha8Rng,
    /// Keys the tags of answers that we keep no state for.
    tag_key: [u8; 32],
}

/// What a deadline is for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Timer {
    /// One of timers A to M.
    Client(ClientId),
    /// One of timers G to L.
    Server(server::ServerId),
    /// Answered transactions whose repetitions can come no more.
    Finished,
    /// A connection that says nothing.
    Flow(FlowId),
    /// A deadline of a leg's own.
    Leg(LegId, LegTimer),
    /// A binding of this account runs out, or its phone is to be asked whether it is there.
    Bindings(AgentId),
    /// Refresh or repeat a registration of ours.
    Registration(RegistrationId),
    /// A trunk is to be asked whether it is there, or has not answered.
    Trunk(TrunkId),
    /// What DNS said is getting old.
    Dns,
    /// Calls that wait are let in.
    Admission,
}

/// Deadlines of a leg's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LegTimer {
    /// Send the unacknowledged 2xx again, or give up on it (RFC 3261 §13.3.1.4).
    Unacknowledged,
    /// Send a provisional answer again that no PRACK came for (RFC 3262 §3).
    Unpracked,
    /// Our re-INVITE has had no final answer.
    OfferOverdue,
    /// Offer again after 491 (§14.1).
    Glare,
    /// Refresh the session (RFC 4028 §10).
    Refresh,
    /// The session has run out (RFC 4028 §10).
    SessionEnd,
    /// The trunk that a call of ours is tried over has not said anything, or does not ring.
    TrunkSilent,
}

impl Why for Timer {
    fn why(&self) -> &'static str {
        match self {
            Self::Client(_) => "client transaction",
            Self::Server(_) => "server transaction",
            Self::Finished => "finished transactions",
            Self::Flow(_) => "silent connection",
            Self::Leg(_, LegTimer::Unacknowledged) => "unacknowledged 2xx",
            Self::Leg(_, LegTimer::Unpracked) => "unacknowledged 18x",
            Self::Leg(_, LegTimer::OfferOverdue) => "unanswered offer",
            Self::Leg(_, LegTimer::Glare) => "offer again after 491",
            Self::Leg(_, LegTimer::Refresh) => "session refresh",
            Self::Leg(_, LegTimer::SessionEnd) => "session end",
            Self::Leg(_, LegTimer::TrunkSilent) => "silent trunk",
            Self::Bindings(_) => "bindings",
            Self::Registration(_) => "registration",
            Self::Trunk(_) => "trunk",
            Self::Dns => "DNS",
            Self::Admission => "waiting calls",
        }
    }
}

impl Stack {
    pub(crate) fn new(config: Arc<Config>, seed: [u8; 32], now: Now) -> Self {
        let mut random = ChaCha8Rng::from_seed(seed);
        let mut tag_key = [0; 32];
        random.fill_bytes(&mut tag_key);
        Self {
            secrets: Arc::new(Secrets::of(&config)),
            config,
            counters: Counters::default(),
            trace: Trace::default(),
            now,
            outcomes: VecDeque::new(),
            closed: VecDeque::new(),
            news: VecDeque::new(),
            outbox: VecDeque::new(),
            timers: TimerQueue::new(),
            clients: Clients::default(),
            servers: Servers::default(),
            flows: Flows::default(),
            random,
            tag_key,
        }
    }

    /// The moment of the input that is being handled.
    pub(crate) const fn mono(&self) -> Mono {
        self.now.mono
    }

    pub(crate) fn base_timers(&self) -> Timers {
        self.config.timers
    }

    pub(crate) fn emit(&mut self, event: Event) {
        self.outbox.push_back(Output::Event(event));
    }

    pub(crate) fn put(&mut self, output: Output) {
        self.outbox.push_back(output);
    }

    pub(crate) fn say(&mut self, leg: LegId, news: News) {
        self.news.push_back((leg, news));
    }

    pub(crate) fn pop_news(&mut self) -> Option<(LegId, News)> {
        self.news.pop_front()
    }

    pub(crate) fn pop_output(&mut self) -> Option<Output> {
        self.outbox.pop_front()
    }

    pub(crate) fn pop_outcome(&mut self) -> Option<(ClientId, User, Outcome)> {
        self.outcomes.pop_front()
    }

    pub(crate) fn pop_closed(&mut self) -> Option<(FlowId, SocketAddr)> {
        self.closed.pop_front()
    }

    pub(crate) fn next_timeout(&self) -> Option<Wakeup> {
        self.timers.next()
    }

    /// The next deadline that is due and is not the stack's own.
    pub(crate) fn pop_timer(&mut self) -> Option<Timer> {
        while let Some(timer) = self.timers.pop(self.now.mono) {
            match timer {
                Timer::Client(id) => self.on_client_timer(id),
                Timer::Server(id) => self.on_server_timer(id),
                Timer::Finished => self.purge_finished(),
                Timer::Flow(id) => self.on_flow_timer(id),
                other => return Some(other),
            }
        }
        None
    }

    pub(crate) fn set_timer(&mut self, at: Mono, timer: Timer) -> Alarm {
        self.timers.set(at, timer)
    }

    pub(crate) fn cancel_timer(&mut self, alarm: Option<Alarm>) {
        if let Some(alarm) = alarm {
            self.timers.cancel(alarm);
        }
    }

    /// A secret for somebody else.
    pub(crate) fn random_key(&mut self) -> [u8; 32] {
        let mut key = [0; 32];
        self.random.fill_bytes(&mut key);
        key
    }

    pub(crate) fn random_u64(&mut self) -> u64 {
        self.random.next_u64()
    }

    /// From `low` to `high`, both included.
    pub(crate) fn random_between(&mut self, low: u64, high: u64) -> u64 {
        low + self.random.next_u64() % (high - low + 1)
    }

    /// Makes a 503 what its reader needs it to be ([`Overload`]).
    pub(crate) fn tell_no_room(&mut self, response: &mut Response, reader: SocketAddr) {
        let overload = self.config.overload(reader.ip());
        self.tell_overload(response, overload);
    }

    /// The same, to a trunk that is known.
    pub(crate) fn tell_overload(&mut self, response: &mut Response, overload: Overload) {
        match overload {
            Overload::RetryAfter => {
                let seconds = self.random_between(1, 3);
                response.headers.push(Name::RetryAfter, &seconds);
            }
            Overload::Unavailable => {}
            Overload::ServerError => {
                response.status = 500;
                response.reason = reason_phrase(500).to_owned();
            }
        }
    }

    /// Transactions are filled so far that new calls must wait.
    pub(crate) fn is_crowded(&self) -> bool {
        let limit = self.config.limits.transactions;
        self.clients.len() + self.servers.len() >= limit - limit / 4
    }

    pub(crate) fn is_full(&self) -> bool {
        self.clients.len() + self.servers.len() >= self.config.limits.transactions
    }

    /// A `To` tag that is the same for every repetition of `request`, so that no state need be kept of it.
    pub(crate) fn stateless_tag(&self, request: &Request) -> String {
        self.tag_of(&request.headers)
    }

    fn tag_of(&self, headers: &Headers) -> String {
        let names = [Name::Via, Name::CallId, Name::From, Name::CSeq];
        self.tag_for(names.map(|name| headers.first(&name).unwrap_or("")))
    }

    /// The tag of [`Self::stateless_tag`], from the topmost `Via` (stamped), `Call-ID`, `From` and `CSeq`.
    pub(crate) fn tag_for(&self, values: [&str; 4]) -> String {
        let mut hash = Sha256::new_with_prefix(self.tag_key);
        for value in values {
            hash.update(value.as_bytes());
            hash.update([0]);
        }
        let digest = hash.finalize();
        // The letter keeps these tags apart from those of dialogs, which are hexadecimal only, and of answers with state.
        let digit = |four: u8| char::from_digit(u32::from(four), 16).unwrap_or('0');
        let digits = digest.iter().take(8).flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
        std::iter::once('x').chain(digits).collect()
    }

    /// Hands bytes to the shell, over a connection that is open, being opened, or opened now.
    /// False if the path is gone.
    pub(crate) fn transmit(&mut self, path: Path, bytes: Bytes) -> bool {
        self.counters.sent += 1;
        if let Some(seen) = Seen::sent(&bytes) {
            self.trace.pass(true, path.transport, &seen, self.now);
        }
        match path.transport {
            Transport::Udp => {
                self.outbox.push_back(Output::Transmit { path, bytes });
                true
            }
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                self.transmit_on_flow(path, bytes)
            }
        }
    }

    /// Answered transactions that are remembered, for the same.
    #[cfg(test)]
    pub(crate) fn finished(&self) -> usize {
        self.servers.finished.len()
    }

    /// What all our tables hold, for tests of their limits.
    #[cfg(test)]
    pub(crate) fn sizes(&self) -> (usize, usize, usize, usize) {
        (self.clients.len(), self.servers.len(), self.flows.len(), self.timers.len())
    }
}
