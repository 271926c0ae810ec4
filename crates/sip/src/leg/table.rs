//! Every leg by its id, and by the tags with which the far side names it.

use std::collections::HashMap;

use havre_model::{FlowId, LegId, Mono};

use super::Leg;
use super::replaced::Former;
use crate::endpoint::Event;
use crate::stack::Stack;
use crate::wire::Headers;

/// See the module's page.
#[derive(Default)]
pub(crate) struct Legs {
    pub(super) table: HashMap<LegId, Leg>,
    by_tag: HashMap<u64, LegId>,
    pub(super) former: Former,
}

impl Legs {
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn contains(&self, id: LegId) -> bool {
        self.table.contains_key(&id)
    }

    /// A leg that is over already is not kept.
    pub(crate) fn insert(&mut self, leg: Leg) {
        if leg.is_over() {
            return;
        }
        for tag in &leg.tags {
            self.by_tag.insert(*tag, leg.id);
        }
        self.table.insert(leg.id, leg);
    }

    /// One more name for it: of another INVITE of ours.
    pub(crate) fn add_tag(&mut self, id: LegId, tag: u64) {
        if let Some(leg) = self.table.get_mut(&id) {
            leg.tags.push(tag);
            self.by_tag.insert(tag, id);
        }
    }

    pub(crate) fn find(&mut self, id: LegId) -> Option<&mut Leg> {
        self.table.get_mut(&id)
    }

    /// Our tag in the dialog of a leg that came in.
    pub(crate) fn tag(&self, id: LegId) -> Option<String> {
        self.table.get(&id)?.tags.first().map(|tag| tag_text(*tag))
    }

    /// The leg that a request's `To` tag names. Whether the rest of the dialog matches is for the leg to say.
    pub(crate) fn named_by(&self, headers: &Headers) -> Option<LegId> {
        let to = headers.to().ok()?;
        self.by_tag.get(&parse_tag(to.tag()?)?).copied()
    }

    /// The leg that has this tag of ours.
    pub(super) fn by_tag_text(&self, tag: &str) -> Option<&Leg> {
        self.table.get(self.by_tag.get(&parse_tag(tag)?)?)
    }

    /// A browser's connection is gone: the legs whose signalling went over it are told.
    pub(crate) fn on_flow_closed(&self, stack: &mut Stack, flow: FlowId) {
        let mut detached: Vec<LegId> =
            self.table.values().filter(|leg| leg.is_browsers(flow)).map(|leg| leg.id).collect();
        // The table has no order of its own, and runs must repeat.
        detached.sort_unstable();
        for leg in detached {
            stack.emit(Event::Detached { leg });
        }
    }

    /// Forgets it if it is over, but for the name of an account's.
    pub(crate) fn sweep(&mut self, id: LegId, now: Mono) {
        if self.table.get(&id).is_some_and(Leg::is_over)
            && let Some(leg) = self.table.remove(&id)
        {
            for tag in leg.tags {
                self.by_tag.remove(&tag);
            }
            if let Some(owner) = leg.owner {
                self.former.note(*owner, now);
            }
        }
    }
}

/// How a tag is written.
pub(crate) fn tag_text(tag: u64) -> String {
    format!("{tag:016x}")
}

fn parse_tag(text: &str) -> Option<u64> {
    let plain = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}
