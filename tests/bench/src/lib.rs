//! The table of results, `tests/bench/RESULTS.md`: one section per program that measures, each replaced by its own runs;
//! the messages of a carrier; and the cores and sockets that measurements are made with.
#![allow(clippy::print_stdout, reason = "figures are for people")]

mod carrier;
mod machine;
pub mod relay;

pub use carrier::{Answer, Carrier};
pub use machine::{cpu, cpu_of_process, drops, pin, pin_process, widen};

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::thread;

/// One program's figures.
#[derive(Debug)]
pub struct Section {
    title: String,
    text: String,
}

impl Section {
    /// A section called `title`; `about` says how it was measured, and by which command.
    #[must_use]
    pub fn new(title: &str, about: &str) -> Self {
        let cores = thread::available_parallelism().map_or(0, usize::from);
        let text = format!("{about}\n\nMachine: {cores} cores, {}.\n", processor());
        Self { title: title.into(), text }
    }

    /// Begins a table with these columns.
    pub fn table(&mut self, columns: &[&str]) {
        self.text.push('\n');
        self.row(columns);
        self.row(&vec!["---"; columns.len()]);
    }

    /// Adds a row, and prints it.
    pub fn row(&mut self, cells: &[impl AsRef<str>]) {
        let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
        println!("{}", cells.join(" | "));
        let _ = writeln!(self.text, "| {} |", cells.join(" | "));
    }

    /// Adds a paragraph, and prints it.
    pub fn say(&mut self, paragraph: &str) {
        println!("{paragraph}");
        let _ = writeln!(self.text, "\n{paragraph}");
    }

    /// Puts the section into `RESULTS.md` of the repository at `root`, in place of the one of that title.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn write(&self, root: &Path) -> std::io::Result<PathBuf> {
        let path = root.join("tests/bench/RESULTS.md");
        let old = std::fs::read_to_string(&path).unwrap_or_else(|_| "# Measured\n".into());
        std::fs::write(&path, replaced(&old, &self.title, &self.text))?;
        println!("written to {}", path.display());
        Ok(path)
    }
}

/// `document` with the section `title` holding `text`; a new section goes to the end.
fn replaced(document: &str, title: &str, text: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    for line in document.lines() {
        if parts.is_empty() || line.starts_with("## ") {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push_str(line);
            part.push('\n');
        }
    }
    let heading = format!("## {title}\n");
    let section = format!("{heading}\n{}\n", text.trim_end());
    match parts.iter_mut().find(|part| part.starts_with(&heading)) {
        Some(part) => *part = section,
        None => parts.push(section),
    }
    let trimmed: Vec<&str> = parts.iter().map(|part| part.trim_end()).collect();
    trimmed.join("\n\n") + "\n"
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name =
        text.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("an unknown processor");
    name.trim_start_matches([' ', '\t', ':']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_replaces_itself_and_no_other() {
        let first = replaced("# Measured\n", "One", "old\n");
        assert_eq!(first, "# Measured\n\n## One\n\nold\n");
        let second = replaced(&first, "Two", "two");
        let third = replaced(&second, "One", "new");
        assert_eq!(third, "# Measured\n\n## One\n\nnew\n\n## Two\n\ntwo\n");
    }
}
