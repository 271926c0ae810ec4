//! A carrier that signs for its callers (STIR/SHAKEN: RFC 8224, RFC 8588).

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use crate::{Identity, Scratch, TOLL_FREE};

/// A carrier whose certificate stands at `https://sp.example/FILE`.
pub struct Signer {
    key: EcdsaKeyPair,
    random: SystemRandom,
    file: &'static str,
}

impl Signer {
    /// With its certificate below `directory`, as `wget -x` leaves it.
    ///
    /// # Panics
    /// The directory cannot be written, or the identity cannot be read.
    #[must_use]
    pub fn publish(identity: &Identity, directory: &Scratch, file: &'static str) -> Self {
        let at = directory.path().join("sp.example");
        std::fs::create_dir_all(&at).expect("a directory of the test's own");
        std::fs::copy(&identity.chain, at.join(file)).expect("a copy in it");
        Self::forging(identity, file)
    }

    /// That says that its certificate is this file, whatever that holds.
    ///
    /// # Panics
    /// The identity cannot be read.
    #[must_use]
    pub fn forging(identity: &Identity, file: &'static str) -> Self {
        let key = PrivateKeyDer::from_pem_file(&identity.key).expect("a key in PEM");
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_der(), &random);
        Self { key: key.expect("a key on P-256"), random, file }
    }

    /// The header of a call of this number to the line, signed so many seconds ago.
    ///
    /// # Panics
    /// There is no randomness, or it is before 1970.
    #[must_use]
    pub fn identity(&self, attest: &str, ago: u64, number: &str) -> String {
        let url = format!("https://sp.example/{}", self.file);
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("it is later").as_secs();
        let (orig, dest, iat) =
            (number.trim_start_matches('+'), TOLL_FREE.trim_start_matches('+'), now - ago);
        let jose = format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{url}"}}"#);
        let claims = format!(
            r#"{{"attest":"{attest}","dest":{{"tn":["{dest}"]}},"iat":{iat},"orig":{{"tn":"{orig}"}},"origid":"1"}}"#
        );
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(jose), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.key.sign(&self.random, signed.as_bytes()).expect("randomness");
        format!("Identity: {signed}.{};info=<{url}>;alg=ES256;ppt=shaken", URL_SAFE_NO_PAD.encode(signature))
    }
}
