//! `"Display" <uri>;params`: From, To, Contact, Route, P-Asserted-Identity, Diversion.

use std::fmt;

use super::error::Malformed;
use super::{Params, Uri, scan};

/// A name-addr or addr-spec with its header parameters (RFC 3261 §20.10).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NameAddr {
    /// Escapes resolved; `None` if empty.
    pub display: Option<String>,
    /// The address.
    pub uri: Uri,
    /// The header's parameters (`tag`, `expires`), not the URI's.
    pub params: Params,
}

impl NameAddr {
    /// `<uri>` alone.
    #[must_use]
    pub const fn new(uri: Uri) -> Self {
        Self { display: None, uri, params: Params::new() }
    }

    /// The same with a tag.
    #[must_use]
    pub fn with_tag(mut self, tag: &str) -> Self {
        self.params.set("tag", tag);
        self
    }

    /// Reads one value. Without brackets, everything from the first `;` belongs to the header, and a URI with
    /// `,` or `?` is malformed (§20.10).
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let text = scan::trim(text);
        let open = if text.starts_with('"') { scan::quoted_len(text.as_bytes())? } else { 0 };
        let Some(bracket) = text[open..].find('<').map(|at| at + open) else {
            return Self::parse_bare(text);
        };
        let display = parse_display(scan::trim(&text[..bracket]), open)?;
        let (uri, rest) = text[bracket + 1..].split_once('>').ok_or(Malformed("address"))?;
        let params = match scan::trim(rest).strip_prefix(';') {
            Some(params) => Params::parse(params)?,
            None if scan::trim(rest).is_empty() => Params::new(),
            None => return Err(Malformed("address")),
        };
        // Space inside the brackets is wrong, and harmless (RFC 4475, badaspec).
        Ok(Self { display, uri: Uri::parse(scan::trim(uri))?, params })
    }

    /// The dialog tag of From and To.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }

    /// `expires` of a Contact, seconds; `None` if absent or no number. Beyond 32 bits it is the most 32 bits hold
    /// (RFC 3261 §20.19).
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        let text = self.params.get("expires")?;
        scan::saturating(text)
    }

    /// `q` of a Contact in thousandths; 1000 if absent or malformed.
    #[must_use]
    pub fn q(&self) -> u16 {
        self.params.get("q").and_then(parse_q).unwrap_or(1000)
    }

    fn parse_bare(text: &str) -> Result<Self, Malformed> {
        let (uri, params) = match text.split_once(';') {
            Some((uri, params)) => (scan::trim(uri), Params::parse(params)?),
            None => (text, Params::new()),
        };
        if uri.contains([',', '?']) {
            return Err(Malformed("address without brackets"));
        }
        Ok(Self { display: None, uri: Uri::parse(uri)?, params })
    }
}

/// A name is one quoted string or tokens by the grammar. One with commas, umlauts or quotes in its middle is taken
/// as meant: it is only shown, and a caller must not be refused for it (RFC 4475, baddn). `quoted` is the length of
/// the quoted string that it starts with. Outside of that, nothing may look like another address.
fn parse_display(text: &str, quoted: usize) -> Result<Option<String>, Malformed> {
    if text[quoted..].contains(['>', ':', ';']) {
        return Err(Malformed("display name"));
    }
    let name = scan::unquote(text).unwrap_or_else(|| text.replace('"', ""));
    Ok(Some(name).filter(|name| !name.is_empty()))
}

/// `0`, `0.5`, `1.000`: qvalue of RFC 3261 §25.1.
fn parse_q(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.bytes().all(|b| b.is_ascii_digit());
    if !matches!(whole, "0" | "1") || fraction.len() > 3 || !digits {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    let q = if whole == "1" { 1000 } else { 0 } + thousandths;
    (q <= 1000).then_some(q)
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            write!(f, "{} ", scan::quote(display))?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_decide_whose_parameters_they_are() {
        let bare = NameAddr::parse("sip:a@h;tag=1").unwrap();
        assert_eq!((bare.tag(), bare.uri.to_string().as_str()), (Some("1"), "sip:a@h"));
        let bracketed = NameAddr::parse("<sip:a@h;lr>;tag=2").unwrap();
        assert_eq!((bracketed.tag(), bracketed.uri.to_string().as_str()), (Some("2"), "sip:a@h;lr"));
        assert!(NameAddr::parse("sip:a@h?Route=%3Csip:x%3E").is_err());
    }

    #[test]
    fn displays_are_unescaped_and_escaped_again() {
        let text = r#""J \"R\" \\" <sip:j@h>"#;
        let addr = NameAddr::parse(text).unwrap();
        assert_eq!(addr.display.as_deref(), Some(r#"J "R" \"#));
        assert_eq!(addr.to_string(), text);
        assert_eq!(NameAddr::parse("Bell, Alexander <sip:a@h>").unwrap().display.unwrap(), "Bell, Alexander");
        assert_eq!(NameAddr::parse("\"\" <sip:a@h>").unwrap().display, None);
        assert_eq!(NameAddr::parse(r#""R "Ruthie" T" <sip:a@h>"#).unwrap().display.unwrap(), "R Ruthie T");
        assert_eq!(NameAddr::parse("a@h <sip:a@h>").unwrap().display.unwrap(), "a@h");
        for bad in [
            r#""open <sip:a@h>"#,
            "sip:b@h;x=<sip:a@h>",
            r#""a" b: <sip:a@h>"#,
            "<sip:a@h> x",
            "<sip:a@h",
            "",
        ] {
            assert!(NameAddr::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn q_and_expires_tolerate() {
        let contact = |params: &str| NameAddr::parse(&format!("<sip:a@h>;{params}")).unwrap();
        assert_eq!(contact("q=0.7").q(), 700);
        assert_eq!(contact("q=1.5").q(), 1000);
        assert_eq!(contact("expires=60").expires(), Some(60));
        assert_eq!(contact("expires=280297596632815").expires(), Some(u32::MAX));
        assert_eq!(contact("expires=x").expires(), None);
    }
}
