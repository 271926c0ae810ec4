//! RTP packets on the wire (RFC 3550 §5.1).

use crate::limits::MAX_PACKET;

/// Bytes of a header without CSRCs and extensions: the only kind that we write.
pub const HEADER: usize = 12;

/// A received packet, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// First packet of a talk-spurt, or of a telephone-event.
    pub marker: bool,
    /// What the payload is, as negotiated.
    pub payload_type: u8,
    /// Counts packets.
    pub sequence: u16,
    /// Counts the clock's ticks.
    pub timestamp: u32,
    /// Whose stream.
    pub ssrc: u32,
    /// Without extensions and padding.
    pub payload: &'a [u8],
}

/// Why a datagram is no RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Shorter than its header, or than its header says.
    #[error("truncated")]
    Truncated,
    /// Longer than [`MAX_PACKET`].
    #[error("too long")]
    TooLong,
    /// Not version 2.
    #[error("not version 2")]
    Version,
    /// More padding than payload, or padding of no length.
    #[error("bad padding")]
    Padding,
}

/// Whether a datagram on a shared port is RTCP (RFC 5761 §4): payload types 192 to 223.
#[must_use]
pub fn is_rtcp(bytes: &[u8]) -> bool {
    matches!(bytes, [_, 192..=223, ..])
}

/// Reads a datagram.
///
/// # Errors
/// It is no RTP packet, and why.
pub fn parse(bytes: &[u8]) -> Result<Packet<'_>, Malformed> {
    if bytes.len() > MAX_PACKET {
        return Err(Malformed::TooLong);
    }
    let (head, mut rest) = bytes.split_first_chunk::<HEADER>().ok_or(Malformed::Truncated)?;
    if head[0] >> 6 != 2 {
        return Err(Malformed::Version);
    }
    let sources = usize::from(head[0] & 0x0f) * 4;
    rest = rest.get(sources..).ok_or(Malformed::Truncated)?;
    if head[0] & 0x10 != 0 {
        let (extension, after) = rest.split_first_chunk::<4>().ok_or(Malformed::Truncated)?;
        let words = usize::from(u16::from_be_bytes([extension[2], extension[3]]));
        rest = after.get(words * 4..).ok_or(Malformed::Truncated)?;
    }
    if head[0] & 0x20 != 0 {
        let padding = usize::from(*rest.last().ok_or(Malformed::Padding)?);
        let length = rest.len().checked_sub(padding).filter(|_| padding > 0).ok_or(Malformed::Padding)?;
        rest = &rest[..length];
    }
    Ok(Packet {
        marker: head[1] & 0x80 != 0,
        payload_type: head[1] & 0x7f,
        sequence: u16::from_be_bytes([head[2], head[3]]),
        timestamp: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
        ssrc: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
        payload: rest,
    })
}

impl Packet<'_> {
    /// The twelve bytes before the payload.
    #[must_use]
    pub fn header(&self) -> [u8; HEADER] {
        let mut head = [0; HEADER];
        head[0] = 0x80;
        head[1] = u8::from(self.marker) << 7 | (self.payload_type & 0x7f);
        head[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        head[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        head[8..].copy_from_slice(&self.ssrc.to_be_bytes());
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: [u8; 14] = [0x80, 0x80, 0, 7, 0, 0, 0, 160, 1, 2, 3, 4, 0xaa, 0xbb];

    #[test]
    fn plain_packet() {
        let packet = parse(&PLAIN).unwrap();
        assert_eq!((packet.marker, packet.payload_type, packet.sequence), (true, 0, 7));
        assert_eq!((packet.timestamp, packet.ssrc), (160, 0x0102_0304));
        assert_eq!(packet.payload, [0xaa, 0xbb]);
        assert_eq!(packet.header(), PLAIN[..12]);
    }

    #[test]
    fn sources_extension_and_padding_are_skipped() {
        let mut bytes = PLAIN[..12].to_vec();
        bytes[0] = 0x80 | 0x20 | 0x10 | 2;
        bytes.extend([9; 8]); // two CSRCs
        bytes.extend([0xbe, 0xde, 0, 1, 5, 5, 5, 5]); // one word of extension
        bytes.extend([1, 2, 3]);
        bytes.extend([0, 0, 3]); // padding
        assert_eq!(parse(&bytes).unwrap().payload, [1, 2, 3]);
    }

    #[test]
    fn what_lies_about_its_length_is_refused() {
        assert_eq!(parse(&PLAIN[..11]), Err(Malformed::Truncated));
        assert_eq!(parse(&[0x40; 20]), Err(Malformed::Version));
        assert_eq!(parse(&[&[0x8f], &PLAIN[1..]].concat()), Err(Malformed::Truncated));
        assert_eq!(parse(&[&[0x90], &PLAIN[1..]].concat()), Err(Malformed::Truncated));
        let padded = |last: u8| [&[0xa0], &PLAIN[1..13], &[last]].concat();
        assert_eq!(parse(&padded(0)), Err(Malformed::Padding));
        assert_eq!(parse(&padded(3)), Err(Malformed::Padding));
        assert_eq!(parse(&padded(2)).unwrap().payload, []);
        assert_eq!(parse(&[&[0xa0], &PLAIN[1..12]].concat()), Err(Malformed::Padding));
        assert_eq!(parse(&[0x80; MAX_PACKET + 1]), Err(Malformed::TooLong));
    }

    proptest! {
        #[test]
        fn whatever_parses_prints_to_the_same_packet(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(packet) = parse(&bytes) {
                let printed = [&packet.header()[..], packet.payload].concat();
                prop_assert_eq!(parse(&printed).unwrap(), packet);
            }
        }

        #[test]
        fn mutated_packets_never_panic(at in 0..14_usize, value: u8, cut in 0..=14_usize) {
            let mut bytes = PLAIN;
            bytes[at] = value;
            let _ = parse(&bytes[..cut]);
        }
    }
}
