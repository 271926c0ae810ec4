//! One INVITE over a trunk: who it goes to and who it comes from, in the carrier's own spelling.

use std::net::SocketAddr;
use std::time::Duration;

use havre_model::TrunkId;

use crate::config::{Config, NumberFormat, Outbound, Peer};
use crate::endpoint::{Account, Path, Transport};
use crate::wire::{Host, NameAddr, SipUri, Uri};

/// What is tried, and how long.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) trunk: TrunkId,
    pub(crate) uri: Uri,
    pub(crate) path: Path,
    pub(crate) from: NameAddr,
    pub(crate) manners: Manners,
    pub(crate) account: Option<Account>,
    /// To the first provisional response.
    pub(crate) answer_within: Duration,
    /// From there until it rings.
    pub(crate) ring_within: Duration,
}

/// What an INVITE says beside whom it goes to and comes from.
#[derive(Clone, Debug)]
pub(crate) struct Manners {
    /// `P-Asserted-Identity`.
    pub(crate) asserted: Option<NameAddr>,
    pub(crate) reliable: bool,
    pub(crate) session_timer: bool,
}

impl Default for Manners {
    fn default() -> Self {
        Self { asserted: None, reliable: true, session_timer: true }
    }
}

impl Attempt {
    /// A call to `number` in the name of `line`, a number of our own.
    pub(crate) fn new(
        config: &Config,
        trunk: TrunkId,
        outbound: &Outbound,
        path: Path,
        number: &str,
        line: &str,
    ) -> Self {
        let (host, port) = peer_host(outbound, path.remote);
        let uri = spelt(outbound, number, host, port, path.transport);
        let ours = match &outbound.from {
            Some(host) => Host::parse(host).ok(),
            None => Host::parse(&config.server_name).ok(),
        };
        let ours = ours.unwrap_or_else(|| Host::Ip(config.advertise(path.local).ip()));
        let from = NameAddr::new(spelt(outbound, line, ours, None, Transport::Udp));
        Self {
            trunk,
            uri,
            path,
            manners: Manners {
                asserted: outbound.asserted.then(|| from.clone()),
                reliable: outbound.reliable,
                session_timer: outbound.session_timer,
            },
            from,
            account: outbound.account.clone(),
            answer_within: outbound.answer_within,
            ring_within: outbound.ring_within,
        }
    }
}

/// The host and port of a Request-URI to this peer: its name, where it has one.
pub(crate) fn peer_host(outbound: &Outbound, remote: SocketAddr) -> (Host, Option<u16>) {
    match &outbound.peer {
        Peer::Name(name, port) => (Host::parse(name).unwrap_or(Host::Ip(remote.ip())), *port),
        Peer::At(at) => {
            let usual = usual_port(outbound.transport.unwrap_or(Transport::Udp));
            (Host::Ip(at.ip()), (at.port() != usual).then_some(at.port()))
        }
    }
}

/// The port where nobody names one (RFC 3261 §18.1).
pub(crate) const fn usual_port(transport: Transport) -> u16 {
    match transport {
        Transport::Tls => 5061,
        Transport::Udp | Transport::Tcp | Transport::Ws | Transport::Wss => 5060,
    }
}

/// Writes the transport into a URI, where it is not the usual one. `;transport=tls` is deprecated (RFC 3261 §26.2.2), and
/// what carriers go by: `sips:` would ask for TLS on hops that are not ours (RFC 5630 §3.1.3).
pub(crate) fn say_transport(uri: &mut SipUri, transport: Transport) {
    match transport {
        Transport::Tcp => uri.params.set("transport", "tcp"),
        Transport::Tls => uri.params.set("transport", "tls"),
        Transport::Udp | Transport::Ws | Transport::Wss => {}
    }
}

fn spelt(outbound: &Outbound, number: &str, host: Host, port: Option<u16>, transport: Transport) -> Uri {
    let mut sip = SipUri::new(Some(&outbound.numbers.write(number)), host, port);
    say_transport(&mut sip, transport);
    if outbound.user_phone {
        sip.params.set("user", "phone");
    }
    Uri::Sip(sip)
}

impl NumberFormat {
    /// A number in E.164 as this carrier writes it.
    pub(crate) fn write(&self, number: &str) -> String {
        let digits = number.strip_prefix('+').unwrap_or(number);
        match self {
            Self::E164 => number.to_owned(),
            Self::National => match digits.strip_prefix('1') {
                Some(ten) if ten.len() == 10 => ten.to_owned(),
                _ if number.starts_with('+') => format!("011{digits}"),
                // A short code.
                _ => digits.to_owned(),
            },
            Self::Prefix(prefix) => format!("{prefix}{digits}"),
        }
    }
}

/// The way to a peer, from our listener of its family.
pub(crate) fn path_to(config: &Config, transport: Transport, remote: SocketAddr) -> Option<Path> {
    let listeners = if transport == Transport::Tls { &config.listeners_tls } else { &config.listeners };
    let local = listeners.iter().find(|local| local.is_ipv4() == remote.is_ipv4())?;
    Some(Path { transport, local: *local, remote, flow: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_each_carrier_wants_them() {
        let national = NumberFormat::National;
        assert_eq!(national.write("+15145550123"), "5145550123");
        assert_eq!(national.write("+442071838750"), "011442071838750");
        assert_eq!(national.write("911"), "911");
        assert_eq!(NumberFormat::Prefix("9#".to_owned()).write("+15145550123"), "9#15145550123");
        assert_eq!(NumberFormat::E164.write("+15145550123"), "+15145550123");
    }
}
