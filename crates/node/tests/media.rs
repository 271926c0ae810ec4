//! Data threads on real loopback sockets.

#![allow(clippy::disallowed_methods, reason = "real sockets take real time")]
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::{Duration, Instant};

use havre_media::{Clip, Command, Event, Face};
use havre_model::{LegId, PlayId};
use havre_node::clock::Clock;
use havre_node::media::{MediaConfig, MediaThreads, Refused, ShardEvent, StartError};
use socket2::{Domain, Socket, Type};
use support::{PATIENCE, Phone, Plane};
use tokio::sync::mpsc;

const A: LegId = LegId(1);
const B: LegId = LegId(2);

#[test]
fn two_phones_hear_each_other_through_a_bridge() {
    let mut plane = Plane::start([127, 77, 0, 1], 20_000..=20_019, 1);
    let (a, b) = (plane.phone(A), plane.phone(B));
    plane.command(Command::Bridge { a: A, b: B });
    plane.wait(|event| *event == ShardEvent::Media(Event::Bridged { a: A, b: B }));

    for (from, to, byte) in [(&a, &b, 0x12), (&b, &a, 0x34)] {
        let mut seq = 0;
        let heard = to.hear(
            |payload| payload.iter().all(|sample| *sample == byte),
            || {
                from.say(seq, byte);
                seq += 1;
            },
        );
        assert_eq!(heard.len(), 160);
    }
    // A packet is counted after it is sent, so it may be heard before.
    plane.wait_for("sent_packets", 2);
    plane.wait_for("received_packets", 2);
}

#[test]
fn whatever_comes_at_once_is_read_and_what_is_too_long_is_left_out() {
    const BURST: u64 = 150;
    let mut plane = Plane::start([127, 77, 0, 10], 20_000..=20_019, 1);
    let (a, b) = (plane.phone(A), plane.phone(B));
    let read = |plane: &Plane| plane.media.counters()["received_packets"];
    // In a queue nobody hears them; then somebody does.
    for bridged in [false, true] {
        if bridged {
            plane.command(Command::Bridge { a: A, b: B });
            plane.wait(|event| *event == ShardEvent::Media(Event::Bridged { a: A, b: B }));
        }
        for phone in [&a, &b] {
            let (before, long) = (read(&plane), plane.media.counters()["oversized_packets"]);
            for _ in 0..BURST {
                phone.socket.send_to(&[0x80; 24], phone.gateway).unwrap();
            }
            phone.socket.send_to(&[0x80; 3_000], phone.gateway).unwrap();
            plane.wait_for("oversized_packets", long + 1);
            assert_eq!(read(&plane), before + BURST, "bridged: {bridged}");
        }
    }
    let mut seq = 0;
    passes(&a, &b, 0x21, &mut seq);
}

#[test]
fn a_tone_is_played_to_the_phone() {
    let mut plane = Plane::start([127, 77, 0, 2], 20_000..=20_019, 1);
    let phone = plane.phone(A);
    let clips = vec![Clip::Tone { hz: 440.0, dbm0: -10.0, duration: Duration::from_millis(200) }];
    plane.command(Command::Play { leg: A, play: PlayId(5), clips });
    // -10 dBm0 peaks near 7,000: far from mu-law's codes of silence, 0xff and 0x7f.
    phone.hear(|payload| payload.iter().any(|code| code & 0x7f < 0x40), || {});
    plane.wait(|event| *event == ShardEvent::Media(Event::PlayDone { leg: A, play: PlayId(5) }));
}

