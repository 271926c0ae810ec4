//! More to do than can be done: who is let in, in what order, how soon the others are refused, and what is never
//! touched. The load is what the shell would have measured.

mod net;

use std::time::Duration;

use havre_model::Cause;
use havre_sip::{Config, Event, Input, Method, Overload, Password, Transport};
use net::raw::*;
use net::*;

const TO_LINE: &str = "sip:+18335550100@192.0.2.10";
/// So long a wait is load.
const LOADED: Duration = Duration::from_millis(30);
/// Places in the room when the load begins: those of 150 ms at 2,000 calls a second.
const PLACES: u64 = 300;

fn havre() -> (Net, usize) {
    let mut net = Net::new(9);
    let havre = net.add("havre", HAVRE, gateway());
    (net, havre)
}

fn load(net: &mut Net, at: usize, delay: Duration) {
    net.input(at, Input::Load { delay });
}

/// An INVITE of a number of its own.
fn call(n: u64, number: &str) -> String {
    invite(TO_LINE, CARRIER, &format!("From: <sip:{number}@carrier.example>;tag=f{n}\nCall-ID: call-{n}\n"))
}

fn number(n: u64) -> String {
    format!("+1416{n:07}")
}

/// Numbers of those who ring, in the order in which they were let in.
fn let_in(net: &mut Net, at: usize) -> Vec<String> {
    let events = net.events(at);
    let caller = |event: Event| match event {
        Event::Incoming { caller, .. } => caller.expose().number.clone(),
        _ => None,
    };
    events.into_iter().filter_map(caller).collect()
}

fn refusals(net: &mut Net) -> Vec<String> {
    net.received(CARRIER).into_iter().filter(|text| text.starts_with("SIP/2.0 503")).collect()
}

#[test]
fn without_load_calls_are_let_in_as_they_come() {
    let (mut net, at) = havre();
    load(&mut net, at, Duration::from_millis(15));
    for n in 0..100 {
        net.send(CARRIER, HAVRE, &call(n, &number(n)));
    }
    net.run(ms(11));
    assert_eq!(let_in(&mut net, at).len(), 100);
    assert_eq!(net.party(at).endpoint.counters().calls_delayed, 0);
}

#[test]
fn under_load_all_are_let_in_while_there_is_room_and_the_room_empties_by_itself() {
    let (mut net, at) = havre();
    load(&mut net, at, LOADED);
    for n in 0..200 {
        net.send(CARRIER, HAVRE, &call(n, &number(n)));
    }
    net.run(ms(11));
    assert!(net.party(at).endpoint.waiting() > 100, "they wait");
    // Reading has caught up.
    load(&mut net, at, ms(2));
    net.run(ms(110));
    let all: Vec<String> = (0..200).map(number).collect();
    assert_eq!(let_in(&mut net, at), all, "in the order in which they came");
    assert!(refusals(&mut net).is_empty());
    assert!(net.party(at).endpoint.is_loaded());
    load(&mut net, at, ms(1));
    assert!(!net.party(at).endpoint.is_loaded());
}

#[test]
fn who_waits_is_let_in_whenever_nothing_else_is_to_be_done() {
    let (mut net, at) = havre();
    load(&mut net, at, LOADED);
    for n in 0..40 {
        net.send(CARRIER, HAVRE, &call(n, &number(n)));
    }
    net.run(ms(11));
    let mut all = let_in(&mut net, at);
    let mut times = 0;
    while net.party(at).endpoint.waiting() > 0 {
        net.input(at, Input::Leisure);
        let more = let_in(&mut net, at);
        assert!((1..=8).contains(&more.len()), "{more:?}");
        all.extend(more);
        times += 1;
    }
    assert!(times >= 3, "{times}: hardly any had been let in by then");
    assert_eq!(all, (0..40).map(number).collect::<Vec<_>>(), "in their order");
}

