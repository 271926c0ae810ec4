//! How the search for an advocate widens while a caller waits: data from the dialplan, acted on by the queue.

use std::time::Duration;

/// One step of widening. Steps do not undo each other: each adds to what is rung from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Every skilled agent that is ready rings; those in wrap-up get a declinable offer.
    RingAll,
    /// Supervisors are alerted (event stream, metric, log).
    Alert,
    /// Agents of the other language, marked "interpreter needed".
    OtherLanguage,
    /// On-call phones ring (P7 only if they do). Needs a target.
    OnCall,
    /// The partner centre is offered (P8). Needs a target.
    Partner,
    /// Supervisors take any call, unless an urgent one waits.
    Supervisors,
    /// Supervisors are paged, again and again at this interval.
    Page {
        /// Time between pages.
        every: Duration,
    },
}

/// When each step is taken, counted from joining or from a rise in class if later. Sorted by time.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Schedule(pub Vec<(Duration, Step)>);

/// The widening of one line, from its dialplan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Widening {
    /// How long one offer rings (12 s).
    pub ring_time: Duration,
    /// A caller of unknown language goes to bilingual agents first and to anyone after this time (10 s).
    pub anyone_after: Duration,
    /// For `information`, `standard` and `elevated` callers.
    pub usual: Schedule,
    /// For `urgent` callers.
    pub urgent: Schedule,
}

impl Default for Widening {
    /// The journey's flow: T+20, T+45, T+90, T+180; for urgent calls the first two at T+5 and T+15.
    fn default() -> Self {
        let steps = |ring_all: u64, wider: u64| {
            Schedule(vec![
                (Duration::from_secs(ring_all), Step::RingAll),
                (Duration::from_secs(ring_all), Step::Alert),
                (Duration::from_secs(wider), Step::OtherLanguage),
                (Duration::from_secs(90), Step::Supervisors),
                (Duration::from_secs(180), Step::Page { every: Duration::from_secs(60) }),
            ])
        };
        Self {
            ring_time: Duration::from_secs(12),
            anyone_after: Duration::from_secs(10),
            usual: steps(20, 45),
            urgent: steps(5, 15),
        }
    }
}
