//! Provisional answers that are acknowledged (RFC 3262), and UPDATE before the answer (RFC 3311).

mod net;

use havre_model::{Cause, LegId};
use havre_sip::{Command, EndedBy, Event, Transport};
use net::raw::*;
use net::*;

const TO_LINE: &str = "sip:+18335550100@192.0.2.10";
const WITH_SDP: &str = "Contact: <sip:198.51.100.7:5060>\nContent-Type: application/sdp\n";

// ---- ours, to a caller who requires it ----

struct Caller {
    net: Net,
    havre: usize,
    leg: LegId,
    seq: u32,
}

impl Caller {
    fn calls(more: &str) -> Self {
        let mut net = Net::new(31);
        let havre = net.add("havre", HAVRE, gateway());
        net.send(CARRIER, HAVRE, &invite(TO_LINE, CARRIER, more));
        net.run(ms(20));
        let leg = net.incoming(havre);
        net.received(CARRIER);
        net.events(havre);
        Self { net, havre, leg, seq: 1 }
    }

    fn rings(&mut self, status: u16) {
        self.net.command(self.havre, Command::Progress { leg: self.leg, status });
    }

    fn hears(&mut self, after: std::time::Duration) -> Vec<String> {
        self.net.run(after);
        self.net.received(CARRIER)
    }

    fn asks(&mut self, answer: &str, method: &str, more: &str, body: &str) -> String {
        self.seq += 1;
        let lines = format!(
            "From: {}\nTo: {}\nCall-ID: {}\nCSeq: {} {method}\n{more}",
            header(answer, "From"),
            header(answer, "To"),
            header(answer, "Call-ID"),
            self.seq
        );
        let text = request(method, "sip:havre@192.0.2.10:5060", CARRIER, &lines, body);
        self.net.answer_to(CARRIER, &text)
    }
}

fn rack(answer: &str, plus: u32) -> String {
    let rseq: u32 = header(answer, "RSeq").parse().expect("a number");
    format!("RAck: {} 1 INVITE\n", rseq + plus)
}

#[test]
fn a_reliable_180_is_repeated_until_its_prack() {
    let mut caller = Caller::calls("Require: 100rel\n");
    caller.rings(180);
    let ringing = caller.hears(ms(20)).remove(0);
    assert_eq!((status(&ringing), header(&ringing, "Require")), (180, "100rel"), "{ringing}");
    assert_eq!(header(&ringing, "Supported"), "timer, 100rel");
    assert_eq!(caller.hears(ms(3600)), [&*ringing; 3], "after 0.5, 1.5 and 3.5 s");
    assert_eq!(status(&caller.asks(&ringing, "PRACK", &rack(&ringing, 1), "")), 481);
    assert_eq!(status(&caller.asks(&ringing, "PRACK", "RAck: x\n", "")), 481);
    assert_eq!(status(&caller.asks(&ringing, "PRACK", &rack(&ringing, 0), "")), 200);
    assert_eq!(status(&caller.asks(&ringing, "PRACK", &rack(&ringing, 0), "")), 481, "twice");
    assert!(caller.hears(secs(60)).is_empty());
    let (havre, leg) = (caller.havre, caller.leg);
    caller.net.answers(havre, leg);
    assert_eq!(status(&caller.hears(ms(20))[0]), 200);
}

#[test]
fn the_next_reliable_answer_waits_for_the_prack_of_the_one_before() {
    let mut caller = Caller::calls("Require: 100rel\n");
    caller.rings(180);
    caller.rings(182);
    caller.rings(183);
    let heard = caller.hears(ms(20));
    assert_eq!(heard.len(), 1);
    let prack = rack(&heard[0], 0);
    caller.seq += 1;
    let lines = format!(
        "From: {}\nTo: {}\nCall-ID: call-1\nCSeq: 2 PRACK\n{prack}",
        header(&heard[0], "From"),
        header(&heard[0], "To"),
    );
    caller.net.send(CARRIER, HAVRE, &request("PRACK", "sip:havre@192.0.2.10:5060", CARRIER, &lines, ""));
    let next = caller.hears(ms(20));
    assert_eq!(next.iter().map(|text| status(text)).collect::<Vec<_>>(), [200, 183], "the newest only");
    assert_eq!(rack(&next[1], 0), rack(&heard[0], 1));
}

