//! One data thread: a shard, its sockets, and the loop that drives them.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use havre_media::{Command, Event, Face, Input, Output, Shard, limits};
use havre_model::{LegId, Mono, Now};

use super::ShardEvent;
use super::counters::Counters;
use super::dtls::Orders;
use super::outbox::Outbox;
use super::patience::Patience;
use super::poll::{Poll, Ready, Token};
use super::sockets::{Read, Sockets};
use crate::clock::Clock;

/// The token of the waker; sockets count from 0.
pub(super) const WAKE: Token = Token(usize::MAX);

/// Datagrams read at most from one socket before the next socket gets its turn.
const BURST: usize = 32;
/// Sockets served between two looks at the clock: less than half a millisecond of work.
const SOCKETS_PER_READING: usize = 32;
/// Commands done before sockets get their turn.
const COMMANDS_AT_ONCE: usize = 256;
/// Sockets told of at once.
const EVENTS_AT_ONCE: usize = 1_024;
/// How often unbridged legs are read: with the shard's 5 ms turns, or, where it has fewer, a little more rarely.
const LOOK: Duration = Duration::from_millis(6);
/// How soon a full event channel is tried again.
const RETRY: Duration = Duration::from_millis(5);
/// How often the shard's own counters are shown.
const SHOW: Duration = Duration::from_secs(1);
/// Pause after a panic or a failed poll, so that a fault that repeats itself does not take the whole core.
const BREATH: Duration = Duration::from_millis(5);

/// What a thread shares with those who command it.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Commands on their way.
    pub(super) queued: AtomicUsize,
    /// The thread is to end.
    pub(super) stop: AtomicBool,
    /// What it did.
    pub(super) counters: Arc<Counters>,
}

/// A shard and all that it needs.
pub(super) struct Thread {
    poll: Poll,
    found: Ready,
    /// What the last look found. Here, not in the plane: a panic must not take it along.
    looked: Ready,
    clock: Clock,
    commands: Receiver<Command>,
    shared: Arc<Shared>,
    plane: Plane,
    /// When the last turn began; its wall clock is of the last time that counters were shown.
    now: Now,
    patience: Patience,
    /// When unbridged legs are read next, unless the shard's turn comes before.
    look_at: Mono,
    /// When the shard's counters are shown next.
    show_at: Mono,
}

/// What a packet passes through.
pub(super) struct Plane {
    shard: Shard,
    sockets: Sockets,
    outbox: Outbox,
    /// For DTLS.
    handshakes: Orders,
    counters: Arc<Counters>,
    buffer: Box<[u8]>,
}

impl Thread {
    /// Ready to `run`.
    pub(super) fn new(
        poll: Poll,
        clock: Clock,
        commands: Receiver<Command>,
        shared: Arc<Shared>,
        plane: Plane,
    ) -> Self {
        Self {
            poll,
            found: Ready::new(EVENTS_AT_ONCE),
            looked: Ready::new(EVENTS_AT_ONCE),
            clock,
            commands,
            shared,
            plane,
            now: clock.now(),
            patience: Patience::new(),
            look_at: Mono::ZERO,
            show_at: Mono::ZERO,
        }
    }

    /// Until told to stop. A panic in the shard is a fault of ours; the calls of everybody else go on.
    pub(super) fn run(mut self) {
        let counters = Arc::clone(&self.shared.counters);
        while !self.shared.stop.load(Ordering::Acquire) {
            match guarded(&counters, || self.turn()) {
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    tracing::error!(%error, "the data thread cannot poll");
                    std::thread::sleep(BREATH);
                }
                None => std::thread::sleep(BREATH),
            }
        }
    }

    /// Waits, and does all that is there to do.
    fn turn(&mut self) -> io::Result<()> {
        let due = self.due(self.clock.mono());
        self.poll.wait(&mut self.found, self.patience.wait(due))?;
        let now = self.clock.later(self.now);
        self.patience.turned(now.mono.since(self.now.mono));
        self.now = now;
        if self.shared.queued.load(Ordering::Acquire) > 0 {
            self.obey(now);
        }
        let due = self.plane.shard.poll_timeout().is_some_and(|wakeup| wakeup.at <= now.mono);
        let look = due || self.look_at <= now.mono;
        let (mut now, _) = self.plane.read(&self.found, &self.clock, now);
        if look {
            let all;
            (now, all) = self.plane.look(&mut self.looked, &self.clock, now)?;
            self.look_at = if all { now.mono + LOOK } else { now.mono };
        }
        if due {
            self.plane.shard.handle_timeout(now);
            self.plane.drain();
        }
        self.plane.outbox.flush();
        self.plane.handshakes.flush();
        if self.show_at <= now.mono {
            self.show_at = now.mono + SHOW;
            self.plane.counters.publish(self.plane.shard.counters());
            self.now = self.clock.now();
        }
        Ok(())
    }

    /// How long nothing is due.
    fn due(&self, now: Mono) -> Duration {
        if self.shared.queued.load(Ordering::Acquire) > 0 {
            return Duration::ZERO;
        }
        let due = self.plane.shard.poll_timeout().map_or(SHOW, |wakeup| wakeup.at.since(now));
        let look = if self.plane.sockets.len() > 0 { self.look_at.since(now) } else { SHOW };
        let waiting = self.plane.outbox.is_waiting() || self.plane.handshakes.is_waiting();
        let retry = if waiting { RETRY } else { SHOW };
        due.min(look).min(retry).min(SHOW)
    }

    fn obey(&mut self, now: Now) {
        for _ in 0..COMMANDS_AT_ONCE {
            let Ok(command) = self.commands.try_recv() else { return };
            self.shared.queued.fetch_sub(1, Ordering::AcqRel);
            self.plane.obey(command, now);
        }
    }
}

