//! Presses keys as tones.

use havre_model::Digit;

use super::pair_of;
use crate::tone::Oscillator;

/// Levels of the low and the high tone, in dBm0: the high one 2 dB above, for lines lose more of it; together -5.9 dBm0.
/// Within Q.24's table for every administration.
const LEVELS: [f32; 2] = [-10.0, -8.0];

/// The two tones of one press: they go on from call to call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tones {
    low: Oscillator,
    high: Oscillator,
}

impl Tones {
    /// Fills `out` with the key's tones at `rate` samples per second.
    pub(crate) fn fill(&mut self, key: Digit, rate: u32, out: &mut [i16]) {
        let [low, high] = pair_of(key);
        self.low.fill(low, LEVELS[0], rate, out);
        let mut part = [0; 160];
        for out in out.chunks_mut(part.len()) {
            let part = &mut part[..out.len()];
            self.high.fill(high, LEVELS[1], rate, part);
            out.iter_mut().zip(part).for_each(|(o, p)| *o = o.saturating_add(*p));
        }
    }
}
