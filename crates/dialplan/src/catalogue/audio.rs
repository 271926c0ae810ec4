//! Recordings: reading them, measuring them, and what they must be.

use std::path::Path;
use std::time::Duration;

use ebur128::EbuR128;
use sha2::{Digest, Sha256};

use super::clip::RATE;
use crate::limits::MAX_CLIP_SECONDS;
use crate::said::{Said, comma, said};

/// The one loudness of all prompts, in LUFS (EBU R 128, integrated). About −23 dBov active speech level: telephone
/// networks are lined up for −26 to −20 (ITU-T P.56), and a voice's peaks keep clear of clipping in G.711.
pub(crate) const TARGET_LUFS: f64 = -23.0;
/// How far a recording may be from the target, and a language from the other, in LU.
pub(crate) const LOUDNESS_TOLERANCE: f64 = 2.0;

/// Quieter than this is silence at the ends of a clip (−50 dBFS: a quiet room is below it).
const SILENCE: u16 = 104;
/// Longest silence before the first word. More would feel like a dead line.
const MAX_LEAD: Duration = Duration::from_millis(500);
/// Longest silence after the last word.
const MAX_TAIL: Duration = Duration::from_millis(1_000);
/// Samples in a row at full scale that are clipping rather than chance.
const CLIPPED_RUN: usize = 3;
/// A jump between the end and the beginning of a loop that is heard as a click.
const MAX_SEAM: u16 = 2_000;

/// What makes any recording one of ours.
const CONVERT: &str = "sox in.wav -r 16000 -c 1 -b 16 -e signed-integer out.wav";

/// A finding about a recording: what, and the remedy.
pub(crate) type Problem = (Said, Said);

/// One recording as read.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) samples: Vec<i16>,
    /// SHA-256 of the file, in hex.
    pub(crate) file_digest: String,
}

/// What a recording has to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Demand {
    /// Speech, at most so long.
    Speech { max: Duration },
    /// A loop; `faint` ones are not levelled.
    Loop { faint: bool, min: Duration, max: Duration },
}

impl Recording {
    /// From a WAV file of our one format.
    pub(crate) fn read(path: &Path) -> Result<Self, Problem> {
        let bytes = std::fs::read(path).map_err(|error| {
            let remedy = (
                "make it with prompts/make.sh, or record it and use `havre prompts replace`",
                "créez-le avec prompts/make.sh, ou enregistrez-le et utilisez `havre prompts replace`",
            );
            (super::read::unreadable(&error), remedy.into())
        })?;
        Self::parse(&bytes)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let remedy = || said!("convert it: {CONVERT}", "convertissez-le\u{a0}: {CONVERT}");
        let no_wav = |error: hound::Error| {
            (said!("is no WAV file: {error}", "n’est pas un fichier WAV\u{a0}: {error}"), remedy())
        };
        let reader = hound::WavReader::new(bytes).map_err(no_wav)?;
        let spec = reader.spec();
        let wanted = (RATE, 1, 16, hound::SampleFormat::Int);
        if (spec.sample_rate, spec.channels, spec.bits_per_sample, spec.sample_format) != wanted {
            let is_int = spec.sample_format == hound::SampleFormat::Int;
            let (kind, sorte) =
                if is_int { ("integer", "entiers") } else { ("float", "à virgule flottante") };
            let (rate, channels, bits) = (spec.sample_rate, spec.channels, spec.bits_per_sample);
            let what = Said {
                en: format!(
                    "is {rate} Hz, {channels} channel(s), {bits}-bit {kind}; prompts are 16000 Hz, 1, 16-bit integer"
                ),
                fr: format!(
                    "est à {rate} Hz, canaux\u{a0}: {channels}, {bits} bits {sorte}; les messages sont à 16000 Hz, 1 canal, 16 bits entiers"
                ),
            };
            return Err((what, remedy()));
        }
        if reader.duration() as usize > MAX_CLIP_SECONDS * RATE as usize {
            let what = said!("is longer than {MAX_CLIP_SECONDS} s", "dure plus de {MAX_CLIP_SECONDS} s");
            return Err((what, ("cut it", "raccourcissez-le").into()));
        }
        // The reader stands at the first sample; what follows the last one (tags) is left.
        let (length, data) = (reader.len() as usize, reader.into_inner());
        let Some(data) = data.get(..2 * length) else {
            let what = ("ends before its last sample", "se termine avant son dernier échantillon");
            return Err((what.into(), remedy()));
        };
        let samples = data.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        Ok(Self { samples, file_digest: hex(&Sha256::digest(bytes)) })
    }

    pub(crate) fn duration(&self) -> Duration {
        Duration::from_micros(self.samples.len() as u64 * 1_000_000 / u64::from(RATE))
    }

