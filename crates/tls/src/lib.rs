//! Certificates: one mechanism for HTTPS, WSS and SIP over TLS. Read from PEM files, checked, handed to listeners, and
//! read again when they change, without a word to connections that are open.
//!
//! A listener keeps a [`Server`] and asks it for the configuration at each connection: so a new certificate is used from
//! the next handshake on, and whoever is connected stays so.

mod error;
mod files;
mod names;
mod verify;

pub use error::{FileKind, TlsError};
pub use files::{Files, Material, SYSTEM_CA, Stamp};
pub use names::sip_domains;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use havre_model::Unix;
pub use rustls;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, ServerConfig};

/// What DTLS is built on here, too: one implementation of cryptography in one process.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: std::sync::LazyLock<Arc<CryptoProvider>> =
        std::sync::LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));
    Arc::clone(&PROVIDER)
}

/// Makes *ring* the process's provider: first thing in `main`.
pub fn install_provider() {
    // Only a second call fails, and that changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// What is in force, for everybody who shakes hands.
#[derive(Clone, Debug)]
pub struct Tls(Arc<RwLock<Arc<Material>>>);

impl Tls {
    /// With what was read.
    #[must_use]
    pub fn new(material: Arc<Material>) -> Self {
        Self(Arc::new(RwLock::new(material)))
    }

    /// Puts other material in force, from the next handshake on.
    pub fn replace(&self, material: Arc<Material>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = material;
    }

    /// What is in force.
    #[must_use]
    pub fn material(&self) -> Arc<Material> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// For an HTTPS listener. `None` without a certificate.
    #[must_use]
    pub fn https(&self) -> Option<Server> {
        self.material().https.is_some().then(|| Server { tls: self.clone(), sip: false })
    }

    /// For a SIP listener: asks for a certificate where `client_ca` is configured, and takes who shows none. `None`
    /// without a certificate of our own.
    #[must_use]
    pub fn sip(&self) -> Option<Server> {
        self.material().sip.is_some().then(|| Server { tls: self.clone(), sip: true })
    }

    /// For SIP connections of ours.
    #[must_use]
    pub fn client(&self) -> Client {
        Client(self.clone())
    }
}

/// What a listener shakes hands with.
#[derive(Clone, Debug)]
pub struct Server {
    tls: Tls,
    sip: bool,
}

impl Server {
    /// For the next handshake. `None` only if the certificate was taken out of the configuration since the start.
    #[must_use]
    pub fn config(&self) -> Option<Arc<ServerConfig>> {
        let material = self.tls.material();
        if self.sip { material.sip.clone() } else { material.https.clone() }
    }
}

/// What connections of ours shake hands with.
#[derive(Clone, Debug)]
pub struct Client(Tls);

impl Client {
    /// For the next handshake.
    #[must_use]
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0.material().client)
    }
}

/// How long a certificate is still good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It is.
    Good,
    /// It ends in less than [`RENEW_BEFORE`].
    EndsSoon,
    /// It ends in less than [`URGENT_BEFORE`].
    EndsNow,
    /// It has ended.
    Expired,
    /// It has not begun: a clock is wrong, ours or its issuer's.
    NotYet,
}

/// Certificates that are renewed by themselves are renewed in the last third of their time, a month before the end of the
/// usual 90 days: one that was not by now will not be. Short-lived ones have their last quarter.
pub const RENEW_BEFORE: Duration = Duration::from_secs(21 * 24 * 3600);
/// Somebody has to see to it today, whatever day it is. Short-lived ones have their last twelfth.
pub const URGENT_BEFORE: Duration = Duration::from_secs(3 * 24 * 3600);

/// When a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// From.
    pub begins: Unix,
    /// Until.
    pub ends: Unix,
}

impl Term {
    /// How it stands at `now`.
    #[must_use]
    pub fn at(self, now: Unix) -> Validity {
        let whole = self.ends.since(self.begins);
        if now >= self.ends {
            Validity::Expired
        } else if now < self.begins {
            Validity::NotYet
        } else if now + URGENT_BEFORE.min(whole / 12) >= self.ends {
            Validity::EndsNow
        } else if now + RENEW_BEFORE.min(whole / 4) >= self.ends {
            Validity::EndsSoon
        } else {
            Validity::Good
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_ends_soon_for_its_last_three_weeks_and_now_for_its_last_three_days() {
        let term = Term { begins: hour(10 * 24), ends: hour(100 * 24) };
        let at = |days: i64| term.at(hour(days * 24));
        assert_eq!([at(9), at(10), at(78)], [Validity::NotYet, Validity::Good, Validity::Good]);
        assert_eq!([at(79), at(96)], [Validity::EndsSoon; 2]);
        assert_eq!([at(97), at(99), at(100)], [Validity::EndsNow, Validity::EndsNow, Validity::Expired]);
    }

    #[test]
    fn one_for_six_days_is_not_complained_about_all_its_life() {
        let term = Term { begins: hour(0), ends: hour(144) };
        let at = |hours: i64| term.at(hour(hours));
        assert_eq!([at(0), at(107), at(108)], [Validity::Good, Validity::Good, Validity::EndsSoon]);
        assert_eq!([at(131), at(132), at(144)], [Validity::EndsSoon, Validity::EndsNow, Validity::Expired]);
    }

    fn hour(hours: i64) -> Unix {
        Unix::from_millis(hours * 3_600_000)
    }
}
