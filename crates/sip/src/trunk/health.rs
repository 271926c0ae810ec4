//! Whether a trunk's address answers: what pings and calls said, counted.

use havre_model::{Mono, TrunkDown, TrunkHealth};

use crate::config::Ping;
use crate::stack::Stack;

/// What is known of one address.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    state: TrunkHealth,
    failures: u8,
    answers: u8,
    ask: Ask,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Never,
    At(Mono),
    Awaited { until: Mono },
}

impl Health {
    /// Nothing known; asked soon, not all trunks at once.
    pub(crate) fn new(ping: Option<&Ping>, stack: &mut Stack) -> Self {
        let first = |stack: &mut Stack| Ask::At(stack.mono() + jitter_of_start(stack));
        let ask = ping.map_or(Ask::Never, |_| first(stack));
        Self { state: TrunkHealth::Unknown, failures: 0, answers: 0, ask }
    }

    pub(crate) const fn state(&self) -> TrunkHealth {
        self.state
    }

    pub(crate) const fn due(&self) -> Option<Mono> {
        match self.ask {
            Ask::Never => None,
            Ask::At(at) | Ask::Awaited { until: at } => Some(at),
        }
    }

    /// Whether a ping shall be sent now. An overdue answer counts as a failure.
    pub(crate) fn on_due(&mut self, ping: &Ping, stack: &mut Stack) -> bool {
        let now = stack.mono();
        match self.ask {
            Ask::At(at) if at <= now => {
                self.ask = Ask::Awaited { until: now + ping.patience };
                true
            }
            Ask::Awaited { until } if until <= now => {
                self.on_failure(TrunkDown::NoAnswer, Some(ping));
                self.ask = self.next(ping, stack);
                false
            }
            _ => false,
        }
    }

    /// A ping has come to its end.
    pub(crate) fn on_pinged(&mut self, why: Option<TrunkDown>, ping: &Ping, stack: &mut Stack) {
        // Its time was up before: what was counted once is not counted again.
        let late = !matches!(self.ask, Ask::Awaited { .. });
        match why {
            None => self.on_answer(Some(ping)),
            Some(_) if late => return,
            Some(why) => self.on_failure(why, Some(ping)),
        }
        self.ask = self.next(ping, stack);
    }

    /// Something came from there. A trunk that is never pinged has no state: nothing would ever bring it up again.
    pub(crate) fn on_answer(&mut self, ping: Option<&Ping>) {
        let Some(ping) = ping else { return };
        self.failures = 0;
        self.answers = self.answers.saturating_add(1);
        if self.answers >= ping.up_after || self.state == TrunkHealth::Unknown {
            self.state = TrunkHealth::Up;
        }
    }

    pub(crate) fn on_failure(&mut self, why: TrunkDown, ping: Option<&Ping>) {
        let Some(ping) = ping else { return };
        self.answers = 0;
        self.failures = self.failures.saturating_add(1);
        if self.failures >= ping.down_after {
            self.state = TrunkHealth::Down(why);
        }
    }

    fn next(&self, ping: &Ping, stack: &mut Stack) -> Ask {
        let every = if self.state.is_usable() && self.failures == 0 { ping.every } else { ping.every_down };
        let part = stack.random_between(0, 1_024) as u32;
        Ask::At(stack.mono() + every.mul_f64(0.75 + f64::from(part) / 4_096.0))
    }
}

fn jitter_of_start(stack: &mut Stack) -> std::time::Duration {
    std::time::Duration::from_millis(stack.random_between(10, 500))
}
