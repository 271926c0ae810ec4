//! What an advocate's phone shows: language, class and manner, in the advocate's language. Never a number.

use havre_model::{Language, Mode, Risk, Spoken};

/// The display name of an offer: `FR · urgent · silent`.
pub(crate) fn of_offer(
    language: Language,
    risk: Risk,
    mode: Mode,
    interpreter: bool,
    reader: Spoken,
) -> String {
    let french = reader == Spoken::Fr;
    let pick = |en: &'static str, fr: &'static str| if french { fr } else { en };
    let mut parts = vec![match language {
        Language::En => "EN",
        Language::Fr => "FR",
        Language::Unknown => "EN/FR?",
        Language::Other => pick("other language", "autre langue"),
    }];
    parts.push(match risk {
        Risk::Urgent => "urgent",
        Risk::Elevated => pick("elevated", "élevé"),
        Risk::Standard => "standard",
        Risk::Information => "information",
    });
    if mode.silent {
        parts.push(pick("silent", "silencieux"));
    }
    if mode.discreet {
        parts.push(pick("discreet", "discret"));
    }
    if interpreter {
        parts.push(pick("interpreter needed", "interprète requis"));
    }
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_in_the_advocates_language() {
        let silent = Mode { silent: true, ..Mode::default() };
        assert_eq!(of_offer(Language::Fr, Risk::Urgent, silent, false, Spoken::En), "FR · urgent · silent");
        assert_eq!(
            of_offer(Language::Fr, Risk::Urgent, silent, false, Spoken::Fr),
            "FR · urgent · silencieux"
        );
        assert_eq!(
            of_offer(Language::Other, Risk::Elevated, Mode::default(), true, Spoken::Fr),
            "autre langue · élevé · interprète requis"
        );
    }
}
