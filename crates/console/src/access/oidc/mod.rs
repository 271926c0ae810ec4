//! Signing in by an identity provider: OpenID Connect Core 1.0, authorization code flow (§3.1) with PKCE (RFC 7636).
//!
//! The library reads discovery documents, key sets and tokens, and verifies them; here is what is ours: which claims make
//! somebody what, a client that asks nothing but the provider, and words for what goes wrong. Nothing is kept between
//! going there and coming back: the browser brings it along ([`Begun`]).

mod begun;
mod claims;
mod config;
mod fetch;
mod provider;

pub(crate) use begun::{Begun, LIVES};
pub(crate) use claims::Vouched;
pub use config::{Oidc, OidcFault, OidcSecret};
pub(crate) use provider::Provider;

/// Why somebody is not let in. Each has a text on the sign-in page, under this word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OidcError {
    /// The provider cannot be asked, or makes no sense.
    Down,
    /// The provider says no, or the person did.
    Refused,
    /// They did not come from here, or too long ago.
    Stale,
    /// What the provider said does not hold: the signature, for whom, from whom, when.
    Untrusted,
    /// No role here comes of what the provider says of them.
    NoRole,
    /// What the provider says makes no account: no name, no such agent.
    NoAccount,
    /// The account of this name is somebody else's, or has a password of its own.
    Taken,
    /// The account is disabled.
    Disabled,
    /// There is no room, or it cannot be kept.
    Unkept,
}

impl OidcError {
    /// All of them: the pages have a text for each, the metrics a count.
    pub(crate) const ALL: [Self; 9] = [
        Self::Down,
        Self::Refused,
        Self::Stale,
        Self::Untrusted,
        Self::NoRole,
        Self::NoAccount,
        Self::Taken,
        Self::Disabled,
        Self::Unkept,
    ];

    /// The word in the page's address.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "oidc_down",
            Self::Refused => "oidc_refused",
            Self::Stale => "oidc_stale",
            Self::Untrusted => "oidc_untrusted",
            Self::NoRole => "oidc_no_role",
            Self::NoAccount => "oidc_no_account",
            Self::Taken => "oidc_taken",
            Self::Disabled => "oidc_disabled",
            Self::Unkept => "oidc_unkept",
        }
    }
}