    /// Integrated loudness in LUFS; −∞ for silence and for less than 400 ms.
    pub(crate) fn loudness(&self) -> f64 {
        let measured = EbuR128::new(1, RATE, ebur128::Mode::I).and_then(|mut meter| {
            meter.add_frames_i16(&self.samples)?;
            meter.loudness_global()
        });
        measured.unwrap_or(f64::NEG_INFINITY)
    }

    /// Everything that is wrong with it, given its loudness.
    pub(crate) fn problems(&self, demand: Demand, loudness: f64) -> Vec<Problem> {
        let mut found = Vec::new();
        self.check_length(demand, &mut found);
        let levelled = !matches!(demand, Demand::Loop { faint: true, .. });
        if levelled && (loudness - TARGET_LUFS).abs() > LOUDNESS_TOLERANCE {
            let gain = TARGET_LUFS - loudness;
            let what = Said {
                en: format!(
                    "has a loudness of {loudness:.1} LUFS; prompts have {TARGET_LUFS:.0} ± {LOUDNESS_TOLERANCE:.0}"
                ),
                fr: format!(
                    "a un niveau sonore de {} LUFS; les messages sont à {TARGET_LUFS:.0} ± {LOUDNESS_TOLERANCE:.0}",
                    comma(loudness)
                ),
            };
            let remedy = Said {
                en: format!("change its gain by {gain:+.1} dB: sox in.wav out.wav gain {gain:.1}"),
                fr: format!(
                    "changez son gain de {} dB\u{a0}: sox in.wav out.wav gain {gain:.1}",
                    format!("{gain:+.1}").replace('.', ",")
                ),
            };
            found.push((what, remedy));
        }
        if self.is_clipped() {
            let remedy = (
                "record it again with less gain; the damage cannot be undone",
                "enregistrez-le de nouveau avec moins de gain; le dommage est irréparable",
            );
            found.push((("is clipped", "est écrêté").into(), remedy.into()));
        }
        match demand {
            Demand::Speech { .. } => self.check_ends(&mut found),
            Demand::Loop { .. } => {
                let (first, last) =
                    (self.samples.first().copied().unwrap_or(0), self.samples.last().copied().unwrap_or(0));
                if first.abs_diff(last) > MAX_SEAM {
                    let what = (
                        "clicks where its end meets its beginning",
                        "fait un déclic là où la fin rejoint le début",
                    );
                    found.push((
                        what.into(),
                        ("make the loop continuous", "rendez la boucle continue").into(),
                    ));
                }
            }
        }
        found
    }

    fn check_length(&self, demand: Demand, found: &mut Vec<Problem>) {
        let (min, max) = match demand {
            Demand::Speech { max } => (Duration::from_millis(400), max),
            Demand::Loop { min, max, .. } => (min, max),
        };
        let is = self.duration();
        if is < min {
            let (is, min) = (is.as_secs_f64(), min.as_secs_f64());
            let what = Said {
                en: format!("lasts {is:.1} s, less than {min:.1} s"),
                fr: format!("dure {} s, moins de {} s", comma(is), comma(min)),
            };
            found.push((what, ("make it longer", "allongez-le").into()));
        }
        if is > max {
            let (is, over) = (is.as_secs_f64(), (is - max).as_secs_f64());
            let what = Said {
                en: format!("lasts {is:.1} s, {over:.1} s more than its limit"),
                fr: format!("dure {} s, soit {} s de plus que sa limite", comma(is), comma(over)),
            };
            let remedy = (
                "say it faster or shorten the text; `max_seconds` in catalogue.toml is the limit",
                "dites-le plus vite ou raccourcissez le texte; `max_seconds` dans catalogue.toml est la limite",
            );
            found.push((what, remedy.into()));
        }
    }

    fn check_ends(&self, found: &mut Vec<Problem>) {
        let loud = |s: &i16| s.unsigned_abs() > SILENCE;
        let (Some(first), Some(last)) =
            (self.samples.iter().position(loud), self.samples.iter().rposition(loud))
        else {
            found.push((
                ("is silent", "est muet").into(),
                ("record it again", "enregistrez-le de nouveau").into(),
            ));
            return;
        };
        let seconds = |samples: usize| Duration::from_secs_f64(samples as f64 / f64::from(RATE));
        let (lead, tail) = (seconds(first), seconds(self.samples.len() - 1 - last));
        let ends = [(lead, MAX_LEAD, ("begins", "commence")), (tail, MAX_TAIL, ("ends", "se termine"))];
        for (is, limit, (en, fr)) in ends {
            if is > limit {
                let (is, limit) = (is.as_secs_f64(), limit.as_secs_f64());
                let what = Said {
                    en: format!("{en} with {is:.1} s of silence"),
                    fr: format!("{fr} par {} s de silence", comma(is)),
                };
                let remedy = Said {
                    en: format!("trim it to at most {limit:.1} s"),
                    fr: format!("réduisez-le à {} s au plus", comma(limit)),
                };
                found.push((what, remedy));
            }
        }
    }

