//! The data plane's shell: one thread per shard, two UDP sockets per leg, or one for all browser legs of a shard; and one
//! thread for the DTLS handshakes of all browsers.
//!
//! A thread owns its [`havre_media::Shard`] and its sockets; it takes commands from a bounded queue and reports through
//! a bounded channel, and waits for nobody. All legs of a call live on the shard that was chosen for it.

mod counters;
mod dtls;
mod lane;
mod line;
mod outbox;
mod patience;
mod poll;
mod ports;
mod shared;
mod sockets;
mod thread;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use havre_media::sdp::Fingerprint;
use havre_media::{Command, Event, IceLocal, Shard};
use havre_model::LegId;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use thiserror::Error;
use tokio::sync::mpsc::Sender;

use crate::clock::Clock;
use counters::Counters;
pub use dtls::NoIdentity;
use dtls::{Identity, Order, Orders};
use line::{Line, MAX_COMMANDS};
use outbox::Outbox;
use poll::{Poll, Waker};
use ports::Ports;
use shared::SharedSocket;
use sockets::{Sockets, SocketsConfig};
use thread::{Plane, Shared, Thread, WAKE};

/// Threads at most: more than one per core of any machine this runs on gains nothing.
pub const MAX_SHARDS: usize = 64;

/// Configuration of the data plane.
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// The address that every media socket binds. `::` takes IPv4 as well.
    pub listen: IpAddr,
    /// Ports to use. Each leg takes an even one and the next, of all that are free on any shard.
    pub ports: RangeInclusive<u16>,
    /// Ports for browsers: each shard takes one, for all its browser legs. They may be a part of `ports`. `None`: no legs for
    /// browsers are opened.
    pub browser_ports: Option<RangeInclusive<u16>>,
    /// Threads, 1 to [`MAX_SHARDS`]: one per core is best. Each carries about 1,000 bridged G.711 calls.
    pub shards: usize,
    /// Configuration of each shard.
    pub shard: havre_media::Config,
}

/// What a data thread reports.
#[derive(Clone, Debug, PartialEq)]
pub enum ShardEvent {
    /// A leg's sockets are bound: its SDP may be written.
    Opened {
        /// The leg.
        leg: LegId,
        /// Its RTP port, even.
        rtp: u16,
        /// Its RTCP port, the next; for a browser the same.
        rtcp: u16,
        /// What a browser has to know, of a leg that was opened for one.
        ice: Option<IceLocal>,
    },
    /// No free ports for a leg, or too many legs.
    OpenFailed {
        /// The leg.
        leg: LegId,
    },
    /// The shard noticed something.
    Media(Event),
}

