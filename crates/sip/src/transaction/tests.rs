//! Every timer of RFC 3261 table 4 and RFC 6026 in virtual time, each as a row.

use std::time::Duration;

use havre_model::Mono;

use super::*;
use crate::config::Timers;

const T: Timers =
    Timers { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) };

/// Unreliable (UDP) and reliable (TCP).
const UDP: bool = false;
const TCP: bool = true;

fn at(seconds: f64) -> Mono {
    Mono::from_start(Duration::from_secs_f64(seconds))
}

/// What a machine does until it wants nothing more, with the second at which it does it.
fn run(mut deadline: impl FnMut(Option<Mono>) -> (Option<Mono>, Option<Fired>)) -> Vec<(f64, Fired)> {
    let mut seen = Vec::new();
    let (mut next, _) = deadline(None);
    while let Some(moment) = next {
        let (after, fired) = deadline(Some(moment));
        seen.extend(fired.map(|fired| (moment.since_start().as_secs_f64(), fired)));
        next = after;
        assert!(seen.len() < 50, "it never ends: {seen:?}");
    }
    seen
}

macro_rules! life {
    ($machine:expr) => {{
        let mut machine = $machine;
        run(|moment| {
            let fired = moment.map(|moment| machine.on_timeout(moment));
            (machine.deadline(), fired)
        })
    }};
}

fn resends(seconds: &[f64], last: (f64, Fired)) -> Vec<(f64, Fired)> {
    seconds.iter().map(|s| (*s, Fired::Resend)).chain([last]).collect()
}

#[test]
fn timers_a_and_b_of_an_unanswered_invite() {
    assert_eq!(
        life!(ClientInvite::new(T, UDP, at(0.0))),
        resends(&[0.5, 1.5, 3.5, 7.5, 15.5, 31.5], (32.0, Fired::TimedOut))
    );
    assert_eq!(life!(ClientInvite::new(T, TCP, at(0.0))), [(32.0, Fired::TimedOut)]);
}

#[test]
fn a_ringing_invite_rings_on() {
    let mut invite = ClientInvite::new(T, UDP, at(0.0));
    assert_eq!(invite.on_response(180, at(1.0)), OnResponse::Deliver);
    assert!(invite.is_proceeding());
    assert_eq!(life!(invite), []);
}

#[test]
fn timer_d_of_a_refused_invite() {
    for (reliable, d) in [(UDP, 32.0), (TCP, 0.0)] {
        let mut invite = ClientInvite::new(T, reliable, at(0.0));
        assert_eq!(invite.on_response(486, at(1.0)), OnResponse::AckAndDeliver);
        if !reliable {
            assert_eq!(invite.on_response(486, at(2.0)), OnResponse::Ack, "a repetition gets its ACK again");
        }
        assert_eq!(invite.on_response(200, at(2.0)), OnResponse::Absorb);
        assert_eq!(life!(invite), [(1.0 + d, Fired::Terminated)]);
    }
}

#[test]
fn timer_m_of_an_accepted_invite() {
    for reliable in [UDP, TCP] {
        let mut invite = ClientInvite::new(T, reliable, at(0.0));
        assert_eq!(invite.on_response(200, at(1.0)), OnResponse::Deliver);
        assert_eq!(invite.on_response(200, at(2.0)), OnResponse::Deliver, "another fork, or a lost ACK");
        assert_eq!(invite.on_response(180, at(2.0)), OnResponse::Absorb);
        assert_eq!(invite.on_response(500, at(2.0)), OnResponse::Absorb);
        assert_eq!(life!(invite), [(33.0, Fired::Terminated)]);
    }
}

#[test]
fn timers_e_and_f_of_an_unanswered_request() {
    assert_eq!(
        life!(ClientNonInvite::new(T, UDP, at(0.0))),
        resends(&[0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5], (32.0, Fired::TimedOut))
    );
    assert_eq!(life!(ClientNonInvite::new(T, TCP, at(0.0))), [(32.0, Fired::TimedOut)]);
}

