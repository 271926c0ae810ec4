//! The quiet behind a speaker's voice: known from the quietest that was heard, and played where nothing comes for long.

use crate::codec::comfort::{Analysis, Description, Generator};
use crate::tone::COMFORT_DBM0;

/// Root mean square of the quiet before any was heard: -54 dBm0. It is held for no louder than -42 dBm0.
const FIRST: f32 = 46.0;
const LOUDEST: f32 = 184.0;
/// A frame up to so many times as strong as the quiet belongs to it.
const LOUDER: f32 = 2.0;
/// The quiet is taken to rise by this factor with each louder frame: 1.7 dB a second.
const RISE: f32 = 1.004;
/// Share of each quiet frame in what is known.
const SHARE: f32 = 0.1;

/// The background of one stream.
#[derive(Clone, Debug)]
pub(super) struct Background {
    level: f32,
    analysis: Analysis,
    known: bool,
    noise: Generator,
}

impl Default for Background {
    fn default() -> Self {
        let noise = Generator::new(&Description::white(COMFORT_DBM0));
        Self { level: FIRST, analysis: Analysis::default(), known: false, noise }
    }
}

impl Background {
    /// Takes note of a packet's samples.
    pub(super) fn heard(&mut self, samples: &[i16]) {
        let level = rms(samples);
        if level > self.level * LOUDER {
            self.level = (self.level * RISE).min(LOUDEST);
            return;
        }
        self.level = (self.level + SHARE * (level - self.level)).clamp(1.0, LOUDEST);
        self.analysis.push(samples);
        self.known = true;
    }

    /// Whether nobody speaks in these samples.
    pub(super) fn holds(&self, samples: &[i16]) -> bool {
        rms(samples) <= self.level * LOUDER
    }

    /// Noise is about to be played: it sounds as the quiet did last.
    pub(super) fn begin(&mut self, rate: u32) {
        if self.known {
            self.noise.describe(&self.analysis.describe(rate));
        }
    }

    /// Plays it.
    pub(super) fn fill(&mut self, rate: u32, out: &mut [i16]) {
        self.noise.fill(rate, out);
    }
}

fn rms(samples: &[i16]) -> f32 {
    let power = samples.iter().map(|s| f32::from(*s) * f32::from(*s)).sum::<f32>();
    (power / samples.len().max(1) as f32).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::{Oscillator, noise};

    fn hear(background: &mut Background, samples: &[i16]) {
        samples.chunks(160).for_each(|frame| background.heard(frame));
    }

    fn played(background: &mut Background) -> f32 {
        background.begin(8_000);
        let mut out = vec![0; 16_000];
        background.fill(8_000, &mut out);
        rms(&out[8_000..])
    }

    #[test]
    fn the_quiet_is_learned_and_speech_is_not() {
        let mut background = Background::default();
        let room = noise(-50.0, 16_000);
        hear(&mut background, &room);
        let mut tone = vec![0; 8_000];
        Oscillator::default().fill(300.0, -10.0, 8_000, &mut tone);
        hear(&mut background, &tone);
        assert!(background.holds(&room) && !background.holds(&tone));
        let ratio = played(&mut background) / rms(&room);
        assert!((0.8..1.3).contains(&ratio), "{ratio}");
    }

    #[test]
    fn somebody_who_never_pauses_is_no_background() {
        let mut background = Background::default();
        let mut tone = vec![0; 80_000];
        Oscillator::default().fill(300.0, -10.0, 8_000, &mut tone);
        hear(&mut background, &tone);
        assert!(played(&mut background) < 20.0);
        assert!(background.level <= LOUDEST);
    }

    #[test]
    fn a_louder_room_becomes_the_background_in_time() {
        let mut background = Background::default();
        let room = noise(-43.0, 8_000 * 10);
        hear(&mut background, &room);
        assert!(background.holds(&room));
    }
}
