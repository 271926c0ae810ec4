//! Signing in by an identity provider: real HTTP both ways, and everything that may be wrong with what it says.

// A helper of tests may panic as a test may.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/provider.rs"]
mod provider;

use std::time::Duration;

use common::{BEARER, JSON, PASSWORD, Person, Reply, Server};
use havre_console::{Oidc, OidcSecret};
use havre_model::UserRole;
use hyper::{Method, StatusCode};
use provider::{CLIENT, Key, Provider, query};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

#[tokio::test]
async fn somebody_signs_in_by_the_provider_and_out_again() {
    for key in [Key::rs256("r1"), Key::es256("e1")] {
        let (server, provider, _serving) = start(key).await;
        let ways = server.ask(Method::GET, "/api/v1/sign-in", &[], "").await.json();
        assert_eq!(
            ways["oidc"],
            json!({"name": "Accès", "sign_out": null}),
            "nothing is asked before somebody wants it"
        );
        assert_eq!(ways["password"], true);
        let begun = begin(&server).await;
        assert_eq!(begun.status, StatusCode::SEE_OTHER);
        let cookie = begun.header("set-cookie");
        assert!(cookie.starts_with("havre_oidc="), "{cookie}");
        assert!(cookie.ends_with("; Path=/auth/oidc; HttpOnly; SameSite=Lax; Max-Age=900"), "{cookie}");
        let there = begun.header("location");
        assert_eq!(query(there)["redirect_uri"], format!("{}/auth/oidc/callback", server.origin()));
        assert_eq!(query(there)["scope"], "openid profile");
        let back = come_back(&server, &begun, &provider.signs_in(there)).await;
        assert_eq!((back.status, back.header("location")), (StatusCode::SEE_OTHER, "/"));
        let cookies: Vec<_> =
            back.headers.get_all("set-cookie").iter().map(|one| one.to_str().unwrap()).collect();
        assert!(
            cookies[0].starts_with("havre_session=") && cookies[0].contains("SameSite=Strict"),
            "{cookies:?}"
        );
        assert!(cookies[1].starts_with("havre_oidc=;") && cookies[1].contains("Max-Age=0"), "{cookies:?}");
        let anne = person(&server, &back).await;
        let session = server.ask_as(&anne, Method::GET, "/api/v1/session", "").await.json();
        assert_eq!(
            [
                &session["user"],
                &session["name"],
                &session["roles"],
                &session["language"],
                &session["password"]
            ],
            [&json!("anne.roy"), &json!("Anne Roy"), &json!(["advocate"]), &json!("fr"), &json!(false)]
        );
        let ways = server.ask(Method::GET, "/api/v1/sign-in", &[], "").await.json();
        let bye = format!("{}/bye?client_id=havre", provider.0.lock().unwrap().issuer);
        assert_eq!(ways["oidc"]["sign_out"], bye);
        let reply = server.ask_as(&anne, Method::DELETE, "/api/v1/session", "").await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT);
        assert_eq!(
            server.ask_as(&anne, Method::GET, "/api/v1/session", "").await.status,
            StatusCode::UNAUTHORIZED
        );
        // The code is used, and the cookie gone; whoever kept both gets nothing for them.
        let audit = server.get("/api/v1/audit").await.json();
        let said: Vec<_> = audit["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| [&e["user"], &e["act"], &e["detail"]].map(|v| v.as_str().unwrap()))
            .collect();
        assert_eq!(
            said,
            [
                ["anne.roy", "sign_out", ""],
                ["anne.roy", "sign_in", "(oidc)"],
                ["(oidc)", "account_change", "roles advocate; agent none; disabled false"],
            ]
        );
    }
}

