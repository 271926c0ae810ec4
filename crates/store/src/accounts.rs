//! The console's accounts, sessions and audit, in SQLite: what must outlive a restart, and nothing that a call waits for.
//! The console keeps accounts and sessions in memory too; this file is read once and then written.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use havre_model::{
    AccountChange, AuditEntry, KeptAccounts, SessionKey, Spoken, Unix, UserAccount, UserId, UserRole,
    UserSession, limits,
};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};
use thiserror::Error;
use tokio::sync::Mutex;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS accounts (
    user TEXT PRIMARY KEY, name TEXT NOT NULL, roles TEXT NOT NULL, agent TEXT, language TEXT NOT NULL,
    disabled INTEGER NOT NULL, password TEXT, subject TEXT
);
CREATE TABLE IF NOT EXISTS sessions (
    key BLOB PRIMARY KEY, user TEXT NOT NULL, created INTEGER NOT NULL, seen INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, user TEXT NOT NULL, act TEXT NOT NULL,
    target TEXT NOT NULL, detail TEXT NOT NULL
);
";

/// The accounts cannot be read or written.
#[derive(Debug, Error)]
pub enum AccountsError {
    /// The directory or file cannot be made.
    #[error("console.accounts: cannot make {path}: {source}; choose a directory that this user may write")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file cannot be used.
    #[error(
        "console.accounts: cannot use {path}: {source}; check permissions and free space, or move a damaged file away"
    )]
    Database {
        /// Which.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// A row is not what this version writes.
    #[error(
        "console.accounts: {path}: the row of {what:?} is not understood; was it written by a later version?"
    )]
    Row {
        /// Which file.
        path: PathBuf,
        /// Whose row.
        what: String,
    },
}

/// The open file.
pub struct Accounts {
    path: PathBuf,
    connection: Mutex<SqliteConnection>,
}

impl Accounts {
    /// Opens or makes the file, readable by this user only.
    ///
    /// # Errors
    /// The directory or file cannot be used.
    pub async fn open(path: &Path) -> Result<Self, AccountsError> {
        let failed = |source| AccountsError::File { path: path.to_owned(), source };
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        // SQLite gives its side files the mode of the main one.
        let mut new = std::fs::OpenOptions::new();
        new.create(true).append(true).mode(0o600).open(path).map_err(failed)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // A sign-out or a new password must not come undone by a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(2))
            .disable_statement_logging();
        let failed = |source| AccountsError::Database { path: path.to_owned(), source };
        let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed)?;
        sqlx::raw_sql(SCHEMA).execute(&mut connection).await.map_err(failed)?;
        // Files of before people could come from an identity provider.
        let known = "SELECT count(*) FROM pragma_table_info('accounts') WHERE name = 'subject'";
        if sqlx::query_scalar::<_, i64>(known).fetch_one(&mut connection).await.map_err(failed)? == 0 {
            let add = "ALTER TABLE accounts ADD COLUMN subject TEXT";
            sqlx::raw_sql(add).execute(&mut connection).await.map_err(failed)?;
        }
        Ok(Self { path: path.to_owned(), connection: Mutex::new(connection) })
    }

    /// All accounts, and as many sessions as there may be, the latest heard of.
    ///
    /// # Errors
    /// The file cannot be read, or holds what is not understood.
    pub async fn load(&self) -> Result<KeptAccounts, AccountsError> {
        let mut connection = self.connection.lock().await;
        let rows = sqlx::query(
            "SELECT user, name, roles, agent, language, disabled, password, subject FROM accounts LIMIT ?",
        )
        .bind(most(limits::MAX_USERS))
        .fetch_all(&mut *connection)
        .await
        .map_err(|source| self.failed(source))?;
        let accounts = rows.iter().map(|row| self.understood(row, account(row))).collect::<Result<_, _>>()?;
        let rows = sqlx::query("SELECT key, user, created, seen FROM sessions ORDER BY seen DESC LIMIT ?")
            .bind(most(limits::MAX_SESSIONS))
            .fetch_all(&mut *connection)
            .await
            .map_err(|source| self.failed(source))?;
        let sessions = rows.iter().map(|row| self.understood(row, session(row))).collect::<Result<_, _>>()?;
        Ok(KeptAccounts { accounts, sessions })
    }

    /// Keeps `changes`, all or none.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn apply(&self, changes: &[AccountChange]) -> Result<(), AccountsError> {
        let mut connection = self.connection.lock().await;
        let mut transaction = connection.begin().await.map_err(|source| self.failed(source))?;
        for change in changes {
            statement(change).execute(&mut *transaction).await.map_err(|source| self.failed(source))?;
        }
        transaction.commit().await.map_err(|source| self.failed(source))
    }

    /// At most `limit` entries of the audit, the latest first, all with numbers below `before`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn audit(&self, before: i64, limit: usize) -> Result<Vec<AuditEntry>, AccountsError> {
        let mut connection = self.connection.lock().await;
        let rows = sqlx::query(
            "SELECT id, at, user, act, target, detail FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?",
        )
        .bind(before)
        .bind(most(limit))
        .fetch_all(&mut *connection)
        .await
        .map_err(|source| self.failed(source))?;
        rows.iter().map(|row| self.understood(row, entry(row))).collect()
    }

    fn failed(&self, source: sqlx::Error) -> AccountsError {
        AccountsError::Database { path: self.path.clone(), source }
    }

    fn understood<T>(&self, row: &SqliteRow, value: Option<T>) -> Result<T, AccountsError> {
        let what = || row.try_get("user").unwrap_or_default();
        value.ok_or_else(|| AccountsError::Row { path: self.path.clone(), what: what() })
    }
}

