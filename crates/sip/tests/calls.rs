//! Calls between a carrier, Havre and a phone, as logs.

mod net;

use havre_model::{Cause, Digit};
use havre_sip::{Command, Event, Transport};
use net::*;

/// The log must be exactly this.
#[track_caller]
fn assert_log(net: &mut Net, expected: &str) {
    let expected: Vec<_> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(net.take_log(), expected.join("\n"));
}

fn carrier_and_havre() -> (Net, usize, usize) {
    let mut net = Net::new(1);
    let carrier = net.add("carrier", CARRIER, phone());
    let havre = net.add("havre", HAVRE, gateway());
    (net, carrier, havre)
}

#[test]
fn a_caller_is_answered_and_hangs_up() {
    let (mut net, carrier, havre) = carrier_and_havre();
    net.dials(carrier, "sip:8335550100@192.0.2.10", HAVRE);
    net.run(ms(20));
    let leg = net.incoming(havre);
    net.command(havre, Command::Progress { leg, status: 180 });
    net.run(ms(80));
    net.answers(havre, leg);
    net.run(secs(60));
    net.hangs_up(carrier, LEG, Cause::CallerHungUp);
    net.run(secs(60));
    assert_log(
        &mut net,
        "0.000 carrier > havre INVITE
         0.010 havre > carrier 100 INVITE
         0.010 havre Incoming +18335550100
         0.020 havre > carrier 180 INVITE
         0.030 carrier Ringing
         0.100 havre > carrier 200 INVITE
         0.110 carrier > havre ACK
         0.110 carrier Answered with SDP
         0.120 havre Confirmed
         60.100 carrier > havre BYE
         60.110 havre > carrier 200 BYE
         60.110 havre Ended by Remote, -, caller_hung_up
         60.120 carrier Ended by Us, 200, caller_hung_up",
    );
    assert_eq!((net.party(havre).endpoint.legs(), net.party(carrier).endpoint.legs()), (0, 0));
}

#[test]
fn over_tcp_the_same() {
    let (mut net, carrier, havre) = carrier_and_havre();
    net.dials_over(
        Transport::Tcp,
        carrier,
        "sip:8335550100@192.0.2.10;transport=tcp",
        HAVRE,
        Some(sdp(OFFER)),
    );
    net.run(ms(100));
    let leg = net.incoming(havre);
    net.answers(havre, leg);
    net.run(ms(100));
    net.hangs_up(havre, leg, Cause::AgentHungUp);
    net.run(secs(60));
    assert_log(
        &mut net,
        "0.020 carrier > havre INVITE
         0.030 havre > carrier 100 INVITE
         0.030 havre Incoming +18335550100
         0.100 havre > carrier 200 INVITE
         0.110 carrier > havre ACK
         0.110 carrier Answered with SDP
         0.120 havre Confirmed
         0.200 havre > carrier BYE
         0.210 carrier > havre 200 BYE
         0.210 carrier Ended by Remote, -, agent_hung_up
         0.220 havre Ended by Us, 200, agent_hung_up",
    );
}

#[test]
fn a_caller_gives_up_before_the_answer() {
    let (mut net, carrier, _) = carrier_and_havre();
    net.dials(carrier, "sip:8335550100@192.0.2.10", HAVRE);
    net.run(ms(100));
    net.hangs_up(carrier, LEG, Cause::CallerCancelled);
    net.run(secs(60));
    assert_log(
        &mut net,
        "0.000 carrier > havre INVITE
         0.010 havre > carrier 100 INVITE
         0.010 havre Incoming +18335550100
         0.100 carrier > havre CANCEL
         0.100 carrier Ended by Us, -, caller_cancelled
         0.110 havre > carrier 200 CANCEL
         0.110 havre > carrier 487 INVITE
         0.110 havre Ended by Cancelled, -, caller_cancelled
         0.120 carrier > havre ACK",
    );
}

#[test]
fn cancel_waits_for_a_provisional_answer() {
    let (mut net, carrier, havre) = carrier_and_havre();
    net.dials(carrier, "sip:8335550100@192.0.2.10", HAVRE);
    net.hangs_up(carrier, LEG, Cause::CallerCancelled);
    net.run(secs(60));
    let log = net.take_log();
    assert!(log.contains("0.020 carrier > havre CANCEL"), "{log}");
    assert!(log.contains("0.030 havre > carrier 487 INVITE"), "{log}");
    assert_eq!(net.party(havre).endpoint.legs(), 0);
}

