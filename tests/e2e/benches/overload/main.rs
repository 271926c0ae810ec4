//! More calls than the line can take, and junk: what is served all the same, what is lost, and how soon it is over.
//!
//! The line's capacity is measured first, with a fixed number of calls open at all times. Then calls come at multiples of
//! it, whatever becomes of them, while a hundred calls stay up. The line has one core, all its threads on it, and the
//! generator another: a generator that falls behind says so. Everything is bounded in time: about three minutes; with `--long` twelve, ten of which are junk;
//! with `--quick` one, whose figures are written nowhere.
#![allow(clippy::print_stdout, reason = "figures are for people")]

mod crowd;
mod junk;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use crowd::{Crowd, Tally};
use havre_bench::{Section, pin, pin_process};
use havre_e2e::{Line, repository};
use junk::Junk;
use nix::unistd::gettid;
use toml::{Table, Value};

/// Calls that stay up all the while.
const STAYING: usize = 100;
const WINDOW: usize = 64;
/// What the line must be back to after the load, and within what time.
const CALM_RATE: f64 = 0.5;
const RECOVERY: Duration = Duration::from_secs(10);
const STEPS: [(f64, f64); 3] = [(1.5, 0.90), (3.0, 0.75), (10.0, 0.35)];
const JUNK_RATE: u32 = 2_000;
/// Genuine calls a second among the junk.
const GENUINE: f64 = 20.0;

fn main() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let asked = |name: &str| std::env::args().any(|argument| argument == name);
    let (long, quick) = (asked("--long"), asked("--quick"));
    let step = Duration::from_secs(if quick { 3 } else { 12 });
    let junk_for = Duration::from_secs(if long {
        600
    } else if quick {
        10
    } else {
        60
    });
    let mut section = Section::new(
        "Overload",
        "`cargo bench -p havre-e2e --bench overload` (`-- --long` for ten minutes of junk): the whole program with the demo \
         profile, its record and its log, on one core, and a generator of INVITE, 200, ACK, BYE on another (UDP, loopback), \
         which repeats what is not answered after 0.5, 1 and 2 s. Goodput is complete calls; its target is a share of the \
         capacity in the first row.",
    );
    let mut carrier = Table::new();
    carrier.insert("id".into(), "carrier".into());
    carrier.insert("sources".into(), vec!["127.45.0.0/16"].into());
    let line =
        Line::demo().with("trunks", vec![Value::Table(carrier)]).with("rtp.ports", "2000-65534").start();
    // After the section has counted the cores: a pinned thread sees one.
    pin_process(line.pid(), 0);
    pin(gettid(), cores - 1);
    let address = line.sip();
    let from = SocketAddr::from((Ipv4Addr::new(127, 45, 0, 1), 0));
    let mut crowd = Crowd::new(from, &line);
    println!("capacity, {WINDOW} calls open at all times ...");
    crowd.closed(WINDOW, Duration::from_secs(3));
    let free = crowd.closed(WINDOW, step);
    let capacity = free.goodput();
    let micros = free.micros / free.in_time.max(1) as f64;
    let staying = crowd.establish(STAYING);
    section.table(&[
        "offered",
        "calls/s offered",
        "complete calls/s",
        "of capacity",
        "refused",
        "no answer",
        "INVITE to 200, p50 / p99 ms",
        "INVITE to 503, p99 ms",
        "INVITEs and BYEs repeated",
        "calls that stayed, lost",
        "core, %",
        "memory, MiB",
    ]);
    row(&mut section, "capacity", &free, capacity, None, "-", line.memory());
    let mut notes = Vec::new();
    for (times, target) in STEPS {
        println!("{times} x {capacity:.0} calls/s ...");
        let before = crowd.dropped();
        let tally = crowd.at_rate(capacity * times, step);
        let after = crowd.dropped();
        let recovery = recover(&mut crowd, capacity);
        let lost = crowd.lost(&staying);
        row(
            &mut section,
            &format!("{times} x"),
            &tally,
            capacity,
            Some(target),
            &lost.to_string(),
            line.memory(),
        );
        match recovery {
            Some(after) => println!("calm again after {:.1} s", after.as_secs_f64()),
            None => println!("not calm after {RECOVERY:?}"),
        }
        notes.push(format!(
            "After {times} x: {}; {:.1} % of the calls due were placed by the generator; datagrams dropped unread: {} by the \
             line, {} by the generator.",
            recovery.map_or("**not calm within 10 s**".to_owned(), |after| {
                format!("calm again in {:.1} s (target: ≤ 10 s)", after.as_secs_f64())
            }),
            100.0 * tally.offered as f64 / tally.due.max(1) as f64,
            after.0 - before.0,
            after.1 - before.1,
        ));
    }
    notes.iter().for_each(|note| section.say(note));
    section.say(&format!("Processor time of the whole program at its capacity: {micros:.0} µs per call."));
    storm(&mut section, &mut crowd, &line, address, junk_for);
    let lost = crowd.lost(&staying);
    section.say(&format!("Of the {STAYING} calls that stayed up all the while, {lost} were lost."));
    if !quick {
        section.write(&repository()).expect("RESULTS.md");
    }
}

