//! Slowing down those who guess passwords: after a few wrong ones, what comes for that user from that place is not
//! believed for a while, right or wrong, up to a minute. Whoever guesses cannot tell, and can keep nobody out who comes
//! from elsewhere.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use havre_model::Mono;

/// Wrong passwords for one user from one place before anybody has to wait: people mistype.
const FREE_OF_USER: u32 = 5;
/// The same for all users together: an office of advocates shares one address.
const FREE_OF_PLACE: u32 = 40;
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);
/// Failures are forgotten after this long without one.
const FORGET: Duration = Duration::from_secs(15 * 60);
/// Users and places remembered.
const MOST: usize = 8_192;
/// So many are looked at for the one that makes room.
const LOOKED_AT: usize = 16;

/// Who has failed how often.
#[derive(Default)]
pub(crate) struct Patience {
    hashing: RandomState,
    known: HashMap<Who, Failures>,
    alarm: Option<Guessing>,
}

/// A user at a place, or a place: as a keyed hash, since names that others try are kept nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Who(u64);

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Mono,
    until: Mono,
    /// This user got in from here before: failures of others here are not theirs.
    home: bool,
}

/// Somebody guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Guessing {
    pub(crate) source: IpAddr,
    pub(crate) failures: u32,
}

impl Patience {
    /// Whether what comes for `user` from `source` is not believed now.
    pub(crate) fn is_spent(&self, user: &str, source: IpAddr, now: Mono) -> bool {
        let (user, place) = self.who(user, source);
        let waits = |failures: &&Failures| failures.until > now;
        let of_user = self.known.get(&user);
        let home = of_user.is_some_and(|failures| failures.home);
        of_user.filter(waits).is_some() || !home && self.known.get(&place).filter(waits).is_some()
    }

    /// A wrong password.
    pub(crate) fn failed(&mut self, user: &str, source: IpAddr, now: Mono) {
        let (user, place) = self.who(user, source);
        let of_user = self.note(user, FREE_OF_USER, now);
        let of_place = self.note(place, FREE_OF_PLACE, now);
        // Told once when it begins, and then each time that it has doubled.
        let told = [(of_user, FREE_OF_USER), (of_place, FREE_OF_PLACE)];
        if let Some((failures, _)) =
            told.iter().find(|(count, free)| *count > *free && (count - free).is_power_of_two())
        {
            self.alarm = Some(Guessing { source, failures: *failures });
        }
    }

    /// The right one.
    pub(crate) fn succeeded(&mut self, user: &str, source: IpAddr, now: Mono) {
        let (user, _) = self.who(user, source);
        self.make_room(user, now);
        self.known.insert(user, Failures { count: 0, last: now, until: now, home: true });
    }

    /// What is to be reported.
    pub(crate) const fn take_alarm(&mut self) -> Option<Guessing> {
        self.alarm.take()
    }

    fn who(&self, user: &str, source: IpAddr) -> (Who, Who) {
        let place = place(source);
        (Who(self.hashing.hash_one((user, place))), Who(self.hashing.hash_one(place)))
    }

    /// How often now.
    fn note(&mut self, who: Who, free: u32, now: Mono) -> u32 {
        self.make_room(who, now);
        let entry =
            self.known.entry(who).or_insert(Failures { count: 0, last: now, until: now, home: false });
        if now.since(entry.last) >= FORGET {
            entry.count = 0;
        }
        entry.count = entry.count.saturating_add(1);
        entry.last = now;
        if let Some(beyond) = entry.count.checked_sub(free + 1) {
            entry.until = now + Duration::from_secs(1 << beyond.min(6)).min(LONGEST);
        }
        entry.count
    }

    /// Of the first few in the table, the one that failed longest ago goes.
    fn make_room(&mut self, who: Who, now: Mono) {
        if self.known.len() < MOST || self.known.contains_key(&who) {
            return;
        }
        let oldest = self.known.iter().take(LOOKED_AT).max_by_key(|(_, failures)| now.since(failures.last));
        if let Some(oldest) = oldest.map(|(who, _)| *who) {
            self.known.remove(&oldest);
        }
    }
}

/// An IPv4 address, or the network of an IPv6 one: whoever has one of its addresses has them all.
fn place(source: IpAddr) -> [u8; 8] {
    match source.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [0, 0, 0, 0, a, b, c, d]
        }
        IpAddr::V6(ip) => std::array::from_fn(|at| ip.octets()[at]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::from_start(Duration::from_secs(seconds))
    }

    fn here() -> IpAddr {
        "192.0.2.1".parse().unwrap()
    }

    #[test]
    fn guesses_become_slow_and_are_reported_and_a_pause_forgets_them() {
        let mut patience = Patience::default();
        for _ in 0..FREE_OF_USER {
            patience.failed("advocate-en", here(), at(0));
            assert!(!patience.is_spent("advocate-en", here(), at(0)));
        }
        assert_eq!(patience.take_alarm(), None);
        patience.failed("advocate-en", here(), at(0));
        assert_eq!(patience.take_alarm(), Some(Guessing { source: here(), failures: 6 }));
        assert!(patience.is_spent("advocate-en", here(), at(0)));
        assert!(!patience.is_spent("advocate-en", here(), at(1)), "the first wait is a second");
        assert!(!patience.is_spent("advocate-fr", here(), at(0)), "another user");
        assert!(!patience.is_spent("advocate-en", "192.0.2.2".parse().unwrap(), at(0)), "another place");
        let mut tries = 0;
        for second in 1..3600 {
            if !patience.is_spent("advocate-en", here(), at(second)) {
                patience.failed("advocate-en", here(), at(second));
                tries += 1;
            }
        }
        assert!((60..=70).contains(&tries), "one in a minute: {tries} in an hour");
        let later = at(3600) + FORGET;
        patience.failed("advocate-en", here(), later);
        assert!(!patience.is_spent("advocate-en", here(), later));
    }

    #[test]
    fn a_place_that_tries_many_names_waits_but_not_those_who_are_at_home_there() {
        let mut patience = Patience::default();
        patience.succeeded("advocate-fr", here(), at(0));
        for name in 0..=FREE_OF_PLACE {
            patience.failed(&format!("user{name}"), here(), at(1));
        }
        assert!(patience.is_spent("never tried", here(), at(1)));
        assert!(!patience.is_spent("advocate-fr", here(), at(1)));
        assert_eq!(place("2001:db8::1".parse().unwrap()), place("2001:db8::2:1".parse().unwrap()));
        assert_eq!(place("::ffff:192.0.2.1".parse().unwrap()), place(here()));
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut patience = Patience::default();
        for n in 0..2 * MOST {
            patience.failed(&n.to_string(), IpAddr::from(u32::try_from(n).unwrap().to_be_bytes()), at(2));
        }
        assert_eq!(patience.known.len(), MOST);
    }
}
