//! Simulates days at the line and says how they went against the journey's targets.
//!
//! `cargo run -p havre-sim --example day -- --seed 1 --scale hotline_2024 --days 30`
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

use clap::Parser;
use havre_sim::day::{Day, Outline, Report, Workload};

/// Simulate days at the line: how long people wait, by language and class.
#[derive(Parser)]
struct Arguments {
    /// What everything is drawn from; further days take the following seeds
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How busy the line is: a name under `[scales]` in workload.toml
    #[arg(long, default_value = "hotline_2024")]
    scale: String,
    /// How many days
    #[arg(long, default_value_t = 1)]
    days: u64,
    /// Let phones, networks and Redis fail
    #[arg(long)]
    rough: bool,
    /// Print the log of everything (long)
    #[arg(long)]
    log: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let workload = Workload::shipped();
    let Some(calls_per_day) = workload.scales.get(&arguments.scale) else {
        let names: Vec<&str> = workload.scales.keys().map(String::as_str).collect();
        eprintln!("there is no scale {:?}; there are: {}", arguments.scale, names.join(", "));
        std::process::exit(2);
    };
    let mut total = Report::default();
    for day in 0..arguments.days {
        let outline = Outline {
            rough: arguments.rough,
            log: arguments.log,
            ..Outline::whole(arguments.seed + day, *calls_per_day)
        };
        let day_so_far = Day::new(outline);
        let world = day_so_far.world();
        let report = day_so_far.run(|hour| {
            if hour % 6 == 0 {
                eprintln!("day {} of {}, hour {hour}", day + 1, arguments.days);
            }
        });
        if arguments.log {
            println!("{}", world.log());
        }
        total.add(&report);
    }
    println!("{} days of {}, seed {}\n\n{total}", arguments.days, arguments.scale, arguments.seed);
}
