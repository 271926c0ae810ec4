//! Two legs that hear each other: relayed, transcoded, repacked, through good networks and bad ones.
#![allow(clippy::unwrap_used)] // It is how a test fails.

mod support;

use havre_media::Codec::{self, G722, Pcma, Pcmu};
use havre_media::{Clip, Command, rtp};
use havre_model::Digit;
use support::{At, Node, Weather, World, millis, sine};

const CALLER: Node = Node(0);
const GATEWAY: Node = Node(1);
const AGENT: Node = Node(2);

/// A caller's phone and an agent's, bridged by the gateway: (phone, its leg, the agent's leg, the agent's phone).
fn bridged(caller: Codec, agent: Codec) -> (World, At, At, At, At) {
    let mut world = World::new(3);
    let (phone, a) = world.call(CALLER, GATEWAY, &[caller], &Codec::ALL);
    let (b, desk) = world.call(GATEWAY, AGENT, &Codec::ALL, &[agent]);
    world.listen(phone);
    world.listen(desk);
    world.bridge(a, b);
    (world, phone, a, b, desk)
}

#[test]
fn a_tone_passes_both_ways_whatever_the_codecs() {
    for (caller, agent) in Codec::ALL.into_iter().flat_map(|c| Codec::ALL.map(|a| (c, a))) {
        let (mut world, phone, _, _, desk) = bridged(caller, agent);
        world.tone(phone, 1_004.0, -10.0);
        world.tone(desk, 440.0, -20.0);
        world.run(1_500);
        world.assert_heard(desk, 1_004.0, -10.0);
        world.assert_heard(phone, 440.0, -20.0);
        let counters = world.shards[GATEWAY.0].counters();
        assert_eq!(counters.transcoded == 0, caller == agent, "{caller:?} {agent:?}");
        assert_eq!(counters.relayed > 0, caller == agent, "{caller:?} {agent:?}");
        assert_eq!(counters.dropped_late + counters.dropped_stranger, 0);
    }
}

#[test]
fn whoever_tests_a_headset_hears_it_back_until_somebody_is_there_to_listen() {
    for codec in Codec::ALL {
        let mut world = World::new(3);
        let (phone, a) = world.call(CALLER, GATEWAY, &[codec], &Codec::ALL);
        let (b, desk) = world.call(GATEWAY, AGENT, &Codec::ALL, &[codec]);
        world.listen(phone);
        world.tone(phone, 1_004.0, -10.0);
        world.command(GATEWAY, Command::Echo { leg: a.1 });
        world.run(1_500);
        world.assert_heard(phone, 1_004.0, -10.0);
        world.bridge(a, b);
        world.tone(desk, 440.0, -20.0);
        world.run(1_500);
        world.assert_heard(phone, 440.0, -20.0);
    }
}

#[test]
fn a_codec_that_the_other_side_listed_is_relayed_though_it_is_not_its_first() {
    let mut world = World::new(3);
    let (phone, a) = world.call(CALLER, GATEWAY, &[Pcma], &Codec::ALL);
    let (b, desk) = world.call(GATEWAY, AGENT, &Codec::ALL, &Codec::ALL);
    world.listen(desk);
    world.run(100);
    world.sent.clear();
    world.bridge(a, b);
    world.tone(phone, 1_004.0, -10.0);
    world.run(1_000);
    world.assert_heard(desk, 1_004.0, -10.0);
    let relayed = world.rtp_of(b).iter().filter(|s| s.rtp().payload_type == Pcma.payload_type()).count();
    assert!(relayed > 45, "{relayed}");
}

#[test]
fn a_phone_that_changes_to_a_codec_in_common_is_relayed_from_then_on() {
    let mut world = World::new(3);
    let (phone, a) = world.call(CALLER, GATEWAY, &[G722, Pcmu], &Codec::ALL);
    let (b, desk) = world.call(GATEWAY, AGENT, &[Pcmu], &[Pcmu]);
    world.bridge(a, b);
    world.command(CALLER, Command::Close { leg: phone.1 });
    world.command(AGENT, Command::Close { leg: desk.1 });
    world.run(300);
    for sequence in 0..100 {
        let payload_type = if sequence < 50 { 9 } else { 0 };
        let timestamp = u32::from(sequence) * 160;
        let header = rtp::Packet { marker: false, payload_type, sequence, timestamp, ssrc: 9, payload: &[] };
        world.inject(world.address(phone), a, &[&header.header()[..], &[0x20; 160]].concat());
        world.run(20);
    }
    let counters = world.shards[GATEWAY.0].counters();
    assert_eq!(counters.relayed, 48, "after three packets in a row");
    assert!((45..=53).contains(&counters.transcoded), "{}", counters.transcoded);
    assert_steady(&world, b);
}

