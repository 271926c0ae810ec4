//! The API as a client sees it, and against its own description.

// A helper of tests may panic as a test may.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::{BEARER, NOW, Server, TOKEN, problem};
use havre_model::{
    AgentState, CallId, Cause, Digit, Language, Mode, Mono, OfferId, OfferKind, Outcome, Risk, StateReason,
    What,
};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn the_queue_is_counted_by_language_and_class() {
    let server = busy().await;
    let queues = server.get("/api/v1/queues").await.json();
    assert_eq!(queues["waiting"], 2);
    assert_eq!(queues["longest_wait_ms"], 30_000);
    let totals = json!({"offered": 4, "answered": 1, "abandoned": 0, "lost": 0, "in_progress": 3});
    assert_eq!(queues["totals"], totals);
    assert_eq!(queues["queues"].as_array().unwrap().len(), 16);
    let urgent = json!({
        "language": "fr", "risk": "urgent", "waiting": 1, "ringing": 1, "longest_wait_ms": 10_000,
        "longest_since": 90_000
    });
    assert!(queues["queues"].as_array().unwrap().contains(&urgent));
    let french = &queues["service"][1];
    let seen = json!({
        "language": "fr", "answered": 1, "abandoned": 0, "lost": 0, "mean_wait_ms": 8000,
        "target_ms": 20_000, "target_percent": 90, "target_mean_ms": 20_000, "within": 1, "of": 1
    });
    assert_eq!(*french, seen);
}

#[tokio::test]
async fn calls_are_listed_in_the_order_of_the_line() {
    let server = busy().await;
    let calls = server.get("/api/v1/calls").await.json();
    let ids: Vec<_> = calls["calls"].as_array().unwrap().iter().map(|call| call["id"].clone()).collect();
    assert_eq!(ids, ["c0000000000000002", "c0000000000000001", "c0000000000000003"]);
    let urgent = &calls["calls"][0];
    assert_eq!(urgent["mode"], json!({"silent": true, "discreet": false, "sound": "full"}));
    assert_eq!(urgent["ringing"], json!(["advocate-fr"]));
    assert_eq!((&urgent["tty"], &calls["calls"][1]["tty"]), (&json!(false), &json!(true)));
    assert_eq!(urgent["waited_ms"], 10_000);
    assert_eq!(server.get("/api/v1/calls/c0000000000000002").await.json(), *urgent);
    for gone in ["c0000000000000004", "c9999999999999999", "x"] {
        problem(&server.get(&format!("/api/v1/calls/{gone}")).await, 404, "not-found");
    }
}

#[tokio::test]
async fn a_call_in_progress_is_made_urgent_and_no_other() {
    let server = busy().await;
    let escalate = async |id: &str, headers: &[(&str, &str)]| {
        server.ask(Method::POST, &format!("/api/v1/calls/{id}/escalate"), headers, "").await
    };
    let token = [BEARER];
    let call = escalate("c0000000000000001", &token).await;
    assert_eq!(call.status, StatusCode::OK);
    assert_eq!((&call.json()["id"], &call.json()["risk"]), (&json!("c0000000000000001"), &json!("urgent")));
    for gone in ["c0000000000000004", "c9999999999999999", "x"] {
        problem(&escalate(gone, &token).await, 404, "not-found");
    }
    problem(&escalate("c0000000000000001", &[]).await, 401, "unauthorized");
    let read = server.get("/api/v1/calls/c0000000000000001/escalate").await;
    problem(&read, 405, "method");
}

#[tokio::test]
async fn the_signalling_of_calls_and_of_what_became_none_is_told() {
    let server = busy().await;
    let trace = server.get("/api/v1/calls/c0000000000000003/trace").await.json();
    assert_eq!((&trace["call"], &trace["left_out"]), (&json!("c0000000000000003"), &json!(3)));
    let ringing = json!({
        "at": NOW.unix.as_millis() + 12, "after_ms": 12, "peer": {"kind": "trunk", "id": "demo"}, "dialog": 0,
        "sent": true, "transport": "udp", "method": "INVITE", "status": 180, "seq": 1, "again": false,
        "sdp": false, "cause": null
    });
    assert_eq!(trace["messages"][1], ringing);
    assert_eq!(trace["messages"][0]["status"], Value::Null);
    for gone in ["c0000000000000009", "x"] {
        problem(&server.get(&format!("/api/v1/calls/{gone}/trace")).await, 404, "not-found");
    }
    let attempts = server.get("/api/v1/attempts").await.json();
    assert_eq!(
        (&attempts["attempts"][0]["status"], attempts["attempts"].as_array().unwrap().len()),
        (&json!(404), 1)
    );
    let metrics = server.get("/metrics").await;
    for line in [
        "havre_sip_requests_total{direction=\"in\",transport=\"udp\",method=\"INVITE\"} 7",
        "havre_sip_responses_total{direction=\"out\",transport=\"udp\",code=\"200\"} 6",
        "havre_sip_responses_total{direction=\"out\",transport=\"udp\",code=\"other\"} 1",
    ] {
        assert!(metrics.text().lines().any(|known| known == line), "{line}: {}", metrics.text());
    }
}

