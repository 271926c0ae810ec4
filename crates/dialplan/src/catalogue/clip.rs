//! One recording, ready to be encoded: samples, text, and what was measured of it.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use havre_model::Spoken;

/// The one rate at which prompts are stored, in hertz; media derives the others.
pub(crate) const RATE: u32 = 16_000;

/// The name of a prompt, such as `P2` or `P1.3`; also the stem of its file names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PromptId(Arc<str>);

impl PromptId {
    /// The name as written in the catalogue.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name of ours, known to be good.
    pub(crate) fn named(name: &'static str) -> Self {
        Self(Arc::from(name))
    }
}

impl FromStr for PromptId {
    type Err = havre_model::ParseIdError;

    /// A letter, then letters, digits, `.`, `_` or `-`; at most 32 in all. Never a path.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good = text.len() <= 32
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
            && !text.contains("..");
        if good { Ok(Self(Arc::from(text))) } else { Err(havre_model::ParseIdError) }
    }
}

impl Borrow<str> for PromptId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PromptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PromptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What tells two clips apart, also across reloads: use it to look up the encoded form of a clip.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClipKey {
    /// Which prompt.
    pub prompt: PromptId,
    /// In which language; `None` for sounds without words.
    pub spoken: Option<Spoken>,
    /// First 64 bits of SHA-256 over the file; zero for silence.
    pub digest: u64,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The placeholder voice.
    Espeak,
    /// A recording.
    Human,
    /// Made by a script of ours: the waiting sound and the tick.
    Synthesis,
    /// Silence in place of audio, for tests ([`crate::Catalogue::without_audio`]).
    Silence,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Espeak, Self::Human, Self::Synthesis, Self::Silence];

    /// The stable spelling: `espeak`, `human`, `synthesis`, `silence`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Espeak => "espeak",
            Self::Human => "human",
            Self::Synthesis => "synthesis",
            Self::Silence => "silence",
        }
    }

    /// From the stable spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name)
    }
}

/// One prompt in one language (or one sound).
#[derive(Clone)]
pub struct Clip {
    /// Which clip this is.
    pub key: ClipKey,
    /// What is said; empty for sounds.
    pub text: Arc<str>,
    /// 16 kHz mono.
    pub samples: Arc<[i16]>,
    /// Integrated loudness in LUFS (EBU R 128); `-inf` for silence.
    pub loudness: f64,
    /// Who speaks.
    pub source: Source,
}

impl Clip {
    /// `digest` is that of the file, in hex.
    pub(crate) fn new(
        prompt: &PromptId,
        spoken: Option<Spoken>,
        text: &Arc<str>,
        samples: Vec<i16>,
        digest: &str,
    ) -> Self {
        let digest = digest.get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0);
        Self {
            key: ClipKey { prompt: prompt.clone(), spoken, digest },
            text: text.clone(),
            samples: samples.into(),
            loudness: f64::NEG_INFINITY,
            source: Source::Silence,
        }
    }

    pub(crate) fn silence(
        prompt: &PromptId,
        spoken: Option<Spoken>,
        text: &Arc<str>,
        length: Duration,
    ) -> Self {
        Self::new(prompt, spoken, text, vec![0; (length.as_secs_f64() * f64::from(RATE)) as usize], "")
    }

    /// The file below the directory of prompts: `en-CA/P2.wav`, `sounds/waiting.wav`.
    #[must_use]
    pub fn file(&self) -> String {
        super::file_name(&self.key.prompt, self.key.spoken)
    }

    /// How long it plays.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_micros(self.samples.len() as u64 * 1_000_000 / u64::from(RATE))
    }
}

impl fmt::Display for Clip {
    /// `P2 en`, or `waiting` for a sound.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.spoken {
            Some(spoken) => write!(f, "{} {spoken}", self.key.prompt),
            None => write!(f, "{}", self.key.prompt),
        }
    }
}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clip({self}, {:.2}s)", self.duration().as_secs_f64())
    }
}

impl PartialEq for Clip {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Clip {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompt_ids_are_never_paths() {
        for good in ["P2", "P1.3", "P2n", "A-state.on_break"] {
            assert_eq!(good.parse::<PromptId>().unwrap().as_str(), good);
        }
        for bad in ["", "1P", "../x", "a/b", "a..b", "é", &"x".repeat(33)] {
            assert!(bad.parse::<PromptId>().is_err(), "{bad:?}");
        }
    }
}
