//! A strict reader of TOML: every finding has its line, its key and a remedy, and one reading finds them all.
//!
//! serde stops at the first error; an author mending a file wants the whole list. So the spanned document is walked
//! by hand: [`Table`] hands out values by name, remembers which were asked for, and [`Table::finish`] refuses the rest.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::limits::MAX_DIAGNOSTICS;
use crate::reader::toml_in_french;
use crate::said::{Both, Said, said};
use crate::{Diagnostic, Severity};

/// One file being read, and what was found wrong with it.
pub(crate) struct File<'a> {
    name: &'a str,
    text: &'a str,
    findings: RefCell<Vec<Diagnostic>>,
    dropped: Cell<usize>,
}

/// A place in the file: what a later finding needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) key: String,
}

impl<'a> File<'a> {
    pub(crate) fn new(name: &'a str, text: &'a str) -> Self {
        Self { name, text, findings: RefCell::default(), dropped: Cell::new(0) }
    }

    /// The document, or `None` if it is no TOML: then every syntax error is already found.
    pub(crate) fn parse(&self) -> Option<Spanned<DeTable<'a>>> {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let at = error.span().map_or(0, |span| span.start);
            let place = Place { line: self.line_at(at), key: String::new() };
            let message = first_line(error.message());
            let fr = toml_in_french(&message)
                .unwrap_or_else(|| format!("l’analyseur dit, en anglais\u{a0}: {message}"));
            let what = Said { fr: format!("n’est pas du TOML\u{a0}: {fr}"), en: message };
            self.error(
                &place,
                what,
                ("mend the TOML; see https://toml.io", "corrigez le TOML; voir https://toml.io"),
            );
        }
        errors.is_empty().then_some(document)
    }

    pub(crate) fn root<'s>(&'s self, document: &'s Spanned<DeTable<'a>>) -> Table<'s, 'a> {
        Table::new(self, Place { line: 1, key: String::new() }, document.get_ref())
    }

    pub(crate) fn error(&self, at: &Place, what: impl Into<Said>, remedy: impl Into<Said>) {
        self.found(at, what.into(), remedy.into(), Severity::Error);
    }

    pub(crate) fn warning(&self, at: &Place, what: impl Into<Said>, remedy: impl Into<Said>) {
        self.found(at, what.into(), remedy.into(), Severity::Warning);
    }

    fn found(&self, at: &Place, what: Said, remedy: Said, severity: Severity) {
        let mut findings = self.findings.borrow_mut();
        if findings.len() >= MAX_DIAGNOSTICS {
            self.dropped.set(self.dropped.get() + 1);
            return;
        }
        findings.push(Diagnostic::new(self.name, at.line, &at.key, what, remedy, severity));
    }

    pub(crate) fn failed(&self) -> bool {
        self.findings.borrow().iter().any(|d| d.severity == Severity::Error)
    }

    /// All findings, by line.
    pub(crate) fn into_findings(self) -> Vec<Diagnostic> {
        let mut findings = self.findings.into_inner();
        findings.sort_by_key(|d| d.line);
        if self.dropped.get() > 0 {
            let more = self.dropped.get();
            let what =
                said!("{more} more findings are not shown", "{more} autres constats ne sont pas affichés");
            let remedy =
                ("mend the first ones and check again", "corrigez les premiers, puis vérifiez de nouveau");
            findings.push(Diagnostic::new(self.name, 0, "", what, remedy.into(), Severity::Warning));
        }
        findings
    }

    fn line_at(&self, offset: usize) -> usize {
        let upto = self.text.as_bytes().get(..offset).unwrap_or(self.text.as_bytes());
        1 + upto.iter().filter(|b| **b == b'\n').count()
    }
}

/// A table, and which of its keys were asked for.
pub(crate) struct Table<'s, 'a> {
    file: &'s File<'a>,
    pub(crate) place: Place,
    entries: &'s DeTable<'a>,
    asked: RefCell<Vec<&'s str>>,
    named: RefCell<Vec<String>>,
}

impl<'s, 'a> Table<'s, 'a> {
    fn new(file: &'s File<'a>, place: Place, entries: &'s DeTable<'a>) -> Self {
        Self { file, place, entries, asked: RefCell::default(), named: RefCell::default() }
    }

    /// The value of `key`, if it is there.
    pub(crate) fn get(&self, key: &str) -> Option<Value<'s, 'a>> {
        self.named.borrow_mut().push(key.to_owned());
        let (name, value) = self.entries.iter().find(|(name, _)| name.get_ref().as_ref() == key)?;
        self.asked.borrow_mut().push(name.get_ref().as_ref());
        Some(self.value(name.get_ref(), name.span().start, value.get_ref()))
    }

