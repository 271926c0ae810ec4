//! Tells words from the quiet between them, in favour of words: somebody who hardly dares to speak must be heard.
//!
//! Only what is known to be quiet is called so. Three measures of each frame (its level, and those of its slow and its
//! fast changes) are held against floors that sink at once and rise by 1 dB in a second; the frame is quiet when all
//! three have stayed near their floors for more than half a second. A mistake costs bandwidth, never a word.

/// A frame is no quiet one if any measure is so many decibels above its floor. The level of a 20 ms frame of white noise
/// varies by 0.5 dB (one standard deviation, at 8 kHz), so the floor lies about 1 dB below its mean.
const MARGIN_DB: f32 = 3.0;
/// Frames that have to be quiet before one is called quiet: longer than the gap of any consonant, shorter than a breath.
const HANGOVER: u32 = 30;
/// Frames from which the floors are learned at the beginning, when nothing is called quiet: nobody speaks for two seconds
/// without a gap.
const LEARNING: u32 = 100;
/// How fast a floor rises, in decibels per frame: a sung vowel of five seconds does not reach its own level.
const RISE_DB: f32 = 0.02;
/// Nothing louder is quiet, whatever the floors say (-35 dBm0): a long loud tone is somebody's doing.
const LOUD_DB: f32 = 49.0;

/// One stream's detector.
#[derive(Clone, Debug, Default)]
pub(crate) struct Detector {
    floors: [f32; 3],
    /// The last sample of the frame before.
    last: f32,
    /// Frames seen, as far as that matters; and quiet ones in a row.
    seen: u32,
    quiet: u32,
}

impl Detector {
    /// Takes a frame of 20 ms; true if somebody speaks, or may be about to.
    pub(crate) fn speaks(&mut self, samples: &[i16]) -> bool {
        let levels = self.measure(samples);
        if self.seen == 0 {
            self.floors = levels;
        }
        let mut above = levels[0] > LOUD_DB;
        for (floor, level) in self.floors.iter_mut().zip(levels) {
            *floor = (*floor + RISE_DB).min(level);
            above |= level > *floor + MARGIN_DB;
        }
        self.quiet = if above { 0 } else { self.quiet.saturating_add(1) };
        self.seen = (self.seen + 1).min(LEARNING);
        self.quiet <= HANGOVER || self.seen < LEARNING
    }

