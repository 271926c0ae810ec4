//! An advocate's phone is a page: calls from carriers into Debian's Chromium, through the console, SIP over WebSocket,
//! ICE, DTLS and SRTP, and what becomes of them when the page, its network or the line goes away.

use std::time::{Duration, Instant};

use havre_e2e::{Baresip, Browser, Caller, Line, Look, Page, PhoneSetup, Report, TOLL_FREE, until};

const SOON: Duration = Duration::from_secs(10);
/// What the browser's microphone hears.
const ADVOCATE: f64 = 620.0;
const CALLER: f64 = Caller::HZ;

#[test]
fn an_advocate_answers_mutes_holds_presses_keys_and_hangs_up_in_a_browser() {
    let line = Line::demo().start();

    let browser = Browser::start(ADVOCATE);
    let desk = browser.sign_in(&line, "advocate-bi", Look::default());
    desk.waits_for(".state.ready");
    let events = line.events();
    let mut caller = Caller::dials(&line, "2");
    desk.waits_for(".offer");
    desk.waits_for(".offer .facts");
    let offer = desk.text(".offer");
    assert!(offer.contains("French") && offer.contains("Standard"), "{offer}");
    desk.is_accessible("offer");
    desk.press("a");
    events.wait("answered", 1, SOON);
    caller.hears(ADVOCATE);
    let heard = desk.hears_tone(CALLER);
    assert_eq!(heard.codec, "audio/pcmu");
    desk.waits_for("text=Good sound");

    desk.press("m");
    desk.waits_for("text=Your microphone is off");
    until("silence from a muted desk", SOON, || {
        caller.media.tone(SECOND / 2).is_none_or(|tone| tone.dbfs < -60.0).then_some(())
    });
    desk.press("m");
    caller.hears(ADVOCATE);

    desk.press("h");
    desk.waits_for("text=On hold");
    until("waiting sound at the caller's", SOON, || {
        let tone = caller.media.tone(SECOND / 2)?;
        (caller.media.quiet_for()? < SECOND && tone.dbfs > -60.0 && (tone.hz - ADVOCATE).abs() > 10.0)
            .then_some(())
    });
    desk.press("h");
    desk.waits_until_gone("text=On hold");
    caller.hears(ADVOCATE);

    // Keys both ways: words on the desk, telephone-events at the caller's.
    caller.media.press("12");
    desk.waits_for(".last .word");
    until("the second key", SOON, || (desk.text(".last .word") == "No").then_some(()));
    desk.click("text=Keypad");
    desk.click("[role=group] button:has-text('7'), .keys button:has-text('7')");
    until("the desk's key at the caller's", SOON, || (caller.media.digits() == "7").then_some(()));
    desk.is_accessible("talk");

    desk.click("text=End the call");
    desk.click("text=Yes, end it");
    caller.is_hung_up_on();
    line.api().wait_for_state("advocate-bi", "wrap_up");
    desk.is_faultless();
    Report::becomes(line.config(), Report { offered: 1, answered: 1, abandoned: 0, lost: 0, in_progress: 0 });
}

#[test]
fn a_caller_and_a_browser_hear_each_other_through_opus() {
    let line = Line::demo().with("rtp.codecs", vec!["opus", "pcmu"]).start();
    let browser = Browser::start(ADVOCATE);
    let (desk, mut caller) =
        hear_each_other(&browser, &line, Baresip::caller(CALLER).opus(), CALLER, "audio/opus");
    caller.press("1");
    desk.waits_for(".last .word");
    assert_eq!(desk.text(".last .word"), "Yes");
    desk.is_faultless();
}

#[test]
fn a_caller_and_a_browser_hear_each_other_through_g722_beyond_a_telephone_s_band() {
    // G.711 carries nothing above 4 kHz.
    const HIGH: f64 = 5_000.0;
    let line = Line::demo().with("rtp.codecs", vec!["g722", "pcmu"]).start();
    let browser = Browser::start(ADVOCATE);
    let (desk, _caller) = hear_each_other(&browser, &line, Baresip::caller(HIGH).g722(), HIGH, "audio/g722");
    desk.is_faultless();
}

