//! The record: one identity-free event log per call, in SQLite. Writing it never makes a call wait: events queue in
//! memory, a full disk is retried, and what cannot be kept in the end is counted and said.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use havre_model::CallEvent;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{error, info};

use crate::detail::detail;

/// Events that may wait for the disk: some 5,000 calls of 20 events, a week of the busiest line measured.
const MAX_QUEUED: usize = 100_000;
/// Events written in one transaction.
const BATCH: usize = 512;
/// What comes within this time is written together, at a fraction of what it costs one by one. A process that is killed
/// takes with it what it had not written yet.
const GATHER: Duration = Duration::from_millis(100);
/// Longest wait of a reader for what is being written.
const HEALTHY: Duration = Duration::from_millis(500);
/// Time between attempts when the disk refuses.
const RETRY: Duration = Duration::from_secs(1);
/// How often a running node says that it still runs, so that a crash can be told from a long call.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(10);

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS boots (boot INTEGER PRIMARY KEY, alive INTEGER NOT NULL, closed INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, call TEXT NOT NULL, at INTEGER NOT NULL,
    what TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_call ON events (call, id);
CREATE INDEX IF NOT EXISTS arrivals_by_time ON events (at) WHERE what = 'arrived';
CREATE INDEX IF NOT EXISTS answers_by_agent ON events (json_extract(detail, '$.agent'), id) WHERE what = 'answered';
";

/// The record cannot be used.
#[derive(Debug, Error)]
pub enum RecordsError {
    /// Its directory cannot be made.
    #[error("records.path: cannot make {path}: {source}; choose a directory that this user may write")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file cannot be opened or read.
    #[error(
        "records.path: cannot use {path}: {source}; check permissions and free space, or move a damaged file away"
    )]
    Database {
        /// Which.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
}

/// What was counted.
#[derive(Debug, Default)]
pub struct RecordsCounters {
    written: AtomicU64,
    retries: AtomicU64,
    lost: AtomicU64,
}

impl RecordsCounters {
    /// Name and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [("written", &self.written), ("retries", &self.retries), ("lost", &self.lost)]
            .map(|(name, value)| (name, value.load(Ordering::Relaxed)))
            .into_iter()
    }
}

