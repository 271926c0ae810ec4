//! G.722 at 64 kbit/s: two sub-band ADPCM codecs between quadrature mirror filters.
//!
//! Fixed-point and named after the blocks of ITU-T G.722 §6, so that each line can be checked against the standard.
//! Bit-exact with other implementations of it: the tests compare with vectors made by ffmpeg 5.1.

/// Low-band quantiser decision levels (table 16/G.722), in units of the scale factor / 4096.
const Q6: [i32; 30] = [
    0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1_023, 1_121,
    1_219, 1_339, 1_458, 1_612, 1_765, 1_980, 2_195, 2_557, 2_919,
];
/// Low-band codes of negative differences, by decision level.
const ILN: [u8; 31] = [
    0, 63, 62, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8,
    7, 6, 5, 4,
];
/// Low-band codes of positive differences, by decision level.
const ILP: [u8; 31] = [
    0, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37,
    36, 35, 34, 33, 32,
];
/// Low-band scale factor's logarithmic steps, by four-bit code through `RL42`.
const WL: [i32; 8] = [-60, -30, 58, 172, 334, 538, 1_198, 3_042];
const RL42: [usize; 16] = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0];
/// Antilogarithm of the scale factors.
const ILB: [i32; 32] = [
    2_048, 2_093, 2_139, 2_186, 2_233, 2_282, 2_332, 2_383, 2_435, 2_489, 2_543, 2_599, 2_656, 2_714, 2_774,
    2_834, 2_896, 2_960, 3_025, 3_091, 3_158, 3_228, 3_298, 3_371, 3_444, 3_520, 3_597, 3_676, 3_756, 3_838,
    3_922, 4_008,
];
/// Low-band inverse quantiser, four bits (what both predictors adapt on).
const QM4: [i32; 16] = [
    0, -20_456, -12_896, -8_968, -6_288, -4_240, -2_584, -1_200, 20_456, 12_896, 8_968, 6_288, 4_240, 2_584,
    1_200, 0,
];
/// Low-band inverse quantiser, six bits (what is heard).
const QM6: [i32; 64] = [
    -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280, -11_192, -10_232,
    -9_360, -8_576, -7_856, -7_192, -6_576, -6_000, -5_456, -4_944, -4_464, -4_008, -3_576, -3_168, -2_776,
    -2_400, -2_032, -1_688, -1_360, -1_040, -728, 24_808, 21_904, 19_008, 16_704, 14_984, 13_512, 12_280,
    11_192, 10_232, 9_360, 8_576, 7_856, 7_192, 6_576, 6_000, 5_456, 4_944, 4_464, 4_008, 3_576, 3_168,
    2_776, 2_400, 2_032, 1_688, 1_360, 1_040, 728, 432, 136, -432, -136,
];
/// High-band inverse quantiser, two bits.
const QM2: [i32; 4] = [-7_408, -1_616, 7_408, 1_616];
/// High-band scale factor's logarithmic steps, by two-bit code.
const WH: [i32; 4] = [798, -214, 798, -214];
/// One half of the 24-tap quadrature mirror filter; the other is its mirror image.
const QMF: [i16; 12] = [3, -11, 12, 32, -210, 951, 3_876, -805, 362, -156, 53, -11];
const QMF_MIRRORED: [i16; 12] = [-11, 53, -156, 362, -805, 3_876, 951, -210, 32, 12, -11, 3];

fn saturate(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}

/// Adaptive predictor and scale factor of one sub-band (blocks 3 and 4).
#[derive(Clone, Debug)]
struct Band {
    /// Predicted signal, and its part from the six zeros.
    s: i32,
    sz: i32,
    /// Reconstructed signal, two steps back.
    r: [i32; 2],
    /// Partially reconstructed signal, two steps back.
    p: [i32; 2],
    /// Pole coefficients.
    a: [i32; 2],
    /// Quantised differences, doubled as the filter takes them, six steps back, newest first.
    d: [i32; 6],
    /// Zero coefficients.
    b: [i32; 6],
    /// Scale factor, logarithmic and linear.
    nb: i32,
    det: i32,
}

impl Band {
    const fn new(det: i32) -> Self {
        Self { s: 0, sz: 0, r: [0; 2], p: [0; 2], a: [0; 2], d: [0; 6], b: [0; 6], nb: 0, det }
    }

    /// LOGSCL/LOGSCH and SCALEL/SCALEH: adapts the scale factor by `step`.
    fn scale(&mut self, step: i32, ceiling: i32, shift: i32) {
        self.nb = (((self.nb * 127) >> 7) + step).clamp(0, ceiling);
        let mantissa = ILB[((self.nb >> 6) & 31) as usize];
        let exponent = shift - (self.nb >> 11);
        self.det = if exponent < 0 { mantissa << -exponent } else { mantissa >> exponent } << 2;
    }

