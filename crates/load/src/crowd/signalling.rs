//! SIP: who calls, rings, answers and hangs up.

use std::time::Duration;

use bytes::Bytes;
use havre_media::Codec;
use havre_media::sdp::{Direction, Local, Session};
use havre_model::{Cause, LegId, Now};
use havre_sip::wire::{Host, SipUri, Uri};
use havre_sip::{
    Command, EndedBy, Event, Identity, Input as SipInput, Limits, Output as SipOutput, Path, Target,
};
use rand_chacha::rand_core::Rng;

use super::end::{End, Stage};
use super::{CALLERS, Crowd, Due, PLACES, Places};
use crate::hearing;
use crate::plan::{Keying, Scenario, limits};
use crate::tally::Failure;

/// Lifetime of a registration that is asked for: long enough that no refresh disturbs a measurement.
const REGISTRATION: Duration = Duration::from_secs(3_600);
const RINGING: u16 = 180;
const UNAVAILABLE: u16 = 480;
const BUSY: u16 = 486;
const PENDING: u16 = 491;

/// Every station's SIP: takes calls from anyone, and has room for all of them.
pub(super) fn sip_config(places: &Places) -> havre_sip::Config {
    havre_sip::Config {
        server_name: places.media.to_string(),
        accept_anyone: true,
        limits: Limits {
            // A transaction stays for 32 s after its call: at 1,000 calls a second that is three for each of 32,000.
            transactions: 1 << 20,
            legs: 4 * limits::MAX_CALLS,
            ..Limits::default()
        },
        ..havre_sip::Config::default()
    }
}

impl Crowd {
    /// One more caller calls.
    pub(crate) fn dial(&mut self, now: Now) {
        self.numbers += 1;
        self.tally.offered += 1;
        let (number, leg) = (self.numbers, LegId(self.numbers.into()));
        let codec = self.plan.codec;
        let port = self.least_busy_port();
        let mut session = self.session(port, codec);
        let sdp = Bytes::from(session.offer());
        let stage = Stage::Calling { since: now.mono };
        self.insert(End { number, station: CALLERS, leg, port, session, sound: None, stage });
        let target = Target::Uri { uri: self.uri(&self.plan.number), path: self.path(CALLERS) };
        let from = Identity {
            display: String::new(),
            user: format!("{}{:07}", self.plan.from, self.first_number.wrapping_add(number) % PLACES),
            host: None,
        };
        let account = self.plan.caller_account.clone();
        self.schedule(now.mono + self.plan.patience, number, Due::LosePatience);
        self.command(CALLERS, Command::Dial { leg, target, from, sdp: Some(sdp.into()), account }, now);
    }

    pub(super) fn on_due(&mut self, number: u32, due: Due, now: Now) {
        if let Due::Register(station) = due {
            return self.register(station, now);
        }
        let has_agents = self.plan.scenario.has_agents();
        let Some(end) = self.end_mut(number) else { return };
        match (due, &mut end.stage) {
            (Due::PickUp, Stage::Ringing { offer }) => {
                let offer = offer.take();
                self.pick_up(number, offer.as_deref(), now);
            }
            (Due::Press(place), Stage::Waiting { .. }) => self.press(number, place, now),
            (Due::LosePatience, Stage::Calling { .. }) => self.leave(number, Some(Failure::NoAnswer), now),
            (Due::LosePatience, Stage::Waiting { .. }) if has_agents => {
                self.leave(number, Some(Failure::NoAgent), now);
            }
            (Due::HangUp, Stage::Waiting { .. } | Stage::Talking) => {
                let one_way = matches!(self.plan.scenario, Scenario::Calls) && self.is_one_way(number);
                self.tally.one_way += u64::from(one_way);
                self.leave(number, None, now);
            }
            _ => {}
        }
    }

