//! Tones and how to measure them, and the two file and wire formats they come in: WAV and G.711 µ-law.

use std::f64::consts::TAU;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::until;

/// Samples per second of everything measured here (G.711; G.722 recordings are read at their own rate).
pub const RATE: u32 = 8_000;

/// A tone that was measured.
#[derive(Clone, Copy, Debug)]
pub struct Tone {
    /// Frequency of the strongest component.
    pub hz: f64,
    /// Its level in dB under a full-scale sine.
    pub dbfs: f64,
    /// How much stronger it is than all the rest together, in dB: a clean tone is above 15.
    pub purity: f64,
}

/// How much of what is heard is measured at a time.
pub const WINDOW: Duration = Duration::from_millis(500);

/// Waits until `measure` (of the last [`WINDOW`]) finds a clean tone of `hz`, twice with nothing else between: so that
/// the second measures the tone alone, and not its beginning.
#[track_caller]
pub fn steady(what: &str, hz: f64, limit: Duration, measure: impl Fn() -> Option<Tone>) -> Tone {
    let clean = || measure().filter(|tone| (tone.hz - hz).abs() < 3.0 && tone.purity > 15.0);
    until(what, limit, || {
        clean()?;
        thread::sleep(WINDOW + Duration::from_millis(50));
        clean()
    })
}

/// A sine of `hz` at `dbfs` under full scale.
#[must_use]
pub fn sine(hz: f64, dbfs: f64, rate: u32, samples: usize) -> Vec<i16> {
    let amplitude = f64::from(i16::MAX) * 10f64.powf(dbfs / 20.0);
    (0..samples).map(|i| (amplitude * (TAU * hz * i as f64 / f64::from(rate)).sin()).round() as i16).collect()
}

/// The strongest tone between 100 Hz and 3.4 kHz in the last second; `None` if there is nothing to measure (under 100 ms, or silence).
#[must_use]
pub fn tone(samples: &[i16], rate: u32) -> Option<Tone> {
    if samples.len() < rate as usize / 10 {
        return None;
    }
    let samples = &samples[samples.len().saturating_sub(rate as usize)..];
    let total = samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len() as f64;
    let scan = |samples: &[i16], from: f64, to: f64, step: f64| {
        let steps = ((to - from) / step) as u32;
        (0..=steps)
            .map(|i| from + f64::from(i) * step)
            .map(|hz| (hz, power(samples, rate, hz)))
            .fold((0.0, 0.0), |best, next| if next.1 > best.1 { next } else { best })
    };
    // Steps must stay inside the main lobe of the window (Hann: ± 2 / length): ± 20 Hz here, ± 2 Hz or more there.
    let (near, _) = scan(&samples[samples.len() - rate as usize / 10..], 100.0, 3_400.0, 10.0);
    let (hz, strongest) = scan(samples, near - 10.0, near + 10.0, 1.0);
    // A sine of amplitude A has power A²/2; below one step of µ-law it is silence.
    if strongest < 32.0 {
        return None;
    }
    let full = f64::from(i16::MAX).powi(2) / 2.0;
    let rest = (total - strongest).max(total * 1e-6);
    Some(Tone { hz, dbfs: 10.0 * (strongest / full).log10(), purity: 10.0 * (strongest / rest).log10() })
}

/// Level of everything, in dB under a full-scale sine.
#[must_use]
pub fn level(samples: &[i16]) -> f64 {
    let total = samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len().max(1) as f64;
    10.0 * (total.max(1e-3) / (f64::from(i16::MAX).powi(2) / 2.0)).log10()
}

/// Power of the component at `hz`: Goertzel's filter under a Hann window, scaled so that a sine gives amplitude² / 2.
fn power(samples: &[i16], rate: u32, hz: f64) -> f64 {
    let n = samples.len() as f64;
    let omega = TAU * hz / f64::from(rate);
    let coefficient = 2.0 * omega.cos();
    let (mut s1, mut s2) = (0.0, 0.0);
    for (i, &sample) in samples.iter().enumerate() {
        let window = 0.5 - 0.5 * (TAU * i as f64 / n).cos();
        let s0 = f64::from(sample) * window + coefficient * s1 - s2;
        (s2, s1) = (s1, s0);
    }
    let magnitude = s1 * s1 + s2 * s2 - coefficient * s1 * s2;
    // A Hann window's mean is 1/2, so a sine of amplitude A gives |X| = A · n / 4.
    8.0 * magnitude / (n * n)
}

