//! Which new call is admitted first when there is more to do than can be done: measured load, and a waiting room.
//!
//! The shell says how long what arrives has to wait ([`Input::Load`](crate::endpoint::Input)). While that is short, a call
//! is admitted as it comes and nothing here is looked at. Above [`HIGH`] calls wait in a room, from which they are let in at
//! the [pace](pace) that leaves time for everything that belongs to calls in progress, and besides whenever nothing else
//! is to be done ([`Input::Leisure`](crate::endpoint::Input)). The room holds whom it lets in
//! within [`WAIT`]; whoever finds it full, or is not let in within [`PATIENCE`] all the same, is refused. The room is also
//! the hysteresis: only when it is empty and the delay is below [`LOW`] are calls admitted as they come again.
//!
//! Nobody is refused for a number. Calls of one that calls again and again wait behind all others, and only while
//! others wait. Of such a flood, those that are proven to be of the number ([`passport`](crate::passport)) are counted apart:
//! whoever forges a caller's number does not lower the caller's own calls.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use havre_model::{LineId, Mono, Pii};
use sha2::{Digest, Sha256};

use crate::endpoint::{Caller, Origin};
use crate::passport::Judged;
use crate::stack::{Inbound, Key};
use crate::timer::Alarm;

mod pace;
use pace::Pace;

/// What arrives waits so long that new calls must: a twenty-fifth of what a carrier waits before it repeats an INVITE (T1)
/// is nothing that anybody notices; and what comes meanwhile in the worst storm has room in the socket.
pub(crate) const HIGH: Duration = Duration::from_millis(20);
/// What arrives is dealt with at once.
pub(crate) const LOW: Duration = Duration::from_millis(10);
/// Longest wait in the room, what was waited before included: a refusal is there within 500 ms, before the INVITE comes
/// again, though the thread be late.
pub(crate) const PATIENCE: Duration = Duration::from_millis(300);
/// Whom there is no place for within this time is told so at once: that costs a tenth of what it costs to let them wait
/// and to refuse them then.
const WAIT: Duration = Duration::from_millis(150);
/// How many are let in whenever the shell has nothing else to do: what arrives meanwhile waits a millisecond.
pub(crate) const AT_LEISURE: usize = 8;
/// How often somebody is let in.
pub(crate) const EVERY: Duration = Duration::from_millis(1);
/// Calls that wait: at most those of [`WAIT`] at 7,000 a second, and some at any pace.
pub(crate) const MAX_WAITING: usize = 1_024;
const MIN_WAITING: usize = 64;

/// Calls of one number within [`FLOOD_WITHIN`] from which on they stand behind all others. Redialling for a free line at
/// once and again stays below.
const FLOOD_AFTER: u32 = 6;
const FLOOD_WITHIN: Duration = Duration::from_secs(60);
/// Calls that are remembered for it; the oldest are forgotten first.
const MAX_REMEMBERED: usize = 65_536;

/// Who is let in first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Everybody.
    Ordinary,
    /// The later ones of many calls of one number.
    Flood,
}

/// A call that has been judged and waits to be let in.
pub(crate) struct Waiting {
    pub(crate) inbound: Inbound,
    pub(crate) origin: Origin,
    pub(crate) called: String,
    pub(crate) line: Option<LineId>,
    pub(crate) caller: Pii<Caller>,
    /// What its carrier vouches for, once it was looked at.
    pub(crate) judged: Option<Judged>,
    pub(crate) since: Mono,
}

/// See the module's page.
pub(crate) struct Admission {
    loaded: bool,
    /// What was measured last.
    delay: Duration,
    pace: Pace,
    /// In the order in which they are let in.
    room: BTreeMap<(Standing, u64), Box<Waiting>>,
    /// What repetitions of them look like.
    places: HashMap<Key, (Standing, u64)>,
    count: u64,
    floods: Floods,
    /// When the next ones are let in.
    pub(crate) alarm: Option<Alarm>,
}