#[test]
fn other_packet_lengths_are_repacked() {
    for ptime in [10, 30, 60] {
        let mut world = World::new(3);
        let (phone, a) = world.call(CALLER, GATEWAY, &[Pcmu], &[Pcmu]);
        let (b, desk) = (world.open(GATEWAY, &[Pcmu]), world.open(AGENT, &[Pcmu]));
        let offer = world.session(b).offer();
        let (answer, agreed) = world.session(desk).answer(&offer).unwrap();
        world.configure(desk, agreed);
        let answer = String::from_utf8(answer).unwrap().replace("ptime:20", &format!("ptime:{ptime}"));
        let agreed = world.session(b).accept(answer.as_bytes()).unwrap();
        world.configure(b, agreed);
        world.listen(desk);
        world.run(300);
        world.sent.clear();
        world.bridge(a, b);
        world.tone(phone, 1_004.0, -10.0);
        world.run(3_000);
        world.assert_heard(desk, 1_004.0, -10.0);
        let packets = world.rtp_of(b);
        let right = packets.iter().filter(|s| s.rtp().payload.len() == ptime * 8).count();
        assert!(
            packets.len() - right <= 2,
            "{ptime} ms: {} of {} packets are odd",
            packets.len() - right,
            packets.len()
        );
        assert!((right as i32 - 3_000 / ptime as i32).abs() < 20, "{ptime} ms: {right} packets");
        assert_steady(&world, b);
    }
}

#[test]
fn our_stream_is_one_stream_from_prompt_to_bridge_to_prompt() {
    for agent in [Pcmu, G722] {
        let mut world = World::new(3);
        let (phone, a) = world.call(CALLER, GATEWAY, &[Pcmu], &Codec::ALL);
        let (b, desk) = world.call(GATEWAY, AGENT, &Codec::ALL, &[agent]);
        world.tone(desk, 440.0, -20.0);
        world.play(a, 1, vec![Clip::Prompt(sine(300.0, 333)), Clip::Silence(millis(100))]);
        world.run(207);
        for round in 0..5 {
            world.bridge(a, b);
            world.run(501);
            world.play(a, 2 + round, vec![Clip::Prompt(sine(300.0, 111))]);
            world.run(203);
            world.command(GATEWAY, Command::Unbridge { a: a.1, b: b.1 });
            world.run(99);
        }
        world.bridge(a, b);
        world.command(
            GATEWAY,
            Command::SendDigit { leg: a.1, digit: Digit::from_char('4').unwrap(), millis: 100 },
        );
        world.run(500);
        assert_eq!(world.digits(phone), "4");
        assert_steady(&world, a);
    }
}

/// One SSRC, every sequence number once and in order, timestamps that never go back nor overlap, and a packet for
/// every 20 ms or so.
fn assert_steady(world: &World, by: At) {
    let packets = world.rtp_of(by);
    for pair in packets.windows(2) {
        let (last, this) = (pair[0].rtp(), pair[1].rtp());
        assert_eq!(this.ssrc, last.ssrc);
        assert_eq!(this.sequence, last.sequence.wrapping_add(1), "at {:?}", pair[1].at);
        let ahead = this.timestamp.wrapping_sub(last.timestamp) as i32;
        let press = last.payload_type == 101;
        assert!(
            press || ahead >= last.payload.len() as i32,
            "timestamp moved by {ahead} at {:?}",
            pair[1].at
        );
        assert!(ahead < 8_000, "timestamp leapt by {ahead} at {:?}", pair[1].at);
        assert!((pair[1].at - pair[0].at).as_millis() <= 220, "a gap before {:?}", pair[1].at);
    }
}

