//! What a verified token makes of somebody here. Pure: claims and configuration in, an account out.

use havre_model::{AgentId, Spoken, UserId, UserRoles};
use serde_json::Value;

use super::{Oidc, OidcError};

/// Longest subject (Core §2), in bytes.
const LONGEST_SUBJECT: usize = 255;
/// Longest name taken, in characters: as for other accounts.
const LONGEST_NAME: usize = 80;

/// Somebody the provider vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vouched {
    /// Who they are there, for good: names may be given to somebody else, this may not (Core §5.7).
    pub(crate) subject: String,
    pub(crate) user: UserId,
    pub(crate) name: String,
    pub(crate) roles: UserRoles,
    /// `None` where the provider does not say.
    pub(crate) agent: Option<AgentId>,
    /// For a first time here.
    pub(crate) language: Spoken,
}

impl Vouched {
    /// Reads the claims of a token that has been verified.
    ///
    /// # Errors
    /// No role comes of them, or no account.
    pub(super) fn read(config: &Oidc, claims: &Value) -> Result<Self, OidcError> {
        let text = |claim: &str| find(claims, claim).and_then(Value::as_str).map(str::trim);
        let subject = text("sub").filter(|sub| !sub.is_empty() && sub.len() <= LONGEST_SUBJECT);
        let subject = subject.ok_or(OidcError::NoAccount)?;
        let roles = roles(config, find(claims, &config.roles_claim));
        if roles.iter().next().is_none() {
            return Err(OidcError::NoRole);
        }
        // Anybody may claim any address until somebody has looked (Core §5.7).
        let unverified = config.user_claim == "email"
            && find(claims, "email_verified").and_then(Value::as_bool) != Some(true);
        let user = text(&config.user_claim).filter(|_| !unverified).and_then(|user| user.parse().ok());
        let user: UserId = user.ok_or(OidcError::NoAccount)?;
        let agent = match config.agent_claim.as_deref().and_then(text) {
            Some(id) => Some(id.parse().map_err(|_| OidcError::NoAccount)?),
            None => None,
        };
        let name = text("name").filter(|name| !name.is_empty()).unwrap_or(user.as_str());
        let name = name.chars().take(LONGEST_NAME).collect();
        let french = text("locale").is_some_and(|tag| tag.to_ascii_lowercase().starts_with("fr"));
        let language = if french { Spoken::Fr } else { Spoken::En };
        let subject = format!("{} {subject}", config.issuer);
        Ok(Self { subject, user, name, roles, agent, language })
    }
}

/// All that `said` is mapped to: one word, or a list of them.
fn roles(config: &Oidc, said: Option<&Value>) -> UserRoles {
    let is = |wanted: &str| match said {
        Some(Value::String(one)) => one == wanted,
        Some(Value::Array(list)) => list.iter().any(|one| one.as_str() == Some(wanted)),
        _ => false,
    };
    config.roles.iter().filter(|(wanted, _)| is(wanted)).map(|(_, role)| *role).collect()
}

/// A claim by its name, or by its way through objects. Names with dots are names first: some providers use addresses.
fn find<'a>(claims: &'a Value, name: &str) -> Option<&'a Value> {
    claims.get(name).or_else(|| name.split('.').try_fold(claims, |value, part| value.get(part)))
}

#[cfg(test)]
mod tests {
    use havre_model::UserRole;
    use serde_json::json;

    use super::*;

    fn config() -> Oidc {
        Oidc {
            name: "SSO".into(),
            issuer: "https://sso.example.ca".into(),
            client_id: "havre".into(),
            client_secret: None,
            scopes: Vec::new(),
            user_claim: "preferred_username".into(),
            agent_claim: Some("havre_agent".into()),
            roles_claim: "realm_access.roles".into(),
            roles: vec![
                ("line-advocate".into(), UserRole::Advocate),
                ("line-lead".into(), UserRole::Advocate),
                ("line-lead".into(), UserRole::Supervisor),
            ],
            authorities: Vec::new(),
        }
    }

    fn anne(change: Value) -> Value {
        let mut claims = json!({
            "sub": "248289761001", "preferred_username": "Anne.Roy", "name": " Anne Roy ", "locale": "fr-CA",
            "havre_agent": "advocate-fr", "realm_access": {"roles": ["offline_access", "line-lead"]}
        });
        let Value::Object(change) = change else { panic!("claims are an object") };
        claims.as_object_mut().unwrap().extend(change);
        claims
    }

    #[test]
    fn claims_make_an_account() {
        let vouched = Vouched::read(&config(), &anne(json!({}))).unwrap();
        let expected = Vouched {
            subject: "https://sso.example.ca 248289761001".into(),
            user: "anne.roy".parse().unwrap(),
            name: "Anne Roy".into(),
            roles: UserRoles::of(&[UserRole::Advocate, UserRole::Supervisor]),
            agent: Some("advocate-fr".parse().unwrap()),
            language: Spoken::Fr,
        };
        assert_eq!(vouched, expected);
        let bare = json!({"name": null, "locale": "en", "havre_agent": null, "realm_access": {"roles": "line-advocate"}});
        let vouched = Vouched::read(&config(), &anne(bare)).unwrap();
        assert_eq!((vouched.name.as_str(), vouched.agent, vouched.language), ("anne.roy", None, Spoken::En));
        assert_eq!(vouched.roles, UserRoles::of(&[UserRole::Advocate]));
    }

    #[test]
    fn without_a_mapped_role_there_is_no_account() {
        for roles in [
            json!(null),
            json!({}),
            json!({"roles": []}),
            json!({"roles": ["line-leads"]}),
            json!({"roles": "line"}),
            json!({"roles": 5}),
            json!({"roles": [["line-lead"]]}),
        ] {
            let claims = anne(json!({"realm_access": roles}));
            assert_eq!(Vouched::read(&config(), &claims), Err(OidcError::NoRole), "{claims}");
        }
        let flat = Oidc { roles_claim: "https://havre.example/roles".into(), ..config() };
        let claims = anne(json!({"https://havre.example/roles": ["line-advocate"]}));
        assert!(Vouched::read(&flat, &claims).is_ok(), "a name with dots is a name");
    }

    #[test]
    fn a_name_that_is_none_makes_no_account() {
        for user in [
            json!(null),
            json!(""),
            json!("a b"),
            json!("<b>"),
            json!(5),
            json!(["anne"]),
            json!("x".repeat(65)),
        ] {
            let claims = anne(json!({"preferred_username": user}));
            assert_eq!(Vouched::read(&config(), &claims), Err(OidcError::NoAccount), "{claims}");
        }
        for bad in [json!({"sub": ""}), json!({"sub": "x".repeat(256)}), json!({"havre_agent": "a b"})] {
            assert_eq!(Vouched::read(&config(), &anne(bad)), Err(OidcError::NoAccount));
        }
    }

    #[test]
    fn an_address_counts_once_it_is_verified() {
        let config = Oidc { user_claim: "email".into(), ..config() };
        let read = |verified: Value| {
            Vouched::read(&config, &anne(json!({"email": "anne@example.ca", "email_verified": verified})))
        };
        assert_eq!(read(json!(true)).unwrap().user.as_str(), "anne@example.ca");
        for not in [json!(false), json!(null), json!("true"), json!(1)] {
            assert_eq!(read(not), Err(OidcError::NoAccount));
        }
    }
}
