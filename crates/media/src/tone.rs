//! Levels, sines and noise.

use std::f64::consts::TAU;

/// Peak of a 0 dBm0 sine on the scale of 16-bit samples: G.711 mu-law's ceiling (32,636) is +3.17 dBm0.
const PEAK_AT_0_DBM0: f64 = 22_657.0;

/// Comfort noise: loud enough to be an open line, too faint to be heard as hiss.
pub(crate) const COMFORT_DBM0: f64 = -65.0;

/// The level of a signal with this mean square, in dBm0.
pub(crate) fn dbm0(mean_square: f64) -> f64 {
    10.0 * (mean_square / (PEAK_AT_0_DBM0 * PEAK_AT_0_DBM0 / 2.0)).max(1e-10).log10()
}

/// Root mean square of a signal at this level.
pub(crate) fn rms(dbm0: f64) -> f64 {
    PEAK_AT_0_DBM0 / std::f64::consts::SQRT_2 * 10_f64.powf(dbm0 / 20.0)
}

/// A sine that goes on from call to call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Oscillator {
    phase: f64,
}

impl Oscillator {
    /// Fills `out` with the sine of `hz` at `level` dBm0, clipped where the level is above full scale.
    pub(crate) fn fill(&mut self, hz: f32, level: f32, rate: u32, out: &mut [i16]) {
        let step = f64::from(hz).clamp(0.0, f64::from(rate) / 2.0) / f64::from(rate);
        let peak = PEAK_AT_0_DBM0 * 10_f64.powf(f64::from(level.clamp(-96.0, 6.0)) / 20.0);
        for sample in out {
            *sample = (peak * (TAU * self.phase).sin()).round() as i16;
            self.phase = (self.phase + step).fract();
        }
    }
}

/// `count` samples of white noise at `level` dBm0. Always the same ones: there is no secret in them.
pub(crate) fn noise(level: f64, count: usize) -> Vec<i16> {
    // A uniform distribution of half-width w has the root mean square w / sqrt 3.
    let width = rms(level) * 3_f64.sqrt();
    let mut state = 0x9e37_79b9_u32;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (f64::from(state as i32) / 2_147_483_648.0 * width).round() as i16
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_what_was_asked_for() {
        let mean_square = |s: &[i16]| s.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / s.len() as f64;
        let mut sine = [0; 8_000];
        Oscillator::default().fill(1_000.0, -10.0, 8_000, &mut sine);
        assert!((dbm0(mean_square(&sine)) + 10.0).abs() < 0.01);
        assert!((dbm0(mean_square(&noise(-20.0, 8_000))) + 20.0).abs() < 0.3);
    }
}
