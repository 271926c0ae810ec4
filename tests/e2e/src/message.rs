//! SIP messages as text, for the ends that a test plays by hand.

use md5::{Digest, Md5};

/// Of a response; 0 of a request.
#[must_use]
pub fn status(text: &str) -> u16 {
    text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0)
}

/// A header of it.
///
/// # Panics
/// It has none of that name.
#[must_use]
pub fn header<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in {text}"))
}

/// The response to a request, with a tag of ours and these header lines more.
#[must_use]
pub fn response(request: &str, status: &str, more: &str) -> String {
    let copied = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
    let rows = request.lines().filter(|row| copied.iter().any(|name| row.starts_with(name)));
    let rows = rows.map(|row| {
        let untagged = row.starts_with("To:") && !row.contains(";tag=");
        format!("{row}{}\r\n", if untagged { ";tag=e2e" } else { "" })
    });
    format!("SIP/2.0 {status}\r\n{}{more}Content-Length: 0\r\n\r\n", rows.collect::<String>())
}

/// As digest authentication wants it (RFC 7616).
#[must_use]
pub fn md5(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
