//! The SIP domains that a certificate is for (RFC 5922 §7.1).

use rustls::pki_types::CertificateDer;

/// Names taken of one certificate; carriers have a handful.
const MAX_NAMES: usize = 64;

/// The domains of a certificate that was verified: its `sip:` URIs without a user part; only where it has none, its DNS
/// names. A common name is none. Wildcards are left out: they match nothing here.
#[must_use]
pub fn sip_domains(certificate: &CertificateDer<'_>) -> Vec<Box<str>> {
    let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else { return Vec::new() };
    let uris: Vec<Box<str>> = certificate.valid_uri_names().filter_map(sip_host).take(MAX_NAMES).collect();
    if !uris.is_empty() {
        return uris;
    }
    let names = certificate.valid_dns_names().filter(|name| !name.contains('*'));
    names.map(|name| name.to_ascii_lowercase().into()).take(MAX_NAMES).collect()
}

/// `sip:carrier.example` is a domain; `sip:alice@carrier.example` is Alice.
fn sip_host(uri: &str) -> Option<Box<str>> {
    let (scheme, host) = uri.split_once(':')?;
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-.".contains(&b);
    let domain = scheme.eq_ignore_ascii_case("sip") && !host.is_empty() && host.bytes().all(good);
    domain.then(|| host.to_ascii_lowercase().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_a_sip_uri_without_anything_else() {
        assert_eq!(sip_host("sip:Carrier.example").as_deref(), Some("carrier.example"));
        for other in
            ["sip:alice@carrier.example", "sips:carrier.example", "https://carrier.example", "sip:", "x"]
        {
            assert_eq!(sip_host(other), None, "{other}");
        }
    }
}
