//! The ear against networks and senders of every kind, in virtual time.

use std::time::Duration;

use super::*;
use crate::codec::Encoder;
use crate::codec::g711::mulaw_encode;
use crate::meter::Meter;
use crate::tone::{self, Oscillator};

/// A packet on its way: when it arrives (in µs), and what it is.
#[derive(Clone, Debug)]
struct Sent {
    at: i64,
    sequence: u16,
    timestamp: u32,
    sound: Sound,
    payload: Vec<u8>,
}

/// A phone that sends a tone of 425 Hz, -10 dBm0.
struct Phone {
    codec: Codec,
    encoder: Encoder,
    tone: Oscillator,
    ptime: u32,
    sequence: u16,
    timestamp: u32,
    at: i64,
    /// Sampling clock's error.
    ppm: i64,
}

impl Phone {
    fn new(codec: Codec, ptime: u32) -> Self {
        let encoder = Encoder::new(codec, &crate::sdp::OpusParameters::default());
        // Both numbers wrap soon.
        let (sequence, timestamp) = (65_500, u32::MAX - 10_000);
        Self { codec, encoder, tone: Oscillator::default(), ptime, sequence, timestamp, at: 0, ppm: 0 }
    }

    /// Speaks for `ms`; each packet leaves when its last sample is there.
    fn speaks(&mut self, ms: u32) -> Vec<Sent> {
        (0..ms / self.ptime).map(|_| self.packet()).collect()
    }

    fn packet(&mut self) -> Sent {
        let mut samples = vec![0; (self.codec.sample_rate() / 1_000 * self.ptime) as usize];
        self.tone.fill(425.0, -10.0, self.codec.sample_rate(), &mut samples);
        self.encodes(&samples)
    }

    fn encodes(&mut self, samples: &[i16]) -> Sent {
        let mut payload = vec![0; 4_000];
        let length = self.encoder.encode(samples, &mut payload);
        payload.truncate(length);
        self.sends(Sound::Audio(self.codec), payload)
    }

    fn sends(&mut self, sound: Sound, payload: Vec<u8>) -> Sent {
        let sent = Sent { at: self.at, sequence: self.sequence, timestamp: self.timestamp, sound, payload };
        self.sequence = self.sequence.wrapping_add(1);
        self.is_silent(self.ptime);
        sent
    }

    fn is_silent(&mut self, ms: u32) {
        let micros = i64::from(ms) * 1_000;
        self.at += micros - micros * self.ppm / 1_000_000;
        self.timestamp = self.timestamp.wrapping_add(ms * self.codec.clock_rate() / 1_000);
    }
}

/// What was heard, and how.
struct Heard {
    ear: Ear,
    samples: Vec<i16>,
    rate: u32,
    /// At each read: something was heard, the lag over the target's in ms, and packets waiting.
    some: Vec<bool>,
    lag: Vec<i64>,
    /// At each read: it ends with what was made up without knowing for what.
    made_up: Vec<bool>,
}

/// Reads `ms` of what arrives, every 20 ms.
fn listen(mut packets: Vec<Sent>, ms: i64) -> Heard {
    packets.sort_by_key(|p| p.at);
    let mut ear = Ear::new(Codec::Pcmu);
    let mut heard = Heard {
        ear: Ear::new(Codec::Pcmu),
        samples: vec![],
        rate: 0,
        some: vec![],
        lag: vec![],
        made_up: vec![],
    };
    let (mut out, mut left) = ([0; MAX_FRAME_SAMPLES], packets.iter().peekable());
    for now in (0..ms).step_by(20) {
        while let Some(sent) = left.next_if(|sent| sent.at <= now * 1_000) {
            push(&mut ear, sent, sent.at);
        }
        match ear.pull(at(now * 1_000), &mut out) {
            Some((rate, count)) => {
                heard.rate = rate;
                heard.samples.extend_from_slice(&out[..count]);
                heard.some.push(true);
            }
            None => heard.some.push(false),
        }
        let lag = ear.playing.map_or(0, |p| ear.lag(p.at, grains(at(now * 1_000))) + 20 * MILLISECOND);
        heard.lag.push(lag / MILLISECOND);
        heard.made_up.push(ear.playing.is_some_and(|playing| playing.made_up > 0));
    }
    heard.ear = ear;
    heard
}