#[test]
fn a_cut_connection_is_heard_by_neither() {
    let line = Line::demo().start();
    let events = line.events();
    let browser = Browser::start(ADVOCATE);
    let (desk, mut caller) = in_conversation(&browser, &line);
    caller.media.press("1");
    desk.waits_for(".last .word");
    // The key is heard as a tone, too.
    desk.hears_tone(CALLER);
    // The page may be connected again within a second, which is less than two looks of a busy machine.
    desk.notes_when(".reach .what");
    desk.is_cut_off();
    let (mut dirty, mut looks) = (None, 0);
    // Until the page has noticed it and is connected again: looked at all the while. Half a second is looked at each time, so
    // one click of a busy machine is seen for that long; waiting sound would last for two seconds and be seen for more. One look
    // takes a quarter of a second, or a second where the machine has no time for it: one alone says nothing.
    until("another connection", SOON, || {
        let (tone, heard) = (caller.media.tone(SECOND / 2), desk.hears());
        // The browser levels what its microphone hears; a gap is heard as dirt.
        let there = tone
            .as_ref()
            .is_some_and(|tone| (tone.hz - ADVOCATE).abs() < 3.0 && tone.purity > 8.0 && tone.dbfs > -40.0);
        let here = heard
            .as_ref()
            .is_some_and(|heard| (heard.hz - CALLER).abs() < 12.0 && (heard.dbfs + 12.0).abs() < 2.0);
        (dirty, looks) = if there && here { (None, 0) } else { (dirty, looks + 1) };
        let since = *dirty.get_or_insert_with(Instant::now);
        assert!(
            since.elapsed() < SECOND * 6 / 5 || looks < 4,
            "at the caller's {tone:?}, at the desk {heard:?}, in {looks} looks"
        );
        (!desk.noted().is_empty() && desk.count(".reach.ok") == 1).then_some(())
    });
    // It is the same talk for the desk, too: held, taken back, and ended over the new connection.
    desk.press("h");
    desk.waits_for("text=On hold");
    until("waiting sound at the caller's", SOON, || {
        let tone = caller.media.tone(SECOND / 2)?;
        (tone.dbfs > -60.0 && (tone.hz - ADVOCATE).abs() > 10.0).then_some(())
    });
    desk.press("h");
    desk.waits_until_gone("text=On hold");
    caller.hears(ADVOCATE);
    assert_eq!(desk.text(".last .word"), "Yes");
    assert!(events.of("agent_away").is_empty(), "{}", events.log());
    desk.click("text=End the call");
    desk.click("text=Yes, end it");
    caller.is_hung_up_on();
    desk.is_faultless();
    Report::becomes(line.config(), Report { offered: 1, answered: 1, abandoned: 0, lost: 0, in_progress: 0 });
}

#[test]
fn a_page_that_is_reloaded_has_its_caller_again() {
    let line = Line::demo().start();
    let browser = Browser::start(ADVOCATE);
    let (desk, mut caller) = in_conversation(&browser, &line);
    desk.reload();
    desk.waits_for(".talk");
    caller.hears(ADVOCATE);
    desk.hears_tone(CALLER);
    assert!(caller.is_there());
    caller.hangs_up();
    Report::becomes(line.config(), Report { offered: 1, answered: 1, abandoned: 0, lost: 0, in_progress: 0 });
}

#[test]
fn a_caller_whose_advocate_s_browser_dies_is_in_line_again_and_reaches_the_next() {
    let line = Line::demo().start();
    let events = line.events();
    let browser = Browser::start(ADVOCATE);
    let (desk, mut caller) = in_conversation(&browser, &line);
    let second = line.advocate("advocate-fr", 900.0);
    desk.close();
    assert_eq!(events.answered_by(2, Duration::from_secs(45)), "advocate-fr");
    caller.hears(900.0);
    second.hears_tone(CALLER, SOON);
    caller.hangs_up();
    Report::becomes(line.config(), Report { offered: 1, answered: 1, abandoned: 0, lost: 0, in_progress: 0 });
}

