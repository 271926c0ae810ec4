//! Audio to be played, encoded once per codec and shared by all listeners.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::Codec;
use crate::codec::{Encoder, MAX_FRAME_SAMPLES, MAX_PAYLOAD, TICKS_PER_MS};
use crate::resample::Resampler;
use crate::sdp::OpusParameters;

/// Sampling rate of prompts as they are stored.
const STORED_RATE: u32 = 16_000;
/// Stored samples of one frame.
const STORED_FRAME: usize = STORED_RATE as usize / 50;

/// One clip of audio.
pub struct Prompt {
    samples: Box<[i16]>,
    encoded: [OnceLock<Encoded>; Codec::ALL.len()],
}

/// A prompt as one codec's payload.
#[derive(Debug)]
pub(crate) enum Encoded {
    /// Any piece can be cut out: so many bytes for each tick of the line.
    Even { bytes: Box<[u8]>, per_tick: usize },
    /// 20 ms frames of their own lengths (Opus).
    Frames(Frames),
}

/// Frames end to end.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    /// Where each one ends.
    ends: Vec<u32>,
}

/// One piece of a `Play`.
#[derive(Clone, Debug)]
pub enum Clip {
    /// A prompt, from its beginning to its end.
    Prompt(Arc<Prompt>),
    /// A pause: low comfort noise.
    Silence(Duration),
    /// A sine.
    Tone {
        /// Its frequency, in hertz.
        hz: f32,
        /// Its level, in dBm0 (0 dBm0 is a sine 3.17 dB below full scale).
        dbm0: f32,
        /// For how long.
        duration: Duration,
    },
}

impl Prompt {
    /// From 16 kHz mono samples.
    #[must_use]
    pub fn new(samples_16k: &[i16]) -> Arc<Self> {
        Arc::new(Self { samples: samples_16k.into(), encoded: Default::default() })
    }

    /// How long it plays.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.samples.len() as u64 * 1_000_000_000 / u64::from(STORED_RATE))
    }

    /// Encodes it for `codec` now rather than when first played. Whoever loads prompts calls this off the data
    /// plane: three minutes of waiting sound take longer to encode than a packet may be late.
    pub fn prepare(&self, codec: Codec) {
        self.encoded(codec);
    }

    /// How long it plays, in ticks of the line.
    pub(crate) fn ticks(&self) -> u32 {
        u32::try_from(self.samples.len() / (STORED_RATE / 1_000 / TICKS_PER_MS) as usize).unwrap_or(u32::MAX)
    }

    /// The whole of it as payload.
    pub(crate) fn encoded(&self, codec: Codec) -> &Encoded {
        self.encoded[codec as usize].get_or_init(|| self.encode(codec))
    }

    fn encode(&self, codec: Codec) -> Encoded {
        // Everybody hears the same encoding, so nobody's wishes count. Who cannot use redundancy leaves it unread.
        let mut encoder =
            Encoder::new(codec, &OpusParameters { inband_fec: true, ..OpusParameters::default() });
        let mut resampler = Resampler::default();
        let mut frames = Frames::default();
        for stored in self.samples.chunks(STORED_FRAME) {
            let mut converted = [0; MAX_FRAME_SAMPLES];
            let mut payload = [0; MAX_PAYLOAD];
            // The last frame is filled up with silence.
            let mut frame = [0; STORED_FRAME];
            frame[..stored.len()].copy_from_slice(stored);
            let samples = resampler.process(STORED_RATE, codec.sample_rate(), &frame, &mut converted);
            let length = encoder.encode(samples, &mut payload);
            frames.push(&payload[..length]);
        }
        let Some(per_ms) = codec.bytes_per_ms() else { return Encoded::Frames(frames) };
        let per_tick = per_ms / TICKS_PER_MS as usize;
        frames.bytes.truncate(self.ticks() as usize * per_tick);
        Encoded::Even { bytes: frames.bytes.into(), per_tick }
    }
}

impl Frames {
    fn push(&mut self, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
        self.ends.push(self.bytes.len() as u32);
    }

    /// The frame of this number, counted on from the beginning again after the last.
    pub(crate) fn round(&self, number: u64) -> &[u8] {
        let Some(number) = number.checked_rem(self.ends.len() as u64) else { return &[] };
        let number = number as usize;
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.bytes[start..self.ends[number] as usize]
    }
}

impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prompt({:?})", self.duration())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_gets_the_whole_length() {
        let prompt = Prompt::new(&vec![1_000; 16_000 + 100]);
        assert_eq!(prompt.duration(), Duration::from_micros(1_006_250));
        for codec in Codec::ALL {
            match prompt.encoded(codec) {
                Encoded::Even { bytes, per_tick } => {
                    assert_eq!(bytes.len(), 8_050 * per_tick);
                }
                Encoded::Frames(frames) => {
                    assert_eq!(frames.ends.len(), 51, "the last frame is filled up");
                    assert!((0..51).all(|i| codec.ticks(frames.round(i)) == 960));
                    assert_eq!(frames.round(51), frames.round(0));
                }
            }
            assert!(std::ptr::eq(prompt.encoded(codec), prompt.encoded(codec)));
        }
    }

    #[test]
    fn an_empty_prompt_has_no_frames() {
        let prompt = Prompt::new(&[]);
        let Encoded::Frames(frames) = prompt.encoded(Codec::Opus) else { panic!("not in frames") };
        assert!(frames.round(7).is_empty());
    }
}
