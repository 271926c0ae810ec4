//! Dialogs as seen by peers that are not ours: routes, forks, strict order, session timers, UPDATE.

mod net;

use havre_model::{Cause, LegId};
use havre_sip::{Command, EndedBy, Event, Transport};
use net::raw::*;
use net::*;

const TO_LINE: &str = "sip:+18335550100@192.0.2.10";

/// An answered and acknowledged call from a peer that writes its own messages.
struct Call {
    net: Net,
    havre: usize,
    leg: LegId,
    /// Havre's 200.
    answer: String,
    /// `Route`, if the INVITE was recorded.
    seq: u32,
}

impl Call {
    fn begin(more: &str) -> Self {
        let mut net = Net::new(11);
        let havre = net.add("havre", HAVRE, gateway());
        net.send(CARRIER, HAVRE, &invite(TO_LINE, CARRIER, more));
        net.run(ms(30));
        let leg = net.incoming(havre);
        net.answers(havre, leg);
        net.run(ms(30));
        let answer = net.received(CARRIER).pop().expect("an answer");
        let mut call = Self { net, havre, leg, answer, seq: 1 };
        let ack = call.in_dialog("ACK", "", "");
        call.net.send(CARRIER, HAVRE, &ack);
        call.net.run(ms(30));
        call.net.events(havre);
        call
    }

    /// A request of the caller's in this dialog; ACK keeps the number.
    fn in_dialog(&mut self, method: &str, more: &str, body: &str) -> String {
        if method != "ACK" {
            self.seq += 1;
        }
        let lines = format!(
            "From: {}\nTo: {}\nCall-ID: {}\nCSeq: {} {method}\n{more}",
            header(&self.answer, "From"),
            header(&self.answer, "To"),
            header(&self.answer, "Call-ID"),
            self.seq
        );
        request(method, "sip:havre@192.0.2.10:5060", CARRIER, &lines, body)
    }

    fn asks(&mut self, method: &str, more: &str, body: &str) -> String {
        let text = self.in_dialog(method, more, body);
        self.net.answer_to(CARRIER, &text)
    }

    fn hears_at(&mut self, at: &str, after: std::time::Duration) -> Vec<String> {
        self.net.run(after);
        self.net.received(at)
    }

    fn events(&mut self) -> Vec<Event> {
        self.net.events(self.havre)
    }
}

const WITH_SDP: &str = "Contact: <sip:198.51.100.7:5060>\nContent-Type: application/sdp\n";

#[test]
fn our_answer_has_what_a_dialog_needs_and_says_little() {
    let call = Call::begin("Record-Route: <sip:198.51.100.1;lr>\nRecord-Route: <sip:198.51.100.2;lr>\n");
    assert_eq!(
        all(&call.answer, "Record-Route"),
        ["<sip:198.51.100.1;lr>", "<sip:198.51.100.2;lr>"],
        "{}",
        call.answer
    );
    assert_eq!(header(&call.answer, "Contact"), "<sip:havre@192.0.2.10:5060>");
    assert_eq!(header(&call.answer, "Server"), "Havre");
    assert_eq!(header(&call.answer, "Content-Type"), "application/sdp");
}

#[test]
fn the_advertised_address_is_written_and_the_bound_one_is_not() {
    let mut config = gateway();
    config.advertised.insert("192.0.2.10".parse().unwrap(), "203.0.113.200".parse().unwrap());
    let mut net = Net::new(12);
    let havre = net.add("havre", HAVRE, config);
    net.send(CARRIER, HAVRE, &invite(TO_LINE, CARRIER, ""));
    net.run(ms(30));
    let leg = net.incoming(havre);
    net.answers(havre, leg);
    net.run(ms(30));
    let answer = net.received(CARRIER).pop().unwrap();
    assert_eq!(header(&answer, "Contact"), "<sip:havre@203.0.113.200:5060>");
    net.command(havre, Command::Probe { leg });
}

#[test]
fn loose_routes_are_kept_in_order_and_the_first_is_the_next_hop() {
    let mut call = Call::begin("Record-Route: <sip:198.51.100.1;lr>\nRecord-Route: <sip:198.51.100.2;lr>\n");
    let (havre, leg) = (call.havre, call.leg);
    call.net.command(havre, Command::Probe { leg });
    let probe = call.hears_at("198.51.100.1:5060", ms(30)).remove(0);
    assert!(probe.starts_with("OPTIONS sip:198.51.100.7:5060 SIP/2.0"), "{probe}");
    assert_eq!(all(&probe, "Route"), ["<sip:198.51.100.1;lr>", "<sip:198.51.100.2;lr>"]);
}

