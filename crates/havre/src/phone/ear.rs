//! Recognises what is heard: the line's own prompts, its waiting sound, and the tones of terminal phones.
//!
//! A data thread measures level and strongest frequency four times a second. A prompt is recognised by its course of
//! levels: eight quarter seconds that each fit within a decibel fit nothing else that the line plays.

use std::collections::VecDeque;

use havre_dialplan::Catalogue;
use havre_model::Spoken;

use super::levels::{FLOOR_DBM0, HOPS_PER_WINDOW, floored, levels};

/// Measurements compared at once: two seconds.
const LOOK_BACK: usize = 8;
/// Fewer than these tell nothing: the shortest clips are under two seconds long.
const ENOUGH: usize = 5;
/// Mean difference, in dB, at which levels are called the same. Coding and packet edges cost about 0.2 dB.
const SAME: f32 = 1.0;
/// Levels that differ less among themselves, in dB, look like anything.
const TELLING: f32 = 1.0;
/// A frequency this near, in hertz, is the tone that is meant.
const NEAR_HZ: f32 = 4.0;
/// Share of the power that a tone has at its frequency.
const PURE: f32 = 0.9;
/// Measurements in a row that make a tone.
const TONE_WINDOWS: u8 = 2;
/// Measurements without a match after which a prompt counts as over.
const GAP: u8 = 3;

/// What a quarter of a second was like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) hz: f32,
    pub(super) dbm0: f32,
    pub(super) purity: f32,
}

/// Something that has just been recognised.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Heard {
    /// The first sound of all.
    Sound {
        /// Its level.
        dbm0: f32,
    },
    /// A prompt.
    Prompt {
        /// Its name in the catalogue.
        prompt: String,
        /// Its language.
        spoken: Spoken,
        /// What it says.
        text: String,
    },
    /// The waiting sound.
    Waiting,
    /// A steady tone near one of those that were asked for.
    Tone {
        /// The one asked for.
        expected: f32,
        /// As measured.
        hz: f32,
        /// As measured.
        dbm0: f32,
    },
}

/// One recording, as levels.
struct Voice {
    prompt: String,
    /// `None` for the waiting sound, which goes round.
    spoken: Option<Spoken>,
    text: String,
    levels: Vec<f32>,
}

/// Listens to one call.
pub(super) struct Ear {
    voices: Vec<Voice>,
    tones: Vec<f32>,
    recent: VecDeque<f32>,
    /// Which voice, and for how many measurements it has not been heard.
    playing: Option<(usize, u8)>,
    /// Which tone, and for how many measurements it has been heard.
    tone: Option<(f32, u8)>,
    silent_so_far: bool,
}

impl Ear {
    /// Knows these prompts (none without a catalogue) and these tones.
    pub(super) fn new(catalogue: Option<&Catalogue>, tones: &[f32]) -> Self {
        let clips = catalogue.into_iter().flat_map(Catalogue::clips);
        let voices = clips
            // The tick of quiet waiting is too short and too faint to be told from noise.
            .filter(|clip| clip.key.prompt.as_str() != "tick")
            .map(|clip| Voice {
                prompt: clip.key.prompt.as_str().to_owned(),
                spoken: clip.key.spoken,
                text: clip.text.to_string(),
                levels: levels(&clip.samples),
            })
            .collect();
        Self {
            voices,
            tones: tones.to_vec(),
            recent: VecDeque::with_capacity(LOOK_BACK),
            playing: None,
            tone: None,
            silent_so_far: true,
        }
    }

    /// Whether prompts can be recognised at all.
    pub(super) fn knows_prompts(&self) -> bool {
        !self.voices.is_empty()
    }

    /// The next quarter of a second.
    pub(super) fn hear(&mut self, reading: Reading) -> Vec<Heard> {
        let mut heard = Vec::new();
        if self.silent_so_far && reading.dbm0 > FLOOR_DBM0 {
            self.silent_so_far = false;
            heard.push(Heard::Sound { dbm0: reading.dbm0 });
        }
        if self.recent.len() == LOOK_BACK {
            self.recent.pop_front();
        }
        self.recent.push_back(floored(reading.dbm0));
        heard.extend(self.tone(reading));
        heard.extend(self.prompt());
        heard
    }

    fn tone(&mut self, reading: Reading) -> Option<Heard> {
        let near = |tone: &&f32| (**tone - reading.hz).abs() <= NEAR_HZ;
        let Some(expected) = self.tones.iter().find(near).copied().filter(|_| reading.purity >= PURE) else {
            self.tone = None;
            return None;
        };
        let windows = match self.tone {
            Some((tone, windows)) if tone == expected => windows.saturating_add(1),
            _ => 1,
        };
        self.tone = Some((expected, windows));
        let Reading { hz, dbm0, .. } = reading;
        (windows == TONE_WINDOWS).then_some(Heard::Tone { expected, hz, dbm0 })
    }

    fn prompt(&mut self) -> Option<Heard> {
        match (self.best(), self.playing) {
            (Some(voice), Some((playing, _))) if voice == playing => {
                self.playing = Some((voice, 0));
                None
            }
            (Some(voice), _) => {
                self.playing = Some((voice, 0));
                let Voice { prompt, spoken, text, .. } = &self.voices[voice];
                Some(match spoken {
                    Some(spoken) => {
                        Heard::Prompt { prompt: prompt.clone(), spoken: *spoken, text: text.clone() }
                    }
                    None => Heard::Waiting,
                })
            }
            (None, Some((playing, missed))) => {
                self.playing = (missed < GAP).then_some((playing, missed + 1));
                None
            }
            (None, None) => None,
        }
    }