#[test]
fn who_finds_no_place_is_refused_at_once_and_every_time_in_the_same_words() {
    let (mut net, at) = havre();
    load(&mut net, at, LOADED);
    for n in 0..1_200 {
        net.send(CARRIER, HAVRE, &call(n, &number(n)));
    }
    net.run(ms(25));
    let refused = refusals(&mut net);
    // Some were let in meanwhile.
    let without_place = 1_200 - usize::try_from(PLACES).unwrap();
    assert!((without_place - 60..=without_place).contains(&refused.len()), "{}", refused.len());
    for text in &refused {
        let pause: u32 = header(text, "Retry-After").parse().unwrap();
        assert!((1..=3).contains(&pause), "{text}");
        assert!(header(text, "To").contains(";tag=x"), "no state is kept: {text}");
    }
    // The same INVITE again gets the same tag, although nobody remembers it.
    net.run(ms(200));
    let again = header(&refused[0], "Call-ID").trim_start_matches("call-").parse().unwrap();
    let_in(&mut net, at);
    net.received(CARRIER);
    net.command(at, havre_sip::Command::Drain);
    net.send(CARRIER, HAVRE, &call(again, &number(again)));
    net.run(ms(25));
    let refusals = refusals(&mut net);
    let second = refusals.iter().find(|text| header(text, "Call-ID") == format!("call-{again}")).unwrap();
    assert_eq!(header(second, "To"), header(&refused[0], "To"));
}

/// Calls that are as good as any, on their way together: the room is full when the last of them is there.
fn crowd(net: &mut Net, from: u64) {
    for n in from..from + 1_100 {
        net.send(CARRIER, HAVRE, &call(n, &number(n)));
    }
}

#[test]
fn a_refusal_at_a_glance_is_the_same_as_the_long_way_s() {
    // What is folded is not glimpsed.
    let long_way = |text: &str| text.replacen("Max-Forwards", "Subject: folded\r\n here\r\nMax-Forwards", 1);
    let paused = |text: &str| match text.split_once("Retry-After: ") {
        Some((before, after)) => format!("{before}Retry-After: N{}", &after[1..]),
        None => text.to_owned(),
    };
    let plain = call(5_000, &number(5_000));
    let hops = plain.replacen("From:", "Via: SIP/2.0/TCP [2001:db8::1]:5070 ;branch=z9hG4bKfirst\r\nf :", 1);
    let without_rport = plain.replace(";rport", "");
    let other_host = without_rport.replace(&format!("UDP {CARRIER}"), "UDP pbx.example:5071");
    for overload in [Overload::RetryAfter, Overload::Unavailable, Overload::ServerError] {
        for text in [&plain, &hops, &without_rport, &other_host] {
            let mut config = gateway();
            config.trunks[0].overload = overload;
            let mut net = Net::new(9);
            let at = net.add("havre", HAVRE, config);
            load(&mut net, at, LOADED);
            crowd(&mut net, 0);
            net.send(CARRIER, HAVRE, text);
            net.send(CARRIER, HAVRE, &long_way(text));
            net.run(ms(25));
            assert_eq!(net.party(at).endpoint.counters().glances, 1_100 - PLACES + 1, "{text}");
            let answers = [net.received(CARRIER), net.received("198.51.100.7:5071")].concat();
            let answers: Vec<_> =
                answers.iter().filter(|text| header(text, "Call-ID") == "call-5000").collect();
            let [glance, long] = &answers[..] else { panic!("{answers:#?}") };
            assert_eq!(paused(glance), paused(long));
        }
    }
}