/// How long it takes until half of what the line can do is answered without a refusal again.
fn recover(crowd: &mut Crowd<'_>, capacity: f64) -> Option<Duration> {
    let start = Instant::now();
    while start.elapsed() < RECOVERY {
        let began = start.elapsed();
        let tally = crowd.at_rate(capacity * CALM_RATE, Duration::from_secs(1));
        let fine = tally.refused == 0 && tally.failed == 0 && Tally::percentile(&tally.answers, 0.99) < 100.0;
        if fine {
            return Some(began);
        }
    }
    None
}

/// Junk, and what genuine callers notice of it.
fn storm(section: &mut Section, crowd: &mut Crowd<'_>, line: &Line, address: SocketAddr, for_: Duration) {
    println!("{JUNK_RATE} junk messages/s for {for_:?} ...");
    let memory = |line: &Line| line.memory() as f64 / f64::from(1 << 20);
    let (start, junk) = (memory(line), Junk::start(address, JUNK_RATE));
    let mut highest = start;
    let mut all = Tally::default();
    let began = Instant::now();
    while began.elapsed() < for_ {
        let tally = crowd.at_rate(GENUINE, Duration::from_secs(10).min(for_));
        all.offered += tally.offered;
        all.completed += tally.completed;
        all.answers.extend(tally.answers);
        highest = highest.max(memory(line));
    }
    let sent = junk.stop();
    all.answers.sort_by(f32::total_cmp);
    section.table(&["junk", "figure"]);
    section.row(&["datagrams", &format!("{sent} in {:.0} s", began.elapsed().as_secs_f64())]);
    section.row(&["genuine calls", &format!("{} of {} complete", all.completed, all.offered)]);
    section.row(&[
        "INVITE to 200, p50 / p99".to_owned(),
        format!(
            "{:.1} / {:.1} ms (target: p99 ≤ 100 ms)",
            Tally::percentile(&all.answers, 0.5),
            Tally::percentile(&all.answers, 0.99)
        ),
    ]);
    section.row(&[
        "memory before, highest, after",
        &format!("{start:.1}, {highest:.1}, {:.1} MiB", memory(line)),
    ]);
}

fn row(
    section: &mut Section,
    name: &str,
    tally: &Tally,
    capacity: f64,
    target: Option<f64>,
    lost: &str,
    memory: u64,
) {
    let share = 100.0 * tally.goodput() / capacity;
    let target = target.map_or(String::new(), |target| format!(" (target: ≥ {:.0})", 100.0 * target));
    section.row(&[
        name.to_owned(),
        format!("{:.0}", tally.offered as f64 / tally.took.as_secs_f64()),
        format!("{:.0}", tally.goodput()),
        format!("{share:.0} %{target}"),
        tally.refused.to_string(),
        tally.failed.to_string(),
        format!(
            "{:.1} / {:.1}",
            Tally::percentile(&tally.answers, 0.5),
            Tally::percentile(&tally.answers, 0.99)
        ),
        format!("{:.1}", Tally::percentile(&tally.refusals, 0.99)),
        tally.repeats.to_string(),
        lost.to_owned(),
        format!("{:.0}", tally.busy()),
        format!("{:.0}", memory as f64 / f64::from(1 << 20)),
    ]);
}
