//! Callers reach advocates: the right one, with sound both ways, in every codec and from every phone we have.

use std::time::Duration;

use havre_e2e::{Baresip, Host, Line, Linphone, Media, Report, Sipp, TOLL_FREE, TOLL_FREE_FR, until};

const SOON: Duration = Duration::from_secs(5);
/// Both sides send at -12 dB; coding and resampling may not change that by more.
const LEVEL: f64 = 1.0;

#[test]
fn an_english_and_a_french_caller_each_reach_the_right_advocate_and_hear_each_other() {
    let line = Line::demo().start();
    let events = line.events();
    let english = line.advocate("advocate-en", 700.0);
    let french = line.advocate("advocate-fr", 900.0);
    let (mut anna, mut benoit) = (Baresip::caller(440.0).start(), Baresip::caller(1_200.0).start());
    benoit.dial_line(&line, TOLL_FREE);
    anna.dial_line(&line, "8335550100");
    benoit.talks(SOON);
    anna.talks(SOON);
    benoit.press("2");
    anna.press("1");
    events.wait("answered", 2, SOON);
    for (phone, hz) in [(&anna, 700.0), (&english, 440.0), (&benoit, 900.0), (&french, 1_200.0)] {
        let heard = phone.hears_tone(hz, SOON);
        assert!((heard.dbfs + 12.0).abs() < LEVEL, "{heard:?}");
    }
    assert!(english.wire().contains("\"EN · standard\""), "the advocate's display says who calls");
    assert!(french.wire().contains("\"FR · standard\""), "the advocate's display says who calls");

    // While talking, keys reach the advocate's phone; that there was one, everybody who watches.
    anna.press("2");
    until("the key at the advocate's phone", SOON, || (english.digits() == "2").then_some(()));
    let (_, key) = events.wait("key", 1, SOON);
    assert!(
        key.get("key").is_none(),
        "what is keyed in a talk may be a number, and stays with the advocate: {key}"
    );

    anna.hang_up();
    until("the advocate to be hung up on", SOON, || english.has_hung_up().then_some(()));
    line.api().wait_for_state("advocate-en", "wrap_up");
    line.api().wait_for_state("advocate-en", "ready");
    benoit.hears_tone(900.0, SOON);
    benoit.hang_up();
    Report::becomes(line.config(), Report { offered: 2, answered: 2, abandoned: 0, lost: 0, in_progress: 0 });
}

#[test]
fn a_silent_caller_reaches_the_bilingual_advocate_when_free() {
    let line = Line::demo().start();
    let events = line.events();
    let _others = [line.advocate("advocate-en", 700.0), line.advocate("advocate-fr", 900.0)];
    let bilingual = line.advocate("advocate-bi", 1_000.0);
    let mut caller = Baresip::caller(440.0).start();
    caller.dial_line(&line, TOLL_FREE);
    assert_eq!(events.answered_by(1, Duration::from_secs(25)), "advocate-bi");
    assert_eq!(events.of("offered").len(), 1, "nobody else was rung:\n{}", events.log());
    bilingual.hears_tone(440.0, SOON);
    caller.hears_tone(1_000.0, SOON);
}

#[test]
fn a_silent_caller_reaches_one_of_the_others_from_ten_seconds_on() {
    let line = Line::demo().start();
    let events = line.events();
    let _others = [line.advocate("advocate-en", 700.0), line.advocate("advocate-fr", 700.0)];
    let mut caller = Baresip::caller(440.0).start();
    caller.dial_line(&line, TOLL_FREE);
    let (joined, _) = events.wait("joined", 1, Duration::from_secs(21));
    let (offered, _) = events.wait("offered", 1, Duration::from_secs(15));
    let waited = (offered - joined).as_secs_f64();
    assert!((9.9..11.0).contains(&waited), "offered after {waited} s");
    events.wait("answered", 1, SOON);
    caller.hears_tone(700.0, SOON);
}

