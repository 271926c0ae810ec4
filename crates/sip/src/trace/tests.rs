use super::*;
use crate::wire::parse_datagram;

fn now(millis: u64) -> Now {
    Now::default().after(Duration::from_millis(millis))
}

fn trunk() -> Peer {
    Peer::Trunk("carrier".parse().unwrap())
}

/// A message of a dialog named `id`.
fn pass(trace: &mut Trace, sent: bool, start: &str, id: &str, seq: u32, method: &str, millis: u64) {
    let text = format!(
        "{start}\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa\r\nFrom: <sip:+14165550123@192.0.2.9>;tag=1\r\n\
         To: <sip:+18335550100@192.0.2.1>\r\nCall-ID: {id}\r\nCSeq: {seq} {method}\r\nContent-Length: 0\r\n\r\n"
    );
    let message = parse_datagram(text.as_bytes()).unwrap();
    trace.pass(sent, Transport::Udp, &Seen::received(&message).unwrap(), now(millis));
}

fn invite(trace: &mut Trace, id: &str, millis: u64) {
    pass(trace, false, "INVITE sip:+18335550100@192.0.2.1 SIP/2.0", id, 1, "INVITE", millis);
}

#[test]
fn what_is_tried_over_the_next_trunk_is_of_the_same_call() {
    let mut trace = Trace::default();
    pass(&mut trace, true, "INVITE sip:a@192.0.2.5 SIP/2.0", "first", 1, "INVITE", 0);
    trace.assign("first", LegId(2), trunk());
    trace.belongs(LegId(2), CallId(7));
    pass(&mut trace, true, "INVITE sip:a@192.0.2.6 SIP/2.0", "second", 1, "INVITE", 4000);
    trace.assign("second", LegId(2), trunk());
    trace.follow("second", "first");
    assert_eq!(trace.ladder(CallId(7)).unwrap().messages.len(), 2);
    assert!(trace.attempts().is_empty());
}

#[test]
fn a_call_has_its_legs_messages_in_order_and_a_repetition_is_said_to_be_one() {
    let mut trace = Trace::default();
    invite(&mut trace, "caller", 0);
    trace.assign("caller", LegId(1), trunk());
    trace.belongs(LegId(1), CallId(7));
    pass(&mut trace, true, "SIP/2.0 200 OK", "caller", 1, "INVITE", 20);
    pass(&mut trace, true, "INVITE sip:a@192.0.2.5 SIP/2.0", "offer", 1, "INVITE", 1000);
    trace.assign("offer", LegId(2), Peer::Agent("advocate-fr".parse().unwrap()));
    trace.belongs(LegId(2), CallId(7));
    pass(&mut trace, true, "SIP/2.0 200 OK", "caller", 1, "INVITE", 520);
    pass(&mut trace, false, "BYE sip:h@192.0.2.1 SIP/2.0", "caller", 2, "BYE", 3000);
    let ladder = trace.ladder(CallId(7)).unwrap();
    let told: Vec<_> = ladder
        .messages
        .iter()
        .map(|passed| (passed.after.as_millis(), passed.sent, passed.said, passed.dialog, passed.again))
        .collect();
    let ok = Said::Response { status: 200, to: "INVITE" };
    assert_eq!(
        told,
        [
            (0, false, Said::Request("INVITE"), 0, false),
            (20, true, ok, 0, false),
            (520, true, ok, 0, true),
            (1000, true, Said::Request("INVITE"), 1, false),
            (3000, false, Said::Request("BYE"), 0, false),
        ]
    );
    assert_eq!(ladder.messages[0].peer, trunk());
    assert!(trace.attempts().is_empty());
    assert_eq!(trace.ladder(CallId(8)), None);
    assert!(!format!("{ladder:?}").contains("555"), "{ladder:?}");
}

