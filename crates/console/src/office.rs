//! What the console asks of the house behind the line: the record, the roster, the dialplan and the prompts. The binary
//! implements it; a line that has none of these says so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use havre_model::{AgentId, CallId, Language, Risk, Spoken, TrunkId, Unix};
use serde::Serialize;
use utoipa::ToSchema;

use crate::line::{Answer, Finding, Reloaded};
use crate::roster::Roster;

/// Files and records behind the line. Nothing here is asked in the way of a call.
pub trait Office: Send + Sync + 'static {
    /// The last talks of an agent, the newest first, `limit` at most.
    fn history(&self, agent: AgentId, limit: u32) -> Answer<'_, Result<Vec<TalkOver>, OfficeError>> {
        let _ = (agent, limit);
        nothing()
    }

    /// Who works when.
    fn roster(&self) -> Arc<Roster> {
        Arc::default()
    }

    /// Keeps another roster from now on.
    fn keep_roster(&self, roster: Roster) -> Answer<'_, Result<(), OfficeError>> {
        let _ = roster;
        nothing()
    }

    /// The configured trunks, and the addresses that each may call from.
    fn trunks(&self) -> Vec<(TrunkId, Vec<String>)> {
        Vec::new()
    }

    /// The dialplan in force.
    fn dialplan(&self) -> Answer<'_, Result<PlanInForce, OfficeError>> {
        nothing()
    }

    /// What is wrong with another dialplan, and what callers would notice of it.
    fn check_dialplan(&self, source: String) -> Answer<'_, Result<PlanChecked, OfficeError>> {
        let _ = source;
        nothing()
    }

    /// Writes another dialplan, keeping the old one beside it, and puts it in force. `base` is the hash of the one that
    /// it was made from.
    fn replace_dialplan(&self, source: String, base: String) -> Answer<'_, Result<Reloaded, OfficeError>> {
        let _ = (source, base);
        nothing()
    }

    /// The prompts, each recording measured anew.
    fn prompts(&self) -> Answer<'_, Result<Vec<PromptEntry>, OfficeError>> {
        nothing()
    }

    /// One recording, as a WAV file. `spoken` is `None` for sounds.
    fn recording(&self, prompt: String, spoken: Option<Spoken>) -> Answer<'_, Result<Vec<u8>, OfficeError>> {
        let _ = (prompt, spoken);
        nothing()
    }

    /// Takes in another recording if it is good, and puts it in force.
    fn replace_recording(
        &self,
        prompt: String,
        spoken: Option<Spoken>,
        wav: Vec<u8>,
    ) -> Answer<'_, Result<Reloaded, OfficeError>> {
        let _ = (prompt, spoken, wav);
        nothing()
    }
}

fn nothing<'a, T: Send + 'a>() -> Answer<'a, Result<T, OfficeError>> {
    Box::pin(async { Err(OfficeError::Unavailable("This line has no such files.".to_owned())) })
}

/// Why the house does not answer as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfficeError {
    /// A file or the record cannot be read or written.
    #[error("{0}")]
    Unavailable(String),
    /// There is no such thing.
    #[error("there is no such thing")]
    Unknown,
    /// It has changed since it was looked at.
    #[error("{0}")]
    Stale(String),
    /// It is not good.
    #[error("{} finding(s)", .0.len())]
    Refused(Vec<Finding>),
}

/// A talk that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TalkOver {
    /// The call.
    pub call: CallId,
    /// When the talk began.
    pub at: Unix,
    /// As last known.
    pub language: Language,
    /// As last known.
    pub risk: Risk,
    /// How long it lasted.
    pub talked: Duration,
    /// How long the caller had waited.
    pub waited: Duration,
    /// How it ended.
    pub ended: TalkEnd,
}

/// How a talk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TalkEnd {
    /// The caller hung up, or is gone.
    Caller,
    /// The advocate hung up.
    Advocate,
    /// The connection was lost.
    Lost,
}

/// The dialplan in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanInForce {
    /// Content hash.
    pub hash: String,
    /// The file as it is now.
    pub source: String,
    /// What leads where.
    pub nodes: Vec<PlanNode>,
    /// From where to where.
    pub edges: Vec<PlanEdge>,
}

/// One place in a dialplan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanNode {
    /// Unique: `line:hotline`, `menu:greeting`, `waiting`, `advocate`, `partner`.
    pub id: String,
    /// `line`, `menu`, `waiting`, `advocate` or `partner`.
    pub kind: &'static str,
    /// Its name or what is said there.
    pub label_en: String,
    /// Likewise.
    pub label_fr: String,
}

/// One way from place to place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanEdge {
    /// A node's id.
    pub from: String,
    /// A node's id.
    pub to: String,
    /// The key, or `no_input`; `None` where nothing is pressed.
    pub key: Option<String>,
}

/// What was found in another dialplan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlanChecked {
    /// Whether it could be put in force.
    pub good: bool,
    /// What is wrong with it; if it is good, what should be looked at.
    pub findings: Vec<Finding>,
    /// What callers would notice, beside the plan in force.
    pub difference: Vec<PlanDifference>,
    /// The longest way from INVITE to queue.
    pub longest_to_queue_ms: Option<u64>,
}

/// One way through both plans that is not the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlanDifference {
    /// The line and the keys: `hotline: 2, 5`; `hotline: no key`.
    pub path: String,
    /// The same in Canadian French.
    pub path_fr: String,
    /// Further paths on which the same differs.
    pub more: usize,
    /// What happens in the plan in force only, step by step.
    pub before: Vec<String>,
    /// The same in Canadian French.
    pub before_fr: Vec<String>,
    /// What happens in the other only.
    pub after: Vec<String>,
    /// The same in Canadian French.
    pub after_fr: Vec<String>,
}

/// One prompt.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PromptEntry {
    /// Its name.
    #[schema(example = "P2")]
    pub id: String,
    /// What is said, by language.
    pub texts: BTreeMap<&'static str, String>,
    /// The recordings, by language; those of sounds are under `none`.
    pub languages: BTreeMap<&'static str, RecordingEntry>,
}

/// One recording.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RecordingEntry {
    /// The file, below the directory of prompts.
    #[schema(example = "en-CA/P2.wav")]
    pub file: String,
    /// `espeak`, `human`, `synthesis` or `silence`.
    pub source: &'static str,
    /// How long it is.
    pub duration_ms: u64,
    /// Integrated loudness (ITU-R BS.1770).
    pub loudness_lufs: f64,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}
