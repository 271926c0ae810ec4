//! A flood of bad packets at one call's real ports, from its phones' addresses and from strangers': its neighbours on the same
//! thread lose nothing, and the call itself goes on.
#![allow(clippy::disallowed_methods, reason = "real sockets take real time")]
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use havre_media::{Command, Event};
use havre_model::LegId;
use havre_node::media::ShardEvent;
use support::{PATIENCE, Phone, Plane};

const ROUNDS: u32 = 1_000;
/// Bad packets in each.
const BURST: usize = 100;
/// How the payload of a numbered packet begins.
const MAGIC: [u8; 4] = *b"Havr";

struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }
}

/// 20 ms of PCMU with a number in it.
fn say(phone: &Phone, number: u32) {
    let mut packet = [0x55; 12 + 160];
    packet[..2].copy_from_slice(&[0x80, 0]);
    packet[2..4].copy_from_slice(&(number as u16).to_be_bytes());
    packet[4..8].copy_from_slice(&(number * 160).to_be_bytes());
    packet[8..12].copy_from_slice(&7_u32.to_be_bytes());
    packet[12..16].copy_from_slice(&MAGIC);
    packet[16..20].copy_from_slice(&number.to_be_bytes());
    phone.socket.send_to(&packet, phone.gateway).unwrap();
}

/// The next number that comes to a phone; noise and reports are passed over. `None` after a while without any.
fn hear(phone: &Phone) -> Option<u32> {
    let (start, mut buffer) = (Instant::now(), [0; 2_048]);
    while start.elapsed() < Duration::from_millis(60)
        && let Ok(length) = phone.socket.recv(&mut buffer)
    {
        if length == 172 && buffer[12..16] == MAGIC {
            assert!(buffer[20..172].iter().all(|byte| *byte == 0x55), "changed on its way");
            return Some(u32::from_be_bytes(buffer[16..20].try_into().unwrap()));
        }
    }
    None
}

/// A datagram that nobody should send.
fn bad(random: &mut Random) -> Vec<u8> {
    let mut bytes = vec![0x55; 172];
    bytes[..2].copy_from_slice(&[0x80, 0]);
    (2..8).for_each(|i| bytes[i] = random.below(256) as u8);
    bytes[8..12].copy_from_slice(&7_u32.to_be_bytes());
    match random.below(8) {
        0 => bytes.clear(),
        1 => bytes.resize([1_473, 3_000, 60_000][random.below(3)], 0x55),
        2 => bytes.truncate(random.below(172)),
        3 => bytes = (0..random.below(200)).map(|_| random.below(256) as u8).collect(),
        4 => bytes[random.below(2)] = random.below(256) as u8,
        5 => (8..12).for_each(|i| bytes[i] = random.below(256) as u8),
        // A report, whose length lies.
        6 => bytes[1..4].copy_from_slice(&[200 + random.below(8) as u8, 0, random.below(60) as u8]),
        _ => {}
    }
    bytes
}

#[test]
fn a_flood_at_one_calls_ports_costs_its_neighbours_no_packet_and_ends_no_call() {
    let mut plane = Plane::start([127, 77, 0, 12], 20_000..=20_019, 1);
    let phones = [1, 2, 3, 4].map(|leg| plane.phone(LegId(leg)));
    for (a, b) in [(LegId(1), LegId(2)), (LegId(3), LegId(4))] {
        plane.command(Command::Bridge { a, b });
        plane.wait(|event| *event == ShardEvent::Media(Event::Bridged { a, b }));
    }
    let [a, b, c, d] = &phones;
    let strangers = [Ipv4Addr::new(127, 77, 0, 12), Ipv4Addr::new(127, 77, 99, 9)]
        .map(|ip| UdpSocket::bind((ip, 0)).unwrap());
    let senders = [&c.socket, &d.socket, &strangers[0], &strangers[1]];
    // Ports of both kinds.
    let gateways =
        [c.gateway, d.gateway].map(|rtp| [rtp, SocketAddr::new(rtp.ip(), rtp.port() + 1)]).concat();
    // Whoever speaks is known by its address from then on.
    let knows = |number: u32, from: &Phone, to: &Phone| {
        let start = Instant::now();
        let mut number = number;
        loop {
            say(from, number);
            if hear(to).is_some() {
                return number;
            }
            number += 1;
            assert!(start.elapsed() < PATIENCE, "{:?}", plane.media.counters());
        }
    };
    for (from, to) in [(a, b), (b, a), (c, d), (d, c)] {
        knows(0, from, to);
    }
    while hear(a).is_some() || hear(b).is_some() {}
    let before = plane.media.counters()["received_packets"];
    let mut random = Random(1);
    for number in 1_000..1_000 + ROUNDS {
        say(a, number);
        say(b, number);
        for _ in 0..BURST {
            let (from, to) = (senders[random.below(4)], gateways[random.below(4)]);
            from.send_to(&bad(&mut random), to).unwrap();
        }
        for phone in [b, a] {
            let start = Instant::now();
            let heard = loop {
                if let Some(number) = hear(phone) {
                    break number;
                }
                assert!(start.elapsed() < PATIENCE, "{number} is lost: {:?}", plane.media.counters());
            };
            assert_eq!(heard, number, "in order, and once");
        }
    }
    // The kernel may drop some of a full socket's.
    plane.wait_for("received_packets", before + u64::from(ROUNDS) * BURST as u64 / 2);
    for name in
        ["oversized_packets", "dropped_malformed", "dropped_stranger", "dropped_payload_type", "dropped_rtcp"]
    {
        plane.wait_for(name, 1_000);
    }
    assert_eq!(plane.media.counters()["panics"], 0);
    for (from, to) in [(c, d), (d, c)] {
        while hear(to).is_some() {}
        knows(5_000, from, to);
    }
}