    /// Takes the quantised difference `d` into the predictor and predicts the next sample.
    fn adapt(&mut self, d: i32) {
        let r = saturate(self.s + d); // RECONS
        let p = saturate(self.sz + d); // PARREC
        let same = |x: i32, y: i32| (x < 0) == (y < 0);

        // UPPOL2
        let a1 = saturate(self.a[0] << 2);
        let turn = if same(p, self.p[0]) { -a1 } else { a1 }.min(32_767);
        let push = if same(p, self.p[1]) { 128 } else { -128 };
        let a2 = (push + (turn >> 7) + ((self.a[1] * 32_512) >> 15)).clamp(-12_288, 12_288);
        // UPPOL1
        let push = if same(p, self.p[0]) { 192 } else { -192 };
        let bound = saturate(15_360 - a2);
        let a1 = saturate(push + ((self.a[0] * 32_640) >> 15)).clamp(-bound, bound);
        // UPZERO
        let gain = if d == 0 { 0 } else { 128 };
        for (b, old) in self.b.iter_mut().zip(self.d) {
            // All ones where the signs differ: without a branch, for signs are as good as random. A coefficient tends to
            // 32,767 at most and needs no limit.
            let differ = (d ^ old) >> 31;
            *b = ((gain ^ differ) - differ) + ((*b * 32_640) >> 15);
        }
        // DELAYA
        self.d.copy_within(0..5, 1);
        self.d[0] = saturate(d + d);
        self.r = [r, self.r[0]];
        self.p = [p, self.p[0]];
        self.a = [a1, a2];
        // FILTEP, FILTEZ, PREDIC
        let double = |x: i32| saturate(x + x);
        let sp = saturate(((a1 * double(self.r[0])) >> 15) + ((a2 * double(self.r[1])) >> 15));
        let zeros: i32 = self.b.iter().zip(self.d).rev().map(|(b, d)| (b * d) >> 15).sum();
        self.sz = saturate(zeros);
        self.s = saturate(sp + self.sz);
    }

    /// The low band's part of a code: what both ends adapt on.
    fn adapt_low(&mut self, code4: usize) {
        let d = (self.det * QM4[code4]) >> 15;
        self.scale(WL[RL42[code4]], 18_432, 8);
        self.adapt(d);
    }

    /// The high band's part of a code; gives the quantised difference.
    fn adapt_high(&mut self, code2: usize) -> i32 {
        let d = (self.det * QM2[code2]) >> 15;
        self.scale(WH[code2], 22_528, 10);
        self.adapt(d);
        d
    }
}

/// The 24 samples under the quadrature mirror filter, at even and at odd places. Each is written twice, twelve places
/// apart, so that the newest twelve always stand in a row.
#[derive(Clone, Debug, Default)]
struct Mirror {
    even: [i16; 24],
    odd: [i16; 24],
    /// Where the oldest of them stands, in the first half.
    at: usize,
}

impl Mirror {
    /// Takes two samples and gives the sums over even and odd places.
    fn step(&mut self, first: i16, second: i16) -> (i32, i32) {
        for half in [0, 12] {
            self.even[half + self.at] = first;
            self.odd[half + self.at] = second;
        }
        self.at = if self.at == 11 { 0 } else { self.at + 1 };
        let sum = |x: &[i16], taps: &[i16; 12]| -> i32 {
            x.iter().zip(taps).map(|(x, tap)| i32::from(*x) * i32::from(*tap)).sum()
        };
        let span = self.at..self.at + 12;
        (sum(&self.even[span.clone()], &QMF), sum(&self.odd[span], &QMF_MIRRORED))
    }
}

/// The sending half of a G.722 stream.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    mirror: Mirror,
    low: Band,
    high: Band,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { mirror: Mirror::default(), low: Band::new(32), high: Band::new(8) }
    }
}

impl Encoder {
    /// Encodes two samples (16 kHz) into one byte: two bits of the high band, then six of the low one.
    pub(crate) fn encode(&mut self, first: i16, second: i16) -> u8 {
        let (even, odd) = self.mirror.step(first, second);
        let low = self.encode_low((odd + even) >> 14);
        let high = self.encode_high((odd - even) >> 14);
        high << 6 | low
    }

    fn encode_low(&mut self, x: i32) -> u8 {
        let difference = saturate(x - self.low.s);
        let magnitude = if difference >= 0 { difference } else { -(difference + 1) };
        let det = self.low.det;
        // Q6 rises, so the level is the number of decision levels at or below the magnitude (Q6[0] = 0 always is).
        let level = Q6.partition_point(|q| (q * det) >> 12 <= magnitude).max(1);
        let code = if difference < 0 { ILN[level] } else { ILP[level] };
        self.low.adapt_low(usize::from(code >> 2));
        code
    }

    fn encode_high(&mut self, x: i32) -> u8 {
        let difference = saturate(x - self.high.s);
        let magnitude = if difference >= 0 { difference } else { -(difference + 1) };
        let far = magnitude >= (564 * self.high.det) >> 12;
        let code = match (difference < 0, far) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        };
        self.high.adapt_high(usize::from(code));
        code
    }
}

