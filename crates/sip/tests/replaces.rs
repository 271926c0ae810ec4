//! `Replaces` (RFC 3891): a device of an account takes the place of another one of the same account, and nobody else does.

mod net;

use havre_model::{AgentId, Cause, LegId};
use havre_sip::wire::Replaces;
use havre_sip::{Command, Event, Identity, Method, Target, Transport};
use net::raw::{authorization, common, invite, request};
use net::*;

/// Of the offer that the desk phone answered.
const OFFER_LEG: LegId = LegId(7);
/// At the soft phone.
const SOFT_LEG: LegId = LegId(9);

fn agent() -> AgentId {
    "advocate-fr".parse().expect("an id")
}

/// Havre talks with the desk phone of `advocate-fr`; a second phone is there, and what it would have to name.
fn talking() -> (Net, usize, usize, usize, Replaces) {
    let mut net = Net::new(5);
    let havre = net.add("havre", HAVRE, gateway());
    let desk = net.add("desk", PHONE, phone());
    let soft = net.add("soft", OTHER_PHONE, phone());
    net.registers(desk, "advocate-fr", "secret-fr", Transport::Udp);
    net.run(ms(200));
    let target = Target::Agent(agent());
    let sdp = Some(sdp(OFFER).into());
    net.command(havre, Command::Dial { leg: OFFER_LEG, target, from: identity("line"), sdp, account: None });
    net.run(ms(50));
    let leg = net.incoming(desk);
    net.answers(desk, leg);
    net.run(ms(50));
    let dialog = net.party(desk).endpoint.replaces(leg).expect("an answered call");
    net.events(havre);
    net.events(desk);
    net.take_log();
    (net, havre, desk, soft, dialog)
}

/// The soft phone calls as this account, with this `Replaces`.
fn take_over(net: &mut Net, soft: usize, user: &str, password: &str, of: Replaces) {
    let uri = uri(&format!("sip:line@{HAVRE}"));
    let target = Target::Instead { uri, path: path(Transport::Udp, OTHER_PHONE, HAVRE), of };
    let from = Identity { host: Some("havre.example".to_owned()), ..identity(user) };
    let account = Some(account(user, password));
    net.command(soft, Command::Dial { leg: SOFT_LEG, target, from, sdp: Some(sdp(OFFER).into()), account });
    net.run(ms(400));
}

/// The refusal that a phone heard.
fn refusal(events: &[Event]) -> Option<u16> {
    events.iter().find_map(|event| match event {
        Event::Ended { status, .. } => *status,
        _ => None,
    })
}

fn replacing(events: &[Event]) -> Option<(LegId, LegId)> {
    events.iter().find_map(|event| match event {
        Event::Replacing { leg, replaced, .. } => Some((*leg, *replaced)),
        _ => None,
    })
}

#[test]
fn a_device_of_the_account_takes_the_place_of_another() {
    let (mut net, havre, desk, soft, dialog) = talking();
    take_over(&mut net, soft, "advocate-fr", "secret-fr", dialog.clone());
    let events = net.events(havre);
    let (leg, replaced) = replacing(&events).expect("it is asked");
    assert_eq!(replaced, OFFER_LEG);
    assert!(net.events(desk).is_empty(), "the first one is as it was");
    net.answers(havre, leg);
    net.run(ms(50));
    net.hangs_up(havre, OFFER_LEG, Cause::Done);
    net.run(ms(100));
    let log = net.take_log();
    assert!(log.contains("soft Answered with SDP") && log.contains("havre Confirmed"), "{log}");
    assert!(log.contains("desk Ended by Remote"), "{log}");

    // Once more: the old one is over, and the new one may be replaced as well.
    net.events(soft);
    net.events(havre);
    let now = net.party(soft).endpoint.replaces(SOFT_LEG).expect("a talk");
    let again = |net: &mut Net, of: Replaces, leg: LegId| {
        let uri = uri(&format!("sip:line@{HAVRE}"));
        let target = Target::Instead { uri, path: path(Transport::Udp, PHONE, HAVRE), of };
        let from = Identity { host: Some("havre.example".to_owned()), ..identity("advocate-fr") };
        let account = Some(account("advocate-fr", "secret-fr"));
        net.command(desk, Command::Dial { leg, target, from, sdp: Some(sdp(OFFER).into()), account });
        net.run(ms(400));
    };
    again(&mut net, dialog.clone(), LegId(11));
    assert_eq!(refusal(&net.events(desk)), Some(603), "RFC 3891 §3: a dialog that has ended");
    again(&mut net, now, LegId(12));
    let (_, replaced) = replacing(&net.events(havre)).expect("it is asked");
    assert_eq!(replaced, leg);
    net.run(secs(40));
    again(&mut net, dialog, LegId(13));
    assert_eq!(refusal(&net.events(desk)), Some(481), "nobody remembers it for ever");
}

