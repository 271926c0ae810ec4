//! Configuration: the file as written (`raw`) becomes checked values here, or a list of errors that say where and what
//! to do. Nothing starts and no port opens before that.

mod locate;
mod raw;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use havre_console::Origin;
use havre_media::Codec;
use havre_model::{AgentId, AgentProfile, NodeId, Role, Spoken, TrunkId, WrapUp, limits};
use havre_node::media::MAX_SHARDS;
use havre_sip::digest::Algorithm;
use havre_tls::Files;
use ipnet::IpNet;

use locate::line_of;
use raw::{OneOrMany, RawAgent, RawConfig, RawConsole, RawTls, RawTrunk, RawWrapUp};

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
    /// Longest registration.
    pub(crate) max_expires: Duration,
    /// Ports for RTP and RTCP.
    pub(crate) rtp_ports: RangeInclusive<u16>,
    /// One for each data thread; `None` where the range is too small to spare any.
    pub(crate) browser_ports: Option<RangeInclusive<u16>>,
    /// Address that RTP binds.
    pub(crate) rtp_listen: IpAddr,
    /// Address that SDP shows.
    pub(crate) rtp_advertise: IpAddr,
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
    /// The live page without a login.
    pub(crate) open_page: bool,
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
}

/// A carrier's peer.
#[derive(Clone, Debug)]
pub(crate) struct Trunk {
    /// Its name.
    pub(crate) id: TrunkId,
    /// Its addresses.
    pub(crate) sources: Vec<IpNet>,
    /// What it authenticates with.
    pub(crate) digest: Option<(String, String)>,
    /// Whom its certificate is for.
    pub(crate) certificate: Option<String>,
    /// Prefixes it puts before numbers.
    pub(crate) strip_prefixes: Vec<String>,
    /// Whether it wants a 180 before the 200.
    pub(crate) ring_first: bool,
    /// What it hears where there is no room.
    pub(crate) overload: havre_sip::Overload,
}

/// An advocate's account.
#[derive(Clone)]
pub(crate) struct Account {
    /// Who.
    pub(crate) profile: AgentProfile,
    /// SIP password.
    pub(crate) password: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// One thing wrong in a configuration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ConfigError {
    /// The file.
    pub(crate) file: String,
    /// Line in it, from 1; `None` when the value came from the environment or is missing.
    pub(crate) line: Option<usize>,
    /// The key, as `section.key`.
    pub(crate) key: String,
    /// What is wrong.
    pub(crate) what: String,
    /// What to do.
    pub(crate) remedy: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}\n    {}", self.what, self.remedy)
    }
}