#[test]
fn what_became_no_call_is_an_attempt_with_its_outcome() {
    let mut trace = Trace::default();
    invite(&mut trace, "refused", 5);
    trace.name("refused", trunk());
    pass(&mut trace, true, "SIP/2.0 404 Not Found", "refused", 1, "INVITE", 6);
    pass(&mut trace, false, "ACK sip:+18335550100@192.0.2.1 SIP/2.0", "refused", 1, "ACK", 7);
    // Of no INVITE that is known.
    pass(&mut trace, false, "BYE sip:h@192.0.2.1 SIP/2.0", "other", 1, "BYE", 8);
    let attempts = trace.attempts();
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].status, attempts[0].peer.clone()), (Some(404), trunk()));
    assert_eq!(attempts[0].ladder.messages.len(), 3);
}

#[test]
fn every_table_is_bounded_and_strangers_displace_only_one_another() {
    let mut trace = Trace::default();
    invite(&mut trace, "call", 0);
    trace.assign("call", LegId(1), trunk());
    trace.belongs(LegId(1), CallId(1));
    for i in 0..3 * limits::MAX_TRACED_ATTEMPTS {
        invite(&mut trace, &format!("stranger-{i}"), 1);
    }
    assert_eq!(trace.attempts().len(), limits::MAX_TRACED_ATTEMPTS);
    for seq in 2..500 {
        pass(&mut trace, false, "OPTIONS sip:h@192.0.2.1 SIP/2.0", "call", seq, "OPTIONS", 2);
    }
    let ladder = trace.ladder(CallId(1)).unwrap();
    assert_eq!(ladder.messages.len(), limits::MAX_TRACED_MESSAGES);
    assert_eq!(ladder.left_out, 499 - limits::MAX_TRACED_MESSAGES as u64);
    assert_eq!(ladder.messages[0].said, Said::Request("INVITE"), "how it began is kept");
    for leg in 2..200 {
        let id = format!("offer-{leg}");
        pass(&mut trace, true, "INVITE sip:a@192.0.2.5 SIP/2.0", &id, 1, "INVITE", 3);
        trace.assign(&id, LegId(leg), Peer::Unknown);
        trace.belongs(LegId(leg), CallId(1));
    }
    assert_eq!(trace.calls[&CallId(1)].len(), limits::MAX_TRACED_DIALOGS);
    for call in 2..2 * limits::MAX_TRACED_CALLS as u64 {
        let id = format!("call-{call}");
        invite(&mut trace, &id, 4);
        trace.assign(&id, LegId(call), trunk());
        trace.belongs(LegId(call), CallId(call));
    }
    assert_eq!(trace.ladder(CallId(1)), None, "the oldest made room");
    assert!(trace.calls.len() <= limits::MAX_TRACED_CALLS && trace.order.len() == trace.calls.len());
    assert!(trace.dialogs.len() <= limits::MAX_TRACED_CALLS + limits::MAX_TRACED_ATTEMPTS);
    let held: usize = trace.dialogs.values().map(|dialog| dialog.notes.len()).sum();
    assert_eq!(held, trace.messages);
    assert!(std::mem::size_of::<Note>() <= 24);
}

#[test]
fn messages_are_counted_by_direction_transport_and_kind() {
    let mut trace = Trace::default();
    invite(&mut trace, "one", 0);
    invite(&mut trace, "two", 0);
    for start in ["SIP/2.0 200 OK", "SIP/2.0 299 What", "SIP/2.0 298 What"] {
        pass(&mut trace, true, start, "one", 1, "INVITE", 0);
    }
    let told: Vec<_> =
        trace.counts.iter().map(|kind| (kind.sent, kind.transport, kind.what, kind.count)).collect();
    use havre_model::Kind;
    assert_eq!(
        told,
        [
            (false, "udp", Kind::Method("INVITE"), 2),
            (true, "udp", Kind::Status(200), 1),
            (true, "udp", Kind::OtherStatus, 2),
        ]
    );
}
