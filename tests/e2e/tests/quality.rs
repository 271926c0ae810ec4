//! How calls sound, as the line says it: in the API while they last, in the record and the metrics when they are over.

use std::time::Duration;

use havre_e2e::{Baresip, Host, Line, Media, Relay, Sipp, Weather, until};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(5);
/// Legs are measured every 5 s.
const MEASURED: Duration = Duration::from_secs(15);

fn figure(of: &Value, name: &str) -> f64 {
    of[name].as_f64().unwrap_or_else(|| panic!("no {name} in {of}"))
}

#[test]
fn loss_costs_the_caller_s_leg_its_score_and_not_the_advocate_s() {
    let line = Line::demo().start();
    let events = line.events();
    let _advocate = Baresip::advocate(&line, "advocate-en", 1_000.0).start();
    line.api().wait_for_state("advocate-en", "ready");
    let host = Host::claim();
    let media = Media::open(host.ip(), Some((440.0, -12.0)));
    let bad = Weather { loss: 10, seed: 5, ..Weather::default() };
    let relay = Relay::open(host.ip(), media.port(), bad);
    let mut call = Sipp::new("caller").on_host(host, 5060).audio(relay.port()).start(line.sip());
    until("the first packet", SOON, || media.first_packet());
    media.press("1");
    events.wait("answered", 1, SOON);

    let live = until("both legs measured, the caller's after some loss", MEASURED, || {
        let call = line.api().calls().into_iter().next()?;
        let (caller, advocate) = (&call["caller"]["quality"], &call["advocate"]["quality"]);
        (caller["lost"].as_u64()? > 20 && advocate["mos"].is_number()).then_some(call)
    });
    let (caller, advocate) = (&live["caller"]["quality"], &live["advocate"]["quality"]);
    assert_eq!(caller["codec"].as_str(), Some("PCMU"), "{live}");
    assert!((3.0..25.0).contains(&figure(caller, "lost_percent")), "{live}");
    assert!(figure(caller, "mos") < 4.1 && figure(advocate, "mos") > 4.3, "{live}");
    assert_eq!(live["caller"]["from_missing"].as_bool(), Some(false), "{live}");

    call.cue();
    call.finish(SOON);
    // Of the whole leg, though the last interval was not over.
    for nth in [1, 2] {
        let (_, last) = events.wait("quality", nth, SOON);
        let mos = figure(&last["quality"], "mos");
        let caller = last["side"].as_str() == Some("caller");
        assert!(if caller { mos < 4.1 } else { mos > 4.3 }, "{last}");
    }
    let counted = || line.api().metric("havre_leg_mos_count", "side=\"caller\"");
    until("the score in the metrics", SOON, || (counted() >= 1.0).then_some(()));
}

#[test]
fn a_caller_from_whom_nothing_arrives_raises_an_alarm_and_stays() {
    let line = Line::demo().start();
    let events = line.events();
    let host = Host::claim();
    let media = Media::open(host.ip(), Some((440.0, -12.0)));
    let mut call = Sipp::new("caller").on_host(host, 5060).audio(media.port()).start(line.sip());
    until("the first packet", SOON, || media.first_packet());
    media.press("1");
    events.wait("joined", 1, SOON);
    media.mute(true);
    let (_, alarm) = events.wait("one_way", 1, MEASURED);
    let told = [&alarm["side"], &alarm["way"]].map(|word| word.as_str().unwrap_or_default().to_owned());
    assert_eq!((told, alarm["flowing"].as_bool()), (["caller".to_owned(), "from".to_owned()], Some(false)));
    let waiting = until("the mark in the list of calls", SOON, || {
        line.api().calls().into_iter().find(|call| call["caller"]["from_missing"] == true)
    });
    assert_eq!(waiting["stage"].as_str(), Some("waiting"), "{waiting}");
    media.mute(false);
    let (_, over) = events.wait("one_way", 2, SOON);
    assert_eq!(over["flowing"].as_bool(), Some(true), "{over}");
    let counted = || line.api().metric("havre_one_way_audio_total", "side=\"caller\",way=\"from\"");
    until("the alarm in the metrics", SOON, || (counted() >= 1.0).then_some(()));
    call.cue();
    call.finish(SOON);
}