#[test]
fn a_strict_router_gets_its_own_uri_and_the_target_goes_last() {
    let mut call = Call::begin("Record-Route: <sip:198.51.100.1>\nRecord-Route: <sip:198.51.100.2;lr>\n");
    let (havre, leg) = (call.havre, call.leg);
    call.net.command(havre, Command::Probe { leg });
    let probe = call.hears_at("198.51.100.1:5060", ms(30)).remove(0);
    assert!(probe.starts_with("OPTIONS sip:198.51.100.1 SIP/2.0"), "{probe}");
    assert_eq!(all(&probe, "Route"), ["<sip:198.51.100.2;lr>", "<sip:198.51.100.7:5060>"]);
}

#[test]
fn requests_go_to_the_contact_or_to_the_source_behind_nat() {
    for (contact, via, hop) in [
        ("<sip:198.51.100.8:5090>", CARRIER, "198.51.100.8:5090"),
        ("<sip:gw.carrier.example>", CARRIER, CARRIER),
        ("<sip:10.0.0.5:5060>", CARRIER, CARRIER),
    ] {
        let mut call = Call::begin(&format!("Contact: {contact}\nSubject: {via}\n"));
        let (havre, leg) = (call.havre, call.leg);
        call.net.command(havre, Command::Probe { leg });
        assert_eq!(call.hears_at(hop, ms(30)).len(), 1, "{contact}");
    }
}

#[test]
fn a_target_refresh_moves_the_next_request() {
    let mut call = Call::begin("");
    let answer = call.asks("UPDATE", "Contact: <sip:198.51.100.9:5070>\n", "");
    assert_eq!(status(&answer), 200);
    assert!(call.events().is_empty(), "an UPDATE without SDP changes no session");
    let (havre, leg) = (call.havre, call.leg);
    call.net.command(havre, Command::Probe { leg });
    assert_eq!(call.hears_at("198.51.100.9:5070", ms(30)).len(), 1);
}

#[test]
fn requests_out_of_order_are_500() {
    let mut call = Call::begin("");
    call.seq = 10;
    assert_eq!(status(&call.asks("OPTIONS", "", "")), 200);
    call.seq = 4;
    assert_eq!(status(&call.asks("OPTIONS", "", "")), 500);
}

#[test]
fn a_request_with_our_tag_but_of_another_dialog_is_481() {
    let mut call = Call::begin("");
    let stolen = call.in_dialog("BYE", "", "").replace("call-1", "call-2");
    assert_eq!(status(&call.net.answer_to(CARRIER, &stolen)), 481);
    let stolen = call.in_dialog("BYE", "", "").replace("tag=caller", "tag=thief");
    assert_eq!(status(&call.net.answer_to(CARRIER, &stolen)), 481);
    assert!(call.events().is_empty());
    assert_eq!(status(&call.asks("BYE", "", "")), 200);
    assert!(matches!(&call.events()[..], [Event::Ended { .. }]));
}

#[test]
fn a_second_offer_before_the_first_is_answered_is_500_with_a_pause() {
    let mut call = Call::begin("");
    let first = call.in_dialog("INVITE", WITH_SDP, OFFER);
    assert!(call.net.ask(CARRIER, &first).is_empty());
    let second = call.asks("UPDATE", WITH_SDP, OFFER);
    assert_eq!(status(&second), 500);
    assert!(header(&second, "Retry-After").parse::<u8>().unwrap() <= 10);
}

#[test]
fn their_offer_while_ours_is_open_is_491() {
    let mut call = Call::begin("");
    let (havre, leg) = (call.havre, call.leg);
    call.net.command(havre, Command::Reoffer { leg, sdp: sdp(OFFER) });
    call.net.run(ms(20));
    let update = call.in_dialog("UPDATE", WITH_SDP, OFFER);
    let answers = call.net.ask(CARRIER, &update);
    assert!(answers.iter().any(|answer| status(answer) == 491), "{answers:#?}");
}

