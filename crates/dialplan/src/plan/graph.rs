//! The compiled graph: what [`crate::Walk`] walks. Every name is resolved, every prompt exists.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use havre_model::{Digit, Language, LineId, Mode, Risk, WaitingSound, Widening};

use crate::PromptId;
use crate::file::Place;

/// A plan's graph: lines lead to menus, menus to further menus or to waiting, waiting to a person. There is no node
/// that ends a call.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    pub(crate) answer_after: Duration,
    pub(crate) french_areas: BTreeSet<String>,
    pub(crate) lines: Vec<Line>,
    pub(crate) menus: Vec<Menu>,
    pub(crate) waiting: Waiting,
    pub(crate) neutral: BTreeMap<PromptId, Option<PromptId>>,
    pub(crate) neutral_place: Place,
    pub(crate) widening: Arc<Widening>,
    pub(crate) on_call: Extra,
    pub(crate) interpreter: Extra,
    pub(crate) partner: Partner,
}

/// A line that callers dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its name.
    pub id: LineId,
    /// What screens call it.
    pub label: String,
    /// Its numbers, in E.164.
    pub numbers: Vec<String>,
    /// Whether French is said first, whoever calls.
    pub french_first: bool,
    pub(crate) menu: usize,
    pub(crate) place: Place,
}

/// A choice by keys, before the queue.
#[derive(Clone, Debug)]
pub(crate) struct Menu {
    pub(crate) place: Place,
    pub(crate) name: String,
    pub(crate) say: Vec<PromptId>,
    /// Counted from the end of what is said.
    pub(crate) no_input_after: Duration,
    pub(crate) no_input: Then,
    pub(crate) no_match: NoMatch,
    pub(crate) keys: BTreeMap<Digit, Choice>,
}

/// What a wrong key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoMatch {
    Ignore,
    Join,
}

/// What a key of a menu does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) set: Set,
    pub(crate) then: Then,
}

/// Where a caller goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Then {
    Join,
    Menu(usize),
}

/// What a key says of the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Set {
    pub(crate) language: Option<Language>,
    pub(crate) risk: Option<Risk>,
    pub(crate) silent: bool,
    pub(crate) discreet: bool,
    pub(crate) sound: Option<WaitingSound>,
}

impl Set {
    /// `mode` with this set in it.
    pub(crate) fn mode(&self, mode: Mode) -> Mode {
        Mode {
            silent: mode.silent || self.silent,
            discreet: mode.discreet || self.discreet,
            sound: self.sound.unwrap_or(mode.sound),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) place: Place,
    pub(crate) sound: PromptId,
    pub(crate) tick: PromptId,
    pub(crate) say: Vec<PromptId>,
    pub(crate) say_unknown: Vec<PromptId>,
    pub(crate) pause: Duration,
    pub(crate) silent: Vec<PromptId>,
    pub(crate) advocate_lost: Vec<PromptId>,
    pub(crate) trouble: Vec<PromptId>,
    pub(crate) reminder: Reminder,
    pub(crate) keys: BTreeMap<Digit, WaitingKey>,
}

/// "You're still in line."
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reminder {
    /// First, from joining.
    pub(crate) after: Duration,
    /// Never sooner than this after another message.
    pub(crate) after_message: Duration,
    /// From one to the next.
    pub(crate) every: Duration,
    pub(crate) say: Vec<PromptId>,
}

/// What a key does while waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitingKey {
    Set(Set),
    Repeat,
    OtherLanguage,
}

/// A step that is off unless it has a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extra {
    pub(crate) enabled: bool,
    pub(crate) say: Vec<PromptId>,
}

/// The offer of a partner centre.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Partner {
    pub(crate) place: Place,
    pub(crate) enabled: bool,
    pub(crate) say: Vec<PromptId>,
    /// How long its keys count after it was said.
    pub(crate) open: Duration,
    pub(crate) keys: BTreeMap<Digit, PartnerKey>,
}

/// What a key does in the offer, in place of what it does while waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartnerKey {
    Go,
    Ignore,
}

impl Graph {
    /// Everything that may be said to a waiting caller.
    pub(crate) fn messages(&self) -> impl Iterator<Item = (&'static str, &Vec<PromptId>)> {
        let w = &self.waiting;
        [
            ("waiting.say", &w.say),
            ("waiting.say_unknown", &w.say_unknown),
            ("waiting.silent", &w.silent),
            ("waiting.advocate_lost", &w.advocate_lost),
            ("waiting.trouble", &w.trouble),
            ("waiting.no_input.say", &w.reminder.say),
            ("on_call.say", &self.on_call.say),
            ("partner.say", &self.partner.say),
            ("interpreter.say", &self.interpreter.say),
        ]
        .into_iter()
    }
}
