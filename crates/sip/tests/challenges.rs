//! Challenges inside a dialog that was dialled with an account (RFC 3261 §22).

mod net;

use havre_model::{Cause, Digit};
use havre_sip::{Command, Event, Target, Transport};
use net::*;

/// A call of ours, with an account, that a raw peer answered.
struct Call {
    net: Net,
    havre: usize,
}

impl Call {
    fn begin() -> Self {
        let mut net = Net::new(21);
        let havre = net.add("havre", HAVRE, gateway());
        let target =
            Target::Uri { uri: uri("sip:x@198.51.100.7"), path: path(Transport::Udp, HAVRE, CARRIER) };
        let account = Some(account("trunk", "secret"));
        let from = identity("line");
        net.command(havre, Command::Dial { leg: LEG, target, from, sdp: Some(sdp(OFFER).into()), account });
        let mut call = Self { net, havre };
        let invite = call.hears();
        call.says(&invite, 401, &challenge("havre", "invite"));
        let invite = call.hears_more().pop().expect("the ACK of the refusal, and an INVITE");
        assert!(header(&invite, "Authorization").contains("nonce=\"invite\""), "{invite}");
        call.says(&invite, 200, "Contact: <sip:198.51.100.7:5060>\n");
        let ack = call.hears();
        assert_eq!(header(&ack, "Authorization"), header(&invite, "Authorization"), "{ack}");
        call.net.events(havre);
        call
    }

    /// The one message to the peer.
    fn hears(&mut self) -> String {
        let mut heard = self.hears_more();
        assert_eq!(heard.len(), 1, "{heard:#?}");
        heard.remove(0)
    }

    fn hears_more(&mut self) -> Vec<String> {
        self.net.run(ms(25));
        self.net.received(CARRIER)
    }

    fn says(&mut self, request: &str, status: u16, more: &str) {
        let to = header(request, "To");
        let tag = if to.contains(";tag=") { "" } else { ";tag=peer" };
        let mut text = format!("SIP/2.0 {status} X\nTo: {to}{tag}\n");
        for name in ["Via", "From", "Call-ID", "CSeq"] {
            text.push_str(&format!("{name}: {}\n", header(request, name)));
        }
        text.push_str(&format!("{more}Content-Length: 0\n\n"));
        self.net.send(CARRIER, HAVRE, &text);
    }
}

fn challenge(realm: &str, nonce: &str) -> String {
    format!("WWW-Authenticate: Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm=MD5, qop=\"auth\"\n")
}

fn seq(request: &str) -> u32 {
    header(request, "CSeq").split(' ').next().and_then(|seq| seq.parse().ok()).expect("a number")
}

#[test]
fn every_request_of_the_call_answers_its_challenge_and_is_done_after_it() {
    let requests = [
        ("OPTIONS", Command::Probe { leg: LEG }),
        ("INFO", Command::SendDigit { leg: LEG, digit: Digit::from_char('5').unwrap() }),
        ("INVITE", Command::Reoffer { leg: LEG, sdp: sdp(OFFER) }),
        ("BYE", Command::HangUp { leg: LEG, cause: Cause::Done }),
    ];
    for (method, command) in requests {
        for (status, asked, answered) in
            [(401, "WWW-Authenticate", "Authorization"), (407, "Proxy-Authenticate", "Proxy-Authorization")]
        {
            let mut call = Call::begin();
            call.net.command(call.havre, command.clone());
            let first = call.hears();
            assert!(first.starts_with(method) && header(&first, answered).is_empty(), "{first}");
            call.says(&first, status, &challenge("havre", "n1").replace("WWW-Authenticate", asked));
            let again = call.hears_more().pop().expect("an answer to the challenge");
            assert!(again.starts_with(method), "{again}");
            let proof = header(&again, answered);
            assert!(proof.contains("nonce=\"n1\"") && proof.contains("username=\"trunk\""), "{proof}");
            assert_eq!(seq(&again), seq(&first) + 1);
            assert_eq!(again.split_once("\r\n\r\n").unwrap().1, first.split_once("\r\n\r\n").unwrap().1);
            assert_eq!(header(&again, "Reason"), header(&first, "Reason"));
            call.says(&again, 200, "Contact: <sip:198.51.100.7:5060>\n");
            call.net.run(ms(20));
            let events = call.net.events(call.havre);
            let done = match method {
                "OPTIONS" => matches!(events[..], [Event::Probed { alive: true, status: Some(200), .. }]),
                "INFO" => events.is_empty(),
                "INVITE" => matches!(events[..], [Event::ReofferAnswered { .. }]),
                _ => matches!(events[..], [Event::Ended { status: Some(200), .. }]),
            };
            assert!(done, "{method}: {events:?}");
        }
    }
}

