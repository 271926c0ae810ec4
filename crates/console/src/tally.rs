//! Counts of calls since the start: offered = answered + abandoned + lost + in progress, and waits by language.

use std::collections::BTreeMap;
use std::time::Duration;

use havre_model::{Language, LineId, Outcome, Risk, TrunkId, Unix};

use crate::Histogram;

/// The wait within which a caller should be answered (the journey's target for standard calls; urgent ones have
/// their own in the daily report).
pub const WAIT_TARGET: Duration = Duration::from_secs(20);

/// Percent of those waiting who should be answered within it.
pub(crate) const SHARE_TARGET: u8 = 90;
/// What the mean wait should not pass.
pub(crate) const MEAN_TARGET: Duration = Duration::from_secs(20);

/// Bounds of the wait histogram, in seconds: fine around the targets (15 s, 20 s) and the steps (45 s, 90 s, 180 s).
const WAIT_BOUNDS: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0];

const LANGUAGES: usize = Language::ALL.len();
const RISKS: usize = Risk::ALL.len();
const OUTCOMES: usize = 3;

/// Lines and trunks counted one by one: a reload can bring new ones, again and again.
const MAX_NAMES: usize = 1_000;

/// Counts of calls since the start.
#[derive(Clone, Debug, PartialEq)]
pub struct Tally {
    /// The start.
    pub since: Unix,
    /// INVITEs taken.
    pub offered: u64,
    /// Callers for whom supervisors were alerted.
    pub alerts: u64,
    /// Times that supervisors were paged.
    pub pages: u64,
    /// Alarms that audio goes one way only, by [`Side`](havre_model::Side) and [`Way`](havre_model::Way).
    pub one_way: [[u64; 2]; 2],
    /// INVITEs taken, by line.
    pub(crate) by_line: BTreeMap<LineId, u64>,
    /// INVITEs taken, by trunk, and when the last one came.
    pub(crate) by_trunk: BTreeMap<TrunkId, (u64, Unix)>,
    ended: [[[u64; OUTCOMES]; RISKS]; LANGUAGES],
    waits: [Histogram; LANGUAGES],
    in_time: [Share; LANGUAGES],
}

/// `within` of `of`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) within: u64,
    pub(crate) of: u64,
}

impl Tally {
    pub(crate) fn new(since: Unix) -> Self {
        Self {
            since,
            offered: 0,
            alerts: 0,
            pages: 0,
            one_way: Default::default(),
            by_line: BTreeMap::new(),
            by_trunk: BTreeMap::new(),
            ended: Default::default(),
            waits: std::array::from_fn(|_| Histogram::new(WAIT_BOUNDS)),
            in_time: Default::default(),
        }
    }

    pub(crate) fn on_offered(&mut self, line: &LineId, trunk: &TrunkId, at: Unix) {
        self.offered += 1;
        if self.by_line.len() < MAX_NAMES || self.by_line.contains_key(line) {
            *self.by_line.entry(line.clone()).or_default() += 1;
        }
        if self.by_trunk.len() < MAX_NAMES || self.by_trunk.contains_key(trunk) {
            let (offered, last) = self.by_trunk.entry(trunk.clone()).or_insert((0, at));
            (*offered, *last) = (*offered + 1, at);
        }
    }

    pub(crate) fn on_answered(&mut self, language: Language, waited: Duration) {
        self.waits[language as usize].observe(waited.as_secs_f64());
        let share = &mut self.in_time[language as usize];
        share.of += 1;
        share.within += u64::from(waited <= WAIT_TARGET);
    }

    /// `waiting` is how long the caller had been waiting for an advocate when the call ended, if it was.
    pub(crate) fn on_ended(
        &mut self,
        language: Language,
        risk: Risk,
        outcome: Outcome,
        waiting: Option<Duration>,
    ) {
        self.ended[language as usize][risk as usize][outcome as usize] += 1;
        // Whoever leaves within the target was not failed by it; whoever leaves later, or is lost, was.
        let failed = match outcome {
            Outcome::Lost => waiting.is_some(),
            Outcome::Answered | Outcome::Abandoned => waiting.is_some_and(|w| w > WAIT_TARGET),
        };
        self.in_time[language as usize].of += u64::from(failed);
    }

    /// Calls that ended so.
    #[must_use]
    pub fn ended(&self, language: Language, risk: Risk, outcome: Outcome) -> u64 {
        self.ended[language as usize][risk as usize][outcome as usize]
    }

    /// Calls of every class that ended so.
    #[must_use]
    pub fn ended_in(&self, language: Language, outcome: Outcome) -> u64 {
        Risk::ALL.into_iter().map(|risk| self.ended(language, risk, outcome)).sum()
    }

    /// All calls that ended so.
    #[must_use]
    pub fn ended_so(&self, outcome: Outcome) -> u64 {
        Language::ALL.into_iter().map(|language| self.ended_in(language, outcome)).sum()
    }

    /// Calls that have not ended.
    #[must_use]
    pub fn in_progress(&self) -> u64 {
        let ended: u64 = OUTCOMES_ALL.into_iter().map(|outcome| self.ended_so(outcome)).sum();
        self.offered.saturating_sub(ended)
    }

    /// Waits from joining to answer.
    #[must_use]
    pub fn waits(&self, language: Language) -> &Histogram {
        &self.waits[language as usize]
    }

    pub(crate) fn in_time(&self, language: Language) -> Share {
        self.in_time[language as usize]
    }
}

/// All outcomes.
pub(crate) const OUTCOMES_ALL: [Outcome; OUTCOMES] = [Outcome::Answered, Outcome::Abandoned, Outcome::Lost];

#[cfg(test)]
mod tests {
    use super::*;

    const FR: Language = Language::Fr;

    #[test]
    fn the_service_level_counts_whom_the_line_failed() {
        let mut tally = Tally::new(Unix::from_millis(0));
        let secs = Duration::from_secs;
        tally.on_answered(FR, secs(20));
        tally.on_answered(FR, secs(21));
        tally.on_ended(FR, Risk::Standard, Outcome::Abandoned, Some(secs(5)));
        assert_eq!(tally.in_time(FR), Share { within: 1, of: 2 });
        tally.on_ended(FR, Risk::Standard, Outcome::Abandoned, Some(secs(25)));
        tally.on_ended(FR, Risk::Standard, Outcome::Lost, Some(secs(1)));
        tally.on_ended(FR, Risk::Standard, Outcome::Abandoned, None);
        assert_eq!(tally.in_time(FR), Share { within: 1, of: 4 });
        assert_eq!(tally.in_time(Language::En), Share::default());
        assert_eq!(tally.waits(FR).count(), 2);
    }

    #[test]
    fn offered_is_answered_and_abandoned_and_lost_and_in_progress() {
        let mut tally = Tally::new(Unix::from_millis(0));
        tally.offered = 5;
        tally.on_ended(FR, Risk::Urgent, Outcome::Answered, None);
        tally.on_ended(Language::Unknown, Risk::Standard, Outcome::Abandoned, None);
        tally.on_ended(Language::En, Risk::Standard, Outcome::Lost, None);
        assert_eq!(tally.in_progress(), 2);
        assert_eq!(tally.ended_so(Outcome::Answered), 1);
        assert_eq!(tally.ended(FR, Risk::Urgent, Outcome::Answered), 1);
    }
}
