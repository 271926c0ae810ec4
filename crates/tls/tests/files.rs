//! Files as operators have them: good ones, and each way in which they can be wrong.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use havre_model::Unix;
use havre_tls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use havre_tls::rustls::{ClientConnection, Error, ServerConnection};
use havre_tls::{FileKind, Files, Material, Tls, TlsError, Validity, sip_domains};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};

/// A directory of this test, and an authority.
struct Office {
    directory: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    ca: PathBuf,
}

impl Office {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("havre-tls-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let ca = directory.join("ca.pem");
        std::fs::write(&ca, certificate.pem()).unwrap();
        Self { directory, issuer: Issuer::new(params, key), ca }
    }

    /// A certificate for `name` and its key.
    fn issue(
        &self,
        file: &str,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let path = |end: &str| self.directory.join(format!("{file}-{end}.pem"));
        std::fs::write(path("chain"), certificate.pem()).unwrap();
        std::fs::write(path("key"), key.serialize_pem()).unwrap();
        (path("chain"), path("key"))
    }

    fn files(&self, identity: &(PathBuf, PathBuf)) -> Files {
        let ca = Some(self.ca.clone());
        Files { identity: Some(identity.clone()), client_ca: ca.clone(), ca }
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn load(files: &Files) -> Material {
    files.load().unwrap_or_else(|error| panic!("{error}"))
}

fn refused(files: &Files) -> TlsError {
    files.load().map(|_| ()).unwrap_err()
}

/// Shakes hands in memory; the names that the server learns of the client.
fn shake(server: &Material, client: &Material, name: &str) -> Result<Vec<Box<str>>, Error> {
    let tls = |material: &Material| Tls::new(Arc::new(material.clone()));
    let config = tls(server).sip().and_then(|server| server.config()).unwrap();
    let mut server = ServerConnection::new(config).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(tls(client).client().config(), name).unwrap();
    for _ in 0..10 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
    }
    assert!(!server.is_handshaking());
    Ok(server.peer_certificates().and_then(<[_]>::first).map(sip_domains).unwrap_or_default())
}

#[test]
fn what_goes_together_is_put_in_force_and_known_by_name() {
    let office = Office::new("good");
    let ours = load(&office.files(&office.issue("ours", "havre.example", |_| {})));
    assert_eq!(ours.names(), ["havre.example"]);
    let term = ours.term().unwrap();
    assert_eq!(term.at(Unix::from_millis(1_800_000_000_000)), Validity::Good);
    // A carrier with a certificate for clients, for servers (as public authorities make them), and with a SIP URI.
    let purposes = [ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    for purpose in purposes {
        let identity = office.issue("carrier", "sip.carrier.example", |params| {
            params.extended_key_usages.push(purpose.clone());
        });
        let names = shake(&ours, &load(&office.files(&identity)), "havre.example").unwrap();
        assert_eq!(names, ["sip.carrier.example".into()]);
    }
    let identity = office.issue("uri", "host.example", |params| {
        params.subject_alt_names.push(SanType::URI("sip:Carrier.example".try_into().unwrap()));
    });
    let names = shake(&ours, &load(&office.files(&identity)), "havre.example").unwrap();
    assert_eq!(names, ["carrier.example".into()], "RFC 5922 §7.1: DNS names only where there is no URI");
    // A phone has none.
    let phone = load(&Files { ca: Some(office.ca.clone()), ..Files::default() });
    assert!(shake(&ours, &phone, "havre.example").unwrap().is_empty());
    assert!(shake(&ours, &phone, "other.example").is_err(), "nor is it fooled by another name");
}

#[test]
fn certificates_of_strangers_and_of_the_past_are_refused() {
    let (office, elsewhere) = (Office::new("ours"), Office::new("theirs"));
    let ours = load(&office.files(&office.issue("ours", "havre.example", |_| {})));
    let client = |identity: (PathBuf, PathBuf)| load(&office.files(&identity));
    let unknown = client(elsewhere.issue("x", "sip.carrier.example", |_| {}));
    assert!(matches!(shake(&ours, &unknown, "havre.example"), Err(Error::InvalidCertificate(_))));
    let expired = client(office.issue("old", "sip.carrier.example", |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    }));
    assert!(matches!(shake(&ours, &expired, "havre.example"), Err(Error::InvalidCertificate(_))));
    assert_eq!(expired.term().unwrap().at(Unix::from_millis(1_800_000_000_000)), Validity::Expired);
    let other = client(office.issue("mail", "sip.carrier.example", |params| {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::EmailProtection);
    }));
    assert!(matches!(shake(&ours, &other, "havre.example"), Err(Error::InvalidCertificate(_))));
}

#[test]
fn each_mistake_names_its_file_and_what_to_do() {
    let office = Office::new("wrong");
    let (chain, key) = office.issue("ours", "havre.example", |_| {});
    let (_, other_key) = office.issue("other", "havre.example", |_| {});
    let with = |chain: &Path, key: &Path| Files {
        identity: Some((chain.to_owned(), key.to_owned())),
        ..Files::default()
    };
    let mismatch = refused(&with(&chain, &other_key));
    assert!(matches!(mismatch, TlsError::Mismatch { .. }), "{mismatch}");
    let missing = refused(&with(&office.directory.join("none.pem"), &key));
    assert!(missing.to_string().contains("none.pem") && missing.file() == FileKind::Certificate, "{missing}");
    let swapped = refused(&with(&key, &chain));
    assert!(matches!(swapped, TlsError::NotPem { file: FileKind::Certificate, .. }), "{swapped}");
    let no_key = refused(&with(&chain, &chain));
    assert!(matches!(no_key, TlsError::NotPem { file: FileKind::Key, .. }), "{no_key}");
    assert!(no_key.remedy().contains("PRIVATE KEY"), "{}", no_key.remedy());
    let garbage = office.directory.join("garbage.pem");
    std::fs::write(&garbage, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let garbage = refused(&with(&garbage, &key));
    assert!(matches!(garbage, TlsError::Unusable { file: FileKind::Certificate, .. }), "{garbage}");
    let directory = refused(&Files { client_ca: Some(office.directory.clone()), ..with(&chain, &key) });
    assert!(matches!(directory, TlsError::Read { file: FileKind::ClientCa, .. }), "{directory}");
    assert!(!directory.remedy().is_empty());
}

#[test]
fn a_renewed_certificate_serves_the_next_handshake() {
    let office = Office::new("renewed");
    let files = office.files(&office.issue("ours", "havre.example", |_| {}));
    let tls = Tls::new(Arc::new(load(&files)));
    let (server, before) = (tls.sip().unwrap(), files.stamp());
    let old = server.config().unwrap();
    let (chain, key) = office.issue("new", "havre.example", |_| {});
    let (to_chain, to_key) = files.identity.clone().unwrap();
    std::fs::rename(chain, to_chain).unwrap();
    std::fs::rename(key, to_key).unwrap();
    assert_ne!(files.stamp(), before, "it is seen from outside");
    tls.replace(Arc::new(load(&files)));
    assert!(!Arc::ptr_eq(&old, &server.config().unwrap()));
    let pem = std::fs::read(&files.identity.unwrap().0).unwrap();
    assert!(CertificateDer::from_pem_slice(&pem).is_ok());
}
