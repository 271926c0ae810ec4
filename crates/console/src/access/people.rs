//! Accounts and sessions: in memory as the truth of this moment, and kept so that a restart signs nobody out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use havre_model::{
    AccountChange, AgentId, Now, SessionKey, Spoken, Unix, UserAccount, UserId, UserRole, UserRoles,
    UserSession, limits,
};

use super::password::{Busy, Passwords, weakness};
use super::patience::Patience;
pub use super::session::SessionTimes;
use super::session::Sessions;
use super::{Act, Audit, Here, Keep, KeepError, OidcError, Vouched, Who, secret};
use crate::config::Clock;

/// How long the link for the first account works.
const SETUP_LIVES: Duration = Duration::from_secs(24 * 3600);
/// Longest name on the screen, in characters.
const LONGEST_NAME: usize = 80;

/// Whom the audit names where the identity provider made somebody what they are. No user can have this name.
const PROVIDER: &str = "(oidc)";

/// An account of the loopback demo: not kept, and with a password that everybody knows.
#[derive(Clone, Debug)]
pub struct DemoAccount {
    /// The account; its `password` is not looked at.
    pub account: UserAccount,
    /// In clear.
    pub password: String,
}

/// Everybody.
pub(crate) struct People {
    state: Mutex<State>,
    passwords: Passwords,
    /// Changes of accounts, one after the other.
    changing: tokio::sync::Mutex<()>,
    keep: Arc<dyn Keep>,
    clock: Clock,
    pub(crate) audit: Audit,
}

struct State {
    accounts: BTreeMap<UserId, Person>,
    sessions: Sessions,
    patience: Patience,
    setup: Option<Setup>,
}

#[derive(Clone)]
struct Person {
    account: Arc<UserAccount>,
    demo: bool,
}

/// The link for the first account: only its hash is here.
struct Setup {
    key: SessionKey,
    until: Unix,
}

/// Somebody is in.
#[derive(Debug)]
pub(crate) struct SignedIn {
    /// For the cookie.
    pub(crate) secret: String,
    pub(crate) who: Who,
    pub(crate) account: Arc<UserAccount>,
}

/// Why nobody is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SignInError {
    /// There is no such user, or it is another password, or the account is disabled: never said which.
    Wrong,
    /// Try again after this.
    Slow(Duration),
}

/// What an account is to be.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) account: UserAccount,
    /// A new password, in clear.
    pub(crate) password: Option<String>,
}

/// Why an account is not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeError {
    /// There is one of this name already.
    Exists,
    /// There is none.
    Unknown,
    /// It belongs to the demo.
    Demo,
    /// There is no room for more.
    Full,
    /// The name is empty or too long.
    Name,
    /// The password is not taken: why.
    Weak(&'static str),
    /// Nobody could manage accounts any more.
    LastOperator,
    /// The present password is another one.
    Wrong,
    /// Try again after this.
    Slow(Duration),
    /// The link is used, too old, or none at all.
    NoLink,
    /// It cannot be kept.
    Unkept,
}

/// What an account may do, for the audit.
pub(crate) fn described(account: &UserAccount) -> String {
    let roles: Vec<_> = account.roles.iter().map(UserRole::as_str).collect();
    let agent = account.agent.as_ref().map_or("none", AgentId::as_str);
    format!("roles {}; agent {agent}; disabled {}", roles.join(" "), account.disabled)
}

impl From<Busy> for SignInError {
    fn from(_: Busy) -> Self {
        Self::Slow(Duration::from_secs(2))
    }
}

impl From<Busy> for ChangeError {
    fn from(_: Busy) -> Self {
        Self::Slow(Duration::from_secs(2))
    }
}

