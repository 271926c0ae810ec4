//! The rules that no configuration may break and that can be seen in the graph alone. Times are the prover's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use havre_model::{Digit, Language, Spoken};

use super::graph::{Choice, Graph, PartnerKey, Set, Then, WaitingKey};
use crate::file::{File, Place};
use crate::limits::{GREETING, MAX_MENU_DEPTH};
use crate::said::{Said, comma, said};
use crate::{Catalogue, PromptId};

/// What gives away what line this is. Lower case; one list for both languages.
const NOT_NEUTRAL: &[&str] = &[
    "9-1-1",
    "911",
    "crisis",
    "crise",
    "danger",
    "emergency",
    "urgence",
    "advocate",
    "intervenant",
    "confiden",
    "traffick",
    "traite",
    "victim",
    "safe",
    "abuse",
    "violence",
    "renforts",
    "hotline",
    "helpline",
    "ligne d'aide",
];

/// Finds every breach.
pub(crate) fn check(graph: &Graph, catalogue: &Catalogue, file: &File<'_>) {
    check_lines(graph, file);
    check_depth(graph, file);
    check_symmetry(graph, file);
    check_greetings(graph, catalogue, file);
    check_waiting(graph, file);
    check_neutral(graph, catalogue, file);
}

fn check_lines(graph: &Graph, file: &File<'_>) {
    let (mut ids, mut numbers) = (BTreeSet::new(), BTreeMap::new());
    if graph.lines.is_empty() {
        let place = Place { line: 1, key: "lines".to_owned() };
        file.error(
            &place,
            ("there is no line", "il n’y a aucune ligne"),
            (
                "add a [[lines]] with id, numbers and menu",
                "ajoutez un bloc [[lines]] avec id, numbers et menu",
            ),
        );
    }
    for line in &graph.lines {
        if !ids.insert(&line.id) {
            file.error(
                &line.place,
                said!("two lines are called {}", "deux lignes s’appellent {}", line.id),
                ("give each line a name of its own", "donnez à chaque ligne son propre nom"),
            );
        }
        for number in &line.numbers {
            if let Some(other) = numbers.insert(number, &line.id) {
                let what =
                    said!("{number} belongs to {other} and to {}", "{number} est à {other} et à {}", line.id);
                file.error(
                    &line.place,
                    what,
                    ("give each number to one line", "donnez chaque numéro à une seule ligne"),
                );
            }
        }
    }
    let mut reached: BTreeSet<_> = graph.lines.iter().map(|l| l.menu).collect();
    let mut open: Vec<_> = reached.iter().copied().collect();
    while let Some(menu) = open.pop() {
        for next in targets(graph, menu) {
            if reached.insert(next) {
                open.push(next);
            }
        }
    }
    for (i, menu) in graph.menus.iter().enumerate() {
        if !reached.contains(&i) {
            file.warning(
                &menu.place,
                ("no line or key leads here", "aucune ligne ni aucune touche ne mène ici"),
                (
                    "remove the menu, or name it in a line or a key",
                    "retirez le menu, ou nommez-le dans une ligne ou une touche",
                ),
            );
        }
    }
}

/// The menus that follow a menu.
pub(crate) fn targets(graph: &Graph, menu: usize) -> impl Iterator<Item = usize> {
    let menu = &graph.menus[menu];
    menu.keys.values().map(|choice| choice.then).chain([menu.no_input]).filter_map(|then| match then {
        Then::Menu(next) => Some(next),
        Then::Join => None,
    })
}

fn check_depth(graph: &Graph, file: &File<'_>) {
    for (i, menu) in graph.menus.iter().enumerate() {
        // Paths of menus from here, shortest first; one that is too long is a circle or a maze.
        let mut level: BTreeSet<usize> = [i].into();
        for _ in 0..MAX_MENU_DEPTH {
            level = level.iter().flat_map(|m| targets(graph, *m)).collect();
            if level.contains(&i) {
                let remedy = (
                    "let every path lead forward: no key restarts a menu or its timer",
                    "faites avancer chaque parcours\u{a0}: aucune touche ne recommence un menu ou son minuteur",
                );
                file.error(&menu.place, ("leads back to itself", "ramène à lui-même"), remedy);
                level.clear();
            }
        }
        if !level.is_empty() && graph.lines.iter().any(|line| line.menu == i) {
            let what = said!(
                "more than {MAX_MENU_DEPTH} menus follow each other",
                "plus de {MAX_MENU_DEPTH} menus se suivent"
            );
            file.error(
                &menu.place,
                what,
                (
                    "queue first, talk second: join sooner",
                    "la file d’abord, les explications ensuite\u{a0}: entrez plus tôt dans la file",
                ),
            );
        }
    }
}