#[test]
fn ports_run_out_and_that_is_said() {
    let mut plane = Plane::start([127, 77, 0, 3], 20_001..=20_006, 1);
    let mut ports = BTreeSet::new();
    for leg in [A, B] {
        ports.insert(plane.open(leg).unwrap());
    }
    assert_eq!(ports, BTreeSet::from([20_002, 20_004]));
    assert_eq!(plane.open(LegId(3)), None);
    assert_eq!(plane.open(A).map(|port| ports.contains(&port)), Some(true), "opening twice changes nothing");

    // The pair rests before the next leg gets it, and its sockets are closed at once.
    plane.command(Command::Close { leg: A });
    assert_eq!(plane.open(LegId(4)), None);
    let free = ports.iter().filter(|port| UdpSocket::bind((plane.ip, **port)).is_ok()).count();
    assert_eq!(free, 1);
    let counters = plane.media.counters();
    assert_eq!((counters["open_legs"], counters["open_failed"], counters["opened_twice"]), (1, 2, 1));
}

#[test]
fn ports_of_others_are_skipped() {
    let ip = IpAddr::V4(Ipv4Addr::new(127, 77, 0, 4));
    // An RTCP port alone is enough to spoil a pair.
    let _taken = [UdpSocket::bind((ip, 20_000)).unwrap(), UdpSocket::bind((ip, 20_003)).unwrap()];
    let mut plane = Plane::start([127, 77, 0, 4], 20_000..=20_005, 1);
    assert_eq!(plane.open(A), Some(20_004));
    assert_eq!(plane.open(B), None);
}

#[test]
fn an_unreachable_port_is_noticed() {
    let mut plane = Plane::start([127, 77, 0, 5], 20_000..=20_019, 1);
    let phone = plane.phone(A);
    phone.hear(|_| true, || {});
    drop(phone);
    plane.wait(|event| *event == ShardEvent::Media(Event::Unreachable { leg: A }));
    plane.wait_for("icmp_unreachable", 1);
}

/// Both phones talk until their legs have sockets that are connected to them; the next sequence number.
fn settle(plane: &Plane, a: &Phone, b: &Phone) -> u16 {
    let mut seq = 0;
    let start = Instant::now();
    while plane.media.counters()["connected_sockets"] < 2 {
        assert!(start.elapsed() < PATIENCE, "{:?}", plane.media.counters());
        a.say(seq, 0x12);
        b.say(seq, 0x34);
        seq += 1;
        std::thread::sleep(Duration::from_millis(1));
    }
    seq
}

/// What one phone says comes to the other.
fn passes(from: &Phone, to: &Phone, byte: u8, seq: &mut u16) {
    to.hear(
        |payload| payload[0] == byte,
        || {
            from.say(*seq, byte);
            *seq += 1;
        },
    );
}

