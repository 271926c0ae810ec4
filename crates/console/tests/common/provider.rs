//! An identity provider of the tests' own: real HTTP on loopback, keys made on the spot, and as wrong as a test wants.

// A helper of tests may panic as a test may.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::redundant_closure_for_method_calls)]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use openidconnect::core::{CoreJwsSigningAlgorithm, CoreRsaPrivateSigningKey};
use openidconnect::{JsonWebKeyId, PrivateSigningKey as _};
use p256::ecdsa::signature::Signer as _;
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What it signs with.
#[derive(Clone)]
pub enum Key {
    Rs256(&'static str, Arc<CoreRsaPrivateSigningKey>),
    Es256(&'static str, Arc<p256::ecdsa::SigningKey>),
}

impl Key {
    pub fn rs256(id: &'static str) -> Self {
        let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
        let pem = key.to_pkcs1_pem(rsa::pkcs1::LineEnding::LF).unwrap();
        let key = CoreRsaPrivateSigningKey::from_pem(&pem, Some(JsonWebKeyId::new(id.to_owned()))).unwrap();
        Self::Rs256(id, Arc::new(key))
    }

    pub fn es256(id: &'static str) -> Self {
        // Any number below the curve's order is a key.
        let secret: [u8; 32] = rand::random::<[u8; 32]>().map(|byte| byte >> 1);
        Self::Es256(id, Arc::new(p256::ecdsa::SigningKey::from_slice(&secret).unwrap()))
    }

    fn id(&self) -> &'static str {
        match self {
            Self::Rs256(id, _) | Self::Es256(id, _) => id,
        }
    }

    fn public(&self) -> Value {
        match self {
            Self::Rs256(_, key) => serde_json::to_value(key.as_verification_key()).unwrap(),
            Self::Es256(id, key) => {
                let point = key.verifying_key().to_sec1_point(false);
                let part = |part: Option<&[u8]>| base64(part.unwrap());
                json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": id,
                    "x": part(point.x().map(|x| x.as_slice())), "y": part(point.y().map(|y| y.as_slice()))})
            }
        }
    }

    /// A JWT in compact form (RFC 7515 §3.1).
    fn sign(&self, claims: &Value) -> String {
        let name = if matches!(self, Self::Rs256(..)) { "RS256" } else { "ES256" };
        let head = json!({"alg": name, "kid": self.id(), "typ": "JWT"});
        let text =
            format!("{}.{}", base64(head.to_string().as_bytes()), base64(claims.to_string().as_bytes()));
        let signature = match self {
            Self::Rs256(_, key) => {
                key.sign(&CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256, text.as_bytes()).unwrap()
            }
            Self::Es256(_, key) => {
                let signature: p256::ecdsa::Signature = key.sign(text.as_bytes());
                signature.to_bytes().to_vec()
            }
        };
        format!("{text}.{}", base64(&signature))
    }
}

