//! Calls over a bad network: what is heard, and which keys arrive.

use std::time::Duration;

use havre_e2e::{Baresip, Host, Line, Media, PhoneSetup, Relay, Run, Sipp, Weather, audio, until};

const SOON: Duration = Duration::from_secs(5);
/// Keys are sent by a phone that does not know what is lost; some time passes until all that repeat have come.
const LATER: Duration = Duration::from_secs(20);

const BAD: Weather = Weather { loss: 5, jitter: Duration::from_millis(40), doubles: 2, seed: 7 };

/// A carrier's call, its media, and the weather between it and the line.
struct Caller {
    call: Run,
    media: Media,
    relay: Relay,
}

/// A caller who sends a tone of 440 Hz over a bad network, and has reached an advocate by key 1.
fn reaches(line: &Line, advocate: PhoneSetup) -> (Caller, Baresip) {
    let events = line.events();
    let advocate = advocate.start();
    line.api().wait_for_state("advocate-en", "ready");
    let host = Host::claim();
    let media = Media::open(host.ip(), Some((440.0, -12.0)));
    let relay = Relay::open(host.ip(), media.port(), BAD);
    let call = Sipp::new("caller").on_host(host, 5060).audio(relay.port()).start(line.sip());
    until("the first packet", SOON, || media.first_packet());
    media.press("1");
    let (_, joined) = events.wait("joined", 1, SOON);
    assert_eq!(joined["language"].as_str(), Some("en"), "{joined}");
    events.wait("answered", 1, SOON);
    (Caller { call, media, relay }, advocate)
}

#[test]
fn a_transcoded_caller_is_heard_over_loss_jitter_and_disorder() {
    let line = Line::demo().start();
    let (mut caller, advocate) = reaches(&line, Baresip::advocate(&line, "advocate-en", 1_000.0).g722());
    let heard = advocate.hears_tone(440.0, LATER);
    assert!((heard.dbfs + 12.0).abs() < 1.0, "{heard:?}");
    // Once there was weather enough: the level has hardly fallen, though a twentieth never came.
    until("five hundred packets", LATER, || (caller.relay.carried().packets >= 500).then_some(()));
    let level = audio::level(&advocate.heard(Duration::from_secs(3)));
    assert!((level + 12.0).abs() < 1.0, "{level:.1} dB");
    // And back: the weather is the carrier's own there, so it hears the tone with holes.
    let back = until("the advocate's tone", SOON, || caller.media.tone(Duration::from_secs(1)));
    assert!((back.hz - 1_000.0).abs() < 5.0, "{back:?}");
    let carried = caller.relay.carried();
    // About a twentieth, and an eighth of those 20 ms apart: there was weather.
    assert!(carried.lost > carried.packets / 50, "{carried:?}");
    assert!(carried.overtook > carried.packets / 20, "{carried:?}");
    caller.call.cue();
    caller.call.finish(SOON);
}

#[test]
fn every_key_of_a_relayed_caller_arrives_over_loss_jitter_and_disorder() {
    let line = Line::demo().start();
    let (mut caller, advocate) = reaches(&line, Baresip::advocate(&line, "advocate-en", 1_000.0));
    for keys in ["0123456789*#", "5550199"] {
        caller.media.press(keys);
        let before = advocate.digits();
        let all = format!("{before}{keys}");
        until("all keys, in order, once", LATER, || (advocate.digits().len() >= all.len()).then_some(()));
        assert_eq!(advocate.digits(), all);
    }
    let level = audio::level(&advocate.heard(Duration::from_secs(2)));
    assert!(level > -16.0, "the tone is there too: {level:.1} dB");
    caller.call.cue();
    caller.call.finish(SOON);
}
