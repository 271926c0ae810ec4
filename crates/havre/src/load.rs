//! From files to what a switch is told: configuration, prompts and dialplan, all checked before anything is in force.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use havre_dialplan::{Catalogue, Diagnostic, Dialplan, Targets};
use havre_model::{AgentProfile, Role, Spoken};
use havre_sip as sip;
use havre_switch::{CodecPolicy, Library, Outsiders, ReloadPlan, SrtpPolicy};
use havre_tls::Material;

use crate::config::{Account, Config, ConfigError, ConfigErrors, DEMO_NAME, Trunk, french};
use crate::{certificates, tls};

/// Everything that the files say.
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) plan: Arc<Dialplan>,
    pub(crate) library: Arc<Library>,
    pub(crate) material: Arc<Material>,
    /// Of the carriers that vouch for numbers.
    pub(crate) carriers: Arc<sip::Certificates>,
}

/// One thing wrong with a file, whichever reader found it.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) file: String,
    pub(crate) line: Option<usize>,
    pub(crate) key: String,
    pub(crate) what: String,
    pub(crate) remedy: String,
    /// What is wrong and what to do in Canadian French.
    pub(crate) french: Option<(String, String)>,
}

impl From<ConfigError> for Finding {
    fn from(error: ConfigError) -> Self {
        let ConfigError { file, line, key, what, remedy } = error;
        let in_french = (french(&what), french(&remedy));
        Self { file, line, key, what, remedy, french: Some(in_french) }
    }
}

impl From<Diagnostic> for Finding {
    fn from(found: Diagnostic) -> Self {
        let Diagnostic { file, line, key, what, remedy, what_fr, remedy_fr, severity: _ } = found;
        Self { file, line: (line > 0).then_some(line), key, what, remedy, french: Some((what_fr, remedy_fr)) }
    }
}

impl Finding {
    /// As a person reads it who speaks this language.
    pub(crate) fn said_in(self, tongue: Spoken) -> String {
        let Self { file, line, key, what, remedy, french } = self;
        let (what, remedy) = french.filter(|_| tongue == Spoken::Fr).unwrap_or((what, remedy));
        ConfigError { file, line, key, what, remedy }.to_string()
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.clone().said_in(Spoken::En))
    }
}

/// Reads and proves everything. Encodes the prompts too, which takes a moment: not for a thread that serves calls.
///
/// # Errors
/// Everything that is wrong, as far as one reader after the other could tell.
pub(crate) fn load(path: Option<&Path>) -> Result<Loaded, Vec<Finding>> {
    let config = Config::load(path).map_err(|ConfigErrors(errors)| findings(errors))?;
    let catalogue = Catalogue::load(&config.prompts).map_err(findings)?;
    let plan = Dialplan::load(&config.dialplan, &catalogue, targets(&config)).map_err(findings)?;
    let name = path.map_or_else(|| DEMO_NAME.to_owned(), |path| path.display().to_string());
    let material = tls::read(&config.tls, &name)?;
    let library = Arc::new(Library::new(&catalogue, &config.codecs));
    let directory = config.identity_certificates.as_deref();
    let carriers = directory.map(certificates::read).transpose().map_err(findings)?;
    Ok(Loaded { config, plan, library, material, carriers: Arc::new(carriers.unwrap_or_default()) })
}

/// Which optional steps of a dialplan have somebody to ring.
pub(crate) fn targets(config: &Config) -> Targets {
    let on_call = config.agents.iter().any(|account| account.profile.roles.contains(Role::OnCall));
    // Partner centres and interpreters cannot be configured yet.
    Targets { on_call, partner: false, interpreter: false }
}

fn findings<T: Into<Finding>>(found: Vec<T>) -> Vec<Finding> {
    found.into_iter().map(Into::into).collect()
}

impl Loaded {
    /// The part that a reload can change, and the certificates.
    pub(crate) fn into_reload(self) -> (ReloadPlan, Arc<Material>) {
        let plan = ReloadPlan {
            sip: sip_config(&self.config, self.carriers),
            agents: profiles(&self.config),
            ring_first: ring_first(&self.config),
            srtp: srtp(&self.config),
            codecs: codecs(&self.config),
            outsiders: outsiders(&self.config),
            plan: self.plan,
            library: self.library,
        };
        (plan, self.material)
    }
}

/// The accounts, without their passwords.
pub(crate) fn profiles(config: &Config) -> Vec<AgentProfile> {
    config.agents.iter().map(|account| account.profile.clone()).collect()
}

/// The trunks that want a 180 before the 200.
pub(crate) fn ring_first(config: &Config) -> std::collections::HashSet<havre_model::TrunkId> {
    config.trunks.iter().filter(|trunk| trunk.ring_first).map(|trunk| trunk.id.clone()).collect()
}

