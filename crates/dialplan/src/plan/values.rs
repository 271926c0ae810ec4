//! Single values of a plan's file: numbers, keys, targets, and what a key says of the caller.

use havre_model::{Digit, Language, Risk, WaitingSound};

use super::graph::{Set, Then, WaitingKey};
use crate::file::{Table, Value, closest};
use crate::said::{self, Both, Said, said};

pub(super) fn number(value: &Value<'_, '_>) -> Option<String> {
    let text = value.string()?;
    let good = text.strip_prefix('+').is_some_and(|digits| {
        (8..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0')
    });
    if !good {
        let what = said!("\"{text}\" is no number in E.164", "\"{text}\" n’est pas un numéro E.164");
        value.error(
            what,
            ("write + and 8 to 15 digits, such as \"+18335550100\"; carriers' prefixes belong to the trunk", "écrivez + et de 8 à 15 chiffres, par exemple \"+18335550100\"; les préfixes des opérateurs vont avec la ligne d’entrée"),
        );
    }
    good.then(|| text.to_owned())
}

pub(super) fn no_match<T: Copy>(table: &Table<'_, '_>, known: &[(&str, T)]) -> Option<T> {
    let remedy = (
        "say what a wrong key does: \"ignore\" lets the prompt go on without a word",
        "dites ce que fait une touche sans effet prévu\u{a0}: \"ignore\" laisse le message se poursuivre sans un mot",
    );
    table.need("no_match", remedy).and_then(|v| v.one_of(known))
}

pub(super) fn enabled(table: &Table<'_, '_>, target: bool, (en, fr): Both) -> bool {
    let Some(value) = table.need("enabled", ("write true or false", "écrivez true ou false")) else {
        return false;
    };
    let enabled = value.boolean().unwrap_or(false);
    if enabled && !target {
        let what =
            ("is switched on, but there is nobody to ring", "est activé, mais il n’y a personne à appeler");
        value
            .error(what, Said { en: format!("{en}, or write false"), fr: format!("{fr}, ou écrivez false") });
    }
    enabled && target
}

pub(super) fn digit(key: &str, value: &Value<'_, '_>) -> Option<Digit> {
    let mut chars = key.chars();
    let digit = chars.next().filter(|_| chars.next().is_none()).and_then(Digit::from_char);
    if digit.is_none() {
        value.error(
            ("is no key of a telephone", "n’est pas une touche de téléphone"),
            ("use 0 to 9, \"*\" or \"#\"", "utilisez 0 à 9, \"*\" ou \"#\""),
        );
    }
    digit
}

pub(super) fn target(name: &str, value: &Value<'_, '_>, menus: &[String]) -> Option<Then> {
    if name == "join" {
        return Some(Then::Join);
    }
    if let Some(menu) = menus.iter().position(|menu| menu == name) {
        return Some(Then::Menu(menu));
    }
    let known = menus.iter().map(String::as_str).chain(["join"]);
    let (what, remedy) = if ["hangup", "hang_up", "goodbye", "end", "voicemail"].contains(&name) {
        let what = said!("\"{name}\" would end the call", "\"{name}\" mettrait fin à l’appel");
        let remedy = said!(
            "write \"join\": every path ends at a person, and only the caller or the advocate ends a call",
            "écrivez \"join\"\u{a0}: chaque parcours mène à une personne, et seule une des deux personnes met fin à l’appel"
        );
        (what, remedy)
    } else {
        (no_menu(name), meant(name, known))
    };
    value.error(what, remedy);
    None
}

pub(super) fn no_menu(name: &str) -> Said {
    said!("there is no menu \"{name}\"", "il n’y a pas de menu \"{name}\"")
}

pub(super) fn meant<'n>(name: &str, known: impl Iterator<Item = &'n str> + Clone) -> Said {
    match closest(name, known.clone()) {
        Some(near) => said::did_you_mean(near),
        None => said::known(known),
    }
}

pub(super) fn read_set(table: &Table<'_, '_>) -> Set {
    let languages = [Language::En, Language::Fr, Language::Other].map(|l| (l.as_str(), l));
    // Only these two are for callers to declare; `elevated` comes from what happens to a call.
    let risks = [Risk::Urgent, Risk::Information].map(|r| (r.as_str(), r));
    let sounds = [WaitingSound::NoMessages, WaitingSound::Tick].map(|s| (s.as_str(), s));
    Set {
        language: table.get("language").and_then(|v| v.one_of(&languages)),
        risk: table.get("risk").and_then(|v| v.one_of(&risks)),
        silent: table.get("silent").and_then(|v| v.boolean()).unwrap_or(false),
        discreet: table.get("discreet").and_then(|v| v.boolean()).unwrap_or(false),
        sound: table.get("sound").and_then(|v| v.one_of(&sounds)),
    }
}

pub(super) fn waiting_key(value: &Value<'_, '_>) -> Option<WaitingKey> {
    if !value.is_table() {
        return value
            .one_of(&[("repeat", WaitingKey::Repeat), ("other_language", WaitingKey::OtherLanguage)]);
    }
    let table = value.table()?;
    let set = read_set(&table);
    table.finish();
    if set == Set::default() {
        value.error(
            ("sets nothing", "ne règle rien"),
            (
                "remove the key: a key that is not listed is ignored",
                "retirez la touche\u{a0}: une touche absente de la liste est ignorée",
            ),
        );
    }
    Some(WaitingKey::Set(set))
}
