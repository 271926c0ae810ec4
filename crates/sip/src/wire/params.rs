//! `;name=value` parameters of headers and URIs.

use std::fmt;

use super::error::Malformed;
use super::limits::MAX_PARAMS;
use super::scan;

/// Parameters in their order. Names compare without case; values are kept as written, quotes included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Params(Vec<(Box<str>, Option<Box<str>>)>);

impl Params {
    /// No parameters.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Reads the text after the first `;`. Empty parts (`;;`) are malformed.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut params = Self::new();
        for part in scan::split(text, b';')? {
            params.push_part(part)?;
        }
        Ok(params)
    }

    /// Reads one `name[=value]`: space around `=` is allowed (RFC 3261 §25.1, EQUAL). An empty value is not, but is
    /// found in the field (`;rport=`), and can only be meant as none.
    pub(crate) fn push_part(&mut self, part: &str) -> Result<(), Malformed> {
        let (name, value) = Self::sound(part, self.0.len())?;
        self.0.push((name.into(), value.map(Into::into)));
        Ok(())
    }

    /// Name and value of a part, if they may stand behind `count` others.
    pub(crate) fn sound(part: &str, count: usize) -> Result<(&str, Option<&str>), Malformed> {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (scan::trim(name), Some(scan::trim(value))),
            None => (part, None),
        };
        let sound = scan::is_token(name)
            && value.is_none_or(|value| value.is_empty() || is_value(value))
            && count < MAX_PARAMS;
        if sound { Ok((name, value)) } else { Err(Malformed("parameter")) }
    }

    /// For URIs, whose parameter characters differ from a header's.
    pub(crate) fn push_raw(&mut self, name: &str, value: Option<&str>) -> Result<(), Malformed> {
        if self.0.len() >= MAX_PARAMS {
            return Err(Malformed("parameter"));
        }
        self.0.push((name.into(), value.map(Into::into)));
        Ok(())
    }

    /// The value as written; `""` for a parameter without one; `None` if it is not there.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.entry(name).map(|(_, value)| value.as_deref().unwrap_or(""))
    }

    /// The value with quotes and escapes resolved.
    #[must_use]
    pub fn unquoted(&self, name: &str) -> Option<String> {
        let value = self.get(name)?;
        Some(scan::unquote(value).unwrap_or_else(|| value.to_owned()))
    }

    /// Whether it is there, with or without a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// Sets `name=value`, in place if it is there. A value that is no token, host or quoted string gets quoted.
    pub fn set(&mut self, name: &str, value: &str) {
        let value = if is_value(value) { value.into() } else { scan::quote(value).into() };
        self.put(name, Some(value));
    }

    /// Sets `name` without a value.
    pub fn set_flag(&mut self, name: &str) {
        self.put(name, None);
    }

    /// Removes every parameter of that name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    /// In the order written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(name, value)| (&**name, value.as_deref()))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn put(&mut self, name: &str, value: Option<Box<str>>) {
        match self.0.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, slot)) => *slot = value,
            None => self.0.push((name.into(), value)),
        }
    }

    fn entry(&self, name: &str) -> Option<&(Box<str>, Option<Box<str>>)> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
    }
}

/// `gen-value = token / host / quoted-string`, and the `:` `/` that `host`, `received=` and real phones need.
fn is_value(text: &str) -> bool {
    const PLAIN: [bool; 256] = scan::table(b"-.!%*_+`'~[]:/@&+$#|?=(){}^");
    let plain = |b: u8| PLAIN[usize::from(b)] || b >= 0x80;
    !text.is_empty() && (text.bytes().all(plain) || scan::unquote(text).is_some())
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            write!(f, ";{name}")?;
            if let Some(value) = value {
                write!(f, "={value}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_spelling() {
        let params = Params::parse(r#"Tag = a ;lr;text="x;\"y""#).unwrap();
        assert_eq!(params.get("tag"), Some("a"));
        assert_eq!(params.get("LR"), Some(""));
        assert_eq!(params.unquoted("text").unwrap(), "x;\"y");
        assert_eq!(params.to_string(), r#";Tag=a;lr;text="x;\"y""#);
        assert_eq!(Params::parse("rport=").unwrap().get("rport"), Some(""));
    }

    #[test]
    fn empty_or_unfinished_parts_are_malformed() {
        for bad in ["", "a;;b", "=b", "a;", "a b", r#"a="b"#] {
            assert!(Params::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_set_value_can_not_smuggle_another_parameter() {
        let mut params = Params::new();
        params.set("tag", "a;lr");
        assert_eq!(params.to_string(), ";tag=\"a;lr\"");
    }
}
