//! The caller's journey, rule by rule, in virtual time. All steps are switched on; the audio is silence as long as the
//! texts would take, so no recording can change these tests.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::time::Duration;

use common::silent_plan;
use havre_dialplan::simulate::{Happened, Script, Trace, run};
use havre_dialplan::{Cue, Input, Output, Walk};
use havre_model::{Digit, Language, LineId, Mode, Mono, Now, PlayId, Risk, Unix, WaitingSound};

// --- The greeting ---

#[test]
fn each_key_of_the_greeting_does_what_the_table_says() {
    let table = [
        ("1", Some((Language::En, Risk::Standard, ""))),
        ("2", Some((Language::Fr, Risk::Standard, ""))),
        ("3", Some((Language::Other, Risk::Standard, ""))),
        ("5", Some((Language::Unknown, Risk::Urgent, "silent"))),
        ("7", Some((Language::Unknown, Risk::Information, ""))),
        ("0", Some((Language::Unknown, Risk::Standard, "no_messages"))),
        ("*", Some((Language::Unknown, Risk::Standard, "tick"))),
        ("#", Some((Language::Unknown, Risk::Standard, "discreet"))),
        ("8", None),
        ("9", None),
        ("4", None),
        ("6", None),
        ("A", None),
        ("D", None),
    ];
    for (key, wanted) in table {
        let trace = dial().press(2.0, key).until(2.0);
        match wanted {
            Some((language, risk, mode)) => {
                assert_eq!(trace.joined, Some(seconds(2.0)), "key {key}");
                assert_eq!(joins(&trace), [(language, risk, mode_of(mode))], "key {key}");
            }
            None => assert_eq!(trace.joined, None, "key {key}"),
        }
    }
}

#[test]
fn an_ignored_key_changes_neither_what_is_heard_nor_when() {
    let without = dial().until(200.0);
    for key in ["4", "6", "8", "9", "B"] {
        let with = dial().press(0.0, key).press(3.0, key).press(11.0, key).until(200.0);
        assert_eq!(heard_at(&with), heard_at(&without), "key {key}");
        assert_eq!(with.joined, without.joined, "key {key}");
    }
}

#[test]
fn no_key_joins_three_seconds_after_the_greeting_and_within_twenty() {
    let trace = dial().until(30.0);
    let last = heard_at(&trace).into_iter().find(|(_, clip)| clip == "P1.5 fr").unwrap().0;
    let length = clip_seconds("P1.5", "fr");
    assert_close(trace.joined.unwrap().as_secs_f64(), last + length + 3.0);
    assert!(trace.joined.unwrap() <= Duration::from_secs(20));
    assert_eq!(joins(&trace), [(Language::Unknown, Risk::Standard, Mode::default())]);
}

#[test]
fn keys_live_from_the_first_packet_and_before_it() {
    assert_eq!(dial().press(0.0, "2").until(0.0).joined, Some(Duration::ZERO));
    // A digit that overtakes the ACK.
    let mut walk = walk();
    walk.handle_input(Input::Digit(digit("2")), at(0.0));
    assert!(outputs(&mut walk).iter().any(|o| matches!(o, Output::Join { language: Language::Fr, .. })));
    walk.handle_input(Input::Picked, at(0.1));
    assert_eq!(outputs(&mut walk), []);
}

#[test]
fn french_first_swaps_the_clips() {
    let english = ["P1.1 en", "P1.2 fr", "P1.3 es", "P1.4 en", "P1.5 fr"];
    let french = ["P1.2 fr", "P1.1 en", "P1.3 es", "P1.5 fr", "P1.4 en"];
    assert_eq!(heard(&dial().until(13.0)), english);
    assert_eq!(heard(&dial_line("hotline-fr").until(13.0)), french);
    for area in ["418", "438", "450", "468", "514", "579", "581", "819", "873", "354", "367", "263"] {
        assert_eq!(heard(&dial().from(&format!("+1{area}5550123")).until(13.0)), french, "{area}");
    }
    for number in ["+14165550123", "+33514555012", "+4185550123", "514", "", "+1514555012é"] {
        assert_eq!(heard(&dial().from(number).until(13.0)), english, "{number}");
    }
}

