//! Listens to a stream: jitter buffer, decoder and concealment, read out 20 ms at a time.
//!
//! Only streams that are transcoded or measured have an ear; relayed ones are not delayed. The buffer adapts by what
//! happens: an underrun is filled and thereby delays what follows, a packet that came too late asks for one frame
//! more of delay, and a depth that was never needed for two seconds is played out of the way.

use std::collections::VecDeque;
use std::time::Duration;

use havre_model::Mono;

use super::conceal::Concealer;
use crate::Codec;
use crate::codec::{Decoder, MAX_FRAME_SAMPLES, MAX_PACKET_SAMPLES};
use crate::limits::MAX_PACKET;

/// Packets held: 0.6 s of 20 ms ones. A burst beyond it begins anew.
const SLOTS: u16 = 32;
/// Delay at the beginning of a talk-spurt.
const DELAY: Duration = Duration::from_millis(40);
/// The delay grows up to this, in frames.
const DEEPEST: usize = 10;
/// Frames over which the least depth is watched, and the depth that may stay.
const WATCH: u32 = 100;
const SHALLOW: usize = 3;
/// Frames made up in a row before the stream counts as silent.
const MAX_MADE_UP: u8 = 3;

/// One stream's ear.
#[derive(Debug)]
pub(crate) struct Ear {
    slots: [Slot; SLOTS as usize],
    state: State,
    decoder: Decoder,
    /// Decoded, not yet read.
    samples: VecDeque<i16>,
    concealer: Concealer,
    made_up: u8,
    /// Samples of the last packet: what a lost one is taken to have held.
    packet_samples: usize,
    /// The next frame is made up, so that what follows comes later; or two are made one, so that it comes sooner.
    grow: bool,
    shrink: bool,
    least: usize,
    watched: u32,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    sequence: u16,
    content: Content,
    payload: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Content {
    #[default]
    Empty,
    Audio(Codec),
    /// Comfort noise: the far side says that it is silent.
    Pause,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing to play.
    Silent,
    /// Waiting for the delay to build up; `next` and `newest` are the ends of what is there.
    Filling { next: u16, newest: u16, since: Mono },
    /// Playing from `next` on.
    Playing { next: u16, newest: u16, paused: bool },
}

impl Ear {
    pub(crate) fn new(codec: Codec) -> Self {
        Self {
            slots: Default::default(),
            state: State::Silent,
            decoder: Decoder::new(codec),
            samples: VecDeque::with_capacity(4 * MAX_FRAME_SAMPLES),
            concealer: Concealer::default(),
            made_up: 0,
            packet_samples: codec.frame_samples(),
            grow: false,
            shrink: false,
            least: usize::MAX,
            watched: 0,
        }
    }

    /// Takes an audio packet.
    pub(crate) fn push(&mut self, sequence: u16, codec: Codec, payload: &[u8], now: Mono) {
        self.put(sequence, Content::Audio(codec), payload, now);
    }

    /// Takes a comfort noise packet.
    pub(crate) fn push_pause(&mut self, sequence: u16, now: Mono) {
        self.put(sequence, Content::Pause, &[], now);
    }

    fn put(&mut self, sequence: u16, content: Content, payload: &[u8], now: Mono) {
        self.state = match self.state {
            State::Silent => State::Filling { next: sequence, newest: sequence, since: now },
            State::Filling { next, newest, since } => {
                let (next, newest) = (earlier(next, sequence), later(newest, sequence));
                State::Filling { next, newest, since }
            }
            State::Playing { next, newest, paused } => {
                let ahead = sequence.wrapping_sub(next) as i16;
                if (-(SLOTS as i16)..0).contains(&ahead) {
                    self.grow = true;
                    return;
                }
                State::Playing { next, newest: later(newest, sequence), paused }
            }
        };
        if let State::Filling { next, newest, .. } | State::Playing { next, newest, .. } = self.state
            && newest.wrapping_sub(next) >= SLOTS
        {
            // A burst, or a leap: what is older is too late to be worth hearing.
            self.clear();
            self.state = State::Filling { next: sequence, newest: sequence, since: now };
        }
        let slot = &mut self.slots[usize::from(sequence % SLOTS)];
        slot.sequence = sequence;
        slot.content = content;
        slot.payload.clear();
        slot.payload.extend_from_slice(&payload[..payload.len().min(MAX_PACKET)]);
    }

