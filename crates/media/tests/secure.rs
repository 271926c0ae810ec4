//! Legs with SRTP: bridged to plain ones and to each other, over re-INVITEs, and under a flood of forged packets.
#![allow(clippy::unwrap_used)] // It is how a test fails.

mod support;

use havre_media::srtp::{Keys, Pair, Suite};
use havre_media::{Channel, Codec, Command, Input, Voice, rtp};
use havre_model::ConferenceId;
use support::{At, Node, World, secs, sine};

const PHONES: Node = Node(0);
const GATEWAY: Node = Node(1);
const DESKS: Node = Node(2);

fn keys(suite: Suite, seed: u8) -> Keys {
    let byte = |i: usize| (i as u8).wrapping_mul(11).wrapping_add(seed);
    let secret: Vec<u8> = (0..46).map(byte).collect();
    Keys::new(suite, &secret[..suite.key_length()], &secret[32..][..suite.salt_length()]).unwrap()
}

/// Offer and answer, and keys for both as SDES or DTLS would agree upon.
fn secure(world: &mut World, from: At, to: At, suite: Suite, seed: u8) {
    let offer = world.session(from).offer();
    let (answer, mut theirs) = world.session(to).answer(&offer).unwrap();
    let mut ours = world.session(from).accept(&answer).unwrap();
    let (one, other) = (keys(suite, seed), keys(suite, seed + 100));
    theirs.srtp = Some(Box::new(Pair { send: other.clone(), receive: one.clone() }));
    ours.srtp = Some(Box::new(Pair { send: one, receive: other }));
    world.configure(to, theirs);
    world.configure(from, ours);
}

/// A phone, the gateway's leg to it, that to the desk, and the desk; bridged, and each says its own tone.
fn call(
    world: &mut World,
    phone_suite: Option<Suite>,
    desk_suite: Option<Suite>,
    desk_codec: Codec,
) -> [At; 4] {
    let phone = world.open(PHONES, &[Codec::Pcmu]);
    let a = world.open(GATEWAY, &[Codec::Pcmu]);
    let b = world.open(GATEWAY, &[desk_codec]);
    let desk = world.open(DESKS, &[desk_codec]);
    for (from, to, suite, seed) in [(phone, a, phone_suite, 1), (b, desk, desk_suite, 3)] {
        match suite {
            Some(suite) => secure(world, from, to, suite, seed),
            None => world.offer(from, to),
        }
    }
    world.listen(phone);
    world.listen(desk);
    world.bridge(a, b);
    world.tone(phone, 500.0, -10.0);
    world.tone(desk, 1_500.0, -15.0);
    [phone, a, b, desk]
}

/// Lets the call go on past the rollover of every sequence number: 22 minutes, in which nobody measures what is heard.
fn roll_over(world: &mut World, [phone, _, _, desk]: [At; 4]) {
    for At(node, leg) in [phone, desk] {
        world.command(node, Command::Listen { leg, on: false });
    }
    for _ in 0..14 {
        world.run(100_000);
        world.sent.clear();
    }
    world.events.clear();
    world.listen(phone);
    world.listen(desk);
}

fn assert_both_hear(world: &World, [phone, _, _, desk]: [At; 4]) {
    world.assert_heard(desk, 500.0, -10.0);
    world.assert_heard(phone, 1_500.0, -15.0);
}

#[test]
fn secure_and_plain_legs_relay_and_transcode_to_each_other() {
    let suites =
        [None, Some(Suite::AesCm128HmacSha1_80), Some(Suite::AeadAes128Gcm), Some(Suite::AeadAes256Gcm)];
    for phone in suites {
        for desk in suites {
            for codec in [Codec::Pcmu, Codec::G722] {
                let mut world = World::new(3);
                let legs = call(&mut world, phone, desk, codec);
                world.run(7_000);
                assert_both_hear(&world, legs);
                let counters = *world.shards[GATEWAY.0].counters();
                assert_eq!((counters.bad_srtp, counters.replayed_srtp), (0, 0), "{phone:?} {desk:?}");
                if codec == Codec::Pcmu {
                    assert!(counters.relayed > 650 && counters.transcoded == 0, "{counters:?}");
                }
                // Reports came through too, both ways.
                assert_eq!(counters.dropped_rtcp, 0);
                assert!(world.sent.iter().any(|sent| sent.by == legs[0] && sent.channel == Channel::Rtcp));
            }
        }
    }
}

