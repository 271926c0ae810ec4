//! What the operator says of the identity provider.

use std::fmt;

use havre_model::UserRole;
use openidconnect::IssuerUrl;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::fetch::is_loopback;

/// Longest name on the button, in characters.
const LONGEST_NAME: usize = 40;

/// An identity provider, and what its claims mean here.
#[derive(Clone, Debug)]
pub struct Oidc {
    /// What to call it on the sign-in page.
    pub name: String,
    /// Its issuer, exactly as its discovery document says.
    pub issuer: String,
    /// What this console is called there.
    pub client_id: String,
    /// What this console proves itself with; none for a public client, which PKCE alone protects.
    pub client_secret: Option<OidcSecret>,
    /// Scopes asked for, besides `openid`.
    pub scopes: Vec<String>,
    /// The claim with the name of the account here. With `email`, only a verified one counts.
    pub user_claim: String,
    /// The claim with the id of the agent whose calls they take, where the provider knows it.
    pub agent_claim: Option<String>,
    /// The claim with what they are there: a string or a list; dots lead into objects (`realm_access.roles`).
    pub roles_claim: String,
    /// What they are here for it.
    pub roles: Vec<(String, UserRole)>,
    /// Certificates (PEM) of the authority that the provider's is signed by, besides those of the system.
    pub authorities: Vec<u8>,
}

/// The client's secret. Never printed.
#[derive(Clone)]
pub struct OidcSecret(pub String);

impl fmt::Debug for OidcSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OidcSecret(…)")
    }
}

/// What is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcFault {
    /// The key under `[console.oidc]`.
    pub key: &'static str,
    /// What is wrong with its value.
    pub what: String,
    /// What to do.
    pub remedy: &'static str,
}

impl Oidc {
    /// Everything that is wrong with it.
    #[must_use]
    pub fn faults(&self) -> Vec<OidcFault> {
        let mut faults = Vec::new();
        let mut fault = |key, what: String, remedy| faults.push(OidcFault { key, what, remedy });
        if self.name.trim().is_empty() || self.name.chars().count() > LONGEST_NAME {
            fault(
                "name",
                format!("is empty or longer than {LONGEST_NAME} characters"),
                "say what people call the provider: it stands on the button",
            );
        }
        match IssuerUrl::new(self.issuer.clone()) {
            Ok(issuer) => {
                let url = issuer.url();
                let safe = url.scheme() == "https"
                    || (url.scheme() == "http" && url.host_str().is_some_and(is_loopback));
                if !safe || url.query().is_some() || url.fragment().is_some() {
                    let remedy = "use the https address that the provider's discovery document has as its issuer; \
                                  http is for a provider on this machine's loopback only";
                    fault("issuer", format!("{:?} is no issuer", self.issuer), remedy);
                }
            }
            Err(error) => fault(
                "issuer",
                format!("{:?} is no address: {error}", self.issuer),
                "use the https address that the provider's discovery document has as its issuer",
            ),
        }
        let words = [
            ("client_id", &self.client_id),
            ("user_claim", &self.user_claim),
            ("roles_claim", &self.roles_claim),
        ];
        for (key, word) in words {
            if word.trim().is_empty() {
                fault(
                    key,
                    "is empty".to_owned(),
                    "set it as the provider has it, or leave the key out for its default",
                );
            }
        }
        if self.client_secret.as_ref().is_some_and(|secret| secret.0.is_empty()) {
            fault(
                "client_secret",
                "is empty".to_owned(),
                "set HAVRE__CONSOLE__OIDC__CLIENT_SECRET, or leave the key out for a public client",
            );
        }
        if self.roles.is_empty() {
            fault(
                "roles",
                "is empty: nobody could sign in".to_owned(),
                "map what the provider says to roles here, as { \"havre-advocates\" = \"advocate\" }",
            );
        }
        let authorities: Vec<_> = CertificateDer::pem_slice_iter(&self.authorities).collect();
        let given = !self.authorities.is_empty();
        if given && (authorities.is_empty() || authorities.iter().any(Result::is_err)) {
            fault(
                "ca",
                "holds no certificates".to_owned(),
                "name a file of certificates in PEM (-----BEGIN CERTIFICATE-----)",
            );
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oidc() -> Oidc {
        Oidc {
            name: "Accès".into(),
            issuer: "https://sso.example.ca/realms/havre".into(),
            client_id: "havre".into(),
            client_secret: Some(OidcSecret("s3cret".into())),
            scopes: Vec::new(),
            user_claim: "preferred_username".into(),
            agent_claim: None,
            roles_claim: "groups".into(),
            roles: vec![("advocates".into(), UserRole::Advocate)],
            authorities: Vec::new(),
        }
    }

    fn keys(oidc: &Oidc) -> Vec<&'static str> {
        oidc.faults().into_iter().map(|fault| fault.key).collect()
    }

    #[test]
    fn http_is_for_loopback_only() {
        assert_eq!(keys(&oidc()), [""; 0]);
        for good in ["http://127.0.0.1:9000", "http://[::1]:9000/x", "http://localhost:9000/"] {
            assert_eq!(keys(&Oidc { issuer: good.into(), ..oidc() }), [""; 0], "{good}");
        }
        for bad in [
            "",
            "sso.example.ca",
            "http://sso.example.ca",
            "http://localhost.example.ca",
            "http://192.0.2.1",
            "ftp://127.0.0.1",
            "file:///x",
            "https://sso.example.ca?x=1",
            "https://sso.example.ca/#x",
        ] {
            assert_eq!(keys(&Oidc { issuer: bad.into(), ..oidc() }), ["issuer"], "{bad}");
        }
    }

    #[test]
    fn each_fault_names_its_key() {
        let bad = Oidc {
            name: "x".repeat(41),
            client_id: " ".into(),
            client_secret: Some(OidcSecret(String::new())),
            user_claim: String::new(),
            roles_claim: String::new(),
            roles: Vec::new(),
            authorities: b"no certificate".to_vec(),
            ..oidc()
        };
        let all = ["name", "client_id", "user_claim", "roles_claim", "client_secret", "roles", "ca"];
        assert_eq!(keys(&bad), all);
        assert!(!format!("{:?}", oidc()).contains("s3cret"));
    }
}
