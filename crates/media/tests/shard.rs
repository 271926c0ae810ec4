//! One shard and one phone: prompts, keys, hold, sources, loss, reports, limits.
#![allow(clippy::unwrap_used)] // It is how a test fails.

mod support;

use std::time::Duration;

use havre_media::Codec::{self, G722, Pcmu};
use havre_media::sdp::Direction;
use havre_media::{Channel, Clip, Command, Event, Face, Input, limits, rtp};
use havre_model::{Digit, LegId, PlayId};
use support::{At, Node, World, millis, secs, sine};

const PHONE: Node = Node(0);
const GATEWAY: Node = Node(1);

/// A phone and the gateway's leg for it.
fn call(codec: Codec) -> (World, At, At) {
    let mut world = World::new(2);
    let (phone, leg) = world.call(PHONE, GATEWAY, &[codec], &Codec::ALL);
    (world, phone, leg)
}

fn digit(key: char) -> Digit {
    Digit::from_char(key).unwrap()
}

#[test]
fn prompts_play_in_order_and_end_is_told_once() {
    let (mut world, _, leg) = call(Pcmu);
    world.play(
        leg,
        5,
        vec![Clip::Prompt(sine(400.0, 100)), Clip::Silence(millis(50)), Clip::Prompt(sine(400.0, 50))],
    );
    world.run(2_000);
    // Turns are at 5, 25, .. ms: ten packets, and the end is told when the last one has been heard.
    assert_eq!(world.told(GATEWAY), [(205, Event::PlayDone { leg: leg.1, play: PlayId(5) })]);
    let packets = world.rtp_of(leg);
    assert_eq!(packets[0].at, millis(5));
    assert!(packets[0].rtp().marker);
    assert_eq!(world.shards[GATEWAY.0].counters().played, 10);
}

#[test]
fn a_prompt_is_heard_at_its_frequency_and_level_in_every_codec() {
    for codec in Codec::ALL {
        let (mut world, phone, leg) = call(codec);
        world.listen(phone);
        world.play(leg, 1, vec![Clip::Prompt(sine(1_004.0, 2_000))]);
        world.run(1_500);
        world.assert_heard(phone, 1_004.0, -10.2); // 20 log (7,000 / 22,657)
    }
}

#[test]
fn a_listener_costs_no_encoding_only_a_copy() {
    // The prediction of G.722 knows what came before: whoever joins late has these bytes only of an encoder that began early.
    let prompt = sine(500.0, 1_730);
    prompt.prepare(G722);
    let mut world = World::new(2);
    let joins = |world: &mut World| {
        let leg = world.call(PHONE, GATEWAY, &[G722], &[G722]).1;
        world.command(GATEWAY, Command::Loop { leg: leg.1, play: PlayId(1), prompt: prompt.clone() });
        world.run(430);
        leg
    };
    let [first, later @ ..] = [joins(&mut world), joins(&mut world), joins(&mut world)];
    world.run(900);
    let payloads =
        |leg: At| world.rtp_of(leg).iter().flat_map(|s| s.rtp().payload.to_vec()).collect::<Vec<_>>();
    let all = payloads(first);
    for leg in later {
        // Another turn than the first one's may end up to 20 ms later.
        let heard = payloads(leg);
        let heard = &heard[..heard.len() - 160];
        assert!(heard.len() > 50 * 160 && all.windows(heard.len()).any(|part| part == heard));
    }
}

#[test]
fn packets_leave_on_an_absolute_grid_for_an_hour() {
    let (mut world, _, leg) = call(Pcmu);
    world.play(leg, 1, vec![Clip::Silence(secs(7_200))]);
    world.run(3_600_000);
    let packets = world.rtp_of(leg);
    assert_eq!(packets.len(), 180_000);
    let first = packets[0].rtp().timestamp;
    for (i, packet) in (0_u32..).zip(&packets) {
        assert_eq!(packet.at, millis(5 + 20 * u64::from(i)));
        assert_eq!(packet.rtp().timestamp, first.wrapping_add(160 * i));
    }
}

