//! One conference: who is in it, who hears whom, and a mix every 20 ms.

use std::sync::LazyLock;

use havre_model::{ConferenceId, LegId, Mono};

use super::limiter::Limiter;
use super::signal::Signal;
use super::{FRAME, RATE};
use crate::codec::{MAX_FRAME_SAMPLES, MAX_PAYLOAD};
use crate::leg::transcoder::{Made, Transcoder};
use crate::leg::{Leg, Seat, Wants};
use crate::limits::MAX_CONFERENCE;
use crate::outbox::Outbox;
use crate::resample::Resampler;
use crate::{Counters, Event, Voice, tone};

/// What a listener hears while nobody says anything: an open line.
static HUSH: LazyLock<Vec<i16>> = LazyLock::new(|| tone::noise(tone::COMFORT_DBM0, 100 * FRAME));
/// Turns of different members are at least 5 ms apart: a mix that comes sooner than this after the last (on the line's own
/// time) is another member's turn, who has just become the first.
const TOO_SOON: u64 = 15 * crate::codec::TICKS_PER_MS as u64;

/// Frames at most that go out at once where a mix ends: no ear holds more for a healthy stream.
const MAX_UNHEARD: usize = 10;

/// Members by their numbers, one bit each.
type Set = u8;
const _: () = assert!(MAX_CONFERENCE <= Set::BITS as usize);

/// One conference.
#[derive(Debug)]
pub(super) struct Conference {
    id: ConferenceId,
    /// In the order in which they came.
    members: Vec<Member>,
    lines: Vec<Line>,
    signal: Option<Signal>,
    /// Its two members are relayed.
    relays: bool,
    /// When it was mixed last, on the line's own time.
    mixed_at: Option<u64>,
}

#[derive(Debug)]
struct Member {
    leg: LegId,
    place: usize,
    voice: Voice,
    tones: bool,
    /// What it says in this turn, if anything.
    speaks: bool,
    samples: [i16; FRAME],
    resampler: Resampler,
    /// How it wants to hear the others, and the line that does it.
    wants: Option<Wants>,
    line: Option<usize>,
}

/// One mix in one codec, for one listener or for several who hear the same.
#[derive(Debug)]
struct Line {
    wants: Wants,
    /// Who is heard on it.
    hears: Set,
    limiter: Limiter,
    transcoder: Transcoder,
}

impl Conference {
    /// `relays`: its first two members are bridged already.
    pub(super) fn new(id: ConferenceId, relays: bool) -> Self {
        Self { id, members: Vec::new(), lines: Vec::new(), signal: None, relays, mixed_at: None }
    }

    pub(super) fn count(&self) -> usize {
        self.members.len()
    }

    /// Whether a mix is due in the turn of this place: the first member's whose SDP is agreed.
    pub(super) fn is_mixed_by(&self, place: usize, legs: &[Option<Box<Leg>>]) -> bool {
        let agreed = |member: &&Member| legs[member.place].as_ref().is_some_and(|leg| leg.wire.is_some());
        !self.relays && self.members.iter().find(agreed).is_some_and(|member| member.place == place)
    }

    /// A leg comes, or one that is there changes its voice.
    pub(super) fn admit(&mut self, leg: LegId, place: usize, voice: Voice, tones: bool) {
        if let Some(member) = self.members.iter_mut().find(|member| member.leg == leg) {
            (member.voice, member.tones) = (voice, tones);
            return;
        }
        if tones {
            self.signal = Some(Signal::came());
        }
        self.members.push(Member {
            leg,
            place,
            voice,
            tones,
            speaks: false,
            samples: [0; FRAME],
            resampler: Resampler::default(),
            wants: None,
            line: None,
        });
    }

    pub(super) fn dismiss(&mut self, place: usize) {
        let Some(number) = self.members.iter().position(|member| member.place == place) else { return };
        if self.members.remove(number).tones {
            self.signal = Some(Signal::went());
        }
    }

