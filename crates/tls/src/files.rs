//! From PEM files to what handshakes are made with.

use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use havre_model::Unix;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, Error, InconsistentKeys, RootCertStore, ServerConfig};

use crate::error::{FileKind, TlsError};
use crate::verify::PeerVerifier;
use crate::{Term, provider};

/// Where Debian keeps the certificates of public authorities.
pub const SYSTEM_CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Which files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Our chain, and its key. Without them nothing can listen.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Who may certify peers that call us.
    pub client_ca: Option<PathBuf>,
    /// Who may certify servers that we call; [`SYSTEM_CA`] if it is there.
    pub ca: Option<PathBuf>,
}

/// What changes when a file does: its time, its length, or the file itself behind a link.
pub type Stamp = Vec<Option<(SystemTime, u64, u64)>>;

/// Everything that was read, checked.
#[derive(Clone)]
pub struct Material {
    pub(crate) https: Option<Arc<ServerConfig>>,
    pub(crate) sip: Option<Arc<ServerConfig>>,
    pub(crate) client: Arc<ClientConfig>,
    term: Option<Term>,
    names: Vec<String>,
}

impl Files {
    /// Reads and checks all of them. Whether the certificate is still good is asked of the [`Material`].
    ///
    /// # Errors
    /// The first file that is of no use.
    pub fn load(&self) -> Result<Material, TlsError> {
        let provider = provider();
        let identity = match &self.identity {
            Some((certificate, key)) => Some(read_identity(certificate, key, &provider)?),
            None => None,
        };
        let client = client_config(identity.as_ref(), self.server_roots()?, &provider);
        let Some(Identity { certified, term, names }) = identity else {
            return Ok(Material { https: None, sip: None, client, term: None, names: Vec::new() });
        };
        let https = https_config(&certified, &provider);
        let sip = self.sip_config(&certified, &provider)?;
        Ok(Material { https: Some(https), sip: Some(sip), client, term: Some(term), names })
    }

    /// How the files look from outside, to notice that they changed.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        let (certificate, key) = self.identity.as_ref().map_or((None, None), |(c, k)| (Some(c), Some(k)));
        let files = [certificate, key, self.client_ca.as_ref(), self.ca.as_ref()];
        let stamp = |path: &PathBuf| {
            let data = std::fs::metadata(path).ok()?;
            // Files that are moved into place within one tick of the clock differ by their number alone.
            Some((data.modified().ok()?, data.len(), data.ino()))
        };
        files.into_iter().map(|path| path.and_then(stamp)).collect()
    }

    fn sip_config(
        &self,
        certified: &Arc<CertifiedKey>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<ServerConfig>, TlsError> {
        let verifier = match &self.client_ca {
            None => WebPkiClientVerifier::no_client_auth(),
            Some(path) => {
                let roots = Arc::new(read_roots(FileKind::ClientCa, path)?);
                // Phones have no certificates; who shows one must show a good one.
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider))
                        .allow_unauthenticated()
                        .build()
                        .map_err(|error| TlsError::Unusable {
                            file: FileKind::ClientCa,
                            path: path.clone(),
                            wanted: "certificate",
                            why: error.to_string(),
                        })?;
                Arc::new(PeerVerifier::new(verifier, roots, provider.signature_verification_algorithms))
            }
        };
        let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(VERSIONS)
            .unwrap_or_else(|_| unreachable!("the provider speaks both versions"))
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(certified))));
        // A resumed session is not asked for its certificate again: one that is no longer good would still pass.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    fn server_roots(&self) -> Result<RootCertStore, TlsError> {
        match &self.ca {
            Some(path) => read_roots(FileKind::Ca, path),
            None => {
                let mut roots = RootCertStore::empty();
                // What the system has; without any, no server is trusted.
                if let Ok(pem) = std::fs::read(SYSTEM_CA) {
                    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
                }
                Ok(roots)
            }
        }
    }
}

/// TLS 1.2 is what older phones have; what came before it is broken.
const VERSIONS: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

impl Material {
    /// When our certificate is good; `None` without one.
    #[must_use]
    pub const fn term(&self) -> Option<Term> {
        self.term
    }

    /// The DNS names that our certificate is for.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

impl fmt::Debug for Material {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Material")
            .field("term", &self.term)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

struct Identity {
    certified: Arc<CertifiedKey>,
    term: Term,
    names: Vec<String>,
}

fn read_identity(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<Identity, TlsError> {
    let chain = read_certificates(FileKind::Certificate, certificate)?;
    let unusable = |why: String| TlsError::Unusable {
        file: FileKind::Certificate,
        path: certificate.to_owned(),
        wanted: "certificate",
        why,
    };
    let own = chain.first().ok_or_else(|| unusable("it is empty".to_owned()))?;
    let (_, parsed) =
        x509_parser::parse_x509_certificate(own).map_err(|error| unusable(error.to_string()))?;
    let unix = |time: x509_parser::time::ASN1Time| Unix::from_millis(time.timestamp().saturating_mul(1_000));
    let validity = parsed.validity();
    let term = Term { begins: unix(validity.not_before), ends: unix(validity.not_after) };
    let names = webpki::EndEntityCert::try_from(own).map_err(|error| unusable(error.to_string()))?;
    let names = names.valid_dns_names().map(str::to_ascii_lowercase).collect();

    let key_der = PrivateKeyDer::from_pem_slice(&read(FileKind::Key, key)?)
        .map_err(|error| not_pem(FileKind::Key, key, "private key", &error))?;
    let certified = CertifiedKey::from_der(chain, key_der, provider).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() }
        }
        error => TlsError::Unusable {
            file: FileKind::Key,
            path: key.to_owned(),
            wanted: "private key",
            why: error.to_string(),
        },
    })?;
    Ok(Identity { certified: Arc::new(certified), term, names })
}

fn https_config(certified: &Arc<CertifiedKey>, provider: &Arc<CryptoProvider>) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(VERSIONS)
        .unwrap_or_else(|_| unreachable!("the provider speaks both versions"))
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(certified))));
    // WebSockets want HTTP/1.1, and so does hyper here.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

fn client_config(
    identity: Option<&Identity>,
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(VERSIONS)
        .unwrap_or_else(|_| unreachable!("the provider speaks both versions"));
    let builder = builder.with_root_certificates(roots);
    let mut config = match identity {
        Some(identity) => builder
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&identity.certified)))),
        None => builder.with_no_client_auth(),
    };
    // As for the server: each connection shows and sees whole certificates.
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

fn read(file: FileKind, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read { file, path: path.to_owned(), source })
}

fn not_pem(file: FileKind, path: &Path, wanted: &'static str, error: &PemError) -> TlsError {
    TlsError::NotPem { file, path: path.to_owned(), wanted, why: error.to_string() }
}

fn read_certificates(file: FileKind, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(file, path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|error| not_pem(file, path, "certificate", &error))?;
    if certificates.is_empty() {
        return Err(not_pem(file, path, "certificate", &PemError::NoItemsFound));
    }
    Ok(certificates)
}

fn read_roots(file: FileKind, path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(file, path)? {
        roots.add(certificate).map_err(|error| TlsError::Unusable {
            file,
            path: path.to_owned(),
            wanted: "certificate",
            why: error.to_string(),
        })?;
    }
    Ok(roots)
}
