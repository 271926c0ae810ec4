//! Who sent a packet, which one it is and when it left, written into its payload: a relay keeps the bytes, so whoever
//! hears them knows what became of the packet on its way.
//!
//! A stamp is 16 bytes, four bits in each of the first 32 bytes of audio. In G.711 those four bits choose among the
//! sixteen quietest positive values, so a stamp is a faint click at most, and any server takes it for audio.

use havre_media::Codec;

/// Bytes of a stamp before they are spread.
const RAW: usize = 16;
/// Bytes of payload that a stamp takes.
pub(crate) const LENGTH: usize = 2 * RAW;

/// What a packet says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Which run of which process.
    pub(crate) run: u16,
    /// Whose voice it is.
    pub(crate) voice: u32,
    /// Counts the stamped packets of a voice.
    pub(crate) sequence: u32,
    /// When it was handed to the kernel, in microseconds; wraps around.
    pub(crate) sent: u32,
}

impl Stamp {
    /// Writes it over the beginning of `payload`, which must have [`LENGTH`] bytes.
    pub(crate) fn write(self, codec: Codec, payload: &mut [u8]) {
        let quiet = quietest(codec);
        for (pair, byte) in payload.chunks_exact_mut(2).zip(self.raw()) {
            pair.copy_from_slice(&[quiet | byte >> 4, quiet | byte & 0x0f]);
        }
    }

    /// The stamp at the beginning of `payload`, if there is one.
    pub(crate) fn read(codec: Codec, payload: &[u8]) -> Option<Self> {
        let quiet = quietest(codec);
        let spread = payload.first_chunk::<LENGTH>()?;
        let mut raw = [0; RAW];
        for (byte, pair) in raw.iter_mut().zip(spread.chunks_exact(2)) {
            if (pair[0] | pair[1]) & 0xf0 != quiet || pair[0] & 0xf0 != pair[1] & 0xf0 {
                return None;
            }
            *byte = pair[0] << 4 | pair[1] & 0x0f;
        }
        let word = |at: usize| u32::from_be_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]]);
        let stamp = Self {
            run: u16::from_be_bytes([raw[0], raw[1]]),
            voice: word(2),
            sequence: word(6),
            sent: word(10),
        };
        (raw == stamp.raw()).then_some(stamp)
    }

    fn raw(self) -> [u8; RAW] {
        let mut raw = [0; RAW];
        raw[..2].copy_from_slice(&self.run.to_be_bytes());
        raw[2..6].copy_from_slice(&self.voice.to_be_bytes());
        raw[6..10].copy_from_slice(&self.sequence.to_be_bytes());
        raw[10..14].copy_from_slice(&self.sent.to_be_bytes());
        let check = check(&raw[..14]).to_be_bytes();
        raw[14..].copy_from_slice(&check);
        raw
    }
}

/// Whether a stamp can be written over this codec's payloads: each byte stands for itself, and none for the shape of the
/// packet.
pub(crate) const fn fits(codec: Codec) -> bool {
    matches!(codec, Codec::Pcmu | Codec::Pcma | Codec::G722)
}

/// The upper four bits of a codec's quietest values. G.722 has none that are quiet; there the stamp is a soft buzz.
const fn quietest(codec: Codec) -> u8 {
    match codec {
        Codec::Pcmu => 0xf0,
        Codec::Pcma => 0xd0,
        _ => 0x50,
    }
}

/// Tells a stamp from audio that happens to look like one (Fletcher's checksum).
fn check(bytes: &[u8]) -> u16 {
    let (mut low, mut high) = (1_u16, 0_u16);
    for byte in bytes {
        low = (low + u16::from(*byte)) % 255;
        high = (high + low) % 255;
    }
    high << 8 | low
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn silence_and_noise_bear_no_stamp() {
        for byte in 0..=255 {
            assert_eq!(Stamp::read(Codec::Pcmu, &[byte; 160]), None, "{byte:02x}");
        }
        assert_eq!(Stamp::read(Codec::Pcmu, &[0xf0; LENGTH - 1]), None);
    }

    #[test]
    fn stamps_are_quiet_in_g711() {
        let stamp = Stamp { run: 0xffff, voice: u32::MAX, sequence: u32::MAX, sent: u32::MAX };
        let mut payload = [0; LENGTH];
        stamp.write(Codec::Pcmu, &mut payload);
        assert!(payload.iter().all(|byte| *byte >= 0xf0), "segment 0 of mu-law");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(run: u16, voice: u32, sequence: u32, sent: u32, codec in 0..3_usize) {
            let (stamp, codec) = (Stamp { run, voice, sequence, sent }, Codec::USUAL[codec]);
            let mut payload = [0x7f; 160];
            stamp.write(codec, &mut payload);
            prop_assert_eq!(Stamp::read(codec, &payload), Some(stamp));
            prop_assert!(payload[LENGTH..].iter().all(|byte| *byte == 0x7f));
        }

        #[test]
        fn a_changed_byte_is_noticed(voice: u32, sent: u32, at in 0..LENGTH, by in 1..=255_u8) {
            let mut payload = [0; LENGTH];
            Stamp { run: 7, voice, sequence: 9, sent }.write(Codec::Pcmu, &mut payload);
            payload[at] ^= by;
            prop_assert_eq!(Stamp::read(Codec::Pcmu, &payload), None);
        }
    }
}
