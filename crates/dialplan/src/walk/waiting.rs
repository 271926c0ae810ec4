//! Waiting in the queue: messages between stretches of sound, and what the keys do meanwhile.

use std::collections::VecDeque;
use std::time::Duration;

use havre_model::{Digit, Language, Mono, PlayId, Wakeup};

use super::caller::Caller;
use super::{Cue, Output};
use crate::PromptId;
use crate::limits::PLAY_SLACK;
use crate::plan::{PartnerKey, Set, WaitingKey};

/// What there is to say to a waiting caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// P2 and P3, once.
    Opening,
    /// P5: nobody has to speak.
    Silent,
    /// P6: still in line.
    Reminder,
    /// P7: further phones ring.
    MoreHelp,
    /// P8: the partner centre.
    Partner,
    /// P9: an interpreter comes.
    Interpreter,
    /// P10: a technical problem.
    Trouble,
    /// P12: the advocate was lost.
    Lost,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Waiting {
    voice: Voice,
    /// Said one after the other once the present message is over; each kind at most once.
    pending: VecDeque<Message>,
    /// No reminder before this.
    remind_from: Mono,
}

/// What is heard over the sound.
#[derive(Clone, Debug, PartialEq)]
enum Voice {
    /// Nothing, since then.
    Quiet { since: Mono },
    /// A message.
    Saying { message: Message, play: PlayId, began: Mono, begins: Vec<(PromptId, Duration)>, ends: Mono },
    /// Nothing: the partner centre was offered, and a key may still come.
    Choosing { until: Mono },
}

#[derive(Clone, Debug, PartialEq)]
struct Message {
    kind: Kind,
    prompts: Vec<PromptId>,
}

impl Waiting {
    /// The caller has just come; the sound is on.
    pub(super) fn new(first: Kind, caller: &mut Caller, now: Mono) -> Self {
        let remind_from = now + caller.plan.graph.waiting.reminder.after;
        let mut waiting = Self { voice: Voice::Quiet { since: now }, pending: VecDeque::new(), remind_from };
        if caller.listens() {
            if first == Kind::Opening && caller.mode.silent {
                waiting.pending.push_back(message(Kind::Silent, caller));
            }
            waiting.pending.push_back(message(first, caller));
            waiting.say_next(caller, now, Duration::ZERO);
        }
        waiting
    }

    pub(super) fn on_digit(&mut self, digit: Digit, caller: &mut Caller, now: Mono) {
        if self.partner_is_open() {
            match caller.plan.graph.partner.keys.get(&digit) {
                Some(PartnerKey::Go) => {
                    caller.emit(Output::Partner);
                    return self.hush(caller, now);
                }
                Some(PartnerKey::Ignore) => return,
                None => {}
            }
        }
        match caller.plan.graph.waiting.keys.get(&digit).copied() {
            Some(WaitingKey::Set(set)) => self.on_set(&set, caller, now),
            Some(WaitingKey::Repeat) => self.repeat(caller, now),
            Some(WaitingKey::OtherLanguage) => {
                let before = caller.wishes();
                caller.language = caller.other_language();
                caller.emit_changes(before);
                self.on_new_words(caller, now);
            }
            None => {}
        }
    }

    /// Something has happened that the caller should know.
    pub(super) fn tell(&mut self, kind: Kind, caller: &mut Caller, now: Mono) {
        let graph = &caller.plan.graph;
        let fits = match kind {
            Kind::MoreHelp => graph.on_call.enabled,
            Kind::Interpreter => graph.interpreter.enabled,
            Kind::Partner => graph.partner.enabled && !caller.mode.silent,
            _ => true,
        };
        let told = self.saying() == Some(kind) || self.pending.iter().any(|m| m.kind == kind);
        if !fits || told || !caller.listens() {
            return;
        }
        if kind == Kind::Trouble {
            return self.interrupt(message(kind, caller), caller, now);
        }
        self.pending.push_back(message(kind, caller));
        if matches!(self.voice, Voice::Quiet { .. }) {
            self.say_next(caller, now, Duration::ZERO);
        }
    }

