//! The report as a picture: load on both machines, delay, and calls that failed, over the steps. It needs nothing from
//! elsewhere, and says what it shows to those who cannot see it.

use std::fmt::Write as _;

use super::{Report, millis};
use crate::plan::Scenario;
use crate::step::Step;

const WIDTH: f64 = 760.0;
const PANEL: f64 = 210.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 150.0;
const HEAD: f64 = 56.0;
/// Room above a panel for its title, and under it for its numbers.
const TITLE: f64 = 26.0;
const FOOT: f64 = 34.0;
const STYLE: &str = "\
text{font:13px system-ui,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1d2733}\
.title{font-weight:600;font-size:15px}.panel{font-weight:600}.note{fill:#5a6875;font-size:12px}\
.grid{stroke:#d5dde5;stroke-width:1}.frame{fill:#fff;stroke:#8fa1b3}\
.line{fill:none;stroke-width:2}.limit{stroke:#a33;stroke-dasharray:5 4}.back{fill:#f6f8fa}\
.a{stroke:#1f5f8b}.a.dot{fill:#1f5f8b}.b{stroke:#c26a1a}.b.dot{fill:#c26a1a}\
@media(prefers-color-scheme:dark){\
text{fill:#e4e9ee}.note{fill:#a3b0bd}.grid{stroke:#33404d}.frame{fill:#161d25;stroke:#5c6b7a}.back{fill:#0f151b}\
.limit{stroke:#e88}.a{stroke:#6db3e6}.a.dot{fill:#6db3e6}.b{stroke:#f0a35c}.b.dot{fill:#f0a35c}}";
/// Classes of a panel's lines. Told apart by shade too, for those who do not see colours.
const LINES: [&str; 2] = ["a", "b"];
/// Width of a digit under a panel, at most.
const DIGIT: f64 = 8.0;

