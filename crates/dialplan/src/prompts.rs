//! What `havre prompts check` and `havre prompts replace` do.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use havre_model::Spoken;

use crate::catalogue::{
    Demand, Entry, LOUDNESS_TOLERANCE, Manifest, Recording, Texts, Trust, file_name, read_text,
};
use crate::file::File;
use crate::said::{self, Said, comma, said};
use crate::{Catalogue, Clip, Diagnostic, PromptId, Severity, Source};

/// What a check found, and what is there.
#[derive(Debug)]
pub struct Report {
    /// Every clip that could be read.
    pub clips: Vec<Arc<Clip>>,
    /// Everything that is wrong.
    pub findings: Vec<Diagnostic>,
}

impl Report {
    /// Whether the catalogue can be used.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.findings.iter().all(|d| d.severity < Severity::Error)
    }
}

impl fmt::Display for Report {
    /// A table of the clips, then the findings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<24} {:>8}  {:>10}  voice", "prompt", "seconds", "LUFS")?;
        for clip in &self.clips {
            let (seconds, source) = (clip.duration().as_secs_f64(), clip.source.as_str());
            writeln!(f, "{:<24} {seconds:>8.2}  {:>10.1}  {source}", clip.to_string(), clip.loudness)?;
        }
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        Ok(())
    }
}

/// Checks every recording under `dir`, measuring all of them again: format, loudness, length, clipping, silence at the
/// ends, and whether the text has changed since.
#[must_use]
pub fn check(dir: &Path) -> Report {
    let (catalogue, findings) = crate::catalogue::read(dir, Trust::Nothing);
    let clips = catalogue.as_ref().map(|c: &Catalogue| c.clips().cloned().collect()).unwrap_or_default();
    Report { clips, findings }
}

/// Takes in a recording by a person: checks it against the catalogue, copies it to its place under `dir`, and notes it
/// in the manifest. `spoken` is `None` for the sounds. Nothing is changed if anything is wrong.
///
/// # Errors
/// Everything that is wrong with the recording or with the files it belongs to.
pub fn replace(
    dir: &Path,
    prompt: &str,
    spoken: Option<Spoken>,
    wav: &Path,
) -> Result<Arc<Clip>, Vec<Diagnostic>> {
    let (id, text, demand, other) = wanted(dir, prompt, spoken)?;
    let fail = |(what, remedy): (Said, Said)| fault(&wav.display().to_string(), what, remedy);
    let recording = Recording::read(wav).map_err(|problem| vec![fail(problem)])?;
    let loudness = recording.loudness();
    let mut findings: Vec<_> = recording.problems(demand, loudness).into_iter().map(fail).collect();
    let manifest_path = dir.join("manifest.toml");
    let mut manifest = read_manifest(&manifest_path)?;
    if let Some(entry) = other.and_then(|other| manifest.0.get(&file_name(&id, Some(other))))
        && (entry.lufs - loudness).abs() > LOUDNESS_TOLERANCE
    {
        let by = entry.lufs - loudness;
        let away = by.abs();
        let what = Said {
            en: format!("is {away:.1} LU away from the other language"),
            fr: format!("est à {} LU de l’autre langue", comma(away)),
        };
        let gain = format!("{by:+.1}");
        let remedy = Said {
            en: format!("change its gain by {gain} dB"),
            fr: format!("changez son gain de {} dB", gain.replace('.', ",")),
        };
        findings.push(fail((what, remedy)));
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    let name = file_name(&id, spoken);
    manifest.0.insert(name.clone(), Entry::new(Source::Human, &text, &recording, loudness));
    let bytes = std::fs::read(wav).map_err(|error| {
        let what = said!("cannot be read: {error}", "ne peut pas être lu\u{a0}: {error}");
        vec![fail((what, ("try again", "réessayez").into()))]
    })?;
    write(&dir.join(&name), &bytes)?;
    write(&manifest_path, manifest.print().as_bytes())?;
    let mut clip = Clip::new(&id, spoken, &text, recording.samples, &recording.file_digest);
    (clip.loudness, clip.source) = (loudness, Source::Human);
    Ok(Arc::new(clip))
}

type Wanted = (PromptId, Arc<str>, Demand, Option<Spoken>);

/// What the catalogue wants of the recording: its text and limits, and the language it is compared with.
fn wanted(dir: &Path, prompt: &str, spoken: Option<Spoken>) -> Result<Wanted, Vec<Diagnostic>> {
    let path = dir.join("catalogue.toml");
    let name = path.display().to_string();
    let text = read_text(&path)?;
    let file = File::new(&name, &text);
    let Some(texts) = Texts::read(&file) else { return Err(file.into_findings()) };
    let found = match spoken {
        Some(spoken) => texts.prompts.iter().find(|(id, _)| id.as_str() == prompt).and_then(|(id, entry)| {
            let other =
                [Spoken::En, Spoken::Fr].into_iter().find(|s| *s != spoken && entry.texts.contains_key(s));
            Some((id.clone(), entry.texts.get(&spoken)?.clone(), Demand::Speech { max: entry.max }, other))
        }),
        None => texts.sounds.iter().find(|(id, _)| id.as_str() == prompt).map(|(id, sound)| {
            let demand = Demand::Loop { faint: sound.faint, min: sound.min, max: sound.max };
            (id.clone(), Arc::from(""), demand, None)
        }),
    };
    found.ok_or_else(|| {
        let what = match spoken {
            Some(spoken) => {
                said!("has no text for {prompt} in {spoken}", "n’a pas de texte pour {prompt} en {spoken}")
            }
            None => said!("has no sound {prompt}", "n’a pas de son {prompt}"),
        };
        let known: Vec<_> = texts.prompts.keys().chain(texts.sounds.keys()).map(PromptId::as_str).collect();
        let remedy = match crate::file::closest(prompt, known.iter().copied()) {
            Some(near) if near != prompt => said!("did you mean {near}?", "vouliez-vous dire {near}?"),
            _ => said::known(known.into_iter()),
        };
        vec![fault(&name, what, remedy)]
    })
}

fn read_manifest(path: &Path) -> Result<Manifest, Vec<Diagnostic>> {
    if !path.exists() {
        return Ok(Manifest::default());
    }
    let text = read_text(path)?;
    let name = path.display().to_string();
    let file = File::new(&name, &text);
    match Manifest::read(&file) {
        Some(manifest) if !file.failed() => Ok(manifest),
        _ => Err(file.into_findings()),
    }
}

/// Writes beside and renames, so that a full disk leaves the old file whole.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Vec<Diagnostic>> {
    let beside = path.with_extension("new");
    let done = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let done =
        done.and_then(|()| std::fs::write(&beside, bytes)).and_then(|()| std::fs::rename(&beside, path));
    done.map_err(|error| {
        let what = said!("cannot be written: {error}", "ne peut pas être écrit\u{a0}: {error}");
        let remedy = ("check permissions and free space", "vérifiez les permissions et l’espace libre");
        vec![fault(&path.display().to_string(), what, remedy.into())]
    })
}

fn fault(file: &str, what: Said, remedy: Said) -> Diagnostic {
    Diagnostic::new(file, 0, "", what, remedy, Severity::Error)
}