    /// Somebody came, went or changed: who is relayed, who is mixed, and whose keys go where.
    pub(super) fn settle(
        &mut self,
        legs: &mut [Option<Box<Leg>>],
        now: Mono,
        counters: &mut Counters,
        outbox: &mut Outbox,
    ) {
        let mut talkers = self.members.iter().filter(|member| member.voice == Voice::ToAll);
        let partners = talkers.next().zip(talkers.next()).map(|(a, b)| (a.place, b.place));
        let relays = self.signal.is_none() && self.members.len() == 2 && partners.is_some();
        if relays && !self.relays {
            self.finish(legs, now, counters, outbox);
        }
        for member in &self.members {
            let Some(leg) = &mut legs[member.place] else { continue };
            let partner = match partners {
                Some((a, b)) if a == member.place => Some(b),
                Some((a, b)) if b == member.place => Some(a),
                _ => None,
            };
            let speaks = member.voice != Voice::ToNone;
            leg.sit(Seat { conference: self.id, mixed: !relays, speaks }, partner, now);
        }
        if relays && !self.relays {
            // A relay may last for an hour: what mixing needs is made again where it is.
            self.lines = Vec::new();
            self.members.iter_mut().for_each(|member| member.wants = None);
            self.members.shrink_to_fit();
            self.mixed_at = None;
            if let [a, b] = &self.members[..] {
                outbox.event(Event::Bridged { a: a.leg, b: b.leg });
            }
        }
        self.relays = relays;
        self.regroup();
    }

    /// Listens to everybody and mixes for everybody. Called once in 20 ms, at `position` on the line's own time.
    pub(super) fn mix(
        &mut self,
        legs: &mut [Option<Box<Leg>>],
        position: u64,
        suppress_silence: bool,
        now: Mono,
        counters: &mut Counters,
        outbox: &mut Outbox,
    ) {
        if self.mixed_at.is_some_and(|at| position.saturating_sub(at) < TOO_SOON) {
            return;
        }
        self.mixed_at = Some(position);
        let all = self.listen(legs, now, counters, outbox);
        let speaking = self.members.iter().zip(0..).map(|(m, n)| Set::from(m.speaks) << n).sum::<Set>();
        let mut signal = [0; FRAME];
        let signalled = self.signal.is_some();
        if let Some(going) = self.signal.take() {
            self.signal = going.next(&mut signal);
        }
        let hush = &HUSH[(position / u64::from(crate::codec::FRAME_TICKS) % 100) as usize * FRAME..][..FRAME];
        for (number, line) in self.lines.iter_mut().enumerate() {
            let mut mix = [0; FRAME];
            if line.hears & speaking != 0 {
                mix = all;
                for (member, n) in self.members.iter().zip(0..).filter(|(member, _)| member.speaks) {
                    match (member.voice == Voice::ToAll, line.hears >> n & 1 == 1) {
                        (true, false) => subtract(&mut mix, &member.samples),
                        (false, true) => add(&mut mix, &member.samples),
                        _ => {}
                    }
                }
            } else if !signalled {
                add(&mut mix, hush);
            }
            add(&mut mix, &signal);
            let listeners = || self.members.iter().filter(move |member| member.line == Some(number));
            let loses = listeners().filter_map(|member| legs[member.place].as_ref()).map(|leg| leg.loses());
            line.transcoder.expect_loss(loses.max().unwrap_or(0));
            line.encode(&mix, suppress_silence, |made, payload| {
                for member in listeners() {
                    if let Some(leg) = &mut legs[member.place] {
                        leg.say(made, payload, now, outbox);
                    }
                }
            });
            counters.mixed += 1;
        }
        if signalled && self.signal.is_none() {
            self.settle(legs, now, counters, outbox);
        }
    }

    /// What the two who stay have said and not heard of each other yet goes out at once, before their packets are
    /// relayed again: nobody loses a word because a third one left.
    fn finish(
        &mut self,
        legs: &mut [Option<Box<Leg>>],
        now: Mono,
        counters: &mut Counters,
        outbox: &mut Outbox,
    ) {
        let [one, other] = &self.members[..] else { return };
        for (speaker, place, line) in [(0, other.place, other.line), (1, one.place, one.line)] {
            let speaker = &mut self.members[speaker];
            let Some(line) = line.and_then(|line| self.lines.get_mut(line)) else { continue };
            if let Some(leg) = &mut legs[speaker.place] {
                leg.play_out();
            }
            for _ in 0..MAX_UNHEARD {
                let Some(leg) = legs[speaker.place].as_mut().filter(|leg| leg.holds_unheard()) else { break };
                if !speaker.hear(leg, now, counters, outbox) {
                    break;
                }
                let mut mix = [0; FRAME];
                add(&mut mix, &speaker.samples);
                let Some(leg) = &mut legs[place] else { break };
                line.encode(&mix, false, |made, payload| leg.say(made, payload, now, outbox));
            }
        }
    }