impl Admission {
    /// `key` is a secret of this process's, for telling numbers apart without knowing them.
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self {
            loaded: false,
            delay: Duration::ZERO,
            pace: Pace::new(Mono::default()),
            room: BTreeMap::new(),
            places: HashMap::new(),
            count: 0,
            floods: Floods { key, calls: HashMap::new(), order: VecDeque::new() },
            alarm: None,
        }
    }

    /// New calls have to wait.
    pub(crate) const fn is_loaded(&self) -> bool {
        self.loaded
    }

    pub(crate) fn len(&self) -> usize {
        self.room.len()
    }

    /// What arrives now has waited this long. True if calls have to wait from now on.
    pub(crate) fn on_load(&mut self, delay: Duration, now: Mono) -> bool {
        self.delay = delay;
        let begins = !self.loaded && delay >= HIGH;
        if begins {
            self.loaded = true;
            self.pace = Pace::new(now);
        } else if delay <= LOW && self.room.is_empty() {
            self.loaded = false;
        }
        self.pace.saw(delay);
        begins
    }

    /// One more call of this number, or one of a flood of it that is proven to be of it, and where it stands therefore.
    pub(crate) fn standing(&mut self, caller: &Pii<Caller>, proven: bool, now: Mono) -> Standing {
        self.floods.note(caller, proven, now)
    }

    /// Whether whoever came now would be turned away at once, whoever it is: there is no place, and nobody waits who
    /// would have to give theirs up.
    pub(crate) fn is_closed(&self) -> bool {
        let last = self.room.last_key_value().map(|((standing, _), _)| *standing);
        self.loaded && self.room.len() >= self.places() && last == Some(Standing::Ordinary)
    }

    /// How many may wait.
    fn places(&self) -> usize {
        self.pace.within(WAIT).clamp(MIN_WAITING, MAX_WAITING)
    }

    /// How many are let in now.
    pub(crate) fn due(&mut self, now: Mono) -> usize {
        self.pace.due(now)
    }

    /// Whether this INVITE waits already.
    pub(crate) fn has(&self, key: Key) -> bool {
        self.places.contains_key(&key)
    }

    /// Since when an INVITE that arrives now has been here.
    pub(crate) fn arrived(&self, now: Mono) -> Mono {
        now - self.delay
    }

    /// Takes a call into the room. Gives back the one that there is no place for: the last of those who stand last.
    pub(crate) fn enter(&mut self, standing: Standing, waiting: Waiting) -> Option<Box<Waiting>> {
        self.count += 1;
        let place = (standing, self.count);
        self.places.insert(waiting.inbound.reply.key(), place);
        self.room.insert(place, Box::new(waiting));
        if self.room.len() <= self.places() {
            return None;
        }
        let (_, last) = self.room.pop_last()?;
        self.places.remove(&last.inbound.reply.key());
        Some(last)
    }

    /// The next to be let in.
    pub(crate) fn next(&mut self) -> Option<Box<Waiting>> {
        let (_, first) = self.room.pop_first()?;
        self.places.remove(&first.inbound.reply.key());
        Some(first)
    }

    /// One who has waited for too long.
    pub(crate) fn overdue(&mut self, now: Mono) -> Option<Box<Waiting>> {
        // Of each standing the first has waited longest.
        let first = |standing| self.room.range((standing, 0)..).next();
        let ordinary = first(Standing::Ordinary);
        let flood = first(Standing::Flood);
        let found = [ordinary, flood].into_iter().flatten().find(|(_, w)| now.since(w.since) >= PATIENCE);
        let place = *found?.0;
        self.leave(place)
    }

    /// Its CANCEL came.
    pub(crate) fn cancel(&mut self, key: Key) -> Option<Box<Waiting>> {
        self.leave(*self.places.get(&key)?)
    }

    fn leave(&mut self, place: (Standing, u64)) -> Option<Box<Waiting>> {
        let waiting = self.room.remove(&place)?;
        self.places.remove(&waiting.inbound.reply.key());
        Some(waiting)
    }
}

