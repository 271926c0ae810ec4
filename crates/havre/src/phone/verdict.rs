//! What a test call found out, and whether that is what was asked.

use std::time::Duration;

use havre_model::{Digit, Spoken};

/// Names of the greeting's clips begin so.
const GREETING: &str = "P1.";
/// A clip of the greeting that is recognised this long after a key began after it too: recognition takes up to 2 s.
const STUBBORN: Duration = Duration::from_millis(3_500);
/// A change this long after a key is not the key's doing.
const CHANGE: Duration = Duration::from_secs(6);
/// Keys that end the greeting (the journey's table; 8 and 9 do nothing there).
const ENDS_GREETING: &str = "123570*#";

/// What was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    /// Messages in this language once the greeting is over.
    pub(super) language: Option<Spoken>,
    /// An advocate, heard both ways.
    pub(super) advocate: bool,
}

/// A key that was pressed.
#[derive(Clone, Debug)]
pub(super) struct Pressed {
    pub(super) key: Digit,
    pub(super) at: Duration,
    /// What was heard next, and after how long.
    pub(super) change: Option<(Duration, String)>,
}

/// What was found out. Times count from dialling.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) answered: Option<Duration>,
    /// Why there was no answer.
    pub(super) refused: Option<String>,
    /// The first sound: when, and how loud.
    pub(super) sound: Option<(Duration, f32)>,
    /// Whether prompts could be recognised.
    pub(super) knows_prompts: bool,
    pub(super) prompts: Vec<(Duration, String, Spoken)>,
    pub(super) pressed: Vec<Pressed>,
    pub(super) waiting: Option<Duration>,
    pub(super) advocate: Option<Duration>,
    pub(super) both_ways: Option<Duration>,
    /// The line ended the call.
    pub(super) hung_up: Option<Duration>,
}

impl Facts {
    /// Notes a change, and returns the key that brought it about, if one did.
    pub(super) fn changed(&mut self, at: Duration, what: &str) -> Option<(Digit, Duration)> {
        let last = self.pressed.last_mut()?;
        let after = at.saturating_sub(last.at);
        if last.change.is_some() || after > CHANGE {
            return None;
        }
        last.change = Some((after, what.to_owned()));
        Some((last.key, after))
    }

    /// Whether `prompt` belongs to the greeting.
    pub(super) fn is_greeting(prompt: &str) -> bool {
        prompt.starts_with(GREETING)
    }

    /// Languages of the messages after the greeting.
    pub(super) fn languages(&self) -> Vec<Spoken> {
        let messages = self.prompts.iter().filter(|(_, prompt, _)| !Self::is_greeting(prompt));
        Spoken::ALL.into_iter().filter(|s| messages.clone().any(|(_, _, spoken)| spoken == s)).collect()
    }

    /// What did not hold; empty if all did.
    pub(super) fn faults(&self, wanted: Wanted) -> Vec<String> {
        let mut faults = Vec::new();
        if self.answered.is_none() {
            let why = self.refused.as_deref().unwrap_or("no answer in time");
            return vec![format!("the call was not answered: {why}")];
        }
        if self.sound.is_none() {
            faults.push("nothing was heard".to_owned());
        }
        faults.extend(
            self.pressed
                .iter()
                .filter(|pressed| self.ignored(pressed))
                .map(|pressed| format!("key {} was not taken: the greeting went on", pressed.key)),
        );
        if let Some(language) = wanted.language {
            faults.extend(self.wrong_language(language));
        }
        // An advocate may end a call. The line never does.
        if let Some(at) = self.hung_up.filter(|_| self.advocate.is_none()) {
            faults.push(format!("the line hung up after {:.1} s", at.as_secs_f64()));
        }
        if wanted.advocate && self.both_ways.is_none() {
            faults.push(match self.advocate {
                None => "no advocate was heard (is `havre answer` running?)".to_owned(),
                Some(_) => "the advocate was heard, but does not seem to hear us".to_owned(),
            });
        }
        faults
    }

    fn ignored(&self, pressed: &Pressed) -> bool {
        ENDS_GREETING.contains(pressed.key.as_char())
            && self
                .prompts
                .iter()
                .any(|(at, prompt, _)| Self::is_greeting(prompt) && *at > pressed.at + STUBBORN)
    }