    pub(super) fn on_play_done(&mut self, done: PlayId, caller: &mut Caller, now: Mono) {
        if matches!(&self.voice, Voice::Saying { play, .. } if *play == done) {
            self.on_said(caller, now);
        }
    }

    pub(super) fn handle_timeout(&mut self, caller: &mut Caller, now: Mono) {
        if self.poll_timeout(caller).is_none_or(|wakeup| wakeup.at > now) {
            return;
        }
        match self.voice {
            Voice::Saying { .. } => self.on_said(caller, now),
            Voice::Choosing { .. } => {
                self.voice = Voice::Quiet { since: now };
                self.say_next(caller, now, Duration::ZERO);
            }
            Voice::Quiet { .. } => self.remind(caller, now),
        }
    }

    pub(super) fn poll_timeout(&self, caller: &Caller) -> Option<Wakeup> {
        match &self.voice {
            Voice::Saying { ends, .. } => Some(Wakeup { at: *ends + PLAY_SLACK, why: "prompt overdue" }),
            Voice::Choosing { until } => Some(Wakeup { at: *until, why: "offer closes" }),
            Voice::Quiet { since } => caller.listens().then(|| {
                let at = self.remind_from.max(*since + caller.plan.graph.waiting.reminder.after_message);
                Wakeup { at, why: "reminder" }
            }),
        }
    }

    fn on_set(&mut self, set: &Set, caller: &mut Caller, now: Mono) {
        let before = caller.wishes();
        let mut set = *set;
        // Once known, the language is changed by "the other language" only: 1 and 2 may be meant for something else.
        if set.language.is_some_and(|l| l.spoken().is_some()) && caller.language != Language::Unknown {
            set.language = None;
        }
        caller.apply(&set);
        caller.emit_changes(before);
        if set.sound.is_some() {
            self.pending.clear();
            return self.hush(caller, now);
        }
        if caller.mode.silent && !before.2.silent {
            return self.on_silent(caller, now);
        }
        let language = caller.language != before.0 && caller.language.spoken().is_some();
        if language {
            self.on_new_words(caller, now);
        } else if caller.mode.discreet && !before.2.discreet {
            self.say_anew(caller, now);
        }
    }

    /// The caller cannot talk: this is said at once, and the partner centre is no longer offered.
    fn on_silent(&mut self, caller: &mut Caller, now: Mono) {
        self.pending.retain(|m| m.kind != Kind::Partner);
        if caller.listens() {
            self.interrupt(message(Kind::Silent, caller), caller, now);
        }
    }

    /// What is being said goes on in the new language; if nothing is, a few words show that it was understood.
    fn on_new_words(&mut self, caller: &mut Caller, now: Mono) {
        if self.say_anew(caller, now) || !caller.listens() {
            return;
        }
        self.remind(caller, now);
    }

    fn remind(&mut self, caller: &mut Caller, now: Mono) {
        self.remind_from = now + caller.plan.graph.waiting.reminder.every;
        self.say(message(Kind::Reminder, caller), caller, now, Duration::ZERO);
    }

    /// The offer, if it is open; otherwise what was said first. The key is a wish: it is heard even where messages are
    /// stopped.
    fn repeat(&mut self, caller: &mut Caller, now: Mono) {
        if self.partner_is_open() {
            return self.say(message(Kind::Partner, caller), caller, now, Duration::ZERO);
        }
        let mut again = message(Kind::Opening, caller);
        if caller.mode.silent {
            again.prompts.splice(0..0, message(Kind::Silent, caller).prompts);
        }
        self.pending.retain(|m| m.kind != Kind::Opening && m.kind != Kind::Silent);
        self.say(again, caller, now, Duration::ZERO);
    }

