//! How much one line carries: `havre-load` climbs its steps, and the figures go to `tests/bench/LOAD.md`, with a picture
//! of the bridged calls beside it. Line and generator have a core each: a step counts while each has less than 80 % of
//! it.
#![allow(clippy::print_stdout, reason = "figures are for people")]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use havre_bench::relay::bare_packet;
use havre_e2e::{Account, Line, havre_load, repository};
use serde_json::Value;

/// Advocates of the line: one for each bridged call of the highest step.
const ADVOCATES: usize = 2_000;
/// Those of whole calls: half as many again as talk at once at the highest rate.
const ADVOCATES_OF_CALLS: usize = 300;

/// A scenario, its arguments, and which figures of each step stand in its table.
struct Climb {
    title: &'static str,
    arguments: &'static [&'static str],
    columns: &'static [Column],
    /// Whether the bare relay of the talks stands beside it.
    floor: bool,
    picture: Option<&'static str>,
}

/// A heading, where the figure stands in the report, what it is multiplied by, and its digits after the point.
type Column = (&'static str, &'static str, f64, usize);

const PROCESSORS: [Column; 3] = [
    ("line, % of a core", "/server_core", 100.0, 1),
    ("generator, % of a core", "/generator_core", 100.0, 1),
    ("others, % of a core", "/others_core", 100.0, 0),
];
const UP: Column = ("calls up", "/calls/up", 1.0, 0);
const SETUP: Column = ("INVITE to 200 p99, ms", "/setup_ms/p99", 1.0, 2);
const LOST: Column = ("packets lost", "/heard/lost", 1.0, 0);
const GAPS: Column = ("gaps > 40 ms", "/heard/gaps", 1.0, 0);
const LATE: Column = ("not sent in time by the generator", "/generator_late", 1.0, 0);
const KIB: f64 = 1.0 / 1_024.0;

const CLIMBS: [Climb; 4] = [
    Climb {
        title: "Bridged calls",
        arguments: &[
            "bridged",
            "--steps",
            "100,200,400,600,800,1000,1200,1400,1600,1800,2000",
            "--ramp",
            "50",
            "--keys",
            "1@1s",
        ],
        columns: &[
            UP,
            PROCESSORS[0],
            PROCESSORS[1],
            PROCESSORS[2],
            ("relayed packet, µs", "/relayed_packet_us", 1.0, 2),
            ("delay median, ms", "/delay_ms/p50", 1.0, 3),
            ("delay p99, ms", "/delay_ms/p99", 1.0, 2),
            LOST,
            ("KiB per call", "/memory_per_call", KIB, 1),
            LATE,
        ],
        floor: false,
        picture: Some("bridged.svg"),
    },
    Climb {
        title: "Waiting callers, who send too",
        arguments: &["waiting", "--steps", "100,500,1000,2000", "--ramp", "100", "--keys", "1@1s"],
        columns: &[
            UP,
            PROCESSORS[0],
            PROCESSORS[1],
            PROCESSORS[2],
            ("% of a core per 100", "/core_per_100", 100.0, 2),
            LOST,
            GAPS,
            ("KiB per call", "/memory_per_call", KIB, 1),
            LATE,
        ],
        floor: false,
        picture: None,
    },
    Climb {
        title: "Whole calls: greeting, key, queue, 5 s of talk",
        // For longer than the others: in the first and the last seconds of a step fewer calls share what they cost together.
        arguments: &["calls", "--steps", "2,5,10,20,40", "--for", "30s", "--keys", "1@1s", "--poisson"],
        columns: &[
            ("offered", "/calls/offered", 1.0, 0),
            ("completed", "/calls/completed", 1.0, 0),
            PROCESSORS[0],
            PROCESSORS[1],
            PROCESSORS[2],
            ("ms per call", "/call_ms", 1.0, 2),
            SETUP,
            LOST,
        ],
        floor: true,
        picture: None,
    },
    Climb {
        title: "Signalling alone: INVITE, 200, ACK, BYE",
        arguments: &["signalling", "--steps", "50,100,200,400", "--talk", "0s"],
        columns: &[
            ("offered", "/calls/offered", 1.0, 0),
            ("completed", "/calls/completed", 1.0, 0),
            PROCESSORS[0],
            PROCESSORS[1],
            PROCESSORS[2],
            ("ms per call", "/call_ms", 1.0, 2),
            SETUP,
        ],
        floor: false,
        picture: None,
    },
];

/// How long each whole call talks, in seconds, and the packets that are relayed meanwhile.
const TALK: f64 = 5.0;
const TALK_PACKETS: f64 = TALK * 2.0 * 50.0;
/// How long the bare relay is measured.
const BARE: Duration = Duration::from_secs(3);

/// The line has this core for itself, and the generator the other: side by side on both, each keeps the other from
/// its packets when they come, and the delays are the scheduler's.
const LINE_CORE: &str = "0";
const GENERATOR_CORE: usize = 1;

