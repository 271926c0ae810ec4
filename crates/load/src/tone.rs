//! The tone that each voice sounds, and which tone is heard: for servers that decode what they pass on.
//!
//! All tones are multiples of 50 Hz, so that any 20 ms of one hold whole periods, and no tone leaks into another's
//! measure.

use std::f64::consts::TAU;
use std::sync::Arc;

use havre_media::{Codec, PlainDecoder, encode_frames};

/// The lowest tone, in hertz, and the distance to the next one.
const LOWEST: u32 = 400;
const STEP: u32 = 50;
/// How many there are: up to 3,000 Hz, where every telephone codec still passes a tone.
pub(crate) const TONES: usize = 53;
/// Samples of a frame as it is measured: 20 ms at 8 kHz.
const FRAME: usize = 160;
/// Share of a frame's power that a tone must have to be heard as one.
const PURE: f64 = 0.5;
/// Mean square below which a frame is silence: about -50 dBm0.
const SILENCE: f64 = 2_500.0;
/// Peak of the tones that we sound: -13 dBm0.
const PEAK: f64 = 5_000.0;

/// One second of a tone, as payloads of 20 ms.
pub(crate) type Loop = Arc<[Box<[u8]>]>;

/// All the tones in one codec.
pub(crate) struct Tones {
    loops: Vec<Loop>,
}

impl Tones {
    /// Encodes them.
    pub(crate) fn new(codec: Codec) -> Self {
        let rate = codec.sample_rate();
        let one = |tone: usize| {
            let step = TAU * f64::from(hertz(tone)) / f64::from(rate);
            let samples: Vec<i16> =
                (0..rate).map(|i| (PEAK * (step * f64::from(i)).sin()).round() as i16).collect();
            encode_frames(codec, &samples).into()
        };
        Self { loops: (0..TONES).map(one).collect() }
    }

    /// The one of this voice.
    pub(crate) fn of(&self, voice: u32) -> Loop {
        Arc::clone(&self.loops[tone_of(voice)])
    }
}

/// Which tone a voice sounds.
pub(crate) const fn tone_of(voice: u32) -> usize {
    voice as usize % TONES
}

/// A tone's frequency.
pub(crate) const fn hertz(tone: usize) -> u32 {
    LOWEST + STEP * tone as u32
}

/// Tells which tone a stream holds.
pub(crate) struct ToneEar {
    decoder: PlainDecoder,
    /// Samples of the codec for one of ours.
    every: usize,
}

impl ToneEar {
    /// For a stream of this codec.
    pub(crate) fn new(codec: Codec) -> Self {
        Self { decoder: PlainDecoder::new(codec), every: codec.sample_rate() as usize / 8_000 }
    }

    /// The tone in one payload; `None` for silence and for anything else.
    pub(crate) fn hear(&mut self, payload: &[u8]) -> Option<usize> {
        let mut frame = [0.0; FRAME];
        let samples = self.decoder.decode(payload).iter().step_by(self.every);
        let length = samples.zip(&mut frame).map(|(sample, place)| *place = f64::from(*sample)).count();
        (length == FRAME).then(|| strongest(&frame)).flatten()
    }
}

fn strongest(frame: &[f64; FRAME]) -> Option<usize> {
    let power = frame.iter().map(|x| x * x).sum::<f64>();
    if power / (FRAME as f64) < SILENCE {
        return None;
    }
    // A sine of peak a has the power a²·N/2 in N samples, and (a·N/2)² in its bin.
    let share = |tone: usize| bin(frame, hertz(tone)) * 2.0 / (FRAME as f64) / power;
    let (tone, best) = (0..TONES).map(|tone| (tone, share(tone))).max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    (best >= PURE).then_some(tone)
}

/// Power at one frequency (Goertzel's algorithm).
fn bin(frame: &[f64; FRAME], hertz: u32) -> f64 {
    let turn = 2.0 * (TAU * f64::from(hertz) / 8_000.0).cos();
    let (one, two) = frame.iter().fold((0.0, 0.0), |(one, two), x| (x + turn * one - two, one));
    one * one + two * two - turn * one * two
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tone_is_heard_in_every_codec() {
        for codec in Codec::ALL {
            let tones = Tones::new(codec);
            for voice in 0..TONES as u32 {
                let mut ear = ToneEar::new(codec);
                let heard: Vec<_> = tones.of(voice)[..10].iter().map(|payload| ear.hear(payload)).collect();
                let tone = Some(tone_of(voice));
                assert!(heard[3..].iter().all(|h| *h == tone), "{codec:?} {voice}: {heard:?}");
            }
        }
    }

    #[test]
    fn silence_and_noise_are_no_tone() {
        let mut ear = ToneEar::new(Codec::Pcmu);
        assert_eq!(ear.hear(&[0xff; 160]), None);
        let noise: Vec<u8> = (0..160_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        assert_eq!(ear.hear(&noise), None);
        assert_eq!(ear.hear(&[0x10; 80]), None, "half a frame");
    }
}
