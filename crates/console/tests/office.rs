//! What supervisors and operators look at and change beside the live screens, exactly as the examples in `shapes/` say.

// A helper of tests may panic as a test may.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{BEARER, NOW, Reply, Server, assert_shape};
use havre_console::PastCall;
use havre_model::{AgentId, Cause, Digit, Language, Outcome, Risk, Unix, What};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn today_is_told_in_quarters_of_an_hour() {
    let server = Server::start().await;
    let line = &server.line;
    let past = |minute: i64, ended| PastCall {
        arrived: Unix::from_millis(minute * 60_000),
        language: Language::Fr,
        talks: vec![(Unix::from_millis(minute * 60_000), Duration::from_secs(7))],
        ended,
    };
    line.tell(|board| {
        board.on_past_call(&past(-20, Some((Unix::from_millis(-60_000), Outcome::Answered))));
        board.on_past_call(&past(-10_000, None));
    });
    line.arrive_and_join(10, 1, Language::En, Risk::Standard);
    line.arrive_and_join(12, 2, Language::Fr, Risk::Standard);
    line.call(15, 1, What::Answered { agent: id("supervisor"), waited: Duration::from_secs(5) });
    line.call(40, 2, What::Ended { outcome: Outcome::Abandoned, cause: Cause::CallerHungUp });
    let mut today = server.get("/api/v1/today").await.json();
    let buckets = today["buckets"].as_array_mut().unwrap();
    assert_eq!(buckets.len(), 96);
    buckets.drain(..93);
    assert_shape("today", &today);
}

