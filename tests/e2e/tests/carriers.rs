//! What carriers send: other transports, late offers, hold, numbers in their own spelling, and what is refused.

use std::time::Duration;

use havre_e2e::{Host, Line, Media, Scratch, Sipp, holds_for, until};
use toml_value::{list, table};

const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_call_over_tcp() {
    let line = Line::demo().start();
    let events = line.events();
    let host = Host::claim();
    let media = Media::open(host.ip(), None);
    let mut call = Sipp::new("short_call")
        .over_tcp()
        .on_host(host, 5060)
        .audio(media.port())
        .with("-d", "1500")
        .start(line.sip());
    until("the greeting", SOON, || media.first_packet());
    media.press("1");
    events.wait("joined", 1, SOON);
    call.finish(SOON);
    events.wait("ended", 1, SOON);
}

#[test]
fn behind_nat_peers_are_told_the_public_address_alone() {
    let builder = Line::demo();
    let inner = builder.sip().ip().to_string();
    let told = table(&[(&inner, "203.0.113.10".into())], &[]);
    let line = builder.with("sip.advertise", told).with("rtp.advertise", "203.0.113.11").start();
    let mut call = Sipp::new("caller").start(line.sip());
    let answer = call.hears("SIP/2.0 200 OK", SOON);
    assert!(answer.contains("203.0.113.10:") && answer.contains("c=IN IP4 203.0.113.11"), "{answer}");
    // Via and To are the caller's own words, given back.
    let ours = answer.lines().filter(|row| !row.starts_with("Via:") && !row.starts_with("To:"));
    assert!(ours.clone().count() > 8 && ours.clone().all(|row| !row.contains(&inner)), "{answer}");
    call.cue();
    call.finish(SOON);
}

#[test]
fn a_late_offer_hears_the_greeting_too() {
    let line = Line::demo().start();
    let events = line.events();
    let host = Host::claim();
    let media = Media::open(host.ip(), None);
    let mut call = Sipp::new("late_offer").on_host(host, 5060).audio(media.port()).start(line.sip());
    until("the greeting", SOON, || media.first_packet());
    media.press("2");
    events.wait("joined", 1, SOON);
    call.cue();
    call.finish(SOON);
}

#[test]
fn keys_are_heard_in_the_audio_of_a_carrier_without_telephone_events() {
    let line = Line::demo().start();
    let events = line.events();
    let advocate = line.advocate("advocate-fr", 700.0);
    let host = Host::claim();
    let media = Media::open(host.ip(), None);
    let sipp = Sipp::new("caller").without_events().on_host(host, 5060).audio(media.port());
    let mut call = sipp.start(line.sip());
    let answer = call.hears("SIP/2.0 200 OK", SOON);
    assert!(!answer.contains("telephone-event"), "{answer}");
    until("the greeting", SOON, || media.first_packet());
    media.press_as_tones("2");
    let (_, joined) = events.wait("joined", 1, SOON);
    assert_eq!(joined["language"].as_str(), Some("fr"), "{joined}");
    assert_eq!(events.answered_by(1, SOON), "advocate-fr");
    media.hears_tone(700.0, SOON);
    // While talking too: the desk is told, and the advocate hears the tones themselves.
    media.press_as_tones("1");
    events.wait("key", 1, SOON);
    assert_eq!(advocate.digits(), "", "nobody hears a key twice");
    call.cue();
    call.finish(SOON);
}

#[test]
fn hold_silences_and_resume_brings_the_sound_back() {
    let line = Line::demo().start();
    let events = line.events();
    let advocate = line.advocate("advocate-en", 700.0);
    let host = Host::claim();
    let media = Media::open(host.ip(), Some((440.0, -12.0)));
    let mut call = Sipp::new("hold").on_host(host, 5060).audio(media.port()).start(line.sip());
    until("the greeting", SOON, || media.first_packet());
    media.press("1");
    assert_eq!(events.answered_by(1, SOON), "advocate-en");
    advocate.hears_tone(440.0, SOON);
    call.cue();
    until("silence while held", SOON, || {
        media.quiet_for().filter(|quiet| *quiet > Duration::from_millis(500))
    });
    // Held for longer than the media-loss limit: nobody is lost for it.
    holds_for("the call is kept", Duration::from_secs(4), || call.runs());
    call.cue();
    media.hears_tone(700.0, SOON);
    advocate.hears_tone(440.0, SOON);
    assert!(events.of("agent_lost").is_empty(), "{}", events.log());
    call.cue();
    call.finish(SOON);
}

#[test]
fn a_caller_who_gives_up_before_the_answer_is_cancelled() {
    let line = Line::demo()
        .with("trunks", demo_trunk(&[("ring_first", true.into())]))
        .plan("answer.after", 4)
        .start();
    let events = line.events();
    let mut call = Sipp::new("cancel").start(line.sip());
    call.hears("180 Ringing", SOON);
    call.cue();
    call.finish(SOON);
    let (_, ended) = events.wait("ended", 1, SOON);
    assert_eq!(
        (ended["outcome"].as_str(), ended["cause"].as_str()),
        (Some("abandoned"), Some("caller_cancelled")),
        "{ended}"
    );
}

