//! Datagrams on the port that browsers share (STUN, DTLS, RTP and RTCP, told apart by their first byte): no panic;
//! nothing is sent to where no connectivity check with the leg's password came from, and no handshake begins there.
//!
//! The input is a row of datagrams, each after a byte that says how long it is (times 4) and one that says from where
//! it comes and when.
#![no_main]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use havre_media::sdp::{BrowserLocal, Fingerprint, Local, Session};
use havre_media::{Codec, Command, Config, Face, IceLocal, Input, Output, Shard};
use havre_model::{LegId, Now};
use libfuzzer_sys::fuzz_target;

const LEG: LegId = LegId(1);

fuzz_target!(|bytes: &[u8]| {
    let mut now = Now::default().after(Duration::from_secs(1));
    let mut shard = Shard::new(Arc::new(Config::default()), [7; 32], now);
    shard.handle_input(Input::Command(Command::Open { leg: LEG, face: Face::Browser }), now);
    let ice = shard.ice(LEG).expect("a browser's leg").clone();
    shard.handle_input(Input::Command(configure(&ice)), now);
    let mut rest = bytes;
    while let [length, how, after @ ..] = rest {
        let (datagram, after) = after.split_at((usize::from(*length) * 4).min(after.len()));
        rest = after;
        now = now.after(Duration::from_millis(u64::from(how >> 3) * 50));
        let source = SocketAddr::from(([203, 0, 113, how & 3], 50_000));
        shard.handle_input(Input::Shared { source, bytes: datagram }, now);
        shard.handle_timeout(now);
        while let Some(output) = shard.poll_output() {
            match output {
                // Errors are answered too, to whoever asked, and only STUN is.
                Output::Answer { to, bytes, .. } => {
                    assert_eq!(to, source);
                    assert!(bytes.first().is_some_and(|first| *first < 4), "it is STUN");
                }
                Output::Transmit { .. } => panic!("no media without keys"),
                Output::Handshake { .. } => panic!("nobody knows the password"),
                Output::Event(_) => {}
            }
        }
    }
});

fn configure(ice: &IceLocal) -> Command {
    let ours = BrowserLocal {
        ice: ice.clone(),
        fingerprint: Fingerprint([1; 32]),
        candidates: vec![([192, 0, 2, 1], 19_000).into()],
    };
    let theirs = BrowserLocal {
        ice: IceLocal { ufrag: "ufragufr".to_owned(), password: "passwordpasswordpassword".to_owned() },
        fingerprint: Fingerprint([2; 32]),
        candidates: Vec::new(),
    };
    let local = |browser| Local {
        addr: [192, 0, 2, 1].into(),
        rtp: 19_000,
        rtcp: 19_000,
        codecs: vec![Codec::Pcmu],
        browser: Some(browser),
        sdes: None,
    };
    let mut session = Session::new(local(ours), 1);
    let offer = session.offer();
    let (answer, _) = Session::new(local(theirs), 2).answer(&offer).expect("a good offer");
    let answer = String::from_utf8(answer).expect("text").replace("setup:passive", "setup:active");
    let negotiated = Box::new(session.accept(answer.as_bytes()).expect("a good answer"));
    Command::Configure { leg: LEG, negotiated }
}
