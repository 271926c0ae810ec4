//! What is wrong with a file: where, what, and what to do about it.

use std::fmt;

/// Whether a file with this diagnostic is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth a look; the file is accepted.
    Warning,
    /// The file is refused.
    Error,
}

/// One finding. `Display` gives one plain line, and a second one with the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file as it was named to the loader.
    pub file: String,
    /// The line, from 1; 0 if the finding is about the whole file.
    pub line: usize,
    /// The dotted path of the key, such as `menus.greeting.no_input`; empty if there is none.
    pub key: String,
    /// What is wrong, in plain words.
    pub what: String,
    /// What to do, in plain words.
    pub remedy: String,
    /// Whether the file is refused for it.
    pub severity: Severity,
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
