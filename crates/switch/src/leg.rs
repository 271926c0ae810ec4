//! What each leg is for, and how far its media is.

use std::net::IpAddr;

use bytes::Bytes;
use havre_call::Telephone;
use havre_media::Codec;
use havre_media::sdp::{self, Srtp};
use havre_model::{AgentId, CallId, LegId, OfferId};

use crate::feature::Feature;

/// A leg's media: sockets asked for, then described.
#[derive(Debug)]
pub(crate) enum Media {
    /// The data thread binds sockets, or is to: then this is done.
    Opening(Begins),
    /// Sockets are bound; SDP speaks of them.
    Open(Box<sdp::Session>),
}

/// How a leg's SIP goes on once its media can be described.
#[derive(Debug)]
pub(crate) enum Begins {
    /// We call.
    Dial,
    /// We answer the INVITE, which made this SDP offer; `None` asked for ours.
    Answer(Option<Bytes>),
}

/// One party's connection.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) shard: usize,
    pub(crate) media: Media,
    pub(crate) role: Role,
    /// Whether its media is to be SRTP; as configured when it began.
    pub(crate) srtp: Srtp,
    /// Where it was called from, if it was: an offer of ours, asked for there, names an address that can be reached.
    pub(crate) there: Option<IpAddr>,
    /// Who rings, of a call of ours, has made an offer before the answer: what became of it.
    pub(crate) early: Option<Box<sdp::Session>>,
    /// What SDP agreed upon, last.
    pub(crate) agreed: Option<Agreed>,
    /// Cumulative (received, lost) at the last quality report.
    pub(crate) reported: (u64, u64),
    /// Whether audio goes each [`Way`](havre_model::Way), as far as is known.
    pub(crate) flowing: [bool; 2],
}

/// As much of a negotiation as the control plane looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Agreed {
    /// What we send by ourselves.
    pub(crate) codec: Codec,
    /// The far side wants to hear nothing.
    pub(crate) held: bool,
}

/// Whose connection it is.
#[derive(Debug)]
pub(crate) enum Role {
    /// A caller's.
    Caller { call: CallId },
    /// An agent's, in a browser or on a phone.
    Agent { call: CallId, agent: AgentId, browser: bool, part: Part },
    /// An agent who dialled a feature code.
    Feature(Feature),
}

/// How far an agent's leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Rings, or is answered and not confirmed yet.
    Offered { offer: OfferId, interpreter: bool },
    /// A telephone outside that was picked up.
    Outside(Telephone),
    /// Rings in a browser whose talk goes on with it.
    Returning,
    /// Has called to take the place of another device in its talk.
    Replacing,
    /// Has called to take the call of this offer, for which another device rings.
    PickingUp { offer: OfferId, rings: LegId },
    /// Confirmed by the queue.
    Talking,
}

impl Part {
    /// The offer that is not confirmed yet.
    pub(crate) const fn offer(self) -> Option<OfferId> {
        match self {
            Self::Offered { offer, .. } => Some(offer),
            Self::Outside(telephone) => telephone.offer(),
            Self::Returning | Self::Replacing | Self::PickingUp { .. } | Self::Talking => None,
        }
    }
}

impl Leg {
    pub(crate) fn new(shard: usize, role: Role, srtp: Srtp, begins: Begins) -> Self {
        Self {
            shard,
            media: Media::Opening(begins),
            role,
            srtp,
            there: None,
            early: None,
            agreed: None,
            reported: (0, 0),
            flowing: [true; 2],
        }
    }

    pub(crate) fn session(&mut self) -> Option<&mut sdp::Session> {
        match &mut self.media {
            Media::Open(session) => Some(session),
            Media::Opening(_) => None,
        }
    }

    /// Whether a browser is at its other end.
    pub(crate) const fn is_browsers(&self) -> bool {
        match &self.role {
            Role::Caller { .. } => false,
            Role::Agent { browser, .. } => *browser,
            Role::Feature(feature) => feature.browser,
        }
    }

    pub(crate) const fn call(&self) -> Option<CallId> {
        match &self.role {
            Role::Caller { call } | Role::Agent { call, .. } => Some(*call),
            Role::Feature(_) => None,
        }
    }
}

/// Ids of the legs we dial: the endpoint makes those of incoming ones, with the top bit set.
#[derive(Debug, Default)]
pub(crate) struct DialledLegs(u64);

impl DialledLegs {
    pub(crate) fn next(&mut self) -> LegId {
        self.0 = (self.0 + 1) & !(1 << 63);
        LegId(self.0)
    }
}
