//! Is the far phone still there? Silence alone never says no.
//!
//! A caller is gone by BYE, CANCEL or 481, or when signalling failed (408, missing ACK, expired session timer) *and*
//! no media came for 30 s (the journey's rule 5). An advocate's phone that is silent for 3 s is asked at once and has
//! 5 s to answer; one that answers is only muted. A browser sends even when it is muted: one that answers and has never
//! sent anything sits in a network that lets no media through.

use std::time::Duration;

use havre_model::Mono;

/// Every established leg is asked this often.
pub(crate) const PROBE_EVERY: Duration = Duration::from_secs(60);
/// Without signalling, a caller is there as long as media came within this time.
const CALLER_SILENCE: Duration = Duration::from_secs(30);
/// Media reports loss after this long.
const MEDIA_REPORT: Duration = Duration::from_secs(3);
/// An advocate's phone that is asked answers within this time, or is dead.
const AGENT_ANSWER: Duration = Duration::from_secs(5);
/// Silence reported this soon after the talk's begin is silence from the begin.
const NEVER_HEARD: Duration = Duration::from_secs(4);
/// A browser that has sent nothing by then never will: the page has just said so to the advocate (after 8 s), and the
/// caller has to be in line again by 10 s.
const BROWSER_CONNECTS: Duration = Duration::from_millis(9_500);
/// A muted phone is asked again this often.
const MUTED_PROBE: Duration = Duration::from_secs(5);

/// What is known of the caller's phone.
#[derive(Debug)]
pub(crate) struct CallerHealth {
    /// Since when signalling has failed.
    unsure: bool,
    /// Since when no media came.
    silent_since: Option<Mono>,
    probe_at: Mono,
}

impl CallerHealth {
    pub(crate) fn new(now: Mono) -> Self {
        Self { unsure: false, silent_since: None, probe_at: now + PROBE_EVERY }
    }

    pub(crate) fn on_media(&mut self, flowing: bool, now: Mono) {
        self.silent_since = if flowing { None } else { Some(now - MEDIA_REPORT) };
    }

    pub(crate) fn on_probed(&mut self, alive: bool) {
        self.unsure = !alive;
    }

    pub(crate) fn on_doubt(&mut self) {
        self.unsure = true;
    }

    /// When the caller will count as gone if nothing changes.
    fn gone_at(&self) -> Option<Mono> {
        self.silent_since.filter(|_| self.unsure).map(|since| since + CALLER_SILENCE)
    }

    pub(crate) fn is_gone(&self, now: Mono) -> bool {
        self.gone_at().is_some_and(|at| now >= at)
    }

    /// Whether it is time to ask again.
    pub(crate) fn take_probe(&mut self, now: Mono) -> bool {
        let due = now >= self.probe_at;
        if due {
            self.probe_at = now + PROBE_EVERY;
        }
        due
    }

    pub(crate) fn next(&self) -> Mono {
        self.gone_at().map_or(self.probe_at, |gone| gone.min(self.probe_at))
    }
}

/// What is known of the advocate's phone during a talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AgentHealth {
    /// Media flows, or is on hold.
    Well {
        /// When it is asked next, as every leg is.
        probe_at: Mono,
    },
    /// Asked, and not answered yet; the caller hears waiting sound meanwhile.
    Doubtful {
        /// Dead after this.
        until: Mono,
    },
    /// A browser that has not sent anything yet; the caller hears waiting sound meanwhile, whatever it answers.
    Unheard {
        /// Cut off after this.
        until: Mono,
    },
    /// Silent, but it answers: muted.
    Muted {
        /// When it is asked next.
        probe_at: Mono,
    },
    /// Muted, asked again; the caller stays with the advocate meanwhile.
    MutedDoubtful {
        /// Dead after this.
        until: Mono,
    },
}

/// What a timeout of the advocate's health means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Ask the phone.
    Probe,
    /// The phone is dead.
    Dead,
}

impl AgentHealth {
    pub(crate) fn new(now: Mono) -> Self {
        Self::Well { probe_at: now + PROBE_EVERY }
    }

    /// Media stopped: ask at once.
    pub(crate) fn on_silence(&mut self, now: Mono) {
        *self = Self::Doubtful { until: now + AGENT_ANSWER };
    }

    /// Media from a browser stopped, or never began in this talk since then.
    pub(crate) fn on_browser_silence(&mut self, since: Mono, now: Mono) {
        if now.since(since) < NEVER_HEARD {
            *self = Self::Unheard { until: since + BROWSER_CONNECTS };
        } else {
            self.on_silence(now);
        }
    }

    /// Media is back.
    pub(crate) fn on_media(&mut self, now: Mono) {
        *self = Self::new(now);
    }

