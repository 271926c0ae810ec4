//! The screens: the wallboard and the desk, as answers and as streams, exactly as the examples in `shapes/` say.

// A helper of tests may panic as a test may.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{BEARER, NOW, Server, Stream, assert_shape};
use havre_console::CertificateTrouble;
use havre_model::{
    AgentId, AgentState, CallId, Digit, Language, Mode, Mono, Mos, OfferId, OfferKind, Quality, Risk, Side,
    Unix, Way, What,
};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

const WAITING: u64 = 1;
const TALK: u64 = 2;

#[tokio::test]
async fn the_board_is_the_whole_line() {
    let server = busy().await;
    assert_shape("board", &server.get("/api/v1/board").await.json());
}

#[tokio::test]
async fn a_wall_gets_the_whole_and_then_what_changed() {
    let server = busy().await;
    let mut wall = Stream::open(&server, "/api/v1/board/events", None).await;
    let board = wall.next().await;
    assert_eq!((board.kind.as_str(), &board.data), ("board", &server.get("/api/v1/board").await.json()));
    server.line.call(99, WAITING, What::Mode(Mode { silent: true, ..Mode::default() }));
    let change = wall.next().await;
    assert_eq!(change.kind, "change");
    assert_shape("change", &change.data);
}

#[tokio::test]
async fn a_wall_is_told_when_the_certificate_ends_and_that_it_was_renewed() {
    let server = busy().await;
    let mut wall = Stream::open(&server, "/api/v1/board/events", None).await;
    wall.next().await;
    let ends = Unix::from_millis(7_000_000);
    server.line.tell(|board| board.on_certificate(Some(CertificateTrouble::EndsSoon(ends)), NOW.unix));
    let change = wall.next().await.data;
    let alarm = json!({
        "kind": "certificate_soon", "since": NOW.unix.as_millis(), "ends": 7_000_000,
        "call": null, "agent": null, "trunk": null, "language": null,
    });
    assert_eq!(change["alarms"][1], alarm);
    server.line.tell(|board| board.on_certificate(None, NOW.unix));
    assert_eq!(wall.next().await.data["alarms"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_change_says_who_is_gone_and_what_it_makes_of_the_figures() {
    let server = busy().await;
    let mut wall = Stream::open(&server, "/api/v1/board/events", None).await;
    wall.next().await;
    let (outcome, cause) = (havre_model::Outcome::Abandoned, havre_model::Cause::CallerHungUp);
    server.line.call(100, WAITING, What::Ended { outcome, cause });
    let change = wall.next().await.data;
    assert_eq!(change["calls"], json!({"set": [], "gone": ["c0000000000000001"]}));
    assert_eq!((&change["totals"]["abandoned"], &change["alarms"]), (&json!(1), &json!([])));
    // Only the figures that are others.
    let queues = json!([{"language": "fr", "risk": "urgent", "waiting": 0, "ringing": 0, "longest_wait_ms": null, "longest_since": null}]);
    assert_eq!(change["queues"], queues);
    let service = change["service"].as_array().unwrap();
    assert_eq!(
        (service.len(), &service[0]["language"], &service[0]["abandoned"]),
        (1, &json!("fr"), &json!(1))
    );
    assert_eq!(change.get("agents"), None);
}

#[tokio::test]
async fn a_measurement_changes_a_wall_only_with_its_light() {
    let server = busy().await;
    let mut wall = Stream::open(&server, "/api/v1/board/events", None).await;
    wall.next().await;
    measure(&server, 4.3);
    measure(&server, 3.3);
    let change = wall.next().await.data;
    assert_eq!(change["calls"]["set"][0]["caller"]["quality"]["mos"], json!(3.3));
    assert_eq!(change.as_object().unwrap().keys().collect::<Vec<_>>(), ["at", "calls"]);
}

#[tokio::test]
async fn a_desk_shows_what_its_advocate_needs_and_no_more() {
    let server = busy().await;
    for (agent, shape) in [("advocate-fr", "desk-offered"), ("supervisor", "desk-talking")] {
        assert_shape(shape, &server.get(&format!("/api/v1/desk?agent={agent}")).await.json());
    }
    let (outcome, cause) = (havre_model::Outcome::Answered, havre_model::Cause::CallerHungUp);
    server.line.call(100, TALK, What::Ended { outcome, cause });
    server.line.agent("supervisor", AgentState::WrapUp { since: NOW.unix, until: None });
    let phones = [(id("supervisor"), true), (id("supervisor"), false)];
    server.line.tell(|board| board.on_phones(phones.iter().map(|(a, b)| (a, *b)), NOW.unix));
    assert_shape("desk-wrap-up", &server.get("/api/v1/desk?agent=supervisor").await.json());
}

#[tokio::test]
async fn a_desk_is_told_of_its_own_changes_and_keys_only() {
    let server = busy().await;
    let mut desk = Stream::open(&server, "/api/v1/desk/events?agent=supervisor", None).await;
    let mut other = Stream::open(&server, "/api/v1/desk/events?agent=advocate-fr", None).await;
    let first = desk.next().await;
    let asked = server.get("/api/v1/desk?agent=supervisor").await.json();
    assert_eq!((first.kind.as_str(), first.data), ("desk", asked));
    other.next().await;
    // The digit of a call that only waits is nobody's.
    let key = |call, digit| {
        let digit = Digit::from_char(digit).unwrap();
        server.line.tell(|board| board.on_key(CallId(call), digit, Unix::from_millis(99_500)));
    };
    key(WAITING, '5');
    key(TALK, '1');
    let pressed = desk.next().await;
    assert_eq!(pressed.kind, "key");
    assert_shape("key", &pressed.data);
    server.line.call(99, WAITING, What::Mode(Mode { discreet: true, ..Mode::default() }));
    let changed = other.next().await;
    assert_eq!((changed.kind.as_str(), &changed.data["offer"]["mode"]["discreet"]), ("desk", &json!(true)));
    server.line.call(99, TALK, What::OneWay { side: Side::Advocate, way: Way::To, flowing: false });
    let quality = &desk.next().await.data["talk"]["quality"];
    assert_eq!(*quality, json!({"mos": 4.2, "light": "poor", "one_way": "advocate"}));
}

#[tokio::test]
async fn a_desk_that_does_not_exist_is_refused() {
    let server = busy().await;
    let missing = server.get("/api/v1/desk").await;
    assert_eq!((missing.status, &missing.json()["type"]), (StatusCode::BAD_REQUEST, &kind("no-agent")));
    for path in ["/api/v1/desk?agent=nobody", "/api/v1/desk/events?agent=nobody"] {
        assert_eq!(server.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn an_advocate_asks_for_a_state_and_sees_what_came_of_it() {
    let server = busy().await;
    let headers = [BEARER, ("content-type", "application/json")];
    let ask =
        async |body| server.ask(Method::PUT, "/api/v1/desk/state?agent=advocate-fr", &headers, body).await;
    let ready = ask(r#"{"command":"ready"}"#).await;
    assert_eq!(ready.status, StatusCode::OK);
    assert_shape("desk-ready", &ready.json());
    assert_eq!(ask(r#"{"command":"end_wrap_up"}"#).await.status, StatusCode::CONFLICT);
    assert_eq!(ask(r#"{"command":"sleep"}"#).await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn an_advocate_makes_the_own_call_urgent() {
    let server = busy().await;
    let ask = async |agent: &str| {
        let path = format!("/api/v1/desk/escalate?agent={agent}");
        server.ask(Method::POST, &path, &[BEARER], "").await
    };
    assert_eq!(ask("supervisor").await.status, StatusCode::NO_CONTENT);
    let idle = ask("advocate-fr").await;
    assert_eq!((idle.status, &idle.json()["type"]), (StatusCode::CONFLICT, &kind("no-talk")));
}

/// An urgent caller rings at one advocate; the other talks.
async fn busy() -> Server {
    let server = Server::start().await;
    let line = &server.line;
    line.arrive_and_join(40, TALK, Language::En, Risk::Standard);
    line.call(48, TALK, What::Answered { agent: id("supervisor"), waited: Duration::from_secs(8) });
    line.agent("supervisor", AgentState::Talking { call: CallId(TALK), since: Unix::from_millis(48_000) });
    measure(&server, 4.2);
    line.arrive_and_join(80, WAITING, Language::Fr, Risk::Urgent);
    let (offer, agent, kind) = (OfferId(7), id("advocate-fr"), OfferKind::Single);
    line.call(95, WAITING, What::Offered { offer, agent, kind });
    let until = Mono::from_start(Duration::from_secs(57));
    line.agent("advocate-fr", AgentState::Offered { offer, call: CallId(WAITING), until });
    let phones = [(id("advocate-fr"), true), (id("supervisor"), false)];
    line.tell(|board| board.on_phones(phones.iter().map(|(agent, browser)| (agent, *browser)), NOW.unix));
    server
}

fn measure(server: &Server, mos: f32) {
    let quality = Quality {
        codec: "PCMU",
        srtp: None,
        received: 2_600,
        lost: 13,
        loss_permille: 5,
        jitter: Duration::from_micros(1_500),
        round_trip: Some(Duration::from_millis(42)),
        mos: Some(Mos::new(mos)),
        far: None,
    };
    server.line.tell(|board| board.on_quality(CallId(TALK), Side::Caller, &quality));
}

fn kind(word: &str) -> Value {
    json!(format!("urn:havre:problem:{word}"))
}

fn id(agent: &str) -> AgentId {
    agent.parse().unwrap()
}
