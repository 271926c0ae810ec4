//! What can be wrong with files, and what to do about it.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Which file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// The chain, our own certificate first.
    Certificate,
    /// Its private key.
    Key,
    /// Who may certify peers that call us.
    ClientCa,
    /// Who may certify servers that we call.
    Ca,
}

impl FileKind {
    /// Its key in `[tls]`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Key => "key",
            Self::ClientCa => "client_ca",
            Self::Ca => "ca",
        }
    }
}

/// Why files are of no use.
#[derive(Debug, Error)]
pub enum TlsError {
    /// It cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// Which.
        file: FileKind,
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is not PEM, or has nothing of the kind in it.
    #[error("{} has no {wanted} in PEM: {why}", path.display())]
    NotPem {
        /// Which.
        file: FileKind,
        /// Where.
        path: PathBuf,
        /// `certificate` or `private key`.
        wanted: &'static str,
        /// What the reader says.
        why: String,
    },
    /// The PEM is sound, what it wraps is not.
    #[error("{} has a {wanted} that cannot be used: {why}", path.display())]
    Unusable {
        /// Which.
        file: FileKind,
        /// Where.
        path: PathBuf,
        /// `certificate` or `private key`.
        wanted: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The key is another certificate's.
    #[error("the key in {} is not the one of the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The chain.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
}

impl TlsError {
    /// Which file it is about.
    #[must_use]
    pub const fn file(&self) -> FileKind {
        match self {
            Self::Read { file, .. } | Self::NotPem { file, .. } | Self::Unusable { file, .. } => *file,
            Self::Mismatch { .. } => FileKind::Key,
        }
    }

    /// What to do.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Read { source, path, .. } if source.kind() == io::ErrorKind::PermissionDenied => format!(
                "let the user that havre runs as read it: `chgrp havre {0} && chmod 640 {0}`, and enter its directory",
                path.display()
            ),
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "give the path of a file that is there, or renew the certificate so that it is".to_owned()
            }
            Self::Read { .. } => "make the file readable for the user that havre runs as".to_owned(),
            Self::NotPem { file: FileKind::Key, .. } => {
                "write the private key unencrypted in PEM (`-----BEGIN PRIVATE KEY-----`), as certbot's privkey.pem"
                    .to_owned()
            }
            Self::NotPem { .. } => {
                "write certificates in PEM (`-----BEGIN CERTIFICATE-----`), as certbot's fullchain.pem".to_owned()
            }
            Self::Unusable { file: FileKind::Key, .. } => {
                "use an ECDSA P-256 or P-384, an Ed25519, or an RSA key of 2,048 bits or more".to_owned()
            }
            Self::Unusable { .. } => "ask for the certificate anew: look at it with `openssl x509 -text -in`".to_owned(),
            Self::Mismatch { .. } => {
                "give the key that the certificate was asked for with; if both were just renewed, reload again".to_owned()
            }
        }
    }
}
