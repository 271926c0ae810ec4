//! A caller reaches the right advocate.

use havre_sim::{SANS_FRAIS, TOLL_FREE, World};

use crate::{secs, told};

#[test]
fn an_english_caller_reaches_an_advocate() {
    let world = World::staffed_by(&["advocate-fr", "advocate-en"]);
    let (caller, advocate) = (world.caller(), world.advocate("advocate-en"));
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(3));
    advocate.answers();
    world.advance(secs(60));
    caller.hangs_up();
    world.advance(secs(3));
    told(
        &world,
        "
            0.0 caller      dials +18335550100
            0.0 caller      > arrived at hotline
            0.0 caller      hears P1.1 en
            1.0 caller      presses 1
            1.0 caller      > joined: en, standard
            1.0 caller      hears P2 en
            1.0 caller      > offered to advocate-en (single)
            1.0 advocate-en > offered
            1.0 advocate-en rings: EN · standard
            4.0 advocate-en answers
            4.0 caller      > answered by advocate-en after 3.0 s
            4.0 advocate-en > talking
            4.0 advocate-en hears caller
            4.0 caller      hears advocate-en
           64.0 caller      hangs up
           64.0 caller      > ended: answered (caller_hung_up)
           64.0 advocate-en > wrap up
           64.0 caller      line ends: by own choice 200
           64.0 advocate-en line ends: hung up
           66.0 advocate-en > ready
        ",
    );
    world.assert_quiet();
}

#[test]
fn a_french_caller_reaches_an_advocate() {
    let world = World::staffed_by(&["advocate-en", "advocate-fr"]);
    let (caller, advocate) = (world.caller(), world.advocate("advocate-fr"));
    caller.dials(SANS_FRAIS);
    world.advance(secs(4));
    caller.presses('2');
    world.advance(secs(3));
    advocate.answers();
    world.advance(secs(60));
    advocate.hangs_up();
    world.advance(secs(3));
    told(
        &world,
        "
            0.0 caller      dials +18335550101
            0.0 caller      > arrived at hotline-fr
            0.0 caller      hears P1.2 fr
            3.3 caller      hears P1.1 en
            4.0 caller      presses 2
            4.0 caller      > joined: fr, standard
            4.0 caller      hears P2 fr
            4.0 caller      > offered to advocate-fr (single)
            4.0 advocate-fr > offered
            4.0 advocate-fr rings: FR · standard
            7.0 advocate-fr answers
            7.0 caller      > answered by advocate-fr after 3.0 s
            7.0 advocate-fr > talking
            7.0 advocate-fr hears caller
            7.0 caller      hears advocate-fr
           67.0 advocate-fr hangs up
           67.0 caller      > ended: answered (agent_hung_up)
           67.0 advocate-fr > wrap up
           67.0 advocate-fr line ends: by own choice 200
           67.0 caller      line ends: hung up
           69.0 advocate-fr > ready
        ",
    );
    world.assert_quiet();
}

#[test]
fn a_caller_from_quebec_hears_french_first() {
    let world = World::staffed_by(&[]);
    let caller = world.caller_from("caller", "+15145550123");
    caller.dials(TOLL_FREE);
    world.advance(secs(8));
    caller.hangs_up();
    world.advance(secs(1));
    told(
        &world,
        "
            0.0 caller dials +18335550100
            0.0 caller > arrived at hotline
            0.0 caller hears P1.2 fr
            3.3 caller hears P1.1 en
            6.2 caller hears P1.3 es
            8.0 caller hangs up
            8.0 caller > ended: abandoned (caller_hung_up)
            8.0 caller line ends: by own choice 200
        ",
    );
    world.assert_quiet();
}

#[test]
fn a_caller_who_presses_nothing_is_queued_and_gets_the_bilingual_advocate() {
    let world = World::staffed_by(&["advocate-en", "advocate-fr", "advocate-bi"]);
    let (caller, bilingual) = (world.caller(), world.advocate("advocate-bi"));
    caller.dials(TOLL_FREE);
    world.advance(secs(25));
    bilingual.answers();
    world.advance(secs(30));
    caller.hangs_up();
    world.advance(secs(3));
    told(
        &world,
        "
            0.0 caller      dials +18335550100
            0.0 caller      > arrived at hotline
            0.0 caller      hears P1.1 en
            2.9 caller      hears P1.2 fr
            6.2 caller      hears P1.3 es
            8.7 caller      hears P1.4 en
           10.5 caller      hears P1.5 fr
           14.8 caller      > joined: unknown, standard
           14.8 caller      hears P3 en
           14.8 caller      > offered to advocate-bi (single)
           14.8 advocate-bi > offered
           14.8 advocate-bi rings: EN/FR? · standard
           25.0 advocate-bi answers
           25.0 caller      > answered by advocate-bi after 10.2 s
           25.0 advocate-bi > talking
           25.0 advocate-bi hears caller
           25.0 caller      hears advocate-bi
           55.0 caller      hangs up
           55.0 caller      > ended: answered (caller_hung_up)
           55.0 advocate-bi > wrap up
           55.0 caller      line ends: by own choice 200
           55.0 advocate-bi line ends: hung up
           57.0 advocate-bi > ready
        ",
    );
    world.assert_quiet();
}

#[test]
fn without_a_bilingual_advocate_a_silent_caller_gets_anyone_from_ten_seconds_on() {
    let world = World::staffed_by(&["advocate-fr", "advocate-en"]);
    let (caller, longest_idle) = (world.caller(), world.advocate("advocate-fr"));
    caller.dials(TOLL_FREE);
    world.advance(secs(35));
    let joined = world.when("caller", "> joined: unknown, standard");
    let offered = world.when("caller", "> offered to advocate-fr (single)");
    assert!((offered - joined - 10.0).abs() < 0.1, "{}", world.log());
    longest_idle.answers();
    world.advance(secs(5));
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_silent_caller_says_the_language_while_waiting() {
    let world = World::staffed_by(&["advocate-fr"]);
    let (caller, advocate) = (world.caller(), world.advocate("advocate-fr"));
    caller.dials(TOLL_FREE);
    world.advance(secs(20));
    assert!(!advocate.rings(), "the first ten seconds are for the bilingual\n{}", world.log());
    caller.presses('2');
    world.advance(secs(1));
    assert!(advocate.rings(), "{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn another_language_goes_to_any_advocate_and_says_that_an_interpreter_is_needed() {
    let world = World::staffed_by(&["advocate-fr", "advocate-en"]);
    let (caller, advocate) = (world.caller(), world.advocate("advocate-fr"));
    caller.dials(TOLL_FREE);
    world.advance(secs(2));
    caller.presses('3');
    world.advance(secs(2));
    advocate.answers();
    world.advance(secs(2));
    assert!(
        world.happened("advocate-fr", "rings: autre langue · standard · interprète requis"),
        "{}",
        world.log()
    );
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn nobody_there_is_no_reason_to_be_sent_away() {
    let world = World::staffed_by(&[]);
    let caller = world.caller();
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(3_600));
    assert!(caller.is_on_the_phone());
    let advocate = world.advocate("advocate-en");
    advocate.signs_in();
    world.advance(secs(1));
    advocate.answers();
    world.advance(secs(1));
    assert_eq!(world.heard("caller").last().map(String::as_str), Some("advocate-en"));
    caller.hangs_up();
    world.assert_quiet();
}
