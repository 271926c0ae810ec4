//! Certificates that carriers vouch for callers' numbers with (STIR/SHAKEN), from files: nothing is fetched. The file
//! `HOST/PATH` below the configured directory is what stands at `https://HOST/PATH`, as `wget --force-directories` leaves
//! it. What lies there is trusted as it is: whoever fills the directory takes it from the authority's list.

use std::io;
use std::path::{Path, PathBuf};

use havre_model::Unix;
use havre_sip::{Certificate, Certificates};
use tracing::warn;
use x509_parser::pem::parse_x509_pem;

use crate::config::ConfigError;

/// More than all carriers of a country have.
const MAX_FILES: usize = 10_000;
/// Bytes of a file: a chain of a few certificates has some kilobytes.
const MAX_SIZE: u64 = 64 * 1024;
/// Directories below each other: a URL has a few parts.
const MAX_DEPTH: usize = 16;

/// Reads all of them. A file that is no certificate is named in the log and passed over: the line must not stay down for
/// something that only orders a flood.
///
/// # Errors
/// The directory itself cannot be read, or holds too much.
pub(crate) fn read(directory: &Path) -> Result<Certificates, Vec<ConfigError>> {
    let error = |what: String| {
        let remedy =
            "name a directory in which HOST/PATH holds the certificate of https://HOST/PATH".to_owned();
        let key = "sip.identity_certificates".to_owned();
        vec![ConfigError { file: directory.display().to_string(), line: None, key, what, remedy }]
    };
    let mut files = Vec::new();
    collect(directory, MAX_DEPTH, &mut files).map_err(|fault| error(format!("cannot be read: {fault}")))?;
    if files.len() >= MAX_FILES {
        return Err(error(format!("has more than {MAX_FILES} files")));
    }
    let certificates = files.iter().filter_map(|file| match certificate(file) {
        Ok(certificate) => Some((url(directory, file)?, certificate)),
        Err(why) => {
            warn!(file = %file.display(), why, "no certificate of a carrier; passed over");
            None
        }
    });
    Ok(certificates.collect())
}

/// All files below `directory`, in no order.
fn collect(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if files.len() >= MAX_FILES {
            break;
        }
        if path.is_file() {
            files.push(path);
        } else if path.is_dir() && depth > 0 {
            collect(&path, depth - 1, files)?;
        }
    }
    Ok(())
}

/// Where carriers publish it.
fn url(directory: &Path, file: &Path) -> Option<String> {
    let below = file.strip_prefix(directory).ok()?.to_str()?;
    Some(format!("https://{below}"))
}

/// The first certificate of a file: the carrier's own, before those that signed it.
fn certificate(file: &Path) -> Result<Certificate, &'static str> {
    let size = std::fs::metadata(file).map_err(|_| "cannot be read")?.len();
    if size > MAX_SIZE {
        return Err("is too large");
    }
    let bytes = std::fs::read(file).map_err(|_| "cannot be read")?;
    let (_, pem) = parse_x509_pem(&bytes).map_err(|_| "is no PEM")?;
    let parsed = pem.parse_x509().map_err(|_| "holds no X.509 certificate")?;
    let [from, to] = [parsed.validity().not_before, parsed.validity().not_after];
    let at = |secs: i64| Unix::from_millis(secs.saturating_mul(1_000));
    let key = &parsed.public_key().subject_public_key.data;
    Certificate::new(key, at(from.timestamp()), at(to.timestamp())).ok_or("has no key on the curve P-256")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 36500 -nodes -subj /CN=SHAKEN`
    const P256: &str = include_str!("../tests/certificates/p256.pem");
    /// The same with `-newkey rsa:2048`.
    const RSA: &str = include_str!("../tests/certificates/rsa.pem");

    #[test]
    fn files_are_known_by_the_url_they_came_from() {
        let directory = std::env::temp_dir().join(format!("havre-certificates-{}", std::process::id()));
        let deep = directory.join("certs.example/2026");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(deep.join("carrier.pem"), P256).unwrap();
        std::fs::write(deep.join("rsa.pem"), RSA).unwrap();
        std::fs::write(directory.join("README"), "not one").unwrap();
        let read = read(&directory).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(format!("{read:?}"), r#"{"https://certs.example/2026/carrier.pem"}"#);
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        let errors = read(Path::new("/nowhere/at/all")).unwrap_err();
        assert_eq!(errors[0].key, "sip.identity_certificates");
    }
}
