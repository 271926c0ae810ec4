//! The report for people.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Report, millis};
use crate::histogram::Histogram;
use crate::plan::Scenario;
use crate::step::Step;

impl Report<'_> {
    /// A block of lines for each step, and what is wrong at the end.
    pub(crate) fn text(&self) -> String {
        let plan = self.plan;
        let mut text = format!("{} against {} ({})\n", plan.scenario.name(), plan.server, plan.number);
        if let Some((share, memory)) = self.outcome.idle {
            let _ =
                writeln!(text, "the server at rest: {:.1} % of a core, {}", share * 100.0, mebibytes(memory));
        }
        for step in &self.outcome.steps {
            let unit = plan.scenario.unit();
            let one = step.offered == 1.0 && plan.scenario.stays();
            let unit = unit.strip_suffix('s').filter(|_| one).unwrap_or(unit);
            let _ = writeln!(text, "\n{} {unit}", step.offered);
            for (what, figure) in self.lines(step) {
                let _ = writeln!(text, "  {what:<26} {figure}");
            }
        }
        if let Some(stop) = &self.outcome.stop {
            let _ = writeln!(text, "\nstopped: {stop}");
        }
        let good =
            if self.is_good() { "every call went as it should" } else { "NOT every call went as it should" };
        let _ = writeln!(text, "\n{good}");
        text
    }

    fn lines(&self, step: &Step) -> Vec<(&'static str, String)> {
        let (idle, idle_memory) = self.at_rest();
        let tally = &step.tally;
        let heard = &tally.heard;
        let scenario = self.plan.scenario;
        let new = if scenario.stays() { "new" } else { "offered" };
        let mut calls = format!("{} {new}, {} answered", tally.offered, tally.answered);
        if scenario.has_agents() {
            let _ = write!(calls, ", {} reached an agent", tally.bridged);
        }
        if scenario.stays() {
            let _ = write!(calls, ", {} up at the end", step.up);
        } else {
            let _ = write!(calls, ", {} completed", tally.completed);
        }
        let mut lines = vec![("calls", calls)];
        lines.push(("INVITE to 200", times(&tally.setup)));
        if scenario.has_agents() {
            lines.push(("last key to agent's voice", times(&tally.reach)));
        }
        if scenario != Scenario::Signalling {
            let seconds = step.whole.as_secs_f64();
            lines.push((
                "heard",
                format!(
                    "{:.0} packets/s; {} lost, {} reordered, {} twice; {} gaps above 40 ms",
                    heard.packets as f64 / seconds,
                    heard.lost,
                    heard.reordered,
                    heard.duplicated,
                    heard.gaps
                ),
            ));
        }
        if heard.delay.count() > 0 {
            lines.push(("delay through the server", times(&heard.delay)));
        }
        if heard.tone_breaks > 0 {
            lines.push(("packets without the tone", heard.tone_breaks.to_string()));
        }
        if let Some(share) = step.server {
            let mut server = format!("{:.1} % of a core", share * 100.0);
            if scenario == Scenario::Bridged
                && let Some(time) = step.per_packet()
            {
                let _ = write!(server, "; {:.2} µs per relayed packet", time.as_secs_f64() * 1e6);
            }
            if scenario.stays()
                && let Some(share) = step.per_hundred(idle)
            {
                let _ = write!(server, "; {:.2} % per 100 {}", share * 100.0, scenario.unit());
            }
            if !scenario.stays()
                && let Some(time) = step.per_call(idle)
            {
                let _ = write!(server, "; {:.2} ms per call", millis(time));
            }
            lines.push(("server's processor", server));
        }
        if let (true, Some(memory), Some(each)) =
            (scenario.stays(), step.memory, step.memory_per_call(idle_memory))
        {
            let each = each as f64 / 1_024.0;
            lines.push(("server's memory", format!("{}; {each:.1} KiB per call", mebibytes(memory))));
        }
        lines.push(("generator's processor", format!("{:.1} % of a core", step.own * 100.0)));
        lines.extend(step.remarks().into_iter().map(|remark| ("generator's faults", remark)));
        lines.extend(step.faults(scenario).into_iter().map(|fault| ("FAULT", fault)));
        lines
    }
}

fn times(histogram: &Histogram) -> String {
    let at = |share| histogram.quantile(share).unwrap_or(Duration::ZERO);
    if histogram.count() == 0 {
        return "never".to_owned();
    }
    format!(
        "median {:.2}, p99 {:.2}, longest {:.2} ms",
        millis(at(0.5)),
        millis(at(0.99)),
        millis(histogram.longest())
    )
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
