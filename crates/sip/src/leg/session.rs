//! Session timers (RFC 4028). Their end is reported and never hangs up.

use std::time::Duration;

use havre_model::LegId;

use super::State;
use super::established::Established;
use super::reoffer::Offer;
use crate::Method;
use crate::config::Config;
use crate::endpoint::Event;
use crate::stack::{LegTimer, Outcome, Purpose, Stack, Timer};
use crate::timer::Alarm;
use crate::wire::{Headers, Name, Refresher, Request, SessionExpires};

/// §10: the side that does not refresh gives up a little early, so that its BYE is not too late.
const EARLY: Duration = Duration::from_secs(32);
/// A refresh that was refused or did not fit in is tried again so often until the session ends.
const RETRY: Duration = Duration::from_secs(5);

/// What was agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    interval: Duration,
    we_refresh: bool,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// No session timer.
    Nothing,
    /// Granted: the header of our 2xx, and whether it must say `Require: timer` (§9).
    Granted { terms: Terms, header: SessionExpires, require: bool },
    /// Shorter than we take: 422.
    TooSmall,
}

/// Judges the `Session-Expires` of an INVITE or UPDATE (RFC 4028 §9, table 2).
pub(crate) fn asked(request: &Request, config: &Config) -> Asked {
    let Ok(Some(wish)) = request.headers.session_expires() else {
        return Asked::Nothing;
    };
    let they_can = request.headers.supported().has("timer");
    if they_can && Duration::from_secs(u64::from(wish.seconds)) < config.session.min {
        return Asked::TooSmall;
    }
    // A peer that cannot (a proxy asked for it) leaves the refreshing to us, and was not refused a short interval.
    let seconds = wish.seconds.max(u32::try_from(config.session.min.as_secs()).unwrap_or(u32::MAX));
    let refresher = match wish.refresher {
        _ if !they_can => Refresher::Uas,
        Some(refresher) => refresher,
        None => Refresher::Uac,
    };
    Asked::Granted {
        terms: Terms {
            interval: Duration::from_secs(u64::from(seconds)),
            we_refresh: refresher == Refresher::Uas,
        },
        header: SessionExpires { seconds, refresher: Some(refresher) },
        require: refresher == Refresher::Uac,
    }
}

impl Asked {
    /// Writes our side into a 2xx.
    pub(super) fn write(self, headers: &mut Headers) {
        if let Self::Granted { header, require, .. } = self {
            headers.push(Name::SessionExpires, &header);
            if require {
                headers.push(Name::Require, "timer");
            }
        }
    }

    pub(super) const fn terms(self) -> Option<Terms> {
        match self {
            Self::Granted { terms, .. } => Some(terms),
            Self::Nothing | Self::TooSmall => None,
        }
    }
}

/// What the 2xx to our INVITE or UPDATE says (§7.2).
pub(super) fn agreed(headers: &Headers) -> Option<Terms> {
    let answer = headers.session_expires().ok().flatten()?;
    let interval = Duration::from_secs(u64::from(answer.seconds));
    // Below the RFC's minimum it is nonsense, and would have us refresh all the time.
    (interval >= Duration::from_secs(90))
        .then_some(Terms { interval, we_refresh: answer.refresher != Some(Refresher::Uas) })
}

/// Writes our wish into an INVITE: the configured interval, or the one in force or asked for by a 422.
pub(super) fn wish(
    headers: &mut Headers,
    config: &Config,
    interval: Option<u32>,
    refresher: Option<Refresher>,
) {
    let configured = config.session.expires.map(|wish| u32::try_from(wish.as_secs()).unwrap_or(u32::MAX));
    let Some(seconds) = interval.or(configured) else { return };
    headers.set(Name::SessionExpires, &SessionExpires { seconds, refresher });
    // §5: what a 422 asked for is the least from now on.
    headers.set(Name::MinSe, &interval.unwrap_or(0).clamp(90, seconds.max(90)));
}

/// The running timer of one leg.
#[derive(Default)]
pub(super) struct Session {
    terms: Option<Terms>,
    refresh: Option<Alarm>,
    end: Option<Alarm>,
}

