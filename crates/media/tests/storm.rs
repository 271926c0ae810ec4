//! Whatever comes in, in whatever order: nothing panics, and what goes out is well-formed and goes where it may.
#![allow(clippy::unwrap_used)] // It is how a test fails.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use havre_media::sdp::{Direction, Local, Session};
use havre_media::{
    Channel, Clip, Codec, Command, Config, Event, Face, Input, Output, Prompt, Shard, rtcp, rtp,
};
use havre_model::{Digit, LegId, Now, PlayId};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Open(u64),
    Configure(u64, Vec<Codec>, Direction, u16, u8),
    Play(u64, u64, u16),
    Loop(u64),
    Stop(u64),
    Bridge(u64, u64),
    Unbridge(u64, u64),
    Digit(u64, u16),
    Listen(u64, bool),
    Close(u64),
    Unreachable(u64),
    Rtp { leg: u64, known: bool, pt: u8, seq: u16, ts: u32, ssrc: u32, length: usize, burst: u16 },
    Rtcp { leg: u64, bytes: Vec<u8> },
    Raw { leg: u64, bytes: Vec<u8> },
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let leg = 0..4_u64;
    let codecs = prop::sample::subsequence(Codec::ALL.to_vec(), 1..=3).prop_shuffle();
    let direction = prop::sample::select(vec![
        Direction::SendRecv,
        Direction::SendRecv,
        Direction::SendOnly,
        Direction::RecvOnly,
        Direction::Inactive,
    ]);
    let pt = prop::sample::select(vec![0, 0, 8, 9, 13, 101, 77]);
    let ptime = prop::sample::select(vec![0_u8, 10, 20, 20, 30, 60, 255]);
    let ssrc = prop::sample::select(vec![1_u32, 1, 1, 2]);
    let length = prop::sample::select(vec![160_usize, 160, 160, 4, 0, 1, 80, 240, 480, 1_400]);
    prop_oneof![
        leg.clone().prop_map(Step::Open),
        (leg.clone(), codecs, direction, 1_u16.., ptime)
            .prop_map(|(l, c, d, p, t)| Step::Configure(l, c, d, p, t)),
        (leg.clone(), 0..9_u64, 0..200_u16).prop_map(|(l, p, ms)| Step::Play(l, p, ms)),
        leg.clone().prop_map(Step::Loop),
        leg.clone().prop_map(Step::Stop),
        (leg.clone(), leg.clone()).prop_map(|(a, b)| Step::Bridge(a, b)),
        (leg.clone(), leg.clone()).prop_map(|(a, b)| Step::Unbridge(a, b)),
        (leg.clone(), any::<u16>()).prop_map(|(l, ms)| Step::Digit(l, ms)),
        (leg.clone(), any::<bool>()).prop_map(|(l, on)| Step::Listen(l, on)),
        leg.clone().prop_map(Step::Close),
        leg.clone().prop_map(Step::Unreachable),
        (leg.clone(), any::<bool>(), pt, any::<u16>(), any::<u32>(), ssrc, length, 1..40_u16).prop_map(
            |(leg, known, pt, seq, ts, ssrc, length, burst)| Step::Rtp {
                leg,
                known,
                pt,
                seq,
                ts,
                ssrc,
                length,
                burst
            }
        ),
        (leg.clone(), prop::collection::vec(any::<u8>(), 0..80)).prop_map(|(leg, mut bytes)| {
            if bytes.len() > 8 {
                bytes[0] = 0x81;
                bytes[1] = 200 + bytes[1] % 2;
                let words = (bytes.len() / 4 - 1) as u16;
                bytes[2..4].copy_from_slice(&words.to_be_bytes());
            }
            Step::Rtcp { leg, bytes }
        }),
        (leg, prop::collection::vec(any::<u8>(), 0..60)).prop_map(|(leg, bytes)| Step::Raw { leg, bytes }),
        (0..300_u64).prop_map(Step::Wait),
        (0..300_u64).prop_map(Step::Wait),
        Just(Step::Wait(20_000)),
    ]
}

