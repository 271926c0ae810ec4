//! The plan's clips as the data plane plays them: encoded once per codec, shared by all listeners.

use std::collections::HashMap;
use std::sync::Arc;

use havre_dialplan::{Catalogue, Clip, ClipKey, Cue};
use havre_media::{self as media, Codec, Prompt};

/// Encoded prompts by clip.
#[derive(Debug, Default)]
pub struct Library {
    prompts: HashMap<ClipKey, Arc<Prompt>>,
    /// What they are encoded in, and so what is offered to phones: best first.
    codecs: Vec<Codec>,
}

impl Library {
    /// Encodes every clip of `catalogue` for each of `codecs`, which are what calls may use, best first. Takes a while:
    /// not for a thread that serves calls.
    #[must_use]
    pub fn new(catalogue: &Catalogue, codecs: &[Codec]) -> Self {
        let this = Self { codecs: codecs.to_vec(), ..Self::unencoded(catalogue) };
        for (_, prompt) in this.prompts() {
            for codec in codecs {
                prompt.prepare(*codec);
            }
        }
        this
    }

    /// Every clip, each encoded when it is first played: for simulations, which send no audio.
    #[must_use]
    pub fn unencoded(catalogue: &Catalogue) -> Self {
        Self {
            codecs: Codec::USUAL.to_vec(),
            prompts: catalogue.clips().map(|clip| (clip.key.clone(), Prompt::new(&clip.samples))).collect(),
        }
    }

    /// All of them.
    pub fn prompts(&self) -> impl Iterator<Item = (&ClipKey, &Arc<Prompt>)> {
        self.prompts.iter()
    }

    /// The codecs that calls may use, best first.
    pub(crate) fn codecs(&self) -> &[Codec] {
        &self.codecs
    }

    /// The prompt of a clip of the catalogue that this library was made from.
    pub(crate) fn prompt(&self, clip: &Clip) -> Option<&Arc<Prompt>> {
        self.prompts.get(&clip.key)
    }

    pub(crate) fn clips(&self, cues: &[Cue]) -> Vec<media::Clip> {
        cues.iter()
            .map(|cue| match cue {
                Cue::Pause(duration) => media::Clip::Silence(*duration),
                // A clip of another catalogue would be a fault of ours; its time passes in silence.
                Cue::Clip(clip) => self.prompt(clip).map_or_else(
                    || media::Clip::Silence(clip.duration()),
                    |prompt| media::Clip::Prompt(Arc::clone(prompt)),
                ),
            })
            .collect()
    }
}
