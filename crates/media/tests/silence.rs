//! Silence that is said: comfort noise (RFC 3389) from phones and to them, and what is left unsent where the operator wants that.
#![allow(clippy::unwrap_used)] // It is how a test fails.

mod support;

use std::sync::Arc;
use std::time::Duration;

use havre_media::Codec::{self, G722, L16, Opus, Pcma, Pcmu};
use havre_media::{Clip, Command, Config, Event, Prompt, Shard, rtp};
use support::{At, Node, World, millis, secs};

const CALLER: Node = Node(0);
const GATEWAY: Node = Node(1);
const AGENT: Node = Node(2);
const COMFORT: u8 = 13;

/// A phone that takes comfort noise, and the gateway's leg for it.
fn comforted(world: &mut World, node: Node, codec: Codec) -> (At, At) {
    let (phone, leg) = (world.open(node, &[codec]), world.open(GATEWAY, &[codec]));
    let offer = String::from_utf8(world.session(phone).offer()).unwrap();
    let offer = offer.replacen(" 101\r\n", " 101 13\r\n", 1);
    let (answer, agreed) = world.session(leg).answer(offer.as_bytes()).unwrap();
    assert!(agreed.comfort_noise);
    world.configure(leg, agreed);
    let agreed = world.session(phone).accept(&answer).unwrap();
    world.configure(phone, agreed);
    (phone, leg)
}

/// One SSRC, every sequence number once and in order, and timestamps that never go back.
fn assert_one_stream(world: &World, by: At) {
    for pair in world.rtp_of(by).windows(2) {
        let (last, this) = (pair[0].rtp(), pair[1].rtp());
        assert_eq!(
            (this.ssrc, this.sequence),
            (last.ssrc, last.sequence.wrapping_add(1)),
            "at {:?}",
            pair[1].at
        );
        assert!(this.timestamp.wrapping_sub(last.timestamp) as i32 > 0, "at {:?}", pair[1].at);
    }
}

#[test]
fn the_quiet_that_a_phone_describes_is_what_its_listener_hears_until_it_speaks_again() {
    for (caller, agent, told) in [
        (Pcmu, Pcmu, true),
        (Pcmu, Pcmu, false),
        (Pcmu, G722, false),
        (Pcma, Pcmu, true),
        (Pcma, Opus, false),
    ] {
        let what = format!("{caller:?} to {agent:?}, {told}");
        let mut world = World::new(3);
        let (phone, a) = comforted(&mut world, CALLER, caller);
        let (desk, b) = match told {
            true => comforted(&mut world, AGENT, agent),
            false => {
                let (b, desk) = world.call(GATEWAY, AGENT, &[agent], &[agent]);
                (desk, b)
            }
        };
        world.bridge(a, b);
        world.listen(desk);
        world.tone(phone, 1_004.0, -10.0);
        world.run(1_500);
        world.assert_heard(desk, 1_004.0, -10.0);
        world.command(CALLER, Command::Close { leg: phone.1 });
        let (from, said) = (world.address(phone), world.rtp_of(phone).last().unwrap().bytes.clone());
        let last = rtp::parse(&said).unwrap();
        let sends = |world: &mut World, packet: rtp::Packet<'_>, payload: &[u8]| {
            world.inject(from, a, &[&packet.header()[..], payload].concat());
        };
        // 50 dB below overload, -43.8 dBm0, and then nothing for ten seconds, as the RFC lets it.
        let (sequence, timestamp) = (last.sequence + 1, last.timestamp + 160);
        let noise = rtp::Packet { sequence, timestamp, payload_type: COMFORT, ..last };
        sends(&mut world, noise, &[50]);
        world.run(500);
        let began = world.rtp_of(b).len();
        world.run(9_500);
        let quiet: Vec<_> = world.rtp_of(b)[began..].to_vec();
        if told {
            assert!(
                quiet.iter().all(|s| s.rtp().payload_type == COMFORT && s.rtp().payload == [50]),
                "{what}"
            );
            assert!((45..=50).contains(&quiet.len()), "{what}: {}", quiet.len());
        } else {
            let level = world.heard(desk).1;
            // Opus is for voices, and takes some of what hisses.
            let least = if agent == Opus { -48.5 } else { -45.3 };
            assert!((least..-42.3).contains(&level), "{what}: {level} dBm0");
            assert!((470..=480).contains(&quiet.len()), "{what}: {}", quiet.len());
        }
        let lost = |(_, event): &(u64, Event)| matches!(event, Event::MediaLost { .. });
        assert!(!world.told(GATEWAY).iter().any(lost), "{what}");
        // It speaks again.
        let before = world.rtp_of(b).len();
        for n in 0..60_u16 {
            let (sequence, timestamp) =
                (last.sequence + 2 + n, last.timestamp + 10_000 * 8 + u32::from(n) * 160);
            sends(&mut world, rtp::Packet { sequence, timestamp, marker: n == 0, ..last }, last.payload);
            world.run(20);
        }
        let spoken: Vec<_> =
            world.rtp_of(b)[before..].iter().map(|s| s.rtp()).filter(|p| p.payload_type != COMFORT).collect();
        assert!(spoken.len() >= 57, "{what}: {}", spoken.len());
        assert!(!told || spoken[0].marker && spoken[1..].iter().all(|p| !p.marker), "{what}");
        assert!((world.heard(desk).1 + 10.0).abs() < 1.5, "{what}: {:?}", world.heard(desk));
        assert_one_stream(&world, b);
    }
}

