//! Comfort noise (RFC 3389): how loud the quiet of a line is and how it is coloured, in a few bytes, and back into sound.

use crate::tone;

/// Payload type of comfort noise on a clock of 8 kHz (RFC 3551 §6).
pub(crate) const PAYLOAD_TYPE: u8 = 13;
/// Reflection coefficients that are told and heard. More would only describe the noise of the measurement.
pub(crate) const ORDER: usize = 6;
/// Longest payload: the level and the coefficients.
pub(crate) const PAYLOAD: usize = 1 + ORDER;
/// 0 dBov is a square wave of full scale, 6.18 dBm0 in mu-law (RFC 3389 §3.1 and figure 1).
const DBOV_IN_DBM0: f64 = 6.18;
/// Nothing that a far side says is played louder than this: it would be no comfort.
const LOUDEST_DBOV: u8 = 30;
/// Share of each new frame in the running measurement: about a fifth of a second.
const SMOOTHING: f32 = 0.1;
/// A little white noise is thought into what is measured (-40 dB), so that no tone makes the synthesis ring.
const WHITE: f32 = 1.000_1;

/// What a packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    /// Below the overload point, in decibels: 0 to 127.
    level: u8,
    /// Reflection coefficients as on the wire: 127 is 0. Those that were not told are 127.
    coefficients: [u8; ORDER],
}

impl Description {
    /// White noise at a level in dBm0.
    pub(crate) fn white(dbm0: f64) -> Self {
        let level = (DBOV_IN_DBM0 - dbm0).round().clamp(0.0, 127.0) as u8;
        Self { level, coefficients: [127; ORDER] }
    }

    /// Reads a payload. An empty one, which some senders write, is noise at our usual level.
    pub(crate) fn parse(payload: &[u8]) -> Self {
        let Some((level, told)) = payload.split_first() else { return Self::white(tone::COMFORT_DBM0) };
        let mut coefficients = [127; ORDER];
        for (place, told) in coefficients.iter_mut().zip(told) {
            // 255 is reserved (§3.2).
            *place = (*told).min(254);
        }
        Self { level: level & 0x7f, coefficients }
    }

    /// The payload, as long as it need be.
    pub(crate) fn print(&self, out: &mut [u8; PAYLOAD]) -> usize {
        out[0] = self.level;
        out[1..].copy_from_slice(&self.coefficients);
        1 + self.coefficients.iter().rposition(|c| *c != 127).map_or(0, |last| last + 1)
    }

    /// The level at which it is played.
    pub(crate) fn dbm0(&self) -> f64 {
        DBOV_IN_DBM0 - f64::from(self.level.max(LOUDEST_DBOV))
    }

    /// The reflection coefficients, each within (-1, 1) (§3.2).
    fn reflections(&self) -> [f32; ORDER] {
        self.coefficients.map(|index| 258.0 * (f32::from(index) - 127.0) / 32_768.0)
    }
}

/// Makes the noise that was described: white noise through the lattice filter of the coefficients.
#[derive(Clone, Debug)]
pub(crate) struct Generator {
    reflections: [f32; ORDER],
    /// Half-width of the excitation, now and as it will be: levels glide.
    width: f32,
    target: f32,
    state: [f32; ORDER],
    random: u32,
}

impl Generator {
    pub(crate) fn new(description: &Description) -> Self {
        let mut this = Self {
            reflections: [0.0; ORDER],
            width: 0.0,
            target: 0.0,
            state: [0.0; ORDER],
            random: 0x9e37_79b9,
        };
        this.describe(description);
        this.width = this.target;
        this
    }

    /// Another packet came: the noise glides there.
    pub(crate) fn describe(&mut self, description: &Description) {
        self.reflections = description.reflections();
        // The filter gains what its coefficients predict: the excitation is smaller by that. A uniform distribution of
        // half-width w has the root mean square w / sqrt 3.
        let gain: f32 = self.reflections.iter().map(|k| 1.0 - k * k).product();
        self.target = tone::rms(description.dbm0()) as f32 * (3.0 * gain).sqrt();
    }

    /// The next samples. The spectrum is meant for 8 kHz; at another rate only the level is right, and colour is left out.
    pub(crate) fn fill(&mut self, rate: u32, out: &mut [i16]) {
        let coloured = rate == 8_000;
        let white: f32 = self.reflections.iter().map(|k| 1.0 - k * k).product();
        for sample in out {
            self.width += (self.target - self.width) * 0.002;
            self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let excitation = (self.random as i32) as f32 / 2_147_483_648.0 * self.width;
            let value =
                if coloured { self.synthesise(excitation) } else { excitation / white.max(1e-6).sqrt() };
            *sample = value.round() as i16;
        }
    }

    /// One step of the all-pole lattice.
    fn synthesise(&mut self, excitation: f32) -> f32 {
        let mut forward = excitation;
        for stage in (0..ORDER).rev() {
            let k = self.reflections[stage];
            forward -= k * self.state[stage];
            if stage + 1 < ORDER {
                self.state[stage + 1] = self.state[stage] + k * forward;
            }
        }
        self.state[0] = forward;
        forward
    }
}

/// Measures the quiet between words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Analysis {
    /// Running autocorrelation, per sample.
    correlation: [f32; ORDER + 1],
    begun: bool,
}

