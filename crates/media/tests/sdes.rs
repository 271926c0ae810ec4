//! Keys in SDP (SDES): who gets SRTP by which policy, what a far side may write, and what a re-INVITE changes.
#![allow(clippy::unwrap_used)] // It is how a test fails.

use havre_media::Codec::{self, Pcma, Pcmu};
use havre_media::sdp::{Local, Negotiated, Rejected, Sdes, Session, Srtp, Unusable};
use havre_media::srtp::Suite;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The key of RFC 4568 §6.1, and another one.
const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
const OTHER: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd";

/// What comes of a call, seen from both ends.
#[derive(Debug, PartialEq)]
enum Outcome {
    Plain,
    Secure,
    /// The one who was called cannot take the offer.
    OfferRefused,
    /// The one who called cannot take the answer.
    AnswerRefused,
}

#[test]
fn every_policy_meets_every_other() {
    use Outcome::{AnswerRefused, OfferRefused, Plain, Secure};
    use Srtp::{Off, Offered, Required};
    for (caller, called, expected) in [
        (Off, Off, Plain),
        (Off, Offered, Plain),
        (Off, Required, OfferRefused),
        (Offered, Off, Plain),
        (Offered, Offered, Secure),
        (Offered, Required, Secure),
        (Required, Off, OfferRefused),
        (Required, Offered, Secure),
        (Required, Required, Secure),
    ] {
        let (mut one, mut other) = (session(caller, 1), session(called, 2));
        let outcome = match other.answer(&one.offer()) {
            Err(_) => OfferRefused,
            Ok((answer, theirs)) => match one.accept(&answer) {
                Err(_) => AnswerRefused,
                Ok(ours) => {
                    assert_match(&ours, &theirs);
                    if ours.srtp.is_some() { Secure } else { Plain }
                }
            },
        };
        assert_eq!(outcome, expected, "{caller:?} calls {called:?}");
    }
}

#[test]
fn an_offer_says_by_its_profile_whether_it_can_do_without() {
    let offer = text(session(Srtp::Offered, 1).offer());
    assert!(offer.contains("m=audio 4000 RTP/AVP 0 8 101\r\n"), "{offer}");
    let tags: Vec<&str> = offer.lines().filter_map(|line| line.strip_prefix("a=crypto:")).collect();
    let suites = tags.iter().map(|line| line.split(" inline:").next().unwrap());
    assert!(suites.eq(["1 AEAD_AES_256_GCM", "2 AEAD_AES_128_GCM", "3 AES_CM_128_HMAC_SHA1_80"]), "{offer}");
    let offer = text(session(Srtp::Required, 1).offer());
    assert!(offer.contains("m=audio 4000 RTP/SAVP 0 8 101\r\n") && offer.contains("a=crypto:3 "), "{offer}");
    let offer = text(session(Srtp::Off, 1).offer());
    assert!(offer.contains("RTP/AVP") && !offer.contains("crypto"), "{offer}");
}

#[test]
fn an_answer_keeps_profile_tag_and_the_offerer_s_order() {
    let stream = format!(
        "m=audio 5000 RTP/SAVP 8 0\r\na=crypto:7 AES_CM_128_HMAC_SHA1_32 inline:{KEY}\r\n\
         a=crypto:9 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20\r\n\
         a=crypto:2 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==\r\n"
    );
    let (answer, agreed) = session(Srtp::Offered, 1).answer(&body(&stream)).unwrap();
    let answer = text(answer);
    assert!(answer.contains("m=audio 4000 RTP/SAVP 8 0\r\n"), "{answer}");
    assert_eq!(answer.matches("a=crypto:").count(), 1, "{answer}");
    assert!(answer.contains("a=crypto:9 AES_CM_128_HMAC_SHA1_80 inline:"), "{answer}");
    assert!(!answer.contains(KEY), "our key is ours");
    let pair = agreed.srtp.unwrap();
    assert_eq!([pair.send.suite(), pair.receive.suite()], [Suite::AesCm128HmacSha1_80; 2]);
}

