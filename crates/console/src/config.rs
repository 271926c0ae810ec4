//! What the console is told at the start, and why it may refuse to.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use havre_model::Now;
use subtle::ConstantTimeEq;

use crate::access::{DemoAccount, KeepError, Oidc, Origin, SessionTimes};

/// Shortest token taken beyond loopback: 16 random characters of base64 are 96 bits.
const MIN_TOKEN: usize = 16;
/// Longest token: a request's header must have room for it.
const MAX_TOKEN: usize = 512;

/// Reads the process's clock.
pub type Clock = Arc<dyn Fn() -> Now + Send + Sync>;

/// What the next handshake is made with: asked for at each connection, so that a new certificate is used at once, and
/// whoever is connected stays so. `None` refuses the connection.
pub type Tls = Arc<dyn Fn() -> Option<Arc<tokio_rustls::rustls::ServerConfig>> + Send + Sync>;

/// What the console is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// What a request must bear.
    pub token: Token,
    /// `/metrics` needs no token. On loopback only.
    pub open_metrics: bool,
    /// The version shown in the metrics and the API description.
    pub version: String,
    /// Whose wall clock the roster's hours are of, for people: an IANA name. Nothing is computed with it.
    pub zone: String,
    /// Addresses under which browsers know this console, besides those that it listens on.
    pub origins: Vec<Origin>,
    /// Digest realm of the agents' SIP accounts.
    pub realm: String,
    /// How long people stay signed in.
    pub sessions: SessionTimes,
    /// An identity provider that people may sign in by.
    pub oidc: Option<Oidc>,
    /// Accounts with known passwords, on loopback only.
    pub demo: Vec<DemoAccount>,
    /// Bounds.
    pub limits: Limits,
}

/// Bounds on what clients may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once: every viewer has one, a browser's softphone another, and there are probes and scrapers.
    /// An idle one costs some 10 kB, one that is slow to read at most some 200 kB.
    pub connections: usize,
    /// Event stream readers at once: fewer than connections, so that probes always find room.
    pub subscribers: usize,
    /// Desks and wallboards looked at, at once: 500 advocates with a tab or two, and their supervisors.
    pub viewers: usize,
    /// WebSockets at once.
    pub sockets: usize,
    /// How often a WebSocket's browser is asked whether it is still there.
    pub ping: Duration,
    /// Silence after which it is not, and the socket is closed: a laptop that sleeps must not look reachable.
    pub silence: Duration,
    /// Bytes of a request's head. Also the size of a connection's read buffer.
    pub head: usize,
    /// Bytes of a request's body: the largest real one is under 100.
    pub body: usize,
    /// Time for a TLS handshake: a few round trips.
    pub handshake: Duration,
    /// Time for a request's head to arrive, and for an idle connection to say something.
    pub head_time: Duration,
    /// Time for the line to answer a command. A reload reads and checks files meanwhile.
    pub answer_time: Duration,
    /// Time for a request's body to arrive and the request to be answered: more than `answer_time`. Not for the
    /// event stream.
    pub request_time: Duration,
    /// Time for a client to take what was sent, after which it is cut.
    pub write_time: Duration,
    /// Silence on the event stream after which a comment is sent, so that both ends know the other lives.
    pub heartbeat: Duration,
    /// Time for answers in progress when the console stops.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            subscribers: 64,
            viewers: 2_000,
            sockets: 1_000,
            ping: Duration::from_secs(15),
            silence: Duration::from_secs(40),
            head: 16 * 1024,
            body: 16 * 1024,
            handshake: Duration::from_secs(5),
            head_time: Duration::from_secs(10),
            answer_time: Duration::from_secs(10),
            request_time: Duration::from_secs(15),
            write_time: Duration::from_secs(10),
            heartbeat: Duration::from_secs(15),
            shutdown: Duration::from_secs(5),
        }
    }
}

impl Config {
    /// Whether the console may run like this at `address`, with TLS (`secure`) or without.
    ///
    /// # Errors
    /// Beyond loopback: if it is plain, the token is short, or something is open.
    pub fn check(&self, address: SocketAddr, secure: bool) -> Result<(), StartError> {
        if address.ip().is_loopback() {
            return Ok(());
        }
        if !secure {
            return Err(StartError::Plain { address });
        }
        if self.token.0.len() < MIN_TOKEN {
            return Err(StartError::ShortToken { address });
        }
        let open =
            [(self.open_metrics, "[http] metrics_open"), (!self.demo.is_empty(), "[console] demo_accounts")];
        match open.into_iter().find(|(on, _)| *on) {
            Some((_, key)) => Err(StartError::Open { key, address }),
            None => Ok(()),
        }
    }
}

