//! What the outside can learn from what we send: neither where we are, nor who else is here.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod net;

use havre_model::{Cause, LegId};
use havre_sip::{Command, Config, Method, Target};
use net::raw::*;
use net::*;

/// What peers are told, and what they write.
const TOLD: &str = "203.0.113.99";
const INNER: &str = "192.0.2.10";

fn hidden() -> (Net, usize) {
    let mut config = gateway();
    config.advertised.insert(INNER.parse().unwrap(), TOLD.parse().unwrap());
    let mut net = Net::new(71);
    let havre = net.add("havre", HAVRE, config);
    (net, havre)
}

#[test]
fn neither_a_trunk_nor_a_phone_nor_a_stranger_sees_an_inner_address_or_another_leg() {
    let (mut net, havre) = hidden();
    let mut heard: Vec<(&str, String)> = Vec::new();

    // The phone registers, is asked whether it is there, and rings.
    let uri = "sip:havre.example";
    let lines = |seq: u32, proof: &str| {
        format!(
            "{proof}From: <sip:advocate-fr@havre.example>;tag=r\nTo: <sip:advocate-fr@havre.example>\n\
             Call-ID: register\nCSeq: {seq} REGISTER\nUser-Agent: PhoneMaker 7\nContact: <sip:advocate-fr@{PHONE}>\n"
        )
    };
    let challenge = net.answer_to(PHONE, &request("REGISTER", uri, PHONE, &lines(1, ""), ""));
    let proof = authorization(&challenge, Method::Register, uri, "advocate-fr", "secret-fr");
    heard.push((PHONE, challenge));
    heard.push((PHONE, net.answer_to(PHONE, &request("REGISTER", uri, PHONE, &lines(2, &proof), ""))));
    net.run(secs(31));

    // A caller, by a proxy of the carrier's that names itself.
    let to = format!("sip:+18335550100@{TOLD}");
    let more = "User-Agent: CarrierBox 3\nSupported: 100rel, timer\n";
    net.send(CARRIER, HAVRE, &invite(&to, CARRIER, more));
    net.run(ms(30));
    let caller = net.incoming(havre);
    net.command(havre, Command::Progress { leg: caller, status: 180 });
    net.answers(havre, caller);
    net.run(ms(30));
    let target = Target::Agent("advocate-fr".parse().unwrap());
    let from = identity("line");
    net.command(
        havre,
        Command::Dial { leg: LegId(1), target, from, sdp: Some(sdp(OFFER).into()), account: None },
    );
    net.run(secs(1));
    net.hangs_up(havre, LegId(1), Cause::Withdrawn);
    net.command(havre, Command::Probe { leg: caller });
    net.hangs_up(havre, caller, Cause::Done);
    net.run(secs(40));

    // Refusals of every kind.
    for (n, more) in ["", "Require: nothing\n", "Max-Forwards: 0\n"].into_iter().enumerate() {
        let text = invite(&format!("sip:+1833555999{n}@{TOLD}"), CARRIER, &format!("{more}Call-ID: r{n}\n"));
        net.send(CARRIER, HAVRE, &text);
    }
    for method in ["OPTIONS", "BYE", "SUBSCRIBE", "REFER"] {
        for from in [CARRIER, STRANGER] {
            let lines = common(method, "sip:a@b.example", &format!("sip:{TOLD}"), 1);
            net.send(from, HAVRE, &request(method, &format!("sip:{TOLD}"), from, &lines, ""));
        }
    }
    net.send(STRANGER, HAVRE, &invite(&to, STRANGER, "Call-ID: s\n"));
    net.send(STRANGER, HAVRE, &invite(&to, STRANGER, "Call-ID: t\nCSeq: x INVITE\n"));
    net.run(secs(40));
    for at in [PHONE, CARRIER, STRANGER] {
        heard.extend(net.received(at).into_iter().map(|text| (at, text)));
    }

    let kinds = |at: &str, start: &str| {
        heard.iter().filter(|(to, text)| *to == at && text.starts_with(start)).count()
    };
    assert!(kinds(PHONE, "INVITE") > 0 && kinds(PHONE, "OPTIONS") > 0, "{heard:#?}");
    assert!(kinds(CARRIER, "SIP/2.0 180") > 0 && kinds(CARRIER, "SIP/2.0 404") > 0, "{heard:#?}");
    assert!(kinds(CARRIER, "BYE") > 0 || kinds(CARRIER, "SIP/2.0 200") > 1, "{heard:#?}");
    assert!(kinds(STRANGER, "SIP/2.0 403") > 0 && kinds(STRANGER, "SIP/2.0 400") > 0, "{heard:#?}");
    for (at, text) in &heard {
        let others: &[&str] = match *at {
            PHONE => &["198.51.100.7", "4165550123", "call-1", "CarrierBox", "carrier"],
            _ => &["203.0.113.20", "PhoneMaker", "advocate", "register"],
        };
        for inner in [INNER, "Havre/", "havre/", "0.1.0"].iter().chain(others) {
            assert!(!text.contains(inner), "{at} is told {inner}:\n{text}");
        }
    }
}

