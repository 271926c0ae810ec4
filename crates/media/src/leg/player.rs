//! What a leg hears from us: clips once, or one prompt for ever.

use std::sync::Arc;
use std::time::Duration;

use havre_model::PlayId;

use crate::codec::{Encoder, FRAME_TICKS, MAX_FRAME_SAMPLES, TICKS_PER_MS};
use crate::prompt::Encoded;
use crate::sdp::OpusParameters;
use crate::tone::Oscillator;
use crate::{Clip, Codec, Prompt};

/// One leg's player.
#[derive(Debug, Default)]
pub(crate) struct Player {
    play: Option<Play>,
    /// Goes on below a `Play`, at the place where all its listeners are.
    looped: Option<Looped>,
    tone: Option<Tone>,
}

#[derive(Debug)]
struct Play {
    id: PlayId,
    clips: Vec<Clip>,
    /// The clip in its turn, and the ticks of it that were played.
    clip: usize,
    at: u32,
}

#[derive(Debug)]
struct Looped {
    prompt: Arc<Prompt>,
    /// Ticks from the prompt's beginning; `None` until it (re)joins the others.
    at: Option<u64>,
}

/// The sine being played: it goes on from packet to packet.
#[derive(Debug)]
struct Tone {
    oscillator: Oscillator,
    encoder: Encoder,
}

/// What all players share at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shared<'a> {
    /// Where all loops are, in ticks since the shard began.
    pub(crate) position: u64,
    /// Comfort noise.
    pub(crate) noise: &'a Prompt,
}

impl Player {
    pub(crate) fn play(&mut self, id: PlayId, clips: Vec<Clip>) {
        self.play = Some(Play { id, clips, clip: 0, at: 0 });
        self.tone = None;
    }

    pub(crate) fn loop_over(&mut self, prompt: Arc<Prompt>) {
        self.looped = Some(Looped { prompt, at: None });
    }

    pub(crate) fn stop(&mut self) {
        *self = Self::default();
    }

    /// Whether anything is to be heard from it.
    pub(crate) fn sounds(&self) -> bool {
        self.play.is_some() || self.looped.is_some()
    }

    /// Whether that, or what follows it, has no end.
    pub(crate) fn loops(&self) -> bool {
        self.looped.is_some()
    }

    /// The play whose last clip is over; told once.
    pub(crate) fn finished(&mut self) -> Option<PlayId> {
        let over =
            self.play.as_ref().is_some_and(|play| play.clips[play.clip..].iter().all(|c| ticks(c) == 0));
        if over { self.play.take().map(|play| play.id) } else { None }
    }

    /// Fills the payload of one packet of `millis`, which are one frame for Opus; gives its length.
    pub(crate) fn fill(&mut self, codec: Codec, shared: Shared<'_>, millis: u32, out: &mut [u8]) -> usize {
        let out = match codec.bytes_per_ms() {
            Some(bytes) => &mut out[..bytes * millis as usize],
            None => out,
        };
        if self.play.is_some() {
            if let Some(looped) = &mut self.looped {
                looped.at = None;
            }
            self.fill_play(codec, shared, out)
        } else if let Some(looped) = &mut self.looped {
            let at = looped.at.get_or_insert(shared.position);
            let length = copy_round(looped.prompt.encoded(codec), *at, out);
            *at += u64::from(millis * TICKS_PER_MS);
            length
        } else {
            copy_round(shared.noise.encoded(codec), shared.position, out)
        }
    }

    /// Lets time pass unheard.
    pub(crate) fn skip(&mut self, mut passed: u32) {
        if let Some(looped) = &mut self.looped {
            looped.at = None;
        }
        let Some(play) = &mut self.play else { return };
        while let Some(clip) = play.clips.get(play.clip) {
            let left = ticks(clip).saturating_sub(play.at);
            if passed < left {
                play.at += passed;
                return;
            }
            passed -= left;
            play.next_clip();
        }
    }

    /// Clips follow each other within a packet; with Opus, each takes whole frames.
    fn fill_play(&mut self, codec: Codec, shared: Shared<'_>, out: &mut [u8]) -> usize {
        let Some(play) = &mut self.play else { return 0 };
        let mut done = 0;
        while done < out.len() {
            let Some(clip) = play.clips.get(play.clip) else {
                return done + copy_round(shared.noise.encoded(codec), shared.position, &mut out[done..]);
            };
            let left = ticks(clip).saturating_sub(play.at);
            let (now, part) = match codec.bytes_per_ms() {
                Some(bytes) => {
                    let per_tick = bytes / TICKS_PER_MS as usize;
                    let now = left.min(((out.len() - done) / per_tick) as u32);
                    (now, &mut out[done..done + now as usize * per_tick])
                }
                None => (left.min(FRAME_TICKS), &mut out[done..]),
            };
            let length = match clip {
                _ if now == 0 => 0,
                Clip::Prompt(prompt) => copy_round(prompt.encoded(codec), play.at.into(), part),
                Clip::Silence(_) => copy_round(shared.noise.encoded(codec), shared.position, part),
                Clip::Tone { hz, dbm0, .. } => {
                    let tone = self.tone.get_or_insert_with(|| Tone::new(codec));
                    tone.fill(codec, *hz, *dbm0, part)
                }
            };
            play.at += now;
            done += length;
            if now == left {
                play.next_clip();
                self.tone = None;
            }
            if codec.bytes_per_ms().is_none() && length > 0 {
                break;
            }
        }
        done
    }
}

