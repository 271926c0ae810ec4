//! Listens to a stream: jitter buffer, decoder, concealment and time-scaling, read out 20 ms at a time.
//!
//! Only streams that are transcoded, mixed or measured have an ear; relayed ones are not delayed. Everything is placed on
//! one [`timeline`] by its timestamp. How far behind the best arrival a sample is played is its lag, which time alone
//! tells; the [`delay`] says what the lag should be, and the ear gets there by [`stretch`]ing speech, or for nothing in a
//! pause. What is not there in its turn is made up ([`conceal`], [`background`], or the codec's own way).

mod background;
mod conceal;
mod delay;
mod packets;
mod stretch;
#[cfg(test)]
mod tests;
mod timeline;

use havre_model::Mono;

use crate::Codec;
use crate::codec::{Decoder, MAX_FRAME_SAMPLES, MAX_PACKET_SAMPLES};
use crate::rtp::Packet;
use background::Background;
use conceal::{Concealer, HISTORY_MS};
use delay::Delay;
use packets::Packets;
use stretch::Care;
use timeline::{LONGEST_PACKET, Timeline};

/// Time and positions: 1/48,000 s, of which every RTP clock of ours is a whole part.
type Grains = i64;
const SECOND: Grains = 48_000;
const MILLISECOND: Grains = SECOND / 1_000;

/// What is read at a time.
const FRAME_MS: usize = 20;
/// A packet that would be heard with more lag than the target and this is left out: after a stall of the network,
/// people want to hear what is said now.
const MAX_EXCESS: Grains = 500 * MILLISECOND;
/// Where the lag is off the target by more than this, speech is stretched; less in the background's hush, where nobody
/// hears it. Too short a lag loses packets, too long a one only takes time.
const SHORTEN_SPEECH: Grains = 20 * MILLISECOND;
const SHORTEN_HUSH: Grains = 5 * MILLISECOND;
const LENGTHEN_SPEECH: Grains = 10 * MILLISECOND;
const LENGTHEN_HUSH: Grains = 4 * MILLISECOND;
/// Where it is off by more than this, less likeness will do.
const STRETCH_SOON: Grains = 100 * MILLISECOND;
/// Audio that is decoded ahead to be shortened; and frames from one stretch to the next.
const STRETCH_MS: usize = 30;
const REST: u8 = 3;
/// A packet's timestamp may be this far from the end of its predecessor: it follows all the same.
const SLOPPY: Grains = 10 * MILLISECOND;
/// A shorter loss is none. It is also the unit in which Opus makes up.
const SHORTEST_LOSS: Grains = SECOND / 400;
/// After so much that was made up, the stream is taken up with the delay that is right, and not where it was left.
const LOST_TRACK: Grains = 100 * MILLISECOND;
/// For how long something is made up where nothing comes; and where the far side has said that it is silent, so that
/// whoever reads this can do better than play noise.
const NOTHING_LASTS: Grains = 2 * SECOND;
const FADE: Grains = 60 * MILLISECOND;
/// Before every position.
const BEFORE_ALL: Grains = Grains::MIN / 2;

/// What a packet holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sound {
    Audio(Codec),
    /// Comfort noise (RFC 3389): the far side is silent.
    Noise,
    /// A key (RFC 4733): there is no audio meanwhile.
    Key,
}

/// One stream's ear.
#[derive(Debug)]
pub(crate) struct Ear {
    packets: Packets,
    timeline: Option<Timeline>,
    delay: Delay,
    decoder: Decoder,
    /// What was heard, for concealment and stretching, and from `head` on what is to be heard next.
    samples: Vec<i16>,
    head: usize,
    playing: Option<Playing>,
    /// Frames until speech may be stretched again.
    rest: u8,
    concealer: Concealer,
    background: Background,
}

/// Where a stream is being played.
#[derive(Clone, Copy, Debug)]
struct Playing {
    /// The end of what was decoded, or known to be lost.
    at: Grains,
    /// The packet before it.
    sequence: u16,
    /// Made up since, without knowing for what.
    made_up: Grains,
    /// Made up since the last packet.
    lost: Grains,
    /// The far side is silent on purpose, or there is another one.
    pause: bool,
    /// It said so.
    told: bool,
}

