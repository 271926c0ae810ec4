//! The receiving side: what is authentic and new comes through, in the clear.

use std::fmt;

use super::transform::{ENCRYPTED, Protocol, Transform};
use super::window::Window;
use super::{Error, Keys, RTCP_HEADER, number, rtp_header, stream};
use crate::limits::MAX_SRTP_SOURCES;

/// Opens what the far side protected. Nothing that it says is kept of a packet that is not authentic.
pub struct Receiver {
    keys: Keys,
    rtp: Transform,
    rtcp: Transform,
    sources: Vec<Source>,
}

/// One stream of the far side.
#[derive(Clone, Copy)]
struct Source {
    ssrc: u32,
    rtp: Window,
    rtcp: Window,
}

impl Receiver {
    /// One that has seen nothing.
    #[must_use]
    pub fn new(keys: Keys) -> Self {
        let (rtp, rtcp) = (Transform::new(&keys, Protocol::Rtp), Transform::new(&keys, Protocol::Rtcp));
        Self { keys, rtp, rtcp, sources: Vec::new() }
    }

    /// Another key from now on; gives what opens packets of the old one, which may still be under way. The streams go on: their rollover counters go on (RFC 3711 §3.3.1), or begin anew as with most
    /// phones; the first packet of each tells.
    pub fn rekey(&mut self, keys: Keys) -> Self {
        let mut sources = self.sources.clone();
        for source in &mut sources {
            *source = Source { rtp: source.rtp.renewed(), ..Source::new(source.ssrc, 0) };
        }
        std::mem::replace(self, Self { sources, ..Self::new(keys) })
    }

    /// What it opens with.
    #[must_use]
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Writes the RTP packet that `packet` protects to the beginning of `out`, and gives it.
    ///
    /// # Errors
    /// It is not taken, and why; `out` may hold part of it, still encrypted.
    pub fn unprotect_rtp<'a>(&mut self, packet: &[u8], out: &'a mut [u8]) -> Result<&'a [u8], Error> {
        let header = rtp_header(packet).ok_or(Error::Malformed)?;
        let (ssrc, sequence) = stream(packet).ok_or(Error::Malformed)?;
        let length = packet.len().checked_sub(self.keys.suite().rtp_overhead());
        let length = length.filter(|length| *length >= header).ok_or(Error::Malformed)?;
        let out = out.get_mut(..length).ok_or(Error::TooLong)?;
        let known = self.find(ssrc)?;
        let mut source = known.map_or_else(|| Source::new(ssrc, sequence.into()), |at| self.sources[at]);
        let index = {
            let mut candidates = source.rtp.candidates(sequence).peekable();
            if candidates.peek().is_some_and(|index| !source.rtp.is_fresh(*index)) {
                return Err(Error::Replayed);
            }
            candidates.find(|index| self.rtp.open_rtp(ssrc, *index, header, packet, out).is_ok())
        };
        source.rtp.mark(index.ok_or(Error::NotAuthentic)?);
        self.keep(known, source);
        Ok(out)
    }

    /// Writes the RTCP packet that `packet` protects to the beginning of `out`, and gives it.
    ///
    /// # Errors
    /// It is not taken, and why; `out` may hold part of it, still encrypted.
    pub fn unprotect_rtcp<'a>(&mut self, packet: &[u8], out: &'a mut [u8]) -> Result<&'a [u8], Error> {
        let length = packet.len().checked_sub(self.keys.suite().rtcp_overhead());
        let length = length.filter(|length| *length >= RTCP_HEADER).ok_or(Error::Malformed)?;
        let out = out.get_mut(..length).ok_or(Error::TooLong)?;
        let (ssrc, word) = number(packet, 4).zip(self.rtcp.rtcp_index(packet)).ok_or(Error::Malformed)?;
        // Reports in the clear have to be agreed upon, and never are.
        let index = word.checked_sub(ENCRYPTED).ok_or(Error::NotAuthentic)?;
        let known = self.find(ssrc)?;
        let mut source = known.map_or_else(|| Source::new(ssrc, 0), |at| self.sources[at]);
        if !source.rtcp.is_fresh(index.into()) {
            return Err(Error::Replayed);
        }
        self.rtcp.open_rtcp(ssrc, index, packet, out).map_err(|_| Error::NotAuthentic)?;
        source.rtcp.mark(index.into());
        self.keep(known, source);
        Ok(out)
    }

    /// Where a stream is kept; `None` if it is new and may come.
    fn find(&self, ssrc: u32) -> Result<Option<usize>, Error> {
        let known = self.sources.iter().position(|source| source.ssrc == ssrc);
        if known.is_none() && self.sources.len() >= MAX_SRTP_SOURCES {
            return Err(Error::TooManySources);
        }
        Ok(known)
    }

    fn keep(&mut self, known: Option<usize>, source: Source) {
        match known {
            Some(at) => self.sources[at] = source,
            None => self.sources.push(source),
        }
    }
}

impl Source {
    const fn new(ssrc: u32, near: u64) -> Self {
        Self { ssrc, rtp: Window::unused(near), rtcp: Window::unused(0) }
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("keys", &self.keys).finish_non_exhaustive()
    }
}