/// What is wrong with the token, and with the way back.
#[tokio::test]
async fn a_token_that_does_not_hold_lets_nobody_in() {
    let (server, provider, _serving) = start(Key::es256("e1")).await;
    let wrong = [
        (json!({"nonce": "another"}), "oidc_untrusted"),
        (json!({"nonce": null}), "oidc_untrusted"),
        (json!({"aud": "another"}), "oidc_untrusted"),
        (json!({"aud": ["havre", "another"]}), "oidc_untrusted"),
        (json!({"aud": []}), "oidc_untrusted"),
        (json!({"iss": "http://127.0.0.1:1"}), "oidc_untrusted"),
        (json!({"exp": 100}), "oidc_untrusted"),
        (json!({"exp": 99, "iat": 1}), "oidc_untrusted"),
        (json!({"at_hash": "another"}), "oidc_untrusted"),
        (json!({"groups": ["others"]}), "oidc_no_role"),
        (json!({"groups": null}), "oidc_no_role"),
        (json!({"preferred_username": "<script>"}), "oidc_no_account"),
        (json!({"preferred_username": null}), "oidc_no_account"),
        (json!({"havre_agent": "nobody"}), "oidc_no_account"),
    ];
    for (claims, why) in wrong {
        provider.0.lock().unwrap().claims = claims.clone();
        assert_eq!(sign_in(&server, &provider).await, Err(why.to_owned()), "{claims}");
    }
    for gives in [json!({"id_token": null}), json!({"id_token": "a.b.c"}), json!({"access_token": null})] {
        provider.0.lock().unwrap().claims = json!({});
        provider.0.lock().unwrap().gives = Some(gives.clone());
        let why = sign_in(&server, &provider).await.unwrap_err();
        assert!(["oidc_untrusted", "oidc_down"].contains(&why.as_str()), "{gives}: {why}");
    }
    // Unsigned, and signed with what is no secret to the provider's other clients (RFC 8725 §2.1).
    for head in [json!({"alg": "none"}), json!({"alg": "HS256", "kid": "e1"})] {
        let token = format!("{}.e30.", provider::base64(head.to_string().as_bytes()));
        provider.0.lock().unwrap().gives = Some(json!({"id_token": token}));
        let why = sign_in(&server, &provider).await.unwrap_err();
        assert!(["oidc_untrusted", "oidc_down"].contains(&why.as_str()), "{head}: {why}");
    }
    provider.0.lock().unwrap().gives = None;
    assert_eq!(sign_in(&server, &provider).await, Err("oidc_refused".into()));
    provider.0.lock().unwrap().gives = Some(json!({}));
    let (nobody, nothing) = {
        let kept = server.keep.kept.lock().unwrap();
        (kept.accounts.is_empty(), kept.sessions.is_empty())
    };
    assert!(nobody && nothing, "no account was made for any of them");
    assert!(sign_in(&server, &provider).await.is_ok(), "nothing but what was wrong kept them out");

    let reply = server.get("/metrics").await;
    let counted = |outcome: &str| -> u32 {
        let sample = format!("havre_oidc_sign_ins_total{{outcome=\"{outcome}\"}} ");
        reply.text().lines().find_map(|line| line.strip_prefix(&sample)).unwrap().parse().unwrap()
    };
    assert_eq!(["signed_in", "no_role", "no_account", "refused"].map(counted), [1, 2, 3, 1]);
    assert_eq!(counted("untrusted") + counted("down"), 14);
    assert_eq!(["stale", "taken", "disabled", "unkept"].map(counted), [0; 4]);
}

#[tokio::test]
async fn the_way_back_is_for_the_browser_that_went() {
    let (server, provider, _serving) = start(Key::es256("e1")).await;
    let begun = begin(&server).await;
    let other = begin(&server).await;
    let back = provider.signs_in(begun.header("location"));
    let path = |back: &str| back.strip_prefix(&server.origin()).unwrap().to_owned();
    let stale = |reply: &Reply| {
        assert_eq!(reply.header("location"), "/#/sign-in/oidc_stale");
        assert!(
            !reply
                .headers
                .get_all("set-cookie")
                .iter()
                .any(|one| one.to_str().unwrap().starts_with("havre_session"))
        );
    };
    stale(&come_back(&server, &other, &back).await);
    stale(&server.ask(Method::GET, &path(&back), &[], "").await);
    stale(&server.ask(Method::GET, &path(&back), &[("cookie", "havre_oidc=x.1")], "").await);
    let state = query(&back)["state"].clone();
    for wrong in
        [back.replace(&state, ""), back.replace(&state, &"0".repeat(64)), back.replace("&state=", "&x=")]
    {
        stale(&come_back(&server, &begun, &wrong).await);
    }
    let refused = format!("{}/auth/oidc/callback?error=access_denied&state={state}", server.origin());
    assert_eq!(come_back(&server, &begun, &refused).await.header("location"), "/#/sign-in/oidc_refused");
    server.clock.advance(Duration::from_secs(899));
    provider.0.lock().unwrap().now += 899;
    assert_eq!(come_back(&server, &begun, &back).await.header("location"), "/");
    // The provider takes a code once.
    assert_eq!(come_back(&server, &begun, &back).await.header("location"), "/#/sign-in/oidc_refused");
    server.clock.advance(Duration::from_secs(1));
    stale(&come_back(&server, &begun, &back).await);
}

