//! What an [`Endpoint`](crate::Endpoint) is told once: names, accounts, trunks, numbers, timers and limits.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use havre_model::{AgentId, LineId, TrunkGroup, TrunkId, limits};
use ipnet::IpNet;

use crate::digest::Algorithm;
use crate::endpoint::{Account, Transport};
use crate::passport::Certificates;

/// Configuration of an endpoint. Replaced as a whole by `Command::Configure`; calls in progress go on.
#[derive(Clone, Debug)]
pub struct Config {
    /// Digest realm; also a host name that counts as ours in a `From`.
    pub realm: String,
    /// Digest algorithms offered, the preferred one first. Only MD5 by default: phones built on libre before 2.0
    /// (baresip 1.0 of Debian 12) fail on any challenge that they do not know, instead of taking the next one.
    pub algorithms: Vec<Algorithm>,
    /// Host written in our own `From` URIs, and a host name that counts as ours.
    pub server_name: String,
    /// What to write in Via, Contact and From for a local address: 1:1 NAT, per interface. Ports stay the same.
    pub advertised: HashMap<IpAddr, IpAddr>,
    /// Who may register and dial feature codes.
    pub accounts: HashMap<AgentId, Password>,
    /// Our listening addresses. Calls over trunks leave by the first of the peer's family.
    pub listeners: Vec<SocketAddr>,
    /// The same over TLS. Without one, no call of ours goes over TLS: a carrier could not reach us for what comes later in it.
    pub listeners_tls: Vec<SocketAddr>,
    /// Who may send us callers, and takes calls of ours. The first that matches source and number wins.
    pub trunks: Vec<Trunk>,
    /// Whom we may call over trunks: no INVITE goes to any other number.
    pub outside: HashSet<Outside>,
    /// How long a call of ours may look for a trunk that takes it.
    pub dial_within: Duration,
    /// What may be called.
    pub lines: Vec<LineNumbers>,
    /// What agents may call (`*40` …), each beginning with `*`.
    pub feature_codes: Vec<String>,
    /// Take an INVITE from anywhere, to anything: phones and test tools only.
    pub accept_anyone: bool,
    /// What carriers may vouch for callers' numbers with; without any, nothing is verified.
    pub certificates: Arc<Certificates>,
    /// RFC 3261 §17 base timers.
    pub timers: Timers,
    /// RFC 4028.
    pub session: SessionTimers,
    /// RFC 3261 §10.
    pub registration: RegistrationTimes,
    /// How much outsiders can make us hold.
    pub limits: Limits,
}

