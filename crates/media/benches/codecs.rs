//! What transcoding costs beside libopus by itself: a shard bridges two phones with different codecs, in virtual time, and
//! the processor's time for it is compared with that of the encoder and the decoder which it cannot do without.
//!
//! The whole way of a packet is measured: RTP in, jitter buffer, decoder, conversion, encoder, RTP out, in both
//! directions, and RTCP. Times are the best of several rounds, for whatever else the machine does only adds to them.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // It is how a benchmark fails, and how it tells.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use havre_media::sdp::{Direction, EventFormat, Negotiated, OpusParameters};
use havre_media::{
    Channel, Codec, Command, Config, Face, Input, Output, PlainDecoder, Shard, encode_frames, rtp,
};
use havre_model::{LegId, Mono, Now, Unix};

/// Telephone-events as carriers offer them.
const EVENTS: [EventFormat; 1] = [EventFormat { payload_type: 101, clock_rate: 8_000 }];

/// espeak-ng, 8 kHz mu-law; `tests/vectors/README.md` says how it was made.
const SPEECH: &[u8] = include_bytes!("../tests/vectors/speech.ulaw");
const ROUNDS: usize = 41;
/// Of the speech, 2 s: short enough that a round sees one and the same machine.
const SAMPLES: usize = 16_000;

fn main() {
    println!("| way (both directions, per packet) | µs | beside libopus alone |\n|---|---|---|");
    let pcm = at_rate(Codec::Opus.sample_rate());
    let payloads = encode_frames(Codec::Opus, &pcm);
    let count = payloads.len() as f64;
    let mut encode_all = || drop(black_box(encode_frames(Codec::Opus, &pcm)));
    let mut decode_all = || {
        let mut decoder = PlainDecoder::new(Codec::Opus);
        payloads.iter().for_each(|payload| {
            black_box(decoder.decode(payload));
        });
    };
    for complexity in [0, 2, 5, 8, 10] {
        let each = best(|| encode_at(complexity, &pcm)) / count;
        row(&format!("libopus: encode one frame at complexity {complexity}"), each, None);
    }
    row("libopus: encode one frame as Havre does", best(&mut encode_all) / count, None);
    row("libopus: decode one frame", best(&mut decode_all) / count, None);
    for (a, b) in [
        (Codec::Pcmu, Codec::Pcmu),
        (Codec::Pcmu, Codec::Pcma),
        (Codec::Pcmu, Codec::G722),
        (Codec::G722, Codec::L16),
        (Codec::Opus, Codec::Pcmu),
        (Codec::Opus, Codec::G722),
    ] {
        let phones = [phone(1, a), phone(2, b)];
        let packets = phones.iter().map(|phone| phone.packets.len()).min().unwrap();
        // In turns, so that what slows the machine down slows both; the middle one of the ratios counts.
        let mut rounds: Vec<(f64, f64)> = (0..ROUNDS)
            .map(|_| {
                let bridged = time(&mut || run(&phones, packets)) / (2 * packets) as f64;
                let own = if a == Codec::Opus { time(&mut encode_all) + time(&mut decode_all) } else { 0.0 };
                (bridged, bridged / (own / (2.0 * count)))
            })
            .collect();
        let least = rounds.iter().map(|(bridged, _)| *bridged).fold(f64::INFINITY, f64::min);
        rounds.sort_by(|a, b| a.1.total_cmp(&b.1));
        let ratio = rounds[ROUNDS / 2].1;
        row(&format!("{} and {}", a.name(), b.name()), least, ratio.is_finite().then_some(ratio));
    }
}

/// Our settings (`src/codec/opus.rs`), but for one.
fn encode_at(complexity: i32, pcm: &[i16]) {
    let mut encoder =
        opus::Encoder::new(Codec::Opus.sample_rate(), opus::Channels::Mono, opus::Application::Voip).unwrap();
    encoder.set_complexity(complexity).unwrap();
    encoder.set_signal(opus::Signal::Voice).unwrap();
    encoder.set_bitrate(opus::Bitrate::Bits(24_000)).unwrap();
    encoder.set_max_bandwidth(opus::Bandwidth::Wideband).unwrap();
    for frame in pcm.chunks_exact(320) {
        black_box(encoder.encode(frame, &mut [0; 1_275]).unwrap());
    }
}

