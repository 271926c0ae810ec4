//! What is wrong with a file: where, what, and what to do about it.

use std::fmt;

use crate::said::Said;

/// Whether a file with this diagnostic is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth a look; the file is accepted.
    Warning,
    /// The file is refused.
    Error,
}

/// One finding. `Display` gives one plain line, and a second one with the remedy, in English.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file as it was named to the loader.
    pub file: String,
    /// The line, from 1; 0 if the finding is about the whole file.
    pub line: usize,
    /// The dotted path of the key, such as `menus.greeting.no_input`; empty if there is none.
    pub key: String,
    /// What is wrong, in plain English.
    pub what: String,
    /// What to do, in plain English.
    pub remedy: String,
    /// What is wrong, in Canadian French.
    pub what_fr: String,
    /// What to do, in Canadian French.
    pub remedy_fr: String,
    /// Whether the file is refused for it.
    pub severity: Severity,
}

impl Diagnostic {
    pub(crate) fn new(
        file: &str,
        line: usize,
        key: &str,
        what: Said,
        remedy: Said,
        severity: Severity,
    ) -> Self {
        let (file, key) = (file.to_owned(), key.to_owned());
        let (Said { en: what, fr: what_fr }, Said { en: remedy, fr: remedy_fr }) = (what, remedy);
        Self { file, line, key, what, remedy, what_fr, remedy_fr, severity }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.severity == Severity::Warning {
            f.write_str(": warning")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}\n    {}", self.what, self.remedy)
    }
}

impl std::error::Error for Diagnostic {}
