//! The wire as a whole: framing, limits, what is answered, and the properties that hold for any bytes.

#![allow(clippy::unwrap_used, reason = "what can not be unwrapped fails the test, in helpers too")]

use havre_sip::Method;
use havre_sip::wire::limits::{MAX_HEAD, MAX_HEADERS, MAX_LINE, MAX_MESSAGE, MAX_URI};
use havre_sip::wire::{
    Framer, KEEP_ALIVE, Message, Name, ParseError, Request, Uri, begins_call, parse_datagram,
};

const INVITE: &str = "INVITE sip:line@h SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\nFrom: <sip:a@c>;tag=1\r\n\
    To: <sip:line@h>\r\nCall-ID: x@c\r\nCSeq: 1 INVITE\r\nContact: <sip:a@c>\r\n";

#[test]
fn lines_end_with_crlf_and_nothing_else() {
    for (from, to) in [
        ("\r\nFrom", "\nFrom"),
        ("\r\nFrom", "\rFrom"),
        ("<sip:a@c>;tag", "<sip:a@c>\n;tag"),
        ("<sip:a@c>;tag", "\r\n \nRoute: x\r\n <sip:a@c>;tag"),
        ("<sip:a@c>;tag", "<sip:a@c>\r\n \r;tag"),
    ] {
        let text = message("").replacen(from, to, 1);
        let error = parse_datagram(text.as_bytes()).unwrap_err();
        assert!(error.fatal, "{text}");
    }
}

#[test]
fn only_one_plain_content_length_is_believed() {
    let body = "v=0\r\n";
    let with = |lines: &str| format!("{INVITE}{lines}\r\n{body}");
    for good in ["Content-Length: 5\r\n", "l:5\r\n", "Content-Length :  05\r\n", "L: \r\n 5\r\n"] {
        assert_eq!(request(with(good).as_bytes()).body, body, "{good}");
        assert_eq!(frames(with(good).as_bytes()).len(), 1, "{good}");
    }
    for bad in [
        "Content-Length: 5\r\nl: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 0\r\n",
        "l: 5, 5\r\n",
        "l: +5\r\n",
        "l: -5\r\n",
        "l: 5 0\r\n",
        "l: 0x5\r\n",
        "l: 5;\r\n",
        "l:\r\n",
        "l: 18446744073709551621\r\n",
        "l: 5\u{a0}\r\n",
        "l: 5\r\nContent-Length\r\n",
        "l\u{0}: 5\r\n",
        "\u{a0}l: 5\r\n",
    ] {
        let error = parse_datagram(with(bad).as_bytes()).unwrap_err();
        assert!(error.fatal, "{bad}");
        let frames = frames(with(bad).as_bytes());
        assert_eq!(frames.len(), 1, "{bad}");
        assert!(frames[0].as_ref().unwrap_err().fatal, "{bad}");
    }
}

#[test]
fn a_datagram_is_cut_at_its_content_length() {
    let text = format!("{INVITE}Content-Length: 3\r\n\r\nabcdef");
    assert_eq!(request(text.as_bytes()).body, "abc");
    assert_eq!(request(format!("{INVITE}\r\nabcdef").as_bytes()).body, "abcdef");
}

