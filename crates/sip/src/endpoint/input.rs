//! What the outside tells an endpoint: bytes from the network, and commands.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use havre_model::{AgentId, CallId, Cause, Digit, FlowId, LegId, TrunkId};

use crate::config::{Config, Outside, Password};
use crate::trunk::{Answer, Question};
use crate::wire::{Replaces, Uri};

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A connection.
    Tcp,
    /// A connection that is encrypted, and whose far end is known where it showed a certificate.
    Tls,
    /// A WebSocket (RFC 7118): a browser's, behind the console's login.
    Ws,
    /// The same over TLS.
    Wss,
}

impl Transport {
    /// As logs, metrics and ladders name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// Nothing gets lost on it, and its requests are answered where they came from.
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// A browser's. It exists only as long as its connection, and nobody can open one to it.
    #[must_use]
    pub const fn is_web(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }
}

/// Whose WebSocket it is: the console has proven it. On such a connection nothing is challenged, and nothing may be
/// done in another's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowOwner {
    /// The account.
    pub agent: AgentId,
    /// Over TLS.
    pub secure: bool,
}

impl FlowOwner {
    pub(crate) const fn transport(&self) -> Transport {
        if self.secure { Transport::Wss } else { Transport::Ws }
    }
}

/// What a connection is, and what its opening proved of the far end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Plain TCP: proves nothing.
    Tcp,
    /// TLS.
    Tls {
        /// The SIP domains that the far end's verified certificate is for (RFC 5922 §7.1); none where it showed no
        /// certificate, as phones do.
        names: Vec<Box<str>>,
    },
    /// A browser's WebSocket: the console has proven whose.
    Web(FlowOwner),
}

/// What a call of ours offers: described for whoever is reached over IPv4, and over IPv6, where one address does for neither.
/// Which it is, is known only where each of its INVITEs leaves; so is over which trunk, where not all are spoken to alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialOffer(Box<Offers>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Offers {
    usual: [Bytes; 2],
    trunks: Vec<(TrunkId, [Bytes; 2])>,
}

impl DialOffer {
    /// As it reads over IPv4, and over IPv6.
    #[must_use]
    pub fn new(v4: Bytes, v6: Bytes) -> Self {
        Self(Box::new(Offers { usual: [v4, v6], trunks: Vec::new() }))
    }

    /// And as it reads over this trunk.
    #[must_use]
    pub fn over_trunk(mut self, trunk: TrunkId, v4: Bytes, v6: Bytes) -> Self {
        self.0.trunks.push((trunk, [v4, v6]));
        self
    }

    /// What goes into an INVITE that takes this path, over this trunk if it takes one.
    pub(crate) fn over(&self, path: Path, trunk: Option<&TrunkId>) -> Bytes {
        let own = self.0.trunks.iter().find(|(id, _)| Some(id) == trunk);
        let [v4, v6] = own.map_or(&self.0.usual, |(_, own)| own);
        if path.remote.ip().to_canonical().is_ipv4() { v4.clone() } else { v6.clone() }
    }
}

impl From<Bytes> for DialOffer {
    /// The same for everybody.
    fn from(sdp: Bytes) -> Self {
        Self::new(sdp.clone(), sdp)
    }
}

/// Where a message goes or came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// How.
    pub transport: Transport,
    /// Our end: the listening socket's address. For a connection that we open, the address written in Via and Contact.
    pub local: SocketAddr,
    /// The far end.
    pub remote: SocketAddr,
    /// The connection. `None` on UDP, and on TCP and TLS where none is open yet: the endpoint then asks for one.
    pub flow: Option<FlowId>,
}

impl Path {
    /// Over UDP from `local` to `remote`.
    #[must_use]
    pub const fn udp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { transport: Transport::Udp, local, remote, flow: None }
    }

    /// Over TCP to `remote`: over a connection that is open to it, or a new one.
    #[must_use]
    pub const fn tcp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { transport: Transport::Tcp, local, remote, flow: None }
    }

    /// Over TLS to `remote`: over a connection that is open to it, or a new one. `local` is our TLS listener, where
    /// there is one. The certificate there has to be for the host of the first `Route`, or of the Request-URI.
    #[must_use]
    pub const fn tls(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { transport: Transport::Tls, local, remote, flow: None }
    }
}