#[test]
fn the_french_first_number_greets_in_french_first_and_the_graph_is_the_same() {
    let line = Line::demo().start();
    let events = line.events();
    let french = line.advocate("advocate-fr", 900.0);
    let mut caller = Baresip::caller(440.0).start();
    caller.dial_line(&line, TOLL_FREE_FR);
    caller.talks(SOON);
    caller.press("2");
    assert_eq!(events.answered_by(1, SOON), "advocate-fr");
    french.hears_tone(440.0, SOON);
    let (_, arrived) = events.wait("arrived", 1, SOON);
    assert!(arrived["line"].is_string(), "{arrived}");
}

#[test]
fn codecs_are_translated_where_they_differ() {
    let line = Line::demo().start();
    let ulaw = line.advocate("advocate-en", 700.0);
    for caller in [Baresip::caller(440.0).pcma(), Baresip::caller(440.0).g722()] {
        let mut caller = caller.start();
        caller.dial_line(&line, TOLL_FREE);
        caller.talks(SOON);
        caller.press("1");
        // The advocate's recording is of the latest call.
        let heard = caller.hears_tone(700.0, SOON);
        assert!((heard.dbfs + 12.0).abs() < 1.5, "{heard:?}");
        let heard = ulaw.hears_tone(440.0, SOON);
        assert!((heard.dbfs + 12.0).abs() < 1.5, "{heard:?}");
        caller.hang_up();
        line.api().wait_for_state("advocate-en", "ready");
    }
}

#[test]
fn an_advocate_on_opus_talks_with_a_caller_on_the_telephone() {
    let line = Line::demo().with("rtp.codecs", vec!["opus", "PCMU"]).start();
    let advocate = Baresip::advocate(&line, "advocate-en", 700.0).opus().start();
    line.api().wait_for_state("advocate-en", "ready");
    let mut caller = Baresip::caller(440.0).start();
    caller.dial_line(&line, TOLL_FREE);
    caller.talks(SOON);
    caller.press("1");
    for (phone, hz) in [(&caller, 700.0), (&advocate, 440.0)] {
        let heard = phone.hears_tone(hz, SOON);
        assert!((heard.dbfs + 12.0).abs() < 1.5, "{heard:?}");
    }
}

#[test]
fn wideband_on_both_sides_stays_wideband() {
    let line = Line::demo().start();
    let advocate = Baresip::advocate(&line, "advocate-en", 3_000.0).g722().start();
    line.api().wait_for_state("advocate-en", "ready");
    let mut caller = Baresip::caller(440.0).g722().start();
    caller.dial_line(&line, TOLL_FREE);
    caller.talks(SOON);
    caller.press("1");
    let heard = caller.hears_tone(3_000.0, SOON);
    assert!((heard.dbfs + 12.0).abs() < 1.5, "{heard:?}");
    advocate.hears_tone(440.0, SOON);
}

#[test]
fn linphone_is_a_caller_s_and_an_advocate_s_phone_too() {
    let line = Line::demo().start();
    let events = line.events();
    let mut advocate = Linphone::start(900.0);
    advocate.register(&line, "advocate-fr");
    line.api().wait_for_state("advocate-fr", "ready");
    let mut caller = Linphone::start(440.0);
    caller.dial_line(&line, TOLL_FREE);
    caller.talks(SOON);
    caller.press('2');
    assert_eq!(events.answered_by(1, SOON), "advocate-fr");
    advocate.talks(SOON);
    advocate.hears_tone(440.0, SOON * 2);
    caller.hears_tone(900.0, SOON * 2);
    caller.hang_up();
    events.wait("ended", 1, SOON);
}

#[test]
fn an_advocate_s_phone_over_tcp_is_rung_on_its_own_connection() {
    let line = Line::demo().start();
    let events = line.events();
    let _advocate = Baresip::advocate(&line, "advocate-en", 700.0).over_tcp().start();
    line.api().wait_for_state("advocate-en", "ready");
    let host = Host::claim();
    let media = Media::open(host.ip(), Some((440.0, -12.0)));
    let mut call = Sipp::new("caller").on_host(host, 5060).audio(media.port()).start(line.sip());
    until("the greeting", SOON, || media.first_packet());
    media.press("1");
    assert_eq!(events.answered_by(1, SOON), "advocate-en");
    media.hears_tone(700.0, SOON);
    call.cue();
    call.finish(SOON);
}
