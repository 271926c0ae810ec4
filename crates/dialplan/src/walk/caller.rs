//! What the keys have said of a caller, and how to speak to this one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use havre_model::{Language, Mode, Mono, PlayId, Risk, Spoken, WaitingSound};

use super::{Cue, Output};
use crate::limits::{KEY_STORM_KEYS, KEY_STORM_WINDOW};
use crate::plan::Set;
use crate::{Dialplan, PromptId};

#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) plan: Arc<Dialplan>,
    pub(super) french_first: bool,
    pub(super) language: Language,
    pub(super) risk: Risk,
    pub(super) mode: Mode,
    outputs: VecDeque<Output>,
    plays: u64,
    /// When the last keys were pressed: one more than [`KEY_STORM_KEYS`] at most.
    keys: VecDeque<Mono>,
}

impl Caller {
    pub(super) fn new(plan: Arc<Dialplan>, french_first: bool) -> Self {
        Self {
            plan,
            french_first,
            language: Language::Unknown,
            risk: Risk::Standard,
            mode: Mode::default(),
            outputs: VecDeque::new(),
            plays: 0,
            keys: VecDeque::new(),
        }
    }

    pub(super) fn emit(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The sound of the chosen manner.
    pub(super) fn emit_sound(&mut self) {
        let waiting = &self.plan.graph.waiting;
        let sound = match self.mode.sound {
            WaitingSound::Full | WaitingSound::NoMessages => &waiting.sound,
            WaitingSound::Tick => &waiting.tick,
        };
        if let Some(clip) = self.plan.catalogue().clip(sound.as_str(), None) {
            self.outputs.push_back(Output::Sound(clip.clone()));
        }
    }

    pub(super) fn play(&mut self, cues: Vec<Cue>) -> PlayId {
        self.plays += 1;
        let play = PlayId(self.plays);
        self.emit(Output::Play { play, cues });
        play
    }

    pub(super) fn apply(&mut self, set: &Set) {
        self.language = set.language.unwrap_or(self.language);
        self.risk = set.risk.map_or(self.risk, |risk| self.risk.changed_to(risk));
        self.mode = set.mode(self.mode);
    }

    pub(super) fn wishes(&self) -> (Language, Risk, Mode) {
        (self.language, self.risk, self.mode)
    }

    /// Says what is not as it was `before`.
    pub(super) fn emit_changes(&mut self, before: (Language, Risk, Mode)) {
        let language = (self.language != before.0).then_some(self.language);
        let risk = (self.risk != before.1).then_some(self.risk);
        let mode = (self.mode != before.2).then_some(self.mode);
        if language.is_some() || risk.is_some() || mode.is_some() {
            self.emit(Output::Changed { language, risk, mode });
        }
    }

    /// Counts a key; whether it is one too many for a calm caller.
    pub(super) fn is_storm(&mut self, now: Mono) -> bool {
        self.keys.push_back(now);
        if self.keys.len() > KEY_STORM_KEYS + 1 {
            self.keys.pop_front();
        }
        self.keys.len() > KEY_STORM_KEYS
            && self.keys.front().is_some_and(|first| now.since(*first) <= KEY_STORM_WINDOW)
    }

    /// Whether messages are said at all.
    pub(super) fn listens(&self) -> bool {
        self.mode.sound == WaitingSound::Full
    }

    /// The other language, for whoever asks for it: of the two, the one that is not said first.
    pub(super) fn other_language(&self) -> Language {
        match (self.language, self.french_first) {
            (Language::En, _) | (Language::Unknown | Language::Other, false) => Language::Fr,
            (Language::Fr, _) | (Language::Unknown | Language::Other, true) => Language::En,
        }
    }

    pub(super) fn menu_cues(&self, menu: usize) -> Vec<Cue> {
        let say = &self.plan.graph.menus[menu].say;
        say.iter().flat_map(|id| self.prompt_cues(id)).collect()
    }

    /// The cues of a message, and when each of its prompts begins, from the first cue. Prompts that have no form in the
    /// chosen manner are left out.
    pub(super) fn message_cues(&self, prompts: &[PromptId]) -> (Vec<Cue>, Vec<(PromptId, Duration)>) {
        let pause = self.plan.graph.waiting.pause;
        let (mut cues, mut begins, mut at) = (Vec::new(), Vec::new(), Duration::ZERO);
        for id in prompts {
            let Some(said) = self.in_this_manner(id) else { continue };
            if !cues.is_empty() && !pause.is_zero() {
                cues.push(Cue::Pause(pause));
                at += pause;
            }
            begins.push((id.clone(), at));
            for cue in self.prompt_cues(said) {
                at += cue.duration();
                cues.push(cue);
            }
        }
        (cues, begins)
    }

    fn in_this_manner<'a>(&'a self, id: &'a PromptId) -> Option<&'a PromptId> {
        if self.mode.discreet { self.plan.graph.neutral.get(id)?.as_ref() } else { Some(id) }
    }

    fn prompt_cues(&self, id: &PromptId) -> Vec<Cue> {
        let pair = if self.french_first { self.plan.catalogue().pair(id) } else { None };
        let languages: &[Spoken] = match (self.language.spoken(), self.french_first) {
            (Some(Spoken::Fr), _) => &[Spoken::Fr],
            (Some(_), _) => &[Spoken::En],
            (None, false) => &[Spoken::En, Spoken::Fr],
            (None, true) => &[Spoken::Fr, Spoken::En],
        };
        self.plan.clips(pair.unwrap_or(id), languages).cloned().map(Cue::Clip).collect()
    }
}