/// How often each number has called lately, and in a flood was proven to. Numbers are kept as hashes under a key that only this
/// process's memory holds.
struct Floods {
    key: [u8; 32],
    calls: HashMap<u64, u32>,
    order: VecDeque<(Mono, u64)>,
}

impl Floods {
    fn note(&mut self, caller: &Pii<Caller>, proven: bool, now: Mono) -> Standing {
        while self.order.front().is_some_and(|(at, _)| now.since(*at) >= FLOOD_WITHIN) {
            self.forget_oldest();
        }
        let Some(number) = &caller.expose().number else { return Standing::Ordinary };
        let digest = Sha256::new_with_prefix(self.key)
            .chain_update(number.as_bytes())
            .chain_update([u8::from(proven)])
            .finalize();
        let token = digest.iter().take(8).fold(0, |token, byte| token << 8 | u64::from(*byte));
        let calls = self.calls.entry(token).or_default();
        *calls += 1;
        let standing = if *calls >= FLOOD_AFTER { Standing::Flood } else { Standing::Ordinary };
        self.order.push_back((now, token));
        if self.order.len() > MAX_REMEMBERED {
            self.forget_oldest();
        }
        standing
    }

    fn forget_oldest(&mut self) {
        let Some((_, token)) = self.order.pop_front() else { return };
        if let Some(calls) = self.calls.get_mut(&token) {
            *calls -= 1;
            if *calls == 0 {
                self.calls.remove(&token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::from_start(Duration::from_millis(millis))
    }

    fn caller(number: Option<&str>) -> Pii<Caller> {
        Pii::new(Caller { number: number.map(str::to_owned), display: None })
    }

    #[test]
    fn the_measure_has_two_thresholds() {
        let mut admission = Admission::new([1; 32]);
        let mut on_load = |delay| (admission.on_load(delay, at(0)), admission.is_loaded());
        assert_eq!(on_load(HIGH - Duration::from_millis(1)), (false, false));
        assert_eq!(on_load(HIGH), (true, true));
        assert_eq!(on_load(LOW + Duration::from_millis(1)), (false, true));
        assert_eq!(on_load(LOW), (false, false));
    }

    #[test]
    fn a_number_that_floods_stands_behind_and_nobody_else_does() {
        let mut floods = Floods { key: [1; 32], calls: HashMap::new(), order: VecDeque::new() };
        let mut note = |number, proven, millis| floods.note(&caller(number), proven, at(millis));
        for call in 1..FLOOD_AFTER {
            assert_eq!(note(Some("+14165550123"), false, u64::from(call)), Standing::Ordinary);
        }
        assert_eq!(note(Some("+14165550123"), false, 100), Standing::Flood);
        assert_eq!(note(Some("+14165550124"), false, 100), Standing::Ordinary);
        for _ in 0..100 {
            assert_eq!(note(None, false, 100), Standing::Ordinary, "whoever withholds it");
        }
        assert_eq!(note(Some("+14165550123"), false, 60_200), Standing::Ordinary, "a minute later");
        assert_eq!(floods.calls.len(), 1);
    }

    #[test]
    fn what_is_proven_of_a_number_and_what_is_claimed_of_it_are_counted_apart() {
        let mut floods = Floods { key: [1; 32], calls: HashMap::new(), order: VecDeque::new() };
        let mut note = |proven| floods.note(&caller(Some("+14165550123")), proven, at(0));
        for _ in 0..100 {
            note(false);
        }
        for _ in 1..FLOOD_AFTER {
            assert_eq!(note(true), Standing::Ordinary);
        }
        assert_eq!(note(true), Standing::Flood, "who floods under the own number stands behind, too");
        assert_eq!(note(false), Standing::Flood);
    }
}
