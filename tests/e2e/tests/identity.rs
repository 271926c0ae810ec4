//! What carriers sign for their callers (STIR/SHAKEN) is checked, counted, and changes nothing for anybody.

use std::time::Duration;

use havre_e2e::{Authority, Baresip, Host, Line, Media, Run, Scratch, Signer, Sipp, until};

const SOON: Duration = Duration::from_secs(5);

#[test]
fn every_caller_is_answered_in_turn_whatever_their_carrier_signed() {
    let (authority, published) = (Authority::new(), Scratch::new("stir"));
    let line = Line::demo().with("sip.identity_certificates", published.path().display().to_string());
    let good = Signer::publish(&authority.issue("carrier", &["sp.example"]), &published, "sp.pem");
    let over = Signer::publish(&authority.issue_until("over", &["sp.example"], 2020), &published, "over.pem");
    let forger = Signer::forging(&authority.issue("forger", &["sp.example"]), "sp.pem");
    let line = line.start();
    let events = line.events();
    // Each of its own number, so that none has called before. The last is the one whom a carrier vouches for in full.
    let (mut calls, mut counted) = (Vec::new(), Vec::new());
    for (nth, (carrier, attest, ago, what)) in [
        (Some(&forger), "A", 0, "invalid"),
        (None, "", 0, "absent"),
        (Some(&good), "A", 120, "invalid"),
        (Some(&over), "A", 0, "unverifiable"),
        (Some(&good), "C", 0, "gateway"),
        (Some(&good), "B", 0, "partial"),
        (Some(&good), "A", 0, "full"),
    ]
    .into_iter()
    .enumerate()
    {
        let from = format!("+1514555012{nth}");
        let header = carrier.map(|carrier| carrier.identity(attest, ago, &from));
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
