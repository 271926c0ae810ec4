//! The provider as last discovered, and the two things that are asked of it: where to send somebody, and who came back.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::DateTime;
use havre_model::{Mono, Now};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClientAuthMethod, CoreErrorResponseType,
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
    CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AuthType, AuthorizationCode, ClaimsVerificationError, Client,
    ClientId, ClientSecret, CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    IdTokenFields, IssuerUrl, OAuth2TokenResponse as _, PkceCodeChallenge, ProviderMetadataWithLogout,
    RedirectUrl, RequestTokenError, Scope, StandardErrorResponse, StandardTokenResponse, TokenResponse as _,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::fetch::{Fetch, is_loopback};
use super::{Begun, Oidc, OidcError, Vouched};

/// How long a discovery document and its keys are believed.
const BELIEVED: Duration = Duration::from_secs(3600);
/// Least time between two looks for new keys, and after one that failed: whoever sends bad tokens or many people at once
/// must not make us a burden to the provider.
const BETWEEN: Duration = Duration::from_secs(2);
/// Time for a sign of life before somebody is sent there: they look at a page that does nothing meanwhile.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
/// Signatures taken: those that need the provider's private key. An HMAC or `none` is never one.
const SIGNATURES: [CoreJwsSigningAlgorithm; 7] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// All claims that the specification has no field for.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Others(Map<String, Value>);

impl AdditionalClaims for Others {}

type Fields = IdTokenFields<
    Others,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type Relying = Client<
    Others,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// The provider.
pub(crate) struct Provider {
    config: Oidc,
    fetch: Fetch,
    known: RwLock<Option<Known>>,
    /// One discovery at a time, and when the last one failed.
    asking: tokio::sync::Mutex<Option<Mono>>,
    /// One look at a time, and what the last one found.
    looking: tokio::sync::Mutex<Option<(Mono, Result<(), OidcError>)>>,
}

#[derive(Clone)]
struct Known {
    metadata: Arc<ProviderMetadataWithLogout>,
    since: Mono,
}

impl Provider {
    /// Asks nothing yet: a provider that is away must not keep the console from starting.
    ///
    /// # Errors
    /// TLS cannot be set up at all.
    pub(crate) fn new(config: Oidc) -> Result<Self, rustls::Error> {
        let fetch = Fetch::new(&config.authorities)?;
        let (asking, looking) = Default::default();
        Ok(Self { config, fetch, known: RwLock::default(), asking, looking })
    }

    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    /// Where one's session at the provider is ended (RP-Initiated Logout 1.0), if it says so.
    pub(crate) fn sign_out(&self) -> Option<String> {
        let metadata = self.known()?.metadata;
        let mut url = metadata.additional_metadata().end_session_endpoint.as_ref()?.url().clone();
        url.query_pairs_mut().append_pair("client_id", &self.config.client_id);
        Some(url.into())
    }

