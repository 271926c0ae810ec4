//! Browsers' legs on real loopback sockets: ICE, DTLS and SRTP against the data threads.

#![allow(clippy::disallowed_methods, reason = "real sockets take real time")]
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use havre_media::{Command, Event, Face};
use havre_model::LegId;
use havre_node::media::{MediaConfig, MediaThreads, ShardEvent, StartError};
use support::browser::Browser;
use support::{PATIENCE, Plane};

const A: LegId = LegId(1);
const B: LegId = LegId(2);

#[test]
fn a_browser_and_a_phone_hear_each_other() {
    let mut plane = Plane::start_with([127, 77, 1, 1], 20_000..=20_019, Some(20_018..=20_019), 2);
    let phone = plane.phone(A);
    let mut browser = Browser::invited(&mut plane, B);
    assert_eq!(browser.gateway.port(), 20_018);
    browser.checks();
    assert!(browser.shakes_hands(None, PATIENCE));
    plane.command(Command::Bridge { a: A, b: B });
    plane.wait(|event| *event == ShardEvent::Media(Event::Bridged { a: A, b: B }));
    let mut sequence = 0;
    let heard = browser.hear(
        |payload| payload.iter().all(|code| *code == 0x12),
        || {
            phone.say(sequence, 0x12);
            sequence += 1;
        },
    );
    assert_eq!(heard.len(), 160);
    phone.hear(|payload| payload.iter().all(|code| *code == 0x34), || browser.say(0x34));

    // Another network, the same call.
    browser.moves(&plane);
    browser.checks();
    browser.checks();
    phone.hear(|payload| payload.iter().all(|code| *code == 0x56), || browser.say(0x56));
    browser.hear(
        |payload| payload.iter().all(|code| *code == 0x78),
        || {
            phone.say(sequence, 0x78);
            sequence += 1;
        },
    );
    let counters = plane.media.counters();
    assert_eq!((counters["dtls_done"], counters["dtls_failed"]), (1, 0));

    // Its page is closed.
    browser.leaves();
    plane.wait(|event| *event == ShardEvent::Media(Event::Unreachable { leg: B }));
    plane.command(Command::Close { leg: B });
    plane.command(Command::Close { leg: A });
    plane.wait(|event| matches!(event, ShardEvent::Media(Event::Quality { leg: A, last: true, .. })));
}

#[test]
fn each_of_our_addresses_is_a_way_to_us_and_a_browser_may_change_between_them() {
    let [first, second, here] = [7, 8, 9].map(|last| IpAddr::from([127, 77, 1, last]));
    // Ports that no other test has, since these are taken at every address.
    let listeners: [(IpAddr, u16); 2] =
        [(Ipv4Addr::UNSPECIFIED.into(), 16_150), (Ipv6Addr::UNSPECIFIED.into(), 16_151)];
    for (listen, port) in listeners {
        // A machine without IPv6 has nothing to test there.
        if UdpSocket::bind((listen, 0)).is_err() {
            continue;
        }
        let mut plane = Plane::start_with(listen, 16_100..=16_119, Some(port..=port), 1);
        let phone = plane.phone_at(A, Ipv4Addr::LOCALHOST.into(), None);
        let mut browser = Browser::invited_to(&mut plane, B, second, here);
        // It tries the first, too, as browsers do, before it settles for the second.
        let settled = std::mem::replace(&mut browser.gateway, SocketAddr::new(first, port));
        browser.checks();
        browser.gateway = settled;
        browser.checks();
        browser.checks();
        assert!(browser.shakes_hands(None, PATIENCE));
        plane.command(Command::Bridge { a: A, b: B });
        plane.wait(|event| *event == ShardEvent::Media(Event::Bridged { a: A, b: B }));
        let mut sequence = 0;
        let mut said = |code| {
            sequence += 1;
            phone.say(sequence, code);
        };
        browser.hear(|payload| payload.iter().all(|code| *code == 0x12), || said(0x12));
        // The second network fails; its checks arrive at the first, from the same port of its own.
        browser.gateway = SocketAddr::new(first, port);
        browser.checks();
        browser.checks();
        browser.hear(|payload| payload.iter().all(|code| *code == 0x56), || said(0x56));
        phone.hear(|payload| payload.iter().all(|code| *code == 0x34), || browser.say(0x34));
        assert_eq!(plane.media.counters()["dtls_done"], 1);
    }
}