fn most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

type Statement<'a> = sqlx::query::Query<'a, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

fn statement(change: &AccountChange) -> Statement<'_> {
    match change {
        AccountChange::Put(account) => {
            let roles: Vec<_> = account.roles.iter().map(UserRole::as_str).collect();
            sqlx::query(
                "INSERT OR REPLACE INTO accounts (user, name, roles, agent, language, disabled, password, subject) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(account.user.as_str())
            .bind(&account.name)
            .bind(roles.join(" "))
            .bind(account.agent.as_ref().map(havre_model::AgentId::as_str))
            .bind(account.language.as_str())
            .bind(account.disabled)
            .bind(&account.password)
            .bind(&account.subject)
        }
        AccountChange::Remove(user) => sqlx::query("DELETE FROM accounts WHERE user = ?").bind(user.as_str()),
        AccountChange::SignedIn(session) => {
            sqlx::query("INSERT OR REPLACE INTO sessions (key, user, created, seen) VALUES (?, ?, ?, ?)")
                .bind(&session.key[..])
                .bind(session.user.as_str())
                .bind(session.created.as_millis())
                .bind(session.seen.as_millis())
        }
        AccountChange::Seen(key, at) => {
            sqlx::query("UPDATE sessions SET seen = ? WHERE key = ?").bind(at.as_millis()).bind(&key[..])
        }
        AccountChange::SignedOut(key) => sqlx::query("DELETE FROM sessions WHERE key = ?").bind(&key[..]),
        AccountChange::Done(entry) => {
            sqlx::query("INSERT INTO audit (at, user, act, target, detail) VALUES (?, ?, ?, ?, ?)")
                .bind(entry.at.as_millis())
                .bind(&entry.user)
                .bind(&entry.act)
                .bind(&entry.target)
                .bind(&entry.detail)
        }
    }
}

fn account(row: &SqliteRow) -> Option<UserAccount> {
    let roles: String = row.try_get("roles").ok()?;
    let agent: Option<String> = row.try_get("agent").ok()?;
    Some(UserAccount {
        user: user(row)?,
        name: row.try_get("name").ok()?,
        roles: roles.split_whitespace().map(UserRole::from_name).collect::<Option<_>>()?,
        agent: agent.map(|id| id.parse().ok()).map_or(Some(None), |id| id.map(Some))?,
        language: Spoken::from_name(&row.try_get::<String, _>("language").ok()?)?,
        disabled: row.try_get("disabled").ok()?,
        password: row.try_get("password").ok()?,
        subject: row.try_get("subject").ok()?,
    })
}

fn session(row: &SqliteRow) -> Option<UserSession> {
    let key: Vec<u8> = row.try_get("key").ok()?;
    let key: SessionKey = key.try_into().ok()?;
    Some(UserSession { key, user: user(row)?, created: at(row, "created")?, seen: at(row, "seen")? })
}

fn entry(row: &SqliteRow) -> Option<AuditEntry> {
    let text = |column| row.try_get::<String, _>(column).ok();
    Some(AuditEntry {
        id: row.try_get("id").ok()?,
        at: at(row, "at")?,
        user: text("user")?,
        act: text("act")?,
        target: text("target")?,
        detail: text("detail")?,
    })
}

