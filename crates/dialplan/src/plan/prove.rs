//! The proof: every key path is walked, on the machine that real calls use and with the real lengths of the audio,
//! before the plan is accepted.
//!
//! In each menu, at each moment that may differ (the first packet, the middle and the beginning of every clip, the end,
//! the last millisecond), each of the sixteen keys is pressed, and two storms of keys. A key that leaves the walk as it
//! was proves by that that nothing it could lead to differs; a key that moves it is followed. From each way of joining,
//! waiting is walked in the same manner.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use havre_model::{Digit, Language, LineId, Mode, Risk};

use super::rules::say_length;
use crate::file::{File, Place};
use crate::limits::{JOIN_AFTER_KEY, JOIN_WITHOUT_KEY, KEY_STORM_KEYS, MAX_PATHS};
use crate::said::{Both, Said, comma};
use crate::simulate::{Happened, Run};
use crate::walk::Limits;
use crate::{Dialplan, Input, PromptId};

/// A path that has not joined by then never will.
const NEVER: Duration = Duration::from_secs(600);
/// Between the keys of a storm.
const STORM_STEP: Duration = Duration::from_millis(20);
/// How long each way of waiting is watched: two reminders.
const WATCH: Duration = Duration::from_secs(130);
const LAST_MOMENT: Duration = Duration::from_millis(1);

/// What was proven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Key paths walked.
    pub paths: usize,
    /// The longest way from INVITE to queue.
    pub longest: ProvenPath,
    /// The longest way from the first key that does something to queue.
    pub longest_after_key: ProvenPath,
}

/// One path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenPath {
    /// Which line, in which order, and which keys.
    pub keys: Said,
    /// How long it takes.
    pub takes: Duration,
}

impl Default for ProvenPath {
    fn default() -> Self {
        Self { keys: ("", "").into(), takes: Duration::ZERO }
    }
}

impl ProvenPath {
    fn is_known(&self) -> bool {
        !self.keys.en.is_empty()
    }
}

impl Proof {
    /// What was proven, in three lines.
    #[must_use]
    pub fn said(&self) -> Said {
        let Self { paths, longest, longest_after_key } = self;
        let (all, key) = (longest.takes.as_secs_f64(), longest_after_key.takes.as_secs_f64());
        let (all_limit, key_limit) = (JOIN_WITHOUT_KEY.as_secs(), JOIN_AFTER_KEY.as_secs());
        let (all_keys, key_keys) = (&longest.keys, &longest_after_key.keys);
        Said {
            en: format!(
                "{paths} key paths, every one ends at a person\n\
                 longest: {all:.1} s from INVITE to queue ({}), limit {all_limit} s\n\
                 after a key: {key:.1} s ({}), limit {key_limit} s",
                all_keys.en, key_keys.en
            ),
            fr: format!(
                "{paths} parcours de touches, et chacun mène à une personne\n\
                 le plus long\u{a0}: {} s de l’INVITE à la file ({}), limite de {all_limit} s\n\
                 après une touche\u{a0}: {} s ({}), limite de {key_limit} s",
                comma(all),
                all_keys.fr,
                comma(key),
                key_keys.fr
            ),
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said().en)
    }
}

/// Walks every path; what is wrong is found in `file`.
pub(super) fn prove(plan: &Arc<Dialplan>, file: &File<'_>) -> Proof {
    let mut prover =
        Prover { plan, file, proof: Proof::default(), watched: HashSet::new(), broken: HashSet::new() };
    let areas = !plan.graph.french_areas.is_empty();
    // Lines with the same menu and order are the same to a caller.
    let mut seen = HashSet::new();
    for line in plan.lines() {
        let orders: &[bool] = match (line.french_first, areas) {
            (true, _) => &[true],
            (false, true) => &[false, true],
            (false, false) => &[false],
        };
        for french_first in orders.iter().filter(|order| seen.insert((line.menu, **order))) {
            prover.line(&line.id, *french_first);
        }
    }
    prover.report_lengths();
    prover.proof
}

