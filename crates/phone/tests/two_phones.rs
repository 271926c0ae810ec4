//! Phones talk to each other over a small network, in virtual time, with real `sip` and `media` machines.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod world;

use std::time::Duration;

use havre_media::{Clip, Codec};
use havre_model::{Cause, Digit, LegId, PlayId};
use havre_phone::{Answering, Command, Event, Keying};
use havre_sip::EndedBy;
use world::{ALICE, BOB, REGISTRAR, World, secs};

/// Alice's end of the call that she places; Bob's is given to him by his endpoint.
const LEG: LegId = LegId(1);

#[test]
fn a_call_rings_is_answered_and_ends() {
    let mut world = World::new();
    world.bob.command(Command::Answering(Answering::After(secs(3))), world.now);
    world.alice_dials_bob(LEG);
    world.run(secs(1));
    assert_eq!(world.alice.log, [Event::Ringing { leg: LEG }]);
    let bobs = world.bob.incoming();
    assert_eq!(
        world.bob.log,
        [Event::Incoming { leg: bobs, display: "EN · standard".into(), called: "bob".into() }]
    );
    world.forget();

    world.run(secs(4));
    let answered = |leg| Event::Answered { leg, codec: Codec::ALL[0], suite: None };
    assert_eq!((world.alice.said(), world.bob.said()), (vec![answered(LEG)], vec![answered(bobs)]));
    world.forget();

    world.alice.command(Command::HangUp { leg: LEG }, world.now);
    world.run(secs(1));
    assert_eq!(world.alice.ended(LEG), Some((EndedBy::Us, Cause::Done)));
    assert_eq!(world.bob.ended(bobs).map(|(by, _)| by), Some(EndedBy::Remote));
    world.run(secs(60));
    world.assert_idle();
}

#[test]
fn tones_are_heard_both_ways() {
    let (mut world, bobs) = World::talking(LEG);
    let tone = |hz| vec![Clip::Tone { hz, dbm0: -15.0, duration: secs(3) }];
    world.alice.command(Command::Play { leg: LEG, play: PlayId(1), clips: tone(440.0) }, world.now);
    world.bob.command(Command::Play { leg: bobs, play: PlayId(2), clips: tone(1_000.0) }, world.now);
    world.alice.command(Command::Listen { leg: LEG, on: true }, world.now);
    world.bob.command(Command::Listen { leg: bobs, on: true }, world.now);
    world.run(secs(2));
    for (station, expected) in [(&world.alice, 1_000.0), (&world.bob, 440.0)] {
        let (hz, dbm0, purity) = station.heard().expect("something is heard");
        assert!((hz - expected).abs() < 10.0, "{hz} Hz, not {expected}");
        assert!((dbm0 + 15.0).abs() < 1.5, "{dbm0} dBm0");
        assert!(purity > 0.9, "{purity}");
    }
    world.run(secs(2));
    assert!(world.alice.log.contains(&Event::PlayDone { leg: LEG, play: PlayId(1) }));
}

#[test]
fn keys_arrive_once_by_either_way() {
    let (mut world, bobs) = World::talking(LEG);
    for by in [Keying::Event, Keying::Info] {
        world.forget();
        for key in "15#".chars() {
            let digit = Digit::from_char(key).unwrap();
            world.alice.command(Command::Key { leg: LEG, digit, millis: 120, by }, world.now);
            world.run(secs(1));
        }
        let keys: String = world.bob.keys(bobs, by);
        assert_eq!(keys, "15#", "{by:?}");
    }
}

#[test]
fn hold_and_resume_are_told_and_numbered() {
    let (mut world, bobs) = World::talking(LEG);
    for held in [true, false, true] {
        world.forget();
        let command = if held { Command::Hold { leg: LEG } } else { Command::Resume { leg: LEG } };
        world.alice.command(command, world.now);
        world.run(secs(1));
        assert_eq!(world.alice.said(), [Event::HoldDone { leg: LEG, held }]);
        assert!(world.bob.log.contains(&Event::Held { leg: bobs, held }), "{:?}", world.bob.log);
    }
    let versions = world.alice.versions();
    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    // Bob offers nothing new while held, and is not asked to be silent when he answers a re-INVITE of his own.
    world.bob.command(Command::Hold { leg: bobs }, world.now);
    world.run(secs(1));
    assert!(world.bob.log.contains(&Event::HoldDone { leg: bobs, held: true }));
    world.alice.command(Command::HangUp { leg: LEG }, world.now);
    world.run(secs(60));
    world.assert_idle();
}