#[test]
fn a_key_is_told_at_its_first_packet_and_stop_is_at_once() {
    let (mut world, phone, leg) = call(Pcmu);
    world.play(leg, 1, vec![Clip::Prompt(sine(400.0, 10_000))]);
    world.run(500);
    world.command(PHONE, Command::SendDigit { leg: phone.1, digit: digit('2'), millis: 2_000 });
    world.run(30); // Its next turn, and 5 ms on the way.
    assert_eq!(world.digits(leg), "2");
    world.command(GATEWAY, Command::Stop { leg: leg.1 });
    let played = world.shards[GATEWAY.0].counters().played;
    world.run(3_000);
    assert_eq!(world.shards[GATEWAY.0].counters().played, played);
    assert_eq!(world.digits(leg), "2", "a long press is one key");
    assert!(!world.told(GATEWAY).iter().any(|(_, e)| matches!(e, Event::PlayDone { .. })));
}

#[test]
fn replaced_plays_are_not_done_and_loops_go_on_below() {
    let (mut world, phone, leg) = call(Pcmu);
    world.listen(phone);
    world.command(GATEWAY, Command::Loop { leg: leg.1, play: PlayId(1), prompt: sine(700.0, 1_000) });
    world.run(700);
    assert!((world.heard(phone).0 - 700.0).abs() < 5.0);
    world.play(leg, 2, vec![Clip::Prompt(sine(300.0, 5_000))]);
    world.run(700);
    assert!((world.heard(phone).0 - 300.0).abs() < 5.0);
    world.play(leg, 3, vec![Clip::Silence(millis(500))]);
    world.run(1_500);
    assert!((world.heard(phone).0 - 700.0).abs() < 5.0);
    assert_eq!(world.told(GATEWAY), [(1_905, Event::PlayDone { leg: leg.1, play: PlayId(3) })]);
}

#[test]
fn a_play_before_sdp_waits_for_it() {
    let mut world = World::new(2);
    let (leg, phone) = (world.open(GATEWAY, &[Pcmu]), world.open(PHONE, &[Pcmu]));
    world.play(leg, 9, vec![Clip::Silence(millis(100))]);
    world.run(1_000);
    assert_eq!(world.told(GATEWAY), []);
    world.offer(leg, phone);
    world.run(200);
    assert_eq!(world.told(GATEWAY), [(1_105, Event::PlayDone { leg: leg.1, play: PlayId(9) })]);
}

#[test]
fn a_held_leg_is_sent_nothing_and_its_plays_end_all_the_same() {
    let (mut world, phone, leg) = call(Pcmu);
    world.run(100);
    world.session(phone).wish(Direction::SendOnly);
    world.offer(phone, leg);
    world.sent.clear();
    world.play(leg, 1, vec![Clip::Prompt(sine(400.0, 300))]);
    world.run(400);
    assert_eq!(world.rtp_of(leg).len(), 0);
    assert!(matches!(world.told(GATEWAY)[..], [(_, Event::PlayDone { .. })]));
    world.session(phone).wish(Direction::SendRecv);
    world.offer(phone, leg);
    world.run(400);
    assert!(world.rtp_of(leg).len() >= 19);
}

#[test]
fn an_idle_leg_is_kept_alive_with_noise_or_with_comfort_noise_packets() {
    let (mut world, _, leg) = call(Pcmu);
    world.run(1_000);
    assert_eq!(world.rtp_of(leg).len(), 50);
    assert!(world.rtp_of(leg).iter().all(|s| s.rtp().payload_type == 0));

    let mut world = World::new(2);
    let leg = world.open(GATEWAY, &[Pcmu]);
    let offer = b"v=0\r\nc=IN IP4 198.51.100.1\r\nm=audio 10002 RTP/AVP 0 13\r\n";
    let (_, agreed) = world.session(leg).answer(offer).unwrap();
    world.configure(leg, agreed);
    world.run(1_000);
    let noise = world.rtp_of(leg);
    assert_eq!(noise.len(), 5);
    assert!(noise.iter().all(|s| s.rtp().payload_type == 13 && s.rtp().payload == [71]));
    assert_eq!(noise[1].rtp().timestamp.wrapping_sub(noise[0].rtp().timestamp), 1_600);
}

