//! Browsers' legs: ICE-lite, whose media is let in, where it goes, and what a stranger on the shared port can do.
#![allow(clippy::unwrap_used)] // It is how a test fails.

mod support;

use havre_media::sdp::Setup;
use havre_media::{Channel, Codec, Command, Event, Face, Input, limits};
use havre_model::LegId;
use support::browser::{Browser, Gateway, Look, NOMINATES, Step, addr, pair};
use support::millis;

const HOME: &str = "203.0.113.5:50000";
const OFFICE: &str = "198.51.100.9:40000";
const STRANGER: &str = "203.0.113.66:6666";

/// A gateway with a browser's leg that is agreed, and has no keys.
fn agreed() -> (Gateway, LegId, Browser) {
    let mut gateway = Gateway::new();
    let leg = gateway.open(Face::Browser);
    let browser = Browser::new(1);
    let negotiated = gateway.agree(leg, &browser, &[Codec::Pcmu]);
    gateway.configure(leg, negotiated);
    (gateway, leg, browser)
}

/// The same, found and keyed.
fn talking() -> (Gateway, LegId, Browser) {
    let (mut gateway, leg, mut browser) = agreed();
    assert_eq!(gateway.check(leg, &mut browser, HOME, &NOMINATES), Some(0));
    gateway.command(Command::Secure { leg, keys: Box::new(pair(1)) });
    (gateway, leg, browser)
}

#[test]
fn a_browser_is_found_and_shakes_hands_and_talks() {
    let (mut gateway, leg, mut browser) = agreed();
    assert_eq!(gateway.destination(), None, "nobody knows where it is");
    assert_eq!(gateway.check(leg, &mut browser, HOME, &Look::default()), Some(0));
    assert_eq!(gateway.steps, [(leg, Step::Begin { client: false })]);
    gateway.shared(addr(HOME), &[22, 254, 253]);
    assert_eq!(gateway.steps[1..], [(leg, Step::Packet(vec![22, 254, 253]))]);
    gateway.sent.clear();
    gateway.command(Command::SendHandshake { leg, bytes: vec![22, 1].into() });
    assert_eq!(gateway.sent, [(leg, addr(HOME), vec![22, 1])]);
    assert_eq!(gateway.destination(), None, "no media without keys");
    let early = browser.audio(0, &[0xff; 160]);
    gateway.shared(addr(HOME), &early);
    assert_eq!((gateway.counter("dropped_not_keyed"), gateway.counter("received")), (1, 0));

    gateway.command(Command::Secure { leg, keys: Box::new(pair(1)) });
    assert_eq!(gateway.destination(), Some(addr(HOME)));
    let (_, _, packet) = gateway.sent.last().unwrap().clone();
    assert_eq!(browser.hears(&packet).unwrap().len(), 160);
    let audio = browser.audio(0, &[0xff; 160]);
    gateway.shared(addr(HOME), &audio);
    assert_eq!(gateway.counter("received"), 1);
    gateway.command(Command::Close { leg });
    assert_eq!(gateway.steps.last(), Some(&(leg, Step::End)));
    gateway.shared(addr(HOME), &browser.audio(0, &[0xff; 160]));
    assert_eq!(gateway.counter("dropped_stranger"), 1, "the address is nobody's again");
}

#[test]
fn a_check_may_come_before_the_answer() {
    let mut gateway = Gateway::new();
    let leg = gateway.open(Face::Browser);
    let (mut early, mut other) = (Browser::new(1), Browser::new(2));
    assert_eq!(gateway.check(leg, &mut early, HOME, &NOMINATES), Some(0));
    assert_eq!(gateway.check(leg, &mut other, OFFICE, &NOMINATES), Some(0), "a fork of the call");
    assert!(gateway.steps.is_empty());
    let negotiated = gateway.agree(leg, &early, &[Codec::Pcmu]);
    gateway.configure(leg, negotiated);
    assert_eq!(gateway.steps, [(leg, Step::Begin { client: false })]);
    gateway.command(Command::Secure { leg, keys: Box::new(pair(1)) });
    assert_eq!(gateway.destination(), Some(addr(HOME)), "the one that answered");
    assert_eq!(gateway.check(leg, &mut other, OFFICE, &NOMINATES), None);
    assert_eq!(gateway.counter("ice_unauthentic"), 1);
    gateway.shared(addr(OFFICE), &[22, 254, 253]);
    assert_eq!(gateway.counter("dropped_stranger"), 1);
}