fn row(what: &str, micros: f64, ratio: Option<f64>) {
    let ratio = ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
    println!("| {what} | {micros:.2} | {ratio} |");
}

/// The shortest of several runs, in microseconds.
fn best(mut run: impl FnMut()) -> f64 {
    (0..ROUNDS).map(|_| time(&mut run)).fold(f64::INFINITY, f64::min)
}

// The one clock of this crate: what is measured is how long things really take.
#[allow(clippy::disallowed_methods)]
fn time(run: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64() * 1e6
}

/// The speech at another rate. Straight lines between samples will do: it is the work that is measured.
fn at_rate(rate: u32) -> Vec<i16> {
    let mut decoder = PlainDecoder::new(Codec::Pcmu);
    let narrow: Vec<i16> =
        SPEECH[..SAMPLES].chunks(160).flat_map(|piece| decoder.decode(piece).to_vec()).collect();
    let ratio = (rate / 8_000) as usize;
    let between = |pair: &[i16]| {
        let (a, b) = (i32::from(pair[0]), i32::from(pair[1]));
        (0..ratio as i32).map(move |i| (a + (b - a) * i / ratio as i32) as i16)
    };
    narrow.windows(2).flat_map(between).collect()
}

struct Phone {
    leg: LegId,
    at: SocketAddr,
    agreed: Negotiated,
    packets: Vec<Vec<u8>>,
}

fn phone(number: u8, codec: Codec) -> Phone {
    let at = SocketAddr::from(([192, 0, 2, number], 4_000));
    let payload_type = codec.payload_type();
    let packet = |(i, payload): (usize, &[u8])| {
        let timestamp = i as u32 * codec.clock_rate() / 50;
        let packet = rtp::Packet {
            marker: i == 0,
            payload_type,
            sequence: i as u16,
            timestamp,
            ssrc: number.into(),
            payload,
        };
        let mut bytes = packet.header().to_vec();
        bytes.extend_from_slice(payload);
        bytes
    };
    let payloads = encode_frames(codec, &at_rate(codec.sample_rate()));
    Phone {
        leg: LegId(number.into()),
        at,
        agreed: Negotiated {
            remote_rtp: at,
            remote_rtcp: SocketAddr::new(at.ip(), 4_001),
            rtcp_mux: false,
            voip_metrics: false,
            direction: Direction::SendRecv,
            send: vec![(codec, payload_type)],
            receive: vec![(payload_type, codec)],
            // Without them the shard would listen for keys in the audio.
            send_events: EVENTS.to_vec(),
            receive_events: EVENTS.to_vec(),
            opus: OpusParameters::default(),
            comfort_noise: false,
            srtp: None,
            browser: None,
            ptime: 20,
        },
        packets: payloads.iter().map(AsRef::as_ref).enumerate().map(packet).collect(),
    }
}

fn run(phones: &[Phone; 2], packets: usize) {
    let at = |micros: u64| {
        let passed = Duration::from_micros(micros);
        Now { mono: Mono::from_start(passed), unix: Unix::from_millis(1_700_000_000_000) }
    };
    let mut shard = Shard::new(Arc::new(Config::default()), [7; 32], at(0));
    for Phone { leg, agreed, .. } in phones {
        shard.handle_input(Input::Command(Command::Open { leg: *leg, face: Face::Plain }), at(0));
        let negotiated = Box::new(agreed.clone());
        shard.handle_input(Input::Command(Command::Configure { leg: *leg, negotiated }), at(0));
    }
    shard.handle_input(Input::Command(Command::Bridge { a: phones[0].leg, b: phones[1].leg }), at(0));
    let mut sent = 0;
    for turn in 0..packets {
        let now = at(turn as u64 * 20_000 + 1_000);
        for phone in phones {
            let bytes = &phone.packets[turn];
            let input = Input::Packet { leg: phone.leg, channel: Channel::Rtp, source: phone.at, bytes };
            shard.handle_input(input, now);
        }
        for quarter in 0..4 {
            shard.handle_timeout(at(turn as u64 * 20_000 + quarter * 5_000 + 5_000));
        }
        while let Some(output) = shard.poll_output() {
            sent += usize::from(matches!(output, Output::Transmit { channel: Channel::Rtp, .. }));
        }
    }
    assert!(sent > 2 * packets * 9 / 10, "only {sent} packets for {packets} each way");
}