#[test]
fn lost_media_is_told_once_and_its_return_too() {
    let (mut world, phone, leg) = call(Pcmu);
    world.run(1_000);
    world.weather.loss_percent = 100;
    world.run(10_000);
    assert_eq!(world.told(GATEWAY), [(4_005, Event::MediaLost { leg: leg.1, for_: millis(3_015) })]);
    world.weather.loss_percent = 0;
    world.run(500);
    assert!(matches!(world.told(GATEWAY)[1..], [(_, Event::MediaBack { .. })]));
    // On hold nothing is lost.
    world.session(phone).wish(Direction::Inactive);
    world.offer(phone, leg);
    world.run(60_000);
    assert_eq!(world.told(GATEWAY).len(), 2);
    world.session(phone).wish(Direction::SendRecv);
    world.offer(phone, leg);
    world.command(PHONE, Command::Close { leg: phone.1 });
    world.run(2_900);
    assert_eq!(world.told(GATEWAY).len(), 2, "the silence of the hold does not count");
    world.run(200);
    assert!(matches!(world.told(GATEWAY)[2..], [(_, Event::MediaLost { .. })]));
}

#[test]
fn an_unreachable_port_is_told_once_until_media_is_back() {
    let (mut world, _, leg) = call(Pcmu);
    world.run(103);
    for _ in 0..3 {
        world.shards[GATEWAY.0].handle_input(Input::Unreachable { leg: leg.1 }, world.now);
    }
    world.run(100);
    let told: Vec<_> = world.told(GATEWAY).into_iter().map(|(_, event)| event).collect();
    assert_eq!(told, [Event::Unreachable { leg: leg.1 }, Event::MediaBack { leg: leg.1 }]);
}

#[test]
fn a_strangers_packets_neither_enter_nor_move_a_stream() {
    let (mut world, phone, leg) = call(Pcmu);
    world.tone(phone, 1_004.0, -10.0);
    world.listen(leg);
    world.run(1_000);
    let key = |sequence, timestamp| {
        let header =
            rtp::Packet { marker: true, payload_type: 101, sequence, timestamp, ssrc: 5, payload: &[] };
        [&header.header()[..], &[5, 10, 1, 0]].concat()
    };
    let received = world.shards[GATEWAY.0].counters().received;
    for i in 0..200_u16 {
        for stranger in ["198.51.100.66:4000", "203.0.113.5:9"] {
            world.inject(stranger.parse().unwrap(), leg, &key(i, u32::from(i) * 8_000));
        }
        // And one who knows the SSRC and where the stream is.
        let sniffed = world.rtp_of(phone).last().unwrap().bytes.clone();
        world.inject("203.0.113.5:9".parse().unwrap(), leg, &sniffed);
    }
    assert_eq!(world.shards[GATEWAY.0].counters().received, received);
    assert_eq!(world.shards[GATEWAY.0].counters().dropped_stranger, 600);
    world.run(1_000);
    assert_eq!(world.digits(leg), "");
    world.assert_heard(leg, 1_004.0, -10.0);
    assert!(world.rtp_of(leg).iter().all(|s| s.to == world.address(phone)));
}

#[test]
fn what_is_forged_in_a_phones_name_is_not_heard_while_it_speaks() {
    let mut world = World::new(3);
    let (phone, a) = world.call(PHONE, GATEWAY, &[Pcmu], &[Pcmu]);
    let (b, desk) = world.call(GATEWAY, Node(2), &[Pcmu], &[Pcmu]);
    world.bridge(a, b);
    world.listen(desk);
    world.tone(phone, 1_004.0, -10.0);
    world.run(1_000);
    let from = world.address(phone);
    let relayed = world.shards[GATEWAY.0].counters().relayed;
    // Audio of a stream of its own, in order, two packets for each of the phone's.
    for i in 0..100_u16 {
        for n in 0..2 {
            let (sequence, timestamp) = (2 * i + n, u32::from(i) * 160);
            let header =
                rtp::Packet { marker: true, payload_type: 0, sequence, timestamp, ssrc: 5, payload: &[] };
            world.inject(from, a, &[&header.header()[..], &[0x80; 160]].concat());
        }
        world.run(20);
    }
    world.assert_heard(desk, 1_004.0, -10.0);
    let counters = world.shards[GATEWAY.0].counters();
    assert_eq!(counters.dropped_unfit, 200);
    // The phone's own 100 packets go on, and the desk's.
    assert!((198..=202).contains(&(counters.relayed - relayed)), "{}", counters.relayed - relayed);
}