    /// Hangs up; `failure` says why the call counts as failed.
    pub(super) fn leave(&mut self, number: u32, failure: Option<Failure>, now: Now) {
        let has_agents = self.plan.scenario.has_agents();
        let Some(end) = self.end_mut(number) else { return };
        let failure = match &end.stage {
            Stage::Leaving { .. } => return,
            // Whoever has to leave before they got what they called for has failed all the same.
            Stage::Calling { .. } => failure.or(Some(Failure::CutShort)),
            Stage::Waiting { .. } if has_agents => failure.or(Some(Failure::CutShort)),
            _ => failure,
        };
        end.stage = Stage::Leaving { failure };
        let (station, leg) = (end.station, end.leg);
        self.command(station, Command::HangUp { leg, cause: Cause::Done }, now);
    }

    pub(super) fn tell(&mut self, station: usize, input: SipInput<'_>, now: Now) {
        self.stations[station].endpoint.handle_input(input, now);
        self.settle(station, now);
    }

    pub(super) fn command(&mut self, station: usize, command: Command, now: Now) {
        self.tell(station, SipInput::Command(command), now);
    }

    /// Takes what a station has to say, and notes when it wants to be woken.
    pub(super) fn settle(&mut self, station: usize, now: Now) {
        while let Some(output) = self.stations[station].endpoint.poll_output() {
            match output {
                SipOutput::Transmit { path, bytes } => {
                    self.outbox.push_back(super::Transmit { station, to: path.remote, bytes });
                }
                // Only where a path asks for TCP, and ours never does.
                SipOutput::Connect { .. } | SipOutput::Disconnect { .. } | SipOutput::Resolve(_) => {}
                SipOutput::Event(event) => self.on_event(station, event, now),
            }
        }
        let state = &mut self.stations[station];
        let wakeup = state.endpoint.poll_timeout().map(|wakeup| wakeup.at);
        let before = std::mem::replace(&mut state.wakeup, wakeup);
        if before != wakeup {
            before.map(|at| self.wakeups.remove(&(at, station)));
            wakeup.map(|at| self.wakeups.insert((at, station)));
        }
    }

    fn on_event(&mut self, station: usize, event: Event, now: Now) {
        match event {
            Event::Incoming { leg, offer, .. } => self.on_incoming(station, leg, offer, now),
            Event::Answered { leg, sdp } => self.on_answered(station, leg, sdp, now),
            Event::Confirmed { leg, sdp: Some(answer) } => self.on_late_answer(station, leg, &answer, now),
            Event::Reoffered { leg, sdp } => self.on_reoffered(station, leg, sdp.as_deref(), now),
            Event::NotConfirmed { leg } | Event::SessionExpired { leg } => {
                if let Some(end) = self.by_leg.get(&(station, leg)).and_then(|s| self.ends[*s].as_ref()) {
                    self.leave(end.number, None, now);
                }
            }
            Event::Ended { leg, by, status, .. } => self.on_ended(station, leg, by, status),
            Event::RegisterResult { status, expires } => self.on_register_result(station, status, expires),
            _ => {}
        }
    }

    fn register(&mut self, station: usize, now: Now) {
        let Some(account) = self.plan.agents.accounts.get(station - 1).cloned() else { return };
        let uri = self.uri(&account.user);
        let registrar = self.path(station);
        self.command(station, Command::Register { account, registrar, uri, expires: REGISTRATION }, now);
    }

    fn on_register_result(&mut self, station: usize, status: u16, expires: Duration) {
        let state = &mut self.stations[station];
        let registered = (200..300).contains(&status) && !expires.is_zero();
        if registered && !std::mem::replace(&mut state.registered, true) {
            self.registered += 1;
        }
        if !registered && status >= 300 {
            self.refused = Some((station - 1, status));
        }
    }

