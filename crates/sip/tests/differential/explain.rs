//! Where the two readers differ, and why that is as it should be.

use super::frame::{Frame, Hop, Start};
use super::generate::Generated;

/// Why we refuse what the peer takes, in our own words: rules that leave less to be read in two ways, and values that
/// we would have to use though the grammar does not allow them. The peer reads the headers only that it is asked for.
const STRICTER: [&str; 28] = [
    "Call-ID",
    "Contact",
    "Content-Length twice",
    "Content-Length",
    "CSeq",
    "From",
    "Max-Forwards",
    "To",
    "URI parameter",
    "URI user",
    "URI",
    "Via protocol",
    "Via sent-by",
    "Via transport",
    "Via",
    "address",
    "brackets",
    "control character",
    "display name",
    "header name",
    "header without colon",
    "header twice that may stand once",
    "host",
    "parameter",
    "port",
    "quotes",
    "request line",
    "status line",
];
/// Why we refuse, for another reason, what RFC 3261's grammar allows.
const POLICY: [&str; 2] = [
    // Answered 501.
    "unknown method",
    // §8.1.3.3: misrouted.
    "response with several Via",
];

/// The rule that explains why a message was read in two ways; `None`: nobody knows, and the test fails.
pub(crate) fn explain(
    message: &Generated,
    our: &Result<Frame, String>,
    their: &Result<Frame, String>,
) -> Option<&'static str> {
    match (our, their) {
        // What is sound, we take.
        (Err(why), Ok(_)) if message.damaged => {
            STRICTER.iter().chain(&POLICY).find(|rule| *rule == why).copied()
        }
        (Ok(_), Err(why)) => narrower(message, why),
        (Ok(our), Ok(their)) => other_values(message, our, their),
        (Err(_), _) => None,
    }
}

/// What the peer does not read though it is, or might as well be, right.
fn narrower(message: &Generated, why: &str) -> Option<&'static str> {
    let bytes = &message.bytes;
    if std::str::from_utf8(head(bytes)).is_err() {
        // RFC 3261 §25.1 has only UTF-8; carriers send Latin-1, in names that decide nothing.
        Some("a byte of Latin-1")
    } else if head(bytes).contains(&b'\\') && why.contains("malformed") {
        // §25.1: quoted-pair.
        Some("the peer ends a quoted string at an escaped quote")
    } else if bytes.starts_with(b"\r\n") {
        // §7.5.
        Some("the peer does not skip empty lines before a message")
    } else if message.damaged && (why.contains("sip uri") || why.contains("Parse error")) {
        // We read more in a user part than the grammar has: it is matched whole, and escaped when it is printed.
        Some("a user part or host outside the grammar")
    } else {
        None
    }
}

/// Both took it: each field that differs needs its rule.
fn other_values(message: &Generated, our: &Frame, their: &Frame) -> Option<&'static str> {
    let mut rule = None;
    if our.start != their.start {
        rule = Some(same_user(&our.start, &their.start)?);
    }
    if our.vias != their.vias {
        rule = Some(same_hops(message, &our.vias, &their.vias)?);
    }
    for (our, their) in [(&our.from_tag, &their.from_tag), (&our.to_tag, &their.to_tag)] {
        if our != their {
            rule = Some(same_tag(message, our.as_deref(), their.as_deref())?);
        }
    }
    let rest = |frame: &Frame| (frame.cseq.clone(), frame.call_id.clone(), frame.body.clone());
    (rest(our) == rest(their)).then_some(rule?)
}

/// §19.1.4: `%2b` and `+` are two spellings; the peer prints the character, and reads half an escape as one.
fn same_user(our: &Start, their: &Start) -> Option<&'static str> {
    let (Start::Request { method: a, uri: our }, Start::Request { method: b, uri: their }) = (our, their)
    else {
        return None;
    };
    let (before, _) = our.split_once('%')?;
    (a == b && their.starts_with(before)).then_some("an escape that is none, or need not be one")
}

/// The peer leaves out, without a word, hops that it cannot read; we read hops of other protocols, and refuse the rest.
/// Only the top hop decides anything.
fn same_hops(message: &Generated, our: &[Hop], their: &[Hop]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(head(&message.bytes)).replace([' ', '\t'], "");
    let protocols = text.matches("SIP/2.0/").count();
    let alike = |our: &Hop, their: &Hop| {
        let branch = our.branch == their.branch
            || cut(our.branch.as_deref(), their.branch.as_deref())
            // We compare what was sent; the peer decodes escapes, and keeps quotes.
            || our.branch.as_deref().is_some_and(|branch| branch.contains('%'))
            || text.contains("branch=\"")
            // Of two we take the first.
            || text.matches("branch=").count() > protocols;
        let host = our.host == their.host && our.port == their.port;
        // Behind what it cannot read the peer sees nothing of a hop any more.
        our.transport == their.transport
            && (host || our.host.starts_with(&their.host))
            && (branch || their.branch.is_none())
    };
    let mut rest = our.iter();
    let in_order = their.iter().all(|their| rest.any(|our| alike(our, their)));
    (message.damaged && in_order).then_some("a hop that is not of SIP, or a value outside the grammar")
}

fn same_tag(message: &Generated, our: Option<&str>, their: Option<&str>) -> Option<&'static str> {
    let text = String::from_utf8_lossy(head(&message.bytes));
    // §7.3.1: names of parameters have no case.
    let name_of =
        |at: usize| text[..at].trim_end().rsplit([';', ' ', '\t', '\n']).next().unwrap_or("").to_owned();
    let spelled = our.is_some_and(|tag| {
        text.match_indices(tag).any(|(at, _)| {
            let name = text[..at].trim_end().strip_suffix('=').map(|before| name_of(before.len()));
            name.is_some_and(|name| name != "tag" && name.eq_ignore_ascii_case("tag"))
        })
    });
    if spelled && their.is_none() {
        Some("the peer knows `tag` in small letters only")
    } else if message.damaged && (cut(our, their) || their.is_none_or(str::is_empty) || our?.contains('%')) {
        Some("a hop that is not of SIP, or a value outside the grammar")
    } else {
        None
    }
}

/// Whether the peer ended a value at a character that no token has (§25.1), and we took it whole: it is compared as it is.
fn cut(our: Option<&str>, their: Option<&str>) -> bool {
    let rest = our.and_then(|our| our.strip_prefix(their.unwrap_or("")));
    rest.and_then(|rest| rest.chars().next())
        .is_some_and(|next| !next.is_ascii_alphanumeric() && !"-.!%*_+`'~".contains(next))
}

fn head(bytes: &[u8]) -> &[u8] {
    let end = bytes.windows(4).skip(1).position(|four| four == b"\r\n\r\n").map_or(bytes.len(), |at| at + 1);
    &bytes[..end]
}
