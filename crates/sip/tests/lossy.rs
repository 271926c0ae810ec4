//! Whole calls over a bad network: whatever is lost, doubled or overtaken, both sides agree in the end.

mod net;

use std::collections::HashMap;

use havre_model::{Cause, LegId};
use havre_sip::{Command, Event, Transport};
use net::*;

/// Every leg begins once and ends once, and nothing is heard of it afterwards.
#[track_caller]
fn assert_told_once(seed: u64, who: &str, events: &[Event], dialled: &[LegId]) {
    let mut open: HashMap<LegId, bool> = dialled.iter().map(|leg| (*leg, true)).collect();
    for event in events {
        let Some(leg) = event.leg() else { continue };
        match event {
            Event::Incoming { .. } => {
                assert!(open.insert(leg, true).is_none(), "seed {seed}, {who}: {leg} came twice");
            }
            Event::Ended { .. } => {
                assert_eq!(open.insert(leg, false), Some(true), "seed {seed}, {who}: {event:?}");
            }
            _ => {
                assert_eq!(
                    open.get(&leg),
                    Some(&true),
                    "seed {seed}, {who}: {event:?} of a leg that is over"
                );
            }
        }
    }
    assert!(open.values().all(|open| !open), "seed {seed}, {who}: a leg never ended");
}

fn bad_network(seed: u64) -> Net {
    let mut net = Net::new(seed);
    net.faults = Faults { loss: 20, duplication: 20, jitter: ms(600) };
    net
}

#[test]
fn calls_survive_loss_duplication_and_reordering() {
    for seed in 0..300 {
        let mut net = bad_network(seed);
        let carrier = net.add("carrier", CARRIER, phone());
        let havre = net.add("havre", HAVRE, gateway());
        let late_offer = seed % 3 == 0;
        let offer = (!late_offer).then(|| sdp(OFFER));
        net.dials_over(Transport::Udp, carrier, "sip:8335550100@192.0.2.10", HAVRE, offer);
        let (mut told, mut carrier_told, mut answered, mut reoffered) =
            (Vec::new(), Vec::new(), false, false);
        let mut incoming = None;
        for second in 0..200 {
            net.run(secs(1));
            for event in net.events(havre) {
                match &event {
                    Event::Incoming { leg, .. } => {
                        incoming = Some(*leg);
                        net.answers(havre, *leg);
                    }
                    Event::Reoffered { leg, .. } => net.answers(havre, *leg),
                    _ => {}
                }
                told.push(event);
            }
            for event in net.events(carrier) {
                match &event {
                    Event::Answered { leg, .. } => {
                        answered = true;
                        if late_offer {
                            net.command(carrier, Command::Ack { leg: *leg, sdp: sdp(ANSWER) });
                        }
                    }
                    Event::Reoffered { leg, .. } => net.answers(carrier, *leg),
                    Event::ReofferAnswered { .. } => reoffered = true,
                    _ => {}
                }
                carrier_told.push(event);
            }
            if second == 40 {
                net.command(carrier, Command::Reoffer { leg: LEG, sdp: sdp(OFFER) });
                if let Some(leg) = incoming {
                    net.command(havre, Command::Reoffer { leg, sdp: sdp(OFFER) });
                }
            }
            if second == 90 {
                net.hangs_up(carrier, LEG, Cause::CallerHungUp);
            }
        }
        let log = net.take_log();
        assert!(answered, "seed {seed}: never answered\n{log}");
        assert!(reoffered, "seed {seed}: no offer got through\n{log}");
        assert_told_once(seed, "havre", &told, &[]);
        assert_told_once(seed, "carrier", &carrier_told, &[LEG]);
        assert_eq!(
            (net.party(havre).endpoint.legs(), net.party(carrier).endpoint.legs()),
            (0, 0),
            "seed {seed}"
        );
        assert!(net.party(havre).endpoint.poll_timeout().is_none(), "seed {seed}: nothing is left to happen");
    }
}

#[test]
fn callers_who_give_up_at_any_moment_leave_nothing_behind() {
    for seed in 0..300 {
        let mut net = bad_network(seed);
        let carrier = net.add("carrier", CARRIER, phone());
        let havre = net.add("havre", HAVRE, gateway());
        net.dials(carrier, "sip:8335550100@192.0.2.10", HAVRE);
        let (mut told, mut carrier_told) = (Vec::new(), Vec::new());
        for tick in 0..3000u64 {
            net.run(ms(100));
            if tick == seed % 40 {
                net.hangs_up(carrier, LEG, Cause::CallerCancelled);
            }
            for event in net.events(havre) {
                if let Event::Incoming { leg, .. } = &event
                    && seed % 2 == 0
                {
                    net.answers(havre, *leg);
                }
                // As the call would: a 2xx that is never acknowledged ends when there is no media either.
                if let Event::NotConfirmed { leg } = &event {
                    net.hangs_up(havre, *leg, Cause::CallerGone);
                }
                told.push(event);
            }
            carrier_told.extend(net.events(carrier));
        }
        assert_told_once(seed, "havre", &told, &[]);
        assert_told_once(seed, "carrier", &carrier_told, &[LEG]);
        assert_eq!(
            (net.party(havre).endpoint.legs(), net.party(carrier).endpoint.legs()),
            (0, 0),
            "seed {seed}"
        );
    }
}

#[test]
fn advocates_can_be_rung_over_a_bad_network() {
    for seed in 0..100 {
        let mut net = bad_network(seed);
        let havre = net.add("havre", HAVRE, gateway());
        let desk = net.add("desk", PHONE, phone());
        net.registers(desk, "advocate-fr", "secret-fr", Transport::Udp);
        net.run(secs(60));
        assert_eq!(net.party(havre).endpoint.bindings().count(), 1, "seed {seed}");
        let (target, from) = (havre_sip::Target::Agent("advocate-fr".parse().unwrap()), identity("line"));
        net.command(
            havre,
            Command::Dial { leg: LEG, target, from, sdp: Some(sdp(OFFER).into()), account: None },
        );
        let (mut told, mut desk_told) = (Vec::new(), Vec::new());
        for second in 0..200 {
            net.run(secs(1));
            told.extend(net.events(havre));
            for event in net.events(desk) {
                if let Event::Incoming { leg, .. } = &event {
                    net.answers(desk, *leg);
                }
                desk_told.push(event);
            }
            if second == 60 {
                net.hangs_up(havre, LEG, Cause::Withdrawn);
            }
        }
        assert!(told.iter().any(|event| matches!(event, Event::Answered { .. })), "seed {seed}");
        assert_told_once(seed, "havre", &told, &[LEG]);
        assert_told_once(seed, "desk", &desk_told, &[]);
    }
}
