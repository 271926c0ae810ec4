//! `Replaces` (RFC 3891 §6.1): the dialog whose place an INVITE is to take.

use std::fmt;

use super::error::Malformed;
use super::{Params, scan};

/// `Replaces: 425928@phone.example;to-tag=7743;from-tag=6472`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaces {
    /// The dialog's `Call-ID`.
    pub call_id: String,
    /// The tag of whoever the header is sent to.
    pub to_tag: String,
    /// The tag of that one's far side.
    pub from_tag: String,
    /// Only if it has not been answered yet.
    pub early_only: bool,
}

impl Replaces {
    /// Reads the header's value. Each tag must be there once.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        const WRONG: Malformed = Malformed("Replaces");
        let (call_id, params) = text.split_once(';').ok_or(WRONG)?;
        let (call_id, params) = (scan::trim(call_id), Params::parse(params)?);
        if call_id.is_empty() || call_id.contains(|c: char| c == ' ' || c == ',' || c.is_control()) {
            return Err(WRONG);
        }
        let tag = |name: &str| {
            let mut tags = params.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
            match (tags.next(), tags.next()) {
                (Some((_, Some(tag))), None) if scan::is_token(tag) => Ok(tag.to_owned()),
                _ => Err(WRONG),
            }
        };
        Ok(Self {
            call_id: call_id.to_owned(),
            to_tag: tag("to-tag")?,
            from_tag: tag("from-tag")?,
            early_only: params.has("early-only"),
        })
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call_id, to_tag, from_tag, early_only } = self;
        let early_only = if *early_only { ";early-only" } else { "" };
        write!(f, "{call_id};to-tag={to_tag};from-tag={from_tag}{early_only}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_a_dialog_by_three_things() {
        let replaces =
            Replaces::parse("98732@sip.example.com ;From-Tag=r33th4x0r; to-tag=ff87ff;early-only;x=y")
                .unwrap();
        assert_eq!(replaces.call_id, "98732@sip.example.com");
        assert_eq!(
            (&*replaces.to_tag, &*replaces.from_tag, replaces.early_only),
            ("ff87ff", "r33th4x0r", true)
        );
        let text = "98732@sip.example.com;to-tag=ff87ff;from-tag=r33th4x0r;early-only";
        assert_eq!(replaces.to_string(), text);
        assert_eq!(Replaces::parse(text).unwrap(), replaces);
    }

    #[test]
    fn what_does_not_name_one_dialog_is_malformed() {
        for text in [
            // Found by fuzzing: no header can hold it.
            "a\r\nb;to-tag=1;from-tag=2",
            "",
            "a@b",
            "a@b;to-tag=1",
            "a@b;from-tag=1",
            "a@b;to-tag=1;from-tag",
            "a@b;to-tag=;from-tag=1",
            "a@b;to-tag=1;from-tag=\"2\"",
            ";to-tag=1;from-tag=2",
            "a@b;to-tag=1;to-tag=1;from-tag=2",
            "a@b;to-tag=1;from-tag=2, c@d;to-tag=3;from-tag=4",
            "a@b c;to-tag=1;from-tag=2",
        ] {
            assert!(Replaces::parse(text).is_err(), "{text}");
        }
    }
}
