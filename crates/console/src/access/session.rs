//! Who is signed in: a table with limits, where time is an argument.

use std::collections::HashMap;
use std::time::Duration;

use havre_model::{SessionKey, Unix, UserId, UserSession, limits};
use tokio::sync::watch;

/// Sessions of one person at once; the oldest goes first. A browser at home, one at work, and forgotten ones.
const MOST_OF_ONE: usize = 8;
/// How often it is kept that a session was heard of: a restart may believe it idle for this much longer.
const KEPT_EVERY: Duration = Duration::from_secs(60);

/// How long a session lives.
#[derive(Clone, Copy, Debug)]
pub struct SessionTimes {
    /// Without a sign of life.
    pub idle: Duration,
    /// At most.
    pub most: Duration,
}

impl Default for SessionTimes {
    fn default() -> Self {
        // A shift with its overtime, and nothing from yesterday.
        Self { idle: Duration::from_secs(12 * 3600), most: Duration::from_secs(24 * 3600) }
    }
}

/// The table.
#[derive(Debug)]
pub(crate) struct Sessions {
    times: SessionTimes,
    open: HashMap<SessionKey, Open>,
}

#[derive(Debug)]
struct Open {
    session: UserSession,
    /// `seen` as it was last kept.
    kept: Unix,
    /// Dropped with the session, which whoever watches it notices.
    live: watch::Sender<()>,
}

/// A live session.
pub(crate) struct Found {
    pub(crate) user: UserId,
    pub(crate) expires: Unix,
    pub(crate) live: watch::Receiver<()>,
}

impl Sessions {
    pub(crate) fn new(times: SessionTimes) -> Self {
        Self { times, open: HashMap::new() }
    }

    /// Somebody signs in, or was signed in before a restart. Answers with those that had to go for it.
    pub(crate) fn open(&mut self, session: UserSession) -> Vec<SessionKey> {
        let mut gone = Vec::new();
        let of_user = |open: &&Open| open.session.user == session.user;
        if self.open.values().filter(of_user).count() >= MOST_OF_ONE {
            gone.extend(
                self.open.values().filter(of_user).min_by_key(|o| o.session.seen).map(|o| o.session.key),
            );
        } else if self.open.len() >= limits::MAX_SESSIONS {
            gone.extend(self.open.values().min_by_key(|o| o.session.seen).map(|o| o.session.key));
        }
        for key in &gone {
            self.open.remove(key);
        }
        let kept = session.seen;
        self.open.insert(session.key, Open { session, kept, live: watch::Sender::new(()) });
        gone
    }

    /// The session, if it is not over; it counts as heard of.
    pub(crate) fn find(&mut self, key: &SessionKey, now: Unix) -> Option<Found> {
        let times = self.times;
        let open = self.open.get_mut(key).filter(|open| !times.are_over(&open.session, now))?;
        open.session.seen = open.session.seen.max(now);
        let user = open.session.user.clone();
        Some(Found { user, expires: open.session.created + times.most, live: open.live.subscribe() })
    }

    /// Signed out.
    pub(crate) fn close(&mut self, key: &SessionKey) {
        self.open.remove(key);
    }

    /// All sessions of `user` are over, but for one. Answers with those.
    pub(crate) fn close_all(&mut self, user: &UserId, but: Option<&SessionKey>) -> Vec<SessionKey> {
        let over = |open: &Open| open.session.user == *user && Some(&open.session.key) != but;
        let keys: Vec<_> =
            self.open.values().filter(|open| over(open)).map(|open| open.session.key).collect();
        for key in &keys {
            self.open.remove(key);
        }
        keys
    }