#[test]
fn a_lost_event_keeps_nobody_out_of_the_queue() {
    // Never picked up, as far as the walk was told.
    let mut unpicked = walk();
    let wakeup = unpicked.poll_timeout().unwrap();
    assert_eq!(wakeup.at, Mono::from_start(seconds(20.0)));
    unpicked.handle_timeout(at(20.0));
    assert!(outputs(&mut unpicked).iter().any(|o| matches!(o, Output::Join { .. })));
    // Media never says that the greeting is over.
    let mut deaf = walk();
    deaf.handle_input(Input::Picked, at(0.0));
    let joined = wake_until(&mut deaf, |o| matches!(o, Output::Join { .. }));
    assert!(joined <= 20.0, "{joined}");
}

#[test]
fn a_picking_up_that_came_late_cuts_the_greeting_at_twenty_seconds() {
    let mut walk = walk();
    walk.handle_input(Input::Picked, at(15.0));
    let joined = wake_until(&mut walk, |o| matches!(o, Output::Join { .. }));
    assert_close(joined, 20.0);
}

// --- What a waiting caller hears ---

#[test]
fn a_known_language_hears_p2_then_after_three_seconds_p3_then_the_sound() {
    let trace = dial().press(1.0, "2").until(40.0);
    let p2 = 1.0;
    let p3 = p2 + clip_seconds("P2", "fr") + 3.0;
    assert_timeline(&trace, &[(0.0, "P1.1 en"), (p2, "P2 fr"), (p3, "P3 fr")]);
    assert_eq!(sounds(&trace), ["waiting"]);
}

#[test]
fn an_unknown_language_hears_both_and_p3_before_p2() {
    let trace = dial().until(75.0);
    let said: Vec<_> = heard(&trace).into_iter().skip(5).collect();
    assert_eq!(said[..4], ["P3 en", "P3 fr", "P2 en", "P2 fr"]);
    let trace = dial_line("hotline-fr").press(1.0, "3").until(75.0);
    assert_eq!(heard(&trace)[1..5], ["P3 fr", "P3 en", "P2 fr", "P2 en"], "another language hears both too");
}

#[test]
fn the_reminder_comes_at_45_seconds_or_15_after_a_message_and_every_minute() {
    let trace = dial().press(1.0, "1").until(180.0);
    let reminders = times_of(&trace, "P6 en");
    assert_eq!(reminders.len(), 3);
    for (is, wanted) in reminders.iter().zip([46.0, 106.0, 166.0]) {
        assert_close(*is, wanted);
    }
    // Both languages: the first messages end later than 30 s.
    let trace = dial().press(1.0, "3").until(180.0);
    let last = *times_of(&trace, "P2 fr").last().unwrap() + clip_seconds("P2", "fr");
    assert!(last > 31.0);
    assert_close(times_of(&trace, "P6 en")[0], last + 15.0);
    // Any message puts it off.
    let trace = dial().press(1.0, "1").press(44.0, "8").until(120.0);
    let again = times_of(&trace, "P3 en")[1] + clip_seconds("P3", "en");
    assert_close(times_of(&trace, "P6 en")[0], again + 15.0);
}

#[test]
fn silent_mode_is_told_how_to_answer_at_once() {
    let trace = dial().press(1.0, "5").until(12.0);
    assert_eq!(heard(&trace)[1..], ["P5 en", "P5 fr"]);
    let trace = dial().press(1.0, "1").press(6.0, "5").until(40.0);
    assert_eq!(
        heard(&trace)[1..],
        ["P2 en", "P5 en", "P3 en"],
        "P5 interrupts; what was not begun comes after it"
    );
    assert_timeline(&trace, &[(0.0, "P1.1 en"), (1.0, "P2 en"), (6.0, "P5 en")]);
}