#[test]
fn a_desk_says_that_the_line_is_gone_and_is_ready_when_it_is_back() {
    let mut line = Line::demo().start();
    let browser = Browser::start(ADVOCATE);
    let desk = browser.sign_in(&line, "advocate-bi", Look::default());
    desk.waits_for(".state.ready");
    desk.waits_for("text=You can be reached here");
    desk.notes_when(".reach .what");
    line.restart();
    line.api().wait_for_state("advocate-bi", "ready");
    desk.waits_for("text=You can be reached here");
    assert!(!desk.noted().is_empty(), "it said that the line was gone");
    let caller = Caller::dials(&line, "2");
    desk.waits_for(".offer");
    desk.click("text=Answer");
    caller.hears(ADVOCATE);
}

#[test]
fn a_supervisor_sees_an_urgent_caller_wait_and_takes_the_call() {
    let line = Line::demo().start();
    let browser = Browser::start(ADVOCATE);
    let board = browser.sign_in(&line, "supervisor", Look::default());
    board.go("#/desk");
    board.waits_for(".state.ready");
    board.press("b");
    board.waits_for(".state.not_ready");
    board.go("#/board");
    let caller = Caller::dials(&line, "5");
    board.waits_for("text=Urgent");
    // Whoever presses 5 in the greeting says both with it.
    board.waits_for("[aria-labelledby=calls] .note:has-text('cannot speak')");
    board.is_accessible("board-urgent");
    board.click("a:has-text('Details')");
    board.is_accessible("call-urgent");
    board.click("dialog button.main");
    board.waits_for("dialog .toast");
    board.click("dialog button:has-text('Close')");
    board.waits_for(".strip.offered");
    board.click(".strip button.go");
    caller.hears(ADVOCATE);
    board.hears_tone(CALLER);
    board.is_faultless();
}

#[test]
fn every_page_is_accessible_and_walked_by_keyboard_in_both_languages_and_colours_and_on_a_telephone() {
    let line = Line::demo().start();
    let browser = Browser::start(ADVOCATE);
    let pages: [(&str, &[&str]); 3] = [
        ("advocate-fr", &["desk", "sound", "me"]),
        ("supervisor", &["board", "coverage"]),
        ("operator", &["trunks", "dialplan", "prompts", "accounts", "audit"]),
    ];
    let _caller = Caller::dials(&line, "1");
    let looks = [
        ("en", Look::default()),
        ("fr-dark", Look { french: true, dark: true, size: None }),
        ("fr-360", Look { french: true, dark: false, size: Some((360, 740)) }),
    ];
    let (line, browser) = (&line, &browser);
    std::thread::scope(|scope| {
        for (user, names) in pages {
            scope.spawn(move || {
                let page = browser.sign_in(line, user, Look::default());
                for (called, look) in looks {
                    page.looks(look);
                    for name in names {
                        page.go(&format!("#/{name}"));
                        page.waits_for("main :is(h1, h2, table)");
                        page.is_accessible(&format!("{name}-{called}"));
                        if !look.french {
                            // It loads the page again, and goes through it.
                            page.is_walked(name);
                        }
                    }
                }
                page.is_faultless();
            });
        }
    });
}

const SECOND: Duration = Duration::from_secs(1);

/// A desk and a caller with this phone who hear each other, the advocate by `codec`.
fn hear_each_other<'a>(
    browser: &'a Browser,
    line: &Line,
    phone: PhoneSetup,
    hz: f64,
    codec: &str,
) -> (Page<'a>, Baresip) {
    let desk = browser.sign_in(line, "advocate-bi", Look::default());
    desk.waits_for(".state.ready");
    let mut caller = phone.start();
    caller.dial_line(line, TOLL_FREE);
    caller.talks(SOON);
    caller.press("2");
    desk.waits_for(".offer");
    desk.click("text=Answer");
    caller.hears_tone(ADVOCATE, SOON);
    assert_eq!(desk.hears_tone(hz).codec, codec);
    (desk, caller)
}

/// A desk and a French-speaking caller who hear each other.
fn in_conversation<'a>(browser: &'a Browser, line: &Line) -> (Page<'a>, Caller) {
    let desk = browser.sign_in(line, "advocate-bi", Look::default());
    desk.waits_for(".state.ready");
    let caller = Caller::dials(line, "2");
    desk.waits_for(".offer");
    desk.click("text=Answer");
    caller.hears(ADVOCATE);
    desk.hears_tone(CALLER);
    (desk, caller)
}