impl Ear {
    pub(crate) fn new(codec: Codec) -> Self {
        Self {
            packets: Packets::default(),
            timeline: None,
            delay: Delay::default(),
            decoder: Decoder::new(codec),
            samples: Vec::new(),
            head: 0,
            playing: None,
            rest: 0,
            concealer: Concealer::default(),
            background: Background::default(),
        }
    }

    /// Takes a packet of the stream, which has not come before.
    pub(crate) fn push(&mut self, packet: &Packet<'_>, sound: Sound, now: Mono) {
        let now = grains(now);
        let (sequence, timestamp) = (packet.sequence, packet.timestamp);
        let clock = match (sound, &self.timeline) {
            (Sound::Audio(codec), _) => codec.clock_rate(),
            (Sound::Noise | Sound::Key, Some(timeline)) => timeline.clock(),
            (Sound::Noise | Sound::Key, None) => return,
        };
        let timeline = self.timeline.get_or_insert_with(|| Timeline::new(sequence, timestamp, clock, now));
        let place = match sound {
            // All packets of a key have the timestamp of its beginning: that is no place on the timeline.
            Sound::Key => timeline.follow(sequence),
            Sound::Audio(_) | Sound::Noise => timeline.place(sequence, timestamp, clock, now),
        };
        if place.leap {
            self.delay.rebase();
        }
        if matches!(sound, Sound::Audio(_)) {
            self.delay.on_packet(place.position, now);
        }
        let too_late = self.playing.is_some_and(|playing| place.position + SLOPPY < playing.at);
        if !too_late {
            self.packets.insert(place.position, sequence, sound, packet.payload);
        }
    }

    /// Another stream begins in place of this one. What waits of the old one is heard, and fades.
    pub(crate) fn restart(&mut self) {
        self.packets.clear();
        self.timeline = None;
        self.delay.rebase();
        self.decoder = Decoder::new(self.decoder.codec());
        if let Some(playing) = &mut self.playing {
            *playing = Playing { at: BEFORE_ALL, sequence: 0, made_up: 0, lost: 0, pause: true, told: false };
        }
    }

    /// The stream came with so much jitter, in milliseconds, before it was listened to.
    pub(crate) fn expect(&mut self, jitter_ms: f32) {
        self.delay.expect((jitter_ms * MILLISECOND as f32) as Grains);
    }

    /// Whether something waits that was said: a frame, or packets.
    pub(crate) fn holds_unheard(&self) -> bool {
        self.packets.first().is_some() || self.waiting() >= self.span(FRAME_MS)
    }

    /// What waits is read faster than time passes, and is to be heard as it is.
    pub(crate) fn play_out(&mut self) {
        self.rest = u8::MAX;
    }

    /// The next 20 ms: the sampling rate and the number of samples, or `None` while there is nothing to hear.
    pub(crate) fn pull(&mut self, now: Mono, out: &mut [i16; MAX_FRAME_SAMPLES]) -> Option<(u32, usize)> {
        let now = grains(now);
        self.gather(FRAME_MS, now, false);
        self.playing?;
        if self.waiting() < self.span(FRAME_MS) {
            self.make_up(self.span(FRAME_MS) - self.waiting());
        } else {
            self.adjust(now);
        }
        let (rate, frame) = (self.rate(), self.span(FRAME_MS));
        out[..frame].copy_from_slice(&self.samples[self.head..self.head + frame]);
        self.head += frame;
        let surplus = self.head.saturating_sub(self.span(HISTORY_MS));
        self.samples.drain(..surplus);
        self.head -= surplus;
        let limit = |playing: &Playing| if playing.told { FADE } else { NOTHING_LASTS };
        self.playing = self.playing.filter(|playing| playing.made_up < limit(playing));
        Some((rate, frame))
    }

