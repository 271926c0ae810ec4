//! Slowing down those who guess: after each failure a user's next attempt, and after many failures a source's, has to
//! wait longer, up to a minute. Nobody is locked out for good, so nobody can lock out somebody else.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

use havre_model::{Mono, UserId};

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);
/// Failures are forgotten after this long without one.
const FORGET: Duration = Duration::from_secs(15 * 60);
/// Failures that a source has free: a house full of advocates shares one address, and people mistype.
const FREE_OF_SOURCE: u32 = 20;
/// Users and sources remembered; beyond it those go that failed longest ago.
const MOST: usize = 10_000;

/// Who has failed how often.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    users: HashMap<(UserId, Place), Failures>,
    sources: HashMap<IpAddr, Failures>,
    /// Where each user last got in. There, failures made elsewhere in the user's name do not count.
    homes: HashMap<UserId, IpAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Home,
    Elsewhere,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Mono,
    until: Mono,
}

impl Patience {
    /// Somebody at `source` tries to be `user` (`None`: a name that nobody can have). Counts as a failure until
    /// [`Patience::succeeded`], so that many at once gain nothing.
    ///
    /// # Errors
    /// How long to wait before the next attempt, which this one does not make longer.
    pub(crate) fn attempt(
        &mut self,
        user: Option<&UserId>,
        source: IpAddr,
        now: Mono,
    ) -> Result<(), Duration> {
        let source = network(source);
        let user = user.map(|user| (user.clone(), self.place(user, source)));
        let waits = |failures: Option<&Failures>| failures.map_or(Duration::ZERO, |f| f.until.since(now));
        let of_user = waits(user.as_ref().and_then(|user| self.users.get(user)));
        let wait = of_user.max(waits(self.sources.get(&source)));
        if !wait.is_zero() {
            return Err(wait);
        }
        if let Some(user) = user {
            failed(&mut self.users, user, 0, now);
        }
        failed(&mut self.sources, source, FREE_OF_SOURCE, now);
        Ok(())
    }

    /// It was `user`. The source's other failures still count: one good account must not buy guesses at others.
    pub(crate) fn succeeded(&mut self, user: &UserId, source: IpAddr) {
        let source = network(source);
        self.users.remove(&(user.clone(), self.place(user, source)));
        if let Some(failures) = self.sources.get_mut(&source) {
            failures.count = failures.count.saturating_sub(1);
        }
        self.homes.insert(user.clone(), source);
    }

    /// The account is gone.
    pub(crate) fn forget(&mut self, user: &UserId) {
        self.homes.remove(user);
    }

    fn place(&self, user: &UserId, source: IpAddr) -> Place {
        if self.homes.get(user) == Some(&source) { Place::Home } else { Place::Elsewhere }
    }
}

fn failed<K: Clone + Eq + Hash>(table: &mut HashMap<K, Failures>, who: K, free: u32, now: Mono) {
    if table.len() >= MOST && !table.contains_key(&who) {
        table.retain(|_, failures| now.since(failures.last) < FORGET);
        while table.len() >= MOST {
            let Some(oldest) = table.iter().min_by_key(|(_, f)| f.last).map(|(who, _)| who.clone()) else {
                break;
            };
            table.remove(&oldest);
        }
    }
    let failures = table.entry(who).or_insert(Failures { count: 0, last: now, until: now });
    if now.since(failures.last) >= FORGET {
        failures.count = 0;
    }
    failures.count = failures.count.saturating_add(1);
    failures.last = now;
    let doublings = failures.count.checked_sub(free + 1);
    let wait = doublings.map_or(Duration::ZERO, |n| Duration::from_secs(1 << n.min(6)).min(LONGEST));
    failures.until = now + wait;
}

/// One customer of an IPv6 provider has a whole /64.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::from_start(Duration::from_secs(seconds))
    }

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const FOREIGN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));

    #[test]
    fn each_failure_doubles_the_wait_up_to_a_minute_and_no_further() {
        let (mut patience, anne) = (Patience::default(), user("anne"));
        let mut now = 0;
        for wait in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            assert_eq!(patience.attempt(Some(&anne), HOME, at(now)), Ok(()));
            // Asking meanwhile makes it no longer.
            for _ in 0..3 {
                assert_eq!(patience.attempt(Some(&anne), HOME, at(now)), Err(Duration::from_secs(wait)));
            }
            now += wait;
        }
        patience.attempt(Some(&anne), HOME, at(now)).unwrap();
        patience.succeeded(&anne, HOME);
        assert_eq!(patience.attempt(Some(&anne), HOME, at(now)), Ok(()));
    }

    #[test]
    fn who_fails_in_anothers_name_elsewhere_does_not_slow_them_where_they_are_known() {
        let (mut patience, anne) = (Patience::default(), user("anne"));
        patience.attempt(Some(&anne), HOME, at(0)).unwrap();
        patience.succeeded(&anne, HOME);
        for n in 0..10 {
            let _ = patience.attempt(Some(&anne), FOREIGN, at(60 * n));
        }
        assert!(patience.attempt(Some(&anne), FOREIGN, at(541)).is_err());
        assert_eq!(patience.attempt(Some(&anne), HOME, at(541)), Ok(()));
    }

    #[test]
    fn a_source_that_tries_one_name_after_the_other_is_slowed_too() {
        let mut patience = Patience::default();
        for n in 0..FREE_OF_SOURCE {
            assert_eq!(patience.attempt(Some(&user(&format!("u{n}"))), FOREIGN, at(0)), Ok(()), "{n}");
        }
        assert_eq!(patience.attempt(None, FOREIGN, at(0)), Ok(()));
        assert_eq!(patience.attempt(None, FOREIGN, at(0)), Err(Duration::from_secs(1)));
        assert_eq!(patience.attempt(None, HOME, at(0)), Ok(()));
        // A quarter of an hour later it begins anew.
        assert_eq!(patience.attempt(None, FOREIGN, at(900)), Ok(()));
        assert_eq!(patience.attempt(None, FOREIGN, at(900)), Ok(()));
    }

    #[test]
    fn a_provider_s_customer_is_one_source() {
        let mut patience = Patience::default();
        for n in 0..=u128::from(FREE_OF_SOURCE) {
            let address = IpAddr::V6((0x2001_0db8_u128 << 96 | n).into());
            patience.attempt(None, address, at(0)).unwrap();
        }
        assert!(patience.attempt(None, "2001:db8::ffff".parse().unwrap(), at(0)).is_err());
        assert!(patience.attempt(None, "2001:db8:0:1::".parse().unwrap(), at(0)).is_ok());
    }

    #[test]
    fn the_tables_are_bounded_and_keep_the_latest() {
        let mut patience = Patience::default();
        for n in 0..MOST as u64 + 50 {
            let source = IpAddr::V4(u32::try_from(n).unwrap().into());
            let _ = patience.attempt(Some(&user(&format!("u{n}"))), source, at(n / 1000));
        }
        assert_eq!((patience.users.len(), patience.sources.len()), (MOST, MOST));
        let last = user(&format!("u{}", MOST + 49));
        assert!(patience.attempt(Some(&last), HOME, at(10)).is_err());
    }
}
