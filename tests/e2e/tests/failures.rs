//! What breaks: an advocate's phone in the talk, and Redis. The caller is kept through all of it.

use std::time::{Duration, Instant};

use havre_e2e::{Baresip, Line, Linphone, Media, Redis, Run, Sipp, TOLL_FREE, holds_for, until};

const SOON: Duration = Duration::from_secs(5);
/// From the loss of the advocate's phone to the caller's new place in the line (caller-journey, Offers).
const REQUEUED: Duration = Duration::from_secs(10);

#[test]
fn an_advocate_s_phone_without_power_brings_the_caller_to_the_next_advocate() {
    let line = Line::demo().start();
    let events = line.events();
    let mut first = line.advocate("advocate-en", 700.0);
    let second = line.advocate("advocate-bi", 900.0);
    let (mut call, media) = carrier_call(&line);
    assert_eq!(events.answered_by(1, SOON), "advocate-en");
    media.hears_tone(700.0, SOON);
    let lost = Instant::now();
    first.lose_power();
    let back = events.wait("rejoined", 1, REQUEUED + SOON);
    assert!(back.0 - lost <= REQUEUED, "requeued after {:?}", back.0 - lost);
    assert_eq!(back.1["language"].as_str(), Some("en"), "the language is kept: {}", back.1);
    assert_eq!(back.1["risk"].as_str(), Some("elevated"), "{}", back.1);
    assert_eq!(events.of("agent_lost").len(), 1, "{}", events.log());
    assert_eq!(events.answered_by(2, SOON * 4), "advocate-bi");
    media.hears_tone(900.0, SOON);
    second.hears_tone(440.0, SOON);
    call.cue();
    call.finish(SOON);
    let (_, ended) = events.wait("ended", 1, SOON);
    assert_eq!(ended["outcome"].as_str(), Some("answered"), "{ended}");
}

#[test]
fn a_frozen_phone_is_found_out_by_a_probe_and_the_caller_hears_sound_from_three_seconds_on() {
    let line = Line::demo().start();
    let events = line.events();
    let first = line.advocate("advocate-en", 700.0);
    let (mut call, media) = carrier_call(&line);
    events.answered_by(1, SOON);
    media.hears_tone(700.0, SOON);
    let frozen = Instant::now();
    first.freeze();
    until("sound again", Duration::from_millis(4_000), || {
        let quiet = media.quiet_for()?;
        (frozen.elapsed() > SOON / 5 && quiet < Duration::from_millis(100)).then_some(())
    });
    let (back, _) = events.wait("rejoined", 1, REQUEUED + SOON);
    assert!(back - frozen <= REQUEUED, "requeued after {:?}", back - frozen);
    assert!(call.runs(), "the caller is kept");
    call.cue();
    call.finish(SOON);
}

#[test]
fn a_phone_that_hangs_up_because_it_may_not_transfer_costs_no_caller() {
    let line = Line::demo().start();
    let events = line.events();
    let (mut first, _audio) = Sipp::phone(&line, "advocate-en", "advocate_refers");
    let (mut call, media) = carrier_call(&line);
    assert_eq!(events.answered_by(1, SOON), "advocate-en");
    let second = line.advocate("advocate-bi", 900.0);
    first.finish(SOON);
    let (_, back) = events.wait("rejoined", 1, SOON);
    assert_eq!((back["language"].as_str(), back["risk"].as_str()), (Some("en"), Some("elevated")), "{back}");
    assert_eq!(events.answered_by(2, SOON * 4), "advocate-bi");
    media.hears_tone(900.0, SOON);
    second.hears_tone(440.0, SOON);
    call.cue();
    call.finish(SOON);
}

