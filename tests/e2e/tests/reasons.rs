//! Why a call was ended (RFC 3326): what the line says of it to phones and carriers, and what it reads.

use std::time::Duration;

use havre_e2e::message::header;
use havre_e2e::{Baresip, Gateway, Host, Line, Media, Sipp, TOLL_FREE, havre, until};

const SOON: Duration = Duration::from_secs(8);
const NORMAL: &str = "Q.850;cause=16;text=\"Normal call clearing\"";
const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";
/// Nobody's number; it must be nowhere in what is told.
const NUMBER: &str = "+15145550177";

#[test]
fn a_phone_that_another_one_was_faster_than_is_told_so_and_the_one_that_talked_that_the_caller_hung_up() {
    let line = Line::demo().start();
    let events = line.events();
    let register = || Sipp::register(&line, "advocate-en", &line.password("advocate-en"), Host::claim());
    let (desk, kitchen) = (register(), register());
    line.api().wait_for_state("advocate-en", "ready");
    let media = Media::open(desk.ip(), None);
    let mut rings = Sipp::new("advocate_rings").on_host(kitchen, 5060).start(line.sip());
    let mut talks = Sipp::new("advocate").on_host(desk, 5060).audio(media.port()).start(line.sip());
    let (mut call, _caller) = Sipp::caller(&line, "1");
    assert_eq!(events.answered_by(1, SOON), "advocate-en");
    rings.finish(SOON);
    assert_eq!(header(&rings.hears("CANCEL sip:", SOON), "Reason"), ELSEWHERE);
    call.cue();
    call.finish(SOON);
    talks.finish(SOON);
    assert_eq!(header(&talks.hears("BYE sip:", SOON), "Reason"), NORMAL);
}

#[test]
fn a_phone_that_rings_in_vain_for_a_caller_who_leaves_misses_no_call() {
    let line = Line::demo().start();
    let (mut rings, _silence) = Sipp::phone(&line, "advocate-en", "advocate_rings");
    let (mut call, _caller) = Sipp::caller(&line, "1");
    rings.early_dialog();
    call.cue();
    call.finish(SOON);
    rings.finish(SOON);
    // Whom would they call back?
    assert_eq!(header(&rings.hears("CANCEL sip:", SOON), "Reason"), ELSEWHERE);
}

#[test]
fn a_caller_s_carrier_is_told_that_the_advocate_hung_up() {
    let line = Line::demo().start();
    let events = line.events();
    let mut advocate = line.advocate("advocate-en", 700.0);
    let mut caller = Baresip::caller(440.0).start();
    caller.dial_line(&line, TOLL_FREE);
    caller.talks(SOON);
    caller.press("1");
    events.answered_by(1, SOON);
    advocate.hang_up();
    until("the caller to be hung up on", SOON, || caller.has_hung_up().then_some(()));
    let wire = caller.wire();
    let (_, bye) = wire.split_once("BYE sip:").expect("a BYE");
    assert_eq!(header(bye, "Reason"), NORMAL, "{bye}");
}

#[test]
fn what_a_carrier_says_of_an_end_is_told_to_whoever_looks_at_the_call_but_not_its_words() {
    let line = Line::demo().start();
    let events = line.events();
    let carrier = Gateway::open(&line);
    let answer = carrier.calls("one");
    let why =
        format!("Reason: SIP;cause=480;text=\"{NUMBER}\", Q.850;cause=31;text=\"no more of {NUMBER}\"\r\n");
    carrier.hangs_up_with(&answer, &why);
    let (_, ended) = events.wait("ended", 1, SOON);
    let call = ended["call"].as_str().expect("a call").to_owned();
    let told = line.api().json(&format!("/api/v1/calls/{call}/trace"));
    let messages = told["messages"].as_array().expect("a list");
    let bye = messages.iter().find(|m| m["method"] == "BYE" && m["sent"] == false).expect("their BYE");
    assert_eq!(bye["cause"], 31, "{bye}");
    let drawn = havre().args(["trace", &call, "--config"]).arg(line.config()).output().expect("it runs");
    let drawn = String::from_utf8_lossy(&drawn.stdout).into_owned();
    assert!(drawn.contains("BYE Q.850 31 "), "{drawn}");
    for told in [told.to_string(), drawn, ended.to_string()] {
        assert!(!told.contains(&NUMBER[1..]), "{told}");
    }
}
