//! How long a wrong password takes for an account that exists, and for one that does not: `cargo bench -p havre-sip --bench
//! guess`. Guesses come in turns, a pair from each place, and only the endpoint's own time is taken.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a measurement reads the clock; a failure ends it"
)]

use std::collections::HashMap;
use std::hint::black_box;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use havre_bench::Section;
use havre_model::Now;
use havre_sip::digest::Session;
use havre_sip::wire::{Auth, Message, Name, Uri, parse_datagram};
use havre_sip::{Config, Endpoint, Input, Method, Output, Password};

const PAIRS: u32 = 10_000;
/// Of one length: the names are hashed, too.
const USERS: [&str; 2] = ["advocate-fr", "advocate-no"];

fn main() {
    let mut section = Section::new(
        "Guessing",
        "`cargo bench -p havre-sip --bench guess`: how long the endpoint takes to refuse a wrong password, for an account that \
         exists and for one that does not; 10,000 guesses of each, in turns. Medians, and quartiles.",
    );
    section.table(&["request", "the account exists", "it does not", "the difference"]);
    for (method, of, uri) in [
        ("REGISTER", Method::Register, "sip:havre.example"),
        ("INVITE", Method::Invite, "sip:*40@havre.example"),
    ] {
        let mut times: HashMap<&str, Vec<Duration>> = HashMap::new();
        let mut endpoint = endpoint();
        let mut now = Now::default();
        for pair in 0..PAIRS {
            now = now.after(Duration::from_millis(20));
            // Who is first has the caches warmed for the other.
            let mut users = USERS;
            users.rotate_left((pair % 2) as usize);
            for user in users {
                let source = SocketAddr::from(((0x0b00_0000_u32 + pair).to_be_bytes(), 5060));
                let challenge = ask(&mut endpoint, source, &request(method, uri, user, 1, pair, ""), now).0;
                let Message::Response(challenge) = parse_datagram(&challenge).unwrap() else {
                    panic!("a request")
                };
                let auths: Vec<Auth> = challenge.headers.auths(&Name::WwwAuthenticate);
                let mut session = Session::accept(&auths, None).unwrap();
                let proof = session.authorize(user, "guess", of, &Uri::parse(uri).unwrap(), "c0ffee");
                let text = request(method, uri, user, 2, pair, &format!("Authorization: {proof}\r\n"));
                let (answer, took) = ask(&mut endpoint, source, &text, now);
                assert!(answer.starts_with(b"SIP/2.0 401"));
                times.entry(user).or_default().push(took);
            }
        }
        let [known, unknown] = USERS.map(|user| {
            let of = times.get_mut(user).unwrap();
            of.sort_unstable();
            [50, 25, 75].map(|share| of[of.len() * share / 100].as_secs_f64() * 1e6)
        });
        let said = |[median, from, to]: [f64; 3]| format!("{median:.2} µs ({from:.2} to {to:.2})");
        let difference = (unknown[0] / known[0] - 1.0) * 100.0;
        section.row(&[method.to_owned(), said(known), said(unknown), format!("{difference:+.1} %")]);
    }
    section.write(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
}

fn endpoint() -> Endpoint {
    let account =
        (USERS[0].parse().unwrap(), Password::new("a password of some length, as managers make them"));
    let config = Config {
        accounts: HashMap::from([account]),
        server_name: "havre.example".to_owned(),
        ..Config::default()
    };
    Endpoint::new(Arc::new(config), [7; 32], Now::default())
}

fn request(method: &str, uri: &str, user: &str, seq: u32, pair: u32, proof: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.66;branch=z9hG4bK{user}{seq}{pair};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:{user}@havre.example>;tag=r\r\nTo: <sip:{user}@havre.example>\r\nCall-ID: {user}{pair}\r\n\
         CSeq: {seq} {method}\r\n{proof}Contact: <sip:{user}@203.0.113.66>\r\nContent-Length: 0\r\n\r\n"
    )
}

/// The answer, and how long it took.
fn ask(endpoint: &mut Endpoint, source: SocketAddr, text: &str, now: Now) -> (Vec<u8>, Duration) {
    let local = SocketAddr::from(([192, 0, 2, 10], 5060));
    let begun = Instant::now();
    endpoint.handle_input(Input::Datagram { local, source, bytes: text.as_bytes() }, now);
    let first = black_box(endpoint.poll_output());
    let took = begun.elapsed();
    let Some(Output::Transmit { bytes, .. }) = first else { panic!("no answer: {first:?}") };
    while endpoint.poll_output().is_some() {}
    endpoint.handle_timeout(now);
    (bytes.to_vec(), took)
}
