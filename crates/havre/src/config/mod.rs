//! Configuration: the file as written (`raw`) becomes checked values here, or a list of errors that say where and what
//! to do. Nothing starts and no port opens before that.

mod account;
mod console;
mod error;
mod french;
mod locate;
mod media;
mod oidc;
mod outbound;
mod raw;
mod session;
mod tls;
mod trunk;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use havre_media::Codec;
use havre_model::NodeId;
use havre_node::media::MAX_SHARDS;
use havre_sip::SessionTimers;
use havre_sip::digest::Algorithm;
use havre_tls::Files;

pub(crate) use account::Account;
pub(crate) use console::ConsoleConfig;
pub(crate) use error::{ConfigError, ConfigErrors};
pub(crate) use french::french;
use locate::line_of;
use raw::{OneOrMany, RawConfig};
pub(crate) use trunk::Trunk;

/// The demo profile: loopback only, what `havre run` starts without a file.
pub(crate) const DEMO: &str = include_str!("../../../../config/demo.toml");
/// What the demo profile is called in messages.
pub(crate) const DEMO_NAME: &str = "(built-in demo)";

/// A checked configuration.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// This process among several.
    pub(crate) node: NodeId,
    /// Data threads.
    pub(crate) shards: usize,
    /// How long SIGTERM waits for talks.
    pub(crate) drain: Duration,
    /// SIP listeners, each UDP and TCP.
    pub(crate) sip_listen: Vec<SocketAddr>,
    /// SIP listeners for TLS.
    pub(crate) sip_tls_listen: Vec<SocketAddr>,
    /// Bound address to the address that peers are told.
    pub(crate) advertise: BTreeMap<IpAddr, IpAddr>,
    /// Digest realm.
    pub(crate) realm: String,
    /// Digest algorithms, the preferred one first.
    pub(crate) digest: Vec<Algorithm>,
    /// Directory of carriers' certificates.
    pub(crate) identity_certificates: Option<PathBuf>,
    /// Longest registration.
    pub(crate) max_expires: Duration,
    /// RFC 4028.
    pub(crate) session: SessionTimers,
    /// DNS servers.
    pub(crate) dns: Vec<SocketAddr>,
    /// How long a call of ours looks for a trunk.
    pub(crate) dial_within: Duration,
    /// Ports for RTP and RTCP.
    pub(crate) rtp_ports: RangeInclusive<u16>,
    /// One for each data thread; `None` where the range is too small to spare any.
    pub(crate) browser_ports: Option<RangeInclusive<u16>>,
    /// Address that RTP binds.
    pub(crate) rtp_listen: IpAddr,
    /// Address that SDP shows.
    pub(crate) rtp_advertise: IpAddr,
    /// The same of the other family, if media are at both.
    pub(crate) rtp_advertise_other: Option<IpAddr>,
    /// Audio codecs, the preferred one first.
    pub(crate) codecs: Vec<Codec>,
    /// Transcoded legs fall silent when nobody speaks.
    pub(crate) suppress_silence: bool,
    /// HTTP listener.
    pub(crate) http_listen: SocketAddr,
    /// It speaks TLS.
    pub(crate) http_secure: bool,
    /// Certificates.
    pub(crate) tls: Files,
    /// Bearer token.
    pub(crate) http_token: String,
    /// `/metrics` without a token.
    pub(crate) metrics_open: bool,
    /// People's accounts.
    pub(crate) console: ConsoleConfig,
    /// `None` = embedded.
    pub(crate) redis: Option<String>,
    /// Prefix of Redis keys.
    pub(crate) redis_prefix: String,
    /// SQLite file.
    pub(crate) records: PathBuf,
    /// Dialplan file.
    pub(crate) dialplan: PathBuf,
    /// Prompt directory.
    pub(crate) prompts: PathBuf,
    /// JSON logs.
    pub(crate) log_json: bool,
    /// Log filter.
    pub(crate) log_level: String,
    /// Carriers.
    pub(crate) trunks: Vec<Trunk>,
    /// Accounts.
    pub(crate) agents: Vec<Account>,
}

impl Config {
    /// Reads `path`, or the built-in demo when there is none. Paths in a file are relative to the file.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self, ConfigErrors> {
        let environment: Vec<(String, String)> =
            std::env::vars().filter(|(k, _)| k.starts_with("HAVRE__")).collect();
        let Some(path) = path else {
            return Self::parse(DEMO, DEMO_NAME, Path::new("config"), &environment);
        };
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigErrors(vec![ConfigError {
                file: path.display().to_string(),
                line: None,
                key: String::new(),
                what: format!("cannot be read: {error}"),
                remedy: "give the path of a configuration file; config/demo.toml is a working one".into(),
            }])
        })?;
        let base = path.parent().unwrap_or(Path::new("."));
        Self::parse(&text, &path.display().to_string(), base, &environment)
    }

    /// Checks `text` (called `name` in messages), with overrides from `environment`.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub(crate) fn parse(
        text: &str,
        name: &str,
        base: &Path,
        environment: &[(String, String)],
    ) -> Result<Self, ConfigErrors> {
        let raw = read_raw(text, name, environment).map_err(|error| ConfigErrors(vec![error]))?;
        let mut check = Check { text, name, errors: Vec::new() };
        let config = check.config(raw, base);
        if check.errors.is_empty() { Ok(config) } else { Err(ConfigErrors(check.errors)) }
    }

    /// The address that peers are told for the bound address `local`.
    #[must_use]
    pub(crate) fn advertised(&self, local: IpAddr) -> IpAddr {
        self.advertise.get(&local).copied().unwrap_or(local)
    }
}