impl Plane {
    pub(super) fn new(
        shard: Shard,
        sockets: Sockets,
        outbox: Outbox,
        handshakes: Orders,
        counters: Arc<Counters>,
    ) -> Self {
        // One byte more than a packet may have, so that a larger one shows.
        let buffer = vec![0; limits::MAX_PACKET + 1].into();
        Self { shard, sockets, outbox, handshakes, counters, buffer }
    }

    fn obey(&mut self, command: Command, now: Now) {
        match command {
            Command::Open { leg, face } => self.open(leg, face, now),
            Command::Close { leg } => self.close(leg, now),
            Command::Bridge { a, b } | Command::Unbridge { a, b } => self.rewire(command, [a, b], now),
            Command::Join { leg, .. } | Command::Leave { leg, .. } => self.rewire(command, [leg], now),
            command => self.take(Input::Command(command), now),
        }
    }

    fn open(&mut self, leg: LegId, face: Face, now: Now) {
        let port = match self.sockets.port(leg) {
            Some(port) => {
                Counters::count(&self.counters.opened_twice);
                Some(port)
            }
            None => self.sockets.open(leg, face, now.mono).inspect(|_| {
                self.shard.handle_input(Input::Command(Command::Open { leg, face }), now);
            }),
        };
        self.drain();
        self.show_legs();
        self.outbox.send(match port {
            Some(rtp) => {
                let ice = self.shard.ice(leg).cloned();
                let rtcp = if ice.is_some() { rtp } else { rtp + 1 };
                ShardEvent::Opened { leg, rtp, rtcp, ice }
            }
            None => {
                Counters::count(&self.counters.open_failed);
                ShardEvent::OpenFailed { leg }
            }
        });
    }

    fn close(&mut self, leg: LegId, now: Now) {
        let peer = self.shard.peer(leg);
        // What the shard has to say at the end (an RTCP BYE) still needs the sockets.
        self.take(Input::Command(Command::Close { leg }), now);
        self.sockets.close(leg, now.mono);
        peer.into_iter().for_each(|peer| self.pace(peer));
        self.show_legs();
    }

    /// Obeys what may part `legs` from their peers. (Who is joined is told by the shard's event.)
    fn rewire<const N: usize>(&mut self, command: Command, legs: [LegId; N], now: Now) {
        let peers = legs.map(|leg| self.shard.peer(leg));
        self.take(Input::Command(command), now);
        legs.into_iter().chain(peers.into_iter().flatten()).for_each(|leg| self.pace(leg));
    }

    /// A leg that somebody hears is read at once from now on, and any other with the rest.
    fn pace(&mut self, leg: LegId) {
        self.sockets.bridged(leg, self.shard.peer(leg).is_some());
    }

    fn show_legs(&self) {
        self.counters.open_legs.store(self.sockets.len() as u64, Ordering::Relaxed);
    }

    /// Gives every socket that has something its turn. Tells how late it has become, and whether none has more.
    ///
    /// One datagram per call: a caller's next packet comes 20 ms later and a relay's next goes to somebody else, so
    /// `recvmmsg`, `sendmmsg` and io_uring found nothing to batch (`tests/bench/benches/relay`). Letting packets gather
    /// (0.2 ms of sleep after every turn of two) made a relayed packet a fifth to a half dearer from 100 to 1,000 calls: a
    /// timer wakes a thread no cheaper than a packet does.
    fn read(&mut self, found: &Ready, clock: &Clock, mut now: Now) -> (Now, bool) {
        let mut all = true;
        for at in 0..found.len() {
            let Some(told) = found.get(at).filter(|told| told.token != WAKE) else { continue };
            if (at + 1) % SOCKETS_PER_READING == 0 {
                now = clock.later(now);
            }
            if told.error
                && let Some(leg) = self.sockets.read_errors(told.token)
            {
                self.take(Input::Unreachable { leg }, now);
            }
            let share = self.sockets.share(told, BURST);
            let empty = self.read_some(told.token, share, now);
            all &= share == 1 || empty;
        }
        (now, all)
    }

