//! The content hash: the same for files that mean the same, and another for every change that a caller could notice.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::graph::{Extra, Graph, Set, Then, WaitingKey};
use super::widening::step_name;
use crate::catalogue::hex;
use crate::{Catalogue, PromptId};

/// Bump when the meaning of the normalised text changes.
const VERSION: u32 = 1;

/// 64 hex digits over the normalised graph and every prompt it can say. Comments, order, spelling of numbers, labels
/// and `[[test]]` blocks do not count.
pub(crate) fn hash(graph: &Graph, catalogue: &Catalogue) -> String {
    hex(&Sha256::digest(normalised(graph, catalogue).as_bytes()))
}

fn normalised(graph: &Graph, catalogue: &Catalogue) -> String {
    let mut out = format!(
        "havre dialplan {VERSION}\nanswer {:?}\nfrench {:?}\n",
        graph.answer_after, graph.french_areas
    );
    let name = |menu: usize| graph.menus[menu].name.as_str();
    let then = |to: Then| match to {
        Then::Join => "join".to_owned(),
        Then::Menu(menu) => format!("menu {:?}", name(menu)),
    };
    let mut lines: Vec<_> = graph.lines.iter().collect();
    lines.sort_by_key(|line| &line.id);
    for line in lines {
        let mut numbers = line.numbers.clone();
        numbers.sort();
        let _ = writeln!(out, "line {} {numbers:?} {} {:?}", line.id, line.french_first, name(line.menu));
    }
    let mut menus: Vec<_> = graph.menus.iter().collect();
    menus.sort_by_key(|menu| &menu.name);
    for menu in menus {
        let _ = writeln!(
            out,
            "menu {:?} {:?} {:?} {} {:?}",
            menu.name,
            menu.say,
            menu.no_input_after,
            then(menu.no_input),
            menu.no_match
        );
        for (digit, choice) in &menu.keys {
            let _ = writeln!(out, " {digit} {} {}", set(&choice.set), then(choice.then));
        }
    }
    write_waiting(&mut out, graph);
    let widening = &graph.widening;
    let _ = writeln!(out, "widening {:?} {:?}", widening.ring_time, widening.anyone_after);
    for (name, schedule) in [("usual", &widening.usual), ("urgent", &widening.urgent)] {
        for (at, step) in &schedule.0 {
            let _ = writeln!(out, " {name} {at:?} {} {step:?}", step_name(step));
        }
    }
    write_prompts(&mut out, graph, catalogue);
    out
}

fn write_waiting(out: &mut String, graph: &Graph) {
    let w = &graph.waiting;
    let _ = writeln!(
        out,
        "waiting {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        w.sound, w.tick, w.say, w.say_unknown, w.pause, w.silent, w.advocate_lost, w.trouble, w.reminder
    );
    for (digit, key) in &w.keys {
        let does = match key {
            WaitingKey::Set(s) => set(s),
            WaitingKey::Repeat => "repeat".to_owned(),
            WaitingKey::OtherLanguage => "other_language".to_owned(),
        };
        let _ = writeln!(out, " {digit} {does}");
    }
    let _ = writeln!(out, "neutral {:?}", graph.neutral);
    let extra = |extra: &Extra| extra.enabled.then(|| format!("{:?}", extra.say));
    let _ = writeln!(out, "on_call {:?} interpreter {:?}", extra(&graph.on_call), extra(&graph.interpreter));
    let p = &graph.partner;
    let _ = writeln!(out, "partner {:?}", p.enabled.then_some((&p.say, p.open, &p.keys)));
}

fn set(set: &Set) -> String {
    let Set { language, risk, silent, discreet, sound } = set;
    format!("{language:?} {risk:?} {silent} {discreet} {sound:?}")
}

/// Text and audio of every prompt that the graph can say.
fn write_prompts(out: &mut String, graph: &Graph, catalogue: &Catalogue) {
    let menus = graph.menus.iter().flat_map(|menu| &menu.say);
    let messages = graph.messages().flat_map(|(_, say)| say);
    let mut said: Vec<&PromptId> = menus.chain(messages).chain(graph.neutral.values().flatten()).collect();
    said.extend(said.clone().into_iter().filter_map(|id| catalogue.pair(id)));
    said.extend([&graph.waiting.sound, &graph.waiting.tick]);
    said.sort();
    said.dedup();
    for clip in catalogue.clips().filter(|clip| said.contains(&&clip.key.prompt)) {
        let _ = writeln!(out, "clip {clip} {:016x} {:?}", clip.key.digest, clip.text);
    }
}