    /// The value of `key`; its absence is an error with this remedy.
    pub(crate) fn need(&self, key: &str, remedy: impl Into<Said>) -> Option<Value<'s, 'a>> {
        let value = self.get(key);
        if value.is_none() {
            let place = Place { line: self.place.line, key: join(&self.place.key, key) };
            self.file.error(&place, ("is missing", "manque"), remedy);
        }
        value
    }

    /// Every entry, in order of the keys: for tables whose keys are data.
    pub(crate) fn entries(&self) -> Vec<(&'s str, Value<'s, 'a>)> {
        let mut all: Vec<_> = self
            .entries
            .iter()
            .map(|(name, value)| {
                let name_text: &'s str = name.get_ref().as_ref();
                self.asked.borrow_mut().push(name_text);
                (name.span().start, name_text, self.value(name_text, name.span().start, value.get_ref()))
            })
            .collect();
        all.sort_by_key(|(at, ..)| *at);
        all.into_iter().map(|(_, name, value)| (name, value)).collect()
    }

    fn value(&self, name: &str, at: usize, value: &'s DeValue<'a>) -> Value<'s, 'a> {
        let place = Place { line: self.file.line_at(at), key: join(&self.place.key, name) };
        Value { file: self.file, place, value }
    }

    /// Refuses the keys that nobody asked for.
    pub(crate) fn finish(&self) {
        let asked = self.asked.borrow();
        for (name, _) in self.entries {
            let text: &str = name.get_ref().as_ref();
            if asked.contains(&text) {
                continue;
            }
            let place =
                Place { line: self.file.line_at(name.span().start), key: join(&self.place.key, text) };
            let named = self.named.borrow();
            let remedy = match closest(text, named.iter().map(String::as_str)) {
                Some(near) => said!(
                    "did you mean `{near}`? Otherwise remove it",
                    "vouliez-vous dire `{near}`? Sinon, retirez cette clé"
                ),
                None => said!(
                    "remove it; known here: {}",
                    "retirez cette clé; clés connues ici\u{a0}: {}",
                    named.join(", ")
                ),
            };
            self.file.error(&place, ("is not known here", "n’est pas connu ici"), remedy);
        }
    }
}

/// A value, and where it stands.
pub(crate) struct Value<'s, 'a> {
    file: &'s File<'a>,
    pub(crate) place: Place,
    value: &'s DeValue<'a>,
}

impl<'s, 'a> Value<'s, 'a> {
    pub(crate) fn error(&self, what: impl Into<Said>, remedy: impl Into<Said>) {
        self.file.error(&self.place, what, remedy);
    }

    fn wrong_type(&self, (en, fr): Both) {
        let is = self.value.type_str();
        let what = Said {
            en: format!("is {}, not {en}", article(is)),
            fr: format!("est {} et non {fr}", french_type(is)),
        };
        self.error(what, Said { en: format!("write {en}"), fr: format!("écrivez {fr}") });
    }

    pub(crate) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    pub(crate) fn string(&self) -> Option<&'s str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.wrong_type(("a text in quotes", "un texte entre guillemets"));
        }
        text
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        let yes = self.value.as_bool();
        if yes.is_none() {
            self.wrong_type(("true or false", "true ou false"));
        }
        yes
    }

    /// A number, whole or with a fraction.
    pub(crate) fn number(&self) -> Option<f64> {
        let number = match self.value {
            DeValue::Integer(i) => i64::from_str_radix(i.as_str(), i.radix()).ok().map(|i| i as f64),
            DeValue::Float(f) => f.as_str().parse::<f64>().ok(),
            _ => None,
        };
        if number.is_none() {
            self.wrong_type(("a number", "un nombre"));
        }
        number
    }

    /// Seconds, whole or with a fraction, at most `max`.
    pub(crate) fn seconds(&self, max: u32) -> Option<Duration> {
        let seconds = self.number()?;
        if (0.0..=f64::from(max)).contains(&seconds) {
            return Some(Duration::from_millis((seconds * 1000.0).round() as u64));
        }
        let remedy = said!("write seconds from 0 to {max}", "écrivez un nombre de secondes de 0 à {max}");
        self.error(("is out of range", "est hors limites"), remedy);
        None
    }

    /// The elements, at most `max`.
    pub(crate) fn array(&self, max: usize) -> Option<Vec<Value<'s, 'a>>> {
        let Some(array) = self.value.as_array() else {
            self.wrong_type(("a list in brackets", "une liste entre crochets"));
            return None;
        };
        if array.len() > max {
            let what = said!("has {} entries", "contient {} éléments", array.len());
            self.error(what, said!("keep at most {max}", "gardez-en au plus {max}"));
            return None;
        }
        let elements = array.iter().map(|element| {
            let place = Place { line: self.file.line_at(element.span().start), key: self.place.key.clone() };
            Value { file: self.file, place, value: element.get_ref() }
        });
        Some(elements.collect())
    }

    /// The tables of `[[name]]`, their keys numbered from 1.
    pub(crate) fn tables(&self, max: usize) -> Vec<Table<'s, 'a>> {
        let elements = self.array(max).unwrap_or_default().into_iter().enumerate();
        elements
            .filter_map(|(i, mut element)| {
                let _ = write!(element.place.key, "[{}]", i + 1);
                element.table()
            })
            .collect()
    }

    pub(crate) fn table(&self) -> Option<Table<'s, 'a>> {
        let Some(table) = self.value.as_table() else {
            self.wrong_type(("a table", "une table"));
            return None;
        };
        Some(Table::new(self.file, self.place.clone(), table))
    }

    /// One of the stable spellings in `known`.
    pub(crate) fn one_of<T: Copy>(&self, known: &[(&str, T)]) -> Option<T> {
        let text = self.string()?;
        if let Some((_, meant)) = known.iter().find(|(name, _)| *name == text) {
            return Some(*meant);
        }
        let names = known.iter().map(|(name, _)| *name);
        let near = closest(text, names.clone());
        let list = names.map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ");
        let remedy = match near {
            Some(near) => said!(
                "write {list} (did you mean \"{near}\"?)",
                "écrivez {list} (vouliez-vous dire \"{near}\"?)"
            ),
            None => said!("write {list}", "écrivez {list}"),
        };
        self.error(said!("\"{text}\" is not known here", "\"{text}\" n’est pas connu ici"), remedy);
        None
    }
}

fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

fn article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}

/// What TOML's types are called in French.
fn french_type(kind: &str) -> &str {
    match kind {
        "integer" => "un nombre entier",
        "float" => "un nombre décimal",
        "boolean" => "une valeur true ou false",
        "string" => "un texte",
        "datetime" => "une date",
        "array" => "une liste",
        "table" | "inline table" => "une table",
        other => other,
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or("is not TOML").to_owned()
}

/// The name within two edits of `text`, if there is one: what a typing error was meant to be.
pub(crate) fn closest<'n>(text: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let near = names.map(|name| (distance(text, name), name)).min()?;
    (near.0 <= 2 && near.0 < text.chars().count()).then_some(near.1)
}

/// Levenshtein's distance, capped: long names are not typing errors of each other.
fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 40;
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let cost = corner + usize::from(ca != cb);
            corner = row[j + 1];
            row[j + 1] = cost.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str, read: impl FnOnce(&Table<'_, '_>)) -> Vec<String> {
        let file = File::new("f.toml", text);
        if let Some(document) = file.parse() {
            let root = file.root(&document);
            read(&root);
            root.finish();
        }
        file.into_findings().iter().map(|d| d.to_string().replace("\n    ", " | ")).collect()
    }

    #[test]
    fn every_finding_has_its_line_and_key() {
        let text = "a = 1\n\n[t]\nname = 3\nnmae = \"x\"\n[t.\"q r\"]\n";
        let found = findings(text, |root| {
            root.need("b", ("add b", "ajoutez b"));
            assert_eq!(root.get("a").unwrap().seconds(5), Some(Duration::from_secs(1)));
            let t = root.get("t").unwrap().table().unwrap();
            t.get("name").unwrap().string();
            t.need("size", ("add a size", "ajoutez une taille"));
            t.finish();
        });
        assert_eq!(
            found,
            [
                "f.toml:1: b: is missing | add b",
                "f.toml:3: t.size: is missing | add a size",
                "f.toml:4: t.name: is an integer, not a text in quotes | write a text in quotes",
                "f.toml:5: t.nmae: is not known here | did you mean `name`? Otherwise remove it",
                "f.toml:6: t.\"q r\": is not known here | remove it; known here: name, size",
            ]
        );
    }

    #[test]
    fn all_syntax_errors_are_found_at_once() {
        let found = findings("a = \nb = 1\nc = [1,\n", |_| unreachable!());
        assert!(found.len() >= 2, "{found:?}");
        assert!(found[0].starts_with("f.toml:1: "), "{found:?}");
    }

    #[test]
    fn a_flood_of_findings_is_cut() {
        let text: String = (0..300).map(|i| format!("k{i} = 1\n")).collect();
        let found = findings(&text, |_| {});
        assert_eq!(found.len(), MAX_DIAGNOSTICS + 1);
        assert!(found[MAX_DIAGNOSTICS].contains("200 more findings"), "{}", found[MAX_DIAGNOSTICS]);
    }

    #[test]
    fn typing_errors_are_recognised() {
        assert_eq!(closest("no_inptu", ["no_input", "no_match"].into_iter()), Some("no_input"));
        assert_eq!(closest("zebra", ["no_input", "no_match"].into_iter()), None);
        assert_eq!(closest("a", ["b"].into_iter()), None);
    }
}
