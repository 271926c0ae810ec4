//! How the search for an advocate widens while a caller waits.

use std::time::Duration;

use havre_model::{Mono, Risk, Schedule, Step, Widening};

/// Pages never come closer than this, whatever the dialplan says.
const MIN_PAGE: Duration = Duration::from_secs(1);

/// Something that widened whom a caller may be rung at. Nothing of it is ever undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Widened {
    /// A caller of unknown language takes anyone.
    Anyone,
    RingAll,
    OtherLanguage,
    OnCall,
    /// Supervisors take this call whatever its class.
    Supervisors,
}

/// The search for one waiting caller: where it stands on the schedule of the caller's class.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    joined: Mono,
    /// T = 0: joining, or the last rise in class.
    origin: Mono,
    /// The first step of the schedule not yet taken since `origin`.
    next: usize,
    taken: u8,
    /// The next page and the time between pages, once paging.
    page: Option<(Mono, Duration)>,
}

impl Search {
    pub(crate) fn new(now: Mono) -> Self {
        Self { joined: now, origin: now, next: 0, taken: 0, page: None }
    }

    /// The class rose: T counts again. What is rung already goes on ringing, pages go on.
    pub(crate) fn restart(&mut self, now: Mono) {
        self.origin = now;
        self.next = 0;
    }

    pub(crate) fn has(&self, widened: Widened) -> bool {
        self.taken & (1 << widened as u8) != 0
    }

    fn widen(&mut self, widened: Widened) {
        self.taken |= 1 << widened as u8;
    }

    /// When there is something to do next.
    pub(crate) fn due(&self, plan: &Widening, risk: Risk) -> Option<Mono> {
        // Counted from joining even after a rise: pressing 5 must never make a caller wait longer for anyone.
        let anyone = (!self.has(Widened::Anyone)).then(|| self.joined + plan.anyone_after);
        let step = schedule(plan, risk).0.get(self.next).map(|(after, _)| self.origin + *after);
        let page = self.page.map(|(at, _)| at);
        [anyone, step, page].into_iter().flatten().min()
    }

    /// Takes what is due, and tells what is not a matter of ringing agents: alert, page, partner.
    pub(crate) fn advance(&mut self, plan: &Widening, risk: Risk, now: Mono) -> Vec<Step> {
        let mut told = Vec::new();
        if self.joined + plan.anyone_after <= now {
            self.widen(Widened::Anyone);
        }
        while let Some((after, step)) = schedule(plan, risk).0.get(self.next) {
            if self.origin + *after > now {
                break;
            }
            self.next += 1;
            match step {
                Step::RingAll => self.widen(Widened::RingAll),
                Step::OtherLanguage => self.widen(Widened::OtherLanguage),
                Step::OnCall => self.widen(Widened::OnCall),
                Step::Supervisors => self.widen(Widened::Supervisors),
                Step::Page { every } => self.page = Some((now, (*every).max(MIN_PAGE))),
                Step::Alert | Step::Partner => told.push(*step),
            }
        }
        if let Some((at, every)) = self.page
            && at <= now
        {
            told.push(Step::Page { every });
            self.page = Some((now + every, every));
        }
        told
    }
}

fn schedule(plan: &Widening, risk: Risk) -> &Schedule {
    if risk == Risk::Urgent { &plan.urgent } else { &plan.usual }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn the_usual_schedule_widens_at_the_journeys_times() {
        let plan = Widening::default();
        let mut search = Search::new(at(0));
        let mut log = Vec::new();
        while let Some(due) = search.due(&plan, Risk::Standard).filter(|due| *due < at(400)) {
            let told = search.advance(&plan, Risk::Standard, due);
            log.push((due.since_start().as_secs(), told.len()));
        }
        assert_eq!(log, [(10, 0), (20, 1), (45, 0), (90, 0), (180, 1), (240, 1), (300, 1), (360, 1)]);
        assert!(search.has(Widened::Supervisors) && !search.has(Widened::OnCall));
    }

    #[test]
    fn a_rise_counts_anew_and_undoes_nothing() {
        let plan = Widening::default();
        let mut search = Search::new(at(0));
        search.advance(&plan, Risk::Standard, at(50));
        search.restart(at(50));
        assert!(search.has(Widened::RingAll) && search.has(Widened::OtherLanguage));
        assert_eq!(search.due(&plan, Risk::Urgent), Some(at(55)));
        assert_eq!(
            search.advance(&plan, Risk::Urgent, at(55)),
            [Step::Alert],
            "supervisors hear of the rise"
        );
    }

    #[test]
    fn a_page_interval_of_zero_does_not_page_without_end() {
        let mut plan = Widening::default();
        plan.usual.0 = vec![(Duration::ZERO, Step::Page { every: Duration::ZERO })];
        let mut search = Search::new(at(0));
        assert_eq!(search.advance(&plan, Risk::Standard, at(0)).len(), 1);
        assert_eq!(search.due(&plan, Risk::Standard), Some(at(1)));
    }
}