#[test]
fn an_update_with_an_offer_is_answered_or_refused() {
    let mut call = Call::begin("");
    let update = call.in_dialog("UPDATE", WITH_SDP, OFFER);
    call.net.send(CARRIER, HAVRE, &update);
    call.net.run(ms(20));
    let (havre, leg) = (call.havre, call.leg);
    call.net.answers(havre, leg);
    let answer = call.hears_at(CARRIER, ms(20)).remove(0);
    assert_eq!((status(&answer), header(&answer, "Content-Type")), (200, "application/sdp"));
    let update = call.in_dialog("UPDATE", WITH_SDP, OFFER);
    call.net.send(CARRIER, HAVRE, &update);
    call.net.run(ms(20));
    call.net.command(havre, Command::Reject { leg, status: 488 });
    assert_eq!(status(&call.hears_at(CARRIER, ms(20))[0]), 488);
    let events = call.events();
    assert!(matches!(events[..], [Event::Reoffered { .. }, Event::Reoffered { .. }]), "{events:?}");
}

#[test]
fn a_reinvite_without_sdp_asks_for_our_offer_and_its_ack_answers() {
    let mut call = Call::begin("");
    let invite = call.in_dialog("INVITE", "Contact: <sip:198.51.100.7:5060>\n", "");
    call.net.send(CARRIER, HAVRE, &invite);
    call.net.run(ms(20));
    let (havre, leg) = (call.havre, call.leg);
    assert!(matches!(&call.events()[..], [Event::Reoffered { sdp: None, .. }]));
    call.net.command(havre, Command::Answer { leg, sdp: sdp(OFFER) });
    call.net.run(ms(20));
    let ack = call.in_dialog("ACK", "Content-Type: application/sdp\n", ANSWER);
    call.net.send(CARRIER, HAVRE, &ack);
    call.net.run(secs(40));
    let events = call.events();
    assert!(matches!(&events[..], [Event::Confirmed { sdp: Some(_), .. }]), "{events:?}");
}

#[test]
fn a_reinvite_can_be_cancelled() {
    let mut call = Call::begin("");
    let invite = call.in_dialog("INVITE", WITH_SDP, OFFER);
    call.net.send(CARRIER, HAVRE, &invite);
    call.net.run(ms(20));
    let cancel = invite.replace("INVITE", "CANCEL");
    let answers = call.net.ask(CARRIER, &cancel);
    let statuses: Vec<_> = answers.iter().map(|answer| status(answer)).collect();
    assert!(statuses.contains(&200) && statuses.contains(&487), "{statuses:?}");
    call.net.send(CARRIER, HAVRE, &invite.replace("INVITE", "ACK"));
    call.net.run(ms(20));
    assert_eq!(status(&call.asks("OPTIONS", "", "")), 200, "the call goes on");
}

#[test]
fn digits_in_info_and_what_is_no_digit() {
    let mut call = Call::begin("");
    let relay = "Content-Type: application/dtmf-relay\n";
    assert_eq!(status(&call.asks("INFO", relay, "Signal=5\nDuration=200\n")), 200);
    assert_eq!(status(&call.asks("INFO", "Content-Type: application/dtmf\n", "#")), 200);
    assert_eq!(status(&call.asks("INFO", "", "")), 200);
    assert_eq!(status(&call.asks("INFO", relay, "Signal=banana\n")), 200);
    let refused = call.asks("INFO", "Content-Type: application/media_control+xml\n", "<x/>");
    assert_eq!(
        (status(&refused), header(&refused, "Accept")),
        (415, "application/dtmf-relay, application/dtmf")
    );
    let keys = call.events().into_iter().filter_map(|event| match event {
        Event::Digit { digit, millis, .. } => Some((digit.as_char(), millis)),
        _ => None,
    });
    assert_eq!(keys.collect::<Vec<_>>(), [('5', 200), ('#', 160)]);
}

#[test]
fn an_unknown_method_in_a_call_is_405() {
    let mut call = Call::begin("");
    assert_eq!(status(&call.asks("REFER", "Contact: <sip:a@b>\nRefer-To: <sip:x@y>\n", "")), 405);
    assert_eq!(status(&call.asks("PRACK", "RAck: 1 1 INVITE\n", "")), 481, "of nothing");
}

