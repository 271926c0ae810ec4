//! An advocate's account, stolen or misused, calls nobody: whatever its phone says, no call leaves the line but to
//! phones that registered.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod net;

use havre_model::{Cause, LegId};
use havre_sip::digest::Session;
use havre_sip::wire::{Auth, Uri};
use havre_sip::{Command, Event, Method, Target};
use net::raw::*;
use net::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const ATTEMPTS: u64 = 10_000;
/// Rung, and answers with redirections.
const RUNG_EVERY: u64 = 20;

const TARGETS: [&str; 16] = [
    "sip:+19005550199@192.0.2.10",
    "sip:9005550199@havre.example",
    "sip:0119005550199@havre",
    "sip:+18335550100@192.0.2.10",
    "sip:*40@evil.example",
    "sip:*72+19005550199@havre.example",
    "sip:*40%40evil.example@havre.example",
    "sip:*40;phone-context=+1900@havre.example",
    "sip:%2A40+19005550199@havre.example",
    "sips:+19005550199@havre.example",
    "tel:+1-900-555-0199",
    "tel:*40",
    "sip:advocate-en@havre.example",
    "sip:line@192.0.2.10:5080;transport=tcp",
    "sip:+19005550199@198.51.100.7;maddr=198.51.100.7",
    "sip:198.51.100.7",
];

const LINES: [&str; 10] = [
    "Route: <sip:198.51.100.7;lr>\n",
    "Route: <sip:evil.example;lr>,<sip:+19005550199@198.51.100.7;lr>\n",
    "Refer-To: <sip:+19005550199@198.51.100.7>\nReferred-By: <sip:advocate-fr@havre.example>\n",
    "Replaces: call-1;to-tag=a;from-tag=caller\n",
    "Record-Route: <sip:198.51.100.7;lr>\n",
    "P-Asserted-Identity: <tel:+18335550100>\n",
    "P-Preferred-Identity: <sip:line@havre.example>\nPrivacy: id\n",
    "Diversion: <sip:+18335550100@192.0.2.10>;reason=unconditional\n",
    "History-Info: <sip:+18335550100@192.0.2.10>;index=1\n",
    "",
];

#[test]
fn ten_thousand_attempts_make_no_call_that_leaves() {
    let mut net = Net::new(61);
    let havre = net.add("havre", HAVRE, gateway());
    let mut random = ChaCha8Rng::seed_from_u64(61);
    let mut pick = |most: usize| usize::try_from(random.next_u64() % most as u64).unwrap();
    let mut session = register(&mut net);
    let mut sent_by_us = 0;
    for attempt in 0..ATTEMPTS {
        // Well within what one nonce lasts for.
        if attempt % 500 == 0 {
            session = register(&mut net);
        }
        let target = TARGETS[pick(TARGETS.len())];
        let method = ["INVITE", "INVITE", "INVITE", "REFER", "MESSAGE", "SUBSCRIBE"][pick(6)];
        let proof = match method {
            "INVITE" if pick(8) > 0 => {
                let uri = Uri::parse(target).unwrap();
                let auth = session.authorize("advocate-fr", "secret-fr", Method::Invite, &uri, "c");
                format!("Authorization: {auth}\n")
            }
            _ => String::new(),
        };
        let lines = format!(
            "{}{}{proof}From: <sip:advocate-fr@havre.example>;tag=t{attempt}\nTo: <{target}>\n\
             Call-ID: fraud-{attempt}\nCSeq: 1 {method}\nContact: <sip:+19005550199@198.51.100.7>\n\
             Content-Type: application/sdp\n",
            LINES[pick(LINES.len())],
            LINES[pick(LINES.len())],
        );
        net.send(PHONE, HAVRE, &request(method, target, PHONE, &lines, OFFER));
        net.run(ms(25));
        for event in net.events(havre) {
            let Event::Incoming { leg, called, .. } = event else { continue };
            assert!(["*40", "*41"].contains(&&*called), "{target} reached {called}");
            net.command(havre, Command::Reject { leg, status: 486 });
            net.run(ms(25));
        }
        if attempt % RUNG_EVERY == 0 {
            rings_and_is_redirected(&mut net, havre, attempt);
        }
        net.received(PHONE);
        for line in net.take_log().lines() {
            sent_by_us += usize::from(line.contains("havre >"));
            let leaves = line.contains("havre >") && !line.contains(&format!("havre > {PHONE}"));
            assert!(!leaves, "attempt {attempt}, {method} {target}: {line}");
        }
        assert!(net.received(CARRIER).is_empty());
    }
    assert!(sent_by_us >= 9_000, "{sent_by_us}: the attempts were answered");
    assert_eq!(net.party(havre).endpoint.legs(), 0);
}