/// Writes a mono 16-bit WAV file.
///
/// # Errors
/// Of the file system.
pub fn write_wav(path: &Path, rate: u32, samples: &[i16]) -> std::io::Result<()> {
    write_channels(path, rate, 1, samples)
}

/// Writes a 16-bit WAV file, the same samples in each channel.
///
/// # Errors
/// Of the file system.
pub fn write_channels(path: &Path, rate: u32, channels: u16, samples: &[i16]) -> std::io::Result<()> {
    let copies = usize::from(channels);
    let data: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes().repeat(copies)).collect();
    let length = u32::try_from(data.len()).expect("a test's recording is short");
    let mut file = Vec::with_capacity(44 + data.len());
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + length).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0");
    file.extend_from_slice(&channels.to_le_bytes());
    file.extend_from_slice(&rate.to_le_bytes());
    file.extend_from_slice(&(2 * u32::from(channels) * rate).to_le_bytes());
    file.extend_from_slice(&(2 * channels).to_le_bytes());
    file.extend_from_slice(b"\x10\0data");
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(&data);
    std::fs::write(path, file)
}

/// Reads the first channel of a 16-bit WAV file that may still be growing: lengths in its header are not believed.
///
/// # Errors
/// Of the file system.
pub fn read_growing_wav(path: &Path) -> std::io::Result<(u32, Vec<i16>)> {
    let bytes = std::fs::read(path)?;
    // Linphone writes the header last: until then it is 44 zeros.
    let rate = bytes.get(24..28).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes);
    let start = bytes.windows(4).position(|w| w == b"data").map_or(44, |at| at + 8).min(bytes.len());
    let channels = bytes.get(22).map_or(1, |count| usize::from(*count).max(1));
    let samples = bytes[start..].as_chunks().0.iter().step_by(channels);
    let samples = samples.map(|pair| i16::from_le_bytes(*pair)).collect();
    Ok((if rate == 0 { RATE } else { rate }, samples))
}

/// G.711 µ-law to linear.
#[must_use]
pub fn from_ulaw(byte: u8) -> i16 {
    let byte = !byte;
    let exponent = (byte >> 4) & 7;
    let magnitude = ((i16::from(byte & 0x0f) << 3) + 0x84) << exponent;
    if byte & 0x80 == 0 { magnitude - 0x84 } else { 0x84 - magnitude }
}

/// Linear to G.711 µ-law.
#[must_use]
pub fn to_ulaw(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = sample.unsigned_abs().min(32_635) + 0x84;
    let exponent = (magnitude >> 7).ilog2().min(7) as u8;
    let mantissa = (magnitude >> (exponent + 3)) as u8 & 0x0f;
    !(sign | (exponent << 4) | mantissa)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_is_measured_as_what_it_is() {
        for (hz, dbfs) in [(440.0, -12.0), (1_004.0, -20.0), (3_000.0, -6.0)] {
            let found = tone(&sine(hz, dbfs, RATE, 4_000), RATE).unwrap();
            assert!((found.hz - hz).abs() <= 1.0, "{found:?}");
            assert!((found.dbfs - dbfs).abs() < 0.1, "{found:?}");
            assert!(found.purity > 30.0, "{found:?}");
        }
    }

    #[test]
    fn two_tones_are_not_pure_and_silence_is_none() {
        let both: Vec<i16> = sine(440.0, -12.0, RATE, 4_000)
            .iter()
            .zip(sine(1_000.0, -14.0, RATE, 4_000))
            .map(|(a, b)| a + b)
            .collect();
        let found = tone(&both, RATE).unwrap();
        assert!((found.hz - 440.0).abs() <= 1.0 && found.purity < 4.0, "{found:?}");
        assert!(tone(&[0; 4_000], RATE).is_none());
    }

    #[test]
    fn ulaw_is_its_own_inverse() {
        for byte in 0..=255 {
            let linear = from_ulaw(byte);
            assert_eq!(from_ulaw(to_ulaw(linear)), linear, "{byte:#04x}");
        }
        assert_eq!(from_ulaw(0xff), 0);
        assert_eq!(from_ulaw(0x80), 32_124);
        assert_eq!(from_ulaw(0x00), -32_124);
    }
}