#[test]
fn a_prompt_for_a_secure_leg_is_encrypted_for_it_alone() {
    let mut world = World::new(2);
    let listeners: Vec<_> = (0..3_u8)
        .map(|n| {
            let (phone, leg) = (world.open(PHONES, &[Codec::Pcmu]), world.open(GATEWAY, &[Codec::Pcmu]));
            match n {
                0 => world.offer(phone, leg),
                n => secure(&mut world, phone, leg, Suite::AeadAes128Gcm, n),
            }
            world.listen(phone);
            world.play(leg, 1, vec![havre_media::Clip::Prompt(sine(800.0, 3_000))]);
            (phone, leg)
        })
        .collect();
    world.run(2_000);
    let last: Vec<_> =
        listeners.iter().map(|(_, leg)| world.rtp_of(*leg).last().unwrap().bytes.clone()).collect();
    assert_eq!(last[1].len(), last[0].len() + 16);
    assert!(last[1][12..172] != last[0][12..] && last[2][12..172] != last[0][12..] && last[1] != last[2]);
    for (phone, _) in listeners {
        assert!((world.heard(phone).0 - 800.0).abs() < 5.0);
    }
}

#[test]
fn calls_survive_re_invites_with_the_same_keys_and_with_others() {
    let suite = Suite::AeadAes128Gcm;
    let mut world = World::new(3);
    let legs @ [phone, a, ..] = call(&mut world, Some(suite), None, Codec::Pcmu);
    roll_over(&mut world, legs);
    secure(&mut world, phone, a, suite, 1);
    world.run(2_000);
    assert_both_hear(&world, legs);
    assert_eq!(world.shards[GATEWAY.0].counters().bad_srtp, 0, "the same keys go on");
    secure(&mut world, a, phone, suite, 9);
    world.events.clear();
    world.run(3_000);
    assert_both_hear(&world, legs);
    let bad = world.shards[GATEWAY.0].counters().bad_srtp;
    assert!(bad < 5, "only what was under way: {bad}");
}

#[test]
fn loss_and_disorder_around_the_rollover_cost_only_what_is_lost() {
    let mut world = World::new(3);
    let legs = call(&mut world, Some(Suite::AesCm128HmacSha1_80), Some(Suite::AeadAes256Gcm), Codec::Pcmu);
    world.weather = support::Weather { delay_ms: 5, jitter_ms: 60, loss_percent: 5, double_percent: 5 };
    roll_over(&mut world, legs);
    world.weather = support::Weather { delay_ms: 5, ..Default::default() };
    world.run(3_000);
    assert_both_hear(&world, legs);
    let counters = world.shards[GATEWAY.0].counters();
    assert_eq!(counters.bad_srtp, 0);
    assert!(counters.replayed_srtp > 1_000, "what the network doubled: {}", counters.replayed_srtp);
}

