//! The house behind the line, as the console's API sees it: the record, the roster, the dialplan and the prompts.
//!
//! Files are read, measured and written on threads of their own, never on one that serves calls.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use havre_console::{
    Answer, Office, OfficeError, PlanChecked, PlanDifference, PlanEdge, PlanInForce, PlanNode, PromptEntry,
    RecordingEntry, Reloaded, Roster, TalkEnd, TalkOver,
};
use havre_dialplan::{Catalogue, Dialplan, Pressed, compare, prompts};
use havre_model::{AgentId, Cause, Spoken, TrunkId, Unix};
use havre_store::{Day, PastCall};

use crate::config::Config;
use crate::line::{Running, to_api};
use crate::load::{self, Finding};

/// Old dialplans kept beside the one in force.
const MAX_BACKUPS: usize = 50;

impl Office for Running {
    fn history(&self, agent: AgentId, limit: u32) -> Answer<'_, Result<Vec<TalkOver>, OfficeError>> {
        Box::pin(async move {
            // A talk that has just ended is among them.
            self.records.written().await;
            let path = self.in_force().records.clone();
            let calls = havre_store::calls_of(&path, &agent, limit).await;
            let calls = calls.map_err(|error| OfficeError::Unavailable(error.to_string()))?;
            Ok(calls.iter().rev().filter_map(|call| talk_of(call, &agent)).collect())
        })
    }

    fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.roster.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn keep_roster(&self, roster: Roster) -> Answer<'_, Result<(), OfficeError>> {
        let path = roster_path(&self.in_force());
        Box::pin(async move {
            let text = serde_json::to_vec_pretty(&roster).map_err(unavailable)?;
            off_the_line(move || write(&path, &text).map_err(unavailable)).await?;
            *self.roster.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(roster);
            Ok(())
        })
    }

    fn trunks(&self) -> Vec<(TrunkId, Vec<String>)> {
        let config = self.in_force();
        let sources = |sources: &[_]| sources.iter().map(ToString::to_string).collect();
        config.trunks.iter().map(|trunk| (trunk.id.clone(), sources(&trunk.sources))).collect()
    }

    fn dialplan(&self) -> Answer<'_, Result<PlanInForce, OfficeError>> {
        Box::pin(async move {
            let (config, plan) = (self.in_force(), self.plan());
            let source =
                off_the_line(move || std::fs::read_to_string(&config.dialplan).map_err(unavailable)).await?;
            let outline = plan.outline();
            let nodes = outline.places.into_iter().map(|place| PlanNode {
                id: place.id,
                kind: place.kind,
                label_en: place.english,
                label_fr: place.french,
            });
            let edges = outline.ways.into_iter().map(|way| PlanEdge {
                from: way.from,
                to: way.to,
                key: match way.key {
                    Pressed::Key(key) => Some(key.to_string()),
                    Pressed::Nothing => Some("no_input".to_owned()),
                    Pressed::Never => None,
                },
            });
            let (nodes, edges) = (nodes.collect(), edges.collect());
            Ok(PlanInForce { hash: plan.hash().to_owned(), source, nodes, edges })
        })
    }

    fn check_dialplan(&self, source: String) -> Answer<'_, Result<PlanChecked, OfficeError>> {
        let (config, before) = (self.in_force(), self.plan());
        Box::pin(off_the_line(move || {
            Ok(match parse(&config, &source) {
                Ok(after) => PlanChecked {
                    good: true,
                    findings: after.warnings().iter().cloned().map(Finding::from).map(to_api).collect(),
                    difference: compare::differences(&before, &after).into_iter().map(difference).collect(),
                    longest_to_queue_ms: Some(millis(after.proof().longest.takes)),
                },
                Err(findings) => PlanChecked {
                    findings: findings.into_iter().map(to_api).collect(),
                    ..PlanChecked::default()
                },
            })
        }))
    }

    fn replace_dialplan(&self, source: String, base: String) -> Answer<'_, Result<Reloaded, OfficeError>> {
        Box::pin(async move {
            // One change at a time: the second finds that the first changed what it was made from.
            let _changing = self.changing.lock().await;
            if self.config.is_none() {
                return Err(OfficeError::Stale("The built-in demo's dialplan is not changed.".into()));
            }
            let config = self.in_force();
            let path = config.dialplan.clone();
            let before = off_the_line(move || {
                let present = std::fs::read_to_string(&config.dialplan).map_err(unavailable)?;
                if parse(&config, &present).map(|plan| plan.hash().to_owned()).ok() != Some(base) {
                    let detail = "The dialplan's file is not the one that the change was made from.";
                    return Err(OfficeError::Stale(detail.into()));
                }
                parse(&config, &source).map_err(refused)?;
                keep_backup(&config.dialplan, present.as_bytes()).map_err(unavailable)?;
                write(&config.dialplan, source.as_bytes()).map_err(unavailable)?;
                Ok(present)
            })
            .await?;
            // All or nothing: whatever the reload was refused for, the file stays the one that calls are on.
            match self.reload_files().await {
                Ok(reloaded) => Ok(reloaded),
                Err(findings) => {
                    off_the_line(move || write(&path, before.as_bytes()).map_err(unavailable)).await?;
                    Err(refused(findings))
                }
            }
        })
    }

    fn prompts(&self) -> Answer<'_, Result<Vec<PromptEntry>, OfficeError>> {
        let dir = self.in_force().prompts.clone();
        Box::pin(async move {
            // Measuring takes a core for a while: one at a time.
            let _measuring = self.changing.lock().await;
            off_the_line(move || Ok(entries(&prompts::check(&dir)))).await
        })
    }

    fn recording(&self, prompt: String, spoken: Option<Spoken>) -> Answer<'_, Result<Vec<u8>, OfficeError>> {
        // Only clips of the catalogue are files: nothing in a path from outside is one.
        let clip = self.plan().catalogue().clip(&prompt, spoken).map(|clip| clip.file());
        let dir = self.in_force().prompts.clone();
        Box::pin(async move {
            let path = dir.join(clip.ok_or(OfficeError::Unknown)?);
            off_the_line(move || std::fs::read(path).map_err(unavailable)).await
        })
    }

    fn replace_recording(
        &self,
        prompt: String,
        spoken: Option<Spoken>,
        wav: Vec<u8>,
    ) -> Answer<'_, Result<Reloaded, OfficeError>> {
        Box::pin(async move {
            let _changing = self.changing.lock().await;
            if self.plan().catalogue().clip(&prompt, spoken).is_none() {
                return Err(OfficeError::Unknown);
            }
            let dir = self.in_force().prompts.clone();
            off_the_line(move || {
                let upload = dir.join("upload.new");
                std::fs::write(&upload, &wav).map_err(unavailable)?;
                let replaced = prompts::replace(&dir, &prompt, spoken, &upload);
                std::fs::remove_file(&upload).map_err(unavailable)?;
                replaced.map(drop).map_err(|found| refused(found.into_iter().map(Finding::from).collect()))
            })
            .await?;
            self.reload_files().await.map_err(refused)
        })
    }
}

