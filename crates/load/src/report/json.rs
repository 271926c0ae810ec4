//! The report for programs. Times are in milliseconds, shares from 0 to 1, memory in bytes; what was not measured is
//! `null`.

use serde_json::{Value, json};

use super::{Report, millis};
use crate::histogram::Histogram;
use crate::step::Step;

impl Report<'_> {
    /// One object.
    pub(crate) fn json(&self) -> Value {
        let plan = self.plan;
        let steps: Vec<Value> = self.outcome.steps.iter().map(|step| self.step(step)).collect();
        json!({
            "scenario": plan.scenario.name(),
            "unit": plan.scenario.unit(),
            "server": plan.server.to_string(),
            "number": plan.number,
            "codec": plan.codec.name(),
            "agent_codec": plan.agents.codec.name(),
            "talk_ms": millis(plan.talk),
            "idle_core": self.outcome.idle.map(|(share, _)| share),
            "idle_memory": self.outcome.idle.map(|(_, memory)| memory),
            "steps": steps,
            "stopped": self.outcome.stop.as_ref().map(ToString::to_string),
            "good": self.is_good(),
        })
    }

    fn step(&self, step: &Step) -> Value {
        let (idle, idle_memory) = self.at_rest();
        let (tally, heard) = (&step.tally, &step.tally.heard);
        let failed: serde_json::Map<String, Value> =
            tally.failed.iter().map(|(why, count)| (why.to_string(), (*count).into())).collect();
        json!({
            "step": step.offered,
            "window_ms": millis(step.window),
            "calls": {
                "offered": tally.offered,
                "answered": tally.answered,
                "bridged": tally.bridged,
                "completed": tally.completed,
                "up": step.up,
                "failed": failed,
                "held_back": tally.held_back,
                "one_way": tally.one_way,
                "unserved": tally.unserved,
                "unreachable": tally.unreachable,
            },
            "setup_ms": times(&tally.setup),
            "reach_ms": times(&tally.reach),
            "heard": {
                "packets": heard.packets,
                "relayed": heard.relayed,
                "lost": heard.lost,
                "reordered": heard.reordered,
                "duplicated": heard.duplicated,
                "gaps": heard.gaps,
                "crosstalk": heard.crosstalk,
                "echoed": heard.echoed,
                "tone_breaks": heard.tone_breaks,
                "strays": tally.strays,
            },
            "delay_ms": times(&heard.delay),
            "server_core": step.server,
            "server_memory": step.memory,
            "generator_core": step.own,
            "others_core": step.others,
            "generator_dropped": step.dropped,
            "generator_late": step.late,
            "relayed_packet_us": step.per_packet().map(|time| time.as_secs_f64() * 1e6),
            "core_per_100": step.per_hundred(idle),
            "call_ms": step.per_call(idle).map(millis),
            "memory_per_call": step.memory_per_call(idle_memory),
            "generator_faults": step.remarks(),
            "faults": step.faults(self.plan.scenario),
        })
    }
}

fn times(histogram: &Histogram) -> Value {
    let at = |share| histogram.quantile(share).map(millis);
    json!({
        "count": histogram.count(),
        "p50": at(0.5),
        "p90": at(0.9),
        "p99": at(0.99),
        "max": at(1.0),
    })
}
