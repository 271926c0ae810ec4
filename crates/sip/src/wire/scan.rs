//! Small readers over header text: tokens, quoted strings, and lists that respect both quotes and brackets.

use std::ops::Range;

use super::error::Malformed;

/// `token` of RFC 3261 §25.1.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

pub(crate) const fn is_token_byte(byte: u8) -> bool {
    TOKEN[byte as usize]
}

const TOKEN: [bool; 256] = table(b"-.!%*_+`'~");

/// Letters, digits and `more`. Every byte that comes is looked up in one of these.
pub(crate) const fn table(more: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < more.len() {
        table[more[at] as usize] = true;
        at += 1;
    }
    table
}

/// Spaces and tabs: the lexer has already turned folds into spaces.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// `1*DIGIT`, nothing else: no sign, no space, no overflow.
pub(crate) fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// `1*DIGIT`, beyond 32 bits the most that 32 bits hold: for times, where "longer than we can count" is meant.
pub(crate) fn saturating(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().unwrap_or(u32::MAX))
}

/// Splits at `separator` outside quoted strings and `<…>`; parts are trimmed, and may be empty.
pub(crate) fn split(text: &str, separator: u8) -> Result<Vec<&str>, Malformed> {
    let ranges = split_ranges(text.as_bytes(), separator)?;
    Ok(ranges.into_iter().map(|range| trim(&text[range])).collect())
}

/// The same over bytes that may be no UTF-8: where the parts stand, untrimmed.
pub(crate) fn split_ranges(bytes: &[u8], separator: u8) -> Result<Vec<Range<usize>>, Malformed> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at += quoted_len(&bytes[at..])?,
            b'<' => {
                let close = bytes[at..].iter().position(|b| *b == b'>');
                at += close.ok_or(Malformed("brackets"))? + 1;
            }
            byte => {
                if byte == separator {
                    parts.push(start..at);
                    start = at + 1;
                }
                at += 1;
            }
        }
    }
    parts.push(start..bytes.len());
    Ok(parts)
}

/// Length of the quoted string at the start of `bytes`, both quotes included.
pub(crate) fn quoted_len(bytes: &[u8]) -> Result<usize, Malformed> {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return Ok(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    Err(Malformed("quotes"))
}

/// The text inside a whole quoted string, escapes resolved; `None` if `text` is not exactly one quoted string.
pub(crate) fn unquote(text: &str) -> Option<String> {
    if !text.starts_with('"') || quoted_len(text.as_bytes()).ok()? != text.len() {
        return None;
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text[1..text.len() - 1].chars();
    while let Some(c) = chars.next() {
        plain.push(if c == '\\' { chars.next()? } else { c });
    }
    Some(plain)
}

/// `plain` as a quoted string. Control characters become spaces, since CR and LF cannot be escaped.
pub(crate) fn quote(plain: &str) -> String {
    let mut text = String::with_capacity(plain.len() + 2);
    text.push('"');
    for c in plain.chars() {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(if c.is_ascii_control() { ' ' } else { c });
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_respect_quotes_and_brackets() {
        assert_eq!(split(r#""a,b" <sip:x,y@h>;q=1 , c"#, b',').unwrap(), [r#""a,b" <sip:x,y@h>;q=1"#, "c"]);
        assert_eq!(split(r#""\",", b"#, b',').unwrap(), [r#""\",""#, "b"]);
        assert!(split(r#""open, b"#, b',').is_err());
        assert!(split("<open, b", b',').is_err());
    }

    #[test]
    fn quoting_is_reversible() {
        for plain in ["", "a", r#"a"b\c"#, "é"] {
            assert_eq!(unquote(&quote(plain)).unwrap(), plain);
        }
        assert_eq!(unquote(r#""a" b"#), None);
        assert_eq!(unquote(r#""a\"#), None);
    }

    #[test]
    fn numbers_are_digits_only() {
        assert_eq!(digits::<u32>("0068"), Some(68));
        for bad in ["", "+1", "-1", " 1", "1 ", "0x1", "4294967296"] {
            assert_eq!(digits::<u32>(bad), None, "{bad}");
        }
    }
}
