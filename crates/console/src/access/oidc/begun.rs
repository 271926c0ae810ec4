//! What ties the way back to the way there: one secret in the browser's cookie, from which all else is made. The state
//! tells that it is the same browser (RFC 6749 §10.12), the nonce that the token is for this sign-in (Core §15.5.2), the
//! verifier that whoever has the code began here (RFC 7636). None tells anything of the others.

use std::time::Duration;

use havre_model::Unix;
use openidconnect::{Nonce, PkceCodeVerifier};
use subtle::ConstantTimeEq as _;

use crate::access::secret;

/// Time to sign in at the provider, a second factor and a forgotten phone included.
pub(crate) const LIVES: Duration = Duration::from_secs(15 * 60);

/// A sign-in under way.
#[derive(Clone)]
pub(crate) struct Begun {
    /// `SECRET.MILLISECONDS`; all below is made of both, so that neither can be changed.
    cookie: String,
}

impl Begun {
    /// Somebody goes to the provider now.
    pub(crate) fn new(now: Unix) -> Self {
        Self { cookie: format!("{}.{}", secret::secret(), now.as_millis()) }
    }

    /// Somebody comes back with this cookie; `None` if they took too long, or it is none.
    pub(crate) fn back(cookie: &str, now: Unix) -> Option<Self> {
        let (secret, at) = cookie.split_once('.')?;
        let at = Unix::from_millis(at.parse().ok()?);
        // A clock that was set back must not let a cookie live on.
        let fresh = now.since(at) < LIVES && at.since(now) < LIVES;
        (secret.len() == 64 && fresh).then(|| Self { cookie: cookie.to_owned() })
    }

    /// For the browser.
    pub(crate) fn cookie(&self) -> &str {
        &self.cookie
    }

    /// For the address.
    pub(crate) fn state(&self) -> String {
        secret::derived("state", &self.cookie)
    }

    /// Whether the address brings the state that this browser took along.
    pub(crate) fn began(&self, state: &str) -> bool {
        self.state().as_bytes().ct_eq(state.as_bytes()).into()
    }

    pub(super) fn nonce(&self) -> Nonce {
        Nonce::new(secret::derived("nonce", &self.cookie))
    }

    pub(super) fn verifier(&self) -> PkceCodeVerifier {
        PkceCodeVerifier::new(secret::derived("verifier", &self.cookie))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Unix {
        Unix::from_millis(seconds * 1000)
    }

    #[test]
    fn the_way_back_is_open_for_a_quarter_of_an_hour_and_to_the_same_browser() {
        let there = Begun::new(at(1000));
        let back = Begun::back(there.cookie(), at(1899)).unwrap();
        assert!(back.began(&there.state()));
        assert_eq!(back.nonce().secret(), there.nonce().secret());
        assert_eq!(back.verifier().secret(), there.verifier().secret());
        assert!(Begun::back(there.cookie(), at(1900)).is_none());
        assert!(Begun::back(there.cookie(), at(99)).is_none());
        let other = Begun::new(at(1000));
        assert!(!other.began(&there.state()) && !other.began("") && !other.began(&there.state()[1..]));
    }

    #[test]
    fn a_cookie_whose_time_was_changed_is_another_sign_in() {
        let there = Begun::new(at(0));
        let later = there.cookie().replace(".0", ".5000000");
        let back = Begun::back(&later, at(5000)).unwrap();
        assert!(!back.began(&there.state()));
        for bad in ["", ".", "x.1", "0123.5000000", &there.cookie()[..64]] {
            assert!(Begun::back(bad, at(5000)).is_none(), "{bad}");
        }
    }

    #[test]
    fn nothing_in_the_address_tells_the_rest() {
        let begun = Begun::new(at(0));
        let all = [begun.state(), begun.nonce().secret().clone(), begun.verifier().secret().clone()];
        for (place, one) in all.iter().enumerate() {
            assert_eq!(one.len(), 64);
            assert!(!begun.cookie().contains(one));
            assert!(all.iter().skip(place + 1).all(|other| other != one));
        }
    }
}
