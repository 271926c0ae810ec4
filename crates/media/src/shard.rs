//! Many legs on one thread.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use havre_model::{LegId, Mono, Now, Wakeup};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::leg::player::Shared;
use crate::leg::reports::Wall;
use crate::leg::{self, Browser, Leg};
use crate::legs::LegMap;
use crate::limits::{MAX_CLIPS, MAX_LEGS, MAX_PACKET};
use crate::mixer::{Join, Mixer};
use crate::outbox::Outbox;
use crate::shared_port::SharedPort;
use crate::wheel::{Turn, Wheel};
use crate::{Channel, Command, Config, Counters, Event, Face, IceLocal, Input, Output, Prompt, rtp, tone};

/// Comfort noise for everybody, played round and round: long enough that nobody hears it come again.
static NOISE: LazyLock<Arc<Prompt>> =
    LazyLock::new(|| Prompt::new(&tone::noise(tone::COMFORT_DBM0, 2 * 16_000)));

/// The streams of many legs; one per data thread.
#[derive(Debug)]
pub struct Shard {
    config: Arc<Config>,
    rng: ChaCha8Rng,
    wall: Wall,
    /// Legs keep their places while they are open; `places` finds them.
    legs: Vec<Option<Box<Leg>>>,
    free: Vec<usize>,
    places: LegMap<usize>,
    shared_port: SharedPort,
    mixer: Mixer,
    wheel: Wheel,
    outbox: Outbox,
    counters: Counters,
    /// Where SRTP is opened, one packet at a time.
    room: Box<[u8; MAX_PACKET]>,
}

impl Shard {
    /// A shard without legs.
    #[must_use]
    pub fn new(config: Arc<Config>, seed: [u8; 32], now: Now) -> Self {
        Self {
            mixer: Mixer::new(config.suppress_silence),
            config,
            rng: ChaCha8Rng::from_seed(seed),
            wall: Wall::new(now),
            legs: Vec::new(),
            free: Vec::new(),
            places: LegMap::default(),
            shared_port: SharedPort::default(),
            wheel: Wheel::new(now.mono),
            outbox: Outbox::default(),
            counters: Counters::default(),
            room: Box::new([0; MAX_PACKET]),
        }
    }

    /// Takes a packet or a command.
    pub fn handle_input(&mut self, input: Input<'_>, now: Now) {
        let now = now.mono;
        match input {
            Input::Packet { leg, channel, source, bytes } => {
                if let Some(place) = self.place(leg) {
                    self.on_packet(place, channel, source, bytes, now);
                }
            }
            Input::Shared { source, bytes } => {
                let Self { shared_port, legs, counters, outbox, .. } = self;
                if let Some(place) = shared_port.on_datagram(source, bytes, now, legs, counters, outbox) {
                    self.on_packet(place, Channel::Rtp, source, bytes, now);
                }
            }
            Input::Unreachable { leg } => self.on_unreachable(leg),
            Input::Command(command) => self.handle_command(command, now),
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        let now = now.mono;
        while let Some((turn, late)) = self.wheel.turn(now) {
            self.counters.skipped_rounds += u64::from(late);
            for number in 0.. {
                let Some(place) = self.wheel.leg(turn, number) else { break };
                self.on_turn(turn, place, now);
            }
        }
    }

    /// The next thing to do, until `None`.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output<'_>> {
        self.outbox.pop()
    }

