//! Passwords: argon2id on threads of their own, a few at a time, and the same work whoever asks.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;

/// Hashes computed at once. Each takes a core and 19 MiB for some 30 ms; the cores are for calls.
const AT_ONCE: usize = 2;
/// Requests that may wait for a place: a shift's change, and two seconds of waiting.
const WAITING: usize = 128;
/// Shortest and longest password, in characters and bytes. NIST SP 800-63B asks for 8 at least, and no rules on what.
const SHORTEST: usize = 10;
const LONGEST: usize = 256;

/// Hashes and verifies.
pub(crate) struct Passwords {
    places: Semaphore,
    queue: Semaphore,
    /// Verified where there is no hash to verify: an unknown user costs what a known one does.
    decoy: Arc<str>,
}

/// Too many ask at once.
#[derive(Debug)]
pub(crate) struct Busy;

impl Passwords {
    /// Makes the decoy, which takes as long as one hash.
    pub(crate) fn new() -> Self {
        let decoy = hash(&super::secret::secret()).unwrap_or_default().into();
        Self { places: Semaphore::new(AT_ONCE), queue: Semaphore::new(WAITING), decoy }
    }

    /// Whether `password` is the one of `hash`. The same work is done where there is none.
    pub(crate) async fn verify(&self, hash: Option<String>, password: String) -> Result<bool, Busy> {
        let _place = self.place().await?;
        let known = hash.is_some();
        let hash: Arc<str> = hash.map_or_else(|| Arc::clone(&self.decoy), Arc::from);
        let matches = spawn_blocking(move || matches(&hash, &password)).await.unwrap_or(false);
        Ok(matches && known)
    }

    /// A salted hash of `password`, as a PHC string.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Busy> {
        let _place = self.place().await?;
        spawn_blocking(move || hash(&password)).await.ok().flatten().ok_or(Busy)
    }

    /// A cheap hash, for passwords that everybody knows: the demo may have many accounts, and 19 MiB each would stay in
    /// the allocator.
    pub(crate) fn hash_known(password: &str) -> Option<String> {
        let params = Params::new(Params::MIN_M_COST, Params::MIN_T_COST, Params::MIN_P_COST, None).ok()?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.hash_password(password.as_bytes()).ok().map(|hash| hash.to_string())
    }

    async fn place(&self) -> Result<SemaphorePermit<'_>, Busy> {
        let _waiting = self.queue.try_acquire().map_err(|_| Busy)?;
        self.places.acquire().await.map_err(|_| Busy)
    }
}

/// Why a password is not taken.
pub(crate) fn weakness(password: &str, user: &str) -> Option<&'static str> {
    if password.chars().count() < SHORTEST {
        Some("The password has fewer than 10 characters.")
    } else if password.len() > LONGEST {
        Some("The password is longer than 256 bytes.")
    } else if password.to_lowercase().contains(user) && password.len() < user.len() + 5 {
        Some("The password is little more than the user's name.")
    } else {
        None
    }
}

/// Argon2id with 19 MiB, two passes, one lane (OWASP Password Storage Cheat Sheet).
fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

fn hash(password: &str) -> Option<String> {
    argon2().hash_password(password.as_bytes()).ok().map(|hash| hash.to_string())
}

fn matches(hash: &str, password: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    argon2().verify_password(password.as_bytes(), &hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_its_own_and_nobodys_elses() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.verify(Some(hash.clone()), "correct horse".into()).await.unwrap());
        assert!(!passwords.verify(Some(hash.clone()), "correct horsf".into()).await.unwrap());
        assert!(!passwords.verify(Some(hash), String::new()).await.unwrap());
        assert!(!passwords.verify(None, "correct horse".into()).await.unwrap());
        assert!(!passwords.verify(Some("nonsense".into()), "x".into()).await.unwrap());
        // What an unknown user is measured against is as dear as what a known one is.
        let cost = |phc: &str| phc.rsplitn(3, '$').nth(2).unwrap().to_owned();
        assert_eq!(cost(&passwords.decoy), "$argon2id$v=19$m=19456,t=2,p=1");
    }

    #[tokio::test]
    async fn a_flood_finds_a_limit() {
        let passwords = Passwords::new();
        let held = passwords.places.acquire_many(2).await.unwrap();
        let mut waiting: Vec<_> =
            (0..WAITING).map(|_| Box::pin(passwords.verify(None, "x".into()))).collect();
        for one in &mut waiting {
            assert!(futures_util::future::poll_immediate(one).await.is_none());
        }
        assert!(passwords.verify(None, "x".into()).await.is_err());
        drop((waiting, held));
        assert!(passwords.verify(None, "x".into()).await.is_ok());
    }

    #[test]
    fn short_long_and_obvious_passwords_are_not_taken() {
        for weak in ["", "123456789", "ééééééééé", &"x".repeat(257), "anne.roy2026", "Anne.Roy123"] {
            assert!(weakness(weak, "anne.roy").is_some(), "{weak}");
        }
        for good in ["éééééééééé", "correct horse", "anne.roy likes long ones"] {
            assert!(weakness(good, "anne.roy").is_none(), "{good}");
        }
    }
}
