//! A row as it changed: whole where a screen does not know it yet, otherwise its id and what is new of it. Most changes touch a
//! field or two of twenty, and every viewer is sent each.

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::{Agent, Call};

/// A row, and what it was before.
#[derive(Debug)]
pub(crate) struct Row<T> {
    pub(crate) before: Option<T>,
    pub(crate) now: T,
}

macro_rules! rows {
    ($($view:ident { $($field:ident),+ })+) => {$(
        impl Serialize for Row<$view> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                // Without `..`: a field that is missing below does not compile.
                let $view { id, $($field),+ } = &self.now;
                let mut row = serializer.serialize_map(None)?;
                row.serialize_entry("id", id)?;
                $(
                    if self.before.as_ref().is_none_or(|before| before.$field != *$field) {
                        row.serialize_entry(stringify!($field), $field)?;
                    }
                )+
                row.end()
            }
        }
    )+};
}

rows! {
    Call {
        line, trunk, language, risk, mode, stage, since, arrived, joined, waited_ms, ringing, agent, interpreter_needed,
        attention, media_flowing, tty, caller, advocate
    }
    Agent { languages, roles, state, reason, since, ends_in_ms, call }
}
