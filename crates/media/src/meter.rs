//! Measures what is heard: the strongest frequency and the level, four times a second.

use std::f32::consts::TAU;

use crate::codec::MAX_FRAME_SAMPLES;
use crate::tone;

/// One measurement covers a quarter of a second.
const WINDOWS_PER_SECOND: u32 = 4;
/// Samples of the longest window (16 kHz).
const MAX_WINDOW: usize = 4_000;
/// The band that every codec of ours carries.
const BAND: std::ops::RangeInclusive<f32> = 100.0..=3_700.0;
/// Step of the first sweep, in hertz: half the width of a Hann window's main lobe (4 / 0.25 s).
const COARSE_HZ: f32 = 8.0;
/// Below this nothing is called a tone: our own comfort noise lies lower.
const SILENCE_DBM0: f64 = -60.0;

/// Collects samples of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    rate: u32,
    samples: Vec<f32>,
}

/// What was heard in a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) hz: f32,
    pub(crate) dbm0: f32,
    pub(crate) purity: f32,
}

impl Reading {
    pub(crate) const SILENCE: Self = Self { hz: 0.0, dbm0: -96.0, purity: 0.0 };
}

impl Default for Meter {
    fn default() -> Self {
        Self { rate: 8_000, samples: Vec::with_capacity(MAX_WINDOW) }
    }
}

impl Meter {
    /// Takes samples; gives a reading when they complete a window. A new rate begins a new window.
    pub(crate) fn push(&mut self, rate: u32, samples: &[i16]) -> Option<Reading> {
        if rate != self.rate {
            self.rate = rate;
            self.samples.clear();
        }
        self.samples.extend(samples.iter().map(|s| f32::from(*s)));
        if self.samples.len() < (rate / WINDOWS_PER_SECOND) as usize {
            return None;
        }
        let reading = self.read();
        self.samples.clear();
        Some(reading)
    }

    /// Takes 20 ms in which nothing came.
    pub(crate) fn push_silence(&mut self) -> Option<Reading> {
        self.push(self.rate, &[0; MAX_FRAME_SAMPLES][..(self.rate / 50) as usize])
    }

    fn read(&mut self) -> Reading {
        let count = self.samples.len() as f32;
        let mean_square = self.samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / f64::from(count);
        let dbm0 = tone::dbm0(mean_square).max(-96.0);
        if dbm0 < SILENCE_DBM0 {
            return Reading { dbm0: dbm0 as f32, ..Reading::SILENCE };
        }
        for (i, sample) in self.samples.iter_mut().enumerate() {
            *sample *= 0.5 - 0.5 * (TAU * i as f32 / count).cos();
        }
        let hz = self.strongest();
        // A Hann window halves a sine's amplitude, so a sine of amplitude A comes out as A * count / 4.
        let amplitude = self.power(hz).sqrt() * 4.0 / count;
        let purity = (amplitude * amplitude / 2.0 / mean_square as f32).min(1.0);
        Reading { hz, dbm0: dbm0 as f32, purity }
    }

    /// A coarse sweep over the band, then ever finer ones around what was best.
    fn strongest(&self) -> f32 {
        let bins = ((BAND.end() - BAND.start()) / COARSE_HZ) as usize;
        let mut best = self.best((0..=bins).map(|i| BAND.start() + COARSE_HZ * i as f32));
        let mut step = COARSE_HZ / 2.0;
        while step >= 0.25 {
            best = self.best([best - step, best, best + step].into_iter());
            step /= 2.0;
        }
        best
    }

    fn best(&self, candidates: impl Iterator<Item = f32>) -> f32 {
        candidates
            .map(|hz| (hz, self.power(hz)))
            .fold((0.0, -1.0), |best, this| if this.1 > best.1 { this } else { best })
            .0
    }

    /// Goertzel's algorithm: the squared magnitude of the spectrum at `hz`.
    fn power(&self, hz: f32) -> f32 {
        let turn = 2.0 * (TAU * hz / self.rate as f32).cos();
        let (mut last, mut before) = (0.0_f32, 0.0_f32);
        for sample in &self.samples {
            (last, before) = (sample + turn * last - before, last);
        }
        last * last + before * before - turn * last * before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::{Oscillator, noise};

    #[test]
    fn tones_are_found_within_two_hertz_and_a_quarter_decibel() {
        for rate in [8_000, 16_000] {
            for (hz, level) in
                [(104.0, -10.0), (425.5, -3.0), (1_004.0, -20.0), (1_777.7, -40.0), (3_690.0, -10.0)]
            {
                let mut samples = vec![0; rate as usize / 4];
                Oscillator::default().fill(hz, level, rate, &mut samples);
                let heard = Meter::default().push(rate, &samples).unwrap();
                assert!((heard.hz - hz).abs() < 2.0, "{hz} Hz was heard as {}", heard.hz);
                assert!((heard.dbm0 - level).abs() < 0.25, "{level} dBm0 was heard as {}", heard.dbm0);
                assert!(heard.purity > 0.95, "{hz} Hz: purity {}", heard.purity);
            }
        }
    }

    #[test]
    fn noise_is_no_tone_and_silence_has_no_frequency() {
        let heard = Meter::default().push(8_000, &noise(-20.0, 2_000)).unwrap();
        assert!(heard.purity < 0.2, "{heard:?}");
        assert_eq!(Meter::default().push(8_000, &[0; 2_000]), Some(Reading::SILENCE));
        assert_eq!(Meter::default().push(8_000, &noise(-65.0, 2_000)).unwrap().hz, 0.0);
    }
}
