//! What is played in place of what never came: the last pitch periods again, fading into the background, and from there
//! without a click into what comes next. The way of ITU-T G.711 Appendix I, without its delay.

use super::background::Background;
use super::stretch::{best_lag, mix};

/// Periods that are repeated, as fractions of a second: 5 to 15 ms.
const SHORTEST: u32 = 200;
const LONGEST: u32 = 66;
/// Milliseconds of history: the longest period three and a quarter times, as it is repeated, which is also enough to
/// look for it.
pub(super) const HISTORY_MS: usize = 50;
/// Below this likeness nothing is repeated but long pieces, which sound less like a tone.
const VOICED: f32 = 0.4;
/// Milliseconds at full level, and until nothing is left of the voice.
const HOLD_MS: usize = 20;
const GONE_MS: usize = 100;
/// The fade where the far side has said that it is silent.
const PAUSE_MS: usize = 20;
/// The fade into what comes next: at least, at most, and by how much it grows with each 10 ms that were made up.
const MERGE_MS: (usize, usize) = (4, 10);
const MERGE_GROWTH_MS: usize = 4;
/// That at the highest sampling rate, in samples.
const MAX_MERGE: usize = MERGE_MS.1 * 48;

/// One stream's concealment.
#[derive(Clone, Debug, Default)]
pub(super) struct Concealer {
    /// The end of what was heard: three and a quarter periods.
    voice: Vec<i16>,
    period: usize,
    /// Reading place in `voice`, and periods that the next repetition goes back.
    at: usize,
    back: usize,
    /// The step from the last sample to the repetition, which dies away.
    step: i32,
    /// Samples made up so far; `None`: nothing is being made up.
    made: Option<usize>,
    /// Where the voice begins to fade, and is gone.
    fade: (usize, usize),
}

impl Concealer {
    /// Whether something is being made up.
    pub(super) fn runs(&self) -> bool {
        self.made.is_some()
    }

    /// Begins after `heard`. Nothing happens if it runs already, but that a `pause` makes it fade sooner.
    pub(super) fn begin(&mut self, heard: &[i16], rate: u32, pause: bool, background: &mut Background) {
        let ms = rate as usize / 1_000;
        if let Some(made) = self.made {
            if pause && self.fade.1 > made + PAUSE_MS * ms {
                self.fade = (made, made + PAUSE_MS * ms);
            }
            return;
        }
        background.begin(rate);
        let longest = (rate / LONGEST) as usize;
        self.period = longest;
        let span = 20 * ms;
        if heard.len() >= span + longest {
            let end = heard.len() - span;
            let (lag, likeness, _) =
                best_lag(&heard[end..], |lag| &heard[end - lag..end - lag + span], rate, (SHORTEST, LONGEST));
            if likeness >= VOICED {
                self.period = lag;
            }
        }
        self.voice.clear();
        let length = (3 * self.period + self.period / 4).min(heard.len());
        self.voice.resize(3 * self.period + self.period / 4 - length, 0);
        self.voice.extend_from_slice(&heard[heard.len() - length..]);
        (self.at, self.back) = (self.voice.len() - self.period, 1);
        let last = |back: usize| i32::from(self.voice[self.voice.len() - 1 - back]);
        self.step = last(0) - last(self.period);
        self.made = Some(0);
        self.fade = if pause { (0, PAUSE_MS * ms) } else { (HOLD_MS * ms, GONE_MS * ms) };
    }

    /// Appends `count` samples.
    pub(super) fn fill(
        &mut self,
        samples: &mut Vec<i16>,
        count: usize,
        rate: u32,
        background: &mut Background,
    ) {
        let before = samples.len();
        samples.resize(before + count, 0);
        self.write(&mut samples[before..], rate, background);
    }

    /// What was made up fades into `next`, which is what really came; nothing is made up any more.
    pub(super) fn merge(&mut self, next: &mut [i16], rate: u32, background: &mut Background) {
        let Some(made) = self.made else { return };
        let ms = rate as usize / 1_000;
        let (least, most) = MERGE_MS;
        let length = (least + made / (10 * ms) * MERGE_GROWTH_MS).min(most) * ms;
        let length = length.min(next.len());
        let mut end = [0; MAX_MERGE];
        let end = &mut end[..length.min(MAX_MERGE)];
        self.write(end, rate, background);
        for (i, (sample, made)) in next.iter_mut().zip(end).enumerate() {
            *sample = mix(*made, *sample, i, length);
        }
        self.made = None;
    }

    /// Nothing is to be made up any more.
    pub(super) fn end(&mut self) {
        self.made = None;
    }

    /// The voice over the background.
    fn write(&mut self, out: &mut [i16], rate: u32, background: &mut Background) {
        background.fill(rate, out);
        let (begin, gone) = self.fade;
        for sample in out {
            let made = self.made.unwrap_or(0);
            self.made = Some(made + 1);
            if made >= gone {
                continue;
            }
            let level = (gone - made.max(begin)) as f32 / (gone - begin) as f32;
            let voice = self.repeat(made, rate) as f32;
            *sample = (voice * level + f32::from(*sample) * (1.0 - level)) as i16;
        }
    }

