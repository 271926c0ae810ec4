//! How well the ear hears, beside the `neteq` crate: the same packets over the same bad networks.
//!
//! Speech (prompts of this repository) goes out of a shard as PCMU or Opus, through a seeded network, and then
//! - through our whole path: a gateway's shard transcodes it to L16, in virtual time;
//! - through `neteq` with the same decoders, in real time, since it reads the clock itself.
//!
//! What was heard is written to `target/hearing/` as WAV; `tests/bench/hearing.py` gives it a MOS by ITU-T P.862.
//! `make bench` runs both.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // A measurement is for people, and ends where it cannot go on.
#![allow(clippy::disallowed_methods)] // The peer reads the clock, so this sleeps.

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::time::{Duration, Instant};

use havre_media::{Clip, Codec, Command, Prompt, rtp};
use neteq::codec::AudioDecoder;
use neteq::{AudioPacket, NetEq, NetEqConfig, RtpHeader};
use support::{Node, World};

const PHONE: Node = Node(0);
const GATEWAY: Node = Node(1);
const DESK: Node = Node(2);

/// Each is a few sentences, 8 to 15 s: what P.862 is made for.
const SPEECH: [&[&str]; 4] = [
    &["en-CA/A-failed.wav", "en-CA/A-hard-call.wav", "en-CA/A-break.wav"],
    &["fr-CA/A-failed.wav", "fr-CA/A-hard-call.wav", "fr-CA/A-break.wav"],
    &["en-CA/A-refused.wav", "en-CA/A-end-wrap-up.wav", "en-CA/A-ready.wav", "en-CA/A-hard-call.wav"],
    &["fr-CA/A-refused.wav", "fr-CA/A-end-wrap-up.wav", "fr-CA/A-ready.wav", "fr-CA/A-hard-call.wav"],
];

/// Loss in per cent, and the jitter: each packet is delayed by 0 to so many ms, all alike likely.
const NETWORKS: [(&str, u64, u64); 5] =
    [("clean", 0, 0), ("loss-5", 5, 0), ("jitter-40", 0, 40), ("both", 5, 40), ("worse", 10, 80)];
const SEEDS: [u64; 3] = [1, 2, 3];
/// Runs of the peer at the same time.
const AT_ONCE: usize = 24;

fn main() {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let out = target.join("hearing");
    let _ = std::fs::remove_dir_all(&out);
    std::fs::create_dir_all(&out).unwrap();
    let mut peers = Vec::new();
    for (clip, files) in SPEECH.iter().enumerate() {
        let speech = speech(files);
        write(&out, &format!("{clip}-speech"), 16_000, &speech);
        for codec in [Codec::Pcmu, Codec::Opus] {
            let packets = says(codec, &speech);
            write_alone(&out, &format!("{clip}-{}-codec", codec.name()), codec, &packets);
            for ((network, loss, jitter), seed) in
                NETWORKS.into_iter().flat_map(|network| SEEDS.map(|seed| (network, seed)))
            {
                let arrivals = carry(&packets, loss, jitter, seed * 100 + clip as u64);
                let name = format!("{clip}-{}-{network}-{seed}", codec.name());
                write(&out, &format!("{name}-havre"), 16_000, &havre(codec, &arrivals));
                peers.push((name, codec, arrivals));
            }
        }
    }
    // In real time: few enough at once that each gets its turn.
    let mut late = 0;
    for some in peers.chunks(AT_ONCE) {
        std::thread::scope(|threads| {
            let handles: Vec<_> =
                some.iter().map(|(_, codec, arrivals)| threads.spawn(|| peer(*codec, arrivals))).collect();
            for ((name, ..), handle) in some.iter().zip(handles) {
                let (rate, heard, late_reads) = handle.join().unwrap();
                write(&out, &format!("{name}-neteq"), rate, &heard);
                late += late_reads;
            }
        });
    }
    println!("reads of neteq that came more than 5 ms late: {late}");
    let python = root().join("target/quality/bin/python3");
    let python = if python.exists() { python } else { "python3".into() };
    let status = Process::new(python).arg(root().join("tests/bench/hearing.py")).arg(&out).status();
    if !status.is_ok_and(|status| status.success()) {
        println!("no MOS: `tests/setup/install bench` installs what tests/bench/hearing.py needs");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// At 16 kHz, with half a second of quiet around each sentence.
fn speech(files: &[&str]) -> Vec<i16> {
    let mut all = vec![0; 8_000];
    for file in files {
        let bytes = std::fs::read(root().join("prompts").join(file)).unwrap();
        all.extend(bytes[44..].chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])));
        all.extend([0; 8_000]);
    }
    all
}

/// The packets in which a phone says it, 20 ms apart.
fn says(codec: Codec, speech: &[i16]) -> Vec<Vec<u8>> {
    let mut world = World::new(2);
    let (phone, _) = world.call(PHONE, GATEWAY, &[codec], &[codec]);
    world.run(100);
    world.sent.clear();
    world.play(phone, 1, vec![Clip::Prompt(Prompt::new(speech))]);
    world.run(speech.len() as u64 / 16 + 20);
    world.rtp_of(phone).iter().map(|sent| sent.bytes.clone()).collect()
}