/// Where the roster is kept: beside the record.
pub(crate) fn roster_path(config: &Config) -> PathBuf {
    config.records.with_file_name("roster.json")
}

/// The roster as kept; an empty one if there is none yet.
///
/// # Errors
/// The file is there and cannot be read, or is no roster.
pub(crate) fn read_roster(config: &Config) -> anyhow::Result<Roster> {
    let path = roster_path(config);
    match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| {
            anyhow::anyhow!("{} is no roster: {error}; correct it or move it away", path.display())
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Roster::default()),
        Err(error) => Err(anyhow::anyhow!("cannot read {}: {error}", path.display())),
    }
}

/// What the record tells the board of an earlier process's call.
pub(crate) fn past(call: &PastCall) -> havre_console::PastCall {
    havre_console::PastCall {
        arrived: call.arrived,
        language: call.language,
        talks: call.talks.iter().map(|talk| (talk.at, talk.waited)).collect(),
        ended: call.ended.map(|(at, outcome, _)| (at, outcome)),
    }
}

/// The talk that `agent` had in `call`, if it is over.
fn talk_of(call: &PastCall, agent: &AgentId) -> Option<TalkOver> {
    let talk = call.talks.iter().rfind(|talk| talk.agent == *agent)?;
    let (until, ended): (Unix, _) = match (talk.lost, call.ended) {
        (Some(lost), _) => (lost, TalkEnd::Lost),
        (None, Some((at, _, cause))) => {
            let by = match cause {
                Cause::CallerHungUp | Cause::CallerCancelled | Cause::CallerGone => TalkEnd::Caller,
                Cause::AgentHungUp => TalkEnd::Advocate,
                _ => TalkEnd::Lost,
            };
            (at, by)
        }
        (None, None) => return None,
    };
    Some(TalkOver {
        call: call.call,
        at: talk.at,
        language: call.language,
        risk: call.risk,
        talked: until.since(talk.at),
        waited: talk.waited,
        ended,
    })
}

