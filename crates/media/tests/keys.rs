//! Keys and typing on the line: as telephone-events through loss, as tones where those are not known, and TTYs.
#![allow(clippy::unwrap_used)] // It is how a test fails.

mod support;

use std::sync::Arc;

use havre_media::Codec::{self, G722, Pcma, Pcmu};
use havre_media::{Clip, Command, Event, Prompt};
use havre_model::{Digit, PlayId};
use support::{At, Node, Weather, World, millis, secs, sine};

const PHONE: Node = Node(0);
const GATEWAY: Node = Node(1);
const DESK: Node = Node(2);
/// Every key, and some twice in a row.
const KEYS: &str = "1234567890*#ABCD1122##00";

/// A phone that knows no telephone-events, and the gateway's leg for it.
fn toneful(world: &mut World, phone: Node, gateway: Node, codec: Codec) -> (At, At) {
    let (phone, leg) = (world.open(phone, &[codec]), world.open(gateway, &Codec::ALL));
    let offer = world.session(phone).offer();
    let offer = String::from_utf8(offer).unwrap().replace("telephone-event", "x");
    let (answer, agreed) = world.session(leg).answer(offer.as_bytes()).unwrap();
    assert!(agreed.receive_events.is_empty() && agreed.send_events.is_empty());
    world.configure(leg, agreed);
    let mut agreed = world.session(phone).accept(&answer).unwrap();
    agreed.receive_events.clear();
    agreed.send_events.clear();
    world.configure(phone, agreed);
    (phone, leg)
}

fn press(world: &mut World, on: At, keys: &str, ms: u16) {
    for key in keys.chars() {
        let digit = Digit::from_char(key).unwrap();
        world.command(on.0, Command::SendDigit { leg: on.1, digit, millis: ms });
        // No faster than they go out: only so many wait.
        world.run(u64::from(ms) + 160);
    }
    world.run(3_000);
}

#[test]
fn tones_are_pressed_and_heard_in_every_codec_and_only_once() {
    for codec in Codec::ALL {
        for ms in [80, 100, 300] {
            let mut world = World::new(2);
            let (phone, leg) = toneful(&mut world, PHONE, GATEWAY, codec);
            world.run(300);
            press(&mut world, phone, KEYS, ms);
            assert_eq!(world.digits(leg), KEYS, "{codec:?}, {ms} ms");
            press(&mut world, leg, KEYS, ms);
            assert_eq!(world.digits(phone), KEYS, "{codec:?}, {ms} ms, from us");
        }
    }
}

#[test]
fn a_tone_is_heard_while_a_prompt_plays_and_soon_enough_to_stop_it() {
    let mut world = World::new(2);
    let (phone, leg) = toneful(&mut world, PHONE, GATEWAY, Pcmu);
    // From the very first packet on.
    world.play(leg, 1, vec![Clip::Prompt(sine(400.0, 10_000))]);
    world.command(
        PHONE,
        Command::SendDigit { leg: phone.1, digit: Digit::from_char('2').unwrap(), millis: 100 },
    );
    world.run(150);
    assert_eq!(world.digits(leg), "2");
    world.run(2_000);
    assert_eq!(world.digits(leg), "2");
}

#[test]
fn keys_of_a_toneful_caller_are_reported_from_a_relay_that_stays_one() {
    for desk_codec in [Pcmu, G722] {
        let mut world = World::new(3);
        let (phone, a) = toneful(&mut world, PHONE, GATEWAY, Pcmu);
        let (b, desk) = world.call(GATEWAY, DESK, &Codec::ALL, &[desk_codec]);
        world.listen(desk);
        world.bridge(a, b);
        world.run(500);
        let before = *world.shards[GATEWAY.0].counters();
        press(&mut world, phone, KEYS, 100);
        assert_eq!(world.digits(a), KEYS);
        let after = world.shards[GATEWAY.0].counters();
        assert_eq!(after.transcoded > before.transcoded, desk_codec != Pcmu);
        assert_eq!(after.relayed > before.relayed, desk_codec == Pcmu);
        if desk_codec == Pcmu {
            // Listening delays nothing: every packet goes on in the moment it comes.
            let arrivals: Vec<_> = world.rtp_of(phone).iter().map(|s| s.at + millis(5)).collect();
            let late = world.rtp_of(b).iter().filter(|s| s.at > secs(1) && !arrivals.contains(&s.at)).count();
            assert_eq!(late, 0);
        }
    }
}

