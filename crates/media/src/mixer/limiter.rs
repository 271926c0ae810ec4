//! Keeps the sum of several voices within what a sample can hold, by turning everything down a little before it gets too
//! loud and up again slowly. Nothing is cut off, so nothing is distorted.

use super::FRAME;

/// The loudest sample that leaves: 1 dB below full scale, so that neither a filter's overshoot nor a codec clips.
pub(super) const CEILING: i32 = 29_204;
/// The gain moves in straight lines between blocks of 2.5 ms, one of which is seen ahead: it is the limiter's delay.
const BLOCK: usize = 40;
/// How fast the gain comes back: 20 dB in a second, slower than syllables, so that speech does not pump.
const RECOVERY: f32 = 1.005_773;

/// One mix's limiter.
#[derive(Clone, Debug)]
pub(super) struct Limiter {
    gain: f32,
    ahead: [i32; BLOCK],
}

impl Default for Limiter {
    fn default() -> Self {
        Self { gain: 1.0, ahead: [0; BLOCK] }
    }
}

impl Limiter {
    /// Brings a frame into range. What comes out is 2.5 ms late.
    pub(super) fn process(&mut self, mix: &[i32; FRAME], out: &mut [i16; FRAME]) {
        let mut block = self.ahead;
        let mut need = need(&block);
        for (next, out) in mix.chunks_exact(BLOCK).zip(out.chunks_exact_mut(BLOCK)) {
            let next_need = self::need(next);
            // The line to the block's end keeps below what this block needs, and so does its beginning, which was what
            // the one before it ended with: it looked ahead.
            let end = (self.gain * RECOVERY).min(need).min(next_need);
            let step = (end - self.gain) / BLOCK as f32;
            for (i, (out, sample)) in out.iter_mut().zip(&block).enumerate() {
                let gain = self.gain + step * (i + 1) as f32;
                *out = (*sample as f32 * gain).round_ties_even() as i16;
            }
            self.gain = end;
            block.copy_from_slice(next);
            need = next_need;
        }
        self.ahead = block;
    }
}

