//! The limits of ITU-T Q.24, at every rate that a codec has, wherever a tone begins between two looks.

use havre_model::Digit;

use super::{COLUMNS, Detector, ROWS, Tones, key_at};
use crate::codec::g711::{mulaw_decode, mulaw_encode};
use crate::tone::{Oscillator, noise};

const RATES: [u32; 3] = [8_000, 16_000, 48_000];

/// A piece of signal.
#[derive(Clone, Copy)]
struct Tone {
    row: usize,
    column: usize,
    /// Off the nominal frequencies, as factors.
    off: [f32; 2],
    dbm0: [f32; 2],
    ms: f32,
}

const ONE: Tone = Tone { row: 0, column: 0, off: [1.0; 2], dbm0: [-10.0; 2], ms: 40.0 };

fn all_keys() -> impl Iterator<Item = Tone> {
    (0..4).flat_map(|row| (0..4).map(move |column| Tone { row, column, ..ONE }))
}

impl Tone {
    fn key(self) -> char {
        key_at(self.row, self.column).unwrap().as_char()
    }

    fn samples(self, rate: u32) -> Vec<i16> {
        let count = (self.ms * rate as f32 / 1_000.0).round() as usize;
        let (mut low, mut high) = (vec![0; count], vec![0; count]);
        Oscillator::default().fill(ROWS[self.row] * self.off[0], self.dbm0[0], rate, &mut low);
        Oscillator::default().fill(COLUMNS[self.column] * self.off[1], self.dbm0[1], rate, &mut high);
        low.iter().zip(high).map(|(a, b)| i16::saturating_add(*a, b)).collect()
    }
}

fn silence(ms: f32, rate: u32) -> Vec<i16> {
    vec![0; (ms * rate as f32 / 1_000.0).round() as usize]
}

fn heard(rate: u32, samples: &[i16]) -> String {
    let mut detector = Detector::default();
    samples
        .chunks(rate as usize / 50)
        .filter_map(|part| detector.push(rate, part))
        .map(Digit::as_char)
        .collect()
}

/// What is heard of `signal` after each of several silences, so that the tone begins anywhere between two looks.
fn heard_anywhere(rate: u32, signal: &[i16]) -> Vec<String> {
    [50.0, 51.3, 52.6, 53.9]
        .map(|lead| heard(rate, &[&silence(lead, rate)[..], signal, &silence(80.0, rate)].concat()))
        .to_vec()
}

#[track_caller]
fn assert_heard(tone: Tone, rate: u32, signal: &[i16], what: &str) {
    for heard in heard_anywhere(rate, signal) {
        assert_eq!(heard, tone.key().to_string(), "{} at {rate} Hz: {what}", tone.key());
    }
}

#[track_caller]
fn assert_refused(tone: Tone, rate: u32, signal: &[i16], what: &str) {
    for heard in heard_anywhere(rate, signal) {
        assert_eq!(heard, "", "{} at {rate} Hz: {what}", tone.key());
    }
}

#[test]
fn frequencies_within_one_and_a_half_percent_are_taken_and_beyond_three_and_a_half_refused() {
    for (rate, tone) in RATES.into_iter().flat_map(|rate| all_keys().map(move |tone| (rate, tone))) {
        for off in [[1.0, 1.0], [1.015, 1.015], [0.985, 0.985], [1.015, 0.985], [0.985, 1.015], [1.015, 1.0]]
        {
            let off = Tone { off, ..tone };
            assert_heard(tone, rate, &off.samples(rate), &format!("{:?}", off.off));
        }
        for off in
            [[1.035, 1.0], [0.965, 1.0], [1.0, 1.035], [1.0, 0.965], [1.05, 1.0], [1.0, 0.95], [1.035, 0.965]]
        {
            let off = Tone { off, ms: 200.0, ..tone };
            assert_refused(tone, rate, &off.samples(rate), &format!("{:?}", off.off));
        }
    }
}

