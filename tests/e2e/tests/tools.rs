//! The command line as a newcomer uses it: a first call with no phone at all.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use havre_e2e::{Line, Process, Scratch, audio, havre, havre_load, repository};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_first_call_needs_no_phone() {
    let line = Line::demo().start();
    // With nobody signed in, the test call says so by its exit status.
    let mut alone = call(&line, &["--keys", "1", "--advocate", "--for", "4s"]);
    let status = alone.wait(SOON * 2);
    assert!(!status.success(), "{}", alone.output());

    let mut command = havre();
    command.args(["answer", "--as", "advocate-en", "--config"]).arg(line.config());
    let advocate = Process::spawn("havre answer", &mut command);
    line.api().wait_for_state("advocate-en", "ready");
    let mut caller = call(&line, &["--keys", "1", "--advocate"]);
    let status = caller.wait(SOON * 3);
    assert!(status.success(), "{}\n{}", caller.output(), advocate.output());
    assert!(!caller.output().is_empty() && !advocate.output().is_empty());
}

fn call(line: &Line, arguments: &[&str]) -> Process {
    let mut command = havre();
    command.arg("call").args(arguments).arg("--config").arg(line.config());
    Process::spawn("havre call", &mut command)
}

#[test]
fn help_is_for_newcomers() {
    for command in ["run", "check", "dialplan", "prompts", "call", "answer", "report", "trace"] {
        let output = havre().args([command, "--help"]).output().unwrap();
        assert!(output.status.success(), "havre {command} --help");
        assert!(output.stdout.len() > 100, "havre {command} --help says almost nothing");
    }
    let output = havre_load().args(["bridged", "--help"]).output().unwrap();
    assert!(output.status.success() && output.stdout.len() > 1_000, "havre-load bridged --help");
}

#[test]
fn a_plan_is_drawn_and_walked_through() {
    let line = Line::demo().start();
    let plan = |arguments: &[&str]| {
        havre().arg("dialplan").args(arguments).arg("--config").arg(line.config()).output().unwrap()
    };
    let drawn = plan(&["graph"]);
    let svg = String::from_utf8(drawn.stdout).unwrap();
    assert!(drawn.status.success() && svg.starts_with("<svg") && svg.contains("P1.1"), "{svg:.200}");
    let walked = plan(&["walk", "--keys", "2,5"]);
    let steps = String::from_utf8(walked.stdout).unwrap();
    assert!(walked.status.success(), "{steps}");
    assert!(steps.contains("JOINS THE QUEUE: language fr standard"), "{steps}");
    assert!(steps.contains("now known: urgent silent"), "{steps}");
    let nonsense = plan(&["walk", "--keys", "x"]);
    let error = String::from_utf8_lossy(&nonsense.stderr).into_owned();
    assert!(!nonsense.status.success() && error.contains("\"x\" is no key"), "{error}");
}

#[test]
fn a_reader_who_stops_reading_is_no_fault() {
    let mut command = havre();
    command.args(["dialplan", "graph"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut graph = command.current_dir(repository()).spawn().unwrap();
    drop(graph.stdout.take());
    let output = graph.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_human_recording_is_measured_before_it_replaces_a_voice() {
    let scratch = Scratch::new("prompts");
    let prompts = scratch.path().join("prompts");
    copy(&repository().join("prompts"), &prompts).unwrap();
    let replace = |wav: &Path| {
        let mut command = havre();
        command.args(["prompts", "replace", "P2", "fr"]).arg(wav).arg("--dir").arg(&prompts);
        command.output().unwrap()
    };
    let recording = prompts.join("fr-CA/P2.wav");
    let before = std::fs::read(&recording).unwrap();
    let quiet = scratch.file("quiet.wav");
    audio::write_wav(&quiet, 16_000, &audio::sine(440.0, -43.0, 16_000, 160_000)).unwrap();
    let refused = replace(&quiet);
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && why.contains("loudness") && why.contains("gain"), "{why}");
    assert_eq!(std::fs::read(&recording).unwrap(), before, "the old recording stays");
    let voice = scratch.file("voice.wav");
    std::fs::copy(&recording, &voice).unwrap();
    let taken = replace(&voice);
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    let checked = havre().args(["prompts", "check", "--dir"]).arg(&prompts).output().unwrap();
    let report = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success(), "{report}");
    assert!(report.lines().any(|row| row.starts_with("P2 fr") && row.ends_with("human")), "{report}");
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