/// All that is wrong in a configuration.
#[derive(Debug)]
pub(crate) struct ConfigErrors(pub(crate) Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

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
        let rtp_advertise = match &raw.rtp.advertise {
            Some(text) => self.value("rtp.advertise", text, ANY, ip),
            None => advertise.get(&rtp_listen).copied().unwrap_or(rtp_listen),
        };
        let http_listen: SocketAddr = self.value("http.listen", &raw.http.listen, nowhere, address);
        if !http_listen.ip().is_loopback() && !raw.http.secure {
            let remedy =
                "set `secure = true` and give [tls] a certificate, or listen on 127.0.0.1 behind a TLS proxy";
            self.error("http.listen", "is not loopback, and HTTP is plain there", remedy);
        }
        let node_name = "use letters, digits, '.', '_' or '-'";
        let node = match raw.node.name.parse::<NodeId>() {
            Ok(node) => Some(node),
            Err(_) => {
                self.error("node.name", format!("{:?} is not a name", raw.node.name), node_name);
                None
            }
        };
        let redis = self.store_url(&raw.store.url);
        let trunks = self.trunks(&raw.trunks, &tls);
        let agents = self.agents(&raw.agents);
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
            node: node.unwrap_or_else(fallback_node),
            shards,
            drain: Duration::from_secs(raw.node.drain),
            sip_listen,
            sip_tls_listen,
            advertise,
            realm: raw.sip.realm,
            digest: self.digest(&raw.sip.digest),
            max_expires: Duration::from_secs(u64::from(raw.sip.max_expires.max(60))),
            rtp_ports,
            browser_ports,
            rtp_listen,
            rtp_advertise,
            codecs: self.codecs(&raw.rtp.codecs),
            suppress_silence: raw.rtp.suppress_silence,
            http_listen,
            http_secure: raw.http.secure,
            tls,
            http_token,
            metrics_open: raw.http.metrics_open,
            open_page: raw.http.page_open,
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

    fn no_wildcards(&mut self, key: &str, listen: &[SocketAddr]) {
        for bound in listen.iter().filter(|bound| bound.ip().is_unspecified()) {
            let what = format!("{bound} is a wildcard: peers could not be told where to answer");
            self.error(key, what, "name the interface's own address; list several for several interfaces");
        }
    }

    /// Whether the files are there and go together is seen when they are read.
    fn tls(&mut self, raw: RawTls, base: &Path, sip: bool, http: bool) -> Files {
        let path = |file: Option<String>| file.map(|file| base.join(file));
        let identity = match (path(raw.certificate), path(raw.key)) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => {
                for (key, wanted) in [("sip.tls_listen", sip), ("http.secure", http)] {
                    if wanted {
                        let remedy = "give `certificate` and `key` in [tls], as certbot's fullchain.pem and privkey.pem";
                        self.error(key, "needs a certificate and there is none", remedy);
                    }
                }
                None
            }
            (certificate, _) => {
                let missing = if certificate.is_none() { "tls.certificate" } else { "tls.key" };
                self.error(
                    missing,
                    "is missing: a certificate and its key go together",
                    "give both or neither",
                );
                None
            }
        };
        Files { identity, client_ca: path(raw.client_ca), ca: path(raw.ca) }
    }

    fn token(&mut self, token: Option<String>, bound: IpAddr) -> String {
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

    fn console(&mut self, raw: RawConsole, base: &Path, listen: SocketAddr) -> ConsoleConfig {
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

    fn codecs(&mut self, names: &[String]) -> Vec<Codec> {
        let remedy = "write some of \"pcmu\", \"pcma\", \"g722\", \"opus\" and \"l16\", each once, the preferred one first";
        if names.is_empty() {
            self.error("rtp.codecs", "is empty", remedy);
        }
        let mut codecs = Vec::new();
        for name in names {
            match Codec::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name)) {
                Some(codec) if !codecs.contains(&codec) => codecs.push(codec),
                Some(_) => self.error("rtp.codecs", format!("{name:?} stands twice"), remedy),
                None => self.error("rtp.codecs", format!("{name:?} is no codec"), remedy),
            }
        }
        codecs
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

    /// One port for each data thread: those written, or the last ones of `rtp`, which a firewall lets through anyway.
    fn browser_ports(
        &mut self,
        text: Option<&str>,
        rtp: &RangeInclusive<u16>,
        shards: usize,
    ) -> Option<RangeInclusive<u16>> {
        let key = "rtp.browser_ports";
        let remedy = "write first-last, as 19000-19007; each data thread takes one";
        let Some(text) = text else {
            // A range that has hardly room for calls gives none away.
            let spare = rtp.len() / 32 >= shards;
            let first = rtp.end() - u16::try_from(shards).unwrap_or(u16::MAX).min(*rtp.end()) + 1;
            return spare.then(|| first..=*rtp.end());
        };
        let ports = self.ports(key, text, remedy)?;
        if ports.len() < shards {
            self.error(
                key,
                format!("{text:?} has fewer ports than there are data threads ({shards})"),
                remedy,
            );
        }
        Some(ports)
    }

    fn ports(&mut self, key: &str, text: &str, remedy: &str) -> Option<RangeInclusive<u16>> {
        let parsed = text.split_once('-').and_then(|(first, last)| {
            let (first, last) = (first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?);
            (first >= 1024 && last >= first).then_some(first..=last)
        });
        if parsed.is_none() {
            self.error(key, format!("{text:?} is no range of ports from 1024 up"), remedy);
        }
        parsed
    }

    fn trunks(&mut self, raw: &[RawTrunk], tls: &Files) -> Vec<Trunk> {
        let mut names = HashSet::new();
        let mut trunks = Vec::new();
        for (i, trunk) in raw.iter().enumerate() {
            let key = |name: &str| format!("trunks.{i}.{name}");
            let Ok(id) = trunk.id.parse::<TrunkId>() else {
                self.error(
                    &key("id"),
                    format!("{:?} is not a name", trunk.id),
                    "use letters, digits, '.', '_', '-'",
                );
                continue;
            };
            if !names.insert(id.clone()) {
                self.error(&key("id"), format!("{id} stands twice"), "give each trunk a name of its own");
            }
            let mut sources = Vec::new();
            for text in &trunk.sources {
                match text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
                    Ok(net) => sources.push(net),
                    Err(_) => self.error(
                        &key("sources"),
                        format!("{text:?} is no address or network"),
                        "write 203.0.113.7 or 203.0.113.0/24",
                    ),
                }
            }
            let digest = match (&trunk.user, &trunk.password) {
                (Some(user), Some(password)) => Some((user.clone(), password.clone())),
                (None, None) => None,
                _ => {
                    self.error(&key("user"), "user and password go together", "give both or neither");
                    None
                }
            };
            if trunk.certificate.is_some() && tls.client_ca.is_none() {
                let remedy = "name in [tls] client_ca the file with the authorities that certify carriers";
                self.error(&key("certificate"), "nobody could vouch for it", remedy);
            }
            let name = |name: &String| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
            if !trunk.certificate.as_ref().is_none_or(name) {
                let remedy =
                    "write the domain of the carrier's certificate, as sip.carrier.example, without `*`";
                self.error(&key("certificate"), "is no domain name", remedy);
            }
            if sources.is_empty() && digest.is_none() && trunk.certificate.is_none() {
                let remedy = "list the carrier's addresses in `sources`, or give `user` and `password`, or `certificate`";
                self.error(&key("sources"), "nothing identifies this trunk", remedy);
            }
            let overload = match trunk.overload.as_str() {
                "retry-after" => havre_sip::Overload::RetryAfter,
                "503" => havre_sip::Overload::Unavailable,
                "500" => havre_sip::Overload::ServerError,
                other => {
                    let remedy = "write \"retry-after\", \"503\" or \"500\": whichever makes this carrier try its next route";
                    self.error(&key("overload"), format!("{other:?} is not known"), remedy);
                    havre_sip::Overload::RetryAfter
                }
            };
            trunks.push(Trunk {
                overload,
                id,
                sources,
                digest,
                certificate: trunk.certificate.clone(),
                strip_prefixes: trunk.strip_prefixes.clone(),
                ring_first: trunk.ring_first,
            });
        }
        if raw.is_empty() {
            let remedy = "add a [[trunks]] table with `id` and `sources`, or no caller can reach the line";
            self.error("trunks", "there is none", remedy);
        }
        trunks
    }

    fn agents(&mut self, raw: &[RawAgent]) -> Vec<Account> {
        if raw.len() > limits::MAX_AGENTS {
            self.error(
                "agents",
                format!("{} are too many", raw.len()),
                format!("{} at most", limits::MAX_AGENTS),
            );
        }
        let mut names = HashSet::new();
        raw.iter().enumerate().filter_map(|(i, agent)| self.agent(i, agent, &mut names)).collect()
    }

    fn agent(&mut self, i: usize, raw: &RawAgent, names: &mut HashSet<AgentId>) -> Option<Account> {
        let key = |name: &str| format!("agents.{i}.{name}");
        let Ok(id) = raw.id.parse::<AgentId>() else {
            self.error(
                &key("id"),
                format!("{:?} is not a name", raw.id),
                "use letters, digits, '.', '_', '-'",
            );
            return None;
        };
        if !names.insert(id.clone()) {
            self.error(&key("id"), format!("{id} stands twice"), "give each advocate a name of their own");
        }
        if raw.password.is_empty() {
            self.error(&key("password"), "is empty", "give each advocate a password of their own");
        }
        let languages: Vec<Spoken> = raw
            .languages
            .iter()
            .filter_map(|name| {
                let spoken = Spoken::from_name(name).filter(|l| *l != Spoken::Es);
                if spoken.is_none() {
                    let what = format!("{name:?} is not a language of the line");
                    self.error(&key("languages"), what, "write \"en\", \"fr\" or both");
                }
                spoken
            })
            .collect();
        let Some(ui_language) = languages.first().copied() else {
            self.error(&key("languages"), "none is left", "write [\"en\"], [\"fr\"] or [\"en\", \"fr\"]");
            return None;
        };
        let roles = raw
            .roles
            .iter()
            .filter_map(|name| {
                let role = Role::from_name(name);
                if role.is_none() {
                    let remedy = "write \"advocate\", \"supervisor\" or \"on_call\"";
                    self.error(&key("roles"), format!("{name:?} is no role"), remedy);
                }
                role
            })
            .collect();
        let wrap_up = match &raw.wrap_up {
            RawWrapUp::Default => WrapUp::Manual,
            RawWrapUp::Word(word) if word == "manual" => WrapUp::Manual,
            RawWrapUp::Seconds(secs) if (0.0..=86_400.0).contains(secs) => {
                WrapUp::After(Duration::from_secs_f64(*secs))
            }
            _ => {
                self.error(&key("wrap_up"), "is not understood", "write \"manual\" or seconds, as 30");
                WrapUp::Manual
            }
        };
        let ready_on_register = raw.ready_on_register;
        let languages = languages.into_iter().collect();
        let profile = AgentProfile { id, languages, ui_language, roles, wrap_up, ready_on_register };
        Some(Account { profile, password: raw.password.clone() })
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
