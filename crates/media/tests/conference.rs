//! Several legs that hear each other: who hears whom, how loud, and how a conference comes from a relay and goes back.
#![allow(clippy::unwrap_used)] // It is how a test fails.

mod support;

use std::f64::consts::TAU;
use std::time::Duration;

use havre_media::Codec::{self, G722, L16, Opus, Pcma, Pcmu};
use havre_media::{Clip, Command, Event, PlainDecoder, Voice};
use havre_model::{ConferenceId, Digit};
use support::{At, Node, World, millis, sine};

const PHONES: Node = Node(0);
const GATEWAY: Node = Node(1);
const ROOM: ConferenceId = ConferenceId(1);

/// Members of one conference: (phone, the gateway's leg) each.
struct Party {
    world: World,
    phones: Vec<At>,
    legs: Vec<At>,
}

impl Party {
    /// Phones that are connected to the gateway, in nobody's company.
    fn new(codecs: &[Codec]) -> Self {
        let mut world = World::new(2);
        let pairs: Vec<(At, At)> =
            codecs.iter().map(|codec| world.call(PHONES, GATEWAY, &[*codec], &Codec::ALL)).collect();
        let (phones, legs) = pairs.into_iter().unzip();
        Self { world, phones, legs }
    }

    fn join(&mut self, who: usize, voice: Voice) {
        self.join_with(who, voice, false);
    }

    fn join_with(&mut self, who: usize, voice: Voice, tones: bool) {
        let leg = self.legs[who].1;
        self.world.command(GATEWAY, Command::Join { conference: ROOM, leg, voice, tones });
    }

    fn leave(&mut self, who: usize) {
        let leg = self.legs[who].1;
        self.world.command(GATEWAY, Command::Leave { conference: ROOM, leg });
    }

    /// Everybody joins and speaks to all.
    fn all_join(mut self) -> Self {
        (0..self.legs.len()).for_each(|who| self.join(who, Voice::ToAll));
        self
    }

    fn says(&mut self, who: usize, hz: f32, dbm0: f32) {
        self.world.tone(self.phones[who], hz, dbm0);
    }

    fn presses(&mut self, who: usize, key: char) {
        let At(node, leg) = self.phones[who];
        let digit = Digit::from_char(key).unwrap();
        self.world.command(node, Command::SendDigit { leg, digit, millis: 100 });
    }

    /// What is sent to a phone from now on, for so long; decoded, with the sampling rate.
    fn hears(&mut self, millis: u64) -> Vec<(u32, Vec<i16>)> {
        self.world.sent.clear();
        self.world.run(millis);
        self.legs.iter().map(|leg| heard(&self.world, *leg)).collect()
    }
}

fn heard(world: &World, leg: At) -> (u32, Vec<i16>) {
    let packets = world.rtp_of(leg);
    let audio: Vec<_> = packets.iter().map(|s| s.rtp()).filter(|p| p.payload_type != 101).collect();
    let Some(first) = audio.first() else { return (8_000, Vec::new()) };
    let codec = Codec::ALL.into_iter().find(|c| c.payload_type() == first.payload_type).unwrap();
    let mut decoder = PlainDecoder::new(codec);
    let samples = audio.iter().flat_map(|packet| decoder.decode(packet.payload).to_vec()).collect();
    (codec.sample_rate(), samples)
}

/// The level of one frequency, in dBm0: over whole seconds of what was heard, but for the first 100 ms.
fn level((rate, samples): &(u32, Vec<i16>), hz: f32) -> f64 {
    let samples = &samples[(samples.len() / 10).min(*rate as usize / 10)..];
    let (mut re, mut im) = (0.0, 0.0);
    for (i, sample) in samples.iter().enumerate() {
        let angle = TAU * f64::from(hz) * i as f64 / f64::from(*rate);
        // A Hann window, so that other tones do not leak into this one.
        let window = 1.0 - (TAU * i as f64 / samples.len() as f64).cos();
        re += f64::from(*sample) * window * angle.cos();
        im += f64::from(*sample) * window * angle.sin();
    }
    20.0 * (2.0 * re.hypot(im) / samples.len() as f64 / 22_657.0).max(1e-6).log10()
}

const TONES: [f32; 8] = [400.0, 530.0, 700.0, 930.0, 1_230.0, 1_630.0, 2_150.0, 2_850.0];