    /// The voice that fits the last two seconds best, if one fits.
    fn best(&self) -> Option<usize> {
        let fits = self
            .voices
            .iter()
            .enumerate()
            .filter_map(|(index, voice)| Some((index, voice.fit(&self.recent)?)));
        fits.min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(index, _)| index)
    }
}

impl Voice {
    /// How far the best place in this recording is from `recent`, in dB, if that is near enough.
    fn fit(&self, recent: &VecDeque<f32>) -> Option<f32> {
        let fits = (0..self.levels.len()).filter_map(|last| self.fit_at(last, recent));
        fits.min_by(f32::total_cmp)
    }

    /// The same, if the last measurement began at hop `last`.
    fn fit_at(&self, last: usize, recent: &VecDeque<f32>) -> Option<f32> {
        let (mut count, mut error, mut sum, mut squares) = (0, 0.0, 0.0, 0.0);
        for (back, level) in recent.iter().rev().enumerate() {
            let Some(hop) = self.back(last, back * HOPS_PER_WINDOW) else { break };
            error += (self.levels[hop] - level).abs();
            // Far off already: the rest cannot mend it.
            if error > SAME * LOOK_BACK as f32 {
                return None;
            }
            (count, sum, squares) = (count + 1, sum + level, squares + level * level);
        }
        let n = count as f32;
        let spread = (squares / n - (sum / n).powi(2)).max(0.0).sqrt();
        (count >= ENOUGH && error / n < SAME && spread > TELLING).then_some(error / n)
    }

    /// `hops` before `from`: before the beginning there is nothing, but the waiting sound goes round.
    fn back(&self, from: usize, hops: usize) -> Option<usize> {
        match (from.checked_sub(hops), self.spoken) {
            (None, None) => (from + self.levels.len()).checked_sub(hops),
            (hop, _) => hop,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;

    fn catalogue() -> Arc<Catalogue> {
        Catalogue::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../prompts")).unwrap()
    }

    /// What a meter says of 16 kHz audio that begins `late` samples into its first window, through a noisy line.
    fn listen(ear: &mut Ear, audio: &[i16], late: usize) -> Vec<Heard> {
        let mut samples = vec![0_i16; late];
        samples.extend_from_slice(audio);
        let levels = levels(&samples);
        let wobble = [0.2, -0.3, 0.1, -0.1, 0.3];
        let readings = levels.iter().step_by(HOPS_PER_WINDOW).zip(wobble.iter().cycle());
        let readings = readings.map(|(level, w)| Reading { hz: 300.0, dbm0: level + w, purity: 0.3 });
        readings.flat_map(|reading| ear.hear(reading)).collect()
    }

    #[test]
    fn every_long_prompt_is_recognised_and_taken_for_no_other() {
        let catalogue = catalogue();
        for late in [0, 1_777, 3_210] {
            for clip in catalogue.clips().filter(|clip| clip.duration().as_millis() >= 2_000) {
                let Some(clips_language) = clip.key.spoken else { continue };
                let mut ear = Ear::new(Some(&catalogue), &[]);
                let heard = listen(&mut ear, &clip.samples, late);
                let names: Vec<(&str, Spoken)> = heard
                    .iter()
                    .filter_map(|heard| match heard {
                        Heard::Prompt { prompt, spoken, .. } => Some((prompt.as_str(), *spoken)),
                        _ => None,
                    })
                    .collect();
                assert_eq!(names, [(clip.key.prompt.as_str(), clips_language)], "{clip}, {late} late");
            }
        }
    }

    #[test]
    fn the_waiting_sound_is_recognised_wherever_one_joins_it() {
        let catalogue = catalogue();
        let waiting = catalogue.clip("waiting", None).unwrap();
        for second in [1, 50, 120, 190] {
            let mut ear = Ear::new(Some(&catalogue), &[]);
            let heard = listen(&mut ear, &waiting.samples[second * 16_000..(second + 8) * 16_000], 0);
            assert!(heard.contains(&Heard::Waiting), "from {second} s: {heard:?}");
            assert!(!heard.iter().any(|h| matches!(h, Heard::Prompt { .. })), "from {second} s: {heard:?}");
        }
    }

    #[test]
    fn tones_are_told_apart_and_reported_once() {
        let mut ear = Ear::new(None, &[453.0, 640.0]);
        let mut tell = |hz, purity| ear.hear(Reading { hz, dbm0: -25.0, purity });
        assert_eq!(tell(440.0, 0.99), [Heard::Sound { dbm0: -25.0 }]);
        assert_eq!(tell(452.0, 0.99), []);
        assert_eq!(tell(454.0, 0.5), [], "speech passes by any frequency");
        assert_eq!(tell(452.0, 0.99), []);
        assert_eq!(tell(453.5, 0.99), [Heard::Tone { expected: 453.0, hz: 453.5, dbm0: -25.0 }]);
        assert_eq!(tell(453.5, 0.99), []);
        assert_eq!(tell(640.0, 0.99), []);
        assert_eq!(tell(640.0, 0.99), [Heard::Tone { expected: 640.0, hz: 640.0, dbm0: -25.0 }]);
    }
}