struct Prover<'p> {
    plan: &'p Arc<Dialplan>,
    file: &'p File<'p>,
    proof: Proof,
    /// Ways of waiting that were watched.
    watched: HashSet<(Language, Risk, Mode, bool)>,
    /// Rules found broken: each is told once.
    broken: HashSet<&'static str>,
}

/// A key is called the same in both languages.
fn as_is(key: &str) -> (&str, &str) {
    (key, key)
}

/// How a path came to where it is.
#[derive(Clone)]
struct Way<'w> {
    line: &'w LineId,
    french_first: bool,
    keys: Said,
    first_key: Option<Duration>,
}

impl Way<'_> {
    fn with_key(&self, (en, fr): (&str, &str), at: Duration, acts: bool) -> Self {
        let before = &self.keys;
        let then = if before.en.is_empty() { "" } else { ", " };
        let at_secs = at.as_secs_f64();
        let keys = Said {
            en: format!("{}{then}{en} at {at_secs:.1} s", before.en),
            fr: format!("{}{then}{fr} à {} s", before.fr, comma(at_secs)),
        };
        let first_key = if acts { self.first_key.or(Some(at)) } else { self.first_key };
        Self { keys, first_key, ..self.clone() }
    }

    fn describe(&self) -> Said {
        let (order, ordre) = if self.french_first {
            ("French first", "le français d’abord")
        } else {
            ("English first", "l’anglais d’abord")
        };
        let Said { en, fr } = &self.keys;
        let (en, fr) = if en.is_empty() { ("no key", "aucune touche") } else { (en.as_str(), fr.as_str()) };
        let line = self.line;
        Said { en: format!("line {line}, {order}, {en}"), fr: format!("ligne {line}, {ordre}, {fr}") }
    }
}

