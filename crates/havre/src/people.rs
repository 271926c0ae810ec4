//! People who sign in to the console: where their accounts are kept, and those of the demo.

use std::path::Path;

use havre_console::{Answer, DemoAccount, Keep, KeepError};
use havre_model::{AccountChange, AuditEntry, KeptAccounts, Role, Spoken, UserAccount, UserRole, UserRoles};
use havre_store::{Accounts, AccountsError};

use crate::config::Config;

/// The operator of the loopback demo.
pub(crate) const DEMO_OPERATOR: (&str, &str) = ("operator", "demo-op");

/// What the console keeps, in a file of the store's.
pub(crate) struct Kept(Accounts);

impl Kept {
    pub(crate) async fn open(path: &Path) -> Result<Self, AccountsError> {
        Accounts::open(path).await.map(Self)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` takes")]
fn said(error: AccountsError) -> KeepError {
    KeepError(error.to_string())
}

impl Keep for Kept {
    fn load(&self) -> Answer<'_, Result<KeptAccounts, KeepError>> {
        Box::pin(async { self.0.load().await.map_err(said) })
    }

    fn apply(&self, changes: Vec<AccountChange>) -> Answer<'_, Result<(), KeepError>> {
        Box::pin(async move { self.0.apply(&changes).await.map_err(said) })
    }

    fn audit(&self, before: i64, limit: usize) -> Answer<'_, Result<Vec<AuditEntry>, KeepError>> {
        Box::pin(async move { self.0.audit(before, limit).await.map_err(said) })
    }
}

/// Every advocate with their SIP password, and an operator.
pub(crate) fn demo(config: &Config) -> Vec<DemoAccount> {
    let person = |name: &str, roles, agent, language, password: &str| {
        let user = name.parse().ok()?;
        let account = UserAccount {
            user,
            name: name.to_owned(),
            roles,
            agent,
            language,
            disabled: false,
            password: None,
            subject: None,
        };
        Some(DemoAccount { account, password: password.to_owned() })
    };
    let agents = config.agents.iter().filter_map(|agent| {
        let profile = &agent.profile;
        let roles = [(Role::Advocate, UserRole::Advocate), (Role::Supervisor, UserRole::Supervisor)];
        let roles: UserRoles = roles
            .into_iter()
            .filter(|(role, _)| profile.roles.contains(*role))
            .map(|(_, role)| role)
            .collect();
        person(profile.id.as_str(), roles, Some(profile.id.clone()), profile.ui_language, &agent.password)
    });
    let (name, password) = DEMO_OPERATOR;
    let roles = UserRoles::of(&[UserRole::Operator, UserRole::Auditor]);
    agents.chain(person(name, roles, None, Spoken::En, password)).collect()
}
