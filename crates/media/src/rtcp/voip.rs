//! The VoIP metrics block of extended reports (RFC 3611 §4.7).

/// Packet type of an extended report (§2).
pub(super) const EXTENDED_REPORT: u8 = 207;
const BLOCK_TYPE: u8 = 7;
/// Block length in words, without the first.
const WORDS: u8 = 8;
const BLOCK: usize = 36;
/// "Unavailable" where a byte says a level, a rating or a score.
const UNAVAILABLE: u8 = 127;

/// How one side hears a stream. What neither we nor the E-model need (levels, echo, jitter buffers) is said to be unknown,
/// and not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VoipMetrics {
    /// The stream reported on.
    pub ssrc: u32,
    /// Share of packets lost, and of those discarded by the jitter buffer, since the beginning, in 1/256.
    pub loss_rate: u8,
    /// Likewise.
    pub discard_rate: u8,
    /// Share of packets lost within bursts, in 1/256.
    pub burst_density: u8,
    /// Share of packets lost between bursts, in 1/256.
    pub gap_density: u8,
    /// Mean length of bursts, in milliseconds.
    pub burst_ms: u16,
    /// Mean length of gaps, in milliseconds.
    pub gap_ms: u16,
    /// Round trip between the RTP interfaces, in milliseconds; 0 if unknown.
    pub round_trip_ms: u16,
    /// Delay within the end system, in milliseconds; 0 if unknown.
    pub end_system_ms: u16,
    /// The least number of packets that ends a burst.
    pub gmin: u8,
    /// R of ITU-T G.107, 0 to 100.
    pub r_factor: Option<u8>,
    /// MOS for listening, in tenths, 10 to 50.
    pub mos_lq: Option<u8>,
    /// MOS for conversation, likewise.
    pub mos_cq: Option<u8>,
}

/// Appends an extended report by `ssrc`.
pub(super) fn append(bytes: &mut Vec<u8>, ssrc: u32, m: &VoipMetrics) {
    let words = 1 + u16::from(WORDS) + 1;
    bytes.extend([0x80, EXTENDED_REPORT]);
    bytes.extend(words.to_be_bytes());
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend([BLOCK_TYPE, 0, 0, WORDS]);
    bytes.extend(m.ssrc.to_be_bytes());
    bytes.extend([m.loss_rate, m.discard_rate, m.burst_density, m.gap_density]);
    for value in [m.burst_ms, m.gap_ms, m.round_trip_ms, m.end_system_ms] {
        bytes.extend(value.to_be_bytes());
    }
    // Signal, noise and echo are not measured.
    bytes.extend([UNAVAILABLE, UNAVAILABLE, UNAVAILABLE, m.gmin]);
    let or_unknown = |value: Option<u8>| value.unwrap_or(UNAVAILABLE);
    bytes.extend([or_unknown(m.r_factor), UNAVAILABLE, or_unknown(m.mos_lq), or_unknown(m.mos_cq)]);
    // Concealment and jitter buffer unspecified, of no length.
    bytes.extend([0; 8]);
}

/// The first VoIP metrics of an extended report, whose header has been checked.
pub(super) fn find(report: &[u8]) -> Option<VoipMetrics> {
    let mut rest = report.get(8..)?;
    loop {
        let head = rest.first_chunk::<4>()?;
        let length = 4 + usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
        if head[0] == BLOCK_TYPE && length == BLOCK {
            return rest.first_chunk().map(read);
        }
        rest = rest.get(length..)?;
    }
}

fn read(block: &[u8; BLOCK]) -> VoipMetrics {
    let two = |at: usize| u16::from_be_bytes([block[at], block[at + 1]]);
    let within =
        |at: usize, range: std::ops::RangeInclusive<u8>| Some(block[at]).filter(|v| range.contains(v));
    VoipMetrics {
        ssrc: u32::from_be_bytes([block[4], block[5], block[6], block[7]]),
        loss_rate: block[8],
        discard_rate: block[9],
        burst_density: block[10],
        gap_density: block[11],
        burst_ms: two(12),
        gap_ms: two(14),
        round_trip_ms: two(16),
        end_system_ms: two(18),
        gmin: block[23],
        r_factor: within(24, 0..=100),
        mos_lq: within(26, 10..=50),
        mos_cq: within(27, 10..=50),
    }
}
