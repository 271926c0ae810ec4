//! A plan as places and ways between them, for screens that draw it themselves.

use havre_model::{Digit, Spoken};

use crate::plan::{PartnerKey, Then};
use crate::{Dialplan, PromptId};

/// A plan's places and the ways between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Lines first, then menus, waiting, the advocate and, where one is offered, the partner centre.
    pub places: Vec<Place>,
    /// In the order of the places that they lead from.
    pub ways: Vec<Way>,
}

/// One place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Unique in the plan: `line:hotline`, `menu:greeting`, `waiting`, `advocate`, `partner`.
    pub id: String,
    /// `line`, `menu`, `waiting`, `advocate` or `partner`.
    pub kind: &'static str,
    /// A line's label; elsewhere what is said there in English.
    pub english: String,
    /// The same in French.
    pub french: String,
}

/// One way from a place to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// A place's id.
    pub from: String,
    /// A place's id.
    pub to: String,
    /// What is pressed.
    pub key: Pressed,
}

/// What is pressed to go a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressed {
    /// This key.
    Key(Digit),
    /// No key, until the time is up.
    Nothing,
    /// It is no matter of keys.
    Never,
}

const WAITING: &str = "waiting";
const ADVOCATE: &str = "advocate";
const PARTNER: &str = "partner";

impl Dialplan {
    /// The plan as places and ways.
    #[must_use]
    pub fn outline(&self) -> Outline {
        let graph = &self.graph;
        let menu_id = |menu: usize| self.menu_id(menu);
        let target = |then: Then| match then {
            Then::Join => WAITING.to_owned(),
            Then::Menu(menu) => menu_id(menu),
        };
        let way = |from: &str, to: String, key| Way { from: from.to_owned(), to, key };
        let (mut places, mut ways) = (Vec::new(), Vec::new());
        for line in &graph.lines {
            let (english, french) = (line.label.clone(), line.label.clone());
            let id = format!("line:{}", line.id);
            ways.push(way(&id, menu_id(line.menu), Pressed::Never));
            places.push(Place { id, kind: "line", english, french });
        }
        for (n, menu) in graph.menus.iter().enumerate() {
            let id = menu_id(n);
            ways.extend(
                menu.keys.iter().map(|(key, choice)| way(&id, target(choice.then), Pressed::Key(*key))),
            );
            ways.push(way(&id, target(menu.no_input), Pressed::Nothing));
            places.push(self.place(id, "menu", &menu.say));
        }
        places.push(self.place(WAITING.to_owned(), "waiting", &graph.waiting.say));
        ways.push(way(WAITING, ADVOCATE.to_owned(), Pressed::Never));
        places.push(self.place(ADVOCATE.to_owned(), "advocate", &[]));
        ways.push(way(ADVOCATE, WAITING.to_owned(), Pressed::Never));
        if graph.partner.enabled {
            let keys = graph.partner.keys.iter().filter(|(_, does)| **does == PartnerKey::Go);
            ways.extend(keys.map(|(key, _)| way(WAITING, PARTNER.to_owned(), Pressed::Key(*key))));
            places.push(self.place(PARTNER.to_owned(), "partner", &graph.partner.say));
        }
        Outline { places, ways }
    }

    /// A menu's place: what [`crate::Output::Went`] says is a way from there.
    #[must_use]
    pub fn menu_id(&self, menu: usize) -> String {
        self.graph.menus.get(menu).map_or_else(String::new, |menu| format!("menu:{}", menu.name))
    }

    fn place(&self, id: String, kind: &'static str, say: &[PromptId]) -> Place {
        let said = |spoken: Spoken| {
            let texts = say.iter().flat_map(|prompt| {
                let clip = self.catalogue().clip(prompt.as_str(), Some(spoken));
                clip.map(|clip| clip.text.to_string())
            });
            texts.collect::<Vec<_>>().join(" ")
        };
        Place { id, kind, english: said(Spoken::En), french: said(Spoken::Fr) }
    }
}