fn at(micros: i64) -> Mono {
    Mono::from_start(Duration::from_micros(micros as u64))
}

fn push(ear: &mut Ear, sent: &Sent, micros: i64) {
    let packet = Packet {
        marker: false,
        payload_type: 0,
        sequence: sent.sequence,
        timestamp: sent.timestamp,
        ssrc: 1,
        payload: &sent.payload,
    };
    ear.push(&packet, sent.sound, at(micros));
}

impl Heard {
    /// Milliseconds of the tone that are missing or spoilt, from `from` ms on: 10 ms pieces that are not the tone.
    fn spoilt(&self, from: usize) -> usize {
        let piece = self.rate as usize / 100;
        let pieces = self.samples[from * self.rate as usize / 1_000..].chunks_exact(piece);
        let level =
            |s: &[i16]| tone::dbm0(s.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / s.len() as f64);
        pieces.filter(|piece| (level(piece) + 10.0).abs() > 1.5).count() * 10
    }

    /// The greatest step between two samples, in units of the tone's own.
    fn steepest(&self) -> f64 {
        let tone = 22_657.0 * 10_f64.powf(-0.5) * std::f64::consts::TAU * 425.0 / f64::from(self.rate);
        let step = |w: &[i16]| (f64::from(w[1]) - f64::from(w[0])).abs();
        self.samples.windows(2).map(step).fold(0.0, f64::max) / tone
    }

    fn silent_reads(&self) -> usize {
        self.some.iter().filter(|some| !**some).count()
    }
}

/// A number from 0 to `most` - 1 for each packet, without a pattern.
fn random(n: usize, most: i64) -> i64 {
    let mut x = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 29;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 32;
    (x % most as u64) as i64
}

const CODECS: [Codec; 5] = Codec::ALL;

#[test]
fn a_steady_stream_is_heard_as_it_was_sent() {
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::L16] {
        for ptime in [10, 20, 30, 40, 60, 120] {
            let mut phone = Phone::new(codec, ptime);
            let packets = phone.speaks(2_400);
            let mut decoder = Decoder::new(codec);
            let mut sent = Vec::new();
            let mut room = vec![0; 5_760];
            for packet in &packets {
                let length = decoder.decode(&packet.payload, &mut room);
                sent.extend_from_slice(&room[..length]);
            }
            let heard = listen(packets, 2_300);
            // The first decode ahead of the tone's own beginning is background; nothing is stretched in a tone.
            assert_eq!(heard.samples[..], sent[..heard.samples.len()], "{codec:?}, {ptime} ms");
            assert_eq!(heard.silent_reads(), 2, "{codec:?}, {ptime} ms: 40 ms of delay at first");
        }
    }
}

#[test]
fn every_codec_and_packet_time_is_heard_whole() {
    for codec in CODECS {
        for ptime in [10, 20, 40, 60, 120] {
            // Opus' encoder of ours makes 20 ms frames.
            if codec == Codec::Opus && ptime != 20 {
                continue;
            }
            let heard = listen(Phone::new(codec, ptime).speaks(2_400), 2_300);
            assert_eq!(heard.spoilt(100), 0, "{codec:?}, {ptime} ms");
        }
    }
}

