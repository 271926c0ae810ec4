//! How a day went, against the journey's targets.

use std::collections::BTreeMap;
use std::fmt;

use havre_model::{CallEvent, CallId, Language, Outcome, Risk, Unix, What};

use crate::Tally;

/// Waits of one group of callers.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    /// Seconds from joining (or rising) to the advocate, of those who were answered.
    answered: Vec<f64>,
    /// Callers who left before.
    abandoned: u64,
}

/// What is measured.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// All calls.
    pub tally: Tally,
    languages: BTreeMap<Language, Waits>,
    /// Urgent and elevated ones.
    pressing: Waits,
    standard: Waits,
    lost_agents: u64,
    open: BTreeMap<CallId, Open>,
    /// How often each kind of event happened.
    pub kinds: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    since: Unix,
    language: Language,
    risk: Risk,
    answered: bool,
}

impl Report {
    pub(super) fn on_event(&mut self, event: &CallEvent) {
        let kind = match &event.what {
            What::Withdrawn { why, .. } => why.as_str(),
            What::Offered { kind, .. } => kind.as_str(),
            what => what.as_str(),
        };
        *self.kinds.entry(kind).or_default() += 1;
        match &event.what {
            What::Joined { language, risk } => {
                let open = Open { since: event.at, language: *language, risk: *risk, answered: false };
                self.open.insert(event.call, open);
            }
            What::Language(language) => {
                if let Some(open) = self.open.get_mut(&event.call) {
                    open.language = *language;
                }
            }
            What::Risk(risk) => {
                if let Some(open) = self.open.get_mut(&event.call) {
                    if *risk > open.risk {
                        open.since = event.at;
                    }
                    open.risk = *risk;
                }
            }
            What::Answered { .. } => {
                let Some(open) = self.open.get_mut(&event.call).filter(|open| !open.answered) else { return };
                open.answered = true;
                let (open, waited) = (*open, event.at.since(open.since).as_secs_f64());
                for waits in self.groups(open) {
                    waits.answered.push(waited);
                }
            }
            What::AgentLost { .. } => self.lost_agents += 1,
            What::Ended { outcome, .. } => {
                let Some(open) = self.open.remove(&event.call) else { return };
                if *outcome == Outcome::Abandoned {
                    for waits in self.groups(open) {
                        waits.abandoned += 1;
                    }
                }
            }
            _ => {}
        }
    }

    fn groups(&mut self, open: Open) -> impl Iterator<Item = &mut Waits> {
        let language = self.languages.entry(open.language).or_default();
        let class = match open.risk {
            Risk::Urgent | Risk::Elevated => Some(&mut self.pressing),
            Risk::Standard => Some(&mut self.standard),
            Risk::Information => None,
        };
        [Some(language), class].into_iter().flatten()
    }

    /// Several days as one.
    pub fn add(&mut self, other: &Self) {
        let Tally { offered, answered, abandoned, lost } = other.tally;
        self.tally.offered += offered;
        self.tally.answered += answered;
        self.tally.abandoned += abandoned;
        self.tally.lost += lost;
        self.lost_agents += other.lost_agents;
        for (kind, times) in &other.kinds {
            *self.kinds.entry(kind).or_default() += times;
        }
        self.pressing.add(&other.pressing);
        self.standard.add(&other.standard);
        for (language, waits) in &other.languages {
            self.languages.entry(*language).or_default().add(waits);
        }
    }

    /// The waits of callers of a language.
    #[must_use]
    pub fn of(&self, language: Language) -> Waits {
        self.languages.get(&language).cloned().unwrap_or_default()
    }
}

impl Waits {
    fn add(&mut self, other: &Self) {
        self.answered.extend(&other.answered);
        self.abandoned += other.abandoned;
    }

    /// Of those who joined.
    fn callers(&self) -> usize {
        self.answered.len() + usize::try_from(self.abandoned).unwrap_or(0)
    }

    /// Share of all callers who were answered within so many seconds.
    #[must_use]
    pub fn within(&self, secs: f64) -> f64 {
        let good = self.answered.iter().filter(|wait| **wait <= secs).count();
        good as f64 / self.callers().max(1) as f64
    }

    /// Average speed of answer.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.answered.iter().sum::<f64>() / self.answered.len().max(1) as f64
    }

    /// Four fifths of the answered waited no longer.
    #[must_use]
    pub fn eightieth(&self) -> f64 {
        let mut waits = self.answered.clone();
        waits.sort_by(f64::total_cmp);
        waits.get((waits.len() * 4).div_ceil(5).saturating_sub(1)).copied().unwrap_or(0.0)
    }

    /// Share of all callers who left before.
    #[must_use]
    pub fn abandonment(&self) -> f64 {
        self.abandoned as f64 / self.callers().max(1) as f64
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { offered, answered, abandoned, lost } = self.tally;
        writeln!(
            f,
            "{offered} calls: {answered} answered, {abandoned} abandoned, {lost} lost by the system"
        )?;
        writeln!(f, "advocates lost in a talk: {}", self.lost_agents)?;
        writeln!(f)?;
        writeln!(f, "language   callers  within 20 s    mean    80th  abandoned")?;
        for (language, waits) in &self.languages {
            writeln!(
                f,
                "{:<9} {:>8} {:>10.1} % {:>5.1} s {:>5.1} s {:>8.1} %",
                language.as_str(),
                waits.callers(),
                waits.within(20.0) * 100.0,
                waits.mean(),
                waits.eightieth(),
                waits.abandonment() * 100.0
            )?;
        }
        writeln!(f)?;
        let mut all = Waits::default();
        self.languages.values().for_each(|waits| all.add(waits));
        let (en, fr) = (self.of(Language::En), self.of(Language::Fr));
        let gap = (fr.abandonment() - en.abandonment()) * 100.0;
        writeln!(f, "target                                                       here    wanted")?;
        let mut line =
            |what: &str, here: String, wanted: &str| writeln!(f, "{what:<56} {here:>10}    {wanted}");
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        line("urgent, elevated: answered within 15 s", percent(self.pressing.within(15.0)), "90 %")?;
        line("urgent, elevated: answered within 20 s", percent(self.pressing.within(20.0)), "95 %")?;
        line("standard: answered within 20 s", percent(self.standard.within(20.0)), "90 %")?;
        line("average speed of answer", format!("{:.1} s", all.mean()), "<= 20 s")?;
        line(
            "80th percentile, French - English",
            format!("{:+.1} s", fr.eightieth() - en.eightieth()),
            "<= 5 s",
        )?;
        line("abandoned, French - English", format!("{gap:+.1} pts"), "<= 2 pts")?;
        line("calls lost by the system", lost.to_string(), "0")
    }
}