// --- Keys while waiting ---

#[test]
fn one_and_two_set_the_language_only_while_it_is_unknown() {
    let trace = dial().press(1.0, "7").press(5.0, "2").press(6.0, "1").until(6.0);
    assert_eq!(trace.language, Some(Language::Fr));
    assert_eq!(changes(&trace), ["language fr"]);
    let other = dial().press(1.0, "3").press(5.0, "1").until(6.0);
    assert_eq!(other.language, Some(Language::Other), "another language is known to be neither");
}

#[test]
fn a_new_language_goes_on_with_the_present_message() {
    let unknown = dial().press(1.0, "7").press(5.0, "2").until(45.0);
    assert_eq!(heard(&unknown)[1..], ["P3 en", "P3 fr", "P2 fr"], "P3 again in French, then P2 in French");
    // When nothing is being said, a few words show that the key was understood.
    let quiet = dial().press(1.0, "1").press(40.0, "9").until(41.0);
    assert_eq!(heard(&quiet).last().unwrap(), "P6 fr");
}

#[test]
fn nine_is_the_other_language() {
    let language =
        |keys: &[(f64, &str)]| keys.iter().fold(dial(), |c, (t, k)| c.press(*t, k)).until(20.0).language;
    assert_eq!(language(&[(1.0, "1"), (5.0, "9")]), Some(Language::Fr));
    assert_eq!(language(&[(1.0, "1"), (5.0, "9"), (6.0, "9")]), Some(Language::En));
    assert_eq!(language(&[(1.0, "7"), (5.0, "9")]), Some(Language::Fr));
    let french_first = dial_line("hotline-fr").press(1.0, "7").press(5.0, "9").until(6.0);
    assert_eq!(french_first.language, Some(Language::En));
}

#[test]
fn three_says_another_language_and_eight_repeats() {
    let trace = dial().press(1.0, "1").press(5.0, "3").until(6.0);
    assert_eq!(trace.language, Some(Language::Other));
    let trace = dial().press(1.0, "1").press(40.0, "8").until(41.0);
    assert_eq!(heard(&trace)[1..], ["P2 en", "P3 en", "P2 en"]);
}

#[test]
fn the_class_only_rises_but_for_seven_on_standard() {
    let risk =
        |keys: &[(f64, &str)]| keys.iter().fold(dial(), |c, (t, k)| c.press(*t, k)).until(20.0).risk.unwrap();
    assert_eq!(risk(&[(1.0, "1"), (5.0, "7")]), Risk::Information);
    assert_eq!(risk(&[(1.0, "5"), (5.0, "7")]), Risk::Urgent);
    assert_eq!(risk(&[(1.0, "7"), (5.0, "5")]), Risk::Urgent);
    assert_eq!(risk(&[(1.0, "7"), (5.0, "1")]), Risk::Information);
}

#[test]
fn zero_stops_all_messages_and_keeps_the_sound() {
    let trace = dial().press(1.0, "1").press(3.0, "0").until(300.0);
    assert_eq!(heard(&trace), ["P1.1 en", "P2 en"]);
    assert_eq!(sounds(&trace), ["waiting", "waiting"]);
    let told = dial()
        .press(1.0, "0")
        .event(30.0, Input::MoreHelp)
        .event(60.0, Input::Trouble)
        .event(90.0, Input::PartnerOffered)
        .press(95.0, "5")
        .until(300.0);
    assert_eq!(heard(&told), ["P1.1 en"], "not a word, whatever happens");
    assert_eq!(told.risk, Some(Risk::Urgent), "but keys still count");
    let wish = dial().press(1.0, "0").press(30.0, "8").until(40.0);
    assert_eq!(heard(&wish), ["P1.1 en", "P3 en"], "unless the caller asks for them");
}

