//! RTP into a bridge of two legs that have to transcode: no panic; every packet that comes out is well-formed, and
//! goes to one of the two legs' own addresses. The input is a row of packets, each after a byte that says how long
//! it is (times 2) and one that says when and where it comes.
#![no_main]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use havre_media::sdp::{Local, Session};
use havre_media::{Channel, Codec, Command, Config, Face, Input, Output, Shard, rtcp, rtp};
use havre_model::{LegId, Now};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut now = Now::default();
    let mut shard = Shard::new(Arc::new(Config::default()), [0; 32], now);
    let remotes = [1, 2].map(|host| SocketAddr::from(([198, 51, 100, host], 5_000)));
    for (leg, codecs) in [(0, vec![Codec::Pcmu, Codec::Pcma]), (1, vec![Codec::Pcma, Codec::G722])] {
        configure(&mut shard, leg, remotes[leg as usize], codecs, now);
    }
    shard.handle_input(Input::Command(Command::Bridge { a: LegId(0), b: LegId(1) }), now);
    shard.handle_input(Input::Command(Command::Listen { leg: LegId(0), on: true }), now);
    let mut rest = bytes;
    while let [length, how, after @ ..] = rest {
        let (packet, after) = after.split_at((usize::from(*length) * 2).min(after.len()));
        rest = after;
        let leg = usize::from(how & 1);
        let channel = if how & 2 == 0 { Channel::Rtp } else { Channel::Rtcp };
        now = now.after(Duration::from_millis(u64::from(how >> 2)));
        if let Ok(parsed) = rtp::parse(packet) {
            let printed = [&parsed.header()[..], parsed.payload].concat();
            assert_eq!(rtp::parse(&printed), Ok(parsed));
        }
        let input = Input::Packet { leg: LegId(leg as u64), channel, source: remotes[leg], bytes: packet };
        shard.handle_input(input, now);
        shard.handle_timeout(now);
        while let Some(output) = shard.poll_output() {
            if let Output::Transmit { leg, to, bytes, .. } = output {
                assert_eq!(to.ip(), remotes[leg.0 as usize].ip());
                assert!(if rtp::is_rtcp(bytes) {
                    rtcp::parse(bytes).is_some()
                } else {
                    rtp::parse(bytes).is_ok()
                });
            }
        }
    }
});

fn configure(shard: &mut Shard, leg: u64, remote: SocketAddr, codecs: Vec<Codec>, now: Now) {
    let local =
        |addr: SocketAddr, codecs| Local { addr: addr.ip(), rtp: addr.port(), rtcp: addr.port() + 1, codecs, browser: None, sdes: None };
    let offer = Session::new(local(remote, codecs), 1).offer();
    let ours = local(SocketAddr::from(([192, 0, 2, 1], 4_000)), Codec::ALL.to_vec());
    let (_, negotiated) = Session::new(ours, 2).answer(&offer).expect("a good offer");
    shard.handle_input(Input::Command(Command::Open { leg: LegId(leg), face: Face::Plain }), now);
    let negotiated = Box::new(negotiated);
    shard.handle_input(Input::Command(Command::Configure { leg: LegId(leg), negotiated }), now);
}