impl Play {
    fn next_clip(&mut self) {
        self.clip += 1;
        self.at = 0;
    }
}

impl Tone {
    fn new(codec: Codec) -> Self {
        Self { oscillator: Oscillator::default(), encoder: Encoder::new(codec, &OpusParameters::default()) }
    }

    fn fill(&mut self, codec: Codec, hz: f32, dbm0: f32, out: &mut [u8]) -> usize {
        if self.encoder.codec() != codec {
            self.encoder = Encoder::new(codec, &OpusParameters::default());
        }
        let mut samples = [0; MAX_FRAME_SAMPLES];
        let samples = &mut samples[..codec.frame_samples()];
        let Some(bytes) = codec.bytes_per_ms() else {
            self.oscillator.fill(hz, dbm0, codec.sample_rate(), samples);
            return self.encoder.encode(samples, out);
        };
        let per_ms = (codec.sample_rate() / 1_000) as usize;
        for part in out.chunks_mut(samples.len() / per_ms * bytes) {
            let samples = &mut samples[..part.len() * per_ms / bytes];
            self.oscillator.fill(hz, dbm0, codec.sample_rate(), samples);
            self.encoder.encode(samples, part);
        }
        out.len()
    }
}

/// The length of a clip, in ticks. Longer than six days is endless, which no dialplan may ask for.
fn ticks(clip: &Clip) -> u32 {
    let of = |duration: Duration| {
        u32::try_from(duration.as_micros() * u128::from(TICKS_PER_MS) / 1_000).unwrap_or(u32::MAX)
    };
    match clip {
        Clip::Prompt(prompt) => prompt.ticks(),
        Clip::Silence(duration) | Clip::Tone { duration, .. } => of(*duration),
    }
}

/// Fills `out` from `audio`, beginning at `position` (ticks of the line) and again from its start; gives the bytes
/// written: all of `out`, or one frame where frames differ in length.
fn copy_round(audio: &Encoded, position: u64, out: &mut [u8]) -> usize {
    let (audio, per_tick) = match audio {
        Encoded::Even { bytes, per_tick } => (bytes, *per_tick),
        Encoded::Frames(frames) => {
            let frame = frames.round(position / u64::from(FRAME_TICKS));
            let length = frame.len().min(out.len());
            out[..length].copy_from_slice(&frame[..length]);
            return length;
        }
    };
    if audio.is_empty() {
        return 0;
    }
    let mut from = (position % (audio.len() / per_tick).max(1) as u64) as usize * per_tick;
    let mut done = 0;
    while done < out.len() {
        let part = (audio.len() - from).min(out.len() - done);
        out[done..done + part].copy_from_slice(&audio[from..from + part]);
        done += part;
        from = 0;
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn constant(sample: i16, ms: usize) -> Arc<Prompt> {
        Prompt::new(&vec![sample; ms * 16])
    }

    fn fill(player: &mut Player, position: u64) -> Vec<u8> {
        let noise = Prompt::new(&[0; 1_600]);
        let mut out = vec![0x55; 160];
        player.fill(Codec::Pcmu, Shared { position, noise: &noise }, 20, &mut out);
        out
    }

    #[test]
    fn clips_follow_each_other_within_a_packet() {
        let mut player = Player::default();
        player.play(
            PlayId(1),
            vec![Clip::Silence(millis(5)), Clip::Prompt(constant(8_031, 10)), Clip::Silence(Duration::ZERO)],
        );
        assert_eq!(player.finished(), None);
        let out = fill(&mut player, 0);
        assert_eq!(out[..40], [0xff; 40]);
        assert_ne!(out[60..110], [0xff; 50]);
        assert_eq!(out[120..], [0xff; 40], "filled up with silence");
        assert_eq!((player.finished(), player.finished(), player.sounds()), (Some(PlayId(1)), None, false));
    }

    #[test]
    fn a_play_with_nothing_in_it_is_over() {
        let mut player = Player::default();
        player.play(PlayId(3), Vec::new());
        assert_eq!(player.finished(), Some(PlayId(3)));
    }

    #[test]
    fn unheard_time_passes_all_the_same() {
        let mut player = Player::default();
        player.play(PlayId(2), vec![Clip::Silence(millis(50)), Clip::Prompt(constant(1, 30))]);
        (0..3).for_each(|_| player.skip(160));
        assert_eq!(player.finished(), None);
        player.skip(160);
        assert_eq!(player.finished(), Some(PlayId(2)));
    }

    #[test]
    fn all_listeners_of_a_loop_hear_the_same_place_also_after_an_interruption() {
        let samples: Vec<i16> = (0..16_000).map(|i| (i % 9_000) as i16).collect();
        let prompt = Prompt::new(&samples);
        let (mut one, mut other) = (Player::default(), Player::default());
        one.loop_over(prompt.clone());
        for tick in 0..10 {
            fill(&mut one, tick * 160);
        }
        one.play(PlayId(1), vec![Clip::Silence(millis(40))]);
        fill(&mut one, 1_600);
        fill(&mut one, 1_760);
        assert_eq!(one.finished(), Some(PlayId(1)));
        other.loop_over(prompt);
        for tick in 12..300 {
            assert_eq!(fill(&mut one, tick * 160), fill(&mut other, tick * 160));
        }
    }
}