#[test]
fn what_has_no_usable_keys_is_plain_where_it_may_be_and_says_why_where_not() {
    let crypto = |line: &str| format!("a=crypto:1 {line}\r\n");
    let good = format!("AES_CM_128_HMAC_SHA1_80 inline:{KEY}");
    for (lines, why) in [
        (String::new(), Unusable::Missing),
        (crypto(&good.replace("_80", "_32")), Unusable::Suite),
        (crypto(&format!("{good}|1:4")), Unusable::Mki),
        (crypto(&format!("{good}|2^20|1:4;inline:{OTHER}|2^20|2:4")), Unusable::Mki),
        (crypto(&format!("{good}|2^49")), Unusable::Lifetime),
        (crypto(&format!("{good} UNENCRYPTED_SRTP")), Unusable::Parameter),
        (crypto("AES_CM_128_HMAC_SHA1_80 inline:AAAA"), Unusable::Key),
    ] {
        for (profile, policy, plain) in [
            ("RTP/AVP", Srtp::Off, true),
            ("RTP/AVP", Srtp::Offered, true),
            ("RTP/AVPF", Srtp::Required, false),
            ("RTP/SAVP", Srtp::Offered, false),
            ("RTP/SAVPF", Srtp::Required, false),
        ] {
            let offer = body(&format!("m=audio 5000 {profile} 0\r\n{lines}"));
            let answered = session(policy, 1).answer(&offer);
            if plain {
                let (answer, agreed) = answered.unwrap();
                assert!(
                    agreed.srtp.is_none() && !text(answer).contains("crypto"),
                    "{profile} {policy:?} {lines}"
                );
            } else {
                assert_eq!(answered.unwrap_err(), Rejected::NotSecure(why), "{profile} {policy:?} {lines}");
            }
        }
    }
    let offer = body(&format!("m=audio 5000 RTP/SAVP 0\r\n{}", crypto(&good)));
    assert_eq!(session(Srtp::Off, 1).answer(&offer).unwrap_err(), Rejected::NotSecure(Unusable::Off));
}

#[test]
fn keys_for_the_whole_session_are_none() {
    let offer = format!(
        "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
         a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\nm=audio 5000 RTP/SAVP 0\r\n"
    );
    let refused = session(Srtp::Required, 1).answer(offer.as_bytes()).unwrap_err();
    assert_eq!(refused, Rejected::NotSecure(Unusable::Missing));
}

#[test]
fn of_the_same_audio_offered_twice_the_secure_one_is_taken() {
    let secure = format!("m=audio 5002 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n");
    for streams in
        [format!("m=audio 5000 RTP/AVP 0\r\n{secure}"), format!("{secure}m=audio 5000 RTP/AVP 0\r\n")]
    {
        let (answer, agreed) = session(Srtp::Offered, 1).answer(&body(&streams)).unwrap();
        let answer = text(answer);
        assert!(agreed.srtp.is_some() && agreed.remote_rtp.port() == 5_002);
        assert!(answer.contains("m=audio 0 RTP/AVP 0\r\n"), "the other is refused: {answer}");
        let (answer, agreed) = session(Srtp::Off, 1).answer(&body(&streams)).unwrap();
        let answer = text(answer);
        assert!(agreed.srtp.is_none() && agreed.remote_rtp.port() == 5_000);
        assert!(answer.contains("m=audio 0 RTP/SAVP 0\r\n") && !answer.contains("crypto"), "{answer}");
    }
}

#[test]
fn an_answer_has_to_take_one_of_the_offered_lines() {
    let mut offerer = session(Srtp::Offered, 1);
    let offer = text(offerer.offer());
    let own =
        offer.lines().find_map(|line| line.strip_prefix("a=crypto:3 AES_CM_128_HMAC_SHA1_80 ")).unwrap();
    let good = format!("inline:{KEY}");
    for (line, outcome) in [
        (format!("3 AES_CM_128_HMAC_SHA1_80 {good}"), Ok(())),
        (format!("1 AES_CM_128_HMAC_SHA1_80 {good}"), Err(Unusable::NotOffered)),
        (format!("4 AES_CM_128_HMAC_SHA1_80 {good}"), Err(Unusable::NotOffered)),
        (format!("3 AES_CM_128_HMAC_SHA1_80 {good}|1:1"), Err(Unusable::Mki)),
        // Our own key, sent back.
        (format!("3 AES_CM_128_HMAC_SHA1_80 {own}"), Err(Unusable::Key)),
    ] {
        for profile in ["RTP/SAVP", "RTP/AVP"] {
            let answer = body(&format!("m=audio 5000 {profile} 0\r\na=crypto:{line}\r\n"));
            let accepted = offerer.accept(&answer).map(|agreed| agreed.srtp.is_some());
            // Under either profile: whoever answers with keys means to use them.
            let expected = outcome.map(|()| true).map_err(Rejected::NotSecure);
            assert_eq!(accepted, expected, "{line}");
        }
    }
    let plain = body("m=audio 5000 RTP/AVP 0\r\n");
    assert!(offerer.accept(&plain).unwrap().srtp.is_none());
    let mut strict = session(Srtp::Required, 1);
    strict.offer();
    assert_eq!(strict.accept(&plain).unwrap_err(), Rejected::NotSecure(Unusable::Missing));
}

