//! The canary: numbers planted in every field of a caller's messages come out nowhere.

use std::path::Path;
use std::time::Duration;

use havre_e2e::canary::Canaries;
use havre_e2e::{Events, Host, Line, Media, Redis, Run, Signal, Sipp, TOKEN, havre, until};

const SOON: Duration = Duration::from_secs(5);

/// Keyword of `canary.xml` (and `cid`, the Call-ID) and the number that it carries. No digits in common with
/// anything that legitimately appears.
const PLANTED: [(&str, &str); 12] = [
    ("c_from", "+15146929371"),
    ("c_display", "Zoe Wxqvz 15147383942"),
    ("c_contact", "15148474953"),
    ("c_pai", "+15149565964"),
    ("c_rpid", "+14386656975"),
    ("c_diversion", "+14387747986"),
    ("c_history", "+14388838997"),
    ("c_reason", "caller 14389929308"),
    ("c_agent", "14506391319"),
    ("c_subject", "14507482320"),
    ("c_sdp", "14508573431"),
    ("c_body", "14509664542"),
];
const CALL_ID: &str = "15797755653";

#[test]
fn nothing_of_the_caller_comes_out_anywhere() {
    let redis = Redis::start();
    let commands = redis.monitor();
    let mut line = Line::demo().with("store.url", redis.url()).with("log.level", "trace").start();
    let events = line.events();
    let mut first = line.advocate("advocate-en", 700.0);
    let (second, _microphone) = Sipp::advocate(&line, "advocate-bi");
    let mut evidence = Evidence::default();

    // Greeting, talk with a real phone, its loss, waiting, talk with a second one, which hands over to a third, the end.
    let (mut call, media) = canary_call(&line);
    until("the greeting", SOON, || media.first_packet());
    evidence.look(&line, Some(&redis), &events, "in the greeting");
    media.press("1");
    assert_eq!(events.answered_by(1, SOON), "advocate-en");
    media.press("3");
    events.wait("key", 1, SOON);
    evidence.look(&line, Some(&redis), &events, "in the talk");
    first.lose_power();
    events.wait("rejoined", 1, SOON * 3);
    evidence.look(&line, Some(&redis), &events, "after the loss");
    assert_eq!(events.answered_by(2, SOON * 4), "advocate-bi");
    let host = Host::claim();
    let audio = Media::open(host.ip(), None);
    let mut third = Sipp::other_device(&line, "advocate-bi", "take_over", host, &second.dialog())
        .audio(audio.port())
        .start(line.sip());
    events.wait("agent_moved", 1, SOON);
    audio.hears_tone(440.0, SOON);
    evidence.look(&line, Some(&redis), &events, "after a take-over");
    send_info_and_hang_up(&mut call);
    third.finish(SOON);
    events.wait("ended", 1, SOON);
    evidence.look(&line, Some(&redis), &events, "after the end");

    // A redial, and a call that is refused.
    let (mut again, media) = canary_call(&line);
    until("the greeting", SOON, || media.first_packet());
    media.press("7");
    events.wait("joined", 2, SOON);
    evidence.look(&line, Some(&redis), &events, "in the redial");
    send_info_and_hang_up(&mut again);
    planted(Sipp::new("canary").called(CALL_ID)).start(line.sip()).hears("SIP/2.0 404", SOON);
    evidence.look(&line, Some(&redis), &events, "after a refusal");

    let report = havre().args(["report", "--config"]).arg(line.config()).output().expect("havre");
    evidence.add("havre report", [report.stdout, report.stderr].concat());
    evidence.add("the event stream", events.log());
    evidence.add("the advocate's baresip", first.wire());
    evidence.add("the advocate's SIPp", second.messages());
    evidence.add("the device that took over", third.messages());
    evidence.add("Redis' commands", commands.lock().unwrap().clone());
    line.signal(Signal::Term);
    // A phone without power is told goodbye for 32 s (RFC 3261, timer F): `node.drain` may pass.
    assert!(line.ends(SOON * 9).success());
    evidence.add("the log", line.log());
    evidence.add_files(line.files());
    evidence.holds_no_canary(&call.messages());
}

