//! Makes speech shorter or longer by one pitch period, without changing its pitch (overlap-add at the lag at which the
//! signal resembles itself most, as WSOLA does).
//!
//! It works on one run of samples: what was heard before `head`, and what is to be heard from there on.

/// Lags that are looked at, as fractions of a second: 2.5 to 15 ms.
const SHORTEST: u32 = 400;
const LONGEST: u32 = 66;
/// The search looks at samples at this rate; the best lag is refined at the stream's own.
const SEARCH_RATE: u32 = 8_000;
/// Likeness (normalised correlation) that speech must have with itself to be changed.
const ALIKE: f32 = 0.85;
/// Likeness that is enough where the delay is far too long.
const ALIKE_ENOUGH: f32 = 0.5;
/// A part may have this many times the power of the other: a change during an onset would be heard.
const MAX_RATIO: f32 = 4.0;

/// How sure a change has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// It is quiet: any change will do, up to `most` samples.
    Hush { most: usize },
    /// The delay is far too long.
    Some,
    /// Speech.
    Full,
}

/// Samples from `head` on that [`shorten`] needs.
pub(super) const fn needed(rate: u32) -> usize {
    2 * (rate / LONGEST) as usize
}

/// Takes a period out at `head`; false if there is too little, or nothing alike.
pub(super) fn shorten(samples: &mut Vec<i16>, head: usize, rate: u32, care: Care) -> bool {
    if samples.len() < head + needed(rate) {
        return false;
    }
    let Some(lag) = choose(samples, head, rate, care, Way::Ahead) else { return false };
    for i in 0..lag {
        samples[head + lag + i] = mix(samples[head + i], samples[head + lag + i], i, lag);
    }
    samples.drain(head..head + lag);
    lag > 0
}

/// Puts a period in at `head`; false if there is too little, or nothing alike.
pub(super) fn lengthen(samples: &mut Vec<i16>, head: usize, rate: u32, care: Care) -> bool {
    if head < needed(rate) || samples.len() < head + needed(rate) / 2 {
        return false;
    }
    let Some(lag) = choose(samples, head, rate, care, Way::Back) else { return false };
    let length = samples.len();
    samples.resize(length + lag, 0);
    samples.copy_within(head..length, head + lag);
    for i in 0..lag {
        samples[head + i] = mix(samples[head + lag + i], samples[head - lag + i], i, lag);
    }
    lag > 0
}

/// `from` fading into `to`.
pub(super) fn mix(from: i16, to: i16, at: usize, of: usize) -> i16 {
    let (from, to) = (i32::from(from), i32::from(to));
    (from + (to - from) * at as i32 / of.max(1) as i32) as i16
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Ahead,
    Back,
}

/// The lag at which the samples at `head` resemble those further on, or back.
fn choose(samples: &[i16], head: usize, rate: u32, care: Care, way: Way) -> Option<usize> {
    if let Care::Hush { most } = care {
        return Some(most.min((rate / LONGEST) as usize));
    }
    let span = needed(rate) / 2;
    let at = |lag: usize| match way {
        Way::Ahead => &samples[head + lag..head + lag + span],
        Way::Back => &samples[head - lag..head - lag + span],
    };
    let (lag, likeness, ratio) = best_lag(&samples[head..head + span], at, rate, (SHORTEST, LONGEST));
    let enough = if care == Care::Full { ALIKE } else { ALIKE_ENOUGH };
    (likeness >= enough && (1.0 / MAX_RATIO..=MAX_RATIO).contains(&ratio)).then_some(lag)
}

