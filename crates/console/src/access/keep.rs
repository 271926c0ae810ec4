//! What outlives the console: accounts, sessions and the audit. The binary implements it over a database.

use havre_model::{AccountChange, AuditEntry, KeptAccounts};

use crate::line::Answer;

/// Keeps accounts, sessions and the audit.
pub trait Keep: Send + Sync + 'static {
    /// All of it, once, at the start.
    fn load(&self) -> Answer<'_, Result<KeptAccounts, KeepError>>;

    /// Keeps all `changes` or none, in this order.
    fn apply(&self, changes: Vec<AccountChange>) -> Answer<'_, Result<(), KeepError>>;

    /// At most `limit` entries with numbers below `before`, the latest first.
    fn audit(&self, before: i64, limit: usize) -> Answer<'_, Result<Vec<AuditEntry>, KeepError>>;
}

/// It cannot be read or written: says why and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeepError(pub String);