impl Prover<'_> {
    fn line(&mut self, line: &LineId, french_first: bool) {
        let mut run =
            Run::new(self.plan, line, french_first, Limits { without_key: NEVER, after_key: NEVER });
        run.advance(self.plan.answer_after());
        run.input(Input::Picked);
        let way = Way { line, french_first, keys: ("", "").into(), first_key: None };
        self.menu(&run, &way);
    }

    /// From the moment at which a menu is entered.
    fn menu(&mut self, entered: &Run, way: &Way<'_>) {
        if self.is_spent(way) {
            return;
        }
        let menu = entered.walk.menu();
        let mut quiet = entered.clone();
        let mut moments = vec![entered.now];
        while quiet.walk.menu() == menu && quiet.now < NEVER && !quiet.spins {
            let before = quiet.now;
            quiet.advance_one(NEVER);
            moments.push(before + (quiet.now - before) / 2);
            moments.push(quiet.now);
        }
        let left = quiet.now;
        moments.retain(|at| *at < left);
        moments.push(left.saturating_sub(LAST_MOMENT));
        moments.dedup();
        self.arrive(&quiet, way);
        for at in moments {
            let mut here = entered.clone();
            here.advance(at);
            let mut idle = Vec::new();
            for digit in Digit::all() {
                let mut pressed = here.clone();
                pressed.input(Input::Digit(digit));
                if pressed.walk.is_like(&here.walk) && pressed.is_playing() == here.is_playing() {
                    self.proof.paths += 1;
                    idle.push(digit);
                } else {
                    self.arrive(&pressed, &way.with_key(as_is(&digit.to_string()), at, true));
                }
            }
            let all = way.with_key(("a storm of all keys", "une rafale de toutes les touches"), at, true);
            self.storm(here.clone(), &all, &Digit::all());
            let wrong =
                way.with_key(("a storm of wrong keys", "une rafale de touches sans effet"), at, false);
            self.storm(here, &wrong, &idle);
        }
    }

    fn storm(&mut self, mut run: Run, way: &Way<'_>, keys: &[Digit]) {
        for digit in keys.iter().cycle().take(if keys.is_empty() { 0 } else { 4 * KEY_STORM_KEYS }) {
            run.input(Input::Digit(*digit));
            run.advance(run.now + STORM_STEP);
        }
        while run.trace.joined.is_none() && run.now < NEVER && !run.spins {
            run.advance_one(NEVER);
        }
        if run.trace.risk < Some(Risk::Elevated) && !keys.is_empty() {
            let what = (
                "a storm of keys does not raise the class",
                "une rafale de touches n’élève pas la classe de risque",
            );
            self.break_rule("storm", way, what);
        }
        self.arrive(&run, way);
    }

    /// A path has left its menu.
    fn arrive(&mut self, run: &Run, way: &Way<'_>) {
        let Some(joined) = run.trace.joined else {
            match run.walk.menu() {
                Some(_) if run.now < NEVER && !run.spins => self.menu(run, way),
                _ => {
                    let what = (
                        "this path never reaches the queue",
                        "ce parcours n’atteint jamais la file d’attente",
                    );
                    self.break_rule("never", way, what);
                }
            }
            return;
        };
        self.proof.paths += 1;
        if joined > self.proof.longest.takes || !self.proof.longest.is_known() {
            self.proof.longest = ProvenPath { keys: way.describe(), takes: joined };
        }
        let after_key = way.first_key.map(|first| joined.saturating_sub(first));
        if let Some(takes) = after_key
            .filter(|t| *t > self.proof.longest_after_key.takes || !self.proof.longest_after_key.is_known())
        {
            self.proof.longest_after_key = ProvenPath { keys: way.describe(), takes };
        }
        let (language, risk, mode) = (run.walk.language(), run.walk.risk(), run.walk.mode());
        if self.watched.insert((language, risk, mode, way.french_first)) {
            self.waiting(run, way);
        }
    }

    /// A plan that cannot be walked to the end is not proven.
    fn is_spent(&mut self, way: &Way<'_>) -> bool {
        let spent = self.proof.paths > MAX_PATHS;
        if spent {
            let what = (
                "there are too many key paths to walk them all",
                "il y a trop de parcours de touches pour les suivre tous",
            );
            self.break_rule("paths", way, what);
        }
        spent
    }

    /// From the moment of joining: each key, and each two keys, at each moment of the first messages and after them.
    fn waiting(&mut self, joined: &Run, way: &Way<'_>) {
        if self.is_spent(way) {
            return;
        }
        let mut quiet = joined.clone();
        let end = joined.now + WATCH;
        let mut moments = vec![joined.now];
        while quiet.is_playing() && quiet.now < end && !quiet.spins {
            let before = quiet.now;
            quiet.advance_one(end);
            moments.push(before + (quiet.now - before) / 2);
        }
        moments.push(quiet.now + Duration::from_secs(1));
        self.watch(joined.clone(), way);
        for at in moments {
            let mut here = joined.clone();
            here.advance(at);
            for first in Digit::all() {
                let mut one = here.clone();
                one.input(Input::Digit(first));
                self.proof.paths += 1;
                if one.walk.is_like(&here.walk) {
                    continue;
                }
                let way = way.with_key(as_is(&first.to_string()), at, true);
                one.advance(at + STORM_STEP);
                for second in Digit::all() {
                    let mut two = one.clone();
                    two.input(Input::Digit(second));
                    self.proof.paths += 1;
                    if !two.walk.is_like(&one.walk) {
                        let way = way.with_key(as_is(&second.to_string()), two.now, true);
                        self.watch(two, &way);
                    }
                }
                self.watch(one, &way);
            }
        }
    }

    /// A waiting caller is never left in silence, hears no menu again, and is let go at once by an answer.
    fn watch(&mut self, mut run: Run, way: &Way<'_>) {
        run.advance(run.now + WATCH);
        if !run.sound {
            self.break_rule(
                "sound",
                way,
                ("a waiting caller hears nothing", "une personne en attente n’entend rien"),
            );
        }
        if run.spins || run.walk.menu().is_some() {
            self.break_rule(
                "stuck",
                way,
                ("a waiting caller is stuck", "une personne en attente reste bloquée"),
            );
        }
        let joined = run.trace.joined.unwrap_or_default();
        let mut heard = run
            .trace
            .entries
            .iter()
            .skip_while(|(at, _)| *at < joined)
            .skip_while(|(_, what)| !matches!(what, Happened::Said(crate::Output::Join { .. })));
        if heard.any(|(_, what)| matches!(what, Happened::Heard(clip) if self.is_menu_only(&clip.key.prompt)))
        {
            let what =
                ("a waiting caller hears a menu again", "une personne en attente entend de nouveau un menu");
            self.break_rule("menu", way, what);
        }
        run.input(Input::Answered);
        if run.sound || run.is_playing() || run.walk.poll_timeout().is_some() {
            self.break_rule(
                "answered",
                way,
                ("sound goes on after the answer", "le son continue après la réponse"),
            );
        }
    }

    fn is_menu_only(&self, prompt: &PromptId) -> bool {
        let graph = &self.plan.graph;
        graph.menus.iter().any(|menu| menu.say.contains(prompt))
            && !graph.messages().any(|(_, say)| say.contains(prompt))
            && !graph.neutral.values().flatten().any(|p| p == prompt)
    }

    fn break_rule(&mut self, rule: &'static str, way: &Way<'_>, (en, fr): Both) {
        if self.broken.insert(rule) {
            let place = self.plan.line(way.line).map(|line| line.place.clone()).unwrap_or_default();
            let remedy = (
                "play it with `havre dialplan walk`, and mend the menu or the key",
                "suivez-le avec `havre dialplan walk`, puis corrigez le menu ou la touche",
            );
            let path = way.describe();
            let what = Said { en: format!("{en} ({})", path.en), fr: format!("{fr} ({})", path.fr) };
            self.file.error(&place, what, remedy);
        }
    }

    fn report_lengths(&self) {
        let graph = &self.plan.graph;
        let checks = [
            (&self.proof.longest, JOIN_WITHOUT_KEY, ("from INVITE to queue", "de l’INVITE à la file")),
            (
                &self.proof.longest_after_key,
                JOIN_AFTER_KEY,
                ("from a key to queue", "d’une touche à la file"),
            ),
        ];
        for (path, limit, (en, fr)) in checks {
            if path.takes <= limit {
                continue;
            }
            let over = (path.takes - limit).as_secs_f64();
            let (mut parts, mut parts_fr) = (Vec::new(), Vec::new());
            for menu in &graph.menus {
                let lasts = say_length(self.plan.catalogue(), &menu.say).as_secs_f64();
                let (name, after) = (&menu.name, menu.no_input_after.as_secs_f64());
                parts.push(format!("menu {name} says {lasts:.1} s and waits {after:.1} s"));
                let (lasts, after) = (comma(lasts), comma(after));
                parts_fr.push(format!("le menu {name} parle pendant {lasts} s et attend {after} s"));
            }
            let place = Place { line: graph.menus[0].place.line, key: graph.menus[0].place.key.clone() };
            let (takes, limit) = (path.takes.as_secs_f64(), limit.as_secs());
            let what = Said {
                en: format!(
                    "the longest path takes {takes:.1} s {en}; the limit is {limit} s ({})",
                    path.keys.en
                ),
                fr: format!(
                    "le plus long parcours prend {} s {fr}; la limite est de {limit} s ({})",
                    comma(takes),
                    path.keys.fr
                ),
            };
            let answer = graph.answer_after.as_secs_f64();
            let remedy = Said {
                en: format!("cut {over:.1} s: answer.after is {answer:.1} s; {}", parts.join("; ")),
                fr: format!(
                    "retranchez {} s\u{a0}: answer.after est de {} s; {}",
                    comma(over),
                    comma(answer),
                    parts_fr.join("; ")
                ),
            };
            self.file.error(&place, what, remedy);
        }
    }
}