impl People {
    /// With what was kept. Answers with the secret of the link for the first account, where there is none yet.
    ///
    /// # Errors
    /// What was kept cannot be read: better no console than one that nobody can sign in to.
    pub(crate) async fn load(
        keep: Arc<dyn Keep>,
        demo: Vec<DemoAccount>,
        times: SessionTimes,
        clock: Clock,
    ) -> Result<(Self, Option<String>), KeepError> {
        let kept = keep.load().await?;
        let passwords = Passwords::new();
        let mut accounts: BTreeMap<_, _> = kept
            .accounts
            .into_iter()
            .map(|account| (account.user.clone(), Person { account: account.into(), demo: false }))
            .collect();
        for DemoAccount { mut account, password } in demo {
            account.password = Passwords::hash_known(&password);
            accounts.insert(account.user.clone(), Person { account: account.into(), demo: true });
        }
        let now = clock().unix;
        let mut sessions = Sessions::new(times);
        let mut gone = Vec::new();
        for session in kept.sessions {
            let known = accounts.get(&session.user).is_some_and(|person| !person.account.disabled);
            gone.extend(if known { sessions.open(session) } else { vec![session.key] });
        }
        gone.extend(sessions.sweep(now).0);
        let (setup, link) = if accounts.is_empty() {
            let link = secret::secret();
            (Some(Setup { key: secret::key(&link), until: now + SETUP_LIVES }), Some(link))
        } else {
            (None, None)
        };
        let audit = Audit::start(Arc::clone(&keep), Arc::clone(&clock));
        let state = Mutex::new(State { accounts, sessions, patience: Patience::default(), setup });
        let people = Self { state, passwords, changing: tokio::sync::Mutex::default(), keep, clock, audit };
        people.keep_if_possible(gone.into_iter().map(AccountChange::SignedOut).collect()).await;
        Ok((people, link))
    }

    /// The process's clock.
    pub(crate) fn now(&self) -> Now {
        (self.clock)()
    }

    /// Whether the link for the first account still works.
    pub(crate) fn awaits_setup(&self) -> bool {
        let now = (self.clock)().unix;
        self.state().setup.as_ref().is_some_and(|setup| now < setup.until)
    }

    /// Whether the accounts are those of the demo.
    pub(crate) fn is_demo(&self) -> bool {
        self.state().accounts.values().any(|person| person.demo)
    }

    pub(crate) fn sessions(&self) -> usize {
        self.state().sessions.len()
    }

    /// Whoever has the session of this cookie.
    pub(crate) fn who(&self, cookie: &str) -> Option<Who> {
        let (key, now) = (secret::key(cookie), (self.clock)().unix);
        let mut state = self.state();
        let found = state.sessions.find(&key, now)?;
        let account = &state.accounts.get(&found.user)?.account;
        let csrf = secret::csrf(cookie);
        let here = Here { key, user: found.user, csrf, expires: found.expires, live: found.live };
        Some(Who {
            name: account.user.as_str().to_owned(),
            roles: account.roles,
            agent: account.agent.clone(),
            session: Some(here),
        })
    }

    /// A sign of life from an open socket: the session does not idle.
    pub(crate) fn heard_of(&self, who: &Who) {
        if let Some(here) = &who.session {
            let now = (self.clock)().unix;
            let _ = self.state().sessions.find(&here.key, now);
        }
    }

    pub(crate) fn account(&self, user: &UserId) -> Option<Arc<UserAccount>> {
        self.state().accounts.get(user).map(|person| Arc::clone(&person.account))
    }

    pub(crate) fn accounts(&self) -> Vec<Arc<UserAccount>> {
        self.state().accounts.values().map(|person| Arc::clone(&person.account)).collect()
    }

