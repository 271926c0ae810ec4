//! `catalogue.toml`: what is said, before there is any audio.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use havre_model::Spoken;

use super::{Confirmation, Notice, PromptId};
use crate::file::{File, Place, Table};
use crate::limits::{MAX_CLIP_SECONDS, MAX_PROMPTS};
use crate::said::{Both, Said, said};

/// Longest message unless the catalogue says otherwise: a message is a short break in the waiting, not a talk.
const USUAL_MAX: Duration = Duration::from_secs(20);

/// What a caller must never hear (journey, rule 6). Lower case; one list for both languages.
const NEVER_SAID: &[(&str, Both)] = &[
    ("your call is important", ("no one believes it", "personne n’y croit")),
    ("votre appel est important", ("no one believes it", "personne n’y croit")),
    ("estimated", ("an estimate makes people hang up", "une estimation fait raccrocher")),
    ("wait time", ("an estimate makes people hang up", "une estimation fait raccrocher")),
    ("temps d'attente", ("an estimate makes people hang up", "une estimation fait raccrocher")),
    ("position", ("a queue position makes people hang up", "un rang dans la file fait raccrocher")),
    ("ahead of you", ("a queue position makes people hang up", "un rang dans la file fait raccrocher")),
    ("avant vous", ("a queue position makes people hang up", "un rang dans la file fait raccrocher")),
    ("leave a message", ("there is no voicemail", "il n’y a pas de boîte vocale")),
    ("laissez un message", ("there is no voicemail", "il n’y a pas de boîte vocale")),
    ("call you back", ("there is no callback", "on ne rappelle pas")),
    ("vous rappellerons", ("there is no callback", "on ne rappelle pas")),
    ("survey", ("there is no survey", "il n’y a pas de sondage")),
    ("sondage", ("there is no survey", "il n’y a pas de sondage")),
    ("your name is", ("no name is asked", "on ne demande aucun nom")),
    ("say your name", ("no name is asked", "on ne demande aucun nom")),
    ("dites votre nom", ("no name is asked", "on ne demande aucun nom")),
    ("your number", ("no number is asked", "on ne demande aucun numéro")),
    ("votre numéro", ("no number is asked", "on ne demande aucun numéro")),
    (
        "goodbye",
        (
            "nothing but the caller or the advocate ends a call",
            "seule une des deux personnes met fin à l’appel",
        ),
    ),
    (
        "au revoir",
        (
            "nothing but the caller or the advocate ends a call",
            "seule une des deux personnes met fin à l’appel",
        ),
    ),
];

#[derive(Debug)]
pub(crate) struct Texts {
    pub(crate) prompts: BTreeMap<PromptId, Prompt>,
    pub(crate) sounds: BTreeMap<PromptId, Sound>,
}

#[derive(Debug)]
pub(crate) struct Prompt {
    pub(crate) texts: BTreeMap<Spoken, Arc<str>>,
    pub(crate) pair: Option<PromptId>,
    pub(crate) max: Duration,
    place: Place,
}

#[derive(Debug)]
pub(crate) struct Sound {
    pub(crate) faint: bool,
    pub(crate) min: Duration,
    pub(crate) max: Duration,
}

impl Texts {
    /// Reads the document; what is wrong is found in `file`.
    pub(crate) fn read(file: &File<'_>) -> Option<Self> {
        let document = file.parse()?;
        let root = file.root(&document);
        let mut texts = Self { prompts: BTreeMap::new(), sounds: BTreeMap::new() };
        if let Some(table) = root
            .need(
                "prompts",
                (
                    "add the texts as [prompts.NAME] tables",
                    "ajoutez les textes dans des tables [prompts.NOM]",
                ),
            )
            .and_then(|v| v.table())
        {
            for (id, entry) in named_tables(&table) {
                texts.prompts.insert(id, read_prompt(file, &entry));
            }
        }
        if let Some(table) = root.get("sounds").and_then(|v| v.table()) {
            for (id, entry) in named_tables(&table) {
                if texts.prompts.contains_key(&id) {
                    file.error(
                        &entry.place,
                        ("is the name of a prompt too", "est aussi le nom d’un message"),
                        ("rename one of them", "renommez l’un des deux"),
                    );
                }
                texts.sounds.insert(id, read_sound(&entry));
            }
        }
        root.finish();
        if texts.prompts.len() + texts.sounds.len() > MAX_PROMPTS {
            file.error(
                &root.place,
                ("has too many prompts", "contient trop de messages"),
                said!("keep at most {MAX_PROMPTS}", "gardez-en au plus {MAX_PROMPTS}"),
            );
        }
        texts.check_pairs(file);
        texts.check_said_to_agents(file, &root.place);
        Some(texts)
    }