enum Job {
    Event(CallEvent),
    /// Whoever waits for what came before to be written.
    Written(oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

/// Writes the record. Cheap to clone.
#[derive(Clone)]
pub struct Records {
    jobs: mpsc::Sender<Job>,
    counters: Arc<RecordsCounters>,
}

impl Records {
    /// Opens or makes the file, and starts the writer on the current tokio runtime.
    ///
    /// # Errors
    /// The directory or file cannot be used.
    pub async fn open(path: &Path) -> Result<Self, RecordsError> {
        Self::open_with(path, SqliteConnectOptions::new()).await
    }

    /// As [`Records::open`], on top of other options (tests limit the size).
    pub(crate) async fn open_with(path: &Path, options: SqliteConnectOptions) -> Result<Self, RecordsError> {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent)
                .map_err(|source| RecordsError::Directory { path: parent.to_owned(), source })?;
        }
        let options = options
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(2))
            .disable_statement_logging();
        let failed = |source| RecordsError::Database { path: path.to_owned(), source };
        let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed)?;
        sqlx::raw_sql(SCHEMA).execute(&mut connection).await.map_err(failed)?;
        let boot = unix_millis();
        sqlx::query("INSERT OR REPLACE INTO boots (boot, alive) VALUES (?, ?)")
            .bind(boot)
            .bind(boot)
            .execute(&mut connection)
            .await
            .map_err(failed)?;
        let (jobs, queue) = mpsc::channel(MAX_QUEUED);
        let counters = Arc::new(RecordsCounters::default());
        let writer = Writer { connection, boot, queue, counters: Arc::clone(&counters), failing: false };
        tokio::spawn(writer.run());
        Ok(Self { jobs, counters })
    }

    /// Writes an event, soon. Never blocks.
    pub fn write(&self, event: CallEvent) {
        if self.jobs.try_send(Job::Event(event)).is_err() {
            let lost = self.counters.lost.fetch_add(1, Ordering::Relaxed) + 1;
            if lost.is_power_of_two() {
                error!(
                    lost,
                    "the record cannot be written and its queue is full: events are lost (calls go on)"
                );
            }
        }
    }

    /// Waits until what was given to [`Records::write`] before can be read, for as long as a healthy disk takes.
    pub async fn written(&self) {
        let (done, told) = oneshot::channel();
        let written = async {
            if self.jobs.send(Job::Written(done)).await.is_ok() {
                let _ = told.await;
            }
        };
        // Who reads a record that cannot be written gets what there is.
        let _ = tokio::time::timeout(HEALTHY, written).await;
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> &RecordsCounters {
        &self.counters
    }

    /// Writes what waits, notes that this node ended in order, and closes the file. Gives up after 5 s.
    pub async fn close(&self) {
        let (done, told) = oneshot::channel();
        let close = async {
            if self.jobs.send(Job::Close(done)).await.is_ok() {
                let _ = told.await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(5), close).await.is_err() {
            error!("the last events could not be written to the record in 5 s");
        }
    }
}

pub(crate) fn unix_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

struct Writer {
    connection: SqliteConnection,
    boot: i64,
    queue: mpsc::Receiver<Job>,
    counters: Arc<RecordsCounters>,
    failing: bool,
}

impl Writer {
    async fn run(mut self) {
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut jobs = Vec::new();
        loop {
            tokio::select! {
                count = self.queue.recv_many(&mut jobs, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    if count < BATCH {
                        sleep(GATHER).await;
                        while jobs.len() < BATCH && let Ok(job) = self.queue.try_recv() {
                            jobs.push(job);
                        }
                    }
                    let (mut events, mut waiting) = (Vec::new(), Vec::new());
                    let mut close = None;
                    for job in jobs.drain(..) {
                        match job {
                            Job::Event(event) => events.push(event),
                            Job::Written(done) => waiting.push(done),
                            Job::Close(done) => close = Some(done),
                        }
                    }
                    self.keep(&events).await;
                    for done in waiting {
                        let _ = done.send(());
                    }
                    if let Some(done) = close {
                        self.finish().await;
                        let _ = done.send(());
                        return;
                    }
                }
                _ = heartbeat.tick() => {
                    let query = sqlx::query("UPDATE boots SET alive = ? WHERE boot = ?");
                    let _ = query.bind(unix_millis()).bind(self.boot).execute(&mut self.connection).await;
                }
            }
        }
    }

    /// Until the disk takes them: meanwhile the queue fills, and `write` counts what it cannot hold.
    async fn keep(&mut self, events: &[CallEvent]) {
        if events.is_empty() {
            return;
        }
        while let Err(fault) = self.insert(events).await {
            self.counters.retries.fetch_add(1, Ordering::Relaxed);
            if !self.failing {
                error!(%fault, "the record cannot be written; calls go on, events wait in memory");
                self.failing = true;
            }
            sleep(RETRY).await;
        }
        if self.failing {
            info!("the record is written again");
            self.failing = false;
        }
        self.counters.written.fetch_add(events.len() as u64, Ordering::Relaxed);
    }

    /// One statement, and so one turn to the thread of SQLite and back, however many they are.
    async fn insert(&mut self, events: &[CallEvent]) -> Result<(), sqlx::Error> {
        let row = |event: &CallEvent| {
            let detail = detail(&event.what).to_string();
            json!([event.call.to_string(), event.at.as_millis(), event.what.as_str(), detail])
        };
        let rows: Value = events.iter().map(row).collect();
        let statement = "INSERT INTO events (boot, call, at, what, detail) \
             SELECT ?, value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?) ORDER BY key";
        sqlx::query(statement).bind(self.boot).bind(rows.to_string()).execute(&mut self.connection).await?;
        Ok(())
    }

    async fn finish(&mut self) {
        let query = sqlx::query("UPDATE boots SET alive = ?, closed = 1 WHERE boot = ?");
        let _ = query.bind(unix_millis()).bind(self.boot).execute(&mut self.connection).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use havre_model::{CallId, Far, Mos, Quality, Side, Unix, Way, What};

    fn event(call: u64) -> CallEvent {
        CallEvent { call: CallId(call), at: Unix::from_millis(1), what: What::Picked }
    }

    async fn until(condition: impl Fn() -> bool) {
        let waiting = async {
            while !condition() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting)
            .await
            .expect("the condition holds within 20 s");
    }

    #[tokio::test]
    async fn how_a_call_sounded_is_in_its_record() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.sqlite");
        let records = Records::open(&path).await.unwrap();
        let quality = Quality {
            codec: "PCMU",
            srtp: None,
            received: 950,
            lost: 50,
            loss_permille: 50,
            jitter: Duration::from_micros(7_500),
            round_trip: Some(Duration::from_millis(80)),
            mos: Some(Mos::new(3.61)),
            far: Some(Far { loss_permille: 12, mos: Mos::new(4.2) }),
        };
        for what in [
            What::OneWay { side: Side::Caller, way: Way::To, flowing: false },
            What::Quality { side: Side::Caller, quality },
        ] {
            records.write(CallEvent { what, ..event(7) });
        }
        records.close().await;
        let mut file = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
        let query = sqlx::query_as("SELECT what, detail FROM events WHERE call = ? ORDER BY id");
        let rows: Vec<(String, String)> =
            query.bind(CallId(7).to_string()).fetch_all(&mut file).await.unwrap();
        let details =
            rows.iter().map(|(what, detail)| (what.as_str(), serde_json::from_str::<Value>(detail).unwrap()));
        let figures = json!({
            "codec": "PCMU", "srtp": null, "received": 950, "lost": 50, "lost_permille": 50, "jitter_us": 7_500,
            "round_trip_us": 80_000, "mos": 3.61, "far_lost_permille": 12, "far_mos": 4.2,
        });
        let expected = [
            ("one_way", json!({"side": "caller", "way": "to", "flowing": false})),
            ("quality", json!({"side": "caller", "quality": figures})),
        ];
        assert_eq!(details.collect::<Vec<_>>(), expected);
    }

    #[tokio::test]
    async fn a_full_disk_blocks_nobody_and_loses_nothing_that_memory_holds() {
        let dir = tempfile::tempdir().unwrap();
        // Some 200 kB of file, then SQLITE_FULL: what a full disk says.
        let options = SqliteConnectOptions::new().pragma("max_page_count", "50");
        let path = dir.path().join("r.sqlite");
        let records = Records::open_with(&path, options).await.unwrap();
        let before = std::time::Instant::now();
        for i in 0..20_000 {
            records.write(event(i));
        }
        assert!(before.elapsed() < Duration::from_secs(2), "writing only queues");
        until(|| records.counters.retries.load(Ordering::Relaxed) > 0).await;
        assert_eq!(records.counters.lost.load(Ordering::Relaxed), 0);
        // Room again.
        let mut other = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
        let pages: (i64,) = sqlx::query_as("PRAGMA page_count").fetch_one(&mut other).await.unwrap();
        assert!(pages.0 <= 50);
    }

    #[tokio::test]
    async fn what_was_written_before_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.sqlite");
        let records = Records::open(&path).await.unwrap();
        for call in 1..=20 {
            records.write(event(call));
            records.written().await;
            let mut reader = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
            let count: (i64,) =
                sqlx::query_as("SELECT count(*) FROM events").fetch_one(&mut reader).await.unwrap();
            assert_eq!(count.0, i64::try_from(call).unwrap());
        }
    }

    #[tokio::test]
    async fn beyond_memory_events_are_counted_as_lost() {
        let dir = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new().pragma("max_page_count", "10");
        let records = Records::open_with(&dir.path().join("r.sqlite"), options).await.unwrap();
        for i in 0..(MAX_QUEUED as u64 + 2 * BATCH as u64 + 10) {
            records.write(event(i));
        }
        assert!(records.counters.lost.load(Ordering::Relaxed) > 0);
    }

    #[tokio::test]
    async fn a_directory_that_cannot_be_made_is_named() {
        let error = Records::open(Path::new("/proc/nowhere/r.sqlite")).await.err().unwrap().to_string();
        assert!(error.contains("/proc/nowhere") && error.contains("records.path"), "{error}");
    }
}
