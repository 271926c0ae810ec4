//! From text to [`Graph`]: every field typed, every name resolved, every fault found.

mod partner;
mod prompts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use havre_model::Digit;

use super::graph::{Choice, Extra, Graph, Line, Menu, NoMatch, Partner, Reminder, Then, Waiting};
use super::values::{digit, enabled, meant, no_match, no_menu, number, read_set, target, waiting_key};
use super::{Targets, expect, widening};
use crate::file::{File, Table, Value};
use crate::limits::{MAX_AREA_CODES, MAX_LINES, MAX_MENUS, MAX_NUMBERS};
use crate::said::{Both, said};
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
    let menus = root
        .need("menus", ("add the greeting as [menus.greeting]", "ajoutez l’accueil sous [menus.greeting]"))
        .and_then(|v| v.table());
    let menus = menus.map(|table| reader.menus(&table)).unwrap_or_default();
    let answer_after = root.get("answer").and_then(|v| v.table()).map(|t| reader.answer(&t));
    let french_areas = root.get("french_first").and_then(|v| v.table()).map(|t| reader.areas(&t));
    let lines = root.need(
        "lines",
        ("add a [[lines]] with id, numbers and menu", "ajoutez un bloc [[lines]] avec id, numbers et menu"),
    );
    let lines = lines.map(|v| v.tables(MAX_LINES)).unwrap_or_default();
    let lines: Vec<_> = lines.iter().filter_map(|t| reader.line(t, &menus)).collect();
    let waiting = root.need(
        "waiting",
        (
            "add [waiting]: what a caller hears in the queue",
            "ajoutez [waiting]\u{a0}: ce que l’on entend dans la file d’attente",
        ),
    );
    let waiting = waiting.and_then(|v| v.table()).and_then(|t| reader.waiting(&t));
    let neutral = root.need(
        "neutral",
        (
            "add [neutral]: each message's form for discreet mode",
            "ajoutez [neutral]\u{a0}: la forme de chaque message en mode discret",
        ),
    );
    let neutral = neutral.and_then(|v| v.table()).map(|t| (reader.neutral(&t), t.place));
    let partner = root.get("partner").and_then(|v| v.table()).map(|t| reader.partner(&t, targets.partner));
    let on_call = root.get("on_call").and_then(|v| v.table()).map(|t| {
        reader.extra(
            &t,
            targets.on_call,
            (
                "give an account the role \"on_call\" in the configuration",
                "donnez à un compte le rôle \"on_call\" dans la configuration",
            ),
        )
    });
    let interpreter = root.get("interpreter").and_then(|v| v.table()).map(|t| {
        reader.extra(
            &t,
            targets.interpreter,
            (
                "configure the interpreter service's address",
                "configurez l’adresse du service d’interprétation",
            ),
        )
    });
    let off = || Extra { enabled: false, say: Vec::new() };
    let partner = partner.unwrap_or_else(Partner::off);
    let (on_call, interpreter) = (on_call.unwrap_or_else(off), interpreter.unwrap_or_else(off));
    let widening = root.need(
        "widening",
        (
            "add [widening]: how the search for an advocate widens",
            "ajoutez [widening]\u{a0}: comment la recherche s’élargit",
        ),
    );
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
            .need(
                "after",
                (
                    "write seconds from INVITE to 200; 0 is usual",
                    "écrivez les secondes de l’INVITE au 200; 0 est habituel",
                ),
            )
            .and_then(|v| v.seconds(MAX_AFTER));
        table.finish();
        after.unwrap_or_default()
    }

    fn areas(&self, table: &Table<'_, '_>) -> BTreeSet<String> {
        let list = table.need(
            "area_codes",
            (
                "list them in quotes, or remove [french_first]",
                "énumérez-les entre guillemets, ou retirez [french_first]",
            ),
        );
        let codes =
            list.and_then(|v| v.array(MAX_AREA_CODES)).unwrap_or_default().into_iter().filter_map(|value| {
                let code = value.string()?;
                let good =
                    code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit()) && code.as_bytes()[0] >= b'2';
                if !good {
                    value.error(
                        said!("\"{code}\" is no area code", "\"{code}\" n’est pas un indicatif régional"),
                        (
                            "write three digits, the first from 2 to 9",
                            "écrivez trois chiffres, le premier de 2 à 9",
                        ),
                    );
                }
                good.then(|| code.to_owned())
            });
        let codes = codes.collect();
        table.finish();
        codes
    }

    fn line(&self, table: &Table<'_, '_>, menus: &[RawMenu<'_, '_>]) -> Option<Line> {
        let id = table.need("id", ("name the line", "nommez la ligne")).and_then(|v| {
            let id = v.string()?.parse().ok();
            if id.is_none() {
                v.error(
                    ("is no name", "n’est pas un nom"),
                    ("use 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit", "utilisez de 1 à 64 lettres, chiffres, «\u{a0}.\u{a0}», «\u{a0}_\u{a0}» ou «\u{a0}-\u{a0}», en commençant par une lettre ou un chiffre"),
                );
            }
            id
        });
        let label = table.get("label").and_then(|v| v.string());
        let french_first = table.need(
            "french_first",
            (
                "write true if French is said first on this line, else false",
                "écrivez true si le français passe en premier sur cette ligne, sinon false",
            ),
        );
        let french_first = french_first.and_then(|v| v.boolean());
        let numbers = table.need(
            "numbers",
            (
                "list the numbers that callers dial, such as \"+18335550100\"",
                "énumérez les numéros que l’on compose, par exemple \"+18335550100\"",
            ),
        );
        let numbers = numbers.and_then(|v| {
            let list = v.array(MAX_NUMBERS)?;
            if list.is_empty() {
                v.error(
                    ("is empty", "est vide"),
                    (
                        "list the numbers that callers dial, such as \"+18335550100\"",
                        "énumérez les numéros que l’on compose, par exemple \"+18335550100\"",
                    ),
                );
            }
            Some(list.iter().filter_map(number).collect())
        });
        let menu = table
            .need("menu", ("name the menu that greets callers", "nommez le menu d’accueil"))
            .and_then(|v| {
                let name = v.string()?;
                let known = menus.iter().map(|m| m.menu.name.as_str());
                let found = known.clone().position(|menu| menu == name);
                if found.is_none() {
                    v.error(no_menu(name), meant(name, known));
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
                said!("has {} menus", "contient {} menus", entries.len()),
                said!("keep at most {MAX_MENUS}", "gardez-en au plus {MAX_MENUS}"),
            );
            return Vec::new();
        }
        let read = |(name, value): (&str, Value<'s, 'a>)| {
            if ["join", "wait", "hangup", "hang_up", "goodbye"].contains(&name) {
                value.error(
                    ("is a word with a meaning of its own", "est un mot réservé"),
                    ("give the menu another name", "donnez un autre nom au menu"),
                );
            }
            self.menu(name, &value.table()?)
        };
        entries.into_iter().filter_map(read).collect()
    }

    fn menu<'s, 'a>(&self, name: &str, table: &Table<'s, 'a>) -> Option<RawMenu<'s, 'a>> {
        let mut targets = Vec::new();
        let say = self
            .say(table, "say", ("list the prompts of this menu", "énumérez les messages de ce menu"))
            .unwrap_or_default();
        let no_input = table.need(
            "no_input",
            (
                "say what happens when no key is pressed: { after = 3, then = \"join\" }",
                "dites ce qui arrive quand aucune touche n’est pressée\u{a0}: { after = 3, then = \"join\" }",
            ),
        );
        let mut after = None;
        if let Some(table) = no_input.and_then(|v| v.table()) {
            after = table
                .need(
                    "after",
                    (
                        "write seconds after the end of the prompts",
                        "écrivez les secondes après la fin des messages",
                    ),
                )
                .and_then(|v| v.seconds(MAX_AFTER));
            targets.extend(
                table
                    .need(
                        "then",
                        ("write \"join\" or the name of a menu", "écrivez \"join\" ou le nom d’un menu"),
                    )
                    .map(|v| (None, v)),
            );
            table.finish();
        }
        let no_match = no_match(table, &[("ignore", NoMatch::Ignore), ("join", NoMatch::Join)]);
        let mut keys = BTreeMap::new();
        let listed = table
            .need("keys", ("add what each key does", "ajoutez ce que fait chaque touche"))
            .and_then(|v| v.table());
        for (key, value) in listed.map(|t| t.entries()).unwrap_or_default() {
            let (Some(digit), Some(table)) = (digit(key, &value), value.table()) else { continue };
            let set = read_set(&table);
            targets.extend(
                table
                    .need(
                        "then",
                        ("write \"join\" or the name of a menu", "écrivez \"join\" ou le nom d’un menu"),
                    )
                    .map(|v| (Some(digit), v)),
            );
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
        let say = self.say(
            table,
            "say",
            (
                "list what is said first, in the caller's language",
                "énumérez ce qui est dit d’abord, dans la langue de la personne",
            ),
        );
        let say_unknown = self.say(
            table,
            "say_unknown",
            (
                "list what is said first while the language is unknown",
                "énumérez ce qui est dit d’abord tant que la langue est inconnue",
            ),
        );
        let pause = table
            .need(
                "pause",
                (
                    "write the seconds between messages; 3 is usual",
                    "écrivez les secondes entre les messages; 3 est habituel",
                ),
            )
            .and_then(|v| v.seconds(10));
        let silent = self.say(
            table,
            "silent",
            (
                "list what is said after the key for \"cannot talk\"",
                "énumérez ce qui est dit après la touche pour «\u{a0}ne peut pas parler\u{a0}»",
            ),
        );
        let advocate_lost =
            self.say(table, "advocate_lost", ("list what is said when an advocate's line drops", "énumérez ce qui est dit quand la communication avec l’intervenante ou l’intervenant est coupée"));
        let trouble = self.say(
            table,
            "trouble",
            (
                "list what is said when we have a technical problem",
                "énumérez ce qui est dit quand nous avons un problème technique",
            ),
        );
        let sound = self.sound(table, "sound");
        let tick = self.sound(table, "tick");
        let reminder = table.need(
            "no_input",
            ("say what is heard while nothing happens: { after = 45, after_message = 15, every = 60, say = [\"P6\"] }", "dites ce que l’on entend quand rien ne se passe\u{a0}: { after = 45, after_message = 15, every = 60, say = [\"P6\"] }"),
        );
        let reminder = reminder.and_then(|v| v.table()).and_then(|t| self.reminder(&t));
        no_match(table, &[("ignore", ())]);
        let mut keys = BTreeMap::new();
        let listed = table
            .need("keys", ("add what each key does", "ajoutez ce que fait chaque touche"))
            .and_then(|v| v.table());
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
        let after = table
            .need(
                "after",
                (
                    "write seconds from joining; 45 is usual",
                    "écrivez les secondes depuis l’entrée dans la file; 45 est habituel",
                ),
            )
            .and_then(|v| v.seconds(60));
        let after_message = table
            .need("after_message", ("write seconds; 15 is usual", "écrivez des secondes; 15 est habituel"))
            .and_then(|v| v.seconds(60));
        let every = table
            .need("every", ("write seconds; 60 is usual", "écrivez des secondes; 60 est habituel"))
            .and_then(|v| {
                let every = v.seconds(120)?;
                if every < Duration::from_secs(20) {
                    v.error(
                        ("is shorter than 20 s", "est plus court que 20 s"),
                        (
                            "write 20 to 120: more often is nagging",
                            "écrivez de 20 à 120\u{a0}: plus souvent, c’est du harcèlement",
                        ),
                    );
                }
                Some(every)
            });
        let say = self.say(table, "say", ("list the reminder's prompt", "énumérez les messages du rappel"));
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

    fn extra(&self, table: &Table<'_, '_>, target: bool, remedy: Both) -> Extra {
        let enabled = enabled(table, target, remedy);
        let say =
            self.say(table, "say", ("list what is said", "énumérez ce qui est dit")).unwrap_or_default();
        table.finish();
        Extra { enabled, say }
    }
}