/// The telephone of a person on call is on a network that is not ours, and may be answered by anybody.
#[test]
fn nothing_of_the_caller_goes_out_to_a_telephone() {
    let carrier = Host::claim();
    let mut outbound = toml::Table::new();
    outbound.insert("peer".into(), carrier.at(5060).to_string().into());
    outbound.insert("options_every".into(), 0.into());
    let line = Line::demo().on_call("+14165550199", &[("carrier", outbound)]).with("log.level", "trace");
    let mut line = line.start();
    let events = line.events();
    let mut evidence = Evidence::default();
    let telephone = Media::open(carrier.ip(), Some((700.0, -12.0)));
    let mut far = Sipp::new("advocate").on_host(carrier, 5060).audio(telephone.port()).start(line.sip());
    let (mut call, media) = canary_call(&line);
    until("the greeting", SOON, || media.first_packet());
    media.press("5");
    far.hears("ACK sip:", SOON * 4);
    evidence.look(&line, None, &events, "while the telephone is asked");
    telephone.press("1");
    assert_eq!(events.answered_by(1, SOON * 4), "on-call");
    media.hears_tone(700.0, SOON);
    media.press("3");
    events.wait("key", 1, SOON);
    evidence.look(&line, None, &events, "in the talk with the telephone");
    send_info_and_hang_up(&mut call);
    far.finish(SOON);
    events.wait("ended", 1, SOON);
    evidence.look(&line, None, &events, "after the end");
    let trunk = far.messages();
    assert!(trunk.contains("INVITE sip:+14165550199@"), "{trunk}");
    evidence.add("the trunk of the telephone", trunk);
    evidence.add("the event stream", events.log());
    line.signal(Signal::Term);
    assert!(line.ends(SOON * 2).success());
    evidence.add("the log", line.log());
    evidence.add_files(line.files());
    evidence.holds_no_canary(&call.messages());
}

/// Everything that could hold a trace of the caller, with the place where it was found.
#[derive(Default)]
struct Evidence(Vec<(String, Vec<u8>)>);

impl Evidence {
    fn add(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.push((place.into(), bytes.into()));
    }

    /// Everything that the API and Redis, if there is one, say at this stage of the call.
    fn look(&mut self, line: &Line, redis: Option<&Redis>, events: &Events, stage: &str) {
        let fixed = [
            "/health",
            "/ready",
            "/metrics",
            "/openapi.json",
            "/",
            "/api/v1/queues",
            "/api/v1/calls",
            "/api/v1/agents",
            "/api/v1/board",
            "/api/v1/trunks",
            "/api/v1/attempts",
        ];
        let calls = events.calls().into_iter();
        let calls = calls.flat_map(|id| [format!("/api/v1/calls/{id}"), format!("/api/v1/calls/{id}/trace")]);
        for path in fixed.into_iter().map(str::to_owned).chain(calls) {
            let reply = line.api().get(&path);
            self.add(format!("GET {path} {stage}"), reply.head + &reply.body);
        }
        if let Some(redis) = redis {
            self.add(format!("Redis {stage}"), redis.dump());
        }
    }

    fn add_files(&mut self, directory: &Path) {
        for entry in std::fs::read_dir(directory).expect("the line's own directory") {
            let path = entry.expect("an entry of it").path();
            if path.is_dir() {
                self.add_files(&path);
            } else {
                self.add(path.display().to_string(), std::fs::read(&path).expect("a file of it"));
            }
        }
    }

    #[track_caller]
    fn holds_no_canary(&self, own_messages: &str) {
        let keys = [TOKEN, "havre", "demo", "node-1", "demo-en", "demo-bi", ""];
        let texts: Vec<(&str, &str)> =
            PLANTED.into_iter().chain([("Call-ID", CALL_ID), ("name", "Wxqvz")]).collect();
        let canaries = Canaries::new(&texts, &keys);
        assert!(canaries.count() > 1_000, "the search has become smaller");
        // The search must be able to find: the caller's own messages are full of them.
        let own = canaries.search("the caller's own messages", own_messages.as_bytes());
        for (name, _) in texts {
            assert!(own.iter().any(|f| f.what == format!("{name} plain")), "{name} was not planted");
        }
        let bytes: usize = self.0.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes > 50_000, "only {bytes} bytes were searched");
        let found: Vec<_> = self.0.iter().flat_map(|(place, bytes)| canaries.search(place, bytes)).collect();
        assert!(
            found.is_empty(),
            "{} leaks, the first of them: {:#?}",
            found.len(),
            &found[..found.len().min(5)]
        );
    }
}

fn canary_call(line: &Line) -> (Run, Media) {
    let host = Host::claim();
    let media = Media::open(host.ip(), Some((440.0, -12.0)));
    let sipp = planted(Sipp::new("canary").on_host(host, 5060).audio(media.port()));
    (sipp.start(line.sip()), media)
}

fn planted(sipp: Sipp) -> Sipp {
    PLANTED.iter().fold(sipp.call_id(CALL_ID), |sipp, (name, value)| sipp.key(name, value))
}

/// The first cue sends the INFO with a body, the second the BYE.
fn send_info_and_hang_up(call: &mut Run) {
    call.cue();
    until("the INFO's answer", SOON, || call.received().iter().any(|m| m.contains(" 2 INFO")).then_some(()));
    call.cue();
    call.finish(SOON);
}

#[test]
fn a_withheld_number_is_treated_like_any_other() {
    let line = Line::demo().start();
    let events = line.events();
    let _advocate = line.advocate("advocate-en", 700.0);
    let host = Host::claim();
    let media = Media::open(host.ip(), None);
    let mut call = Sipp::new("caller")
        .on_host(host, 5060)
        .audio(media.port())
        .key("from", "anonymous")
        .start(line.sip());
    until("the greeting", SOON, || media.first_packet());
    media.press("1");
    assert_eq!(events.answered_by(1, SOON), "advocate-en");
    call.cue();
    call.finish(SOON);
}
