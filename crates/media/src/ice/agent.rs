//! One leg's ICE: who has proven to be its browser, and where that is now.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use havre_model::Mono;

use super::IceLocal;
use super::stun::{Answer, Check, Transaction};
use crate::limits::{MAX_ICE_CHECKS, MAX_ICE_SOURCES};

/// Without a check for this long, nobody agrees to our packets any more (consent, RFC 7675 §5.1).
pub(crate) const CONSENT: Duration = Duration::from_secs(30);
/// A browser checks the path that it uses every 2.5 s (Chrome) to 6 s (Firefox). One that was not checked for longer may be
/// left for another that is.
const STALE: Duration = Duration::from_secs(8);
/// Checks that are answered in a row, and how soon there may be one more. A browser with a dozen addresses paces its checks
/// 20 to 50 ms apart (RFC 8445 §14.2), and repeats them.
const ANSWERS: u32 = 100;
const ANSWER_EVERY: Duration = Duration::from_millis(20);

/// One leg's side.
#[derive(Debug)]
pub(crate) struct Agent {
    local: IceLocal,
    /// The browser's half of the user name, once SDP told. Before, whoever knows our password is right.
    far: Option<Box<[u8]>>,
    sources: Vec<Source>,
    chosen: Option<SocketAddr>,
    /// The checks answered last, and where each came from.
    seen: VecDeque<(Transaction, SocketAddr)>,
    /// How many checks may be answered now, and since when that is so.
    answers: u32,
    counted: Mono,
}

/// An address that checks came from.
#[derive(Clone, Debug)]
struct Source {
    at: SocketAddr,
    far: Box<[u8]>,
    priority: u32,
    /// What the last check said.
    nominated: bool,
    checked: Mono,
}

/// Why a check was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another browser's, or without the password.
    Unauthentic,
    /// Too many of them, or from where they may not come.
    TooMany,
}

/// What came of a check.
pub(crate) struct Outcome {
    pub(crate) answer: Answer,
    /// Whether it says that the source is this leg's browser; otherwise it is an error.
    pub(crate) valid: bool,
    /// A source that had to make room.
    pub(crate) forgotten: Option<SocketAddr>,
}

impl Agent {
    pub(crate) fn new(local: IceLocal, now: Mono) -> Self {
        Self {
            local,
            far: None,
            sources: Vec::new(),
            chosen: None,
            seen: VecDeque::new(),
            answers: ANSWERS,
            counted: now,
        }
    }

    pub(crate) fn local(&self) -> &IceLocal {
        &self.local
    }

    /// Where to send.
    pub(crate) fn chosen(&self) -> Option<SocketAddr> {
        self.chosen
    }

    /// SDP told whose checks are right from now on. `same`: it is the browser that it was, which may have begun anew (an ICE
    /// restart): what it proved before stays good until it has proven more. `gone` is told the addresses of all others.
    pub(crate) fn expect(&mut self, far: &str, same: bool, gone: impl FnMut(SocketAddr)) {
        let far: Box<[u8]> = far.as_bytes().into();
        if !same {
            self.keep(|source| source.far == far, gone);
        }
        self.far = Some(far);
    }

    /// A check came from `from`. `free`: that address is not another leg's.
    pub(crate) fn on_check(
        &mut self,
        check: &Check<'_>,
        from: SocketAddr,
        free: bool,
        now: Mono,
    ) -> Result<Outcome, Refusal> {
        let known = self.far.as_ref().is_none_or(|far| **far == *check.far);
        if !known || check.far.is_empty() || !check.is_authentic(&self.local.password) {
            return Err(Refusal::Unauthentic);
        }
        let transaction = check.transaction();
        // A check that comes again comes from where it came; from elsewhere it was captured, and would lead our packets astray.
        let again = self.seen.iter().rev().find(|(known, _)| *known == transaction).map(|(_, at)| *at);
        if !free || again.is_some_and(|at| at != from) || !self.may_answer(now) {
            return Err(Refusal::TooMany);
        }
        if again.is_none() {
            if self.seen.len() >= MAX_ICE_CHECKS {
                self.seen.pop_front();
            }
            self.seen.push_back((transaction, from));
        }
        let password = &self.local.password;
        let answer = if check.is_strange() {
            check.unknown_attributes(password)
        } else if check.controlled {
            check.role_conflict(password)
        } else {
            let answer = check.success(from, password);
            let forgotten = self.on_valid(check, from, now);
            return Ok(Outcome { answer, valid: true, forgotten });
        };
        Ok(Outcome { answer, valid: false, forgotten: None })
    }

