//! SRTP with keys from SDP, as real phones speak it: heard both ways, told to the operator, and never silently left out.

use std::time::Duration;

use havre_e2e::{Authority, Baresip, Line, LineBuilder, Linphone, Process, Sipp, TOLL_FREE, havre, until};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(5);
/// Legs are measured every 2 s.
const MEASURED: Duration = Duration::from_secs(15);
/// What baresip and linphone take from our offers, or offer first.
const SUITES: [&str; 3] = ["AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM"];

/// The demo, whose trunk and advocates are to be like this.
fn line(trunk: &str, advocates: &str) -> LineBuilder {
    let mut line = Line::demo();
    for (key, value) in [("trunks.0.srtp", trunk), ("agents.0.srtp", advocates), ("agents.1.srtp", advocates)]
    {
        line.set(key, value);
    }
    line
}

/// Waits until the API says with which suites the one call's legs are protected.
#[track_caller]
fn suites(line: &Line) -> [Option<String>; 2] {
    until("both legs measured", MEASURED, || {
        let call = line.api().calls().into_iter().next()?;
        let suite = |side: &str| {
            let quality = &call[side]["quality"];
            quality.is_object().then(|| quality["srtp"].as_str().map(str::to_owned))
        };
        Some([suite("caller")?, suite("advocate")?])
    })
}

#[track_caller]
fn assert_secure(suites: &[Option<String>]) {
    let known = |suite: &Option<String>| suite.as_deref().is_some_and(|suite| SUITES.contains(&suite));
    assert!(suites.iter().all(known), "{suites:?}");
}

#[test]
fn baresips_talk_in_secret_where_it_is_offered() {
    let line = line("offered", "offered").start();
    let events = line.events();
    let advocate = Baresip::advocate(&line, "advocate-en", 700.0).encrypted("srtp").start();
    line.api().wait_for_state("advocate-en", "ready");
    // Beside plain RTP, and as its only profile.
    for (nth, mode) in [(1, "srtp"), (2, "srtp-mand")] {
        let mut caller = Baresip::caller(440.0).encrypted(mode).start();
        caller.dial_line(&line, TOLL_FREE);
        caller.talks(SOON);
        caller.press("1");
        events.wait("answered", nth, SOON);
        caller.hears_tone(700.0, SOON);
        advocate.hears_tone(440.0, SOON);
        assert_secure(&suites(&line));
        caller.hang_up();
        line.api().wait_for_state("advocate-en", "ready");
    }
    // The record says so as well.
    let (_, last) = events.wait("quality", 1, SOON);
    assert!(last["quality"]["srtp"].is_string(), "{last}");
    assert!(advocate.wire().contains("a=crypto:1 AEAD_AES_256_GCM inline:"), "what the line offers");
}

#[test]
fn a_phone_that_speaks_only_srtp_answers_where_it_is_required() {
    let line = line("off", "required").start();
    let events = line.events();
    let advocate = Baresip::advocate(&line, "advocate-en", 700.0).encrypted("srtp-mand").start();
    line.api().wait_for_state("advocate-en", "ready");
    let mut caller = Baresip::caller(440.0).start();
    caller.dial_line(&line, TOLL_FREE);
    caller.talks(SOON);
    caller.press("1");
    assert_eq!(events.answered_by(1, SOON), "advocate-en");
    caller.hears_tone(700.0, SOON);
    advocate.hears_tone(440.0, SOON);
    let [plain, secret] = suites(&line);
    assert_eq!(plain, None);
    assert_secure(&[secret]);
}

#[test]
fn a_plain_phone_is_not_talked_to_in_the_clear_where_srtp_is_required() {
    let line = line("off", "required").start();
    let events = line.events();
    let _plain = Baresip::advocate(&line, "advocate-en", 700.0).start();
    line.api().wait_for_state("advocate-en", "ready");
    let mut caller = Baresip::caller(440.0).start();
    caller.dial_line(&line, TOLL_FREE);
    caller.talks(SOON);
    caller.press("1");
    let (_, withdrawn) = events.wait("withdrawn", 1, SOON);
    assert_eq!(withdrawn["why"].as_str(), Some("phone_failed"), "{withdrawn}");
    until("the board to say so", SOON, || {
        let told = |agent: &Value| agent["id"] == "advocate-en" && agent["reason"] == "phone_failed";
        line.api().json("/api/v1/agents")["agents"].as_array()?.iter().any(told).then_some(())
    });
    assert!(!caller.has_hung_up() && events.of("answered").is_empty(), "{}", events.log());
}

