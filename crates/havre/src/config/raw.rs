//! The configuration file as written: strict shapes, no meaning yet.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::oidc::RawOidc;

/// A whole file. Every key can be overridden by `HAVRE__SECTION__KEY`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    #[serde(default)]
    pub(super) node: RawNode,
    pub(super) sip: RawSip,
    pub(super) rtp: RawRtp,
    pub(super) http: RawHttp,
    #[serde(default)]
    pub(super) tls: RawTls,
    #[serde(default)]
    pub(super) console: RawConsole,
    #[serde(default)]
    pub(super) store: RawStore,
    #[serde(default)]
    pub(super) records: RawRecords,
    #[serde(default)]
    pub(super) dialplan: RawDialplan,
    #[serde(default)]
    pub(super) prompts: RawPrompts,
    #[serde(default)]
    pub(super) log: RawLog,
    #[serde(default)]
    pub(super) trunks: Vec<RawTrunk>,
    #[serde(default)]
    pub(super) agents: Vec<RawAgent>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawNode {
    /// Names this process among several; also the prefix of its keys' owner in Redis.
    pub(super) name: String,
    /// Data threads; 0 = one per core.
    pub(super) shards: usize,
    /// Seconds that SIGTERM waits for talks to end.
    pub(super) drain: u64,
}