#[test]
fn a_phone_that_hangs_up_by_itself_when_it_may_not_transfer_is_known_by_it() {
    for (pause, by) in [(ms(20), EndedBy::Transfer), (secs(3), EndedBy::Remote)] {
        let mut call = Call::begin("");
        call.asks("REFER", "Contact: <sip:a@b>\nRefer-To: <sip:x@y>\n", "");
        call.net.run(pause);
        assert_eq!(status(&call.asks("BYE", "", "")), 200);
        let events = call.events();
        assert!(
            matches!(events[..], [.., Event::Ended { by: told, .. }] if told == by),
            "{by:?}: {events:?}"
        );
    }
}

// ---- session timers ----

#[test]
fn the_peer_refreshes_and_silence_is_only_reported() {
    let mut call = Call::begin("Supported: timer\nSession-Expires: 180\n");
    assert_eq!(header(&call.answer, "Session-Expires"), "180;refresher=uac");
    assert_eq!(header(&call.answer, "Require"), "timer");
    call.net.run(secs(90));
    assert_eq!(
        status(&call.asks("UPDATE", "Supported: timer\nSession-Expires: 180;refresher=uac\n", "")),
        200
    );
    call.net.run(secs(140));
    assert!(call.events().is_empty());
    call.net.run(secs(20));
    assert!(
        matches!(&call.events()[..], [Event::SessionExpired { .. }]),
        "180 s less 32 s after the refresh"
    );
    assert_eq!(call.net.party(call.havre).endpoint.legs(), 1);
}

#[test]
fn we_refresh_by_update_where_the_peer_takes_it_and_by_reinvite_where_not() {
    for (allow, method) in
        [("Allow: INVITE, ACK, BYE, UPDATE\n", "UPDATE"), ("Allow: INVITE, ACK, BYE\n", "INVITE")]
    {
        let mut call = Call::begin(&format!("Supported: timer\nSession-Expires: 180;refresher=uas\n{allow}"));
        assert_eq!(header(&call.answer, "Session-Expires"), "180;refresher=uas");
        let heard = call.hears_at(CARRIER, secs(91));
        let refresh = heard.first().expect("a refresh at half time");
        assert!(refresh.starts_with(method), "{refresh}");
        assert_eq!(header(refresh, "Session-Expires"), "180;refresher=uac");
        // Nobody answers: the session runs out, and the leg stays.
        call.net.run(secs(100));
        let events = call.events();
        assert!(matches!(&events[..], [Event::SessionExpired { .. }]), "{events:?}");
    }
}

#[test]
fn a_refresh_that_is_refused_is_made_as_the_refusal_asks() {
    let terms = "Supported: timer\nSession-Expires: 180;refresher=uas\nAllow: INVITE, ACK, BYE, UPDATE\n";
    for (refusal, method, interval) in
        [("422 X\nMin-SE: 600", "UPDATE", "600"), ("405 X", "INVITE", "180"), ("501 X", "INVITE", "180")]
    {
        let mut call = Call::begin(terms);
        let refresh = call.hears_at(CARRIER, ms(90_020)).pop().expect("a refresh at half time");
        assert!(refresh.starts_with("UPDATE"), "{refresh}");
        let mut text = format!("SIP/2.0 {refusal}\n");
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            text.push_str(&format!("{name}: {}\n", header(&refresh, name)));
        }
        call.net.send(CARRIER, HAVRE, &(text + "Content-Length: 0\n\n"));
        assert!(call.hears_at(CARRIER, secs(4)).is_empty(), "not at once");
        let again = call.hears_at(CARRIER, ms(1_100)).pop().expect("another refresh");
        assert!(again.starts_with(method), "{again}");
        assert_eq!(header(&again, "Session-Expires"), format!("{interval};refresher=uac"));
        assert_eq!(header(&again, "Min-SE"), interval);
        assert!(call.events().is_empty());
    }
}

#[test]
fn two_endpoints_keep_a_session_alive_for_hours() {
    let mut net = Net::new(13);
    let mut config = phone();
    config.session.expires = Some(secs(300));
    let carrier = net.add("carrier", CARRIER, config);
    let havre = net.add("havre", HAVRE, gateway());
    let leg = net.call_in_progress(carrier, havre);
    net.run(secs(4 * 3600));
    assert!(net.events(havre).is_empty() && net.events(carrier).is_empty());
    assert!(net.take_log().contains("carrier > havre UPDATE"));
    net.hangs_up(havre, leg, Cause::AgentHungUp);
    net.run(secs(1));
    assert_eq!(net.party(carrier).endpoint.legs(), 0);
}

