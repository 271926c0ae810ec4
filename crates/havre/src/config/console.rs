//! `[http]` and `[console]`: who may ask, and people who sign in.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use havre_console::{Oidc, Origin};

use super::Check;
use super::raw::RawConsole;

/// People who sign in.
#[derive(Clone, Debug)]
pub(crate) struct ConsoleConfig {
    /// SQLite file of accounts, sessions and the audit.
    pub(crate) accounts: PathBuf,
    /// How long a session lives.
    pub(crate) session: Duration,
    /// Addresses under which browsers know the console.
    pub(crate) origins: Vec<Origin>,
    /// Accounts with known passwords.
    pub(crate) demo: bool,
    /// An identity provider.
    pub(crate) oidc: Option<Oidc>,
}

impl Check<'_> {
    pub(super) fn token(&mut self, token: Option<String>, bound: IpAddr) -> String {
        let token = token.unwrap_or_default();
        if token.len() < 16 && !bound.is_loopback() {
            self.error(
                "http.token",
                "is missing or shorter than 16 characters, and HTTP is not on loopback",
                "set HAVRE__HTTP__TOKEN to a long random text, as `openssl rand -hex 32` prints",
            );
        } else if token.is_empty() {
            self.error("http.token", "is missing", "set it here or in HAVRE__HTTP__TOKEN");
        }
        token
    }

    pub(super) fn console(&mut self, raw: RawConsole, base: &Path, listen: SocketAddr) -> ConsoleConfig {
        let mut origins = Vec::new();
        for text in &raw.origins {
            match text.parse() {
                Ok(origin) => origins.push(origin),
                Err(error) => {
                    let remedy =
                        "write the console's address as a browser shows it, as https://console.example.ca";
                    self.error("console.origins", format!("{text:?} is {error}"), remedy);
                }
            }
        }
        if !(1..=168).contains(&raw.session_hours) {
            let remedy = "write hours from 1 to 168; 24 is a shift with its overtime";
            self.error("console.session_hours", "is no time for a session", remedy);
        }
        if raw.demo_accounts && !listen.ip().is_loopback() {
            let remedy = "switch it off, or listen on 127.0.0.1: everybody knows these passwords";
            self.error("console.demo_accounts", "is for loopback only", remedy);
        }
        ConsoleConfig {
            accounts: base.join(raw.accounts),
            session: Duration::from_secs(u64::from(raw.session_hours) * 3600),
            origins,
            demo: raw.demo_accounts,
            oidc: raw.oidc.map(|oidc| self.oidc(oidc, base)),
        }
    }
}