#[test]
fn nobody_else_learns_that_there_is_such_a_dialog() {
    let (mut net, havre, _, soft, dialog) = talking();
    take_over(&mut net, soft, "advocate-en", "secret-en", dialog.clone());
    let theirs = net.events(soft);
    let nothing = Replaces { call_id: "no-such-call".to_owned(), ..dialog.clone() };
    take_over(&mut net, soft, "advocate-en", "secret-en", nothing);
    assert_eq!(refusal(&theirs), Some(481), "another account's dialog");
    assert_eq!(theirs, net.events(soft), "and a dialog that does not exist look the same");
    take_over(&mut net, soft, "advocate-fr", "wrong", dialog.clone());
    assert_eq!(refusal(&net.events(soft)), Some(401));
    assert_eq!(replacing(&net.events(havre)), None);
    assert_eq!(net.party(havre).endpoint.legs(), 1, "the talk goes on");

    // Without credentials: a challenge, whatever is named.
    for of in [&dialog, &Replaces { to_tag: "1".to_owned(), ..dialog.clone() }] {
        let more = format!(
            "From: <sip:advocate-fr@havre.example>;tag=x\nTo: <sip:line@havre.example>\nCall-ID: {}\nReplaces: {of}\n",
            of.to_tag
        );
        let answer = net.answer_to(STRANGER, &invite("sip:line@havre.example", STRANGER, &more));
        assert_eq!(status(&answer), 401, "{answer}");
        let more = format!("Call-ID: s{}\nReplaces: {of}\n", of.to_tag);
        let answer = net.answer_to(STRANGER, &invite("sip:line@havre.example", STRANGER, &more));
        assert_eq!(status(&answer), 403, "{answer}");
    }
}

#[test]
fn a_trunk_replaces_nobody_and_its_caller_is_a_caller() {
    let (mut net, havre, desk, _, dialog) = talking();
    let to = format!("sip:{LINE}@{HAVRE}");
    net.send(CARRIER, HAVRE, &invite(&to, CARRIER, &format!("Replaces: {dialog}\n")));
    net.run(ms(50));
    let events = net.events(havre);
    assert!(matches!(events[..], [Event::Incoming { line: Some(_), .. }]), "{events:?}");
    assert!(net.events(desk).is_empty());
    // One that wants nothing else hears that it cannot be had.
    let more = format!("Call-ID: other\nReplaces: {dialog}\nRequire: replaces\n");
    let answer = net.answer_to(CARRIER, &invite(&to, CARRIER, &more));
    assert_eq!((status(&answer), header(&answer, "Unsupported")), (420, "replaces"), "{answer}");
}

