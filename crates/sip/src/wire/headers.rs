//! The ordered list of a message's headers.

use std::cell::OnceCell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::error::Malformed;
use super::{CSeq, Name, NameAddr, Via};

/// Headers in their order. Comma-separated `Via`, `Route`, `Record-Route`, `Contact`, `Path`, `Service-Route`,
/// `P-Asserted-Identity` and `Diversion` stand as one entry per value. There is no `Content-Length`: the body's
/// length is the truth, and printing writes it.
///
/// The values of a message that was read stay where they stand in its head, which is shared with whatever copies them;
/// what every message must have is read once. Typed reading is in `access.rs`.
#[derive(Clone, Default)]
pub struct Headers {
    head: Option<Arc<str>>,
    entries: Vec<(Name, Value)>,
    read: Read,
}

/// A header's text without folds and outer space.
#[derive(Clone)]
enum Value {
    /// Stands in the head.
    Piece {
        start: u32,
        end: u32,
    },
    Own(Box<str>),
    /// Was no UTF-8 on the wire; `text` reads it as Latin-1.
    Latin1 {
        text: Box<str>,
        wire: Box<[u8]>,
    },
}

/// Typed values that were asked for already.
#[derive(Clone, Default)]
struct Read {
    via: OnceCell<Box<Via>>,
    from: OnceCell<Box<NameAddr>>,
    to: OnceCell<Box<NameAddr>>,
    cseq: OnceCell<CSeq>,
}

impl Headers {
    /// No headers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Of a message whose head this is, if it is UTF-8.
    pub(crate) fn of_head(head: Option<Arc<str>>) -> Self {
        // Most have 10 to 20.
        Self { head, entries: Vec::with_capacity(24), read: Read::default() }
    }

    /// The first value of that name, as text.
    #[must_use]
    pub fn first(&self, name: &Name) -> Option<&str> {
        self.entries.iter().find(|(known, _)| known == name).map(|(_, value)| self.text(value))
    }

