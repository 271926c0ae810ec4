//! The event stream: resume, reset, heartbeat, and readers who are too many or too slow.

// A helper of tests may panic as a test may.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{BEARER, Event, Server, Stream};
use havre_console::System;
use havre_model::{AgentState, Language, Risk, Unix, What};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::{sleep, timeout};

#[tokio::test]
async fn what_happens_is_told_as_it_happens() {
    let server = Server::start().await;
    let mut stream = Stream::open(&server, "/api/v1/events", None).await;
    assert_eq!(stream.next().await, event("0-0", "open", json!({})));
    server.line.arrive_and_join(10, 1, Language::Fr, Risk::Urgent);
    let data = json!({"at": 10_000, "call": "c0000000000000001", "what": "arrived", "line": "hotline", "trunk": "demo"});
    assert_eq!(stream.next().await, event("0-1", "call", data));
    let joined = stream.next().await;
    assert_eq!((&joined.data["language"], &joined.data["risk"]), (&json!("fr"), &json!("urgent")));
    server.line.agent("supervisor", AgentState::Ready { since: common::NOW.unix });
    let news = stream.next().await;
    assert_eq!((news.kind.as_str(), &news.data["agent"]["state"]), ("agent", &json!("ready")));
    let reloaded = System::Reloaded { dialplan: "abc".to_owned() };
    server.line.tell(|board| board.on_system(reloaded, Unix::from_millis(7)));
    let data = json!({"at": 7, "what": "reloaded", "dialplan": "abc"});
    assert_eq!(stream.next().await, event("0-4", "system", data));
}

#[tokio::test]
async fn a_reader_who_comes_back_misses_nothing() {
    let server = Server::start().await;
    paged(&server, 5);
    let mut stream = Stream::open(&server, "/api/v1/events", Some("0-3")).await;
    let ids =
        [stream.next().await, stream.next().await, stream.next().await].map(|event| (event.id, event.kind));
    let expected = [("0-3", "open"), ("0-4", "call"), ("0-5", "call")];
    assert_eq!(ids, expected.map(|(id, kind)| (id.to_owned(), kind.to_owned())));
    paged(&server, 1);
    assert_eq!(stream.next().await.id, "0-6");
}

#[tokio::test]
async fn a_reader_who_missed_something_is_told_to_read_again() {
    let server = Server::start().await;
    paged(&server, 2_000);
    for lost in ["0-3", "77-3", "0-2001", "nonsense", ""] {
        let mut stream = Stream::open(&server, "/api/v1/events", Some(lost)).await;
        assert_eq!(stream.next().await, event("0-2000", "reset", json!({})), "{lost:?}");
        paged(&server, 0);
    }
    let mut stream = Stream::open(&server, "/api/v1/events", Some("0-2000")).await;
    assert_eq!(stream.next().await, event("0-2000", "open", json!({})));
}

#[tokio::test]
async fn silence_is_broken_by_a_heartbeat() {
    let server = Server::start_with(|config| config.limits.heartbeat = Duration::from_millis(30)).await;
    for path in ["/api/v1/events", "/api/v1/board/events"] {
        let mut stream = Stream::open(&server, path, None).await;
        stream.next().await;
        // An event: what browsers take for a comment reaches no page.
        assert_eq!(stream.block().await.as_deref(), Some("event: alive\ndata: {}"), "{path}");
        assert_eq!(stream.block().await.as_deref(), Some("event: alive\ndata: {}"), "{path}");
    }
}

#[tokio::test]
async fn readers_have_a_limit_and_leave_room_when_they_go() {
    let server = Server::start_with(|config| config.limits.subscribers = 2).await;
    let first = Stream::open(&server, "/api/v1/events", None).await;
    let _second = Stream::open(&server, "/api/v1/events", None).await;
    let refused = server.get("/api/v1/events").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.header("retry-after"), "5");
    assert!(metric(&server, "havre_event_stream_readers ").await == 2);
    drop(first);
    while metric(&server, "havre_event_stream_readers ").await == 2 {
        sleep(Duration::from_millis(10)).await;
    }
    let mut third = Stream::open(&server, "/api/v1/events", None).await;
    assert_eq!(third.next().await.kind, "open");
}

#[tokio::test]
async fn a_reader_who_reads_nothing_is_cut_and_nothing_is_kept_for_it() {
    let server = Server::start_with(|config| config.limits.write_time = Duration::from_millis(300)).await;
    // A small window, so that the kernel does not hide for long that nobody reads.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    let request = format!(
        "GET /api/v1/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{}: {}\r\n\r\n",
        BEARER.0, BEARER.1
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    while metric(&server, "havre_event_stream_readers ").await == 0 {
        sleep(Duration::from_millis(10)).await;
    }
    let cut = async {
        while metric(&server, "havre_event_stream_readers ").await > 0 {
            paged(&server, 500);
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), cut).await.expect("the reader is never cut");
    // What it can still read ends, though the last event is far ahead.
    let mut rest = Vec::new();
    let _ =
        timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await.expect("the connection stays");
    assert!(rest.len() < 2_000_000, "{} bytes were kept for it", rest.len());
}

#[tokio::test]
async fn a_reader_who_falls_behind_the_ring_is_cut_with_a_word() {
    let server = Server::start_with(|config| config.limits.write_time = Duration::from_secs(60)).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    let request = format!(
        "GET /api/v1/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{}: {}\r\n\r\n",
        BEARER.0, BEARER.1
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    for _ in 0..40 {
        paged(&server, 500);
        sleep(Duration::from_millis(5)).await;
    }
    let mut rest = Vec::new();
    let _ =
        timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await.expect("the stream goes on");
    assert!(String::from_utf8_lossy(&rest).contains(": cut: you read too slowly"));
    assert_eq!(metric(&server, "havre_event_stream_readers_cut_total ").await, 1);
    assert!(metric(&server, "havre_events_dropped_total ").await > 0);
}

#[tokio::test]
async fn stopping_ends_the_streams_at_once() {
    let mut server = Server::start().await;
    let mut stream = Stream::open(&server, "/api/v1/events", None).await;
    stream.next().await;
    timeout(Duration::from_secs(2), server.stop()).await.expect("the console does not stop");
    assert_eq!(stream.block().await, None);
}

/// `n` events.
fn paged(server: &Server, n: usize) {
    for _ in 0..n {
        server.line.call(1, 1, What::Paged);
    }
}

async fn metric(server: &Server, name: &str) -> u64 {
    let reply = server.ask(Method::GET, "/metrics", &[BEARER], "").await;
    let line = reply.text().lines().find(|line| line.starts_with(name)).unwrap();
    line[name.len()..].parse().unwrap()
}

fn event(id: &str, kind: &str, data: Value) -> Event {
    Event { id: id.to_owned(), kind: kind.to_owned(), data }
}