/// The most gain that a block bears; 1 where it is not too loud.
fn need(block: &[i32]) -> f32 {
    let peak = block.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
    if peak <= CEILING.unsigned_abs() { 1.0 } else { CEILING as f32 / peak as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::f64::consts::TAU;

    fn run(samples: &[i32]) -> Vec<i16> {
        let mut limiter = Limiter::default();
        let frames = samples.chunks_exact(FRAME).map(|frame| {
            let mut out = [0; FRAME];
            limiter.process(frame.try_into().unwrap(), &mut out);
            out
        });
        frames.flatten().collect()
    }

    fn sine(hz: f64, peak: f64, count: usize) -> Vec<i32> {
        (0..count).map(|i| (peak * (TAU * hz * i as f64 / 16_000.0).sin()).round() as i32).collect()
    }

    #[test]
    fn what_fits_passes_untouched() {
        let fits = sine(440.0, 29_000.0, 16_000);
        let out = run(&fits);
        assert!(out[BLOCK..].iter().zip(&fits).all(|(out, sample)| i32::from(*out) == *sample));
    }

    #[test]
    fn eight_times_too_loud_a_tone_stays_a_tone() {
        let loud = sine(440.0, 8.0 * 22_000.0, 32_000);
        let out = run(&loud);
        let peak = out.iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!((28_900..=29_204).contains(&peak), "{peak}");
        // All power is at 440 Hz: a clipped sine would have a third harmonic of up to -10 dB.
        let heard = &out[16_000..];
        let at = |hz: f64| {
            let (mut re, mut im) = (0.0, 0.0);
            for (i, sample) in heard.iter().enumerate() {
                let angle = TAU * hz * i as f64 / 16_000.0;
                re += f64::from(*sample) * angle.cos();
                im += f64::from(*sample) * angle.sin();
            }
            re.hypot(im)
        };
        let harmonic = 20.0 * (at(1_320.0) / at(440.0)).log10();
        assert!(harmonic < -50.0, "third harmonic {harmonic:.1} dB");
    }

    /// A prompt of this repository (16 kHz), as loud as samples can be.
    fn spoken(name: &str) -> Vec<i32> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../prompts").join(name);
        let wav = std::fs::read(path).unwrap();
        let data = wav.windows(4).position(|chunk| chunk == b"data").unwrap() + 8;
        let samples =
            wav[data..].chunks_exact(2).map(|pair| i32::from(i16::from_le_bytes([pair[0], pair[1]])));
        let samples: Vec<i32> = samples.collect();
        let peak = samples.iter().map(|sample| sample.abs()).max().unwrap();
        samples.iter().map(|sample| sample * 32_767 / peak).collect()
    }

    fn power(samples: impl Iterator<Item = f64>) -> f64 {
        samples.map(|sample| sample * sample).sum()
    }

    #[test]
    fn three_who_talk_at_once_at_full_level_are_turned_down_and_not_distorted() {
        let voices = ["en-CA/A-failed.wav", "fr-CA/A-failed.wav", "en-CA/A-hard-call.wav"].map(spoken);
        let length = voices.iter().map(Vec::len).min().unwrap() / FRAME * FRAME;
        let sum: Vec<i32> = (0..length).map(|i| voices.iter().map(|voice| voice[i]).sum()).collect();
        let clipped = sum.iter().filter(|sample| sample.abs() > 32_767).count();
        assert!(clipped > 100, "{clipped} samples of the sum are out of range: too few for this test");
        let out = run(&sum);
        let loudest = out.iter().map(|sample| i32::from(*sample).abs()).max().unwrap();
        assert!((CEILING - 300..=CEILING + 1).contains(&loudest), "{loudest}");
        // Each block is the sum's, turned down; what is left over would be distortion.
        let (mut rest, mut all) = (0.0, 0.0);
        for (out, sum) in out[BLOCK..].chunks_exact(BLOCK).zip(sum.chunks_exact(BLOCK)) {
            let pairs = || out.iter().zip(sum).map(|(out, sum)| (f64::from(*out), f64::from(*sum)));
            let gain =
                pairs().map(|(out, sum)| out * sum).sum::<f64>() / power(pairs().map(|(_, s)| s)).max(1.0);
            rest += power(pairs().map(|(out, sum)| out - gain * sum));
            all += power(pairs().map(|(out, _)| out));
        }
        assert!(rest / all < 1e-3, "distortion {:.1} dB", 10.0 * (rest / all).log10());
        // Not louder than the sum, and not much softer than one voice alone.
        let level = |samples: &[i32]| 10.0 * power(samples.iter().map(|s| f64::from(*s))).log10();
        let heard = 10.0 * power(out.iter().map(|s| f64::from(*s))).log10();
        let alone = voices.iter().map(|voice| level(&voice[..length])).fold(f64::MIN, f64::max);
        assert!(
            heard <= level(&sum) && heard >= alone - 3.0,
            "{heard:.1} of {:.1} dB, {alone:.1} alone",
            level(&sum)
        );
    }

    #[test]
    fn loudness_comes_back_within_a_second_and_never_at_once() {
        let mut samples = sine(1_000.0, 100_000.0, 3_200);
        samples.extend(sine(1_000.0, 10_000.0, 16_000));
        let out = run(&samples);
        let peak = |from: usize| out[from..from + 320].iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!(peak(3_520) < 4_000, "{}", peak(3_520));
        assert!(peak(17_600) > 9_900, "{}", peak(17_600));
    }

    proptest! {
        /// Whatever is mixed: never above the ceiling.
        #[test]
        fn nothing_is_louder_than_the_ceiling(
            parts in prop::collection::vec((1..200_usize, -262_136..=262_136_i32), 1..60),
        ) {
            let mut samples: Vec<i32> =
                parts.iter().flat_map(|(count, level)| std::iter::repeat_n(*level, *count)).collect();
            samples.resize(samples.len().next_multiple_of(FRAME) + FRAME, 0);
            for sample in run(&samples) {
                prop_assert!(i32::from(sample).abs() <= CEILING + 1);
            }
        }
    }
}