#[test]
fn everybody_hears_the_others_at_their_level_and_never_itself_whatever_the_codecs() {
    let codecs = [Pcmu, G722, Opus, L16, Pcma];
    let mut party = Party::new(&codecs).all_join();
    for (who, hz) in TONES.iter().enumerate().take(codecs.len()) {
        party.says(who, *hz, -20.0);
    }
    party.world.run(1_500);
    let heard = party.hears(2_000);
    for (listener, heard) in heard.iter().enumerate() {
        for (speaker, hz) in TONES.iter().enumerate().take(codecs.len()) {
            let level = level(heard, *hz);
            let (from, to) = (codecs[speaker], codecs[listener]);
            if speaker == listener {
                assert!(level < -60.0, "{to:?} hears itself at {level:.1} dBm0");
            } else {
                // Opus at 24 kbit/s is made for speech, and four sines at once are none.
                let most = if [from, to].contains(&Opus) { 2.0 } else { 1.0 };
                assert!((level + 20.0).abs() < most, "{to:?} hears {from:?} at {level:.1} dBm0");
            }
        }
    }
    let counters = party.world.shards[GATEWAY.0].counters();
    assert_eq!((counters.dropped_late, counters.refused_joins), (0, 0));
}

#[test]
fn one_voice_passes_a_conference_at_its_level_between_any_two_codecs() {
    for (from, to) in Codec::ALL.into_iter().flat_map(|a| Codec::ALL.map(|b| (a, b))) {
        let mut party = Party::new(&[from, to, Pcmu]).all_join();
        party.says(0, 1_004.0, -10.0);
        party.world.run(1_000);
        let heard = party.hears(1_000);
        let level = level(&heard[1], 1_004.0);
        assert!((level + 10.0).abs() < 1.0, "{from:?} to {to:?}: {level:.2} dBm0");
    }
}

#[test]
fn a_whisper_is_heard_by_one_and_a_listener_by_nobody() {
    let mut party = Party::new(&[Pcmu, G722, Pcma, L16, Pcmu]);
    party.join(0, Voice::ToAll);
    party.join(1, Voice::ToAll);
    let advocate = party.legs[1].1;
    party.join(2, Voice::To(advocate));
    party.join(3, Voice::ToNone);
    party.join(4, Voice::ToNone);
    for (who, hz) in TONES.iter().enumerate().take(5) {
        party.says(who, *hz, -20.0);
    }
    party.world.run(1_500);
    let check = |party: &mut Party, heard_by: [&[usize]; 5]| {
        for (listener, heard) in party.hears(1_500).iter().enumerate() {
            for (speaker, hz) in TONES.iter().enumerate().take(5) {
                let level = level(heard, *hz);
                if heard_by[speaker].contains(&listener) {
                    assert!((level + 20.0).abs() < 1.0, "{listener} hears {speaker} at {level:.1} dBm0");
                } else {
                    assert!(level < -60.0, "{listener} hears {speaker} at {level:.1} dBm0");
                }
            }
        }
    };
    check(&mut party, [&[1, 2, 3, 4], &[0, 2, 3, 4], &[1], &[], &[]]);
    // It barges in, and then only listens.
    party.join(2, Voice::ToAll);
    party.world.run(500);
    check(&mut party, [&[1, 2, 3, 4], &[0, 2, 3, 4], &[0, 1, 3, 4], &[], &[]]);
    party.join(2, Voice::ToNone);
    party.world.run(500);
    check(&mut party, [&[1, 2, 3, 4], &[0, 2, 3, 4], &[], &[], &[]]);
}

