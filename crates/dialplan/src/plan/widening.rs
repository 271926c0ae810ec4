//! `[widening]`: how the search for an advocate widens while a caller waits.

use std::time::Duration;

use havre_model::{Schedule, Step, Widening};

use crate::file::{File, Place, Table};
use crate::limits::MAX_STEPS;
use crate::said::said;

/// Latest time of a step accepted, in seconds.
const MAX_AT: u32 = 600;

/// The steps that every schedule must have, and the latest they may come: without them a path would not end at a
/// person (journey, rule 1).
const NEEDED: &[(&str, u64)] =
    &[("ring_all", 30), ("other_language", 60), ("supervisors", 120), ("page", 240)];

/// Reads the table. Steps that are switched off are checked and then left out.
pub(crate) fn read(file: &File<'_>, table: &Table<'_, '_>, on_call: bool, partner: bool) -> Option<Widening> {
    let ring_time = table
        .need(
            "ring_time",
            (
                "write seconds that one offer rings; 12 is usual",
                "écrivez combien de secondes sonne une offre; 12 est habituel",
            ),
        )
        .and_then(|v| {
            let time = v.seconds(60)?;
            if time < Duration::from_secs(5) {
                v.error(
                    ("is shorter than 5 s", "est plus court que 5 s"),
                    (
                        "nobody can pick up so fast: write 5 to 60",
                        "personne ne peut répondre si vite\u{a0}: écrivez de 5 à 60",
                    ),
                );
            }
            Some(time)
        });
    let anyone_after = table
        .need("anyone_after", ("write seconds; 10 is usual", "écrivez des secondes; 10 est habituel"))
        .and_then(|v| v.seconds(60));
    let usual = schedule(file, table, "usual");
    let urgent = schedule(file, table, "urgent");
    table.finish();
    let (usual, urgent) = (usual?, urgent?);
    for (name, _) in NEEDED {
        let at =
            |steps: &[(Duration, Named)]| steps.iter().find(|(_, s)| s.name() == *name).map(|(at, _)| *at);
        if let (Some(a), Some(b)) = (at(&usual.0), at(&urgent.0))
            && b > a
        {
            let (b, a) = (b.as_secs(), a.as_secs());
            let what = said!(
                "{name} comes later ({b} s) than for usual calls ({a} s)",
                "{name} vient plus tard ({b} s) que pour les appels ordinaires ({a} s)"
            );
            file.error(
                &urgent.1,
                what,
                (
                    "an urgent caller never waits longer: make it earlier",
                    "un appel urgent n’attend jamais plus longtemps\u{a0}: avancez cette étape",
                ),
            );
        }
    }
    let keep = |steps: Vec<(Duration, Named)>| {
        let wanted = |step: &Step| match step {
            Step::OnCall => on_call,
            Step::Partner => partner,
            _ => true,
        };
        Schedule(steps.into_iter().map(|(at, Named(step))| (at, step)).filter(|(_, s)| wanted(s)).collect())
    };
    let (usual, urgent) = (keep(usual.0), keep(urgent.0));
    Some(Widening { ring_time: ring_time?, anyone_after: anyone_after?, usual, urgent })
}

#[derive(Clone, Copy)]
struct Named(Step);

impl Named {
    const fn name(&self) -> &'static str {
        step_name(&self.0)
    }
}

/// The spelling of a step in the file.
pub(crate) const fn step_name(step: &Step) -> &'static str {
    match step {
        Step::RingAll => "ring_all",
        Step::Alert => "alert",
        Step::OtherLanguage => "other_language",
        Step::OnCall => "on_call",
        Step::Partner => "partner",
        Step::Supervisors => "supervisors",
        Step::Page { .. } => "page",
    }
}

fn schedule(file: &File<'_>, table: &Table<'_, '_>, key: &str) -> Option<(Vec<(Duration, Named)>, Place)> {
    let list = table.need(
        key,
        (
            "list the steps: { at = 20, step = \"ring_all\" }, …",
            "énumérez les étapes\u{a0}: { at = 20, step = \"ring_all\" }, …",
        ),
    )?;
    let mut steps: Vec<(Duration, Named)> = Vec::new();
    for step in list.tables(MAX_STEPS) {
        let at = step
            .need("at", ("write seconds from joining", "écrivez les secondes depuis l’entrée dans la file"))
            .and_then(|v| v.seconds(MAX_AT));
        let kind = step.need("step", ("name the step", "nommez l’étape")).and_then(|v| {
            v.one_of(&[
                ("ring_all", Step::RingAll),
                ("alert", Step::Alert),
                ("other_language", Step::OtherLanguage),
                ("on_call", Step::OnCall),
                ("partner", Step::Partner),
                ("supervisors", Step::Supervisors),
                ("page", Step::Page { every: Duration::ZERO }),
            ])
        });
        let every = step.get("every").and_then(|v| {
            let every = v.seconds(MAX_AT);
            if every.is_some_and(|e| e < Duration::from_secs(10)) {
                v.error(
                    ("is shorter than 10 s", "est plus court que 10 s"),
                    (
                        "write 10 or more: a page is for a person to act on",
                        "écrivez 10 ou plus\u{a0}: un appel à la supervision demande le temps d’agir",
                    ),
                );
            }
            if kind.is_some_and(|k| !matches!(k, Step::Page { .. })) {
                v.error(
                    ("is only for step \"page\"", "ne vaut que pour l’étape \"page\""),
                    ("remove it", "retirez-le"),
                );
            }
            every
        });
        step.finish();
        let kind = match (kind, every) {
            (Some(Step::Page { .. }), Some(every)) => Some(Step::Page { every }),
            (Some(Step::Page { .. }), None) => {
                file.error(
                    &step.place,
                    ("has no `every`", "n’a pas de `every`"),
                    (
                        "add every = 60: supervisors are paged again and again",
                        "ajoutez every = 60\u{a0}: la supervision est appelée encore et encore",
                    ),
                );
                None
            }
            (kind, _) => kind,
        };
        let (Some(at), Some(kind)) = (at, kind) else { continue };
        if steps.last().is_some_and(|(before, _)| *before > at) {
            file.error(
                &step.place,
                ("comes before the step above it", "vient avant l’étape qui la précède"),
                ("sort the steps by `at`", "triez les étapes selon `at`"),
            );
        }
        steps.push((at, Named(kind)));
    }
    for (name, latest) in NEEDED {
        match steps.iter().find(|(_, s)| s.name() == *name) {
            None => {
                let what = said!("has no step \"{name}\"", "n’a pas d’étape \"{name}\"");
                let remedy = said!(
                    "add {{ at = …, step = \"{name}\" }}: every path ends at a person",
                    "ajoutez {{ at = …, step = \"{name}\" }}\u{a0}: chaque parcours mène à une personne"
                );
                list.error(what, remedy);
            }
            Some((at, _)) if *at > Duration::from_secs(*latest) => {
                list.error(
                    said!("{name} comes at {} s", "{name} vient à {} s", at.as_secs()),
                    said!("let it come by {latest} s", "faites-la venir à {latest} s au plus tard"),
                );
            }
            Some(_) => {}
        }
    }
    Some((steps, list.place))
}
