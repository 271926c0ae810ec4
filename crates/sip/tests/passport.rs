//! What an INVITE's `Identity` header comes to. The keys are made here.
#![allow(clippy::unwrap_used)] // It is how a test fails.

mod net;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use havre_model::Unix;
use havre_sip::{Attestation, Certificate, Certificates, Command, Config, Event, Input};
use net::raw::*;
use net::*;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};

const TO_LINE: &str = "sip:+18335550100@192.0.2.10";
const URL: &str = "https://certs.example/2026/carrier.pem";
/// Now, in the virtual network, when the INVITE arrives.
const NOW: i64 = 1_000;

/// So long a wait is load.
const LOADED: u64 = 30;
/// A caller whose number others forge.
const FORGED: &str = "+14165550123";

/// A carrier with a key of its own.
struct Carrier {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

impl Carrier {
    fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        Self { key, random }
    }

    fn certificate(&self, from: i64, to: i64) -> Certificate {
        let [from, to] = [from, to].map(|secs| Unix::from_millis(secs * 1_000));
        Certificate::new(self.key.public_key().as_ref(), from, to).unwrap()
    }

    fn sign(&self, jose: &str, claims: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(jose), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.key.sign(&self.random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A whole header with these claims.
    fn identity(&self, claims: &str) -> String {
        header(&self.sign(&jose(), claims))
    }
}

fn jose() -> String {
    format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{URL}"}}"#)
}

fn claims(attest: &str, iat: i64, orig: &str, dest: &str) -> String {
    format!(
        r#"{{"attest":"{attest}","dest":{{"tn":["{dest}"]}},"iat":{iat},"orig":{{"tn":"{orig}"}},"origid":"123e4567-e89b-12d3-a456-426655440000"}}"#
    )
}

fn good(attest: &str) -> String {
    claims(attest, NOW, "14165550123", "18335550100")
}

fn header(token: &str) -> String {
    format!("Identity: {token};info=<{URL}>;alg=ES256;ppt=\"shaken\"\n")
}

/// What an INVITE with these headers comes to, where `certificate` is known under the URL.
#[track_caller]
fn judged(certificate: Option<Certificate>, headers: &str) -> Attestation {
    let certificates: Certificates = certificate.map(|known| (URL.to_owned(), known)).into_iter().collect();
    let config = Config { certificates: Arc::new(certificates), ..gateway() };
    let mut net = Net::new(4);
    let at = net.add("havre", HAVRE, config);
    net.send(CARRIER, HAVRE, &invite(TO_LINE, CARRIER, headers));
    net.run(ms(30));
    let events = net.events(at);
    let Some(Event::Incoming { leg, attestation, .. }) = events.first() else {
        panic!("refused: {events:?}")
    };
    let (leg, attestation) = (*leg, *attestation);
    let counters = net.party(at).endpoint.counters();
    let counted = counters.iter().filter(|(name, count)| name.starts_with("identity_") && *count > 0);
    let expected = format!("identity_{}", attestation.as_str());
    assert_eq!(counted.collect::<Vec<_>>(), [(expected.as_str(), 1)]);
    net.command(at, Command::Reject { leg, status: 486 });
    net.run(ms(30));
    attestation
}

#[test]
fn what_a_carrier_vouches_for_is_what_comes_of_it() {
    use Attestation::{Absent, Full, Gateway, Partial, Unverifiable};
    let carrier = Carrier::new();
    let known = || Some(carrier.certificate(0, 10_000));
    for (letter, expected) in [("A", Full), ("B", Partial), ("C", Gateway)] {
        assert_eq!(judged(known(), &carrier.identity(&good(letter))), expected);
    }
    assert_eq!(judged(known(), ""), Absent);
    assert_eq!(judged(None, &carrier.identity(&good("A"))), Unverifiable, "no certificates at all");
    // Beside another kind, and beside a broken one.
    let diverted = format!("Identity: x;info=<{URL}>;ppt=div\n{}", carrier.identity(&good("B")));
    assert_eq!(judged(known(), &diverted), Partial);
    assert_eq!(judged(known(), &format!("Identity: rubbish\n{}", carrier.identity(&good("A")))), Full);
}

#[test]
fn numbers_are_compared_whatever_their_spelling() {
    let carrier = Carrier::new();
    let known = || Some(carrier.certificate(0, 10_000));
    let judged_as = |orig: &str, dest: &str, more: &str| {
        judged(known(), &format!("{}{more}", carrier.identity(&claims("A", NOW, orig, dest))))
    };
    assert_eq!(judged_as("+1-416-555-0123", "+18335550100", ""), Attestation::Full);
    assert_eq!(judged_as("4165550123", "8335550100", ""), Attestation::Full);
    assert_eq!(judged_as("14165550199", "18335550100", ""), Attestation::Invalid, "another caller's");
    assert_eq!(judged_as("14165550123", "18335559999", ""), Attestation::Invalid, "for somebody else");
    // The number that was dialled, before the network translated it.
    assert_eq!(judged_as("14165550123", "18005550111", "To: <tel:+18005550111>\n"), Attestation::Full);
    // The asserted number, where From has none.
    let hidden = "From: <sip:anonymous@anonymous.invalid>;tag=a\n";
    let asserted = format!("{hidden}P-Asserted-Identity: <tel:+16045550199>\n");
    assert_eq!(judged_as("16045550199", "18335550100", &asserted), Attestation::Full);
    assert_eq!(
        judged_as("16045550199", "18335550100", hidden),
        Attestation::Unverifiable,
        "nothing to compare"
    );
}

#[test]
fn a_token_is_good_for_a_minute() {
    let carrier = Carrier::new();
    for (iat, expected) in [
        (NOW - 61, Attestation::Invalid),
        (NOW - 59, Attestation::Full),
        (NOW + 59, Attestation::Full),
        (NOW + 62, Attestation::Invalid),
        (i64::MIN, Attestation::Invalid),
        (i64::MAX, Attestation::Invalid),
    ] {
        let identity = carrier.identity(&claims("A", iat, "14165550123", "18335550100"));
        assert_eq!(judged(Some(carrier.certificate(0, 10_000)), &identity), expected, "{iat}");
    }
    for (from, to) in [(0, NOW - 1), (NOW + 10, 10_000)] {
        let outside = judged(Some(carrier.certificate(from, to)), &carrier.identity(&good("A")));
        assert_eq!(outside, Attestation::Unverifiable, "the certificate is of another time");
    }
}

#[test]
fn what_is_forged_or_broken_is_invalid_and_what_is_of_another_kind_unverifiable() {
    use Attestation::{Invalid, Unverifiable};
    let (carrier, forger) = (Carrier::new(), Carrier::new());
    let known = || Some(carrier.certificate(0, 10_000));
    let token = carrier.sign(&jose(), &good("C"));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let raised =
        format!("{}.{}.{signature}", signed.split('.').next().unwrap(), URL_SAFE_NO_PAD.encode(good("A")));
    let jose_with = |from: &str, to: &str| carrier.sign(&jose().replace(from, to), &good("A"));
    let claims_with = |from: &str, to: &str| carrier.sign(&jose(), &good("A").replace(from, to));
    for (token, expected, why) in [
        (forger.sign(&jose(), &good("A")), Invalid, "another key"),
        (raised, Invalid, "other claims under the same signature"),
        (format!("{signed}.{}", &signature[..84]), Invalid, "a short signature"),
        (format!("{signed}."), Invalid, "no signature"),
        (format!("{token}="), Invalid, "padding"),
        (signed.to_owned(), Invalid, "two parts"),
        (format!("{token}.x"), Invalid, "four parts"),
        (format!("..{signature}"), Unverifiable, "the compact form"),
        (jose_with("ES256", "none"), Unverifiable, "no algorithm"),
        (jose_with("ES256", "HS256"), Unverifiable, "another algorithm"),
        (jose_with("shaken", "rph"), Unverifiable, "another kind"),
        (jose_with("\"typ\"", "\"crit\":[\"x\"],\"typ\""), Unverifiable, "extensions that matter"),
        (jose_with("passport", "JWT"), Invalid, "another type"),
        (jose_with(URL, "https://elsewhere.example/x"), Invalid, "info and x5u differ"),
        (jose_with("{", "["), Invalid, "no JSON"),
        (claims_with("\"A\"", "\"D\""), Invalid, "no such attestation"),
        (claims_with("\"attest\":\"A\",", ""), Invalid, "no attestation"),
        (claims_with("\"iat\":1000", "\"iat\":\"1000\""), Invalid, "time as text"),
        (claims_with("\"iat\"", "\"attest\":\"A\",\"iat\""), Invalid, "said twice"),
        (claims_with("[\"18335550100\"]", "\"18335550100\""), Invalid, "no list"),
        (claims_with("[\"18335550100\"]", "[]"), Invalid, "an empty list"),
        ("A".repeat(7_000), Invalid, "too long"),
    ] {
        assert_eq!(judged(known(), &header(&token)), expected, "{why}");
    }
    let bare = format!("Identity: {}\n", carrier.sign(&jose(), &good("A")));
    assert_eq!(judged(known(), &bare), Invalid, "no info");
}

#[test]
fn many_headers_cost_no_more_than_a_few() {
    let carrier = Carrier::new();
    let rubbish = "Identity: rubbish\n".repeat(5);
    let late = format!("{rubbish}{}", carrier.identity(&good("A")));
    assert_eq!(judged(Some(carrier.certificate(0, 10_000)), &late), Attestation::Invalid);
}

/// A line under load, where this carrier's certificate is known.
fn loaded(carrier: &Carrier) -> Net {
    let certificates = [(URL.to_owned(), carrier.certificate(0, 10_000))].into_iter().collect();
    let mut net = Net::new(6);
    let at = net.add("havre", HAVRE, Config { certificates: Arc::new(certificates), ..gateway() });
    net.input(at, Input::Load { delay: ms(LOADED) });
    net
}

/// The `nth` call, which shows this number.
fn call(nth: u64, number: &str, more: &str) -> String {
    let from = format!("From: <sip:{number}@carrier.example>;tag=f{nth}\nCall-ID: call-{nth}\n{more}");
    invite(TO_LINE, CARRIER, &from)
}

/// Which calls ring, in the order in which they were let in.
fn let_in(net: &mut Net) -> Vec<u64> {
    net.run(ms(100));
    let rings = net.received(CARRIER).into_iter().filter(|text| text.starts_with("SIP/2.0 100"));
    rings.map(|text| net::header(&text, "Call-ID").trim_start_matches("call-").parse().unwrap()).collect()
}

/// Forty calls that show the number, ten of other people, and then one with these headers; how many of the forty it lets
/// go first, and of the ten.
fn overtaken(carrier: &Carrier, headers: &str) -> (usize, usize) {
    let mut net = loaded(carrier);
    for nth in 0..40 {
        net.send(CARRIER, HAVRE, &call(nth, FORGED, ""));
    }
    for nth in 40..50 {
        net.send(CARRIER, HAVRE, &call(nth, &format!("+15145550{nth:03}"), ""));
    }
    net.send(CARRIER, HAVRE, &call(50, FORGED, headers));
    let order = let_in(&mut net);
    assert_eq!(order.len(), 51, "there is room for all: {order:?}");
    let before: Vec<_> = order.into_iter().take_while(|nth| *nth != 50).collect();
    (before.iter().filter(|nth| **nth < 40).count(), before.iter().filter(|nth| **nth >= 40).count())
}

#[test]
fn whoever_forges_a_number_does_not_lower_the_calls_that_are_proven_to_be_of_it() {
    let carrier = Carrier::new();
    let (forged, others) = overtaken(&carrier, &carrier.identity(&good("A")));
    assert!(forged <= 5 + 16, "the first ones, and whoever was let in before it came: {forged}");
    assert_eq!(others, 10, "it stands behind whoever came before it, as everybody does");
}

#[test]
fn nothing_less_than_proof_of_the_very_number_keeps_a_call_apart() {
    let (carrier, forger) = (Carrier::new(), Carrier::new());
    // What says that the carrier does not know; another's signature; a good one that is of the number in From, where the
    // call is counted by the asserted one.
    let own = claims("A", NOW, "16045550199", "18335550100");
    let borrowed = format!("P-Asserted-Identity: <tel:{FORGED}>\n{}", carrier.identity(&own));
    for (headers, why) in [
        (String::new(), "none"),
        (carrier.identity(&good("B")), "partial"),
        (carrier.identity(&good("C")), "gateway"),
        (forger.identity(&good("A")), "forged"),
    ] {
        assert_eq!(overtaken(&carrier, &headers), (40, 10), "{why}");
    }
    let mut net = loaded(&carrier);
    for nth in 0..40 {
        net.send(CARRIER, HAVRE, &call(nth, FORGED, ""));
    }
    net.send(CARRIER, HAVRE, &call(50, "+16045550199", &borrowed));
    assert_eq!(let_in(&mut net).last(), Some(&50), "borrowed");
}

#[test]
fn a_flood_that_is_proven_lowers_its_own_calls_all_the_same() {
    let carrier = Carrier::new();
    let mut net = loaded(&carrier);
    for nth in 0..40 {
        net.send(CARRIER, HAVRE, &call(nth, FORGED, &carrier.identity(&good("A"))));
    }
    net.send(CARRIER, HAVRE, &call(50, "+16045550199", ""));
    let order = let_in(&mut net);
    assert_eq!(order.len(), 41, "nobody is refused: {order:?}");
    let before = order.iter().position(|nth| *nth == 50).unwrap();
    assert!(
        before <= 5 + 5 + 16,
        "{before} of the flood go first: five before it is one, five that are proven"
    );
}
