//! Hears a TTY: the Baudot tones of people who type on a telephone line (ITU-T V.18 annex A, TIA-825-A).
//!
//! 1,400 Hz is a one (mark), 1,800 Hz a zero (space), at 45.45 or 50 bit/s; a character is a space, five bits and a
//! mark of one and a half bits or more. Two characters in a row are a TTY: no speech looks like one, let alone two.
//! Looked for in G.711 only, since a TTY comes over a telephone line; and only in every fourth packet until there are
//! tones in one: 0.06 µs a packet of speech (`tests/bench/RESULTS.md`), where relaying one costs 6 to 8.

use std::f32::consts::TAU;
use std::sync::LazyLock;

use crate::codec::{Codec, g711};

/// A block is 5 ms, in which both tones have whole turns (7 and 9): neither shows in the other's place.
const BLOCK: usize = 40;
const MARK_HZ: f32 = 1_400.0;
const SPACE_HZ: f32 = 1_800.0;
/// Mean square of the faintest tone: -45 dBm0.
const FAINTEST: f32 = 8.1e3;
/// The two tones' share of all power. A block in which one follows the other has half.
const PURITY: f32 = 0.4;
/// One bit, in blocks: 21 ms, between those of the two speeds. Read in its middle, the last one is 6 ms off.
const BIT: f32 = 4.2;
/// Blocks from the beginning of a character to the middle of its last mark.
const CHARACTER: u8 = 28;
/// Blocks of a character that may be neither tone.
const MAX_BLURRED: u8 = 2;
/// A bit is four blocks, of which it may share the first with the one before.
const SHORTEST_RUN: u8 = 3;
/// Characters that make a TTY, and blocks (1 s) within which the next one has to follow.
const CHARACTERS: u8 = 2;
const NEXT_WITHIN: u16 = 200;
/// Blocks (5 s) without a character after which the next ones are told again.
const SPURT_ENDS: u16 = 1_000;
/// One packet in so many is looked at while there is nothing, and all of the next 2 s once there were tones.
const PROBE: u8 = 4;
const ALERT: u8 = 100;

/// For each tone its cosine and its sine over one block.
static WAVES: LazyLock<[[f32; BLOCK]; 4]> = LazyLock::new(|| {
    let wave = |hz: f32, shift: f32| std::array::from_fn(|i| (TAU * (hz * i as f32 / 8_000.0 + shift)).cos());
    [wave(MARK_HZ, 0.0), wave(MARK_HZ, -0.25), wave(SPACE_HZ, 0.0), wave(SPACE_HZ, -0.25)]
});

/// One stream's listener.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Listener {
    /// Packets until the next probe, and packets that are all looked at.
    probe_in: u8,
    alert: u8,
    character: Option<Character>,
    /// Characters in a row, and blocks since the last one.
    characters: u8,
    since: u16,
    told: bool,
}

/// A character that is being received.
#[derive(Clone, Copy, Debug)]
struct Character {
    blocks: u8,
    blurred: u8,
    /// The tone that lasts, and for how many blocks.
    last: Tone,
    run: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Mark,
    Space,
    Neither,
}

impl Listener {
    /// Takes an audio packet, in the order of arrival; true once for every spurt of typing.
    pub(crate) fn on_packet(&mut self, codec: Codec, payload: &[u8]) -> bool {
        let decode = match codec {
            Codec::Pcmu => g711::mulaw_decode,
            Codec::Pcma => g711::alaw_decode,
            Codec::G722 | Codec::Opus | Codec::L16 => return false,
        };
        if self.alert == 0 {
            self.since = self.since.saturating_add((payload.len() / BLOCK) as u16);
            self.probe_in = self.probe_in.checked_sub(1).unwrap_or(PROBE - 1);
            if self.probe_in > 0 {
                return false;
            }
        }
        let (mut typed, mut tones) = (false, 0);
        for block in payload.chunks_exact(BLOCK) {
            let mut samples = [0.0; BLOCK];
            samples.iter_mut().zip(block).for_each(|(sample, byte)| *sample = f32::from(decode(*byte)));
            let tone = tone_of(&samples);
            tones += usize::from(tone != Tone::Neither);
            typed |= self.on_block(tone);
        }
        self.alert = self.alert.saturating_sub(1);
        if tones * BLOCK * 2 > payload.len() {
            self.alert = ALERT;
        }
        typed
    }

    fn on_block(&mut self, tone: Tone) -> bool {
        self.since = self.since.saturating_add(1);
        let Some(mut character) = self.character else {
            if tone == Tone::Space {
                self.character = Some(Character { blocks: 1, blurred: 0, last: tone, run: 1 });
            }
            return false;
        };
        character.blocks += 1;
        let mut hasty = false;
        match tone {
            Tone::Neither => character.blurred += 1,
            _ if tone == character.last => character.run += 1,
            _ => {
                hasty = character.run < SHORTEST_RUN;
                (character.last, character.run) = (tone, 1);
            }
        }
        self.character = Some(character);
        let start = character.blocks == (BIT / 2.0) as u8 + 1 && tone != Tone::Space;
        let over = character.blocks == CHARACTER;
        if start || hasty || character.blurred > MAX_BLURRED || over && tone != Tone::Mark {
            self.character = None;
            self.characters = 0;
            return false;
        }
        if !over {
            return false;
        }
        self.character = None;
        if self.since > SPURT_ENDS {
            self.told = false;
        }
        self.characters = if self.since > NEXT_WITHIN { 1 } else { self.characters.saturating_add(1) };
        self.since = 0;
        self.characters >= CHARACTERS && !std::mem::replace(&mut self.told, true)
    }
}

