//! Samples to payloads and back, for tools that measure from outside what a shard does.

use crate::Codec;
use crate::codec::{Decoder, Encoder, MAX_PACKET_SAMPLES, MAX_PAYLOAD};
use crate::sdp::OpusParameters;

/// Encodes mono samples at the codec's own rate, from a fresh encoder: one payload for each whole 20 ms.
#[must_use]
pub fn encode_frames(codec: Codec, samples: &[i16]) -> Vec<Box<[u8]>> {
    let mut encoder = Encoder::new(codec, &OpusParameters::default());
    let frames = samples.chunks_exact(codec.frame_samples()).map(|frame| {
        let mut payload = [0; MAX_PAYLOAD];
        let length = encoder.encode(frame, &mut payload);
        payload[..length].into()
    });
    frames.collect()
}

/// One stream of payloads, decoded as it comes: no jitter buffer, no concealment.
pub struct PlainDecoder {
    decoder: Decoder,
    samples: Box<[i16]>,
}

impl PlainDecoder {
    /// For a stream of this codec.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        Self { decoder: Decoder::new(codec), samples: vec![0; MAX_PACKET_SAMPLES].into() }
    }

    /// The samples of one payload, at the codec's own rate; none if it is no packet of this codec.
    pub fn decode(&mut self, payload: &[u8]) -> &[i16] {
        let count = self.decoder.decode(payload, &mut self.samples);
        &self.samples[..count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_heard_again() {
        for codec in Codec::ALL {
            let rate = codec.sample_rate() as usize;
            let step = std::f64::consts::TAU * 500.0 / rate as f64;
            let tone: Vec<i16> =
                (0..rate / 10 + 1).map(|i| (8_000.0 * (step * i as f64).sin()) as i16).collect();
            let frames = encode_frames(codec, &tone);
            assert_eq!(frames.len(), 5, "whole frames only");
            let mut decoder = PlainDecoder::new(codec);
            let heard: Vec<i16> = frames.iter().flat_map(|frame| decoder.decode(frame).to_vec()).collect();
            assert_eq!(heard.len(), rate / 10);
            let peak = heard[rate / 20..].iter().map(|s| s.unsigned_abs()).max().unwrap();
            assert!((6_500..9_500).contains(&peak), "{codec:?}: {peak}");
        }
    }
}
