//! `[console.oidc]`: people sign in by an identity provider.

use std::collections::BTreeMap;
use std::path::Path;

use havre_console::{Oidc, OidcSecret};
use havre_model::UserRole;
use serde::Deserialize;

use super::Check;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOidc {
    /// What the button says.
    name: String,
    issuer: String,
    client_id: String,
    #[serde(default)]
    client_secret: Option<String>,
    /// Asked for besides `openid`.
    #[serde(default = "default_scopes")]
    scopes: Vec<String>,
    #[serde(default = "default_user")]
    user_claim: String,
    #[serde(default)]
    agent_claim: Option<String>,
    #[serde(default = "default_roles")]
    roles_claim: String,
    /// What `roles_claim` says, to one role here or several.
    roles: BTreeMap<String, OneOrMore>,
    /// Certificates in PEM, where the provider's is not signed by an authority that the system knows.
    #[serde(default)]
    ca: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

fn default_scopes() -> Vec<String> {
    vec!["profile".into(), "email".into()]
}

fn default_user() -> String {
    "preferred_username".into()
}

fn default_roles() -> String {
    "groups".into()
}

impl Check<'_> {
    pub(super) fn oidc(&mut self, raw: RawOidc, base: &Path) -> Oidc {
        let mut roles = Vec::new();
        for (said, ours) in raw.roles {
            let ours = match ours {
                OneOrMore::One(one) => vec![one],
                OneOrMore::More(more) => more,
            };
            for name in ours {
                match UserRole::from_name(&name) {
                    Some(role) => roles.push((said.clone(), role)),
                    None => {
                        let all = UserRole::ALL.map(UserRole::as_str).join(", ");
                        let remedy = format!("use one or some of {all}");
                        self.error("console.oidc.roles", format!("{name:?} is no role"), remedy);
                    }
                }
            }
        }
        let authorities = raw.ca.map_or_else(Vec::new, |file| {
            let path = base.join(file);
            std::fs::read(&path).unwrap_or_else(|error| {
                let what = format!("{} cannot be read: {error}", path.display());
                self.error(
                    "console.oidc.ca",
                    what,
                    "name a file of certificates in PEM that this user may read",
                );
                Vec::new()
            })
        });
        let oidc = Oidc {
            name: raw.name,
            issuer: raw.issuer,
            client_id: raw.client_id,
            client_secret: raw.client_secret.map(OidcSecret),
            scopes: raw.scopes,
            user_claim: raw.user_claim,
            agent_claim: raw.agent_claim,
            roles_claim: raw.roles_claim,
            roles,
            authorities,
        };
        for fault in oidc.faults() {
            self.error(&format!("console.oidc.{}", fault.key), fault.what, fault.remedy);
        }
        oidc
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, DEMO};
    use super::*;

    const GOOD: &str = r#"
[console.oidc]
name = "Accès Havre"
issuer = "https://sso.example.ca"
client_id = "havre"
roles = { advocates = "advocate", leads = ["advocate", "supervisor"] }
"#;

    fn parse(oidc: &str, environment: &[(&str, &str)]) -> Result<Oidc, Vec<(String, String)>> {
        let environment: Vec<_> =
            environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let text = format!("{}{oidc}", DEMO);
        Config::parse(&text, "test.toml", Path::new("/etc/havre"), &environment)
            .map(|config| config.console.oidc.unwrap())
            .map_err(|errors| errors.0.into_iter().map(|error| (error.key, error.what)).collect())
    }

    #[test]
    fn a_provider_is_read_with_its_secret_from_the_environment() {
        let oidc = parse(GOOD, &[("HAVRE__CONSOLE__OIDC__CLIENT_SECRET", "s3cret")]).unwrap();
        assert_eq!(oidc.client_secret.as_ref().unwrap().0, "s3cret");
        assert_eq!((oidc.user_claim.as_str(), oidc.roles_claim.as_str()), ("preferred_username", "groups"));
        assert_eq!(oidc.scopes, ["profile", "email"]);
        let roles: Vec<_> = oidc.roles.iter().map(|(said, role)| (said.as_str(), role.as_str())).collect();
        assert_eq!(roles, [("advocates", "advocate"), ("leads", "advocate"), ("leads", "supervisor")]);
    }

    #[test]
    fn faults_name_their_keys() {
        for (good, bad, key) in [
            ("https://sso", "http://sso", "console.oidc.issuer"),
            ("\"advocate\",", "\"wizard\",", "console.oidc.roles"),
            ("\"havre\"\n", "\"\"\n", "console.oidc.client_id"),
            ("\"havre\"\n", "\"havre\"\nca = \"nothing.pem\"\n", "console.oidc.ca"),
        ] {
            let faults = parse(&GOOD.replace(good, bad), &[]).unwrap_err();
            assert_eq!(faults[0].0, key, "{faults:?}");
        }
    }
}