/// What the outside pushes in.
#[expect(clippy::large_enum_variant, reason = "made and consumed in one call, never stored")]
pub enum Input<'a> {
    /// A UDP datagram.
    Datagram {
        /// The socket it arrived on.
        local: SocketAddr,
        /// Who sent it.
        source: SocketAddr,
        /// All of it.
        bytes: &'a [u8],
    },
    /// A connection is open: accepted by the shell under an id of its own, or opened for `Output::Connect`.
    Connected {
        /// Its id. The shell's own ids have the top bit clear; the endpoint's have it set.
        flow: FlowId,
        /// Our end; for an accepted connection the listener's address.
        local: SocketAddr,
        /// The far end.
        remote: SocketAddr,
        /// What it is.
        link: Link,
    },
    /// One message of a WebSocket (RFC 7118 §5.2).
    Message {
        /// Which.
        flow: FlowId,
        /// All of it.
        bytes: &'a [u8],
    },
    /// Bytes of a TCP or TLS connection, cut anywhere.
    Stream {
        /// Which.
        flow: FlowId,
        /// In order.
        bytes: &'a [u8],
    },
    /// A connection has ended or could not be opened.
    Closed {
        /// Which.
        flow: FlowId,
    },
    /// ICMP said that nobody listens there.
    Unreachable {
        /// The socket that sent.
        local: SocketAddr,
        /// The address that is not there.
        remote: SocketAddr,
    },
    /// What came of `Output::Resolve`.
    Resolved {
        /// As asked.
        question: Question,
        /// The records, none where there are none; `None` if DNS did not answer.
        answer: Option<Answer>,
    },
    /// What arrives now has waited this long before it was read: measured by the shell, of the busiest of its inputs.
    Load {
        /// How long.
        delay: Duration,
    },
    /// Nothing else is to be done just now, while calls wait ([`Endpoint::waiting`](crate::Endpoint::waiting)).
    Leisure,
    /// What `switch` (or a phone) wants done.
    Command(Command),
}

/// What may be asked of an endpoint. A command for a leg that is gone is counted and ignored.
#[derive(Clone)]
pub enum Command {
    /// 18x to the INVITE, without SDP.
    Progress {
        /// Which leg.
        leg: LegId,
        /// 180, 181, 182 or 183.
        status: u16,
    },
    /// 200 to the INVITE, or to the re-INVITE or UPDATE that was reported.
    Answer {
        /// Which leg.
        leg: LegId,
        /// Our answer, or our offer where the INVITE had none.
        sdp: Bytes,
    },
    /// Final refusal of the INVITE (which ends the leg), or of the re-INVITE or UPDATE (which changes nothing).
    Reject {
        /// Which leg.
        leg: LegId,
        /// 300 to 699. With 503 goes a `Retry-After` of 1 to 3 s.
        status: u16,
    },
    /// Place a call. Everything that happens to it comes back as events of `leg`.
    Dial {
        /// A new id, chosen by the one who dials.
        leg: LegId,
        /// Whom.
        target: Target,
        /// Who it shall seem to come from.
        from: Identity,
        /// Our offer; `None` asks the far side for one, to be answered by `Ack`.
        sdp: Option<DialOffer>,
        /// Answers a digest challenge of this account's realm.
        account: Option<Account>,
    },
    /// ACK with the answer to an offer that came in the 2xx (only after a `Dial` without SDP).
    Ack {
        /// Which leg.
        leg: LegId,
        /// Our answer.
        sdp: Bytes,
    },
    /// re-INVITE with this offer; sent as soon as no other offer is open.
    Reoffer {
        /// Which leg.
        leg: LegId,
        /// Our offer.
        sdp: Bytes,
    },
    /// INFO with `application/dtmf-relay`.
    SendDigit {
        /// Which leg.
        leg: LegId,
        /// Which key.
        digit: Digit,
    },
    /// OPTIONS within the dialog: is anybody there?
    Probe {
        /// Which leg.
        leg: LegId,
    },
    /// End the leg, whatever its state asks for: CANCEL, BYE or a final response, with a `Reason`.
    HangUp {
        /// Which leg.
        leg: LegId,
        /// Why.
        cause: Cause,
    },
    /// Be a registered phone from now on: REGISTER, refresh, and try again after failures.
    Register {
        /// As whom.
        account: Account,
        /// Where the registrar is.
        registrar: Path,
        /// Address of record (`sip:advocate-en@havre`); the registrar's domain is its host.
        uri: Uri,
        /// Lifetime to ask for.
        expires: Duration,
    },
    /// Remove the binding made by `Register`, and stop refreshing it.
    Unregister,
    /// From now on answer new INVITEs with 503.
    Drain,
    /// Take a new configuration. Bindings of accounts that are gone are removed.
    Configure(Arc<Config>),
}