/// A room of -55 dBm0 (the half of it, -58, in the telephone band), in which somebody says something soft (-48 dBm0) from the
/// fifth to the sixth second.
fn soft_speaker() -> Arc<Prompt> {
    let mut random = 1_u32;
    let samples: Vec<i16> = (0..10 * 16_000)
        .map(|i| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let room = f64::from(random as i32) / 2_147_483_648.0 * 49.0;
            let voice = 90.0 * (std::f64::consts::TAU * 500.0 * f64::from(i) / 16_000.0).sin();
            (room + if (80_000..96_000).contains(&i) { voice } else { 0.0 }) as i16
        })
        .collect();
    Prompt::new(&samples)
}

#[test]
fn what_nobody_says_is_left_unsent_where_that_is_wanted_and_a_soft_word_is_not() {
    for agent in [Pcmu, Opus] {
        let mut world = World::new(3);
        let config = Config { suppress_silence: true, ..Config::default() };
        world.shards[GATEWAY.0] = Shard::new(Arc::new(config), [9; 32], world.now);
        let (phone, a) = world.call(CALLER, GATEWAY, &[L16], &[L16]);
        let b = match agent {
            Pcmu => comforted(&mut world, AGENT, agent).1,
            _ => {
                let (b, desk) = (world.open(GATEWAY, &[agent]), world.open(AGENT, &[agent]));
                let offer = world.session(b).offer();
                let (answer, agreed) = world.session(desk).answer(&offer).unwrap();
                world.configure(desk, agreed);
                let answer = String::from_utf8(answer).unwrap();
                let answer = answer.replace("useinbandfec=1", "useinbandfec=1;usedtx=1");
                let agreed = world.session(b).accept(answer.as_bytes()).unwrap();
                assert!(agreed.opus.dtx);
                world.configure(b, agreed);
                b
            }
        };
        // The room is heard from the first packet on.
        world.play(phone, 1, vec![Clip::Prompt(soft_speaker())]);
        let start = Duration::ZERO;
        world.run(200);
        world.bridge(a, b);
        world.run(9_700);
        // So much of each time is sent as audio, in packets of 20 ms; 60 ms is on its way.
        let audio = |from: u64, to: u64| {
            let within = |s: &&support::Sent| (start + millis(from)..start + millis(to)).contains(&s.at);
            let sent = world.rtp_of(b).into_iter().filter(within).map(|s| s.rtp());
            sent.filter(|p| p.payload_type != COMFORT).collect::<Vec<_>>()
        };
        let (before, word, after) = (audio(4_000, 5_000), audio(5_100, 6_000), audio(8_500, 9_500));
        assert_eq!(word.len(), 45, "{agent:?}");
        for quiet in [before, after] {
            assert!(quiet.len() < 10, "{agent:?}: {} packets in a second of silence", quiet.len());
        }
        // The spurt begins with a mark, at once.
        let spurt = audio(4_900, 5_200).into_iter().find(|p| p.marker).expect("a mark");
        let began = world.rtp_of(b).into_iter().find(|s| s.rtp() == spurt).unwrap().at;
        assert!(began < start + secs(5) + millis(100), "{agent:?}: {began:?}");
        if agent == Pcmu {
            let told: Vec<u8> = world
                .rtp_of(b)
                .into_iter()
                .filter(|s| s.at > start + secs(4) && s.rtp().payload_type == COMFORT)
                .map(|s| s.rtp().payload[0])
                .collect();
            assert!(told.len() > 10 && told.iter().all(|level| (62..=67).contains(level)), "{told:?}");
        }
        assert_one_stream(&world, b);
        assert!(world.rtp_of(b).windows(2).all(|pair| pair[1].at - pair[0].at < Duration::from_millis(450)));
    }
}
