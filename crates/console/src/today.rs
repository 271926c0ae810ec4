//! The last 24 hours in quarters of an hour: what the day's curves are drawn from.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use havre_model::{Digit, Language, Outcome, Unix};

/// One bucket's length.
pub(crate) const BUCKET: Duration = Duration::from_secs(900);
const BUCKET_MILLIS: i64 = 900_000;
/// 24 hours of them, the present one included.
const BUCKETS: i64 = 96;
/// Waits kept in one bucket for one language. The busiest hour measured on any line (988 Canada) has 31 calls.
const MAX_WAITS: usize = 1_024;

/// Ways through the plan counted in one bucket: a plan has some dozens, and a reload can bring others, again and again.
const MAX_WAYS: usize = 1_000;

/// The buckets, oldest first and without a gap. A published one is shared until it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Today {
    buckets: VecDeque<Arc<Bucket>>,
    /// When counting began.
    since: Unix,
}

/// What happened in a quarter of an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// When it begins.
    pub(crate) at: Unix,
    /// Calls that came.
    pub(crate) offered: u64,
    /// By [`Language`].
    pub(crate) by_language: [Part; Language::ALL.len()],
    /// The most advocates ready at once, and the most callers waiting; `None` if nobody looked.
    pub(crate) most: Option<Most>,
    /// Callers who left a place of the plan by a way.
    ways: BTreeMap<String, BTreeMap<Option<Digit>, u64>>,
}

/// The same for one language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// Talks that began.
    pub(crate) answered: u64,
    /// Callers who left before.
    pub(crate) abandoned: u64,
    /// Callers whom we failed.
    pub(crate) lost: u64,
    /// Waits before those talks, in milliseconds.
    waits: Vec<u32>,
}

/// Highest counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Most {
    pub(crate) ready: usize,
    pub(crate) waiting: usize,
}

impl Today {
    pub(crate) fn new(now: Unix) -> Self {
        let present = start_of(now);
        let first = present - (BUCKETS - 1) * BUCKET_MILLIS;
        let buckets = (0..BUCKETS).map(|n| Arc::new(Bucket::new(first + n * BUCKET_MILLIS))).collect();
        Self { buckets, since: now }
    }

    pub(crate) fn buckets(&self) -> impl Iterator<Item = &Bucket> {
        self.buckets.iter().map(Arc::as_ref)
    }

    /// Since when ways through the plan are counted: 24 hours, or since the start.
    pub(crate) fn since(&self) -> Unix {
        self.buckets.front().map_or(self.since, |first| first.at.max(self.since))
    }

    /// A caller left the place `from` of the plan by this key, or without one.
    pub(crate) fn on_went(&mut self, at: Unix, from: &str, key: Option<Digit>) {
        let Some(bucket) = self.bucket(at) else { return };
        if let Some(keys) = bucket.ways.get_mut(from) {
            *keys.entry(key).or_default() += 1;
        } else if bucket.ways.len() < MAX_WAYS {
            bucket.ways.insert(from.to_owned(), BTreeMap::from([(key, 1)]));
        }
    }

    /// How many went this way in the last 24 hours.
    pub(crate) fn went(&self, from: &str, key: Option<Digit>) -> u64 {
        self.buckets().filter_map(|bucket| bucket.ways.get(from)?.get(&key)).sum()
    }

    pub(crate) fn on_offered(&mut self, at: Unix) {
        if let Some(bucket) = self.bucket(at) {
            bucket.offered += 1;
        }
    }

    pub(crate) fn on_answered(&mut self, at: Unix, language: Language, waited: Duration) {
        let Some(bucket) = self.bucket(at) else { return };
        let part = &mut bucket.by_language[language as usize];
        part.answered += 1;
        if part.waits.len() < MAX_WAITS {
            part.waits.push(u32::try_from(waited.as_millis()).unwrap_or(u32::MAX));
        }
    }

    pub(crate) fn on_ended(&mut self, at: Unix, language: Language, outcome: Outcome) {
        let Some(bucket) = self.bucket(at) else { return };
        let part = &mut bucket.by_language[language as usize];
        match outcome {
            Outcome::Answered => {}
            Outcome::Abandoned => part.abandoned += 1,
            Outcome::Lost => part.lost += 1,
        }
    }

    /// Whether [`Today::on_seen`] would change anything.
    pub(crate) fn is_news(&self, at: Unix, seen: Most) -> bool {
        self.buckets.back().is_none_or(|last| {
            let most = last.most.unwrap_or_default();
            last.at.as_millis() < start_of(at)
                || last.most.is_none()
                || most.ready < seen.ready
                || most.waiting < seen.waiting
        })
    }

    /// So many are ready and waiting now.
    pub(crate) fn on_seen(&mut self, at: Unix, seen: Most) {
        let Some(bucket) = self.bucket(at) else { return };
        let most = bucket.most.get_or_insert_default();
        most.ready = most.ready.max(seen.ready);
        most.waiting = most.waiting.max(seen.waiting);
    }

    /// The bucket of a moment, in the last 24 hours or at their new end.
    fn bucket(&mut self, at: Unix) -> Option<&mut Bucket> {
        let start = start_of(at);
        let last = self.buckets.back()?.at.as_millis();
        // After a jump of the wall clock by more than a day nothing is left of the old one.
        for n in 1..=((start - last) / BUCKET_MILLIS).min(BUCKETS) {
            let behind = ((start - last) / BUCKET_MILLIS - BUCKETS).max(0);
            self.buckets.pop_front();
            self.buckets.push_back(Arc::new(Bucket::new(last + (behind + n) * BUCKET_MILLIS)));
        }
        let first = self.buckets.front()?.at.as_millis();
        let place = usize::try_from((start - first) / BUCKET_MILLIS).ok().filter(|_| start >= first)?;
        self.buckets.get_mut(place).map(Arc::make_mut)
    }
}

