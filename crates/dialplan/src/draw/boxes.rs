//! What the picture shows: boxes with rows, and where each row leads.

use std::time::Duration;

use havre_model::{Language, Risk, Step, WaitingSound};

use crate::plan::{Graph, Menu, PartnerKey, Set, Then, WaitingKey};
use crate::{Dialplan, PromptId};

/// Longest text of a prompt that is shown, in characters.
const MAX_TEXT: usize = 46;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Step,
    Person,
    Off,
}

impl Look {
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Step => "head",
            Self::Person => "person",
            Self::Off => "off",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) column: usize,
    pub(super) look: Look,
    pub(super) title: String,
    pub(super) rows: Vec<Row>,
    /// From the box as a whole, with a label: (target, label, dashed).
    pub(super) leads: Vec<(usize, &'static str, bool)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) badge: Option<String>,
    pub(super) text: String,
    /// Said in grey.
    pub(super) note: bool,
    /// The box that this row leads to.
    pub(super) leads: Option<usize>,
}

impl Row {
    fn note(text: impl Into<String>) -> Self {
        Self { text: text.into(), note: true, ..Self::default() }
    }

    fn key(badge: impl Into<String>, text: String) -> Self {
        Self { badge: Some(badge.into()), text, ..Self::default() }
    }
}

/// Lines, menus, waiting, widening, partner, people: in this order, so that each knows the others' numbers.
pub(super) fn boxes(plan: &Dialplan) -> Vec<Content> {
    let graph = &plan.graph;
    let (first_menu, menus) = (graph.lines.len(), graph.menus.len());
    let waiting = first_menu + menus;
    let (widening, partner, advocate, centre) = (waiting + 1, waiting + 2, waiting + 3, waiting + 4);
    let depths = depths(graph);
    let queue = 2 + depths.iter().copied().max().unwrap_or(0);
    let mut all: Vec<Content> = graph.lines.iter().map(|line| line_box(graph, line, first_menu)).collect();
    for (menu, depth) in graph.menus.iter().zip(&depths) {
        all.push(menu_box(plan, menu, 1 + depth, first_menu, waiting));
    }
    all.push(waiting_box(plan, queue, widening, partner));
    all.push(widening_box(graph, queue + 1, advocate));
    all.push(partner_box(plan, queue + 1, centre));
    let person = |title: &str, text: &str, leads| Content {
        column: queue + 2,
        look: Look::Person,
        title: title.to_owned(),
        rows: vec![Row::note(text)],
        leads,
    };
    let lost = format!("lost: {}", names(&graph.waiting.advocate_lost));
    let mut talk = person(
        "An advocate",
        "all messages stop; the keys are the advocate's",
        vec![(waiting, "the advocate's line drops", false)],
    );
    talk.rows.push(Row::note(lost));
    all.push(talk);
    let mut there = person("The partner centre", "waits here until it answers", Vec::new());
    if !graph.partner.enabled {
        there.look = Look::Off;
    }
    all.push(there);
    all
}

/// How many menus come before each.
fn depths(graph: &Graph) -> Vec<usize> {
    let mut depths = vec![0; graph.menus.len()];
    // The plan has no circles, so as many rounds as there are menus settle every depth.
    for _ in 0..graph.menus.len() {
        for (i, menu) in graph.menus.iter().enumerate() {
            for then in menu.keys.values().map(|c| c.then).chain([menu.no_input]) {
                if let Then::Menu(next) = then {
                    depths[next] = depths[next].max(depths[i] + 1).min(graph.menus.len());
                }
            }
        }
    }
    depths
}

fn line_box(graph: &Graph, line: &crate::Line, first_menu: usize) -> Content {
    let mut rows: Vec<_> = line.numbers.iter().map(|n| Row { text: n.clone(), ..Row::default() }).collect();
    if line.french_first {
        rows.push(Row::note("French first"));
    } else if !graph.french_areas.is_empty() {
        rows.push(Row::note(format!("French first from {} area codes", graph.french_areas.len())));
    }
    rows.push(Row::note(format!("answered after {}", seconds(graph.answer_after))));
    let leads = vec![(first_menu + line.menu, "", false)];
    Content { column: 0, look: Look::Step, title: line.label.clone(), rows, leads }
}

fn menu_box(plan: &Dialplan, menu: &Menu, column: usize, first_menu: usize, waiting: usize) -> Content {
    let target = |then| match then {
        Then::Join => waiting,
        Then::Menu(menu) => first_menu + menu,
    };
    let mut rows = Vec::new();
    for id in &menu.say {
        for clip in plan.catalogue().clips().filter(|clip| clip.key.prompt == *id) {
            rows.push(Row::note(format!("{clip} · {} · {}", seconds(clip.duration()), short(&clip.text))));
        }
    }
    for (digit, choice) in &menu.keys {
        rows.push(Row {
            leads: Some(target(choice.then)),
            ..Row::key(digit.to_string(), describe_set(&choice.set))
        });
    }
    let no_input = format!("no key, {} after the last word", seconds(menu.no_input_after));
    rows.push(Row { leads: Some(target(menu.no_input)), ..Row::key("…", no_input) });
    rows.push(Row::note("any other key: ignored, the prompt goes on"));
    if menu.no_match == crate::plan::NoMatch::Join {
        rows.pop();
        rows.push(Row { leads: Some(waiting), ..Row::key("?", "any other key".to_owned()) });
    }
    Content { column, look: Look::Step, title: menu.name.clone(), rows, leads: Vec::new() }
}

