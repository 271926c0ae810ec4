//! Starting, refusing to start, reloading, stopping.

use std::time::Duration;

use havre_e2e::{Baresip, Line, Report, Signal, Sipp, TOLL_FREE, havre, holds_for, repository, until};

const SOON: Duration = Duration::from_secs(5);
/// Longest time to say no: a store that does not answer is waited for.
const REFUSAL: Duration = Duration::from_secs(15);

#[test]
fn a_wrong_configuration_says_what_and_what_to_do_and_opens_no_port() {
    let missing = "/nonexistent/havre";
    for (key, value, named) in [
        ("sip.listen", "localhost", "sip.listen"),
        ("rtp.ports", "30000-20000", "rtp.ports"),
        ("sip.realms", "x", "realms"),
        ("store.url", "postgres://127.0.0.1/", "store.url"),
        ("dialplan.file", missing, missing),
        ("prompts.dir", missing, missing),
    ] {
        let said = Line::demo().with(key, value).refuses(REFUSAL);
        assert!(said.contains(named), "{key} = {value}: it says only:\n{said}");
    }
}

#[test]
fn a_redis_that_is_not_there_at_the_start_is_an_error() {
    let host = havre_e2e::Host::claim();
    let said = Line::demo().with("store.url", format!("redis://{}/0", host.at(6379))).refuses(REFUSAL);
    assert!(said.to_lowercase().contains("redis"), "{said}");
}

#[test]
fn a_wrong_dialplan_is_an_error_with_file_line_and_key() {
    let line = Line::demo().own_plan();
    let said = line.spoiled_plan("no_input", "no_imput").refuses(REFUSAL);
    assert!(said.contains("dialplan.toml:"), "no file and line:\n{said}");
    assert!(said.contains("no_input") || said.contains("no_imput"), "no key:\n{said}");
}

#[test]
fn the_shipped_plan_passes_its_own_check_and_its_tests() {
    let output =
        havre().args(["check", "--config", "config/demo.toml"]).current_dir(repository()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&text));
}

#[test]
fn the_demo_profile_starts_with_nothing_but_overrides_from_the_environment() {
    let line = Line::demo().launch_with_environment();
    until("the demo to be ready", Duration::from_secs(30), || line.api().ready().filter(|r| r.status == 200));
    let _advocate = line.advocate("advocate-en", 700.0);
    let mut caller = Baresip::caller(440.0).start();
    caller.dial_line(&line, TOLL_FREE);
    caller.talks(SOON);
    caller.press("1");
    caller.hears_tone(700.0, SOON);
}

#[test]
fn a_bad_plan_is_refused_on_reload_and_calls_in_progress_keep_theirs() {
    let mut line = Line::demo().own_plan().start();
    let events = line.events();
    let _advocate = line.advocate("advocate-en", 700.0);
    let mut caller = Baresip::caller(440.0).start();
    caller.dial_line(&line, TOLL_FREE);
    caller.talks(SOON);

    line.rewrite_plan(|plan| plan.replace("no_input", "no_imput"));
    let refused = line.api().ask("POST", "/api/v1/reload", "");
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(refused.body.contains("dialplan.toml") && refused.body.contains("remedy"), "{}", refused.body);
    line.signal(Signal::Hup);
    events.wait("reload_refused", 1, SOON);

    line.rewrite_plan(|plan| plan + "\n# A comment changes nothing but the file.\n");
    let reloaded = line.api().ask("POST", "/api/v1/reload", "");
    assert_eq!(reloaded.status, 200, "{}", reloaded.body);
    line.signal(Signal::Hup);
    events.wait("reloaded", 1, SOON);

    // The call that came before all this goes on in its own plan.
    caller.press("1");
    assert_eq!(events.answered_by(1, SOON), "advocate-en");
    caller.hears_tone(700.0, SOON);
    line.runs();
}

#[test]
fn a_good_plan_that_is_refused_for_another_reason_leaves_its_file_as_it_was() {
    let mut line = Line::demo().own_plan().start();
    let plan = line.files().join("dialplan.toml");
    let before = std::fs::read_to_string(&plan).expect("the plan");
    let in_force = line.api().json("/api/v1/dialplan")["hash"].clone();
    let change = serde_json::json!({
        "source": format!("{before}\n# Another one.\n"), "base_hash": in_force,
    });
    line.rewrite("log.format", "neither");
    let refused = line.api().ask("PUT", "/api/v1/dialplan", &change.to_string());
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(refused.body.contains("log.format"), "{}", refused.body);
    assert_eq!(std::fs::read_to_string(&plan).expect("the plan"), before);
    // Once that is put right, the same change goes in: nothing stale was left behind.
    line.rewrite("log.format", "text");
    let done = line.api().ask("PUT", "/api/v1/dialplan", &change.to_string());
    assert_eq!(done.status, 200, "{}", done.body);
    assert!(std::fs::read_to_string(&plan).expect("the plan").contains("# Another one."));
}

#[test]
fn sigterm_refuses_new_calls_waits_for_the_talk_and_ends_well() {
    let mut line = Line::demo().with("node.drain", 60).start();
    let _advocate = line.advocate("advocate-en", 700.0);
    let mut caller = Baresip::caller(440.0).start();
    caller.dial_line(&line, TOLL_FREE);
    caller.talks(SOON);
    caller.press("1");
    caller.hears_tone(700.0, SOON);
    line.signal(Signal::Term);
    until("/ready to say no", SOON, || line.api().ready().filter(|r| r.status == 503));
    let late = Sipp::new("refused").start(line.sip());
    let refusal = late.hears("SIP/2.0 503", SOON);
    assert!(refusal.contains("Retry-After"), "{refusal}");
    holds_for("the talk goes on", Duration::from_secs(2), || !caller.has_hung_up());
    line.runs();
    caller.hears_tone(700.0, SOON);
    caller.hang_up();
    let status = line.ends(SOON);
    assert!(status.success(), "it ended with {status}:\n{}", line.log());
    Report::becomes(line.config(), Report { offered: 1, answered: 1, abandoned: 0, lost: 0, in_progress: 0 });
}

#[test]
fn sigterm_ends_at_its_limit_and_says_what_was_left() {
    let mut line = Line::demo().with("node.drain", 1).start();
    let _advocate = line.advocate("advocate-en", 700.0);
    let mut caller = Baresip::caller(440.0).start();
    caller.dial_line(&line, TOLL_FREE);
    caller.talks(SOON);
    caller.press("1");
    caller.hears_tone(700.0, SOON);
    line.signal(Signal::Term);
    line.ends(SOON);
    assert!(line.log().contains('1'), "it says what is left:\n{}", line.log());
    until("the caller to be told", SOON, || caller.has_hung_up().then_some(()));
}
