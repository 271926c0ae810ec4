//! A caller reaches an advocate.

use havre_sim::{TOLL_FREE, World};
use std::time::Duration;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn an_english_caller_reaches_an_advocate() {
    let world = World::staffed_by(&["advocate-en", "advocate-bi"]);
    let (caller, advocate) = (world.caller(), world.advocate("advocate-en"));
    caller.dials(TOLL_FREE);
    world.advance(secs(1));
    caller.presses('1');
    world.advance(secs(3));
    advocate.answers();
    world.advance(secs(60));
    caller.hangs_up();
    world.advance(secs(10));
    println!("{}", world.log());
    world.assert_quiet();
}
