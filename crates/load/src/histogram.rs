//! Times, counted in buckets that are 3 % wide: a thousand or a billion of them take the same memory.

use std::time::Duration;

/// Buckets of one octave.
const STEPS: u64 = 32;
/// Octaves above the first [`STEPS`] microseconds, each a bucket of its own: up to 2^36 µs, or 19 hours.
const OCTAVES: usize = 32;

/// How often which time was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Histogram {
    buckets: Box<[u64]>,
    count: u64,
    longest: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        let buckets = vec![0; STEPS as usize * (OCTAVES + 1)].into();
        Self { buckets, count: 0, longest: Duration::ZERO }
    }
}

impl Histogram {
    /// Counts one.
    pub(crate) fn add(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let last = self.buckets.len() - 1;
        self.buckets[bucket(micros).min(last)] += 1;
        self.count += 1;
        self.longest = self.longest.max(time);
    }

    /// How many were counted.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// The longest of them.
    pub(crate) const fn longest(&self) -> Duration {
        self.longest
    }

    /// The time that this share (0 to 1) of them did not exceed, within 3 %; `None` if there are none.
    pub(crate) fn quantile(&self, share: f64) -> Option<Duration> {
        if self.count == 0 {
            return None;
        }
        let wanted = ((share * self.count as f64).ceil() as u64).clamp(1, self.count);
        let mut seen = 0;
        let place = self.buckets.iter().position(|n| {
            seen += n;
            seen >= wanted
        })?;
        Some(Duration::from_micros(upper(place)).min(self.longest))
    }
}

fn bucket(micros: u64) -> usize {
    if micros < STEPS {
        return micros as usize;
    }
    let octave = u64::from(micros.ilog2() - STEPS.ilog2());
    ((octave + 1) * STEPS + (micros >> octave) - STEPS) as usize
}

/// The largest number of microseconds that falls into a bucket.
fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let octave = bucket / STEPS - 1;
    ((STEPS + bucket % STEPS + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_of_a_thousand() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        for micros in 1..=1_000 {
            histogram.add(Duration::from_micros(micros));
        }
        let at = |share| histogram.quantile(share).unwrap().as_micros();
        assert!((500..=516).contains(&at(0.5)), "{}", at(0.5));
        assert!((990..=1_000).contains(&at(0.99)), "{}", at(0.99));
        assert_eq!((at(1.0), histogram.count(), histogram.longest().as_micros()), (1_000, 1_000, 1_000));
    }

    #[test]
    fn a_year_is_only_long() {
        let mut histogram = Histogram::default();
        histogram.add(Duration::from_secs(31_536_000));
        assert!(histogram.quantile(0.5).unwrap() > Duration::from_secs(60_000));
    }

    proptest! {
        #[test]
        fn a_bucket_is_three_percent_wide(micros in 0_u64..1 << 36) {
            let upper = upper(bucket(micros));
            prop_assert!(upper >= micros && upper <= micros + micros / 31, "{micros} {upper}");
        }
    }
}
