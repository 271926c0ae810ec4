//! A million malformed packets into live calls: no panic, the neighbours hear nothing of it, and the calls go on.
#![allow(clippy::unwrap_used)] // It is how a test fails.

mod support;

use std::net::SocketAddr;

use havre_media::{Channel, Codec, Command, Input, Voice, rtp};
use havre_model::{ConferenceId, PlayId};
use support::{At, Node, World, sine};

const PHONES: Node = Node(0);
const GATEWAY: Node = Node(1);
const DESKS: Node = Node(2);

const PACKETS: usize = 1_000_000;
/// Packets in each 20 ms of the flood.
const BURST: usize = 2_000;

/// A bridged call: the phones and the gateway's legs.
struct Call {
    phone: At,
    a: At,
    b: At,
    desk: At,
}

/// Calls on one gateway: two that are attacked (relayed, and two that are transcoded) come last.
fn calls(world: &mut World) -> Vec<Call> {
    let codecs = [
        (Codec::Pcmu, Codec::Pcmu),
        (Codec::Pcmu, Codec::G722),
        (Codec::Pcma, Codec::Pcma),
        (Codec::Pcmu, Codec::L16),
        (Codec::Opus, Codec::Pcma),
    ];
    codecs
        .into_iter()
        .enumerate()
        .map(|(n, (caller, agent))| {
            let (phone, a) = world.call(PHONES, GATEWAY, &[caller], &[caller]);
            let (b, desk) = world.call(GATEWAY, DESKS, &[agent], &[agent]);
            world.listen(phone);
            world.listen(desk);
            world.bridge(a, b);
            world.tone(phone, 500.0 + 100.0 * n as f32, -10.0);
            world.tone(desk, 1_500.0 + 100.0 * n as f32, -15.0);
            Call { phone, a, b, desk }
        })
        .collect()
}

/// A phone and the gateway's leg for it.
type Line = (At, At);

/// Attacked as well, and each is listened to in a way of its own: a caller who hears a loop, and whose phone knows no
/// telephone-events; and three in a conference.
fn others(world: &mut World) -> [Line; 4] {
    let (phone, leg) = (world.open(PHONES, &[Codec::Pcma]), world.open(GATEWAY, &[Codec::Pcma]));
    let offer = String::from_utf8(world.session(phone).offer()).unwrap().replace("telephone-event", "x");
    let (answer, agreed) = world.session(leg).answer(offer.as_bytes()).unwrap();
    assert!(agreed.receive_events.is_empty());
    world.configure(leg, agreed);
    let agreed = world.session(phone).accept(&answer).unwrap();
    world.configure(phone, agreed);
    world.command(GATEWAY, Command::Loop { leg: leg.1, play: PlayId(1), prompt: sine(700.0, 1_000) });
    let members = [Codec::Pcmu, Codec::G722, Codec::Opus].map(|codec| {
        let (phone, leg) = world.call(PHONES, GATEWAY, &[codec], &[codec]);
        let conference = ConferenceId(1);
        let join = Command::Join { conference, leg: leg.1, voice: Voice::ToAll, tones: false };
        world.command(GATEWAY, join);
        (phone, leg)
    });
    world.tone(members[0].0, 850.0, -12.0);
    let all = [(phone, leg), members[0], members[1], members[2]];
    all.into_iter().for_each(|(phone, _)| world.listen(phone));
    all
}

/// A packet that a neighbour's phone was sent, and by which leg.
type Heard = (At, Vec<u8>);

const NEIGHBOURS: usize = 2;

struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }
}

