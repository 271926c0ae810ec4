//! Opus (RFC 6716) by libopus, set up for telephone voice, and what can be read off a packet without decoding it.

use opus::{Application, Bandwidth, Bitrate, Channels, Signal};

use super::Codec;
use crate::sdp::OpusParameters;

/// What we encode at, clearly better than G.722 for speech (RFC 7587 §3.1.1 recommends 16-20 kbit/s for wideband and
/// 28-40 for fullband speech), and what redundancy has on top of it: so much that libopus adds it to wideband speech at
/// [`USUAL_LOSS`] already (`decide_fec` asks for 20.4 kbit/s after its deductions, and narrows the band where it does not
/// get them), and that speech on a clean network is none the worse. `tests/bench/RESULTS.md` has the steps measured.
const BITRATE: u32 = 24_000;
const REDUNDANCY: u32 = 12_000;
/// What we encode comes from other codecs and from prompts, and none has more (Opus to Opus is relayed). Some phones that
/// know wideband only play nothing of wider streams.
const MAX_SOURCE_RATE: u32 = 16_000;
/// Of 10: the last that searches with two states; see `tests/bench/RESULTS.md` for what the steps cost.
const COMPLEXITY: i32 = 5;
/// Loss that redundancy is made for before the far side has reported any, in per cent.
const USUAL_LOSS: u8 = 5;
/// Longest payload (RFC 6716 §3.4 R3).
const MAX_PACKET: usize = 1_275;
/// A payload of this length or less says only that nothing is to be heard (libopus, `opus_encode`).
const SILENCE: usize = 2;
/// Longest audio in one packet, in ticks of 48 kHz: 120 ms (RFC 6716 §3.4 R5).
const MAX_TICKS: u32 = 5_760;

/// The sending half. Holds nothing if libopus had no memory for it, and then it is silent.
#[derive(Debug)]
pub(crate) struct Encoder {
    inner: Option<opus::Encoder>,
    fec: bool,
    loss: u8,
    /// The far side asked for DTX; whether it is on at present.
    dtx: bool,
    quiet: bool,
}

impl Encoder {
    /// As the far side asked in its `fmtp`.
    pub(crate) fn new(wish: &OpusParameters) -> Self {
        let set_up = || -> opus::Result<opus::Encoder> {
            let mut inner = opus::Encoder::new(Codec::Opus.sample_rate(), Channels::Mono, Application::Voip)?;
            inner.set_complexity(COMPLEXITY)?;
            inner.set_signal(Signal::Voice)?;
            let bitrate = if wish.inband_fec { BITRATE + REDUNDANCY } else { BITRATE };
            inner.set_bitrate(Bitrate::Bits(wish.max_average_bitrate.min(bitrate) as i32))?;
            inner.set_vbr(!wish.cbr)?;
            inner.set_max_bandwidth(bandwidth(wish.max_playback_rate.min(MAX_SOURCE_RATE)))?;
            inner.set_inband_fec(wish.inband_fec)?;
            inner.set_packet_loss_perc(USUAL_LOSS.into())?;
            Ok(inner)
        };
        Self { inner: set_up().ok(), fec: wish.inband_fec, loss: USUAL_LOSS, dtx: wish.dtx, quiet: false }
    }

    /// The far side loses so many per cent of our packets: redundancy is made accordingly.
    pub(crate) fn expect_loss(&mut self, percent: u8) {
        let percent = percent.clamp(USUAL_LOSS, 30);
        if self.fec
            && percent != self.loss
            && let Some(inner) = &mut self.inner
        {
            self.loss = percent;
            let _ = inner.set_packet_loss_perc(percent.into());
        }
    }

    /// Silence begins or ends. Libopus would find out by itself, but with less patience for soft voices than
    /// [`super::vad`] has: it may leave frames out only while that one agrees.
    pub(crate) fn quiet(&mut self, quiet: bool) {
        if self.dtx
            && quiet != self.quiet
            && let Some(inner) = &mut self.inner
        {
            self.quiet = quiet;
            let _ = inner.set_dtx(quiet);
        }
    }

    /// Encodes one frame; gives the length of the payload, or 0 if nothing need be sent.
    pub(crate) fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> usize {
        let room = out.len().min(MAX_PACKET);
        let length = match &mut self.inner {
            Some(inner) => inner.encode(samples, &mut out[..room]).unwrap_or(0),
            None => 0,
        };
        if length <= SILENCE { 0 } else { length }
    }
}