/// When each packet arrives, in ms.
fn carry(packets: &[Vec<u8>], loss: u64, jitter: u64, seed: u64) -> Vec<(u64, Vec<u8>)> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = |most: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % most
    };
    let mut arrivals = Vec::new();
    for (n, packet) in packets.iter().enumerate() {
        let (lost, delay) = (random(100) < loss, random(jitter + 1));
        if !lost || n == 0 {
            arrivals.push((n as u64 * 20 + delay, packet.clone()));
        }
    }
    arrivals.sort_by_key(|(at, _)| *at);
    arrivals
}

/// What the far side of a transcoding gateway hears.
fn havre(codec: Codec, arrivals: &[(u64, Vec<u8>)]) -> Vec<i16> {
    let mut world = World::new(3);
    world.weather.delay_ms = 0;
    let (phone, a) = world.call(PHONE, GATEWAY, &[codec], &[codec]);
    let (b, desk) = world.call(GATEWAY, DESK, &[Codec::L16], &[Codec::L16]);
    world.bridge(a, b);
    world.command(PHONE, Command::Close { leg: phone.1 });
    world.command(DESK, Command::Close { leg: desk.1 });
    let (from, mut now) = (world.address(phone), 0);
    for (at, packet) in arrivals {
        world.run(at - now);
        now = *at;
        world.inject(from, a, packet);
    }
    world.run(200);
    let bytes: Vec<u8> = world.rtp_of(b).iter().flat_map(|sent| sent.rtp().payload.to_vec()).collect();
    bytes.chunks_exact(2).map(|b| i16::from_be_bytes([b[0], b[1]])).collect()
}

/// What `neteq` makes of it, at which rate, and how often it was read late.
fn peer(codec: Codec, arrivals: &[(u64, Vec<u8>)]) -> (u32, Vec<i16>, u32) {
    let rate = decoder_rate(codec);
    let mut neteq = NetEq::new(NetEqConfig { sample_rate: rate, ..NetEqConfig::default() }).unwrap();
    let end = arrivals.last().map_or(0, |(at, _)| at + 200);
    let (start, mut arrivals) = (Instant::now(), arrivals.iter().peekable());
    let mut heard = Vec::new();
    let (mut registered, mut late) = (false, 0);
    for tick in 0..end / 10 {
        let due = start + Duration::from_millis(10 * tick);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        late += u32::from(due.elapsed() > Duration::from_millis(5));
        while let Some((_, bytes)) = arrivals.next_if(|(at, _)| *at <= 10 * tick) {
            let packet = rtp::parse(bytes).unwrap();
            if !registered {
                registered = true;
                neteq.register_decoder(packet.payload_type, decoder(codec));
            }
            let header = RtpHeader::new(
                packet.sequence,
                packet.timestamp,
                packet.ssrc,
                packet.payload_type,
                packet.marker,
            );
            let packet = AudioPacket::new(header, packet.payload.to_vec(), rate, 1, 20);
            let _ = neteq.insert_packet(packet);
        }
        let frame = neteq.get_audio().unwrap();
        heard.extend(frame.samples.iter().map(|s| (s * 32_768.0) as i16));
    }
    (rate, heard, late)
}

/// What the codec alone makes of it.
fn write_alone(out: &Path, name: &str, codec: Codec, packets: &[Vec<u8>]) {
    let mut decoder = decoder(codec);
    let samples =
        packets.iter().flat_map(|bytes| decoder.decode(rtp::parse(bytes).unwrap().payload).unwrap());
    let samples: Vec<i16> = samples.map(|s| (s * 32_768.0) as i16).collect();
    write(out, name, decoder_rate(codec), &samples);
}

fn decoder_rate(codec: Codec) -> u32 {
    codec.sample_rate()
}

fn decoder(codec: Codec) -> Box<dyn AudioDecoder + Send> {
    match codec {
        Codec::Opus => Box::new(Opus(opus::Decoder::new(16_000, opus::Channels::Mono).unwrap())),
        _ => Box::new(Mulaw),
    }
}

struct Mulaw;

impl AudioDecoder for Mulaw {
    fn sample_rate(&self) -> u32 {
        8_000
    }

    fn channels(&self) -> u8 {
        1
    }

    fn decode(&mut self, encoded: &[u8]) -> neteq::Result<Vec<f32>> {
        // ITU-T G.711: sign, three bits of exponent, four of mantissa, all inverted.
        let expand = |byte: &u8| {
            let byte = !byte;
            let magnitude = ((i32::from(byte & 0x0f) * 8 + 0x84) << (byte >> 4 & 7)) - 0x84;
            (if byte & 0x80 == 0 { magnitude } else { -magnitude }) as f32 / 32_768.0
        };
        Ok(encoded.iter().map(expand).collect())
    }
}

struct Opus(opus::Decoder);

impl AudioDecoder for Opus {
    fn sample_rate(&self) -> u32 {
        16_000
    }

    fn channels(&self) -> u8 {
        1
    }

    fn decode(&mut self, encoded: &[u8]) -> neteq::Result<Vec<f32>> {
        let mut samples = vec![0.0; 5_760];
        let length = self.0.decode_float(encoded, &mut samples, false).unwrap_or(0);
        samples.truncate(length);
        Ok(samples)
    }
}

/// Writes a mono 16-bit WAV file.
fn write(out: &Path, name: &str, rate: u32, samples: &[i16]) {
    let length = 2 * samples.len() as u32;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + length).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend(rate.to_le_bytes());
    bytes.extend((2 * rate).to_le_bytes());
    bytes.extend(b"\x02\0\x10\0data");
    bytes.extend(length.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
    std::fs::write(out.join(format!("{name}.wav")), bytes).unwrap();
}