/// It hangs up by itself, at once: the caller is for the next advocate, and not hung up on.
#[test]
fn a_baresip_that_may_not_transfer_costs_no_caller() {
    let line = Line::demo().start();
    let events = line.events();
    let mut first = line.advocate("advocate-en", 700.0);
    let (mut call, media) = carrier_call(&line);
    assert_eq!(events.answered_by(1, SOON), "advocate-en");
    media.hears_tone(700.0, SOON);
    let _second = line.advocate("advocate-bi", 900.0);
    let colleague = Baresip::answering_machine(500.0).start();
    first.transfer(&format!("sip:machine@{}", colleague.host().at(5060)));
    events.wait("rejoined", 1, SOON);
    // Its phone is there: it may be rung again, after the usual pause.
    line.api().wait_for_state("advocate-en", "ready");
    assert_eq!(events.answered_by(2, SOON * 4), "advocate-bi");
    media.hears_tone(900.0, SOON);
    assert!(colleague.seen("CALL_ESTABLISHED").is_empty(), "the line calls nobody for a phone");
    call.cue();
    call.finish(SOON);
}

/// It stays in its talk, blindly or after it has asked the colleague, and the advocate goes on with the caller.
#[test]
fn a_linphone_that_may_not_transfer_keeps_its_caller() {
    let line = Line::demo().start();
    let events = line.events();
    let mut phone = Linphone::start(900.0);
    phone.register(&line, "advocate-en");
    line.api().wait_for_state("advocate-en", "ready");
    let (mut call, media) = carrier_call(&line);
    assert_eq!(events.answered_by(1, SOON), "advocate-en");
    phone.talks(SOON);
    media.hears_tone(900.0, SOON * 2);
    let colleague = Baresip::answering_machine(500.0).start();
    let to = format!("sip:machine@{}", colleague.host().at(5060));
    let refused = |count: f64| {
        until("the transfer to be refused", SOON, || {
            let refusals = line.api().metric("havre_sip_responses_total", "code=\"405\"");
            (refusals >= count).then_some(())
        });
    };
    phone.orders(&format!("transfer {to}"));
    refused(1.0);
    media.hears_tone(900.0, SOON);
    phone.orders("pause 1");
    phone.says("is now paused", SOON);
    phone.orders(&format!("call {to}"));
    colleague.talks(SOON);
    phone.orders("transfer 1 2");
    refused(2.0);
    holds_for("nobody is hung up on", Duration::from_secs(2), || {
        !colleague.has_hung_up() && events.of("agent_lost").is_empty() && events.of("ended").is_empty()
    });
    phone.orders("terminate 2");
    phone.orders("resume 1");
    media.hears_tone(900.0, SOON * 2);
    assert!(call.runs(), "the caller is kept");
    call.cue();
    call.finish(SOON);
}

#[test]
fn a_log_that_nobody_reads_keeps_no_caller_waiting() {
    let (line, _unread) = Line::demo().with("log.level", "debug").start_unread();
    let events = line.events();
    let advocate = line.advocate("advocate-en", 700.0);
    let (mut call, media) = carrier_call(&line);
    assert_eq!(events.answered_by(1, SOON), "advocate-en");
    media.hears_tone(700.0, SOON);
    advocate.hears_tone(440.0, SOON);
    call.cue();
    call.finish(SOON);
}

#[test]
fn a_muted_phone_that_answers_the_probe_is_alive() {
    let line = Line::demo().start();
    let events = line.events();
    // SIPp answers OPTIONS (option -aa), and no audio is ever sent.
    let (mut advocate, microphone) = Sipp::advocate(&line, "advocate-en");
    microphone.mute(true);
    let (mut call, _media) = carrier_call(&line);
    events.answered_by(1, SOON);
    advocate.hears("OPTIONS", SOON);
    holds_for("the talk goes on", REQUEUED, || events.of("agent_lost").is_empty());
    call.cue();
    call.finish(SOON);
    advocate.finish(SOON);
}

