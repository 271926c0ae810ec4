//! The hotline as it is shipped: dialplan, prompts and accounts, loaded once for all worlds of a process.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use havre_dialplan::{Catalogue, Diagnostic, Dialplan, Targets};
use havre_media::Clip;
use havre_model::{AgentId, AgentProfile, Role, Roles, Spoken, SpokenSet, WrapUp};
use havre_sip::{Password, Trunk};
use havre_switch::{Configuration, Library, ReloadPlan, SrtpPolicy};

/// The line's number.
pub const TOLL_FREE: &str = "+18335550100";
/// The number whose greeting is French first.
pub const SANS_FRAIS: &str = "+18335550101";
/// Where the switch listens.
pub(crate) const SWITCH: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 5060);
/// The digest realm.
pub(crate) const REALM: &str = "havre";

/// A dialplan with its prompts.
#[derive(Clone)]
pub struct Plan {
    pub(crate) dialplan: Arc<Dialplan>,
    pub(crate) library: Arc<Library>,
}

static SHIPPED: LazyLock<Shipped> = LazyLock::new(Shipped::load);

/// What stands in the repository.
struct Shipped {
    catalogue: Arc<Catalogue>,
    library: Arc<Library>,
    text: String,
    plan: Arc<Dialplan>,
    /// The clip of each prompt, by where the prompt is.
    names: HashMap<usize, String>,
}

impl Shipped {
    fn load() -> Self {
        let root = root();
        let catalogue = Catalogue::load(&root.join("prompts")).unwrap_or_else(|errors| fail(&errors));
        let library = Arc::new(Library::unencoded(&catalogue));
        let path = root.join("dialplans/hotline.toml");
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let plan = parse(&text, &catalogue);
        let names =
            catalogue.clips().map(|clip| (clip.key.clone(), clip.to_string())).collect::<HashMap<_, _>>();
        let names = library
            .prompts()
            .filter_map(|(key, prompt)| Some((Arc::as_ptr(prompt).addr(), names.get(key)?.clone())))
            .collect();
        Self { catalogue, library, text, plan, names }
    }
}

impl Plan {
    /// `dialplans/hotline.toml` with `prompts/`.
    #[must_use]
    pub fn shipped() -> Self {
        Self { dialplan: Arc::clone(&SHIPPED.plan), library: Arc::clone(&SHIPPED.library) }
    }

    /// The same with one passage of the file replaced.
    ///
    /// # Panics
    /// The passage is not there, or the new plan is refused.
    #[must_use]
    pub fn shipped_with(passage: &str, replacement: &str) -> Self {
        assert!(SHIPPED.text.contains(passage), "the shipped plan does not say {passage:?}");
        let text = SHIPPED.text.replacen(passage, replacement, 1);
        // Its own tests are about the plan as shipped.
        let text = text.split("# --- Tests").next().unwrap_or_default();
        Self { dialplan: parse(text, &SHIPPED.catalogue), library: Arc::clone(&SHIPPED.library) }
    }
}

/// The name of a clip of the shipped catalogue: `P2 en`, `waiting`.
pub(crate) fn name_of(clip: &Clip) -> Option<String> {
    match clip {
        Clip::Prompt(prompt) => SHIPPED.names.get(&Arc::as_ptr(prompt).addr()).cloned(),
        Clip::Silence(_) | Clip::Tone { .. } => None,
    }
}

fn parse(text: &str, catalogue: &Arc<Catalogue>) -> Arc<Dialplan> {
    let targets = Targets { on_call: false, partner: false, interpreter: false };
    Dialplan::parse("hotline.toml", text, catalogue, targets).unwrap_or_else(|errors| fail(&errors))
}

fn fail<T>(errors: &[Diagnostic]) -> T {
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    panic!("{}", errors.join("\n"));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// An account: `advocate-en` with English, and so on.
///
/// # Panics
/// The name is no id.
#[must_use]
pub fn account(id: &str, languages: &[Spoken], role: Role) -> AgentProfile {
    AgentProfile {
        id: id.parse().unwrap_or_else(|error| panic!("{id}: {error}")),
        languages: languages.iter().copied().collect::<SpokenSet>(),
        ui_language: languages.first().copied().unwrap_or(Spoken::En),
        roles: Roles::default().with(role),
        wrap_up: WrapUp::After(Duration::from_secs(2)),
        ready_on_register: true,
    }
}

/// The accounts of `config/demo.toml`.
#[must_use]
pub fn demo_accounts() -> Vec<AgentProfile> {
    use Spoken::{En, Fr};
    vec![
        account("advocate-en", &[En], Role::Advocate),
        account("advocate-fr", &[Fr], Role::Advocate),
        account("advocate-bi", &[En, Fr], Role::Advocate),
        account("supervisor", &[En, Fr], Role::Supervisor),
    ]
}

pub(crate) fn password_of(id: &AgentId) -> Password {
    Password::new(format!("secret-{id}"))
}

fn sip_config(agents: &[AgentProfile]) -> havre_sip::Config {
    let carrier = Trunk {
        id: "carrier".parse().unwrap_or_else(|error| panic!("{error}")),
        sources: vec!["10.1.0.0/16".parse().unwrap_or_else(|error| panic!("{error}"))],
        digest: None,
        certificate: None,
        numbers: Vec::new(),
        strip_prefixes: vec!["9011".to_owned()],
        overload: Default::default(),
        caps: Default::default(),
        outbound: None,
    };
    havre_sip::Config {
        realm: REALM.to_owned(),
        server_name: SWITCH.ip().to_string(),
        accounts: agents.iter().map(|agent| (agent.id.clone(), password_of(&agent.id))).collect(),
        trunks: vec![carrier],
        ..havre_sip::Config::default()
    }
}

pub(crate) fn configuration(plan: &Plan, agents: &[AgentProfile], srtp: &SrtpPolicy) -> Configuration {
    Configuration {
        sip: sip_config(agents),
        agents: agents.to_vec(),
        ring_first: HashSet::new(),
        srtp: srtp.clone(),
        codecs: Default::default(),
        outsiders: Default::default(),
        plan: Arc::clone(&plan.dialplan),
        library: Arc::clone(&plan.library),
        rtp_advertise: SWITCH.ip(),
        rtp_advertise_other: None,
        // Its browsers are phones that come by WebSocket: there is no media here to speak ICE with.
        browser: None,
        shards: 4,
    }
}

pub(crate) fn reload(plan: &Plan, agents: &[AgentProfile], srtp: &SrtpPolicy) -> ReloadPlan {
    let Configuration { sip, agents, ring_first, srtp, codecs, outsiders, plan, library, .. } =
        configuration(plan, agents, srtp);
    ReloadPlan { sip, agents, ring_first, srtp, codecs, outsiders, plan, library }
}