#[test]
fn a_missing_prack_refuses_nobody_and_a_late_one_is_taken() {
    let mut caller = Caller::calls("Require: 100rel\n");
    caller.rings(180);
    let ringing = caller.hears(secs(33)).remove(0);
    assert!(caller.hears(secs(60)).is_empty(), "given up after 64 T1");
    assert_eq!(caller.net.party(caller.havre).endpoint.legs(), 1);
    assert!(caller.net.events(caller.havre).is_empty());
    drop(ringing);

    let mut caller = Caller::calls("Require: 100rel\n");
    caller.rings(180);
    let ringing = caller.hears(ms(20)).remove(0);
    let (havre, leg) = (caller.havre, caller.leg);
    caller.net.answers(havre, leg);
    let ack = format!(
        "From: {}\nTo: {}\nCall-ID: call-1\nCSeq: 1 ACK\n",
        header(&ringing, "From"),
        header(&ringing, "To")
    );
    caller.net.send(CARRIER, HAVRE, &request("ACK", "sip:havre@192.0.2.10:5060", CARRIER, &ack, ""));
    assert_eq!(caller.hears(secs(10)).len(), 1, "the 200, and the 180 no more");
    assert_eq!(status(&caller.asks(&ringing, "PRACK", &rack(&ringing, 0), "")), 200);
    assert_eq!(status(&caller.asks(&ringing, "PRACK", &rack(&ringing, 0), "")), 481);
}

#[test]
fn a_caller_who_gives_up_before_the_prack_hears_no_more_ringing() {
    let mut caller = Caller::calls("Require: 100rel\n");
    caller.rings(180);
    caller.hears(ms(20));
    let text = invite(TO_LINE, CARRIER, "Require: 100rel\n");
    caller.net.send(CARRIER, HAVRE, &text.replace("INVITE", "CANCEL").replace("Require: 100rel\r\n", ""));
    caller.net.run(ms(20));
    caller.net.send(CARRIER, HAVRE, &text.replace("INVITE", "ACK"));
    let heard: Vec<_> = caller.hears(secs(40)).iter().map(|text| status(text)).collect();
    assert_eq!(heard, [200, 487]);
    assert_eq!(caller.net.party(caller.havre).endpoint.legs(), 0);
}

#[test]
fn who_does_not_require_it_is_told_once_and_without_it() {
    let mut caller = Caller::calls("Supported: 100rel\n");
    caller.rings(180);
    let heard = caller.hears(secs(10));
    assert_eq!((heard.len(), header(&heard[0], "RSeq"), header(&heard[0], "Require")), (1, "", ""));
    assert_eq!(status(&caller.asks(&heard[0], "PRACK", "RAck: 1 1 INVITE\n", "")), 481);
}

#[test]
fn a_caller_without_an_offer_hears_ours_in_the_200_only() {
    let text = invite(TO_LINE, CARRIER, "Require: 100rel\n");
    let (head, _) = text.split_once("Content-Type").expect("a body");
    let mut net = Net::new(32);
    let havre = net.add("havre", HAVRE, gateway());
    net.send(CARRIER, HAVRE, &format!("{head}Content-Length: 0\n\n"));
    net.run(ms(20));
    let leg = net.incoming(havre);
    net.command(havre, Command::Progress { leg, status: 180 });
    net.answers(havre, leg);
    net.run(ms(20));
    let heard: Vec<_> = net.received(CARRIER).iter().map(|text| status(text)).collect();
    assert_eq!(heard, [100, 200]);
}

#[test]
fn an_update_before_the_answer_moves_the_target_but_offers_nothing() {
    let mut caller = Caller::calls("");
    caller.rings(180);
    let ringing = caller.hears(ms(20)).remove(0);
    let early = caller.asks(&ringing, "UPDATE", WITH_SDP, OFFER);
    assert_eq!(status(&early), 500, "the INVITE's offer is open");
    let strange = "Contact: <sip:198.51.100.7>\nContent-Type: text/plain\n";
    assert_eq!(status(&caller.asks(&ringing, "UPDATE", strange, "hello")), 415);
    let short = "Contact: <sip:198.51.100.7>\nSupported: timer\nSession-Expires: 30\n";
    assert_eq!(status(&caller.asks(&ringing, "UPDATE", short, "")), 422);
    let moved = caller.asks(&ringing, "UPDATE", "Contact: <sip:198.51.100.9:5070>\n", "");
    assert_eq!((status(&moved), header(&moved, "Contact")), (200, "<sip:havre@192.0.2.10:5060>"));
    let (havre, leg) = (caller.havre, caller.leg);
    caller.net.answers(havre, leg);
    caller.net.command(havre, Command::Probe { leg });
    caller.net.run(ms(20));
    assert_eq!(caller.net.received("198.51.100.9:5070").len(), 1);
}