fn tone_of(samples: &[f32; BLOCK]) -> Tone {
    let sum = |wave: &[f32; BLOCK]| samples.iter().zip(wave).map(|(s, w)| s * w).sum::<f32>();
    // A whole block of a sine with mean square p has the squared magnitude p n² / 2.
    let power = |cos: f32, sin: f32| (cos * cos + sin * sin) * 2.0 / (BLOCK * BLOCK) as f32;
    let [mark_cos, mark_sin, space_cos, space_sin] = WAVES.each_ref().map(sum);
    let (mark, space) = (power(mark_cos, mark_sin), power(space_cos, space_sin));
    let total = samples.iter().map(|s| s * s).sum::<f32>() / BLOCK as f32;
    match mark + space {
        tones if tones < FAINTEST || tones < PURITY * total => Tone::Neither,
        _ if mark > space => Tone::Mark,
        _ => Tone::Space,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::{Oscillator, noise};

    /// Types characters of five bits each, as a TTY does: a mark before, one and a half stop bits, a mark after.
    fn typed(characters: &[u8], bits_per_second: f64, dbm0: f32) -> Vec<i16> {
        let mut bits = vec![(true, 8.0)];
        for character in characters {
            bits.push((false, 1.0));
            bits.extend((0..5).map(|bit| (character >> bit & 1 == 1, 1.0)));
            bits.push((true, 1.5));
        }
        bits.push((true, 8.0));
        let (mut samples, mut oscillator, mut end) = (Vec::new(), Oscillator::default(), 0.0);
        for (mark, length) in bits {
            end += length * 8_000.0 / bits_per_second;
            let mut part = vec![0; end as usize - samples.len()];
            oscillator.fill(if mark { MARK_HZ } else { SPACE_HZ }, dbm0, 8_000, &mut part);
            samples.extend(part);
        }
        samples
    }

    /// How often a TTY is told of, and after how many packets first.
    fn told(codec: Codec, samples: &[i16]) -> Vec<usize> {
        let mut listener = Listener::default();
        let encode = |s: &i16| match codec {
            Codec::Pcma => g711::alaw_encode(*s),
            _ => g711::mulaw_encode(*s),
        };
        let packets = samples.chunks(160).map(|part| part.iter().map(encode).collect::<Vec<_>>());
        packets.enumerate().filter(|(_, packet)| listener.on_packet(codec, packet)).map(|(i, _)| i).collect()
    }

    const HELLO: [u8; 6] = [0b10100, 0b00001, 0b10010, 0b10010, 0b11000, 0b01000];

    #[test]
    fn typing_is_told_once_at_both_speeds_and_at_any_phase_of_the_packets() {
        for (codec, speed, dbm0) in
            [(Codec::Pcmu, 45.45, -10.0), (Codec::Pcma, 45.45, -35.0), (Codec::Pcmu, 50.0, -20.0)]
        {
            for lead in (0..160).step_by(13) {
                let signal = [vec![0; 8_000 + lead], typed(&HELLO, speed, dbm0), vec![0; 8_000]].concat();
                assert_eq!(told(codec, &signal).len(), 1, "{speed} bit/s after {lead}");
            }
        }
    }

    #[test]
    fn every_character_is_known() {
        for character in 0..32 {
            let signal = typed(&[character; 4], 45.45, -15.0);
            assert_eq!(told(Codec::Pcmu, &signal).len(), 1, "{character:05b}");
        }
    }

    #[test]
    fn a_new_spurt_is_told_again_and_a_pause_within_one_is_not() {
        let spurt = typed(&HELLO, 45.45, -10.0);
        let twice = |pause: usize| [&spurt[..], &vec![0; pause * 8_000], &spurt].concat();
        assert_eq!(told(Codec::Pcmu, &twice(2)).len(), 1);
        assert_eq!(told(Codec::Pcmu, &twice(7)).len(), 2);
    }

    #[test]
    fn typing_is_heard_through_loss_and_noise() {
        let mut signal = typed(&HELLO.repeat(3), 45.45, -15.0);
        signal.iter_mut().zip(noise(-35.0, 40_000)).for_each(|(s, n)| *s += n);
        // Every ninth packet lost: what follows closes up.
        let left: Vec<i16> = signal
            .chunks(160)
            .enumerate()
            .filter(|(i, _)| i % 9 != 5)
            .flat_map(|(_, part)| part.to_vec())
            .collect();
        assert_eq!(told(Codec::Pcmu, &left).len(), 1);
    }

    #[test]
    fn steady_tones_noise_and_keys_are_no_tty() {
        for hz in [1_300.0, 1_400.0, 1_477.0, 1_800.0, 2_100.0] {
            let mut signal = vec![0; 24_000];
            Oscillator::default().fill(hz, -10.0, 8_000, &mut signal);
            assert_eq!(told(Codec::Pcmu, &signal), [], "{hz} Hz");
        }
        assert_eq!(told(Codec::Pcmu, &noise(-10.0, 80_000)), []);
        // A siren that warbles between the tones, too fast and too slow.
        for half in [5_usize, 10, 400] {
            let mut signal = Vec::new();
            for i in 0..4_000 / half {
                let mut part = vec![0; half * 8];
                let hz = if i % 2 == 0 { MARK_HZ } else { SPACE_HZ };
                Oscillator::default().fill(hz, -10.0, 8_000, &mut part);
                signal.extend(part);
            }
            assert_eq!(told(Codec::Pcmu, &signal), [], "{half} ms each");
        }
    }
}
