//! The command line as a newcomer uses it: a first call with no phone at all.

use std::time::Duration;

use havre_e2e::{Line, Process, havre, havre_load};

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
    for command in ["run", "check", "dialplan", "prompts", "call", "answer", "report"] {
        let output = havre().args([command, "--help"]).output().unwrap();
        assert!(output.status.success(), "havre {command} --help");
        assert!(output.stdout.len() > 100, "havre {command} --help says almost nothing");
    }
    let output = havre_load().args(["bridged", "--help"]).output().unwrap();
    assert!(output.status.success() && output.stdout.len() > 1_000, "havre-load bridged --help");
}