/// RFC 3311 §5.2: 500, and when to come again, for as long as the INVITE's offer is open; then it is an offer like any other.
#[test]
fn a_callers_early_offer_waits_for_the_200_and_is_answered_after_it() {
    for more in ["", "Require: 100rel\n"] {
        let mut caller = Caller::calls(more);
        caller.rings(180);
        let ringing = caller.hears(ms(20)).remove(0);
        assert_eq!(header(&ringing, "Content-Type"), "", "it answers no offer, or another could follow it");
        if !more.is_empty() {
            assert_eq!(status(&caller.asks(&ringing, "PRACK", &rack(&ringing, 0), "")), 200);
        }
        let mut pauses = std::collections::BTreeSet::new();
        for _ in 0..50 {
            let early = caller.asks(&ringing, "UPDATE", WITH_SDP, OFFER);
            assert_eq!(status(&early), 500, "{early}");
            pauses.insert(header(&early, "Retry-After").parse::<u32>().expect("seconds"));
        }
        assert!(
            pauses.len() > 3 && pauses.iter().all(|pause| *pause <= 10),
            "drawn from 0 to 10: {pauses:?}"
        );

        let (havre, leg) = (caller.havre, caller.leg);
        assert!(caller.net.events(havre).is_empty(), "nobody hears of it");
        caller.net.answers(havre, leg);
        let answer = caller.hears(ms(20)).remove(0);
        assert_eq!((status(&answer), header(&answer, "Content-Type")), (200, "application/sdp"));
        let ack = format!(
            "From: {}\nTo: {}\nCall-ID: call-1\nCSeq: 1 ACK\n",
            header(&answer, "From"),
            header(&answer, "To")
        );
        caller.net.send(CARRIER, HAVRE, &request("ACK", "sip:havre@192.0.2.10:5060", CARRIER, &ack, ""));
        caller.net.run(ms(20));
        caller.net.events(havre);
        caller.seq += 1;
        let again = format!("{}{WITH_SDP}", ack.replace("1 ACK", &format!("{} UPDATE", caller.seq)));
        let again = request("UPDATE", "sip:havre@192.0.2.10:5060", CARRIER, &again, OFFER);
        caller.net.send(CARRIER, HAVRE, &again);
        caller.net.run(ms(20));
        assert!(matches!(caller.net.events(havre)[..], [Event::Reoffered { sdp: Some(_), .. }]));
        caller.net.answers(havre, leg);
        let taken = caller.hears(ms(20)).remove(0);
        assert_eq!((status(&taken), header(&taken, "CSeq")), (200, &*format!("{} UPDATE", caller.seq)));
        assert_eq!(header(&taken, "Content-Type"), "application/sdp");
    }
}

// ---- theirs, to a call of ours ----

fn dialled(offer: bool) -> (Net, usize, String) {
    let mut net = Net::new(33);
    let havre = net.add("havre", HAVRE, gateway());
    let offer = offer.then(|| sdp(OFFER));
    net.dials_over(Transport::Udp, havre, "sip:x@198.51.100.7", CARRIER, offer);
    net.run(ms(20));
    let invite = net.received(CARRIER).remove(0);
    (net, havre, invite)
}

/// A response of the peer's, and what it hears thereupon.
fn says(net: &mut Net, invite: &str, status: u16, tag: &str, more: &str, body: &str) -> Vec<String> {
    let mut text = format!("SIP/2.0 {status} X\nTo: {};tag={tag}\n", header(invite, "To"));
    for name in ["Via", "From", "Call-ID", "CSeq"] {
        text.push_str(&format!("{name}: {}\n", header(invite, name)));
    }
    let length = crlf(body).len();
    text.push_str(&format!("Contact: <sip:198.51.100.7:5060>\n{more}Content-Length: {length}\n\n{body}"));
    net.send(CARRIER, HAVRE, &text);
    net.run(ms(20));
    net.received(CARRIER)
}