#[test]
fn bodies_are_bytes() {
    let body: Vec<u8> = (0..=255).chain(*b"\r\n\r\nINVITE sip:x SIP/2.0\r\n\r\n").collect();
    let mut wire = format!("{INVITE}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    wire.extend_from_slice(&body);
    let parsed = request(&wire);
    assert_eq!(parsed.body, body);
    assert_eq!(request(&parsed.to_bytes()), parsed);
    assert_eq!(frames(&wire), [Ok(Message::Request(parsed))]);
}

#[test]
fn only_what_begins_a_call_may_be_read_later() {
    let invite =
        |to: &str| format!("INVITE sip:a@h SIP/2.0\r\nFrom: <sip:b@h>;tag=f\r\n{to}\r\n\r\nTo: x;tag=body");
    for to in ["To: <sip:a@h>", "t: a <sip:a@h>", "Tag: x;tag=1", ""] {
        assert!(begins_call(invite(to).as_bytes()), "{to}");
    }
    for to in ["To: <sip:a@h>;tag=1", "TO : <sip:a@h>;x=y;TAG=1", "t:<sip:a@h>;tag=1"] {
        assert!(!begins_call(invite(to).as_bytes()), "a BYE would overtake it: {to}");
    }
    assert!(begins_call(b"CANCEL sip:a@h SIP/2.0\r\nTo: <sip:a@h>\r\n\r\n"));
    for other in [&b"BYE sip:a@h SIP/2.0\r\n\r\n"[..], b"SIP/2.0 200 OK\r\n\r\n", b"\r\n\r\n", b""] {
        assert!(!begins_call(other));
    }
}

#[test]
fn latin1_survives_a_round_trip() {
    let mut wire = message("").into_bytes();
    let at = wire.windows(7).position(|seven| seven == b"<sip:a@").unwrap();
    wire.splice(at..at, *b"\"Ren\xe9e\" ");
    let parsed = request(&wire);
    assert_eq!(parsed.headers.from().unwrap().display.as_deref().unwrap(), "Renée");
    assert!(parsed.to_bytes().windows(5).any(|five| five == b"Ren\xe9e"));
    let reply = parsed.respond(200, Some("t")).to_bytes();
    assert!(reply.windows(5).any(|five| five == b"Ren\xe9e"));
}

#[test]
fn keep_alives_are_told_from_noise() {
    for quiet in [&b"\r\n\r\n"[..], b"\r\n", b"\0\0\0\0", b""] {
        assert_eq!(parse_datagram(quiet).unwrap_err().why, KEEP_ALIVE);
    }
    assert_ne!(parse_datagram(b"x").unwrap_err().why, KEEP_ALIVE);
    let mut framer = Framer::new();
    let wire = format!("\r\n\r\n\r\n{}\r\n\r\n\r\n\r\n", message(""));
    let mut messages = 0;
    for byte in wire.bytes() {
        framer.push(&[byte]);
        while let Some(result) = framer.next() {
            result.unwrap();
            messages += 1;
        }
    }
    assert_eq!((messages, framer.take_pings(), framer.take_pings()), (1, 3, 0));
    // A sloppy line end behind each message is no ping.
    framer.push(format!("\r\n{}", message("")).repeat(3).as_bytes());
    while framer.next().is_some() {}
    assert_eq!(framer.take_pings(), 0);
}

#[test]
fn every_limit_holds() {
    let uri = |len: usize| message("").replacen("sip:line@h", &format!("sip:{}@h", "a".repeat(len - 6)), 1);
    assert!(parse_datagram(uri(MAX_URI).as_bytes()).is_ok());
    assert_eq!(refused(uri(MAX_URI + 1).as_bytes()), 414);

    let line = |len: usize| message(&format!("N: {}\r\n", "a".repeat(len - 3)));
    assert!(parse_datagram(line(MAX_LINE).as_bytes()).is_ok());
    assert_eq!(refused(line(MAX_LINE + 1).as_bytes()), 513);
    let folds = message(&format!("N:{}\r\n", "\r\n a".repeat(MAX_LINE / 2)));
    assert_eq!(refused(folds.as_bytes()), 513);

    let headers = |count: usize| message(&"N: y\r\n".repeat(count - 6));
    assert!(parse_datagram(headers(MAX_HEADERS).as_bytes()).is_ok());
    assert_eq!(refused(headers(MAX_HEADERS + 1).as_bytes()), 513);
    let routes = message(&format!("Route: <sip:h>{}\r\n", ",<sip:h>".repeat(MAX_HEADERS)));
    assert_eq!(refused(routes.as_bytes()), 513);

    let head = message(&format!("N: {}\r\n", "a".repeat(6000)).repeat(6));
    assert!(head.len() > MAX_HEAD);
    assert_eq!(refused(head.as_bytes()), 513);

    assert!(
        parse_datagram(format!("{INVITE}\r\n{}", "x".repeat(MAX_MESSAGE - INVITE.len() - 2)).as_bytes())
            .is_ok()
    );
    assert_eq!(
        refused(format!("{INVITE}\r\n{}", "x".repeat(MAX_MESSAGE - INVITE.len() - 1)).as_bytes()),
        513
    );

    let large = format!("{INVITE}Content-Length: {}\r\n\r\n", MAX_MESSAGE);
    let frames = frames(large.as_bytes());
    let error = frames[0].as_ref().unwrap_err();
    assert!(error.fatal);
    assert_eq!(error.reply.as_ref().unwrap().status, 513);
}

#[test]
fn a_stream_goes_on_after_a_bad_message_but_not_after_bad_framing() {
    let bad = message("").replace("CSeq: 1 INVITE", "CSeq: 1 BYE");
    let wire = format!("{bad}{}", message(""));
    let results = frames(wire.as_bytes());
    assert_eq!(results.len(), 2);
    assert!(!results[0].as_ref().unwrap_err().fatal);
    assert!(results[1].is_ok());
    let wire = format!("{}{}", message("no colon\r\n"), message(""));
    let results = frames(wire.as_bytes());
    assert_eq!(results.len(), 1);
    assert!(results[0].as_ref().unwrap_err().fatal);
}

/// Found by the property tests.
#[test]
fn control_characters_in_a_start_line_mean_the_same_everywhere() {
    let nul = format!("\0{}", message(""));
    assert_eq!(Err(parse_datagram(nul.as_bytes()).unwrap_err()), frames(nul.as_bytes())[0]);
    for reason in ["\tOK", "\0OK", "\\\0OK"] {
        let text = message("").replace("INVITE sip:line@h SIP/2.0", &format!("SIP/2.0 200 {reason}"));
        if let Ok(response) = parse_datagram(text.as_bytes()) {
            assert_eq!(parse_datagram(&response.to_bytes()), Ok(response));
        }
    }
}

/// A caller is not turned away for a header that only hints.
#[test]
fn unreadable_hints_spoil_nothing() {
    let text = message(
        "P-Asserted-Identity: \"open <sip:a@c>\r\nDiversion: <sip:x\r\nSession-Expires: soon\r\nDate: never\r\n",
    );
    let headers = request(text.as_bytes()).headers;
    assert!(headers.asserted_identities().is_err());
    assert!(headers.diversions().is_err());
    assert!(headers.session_expires().is_err());
    for routing in
        ["Route: <sip:x", "Route: x", "Record-Route: <x>", "Contact: <sip:x>;;", "Max-Forwards: many"]
    {
        assert_eq!(refused(message(&format!("{routing}\r\n")).as_bytes()), 400, "{routing}");
    }
}

#[test]
fn a_refusal_has_what_the_answer_needs() {
    let text = message("").replace("To: <sip:line@h>\r\n", "");
    let mut reply = parse_datagram(text.as_bytes()).unwrap_err().reply.unwrap();
    assert_eq!(reply.reason, "Bad Request (missing To)");
    reply.headers.stamp_via("198.51.100.1:4000".parse().unwrap());
    let printed = String::from_utf8(reply.to_bytes().to_vec()).unwrap();
    assert_eq!(
        printed,
        "SIP/2.0 400 Bad Request (missing To)\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1;received=198.51.100.1\r\n\
         From: <sip:a@c>;tag=1\r\nCall-ID: x@c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    );
}

#[test]
fn ack_responses_and_the_unreadable_are_never_answered() {
    let ack = message("").replace("INVITE", "ACK").replace("Call-ID: x@c\r\n", "");
    let response =
        message("").replace("INVITE sip:line@h SIP/2.0", "SIP/2.0 200 OK").replace("Call-ID: x@c\r\n", "");
    let no_via = message("").replace("Via: SIP/2.0/UDP c;branch=z9hG4bK1\r\n", "").replace("x@c", "");
    let garbage = message("").replace("INVITE sip:line@h SIP/2.0", "\u{1}\u{2}");
    let version = message("").replace("INVITE sip:line@h SIP/2.0", "INVITE sip:line@h HTTP/1.1");
    for text in [ack, response, no_via, garbage] {
        assert_eq!(parse_datagram(text.as_bytes()).unwrap_err().reply, None, "{text}");
    }
    assert_eq!(refused(version.as_bytes()), 400);
}

#[test]
fn a_response_copies_what_the_rfc_says() {
    let text =
        message("Via: SIP/2.0/TCP d;branch=z9hG4bK2, SIP/2.0/UDP e\r\nTimestamp: 54\r\nSubject: secret\r\n");
    let request = request(text.as_bytes());
    let trying = request.respond(100, None);
    assert_eq!(trying.headers.to().unwrap().tag(), None);
    assert_eq!(trying.headers.first(&Name::Timestamp), Some("54"));
    let ok = request.respond(200, Some("mine"));
    assert_eq!(ok.headers.vias(), request.headers.vias());
    assert_eq!(ok.headers.vias().unwrap().len(), 3);
    assert_eq!(ok.headers.to().unwrap().tag(), Some("mine"));
    assert_eq!(ok.headers.len(), 7);
    let mut again = ok.headers.clone();
    again.tag_to("other");
    assert_eq!(again, ok.headers);
    assert_eq!((ok.status, ok.reason.as_str()), (200, "OK"));
}

#[test]
fn a_request_of_ours_is_read_back() {
    let mut request =
        Request::new(Method::Bye, Uri::sip(Some("+1833"), "[2001:db8::1]:5060".parse().unwrap()));
    request.headers.push(Name::Via, "SIP/2.0/UDP [2001:db8::2]:5060;branch=z9hG4bKq;rport");
    request.headers.push(Name::MaxForwards, &70);
    for (name, value) in [(Name::From, "<sip:a@h>;tag=1"), (Name::To, "<sip:b@h>"), (Name::CallId, "c")] {
        request.headers.push(name, value);
    }
    request.headers.push(Name::CSeq, "2 BYE");
    assert_eq!(self::request(&request.to_bytes()), request);
}

/// An INVITE with these header lines and no body.
fn message(lines: &str) -> String {
    format!("{INVITE}{lines}Content-Length: 0\r\n\r\n")
}

fn request(wire: &[u8]) -> Request {
    match parse_datagram(wire) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn refused(wire: &[u8]) -> u16 {
    parse_datagram(wire).unwrap_err().reply.unwrap().status
}

fn frames(wire: &[u8]) -> Vec<Result<Message, ParseError>> {
    let mut framer = Framer::new();
    framer.push(wire);
    std::iter::from_fn(|| framer.next()).collect()
}
