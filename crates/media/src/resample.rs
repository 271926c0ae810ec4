//! 16 kHz to 8 kHz and back, by one half-band filter in polyphase form.
//!
//! 59 taps, Kaiser window with beta 6: flat within 0.01 dB up to 3.4 kHz, 62 dB down from 4.6 kHz on (and so whatever
//! would fold into the band of a telephone). Every second tap but the middle one is zero. Delay: 1.8 ms.

use crate::codec::MAX_FRAME_SAMPLES;

/// The taps at odd distances 1, 3, .. 29 from the middle one, which is 0.5: `0.5 sinc(k/2) kaiser(k)`, scaled so that
/// all taps add up to 1. The test computes them again.
const TAPS: [f32; 15] = [
    0.317_238_2,
    -0.103_021_1,
    0.058_648_2,
    -0.038_682_3,
    0.027_007_1,
    -0.019_251_3,
    0.013_743_1,
    -0.009_700_7,
    0.006_700_7,
    -0.004_483_3,
    0.002_870_9,
    -0.001_730_4,
    0.000_955_3,
    -0.000_457_5,
    0.000_163_2,
];
/// Input samples that the down-sampler looks back.
const LOOK_BACK_DOWN: usize = 58;
/// Input samples that the up-sampler looks back.
const LOOK_BACK_UP: usize = 29;

/// Halves the rate.
#[derive(Clone, Debug)]
pub(crate) struct Downsampler {
    window: [f32; LOOK_BACK_DOWN + MAX_FRAME_SAMPLES],
}

impl Default for Downsampler {
    fn default() -> Self {
        Self { window: [0.0; LOOK_BACK_DOWN + MAX_FRAME_SAMPLES] }
    }
}

impl Downsampler {
    /// Takes up to 320 samples, an even number, and writes half as many.
    pub(crate) fn process(&mut self, input: &[i16], output: &mut [i16]) -> usize {
        let input = &input[..input.len().min(MAX_FRAME_SAMPLES) & !1];
        load(&mut self.window, LOOK_BACK_DOWN, input);
        let mut made = 0;
        for (out, at) in output.iter_mut().zip((0..input.len()).step_by(2)) {
            let span = &self.window[at..=at + LOOK_BACK_DOWN];
            let odd: f32 = (0..15).map(|k| TAPS[k] * (span[28 - 2 * k] + span[30 + 2 * k])).sum();
            *out = to_sample(0.5 * span[29] + odd);
            made += 1;
        }
        self.window.copy_within(input.len()..input.len() + LOOK_BACK_DOWN, 0);
        made
    }
}

/// Doubles the rate.
#[derive(Clone, Debug)]
pub(crate) struct Upsampler {
    window: [f32; LOOK_BACK_UP + MAX_FRAME_SAMPLES / 2],
}

impl Default for Upsampler {
    fn default() -> Self {
        Self { window: [0.0; LOOK_BACK_UP + MAX_FRAME_SAMPLES / 2] }
    }
}

impl Upsampler {
    /// Takes up to 160 samples and writes twice as many.
    pub(crate) fn process(&mut self, input: &[i16], output: &mut [i16]) -> usize {
        let input = &input[..input.len().min(MAX_FRAME_SAMPLES / 2)];
        load(&mut self.window, LOOK_BACK_UP, input);
        let mut made = 0;
        for (pair, at) in output.chunks_exact_mut(2).zip(0..input.len()) {
            // The middle tap meets a sample, or the odd taps do; the other places hold the zeros between samples.
            let span = &self.window[at..=at + LOOK_BACK_UP];
            let between: f32 = (0..15).map(|k| TAPS[k] * (span[14 - k] + span[15 + k])).sum();
            pair[0] = to_sample(span[14]);
            pair[1] = to_sample(2.0 * between);
            made += 2;
        }
        self.window.copy_within(input.len()..input.len() + LOOK_BACK_UP, 0);
        made
    }
}

fn load(window: &mut [f32], at: usize, input: &[i16]) {
    for (place, sample) in window[at..].iter_mut().zip(input) {
        *place = f32::from(*sample);
    }
}

fn to_sample(value: f32) -> i16 {
    // `as` saturates.
    value.round() as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::{PI, TAU};

    #[test]
    fn taps_are_those_of_the_formula() {
        let bessel = |x: f64| {
            (1..40)
                .fold((1.0, 1.0), |(sum, term), k| {
                    let term: f64 = term * (x / 2.0 / f64::from(k)).powi(2);
                    (sum + term, term)
                })
                .0
        };
        let tap = |k: f64| {
            (PI * k / 2.0).sin() / (PI * k) * bessel(6.0 * (1.0 - (k / 29.0).powi(2)).sqrt()) / bessel(6.0)
        };
        let all: f64 = (0..15).map(|i| tap(f64::from(2 * i + 1))).sum();
        for (i, have) in (0..).zip(TAPS) {
            let want = tap(f64::from(2 * i + 1)) * 0.25 / all;
            assert!((f64::from(have) - want).abs() < 1e-6, "tap {i}: {have} is not {want}");
        }
    }

    #[test]
    fn speech_passes_and_the_rest_does_not_fold() {
        for (hz, low, high) in
            [(200.0, -0.1, 0.1), (3_300.0, -0.1, 0.1), (4_700.0, -200.0, -58.0), (7_000.0, -200.0, -58.0)]
        {
            let gain = gain_db(hz, 16_000.0, |input, output| {
                let mut down = Downsampler::default();
                for (i, o) in input.chunks(320).zip(output.chunks_mut(160)) {
                    down.process(i, o);
                }
                input.len() / 2
            });
            assert!(gain > low && gain < high, "{hz} Hz down: {gain:.2} dB");
        }
        for hz in [200.0, 1_000.0, 3_300.0] {
            let gain = gain_db(hz, 8_000.0, |input, output| {
                let mut up = Upsampler::default();
                for (i, o) in input.chunks(160).zip(output.chunks_mut(320)) {
                    up.process(i, o);
                }
                input.len() * 2
            });
            assert!(gain.abs() < 0.1, "{hz} Hz up: {gain:.2} dB");
        }
    }

    #[test]
    fn uneven_pieces_give_the_same_samples() {
        let input: Vec<i16> = (0..640).map(|i| ((i * 7_919) % 20_011 - 10_000) as i16).collect();
        let run = |piece: usize| {
            let mut down = Downsampler::default();
            input
                .chunks(piece)
                .flat_map(|part| {
                    let mut out = [0; 160];
                    let made = down.process(part, &mut out);
                    out[..made].to_vec()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(run(320), run(64));
    }

    fn gain_db(hz: f64, rate: f64, run: impl Fn(&[i16], &mut [i16]) -> usize) -> f64 {
        let input: Vec<i16> =
            (0..3_200).map(|i| (16_000.0 * (TAU * hz * f64::from(i) / rate).sin()) as i16).collect();
        let mut output = vec![0; 2 * input.len()];
        let made = run(&input, &mut output);
        let power = |s: &[i16]| s.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / s.len() as f64;
        10.0 * (power(&output[made / 4..made]) / power(&input)).max(1e-12).log10()
    }
}