/// Packets of every length that RFC 7587 §4.2 has, and of several frames, as other phones' encoders make them.
#[test]
fn opus_of_every_packet_length_is_heard_whole() {
    for tenths in [25, 50, 100, 400, 600, 800, 1_200] {
        let mut encoder = opus::Encoder::new(16_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
        let mut tone = Oscillator::default();
        let packets = (0..24_000 / tenths).map(|n| {
            let mut samples = vec![0; (tenths * 16 / 10) as usize];
            tone.fill(425.0, -10.0, 16_000, &mut samples);
            let payload = encoder.encode_vec(&samples, 1_275).unwrap();
            Sent {
                at: i64::from(n * tenths) * 100,
                sequence: n as u16,
                timestamp: n * tenths * 48 / 10,
                sound: Sound::Audio(Codec::Opus),
                payload,
            }
        });
        let packets: Vec<Sent> = packets.collect();
        let mut decoder = Decoder::new(Codec::Opus);
        let mut room = [0; MAX_PACKET_SAMPLES];
        let whole = packets.iter().flat_map(|packet| {
            let length = decoder.decode(&packet.payload, &mut room);
            room[..length].to_vec()
        });
        let whole = Heard { samples: whole.collect(), rate: 16_000, ..listen(Vec::new(), 0) };
        let heard = listen(packets, 2_300);
        assert!(
            heard.spoilt(100) <= whole.spoilt(100) && whole.spoilt(100) <= 30,
            "{} ms packets: {} ms spoilt, {} by the encoder",
            f64::from(tenths) / 10.0,
            heard.spoilt(100),
            whole.spoilt(100)
        );
        assert_eq!(heard.silent_reads(), 2, "{} ms packets", f64::from(tenths) / 10.0);
    }
}

#[test]
fn jitter_within_the_target_spoils_nothing() {
    for codec in CODECS {
        let mut packets = Phone::new(codec, 20).speaks(20_000);
        for (n, packet) in packets.iter_mut().enumerate() {
            packet.at += 20_000 + random(n, 40_000);
        }
        let heard = listen(packets, 19_900);
        assert!(heard.spoilt(1_000) <= 100, "{codec:?}: {} ms", heard.spoilt(1_000));
        let lag = heard.lag[500..].iter().sum::<i64>() / (heard.lag.len() - 500) as i64;
        assert!((35..=70).contains(&lag), "{codec:?}: {lag} ms");
    }
}

#[test]
fn the_delay_follows_the_network_up_and_down() {
    let mut packets = Phone::new(Codec::Pcmu, 20).speaks(60_000);
    for (n, packet) in packets.iter_mut().enumerate() {
        packet.at += if (500..1_000).contains(&n) { random(n, 150_000) } else { random(n, 5_000) };
    }
    let heard = listen(packets, 59_900);
    let mean = |reads: std::ops::Range<usize>| {
        let count = reads.len() as i64;
        heard.lag[reads].iter().sum::<i64>() / count
    };
    assert!(mean(300..500) <= 45, "{}", mean(300..500));
    assert!((130..=180).contains(&mean(800..1_000)), "{}", mean(800..1_000));
    assert!(mean(2_000..2_900) <= 45, "{}", mean(2_000..2_900));
    assert!(heard.spoilt(0) < 600, "{} ms", heard.spoilt(0));
}

#[test]
fn a_lost_packet_is_made_up_without_a_click() {
    for codec in CODECS {
        let mut packets = Phone::new(codec, 20).speaks(4_000);
        for n in (20..190).rev().step_by(17) {
            packets.remove(n);
        }
        let heard = listen(packets, 3_900);
        // Opus sees to its own losses, of which it makes up the sound rather than the level.
        let limit = if codec == Codec::Opus { 500 } else { 40 };
        assert!(heard.spoilt(200) <= limit, "{codec:?}: {} ms", heard.spoilt(200));
        // The decoders of G.722 and Opus missed what was lost, and take a moment to find their way.
        let limit = match codec {
            Codec::Opus => 2.6,
            Codec::G722 => 2.0,
            _ => 1.5,
        };
        assert!(heard.steepest() < limit, "{codec:?}: {}", heard.steepest());
        assert_eq!(heard.silent_reads(), 2, "{codec:?}");
    }
}

#[test]
fn what_opus_sent_twice_is_recovered() {
    // A tone is not worth protecting to the encoder, so it gets speech.
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../prompts/en-CA/A-hard-call.wav");
    let speech = std::fs::read(file).unwrap();
    let voice: Vec<i16> = speech[44..].chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    // How much the last three seconds of what is heard differ from what would be without loss, and how many reads are made
    // up in them. The delay is another one, so the least difference counts.
    let harm = |inband_fec: bool| {
        let wish = crate::sdp::OpusParameters { inband_fec, ..Default::default() };
        let mut phone = Phone::new(Codec::Opus, 20);
        phone.encoder = Encoder::new(Codec::Opus, &wish);
        let mut packets: Vec<Sent> =
            voice.repeat(2).chunks_exact(320).map(|frame| phone.encodes(frame)).collect();
        let ms = packets.len() as i64 * 20 - 100;
        let whole = listen(packets.clone(), ms).samples;
        packets.iter_mut().enumerate().for_each(|(n, packet)| packet.at += random(n, 20_000));
        (20..packets.len() - 10).rev().step_by(17).for_each(|n| drop(packets.remove(n)));
        let heard = listen(packets, ms);
        let end = &heard.samples[heard.samples.len() - 48_000..];
        let differs = |from: usize| {
            let square = |(a, b): (&i16, &i16)| (f64::from(*a) - f64::from(*b)).powi(2);
            end.iter().zip(&whole[from..]).map(square).sum::<f64>()
        };
        let first = whole.len() - 48_000;
        let least = (first - 960..=first).map(differs).fold(f64::INFINITY, f64::min);
        (least, heard.made_up[heard.made_up.len() - 150..].iter().filter(|made_up| **made_up).count())
    };
    let ((with, none), (without, some)) = (harm(true), harm(false));
    assert!(with < 0.5 * without, "{with} with redundancy, {without} without");
    assert!(none == 0 && some > 2, "{none} with redundancy, {some} without: the next packet is waited for");
}

#[test]
fn loss_does_not_change_the_delay() {
    let mut packets = Phone::new(Codec::Pcma, 20).speaks(30_000);
    let mut n = 0;
    packets.retain(|_| {
        n += 1;
        n < 50 || random(n, 100) >= 10
    });
    let heard = listen(packets, 29_900);
    assert!(heard.lag[100..].iter().all(|lag| (20..=65).contains(lag)), "{:?}", &heard.lag[100..]);
}

#[test]
fn order_doubles_and_wraps_do_not_matter() {
    let mut packets = Phone::new(Codec::L16, 20).speaks(4_000);
    let straight = listen(packets.clone(), 3_800).samples;
    for pair in packets.chunks_exact_mut(2) {
        let late = pair[1].at;
        pair[0].at = late;
    }
    let doubled: Vec<_> = packets.iter().flat_map(|p| [p.clone(), p.clone()]).collect();
    let heard = listen(doubled, 3_800);
    assert_eq!(heard.spoilt(100), 0);
    assert_eq!(heard.samples[..16_000], straight[..16_000]);
}

#[test]
fn a_stall_is_made_up_fades_and_is_caught_up_with() {
    for codec in CODECS {
        let mut packets = Phone::new(codec, 20).speaks(20_000);
        // Nothing for 1.5 s, then all of it at once.
        for packet in packets.iter_mut().filter(|p| (3_000_000..4_500_000).contains(&p.at)) {
            packet.at = 4_500_000;
        }
        let heard = listen(packets, 19_900);
        let end = heard.lag.len() - 1;
        assert!(
            heard.lag[end - 100..].iter().all(|lag| *lag <= 120),
            "{codec:?}: {:?}",
            &heard.lag[end - 100..]
        );
        assert!(heard.spoilt(0) <= 2_000, "{codec:?}: {} ms", heard.spoilt(0));
        let last = heard.samples.len() * 1_000 / heard.rate as usize - 2_000;
        assert_eq!(heard.spoilt(last), 0, "{codec:?}");
        assert!(heard.steepest() < 2.0, "{codec:?}: {}", heard.steepest());
    }
}

#[test]
fn what_never_ends_ends_in_silence() {
    for codec in CODECS {
        let heard = listen(Phone::new(codec, 20).speaks(1_000), 6_000);
        assert!(!heard.some[200..].iter().any(|some| *some), "{codec:?}");
        assert!(heard.samples[heard.rate as usize * 2..].iter().all(|s| s.abs() < 300), "{codec:?}");
    }
}

#[test]
fn clocks_that_drift_are_followed_for_an_hour() {
    for ppm in [-200, 200] {
        // 100 ms of audio each second of speech are silence, as speech has.
        let mut phone = Phone::new(Codec::Pcmu, 20);
        phone.ppm = ppm;
        let silence = vec![mulaw_encode(0); 160];
        let mut packets = Vec::new();
        for _ in 0..3_600 {
            packets.extend(phone.speaks(900));
            packets.extend((0..5).map(|_| phone.sends(Sound::Audio(Codec::Pcmu), silence.clone())));
        }
        let heard = listen(packets, 3_590_000);
        assert!(heard.lag[50..].iter().all(|lag| (15..=60).contains(lag)), "{ppm} ppm");
        assert_eq!(heard.silent_reads(), 2, "{ppm} ppm");
        // What is silence by itself, and what is stretched at its edges.
        assert!(heard.spoilt(0) < 3_600 * 150, "{ppm} ppm: {}", heard.spoilt(0));
        assert!(heard.steepest() < 1.6, "{ppm} ppm: {}", heard.steepest());
    }
}

#[test]
fn a_drifting_tone_without_a_pause_is_followed_too() {
    for ppm in [-200, 200] {
        let mut phone = Phone::new(Codec::Pcmu, 20);
        phone.ppm = ppm;
        let heard = listen(phone.speaks(600_000), 599_000);
        assert!(heard.lag[50..].iter().all(|lag| (5..=65).contains(lag)), "{ppm} ppm");
        assert_eq!(heard.spoilt(0), 0, "{ppm} ppm");
        assert!(heard.steepest() < 1.3, "{ppm} ppm: {}", heard.steepest());
    }
}

#[test]
fn a_pause_that_is_told_is_left_to_the_reader_and_ends_on_time() {
    for codec in CODECS {
        let mut phone = Phone::new(codec, 20);
        let mut packets = phone.speaks(2_000);
        packets.push(phone.sends(Sound::Noise, vec![50]));
        phone.is_silent(5_000 - 20);
        packets.extend(phone.speaks(2_000));
        let heard = listen(packets, 8_900);
        // 40 ms at first, and the pause without its 60 ms of fading.
        let silent = heard.silent_reads() as i64 - 2;
        assert!((silent - 247).abs() <= 3, "{codec:?}: {silent} frames");
        let limit = if codec == Codec::Opus { 150 } else { 80 };
        assert!(heard.spoilt(100) <= limit, "{codec:?}: {}", heard.spoilt(100));
    }
}

#[test]
fn a_pause_in_which_nothing_is_sent_is_none_of_loss() {
    for codec in [Codec::Pcmu, Codec::Opus] {
        let mut phone = Phone::new(codec, 20);
        let mut packets = phone.speaks(1_000);
        for pause in [200, 1_000, 30_000] {
            phone.is_silent(pause);
            packets.extend(phone.speaks(1_000));
        }
        let heard = listen(packets, 35_100);
        let last = heard.samples.len() * 1_000 / heard.rate as usize - 800;
        assert_eq!(heard.spoilt(last), 0, "{codec:?}");
        assert!(heard.lag[heard.lag.len() - 20..].iter().all(|lag| *lag <= 62), "{codec:?}: {:?}", heard.lag);
    }
}

#[test]
fn the_delay_is_put_right_in_a_pause() {
    let mut phone = Phone::new(Codec::Pcmu, 20);
    let mut packets = phone.speaks(4_000);
    for (n, packet) in packets.iter_mut().enumerate() {
        packet.at += random(n, 100_000);
    }
    phone.is_silent(500);
    packets.extend(phone.speaks(1_000));
    let heard = listen(packets, 5_400);
    let target = heard.ear.delay.target() / MILLISECOND;
    let lag = heard.lag[heard.lag.len() - 10];
    assert!(lag >= target && lag <= target + 25, "lag {lag}, target {target}");
}

#[test]
fn a_leap_of_the_timestamp_is_a_leap_of_nothing_else() {
    for leap in [1_u32 << 31, 80_000, 0_u32.wrapping_sub(80_000), 1 << 20, 4_000_000_000] {
        let mut phone = Phone::new(Codec::Pcmu, 20);
        let mut packets = phone.speaks(2_000);
        phone.timestamp = phone.timestamp.wrapping_add(leap);
        packets.extend(phone.speaks(2_000));
        let heard = listen(packets, 3_900);
        assert_eq!((heard.spoilt(0), heard.silent_reads()), (0, 2), "{leap}");
        assert!(heard.steepest() < 1.3, "{leap}");
    }
}

#[test]
fn a_timestamp_that_stands_still_is_heard_by_sequence() {
    let mut packets = Phone::new(Codec::Pcmu, 20).speaks(4_000);
    packets.iter_mut().for_each(|packet| packet.timestamp = 7);
    let heard = listen(packets, 3_900);
    assert_eq!((heard.spoilt(0), heard.silent_reads()), (0, 2));
}

#[test]
fn another_stream_takes_over() {
    for (first, second) in
        [(Codec::Pcmu, Codec::Pcmu), (Codec::G722, Codec::Opus), (Codec::Opus, Codec::Pcma)]
    {
        let mut ear = Ear::new(first);
        let mut out = [0; MAX_FRAME_SAMPLES];
        let mut heard = Vec::new();
        for codec in [first, second] {
            let mut phone = Phone::new(codec, 20);
            let begin = heard.len() as i64 * 20_000;
            if begin > 0 {
                ear.restart();
            }
            for packet in phone.speaks(1_000) {
                push(&mut ear, &packet, begin + packet.at);
                heard.push(
                    ear.pull(at(begin + packet.at), &mut out)
                        .map(|(rate, count)| (rate, out[..count].iter().any(|s| s.abs() > 5_000))),
                );
            }
        }
        assert!(heard[48..].iter().all(Option::is_some), "{first:?} to {second:?}");
        assert_eq!(heard[99], Some((second.sample_rate(), true)));
        let quiet = heard[50..].iter().filter(|read| !read.is_some_and(|r| r.1)).count();
        assert!(quiet <= 4, "{first:?} to {second:?}: {quiet} frames");
    }
}

#[test]
fn a_change_of_codec_within_a_stream_is_heard() {
    let mut phone = Phone::new(Codec::Pcmu, 20);
    let mut packets = phone.speaks(1_000);
    let mut other = Phone::new(Codec::G722, 20);
    (other.sequence, other.timestamp, other.at) = (phone.sequence, phone.timestamp, phone.at);
    packets.extend(other.speaks(1_000));
    let mut third = Phone::new(Codec::Opus, 20);
    (third.sequence, third.timestamp, third.at) = (other.sequence, 5, other.at);
    packets.extend(third.speaks(1_000));
    let heard = listen(packets, 2_900);
    assert_eq!((heard.silent_reads(), heard.rate), (2, 16_000));
    let mut meter = Meter::default();
    let end = &heard.samples[heard.samples.len() - 4_000..];
    let reading = end.chunks(320).filter_map(|frame| meter.push(16_000, frame)).last();
    assert!(reading.is_none_or(|r| (r.hz - 425.0).abs() < 2.0));
}

#[test]
fn a_key_is_silence_and_audio_comes_back_after_it() {
    let mut phone = Phone::new(Codec::Pcmu, 20);
    let mut packets = phone.speaks(1_000);
    let begin = phone.timestamp;
    for _ in 0..8 {
        let mut press = phone.sends(Sound::Key, vec![1, 10, 0, 160]);
        press.timestamp = begin;
        packets.push(press);
    }
    packets.extend(phone.speaks(1_000));
    let heard = listen(packets, 2_100);
    let silent = heard.silent_reads() - 2;
    assert!((6..=9).contains(&silent), "{silent} frames of silence for eight of the key");
    assert_eq!(heard.spoilt(0), 0);
}

#[test]
fn packets_of_no_length_and_of_every_length_are_survived() {
    for codec in CODECS {
        let mut phone = Phone::new(codec, 20);
        let mut packets = Vec::new();
        for n in 0..2_000 {
            let length = [0, 1, 2, 3, 7, 80, 159, 161, 960, 1_488][random(n, 10) as usize];
            let payload = (0..length).map(|i| random(n * 2_000 + i, 256) as u8).collect();
            let mut packet = phone.sends(Sound::Audio(codec), payload);
            if n % 3 == 0 {
                packet.timestamp = random(n, i64::from(u32::MAX)) as u32;
            }
            packets.push(packet);
        }
        packets.extend(phone.speaks(3_000));
        let heard = listen(packets, 42_900);
        let end = heard.samples.len() * 1_000 / heard.rate as usize - 500;
        assert!(heard.spoilt(end) <= 20, "{codec:?}: it recovers");
    }
}
