//! A third party comes and goes: what the two who talk lose by it.
#![allow(clippy::unwrap_used)] // It is how a test fails.

mod support;

use havre_media::{Clip, Codec, Command, PlainDecoder, Prompt, Voice};
use havre_model::ConferenceId;
use support::{At, Node, World};

const PHONES: Node = Node(0);
const GATEWAY: Node = Node(1);
const ROOM: ConferenceId = ConferenceId(1);

/// Samples after which the ramp begins again; no two of one round are alike.
const ROUND: i32 = 20_000;
/// From one sample of the ramp to the next.
const STEP: i32 = 13;
/// Samples of 20 ms of L16, in which nothing is lost in coding. The limiter holds 40 of them back.
const FRAME: usize = 320;

/// The `n`th sample of what is said, and the other way round.
fn ramp(n: usize) -> i16 {
    (n as i32 * STEP % ROUND - ROUND / 2) as i16
}

fn place(sample: i16) -> i32 {
    // 13 times 3,077 is 1 more than twice a round.
    (i32::from(sample) + ROUND / 2) * 3_077 % ROUND
}

/// What came out of a ramp that went in.
#[derive(Debug, Default)]
struct Heard {
    /// Samples of the ramp that were left out, and of anything else that came in between.
    lost: usize,
    foreign: usize,
    /// Times at which the ramp went on elsewhere.
    breaks: usize,
}

fn compare(samples: &[i16]) -> Heard {
    let mut heard = Heard::default();
    let follows = |pair: &[i16]| (place(pair[1]) - place(pair[0])).rem_euclid(ROUND) == 1;
    let (mut at, mut next) = (0, None);
    while at + 8 <= samples.len() {
        let is_ramp = samples[at..at + 8].windows(2).all(follows);
        if !is_ramp && next != Some(place(samples[at])) {
            heard.foreign += 1;
            at += 1;
            continue;
        }
        let leap = next.map_or(0, |next: i32| (place(samples[at]) - next).rem_euclid(ROUND));
        heard.lost += leap as usize;
        heard.breaks += usize::from(leap > 0);
        next = Some((place(samples[at]) + 1) % ROUND);
        at += 1;
    }
    heard
}

/// The samples sent to a phone since the world's record was cleared.
fn sent(world: &World, by: At) -> Vec<i16> {
    let mut decoder = PlainDecoder::new(Codec::L16);
    world.rtp_of(by).iter().flat_map(|sent| decoder.decode(sent.rtp().payload).to_vec()).collect()
}

#[test]
fn the_ramp_tells_what_is_missing() {
    let said: Vec<i16> = (0..40_000).map(ramp).collect();
    assert!(said.iter().enumerate().all(|(n, sample)| place(*sample) == n as i32 % ROUND));
    let heard = compare(&[&said[..8_000], &[7; 50], &said[8_160..]].concat());
    assert_eq!((heard.lost, heard.breaks), (160, 1));
    assert!((45..=55).contains(&heard.foreign), "{}", heard.foreign);
}

#[test]
fn who_comes_and_goes_costs_the_two_who_talk_no_word() {
    for phase in 0..10 {
        let mut world = World::new(2);
        let mut call = || world.call(PHONES, GATEWAY, &[Codec::L16], &Codec::ALL);
        let ((caller, a), (advocate, b), (_, supervisor)) = (call(), call(), call());
        world.bridge(a, b);
        for phone in [caller, advocate] {
            let said: Vec<i16> = (0..10 * 16_000).map(ramp).collect();
            world.play(phone, 0, vec![Clip::Prompt(Prompt::new(&said))]);
        }
        world.run(3_000 + 2 * phase);
        world.sent.clear();
        let join = |leg: At, voice| Command::Join { conference: ROOM, leg: leg.1, voice, tones: false };
        world.command(GATEWAY, join(a, Voice::ToAll));
        world.command(GATEWAY, join(supervisor, Voice::ToNone));
        world.run(1_501);
        let coming = [a, b].map(|leg| compare(&sent(&world, leg)));
        world.sent.clear();
        world.command(GATEWAY, Command::Leave { conference: ROOM, leg: supervisor.1 });
        world.run(1_501);
        let going = [a, b].map(|leg| compare(&sent(&world, leg)));
        for heard in &coming {
            assert_eq!(heard.lost, 0, "coming, at {} ms: {heard:?}", 2 * phase);
            // The ear waits as long as the stream's jitter asks, and the limiter looks ahead.
            assert!(heard.foreign <= 2 * FRAME + 40, "coming, at {} ms: {heard:?}", 2 * phase);
        }
        for heard in &going {
            assert!(heard.lost <= 40 && heard.foreign == 0, "going, at {} ms: {heard:?}", 2 * phase);
        }
    }
}