#[test]
fn redis_killed_in_the_talk_drops_nothing_and_is_rebuilt_when_it_is_back() {
    let mut redis = Redis::start();
    let mut line = Line::demo().with("store.url", redis.url()).start();
    let events = line.events();
    let advocate = line.advocate("advocate-en", 700.0);
    let _other = line.advocate("advocate-bi", 900.0);
    until("presence in Redis", SOON, || (redis.keys() > 0).then_some(()));
    let (mut call, media) = carrier_call(&line);
    assert_eq!(events.answered_by(1, SOON), "advocate-en");
    media.hears_tone(700.0, SOON);

    redis.kill();
    events.wait("store_down", 1, SOON);
    media.hears_tone(700.0, SOON);
    advocate.hears_tone(440.0, SOON);
    until("/ready to say what is degraded", SOON, || {
        line.api().ready().filter(|r| r.status == 200 && r.body.contains("store"))
    });

    // A caller who comes now reaches an advocate all the same.
    let (mut later, later_media) = carrier_call(&line);
    assert_eq!(events.answered_by(2, SOON), "advocate-bi");
    later_media.hears_tone(900.0, SOON);

    redis.start_again();
    events.wait("store_up", 1, SOON * 3);
    until("the state in Redis again", SOON, || (redis.keys() > 0).then_some(()));
    media.hears_tone(700.0, SOON);
    for call in [&mut call, &mut later] {
        call.cue();
        call.finish(SOON);
    }
    line.runs();
}

#[test]
fn redis_frozen_delays_an_offer_by_a_tenth_of_a_second_at_most() {
    let redis = Redis::start();
    let line = Line::demo().with("store.url", redis.url()).start();
    let events = line.events();
    let _advocate = line.advocate("advocate-en", 700.0);
    redis.freeze();
    let (mut call, media) = carrier_call(&line);
    let (joined, _) = events.wait("joined", 1, SOON);
    let (offered, _) = events.wait("offered", 1, SOON);
    // 100 ms by contract, and as much again for two busy cores and the event stream.
    assert!(offered - joined < Duration::from_millis(200), "offered after {:?}", offered - joined);
    events.answered_by(1, SOON);
    media.hears_tone(700.0, SOON);
    redis.thaw();
    events.wait("store_up", 1, SOON * 3);
    media.hears_tone(700.0, SOON);
    call.cue();
    call.finish(SOON);
}

#[test]
fn an_advocate_who_signs_off_is_signed_out_and_one_who_hangs_up_ends_the_talk() {
    let line = Line::demo().start();
    let events = line.events();
    let mut advocate = line.advocate("advocate-en", 700.0);
    let mut caller = Baresip::caller(440.0).start();
    caller.dial_line(&line, TOLL_FREE);
    caller.talks(SOON);
    caller.press("1");
    caller.hears_tone(700.0, SOON);
    advocate.hang_up();
    let (_, ended) = events.wait("ended", 1, SOON);
    assert_eq!(
        (ended["outcome"].as_str(), ended["cause"].as_str()),
        (Some("answered"), Some("agent_hung_up")),
        "{ended}"
    );
    until("the caller to be hung up on", SOON, || caller.has_hung_up().then_some(()));
    advocate.switch_off();
    line.api().wait_for_state("advocate-en", "signed_out");
}

#[test]
fn without_free_ports_new_calls_get_503_and_the_talk_goes_on() {
    // Two pairs: the caller's leg and the advocate's.
    let line = Line::demo().with("node.shards", 1).with("rtp.ports", "20000-20003").start();
    let events = line.events();
    let _advocate = line.advocate("advocate-en", 700.0);
    let (mut call, media) = carrier_call(&line);
    events.answered_by(1, SOON);
    media.hears_tone(700.0, SOON);
    for _ in 0..3 {
        Sipp::new("refused").start(line.sip()).hears("SIP/2.0 503", SOON);
    }
    let before = media.received();
    until("the talk to go on", SOON, || (media.received() > before + 50).then_some(()));
    media.hears_tone(700.0, SOON);
    call.cue();
    call.finish(SOON);
    // The ports rest for a while and are there for the next call.
    until("a call to be taken again", SOON * 4, || {
        let call = Sipp::new("short_call").with("-m", "1").with("-d", "100").audio(30_000).start(line.sip());
        let answer = until("an answer", SOON, || {
            call.received().into_iter().find(|message| !message.starts_with("SIP/2.0 1"))
        });
        answer.starts_with("SIP/2.0 200").then_some(())
    });
}

/// A carrier's call that sends 440 Hz and pressed 1.
fn carrier_call(line: &Line) -> (Run, Media) {
    Sipp::caller(line, "1")
}
