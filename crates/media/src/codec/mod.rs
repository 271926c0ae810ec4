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
/// Samples of one frame at the highest sampling rate that a codec has here (16 kHz).
pub(crate) const MAX_FRAME_SAMPLES: usize = 320;
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
    /// Opus (RFC 6716, RFC 7587): wideband, mono; decoded and encoded at 16 kHz, for no other codec here has more. Its
    /// RTP clock is 48 kHz all the same.
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
            Self::G722 | Self::Opus | Self::L16 => 16_000,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resample::Resampler;
    use proptest::prelude::*;

    fn codec() -> impl Strategy<Value = Codec> {
        prop::sample::select(Codec::ALL.to_vec())
    }

    proptest! {
        /// Whatever comes in as payload: no panic, and never more than there is room for.
        #[test]
        fn any_bytes_decode(
            codec in codec(),
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..1_500), 1..8),
            room in 0..=MAX_PACKET_SAMPLES,
        ) {
            let mut decoder = Decoder::new(codec);
            let mut out = vec![0; MAX_PACKET_SAMPLES];
            for payload in &payloads {
                prop_assert!(codec.ticks(payload) <= 1_500 * 48);
                prop_assert!(decoder.decode(payload, &mut out[..room]) <= room);
                let frame = &mut out[..codec.frame_samples()];
                decoder.recover(payload, frame);
                decoder.conceal(frame);
            }
        }

        /// A packet of ours has the length that its header's timestamp will say, and decodes to as much.
        #[test]
        fn what_is_encoded_has_the_length_of_a_frame(codec in codec(), frames in prop::collection::vec(any::<i16>(), 3)) {
            let mut encoder = Encoder::new(codec, &OpusParameters::default());
            let mut decoder = Decoder::new(codec);
            for level in frames {
                let samples: Vec<i16> = (0..codec.frame_samples()).map(|i| if i % 40 < 20 { level } else { 0 }).collect();
                let (mut payload, mut out) = ([0; MAX_PAYLOAD], [0; MAX_PACKET_SAMPLES]);
                let length = encoder.encode(&samples, &mut payload);
                prop_assert_eq!(codec.ticks(&payload[..length]), FRAME_MS * codec.ticks_per_ms());
                prop_assert_eq!(decoder.decode(&payload[..length], &mut out), codec.frame_samples());
            }
        }
    }

    /// Nine seconds of speech as 16 kHz frames, and encoded with redundancy for a line that loses much.
    fn spoken() -> (Vec<Vec<i16>>, Vec<Vec<u8>>) {
        let wish = OpusParameters { inband_fec: true, ..OpusParameters::default() };
        let (mut encoder, mut up) = (Encoder::new(Codec::Opus, &wish), Resampler::default());
        encoder.expect_loss(25);
        let speech: Vec<i16> = include_bytes!("../../tests/vectors/speech.ulaw")
            .iter()
            .map(|code| g711::mulaw_decode(*code))
            .collect();
        let frames = speech.chunks_exact(160).map(|frame| {
            let (mut wide, mut payload) = ([0; MAX_FRAME_SAMPLES], [0; MAX_PAYLOAD]);
            let samples = up.process(8_000, 16_000, frame, &mut wide);
            let length = encoder.encode(samples, &mut payload);
            (samples.to_vec(), payload[..length].to_vec())
        });
        frames.unzip()
    }

    #[test]
    fn a_lost_packet_of_opus_is_told_by_the_next_one_better_than_it_is_made_up() {
        let (_, packets) = spoken();
        let run = |lose: bool, tell: bool| {
            let mut decoder = Decoder::new(Codec::Opus);
            let (mut heard, mut told) = (Vec::new(), 0);
            for (i, packet) in packets.iter().enumerate() {
                let mut out = [0; MAX_PACKET_SAMPLES];
                let frame = Codec::Opus.frame_samples();
                if lose && i % 5 == 4 {
                    let after = packets.get(i + 1).filter(|_| tell);
                    if after.is_some_and(|after| decoder.recover(after, &mut out[..frame])) {
                        told += 1;
                    } else {
                        assert!(decoder.conceal(&mut out[..frame]));
                    }
                } else {
                    assert_eq!(decoder.decode(packet, &mut out), frame);
                }
                heard.extend_from_slice(&out[..frame]);
            }
            (heard, told)
        };
        let (whole, _) = run(false, false);
        let error = |heard: &[i16]| {
            let square = |(a, b): (&i16, &i16)| (f64::from(*a) - f64::from(*b)).powi(2);
            whole.iter().zip(heard).map(square).sum::<f64>()
        };
        let ((told, count), (made_up, _)) = (run(true, true), run(true, false));
        assert!(count * 2 > packets.len() / 5, "only {count} of {} were told", packets.len() / 5);
        assert!(error(&told) < 0.5 * error(&made_up), "{:.3}", error(&told) / error(&made_up));
    }

    #[test]
    fn the_far_sides_wishes_for_opus_are_granted() {
        let (frames, _) = spoken();
        let bytes = |wish: OpusParameters| {
            let mut encoder = Encoder::new(Codec::Opus, &wish);
            let lengths = frames.iter().map(|frame| encoder.encode(frame, &mut [0; MAX_PAYLOAD]));
            lengths.collect::<Vec<_>>()
        };
        let rate = |lengths: &[usize]| lengths.iter().sum::<usize>() * 8 * 50 / lengths.len();
        let usual = bytes(OpusParameters::default());
        assert!((12_000..28_000).contains(&rate(&usual)), "{} bit/s", rate(&usual));
        let low = bytes(OpusParameters { max_average_bitrate: 8_000, ..OpusParameters::default() });
        assert!(rate(&low) < 9_000, "{} bit/s", rate(&low));
        let constant = bytes(OpusParameters { cbr: true, ..OpusParameters::default() });
        assert!(constant.iter().all(|length| *length == constant[0]), "{constant:?}");
        // The configuration number tells the bandwidth (RFC 6716 table 2): 0-3 narrow, 8-11 wide.
        let config = |max_playback_rate| {
            let wish = OpusParameters { max_playback_rate, ..OpusParameters::default() };
            let (mut encoder, mut payload) = (Encoder::new(Codec::Opus, &wish), [0; MAX_PAYLOAD]);
            for frame in &frames[..50] {
                encoder.encode(frame, &mut payload);
            }
            payload[0] >> 3
        };
        assert_eq!((config(8_000), config(48_000)), (1, 9));
    }
}
