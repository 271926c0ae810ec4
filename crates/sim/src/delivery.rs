//! Carrying what the parts of the world say to one another, until all are quiet.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use havre_media as media;
use havre_media::srtp::Keys;
use havre_model::{AgentId, CallEvent, CallId, Cause, Digit, LegId, What};
use havre_phone::{self as phone, Keying};
use havre_sip::{Input as SipInput, Path};
use havre_switch::{Input, Output};

use crate::hotline::SWITCH;
use crate::network::Datagram;
use crate::plane::Hears;
use crate::station::{Audio, Life, Line, Station};
use crate::streams::End;
use crate::words;
use crate::world::{Happening, Inner};

/// What nobody has to be told of.
const NOTHING: &str = "";

/// A telephone-event is on its way for so long.
const KEY_DELAY: Duration = Duration::from_millis(10);

impl Inner {
    /// A datagram arrives.
    pub(crate) fn deliver(&mut self, datagram: &Datagram) {
        let Datagram { from, to, bytes } = datagram;
        let (from, to) = (*from, *to);
        if to == SWITCH {
            self.reading = Some(from.ip());
            self.tell_switch(Input::Datagram { local: to, source: from, bytes });
            self.reading = None;
            return;
        }
        let Some(station) = self.stations.get_mut(&to.ip()) else { return };
        match station.life {
            Life::Well => {
                let input = SipInput::Datagram { local: to, source: from, bytes };
                station.phone.handle_input(phone::Input::Sip(input), self.now);
                self.drain_station(to.ip());
                self.settle();
            }
            Life::Dark => {}
            Life::Crashed => self.tell_switch(Input::Unreachable { local: from, remote: to }),
        }
    }

    pub(crate) fn deliver_key(&mut self, to: SocketAddr, digit: Digit) {
        if to.ip() == SWITCH.ip() {
            if let Some(peer) = self.plane.on_key(to.port(), digit) {
                let remote = self.plane.sending().find(|(leg, ..)| *leg == peer).map(|(.., remote)| remote);
                if let Some(remote) = remote {
                    self.post_key(remote, digit);
                }
            }
            self.settle();
        } else if let Some(station) =
            self.stations.get_mut(&to.ip()).filter(|station| station.life == Life::Well)
            && let Some(leg) = station.leg_at(to.port())
        {
            station.phone.handle_input(phone::Input::Media(media::Event::Digit { leg, digit }), self.now);
            self.drain_station(to.ip());
        }
    }

    fn post_key(&mut self, to: SocketAddr, digit: Digit) {
        self.count += 1;
        self.keys.insert((self.now.mono + KEY_DELAY, self.count), (to, digit));
    }

    /// Carries everything that is said until nobody says anything more.
    pub(crate) fn settle(&mut self) {
        loop {
            if let Some(output) = self.switch.poll_output() {
                self.on_switch(output);
            } else if let Some(event) = self.plane.poll_event() {
                self.switch.handle_input(Input::Media(event), self.now);
                self.checked();
            } else if let Some(ack) = self.redis.poll_ack(self.now.mono) {
                self.switch.handle_input(Input::Store(ack), self.now);
                self.checked();
            } else if std::mem::take(&mut self.plane.changed) {
                self.listen();
            } else {
                return;
            }
        }
    }