    fn check_pairs(&self, file: &File<'_>) {
        for (id, prompt) in &self.prompts {
            let official = [Spoken::En, Spoken::Fr].map(|s| prompt.texts.contains_key(&s));
            let single = official[0] != official[1];
            match &prompt.pair {
                None if single && id.as_str().starts_with("P1.") => {
                    file.error(
                        &prompt.place,
                        ("has no `pair`", "n’a pas de `pair`"),
                        (
                            "name the clip that says the same in the other language",
                            "nommez l’extrait qui dit la même chose dans l’autre langue",
                        ),
                    );
                }
                None if single => {
                    let missing = if official[0] { "fr" } else { "en" };
                    file.error(
                        &prompt.place,
                        said!("has no `{missing}`", "n’a pas de `{missing}`"),
                        said!(
                            "add `{missing}`: every prompt exists in both languages (or name a `pair`)",
                            "ajoutez `{missing}`\u{a0}: chaque message existe dans les deux langues (ou nommez un `pair`)"
                        ),
                    );
                }
                Some(_) if !single => {
                    file.error(
                        &prompt.place,
                        (
                            "has a `pair` but not exactly one of `en` and `fr`",
                            "a un `pair`, mais pas exactement un de `en` et `fr`",
                        ),
                        ("remove `pair`", "retirez `pair`"),
                    );
                }
                Some(pair) => {
                    let back = self.prompts.get(pair).filter(|other| {
                        other.pair.as_ref() == Some(id)
                            && other.texts.contains_key(&Spoken::En) != official[0]
                    });
                    if back.is_none() {
                        file.error(
                            &prompt.place,
                            said!(
                                "`pair` {pair} is not the same clip in the other language",
                                "`pair` {pair} n’est pas le même extrait dans l’autre langue"
                            ),
                            said!(
                                "give {pair} the other language and `pair = \"{id}\"`",
                                "donnez à {pair} l’autre langue et `pair = \"{id}\"`"
                            ),
                        );
                    }
                }
                None => {}
            }
        }
    }

    fn check_said_to_agents(&self, file: &File<'_>, root: &Place) {
        for name in Confirmation::NAMES.iter().chain(Notice::NAMES) {
            let both = self.prompts.get(*name).is_some_and(|p| p.pair.is_none() && p.texts.len() >= 2);
            if !both {
                let place = Place { line: root.line, key: format!("prompts.{name}") };
                file.error(
                    &place,
                    ("is missing", "manque"),
                    (
                        "add it in both languages: agents hear it after a feature code, or on an on-call telephone",
                        "ajoutez-le dans les deux langues\u{a0}: les intervenants l’entendent après un code de service ou sur un téléphone de garde",
                    ),
                );
            }
        }
    }
}

fn named_tables<'s, 'a>(table: &Table<'s, 'a>) -> Vec<(PromptId, Table<'s, 'a>)> {
    let read = |(name, value): (&str, crate::file::Value<'s, 'a>)| {
        let Ok(id) = name.parse() else {
            value.error(
                ("is no name of a prompt", "n’est pas un nom de message"),
                ("use a letter, then letters, digits, '.', '_' or '-', at most 32", "utilisez une lettre, puis des lettres, des chiffres, «\u{a0}.\u{a0}», «\u{a0}_\u{a0}» ou «\u{a0}-\u{a0}», 32 au plus"),
            );
            return None;
        };
        Some((id, value.table()?))
    };
    table.entries().into_iter().filter_map(read).collect()
}

fn read_prompt(file: &File<'_>, table: &Table<'_, '_>) -> Prompt {
    let mut texts = BTreeMap::new();
    for spoken in Spoken::ALL {
        let Some(value) = table.get(spoken.as_str()) else { continue };
        let Some(text) = value.string() else { continue };
        if text.trim().is_empty() {
            value.error(
                ("is empty", "est vide"),
                ("write what is to be said", "écrivez ce qui doit être dit"),
            );
        }
        if text.contains(['{', '}', '%']) {
            value.error(
                ("has a placeholder", "contient un champ à remplir"),
                (
                    "a prompt is one recording: write what is to be said",
                    "un message est un seul enregistrement\u{a0}: écrivez ce qui doit être dit",
                ),
            );
        }
        let lower = text.to_lowercase();
        for (phrase, (why, why_fr)) in NEVER_SAID {
            if lower.contains(phrase) {
                let what = said!("says \"{phrase}\"", "dit «\u{a0}{phrase}\u{a0}»");
                let remedy =
                    Said { en: format!("reword it: {why}"), fr: format!("reformulez\u{a0}: {why_fr}") };
                value.error(what, remedy);
            }
        }
        texts.insert(spoken, Arc::from(text));
    }
    for spoken in Spoken::ALL {
        if let Some(value) = table.get(&format!("espeak_{spoken}")) {
            value.string();
        }
    }
    if texts.is_empty() {
        file.error(
            &table.place,
            ("has no text", "n’a pas de texte"),
            ("add `en` and `fr`", "ajoutez `en` et `fr`"),
        );
    }
    let pair = table.get("pair").and_then(|v| {
        let id = v.string()?.parse().ok();
        if id.is_none() {
            v.error(
                ("is no name of a prompt", "n’est pas un nom de message"),
                ("name the clip in the other language", "nommez l’extrait dans l’autre langue"),
            );
        }
        id
    });
    let max = table.get("max_seconds").and_then(|v| v.seconds(60)).unwrap_or(USUAL_MAX);
    table.finish();
    Prompt { texts, pair, max, place: table.place.clone() }
}

fn read_sound(table: &Table<'_, '_>) -> Sound {
    let seconds = |key: &str, usual: u64| {
        let limit = u32::try_from(MAX_CLIP_SECONDS).unwrap_or(u32::MAX);
        table.get(key).and_then(|v| v.seconds(limit)).unwrap_or(Duration::from_secs(usual))
    };
    if let Some(about) = table.get("about") {
        about.string();
    }
    let sound = Sound {
        faint: table.get("faint").and_then(|v| v.boolean()).unwrap_or(false),
        min: seconds("min_seconds", 0),
        max: seconds("max_seconds", MAX_CLIP_SECONDS as u64),
    };
    table.finish();
    sound
}