/// Both the shard and what a test must know to judge it.
struct Storm {
    shard: Shard,
    now: Now,
    open: HashSet<u64>,
    prompt: Arc<Prompt>,
    playing: HashSet<(u64, u64)>,
}

impl Storm {
    fn new() -> Self {
        let now = Now::default().after(Duration::from_secs(1_000));
        Self {
            shard: Shard::new(Arc::new(Config::default()), [7; 32], now),
            now,
            open: HashSet::new(),
            prompt: Prompt::new(&[500; 3_333]),
            playing: HashSet::new(),
        }
    }

    fn remote(leg: u64, port: u16) -> SocketAddr {
        SocketAddr::from(([198, 51, 100, leg as u8], port))
    }

    fn command(&mut self, command: Command) {
        self.shard.handle_input(Input::Command(command), self.now);
    }

    fn packet(&mut self, leg: u64, channel: Channel, source: SocketAddr, bytes: &[u8]) {
        self.shard.handle_input(Input::Packet { leg: LegId(leg), channel, source, bytes }, self.now);
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Open(leg) => {
                self.open.insert(leg);
                self.command(Command::Open { leg: LegId(leg), face: Face::Plain });
            }
            Step::Close(leg) => {
                self.playing.retain(|(l, _)| *l != leg);
                self.command(Command::Close { leg: LegId(leg) });
                // Its goodbye comes at once, or never.
                self.check();
                self.open.remove(&leg);
            }
            Step::Configure(leg, codecs, direction, port, ptime) => {
                let mut there = Session::new(
                    Local {
                        addr: Self::remote(leg, 0).ip(),
                        rtp: port,
                        rtcp: port.saturating_add(1),
                        codecs,
                        browser: None,
                        sdes: None,
                    },
                    1,
                );
                there.wish(direction);
                let local = Local {
                    addr: [192, 0, 2, 1].into(),
                    rtp: 4_000,
                    rtcp: 4_001,
                    codecs: Codec::ALL.to_vec(),
                    browser: None,
                    sdes: None,
                };
                let (_, mut agreed) = Session::new(local, 2).answer(&there.offer()).unwrap();
                agreed.ptime = ptime;
                self.command(Command::Configure { leg: LegId(leg), negotiated: Box::new(agreed) });
            }
            Step::Play(leg, play, ms) => {
                let ms = Duration::from_millis(ms.into());
                let clips = vec![
                    Clip::Silence(ms),
                    Clip::Prompt(self.prompt.clone()),
                    Clip::Tone { hz: f32::from(ms.as_millis() as u16) * 99.0, dbm0: 20.0, duration: ms },
                ];
                if self.open.contains(&leg) {
                    self.playing.retain(|(l, _)| *l != leg);
                    self.playing.insert((leg, play));
                }
                self.command(Command::Play { leg: LegId(leg), play: PlayId(play), clips });
            }
            Step::Loop(leg) => {
                let prompt = self.prompt.clone();
                self.command(Command::Loop { leg: LegId(leg), play: PlayId(99), prompt });
            }
            Step::Stop(leg) => {
                self.playing.retain(|(l, _)| *l != leg);
                self.command(Command::Stop { leg: LegId(leg) });
            }
            Step::Bridge(a, b) => {
                if a != b && self.open.contains(&a) && self.open.contains(&b) {
                    self.playing.retain(|(l, _)| *l != a && *l != b);
                }
                self.command(Command::Bridge { a: LegId(a), b: LegId(b) });
            }
            Step::Unbridge(a, b) => self.command(Command::Unbridge { a: LegId(a), b: LegId(b) }),
            Step::Digit(leg, millis) => {
                let digit = Digit::all()[usize::from(millis % 16)];
                self.command(Command::SendDigit { leg: LegId(leg), digit, millis });
            }
            Step::Listen(leg, on) => self.command(Command::Listen { leg: LegId(leg), on }),
            Step::Unreachable(leg) => {
                self.shard.handle_input(Input::Unreachable { leg: LegId(leg) }, self.now);
            }
            Step::Rtp { leg, known, pt, seq, ts, ssrc, length, burst } => {
                // A stranger does not know the stream's SSRC: whoever does may carry it on after a silence.
                let ssrc = if known { ssrc } else { ssrc + 100 };
                for i in 0..burst {
                    let header = rtp::Packet {
                        marker: i == 0,
                        payload_type: pt,
                        sequence: seq.wrapping_add(i),
                        timestamp: ts.wrapping_add(u32::from(i) * 160),
                        ssrc,
                        payload: &[],
                    };
                    let bytes = [&header.header()[..], &vec![i as u8; length]].concat();
                    // The same host at any port is the leg's, until one is learned.
                    let source =
                        if known { Self::remote(leg, 5_000) } else { Self::remote(leg + 100, 5_000) };
                    self.packet(leg, Channel::Rtp, source, &bytes);
                    self.wait(20);
                }
            }
            Step::Rtcp { leg, bytes } => self.packet(leg, Channel::Rtcp, Self::remote(leg, 5_001), &bytes),
            Step::Raw { leg, bytes } => self.packet(leg, Channel::Rtp, Self::remote(leg, 5_000), &bytes),
            Step::Wait(ms) => self.wait(ms),
        }
        self.check();
    }

    fn wait(&mut self, ms: u64) {
        self.now = self.now.after(Duration::from_millis(ms));
        self.shard.handle_timeout(self.now);
        assert!(self.shard.poll_timeout().is_none_or(|wakeup| wakeup.at > self.now.mono), "it would spin");
    }

    fn check(&mut self) {
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Transmit { leg, to, bytes, .. } => {
                    assert!(self.open.contains(&leg.0), "{leg} is closed");
                    assert_eq!(to.ip(), Self::remote(leg.0, 0).ip(), "only the leg's own host is sent to");
                    if rtp::is_rtcp(bytes) {
                        assert!(rtcp::parse(bytes).is_some());
                    } else {
                        rtp::parse(bytes).unwrap();
                    }
                }
                Output::Event(Event::PlayDone { leg, play }) => {
                    assert!(self.playing.remove(&(leg.0, play.0)), "{play} on {leg} was not playing");
                }
                Output::Event(_) => {}
                Output::Handshake { .. } | Output::Answer { .. } => panic!("no leg here is a browser's"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn nothing_breaks_a_shard(steps in prop::collection::vec(step(), 1..120)) {
        let mut storm = Storm::new();
        for leg in 0..3 {
            storm.take(Step::Open(leg));
            storm.take(Step::Configure(leg, Codec::ALL.to_vec(), Direction::SendRecv, 5_000, 20));
        }
        for step in steps {
            storm.take(step);
        }
    }

    #[test]
    fn every_play_ends_by_itself(silences in prop::collection::vec(0..500_u64, 0..6), held: bool) {
        let mut storm = Storm::new();
        storm.take(Step::Open(1));
        let direction = if held { Direction::SendOnly } else { Direction::SendRecv };
        storm.take(Step::Configure(1, vec![Codec::Pcmu], direction, 5_000, 20));
        let clips = silences.iter().map(|ms| Clip::Silence(Duration::from_millis(*ms))).collect();
        storm.playing.insert((1, 4));
        storm.command(Command::Play { leg: LegId(1), play: PlayId(4), clips });
        for _ in 0..silences.iter().sum::<u64>() / 20 + 8 {
            storm.wait(20);
            storm.check();
        }
        prop_assert!(storm.playing.is_empty());
    }

    #[test]
    fn no_answer_and_no_offer_breaks_a_session(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..30),
        garbage in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let local = Local { addr: [192, 0, 2, 1].into(), rtp: 4_000, rtcp: 4_001, codecs: Codec::ALL.to_vec() , browser: None, sdes: None };
        let mut session = Session::new(local, 3);
        let mut body = session.offer();
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        body.extend(garbage);
        let _ = session.accept(&body);
        if let Ok((answer, agreed)) = session.answer(&body) {
            prop_assert!(!agreed.send.is_empty());
            // What we answer is what anybody can accept.
            let again = session.clone().answer(&answer);
            prop_assert!(again.is_ok(), "{}", String::from_utf8_lossy(&answer));
        }
    }
}
