//! Just enough HTTP/1.1 to be an operator's tool: one request per connection, and an event stream.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for any answer: an API that takes longer is broken.
const LIMIT: Duration = Duration::from_secs(5);

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Header lines as they came.
    pub head: String,
    /// Body as text.
    pub body: String,
}

/// One request. `None` if nobody listens, or no answer came.
#[must_use]
pub(crate) fn request(
    to: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> Option<Reply> {
    let mut stream = connect(to)?;
    let request =
        head(to, method, path, token, &format!("Content-Length: {}\r\nConnection: close\r\n", body.len()));
    stream.write_all(format!("{request}{body}").as_bytes()).ok()?;
    let mut answer = Vec::new();
    // A server that closes with an error after a whole answer has still answered.
    let _ = stream.read_to_end(&mut answer);
    let split = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..split]).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = &answer[split + 4..];
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunk(body) } else { body.to_vec() };
    Some(Reply { status, head, body: String::from_utf8_lossy(&body).into_owned() })
}

/// A response that goes on, line by line.
pub struct Stream(BufReader<TcpStream>);

impl Stream {
    /// Asks for `path` as an event stream; `None` unless the answer is 200.
    #[must_use]
    pub fn open(to: SocketAddr, path: &str, token: Option<&str>) -> Option<Self> {
        let mut stream = connect(to)?;
        stream.write_all(head(to, "GET", path, token, "Accept: text/event-stream\r\n").as_bytes()).ok()?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if !line.contains(" 200") {
            return None;
        }
        while line.trim_end() != "" {
            line.clear();
            reader.read_line(&mut line).ok()?;
        }
        reader.get_ref().set_read_timeout(None).ok()?;
        Some(Self(reader))
    }

    /// The next line, without its end; `None` when the stream ends. Chunk sizes are lines too, and harmless.
    pub fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match self.0.read_until(b'\n', &mut line) {
            Ok(n) if n > 0 => Some(String::from_utf8_lossy(&line).trim_end().to_owned()),
            _ => None,
        }
    }
}

fn connect(to: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, LIMIT).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    Some(stream)
}

fn head(to: SocketAddr, method: &str, path: &str, token: Option<&str>, more: &str) -> String {
    let authorization = token.map(|t| format!("Authorization: Bearer {t}\r\n")).unwrap_or_default();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {to}\r\n{authorization}Content-Type: application/json\r\n{more}\r\n"
    )
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = rest.windows(2).position(|w| w == b"\r\n") {
        let size =
            std::str::from_utf8(&rest[..end]).ok().and_then(|s| usize::from_str_radix(s.trim(), 16).ok());
        let Some(size @ 1..) = size else { break };
        let from = end + 2;
        whole.extend_from_slice(&rest[from.min(rest.len())..(from + size).min(rest.len())]);
        rest = &rest[(from + size + 2).min(rest.len())..];
    }
    whole
}