    /// Mean squares in decibels: of the samples, of the sums of neighbours (slow) and of their differences (fast).
    fn measure(&mut self, samples: &[i16]) -> [f32; 3] {
        let mut sums = [0.0_f32; 3];
        for sample in samples {
            let this = f32::from(*sample);
            let (slow, fast) = (this + self.last, this - self.last);
            sums[0] += this * this;
            sums[1] += slow * slow;
            sums[2] += fast * fast;
            self.last = this;
        }
        // Below one step of 16 bits there is nothing to tell apart.
        sums.map(|sum| 10.0 * (sum / samples.len().max(1) as f32).max(1.0).log10())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::g711::mulaw_decode;
    use crate::tone;

    /// espeak-ng saying two sentences with pauses, 8 kHz mu-law; `tests/vectors/README.md` says how it was made.
    const SPEECH: &[u8] = include_bytes!("../../tests/vectors/speech.ulaw");

    fn speech() -> Vec<f64> {
        SPEECH.iter().map(|code| f64::from(mulaw_decode(*code))).collect()
    }

    fn power(samples: &[f64]) -> f64 {
        samples.iter().map(|s| s * s).sum::<f64>() / samples.len() as f64
    }

    /// Speech whose louder half has this level, in noise, after two and a half seconds of noise alone; and for each frame
    /// its level before the noise was added.
    fn scene(speech_dbm0: f64, noise_dbm0: f64) -> (Vec<[i16; 160]>, Vec<f64>) {
        scene_in(speech_dbm0, noise_dbm0, 0.0)
    }

    /// In noise that is dark (a fan, a car) where `tilt` is near 1, and bright (a kettle) where it is near -1.
    fn scene_in(speech_dbm0: f64, noise_dbm0: f64, tilt: f64) -> (Vec<[i16; 160]>, Vec<f64>) {
        let speech = speech();
        let mut powers: Vec<f64> = speech.chunks_exact(160).map(power).collect();
        powers.sort_by(f64::total_cmp);
        let upper = &powers[powers.len() / 2..];
        let gain = tone::rms(speech_dbm0) / (upper.iter().sum::<f64>() / upper.len() as f64).sqrt();
        let mut clean = vec![0.0; 20_000];
        clean.extend(speech.iter().map(|s| s * gain));
        clean.extend(vec![0.0; 24_000]);
        let mut last = 0.0;
        let gain = (1.0 - tilt * tilt).sqrt();
        let noise: Vec<f64> = tone::noise(noise_dbm0 + 20.0, clean.len())
            .into_iter()
            .map(|white| {
                last = gain * f64::from(white) / 10.0 + tilt * last;
                last
            })
            .collect();
        let frames = clean.chunks_exact(160).zip(noise.chunks_exact(160));
        let heard = frames.clone().map(|(c, n)| std::array::from_fn(|i| (c[i] + n[i]).round() as i16));
        (heard.collect(), frames.map(|(c, _)| tone::dbm0(power(c))).collect())
    }

    #[test]
    fn no_frame_of_soft_speech_is_cut() {
        for (speech, noise) in
            [(-45.0, -60.0), (-45.0, -65.0), (-45.0, -75.0), (-50.0, -65.0), (-50.0, -60.0), (-20.0, -50.0)]
        {
            let (frames, clean) = scene(speech, noise);
            let mut detector = Detector::default();
            let verdicts: Vec<bool> = frames.iter().map(|frame| detector.speaks(frame)).collect();
            for (i, (spoken, level)) in verdicts.iter().zip(&clean).enumerate() {
                // What is softer than the noise in this frame cannot be heard in it.
                assert!(
                    *spoken || *level < noise,
                    "speech {speech}, noise {noise}: frame {i} of {level:.1} dBm0 is cut"
                );
            }
            let quiet = verdicts[frames.len() - 100..].iter().filter(|spoken| !**spoken).count();
            assert!(quiet > 90, "noise {noise}: only {quiet} of the last 100 frames are quiet");
        }
    }

    #[test]
    fn no_frame_of_soft_speech_is_cut_in_a_room_that_hums_or_hisses() {
        for (tilt, speech, noise) in [
            (0.95, -45.0, -60.0),
            (0.95, -45.0, -50.0),
            (0.8, -50.0, -60.0),
            (0.5, -45.0, -60.0),
            (-0.8, -45.0, -60.0),
        ] {
            let (frames, clean) = scene_in(speech, noise, tilt);
            let mut detector = Detector::default();
            let verdicts: Vec<bool> = frames.iter().map(|frame| detector.speaks(frame)).collect();
            let cut = verdicts.iter().zip(&clean).position(|(spoken, level)| !spoken && *level >= noise);
            assert_eq!(cut, None, "tilt {tilt}, speech {speech}, noise {noise}: a frame is cut");
            // Noise that rises and falls much is seldom taken for silence: that costs bandwidth and no word.
            let quiet = verdicts[frames.len() - 100..].iter().filter(|spoken| !**spoken).count();
            assert!(quiet > 50 || tilt != 0.5, "tilt {tilt}: only {quiet} frames are quiet");
        }
    }

    #[test]
    fn a_loud_steady_sound_is_never_quiet() {
        let mut sine = [0; 160];
        let (mut oscillator, mut detector) = (tone::Oscillator::default(), Detector::default());
        for frame in 0..2_000 {
            oscillator.fill(440.0, -30.0, 8_000, &mut sine);
            assert!(detector.speaks(&sine), "frame {frame}");
        }
    }

    #[test]
    fn noise_that_grows_is_learned() {
        let mut detector = Detector::default();
        for level in [-70.0, -55.0] {
            let noise = tone::noise(level, 160 * 1_500);
            let spoken: Vec<bool> = noise.chunks_exact(160).map(|frame| detector.speaks(frame)).collect();
            assert!(spoken[1_400..].iter().all(|s| !s), "at {level} dBm0");
        }
    }
}
