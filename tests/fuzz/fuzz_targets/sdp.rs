//! An offer and an answer, of a phone and of a browser: no panic; what is accepted has a codec, and what we answer to it
//! anybody can read.
#![no_main]

use havre_media::sdp::{BrowserLocal, Fingerprint, Local, Sdes, Session, Srtp};
use havre_media::{Codec, IceLocal};
use libfuzzer_sys::fuzz_target;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

fuzz_target!(|body: &[u8]| {
    let ice = IceLocal { ufrag: "ufragufr".to_owned(), password: "passwordpasswordpassword".to_owned() };
    let candidates = vec![([192, 0, 2, 1], 4_000).into()];
    let browser = BrowserLocal { ice, fingerprint: Fingerprint([7; 32]), candidates };
    for srtp in Srtp::ALL {
        negotiate(body, None, srtp);
    }
    negotiate(body, Some(browser), Srtp::Off);
});

fn negotiate(body: &[u8], browser: Option<BrowserLocal>, srtp: Srtp) {
    let addr = [192, 0, 2, 1].into();
    let sdes = Sdes::new(srtp, &mut ChaCha8Rng::from_seed([9; 32]));
    let local = Local { addr, rtp: 4_000, rtcp: 4_001, codecs: Codec::ALL.to_vec(), browser, sdes };
    let mut session = Session::new(local, 1);
    session.offer();
    if let Ok(agreed) = session.accept(body) {
        assert!(!agreed.send.is_empty() && !agreed.receive.is_empty());
        assert!(agreed.srtp.is_some() || srtp != Srtp::Required);
    }
    if let Ok((answer, agreed)) = session.answer(body) {
        assert!(agreed.srtp.is_some() || srtp != Srtp::Required);
        assert!(!agreed.send.is_empty() && (10..=60).contains(&agreed.ptime));
        let (again, _) = session.clone().answer(&answer).expect("our own answer is a good offer");
        assert!(!again.is_empty());
        assert_eq!(session.answer(body).map(|(body, _)| body), Ok(answer), "the same offer, the same answer");
        session.offer();
    }
}
