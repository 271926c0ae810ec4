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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProvenPath {
    /// Which line, in which order, and which keys: for people.
    pub keys: String,
    /// How long it takes.
    pub takes: Duration,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { paths, longest, longest_after_key } = self;
        let (all, key) = (longest.takes.as_secs_f64(), longest_after_key.takes.as_secs_f64());
        writeln!(f, "{paths} key paths, every one ends at a person")?;
        writeln!(
            f,
            "longest: {all:.1} s from INVITE to queue ({}), limit {} s",
            longest.keys,
            JOIN_WITHOUT_KEY.as_secs()
        )?;
        write!(
            f,
            "after a key: {key:.1} s ({}), limit {} s",
            longest_after_key.keys,
            JOIN_AFTER_KEY.as_secs()
        )
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

/// How a path came to where it is.
#[derive(Clone)]
struct Way<'w> {
    line: &'w LineId,
    french_first: bool,
    keys: String,
    first_key: Option<Duration>,
}

impl Way<'_> {
    fn with_key(&self, key: &str, at: Duration, acts: bool) -> Self {
        let comma = if self.keys.is_empty() { "" } else { ", " };
        let keys = format!("{}{comma}{key} at {:.1} s", self.keys, at.as_secs_f64());
        let first_key = if acts { self.first_key.or(Some(at)) } else { self.first_key };
        Self { keys, first_key, ..self.clone() }
    }

    fn describe(&self) -> String {
        let order = if self.french_first { "French first" } else { "English first" };
        let keys = if self.keys.is_empty() { "no key" } else { &self.keys };
        format!("line {}, {order}, {keys}", self.line)
    }
}

impl Prover<'_> {
    fn line(&mut self, line: &LineId, french_first: bool) {
        let mut run =
            Run::new(self.plan, line, french_first, Limits { without_key: NEVER, after_key: NEVER });
        run.advance(self.plan.answer_after());
        run.input(Input::Picked);
        let way = Way { line, french_first, keys: String::new(), first_key: None };
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
                    self.arrive(&pressed, &way.with_key(&digit.to_string(), at, true));
                }
            }
            let all = way.with_key("a storm of all keys", at, true);
            self.storm(here.clone(), &all, &Digit::all());
            let wrong = way.with_key("a storm of wrong keys", at, false);
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
            self.break_rule("storm", way, "a storm of keys does not raise the class");
        }
        self.arrive(&run, way);
    }

    /// A path has left its menu.
    fn arrive(&mut self, run: &Run, way: &Way<'_>) {
        let Some(joined) = run.trace.joined else {
            match run.walk.menu() {
                Some(_) if run.now < NEVER && !run.spins => self.menu(run, way),
                _ => self.break_rule("never", way, "this path never reaches the queue"),
            }
            return;
        };
        self.proof.paths += 1;
        if joined > self.proof.longest.takes || self.proof.longest.keys.is_empty() {
            self.proof.longest = ProvenPath { keys: way.describe(), takes: joined };
        }
        let after_key = way.first_key.map(|first| joined.saturating_sub(first));
        if let Some(takes) = after_key.filter(|t| {
            *t > self.proof.longest_after_key.takes || self.proof.longest_after_key.keys.is_empty()
        }) {
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
            self.break_rule("paths", way, "there are too many key paths to walk them all");
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
                let way = way.with_key(&first.to_string(), at, true);
                one.advance(at + STORM_STEP);
                for second in Digit::all() {
                    let mut two = one.clone();
                    two.input(Input::Digit(second));
                    self.proof.paths += 1;
                    if !two.walk.is_like(&one.walk) {
                        let way = way.with_key(&second.to_string(), two.now, true);
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
            self.break_rule("sound", way, "a waiting caller hears nothing");
        }
        if run.spins || run.walk.menu().is_some() {
            self.break_rule("stuck", way, "a waiting caller is stuck");
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
            self.break_rule("menu", way, "a waiting caller hears a menu again");
        }
        run.input(Input::Answered);
        if run.sound || run.is_playing() || run.walk.poll_timeout().is_some() {
            self.break_rule("answered", way, "sound goes on after the answer");
        }
    }

    fn is_menu_only(&self, prompt: &PromptId) -> bool {
        let graph = &self.plan.graph;
        graph.menus.iter().any(|menu| menu.say.contains(prompt))
            && !graph.messages().any(|(_, say)| say.contains(prompt))
            && !graph.neutral.values().flatten().any(|p| p == prompt)
    }

    fn break_rule(&mut self, rule: &'static str, way: &Way<'_>, what: &str) {
        if self.broken.insert(rule) {
            let place = self.plan.line(way.line).map(|line| line.place.clone()).unwrap_or_default();
            let remedy = "play it with `havre dialplan walk`, and mend the menu or the key";
            self.file.error(&place, format!("{what} ({})", way.describe()), remedy);
        }
    }

    fn report_lengths(&self) {
        let graph = &self.plan.graph;
        let checks = [
            (&self.proof.longest, JOIN_WITHOUT_KEY, "from INVITE to queue"),
            (&self.proof.longest_after_key, JOIN_AFTER_KEY, "from a key to queue"),
        ];
        for (path, limit, what) in checks {
            if path.takes <= limit {
                continue;
            }
            let over = (path.takes - limit).as_secs_f64();
            let parts: Vec<_> = graph
                .menus
                .iter()
                .map(|menu| {
                    let lasts = say_length(self.plan.catalogue(), &menu.say).as_secs_f64();
                    let after = menu.no_input_after.as_secs_f64();
                    format!("menu {} says {lasts:.1} s and waits {after:.1} s", menu.name)
                })
                .collect();
            let place = Place { line: graph.menus[0].place.line, key: graph.menus[0].place.key.clone() };
            let (takes, limit) = (path.takes.as_secs_f64(), limit.as_secs());
            let what =
                format!("the longest path takes {takes:.1} s {what}; the limit is {limit} s ({})", path.keys);
            let answer = graph.answer_after.as_secs_f64();
            let remedy = format!("cut {over:.1} s: answer.after is {answer:.1} s; {}", parts.join("; "));
            self.file.error(&place, what, remedy);
        }
    }
}
