//! Messages to a whole endpoint, one after the other: over an advocate's WebSocket, a carrier's UDP, a stranger's UDP and
//! a TCP connection. No panic; what it sends is SIP; no table grows beyond its limit; after all deadlines nothing is
//! kept but what was registered or answered.
//!
//! The input is a row of messages, each after a byte that says how it comes and two that say how long it is. One of no
//! length says how busy the line is.
#![no_main]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use havre_model::{FlowId, Now};
use havre_sip::wire::parse_datagram;
use havre_sip::{
    Caps, Command, Config, Endpoint, Event, FlowOwner, Input, Limits, LineNumbers, Link, Output, Overload, Password,
    Trunk,
};
use libfuzzer_sys::fuzz_target;

const LEGS: usize = 4;
const PAGE: FlowId = FlowId(1);
const STREAM: FlowId = FlowId(2);

static CONFIG: LazyLock<Arc<Config>> = LazyLock::new(|| {
    Arc::new(Config {
        accounts: HashMap::from([("advocate-en".parse().expect("an id"), Password::new("secret"))]),
        trunks: vec![Trunk {
            id: "carrier".parse().expect("an id"),
            sources: vec!["198.51.100.0/24".parse().expect("a network")],
            digest: None,
            certificate: None,
            numbers: Vec::new(),
            strip_prefixes: Vec::new(),
            overload: Overload::default(),
            caps: Caps { calls: Some(3), per_second: Some(8) },
            outbound: None,
        }],
        lines: vec![LineNumbers {
            line: "line".parse().expect("an id"),
            numbers: vec!["+18335550100".to_owned()],
        }],
        feature_codes: vec!["*40".to_owned()],
        limits: Limits { transactions: 32, legs: LEGS, flows: 4, bindings_per_agent: 2 },
        ..Config::default()
    })
});

fuzz_target!(|bytes: &[u8]| {
    let mut now = Now::default().after(Duration::from_secs(1));
    let mut endpoint = Endpoint::new(Arc::clone(&CONFIG), [7; 32], now);
    let local: SocketAddr = ([192, 0, 2, 10], 5060).into();
    let carrier: SocketAddr = ([198, 51, 100, 7], 5060).into();
    let stranger: SocketAddr = ([203, 0, 113, 66], 5060).into();
    let page = Link::Web(FlowOwner { agent: "advocate-en".parse().expect("an id"), secure: true });
    endpoint.handle_input(Input::Connected { flow: PAGE, local, remote: stranger, link: page }, now);
    endpoint.handle_input(Input::Connected { flow: STREAM, local, remote: carrier, link: Link::Tcp }, now);
    let mut rest = bytes;
    while let [how, low, high, after @ ..] = rest {
        let length = usize::from(*low) | usize::from(high & 0x0f) << 8;
        if length == 0 {
            let delay = Duration::from_millis(u64::from(*how));
            endpoint.handle_input(Input::Load { delay }, now);
        }
        let (bytes, after) = after.split_at(length.min(after.len()));
        rest = after;
        endpoint.handle_input(
            match how % 4 {
                0 => Input::Message { flow: PAGE, bytes },
                1 => Input::Datagram { local, source: carrier, bytes },
                2 => Input::Datagram { local, source: stranger, bytes },
                _ => Input::Stream { flow: STREAM, bytes },
            },
            now,
        );
        drain(&mut endpoint, now);
        now = now.after(Duration::from_millis(u64::from(how >> 2) * 100));
        endpoint.handle_timeout(now);
        drain(&mut endpoint, now);
        assert!(endpoint.legs() <= LEGS);
    }
});

/// Sees to what it sends, and answers each call that comes in.
fn drain(endpoint: &mut Endpoint, now: Now) {
    while let Some(output) = endpoint.poll_output() {
        match output {
            Output::Transmit { bytes, .. } if bytes.len() > 4 => {
                assert!(bytes.starts_with(b"SIP/2.0 ") || parse_datagram(&bytes).is_ok());
            }
            Output::Event(Event::Incoming { leg, .. }) => {
                let sdp = Bytes::from_static(b"v=0\r\n");
                endpoint.handle_input(Input::Command(Command::Answer { leg, sdp }), now);
            }
            _ => {}
        }
    }
}