    /// When to call `handle_timeout` next; `None` while no leg is configured.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        self.wheel.at().map(|at| Wakeup { at, why: "frame" })
    }

    /// The leg that hears this one's packets. Those of others may be read a few milliseconds late: nobody hears them.
    #[must_use]
    pub fn peer(&self, leg: LegId) -> Option<LegId> {
        let at = |place: usize| self.legs.get(place)?.as_ref();
        let peer = at(*self.places.get(&leg)?)?.peer?;
        at(peer).map(|peer| peer.id)
    }

    /// What a browser has to know to be let in to this leg; `None` if it was not opened for one.
    #[must_use]
    pub fn ice(&self, leg: LegId) -> Option<&IceLocal> {
        self.places.get(&leg).and_then(|place| self.legs[*place].as_ref()?.ice())
    }

    /// What it did and dropped, since it began.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// A leg's RTP or RTCP.
    fn on_packet(&mut self, place: usize, channel: Channel, source: SocketAddr, bytes: &[u8], now: Mono) {
        let rtcp = channel == Channel::Rtcp || rtp::is_rtcp(bytes);
        let bytes = match &mut self.legs[place] {
            Some(leg) if leg.is_secure() => {
                let room = &mut self.room[..];
                let Some(bytes) = leg.unprotect(rtcp, bytes, room, now, &mut self.counters) else {
                    return;
                };
                bytes
            }
            _ => bytes,
        };
        if rtcp {
            let (wall, counters, outbox) = (self.wall, &mut self.counters, &mut self.outbox);
            if let Some(leg) = &mut self.legs[place] {
                leg.on_rtcp(source, bytes, wall, now, counters, outbox);
            }
            return;
        }
        let Some((from, to)) = pair(&mut self.legs, place) else { return };
        let (counters, outbox) = (&mut self.counters, &mut self.outbox);
        if let Some(received) = from.on_rtp(source, bytes, now, counters, outbox) {
            leg::pass_on(from, to, &received, now, counters, outbox);
        }
    }

    fn on_unreachable(&mut self, leg: LegId) {
        if let Some(event) = self.leg(leg).and_then(Leg::on_unreachable) {
            self.outbox.event(event);
        }
    }

    fn on_turn(&mut self, turn: Turn, place: usize, now: Mono) {
        let Some((leg, peer)) = pair(&mut self.legs, place) else { return };
        let (counters, outbox) = (&mut self.counters, &mut self.outbox);
        leg.watch_path(|address| self.shared_port.forget(address), now, counters, outbox);
        let shared = Shared { position: turn.position(), noise: &NOISE };
        leg.on_turn(shared, now, counters, outbox);
        let mixed = leg.seat.is_some_and(|seat| seat.mixed);
        if !mixed {
            leg::speak_for(leg, peer, self.config.suppress_silence, now, counters, outbox);
        }
        leg.report(&self.config, self.wall, now, &mut self.rng, outbox);
        if mixed {
            self.mixer.on_turn(place, turn.position(), &mut self.legs, now, counters, outbox);
        }
    }

    fn handle_command(&mut self, command: Command, now: Mono) {
        match command {
            Command::Open { leg, face } => self.open(leg, face, now),
            Command::Configure { leg, negotiated } => {
                let Some(place) = self.place(leg) else { return };
                let Some(leg) = &mut self.legs[place] else { return };
                let before = leg.far().cloned();
                if leg.configure(*negotiated, &mut self.rng, now) {
                    self.wheel.add(place, now);
                }
                let (shared_port, counters, outbox) =
                    (&mut self.shared_port, &mut self.counters, &mut self.outbox);
                leg.expect(before.as_ref(), |address| shared_port.forget(address), outbox);
                leg.on_path(counters, outbox);
            }
            Command::Play { leg, play, mut clips } => {
                self.counters.refused_clips += clips.len().saturating_sub(MAX_CLIPS) as u64;
                clips.truncate(MAX_CLIPS);
                if let Some(leg) = self.leg(leg) {
                    leg.player.play(play, clips);
                }
            }
            Command::Loop { leg, prompt, .. } => {
                if let Some(leg) = self.leg(leg) {
                    leg.player.loop_over(prompt);
                }
            }
            Command::Stop { leg } => {
                if let Some(leg) = self.leg(leg) {
                    leg.player.stop();
                }
            }
            Command::Bridge { a, b } => self.bridge(a, b, now),
            Command::Unbridge { a, b } => {
                let (Some(a), Some(b)) = (self.place(a), self.place(b)) else { return };
                let [Some(one), Some(other)] = [&self.legs[a], &self.legs[b]] else { return };
                let conference = |leg: &Leg| leg.seat.map(|seat| seat.conference);
                let together = a != b && one.seat.is_some() && conference(one) == conference(other);
                if one.peer == Some(b) || together {
                    self.part(a, now);
                    self.part(b, now);
                }
            }
            Command::Echo { leg } => {
                if let Some(leg) = self.leg(leg) {
                    leg.echo();
                }
            }
            Command::Join { conference, leg, voice, tones } => {
                let Some(place) = self.place(leg) else { return };
                let join = Join { conference, leg, place, voice, tones };
                self.mixer.join(join, &mut self.legs, now, &mut self.counters, &mut self.outbox);
            }
            Command::Leave { conference, leg } => {
                let Some(place) = self.place(leg) else { return };
                let seat = self.legs[place].as_ref().and_then(|leg| leg.seat);
                if seat.is_some_and(|seat| seat.conference == conference) {
                    self.part(place, now);
                }
            }
            Command::SendDigit { leg, digit, millis } => {
                let taken = self.leg(leg).is_some_and(|leg| leg.keys.press(digit, millis));
                self.counters.refused_digits += u64::from(!taken);
            }
            Command::Listen { leg, on } => {
                if let Some(leg) = self.leg(leg) {
                    leg.listen(on);
                }
            }
            Command::SendHandshake { leg, bytes } => {
                let Some(place) = self.place(leg) else { return };
                if let Some(leg) = &self.legs[place] {
                    leg.send_handshake(&bytes, &mut self.outbox);
                }
            }
            Command::Secure { leg, keys } => {
                let Some(place) = self.place(leg) else { return };
                if let Some(leg) = &mut self.legs[place] {
                    leg.take_keys(keys, &mut self.rng, now);
                }
            }
            Command::Gone { leg } => self.on_unreachable(leg),
            Command::Close { leg } => self.close(leg, now),
        }
    }

    fn open(&mut self, id: LegId, face: Face, now: Mono) {
        if self.places.contains_key(&id) {
            return;
        }
        if self.places.len() >= MAX_LEGS {
            self.counters.refused_legs += 1;
            return;
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.legs.push(None);
            self.legs.len() - 1
        });
        let browser = (face == Face::Browser).then(|| {
            let mut ice = IceLocal::new(&mut self.rng);
            while !self.shared_port.add(&ice, place) {
                ice = IceLocal::new(&mut self.rng);
            }
            Box::new(Browser::new(ice, now))
        });
        self.legs[place] = Some(Box::new(Leg::new(id, browser)));
        self.places.insert(id, place);
    }

    fn close(&mut self, id: LegId, now: Mono) {
        let Some(place) = self.place(id) else { return };
        self.part(place, now);
        if let Some(leg) = &mut self.legs[place] {
            leg.close(self.wall, now, &mut self.outbox);
            leg.end_handshake(&mut self.outbox);
            if let Some(agent) = leg.agent() {
                self.shared_port.remove(agent);
            }
        }
        self.wheel.remove(place);
        self.places.remove(&id);
        self.legs[place] = None;
        self.free.push(place);
    }

    fn bridge(&mut self, a: LegId, b: LegId, now: Mono) {
        let (Some(first), Some(second)) = (self.place(a), self.place(b)) else { return };
        if first == second {
            self.counters.refused_bridges += 1;
            return;
        }
        self.part(first, now);
        self.part(second, now);
        for (one, other) in [(first, second), (second, first)] {
            if let Some(leg) = &mut self.legs[one] {
                leg.join(other);
            }
        }
        self.outbox.event(Event::Bridged { a, b });
    }

    /// Takes a leg out of its conference, or undoes its bridge, on both its sides.
    fn part(&mut self, place: usize, now: Mono) {
        self.mixer.leave(place, &mut self.legs, now, &mut self.counters, &mut self.outbox);
        let peer = self.legs[place].as_ref().and_then(|leg| leg.peer);
        for place in peer.into_iter().chain([place]) {
            if let Some(leg) = &mut self.legs[place] {
                leg.part();
            }
        }
    }

    fn place(&mut self, id: LegId) -> Option<usize> {
        let place = self.places.get(&id).copied();
        self.counters.dropped_unknown_leg += u64::from(place.is_none());
        place
    }

    fn leg(&mut self, id: LegId) -> Option<&mut Leg> {
        let place = self.place(id)?;
        self.legs[place].as_deref_mut()
    }
}

/// A leg and its peer.
fn pair(legs: &mut [Option<Box<Leg>>], place: usize) -> Option<(&mut Leg, Option<&mut Leg>)> {
    let peer = legs.get(place)?.as_ref()?.peer;
    let Some(peer) = peer else { return Some((legs[place].as_deref_mut()?, None)) };
    let [leg, other] = legs.get_disjoint_mut([place, peer]).ok()?;
    Some((leg.as_deref_mut()?, other.as_deref_mut()))
}