#[test]
fn a_hundred_thousand_forged_packets_reach_nobody() {
    for suite in Suite::ALL {
        let mut world = World::new(3);
        let legs @ [phone, a, ..] = call(&mut world, Some(suite), None, Codec::Pcmu);
        let neighbours = call(&mut world, None, Some(suite), Codec::Pcmu);
        world.run(1_000);
        let stranger = std::net::SocketAddr::from(([203, 0, 113, 9], 4_000));
        let seed = world.rtp_of(phone).last().unwrap().bytes.clone();
        let before = *world.shards[GATEWAY.0].counters();
        let mut random = 1_u64;
        let mut below = |most: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % most
        };
        for round in 0..100_usize {
            for n in 0..1_000 {
                let mut bytes = seed.clone();
                match n % 4 {
                    // Plain RTP as if nothing were agreed, right in its place.
                    0 => bytes.truncate(seed.len() - suite.rtp_overhead()),
                    // The true packet again.
                    1 => {}
                    // The next ones, forged.
                    2 => {
                        let next = u16::from_be_bytes([seed[2], seed[3]]).wrapping_add(1 + round as u16);
                        bytes[2..4].copy_from_slice(&next.to_be_bytes());
                    }
                    _ => (0..bytes.len()).for_each(|i| bytes[i] ^= below(256) as u8 & below(256) as u8),
                }
                let source = if n % 8 < 4 { stranger } else { world.address(phone) };
                let channel = if below(10) == 0 { Channel::Rtcp } else { Channel::Rtp };
                let input = Input::Packet { leg: a.1, channel, source, bytes: &bytes };
                world.shards[GATEWAY.0].handle_input(input, world.now);
            }
            world.run(20);
        }
        let counters = *world.shards[GATEWAY.0].counters();
        let dropped = counters.bad_srtp + counters.replayed_srtp;
        assert_eq!(dropped, 100_000, "{suite:?}: every one of them");
        assert!(counters.replayed_srtp > 10_000, "{suite:?}: {}", counters.replayed_srtp);
        assert_eq!(counters.dropped_stranger, before.dropped_stranger, "none got as far as its address");
        assert_eq!(counters.digits, 0);
        let home = world.address(phone);
        let sent: Vec<_> = world.rtp_of(a).into_iter().filter(|sent| sent.at > secs(1)).collect();
        assert!(sent.len() >= 99 && sent.iter().all(|sent| sent.to == home), "the stream moved");
        world.run(1_000);
        assert_both_hear(&world, legs);
        assert_both_hear(&world, neighbours);
    }
}

#[test]
fn reports_share_the_port_where_that_was_agreed() {
    let mut world = World::new(2);
    let (phone, leg) = (world.open(PHONES, &[Codec::Pcmu]), world.open(GATEWAY, &[Codec::Pcmu]));
    secure(&mut world, phone, leg, Suite::AesCm128HmacSha1_80, 1);
    // The same agreement again, but with one port.
    for (at, other, send, receive) in [(phone, leg, 1, 101), (leg, phone, 101, 1)] {
        let suite = Suite::AesCm128HmacSha1_80;
        let offer = world.session(other).offer();
        let (_, mut agreed) = world.session(at).answer(&offer).unwrap();
        agreed.rtcp_mux = true;
        agreed.remote_rtp = world.address(other);
        agreed.srtp = Some(Box::new(Pair { send: keys(suite, send), receive: keys(suite, receive) }));
        world.configure(at, agreed);
    }
    world.run(12_000);
    let report = |sent: &&support::Sent| sent.by == leg && rtp::is_rtcp(&sent.bytes);
    assert!(world.sent.iter().filter(report).count() >= 1);
    assert!(world.sent.iter().all(|sent| sent.channel == Channel::Rtp));
    assert_eq!(world.shards[GATEWAY.0].counters().bad_srtp, 0);
    assert_eq!(world.shards[GATEWAY.0].counters().dropped_rtcp, 0);
}

#[test]
fn secure_and_plain_members_hear_each_other_in_a_conference() {
    let mut world = World::new(2);
    let members: Vec<(At, At)> = [Some(Suite::AeadAes256Gcm), None, Some(Suite::AesCm128HmacSha1_80)]
        .into_iter()
        .zip([1, 0, 7])
        .map(|(suite, seed)| {
            let (phone, leg) = (world.open(PHONES, &[Codec::Pcmu]), world.open(GATEWAY, &[Codec::Pcmu]));
            match suite {
                Some(suite) => secure(&mut world, phone, leg, suite, seed),
                None => world.offer(phone, leg),
            }
            world.listen(phone);
            (phone, leg)
        })
        .collect();
    for (_, leg) in &members {
        let join =
            Command::Join { conference: ConferenceId(1), leg: leg.1, voice: Voice::ToAll, tones: false };
        world.command(GATEWAY, join);
    }
    for (speaker, hz) in [500.0, 900.0, 1_500.0].into_iter().enumerate() {
        let phone = members[speaker].0;
        world.tone(phone, hz, -12.0);
        world.run(2_000);
        for listener in (0..members.len()).filter(|listener| *listener != speaker) {
            world.assert_heard(members[listener].0, hz, -12.0);
        }
        world.command(PHONES, Command::Stop { leg: phone.1 });
    }
    let counters = world.shards[GATEWAY.0].counters();
    assert_eq!((counters.bad_srtp, counters.replayed_srtp), (0, 0));
    assert!(counters.mixed > 3 * 250, "{}", counters.mixed);
}