#[tokio::test]
async fn keys_are_asked_for_again_when_they_changed_and_not_for_every_bad_token() {
    let (server, provider, _serving) = start(Key::es256("old")).await;
    assert!(sign_in(&server, &provider).await.is_ok());
    assert_eq!(provider.0.lock().unwrap().discovered, 1);
    // A key that nobody publishes: asked once more, then believed to be none.
    provider.0.lock().unwrap().key = Key::es256("old");
    for _ in 0..5 {
        assert_eq!(sign_in(&server, &provider).await, Err("oidc_untrusted".into()));
    }
    assert_eq!(provider.0.lock().unwrap().discovered, 1, "keys were read just before");
    server.clock.advance(Duration::from_secs(3));
    for _ in 0..5 {
        assert_eq!(sign_in(&server, &provider).await, Err("oidc_untrusted".into()));
    }
    assert_eq!(provider.0.lock().unwrap().discovered, 2);
    let new = Key::rs256("new");
    {
        let mut says = provider.0.lock().unwrap();
        says.keys = vec![new.clone()];
        says.key = new;
    }
    server.clock.advance(Duration::from_secs(3));
    assert!(sign_in(&server, &provider).await.is_ok());
    assert_eq!(provider.0.lock().unwrap().discovered, 3);
}

#[tokio::test]
async fn a_provider_that_is_down_says_so_and_passwords_go_on() {
    let (server, provider, serving) = start(Key::es256("e1")).await;
    server.account("bob", &["advocate"], None).await;
    serving.abort();
    assert!(serving.await.unwrap_err().is_cancelled());
    let begun = begin(&server).await;
    assert_eq!((begun.status, begun.header("location")), (StatusCode::SEE_OTHER, "/#/sign-in/oidc_down"));
    assert_eq!(server.try_sign_in("bob", PASSWORD).await.status, StatusCode::OK);
    // It comes back, at the same place.
    let address = provider.0.lock().unwrap().issuer.strip_prefix("http://").unwrap().to_owned();
    let listener = tokio::net::TcpListener::bind(&address).await.unwrap();
    let (again, serving) = Provider::start_at(listener, Key::es256("e2"));
    assert_eq!(begin(&server).await.header("location"), "/#/sign-in/oidc_down", "not asked at once again");
    server.clock.advance(Duration::from_secs(3));
    let begun = begin(&server).await;
    let back = again.signs_in(begun.header("location"));
    // Gone between there and back: what is known of it does not help to a token.
    serving.abort();
    assert!(serving.await.unwrap_err().is_cancelled());
    assert_eq!(come_back(&server, &begun, &back).await.header("location"), "/#/sign-in/oidc_down");
}

#[tokio::test]
async fn nobody_is_sent_to_a_provider_that_has_died_since_it_was_known() {
    let (server, provider, serving) = start(Key::es256("e1")).await;
    assert!(sign_in(&server, &provider).await.is_ok());
    let goes = async || {
        let begun = begin(&server).await;
        assert_eq!(begun.status, StatusCode::SEE_OTHER);
        let there = begun.header("location").to_owned();
        let cookie = begun.headers.contains_key("set-cookie");
        assert_eq!(cookie, there.starts_with("http"), "{there}");
        there
    };
    let asked = || provider.0.lock().unwrap().looked_at;
    assert_eq!(asked(), 0, "it has just told of itself");
    server.clock.advance(Duration::from_secs(3));
    for _ in 0..3 {
        assert!(goes().await.starts_with(&provider.0.lock().unwrap().issuer));
    }
    assert_eq!(asked(), 1, "many who come at once are one question");
    for (lives, down) in [(405, false), (404, false), (502, true), (503, true), (504, true), (200, false)] {
        provider.0.lock().unwrap().lives = StatusCode::from_u16(lives).unwrap();
        server.clock.advance(Duration::from_secs(3));
        assert_eq!(goes().await == "/#/sign-in/oidc_down", down, "{lives}");
    }
    // Nobody is there any more.
    serving.abort();
    assert!(serving.await.unwrap_err().is_cancelled());
    server.clock.advance(Duration::from_secs(3));
    assert_eq!(goes().await, "/#/sign-in/oidc_down");
    // Somebody takes the connection, and says nothing.
    let address = provider.0.lock().unwrap().issuer.strip_prefix("http://").unwrap().to_owned();
    let silent = tokio::net::TcpListener::bind(&address).await.unwrap();
    server.clock.advance(Duration::from_secs(3));
    let began = tokio::time::Instant::now();
    assert_eq!(goes().await, "/#/sign-in/oidc_down");
    let took = began.elapsed().as_secs_f64();
    assert!((2.0..4.0).contains(&took), "{took} s");
    drop(silent);
    // It is back.
    let listener = tokio::net::TcpListener::bind(&address).await.unwrap();
    let (again, _serving) = Provider::start_at(listener, Key::es256("e1"));
    server.clock.advance(Duration::from_secs(3));
    assert!(goes().await.starts_with(&again.0.lock().unwrap().issuer));
    let metrics = server.get("/metrics").await;
    assert!(metrics.text().contains("havre_oidc_sign_ins_total{outcome=\"down\"} 5"), "{}", metrics.text());
}