#[test]
fn telephone_events_go_on_as_tones_to_a_peer_that_knows_none() {
    for (from, to) in [(Pcmu, Pcmu), (Pcma, Pcmu), (Pcmu, G722)] {
        let mut world = World::new(3);
        let (phone, a) = world.call(PHONE, GATEWAY, &[from], &Codec::ALL);
        let (desk, b) = toneful(&mut world, DESK, GATEWAY, to);
        world.bridge(a, b);
        world.tone(phone, 600.0, -20.0);
        world.run(500);
        let keys = "159#0*7";
        for key in keys.chars() {
            let digit = Digit::from_char(key).unwrap();
            world.command(PHONE, Command::SendDigit { leg: phone.1, digit, millis: 100 });
            world.run(400);
        }
        world.run(500);
        assert_eq!(
            (world.digits(a), world.digits(desk)),
            (keys.to_owned(), keys.to_owned()),
            "{from:?} {to:?}"
        );
        // And one of our own.
        press(&mut world, b, "8", 100);
        assert_eq!(world.digits(desk), format!("{keys}8"));
        assert_eq!(world.shards[GATEWAY.0].counters().refused_digits, 0);
        for pair in world.rtp_of(b).windows(2) {
            let (last, this) = (pair[0].rtp(), pair[1].rtp());
            assert_eq!((this.ssrc, this.sequence), (last.ssrc, last.sequence.wrapping_add(1)));
            assert!((this.timestamp.wrapping_sub(last.timestamp) as i32) >= last.payload.len() as i32);
        }
    }
}

#[test]
fn a_key_before_the_bridge_is_no_tone_in_it() {
    let mut world = World::new(3);
    let (phone, a) = world.call(PHONE, GATEWAY, &[Pcmu], &[Pcmu]);
    let (desk, b) = toneful(&mut world, DESK, GATEWAY, Pcmu);
    world.run(100);
    world.command(
        PHONE,
        Command::SendDigit { leg: phone.1, digit: Digit::from_char('5').unwrap(), millis: 500 },
    );
    world.run(100);
    world.bridge(a, b);
    world.run(1_000);
    assert_eq!((world.digits(a).as_str(), world.digits(desk).as_str()), ("5", ""));
}

#[test]
fn a_far_side_that_negotiates_telephone_events_later_is_not_heard_twice() {
    let mut world = World::new(2);
    let (phone, leg) = toneful(&mut world, PHONE, GATEWAY, Pcmu);
    world.run(200);
    press(&mut world, phone, "12", 100);
    world.offer(phone, leg);
    press(&mut world, phone, "34", 100);
    // A phone that says both: its tones are audio like any other now.
    let (mut low, mut high) = (Vec::new(), Vec::new());
    for i in 0..3_200 {
        let t = f64::from(i) / 16_000.0 * std::f64::consts::TAU;
        low.push(6_000.0 * (t * 697.0).sin());
        high.push(6_000.0 * (t * 1_209.0).sin());
    }
    let both: Vec<_> = low.iter().zip(&high).map(|(a, b)| (a + b) as i16).collect();
    world.play(phone, 3, vec![Clip::Prompt(Prompt::new(&both))]);
    world.run(1_000);
    assert_eq!(world.digits(leg), "1234");
}

/// Keys that were heard right, of how many, on a leg behind a network that loses so many per cent. A press is right
/// if it alone is reported, and once.
fn heard_through(loss_percent: u32, seed: u64, as_tones: bool, ms: u16) -> (usize, usize) {
    let mut world = World::new(2);
    let (phone, leg) = if as_tones {
        toneful(&mut world, PHONE, GATEWAY, Pcmu)
    } else {
        world.call(PHONE, GATEWAY, &[Pcmu], &[Pcmu])
    };
    world.weather = Weather { delay_ms: 20, jitter_ms: 15, loss_percent, double_percent: 5 };
    world.reseed(seed);
    let mut right = 0;
    let keys = KEYS.repeat(5);
    world.run(40 + seed % 20);
    for key in keys.chars() {
        let before = world.digits(leg).len();
        let digit = Digit::from_char(key).unwrap();
        world.command(PHONE, Command::SendDigit { leg: phone.1, digit, millis: ms });
        world.run(u64::from(ms) + 250);
        right += usize::from(world.digits(leg)[before..] == key.to_string());
        world.events.clear();
        world.sent.clear();
    }
    (right, keys.len())
}