    fn on_switch(&mut self, output: Output) {
        let now = self.now.mono;
        match output {
            Output::Transmit { path: Path { flow: Some(flow), .. }, bytes } => {
                self.send(End::Switch, flow, bytes);
            }
            Output::Transmit { path, bytes } => self.post(path.local, path.remote, bytes),
            Output::Connect { remote, flow, .. } => self.connect(End::Switch, remote, flow),
            Output::Disconnect { flow } => self.disconnect(End::Switch, flow),
            Output::Media { shard, command } => self.plane.command(shard, command, now),
            Output::Store(op) => self.redis.take(op, now),
            Output::Event(event) => self.on_call_event(&event),
            Output::Agent { agent, state } => {
                self.log.say(now, agent.as_str(), format_args!("> {}", words::state(&state)));
                self.checks.on_agent(&agent, state, now);
                self.happened.push_back(Happening::State(agent, state));
            }
            Output::Key { agent, digit, .. } => {
                self.log.say(now, agent.as_str(), format_args!("sees key {digit}"));
            }
            Output::Taken { result, .. } => {
                let what = result.map_or_else(|error| error.to_string(), |()| "it rings".to_owned());
                self.log.say(now, "havre", format_args!("> answers: {what}"));
            }
            Output::Degraded(degraded) => {
                let what = if degraded { "the store is gone" } else { "the store is back" };
                self.log.say(now, "havre", format_args!("> {what}"));
            }
            Output::Refused { status, why, .. } => {
                self.log.say(now, "havre", format_args!("> refuses with {status}: {why}"));
            }
            Output::Answer { result, .. } => {
                let what = result.map_or_else(|error| error.to_string(), |state| words::state(&state));
                self.log.say(now, "havre", format_args!("> answers: {what}"));
            }
            Output::Trunk { trunk, health } => {
                let why = health.why().map_or("", havre_model::TrunkDown::as_str);
                self.log.say(now, "havre", format_args!("> trunk {trunk} is {} {why}", health.as_str()));
            }
            // The line's trunks have addresses here.
            Output::Resolve(_) => {}
            Output::Quality(_) | Output::Guessing { .. } | Output::Went { .. } => {}
        }
    }

    fn on_call_event(&mut self, event: &CallEvent) {
        if let (What::Arrived { .. }, Some(ip)) = (&event.what, self.reading) {
            self.callers.insert(event.call, ip);
        }
        let name = self.name_of(event.call);
        if let Some(what) = words::what(&event.what) {
            self.log.say(self.now.mono, &name, format_args!("> {what}"));
        }
        if let Some(ip) = self.callers.get(&event.call) {
            self.happened.push_back(Happening::Call { caller: *ip, event: event.clone() });
        }
        let mut judged = Ok(());
        if let What::Ended { cause, .. } = event.what {
            judged = self.by_choice(event.call, cause);
        }
        if let Err(broken) = judged.and_then(|()| self.checks.on_event(event, self.now)) {
            panic!("{broken}\n{}", self.log.print(|_, _| true));
        }
    }

    /// Only people end calls, or phones that are really gone.
    fn by_choice(&mut self, call: CallId, cause: Cause) -> Result<(), String> {
        let caller = self.callers.get(&call).copied();
        let good = match cause {
            Cause::CallerHungUp | Cause::CallerCancelled => caller.is_some_and(|ip| self.take_wish(ip)),
            // Nobody hears a dark phone say that its person hung up.
            Cause::CallerGone => caller.is_some_and(|ip| self.failed.contains(&ip) || self.take_wish(ip)),
            Cause::AgentHungUp => {
                let with = self.checks.talks_with(call).cloned();
                with.is_some_and(|agent| self.phones_of(&agent).into_iter().any(|ip| self.take_wish(ip)))
            }
            // The ways in which we may fail a caller: there is no port left, and the node stops.
            Cause::Overloaded => self.plane.refused > 0,
            Cause::Draining => self.stopped,
            // Audio in the clear where it must not be.
            Cause::NotAcceptable => self.switch.counters().not_secure > 0,
            _ => false,
        };
        if good { Ok(()) } else { Err(format!("{} was ended without a wish: {cause}", self.name_of(call))) }
    }

    /// Whether somebody at this phone hung up, and it was not yet seen.
    fn take_wish(&mut self, ip: IpAddr) -> bool {
        let Some(times) = self.left.get_mut(&ip).filter(|times| **times > 0) else { return false };
        *times -= 1;
        true
    }

    fn phones_of(&self, agent: &AgentId) -> Vec<IpAddr> {
        let theirs = |station: &&Station| {
            station.account.as_ref().is_some_and(|account| account.user == agent.as_str())
        };
        self.stations.values().filter(theirs).map(Station::ip).collect()
    }

    /// The invariants, after the switch has done something and what it said is known.
    pub(crate) fn checked(&mut self) {
        while let Some(output) = self.switch.poll_output() {
            self.on_switch(output);
        }
        let Self { switch, plane, checks, stations, now, .. } = self;
        for station in stations.values().filter(|station| !station.lines.is_empty()) {
            if let Some(account) = &station.account {
                checks.is_on_the_phone(&account.user, now.mono);
            }
        }
        if let Err(broken) = checks.look(switch, plane, *now) {
            panic!("{broken}\n{}", self.log.print(|_, _| true));
        }
    }

