//! One caller and no advocate: the greeting, keys in it, the end, and the record.

use std::time::{Duration, Instant};

use havre_e2e::{Host, Line, Media, Report, Run, Sipp, audio, until};

const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_caller_hears_the_greeting_and_hangs_up_and_the_record_says_so() {
    let line = Line::demo().start();
    let events = line.events();
    let (mut call, media) = dial(&line, "caller");
    events.wait("picked", 1, SOON);
    until("a voice", SOON, || (audio::level(&media.heard(Duration::from_secs(1))) > -40.0).then_some(()));
    call.cue();
    call.finish(SOON);
    let (_, ended) = events.wait("ended", 1, SOON);
    assert_eq!(
        (ended["outcome"].as_str(), ended["cause"].as_str()),
        (Some("abandoned"), Some("caller_hung_up")),
        "{ended}"
    );
    let last = media.received();
    std::thread::sleep(Duration::from_millis(200));
    assert!(media.received() <= last + 2, "audio goes on after the BYE");
    Report::becomes(line.config(), Report { offered: 1, answered: 0, abandoned: 1, lost: 0, in_progress: 0 });
}

#[test]
fn a_key_in_the_first_second_of_the_prompt_barges_in() {
    let line = Line::demo().start();
    let events = line.events();
    let (mut call, media) = dial(&line, "caller");
    until("the first packet", SOON, || media.first_packet());
    let pressed = Instant::now();
    media.press("2");
    let (joined, event) = events.wait("joined", 1, SOON);
    assert_eq!(
        (event["language"].as_str(), event["risk"].as_str()),
        (Some("fr"), Some("standard")),
        "{event}"
    );
    // The key is held for 100 ms; the greeting would go on for ten seconds more.
    assert!(joined - pressed < Duration::from_secs(1), "joined {:?} after the key", joined - pressed);
    call.cue();
    call.finish(SOON);
}

#[test]
fn a_key_by_sip_info_counts_too() {
    let line = Line::demo().start();
    let events = line.events();
    let (mut call, media) = dial(&line, "info_key");
    until("the first packet", SOON, || media.first_packet());
    call.cue();
    let (_, event) = events.wait("joined", 1, SOON);
    assert_eq!(
        (event["language"].as_str(), event["risk"].as_str()),
        (Some("unknown"), Some("urgent")),
        "{event}"
    );
    call.cue();
    call.finish(SOON);
}

#[test]
fn a_caller_who_presses_nothing_or_a_wrong_key_is_in_line_by_20_seconds_and_hears_audio_throughout() {
    let line = Line::demo().start();
    let events = line.events();
    let (mut quiet, quiet_media) = dial(&line, "caller");
    let (mut wrong, wrong_media) = dial(&line, "caller");
    until("the first packet", SOON, || wrong_media.first_packet());
    wrong_media.press("4");
    let (picked, _) = events.wait("picked", 2, SOON);
    let (joined, event) = events.wait("joined", 2, Duration::from_secs(21));
    assert_eq!(event["language"].as_str(), Some("unknown"));
    assert!(joined - picked <= Duration::from_secs(20), "joined after {:?}", joined - picked);
    assert!(joined - picked >= Duration::from_secs(5), "a wrong key must not end the greeting");
    // Into the messages that follow.
    std::thread::sleep(Duration::from_secs(2));
    for media in [&quiet_media, &wrong_media] {
        let flowing = media.quiet_for().is_some_and(|quiet| quiet < Duration::from_millis(200));
        assert!(flowing, "the line has gone silent: {:?}", media.quiet_for());
    }
    for call in [&mut quiet, &mut wrong] {
        call.cue();
        call.finish(SOON);
    }
}

fn dial(line: &Line, scenario: &str) -> (Run, Media) {
    let host = Host::claim();
    let media = Media::open(host.ip(), None);
    let call = Sipp::new(scenario).on_host(host, 5060).audio(media.port()).key("key", "5").start(line.sip());
    (call, media)
}