#[test]
fn every_spelling_of_the_number_is_the_line_and_no_other_number_is() {
    let line = Line::demo().start();
    let events = line.events();
    for (nth, number) in ["+18335550100", "18335550100", "8335550100", "+18335550101"].into_iter().enumerate()
    {
        let mut call = Sipp::new("caller").called(number).start(line.sip());
        events.wait("picked", nth + 1, SOON);
        call.cue();
        call.finish(SOON);
    }
    for number in ["+18335550199", "911", "*40", "advocate-en"] {
        let mut call = Sipp::new("refused").called(number).start(line.sip());
        until(&format!("{number} to be refused"), SOON, || {
            call.received().into_iter().find(|m| m.starts_with("SIP/2.0 4"))
        });
        call.finish(SOON);
    }
    Sipp::new("options").start(line.sip()).finish(SOON);
}

/// RFC 5806, RFC 7044: a toll-free number is brought by way of another, which is not ours; the first one decides.
#[test]
fn a_call_that_was_diverted_to_us_is_for_the_line_that_was_dialled() {
    let line = Line::demo().start();
    let events = line.events();
    let ours = "<sip:+18335550100@carrier.example>";
    let by_way_of = "<sip:+15145559999@carrier.example>";
    let headers = [
        format!("Diversion: {ours};reason=unconditional"),
        format!("Diversion: {by_way_of};reason=time-of-day, {ours};reason=unconditional"),
        format!("History-Info: {ours};index=1, {by_way_of};index=1.1"),
    ];
    for (nth, more) in headers.iter().enumerate() {
        let mut call =
            Sipp::new("one_header_more").called("+15145559999").key("more", more).start(line.sip());
        let (_, picked) = events.wait("picked", nth + 1, SOON);
        assert!(!picked.to_string().contains("5145559999"), "{picked}");
        call.cue();
        call.finish(SOON);
    }
    let mut stray = Sipp::new("refused").called("+15145559999").start(line.sip());
    stray.hears("SIP/2.0 404", SOON);
    stray.finish(SOON);
}

/// RFC 3323: whoever withholds the number has not called before, whatever the carrier knows (RFC 3325).
#[test]
fn a_caller_who_asks_for_privacy_is_not_remembered() {
    let line = Line::demo().start();
    let events = line.events();
    let asserted = "P-Asserted-Identity: <tel:+14165550177>";
    let withheld = format!("Privacy: id\r\n      {asserted}");
    let calls =
        [(&*withheld, "standard"), (&withheld, "standard"), (asserted, "standard"), (asserted, "elevated")];
    for (nth, (more, risk)) in calls.into_iter().enumerate() {
        let host = Host::claim();
        let media = Media::open(host.ip(), None);
        let call = Sipp::new("one_header_more").on_host(host, 5060).audio(media.port());
        let mut call = call.key("from", "anonymous").key("more", more).start(line.sip());
        until("the greeting", SOON, || media.first_packet());
        media.press("1");
        let (_, joined) = events.wait("joined", nth + 1, SOON);
        assert_eq!(joined["risk"].as_str(), Some(risk), "call {nth}: {joined}");
        call.cue();
        call.finish(SOON);
        events.wait("ended", nth + 1, SOON);
    }
}

/// A carrier's signature may order a flood; a call is neither refused nor told apart by it, least of all a broken one's.
#[test]
fn whatever_a_carrier_signed_its_caller_is_answered() {
    let certificates = Scratch::new("certificates");
    let line =
        Line::demo().with("sip.identity_certificates", certificates.path().display().to_string()).start();
    let events = line.events();
    let info = ";info=<https://cert.example/sp.pem>;alg=ES256;ppt=shaken";
    let tokens = ["e30.e30.c2lnbmVk", "nonsense", "eyJhbGciOiJub25lIn0.e30."];
    for (nth, token) in tokens.into_iter().enumerate() {
        let more = format!("Identity: {token}{info}");
        let mut call = Sipp::new("one_header_more").key("more", &more).start(line.sip());
        events.wait("picked", nth + 1, SOON);
        call.cue();
        call.finish(SOON);
    }
    let counted = |name: &str| line.api().metric("havre_component_events_total", name);
    until("all of them to be counted", SOON, || {
        (counted("identity_invalid") + counted("identity_unverifiable") >= 3.0).then_some(())
    });
}

