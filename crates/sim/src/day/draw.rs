//! Drawing from distributions, by one seed.

use std::f64::consts::TAU;
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub(crate) struct Draw(ChaCha12Rng);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha12Rng::seed_from_u64(seed))
    }

    /// Between 0 and 1, never 0.
    fn unit(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64
    }

    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.unit() <= share
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.0.next_u64() % (end.max(1) as u64)).unwrap_or(0)
    }

    pub(crate) fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.unit()
    }

    /// A time between these many seconds.
    pub(crate) fn secs(&mut self, from: f64, to: f64) -> Duration {
        Duration::from_secs_f64(self.between(from, to))
    }

    /// Exponential, by its mean.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -self.unit().ln() * mean
    }

    /// Lognormal, by its median.
    pub(crate) fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        let normal = (-2.0 * self.unit().ln()).sqrt() * (TAU * self.unit()).cos();
        median * (sigma * normal).exp()
    }

    /// One of these, by their shares.
    pub(crate) fn one_of<'a, T>(&mut self, of: &'a [T], share: impl Fn(&T) -> f64) -> Option<&'a T> {
        let mut left = self.unit() * of.iter().map(&share).sum::<f64>();
        of.iter().find(|one| {
            left -= share(one);
            left <= 0.0
        })
    }
}

pub(crate) fn minutes(minutes: f64) -> Duration {
    // A month bounds what the tail of a distribution may ask for.
    Duration::from_secs_f64((minutes * 60.0).clamp(0.0, 30.0 * 86_400.0))
}
