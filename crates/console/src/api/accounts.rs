//! People's accounts, for operators; and who did what, for operators and auditors.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use havre_model::{AgentId, UserAccount, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::session::{bad_user, refusal};
use super::{Body, Part, Shared};
use crate::access::{Act, Asked, Change, ChangeError, Who, described};
use crate::problem::Problem;
use crate::words::{ScreenWord, UserRoleWord};

/// Entries of the audit in one answer, at most.
const MOST_ENTRIES: usize = 500;

/// All accounts.
#[derive(Serialize, ToSchema)]
pub(crate) struct Accounts {
    accounts: Vec<Account>,
}

/// A person's account.
#[derive(Serialize, ToSchema)]
pub(crate) struct Account {
    user: String,
    name: String,
    roles: Vec<UserRoleWord>,
    agent: Option<String>,
    language: ScreenWord,
    disabled: bool,
    /// Whether there is a password; without one, an identity provider lets them in.
    password: bool,
}

/// An account as it should be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountWish {
    /// In the path too, when an account is changed, and the same there.
    user: String,
    name: String,
    roles: Vec<UserRoleWord>,
    /// An id of `[[agents]]`: the calls that this person takes.
    #[serde(default)]
    agent: Option<String>,
    language: ScreenWord,
    #[serde(default)]
    disabled: bool,
    /// A new password; left out, it stays as it is.
    #[serde(default)]
    password: Option<String>,
}

/// A page of the audit.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditPage {
    /// The latest first.
    entries: Vec<Entry>,
}

/// Somebody did something.
#[derive(Serialize, ToSchema)]
pub(crate) struct Entry {
    /// Its number; `before` the last one's is the next page.
    id: i64,
    /// In ms since 1970.
    at: i64,
    user: String,
    /// A stable word.
    act: String,
    target: String,
    detail: String,
}

/// Which page.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditQuery {
    /// Only entries with smaller numbers.
    before: Option<i64>,
    /// At most so many: 500, and 100 if it is left out.
    limit: Option<usize>,
}

/// All accounts.
#[utoipa::path(get, path = "/api/v1/accounts", tag = "people", responses((status = 200, body = Accounts)))]
pub(crate) async fn list(State(shared): State<Shared>) -> Json<Accounts> {
    Json(Accounts { accounts: shared.people.accounts().iter().map(|account| shown(account)).collect() })
}

/// Make an account.
#[utoipa::path(post, path = "/api/v1/accounts", tag = "people", request_body = AccountWish, responses(
    (status = 201, body = Account),
    (status = 409, description = "`exists`, `full`.", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`bad_value`, `bad_user`, `bad_name`, `weak_password`, `unknown_agent`.",
     body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn add(
    State(shared): State<Shared>,
    who: Who,
    Body(wish): Body<AccountWish>,
) -> Result<(StatusCode, Json<Account>), Problem> {
    let change = checked(&shared, wish)?;
    let user = change.account.user.clone();
    let asked = shared.audit().ask(&who, Act::AccountAdd, &user, "");
    done(&shared, asked, &user, shared.people.add(change).await).map(|account| (StatusCode::CREATED, account))
}

/// Change an account. Where that takes something away, its sessions are over.
#[utoipa::path(put, path = "/api/v1/accounts/{user}", tag = "people", params(("user" = String, Path)),
    request_body = AccountWish, responses(
    (status = 200, body = Account),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "`last_operator`, `demo_account`.", body = Problem,
     content_type = "application/problem+json"),
    (status = 422, description = "As when one is made.", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn change(
    State(shared): State<Shared>,
    who: Who,
    Part(user): Part,
    Body(wish): Body<AccountWish>,
) -> Result<Json<Account>, Problem> {
    let change = checked(&shared, wish)?;
    if user.parse().ok() != Some(change.account.user.clone()) {
        return Err(bad_user());
    }
    let user = change.account.user.clone();
    let asked = shared.audit().ask(&who, Act::AccountChange, &user, "");
    done(&shared, asked, &user, shared.people.change(change, &who).await)
}

/// Remove an account. Its sessions are over.
#[utoipa::path(delete, path = "/api/v1/accounts/{user}", tag = "people", params(("user" = String, Path)), responses(
    (status = 204),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "`last_operator`, `demo_account`.", body = Problem,
     content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn remove(
    State(shared): State<Shared>,
    who: Who,
    Part(user): Part,
) -> Result<StatusCode, Problem> {
    let user: UserId = user.parse().map_err(|_| Problem::no_such("account", &user, "/api/v1/accounts"))?;
    let asked = shared.audit().ask(&who, Act::AccountRemove, &user, "");
    if let Err(fault) = shared.people.remove(&user).await {
        asked.refused();
        return Err(refusal(fault));
    }
    asked.done();
    Ok(StatusCode::NO_CONTENT)
}

/// Who did what, the latest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "people", params(AuditQuery), responses(
    (status = 200, body = AuditPage),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn audit(
    State(shared): State<Shared>,
    Query(AuditQuery { before, limit }): Query<AuditQuery>,
) -> Result<Json<AuditPage>, Problem> {
    shared.answered(Box::pin(shared.audit().kept())).await?;
    let limit = limit.unwrap_or(100).clamp(1, MOST_ENTRIES);
    let entries = shared.keep.audit(before.unwrap_or(i64::MAX), limit).await.map_err(|error| {
        tracing::error!(%error, "the audit cannot be read");
        Problem::unavailable()
    })?;
    let entries = entries.into_iter().map(|entry| Entry {
        id: entry.id,
        at: entry.at.as_millis(),
        user: entry.user,
        act: entry.act,
        target: entry.target,
        detail: entry.detail,
    });
    Ok(Json(AuditPage { entries: entries.collect() }))
}

/// What is asked for, if such an account can be.
fn checked(shared: &Shared, wish: AccountWish) -> Result<Change, Problem> {
    let agent = wish.agent.map(|id| known_agent(shared, &id)).transpose()?;
    let account = UserAccount {
        user: wish.user.parse().map_err(|_| bad_user())?,
        name: wish.name,
        roles: wish.roles.into_iter().map(|role| role.0).collect(),
        agent,
        language: wish.language.0,
        disabled: wish.disabled,
        password: None,
        subject: None,
    };
    Ok(Change { account, password: wish.password })
}

fn known_agent(shared: &Shared, id: &str) -> Result<AgentId, Problem> {
    let snapshot = shared.line.snapshot();
    let known = snapshot.agents.iter().find(|agent| agent.profile.id.as_str() == id);
    known.map(|agent| agent.profile.id.clone()).ok_or_else(|| {
        let detail = "The configuration has no such agent.";
        let remedy = "GET /api/v1/agents lists them; [[agents]] makes one.";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown-agent", "Unknown agent", detail, remedy)
    })
}

/// The account as it now is, and an entry that says so.
fn done(
    shared: &Shared,
    asked: Asked,
    user: &UserId,
    changed: Result<(), ChangeError>,
) -> Result<Json<Account>, Problem> {
    if let Err(fault) = changed {
        asked.refused();
        return Err(refusal(fault));
    }
    let account = shared.people.account(user).ok_or_else(Problem::unavailable)?;
    asked.done_so(described(&account));
    Ok(Json(shown(&account)))
}

fn shown(account: &UserAccount) -> Account {
    Account {
        user: account.user.to_string(),
        name: account.name.clone(),
        roles: account.roles.iter().map(UserRoleWord).collect(),
        agent: account.agent.as_ref().map(ToString::to_string),
        language: ScreenWord(account.language),
        disabled: account.disabled,
        password: account.password.is_some(),
    }
}