#[test]
fn a_200_that_crosses_a_cancel_is_acknowledged_and_ended() {
    let (mut net, carrier, havre) = carrier_and_havre();
    net.dials(carrier, "sip:8335550100@192.0.2.10", HAVRE);
    net.run(ms(100));
    let leg = net.incoming(havre);
    net.answers(havre, leg);
    net.hangs_up(carrier, LEG, Cause::CallerCancelled);
    net.run(secs(60));
    assert_log(
        &mut net,
        "0.000 carrier > havre INVITE
         0.010 havre > carrier 100 INVITE
         0.010 havre Incoming +18335550100
         0.100 havre > carrier 200 INVITE
         0.100 carrier > havre CANCEL
         0.100 carrier Ended by Us, -, caller_cancelled
         0.110 carrier > havre ACK
         0.110 carrier > havre BYE
         0.110 havre > carrier 200 CANCEL
         0.120 havre Confirmed
         0.120 havre > carrier 200 BYE
         0.120 havre Ended by Remote, -, caller_hung_up",
    );
    assert_eq!(net.party(carrier).endpoint.counters().unwanted_answers, 1);
}

#[test]
fn a_refusal_ends_the_call() {
    let (mut net, carrier, havre) = carrier_and_havre();
    net.dials(carrier, "sip:8335550100@192.0.2.10", HAVRE);
    net.run(ms(50));
    let leg = net.incoming(havre);
    net.command(havre, Command::Reject { leg, status: 488 });
    net.run(secs(60));
    assert_log(
        &mut net,
        "0.000 carrier > havre INVITE
         0.010 havre > carrier 100 INVITE
         0.010 havre Incoming +18335550100
         0.050 havre > carrier 488 INVITE
         0.050 havre Ended by Us, 488, not_acceptable
         0.060 carrier > havre ACK
         0.060 carrier Ended by Refused, 488, not_acceptable",
    );
}

#[test]
fn a_late_offer_is_answered_in_the_ack() {
    let (mut net, carrier, havre) = carrier_and_havre();
    net.dials_over(Transport::Udp, carrier, "sip:8335550100@192.0.2.10", HAVRE, None);
    net.run(ms(50));
    let leg = net.incoming(havre);
    net.command(havre, Command::Answer { leg, sdp: sdp(OFFER) });
    net.run(secs(3));
    net.command(carrier, Command::Ack { leg: LEG, sdp: sdp(ANSWER) });
    net.run(secs(1));
    assert_log(
        &mut net,
        "0.000 carrier > havre INVITE
         0.010 havre > carrier 100 INVITE
         0.010 havre Incoming +18335550100, no offer
         0.050 havre > carrier 200 INVITE
         0.060 carrier Answered with SDP
         0.550 havre > carrier 200 INVITE
         1.550 havre > carrier 200 INVITE
         3.050 carrier > havre ACK
         3.060 havre Confirmed with SDP",
    );
}

#[test]
fn a_2xx_is_repeated_until_64_t1_and_then_only_reported() {
    let (mut net, carrier, havre) = carrier_and_havre();
    net.dials_over(Transport::Udp, carrier, "sip:8335550100@192.0.2.10", HAVRE, None);
    net.run(ms(50));
    let leg = net.incoming(havre);
    net.command(havre, Command::Answer { leg, sdp: sdp(OFFER) });
    net.run(secs(40));
    let log = net.take_log();
    let sent: Vec<_> =
        log.lines().filter(|line| line.contains("200 INVITE")).map(|line| &line[..5]).collect();
    assert_eq!(
        sent,
        ["0.050", "0.550", "1.550", "3.550", "7.550", "11.55", "15.55", "19.55", "23.55", "27.55", "31.55"]
    );
    assert!(log.ends_with("32.050 havre NotConfirmed"), "{log}");
    assert_eq!(net.party(havre).endpoint.legs(), 1);
    net.hangs_up(havre, leg, Cause::CallerGone);
    net.run(secs(1));
    assert!(net.take_log().contains("havre Ended by Us, 200, caller_gone"));
}

#[test]
fn the_called_side_waits_for_the_ack_before_it_says_bye() {
    let (mut net, carrier, havre) = carrier_and_havre();
    net.dials_over(Transport::Udp, carrier, "sip:8335550100@192.0.2.10", HAVRE, None);
    net.run(ms(50));
    let leg = net.incoming(havre);
    net.command(havre, Command::Answer { leg, sdp: sdp(OFFER) });
    net.hangs_up(havre, leg, Cause::Done);
    net.run(ms(100));
    assert!(!net.take_log().contains("BYE"));
    net.command(carrier, Command::Ack { leg: LEG, sdp: sdp(ANSWER) });
    net.run(secs(1));
    assert_log(
        &mut net,
        "0.150 carrier > havre ACK
         0.160 havre > carrier BYE
         0.170 carrier > havre 200 BYE
         0.170 carrier Ended by Remote, -, agent_hung_up
         0.180 havre Ended by Us, 200, done",
    );
}