fn main() {
    // What is started from here on inherits it, and the line makes one media shard per core that it has.
    let pinned = Command::new("taskset").args(["-cp", LINE_CORE, &std::process::id().to_string()]).output();
    assert!(pinned.is_ok_and(|output| output.status.success()), "taskset (util-linux) pins the line");
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let mut text = String::from(
        "# Carried\n\nBy `make bench`, or `cargo bench -p havre-e2e --bench load` alone; `havre-load --help` says how. \
         Line and generator\nhave a core each of one machine, on loopback; each step is measured for 10 s unless it says otherwise, and a climb ends where either \
         has used 80 % of a core.\nMemory is above the idle process.\n",
    );
    let _ = writeln!(text, "Machine: {} cores, {}.", cores(), processor());
    for climb in CLIMBS {
        if wanted.is_empty() || wanted.iter().any(|name| name == climb.arguments[0]) {
            climb.run(&mut text);
        }
    }
    println!("{text}");
    // A part of the figures is for the one who asked.
    if wanted.is_empty() {
        std::fs::write(results("LOAD.md"), text).expect("tests/bench/LOAD.md");
    }
}

impl Climb {
    fn run(&self, text: &mut String) {
        let account = |n| Account { id: format!("a{n}"), languages: &["en"], role: "advocate" };
        let advocates = if self.arguments[0] == "calls" { ADVOCATES_OF_CALLS } else { ADVOCATES };
        let accounts: Vec<Account> = (0..advocates).map(account).collect();
        let line = Line::demo().accounts(&accounts).with("rtp.ports", "10000-29999").start();
        let mut command = Command::new("taskset");
        command.args(["-c", &GENERATOR_CORE.to_string()]).arg(havre_load().get_program());
        command.args(self.arguments).args(["--json", "--server", &line.sip().to_string()]);
        command.args(["--pid", &line.pid().to_string(), "--settle", "3s"]);
        if matches!(self.arguments[0], "bridged" | "calls") {
            command.args(["--agents", "a{}", "--agent-password", "secret-a{}"]);
            command.args(["--agent-count", &advocates.to_string()]);
        }
        if let Some(picture) = self.picture {
            command.arg("--svg").arg(results(picture));
        }
        let output = command.stderr(std::process::Stdio::inherit()).output().expect("havre-load is there");
        let report = String::from_utf8_lossy(&output.stdout);
        let report: Value = serde_json::from_str(&report).unwrap_or_else(|error| panic!("{error}: {report}"));
        let _ = writeln!(text, "\n## {}\n\n`havre-load {}`\n", self.title, self.arguments.join(" "));
        if let Some(picture) = self.picture {
            let _ = writeln!(text, "![{}: load, delay and failures over the steps]({picture})\n", self.title);
        }
        self.table(text, &report);
        if let Some(stopped) = report["stopped"].as_str() {
            let _ = writeln!(text, "\nStopped: {stopped}.");
        }
    }

    fn table(&self, text: &mut String, report: &Value) {
        let mut names: Vec<&str> = self.columns.iter().map(|(name, ..)| *name).collect();
        if self.floor {
            names.push("bare relay of the talk alone, ms");
        }
        let unit = report["unit"].as_str().unwrap_or_default();
        let _ = writeln!(text, "| {unit} | {} | failed |", names.join(" | "));
        let _ = writeln!(text, "|---{}|", "|---".repeat(names.len() + 1));
        for step in report["steps"].as_array().into_iter().flatten() {
            let figure = |(_, place, factor, digits): &Column| {
                let figure = step.pointer(place).and_then(Value::as_f64);
                figure.map_or_else(String::new, |figure| format!("{:.*}", *digits, figure * factor))
            };
            let mut figures: Vec<String> = self.columns.iter().map(figure).collect();
            let rate = step["step"].as_f64().unwrap_or_default();
            if self.floor {
                let micros = bare_packet((rate * TALK) as usize, GENERATOR_CORE, BARE);
                figures.push(format!("{:.2}", micros * TALK_PACKETS / 1_000.0));
            }
            let failed = step["calls"]["failed"].as_object().into_iter().flatten();
            let failed: Vec<String> = failed.map(|(why, count)| format!("{count} {why}")).collect();
            let failed = if failed.is_empty() { "none".to_owned() } else { failed.join(", ") };
            let _ = writeln!(text, "| {rate} | {} | {failed} |", figures.join(" | "));
        }
    }
}

fn results(name: &str) -> PathBuf {
    let directory = repository().join("tests/bench");
    std::fs::create_dir_all(&directory).expect("tests/bench");
    directory.join(name)
}

/// Those of the machine: this process sees the one that it was given.
fn cores() -> usize {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines().filter(|line| line.starts_with("processor")).count()
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name"));
    name.unwrap_or("an unknown processor").trim_start_matches([' ', '\t', ':']).to_owned()
}
