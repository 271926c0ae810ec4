//! Audio codecs: what they are called, and how they encode and decode.

pub(crate) mod g711;
pub(crate) mod g722;

/// Ticks of the RTP clock in one millisecond. All codecs of a telephone line run at 8 kHz on the wire, G.722 too.
pub(crate) const TICKS_PER_MS: u32 = 8;
/// Ticks of one 20 ms frame.
pub(crate) const FRAME_TICKS: u32 = 20 * TICKS_PER_MS;
/// Samples of one 20 ms frame at the highest sampling rate that a codec has (16 kHz).
pub(crate) const MAX_FRAME_SAMPLES: usize = 320;

/// An audio codec that Havre speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 mu-law: 8 kHz, 64 kbit/s.
    Pcmu,
    /// G.711 A-law: 8 kHz, 64 kbit/s.
    Pcma,
    /// G.722: 16 kHz, 64 kbit/s; its RTP clock is 8 kHz all the same (RFC 3551 §4.5.2).
    G722,
}

impl Codec {
    /// All of them, in the order of preference on a telephone line.
    pub const ALL: [Self; 3] = [Self::Pcmu, Self::Pcma, Self::G722];

    /// The encoding name of RFC 3551.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
        }
    }

    /// The static payload type of RFC 3551 §6.
    #[must_use]
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
        }
    }

    /// Samples per second.
    #[must_use]
    pub const fn sample_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8_000,
            Self::G722 => 16_000,
        }
    }

    /// Payload bytes that fill `ticks` of the RTP clock.
    pub(crate) const fn bytes(self, ticks: u32) -> usize {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => ticks as usize,
        }
    }

    /// Ticks of the RTP clock that `bytes` of payload fill.
    pub(crate) const fn ticks(self, bytes: usize) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => bytes as u32,
        }
    }
}

/// One encoded stream.
#[derive(Clone, Debug)]
pub(crate) enum Encoder {
    Pcmu,
    Pcma,
    G722(Box<g722::Encoder>),
}

impl Encoder {
    pub(crate) fn new(codec: Codec) -> Self {
        match codec {
            Codec::Pcmu => Self::Pcmu,
            Codec::Pcma => Self::Pcma,
            Codec::G722 => Self::G722(Box::default()),
        }
    }

    pub(crate) const fn codec(&self) -> Codec {
        match self {
            Self::Pcmu => Codec::Pcmu,
            Self::Pcma => Codec::Pcma,
            Self::G722(_) => Codec::G722,
        }
    }

    /// Encodes samples at the codec's own rate into `out`, as many as fit both.
    pub(crate) fn encode(&mut self, samples: &[i16], out: &mut [u8]) {
        match self {
            Self::Pcmu => out.iter_mut().zip(samples).for_each(|(o, s)| *o = g711::mulaw_encode(*s)),
            Self::Pcma => out.iter_mut().zip(samples).for_each(|(o, s)| *o = g711::alaw_encode(*s)),
            Self::G722(state) => {
                for (o, pair) in out.iter_mut().zip(samples.chunks_exact(2)) {
                    *o = state.encode(pair[0], pair[1]);
                }
            }
        }
    }
}

/// One decoded stream.
#[derive(Clone, Debug)]
pub(crate) enum Decoder {
    Pcmu,
    Pcma,
    G722(Box<g722::Decoder>),
}

impl Decoder {
    pub(crate) fn new(codec: Codec) -> Self {
        match codec {
            Codec::Pcmu => Self::Pcmu,
            Codec::Pcma => Self::Pcma,
            Codec::G722 => Self::G722(Box::default()),
        }
    }

    pub(crate) const fn codec(&self) -> Codec {
        match self {
            Self::Pcmu => Codec::Pcmu,
            Self::Pcma => Codec::Pcma,
            Self::G722(_) => Codec::G722,
        }
    }

    /// Decodes `payload` and gives every sample to `sink`, at the codec's own rate.
    pub(crate) fn decode(&mut self, payload: &[u8], mut sink: impl FnMut(i16)) {
        match self {
            Self::Pcmu => payload.iter().for_each(|b| sink(g711::mulaw_decode(*b))),
            Self::Pcma => payload.iter().for_each(|b| sink(g711::alaw_decode(*b))),
            Self::G722(state) => {
                for byte in payload {
                    let [first, second] = state.decode(*byte);
                    sink(first);
                    sink(second);
                }
            }
        }
    }
}