fn user(row: &SqliteRow) -> Option<UserId> {
    row.try_get::<String, _>("user").ok()?.parse().ok()
}

fn at(row: &SqliteRow, column: &str) -> Option<Unix> {
    row.try_get(column).ok().map(Unix::from_millis)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use havre_model::UserRoles;

    use super::*;

    #[tokio::test]
    async fn what_is_kept_comes_back_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/accounts.sqlite");
        let (anne, bob) = (anne(), UserAccount { user: "bob".parse().unwrap(), agent: None, ..anne() });
        let session = |key, user: &UserAccount| UserSession {
            key: [key; 32],
            user: user.user.clone(),
            created: Unix::from_millis(1),
            seen: Unix::from_millis(2),
        };
        let first = Accounts::open(&path).await.unwrap();
        assert_eq!(first.load().await.unwrap(), KeptAccounts::default());
        let changes = [
            AccountChange::Put(anne.clone().into()),
            AccountChange::Put(bob.clone().into()),
            AccountChange::SignedIn(session(1, &anne)),
            AccountChange::SignedIn(session(2, &bob)),
            AccountChange::Seen([1; 32], Unix::from_millis(9)),
            AccountChange::SignedOut([2; 32]),
            AccountChange::Remove(bob.user),
        ];
        first.apply(&changes).await.unwrap();
        drop(first);
        let kept = Accounts::open(&path).await.unwrap().load().await.unwrap();
        assert_eq!(kept.accounts, std::slice::from_ref(&anne));
        assert_eq!(kept.sessions, [UserSession { seen: Unix::from_millis(9), ..session(1, &anne) }]);
        for file in std::fs::read_dir(path.parent().unwrap()).unwrap() {
            let file = file.unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
        }
    }

    #[tokio::test]
    async fn the_audit_is_read_backwards_in_pages() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts::open(&dir.path().join("a.sqlite")).await.unwrap();
        let entry = |n| AuditEntry {
            id: 0,
            at: Unix::from_millis(n),
            user: "anne".into(),
            act: "escalate".into(),
            target: format!("c{n}"),
            detail: "'; DROP TABLE audit; --".into(),
        };
        let changes: Vec<_> = (1..=5).map(|n| AccountChange::Done(entry(n))).collect();
        accounts.apply(&changes).await.unwrap();
        let targets = async |before| {
            let page = accounts.audit(before, 2).await.unwrap();
            page.into_iter().map(|entry| (entry.id, entry.target)).collect::<Vec<_>>()
        };
        assert_eq!(targets(i64::MAX).await, [(5, "c5".into()), (4, "c4".into())]);
        assert_eq!(targets(4).await, [(3, "c3".into()), (2, "c2".into())]);
        assert_eq!(targets(1).await, []);
    }

    #[tokio::test]
    async fn a_file_of_before_identity_providers_is_still_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sqlite");
        let accounts = Accounts::open(&path).await.unwrap();
        accounts.apply(&[AccountChange::Put(anne().into())]).await.unwrap();
        let old = "ALTER TABLE accounts DROP COLUMN subject";
        sqlx::raw_sql(old).execute(&mut *accounts.connection.lock().await).await.unwrap();
        drop(accounts);
        for _ in 0..2 {
            let kept = Accounts::open(&path).await.unwrap().load().await.unwrap();
            assert_eq!(kept.accounts, [UserAccount { subject: None, ..anne() }]);
        }
    }

    #[tokio::test]
    async fn a_row_of_another_version_is_named_and_not_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts::open(&dir.path().join("a.sqlite")).await.unwrap();
        accounts.apply(&[AccountChange::Put(anne().into())]).await.unwrap();
        let damage = "UPDATE accounts SET roles = 'advocate wizard'";
        sqlx::raw_sql(damage).execute(&mut *accounts.connection.lock().await).await.unwrap();
        let error = accounts.load().await.unwrap_err().to_string();
        assert!(error.contains("anne") && error.contains("a.sqlite"), "{error}");
    }

    fn anne() -> UserAccount {
        UserAccount {
            user: "anne".parse().unwrap(),
            name: "Anne <b>Roy</b>".into(),
            roles: UserRoles::of(&[UserRole::Advocate, UserRole::Auditor]),
            agent: Some("advocate-fr".parse().unwrap()),
            language: Spoken::Fr,
            disabled: false,
            password: Some("$argon2id$…".into()),
            subject: Some("https://sso.example.ca 2482".into()),
        }
    }
}