#[test]
fn forty_milliseconds_are_a_key_and_twenty_three_are_none() {
    for (rate, tone) in RATES.into_iter().flat_map(|rate| all_keys().map(move |tone| (rate, tone))) {
        for ms in [40.0, 41.0, 44.0, 60.0, 1_000.0] {
            assert_heard(tone, rate, &Tone { ms, ..tone }.samples(rate), &format!("{ms} ms"));
        }
        for ms in [5.0, 10.0, 20.0, 23.0] {
            assert_refused(tone, rate, &Tone { ms, ..tone }.samples(rate), &format!("{ms} ms"));
        }
    }
}

#[test]
fn levels_and_twist_within_the_limits_are_taken() {
    for (rate, tone) in RATES.into_iter().flat_map(|rate| all_keys().map(move |tone| (rate, tone))) {
        for dbm0 in [[0.0, 0.0], [-3.0, -3.0], [-25.0, -25.0], [-10.0, -6.0], [-10.0, -18.0], [-30.0, -30.0]]
        {
            let at = Tone { dbm0, ..tone };
            assert_heard(tone, rate, &at.samples(rate), &format!("{dbm0:?} dBm0"));
        }
        for dbm0 in
            [[-55.0, -55.0], [-40.0, -40.0], [-20.0, -10.0], [-5.0, -20.0], [-10.0, -90.0], [-90.0, -10.0]]
        {
            let at = Tone { dbm0, ms: 200.0, ..tone };
            assert_refused(tone, rate, &at.samples(rate), &format!("{dbm0:?} dBm0"));
        }
    }
}

#[test]
fn a_pause_of_forty_milliseconds_divides_and_a_break_of_ten_does_not() {
    for (rate, tone) in RATES.into_iter().flat_map(|rate| all_keys().map(move |tone| (rate, tone))) {
        let (key, once) = (tone.samples(rate), tone.key().to_string());
        for lead in [50.0, 51.3, 52.6, 53.9] {
            let pressed = |pause: f32| {
                let parts = [
                    silence(lead, rate),
                    key.clone(),
                    silence(pause, rate),
                    key.clone(),
                    silence(80.0, rate),
                ];
                heard(rate, &parts.concat())
            };
            assert_eq!(pressed(40.0), once.repeat(2), "{rate} Hz, after {lead} ms");
            assert_eq!(pressed(10.0), once, "{rate} Hz, after {lead} ms");
        }
    }
}

#[test]
fn keys_in_a_row_are_all_heard() {
    for rate in RATES {
        let keys = "1234567890*#ABCD11223344*0*0##DDA159";
        let mut signal = silence(33.0, rate);
        for key in keys.chars() {
            let mut press = silence(40.0, rate);
            Tones::default().fill(Digit::from_char(key).unwrap(), rate, &mut press);
            signal.extend(press);
            signal.extend(silence(40.0, rate));
        }
        assert_eq!(heard(rate, &signal), keys, "{rate} Hz");
    }
}

#[test]
fn noise_fifteen_decibels_down_hides_no_key_and_makes_none() {
    for (rate, tone) in RATES.into_iter().flat_map(|rate| all_keys().map(move |tone| (rate, tone))) {
        // 15 dB below the fainter tone's power, in the telephone band: white noise of the higher rates has more beside it.
        let hiss = noise(f64::from(tone.dbm0[0]) - 15.0, rate as usize / 5);
        let mut signal = [&silence(40.0, rate)[..], &tone.samples(rate), &silence(80.0, rate)].concat();
        signal.iter_mut().zip(&hiss).for_each(|(s, n)| *s += n);
        assert_eq!(heard(rate, &signal), tone.key().to_string(), "{rate} Hz");
        assert_eq!(heard(rate, &noise(-10.0, 10 * rate as usize)), "");
    }
}