#[test]
fn a_re_invite_keeps_our_key_and_brings_theirs() {
    let mut ours = session(Srtp::Offered, 1);
    let offer =
        |key| body(&format!("m=audio 5000 RTP/AVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n"));
    let (first, before) = ours.answer(&offer(KEY)).unwrap();
    let (again, same) = ours.answer(&offer(KEY)).unwrap();
    assert_eq!((text(again), &same.srtp), (text(first.clone()), &before.srtp), "nothing has changed");
    let (changed, after) = ours.answer(&offer(OTHER)).unwrap();
    let (before, after) = (before.srtp.unwrap(), after.srtp.unwrap());
    assert!(after.receive != before.receive && after.send == before.send);
    assert_eq!(crypto_of(&text(changed)), crypto_of(&text(first)));
    // What we offer ourselves, on hold for instance, has the same key under its suite.
    let own = text(ours.offer());
    let key = crypto_of(&own).last().unwrap().split(' ').nth(2).unwrap().to_owned();
    assert!(crypto_of(&text(ours.clone().answer(&offer(KEY)).unwrap().0))[0].ends_with(&key), "{own}");
}

#[test]
fn a_required_leg_is_not_talked_out_of_its_keys() {
    let mut ours = session(Srtp::Required, 1);
    let secure =
        body(&format!("m=audio 5000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n"));
    ours.answer(&secure).unwrap();
    let plain = body("m=audio 5000 RTP/AVP 0\r\n");
    assert_eq!(ours.answer(&plain).unwrap_err(), Rejected::NotSecure(Unusable::Missing));
}

#[test]
fn nothing_that_is_printed_for_a_log_has_keys_in_it() {
    let mut ours = session(Srtp::Offered, 1);
    let offer =
        body(&format!("m=audio 5000 RTP/AVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n"));
    let (answer, agreed) = ours.answer(&offer).unwrap();
    let printed = format!("{ours:?} {agreed:?}");
    let own = crypto_of(&text(answer))[0].split("inline:").nth(1).unwrap().to_owned();
    assert!(!printed.contains(&own) && !printed.contains(KEY) && !printed.contains("inline"), "{printed}");
}

/// What one sends, the other opens.
fn assert_match(one: &Negotiated, other: &Negotiated) {
    let (one, other) = (&one.srtp, &other.srtp);
    assert_eq!(one.is_some(), other.is_some());
    if let (Some(one), Some(other)) = (one, other) {
        assert!(one.send == other.receive && one.receive == other.send && one.send != one.receive);
    }
}

fn session(srtp: Srtp, seed: u8) -> Session {
    let sdes = Sdes::new(srtp, &mut ChaCha8Rng::from_seed([seed; 32]));
    let codecs: Vec<Codec> = vec![Pcmu, Pcma];
    let addr = [192, 0, 2, 1].into();
    Session::new(Local { addr, rtp: 4_000, rtcp: 4_001, codecs, browser: None, sdes }, 7)
}

fn body(streams: &str) -> Vec<u8> {
    format!("v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n{streams}")
        .into_bytes()
}

fn text(body: Vec<u8>) -> String {
    String::from_utf8(body).unwrap()
}

fn crypto_of(body: &str) -> Vec<String> {
    body.lines().filter_map(|line| line.strip_prefix("a=crypto:")).map(str::to_owned).collect()
}