#[test]
fn we_begin_where_the_browser_waits() {
    let (mut gateway, leg, mut browser) = (Gateway::new(), LegId(1), Browser::new(1));
    gateway.open(Face::Browser);
    let mut negotiated = gateway.agree(leg, &browser, &[Codec::Pcmu]);
    negotiated.browser.as_mut().unwrap().setup = Setup::Passive;
    gateway.configure(leg, negotiated);
    gateway.check(leg, &mut browser, HOME, &NOMINATES);
    assert_eq!(gateway.steps, [(leg, Step::Begin { client: true })]);
}

#[test]
fn nobody_is_answered_without_the_password() {
    let (mut gateway, leg, mut browser) = agreed();
    let mut ice = gateway.ice(leg);
    ice.password = "a".repeat(24);
    gateway.shared(addr(STRANGER), &browser.check(&ice, &NOMINATES));
    assert_eq!(gateway.counter("ice_unauthentic"), 1);
    let mut ice = gateway.ice(leg);
    ice.ufrag = "nobody00".to_owned();
    gateway.shared(addr(STRANGER), &browser.check(&ice, &NOMINATES));
    assert_eq!(gateway.counter("ice_unknown_user"), 1);
    let good = browser.check(&gateway.ice(leg), &NOMINATES);
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            gateway.shared(addr(STRANGER), &bad);
        }
        gateway.shared(addr(STRANGER), &good[..at]);
    }
    assert!(gateway.sent.is_empty() && gateway.steps.is_empty());
    gateway.shared(addr(HOME), &good);
    assert_eq!(gateway.sent.len(), 1);
}

#[test]
fn what_we_cannot_do_is_said() {
    let (mut gateway, leg, mut browser) = agreed();
    let controlled = Look { controlled: true, ..NOMINATES };
    assert_eq!(gateway.check(leg, &mut browser, HOME, &controlled), Some(487));
    let strange = Look { extra: Some(0x7777), ..NOMINATES };
    assert_eq!(gateway.check(leg, &mut browser, HOME, &strange), Some(420));
    assert!(gateway.steps.is_empty(), "neither shows where the browser is");
    let optional = Look { extra: Some(0xc057), ..NOMINATES };
    assert_eq!(gateway.check(leg, &mut browser, HOME, &optional), Some(0));
    assert_eq!(gateway.check(leg, &mut browser, "[2001:db8::7]:5", &NOMINATES), Some(0));
    assert_eq!(gateway.check(leg, &mut browser, "[::ffff:198.51.100.9]:7", &NOMINATES), Some(0));
    assert_eq!((gateway.counter("ice_errors"), gateway.counter("ice_checks")), (2, 3));
}

