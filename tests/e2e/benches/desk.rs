//! How soon an advocate sees that somebody calls: from the engine's decision to the offer on the screen, through the real
//! line and Debian's Chromium. Not a test: it depends on what else the machine does.
#![allow(clippy::print_stdout, reason = "figures are for people")]

use std::time::Duration;

use havre_bench::Section;
use havre_e2e::{Browser, Caller, Line, Look, repository};

const SOON: Duration = Duration::from_secs(20);
const OFFERS: usize = 20;
/// Issue 4: visible within this time of the decision.
const TARGET_MS: i64 = 150;

fn main() {
    let line = Line::demo().start();
    let events = line.events();
    let browser = Browser::start(620.0);
    let desk = browser.sign_in(&line, "advocate-bi", Look::default());
    desk.waits_for(".reach.ok");
    desk.notes_when(".offer");
    for offer in 1..=OFFERS {
        let mut caller = Caller::dials(&line, "2");
        events.wait("offered", offer, SOON);
        desk.waits_for(".offer");
        caller.hangs_up();
        desk.waits_until_gone(".offer");
    }
    let decided = events.of("offered").into_iter().filter_map(|(_, event)| event["at"].as_i64());
    let mut delays: Vec<i64> = desk.noted().into_iter().zip(decided).map(|(seen, at)| seen - at).collect();
    assert_eq!(delays.len(), OFFERS, "each was seen");
    delays.sort_unstable();
    let (median, slowest) = (delays[OFFERS / 2], delays[OFFERS - 1]);
    let mut results = Section::new(
        "Desk",
        "`cargo bench -p havre-e2e --bench desk`: from the engine's decision to the offer on the screen of Debian's Chromium, \
         the line and the browser on one machine.",
    );
    results.table(&["what", "figure"]);
    results.row(&[format!("offer on the screen, median of {OFFERS}"), format!("{median} ms")]);
    results.row(&["the slowest of them".to_owned(), format!("{slowest} ms (target {TARGET_MS} ms)")]);
    println!("{}", if slowest <= TARGET_MS { "within the target" } else { "missed the target" });
    results.write(&repository()).expect("tests/bench/RESULTS.md");
}
