//! What the person holding the phone wants.

use bytes::Bytes;
use havre_media::sdp::Direction;
use havre_media::{Command as MediaCommand, Face};
use havre_model::{Cause, LegId, Now};
use havre_sip::{Command as SipCommand, EndedBy};

use crate::leg::{Dial, Leg};
use crate::{Command, Event, Keying, Phone};

impl Phone {
    pub(crate) fn on_command(&mut self, command: Command, now: Now) {
        match command {
            Command::Register { account, registrar, uri, expires } => {
                self.sip(SipCommand::Register { account, registrar, uri, expires }, now);
            }
            Command::Unregister => self.sip(SipCommand::Unregister, now),
            Command::Dial { leg, to, path, from, account, late_offer, instead_of } => {
                self.dial(leg, Dial { to, path, from, account, late_offer, instead_of });
            }
            Command::Answering(answering) => self.set_answering(answering),
            Command::Answer { leg } => self.answer(leg),
            Command::Decline { leg, status } => self.decline(leg, status, now),
            Command::HangUp { leg } => self.hang_up(leg, Cause::Done, now),
            Command::Hold { leg } => self.hold(leg, true, now),
            Command::Resume { leg } => self.hold(leg, false, now),
            Command::Key { leg, digit, millis, by: Keying::Event } => {
                self.media_of(leg, MediaCommand::SendDigit { leg, digit, millis });
            }
            Command::Key { leg, digit, by: Keying::Info, .. } => {
                if matches!(self.legs.get(&leg), Some(Leg::Talking(_))) {
                    self.sip(SipCommand::SendDigit { leg, digit }, now);
                } else {
                    self.counters.commands_ignored += 1;
                }
            }
            Command::Play { leg, play, clips } => self.media_of(leg, MediaCommand::Play { leg, play, clips }),
            Command::Loop { leg, play, prompt } => {
                self.media_of(leg, MediaCommand::Loop { leg, play, prompt });
            }
            Command::Stop { leg } => self.media_of(leg, MediaCommand::Stop { leg }),
            Command::Listen { leg, on } => self.media_of(leg, MediaCommand::Listen { leg, on }),
        }
    }

    /// Ends a leg, whatever its state.
    pub(crate) fn hang_up(&mut self, leg: LegId, cause: Cause, now: Now) {
        match self.legs.remove(&leg) {
            None => self.counters.commands_ignored += 1,
            // Nothing was sent yet, so nobody else will say that it is over.
            Some(Leg::Opening(_)) => {
                self.media(MediaCommand::Close { leg });
                self.report(Event::Ended { leg, by: EndedBy::Us, status: None, cause });
            }
            Some(state) => {
                let media = state.has_media();
                self.legs.insert(leg, Leg::Leaving { media });
                self.sip(SipCommand::HangUp { leg, cause }, now);
            }
        }
    }

    fn dial(&mut self, leg: LegId, dial: Dial) {
        if self.legs.contains_key(&leg) || self.legs.len() >= self.config.max_legs {
            self.counters.commands_ignored += 1;
            return;
        }
        self.legs.insert(leg, Leg::Opening(Box::new(dial)));
        self.media(MediaCommand::Open { leg, face: Face::Plain });
    }

    fn decline(&mut self, leg: LegId, status: u16, now: Now) {
        match self.legs.get_mut(&leg) {
            Some(state @ (Leg::Ringing { .. } | Leg::Answering { .. })) => {
                *state = Leg::Leaving { media: state.has_media() };
                self.sip(SipCommand::Reject { leg, status }, now);
            }
            _ => self.counters.commands_ignored += 1,
        }
    }

    fn hold(&mut self, leg: LegId, held: bool, now: Now) {
        match self.legs.get_mut(&leg) {
            Some(Leg::Talking(talk)) if talk.asking.is_none() => {
                talk.asking = Some(held);
                talk.session.wish(if held { Direction::SendOnly } else { Direction::SendRecv });
                let sdp = Bytes::from(talk.session.offer());
                self.sip(SipCommand::Reoffer { leg, sdp }, now);
            }
            _ => self.counters.commands_ignored += 1,
        }
    }

    fn media_of(&mut self, leg: LegId, command: MediaCommand) {
        match self.legs.get(&leg) {
            Some(state) if state.has_media() => self.media(command),
            _ => self.counters.commands_ignored += 1,
        }
    }
}
