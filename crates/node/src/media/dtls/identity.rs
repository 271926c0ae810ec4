//! Who this process is to browsers: a key pair and a certificate that nobody signed, made anew at each start. SDP names its
//! hash, and that is what a browser believes (RFC 8827 §5.6.4).

use std::sync::Arc;
use std::time::Duration;

use havre_media::sdp::Fingerprint;
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::crypto_provider::default_provider;
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use sha2::{Digest, Sha256};
use thiserror::Error;

/// What every browser has of what is any good (RFC 8827 §6.5).
const CIPHERS: [CipherSuiteId; 4] = [
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
    CipherSuiteId::Tls_Ecdhe_Rsa_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Rsa_With_ChaCha20_Poly1305_Sha256,
];
/// What SRTP can do here; of a browser's list the first of these is taken.
pub(super) const PROFILES: [SrtpProtectionProfile; 3] = [
    SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
    SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
    SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
];
/// `rtc-dtls` 0.21 forgets its timer when it hears a flight again whose answer was lost, and never repeats that: [`Handshakes`]
/// does, and this only keeps it from doing so too.
///
/// [`Handshakes`]: super::handshakes::Handshakes
const RETRANSMIT: Duration = Duration::from_secs(3_600);
/// Bytes of a datagram: what passes every tunnel.
const MTU: usize = 1_200;
/// Sent where a name of the server is wanted; browsers want none.
const NAME: &str = "havre.invalid";

/// No certificate could be made.
#[derive(Debug, Error)]
#[error("cannot make a certificate for browsers: {0}")]
pub struct NoIdentity(String);

/// The certificate, and how both parts of a handshake are played with it.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(super) fingerprint: Fingerprint,
    pub(super) server: Arc<HandshakeConfig>,
    pub(super) client: Arc<HandshakeConfig>,
}

impl Identity {
    /// A new one (ECDSA on P-256).
    ///
    /// # Errors
    /// The system has no randomness.
    pub(crate) fn new() -> Result<Self, NoIdentity> {
        Self::with(&PROFILES, RETRANSMIT)
    }

    /// One that agrees upon these kinds of SRTP, and repeats itself so often.
    pub(super) fn with(profiles: &[SrtpProtectionProfile], retransmit: Duration) -> Result<Self, NoIdentity> {
        let provider = default_provider().map_err(|error| NoIdentity(error.to_string()))?;
        let certificate = Certificate::generate_self_signed(Vec::new(), provider.crypto());
        let certificate = certificate.map_err(|error| NoIdentity(error.to_string()))?;
        let der = certificate.certificate.first().ok_or_else(|| NoIdentity("it is empty".to_owned()))?;
        let fingerprint = fingerprint(der);
        let config = |is_client| {
            let config = ConfigBuilder::default()
                .with_crypto_provider(Arc::clone(&provider))
                .with_certificates(vec![certificate.clone()])
                .with_cipher_suites(CIPHERS.to_vec())
                .with_srtp_protection_profiles(profiles.to_vec())
                // The certificate's hash is compared with the one of SDP; no chain leads anywhere.
                .with_client_auth(ClientAuthType::RequireAnyClientCert)
                .with_insecure_skip_verify(true)
                .with_extended_master_secret(ExtendedMasterSecretType::Require)
                .with_server_name(NAME.to_owned())
                .with_flight_interval(retransmit)
                .with_mtu(MTU)
                .build(is_client, None);
            config.map(Arc::new).map_err(|error| NoIdentity(error.to_string()))
        };
        Ok(Self { fingerprint, server: config(false)?, client: config(true)? })
    }

    /// The hash of the certificate.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

/// The hash of a certificate.
pub(super) fn fingerprint(der: &[u8]) -> Fingerprint {
    Fingerprint(Sha256::digest(der).into())
}
