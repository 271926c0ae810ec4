//! Offers: who is rung, for how long, and what an unanswered or declined ring leads to.

use std::time::Duration;

use havre_e2e::{Baresip, Line, TOLL_FREE, until};

const SOON: Duration = Duration::from_secs(5);

#[test]
fn an_advocate_who_does_not_answer_loses_the_offer_and_the_next_one_gets_it() {
    let line = Line::demo().start();
    let events = line.events();
    // The longest idle is rung first.
    let deaf = line.ringing_advocate("advocate-en", 700.0);
    let next = line.advocate("advocate-bi", 900.0);
    let mut caller = call_in_english(&line);
    let (offered, first) = events.wait("offered", 1, SOON);
    assert_eq!(
        (first["agent"].as_str(), first["kind"].as_str()),
        (Some("advocate-en"), Some("single")),
        "{first}"
    );
    let (withdrawn, event) = events.wait("withdrawn", 1, Duration::from_secs(15));
    assert_eq!(event["why"].as_str(), Some("no_answer"), "{event}");
    let rang = (withdrawn - offered).as_secs_f64();
    assert!((11.5..13.0).contains(&rang), "rang for {rang} s");
    let (second, event) = events.wait("offered", 2, SOON);
    assert_eq!(event["agent"].as_str(), Some("advocate-bi"));
    assert!(second - withdrawn < Duration::from_secs(1), "the next is offered at once");
    assert_eq!(events.answered_by(1, SOON), "advocate-bi");
    caller.hears_tone(900.0, SOON);
    next.hears_tone(440.0, SOON);
    until("the ringing to stop", SOON, || deaf.has_hung_up().then_some(()));
    let first = line.api().agent("advocate-en");
    assert_eq!((first["state"].as_str(), first["reason"].as_str()), (Some("not_ready"), Some("no_answer")));
    caller.hang_up();
}

#[test]
fn a_declined_offer_goes_to_the_next_at_once() {
    let line = Line::demo().start();
    let events = line.events();
    let mut busy = line.ringing_advocate("advocate-en", 700.0);
    let _next = line.advocate("advocate-bi", 900.0);
    let mut caller = call_in_english(&line);
    busy.sees("CALL_INCOMING", 1, SOON);
    busy.hang_up();
    assert_eq!(events.answered_by(1, SOON), "advocate-bi");
    caller.hears_tone(900.0, SOON);
    caller.hang_up();
}

#[test]
fn a_phone_that_lost_power_unnoticed_costs_the_caller_no_ring_time() {
    let line = Line::demo().start();
    let events = line.events();
    // The longest idle is rung first, and nothing has told the line that its phone is gone.
    let mut dead = line.advocate("advocate-en", 700.0);
    let _next = line.advocate("advocate-bi", 900.0);
    dead.lose_power();
    let mut caller = call_in_english(&line);
    let (joined, _) = events.wait("joined", 1, SOON);
    let (withdrawn, event) = events.wait("withdrawn", 1, SOON);
    assert_eq!(
        (event["agent"].as_str(), event["why"].as_str()),
        (Some("advocate-en"), Some("unreachable")),
        "{event}"
    );
    assert!(withdrawn - joined < Duration::from_secs(1), "ICMP says so at once");
    assert_eq!(events.answered_by(1, SOON), "advocate-bi");
    caller.hears_tone(900.0, SOON);
    caller.hang_up();
}

#[test]
fn the_ringing_stops_when_the_caller_leaves_and_the_advocate_stays_ready() {
    let line = Line::demo().start();
    let events = line.events();
    let advocate = line.ringing_advocate("advocate-en", 700.0);
    let mut caller = call_in_english(&line);
    advocate.sees("CALL_INCOMING", 1, SOON);
    caller.hang_up();
    until("the ringing to stop", SOON, || advocate.has_hung_up().then_some(()));
    let (_, event) = events.wait("withdrawn", 1, SOON);
    assert_eq!(event["why"].as_str(), Some("caller_left"), "{event}");
    line.api().wait_for_state("advocate-en", "ready");
    let (_, ended) = events.wait("ended", 1, SOON);
    assert_eq!(ended["outcome"].as_str(), Some("abandoned"), "{ended}");
}

#[test]
fn two_callers_are_never_offered_to_one_advocate_nor_two_advocates_connected_to_one_caller() {
    let line = Line::demo().start();
    let events = line.events();
    let _one = line.advocate("advocate-en", 700.0);
    let (mut first, mut second) = (call_in_english(&line), call_in_english(&line));
    events.wait("answered", 1, SOON);
    events.wait("joined", 2, SOON);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(events.of("answered").len(), 1, "{}", events.log());
    assert_eq!(line.api().calls().iter().filter(|c| c["stage"] == "talking").count(), 1);
    // After the talk and two seconds of wrap-up, it is the other's turn.
    let (talking, waiting) = if first.tone(SOON / 10).is_some_and(|t| (t.hz - 700.0).abs() < 3.0) {
        (&mut first, &second)
    } else {
        (&mut second, &first)
    };
    talking.hang_up();
    events.wait("answered", 2, SOON);
    waiting.hears_tone(700.0, SOON);
}

#[test]
fn an_urgent_call_with_nobody_idle_rings_the_reserve_at_once() {
    let line = Line::demo().start();
    let events = line.events();
    let _supervisor = line.advocate("supervisor", 1_500.0);
    let mut standard = call_in_english(&line);
    events.wait("joined", 1, SOON);
    let mut urgent = Baresip::caller(440.0).start();
    urgent.dial_line(&line, TOLL_FREE);
    urgent.talks(SOON);
    urgent.press("5");
    let (joined, event) = events.wait("joined", 2, SOON);
    assert_eq!(event["risk"].as_str(), Some("urgent"), "{event}");
    let (offered, event) = events.wait("offered", 1, SOON);
    assert_eq!(
        (event["agent"].as_str(), event["kind"].as_str()),
        (Some("supervisor"), Some("reserve")),
        "{event}"
    );
    assert!(offered - joined < Duration::from_secs(1));
    urgent.hears_tone(1_500.0, SOON);
    standard.hang_up();
    urgent.hang_up();
}

fn call_in_english(line: &Line) -> Baresip {
    let mut caller = Baresip::caller(440.0).start();
    caller.dial_line(line, TOLL_FREE);
    caller.talks(SOON);
    caller.press("1");
    caller
}
