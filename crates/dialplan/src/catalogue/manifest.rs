//! `manifest.toml`: which text each recording was made from, by whom, and what was measured.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::Source;
use super::audio::{Recording, hex};
use crate::file::File;
use crate::limits::MAX_PROMPTS;

const HEAD: &str = "\
# Written by make.sh and by `havre prompts replace`; not by hand. What each recording is, and which text it was
# made from: a text that has changed since makes its audio stale.
";

/// The entries by file, such as `en-CA/P2.wav`.
#[derive(Debug, Default)]
pub(crate) struct Manifest(pub(crate) BTreeMap<String, Entry>);

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) source: Source,
    /// SHA-256 of the text; empty for sounds.
    pub(crate) text_digest: String,
    /// SHA-256 of the file.
    pub(crate) file_digest: String,
    pub(crate) seconds: f64,
    pub(crate) lufs: f64,
}

impl Entry {
    pub(crate) fn new(source: Source, text: &str, recording: &Recording, loudness: f64) -> Self {
        Self {
            source,
            text_digest: text_digest(text),
            file_digest: recording.file_digest.clone(),
            seconds: recording.duration().as_secs_f64(),
            lufs: loudness.max(-99.0),
        }
    }
}

/// What the manifest says of a text: empty for sounds, which have none.
pub(crate) fn text_digest(text: &str) -> String {
    if text.is_empty() { String::new() } else { hex(&Sha256::digest(text.as_bytes())) }
}

impl Manifest {
    /// Reads the document; what is wrong is found in `file`.
    pub(crate) fn read(file: &File<'_>) -> Option<Self> {
        let document = file.parse()?;
        let root = file.root(&document);
        let mut manifest = Self::default();
        for table in root.get("clip").map(|v| v.tables(2 * MAX_PROMPTS)).unwrap_or_default() {
            let text = |key: &str| {
                table.need(key, ("run prompts/make.sh", "lancez prompts/make.sh")).and_then(|v| v.string())
            };
            let number = |key: &str| {
                table.need(key, ("run prompts/make.sh", "lancez prompts/make.sh")).and_then(|v| v.number())
            };
            let sources = Source::ALL.map(|s| (s.as_str(), s));
            let source = table
                .need("source", ("run prompts/make.sh", "lancez prompts/make.sh"))
                .and_then(|v| v.one_of(&sources));
            if let (
                Some(name),
                Some(source),
                Some(text_digest),
                Some(file_digest),
                Some(seconds),
                Some(lufs),
            ) = (
                text("file"),
                source,
                text("text_sha256"),
                text("audio_sha256"),
                number("seconds"),
                number("lufs"),
            ) {
                let (text_digest, file_digest) = (text_digest.to_owned(), file_digest.to_owned());
                manifest.0.insert(name.to_owned(), Entry { source, text_digest, file_digest, seconds, lufs });
            }
            table.finish();
        }
        root.finish();
        Some(manifest)
    }

    /// The document, the same as make.sh writes.
    pub(crate) fn print(&self) -> String {
        let mut out = HEAD.to_owned();
        for (name, entry) in &self.0 {
            let Entry { source, text_digest, file_digest, seconds, lufs } = entry;
            let _ = write!(
                out,
                "\n[[clip]]\nfile = \"{name}\"\nsource = \"{}\"\ntext_sha256 = \"{text_digest}\"\naudio_sha256 = \"{file_digest}\"\nseconds = {seconds:.3}\nlufs = {lufs:.1}\n",
                source.as_str(),
            );
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_again() {
        let entry = Entry {
            source: Source::Human,
            text_digest: text_digest("Hello."),
            file_digest: "00ff".into(),
            seconds: 1.25,
            lufs: -23.1,
        };
        let manifest = Manifest([("en-CA/P2.wav".to_owned(), entry)].into());
        let text = manifest.print();
        let file = File::new("manifest.toml", &text);
        let read = Manifest::read(&file).unwrap();
        assert!(file.into_findings().is_empty());
        assert_eq!(read.0, manifest.0);
        assert_eq!(read.print(), text);
    }
}