/// Runs the calls for as long as the flood takes and three seconds more; gives what the neighbours' phones were sent,
/// and the world.
fn run(flood: bool) -> (Vec<Heard>, World, Vec<Call>, [Line; 4]) {
    let mut world = World::new(3);
    let calls = calls(&mut world);
    let others = others(&mut world);
    world.run(1_000);
    // A packet of each attacked leg's phone, and its RTCP, to be spoilt.
    let seeds: Vec<(SocketAddr, At, Vec<u8>)> = calls[NEIGHBOURS..]
        .iter()
        .flat_map(|call| [(call.phone, call.a), (call.desk, call.b)])
        .chain(others)
        .map(|(from, to)| (world.address(from), to, world.rtp_of(from).last().unwrap().bytes.clone()))
        .collect();
    let reports: Vec<Vec<u8>> =
        world.sent.iter().filter(|s| s.channel == Channel::Rtcp).map(|s| s.bytes.clone()).take(4).collect();
    let neighbours: Vec<At> = calls[..NEIGHBOURS].iter().flat_map(|call| [call.a, call.b]).collect();
    let mut random = Random(1);
    for _ in 0..PACKETS / BURST {
        if flood {
            for _ in 0..BURST {
                let (address, to, valid) = &seeds[random.below(seeds.len())];
                let (channel, bytes) = spoil(valid, &reports, &mut random);
                let mut source = *address;
                match random.below(4) {
                    0 => source.set_port(random.below(65_536) as u16),
                    1 => source.set_ip([203, 0, 113, random.below(256) as u8].into()),
                    _ => {}
                }
                let input = Input::Packet { leg: to.1, channel, source, bytes: &bytes };
                world.shards[GATEWAY.0].handle_input(input, world.now);
            }
        }
        world.run(20);
        world.sent.retain(|sent| neighbours.contains(&sent.by));
        world.events.clear();
    }
    world.run(3_000);
    let heard = world.sent.iter().filter(|s| neighbours.contains(&s.by) && !rtp::is_rtcp(&s.bytes));
    let heard = heard.map(|s| (s.by, s.bytes.clone())).collect();
    (heard, world, calls, others)
}

/// A packet that nobody should send.
fn spoil(valid: &[u8], reports: &[Vec<u8>], random: &mut Random) -> (Channel, Vec<u8>) {
    let rtcp = random.below(4) == 0 && !reports.is_empty();
    let mut bytes = if rtcp { reports[random.below(reports.len())].clone() } else { valid.to_vec() };
    match random.below(8) {
        // Any bytes at all.
        0 => bytes = (0..random.below(100)).map(|_| random.below(256) as u8).collect(),
        // Cut short, empty, or far too long.
        1 => bytes.truncate(random.below(bytes.len() + 1)),
        2 => bytes.resize(random.below(3_000), 0x55),
        // Any numbers: sequence, timestamp, SSRC.
        3 | 4 if !rtcp => (2..12.min(bytes.len())).for_each(|i| bytes[i] = random.below(256) as u8),
        // The right stream, anywhere on its timeline, and any payload.
        5 if !rtcp => {
            (2..8).for_each(|i| bytes[i] = random.below(256) as u8);
            (12..bytes.len()).for_each(|i| bytes[i] = random.below(256) as u8);
        }
        // A payload type, flags.
        6 => bytes[random.below(2)] = random.below(256) as u8,
        // Some bits.
        _ => {
            for _ in 0..=random.below(8) {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
        }
    }
    (if rtcp && random.below(2) == 0 { Channel::Rtcp } else { Channel::Rtp }, bytes)
}

#[test]
fn a_million_malformed_packets_disturb_nobody() {
    let (quiet, ..) = run(false);
    let (heard, world, calls, [(waiting, _), speaker, members @ ..]) = run(true);
    assert!(quiet.len() > 4 * 650, "{}", quiet.len());
    assert_eq!(heard.len(), quiet.len(), "packets to the neighbours");
    assert!(heard == quiet, "the neighbours heard something else");
    for (n, call) in calls.iter().enumerate() {
        world.assert_heard(call.desk, 500.0 + 100.0 * n as f32, -10.0);
        world.assert_heard(call.phone, 1_500.0 + 100.0 * n as f32, -15.0);
    }
    assert!((world.heard(waiting).0 - 700.0).abs() < 5.0, "{:?}", world.heard(waiting));
    members.iter().for_each(|(phone, _)| world.assert_heard(*phone, 850.0, -12.0));
    assert!(world.heard(speaker.0).1 < -50.0, "nobody else speaks: {:?}", world.heard(speaker.0));
    let counters = world.shards[GATEWAY.0].counters();
    for (what, count) in [
        ("malformed", counters.dropped_malformed),
        ("stranger", counters.dropped_stranger),
        ("payload type", counters.dropped_payload_type),
        ("unfit", counters.dropped_unfit),
        ("RTCP", counters.dropped_rtcp),
    ] {
        assert!(count > 1_000, "{what}: {count}");
    }
}
