//! What callers would notice of another plan: both are walked along the same key paths, and what is heard and where it
//! leads is told side by side.

use std::sync::Arc;
use std::time::Duration;

use havre_model::{Digit, LineId};

use crate::said::{Said, comma, said};
use crate::simulate::{Happened, Script, Trace, run};
use crate::{Dialplan, Input, Output};

/// When the keys are pressed, from the pick-up: early in the greeting, and when the first messages of waiting run.
const FIRST_KEY: Duration = Duration::from_secs(1);
const SECOND_KEY: Duration = Duration::from_secs(6);
/// How long each path is listened to: a reminder is among it.
const LISTEN: Duration = Duration::from_secs(70);
/// Differences told. Beyond, the plans have little in common.
const MAX_TOLD: usize = 100;

/// One way through both plans that is not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The line and the keys, for people: `hotline: 2, 5`.
    pub path: Said,
    /// Further paths with this very difference.
    pub more: usize,
    /// What happens in the first plan only, step by step. Empty where the second has more, or the first no such line.
    pub before: Vec<Said>,
    /// And in the second only.
    pub after: Vec<Said>,
}

/// The differences between two plans on every line, with no key, one key and two keys, shorter paths first; a path that
/// shows the same difference as one before it is only counted. Takes a second or so: not for a thread that serves calls.
#[must_use]
pub fn differences(before: &Arc<Dialplan>, after: &Arc<Dialplan>) -> Vec<Difference> {
    let mut lines: Vec<&LineId> = before.lines().iter().map(|line| &line.id).collect();
    lines.extend(after.lines().iter().map(|line| &line.id).filter(|id| before.line(id).is_none()));
    let mut told: Vec<Difference> = Vec::new();
    for line in lines {
        for keys in paths() {
            let [mut before, mut after] = [before, after].map(|plan| walk(plan, line, &keys));
            if before == after {
                continue;
            }
            drop_common(&mut before, &mut after);
            let known = told.iter_mut().find(|known| known.before == before && known.after == after);
            if let Some(known) = known {
                known.more += 1;
            } else if told.len() < MAX_TOLD {
                told.push(Difference { path: name(line, &keys), more: 0, before, after });
            }
        }
    }
    told
}

/// No key, each key, and each two.
fn paths() -> impl Iterator<Item = Vec<Digit>> {
    let one = Digit::all().into_iter().map(|key| vec![key]);
    let two = Digit::all().into_iter().flat_map(|first| Digit::all().map(|second| vec![first, second]));
    std::iter::once(Vec::new()).chain(one).chain(two)
}

fn name(line: &LineId, keys: &[Digit]) -> Said {
    if keys.is_empty() {
        return said!("{line}: no key", "{line}\u{a0}: aucune touche");
    }
    let keys = keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    said!("{line}: {keys}", "{line}\u{a0}: {keys}")
}

/// What happens on a path; nothing where the plan has no such line.
fn walk(plan: &Arc<Dialplan>, line: &LineId, keys: &[Digit]) -> Vec<Said> {
    if plan.line(line).is_none() {
        return Vec::new();
    }
    let picked = plan.answer_after();
    let times = [picked + FIRST_KEY, picked + SECOND_KEY];
    let inputs = times.into_iter().zip(keys).map(|(at, key)| (at, Input::Digit(*key))).collect();
    let script = Script { line: line.clone(), caller: None, inputs, until: picked + LISTEN };
    steps(&run(plan, &script))
}

/// Leaves what is not the same at the beginning and at the end.
fn drop_common(before: &mut Vec<Said>, after: &mut Vec<Said>) {
    let same = before.iter().zip(&*after).take_while(|(before, after)| before == after).count();
    before.drain(..same);
    after.drain(..same);
    while !before.is_empty() && before.last() == after.last() {
        before.pop();
        after.pop();
    }
}

/// What a caller notices, and when the queue is reached. Other times are left out: a longer message shifts them all.
fn steps(trace: &Trace) -> Vec<Said> {
    let noticed = trace.entries.iter().filter(|(_, what)| {
        matches!(
            what,
            Happened::Input(Input::Digit(_) | Input::Picked)
                | Happened::Heard(_)
                | Happened::Sound(_)
                | Happened::Said(Output::Join { .. } | Output::Changed { .. } | Output::Partner)
        )
    });
    let told = noticed.map(|(at, what)| match what {
        Happened::Said(Output::Join { .. }) => {
            let after = at.as_secs_f64();
            Said {
                en: format!("{what}, after {after:.1} s"),
                fr: format!("{}, après {} s", what.french(), comma(after)),
            }
        }
        _ => Said { en: what.to_string(), fr: what.french() },
    });
    told.collect()
}
