//! How loud a prompt is over time, as a telephone line lets it through.

/// Windows begin this often: fine enough that one of them begins where any measurement did.
pub(super) const HOPS_PER_SECOND: usize = 100;
/// Hops from one measurement to the next: `media::Event::Heard` comes with the first packet of 20 ms that completes a
/// quarter of a second, which is the thirteenth.
pub(super) const HOPS_PER_WINDOW: usize = 26;
/// Below this, levels are those of the codec's noise rather than of the recording.
pub(super) const FLOOR_DBM0: f32 = -42.0;

/// Samples per hop at 8 kHz.
const HOP: usize = 8_000 / HOPS_PER_SECOND;
/// Peak of a 0 dBm0 sine among 16-bit samples: mu-law's ceiling, 32,636, is +3.17 dBm0 (G.711).
const PEAK_AT_0_DBM0: f64 = 22_657.0;
/// Half of the half-band filter's odd taps.
const TAPS: usize = 12;

/// Levels, in dBm0, of the measurements of 16 kHz audio that would begin at each hop.
pub(super) fn levels(samples_16k: &[i16]) -> Vec<f32> {
    let narrow = halve(samples_16k);
    let energies: Vec<f64> =
        narrow.chunks(HOP).map(|hop| hop.iter().map(|s| f64::from(*s).powi(2)).sum()).collect();
    let full_scale = PEAK_AT_0_DBM0 * PEAK_AT_0_DBM0 / 2.0 * (HOP * HOPS_PER_WINDOW) as f64;
    energies
        .windows(HOPS_PER_WINDOW)
        .map(|window| window.iter().sum::<f64>() / full_scale)
        .map(|power| floored((10.0 * power.max(1e-10).log10()) as f32))
        .collect()
}

/// A level, or the floor.
pub(super) const fn floored(dbm0: f32) -> f32 {
    dbm0.max(FLOOR_DBM0)
}

/// 16 kHz to 8 kHz with a half-band filter: what a telephone line cannot carry must not count.
fn halve(samples: &[i16]) -> Vec<f32> {
    let taps = taps();
    let at = |i: isize| usize::try_from(i).ok().and_then(|i| samples.get(i)).map_or(0.0, |s| f32::from(*s));
    (0..samples.len() / 2)
        .map(|out| {
            let middle = isize::try_from(out * 2).unwrap_or(isize::MAX);
            let sides = taps.iter().zip((1_isize..).step_by(2));
            0.5 * at(middle) + sides.map(|(tap, d)| tap * (at(middle - d) + at(middle + d))).sum::<f32>()
        })
        .collect()
}

/// One side of a half-band filter's odd taps: a sinc under a Hann window.
fn taps() -> [f32; TAPS] {
    std::array::from_fn(|i| {
        let d = (2 * i + 1) as f32;
        let x = std::f32::consts::FRAC_PI_2 * d;
        let window = 0.5 + 0.5 * (std::f32::consts::PI * d / (2 * TAPS) as f32).cos();
        0.5 * x.sin() / x * window
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hz: f32, peak: f32) -> Vec<i16> {
        (0..16_000)
            .map(|i| (peak * (std::f32::consts::TAU * hz * i as f32 / 16_000.0).sin()) as i16)
            .collect()
    }

    #[test]
    fn a_sine_has_its_level_and_what_is_above_the_line_has_none() {
        for (hz, expected) in [(400.0, -10.0), (1_000.0, -10.0), (3_000.0, -10.0), (6_000.0, FLOOR_DBM0)] {
            // 10 dB below 22,657.
            let levels = levels(&sine(hz, 7_165.0));
            assert_eq!(levels.len(), 75);
            for level in &levels[5..70] {
                assert!((level - expected).abs() < 0.3, "{hz} Hz: {level}, not {expected}");
            }
        }
    }
}