/// `PRACK 2, RAck 70 1 INVITE`.
fn pracks(heard: &[String]) -> Vec<(&str, &str)> {
    let pracks = heard.iter().filter(|text| text.starts_with("PRACK"));
    pracks.map(|text| (header(text, "CSeq"), header(text, "RAck"))).collect()
}

#[test]
fn theirs_are_acknowledged_in_order_and_their_answer_holds() {
    let (mut net, havre, invite) = dialled(true);
    assert_eq!(header(&invite, "Supported"), "timer, 100rel");
    let reliable = |rseq: u32| format!("Require: 100rel\nRSeq: {rseq}\n");
    let early = format!("{}Content-Type: application/sdp\n", reliable(70));
    let heard = says(&mut net, &invite, 183, "a", &early, ANSWER);
    assert_eq!(pracks(&heard), [("2 PRACK", "70 1 INVITE")]);
    assert!(heard[0].starts_with("PRACK sip:198.51.100.7:5060 ") && header(&heard[0], "To").ends_with("=a"));
    let prack = heard[0].clone();
    assert!(pracks(&says(&mut net, &invite, 183, "a", &early, ANSWER)).is_empty(), "a repetition");
    assert!(pracks(&says(&mut net, &invite, 180, "a", &reliable(72), "")).is_empty(), "it overtook 71");
    let events = net.events(havre);
    assert!(matches!(events[..], [Event::Progress { sdp: Some(_), .. }]), "{events:?}");
    let heard = says(&mut net, &invite, 180, "a", &reliable(71), "");
    assert_eq!(pracks(&heard), [("3 PRACK", "71 1 INVITE")]);
    // One is refused, one is never answered: neither matters to the call.
    says(&mut net, &prack, 481, "", "", "");
    let heard = says(&mut net, &invite, 200, "a", "", "");
    let ack = heard.iter().find(|text| text.starts_with("ACK")).expect("an ACK");
    assert_eq!(header(ack, "CSeq"), "1 ACK");
    let events = net.events(havre);
    assert!(
        matches!(&events[..], [Event::Ringing { .. }, Event::Answered { sdp: Some(sdp), .. }] if *sdp == ANSWER),
        "{events:?}"
    );
    net.hangs_up(havre, LEG, Cause::Done);
    net.run(ms(20));
    let bye = net.received(CARRIER).into_iter().find(|text| text.starts_with("BYE")).expect("a BYE");
    assert_eq!(header(&bye, "CSeq"), "4 BYE");
}

/// RFC 3262 §7.1: numbers begin at 1. What has none is an answer like any other, and rings.
#[test]
fn a_reliable_answer_with_the_number_0_has_no_number() {
    let (mut net, havre, invite) = dialled(true);
    let heard = says(&mut net, &invite, 180, "t", "Require: 100rel\nRSeq: 0\n", "");
    assert!(heard.is_empty(), "{heard:#?}");
    assert!(matches!(net.events(havre)[..], [Event::Ringing { .. }]));
}

/// RFC 3262 §3: whoever waits for a PRACK that cannot come refuses the call after half a minute. Nobody waits for that.
#[test]
fn where_a_prack_has_nowhere_to_go_the_call_is_over_at_once() {
    let (mut net, havre, invite) = dialled(true);
    let spoilt = "Require: 100rel\nRSeq: 5\nRecord-Route: <sip:198.51.100.1;lr>, <<>>\n";
    let heard = says(&mut net, &invite, 180, "a", spoilt, "");
    assert!(heard.len() == 1 && heard[0].starts_with("CANCEL "), "{heard:#?}");
    let events = net.events(havre);
    assert!(
        matches!(events[..], [Event::Ended { by: EndedBy::Refused, status: Some(502), .. }]),
        "{events:?}"
    );
    // Who has answered meanwhile is hung up on.
    let heard = says(&mut net, &invite, 200, "a", "", "");
    assert!(heard.iter().any(|text| text.starts_with("BYE ")), "{heard:#?}");
}

#[test]
fn beside_one_that_was_acknowledged_another_whose_way_cannot_be_read_is_passed_over() {
    let (mut net, havre, invite) = dialled(true);
    says(&mut net, &invite, 180, "a", "Require: 100rel\nRSeq: 5\n", "");
    let heard = says(&mut net, &invite, 180, "b", "Require: 100rel\nRSeq: 5\nRecord-Route: <<>>\n", "");
    assert!(!heard.iter().any(|text| text.starts_with("CANCEL ")), "{heard:#?}");
    assert!(matches!(net.events(havre)[..], [Event::Ringing { .. }]));
}

