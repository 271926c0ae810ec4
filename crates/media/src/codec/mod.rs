//! Audio codecs: what they are called, and how they encode and decode.

pub(crate) mod comfort;
pub(crate) mod g711;
pub(crate) mod g722;
pub(crate) mod opus;
pub(crate) mod vad;

use crate::sdp::OpusParameters;

/// Ticks of the line's own time in one millisecond: prompts, loops and turns are counted at 8 kHz, whatever the clock
/// of the codec that carries them ([`Codec::ticks_per_ms`]).
pub(crate) const TICKS_PER_MS: u32 = 8;
/// One frame, in milliseconds and on the line's own time.
pub(crate) const FRAME_MS: u32 = 20;
pub(crate) const FRAME_TICKS: u32 = FRAME_MS * TICKS_PER_MS;
/// Samples of one frame at the highest sampling rate that a codec has (Opus, 48 kHz).
pub(crate) const MAX_FRAME_SAMPLES: usize = 960;
/// Samples of the longest packet that is decoded, 120 ms, at that rate. Longer ones are cut.
pub(crate) const MAX_PACKET_SAMPLES: usize = 6 * MAX_FRAME_SAMPLES;
/// Bytes of the longest payload that we make ourselves: 40 ms of L16.
pub(crate) const MAX_PAYLOAD: usize = 1_280;

/// An audio codec that Havre speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 mu-law: 8 kHz, 64 kbit/s.
    Pcmu,
    /// G.711 A-law: 8 kHz, 64 kbit/s.
    Pcma,
    /// G.722: 16 kHz, 64 kbit/s; its RTP clock is 8 kHz all the same (RFC 3551 §4.5.2).
    G722,
    /// Opus (RFC 6716, RFC 7587): decoded at 48 kHz, mono, about 24 kbit/s.
    Opus,
    /// Linear 16-bit samples at 16 kHz (RFC 3551 §4.5.11), 256 kbit/s: nothing is lost in coding, so tests measure
    /// the path alone with it.
    L16,
}

impl Codec {
    /// All of them, in the order of preference on a telephone line.
    pub const ALL: [Self; 5] = [Self::Pcmu, Self::Pcma, Self::G722, Self::Opus, Self::L16];
    /// Those that are offered unless the operator says otherwise: they cost next to nothing.
    pub const USUAL: [Self; 3] = [Self::Pcmu, Self::Pcma, Self::G722];

    /// The encoding name of RFC 3551 and RFC 7587.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::Opus => "opus",
            Self::L16 => "L16",
        }
    }

    /// The payload type of RFC 3551 §6, or the dynamic one that we ask for.
    #[must_use]
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
            Self::Opus => 111,
            Self::L16 => 97,
        }
    }

    /// Whether [`Self::payload_type`] means this codec without an `rtpmap`.
    pub(crate) const fn is_static(self) -> bool {
        self.payload_type() < 96
    }

    /// Ticks of its RTP clock in a second, as in SDP.
    #[must_use]
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 8_000,
            Self::Opus => 48_000,
            Self::L16 => 16_000,
        }
    }

    /// Ticks of its RTP clock in a millisecond.
    pub(crate) const fn ticks_per_ms(self) -> u32 {
        self.clock_rate() / 1_000
    }

    /// Samples per second, as it is decoded and encoded here.
    #[must_use]
    pub const fn sample_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8_000,
            Self::G722 | Self::L16 => 16_000,
            Self::Opus => 48_000,
        }
    }

    /// Samples of one 20 ms frame.
    pub(crate) const fn frame_samples(self) -> usize {
        (self.sample_rate() / 1_000 * FRAME_MS) as usize
    }

    /// Payload bytes of one millisecond, where they are always as many; Opus takes as many as it needs.
    pub(crate) const fn bytes_per_ms(self) -> Option<usize> {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => Some(8),
            Self::L16 => Some(32),
            Self::Opus => None,
        }
    }

    /// Length of the packets that we make, in milliseconds, where the far side asks for `ptime`. Opus always has one
    /// frame, for prompts are encoded once for everybody; L16 has to fit a datagram.
    pub(crate) const fn packet_ms(self, ptime: u8) -> u32 {
        match self {
            Self::Opus => FRAME_MS,
            Self::L16 if ptime > 40 => 40,
            _ => ptime as u32,
        }
    }

    /// Ticks of its RTP clock that `payload` fills; 0 if it is none of this codec's.
    pub(crate) fn ticks(self, payload: &[u8]) -> u32 {
        match self.bytes_per_ms() {
            Some(bytes) => (payload.len() as u32).saturating_mul(self.ticks_per_ms()) / bytes as u32,
            None => opus::duration(payload),
        }
    }
}

/// One encoded stream.
#[derive(Debug)]
pub(crate) enum Encoder {
    Pcmu,
    Pcma,
    G722(Box<g722::Encoder>),
    Opus(opus::Encoder),
    L16,
}

impl Encoder {
    /// `wish`: what the far side asks of Opus; other codecs have nothing to ask for.
    pub(crate) fn new(codec: Codec, wish: &OpusParameters) -> Self {
        match codec {
            Codec::Pcmu => Self::Pcmu,
            Codec::Pcma => Self::Pcma,
            Codec::G722 => Self::G722(Box::default()),
            Codec::Opus => Self::Opus(opus::Encoder::new(wish)),
            Codec::L16 => Self::L16,
        }
    }

