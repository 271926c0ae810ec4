//! People outside: rung over trunks, at the telephones that the configuration names. What is said to whoever answers there
//! is [`Telephone`]'s to know.

use havre_call::Telephone;
use havre_call::telephone::{Phrase, Speech, Then};
use havre_dialplan::{Cue, Notice};
use havre_media as media;
use havre_model::{AgentId, CallId, Cause, Digit, LegId, Now, OfferId, PlayId, Spoken, WithdrawReason};
use havre_queue as queue;
use havre_sip as sip;

use crate::leg::{Leg, Part, Role};
use crate::switch::Switch;

/// Name of a word that is said in a talk.
const WORD: PlayId = PlayId(4);

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

    /// It was picked up.
    pub(crate) fn ask(&mut self, leg: LegId, offer: OfferId, now: Now) {
        self.goes_on(leg, Telephone::answered(offer));
        self.queue.handle_input(queue::Input::Asked { offer }, now);
    }

    /// A key, as tones or as a SIP INFO.
    fn on_outside_key(&mut self, leg: LegId, telephone: Telephone, digit: Digit, now: Now) {
        let call = self.legs.get(&leg).and_then(Leg::call).and_then(|call| self.calls.get(&call));
        let Some(next) = call.and_then(|entry| telephone.on_key(digit, entry.call.briefing())) else {
            return;
        };
        if let Some(offer) = next.0.offer() {
            // Its patience begins anew.
            self.queue.handle_input(queue::Input::Asked { offer }, now);
        }
        self.goes_on(leg, next);
    }

    /// The data plane noticed something on the leg of a telephone that was picked up and has no caller.
    pub(crate) fn on_outside_media(
        &mut self,
        leg: LegId,
        telephone: Telephone,
        event: &media::Event,
        now: Now,
    ) {
        let then = match event {
            media::Event::Digit { digit, .. } => return self.on_outside_key(leg, telephone, *digit, now),
            media::Event::PlayDone { play, .. } => telephone.on_said(*play),
            media::Event::MediaLost { .. } | media::Event::Unreachable { .. } => telephone.on_silence(),
            _ => None,
        };
        match then {
            Some(Then::Answer(offer)) => {
                self.queue.handle_input(queue::Input::OfferAnswered { offer }, now);
            }
            Some(Then::HangUp) => drop(self.drop_leg(leg, Cause::Withdrawn, now)),
            None => {}
        }
    }

    /// SIP said something about it.
    pub(crate) fn on_outside_event(
        &mut self,
        leg: LegId,
        telephone: Telephone,
        event: &sip::Event,
        now: Now,
    ) {
        match event {
            sip::Event::Digit { digit, .. } => self.on_outside_key(leg, telephone, *digit, now),
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
        let next = match self.legs.get(&leg).map(|leg| &leg.role) {
            Some(Role::Agent { part: Part::Outside(telephone), .. }) => telephone.let_go(),
            _ => None,
        };
        match next {
            Some(next) => self.goes_on(leg, next),
            None => drop(self.drop_leg(leg, Cause::Withdrawn, now)),
        }
    }

    /// A phone has no page that shows keys as words, and nobody tells one tone from another: the word is said instead.
    pub(crate) fn say_word(&mut self, leg: LegId, yes: bool) {
        let word = if yes { Notice::Yes } else { Notice::No };
        let cues = [Cue::Clip(self.notice(leg, word))];
        self.play_to(leg, WORD, &cues);
    }

    fn goes_on(&mut self, leg: LegId, (telephone, speech): (Telephone, Speech)) {
        if let Some(Leg { role: Role::Agent { part, .. }, .. }) = self.legs.get_mut(&leg) {
            *part = Part::Outside(telephone);
        }
        let cue = |phrase: &Phrase| match phrase {
            Phrase::Say(notice) => Cue::Clip(self.notice(leg, *notice)),
            Phrase::Pause(time) => Cue::Pause(*time),
        };
        let cues: Vec<_> = speech.phrases.iter().map(cue).collect();
        self.play_to(leg, speech.play, &cues);
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
