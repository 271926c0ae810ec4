//! How much of what strangers send is read while there is more to do than can be done.
//!
//! A stranger is a source that is no trunk's and no registered phone's, and has neither proven a trunk's credentials lately
//! nor spoken in a call: so a carrier's callers are never counted together, whatever way the carrier comes.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use havre_model::Mono;

/// Datagrams of one source in a row, and how soon there may be one more: who registers, or proves credentials, needs four.
const BURST: u32 = 40;
const EVERY: Duration = Duration::from_millis(50);
/// Sources that are counted one by one; those beyond share the count of one. Where room is needed, a source goes 50 ms after
/// its only datagram: forged ones fill the table from 82,000 a second on, which is more than are read. Fewer keep no phone from
/// registering that comes from a new place.
const MAX_SOURCES: usize = 4_096;
/// Sources that are no strangers any more; the one that proved it longest ago is forgotten first.
const MAX_PROVEN: usize = 1_024;
/// How long a proof counts. A carrier proves itself with every call.
const PROVEN_FOR: Duration = Duration::from_secs(3_600);

/// See the module's page.
#[derive(Default)]
pub(crate) struct Strangers {
    sources: HashMap<IpAddr, Allowance>,
    proven: HashMap<IpAddr, Mono>,
}

/// What one source may send yet.
#[derive(Clone, Copy)]
struct Allowance {
    left: u32,
    counted: Mono,
}

impl Strangers {
    /// Whether one more datagram of this source is read.
    pub(crate) fn admits(&mut self, source: IpAddr, now: Mono) -> bool {
        let source = network(source);
        if self.proven.get(&source).is_some_and(|proven| now.since(*proven) < PROVEN_FOR) {
            return true;
        }
        let full = self.sources.len() >= MAX_SOURCES && !self.sources.contains_key(&source);
        if full {
            self.sources.retain(|_, allowance| !allowance.is_whole(now));
        }
        let crowded = full && self.sources.len() >= MAX_SOURCES;
        let counted = if crowded { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { source };
        let allowance = self.sources.entry(counted).or_insert(Allowance { left: BURST, counted: now });
        allowance.take(now)
    }

    /// It has shown a trunk's credentials, or the tags of a call.
    pub(crate) fn prove(&mut self, source: IpAddr, now: Mono) {
        let source = network(source);
        if self.proven.len() >= MAX_PROVEN
            && !self.proven.contains_key(&source)
            && let Some(oldest) = self.proven.iter().min_by_key(|(_, at)| **at).map(|(source, _)| *source)
        {
            self.proven.remove(&oldest);
        }
        self.proven.insert(source, now);
    }
}

impl Allowance {
    fn take(&mut self, now: Mono) -> bool {
        self.fill(now);
        let some = self.left > 0;
        self.left = self.left.saturating_sub(1);
        some
    }

    fn fill(&mut self, now: Mono) {
        let more = now.since(self.counted).as_millis() / EVERY.as_millis();
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        if more >= BURST {
            *self = Self { left: BURST, counted: now };
        } else {
            self.left = (self.left + more).min(BURST);
            self.counted += EVERY * more;
        }
    }

    fn is_whole(mut self, now: Mono) -> bool {
        self.fill(now);
        self.left == BURST
    }
}

/// Whoever has one address of IPv6 has 2^64.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::from_start(Duration::from_millis(millis))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_source_has_its_allowance_and_takes_from_nobody_else() {
        let mut strangers = Strangers::default();
        let read = (0..1_000).filter(|n| strangers.admits(ip("203.0.113.5"), at(n / 10))).count();
        assert_eq!(read, 40 + 1, "1,000 in 100 ms: a burst, and one for each 50 ms that passed");
        assert!(strangers.admits(ip("203.0.113.6"), at(100)));
        assert!(
            !strangers.admits(ip("203.0.113.5"), at(100)) || strangers.admits(ip("203.0.113.6"), at(100))
        );
        assert!(strangers.admits(ip("203.0.113.5"), at(5_000)), "later it is read again");
    }

    #[test]
    fn addresses_of_one_network_are_one_source() {
        let mut strangers = Strangers::default();
        let read = (0..200).filter(|n| strangers.admits(ip(&format!("2001:db8::{n:x}")), at(0))).count();
        assert_eq!(read, 40);
    }

    #[test]
    fn whoever_has_proven_credentials_is_no_stranger() {
        let mut strangers = Strangers::default();
        strangers.prove(ip("203.0.113.5"), at(0));
        assert!((0..1_000).all(|_| strangers.admits(ip("203.0.113.5"), at(10))));
        let later = at(3_600_000);
        assert!((0..1_000).any(|_| !strangers.admits(ip("203.0.113.5"), later)));
    }

    /// As fast as one core reads, from addresses that never repeat.
    #[test]
    fn forged_sources_without_end_keep_nobody_else_out() {
        let mut strangers = Strangers::default();
        let phone = ip("203.0.113.5");
        for n in 0..400_000_u32 {
            let now = at(u64::from(n / 40));
            strangers.admits(IpAddr::V4((0x0b00_0000 + n).into()), now);
            // A registration and its proof, now and then.
            assert!(n % 4_000 > 1 || strangers.admits(phone, now), "{n}");
        }
    }

    #[test]
    fn both_tables_are_bounded() {
        let mut strangers = Strangers::default();
        for n in 0..20_000_u32 {
            let source = IpAddr::V4((0x0b00_0000 + n).into());
            strangers.admits(source, at(0));
            strangers.prove(IpAddr::V4((0x0c00_0000 + n).into()), at(u64::from(n)));
        }
        assert!(strangers.sources.len() <= MAX_SOURCES + 1);
        assert_eq!(strangers.proven.len(), MAX_PROVEN);
    }
}
