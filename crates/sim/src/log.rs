//! What happened, as a person would tell it.

use std::fmt::{self, Write as _};

use havre_model::Mono;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    at: Mono,
    who: String,
    what: String,
}

/// The log of a world. Times are seconds since [`Log::restart`].
#[derive(Debug, Default)]
pub(crate) struct Log {
    zero: Mono,
    entries: Vec<Entry>,
    /// Keep nothing: for thousands of random days.
    pub(crate) off: bool,
}

impl Log {
    pub(crate) fn new(on: bool) -> Self {
        Self { off: !on, ..Self::default() }
    }

    pub(crate) fn restart(&mut self, now: Mono) {
        self.zero = now;
        self.entries.clear();
    }

    pub(crate) fn say(&mut self, at: Mono, who: &str, what: fmt::Arguments<'_>) {
        if !self.off {
            self.entries.push(Entry { at, who: who.to_owned(), what: what.to_string() });
        }
    }

    /// The lines that `tells` picks by who and what.
    pub(crate) fn print(&self, tells: impl Fn(&str, &str) -> bool) -> String {
        let width = self.entries.iter().map(|entry| entry.who.len()).max().unwrap_or(0);
        let mut text = String::new();
        for Entry { at, who, what } in self.entries.iter().filter(|entry| tells(&entry.who, &entry.what)) {
            let tenths = at.since(self.zero).as_millis() / 100;
            let _ = writeln!(text, "{:>5}.{} {who:width$} {what}", tenths / 10, tenths % 10);
        }
        text
    }

    /// Seconds at which somebody first did or heard this, if ever.
    pub(crate) fn when(&self, who: &str, what: &str) -> Option<f64> {
        let entry = self.entries.iter().find(|entry| entry.who == who && entry.what.starts_with(what))?;
        Some(entry.at.since(self.zero).as_secs_f64())
    }

    /// Everything that somebody did or heard that begins like this.
    pub(crate) fn all(&self, who: &str, beginning: &str) -> Vec<String> {
        let told = |entry: &&Entry| entry.who == who && entry.what.starts_with(beginning);
        self.entries.iter().filter(told).map(|entry| entry.what.clone()).collect()
    }
}
