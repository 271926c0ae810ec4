//! `[[agents]]`: advocates' accounts.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use havre_media::sdp::Srtp;
use havre_model::{AgentId, AgentProfile, Role, Roles, Spoken, WrapUp, limits};

use super::raw::{RawAgent, RawWrapUp};
use super::{Check, Trunk};

/// Time after a talk before an on-call person's telephone may ring again.
pub(super) const ON_CALL_WRAP_UP: Duration = Duration::from_secs(120);

/// An advocate's account.
#[derive(Clone)]
pub(crate) struct Account {
    /// Who.
    pub(crate) profile: AgentProfile,
    /// SIP password.
    pub(crate) password: String,
    /// Whether media of their phones is SRTP.
    pub(crate) srtp: Srtp,
    /// The telephone that rings for an on-call person.
    pub(crate) telephone: Option<havre_sip::Outside>,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl Check<'_> {
    pub(super) fn agents(&mut self, raw: &[RawAgent], trunks: &[Trunk]) -> Vec<Account> {
        if raw.len() > limits::MAX_AGENTS {
            self.error(
                "agents",
                format!("{} are too many", raw.len()),
                format!("{} at most", limits::MAX_AGENTS),
            );
        }
        let mut names = HashSet::new();
        let agents: Vec<_> =
            raw.iter().enumerate().filter_map(|(i, agent)| self.agent(i, agent, &mut names)).collect();
        self.telephones(&agents, trunks);
        agents
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
        let roles: Roles = raw
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
        let telephone = self.telephone(i, raw, roles);
        let wrap_up = match &raw.wrap_up {
            // Nobody ends it by a key of an ordinary telephone.
            RawWrapUp::Default if telephone.is_some() => WrapUp::After(ON_CALL_WRAP_UP),
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
        // Whoever is on call is to be rung until they say otherwise: there is no phone to register.
        let ready_on_register = raw.ready_on_register || telephone.is_some();
        let languages = languages.into_iter().collect();
        let profile = AgentProfile { id, languages, ui_language, roles, wrap_up, ready_on_register };
        let srtp = self.srtp(&key("srtp"), &raw.srtp);
        Some(Account { profile, password: raw.password.clone(), srtp, telephone })
    }
}
