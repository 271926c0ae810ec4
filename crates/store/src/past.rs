//! Calls of the past, as the record tells them: for the day's curves and an advocate's own history.

use std::path::Path;
use std::time::Duration;

use havre_model::{AgentId, CallId, Cause, Language, Outcome, Risk, Unix};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Row as _, SqliteConnection};

use crate::RecordsError;

/// All events of the calls that a query names. At most a week of the busiest line measured, at 20 events a call.
macro_rules! events_of {
    ($calls:literal) => {
        concat!(
            "SELECT call, at, what, detail FROM events WHERE call IN (",
            $calls,
            ") ORDER BY id LIMIT 100000"
        )
    };
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastCall {
    /// Which.
    pub call: CallId,
    /// When it came.
    pub arrived: Unix,
    /// As last known.
    pub language: Language,
    /// As last known.
    pub risk: Risk,
    /// Every talk, in order: more than one if an advocate was lost.
    pub talks: Vec<PastTalk>,
    /// How it ended; `None` if it goes on, or the node crashed.
    pub ended: Option<(Unix, Outcome, Cause)>,
}

/// One talk of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastTalk {
    /// With whom.
    pub agent: AgentId,
    /// Since when.
    pub at: Unix,
    /// How long the caller had waited.
    pub waited: Duration,
    /// When the advocate was lost, if that ended it.
    pub lost: Option<Unix>,
}

/// The calls that arrived since `since`, in the order in which they came.
///
/// # Errors
/// The file cannot be read.
pub async fn calls_since(path: &Path, since: Unix) -> Result<Vec<PastCall>, RecordsError> {
    let query = sqlx::query(events_of!("SELECT call FROM events WHERE what = 'arrived' AND at >= ?"));
    read(path, query.bind(since.as_millis())).await
}

/// The last `limit` calls in which `agent` talked, in the order in which they came.
///
/// # Errors
/// The file cannot be read.
pub async fn calls_of(path: &Path, agent: &AgentId, limit: u32) -> Result<Vec<PastCall>, RecordsError> {
    // The index `answers_by_agent` is on this very expression.
    let query = sqlx::query(events_of!(
        "SELECT call FROM events WHERE what = 'answered' AND json_extract(detail, '$.agent') = ? ORDER BY id DESC LIMIT ?"
    ));
    read(path, query.bind(agent.as_str()).bind(limit)).await
}

async fn read(
    path: &Path,
    query: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
) -> Result<Vec<PastCall>, RecordsError> {
    let failed = |source| RecordsError::Database { path: path.to_owned(), source };
    let mut connection: SqliteConnection = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(failed)?;
    let rows = query.fetch_all(&mut connection).await.map_err(failed)?;
    let mut calls: Vec<PastCall> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for row in rows {
        let Ok(call) = row.get::<&str, _>(0).parse::<CallId>() else { continue };
        let at = Unix::from_millis(row.get(1));
        let place = *places.entry(call).or_insert_with(|| {
            calls.push(PastCall::new(call, at));
            calls.len() - 1
        });
        let detail: serde_json::Value = serde_json::from_str(row.get(3)).unwrap_or_default();
        calls[place].on_event(at, row.get(2), &detail);
    }
    Ok(calls)
}

impl PastCall {
    const fn new(call: CallId, arrived: Unix) -> Self {
        let (language, risk) = (Language::Unknown, Risk::Standard);
        Self { call, arrived, language, risk, talks: Vec::new(), ended: None }
    }

    fn on_event(&mut self, at: Unix, what: &str, detail: &serde_json::Value) {
        let text = |key: &str| detail.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
        match what {
            "joined" | "rejoined" | "language" | "risk" => {
                self.language = Language::from_name(text("language")).unwrap_or(self.language);
                self.risk = Risk::from_name(text("risk")).unwrap_or(self.risk);
            }
            "answered" => {
                let Ok(agent) = text("agent").parse() else { return };
                let waited = detail.get("waited_ms").and_then(serde_json::Value::as_u64).unwrap_or(0);
                let waited = Duration::from_millis(waited);
                self.talks.push(PastTalk { agent, at, waited, lost: None });
            }
            "agent_lost" => {
                if let Some(talk) = self.talks.last_mut() {
                    talk.lost.get_or_insert(at);
                }
            }
            "ended" => {
                let outcomes = [Outcome::Answered, Outcome::Abandoned, Outcome::Lost];
                let outcome = outcomes.into_iter().find(|outcome| outcome.as_str() == text("outcome"));
                self.ended = outcome.zip(Cause::from_name(text("cause"))).map(|(o, cause)| (at, o, cause));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use havre_model::{CallEvent, What};

    use super::*;
    use crate::Records;

    #[tokio::test]
    async fn calls_are_told_again_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("records.sqlite");
        let records = Records::open(&path).await.unwrap();
        let arrived = || What::Arrived { line: "main".parse().unwrap(), trunk: "demo".parse().unwrap() };
        let answered =
            |name: &str, ms| What::Answered { agent: agent(name), waited: Duration::from_millis(ms) };
        let ended = |outcome, cause| What::Ended { outcome, cause };
        let events = [
            (1, 10, arrived()),
            (1, 20, What::Joined { language: Language::Fr, risk: Risk::Standard }),
            (1, 30, answered("ana", 10)),
            (2, 35, arrived()),
            (1, 40, What::AgentLost { agent: agent("ana") }),
            (1, 41, What::Rejoined { language: Language::Fr, risk: Risk::Elevated }),
            (1, 50, answered("bo", 9)),
            (1, 60, ended(Outcome::Answered, Cause::CallerHungUp)),
            (2, 70, ended(Outcome::Abandoned, Cause::CallerCancelled)),
            (3, 80, arrived()),
        ];
        for (call, at, what) in events {
            records.write(CallEvent { call: CallId(call), at: Unix::from_millis(at), what });
        }
        records.close().await;

        let all = calls_since(&path, Unix::from_millis(10)).await.unwrap();
        assert_eq!(all.iter().map(|call| call.call.0).collect::<Vec<_>>(), [1, 2, 3]);
        let first = &all[0];
        assert_eq!((first.language, first.risk), (Language::Fr, Risk::Elevated));
        let talks: Vec<_> = first.talks.iter().map(|t| (t.agent.as_str(), t.waited, t.lost)).collect();
        let lost = Some(Unix::from_millis(40));
        assert_eq!(talks, [("ana", Duration::from_millis(10), lost), ("bo", Duration::from_millis(9), None)]);
        assert_eq!(first.ended, Some((Unix::from_millis(60), Outcome::Answered, Cause::CallerHungUp)));
        assert_eq!(all[2].ended, None);

        assert_eq!(calls_since(&path, Unix::from_millis(36)).await.unwrap().len(), 1);
        assert_eq!(calls_of(&path, &agent("bo"), 50).await.unwrap(), all[..1]);
        assert_eq!(calls_of(&path, &agent("nobody"), 50).await.unwrap(), []);
    }

    fn agent(name: &str) -> AgentId {
        name.parse().unwrap()
    }
}
