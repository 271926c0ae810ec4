//! From decoded frames to another codec's packets: sampling rate, packet length, silence.

use crate::codec::{Codec, Encoder, MAX_FRAME_SAMPLES, comfort, vad};
use crate::resample::Resampler;
use crate::sdp::OpusParameters;

/// Most milliseconds that wait to be packed: the longest packet and a frame.
const MAX_PENDING_MS: usize = 60 + 20;

/// Encodes decoded frames for a peer.
#[derive(Debug)]
pub(crate) struct Transcoder {
    encoder: Encoder,
    wish: OpusParameters,
    resampler: Resampler,
    /// At the encoder's rate, not yet a whole packet.
    pending: Vec<i16>,
    /// Whether somebody spoke in the last frame, and in any of what is pending.
    speaks: bool,
    spoken: bool,
    detector: vad::Detector,
    quiet: comfort::Analysis,
}

/// What became of the audio of one packet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Made {
    /// A payload of this length.
    Audio(usize),
    /// Nobody speaks in it: this is how it sounds.
    Quiet(comfort::Description),
    /// The codec says that it need not be sent.
    Nothing,
}

impl Transcoder {
    pub(crate) fn new(codec: Codec, wish: &OpusParameters) -> Self {
        let room = codec.sample_rate() as usize / 1_000 * MAX_PENDING_MS;
        Self {
            encoder: Encoder::new(codec, wish),
            wish: *wish,
            resampler: Resampler::default(),
            pending: Vec::with_capacity(room),
            speaks: false,
            spoken: false,
            detector: vad::Detector::default(),
            quiet: comfort::Analysis::default(),
        }
    }

    /// The listener loses so many per cent of our packets.
    pub(crate) fn expect_loss(&mut self, percent: u8) {
        self.encoder.expect_loss(percent);
    }

    /// Takes a frame, to be encoded by `codec`. `watch`: find out whether somebody speaks, or else it is taken for
    /// granted.
    pub(crate) fn take(
        &mut self,
        rate: u32,
        samples: &[i16],
        codec: Codec,
        wish: &OpusParameters,
        watch: bool,
    ) {
        if self.encoder.codec() != codec || self.wish != *wish {
            *self = Self::new(codec, wish);
        }
        let mut converted = [0; MAX_FRAME_SAMPLES];
        let samples = self.resampler.process(rate, codec.sample_rate(), samples, &mut converted);
        self.pending.extend_from_slice(samples);
        self.speaks = !watch || self.detector.speaks(samples);
        self.spoken |= self.speaks;
        if !self.speaks {
            self.quiet.push(samples);
        }
    }