#[test]
fn each_fork_is_acknowledged_and_the_loser_is_ended_by_a_later_number() {
    let (mut net, _, invite) = dialled(true);
    for tag in ["a", "b"] {
        let heard = says(&mut net, &invite, 180, tag, "Require: 100rel\nRSeq: 5\n", "");
        assert_eq!(pracks(&heard), [("2 PRACK", "5 1 INVITE")], "{tag}");
    }
    says(&mut net, &invite, 200, "a", "Content-Type: application/sdp\n", ANSWER);
    let heard = says(&mut net, &invite, 200, "b", "Content-Type: application/sdp\n", ANSWER);
    let bye = heard.iter().find(|text| text.starts_with("BYE")).expect("a BYE");
    let seq: u32 = header(bye, "CSeq").trim_end_matches(" BYE").parse().expect("a number");
    assert!(seq > 2, "{bye}");
}

#[test]
fn forks_without_end_get_no_prack_without_end() {
    let (mut net, havre, invite) = dialled(true);
    let mut count = 0;
    for fork in 0..50 {
        let heard = says(&mut net, &invite, 180, &format!("f{fork}"), "Require: 100rel\nRSeq: 1\n", "");
        count += heard.iter().filter(|text| header(text, "To").ends_with(&format!("=f{fork}"))).count();
    }
    assert_eq!(count, 16);
    assert_eq!(net.party(havre).endpoint.legs(), 1);
}

#[test]
fn a_call_without_an_offer_does_not_ask_for_reliable_answers() {
    let (_, _, invite) = dialled(false);
    assert_eq!(header(&invite, "Supported"), "timer");
}

/// A request of the peer's in the early dialog that its answers with `tag` made, and what it hears thereupon.
fn updates(net: &mut Net, invite: &str, tag: &str, seq: u32, more: &str, body: &str) -> String {
    let lines = format!(
        "From: {};tag={tag}\nTo: {}\nCall-ID: {}\nCSeq: {seq} UPDATE\nContact: <sip:198.51.100.7:5060>\n{more}",
        header(invite, "To"),
        header(invite, "From"),
        header(invite, "Call-ID")
    );
    answer_among(net, &request("UPDATE", "sip:havre@192.0.2.10:5060", CARRIER, &lines, body))
}

/// The answer to an UPDATE, among the PRACKs that are repeated.
fn answer_among(net: &mut Net, update: &str) -> String {
    let answers = net.ask(CARRIER, update);
    let answer =
        answers.iter().find(|text| header(text, "CSeq") == header(update, "CSeq") && status(text) > 0);
    answer.unwrap_or_else(|| panic!("{answers:#?}")).clone()
}

const SDP: &str = "Content-Type: application/sdp\n";
const MOVED: &str =
    "v=0\r\no=- 2 2 IN IP4 192.0.2.3\r\ns=-\r\nc=IN IP4 192.0.2.3\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n";

