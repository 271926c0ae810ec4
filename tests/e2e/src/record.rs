//! The record, as `havre report` tells it.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::havre;

/// Longest time from an event to its place in the record.
const WRITTEN: Duration = Duration::from_secs(5);

/// A day's counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Calls that came.
    pub offered: u64,
    /// Calls that an advocate answered.
    pub answered: u64,
    /// Calls whose caller left before.
    pub abandoned: u64,
    /// Calls that we failed.
    pub lost: u64,
    /// Calls not over yet.
    pub in_progress: u64,
}

impl Report {
    /// Today's (UTC).
    ///
    /// # Panics
    /// If the command fails or does not say all counts.
    #[must_use]
    pub fn read(config: &Path) -> Self {
        let output = havre().args(["report", "--json", "--config"]).arg(config).output().expect("havre runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "havre report: {}\n{errors}", output.status);
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let count = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("no {name:?} in {report}"));
        Self {
            offered: count("offered"),
            answered: count("answered"),
            abandoned: count("abandoned"),
            lost: count("lost"),
            in_progress: count("in_progress"),
        }
    }

    /// Waits until the counts are these: records are written behind the call, never in its way.
    #[track_caller]
    pub fn becomes(config: &Path, expected: Self) {
        let start = Instant::now();
        loop {
            let report = Self::read(config);
            if report == expected {
                return;
            }
            assert!(start.elapsed() < WRITTEN, "the report says {report:?}, not {expected:?}");
        }
    }
}
