//! The prompt catalogue: texts in both languages and one recording for each.
//!
//! `catalogue.toml` holds the texts, `manifest.toml` what is known of each recording, and one directory per language
//! the audio. Texts, manifest and audio are checked against each other whenever a catalogue is loaded.

mod audio;
mod clip;
mod confirmation;
mod manifest;
mod notice;
mod read;
mod texts;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use havre_model::Spoken;

use crate::file::File;
use crate::{Diagnostic, Severity};

pub(crate) use audio::{Demand, LOUDNESS_TOLERANCE, Recording, hex};
pub use clip::{Clip, ClipKey, PromptId, Source};
pub use confirmation::Confirmation;
pub(crate) use manifest::{Entry, Manifest};
pub use notice::Notice;
pub(crate) use read::{Trust, file_name, read, read_text};
pub(crate) use texts::Texts;

/// Every clip that Havre can play. Immutable and shared.
pub struct Catalogue {
    clips: BTreeMap<(PromptId, Option<Spoken>), Arc<Clip>>,
    pairs: BTreeMap<PromptId, PromptId>,
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Catalogue({} clips)", self.clips.len())
    }
}

impl Catalogue {
    /// From a directory such as `prompts/`. Loudness is taken from the manifest where the file is the one that the
    /// manifest describes, and measured where it is not.
    ///
    /// # Errors
    /// Everything that is wrong, if anything is: nothing is loaded then.
    pub fn load(dir: &Path) -> Result<Arc<Self>, Vec<Diagnostic>> {
        let (catalogue, findings) = read::read(dir, Trust::Manifest);
        match catalogue {
            Some(catalogue) if findings.iter().all(|d| d.severity < Severity::Error) => {
                Ok(Arc::new(catalogue))
            }
            _ => Err(findings),
        }
    }

    /// From the text of a `catalogue.toml` alone, with silence as long as each text would take: for tests that need
    /// no sound.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn without_audio(name: &str, text: &str) -> Result<Arc<Self>, Vec<Diagnostic>> {
        let file = File::new(name, text);
        match Texts::read(&file) {
            Some(texts) if !file.failed() => Ok(Arc::new(Self::silent(&texts))),
            _ => Err(file.into_findings()),
        }
    }

    fn silent(texts: &Texts) -> Self {
        let mut catalogue = Self::new(texts);
        for (id, prompt) in &texts.prompts {
            for (spoken, text) in &prompt.texts {
                let length =
                    Duration::from_millis(300) + Duration::from_secs(text.chars().count() as u64) / 16;
                catalogue.insert(Clip::silence(id, Some(*spoken), text, length));
            }
        }
        for id in texts.sounds.keys() {
            catalogue.insert(Clip::silence(id, None, &Arc::from(""), Duration::from_secs(1)));
        }
        catalogue
    }

    fn new(texts: &Texts) -> Self {
        let pairs = texts.prompts.iter().filter_map(|(id, p)| Some((id.clone(), p.pair.clone()?))).collect();
        Self { clips: BTreeMap::new(), pairs }
    }

    fn insert(&mut self, clip: Clip) {
        self.clips.insert((clip.key.prompt.clone(), clip.key.spoken), Arc::new(clip));
    }

    /// One clip; `spoken` is `None` for sounds.
    #[must_use]
    pub fn clip(&self, prompt: &str, spoken: Option<Spoken>) -> Option<&Arc<Clip>> {
        self.clips.get(&(prompt.parse().ok()?, spoken))
    }

    /// All clips, by name and language.
    pub fn clips(&self) -> impl Iterator<Item = &Arc<Clip>> {
        self.clips.values()
    }

    /// What an advocate hears after a feature code. Spanish advocates hear English.
    #[must_use]
    pub fn confirmation(&self, what: Confirmation, spoken: Spoken) -> Arc<Clip> {
        self.to_agent(what.prompt(), spoken)
    }

    /// What an on-call person hears whose telephone was rung. Spanish speakers hear English.
    #[must_use]
    pub fn notice(&self, what: Notice, spoken: Spoken) -> Arc<Clip> {
        self.to_agent(what.prompt(), spoken)
    }

    fn to_agent(&self, prompt: &'static str, spoken: Spoken) -> Arc<Clip> {
        let clip = self.clip(prompt, Some(spoken)).or_else(|| self.clip(prompt, Some(Spoken::En)));
        // Reading a catalogue makes sure of every such prompt in both languages, so the silence is never heard.
        clip.cloned().unwrap_or_else(|| {
            let nothing = Duration::from_millis(20);
            Arc::new(Clip::silence(&PromptId::named(prompt), None, &Arc::from(""), nothing))
        })
    }

    /// How many clips still have the placeholder voice.
    #[must_use]
    pub fn placeholders(&self) -> usize {
        self.clips().filter(|c| c.source == Source::Espeak).count()
    }

    /// The clip that says the same in the other language, for clips that exist in one only.
    pub(crate) fn pair(&self, prompt: &PromptId) -> Option<&PromptId> {
        self.pairs.get(prompt)
    }

    /// The languages in which a prompt exists.
    pub(crate) fn languages(&self, prompt: &PromptId) -> Vec<Spoken> {
        let exists = |s: &Spoken| self.clips.contains_key(&(prompt.clone(), Some(*s)));
        Spoken::ALL.into_iter().filter(exists).collect()
    }

    /// The names of all prompts, for "did you mean".
    pub(crate) fn prompts(&self) -> impl Iterator<Item = &str> {
        self.clips.keys().filter(|(_, spoken)| spoken.is_some()).map(|(id, _)| id.as_str())
    }
}
