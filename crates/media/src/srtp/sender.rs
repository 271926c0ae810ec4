//! The sending side: no number is used twice under one key, or both packets would be readable.

use std::fmt;

use super::transform::{ENCRYPTED, Protocol, Transform};
use super::window::Window;
use super::{Error, Keys, RTCP_HEADER, number, rtp_header, stream};
use crate::limits::MAX_SRTP_SOURCES;

/// Protects what we send.
pub struct Sender {
    keys: Keys,
    rtp: Transform,
    rtcp: Transform,
    streams: Vec<(u32, Window)>,
    /// The index of the last report, of whatever stream.
    reports: u32,
}

impl Sender {
    /// One that has sent nothing. The rollover counter of each stream begins at zero: let sequences begin in the lower
    /// half of their range, so that whoever misses the first packets takes the next for what they are.
    #[must_use]
    pub fn new(keys: Keys) -> Self {
        let (rtp, rtcp) = (Transform::new(&keys, Protocol::Rtp), Transform::new(&keys, Protocol::Rtcp));
        Self { keys, rtp, rtcp, streams: Vec::new(), reports: 0 }
    }

    /// What it protects with.
    #[must_use]
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whether this stream's sequence numbers have rolled over. After that, a far side that is told another key may
    /// count on (RFC 3711 §3.3.1) or from zero (as most do): give the stream another SSRC, so that there is no doubt.
    #[must_use]
    pub fn rolled_over(&self, ssrc: u32) -> bool {
        self.streams.iter().any(|(known, window)| *known == ssrc && window.rolled_over())
    }

    /// Protects an RTP packet in place. Its last [`rtp_overhead`](super::Suite::rtp_overhead) bytes are room for the tag.
    ///
    /// # Errors
    /// It must not be sent, and why; it is as it was.
    pub fn protect_rtp(&mut self, packet: &mut [u8]) -> Result<(), Error> {
        let header = rtp_header(packet).ok_or(Error::Malformed)?;
        let (ssrc, sequence) = stream(packet).ok_or(Error::Malformed)?;
        if packet.len() < header + self.keys.suite().rtp_overhead() {
            return Err(Error::Malformed);
        }
        let known = self.streams.iter().position(|(known, _)| *known == ssrc);
        if known.is_none() && self.streams.len() >= MAX_SRTP_SOURCES {
            return Err(Error::TooManySources);
        }
        let mut window = known.map_or(Window::unused(sequence.into()), |at| self.streams[at].1);
        let index = window.index(sequence).ok_or(Error::Exhausted)?;
        if !window.is_fresh(index) {
            return Err(Error::Replayed);
        }
        self.rtp.seal_rtp(ssrc, index, header, packet);
        window.mark(index);
        match known {
            Some(at) => self.streams[at].1 = window,
            None => self.streams.push((ssrc, window)),
        }
        Ok(())
    }

    /// Protects an RTCP packet in place. Its last [`rtcp_overhead`](super::Suite::rtcp_overhead) bytes are room for tag
    /// and index.
    ///
    /// # Errors
    /// It must not be sent, and why; it is as it was.
    pub fn protect_rtcp(&mut self, packet: &mut [u8]) -> Result<(), Error> {
        if packet.len() < RTCP_HEADER + self.keys.suite().rtcp_overhead() {
            return Err(Error::Malformed);
        }
        let ssrc = number(packet, 4).ok_or(Error::Malformed)?;
        let index = Some(self.reports + 1).filter(|index| *index < ENCRYPTED).ok_or(Error::Exhausted)?;
        self.reports = index;
        self.rtcp.seal_rtcp(ssrc, index, packet);
        Ok(())
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("keys", &self.keys).finish_non_exhaustive()
    }
}
