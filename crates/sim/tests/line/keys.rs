//! The journey's table of keys, row by row, as a caller hears it.

use havre_sim::{Caller, TOLL_FREE, World};

use crate::{lines, millis, secs};

/// What a caller hears, and what Havre says of it, in the ten seconds from pressing `key`.
fn pressing(world: &World, caller: &Caller, key: char) -> Vec<String> {
    world.restart_log();
    caller.presses(key);
    world.advance(secs(10));
    let log = lines(&world.log_of("caller"));
    // Without time and name, and without the pressing itself.
    log.iter().skip(1).map(|line| line.splitn(3, ' ').last().unwrap_or_default().to_owned()).collect()
}

fn greeted() -> (World, Caller) {
    let world = World::staffed_by(&[]);
    let caller = world.caller();
    caller.dials(TOLL_FREE);
    world.advance(millis(500));
    (world, caller)
}

/// In line, 30 s after joining: the first messages are over, the next comes 15 s later.
fn waiting(first: &str) -> (World, Caller) {
    let (world, caller) = greeted();
    for key in first.chars() {
        caller.presses(key);
    }
    world.advance(secs(30));
    (world, caller)
}

fn talking() -> (World, Caller) {
    let world = World::staffed_by(&["advocate-en"]);
    let caller = world.caller();
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(1));
    world.advocate("advocate-en").answers();
    world.advance(secs(1));
    (world, caller)
}

#[test]
fn in_the_greeting() {
    let rows: [(char, &[&str]); 10] = [
        ('1', &["> joined: en, standard", "hears P2 en"]),
        ('2', &["> joined: fr, standard", "hears P2 fr"]),
        ('3', &["> joined: other, standard", "hears P3 en"]),
        (
            '5',
            &[
                "> joined: unknown, urgent",
                "> mode full silent",
                "hears P5 en",
                "> supervisors alerted",
                "hears P5 fr",
            ],
        ),
        ('7', &["> joined: unknown, information", "hears P3 en"]),
        ('0', &["> joined: unknown, standard", "> mode no_messages", "hears waiting"]),
        ('*', &["> joined: unknown, standard", "> mode tick", "hears tick"]),
        (
            '#',
            &[
                "> joined: unknown, standard",
                "> mode full discreet",
                "hears P2n en",
                "hears P2n fr",
                "hears waiting",
            ],
        ),
        // Ignored without a word: the prompt goes on.
        ('8', &["hears P1.2 fr", "hears P1.3 es", "hears P1.4 en"]),
        ('9', &["hears P1.2 fr", "hears P1.3 es", "hears P1.4 en"]),
    ];
    for (key, expected) in rows {
        let (world, caller) = greeted();
        let heard = pressing(&world, &caller, key);
        assert!(heard.iter().map(String::as_str).eq(expected.iter().copied()), "{key}: {heard:#?}");
    }
    for key in "46ABCD".chars() {
        let (world, caller) = greeted();
        assert_eq!(
            pressing(&world, &caller, key),
            ["hears P1.2 fr", "hears P1.3 es", "hears P1.4 en"],
            "{key}"
        );
    }
}

#[test]
fn while_waiting() {
    let rows: [(&str, char, &[&str]); 17] = [
        ("1", '1', &[]),
        ("1", '2', &[]),
        ("2", '1', &[]),
        ("1", '3', &["> language other"]),
        (
            "1",
            '5',
            &[
                "> mode full silent",
                "> class urgent",
                "hears P5 en",
                "> supervisors alerted",
                "hears waiting",
            ],
        ),
        ("1", '7', &["> class information"]),
        ("1", '8', &["hears P2 en"]),
        ("1", '9', &["> language fr", "hears P6 fr", "hears waiting"]),
        ("2", '9', &["> language en", "hears P6 en", "hears waiting"]),
        ("1", '0', &["> mode no_messages"]),
        ("1", '*', &["> mode tick", "hears tick"]),
        ("1", '#', &["> mode full discreet"]),
        ("1", '4', &[]),
        ("1", '6', &[]),
        ("1", 'D', &[]),
        // The language is unknown, and now it is said.
        ("0", '1', &["> language en"]),
        ("0", '2', &["> language fr"]),
    ];
    for (first, key, expected) in rows {
        let (world, caller) = waiting(first);
        let heard = pressing(&world, &caller, key);
        assert!(heard.iter().map(String::as_str).eq(expected.iter().copied()), "{first}, {key}: {heard:#?}");
    }
}

#[test]
fn five_always_wins_and_seven_only_lowers_the_standard_class() {
    let (world, caller) = waiting("1");
    let _ = pressing(&world, &caller, '7');
    assert!(pressing(&world, &caller, '5').contains(&"> class urgent".to_owned()));
    assert!(!pressing(&world, &caller, '7').iter().any(|line| line.contains("class")), "{}", world.log());
}

#[test]
fn in_a_talk_every_key_reaches_the_phone_and_the_record_once() {
    let (world, caller) = talking();
    for key in "0123456789*#".chars() {
        assert_eq!(pressing(&world, &caller, key), [format!("> key {key}")]);
        assert!(world.happened("advocate-en", &format!("gets key {key}")), "{}", world.log());
    }
}

#[test]
fn a_key_by_info_is_a_key_like_any_other() {
    let (world, caller) = greeted();
    caller.presses_by_info('2');
    world.advance(secs(1));
    assert!(world.happened("caller", "> joined: fr, standard"), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

/// Some carriers say a key twice, by INFO and in the audio; a caller who presses it twice is another matter.
#[test]
fn a_key_said_both_ways_is_one_key() {
    let (world, caller) = talking();
    world.restart_log();
    for (by_info_first, apart) in [(true, 40), (false, 300), (true, 900)] {
        for info in [by_info_first, !by_info_first] {
            if info {
                caller.presses_by_info('4');
            } else {
                caller.presses('4');
            }
            world.advance(millis(apart));
        }
        world.advance(secs(1));
    }
    let keys = |world: &World| world.log_of("caller").matches("> key 4").count();
    assert_eq!(keys(&world), 3, "{}", world.log());
    for press in [Caller::presses, Caller::presses, Caller::presses_by_info, Caller::presses_by_info] {
        press(&caller, '4');
        world.advance(millis(1_100));
    }
    caller.presses('4');
    world.advance(millis(200));
    caller.presses('4');
    world.advance(secs(1));
    assert_eq!(keys(&world), 9, "{}", world.log());
}

#[test]
fn tty_tones_are_told_once_and_change_nothing_else() {
    let (world, caller) = waiting("1");
    world.restart_log();
    caller.types_on_a_tty();
    world.advance(secs(6));
    caller.types_on_a_tty();
    world.advance(secs(1));
    assert_eq!(world.log_of("caller").matches("> TTY tones heard").count(), 1, "{}", world.log());
    assert!(caller.is_on_the_phone());
}

#[test]
fn a_key_storm_raises_the_class_and_changes_nothing_else() {
    let (world, caller) = waiting("1");
    world.restart_log();
    for _ in 0..11 {
        caller.presses('4');
        world.advance(millis(100));
    }
    assert_eq!(world.when("caller", "> class elevated").round(), 1.0, "{}", world.log());
    assert!(caller.is_on_the_phone());
}

#[test]
fn barge_in_is_heard_at_once() {
    let world = World::staffed_by(&[]);
    let caller = world.caller();
    caller.dials(TOLL_FREE);
    world.advance(millis(200));
    caller.presses('2');
    world.advance(millis(100));
    assert_eq!(world.heard("caller"), ["P1.1 en", "P2 fr"]);
}