    /// Ends what is over. Answers with those, and with when others were heard of, where that is news worth keeping.
    pub(crate) fn sweep(&mut self, now: Unix) -> (Vec<SessionKey>, Vec<(SessionKey, Unix)>) {
        let times = self.times;
        let mut over = Vec::new();
        self.open.retain(|key, open| {
            let ends = times.are_over(&open.session, now);
            if ends {
                over.push(*key);
            }
            !ends
        });
        let news = self.open.values_mut().filter(|open| open.session.seen.since(open.kept) >= KEPT_EVERY);
        let seen = news.map(|open| {
            open.kept = open.session.seen;
            (open.session.key, open.kept)
        });
        (over, seen.collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }
}

impl SessionTimes {
    fn are_over(self, session: &UserSession, now: Unix) -> bool {
        now.since(session.seen) >= self.idle || now.since(session.created) >= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn session(key: u16, user: &str, created: i64) -> UserSession {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&key.to_be_bytes());
        let at = Unix::from_millis(created);
        UserSession { key: bytes, user: user.parse().unwrap(), created: at, seen: at }
    }

    fn at(hours: i64) -> Unix {
        Unix::from_millis(hours * HOUR)
    }

    #[test]
    fn a_session_ends_when_idle_and_in_any_case_after_a_day() {
        let mut sessions = Sessions::new(SessionTimes::default());
        let (idle, busy) = (session(1, "a", 0), session(2, "b", 0));
        sessions.open(idle.clone());
        sessions.open(busy.clone());
        let live = sessions.find(&idle.key, at(0)).unwrap().live;
        for hour in (1..24).step_by(8) {
            assert_eq!(sessions.find(&busy.key, at(hour)).unwrap().expires, at(24));
        }
        assert!(sessions.find(&idle.key, at(12)).is_none());
        assert!(live.has_changed().is_ok(), "not swept yet");
        assert_eq!(sessions.sweep(at(12)), (vec![idle.key], vec![(busy.key, at(17))]));
        assert!(live.has_changed().is_err());
        assert!(sessions.find(&busy.key, at(23)).is_some());
        assert!(sessions.find(&busy.key, at(24)).is_none());
        assert_eq!(sessions.sweep(at(24)), (vec![busy.key], vec![]));
        assert_eq!(sessions.len(), 0);
    }

    #[test]
    fn it_is_kept_at_most_each_minute_that_a_session_was_heard_of() {
        let mut sessions = Sessions::new(SessionTimes::default());
        let one = session(1, "a", 0);
        sessions.open(one.clone());
        let minute = |n: i64| Unix::from_millis(n * 30_000);
        assert!(sessions.find(&one.key, minute(1)).is_some());
        assert_eq!(sessions.sweep(minute(1)).1, []);
        assert!(sessions.find(&one.key, minute(2)).is_some());
        assert_eq!(sessions.sweep(minute(2)).1, [(one.key, minute(2))]);
        assert_eq!(sessions.sweep(minute(3)).1, []);
        // The wall clock was set back: nothing ends, nothing is forgotten.
        assert!(sessions.find(&one.key, minute(-9)).is_some());
        assert_eq!(sessions.sweep(minute(-9)), (vec![], vec![]));
    }

    #[test]
    fn signing_out_everywhere_may_spare_the_session_that_asks() {
        let mut sessions = Sessions::new(SessionTimes::default());
        for (key, user) in [(1, "a"), (2, "a"), (3, "b")] {
            sessions.open(session(key, user, 0));
        }
        let (first, second) = (session(1, "a", 0), session(2, "a", 0));
        assert_eq!(sessions.close_all(&first.user, Some(&first.key)), [second.key]);
        assert_eq!(sessions.close_all(&first.user, None), [first.key]);
        assert_eq!(sessions.len(), 1);
    }

    #[test]
    fn the_table_is_bounded_and_one_person_does_not_push_out_others() {
        let mut sessions = Sessions::new(SessionTimes::default());
        sessions.open(session(0, "first", 1));
        for n in 1..=50 {
            let gone = sessions.open(session(n, "greedy", i64::from(n) + 1));
            assert_eq!(gone.len(), usize::from(n > 8), "{n}");
        }
        assert_eq!(sessions.len(), 9);
        for n in 100..2_200 {
            sessions.open(session(n, &format!("u{n}"), i64::from(n)));
        }
        assert_eq!(sessions.len(), limits::MAX_SESSIONS);
        assert!(sessions.find(&session(0, "first", 1).key, Unix::from_millis(1)).is_none(), "longest unseen");
    }
}
