//! An advocate goes on with a caller on another phone of the same account (RFC 3891), with real phones and real sound.

use std::time::Duration;

use havre_e2e::{Baresip, Host, Line, Media, Run, Sipp, TOLL_FREE, until};

const SOON: Duration = Duration::from_secs(8);

/// A caller who sends 440 Hz talks to `advocate-en` at a desk phone made of SIPp.
fn talking(line: &Line) -> (Baresip, Run, Media) {
    let events = line.events();
    let (desk, media) = Sipp::phone(line, "advocate-en", "advocate");
    let mut caller = Baresip::caller(440.0).start();
    caller.dial_line(line, TOLL_FREE);
    caller.talks(SOON);
    caller.press("1");
    assert_eq!(events.answered_by(1, SOON), "advocate-en");
    media.hears_tone(440.0, SOON);
    (caller, desk, media)
}

#[test]
fn a_soft_phone_takes_a_call_over_from_the_desk_phone() {
    let line = Line::demo().start();
    let events = line.events();
    let (caller, mut desk, _audio) = talking(&line);
    let host = Host::claim();
    let media = Media::open(host.ip(), Some((900.0, -12.0)));
    let mut soft = Sipp::other_device(&line, "advocate-en", "take_over", host, &desk.dialog())
        .audio(media.port())
        .start(line.sip());
    // The desk phone gets its BYE, which says that nobody hung up.
    desk.finish(SOON);
    let bye = desk.received().into_iter().find(|message| message.starts_with("BYE")).expect("a BYE");
    assert!(bye.contains("Reason: Q.850;cause=16"), "{bye}");
    events.wait("agent_moved", 1, SOON);
    media.hears_tone(440.0, SOON);
    caller.hears_tone(900.0, SOON);
    assert!(!caller.has_hung_up() && events.of("agent_lost").is_empty(), "{}", events.log());
    // It is one talk, and ends as one.
    soft.cue();
    soft.finish(SOON);
    until("the caller to be hung up on", SOON, || caller.has_hung_up().then_some(()));
    events.wait("ended", 1, SOON);
    assert_eq!(events.of("answered").len(), 1, "{}", events.log());
    line.api().wait_for_state("advocate-en", "wrap_up");
}

#[test]
fn a_soft_phone_picks_up_what_rings_at_the_desk_phone() {
    let line = Line::demo().start();
    let events = line.events();
    let (mut desk, _silence) = Sipp::phone(&line, "advocate-en", "advocate_rings");
    let mut caller = Baresip::caller(440.0).start();
    caller.dial_line(&line, TOLL_FREE);
    caller.talks(SOON);
    caller.press("1");
    let host = Host::claim();
    let media = Media::open(host.ip(), Some((900.0, -12.0)));
    let mut soft = Sipp::other_device(&line, "advocate-en", "take_over", host, &desk.early_dialog())
        .audio(media.port())
        .start(line.sip());
    assert_eq!(events.answered_by(1, SOON), "advocate-en");
    // RFC 3891 §3: what rang is cancelled, and is told that nobody gave up.
    desk.finish(SOON);
    let cancel = desk.hears("CANCEL sip:", SOON);
    assert!(cancel.contains("Reason: SIP;cause=200;text=\"Call completed elsewhere\""), "{cancel}");
    media.hears_tone(440.0, SOON);
    caller.hears_tone(900.0, SOON);
    soft.cue();
    soft.finish(SOON);
    until("the caller to be hung up on", SOON, || caller.has_hung_up().then_some(()));
    events.wait("ended", 1, SOON);
    line.api().wait_for_state("advocate-en", "wrap_up");
}

#[test]
fn another_account_and_a_trunk_take_nothing_over() {
    let line = Line::demo().start();
    let events = line.events();
    let (mut caller, desk, media) = talking(&line);
    let replaces = desk.dialog();
    let mut other = Sipp::other_device(&line, "advocate-fr", "take_over_refused", Host::claim(), &replaces)
        .start(line.sip());
    other.finish(SOON);
    // What comes from a trunk is a caller, whatever it names.
    let mut trunk = Sipp::new("caller_replaces").key("replaces", &replaces).start(line.sip());
    trunk.cue();
    trunk.finish(SOON);
    assert_eq!(events.of("picked").len(), 2, "it has a call of its own: {}", events.log());
    media.hears_tone(440.0, SOON);
    assert!(!caller.has_hung_up() && events.of("agent_moved").is_empty(), "{}", events.log());
    caller.hang_up();
}
