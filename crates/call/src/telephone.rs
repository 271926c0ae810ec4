//! A telephone outside that was picked up for a caller.
//!
//! What answers there may be a voicemail, or anybody who lives in the house. So a caller is never bridged to a telephone
//! that was merely picked up: whoever holds it takes the call by a key, hears what call it is, and only then counts as an
//! answer. Until then the search goes on, and another may be first.

use std::time::Duration;

use havre_dialplan::Notice;
use havre_model::{Digit, OfferId, PlayId};

/// The key that takes a call.
const TAKES: char = '1';
/// How often the question is asked; the queue's patience ends sooner.
const QUESTIONS: usize = 6;
/// From one question to the next: a moment to find the keypad.
const BETWEEN_QUESTIONS: Duration = Duration::from_secs(2);
/// What answers is not always at the ear yet.
const BEFORE_QUESTION: Duration = Duration::from_millis(500);

const QUESTION: PlayId = PlayId(1);
const BRIEFING: PlayId = PlayId(2);
const THANKS: PlayId = PlayId(3);

/// How far it is with whoever picked it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telephone {
    /// They are asked to press a key.
    Asked {
        /// For which offer.
        offer: OfferId,
    },
    /// The key was pressed: they hear what call it is, and then have it.
    Briefed {
        /// For which offer.
        offer: OfferId,
    },
    /// They are not needed any more, hear so, and are hung up.
    Thanked,
}

/// What is said there, in place of what was being said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speech {
    /// Reported back to [`Telephone::on_said`].
    pub play: PlayId,
    /// One after the other.
    pub phrases: Vec<Phrase>,
}

/// A part of a [`Speech`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phrase {
    /// In the language of whose telephone it is.
    Say(Notice),
    /// Silence.
    Pause(Duration),
}

/// What follows from something that was said to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The offer is answered.
    Answer(OfferId),
    /// The telephone is hung up.
    HangUp,
}

impl Telephone {
    /// It was picked up.
    #[must_use]
    pub fn answered(offer: OfferId) -> (Self, Speech) {
        let asked = [Phrase::Say(Notice::Ask), Phrase::Pause(BETWEEN_QUESTIONS)];
        let asked = std::iter::repeat_n(asked, QUESTIONS).flatten();
        let phrases = [Phrase::Pause(BEFORE_QUESTION)].into_iter().chain(asked).collect();
        (Self::Asked { offer }, Speech { play: QUESTION, phrases })
    }

    /// A key was pressed there; `briefing` is what is to be known of the caller. A wrong key is no answer and no refusal:
    /// the question goes on.
    #[must_use]
    pub fn on_key(self, digit: Digit, briefing: impl IntoIterator<Item = Notice>) -> Option<(Self, Speech)> {
        let Self::Asked { offer } = self else { return None };
        if digit.as_char() != TAKES {
            return None;
        }
        let phrases = briefing.into_iter().map(Phrase::Say).collect();
        Some((Self::Briefed { offer }, Speech { play: BRIEFING, phrases }))
    }

    /// A speech is at its end. The question's is the queue's affair.
    #[must_use]
    pub fn on_said(self, play: PlayId) -> Option<Then> {
        match (self, play) {
            (Self::Briefed { offer }, BRIEFING) => Some(Then::Answer(offer)),
            (Self::Thanked, THANKS) => Some(Then::HangUp),
            _ => None,
        }
    }

    /// Nobody is heard there any more. Thanks that nobody hears need no end.
    #[must_use]
    pub const fn on_silence(self) -> Option<Then> {
        match self {
            Self::Thanked => Some(Then::HangUp),
            Self::Asked { .. } | Self::Briefed { .. } => None,
        }
    }

    /// The offer is over.
    #[must_use]
    pub fn let_go(self) -> Option<(Self, Speech)> {
        let thanks = Speech { play: THANKS, phrases: vec![Phrase::Say(Notice::NotNeeded)] };
        self.offer().map(|_| (Self::Thanked, thanks))
    }

    /// The offer that it is not too late for.
    #[must_use]
    pub const fn offer(self) -> Option<OfferId> {
        match self {
            Self::Asked { offer } | Self::Briefed { offer } => Some(offer),
            Self::Thanked => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: OfferId = OfferId(7);

    fn key(digit: char) -> Digit {
        Digit::from_char(digit).unwrap()
    }

    #[test]
    fn only_the_key_and_the_whole_briefing_are_an_answer() {
        let (asked, question) = Telephone::answered(OFFER);
        for digit in Digit::all().into_iter().filter(|digit| *digit != key('1')) {
            assert_eq!(asked.on_key(digit, [Notice::Urgent]), None, "{digit}");
        }
        assert_eq!(asked.on_said(question.play), None, "a voicemail hears it to the end, too");
        let (briefed, briefing) = asked.on_key(key('1'), [Notice::Urgent]).unwrap();
        assert_eq!(briefing.phrases, [Phrase::Say(Notice::Urgent)]);
        assert_eq!(briefed.on_key(key('1'), [Notice::Urgent]), None, "an eager one hears it once");
        assert_eq!(briefed.on_said(question.play), None, "the question was cut off");
        assert_eq!(briefed.on_said(briefing.play), Some(Then::Answer(OFFER)));
    }

    #[test]
    fn whoever_is_not_needed_any_more_is_told_and_hung_up() {
        let (asked, _) = Telephone::answered(OFFER);
        let (briefed, briefing) = asked.on_key(key('1'), []).unwrap();
        assert_eq!(asked.on_silence(), None, "the offer may still be taken");
        for telephone in [asked, briefed] {
            let (thanked, thanks) = telephone.let_go().unwrap();
            assert_eq!((thanked.offer(), thanked.let_go()), (None, None));
            assert_eq!(thanked.on_key(key('1'), []), None);
            assert_eq!(thanked.on_said(briefing.play), None, "that was cut off");
            assert_eq!(thanked.on_said(thanks.play), Some(Then::HangUp));
            assert_eq!(thanked.on_silence(), Some(Then::HangUp));
        }
    }
}