    /// Forgets who has not checked for too long; `gone` is told their addresses.
    pub(crate) fn tick(&mut self, now: Mono, gone: impl FnMut(SocketAddr)) {
        self.keep(|source| now.since(source.checked) < CONSENT, gone);
    }

    /// All addresses that this leg has.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.sources.iter().map(|source| source.at)
    }

    fn may_answer(&mut self, now: Mono) -> bool {
        let more = now.since(self.counted).as_millis() / ANSWER_EVERY.as_millis();
        if more > 0 {
            self.counted = now;
            self.answers = self.answers.saturating_add(u32::try_from(more).unwrap_or(ANSWERS)).min(ANSWERS);
        }
        let may = self.answers > 0;
        self.answers -= u32::from(may);
        may
    }

    fn on_valid(&mut self, check: &Check<'_>, from: SocketAddr, now: Mono) -> Option<SocketAddr> {
        let before = self.sources.iter().find(|source| source.at == from);
        // Regular nomination: this path was looked at before, and is chosen now. Where a browser nominates whatever it checks
        // first (aggressive nomination, RFC 5245 §8.1.1.2), the best of these counts.
        let deliberate = before.is_some_and(|source| !source.nominated);
        let current = self.sources.iter().find(|source| Some(source.at) == self.chosen);
        let moves = current.is_none_or(|current| {
            let better = deliberate || !current.nominated || check.priority > current.priority;
            check.nominates && better || now.since(current.checked) >= STALE
        });
        let (nominated, priority) = (check.nominates, check.priority);
        let source = Source { at: from, far: check.far.into(), priority, nominated, checked: now };
        let mut forgotten = None;
        match self.sources.iter_mut().find(|source| source.at == from) {
            // The nomination of the path in use stands, though later checks of it do not repeat it.
            Some(known) if Some(from) == self.chosen => {
                known.checked = now;
                known.nominated |= nominated;
            }
            Some(known) => *known = source,
            None => {
                if self.sources.len() >= MAX_ICE_SOURCES {
                    forgotten = self.make_room();
                }
                self.sources.push(source);
            }
        }
        if moves && self.chosen != Some(from) {
            // Where paths are nominated deliberately, the old one may be again.
            for old in self.sources.iter_mut().filter(|old| deliberate && Some(old.at) == self.chosen) {
                old.nominated = false;
            }
            self.chosen = Some(from);
        }
        forgotten
    }

    /// Forgets the source that was checked least recently, but not the one in use.
    fn make_room(&mut self) -> Option<SocketAddr> {
        let others = self.sources.iter().enumerate().filter(|(_, source)| Some(source.at) != self.chosen);
        let (oldest, _) = others.min_by_key(|(_, source)| source.checked)?;
        Some(self.sources.swap_remove(oldest).at)
    }

    fn keep(&mut self, good: impl Fn(&Source) -> bool, mut gone: impl FnMut(SocketAddr)) {
        self.sources.retain(|source| {
            let keep = good(source);
            if !keep {
                gone(source.at);
            }
            keep
        });
        if self.sources.iter().all(|source| Some(source.at) != self.chosen) {
            self.chosen = self.sources.iter().max_by_key(|source| source.checked).map(|source| source.at);
        }
    }
}
