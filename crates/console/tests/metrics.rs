//! The metrics: what must be there, and the rules of the text format (version 0.0.4).

// A helper of tests may panic as a test may.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::{BEARER, Server};
use havre_console::CertificateTrouble;
use havre_model::{AgentState, Cause, Language, Outcome, Risk, Side, Way, What};
use hyper::Method;

#[tokio::test]
async fn what_happened_is_counted() {
    let server = Server::start().await;
    let line = &server.line;
    line.arrive_and_join(10, 1, Language::Fr, Risk::Standard);
    let agent = || "supervisor".parse().unwrap();
    line.call(22, 1, What::Answered { agent: agent(), waited: Duration::from_secs(12) });
    line.call(30, 1, What::Ended { outcome: Outcome::Answered, cause: Cause::CallerHungUp });
    line.arrive_and_join(60, 2, Language::Unknown, Risk::Urgent);
    line.call(65, 2, What::Alerted);
    for flowing in [false, true] {
        line.call(66, 2, What::OneWay { side: Side::Caller, way: Way::To, flowing });
    }
    line.arrive_and_join(80, 3, Language::En, Risk::Standard);
    line.call(90, 3, What::Ended { outcome: Outcome::Abandoned, cause: Cause::CallerHungUp });
    line.agent("supervisor", AgentState::Ready { since: common::NOW.unix });
    let ends = CertificateTrouble::EndsNow(common::NOW.unix);
    line.tell(|board| board.on_certificate(Some(ends), common::NOW.unix));
    server.ask(Method::GET, "/api/v1/calls", &[], "").await;

    let samples = samples(server.get("/metrics").await.text());
    for (sample, value) in [
        ("havre_build_info{version=\"9.8.7\"}", 1.0),
        ("havre_ready", 1.0),
        ("havre_store_up", 1.0),
        ("havre_tls_certificate_expiry_timestamp_seconds", 1_800_000_000.0),
        ("havre_calls_offered_total", 3.0),
        ("havre_calls_answered_total{language=\"fr\",risk=\"standard\"}", 1.0),
        ("havre_calls_abandoned_total{language=\"en\",risk=\"standard\"}", 1.0),
        ("havre_calls_lost_total{language=\"en\",risk=\"standard\"}", 0.0),
        ("havre_calls_in_progress{stage=\"waiting\"}", 1.0),
        ("havre_waiting_callers{language=\"unknown\",risk=\"urgent\"}", 1.0),
        ("havre_longest_wait_seconds{language=\"unknown\"}", 40.0),
        ("havre_wait_seconds_bucket{language=\"fr\",le=\"10\"}", 0.0),
        ("havre_wait_seconds_bucket{language=\"fr\",le=\"15\"}", 1.0),
        ("havre_wait_seconds_sum{language=\"fr\"}", 12.0),
        ("havre_advocates{state=\"ready\"}", 1.0),
        ("havre_advocates{state=\"signed_out\"}", 1.0),
        ("havre_supervisor_calls_total{kind=\"alert\"}", 1.0),
        ("havre_trunk_errors_total{trunk=\"demo\",reason=\"timeout\"}", 1.0),
        ("havre_transport_errors_total{transport=\"udp\"}", 4.0),
        ("havre_component_events_total{component=\"sip\",event=\"parse_error\"}", 2.0),
        ("havre_rtp_packets_lost_total", 3.0),
        ("havre_rtp_jitter_seconds_bucket{le=\"0.005\"}", 1.0),
        ("havre_leg_mos_bucket{side=\"caller\",le=\"4.34\"}", 1.0),
        ("havre_leg_mos_count{side=\"advocate\"}", 0.0),
        ("havre_alarms{kind=\"urgent_waiting\"}", 1.0),
        ("havre_alarms{kind=\"certificate_urgent\"}", 1.0),
        ("havre_alarms{kind=\"certificate_expired\"}", 0.0),
        ("havre_one_way_audio_total{side=\"caller\",way=\"to\"}", 1.0),
        ("havre_one_way_audio_total{side=\"caller\",way=\"from\"}", 0.0),
        ("havre_http_responses_total{status=\"4xx\"}", 1.0),
        ("havre_http_unauthorized_total", 1.0),
        ("havre_events_published_total", 13.0),
        ("havre_events_dropped_total", 0.0),
    ] {
        assert_eq!(samples.get(sample), Some(&value), "{sample}");
    }
    let total =
        |family: &str| -> f64 { samples.iter().filter(|(s, _)| s.starts_with(family)).map(|(_, v)| v).sum() };
    let ended = ["havre_calls_answered_total", "havre_calls_abandoned_total", "havre_calls_lost_total"];
    let ended: f64 = ended.into_iter().map(total).sum();
    assert_eq!(total("havre_calls_offered_total"), ended + total("havre_calls_in_progress"));
}

#[tokio::test]
async fn the_text_keeps_the_rules_of_the_format() {
    let server = Server::start().await;
    let reply = server.ask(Method::GET, "/metrics", &[BEARER], "").await;
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let families = families(reply.text());
    assert!(families.len() > 25);
    for (name, kind) in families {
        assert!(name.starts_with("havre_"), "{name}");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name} is a {kind}");
    }
    for wrong in [
        "x 1\n",
        "# HELP x y\n# TYPE x gauge\nx 1",
        "# HELP x y\n# TYPE x gauge\nx 1\nx 1\n",
        "# HELP x y\n# TYPE x gauge\nx{l=a} 1\n",
        "# HELP x y\n# TYPE x gauge\nx one\n",
        "# HELP x y\n# TYPE x gauge\n# HELP x y\n# TYPE x gauge\n",
    ] {
        assert!(std::panic::catch_unwind(|| families_of_wrong(wrong)).is_err(), "{wrong:?}");
    }
}

fn families_of_wrong(text: &str) {
    families(text);
}

/// Every family's name and type, having checked every line.
#[track_caller]
fn families(text: &str) -> BTreeMap<String, String> {
    assert!(text.ends_with('\n'));
    let (mut families, mut seen) = (BTreeMap::new(), BTreeSet::new());
    let mut lines = text.lines();
    let mut family = String::new();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(!words.is_empty());
            let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {name} ")).unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{kind}");
            assert!(families.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} twice");
            name.clone_into(&mut family);
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let (name, labels) =
            sample.split_once('{').map_or((sample, ""), |(n, l)| (n, l.strip_suffix('}').unwrap()));
        let suffix = name.strip_prefix(&family).unwrap();
        let suffixes: &[&str] =
            if families[&family] == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(suffixes.contains(&suffix), "{line}");
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let (key, value) = label.split_once('=').unwrap();
            assert!(key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{line}");
            assert!(value.len() >= 2 && value.starts_with('"') && value.ends_with('"'), "{line}");
        }
        assert!(seen.insert(sample.to_owned()), "{sample} twice");
    }
    families
}

fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').map(|(s, v)| (s.to_owned(), v.parse().unwrap())).unwrap())
        .collect()
}