#[tokio::test]
async fn what_the_provider_says_holds_and_other_accounts_are_not_its() {
    let (server, provider, _serving) = start(Key::es256("e1")).await;
    let says = |claims: Value| provider.0.lock().unwrap().claims = claims;
    let first = sign_in(&server, &provider).await.unwrap();
    // An operator gives an agent, and the provider does not take it away; it gives and takes roles.
    let wish = json!({"user": "anne.roy", "name": "Anne Roy", "roles": ["advocate"], "agent": "advocate-fr", "language": "fr"});
    let path = "/api/v1/accounts/anne.roy";
    assert_eq!(
        server.ask(Method::PUT, path, &[BEARER, JSON], &wish.to_string()).await.status,
        StatusCode::OK
    );
    says(json!({"groups": ["leads", "advocates"]}));
    let lead = sign_in(&server, &provider).await.unwrap();
    let session = server.ask_as(&lead, Method::GET, "/api/v1/session", "").await.json();
    assert_eq!(
        [&session["roles"], &session["agent"]],
        [&json!(["advocate", "supervisor"]), &json!("advocate-fr")]
    );
    says(json!({"havre_agent": "supervisor"}));
    let less = sign_in(&server, &provider).await.unwrap();
    for over in [&first, &lead] {
        assert_eq!(
            server.ask_as(over, Method::GET, "/api/v1/session", "").await.status,
            StatusCode::UNAUTHORIZED
        );
    }
    let session = server.ask_as(&less, Method::GET, "/api/v1/session", "").await.json();
    assert_eq!([&session["roles"], &session["agent"]], [&json!(["advocate"]), &json!("supervisor")]);
    // The name was given to somebody else there.
    says(json!({"sub": "9999"}));
    assert_eq!(sign_in(&server, &provider).await, Err("oidc_taken".into()));
    // An account with a password is the console's own.
    server.account("boss", &["operator"], None).await;
    says(json!({"sub": "1", "preferred_username": "BOSS"}));
    assert_eq!(sign_in(&server, &provider).await, Err("oidc_taken".into()));
    says(json!({}));
    let disabled = wish.to_string().replace("\"language\"", "\"disabled\":true,\"language\"");
    assert_eq!(server.ask(Method::PUT, path, &[BEARER, JSON], &disabled).await.status, StatusCode::OK);
    assert_eq!(sign_in(&server, &provider).await, Err("oidc_disabled".into()));
}

#[tokio::test]
async fn without_a_provider_there_is_no_way_to_one() {
    let server = Server::start().await;
    assert_eq!(begin(&server).await.status, StatusCode::NOT_FOUND);
}

async fn start(key: Key) -> (Server, Provider, JoinHandle<()>) {
    let (provider, serving) = Provider::start(key).await;
    let oidc = Oidc {
        name: "Accès".into(),
        issuer: provider.0.lock().unwrap().issuer.clone(),
        client_id: CLIENT.0.into(),
        client_secret: Some(OidcSecret(CLIENT.1.into())),
        scopes: vec!["profile".into()],
        user_claim: "preferred_username".into(),
        agent_claim: Some("havre_agent".into()),
        roles_claim: "groups".into(),
        roles: vec![("advocates".into(), UserRole::Advocate), ("leads".into(), UserRole::Supervisor)],
        authorities: Vec::new(),
    };
    assert_eq!(oidc.faults(), []);
    let server = Server::start_with(|config| config.oidc = Some(oidc)).await;
    (server, provider, serving)
}

async fn begin(server: &Server) -> Reply {
    server.ask(Method::GET, "/auth/oidc", &[], "").await
}

/// The browser follows the provider back, with the cookie that it got at the start.
async fn come_back(server: &Server, begun: &Reply, back: &str) -> Reply {
    let cookie = begun.header("set-cookie").split(';').next().unwrap();
    let path = back.strip_prefix(&server.origin()).unwrap();
    server.ask(Method::GET, path, &[("cookie", cookie)], "").await
}

/// All of it; or the word that the sign-in page gets.
async fn sign_in(server: &Server, provider: &Provider) -> Result<Person, String> {
    let begun = begin(server).await;
    let back = come_back(server, &begun, &provider.signs_in(begun.header("location"))).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER);
    match back.header("location").strip_prefix("/#/sign-in/") {
        Some(why) => Err(why.to_owned()),
        None => Ok(person(server, &back).await),
    }
}

async fn person(server: &Server, back: &Reply) -> Person {
    let cookie = back.header("set-cookie").split(';').next().unwrap().to_owned();
    let session = server.ask(Method::GET, "/api/v1/session", &[("cookie", &cookie)], "").await;
    Person { cookie, csrf: session.json()["csrf"].as_str().unwrap().to_owned() }
}