    /// The next 20 ms: the sampling rate and the number of samples, or `None` while there is nothing to hear.
    pub(crate) fn pull(&mut self, now: Mono, out: &mut [i16; MAX_FRAME_SAMPLES]) -> Option<(u32, usize)> {
        if let State::Filling { next, newest, since } = self.state
            && now.since(since) >= DELAY
        {
            self.state = State::Playing { next, newest, paused: false };
        }
        let State::Playing { mut next, newest, mut paused } = self.state else { return None };
        let grow = std::mem::take(&mut self.grow) && self.depth(next, newest) < DEEPEST;
        let shrink = std::mem::take(&mut self.shrink) && !grow;
        let wanted = if shrink { 2 * self.frame() } else { self.frame() };
        while !grow && self.samples.len() < wanted {
            if !self.take(next, newest, &mut paused) {
                break;
            }
            next = next.wrapping_add(1);
        }
        self.state = State::Playing { next, newest, paused };
        self.watch(next, newest);

        let (rate, frame) = (self.decoder.codec().sample_rate(), self.frame());
        let out = &mut out[..frame];
        if self.samples.len() >= frame {
            if shrink {
                self.fold(frame);
            }
            out.iter_mut().zip(self.samples.drain(..frame)).for_each(|(o, s)| *o = s);
            self.concealer.heard(out);
            self.made_up = 0;
        } else if paused || self.made_up >= MAX_MADE_UP {
            self.clear();
            return None;
        } else {
            self.concealer.conceal(rate, out);
            self.made_up += 1;
        }
        Some((rate, frame))
    }

    fn frame(&self) -> usize {
        self.decoder.codec().frame_samples()
    }

    /// Frames between reading and the newest packet.
    fn depth(&self, next: u16, newest: u16) -> usize {
        let waiting = (newest.wrapping_sub(next) as i16 + 1).max(0) as usize;
        (waiting * self.packet_samples + self.samples.len()) / self.frame()
    }

    /// Decodes the packet in its turn, or makes it up if a later one is there; false if neither can be.
    fn take(&mut self, next: u16, newest: u16, paused: &mut bool) -> bool {
        let slot = &mut self.slots[usize::from(next % SLOTS)];
        let content = if slot.sequence == next { std::mem::take(&mut slot.content) } else { Content::Empty };
        match content {
            Content::Audio(codec) => {
                if self.decoder.codec() != codec {
                    self.decoder = Decoder::new(codec);
                    self.samples.clear();
                    self.concealer = Concealer::default();
                }
                let mut decoded = [0; MAX_PACKET_SAMPLES];
                let count = self.decoder.decode(&slot.payload, &mut decoded);
                self.samples.extend(&decoded[..count]);
                self.packet_samples = count;
                *paused = false;
            }
            Content::Pause => *paused = true,
            Content::Empty if (newest.wrapping_sub(next) as i16) <= 0 => return false,
            Content::Empty => {
                let mut made = [0; MAX_PACKET_SAMPLES];
                let made = &mut made[..self.packet_samples];
                // The packet after it may tell what was in it; or the codec makes it up, or else we do.
                let after = next.wrapping_add(1);
                let following = &self.slots[usize::from(after % SLOTS)];
                let told = following.sequence == after
                    && following.content == Content::Audio(self.decoder.codec())
                    && self.decoder.recover(&following.payload, made);
                if !told && !self.decoder.conceal(made) {
                    self.concealer.conceal(self.decoder.codec().sample_rate(), made);
                }
                self.samples.extend(made.iter());
            }
        }
        true
    }

    /// Plays less late if the delay was more than was needed for a while.
    fn watch(&mut self, next: u16, newest: u16) {
        self.least = self.least.min(self.depth(next, newest));
        self.watched += 1;
        if self.watched >= WATCH {
            self.shrink = self.least > SHALLOW;
            (self.watched, self.least) = (0, usize::MAX);
        }
    }

    /// Makes one frame of the next two: the first fades into the second.
    fn fold(&mut self, frame: usize) {
        if self.samples.len() < 2 * frame {
            return;
        }
        for i in 0..frame {
            let (first, second) = (i32::from(self.samples[i]), i32::from(self.samples[frame + i]));
            let mixed = first + (second - first) * i as i32 / frame as i32;
            self.samples[frame + i] = mixed as i16;
        }
        self.samples.drain(..frame);
    }

    fn clear(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.content = Content::Empty);
        self.samples.clear();
        self.made_up = 0;
        self.state = State::Silent;
    }
}

fn later(a: u16, b: u16) -> u16 {
    if (b.wrapping_sub(a) as i16) > 0 { b } else { a }
}