    /// Decodes what is due until `ms` of audio wait, and makes up what is known to be lost. `ahead`: more than is due
    /// yet, so that nothing is known to be lost.
    fn gather(&mut self, ms: usize, now: Grains, ahead: bool) {
        while self.waiting() < self.span(ms) {
            let Some(next) = self.packets.first() else { break };
            let (position, sequence) = (next.position, next.sequence);
            // When it would be heard, against when it could have come at best.
            let lag = self.lag(position, now);
            if lag > self.delay.target() + MAX_EXCESS && !ahead {
                self.skip(now);
                continue;
            }
            let ripe = lag >= self.delay.target();
            let Some(playing) = &mut self.playing else {
                if !ripe {
                    break;
                }
                self.take();
                continue;
            };
            let follows = sequence == playing.sequence.wrapping_add(1);
            if ahead && !(follows && position - playing.at <= SLOPPY) {
                break;
            }
            let missing = position - playing.at;
            let gap = missing - playing.made_up;
            // The sender has said nothing, rather than the network lost it.
            playing.pause |= follows && gap > SLOPPY;
            if playing.pause || playing.lost >= LOST_TRACK {
                if !ripe {
                    break;
                }
                self.take();
            } else if self.decoder.conceals() && missing >= SHORTEST_LOSS && !follows {
                self.recover(missing);
            } else if gap < SHORTEST_LOSS || follows {
                self.take();
            } else {
                self.lose(gap, ms);
            }
        }
    }

    /// How much later than at best a packet would be heard, after what waits already.
    fn lag(&self, position: Grains, now: Grains) -> Grains {
        now + self.grains(self.waiting()) - position - self.delay.base().unwrap_or(0)
    }

    /// The first packet comes after what waits to be heard.
    fn take(&mut self) {
        let Some(next) = self.packets.first() else { return };
        let (position, sequence, sound) = (next.position, next.sequence, next.sound);
        let mut playing = Playing { at: position, sequence, made_up: 0, lost: 0, pause: false, told: false };
        match sound {
            Sound::Audio(codec) => {
                if self.decoder.codec() != codec {
                    self.change(codec);
                }
                let length = self.decode();
                // What is no packet of its codec is as good as lost.
                if length > 0 {
                    playing.at += self.grains(length);
                    self.playing = Some(playing);
                }
            }
            Sound::Noise => {
                (playing.pause, playing.told) = (true, true);
                self.playing = Some(playing);
            }
            Sound::Key => {
                self.concealer.end();
                self.playing = None;
            }
        }
        self.packets.drop_first();
    }

    /// Decodes the first packet, without a seam to what was made up before it; gives the number of samples.
    fn decode(&mut self) -> usize {
        let Some(next) = self.packets.first() else { return 0 };
        let (rate, before) = (self.decoder.codec().sample_rate(), self.samples.len());
        self.samples.resize(before + MAX_PACKET_SAMPLES, 0);
        let length = self.decoder.decode(&next.payload, &mut self.samples[before..]);
        self.samples.truncate(before + length);
        let samples = &mut self.samples[before..];
        self.background.heard(samples);
        if length > 0 {
            self.concealer.merge(samples, rate, &mut self.background);
        }
        length
    }

    /// `gap` is known to be lost: some of it is made up, so that at least `ms` of audio wait or none of it is left.
    fn lose(&mut self, gap: Grains, ms: usize) {
        let Some(playing) = &mut self.playing else { return };
        let rate = self.decoder.codec().sample_rate();
        let wanted = (rate as usize * ms / 1_000).saturating_sub(self.samples.len() - self.head);
        let count = wanted.min((gap * Grains::from(rate) / SECOND) as usize);
        self.concealer.begin(&self.samples, rate, false, &mut self.background);
        self.concealer.fill(&mut self.samples, count, rate, &mut self.background);
        let piece = (count as Grains * SECOND / Grains::from(rate)).max(1);
        playing.at += playing.made_up + piece;
        playing.lost += piece;
        playing.made_up = 0;
    }

    /// `gap` is known to be lost, all that was made up since [`Playing::at`] included, of which the decoder knows nothing:
    /// it makes up one packet of it, or recovers it, and what of that has not been made up already is heard.
    fn recover(&mut self, gap: Grains) {
        let (Some(next), Some(playing)) = (self.packets.first(), &mut self.playing) else { return };
        let (rate, before) = (self.decoder.codec().sample_rate(), self.samples.len());
        // An incomplete one first, so that the last may be recovered.
        let step = self.timeline.as_ref().map_or(LONGEST_PACKET, Timeline::step);
        let step = step.clamp(SHORTEST_LOSS, LONGEST_PACKET);
        let piece = if gap % step == 0 { step } else { gap % step };
        let unit = (SHORTEST_LOSS * Grains::from(rate) / SECOND) as usize;
        let length = (piece / SHORTEST_LOSS) as usize * unit;
        self.samples.resize(before + length, 0);
        let made = &mut self.samples[before..];
        if gap <= step && self.decoder.recover(&next.payload, made) {
            self.delay.wait_for_successors(step);
        } else {
            self.decoder.conceal(made);
        }
        let known = piece.min(playing.made_up);
        let too_late = (known * Grains::from(rate) / SECOND) as usize;
        self.samples.drain(before..before + too_late.min(length));
        if self.samples.len() > before {
            self.concealer.merge(&mut self.samples[before..], rate, &mut self.background);
        }
        playing.at += piece;
        playing.made_up -= known;
        playing.lost += piece - known;
    }