#[test]
fn what_belongs_to_a_call_is_never_taken_for_a_new_one() {
    let (mut net, at) = havre();
    net.send(CARRIER, HAVRE, &call(5_000, &number(5_000)));
    net.run(ms(25));
    let leg = net.incoming(at);
    net.answers(at, leg);
    net.run(ms(25));
    let accepted = net.received(CARRIER).into_iter().find(|text| status(text) == 200).unwrap();
    load(&mut net, at, LOADED);
    crowd(&mut net, 0);
    net.run(ms(25));
    let refused = refusals(&mut net);
    assert!(!refused.is_empty());
    crowd(&mut net, 2_000);
    let lines = |text: &str| {
        ["From", "To", "Call-ID"].map(|name| format!("{name}: {}\n", header(text, name))).concat()
    };
    let received = net.party(at).endpoint.counters().received;
    // The ACK of a refusal ends nothing, that of a 2xx is heard by its call: the 2xx is not sent again.
    let over = request("ACK", TO_LINE, CARRIER, &format!("{}CSeq: 1 ACK\n", lines(&refused[0])), "");
    net.send(CARRIER, HAVRE, &over);
    let up = request("ACK", "sip:192.0.2.10", CARRIER, &format!("{}CSeq: 1 ACK\n", lines(&accepted)), "");
    net.send(CARRIER, HAVRE, &up);
    // One that waits is known, and may go.
    let waits = call(250, &number(250));
    net.send(CARRIER, HAVRE, &waits);
    net.send(CARRIER, HAVRE, &waits.replace("INVITE", "CANCEL"));
    net.run(ms(25));
    assert_eq!(net.party(at).endpoint.counters().received, received + 1_100 + 4);
    let of_waiting = |text: &String| header(text, "Call-ID") == "call-250";
    let answers: Vec<String> = net.received(CARRIER).into_iter().filter(of_waiting).collect();
    assert_eq!(answers.iter().map(|text| status(text)).collect::<Vec<_>>(), [487, 200]);
    // This refusal has state: its ACK is no stray one, and ends its repetitions.
    let over = waits.replacen("INVITE", "ACK", 1).replace("1 INVITE", "1 ACK");
    let to = format!("To: {}", header(&waits, "To"));
    assert!(over.contains(&to));
    net.send(CARRIER, HAVRE, &over.replace(&to, &format!("To: {}", header(&answers[0], "To"))));
    net.run(secs(5));
    let again = net.received(CARRIER);
    assert!(!again.iter().any(|text| header(text, "Call-ID") == "call-5000"), "the ACK was heard");
    assert!(!again.iter().any(of_waiting), "this one, too");
}

#[test]
fn an_advocate_behind_a_trunk_s_address_is_not_taken_for_its_caller() {
    let mut config = gateway();
    config.trunks[0].sources.push("203.0.113.0/24".parse().unwrap());
    let mut net = Net::new(9);
    let at = net.add("havre", HAVRE, config);
    let desk = net.add("desk", PHONE, phone());
    net.registers(desk, "advocate-fr", "secret-fr", Transport::Udp);
    net.run(ms(200));
    load(&mut net, at, LOADED);
    crowd(&mut net, 0);
    net.run(ms(10));
    let glances = net.party(at).endpoint.counters().glances;
    crowd(&mut net, 2_000);
    net.send(PHONE, HAVRE, &invite("sip:*45@192.0.2.10", PHONE, ""));
    net.run(ms(10));
    // Each of the crowd that found no place, and not the advocate's.
    let counters = net.party(at).endpoint.counters();
    assert!(counters.glances > glances, "the room is closed");
    assert_eq!(counters.overload_refusals, counters.glances);
}

#[test]
fn as_many_are_let_in_as_leave_time_to_read() {
    let let_in_at = |delay: Duration| {
        let (mut net, at) = havre();
        load(&mut net, at, LOADED);
        let mut last = 0;
        for turn in 0..40 {
            for n in turn * 400..(turn + 1) * 400 {
                net.send(CARRIER, HAVRE, &call(n, &number(n)));
            }
            load(&mut net, at, delay);
            let_in(&mut net, at);
            net.run(ms(20));
            last = let_in(&mut net, at).len();
        }
        last
    };
    // Calls of the last 20 ms of 800: the fastest pace, and the slowest.
    let (in_time, behind) = (let_in_at(Duration::ZERO), let_in_at(ms(60)));
    assert!(in_time > 250 && (1..=3).contains(&behind), "{in_time} {behind}");
}

#[test]
fn a_refusal_comes_within_half_a_second_even_if_nobody_lets_anybody_in() {
    let (mut net, at) = havre();
    // What is read has waited for 200 ms already.
    load(&mut net, at, ms(200));
    net.send(CARRIER, HAVRE, &call(1, &number(1)));
    net.run(ms(10));
    assert_eq!(net.party(at).endpoint.waiting(), 1);
    // The shell comes back so late that the call is not worth an answer any more.
    net.now = net.now.after(ms(150));
    net.run(ms(11));
    assert_eq!(refusals(&mut net).len(), 1);
    assert!(let_in(&mut net, at).is_empty());
}

