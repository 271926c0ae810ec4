//! Hears keys in a stream of samples, within the limits of ITU-T Q.24.
//!
//! Every 5 ms the last 20 ms are looked at through a Hann window, at the eight frequencies. A tone's phase turns from
//! one look to the next by its true frequency, so each pair's deviation is known within a few hertz, and its level can
//! be corrected for it. What remains beside the two tones tells speech from keys: keys are nearly all there is.
//!
//! | of Q.24 | here |
//! |---|---|
//! | frequency: taken within 1.5 %, refused beyond 3.5 % | `MAX_DEVIATION` |
//! | level: 0 to -25 dBm0 each, refused below -55 | `FAINTEST` |
//! | high tone 4 dB above to 8 dB below the low one | `MAX_TWIST`, `MIN_TWIST` |
//! | length: taken from 40 ms, refused below 23 ms | `LOOKS_TO_BEGIN` |
//! | pause: seen from 40 ms; a break up to 10 ms is none | `LOOKS_TO_END` |
//! | echo up to 20 ms late and 10 dB down | `FALL` |
//! | noise 15 dB down; speech makes no key | `PURITY` |

use std::f32::consts::{PI, TAU};

use havre_model::Digit;

use super::{COLUMNS, ROWS, key_at};

/// Looks per second, and how many of their steps one look covers.
const LOOKS_PER_SECOND: u32 = 200;
const STEPS: usize = 4;
const STEP_SECONDS: f32 = 1.0 / LOOKS_PER_SECOND as f32;
/// Samples of the longest look (48 kHz).
const MAX_LOOK: usize = 48_000 / LOOKS_PER_SECOND as usize * STEPS;
/// From the nominal frequency: between what must be taken and what must not, with 2 Hz for the measurement.
const MAX_DEVIATION: f32 = 0.025;
/// Power of the fainter tone: -33 dBm0 on the scale of 16-bit samples (`tone::dbm0`).
const FAINTEST: f32 = 1.285e5;
/// High over low, as powers: +8 and -10 dB, more than asked, for lines that are worse and for G.722, whose predictor
/// lifts the high tone by some decibels where a stream was spliced.
const MAX_TWIST: f32 = 6.31;
const MIN_TWIST: f32 = 0.1;
/// The two tones' share of all power: 9.5 dB above the rest. At 0.8 the harmonics of high voices pass for keys (43 in 19 h of
/// synthetic speech); at 0.9 none did.
const PURITY: f32 = 0.9;
/// Two overtones of one voice stand to each other like these, the higher one to the lower one. All false keys that high
/// voices made were such pairs.
const OVERTONES: [f32; 4] = [2.0, 3.0 / 2.0, 4.0 / 3.0, 5.0 / 3.0];
/// How near to it is one, as a share of the high tone. Keys whose tones are within 1.5 % keep 0.7 % away, and most far more.
const NEAR: f32 = 0.005;
/// Looks in a row that make a press.
const LOOKS_TO_BEGIN: u8 = 5;
/// Looks in a row without the key that end it.
const LOOKS_TO_END: u8 = 7;
/// A tone this much fainter than its press was, as a power (-7 dB), is its echo.
const FALL: f32 = 0.2;

/// One stream's detector.
#[derive(Clone, Debug)]
pub(crate) struct Detector {
    rate: u32,
    /// Twice the cosines of the eight frequencies, for Goertzel's recursion, and how far each turns in a step.
    turns: [f32; 8],
    steps: [f32; 8],
    window: Vec<f32>,
    /// The last samples; the newest `fresh` of them were not looked at yet.
    samples: Vec<f32>,
    fresh: usize,
    before: [Phasor; 8],
    press: Press,
    /// A key that is not the pressed one, and the looks in a row that showed it.
    candidate: Option<(Digit, u8)>,
}

type Phasor = (f32, f32);

/// The key that is held.
#[derive(Clone, Copy, Debug)]
enum Press {
    None,
    /// With the greatest power that it had, and the looks in a row that missed it.
    Held {
        key: Digit,
        power: f32,
        missed: u8,
    },
}

impl Default for Detector {
    fn default() -> Self {
        let mut detector = Self {
            rate: 0,
            turns: [0.0; 8],
            steps: [0.0; 8],
            window: Vec::with_capacity(MAX_LOOK),
            samples: Vec::with_capacity(MAX_LOOK),
            fresh: 0,
            before: [(0.0, 0.0); 8],
            press: Press::None,
            candidate: None,
        };
        detector.tune(8_000);
        detector
    }
}

