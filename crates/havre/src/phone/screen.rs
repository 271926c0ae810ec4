//! What a terminal phone prints: lines for people, in colour where it is seen, or JSON lines for machines.

use std::io::{IsTerminal as _, Write as _, stdout};
use std::time::Duration;

use serde_json::{Map, Value};

/// How a line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// As it is.
    Plain,
    /// Something good.
    Good,
    /// Something wrong.
    Bad,
    /// Something that wants to be noticed.
    Loud,
}

/// Standard output, as it is to be written.
pub(super) struct Screen {
    json: bool,
    colour: bool,
    /// A level meter stands on the last line.
    metered: bool,
}

impl Screen {
    /// JSON if asked for; colours only where a person sees them.
    pub(super) fn new(json: bool) -> Self {
        // https://no-color.org
        let colour =
            !json && stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Self { json, colour, metered: false }
    }

    /// Something happened `at` this time. `what` and `fields` are for machines, `text` for people.
    pub(super) fn line(&mut self, at: Duration, tone: Tone, what: &str, text: &str, fields: Value) {
        if self.json {
            let mut object = Map::new();
            object.insert("t".into(), (at.as_millis() as f64 / 1_000.0).into());
            object.insert("event".into(), what.into());
            if let Value::Object(fields) = fields {
                object.extend(fields);
            }
            self.write(&format!("{}\n", Value::Object(object)));
        } else {
            self.clear_meter();
            let colour = match tone {
                Tone::Plain => "",
                Tone::Good => "\x1b[32m",
                Tone::Bad => "\x1b[31m",
                Tone::Loud => "\x1b[1;33m",
            };
            let (on, off) = if self.colour && !colour.is_empty() { (colour, "\x1b[0m") } else { ("", "") };
            self.write(&format!("{:8.2} s  {on}{text}{off}\n", at.as_secs_f64()));
        }
    }

    /// The last line for machines; people have had theirs.
    pub(super) fn result(&mut self, at: Duration, fields: Value) {
        if self.json {
            self.line(at, Tone::Plain, "result", "", fields);
        }
    }

    /// A remark for people; machines do without.
    pub(super) fn remark(&mut self, text: &str) {
        if !self.json {
            self.clear_meter();
            self.write(&format!("{text}\n"));
        }
    }

    /// A level meter that stays on its line: only where a person sees it.
    pub(super) fn meter(&mut self, dbm0: f32) {
        if self.colour {
            let bar = bar(dbm0);
            self.write(&format!("\r\x1b[2K            {bar} {dbm0:5.1} dBm0"));
            self.metered = true;
        }
    }

    /// A bell, where somebody may hear it.
    pub(super) fn bell(&mut self) {
        if self.colour {
            self.write("\x07");
        }
    }

    fn clear_meter(&mut self) {
        if std::mem::take(&mut self.metered) {
            self.write("\r\x1b[2K");
        }
    }

    /// A closed pipe ends nobody's call.
    #[expect(clippy::unused_self, reason = "the screen is what is written to")]
    fn write(&mut self, text: &str) {
        let mut out = stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.clear_meter();
    }
}

/// Twenty places from -60 to 0 dBm0.
fn bar(dbm0: f32) -> String {
    let full = ((dbm0 + 60.0) / 3.0).clamp(0.0, 20.0) as usize;
    format!("{}{}", "▮".repeat(full), "▯".repeat(20 - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_has_always_twenty_places() {
        for (dbm0, full) in [(-96.0, 0), (-60.0, 0), (-30.0, 10), (0.0, 20), (9.0, 20)] {
            let bar = bar(dbm0);
            assert_eq!((bar.chars().count(), bar.matches('▮').count()), (20, full), "{dbm0}");
        }
    }
}