#[test]
fn star_is_a_faint_tick_and_nothing_else() {
    let trace = dial().press(1.0, "*").until(300.0);
    assert_eq!(heard(&trace), ["P1.1 en"]);
    assert_eq!(sounds(&trace), ["tick"]);
    let trace = dial().press(1.0, "1").press(3.0, "*").press(60.0, "0").until(120.0);
    assert_eq!(sounds(&trace), ["waiting", "tick", "waiting"]);
}

#[test]
fn discreet_mode_says_nothing_that_tells_what_line_this_is() {
    let trace = dial()
        .press(1.0, "#")
        .press(8.0, "5")
        .event(50.0, Input::MoreHelp)
        .event(70.0, Input::InterpreterComing)
        .event(100.0, Input::Trouble)
        .event(160.0, Input::Answered)
        .event(170.0, Input::AgentLost)
        .until(400.0);
    let said: Vec<_> = heard(&trace).into_iter().skip(1).collect();
    for word in ["P2n", "P5n", "P6n", "P7n", "P9", "P10n", "P12"] {
        assert!(said.iter().any(|clip| clip.starts_with(&format!("{word} "))), "{word} in {said:?}");
    }
    for clip in trace.heard().skip(1) {
        for word in ["9-1-1", "crisis", "crise", "danger", "advocate", "intervenant", "confident"] {
            assert!(!clip.text.to_lowercase().contains(word), "{clip}: {}", clip.text);
        }
    }
    // In the middle of a telling message, the key changes the words at once.
    let trace = dial().press(1.0, "1").press(3.0, "#").until(4.0);
    assert_eq!(heard(&trace)[1..], ["P2 en", "P2n en"]);
    let trace = dial().press(1.0, "1").press(20.0, "#").until(21.0);
    assert_eq!(heard(&trace)[1..], ["P2 en", "P3 en"]);
    assert!(
        matches!(trace.entries.last().unwrap().1, Happened::Sound(_)),
        "P3 has no neutral form: the sound goes on"
    );
}

#[test]
fn more_than_ten_keys_in_five_seconds_raise_the_class() {
    let storm = |keys: usize, step: f64| {
        let call = (0..keys).fold(dial().press(1.0, "1"), |c, i| c.press(2.0 + i as f64 * step, "4"));
        call.until(60.0).risk.unwrap()
    };
    assert_eq!(storm(9, 0.2), Risk::Standard, "ten with the 1");
    assert_eq!(storm(10, 0.2), Risk::Elevated, "eleven with the 1");
    assert_eq!(storm(40, 0.6), Risk::Standard, "slowly");
    // Only the last eleven count.
    let late =
        (0..11).fold(dial().press(1.0, "1").press(2.0, "4"), |c, i| c.press(20.0 + 0.4 * f64::from(i), "4"));
    assert_eq!(late.until(60.0).risk, Some(Risk::Elevated));
    // In the greeting the storm goes nowhere, but the caller joins as elevated.
    let greeting = (0..30).fold(dial(), |c, i| c.press(0.1 * f64::from(i), "4")).until(30.0);
    assert_eq!(joins(&greeting), [(Language::Unknown, Risk::Elevated, Mode::default())]);
}

// --- What happens to a waiting caller ---

#[test]
fn more_help_is_said_only_when_further_phones_ring() {
    let trace = dial().press(1.0, "1").until(100.0);
    assert!(!heard(&trace).contains(&"P7 en".to_owned()));
    let trace = dial().press(1.0, "1").event(60.0, Input::MoreHelp).until(61.0);
    assert_eq!(heard(&trace).last().unwrap(), "P7 en");
    // It waits for the end of what is being said.
    let trace = dial().press(1.0, "1").event(3.0, Input::MoreHelp).until(45.0);
    assert_eq!(heard(&trace)[1..], ["P2 en", "P3 en", "P7 en"]);
}