/// The raw shapes: the file first alone (for line numbers), then with the environment's overrides.
fn read_raw(text: &str, name: &str, environment: &[(String, String)]) -> Result<RawConfig, ConfigError> {
    let syntax = |error: &toml::de::Error| ConfigError {
        file: name.into(),
        line: error.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count()),
        key: String::new(),
        what: error.message().trim().replace('\n', "; "),
        remedy: "config/demo.toml and config/production.toml show every key and what it is for".into(),
    };
    let _: toml::Table = toml::from_str(text).map_err(|error| syntax(&error))?;
    if environment.is_empty() {
        return toml::from_str::<RawConfig>(text).map_err(|error| syntax(&error));
    }
    let variables: config::Map<String, String> = environment.iter().cloned().collect();
    config::Config::builder()
        .add_source(config::File::from_str(text, config::FileFormat::Toml))
        .add_source(
            config::Environment::with_prefix("HAVRE")
                .prefix_separator("__")
                .separator("__")
                .try_parsing(true)
                .source(Some(variables)),
        )
        .build()
        .and_then(config::Config::try_deserialize)
        .map_err(|error| ConfigError {
            file: name.into(),
            line: None,
            key: String::new(),
            what: error.to_string(),
            remedy: "check the file and the environment variables HAVRE__SECTION__KEY that override it"
                .into(),
        })
}

/// Collects what is wrong while it turns raw values into checked ones.
struct Check<'a> {
    text: &'a str,
    name: &'a str,
    errors: Vec<ConfigError>,
}

