//! The switch's data plane without packets: what is played, who hears whom, which keys and silences are reported.
//!
//! It keeps the promises of `havre_media::Shard` (see its API) that the control plane builds on, and nothing more.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use havre_media::srtp::Pair;
use havre_media::{Clip, Command, Event};
use havre_model::{Digit, LegId, Mono, PlayId};
use havre_switch::MediaInput;

use crate::hotline::name_of;

/// Without RTP for this long, loss is reported: the shard's default.
const MEDIA_LOST_AFTER: Duration = Duration::from_secs(3);
/// Binding two sockets on another thread.
const OPENS_AFTER: Duration = Duration::from_millis(1);
/// The first port, and the distance between legs.
const FIRST_PORT: u16 = 20_000;

/// What a leg hears at the top, by the name of the clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hears {
    Nothing,
    Clip(String),
    Leg(LegId),
}

/// One clip of a `Play`.
#[derive(Clone, Debug)]
struct Piece {
    name: Option<String>,
    length: Duration,
}

#[derive(Clone, Debug)]
struct Playing {
    play: PlayId,
    pieces: VecDeque<Piece>,
    /// When the first piece ends; `None` until the leg is configured.
    ends: Option<Mono>,
}

#[derive(Clone, Debug)]
struct Leg {
    shard: usize,
    port: u16,
    opens: Option<Mono>,
    remote: Option<SocketAddr>,
    sends: bool,
    receives: bool,
    keys: Option<Pair>,
    playing: Option<Playing>,
    sound: Option<String>,
    bridge: Option<LegId>,
    echoes: bool,
    flowing: bool,
    /// When loss is reported; `None` while media flows, is not expected, or its loss was reported.
    lost_at: Option<Mono>,
    lost: bool,
    unreachable: bool,
}

/// All data threads of the switch.
pub(crate) struct Plane {
    legs: BTreeMap<LegId, Leg>,
    ports: BTreeMap<u16, LegId>,
    next_port: u16,
    /// Legs at once.
    pub(crate) limit: usize,
    /// Legs that found no port.
    pub(crate) refused: u64,
    events: VecDeque<MediaInput>,
    /// Something changed that may change what is heard, or what flows.
    pub(crate) changed: bool,
}