#[tokio::test]
async fn a_call_is_told_event_by_event_without_its_keys() {
    let server = Server::start().await;
    let line = &server.line;
    line.arrive_and_join(10, 1, Language::Fr, Risk::Urgent);
    line.call(18, 1, What::Answered { agent: id("advocate-fr"), waited: Duration::from_secs(8) });
    line.call(19, 1, What::Key(Digit::from_char('7').unwrap()));
    let log = server.get("/api/v1/calls/c0000000000000001/events").await;
    assert_shape("call-events", &log.json());
    assert!(!log.text().contains('7'), "{}", log.text());
    line.call(30, 1, What::Ended { outcome: Outcome::Answered, cause: Cause::AgentHungUp });
    let over = server.get("/api/v1/calls/c0000000000000001/events").await.json();
    assert_eq!((&over["quality"], &over["events"][4]["outcome"]), (&Value::Null, &json!("answered")));
    for unknown in ["c0000000000000002", "x"] {
        let path = format!("/api/v1/calls/{unknown}/events");
        assert_eq!(server.get(&path).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn an_advocate_sees_the_own_talks() {
    let server = Server::start().await;
    assert_shape("history", &server.get("/api/v1/desk/history?agent=advocate-fr").await.json());
    let broken = server.get("/api/v1/desk/history?agent=supervisor").await;
    assert_eq!(broken.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_roster_is_kept_and_covers_hours() {
    let server = Server::start().await;
    let put = async |body: &str| server.ask(Method::PUT, "/api/v1/roster", &[BEARER, JSON], body).await;
    let roster = json!({"shifts": [
        {"agent": "advocate-fr", "day": 0, "from": "08:00", "to": "16:00"},
        {"agent": "supervisor", "day": 6, "from": "22:00", "to": "06:00"},
    ]});
    assert_eq!(put(&roster.to_string()).await.status, StatusCode::OK);
    assert_eq!(server.get("/api/v1/roster").await.json(), roster);
    assert_shape("roster", &roster);
    let mut coverage = server.get("/api/v1/coverage").await.json();
    let hours = coverage["hours"].as_array_mut().unwrap();
    assert_eq!(hours.len(), 168);
    hours.truncate(9);
    assert_shape("coverage", &coverage);
    for bad in [
        json!({"shifts": [{"agent": "nobody", "day": 0, "from": "08:00", "to": "16:00"}]}),
        json!({"shifts": [{"agent": "supervisor", "day": 7, "from": "08:00", "to": "16:00"}]}),
        json!({"shifts": [{"agent": "supervisor", "day": 0, "from": "8:00", "to": "16:00"}]}),
        json!({"shifts": [], "note": ""}),
    ] {
        assert_eq!(put(&bad.to_string()).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
    assert_eq!(put("{").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(server.get("/api/v1/roster").await.json(), roster);
}

#[tokio::test]
async fn trunks_are_as_far_as_their_calls_tell() {
    let server = Server::start().await;
    server.line.arrive_and_join(10, 1, Language::Fr, Risk::Standard);
    assert_shape("trunks", &server.get("/api/v1/trunks").await.json());
}

#[tokio::test]
async fn the_dialplan_is_shown_with_live_counts() {
    let server = Server::start().await;
    server.line.arrive_and_join(10, 1, Language::Fr, Risk::Standard);
    server.line.arrive_and_join(10, 2, Language::Fr, Risk::Standard);
    server.line.call(15, 1, What::Answered { agent: id("supervisor"), waited: Duration::from_secs(5) });
    for key in [Digit::from_char('1'), None, Digit::from_char('1')] {
        server.line.tell(|board| board.on_went("menu:greeting", key, Unix::from_millis(16_000)));
    }
    assert_shape("dialplan", &server.get("/api/v1/dialplan").await.json());
}

#[tokio::test]
async fn another_dialplan_is_compared_before_it_is_put_in_force() {
    let server = Server::start().await;
    let ask = async |method: Method, path: &str, body: Value| {
        server.ask(method, path, &[BEARER, JSON], &body.to_string()).await
    };
    let check =
        async |source: &str| ask(Method::POST, "/api/v1/dialplan/check", json!({"source": source})).await;
    // Larger than what other routes take.
    assert_shape("dialplan-check", &check(&"x".repeat(100_000)).await.json());
    assert_shape("dialplan-check-bad", &check("bad").await.json());
    assert_eq!(check(&"x".repeat(3 << 20)).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let put = async |source: &str, base: &str| {
        ask(Method::PUT, "/api/v1/dialplan", json!({"source": source, "base_hash": base})).await
    };
    assert_eq!(put("good", "abc123").await.json()["dialplan"], "def456");
    problem(&put("good", "stale").await, 409, "stale");
    let refused = put("bad", "abc123").await;
    problem(&refused, 422, "refused");
    assert_eq!(refused.json()["findings"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn prompts_are_listed_heard_and_replaced() {
    let server = Server::start().await;
    assert_shape("prompts", &server.get("/api/v1/prompts").await.json());
    let heard = server.get("/api/v1/prompts/P6/fr.wav").await;
    assert_eq!(
        (heard.status, heard.header("content-type"), &heard.body[..]),
        (StatusCode::OK, "audio/wav", &b"RIFF"[..])
    );
    assert_eq!(server.get("/api/v1/prompts/waiting/none.wav").await.status, StatusCode::OK);
    for unknown in ["P6/fr", "P6/de.wav", "P7/fr.wav", "..%2FP6/fr.wav"] {
        problem(&server.get(&format!("/api/v1/prompts/{unknown}")).await, 404, "not-found");
    }
    let put = async |path: &str, wav: &str| {
        server.ask(Method::PUT, path, &[BEARER, ("content-type", "audio/wav")], wav).await
    };
    assert_eq!(put("/api/v1/prompts/P6/fr", &"x".repeat(1 << 20)).await.status, StatusCode::OK);
    problem(&put("/api/v1/prompts/P6/fr", "x").await, 422, "refused");
    problem(&put("/api/v1/prompts/P6/de", "x").await, 404, "not-found");
    problem(&put("/api/v1/prompts/P6/fr", &"x".repeat(9 << 20)).await, 413, "too-large");
}

#[tokio::test]
async fn every_province_has_its_card() {
    let server = Server::start().await;
    let cards = server.get("/api/v1/provinces").await.json();
    assert_eq!(cards["provinces"].as_array().unwrap().len(), 13);
    assert_eq!(cards["provinces"][10]["name_fr"], "Québec");
}

fn problem(reply: &Reply, status: u16, kind: &str) {
    assert_eq!(reply.status.as_u16(), status, "{}", reply.text());
    assert_eq!(reply.json()["type"], format!("urn:havre:problem:{kind}"));
}

fn id(agent: &str) -> AgentId {
    agent.parse().unwrap()
}

const _: () = assert!(NOW.unix.as_millis() == 100_000, "the examples are of this moment");
