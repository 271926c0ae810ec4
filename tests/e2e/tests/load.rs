//! `havre-load` against a real line, in small numbers.

use std::process::Stdio;
use std::time::Duration;

use havre_e2e::{Account, Line, Process, Signal, havre_load, until};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn bridged_calls_are_counted_heard_and_priced() {
    let line = advocates(3);
    let report =
        report(&line, &["bridged", "--steps", "1,3", "--for", "2s", "--settle", "0s", "--ramp", "5"]);
    assert_eq!(report["good"], true, "{report:#}");
    let last = &report["steps"][1];
    assert_eq!((last["calls"]["up"].as_u64(), last["calls"]["offered"].as_u64()), (Some(3), Some(2)));
    let heard = |what: &str| last["heard"][what].as_u64().expect("a count");
    // Three calls, both ways, 50 packets a second, two seconds; the machine may be busy.
    assert!(heard("relayed") > 300, "{report:#}");
    assert_eq!((heard("lost"), heard("crosstalk")), (0, 0));
    for figure in ["server_core", "server_memory", "relayed_packet_us", "memory_per_call"] {
        assert!(last[figure].is_number(), "{figure} in {last:#}");
    }
    assert!(last["delay_ms"]["p50"].as_f64().is_some_and(|delay| delay > 0.0), "{last:#}");
}

#[test]
fn whole_calls_come_and_go() {
    let line = advocates(4);
    let report = report(&line, &["calls", "--steps", "2", "--for", "2s", "--talk", "1s", "--poisson"]);
    assert_eq!(report["good"], true, "{report:#}");
    let calls = &report["steps"][0]["calls"];
    assert_eq!(calls["completed"], calls["offered"]);
    // The line counts them the same, in its own time.
    let answered = || line.api().metric("havre_calls_answered_total", "");
    until("the line's own count", SOON, || (Some(answered()) == calls["offered"].as_f64()).then_some(()));
}

#[test]
fn several_processes_share_a_line() {
    let account = |id: &str, languages| Account { id: id.to_owned(), languages, role: "advocate" };
    let line = Line::demo().accounts(&[account("a0", &["en"]), account("a1", &["fr"])]).start();
    // Each has the advocate of the other's caller.
    let runs = [("a0", "2@1s"), ("a1", "1@1s")].map(|(advocate, keys)| {
        let password = format!("secret-{advocate}");
        let mut command = havre_load();
        command.args(["bridged", "--steps", "1", "--for", "2s", "--settle", "0s", "--json", "--quiet"]);
        command.args(["--keys", keys, "--agents", advocate, "--agent-password", &password]);
        command
            .args(["--server", &line.sip().to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("havre-load")
    });
    for run in runs {
        let output = run.wait_with_output().expect("its end");
        let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        assert_eq!(report["good"], true, "{report:#}");
        let heard = &report["steps"][0]["heard"];
        // Both ends of ours are in a call of both, 50 packets a second, two seconds; the machine may be busy.
        assert!(heard["relayed"].as_u64() > Some(100), "{report:#}");
    }
}

#[test]
fn an_interrupted_run_leaves_no_call_behind() {
    let line = Line::demo().start();
    let mut command = havre_load();
    command.args(["waiting", "--steps", "3", "--for", "1h", "--server", &line.sip().to_string()]);
    let mut run = Process::spawn("havre-load", &mut command);
    let waiting = || line.api().metric("havre_calls_in_progress", "waiting");
    until("all to wait", SOON, || (waiting() >= 3.0).then_some(()));
    run.signal(Signal::Term);
    assert!(!run.wait(SOON).success(), "an interrupted run is not a good one");
    assert!(run.output().contains("interrupted"), "{}", run.output());
    until("nobody to wait", SOON, || (waiting() == 0.0).then_some(()));
}

#[test]
fn what_cannot_begin_says_why() {
    let line = advocates(1);
    let mut command = havre_load();
    command.args(["bridged", "--steps", "1", "--agents", "a0", "--agent-password", "wrong"]);
    command.args(["--server", &line.sip().to_string()]);
    let mut run = Process::spawn("havre-load", &mut command);
    assert!(!run.wait(SOON).success());
    assert!(run.output().contains("check --agent-password"), "{}", run.output());
}

/// A line with advocates `a0` and so on, who speak English.
fn advocates(count: usize) -> Line {
    let account = |n| Account { id: format!("a{n}"), languages: &["en"], role: "advocate" };
    Line::demo().accounts(&(0..count).map(account).collect::<Vec<_>>()).start()
}

/// Runs to its end, and reads the report.
fn report(line: &Line, arguments: &[&str]) -> Value {
    let output = havre_load()
        .args(arguments)
        .args(["--keys", "1@1s", "--agents", "a{}", "--agent-password", "secret-a{}", "--json", "--quiet"])
        .args(["--agent-count", if arguments[0] == "calls" { "4" } else { "3" }])
        .args(["--server", &line.sip().to_string(), "--pid", &line.pid().to_string()])
        .output()
        .expect("havre-load is there");
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)))
}
