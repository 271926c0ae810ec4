//! What carriers sign for their callers (STIR/SHAKEN) is checked, counted, and changes nothing for anybody.

use std::path::Path;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use havre_e2e::{Authority, Baresip, Host, Identity, Line, Media, Run, Scratch, Sipp, until};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

const SOON: Duration = Duration::from_secs(5);
const NUMBER: &str = "18335550100";

#[test]
fn every_caller_is_answered_in_turn_whatever_their_carrier_signed() {
    let (authority, published) = (Authority::new(), Scratch::new("stir"));
    let line = Line::demo().with("sip.identity_certificates", published.path().display().to_string());
    let good = Carrier::publish(&authority.issue("carrier", &["sp.example"]), &published, "sp.pem");
    let over =
        Carrier::publish(&authority.issue_until("over", &["sp.example"], 2020), &published, "over.pem");
    let forger = Carrier { file: "sp.pem", ..Carrier::new(&authority.issue("forger", &["sp.example"])) };
    let line = line.start();
    let events = line.events();
    let now =
        i64::try_from(SystemTime::UNIX_EPOCH.elapsed().expect("it is later").as_secs()).expect("not yet");
    // Each of its own number, so that none has called before. The last is the one whom a carrier vouches for in full.
    let (mut calls, mut counted) = (Vec::new(), Vec::new());
    for (nth, (carrier, attest, iat, what)) in [
        (Some(&forger), "A", now, "invalid"),
        (None, "", now, "absent"),
        (Some(&good), "A", now - 120, "invalid"),
        (Some(&over), "A", now, "unverifiable"),
        (Some(&good), "C", now, "gateway"),
        (Some(&good), "B", now, "partial"),
        (Some(&good), "A", now, "full"),
    ]
    .into_iter()
    .enumerate()
    {
        let from = format!("+1514555012{nth}");
        let header = carrier.map(|carrier| carrier.identity(attest, iat, &from[1..]));
        let (call, media) =
            caller(&line, &from, &header.unwrap_or_else(|| "Subject: no signature".to_owned()));
        until("the greeting", SOON, || media.first_packet());
        media.press("1");
        let (_, joined) = events.wait("joined", nth + 1, SOON);
        assert_eq!(joined["risk"].as_str(), Some("standard"), "{joined}");
        counted.push(format!("identity_{what}"));
        let expected = counted.iter().filter(|name| *name == &counted[nth]).count();
        until("it to be counted", SOON, || {
            let count = line.api().metric("havre_component_events_total", &format!("\"{}\"", counted[nth]));
            ((count - expected as f64).abs() < 0.5).then_some(())
        });
        calls.push((call, media));
    }
    let arrived: Vec<_> = events.of("joined").into_iter().map(|(_, joined)| joined["call"].clone()).collect();
    // Two advocates are offered the first two in line, whom nobody vouches for.
    let _advocates = ["advocate-en", "advocate-bi"].map(|id| Baresip::advocate(&line, id, 700.0).start());
    for (nth, call) in arrived.iter().take(2).enumerate() {
        let (_, offered) = events.wait("offered", nth + 1, SOON);
        assert_eq!(offered["call"], *call, "{}", events.log());
    }
    for (mut call, _) in calls {
        call.cue();
        call.finish(SOON);
    }
}

/// A call with one header more, and its audio.
fn caller(line: &Line, from: &str, header: &str) -> (Run, Media) {
    let host = Host::claim();
    let media = Media::open(host.ip(), None);
    let sipp = Sipp::new("one_header_more").on_host(host, 5060).audio(media.port());
    (sipp.key("from", from).key("more", header).start(line.sip()), media)
}

/// A carrier whose certificate stands at `https://sp.example/FILE`.
struct Carrier {
    key: EcdsaKeyPair,
    random: SystemRandom,
    file: &'static str,
}

impl Carrier {
    fn new(identity: &Identity) -> Self {
        let key = PrivateKeyDer::from_pem_file(&identity.key).expect("a key in PEM");
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_der(), &random);
        Self { key: key.expect("a key on P-256"), random, file: "" }
    }

    /// With its certificate below `directory`, as `wget -x` leaves it.
    fn publish(identity: &Identity, directory: &Scratch, file: &'static str) -> Self {
        let at = directory.path().join(Path::new("sp.example"));
        std::fs::create_dir_all(&at).expect("a directory of the test's own");
        std::fs::copy(&identity.chain, at.join(file)).expect("a copy in it");
        Self { file, ..Self::new(identity) }
    }

    /// The header of a call to the line (RFC 8224, RFC 8588).
    fn identity(&self, attest: &str, iat: i64, orig: &str) -> String {
        let url = format!("https://sp.example/{}", self.file);
        let jose = format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{url}"}}"#);
        let claims = format!(
            r#"{{"attest":"{attest}","dest":{{"tn":["{NUMBER}"]}},"iat":{iat},"orig":{{"tn":"{orig}"}},"origid":"1"}}"#
        );
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(jose), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.key.sign(&self.random, signed.as_bytes()).expect("randomness");
        format!("Identity: {signed}.{};info=<{url}>;alg=ES256;ppt=shaken", URL_SAFE_NO_PAD.encode(signature))
    }
}
