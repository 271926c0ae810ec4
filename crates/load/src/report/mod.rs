//! What a run showed: for people, for programs, and as a picture.

mod json;
mod svg;
mod text;

use std::time::Duration;

use crate::plan::Plan;
use crate::shell::Outcome;
use crate::step::Stop;

/// See the module's page.
pub(crate) struct Report<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) outcome: &'a Outcome,
}

impl Report<'_> {
    /// Whether every call went as it should. A run that stopped at the machine's limit is a good one.
    pub(crate) fn is_good(&self) -> bool {
        let steps = &self.outcome.steps;
        let stopped = match &self.outcome.stop {
            None | Some(Stop::Server(_) | Stop::Generator(_)) => false,
            Some(_) => true,
        };
        !stopped && !steps.is_empty() && steps.iter().all(|step| step.faults(self.plan.scenario).is_empty())
    }

    /// The server's share of a core, and its memory, at rest.
    fn at_rest(&self) -> (f64, u64) {
        self.outcome.idle.unwrap_or_default()
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests;