    pub(crate) const fn codec(&self) -> Codec {
        match self {
            Self::Pcmu => Codec::Pcmu,
            Self::Pcma => Codec::Pcma,
            Self::G722(_) => Codec::G722,
            Self::Opus(_) => Codec::Opus,
            Self::L16 => Codec::L16,
        }
    }

    /// Whether what follows may be left unsent: Opus says nothing in silence, where the far side asked for that.
    pub(crate) fn quiet(&mut self, quiet: bool) {
        if let Self::Opus(state) = self {
            state.quiet(quiet);
        }
    }

    /// The far side loses so many per cent of our packets: Opus says things twice accordingly.
    pub(crate) fn expect_loss(&mut self, percent: u8) {
        if let Self::Opus(state) = self {
            state.expect_loss(percent);
        }
    }

    /// Encodes samples at the codec's own rate into `out`, as many as fit both; gives the length of the payload. Opus
    /// takes exactly one frame, and gives 0 for a frame that need not be sent (DTX).
    pub(crate) fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> usize {
        match self {
            Self::Pcmu => {
                each(samples.chunks_exact(1), out.chunks_exact_mut(1), |s| [g711::mulaw_encode(s[0])])
            }
            Self::Pcma => {
                each(samples.chunks_exact(1), out.chunks_exact_mut(1), |s| [g711::alaw_encode(s[0])])
            }
            Self::G722(state) => {
                each(samples.chunks_exact(2), out.chunks_exact_mut(1), |s| [state.encode(s[0], s[1])])
            }
            Self::Opus(state) => state.encode(samples, out),
            Self::L16 => each(samples.chunks_exact(1), out.chunks_exact_mut(2), |s| s[0].to_be_bytes()),
        }
    }
}

/// Converts chunk by chunk until either side ends; gives the elements written.
fn each<'a, const OUT: usize, A: 'a, B: Copy + 'a>(
    from: std::slice::ChunksExact<'a, A>,
    to: std::slice::ChunksExactMut<'a, B>,
    mut convert: impl FnMut(&[A]) -> [B; OUT],
) -> usize {
    let count = from.len().min(to.len()) * OUT;
    for (place, chunk) in to.zip(from) {
        place.copy_from_slice(&convert(chunk));
    }
    count
}

/// One decoded stream.
#[derive(Debug)]
pub(crate) enum Decoder {
    Pcmu,
    Pcma,
    G722(Box<g722::Decoder>),
    Opus(opus::Decoder),
    L16,
}

impl Decoder {
    pub(crate) fn new(codec: Codec) -> Self {
        match codec {
            Codec::Pcmu => Self::Pcmu,
            Codec::Pcma => Self::Pcma,
            Codec::G722 => Self::G722(Box::default()),
            Codec::Opus => Self::Opus(opus::Decoder::new(Codec::Opus.sample_rate())),
            Codec::L16 => Self::L16,
        }
    }

    pub(crate) const fn codec(&self) -> Codec {
        match self {
            Self::Pcmu => Codec::Pcmu,
            Self::Pcma => Codec::Pcma,
            Self::G722(_) => Codec::G722,
            Self::Opus(_) => Codec::Opus,
            Self::L16 => Codec::L16,
        }
    }

    /// Decodes `payload` into `out`, at the codec's own rate; gives the number of samples. `out` has room for
    /// [`MAX_PACKET_SAMPLES`]; what does not fit is left out, and so is what is no packet of this codec.
    pub(crate) fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> usize {
        match self {
            Self::Pcmu => {
                each(payload.chunks_exact(1), out.chunks_exact_mut(1), |b| [g711::mulaw_decode(b[0])])
            }
            Self::Pcma => {
                each(payload.chunks_exact(1), out.chunks_exact_mut(1), |b| [g711::alaw_decode(b[0])])
            }
            Self::G722(state) => {
                each(payload.chunks_exact(1), out.chunks_exact_mut(2), |b| state.decode(b[0]))
            }
            Self::Opus(state) => state.decode(payload, out),
            Self::L16 => {
                each(payload.chunks_exact(2), out.chunks_exact_mut(1), |b| [i16::from_be_bytes([b[0], b[1]])])
            }
        }
    }

    /// Whether [`Self::conceal`] makes up lost audio, as the codec knows best; the others leave it to their reader.
    pub(crate) const fn conceals(&self) -> bool {
        matches!(self, Self::Opus(_))
    }

    /// Makes up a lost packet: fills `out`, whose length is a multiple of 2.5 ms and at most 120 ms. False, and
    /// nothing written, where the codec cannot.
    pub(crate) fn conceal(&mut self, out: &mut [i16]) -> bool {
        match self {
            Self::Opus(state) => state.conceal(out),
            _ => false,
        }
    }

    /// Decodes the lost packet from the one that follows it, which is decoded by itself afterwards. `out` has the length
    /// that was lost. False, and nothing written, where it tells nothing.
    pub(crate) fn recover(&mut self, following: &[u8], out: &mut [i16]) -> bool {
        match self {
            Self::Opus(state) => opus::has_redundancy(following) && state.recover(following, out),
            _ => false,
        }
    }
}