    /// Where somebody goes to sign in, where a page will be.
    ///
    /// # Errors
    /// The provider cannot be asked, or does not answer just now.
    pub(crate) async fn begin(&self, begun: &Begun, back: &str, now: Now) -> Result<String, OidcError> {
        if self.known().is_some() {
            self.lives(now).await?;
        }
        let metadata = self.discovered(now, false).await?;
        let relying = self.relying(&metadata, back)?;
        let (state, nonce) = (begun.state(), begun.nonce());
        let url = relying
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, || CsrfToken::new(state), || nonce)
            .add_scopes(self.config.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&begun.verifier()))
            .url()
            .0;
        let safe =
            url.scheme() == "https" || (url.scheme() == "http" && url.host_str().is_some_and(is_loopback));
        if !safe {
            tracing::error!("the identity provider would have passwords typed over http");
            return Err(OidcError::Down);
        }
        Ok(url.into())
    }

    /// Who came back with `code`.
    ///
    /// # Errors
    /// Everything that keeps them out.
    pub(crate) async fn finish(
        &self,
        begun: &Begun,
        code: String,
        back: &str,
        now: Now,
    ) -> Result<Vouched, OidcError> {
        let metadata = self.discovered(now, false).await?;
        let relying = self.relying(&metadata, back)?;
        let ask = self.fetch.asking();
        let asked = relying.exchange_code(AuthorizationCode::new(code)).map_err(|error| {
            tracing::error!(%error, "the identity provider has no token endpoint");
            OidcError::Down
        })?;
        let answer = asked.set_pkce_verifier(begun.verifier()).request_async(&ask).await;
        let tokens = answer.map_err(|error| match error {
            RequestTokenError::ServerResponse(said) => {
                // The code is used, or somebody else's; or the client's own credentials are wrong.
                tracing::warn!(error = %said.error(), "the identity provider gives no token");
                OidcError::Refused
            }
            error => {
                tracing::warn!(error = %chain(&error), "the identity provider does not answer with a token");
                OidcError::Down
            }
        })?;
        let untrusted = |why: &str| {
            tracing::warn!(why, "a token of the identity provider does not hold");
            OidcError::Untrusted
        };
        let Some(token) = tokens.id_token() else { return Err(untrusted("there is none")) };
        let read = |relying: &Relying| -> Result<Value, ClaimsVerificationError> {
            let moment = DateTime::from_timestamp_millis(now.unix.as_millis()).unwrap_or_default();
            let verifier =
                relying.id_token_verifier().set_allowed_algs(SIGNATURES).set_time_fn(move || moment);
            let claims = token.claims(&verifier, &begun.nonce())?;
            if let Some(expected) = claims.access_token_hash() {
                let failed =
                    |error: &dyn std::fmt::Display| ClaimsVerificationError::Other(error.to_string());
                let algorithm = token.signing_alg().map_err(|error| failed(&error))?;
                let key = token.signing_key(&verifier).map_err(|error| failed(&error))?;
                let hash = AccessTokenHash::from_token(tokens.access_token(), algorithm, key);
                if hash.map_err(|error| failed(&error))? != *expected {
                    return Err(ClaimsVerificationError::Other("another access token".into()));
                }
            }
            serde_json::to_value(claims).map_err(|error| ClaimsVerificationError::Other(error.to_string()))
        };
        let claims = match read(&relying) {
            // Keys are changed now and then: perhaps there is a new one.
            Err(ClaimsVerificationError::SignatureVerification(_)) => {
                let metadata = self.discovered(now, true).await?;
                read(&self.relying(&metadata, back)?)
            }
            read => read,
        };
        let claims = claims.map_err(|error| untrusted(&chain(&error)))?;
        Vouched::read(&self.config, &claims)
    }

    /// Whether it answers: known from an earlier question, it may be gone since, and whoever is sent there then sees a page of
    /// their browser's that helps nobody. The question is for its discovery document, whose place answers us, and says
    /// nothing of who wants to sign in; any answer will do but that of a gateway with nothing behind it.
    async fn lives(&self, now: Now) -> Result<(), OidcError> {
        let recent = |at: Mono| now.mono.since(at) < BETWEEN;
        let mut last = self.looking.lock().await;
        if let Some((_, found)) = last.filter(|(at, _)| recent(*at)) {
            return found;
        }
        if self.known().is_some_and(|known| recent(known.since)) {
            return Ok(());
        }
        let place = format!("{}/.well-known/openid-configuration", self.config.issuer.trim_end_matches('/'));
        let found = match self.fetch.status(&place, SIGN_OF_LIFE).await {
            Ok(502..=504) => Err("a gateway answers, and nothing behind it".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(chain(&error)),
        };
        let found = found.map_err(|error| {
            tracing::warn!(error, issuer = self.config.issuer, "the identity provider does not answer");
            OidcError::Down
        });
        *last = Some((now.mono, found));
        found
    }

    fn relying(&self, metadata: &ProviderMetadataWithLogout, back: &str) -> Result<Relying, OidcError> {
        let back = RedirectUrl::new(back.to_owned()).map_err(|_| OidcError::Stale)?;
        let secret = self.config.client_secret.as_ref().map(|secret| ClientSecret::new(secret.0.clone()));
        let client = Relying::from_provider_metadata(
            metadata.clone(),
            ClientId::new(self.config.client_id.clone()),
            secret,
        );
        // The default, where nothing is said, is the header (Discovery §3).
        let methods = metadata.token_endpoint_auth_methods_supported();
        let in_body = methods.is_some_and(|methods| {
            methods.contains(&CoreClientAuthMethod::ClientSecretPost)
                && !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
        });
        let auth = if in_body { AuthType::RequestBody } else { AuthType::BasicAuth };
        Ok(client.set_auth_type(auth).set_redirect_uri(back))
    }

    /// The provider as known; asked again after a while, or at once for keys that are `newer` than those known.
    async fn discovered(&self, now: Now, newer: bool) -> Result<Arc<ProviderMetadataWithLogout>, OidcError> {
        let good = |known: &Known| {
            let age = now.mono.since(known.since);
            if newer { age < BETWEEN } else { age < BELIEVED }
        };
        if let Some(known) = self.known().filter(good) {
            return Ok(known.metadata);
        }
        let mut failed = self.asking.lock().await;
        // Somebody else may have asked while this one waited.
        if let Some(known) = self.known().filter(good) {
            return Ok(known.metadata);
        }
        let old = self.known().filter(|_| !newer).map(|known| known.metadata);
        if failed.is_some_and(|at| now.mono.since(at) < BETWEEN) {
            return old.ok_or(OidcError::Down);
        }
        let issuer = IssuerUrl::new(self.config.issuer.clone()).map_err(|_| OidcError::Down)?;
        let ask = self.fetch.asking();
        match ProviderMetadataWithLogout::discover_async(issuer, &ask).await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                let known = Known { metadata: Arc::clone(&metadata), since: now.mono };
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
                *failed = None;
                Ok(metadata)
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), issuer = self.config.issuer, "the identity provider cannot be asked");
                *failed = Some(now.mono);
                // Keys do not go bad because nobody answers.
                old.ok_or(OidcError::Down)
            }
        }
    }

    fn known(&self) -> Option<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An error with its causes: the library's own words say only what was being done.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
