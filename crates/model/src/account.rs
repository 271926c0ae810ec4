//! People who sign in to the console: who they are, what they may do, and what is kept of it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{AgentId, ParseIdError, Spoken, Unix};

/// Longest name that a person signs in with, in bytes.
const MAX_USER: usize = 64;

/// The name a person signs in with. Small and capital letters are the same: phones capitalise by themselves.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Arc<str>);

impl UserId {
    /// The name, in small letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = ParseIdError;

    /// 1 to 64 of `a-z A-Z 0-9 . _ - @ +`, beginning with a letter or a digit: an agent's id, or an e-mail address.
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let good = text.len() <= MAX_USER
            && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@+".contains(&b));
        if good { Ok(Self(text.to_ascii_lowercase().into())) } else { Err(ParseIdError) }
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a person may do in the console. What they are rung for is [`crate::Role`], and another thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UserRole {
    /// Takes calls at a desk.
    Advocate,
    /// Watches the line and acts on it.
    Supervisor,
    /// Runs the system: dialplan, prompts, trunks, accounts.
    Operator,
    /// Reads who did what.
    Auditor,
}

impl UserRole {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Advocate, Self::Supervisor, Self::Operator, Self::Auditor];

    /// The stable spelling: `advocate`, `supervisor`, `operator`, `auditor`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Advocate => "advocate",
            Self::Supervisor => "supervisor",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
        }
    }

    /// From the stable spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// A set of roles in the console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct UserRoles(u8);

impl UserRoles {
    /// All of these.
    #[must_use]
    pub const fn of(roles: &[UserRole]) -> Self {
        let mut set = 0;
        let mut i = 0;
        while i < roles.len() {
            set |= 1 << roles[i] as u8;
            i += 1;
        }
        Self(set)
    }

    /// Whether `role` is in the set.
    #[must_use]
    pub const fn contains(self, role: UserRole) -> bool {
        self.0 & (1 << role as u8) != 0
    }

    /// Whether the two have a role in common.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The roles in it, in the order of [`UserRole::ALL`].
    pub fn iter(self) -> impl Iterator<Item = UserRole> {
        UserRole::ALL.into_iter().filter(move |role| self.contains(*role))
    }
}

impl FromIterator<UserRole> for UserRoles {
    fn from_iter<I: IntoIterator<Item = UserRole>>(roles: I) -> Self {
        roles.into_iter().fold(Self::default(), |set, role| Self(set.0 | 1 << role as u8))
    }
}

/// A person's account in the console.
#[derive(Clone, PartialEq, Eq)]
pub struct UserAccount {
    /// What they sign in with.
    pub user: UserId,
    /// What they are called on the screen: any text.
    pub name: String,
    /// What they may do.
    pub roles: UserRoles,
    /// The `[[agents]]` account whose calls they take.
    pub agent: Option<AgentId>,
    /// The language of their screens.
    pub language: Spoken,
    /// May not sign in.
    pub disabled: bool,
    /// A salted hash of the password as a PHC string; none where somebody else vouches for them (OpenID Connect).
    pub password: Option<String>,
    /// Who they are to the identity provider, for good: its issuer and their subject there. None until they came from it.
    pub subject: Option<String>,
}

impl fmt::Debug for UserAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserAccount").field("user", &self.user).finish_non_exhaustive()
    }
}

/// What a session is known by: the SHA-256 of the secret in its cookie, never the secret.
pub type SessionKey = [u8; 32];

/// Somebody is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSession {
    /// What it is known by.
    pub key: SessionKey,
    /// Who.
    pub user: UserId,
    /// Since when.
    pub created: Unix,
    /// When they were last heard of.
    pub seen: Unix,
}

/// Somebody did something that others may ask about later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number, rising with time; 0 before it is kept.
    pub id: i64,
    /// When.
    pub at: Unix,
    /// Who.
    pub user: String,
    /// What, as a stable word.
    pub act: String,
    /// To what or whom.
    pub target: String,
    /// How.
    pub detail: String,
}

/// One change of what is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountChange {
    /// An account is as this, whether there was one or not.
    Put(Box<UserAccount>),
    /// There is no such account.
    Remove(UserId),
    /// Somebody signed in.
    SignedIn(UserSession),
    /// A session was heard of at this moment.
    Seen(SessionKey, Unix),
    /// A session is over.
    SignedOut(SessionKey),
    /// Something was done.
    Done(AuditEntry),
}

/// What was kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptAccounts {
    /// All accounts.
    pub accounts: Vec<UserAccount>,
    /// All sessions, expired ones too.
    pub sessions: Vec<UserSession>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_capitals_do_not_matter() {
        assert_eq!("Anne.Roy@example.ca".parse::<UserId>().unwrap().as_str(), "anne.roy@example.ca");
        assert_eq!("Anne".parse::<UserId>(), "aNNE".parse());
        for bad in ["", "@x", "a b", "é", "a/b", "<b>", &"x".repeat(65)] {
            assert_eq!(bad.parse::<UserId>(), Err(ParseIdError), "{bad:?}");
        }
    }

    #[test]
    fn roles_round_trip_and_meet() {
        for role in UserRole::ALL {
            assert_eq!(UserRole::from_name(role.as_str()), Some(role));
        }
        let some = UserRoles::of(&[UserRole::Operator, UserRole::Advocate]);
        assert_eq!(some.iter().collect::<Vec<_>>(), [UserRole::Advocate, UserRole::Operator]);
        assert_eq!(some.iter().collect::<UserRoles>(), some);
        assert!(some.meets(UserRoles::of(&[UserRole::Operator])));
        assert!(!some.meets(UserRoles::of(&[UserRole::Auditor, UserRole::Supervisor])));
    }

    #[test]
    fn a_password_is_never_shown() {
        let account = UserAccount {
            user: "anne".parse().unwrap(),
            name: "Anne".into(),
            roles: UserRoles::default(),
            agent: None,
            language: Spoken::Fr,
            disabled: false,
            password: Some("$argon2id$secret".into()),
            subject: None,
        };
        assert!(!format!("{account:?}").contains("secret"));
    }
}