#[test]
fn what_rfc_3891_refuses_is_refused() {
    let (mut net, havre, desk, _, dialog) = talking();
    let uri = "sip:line@havre.example";
    let from = "From: <sip:advocate-fr@havre.example>;tag=x\nTo: <sip:line@havre.example>\n";
    let other = Replaces { from_tag: "nobody".to_owned(), ..dialog.clone() };
    let early = Replaces { early_only: true, ..dialog.clone() };
    let cases = [
        ("two", format!("Replaces: {dialog}\nReplaces: {dialog}\n"), 400),
        ("a list", format!("Replaces: {dialog}, {dialog}\n"), 400),
        ("no tags", format!("Replaces: {}\n", dialog.call_id), 400),
        ("Join", format!("Replaces: {dialog}\nJoin: {dialog}\n"), 400),
        ("another far side", format!("Replaces: {other}\n"), 481),
        ("early-only", format!("Replaces: {early}\n"), 486),
    ];
    for (name, header, expected) in cases {
        let lines = |seq: u32, more: &str| {
            format!("{from}Call-ID: {}\nCSeq: {seq} INVITE\n{header}{more}", name.replace(' ', "-"))
        };
        let challenge = net.answer_to(OTHER, &invite(uri, OTHER, &lines(1, "")));
        assert_eq!(status(&challenge), 401, "{name}");
        let proof = authorization(&challenge, Method::Invite, uri, "advocate-fr", "secret-fr");
        let answer = net.answer_to(OTHER, &invite(uri, OTHER, &lines(2, &proof)));
        assert_eq!(status(&answer), expected, "{name}: {answer}");
    }
    // Only in an INVITE, and only in one that makes a dialog.
    let lines = format!("{}Replaces: {dialog}\n", common("OPTIONS", "sip:a@b", uri, 1));
    let answer = net.answer_to(OTHER, &request("OPTIONS", uri, OTHER, &lines, ""));
    assert_eq!(status(&answer), 400, "{answer}");
    let inside = |method: &str, seq: u32| {
        format!(
            "From: <sip:x@y>;tag={}\nTo: <sip:line@havre.example>;tag={}\nCall-ID: {}\nCSeq: {seq} {method}\n\
             Contact: <sip:desk@{PHONE}>\nReplaces: {dialog}\n",
            dialog.from_tag, dialog.to_tag, dialog.call_id
        )
    };
    for (seq, method) in ["INVITE", "BYE"].into_iter().enumerate() {
        let seq = u32::try_from(seq).expect("small") + 100;
        let answer = net.answer_to(OTHER, &request(method, uri, OTHER, &inside(method, seq), ""));
        assert_eq!(status(&answer), 400, "{method}: {answer}");
    }
    assert_eq!(replacing(&net.events(havre)), None);
    assert!(net.events(desk).is_empty());
    assert_eq!(net.party(havre).endpoint.legs(), 1, "the talk goes on");
}

/// Havre rings at the desk phone; a second phone is there, and what it would have to name.
fn ringing() -> (Net, usize, usize, usize, LegId, Replaces) {
    let mut net = Net::new(5);
    let havre = net.add("havre", HAVRE, gateway());
    let desk = net.add("desk", PHONE, phone());
    let soft = net.add("soft", OTHER_PHONE, phone());
    net.registers(desk, "advocate-fr", "secret-fr", Transport::Udp);
    net.run(ms(200));
    let target = Target::Agent(agent());
    let sdp = Some(sdp(OFFER).into());
    net.command(havre, Command::Dial { leg: OFFER_LEG, target, from: identity("line"), sdp, account: None });
    net.run(ms(50));
    let leg = net.incoming(desk);
    let dialog = net.party(desk).endpoint.replaces(leg).expect("an early dialog");
    (net, havre, desk, soft, leg, dialog)
}

/// RFC 3891 §3: an early dialog is replaced where whoever is asked has begun it, answered and cancelled.
#[test]
fn a_call_of_ours_that_rings_is_picked_up_by_another_device() {
    let (mut net, havre, desk, soft, leg, dialog) = ringing();
    take_over(&mut net, soft, "advocate-fr", "secret-fr", dialog.clone());
    assert_eq!(refusal(&net.events(soft)), Some(481), "nothing has rung: there is no dialog");
    net.command(desk, Command::Progress { leg, status: 180 });
    net.run(ms(50));
    net.events(havre);
    // For others there is none, and another far side is another dialog.
    take_over(&mut net, soft, "advocate-en", "secret-en", dialog.clone());
    assert_eq!(refusal(&net.events(soft)), Some(481));
    let other = Replaces { from_tag: "nobody".to_owned(), ..dialog.clone() };
    take_over(&mut net, soft, "advocate-fr", "secret-fr", other);
    assert_eq!(refusal(&net.events(soft)), Some(481));
    assert!(net.events(havre).iter().all(|event| !matches!(event, Event::Replacing { .. })));
    // Only an answered call is spared by `early-only`.
    for early_only in [true, false] {
        let named = Replaces { early_only, ..dialog.clone() };
        take_over(&mut net, soft, "advocate-fr", "secret-fr", named);
        let events = net.events(havre);
        let taken = events.iter().find_map(|event| match event {
            Event::Replacing { leg, replaced: OFFER_LEG, early: true, .. } => Some(*leg),
            _ => None,
        });
        let taken = taken.expect("it is asked");
        if early_only {
            net.command(havre, Command::Reject { leg: taken, status: 488 });
            net.run(ms(100));
            assert_eq!(refusal(&net.events(soft)), Some(488));
            assert_eq!(net.party(havre).endpoint.legs(), 1, "it rings on");
            continue;
        }
        net.take_log();
        net.answers(havre, taken);
        net.hangs_up(havre, OFFER_LEG, Cause::Withdrawn);
        net.run(ms(100));
        let log = net.take_log();
        assert!(log.contains("soft Answered with SDP") && log.contains("havre Confirmed"), "{log}");
        assert!(log.contains("havre > desk CANCEL") && log.contains("desk Ended by Cancelled"), "{log}");
    }
}

