//! What clients may take: connections, sizes, time.

// A helper of tests may panic as a test may.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{BEARER, Server};
use havre_console::Limits;
use hyper::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

#[tokio::test]
async fn connections_have_a_limit_and_come_back() {
    let server = Server::start_with(|config| config.limits.connections = 3).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(connect(&server, "").await);
    }
    // The three are surely accepted once a fourth is refused.
    let refused = answer(connect(&server, "GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await).await;
    assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 503 "), "{refused}");
    drop(held);
    let again = async {
        while !answer(connect(&server, "GET /health HTTP/1.0\r\n\r\n").await).await.contains("200 OK") {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(5), again).await.expect("places do not come back");
    let metrics = server.get("/metrics").await;
    assert!(!metrics.text().contains("havre_http_connections_refused_total 0"));
}

#[tokio::test]
async fn heads_have_a_size() {
    let server = Server::start().await;
    let long = format!("GET /health HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "x".repeat(70_000));
    let reply = answer(connect(&server, &long).await).await;
    assert!(reply.starts_with("HTTP/1.1 431 ") || reply.is_empty(), "{reply}");
    let many = format!("GET /health HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(65));
    let reply = answer(connect(&server, &many).await).await;
    assert!(reply.starts_with("HTTP/1.1 431 "), "{reply}");
}

#[tokio::test]
async fn bodies_have_a_size_with_and_without_a_declared_length() {
    let server = Server::start().await;
    let head = format!(
        "PUT /api/v1/agents/advocate-fr/state HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         content-type: application/json\r\n{}: {}\r\n",
        BEARER.0, BEARER.1
    );
    let declared = format!("{head}content-length: 99999999\r\n\r\n");
    let reply = answer(connect(&server, &declared).await).await;
    assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{}", chunk.repeat(5));
    let reply = answer(connect(&server, &chunked).await).await;
    assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
}

#[tokio::test]
async fn slow_heads_slow_bodies_and_idle_connections_are_cut() {
    let quick = |limits: &mut Limits| {
        limits.head_time = Duration::from_millis(200);
        limits.request_time = Duration::from_millis(200);
    };
    let server = Server::start_with(|config| quick(&mut config.limits)).await;
    for silent_after in ["", "GET /health HT", "GET /health HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        let reply = answer(connect(&server, silent_after).await).await;
        assert!(!reply.contains("200 OK"), "{silent_after:?}: {reply}");
    }
    let idle = answer(connect(&server, "GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await).await;
    assert!(idle.starts_with("HTTP/1.1 200 OK"), "{idle}");
    let body = format!(
        "PUT /api/v1/agents/advocate-fr/state HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: 17\r\n{}: {}\r\n\r\n{{\"state\"",
        BEARER.0, BEARER.1
    );
    let reply = answer(connect(&server, &body).await).await;
    assert!(reply.starts_with("HTTP/1.1 408 ") && reply.contains("urn:havre:problem:too-slow"), "{reply}");
}

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_all_the_same() {
    let server = Server::start_with(|config| config.limits.head_time = Duration::from_millis(300)).await;
    let mut stream = connect(&server, "GET /health HTTP/1.1\r\n").await;
    let started = Instant::now();
    while stream.write_all(b"x: y\r\n").await.is_ok() {
        assert!(started.elapsed() < Duration::from_secs(5), "a slow client holds a connection");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn garbage_is_refused_and_the_server_goes_on() {
    let server = Server::start().await;
    for garbage in
        ["\0\0\0\0\r\n\r\n", "INVITE sip:x SIP/2.0\r\n\r\n", "\u{16}\u{3}\u{1}\r\n\r\n", "GET\r\n\r\n"]
    {
        let reply = answer(connect(&server, garbage).await).await;
        assert!(!reply.contains("200 OK"), "{garbage:?}: {reply}");
    }
    assert_eq!(server.ask(Method::GET, "/health", &[], "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_answer_in_progress_is_finished_at_shutdown_but_not_for_ever() {
    let change = |limits: &mut Limits| limits.shutdown = Duration::from_millis(300);
    let mut server = Server::start_with(|config| change(&mut config.limits)).await;
    let state =
        "PUT /api/v1/agents/advocate-fr/state HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let hangs =
        format!("{state}content-length: 17\r\n{}: {}\r\n\r\n{{\"state\":\"break\"}}", BEARER.0, BEARER.1);
    let hanging = connect(&server, &hangs).await;
    sleep(Duration::from_millis(100)).await;
    let started = Instant::now();
    server.stop().await;
    assert!((250..2_000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    assert_eq!(answer(hanging).await, "");
    assert!(TcpStream::connect(server.address).await.is_err());
}

async fn connect(server: &Server, say: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let _ = stream.write_all(say.as_bytes()).await;
    stream
}

/// All that comes until the server closes.
async fn answer(mut stream: TcpStream) -> String {
    let mut all = Vec::new();
    // A reset ends it too.
    let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut all))
        .await
        .expect("the connection stays open");
    String::from_utf8_lossy(&all).into_owned()
}
