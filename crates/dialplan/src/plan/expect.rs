//! `[[test]]` blocks: what the plan's author expects of a caller's way, run with every check.

use std::time::Duration;

use havre_model::{Digit, Language, LineId, Risk, WaitingSound};

use super::graph::Line;
use crate::file::{File, Place, Table, Value, closest};
use crate::limits::MAX_TESTS;
use crate::said::{self, Both, Said, said};
use crate::simulate::{self, Script, Trace};
use crate::{Dialplan, Input};

/// Latest time in a test, in seconds.
const MAX_AT: u32 = 3_600;

/// One block.
#[derive(Debug)]
pub(crate) struct Test {
    place: Place,
    name: String,
    script: Script,
    language: Option<Language>,
    risk: Option<Risk>,
    silent: Option<bool>,
    discreet: Option<bool>,
    sound: Option<WaitingSound>,
    joined_by: Option<Duration>,
    prompts: Option<Vec<String>>,
}

/// Reads all blocks of the document.
pub(crate) fn read(root: &Table<'_, '_>, lines: &[Line]) -> Vec<Test> {
    let blocks = root.get("test").map(|v| v.tables(MAX_TESTS)).unwrap_or_default();
    blocks.iter().filter_map(|table| read_test(table, lines)).collect()
}

fn read_test(table: &Table<'_, '_>, lines: &[Line]) -> Option<Test> {
    let name = table
        .need("name", ("say what the test shows", "dites ce que montre l’essai"))
        .and_then(|v| v.string());
    let line = table
        .need("line", ("name the line that is dialled", "nommez la ligne composée"))
        .and_then(|v| line_id(&v, lines));
    let caller = table.get("caller").and_then(|v| v.string()).map(str::to_owned);
    let until = table
        .need("until", ("write how many seconds to listen", "écrivez combien de secondes écouter"))
        .and_then(|v| v.seconds(MAX_AT));
    let mut inputs = Vec::new();
    let keys = table.need(
        "keys",
        (
            "list the keys: [{ at = 1, key = \"2\" }], or [] for none",
            "énumérez les touches\u{a0}: [{ at = 1, key = \"2\" }], ou [] pour aucune",
        ),
    );
    for step in keys.map(|v| v.tables(MAX_TESTS)).unwrap_or_default() {
        let at = step
            .need("at", ("write seconds from the INVITE", "écrivez les secondes depuis l’INVITE"))
            .and_then(|v| v.seconds(MAX_AT));
        let digit = step
            .need("key", ("write the key in quotes", "écrivez la touche entre guillemets"))
            .and_then(|v| key(&v));
        step.finish();
        inputs.extend(at.zip(digit.map(Input::Digit)));
    }
    for step in table.get("events").map(|v| v.tables(MAX_TESTS)).unwrap_or_default() {
        let at = step
            .need("at", ("write seconds from the INVITE", "écrivez les secondes depuis l’INVITE"))
            .and_then(|v| v.seconds(MAX_AT));
        let event =
            step.need("event", ("name the event", "nommez l’événement")).and_then(|v| v.one_of(EVENTS));
        step.finish();
        inputs.extend(at.zip(event));
    }
    let languages = Language::ALL.map(|l| (l.as_str(), l));
    let risks = Risk::ALL.map(|r| (r.as_str(), r));
    let sounds = [WaitingSound::Full, WaitingSound::NoMessages, WaitingSound::Tick].map(|s| (s.as_str(), s));
    let prompts = table.get("prompts").and_then(|v| v.array(MAX_TESTS));
    let prompts = prompts.map(|list| list.iter().filter_map(|v| Some(v.string()?.to_owned())).collect());
    let test = Test {
        place: table.place.clone(),
        name: name.unwrap_or_default().to_owned(),
        language: table.get("language").and_then(|v| v.one_of(&languages)),
        risk: table.get("risk").and_then(|v| v.one_of(&risks)),
        silent: table.get("silent").and_then(|v| v.boolean()),
        discreet: table.get("discreet").and_then(|v| v.boolean()),
        sound: table.get("sound").and_then(|v| v.one_of(&sounds)),
        joined_by: table.get("joined_by").and_then(|v| v.seconds(MAX_AT)),
        prompts,
        script: Script { line: line?, caller, inputs, until: until? },
    };
    table.finish();
    Some(test)
}

