//! The one lexer: from the bytes of a head to its start line and headers.
//!
//! It reads to the end whatever it meets, and remembers the first problem: the answer to a bad request needs the
//! headers that stand behind the bad one.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use memchr::memchr;

use super::check::judge;
use super::cseq::method_from_token;
use super::error::{KEEP_ALIVE, Malformed, ParseError};
use super::glimpse::has_tag;
use super::headers::latin1;
use super::limits::{MAX_HEAD, MAX_HEADERS, MAX_LINE, MAX_MESSAGE, MAX_URI};
use super::{Headers, Message, Name, Uri, scan};
use crate::Method;

/// Reads one datagram (or one WebSocket message). A `Content-Length` shorter than the rest cuts it off (RFC 3261
/// §18.3), a longer one is answered 400, none means all of the rest.
pub fn parse_datagram(bytes: &[u8]) -> Result<Message, ParseError> {
    if bytes.iter().all(|b| b"\r\n\0".contains(b)) {
        return Err(ParseError { why: KEEP_ALIVE, reply: None, fatal: false });
    }
    let mut bytes = bytes;
    while let Some(rest) = bytes.strip_prefix(b"\r\n") {
        bytes = rest;
    }
    let Some(head_len) = find_head_end(bytes, 0) else {
        let mut head = Head::lex(&bytes[..bytes.len().min(MAX_HEAD)]);
        head.fail(unended(bytes.len()));
        return judge(head, Bytes::new());
    };
    let mut head = Head::lex(&bytes[..head_len]);
    let rest = &bytes[head_len + 2..];
    let body = match head.content_length {
        None => rest,
        Some(length) => rest.get(..length).unwrap_or_else(|| {
            head.fail(Problem::fatal(400, "Content-Length beyond the datagram"));
            &[]
        }),
    };
    if head_len + 2 + body.len() > MAX_MESSAGE {
        head.fail(Problem::fatal(513, "message too large"));
    }
    judge(head, Bytes::copy_from_slice(body))
}

/// Whether a datagram looks like a new call, or the end of one that was not answered yet: of what came together, all
/// else may be dealt with first. Decides an order and nothing else.
#[must_use]
pub fn begins_call(bytes: &[u8]) -> bool {
    bytes.starts_with(b"CANCEL ") || bytes.starts_with(b"INVITE ") && !is_in_dialog(bytes)
}

/// Whether `To` has a tag: what comes behind such a request, a BYE say, must not overtake it.
fn is_in_dialog(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(end) = memchr(b'\n', rest) {
        let line = rest[..end].trim_ascii_end();
        rest = &rest[end + 1..];
        if line.is_empty() {
            return false;
        }
        if !matches!(line[0], b't' | b'T') {
            continue;
        }
        let Some((name, value)) = memchr(b':', line).map(|colon| line.split_at(colon)) else { continue };
        let name = name.trim_ascii_end();
        if (name.eq_ignore_ascii_case(b"To") || name.eq_ignore_ascii_case(b"t")) && has_tag(value) {
            return true;
        }
    }
    false
}

/// What the head says, as far as it can be read.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) start: Start,
    pub(crate) headers: Headers,
    pub(crate) content_length: Option<usize>,
    /// The first one met.
    pub(crate) problem: Option<Problem>,
}

#[derive(Debug)]
pub(crate) enum Start {
    /// `uri` is `None` only beside a problem; `method` is `None` for one that we do not know.
    Request {
        method: Option<Method>,
        uri: Option<Uri>,
        is_ack: bool,
    },
    Response {
        status: u16,
        reason: String,
    },
    /// Not to be answered: nobody knows what it was.
    Unreadable,
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) why: &'static str,
    /// On a stream, the next message's start can not be trusted.
    pub(crate) fatal: bool,
}

impl Problem {
    pub(crate) const fn new(status: u16, why: &'static str) -> Self {
        Self { status, why, fatal: false }
    }

    pub(crate) const fn fatal(status: u16, why: &'static str) -> Self {
        Self { status, why, fatal: true }
    }
}

impl From<Malformed> for Problem {
    fn from(malformed: Malformed) -> Self {
        Self::new(400, malformed.0)
    }
}

/// A head that has no blank line within `len` bytes.
pub(crate) const fn unended(len: usize) -> Problem {
    if len >= MAX_HEAD {
        Problem::fatal(513, "head too large")
    } else {
        Problem::fatal(400, "no blank line after the headers")
    }
}

/// Where the head ends: behind the CRLF of its last line, before that of the blank line. Looks at no more than
/// [`MAX_HEAD`] bytes, from `from` on.
pub(crate) fn find_head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let window = &bytes[..bytes.len().min(MAX_HEAD)];
    let found = memchr::memmem::find(window.get(from..)?, b"\r\n\r\n")?;
    Some(from + found + 2)
}