#[test]
fn a_422_is_obeyed() {
    let mut net = Net::new(14);
    let mut config = phone();
    config.session.expires = Some(secs(100));
    let carrier = net.add("carrier", CARRIER, config);
    let mut config = gateway();
    config.session.min = secs(600);
    let havre = net.add("havre", HAVRE, config);
    net.dials(carrier, TO_LINE, HAVRE);
    net.run(ms(100));
    let log = net.take_log();
    assert!(log.contains("422 INVITE") && log.ends_with("havre Incoming +18335550100"), "{log}");
    let leg = net.incoming(havre);
    net.answers(havre, leg);
    net.run(secs(3600));
    assert_eq!(net.party(carrier).endpoint.legs(), 1);
    assert!(!net.take_log().contains("SessionExpired"));
}

// ---- forks, as a proxy makes them ----

/// A call of ours to a raw peer; returns its INVITE.
fn dialled() -> (Net, usize, String) {
    let mut net = Net::new(15);
    let havre = net.add("havre", HAVRE, gateway());
    net.dials_over(Transport::Udp, havre, "sip:x@198.51.100.7", CARRIER, Some(sdp(OFFER)));
    net.run(ms(30));
    let invite = net.received(CARRIER).remove(0);
    (net, havre, invite)
}

/// A response to a request of ours.
fn response(request: &str, status: u16, tag: &str, more: &str) -> String {
    crlf(&format!(
        "SIP/2.0 {status} X\nVia: {}\nFrom: {}\nTo: {};tag={tag}\nCall-ID: {}\nCSeq: {}\n{more}Content-Length: 0\n\n",
        header(request, "Via"),
        header(request, "From"),
        header(request, "To"),
        header(request, "Call-ID"),
        header(request, "CSeq"),
    ))
}

#[test]
fn a_second_fork_that_answers_gets_ack_and_bye() {
    let (mut net, havre, invite) = dialled();
    for (tag, port) in [("one", 5071), ("two", 5072)] {
        let contact = format!("Contact: <sip:198.51.100.7:{port}>\n");
        net.send(CARRIER, HAVRE, &response(&invite, 180, tag, &contact));
        net.run(ms(20));
    }
    for (tag, port) in [("one", 5071), ("two", 5072), ("one", 5071), ("two", 5072)] {
        let contact = format!("Contact: <sip:198.51.100.7:{port}>\n");
        net.send(CARRIER, HAVRE, &response(&invite, 200, tag, &contact));
        net.run(ms(20));
    }
    let starts = |messages: Vec<String>| -> Vec<String> {
        messages.iter().map(|text| text.split(' ').next().unwrap().to_owned()).collect()
    };
    assert_eq!(
        starts(net.received("198.51.100.7:5071")),
        ["ACK", "ACK"],
        "the winner: a repeated 200 is a lost ACK"
    );
    assert_eq!(starts(net.received("198.51.100.7:5072")), ["ACK", "BYE", "ACK"], "the loser");
    let events = net.events(havre);
    assert!(matches!(&events[..], [Event::Ringing { .. }, Event::Answered { .. }]), "{events:?}");
}

#[test]
fn an_answer_to_another_method_answers_nothing() {
    let (mut net, havre, invite) = dialled();
    let contact = "Contact: <sip:198.51.100.7:5071>\n";
    let stray = response(&invite, 200, "t", contact).replace("1 INVITE", "1 BYE");
    net.send(CARRIER, HAVRE, &stray);
    net.run(ms(30));
    assert!(net.events(havre).is_empty() && net.received("198.51.100.7:5071").is_empty());
    net.send(CARRIER, HAVRE, &response(&invite, 200, "t", contact));
    net.run(ms(30));
    assert!(matches!(net.events(havre)[..], [Event::Answered { .. }]));
}