/// The lag, between the given fractions of a second, at which `one` resembles `other(lag)` most; how much (at most 1);
/// and the ratio of their powers.
pub(super) fn best_lag<'a>(
    one: &[i16],
    other: impl Fn(usize) -> &'a [i16],
    rate: u32,
    (shortest, longest): (u32, u32),
) -> (usize, f32, f32) {
    let step = (rate / SEARCH_RATE).max(1) as usize;
    let likeness = |lag: usize, step: usize| {
        let (mut product, mut first, mut second) = (0.0_f32, 1.0_f32, 1.0_f32);
        for (a, b) in one.iter().zip(other(lag)).step_by(step) {
            let (a, b) = (f32::from(*a), f32::from(*b));
            product += a * b;
            first += a * a;
            second += b * b;
        }
        (product / (first * second).sqrt(), first / second)
    };
    let best = |lags: &mut dyn Iterator<Item = usize>, step: usize| {
        lags.map(|lag| (lag, likeness(lag, step)))
            .fold((0, (-2.0, 1.0)), |best, this| if this.1.0 > best.1.0 { this } else { best })
    };
    let (shortest, longest) = ((rate / shortest) as usize, (rate / longest) as usize);
    let (near, (coarse, ratio)) = best(&mut (shortest..=longest).step_by(step), step);
    if step == 1 {
        return (near, coarse, ratio);
    }
    let fine = near.saturating_sub(step - 1).max(shortest)..=(near + step - 1).min(longest);
    let (lag, (likeness, ratio)) = best(&mut fine.into_iter(), 1);
    (lag, likeness, ratio)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::{Oscillator, noise};

    const RATES: [u32; 3] = [8_000, 16_000, 48_000];

    fn sine(hz: f32, rate: u32) -> Vec<i16> {
        let mut samples = vec![0; rate as usize / 5];
        Oscillator::default().fill(hz, -10.0, rate, &mut samples);
        samples
    }

    /// The greatest step from a sample to the next.
    fn steepest(samples: &[i16]) -> i32 {
        samples.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max().unwrap()
    }

    #[test]
    fn a_tone_keeps_its_shape() {
        for rate in RATES {
            let (tone, head) = (sine(210.0, rate), rate as usize / 10);
            let period = f64::from(rate) / 210.0;
            let (mut shorter, mut longer) = (tone.clone(), tone.clone());
            assert!(shorten(&mut shorter, head, rate, Care::Full));
            assert!(lengthen(&mut longer, head, rate, Care::Full));
            for (lag, made) in [(tone.len() - shorter.len(), &shorter), (longer.len() - tone.len(), &longer)]
            {
                let periods = lag as f64 / period;
                assert!(lag > 0 && (periods - periods.round()).abs() < 0.03, "{rate} Hz: {periods} periods");
                assert!(steepest(made) <= steepest(&tone) * 11 / 10, "{rate} Hz: a click");
            }
        }
    }

    #[test]
    fn an_onset_and_what_has_no_pitch_are_left_alone() {
        let mut onset = noise(-60.0, 800);
        let mut loud = sine(210.0, 8_000);
        onset.append(&mut loud);
        for head in [600, 700, 740] {
            let before = onset.clone();
            assert!(!shorten(&mut onset, head, 8_000, Care::Full));
            assert!(!lengthen(&mut onset, head, 8_000, Care::Full));
            assert_eq!(onset, before);
        }
        let mut hiss = noise(-20.0, 1_600);
        assert!(!shorten(&mut hiss, 800, 8_000, Care::Full));
        assert!(shorten(&mut hiss, 800, 8_000, Care::Hush { most: 30 }));
        assert_eq!(hiss.len(), 1_570);
    }

    #[test]
    fn too_little_is_not_touched() {
        for length in 0..240 {
            let mut samples = sine(300.0, 8_000)[..length].to_vec();
            assert!(!shorten(&mut samples, 0, 8_000, Care::Hush { most: 30 }));
            assert!(!lengthen(&mut samples, length.min(100), 8_000, Care::Hush { most: 30 }));
            assert_eq!(samples.len(), length);
        }
    }

    #[test]
    fn silence_is_no_pitch_and_may_go() {
        let mut samples = vec![0; 800];
        assert!(!shorten(&mut samples, 400, 8_000, Care::Full));
        assert!(shorten(&mut samples, 400, 8_000, Care::Hush { most: 1_000 }));
        assert_eq!(samples.len(), 679);
    }
}
