//! `[tls]`: certificates.

use std::path::Path;

use havre_tls::Files;

use super::Check;
use super::raw::RawTls;

impl Check<'_> {
    /// Whether the files are there and go together is seen when they are read.
    pub(super) fn tls(&mut self, raw: RawTls, base: &Path, sip: bool, http: bool) -> Files {
        let path = |file: Option<String>| file.map(|file| base.join(file));
        let identity = match (path(raw.certificate), path(raw.key)) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => {
                for (key, wanted) in [("sip.tls_listen", sip), ("http.secure", http)] {
                    if wanted {
                        let remedy = "give `certificate` and `key` in [tls], as certbot's fullchain.pem and privkey.pem";
                        self.error(key, "needs a certificate and there is none", remedy);
                    }
                }
                None
            }
            (certificate, _) => {
                let missing = if certificate.is_none() { "tls.certificate" } else { "tls.key" };
                self.error(
                    missing,
                    "is missing: a certificate and its key go together",
                    "give both or neither",
                );
                None
            }
        };
        Files { identity, client_ca: path(raw.client_ca), ca: path(raw.ca) }
    }
}