#[test]
fn a_refresh_of_the_session_answers_its_challenge() {
    let mut net = Net::new(22);
    let havre = net.add("havre", HAVRE, gateway());
    let target = Target::Uri { uri: uri("sip:x@198.51.100.7"), path: path(Transport::Udp, HAVRE, CARRIER) };
    let (account, from) = (Some(account("trunk", "secret")), identity("line"));
    net.command(havre, Command::Dial { leg: LEG, target, from, sdp: Some(sdp(OFFER).into()), account });
    let mut call = Call { net, havre };
    let invite = call.hears();
    let terms = "Contact: <sip:198.51.100.7:5060>\nSession-Expires: 180;refresher=uac\nAllow: UPDATE\n";
    call.says(&invite, 200, terms);
    call.net.run(secs(90));
    call.net.events(havre);
    let update = call.hears_more().pop().expect("a refresh");
    assert!(update.starts_with("UPDATE"), "{update}");
    call.says(&update, 401, &challenge("havre", "n1"));
    let again = call.hears_more().pop().expect("an answer to the challenge");
    assert_eq!(header(&again, "Session-Expires"), "180;refresher=uac");
    assert!(header(&again, "Authorization").contains("nonce=\"n1\""), "{again}");
    call.says(&again, 200, "Session-Expires: 180;refresher=uac\n");
    call.net.run(secs(80));
    assert!(call.net.events(havre).is_empty());
}

#[test]
fn later_requests_show_the_proof_unasked_and_count_it() {
    let mut call = Call::begin();
    for (turn, count) in [(0, "nc=00000001"), (1, "nc=00000002")] {
        call.net.command(call.havre, Command::Probe { leg: LEG });
        let mut options = call.hears();
        if turn == 0 {
            call.says(&options, 401, &challenge("havre", "n1"));
            options = call.hears();
        }
        assert!(header(&options, "Authorization").contains(count), "{options}");
        call.says(&options, 200, "");
        call.hears_more();
    }
}

#[test]
fn a_nonce_is_answered_once_and_a_wrong_password_not_for_ever() {
    let mut call = Call::begin();
    call.net.command(call.havre, Command::HangUp { leg: LEG, cause: Cause::Done });
    let bye = call.hears();
    call.says(&bye, 401, &challenge("havre", "n1"));
    let bye = call.hears();
    call.says(&bye, 401, &challenge("havre", "n1"));
    assert!(call.hears_more().is_empty(), "the same nonce again");
    let events = call.net.events(call.havre);
    assert!(matches!(events[..], [Event::Ended { status: Some(401), .. }]), "{events:?}");

    let mut call = Call::begin();
    call.net.command(call.havre, Command::Probe { leg: LEG });
    let mut options = call.hears();
    for nonce in ["n1", "n2", "n3"] {
        call.says(&options, 401, &challenge("havre", nonce));
        options = call.hears();
    }
    call.says(&options, 401, &challenge("havre", "n4"));
    assert!(call.hears_more().is_empty(), "new nonces without end");
    let events = call.net.events(call.havre);
    assert!(matches!(events[..], [Event::Probed { status: Some(401), .. }]), "{events:?}");
}

#[test]
fn two_requests_on_their_way_at_once_both_answer_the_one_nonce() {
    let mut call = Call::begin();
    call.net.command(call.havre, Command::Probe { leg: LEG });
    call.net.command(call.havre, Command::SendDigit { leg: LEG, digit: Digit::from_char('1').unwrap() });
    let both = call.hears_more();
    assert_eq!(both.len(), 2);
    for request in &both {
        call.says(request, 401, &challenge("havre", "n1"));
    }
    let again = call.hears_more();
    assert_eq!(again.len(), 2, "{again:#?}");
    assert!(again.iter().all(|request| header(request, "Authorization").contains("nonce=\"n1\"")));
}

#[test]
fn another_realm_learns_nothing() {
    let mut call = Call::begin();
    call.net.command(call.havre, Command::HangUp { leg: LEG, cause: Cause::Done });
    let bye = call.hears();
    call.says(&bye, 401, &challenge("evil.example", "n1"));
    assert!(call.hears_more().is_empty());
    let events = call.net.events(call.havre);
    assert!(matches!(events[..], [Event::Ended { status: Some(401), .. }]), "{events:?}");
}