#[test]
fn an_offer_in_an_early_update_is_answered_once_ours_was() {
    let (mut net, havre, invite) = dialled(true);
    // Ours is open: nobody reliable has answered it (RFC 3311 §5.2).
    says(&mut net, &invite, 183, "a", SDP, ANSWER);
    assert_eq!(status(&updates(&mut net, &invite, "a", 1, SDP, MOVED)), 491);
    says(&mut net, &invite, 180, "a", "Require: 100rel\nRSeq: 70\n", "");
    assert_eq!(status(&updates(&mut net, &invite, "a", 2, SDP, MOVED)), 491);
    // One without an offer only says where they are.
    assert_eq!(status(&updates(&mut net, &invite, "a", 3, "", "")), 200);
    says(&mut net, &invite, 183, "a", &format!("Require: 100rel\nRSeq: 71\n{SDP}"), ANSWER);
    net.events(havre);

    let lines = |seq: u32| {
        format!(
            "From: {};tag=a\nTo: {}\nCall-ID: {}\nCSeq: {seq} UPDATE\nContact: <sip:198.51.100.7:5060>\n{SDP}",
            header(&invite, "To"),
            header(&invite, "From"),
            header(&invite, "Call-ID")
        )
    };
    let update = |seq: u32| request("UPDATE", "sip:havre@192.0.2.10:5060", CARRIER, &lines(seq), MOVED);
    net.send(CARRIER, HAVRE, &update(4));
    net.run(ms(20));
    let events = net.events(havre);
    assert!(matches!(&events[..], [Event::EarlyOffer { sdp, .. }] if *sdp == MOVED), "{events:?}");
    // The next one, before the first is answered; and one from the past.
    net.received(CARRIER);
    let busy = answer_among(&mut net, &update(5));
    assert_eq!(status(&busy), 500, "{busy}");
    assert!(header(&busy, "Retry-After").parse::<u32>().is_ok_and(|seconds| seconds <= 10), "{busy}");
    assert_eq!(status(&answer_among(&mut net, &update(3).replace("branch=", "branch=z9hG4bKold"))), 500);
    net.answers(havre, LEG);
    net.run(ms(20));
    let received = net.received(CARRIER);
    let answer = received.iter().find(|text| header(text, "CSeq") == "4 UPDATE").expect("an answer");
    assert_eq!(status(answer), 200, "{answer}");
    assert!(answer.ends_with(&crlf(ANSWER)) && !header(answer, "Contact").is_empty(), "{answer}");

    // Another one may ring beside it, but not move the media, too.
    says(&mut net, &invite, 183, "b", &format!("Require: 100rel\nRSeq: 9\n{SDP}"), ANSWER);
    assert_eq!(status(&updates(&mut net, &invite, "b", 1, SDP, MOVED)), 488);
    net.events(havre);
    // What the 2xx repeats is void.
    says(&mut net, &invite, 200, "a", SDP, ANSWER);
    let events = net.events(havre);
    assert!(matches!(&events[..], [Event::Answered { sdp: None, .. }]), "{events:?}");
    // The dialog goes on with its numbers.
    assert_eq!(status(&updates(&mut net, &invite, "a", 4, "", "x")), 500, "an old number");
    assert_eq!(status(&updates(&mut net, &invite, "a", 6, "Supported: timer\n", "")), 200);
}

#[test]
fn another_fork_answers_our_first_offer_whatever_one_has_moved() {
    let (mut net, havre, invite) = dialled(true);
    let reliable = format!("Require: 100rel\nRSeq: 70\n{SDP}");
    says(&mut net, &invite, 183, "a", &reliable, ANSWER);
    let answer = |net: &mut Net| net.answers(havre, LEG);
    let lines = format!(
        "From: {};tag=a\nTo: {}\nCall-ID: {}\nCSeq: 1 UPDATE\nContact: <sip:198.51.100.7:5060>\n{SDP}",
        header(&invite, "To"),
        header(&invite, "From"),
        header(&invite, "Call-ID")
    );
    net.send(CARRIER, HAVRE, &request("UPDATE", "sip:havre@192.0.2.10:5060", CARRIER, &lines, MOVED));
    net.run(ms(20));
    answer(&mut net);
    net.run(ms(20));
    net.events(havre);
    says(&mut net, &invite, 200, "b", SDP, ANSWER);
    let events = net.events(havre);
    assert!(matches!(&events[..], [Event::Answered { sdp: Some(sdp), .. }] if *sdp == ANSWER), "{events:?}");
}

#[test]
fn an_early_offer_that_nobody_answers_ends_with_the_call() {
    let (mut net, havre, invite) = dialled(true);
    says(&mut net, &invite, 183, "a", &format!("Require: 100rel\nRSeq: 70\n{SDP}"), ANSWER);
    let lines = format!(
        "From: {};tag=a\nTo: {}\nCall-ID: {}\nCSeq: 1 UPDATE\nContact: <sip:198.51.100.7:5060>\n{SDP}",
        header(&invite, "To"),
        header(&invite, "From"),
        header(&invite, "Call-ID")
    );
    net.send(CARRIER, HAVRE, &request("UPDATE", "sip:havre@192.0.2.10:5060", CARRIER, &lines, MOVED));
    net.run(ms(20));
    net.hangs_up(havre, LEG, Cause::Withdrawn);
    net.run(ms(20));
    let heard: Vec<(u16, String)> =
        net.received(CARRIER).iter().map(|text| (status(text), header(text, "CSeq").to_owned())).collect();
    assert!(heard.contains(&(487, "1 UPDATE".to_owned())), "{heard:?}");
    assert!(heard.iter().any(|(_, cseq)| cseq == "1 CANCEL"), "{heard:?}");
}