#[test]
fn the_partner_offer_has_keys_of_its_own() {
    let offered = || dial().press(1.0, "7").event(100.0, Input::PartnerOffered);
    let chosen = offered().press(103.0, "1").until(104.0);
    assert!(chosen.entries.iter().any(|(_, what)| *what == Happened::Said(Output::Partner)));
    assert_eq!(chosen.language, Some(Language::Unknown), "1 is no language here");
    assert_eq!(sounds(&chosen).last().unwrap(), "waiting", "and waits until it answers");
    let ignored = offered().press(103.0, "2").until(104.0);
    assert_eq!(ignored.language, Some(Language::Unknown), "2 is ignored");
    assert_eq!(heard(&ignored).last().unwrap(), "P8 en", "and the offer goes on");
    // A key shortly after the end still counts; later it is a key of waiting again.
    let end = 100.0 + clip_seconds("P8", "en") + clip_seconds("P8", "fr");
    let late = offered().press(end + 4.5, "1").until(end + 5.0);
    assert!(late.entries.iter().any(|(_, what)| *what == Happened::Said(Output::Partner)));
    let too_late = offered().press(end + 5.5, "1").until(end + 6.0);
    assert_eq!(too_late.language, Some(Language::En));
    // Other keys as while waiting.
    let again = offered().press(103.0, "8").until(104.0);
    assert_eq!(heard(&again).iter().filter(|clip| *clip == "P8 en").count(), 2);
    let french = offered().press(103.0, "9").until(104.0);
    assert_eq!(heard(&french).last().unwrap(), "P8 fr");
    let quiet = offered().press(103.0, "0").until(200.0);
    assert_eq!(heard(&quiet).last().unwrap(), "P8 en");
}

#[test]
fn silent_mode_is_never_offered_the_partner() {
    let before = dial().press(1.0, "5").event(100.0, Input::PartnerOffered).until(200.0);
    assert!(heard(&before).iter().all(|clip| !clip.starts_with("P8")));
    let during = dial()
        .press(1.0, "1")
        .event(100.0, Input::PartnerOffered)
        .press(103.0, "5")
        .press(104.0, "1")
        .until(120.0);
    assert_eq!(heard(&during).last().unwrap(), "P5 en");
    assert!(!during.entries.iter().any(|(_, what)| *what == Happened::Said(Output::Partner)));
    let pending = dial().press(1.0, "1").event(3.0, Input::PartnerOffered).press(4.0, "5").until(120.0);
    assert!(heard(&pending).iter().all(|clip| !clip.starts_with("P8")));
}

#[test]
fn trouble_is_told_at_once() {
    let trace = dial().press(1.0, "1").event(3.0, Input::Trouble).until(40.0);
    assert_eq!(heard(&trace)[1..], ["P2 en", "P10 en", "P3 en"]);
    assert_timeline(&trace, &[(0.0, "P1.1 en"), (1.0, "P2 en"), (3.0, "P10 en")]);
}

#[test]
fn everything_stops_at_the_answer() {
    for when in [1.0, 5.0, 13.0, 40.0, 47.0] {
        let trace = dial().press(1.0, "1").event(when, Input::Answered).press(when + 1.0, "5").until(300.0);
        let after: Vec<_> =
            trace.entries.iter().filter(|(at, _)| *at > seconds(when)).map(|(_, what)| what).collect();
        assert_eq!(after, [&Happened::Input(Input::Digit(digit("5")))], "keys are the advocate's now");
        assert!(trace.entries.contains(&(seconds(when), Happened::Silence)));
    }
}

#[test]
fn an_advocate_lost_is_told_and_the_caller_waits_on_as_before() {
    let trace = dial()
        .press(1.0, "2")
        .press(3.0, "7")
        .event(10.0, Input::Answered)
        .event(100.0, Input::AgentSilent)
        .event(107.0, Input::AgentLost)
        .until(160.0);
    assert_eq!(joins(&trace).len(), 1, "the call is queued again by its owner, not by the walk");
    let after: Vec<_> = heard_at(&trace).into_iter().filter(|(at, _)| *at > 10.0).collect();
    assert_eq!(after[0], (107.0, "P12 fr".to_owned()));
    assert_close(after[1].0, 107.0 + 45.0);
    assert_eq!(after[1].1, "P6 fr");
    assert_eq!(sounds(&trace), ["waiting", "waiting", "waiting"], "sound from the moment of doubt");
    let back = dial()
        .press(1.0, "2")
        .event(10.0, Input::Answered)
        .event(20.0, Input::AgentSilent)
        .event(24.0, Input::AgentBack);
    let back = back.until(300.0);
    assert_eq!(back.entries.last().unwrap(), &(seconds(24.0), Happened::Silence));
}

