//! Credentials and challenges: no panic; nobody is taken for a user without the password; what is read prints to what
//! reads the same; what we answer to a challenge of our own kind is genuine.
#![no_main]

use std::net::IpAddr;
use std::time::Duration;

use havre_model::Now;
use havre_sip::digest::{Algorithm, Guard, Secret, Verdict};
use havre_sip::wire::{Auth, Uri};
use havre_sip::Method;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(auth) = Auth::parse(text) else { return };
    let printed = auth.to_string();
    assert_eq!(Auth::parse(&printed).map(|auth| auth.to_string()), Ok(printed));
    let now = Now::default().after(Duration::from_secs(1));
    let source = IpAddr::from([203, 0, 113, 5]);
    let mut guard = Guard::new("havre", &[Algorithm::Sha256, Algorithm::Md5], [7; 32]);
    let uri = Uri::parse("sip:havre").expect("a URI");
    let secret = Secret::new(auth.get("username").unwrap_or_default(), "havre", "never guessed");
    let verdict = guard.verify(&[auth], Method::Register, &uri, source, |_| Some(&secret), now);
    assert!(matches!(verdict, Verdict::Missing | Verdict::Refused), "{verdict:?}");
});
