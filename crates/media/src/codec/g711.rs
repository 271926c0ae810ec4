//! G.711: mu-law and A-law, on 16-bit samples (the standard's 14 and 13 bits, left-aligned).

const MULAW_TO_LINEAR: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = expand_mulaw(code as u8);
        code += 1;
    }
    table
};

const ALAW_TO_LINEAR: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = expand_alaw(code as u8);
        code += 1;
    }
    table
};

/// What is added before the logarithm, so that segments begin at powers of two.
const MULAW_BIAS: i32 = 0x84;
/// The largest magnitude that mu-law can tell apart.
const MULAW_CLIP: i32 = 32_635;

pub(crate) fn mulaw_decode(code: u8) -> i16 {
    MULAW_TO_LINEAR[usize::from(code)]
}

pub(crate) fn alaw_decode(code: u8) -> i16 {
    ALAW_TO_LINEAR[usize::from(code)]
}

pub(crate) const fn mulaw_encode(sample: i16) -> u8 {
    let value = sample as i32;
    let (sign, magnitude) = if value < 0 { (0x80, -value) } else { (0, value) };
    let biased = if magnitude > MULAW_CLIP { MULAW_CLIP } else { magnitude } + MULAW_BIAS;
    let segment = 24 - (biased as u32).leading_zeros();
    let step = (biased >> (segment + 3)) & 0x0f;
    !(sign | (segment << 4) as u8 | step as u8)
}

pub(crate) const fn alaw_encode(sample: i16) -> u8 {
    // Negative values are complemented, not negated: A-law has no zero, and -1 lies in the first negative step.
    let value = (sample as i32) >> 3;
    let (sign, magnitude) = if value < 0 { (0, !value) } else { (0x80, value) };
    let segment = if magnitude < 0x20 { 0 } else { 27 - (magnitude as u32).leading_zeros() };
    let shift = if segment < 2 { 1 } else { segment };
    let step = (magnitude >> shift) & 0x0f;
    (sign | (segment << 4) as u8 | step as u8) ^ 0x55
}

const fn expand_mulaw(code: u8) -> i16 {
    let code = !code;
    let step = (code & 0x0f) as i32;
    let segment = (code >> 4) & 7;
    let magnitude = (((step << 3) + MULAW_BIAS) << segment) - MULAW_BIAS;
    if code & 0x80 != 0 { -magnitude as i16 } else { magnitude as i16 }
}

const fn expand_alaw(code: u8) -> i16 {
    let code = code ^ 0x55;
    let step = (code & 0x0f) as i32;
    let segment = (code >> 4) & 7;
    let magnitude = match segment {
        0 => (step << 4) + 8,
        _ => ((step << 4) + 0x108) << (segment - 1),
    };
    if code & 0x80 != 0 { magnitude as i16 } else { -magnitude as i16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_of_the_standard() {
        // G.711 tables 1 and 2, left-aligned: the ends of the scale and the steps around zero.
        assert_eq!([0xff, 0x7f, 0x80, 0x00].map(mulaw_decode), [0, 0, 32_124, -32_124]);
        assert_eq!([0xd5, 0x55, 0xaa, 0x2a].map(alaw_decode), [8, -8, 32_256, -32_256]);
        assert_eq!((mulaw_encode(0), mulaw_encode(i16::MAX), mulaw_encode(i16::MIN)), (0xff, 0x80, 0x00));
        assert_eq!((alaw_encode(0), alaw_encode(-1), alaw_encode(i16::MAX)), (0xd5, 0x55, 0xaa));
        assert_eq!(alaw_encode(i16::MIN), 0x2a);
    }

    /// The tables were made with spandsp by `tests/vectors/reference.py`: all samples, all codes.
    #[test]
    fn exact_with_spandsp() {
        let (ulaw, alaw) =
            (include_str!("../../tests/vectors/ulaw.txt"), include_str!("../../tests/vectors/alaw.txt"));
        type Law = (fn(i16) -> u8, fn(u8) -> i16);
        let laws: [(&str, Law); 2] =
            [(ulaw, (mulaw_encode, mulaw_decode)), (alaw, (alaw_encode, alaw_decode))];
        for (table, (encode, decode)) in laws {
            let mut samples = 0;
            for line in table.lines() {
                let numbers: Vec<i16> = line.split(' ').map(|n| n.parse().unwrap()).collect();
                let code = u8::try_from(numbers[0]).unwrap();
                assert_eq!(decode(code), numbers[1], "code {code}");
                let range = numbers[2]..=numbers[3];
                samples += range.clone().count();
                range.for_each(|sample| assert_eq!(encode(sample), code, "sample {sample}"));
            }
            assert_eq!((table.lines().count(), samples), (256, 65_536));
        }
    }

    #[test]
    fn every_code_survives_a_round_trip() {
        for code in 0..=255_u8 {
            // 0x7f is mu-law's second zero; encoders send 0xff for it.
            let expected = if code == 0x7f { 0xff } else { code };
            assert_eq!(mulaw_encode(mulaw_decode(code)), expected);
            assert_eq!(alaw_encode(alaw_decode(code)), code);
        }
    }

    #[test]
    fn the_error_is_never_more_than_half_a_step() {
        for sample in i16::MIN..=i16::MAX {
            let magnitude = i32::from(sample).abs();
            for (decoded, clip) in
                [(mulaw_decode(mulaw_encode(sample)), 32_635), (alaw_decode(alaw_encode(sample)), 32_767)]
            {
                let error = (i32::from(decoded) - i32::from(sample)).abs();
                let step = ((magnitude + 132) / 16).max(16);
                assert!(error <= step / 2 || magnitude > clip, "{sample} became {decoded}");
            }
        }
    }
}