#[test]
fn timer_e_slows_to_t2_after_a_provisional_response() {
    let mut request = ClientNonInvite::new(T, UDP, at(0.0));
    assert_eq!(request.on_response(100, at(0.2)), OnResponse::Deliver);
    assert_eq!(
        life!(request),
        resends(&[0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5], (32.0, Fired::TimedOut))
    );
}

#[test]
fn timer_k_of_an_answered_request() {
    let mut request = ClientNonInvite::new(T, UDP, at(0.0));
    assert_eq!(request.on_response(200, at(1.0)), OnResponse::Deliver);
    assert_eq!(request.on_response(200, at(2.0)), OnResponse::Absorb);
    assert_eq!(life!(request), [(6.0, Fired::Terminated)]);
    let mut request = ClientNonInvite::new(T, TCP, at(0.0));
    assert_eq!(request.on_response(200, at(1.0)), OnResponse::Deliver);
    assert!(request.is_terminated(), "timer K is 0 on reliable transports");
}

#[test]
fn timers_g_and_h_of_an_unacknowledged_refusal() {
    let refused = |reliable| {
        let mut invite = ServerInvite::new(T, reliable);
        assert!(invite.on_respond(180, at(0.0)));
        assert_eq!(invite.on_request(), OnRequest::ResendLast);
        assert!(invite.on_respond(486, at(0.0)));
        assert!(!invite.on_respond(200, at(0.0)), "one final answer");
        invite
    };
    assert_eq!(
        life!(refused(UDP)),
        resends(&[0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5], (32.0, Fired::TimedOut))
    );
    assert_eq!(life!(refused(TCP)), [(32.0, Fired::TimedOut)]);
}

#[test]
fn timer_i_absorbs_acks() {
    let mut invite = ServerInvite::new(T, UDP);
    invite.on_respond(486, at(0.0));
    assert_eq!(invite.on_ack(at(1.0)), OnRequest::Absorb);
    assert_eq!(invite.on_ack(at(2.0)), OnRequest::Absorb);
    assert_eq!(invite.on_request(), OnRequest::Absorb);
    assert_eq!(life!(invite), [(6.0, Fired::Terminated)]);
    let mut invite = ServerInvite::new(T, TCP);
    invite.on_respond(486, at(0.0));
    assert_eq!(invite.on_ack(at(1.0)), OnRequest::Absorb);
    assert!(invite.is_terminated(), "timer I is 0 on reliable transports");
}

#[test]
fn timer_j_answers_repetitions_again() {
    let mut request = ServerNonInvite::new(T, UDP);
    assert!(request.on_respond(200, at(1.0)));
    assert!(!request.on_respond(500, at(1.0)), "one final answer");
    assert_eq!(request.on_request(), OnRequest::ResendLast);
    assert_eq!(life!(request), [(33.0, Fired::Terminated)]);
    let mut request = ServerNonInvite::new(T, TCP);
    assert!(request.on_respond(200, at(1.0)));
    assert!(request.is_terminated(), "timer J is 0 on reliable transports");
}

#[test]
fn timer_l_of_an_accepted_invite() {
    for reliable in [UDP, TCP] {
        let mut invite = ServerInvite::new(T, reliable);
        assert!(invite.on_respond(200, at(1.0)));
        assert!(invite.on_respond(200, at(2.0)), "the transaction user repeats it");
        assert!(!invite.on_respond(486, at(2.0)));
        assert_eq!(
            invite.on_request(),
            OnRequest::Absorb,
            "RFC 6026: repeated INVITEs are not answered here"
        );
        assert_eq!(invite.on_ack(at(2.0)), OnRequest::Deliver);
        assert_eq!(life!(invite), [(33.0, Fired::Terminated)]);
    }
}

#[test]
fn a_late_wake_up_does_one_thing_at_a_time() {
    let mut invite = ClientInvite::new(T, UDP, at(0.0));
    assert_eq!(invite.on_timeout(at(0.4)), Fired::Nothing);
    assert_eq!(invite.on_timeout(at(100.0)), Fired::TimedOut);
    assert_eq!((invite.on_timeout(at(200.0)), invite.deadline()), (Fired::Nothing, None));
}