impl Default for Config {
    /// No accounts, no trunks, no numbers; RFC timers.
    fn default() -> Self {
        Self {
            // A stranger who is challenged need not learn what this is.
            realm: "sip".to_owned(),
            algorithms: vec![Algorithm::Md5],
            server_name: "havre.invalid".to_owned(),
            advertised: HashMap::new(),
            accounts: HashMap::new(),
            listeners: Vec::new(),
            listeners_tls: Vec::new(),
            trunks: Vec::new(),
            outside: HashSet::new(),
            // Two trunks that say nothing, and a third that rings, fit into it.
            dial_within: Duration::from_secs(12),
            lines: Vec::new(),
            feature_codes: Vec::new(),
            accept_anyone: false,
            certificates: Arc::default(),
            timers: Timers::default(),
            session: SessionTimers::default(),
            registration: RegistrationTimes::default(),
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// The address to write in headers for the local address `local`.
    #[must_use]
    pub fn advertise(&self, local: SocketAddr) -> SocketAddr {
        let ip = self.advertised.get(&local.ip()).copied().unwrap_or(local.ip());
        SocketAddr::new(ip, local.port())
    }

    /// The trunk of this name.
    pub(crate) fn trunk(&self, id: &TrunkId) -> Option<&Trunk> {
        self.trunks.iter().find(|trunk| trunk.id == *id)
    }

    /// Whether the address says that a request from `source` is some trunk's.
    pub(crate) fn is_trunks(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        self.trunks.iter().any(|trunk| trunk.sends_from(source))
    }

    /// How whoever sends from `source` is told that there is no room.
    pub(crate) fn overload(&self, source: IpAddr) -> Overload {
        let source = source.to_canonical();
        self.trunks
            .iter()
            .find(|trunk| trunk.sends_from(source))
            .map(|trunk| trunk.overload)
            .unwrap_or_default()
    }
}

/// A carrier's peer.
#[derive(Clone, Debug)]
pub struct Trunk {
    /// Its name in the configuration.
    pub id: TrunkId,
    /// Networks its requests come from. Empty only with `digest` or `certificate`: then any source may present those.
    pub sources: Vec<IpNet>,
    /// User and password that its INVITEs must prove, if any.
    pub digest: Option<(String, Password)>,
    /// SIP domain that its certificate must be for: its INVITEs come over TLS, by a connection whose far end has shown
    /// one (RFC 5922 §7).
    pub certificate: Option<String>,
    /// Numbers it may reach, in E.164; empty for every number of every line.
    pub numbers: Vec<String>,
    /// Prefixes that this carrier writes before the number, removed before the number is looked up.
    pub strip_prefixes: Vec<String>,
    /// What it hears where there is no room.
    pub overload: Overload,
    /// How much goes over it.
    pub caps: Caps,
    /// How calls of ours go over it, if they may.
    pub outbound: Option<Outbound>,
}

/// How much goes over a trunk, both directions together. Calls in progress are never touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// Calls at once.
    pub calls: Option<usize>,
    /// New calls in a second.
    pub per_second: Option<u32>,
}

/// How calls of ours go over a trunk: what carriers differ in, as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// Where.
    pub peer: Peer,
    /// How; `None` as DNS says, and UDP where it says nothing.
    pub transport: Option<Transport>,
    /// Credentials of ours, shown to this realm alone.
    pub account: Option<Account>,
    /// Trunks of one group lead to the same numbers.
    pub group: TrunkGroup,
    /// Lower ones are tried first.
    pub priority: u16,
    /// Among those of one priority: how often this one comes first (RFC 2782).
    pub weight: u16,
    /// Longest wait for the first provisional response to an INVITE; then the next trunk is tried.
    pub answer_within: Duration,
    /// Longest wait for it to ring after that.
    pub ring_within: Duration,
    /// How numbers are written.
    pub numbers: NumberFormat,
    /// Host of `From`; `None` for our own name.
    pub from: Option<String>,
    /// `;user=phone` in the Request-URI, To and From.
    pub user_phone: bool,
    /// `P-Asserted-Identity` with the line's number (RFC 3325).
    pub asserted: bool,
    /// Offer reliable provisional responses (RFC 3262).
    pub reliable: bool,
    /// Offer session timers (RFC 4028).
    pub session_timer: bool,
    /// OPTIONS; `None` for a carrier that minds them.
    pub ping: Option<Ping>,
    /// Register there, for so long at a time.
    pub register: Option<Duration>,
}

/// Where a trunk's peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// At an address.
    At(SocketAddr),
    /// At a name: with a port an address record, without one RFC 3263.
    Name(String, Option<u16>),
}

/// How the number to be called is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NumberFormat {
    /// `+15145550123`.
    E164,
    /// `5145550123` within North America; elsewhere `011` and the digits.
    National,
    /// This, and the digits of E.164 without `+`.
    Prefix(String),
}

/// How a trunk is asked whether it is there: by OPTIONS. Any answer but 408 and 503 says yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    /// Time from one to the next, jittered by a quarter.
    pub every: Duration,
    /// The same while it is down.
    pub every_down: Duration,
    /// Longest wait for an answer.
    pub patience: Duration,
    /// User part of the Request-URI.
    pub user: Option<String>,
    /// So many failures in a row, of pings or calls, and it is down.
    pub down_after: u8,
    /// So many answers in a row, and it is up again.
    pub up_after: u8,
}

impl Default for Ping {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(30),
            every_down: Duration::from_secs(10),
            patience: Duration::from_secs(4),
            user: None,
            // One lost OPTIONS is repeated by its transaction five times within the patience: two in a row are no accident.
            down_after: 2,
            up_after: 1,
        }
    }
}