/// One panel: what its lines show, each with a value for every step.
struct Panel {
    title: &'static str,
    unit: &'static str,
    lines: Vec<(&'static str, Vec<Option<f64>>)>,
    limit: Option<f64>,
}

impl Report<'_> {
    /// A whole SVG file.
    pub(crate) fn svg(&self) -> String {
        let panels = self.panels();
        let height = HEAD + panels.len() as f64 * PANEL + 10.0;
        let title = format!("{} against {}", self.plan.scenario.name(), self.plan.server);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\" role=\"img\" aria-labelledby=\"title desc\">\n<title id=\"title\">{}</title>\n\
             <desc id=\"desc\">{}</desc>\n<style>{STYLE}</style>\n\
             <rect class=\"back\" width=\"{WIDTH}\" height=\"{height}\"/>\n\
             <text class=\"title\" x=\"{LEFT}\" y=\"26\">{}</text>\n",
            escape(&title),
            escape(&self.text()),
            escape(&title),
        );
        if let Some(stop) = &self.outcome.stop {
            let text = escape(&format!("stopped: {stop}"));
            let _ = writeln!(svg, "<text class=\"note\" x=\"{LEFT}\" y=\"44\">{text}</text>");
        }
        let steps: Vec<f64> = self.outcome.steps.iter().map(|step| step.offered).collect();
        for (i, panel) in panels.iter().enumerate() {
            panel.draw(&mut svg, HEAD + i as f64 * PANEL, &steps, self.plan.scenario.unit());
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn panels(&self) -> Vec<Panel> {
        let steps = &self.outcome.steps;
        let all = |value: &dyn Fn(&Step) -> Option<f64>| steps.iter().map(value).collect::<Vec<_>>();
        let delay = |share| move |step: &Step| step.tally.heard.delay.quantile(share).map(millis);
        let setup = |share| move |step: &Step| step.tally.setup.quantile(share).map(millis);
        let mut panels = vec![Panel {
            title: "Processor",
            unit: "% of a core",
            lines: vec![
                ("server", all(&|step| step.server.map(|share| share * 100.0))),
                ("generator", all(&|step| Some(step.own * 100.0))),
            ],
            limit: Some(self.plan.stop_at * 100.0),
        }];
        if steps.iter().any(|step| step.tally.heard.delay.count() > 0) {
            panels.push(Panel {
                title: "Delay through the server",
                unit: "ms",
                lines: vec![("median", all(&delay(0.5))), ("99th percentile", all(&delay(0.99)))],
                limit: None,
            });
        }
        panels.push(Panel {
            title: "INVITE to 200",
            unit: "ms",
            lines: vec![("median", all(&setup(0.5))), ("99th percentile", all(&setup(0.99)))],
            limit: None,
        });
        let mut lines = vec![("calls failed", all(&|step| Some(step.failed_share() * 100.0)))];
        if self.plan.scenario != Scenario::Signalling {
            lines.push(("packets lost", all(&|step| Some(step.lost_share() * 100.0))));
        }
        panels.push(Panel { title: "Failures", unit: "%", lines, limit: None });
        panels
    }
}

impl Panel {
    fn draw(&self, svg: &mut String, top: f64, steps: &[f64], unit: &str) {
        let (y0, y1) = (top + PANEL - FOOT, top + TITLE);
        let (x0, x1) = (LEFT, WIDTH - RIGHT);
        let values = self.lines.iter().flat_map(|(_, values)| values).flatten().copied();
        let most = round_up(values.chain(self.limit).fold(0.0, f64::max));
        let last = steps.iter().copied().fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        let x = |step: f64| x0 + (x1 - x0) * step / last;
        let y = |value: f64| y0 - (y0 - y1) * value / most;
        let _ = writeln!(
            svg,
            "<text class=\"panel\" x=\"{x0}\" y=\"{:.1}\">{}, {}</text>\n\
             <rect class=\"frame\" x=\"{x0}\" y=\"{y1:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            y1 - 8.0,
            self.title,
            self.unit,
            x1 - x0,
            y0 - y1
        );
        for quarter in 0..=4 {
            let value = most * f64::from(quarter) / 4.0;
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{x0} {0:.1}H{x1}\"/>\
                 <text class=\"note\" text-anchor=\"end\" x=\"{1:.1}\" y=\"{2:.1}\">{3}</text>",
                y(value),
                x0 - 6.0,
                y(value) + 4.0,
                short(value)
            );
        }
        // The higher steps matter more: their numbers displace those of lower ones.
        let mut free = f64::MAX;
        for step in steps.iter().rev() {
            let (label, at) = (step.to_string(), x(*step));
            let half = label.len() as f64 * DIGIT / 2.0;
            if at + half > free {
                continue;
            }
            free = at - half;
            let _ = writeln!(
                svg,
                "<text class=\"note\" text-anchor=\"middle\" x=\"{at:.1}\" y=\"{:.1}\">{label}</text>",
                y0 + 15.0
            );
        }
        let _ =
            writeln!(svg, "<text class=\"note\" x=\"{:.1}\" y=\"{:.1}\">{unit}</text>", x1 + 24.0, y0 + 15.0);
        if let Some(limit) = self.limit {
            let _ = writeln!(svg, "<path class=\"limit\" d=\"M{x0} {:.1}H{x1}\"/>", y(limit));
            let at = y1 + 14.0 + 18.0 * self.lines.len() as f64;
            let _ = writeln!(
                svg,
                "<path class=\"limit\" d=\"M{:.1} {:.1}h18\"/><text x=\"{:.1}\" y=\"{at:.1}\">stop at {}</text>",
                x1 + 10.0,
                at - 4.0,
                x1 + 34.0,
                short(limit)
            );
        }
        for (i, (name, values)) in self.lines.iter().enumerate() {
            let class = LINES[i % LINES.len()];
            let points = steps.iter().zip(values).filter_map(|(step, value)| Some((x(*step), y((*value)?))));
            let points: Vec<(f64, f64)> = points.collect();
            if points.is_empty() {
                continue;
            }
            let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
            let _ = writeln!(svg, "<path class=\"line {class}\" d=\"M{}\"/>", path.join("L"));
            for (x, y) in &points {
                let _ = writeln!(svg, "<circle class=\"{class} dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>");
            }
            let at = y1 + 14.0 + 18.0 * i as f64;
            let _ = writeln!(
                svg,
                "<path class=\"line {class}\" d=\"M{:.1} {:.1}h18\"/><text x=\"{:.1}\" y=\"{at:.1}\">{name}</text>",
                x1 + 10.0,
                at - 4.0,
                x1 + 34.0
            );
        }
    }
}

/// The next of 1, 2, 2.5, 5 or 10 times a power of ten.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 2.5, 5.0].map(|n| n * power).into_iter().find(|n| *n >= value).unwrap_or(10.0 * power)
}

/// Without needless zeros.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