/// The data plane cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The number of shards makes no sense.
    #[error("{0} data threads: choose 1 to {MAX_SHARDS}")]
    Shards(usize),
    /// Not even one leg per thread.
    #[error("{pairs} port pairs in {}-{} are too few for {shards} data threads", .ports.start(), .ports.end())]
    Ports {
        /// The range.
        ports: RangeInclusive<u16>,
        /// Pairs in it.
        pairs: usize,
        /// Threads.
        shards: usize,
    },
    /// The address cannot be bound.
    #[error("cannot bind media sockets to {listen}")]
    Address {
        /// The address.
        listen: IpAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// Too few ports for browsers.
    #[error("{} ports for browsers in {}-{} are too few for {shards} data threads", .ports.len(), .ports.start(), .ports.end())]
    BrowserPorts {
        /// The range.
        ports: RangeInclusive<u16>,
        /// Threads.
        shards: usize,
    },
    /// A port for browsers cannot be bound.
    #[error("cannot bind port {port} of {listen} for browsers")]
    BrowserPort {
        /// The address.
        listen: IpAddr,
        /// The port.
        port: u16,
        /// The system's reason.
        source: io::Error,
    },
    /// Browsers could not know who we are.
    #[error(transparent)]
    Identity(#[from] NoIdentity),
    /// The system gives no poll or no thread.
    #[error("cannot start a data thread")]
    Thread(#[source] io::Error),
}

/// A command was not taken: the thread is far behind, or there is none of that number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the data thread did not take the command")]
pub struct Refused;

/// The running data plane. Dropping it ends the threads.
#[derive(Debug)]
pub struct MediaThreads {
    threads: Vec<Running>,
    fingerprint: Fingerprint,
    handshakes: Arc<Counters>,
    /// Ends when the last shard has; `None` once joined.
    dtls: Option<JoinHandle<()>>,
}

/// One data thread.
#[derive(Debug)]
struct Running {
    line: Line,
    /// Something was queued for it since it was last woken.
    told: Cell<bool>,
    /// `None` once joined.
    thread: Option<JoinHandle<()>>,
}

impl MediaThreads {
    /// Starts the threads. Ports are bound as legs are opened.
    ///
    /// # Errors
    /// The configuration cannot work here, or the system lacks something.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the threads own the senders: with them the channel ends"
    )]
    pub fn start(
        config: MediaConfig,
        clock: Clock,
        seed: [u8; 32],
        events: Sender<ShardEvent>,
    ) -> Result<Self, StartError> {
        let MediaConfig { listen, ports, browser_ports, shards, shard } = config;
        if !(1..=MAX_SHARDS).contains(&shards) {
            return Err(StartError::Shards(shards));
        }
        let pairs = ports::pairs(&ports).count();
        if pairs < shards {
            return Err(StartError::Ports { ports, pairs, shards });
        }
        if let Some(ports) = browser_ports.as_ref().filter(|ports| ports.len() < shards) {
            return Err(StartError::BrowserPorts { ports: ports.clone(), shards });
        }
        // A wrong address is better known now than at the first call.
        UdpSocket::bind(SocketAddr::new(listen, 0))
            .map_err(|source| StartError::Address { listen, source })?;
        let shard = Arc::new(shard);
        let mut random = ChaCha12Rng::from_seed(seed);
        let ports = Ports::new(&ports, browser_ports.as_ref(), random.next_u64());
        let identity = Identity::new()?;
        let handshakes = Arc::new(Counters::default());
        let (orders, to_do) = sync_channel(dtls::MAX_ORDERS);
        let mut media = Self {
            threads: Vec::with_capacity(shards),
            fingerprint: identity.fingerprint(),
            handshakes: Arc::clone(&handshakes),
            dtls: None,
        };
        let mut browser_ports = browser_ports.into_iter().flatten();
        for index in 0..shards {
            let mut seed = [0; 32];
            random.fill_bytes(&mut seed);
            let shard = Shard::new(Arc::clone(&shard), seed, clock.now());
            let browsers = browser_ports.next().map(|port| {
                SharedSocket::bind(listen, port).map_err(|source| StartError::BrowserPort {
                    listen,
                    port,
                    source,
                })
            });
            let browsers = browsers.transpose()?;
            let sockets = SocketsConfig { listen, ports: ports.clone(), browsers };
            let running = Running::start(index, sockets, shard, clock, events.clone(), orders.clone());
            media.threads.push(running.map_err(StartError::Thread)?);
        }
        let lines = media.threads.iter().map(|running| running.line.clone()).collect();
        let thread = dtls::Thread::new(identity, to_do, lines, handshakes);
        let thread = std::thread::Builder::new().name("media-dtls".to_owned()).spawn(move || thread.run());
        media.dtls = Some(thread.map_err(StartError::Thread)?);
        Ok(media)
    }

    /// How many shards there are; they are numbered from 0.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.threads.len()
    }

    /// The hash of the certificate that browsers see in DTLS: SDP has to name it.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The shard with the fewest legs, for a new call.
    #[must_use]
    pub fn least_busy(&self) -> usize {
        let legs = |running: &Running| running.line.shared.counters.open_legs.load(Ordering::Relaxed);
        (0..self.threads.len()).min_by_key(|index| legs(&self.threads[*index])).unwrap_or(0)
    }

    /// Hands a command to a shard. Never waits; commands of one shard are done in order.
    ///
    /// # Errors
    /// The shard is far behind, or does not exist. A refused `Open` is to be taken as [`ShardEvent::OpenFailed`].
    pub fn command(&self, shard: usize, command: Command) -> Result<(), Refused> {
        let running = self.threads.get(shard).ok_or(Refused)?;
        running.line.offer(command).map_err(|_| Refused)
    }

    /// As [`command`](Self::command), for one who has more to say: the shard hears of it by [`wake`](Self::wake). To wake
    /// a thread costs more than most of what it is woken for.
    ///
    /// # Errors
    /// The same.
    pub fn queue(&self, shard: usize, command: Command) -> Result<(), Refused> {
        let running = self.threads.get(shard).ok_or(Refused)?;
        running.told.set(true);
        running.line.queue(command).map_err(|_| Refused)
    }

    /// Wakes the shards that something was queued for.
    pub fn wake(&self) {
        self.threads.iter().filter(|running| running.told.take()).for_each(|running| running.line.wake());
    }

    /// What the threads and their shards counted, summed.
    #[must_use]
    pub fn counters(&self) -> BTreeMap<&'static str, u64> {
        let mut sums = BTreeMap::new();
        for running in &self.threads {
            running.line.shared.counters.add_to(&mut sums);
        }
        self.handshakes.add_to(&mut sums);
        sums
    }
}

impl Running {
    fn start(
        index: usize,
        sockets: SocketsConfig,
        shard: Shard,
        clock: Clock,
        events: Sender<ShardEvent>,
        handshakes: SyncSender<Order>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(&poll, WAKE)?);
        let shared = Arc::new(Shared::default());
        let (commands, orders) = sync_channel(MAX_COMMANDS);
        let counters = Arc::clone(&shared.counters);
        let outbox = Outbox::new(events, Arc::clone(&counters));
        let handshakes = Orders::new(index, handshakes, Arc::clone(&counters));
        let sockets = Sockets::new(sockets, poll.clone(), counters)?;
        let plane = Plane::new(shard, sockets, outbox, handshakes, Arc::clone(&shared.counters));
        let thread = Thread::new(poll, clock, orders, Arc::clone(&shared), plane);
        let thread =
            std::thread::Builder::new().name(format!("media-{index}")).spawn(move || thread.run())?;
        Ok(Self { line: Line { commands, waker, shared }, told: Cell::new(false), thread: Some(thread) })
    }
}

impl Drop for MediaThreads {
    fn drop(&mut self) {
        for Running { line, .. } in &self.threads {
            line.shared.stop.store(true, Ordering::Release);
            let _ = line.waker.wake();
        }
        let threads = self.threads.iter_mut().filter_map(|running| running.thread.take());
        for thread in threads.chain(self.dtls.take()) {
            // A thread catches its panics; there is nothing to learn from joining it.
            let _ = thread.join();
        }
    }
}