impl Analysis {
    /// Takes a frame in which nobody speaks.
    pub(crate) fn push(&mut self, samples: &[i16]) {
        let share = if self.begun { SMOOTHING } else { 1.0 };
        self.begun = true;
        for (lag, running) in self.correlation.iter_mut().enumerate() {
            let sum: f32 = samples
                .iter()
                .zip(&samples[lag.min(samples.len())..])
                .map(|(a, b)| f32::from(*a) * f32::from(*b))
                .sum();
            *running += share * (sum / samples.len().max(1) as f32 - *running);
        }
    }

    /// What is to be told of it: the level, and, of samples at the 8 kHz that they are meant for, the reflection
    /// coefficients by Levinson and Durbin's recursion.
    pub(crate) fn describe(&self, rate: u32) -> Description {
        let mut description = Description::white(tone::dbm0(self.correlation[0].into()));
        let mut error = self.correlation[0] * WHITE;
        if error < 1.0 || rate != 8_000 {
            return description;
        }
        let mut predictor = [0.0_f32; ORDER + 1];
        for order in 1..=ORDER {
            let sum: f32 = (1..order).map(|i| predictor[i] * self.correlation[order - i]).sum();
            let k = (-(self.correlation[order] + sum) / error).clamp(-0.98, 0.98);
            let before = predictor;
            for i in 1..order {
                predictor[i] = before[i] + k * before[order - i];
            }
            predictor[order] = k;
            error *= 1.0 - k * k;
            description.coefficients[order - 1] = (k * 32_768.0 / 258.0 + 127.0).round() as u8;
        }
        description
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(samples: &[i16]) -> f64 {
        tone::dbm0(samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64)
    }

    /// White noise through a simple filter: dark (low-pass) or bright (high-pass).
    fn coloured(dbm0: f64, tilt: f64) -> Vec<i16> {
        let mut last = 0.0;
        let white = tone::noise(dbm0 + 10.0, 8_000);
        let filtered: Vec<f64> = white
            .iter()
            .map(|s| {
                last = f64::from(*s) + tilt * last;
                last
            })
            .collect();
        let power = filtered.iter().map(|s| s * s).sum::<f64>() / 8_000.0;
        let gain = tone::rms(dbm0) / power.sqrt();
        filtered.iter().map(|s| (s * gain).round() as i16).collect()
    }

    /// The ratio of neighbouring samples' product to the power: near 1 for dark noise, near -1 for bright.
    fn tilt(samples: &[i16]) -> f64 {
        let product: f64 = samples.windows(2).map(|w| f64::from(w[0]) * f64::from(w[1])).sum();
        product / samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>()
    }

    #[test]
    fn what_is_made_sounds_like_what_was_measured() {
        for (dbm0, slope) in [(-40.0, 0.0), (-50.0, 0.8), (-45.0, -0.8), (-55.0, 0.5)] {
            let quiet = coloured(dbm0, slope);
            let mut analysis = Analysis::default();
            quiet.chunks(160).for_each(|frame| analysis.push(frame));
            let mut payload = [0; PAYLOAD];
            let length = analysis.describe(8_000).print(&mut payload);
            let mut generator = Generator::new(&Description::parse(&payload[..length]));
            let mut heard = vec![0; 8_000];
            generator.fill(8_000, &mut heard);
            assert!((level(&heard) - dbm0).abs() < 1.0, "{dbm0} dBm0 became {:.1}", level(&heard));
            assert!((tilt(&heard) - tilt(&quiet)).abs() < 0.1, "tilt {slope}: {:.2}", tilt(&heard));
        }
    }

    #[test]
    fn levels_are_relative_to_the_overload_point() {
        // RFC 3389 §3.1: the level is in -dBov; -65 dBm0 are 71 dB below overload.
        assert_eq!(Description::white(-65.0).level, 71);
        assert!((Description::parse(&[71]).dbm0() + 65.0).abs() < 0.5);
        let mut out = [0; PAYLOAD];
        assert_eq!(
            (Description::white(-65.0).print(&mut out), out[0]),
            (1, 71),
            "white needs no coefficients"
        );
    }

    #[test]
    fn any_payload_makes_bounded_noise() {
        let mut state = 1_u32;
        for round in 0..2_000 {
            let mut payload = [0_u8; 12];
            for byte in &mut payload {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *byte = (state >> 24) as u8;
            }
            let description = Description::parse(&payload[..round % 13]);
            for rate in [8_000, 16_000, 48_000] {
                let mut heard = [0; 320];
                Generator::new(&description).fill(rate, &mut heard);
                assert!(level(&heard) < -10.0, "{payload:?} at {rate} Hz: {} dBm0", level(&heard));
            }
        }
    }

    #[test]
    fn a_new_level_is_reached_without_a_step() {
        let mut generator = Generator::new(&Description::white(-65.0));
        let mut heard = vec![0; 160];
        generator.fill(8_000, &mut heard);
        generator.describe(&Description::white(-35.0));
        generator.fill(8_000, &mut heard);
        assert!(level(&heard[..40]) < -45.0, "{}", level(&heard[..40]));
        let mut heard = vec![0; 8_000];
        generator.fill(8_000, &mut heard);
        assert!((level(&heard[4_000..]) + 35.0).abs() < 1.0);
    }
}
