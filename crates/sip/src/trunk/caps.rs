//! How much goes over a trunk: calls at once, and new ones in a second.

use havre_model::Mono;

use crate::config::Caps;

/// What goes over one trunk, both directions together.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    calls: usize,
    /// New calls that may come at once: as many as in a second.
    tokens: f64,
    at: Mono,
    fresh: bool,
}

/// Which cap is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    Calls,
    Rate,
}

impl Full {
    /// For counters and logs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls at once",
            Self::Rate => "calls per second",
        }
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self { calls: 0, tokens: 0.0, at: Mono::ZERO, fresh: true }
    }
}

impl Meter {
    pub(crate) const fn calls(&self) -> usize {
        self.calls
    }

    /// One more call, if it fits.
    pub(crate) fn take(&mut self, caps: Caps, now: Mono) -> Result<(), Full> {
        if caps.calls.is_some_and(|most| self.calls >= most) {
            return Err(Full::Calls);
        }
        if let Some(rate) = caps.per_second {
            let most = f64::from(rate);
            let gained = now.since(self.at).as_secs_f64() * most;
            let tokens = if self.fresh { most } else { (self.tokens + gained).min(most) };
            (self.tokens, self.at, self.fresh) = (tokens, now, false);
            if tokens < 1.0 {
                return Err(Full::Rate);
            }
            self.tokens -= 1.0;
        }
        self.calls += 1;
        Ok(())
    }

    /// One has ended.
    pub(crate) fn give_back(&mut self) {
        self.calls = self.calls.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::from_start(Duration::from_millis(millis))
    }

    #[test]
    fn calls_at_once_are_given_back() {
        let caps = Caps { calls: Some(2), per_second: None };
        let mut meter = Meter::default();
        assert_eq!([meter.take(caps, at(0)), meter.take(caps, at(0))], [Ok(()), Ok(())]);
        assert_eq!(meter.take(caps, at(0)), Err(Full::Calls));
        meter.give_back();
        assert_eq!(meter.take(caps, at(0)), Ok(()));
    }

    #[test]
    fn a_second_brings_as_many_as_configured() {
        let caps = Caps { calls: None, per_second: Some(4) };
        let mut meter = Meter::default();
        let taken = |meter: &mut Meter, from: u64, to: u64| {
            (from..to).filter(|ms| meter.take(caps, at(*ms)).is_ok()).count()
        };
        assert_eq!(taken(&mut meter, 10_000, 10_001), 1);
        assert_eq!(taken(&mut meter, 10_001, 10_010), 3, "as many at once as in a second");
        let steady = taken(&mut meter, 10_010, 20_010);
        assert!((39..=41).contains(&steady), "{steady} in 10 s");
        assert_eq!(meter.take(caps, at(20_011)), Err(Full::Rate));
    }
}