    /// Carries what a phone says.
    pub(crate) fn drain_station(&mut self, ip: IpAddr) {
        while let Some(station) = self.stations.get_mut(&ip)
            && let Some(output) = station.phone.poll_output()
        {
            self.on_phone(ip, output);
        }
        self.settle();
    }

    fn on_phone(&mut self, ip: IpAddr, output: phone::Output) {
        let Some(station) = self.stations.get_mut(&ip) else { return };
        match output {
            // A program that is gone sends nothing; what a phone in the dark sends by TCP waits there.
            _ if station.life == Life::Crashed => {}
            phone::Output::Transmit { path: Path { flow: Some(flow), .. }, bytes } => {
                self.send(End::Phone(ip), flow, bytes);
            }
            phone::Output::Transmit { .. } if station.life == Life::Dark => {}
            phone::Output::Transmit { path, bytes } => self.post(path.local, path.remote, bytes),
            phone::Output::Connect { remote, flow, .. } => self.connect(End::Phone(ip), remote, flow),
            phone::Output::Disconnect { flow } => self.disconnect(End::Phone(ip), flow),
            phone::Output::Media(command) => self.on_phone_media(ip, command),
            phone::Output::Event(event) => self.on_phone_event(ip, &event),
        }
    }

    fn on_phone_media(&mut self, ip: IpAddr, command: media::Command) {
        let Some(station) = self.stations.get_mut(&ip) else { return };
        self.plane.changed = true;
        match command {
            media::Command::Open { leg, .. } => {
                station.ports += 2;
                let (rtp, rtcp) = (station.ports, station.ports + 1);
                station.audio.insert(
                    leg,
                    Audio { port: rtp, remote: None, sends: false, receives: false, keys: None },
                );
                station.phone.handle_input(phone::Input::Opened { leg, rtp, rtcp }, self.now);
            }
            media::Command::Configure { leg, negotiated } => {
                if let Some(audio) = station.audio.get_mut(&leg) {
                    audio.remote = Some(negotiated.remote_rtp);
                    audio.sends = negotiated.direction.sends();
                    audio.receives = negotiated.direction.receives();
                    audio.keys = negotiated.srtp.map(|keys| *keys);
                }
            }
            media::Command::SendDigit { leg, digit, .. } => {
                let remote = station.audio.get(&leg).and_then(|audio| audio.remote);
                if let Some(remote) = remote.filter(|_| station.life == Life::Well) {
                    self.post_key(remote, digit);
                }
            }
            media::Command::Close { leg } => {
                station.audio.remove(&leg);
                station.heard.remove(&leg);
            }
            _ => {}
        }
    }

    fn on_phone_event(&mut self, ip: IpAddr, event: &phone::Event) {
        let now = self.now.mono;
        let Some(station) = self.stations.get_mut(&ip) else { return };
        let name = station.name.clone();
        match event {
            phone::Event::Incoming { leg, display, .. } => {
                station.lines.insert(*leg, Line::Ringing);
                self.log.say(now, &name, format_args!("rings: {display}"));
                self.happened.push_back(Happening::Rings(ip));
            }
            phone::Event::Ringing { .. } => self.log.say(now, &name, format_args!("hears ringing")),
            phone::Event::Answered { leg, suite, .. } => {
                if let Some(suite) = suite {
                    self.log.say(now, &name, format_args!("talks over SRTP ({})", suite.name()));
                }
                station.lines.insert(*leg, Line::Talking);
                self.happened.push_back(Happening::Established(ip));
            }
            phone::Event::Held { held, .. } => {
                self.log.say(now, &name, format_args!("is {} hold", if *held { "on" } else { "off" }));
            }
            phone::Event::HoldDone { held, .. } => {
                self.log.say(now, &name, format_args!("{}", if *held { "holds" } else { "resumes" }));
            }
            phone::Event::HoldRefused { status, .. } => {
                self.log.say(now, &name, format_args!("may not hold: {status}"));
            }
            phone::Event::Digit { digit, by, .. } => {
                let how = if *by == Keying::Info { " (INFO)" } else { "" };
                self.log.say(now, &name, format_args!("gets key {digit}{how}"));
            }
            phone::Event::Ended { leg, by, status, .. } => {
                station.lines.remove(leg);
                let status = status.map_or_else(String::new, |status| format!(" {status}"));
                self.log.say(now, &name, format_args!("line ends: {}{status}", words::ended(*by)));
            }
            phone::Event::RegisterFailed { status } => {
                self.log.say(now, &name, format_args!("cannot register: {status}"));
            }
            phone::Event::Registered { .. }
            | phone::Event::Unregistered
            | phone::Event::PlayDone { .. }
            | phone::Event::Heard { .. }
            | phone::Event::MediaLost { .. }
            | phone::Event::MediaBack { .. }
            | phone::Event::Quality { .. } => {}
        }
    }

