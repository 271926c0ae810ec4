//! Port pairs of one shard: an even port for RTP, the next one for RTCP (RFC 3550 §11).

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use havre_model::Mono;

/// How long a pair rests after use: late packets of the last call must not reach the next one.
pub(super) const REST: Duration = Duration::from_secs(5);

/// The pairs that a shard may bind. A pair is here, or it is in use.
#[derive(Debug)]
pub(super) struct Ports {
    free: VecDeque<u16>,
    /// In order of the time at which each is free again.
    resting: VecDeque<(Mono, u16)>,
}

impl Ports {
    /// The pairs `slice` of `slices` of `range`, beginning at a `random` one.
    pub(super) fn new(range: &RangeInclusive<u16>, slice: usize, slices: usize, random: u64) -> Self {
        let pairs: Vec<u16> = pairs(range).collect();
        let (from, to) = (pairs.len() * slice / slices, pairs.len() * (slice + 1) / slices);
        let mut free: VecDeque<u16> = pairs[from..to].iter().copied().collect();
        if !free.is_empty() {
            let start = usize::try_from(random % free.len() as u64).unwrap_or(0);
            free.rotate_left(start);
        }
        Self { free, resting: VecDeque::new() }
    }

    /// The pair that has been free for longest.
    pub(super) fn take(&mut self, now: Mono) -> Option<u16> {
        while let Some((at, port)) = self.resting.front().copied()
            && at <= now
        {
            self.resting.pop_front();
            self.free.push_back(port);
        }
        self.free.pop_front()
    }

    /// A pair is no longer in use, or was found to be somebody else's.
    pub(super) fn rest(&mut self, port: u16, now: Mono) {
        self.resting.push_back((now + REST, port));
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
    fn slices_share_out_every_pair_once() {
        let range = 20_001..=20_037;
        let mut seen = BTreeSet::new();
        for slice in 0..4 {
            let mut ports = Ports::new(&range, slice, 4, 7);
            while let Some(port) = ports.take(at(0)) {
                assert!(port % 2 == 0 && range.contains(&port) && range.contains(&(port + 1)), "{port}");
                assert!(seen.insert(port), "{port} twice");
            }
        }
        assert_eq!(seen.len(), 18);
    }

    #[test]
    fn a_pair_rests_before_it_is_used_again() {
        let mut ports = Ports::new(&(30_000..=30_003), 0, 1, 1);
        let first = ports.take(at(0)).unwrap();
        assert_eq!(first, 30_002, "the start is the random one");
        ports.rest(first, at(0));
        assert_eq!(ports.take(at(0)), Some(30_000));
        assert_eq!(ports.take(at(4)), None);
        assert_eq!(ports.take(at(5)), Some(first));
    }

    #[test]
    fn a_range_without_a_pair_has_none() {
        assert_eq!(Ports::new(&(30_001..=30_002), 0, 1, 9).take(at(9)), None);
    }
}
