//! What passed over the wire, as operators are told it: by the API, and drawn by `havre trace`.

// A helper of tests may panic as a test may.
#![allow(clippy::unwrap_used)]

use std::process::Output;
use std::time::Duration;

use havre_e2e::{Host, Line, Media, Sipp, havre, until};

const SOON: Duration = Duration::from_secs(8);
/// Nobody's number; it must be nowhere in what is told.
const NUMBER: &str = "+15145550177";

fn trace(line: &Line, arguments: &[&str]) -> Output {
    havre().arg("trace").args(arguments).arg("--config").arg(line.config()).output().unwrap()
}

#[test]
fn a_call_is_drawn_as_a_ladder_with_both_its_legs_and_nobodys_number() {
    let line = Line::demo().start();
    let events = line.events();
    let (mut phone, _audio) = Sipp::advocate(&line, "advocate-en");
    let host = Host::claim();
    let media = Media::open(host.ip(), None);
    let caller = Sipp::new("caller").key("from", NUMBER).on_host(host, 5060).audio(media.port());
    let mut caller = caller.start(line.sip());
    until("the greeting", SOON, || media.first_packet());
    media.press("1");
    events.answered_by(1, SOON);
    caller.cue();
    caller.finish(SOON);
    phone.finish(SOON);
    let (_, ended) = events.wait("ended", 1, SOON);
    let call = ended["call"].as_str().unwrap().to_owned();

    let told = line.api().json(&format!("/api/v1/calls/{call}/trace"));
    let messages: Vec<_> = told["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|message| message["again"] == false)
        .map(|message| {
            let side = if message["dialog"] == 0 { "caller" } else { "phone" };
            let arrow = if message["sent"] == true { "<" } else { ">" };
            format!("{side} {arrow} {} {}", message["method"].as_str().unwrap(), message["status"])
        })
        .collect();
    // What a whole call has, whatever crosses within it.
    for expected in [
        "caller > INVITE null",
        "caller < INVITE 100",
        "caller < INVITE 200",
        "caller > ACK null",
        "phone < INVITE null",
        "phone > INVITE 180",
        "phone > INVITE 200",
        "phone < ACK null",
        "caller > BYE null",
        "caller < BYE 200",
        "phone < BYE null",
        "phone > BYE 200",
    ] {
        assert!(messages.iter().any(|message| message == expected), "{expected}: {messages:#?}");
    }
    assert_eq!(messages[0], "caller > INVITE null");
    assert!(told["messages"].as_array().unwrap().iter().all(|m| m["transport"] == "udp"));

    let drawn = trace(&line, &[&call]);
    let text = String::from_utf8(drawn.stdout).unwrap();
    assert!(drawn.status.success(), "{text}{}", String::from_utf8_lossy(&drawn.stderr));
    for expected in ["── INVITE SDP ──", "──▶", "◀──", "── BYE ", "demo", "advocate-en", " s   │"]
    {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
    for told in [&told.to_string(), &text] {
        assert!(!told.contains("5145550177") && !told.contains("127."), "{told}");
    }
    let json = trace(&line, &[&call, "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["messages"], told["messages"]);

    let unknown = trace(&line, &["c0000000000000000"]);
    let errors = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(!unknown.status.success() && errors.contains("GET /api/v1/calls lists"), "{errors}");
}

#[test]
fn what_became_no_call_is_told_with_its_answer_and_counted() {
    let line = Line::demo().start();
    let mut refused = Sipp::new("refused").called("+18335550199").key("from", NUMBER).start(line.sip());
    refused.finish(SOON);
    let told = line.api().json("/api/v1/attempts");
    let attempt = &told["attempts"][0];
    assert_eq!((&attempt["status"], &attempt["peer"]["id"]), (&404.into(), &"demo".into()), "{told}");
    let drawn = trace(&line, &["--attempts"]);
    let text = String::from_utf8(drawn.stdout).unwrap();
    assert!(text.contains("demo: answered 404") && text.contains("404 (INVITE)"), "{text}");
    assert!(!text.contains("5145550177") && !told.to_string().contains("5145550177"), "{text}");
    until("the messages to be counted", SOON, || {
        let api = line.api();
        let refused =
            api.metric("havre_sip_responses_total", r#"direction="out",transport="udp",code="404""#);
        let invites =
            api.metric("havre_sip_requests_total", r#"direction="in",transport="udp",method="INVITE""#);
        (refused >= 1.0 && invites >= 1.0).then_some(())
    });
}