    fn on_incoming(&mut self, station: usize, leg: LegId, offer: Option<Bytes>, now: Now) {
        let refusal = match station {
            CALLERS => Some(UNAVAILABLE),
            _ if self.plan.agents.register && self.stations[station].legs > 0 => Some(BUSY),
            _ if self.stations[station].legs >= limits::MAX_CALLS => Some(BUSY),
            _ => None,
        };
        if let Some(status) = refusal {
            return self.command(station, Command::Reject { leg, status }, now);
        }
        self.numbers += 1;
        let number = self.numbers;
        let port = self.least_busy_port();
        let session = self.session(port, self.plan.agents.codec);
        let after = self.plan.agents.answer_after;
        let stage = Stage::Ringing { offer: None };
        self.insert(End { number, station, leg, port, session, sound: None, stage });
        if after.is_zero() {
            return self.pick_up(number, offer.as_deref(), now);
        }
        if let Some(end) = self.end_mut(number) {
            end.stage = Stage::Ringing { offer };
        }
        self.schedule(now.mono + after, number, Due::PickUp);
        self.command(station, Command::Progress { leg, status: RINGING }, now);
    }

    fn pick_up(&mut self, number: u32, offer: Option<&[u8]>, now: Now) {
        let Some(end) = self.end_mut(number) else { return };
        let (station, leg) = (end.station, end.leg);
        end.stage = Stage::Serving;
        let Some(offer) = offer else {
            let sdp = Bytes::from(end.session.offer());
            return self.command(station, Command::Answer { leg, sdp }, now);
        };
        let Ok((answer, negotiated)) = end.session.answer(offer) else {
            end.stage = Stage::Leaving { failure: None };
            let status = Cause::NotAcceptable.sip_status();
            return self.command(station, Command::Reject { leg, status }, now);
        };
        self.tally.picked_up += 1;
        self.command(station, Command::Answer { leg, sdp: answer.into() }, now);
        self.connect(number, &negotiated, now);
    }

    fn on_answered(&mut self, station: usize, leg: LegId, sdp: Option<Bytes>, now: Now) {
        let Some(end) = self.by_leg.get(&(station, leg)).and_then(|s| self.ends[*s].as_mut()) else { return };
        let number = end.number;
        let Stage::Calling { since } = end.stage else { return };
        let negotiated = sdp.and_then(|answer| end.session.accept(&answer).ok());
        end.stage = Stage::Waiting { since: now.mono };
        self.tally.answered += 1;
        self.tally.setup.add(now.mono.since(since));
        if self.plan.scenario == Scenario::Signalling {
            return self.schedule(now.mono + self.plan.talk, number, Due::HangUp);
        }
        let Some(negotiated) = negotiated else {
            return self.leave(number, Some(Failure::NoMedia), now);
        };
        self.connect(number, &negotiated, now);
        self.schedule(now.mono + self.plan.patience, number, Due::LosePatience);
        let times: Vec<Duration> = self.plan.keys.iter().map(|(after, _)| *after).collect();
        for (place, after) in times.into_iter().enumerate() {
            self.schedule(now.mono + after, number, Due::Press(place));
        }
    }

    fn on_late_answer(&mut self, station: usize, leg: LegId, answer: &[u8], now: Now) {
        let Some(end) = self.by_leg.get(&(station, leg)).and_then(|s| self.ends[*s].as_mut()) else { return };
        let number = end.number;
        if let Ok(negotiated) = end.session.accept(answer) {
            self.connect(number, &negotiated, now);
        }
    }

    /// The server moves the media, or holds us.
    fn on_reoffered(&mut self, station: usize, leg: LegId, offer: Option<&[u8]>, now: Now) {
        let Some(end) = self.by_leg.get(&(station, leg)).and_then(|s| self.ends[*s].as_mut()) else {
            return self.command(station, Command::Reject { leg, status: PENDING }, now);
        };
        let number = end.number;
        let Some(offer) = offer else {
            let sdp = Bytes::from(end.session.offer());
            return self.command(station, Command::Answer { leg, sdp }, now);
        };
        match end.session.answer(offer) {
            Ok((answer, negotiated)) => {
                self.command(station, Command::Answer { leg, sdp: answer.into() }, now);
                self.connect(number, &negotiated, now);
            }
            Err(_) => {
                let status = Cause::NotAcceptable.sip_status();
                self.command(station, Command::Reject { leg, status }, now);
            }
        }
    }

