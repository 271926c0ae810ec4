//! From text to [`Graph`]: every field typed, every name resolved, every fault found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use havre_model::{Digit, Language, Risk, Spoken, WaitingSound};

use super::graph::{
    Choice, Extra, Graph, Line, Menu, NoMatch, Partner, PartnerKey, Reminder, Set, Then, Waiting, WaitingKey,
};
use super::{Targets, expect, widening};
use crate::file::{File, Place, Table, Value, closest};
use crate::limits::{MAX_AREA_CODES, MAX_LINES, MAX_MENUS, MAX_NUMBERS, MAX_SAY};
use crate::{Catalogue, PromptId};

/// Longest no-input time accepted, in seconds: the prover decides, this only catches slips of the finger.
const MAX_AFTER: u32 = 30;

/// What a file holds.
pub(crate) struct Parsed {
    pub(crate) graph: Graph,
    pub(crate) tests: Vec<expect::Test>,
}

/// Reads the document; what is wrong is found in `file`. `None` if too little was understood to go on.
pub(crate) fn parse(file: &File<'_>, catalogue: &Catalogue, targets: Targets) -> Option<Parsed> {
    let document = file.parse()?;
    let root = file.root(&document);
    let reader = Reader { file, catalogue };
    let menus = root.need("menus", "add the greeting as [menus.greeting]").and_then(|v| v.table());
    let menus = menus.map(|table| reader.menus(&table)).unwrap_or_default();
    let answer_after = root.get("answer").and_then(|v| v.table()).map(|t| reader.answer(&t));
    let french_areas = root.get("french_first").and_then(|v| v.table()).map(|t| reader.areas(&t));
    let lines = root.need("lines", "add a [[lines]] with id, numbers and menu");
    let lines = lines.map(|v| v.tables(MAX_LINES)).unwrap_or_default();
    let lines: Vec<_> = lines.iter().filter_map(|t| reader.line(t, &menus)).collect();
    let waiting = root.need("waiting", "add [waiting]: what a caller hears in the queue");
    let waiting = waiting.and_then(|v| v.table()).and_then(|t| reader.waiting(&t));
    let neutral = root.need("neutral", "add [neutral]: each message's form for discreet mode");
    let neutral = neutral.and_then(|v| v.table()).map(|t| (reader.neutral(&t), t.place));
    let partner = root.get("partner").and_then(|v| v.table()).map(|t| reader.partner(&t, targets.partner));
    let on_call = root.get("on_call").and_then(|v| v.table()).map(|t| {
        reader.extra(&t, targets.on_call, "give an account the role \"on_call\" in the configuration")
    });
    let interpreter = root
        .get("interpreter")
        .and_then(|v| v.table())
        .map(|t| reader.extra(&t, targets.interpreter, "configure the interpreter service's address"));
    let off = || Extra { enabled: false, say: Vec::new() };
    let partner = partner.unwrap_or_else(Partner::off);
    let (on_call, interpreter) = (on_call.unwrap_or_else(off), interpreter.unwrap_or_else(off));
    let widening = root.need("widening", "add [widening]: how the search for an advocate widens");
    let widening = widening.and_then(|v| v.table());
    let widening = widening.and_then(|t| widening::read(file, &t, on_call.enabled, partner.enabled));
    let tests = expect::read(&root, &lines);
    root.finish();
    let (neutral, neutral_place) = neutral?;
    let graph = Graph {
        answer_after: answer_after.unwrap_or_default(),
        french_areas: french_areas.unwrap_or_default(),
        lines,
        menus: reader.resolve(menus)?,
        waiting: waiting?,
        neutral,
        neutral_place,
        widening: Arc::new(widening?),
        on_call,
        interpreter,
        partner,
    };
    Some(Parsed { graph, tests })
}

/// A menu before its targets are resolved.
struct RawMenu<'s, 'a> {
    menu: Menu,
    /// (key, value of `then`); `None` is no_input.
    targets: Vec<(Option<Digit>, Value<'s, 'a>)>,
}