#[test]
fn keys_under_another_ssrc_than_the_audio_are_heard_once() {
    // The audio goes on while keys are pressed, or pauses.
    for pauses in [false, true] {
        let (mut world, phone, leg) = call(Pcmu);
        world.command(PHONE, Command::Close { leg: phone.1 });
        let from = world.address(phone);
        let mut audio = 0_u16;
        let mut speak = |world: &mut World| {
            audio += 1;
            let timestamp = u32::from(audio) * 160;
            let header = rtp::Packet {
                marker: false,
                payload_type: 0,
                sequence: audio,
                timestamp,
                ssrc: 1,
                payload: &[],
            };
            world.inject(from, leg, &[&header.header()[..], &[0xff; 160]].concat());
        };
        let mut keys = 0_u16;
        for (press, digits) in [(0, "5"), (1, "56"), (2, "567")] {
            for _ in 0..10 {
                speak(&mut world);
                world.run(20);
            }
            for update in 0..8_u8 {
                if !pauses {
                    speak(&mut world);
                }
                keys += 1;
                let content = [5 + press, if update > 5 { 0x8a } else { 10 }, update, 160];
                let header = rtp::Packet {
                    marker: update == 0,
                    payload_type: 101,
                    sequence: keys,
                    timestamp: 70_000 + u32::from(press) * 8_000,
                    ssrc: 2,
                    payload: &[],
                };
                world.inject(from, leg, &[&header.header()[..], &content].concat());
                world.run(20);
            }
            assert_eq!(world.digits(leg), digits, "pauses: {pauses}");
        }
    }
}

#[test]
fn a_phone_that_begins_another_stream_loses_two_packets_by_it() {
    let mut world = World::new(3);
    let (phone, a) = world.call(PHONE, GATEWAY, &[Pcmu], &[Pcmu]);
    let (b, desk) = world.call(GATEWAY, Node(2), &[Pcmu], &[Pcmu]);
    world.bridge(a, b);
    world.run(1_000);
    world.command(PHONE, Command::Close { leg: phone.1 });
    world.command(desk.0, Command::Close { leg: desk.1 });
    let from = world.address(phone);
    let mut speaks = |ssrc, count: u32| {
        let before = world.shards[GATEWAY.0].counters().relayed;
        for i in 0..count {
            world.run(20);
            let (sequence, timestamp) =
                (60_000_u16.wrapping_mul(ssrc as u16).wrapping_add(i as u16), ssrc * 7_777_777 + i * 160);
            let header =
                rtp::Packet { marker: i == 0, payload_type: 0, sequence, timestamp, ssrc, payload: &[] };
            world.inject(from, a, &[&header.header()[..], &[0x55; 160]].concat());
        }
        world.shards[GATEWAY.0].counters().relayed - before
    };
    for ssrc in 1..=5 {
        assert_eq!(speaks(ssrc, 50), 48, "stream {ssrc}");
    }
    let sequences: Vec<_> = world.rtp_of(b).iter().map(|s| s.rtp().sequence).collect();
    assert!(
        sequences.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)),
        "to the desk it is one stream"
    );
}

#[test]
fn keys_are_heard_after_a_leap_of_the_phones_clock() {
    let (mut world, phone, leg) = call(Pcmu);
    world.command(PHONE, Command::Close { leg: phone.1 });
    let from = world.address(phone);
    for (sequence, timestamp, digits) in [
        (1, 900_000_000, "5"),
        (2, 900_000_000, "5"),
        (3, 40_000, "55"),
        (4, 40_000, "55"),
        (5, 48_000, "555"),
    ] {
        let marker = sequence % 2 == 1;
        let header = rtp::Packet { marker, payload_type: 101, sequence, timestamp, ssrc: 1, payload: &[] };
        world.inject(from, leg, &[&header.header()[..], &[5, 10, 1, sequence as u8]].concat());
        assert_eq!(world.digits(leg), digits, "packet {sequence}");
    }
}

