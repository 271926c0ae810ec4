//! SDP offer and answer (RFC 8866, RFC 3264) for one audio stream.
//!
//! [`Session`] is one leg's side of it. Nothing of one leg's SDP ever reaches another leg: each session writes its
//! bodies afresh from its own [`Local`], and hands over only [`Negotiated`] values.

mod agreement;
mod browser;
mod crypto;
mod description;
mod session;

use std::net::{IpAddr, SocketAddr};

use crate::Codec;
use crate::srtp::Pair;

pub use browser::{BrowserFar, BrowserLocal, Fingerprint, Setup};
pub use crypto::{Sdes, Srtp, Unusable};
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
    /// What a browser has to know besides; `None` for everybody else.
    pub browser: Option<BrowserLocal>,
    /// Our keys, where media may or has to be SRTP; `None` speaks plain RTP only. A browser's come from DTLS.
    pub sdes: Option<Sdes>,
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
    /// The far side wants VoIP metrics (RFC 3611 §4.7) in our RTCP.
    pub voip_metrics: bool,
    /// Which way media may flow, seen from us: the far side holds us when this does not `sends()`.
    pub direction: Direction,
    /// What the far side can receive, with its payload types; never empty, the first is what we send by ourselves.
    pub send: Vec<(Codec, u8)>,
    /// What it may send us, by payload type.
    pub receive: Vec<(u8, Codec)>,
    /// The telephone-events that we send, one for each clock rate that the far side knows.
    pub send_events: Vec<EventFormat>,
    /// The telephone-events that we receive.
    pub receive_events: Vec<EventFormat>,
    /// What the far side asks of our Opus.
    pub opus: OpusParameters,
    /// Comfort noise (payload type 13, RFC 3389, for codecs with a clock of 8 kHz) was agreed.
    pub comfort_noise: bool,
    /// The keys, where media is SRTP.
    pub srtp: Option<Box<Pair>>,
    /// The far side is a browser. Where its media goes and comes from, ICE says, and not `remote_rtp`; the keys come from
    /// DTLS, and nothing is sent or heard before.
    pub browser: Option<Box<BrowserFar>>,
    /// Length of the packets that we send, in milliseconds: 10 to 60, a multiple of 10.
    pub ptime: u8,
}

/// Telephone-events (RFC 4733) on one clock, which is that of the audio that they interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventFormat {
    /// The payload type.
    pub payload_type: u8,
    /// Ticks of durations in a second: 8,000, 16,000 or 48,000.
    pub clock_rate: u32,
}

/// What the receiver of an Opus stream asks of its sender in `a=fmtp` (RFC 7587 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpusParameters {
    /// The highest sampling rate that it can play, in hertz: anything above half of it is wasted.
    pub max_playback_rate: u32,
    /// The highest bit rate that it wants, in bit/s.
    pub max_average_bitrate: u32,
    /// Constant bit rate.
    pub cbr: bool,
    /// It can use in-band forward error correction.
    pub inband_fec: bool,
    /// It would like silence not to be sent.
    pub dtx: bool,
}

impl Default for OpusParameters {
    /// Where no `fmtp` says otherwise.
    fn default() -> Self {
        Self {
            max_playback_rate: 48_000,
            max_average_bitrate: 510_000,
            cbr: false,
            inband_fec: false,
            dtx: false,
        }
    }
}

impl Negotiated {
    /// The events to send amid audio whose clock has so many ticks in a millisecond: those on the same clock, or else any.
    /// A far side that lists Opus and only `telephone-event/8000` means that for Opus too.
    pub(crate) fn event_for(&self, ticks_per_ms: u32) -> Option<EventFormat> {
        let same = self.send_events.iter().find(|event| event.ticks_per_ms() == ticks_per_ms);
        same.or(self.send_events.first()).copied()
    }
}

impl EventFormat {
    pub(crate) const fn ticks_per_ms(&self) -> u32 {
        self.clock_rate / 1_000
    }

    /// A duration in its ticks as ticks of a clock with so many in a millisecond.
    pub(crate) fn on_clock(&self, duration: u16, ticks_per_ms: u32) -> u32 {
        u32::from(duration) * ticks_per_ms / self.ticks_per_ms().max(1)
    }
}

/// Why an offer or an answer is of no use. An offer is refused with 488; an answer ends the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It is no SDP at all.
    #[error("not SDP: {0}")]
    NotSdp(&'static str),
    /// No audio in it over the transport that the leg is made for: plain RTP, or a browser's.
    #[error("no audio stream over a transport of ours")]
    NoAudio,
    /// No codec in common.
    #[error("no codec in common")]
    NoCodec,
    /// SRTP has to be, on either side's word, and cannot.
    #[error("no SRTP: {0}")]
    NotSecure(Unusable),
    /// An answer came, or was asked for, where no offer was made.
    #[error("an answer without an offer")]
    NoOffer,
}