    fn saying(&self) -> Option<Kind> {
        match &self.voice {
            Voice::Saying { message, .. } => Some(message.kind),
            Voice::Choosing { .. } => Some(Kind::Partner),
            Voice::Quiet { .. } => None,
        }
    }

    fn partner_is_open(&self) -> bool {
        self.saying() == Some(Kind::Partner)
    }

    /// The present message again from its present prompt, in the words of now. Whether there was one.
    fn say_anew(&mut self, caller: &mut Caller, now: Mono) -> bool {
        let message = match &self.voice {
            Voice::Saying { message, began, begins, .. } => {
                let begun = begins.iter().filter(|(_, at)| *began + *at <= now).count();
                let first = begins.get(begun.saturating_sub(1)).map(|(id, _)| id);
                let from = message.prompts.iter().position(|id| Some(id) == first).unwrap_or(0);
                Message { kind: message.kind, prompts: message.prompts[from..].to_vec() }
            }
            Voice::Choosing { .. } => message(Kind::Partner, caller),
            Voice::Quiet { .. } => return false,
        };
        self.say(message, caller, now, Duration::ZERO);
        true
    }

    /// Says `message` at once. What the present one had not begun to say comes after it.
    fn interrupt(&mut self, message: Message, caller: &mut Caller, now: Mono) {
        if let Voice::Saying { message: present, began, begins, .. } = &self.voice {
            let rest = begins.iter().filter(|(_, at)| *began + *at > now).map(|(id, _)| id.clone());
            let rest = Message { kind: present.kind, prompts: rest.collect() };
            if !rest.prompts.is_empty() {
                self.pending.push_front(rest);
            }
        }
        self.say(message, caller, now, Duration::ZERO);
    }

    fn on_said(&mut self, caller: &mut Caller, now: Mono) {
        if self.saying() == Some(Kind::Partner) {
            self.voice = Voice::Choosing { until: now + caller.plan.graph.partner.open };
            return;
        }
        self.voice = Voice::Quiet { since: now };
        let pause = caller.plan.graph.waiting.pause;
        self.say_next(caller, now, pause);
    }

    fn say_next(&mut self, caller: &mut Caller, now: Mono, lead: Duration) {
        if let Some(message) = self.pending.pop_front() {
            self.say(message, caller, now, lead);
        }
    }

    fn say(&mut self, message: Message, caller: &mut Caller, now: Mono, lead: Duration) {
        let (mut cues, mut begins) = caller.message_cues(&message.prompts);
        if cues.is_empty() {
            // Nothing of it may be said in this manner.
            if !matches!(self.voice, Voice::Quiet { .. }) {
                self.hush(caller, now);
            }
            return self.say_next(caller, now, lead);
        }
        if !lead.is_zero() {
            cues.insert(0, Cue::Pause(lead));
            for (_, at) in &mut begins {
                *at += lead;
            }
        }
        let ends = now + cues.iter().map(Cue::duration).sum();
        let play = caller.play(cues);
        self.voice = Voice::Saying { message, play, began: now, begins, ends };
    }

    /// Stops the message; the sound goes on.
    fn hush(&mut self, caller: &mut Caller, now: Mono) {
        caller.emit(Output::Stop);
        caller.emit_sound();
        self.voice = Voice::Quiet { since: now };
    }
}

fn message(kind: Kind, caller: &Caller) -> Message {
    let graph = &caller.plan.graph;
    let waiting = &graph.waiting;
    let prompts = match kind {
        Kind::Opening if caller.language.spoken().is_none() => &waiting.say_unknown,
        Kind::Opening => &waiting.say,
        Kind::Silent => &waiting.silent,
        Kind::Reminder => &waiting.reminder.say,
        Kind::MoreHelp => &graph.on_call.say,
        Kind::Partner => &graph.partner.say,
        Kind::Interpreter => &graph.interpreter.say,
        Kind::Trouble => &waiting.trouble,
        Kind::Lost => &waiting.advocate_lost,
    };
    Message { kind, prompts: prompts.clone() }
}
