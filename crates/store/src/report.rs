//! A day's calls, counted again from the record: offered = answered + abandoned + lost + in progress.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::Serialize;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Row as _};
use thiserror::Error;

use crate::RecordsError;
use crate::records::{HEARTBEAT, unix_millis};

const DAY_MILLIS: i64 = 86_400_000;
/// A node that has not said for this long that it runs has crashed, and its unfinished calls were lost.
const DEAD_AFTER: i64 = 3 * HEARTBEAT.as_millis() as i64;

/// A day, by UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day(i64);

/// The text is no day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a day: write today, yesterday or YYYY-MM-DD (UTC)")]
pub struct ParseDayError;

impl Day {
    /// The day of a moment in Unix milliseconds.
    #[must_use]
    pub const fn of_millis(millis: i64) -> Self {
        Self(millis.div_euclid(DAY_MILLIS))
    }

    const fn begins(self) -> i64 {
        self.0 * DAY_MILLIS
    }
}

impl FromStr for Day {
    type Err = ParseDayError;

    /// `today` and `yesterday` by the machine's clock.
    fn from_str(text: &str) -> Result<Self, ParseDayError> {
        match text {
            "today" => return Ok(Self::of_millis(unix_millis())),
            "yesterday" => return Ok(Self(Self::of_millis(unix_millis()).0 - 1)),
            _ => {}
        }
        let mut parts = text.split('-').map(|part| {
            if part.bytes().all(|b| b.is_ascii_digit()) { part.parse::<i64>().ok() } else { None }
        });
        let (Some(Some(year)), Some(Some(month)), Some(Some(day)), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(ParseDayError);
        };
        let this = Self(days_from_civil(year, month, day));
        // A day that does not exist (February 30) would come back as another.
        if this.to_string() == text { Ok(this) } else { Err(ParseDayError) }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// Days since 1970-01-01 of a date (Howard Hinnant, "chrono-compatible low-level date algorithms").
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// A day's calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The day, UTC.
    pub day: String,
    /// Calls that arrived.
    pub offered: u64,
    /// Talked with an advocate.
    pub answered: u64,
    /// Left before.
    pub abandoned: u64,
    /// Failed by us, a crash included.
    pub lost: u64,
    /// Not over yet.
    pub in_progress: u64,
    /// By language, as last known.
    pub by_language: BTreeMap<String, Share>,
    /// By class, as last known.
    pub by_risk: BTreeMap<String, Share>,
}

/// The same for a part of the calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Share {
    /// Calls that arrived.
    pub offered: u64,
    /// Talked with an advocate.
    pub answered: u64,
    /// Left before.
    pub abandoned: u64,
    /// Mean wait of the answered, from joining, in seconds.
    pub mean_wait_s: f64,
    /// 80th percentile of that wait, in seconds.
    pub p80_wait_s: f64,
    /// Answered within 20 s of joining, as a share of the answered.
    pub within_20_s: f64,
    #[serde(skip)]
    waits_ms: Vec<u64>,
}

impl Share {
    fn add(&mut self, call: &Seen) {
        self.offered += 1;
        match call.outcome.as_deref() {
            Some("answered") => self.answered += 1,
            Some("abandoned") => self.abandoned += 1,
            _ => {}
        }
        self.waits_ms.extend(call.waited_ms);
    }

    #[allow(clippy::cast_precision_loss)] // seconds of one day
    fn finish(&mut self) {
        self.waits_ms.sort_unstable();
        let count = self.waits_ms.len();
        if count == 0 {
            return;
        }
        let seconds = |millis: u64| millis as f64 / 1000.0;
        self.mean_wait_s = seconds(self.waits_ms.iter().sum::<u64>()) / count as f64;
        self.p80_wait_s = seconds(self.waits_ms[(count * 4).div_ceil(5) - 1]);
        self.within_20_s = self.waits_ms.iter().filter(|wait| **wait <= 20_000).count() as f64 / count as f64;
    }
}

/// What the record says of one call.
#[derive(Default)]
struct Seen {
    outcome: Option<String>,
    alive: bool,
    language: Option<String>,
    risk: Option<String>,
    waited_ms: Option<u64>,
}

/// Counts the calls that arrived on `day`.
///
/// # Errors
/// The file cannot be read.
pub async fn report(path: &Path, day: Day) -> Result<Report, RecordsError> {
    report_at(path, day, unix_millis()).await
}

