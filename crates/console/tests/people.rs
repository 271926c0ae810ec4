//! People who sign in: sessions, roles, origins, accounts and who did what.

// A helper of tests may panic as a test may.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::{BEARER, JSON, PASSWORD, Person, Server, problem};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn somebody_signs_in_and_out() {
    let server = Server::start().await;
    server.account("Anne", &["advocate", "supervisor"], Some("advocate-fr")).await;
    let ways = server.ask(Method::GET, "/api/v1/sign-in", &[], "").await.json();
    assert_eq!(ways, json!({"password": true, "oidc": null, "setup": false, "demo": false}));
    let reply = server.try_sign_in("aNNe", PASSWORD).await;
    let cookie = reply.header("set-cookie");
    assert!(cookie.starts_with("havre_session=") && !cookie.contains("Secure"), "{cookie}");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=86400"), "{cookie}");
    let session = json!({
        "user": "anne", "name": "Anne", "roles": ["advocate", "supervisor"], "agent": "advocate-fr",
        "language": "en", "password": true, "csrf": reply.json()["csrf"], "expires": 100_000 + 86_400_000,
        "sip": {"uri": "sip:advocate-fr@havre", "realm": "havre"}
    });
    assert_eq!(reply.json(), session);
    let anne = Person::from(&reply);
    let french = r#"{"language":"fr"}"#;
    let reply = server.ask_as(&anne, Method::PUT, "/api/v1/session/language", french).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    assert_eq!(server.ask_as(&anne, Method::GET, "/api/v1/session", "").await.json()["language"], "fr");
    let reply = server.ask_as(&anne, Method::DELETE, "/api/v1/session", "").await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    assert!(
        reply.header("set-cookie").starts_with("havre_session=; ")
            && reply.header("set-cookie").contains("Max-Age=0")
    );
    problem(&server.ask_as(&anne, Method::GET, "/api/v1/session", "").await, 401, "no-session");
    assert!(server.keep.kept.lock().unwrap().sessions.is_empty());
    // The token is nobody, so it has no session.
    problem(&server.get("/api/v1/session").await, 401, "no-session");
}

