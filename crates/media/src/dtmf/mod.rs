//! Keys as tones in the audio (ITU-T Q.23): heard by [`Detector`], pressed by [`Tones`].
//!
//! They are for the far sides that know no telephone-events (RFC 4733), and for nobody else.

mod detector;
mod generator;

pub(crate) use detector::Detector;
pub(crate) use generator::Tones;

#[cfg(test)]
mod tests;

use havre_model::Digit;

/// The rows of the keypad, in hertz (Q.23 §6): the low group.
const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
/// Its columns: the high group.
const COLUMNS: [f32; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
const KEYPAD: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// The key at a row and a column.
fn key_at(row: usize, column: usize) -> Option<Digit> {
    Digit::from_char(*KEYPAD.get(row)?.get(column)?)
}

/// The two frequencies of a key, low and high.
fn pair_of(key: Digit) -> [f32; 2] {
    let key = key.as_char();
    let places =
        KEYPAD.iter().zip(ROWS).flat_map(|(keys, row)| keys.iter().zip(COLUMNS).map(move |k| (k, row)));
    places
        .into_iter()
        .find(|((k, _), _)| **k == key)
        .map_or([ROWS[0], COLUMNS[0]], |((_, column), row)| [row, column])
}