impl Session {
    /// From now on by these terms; `None` for no timer.
    pub(super) fn start(&mut self, stack: &mut Stack, leg: LegId, terms: Option<Terms>) {
        self.stop(stack);
        self.terms = terms;
        let Some(Terms { interval, we_refresh }) = terms else { return };
        let now = stack.mono();
        let early = if we_refresh { Duration::ZERO } else { EARLY.min(interval / 3) };
        self.end = Some(stack.set_timer(now + (interval - early), Timer::Leg(leg, LegTimer::SessionEnd)));
        if we_refresh {
            self.refresh = Some(stack.set_timer(now + interval / 2, Timer::Leg(leg, LegTimer::Refresh)));
        }
    }

    pub(super) fn stop(&mut self, stack: &mut Stack) {
        stack.cancel_timer(self.refresh.take());
        stack.cancel_timer(self.end.take());
        self.terms = None;
    }

    /// The interval in force, in seconds.
    pub(super) fn seconds(&self) -> Option<u32> {
        self.terms.map(|terms| u32::try_from(terms.interval.as_secs()).unwrap_or(u32::MAX))
    }

    /// §7.4: a 422 says the least that is taken; the next refresh asks for it.
    fn lengthen(&mut self, least: Option<u32>) {
        if let (Some(terms), Some(least)) = (&mut self.terms, least) {
            terms.interval = terms.interval.max(Duration::from_secs(u64::from(least)));
        }
    }

    /// A refresh came to nothing: again, as long as the session lasts.
    pub(super) fn retry(&mut self, stack: &mut Stack, leg: LegId) {
        stack.cancel_timer(self.refresh.take());
        if self.end.is_some() {
            let at = stack.mono() + RETRY;
            self.refresh = Some(stack.set_timer(at, Timer::Leg(leg, LegTimer::Refresh)));
        }
    }
}

impl Established {
    /// Half the interval is over: UPDATE where the peer takes it, else a re-INVITE with the description as it is.
    pub(super) fn refresh(mut self: Box<Self>, stack: &mut Stack) -> State {
        self.session.refresh = None;
        if !self.is_stable() {
            self.session.retry(stack, self.id);
            return State::Established(self);
        }
        if self.peer_updates {
            self.send_refresh(stack);
            // Should nothing come of it before the session ends.
            self.session.retry(stack, self.id);
        } else if let Some(sdp) = self.local_sdp.clone() {
            self.send_reinvite(stack, Offer { sdp, refresh: true, tries: 0, at_least: None });
        }
        State::Established(self)
    }

    /// An UPDATE that says nothing but that the session goes on.
    pub(super) fn send_refresh(&mut self, stack: &mut Stack) {
        let Some(seconds) = self.session.seconds() else { return };
        let mut update = self.dialog.request(Method::Update, &stack.config);
        wish(&mut update.headers, &stack.config, Some(seconds), Some(Refresher::Uac));
        self.send(stack, update, Purpose::Update);
    }

    pub(super) fn on_update_outcome(mut self: Box<Self>, stack: &mut Stack, outcome: &Outcome) -> State {
        match outcome {
            Outcome::Response(response) if response.status < 200 => {}
            Outcome::Response(response) if response.status < 300 => {
                self.dialog.refresh_target(&response.headers);
                // A peer that answers without the header has answered all the same.
                let terms = agreed(&response.headers).or(self.session.terms);
                self.session.start(stack, self.id, terms);
            }
            Outcome::Response(response) if response.status == 481 => return self.gone(stack),
            Outcome::Response(response) => {
                if response.status == 422 {
                    self.session.lengthen(response.headers.min_se().ok().flatten());
                }
                // Its `Allow` promised too much: then by re-INVITE.
                self.peer_updates &= !matches!(response.status, 405 | 501);
                self.session.retry(stack, self.id);
            }
            Outcome::TimedOut | Outcome::Unreachable => {
                self.session.retry(stack, self.id);
            }
        }
        State::Established(self)
    }

    pub(super) fn on_session_end(mut self: Box<Self>, stack: &mut Stack) -> State {
        self.session.stop(stack);
        stack.emit(Event::SessionExpired { leg: self.id });
        State::Established(self)
    }
}