impl Bucket {
    fn new(at: i64) -> Self {
        let (by_language, ways) = (Default::default(), BTreeMap::new());
        Self { at: Unix::from_millis(at), offered: 0, by_language, most: None, ways }
    }

    pub(crate) fn sum(&self, of: impl Fn(&Part) -> u64) -> u64 {
        self.by_language.iter().map(of).sum()
    }
}

impl Part {
    /// The 80th percentile of the waits (nearest rank), in milliseconds.
    pub(crate) fn wait_p80(&self) -> Option<u32> {
        let mut waits = self.waits.clone();
        waits.sort_unstable();
        waits.get((waits.len() * 4).div_ceil(5).checked_sub(1)?).copied()
    }
}

fn start_of(at: Unix) -> i64 {
    at.as_millis().div_euclid(BUCKET_MILLIS) * BUCKET_MILLIS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_96_quarters_and_moves_on() {
        let mut today = Today::new(at(0));
        assert_eq!(starts(&today), (96, -95, 0));
        today.on_offered(at(0));
        today.on_offered(at(-95));
        today.on_offered(at(-96));
        assert_eq!(today.buckets().map(|bucket| bucket.offered).sum::<u64>(), 2);
        today.on_offered(at(3));
        assert_eq!(starts(&today), (96, -92, 3));
        assert_eq!(today.buckets().map(|bucket| bucket.offered).sum::<u64>(), 2);
        // A clock that was wrong for years costs no years of work.
        today.on_offered(at(10_000_000));
        assert_eq!(starts(&today), (96, 10_000_000 - 95, 10_000_000));
        today.on_offered(at(3));
        assert_eq!(today.buckets().map(|bucket| bucket.offered).sum::<u64>(), 1);
    }

    #[test]
    fn waits_are_those_of_their_language_and_quarter() {
        let mut today = Today::new(at(0));
        for wait in 1..=10 {
            today.on_answered(at(0), Language::Fr, Duration::from_secs(wait));
        }
        today.on_answered(at(-1), Language::Fr, Duration::from_secs(99));
        today.on_ended(at(0), Language::Fr, Outcome::Answered);
        today.on_ended(at(0), Language::Fr, Outcome::Abandoned);
        today.on_ended(at(0), Language::En, Outcome::Lost);
        let bucket = today.buckets().last().unwrap();
        let french = &bucket.by_language[Language::Fr as usize];
        assert_eq!((french.answered, french.abandoned, french.wait_p80()), (10, 1, Some(8_000)));
        assert_eq!(bucket.by_language[Language::En as usize].wait_p80(), None);
        assert_eq!(bucket.sum(|part| part.lost), 1);
    }

    #[test]
    fn the_most_seen_is_kept() {
        let mut today = Today::new(at(0));
        let most = |ready, waiting| Most { ready, waiting };
        for (seen, news) in [
            (most(0, 0), true),
            (most(0, 0), false),
            (most(3, 1), true),
            (most(2, 2), true),
            (most(3, 2), false),
        ] {
            assert_eq!(today.is_news(at(0), seen), news);
            today.on_seen(at(0), seen);
        }
        assert_eq!(today.buckets().last().unwrap().most, Some(most(3, 2)));
        assert!(today.is_news(at(1), most(0, 0)));
    }

    #[test]
    fn ways_are_counted_by_place_and_key_for_a_day_and_are_bounded() {
        let mut today = Today::new(at(0));
        assert_eq!(today.since(), at(0), "nothing is known of the time before");
        let two = Digit::from_char('2');
        for key in [two, None, two] {
            today.on_went(at(0), "menu:greeting", key);
        }
        today.on_went(at(1), "menu:greeting", two);
        let went = |today: &Today, key| today.went("menu:greeting", key);
        assert_eq!([went(&today, two), went(&today, None), today.went("menu:other", two)], [3, 1, 0]);
        today.on_went(at(96), "advocate", None);
        assert_eq!([went(&today, two), today.went("advocate", None)], [1, 1], "a day ago is not today");
        assert_eq!(today.since(), Unix::from_millis(BUCKET_MILLIS));
        for menu in 0..2 * MAX_WAYS {
            today.on_went(at(96), &format!("menu:{menu}"), two);
        }
        today.on_went(at(96), "advocate", None);
        let bucket = today.buckets().last().unwrap();
        assert_eq!((bucket.ways.len(), today.went("advocate", None)), (MAX_WAYS, 2));
    }

    fn starts(today: &Today) -> (usize, i64, i64) {
        let quarter = |bucket: &Bucket| bucket.at.as_millis() / BUCKET_MILLIS;
        let all: Vec<_> = today.buckets().map(quarter).collect();
        assert!(all.windows(2).all(|pair| pair[1] == pair[0] + 1), "{all:?}");
        (all.len(), all[0], all[all.len() - 1])
    }

    /// In the middle of a quarter.
    fn at(quarter: i64) -> Unix {
        Unix::from_millis(quarter * BUCKET_MILLIS + 1_000)
    }
}