    /// Every value of that name, in order.
    pub fn all<'a>(&'a self, name: &Name) -> impl DoubleEndedIterator<Item = &'a str> {
        self.entries.iter().filter(move |(known, _)| known == name).map(|(_, value)| self.text(value))
    }

    /// Every header in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Name, &str)> {
        self.entries.iter().map(|(name, value)| (name, self.text(value)))
    }

    /// Whether a header of that name is there.
    #[must_use]
    pub fn has(&self, name: &Name) -> bool {
        self.entries.iter().any(|(known, _)| known == name)
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a header at the end. Control characters in the text become spaces: no value can start another header.
    pub fn push(&mut self, name: Name, value: &(impl fmt::Display + ?Sized)) {
        self.entries.push((name, Value::own(value)));
    }

    /// Adds a header before all others (`Via`, `Route`, `Record-Route`).
    pub fn push_front(&mut self, name: Name, value: &(impl fmt::Display + ?Sized)) {
        self.read.forget(&name);
        self.entries.insert(0, (name, Value::own(value)));
    }

    /// Makes `value` the only one of that name, in the place of the first.
    pub fn set(&mut self, name: Name, value: &(impl fmt::Display + ?Sized)) {
        self.read.forget(&name);
        let value = Value::own(value);
        match self.entries.iter().position(|(known, _)| *known == name) {
            None => self.entries.push((name, value)),
            Some(first) => {
                let mut at = 0;
                self.entries.retain(|(known, _)| {
                    at += 1;
                    at - 1 == first || *known != name
                });
                self.entries[first].1 = value;
            }
        }
    }

    /// Replaces the first value of that name and leaves the rest; does nothing if there is none.
    pub fn set_first(&mut self, name: &Name, value: &(impl fmt::Display + ?Sized)) {
        self.read.forget(name);
        if let Some((_, slot)) = self.entries.iter_mut().find(|(known, _)| known == name) {
            *slot = Value::own(value);
        }
    }

    /// Removes every header of that name.
    pub fn remove(&mut self, name: &Name) {
        self.read.forget(name);
        self.entries.retain(|(known, _)| known != name);
    }

    /// Removes the first header of that name.
    pub fn remove_first(&mut self, name: &Name) {
        self.read.forget(name);
        if let Some(at) = self.entries.iter().position(|(known, _)| known == name) {
            self.entries.remove(at);
        }
    }

    /// Copies every value of that name from `other`, byte for byte, after those that are here.
    pub fn copy(&mut self, other: &Self, name: &Name) {
        for (name, value) in other.entries.iter().filter(|(known, _)| known == name) {
            self.copy_value(other, name, value);
        }
    }

    /// Copies the first value of that name from `other`, byte for byte.
    pub fn copy_first(&mut self, other: &Self, name: &Name) {
        if let Some((name, value)) = other.entries.iter().find(|(known, _)| known == name) {
            self.copy_value(other, name, value);
        }
    }

    /// Replaces the first `Via`.
    pub(super) fn set_top_via(&mut self, via: Via) {
        self.set_first(&Name::Via, &via);
        self.read.via = Box::new(via).into();
    }

    /// `Via`, read once.
    pub(super) fn read_via(&self) -> Result<&Via, Malformed> {
        self.once(&self.read.via, &Name::Via, "Via", Via::parse)
    }

    /// `From`, read once.
    pub(super) fn read_from(&self) -> Result<&NameAddr, Malformed> {
        self.once(&self.read.from, &Name::From, "From", NameAddr::parse)
    }

    /// `To`, read once.
    pub(super) fn read_to(&self) -> Result<&NameAddr, Malformed> {
        self.once(&self.read.to, &Name::To, "To", NameAddr::parse)
    }

    /// `CSeq`, read once.
    pub(super) fn read_cseq(&self) -> Result<CSeq, Malformed> {
        if let Some(cseq) = self.read.cseq.get() {
            return Ok(*cseq);
        }
        let cseq = CSeq::parse(self.first(&Name::CSeq).ok_or(Malformed("CSeq"))?)?;
        Ok(*self.read.cseq.get_or_init(|| cseq))
    }

    fn once<'a, T>(
        &'a self,
        cell: &'a OnceCell<Box<T>>,
        name: &Name,
        what: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Malformed>,
    ) -> Result<&'a T, Malformed> {
        if let Some(known) = cell.get() {
            return Ok(known);
        }
        let parsed = parse(self.first(name).ok_or(Malformed(what))?)?;
        Ok(cell.get_or_init(|| Box::new(parsed)))
    }

    /// From the lexer: unfolded and trimmed bytes without CR or LF. `place` is where they stand in the head.
    pub(crate) fn push_wire(&mut self, name: Name, bytes: &[u8], place: Option<Range<usize>>) {
        let piece = place.filter(|_| self.head.is_some()).and_then(|place| {
            Some(Value::Piece { start: place.start.try_into().ok()?, end: place.end.try_into().ok()? })
        });
        self.entries.push((name, piece.unwrap_or_else(|| Value::from_wire(bytes))));
    }

    /// `Name: value` lines, without `Content-Length` and the blank line.
    pub(crate) fn print(&self, out: &mut Vec<u8>) {
        for (name, value) in self.entries.iter().filter(|(name, _)| *name != Name::ContentLength) {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(self.bytes(value));
            out.extend_from_slice(b"\r\n");
        }
    }

    /// How many bytes [`Self::print`] writes, or a few more.
    pub(crate) fn printed_len(&self) -> usize {
        self.entries.iter().map(|(name, value)| name.as_str().len() + self.bytes(value).len() + 4).sum()
    }

    fn copy_value(&mut self, other: &Self, name: &Name, value: &Value) {
        if self.head.is_none() && self.entries.is_empty() {
            self.head.clone_from(&other.head);
            self.entries.reserve(12);
        }
        let shared = match (&self.head, &other.head) {
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
            _ => false,
        };
        let value = match value {
            Value::Piece { .. } if !shared => Value::Own(other.text(value).into()),
            value => value.clone(),
        };
        self.entries.push((name.clone(), value));
    }

    fn text<'a>(&'a self, value: &'a Value) -> &'a str {
        match value {
            Value::Piece { start, end } => {
                let head = self.head.as_deref().unwrap_or("");
                head.get(*start as usize..*end as usize).unwrap_or("")
            }
            Value::Own(text) | Value::Latin1 { text, .. } => text,
        }
    }

    fn bytes<'a>(&'a self, value: &'a Value) -> &'a [u8] {
        match value {
            Value::Latin1 { wire, .. } => wire,
            value => self.text(value).as_bytes(),
        }
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        let bytes = |(mine, theirs): (&(Name, Value), &(Name, Value))| {
            mine.0 == theirs.0 && self.bytes(&mine.1) == other.bytes(&theirs.1)
        };
        self.len() == other.len() && self.entries.iter().zip(&other.entries).all(bytes)
    }
}

