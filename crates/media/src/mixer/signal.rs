//! The tones that say that somebody came or went.

use super::{FRAME, RATE};
use crate::tone::Oscillator;

/// Two notes, rising for one who comes and falling for one who goes. They are no dual tones, so no key is heard in them,
/// and whole periods fit a note, so that it begins and ends without a click.
const LOW: f32 = 440.0;
const HIGH: f32 = 660.0;
/// Softer than speech: it says something to people who are talking.
const DBM0: f32 = -22.0;
/// Frames of one note: 100 ms.
const NOTE: u32 = 5;

/// A signal being played.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signal {
    notes: [f32; 2],
    frames: u32,
    oscillator: Oscillator,
}

impl Signal {
    pub(super) fn came() -> Self {
        Self { notes: [LOW, HIGH], frames: 0, oscillator: Oscillator::default() }
    }

    pub(super) fn went() -> Self {
        Self { notes: [HIGH, LOW], ..Self::came() }
    }

    /// The next frame, written to `out`; `None` once it is over.
    pub(super) fn next(mut self, out: &mut [i16; FRAME]) -> Option<Self> {
        let hz = *self.notes.get((self.frames / NOTE) as usize)?;
        self.oscillator.fill(hz, DBM0, RATE, out);
        self.frames += 1;
        Some(self)
    }
}