    /// Somebody at `source` says to be `user`. Whatever is wrong, the work and the answer are the same.
    pub(crate) async fn sign_in(
        &self,
        user: &str,
        password: String,
        source: IpAddr,
    ) -> Result<SignedIn, SignInError> {
        let user = user.parse::<UserId>().ok();
        let hash = {
            let mut state = self.state();
            let now = (self.clock)().mono;
            state.patience.attempt(user.as_ref(), source, now).map_err(SignInError::Slow)?;
            let person = user.as_ref().and_then(|user| state.accounts.get(user));
            person
                .filter(|person| !person.account.disabled)
                .and_then(|person| person.account.password.clone())
        };
        let good = self.passwords.verify(hash.clone(), password).await?;
        let user = user.filter(|_| good).ok_or(SignInError::Wrong)?;
        self.state().patience.succeeded(&user, source);
        let unchanged = |account: &UserAccount| !account.disabled && account.password == hash;
        self.open(&user, "", unchanged).await.ok_or(SignInError::Wrong)
    }

    /// Somebody whom the identity provider vouches for. Their first time makes an account; later ones bring it up to what
    /// the provider says now.
    pub(crate) async fn vouched(&self, vouched: Vouched) -> Result<SignedIn, OidcError> {
        let _turn = self.changing.lock().await;
        let Vouched { subject, user, name, roles, agent, language } = vouched;
        let (before, full) = {
            let state = self.state();
            (state.accounts.get(&user).cloned(), state.accounts.len() >= limits::MAX_USERS)
        };
        let account = match &before {
            Some(Person { account, demo }) => {
                let others = account.subject.as_ref().is_some_and(|known| *known != subject);
                // Whoever can give names at the provider must not get at accounts that are not from there.
                if *demo || account.password.is_some() || others {
                    return Err(OidcError::Taken);
                }
                if account.disabled {
                    return Err(OidcError::Disabled);
                }
                let agent = agent.or_else(|| account.agent.clone());
                UserAccount { name, roles, agent, subject: Some(subject), ..UserAccount::clone(account) }
            }
            None if full => return Err(OidcError::Unkept),
            None => {
                let (user, subject) = (user.clone(), Some(subject));
                UserAccount { user, name, roles, agent, language, disabled: false, password: None, subject }
            }
        };
        let over = match &before {
            Some(Person { account: before, .. }) => {
                let less = before.roles.iter().any(|role| !account.roles.contains(role));
                let other = less || account.agent != before.agent;
                if other { self.state().sessions.close_all(&user, None) } else { Vec::new() }
            }
            None => Vec::new(),
        };
        if before.is_none_or(|before| *before.account != account) {
            let said = described(&account);
            let operates = roles.contains(UserRole::Operator);
            let person = Person { account: account.into(), demo: false };
            self.put(person, over).await.map_err(|_| OidcError::Unkept)?;
            self.audit.write_as(PROVIDER, Act::AccountChange, &user, said);
            if operates {
                self.state().setup = None;
            }
        }
        self.open(&user, PROVIDER, |account| !account.disabled).await.ok_or(OidcError::Disabled)
    }

    /// A session for `user`, whose account is still as `good` wants it. `by` what else than a password.
    async fn open(
        &self,
        user: &UserId,
        by: &'static str,
        good: impl Fn(&UserAccount) -> bool,
    ) -> Option<SignedIn> {
        let secret = secret::secret();
        let now = (self.clock)().unix;
        let session = UserSession { key: secret::key(&secret), user: user.clone(), created: now, seen: now };
        let (account, gone) = {
            let mut state = self.state();
            let person = state.accounts.get(user).filter(|person| good(&person.account))?;
            let account = Arc::clone(&person.account);
            (account, state.sessions.open(session.clone()))
        };
        let mut changes = vec![AccountChange::SignedIn(session)];
        changes.extend(gone.into_iter().map(AccountChange::SignedOut));
        self.keep_if_possible(changes).await;
        let who = self.who(&secret)?;
        self.audit.write(&who, Act::SignIn, user, by);
        Some(SignedIn { secret, who, account })
    }

    pub(crate) async fn sign_out(&self, here: &Here) {
        self.state().sessions.close(&here.key);
        self.keep_if_possible(vec![AccountChange::SignedOut(here.key)]).await;
    }