#[test]
fn refusals_have_their_status() {
    for (answering, status) in [(Answering::Decline(603), 603), (Answering::Decline(486), 486)] {
        let mut world = World::new();
        world.bob.command(Command::Answering(answering), world.now);
        world.alice_dials_bob(LEG);
        world.run(secs(2));
        let refused = |event: &Event| matches!(event, Event::Ended { leg: LEG, by: EndedBy::Refused, status: Some(s), .. } if *s == status);
        assert!(world.alice.log.iter().any(refused), "{:?}", world.alice.log);
        world.run(secs(60));
        world.assert_idle();
    }
}

#[test]
fn a_ringing_call_can_be_declined_or_taken_back() {
    for caller_gives_up in [true, false] {
        let mut world = World::new();
        world.alice_dials_bob(LEG);
        world.run(secs(2));
        let bobs = world.bob.incoming();
        if caller_gives_up {
            world.alice.command(Command::HangUp { leg: LEG }, world.now);
        } else {
            world.bob.command(Command::Decline { leg: bobs, status: 603 }, world.now);
        }
        world.run(secs(2));
        let (alice, bob) = (world.alice.ended(LEG).unwrap().0, world.bob.ended(bobs).unwrap().0);
        let expected = match caller_gives_up {
            true => (EndedBy::Us, EndedBy::Cancelled),
            false => (EndedBy::Refused, EndedBy::Us),
        };
        assert_eq!((alice, bob), expected);
        world.run(secs(60));
        world.assert_idle();
    }
}

#[test]
fn somebody_who_is_not_there_neither_rings_nor_answers() {
    let mut world = World::new();
    world.bob.command(Command::Answering(Answering::Ignore), world.now);
    world.alice_dials_bob(LEG);
    world.run(secs(30));
    assert_eq!(world.alice.log, []);
    world.alice.command(Command::HangUp { leg: LEG }, world.now);
    world.run(secs(120));
    assert_eq!(world.alice.ended(LEG).map(|(by, _)| by), Some(EndedBy::Us));
    world.assert_idle();
}

#[test]
fn a_second_caller_hears_busy() {
    let (mut world, _) = World::talking(LEG);
    world.alice_dials_bob(LegId(2));
    world.run(secs(2));
    let busy = |event: &Event| matches!(event, Event::Ended { leg: LegId(2), status: Some(486), .. });
    assert!(world.alice.log.iter().any(busy), "{:?}", world.alice.log);
    assert_eq!(world.bob.phone.counters().calls_refused_busy, 1);
    assert_eq!(world.bob.phone.legs().count(), 1, "the first call goes on");
}

#[test]
fn an_invite_without_an_offer_works_too() {
    let mut world = World::new();
    world.bob.command(Command::Answering(Answering::After(Duration::ZERO)), world.now);
    world.alice_dials(LEG, true);
    world.run(secs(2));
    let bobs = world.bob.incoming();
    assert_eq!(world.alice.log, [Event::Answered { leg: LEG, codec: Codec::ALL[0], suite: None }]);
    world.alice.command(Command::Listen { leg: LEG, on: true }, world.now);
    let clips = vec![Clip::Tone { hz: 700.0, dbm0: -10.0, duration: secs(2) }];
    world.bob.command(Command::Play { leg: bobs, play: PlayId(1), clips }, world.now);
    world.run(secs(1));
    let (hz, ..) = world.alice.heard().unwrap();
    assert!((hz - 700.0).abs() < 10.0, "{hz}");
}

