//! What a [`Phone`](crate::Phone) is told once.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use havre_media::Codec;
use havre_media::sdp::Srtp;

/// Legs of one phone at once: one that stands for a whole carrier in a load test, with room.
const MAX_LEGS: usize = 10_000;

/// Configuration of a phone.
#[derive(Clone, Debug)]
pub struct Config {
    /// The SIP machine's. `accept_anyone` must be on for the phone to ring.
    pub sip: Arc<havre_sip::Config>,
    /// The address written in SDP.
    pub media_addr: IpAddr,
    /// What is offered, best first, and taken.
    pub codecs: Vec<Codec>,
    /// Whether media is SRTP, with keys from SDP.
    pub srtp: Srtp,
    /// What happens to incoming calls.
    pub answering: Answering,
    /// Legs at once; a further caller hears busy (486).
    pub max_legs: usize,
}

/// What happens to incoming calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answering {
    /// They ring (180) until told otherwise.
    Manual,
    /// They ring, and are answered after this time. With zero they are answered at once, without a 180.
    After(Duration),
    /// They are refused with this status, as 486 or 603.
    Decline(u16),
    /// They get no answer at all, not even a 180: the phone of somebody who is not there.
    Ignore,
}

impl Config {
    /// A phone that takes calls from anyone at `addr`, rings, and speaks every codec.
    #[must_use]
    pub fn new(addr: IpAddr) -> Self {
        let sip = havre_sip::Config {
            server_name: match addr {
                IpAddr::V4(v4) => v4.to_string(),
                IpAddr::V6(v6) => format!("[{v6}]"),
            },
            accept_anyone: true,
            ..havre_sip::Config::default()
        };
        Self {
            sip: Arc::new(sip),
            media_addr: addr,
            codecs: Codec::USUAL.to_vec(),
            srtp: Srtp::Off,
            answering: Answering::Manual,
            max_legs: MAX_LEGS,
        }
    }
}