#[test]
fn linphone_speaks_srtp_as_a_caller_and_as_an_advocate() {
    let line = line("offered", "required").start();
    let events = line.events();
    let mut advocate = Linphone::start_encrypted(900.0);
    advocate.register(&line, "advocate-fr");
    line.api().wait_for_state("advocate-fr", "ready");
    let mut caller = Linphone::start_encrypted(440.0);
    caller.dial_line(&line, TOLL_FREE);
    caller.talks(SOON);
    caller.press('2');
    assert_eq!(events.answered_by(1, SOON), "advocate-fr");
    advocate.talks(SOON);
    advocate.hears_tone(440.0, SOON * 2);
    caller.hears_tone(900.0, SOON * 2);
    assert_secure(&suites(&line));
    caller.hang_up();
    events.wait("ended", 1, SOON);
}

#[test]
fn nothing_of_a_call_over_tls_and_srtp_goes_in_clear() {
    let authority = Authority::new();
    let line = line("required", "required").secure(&authority).start();
    let events = line.events();
    let over_tls = |user: &str| format!("sip:{user}@{};transport=tls", line.sip_tls());
    let mut linphone = Linphone::start_private(900.0, &authority);
    linphone.register_secure(&line, "advocate-fr");
    line.api().wait_for_state("advocate-fr", "ready");
    let mut caller = Baresip::caller(440.0).encrypted("srtp-mand").over_tls(&line, &authority).start();
    caller.dial(&over_tls(TOLL_FREE));
    caller.talks(SOON);
    caller.press("2");
    assert_eq!(events.answered_by(1, SOON), "advocate-fr");
    linphone.talks(SOON);
    linphone.hears_tone(440.0, SOON * 2);
    caller.hears_tone(900.0, SOON * 2);
    assert_secure(&suites(&line));
    let wire = caller.wire();
    assert!(wire.contains("SIP/2.0/TLS") && wire.contains("RTP/SAVP "), "{wire}");
    caller.hang_up();
    events.wait("ended", 1, SOON);

    // The other way round: linphone calls, baresip is rung.
    let advocate = Baresip::advocate(&line, "advocate-en", 700.0)
        .encrypted("srtp-mand")
        .over_tls(&line, &authority)
        .start();
    line.api().wait_for_state("advocate-en", "ready");
    let mut caller = Linphone::start_private(550.0, &authority);
    caller.dial(&over_tls(TOLL_FREE));
    caller.talks(SOON);
    caller.press('1');
    assert_eq!(events.answered_by(2, SOON), "advocate-en");
    advocate.hears_tone(550.0, SOON * 2);
    caller.hears_tone(700.0, SOON * 2);
    assert_secure(&suites(&line));
    let wire = advocate.wire();
    assert!(wire.contains("SIP/2.0/TLS") && wire.contains("RTP/SAVP "), "{wire}");
    caller.hang_up();
}

#[test]
fn what_a_trunk_requires_or_forbids_is_refused_and_counted() {
    let refused = |line: &Line, why: &str| {
        until("the refusal to be counted", SOON, || {
            let counted = line.api().metric("havre_component_events_total", "not_secure") >= 1.0;
            counted.then_some(())
        });
        assert!(line.api().metric("havre_trunk_errors_total", why) >= 1.0, "{why}");
    };
    let strict = line("required", "off").start();
    let mut plain = Sipp::new("refused").start(strict.sip());
    plain.hears("SIP/2.0 488", SOON);
    plain.finish(SOON);
    refused(&strict, "no SRTP keys");

    let open = line("off", "off").start();
    let mut secret = Baresip::caller(440.0).encrypted("srtp-mand").start();
    secret.dial_line(&open, TOLL_FREE);
    until("488 at the phone", SOON, || secret.wire().contains("SIP/2.0 488").then_some(()));
    refused(&open, "SRTP is off");
}

#[test]
fn the_terminal_phones_speak_srtp_and_say_so() {
    let line = line("required", "required").start();
    let mut command = havre();
    command.args(["answer", "--as", "advocate-en", "--srtp", "offered", "--config"]).arg(line.config());
    let advocate = Process::spawn("havre answer", &mut command);
    line.api().wait_for_state("advocate-en", "ready");
    let call = |srtp: &str| {
        let mut command = havre();
        command.args(["call", "--keys", "1", "--advocate", "--srtp", srtp, "--json", "--config"]);
        Process::spawn("havre call", command.arg(line.config()))
    };
    let mut caller = call("required");
    let status = caller.wait(SOON * 6);
    assert!(status.success(), "{}\n{}", caller.output(), advocate.output());
    let answered = caller.output();
    let answered = answered.lines().find_map(|row| {
        let row: Value = serde_json::from_str(row).ok()?;
        row["srtp"].as_str().map(str::to_owned)
    });
    assert_secure(&[answered]);
    assert!(advocate.output().contains("AEAD_AES_256_GCM"), "{}", advocate.output());
    // Without keys: refused, and told why.
    let mut plain = call("off");
    assert!(!plain.wait(SOON * 6).success());
    assert!(plain.output().contains("--srtp"), "{}", plain.output());
}
