//! The HTTP API, the metrics and the feature codes: the line as operators and advocates steer it.

use std::time::Duration;

use havre_e2e::{Baresip, Host, Line, Sipp, TOLL_FREE, audio, until};

const SOON: Duration = Duration::from_secs(5);

#[test]
fn the_api_asks_for_a_token_and_describes_itself() {
    let line = Line::demo().start();
    let api = line.api();
    let description = api.json("/openapi.json");
    let paths = description["paths"].as_object().expect("paths");
    for path in [
        "/health",
        "/ready",
        "/metrics",
        "/api/v1/queues",
        "/api/v1/calls",
        "/api/v1/agents",
        "/api/v1/events",
        "/api/v1/agents/{id}/state",
        "/api/v1/calls/{id}/escalate",
        "/api/v1/reload",
    ] {
        assert!(paths.contains_key(path), "{path} is not described");
    }
    for path in ["/api/v1/queues", "/api/v1/calls", "/api/v1/agents", "/api/v1/events"] {
        assert_eq!(api.get_as(path, None).status, 401, "{path} without a token");
        assert_eq!(api.get_as(path, Some("wrong")).status, 401, "{path} with a wrong one");
    }
    for path in ["/health", "/ready"] {
        assert_eq!(api.get_as(path, None).status, 200, "{path} is for probes");
    }
    assert_eq!(api.set_state("nobody", "ready").status, 404);
    assert!(api.set_state("advocate-en", "asleep").status >= 400);
    assert!(api.get_as("/", None).body.contains("<html"), "the console");
}

#[test]
fn states_queues_calls_and_metrics_follow_a_call() {
    let line = Line::demo().start();
    let (api, events) = (line.api(), line.events());
    let agents = api.agents();
    assert_eq!(agents.len(), 4);
    assert!(agents.values().all(|state| state == "signed_out"), "{agents:?}");
    let mut advocate = line.ringing_advocate("advocate-fr", 900.0);
    let mut caller = Baresip::caller(440.0).start();
    caller.dial_line(&line, TOLL_FREE);
    caller.talks(SOON);
    caller.press("2");
    advocate.sees("CALL_INCOMING", 1, SOON);
    api.wait_for_state("advocate-fr", "offered");
    let calls = api.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(
        (calls[0]["stage"].as_str(), calls[0]["language"].as_str()),
        (Some("waiting"), Some("fr")),
        "{calls:?}"
    );
    until("the queue to show one waiting", SOON, || {
        (api.json("/api/v1/queues")["waiting"] == 1).then_some(())
    });
    assert!((api.metric("havre_waiting_callers", "language=\"fr\"") - 1.0).abs() < 0.1);
    advocate.answer();
    api.wait_for_state("advocate-fr", "talking");
    caller.hears_tone(900.0, SOON);
    let call = api.calls().remove(0);
    assert_eq!((call["stage"].as_str(), call["risk"].as_str()), (Some("talking"), Some("standard")));
    let id = call["id"].as_str().expect("an id").to_owned();
    assert_eq!(api.ask("POST", &format!("/api/v1/calls/{id}/escalate"), "").status, 200);
    until("the call to be urgent", SOON, || (api.calls()[0]["risk"] == "urgent").then_some(()));
    // Measured every five seconds, like RTCP.
    until("received packets to be counted", SOON * 2, || {
        (api.metric("havre_rtp_packets_received_total", "") > 10.0).then_some(())
    });
    caller.hang_up();
    events.wait("ended", 1, SOON);
    until("the metrics to count it", SOON, || {
        let counts = ["offered", "answered", "abandoned", "lost"]
            .map(|n| api.metric(&format!("havre_calls_{n}_total"), ""));
        (counts == [1.0, 1.0, 0.0, 0.0]).then_some(())
    });
    assert!(api.get("/metrics").body.contains("# TYPE havre_wait_seconds histogram"));
}

#[test]
fn an_advocate_s_state_is_set_by_the_api_and_a_break_gets_no_offer() {
    let line = Line::demo().start();
    let (api, events) = (line.api(), line.events());
    let _resting = line.advocate("advocate-en", 700.0);
    assert_eq!(api.set_state("advocate-en", "break").status, 200);
    api.wait_for_state("advocate-en", "not_ready");
    let mut caller = Baresip::caller(440.0).start();
    caller.dial_line(&line, TOLL_FREE);
    caller.talks(SOON);
    caller.press("1");
    events.wait("joined", 1, SOON);
    std::thread::sleep(Duration::from_secs(1));
    assert!(events.of("offered").is_empty(), "{}", events.log());
    assert_eq!(api.set_state("advocate-en", "ready").status, 200);
    assert_eq!(events.answered_by(1, SOON), "advocate-en");
    caller.hears_tone(700.0, SOON);
}

#[test]
fn feature_codes_set_the_state_and_are_answered_by_a_voice() {
    let line = Line::demo().start();
    let api = line.api();
    let mut advocate = line.advocate("advocate-fr", 900.0);
    let reason = || api.agent("advocate-fr")["reason"].as_str().map(str::to_owned);
    for (nth, (code, state, why)) in [
        ("*41", "not_ready", Some("break")),
        ("*44", "not_ready", Some("break")),
        ("*40", "ready", None),
        ("*43", "not_ready", Some("hard_call")),
        ("*40", "ready", None),
    ]
    .into_iter()
    .enumerate()
    {
        advocate.dial_line(&line, code);
        advocate.sees("CALL_ESTABLISHED", nth + 1, SOON);
        until(&format!("a voice after {code}"), SOON, || {
            (audio::level(&advocate.heard(SOON / 10)) > -40.0).then_some(())
        });
        api.wait_for_state("advocate-fr", state);
        assert_eq!(reason().as_deref(), why, "after {code}");
        advocate.sees("CALL_CLOSED", nth + 1, SOON * 3);
    }
    // A caller's phone has no feature codes.
    let mut caller = Baresip::caller(440.0).start();
    caller.dial_line(&line, "*41");
    caller.sees("CALL_CLOSED", 1, SOON);
    assert!(caller.seen("CALL_ESTABLISHED").is_empty());
    assert_eq!(api.agents()["advocate-fr"], "ready");
}

#[test]
fn a_wrong_password_registers_nobody() {
    let line = Line::demo().start();
    let mut wrong = Sipp::registration("advocate-en", "guess", Host::claim()).start(line.sip());
    let status = wrong.process().wait(SOON);
    assert!(!status.success());
    assert_eq!(line.api().agents()["advocate-en"], "signed_out");
}