/// English and French are the same graph: what the key for one does, a key for the other does too.
fn check_symmetry(graph: &Graph, file: &File<'_>) {
    for menu in &graph.menus {
        for (digit, choice) in menu.keys.iter().filter(|(_, c)| official(&c.set).is_some()) {
            let mirrored = menu.keys.values().any(|other| {
                mirror(&choice.set) == other.set && same(graph, choice.then, other.then, &mut BTreeSet::new())
            });
            if !mirrored {
                let place = Place { line: menu.place.line, key: key_of(&menu.place.key, *digit) };
                let what = (
                    "no key does the same in the other language",
                    "aucune touche ne fait la même chose dans l’autre langue",
                );
                file.error(
                    &place,
                    what,
                    ("English and French are the same graph: add the other language's key", "l’anglais et le français suivent le même graphe\u{a0}: ajoutez la touche de l’autre langue"),
                );
            }
        }
    }
    let waiting = &graph.waiting;
    let sets: Vec<_> = waiting.keys.iter().filter_map(|(d, k)| Some((*d, set_of(k)?))).collect();
    for (digit, set) in sets.iter().filter(|(_, set)| official(set).is_some()) {
        if !sets.iter().any(|(_, other)| mirror(set) == *other) {
            let place = Place { line: waiting.place.line, key: key_of("waiting", *digit) };
            let what = (
                "no key does the same in the other language",
                "aucune touche ne fait la même chose dans l’autre langue",
            );
            file.error(&place, what, ("English and French are the same graph: add the other language's key", "l’anglais et le français suivent le même graphe\u{a0}: ajoutez la touche de l’autre langue"));
        }
    }
}

fn key_of(table: &str, digit: Digit) -> String {
    match digit.as_char() {
        key @ ('*' | '#') => format!("{table}.keys.\"{key}\""),
        key => format!("{table}.keys.{key}"),
    }
}

fn set_of(key: &WaitingKey) -> Option<Set> {
    match key {
        WaitingKey::Set(set) => Some(*set),
        WaitingKey::Repeat | WaitingKey::OtherLanguage => None,
    }
}

fn official(set: &Set) -> Option<Spoken> {
    set.language.and_then(Language::spoken)
}

fn mirror(set: &Set) -> Set {
    let language = set.language.map(|language| match language {
        Language::En => Language::Fr,
        Language::Fr => Language::En,
        other => other,
    });
    Set { language, ..*set }
}

/// Whether two targets are the same but for the language: the pairs already assumed equal end circles.
fn same(graph: &Graph, a: Then, b: Then, assumed: &mut BTreeSet<(usize, usize)>) -> bool {
    let (Then::Menu(a), Then::Menu(b)) = (a, b) else { return a == b };
    if a == b || !assumed.insert((a, b)) {
        return true;
    }
    let (a, b) = (&graph.menus[a], &graph.menus[b]);
    let equal = |x: &Choice, y: &Choice, assumed: &mut _| {
        mirror(&x.set) == y.set && same(graph, x.then, y.then, assumed)
    };
    a.say == b.say
        && (a.no_input_after, a.no_match) == (b.no_input_after, b.no_match)
        && same(graph, a.no_input, b.no_input, assumed)
        && a.keys.len() == b.keys.len()
        && a.keys.iter().all(|(digit, x)| b.keys.get(digit).is_some_and(|y| equal(x, y, assumed)))
}