#[test]
fn a_number_that_calls_again_and_again_lets_others_go_first_and_is_let_in_all_the_same() {
    let (mut net, at) = havre();
    load(&mut net, at, LOADED);
    for n in 0..50 {
        net.send(CARRIER, HAVRE, &call(n, "+14165550666"));
    }
    for n in 50..60 {
        net.send(CARRIER, HAVRE, &call(n, &number(n)));
    }
    net.run(ms(60));
    let order = let_in(&mut net, at);
    assert_eq!(order.len(), 60, "there is room for all");
    let flood = |number: &String| number == "+14165550666";
    let last_other = order.iter().rposition(|number| !flood(number)).unwrap();
    let before = order[..last_other].iter().filter(|number| flood(number)).count();
    assert!(before <= 5 + 16, "only the first ones, and whoever was let in before the others came: {before}");
    assert!(refusals(&mut net).is_empty());
}

#[test]
fn a_flood_of_one_number_takes_no_place_of_others() {
    let (mut net, at) = havre();
    load(&mut net, at, LOADED);
    for n in 0..1_100 {
        net.send(CARRIER, HAVRE, &call(n, "+14165550666"));
    }
    for n in 2_000..2_100 {
        net.send(CARRIER, HAVRE, &call(n, &number(n)));
    }
    net.run(ms(150));
    let refused = refusals(&mut net);
    assert!(!refused.is_empty());
    assert!(refused.iter().all(|text| header(text, "From").contains("5550666")), "{refused:#?}");
    let order = let_in(&mut net, at);
    assert_eq!(order.iter().filter(|number| *number != "+14165550666").count(), 100);
}

#[test]
fn a_call_that_waits_can_be_cancelled_and_is_not_let_in_twice() {
    let (mut net, at) = havre();
    load(&mut net, at, LOADED);
    for n in 0..40 {
        net.send(CARRIER, HAVRE, &call(n, &number(n)));
    }
    let invite = call(40, &number(40));
    net.send(CARRIER, HAVRE, &invite);
    net.send(CARRIER, HAVRE, &invite);
    net.send(CARRIER, HAVRE, &invite.replace("INVITE", "CANCEL"));
    // A repetition that was on its way calls nobody.
    net.send(CARRIER, HAVRE, &invite);
    net.run(ms(60));
    let order = let_in(&mut net, at);
    assert_eq!(order.len(), 40, "{order:?}");
    let answers: Vec<u16> = net
        .received(CARRIER)
        .iter()
        .filter(|text| header(text, "Call-ID") == "call-40")
        .map(|text| status(text))
        .collect();
    assert_eq!(answers, [487, 200, 487]);
}

#[test]
fn a_call_that_comes_by_two_ways_is_let_in_once() {
    let (mut net, at) = havre();
    load(&mut net, at, LOADED);
    net.send(CARRIER, HAVRE, &call(1, &number(1)));
    net.send(CARRIER, HAVRE, &call(1, &number(1)).replace("branch=z9hG4bK", "branch=z9hG4bKother"));
    net.run(ms(30));
    assert_eq!(let_in(&mut net, at).len(), 1);
    let answers: Vec<u16> = net.received(CARRIER).iter().map(|text| status(text)).collect();
    assert!(answers.contains(&482), "RFC 3261 §8.2.2.2: {answers:?}");
}

#[test]
fn who_waited_in_vain_is_told_in_the_words_of_its_trunk_wherever_it_comes_from() {
    let mut config = by_digest();
    config.trunks[0].overload = Overload::ServerError;
    let mut net = Net::new(9);
    let at = net.add("havre", HAVRE, config);
    let proof = proof(&mut net);
    load(&mut net, at, ms(200));
    net.send(CARRIER, HAVRE, &invite(TO_LINE, CARRIER, &format!("{proof}CSeq: 2 INVITE\n")));
    net.run(ms(10));
    assert_eq!(net.party(at).endpoint.waiting(), 1);
    net.received(CARRIER);
    net.now = net.now.after(ms(150));
    net.run(ms(11));
    let answers = net.received(CARRIER);
    assert_eq!(answers.iter().map(|text| status(text)).collect::<Vec<_>>(), [500]);
    assert!(!answers[0].contains("Retry-After"), "{}", answers[0]);
}

