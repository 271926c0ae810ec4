//! Telephone numbers as carriers write them, in one form: E.164 with `+`.

use crate::wire::Uri;

/// Digits of the longest E.164 number, and some for prefixes.
const MAX_DIGITS: usize = 24;

/// The number in E.164 as far as it can be told: `8335550100`, `18335550100`, `0118335…`, `+1 (833) 555-0100` and so
/// on. Other digits (short codes) stay as they are. `None` if it is no number.
pub(crate) fn e164(text: &str) -> Option<String> {
    // `+18335550100;npdi` in a user part: parameters of the number.
    let number = text.split(';').next().unwrap_or("");
    let digits: String = number.chars().filter(|c| !matches!(c, '-' | '.' | ' ' | '(' | ')')).collect();
    let (plus, digits) = match digits.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (false, digits.as_str()),
    };
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if plus {
        return Some(format!("+{digits}"));
    }
    let international = digits.strip_prefix("011").or_else(|| digits.strip_prefix("00"));
    if let Some(rest) = international.filter(|rest| (7..=15).contains(&rest.len())) {
        return Some(format!("+{rest}"));
    }
    // North American numbering: 10 digits, neither area code nor exchange beginning with 0 or 1.
    let nanp = |ten: &str| ten.len() == 10 && !ten.starts_with(['0', '1']);
    if nanp(digits) {
        return Some(format!("+1{digits}"));
    }
    if digits.strip_prefix('1').is_some_and(nanp) {
        return Some(format!("+{digits}"));
    }
    Some(digits.to_owned())
}

/// A caller's number from an identity; `None` where it is withheld or no number.
pub(crate) fn caller_number(uri: &Uri) -> Option<String> {
    let anonymous = uri
        .as_sip()
        .is_some_and(|sip| sip.host.to_string().to_ascii_lowercase().ends_with("anonymous.invalid"));
    e164(&uri.user()?).filter(|_| !anonymous)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carriers_spellings_are_one_number() {
        for text in [
            "+18335550100",
            "18335550100",
            "8335550100",
            "+1-833-555-0100",
            "+1 (833) 555.0100",
            "01118335550100",
            "0018335550100",
            "+18335550100;npdi;rn=+15145550100",
        ] {
            assert_eq!(e164(text).as_deref(), Some("+18335550100"), "{text}");
        }
        assert_eq!(e164("+442071838750").as_deref(), Some("+442071838750"));
        assert_eq!(e164("442071838750").as_deref(), Some("442071838750"));
        assert_eq!(e164("911").as_deref(), Some("911"));
        for bad in ["", "+", "anonymous", "*40", "18335550100a", "１２３", &"1".repeat(25)] {
            assert_eq!(e164(bad), None, "{bad}");
        }
    }

    #[test]
    fn anonymous_callers_have_no_number() {
        let number = |uri: &str| caller_number(&Uri::parse(uri).unwrap());
        assert_eq!(number("sip:+14165550123@carrier.example").as_deref(), Some("+14165550123"));
        assert_eq!(number("tel:+1-416-555-0123").as_deref(), Some("+14165550123"));
        assert_eq!(number("sip:anonymous@anonymous.invalid"), None);
        assert_eq!(number("sip:4165550123@anonymous.invalid"), None);
        assert_eq!(number("sip:Restricted@carrier.example"), None);
    }
}
