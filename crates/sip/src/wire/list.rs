//! Lists of tokens: `Allow`, `Supported`, `Require`, `Proxy-Require`, `Unsupported`, `Privacy`.

use std::fmt;

use super::scan;

/// Tokens in their order, compared without case; empty ones are dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens(Vec<Box<str>>);

impl Tokens {
    /// Of the values of a header, each a list.
    pub(crate) fn from_values<'a>(values: impl Iterator<Item = &'a str>, separators: &[char]) -> Self {
        let tokens = values.flat_map(|value| value.split(separators)).map(scan::trim);
        Self(tokens.filter(|token| !token.is_empty()).map(Into::into).collect())
    }

    /// Whether `token` is among them.
    #[must_use]
    pub fn has(&self, token: &str) -> bool {
        self.0.iter().any(|known| known.eq_ignore_ascii_case(token))
    }

    /// In their order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|token| &**token)
    }

    /// Those that are not in `known`: what a 420's `Unsupported` lists (RFC 3261 §8.2.2.3).
    #[must_use]
    pub fn without(&self, known: &[&str]) -> Self {
        let mut left = self.clone();
        left.0.retain(|token| !known.iter().any(|known| known.eq_ignore_ascii_case(token)));
        left
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, token) in self.0.iter().enumerate() {
            write!(f, "{}{token}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// `Privacy` (RFC 3323 §4.2, RFC 3325 §9.3): separated by `;`, and by `,` in the field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Privacy(Tokens);

impl Privacy {
    pub(crate) fn from_values<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        Self(Tokens::from_values(values, &[';', ',']))
    }

    /// The caller asked that the number is not shown: any priv-value but `none`.
    #[must_use]
    pub fn withheld(&self) -> bool {
        !self.0.is_empty() && !self.0.has("none")
    }

    /// Whether that priv-value is there.
    #[must_use]
    pub fn has(&self, value: &str) -> bool {
        self.0.has(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_span_headers() {
        let tokens = Tokens::from_values(["timer, ,100rel", "", "PATH"].into_iter(), &[',']);
        assert_eq!(tokens.to_string(), "timer, 100rel, PATH");
        assert!(tokens.has("path"));
        assert_eq!(tokens.without(&["timer", "path"]).to_string(), "100rel");
    }

    #[test]
    fn privacy_is_withheld_unless_none() {
        let privacy = |text| Privacy::from_values([text].into_iter());
        assert!(privacy("id;critical").withheld());
        assert!(!privacy("none").withheld());
        assert!(!privacy("").withheld());
    }
}