#[test]
fn an_echo_is_no_press_and_hides_no_pause() {
    for tone in all_keys() {
        let (rate, once) = (8_000, tone.key().to_string());
        for late in [5.0, 10.0, 15.0, 20.0] {
            let key = tone.samples(rate);
            let mut signal =
                [silence(50.0, rate), key.clone(), silence(40.0, rate), key, silence(120.0, rate)].concat();
            let late_samples = (late * 8.0) as usize;
            let dry = signal.clone();
            for i in late_samples..signal.len() {
                signal[i] += (f32::from(dry[i - late_samples]) * 0.316) as i16;
            }
            assert_eq!(heard(rate, &signal), once.repeat(2), "echo after {late} ms");
        }
    }
}

/// What high voices sing: two overtones of 250 to 840 Hz, each within 2.5 % of a key's tones.
#[test]
fn overtones_of_one_voice_are_no_key() {
    for rate in RATES {
        let mut tried = 0;
        for (base, low, high) in (2_500..8_400).step_by(7).flat_map(|tenths| {
            [(1, 2), (2, 3), (3, 4), (3, 5)]
                .map(|(low, high)| (tenths as f32 / 10.0, low as f32, high as f32))
        }) {
            let near = |group: [f32; 4], hz: f32| group.iter().any(|tone| (hz / tone - 1.0).abs() <= 0.025);
            if !near(ROWS, base * low) || !near(COLUMNS, base * high) {
                continue;
            }
            tried += 1;
            let (mut one, mut other) = (vec![0; rate as usize / 5], vec![0; rate as usize / 5]);
            Oscillator::default().fill(base * low, -6.0, rate, &mut one);
            Oscillator::default().fill(base * high, -9.0, rate, &mut other);
            let voice: Vec<i16> = one.iter().zip(&other).map(|(a, b)| a + b).collect();
            assert_eq!(heard(rate, &voice), "", "{low} and {high} times {base} Hz at {rate} Hz");
        }
        assert!(tried > 50, "{tried}");
    }
}

#[test]
fn companded_and_faint_keys_are_heard() {
    for tone in all_keys() {
        let faint = Tone { dbm0: [-25.0; 2], off: [1.015, 0.985], ..tone };
        let line: Vec<_> = faint.samples(8_000).into_iter().map(|s| mulaw_decode(mulaw_encode(s))).collect();
        assert_heard(tone, 8_000, &line, "mu-law");
    }
}

#[test]
fn single_tones_sweeps_and_the_dial_tone_are_no_keys() {
    for hz in (200..3_600).step_by(7) {
        let mut signal = vec![0; 4_000];
        Oscillator::default().fill(hz as f32, -5.0, 8_000, &mut signal);
        assert_eq!(heard(8_000, &signal), "", "{hz} Hz");
    }
    let (mut low, mut high) = (vec![0; 16_000], vec![0; 16_000]);
    Oscillator::default().fill(350.0, -13.0, 8_000, &mut low);
    Oscillator::default().fill(440.0, -13.0, 8_000, &mut high);
    let dial: Vec<i16> = low.iter().zip(&high).map(|(a, b)| a + b).collect();
    assert_eq!(heard(8_000, &dial), "");
}

/// Minutes of our own prompts, in three languages. Hours of other speech: see tests/bench/RESULTS.md.
#[test]
fn speech_is_no_key() {
    let prompts = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../prompts");
    let (mut seconds, mut faults) = (0, Vec::new());
    for folder in ["en-CA", "fr-CA", "es"] {
        for file in std::fs::read_dir(prompts.join(folder)).unwrap() {
            let path = file.unwrap().path();
            let wav = std::fs::read(&path).unwrap();
            // 16 kHz, mono, 16 bits: the catalogue takes nothing else.
            let samples: Vec<_> =
                wav[44..].as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
            seconds += samples.len() / 16_000;
            let narrow: Vec<_> = samples.iter().step_by(2).copied().collect();
            if !heard(16_000, &samples).is_empty() || !heard(8_000, &narrow).is_empty() {
                faults.push(path);
            }
        }
    }
    assert!(seconds > 200, "only {seconds} s of speech");
    assert_eq!(faults, Vec::<std::path::PathBuf>::new());
}