/// Base64 for addresses, without padding (RFC 4648 §5).
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(DIGITS[(word >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text
}

/// The provider, with what it says.
#[derive(Clone)]
pub struct Provider(pub Arc<Mutex<Says>>);

pub struct Says {
    pub issuer: String,
    /// Published.
    pub keys: Vec<Key>,
    /// Signed with.
    pub key: Key,
    /// Claims besides the usual ones, or in their place.
    pub claims: Value,
    /// What an answer of the token endpoint is, but for the token; `None` for an error.
    pub gives: Option<Value>,
    /// Codes given out, each with its challenge and nonce.
    codes: HashMap<String, (String, String)>,
    /// How often discovery was asked.
    pub discovered: usize,
    /// How often somebody wanted to know whether it lives, and the status with which it says so.
    pub looked_at: usize,
    pub lives: StatusCode,
    /// Seconds since 1970 of its clock.
    pub now: i64,
}

pub const CLIENT: (&str, &str) = ("havre", "s3cret/+ é");

impl Provider {
    pub async fn start(key: Key) -> (Self, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::start_at(listener, key)
    }

    pub fn start_at(listener: TcpListener, key: Key) -> (Self, JoinHandle<()>) {
        let address: SocketAddr = listener.local_addr().unwrap();
        let says = Says {
            issuer: format!("http://{address}"),
            keys: vec![key.clone()],
            key,
            claims: json!({}),
            gives: Some(json!({})),
            codes: HashMap::new(),
            discovered: 0,
            looked_at: 0,
            lives: StatusCode::OK,
            now: 100,
        };
        let provider = Self(Arc::new(Mutex::new(says)));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery).head(life))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(provider.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (provider, serving)
    }

    /// Somebody signs in at `there`, where the console has sent them: the address that they are sent back to.
    pub fn signs_in(&self, there: &str) -> String {
        let query = query(there);
        assert_eq!((query["response_type"].as_str(), query["client_id"].as_str()), ("code", CLIENT.0));
        assert_eq!(query["code_challenge_method"], "S256");
        assert!(query["scope"].split(' ').any(|scope| scope == "openid"), "{}", query["scope"]);
        let code = format!("code-{}", rand::random::<u32>());
        let asked = (query["code_challenge"].clone(), query["nonce"].clone());
        self.0.lock().unwrap().codes.insert(code.clone(), asked);
        format!("{}?code={code}&state={}", query["redirect_uri"], query["state"])
    }
}

/// The parts of an address's query, decoded.
pub fn query(address: &str) -> HashMap<String, String> {
    let url = openidconnect::url::Url::parse(address).unwrap();
    url.query_pairs().into_owned().collect()
}

async fn discovery(State(Provider(says)): State<Provider>) -> Json<Value> {
    let mut says = says.lock().unwrap();
    says.discovered += 1;
    let issuer = &says.issuer;
    Json(json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys"),
        "end_session_endpoint": format!("{issuer}/bye"),
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"]
    }))
}

async fn life(State(Provider(says)): State<Provider>) -> StatusCode {
    let mut says = says.lock().unwrap();
    says.looked_at += 1;
    says.lives
}

async fn keys(State(Provider(says)): State<Provider>) -> Json<Value> {
    let keys: Vec<_> = says.lock().unwrap().keys.iter().map(Key::public).collect();
    Json(json!({"keys": keys}))
}

async fn token(
    State(Provider(says)): State<Provider>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, Json<Value>) {
    let form: HashMap<String, String> =
        openidconnect::url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let mut says = says.lock().unwrap();
    let refused = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({"error": error})));
    // RFC 6749 §2.3.1: both are encoded as in a form, then joined.
    let expected = format!("Basic {}", padded(b"havre:s3cret%2F%2B+%C3%A9"));
    if headers.get("authorization").and_then(|value| value.to_str().ok()) != Some(&expected) {
        return refused("invalid_client");
    }
    // A code is good once (RFC 6749 §4.1.2), and for whoever knows the verifier (RFC 7636 §4.6).
    let asked = form.get("code").and_then(|code| says.codes.remove(code));
    let verifier = form.get("code_verifier").cloned().unwrap_or_default();
    let challenge = {
        use sha2::Digest as _;
        base64(&sha2::Sha256::digest(verifier.as_bytes()))
    };
    let Some((_, nonce)) = asked.filter(|(known, _)| *known == challenge) else {
        return refused("invalid_grant");
    };
    let Some(gives) = says.gives.clone() else { return refused("invalid_grant") };
    let mut claims = json!({
        "iss": says.issuer, "aud": CLIENT.0, "sub": "2482", "nonce": nonce, "iat": says.now, "exp": says.now + 300,
        "preferred_username": "Anne.Roy", "name": "Anne Roy", "groups": ["advocates"], "locale": "fr-CA"
    });
    for (name, value) in says.claims.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let mut answer =
        json!({"access_token": "opaque", "token_type": "Bearer", "id_token": says.key.sign(&claims)});
    for (name, value) in gives.as_object().unwrap() {
        answer[name] = value.clone();
    }
    (StatusCode::OK, Json(answer))
}

fn padded(bytes: &[u8]) -> String {
    let text = base64(bytes).replace('-', "+").replace('_', "/");
    let missing = (4 - text.len() % 4) % 4;
    text + &"=".repeat(missing)
}
