//! DNS: one question at a time to the servers of the house. What the answers mean, and how long they hold, is `sip`'s.

mod message;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use havre_sip::{Answer, Question};
use havre_switch::Input;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::control::Core;
use message::Reading;

/// Longest wait for one server's answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Each server is asked so often.
const ROUNDS: usize = 2;
/// Servers that are asked at all.
const MAX_SERVERS: usize = 3;

/// Asks, and says what came of it.
pub(crate) async fn resolve(core: Rc<Core>, servers: Rc<[SocketAddr]>, question: Question) {
    let answer = ask_all(&servers, &question).await;
    core.step(Input::Resolved { question, answer });
}

async fn ask_all(servers: &[SocketAddr], question: &Question) -> Option<Answer> {
    for _ in 0..ROUNDS {
        for server in servers.iter().take(MAX_SERVERS) {
            if let Ok(Some(answer)) = timeout(PATIENCE, ask(*server, question)).await {
                return Some(answer);
            }
        }
    }
    None
}

/// From a port of its own each time: whoever forges an answer has to guess the port, too.
async fn ask(server: SocketAddr, question: &Question) -> Option<Answer> {
    let id = rand::random();
    let query = message::ask(id, question)?;
    let any: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await.ok()?;
    socket.connect(server).await.ok()?;
    socket.send(&query).await.ok()?;
    let mut buffer = [0; message::MAX_DATAGRAM as usize];
    loop {
        let length = socket.recv(&mut buffer).await.ok()?;
        match message::read(&buffer[..length], id, question) {
            Reading::Answer(answer) => return Some(answer),
            Reading::Truncated => return ask_over_tcp(server, id, &query, question).await,
            Reading::Failed => return None,
            // Perhaps a forged one: the true one may still come.
            Reading::Junk => {}
        }
    }
}

async fn ask_over_tcp(server: SocketAddr, id: u16, query: &[u8], question: &Question) -> Option<Answer> {
    let mut stream = TcpStream::connect(server).await.ok()?;
    let length = u16::try_from(query.len()).ok()?;
    stream.write_all(&[&length.to_be_bytes()[..], query].concat()).await.ok()?;
    let length = stream.read_u16().await.ok()?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await.ok()?;
    match message::read(&answer, id, question) {
        Reading::Answer(answer) => Some(answer),
        Reading::Truncated | Reading::Failed | Reading::Junk => None,
    }
}

/// The servers of `/etc/resolv.conf`.
#[must_use]
pub fn system_servers() -> Vec<SocketAddr> {
    std::fs::read_to_string("/etc/resolv.conf").map(|text| servers_of(&text)).unwrap_or_default()
}

fn servers_of(text: &str) -> Vec<SocketAddr> {
    let rows = text.lines().filter_map(|row| row.trim().strip_prefix("nameserver"));
    let addresses = rows.filter_map(|row| row.trim().parse::<IpAddr>().ok());
    addresses.map(|ip| SocketAddr::new(ip, 53)).take(MAX_SERVERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_servers_are_read() {
        let text =
            "# by hand\nsearch example.ca\nnameserver 192.0.2.53\n nameserver  2001:db8::53 \nnameserver x\n";
        let expected: [SocketAddr; 2] =
            ["192.0.2.53:53".parse().unwrap(), "[2001:db8::53]:53".parse().unwrap()];
        assert_eq!(servers_of(text), expected);
    }
}
