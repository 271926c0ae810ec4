//! SDP offer and answer (RFC 8866, RFC 3264) for one audio stream.
//!
//! [`Session`] is one leg's side of it. Nothing of one leg's SDP ever reaches another leg: each session writes its
//! bodies afresh from its own [`Local`], and hands over only [`Negotiated`] values.

mod agreement;
mod description;
mod session;

use std::net::{IpAddr, SocketAddr};

use crate::Codec;

pub use session::Session;

/// Our side of a leg's media, as it is told to the far side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// The advertised address.
    pub addr: IpAddr,
    /// The RTP port.
    pub rtp: u16,
    /// The RTCP port; named by `a=rtcp` when it is not `rtp + 1` (RFC 3605).
    pub rtcp: u16,
    /// What we offer, best first; of an offer we take what is in here, in the offerer's order.
    pub codecs: Vec<Codec>,
}

/// Which way media may flow, seen from whoever says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// The other side only listens.
    SendOnly,
    /// The other side only speaks.
    RecvOnly,
    /// Nothing flows.
    Inactive,
}

impl Direction {
    /// Whether the one who says it may send.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the one who says it expects to receive.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    const fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }
}

/// What an offer and its answer agreed upon: all that a shard needs to know of a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Where our RTP goes, until RTP shows a NAT in between. An unspecified address sends nothing until then.
    pub remote_rtp: SocketAddr,
    /// Where our RTCP goes.
    pub remote_rtcp: SocketAddr,
    /// RTCP shares the RTP port (RFC 5761).
    pub rtcp_mux: bool,
    /// Which way media may flow, seen from us: the far side holds us when this does not `sends()`.
    pub direction: Direction,
    /// What the far side can receive, with its payload types; never empty, the first is what we send by ourselves.
    pub send: Vec<(Codec, u8)>,
    /// What it may send us, by payload type.
    pub receive: Vec<(u8, Codec)>,
    /// Payload type of the telephone-events that we send, if the far side knows them.
    pub send_event: Option<u8>,
    /// Payload type of the telephone-events that we receive.
    pub receive_event: Option<u8>,
    /// Comfort noise (payload type 13, RFC 3389) was agreed.
    pub comfort_noise: bool,
    /// Length of the packets that we send, in milliseconds: 10 to 60, a multiple of 10.
    pub ptime: u8,
}

/// Why an offer or an answer is of no use. An offer is refused with 488; an answer ends the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It is no SDP at all.
    #[error("not SDP: {0}")]
    NotSdp(&'static str),
    /// No audio over plain RTP in it.
    #[error("no audio stream over RTP/AVP")]
    NoAudio,
    /// No codec in common.
    #[error("no codec in common")]
    NoCodec,
    /// An answer came, or was asked for, where no offer was made.
    #[error("an answer without an offer")]
    NoOffer,
}
