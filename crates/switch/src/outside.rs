//! People outside: rung over trunks, at the telephones that the configuration names.
//!
//! What answers there may be a voicemail, or anybody who lives in the house. So a caller is never bridged to a telephone
//! that was merely picked up: whoever holds it takes the call by a key, hears what call it is, and only then counts as an
//! answer. Until then the search goes on, and another may be first.

use std::time::Duration;

use havre_dialplan::{Cue, Notice};
use havre_media as media;
use havre_model::{AgentId, CallId, Cause, Digit, LegId, Now, OfferId, PlayId, Spoken, WithdrawReason};
use havre_queue as queue;
use havre_sip as sip;

use crate::leg::{Leg, Part, Role};
use crate::switch::Switch;

/// How often the question is asked; the queue's patience ends sooner.
const QUESTIONS: usize = 6;
/// From one question to the next: a moment to find the keypad.
const BETWEEN_QUESTIONS: Duration = Duration::from_secs(2);
/// What answers is not always at the ear yet.
const BEFORE_QUESTION: Duration = Duration::from_millis(500);

impl Switch {
    /// Whose telephone a trunk leads to; `former` had one.
    pub(crate) fn say_who_has_a_telephone(&mut self, former: impl Iterator<Item = AgentId>, now: Now) {
        let mut owners: Vec<AgentId> = self.outsiders.phones.keys().cloned().chain(former).collect();
        // The table has no order of its own, and runs must repeat.
        owners.sort_unstable();
        owners.dedup();
        for agent in owners {
            let outside = self.outsiders.phones.get(&agent);
            let yes = outside.is_some_and(|outside| self.sip.can_reach(&outside.group));
            self.queue.handle_input(queue::Input::Telephone { agent, yes }, now);
        }
    }

    /// Whose name a call to the outside is placed in: a number of the line. Never the caller's.
    pub(crate) fn line_identity(&self, call: CallId) -> Option<sip::Identity> {
        let number = self.calls.get(&call)?.call.line_number()?;
        Some(sip::Identity { display: String::new(), user: number.to_owned(), host: None })
    }

    /// It is answered: who is there is asked to take the call.
    pub(crate) fn ask(&mut self, leg: LegId, offer: OfferId, now: Now) {
        self.set_part(leg, Part::Asked { offer });
        self.queue.handle_input(queue::Input::Asked { offer }, now);
        let question = Cue::Clip(self.notice(leg, Notice::Ask));
        let asked = std::iter::repeat_n([question, Cue::Pause(BETWEEN_QUESTIONS)], QUESTIONS);
        let cues: Vec<_> = [Cue::Pause(BEFORE_QUESTION)].into_iter().chain(asked.flatten()).collect();
        self.play_to(leg, QUESTION, &cues);
    }

    /// A key of a telephone that is asked, as tones or as a SIP INFO.
    pub(crate) fn on_asked_key(&mut self, leg: LegId, digit: Digit, now: Now) {
        let Some(Leg { role: Role::Agent { call, part: Part::Asked { offer }, .. }, .. }) =
            self.legs.get(&leg)
        else {
            return;
        };
        let (call, offer) = (*call, *offer);
        // A wrong key is no answer and no refusal: the question goes on.
        if digit.as_char() != TAKES {
            return;
        }
        let Some(caller) = self.calls.get(&call).map(|entry| &entry.call) else { return };
        let briefing = Notice::briefing(caller.language(), caller.risk(), caller.mode());
        let cues: Vec<_> = briefing.map(|notice| Cue::Clip(self.notice(leg, notice))).collect();
        self.set_part(leg, Part::Briefed { offer });
        self.queue.handle_input(queue::Input::Asked { offer }, now);
        self.play_to(leg, BRIEFING, &cues);
    }

    /// The data plane noticed something on the leg of a telephone that was answered and has no caller.
    pub(crate) fn on_asked_media(&mut self, leg: LegId, event: &media::Event, now: Now) {
        let Some(Leg { role: Role::Agent { part, .. }, .. }) = self.legs.get(&leg) else { return };
        match (*part, event) {
            (_, media::Event::Digit { digit, .. }) => self.on_asked_key(leg, *digit, now),
            (Part::Briefed { offer }, media::Event::PlayDone { play: BRIEFING, .. }) => {
                self.queue.handle_input(queue::Input::OfferAnswered { offer }, now);
            }
            // Thanks that nobody hears need no end. The question's is the queue's affair.
            (
                Part::Thanked,
                media::Event::PlayDone { play: THANKS, .. }
                | media::Event::MediaLost { .. }
                | media::Event::Unreachable { .. },
            ) => {
                self.drop_leg(leg, Cause::Withdrawn, now);
            }
            _ => {}
        }
    }

    /// SIP said something about a telephone that was answered and has no caller.
    pub(crate) fn on_asked_event(&mut self, leg: LegId, event: &sip::Event, now: Now) {
        match event {
            sip::Event::Digit { digit, .. } => self.on_asked_key(leg, *digit, now),
            sip::Event::Ended { .. } => {
                if let Some(ended) = self.forget_leg(leg) {
                    self.on_offer_ended(ended, WithdrawReason::NotTaken, now);
                }
            }
            _ => {}
        }
    }

    /// A phone whose offer is over: it stops ringing, or whoever has picked up a telephone outside is told.
    pub(crate) fn let_go(&mut self, leg: LegId, now: Now) {
        let role = self.legs.get(&leg).map(|leg| &leg.role);
        if let Some(Role::Agent { part: Part::Asked { .. } | Part::Briefed { .. }, .. }) = role {
            self.set_part(leg, Part::Thanked);
            let cues = [Cue::Clip(self.notice(leg, Notice::NotNeeded))];
            self.play_to(leg, THANKS, &cues);
        } else {
            self.drop_leg(leg, Cause::Withdrawn, now);
        }
    }

    /// A phone has no page that shows keys as words, and nobody tells one tone from another: the word is said instead.
    pub(crate) fn say_word(&mut self, leg: LegId, yes: bool) {
        let word = if yes { Notice::Yes } else { Notice::No };
        let cues = [Cue::Clip(self.notice(leg, word))];
        self.play_to(leg, WORD, &cues);
    }

    fn set_part(&mut self, leg: LegId, to: Part) {
        if let Some(Leg { role: Role::Agent { part, .. }, .. }) = self.legs.get_mut(&leg) {
            *part = to;
        }
    }

    /// A notice in the language of whom the leg rang for.
    fn notice(&self, leg: LegId, what: Notice) -> std::sync::Arc<havre_dialplan::Clip> {
        let reader = match self.legs.get(&leg).map(|leg| &leg.role) {
            Some(Role::Agent { agent, .. }) => self.agents.get(agent).map(|profile| profile.ui_language),
            _ => None,
        };
        self.plan.catalogue().notice(what, reader.unwrap_or(Spoken::En))
    }

    fn play_to(&mut self, leg: LegId, play: PlayId, cues: &[Cue]) {
        let clips = self.library.clips(cues);
        self.command_media(leg, media::Command::Play { leg, play, clips });
    }
}

/// The key that takes a call.
const TAKES: char = '1';
/// Names of what is played to a telephone outside.
const QUESTION: PlayId = PlayId(1);
const BRIEFING: PlayId = PlayId(2);
const THANKS: PlayId = PlayId(3);
const WORD: PlayId = PlayId(4);