fn parse(config: &Config, source: &str) -> Result<Arc<Dialplan>, Vec<Finding>> {
    let found =
        |found: Vec<havre_dialplan::Diagnostic>| found.into_iter().map(Finding::from).collect::<Vec<_>>();
    let catalogue = Catalogue::load(&config.prompts).map_err(found)?;
    let name = config.dialplan.display().to_string();
    Dialplan::parse(&name, source, &catalogue, load::targets(config)).map_err(found)
}

fn difference(difference: compare::Difference) -> PlanDifference {
    let compare::Difference { path, more, before, after } = difference;
    let (before, before_fr) = before.into_iter().map(|step| (step.en, step.fr)).unzip();
    let (after, after_fr) = after.into_iter().map(|step| (step.en, step.fr)).unzip();
    PlanDifference { path: path.en, path_fr: path.fr, more, before, before_fr, after, after_fr }
}

/// A report's clips by prompt, each with what was found in its file.
fn entries(report: &prompts::Report) -> Vec<PromptEntry> {
    let mut entries: BTreeMap<&str, PromptEntry> = BTreeMap::new();
    for clip in &report.clips {
        let id = clip.key.prompt.as_str();
        let entry = entries.entry(id).or_insert_with(|| PromptEntry {
            id: id.to_owned(),
            texts: BTreeMap::new(),
            languages: BTreeMap::new(),
        });
        let language = clip.key.spoken.map_or("none", Spoken::as_str);
        if !clip.text.is_empty() {
            entry.texts.insert(language, clip.text.to_string());
        }
        let file = clip.file();
        let of_file = report.findings.iter().filter(|found| Path::new(&found.file).ends_with(&file));
        let findings = of_file.cloned().map(Finding::from).map(to_api).collect();
        let recording = RecordingEntry {
            source: clip.source.as_str(),
            duration_ms: millis(clip.duration()),
            loudness_lufs: (clip.loudness * 10.0).round() / 10.0,
            findings,
            file,
        };
        entry.languages.insert(language, recording);
    }
    entries.into_values().collect()
}

/// The old plan under a name with its last day and millisecond, as many as [`MAX_BACKUPS`].
fn keep_backup(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let millis = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let prefix = format!("{name}.before-");
    let backup = path.with_file_name(format!(
        "{prefix}{}-{:08}",
        Day::of_millis(millis),
        millis.rem_euclid(86_400_000)
    ));
    write(&backup, bytes)?;
    let mut kept: Vec<PathBuf> = std::fs::read_dir(backup.parent().unwrap_or(Path::new(".")))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix)))
        .collect();
    kept.sort_unstable();
    let spare = kept.len().saturating_sub(MAX_BACKUPS);
    kept.iter().take(spare).try_for_each(std::fs::remove_file)
}

/// Writes beside and renames, so that a full disk leaves the old file whole.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    std::fs::write(&beside, bytes)?;
    std::fs::rename(&beside, path)
}

/// On a thread that serves nothing else.
async fn off_the_line<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OfficeError> + Send + 'static,
) -> Result<T, OfficeError> {
    tokio::task::spawn_blocking(work).await.map_err(unavailable)?
}

fn unavailable(error: impl std::fmt::Display) -> OfficeError {
    OfficeError::Unavailable(error.to_string())
}

fn refused(findings: Vec<Finding>) -> OfficeError {
    OfficeError::Refused(findings.into_iter().map(to_api).collect())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
