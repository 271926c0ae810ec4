//! A caller in the line or in a talk, and the terms on which a waiting caller stands.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use havre_model::limits::MAX_OFFERS_PER_CALL;
use havre_model::{AgentId, Language, Mode, Mono, Now, OfferId, Risk, Unix, Widening};

use crate::offer::Firmness;
use crate::reach::{Bench, Groups, Post, Skill, Terms};
use crate::widen::{Search, Widened};
use crate::{CallerRecord, Score};

#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) language: Language,
    pub(crate) risk: Risk,
    pub(crate) mode: Mode,
    pub(crate) arrival: Unix,
    pub(crate) joined: Now,
    pub(crate) widening: Arc<Widening>,
    pub(crate) place: Standing,
}

#[derive(Debug)]
pub(crate) enum Standing {
    Waiting(Wait),
    Talking { agent: AgentId, offer: OfferId },
}

/// A wait for an agent.
#[derive(Debug)]
pub(crate) struct Wait {
    pub(crate) search: Search,
    /// Offers alive, claimed or ringing or answered.
    pub(crate) offers: Offers,
    /// What of them may be taken over for other callers.
    pub(crate) lending: Lending,
    /// Answered offers, in the order of their answers: the first is being confirmed.
    pub(crate) answered: VecDeque<OfferId>,
    /// P7 was allowed.
    pub(crate) more_help: bool,
}

impl Wait {
    pub(crate) fn new(now: Mono) -> Self {
        Self {
            search: Search::new(now),
            offers: Offers::default(),
            lending: Lending::default(),
            answered: VecDeque::new(),
            more_help: false,
        }
    }
}

/// The offers of one caller.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    all: BTreeMap<OfferId, Firmness>,
    counts: [usize; 3],
}

impl Offers {
    pub(crate) fn insert(&mut self, offer: OfferId, firmness: Firmness) {
        self.all.insert(offer, firmness);
        self.counts[firmness as usize] += 1;
    }

    pub(crate) fn remove(&mut self, offer: OfferId) {
        if let Some(firmness) = self.all.remove(&offer) {
            self.counts[firmness as usize] -= 1;
        }
    }

    pub(crate) fn count(&self, firmness: Firmness) -> usize {
        self.counts[firmness as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (OfferId, Firmness)> {
        self.all.iter().map(|(id, firmness)| (*id, *firmness))
    }

    pub(crate) fn contains(&self, offer: OfferId) -> bool {
        self.all.contains_key(&offer)
    }
}

/// Which of a caller's ringing phones could ring for another caller instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lending {
    firm: bool,
    reserve: bool,
}

impl Lending {
    pub(crate) fn includes(self, firmness: Firmness) -> bool {
        match firmness {
            Firmness::Firm => self.firm,
            Firmness::Reserve => self.reserve,
            Firmness::Extra => false,
        }
    }
}

impl Caller {
    pub(crate) fn score(&self) -> Score {
        Score::new(self.arrival, self.risk)
    }

    pub(crate) fn record(&self, call: havre_model::CallId) -> CallerRecord {
        CallerRecord {
            call,
            score: self.score(),
            arrival: self.arrival,
            language: self.language,
            risk: self.risk,
        }
    }

    pub(crate) fn is_urgent(&self) -> bool {
        self.risk == Risk::Urgent
    }

    /// Whose languages will do by now.
    pub(crate) fn skill(&self, search: &Search) -> Skill {
        let anyone = match self.language {
            Language::Unknown => search.has(Widened::Anyone) || search.has(Widened::OtherLanguage),
            _ => search.has(Widened::OtherLanguage),
        };
        if anyone { Skill::ANY } else { Skill::for_language(self.language) }
    }

    /// A supervisor is lent to an urgent caller, an advocate to a caller who has nobody if more than one rings here.
    /// An urgent caller lends nobody.
    pub(crate) fn lending(&self, wait: &Wait) -> Lending {
        let lends = !self.is_urgent() && wait.answered.is_empty();
        Lending { firm: lends && wait.offers.count(Firmness::Firm) > 1, reserve: lends }
    }

    /// Who may be rung now, on top of who rings already.
    pub(crate) fn terms(&self, wait: &Wait) -> Terms {
        let urgent = self.is_urgent();
        let mut terms = Terms { urgent, ..Terms::default() };
        if !wait.answered.is_empty() || wait.offers.len() >= MAX_OFFERS_PER_CALL {
            return terms;
        }
        let search = &wait.search;
        let near = Skill::for_language(self.language);
        let far = self.skill(search);
        let firm = wait.offers.count(Firmness::Firm) > 0;
        let ring_all = search.has(Widened::RingAll);
        let supervisors = urgent || search.has(Widened::Supervisors);
        let group = |bench, post| Groups::of(bench, post, far);

        if !firm {
            let near = Groups::of(Bench::Ready, Post::Advocate, near);
            terms.first = [near, group(Bench::Ready, Post::Advocate).without(near)];
            if urgent && wait.offers.count(Firmness::Reserve) == 0 {
                terms.reserve = group(Bench::Ready, Post::Supervisor);
            }
        }
        if ring_all {
            terms.surplus = group(Bench::Ready, Post::Advocate) | group(Bench::WrapUp, Post::Advocate);
            if !firm {
                terms.surplus = terms.surplus | group(Bench::NoAnswer, Post::Advocate);
                if supervisors {
                    terms.surplus = terms.surplus | group(Bench::NoAnswer, Post::Supervisor);
                }
            }
        }
        if ring_all && supervisors || search.has(Widened::Supervisors) {
            terms.surplus = terms.surplus | group(Bench::Ready, Post::Supervisor);
        }
        if urgent && (ring_all || !firm) {
            terms.surplus =
                terms.surplus | group(Bench::WrapUp, Post::Advocate) | group(Bench::WrapUp, Post::Supervisor);
        }
        if search.has(Widened::OnCall) {
            terms.surplus = terms.surplus | group(Bench::Ready, Post::OnCall);
        }
        terms
    }
}