#[test]
fn a_recorded_route_is_reversed_for_our_requests() {
    let (mut net, havre, invite) = dialled();
    let lines =
        "Record-Route: <sip:198.51.100.2;lr>, <sip:198.51.100.1;lr>\nContact: <sip:198.51.100.7:5071>\n";
    net.send(CARRIER, HAVRE, &response(&invite, 200, "t", lines));
    net.run(ms(30));
    let ack = net.received("198.51.100.1:5060").remove(0);
    assert!(ack.starts_with("ACK sip:198.51.100.7:5071 "), "{ack}");
    assert_eq!(all(&ack, "Route"), ["<sip:198.51.100.1;lr>", "<sip:198.51.100.2;lr>"]);
    assert_eq!(header(&ack, "CSeq"), "1 ACK");
    net.hangs_up(havre, LEG, Cause::Done);
    net.run(ms(30));
    let bye = net.received("198.51.100.1:5060").remove(0);
    assert_eq!(
        (header(&bye, "CSeq"), header(&bye, "Reason")),
        ("2 BYE", "Q.850;cause=16;text=\"Normal call clearing\"")
    );
}

/// RFC 3261 §13.2.2.4: whatever it says, it is acknowledged, and what cannot be a call is ended.
#[test]
fn an_answer_whose_way_cannot_be_read_gets_ack_and_bye_and_is_no_answer() {
    let contact = "Contact: <sip:198.51.100.7:5071>\n";
    for (recorded, hop) in [
        ("<sip:198.51.100.2;lr", "198.51.100.7:5071"),
        ("nonsense, <sip:198.51.100.1;lr>", "198.51.100.1:5060"),
        ("<sip:198.51.100.1;lr>, <<>>", "198.51.100.1:5060"),
    ] {
        let (mut net, havre, invite) = dialled();
        let ok = response(&invite, 200, "t", &format!("Record-Route: {recorded}\n{contact}"));
        for _ in 0..2 {
            net.send(CARRIER, HAVRE, &ok);
            net.run(ms(30));
        }
        let heard = net.received(hop);
        let seqs: Vec<_> = heard.iter().map(|text| header(text, "CSeq")).collect();
        assert_eq!(seqs, ["1 ACK", "102 BYE", "1 ACK"], "{recorded}: {heard:#?}");
        for text in &heard {
            assert!(text.contains(" sip:198.51.100.7:5071 SIP/2.0"), "{text}");
            assert!(header(text, "To").ends_with(";tag=t"), "{text}");
        }
        let events = net.events(havre);
        let failed = |event: &Event| {
            matches!(
                event,
                Event::Ended { by: EndedBy::Refused, status: Some(502), cause: Cause::Unreachable, .. }
            )
        };
        assert!(events.len() == 1 && failed(&events[0]), "{recorded}: {events:?}");
    }
}

#[test]
fn a_refusal_is_acknowledged_along_the_invites_way() {
    let (mut net, _, invite) = dialled();
    net.send(CARRIER, HAVRE, &response(&invite, 486, "t", ""));
    net.send(CARRIER, HAVRE, &response(&invite, 486, "t", ""));
    net.run(ms(30));
    let acks = net.received(CARRIER);
    assert_eq!(acks.len(), 2);
    for name in ["Via", "From", "Call-ID"] {
        assert_eq!(header(&acks[0], name), header(&invite, name));
    }
    assert!(header(&acks[0], "To").ends_with(";tag=t"));
}

#[test]
fn our_invite_has_nothing_of_anybody_else() {
    let (_, _, invite) = dialled();
    let names: Vec<_> =
        invite.lines().skip(1).map_while(|line| line.split_once(':')).map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "Via",
            "Max-Forwards",
            "From",
            "To",
            "Call-ID",
            "CSeq",
            "Contact",
            "Allow",
            "Supported",
            "User-Agent",
            "Content-Type",
            "Content-Length"
        ]
    );
    assert!(!header(&invite, "Call-ID").contains('@'));
}

#[test]
fn a_481_within_the_call_ends_it() {
    let (mut net, havre, invite) = dialled();
    net.send(CARRIER, HAVRE, &response(&invite, 200, "t", "Contact: <sip:198.51.100.7:5060>\n"));
    net.run(ms(30));
    net.received(CARRIER);
    net.command(havre, Command::Reoffer { leg: LEG, sdp: sdp(OFFER) });
    net.run(ms(20));
    let reinvite = net.received(CARRIER).remove(0);
    net.send(CARRIER, HAVRE, &response(&reinvite, 481, "t", "").replace(";tag=t;tag=t", ";tag=t"));
    net.run(ms(20));
    assert!(net.take_log().ends_with("havre Ended by Unknown481, 481, agent_lost"));
}