async fn report_at(path: &Path, day: Day, now: i64) -> Result<Report, RecordsError> {
    let failed = |source| RecordsError::Database { path: path.to_owned(), source };
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(failed)?;
    let rows = sqlx::query(
        "SELECT e.call, e.what, e.detail, b.alive, b.closed FROM events e JOIN boots b ON b.boot = e.boot
         WHERE e.call IN (SELECT call FROM events WHERE what = 'arrived' AND at >= ? AND at < ?) ORDER BY e.id",
    )
    .bind(day.begins())
    .bind(day.begins() + DAY_MILLIS)
    .fetch_all(&mut connection)
    .await
    .map_err(failed)?;
    let mut calls: BTreeMap<String, Seen> = BTreeMap::new();
    for row in rows {
        let seen = calls.entry(row.get(0)).or_default();
        let (what, detail): (&str, &str) = (row.get(1), row.get(2));
        let (alive, closed): (i64, i64) = (row.get(3), row.get(4));
        seen.alive = closed == 0 && now - alive < DEAD_AFTER;
        let detail: serde_json::Value = serde_json::from_str(detail).unwrap_or_default();
        let text = |key: &str| detail.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
        if let "joined" | "rejoined" | "language" | "risk" = what {
            seen.language = text("language").or(seen.language.take());
            seen.risk = text("risk").or(seen.risk.take());
        }
        if what == "answered" && seen.waited_ms.is_none() {
            seen.waited_ms = detail.get("waited_ms").and_then(serde_json::Value::as_u64);
        }
        if what == "ended" {
            seen.outcome = text("outcome");
        }
    }
    Ok(count(day, calls.values()))
}

fn count<'a>(day: Day, calls: impl Iterator<Item = &'a Seen>) -> Report {
    let mut report = Report { day: day.to_string(), ..Report::default() };
    for call in calls {
        report.offered += 1;
        match call.outcome.as_deref() {
            Some("answered") => report.answered += 1,
            Some("abandoned") => report.abandoned += 1,
            None if call.alive => report.in_progress += 1,
            // Ended as lost, or cut by a crash or a stop of ours.
            _ => report.lost += 1,
        }
        let language = call.language.clone().unwrap_or_else(|| "not_joined".into());
        report.by_language.entry(language).or_default().add(call);
        let risk = call.risk.clone().unwrap_or_else(|| "not_joined".into());
        report.by_risk.entry(risk).or_default().add(call);
    }
    report.by_language.values_mut().chain(report.by_risk.values_mut()).for_each(Share::finish);
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Records;
    use havre_model::{CallEvent, CallId, Cause, Language, Outcome, Risk, Unix, What};
    use std::time::Duration;

    #[test]
    fn days_round_trip_and_nonsense_is_refused() {
        for day in ["1970-01-01", "2024-02-29", "2026-11-23", "1999-12-31"] {
            assert_eq!(day.parse::<Day>().unwrap().to_string(), day);
        }
        assert_eq!("2026-11-23".parse::<Day>().unwrap().begins(), 1_795_392_000_000);
        for bad in ["2026-02-30", "2026-13-01", "tomorrow", "26-1-1", "", "2026-11-23-1", "+026-11-23"] {
            assert_eq!(bad.parse::<Day>(), Err(ParseDayError), "{bad}");
        }
    }

    fn story(call: u64, at: i64, whats: Vec<What>) -> Vec<CallEvent> {
        let arrived = What::Arrived { line: "main".parse().unwrap(), trunk: "demo".parse().unwrap() };
        std::iter::once(arrived)
            .chain(whats)
            .map(|what| CallEvent { call: CallId(call), at: Unix::from_millis(at), what })
            .collect()
    }

    fn answered(language: Language, waited: u64) -> Vec<What> {
        vec![
            What::Picked,
            What::Joined { language, risk: Risk::Standard },
            What::Answered { agent: "a".parse().unwrap(), waited: Duration::from_millis(waited) },
            What::Ended { outcome: Outcome::Answered, cause: Cause::CallerHungUp },
        ]
    }

    #[tokio::test]
    async fn a_day_adds_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("records.sqlite");
        let now = unix_millis();
        let records = Records::open(&path).await.unwrap();
        let left = vec![What::Ended { outcome: Outcome::Abandoned, cause: Cause::CallerCancelled }];
        let lost = vec![What::Ended { outcome: Outcome::Lost, cause: Cause::Internal }];
        let calls = [
            story(1, now, answered(Language::En, 4_000)),
            story(2, now, answered(Language::Fr, 30_000)),
            story(3, now, left),
            story(4, now, lost),
            story(5, now, vec![What::Picked]),
            story(6, now - 2 * DAY_MILLIS, answered(Language::En, 1)),
        ];
        for event in calls.into_iter().flatten() {
            records.write(event);
        }
        // The node has crashed, or still runs: that is all the record can tell of call 5.
        let flushed = async {
            while records.counters().iter().any(|(name, value)| name == "written" && value < 19) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), flushed).await.unwrap();
        let today = report_at(&path, Day::of_millis(now), now).await.unwrap();
        assert_eq!((today.offered, today.answered, today.abandoned), (5, 2, 1));
        assert_eq!((today.lost, today.in_progress), (1, 1));
        assert_eq!(today.by_language["fr"].p80_wait_s, 30.0);
        assert_eq!(today.by_language["en"].within_20_s, 1.0);
        let crashed = report_at(&path, Day::of_millis(now), now + 60_000).await.unwrap();
        assert_eq!((crashed.lost, crashed.in_progress), (2, 0));
        records.close().await;
        let stopped = report_at(&path, Day::of_millis(now), now).await.unwrap();
        assert_eq!((stopped.lost, stopped.in_progress), (2, 0));
    }

    #[tokio::test]
    async fn a_missing_file_is_named() {
        let error = report(Path::new("/nowhere/r.sqlite"), Day(0)).await.unwrap_err().to_string();
        assert!(error.contains("/nowhere/r.sqlite"), "{error}");
    }
}