    /// The next sample of the repetition.
    fn repeat(&mut self, made: usize, rate: u32) -> i32 {
        let (quarter, span) = (self.period / 4, self.back * self.period);
        let left = self.voice.len() - self.at;
        let mut sample = self.voice[self.at];
        if left <= quarter {
            // Towards its end a repetition fades into what comes before its beginning, so that it has no seam.
            sample = mix(sample, self.voice[self.at - span], quarter - left + 1, quarter + 1);
        }
        self.at += 1;
        if self.at == self.voice.len() {
            self.at -= span;
            // A single period soon sounds like a machine.
            self.back = (1 + made / (rate as usize / 100)).min(3);
        }
        let dying = quarter.saturating_sub(made) as i32;
        (i32::from(sample) + self.step * dying / quarter.max(1) as i32).clamp(-32_768, 32_767)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::{Oscillator, noise};

    const RATES: [u32; 3] = [8_000, 16_000, 48_000];

    fn sine(rate: u32, seconds_10: u32) -> Vec<i16> {
        let mut samples = vec![0; (rate * seconds_10 / 10) as usize];
        Oscillator::default().fill(173.0, -10.0, rate, &mut samples);
        samples
    }

    fn steepest(samples: &[i16]) -> i32 {
        samples.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max().unwrap()
    }

    /// 100 ms heard, then `ms` made up.
    fn lose(heard: &[i16], rate: u32, ms: usize, pause: bool) -> (Vec<i16>, Concealer, Background) {
        let (mut concealer, mut background) = (Concealer::default(), Background::default());
        let mut samples = heard.to_vec();
        concealer.begin(heard, rate, pause, &mut background);
        concealer.fill(&mut samples, ms * rate as usize / 1_000, rate, &mut background);
        (samples, concealer, background)
    }

    #[test]
    fn a_tone_goes_on_in_phase_without_a_click_and_fades() {
        for rate in RATES {
            let tone = sine(rate, 3);
            let heard = rate as usize / 10;
            let (made, ..) = lose(&tone[..heard], rate, 200, false);
            // A period is a whole number of samples, so that the phase runs away little by little.
            for i in 0..rate as usize / 80 {
                let (made, real) = (i32::from(made[heard + i]), i32::from(tone[heard + i]));
                assert!((made - real).abs() < 1_000, "{rate} Hz, sample {i}: {made} for {real}");
            }
            assert!(steepest(&made) <= steepest(&tone) * 6 / 5, "{rate} Hz: a click");
            assert!(made[heard * 2..].iter().all(|s| s.abs() < 60), "only comfort noise is left");
        }
    }

    #[test]
    fn what_comes_next_is_joined_without_a_click() {
        for rate in RATES {
            let tone = sine(rate, 3);
            let heard = rate as usize / 10;
            for ms in [10, 20, 40, 60, 150] {
                let (mut samples, mut concealer, mut background) = lose(&tone[..heard], rate, ms, false);
                let at = samples.len();
                samples.extend_from_slice(&tone[at..]);
                concealer.merge(&mut samples[at..], rate, &mut background);
                assert!(!concealer.runs());
                assert!(steepest(&samples) <= steepest(&tone) * 6 / 5, "{rate} Hz, {ms} ms: a click");
                assert_eq!(samples[at + rate as usize / 100..], tone[at + rate as usize / 100..]);
            }
        }
    }

    #[test]
    fn a_pause_fades_sooner() {
        let tone = sine(8_000, 1);
        let (made, ..) = lose(&tone, 8_000, 60, true);
        assert!(made[800 + 160..].iter().all(|s| s.abs() < 60));
        let (mut made, mut concealer, mut background) = lose(&tone, 8_000, 20, false);
        concealer.begin(&[], 8_000, true, &mut background);
        concealer.fill(&mut made, 400, 8_000, &mut background);
        assert!(made[800 + 320..].iter().all(|s| s.abs() < 60));
    }

    #[test]
    fn silence_noise_and_the_very_beginning_are_no_trouble() {
        let (made, ..) = lose(&[0; 800], 8_000, 200, false);
        assert!(made.iter().all(|s| s.abs() < 60));
        for length in [0, 1, 50, 300, 399] {
            let (made, ..) = lose(&noise(-20.0, length), 8_000, 300, false);
            assert_eq!(made.len(), length + 2_400);
        }
        let loudest = [i16::MIN, i16::MAX].repeat(400);
        lose(&loudest, 8_000, 200, false);
    }

    #[test]
    fn a_voice_keeps_its_level_while_it_is_held() {
        let hiss = noise(-20.0, 1_600);
        let (made, ..) = lose(&hiss, 8_000, 20, false);
        let power = |s: &[i16]| s.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / s.len() as f64;
        let ratio = power(&made[1_600..]) / power(&hiss);
        assert!((0.5..1.5).contains(&ratio), "{ratio}");
    }
}
