//! Between the sampling rates of a telephone line, 8 and 16 kHz, by a windowed sinc in polyphase form.
//!
//! 32 taps per sample of the lower rate, Kaiser window with beta 7.4. Flat within 0.01 dB up to 0.425 of the lower rate
//! (3.4 kHz for a telephone), 6 dB down at half of it, and more than 72 dB down from 0.575 of it on (4.6 kHz, whatever
//! would fold into the band). Delay: 16 samples of the lower rate, 2 ms at 8 kHz and 1 ms at 16 kHz.

use std::f64::consts::PI;
use std::sync::LazyLock;

use crate::codec::MAX_FRAME_SAMPLES;

/// Taps for each sample of the lower rate; the filter is twice as long.
const TAPS: usize = 32;
/// Shape of the Kaiser window: 75 dB of attenuation.
const BETA: f64 = 7.4;
/// Between the two rates.
const RATIO: usize = 2;
/// What is looked back at, at most: all taps but the newest, at the higher rate.
const MAX_HISTORY: usize = TAPS * RATIO;
/// Sums that are added up side by side, so that the compiler can use vector instructions.
const LANES: usize = 8;

static FILTER: LazyLock<Filter> = LazyLock::new(Filter::new);

/// One stream's conversion. It may change from frame to frame; what was heard at another rate is then forgotten.
#[derive(Clone, Debug)]
pub(crate) struct Resampler {
    from: u32,
    to: u32,
    /// The newest input, at the end.
    history: [f32; MAX_HISTORY],
}

impl Default for Resampler {
    fn default() -> Self {
        Self { from: 0, to: 0, history: [0.0; MAX_HISTORY] }
    }
}

/// The taps.
struct Filter {
    /// In time's order; they add up to 1.
    down: Box<[f32]>,
    /// By phase, each `TAPS` long, newest input last; each phase adds up to 1.
    up: Box<[f32]>,
}

impl Resampler {
    /// Converts one frame (at most 20 ms) from one rate to another, both of 8 and 16 kHz; gives the result, which is
    /// `input` itself where there is nothing to do. Where the rate goes down, the length of `input` is even.
    pub(crate) fn process<'a>(
        &mut self,
        from: u32,
        to: u32,
        input: &'a [i16],
        output: &'a mut [i16; MAX_FRAME_SAMPLES],
    ) -> &'a [i16] {
        if from == to {
            return input;
        }
        if (self.from, self.to) != (from, to) {
            *self = Self { from, to, ..Self::default() };
        }
        let input = &input[..input.len().min(MAX_FRAME_SAMPLES)];
        let mut window = [0.0; MAX_HISTORY + MAX_FRAME_SAMPLES];
        window[..MAX_HISTORY].copy_from_slice(&self.history);
        for (place, sample) in window[MAX_HISTORY..].iter_mut().zip(input) {
            *place = f32::from(*sample);
        }
        let made = if from > to {
            FILTER.lower(&window, input.len(), output)
        } else {
            FILTER.raise(&window, input.len(), output)
        };
        self.history.copy_from_slice(&window[input.len()..input.len() + MAX_HISTORY]);
        &output[..made]
    }
}

impl Filter {
    /// A sinc whose zeros lie one sample of the lower rate apart, under a Kaiser window.
    fn new() -> Self {
        let count = TAPS * RATIO;
        let middle = (count - 1) as f64 / 2.0;
        let tap = |i: usize| {
            let from_middle = i as f64 - middle;
            let x = PI * from_middle / RATIO as f64;
            let sinc = if x == 0.0 { 1.0 } else { x.sin() / x };
            sinc * bessel(BETA * (1.0 - (from_middle / (middle + 1.0)).powi(2)).sqrt())
        };
        let taps: Vec<f64> = (0..count).map(tap).collect();
        let all: f64 = taps.iter().sum();
        let down = taps.iter().map(|t| (t / all) as f32).collect();
        let up = (0..RATIO).flat_map(|phase| {
            let taps = &taps;
            let all: f64 = taps.iter().skip(phase).step_by(RATIO).sum();
            (0..TAPS).rev().map(move |k| (taps[k * RATIO + phase] / all) as f32)
        });
        Self { down, up: up.collect() }
    }

    fn lower(&self, window: &[f32], count: usize, output: &mut [i16]) -> usize {
        let made = (count / RATIO).min(output.len());
        for (i, out) in output[..made].iter_mut().enumerate() {
            // The newest input of this output is the last one of its group.
            let end = MAX_HISTORY + (i + 1) * RATIO;
            *out = to_sample(dot(&window[end - self.down.len()..end], &self.down));
        }
        made
    }