impl Head {
    /// `bytes` end behind the last line's CRLF.
    pub(crate) fn lex(bytes: &[u8]) -> Self {
        let text: Option<Arc<str>> = std::str::from_utf8(bytes).ok().map(Arc::from);
        let mut lines = Lines { bytes, at: 0 };
        let mut head = Self {
            start: Start::Unreadable,
            headers: Headers::of_head(text),
            content_length: None,
            problem: None,
        };
        if let Some(line) = lines.next() {
            head.lex_start(&bytes[line]);
        }
        let mut folded = Vec::new();
        let mut line = lines.next();
        while let Some(first) = line {
            folded.clear();
            line = lines.next();
            while let Some(fold) =
                line.clone().filter(|line| matches!(bytes.get(line.start), Some(b' ' | b'\t')))
            {
                if folded.is_empty() {
                    folded.extend_from_slice(&bytes[first.clone()]);
                }
                folded.push(b' ');
                folded.extend_from_slice(trim(&bytes[fold]));
                line = lines.next();
            }
            let lexed = if folded.is_empty() {
                head.lex_header(&bytes[first.clone()], Some(first.start))
            } else {
                head.lex_header(&folded, None)
            };
            if let Err(problem) = lexed {
                head.fail(problem);
            }
        }
        head
    }

    /// Remembers the first problem; a fatal one outweighs.
    pub(crate) fn fail(&mut self, problem: Problem) {
        match &mut self.problem {
            None => self.problem = Some(problem),
            Some(first) => first.fatal |= problem.fatal,
        }
    }

    fn lex_start(&mut self, line: &[u8]) {
        if !is_text(line) {
            self.fail(Problem::fatal(400, "control character"));
        }
        let text = std::str::from_utf8(line).map_or_else(|_| Cow::Owned(latin1(line)), Cow::Borrowed);
        let text = &*text;
        if text.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("SIP/")) {
            self.lex_status_line(text);
        } else {
            self.lex_request_line(text);
        }
    }

    fn lex_status_line(&mut self, text: &str) {
        let mut parts = text.splitn(3, ' ');
        let version = parts.next().unwrap_or("");
        let status = parts.next().filter(|status| status.len() == 3).and_then(scan::digits::<u16>);
        let status = status.filter(|status| (100..700).contains(status));
        let reason = parts.next().unwrap_or("").replace(|c: char| c.is_ascii_control(), " ");
        match status {
            Some(status) if is_our_version(version) => self.start = Start::Response { status, reason },
            _ => self.fail(Problem::new(400, "status line")),
        }
    }

    /// `Method SP Request-URI SP SIP-Version`. Trailing space is dropped (RFC 4475, trws); any other space too
    /// many leaves it open where the URI ends.
    fn lex_request_line(&mut self, text: &str) {
        let parts: Vec<&str> = text.trim_end_matches(' ').split(' ').collect();
        let token = parts[0];
        if !scan::is_token(token) {
            return self.fail(Problem::new(400, "request line"));
        }
        let method = method_from_token(token);
        let mut uri = None;
        match parts[..] {
            [_, text, version] if is_our_version(version) => {
                if text.len() > MAX_URI {
                    self.fail(Problem::new(414, "Request-URI too long"));
                } else {
                    uri = Uri::parse(text).ok().filter(|uri| !has_headers(uri));
                }
            }
            [.., version] if parts.len() > 2 && is_foreign_version(version) => {
                self.fail(Problem::new(505, "SIP version"));
            }
            _ => {}
        }
        if uri.is_none() {
            self.fail(Problem::new(400, "request line"));
        }
        if method.is_none() {
            self.fail(Problem::new(501, "unknown method"));
        }
        self.start = Start::Request { method, uri, is_ack: method == Some(Method::Ack) };
    }

    /// `at` is where the line stands in the head, unless it was folded.
    fn lex_header(&mut self, line: &[u8], at: Option<usize>) -> Result<(), Problem> {
        if line.len() > MAX_LINE {
            return Err(Problem::fatal(513, "header too long"));
        }
        let colon = memchr(b':', line).ok_or(Problem::fatal(400, "header without colon"))?;
        let name = std::str::from_utf8(&line[..colon]).map_or("", |name| name.trim_end_matches([' ', '\t']));
        if !scan::is_token(name) {
            return Err(Problem::fatal(400, "header name"));
        }
        let name = Name::from_token(name);
        let place = trimmed(line, colon + 1..line.len());
        let value = &line[place.clone()];
        if !is_text(value) {
            return Err(Problem::fatal(400, "control character"));
        }
        if name == Name::ContentLength {
            return self.lex_content_length(value);
        }
        if name.is_single() && self.headers.has(&name) {
            return Err(Problem::new(400, "header twice that may stand once"));
        }
        if !name.is_split() {
            return self.push(name, line, place, at);
        }
        match scan::split_ranges(value, b',') {
            Ok(parts) => parts.into_iter().try_for_each(|part| {
                let part = trimmed(line, place.start + part.start..place.start + part.end);
                self.push(name.clone(), line, part, at)
            }),
            Err(malformed) if self.needs(&name) => Err(malformed.into()),
            // Whoever wants it will find it malformed; the rest of the request is none the worse.
            Err(_) => self.push(name, line, place, at),
        }
    }

    /// Whether the message cannot be acted upon if this header cannot be read. Of a response only `Via` is such a one: a 2xx
    /// that was passed over would leave somebody who has answered on the telephone with nobody.
    fn needs(&self, name: &Name) -> bool {
        match self.start {
            Start::Response { .. } => *name == Name::Via,
            Start::Request { .. } | Start::Unreadable => name.is_routing(),
        }
    }

    fn push(
        &mut self,
        name: Name,
        line: &[u8],
        value: Range<usize>,
        at: Option<usize>,
    ) -> Result<(), Problem> {
        if self.headers.len() >= MAX_HEADERS {
            return Err(Problem::fatal(513, "too many headers"));
        }
        let place = at.map(|at| at + value.start..at + value.end);
        self.headers.push_wire(name, &line[value], place);
        Ok(())
    }

    /// Digits and nothing else, and only once, even if twice the same: whoever sits between the peer and us must
    /// not be able to read another length than we do.
    fn lex_content_length(&mut self, value: &[u8]) -> Result<(), Problem> {
        if self.content_length.is_some() {
            return Err(Problem::fatal(400, "Content-Length twice"));
        }
        let length = std::str::from_utf8(value).ok().and_then(scan::digits);
        self.content_length = Some(length.ok_or(Problem::fatal(400, "Content-Length"))?);
        Ok(())
    }
}

