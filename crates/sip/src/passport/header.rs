//! The `Identity` header: a PASSporT, and where its certificate is (RFC 8224 §4).

use super::Fault;

/// The only algorithm there is (RFC 8225 §10.2).
const ALGORITHM: &str = "ES256";
/// The only kind that says how far a number is vouched for (RFC 8588).
pub(super) const SHAKEN: &str = "shaken";

/// What the header says, as it stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header<'a> {
    pub(super) token: &'a str,
    /// The certificate's URL.
    pub(super) info: &'a str,
}

impl<'a> Header<'a> {
    /// `TOKEN;info=<https://…>;alg=ES256;ppt="shaken"`. Another algorithm or kind is not for us.
    pub(super) fn parse(value: &'a str) -> Result<Self, Fault> {
        let (token, mut rest) = value.split_once(';').ok_or(Fault::Invalid)?;
        let mut info = None;
        while !rest.is_empty() {
            let (parameter, after) = parameter(rest).ok_or(Fault::Invalid)?;
            rest = after;
            let Some((name, value)) = parameter else { continue };
            let known = |expected: &str| value.eq_ignore_ascii_case(expected);
            match name.to_ascii_lowercase().as_str() {
                "info" if info.is_some() => return Err(Fault::Invalid),
                "info" => info = Some(value),
                "alg" if !known(ALGORITHM) => return Err(Fault::Unverifiable),
                "ppt" if !known(SHAKEN) => return Err(Fault::Unverifiable),
                _ => {}
            }
        }
        Ok(Self { token: token.trim(), info: info.filter(|info| !info.is_empty()).ok_or(Fault::Invalid)? })
    }
}

/// A name with its value, without `<>` or quotes; `None` in place of them for a parameter without value. And what
/// follows.
type Parameter<'a> = (Option<(&'a str, &'a str)>, &'a str);

fn parameter(text: &str) -> Option<Parameter<'_>> {
    let end = text.find([';', '=']).unwrap_or(text.len());
    let (name, rest) = (text[..end].trim(), &text[end..]);
    let Some(rest) = rest.strip_prefix('=') else {
        return Some((None, rest.strip_prefix(';').unwrap_or(rest)));
    };
    let rest = rest.trim_start();
    let closing = match rest.as_bytes().first() {
        Some(b'<') => Some('>'),
        Some(b'"') => Some('"'),
        _ => None,
    };
    let (value, rest) = match closing {
        // What is enclosed may hold a semicolon, as URLs may.
        Some(closing) => rest[1..].split_once(closing)?,
        None => rest.split_at(rest.find(';').unwrap_or(rest.len())),
    };
    let rest = rest.trim_start();
    let rest = if rest.is_empty() { rest } else { rest.strip_prefix(';')? };
    Some((Some((name, value.trim())), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_as_carriers_write_them() {
        let expected = Header { token: "a.b.c", info: "https://certs.example/x;y.pem" };
        for value in [
            "a.b.c;info=<https://certs.example/x;y.pem>;alg=ES256;ppt=\"shaken\"",
            "a.b.c ; info = <https://certs.example/x;y.pem> ; alg=ES256 ; ppt=shaken",
            "a.b.c;ppt=shaken;lr;info=<https://certs.example/x;y.pem>",
            "a.b.c;INFO=<https://certs.example/x;y.pem>;",
        ] {
            assert_eq!(Header::parse(value), Ok(expected_like(&expected)), "{value}");
        }
        for (value, fault) in [
            ("a.b.c", Fault::Invalid),
            ("a.b.c;alg=ES256", Fault::Invalid),
            ("a.b.c;info=<>", Fault::Invalid),
            ("a.b.c;info=<https://x", Fault::Invalid),
            ("a.b.c;info=<https://x>y", Fault::Invalid),
            ("a.b.c;info=<https://x>;info=<https://y>", Fault::Invalid),
            ("a.b.c;info=<https://x>;ppt=div", Fault::Unverifiable),
            ("a.b.c;info=<https://x>;alg=RS256", Fault::Unverifiable),
        ] {
            assert_eq!(Header::parse(value), Err(fault), "{value}");
        }
    }

    fn expected_like<'a>(header: &Header<'a>) -> Header<'a> {
        Header { token: header.token, info: header.info }
    }
}
