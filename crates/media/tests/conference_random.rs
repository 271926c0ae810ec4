//! Members come, go, whisper, listen and are bridged at random: nobody hears whom they may not hear, whoever should is
//! heard, and every stream stays one stream.
#![allow(clippy::unwrap_used)] // It is how a test fails.

mod support;

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::time::Duration;

use havre_media::{Codec, Command, PlainDecoder, Voice};
use havre_model::{ConferenceId, LegId};
use proptest::prelude::*;
use support::{At, Node, World};

const PHONES: Node = Node(0);
const GATEWAY: Node = Node(1);
const LEGS: usize = 5;
const TONES: [f32; LEGS] = [500.0, 750.0, 1_000.0, 1_250.0, 1_500.0];

#[derive(Clone, Copy, Debug)]
enum Step {
    Join { room: u64, who: usize, voice: Choice, tones: bool },
    Leave { room: u64, who: usize },
    Bridge { a: usize, b: usize },
    Unbridge { a: usize, b: usize },
    Close { who: usize },
    Wait { millis: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Choice {
    ToAll,
    To(usize),
    ToNone,
}

fn step() -> impl Strategy<Value = Step> {
    let choice = prop_oneof![
        3 => Just(Choice::ToAll),
        1 => (0..LEGS).prop_map(Choice::To),
        1 => Just(Choice::ToNone),
    ];
    prop_oneof![
        8 => (0..2_u64, 0..LEGS, choice, any::<bool>())
            .prop_map(|(room, who, voice, tones)| Step::Join { room, who, voice, tones }),
        3 => (0..2_u64, 0..LEGS).prop_map(|(room, who)| Step::Leave { room, who }),
        2 => (0..LEGS, 0..LEGS).prop_map(|(a, b)| Step::Bridge { a, b }),
        1 => (0..LEGS, 0..LEGS).prop_map(|(a, b)| Step::Unbridge { a, b }),
        1 => (0..LEGS).prop_map(|who| Step::Close { who }),
        6 => (1..200_u64).prop_map(|millis| Step::Wait { millis }),
    ]
}

/// What should be, by the rules of `Command` alone.
#[derive(Debug, Default)]
struct Model {
    rooms: BTreeMap<u64, BTreeMap<usize, Choice>>,
    bridges: Vec<(usize, usize)>,
    closed: Vec<usize>,
}

impl Model {
    fn room_of(&self, who: usize) -> Option<u64> {
        self.rooms.iter().find(|(_, members)| members.contains_key(&who)).map(|(room, _)| *room)
    }

    fn partner(&self, who: usize) -> Option<usize> {
        self.bridges.iter().find_map(|(a, b)| match who {
            _ if who == *a => Some(*b),
            _ if who == *b => Some(*a),
            _ => None,
        })
    }

    fn part(&mut self, who: usize) {
        for members in self.rooms.values_mut() {
            members.remove(&who);
        }
        self.bridges.retain(|(a, b)| *a != who && *b != who);
    }

    fn apply(&mut self, step: Step) {
        let open = |model: &Self, who: usize| !model.closed.contains(&who);
        match step {
            Step::Join { room, who, voice, .. } if open(self, who) => {
                if self.room_of(who) != Some(room) {
                    let partner = self.partner(who);
                    self.part(who);
                    if let Some(partner) = partner {
                        self.rooms.entry(room).or_default().insert(partner, Choice::ToAll);
                    }
                }
                self.rooms.entry(room).or_default().insert(who, voice);
            }
            Step::Leave { room, who } if self.room_of(who) == Some(room) => self.part(who),
            Step::Bridge { a, b } if a != b && open(self, a) && open(self, b) => {
                self.part(a);
                self.part(b);
                self.bridges.push((a, b));
            }
            Step::Unbridge { a, b } if a != b => {
                let together = self.room_of(a).is_some() && self.room_of(a) == self.room_of(b);
                if together || self.partner(a) == Some(b) {
                    self.part(a);
                    self.part(b);
                }
            }
            Step::Close { who } => {
                self.part(who);
                self.closed.push(who);
            }
            _ => {}
        }
    }

    fn hears(&self, listener: usize, speaker: usize) -> bool {
        if self.partner(listener) == Some(speaker) {
            return true;
        }
        let together = self.room_of(listener).is_some() && self.room_of(listener) == self.room_of(speaker);
        let voice = self.room_of(speaker).and_then(|room| self.rooms[&room].get(&speaker));
        together
            && listener != speaker
            && [Some(&Choice::ToAll), Some(&Choice::To(listener))].contains(&voice)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn members_who_come_and_go_at_random_hear_whom_they_should(steps in prop::collection::vec(step(), 1..24)) {
        let mut world = World::new(2);
        let codecs = [Codec::Pcmu, Codec::Pcmu, Codec::G722, Codec::Pcma, Codec::Pcmu];
        let pairs = codecs.map(|codec| world.call(PHONES, GATEWAY, &[codec], &Codec::ALL));
        let leg = |who: usize| pairs[who].1.1;
        for (who, hz) in TONES.iter().enumerate() {
            world.tone(pairs[who].0, *hz, -20.0);
        }
        world.run(300);
        let mut model = Model::default();
        for step in &steps {
            model.apply(*step);
            command(&mut world, *step, leg);
        }
        // Signals end, and ears fill.
        world.run(600);
        let since = world.sent.last().map(|sent| sent.at);
        world.run(500);
        for (listener, (_, leg)) in pairs.iter().enumerate() {
            steady(&world, *leg)?;
            let heard = heard(&world, since, *leg);
            if model.closed.contains(&listener) {
                prop_assert!(heard.1.is_empty());
                continue;
            }
            let frames = heard.1.len() * 50 / heard.0 as usize;
            prop_assert!((24..=26).contains(&frames), "{listener}: {frames} frames in half a second");
            for (speaker, hz) in TONES.iter().enumerate() {
                let level = level(&heard, *hz);
                let should = model.hears(listener, speaker);
                prop_assert!(
                    if should { level > -22.0 } else { level < -55.0 },
                    "{listener} hears {speaker} at {level:.1} dBm0, should: {should}; {model:?}"
                );
            }
        }
        let counters = world.shards[GATEWAY.0].counters();
        prop_assert_eq!((counters.refused_joins, counters.dropped_unfit, counters.skipped_rounds), (0, 0, 0));
    }
}

fn command(world: &mut World, step: Step, leg: impl Fn(usize) -> LegId) {
    let command = match step {
        Step::Join { room, who, voice, tones } => {
            let voice = match voice {
                Choice::ToAll => Voice::ToAll,
                Choice::To(other) => Voice::To(leg(other)),
                Choice::ToNone => Voice::ToNone,
            };
            Command::Join { conference: ConferenceId(room), leg: leg(who), voice, tones }
        }
        Step::Leave { room, who } => Command::Leave { conference: ConferenceId(room), leg: leg(who) },
        Step::Bridge { a, b } => Command::Bridge { a: leg(a), b: leg(b) },
        Step::Unbridge { a, b } => Command::Unbridge { a: leg(a), b: leg(b) },
        Step::Close { who } => Command::Close { leg: leg(who) },
        Step::Wait { millis } => return world.run(millis),
    };
    world.command(GATEWAY, command);
}

/// One SSRC, every sequence number once and in order, and timestamps that never go back.
fn steady(world: &World, leg: At) -> Result<(), TestCaseError> {
    for pair in world.rtp_of(leg).windows(2) {
        let (last, this) = (pair[0].rtp(), pair[1].rtp());
        prop_assert_eq!(this.ssrc, last.ssrc);
        prop_assert_eq!(this.sequence, last.sequence.wrapping_add(1), "at {:?}", pair[1].at);
        let ahead = this.timestamp.wrapping_sub(last.timestamp);
        prop_assert!((160..2_000).contains(&ahead), "timestamp moved by {} at {:?}", ahead, pair[1].at);
    }
    Ok(())
}

/// What a leg was sent after a moment, decoded, with the sampling rate.
fn heard(world: &World, since: Option<Duration>, leg: At) -> (u32, Vec<i16>) {
    let packets = world.rtp_of(leg).into_iter().filter(|sent| Some(sent.at) > since);
    let audio: Vec<_> = packets.map(|s| s.rtp()).collect();
    let codec = audio.first().map_or(Codec::Pcmu, |first| {
        Codec::ALL.into_iter().find(|codec| codec.payload_type() == first.payload_type).unwrap()
    });
    let mut decoder = PlainDecoder::new(codec);
    (codec.sample_rate(), audio.iter().flat_map(|p| decoder.decode(p.payload).to_vec()).collect())
}

/// The level of one frequency, in dBm0, but for the first 40 ms.
fn level((rate, samples): &(u32, Vec<i16>), hz: f32) -> f64 {
    let samples = &samples[*rate as usize / 25..];
    let (mut re, mut im) = (0.0, 0.0);
    for (i, sample) in samples.iter().enumerate() {
        let angle = TAU * f64::from(hz) * i as f64 / f64::from(*rate);
        let window = 1.0 - (TAU * i as f64 / samples.len() as f64).cos();
        re += f64::from(*sample) * window * angle.cos();
        im += f64::from(*sample) * window * angle.sin();
    }
    20.0 * (2.0 * f64::hypot(re, im) / samples.len() as f64 / 22_657.0).max(1e-6).log10()
}