    fn raise(&self, window: &[f32], count: usize, output: &mut [i16]) -> usize {
        let made = (count * RATIO).min(output.len());
        for (i, group) in output[..made].chunks_exact_mut(RATIO).enumerate() {
            let end = MAX_HISTORY + i + 1;
            let span = &window[end - TAPS..end];
            for (out, taps) in group.iter_mut().zip(self.up.chunks_exact(TAPS)) {
                *out = to_sample(dot(span, taps));
            }
        }
        made
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}

fn to_sample(value: f32) -> i16 {
    // `as` saturates.
    (value + 0.5_f32.copysign(value)) as i16
}

/// The modified Bessel function of the first kind, order 0, by its series.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..40 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    const RATES: [(u32, u32); 2] = [(8_000, 16_000), (16_000, 8_000)];

    /// Half a second of a sine, converted in pieces; the second half of it is measured.
    fn convert(from: u32, to: u32, hz: f64, piece: usize) -> Vec<i16> {
        let input: Vec<i16> = (0..from / 2)
            .map(|i| (16_000.0 * (TAU * hz * f64::from(i) / f64::from(from)).sin()).round() as i16)
            .collect();
        let mut resampler = Resampler::default();
        let convert = |part: &[i16]| {
            let mut out = [0; MAX_FRAME_SAMPLES];
            resampler.process(from, to, part, &mut out).to_vec()
        };
        input.chunks(piece).flat_map(convert).collect()
    }

    fn gain_db(from: u32, to: u32, hz: f64) -> f64 {
        let output = convert(from, to, hz, from as usize / 50);
        let heard = &output[output.len() / 2..];
        let power = heard.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / heard.len() as f64;
        10.0 * (power / (16_000.0_f64.powi(2) / 2.0)).max(1e-12).log10()
    }

    #[test]
    fn the_pass_band_is_flat() {
        for (from, to) in RATES {
            let low = f64::from(from.min(to));
            for part in [0.025, 0.1, 0.2, 0.3, 0.4, 0.425] {
                let gain = gain_db(from, to, part * low);
                assert!(gain.abs() < 0.02, "{from} to {to}, {} Hz: {gain:.3} dB", part * low);
            }
        }
    }

    #[test]
    fn what_would_fold_into_the_band_is_gone() {
        for (from, to) in RATES.into_iter().filter(|(from, to)| from > to) {
            for part in [0.575, 0.6, 0.75, 0.9, 0.975] {
                let hz = part * f64::from(to);
                let gain = gain_db(from, to, hz);
                assert!(gain < -72.0, "{from} to {to}, {hz} Hz: {gain:.1} dB");
            }
        }
    }

    #[test]
    fn no_image_appears_above_the_band() {
        for (from, to) in RATES.into_iter().filter(|(from, to)| from < to) {
            let output = convert(from, to, 0.4 * f64::from(from), from as usize / 50);
            let heard: Vec<f64> = output[output.len() / 2..].iter().map(|s| f64::from(*s)).collect();
            // The nearest image lies as far above half the lower rate as the tone lies below it.
            let hz = 0.6 * f64::from(from);
            let (mut re, mut im) = (0.0, 0.0);
            for (i, sample) in heard.iter().enumerate() {
                let angle = TAU * hz * i as f64 / f64::from(to);
                re += sample * angle.cos();
                im += sample * angle.sin();
            }
            let amplitude = 2.0 * (re * re + im * im).sqrt() / heard.len() as f64;
            let image = 20.0 * (amplitude / 16_000.0).log10();
            assert!(image < -72.0, "{from} to {to}: image of {image:.1} dB");
        }
    }

    #[test]
    fn uneven_pieces_give_the_same_samples() {
        for (from, to) in RATES {
            let whole = convert(from, to, 700.0, from as usize / 50);
            assert_eq!(whole, convert(from, to, 700.0, from as usize / 1_000 * 6), "{from} to {to}");
        }
    }

    #[test]
    fn the_delay_is_sixteen_samples_of_the_lower_rate() {
        for (from, to) in RATES {
            let mut resampler = Resampler::default();
            let mut input = vec![0; from as usize / 50];
            input[0] = 30_000;
            let mut out = [0; MAX_FRAME_SAMPLES];
            let heard = resampler.process(from, to, &input, &mut out);
            let peak = (0..heard.len()).max_by_key(|i| heard[*i].unsigned_abs()).unwrap();
            let millis = peak as f64 * 1_000.0 / f64::from(to);
            let due = 16.0 * 1_000.0 / f64::from(from.min(to));
            let sample = 1_000.0 / f64::from(from.min(to));
            assert!((millis - due).abs() <= sample, "{from} to {to}: {millis} ms, not {due}");
        }
    }
}