    fn press(&mut self, number: u32, place: usize, now: Now) {
        let Some((_, digit)) = self.plan.keys.get(place).copied() else { return };
        let by_info = self.plan.keying == Keying::Info;
        let Some(end) = self.end_mut(number) else { return };
        end.stage = Stage::Waiting { since: now.mono };
        let (station, leg) = (end.station, end.leg);
        let pressed = !by_info && end.sound.as_mut().is_some_and(|sound| sound.voice.press(digit));
        if !pressed {
            self.command(station, Command::SendDigit { leg, digit }, now);
        }
    }

    fn on_ended(&mut self, station: usize, leg: LegId, by: EndedBy, status: Option<u16>) {
        let Some(end) = self.remove(station, leg) else { return };
        if !end.is_caller() {
            return;
        }
        let refused = status.filter(|status| *status >= 300);
        match end.stage {
            Stage::Leaving { failure: None } => self.tally.completed += 1,
            Stage::Leaving { failure: Some(failure) } => self.tally.fail(failure),
            Stage::Calling { .. } => self.tally.fail(match (by, refused) {
                (EndedBy::Timeout, None | Some(408)) | (_, None) => Failure::NoAnswer,
                (_, Some(status)) => Failure::Refused(status),
            }),
            _ => self.tally.fail(Failure::HungUp),
        }
    }

    fn session(&mut self, port: usize, codec: Codec) -> Box<Session> {
        let rtp = self.places.rtp.get(port).copied().unwrap_or(9);
        let local = Local {
            addr: self.places.media,
            rtp,
            rtcp: rtp + 1,
            codecs: vec![codec],
            browser: None,
            sdes: None,
        };
        // Below 2^62, as `Session::new` asks.
        let mut session = Box::new(Session::new(local, self.random.next_u64() >> 2));
        if self.plan.scenario == Scenario::Signalling {
            session.wish(Direction::Inactive);
        }
        session
    }

    fn insert(&mut self, end: End) {
        self.stations[end.station].legs += 1;
        let slot = self.vacant.pop().unwrap_or(self.ends.len());
        if slot == self.ends.len() {
            self.ends.push(None);
        }
        self.by_leg.insert((end.station, end.leg), slot);
        self.by_number.insert(end.number, slot);
        if self.plan.scenario != Scenario::Signalling
            && let Some(port) = self.by_port.get_mut(end.port)
        {
            port.push(slot);
        }
        self.ends[slot] = Some(end);
    }

    fn remove(&mut self, station: usize, leg: LegId) -> Option<End> {
        let slot = self.by_leg.remove(&(station, leg))?;
        let end = self.ends[slot].take()?;
        self.stations[station].legs -= 1;
        self.by_number.remove(&end.number);
        if let Some(port) = self.by_port.get_mut(end.port) {
            port.retain(|other| *other != slot);
        }
        if let Some(sound) = &end.sound {
            let source = (end.port, sound.voice.to());
            if self.by_source.get(&source) == Some(&slot) {
                self.by_source.remove(&source);
            }
        }
        self.vacant.push(slot);
        self.part(&end);
        Some(end)
    }

    /// Whoever heard this one may hear another from now on.
    fn part(&mut self, gone: &End) {
        let hearing = |end: &End| end.sound.as_ref().and_then(|sound| sound.hearing.peer());
        let Some(hearing::Voice::Number(peer)) = hearing(gone) else { return };
        if let Some(sound) = self.end_mut(peer).and_then(|end| end.sound.as_mut())
            && sound.hearing.hears(gone.number)
        {
            sound.hearing.forget_peer();
        }
    }

    fn path(&self, station: usize) -> Path {
        Path::udp(self.places.sip[station], self.plan.server)
    }

    fn uri(&self, user: &str) -> Uri {
        match Host::parse(&self.plan.domain) {
            Ok(host) => Uri::Sip(SipUri::new(Some(user), host, None)),
            Err(_) => Uri::sip(Some(user), self.plan.server),
        }
    }
}
