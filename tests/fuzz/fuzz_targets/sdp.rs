//! An offer and an answer, of a phone and of a browser: no panic; what is accepted has a codec, and what we answer to it
//! anybody can read.
#![no_main]

use havre_media::sdp::{BrowserLocal, Fingerprint, Local, Session};
use havre_media::{Codec, IceLocal};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let ice = IceLocal { ufrag: "ufragufr".to_owned(), password: "passwordpasswordpassword".to_owned() };
    let candidates = vec![([192, 0, 2, 1], 4_000).into()];
    let browser = BrowserLocal { ice, fingerprint: Fingerprint([7; 32]), candidates };
    for browser in [None, Some(browser)] {
        negotiate(body, browser);
    }
});

fn negotiate(body: &[u8], browser: Option<BrowserLocal>) {
    let addr = [192, 0, 2, 1].into();
    let local = Local { addr, rtp: 4_000, rtcp: 4_001, codecs: Codec::ALL.to_vec(), browser };
    let mut session = Session::new(local, 1);
    session.offer();
    if let Ok(agreed) = session.accept(body) {
        assert!(!agreed.send.is_empty() && !agreed.receive.is_empty());
    }
    if let Ok((answer, agreed)) = session.answer(body) {
        assert!(!agreed.send.is_empty() && (10..=60).contains(&agreed.ptime));
        let (again, _) = session.clone().answer(&answer).expect("our own answer is a good offer");
        assert!(!again.is_empty());
        assert_eq!(session.answer(body).map(|(body, _)| body), Ok(answer), "the same offer, the same answer");
        session.offer();
    }
}
