//! `[partner]`: the offer to go on to another line.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::graph::{Partner, PartnerKey};
use super::super::values::{digit, enabled, no_match};
use super::{MAX_AFTER, Reader};
use crate::file::{Place, Table};

impl Reader<'_, '_> {
    pub(super) fn partner(&self, table: &Table<'_, '_>, target: bool) -> Partner {
        let enabled = enabled(
            table,
            target,
            ("configure the partner centre's address", "configurez l’adresse du centre partenaire"),
        );
        let say =
            self.say(table, "say", ("list what is said", "énumérez ce qui est dit")).unwrap_or_default();
        let no_input = table.need(
            "no_input",
            (
                "say what happens when no key is pressed: { after = 5, then = \"wait\" }",
                "dites ce qui arrive quand aucune touche n’est pressée\u{a0}: { after = 5, then = \"wait\" }",
            ),
        );
        let mut open = Duration::ZERO;
        if let Some(table) = no_input.and_then(|v| v.table()) {
            let after = table
                .need(
                    "after",
                    (
                        "write seconds after the end of the offer",
                        "écrivez les secondes après la fin de l’offre",
                    ),
                )
                .and_then(|v| v.seconds(MAX_AFTER));
            open = after.unwrap_or_default();
            table
                .need(
                    "then",
                    (
                        "write \"wait\": doing nothing means waiting here",
                        "écrivez \"wait\"\u{a0}: ne rien faire veut dire attendre ici",
                    ),
                )
                .and_then(|v| v.one_of(&[("wait", ())]));
            table.finish();
        }
        no_match(table, &[("ignore", ())]);
        let mut keys = BTreeMap::new();
        let listed = table
            .need(
                "keys",
                ("add the key that goes to the partner", "ajoutez la touche qui mène au centre partenaire"),
            )
            .and_then(|v| v.table());
        for (key, value) in listed.map(|t| t.entries()).unwrap_or_default() {
            let does = value.one_of(&[("partner", PartnerKey::Go), ("ignore", PartnerKey::Ignore)]);
            if let (Some(digit), Some(does)) = (digit(key, &value), does) {
                keys.insert(digit, does);
            }
        }
        table.finish();
        Partner { place: table.place.clone(), enabled, say, open, keys }
    }
}

impl Partner {
    pub(super) fn off() -> Self {
        Self {
            place: Place::default(),
            enabled: false,
            say: Vec::new(),
            open: Duration::ZERO,
            keys: BTreeMap::new(),
        }
    }
}
