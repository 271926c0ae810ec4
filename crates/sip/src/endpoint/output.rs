//! What an endpoint tells the outside: bytes to send, connections to open or close, and events.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use havre_model::{AgentId, Cause, Digit, FlowId, LegId, LineId, Pii, TrunkHealth, TrunkId};

use super::input::{Path, Transport};
use crate::passport::Attestation;
use crate::trunk::Question;

/// What the outside pulls out.
#[derive(Clone)]
pub enum Output {
    /// Send this: a datagram, or the next bytes of `path.flow`.
    Transmit {
        /// Where.
        path: Path,
        /// All of it.
        bytes: Bytes,
    },
    /// Open a connection under this id; then say `Connected` or `Closed`.
    Connect {
        /// TCP or TLS.
        transport: Transport,
        /// Our listening address on the interface to use: bind its IP, any port.
        local: SocketAddr,
        /// Whom.
        remote: SocketAddr,
        /// The id, with the top bit set.
        flow: FlowId,
        /// Of TLS: the name or address that the certificate there has to be for, and that we ask for (SNI).
        server_name: Option<Arc<str>>,
    },
    /// Close this connection. No `Closed` need follow.
    Disconnect {
        /// Which.
        flow: FlowId,
    },
    /// Ask DNS; then say `Resolved`.
    Resolve(Question),
    /// Something happened.
    Event(Event),
}