/// The advocate's phone, when it rings, sends us elsewhere.
fn rings_and_is_redirected(net: &mut Net, havre: usize, attempt: u64) {
    let leg = LegId(attempt + 1);
    let target = Target::Agent("advocate-fr".parse().unwrap());
    let dial =
        Command::Dial { leg, target, from: identity("line"), sdp: Some(sdp(OFFER).into()), account: None };
    net.command(havre, dial);
    net.run(ms(25));
    let rung = net.received(PHONE);
    let invite = rung.iter().find(|message| message.starts_with("INVITE")).expect("it rings");
    let status = [300, 301, 302, 305, 380][usize::try_from(attempt / RUNG_EVERY % 5).unwrap()];
    let kept: String = ["Via", "From", "Call-ID", "CSeq"]
        .iter()
        .map(|name| format!("{name}: {}\n", header(invite, name)))
        .collect();
    let answer = format!(
        "SIP/2.0 {status} Elsewhere\n{kept}To: {};tag=p\nContact: <sip:+19005550199@198.51.100.7>\nContent-Length: 0\n\n",
        header(invite, "To")
    );
    net.send(PHONE, HAVRE, &answer);
    net.run(ms(25));
    let ended = |event: &Event| matches!(event, Event::Ended { leg: ended, cause: Cause::Unreachable, .. } if *ended == leg);
    assert!(net.events(havre).iter().any(ended), "a redirection is a refusal");
}

/// The advocate's phone registers; its nonce is good for calls, too.
fn register(net: &mut Net) -> Session {
    let uri = "sip:havre.example";
    let lines = |seq: u32, proof: &str| {
        format!(
            "{proof}From: <sip:advocate-fr@havre.example>;tag=r\nTo: <sip:advocate-fr@havre.example>\n\
             Call-ID: register\nCSeq: {seq} REGISTER\nContact: <sip:advocate-fr@{PHONE}>;expires=3600\n"
        )
    };
    // A number that rises with time, so that no request counts as an old one.
    let seq = u32::try_from(net.now.mono.since_start().as_millis() / 10).unwrap();
    let challenge = answer(net, &request("REGISTER", uri, PHONE, &lines(seq, ""), ""));
    let challenges: Vec<_> =
        all(&challenge, "WWW-Authenticate").iter().map(|text| Auth::parse(text).unwrap()).collect();
    let mut session = Session::accept(&challenges, None).unwrap();
    let auth =
        session.authorize("advocate-fr", "secret-fr", Method::Register, &Uri::parse(uri).unwrap(), "c");
    let proof = format!("Authorization: {auth}\n");
    let listing = answer(net, &request("REGISTER", uri, PHONE, &lines(seq + 1, &proof), ""));
    assert_eq!(status(&listing), 200, "{listing}");
    session
}

/// To the REGISTER: refusals of earlier calls, which nobody acknowledges here, are repeated meanwhile.
fn answer(net: &mut Net, text: &str) -> String {
    let heard = net.ask(PHONE, text);
    heard.into_iter().find(|heard| header(heard, "CSeq").ends_with("REGISTER")).expect("an answer")
}
