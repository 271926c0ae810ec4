//! An INVITE with any `Identity` header, and a certificate that it may name: no panic, it rings all the same, and nobody is
//! vouched for, for nobody has the key.
#![no_main]

use std::sync::Arc;
use std::time::Duration;

use havre_model::{Now, Unix};
use havre_sip::{Attestation, Certificate, Certificates, Config, Endpoint, Event, Input, LineNumbers, Output, Trunk};
use libfuzzer_sys::fuzz_target;

const URL: &str = "https://a/b";
/// The base point of P-256, whose private key is 1; signing takes more than a fuzzer's mutations.
const POINT: [u8; 65] = [
    0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03,
    0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe,
    0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce,
    0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
];

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = std::str::from_utf8(bytes) else { return };
    if value.contains(['\r', '\n', '\0']) || value.len() > 4_000 {
        return;
    }
    let now = Now::default().after(Duration::from_secs(1_443_208_345));
    let far = Unix::from_millis(i64::MAX);
    let certificate = Certificate::new(&POINT, Unix::from_millis(0), far).expect("a point on the curve");
    let certificates: Certificates = [(URL.to_owned(), certificate)].into_iter().collect();
    let trunk = Trunk {
        id: "carrier".parse().expect("a name"),
        sources: vec!["198.51.100.0/24".parse().expect("a network")],
        digest: None,
        certificate: None,
        numbers: Vec::new(),
        strip_prefixes: Vec::new(),
        overload: Default::default(),
        caps: Default::default(),
        outbound: None,
    };
    let line = LineNumbers { line: "hotline".parse().expect("a name"), numbers: vec!["+12155551213".to_owned()] };
    let certificates = Arc::new(certificates);
    let config = Config { trunks: vec![trunk], lines: vec![line], certificates, ..Config::default() };
    let mut endpoint = Endpoint::new(Arc::new(config), [0; 32], now);
    let invite = format!(
        "INVITE sip:+12155551213@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKa\r\n\
         Max-Forwards: 70\r\nFrom: <sip:+12155551212@c.example>;tag=c\r\nTo: <sip:+12155551213@192.0.2.10>\r\n\
         Call-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:198.51.100.7>\r\nIdentity: {value}\r\n\r\n"
    );
    let (local, source) = (([192, 0, 2, 10], 5_060).into(), ([198, 51, 100, 7], 5_060).into());
    endpoint.handle_input(Input::Datagram { local, source, bytes: invite.as_bytes() }, now);
    while let Some(output) = endpoint.poll_output() {
        if let Output::Event(Event::Incoming { attestation, .. }) = output {
            assert!(attestation <= Attestation::Invalid, "{attestation:?}");
        }
    }
});