/// Somebody outside whom the configuration names, and over which trunks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Outside {
    /// Over one of these.
    pub group: TrunkGroup,
    /// In E.164.
    pub number: String,
}

impl Trunk {
    /// Whether a request from `source` is this trunk's, as far as its address says.
    pub(crate) fn sends_from(&self, source: IpAddr) -> bool {
        self.sources.iter().any(|net| net.contains(&source))
    }

    /// Whether the certificate is this trunk's that is for these names. No part of a name stands for all of it, and no
    /// `*` for anything (RFC 5922 §7.2).
    pub(crate) fn is_certified(&self, names: &[Box<str>]) -> bool {
        let wanted = self.certificate.as_deref();
        wanted.is_some_and(|wanted| names.iter().any(|name| name.eq_ignore_ascii_case(wanted)))
    }
}

/// How a trunk is told that there is no room for a call. Carriers differ in what makes them try their next route, and
/// some take the whole gateway out of service while a `Retry-After` lasts (RFC 3261 §21.5.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overload {
    /// 503 with a `Retry-After` of 1 to 3 s, jittered so that refused callers do not come back together.
    #[default]
    RetryAfter,
    /// 503 and nothing else.
    Unavailable,
    /// 500 and nothing else.
    ServerError,
}

/// The numbers of one line.
#[derive(Clone, Debug)]
pub struct LineNumbers {
    /// Which line.
    pub line: LineId,
    /// In E.164 (`+18335550100`).
    pub numbers: Vec<String>,
}

/// RFC 3261 §17.1.1.1, table 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Round-trip estimate.
    pub t1: Duration,
    /// Longest retransmission interval of non-INVITE requests and INVITE responses.
    pub t2: Duration,
    /// Longest time that a message stays in the network.
    pub t4: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

impl Timers {
    /// 64·T1: timers B, F, H, J, L and M.
    #[must_use]
    pub const fn t1x64(&self) -> Duration {
        self.t1.saturating_mul(64)
    }
}

/// RFC 4028. Expiry never ends a leg: it is only reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimers {
    /// Session-Expires that we ask for when we dial; `None` asks for none.
    pub expires: Option<Duration>,
    /// Shortest that we take from a peer (§4: at least 90 s); below it 422.
    pub min: Duration,
}

impl Default for SessionTimers {
    fn default() -> Self {
        Self { expires: None, min: Duration::from_secs(90) }
    }
}

/// How long a binding lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistrationTimes {
    /// Shorter requests get 423.
    pub min: Duration,
    /// When the phone does not say.
    pub default: Duration,
    /// Longer requests are shortened to it.
    pub max: Duration,
    /// How often a registered phone is asked whether it is there.
    pub ask_every: Duration,
    /// How long it has for an answer, before the account is no longer reached by it.
    pub patience: Duration,
}

impl Default for RegistrationTimes {
    fn default() -> Self {
        Self {
            min: Duration::from_secs(30),
            default: Duration::from_secs(300),
            // A dead phone that answers no OPTIONS is noticed within this time at the latest.
            max: Duration::from_secs(3600),
            ask_every: Duration::from_secs(30),
            // Over UDP it is asked five times within it: at 0, 0.5, 1.5, 3.5 and 7.5 s.
            patience: Duration::from_secs(10),
        }
    }
}

/// Named limits of every table that outsiders can fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Server and client transactions at once. New INVITEs are refused at three quarters of it, so that the rest
    /// serves calls in progress.
    pub transactions: usize,
    /// Legs at once, in and out.
    pub legs: usize,
    /// Open connections.
    pub flows: usize,
    /// Contacts of one account; the one that would expire first makes room.
    pub bindings_per_agent: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            transactions: limits::MAX_TRANSACTIONS,
            // A caller's leg, a talking advocate's, and a few ringing ones for each call.
            legs: limits::MAX_CALLS * 4,
            flows: limits::MAX_FLOWS,
            bindings_per_agent: limits::MAX_BINDINGS_PER_AGENT,
        }
    }
}

/// A password: compared, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Box<str>);

impl Password {
    /// Takes `text` as it stands.
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text, for computing a digest.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}
