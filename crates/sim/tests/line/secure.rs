//! SRTP with keys from SDP: who gets it, who is refused, and that a change of keys costs nobody a word.

use havre_media::sdp::Srtp;
use havre_sim::{Setup, TOLL_FREE, World};
use havre_switch::SrtpPolicy;

use crate::{secs, told};

/// The carrier's callers and the English advocate's phone are to be like this.
fn world(carrier: Srtp, advocate: Srtp) -> World {
    let srtp = SrtpPolicy {
        trunks: [("carrier".parse().expect("a name"), carrier)].into(),
        agents: [("advocate-en".parse().expect("a name"), advocate)].into(),
    };
    World::new(Setup { srtp, ..Setup::default() })
}

#[test]
fn a_secure_caller_talks_with_a_secure_advocate_and_each_has_keys_of_their_own() {
    let world = world(Srtp::Required, Srtp::Offered);
    let (caller, advocate) = (world.caller(), world.advocate("advocate-en"));
    caller.speaks_srtp(Srtp::Offered);
    advocate.speaks_srtp(Srtp::Required);
    advocate.signs_in();
    world.advance(secs(1));
    world.restart_log();
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(1));
    advocate.answers();
    world.advance(secs(2));
    // A re-INVITE, and back.
    advocate.holds();
    world.advance(secs(2));
    advocate.resumes();
    world.advance(secs(2));
    caller.hangs_up();
    world.advance(secs(3));
    told(
        &world,
        "
            0.0 caller      dials +18335550100
            0.0 caller      > arrived at hotline
            0.0 caller      talks over SRTP (AEAD_AES_256_GCM)
            0.0 caller      hears P1.1 en
            1.0 caller      presses 1
            1.0 caller      > joined: en, standard
            1.0 caller      hears P2 en
            1.0 caller      > offered to advocate-en (single)
            1.0 advocate-en > offered
            1.0 advocate-en rings: EN · standard
            2.0 advocate-en answers
            2.0 caller      > answered by advocate-en after 1.0 s
            2.0 advocate-en > talking
            2.0 advocate-en hears caller
            2.0 caller      hears advocate-en
            2.0 advocate-en talks over SRTP (AEAD_AES_256_GCM)
            4.0 caller      hears waiting
            4.0 advocate-en holds
            6.0 caller      hears advocate-en
            6.0 advocate-en resumes
            6.0 advocate-en hears caller
            8.0 caller      hangs up
            8.0 caller      > ended: answered (caller_hung_up)
            8.0 advocate-en > wrap up
            8.0 caller      line ends: by own choice 200
            8.0 advocate-en line ends: hung up
           10.0 advocate-en > ready
        ",
    );
    world.assert_quiet();
}

#[test]
fn a_carrier_without_keys_is_refused_where_they_are_required() {
    let world = world(Srtp::Required, Srtp::Off);
    let caller = world.caller();
    world.restart_log();
    caller.dials(TOLL_FREE);
    world.advance(secs(2));
    told(
        &world,
        "
            0.0 caller dials +18335550100
            0.0 caller > arrived at hotline
            0.0 havre  > refuses with 488: no SRTP keys
            0.0 caller > ended: lost (not_acceptable)
            0.0 caller line ends: refused 488
        ",
    );
    world.assert_quiet();
}

#[test]
fn a_carrier_with_nothing_but_srtp_is_refused_where_it_is_off() {
    let world = world(Srtp::Off, Srtp::Off);
    let caller = world.caller();
    caller.speaks_srtp(Srtp::Required);
    caller.dials(TOLL_FREE);
    world.advance(secs(2));
    assert!(world.happened("havre", "> refuses with 488: SRTP is off"), "{}", world.log());
    world.assert_quiet();
}

#[test]
fn a_late_offer_has_keys_too() {
    let world = world(Srtp::Required, Srtp::Off);
    let caller = world.caller();
    caller.speaks_srtp(Srtp::Offered);
    caller.dials_with_late_offer(TOLL_FREE);
    world.advance(secs(4));
    assert!(world.happened("caller", "talks over SRTP"), "{}", world.log());
    assert!(world.happened("caller", "hears P1.1 en"), "{}", world.log());
    caller.hangs_up();
    world.advance(secs(1));
    world.assert_quiet();
}

#[test]
fn a_phone_that_cannot_be_secure_is_passed_over_and_the_caller_reaches_the_next() {
    let world = world(Srtp::Off, Srtp::Required);
    let (caller, plain, next) =
        (world.caller(), world.advocate("advocate-en"), world.advocate("advocate-bi"));
    for advocate in [&plain, &next] {
        advocate.signs_in();
        advocate.answers_after(secs(1));
        world.advance(secs(1));
    }
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(30));
    assert!(world.happened("caller", "> withdrawn from advocate-en (phone_failed)"), "{}", world.log());
    assert_eq!(world.state_of("advocate-en"), "not ready (phone_failed)");
    assert_eq!(caller.hears().as_deref(), Some("advocate-bi"), "{}", world.log());
    assert!(!world.happened("advocate-en", "hears"), "never in the clear: {}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn nobody_is_secure_by_default_and_nobody_is_refused_for_offering_it() {
    let world = world(Srtp::Off, Srtp::Offered);
    let (caller, advocate) = (world.caller(), world.advocate("advocate-en"));
    caller.speaks_srtp(Srtp::Offered);
    advocate.signs_in();
    advocate.answers_after(secs(1));
    world.advance(secs(1));
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(5));
    assert_eq!(caller.hears().as_deref(), Some("advocate-en"), "{}", world.log());
    assert!(
        !world.happened("caller", "talks over SRTP") && !world.happened("advocate-en", "talks over SRTP")
    );
    caller.hangs_up();
    world.assert_quiet();
}