#[test]
fn a_message_that_media_never_finishes_does_not_end_all_messages() {
    let mut walk = walk();
    walk.handle_input(Input::Digit(digit("1")), at(0.0));
    outputs(&mut walk);
    let reminded = wake_until(&mut walk, |o| matches!(o, Output::Play { cues, .. } if says(cues, "P6 en")));
    assert!(reminded < 60.0, "{reminded}");
    walk.handle_input(Input::PlayDone(PlayId(99)), at(reminded));
    assert_eq!(outputs(&mut walk), [], "an unknown play changes nothing");
}

#[test]
fn what_is_switched_off_is_not_said() {
    let text = common::without_tests(common::HOTLINE);
    let plan = havre_dialplan::Dialplan::parse("p", &text, &common::silent_prompts(), common::ALL).unwrap();
    let script = dial()
        .press(1.0, "1")
        .event(60.0, Input::MoreHelp)
        .event(70.0, Input::PartnerOffered)
        .event(80.0, Input::InterpreterComing);
    let script = Script { until: seconds(100.0), ..script.0 };
    assert_eq!(heard(&run(&plan, &script))[1..], ["P2 en", "P3 en", "P6 en"]);
    assert!(
        plan.widening()
            .usual
            .0
            .iter()
            .all(|(_, s)| !matches!(s, havre_model::Step::OnCall | havre_model::Step::Partner))
    );
    assert_eq!(**plan.widening(), havre_model::Widening::default(), "the journey's flow");
}

// --- Helpers: a call as a script ---

struct Call(Script);

fn dial() -> Call {
    dial_line("hotline")
}

fn dial_line(line: &str) -> Call {
    Call(Script { line: line.parse().unwrap(), caller: None, inputs: Vec::new(), until: Duration::ZERO })
}

impl Call {
    fn from(mut self, number: &str) -> Self {
        self.0.caller = Some(number.to_owned());
        self
    }

    fn press(self, at: f64, key: &str) -> Self {
        self.event(at, Input::Digit(digit(key)))
    }

    fn event(mut self, at: f64, input: Input) -> Self {
        self.0.inputs.push((seconds(at), input));
        self
    }

    fn until(self, until: f64) -> Trace {
        run(&silent_plan(), &Script { until: seconds(until), ..self.0 })
    }
}

fn digit(key: &str) -> Digit {
    Digit::from_char(key.chars().next().unwrap()).unwrap()
}

fn seconds(at: f64) -> Duration {
    Duration::from_secs_f64(at)
}

fn heard(trace: &Trace) -> Vec<String> {
    trace.heard().map(ToString::to_string).collect()
}

fn heard_at(trace: &Trace) -> Vec<(f64, String)> {
    let clips = trace.entries.iter().filter_map(|(at, what)| match what {
        Happened::Heard(clip) => Some((at.as_secs_f64(), clip.to_string())),
        _ => None,
    });
    clips.collect()
}

fn times_of(trace: &Trace, clip: &str) -> Vec<f64> {
    heard_at(trace).into_iter().filter(|(_, c)| c == clip).map(|(at, _)| at).collect()
}

fn sounds(trace: &Trace) -> Vec<String> {
    let sounds = trace.entries.iter().filter_map(|(_, what)| match what {
        Happened::Sound(clip) => Some(clip.to_string()),
        _ => None,
    });
    sounds.collect()
}