#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_are_one_answer_and_guessing_gets_slow() {
    let server = Server::start().await;
    server.account("anne", &["advocate"], None).await;
    server.account("gone", &["advocate"], None).await;
    let disabled = json!({"user": "gone", "name": "x", "roles": [], "language": "en", "disabled": true});
    server.ask(Method::PUT, "/api/v1/accounts/gone", &[BEARER, JSON], &disabled.to_string()).await;
    let mut answers = BTreeSet::new();
    for (user, password) in
        [("anne", "wrong"), ("nobody", PASSWORD), ("gone", PASSWORD), ("<b>", ""), ("", "")]
    {
        let reply = server.try_sign_in(user, password).await;
        assert_eq!(problem(&reply, 401, "wrong-credentials")["code"], "wrong_credentials");
        answers.insert(reply.text().to_owned());
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    // The right password does not help before the time, and neither does being unknown.
    for user in ["anne", "nobody"] {
        let reply = server.try_sign_in(user, PASSWORD).await;
        problem(&reply, 429, "slow-down");
        assert_eq!(reply.header("retry-after"), "1");
    }
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(server.try_sign_in("anne", PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn twenty_wrong_origins_are_refused_and_so_is_none() {
    let server = Server::start().await;
    server.account("anne", &["advocate"], None).await;
    let anne = server.sign_in("anne").await;
    let own = server.origin();
    let port = server.address.port();
    let wrong = [
        "null".to_owned(),
        String::new(),
        "http://127.0.0.1".to_owned(),
        format!("https://127.0.0.1:{port}"),
        format!("http://127.0.0.1:{}", port ^ 1),
        format!("http://127.0.0.1:{port}0"),
        format!("{own}/"),
        format!("{own}/app"),
        format!("{own}.evil.example"),
        format!("http://127.0.0.1.evil.example:{port}"),
        format!("http://evil.example:{port}"),
        "http://evil.example".to_owned(),
        format!("http://localhost.evil.example:{port}"),
        format!("http://anne@127.0.0.1:{port}"),
        format!("http://127.0.0.2:{port}"),
        format!("http://[::1]:{port}"),
        format!("http://2130706433:{port}"),
        "file://".to_owned(),
        format!("{own}, http://evil.example"),
        format!("ws://127.0.0.1:{port}"),
    ];
    let credentials = json!({"user": "anne", "password": PASSWORD}).to_string();
    for origin in wrong.iter().map(Some).chain([None]) {
        let origin = origin.map(|origin| ("origin", origin.as_str()));
        let sign_in: Vec<_> = origin.into_iter().chain([JSON]).collect();
        let reply = server.ask(Method::POST, "/api/v1/session", &sign_in, &credentials).await;
        problem(&reply, 403, "bad-origin");
        let own = [("cookie", anne.cookie.as_str()), ("x-csrf-token", &anne.csrf), JSON];
        let act: Vec<_> = origin.into_iter().chain(own).collect();
        let reply = server.ask(Method::PUT, "/api/v1/session/language", &act, r#"{"language":"fr"}"#).await;
        problem(&reply, 403, "bad-origin");
    }
    // Refused for where they came from, before anything was tried.
    assert_eq!(server.try_sign_in("anne", PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_changes_something_needs_the_sessions_own_csrf_token() {
    let server = Server::start().await;
    server.account("anne", &["supervisor"], None).await;
    server.account("eve", &["supervisor"], None).await;
    let (anne, eve) = (server.sign_in("anne").await, server.sign_in("eve").await);
    for csrf in ["", "x", &eve.csrf, &anne.csrf[1..], &anne.cookie] {
        let forged = Person { csrf: csrf.to_owned(), ..anne.clone() };
        for (method, path) in [
            (Method::DELETE, "/api/v1/session"),
            (Method::PUT, "/api/v1/agents/advocate-fr/state"),
            (Method::POST, "/api/v1/calls/c0000000000000001/escalate"),
        ] {
            problem(&server.ask_as(&forged, method, path, "{}").await, 403, "bad-csrf");
        }
    }
    let missing = [("cookie", anne.cookie.as_str()), ("origin", &server.origin())];
    problem(&server.ask(Method::DELETE, "/api/v1/session", &missing, "").await, 403, "bad-csrf");
    let state = r#"{"state":"ready"}"#;
    let reply = server.ask_as(&anne, Method::PUT, "/api/v1/agents/advocate-fr/state", state).await;
    assert_eq!(reply.status, StatusCode::OK);
}

#[tokio::test]
async fn a_session_ends_when_idle_and_after_a_day() {
    let server = Server::start().await;
    server.account("anne", &["advocate"], None).await;
    let (idle, busy) = (server.sign_in("anne").await, server.sign_in("anne").await);
    let status =
        async |person| server.ask_as(person, Method::GET, "/api/v1/session", "").await.status.as_u16();
    server.clock.advance(Duration::from_secs(11 * 3600));
    assert_eq!(status(&busy).await, 200);
    server.clock.advance(Duration::from_secs(3600));
    assert_eq!((status(&idle).await, status(&busy).await), (401, 200));
    server.clock.advance(Duration::from_secs(11 * 3600));
    assert_eq!(status(&busy).await, 200);
    server.clock.advance(Duration::from_secs(3600));
    assert_eq!(status(&busy).await, 401);
}

/// Every route with who may ask it: whoever else is refused, and whoever has the role is not.
#[tokio::test]
async fn every_route_is_for_its_roles_and_no_others() {
    const WATCH: &str = "supervisor operator token";
    const ALL: &str = "advocate supervisor operator auditor token";
    const DESK: &str = "advocate supervisor token";
    const PEOPLE: &str = "advocate supervisor operator auditor";
    let table = [
        ("GET", "/metrics", "operator token"),
        ("GET", "/openapi.json", ALL),
        ("GET", "/api/v1/queues", WATCH),
        ("GET", "/api/v1/calls", WATCH),
        ("GET", "/api/v1/calls/{id}", WATCH),
        ("GET", "/api/v1/calls/{id}/trace", WATCH),
        ("GET", "/api/v1/attempts", WATCH),
        ("POST", "/api/v1/calls/{id}/escalate", "supervisor token"),
        ("POST", "/api/v1/calls/{id}/take", "supervisor token"),
        ("GET", "/api/v1/agents", WATCH),
        ("GET", "/api/v1/agents/{id}", WATCH),
        ("PUT", "/api/v1/agents/{id}/state", "supervisor token"),
        ("GET", "/api/v1/events", WATCH),
        ("POST", "/api/v1/reload", "operator token"),
        ("GET", "/api/v1/session", PEOPLE),
        ("DELETE", "/api/v1/session", PEOPLE),
        ("PUT", "/api/v1/session/language", PEOPLE),
        ("PUT", "/api/v1/session/password", PEOPLE),
        ("GET", "/api/v1/accounts", "operator token"),
        ("POST", "/api/v1/accounts", "operator token"),
        ("PUT", "/api/v1/accounts/{user}", "operator token"),
        ("DELETE", "/api/v1/accounts/{user}", "operator token"),
        ("GET", "/api/v1/audit", "operator auditor token"),
        ("GET", "/api/v1/board", WATCH),
        ("GET", "/api/v1/board/events", WATCH),
        ("GET", "/api/v1/desk", DESK),
        ("GET", "/api/v1/desk/events", DESK),
        ("PUT", "/api/v1/desk/state", DESK),
        ("POST", "/api/v1/desk/escalate", DESK),
        ("GET", "/api/v1/desk/history", DESK),
        ("GET", "/api/v1/provinces", ALL),
        ("GET", "/api/v1/calls/{id}/events", WATCH),
        ("GET", "/api/v1/today", WATCH),
        ("GET", "/api/v1/roster", WATCH),
        ("PUT", "/api/v1/roster", "supervisor token"),
        ("GET", "/api/v1/coverage", WATCH),
        ("GET", "/api/v1/trunks", "operator token"),
        ("GET", "/api/v1/dialplan", "operator token"),
        ("PUT", "/api/v1/dialplan", "operator token"),
        ("POST", "/api/v1/dialplan/check", "operator token"),
        ("GET", "/api/v1/prompts", "operator token"),
        ("GET", "/api/v1/prompts/{id}/{recording}", "operator token"),
        ("PUT", "/api/v1/prompts/{id}/{recording}", "operator token"),
        ("GET", "/sip", "advocate supervisor"),
    ];
    let server = Server::start().await;
    let mut people = Vec::new();
    for role in ["advocate", "supervisor", "operator", "auditor"] {
        server.account(role, &[role], Some("advocate-fr")).await;
        people.push((role, server.sign_in(role).await));
    }
    let listed: BTreeSet<_> =
        table.iter().map(|(method, path, _)| (method.to_lowercase(), (*path).to_owned())).collect();
    assert_eq!(listed, guarded(&server).await, "the table of this test is not that of the routes");
    for (method, path, allowed) in table {
        let method: Method = method.parse().unwrap();
        let path =
            path.replace("{id}", "nobody").replace("{user}", "nobody").replace("nobody/{recording}", "P6/fr");
        for (role, person) in &people {
            // A fresh session, for the route that ends one.
            let own = if method == Method::DELETE && path == "/api/v1/session" {
                server.sign_in(role).await
            } else {
                person.clone()
            };
            let origin = server.origin();
            let headers = [("cookie", &*own.cookie), ("origin", &origin), ("x-csrf-token", &own.csrf), JSON];
            // Only the head: the event stream has no end.
            let status = server.open(method.clone(), &path, &headers, "").await.status().as_u16();
            let may = allowed.split(' ').any(|word| word == *role);
            assert_eq!(status != 403 && status != 401, may, "{role}: {method} {path}: {status}");
        }
        let status = server.open(method.clone(), &path, &[BEARER, JSON], "").await.status().as_u16();
        assert_eq!(
            status != 403 && status != 401,
            allowed.ends_with("token"),
            "token: {method} {path}: {status}"
        );
        for nobody in [vec![], vec![("cookie", "havre_session=0123")]] {
            let status = server.open(method.clone(), &path, &nobody, "").await.status().as_u16();
            assert_eq!(status, 401, "nobody: {method} {path}");
        }
    }
}

#[tokio::test]
async fn a_desk_is_for_people_with_an_agent() {
    let server = Server::start().await;
    server.account("anne", &["advocate"], None).await;
    let anne = server.sign_in("anne").await;
    problem(&server.ask_as(&anne, Method::GET, "/sip", "").await, 403, "not-allowed");
}

#[tokio::test]
async fn a_restart_signs_nobody_out_who_may_stay() {
    let mut server = Server::start().await;
    for user in ["anne", "gone", "late"] {
        server.account(user, &["advocate"], None).await;
    }
    let (anne, gone) = (server.sign_in("anne").await, server.sign_in("gone").await);
    let secret = anne.cookie.split_once('=').unwrap().1.to_owned();
    server.stop().await;
    // What is kept lets nobody in.
    assert!(!format!("{:?}", server.keep.kept.lock().unwrap()).contains(&secret));
    server.keep.kept.lock().unwrap().accounts.retain(|account| account.user.as_str() != "gone");
    let (keep, clock) = (server.keep.clone(), server.clock.clone());
    let again = Server::start_over(keep, clock, |_| {}).await;
    let session = again.ask_as(&anne, Method::GET, "/api/v1/session", "").await;
    assert_eq!((session.status, &session.json()["csrf"]), (StatusCode::OK, &json!(anne.csrf)));
    problem(&again.ask_as(&gone, Method::GET, "/api/v1/session", "").await, 401, "no-session");
    assert_eq!(again.keep.kept.lock().unwrap().sessions.len(), 1);
}

#[tokio::test]
async fn a_new_password_and_a_disabled_account_sign_out_everywhere() {
    let server = Server::start().await;
    server.account("anne", &["advocate"], None).await;
    let (here, elsewhere) = (server.sign_in("anne").await, server.sign_in("anne").await);
    let status =
        async |person| server.ask_as(person, Method::GET, "/api/v1/session", "").await.status.as_u16();
    let change = async |current: &str, new: &str| {
        let body = json!({"current": current, "new": new}).to_string();
        server.ask_as(&here, Method::PUT, "/api/v1/session/password", &body).await
    };
    problem(&change(PASSWORD, "short").await, 422, "weak-password");
    problem(&change("wrong", "another good one").await, 422, "wrong-password");
    problem(&change(PASSWORD, "another good one").await, 429, "slow-down");
    server.clock.advance(Duration::from_secs(2));
    assert_eq!(change(PASSWORD, "another good one").await.status, StatusCode::NO_CONTENT);
    assert_eq!((status(&here).await, status(&elsewhere).await), (200, 401));
    let disabled =
        json!({"user": "anne", "name": "Anne", "roles": ["advocate"], "language": "en", "disabled": true});
    let path = "/api/v1/accounts/anne";
    server.ask(Method::PUT, path, &[BEARER, JSON], &disabled.to_string()).await;
    assert_eq!(status(&here).await, 401);
    problem(&server.try_sign_in("anne", "another good one").await, 401, "wrong-credentials");
    server.clock.advance(Duration::from_secs(2));
    let enabled = disabled.to_string().replace("true", "false");
    server.ask(Method::PUT, path, &[BEARER, JSON], &enabled).await;
    assert_eq!(server.try_sign_in("anne", "another good one").await.status, StatusCode::OK);
    assert_eq!(server.ask(Method::DELETE, path, &[BEARER], "").await.status, StatusCode::NO_CONTENT);
    assert!(server.keep.kept.lock().unwrap().sessions.is_empty());
}

#[tokio::test]
async fn the_first_start_has_a_link_that_works_once_and_for_a_day() {
    let server = Server::start().await;
    let link = server.setup.clone().unwrap();
    let set_up = async |server: &Server, token: &str, password: &str| {
        let body = json!({"token": token, "user": "boss", "name": "Boss", "password": password}).to_string();
        let origin = server.origin();
        server.ask(Method::POST, "/api/v1/setup", &[("origin", &origin), JSON], &body).await
    };
    let ways = server.ask(Method::GET, "/api/v1/sign-in", &[], "").await.json();
    assert_eq!(ways["setup"], true);
    problem(&set_up(&server, "0123", PASSWORD).await, 403, "no-link");
    problem(&set_up(&server, &link, "short").await, 422, "weak-password");
    let reply = set_up(&server, &link, PASSWORD).await;
    assert_eq!((reply.status, &reply.json()["roles"]), (StatusCode::CREATED, &json!(["operator"])));
    let boss = Person::from(&reply);
    assert_eq!(server.ask_as(&boss, Method::GET, "/api/v1/accounts", "").await.status, StatusCode::OK);
    problem(&set_up(&server, &link, PASSWORD).await, 403, "no-link");
    let ways = server.ask(Method::GET, "/api/v1/sign-in", &[], "").await.json();
    assert_eq!(ways["setup"], false);
    let again = Server::start_over(server.keep.clone(), server.clock.clone(), |_| {}).await;
    assert_eq!(again.setup, None);

    let late = Server::start().await;
    late.clock.advance(Duration::from_secs(24 * 3600));
    problem(&set_up(&late, late.setup.as_ref().unwrap(), PASSWORD).await, 403, "no-link");
}

#[tokio::test]
async fn accounts_are_managed_and_what_was_done_stands_in_the_audit() {
    let server = Server::start().await;
    server.account("boss", &["operator"], None).await;
    let boss = server.sign_in("boss").await;
    let wish = |user: &str, roles: &[&str], agent: Value| {
        json!({"user": user, "name": " Anne ", "roles": roles, "agent": agent, "language": "fr", "password": PASSWORD})
            .to_string()
    };
    let ask = async |method, path: &str, body: &str| server.ask_as(&boss, method, path, body).await;
    let add = async |body: &str| ask(Method::POST, "/api/v1/accounts", body).await;
    let reply = add(&wish("anne", &["advocate"], json!("advocate-fr"))).await;
    let anne = json!({
        "user": "anne", "name": "Anne", "roles": ["advocate"], "agent": "advocate-fr", "language": "fr",
        "disabled": false, "password": true
    });
    assert_eq!((reply.status, reply.json()), (StatusCode::CREATED, anne.clone()));
    problem(&add(&wish("ANNE", &[], Value::Null)).await, 409, "exists");
    problem(&add(&wish("a b", &[], Value::Null)).await, 422, "bad-user");
    problem(&add(&wish("bob", &[], json!("nobody"))).await, 422, "unknown-agent");
    problem(&add(&wish("bob", &["wizard"], Value::Null)).await, 422, "bad-value");
    problem(&add(&wish("bob", &[], Value::Null).replace(" Anne ", " ")).await, 422, "bad-name");
    problem(&add(&wish("bob", &[], Value::Null).replace("\"fr\"", "\"es\"")).await, 422, "bad-value");
    problem(&add("{").await, 400, "bad-json");
    problem(
        &ask(Method::PUT, "/api/v1/accounts/bob", &wish("bob", &[], Value::Null)).await,
        404,
        "not-found",
    );
    problem(
        &ask(Method::PUT, "/api/v1/accounts/bob", &wish("anne", &[], Value::Null)).await,
        422,
        "bad-user",
    );
    problem(
        &ask(Method::PUT, "/api/v1/accounts/boss", &wish("boss", &[], Value::Null)).await,
        409,
        "last-operator",
    );
    problem(&ask(Method::DELETE, "/api/v1/accounts/boss", "").await, 409, "last-operator");
    problem(&ask(Method::DELETE, "/api/v1/accounts/bob", "").await, 404, "not-found");
    let list = ask(Method::GET, "/api/v1/accounts", "").await.json();
    assert_eq!(list["accounts"][0], anne);
    assert!(!list.to_string().contains("argon2"));
    let raised = ask(Method::PUT, "/api/v1/accounts/anne", &wish("anne", &["operator"], Value::Null)).await;
    assert_eq!(raised.json()["roles"], json!(["operator"]));
    assert_eq!(ask(Method::DELETE, "/api/v1/accounts/anne", "").await.status, StatusCode::NO_CONTENT);

    let audit = ask(Method::GET, "/api/v1/audit?limit=3", "").await.json();
    let entries = audit["entries"].as_array().unwrap();
    let acts: Vec<_> =
        entries.iter().map(|e| [&e["user"], &e["act"], &e["target"]].map(|v| v.as_str().unwrap())).collect();
    assert_eq!(
        acts,
        [
            ["boss", "account_remove", "anne"],
            ["boss", "account_change", "anne"],
            ["boss", "account_add", "anne"]
        ]
    );
    assert_eq!(entries[1]["detail"], "roles operator; agent none; disabled false");
    let before = format!("/api/v1/audit?before={}", entries[2]["id"]);
    let older = ask(Method::GET, &before, "").await.json();
    let acts: Vec<_> = older["entries"].as_array().unwrap().iter().map(|e| e["act"].clone()).collect();
    assert_eq!(acts, ["sign_in", "account_add"]);
    assert_eq!(older["entries"][1]["user"], "(token)");
    assert_eq!(ask(Method::GET, "/api/v1/audit?limit=x", "").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_is_done_to_the_line_is_audited_too() {
    let server = Server::start().await;
    server.account("su", &["supervisor"], None).await;
    let su = server.sign_in("su").await;
    let state = r#"{"state":"ready"}"#;
    server.ask_as(&su, Method::PUT, "/api/v1/agents/advocate-fr/state", state).await;
    server.ask(Method::POST, "/api/v1/reload", &[BEARER], "").await;
    let audit = server.get("/api/v1/audit").await.json();
    let said = |n: usize, what: &str| audit["entries"][n][what].as_str().unwrap().to_owned();
    assert_eq!([said(0, "user"), said(0, "act"), said(0, "target")], ["(token)", "reload", "abc123"]);
    assert_eq!(
        [said(1, "user"), said(1, "act"), said(1, "target"), said(1, "detail")],
        ["su", "agent_state", "advocate-fr", "ready"]
    );
}

#[tokio::test]
async fn script_in_a_name_is_text_and_stays_it() {
    let server = Server::start().await;
    server.account("anne", &["operator"], None).await;
    let anne = server.sign_in("anne").await;
    let pieces = [
        "<script>alert(1)</script>",
        "\"onload=\"x",
        "';--",
        "</title>",
        "\u{202e}",
        "&lt;",
        "\\u003c",
        "<img/src=x>",
        "{{7*7}}",
        "\u{0}",
    ];
    for n in 0..1_000 {
        let name = format!("{}{n}{}{}", pieces[n % 10], pieces[n / 10 % 10], pieces[n / 100]);
        let wish = json!({"user": "anne", "name": name, "roles": ["operator"], "language": "en"});
        let reply = server.ask_as(&anne, Method::PUT, "/api/v1/accounts/anne", &wish.to_string()).await;
        assert_eq!(reply.header("content-type"), "application/json", "{name}");
        assert_eq!(reply.json()["name"], name.trim());
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
    }
    let session = server.ask_as(&anne, Method::GET, "/api/v1/session", "").await;
    assert!(session.json()["name"].as_str().unwrap().contains("999"));
}

#[tokio::test]
async fn a_full_disk_keeps_nobody_from_the_line() {
    let server = Server::start().await;
    server.account("anne", &["advocate"], None).await;
    *server.keep.full.lock().unwrap() = true;
    let anne = server.sign_in("anne").await;
    assert_eq!(server.ask_as(&anne, Method::GET, "/api/v1/session", "").await.status, StatusCode::OK);
    let wish = json!({"user": "bob", "name": "Bob", "roles": [], "language": "en", "password": PASSWORD});
    let reply = server.ask(Method::POST, "/api/v1/accounts", &[BEARER, JSON], &wish.to_string()).await;
    assert_eq!(problem(&reply, 503, "unkept")["code"], "unkept");
    // What was not kept is not in force.
    problem(&server.try_sign_in("bob", PASSWORD).await, 401, "wrong-credentials");
    *server.keep.full.lock().unwrap() = false;
    let audit = server.get("/api/v1/audit").await.json();
    assert_eq!(audit["entries"][0]["act"], "sign_in", "the audit waited for the disk");
}

#[tokio::test]
async fn the_demos_accounts_have_known_passwords_and_are_not_kept() {
    let account = havre_model::UserAccount {
        user: "operator".parse().unwrap(),
        name: "operator".to_owned(),
        roles: havre_model::UserRoles::of(&[havre_model::UserRole::Operator]),
        agent: None,
        language: havre_model::Spoken::Fr,
        disabled: false,
        password: None,
        subject: None,
    };
    let demo = havre_console::DemoAccount { account, password: "demo-op".to_owned() };
    let server = Server::start_with(|config| config.demo = vec![demo]).await;
    assert_eq!(server.setup, None);
    let ways = server.ask(Method::GET, "/api/v1/sign-in", &[], "").await.json();
    assert_eq!((&ways["demo"], &ways["setup"]), (&json!(true), &json!(false)));
    let operator = Person::from(&server.try_sign_in("operator", "demo-op").await);
    let body = json!({"current": "demo-op", "new": PASSWORD}).to_string();
    let reply = server.ask_as(&operator, Method::PUT, "/api/v1/session/password", &body).await;
    problem(&reply, 409, "demo-account");
    assert!(server.keep.kept.lock().unwrap().accounts.is_empty());
}

/// Method and path of each described route that is not open.
async fn guarded(server: &Server) -> BTreeSet<(String, String)> {
    let description = server.get("/openapi.json").await.json();
    let mut all = BTreeSet::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["security"] != json!([{}]) {
                all.insert((method.clone(), path.clone()));
            }
        }
    }
    all
}
