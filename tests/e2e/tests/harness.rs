//! The bench itself, without a line: phones, SIPp and Redis do what the other tests believe that they do. If one of
//! these fails, look here first.

use std::time::Duration;

use havre_e2e::{Baresip, Host, Linphone, Media, Redis, Sipp, audio, holds_for, until};

const SOON: Duration = Duration::from_secs(10);
const HALF: Duration = Duration::from_millis(500);

#[test]
fn two_phones_hear_each_other_s_tone_at_its_level_and_keys() {
    for (codec, tolerance) in [("PCMU", 0.5), ("PCMA", 0.5), ("G722", 1.5)] {
        let with = |setup: havre_e2e::PhoneSetup| match codec {
            "PCMA" => setup.pcma(),
            "G722" => setup.g722(),
            _ => setup,
        };
        let mut caller = with(Baresip::caller(440.0)).start();
        let callee = with(Baresip::answering_machine(1_000.0)).start();
        caller.dial(&format!("sip:machine@{}", callee.host().ip()));
        caller.talks(SOON);
        for heard in [callee.hears_tone(440.0, SOON), caller.hears_tone(1_000.0, SOON)] {
            assert!((heard.dbfs + 12.0).abs() < tolerance, "{codec}: {heard:?}");
        }
        caller.press("5");
        until("the key to arrive", SOON, || (callee.digits() == "5").then_some(()));
        caller.hang_up();
        until("the callee to be hung up on", SOON, || callee.has_hung_up().then_some(()));
    }
}

#[test]
fn a_phone_without_power_says_nothing() {
    let mut caller = Baresip::caller(440.0).start();
    let mut callee = Baresip::answering_machine(1_000.0).start();
    caller.dial(&format!("sip:machine@{}", callee.host().ip()));
    caller.hears_tone(1_000.0, SOON);
    callee.lose_power();
    holds_for("no BYE from a dead phone", Duration::from_secs(1), || !caller.has_hung_up());
}

#[test]
fn sipp_calls_a_phone_and_our_media_sends_a_tone_and_keys_and_hears_one() {
    let phone = Baresip::answering_machine(1_000.0).start();
    let host = Host::claim();
    let media = Media::open(host.ip(), Some((440.0, -12.0)));
    let mut call = Sipp::new("caller")
        .called("machine")
        .on_host(host, 5060)
        .audio(media.port())
        .start(phone.host().at(5060));
    let heard = until("the phone's tone", SOON, || media.tone(HALF).filter(|t| (t.hz - 1_000.0).abs() < 3.0));
    assert!((heard.dbfs + 12.0).abs() < 0.5 && heard.purity > 15.0, "{heard:?}");
    phone.hears_tone(440.0, SOON);
    media.press("42#");
    until("the keys", SOON, || (phone.digits() == "42#").then_some(()));
    phone.hears_tone(440.0, SOON);
    media.mute(true);
    assert!(call.runs());
    call.cue();
    call.finish(SOON);
    until("the phone to be hung up on", SOON, || phone.has_hung_up().then_some(()));
    assert_eq!(media.strangers(), 0);
}

#[test]
fn sipp_over_tcp_and_a_late_offer() {
    let phone = Baresip::answering_machine(1_000.0).start();
    Sipp::new("short_call")
        .called("machine")
        .over_tcp()
        .with("-d", "200")
        .start(phone.host().at(5060))
        .finish(SOON);
    let mut late = Sipp::new("late_offer").called("machine").start(phone.host().at(5060));
    late.hears("m=audio", SOON);
    late.cue();
    late.finish(SOON);
}

#[test]
fn sipp_holds_and_resumes() {
    let phone = Baresip::answering_machine(1_000.0).start();
    let host = Host::claim();
    let media = Media::open(host.ip(), Some((440.0, -12.0)));
    let mut call = Sipp::new("hold")
        .called("machine")
        .on_host(host, 5060)
        .audio(media.port())
        .start(phone.host().at(5060));
    until("the phone's tone", SOON, || media.tone(HALF));
    call.cue();
    until("silence while held", SOON, || media.quiet_for().filter(|q| *q > HALF));
    call.cue();
    until("the tone again", SOON, || media.quiet_for().filter(|q| *q < HALF / 5));
    call.cue();
    call.finish(SOON);
}

#[test]
fn a_sipp_advocate_answers_declines_and_is_cancelled() {
    let advocate = Host::claim();
    let at = advocate.at(5060);
    let mut advocate = Sipp::new("advocate").on_host(advocate, 5060).start(at);
    until("the advocate to listen", SOON, || udp_port_is_taken(at).then_some(()));
    let mut call = Sipp::new("caller").start(at);
    call.hears("200 OK", SOON);
    call.cue();
    call.finish(SOON);
    advocate.finish(SOON);

    let host = Host::claim();
    let at = host.at(5060);
    let mut advocate = Sipp::new("advocate_rings").on_host(host, 5060).start(at);
    until("the advocate to listen", SOON, || udp_port_is_taken(at).then_some(()));
    let mut call = Sipp::new("cancel").start(at);
    call.hears("180 Ringing", SOON);
    call.cue();
    call.finish(SOON);
    advocate.finish(SOON);
}

#[test]
fn linphone_calls_a_phone_and_both_hear_a_tone() {
    let phone = Baresip::answering_machine(1_000.0).start();
    let mut linphone = Linphone::start(440.0);
    linphone.dial(&format!("sip:machine@{}", phone.host().ip()));
    linphone.talks(SOON);
    phone.hears_tone(440.0, SOON);
    linphone.hears_tone(1_000.0, SOON);
    linphone.press('7');
    until("the key", SOON, || (phone.digits() == "7").then_some(()));
    linphone.hang_up();
    until("the phone to be hung up on", SOON, || phone.has_hung_up().then_some(()));
}

#[test]
fn redis_freezes_thaws_dies_and_comes_back_empty() {
    let mut redis = Redis::start();
    let seen = redis.monitor();
    assert_eq!(redis.ask("SET canary 5145559317").as_deref(), Some("+OK"));
    assert_eq!(redis.keys(), 1);
    until("MONITOR to show it", SOON, || seen.lock().unwrap().contains("5145559317").then_some(()));
    assert!(redis.dump().windows(10).any(|w| w == b"5145559317"));
    redis.freeze();
    redis.thaw();
    assert_eq!(redis.ask("PING").as_deref(), Some("+PONG"));
    redis.kill();
    assert!(redis.ask("PING").is_none());
    redis.start_again();
    assert_eq!(redis.keys(), 0);
}

#[test]
fn silence_is_not_a_tone() {
    let host = Host::claim();
    let (a, b) = (Media::open(host.ip(), None), Media::open(host.ip(), None));
    assert_ne!(a.port(), b.port());
    assert!(a.first_packet().is_none() && a.tone(HALF).is_none());
    assert!(audio::level(&[0; 800]) < -80.0);
}

fn udp_port_is_taken(at: std::net::SocketAddr) -> bool {
    std::net::UdpSocket::bind(at).is_err()
}
