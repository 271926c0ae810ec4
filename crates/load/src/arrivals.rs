//! When the next caller calls.

use std::time::Duration;

use havre_model::Mono;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Arrivals at a rate: evenly spaced, or as independent callers come (a Poisson process).
pub(crate) struct Arrivals {
    mean: Duration,
    poisson: bool,
    next: Mono,
    random: ChaCha8Rng,
}

impl Arrivals {
    /// `rate` calls a second from `now` on; the rate must be above zero.
    pub(crate) fn new(rate: f64, poisson: bool, seed: [u8; 32], now: Mono) -> Self {
        let mean = Duration::from_secs_f64(1.0 / rate);
        Self { mean, poisson, next: now, random: ChaCha8Rng::from_seed(seed) }
    }

    /// When the next one comes.
    pub(crate) const fn next(&self) -> Mono {
        self.next
    }

    /// Whether one has come by `now`; each is told once.
    pub(crate) fn take(&mut self, now: Mono) -> bool {
        let due = self.next <= now;
        if due {
            let gap = if self.poisson { self.mean.mul_f64(self.exponential()) } else { self.mean };
            self.next += gap;
        }
        due
    }

    /// A draw from the exponential distribution of mean 1.
    fn exponential(&mut self) -> f64 {
        // In (0, 1]: the logarithm is finite.
        let uniform = ((self.random.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        -uniform.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrived(poisson: bool, seconds: u64) -> Vec<Mono> {
        let mut arrivals = Arrivals::new(50.0, poisson, [7; 32], Mono::ZERO);
        let end = Mono::from_start(Duration::from_secs(seconds));
        let mut times = Vec::new();
        while arrivals.next() < end {
            times.push(arrivals.next());
            assert!(arrivals.take(end));
        }
        assert!(!arrivals.take(Mono::ZERO), "the next one has not come yet");
        times
    }

    #[test]
    fn both_kinds_keep_the_rate() {
        assert_eq!(arrived(false, 20).len(), 1_000);
        let count = arrived(true, 200).len() as f64;
        assert!((count - 10_000.0).abs() < 400.0, "four standard deviations: {count}");
    }

    #[test]
    fn independent_callers_come_in_bunches() {
        let times = arrived(true, 200);
        let gaps: Vec<f64> = times.windows(2).map(|w| w[1].since(w[0]).as_secs_f64() * 50.0).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((variance - 1.0).abs() < 0.2, "an exponential's variance is its mean squared: {variance}");
    }
}
