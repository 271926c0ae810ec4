//! The SIP WebSocket: who may open one, what it carries, and when it ends.

// A helper of tests may panic as a test may.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{Flow, Person, Server, problem};
use futures_util::{SinkExt, StreamExt};
use havre_model::limits::MAX_SIP_MESSAGE;
use hyper::Method;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

type Socket = WebSocketStream<TcpStream>;

#[tokio::test]
async fn messages_go_both_ways_and_the_flow_has_its_owner() {
    let server = Server::start().await;
    let anne = advocate(&server).await;
    let (mut socket, (agent, mut from_browser, to_browser)) = open(&server, &anne).await;
    assert_eq!(agent.as_str(), "advocate-fr");
    socket.send(Message::text("REGISTER sip:havre SIP/2.0\r\n\r\n")).await.unwrap();
    socket.send(Message::binary(vec![0xff; MAX_SIP_MESSAGE])).await.unwrap();
    assert_eq!(within(from_browser.recv()).await.unwrap(), "REGISTER sip:havre SIP/2.0\r\n\r\n");
    assert_eq!(within(from_browser.recv()).await.unwrap(), vec![0xff; MAX_SIP_MESSAGE]);
    to_browser.send("SIP/2.0 200 OK\r\n\r\n".into()).await.unwrap();
    to_browser.send(vec![0xff].into()).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("SIP/2.0 200 OK\r\n\r\n"));
    assert_eq!(next(&mut socket).await, Message::binary(vec![0xff]));
    // The browser goes, and the line hears of it.
    drop(socket);
    assert_eq!(within(from_browser.recv()).await, None);
    // The other way round.
    let (mut socket, flow) = open(&server, &anne).await;
    drop(flow);
    assert_eq!(closed(&mut socket).await, 1001);
}

#[tokio::test]
async fn only_own_pages_of_signed_in_people_who_speak_sip_get_one() {
    let server = Server::start().await;
    let anne = advocate(&server).await;
    let own = server.origin();
    let nobody = Person { cookie: "havre_session=0".to_owned(), csrf: String::new() };
    assert_eq!(refused(&server, &nobody, &own, "sip").await, 401);
    for origin in [
        "",
        "null",
        "http://evil.example",
        "http://127.0.0.1",
        &own.replace("http", "https"),
        &format!("{own}/"),
    ] {
        assert_eq!(refused(&server, &anne, origin, "sip").await, 403, "{origin}");
    }
    assert_eq!(refused(&server, &anne, &own, "chat").await, 400);
    assert!(server.line.flows.lock().unwrap().is_empty());
    problem(&server.ask_as(&anne, Method::GET, "/sip", "").await, 400, "not-a-socket");
}

#[tokio::test]
async fn a_frame_larger_than_any_message_ends_it() {
    let server = Server::start().await;
    let anne = advocate(&server).await;
    let (mut socket, (_, mut from_browser, _to_browser)) = open(&server, &anne).await;
    let _ = socket.send(Message::binary(vec![0; MAX_SIP_MESSAGE + 1])).await;
    assert_eq!(within(from_browser.recv()).await, None);
}

#[tokio::test]
async fn it_ends_with_the_session_and_with_the_server() {
    let mut server = Server::start().await;
    let anne = advocate(&server).await;
    let (mut socket, mut flow) = open(&server, &anne).await;
    server.ask_as(&anne, Method::DELETE, "/api/v1/session", "").await;
    assert_eq!(closed(&mut socket).await, 4001);
    assert_eq!(within(flow.1.recv()).await, None);
    let anne = server.sign_in("anne").await;
    let (mut socket, _flow) = open(&server, &anne).await;
    let reads = tokio::spawn(async move { closed(&mut socket).await });
    server.stop().await;
    assert_eq!(reads.await.unwrap(), 1001);
}

#[tokio::test]
async fn a_silent_browser_is_cut_and_one_that_answers_stays() {
    let server = Server::start_with(|config| {
        config.limits.ping = Duration::from_millis(50);
        config.limits.silence = Duration::from_millis(400);
    })
    .await;
    let anne = advocate(&server).await;
    let (mut alive, mut alive_flow) = open(&server, &anne).await;
    // Nothing reads this one, so nothing answers its pings.
    let (_dead, mut dead_flow) = open(&server, &anne).await;
    let reads = tokio::spawn(async move { while let Some(Ok(_)) = alive.next().await {} });
    assert_eq!(within(dead_flow.1.recv()).await, None);
    assert!(
        alive_flow.1.try_recv().is_err_and(|error| error == tokio::sync::mpsc::error::TryRecvError::Empty)
    );
    reads.abort();
}

#[tokio::test]
async fn sockets_have_a_limit_and_come_back() {
    let server = Server::start_with(|config| config.limits.sockets = 2).await;
    let anne = advocate(&server).await;
    let first = open(&server, &anne).await;
    let _second = open(&server, &anne).await;
    assert_eq!(refused(&server, &anne, &server.origin(), "sip").await, 503);
    drop(first);
    let again = async {
        while attempt(&server, &anne, &server.origin(), "sip").await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    within(again).await;
}

async fn advocate(server: &Server) -> Person {
    server.account("anne", &["advocate"], Some("advocate-fr")).await;
    server.sign_in("anne").await
}

async fn open(server: &Server, person: &Person) -> (Socket, Flow) {
    let socket = attempt(server, person, &server.origin(), "sip").await.unwrap();
    (socket, server.line.flows.lock().unwrap().pop().unwrap())
}

async fn refused(server: &Server, person: &Person, origin: &str, protocol: &str) -> u16 {
    match attempt(server, person, origin, protocol).await {
        Err(Error::Http(response)) => response.status().as_u16(),
        other => panic!("not refused: {other:?}"),
    }
}

async fn attempt(server: &Server, person: &Person, origin: &str, protocol: &str) -> Result<Socket, Error> {
    let mut request = format!("ws://{}/sip", server.address).into_client_request().unwrap();
    for (name, value) in
        [("cookie", person.cookie.as_str()), ("origin", origin), ("sec-websocket-protocol", protocol)]
    {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(server.address).await.unwrap();
    client_async(request, stream).await.map(|(socket, _)| socket)
}

/// The next message that is none of the socket's own.
async fn next(socket: &mut Socket) -> Message {
    loop {
        let message = within(socket.next()).await.unwrap().unwrap();
        if !message.is_ping() {
            return message;
        }
    }
}

/// The code it was closed with.
async fn closed(socket: &mut Socket) -> u16 {
    match next(socket).await {
        Message::Close(Some(frame)) => frame.code.into(),
        other => panic!("not closed: {other:?}"),
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(5), future).await.expect("nothing happens in 5 s")
}