#[test]
fn no_ports_no_call() {
    let mut world = World::new();
    world.alice.ports_left = 0;
    world.alice_dials_bob(LEG);
    world.run(secs(1));
    assert_eq!(world.alice.ended(LEG), Some((EndedBy::Us, Cause::Overloaded)));
    assert_eq!(world.bob.log, [], "no INVITE was sent");

    let mut world = World::new();
    world.bob.ports_left = 0;
    world.bob.command(Command::Answering(Answering::After(secs(1))), world.now);
    world.alice_dials_bob(LEG);
    world.run(secs(3));
    assert_eq!(world.alice.ended(LEG).map(|(by, _)| by), Some(EndedBy::Refused));
    world.run(secs(60));
    world.assert_idle();
}

#[test]
fn a_phone_registers_is_rung_by_name_and_unregisters() {
    let mut world = World::new();
    world.bob.command(world::register("bob", "secret"), world.now);
    world.run(secs(1));
    assert!(matches!(world.bob.said()[..], [Event::Registered { expires }] if expires > secs(20)));
    // Refreshed long before it ends, again and again.
    world.run(secs(300));
    assert_eq!(world.registrar.bindings().count(), 1);
    assert!(world.bob.said().len() > 3);

    world.forget();
    world.registrar_dials("bob", "FR · urgent · silent");
    world.run(secs(1));
    let Event::Incoming { display, .. } = &world.bob.log[0] else { panic!("{:?}", world.bob.log) };
    assert_eq!(display, "FR · urgent · silent");

    world.forget();
    world.bob.command(Command::Unregister, world.now);
    world.run(secs(2));
    assert!(world.bob.log.contains(&Event::Unregistered), "{:?}", world.bob.log);
    assert_eq!(world.registrar.bindings().count(), 0);
}

#[test]
fn a_wrong_password_is_said() {
    let mut world = World::new();
    world.alice.command(world::register("bob", "wrong"), world.now);
    world.run(secs(5));
    assert!(
        matches!(world.alice.said()[..], [Event::RegisterFailed { status: 401 | 403 }, ..]),
        "{:?}",
        world.alice.log
    );
    assert_eq!(world.registrar.bindings().count(), 0);
}

#[test]
fn a_registrar_that_is_not_there_is_said() {
    let mut world = World::new();
    world.unplugged = Some(REGISTRAR);
    world.bob.command(world::register("bob", "secret"), world.now);
    world.run(secs(40));
    assert!(
        matches!(world.bob.said()[..], [Event::RegisterFailed { status: 408 }, ..]),
        "{:?}",
        world.bob.log
    );
    // Back again: it is tried again without being told.
    world.unplugged = None;
    world.run(secs(120));
    assert!(world.bob.said().iter().any(|event| matches!(event, Event::Registered { .. })));
}

#[test]
fn calls_survive_a_bad_network() {
    for seed in 0..40 {
        let mut world = World::new();
        world.be_bad(seed);
        world.bob.command(Command::Answering(Answering::After(secs(1))), world.now);
        world.alice_dials_bob(LEG);
        world.run(secs(20));
        let answered = |log: &[Event]| log.iter().filter(|e| matches!(e, Event::Answered { .. })).count();
        assert_eq!((answered(&world.alice.log), answered(&world.bob.log)), (1, 1), "seed {seed}");
        world.bob.command(Command::HangUp { leg: world.bob.incoming() }, world.now);
        world.run(secs(120));
        assert!(world.alice.ended(LEG).is_some(), "seed {seed}");
        world.assert_idle();
    }
}

/// Whatever two people press, nothing panics, each leg ends once and last, and every port comes back.
#[test]
fn any_sequence_of_commands_ends_clean() {
    let mut talks = 0;
    for seed in 0..150 {
        let mut world = World::new();
        world.be_bad(seed);
        for step in 0..40 {
            world.random_command(LegId(step));
            let pause = Duration::from_millis(world.random(1_500));
            world.run(pause);
        }
        for station in [ALICE, BOB] {
            for leg in world.station(station).phone.legs().collect::<Vec<_>>() {
                world.command(station, Command::HangUp { leg });
            }
        }
        world.run(secs(200));
        world.assert_idle();
        for station in [&world.alice, &world.bob] {
            station.assert_each_leg_ends_once_and_last(seed);
            talks += station.log.iter().filter(|event| matches!(event, Event::Answered { .. })).count();
        }
    }
    // Otherwise nothing was tested.
    assert!(talks > 100, "{talks}");
}