/// The receiving half of a G.722 stream.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    mirror: Mirror,
    low: Band,
    high: Band,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { mirror: Mirror::default(), low: Band::new(32), high: Band::new(8) }
    }
}

impl Decoder {
    /// Decodes one byte into two samples (16 kHz).
    pub(crate) fn decode(&mut self, byte: u8) -> [i16; 2] {
        let code = usize::from(byte & 0x3f);
        let low = (self.low.s + ((self.low.det * QM6[code]) >> 15)).clamp(-16_384, 16_383);
        self.low.adapt_low(code >> 2);
        let predicted = self.high.s;
        let high = (predicted + self.high.adapt_high(usize::from(byte >> 6))).clamp(-16_384, 16_383);
        // Both are within 14 bits and a sign, so their sum and difference are samples.
        let (even, odd) = self.mirror.step((low + high) as i16, (low - high) as i16);
        [odd, even].map(|sum| saturate(sum >> 11) as i16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    #[test]
    fn a_tone_survives_both_bands() {
        for (hz, limit_db) in [(400.0, 1.0), (1_000.0, 1.0), (3_000.0, 1.0), (6_000.0, 1.5)] {
            let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
            let tone = |i: usize| (8_000.0 * (TAU * hz * i as f64 / 16_000.0).sin()) as i16;
            let mut power = 0.0;
            for i in 0..8_000 {
                for sample in decoder.decode(encoder.encode(tone(2 * i), tone(2 * i + 1))) {
                    if i >= 4_000 {
                        power += f64::from(sample).powi(2) / 8_000.0;
                    }
                }
            }
            let gain_db = 10.0 * (power / (8_000.0_f64.powi(2) / 2.0)).log10();
            assert!(gain_db.abs() < limit_db, "{hz} Hz came out {gain_db:.2} dB off");
        }
    }

    /// `tests/vectors/README.md` says how the two files were made from [`signal`].
    #[test]
    fn bit_exact_with_ffmpeg() {
        let coded = include_bytes!("../../tests/vectors/ffmpeg.g722");
        let heard = include_bytes!("../../tests/vectors/ffmpeg.s16le");
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        for (i, pair) in signal().chunks_exact(2).enumerate() {
            assert_eq!(encoder.encode(pair[0], pair[1]), coded[i], "encoding differs at byte {i}");
        }
        for (i, (byte, expected)) in coded.iter().zip(heard.chunks_exact(4)).enumerate() {
            let [a, b] = decoder.decode(*byte).map(i16::to_le_bytes);
            assert_eq!([a, b].concat(), expected, "decoding differs at byte {i}");
        }
    }

    /// `tests/vectors/reference.py` printed the two numbers.
    #[test]
    fn exact_with_spandsp_for_seconds_of_speech() {
        let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        let (mut coded, mut heard) = (0xcbf2_9ce4_8422_2325, 0xcbf2_9ce4_8422_2325);
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        for code in include_bytes!("../../tests/vectors/speech.ulaw") {
            let sample = crate::codec::g711::mulaw_decode(*code);
            let byte = encoder.encode(sample, sample);
            coded = fnv(coded, byte);
            heard = decoder.decode(byte).into_iter().flat_map(i16::to_le_bytes).fold(heard, fnv);
        }
        assert_eq!((coded, heard), (0xc68e_063c_d913_122b, 0x1b8f_c0fd_507b_f186));
    }

    /// Triangles, noise, silence, steps and clipping: 0.4 s, integers only, so that any language can make it again.
    fn signal() -> Vec<i16> {
        let triangle = |phase: i32| if phase < 32_768 { phase * 2 } else { (65_535 - phase) * 2 } - 32_768;
        let mut state = 1_u32;
        (0..6_400_i32)
            .map(|i| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (state >> 16) as i32 - 32_768;
                let part = i / 800;
                let level = [300, 8_000, 2_000, 16_000, 32_000, 0, 4_000, 32_767][part as usize];
                let chirp = triangle((i * (1_500 + 137 * part * part)) & 0xffff);
                let sum = (chirp * 3 + triangle((i * 11_003) & 0xffff) + noise).div_euclid(5);
                match (part, i / 40 % 2, i / 9 % 2) {
                    (4, 0, 1) => i16::MAX,
                    (4, 0, _) => i16::MIN,
                    _ => (sum * level).div_euclid(32_768) as i16,
                }
            })
            .collect()
    }

    #[test]
    fn any_bytes_decode_without_overflow() {
        let mut decoder = Decoder::default();
        let mut state = 1_u32;
        for _ in 0..200_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            decoder.decode((state >> 24) as u8);
        }
        let mut encoder = Encoder::default();
        for i in 0..20_000 {
            let loud = if i / 7 % 2 == 0 { i16::MAX } else { i16::MIN };
            encoder.encode(loud, loud);
        }
    }
}