    /// The person's own choice of a language for the screen.
    pub(crate) async fn set_language(&self, user: &UserId, language: Spoken) -> Result<(), ChangeError> {
        let _turn = self.changing.lock().await;
        let mut person = self.person(user)?;
        Arc::make_mut(&mut person.account).language = language;
        self.put(person, Vec::new()).await
    }

    /// A person changes their own password; their other sessions are over.
    pub(crate) async fn set_password(
        &self,
        here: &Here,
        current: String,
        new: String,
        source: IpAddr,
    ) -> Result<(), ChangeError> {
        let _turn = self.changing.lock().await;
        let mut person = self.person(&here.user)?;
        if person.demo {
            return Err(ChangeError::Demo);
        }
        if let Some(why) = weakness(&new, here.user.as_str()) {
            return Err(ChangeError::Weak(why));
        }
        let now = (self.clock)().mono;
        self.state().patience.attempt(Some(&here.user), source, now).map_err(ChangeError::Slow)?;
        if !self.passwords.verify(person.account.password.clone(), current).await? {
            return Err(ChangeError::Wrong);
        }
        self.state().patience.succeeded(&here.user, source);
        let hash = self.passwords.hash(new).await?;
        Arc::make_mut(&mut person.account).password = Some(hash);
        let over = self.state().sessions.close_all(&here.user, Some(&here.key));
        self.put(person, over).await
    }

    /// A new account.
    pub(crate) async fn add(&self, change: Change) -> Result<(), ChangeError> {
        let _turn = self.changing.lock().await;
        {
            let state = self.state();
            if state.accounts.contains_key(&change.account.user) {
                return Err(ChangeError::Exists);
            }
            if state.accounts.len() >= limits::MAX_USERS {
                return Err(ChangeError::Full);
            }
        }
        let account = self.checked(change, None, None).await?;
        self.put(Person { account: account.into(), demo: false }, Vec::new()).await?;
        // There is a first account: nobody needs the link any more.
        self.state().setup = None;
        Ok(())
    }

    /// An account becomes another. A new password, less to do, or the account disabled: its sessions are over.
    pub(crate) async fn change(&self, change: Change, by: &Who) -> Result<(), ChangeError> {
        let _turn = self.changing.lock().await;
        let person = self.person(&change.account.user)?;
        if person.demo {
            return Err(ChangeError::Demo);
        }
        let before = person.account;
        let account = self.checked(change, before.password.clone(), before.subject.clone()).await?;
        if before.roles.contains(UserRole::Operator) && !self.has_operator(Some(&account), &account.user) {
            return Err(ChangeError::LastOperator);
        }
        let less = before.roles.iter().any(|role| !account.roles.contains(role));
        let other = account.password != before.password || account.agent != before.agent;
        let over = if account.disabled || less || other {
            // Whoever changes their own account goes on.
            let own = by.session.as_ref().filter(|here| here.user == account.user && !account.disabled);
            self.state().sessions.close_all(&account.user, own.map(|here| &here.key))
        } else {
            Vec::new()
        };
        self.put(Person { account: account.into(), demo: false }, over).await
    }

    /// An account is gone, and its sessions with it.
    pub(crate) async fn remove(&self, user: &UserId) -> Result<(), ChangeError> {
        let _turn = self.changing.lock().await;
        let person = self.person(user)?;
        if person.demo {
            return Err(ChangeError::Demo);
        }
        if person.account.roles.contains(UserRole::Operator) && !self.has_operator(None, user) {
            return Err(ChangeError::LastOperator);
        }
        let over = {
            let mut state = self.state();
            state.accounts.remove(user);
            state.patience.forget(user);
            state.sessions.close_all(user, None)
        };
        let mut changes = vec![AccountChange::Remove(user.clone())];
        changes.extend(over.into_iter().map(AccountChange::SignedOut));
        self.keep_all(changes).await
    }