#[test]
fn the_first_valid_path_is_used_until_one_is_nominated() {
    let (mut gateway, leg, mut browser) = talking();
    assert_eq!(gateway.destination(), Some(addr(HOME)));
    let (mut gateway2, leg2, mut other) = agreed();
    gateway2.check(leg2, &mut other, HOME, &Look::default());
    gateway2.command(Command::Secure { leg: leg2, keys: Box::new(pair(1)) });
    gateway2.check(leg2, &mut other, OFFICE, &Look::default());
    assert_eq!(gateway2.destination(), Some(addr(HOME)), "the first");
    gateway2.check(leg2, &mut other, OFFICE, &NOMINATES);
    assert_eq!(gateway2.destination(), Some(addr(OFFICE)), "the nominated");
    // The network changes: the new path is looked at, then nominated.
    gateway.check(leg, &mut browser, OFFICE, &Look { priority: 1, ..Look::default() });
    assert_eq!(gateway.destination(), Some(addr(HOME)));
    gateway.check(leg, &mut browser, OFFICE, &Look { priority: 1, ..NOMINATES });
    assert_eq!(gateway.destination(), Some(addr(OFFICE)));
    // And back.
    gateway.check(leg, &mut browser, HOME, &NOMINATES);
    assert_eq!(gateway.destination(), Some(addr(HOME)));
    assert_eq!(gateway.steps.len(), 1, "one handshake for all of that");
}

#[test]
fn of_paths_that_are_all_nominated_the_best_is_used() {
    let (mut gateway, leg, mut browser) = talking();
    let (worse, better) = (Look { priority: 500, ..NOMINATES }, Look { priority: 2_000, ..NOMINATES });
    gateway.check(leg, &mut browser, "203.0.113.5:50001", &worse);
    assert_eq!(gateway.destination(), Some(addr(HOME)));
    gateway.check(leg, &mut browser, OFFICE, &better);
    assert_eq!(gateway.destination(), Some(addr(OFFICE)));
    gateway.check(leg, &mut browser, HOME, &NOMINATES);
    assert_eq!(gateway.destination(), Some(addr(OFFICE)), "its checks are repeated");
    // Nothing more comes from there.
    for _ in 0..10 {
        gateway.run(1_000);
        gateway.check(leg, &mut browser, HOME, &Look::default());
    }
    assert_eq!(gateway.destination(), Some(addr(HOME)));
}

#[test]
fn without_consent_nothing_is_sent() {
    let (mut gateway, leg, mut browser) = talking();
    for _ in 0..10 {
        gateway.run(5_000);
        gateway.check(leg, &mut browser, HOME, &Look::default());
    }
    gateway.events.clear();
    // It goes on speaking, but no check comes any more.
    for _ in 0..29 {
        gateway.run(1_000);
        gateway.shared(addr(HOME), &browser.audio(0, &[0xff; 160]));
    }
    assert_eq!(gateway.destination(), Some(addr(HOME)));
    gateway.run(1_000);
    assert!(matches!(gateway.events.last(), Some(Event::MediaLost { .. })), "{:?}", gateway.events);
    assert_eq!(gateway.destination(), None);
    assert_eq!(gateway.counter("ice_lost"), 1);
    gateway.shared(addr(HOME), &browser.audio(0, &[0xff; 160]));
    assert_eq!(gateway.counter("dropped_stranger"), 1, "nor taken");
    // It wakes up elsewhere.
    assert_eq!(gateway.check(leg, &mut browser, OFFICE, &NOMINATES), Some(0));
    gateway.shared(addr(OFFICE), &browser.audio(0, &[0xff; 160]));
    assert_eq!(gateway.events.last(), Some(&Event::MediaBack { leg }));
    assert_eq!(gateway.destination(), Some(addr(OFFICE)));
    assert_eq!(gateway.steps.len(), 1);
}

#[test]
fn another_certificate_asks_for_another_handshake() {
    let (mut gateway, leg, mut browser) = talking();
    let again = gateway.agree(leg, &browser, &[Codec::Pcmu]);
    gateway.configure(leg, again);
    assert_eq!(gateway.steps.len(), 1, "a re-INVITE with the same one changes nothing");
    assert_eq!(gateway.destination(), Some(addr(HOME)));
    let mut other = Browser::new(2);
    let changed = gateway.agree(leg, &other, &[Codec::Pcmu]);
    gateway.configure(leg, changed);
    assert_eq!(gateway.steps[1..], [(leg, Step::End)]);
    gateway.shared(addr(HOME), &browser.audio(0, &[0xff; 160]));
    assert_eq!(gateway.destination(), None);
    gateway.check(leg, &mut other, OFFICE, &NOMINATES);
    assert_eq!(gateway.steps[2..], [(leg, Step::Begin { client: false })]);
    assert_eq!((gateway.counter("received"), gateway.destination()), (0, None), "not without keys");
}

