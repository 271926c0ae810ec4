//! Audio to be played, encoded once per codec and shared by all listeners.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::Codec;
use crate::codec::{Encoder, MAX_FRAME_SAMPLES};
use crate::resample::Downsampler;

/// Sampling rate of prompts as they are stored.
const STORED_RATE: u32 = 16_000;

/// One clip of audio.
pub struct Prompt {
    samples: Box<[i16]>,
    encoded: [OnceLock<Box<[u8]>>; Codec::ALL.len()],
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

    /// How long it plays, on the RTP clock.
    pub(crate) fn ticks(&self) -> u32 {
        u32::try_from(self.samples.len() / 2).unwrap_or(u32::MAX)
    }

    /// The whole of it as payload bytes.
    pub(crate) fn encoded(&self, codec: Codec) -> &[u8] {
        self.encoded[codec as usize].get_or_init(|| self.encode(codec))
    }

    fn encode(&self, codec: Codec) -> Box<[u8]> {
        let mut encoder = Encoder::new(codec);
        let mut down = Downsampler::default();
        let mut bytes = Vec::with_capacity(self.samples.len() / 2);
        for frame in self.samples.chunks(MAX_FRAME_SAMPLES) {
            let mut narrow = [0; MAX_FRAME_SAMPLES / 2];
            let mut payload = [0; MAX_FRAME_SAMPLES / 2];
            let length = frame.len() / 2;
            if codec.sample_rate() == STORED_RATE {
                encoder.encode(frame, &mut payload[..length]);
            } else {
                down.process(frame, &mut narrow);
                encoder.encode(&narrow[..length], &mut payload[..length]);
            }
            bytes.extend_from_slice(&payload[..length]);
        }
        bytes.into_boxed_slice()
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
            assert_eq!(prompt.encoded(codec).len(), 8_050);
            assert_eq!(prompt.encoded(codec).as_ptr(), prompt.encoded(codec).as_ptr());
        }
    }
}
