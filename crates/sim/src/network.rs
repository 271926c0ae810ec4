//! The SIP network: datagrams that arrive late, twice, in another order, or never.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use havre_model::Mono;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::Rng;

/// How bad the network is. Everything is drawn from the world's seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// One way, at least.
    pub delay: Duration,
    /// At most this much later: datagrams that are close together overtake each other.
    pub jitter: Duration,
    /// Of a thousand datagrams, so many are lost.
    pub lost: u64,
    /// Of a thousand datagrams, so many arrive twice.
    pub doubled: u64,
}

impl Weather {
    /// Ten milliseconds, always.
    pub const FINE: Self =
        Self { delay: Duration::from_millis(10), jitter: Duration::ZERO, lost: 0, doubled: 0 };
    /// A mobile network on a bad day.
    pub const BAD: Self =
        Self { delay: Duration::from_millis(20), jitter: Duration::from_millis(180), lost: 50, doubled: 30 };
}

/// A datagram on its way.
#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Bytes,
}

/// What never arrives while this stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    /// Sent by this host.
    pub(crate) from: IpAddr,
    /// And beginning with this: a method, or `SIP/2.0 200`. Empty loses everything.
    pub(crate) beginning: &'static str,
}

/// The network between the switch and all phones.
pub(crate) struct Network {
    pub(crate) weather: Weather,
    pub(crate) losses: Vec<Loss>,
    on_the_way: BTreeMap<(Mono, u64), Datagram>,
    sent: u64,
    random: ChaCha12Rng,
}

impl Network {
    pub(crate) fn new(weather: Weather, random: ChaCha12Rng) -> Self {
        Self { weather, losses: Vec::new(), on_the_way: BTreeMap::new(), sent: 0, random }
    }

    pub(crate) fn post(&mut self, datagram: &Datagram, now: Mono) {
        let lost = |loss: &Loss| {
            loss.from == datagram.from.ip() && datagram.bytes.starts_with(loss.beginning.as_bytes())
        };
        if self.losses.iter().any(lost) || self.chance(self.weather.lost) {
            return;
        }
        let copies = if self.chance(self.weather.doubled) { 2 } else { 1 };
        for _ in 0..copies {
            let jitter = u64::try_from(self.weather.jitter.as_micros()).unwrap_or(u64::MAX);
            let late = Duration::from_micros(if jitter == 0 { 0 } else { self.random.next_u64() % jitter });
            self.sent += 1;
            self.on_the_way.insert((now + self.weather.delay + late, self.sent), datagram.clone());
        }
    }

    pub(crate) fn next(&self) -> Option<Mono> {
        self.on_the_way.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn take_due(&mut self, now: Mono) -> Option<Datagram> {
        let first = self.on_the_way.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    fn chance(&mut self, of_a_thousand: u64) -> bool {
        of_a_thousand > 0 && self.random.next_u64() % 1_000 < of_a_thousand
    }
}