#[test]
fn listeners_who_hear_the_same_share_one_encoder() {
    let mut party = Party::new(&[Pcmu, Pcmu, G722, G722, G722, Pcmu]);
    for who in 0..6 {
        party.join(who, if who < 2 { Voice::ToAll } else { Voice::ToNone });
    }
    party.says(0, 440.0, -20.0);
    party.world.run(1_000);
    let before = party.world.shards[GATEWAY.0].counters().mixed;
    party.world.sent.clear();
    party.world.run(1_000);
    // The two who talk each hear the other; listeners hear both, in two codecs.
    assert_eq!(party.world.shards[GATEWAY.0].counters().mixed - before, 50 * 4);
    let payloads = |who: usize| {
        let packets = party.world.rtp_of(party.legs[who]);
        packets.iter().map(|s| s.rtp().payload.to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(payloads(2), payloads(3));
    assert_eq!(payloads(2), payloads(4));
    assert_ne!(payloads(0), payloads(1));
}

#[test]
fn eight_loud_members_do_not_clip() {
    let mut party = Party::new(&[Pcmu, L16, G722, L16, Pcma, L16, Pcmu, L16]).all_join();
    for (who, hz) in TONES.iter().enumerate() {
        party.says(who, *hz, -1.0);
    }
    party.world.run(1_500);
    for (listener, heard) in party.hears(1_000).iter().enumerate() {
        let peak = heard.1[heard.1.len() / 10..].iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!((20_000..32_000).contains(&peak), "{listener}: {peak}");
        // Everybody is turned down alike, and nothing else appears: what intermodulates would be 530 - 400 Hz.
        let levels: Vec<f64> =
            (0..8).filter(|who| *who != listener).map(|who| level(heard, TONES[who])).collect();
        let (least, most) = (
            levels.iter().fold(0.0, |a: f64, b| a.min(*b)),
            levels.iter().fold(-99.0, |a: f64, b| a.max(*b)),
        );
        assert!(most - least < 2.0 && least > -20.0, "{listener}: {levels:.1?}");
        assert!(level(heard, TONES[listener]) < -55.0, "{listener}: {:.1}", level(heard, TONES[listener]));
        assert!(level(heard, 130.0) < -40.0, "{listener}: {:.1}", level(heard, 130.0));
    }
}

/// One SSRC, every sequence number once and in order, and timestamps without a gap or an overlap.
fn assert_gapless(world: &World, by: At) {
    for pair in world.rtp_of(by).windows(2) {
        let (last, this) = (pair[0].rtp(), pair[1].rtp());
        assert_eq!(this.ssrc, last.ssrc);
        assert_eq!(this.sequence, last.sequence.wrapping_add(1), "at {:?}", pair[1].at);
        assert_eq!(this.timestamp.wrapping_sub(last.timestamp), 160, "at {:?}", pair[1].at);
        assert!((pair[1].at - pair[0].at).as_millis() <= 40, "a gap before {:?}", pair[1].at);
    }
}

/// Whether what a leg sent after `since` is what somebody's phone sent, bit by bit.
fn is_relayed(world: &World, since: Duration, from: At, to: At) -> bool {
    let payloads = |at: At, since| {
        let packets = world.rtp_of(at).into_iter().filter(move |s| s.at > since);
        packets.map(|s| s.rtp().payload.to_vec()).collect::<Vec<_>>()
    };
    let (sent, got) = (payloads(from, since - millis(100)), payloads(to, since));
    !got.is_empty() && sent.windows(got.len()).any(|run| run == got)
}

#[test]
fn a_relay_stays_one_until_a_third_comes_and_is_one_again_afterwards() {
    let mut party = Party::new(&[Pcmu, Pcmu, G722]);
    let [a, b] = [party.legs[0], party.legs[1]];
    let [caller, advocate] = [party.phones[0], party.phones[1]];
    party.says(0, 440.0, -20.0);
    party.says(1, 700.0, -20.0);
    party.world.bridge(a, b);
    party.world.run(500);
    party.world.sent.clear();
    let bridged = |party: &Party| {
        let events = party.world.told(GATEWAY);
        events.into_iter().filter(|(_, e)| *e == Event::Bridged { a: a.1, b: b.1 }).count()
    };
    let mixed = |party: &Party| party.world.shards[GATEWAY.0].counters().mixed;
    for round in 0..4 {
        party.world.run(100);
        let (since, before) = (party.world.sent.last().unwrap().at, mixed(&party));
        // The first to join brings the other along, and nothing changes.
        party.join(0, Voice::ToAll);
        party.world.run(400);
        assert!(is_relayed(&party.world, since, caller, b) && is_relayed(&party.world, since, advocate, a));
        assert_eq!((bridged(&party), mixed(&party)), (1 + round, before));
        party.join(2, if round % 2 == 0 { Voice::ToNone } else { Voice::ToAll });
        party.world.run(603);
        assert!(mixed(&party) > before + 80);
        party.leave(2);
        assert_eq!(bridged(&party), 2 + round);
        let (since, before) = (party.world.sent.last().unwrap().at, mixed(&party));
        party.world.run(401);
        assert!(is_relayed(&party.world, since, caller, b) && is_relayed(&party.world, since, advocate, a));
        assert_eq!(mixed(&party), before);
    }
    assert_gapless(&party.world, a);
    assert_gapless(&party.world, b);
    // Both leave by the bridge's own command, and the conference is gone.
    party.world.command(GATEWAY, Command::Unbridge { a: b.1, b: a.1 });
    party.world.run(500);
    let heard = party.hears(500);
    assert!(level(&heard[0], 700.0) < -60.0 && level(&heard[1], 440.0) < -60.0);
}

#[test]
fn keys_reach_the_partner_and_never_a_third() {
    let mut party = Party::new(&[Pcmu, G722, Pcmu, Pcmu]);
    party.join(0, Voice::ToAll);
    party.join(1, Voice::ToAll);
    party.join(2, Voice::ToNone);
    party.join(3, Voice::ToAll);
    party.world.run(200);
    for (who, keys) in [(0, "12"), (1, "3"), (2, "4"), (3, "5")] {
        for key in keys.chars() {
            party.presses(who, key);
            party.world.run(400);
        }
    }
    let reported: Vec<String> = party.legs.iter().map(|leg| party.world.digits(*leg)).collect();
    assert_eq!(reported, ["12", "3", "4", "5"]);
    let got: Vec<String> = party.phones.iter().map(|phone| party.world.digits(*phone)).collect();
    assert_eq!(got, ["3", "12", "", ""]);
}

#[test]
fn tones_tell_who_comes_and_goes_and_then_the_two_are_relayed() {
    let mut party = Party::new(&[Pcmu, Pcmu, Pcmu]);
    party.join(0, Voice::ToAll);
    party.join(1, Voice::ToAll);
    party.world.run(400);
    party.join_with(2, Voice::ToNone, true);
    let came = party.hears(200);
    party.world.run(300);
    party.leave(2);
    let went = party.hears(200);
    for heard in [&came[0], &came[1], &came[2], &went[0], &went[1]] {
        assert!(level(heard, 440.0) > -45.0 && level(heard, 660.0) > -45.0, "{:.1}", level(heard, 440.0));
    }
    let is_rising = |heard: &(u32, Vec<i16>)| {
        let (first, last) = heard.1.split_at(heard.1.len() / 2);
        level(&(heard.0, first.to_vec()), 440.0) > level(&(heard.0, last.to_vec()), 440.0)
    };
    assert!(is_rising(&came[0]) && !is_rising(&went[0]));
    party.world.run(100);
    let mixed = party.world.shards[GATEWAY.0].counters().mixed;
    party.world.run(500);
    assert_eq!(party.world.shards[GATEWAY.0].counters().mixed, mixed, "the two are relayed");
}

#[test]
fn who_is_alone_hears_an_open_line_and_an_empty_conference_is_gone() {
    let mut party = Party::new(&[Pcmu, G722]).all_join();
    party.says(1, 700.0, -20.0);
    party.world.run(500);
    let (phone, leg) = (party.phones[1], party.legs[1]);
    party.world.command(GATEWAY, Command::Close { leg: leg.1 });
    party.world.command(PHONES, Command::Close { leg: phone.1 });
    party.world.run(200);
    let heard = &party.hears(1_000)[0];
    assert_eq!(heard.1.len(), 8_000, "a packet for every turn");
    let power = heard.1.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / 8_000.0;
    assert!((1.0..100.0).contains(&power), "{power}");
    let mixed = |party: &Party| party.world.shards[GATEWAY.0].counters().mixed;
    party.leave(0);
    let before = mixed(&party);
    party.world.run(500);
    assert_eq!(mixed(&party), before);
}

#[test]
fn a_ninth_member_is_refused_and_so_is_a_pair_for_one_seat() {
    let mut party = Party::new(&[Pcmu; 10]);
    (0..7).for_each(|who| party.join(who, Voice::ToAll));
    party.world.bridge(party.legs[8], party.legs[9]);
    party.join(8, Voice::ToAll);
    assert_eq!(party.world.shards[GATEWAY.0].counters().refused_joins, 1);
    party.join(7, Voice::ToNone);
    party.join(8, Voice::ToAll);
    assert_eq!(party.world.shards[GATEWAY.0].counters().refused_joins, 2);
    party.says(8, 440.0, -20.0);
    party.world.run(700);
    let heard = party.hears(500);
    assert!(level(&heard[9], 440.0) > -21.0, "its bridge is left alone");
    assert!(level(&heard[7], 440.0) < -60.0);
}

#[test]
fn a_prompt_for_one_member_covers_the_mix_for_it_alone() {
    let mut party = Party::new(&[Pcmu, Pcmu, Pcmu]).all_join();
    party.says(0, 440.0, -20.0);
    party.world.run(700);
    party.world.play(party.legs[1], 7, vec![Clip::Prompt(sine(1_000.0, 600))]);
    let heard = party.hears(500);
    assert!(level(&heard[1], 1_000.0) > -12.0 && level(&heard[1], 440.0) < -60.0);
    assert!(level(&heard[2], 1_000.0) < -60.0 && level(&heard[2], 440.0) > -21.0);
    party.world.run(500);
    let heard = party.hears(500);
    assert!((level(&heard[1], 440.0) + 20.0).abs() < 1.0);
}