    /// Reads so many datagrams of one socket at most; true if it has no more.
    fn read_some(&mut self, token: Token, most: usize, now: Now) -> bool {
        for _ in 0..most {
            let input = match self.sockets.read(token, &mut self.buffer) {
                Read::Packet { leg, channel, source, length } => {
                    Input::Packet { leg, channel, source, bytes: &self.buffer[..length] }
                }
                Read::Shared { source, length } => Input::Shared { source, bytes: &self.buffer[..length] },
                Read::Skipped => continue,
                Read::Empty => return true,
            };
            self.shard.handle_input(input, now);
            self.drain();
        }
        false
    }

    /// Reads what came for legs that are not bridged, as [`read`](Self::read) does.
    fn look(&mut self, looked: &mut Ready, clock: &Clock, now: Now) -> io::Result<(Now, bool)> {
        self.sockets.look(looked)?;
        Ok(self.read(looked, clock, now))
    }

    fn take(&mut self, input: Input<'_>, now: Now) {
        self.shard.handle_input(input, now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Transmit { leg, channel, to, bytes } => self.sockets.send(leg, channel, to, bytes),
                Output::Answer { leg, to, bytes } => self.sockets.answer(leg, to, bytes),
                Output::Event(event) => {
                    if let Event::Bridged { a, b } = event {
                        [a, b].into_iter().for_each(|leg| self.sockets.bridged(leg, true));
                    }
                    self.outbox.send(ShardEvent::Media(event));
                }
                Output::Handshake { leg, step } => self.handshakes.send(leg, step),
            }
        }
    }
}

/// What `act` returns; `None` if it panicked, which is counted, and told at first and then ever more rarely.
pub(super) fn guarded<T>(counters: &Counters, act: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(act))
        .map_err(|_| {
            let panics = counters.panics.fetch_add(1, Ordering::Relaxed) + 1;
            if panics.is_power_of_two() {
                tracing::error!(panics, "a data thread panicked in one turn and goes on; please report this");
            }
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::mpsc::sync_channel;

    use havre_media::{Config, Voice};
    use havre_model::ConferenceId;

    use super::super::ports::Ports;
    use super::super::sockets::SocketsConfig;
    use super::*;

    fn plane(poll: &Poll) -> Plane {
        let counters = Arc::<Counters>::default();
        let listen = Ipv4Addr::new(127, 77, 1, 1).into();
        let ports = Ports::new(&(20_000..=20_099), None, 0);
        let urgent = poll.clone();
        let config = SocketsConfig { listen, ports, browsers: None };
        let sockets = Sockets::new(config, urgent, Arc::clone(&counters)).unwrap();
        let outbox = Outbox::new(tokio::sync::mpsc::channel(100).0, Arc::clone(&counters));
        let handshakes = Orders::new(0, sync_channel(1).0, Arc::clone(&counters));
        let shard = Shard::new(Arc::new(Config::default()), [0; 32], Now::default());
        Plane::new(shard, sockets, outbox, handshakes, counters)
    }

    #[test]
    fn legs_are_read_at_once_as_long_as_somebody_hears_them() {
        let poll = Poll::new().unwrap();
        let mut plane = plane(&poll);
        let now = Now::default();
        let legs @ [a, b, c, d] = [1, 2, 3, 4].map(LegId);
        legs.into_iter().for_each(|leg| plane.open(leg, Face::Plain, now));
        let at_once = |plane: &Plane| legs.map(|leg| plane.sockets.is_bridged(leg));
        assert_eq!(at_once(&plane), [false; 4]);
        plane.obey(Command::Bridge { a, b }, now);
        plane.obey(Command::Bridge { a: c, b: d }, now);
        assert_eq!(at_once(&plane), [true; 4]);
        // One pair is torn up, and the other's leg goes.
        plane.obey(Command::Bridge { a: b, b: c }, now);
        assert_eq!(at_once(&plane), [false, true, true, false]);
        plane.obey(Command::Close { leg: b }, now);
        assert_eq!(at_once(&plane), [false; 4]);
        // A conference of two is a bridge, whoever is left of three.
        let conference = ConferenceId(1);
        for leg in [a, c, d] {
            plane.obey(Command::Join { conference, leg, voice: Voice::ToAll, tones: false }, now);
        }
        plane.obey(Command::Leave { conference, leg: a }, now);
        assert_eq!(at_once(&plane), [false, false, true, true]);
        plane.obey(Command::Leave { conference, leg: c }, now);
        assert_eq!(at_once(&plane), [false; 4]);
    }

    #[test]
    fn a_panic_is_counted_and_over() {
        let counters = Counters::default();
        assert_eq!(guarded(&counters, || 7), Some(7));
        assert_eq!(
            guarded(&counters, || if counters.panics.load(Ordering::Relaxed) == 0 {
                panic!("on purpose")
            }),
            None
        );
        assert_eq!(guarded(&counters, || 8), Some(8));
        assert_eq!(counters.panics.load(Ordering::Relaxed), 1);
    }
}
