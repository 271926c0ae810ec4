//! What a conference costs: a shard mixes members in virtual time, and the processor's time for it is measured, per member
//! and 20 ms. The whole way of a packet counts: RTP in, jitter buffer, decoder, conversion, sum, limiter, conversion,
//! encoder, RTP out, and RTCP; no sockets. Times are the best of several rounds, for whatever else the machine does only
//! adds to them.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // It is how a benchmark fails, and how it tells.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use havre_media::sdp::{Direction, EventFormat, Negotiated, OpusParameters};
use havre_media::{
    Channel, Codec, Command, Config, Face, Input, Output, PlainDecoder, Shard, Voice, encode_frames, rtp,
};
use havre_model::{ConferenceId, LegId, Mono, Now, Unix};

/// espeak-ng, 8 kHz mu-law; `tests/vectors/README.md` says how it was made.
const SPEECH: &[u8] = include_bytes!("../tests/vectors/speech.ulaw");
const ROUNDS: usize = 21;
/// Of the speech, 2 s: short enough that a round sees one and the same machine.
const SAMPLES: usize = 16_000;

fn main() {
    println!("| conference | µs per member and 20 ms |\n|---|---|");
    for (what, codec, talk, listen) in [
        ("2 who talk (relayed), PCMU", Codec::Pcmu, 2, 0),
        ("3 who talk, PCMU", Codec::Pcmu, 3, 0),
        ("8 who talk, PCMU", Codec::Pcmu, 8, 0),
        ("3 who talk and 5 who listen, PCMU", Codec::Pcmu, 3, 5),
        ("3 who talk, G722", Codec::G722, 3, 0),
        ("8 who talk, G722", Codec::G722, 8, 0),
        ("3 who talk, opus", Codec::Opus, 3, 0),
        ("8 who talk, opus", Codec::Opus, 8, 0),
        ("3 who talk and 5 who listen, opus", Codec::Opus, 3, 5),
    ] {
        let members: Vec<Member> = (0..talk + listen)
            .map(|n| member(n + 1, codec, if n < talk { Voice::ToAll } else { Voice::ToNone }))
            .collect();
        let packets = members[0].packets.len();
        let best = (0..ROUNDS).map(|_| time(|| run(&members, packets))).fold(f64::INFINITY, f64::min);
        println!("| {what} | {:.2} |", best / (packets * members.len()) as f64);
    }
}

// The one clock of this crate: what is measured is how long things really take.
#[allow(clippy::disallowed_methods)]
fn time(run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64() * 1e6
}

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

struct Member {
    voice: Voice,
    leg: LegId,
    at: SocketAddr,
    agreed: Negotiated,
    packets: Vec<Vec<u8>>,
}

fn member(number: u8, codec: Codec, voice: Voice) -> Member {
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
    Member {
        voice,
        leg: LegId(number.into()),
        at,
        agreed: Negotiated {
            remote_rtp: at,
            remote_rtcp: SocketAddr::new(at.ip(), 4_001),
            rtcp_mux: false,
            direction: Direction::SendRecv,
            send: vec![(codec, payload_type)],
            receive: vec![(payload_type, codec)],
            send_events: Vec::new(),
            receive_events: vec![EventFormat { payload_type: 101, clock_rate: 8_000 }],
            opus: OpusParameters::default(),
            comfort_noise: false,
            ptime: 20,
            srtp: None,
            browser: None,
            voip_metrics: false,
        },
        packets: payloads.iter().map(AsRef::as_ref).enumerate().map(packet).collect(),
    }
}

fn run(members: &[Member], packets: usize) {
    let at = |micros: u64| {
        let passed = Duration::from_micros(micros);
        Now { mono: Mono::from_start(passed), unix: Unix::from_millis(1_700_000_000_000) }
    };
    let mut shard = Shard::new(Arc::new(Config::default()), [7; 32], at(0));
    for Member { leg, agreed, voice, .. } in members {
        shard.handle_input(Input::Command(Command::Open { leg: *leg, face: Face::Plain }), at(0));
        let negotiated = Box::new(agreed.clone());
        shard.handle_input(Input::Command(Command::Configure { leg: *leg, negotiated }), at(0));
        let join = Command::Join { conference: ConferenceId(1), leg: *leg, voice: *voice, tones: false };
        shard.handle_input(Input::Command(join), at(0));
    }
    let mut sent = 0;
    for turn in 0..packets {
        let now = at(turn as u64 * 20_000 + 1_000);
        for member in members {
            let bytes = &member.packets[turn];
            let input = Input::Packet { leg: member.leg, channel: Channel::Rtp, source: member.at, bytes };
            shard.handle_input(input, now);
        }
        for quarter in 0..4 {
            shard.handle_timeout(at(turn as u64 * 20_000 + quarter * 5_000 + 5_000));
        }
        while let Some(output) = shard.poll_output() {
            sent += usize::from(matches!(output, Output::Transmit { channel: Channel::Rtp, .. }));
        }
    }
    let due = members.len() * packets;
    assert!(sent > due * 9 / 10, "only {sent} packets of {due}");
}