    /// Makes the next packet into `out`; `None` if too little is there. `comfort`: its receiver makes noise by itself.
    pub(crate) fn packet(&mut self, millis: u32, comfort: bool, out: &mut [u8]) -> Option<Made> {
        let rate = self.encoder.codec().sample_rate();
        let count = (rate / 1_000 * millis) as usize;
        let samples = self.pending.get(..count)?;
        // A part of the last frame may be left over.
        let quiet = !std::mem::replace(&mut self.spoken, self.speaks);
        let made = if quiet && comfort {
            Made::Quiet(self.quiet.describe(rate))
        } else {
            self.encoder.quiet(quiet);
            match self.encoder.encode(samples, out) {
                0 => Made::Nothing,
                length => Made::Audio(length),
            }
        };
        self.pending.drain(..count);
        Some(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::g711::mulaw_decode;
    use crate::codec::{Decoder, MAX_PACKET_SAMPLES, MAX_PAYLOAD};
    use crate::tone::{self, Oscillator};

    /// What comes out at 8 kHz when 8 kHz audio is spoken into a phone with one codec and heard from one with another.
    fn pass(spoken: &[i16], from: Codec, to: Codec, wish: &OpusParameters, watch: bool) -> Vec<i16> {
        let (mut into, mut phone, mut ear) =
            (Resampler::default(), Encoder::new(from, wish), Decoder::new(from));
        let (mut transcoder, mut desk, mut out_of) =
            (Transcoder::new(to, wish), Decoder::new(to), Resampler::default());
        let mut heard = Vec::new();
        for frame in spoken.chunks_exact(160) {
            let (mut converted, mut payload) = ([0; MAX_FRAME_SAMPLES], [0; MAX_PAYLOAD]);
            let samples = into.process(8_000, from.sample_rate(), frame, &mut converted);
            let length = phone.encode(samples, &mut payload);
            let mut decoded = [0; MAX_PACKET_SAMPLES];
            let count = ear.decode(&payload[..length], &mut decoded);
            assert_eq!(count, from.frame_samples());
            transcoder.take(from.sample_rate(), &decoded[..count], to, wish, watch);
            let count = match transcoder.packet(20, false, &mut payload) {
                Some(Made::Audio(length)) => desk.decode(&payload[..length], &mut decoded),
                // Not sent: the far side goes on as it knows best.
                Some(Made::Nothing) => {
                    let count = to.frame_samples();
                    assert!(desk.conceal(&mut decoded[..count]));
                    count
                }
                other => panic!("{other:?}"),
            };
            let samples = out_of.process(to.sample_rate(), 8_000, &decoded[..count], &mut converted);
            heard.extend_from_slice(samples);
        }
        heard
    }

    fn pairs() -> impl Iterator<Item = (Codec, Codec)> {
        Codec::ALL.into_iter().flat_map(|from| Codec::ALL.map(|to| (from, to)))
    }

    fn speech() -> Vec<i16> {
        include_bytes!("../../tests/vectors/speech.ulaw").iter().map(|code| mulaw_decode(*code)).collect()
    }

    fn power(samples: &[i16]) -> f64 {
        samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64
    }

    /// Delay of a codec by itself, in milliseconds.
    fn codec_ms(codec: Codec) -> f64 {
        match codec {
            Codec::Pcmu | Codec::Pcma | Codec::L16 => 0.0,
            // Its mirror filters have 22 samples of 16 kHz.
            Codec::G722 => 1.4,
            // Libopus looks 2.5 ms ahead, and 4 ms for speech.
            Codec::Opus => 6.5,
        }
    }

    /// Delay of a conversion: 16 samples of the lower rate.
    fn conversion_ms(from: u32, to: u32) -> f64 {
        if from == to { 0.0 } else { 16_000.0 / f64::from(from.min(to)) }
    }

    #[test]
    fn a_tone_keeps_its_level_through_any_two_codecs() {
        let mut spoken = vec![0; 16_000];
        Oscillator::default().fill(1_004.0, -13.0, 8_000, &mut spoken);
        for (from, to) in pairs() {
            let heard = pass(&spoken, from, to, &OpusParameters::default(), false);
            let level = tone::dbm0(power(&heard[8_000..]));
            assert!((level + 13.0).abs() < 0.7, "{} to {}: {level:.2} dBm0", from.name(), to.name());
        }
    }

    #[test]
    fn speech_keeps_its_level_and_comes_in_time_through_any_two_codecs() {
        let spoken = speech();
        let spoken = &spoken[..24_000];
        for (from, to) in pairs() {
            let heard = pass(spoken, from, to, &OpusParameters::default(), false);
            let gain = 10.0 * (power(&heard) / power(spoken)).log10();
            assert!(gain.abs() < 1.0, "{} to {}: {gain:.2} dB", from.name(), to.name());
            let likeness = |late: usize| {
                let (a, b) = (&spoken[..20_000], &heard[late..late + 20_000]);
                let product: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                product / 20_000.0 / (power(a) * power(b)).sqrt()
            };
            let best = (0..320).max_by(|a, b| likeness(*a).total_cmp(&likeness(*b))).unwrap();
            let rates = [8_000, from.sample_rate(), to.sample_rate(), 8_000];
            let conversions: f64 = rates.windows(2).map(|r| conversion_ms(r[0], r[1])).sum();
            let (millis, due) = (best as f64 / 8.0, codec_ms(from) + codec_ms(to) + conversions);
            assert!((millis - due).abs() < 0.7, "{} to {}: {millis} ms, not {due}", from.name(), to.name());
            // Opus keeps the sound, not the waveform.
            let least = if [from, to].contains(&Codec::Opus) { 0.8 } else { 0.97 };
            assert!(likeness(best) > least, "{} to {}: {:.3}", from.name(), to.name(), likeness(best));
        }
    }

    #[test]
    fn packets_of_other_lengths_lose_nothing() {
        let spoken = speech();
        for millis in [10, 30, 40, 60] {
            let mut transcoder = Transcoder::new(Codec::Pcmu, &OpusParameters::default());
            let (mut payload, mut made) = ([0; MAX_PAYLOAD], 0);
            for frame in spoken.chunks_exact(160).take(300) {
                transcoder.take(8_000, frame, Codec::Pcmu, &OpusParameters::default(), false);
                while let Some(Made::Audio(length)) = transcoder.packet(millis, true, &mut payload) {
                    assert_eq!(length, millis as usize * 8);
                    assert!(payload[..length].iter().zip(&spoken[made..]).all(|(p, s)| {
                        mulaw_decode(*p) == mulaw_decode(crate::codec::g711::mulaw_encode(*s))
                    }));
                    made += length;
                }
            }
            assert!(300 * 160 - made < millis as usize * 8);
        }
    }

    #[test]
    fn silence_is_said_once_nobody_speaks_and_words_are_never_left_out() {
        let asked = OpusParameters { dtx: true, ..OpusParameters::default() };
        let mut spoken: Vec<i16> = speech().iter().map(|s| s / 30).collect();
        spoken.resize(spoken.len() + 24_000, 0);
        for (sample, noise) in spoken.iter_mut().zip(tone::noise(-65.0, 100_000)) {
            *sample += noise;
        }
        let run = |codec: Codec, watch: bool| {
            let mut transcoder = Transcoder::new(codec, &asked);
            let mut payload = [0; MAX_PAYLOAD];
            let mut sent = Vec::new();
            for frame in spoken.chunks_exact(160) {
                transcoder.take(8_000, frame, codec, &asked, watch);
                let made = transcoder.packet(20, codec == Codec::Pcmu, &mut payload);
                sent.push(matches!(made, Some(Made::Audio(_))));
            }
            sent
        };
        for codec in [Codec::Pcmu, Codec::Opus] {
            assert!(run(codec, false).iter().all(|sent| *sent), "{}: nobody asked for silence", codec.name());
            let sent = run(codec, true);
            let talk = speech().len() / 160;
            assert!(sent[..talk].iter().all(|sent| *sent), "{}: words are left out", codec.name());
            let quiet = sent[talk + 50..].iter().filter(|sent| !**sent).count();
            assert!(quiet * 2 > sent.len() - talk - 50, "{}: only {quiet} silent frames", codec.name());
        }
    }
}