/// Whose media is to be SRTP.
pub(crate) fn srtp(config: &Config) -> SrtpPolicy {
    // Those that lead to one telephone agree.
    let of = |agent| ways_to(config, agent).next().map_or(agent.srtp, |trunk| trunk.srtp);
    SrtpPolicy {
        trunks: config.trunks.iter().map(|trunk| (trunk.id.clone(), trunk.srtp)).collect(),
        agents: config.agents.iter().map(|agent| (agent.profile.id.clone(), of(agent))).collect(),
    }
}

/// Which codecs carriers are spoken to in, where not in all.
pub(crate) fn codecs(config: &Config) -> CodecPolicy {
    let of = |trunk: &Trunk| Some((trunk.id.clone(), trunk.codecs.clone()?));
    let spoken = |trunk: &Trunk| trunk.codecs.clone().unwrap_or_else(|| config.codecs.clone());
    let to = |agent: &Account| {
        let ways: Vec<_> = ways_to(config, agent).collect();
        let some = ways.iter().any(|trunk| trunk.codecs.is_some());
        let ways = ways.into_iter().map(|trunk| (trunk.id.clone(), spoken(trunk)));
        some.then(|| (agent.profile.id.clone(), ways.collect()))
    };
    CodecPolicy {
        trunks: config.trunks.iter().filter_map(of).collect(),
        telephones: config.agents.iter().filter_map(to).collect(),
    }
}

/// The trunks that lead to an agent's telephone.
fn ways_to<'a>(config: &'a Config, agent: &'a Account) -> impl Iterator<Item = &'a Trunk> {
    agent.telephone.iter().flat_map(|telephone| {
        let leads = |trunk: &&Trunk| trunk.outbound.as_ref().is_some_and(|way| way.group == telephone.group);
        config.trunks.iter().filter(leads)
    })
}

/// Everybody outside whom we may call.
pub(crate) fn outsiders(config: &Config) -> Outsiders {
    let telephone =
        |account: &crate::config::Account| Some((account.profile.id.clone(), account.telephone.clone()?));
    Outsiders { phones: config.agents.iter().filter_map(telephone).collect() }
}

/// Where browsers may find our media, best first: what everybody is told, and the addresses behind it or beside it, for who
/// is in the same house. A browser tries them all, and takes what answers.
pub(crate) fn media_addresses(config: &Config) -> Vec<IpAddr> {
    let bound = if config.rtp_listen.is_unspecified() {
        config.sip_listen.iter().map(SocketAddr::ip).collect()
    } else {
        vec![config.rtp_listen]
    };
    let mut addresses = vec![config.rtp_advertise];
    addresses.extend(config.rtp_advertise_other);
    for ip in bound.into_iter().flat_map(|ip| [config.advertised(ip), ip]) {
        if !addresses.contains(&ip) {
            addresses.push(ip);
        }
    }
    addresses.retain(|ip| !ip.is_unspecified());
    addresses
}

/// What the SIP edge must know. The numbers of the lines come from the plan.
pub(crate) fn sip_config(config: &Config, certificates: Arc<sip::Certificates>) -> sip::Config {
    let shown = config.sip_listen.first().map_or(config.rtp_advertise, |bound| config.advertised(bound.ip()));
    let trunks = config.trunks.iter().map(|trunk| sip::Trunk {
        id: trunk.id.clone(),
        sources: trunk.sources.clone(),
        digest: trunk.digest.clone().map(|(user, password)| (user, sip::Password::new(password))),
        certificate: trunk.certificate.clone(),
        numbers: Vec::new(),
        strip_prefixes: trunk.strip_prefixes.clone(),
        overload: trunk.overload,
        caps: trunk.caps,
        outbound: trunk.outbound.clone(),
    });
    let accounts = config
        .agents
        .iter()
        .map(|account| (account.profile.id.clone(), sip::Password::new(account.password.as_str())));
    sip::Config {
        realm: config.realm.clone(),
        algorithms: config.digest.clone(),
        server_name: shown.to_string(),
        advertised: config.advertise.iter().map(|(bound, told)| (*bound, *told)).collect(),
        accounts: accounts.collect(),
        listeners: config.sip_listen.clone(),
        listeners_tls: config.sip_tls_listen.clone(),
        trunks: trunks.collect(),
        session: config.session,
        certificates,
        dial_within: config.dial_within,
        registration: sip::RegistrationTimes {
            max: config.max_expires,
            default: config.max_expires,
            ..sip::RegistrationTimes::default()
        },
        ..sip::Config::default()
    }
}