#[test]
fn old_keys_are_good_for_a_while() {
    let (mut gateway, leg, mut browser) = talking();
    let old: Vec<Vec<u8>> = (0..3).map(|_| browser.audio(0, &[0xff; 160])).collect();
    gateway.shared(addr(HOME), &old[0]);
    gateway.command(Command::Secure { leg, keys: Box::new(pair(9)) });
    browser.rekey(9);
    let new = browser.audio(0, &[0xff; 160]);
    gateway.shared(addr(HOME), &new);
    gateway.shared(addr(HOME), &old[1]);
    assert_eq!(gateway.counter("received"), 3);
    gateway.shared(addr(HOME), &old[1]);
    assert_eq!(gateway.counter("replayed_srtp"), 1);
    gateway.run(5_000);
    gateway.shared(addr(HOME), &old[2]);
    assert_eq!((gateway.counter("received"), gateway.counter("bad_srtp")), (3, 1));
}

#[test]
fn a_leg_for_a_browser_is_never_plain() {
    let mut gateway = Gateway::new();
    let leg = gateway.open(Face::Browser);
    let mut browser = Browser::new(1);
    let mut negotiated = gateway.agree(leg, &browser, &[Codec::Pcmu]);
    negotiated.browser = None;
    negotiated.remote_rtp = addr(HOME);
    gateway.configure(leg, negotiated.clone());
    gateway.check(leg, &mut browser, HOME, &NOMINATES);
    assert_eq!(gateway.destination(), None);
    gateway.command(Command::Secure { leg, keys: Box::new(pair(1)) });
    assert_eq!(gateway.destination(), None, "nobody asked for keys");
    // Nor is a plain one a browser's.
    let plain = gateway.open(Face::Plain);
    assert_eq!(gateway.shard.ice(plain), None);
    let mut negotiated = gateway.agree(leg, &browser, &[Codec::Pcmu]);
    negotiated.remote_rtp = addr(HOME);
    gateway.configure(plain, negotiated);
    let packet = [0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0xff];
    let input = Input::Packet { leg: plain, channel: Channel::Rtp, source: addr(HOME), bytes: &packet };
    gateway.shard.handle_input(input, gateway.now);
    assert_eq!((gateway.destination(), gateway.counter("dropped_not_keyed")), (None, 1));
}

#[test]
fn a_captured_check_leads_nobody_astray() {
    let (mut gateway, leg, mut browser) = talking();
    gateway.check(leg, &mut browser, HOME, &Look::default());
    let check = browser.check(&gateway.ice(leg), &NOMINATES);
    gateway.shared(addr(HOME), &check);
    gateway.sent.clear();
    gateway.shared(addr(STRANGER), &check);
    assert_eq!((gateway.sent.len(), gateway.counter("ice_refused")), (0, 1));
    gateway.shared(addr(HOME), &check);
    assert_eq!(gateway.sent.len(), 1, "it may come again from where it came");
    assert_eq!(gateway.destination(), Some(addr(HOME)));
}

#[test]
fn an_address_is_one_legs() {
    let (mut gateway, leg, _browser) = talking();
    let second = gateway.open(Face::Browser);
    let mut thief = Browser::new(5);
    let negotiated = gateway.agree(second, &thief, &[Codec::Pcmu]);
    gateway.configure(second, negotiated);
    assert_eq!(gateway.check(second, &mut thief, HOME, &NOMINATES), None);
    assert_eq!(gateway.counter("ice_refused"), 1);
    gateway.command(Command::Close { leg });
    assert_eq!(gateway.check(second, &mut thief, HOME, &NOMINATES), Some(0), "free now");
}