/// The widest audio that a far side playing at this rate can use.
const fn bandwidth(playback_rate: u32) -> Bandwidth {
    match playback_rate {
        0..=8_000 => Bandwidth::Narrowband,
        8_001..=12_000 => Bandwidth::Mediumband,
        12_001..=16_000 => Bandwidth::Wideband,
        16_001..=24_000 => Bandwidth::Superwideband,
        _ => Bandwidth::Fullband,
    }
}

/// The receiving half. Holds nothing if libopus had no memory for it, and then nothing is heard.
#[derive(Debug)]
pub(crate) struct Decoder {
    inner: Option<opus::Decoder>,
}

impl Decoder {
    /// Decodes at `rate`: 8, 12, 16, 24 or 48 kHz. A stereo stream comes out mono.
    pub(crate) fn new(rate: u32) -> Self {
        Self { inner: opus::Decoder::new(rate, Channels::Mono).ok() }
    }

    pub(crate) fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> usize {
        // An empty payload would mean a lost packet to libopus.
        match &mut self.inner {
            Some(inner) if !payload.is_empty() => inner.decode(payload, out, false).unwrap_or(0),
            _ => 0,
        }
    }

    pub(crate) fn conceal(&mut self, out: &mut [i16]) -> bool {
        let length = out.len();
        self.inner
            .as_mut()
            .is_some_and(|inner| inner.decode(&[], out, false).is_ok_and(|made| made == length))
    }

    pub(crate) fn recover(&mut self, following: &[u8], out: &mut [i16]) -> bool {
        let length = out.len();
        self.inner
            .as_mut()
            .is_some_and(|inner| inner.decode(following, out, true).is_ok_and(|made| made == length))
    }
}

/// How long a packet plays, in ticks of 48 kHz; 0 if it is no Opus packet (RFC 6716 §3).
pub(crate) fn duration(packet: &[u8]) -> u32 {
    let Some((toc, rest)) = packet.split_first() else { return 0 };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => rest.first().map_or(0, |count| u32::from(count & 0x3f)),
    };
    let ticks = frames * frame_ticks(*toc);
    if ticks <= MAX_TICKS { ticks } else { 0 }
}

/// Ticks of each frame, by the configuration in a table-of-contents byte (RFC 6716 table 2).
fn frame_ticks(toc: u8) -> u32 {
    let config = toc >> 3;
    match config {
        0..=11 => [480, 960, 1_920, 2_880][usize::from(config & 3)],
        12..=15 => [480, 960][usize::from(config & 1)],
        _ => [120, 240, 480, 960][usize::from(config & 3)],
    }
}

/// Whether a packet holds its predecessor once more, at a low rate (RFC 6716 §4.2.3 and §4.2.4, "LBRR").
pub(crate) fn has_redundancy(packet: &[u8]) -> bool {
    let Some((toc, rest)) = packet.split_first() else { return false };
    // CELT alone has none.
    if toc & 0x80 != 0 {
        return false;
    }
    // Where the first frame begins.
    let first = match toc & 3 {
        0 | 1 => Some(rest),
        2 => rest.first().and_then(|length| rest.get(if *length < 252 { 1.. } else { 2.. })),
        _ => many(rest),
    };
    let Some(flags) = first.and_then(<[u8]>::first) else { return false };
    // The frame begins with one activity bit for each 20 ms (or less) of it, and then the bit that we want; a second
    // channel has its own after it.
    let pieces = (frame_ticks(*toc) / 960).max(1);
    let mid = flags >> (7 - pieces) & 1 == 1;
    let stereo = toc & 4 != 0;
    mid || stereo && pieces < 3 && flags >> (6 - 2 * pieces) & 1 == 1
}

/// The first frame of a packet with a frame count (RFC 6716 §3.2.5).
fn many(rest: &[u8]) -> Option<&[u8]> {
    let (count, mut rest) = rest.split_first()?;
    let (vbr, padded, frames) = (count & 0x80 != 0, count & 0x40 != 0, usize::from(count & 0x3f));
    if padded {
        while *rest.first()? == 255 {
            rest = &rest[1..];
        }
        rest = &rest[1..];
    }
    if vbr {
        for _ in 1..frames {
            rest = rest.get(if *rest.first()? < 252 { 1.. } else { 2.. })?;
        }
    }
    Some(rest)
}