fn check_greetings(graph: &Graph, catalogue: &Catalogue, file: &File<'_>) {
    for line in &graph.lines {
        let menu = &graph.menus[line.menu];
        let lasts = say_length(catalogue, &menu.say);
        if lasts > GREETING {
            let over = (lasts - GREETING).as_secs_f64();
            let place = Place { line: menu.place.line, key: format!("{}.say", menu.place.key) };
            let (lasts, id, most) = (lasts.as_secs_f64(), &line.id, GREETING.as_secs());
            let what = Said {
                en: format!("lasts {lasts:.1} s on line {id}; a greeting lasts at most {most} s"),
                fr: format!("dure {} s sur la ligne {id}; un accueil dure au plus {most} s", comma(lasts)),
            };
            let remedy = Said { en: format!("cut {over:.1} s"), fr: format!("retranchez {} s", comma(over)) };
            file.error(&place, what, remedy);
        }
    }
}

/// How long these prompts last while the language is unknown.
pub(crate) fn say_length(catalogue: &Catalogue, say: &[PromptId]) -> Duration {
    let clips = say.iter().flat_map(|id| {
        catalogue
            .languages(id)
            .into_iter()
            .filter_map(|s| Some(catalogue.clip(id.as_str(), Some(s))?.duration()))
    });
    clips.sum()
}

fn check_waiting(graph: &Graph, file: &File<'_>) {
    let waiting = &graph.waiting;
    let sorted = |say: &[PromptId]| {
        let mut say = say.to_vec();
        say.sort();
        say
    };
    if sorted(&waiting.say) != sorted(&waiting.say_unknown) {
        let place = Place { line: waiting.place.line, key: "waiting.say_unknown".to_owned() };
        file.error(
            &place,
            ("says other things than `say`", "dit autre chose que `say`"),
            ("list the same prompts, in whichever order", "énumérez les mêmes messages, dans l’ordre voulu"),
        );
    }
    let partner = &graph.partner;
    if partner.enabled && !partner.keys.values().any(|k| *k == PartnerKey::Go) {
        let place = Place { line: partner.place.line, key: "partner.keys".to_owned() };
        file.error(
            &place,
            ("no key goes to the partner", "aucune touche ne mène au centre partenaire"),
            ("add 1 = \"partner\"", "ajoutez 1 = \"partner\""),
        );
    }
}

fn check_neutral(graph: &Graph, catalogue: &Catalogue, file: &File<'_>) {
    let mut missing = BTreeSet::new();
    for (key, say) in graph.messages() {
        for id in say.iter().filter(|id| !graph.neutral.contains_key(*id)) {
            missing.insert(id);
        }
        let left_out = |id| graph.neutral.get(id).is_some_and(Option::is_none);
        if !say.is_empty() && say.iter().all(left_out) {
            let place = Place { line: graph.neutral_place.line, key: format!("neutral ({key})") };
            file.error(
                &place,
                ("nothing is left to say in discreet mode", "il ne reste rien à dire en mode discret"),
                ("give one of its prompts a neutral form", "donnez une forme neutre à l’un de ses messages"),
            );
        }
    }
    for id in missing {
        let place = Place { line: graph.neutral_place.line, key: format!("neutral.{id}") };
        let remedy = (
            "name its neutral form, or write \"leave_out\"",
            "nommez sa forme neutre, ou écrivez \"leave_out\"",
        );
        file.error(
            &place,
            ("is missing: it would be said in discreet mode", "manque\u{a0}: ce serait dit en mode discret"),
            remedy,
        );
    }
    for neutral in graph.neutral.values().flatten().collect::<BTreeSet<_>>() {
        for spoken in catalogue.languages(neutral) {
            let Some(clip) = catalogue.clip(neutral.as_str(), Some(spoken)) else { continue };
            let lower = clip.text.to_lowercase();
            if let Some(word) = NOT_NEUTRAL.iter().find(|word| lower.contains(*word)) {
                let place = Place { line: graph.neutral_place.line, key: format!("neutral ({clip})") };
                let what =
                    said!("says \"{word}\" in discreet mode", "dit «\u{a0}{word}\u{a0}» en mode discret");
                file.error(
                    &place,
                    what,
                    ("reword it: whoever listens in must learn nothing of what line this is", "reformulez\u{a0}: qui entend par hasard ne doit rien apprendre de la nature de cette ligne"),
                );
            }
        }
    }
}