#[test]
fn a_scanner_hears_nothing_and_a_carrier_may_call_itself_what_it_likes() {
    let friend = Host::claim();
    let line =
        Line::demo().with("trunks", demo_trunk(&[("sources", list(&[&friend.ip().to_string()]))])).start();
    let scanner = Sipp::new("caller").key("agent", "friendly-scanner").start(line.sip());
    // It repeats itself, since nobody answers.
    until("the scanner to be dropped", SOON, || {
        (line.api().metric("havre_component_events_total", "scanners_dropped") >= 2.0).then_some(())
    });
    let mut known =
        Sipp::new("caller").on_host(friend, 5060).key("agent", "friendly-scanner").start(line.sip());
    known.hears("SIP/2.0 200", SOON);
    known.cue();
    known.finish(SOON);
    assert_eq!(scanner.received(), [""; 0]);
}

/// Who guesses learns neither whether the account exists nor when it is slowed down; whoever runs the line does.
#[test]
fn a_guesser_of_passwords_learns_nothing_and_is_reported() {
    let line = Line::demo().start();
    let mut heard = Vec::new();
    for user in ["advocate-en", "advocate-no"] {
        let host = Host::claim();
        let mut guesses =
            Sipp::registration(user, "guess", host).with("-m", "8").with("-l", "1").start(line.sip());
        // Each is challenged, and its answer refused by another challenge.
        heard.push(until("the guesses to be answered", SOON, || {
            let answers = guesses.received().into_iter().filter(|text| text.starts_with("SIP/2.0 401"));
            let answers: Vec<_> = answers.map(|text| blank(&text, user)).collect();
            (answers.len() >= 16).then_some(answers)
        }));
        until("SIPp to end", SOON, || (!guesses.runs()).then_some(()));
    }
    assert_eq!(heard[0][..16], heard[1][..16]);
    until("both to be reported", SOON, || {
        (line.log().matches("somebody guesses passwords of SIP accounts").count() >= 2).then_some(())
    });
    assert!(!line.log().contains("advocate-no"), "names that were tried are kept nowhere");
    // Whoever knows the password and comes from elsewhere is not kept out.
    let _host = Sipp::register(&line, "advocate-en", &line.password("advocate-en"), Host::claim());
}

/// Without what is random, or the asker's own words.
fn blank(text: &str, user: &str) -> String {
    let lines = text.lines().map(|line| match line.split_once("nonce=\"") {
        Some((before, nonce)) => format!("{before}nonce={}", nonce.len()),
        None if ["Via:", "Call-ID:", "From:"].iter().any(|name| line.starts_with(name)) => String::new(),
        None => line.replace(user, "USER").split(";tag=").next().unwrap_or_default().to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn an_unknown_source_is_forbidden() {
    let friend = Host::claim();
    let line =
        Line::demo().with("trunks", demo_trunk(&[("sources", list(&[&friend.ip().to_string()]))])).start();
    let mut stranger = Sipp::new("refused").start(line.sip());
    stranger.hears("SIP/2.0 403", SOON);
    stranger.finish(SOON);
    let mut known = Sipp::new("caller").on_host(friend, 5060).start(line.sip());
    known.hears("SIP/2.0 200", SOON);
    known.cue();
    known.finish(SOON);
    until("the refusal to be counted", SOON, || {
        (line.api().metric("havre_component_events_total", "edge_refusals") > 0.0).then_some(())
    });
}

#[test]
fn a_trunk_with_digest_is_challenged_and_a_prefix_is_stripped() {
    let trunk = demo_trunk(&[
        ("sources", list(&[])),
        ("user", "carrier".into()),
        ("password", "carrier-secret".into()),
        ("strip_prefixes", list(&["00"])),
    ]);
    let line = Line::demo().with("trunks", trunk).start();
    let sipp = |password: &str| {
        Sipp::new("digest_caller")
            .called("0018335550100")
            .with("-au", "carrier")
            .with("-ap", password)
            .with("-auth_uri", &format!("0018335550100@{}", line.sip()))
            .start(line.sip())
    };
    let mut call = sipp("carrier-secret");
    call.hears("SIP/2.0 200", SOON);
    call.cue();
    call.finish(SOON);
    // SIPp takes the second 401 for a repeated first one, and would try again for long.
    let wrong = sipp("wrong");
    until("the second challenge", SOON, || {
        wrong.received().into_iter().find(|m| m.contains("CSeq: 2 INVITE"))
    });
    assert!(wrong.received().iter().all(|m| m.starts_with("SIP/2.0 401")), "{}", wrong.messages());
}

fn demo_trunk(changes: &[(&str, toml::Value)]) -> Vec<toml::Value> {
    vec![table(&[("id", "demo".into()), ("sources", list(&["127.0.0.0/8"]))], changes)]
}

/// Small TOML values.
mod toml_value {
    use toml::{Table, Value};

    pub(super) fn list(texts: &[&str]) -> Value {
        texts.iter().map(|&t| Value::from(t)).collect::<Vec<_>>().into()
    }

    pub(super) fn table(first: &[(&str, Value)], then: &[(&str, Value)]) -> Value {
        let entries = first.iter().chain(then).map(|(k, v)| ((*k).to_owned(), v.clone()));
        Value::Table(entries.collect::<Table>())
    }
}