/// RFC 3891 §3: one that somebody else has begun is not, whoever asks.
#[test]
fn a_call_to_us_that_rings_is_not_replaced() {
    let mut net = Net::new(5);
    let havre = net.add("havre", HAVRE, gateway());
    let desk = net.add("desk", PHONE, phone());
    let soft = net.add("soft", OTHER_PHONE, phone());
    let target = Target::Uri { uri: uri("sip:*40@havre.example"), path: path(Transport::Udp, PHONE, HAVRE) };
    let from = Identity { host: Some("havre.example".to_owned()), ..identity("advocate-fr") };
    let (sdp, account) = (Some(sdp(OFFER).into()), Some(account("advocate-fr", "secret-fr")));
    net.command(desk, Command::Dial { leg: LegId(3), target, from, sdp, account });
    net.run(ms(100));
    let code = net.incoming(havre);
    net.command(havre, Command::Progress { leg: code, status: 180 });
    net.run(ms(50));
    let ours = net.party(havre).endpoint.replaces(code).expect("an early dialog");
    // As a device would name it to us: `to-tag` is ours.
    let (to_tag, from_tag) = (ours.from_tag, ours.to_tag);
    for early_only in [true, false] {
        let (call_id, to_tag, from_tag) = (ours.call_id.clone(), to_tag.clone(), from_tag.clone());
        let named = Replaces { call_id, to_tag, from_tag, early_only };
        take_over(&mut net, soft, "advocate-fr", "secret-fr", named);
        assert_eq!(refusal(&net.events(soft)), Some(481));
    }
    assert_eq!(net.party(havre).endpoint.legs(), 1, "it rings on");
}

#[test]
fn only_who_may_use_it_is_told_of_it() {
    let mut net = Net::new(5);
    let havre = net.add("havre", HAVRE, gateway());
    // A phone that registers as text, so that what it gets can be read.
    let register = |seq: u32, proof: &str| {
        let to = "sip:advocate-fr@havre.example";
        let lines = format!(
            "From: <{to}>;tag=r\nTo: <{to}>\nCall-ID: reg\nCSeq: {seq} REGISTER\nContact: <sip:desk@{OTHER}>\n{proof}"
        );
        request("REGISTER", "sip:havre.example", OTHER, &lines, "")
    };
    let challenge = net.answer_to(OTHER, &register(1, ""));
    let proof = authorization(&challenge, Method::Register, "sip:havre.example", "advocate-fr", "secret-fr");
    assert_eq!(status(&net.answer_to(OTHER, &register(2, &proof))), 200);
    let (target, sdp) = (Target::Agent(agent()), Some(sdp(OFFER).into()));
    net.command(havre, Command::Dial { leg: OFFER_LEG, target, from: identity("line"), sdp, account: None });
    net.run(ms(50));
    let received = net.received(OTHER);
    let offered = received.iter().find(|message| message.starts_with("INVITE")).expect("it rings");
    assert!(header(offered, "Supported").split(", ").any(|tag| tag == "replaces"), "{offered}");

    let lines = common("OPTIONS", "sip:a@b", "sip:havre.example", 1);
    let answer = net.answer_to(CARRIER, &request("OPTIONS", "sip:havre.example", CARRIER, &lines, ""));
    assert_eq!(header(&answer, "Supported"), "timer, 100rel");
}

/// A phone's address where no endpoint is.
const OTHER: &str = "203.0.113.77:5060";