#[test]
fn a_phone_that_hears_nothing_of_us_is_told_by_its_reports_and_so_is_its_hearing_again() {
    let (mut world, phone, leg) = call(Pcmu);
    world.run(10_000);
    assert_eq!(world.told(GATEWAY), []);
    let told = |world: &World| world.told(GATEWAY).into_iter().map(|(_, event)| event).collect::<Vec<_>>();
    world.is_cut_off(phone, true);
    world.run(25_000);
    let hears = |ours| Event::FarHears { leg: leg.1, ours };
    assert_eq!(told(&world), [hears(false)]);
    world.is_cut_off(phone, false);
    world.run(10_000);
    assert_eq!(told(&world), [hears(false), hears(true)]);
}

#[test]
fn a_phone_behind_a_nat_is_learned_and_followed_when_its_mapping_changes() {
    let mut world = World::new(2);
    let (phone, leg) = (world.open(PHONE, &[Pcmu]), world.open(GATEWAY, &[Pcmu]));
    let offer = String::from_utf8(world.session(phone).offer()).unwrap();
    let offer = offer.replace("c=IN IP4 198.51.100.1", "c=IN IP4 192.168.1.7");
    let (answer, agreed) = world.session(leg).answer(offer.as_bytes()).unwrap();
    world.configure(leg, agreed);
    let agreed = world.session(phone).accept(&answer).unwrap();
    world.configure(phone, agreed);
    world.moves(phone, "203.0.113.9:40000".parse().unwrap());
    world.listen(phone);
    world.play(leg, 1, vec![Clip::Prompt(sine(1_004.0, 60_000))]);
    world.run(1_500);
    world.assert_heard(phone, 1_004.0, -10.2);

    world.weather.loss_percent = 100;
    world.run(1_500);
    world.moves(phone, "203.0.113.9:40777".parse().unwrap());
    world.weather.loss_percent = 0;
    world.run(1_500);
    world.assert_heard(phone, 1_004.0, -10.2);
    assert_eq!(world.told(GATEWAY), []);
}

#[test]
fn reports_go_where_sdp_says_and_where_a_nat_is_learned_beside_its_rtp() {
    for (host, rtcp) in [("198.51.100.1", "198.51.100.1:20000"), ("192.168.1.1", "198.51.100.1:10003")] {
        let mut world = World::new(2);
        let (phone, leg) = (world.open(PHONE, &[Pcmu]), world.open(GATEWAY, &[Pcmu]));
        let offer = format!("v=0\r\nc=IN IP4 {host}\r\nm=audio 10002 RTP/AVP 0\r\na=rtcp:20000\r\n");
        let (answer, agreed) = world.session(leg).answer(offer.as_bytes()).unwrap();
        world.configure(leg, agreed);
        world.session(phone).offer();
        let agreed = world.session(phone).accept(&answer).unwrap();
        world.configure(phone, agreed);
        world.run(20_000);
        let last = world.sent.iter().rfind(|s| s.by == leg && s.channel == Channel::Rtcp).unwrap();
        assert_eq!(last.to.to_string(), rtcp);
    }
}

#[test]
fn keys_count_anew_in_a_new_stream() {
    let (mut world, phone, leg) = call(Pcmu);
    world.command(PHONE, Command::Close { leg: phone.1 });
    let from = world.address(phone);
    let key = |sequence, timestamp, ssrc| {
        let header = rtp::Packet { marker: true, payload_type: 101, sequence, timestamp, ssrc, payload: &[] };
        [&header.header()[..], &[5, 10, 1, 0]].concat()
    };
    world.inject(from, leg, &key(1, 900_000, 1));
    world.run(100);
    // A new stream has to show two packets; its clock is its own.
    world.inject(from, leg, &key(1, 5_000, 2));
    world.inject(from, leg, &key(2, 5_000, 2));
    assert_eq!(world.digits(leg), "55");
}

#[test]
fn muxed_reports_go_over_the_rtp_port() {
    let mut world = World::new(2);
    let (phone, leg) = (world.open(PHONE, &[Pcmu]), world.open(GATEWAY, &[Pcmu]));
    let mut offer = world.session(phone).offer();
    offer.extend(b"a=rtcp-mux\r\n");
    let (_, mut agreed) = world.session(leg).answer(&offer).unwrap();
    world.configure(leg, agreed.clone());
    agreed.remote_rtp = world.address(leg);
    world.configure(phone, agreed);
    world.run(30_000);
    let reports: Vec<_> = world.sent.iter().filter(|s| rtp::is_rtcp(&s.bytes)).collect();
    assert!(reports.len() > 8 && reports.iter().all(|s| s.channel == Channel::Rtp));
    let known = |e: &(Duration, Node, Event)| matches!(&e.2, Event::Quality { quality, .. } if quality.round_trip.is_some());
    assert!(world.events.iter().any(known));
}

