//! Prompts and sounds by their names in the catalogue.

use havre_model::Spoken;

use super::Reader;
use crate::PromptId;
use crate::file::{Table, Value, closest};
use crate::limits::MAX_SAY;
use crate::said::{Both, said};

impl Reader<'_, '_> {
    /// A list of prompts. A clip that exists in one official language only must stand with its pair.
    pub(super) fn say(&self, table: &Table<'_, '_>, key: &str, remedy: Both) -> Option<Vec<PromptId>> {
        let list = table.need(key, remedy)?;
        let values = list.array(MAX_SAY)?;
        if values.is_empty() {
            list.error(("is empty", "est vide"), remedy);
        }
        let ids: Vec<PromptId> = values.iter().filter_map(|v| self.prompt(v.string()?, v)).collect();
        for (id, value) in ids.iter().zip(&values) {
            let Some(pair) = self.catalogue.pair(id) else { continue };
            if !ids.contains(pair) {
                let what = said!("{id} is said in one language only", "{id} n’est dit que dans une langue");
                let remedy = said!(
                    "add {pair}, which says the same in the other language",
                    "ajoutez {pair}, qui dit la même chose dans l’autre langue"
                );
                value.error(what, remedy);
            }
        }
        (!ids.is_empty()).then_some(ids)
    }

    pub(super) fn prompt(&self, name: &str, value: &Value<'_, '_>) -> Option<PromptId> {
        let id: Option<PromptId> = name.parse().ok();
        let known = id.filter(|id| !self.catalogue.languages(id).is_empty());
        if known.is_none() {
            let remedy = match closest(name, self.catalogue.prompts()) {
                Some(near) => said!(
                    "did you mean \"{near}\"? Otherwise add it to prompts/catalogue.toml",
                    "vouliez-vous dire \"{near}\"? Sinon, ajoutez-le à prompts/catalogue.toml"
                ),
                None => said!(
                    "add it to prompts/catalogue.toml, in both languages",
                    "ajoutez-le à prompts/catalogue.toml, dans les deux langues"
                ),
            };
            value.error(said!("there is no prompt \"{name}\"", "il n’y a pas de message \"{name}\""), remedy);
        }
        let id = known?;
        let languages = self.catalogue.languages(&id);
        let both = [Spoken::En, Spoken::Fr].iter().all(|s| languages.contains(s));
        let neither = [Spoken::En, Spoken::Fr].iter().all(|s| !languages.contains(s));
        if !both && !neither && self.catalogue.pair(&id).is_none() {
            let what =
                said!("prompt {id} is missing in one language", "le message {id} manque dans une langue");
            value.error(
                what,
                (
                    "English and French are the same graph: add it in both languages",
                    "l’anglais et le français suivent le même graphe\u{a0}: ajoutez-le dans les deux langues",
                ),
            );
        }
        Some(id)
    }

    pub(super) fn sound(&self, table: &Table<'_, '_>, key: &str) -> Option<PromptId> {
        let value = table.need(
            key,
            ("name a sound of prompts/catalogue.toml", "nommez un son de prompts/catalogue.toml"),
        )?;
        let name = value.string()?;
        let clip = self.catalogue.clip(name, None);
        if clip.is_none() {
            value.error(
                said!("there is no sound \"{name}\"", "il n’y a pas de son \"{name}\""),
                (
                    "add it to prompts/catalogue.toml as [sounds.NAME]",
                    "ajoutez-le à prompts/catalogue.toml sous [sounds.NOM]",
                ),
            );
        }
        clip.map(|clip| clip.key.prompt.clone())
    }
}