#[tokio::test]
async fn a_call_that_waits_is_taken_and_the_answer_says_why_not() {
    let server = busy().await;
    let take = async |id: &str, agent: &str| {
        server.ask(Method::POST, &format!("/api/v1/calls/{id}/take?agent={agent}"), &[BEARER], "").await
    };
    assert_eq!(take("c0000000000000002", "supervisor").await.status, StatusCode::NO_CONTENT);
    assert_eq!(*server.line.taken.lock().unwrap(), [(CallId(2), "supervisor".parse().unwrap())]);
    problem(&take("c0000000000000002", "advocate-fr").await, 409, "busy");
    problem(&take("c0000000000000002", "other").await, 409, "unreachable");
    problem(&take("c0000000000000002", "nobody").await, 409, "unknown-agent");
    problem(&take("c0000000000000003", "supervisor").await, 409, "not-waiting");
    problem(&take("c0000000000000002", "").await, 400, "no-agent");
    for gone in ["c0000000000000004", "c9999999999999999", "x"] {
        problem(&take(gone, "supervisor").await, 404, "not-found");
    }
    assert_eq!(server.line.taken.lock().unwrap().len(), 1);
    server.account("anne", &["supervisor"], None).await;
    let anne = server.sign_in("anne").await;
    let own = "/api/v1/calls/c0000000000000002/take?agent=supervisor";
    problem(&server.ask_as(&anne, Method::POST, own, "").await, 403, "no-agent");
    server.account("sam", &["supervisor"], Some("supervisor")).await;
    let sam = server.sign_in("sam").await;
    let other = "/api/v1/calls/c0000000000000001/take?agent=advocate-fr";
    assert_eq!(server.ask_as(&sam, Method::POST, other, "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(
        server.line.taken.lock().unwrap()[1],
        (CallId(1), "supervisor".parse().unwrap()),
        "for oneself"
    );
    let audit = server.get("/api/v1/audit").await.json();
    let entry = &audit["entries"][0];
    assert_eq!((&entry["user"], &entry["act"]), (&json!("sam"), &json!("take")));
    assert_eq!(entry["target"], "c0000000000000001");
}

#[tokio::test]
async fn agents_are_listed_with_state_and_reason() {
    let server = Server::start().await;
    let until = Some(NOW.mono + Duration::from_secs(90));
    let since = NOW.unix - Duration::from_secs(5);
    server.line.agent("advocate-fr", AgentState::NotReady { reason: StateReason::HardCall, since, until });
    let agents = server.get("/api/v1/agents").await.json();
    let first = json!({
        "id": "advocate-fr", "languages": ["fr"], "roles": ["advocate"], "state": "not_ready",
        "reason": "hard_call", "since": 95_000, "ends_in_ms": 90_000, "call": null
    });
    assert_eq!(agents["agents"][0], first);
    assert_eq!(agents["agents"][1]["roles"], json!(["advocate", "supervisor"]));
}

#[tokio::test]
async fn a_state_is_set_or_the_answer_says_why_not() {
    let server = Server::start_with(|config| config.limits.answer_time = Duration::from_millis(200)).await;
    let agent = server.put_state("advocate-fr", r#"{"state":"ready"}"#).await;
    assert_eq!(agent.status, StatusCode::OK);
    assert_eq!((&agent.json()["id"], &agent.json()["state"]), (&json!("advocate-fr"), &json!("ready")));

    let ready = r#"{"state":"ready"}"#;
    problem(&server.put_state("nobody", ready).await, 404, "not-found");
    problem(&server.put_state("no%20body", ready).await, 404, "not-found");
    problem(&server.put_state("%ff", ready).await, 400, "bad-path");
    problem(&server.put_state("advocate-fr", r#"{"state":"end_wrap_up"}"#).await, 409, "not-now");
    problem(&server.put_state("advocate-fr", r#"{"state":"hard_call"}"#).await, 503, "unavailable");
    problem(&server.put_state("advocate-fr", r#"{"state":"break"}"#).await, 503, "unavailable");

    // What was refused changed nothing. What was not answered may have been done, and stands in the audit as that.
    let audit = server.get("/api/v1/audit").await.json();
    let entries = audit["entries"].as_array().unwrap().iter();
    let said: Vec<_> =
        entries.map(|entry| ["act", "target", "detail"].map(|key| entry[key].as_str().unwrap())).collect();
    let asked = |detail| ["agent_state", "advocate-fr", detail];
    assert_eq!(said, [asked("outcome_unknown break"), asked("outcome_unknown hard_call"), asked("ready")]);
}

#[tokio::test]
async fn an_act_whose_asker_went_away_is_audited_all_the_same() {
    let server = Server::start_with(|config| config.limits.answer_time = Duration::from_secs(60)).await;
    let asking = server.put_state("advocate-fr", r#"{"state":"break"}"#);
    // The line never answers; who asked hangs up meanwhile.
    tokio::time::timeout(Duration::from_millis(300), asking).await.unwrap_err();
    let detail = async || server.get("/api/v1/audit").await.json()["entries"][0]["detail"].clone();
    while detail().await.is_null() {
        tokio::task::yield_now().await;
    }
    assert_eq!(detail().await, "outcome_unknown break");
}

#[tokio::test]
async fn bad_bodies_are_answered_with_what_to_send() {
    let server = Server::start().await;
    for (body, status, kind) in [
        ("", 400, "bad-json"),
        ("{", 400, "bad-json"),
        ("[]", 422, "bad-value"),
        ("{}", 422, "bad-value"),
        (r#"{"state":"asleep"}"#, 422, "bad-value"),
        (r#"{"state":5}"#, 422, "bad-value"),
        (r#"{"state":"ready","x":1}"#, 422, "bad-value"),
        (&format!("{}1", "[".repeat(10_000)), 422, "bad-value"),
        (&format!(r#"{{"state":{}1"#, "[".repeat(10_000)), 422, "bad-value"),
    ] {
        let reply = server.put_state("advocate-fr", body).await;
        let problem = problem(&reply, status, kind);
        assert!(problem["remedy"].as_str().unwrap().contains("end_wrap_up"), "{problem}");
    }
    problem(&server.put_state("advocate-fr", &"x".repeat(20_000)).await, 413, "too-large");
    let plain = &[BEARER, ("content-type", "text/plain")];
    let reply = server.ask(Method::PUT, "/api/v1/agents/advocate-fr/state", plain, "ready").await;
    problem(&reply, 415, "not-json");
}

#[tokio::test]
async fn a_refused_reload_names_file_line_key_and_remedy() {
    let server = Server::start().await;
    let reply = server.ask(Method::POST, "/api/v1/reload", &[BEARER], "").await;
    assert_eq!((reply.status, &reply.json()["dialplan"]), (StatusCode::OK, &json!("abc123")));
    server.line.readiness.lock().unwrap().draining = true;
    let reply = server.ask(Method::POST, "/api/v1/reload", &[BEARER], "").await;
    let problem = problem(&reply, 422, "reload-refused");
    assert_eq!(problem["findings"][0]["line"], 12);
    assert_eq!(problem["findings"][0]["key"], "menu.greeting.no_input");
}

#[tokio::test]
async fn readiness_says_why_and_what_is_degraded() {
    let server = Server::start().await;
    let ready = async || {
        let reply = server.ask(Method::GET, "/ready", &[], "").await;
        let kinds: Vec<_> =
            reply.json()["reasons"].as_array().unwrap().iter().map(|r| r["kind"].clone()).collect();
        (reply.status.as_u16(), reply.json()["ready"].clone(), kinds)
    };
    assert_eq!(ready().await, (200, json!(true), vec![]));
    server.line.readiness.lock().unwrap().store_up = false;
    assert_eq!(ready().await, (200, json!(true), vec![json!("store_degraded")]));
    server.line.readiness.lock().unwrap().draining = true;
    server.line.readiness.lock().unwrap().notes.push("3 talks left".to_owned());
    let all = vec![json!("draining"), json!("store_degraded"), json!("note")];
    assert_eq!(ready().await, (503, json!(false), all));
    let health = server.ask(Method::GET, "/health", &[], "").await;
    assert_eq!((health.status, health.json()), (StatusCode::OK, json!({"status": "ok"})));
}

#[tokio::test]
async fn nothing_but_probes_and_page_is_told_without_the_token() {
    let server = busy().await;
    let long = format!("Bearer {}", "x".repeat(5_000));
    let (almost, more) = (format!("Bearer {}", &TOKEN[1..]), format!("Bearer {TOKEN}x"));
    let wrong: [&[(&str, &str)]; 8] = [
        &[],
        &[("authorization", "Bearer")],
        &[("authorization", "Bearer ")],
        &[("authorization", TOKEN)],
        &[("authorization", "Basic dGVzdA==")],
        &[("authorization", &almost)],
        &[("authorization", &more)],
        &[("authorization", &long)],
    ];
    for (method, path) in [
        (Method::GET, "/metrics"),
        (Method::GET, "/openapi.json"),
        (Method::GET, "/api/v1/queues"),
        (Method::GET, "/api/v1/calls"),
        (Method::GET, "/api/v1/calls/c0000000000000002"),
        (Method::GET, "/api/v1/agents"),
        (Method::GET, "/api/v1/events"),
        (Method::PUT, "/api/v1/agents/advocate-fr/state"),
        (Method::POST, "/api/v1/reload"),
        (Method::HEAD, "/api/v1/calls"),
    ] {
        for headers in wrong {
            let reply = server.ask(method.clone(), path, headers, "").await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{method} {path} {headers:?}");
            assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"api\"");
            if method != Method::HEAD {
                problem(&reply, 401, "unauthorized");
            }
        }
        // A token in the address is no token.
        let reply = server.ask(method.clone(), &format!("{path}?token={TOKEN}"), &[], "").await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{method} {path}");
    }
}

#[tokio::test]
async fn the_loopback_demo_may_open_the_metrics() {
    let server = Server::start_with(|config| config.open_metrics = true).await;
    assert_eq!(server.ask(Method::GET, "/metrics", &[], "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_page_is_our_own_and_keeps_to_itself() {
    let server = Server::start().await;
    let page = async |path: &str, encoding: &str| {
        server.ask(Method::GET, path, &[("accept-encoding", encoding)], "").await
    };
    let index = page("/", "gzip").await;
    assert_eq!((index.status, index.header("content-encoding")), (StatusCode::OK, ""));
    assert_eq!(index.header("cache-control"), "no-store", "another version names other files");
    let policy = index.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
    assert!(policy.contains(&format!("connect-src 'self' ws://{}", server.address)), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let files: Vec<_> =
        index.text().split("\"./app/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(files.len() >= 3, "{}", index.text());
    for file in files {
        let path = format!("/app/{file}");
        let (plain, small) = (page(&path, "gzip").await, page(&path, "gzip, br").await);
        for reply in [&plain, &small] {
            assert_eq!(reply.status, StatusCode::OK, "{file}");
            let kind = match file.rsplit('.').next().unwrap() {
                "js" => "text/javascript; charset=utf-8",
                "css" => "text/css; charset=utf-8",
                _ => "image/svg+xml",
            };
            assert_eq!(reply.header("content-type"), kind);
            assert_eq!(reply.header("cache-control"), "public, max-age=31536000, immutable");
            assert_eq!(reply.header("vary"), "accept-encoding");
            assert_eq!(reply.header("x-content-type-options"), "nosniff");
        }
        assert_eq!((plain.header("content-encoding"), small.header("content-encoding")), ("", "br"));
        assert!(small.body.len() < plain.body.len(), "{file}");
    }
    for nothing in
        ["/app/x", "/app/../Cargo.toml", "/app/%2e%2e%2fCargo.toml", "/app/index.html", "/nothing", "/api/v1"]
    {
        problem(&page(nothing, "br").await, 404, "not-found");
    }
}

/// Every answer has the safe headers; every described path takes exactly the described methods.
#[tokio::test]
async fn the_description_names_every_method_of_every_path() {
    let server = busy().await;
    let description = server.get("/openapi.json").await.json();
    assert_eq!(description["info"]["version"], "9.8.7");
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
    for (path, item) in description["paths"].as_object().unwrap() {
        let path = path.replace("{id}", "x").replace("{file}", "x");
        let path = path.replace("{user}", "x");
        let reply = server.ask(Method::TRACE, &path, &[BEARER], "").await;
        problem(&reply, 405, "method");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("cache-control"), "no-store");
        let allowed: BTreeSet<_> =
            reply.header("allow").split(',').map(str::to_lowercase).filter(|m| m != "head").collect();
        let described: BTreeSet<_> = item.as_object().unwrap().keys().cloned().collect();
        assert_eq!(allowed, described, "{path}");
    }
}

#[tokio::test]
async fn every_answer_is_as_described() {
    let server = busy().await;
    let description = server.get("/openapi.json").await.json();
    for (path, schema) in [
        ("/health", "Health"),
        ("/ready", "Ready"),
        ("/api/v1/queues", "Queues"),
        ("/api/v1/calls", "Calls"),
        ("/api/v1/calls/c0000000000000003", "Call"),
        ("/api/v1/agents", "Agents"),
        ("/api/v1/calls/c0000000000000003/trace", "CallTrace"),
        ("/api/v1/attempts", "Attempts"),
        ("/nothing", "Problem"),
    ] {
        valid(&description, schema, &server.get(path).await.json());
    }
    let agent = server.put_state("advocate-fr", r#"{"state":"ready"}"#).await.json();
    valid(&description, "Agent", &agent);
    let reloaded = server.ask(Method::POST, "/api/v1/reload", &[BEARER], "").await.json();
    valid(&description, "Reloaded", &reloaded);
    server.line.readiness.lock().unwrap().draining = true;
    let refused = server.ask(Method::POST, "/api/v1/reload", &[BEARER], "").await.json();
    valid(&description, "Problem", &refused);

    // The check itself can fail.
    assert!(!is_valid(&description, "Health", &json!({})));
    assert!(!is_valid(&description, "Agent", &{
        let mut wrong = agent.clone();
        wrong["state"] = json!("asleep");
        wrong
    }));
}

/// Three calls in progress (one talking, two waiting, one of them urgent and ringing) and one over.
async fn busy() -> Server {
    let server = Server::start().await;
    let line = &server.line;
    let agent = || "advocate-fr".parse().unwrap();
    let waited = Duration::from_secs(8);
    line.arrive_and_join(20, 4, Language::Fr, Risk::Standard);
    line.call(28, 4, What::Answered { agent: agent(), waited });
    line.call(40, 4, What::Ended { outcome: Outcome::Answered, cause: Cause::AgentHungUp });
    line.arrive_and_join(41, 3, Language::Other, Risk::Information);
    line.call(49, 3, What::Answered { agent: agent(), waited });
    line.call(50, 3, What::Key(Digit::from_char('1').unwrap()));
    line.arrive_and_join(70, 1, Language::En, Risk::Standard);
    line.call(75, 1, What::Tty);
    line.arrive_and_join(90, 2, Language::Fr, Risk::Urgent);
    line.call(90, 2, What::Mode(Mode { silent: true, ..Mode::default() }));
    line.call(91, 2, What::Offered { offer: OfferId(1), agent: agent(), kind: OfferKind::WrapUp });
    let until = NOW.mono + Duration::from_secs(12);
    line.agent("advocate-fr", AgentState::Offered { offer: OfferId(1), call: CallId(2), until });
    assert!(until > Mono::ZERO);
    server
}

#[track_caller]
fn valid(description: &Value, schema: &str, value: &Value) {
    let validator = validator(description, schema);
    let errors: Vec<_> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0], "{schema}: {value}");
}

fn is_valid(description: &Value, schema: &str, value: &Value) -> bool {
    validator(description, schema).is_valid(value)
}

/// A schema of the description, strict: what is not described may not be there.
fn validator(description: &Value, schema: &str) -> jsonschema::Validator {
    let mut components = description["components"].clone();
    assert!(components["schemas"][schema].is_object(), "{schema} is not described");
    for schema in components["schemas"].as_object_mut().unwrap().values_mut() {
        if schema["type"] == "object" {
            schema["additionalProperties"] = json!(false);
        }
    }
    let root = json!({"$ref": format!("#/components/schemas/{schema}"), "components": components});
    jsonschema::validator_for(&root).unwrap()
}