    fn wrong_language(&self, wanted: Spoken) -> Option<String> {
        let name = language_name(wanted);
        if !self.knows_prompts {
            return Some(format!("whether messages are in {name} was not checked: the prompts are not here"));
        }
        match self.languages()[..] {
            [] => Some(format!("no message in {name} was heard; stay longer with --for")),
            [only] if only == wanted => None,
            _ => Some(format!("messages were not in {name} alone")),
        }
    }
}

/// A language, in English.
pub(super) const fn language_name(spoken: Spoken) -> &'static str {
    match spoken {
        Spoken::En => "English",
        Spoken::Fr => "French",
        Spoken::Es => "Spanish",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Wanted = Wanted { language: None, advocate: false };

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn heard(prompts: &[(u64, &str, Spoken)]) -> Facts {
        Facts {
            answered: Some(secs(0)),
            sound: Some((secs(1), -20.0)),
            knows_prompts: true,
            prompts: prompts.iter().map(|(at, id, spoken)| (secs(*at), (*id).to_owned(), *spoken)).collect(),
            ..Facts::default()
        }
    }

    #[test]
    fn no_answer_is_the_only_fault_worth_telling() {
        let facts = Facts { refused: Some("busy".into()), ..Facts::default() };
        let wanted = Wanted { language: Some(Spoken::Fr), advocate: true };
        assert_eq!(facts.faults(wanted), ["the call was not answered: busy"]);
    }

    #[test]
    fn a_key_is_not_taken_if_the_greeting_goes_on() {
        let press = |key| Pressed { key: Digit::from_char(key).unwrap(), at: secs(2), change: None };
        let mut facts = heard(&[(1, "P1.1", Spoken::En), (4, "P1.2", Spoken::Fr)]);
        facts.pressed.push(press('1'));
        assert_eq!(
            facts.faults(NOTHING),
            Vec::<String>::new(),
            "the second clip may have begun before the key"
        );
        facts.prompts.push((secs(7), "P1.4".into(), Spoken::En));
        assert_eq!(facts.faults(NOTHING).len(), 1);
        facts.pressed[0] = press('8');
        assert_eq!(facts.faults(NOTHING), Vec::<String>::new(), "8 does nothing in the greeting");
    }

    #[test]
    fn languages_are_those_of_the_messages_not_of_the_greeting() {
        let wanted = Wanted { language: Some(Spoken::Fr), advocate: false };
        let greeting = [(1, "P1.1", Spoken::En), (3, "P1.2", Spoken::Fr)];
        assert_eq!(heard(&greeting).faults(wanted).len(), 1, "nothing but the greeting yet");
        let french = [greeting[0], greeting[1], (6, "P2", Spoken::Fr)];
        assert_eq!(heard(&french).faults(wanted), Vec::<String>::new());
        let both = [french[2], (9, "P3", Spoken::En)];
        assert_eq!(heard(&both).faults(wanted).len(), 1);
    }

    #[test]
    fn a_change_belongs_to_the_last_key_only_and_once() {
        let key = Digit::from_char('5').unwrap();
        let mut facts = heard(&[]);
        assert_eq!(facts.changed(secs(1), "P2"), None);
        facts.pressed.push(Pressed { key, at: secs(2), change: None });
        assert_eq!(facts.changed(secs(4), "P5"), Some((key, secs(2))));
        assert_eq!(facts.changed(secs(5), "P6"), None);
        facts.pressed.push(Pressed { key, at: secs(6), change: None });
        assert_eq!(facts.changed(secs(20), "P6"), None, "too late to be the key's doing");
    }

    #[test]
    fn only_an_advocate_may_hang_up() {
        let mut facts = Facts { hung_up: Some(secs(9)), ..heard(&[]) };
        assert_eq!(facts.faults(NOTHING), ["the line hung up after 9.0 s"]);
        facts.advocate = Some(secs(5));
        assert_eq!(facts.faults(NOTHING), Vec::<String>::new());
    }

    #[test]
    fn an_advocate_must_hear_us_too() {
        let wanted = Wanted { language: None, advocate: true };
        let mut facts = heard(&[]);
        assert_eq!(facts.faults(wanted).len(), 1);
        facts.advocate = Some(secs(5));
        assert_eq!(facts.faults(wanted).len(), 1);
        facts.both_ways = Some(secs(6));
        assert_eq!(facts.faults(wanted), Vec::<String>::new());
    }
}