/// The lines of a head, each without its CRLF; the last may lack it.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Iterator for Lines<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        let rest = self.bytes.get(start..).filter(|rest| !rest.is_empty())?;
        let end = match find_crlf(rest) {
            Some(end) => {
                self.at = start + end + 2;
                start + end
            }
            None => {
                self.at = self.bytes.len();
                self.bytes.len()
            }
        };
        Some(start..end)
    }
}

fn find_crlf(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr(b'\r', bytes.get(from..)?)?;
        if bytes.get(at + 1) == Some(&b'\n') {
            return Some(at);
        }
        from = at + 1;
    }
}

/// No control character but a tab, unless a backslash before it makes it part of a quoted pair (RFC 4475, intmeth
/// has NUL and BEL so). CR and LF are refused even then: bare ones end no line here, but might elsewhere.
fn is_text(value: &[u8]) -> bool {
    value.iter().enumerate().all(|(at, byte)| match byte {
        b'\t' => true,
        b'\r' | b'\n' => false,
        byte if byte.is_ascii_control() => at > 0 && value[at - 1] == b'\\',
        _ => true,
    })
}

fn trim(bytes: &[u8]) -> &[u8] {
    &bytes[trimmed(bytes, 0..bytes.len())]
}

/// That part of `bytes` without outer space.
fn trimmed(bytes: &[u8], mut part: Range<usize>) -> Range<usize> {
    let is_space = |at: usize| matches!(bytes.get(at), Some(b' ' | b'\t'));
    while part.start < part.end && is_space(part.start) {
        part.start += 1;
    }
    while part.start < part.end && is_space(part.end - 1) {
        part.end -= 1;
    }
    part
}

/// `?Route=…` may not stand in a Request-URI (RFC 3261 §19.1.1, table 1; RFC 4475, escruri).
fn has_headers(uri: &Uri) -> bool {
    uri.as_sip().is_some_and(|sip| !sip.headers.is_empty())
}

fn is_our_version(text: &str) -> bool {
    text.eq_ignore_ascii_case("SIP/2.0")
}

/// `SIP/7.0`: the protocol, in a version that is not ours.
fn is_foreign_version(text: &str) -> bool {
    let version = text.get(..4).filter(|name| name.eq_ignore_ascii_case("SIP/")).map(|_| &text[4..]);
    version.and_then(|version| version.split_once('.')).is_some_and(|(major, minor)| {
        !is_our_version(text) && [major, minor].iter().all(|n| scan::digits::<u32>(n).is_some())
    })
}