    /// The first account, an operator's, by the link that the first start printed.
    pub(crate) async fn set_up(
        &self,
        link: &str,
        user: UserId,
        name: String,
        password: String,
    ) -> Result<SignedIn, ChangeError> {
        let _turn = self.changing.lock().await;
        let (key, now) = (secret::key(link), (self.clock)().unix);
        // A hash is compared: how long it takes tells nothing of the secret.
        let good = |setup: &Setup| setup.key == key && now < setup.until;
        if !self.state().setup.as_ref().is_some_and(good) {
            return Err(ChangeError::NoLink);
        }
        let account = UserAccount {
            user: user.clone(),
            name,
            roles: UserRoles::of(&[UserRole::Operator]),
            agent: None,
            language: Spoken::En,
            disabled: false,
            password: None,
            subject: None,
        };
        let account = self.checked(Change { account, password: Some(password) }, None, None).await?;
        self.put(Person { account: account.into(), demo: false }, Vec::new()).await?;
        self.state().setup = None;
        self.audit.write_as(user.as_str(), Act::Setup, &user, "");
        self.open(&user, "", |_| true).await.ok_or(ChangeError::Unkept)
    }

    /// Ends what is over and keeps what is news. Every few seconds.
    pub(crate) async fn sweep(&self) {
        let now = (self.clock)().unix;
        let (over, seen) = self.state().sessions.sweep(now);
        let over = over.into_iter().map(AccountChange::SignedOut);
        let seen = seen.into_iter().map(|(key, at)| AccountChange::Seen(key, at));
        self.keep_if_possible(over.chain(seen).collect()).await;
    }

    /// The account as it would be, with a hash of its new password or the one it had.
    async fn checked(
        &self,
        change: Change,
        hash: Option<String>,
        subject: Option<String>,
    ) -> Result<UserAccount, ChangeError> {
        let Change { mut account, password } = change;
        account.name = account.name.trim().to_owned();
        if account.name.is_empty() || account.name.chars().count() > LONGEST_NAME {
            return Err(ChangeError::Name);
        }
        account.subject = subject;
        account.password = match password {
            Some(password) => match weakness(&password, account.user.as_str()) {
                Some(why) => return Err(ChangeError::Weak(why)),
                None => Some(self.passwords.hash(password).await?),
            },
            None => hash,
        };
        Ok(account)
    }

    /// Whether somebody could still manage accounts if `user` became `then`.
    fn has_operator(&self, then: Option<&UserAccount>, user: &UserId) -> bool {
        let can = |account: &UserAccount| account.roles.contains(UserRole::Operator) && !account.disabled;
        then.is_some_and(can)
            || self
                .state()
                .accounts
                .values()
                .any(|person| person.account.user != *user && can(&person.account))
    }

    fn person(&self, user: &UserId) -> Result<Person, ChangeError> {
        self.state().accounts.get(user).cloned().ok_or(ChangeError::Unknown)
    }

    /// Puts an account into force and keeps it, and that these sessions are over.
    async fn put(&self, person: Person, over: Vec<SessionKey>) -> Result<(), ChangeError> {
        let account = UserAccount::clone(&person.account);
        let mut changes: Vec<_> = over.into_iter().map(AccountChange::SignedOut).collect();
        if !person.demo {
            changes.push(AccountChange::Put(account.into()));
        }
        self.keep_all(changes).await?;
        self.state().accounts.insert(person.account.user.clone(), person);
        Ok(())
    }

    async fn keep_all(&self, changes: Vec<AccountChange>) -> Result<(), ChangeError> {
        self.keep.apply(changes).await.map_err(|error| {
            tracing::error!(%error, "an account cannot be kept");
            ChangeError::Unkept
        })
    }

    /// Sessions live on in memory: a full disk must not keep an advocate from the line.
    async fn keep_if_possible(&self, changes: Vec<AccountChange>) {
        if changes.is_empty() {
            return;
        }
        if let Err(error) = self.keep.apply(changes).await {
            tracing::warn!(%error, "sessions cannot be kept: after a restart people sign in again");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