#[test]
fn keys_cross_a_bridge_once_each_through_a_bad_network() {
    for (caller, agent, seed) in [(Pcmu, Pcmu, 1), (Pcmu, G722, 2), (G722, Pcma, 3), (Pcma, Pcma, 4)] {
        let (mut world, phone, a, _, desk) = bridged(caller, agent);
        world.weather = Weather { delay_ms: 20 + seed, jitter_ms: 30, loss_percent: 10, double_percent: 10 };
        world.tone(phone, 1_004.0, -30.0);
        world.run(500);
        let keys = "1#0*5599D18824";
        for key in keys.chars() {
            let digit = Digit::from_char(key).unwrap();
            world.command(CALLER, Command::SendDigit { leg: phone.1, digit, millis: 120 });
        }
        world.run(6_000);
        assert_eq!(world.digits(a), keys, "{caller:?} {agent:?}");
        assert_eq!(world.digits(desk), keys, "{caller:?} {agent:?}");
    }
}

#[test]
fn a_key_pressed_in_the_bridge_is_reported_and_relayed_under_the_other_payload_type() {
    let mut world = World::new(3);
    let (phone, a) = world.call(CALLER, GATEWAY, &[Pcmu], &[Pcmu]);
    let (b, desk) = (world.open(GATEWAY, &[Pcmu]), world.open(AGENT, &[Pcmu]));
    let offer = String::from_utf8(world.session(desk).offer()).unwrap().replace("101", "96");
    let (_, agreed) = world.session(b).answer(offer.as_bytes()).unwrap();
    assert_eq!(agreed.send_events[0].payload_type, 96);
    world.configure(b, agreed);
    world.bridge(a, b);
    world.run(100);
    world.sent.clear();
    world.command(
        CALLER,
        Command::SendDigit { leg: phone.1, digit: Digit::from_char('7').unwrap(), millis: 100 },
    );
    world.run(400);
    assert_eq!(world.digits(a), "7");
    let of = |by: At, pt: u8| {
        let packets: Vec<_> = world.rtp_of(by).into_iter().filter(|s| s.rtp().payload_type == pt).collect();
        packets.iter().map(|s| (s.rtp().payload.to_vec(), s.rtp().marker)).collect::<Vec<_>>()
    };
    assert_eq!(of(b, 96), of(phone, 101));
    assert_eq!(
        of(b, 96).iter().filter(|(payload, _)| payload[1] & 0x80 != 0).count(),
        3,
        "end said three times"
    );
}

#[test]
fn a_key_goes_on_to_its_end_beside_what_is_said_and_the_word_comes_after_it() {
    let (mut world, phone, a, b, desk) = bridged(Pcmu, Pcmu);
    world.tone(phone, 1_004.0, -10.0);
    world.run(500);
    world.sent.clear();
    let digit = Digit::from_char('1').unwrap();
    world.command(CALLER, Command::SendDigit { leg: phone.1, digit, millis: 200 });
    world.run(60);
    assert_eq!(world.digits(a), "1", "it is known from its first packet on");
    // The word is begun in the middle of the key.
    world.play(b, 4, vec![Clip::Prompt(sine(440.0, 600))]);
    world.run(2_000);
    let sent = world.rtp_of(b);
    let is_key = |at: usize| sent[at].rtp().payload_type == 101;
    let keys: Vec<usize> = (0..sent.len()).filter(|at| is_key(*at)).collect();
    let ends = keys.iter().filter(|at| sent[**at].rtp().payload[1] & 0x80 != 0).count();
    assert_eq!(ends, 3, "its end is said three times");
    let all = world.rtp_of(phone).iter().filter(|s| s.rtp().payload_type == 101).count();
    assert_eq!((keys.len(), keys[keys.len() - 1] - keys[0] + 1), (all, all), "and nothing is said meanwhile");
    let done = world.told(GATEWAY).into_iter().find_map(|(at, event)| match event {
        havre_media::Event::PlayDone { play, .. } if play.0 == 4 => Some(at),
        _ => None,
    });
    assert!(done.is_some(), "the word was said to its end");
    world.run(1_500);
    world.assert_heard(desk, 1_004.0, -10.0);
}

