//! `workload.toml`: who calls, when, for how long.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The figures of `workload.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Calls a day, by name of the scale.
    pub scales: BTreeMap<String, f64>,
    pub(crate) hours: Hours,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) languages: Languages,
    pub(crate) skills: Skills,
    pub(crate) risk: RiskShares,
    pub(crate) callers: CallerHabits,
    pub(crate) staffing: Staffing,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hours {
    percent: [f64; 24],
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kind {
    #[expect(dead_code, reason = "names the kind for whoever reads the file")]
    name: String,
    pub(crate) share: f64,
    pub(crate) talk_median: f64,
    pub(crate) talk_sigma: f64,
    pub(crate) wrap_mean: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Languages {
    pub(crate) en: f64,
    pub(crate) fr: f64,
    pub(crate) other: f64,
    pub(crate) no_key: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Skills {
    pub(crate) fr: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RiskShares {
    pub(crate) urgent: f64,
    pub(crate) information: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallerHabits {
    pub(crate) patience_mean: f64,
    pub(crate) redial: f64,
    pub(crate) redial_mean: f64,
    pub(crate) one_ring: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Staffing {
    day: usize,
    evening: usize,
    night: usize,
}

impl Workload {
    /// What stands in `workload.toml`.
    ///
    /// # Panics
    /// The file is wrong.
    #[must_use]
    pub fn shipped() -> Self {
        toml::from_str(include_str!("../../workload.toml"))
            .unwrap_or_else(|error| panic!("workload.toml: {error}"))
    }
}

impl Hours {
    /// How much busier than the average this hour is.
    pub(crate) fn weight(&self, hour: usize) -> f64 {
        self.percent[hour % 24] * 24.0 / self.percent.iter().sum::<f64>()
    }
}

impl Staffing {
    pub(crate) const fn at(&self, hour: usize) -> usize {
        match hour % 24 {
            0..8 => self.night,
            8..16 => self.day,
            _ => self.evening,
        }
    }

    pub(crate) fn most(&self) -> usize {
        self.day.max(self.evening).max(self.night)
    }
}