#[test]
fn hold_and_resume_by_reinvite() {
    let (mut net, carrier, havre) = carrier_and_havre();
    let leg = net.call_in_progress(carrier, havre);
    net.command(carrier, Command::Reoffer { leg: LEG, sdp: sdp(OFFER) });
    net.run(ms(20));
    net.answers(havre, leg);
    net.run(secs(40));
    assert_log(
        &mut net,
        "0.100 carrier > havre INVITE
         0.110 havre > carrier 100 INVITE
         0.110 havre Reoffered with SDP
         0.120 havre > carrier 200 INVITE
         0.130 carrier > havre ACK
         0.130 carrier ReofferAnswered with SDP",
    );
    net.command(carrier, Command::Reoffer { leg: LEG, sdp: sdp(OFFER) });
    net.run(ms(20));
    net.command(havre, Command::Reject { leg, status: 488 });
    net.run(secs(1));
    assert!(net.take_log().contains("carrier ReofferRefused 488"));
    assert_eq!(net.party(havre).endpoint.legs(), 1);
}

#[test]
fn offers_that_cross_are_made_again_one_after_the_other() {
    let (mut net, carrier, havre) = carrier_and_havre();
    let leg = net.call_in_progress(carrier, havre);
    net.command(carrier, Command::Reoffer { leg: LEG, sdp: sdp(OFFER) });
    net.command(havre, Command::Reoffer { leg, sdp: sdp(OFFER) });
    for _ in 0..1000 {
        net.run(ms(10));
        for (party, leg) in [(carrier, LEG), (havre, leg)] {
            if net.events(party).iter().any(|event| matches!(event, Event::Reoffered { .. })) {
                net.answers(party, leg);
            }
        }
    }
    let log = net.take_log();
    assert_eq!(log.matches("491 INVITE").count(), 2, "{log}");
    assert_eq!(log.matches("ReofferAnswered with SDP").count(), 2, "{log}");
    // §14.1: the side that did not make the Call-ID waits less than 2 s, the other 2.1 s or more, or until the
    // first offer is done with.
    let (ours, theirs) =
        (log.find("havre ReofferAnswered").unwrap(), log.find("carrier ReofferAnswered").unwrap());
    assert!(ours < theirs, "{log}");
    let resent = log.lines().filter(|line| line.ends_with("> carrier INVITE")).nth(1).unwrap();
    let at: f64 = resent.split(' ').next().unwrap().parse().unwrap();
    assert!((0.12..2.13).contains(&at), "{log}");
}

#[test]
fn digits_and_probes_go_within_the_call() {
    let (mut net, carrier, havre) = carrier_and_havre();
    let leg = net.call_in_progress(carrier, havre);
    for key in ['5', '#'] {
        net.command(carrier, Command::SendDigit { leg: LEG, digit: Digit::from_char(key).unwrap() });
    }
    net.command(havre, Command::Probe { leg });
    net.run(secs(1));
    assert_log(
        &mut net,
        "0.100 carrier > havre INFO
         0.100 havre > carrier OPTIONS
         0.110 havre > carrier 200 INFO
         0.110 havre Digit 5 160
         0.110 carrier > havre 200 OPTIONS
         0.120 carrier > havre INFO
         0.120 havre Probed true Some(200)
         0.130 havre > carrier 200 INFO
         0.130 havre Digit # 160",
    );
}

#[test]
fn a_dead_peer_is_reported_and_the_leg_stays() {
    let (mut net, carrier, havre) = carrier_and_havre();
    let leg = net.call_in_progress(carrier, havre);
    net.kill(CARRIER);
    net.command(havre, Command::Probe { leg });
    net.run(secs(1));
    assert_log(
        &mut net,
        "0.100 havre > carrier OPTIONS
         0.110 havre Probed false None",
    );
    assert_eq!(net.party(havre).endpoint.legs(), 1);
    net.hangs_up(havre, leg, Cause::CallerGone);
    net.run(secs(1));
    assert!(net.take_log().contains("havre Ended by Us, -, caller_gone"));
}

#[test]
fn both_hang_up_at_once() {
    let (mut net, carrier, havre) = carrier_and_havre();
    let leg = net.call_in_progress(carrier, havre);
    net.hangs_up(carrier, LEG, Cause::CallerHungUp);
    net.hangs_up(havre, leg, Cause::AgentHungUp);
    net.run(secs(40));
    assert_log(
        &mut net,
        "0.100 carrier > havre BYE
         0.100 havre > carrier BYE
         0.110 havre > carrier 200 BYE
         0.110 carrier > havre 200 BYE
         0.120 carrier Ended by Us, 200, caller_hung_up
         0.120 havre Ended by Us, 200, agent_hung_up",
    );
}

#[test]
fn nobody_there() {
    let (mut net, carrier, _) = carrier_and_havre();
    net.dials(carrier, "sip:x@203.0.113.99", "203.0.113.99:5060");
    net.run(secs(40));
    let log = net.take_log();
    assert_eq!(log.matches("INVITE").count(), 7, "timer A doubles: {log}");
    assert!(log.ends_with("32.000 carrier Ended by Timeout, -, unreachable"), "{log}");
}
