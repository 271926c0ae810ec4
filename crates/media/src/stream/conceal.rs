//! What is played in place of a lost frame: the last pitch period again, fading.

/// Pitch between 66 and 400 Hz, in fractions of a second.
const SHORTEST_PERIOD: u32 = 400;
const LONGEST_PERIOD: u32 = 66;
/// History at the highest rate: the longest period twice.
pub(crate) const HISTORY: usize = 2 * 48_000 / LONGEST_PERIOD as usize + 2;

/// The last samples that were heard.
#[derive(Clone, Debug)]
pub(crate) struct Concealer {
    history: [i16; HISTORY],
    /// Samples made up since the last real one.
    made_up: usize,
    period: usize,
}

impl Default for Concealer {
    fn default() -> Self {
        Self { history: [0; HISTORY], made_up: 0, period: 0 }
    }
}

impl Concealer {
    /// Remembers a sample that was really heard.
    pub(crate) fn heard(&mut self, samples: &[i16]) {
        let samples = &samples[samples.len().saturating_sub(HISTORY)..];
        self.history.copy_within(samples.len().., 0);
        self.history[HISTORY - samples.len()..].copy_from_slice(samples);
        self.made_up = 0;
    }

    /// Makes up `out`, at `rate`: full level for 10 ms, then down to nothing within 60 ms.
    pub(crate) fn conceal(&mut self, rate: u32, out: &mut [i16]) {
        if self.made_up == 0 {
            self.period = self.pitch(rate);
        }
        let (hold, gone) = (rate as usize / 100, rate as usize * 60 / 1_000);
        for sample in out {
            let last = self.history[HISTORY - self.period + self.made_up % self.period];
            let left = gone.saturating_sub(self.made_up).min(gone - hold);
            *sample = (i32::from(last) * left as i32 / (gone - hold) as i32) as i16;
            self.made_up += 1;
        }
    }

    /// The lag at which the end of the history resembles itself most.
    fn pitch(&self, rate: u32) -> usize {
        let (shortest, longest) = ((rate / SHORTEST_PERIOD) as usize, (rate / LONGEST_PERIOD) as usize);
        let span = longest.min(HISTORY - longest);
        let end = &self.history[HISTORY - span..];
        let likeness = |lag: usize| {
            let before = &self.history[HISTORY - span - lag..HISTORY - lag];
            let (mut product, mut energy) = (0.0_f32, 1.0_f32);
            for (a, b) in end.iter().zip(before) {
                product += f32::from(*a) * f32::from(*b);
                energy += f32::from(*b) * f32::from(*b);
            }
            product / energy.sqrt()
        };
        let better = |best: (usize, f32), lag| {
            let this = likeness(lag);
            if this > best.1 { (lag, this) } else { best }
        };
        (shortest..=longest).fold((longest, 0.0), better).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::Oscillator;

    #[test]
    fn a_tone_goes_on_in_phase_and_fades() {
        for rate in [8_000, 16_000] {
            let mut tone = vec![0; rate as usize / 10];
            let mut oscillator = Oscillator::default();
            oscillator.fill(250.0, -10.0, rate, &mut tone);
            let mut concealer = Concealer::default();
            concealer.heard(&tone);
            let (mut made, mut real) = (vec![0; rate as usize / 10], vec![0; rate as usize / 10]);
            concealer.conceal(rate, &mut made);
            oscillator.fill(250.0, -10.0, rate, &mut real);
            for i in 0..rate as usize / 100 {
                assert!((i32::from(made[i]) - i32::from(real[i])).abs() < 500, "{rate} Hz, sample {i}");
            }
            assert!(made[rate as usize * 6 / 100..].iter().all(|s| *s == 0));
        }
    }

    #[test]
    fn silence_stays_silence() {
        let mut made = [1; 320];
        Concealer::default().conceal(16_000, &mut made);
        assert_eq!(made, [0; 320]);
    }
}
