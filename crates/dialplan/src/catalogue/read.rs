//! Reading a whole catalogue: texts, manifest and audio, checked against each other.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use havre_model::Spoken;

use super::audio::{Demand, LOUDNESS_TOLERANCE, Problem, Recording};
use super::manifest::{Manifest, text_digest};
use super::texts::Texts;
use super::{Catalogue, Clip, PromptId};
use crate::file::File;
use crate::limits::MAX_FILE;
use crate::said::{Both, Said, comma, said};
use crate::{Diagnostic, Severity};

/// Where loudness comes from. Measuring the waiting sound takes longer than reading everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The manifest, where it describes the very file.
    Manifest,
    /// Always measured.
    Nothing,
}

/// Reads `dir`; the catalogue is complete only if no finding is an error.
pub(crate) fn read(dir: &Path, trust: Trust) -> (Option<Catalogue>, Vec<Diagnostic>) {
    let mut findings = Vec::new();
    let texts = read_document(&dir.join("catalogue.toml"), &mut findings, Texts::read);
    let manifest =
        read_document(&dir.join("manifest.toml"), &mut findings, Manifest::read).unwrap_or_default();
    let Some(texts) = texts else { return (None, findings) };
    let mut reading =
        Reading { dir, trust, manifest, catalogue: Catalogue::new(&texts), findings, seen: BTreeSet::new() };
    for (id, prompt) in &texts.prompts {
        for (spoken, text) in &prompt.texts {
            reading.clip(id, Some(*spoken), text, Demand::Speech { max: prompt.max });
        }
        reading.compare_languages(id);
    }
    for (id, sound) in &texts.sounds {
        let demand = Demand::Loop { faint: sound.faint, min: sound.min, max: sound.max };
        reading.clip(id, None, &Arc::from(""), demand);
    }
    reading.strangers();
    (Some(reading.catalogue), reading.findings)
}

/// The path of a clip's audio under the catalogue's directory.
pub(crate) fn file_name(prompt: &PromptId, spoken: Option<Spoken>) -> String {
    format!("{}/{prompt}.wav", spoken.map_or("sounds", Spoken::tag))
}

/// The text of a file that people write, of at most [`MAX_FILE`] bytes.
pub(crate) fn read_text(path: &Path) -> Result<String, Vec<Diagnostic>> {
    let fail = |what: Said, remedy: Both| {
        vec![Diagnostic::new(&path.display().to_string(), 0, "", what, remedy.into(), Severity::Error)]
    };
    match std::fs::metadata(path) {
        Ok(about) if about.len() > MAX_FILE as u64 => {
            let what = said!("has {} bytes", "fait {} octets", about.len());
            return Err(fail(what, ("keep it below a mebibyte", "gardez-le sous un mébioctet")));
        }
        _ => {}
    }
    std::fs::read(path)
        .map_err(|error| {
            let remedy = ("check the path and its permissions", "vérifiez le chemin et ses permissions");
            fail(unreadable(&error), remedy)
        })
        .and_then(|bytes| {
            String::from_utf8(bytes).map_err(|error| {
                let at = error.utf8_error().valid_up_to();
                let what =
                    said!("is not UTF-8 from byte {at} on", "n’est pas en UTF-8 à partir de l’octet {at}");
                fail(what, ("save it as UTF-8", "enregistrez-le en UTF-8"))
            })
        })
}

/// The system says why in English only.
pub(super) fn unreadable(error: &std::io::Error) -> Said {
    said!("cannot be read: {error}", "ne peut pas être lu\u{a0}: {error}")
}

fn read_document<T>(
    path: &Path,
    findings: &mut Vec<Diagnostic>,
    read: impl FnOnce(&File<'_>) -> Option<T>,
) -> Option<T> {
    let text = read_text(path).map_err(|found| findings.extend(found)).ok()?;
    let name = path.display().to_string();
    let file = File::new(&name, &text);
    let document = read(&file);
    findings.extend(file.into_findings());
    document
}

struct Reading<'d> {
    dir: &'d Path,
    trust: Trust,
    manifest: Manifest,
    catalogue: Catalogue,
    findings: Vec<Diagnostic>,
    seen: BTreeSet<String>,
}

