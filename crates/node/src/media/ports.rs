//! Port pairs of all shards: an even port for RTP, the next one for RTCP (RFC 3550 §11).

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use havre_model::Mono;

/// How long a pair rests after use: late packets of the last call must not reach the next one.
pub(super) const REST: Duration = Duration::from_secs(5);

/// The pairs that the shards may bind; every clone is the same pool, so that a call fails for want of ports only where
/// no shard has any. Locked for a few instructions when a leg opens or closes, never for a packet.
#[derive(Clone, Debug)]
pub(super) struct Ports(Arc<Mutex<Pool>>);

/// A pair is here, or it is in use.
#[derive(Debug)]
struct Pool {
    free: VecDeque<u16>,
    /// In order of the time at which each is free again.
    resting: VecDeque<(Mono, u16)>,
}

impl Ports {
    /// The pairs of `range`, but for those that browsers have, beginning at a `random` one.
    pub(super) fn new(
        range: &RangeInclusive<u16>,
        browsers: Option<&RangeInclusive<u16>>,
        random: u64,
    ) -> Self {
        let taken = |port: u16| browsers.is_some_and(|b| b.contains(&port) || b.contains(&(port + 1)));
        let mut free: VecDeque<u16> = pairs(range).filter(|port| !taken(*port)).collect();
        if !free.is_empty() {
            let start = usize::try_from(random % free.len() as u64).unwrap_or(0);
            free.rotate_left(start);
        }
        Self(Arc::new(Mutex::new(Pool { free, resting: VecDeque::new() })))
    }

    /// The pair that has been free for longest.
    pub(super) fn take(&self, now: Mono) -> Option<u16> {
        let mut pool = self.pool();
        while let Some((at, port)) = pool.resting.front().copied()
            && at <= now
        {
            pool.resting.pop_front();
            pool.free.push_back(port);
        }
        pool.free.pop_front()
    }

    /// A pair is no longer in use, or was found to be somebody else's.
    pub(super) fn rest(&self, port: u16, now: Mono) {
        self.pool().resting.push_back((now + REST, port));
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        // A panic of another shard leaves the pool whole: each change to it is one push or pop.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The even ports of `range` whose successor is in it too.
pub(super) fn pairs(range: &RangeInclusive<u16>) -> impl Iterator<Item = u16> + use<> {
    let end = *range.end();
    range.clone().filter(move |port| port % 2 == 0 && *port < end)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn at(secs: u64) -> Mono {
        Mono::from_start(Duration::from_secs(secs))
    }

    #[test]
    fn shards_take_every_pair_once_from_one_pool() {
        let range = 20_001..=20_037;
        let mut seen = BTreeSet::new();
        let ports = Ports::new(&range, None, 7);
        let shards = vec![ports.clone(); 4];
        for shard in shards.iter().cycle().take(18) {
            let port = shard.take(at(0)).unwrap();
            assert!(port % 2 == 0 && range.contains(&port) && range.contains(&(port + 1)), "{port}");
            assert!(seen.insert(port), "{port} twice");
        }
        assert!(shards.iter().all(|shard| shard.take(at(0)).is_none()));
        shards[3].rest(20_002, at(0));
        assert_eq!(shards[0].take(at(5)), Some(20_002), "what one gives back another may take");
    }

    #[test]
    fn a_pair_rests_before_it_is_used_again() {
        let ports = Ports::new(&(30_000..=30_003), None, 1);
        let first = ports.take(at(0)).unwrap();
        assert_eq!(first, 30_002, "the start is the random one");
        ports.rest(first, at(0));
        assert_eq!(ports.take(at(0)), Some(30_000));
        assert_eq!(ports.take(at(4)), None);
        assert_eq!(ports.take(at(5)), Some(first));
    }

    #[test]
    fn a_range_without_a_pair_has_none() {
        assert_eq!(Ports::new(&(30_001..=30_002), None, 9).take(at(9)), None);
    }
}