#[test]
fn a_phone_with_opus_is_heard_and_its_keys_change_their_clock() {
    let mut world = World::new(3);
    let (phone, a) = world.call(CALLER, GATEWAY, &[Codec::Opus], &[Codec::Opus]);
    let (b, desk) = world.call(GATEWAY, AGENT, &[Pcmu], &[Pcmu]);
    world.bridge(a, b);
    world.tone(phone, 1_000.0, -20.0);
    world.tone(desk, 440.0, -20.0);
    world.listen(desk);
    world.listen(phone);
    world.run(1_500);
    world.assert_heard(desk, 1_000.0, -20.0);
    world.assert_heard(phone, 440.0, -20.0);
    // 20 ms of the phone's packets are 960 ticks, and of the desk's 160.
    for (by, ticks) in [(a, 960), (b, 160)] {
        let times: Vec<u32> = world.rtp_of(by).iter().map(|s| s.rtp().timestamp).collect();
        let steady = times.windows(2).filter(|w| w[1].wrapping_sub(w[0]) == ticks).count();
        assert!(steady * 10 > times.len() * 9, "{by:?}: {times:?}");
    }
    world.sent.clear();
    let digit = Digit::from_char('7').unwrap();
    world.command(CALLER, Command::SendDigit { leg: phone.1, digit, millis: 100 });
    world.run(400);
    assert_eq!((world.digits(a), world.digits(desk)), ("7".into(), "7".into()));
    let durations = |by: At, pt: u8| {
        let keys = world.rtp_of(by).into_iter().filter(|s| s.rtp().payload_type == pt);
        keys.map(|s| u16::from_be_bytes([s.rtp().payload[2], s.rtp().payload[3]])).collect::<Vec<_>>()
    };
    let (theirs, ours) = (durations(phone, 100), durations(b, 101));
    assert_eq!(theirs.last(), Some(&4_800), "100 ms at 48 kHz");
    assert_eq!(theirs.iter().map(|d| d / 6).collect::<Vec<_>>(), ours);
}

#[test]
fn keys_among_audio_are_no_loss_to_the_ear() {
    let (mut world, phone, a, _, desk) = bridged(Pcmu, G722);
    world.run(100);
    world.command(CALLER, Command::Close { leg: phone.1 });
    world.command(AGENT, Command::Close { leg: desk.1 });
    world.run(2_500);
    let from = world.address(phone);
    let before = world.shards[GATEWAY.0].counters().transcoded;
    let mut sequence = 0;
    let mut packet = |payload_type, timestamp, payload: &[u8]| {
        sequence += 1;
        let header = rtp::Packet { marker: false, payload_type, sequence, timestamp, ssrc: 9, payload: &[] };
        [&header.header()[..], payload].concat()
    };
    for i in 0..100_u16 {
        let audio = packet(0, u32::from(i) * 160, &[0x20; 160]);
        world.inject(from, a, &audio);
        if i % 2 == 0 {
            let [high, low] = (i * 160).to_be_bytes();
            let key = packet(101, 0, &[5, 10, high, low]);
            world.inject(from, a, &key);
        }
        world.run(20);
    }
    world.run(2_500);
    let frames = world.shards[GATEWAY.0].counters().transcoded - before;
    // Two seconds of noise follow, since nobody said that the stream is over.
    assert!((198..=204).contains(&frames), "{frames} frames of 100 packets");
    assert_eq!(world.digits(a), "5");
}

#[test]
fn speech_survives_loss_and_jitter_on_a_transcoded_bridge() {
    let (mut world, phone, _, _, desk) = bridged(Pcmu, G722);
    world.weather = Weather { delay_ms: 40, jitter_ms: 35, loss_percent: 2, double_percent: 2 };
    world.tone(phone, 1_000.0, -10.0);
    world.run(5_000);
    let heard = world.heard(desk);
    assert!((heard.0 - 1_000.0).abs() < 5.0 && (heard.1 + 10.0).abs() < 2.0, "{heard:?}");
}

#[test]
fn a_silent_peer_is_filled_with_noise_and_taken_up_again() {
    let (mut world, phone, a, b, desk) = bridged(Pcmu, Pcmu);
    world.tone(phone, 1_004.0, -10.0);
    world.run(1_000);
    world.command(CALLER, Command::Close { leg: phone.1 });
    world.sent.clear();
    world.run(2_000);
    assert!(world.rtp_of(b).len() > 80, "{}", world.rtp_of(b).len());
    assert!(world.heard(desk).1 < -60.0 && world.heard(desk).1 > -72.0, "{:?}", world.heard(desk));
    assert_steady(&world, a);
    assert_steady(&world, b);
}