#[test]
fn another_certificate_than_sdp_named_gets_no_audio() {
    let mut plane = Plane::start_with([127, 77, 1, 2], 20_000..=20_019, Some(19_000..=19_000), 1);
    let mut browser = Browser::invited(&mut plane, A);
    browser.checks();
    let provider = rtc_dtls::crypto_provider::default_provider().unwrap();
    let other = rtc_dtls::crypto::Certificate::generate_self_signed(Vec::new(), provider.crypto()).unwrap();
    // The handshake itself may end well: what it proves is somebody else.
    browser.shakes_hands(Some(other), PATIENCE);
    plane.wait_for("dtls_wrong_certificate", 1);
    browser.say(0x12);
    plane.wait_for("dropped_not_keyed", 1);
    assert_eq!(plane.media.counters()["received"], 0);
}

#[test]
fn nothing_but_checks_is_taken_from_strangers() {
    let mut plane = Plane::start_with([127, 77, 1, 3], 20_000..=20_019, Some(19_000..=19_000), 1);
    let mut browser = Browser::invited(&mut plane, A);
    assert!(!browser.shakes_hands(None, Duration::from_millis(300)), "no path was checked");
    plane.wait_for("dropped_stranger", 1);
    assert_eq!(plane.media.counters()["dtls_done"], 0);
}

#[test]
fn a_hello_that_overtakes_the_checks_is_answered_when_it_comes_again() {
    let mut plane = Plane::start_with([127, 77, 1, 5], 20_000..=20_019, Some(19_000..=19_000), 1);
    let mut browser = Browser::invited(&mut plane, A);
    assert!(!browser.shakes_hands(None, Duration::from_millis(300)), "no path was checked");
    plane.wait_for("dropped_stranger", 1);
    browser.checks();
    assert!(browser.goes_on(PATIENCE));
    plane.wait_for("dtls_done", 1);
}

#[test]
fn a_handshake_in_small_pieces_is_put_together() {
    let mut plane = Plane::start_with([127, 77, 1, 6], 20_000..=20_019, Some(19_000..=19_000), 1);
    let mut browser = Browser::invited(&mut plane, A);
    browser.fragment = 50;
    browser.checks();
    assert!(browser.shakes_hands(None, PATIENCE));
    // The browser has the shard's last flight before the shard has counted it.
    plane.wait_for("dtls_done", 1);
    assert_eq!(plane.media.counters()["dtls_failed"], 0);
}

#[test]
fn legs_for_browsers_need_a_port() {
    let mut plane = Plane::start([127, 77, 1, 4], 20_000..=20_019, 1);
    plane.command(Command::Open { leg: A, face: Face::Browser });
    plane.wait(|event| *event == ShardEvent::OpenFailed { leg: A });
    let config = |browser_ports| MediaConfig {
        listen: plane.ip,
        ports: 21_000..=21_019,
        browser_ports: Some(browser_ports),
        shards: 2,
        shard: havre_media::Config::default(),
    };
    let start = |config| {
        let (events, _) = tokio::sync::mpsc::channel(1);
        MediaThreads::start(config, havre_node::clock::Clock::new(), [1; 32], events).map(|_| ())
    };
    assert!(matches!(start(config(19_000..=19_000)), Err(StartError::BrowserPorts { shards: 2, .. })));
    let taken = std::net::UdpSocket::bind((plane.ip, 19_101)).unwrap();
    assert!(matches!(start(config(19_100..=19_101)), Err(StartError::BrowserPort { port: 19_101, .. })));
    drop(taken);
    start(config(19_100..=19_101)).unwrap();
}
