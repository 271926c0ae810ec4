//! How soon people see what happens, through the real line and Debian's Chromium: an advocate that somebody calls, from the
//! engine's decision to the offer on the screen; a supervisor what 500 advocates and 200 waiting callers do. Not a test: it
//! depends on what else the machine does.
#![allow(clippy::print_stdout, reason = "figures are for people")]

use std::fmt::Write as _;
use std::net::UdpSocket;
use std::time::Duration;

use havre_bench::Section;
use havre_e2e::{Account, Browser, Caller, Host, Line, Look, Sipp, repository, until};

const SOON: Duration = Duration::from_secs(20);
const OFFERS: usize = 20;
/// Issue 4: visible within this time of the decision.
const OFFER_MS: i64 = 150;

const ADVOCATES: usize = 500;
const WAITING: usize = 200;
/// Callers who come while it is measured, and how many a second: not in step with the changes that are sent.
const COME: usize = 80;
const PACE: usize = 7;
/// Issue 4: news on the wallboard within this time, and at least so many frames a second.
const NEWS_MS: i64 = 100;
const FRAMES: f64 = 30.0;

fn main() {
    let offers = offers();
    let (median, slowest) = (offers[OFFERS / 2], offers[OFFERS - 1]);
    let (news, frames, longest) = wallboard();
    let (middle, most) = (news[news.len() / 2], news[news.len() * 95 / 100]);
    let mut results = Section::new(
        "Desk",
        &format!(
            "`cargo bench -p havre-e2e --bench desk`: from the engine's decision to the offer on the screen of Debian's Chromium; and \
             from a caller's arrival to a supervisor's wallboard, while {ADVOCATES} advocates are called whose phones ring and are not answered, \
             {WAITING} callers wait and {PACE} more come each second. Line, carrier and browser on one machine."
        ),
    );
    results.table(&["what", "figure"]);
    results.row(&[format!("offer on the screen, median of {OFFERS}"), format!("{median} ms")]);
    results.row(&["the slowest of them".to_owned(), format!("{slowest} ms (target {OFFER_MS} ms)")]);
    results.row(&[format!("news on the wallboard, median of {}", news.len()), format!("{middle} ms")]);
    results.row(&["95 % of them within".to_owned(), format!("{most} ms (target {NEWS_MS} ms)")]);
    results.row(&[
        "frames a second meanwhile".to_owned(),
        format!("{frames:.0} (target {FRAMES:.0}); the longest took {longest:.0} ms"),
    ]);
    let held = slowest <= OFFER_MS && most <= NEWS_MS && frames >= FRAMES;
    println!("{}", if held { "within the targets" } else { "missed a target" });
    results.write(&repository()).expect("tests/bench/RESULTS.md");
}

/// How long each offer took to the screen, in milliseconds, the shortest first.
fn offers() -> Vec<i64> {
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
    delays
}

/// How long each arrival took to the wallboard, in milliseconds, the shortest first; frames a second, and the longest one.
fn wallboard() -> (Vec<i64>, f64, f64) {
    let account = |id: String, role| Account { id, languages: &["en", "fr"], role };
    let mut accounts: Vec<Account> =
        (1..ADVOCATES).map(|n| account(format!("advocate-{n:03}"), "advocate")).collect();
    accounts.push(account("supervisor".to_owned(), "supervisor"));
    let line = Line::demo().accounts(&accounts).start();
    let browser = Browser::start(620.0);
    let board = browser.sign_in(&line, "supervisor", Look::default());
    board.go("#/board");
    board.waits_for(".figures");

    // Their phones are one that never answers.
    let phone = Host::claim();
    let _phone = UdpSocket::bind(phone.at(5060)).expect("a UDP port");
    let mut file = "SEQUENTIAL\n".to_owned();
    for Account { id, .. } in &accounts {
        let _ = writeln!(file, "{id};[authentication username={id} password={}]", line.password(id));
    }
    let names = line.files().join("accounts.csv");
    std::fs::write(&names, file).expect("a file");
    let mut registered = Sipp::new("register_all")
        .key("contact", &phone.at(5060).to_string())
        .with("-inf", &names.display().to_string())
        .with("-m", &ADVOCATES.to_string())
        .with("-r", "100")
        .start(line.sip());
    registered.finish(SOON);

    let calls = |count: usize, each_second: usize| {
        let sipp = Sipp::new("short_call").with("-m", &count.to_string()).with("-l", &count.to_string());
        sipp.with("-r", &each_second.to_string()).with("-d", "120000").start(line.sip())
    };
    let waiting = || line.api().calls().iter().filter(|call| call["stage"] == "waiting").count();
    let _first = calls(WAITING, 50);
    until("so many in line", SOON * 3, || (waiting() == WAITING).then_some(()));
    board.waits_for(&format!("#calls:has-text('({WAITING})')"));

    let events = line.events();
    board.follows("#calls");
    let _more = calls(COME, PACE);
    board.waits(&format!("#calls:has-text('({})')", WAITING + COME), SOON * 3);
    let (texts, painted) = board.followed();
    let shown: Vec<(i64, usize)> = texts
        .iter()
        .filter_map(|(at, text)| Some((*at, text.split(['(', ')']).nth(1)?.parse().ok()?)))
        .collect();
    events.wait("arrived", COME, SOON);
    let came = events.of("arrived").into_iter().filter_map(|(_, event)| event["at"].as_i64());
    let seen = |count: usize| shown.iter().find(|(_, calls)| *calls >= count).map(|(at, _)| *at);
    let mut delays: Vec<i64> =
        came.enumerate().filter_map(|(n, at)| Some(seen(WAITING + n + 1)? - at)).collect();
    assert_eq!(delays.len(), COME, "each was seen");
    delays.sort_unstable();
    let (first, last) = (painted[0], painted[painted.len() - 1]);
    let longest = painted.windows(2).map(|two| two[1] - two[0]).fold(0.0, f64::max);
    (delays, (painted.len() - 1) as f64 * 1_000.0 / (last - first), longest)
}