    /// Nothing is there in its turn, and may be late or lost: `count` samples are made up. The decoder is not told, for
    /// what is only late is decoded best where it left off.
    fn make_up(&mut self, count: usize) {
        let Some(playing) = &mut self.playing else { return };
        let rate = self.decoder.codec().sample_rate();
        // After a while nobody is there.
        let pause = playing.pause || playing.lost >= LOST_TRACK;
        self.concealer.begin(&self.samples, rate, pause, &mut self.background);
        self.concealer.fill(&mut self.samples, count, rate, &mut self.background);
        let made = count as Grains * SECOND / Grains::from(rate);
        playing.made_up += made;
        playing.lost += made;
    }

    /// What is far too late is left out.
    fn skip(&mut self, now: Grains) {
        while let Some(next) = self.packets.first()
            && self.lag(next.position, now) > self.delay.target()
        {
            self.packets.drop_first();
        }
        if let Some(playing) = &mut self.playing {
            playing.lost = playing.lost.max(LOST_TRACK);
            let rate = self.decoder.codec().sample_rate();
            self.concealer.begin(&self.samples, rate, false, &mut self.background);
        }
    }

    /// Stretches what waits if the lag is not what it should be.
    fn adjust(&mut self, now: Grains) {
        self.rest = self.rest.saturating_sub(1);
        let Some(playing) = self.playing.filter(|playing| playing.lost == 0 && !playing.pause) else {
            return;
        };
        if self.rest > 0 || self.concealer.runs() {
            return;
        }
        let (rate, frame, needed) = (self.rate(), self.span(FRAME_MS), stretch::needed(self.rate()));
        let excess = self.lag(playing.at, now) - self.delay.target();
        let hush = |ear: &Self, length: usize| {
            let end = (ear.head + length).min(ear.samples.len());
            ear.background.holds(&ear.samples[ear.head..end])
        };
        let care = |hush: bool, off: Grains| {
            if hush {
                Care::Hush { most: (off * Grains::from(rate) / SECOND) as usize }
            } else if off > STRETCH_SOON {
                Care::Some
            } else {
                Care::Full
            }
        };
        let changed = if excess > SHORTEN_SPEECH || (excess > SHORTEN_HUSH && hush(self, frame)) {
            self.gather(FRAME_MS + STRETCH_MS, now, true);
            let hush = hush(self, needed);
            let may = (hush || excess > SHORTEN_SPEECH) && self.waiting() >= frame + needed / 2;
            may && stretch::shorten(&mut self.samples, self.head, rate, care(hush, excess))
        } else if excess < -LENGTHEN_SPEECH || (excess < -LENGTHEN_HUSH && hush(self, frame)) {
            let hush = hush(self, frame);
            stretch::lengthen(&mut self.samples, self.head, rate, care(hush, -excess))
        } else {
            false
        };
        if changed {
            self.rest = REST;
        }
    }

    /// What follows is of another codec.
    fn change(&mut self, codec: Codec) {
        if self.rate() != codec.sample_rate() {
            self.samples.clear();
            self.head = 0;
            self.concealer = Concealer::default();
            self.background = Background::default();
        }
        self.decoder = Decoder::new(codec);
    }

    fn rate(&self) -> u32 {
        self.decoder.codec().sample_rate()
    }

    /// Samples that wait to be heard.
    fn waiting(&self) -> usize {
        self.samples.len() - self.head
    }

    /// Samples in so many milliseconds.
    fn span(&self, ms: usize) -> usize {
        self.rate() as usize * ms / 1_000
    }

    fn grains(&self, samples: usize) -> Grains {
        samples as Grains * SECOND / Grains::from(self.rate())
    }
}

/// A moment, on the scale of positions.
fn grains(now: Mono) -> Grains {
    (now.since_start().as_micros() * SECOND as u128 / 1_000_000) as Grains
}