impl Eq for Headers {}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Read {
    /// The first value of that name is another.
    fn forget(&mut self, name: &Name) {
        match name {
            Name::Via => self.via = OnceCell::new(),
            Name::From => self.from = OnceCell::new(),
            Name::To => self.to = OnceCell::new(),
            Name::CSeq => self.cseq = OnceCell::new(),
            _ => {}
        }
    }
}

impl Value {
    fn own(value: &(impl fmt::Display + ?Sized)) -> Self {
        let mut text = value.to_string();
        if text.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
            text = text.chars().map(|c| if c.is_ascii_control() { ' ' } else { c }).collect();
        }
        let trimmed = text.trim_matches([' ', '\t']);
        Self::Own(if trimmed.len() == text.len() { text.into_boxed_str() } else { trimmed.into() })
    }

    fn from_wire(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Own(text.into()),
            Err(_) => Self::Latin1 { text: latin1(bytes).into(), wire: bytes.into() },
        }
    }
}

/// What bytes that are no UTF-8 are taken for.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_keeps_the_place_and_drops_the_rest() {
        let mut headers = Headers::new();
        for (name, value) in [(Name::Via, "a"), (Name::To, "t"), (Name::Via, "b")] {
            headers.push(name, value);
        }
        headers.set(Name::Via, "c");
        let all: Vec<_> = headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(all, ["Via=c", "To=t"]);
    }

    #[test]
    fn a_value_can_not_start_another_header() {
        let mut headers = Headers::new();
        headers.push(Name::Subject, "x\r\nRoute: <sip:evil>\0");
        let mut out = Vec::new();
        headers.print(&mut out);
        assert_eq!(out, b"Subject: x  Route: <sip:evil>\r\n");
    }

    #[test]
    fn latin1_is_read_and_kept() {
        let mut headers = Headers::new();
        headers.push_wire(Name::Subject, b"Ren\xe9", None);
        assert_eq!(headers.first(&Name::Subject), Some("René"));
        let mut out = Vec::new();
        headers.print(&mut out);
        assert_eq!(out, b"Subject: Ren\xe9\r\n");
    }

    #[test]
    fn what_was_read_once_is_read_again_after_it_was_changed() {
        let mut headers = Headers::new();
        headers.push(Name::To, "<sip:a@h>");
        assert_eq!(headers.to().unwrap().tag(), None);
        headers.set_first(&Name::To, "<sip:a@h>;tag=1");
        assert_eq!(headers.to().unwrap().tag(), Some("1"));
        headers.push(Name::CSeq, "1 BYE");
        assert_eq!(headers.cseq().unwrap().seq, 1);
        headers.set(Name::CSeq, "2 BYE");
        assert_eq!(headers.cseq().unwrap().seq, 2);
        headers.push(Name::Via, "SIP/2.0/UDP a;branch=z9hG4bK1");
        assert_eq!(headers.via_top().unwrap().branch(), Some("z9hG4bK1"));
        headers.push_front(Name::Via, "SIP/2.0/UDP b;branch=z9hG4bK2");
        assert_eq!(headers.via_top().unwrap().branch(), Some("z9hG4bK2"));
        headers.remove_first(&Name::Via);
        assert_eq!(headers.via_top().unwrap().branch(), Some("z9hG4bK1"));
        headers.remove(&Name::Via);
        assert!(headers.via_top().is_err());
    }

    #[test]
    fn values_of_two_heads_meet() {
        let mut one = Headers::of_head(Some("To: a".into()));
        one.push_wire(Name::To, b"a", Some(4..5));
        let mut two = Headers::of_head(Some("From: bcd".into()));
        two.push_wire(Name::From, b"bcd", Some(6..9));
        let mut both = Headers::new();
        both.copy_first(&one, &Name::To);
        both.copy(&two, &Name::From);
        let all: Vec<_> = both.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(all, ["To=a", "From=bcd"]);
    }
}