#[test]
fn answers_and_addresses_have_limits() {
    let (mut gateway, leg, mut browser) = agreed();
    let ice = gateway.ice(leg);
    for port in 1..=1_000 {
        let from = addr(&format!("203.0.113.5:{port}"));
        gateway.shared(from, &browser.check(&ice, &Look::default()));
    }
    assert_eq!((gateway.sent.len(), gateway.counter("ice_refused")), (100, 900));
    gateway.now = gateway.now.after(millis(1_000));
    gateway.sent.clear();
    for port in 1..=1_000 {
        let from = addr(&format!("203.0.113.5:{port}"));
        gateway.shared(from, &browser.check(&ice, &Look::default()));
    }
    assert_eq!(gateway.sent.len(), 50);
    let known = (1..=1_000).filter(|port| {
        let before = gateway.steps.len();
        gateway.shared(addr(&format!("203.0.113.5:{port}")), &[22]);
        gateway.steps.len() > before
    });
    assert_eq!(known.count(), limits::MAX_ICE_SOURCES);
}

#[test]
fn a_million_packets_of_strangers_disturb_nobody() {
    let (mut gateway, leg, mut browser) = talking();
    let caller = gateway.open(Face::Browser);
    let mut other = Browser::new(3);
    let negotiated = gateway.agree(caller, &other, &[Codec::Pcmu]);
    gateway.configure(caller, negotiated);
    gateway.check(caller, &mut other, OFFICE, &NOMINATES);
    gateway.command(Command::Secure { leg: caller, keys: Box::new(pair(3)) });
    gateway.command(Command::Bridge { a: leg, b: caller });
    let good: Vec<Vec<u8>> = vec![
        browser.check(&gateway.ice(leg), &NOMINATES),
        browser.audio(0, &[0xff; 160]),
        [&[22, 254, 253, 0, 0], &[7; 60][..]].concat(),
        [&[0x80, 200, 0, 6], &[7; 44][..]].concat(),
    ];
    // All of these were captured on their way.
    good.iter().for_each(|packet| gateway.shared(addr(HOME), packet));
    let mut state = 1_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    gateway.events.clear();
    let (steps, mut heard) = (gateway.steps.len(), 0);
    for round in 0..100 {
        for _ in 0..10_000 {
            let mut packet = good[random(good.len())].clone();
            if random(4) == 0 {
                packet.iter_mut().for_each(|byte| *byte = random(256) as u8);
            }
            for _ in 0..=random(3) {
                let at = random(packet.len());
                packet[at] ^= 1 << random(8);
            }
            packet.truncate(1 + random(packet.len()));
            let ports = u16::try_from(1 + random(60_000)).unwrap();
            // Some forge the address of a leg's browser.
            let source = match random(8) {
                0 => addr(HOME),
                _ => ([203, 0, 113, 66], ports).into(),
            };
            gateway.shard.handle_input(Input::Shared { source, bytes: &packet }, gateway.now);
            while let Some(output) = gateway.shard.poll_output() {
                let harmless = matches!(
                    output,
                    havre_media::Output::Handshake { step: havre_media::Handshake::Packet(_), .. }
                );
                assert!(harmless, "round {round}: {output:?}");
            }
        }
        gateway.sent.clear();
        gateway.run(20);
        let audio = browser.audio(0, &[0x55; 160]);
        gateway.shared(addr(HOME), &audio);
        let packets = gateway.sent.iter().filter(|(leg, to, _)| (*leg, *to) == (caller, addr(OFFICE)));
        heard += packets.filter_map(|(_, _, bytes)| other.hears(bytes)).filter(|p| *p == [0x55; 160]).count();
    }
    assert_eq!(heard, 100, "every packet of the call arrives");
    assert_eq!(gateway.steps.len(), steps);
    assert_eq!(gateway.events, []);
}