    /// The phone answered a probe.
    pub(crate) fn on_alive(&mut self, now: Mono) {
        *self = match *self {
            Self::Well { .. } => Self::new(now),
            Self::Unheard { .. } => *self,
            _ => Self::Muted { probe_at: now + MUTED_PROBE },
        };
    }

    /// Whether media flows, as far as is known.
    pub(crate) fn is_well(self) -> bool {
        matches!(self, Self::Well { .. })
    }

    /// Whether the caller hears waiting sound instead of the advocate.
    pub(crate) fn is_doubtful(self) -> bool {
        matches!(self, Self::Doubtful { .. } | Self::Unheard { .. })
    }

    /// Whether its network lets no media through, as far as can be known.
    pub(crate) fn is_cut_off(self, now: Mono) -> bool {
        matches!(self, Self::Unheard { until } if now >= until)
    }

    pub(crate) fn next(self) -> Mono {
        match self {
            Self::Well { probe_at } | Self::Muted { probe_at } => probe_at,
            Self::Doubtful { until } | Self::MutedDoubtful { until } | Self::Unheard { until } => until,
        }
    }

    pub(crate) fn on_timeout(&mut self, now: Mono) -> Option<Verdict> {
        if now < self.next() {
            return None;
        }
        match *self {
            Self::Well { .. } => {
                *self = Self::new(now);
                Some(Verdict::Probe)
            }
            Self::Muted { .. } => {
                *self = Self::MutedDoubtful { until: now + AGENT_ANSWER };
                Some(Verdict::Probe)
            }
            Self::Doubtful { .. } | Self::MutedDoubtful { .. } | Self::Unheard { .. } => Some(Verdict::Dead),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Mono {
        Mono::from_start(Duration::from_secs(secs))
    }

    #[test]
    fn a_silent_caller_with_good_signalling_is_never_gone() {
        let mut caller = CallerHealth::new(at(0));
        caller.on_media(false, at(3));
        caller.on_probed(true);
        assert!(!caller.is_gone(at(100_000)));
    }

    #[test]
    fn a_caller_without_signalling_is_gone_after_thirty_silent_seconds() {
        let mut caller = CallerHealth::new(at(0));
        caller.on_probed(false);
        assert!(!caller.is_gone(at(1000)), "media still comes");
        caller.on_media(false, at(1003));
        assert!(!caller.is_gone(at(1029)));
        assert!(caller.is_gone(at(1030)));
        assert_eq!(caller.next(), at(60));
        caller.on_probed(true);
        assert!(!caller.is_gone(at(2000)), "a phone that answers is there");
    }

    #[test]
    fn a_silent_advocate_has_five_seconds_to_answer() {
        let mut phone = AgentHealth::new(at(0));
        phone.on_silence(at(10));
        assert!(phone.is_doubtful());
        assert_eq!(phone.on_timeout(at(14)), None);
        assert_eq!(phone.on_timeout(at(15)), Some(Verdict::Dead));
    }

    #[test]
    fn a_muted_phone_is_asked_again_and_dies_only_when_it_stops_answering() {
        let mut phone = AgentHealth::new(at(0));
        phone.on_silence(at(10));
        phone.on_alive(at(11));
        assert!(!phone.is_doubtful());
        assert_eq!(phone.on_timeout(at(16)), Some(Verdict::Probe));
        assert_eq!(phone.on_timeout(at(20)), None);
        assert_eq!(phone.on_timeout(at(21)), Some(Verdict::Dead));
    }

    #[test]
    fn a_browser_that_answers_but_never_sent_anything_is_cut_off_and_not_muted() {
        let mut browser = AgentHealth::new(at(0));
        browser.on_browser_silence(at(0), at(3));
        browser.on_alive(at(3));
        assert!(browser.is_doubtful(), "the caller goes on hearing the waiting sound");
        assert_eq!(browser.on_timeout(at(9)), None);
        assert!(!browser.is_cut_off(at(9)));
        assert_eq!(browser.on_timeout(at(10)), Some(Verdict::Dead));
        assert!(browser.is_cut_off(at(10)));
        browser.on_media(at(9));
        assert!(!browser.is_doubtful(), "it was only slow");

        browser.on_browser_silence(at(0), at(30));
        assert_eq!(browser, AgentHealth::Doubtful { until: at(35) }, "it was heard before");
    }

    #[test]
    fn a_healthy_phone_is_asked_every_minute() {
        let mut phone = AgentHealth::new(at(0));
        assert_eq!(phone.on_timeout(at(60)), Some(Verdict::Probe));
        assert_eq!(phone.next(), at(120));
    }
}