impl Check<'_> {
    fn error(&mut self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.errors.push(ConfigError {
            file: self.name.into(),
            line: line_of(self.text, key),
            key: key.into(),
            what: what.into(),
            remedy: remedy.into(),
        });
    }

    /// `text` as a `T`, or an error and the `fallback` (which is never used: errors refuse the whole file).
    fn value<T: std::str::FromStr>(&mut self, key: &str, text: &str, fallback: T, remedy: &str) -> T {
        text.trim().parse().unwrap_or_else(|_| {
            self.error(key, format!("{text:?} is not understood"), remedy);
            fallback
        })
    }

    fn config(&mut self, raw: RawConfig, base: &Path) -> Config {
        const ANY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        let nowhere = SocketAddr::new(ANY, 0);
        let address = "write an IP address and a port, as 127.0.0.1:5060 or [::1]:5060";
        let listen: Vec<String> = raw.sip.listen.into_vec();
        if listen.is_empty() {
            self.error("sip.listen", "is empty", address);
        }
        let sip_listen: Vec<SocketAddr> =
            listen.iter().map(|text| self.value("sip.listen", text, nowhere, address)).collect();
        self.no_wildcards("sip.listen", &sip_listen);
        let listen: Vec<String> = raw.sip.tls_listen.map(OneOrMany::into_vec).unwrap_or_default();
        let address_tls = "write an IP address and a port, as 203.0.113.10:5061";
        let sip_tls_listen: Vec<SocketAddr> =
            listen.iter().map(|text| self.value("sip.tls_listen", text, nowhere, address_tls)).collect();
        self.no_wildcards("sip.tls_listen", &sip_tls_listen);
        let tls = self.tls(raw.tls, base, !sip_tls_listen.is_empty(), raw.http.secure);
        let ip = "write an IP address, as 203.0.113.7";
        let advertise: BTreeMap<IpAddr, IpAddr> = raw
            .sip
            .advertise
            .iter()
            .map(|(bound, told)| {
                (self.value("sip.advertise", bound, ANY, ip), self.value("sip.advertise", told, ANY, ip))
            })
            .collect();
        let rtp_listen = match &raw.rtp.listen {
            Some(text) => self.value("rtp.listen", text, ANY, ip),
            None => sip_listen.first().map_or(ANY, SocketAddr::ip),
        };
        let told = advertise.get(&rtp_listen).copied().unwrap_or(rtp_listen);
        let (rtp_advertise, rtp_advertise_other) = self.rtp_told(raw.rtp.advertise, rtp_listen, told);
        let http_listen: SocketAddr = self.value("http.listen", &raw.http.listen, nowhere, address);
        if !http_listen.ip().is_loopback() && !raw.http.secure {
            let remedy =
                "set `secure = true` and give [tls] a certificate, or listen on 127.0.0.1 behind a TLS proxy";
            self.error("http.listen", "is not loopback, and HTTP is plain there", remedy);
        }
        let redis = self.store_url(&raw.store.url);
        let codecs = self.codecs("rtp.codecs", &raw.rtp.codecs);
        let trunks = self.trunks(&raw.trunks, &tls, &codecs);
        self.ways_out(&trunks, &sip_tls_listen);
        let agents = self.agents(&raw.agents, &trunks);
        let pairs = "write first-last, as 20000-29999; each call takes four ports (two legs, RTP and RTCP)";
        let rtp_ports = self.ports("rtp.ports", &raw.rtp.ports, pairs).unwrap_or(20_000..=29_999);
        let http_token = self.token(raw.http.token, http_listen.ip());
        let console = self.console(raw.console, base, http_listen);
        let log_json = match raw.log.format.as_str() {
            "json" => true,
            "text" => false,
            other => {
                self.error("log.format", format!("{other:?} is not a format"), "write \"text\" or \"json\"");
                false
            }
        };
        // One shard per core.
        let cores = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_SHARDS);
        let shards = if raw.node.shards == 0 { cores } else { raw.node.shards.min(MAX_SHARDS) };
        let browser_ports = self.browser_ports(raw.rtp.browser_ports.as_deref(), &rtp_ports, shards);
        Config {
            node: self.node(&raw.node.name),
            shards,
            drain: Duration::from_secs(raw.node.drain),
            sip_listen,
            sip_tls_listen,
            advertise,
            realm: raw.sip.realm,
            digest: self.digest(&raw.sip.digest),
            identity_certificates: raw.sip.identity_certificates.map(|directory| base.join(directory)),
            max_expires: Duration::from_secs(u64::from(raw.sip.max_expires.max(60))),
            session: self.session(raw.sip.session_expires, raw.sip.session_min),
            dns: self.dns(&raw.sip.dns),
            dial_within: self.seconds("sip.dial_within", raw.sip.dial_within, 60.0),
            rtp_ports,
            browser_ports,
            rtp_listen,
            rtp_advertise,
            rtp_advertise_other,
            codecs,
            suppress_silence: raw.rtp.suppress_silence,
            http_listen,
            http_secure: raw.http.secure,
            tls,
            http_token,
            metrics_open: raw.http.metrics_open,
            console,
            redis,
            redis_prefix: raw.store.prefix,
            records: base.join(raw.records.path),
            dialplan: base.join(raw.dialplan.file),
            prompts: base.join(raw.prompts.dir),
            log_json,
            log_level: raw.log.level,
            trunks,
            agents,
        }
    }

    fn node(&mut self, name: &str) -> NodeId {
        name.parse().unwrap_or_else(|_| {
            self.error(
                "node.name",
                format!("{name:?} is not a name"),
                "use letters, digits, '.', '_' or '-'",
            );
            fallback_node()
        })
    }

    fn no_wildcards(&mut self, key: &str, listen: &[SocketAddr]) {
        for bound in listen.iter().filter(|bound| bound.ip().is_unspecified()) {
            let what = format!("{bound} is a wildcard: peers could not be told where to answer");
            self.error(key, what, "name the interface's own address; list several for several interfaces");
        }
    }

    fn digest(&mut self, names: &[String]) -> Vec<Algorithm> {
        let remedy = "write [\"md5\"], [\"sha-256\"] or both, the preferred one first";
        if names.is_empty() {
            self.error("sip.digest", "is empty", remedy);
        }
        let mut algorithms = Vec::new();
        for name in names {
            match name.to_ascii_lowercase().as_str() {
                "md5" => algorithms.push(Algorithm::Md5),
                "sha-256" => algorithms.push(Algorithm::Sha256),
                _ => self.error("sip.digest", format!("{name:?} is no digest algorithm"), remedy),
            }
        }
        algorithms
    }

    fn store_url(&mut self, url: &str) -> Option<String> {
        if url == "embedded" {
            return None;
        }
        if !(url.starts_with("redis://") || url.starts_with("redis+unix://") || url.starts_with("unix://")) {
            let what = format!("{:?} is no store", redact(url));
            self.error("store.url", what, "write \"embedded\" or \"redis://host:6379/0\"");
        }
        Some(url.to_owned())
    }
}

/// A store's address without its password, for messages.
pub(crate) fn redact(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 < at => format!("{}***{}", &url[..scheme + 3], &url[at..]),
        _ => url.to_owned(),
    }
}

fn fallback_node() -> NodeId {
    "node".parse().unwrap_or_else(|_| unreachable!("a literal name that the parser's own tests accept"))
}

#[cfg(test)]
mod tests;
