//! Which part of a message's body is the session description.

use bytes::Bytes;

use crate::wire::{Headers, Name};

/// The body is of a kind that we must not ignore and cannot read: 415.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsupported;

/// The SDP of a request or response; `None` if there is no body, or only one that may be ignored (RFC 3261 §20.11).
pub(crate) fn sdp_of(headers: &Headers, body: &Bytes) -> Result<Option<Bytes>, Unsupported> {
    if body.is_empty() {
        return Ok(None);
    }
    let plain =
        headers.first(&Name::ContentEncoding).is_none_or(|name| name.eq_ignore_ascii_case("identity"));
    let kind = headers.content_type().ok().flatten();
    match kind {
        Some(kind) if plain && kind.is("application", "sdp") => Ok(Some(body.clone())),
        Some(kind) if plain && kind.is("multipart", "mixed") => {
            let boundary =
                kind.params.unquoted("boundary").filter(|text| !text.is_empty()).ok_or(Unsupported)?;
            sdp_part(body, &boundary).map(Some).ok_or(Unsupported)
        }
        _ if is_optional(headers) => Ok(None),
        _ => Err(Unsupported),
    }
}

fn is_optional(headers: &Headers) -> bool {
    headers
        .first(&Name::ContentDisposition)
        .is_some_and(|text| text.split(';').any(|part| part.trim().eq_ignore_ascii_case("handling=optional")))
}

/// The first `application/sdp` part (RFC 2046 §5.1): carriers send SDP beside ISUP or a location.
fn sdp_part(body: &Bytes, boundary: &str) -> Option<Bytes> {
    let delimiter = format!("--{boundary}");
    let mut starts = find_all(body, delimiter.as_bytes());
    let mut start = starts.next()?;
    for end in starts {
        let part = body.slice(start + delimiter.len()..end);
        if let Some(sdp) = sdp_in_part(&part) {
            return Some(sdp);
        }
        start = end;
    }
    None
}

fn sdp_in_part(part: &Bytes) -> Option<Bytes> {
    let blank = find_all(part, b"\r\n\r\n").next()?;
    let head = std::str::from_utf8(&part[..blank]).ok()?;
    let is_sdp = head.lines().any(|line| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let kind = value.split(';').next().unwrap_or("").trim();
        name.trim().eq_ignore_ascii_case("Content-Type") && kind.eq_ignore_ascii_case("application/sdp")
    });
    // The line end before the next delimiter belongs to the delimiter.
    let end = part.len() - if part.ends_with(b"\r\n") { 2 } else { 0 };
    (is_sdp && blank + 4 <= end).then(|| part.slice(blank + 4..end))
}

fn find_all<'a>(haystack: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let windows = haystack.windows(needle.len()).enumerate();
    windows.filter(move |(_, window)| *window == needle).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(Name, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push(name.clone(), *value);
        }
        headers
    }

    #[test]
    fn sdp_is_found_alone_and_among_other_parts() {
        let body = Bytes::from_static(b"v=0\r\n");
        let alone = headers(&[(Name::ContentType, "application/sdp")]);
        assert_eq!(sdp_of(&alone, &body), Ok(Some(body.clone())));
        assert_eq!(sdp_of(&alone, &Bytes::new()), Ok(None));

        let mixed = headers(&[(Name::ContentType, "multipart/mixed;boundary=\"b1\"")]);
        let parts = Bytes::from_static(
            b"--b1\r\nContent-Type: application/ISUP\r\n\r\n\x01\x02\r\n--b1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b1--\r\n",
        );
        assert_eq!(sdp_of(&mixed, &parts), Ok(Some(body)));
    }

    #[test]
    fn what_cannot_be_read_is_refused_unless_it_is_optional() {
        let body = Bytes::from_static(b"<xml/>");
        let xml = headers(&[(Name::ContentType, "application/pidf+xml")]);
        assert_eq!(sdp_of(&xml, &body), Err(Unsupported));
        let optional = headers(&[
            (Name::ContentType, "application/pidf+xml"),
            (Name::ContentDisposition, "render; handling=optional"),
        ]);
        assert_eq!(sdp_of(&optional, &body), Ok(None));
        let packed = headers(&[(Name::ContentType, "application/sdp"), (Name::ContentEncoding, "gzip")]);
        assert_eq!(sdp_of(&packed, &body), Err(Unsupported));
        assert_eq!(sdp_of(&headers(&[]), &body), Err(Unsupported));
    }

    #[test]
    fn broken_parts_are_refused_without_panic() {
        let mixed = headers(&[(Name::ContentType, "multipart/mixed;boundary=b")]);
        for text in
            ["--b", "--b--b", "--b\r\n\r\n--b", "--b\r\nContent-Type: application/sdp\r\n\r\n--b", "x"]
        {
            let _ = sdp_of(&mixed, &Bytes::from_static(text.as_bytes()));
        }
    }
}
