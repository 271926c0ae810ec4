//! The ordered list of a message's headers.

use std::fmt;

use super::Name;

/// Headers in their order. Comma-separated `Via`, `Route`, `Record-Route`, `Contact`, `Path`, `Service-Route`,
/// `P-Asserted-Identity` and `Diversion` stand as one entry per value. There is no `Content-Length`: the body's
/// length is the truth, and printing writes it.
///
/// Typed reading is in `access.rs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Name, Value)>);

/// A header's text without folds and outer space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    text: Box<str>,
    /// The bytes on the wire, where they were no UTF-8; `text` then reads them as Latin-1.
    latin1: Option<Box<[u8]>>,
}

impl Headers {
    /// No headers.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The first value of that name, as text.
    #[must_use]
    pub fn first(&self, name: &Name) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &*value.text)
    }

    /// Every value of that name, in order.
    pub fn all<'a>(&'a self, name: &Name) -> impl DoubleEndedIterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| &*value.text)
    }

    /// Every header in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Name, &str)> {
        self.0.iter().map(|(name, value)| (name, &*value.text))
    }

    /// Whether a header of that name is there.
    #[must_use]
    pub fn has(&self, name: &Name) -> bool {
        self.first(name).is_some()
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a header at the end. Control characters in the text become spaces: no value can start another header.
    pub fn push(&mut self, name: Name, value: &(impl fmt::Display + ?Sized)) {
        self.0.push((name, Value::new(value)));
    }

    /// Adds a header before all others (`Via`, `Route`, `Record-Route`).
    pub fn push_front(&mut self, name: Name, value: &(impl fmt::Display + ?Sized)) {
        self.0.insert(0, (name, Value::new(value)));
    }

    /// Makes `value` the only one of that name, in the place of the first.
    pub fn set(&mut self, name: Name, value: &(impl fmt::Display + ?Sized)) {
        let value = Value::new(value);
        match self.0.iter().position(|(known, _)| *known == name) {
            None => self.0.push((name, value)),
            Some(first) => {
                let mut at = 0;
                self.0.retain(|(known, _)| {
                    at += 1;
                    at - 1 == first || *known != name
                });
                self.0[first].1 = value;
            }
        }
    }

    /// Replaces the first value of that name and leaves the rest; does nothing if there is none.
    pub fn set_first(&mut self, name: &Name, value: &(impl fmt::Display + ?Sized)) {
        if let Some((_, slot)) = self.0.iter_mut().find(|(known, _)| known == name) {
            *slot = Value::new(value);
        }
    }

    /// Removes every header of that name.
    pub fn remove(&mut self, name: &Name) {
        self.0.retain(|(known, _)| known != name);
    }

    /// Removes the first header of that name.
    pub fn remove_first(&mut self, name: &Name) {
        if let Some(at) = self.0.iter().position(|(known, _)| known == name) {
            self.0.remove(at);
        }
    }

    /// Copies every value of that name from `other`, byte for byte, after those that are here.
    pub fn copy(&mut self, other: &Self, name: &Name) {
        self.0.extend(other.0.iter().filter(|(known, _)| known == name).cloned());
    }

    /// Copies the first value of that name from `other`, byte for byte.
    pub fn copy_first(&mut self, other: &Self, name: &Name) {
        self.0.extend(other.0.iter().find(|(known, _)| known == name).cloned());
    }

    pub(crate) fn push_value(&mut self, name: Name, value: Value) {
        self.0.push((name, value));
    }

    /// `Name: value` lines, without `Content-Length` and the blank line.
    pub(crate) fn print(&self, out: &mut Vec<u8>) {
        for (name, value) in self.0.iter().filter(|(name, _)| *name != Name::ContentLength) {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

impl Value {
    fn new(value: &(impl fmt::Display + ?Sized)) -> Self {
        let mut text = value.to_string();
        if text.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
            text = text.chars().map(|c| if c.is_ascii_control() { ' ' } else { c }).collect();
        }
        Self { text: text.trim_matches([' ', '\t']).into(), latin1: None }
    }

    /// From the lexer: unfolded and trimmed bytes without CR or LF.
    pub(crate) fn from_wire(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self { text: text.into(), latin1: None },
            Err(_) => Self {
                text: bytes.iter().copied().map(char::from).collect::<String>().into(),
                latin1: Some(bytes.into()),
            },
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn as_bytes(&self) -> &[u8] {
        self.latin1.as_deref().unwrap_or(self.text.as_bytes())
    }
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
        let value = Value::from_wire(b"Ren\xe9");
        assert_eq!(value.text(), "René");
        assert_eq!(value.as_bytes(), b"Ren\xe9");
    }
}
