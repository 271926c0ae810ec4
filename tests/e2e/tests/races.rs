//! Signalling as it really comes: late, twice, crossing, and with every extension that carriers use. Each scenario file
//! says what it expects; SIPp ends with an error otherwise.

use std::time::Duration;

use havre_e2e::{Host, Line, LineBuilder, Media, Signal, Sipp, until};

const SOON: Duration = Duration::from_secs(8);

/// Rings for a while before it answers.
fn ringing(seconds: u32) -> LineBuilder {
    let mut trunk = toml::Table::new();
    trunk.insert("id".into(), "demo".into());
    trunk.insert("sources".into(), toml::Value::Array(vec!["127.0.0.0/8".into()]));
    trunk.insert("ring_first".into(), true.into());
    Line::demo().with("trunks", vec![toml::Value::Table(trunk)]).plan("answer.after", i64::from(seconds))
}

/// A call by this scenario, which the caller ends at the cue, leaves nothing behind.
fn call(line: &Line, sipp: Sipp) {
    let events = line.events();
    let mut call = sipp.start(line.sip());
    events.wait("picked", 1, SOON);
    call.cue();
    call.finish(SOON);
    events.wait("ended", 1, SOON);
    until("nothing to be left", SOON, || line.api().calls().is_empty().then_some(()));
}

#[test]
fn provisional_answers_are_repeated_until_their_prack() {
    call(&ringing(2).start(), Sipp::new("prack").seeing_repetitions());
}

#[test]
fn an_update_before_the_answer_is_taken_and_an_offer_in_one_has_to_wait_for_it() {
    call(&ringing(2).start(), Sipp::new("early_update"));
}

#[test]
fn sessions_are_as_long_as_we_take_and_are_refreshed_both_ways() {
    call(&Line::demo().start(), Sipp::new("session_timer"));
}

/// RFC 3261 §14.1: whose `Call-ID` it is not tries again after 0 to 2 s. It is us here: the caller's INVITE made the call.
#[test]
fn we_refresh_a_session_and_our_offer_that_met_one_is_made_again() {
    let line = Line::demo().start();
    let events = line.events();
    let mut call = Sipp::new("glare").start(line.sip());
    events.wait("picked", 1, SOON);
    // Of the second refusal, and of the answer to ours that comes again.
    let acks = || call.received().iter().filter(|text| text.starts_with("ACK")).count();
    until("the refresh to be through", Duration::from_secs(60), || (acks() == 2).then_some(()));
    call.cue();
    call.finish(SOON);
    let log = call.log();
    let of = |start: &str, sent: bool| {
        let found = log.iter().filter(|m| m.sent == sent && m.text.starts_with(start));
        found.map(|m| m.at).collect::<Vec<_>>()
    };
    let (begun, refreshes) = (of("ACK", true)[0], of("INVITE", false));
    let (first, again) = (refreshes[0] - begun, refreshes[1] - of("SIP/2.0 491", true)[0]);
    // Half of the 90 s.
    assert!((44.0..47.0).contains(&first.as_secs_f64()), "the first after {first:?}");
    assert!(again < Duration::from_millis(2_400), "the second {again:?} after its refusal");
    assert_eq!(of("SIP/2.0 491", false).len(), 1, "theirs is refused while ours is open");
    assert_eq!(refreshes.len(), 2);
    events.wait("ended", 1, SOON);
}

#[test]
fn a_200_is_repeated_until_its_ack() {
    call(&Line::demo().start(), Sipp::new("lost_ack").seeing_repetitions());
}

#[test]
fn both_hang_up_at_once() {
    let mut line = Line::demo().start();
    let events = line.events();
    let mut call = Sipp::new("both_hang_up").start(line.sip());
    until("the ACK", SOON, || call.log().iter().any(|m| m.sent && m.text.starts_with("ACK")).then_some(()));
    events.wait("picked", 1, SOON);
    // Told twice, the line ends its calls at once.
    line.signal(Signal::Term);
    until("the first to be heard", SOON, || (line.api().ready()?.status == 503).then_some(()));
    line.signal(Signal::Term);
    call.finish(SOON);
    assert!(line.ends(SOON).success(), "{}", line.log());
}

/// How it really crosses is in `crossing.rs`: SIPp reads what is there before it writes.
#[test]
fn a_cancel_that_meets_the_200_undoes_nothing() {
    let line = Line::demo().start();
    let events = line.events();
    let mut call = Sipp::new("cancel_meets_200").seeing_repetitions().start(line.sip());
    call.finish(SOON);
    let (_, ended) = events.wait("ended", 1, SOON);
    assert_eq!(ended["cause"].as_str(), Some("caller_hung_up"), "{ended}");
    until("nothing to be left", SOON, || line.api().calls().is_empty().then_some(()));
}

#[test]
fn a_bye_on_the_heels_of_a_reinvite_ends_the_call() {
    let line = Line::demo().start();
    let events = line.events();
    Sipp::new("reinvite_bye").over_tcp().start(line.sip()).finish(SOON);
    events.wait("ended", 1, SOON);
    until("nothing to be left", SOON, || line.api().calls().is_empty().then_some(()));
}

#[test]
fn a_fork_that_answers_second_is_acknowledged_and_ended() {
    advocate("advocate_forks");
}

#[test]
fn a_phones_reliable_ringing_gets_its_prack() {
    advocate("advocate_pracked");
}

#[test]
fn a_phone_moves_its_media_by_update_before_it_answers() {
    let line = Line::demo().start();
    let events = line.events();
    let host = Sipp::register(&line, "advocate-en", &line.password("advocate-en"), Host::claim());
    line.api().wait_for_state("advocate-en", "ready");
    let audio = Media::open(host.ip(), Some((700.0, -12.0)));
    let mut phone = Sipp::new("advocate_updates").on_host(host, 5060).audio(audio.port()).start(line.sip());
    let host = Host::claim();
    let media = Media::open(host.ip(), Some((440.0, -12.0)));
    let mut caller = Sipp::new("caller").on_host(host, 5060).audio(media.port()).start(line.sip());
    until("the greeting", SOON, || media.first_packet());
    media.press("1");
    assert_eq!(events.answered_by(1, SOON), "advocate-en");
    audio.hears_tone(440.0, SOON);
    media.hears_tone(700.0, SOON);
    caller.cue();
    caller.finish(SOON);
    phone.finish(SOON);
    assert!(events.of("agent_lost").is_empty(), "{}", events.log());
}

/// A caller talks to an advocate whose phone follows this scenario, and leaves.
fn advocate(scenario: &str) {
    let line = Line::demo().start();
    let events = line.events();
    let (mut phone, _audio) = Sipp::phone(&line, "advocate-en", scenario);
    let host = Host::claim();
    let media = Media::open(host.ip(), None);
    let mut caller = Sipp::new("caller").on_host(host, 5060).audio(media.port()).start(line.sip());
    until("the greeting", SOON, || media.first_packet());
    media.press("1");
    assert_eq!(events.answered_by(1, SOON), "advocate-en");
    caller.cue();
    caller.finish(SOON);
    phone.finish(SOON);
    assert!(events.of("agent_lost").is_empty(), "{}", events.log());
}