    /// Whose RTP arrives where, and what everybody hears.
    fn listen(&mut self) {
        let now = self.now.mono;
        let mut arriving = Vec::new();
        for station in self.stations.values().filter(|station| station.life == Life::Well && !station.muted) {
            arriving.extend(station.streams());
        }
        let listening: Vec<(LegId, u16)> = self.plane.listening().collect();
        for (leg, port) in listening {
            // What is protected with other keys, or with none, is dropped.
            let opens = self.plane.keys(leg).map(|keys| keys.receive.clone());
            self.plane.set_flowing(leg, arriving.contains(&(port, opens)), now);
        }
        let sending: Vec<(LegId, u16, SocketAddr)> = self.plane.sending().collect();
        for (leg, _, to) in &sending {
            if self.stations.get(&to.ip()).is_some_and(|station| station.life == Life::Crashed) {
                self.plane.on_unreachable(*leg);
            }
        }
        if self.log.off {
            return;
        }
        let told: BTreeSet<SocketAddr> = sending.iter().map(|(.., to)| *to).collect();
        for (leg, _, to) in sending {
            let heard = match self.plane.hears(leg) {
                Hears::Nothing => NOTHING.to_owned(),
                Hears::Clip(name) => name,
                Hears::Leg(peer) if self.plane.flows(peer) => self.whose(peer),
                Hears::Leg(_) => NOTHING.to_owned(),
            };
            let keys = self.plane.keys(leg).map(|keys| keys.send.clone());
            self.hear(to, keys.as_ref(), heard);
        }
        for station in self.stations.values_mut() {
            for (leg, audio) in &station.audio {
                if !told.contains(&SocketAddr::new(station.addr.ip(), audio.port)) {
                    station.heard.remove(leg);
                }
            }
        }
    }

    /// The name of the phone at the far end of a leg of the switch.
    fn whose(&self, leg: LegId) -> String {
        let far = self.plane.sending().find(|(id, ..)| *id == leg).map(|(.., to)| to);
        let far = far.or_else(|| self.far_of(leg));
        far.and_then(|to| self.stations.get(&to.ip()))
            .map_or_else(|| leg.to_string(), |there| there.name.clone())
    }

    /// Who sends to a leg that itself may not send.
    fn far_of(&self, leg: LegId) -> Option<SocketAddr> {
        let (_, port) = self.plane.listening().find(|(id, _)| *id == leg)?;
        let sends = |audio: &Audio| audio.remote == Some(SocketAddr::new(SWITCH.ip(), port));
        let station = self.stations.values().find(|station| station.audio.values().any(sends))?;
        Some(station.addr)
    }

    fn hear(&mut self, at: SocketAddr, keys: Option<&Keys>, what: String) {
        let now = self.now.mono;
        let Some(station) = self.stations.get_mut(&at.ip()).filter(|station| station.life == Life::Well)
        else {
            return;
        };
        let Some(leg) = station.leg_at(at.port()) else { return };
        let opens = |audio: &Audio| audio.keys.as_ref().map(|keys| &keys.receive) == keys;
        let listens = station.audio.get(&leg).is_some_and(|audio| audio.receives && opens(audio));
        if !listens || what == NOTHING {
            station.heard.remove(&leg);
        } else if station.heard.get(&leg) != Some(&what) {
            self.log.say(now, &station.name, format_args!("hears {what}"));
            station.heard.insert(leg, what);
        }
    }
}