#[test]
fn a_phone_that_speaks_every_400_ms_in_silence_has_no_noise_of_ours_between() {
    let (mut world, phone, a, b, _) = bridged(Codec::Opus, Codec::Opus);
    world.tone(phone, 1_004.0, -10.0);
    world.run(1_000);
    let said = world.rtp_of(phone).last().unwrap().bytes.clone();
    let last = rtp::parse(&said).unwrap();
    world.command(CALLER, Command::Close { leg: phone.1 });
    world.sent.clear();
    // What Opus sends in silence (DTX): a frame each 400 ms, from which the listener's decoder makes its noise.
    for n in 1..=10_u16 {
        world.run(400);
        let (sequence, timestamp) = (last.sequence + n, last.timestamp + u32::from(n) * 400 * 48);
        let header = rtp::Packet { sequence, timestamp, ..last };
        world.inject(world.address(phone), a, &[&header.header()[..], last.payload].concat());
    }
    let packets = world.rtp_of(b);
    assert_eq!(packets.len(), 10, "{:?}", packets.iter().map(|s| s.at).collect::<Vec<_>>());
    for pair in packets.windows(2) {
        let (before, this) = (pair[0].rtp(), pair[1].rtp());
        assert_eq!(this.sequence, before.sequence.wrapping_add(1));
        assert_eq!(this.timestamp.wrapping_sub(before.timestamp), 400 * 48);
    }
    // It falls silent altogether.
    world.sent.clear();
    world.run(3_000);
    let filled = world.rtp_of(b).len();
    assert!((95..=105).contains(&filled), "{filled}");
}

#[test]
fn a_bridge_ends_what_plays_and_a_play_covers_the_bridge_while_it_lasts() {
    let (mut world, phone, a, b, desk) = bridged(Pcmu, Pcmu);
    world.tone(desk, 440.0, -20.0);
    world.tone(phone, 1_004.0, -20.0);
    world.run(700);
    world.assert_heard(phone, 440.0, -20.0);
    world.command(
        GATEWAY,
        Command::Loop { leg: a.1, play: havre_model::PlayId(1), prompt: sine(700.0, 1_000) },
    );
    world.run(700);
    assert!((world.heard(phone).0 - 700.0).abs() < 5.0);
    world.assert_heard(desk, 1_004.0, -20.0);
    world.command(GATEWAY, Command::Stop { leg: a.1 });
    world.run(700);
    world.assert_heard(phone, 440.0, -20.0);
    world.command(GATEWAY, Command::Unbridge { a: b.1, b: a.1 });
    world.run(700);
    assert!(world.heard(phone).1 < -60.0);
    world.command(
        GATEWAY,
        Command::Loop { leg: a.1, play: havre_model::PlayId(2), prompt: sine(700.0, 1_000) },
    );
    world.bridge(b, a);
    world.run(700);
    world.assert_heard(phone, 440.0, -20.0);
}

#[test]
fn a_new_bridge_undoes_an_old_one_and_closing_a_leg_frees_the_other() {
    let (mut world, phone, a, b, desk) = bridged(Pcmu, Pcmu);
    let (c, other) = world.call(GATEWAY, AGENT, &[Pcmu], &[Pcmu]);
    world.listen(other);
    world.tone(phone, 1_004.0, -20.0);
    world.bridge(a, c);
    world.run(700);
    world.assert_heard(other, 1_004.0, -20.0);
    assert!(world.heard(desk).1 < -60.0);
    world.command(GATEWAY, Command::Close { leg: c.1 });
    world.bridge(a, b);
    world.run(700);
    world.assert_heard(desk, 1_004.0, -20.0);
    // The one that is taken away from its peer frees it too, whichever side is named first.
    let (d, third) = world.call(GATEWAY, AGENT, &[Pcmu], &[Pcmu]);
    world.tone(third, 600.0, -20.0);
    world.bridge(d, b);
    world.run(700);
    world.assert_heard(desk, 600.0, -20.0);
    assert!(world.heard(phone).1 < -60.0);
    world.bridge(a, a);
    assert_eq!(world.shards[GATEWAY.0].counters().refused_bridges, 1);
}
