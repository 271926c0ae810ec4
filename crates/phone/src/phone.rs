//! The user agent: what the person wants, what the network says, and what the data plane reports, put together.

use std::collections::{BTreeMap, VecDeque};

use havre_media::sdp::{Local, Negotiated, Sdes, Session};
use havre_media::{Command as MediaCommand, Face};
use havre_model::{LegId, Now, Wakeup};
use havre_sip::{Command as SipCommand, Endpoint, Input as SipInput, Output as SipOutput};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::leg::Leg;
use crate::{Answering, Config, Event, Input, Output};

/// One SIP user agent.
pub struct Phone {
    pub(crate) config: Config,
    pub(crate) endpoint: Endpoint,
    pub(crate) legs: BTreeMap<LegId, Leg>,
    pub(crate) counters: Counters,
    random: ChaCha12Rng,
    outputs: VecDeque<Output>,
}

/// What a phone would not do, since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Commands for a leg that is gone or not far enough.
    pub commands_ignored: u64,
    /// Calls refused because there was no leg free.
    pub calls_refused_busy: u64,
    /// Offers and answers that could not be used.
    pub sdp_rejected: u64,
}

impl Counters {
    /// Name and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        [
            ("commands_ignored", self.commands_ignored),
            ("calls_refused_busy", self.calls_refused_busy),
            ("sdp_rejected", self.sdp_rejected),
        ]
        .into_iter()
    }
}

impl Phone {
    /// A phone without calls, not registered.
    #[must_use]
    pub fn new(config: Config, seed: [u8; 32], now: Now) -> Self {
        let mut random = ChaCha12Rng::from_seed(seed);
        let mut sip_seed = [0; 32];
        random.fill_bytes(&mut sip_seed);
        Self {
            endpoint: Endpoint::new(config.sip.clone(), sip_seed, now),
            legs: BTreeMap::new(),
            counters: Counters::default(),
            outputs: VecDeque::new(),
            config,
            random,
        }
    }

    /// Takes what came from the network, the data plane or the person.
    pub fn handle_input(&mut self, input: Input<'_>, now: Now) {
        match input {
            Input::Sip(input) => self.endpoint.handle_input(input, now),
            Input::Opened { leg, rtp, rtcp } => self.on_opened(leg, rtp, rtcp, now),
            Input::OpenFailed { leg } => self.on_open_failed(leg, now),
            Input::Media(event) => self.on_media(&event),
            Input::Command(command) => self.on_command(command, now),
        }
        self.drain(now);
    }

    /// Does what is due: SIP timers, and answering.
    pub fn handle_timeout(&mut self, now: Now) {
        self.endpoint.handle_timeout(now);
        let due: Vec<LegId> = self
            .legs
            .iter()
            .filter(|(_, leg)| leg.due().is_some_and(|at| at <= now.mono))
            .map(|(id, _)| *id)
            .collect();
        for leg in due {
            self.answer(leg);
        }
        self.drain(now);
    }

    /// The next thing to do, until `None`.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call `handle_timeout` next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        let answering = self.legs.values().filter_map(Leg::due).min().map(|at| Wakeup { at, why: "answer" });
        Wakeup::earliest(self.endpoint.poll_timeout(), answering)
    }

    /// The legs there are.
    pub fn legs(&self) -> impl Iterator<Item = LegId> + '_ {
        self.legs.keys().copied()
    }

    /// How another phone of the account would name this leg's dialog, to go on with the call itself.
    #[must_use]
    pub fn replaces(&self, leg: LegId) -> Option<havre_sip::wire::Replaces> {
        self.endpoint.replaces(leg)
    }

    /// What it would not do.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What its SIP machine did and dropped.
    #[must_use]
    pub fn sip_counters(&self) -> &havre_sip::Counters {
        self.endpoint.counters()
    }

    fn drain(&mut self, now: Now) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                SipOutput::Transmit { path, bytes } => {
                    self.outputs.push_back(Output::Transmit { path, bytes });
                }
                SipOutput::Connect { transport, local, remote, flow, server_name } => {
                    self.outputs.push_back(Output::Connect { transport, local, remote, flow, server_name });
                }
                SipOutput::Disconnect { flow } => self.outputs.push_back(Output::Disconnect { flow }),
                // A phone has no trunks, so no names of them.
                SipOutput::Resolve(_) => {}
                SipOutput::Event(event) => self.on_sip(event, now),
            }
        }
    }

    pub(crate) fn report(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(crate) fn media(&mut self, command: MediaCommand) {
        self.outputs.push_back(Output::Media(command));
    }

    pub(crate) fn sip(&mut self, command: SipCommand, now: Now) {
        self.endpoint.handle_input(SipInput::Command(command), now);
    }

    pub(crate) fn configure(&mut self, leg: LegId, negotiated: Negotiated) {
        self.media(MediaCommand::Configure { leg, negotiated: Box::new(negotiated) });
    }

    pub(crate) fn session(&mut self, rtp: u16, rtcp: u16) -> Box<Session> {
        let local = Local {
            addr: self.config.media_addr,
            rtp,
            rtcp,
            codecs: self.config.codecs.clone(),
            browser: None,
            sdes: Sdes::new(self.config.srtp, &mut self.random),
        };
        // Below 2^62, as `Session::new` asks.
        Box::new(Session::new(local, self.random.next_u64() >> 2))
    }

    pub(crate) fn set_answering(&mut self, answering: Answering) {
        self.config.answering = answering;
    }

    /// Opens the media of a ringing leg; the 200 follows when its ports are there.
    pub(crate) fn answer(&mut self, leg: LegId) {
        match self.legs.remove(&leg) {
            Some(Leg::Ringing { offer, .. }) => {
                self.legs.insert(leg, Leg::Answering { offer });
                self.media(MediaCommand::Open { leg, face: Face::Plain });
            }
            Some(other) => {
                self.legs.insert(leg, other);
                self.counters.commands_ignored += 1;
            }
            None => self.counters.commands_ignored += 1,
        }
    }
}