struct Reader<'f, 'a> {
    file: &'f File<'a>,
    catalogue: &'f Catalogue,
}

impl Reader<'_, '_> {
    fn answer(&self, table: &Table<'_, '_>) -> Duration {
        let after = table
            .need("after", "write seconds from INVITE to 200; 0 is usual")
            .and_then(|v| v.seconds(MAX_AFTER));
        table.finish();
        after.unwrap_or_default()
    }

    fn areas(&self, table: &Table<'_, '_>) -> BTreeSet<String> {
        let list = table.need("area_codes", "list them in quotes, or remove [french_first]");
        let codes =
            list.and_then(|v| v.array(MAX_AREA_CODES)).unwrap_or_default().into_iter().filter_map(|value| {
                let code = value.string()?;
                let good =
                    code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit()) && code.as_bytes()[0] >= b'2';
                if !good {
                    value.error(
                        format!("\"{code}\" is no area code"),
                        "write three digits, the first from 2 to 9",
                    );
                }
                good.then(|| code.to_owned())
            });
        let codes = codes.collect();
        table.finish();
        codes
    }

    fn line(&self, table: &Table<'_, '_>, menus: &[RawMenu<'_, '_>]) -> Option<Line> {
        let id = table.need("id", "name the line").and_then(|v| {
            let id = v.string()?.parse().ok();
            if id.is_none() {
                v.error(
                    "is no name",
                    "use 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit",
                );
            }
            id
        });
        let label = table.get("label").and_then(|v| v.string());
        let french_first =
            table.need("french_first", "write true if French is said first on this line, else false");
        let french_first = french_first.and_then(|v| v.boolean());
        let numbers = table.need("numbers", "list the numbers that callers dial, such as \"+18335550100\"");
        let numbers = numbers.and_then(|v| {
            let list = v.array(MAX_NUMBERS)?;
            if list.is_empty() {
                v.error("is empty", "list the numbers that callers dial, such as \"+18335550100\"");
            }
            Some(list.iter().filter_map(number).collect())
        });
        let menu = table.need("menu", "name the menu that greets callers").and_then(|v| {
            let name = v.string()?;
            let known = menus.iter().map(|m| m.menu.name.as_str());
            let found = known.clone().position(|menu| menu == name);
            if found.is_none() {
                v.error(format!("there is no menu \"{name}\""), did_you_mean(name, known));
            }
            found
        });
        table.finish();
        let id: havre_model::LineId = id?;
        let label = label.unwrap_or(id.as_str()).to_owned();
        Some(Line {
            id,
            label,
            numbers: numbers?,
            french_first: french_first?,
            menu: menu?,
            place: table.place.clone(),
        })
    }

    fn menus<'s, 'a>(&self, table: &Table<'s, 'a>) -> Vec<RawMenu<'s, 'a>> {
        let entries = table.entries();
        if entries.len() > MAX_MENUS {
            self.file.error(
                &table.place,
                format!("has {} menus", entries.len()),
                format!("keep at most {MAX_MENUS}"),
            );
            return Vec::new();
        }
        let read = |(name, value): (&str, Value<'s, 'a>)| {
            if ["join", "wait", "hangup", "hang_up", "goodbye"].contains(&name) {
                value.error("is a word with a meaning of its own", "give the menu another name");
            }
            self.menu(name, &value.table()?)
        };
        entries.into_iter().filter_map(read).collect()
    }

    fn menu<'s, 'a>(&self, name: &str, table: &Table<'s, 'a>) -> Option<RawMenu<'s, 'a>> {
        let mut targets = Vec::new();
        let say = self.say(table, "say", "list the prompts of this menu").unwrap_or_default();
        let no_input =
            table.need("no_input", "say what happens when no key is pressed: { after = 3, then = \"join\" }");
        let mut after = None;
        if let Some(table) = no_input.and_then(|v| v.table()) {
            after = table
                .need("after", "write seconds after the end of the prompts")
                .and_then(|v| v.seconds(MAX_AFTER));
            targets.extend(table.need("then", "write \"join\" or the name of a menu").map(|v| (None, v)));
            table.finish();
        }
        let no_match = no_match(table, &[("ignore", NoMatch::Ignore), ("join", NoMatch::Join)]);
        let mut keys = BTreeMap::new();
        let listed = table.need("keys", "add what each key does").and_then(|v| v.table());
        for (key, value) in listed.map(|t| t.entries()).unwrap_or_default() {
            let (Some(digit), Some(table)) = (digit(key, &value), value.table()) else { continue };
            let set = read_set(&table);
            targets
                .extend(table.need("then", "write \"join\" or the name of a menu").map(|v| (Some(digit), v)));
            table.finish();
            keys.insert(digit, Choice { set, then: Then::Join });
        }
        table.finish();
        let (place, name, no_input) = (table.place.clone(), name.to_owned(), Then::Join);
        // The defaults for what was missing never reach a caller: an error has been found for each.
        let (no_input_after, no_match) = (after.unwrap_or_default(), no_match.unwrap_or(NoMatch::Ignore));
        let menu = Menu { place, name, say, no_input_after, no_input, no_match, keys };
        Some(RawMenu { menu, targets })
    }

    fn resolve(&self, raw: Vec<RawMenu<'_, '_>>) -> Option<Vec<Menu>> {
        let names: Vec<_> = raw.iter().map(|m| m.menu.name.clone()).collect();
        let mut menus = Vec::new();
        for RawMenu { mut menu, targets } in raw {
            for (key, value) in targets {
                let Some(then) = value.string().and_then(|name| target(name, &value, &names)) else {
                    continue;
                };
                match key.and_then(|key| menu.keys.get_mut(&key)) {
                    Some(choice) => choice.then = then,
                    None => menu.no_input = then,
                }
            }
            menus.push(menu);
        }
        (!menus.is_empty()).then_some(menus)
    }

    fn waiting(&self, table: &Table<'_, '_>) -> Option<Waiting> {
        let say = self.say(table, "say", "list what is said first, in the caller's language");
        let say_unknown =
            self.say(table, "say_unknown", "list what is said first while the language is unknown");
        let pause =
            table.need("pause", "write the seconds between messages; 3 is usual").and_then(|v| v.seconds(10));
        let silent = self.say(table, "silent", "list what is said after the key for \"cannot talk\"");
        let advocate_lost =
            self.say(table, "advocate_lost", "list what is said when an advocate's line drops");
        let trouble = self.say(table, "trouble", "list what is said when we have a technical problem");
        let sound = self.sound(table, "sound");
        let tick = self.sound(table, "tick");
        let reminder = table.need(
            "no_input",
            "say what is heard while nothing happens: { after = 45, after_message = 15, every = 60, say = [\"P6\"] }",
        );
        let reminder = reminder.and_then(|v| v.table()).and_then(|t| self.reminder(&t));
        no_match(table, &[("ignore", ())]);
        let mut keys = BTreeMap::new();
        let listed = table.need("keys", "add what each key does").and_then(|v| v.table());
        for (key, value) in listed.map(|t| t.entries()).unwrap_or_default() {
            if let (Some(digit), Some(does)) = (digit(key, &value), waiting_key(&value)) {
                keys.insert(digit, does);
            }
        }
        table.finish();
        Some(Waiting {
            place: table.place.clone(),
            sound: sound?,
            tick: tick?,
            say: say?,
            say_unknown: say_unknown?,
            pause: pause?,
            silent: silent?,
            advocate_lost: advocate_lost?,
            trouble: trouble?,
            reminder: reminder?,
            keys,
        })
    }

    fn reminder(&self, table: &Table<'_, '_>) -> Option<Reminder> {
        let after =
            table.need("after", "write seconds from joining; 45 is usual").and_then(|v| v.seconds(60));
        let after_message =
            table.need("after_message", "write seconds; 15 is usual").and_then(|v| v.seconds(60));
        let every = table.need("every", "write seconds; 60 is usual").and_then(|v| {
            let every = v.seconds(120)?;
            if every < Duration::from_secs(20) {
                v.error("is shorter than 20 s", "write 20 to 120: more often is nagging");
            }
            Some(every)
        });
        let say = self.say(table, "say", "list the reminder's prompt");
        table.finish();
        Some(Reminder { after: after?, after_message: after_message?, every: every?, say: say? })
    }

    fn neutral(&self, table: &Table<'_, '_>) -> BTreeMap<PromptId, Option<PromptId>> {
        let mut neutral = BTreeMap::new();
        for (name, value) in table.entries() {
            let from = self.prompt(name, &value);
            let to = value.string().and_then(|name| match name {
                "leave_out" => Some(None),
                name => self.prompt(name, &value).map(Some),
            });
            if let (Some(from), Some(to)) = (from, to) {
                neutral.insert(from, to);
            }
        }
        neutral
    }

    fn extra(&self, table: &Table<'_, '_>, target: bool, remedy: &str) -> Extra {
        let enabled = enabled(table, target, remedy);
        let say = self.say(table, "say", "list what is said").unwrap_or_default();
        table.finish();
        Extra { enabled, say }
    }

    fn partner(&self, table: &Table<'_, '_>, target: bool) -> Partner {
        let enabled = enabled(table, target, "configure the partner centre's address");
        let say = self.say(table, "say", "list what is said").unwrap_or_default();
        let no_input =
            table.need("no_input", "say what happens when no key is pressed: { after = 5, then = \"wait\" }");
        let mut open = Duration::ZERO;
        if let Some(table) = no_input.and_then(|v| v.table()) {
            let after = table
                .need("after", "write seconds after the end of the offer")
                .and_then(|v| v.seconds(MAX_AFTER));
            open = after.unwrap_or_default();
            table
                .need("then", "write \"wait\": doing nothing means waiting here")
                .and_then(|v| v.one_of(&[("wait", ())]));
            table.finish();
        }
        no_match(table, &[("ignore", ())]);
        let mut keys = BTreeMap::new();
        let listed = table.need("keys", "add the key that goes to the partner").and_then(|v| v.table());
        for (key, value) in listed.map(|t| t.entries()).unwrap_or_default() {
            let does = value.one_of(&[("partner", PartnerKey::Go), ("ignore", PartnerKey::Ignore)]);
            if let (Some(digit), Some(does)) = (digit(key, &value), does) {
                keys.insert(digit, does);
            }
        }
        table.finish();
        Partner { place: table.place.clone(), enabled, say, open, keys }
    }

    /// A list of prompts. A clip that exists in one official language only must stand with its pair.
    fn say(&self, table: &Table<'_, '_>, key: &str, remedy: &str) -> Option<Vec<PromptId>> {
        let list = table.need(key, remedy)?;
        let values = list.array(MAX_SAY)?;
        if values.is_empty() {
            list.error("is empty", remedy);
        }
        let ids: Vec<PromptId> = values.iter().filter_map(|v| self.prompt(v.string()?, v)).collect();
        for (id, value) in ids.iter().zip(&values) {
            let Some(pair) = self.catalogue.pair(id) else { continue };
            if !ids.contains(pair) {
                let what = format!("{id} is said in one language only");
                value.error(what, format!("add {pair}, which says the same in the other language"));
            }
        }
        (!ids.is_empty()).then_some(ids)
    }

    fn prompt(&self, name: &str, value: &Value<'_, '_>) -> Option<PromptId> {
        let id: Option<PromptId> = name.parse().ok();
        let known = id.filter(|id| !self.catalogue.languages(id).is_empty());
        if known.is_none() {
            let remedy = match closest(name, self.catalogue.prompts()) {
                Some(near) => format!("did you mean \"{near}\"? Otherwise add it to prompts/catalogue.toml"),
                None => "add it to prompts/catalogue.toml, in both languages".to_owned(),
            };
            value.error(format!("there is no prompt \"{name}\""), remedy);
        }
        let id = known?;
        let languages = self.catalogue.languages(&id);
        let both = [Spoken::En, Spoken::Fr].iter().all(|s| languages.contains(s));
        let neither = [Spoken::En, Spoken::Fr].iter().all(|s| !languages.contains(s));
        if !both && !neither && self.catalogue.pair(&id).is_none() {
            let what = format!("prompt {id} is missing in one language");
            value.error(what, "English and French are the same graph: add it in both languages");
        }
        Some(id)
    }

    fn sound(&self, table: &Table<'_, '_>, key: &str) -> Option<PromptId> {
        let value = table.need(key, "name a sound of prompts/catalogue.toml")?;
        let name = value.string()?;
        let clip = self.catalogue.clip(name, None);
        if clip.is_none() {
            value.error(
                format!("there is no sound \"{name}\""),
                "add it to prompts/catalogue.toml as [sounds.NAME]",
            );
        }
        clip.map(|clip| clip.key.prompt.clone())
    }
}

