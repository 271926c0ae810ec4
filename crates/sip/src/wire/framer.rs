//! Messages out of a stream (RFC 3261 §18.3), with the lexer that reads datagrams.

use bytes::Bytes;

use super::Message;
use super::check::judge;
use super::error::ParseError;
use super::lexer::{Head, Problem, find_head_end, unended};
use super::limits::{MAX_HEAD, MAX_MESSAGE};

/// Cuts a TCP or TLS stream into messages. However the bytes come in, the messages are the same, and each byte is
/// looked at once.
///
/// After every [`push`](Self::push), call [`next`](Self::next) until `None`: what then stays buffered is at most
/// one unfinished message, of at most [`MAX_MESSAGE`] bytes.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Where the current message starts in `buffer`.
    start: usize,
    stage: Stage,
    /// CRLFs since the last message or ping.
    crlfs: u8,
    pings: u32,
}

#[derive(Debug)]
enum Stage {
    /// Looking for the blank line; the first `scanned` bytes have none.
    Head { scanned: usize },
    /// Waiting until the whole message, of `len` bytes, is here.
    Body { head: Box<Head>, head_len: usize, len: usize },
    /// After a fatal error.
    Broken,
}

impl Default for Stage {
    fn default() -> Self {
        Self::Head { scanned: 0 }
    }
}

impl Framer {
    /// At the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        if !matches!(self.stage, Stage::Broken) {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next message or refusal; `None` until more is pushed. After a fatal error there is nothing more.
    #[expect(clippy::should_implement_trait, reason = "`None` is not the end: more may be pushed")]
    pub fn next(&mut self) -> Option<Result<Message, ParseError>> {
        let result = match std::mem::take(&mut self.stage) {
            Stage::Head { scanned } => self.read_head(scanned),
            Stage::Body { head, head_len, len } => self.read_body(*head, head_len, len),
            Stage::Broken => {
                self.stage = Stage::Broken;
                None
            }
        };
        if result.is_none() {
            self.compact();
        }
        result
    }

    /// How many keep-alive pings (CRLF CRLF between messages) came since the last call: each wants a CRLF back
    /// (RFC 5626 §4.4.1).
    pub fn take_pings(&mut self) -> u32 {
        std::mem::take(&mut self.pings)
    }

    /// Whether a message has begun that has not ended. True of nothing but what came since the last call of
    /// [`next`](Self::next) that gave `None`.
    #[must_use]
    pub fn is_midway(&self) -> bool {
        self.start < self.buffer.len()
    }

    fn read_head(&mut self, scanned: usize) -> Option<Result<Message, ParseError>> {
        if scanned == 0 {
            self.skip_crlfs();
        }
        let bytes = &self.buffer[self.start..];
        if bytes.is_empty() || bytes == b"\r" {
            return None;
        }
        let Some(head_len) = find_head_end(bytes, scanned) else {
            if bytes.len() >= MAX_HEAD {
                let mut head = Head::lex(&bytes[..MAX_HEAD]);
                head.fail(unended(MAX_HEAD));
                return self.finish(head, 0, 0);
            }
            // The blank line's last three bytes may still come.
            self.stage = Stage::Head { scanned: bytes.len().saturating_sub(3) };
            return None;
        };
        let mut head = Head::lex(&bytes[..head_len]);
        let Some(body) = head.content_length else {
            // §20.14: it must be there on a stream.
            head.fail(Problem::fatal(400, "missing Content-Length"));
            return self.finish(head, 0, 0);
        };
        let head_len = head_len + 2;
        if body > MAX_MESSAGE - head_len {
            head.fail(Problem::fatal(513, "message too large"));
        }
        if head.problem.is_some_and(|problem| problem.fatal) {
            return self.finish(head, 0, 0);
        }
        self.read_body(head, head_len, head_len + body)
    }

    fn read_body(&mut self, head: Head, head_len: usize, len: usize) -> Option<Result<Message, ParseError>> {
        if self.buffer.len() - self.start < len {
            self.stage = Stage::Body { head: Box::new(head), head_len, len };
            return None;
        }
        self.finish(head, head_len, len)
    }

    fn finish(&mut self, head: Head, head_len: usize, len: usize) -> Option<Result<Message, ParseError>> {
        let body = Bytes::copy_from_slice(&self.buffer[self.start + head_len..self.start + len]);
        self.start += len;
        self.crlfs = 0;
        let result = judge(head, body);
        if result.as_ref().is_err_and(|error| error.fatal) {
            self.stage = Stage::Broken;
            self.buffer = Vec::new();
            self.start = 0;
        } else {
            self.stage = Stage::default();
        }
        Some(result)
    }

    /// CRLFs before a start line are keep-alives or a sloppy peer's (§7.5).
    fn skip_crlfs(&mut self) {
        while self.buffer[self.start..].starts_with(b"\r\n") {
            self.start += 2;
            self.crlfs += 1;
            if self.crlfs == 2 {
                self.crlfs = 0;
                self.pings = self.pings.saturating_add(1);
            }
        }
    }

    /// Gives back the room of messages that are done with, once they are half of the buffer: so each byte is moved
    /// once at most, and the buffer stays below twice what is unfinished.
    fn compact(&mut self) {
        if self.start * 2 >= self.buffer.len() {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP c;branch=z9hG4bK1\r\nFrom: <sip:a@c>;tag=1\r\n\
        To: <sip:h>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 100\r\n\r\n";

    /// A peer that never lets the buffer run empty must not make it grow.
    #[test]
    fn the_buffer_holds_one_message_not_the_connection() {
        let wire = format!("{MESSAGE}{}", "x".repeat(100)).repeat(2000);
        let mut framer = Framer::new();
        let mut messages = 0;
        for chunk in wire.as_bytes().chunks(331) {
            framer.push(chunk);
            while let Some(result) = framer.next() {
                assert!(result.is_ok());
                messages += 1;
            }
            assert!(framer.buffer.len() < 1500, "{}", framer.buffer.len());
        }
        assert_eq!(messages, 2000);
    }

    #[test]
    fn after_a_fatal_error_nothing_is_kept() {
        let mut framer = Framer::new();
        framer.push(b"nonsense\r\n\r\n");
        assert!(framer.next().is_some_and(|result| result.is_err_and(|error| error.fatal)));
        framer.push(&[0; 100_000]);
        assert_eq!(framer.next(), None);
        assert!(framer.buffer.is_empty());
    }
}