#[test]
fn a_leg_whose_phone_stays_where_it_is_gets_a_socket_of_its_own() {
    let mut plane = Plane::start([127, 77, 0, 7], 20_000..=20_019, 1);
    let (a, b) = (plane.phone(A), plane.phone(B));
    plane.command(Command::Bridge { a: A, b: B });
    plane.wait(|event| *event == ShardEvent::Media(Event::Bridged { a: A, b: B }));
    let mut seq = settle(&plane, &a, &b);
    // Everything passes on, both ways.
    passes(&a, &b, 0x56, &mut seq);
    passes(&b, &a, 0x65, &mut seq);
    // The port is nobody else's, even of those who would share it.
    let port = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    port.set_reuse_address(true).unwrap();
    port.set_reuse_port(true).unwrap();
    assert!(port.bind(&a.gateway.into()).is_err());
    // A stranger is read, and refused.
    let stranger = UdpSocket::bind((plane.ip, 0)).unwrap();
    let received = plane.media.counters()["received_packets"];
    stranger.send_to(&[0x80; 172], a.gateway).unwrap();
    plane.wait_for("received_packets", received + 1);
    // The phone moves to another network: it is heard, and hears, there.
    let moved = Phone { socket: UdpSocket::bind((plane.ip, 0)).unwrap(), gateway: a.gateway };
    moved.socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    passes(&moved, &b, 0x78, &mut seq);
    passes(&b, &moved, 0x43, &mut seq);
    // One for each, and for the phone that moved one at its new place, once it is settled there.
    let counters = plane.media.counters();
    assert!((2..=3).contains(&counters["connected_sockets"]), "{counters:?}");
    assert_eq!(counters["connect_failed"], 0);
    // Apart again, and closed, the leg leaves nothing behind.
    plane.command(Command::Unbridge { a: A, b: B });
    plane.command(Command::Close { leg: A });
    plane.command(Command::Close { leg: B });
    let start = Instant::now();
    while UdpSocket::bind(a.gateway).is_err() {
        assert!(start.elapsed() < PATIENCE, "the port stayed taken");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_phone_that_goes_while_it_has_a_socket_of_its_own_is_noticed() {
    let mut plane = Plane::start([127, 77, 0, 8], 20_000..=20_019, 1);
    let (a, b) = (plane.phone(A), plane.phone(B));
    plane.command(Command::Bridge { a: A, b: B });
    plane.wait(|event| *event == ShardEvent::Media(Event::Bridged { a: A, b: B }));
    let seq = settle(&plane, &a, &b);
    drop(a);
    b.say(seq, 0x34);
    plane.wait(|event| *event == ShardEvent::Media(Event::Unreachable { leg: A }));
}

#[test]
fn ipv4_phones_of_a_gateway_of_both_families_get_such_sockets_too() {
    let mut plane = Plane::start(Ipv6Addr::UNSPECIFIED, 20_620..=20_639, 1);
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let (a, b) = (plane.phone_at(A, here, None), plane.phone_at(B, Ipv6Addr::LOCALHOST.into(), None));
    plane.command(Command::Bridge { a: A, b: B });
    plane.wait(|event| *event == ShardEvent::Media(Event::Bridged { a: A, b: B }));
    let mut seq = settle(&plane, &a, &b);
    passes(&a, &b, 0x56, &mut seq);
    passes(&b, &a, 0x65, &mut seq);
    assert_eq!(plane.media.counters()["connect_failed"], 0);
}

#[test]
fn legs_are_spread_over_shards_which_share_no_ports() {
    let mut plane = Plane::start([127, 77, 0, 6], 20_000..=20_015, 4);
    let mut used = BTreeSet::new();
    let mut ports = BTreeSet::new();
    for leg in 0..8 {
        let shard = plane.media.least_busy();
        used.insert(shard);
        ports.insert(plane.open_on(shard, LegId(leg)).unwrap());
    }
    assert_eq!((used.len(), ports.len()), (4, 8));
    assert_eq!(plane.media.command(4, Command::Open { leg: LegId(9), face: Face::Plain }), Err(Refused));
}

#[test]
fn a_leg_finds_ports_as_long_as_any_shard_has_some() {
    let mut plane = Plane::start([127, 77, 0, 11], 20_000..=20_009, 2);
    let opened: Vec<_> = (0..4).map(|leg| plane.open_on(0, LegId(leg))).collect();
    assert!(opened.iter().all(Option::is_some), "{opened:?}: all but one of both shards' pairs, on one");
    assert!(plane.open_on(1, LegId(4)).is_some());
    assert_eq!((plane.open_on(0, LegId(5)), plane.open_on(1, LegId(6))), (None, None));
}

#[test]
fn what_cannot_work_is_refused_at_the_start() {
    let start = |ip, ports, shards| {
        let config = MediaConfig {
            listen: ip,
            ports,
            browser_ports: None,
            shards,
            shard: havre_media::Config::default(),
        };
        MediaThreads::start(config, Clock::new(), [1; 32], mpsc::channel(1).0).map(|_| ()).unwrap_err()
    };
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    assert!(matches!(start(here, 20_000..=20_009, 0), StartError::Shards(0)));
    assert!(matches!(start(here, 20_000..=20_003, 3), StartError::Ports { pairs: 2, shards: 3, .. }));
    // TEST-NET-1: no machine has it.
    let nowhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    assert!(matches!(start(nowhere, 20_000..=20_009, 1), StartError::Address { .. }));
}