impl Detector {
    /// Takes up to 20 ms at 8 to 48 kHz; gives a key once, some 40 ms after it was pressed.
    pub(crate) fn push(&mut self, rate: u32, samples: &[i16]) -> Option<Digit> {
        if rate != self.rate {
            self.tune(rate);
        }
        let step = self.window.len() / STEPS;
        let (mut rest, mut pressed) = (samples, None);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(step - self.fresh));
            let start = self.samples.len() - step + self.fresh;
            for (place, sample) in self.samples[start..].iter_mut().zip(now) {
                *place = f32::from(*sample);
            }
            self.fresh += now.len();
            if self.fresh == step {
                let seen = self.look();
                pressed = self.on_look(seen).or(pressed);
                self.samples.copy_within(step.., 0);
                self.fresh = 0;
            }
            rest = later;
        }
        pressed
    }

    /// Takes 20 ms in which nothing came.
    pub(crate) fn push_silence(&mut self) -> Option<Digit> {
        let nothing = [0; MAX_LOOK];
        self.push(self.rate, &nothing[..self.window.len()])
    }

    fn tune(&mut self, rate: u32) {
        let rate = rate.clamp(8_000, 48_000);
        self.rate = rate;
        let length = (rate / LOOKS_PER_SECOND) as usize * STEPS;
        for ((turn, step), hz) in
            self.turns.iter_mut().zip(&mut self.steps).zip(ROWS.into_iter().chain(COLUMNS))
        {
            *turn = 2.0 * (TAU * hz / rate as f32).cos();
            *step = TAU * (hz * STEP_SECONDS).fract();
        }
        self.window.clear();
        self.window.extend((0..length).map(|i| 0.5 - 0.5 * (TAU * (i as f32 + 0.5) / length as f32).cos()));
        self.samples.clear();
        self.samples.resize(length, 0.0);
        self.fresh = 0;
        self.before = [(0.0, 0.0); 8];
    }

    /// The key that the last 20 ms are, and its power.
    fn look(&mut self) -> Option<(Digit, f32)> {
        let (phasors, total) = self.spectrum();
        let before = std::mem::replace(&mut self.before, phasors);
        let loudest = |group: std::ops::Range<usize>| {
            group.max_by(|a, b| power(phasors[*a]).total_cmp(&power(phasors[*b])))
        };
        let (row, column) = (loudest(0..4)?, loudest(4..8)?);
        let tone = |k: usize| {
            let hz = if k < 4 { ROWS[k] } else { COLUMNS[k - 4] };
            let off = wrap(angle(before[k], phasors[k]) - self.steps[k]) / (TAU * STEP_SECONDS);
            (off.abs() <= MAX_DEVIATION * hz).then(|| (hz + off, power(phasors[k]) / response(off)))
        };
        let ((low_hz, low), (high_hz, high)) = (tone(row)?, tone(column)?);
        if OVERTONES.iter().any(|ratio| (high_hz - ratio * low_hz).abs() <= NEAR * high_hz) {
            return None;
        }
        // A Hann window of n samples gives a sine of power p the squared magnitude p n² / 8 and the energy 3 p n / 8.
        let length = self.window.len() as f32;
        let (low, high) = (low * 8.0 / (length * length), high * 8.0 / (length * length));
        let total = total * 8.0 / (3.0 * length);
        let good = low.min(high) >= FAINTEST
            && (MIN_TWIST * low..=MAX_TWIST * low).contains(&high)
            && low + high >= PURITY * total;
        good.then(|| key_at(row, column - 4).map(|key| (key, low + high)))?
    }

    /// Goertzel's algorithm at the eight frequencies at once, and the energy of everything, both windowed.
    fn spectrum(&self) -> ([Phasor; 8], f32) {
        let (mut last, mut older, mut total) = ([0.0_f32; 8], [0.0_f32; 8], 0.0);
        for (sample, weight) in self.samples.iter().zip(&self.window) {
            let sample = sample * weight;
            total += sample * sample;
            for k in 0..8 {
                let now = sample + self.turns[k] * last[k] - older[k];
                older[k] = last[k];
                last[k] = now;
            }
        }
        // last - older e^(-iw): every look has the same phase factor left out.
        let phasor = |k: usize| {
            let cos = self.turns[k] / 2.0;
            let sin = (1.0 - cos * cos).max(0.0).sqrt();
            (last[k] - older[k] * cos, older[k] * sin)
        };
        (std::array::from_fn(phasor), total)
    }

    fn on_look(&mut self, seen: Option<(Digit, f32)>) -> Option<Digit> {
        if let Press::Held { key, power, missed } = &mut self.press {
            match seen {
                Some((again, now)) if again == *key && now >= FALL * *power => {
                    (*power, *missed, self.candidate) = (power.max(now), 0, None);
                    return None;
                }
                _ => *missed += 1,
            }
            if *missed >= LOOKS_TO_END {
                self.press = Press::None;
            } else if seen.is_none_or(|(other, _)| other == *key) {
                self.candidate = None;
                return None;
            }
        }
        let Some((key, power)) = seen else {
            self.candidate = None;
            return None;
        };
        let looks = self.candidate.filter(|(k, _)| *k == key).map_or(0, |(_, looks)| looks) + 1;
        self.candidate = Some((key, looks));
        if looks < LOOKS_TO_BEGIN {
            return None;
        }
        self.press = Press::Held { key, power, missed: 0 };
        self.candidate = None;
        Some(key)
    }
}

fn power((re, im): Phasor) -> f32 {
    re * re + im * im
}

/// By how much the second phasor is turned against the first.
fn angle(a: Phasor, b: Phasor) -> f32 {
    (b.1 * a.0 - b.0 * a.1).atan2(b.0 * a.0 + b.1 * a.1)
}

fn wrap(angle: f32) -> f32 {
    angle - TAU * (angle / TAU).round()
}

/// The share of its power that a tone `off` hertz away shows through the window.
fn response(off: f32) -> f32 {
    let x = off * STEP_SECONDS * STEPS as f32;
    if x.abs() < 1e-3 {
        return 1.0;
    }
    let amplitude = (PI * x).sin() / (PI * x) / (1.0 - x * x);
    amplitude * amplitude
}
