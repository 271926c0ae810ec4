//! Redis may be slow, deaf, hung or gone: calls go on.

use havre_sim::{Caller, Health, TOLL_FREE, World};

use crate::{millis, secs, told};

fn joined(world: &World, name: &str) -> Caller {
    let caller = world.caller_named(name);
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    caller
}

/// Seconds from joining to the offer.
fn offer_delay(world: &World) -> f64 {
    world.restart_log();
    let caller = joined(world, "caller");
    world.advance(secs(1));
    let delay = world.when("caller", "> offered to advocate-en") - world.when("caller", "> joined");
    world.advocate("advocate-en").answers();
    world.advance(secs(1));
    assert_eq!(world.heard("caller").last().map(String::as_str), Some("advocate-en"), "{}", world.log());
    caller.hangs_up();
    world.advance(secs(5));
    delay
}

#[test]
fn whatever_redis_does_an_offer_is_late_by_a_tenth_of_a_second_at_most() {
    let ill =
        [Health::Answers(millis(40)), Health::Answers(secs(2)), Health::Deaf, Health::Hung, Health::Gone];
    for health in ill {
        let world = World::staffed_by(&["advocate-en"]);
        assert!(offer_delay(&world) <= 0.002, "{}", world.log());
        world.redis_becomes(health);
        for _ in 0..3 {
            let delay = offer_delay(&world);
            assert!(delay <= 0.101, "{health:?}: {delay} s\n{}", world.log());
        }
        world.redis_becomes(Health::GOOD);
        world.advance(secs(5));
        assert!(offer_delay(&world) <= 0.002, "{health:?}, and back\n{}", world.log());
        world.assert_quiet();
    }
}

#[test]
fn redis_gone_in_the_middle_of_everything_drops_nothing() {
    let world = World::staffed_by(&["advocate-en", "advocate-bi"]);
    let talking = joined(&world, "talking");
    world.advance(secs(1));
    world.advocate("advocate-en").answers();
    world.advance(secs(1));
    let ringing = joined(&world, "ringing");
    world.advance(secs(1));
    let waiting = joined(&world, "waiting");
    world.advance(secs(1));
    world.restart_log();
    world.redis_becomes(Health::Gone);
    world.advance(secs(2));
    world.advocate("advocate-bi").answers();
    world.advance(secs(2));
    world.redis_becomes(Health::GOOD);
    world.advance(secs(3));
    told(
        &world,
        "
            0.0 redis       Gone
            0.0 havre       > the store is gone
            2.0 advocate-bi answers
            2.0 ringing     > answered by advocate-bi after 5.0 s
            2.0 advocate-bi > talking
            2.0 advocate-bi hears ringing
            2.0 ringing     hears advocate-bi
            4.0 redis       Answers(500µs)
            5.0 havre       > the store is back
        ",
    );
    assert_eq!(world.calls(), 3);
    for caller in [talking, ringing, waiting] {
        caller.hangs_up();
    }
    world.assert_quiet();
}

#[test]
fn an_empty_redis_is_told_everything_again() {
    let world = World::staffed_by(&["advocate-en", "advocate-bi"]);
    let talking = joined(&world, "talking");
    world.advance(secs(1));
    world.advocate("advocate-en").answers();
    world.advance(secs(1));
    world.redis_restarts();
    world.advance(secs(5));
    assert!(world.happened("havre", "> the store is back"), "{}", world.log());
    talking.hangs_up();
    world.assert_quiet();
}

#[test]
fn an_advocate_whom_another_node_took_is_not_rung() {
    let world = World::staffed_by(&["advocate-en", "advocate-bi"]);
    world.another_node_takes("advocate-en", secs(20));
    let caller = joined(&world, "caller");
    world.advance(secs(1));
    assert!(!world.advocate("advocate-en").rings(), "{}", world.log());
    assert!(world.advocate("advocate-bi").rings(), "{}", world.log());
    world.advance(secs(13));
    assert!(!world.advocate("advocate-en").rings(), "{}", world.log());
    world.advance(secs(12));
    assert!(world.advocate("advocate-en").rings(), "the other node let go\n{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn an_advocate_taken_by_another_node_while_ringing_does_not_get_two_callers() {
    let world = World::staffed_by(&["advocate-en", "advocate-bi"]);
    let caller = joined(&world, "caller");
    world.advance(secs(1));
    world.another_node_seizes("advocate-en", secs(60));
    world.advocate("advocate-en").answers();
    world.advance(secs(1));
    assert!(!world.advocate("advocate-en").is_on_the_phone(), "{}", world.log());
    assert!(world.advocate("advocate-bi").rings(), "the caller keeps the place\n{}", world.log());
    caller.hangs_up();
    world.assert_quiet();
}

#[test]
fn a_confirmation_that_never_comes_still_connects() {
    let world = World::staffed_by(&["advocate-en"]);
    let caller = joined(&world, "caller");
    world.advance(secs(1));
    world.redis_becomes(Health::Hung);
    world.restart_log();
    world.advocate("advocate-en").answers();
    world.advance(secs(1));
    assert!(world.when("caller", "hears advocate-en") <= 0.131, "{}", world.log());
    caller.hangs_up();
    world.redis_becomes(Health::GOOD);
    world.assert_quiet();
}

#[test]
fn the_caller_leaves_while_a_claim_is_on_its_way() {
    for health in [Health::Answers(millis(40)), Health::Hung] {
        let world = World::staffed_by(&["advocate-en"]);
        world.redis_becomes(health);
        let caller = joined(&world, "caller");
        world.advance(millis(30));
        caller.hangs_up();
        world.advance(secs(1));
        assert_eq!(world.state_of("advocate-en"), "ready", "{}", world.log());
        assert!(!world.happened("advocate-en", "rings"), "{}", world.log());
        world.redis_becomes(Health::GOOD);
        world.assert_quiet();
    }
}