/// Whom to dial.
#[derive(Clone)]
pub enum Target {
    /// Every live binding of this account at once, browsers excepted; the first 2xx wins, the others are cancelled.
    Agent(AgentId),
    /// Every live browser of this account, the newest first. The INVITEs say `X-Havre-Call`.
    Browser {
        /// Whose.
        agent: AgentId,
        /// The call that it is for.
        call: CallId,
        /// The account was in this call before its page went away: `X-Havre-Resume: yes`, and the page answers by itself.
        resume: bool,
    },
    /// Somebody outside whom the configuration names, over the first trunk of the group that takes the call. `from`
    /// gives the line's own number.
    Outside(Outside),
    /// This URI, over this path.
    Uri {
        /// The Request-URI.
        uri: Uri,
        /// Where to send it.
        path: Path,
    },
    /// The same, to take the place of a dialog that another device of ours has with it (RFC 3891).
    Instead {
        /// The Request-URI.
        uri: Uri,
        /// Where to send it.
        path: Path,
        /// Which dialog.
        of: Replaces,
    },
}

/// Who a call that we place shall seem to come from. Never a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Display name in UTF-8 (`FR · urgent · silent`); empty for none.
    pub display: String,
    /// User part of the URI.
    pub user: String,
    /// Host part; `None` for the configuration's `server_name`.
    pub host: Option<String>,
}

/// Credentials of ours at somebody else's registrar or proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Digest user name.
    pub user: String,
    /// Challenges of other realms are not answered.
    pub realm: String,
    /// The password.
    pub password: Password,
}

impl fmt::Debug for Input<'_> {
    /// Without the bytes: they hold a caller's identity.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Datagram { local, bytes, .. } => write!(f, "Datagram({local}, {} bytes)", bytes.len()),
            Self::Connected { flow, local, .. } => write!(f, "Connected({flow}, {local})"),
            Self::Message { flow, bytes } => write!(f, "Message({flow}, {} bytes)", bytes.len()),
            Self::Stream { flow, bytes } => write!(f, "Stream({flow}, {} bytes)", bytes.len()),
            Self::Closed { flow } => write!(f, "Closed({flow})"),
            Self::Unreachable { remote, .. } => write!(f, "Unreachable({remote})"),
            Self::Resolved { question, answer } => write!(f, "Resolved({question:?}, {answer:?})"),
            Self::Load { delay } => write!(f, "Load({delay:?})"),
            Self::Command(command) => write!(f, "Command({command:?})"),
            Self::Leisure => f.write_str("Leisure"),
        }
    }
}

impl fmt::Debug for Command {
    /// Without SDP, URIs and accounts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Progress { leg, status } => write!(f, "Progress({leg}, {status})"),
            Self::Answer { leg, sdp } => write!(f, "Answer({leg}, {} bytes)", sdp.len()),
            Self::Reject { leg, status } => write!(f, "Reject({leg}, {status})"),
            Self::Dial { leg, target: Target::Agent(agent) | Target::Browser { agent, .. }, .. } => {
                write!(f, "Dial({leg}, {agent})")
            }
            Self::Dial { leg, .. } => write!(f, "Dial({leg})"),
            Self::Ack { leg, sdp } => write!(f, "Ack({leg}, {} bytes)", sdp.len()),
            Self::Reoffer { leg, sdp } => write!(f, "Reoffer({leg}, {} bytes)", sdp.len()),
            Self::SendDigit { leg, .. } => write!(f, "SendDigit({leg})"),
            Self::Probe { leg } => write!(f, "Probe({leg})"),
            Self::HangUp { leg, cause } => write!(f, "HangUp({leg}, {cause})"),
            Self::Register { .. } => f.write_str("Register"),
            Self::Unregister => f.write_str("Unregister"),
            Self::Drain => f.write_str("Drain"),
            Self::Configure(_) => f.write_str("Configure"),
        }
    }
}