#[test]
fn a_codec_may_change_in_the_middle_of_a_prompt() {
    let (mut world, phone, leg) = call(Pcmu);
    world.listen(phone);
    world.play(leg, 1, vec![Clip::Tone { hz: 1_004.0, dbm0: -10.0, duration: secs(60) }]);
    world.run(1_000);
    let offer = b"v=0\r\nc=IN IP4 198.51.100.1\r\nm=audio 10002 RTP/AVP 9\r\n";
    let (answer, agreed) = world.session(leg).answer(offer).unwrap();
    world.configure(leg, agreed);
    let mut session = havre_media::sdp::Session::new(
        havre_media::sdp::Local {
            addr: [198, 51, 100, 1].into(),
            rtp: 10_002,
            rtcp: 10_003,
            codecs: vec![G722],
            browser: None,
            sdes: None,
        },
        1,
    );
    session.offer();
    let agreed = session.accept(&answer).unwrap();
    world.configure(phone, agreed);
    world.run(1_000);
    world.assert_heard(phone, 1_004.0, -10.0);
    assert_eq!(world.rtp_of(leg).last().unwrap().rtp().payload_type, 9);
}

#[test]
fn silence_is_heard_as_silence() {
    let (mut world, phone, leg) = call(Pcmu);
    world.listen(leg);
    world.weather.loss_percent = 100;
    world.run(600);
    assert_eq!(world.heard(leg), (0.0, -96.0, 0.0));
    assert_eq!(world.told(PHONE), []);
    let _ = phone;
}

#[test]
fn tables_have_ends() {
    let (mut world, phone, leg) = call(Pcmu);
    for i in 0..limits::MAX_LEGS as u64 + 5 {
        world.command(GATEWAY, Command::Open { leg: LegId(1_000 + i), face: Face::Plain });
    }
    world.play(leg, 1, vec![Clip::Silence(Duration::ZERO); limits::MAX_CLIPS + 3]);
    for _ in 0..limits::MAX_DIGITS_QUEUED + 2 {
        world.command(GATEWAY, Command::SendDigit { leg: leg.1, digit: digit('1'), millis: 100 });
    }
    let counters = world.shards[GATEWAY.0].counters();
    assert_eq!((counters.refused_legs, counters.refused_clips, counters.refused_digits), (6, 3, 2));
    let _ = phone;
}

#[test]
fn what_is_not_ours_is_counted_and_dropped() {
    let (mut world, phone, leg) = call(Pcmu);
    let from = world.address(phone);
    world.inject(from, leg, &[1, 2, 3]);
    world.inject(from, leg, &[0x80; limits::MAX_PACKET + 1]);
    world.inject(from, leg, &[&[0x80, 77][..], &[0; 20]].concat());
    world.inject(from, leg, &[0x80, 200, 0, 9, 9]);
    let unopened = At(GATEWAY, LegId(77));
    world.command(GATEWAY, Command::Stop { leg: unopened.1 });
    let counters = *world.shards[GATEWAY.0].counters();
    assert_eq!(
        (
            counters.dropped_malformed,
            counters.dropped_payload_type,
            counters.dropped_rtcp,
            counters.dropped_unknown_leg
        ),
        (2, 1, 1, 1)
    );
    assert_eq!(counters.iter().find(|(name, _)| *name == "dropped_rtcp"), Some(("dropped_rtcp", 1)));
}

#[test]
fn a_closed_legs_place_is_used_again() {
    let mut world = World::new(2);
    for _ in 0..3 {
        let (phone, leg) = world.call(PHONE, GATEWAY, &[Pcmu], &[Pcmu]);
        world.run(100);
        world.command(GATEWAY, Command::Close { leg: leg.1 });
        world.command(PHONE, Command::Close { leg: phone.1 });
        let sent = world.sent.len();
        world.run(100);
        assert_eq!(world.sent.len(), sent);
    }
    assert_eq!(world.shards[GATEWAY.0].poll_timeout(), None);
}
