//! DTLS-SRTP (RFC 5764) beside the data threads: one thread for the handshakes of all shards, for one of them costs as much
//! as relaying a hundred packets.
//!
//! A shard hands over datagrams of browsers that ICE has found, and gets back what to send them, and keys. Queues are
//! bounded both ways, and no data thread ever waits: what does not fit is repeated by the browser.

mod handshakes;
mod identity;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::time::{Duration, Instant};

use havre_media::sdp::Fingerprint;
use havre_media::{Command, Handshake};
use havre_model::LegId;

use super::counters::Counters;
use super::line::Line;
use super::thread::guarded;
use handshakes::{Handshakes, Output};
pub(super) use identity::Identity;
pub use identity::NoIdentity;

/// Orders on their way from all shards: a second's worth of handshakes, as fast as one core does them.
pub(super) const MAX_ORDERS: usize = 8_192;
/// Orders done before anything is sent.
const ORDERS_AT_ONCE: usize = 64;
/// How long the thread sleeps with nothing to do.
const IDLE: Duration = Duration::from_secs(1);
/// How soon a shard is tried again that took no command.
const RETRY: Duration = Duration::from_millis(10);

/// What a shard wants.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) shard: usize,
    pub(super) leg: LegId,
    pub(super) step: Step,
}

/// As [`havre_media::Handshake`].
#[derive(Debug)]
pub(super) enum Step {
    Begin { fingerprint: Fingerprint, client: bool },
    Packet(Box<[u8]>),
    End,
}

/// The way there, for one shard.
pub(super) struct Orders {
    shard: usize,
    to: SyncSender<Order>,
    /// Those that must not be lost, while the queue is full.
    waiting: VecDeque<Order>,
    counters: Arc<Counters>,
}

impl Orders {
    pub(super) fn new(shard: usize, to: SyncSender<Order>, counters: Arc<Counters>) -> Self {
        Self { shard, to, waiting: VecDeque::new(), counters }
    }

    /// Hands over what a shard wants, now or, but for datagrams, later.
    pub(super) fn send(&mut self, leg: LegId, step: Handshake<'_>) {
        let step = match step {
            Handshake::Begin { fingerprint, client } => Step::Begin { fingerprint, client },
            Handshake::Packet(bytes) => Step::Packet(bytes.into()),
            Handshake::End => Step::End,
        };
        let order = Order { shard: self.shard, leg, step };
        let refused = if self.is_waiting() {
            Some(order)
        } else {
            match self.to.try_send(order) {
                Err(TrySendError::Full(order)) => Some(order),
                Ok(()) | Err(TrySendError::Disconnected(_)) => None,
            }
        };
        match refused {
            Some(Order { step: Step::Packet(_), .. }) => Counters::count(&self.counters.dtls_refused),
            Some(order) => self.waiting.push_back(order),
            None => {}
        }
    }

    /// Tries again.
    pub(super) fn flush(&mut self) {
        while let Some(order) = self.waiting.pop_front() {
            if let Err(TrySendError::Full(order)) = self.to.try_send(order) {
                self.waiting.push_front(order);
                return;
            }
        }
    }

    /// Whether `flush` has something to do.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

/// The thread's own.
pub(super) struct Thread {
    orders: Receiver<Order>,
    lines: Vec<Line>,
    handshakes: Handshakes,
    /// What its shard has not taken yet.
    waiting: VecDeque<(usize, Command)>,
    counters: Arc<Counters>,
}

impl Thread {
    /// Ready to `run`.
    pub(super) fn new(
        identity: Identity,
        orders: Receiver<Order>,
        lines: Vec<Line>,
        counters: Arc<Counters>,
    ) -> Self {
        Self { orders, lines, handshakes: Handshakes::new(identity), waiting: VecDeque::new(), counters }
    }

    /// Until the last shard is gone.
    pub(super) fn run(mut self) {
        loop {
            let due = self.handshakes.poll_timeout();
            let mut sleep = due.map_or(IDLE, |at| at.saturating_duration_since(Instant::now()));
            if !self.waiting.is_empty() {
                sleep = sleep.min(RETRY);
            }
            match self.orders.recv_timeout(sleep) {
                Ok(order) => {
                    self.obey(order);
                    for _ in 1..ORDERS_AT_ONCE {
                        let Ok(order) = self.orders.try_recv() else { break };
                        self.obey(order);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = Instant::now();
            if self.handshakes.poll_timeout().is_some_and(|at| at <= now) {
                let (handshakes, counters) = (&mut self.handshakes, &self.counters);
                if guarded(counters, || handshakes.handle_timeout(now)).is_none() {
                    handshakes.give_up();
                }
            }
            self.deliver();
        }
    }

    /// A panic over one leg's datagram ends that leg's handshake, and no other.
    fn obey(&mut self, Order { shard, leg, step }: Order) {
        let (handshakes, counters) = (&mut self.handshakes, &self.counters);
        let (key, now) = ((shard, leg), Instant::now());
        let done = guarded(counters, || match step {
            Step::Begin { fingerprint, client } => handshakes.begin(key, fingerprint, client, now),
            Step::Packet(bytes) => handshakes.packet(key, &bytes, now),
            Step::End => handshakes.end(key),
        });
        if done.is_none() {
            handshakes.end(key);
        }
    }

    fn deliver(&mut self) {
        while let Some(((shard, leg), output)) = self.handshakes.poll_output() {
            let command = match output {
                Output::Send(bytes) => Command::SendHandshake { leg, bytes },
                Output::Keys(keys) => Command::Secure { leg, keys },
                Output::Gone => Command::Gone { leg },
            };
            self.waiting.push_back((shard, command));
        }
        while let Some((shard, command)) = self.waiting.pop_front() {
            let Some(line) = self.lines.get(shard) else { continue };
            // A lost datagram is sent again, a lost key is not.
            let lossy = matches!(command, Command::SendHandshake { .. });
            if let Err(command) = line.offer(command)
                && !lossy
            {
                self.waiting.push_front((shard, command));
                break;
            }
        }
        let tally = self.handshakes.tally();
        for (counter, value) in [
            (&self.counters.dtls_done, tally.done),
            (&self.counters.dtls_failed, tally.failed),
            (&self.counters.dtls_wrong_certificate, tally.wrong_certificate),
            (&self.counters.dtls_refused, tally.refused),
            (&self.counters.dtls_errors, tally.errors),
        ] {
            counter.store(value, Ordering::Relaxed);
        }
    }
}