fn joins(trace: &Trace) -> Vec<(Language, Risk, Mode)> {
    let joins = trace.entries.iter().filter_map(|(_, what)| match what {
        Happened::Said(Output::Join { language, risk, mode }) => Some((*language, *risk, *mode)),
        _ => None,
    });
    joins.collect()
}

fn changes(trace: &Trace) -> Vec<String> {
    let changes = trace.entries.iter().filter_map(|(_, what)| match what {
        Happened::Said(Output::Changed { .. }) => Some(what.to_string().replace("now known: ", "")),
        _ => None,
    });
    changes.collect()
}

fn mode_of(word: &str) -> Mode {
    let sound = match word {
        "no_messages" => WaitingSound::NoMessages,
        "tick" => WaitingSound::Tick,
        _ => WaitingSound::Full,
    };
    Mode { silent: word == "silent", discreet: word == "discreet", sound }
}

fn clip_seconds(prompt: &str, language: &str) -> f64 {
    let spoken = havre_model::Spoken::from_name(language);
    silent_plan().catalogue().clip(prompt, spoken).unwrap().duration().as_secs_f64()
}

fn assert_close(is: f64, wanted: f64) {
    assert!((is - wanted).abs() < 0.01, "{is} is not {wanted}");
}

/// What is heard first, and when.
fn assert_timeline(trace: &Trace, wanted: &[(f64, &str)]) {
    let is = heard_at(trace);
    for ((at, clip), (wanted_at, wanted_clip)) in is.iter().zip(wanted) {
        assert_eq!(clip, wanted_clip, "{is:?}");
        assert_close(*at, *wanted_at);
    }
    assert!(is.len() >= wanted.len(), "{is:?}");
}

#[test]
fn a_way_out_of_a_menu_is_told_once_with_its_key() {
    let went = |press: Option<char>| {
        let mut walk = walk();
        walk.handle_input(Input::Picked, at(0.0));
        // A wrong key goes no way, and one in the queue is no way out of a menu.
        for key in ['8', press.unwrap_or('8'), '2'] {
            if press.is_some() || key == '8' {
                walk.handle_input(Input::Digit(Digit::from_char(key).unwrap()), at(1.0));
            }
        }
        let mut told = outputs(&mut walk);
        while !told.iter().any(|output| matches!(output, Output::Join { .. })) {
            let now = walk.poll_timeout().unwrap().at;
            walk.handle_timeout(Now { mono: now, unix: Unix::default() });
            told.extend(outputs(&mut walk));
        }
        let ways = told.into_iter().filter_map(|output| match output {
            Output::Went { menu, key } => Some((silent_plan().menu_id(menu), key)),
            _ => None,
        });
        ways.collect::<Vec<_>>()
    };
    let greeting = || "menu:greeting".to_owned();
    assert_eq!(went(Some('5')), [(greeting(), Digit::from_char('5'))]);
    assert_eq!(went(None), [(greeting(), None)]);
}

// --- Helpers: a walk without media ---

fn walk() -> Walk {
    let line: LineId = "hotline".parse().unwrap();
    Walk::new(silent_plan(), &line, false, at(0.0))
}

fn at(seconds: f64) -> Now {
    Now { mono: Mono::from_start(Duration::from_secs_f64(seconds)), unix: Unix::default() }
}

fn outputs(walk: &mut Walk) -> Vec<Output> {
    std::iter::from_fn(|| walk.poll_output()).collect()
}

/// Only wakes the walk, until it says something; when it did, in seconds.
fn wake_until(walk: &mut Walk, wanted: impl Fn(&Output) -> bool) -> f64 {
    for _ in 0..100 {
        let now = walk.poll_timeout().unwrap().at;
        walk.handle_timeout(Now { mono: now, unix: Unix::default() });
        if outputs(walk).iter().any(&wanted) {
            return now.since_start().as_secs_f64();
        }
    }
    panic!("the walk never said it");
}

fn says(cues: &[Cue], clip: &str) -> bool {
    cues.iter().any(|cue| matches!(cue, Cue::Clip(c) if c.to_string() == clip))
}