fn waiting_box(plan: &Dialplan, column: usize, widening: usize, partner: usize) -> Content {
    let waiting = &plan.graph.waiting;
    let reminder = &waiting.reminder;
    let mut rows = vec![
        Row::note(format!(
            "first {}; language unknown: {}",
            names(&waiting.say),
            names(&waiting.say_unknown)
        )),
        Row::note(format!("then the sound \"{}\"", waiting.sound)),
        Row::note(format!(
            "{} after {}, then every {}",
            names(&reminder.say),
            seconds(reminder.after),
            seconds(reminder.every)
        )),
    ];
    for (digit, key) in &waiting.keys {
        let text = match key {
            WaitingKey::Set(set) => {
                let said = if set.silent { format!(": {}", names(&waiting.silent)) } else { String::new() };
                let only =
                    if set.language.is_some_and(|l| l.spoken().is_some()) { ", while unknown" } else { "" };
                format!("{}{only}{said}", describe_set(set))
            }
            WaitingKey::Repeat => "says it again".to_owned(),
            WaitingKey::OtherLanguage => "the other language".to_owned(),
        };
        rows.push(Row::key(digit.to_string(), text));
    }
    rows.push(Row::note("any other key: ignored"));
    let off = !plan.graph.partner.enabled;
    let leads = vec![(widening, "", false), (partner, if off { "switched off" } else { "" }, off)];
    Content { column, look: Look::Step, title: "Waiting in the queue".to_owned(), rows, leads }
}

fn widening_box(graph: &Graph, column: usize, advocate: usize) -> Content {
    let widening = &graph.widening;
    let mut rows = vec![
        Row::note("seconds from joining, or from a rise in class"),
        Row::key("0", format!("the longest-idle skilled advocate rings, {}", seconds(widening.ring_time))),
        Row::key(number(widening.anyone_after), "language unknown: anyone rings".to_owned()),
    ];
    for (at, step) in &widening.usual.0 {
        let urgent = widening.urgent.0.iter().find(|(_, s)| s == step).filter(|(u, _)| u != at);
        let urgent = urgent.map(|(at, _)| format!(" (urgent: {})", number(*at))).unwrap_or_default();
        let text = match step {
            Step::RingAll => "every skilled advocate who is ready rings".to_owned(),
            Step::Alert => "supervisors are alerted".to_owned(),
            Step::OtherLanguage => "advocates of the other language ring".to_owned(),
            Step::OnCall => format!("on-call phones ring: {}", names(&graph.on_call.say)),
            Step::Partner => "the partner centre is offered".to_owned(),
            Step::Supervisors => "supervisors take any call".to_owned(),
            Step::Page { every } => format!("supervisors are paged, every {}", seconds(*every)),
        };
        rows.push(Row::key(number(*at), format!("{text}{urgent}")));
    }
    let leads = vec![(advocate, "answered", false)];
    Content { column, look: Look::Step, title: "The search widens".to_owned(), rows, leads }
}

fn partner_box(plan: &Dialplan, column: usize, centre: usize) -> Content {
    let partner = &plan.graph.partner;
    let mut rows = vec![Row::note(format!("{}, never in silent mode", names(&partner.say)))];
    for (digit, key) in &partner.keys {
        rows.push(match key {
            PartnerKey::Go => {
                Row { leads: Some(centre), ..Row::key(digit.to_string(), "go there".to_owned()) }
            }
            PartnerKey::Ignore => Row::key(digit.to_string(), "ignored".to_owned()),
        });
    }
    rows.push(Row::key("…", format!("no key for {}: keep waiting", seconds(partner.open))));
    rows.push(Row::note("other keys: as while waiting"));
    let look = if partner.enabled { Look::Step } else { Look::Off };
    let title = if partner.enabled { "Partner offer" } else { "Partner offer (switched off)" };
    Content { column, look, title: title.to_owned(), rows, leads: Vec::new() }
}

fn describe_set(set: &Set) -> String {
    let mut words = Vec::new();
    words.extend(set.language.map(|language| match language {
        Language::En => "English",
        Language::Fr => "French",
        Language::Other => "another language",
        Language::Unknown => "language unknown",
    }));
    words.extend(set.risk.map(Risk::as_str));
    if set.silent {
        words.push("silent");
    }
    if set.discreet {
        words.push("discreet");
    }
    words.extend(set.sound.map(|sound| match sound {
        WaitingSound::Full => "messages and sound",
        WaitingSound::NoMessages => "no messages",
        WaitingSound::Tick => "a faint tick only",
    }));
    if words.is_empty() { "go on".to_owned() } else { words.join(", ") }
}

fn names(say: &[PromptId]) -> String {
    say.iter().map(PromptId::as_str).collect::<Vec<_>>().join(", ")
}

fn number(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds.fract() == 0.0 { format!("{seconds:.0}") } else { format!("{seconds:.1}") }
}

fn seconds(time: Duration) -> String {
    format!("{} s", number(time))
}

fn short(text: &str) -> String {
    if text.chars().count() <= MAX_TEXT {
        return text.to_owned();
    }
    let cut: String = text.chars().take(MAX_TEXT - 1).collect();
    format!("{}…", cut.trim_end())
}
