//! `WWW-Authenticate`, `Authorization` and their like: a scheme and `name=value` pairs (RFC 3261 §20.7, §20.44).

use std::fmt;

use super::error::Malformed;
use super::limits::MAX_PARAMS;
use super::scan;

/// A challenge or credentials of any scheme. Values stand without quotes and escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// `Digest`, or a scheme that we do not know.
    pub scheme: Box<str>,
    /// In their order.
    params: Vec<Param>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Param {
    name: Box<str>,
    value: Box<str>,
    quoted: bool,
}

impl Auth {
    /// `Digest` without parameters.
    #[must_use]
    pub fn digest() -> Self {
        Self { scheme: "Digest".into(), params: Vec::new() }
    }

    /// Reads one value. A scheme other than Digest may have what it likes behind it (RFC 4475, regaut01): only
    /// its name is kept.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let (scheme, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        if !scan::is_token(scheme) {
            return Err(Malformed("authentication scheme"));
        }
        let mut auth = Self { scheme: scheme.into(), params: Vec::new() };
        if auth.is_digest() {
            for part in scan::split(rest, b',')? {
                auth.push_part(part)?;
            }
        }
        Ok(auth)
    }

    /// Whether the scheme is Digest.
    #[must_use]
    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("Digest")
    }

    /// The value of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|param| param.name.eq_ignore_ascii_case(name)).map(|param| &*param.value)
    }

    /// Adds `name="value"`.
    #[must_use]
    pub fn quoted(self, name: &str, value: &str) -> Self {
        self.with(name, value, true)
    }

    /// Adds `name=value`.
    #[must_use]
    pub fn token(self, name: &str, value: &str) -> Self {
        self.with(name, value, false)
    }

    fn with(mut self, name: &str, value: &str, quoted: bool) -> Self {
        self.params.push(Param { name: name.into(), value: value.into(), quoted });
        self
    }

    fn push_part(&mut self, part: &str) -> Result<(), Malformed> {
        let (name, value) = part.split_once('=').ok_or(Malformed("authentication parameter"))?;
        let (name, value) = (scan::trim(name), scan::trim(value));
        let quoted = value.starts_with('"');
        let plain =
            if quoted { scan::unquote(value) } else { scan::is_token(value).then(|| value.to_owned()) };
        // A name twice would be two readings of one set of credentials.
        let sound = scan::is_token(name) && self.get(name).is_none() && self.params.len() < MAX_PARAMS;
        match plain {
            Some(value) if sound => {
                self.params.push(Param { name: name.into(), value: value.into(), quoted });
                Ok(())
            }
            _ => Err(Malformed("authentication parameter")),
        }
    }
}

impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scheme)?;
        for (at, Param { name, value, quoted }) in self.params.iter().enumerate() {
            let separator = if at == 0 { "" } else { "," };
            if *quoted {
                write!(f, "{separator} {name}={}", scan::quote(value))?;
            } else {
                write!(f, "{separator} {name}={value}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lose_quotes_and_gain_them_back() {
        let text = r#"Digest realm="a \"b\", c", nc=0000000a, uri="sip:h""#;
        let auth = Auth::parse(text).unwrap();
        assert_eq!(auth.get("Realm"), Some(r#"a "b", c"#));
        assert_eq!(auth.get("nc"), Some("0000000a"));
        assert_eq!(auth.to_string(), text);
    }

    #[test]
    fn doubtful_credentials_are_malformed() {
        for bad in ["", "Digest realm", "Digest a=1,a=2", "Digest a=\"1", "Digest a=1,,b=2", "Digest a=b c"] {
            assert!(Auth::parse(bad).is_err(), "{bad}");
        }
        assert!(!Auth::parse("NoOneKnowsThisScheme opaque-data=here").unwrap().is_digest());
    }
}