const EVENTS: &[(&str, Input)] = &[
    ("answered", Input::Answered),
    ("advocate_silent", Input::AgentSilent),
    ("advocate_back", Input::AgentBack),
    ("advocate_lost", Input::AgentLost),
    ("more_help", Input::MoreHelp),
    ("partner_offered", Input::PartnerOffered),
    ("interpreter_coming", Input::InterpreterComing),
    ("trouble", Input::Trouble),
];

fn line_id(value: &Value<'_, '_>, lines: &[Line]) -> Option<LineId> {
    let name = value.string()?;
    let line = lines.iter().find(|line| line.id.as_str() == name);
    if line.is_none() {
        let known: Vec<_> = lines.iter().map(|line| line.id.as_str()).collect();
        let remedy = match closest(name, known.iter().copied()) {
            Some(near) => said::did_you_mean(near),
            None => said::known(known.into_iter()),
        };
        value.error(said!("there is no line \"{name}\"", "il n’y a pas de ligne \"{name}\""), remedy);
    }
    line.map(|line| line.id.clone())
}

fn key(value: &Value<'_, '_>) -> Option<Digit> {
    let text = value.string()?;
    let mut chars = text.chars();
    let digit = chars.next().filter(|_| chars.next().is_none()).and_then(Digit::from_char);
    if digit.is_none() {
        value.error(
            said!("\"{text}\" is no key of a telephone", "\"{text}\" n’est pas une touche de téléphone"),
            ("use 0 to 9, * or #", "utilisez 0 à 9, * ou #"),
        );
    }
    digit
}

impl Test {
    /// Plays the caller; what is not as expected is found in `file`.
    pub(crate) fn run(&self, plan: &std::sync::Arc<Dialplan>, file: &File<'_>) {
        let trace = simulate::run(plan, &self.script);
        let remedy = (
            "mend the plan, or the expectation; `havre dialplan walk` shows the whole way",
            "corrigez le plan ou ce que l’essai attend; `havre dialplan walk` montre tout le parcours",
        );
        for Said { en, fr } in self.differences(&trace) {
            let name = &self.name;
            let what = Said {
                en: format!("test \"{name}\": {en}"),
                fr: format!("essai «\u{a0}{name}\u{a0}»\u{a0}: {fr}"),
            };
            file.error(&self.place, what, remedy);
        }
    }

    fn differences(&self, trace: &Trace) -> Vec<Said> {
        let mut found = Vec::new();
        let mut differ = |(en, fr): Both, is: String, wanted: Option<String>| {
            if let Some(wanted) = wanted.filter(|wanted| *wanted != is) {
                found.push(Said {
                    en: format!("{en} is {is}, not {wanted}"),
                    fr: format!("{fr} {is} au lieu de {wanted}"),
                });
            }
        };
        let language = trace.language.unwrap_or(Language::Unknown);
        let risk = trace.risk.unwrap_or(Risk::Standard);
        differ(("language", "la langue est"), language.to_string(), self.language.map(|l| l.to_string()));
        differ(("risk", "la classe de risque est"), risk.to_string(), self.risk.map(|r| r.to_string()));
        differ(
            ("silent", "`silent` vaut"),
            trace.mode.silent.to_string(),
            self.silent.map(|s| s.to_string()),
        );
        differ(
            ("discreet", "`discreet` vaut"),
            trace.mode.discreet.to_string(),
            self.discreet.map(|d| d.to_string()),
        );
        differ(
            ("sound", "le son d’attente est"),
            trace.mode.sound.as_str().to_owned(),
            self.sound.map(|s| s.as_str().to_owned()),
        );
        let heard: Vec<_> = trace.heard().map(ToString::to_string).collect();
        differ(
            ("what is heard", "on entend"),
            format!("{heard:?}"),
            self.prompts.as_ref().map(|p| format!("{p:?}")),
        );
        if let Some(by) = self.joined_by
            && self.script.until >= by
            && trace.joined.is_none_or(|at| at > by)
        {
            let is = trace.joined.map_or_else(
                || Said::from(("never", "jamais")),
                |at| said!("at {:.2} s", "à {:.2} s", at.as_secs_f64()),
            );
            let by = by.as_secs_f64();
            found.push(Said {
                en: format!("the caller joins {}, not by {by:.2} s", is.en),
                // Seconds are written with a comma; nothing else here has a point.
                fr: format!("l’entrée dans la file se fait {} et non avant {by:.2} s", is.fr)
                    .replace('.', ","),
            });
        }
        found
    }
}