/// What happened. `Ended` comes exactly once for each leg that had `Incoming` or `Replacing`, or was dialled, and last.
#[derive(Clone, PartialEq)]
// One at a time is moved from here to its reader: a call's first one may be large.
#[allow(clippy::large_enum_variant)]
pub enum Event {
    /// Somebody calls and may.
    Incoming {
        /// The new leg; ids of incoming legs are made by the endpoint.
        leg: LegId,
        /// Who, as far as the edge knows.
        origin: Origin,
        /// `+18335550100`, a feature code (`*40`), or the user part (only with `accept_anyone`).
        called: String,
        /// The line of that number; `None` for feature codes and with `accept_anyone`.
        line: Option<LineId>,
        /// Never leaves this node's memory.
        caller: Pii<Caller>,
        /// How far a caller's carrier vouches for the number. It may order a flood's calls; nobody is refused, queued or shown
        /// by it.
        attestation: Attestation,
        /// SDP; `None` asks for our offer.
        offer: Option<Bytes>,
        /// Where it came from.
        path: Path,
    },
    /// Another device of an account wants the place of a leg of that account, or the call that rings there (RFC 3891): to be
    /// answered or rejected like `Incoming`. The other leg is as it was.
    Replacing {
        /// The new leg.
        leg: LegId,
        /// The one whose place it wants.
        replaced: LegId,
        /// It is a call of ours that nobody has answered.
        early: bool,
        /// SDP; `None` asks for our offer.
        offer: Option<Bytes>,
        /// Where it came from.
        path: Path,
    },
    /// 180 for a call of ours (once).
    Ringing {
        /// Which leg.
        leg: LegId,
    },
    /// 183 or another provisional answer with SDP, for a call of ours.
    Progress {
        /// Which leg.
        leg: LegId,
        /// Early media.
        sdp: Option<Bytes>,
    },
    /// 2xx for a call of ours. The ACK is sent, unless the SDP is an offer (dialled without SDP): then `Ack` is awaited.
    Answered {
        /// Which leg.
        leg: LegId,
        /// The answer, or the offer.
        sdp: Option<Bytes>,
    },
    /// ACK for our 2xx: always for the INVITE, and for a re-INVITE only where it answers an offer of ours.
    Confirmed {
        /// Which leg.
        leg: LegId,
        /// The answer to an offer that we made in the 2xx.
        sdp: Option<Bytes>,
    },
    /// Our 2xx was never acknowledged (64·T1). The leg stays until `HangUp`.
    NotConfirmed {
        /// Which leg.
        leg: LegId,
    },
    /// re-INVITE or UPDATE: answer with `Answer` or `Reject`.
    Reoffered {
        /// Which leg.
        leg: LegId,
        /// The offer; `None` asks for ours.
        sdp: Option<Bytes>,
    },
    /// Somebody who has not answered a call of ours makes an offer, by UPDATE: answer with `Answer` or `Reject`. If it is them
    /// who answer the call in the end, `Answered` has no SDP; if it is another, it has the answer to our first offer.
    EarlyOffer {
        /// Which leg.
        leg: LegId,
        /// The offer.
        sdp: Bytes,
    },
    /// Our re-INVITE was accepted.
    ReofferAnswered {
        /// Which leg.
        leg: LegId,
        /// The answer.
        sdp: Option<Bytes>,
    },
    /// Our re-INVITE was refused; the session is as it was.
    ReofferRefused {
        /// Which leg.
        leg: LegId,
        /// With what.
        status: u16,
    },
    /// INFO with a digit.
    Digit {
        /// Which leg.
        leg: LegId,
        /// Which key.
        digit: Digit,
        /// How long it was held.
        millis: u16,
    },
    /// What came of `Probe`. It never ends the leg.
    Probed {
        /// Which leg.
        leg: LegId,
        /// Any response but 408 and 481.
        alive: bool,
        /// The response; `None` on timeout or an unreachable path.
        status: Option<u16>,
    },
    /// The session timer ran out without a refresh. The leg stays until `HangUp`.
    SessionExpired {
        /// Which leg.
        leg: LegId,
    },
    /// The browser's connection is gone that the leg's signalling went over. The leg stays until `HangUp`, or until the
    /// browser says something in it over another connection.
    Detached {
        /// Which leg.
        leg: LegId,
    },
    /// The leg is over.
    Ended {
        /// Which leg.
        leg: LegId,
        /// Who or what ended it.
        by: EndedBy,
        /// The SIP status that said so, if one did.
        status: Option<u16>,
        /// The same in our words.
        cause: Cause,
    },
    /// A phone of the account proved that it is there: it registered, refreshed, or answers again after it did not.
    Registered {
        /// Whose.
        agent: AgentId,
        /// The account was not reachable before.
        first: bool,
    },
    /// The account's last binding ended, or its phone answers no more.
    Unregistered {
        /// Whose.
        agent: AgentId,
    },
    /// What came of `Register`, a refresh of it, or `Unregister` (then `expires` is zero).
    RegisterResult {
        /// 200, or why not; 408 on timeout, 503 where the path failed.
        status: u16,
        /// Lifetime granted.
        expires: Duration,
    },
    /// Somebody guesses passwords, and has to wait longer and longer between guesses.
    Guessing {
        /// From where.
        source: IpAddr,
        /// Wrong ones so far.
        failures: u32,
    },
    /// What is known of an outbound trunk has changed.
    Trunk {
        /// Which.
        trunk: TrunkId,
        /// What is known now.
        health: TrunkHealth,
    },
    /// The edge refused an INVITE.
    Refused {
        /// With what.
        status: u16,
        /// Why, in a fixed word.
        why: &'static str,
        /// Whose it was, where the source is known.
        trunk: Option<TrunkId>,
    },
}

/// On whose behalf an INVITE came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A caller, by this carrier.
    Trunk(TrunkId),
    /// This account, proven by digest or by the console's login.
    Agent(AgentId),
    /// Unknown (only with `accept_anyone`).
    Anyone,
}

/// What is known of a caller. Kept sealed in [`Pii`].
#[derive(Clone, PartialEq, Eq)]
pub struct Caller {
    /// In E.164 where it could be told; `None` when withheld or no number.
    pub number: Option<String>,
    /// The display name, read only with `accept_anyone`: a phone shows who calls, a gateway has no use for it.
    pub display: Option<String>,
}

/// Who or what ended a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// The far side, by BYE.
    Remote,
    /// The far side, by BYE at once after it had wanted to hand the call to somebody else (REFER), which is refused: some
    /// phones hang up then by themselves.
    Transfer,
    /// The far side, by CANCEL.
    Cancelled,
    /// The far side would not take our call.
    Refused,
    /// No answer in time, or the path failed.
    Timeout,
    /// The far side no longer knows the dialog (481).
    Unknown481,
    /// We.
    Us,
}