#[test]
fn an_account_is_told_from_no_account_by_no_byte() {
    let methods = [("REGISTER", Method::Register), ("INVITE", Method::Invite)];
    for (method, of) in methods {
        let mut heard = Vec::new();
        for user in ["advocate-fr", "advocate-no"] {
            let (mut net, havre) = hidden();
            let uri = if method == "INVITE" { "sip:*40@havre.example" } else { "sip:havre.example" };
            let lines = |seq: u32, proof: &str| {
                format!(
                    "{proof}From: <sip:{user}@havre.example>;tag=r\nTo: <sip:{user}@havre.example>\nCall-ID: g\n\
                     CSeq: {seq} {method}\nContact: <sip:{user}@{STRANGER}>\n"
                )
            };
            let mut answers = Vec::new();
            let mut challenge = net.answer_to(STRANGER, &request(method, uri, STRANGER, &lines(1, ""), ""));
            // Past the point from which guesses are slowed down.
            for seq in 2..12 {
                let proof = authorization(&challenge, of, uri, user, "guess");
                let text = request(method, uri, STRANGER, &lines(seq, &proof), "");
                let answer = net.answer_to(STRANGER, &text);
                answers.push(std::mem::replace(&mut challenge, answer));
            }
            let counters = net.party(havre).endpoint.counters().clone();
            assert_eq!((counters.authentication_failures, counters.guessers), (10, 2), "{method} {user}");
            heard.push(answers.iter().map(|text| blank(text, user)).collect::<Vec<_>>());
        }
        assert_eq!(heard[0], heard[1], "{method}");
        assert!(heard[0].iter().all(|text| status(text) == 401));
    }
}

/// Without what is random, or the asker's own words.
fn blank(text: &str, user: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.replace(user, "USER");
        match line.split_once("nonce=\"") {
            Some((before, nonce)) => format!("{before}nonce={}", nonce.len()),
            // The branch of the asker's, and a tag made from its words.
            None if line.starts_with("Via:") => "Via".to_owned(),
            None => line.split(";tag=x").next().unwrap_or_default().to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_stranger_does_not_learn_what_answers() {
    let mut net = Net::new(72);
    let accounts = gateway().accounts;
    net.add("gate", HAVRE, Config { accounts, server_name: "line.example".to_owned(), ..Config::default() });
    let host = "line.example";
    let ask = |method: &str, user: &str, seq: u32| {
        let lines = format!(
            "{}Contact: <sip:x@{STRANGER}>\n",
            common(method, &format!("sip:{user}@{host}"), &format!("sip:{user}@{host}"), seq)
        );
        request(method, &format!("sip:{user}@{host}"), STRANGER, &lines, "")
    };
    let mut statuses = Vec::new();
    for (seq, (method, user)) in [
        ("REGISTER", "advocate-fr"),
        ("REGISTER", "nobody"),
        ("INVITE", "advocate-fr"),
        ("INVITE", "nobody"),
        ("OPTIONS", "nobody"),
        ("BYE", "nobody"),
        ("SUBSCRIBE", "nobody"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = net.answer_to(STRANGER, &ask(method, user, u32::try_from(seq).unwrap() + 1));
        assert!(!answer.to_lowercase().contains("havre"), "{answer}");
        statuses.push(status(&answer));
    }
    assert_eq!(statuses, [401, 401, 401, 401, 200, 481, 405]);
}
