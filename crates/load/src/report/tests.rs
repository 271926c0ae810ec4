use std::time::Duration;

use super::Report;
use crate::crowd::Census;
use crate::plan::Scenario;
use crate::plan::tests::plan;
use crate::shell::Outcome;
use crate::step::{Reading, Step, Stop, Usage};
use crate::tally::{Failure, Tally};

fn usage(millis: u64, memory: u64) -> Option<Usage> {
    Some(Usage { processor: Duration::from_millis(millis), memory })
}

/// 100 calls in 10 s: 100,000 packets relayed in 0.6 s of the server's time.
fn step(failed: u64) -> Step {
    step_after(failed, 0)
}

fn step_after(failed: u64, crosstalk: u64) -> Step {
    let mut rise = Tally { offered: 100, answered: 100, bridged: 100, ..Tally::default() };
    rise.setup.add(Duration::from_millis(3));
    rise.heard.crosstalk = crosstalk;
    if failed > 0 {
        rise.failed.insert(Failure::Refused(503), failed);
    }
    let mut window = Tally::default();
    window.heard.packets = 100_000;
    window.heard.relayed = 100_000;
    window.heard.delay.add(Duration::from_micros(250));
    let from = Reading { server: usage(1_000, 30 << 20), ..Reading::default() };
    let to = Reading {
        server: usage(1_600, 40 << 20),
        own: Duration::from_secs(9),
        machine: Duration::from_secs(11),
        ..Reading::default()
    };
    let census = Census { talking: 100, ..Census::default() };
    Step::of_calls_that_stay(100.0, rise, window, census, Duration::from_secs(10), &from, &to)
}

fn outcome(step: Step, stop: Option<Stop>) -> Outcome {
    Outcome { steps: vec![step], idle: Some((0.01, 20 << 20)), stop }
}

#[test]
fn figures_are_what_they_say() {
    let (plan, outcome) = (plan(Scenario::Bridged), outcome(step(0), None));
    let report = Report { plan: &plan, outcome: &outcome };
    let json = report.json();
    let step = &json["steps"][0];
    assert_eq!(step["relayed_packet_us"], 6.0);
    assert_eq!(step["memory_per_call"], (20 << 20) / 100);
    assert!((step["core_per_100"].as_f64().unwrap() - 0.05).abs() < 1e-9);
    assert!((step["server_core"].as_f64().unwrap() - 0.06).abs() < 1e-9);
    assert_eq!(step["delay_ms"]["p99"], 0.25);
    // Eleven seconds in ten, of which the line had 0.6 and the generator nine.
    assert!((step["others_core"].as_f64().unwrap() - 0.14).abs() < 1e-9);
    assert_eq!(json["good"], true);
    let text = report.text();
    assert!(text.contains("other programs used 14 % of a core"), "{text}");
    for figure in ["6.00 µs per relayed packet", "5.00 % per 100 calls", "median 0.25", "204.8 KiB per call"]
    {
        assert!(text.contains(figure), "{figure} in\n{text}");
    }
}

#[test]
fn limits_are_named() {
    let plan = plan(Scenario::Bridged);
    assert_eq!(step(0).stop(&plan), Some(Stop::Generator(0.9)));
    let generous = crate::plan::Plan { stop_at: 0.95, ..plan.clone() };
    assert_eq!(step(0).stop(&generous), None);
    let mut lossy = step(0);
    lossy.tally.heard.lost = 25_000;
    assert_eq!(lossy.stop(&generous), Some(Stop::Lost(0.2)));
    assert_eq!(step(10).stop(&generous), Some(Stop::Failed(0.1)));
    let strict = crate::plan::Plan { stop_at: 0.05, ..plan };
    assert!(matches!(step(0).stop(&strict), Some(Stop::Server(_))));
}

#[test]
fn failed_calls_make_a_bad_report_with_the_reason() {
    let (plan, outcome) = (plan(Scenario::Bridged), outcome(step(2), Some(Stop::Cut)));
    let report = Report { plan: &plan, outcome: &outcome };
    assert!(!report.is_good());
    assert_eq!(report.json()["steps"][0]["calls"]["failed"]["refused with 503"], 2);
    let text = report.text();
    assert!(text.contains("2 calls refused with 503") && text.contains("interrupted"), "{text}");
}

#[test]
fn numbers_of_steps_that_lie_close_do_not_overlap() {
    let plan = plan(Scenario::Bridged);
    let steps = [1.0, 2.0, 3.0, 500.0, 1_000.0].map(|offered| Step { offered, ..step(0) }).to_vec();
    let svg = Report { plan: &plan, outcome: &Outcome { steps, idle: None, stop: None } }.svg();
    let shown = |label: &str| svg.matches(&format!(">{label}</text>")).count();
    assert_eq!(["1000", "3", "2"].map(shown), [4, 4, 0], "once in each of four panels");
}

#[test]
fn crosstalk_counts_from_the_first_call_on() {
    assert!(step_after(0, 1).faults(Scenario::Waiting)[0].contains("CROSS-TALK"));
}

#[test]
fn the_picture_stands_alone() {
    let (plan, outcome) = (plan(Scenario::Bridged), outcome(step(0), Some(Stop::Server(0.83))));
    let svg = Report { plan: &plan, outcome: &outcome }.svg();
    for part in [
        "Processor, % of a core",
        "Delay through the server",
        "99th percentile",
        "at its limit: 83 %",
        "stop at 80",
        "packets lost",
        "prefers-color-scheme:dark",
        "<title",
    ] {
        assert!(svg.contains(part), "{part} in\n{svg}");
    }
    assert!(!svg.contains("href") && !svg.contains("NaN") && svg.ends_with("</svg>\n"));
    assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
}