impl Plane {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            legs: BTreeMap::new(),
            ports: BTreeMap::new(),
            next_port: FIRST_PORT,
            limit,
            refused: 0,
            events: VecDeque::new(),
            changed: false,
        }
    }

    pub(crate) fn command(&mut self, shard: usize, command: Command, now: Mono) {
        self.changed = true;
        match command {
            Command::Open { leg, .. } => self.open(shard, leg, now),
            Command::Configure { leg, negotiated } => {
                let Some(leg) = self.leg(shard, leg) else { return };
                leg.remote = Some(negotiated.remote_rtp);
                leg.sends = negotiated.direction.sends();
                leg.receives = negotiated.direction.receives();
                leg.keys = negotiated.srtp.map(|keys| *keys);
                leg.lost_at = (leg.receives && !leg.flowing && !leg.lost).then(|| now + MEDIA_LOST_AFTER);
                if let Some(Playing { pieces, ends: ends @ None, .. }) = &mut leg.playing {
                    *ends = Some(now + pieces.front().map_or(Duration::ZERO, |piece| piece.length));
                }
            }
            Command::Play { leg, play, clips } => {
                let pieces: VecDeque<Piece> =
                    clips.iter().map(|clip| Piece { name: name_of(clip), length: length_of(clip) }).collect();
                let Some(leg) = self.leg(shard, leg) else { return };
                let first = pieces.front().map_or(Duration::ZERO, |piece| piece.length);
                let ends = leg.remote.map(|_| now + first);
                leg.playing = Some(Playing { play, pieces, ends });
            }
            Command::Loop { leg, prompt, .. } => {
                let name = name_of(&Clip::Prompt(prompt));
                if let Some(leg) = self.leg(shard, leg) {
                    leg.sound = name;
                }
            }
            Command::Stop { leg } => {
                if let Some(leg) = self.leg(shard, leg) {
                    leg.playing = None;
                    leg.sound = None;
                }
            }
            Command::Bridge { a, b } => self.bridge(shard, a, b),
            Command::Unbridge { a, b } => {
                if self.legs.get(&a).is_some_and(|leg| leg.bridge == Some(b)) {
                    self.unbridge(a);
                }
            }
            Command::Echo { leg } => {
                if let Some(leg) = self.leg(shard, leg) {
                    leg.echoes = true;
                }
            }
            Command::Close { leg } => {
                self.unbridge(leg);
                if let Some(leg) = self.legs.remove(&leg) {
                    self.ports.remove(&leg.port);
                }
            }
            Command::SendDigit { .. }
            | Command::Listen { .. }
            | Command::Join { .. }
            | Command::Leave { .. }
            | Command::SendHandshake { .. }
            | Command::Secure { .. }
            | Command::Gone { .. } => {}
        }
    }

    fn leg(&mut self, shard: usize, id: LegId) -> Option<&mut Leg> {
        let leg = self.legs.get_mut(&id)?;
        assert_eq!(leg.shard, shard, "{id} is commanded on another shard than it was opened on");
        Some(leg)
    }

    fn open(&mut self, shard: usize, id: LegId, now: Mono) {
        assert!(!self.legs.contains_key(&id), "{id} is opened twice");
        if self.legs.len() >= self.limit {
            self.refused += 1;
            self.events.push_back(MediaInput::OpenFailed { leg: id });
            return;
        }
        while self.ports.contains_key(&self.next_port) {
            self.next_port = self.next_port.checked_add(2).unwrap_or(FIRST_PORT);
        }
        let port = self.next_port;
        self.next_port = port.checked_add(2).unwrap_or(FIRST_PORT);
        self.ports.insert(port, id);
        let leg = Leg {
            shard,
            port,
            opens: Some(now + OPENS_AFTER),
            remote: None,
            sends: false,
            receives: false,
            keys: None,
            playing: None,
            sound: None,
            bridge: None,
            echoes: false,
            flowing: false,
            lost_at: None,
            lost: false,
            unreachable: false,
        };
        self.legs.insert(id, leg);
    }

    fn bridge(&mut self, shard: usize, a: LegId, b: LegId) {
        if self.leg(shard, a).is_none() || self.leg(shard, b).is_none() {
            return;
        }
        self.unbridge(a);
        self.unbridge(b);
        for (one, other) in [(a, b), (b, a)] {
            if let Some(leg) = self.legs.get_mut(&one) {
                (leg.bridge, leg.playing, leg.sound) = (Some(other), None, None);
            }
        }
        self.events.push_back(MediaInput::Event(Event::Bridged { a, b }));
    }

    fn unbridge(&mut self, id: LegId) {
        let Some(other) = self.legs.get_mut(&id).and_then(|leg| leg.bridge.take()) else { return };
        if let Some(other) = self.legs.get_mut(&other) {
            other.bridge = None;
        }
    }

    /// A key arrives as telephone-events: it is reported, and relayed to the leg that is returned.
    pub(crate) fn on_key(&mut self, port: u16, digit: Digit) -> Option<LegId> {
        let id = *self.ports.get(&port)?;
        let leg = self.legs.get(&id)?;
        leg.remote?;
        self.events.push_back(MediaInput::Event(Event::Digit { leg: id, digit }));
        leg.bridge
    }

    /// TTY tones arrive at a port.
    pub(crate) fn on_tty(&mut self, port: u16) {
        if let Some(leg) = self.ports.get(&port) {
            self.events.push_back(MediaInput::Event(Event::Tty { leg: *leg }));
        }
    }

    /// What is sent from a port arrives, or does not, as the far side's reports tell.
    pub(crate) fn on_far_ear(&mut self, port: u16, ours: bool) {
        if let Some(leg) = self.ports.get(&port) {
            self.events.push_back(MediaInput::Event(Event::FarHears { leg: *leg, ours }));
        }
    }

    /// RTP arrives at a port, or does so no longer.
    pub(crate) fn set_flowing(&mut self, id: LegId, flowing: bool, now: Mono) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if flowing {
            leg.lost_at = None;
            leg.unreachable = false;
            if std::mem::take(&mut leg.lost) {
                self.events.push_back(MediaInput::Event(Event::MediaBack { leg: id }));
            }
        } else if leg.receives && !leg.lost && leg.lost_at.is_none() {
            leg.lost_at = Some(now + MEDIA_LOST_AFTER);
        } else if !leg.receives {
            leg.lost_at = None;
        }
        leg.flowing = flowing;
    }

    /// ICMP came back for what a leg sent.
    pub(crate) fn on_unreachable(&mut self, id: LegId) {
        if let Some(leg) = self.legs.get_mut(&id)
            && leg.sends
            && !std::mem::replace(&mut leg.unreachable, true)
        {
            self.events.push_back(MediaInput::Event(Event::Unreachable { leg: id }));
        }
    }

    pub(crate) fn next(&self) -> Option<Mono> {
        let due = |leg: &Leg| {
            let plays = leg.playing.as_ref().and_then(|playing| playing.ends);
            [leg.opens, leg.lost_at, plays].into_iter().flatten().min()
        };
        self.legs.values().filter_map(due).min()
    }

    /// Whether there is something for the switch.
    pub(crate) fn handle_timeout(&mut self, now: Mono) {
        for (id, leg) in &mut self.legs {
            if leg.opens.is_some_and(|at| at <= now) {
                leg.opens = None;
                let (rtp, rtcp) = (leg.port, leg.port + 1);
                self.events.push_back(MediaInput::Opened { leg: *id, rtp, rtcp, ice: None });
            }
            if leg.lost_at.is_some_and(|at| at <= now) {
                leg.lost_at = None;
                leg.lost = true;
                self.events
                    .push_back(MediaInput::Event(Event::MediaLost { leg: *id, for_: MEDIA_LOST_AFTER }));
            }
            while let Some(Playing { play, pieces, ends: Some(ends) }) = &mut leg.playing
                && *ends <= now
            {
                self.changed = true;
                pieces.pop_front();
                if let Some(next) = pieces.front() {
                    *ends += next.length;
                } else {
                    self.events.push_back(MediaInput::Event(Event::PlayDone { leg: *id, play: *play }));
                    leg.playing = None;
                }
            }
        }
    }

    pub(crate) fn poll_event(&mut self) -> Option<MediaInput> {
        self.events.pop_front()
    }

    /// Legs that are open.
    pub(crate) fn open_legs(&self) -> usize {
        self.legs.len()
    }

    /// Where a leg sends, and from which port, once both are known.
    pub(crate) fn sending(&self) -> impl Iterator<Item = (LegId, u16, SocketAddr)> + '_ {
        let sending =
            |(id, leg): (&LegId, &Leg)| leg.remote.filter(|_| leg.sends).map(|to| (*id, leg.port, to));
        self.legs.iter().filter_map(sending)
    }

    /// All legs, and whether they should get RTP.
    pub(crate) fn listening(&self) -> impl Iterator<Item = (LegId, u16)> + '_ {
        self.legs.iter().filter(|(_, leg)| leg.remote.is_some()).map(|(id, leg)| (*id, leg.port))
    }

    /// What protects a leg's packets.
    pub(crate) fn keys(&self, id: LegId) -> Option<&Pair> {
        self.legs.get(&id)?.keys.as_ref()
    }

    /// Who hears whom.
    pub(crate) fn bridges(&self) -> impl Iterator<Item = (LegId, LegId)> + '_ {
        self.legs.iter().filter_map(|(id, leg)| leg.bridge.map(|other| (*id, other)))
    }

    pub(crate) fn hears(&self, id: LegId) -> Hears {
        let Some(leg) = self.legs.get(&id) else { return Hears::Nothing };
        if let Some(playing) = &leg.playing {
            let name = playing.pieces.front().and_then(|piece| piece.name.clone());
            return name.map_or(Hears::Nothing, Hears::Clip);
        }
        match (&leg.sound, leg.bridge) {
            (Some(sound), _) => Hears::Clip(sound.clone()),
            (None, Some(other)) => Hears::Leg(other),
            (None, None) if leg.echoes => Hears::Leg(id),
            (None, None) => Hears::Nothing,
        }
    }

    /// Whether RTP arrives at a leg.
    pub(crate) fn flows(&self, id: LegId) -> bool {
        self.legs.get(&id).is_some_and(|leg| leg.flowing)
    }
}

fn length_of(clip: &Clip) -> Duration {
    match clip {
        Clip::Prompt(prompt) => prompt.duration(),
        Clip::Silence(duration) | Clip::Tone { duration, .. } => *duration,
    }
}