/// Why the console does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The token is too short for this address.
    #[error(
        "[http] token is shorter than {MIN_TOKEN} characters and {address} is not loopback; \
         make one with `openssl rand -base64 24`"
    )]
    ShortToken {
        /// Where it would have listened.
        address: SocketAddr,
    },
    /// Tokens and passwords would travel in clear.
    #[error(
        "{address} is not loopback and HTTP is plain there; set [http] secure = true and give [tls] a certificate, or \
         listen on 127.0.0.1 behind a TLS proxy"
    )]
    Plain {
        /// Where it would have listened.
        address: SocketAddr,
    },
    /// Something would be open to the network.
    #[error("{key} is for loopback only and {address} is not; switch it off or listen on 127.0.0.1")]
    Open {
        /// Which setting.
        key: &'static str,
        /// Where it would have listened.
        address: SocketAddr,
    },
    /// Accounts and sessions cannot be read.
    #[error(transparent)]
    Accounts(KeepError),
    /// The identity provider could not be asked over TLS.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The address cannot be had.
    #[error(
        "cannot listen on {address} for HTTP; is another program using it? Change [http] listen or stop it"
    )]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

/// The secret that a request must bear. Never printed.
#[derive(Clone)]
pub struct Token(Box<str>);

impl Token {
    /// Takes `text` if it can stand in a header as it is (RFC 6750 §2.1: letters, digits, `-._~+/`, then `=`).
    ///
    /// # Errors
    /// If it is empty, too long, or has another character.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let body = text.trim_end_matches('=');
        let good = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
        if !body.is_empty() && text.len() <= MAX_TOKEN && body.bytes().all(good) {
            Ok(Self(text.into()))
        } else {
            Err(TokenError)
        }
    }

    /// Whether `offered` is the token, in a time that depends only on its length.
    pub(crate) fn is(&self, offered: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(offered).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The text cannot be a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("[http] token must be 1 to {MAX_TOKEN} of A-Z a-z 0-9 - . _ ~ + / with '=' only at the end")]
pub struct TokenError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_can_stand_in_a_header() {
        for good in ["a", "abc-._~+/==", &"x".repeat(512)] {
            assert!(Token::new(good).is_ok(), "{good:?}");
        }
        for bad in ["", "=", "a b", "é", "a=b", "a\n", &"x".repeat(513)] {
            assert_eq!(Token::new(bad).err(), Some(TokenError), "{bad:?}");
        }
        let token = Token::new("secret").unwrap();
        assert!(token.is(b"secret"));
        assert!(!token.is(b"secre") && !token.is(b"secret1") && !token.is(b""));
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn beyond_loopback_nothing_is_open_and_tokens_are_long() {
        let config = |token: &str, open_metrics| Config {
            token: Token::new(token).unwrap(),
            open_metrics,
            version: String::new(),
            zone: String::new(),
            origins: Vec::new(),
            realm: String::new(),
            sessions: SessionTimes::default(),
            oidc: None,
            demo: Vec::new(),
            limits: Limits::default(),
        };
        let long = "0123456789abcdef";
        let [inside, outside] = ["[::1]:0", "192.0.2.1:80"].map(|a| a.parse::<SocketAddr>().unwrap());
        assert!(config("x", true).check(inside, false).is_ok());
        assert!(config(long, false).check(outside, true).is_ok());
        assert!(matches!(config("x", false).check(outside, true), Err(StartError::ShortToken { .. })));
        let plain = config(long, false).check(outside, false);
        assert!(matches!(plain, Err(StartError::Plain { .. })), "tokens in clear");
        let error = config(long, true).check(outside, true).unwrap_err();
        assert!(error.to_string().contains("metrics_open"), "{error}");
        let account = havre_model::UserAccount {
            user: "anne".parse().unwrap(),
            name: "Anne".into(),
            roles: havre_model::UserRoles::default(),
            agent: None,
            language: havre_model::Spoken::En,
            disabled: false,
            password: None,
            subject: None,
        };
        let demo = DemoAccount { account, password: "known".into() };
        let config = Config { demo: vec![demo], ..config(long, false) };
        assert!(config.check(inside, false).is_ok());
        assert!(config.check(outside, true).unwrap_err().to_string().contains("demo_accounts"));
    }
}