    /// Hears every member; gives the sum of those who speak to all.
    fn listen(
        &mut self,
        legs: &mut [Option<Box<Leg>>],
        now: Mono,
        counters: &mut Counters,
        outbox: &mut Outbox,
    ) -> [i32; FRAME] {
        let mut all = [0; FRAME];
        let mut changed = false;
        for member in &mut self.members {
            member.speaks = false;
            let Some(leg) = &mut legs[member.place] else { continue };
            let wants = leg.wants();
            changed |= member.wants != wants;
            member.wants = wants;
            member.speaks = member.hear(leg, now, counters, outbox) && member.voice != Voice::ToNone;
            if member.speaks && member.voice == Voice::ToAll {
                add(&mut all, &member.samples);
            }
        }
        if changed {
            self.regroup();
        }
        all
    }

    /// Gives each listener a line, and the one that it had before if it can be, so that its codec's state goes on.
    fn regroup(&mut self) {
        let mut before: Vec<Option<Line>> = self.lines.drain(..).map(Some).collect();
        for number in 0..self.members.len() {
            let hears = self.audible(number);
            let member = &mut self.members[number];
            let had = member.line.take();
            let Some(wants) = member.wants else { continue };
            let same = |line: &Line| (line.wants, line.hears) == (wants, hears);
            let shared = self.lines.iter().position(same);
            member.line = Some(shared.unwrap_or_else(|| {
                let had = had.and_then(|had| before.get_mut(had)?.take());
                self.lines.push(match had {
                    Some(line) => Line { wants, hears, ..line },
                    None => Line::new(wants, hears),
                });
                self.lines.len() - 1
            }));
        }
    }

    /// Whom a member hears, if they say something: never itself.
    fn audible(&self, listener: usize) -> Set {
        let this = self.members[listener].leg;
        let audible = |(n, member): (usize, &Member)| match member.voice {
            _ if n == listener => 0,
            Voice::ToAll => 1 << n,
            Voice::To(leg) => Set::from(leg == this) << n,
            Voice::ToNone => 0,
        };
        self.members.iter().enumerate().map(audible).sum()
    }
}

impl Member {
    /// Takes the next frame of what it says; false if that is nothing.
    fn hear(&mut self, leg: &mut Leg, now: Mono, counters: &mut Counters, outbox: &mut Outbox) -> bool {
        let (mut samples, mut converted) = ([0; MAX_FRAME_SAMPLES], [0; MAX_FRAME_SAMPLES]);
        let Some((rate, count)) = leg.hear(&mut samples, now, counters, outbox) else { return false };
        let heard = self.resampler.process(rate, RATE, &samples[..count], &mut converted);
        <&[i16; FRAME]>::try_from(heard).map(|heard| self.samples = *heard).is_ok()
    }
}

impl Line {
    fn new(wants: Wants, hears: Set) -> Self {
        let transcoder = Transcoder::new(wants.codec, &wants.opus);
        Self { wants, hears, limiter: Limiter::default(), transcoder }
    }

    /// Takes a frame, and gives each packet that is complete.
    fn encode(&mut self, mix: &[i32; FRAME], suppress_silence: bool, mut give: impl FnMut(Made, &[u8])) {
        let (mut samples, mut payload) = ([0; FRAME], [0; MAX_PAYLOAD]);
        self.limiter.process(mix, &mut samples);
        let Wants { codec, opus, millis, comfort } = &self.wants;
        self.transcoder.take(RATE, &samples, *codec, opus, suppress_silence);
        while let Some(made) = self.transcoder.packet(*millis, *comfort, &mut payload) {
            give(made, &payload);
        }
    }
}

fn add(mix: &mut [i32; FRAME], voice: &[i16]) {
    mix.iter_mut().zip(voice).for_each(|(mix, voice)| *mix += i32::from(*voice));
}

fn subtract(mix: &mut [i32; FRAME], voice: &[i16; FRAME]) {
    mix.iter_mut().zip(voice).for_each(|(mix, voice)| *mix -= i32::from(*voice));
}