impl Default for RawNode {
    fn default() -> Self {
        // Two hours: longer than the longest talk of the workload's tail (survivor: median 18 min, sigma 0.8).
        Self { name: "node-1".into(), shards: 0, drain: 7_200 }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSip {
    /// `IP:port`, each opened for UDP and TCP.
    pub(super) listen: OneOrMany,
    /// `IP:port`, each opened for TLS; needs `[tls]`.
    #[serde(default)]
    pub(super) tls_listen: Option<OneOrMany>,
    /// Listening IP to the IP that peers are told (1:1 NAT), per interface.
    #[serde(default)]
    pub(super) advertise: BTreeMap<String, String>,
    /// Digest realm of the advocates' accounts: what every stranger who asks is shown.
    #[serde(default = "default_realm")]
    pub(super) realm: String,
    /// Digest algorithms offered, the preferred one first: `md5`, `sha-256`.
    #[serde(default = "default_digest")]
    pub(super) digest: Vec<String>,
    /// Directory of the certificates that carriers vouch for numbers with (STIR/SHAKEN); without it nothing is verified.
    #[serde(default)]
    pub(super) identity_certificates: Option<String>,
    /// Seconds a registration lives at most.
    #[serde(default = "default_expires")]
    pub(super) max_expires: u32,
    /// Seconds of a session (RFC 4028) that advocates' phones are asked to agree to; 0 asks for none.
    #[serde(default)]
    pub(super) session_expires: u32,
    /// The shortest session that a carrier or phone may ask for.
    #[serde(default = "default_session_min")]
    pub(super) session_min: u32,
    /// DNS servers for the names of trunks; by default those of the system.
    #[serde(default)]
    pub(super) dns: Vec<String>,
    /// Seconds that a call of ours may look for a trunk that takes it.
    #[serde(default = "default_dial_within")]
    pub(super) dial_within: f64,
}

const fn default_dial_within() -> f64 {
    // Two trunks that say nothing, and a third that rings, fit into it.
    12.0
}

fn default_realm() -> String {
    // Neither whose line this is, nor what it runs on.
    "sip".into()
}

fn default_digest() -> Vec<String> {
    // Phones built on libre before 2.0 (Debian 12's baresip) give up at a challenge that offers SHA-256 at all.
    vec!["md5".into()]
}

fn default_session_min() -> u32 {
    // RFC 4028 §4 forbids less.
    90
}

fn default_expires() -> u32 {
    // A softphone that lost its network is noticed after this at the latest; RFC 3261's 3,600 s is far too long here.
    300
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(super) fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRtp {
    /// `first-last`; each leg takes an even port and the next one.
    pub(super) ports: String,
    /// The address to bind; by default that of the SIP listener.
    #[serde(default)]
    pub(super) listen: Option<String>,
    /// The address that peers are told, or one of each family; by default `sip.advertise` of the bound one.
    #[serde(default)]
    pub(super) advertise: Option<OneOrMany>,
    /// `first-last`, one port for each data thread, which all its browser legs share; by default the last ones of `ports`.
    #[serde(default)]
    pub(super) browser_ports: Option<String>,
    /// Audio codecs, the preferred one first: `pcmu`, `pcma`, `g722`, `opus`; `l16` for measurements.
    #[serde(default = "default_codecs")]
    pub(super) codecs: Vec<String>,
    /// Send comfort noise, or nothing with Opus, where nobody speaks and we transcode. Off: bandwidth is cheap, and a soft
    /// voice is not.
    #[serde(default)]
    pub(super) suppress_silence: bool,
}

fn default_codecs() -> Vec<String> {
    // What carriers and phones have in common, and next to no work. Opus takes a hundred times the processor where a call
    // has to be transcoded.
    havre_media::Codec::USUAL.map(|codec| codec.name().to_ascii_lowercase()).to_vec()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHttp {
    pub(super) listen: String,
    /// HTTPS and WSS; needs `[tls]`. Plain HTTP is for loopback only.
    #[serde(default)]
    pub(super) secure: bool,
    /// Bearer token of the API.
    #[serde(default)]
    pub(super) token: Option<String>,
    /// `/metrics` without a token (loopback only).
    #[serde(default)]
    pub(super) metrics_open: bool,
}

/// Certificates, in PEM. Read again on SIGHUP and when the files change.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTls {
    /// Our chain, our own certificate first.
    pub(super) certificate: Option<String>,
    /// Its private key.
    pub(super) key: Option<String>,
    /// Who may certify carriers that call us over TLS.
    pub(super) client_ca: Option<String>,
    /// Who may certify servers that we call over TLS; by default whom the system trusts.
    pub(super) ca: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawConsole {
    /// SQLite file of accounts, sessions and the audit.
    pub(super) accounts: String,
    /// Hours until people have to sign in again; half of it when nothing is heard of them.
    pub(super) session_hours: u32,
    /// Addresses under which browsers know the console, as `https://console.example.ca`, besides its own.
    pub(super) origins: Vec<String>,
    /// Every `[[agents]]` id signs in with its SIP password, and `operator` with `demo-op` (loopback only).
    pub(super) demo_accounts: bool,
    /// An identity provider that people may sign in by, besides passwords.
    pub(super) oidc: Option<RawOidc>,
}

impl Default for RawConsole {
    fn default() -> Self {
        Self {
            accounts: "data/console.sqlite".into(),
            // A shift of twelve hours, and the same again for one that does not end.
            session_hours: 24,
            origins: Vec::new(),
            demo_accounts: false,
            oidc: None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawStore {
    /// `embedded`, or `redis://host:port/db`.
    pub(super) url: String,
    /// Prefix of every Redis key.
    pub(super) prefix: String,
}

impl Default for RawStore {
    fn default() -> Self {
        Self { url: "embedded".into(), prefix: "havre".into() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRecords {
    /// SQLite file of the event logs.
    pub(super) path: String,
}

impl Default for RawRecords {
    fn default() -> Self {
        Self { path: "data/records.sqlite".into() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawDialplan {
    pub(super) file: String,
}

impl Default for RawDialplan {
    fn default() -> Self {
        Self { file: "../dialplans/hotline.toml".into() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPrompts {
    pub(super) dir: String,
}

impl Default for RawPrompts {
    fn default() -> Self {
        Self { dir: "../prompts".into() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLog {
    /// `text` or `json`.
    pub(super) format: String,
    /// A `tracing` filter.
    pub(super) level: String,
}

impl Default for RawLog {
    fn default() -> Self {
        Self { format: "text".into(), level: "info".into() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTrunk {
    pub(super) id: String,
    /// Addresses or networks (`203.0.113.0/24`) that are this trunk.
    #[serde(default)]
    pub(super) sources: Vec<String>,
    /// Digest credentials that the carrier presents, where it has no fixed address or in addition to it.
    #[serde(default)]
    pub(super) user: Option<String>,
    #[serde(default)]
    pub(super) password: Option<String>,
    /// The name in the certificate that the carrier shows over TLS, where it is known by that.
    #[serde(default)]
    pub(super) certificate: Option<String>,
    /// Prefixes that this carrier puts before a number (`00`, `+1`-less forms are understood without).
    #[serde(default)]
    pub(super) strip_prefixes: Vec<String>,
    /// Send a 180 before the answer, where the carrier wants one.
    #[serde(default)]
    pub(super) ring_first: bool,
    /// What the carrier hears where there is no room: `"retry-after"` (503 with 1 to 3 s), `"503"` or `"500"`.
    #[serde(default = "default_overload")]
    pub(super) overload: String,
    /// SRTP with keys from SDP: `"off"`, `"offered"` or `"required"`.
    #[serde(default = "default_srtp")]
    pub(super) srtp: String,
    /// Of the codecs in `[rtp]` those that this carrier is to be spoken to in, the preferred one first; all without it.
    #[serde(default)]
    pub(super) codecs: Option<Vec<String>>,
    /// Calls at once, both directions; more are refused as `overload` says, or go over the next trunk.
    #[serde(default)]
    pub(super) max_calls: Option<usize>,
    /// New calls in a second, both directions.
    #[serde(default)]
    pub(super) max_calls_per_second: Option<u32>,
    /// How calls of ours go there.
    #[serde(default)]
    pub(super) outbound: Option<RawOutbound>,
}

fn default_srtp() -> String {
    // Keys that travel in plain SIP protect from nobody who can hear the call: whoever has TLS switches it on.
    "off".to_owned()
}

/// How calls of ours go over a trunk. Without `peer` there are none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOutbound {
    /// `203.0.113.7`, `203.0.113.7:5070`, `sip.carrier.example` (NAPTR and SRV), `sip.carrier.example:5070`.
    pub(super) peer: String,
    /// `udp`, `tcp` or `tls`; without it as DNS says.
    #[serde(default)]
    pub(super) transport: Option<String>,
    #[serde(default)]
    pub(super) user: Option<String>,
    #[serde(default)]
    pub(super) password: Option<String>,
    /// Challenges of other realms are not answered.
    #[serde(default)]
    pub(super) realm: Option<String>,
    #[serde(default = "default_group")]
    pub(super) group: String,
    #[serde(default = "default_rank")]
    pub(super) priority: u16,
    #[serde(default = "default_rank")]
    pub(super) weight: u16,
    #[serde(default = "default_answer_within")]
    pub(super) answer_within: f64,
    #[serde(default = "default_ring_within")]
    pub(super) ring_within: f64,
    /// `e164`, `national`, or `prefix:9` for digits behind a prefix.
    #[serde(default = "default_numbers")]
    pub(super) numbers: String,
    #[serde(default)]
    pub(super) from: Option<String>,
    #[serde(default)]
    pub(super) user_phone: bool,
    #[serde(default)]
    pub(super) asserted_identity: bool,
    #[serde(default = "yes")]
    pub(super) reliable: bool,
    #[serde(default = "yes")]
    pub(super) session_timer: bool,
    /// Seconds from one OPTIONS to the next; 0 for none.
    #[serde(default = "default_options_every")]
    pub(super) options_every: u64,
    #[serde(default)]
    pub(super) options_user: Option<String>,
    /// Seconds; without it we do not register.
    #[serde(default)]
    pub(super) register: Option<u64>,
}

pub(super) fn default_group() -> String {
    "carriers".to_owned()
}

const fn default_rank() -> u16 {
    10
}

const fn default_answer_within() -> f64 {
    // 100 Trying comes within a round trip; after three lost INVITEs (0.5, 1.5, 3.5 s) nobody is there.
    4.0
}

const fn default_ring_within() -> f64 {
    // Mobile networks take up to 6 s to find a telephone.
    8.0
}

fn default_numbers() -> String {
    "e164".to_owned()
}

const fn yes() -> bool {
    true
}

const fn default_options_every() -> u64 {
    30
}

fn default_overload() -> String {
    "retry-after".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAgent {
    pub(super) id: String,
    pub(super) password: String,
    pub(super) languages: Vec<String>,
    #[serde(default = "default_roles")]
    pub(super) roles: Vec<String>,
    /// `"manual"`, or seconds.
    #[serde(default)]
    pub(super) wrap_up: RawWrapUp,
    /// An on-call person's telephone (`+15145550123` or `tel:+15145550123`), rung over a trunk.
    #[serde(default)]
    pub(super) phone: Option<String>,
    /// Which trunks lead to it.
    #[serde(default = "default_group")]
    pub(super) phone_group: String,
    /// Ready as soon as a phone registers, rather than when the advocate says so.
    #[serde(default)]
    pub(super) ready_on_register: bool,
    /// SRTP with keys from SDP on this advocate's phones, as of a trunk; browsers have SRTP always.
    #[serde(default = "default_srtp")]
    pub(super) srtp: String,
}

fn default_roles() -> Vec<String> {
    vec!["advocate".into()]
}

#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub(super) enum RawWrapUp {
    #[default]
    Default,
    Seconds(f64),
    Word(String),
}