impl Event {
    /// The leg it is about, if it is about one.
    #[must_use]
    pub const fn leg(&self) -> Option<LegId> {
        match self {
            Self::Incoming { leg, .. }
            | Self::Replacing { leg, .. }
            | Self::Ringing { leg }
            | Self::Progress { leg, .. }
            | Self::Answered { leg, .. }
            | Self::Confirmed { leg, .. }
            | Self::NotConfirmed { leg }
            | Self::Reoffered { leg, .. }
            | Self::EarlyOffer { leg, .. }
            | Self::ReofferAnswered { leg, .. }
            | Self::ReofferRefused { leg, .. }
            | Self::Digit { leg, .. }
            | Self::Probed { leg, .. }
            | Self::SessionExpired { leg }
            | Self::Detached { leg }
            | Self::Ended { leg, .. } => Some(*leg),
            Self::Registered { .. }
            | Self::Unregistered { .. }
            | Self::RegisterResult { .. }
            | Self::Guessing { .. }
            | Self::Trunk { .. }
            | Self::Refused { .. } => None,
        }
    }
}

impl fmt::Debug for Output {
    /// Without the bytes: they may hold what logs must not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transmit { path, bytes } => {
                write!(f, "Transmit({:?} {}, {} bytes)", path.transport, path.remote, bytes.len())
            }
            Self::Connect { transport, remote, flow, .. } => {
                write!(f, "Connect({flow}, {transport:?} {remote})")
            }
            Self::Disconnect { flow } => write!(f, "Disconnect({flow})"),
            Self::Resolve(question) => write!(f, "Resolve({question:?})"),
            Self::Event(event) => write!(f, "Event({event:?})"),
        }
    }
}

impl fmt::Debug for Event {
    /// Without SDP, numbers and the key pressed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incoming { leg, origin, called, offer, .. } => {
                let offer = if offer.is_some() { "offer" } else { "no offer" };
                write!(f, "Incoming({leg}, {origin:?}, {called}, {offer})")
            }
            Self::Replacing { leg, replaced, .. } => write!(f, "Replacing({leg}, {replaced})"),
            Self::Ringing { leg } => write!(f, "Ringing({leg})"),
            Self::Progress { leg, .. } => write!(f, "Progress({leg})"),
            Self::Answered { leg, .. } => write!(f, "Answered({leg})"),
            Self::Confirmed { leg, .. } => write!(f, "Confirmed({leg})"),
            Self::NotConfirmed { leg } => write!(f, "NotConfirmed({leg})"),
            Self::Reoffered { leg, .. } => write!(f, "Reoffered({leg})"),
            Self::EarlyOffer { leg, .. } => write!(f, "EarlyOffer({leg})"),
            Self::ReofferAnswered { leg, .. } => write!(f, "ReofferAnswered({leg})"),
            Self::ReofferRefused { leg, status } => write!(f, "ReofferRefused({leg}, {status})"),
            Self::Digit { leg, .. } => write!(f, "Digit({leg})"),
            Self::Probed { leg, alive, status } => write!(f, "Probed({leg}, alive {alive}, {status:?})"),
            Self::SessionExpired { leg } => write!(f, "SessionExpired({leg})"),
            Self::Detached { leg } => write!(f, "Detached({leg})"),
            Self::Ended { leg, by, status, cause } => write!(f, "Ended({leg}, {by:?}, {status:?}, {cause})"),
            Self::Registered { agent, first } => write!(f, "Registered({agent}, first {first})"),
            Self::Unregistered { agent } => write!(f, "Unregistered({agent})"),
            Self::RegisterResult { status, expires } => write!(f, "RegisterResult({status}, {expires:?})"),
            Self::Guessing { source, failures } => write!(f, "Guessing({source}, {failures})"),
            Self::Trunk { trunk, health } => write!(f, "Trunk({trunk}, {health:?})"),
            Self::Refused { status, why, trunk } => write!(f, "Refused({status}, {why}, {trunk:?})"),
        }
    }
}