#[test]
fn telephone_events_are_all_right_at_five_per_cent_loss() {
    for seed in 1..=5 {
        for ms in [60, 100, 250] {
            let (right, all) = heard_through(5, seed, false, ms);
            assert_eq!(right, all, "seed {seed}, {ms} ms");
        }
    }
}

#[test]
fn fast_keys_are_all_right_and_in_order_through_loss_and_disorder() {
    for seed in 1..=8 {
        let mut world = World::new(2);
        let (phone, leg) = world.call(PHONE, GATEWAY, &[Pcmu], &[Pcmu]);
        world.weather = Weather { delay_ms: 20, jitter_ms: 60, loss_percent: 5, double_percent: 10 };
        world.reseed(seed);
        world.run(200);
        let keys = KEYS.repeat(4);
        press(&mut world, phone, &keys, 80);
        world.run(15_000);
        assert_eq!(world.digits(leg), keys, "seed {seed}");
    }
}

/// The figures are in tests/bench/RESULTS.md; here is what must not get worse.
#[test]
fn tones_suffer_from_loss_no_more_than_they_must() {
    for (loss, at_least) in [(0, 1.0), (1, 0.97), (3, 0.9), (5, 0.85)] {
        let (mut right, mut all) = (0, 0);
        for seed in 1..=4 {
            let (r, a) = heard_through(loss, seed, true, 100);
            (right, all) = (right + r, all + a);
        }
        let rate = right as f64 / all as f64;
        assert!(rate >= at_least, "{loss} % loss: {right} of {all}");
    }
}

#[test]
fn a_tty_is_told_once_in_a_spurt_on_any_leg_of_g711_bridged_or_not() {
    for codec in [Pcmu, Pcma] {
        let mut world = World::new(3);
        let (phone, a) = world.call(PHONE, GATEWAY, &[codec], &[codec]);
        let (b, _) = world.call(GATEWAY, DESK, &[codec], &[codec]);
        world.run(1_000);
        let ttys = |world: &World| {
            world.told(GATEWAY).into_iter().filter(|(_, e)| *e == Event::Tty { leg: a.1 }).count()
        };
        world.play(phone, 1, vec![Clip::Prompt(typing())]);
        world.run(3_000);
        assert_eq!(ttys(&world), 1);
        world.bridge(a, b);
        world.run(5_000);
        let before = world.shards[GATEWAY.0].counters().transcoded;
        world.command(PHONE, Command::Loop { leg: phone.1, play: PlayId(2), prompt: typing() });
        world.run(10_000);
        assert_eq!(ttys(&world), 2);
        assert_eq!(world.shards[GATEWAY.0].counters().transcoded, before);
    }
}

/// "HI HI" on a TTY, at 45.45 baud.
fn typing() -> Arc<Prompt> {
    let mut bits = vec![(1_400.0, 8.0)];
    for character in [0b10100_u8, 0b00110, 0b00100, 0b10100, 0b00110] {
        bits.push((1_800.0, 1.0));
        bits.extend((0..5).map(|bit| (if character >> bit & 1 == 1 { 1_400.0 } else { 1_800.0 }, 1.0)));
        bits.push((1_400.0, 1.5));
    }
    bits.push((1_400.0, 8.0));
    let (mut samples, mut phase, mut end) = (Vec::new(), 0.0_f64, 0.0);
    for (hz, length) in bits {
        end += length * 16_000.0 / 45.45;
        while (samples.len() as f64) < end {
            samples.push((5_000.0 * phase.sin()) as i16);
            phase += std::f64::consts::TAU * hz / 16_000.0;
        }
    }
    Prompt::new(&samples)
}