impl Reading<'_> {
    fn clip(&mut self, id: &PromptId, spoken: Option<Spoken>, text: &Arc<str>, demand: Demand) {
        let name = file_name(id, spoken);
        self.seen.insert(name.clone());
        match Recording::read(&self.dir.join(&name)) {
            Ok(recording) => self.recording(id, spoken, text, demand, &name, recording),
            Err(problem) => self.found(&name, problem, Severity::Error),
        }
    }

    fn recording(
        &mut self,
        id: &PromptId,
        spoken: Option<Spoken>,
        text: &Arc<str>,
        demand: Demand,
        name: &str,
        recording: Recording,
    ) {
        let entry = self.manifest.0.get(name).cloned();
        let described = entry.as_ref().filter(|e| e.file_digest == recording.file_digest);
        let remedy = said!(
            "take it in with: havre prompts replace {id} {} FILE.wav, or run prompts/make.sh",
            "intégrez-le avec\u{a0}: havre prompts replace {id} {} FICHIER.wav, ou lancez prompts/make.sh",
            spoken.map_or("-", Spoken::as_str)
        );
        match &entry {
            None => {
                let what = ("is not in manifest.toml", "n’est pas dans manifest.toml");
                self.found(name, (what.into(), remedy), Severity::Error);
            }
            Some(_) if described.is_none() => {
                let what = (
                    "was changed by hand: manifest.toml describes another recording",
                    "a été changé à la main\u{a0}: manifest.toml décrit un autre enregistrement",
                );
                self.found(name, (what.into(), remedy), Severity::Error);
            }
            Some(entry) if entry.text_digest != text_digest(text) => {
                let what = (
                    "is stale: its text in catalogue.toml has changed since",
                    "est périmé\u{a0}: son texte dans catalogue.toml a changé depuis",
                );
                let remedy = (
                    "record it again, or run prompts/make.sh for the placeholder voice",
                    "enregistrez-le de nouveau, ou lancez prompts/make.sh pour la voix provisoire",
                );
                self.found(name, (what.into(), remedy.into()), Severity::Error);
            }
            Some(_) => {}
        }
        let loudness = match described {
            Some(entry) if self.trust == Trust::Manifest => entry.lufs,
            _ => recording.loudness(),
        };
        for problem in recording.problems(demand, loudness) {
            self.found(name, problem, Severity::Error);
        }
        let mut clip = Clip::new(id, spoken, text, recording.samples, &recording.file_digest);
        clip.loudness = loudness;
        if let Some(entry) = &entry {
            clip.source = entry.source;
        }
        self.catalogue.insert(clip);
    }

    fn compare_languages(&mut self, id: &PromptId) {
        let loudness = |spoken| self.catalogue.clip(id.as_str(), Some(spoken)).map(|c| c.loudness);
        let (Some(en), Some(fr)) = (loudness(Spoken::En), loudness(Spoken::Fr)) else { return };
        if (en - fr).abs() > LOUDNESS_TOLERANCE {
            let away = (en - fr).abs();
            let what = Said {
                en: format!(
                    "is {away:.1} LU away from English; both languages are within {LOUDNESS_TOLERANCE:.0} LU"
                ),
                fr: format!(
                    "est à {} LU de l’anglais; les deux langues restent à {LOUDNESS_TOLERANCE:.0} LU ou moins",
                    comma(away)
                ),
            };
            let remedy = said!(
                "change the gain of one of them, or record {id} again",
                "changez le gain de l’un des deux, ou enregistrez {id} de nouveau"
            );
            self.found(&file_name(id, Some(Spoken::Fr)), (what, remedy), Severity::Error);
        }
    }

    /// Entries of the manifest that no text asks for.
    fn strangers(&mut self) {
        let strangers: Vec<_> =
            self.manifest.0.keys().filter(|name| !self.seen.contains(*name)).cloned().collect();
        for name in strangers {
            let what = (
                "is in manifest.toml but no text asks for it",
                "est dans manifest.toml, mais aucun texte ne le demande",
            );
            let remedy = (
                "run prompts/make.sh, and remove the file if nothing else uses it",
                "lancez prompts/make.sh, et retirez le fichier si rien d’autre ne s’en sert",
            );
            self.found(&name, (what.into(), remedy.into()), Severity::Warning);
        }
    }

    fn found(&mut self, name: &str, (what, remedy): Problem, severity: Severity) {
        let file = self.dir.join(name).display().to_string();
        self.findings.push(Diagnostic::new(&file, 0, "", what, remedy, severity));
    }
}