impl Partner {
    fn off() -> Self {
        Self {
            place: Place::default(),
            enabled: false,
            say: Vec::new(),
            open: Duration::ZERO,
            keys: BTreeMap::new(),
        }
    }
}

fn number(value: &Value<'_, '_>) -> Option<String> {
    let text = value.string()?;
    let good = text.strip_prefix('+').is_some_and(|digits| {
        (8..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0')
    });
    if !good {
        let what = format!("\"{text}\" is no number in E.164");
        value.error(
            what,
            "write + and 8 to 15 digits, such as \"+18335550100\"; carriers' prefixes belong to the trunk",
        );
    }
    good.then(|| text.to_owned())
}

fn no_match<T: Copy>(table: &Table<'_, '_>, known: &[(&str, T)]) -> Option<T> {
    let remedy = "say what a wrong key does: \"ignore\" lets the prompt go on without a word";
    table.need("no_match", remedy).and_then(|v| v.one_of(known))
}

fn enabled(table: &Table<'_, '_>, target: bool, remedy: &str) -> bool {
    let Some(value) = table.need("enabled", "write true or false") else { return false };
    let enabled = value.boolean().unwrap_or(false);
    if enabled && !target {
        value.error("is switched on, but there is nobody to ring", format!("{remedy}, or write false"));
    }
    enabled && target
}

fn digit(key: &str, value: &Value<'_, '_>) -> Option<Digit> {
    let mut chars = key.chars();
    let digit = chars.next().filter(|_| chars.next().is_none()).and_then(Digit::from_char);
    if digit.is_none() {
        value.error("is no key of a telephone", "use 0 to 9, \"*\" or \"#\"");
    }
    digit
}

fn target(name: &str, value: &Value<'_, '_>, menus: &[String]) -> Option<Then> {
    if name == "join" {
        return Some(Then::Join);
    }
    if let Some(menu) = menus.iter().position(|menu| menu == name) {
        return Some(Then::Menu(menu));
    }
    let known = menus.iter().map(String::as_str).chain(["join"]);
    let (what, remedy) = if ["hangup", "hang_up", "goodbye", "end", "voicemail"].contains(&name) {
        let what = format!("\"{name}\" would end the call");
        (
            what,
            "write \"join\": every path ends at a person, and only the caller or the advocate ends a call"
                .to_owned(),
        )
    } else {
        (format!("there is no menu \"{name}\""), did_you_mean(name, known))
    };
    value.error(what, remedy);
    None
}

fn did_you_mean<'n>(name: &str, known: impl Iterator<Item = &'n str> + Clone) -> String {
    match closest(name, known.clone()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("known: {}", known.collect::<Vec<_>>().join(", ")),
    }
}

fn read_set(table: &Table<'_, '_>) -> Set {
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

fn waiting_key(value: &Value<'_, '_>) -> Option<WaitingKey> {
    if !value.is_table() {
        return value
            .one_of(&[("repeat", WaitingKey::Repeat), ("other_language", WaitingKey::OtherLanguage)]);
    }
    let table = value.table()?;
    let set = read_set(&table);
    table.finish();
    if set == Set::default() {
        value.error("sets nothing", "remove the key: a key that is not listed is ignored");
    }
    Some(WaitingKey::Set(set))
}