fn earlier(a: u16, b: u16) -> u16 {
    if (b.wrapping_sub(a) as i16) < 0 { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::g711::mulaw_encode;

    fn at(millis: u64) -> Mono {
        Mono::from_start(Duration::from_millis(millis))
    }

    /// Packet n holds the constant 100 (n + 1): what is heard tells which packet it was.
    fn packet(n: u16) -> [u8; 160] {
        [mulaw_encode(100 * (n as i16 % 50 + 1)); 160]
    }

    /// Packets (number, arrival in ms) against 40 reads, 20 ms apart; gives the packet heard at each, or -1.
    fn heard(arrivals: &[(u16, u64)], reads: u64) -> Vec<i32> {
        let mut ear = Ear::new(Codec::Pcmu);
        let (mut out, mut frames, mut left) =
            ([0; MAX_FRAME_SAMPLES], Vec::new(), arrivals.iter().peekable());
        for tick in 0..reads {
            while let Some((n, _)) = left.next_if(|(_, arrival)| *arrival <= tick * 20) {
                ear.push(n.wrapping_add(65_530), Codec::Pcmu, &packet(*n), at(tick * 20));
            }
            frames.push(match ear.pull(at(tick * 20), &mut out) {
                Some((8_000, 160)) => (f32::from(out[0]) / 100.0).round() as i32 - 1,
                Some(other) => panic!("{other:?}"),
                None => -1,
            });
        }
        frames
    }

    #[test]
    fn packets_come_out_in_order_after_the_delay() {
        let frames = heard(&[(0, 0), (2, 20), (1, 30), (3, 60), (5, 90), (4, 95), (6, 120)], 9);
        assert_eq!(frames, [-1, -1, 0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_lost_packet_is_made_up_and_the_end_is_silence() {
        let frames = heard(&[(0, 0), (1, 20), (3, 60), (4, 80)], 12);
        assert_eq!(frames[..7], [-1, -1, 0, 1, 1, 3, 4], "the lost one sounds like the one before");
        assert_eq!(frames[10..], [-1, -1]);
    }

    #[test]
    fn lateness_delays_the_stream_and_loses_nothing() {
        let arrivals: Vec<_> =
            (0..20).map(|n| (n, u64::from(n) * 20 + if n >= 5 { 70 } else { 0 })).collect();
        let frames = heard(&arrivals, 30);
        for n in 0..20 {
            assert!(frames.contains(&n), "packet {n} was not heard: {frames:?}");
        }
    }

    #[test]
    fn packets_that_come_too_late_for_the_delay_make_it_grow() {
        let late = |n: u16| if n % 2 == 1 { 70 } else { 0 };
        let mut arrivals: Vec<_> = (0..20_u16).map(|n| (n, u64::from(n) * 20 + late(n))).collect();
        arrivals.sort_by_key(|(_, arrival)| *arrival);
        let frames = heard(&arrivals, 40);
        for n in 10..20 {
            assert!(frames.contains(&n), "packet {n} was not heard: {frames:?}");
        }
    }

    #[test]
    fn a_needless_delay_is_played_out_of_the_way() {
        // 120 ms late for a while, then on time again: the depth that this made goes away.
        let late = |n: u16| if (5..60).contains(&n) { 120 } else { 0 };
        let mut arrivals: Vec<_> = (0..1_000_u16).map(|n| (n, u64::from(n) * 20 + late(n))).collect();
        arrivals.sort_by_key(|(_, arrival)| *arrival);
        let mut ear = Ear::new(Codec::Pcmu);
        let (mut out, mut left) = ([0; MAX_FRAME_SAMPLES], arrivals.iter().peekable());
        for tick in 0..1_000 {
            while let Some((n, _)) = left.next_if(|(_, arrival)| *arrival <= tick * 20) {
                ear.push(*n, Codec::Pcmu, &packet(*n), at(tick * 20));
            }
            ear.pull(at(tick * 20), &mut out);
        }
        let State::Playing { next, newest, .. } = ear.state else { panic!("silent") };
        assert!(ear.depth(next, newest) <= SHALLOW + 1, "{}", ear.depth(next, newest));
    }

    #[test]
    fn a_pause_is_not_made_up() {
        let mut ear = Ear::new(Codec::Pcmu);
        let mut out = [0; MAX_FRAME_SAMPLES];
        ear.push(1, Codec::Pcmu, &packet(1), at(0));
        ear.push_pause(2, at(20));
        assert!(ear.pull(at(40), &mut out).is_some());
        assert_eq!(ear.pull(at(60), &mut out), None);
        ear.push(3, Codec::G722, &[0; 160], at(5_000));
        assert_eq!(ear.pull(at(5_040), &mut out), Some((16_000, 320)));
    }

    #[test]
    fn a_burst_or_a_leap_begins_anew() {
        let mut ear = Ear::new(Codec::Pcmu);
        for n in 0..200 {
            ear.push(n * 3, Codec::Pcmu, &packet(n), at(0));
        }
        let mut out = [0; MAX_FRAME_SAMPLES];
        assert!(ear.pull(at(40), &mut out).is_some());
    }
}