#[test]
fn calls_in_progress_do_not_wait() {
    let mut net = Net::new(9);
    let havre = net.add("havre", HAVRE, gateway());
    let carrier = net.add("carrier", CARRIER, phone());
    net.call_in_progress(carrier, havre);
    net.events(carrier);
    net.events(havre);
    load(&mut net, havre, secs(2));
    net.hangs_up(carrier, LEG, Cause::Done);
    net.run(ms(25));
    let events = net.events(havre);
    assert!(events.iter().any(|event| matches!(event, Event::Ended { .. })), "{events:?}");
}

#[test]
fn strangers_are_read_less_under_load_and_one_carrier_s_callers_are_no_stranger() {
    let mut net = Net::new(9);
    let at = net.add("havre", HAVRE, by_digest());
    let dropped = |net: &mut Net| net.party(at).endpoint.counters().strangers_dropped;
    // The carrier comes from anywhere, and has proven itself with one call.
    let proof = proof(&mut net);
    net.send(CARRIER, HAVRE, &invite(TO_LINE, CARRIER, &format!("{proof}CSeq: 2 INVITE\n")));
    net.run(ms(25));
    assert_eq!(let_in(&mut net, at).len(), 1);

    for n in 0..300 {
        net.send(STRANGER, HAVRE, &options(n));
    }
    net.run(ms(25));
    assert_eq!(dropped(&mut net), 0, "without load everybody is answered");
    net.received(STRANGER);

    load(&mut net, at, LOADED);
    for n in 300..600 {
        net.send(STRANGER, HAVRE, &options(n));
        net.send(CARRIER, HAVRE, &call(n, &number(n)));
    }
    net.run(ms(25));
    assert_eq!(dropped(&mut net), 260);
    assert_eq!(net.received(STRANGER).len(), 40);
    let answered = net.received(CARRIER).iter().filter(|text| status(text) == 401).count();
    assert_eq!(answered, 300, "each of the carrier's calls is looked at");
}

#[test]
fn who_speaks_in_a_call_is_no_stranger() {
    let (mut net, at) = havre();
    let dropped = |net: &mut Net| net.party(at).endpoint.counters().strangers_dropped;
    net.send(CARRIER, HAVRE, &call(1, &number(1)));
    net.run(ms(25));
    let leg = net.incoming(at);
    net.answers(at, leg);
    net.run(ms(25));
    let accepted = net.received(CARRIER).into_iter().find(|text| status(text) == 200).unwrap();
    // The carrier's media gateway, say: an address that nobody configured.
    let in_call = |n: u64| {
        let (from, to) = (header(&accepted, "From"), header(&accepted, "To"));
        let lines = format!("From: {from}\nTo: {to}\nCall-ID: call-1\nCSeq: {} OPTIONS\n", n + 2);
        request("OPTIONS", "sip:192.0.2.10", STRANGER, &lines, "")
    };
    load(&mut net, at, LOADED);
    for n in 0..200 {
        net.send(STRANGER, HAVRE, &in_call(n));
    }
    net.run(ms(25));
    assert_eq!(dropped(&mut net), 0);
    assert_eq!(net.received(STRANGER).iter().filter(|text| status(text) == 200).count(), 200);
}

/// The carrier is known by its credentials alone.
fn by_digest() -> Config {
    let mut config = gateway();
    config.trunks[0].sources.clear();
    config.trunks[0].digest = Some(("carrier-user".to_owned(), Password::new("carrier-secret")));
    config
}

/// Its answer to a challenge.
fn proof(net: &mut Net) -> String {
    let challenge = net.answer_to(CARRIER, &invite(TO_LINE, CARRIER, ""));
    authorization(&challenge, Method::Invite, TO_LINE, "carrier-user", "carrier-secret")
}

fn options(n: u64) -> String {
    crlf(&format!(
        "OPTIONS sip:192.0.2.10 SIP/2.0\nVia: SIP/2.0/UDP 233.252.0.66;branch=z9hG4bKo{n}\nFrom: <sip:a@h>;tag=1\n\
         To: <sip:b@h>\nCall-ID: o{n}\nCSeq: 1 OPTIONS\nMax-Forwards: 70\n\n"
    ))
}