    fn is_clipped(&self) -> bool {
        let mut run = 0;
        self.samples.iter().any(|s| {
            run = if s.unsigned_abs() >= 32_767 { run + 1 } else { 0 };
            run >= CLIPPED_RUN
        })
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(seconds: f64, amplitude: f64) -> Recording {
        let samples = (0..(seconds * f64::from(RATE)) as usize)
            .map(|i| {
                (amplitude
                    * 32767.0
                    * (i as f64 * 2.0 * std::f64::consts::PI * 997.0 / f64::from(RATE)).sin())
                    as i16
            })
            .collect();
        Recording { samples, file_digest: String::new() }
    }

    fn speech_problems(recording: &Recording) -> Vec<String> {
        let demand = Demand::Speech { max: Duration::from_secs(5) };
        recording.problems(demand, recording.loudness()).into_iter().map(|(what, _)| what.en).collect()
    }

    #[test]
    fn loudness_is_that_of_the_standard() {
        // BS.1770: a full-scale 997 Hz sine in one channel reads −3.01 LUFS.
        assert!((tone(3.0, 1.0).loudness() + 3.01).abs() < 0.1);
        assert!((tone(3.0, 0.1).loudness() + 23.01).abs() < 0.1);
    }

    #[test]
    fn a_good_recording_has_no_problems() {
        assert_eq!(speech_problems(&tone(3.0, 0.1)), [""; 0]);
    }

    #[test]
    fn each_fault_is_named() {
        assert!(speech_problems(&tone(3.0, 0.5))[0].starts_with("has a loudness of -9.0 LUFS"));
        assert!(speech_problems(&tone(6.5, 0.1))[0].contains("1.5 s more than its limit"));
        assert!(speech_problems(&tone(0.2, 0.1))[0].contains("less than 0.4 s"));
        let mut late = tone(3.0, 0.1);
        late.samples.splice(0..0, std::iter::repeat_n(0, RATE as usize));
        assert_eq!(speech_problems(&late), ["begins with 1.0 s of silence"]);
        late.samples.extend(std::iter::repeat_n(0, 2 * RATE as usize));
        late.samples.drain(..RATE as usize);
        assert_eq!(speech_problems(&late), ["ends with 2.0 s of silence"]);
        let mut clipped = tone(3.0, 0.1);
        clipped.samples[100..104].fill(i16::MIN);
        assert_eq!(speech_problems(&clipped), ["is clipped"]);
        let mute = Recording { samples: vec![0; 16_000], file_digest: String::new() };
        assert!(speech_problems(&mute).contains(&"is silent".to_owned()));
    }

    #[test]
    fn loops_must_close() {
        let mut sound = tone(3.0, 0.1);
        let demand = Demand::Loop { faint: false, min: Duration::from_secs(1), max: Duration::from_secs(9) };
        assert!(sound.problems(demand, sound.loudness()).is_empty());
        sound.samples.extend([3_000; 20]);
        assert!(sound.problems(demand, sound.loudness())[0].0.en.contains("clicks"));
    }

    #[test]
    fn other_formats_are_refused_with_a_remedy() {
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 44_100,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut bytes = std::io::Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        writer.write_sample(0_i16).unwrap();
        writer.write_sample(0_i16).unwrap();
        writer.finalize().unwrap();
        let (what, remedy) = Recording::parse(&bytes.into_inner()).unwrap_err();
        assert!(what.en.starts_with("is 44100 Hz, 2 channel(s), 16-bit integer"), "{what:?}");
        assert!(what.fr.starts_with("est à 44100 Hz, canaux\u{a0}: 2, 16 bits entiers"), "{what:?}");
        assert!(remedy.en.starts_with("convert it: sox"), "{remedy:?}");
        assert!(Recording::parse(b"RIFF").unwrap_err().0.en.starts_with("is no WAV file"));
        assert!(Recording::parse(b"").is_err());
    }

    #[test]
    fn samples_are_those_of_the_file_and_a_cut_file_is_refused() {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: RATE,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut bytes = std::io::Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        let samples = [0, 1, -1, i16::MAX, i16::MIN];
        samples.iter().for_each(|s| writer.write_sample(*s).unwrap());
        writer.finalize().unwrap();
        let mut bytes = bytes.into_inner();
        bytes.extend(b"LIST after the samples");
        assert_eq!(Recording::parse(&bytes).unwrap().samples, samples);
        bytes.truncate(bytes.len() - 24);
        assert_eq!(Recording::parse(&bytes).unwrap_err().0.en, "ends before its last sample");
    }
}
