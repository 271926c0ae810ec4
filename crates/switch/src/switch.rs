//! The machine: inputs are handed to the child they are for, and what the children say is carried on until all are
//! quiet.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use havre_call::{Call, Redial};
use havre_dialplan::Dialplan;
use havre_media::{self as media, sdp};
use havre_model::{AgentId, AgentProfile, CallId, Cause, LegId, Now, OfferId, TrunkId, Wakeup};
use havre_queue::{self as queue, Engine};
use havre_sip::{self as sip, Endpoint};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::feature;
use crate::io::{
    BrowserMedia, CodecPolicy, Configuration, Input, MediaInput, Output, Outsiders, ReloadPlan, SrtpPolicy,
};
use crate::leg::{Begins, DialledLegs, Leg, Media, Part, Role};
use crate::library::Library;
use crate::quality::Closing;
use crate::returning::Returning;
use crate::wakeups::Wakeups;

/// One node's control plane.
pub struct Switch {
    pub(crate) sip: Endpoint,
    pub(crate) queue: Engine,
    pub(crate) redial: Redial,
    pub(crate) plan: Arc<Dialplan>,
    pub(crate) library: Arc<Library>,
    pub(crate) agents: HashMap<AgentId, AgentProfile>,
    pub(crate) ring_first: HashSet<TrunkId>,
    pub(crate) srtp: SrtpPolicy,
    pub(crate) codecs: CodecPolicy,
    pub(crate) outsiders: Outsiders,
    pub(crate) calls: HashMap<CallId, Box<Entry>>,
    pub(crate) legs: HashMap<LegId, Leg>,
    /// Legs that are over, until their last report has come.
    pub(crate) closing: HashMap<LegId, Closing>,
    /// The ringing or answered leg of each offer that the queue has not seen the end of.
    pub(crate) offers: HashMap<OfferId, LegId>,
    /// Agents in a talk whose browser went away, or who are about to go on with it on another device.
    pub(crate) returning: HashMap<AgentId, Returning>,
    /// Legs of pages whose connection is gone, while their talks go on.
    pub(crate) detached: HashMap<AgentId, LegId>,
    pub(crate) dialled: DialledLegs,
    pub(crate) wakeups: Wakeups,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) random: ChaCha20Rng,
    pub(crate) counters: Counters,
    rtp_advertise: IpAddr,
    rtp_advertise_other: Option<IpAddr>,
    pub(crate) browser: Option<BrowserMedia>,
    shards: usize,
}

/// A call, and what belongs to it here.
pub(crate) struct Entry {
    pub(crate) call: Call,
    pub(crate) leg: LegId,
    /// The prompts of the plan that the call began with.
    pub(crate) library: Arc<Library>,
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Media events of legs that are gone already.
    pub late_media: u64,
    /// Legs that no port was left for.
    pub no_port: u64,
    /// Offers and answers of SDP without a common codec.
    pub no_common_codec: u64,
    /// Offers and answers without SRTP where it is required, or with nothing but SRTP where it is off or cannot be.
    pub not_secure: u64,
    /// Calls refused because too many are in progress.
    pub too_many_calls: u64,
    /// Legs whose port answered with ICMP.
    pub media_unreachable: u64,
}

impl Counters {
    /// Name and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("late_media", self.late_media),
            ("no_port", self.no_port),
            ("no_common_codec", self.no_common_codec),
            ("not_secure", self.not_secure),
            ("too_many_calls", self.too_many_calls),
            ("media_unreachable", self.media_unreachable),
        ]
        .into_iter()
    }
}

impl Switch {
    /// A switch that takes calls at once.
    #[must_use]
    pub fn new(configuration: Configuration, seed: [u8; 32], now: Now) -> Self {
        let Configuration {
            sip,
            agents,
            ring_first,
            srtp,
            codecs,
            outsiders,
            plan,
            library,
            rtp_advertise,
            rtp_advertise_other,
            browser,
            shards,
        } = configuration;
        let mut random = ChaCha20Rng::from_seed(seed);
        let mut seeds = || {
            let mut seed = [0; 32];
            random.fill_bytes(&mut seed);
            seed
        };
        let endpoint = Endpoint::new(Arc::new(with_numbers(sip, &plan, &outsiders)), seeds(), now);
        let mut this = Self {
            sip: endpoint,
            queue: Engine::new(seeds(), now),
            redial: Redial::new(seeds(), now.mono),
            agents: HashMap::new(),
            calls: HashMap::new(),
            legs: HashMap::new(),
            closing: HashMap::new(),
            offers: HashMap::new(),
            returning: HashMap::new(),
            detached: HashMap::new(),
            dialled: DialledLegs::default(),
            wakeups: Wakeups::default(),
            outputs: VecDeque::new(),
            counters: Counters::default(),
            shards: shards.max(1),
            plan,
            library,
            ring_first,
            srtp,
            codecs,
            outsiders,
            rtp_advertise,
            rtp_advertise_other,
            browser,
            random,
        };
        this.set_agents(agents, now);
        this.carry(now);
        this
    }

    /// The outside says something.
    pub fn handle_input(&mut self, input: Input<'_>, now: Now) {
        match input {
            Input::Datagram { local, source, bytes } => {
                self.sip.handle_input(sip::Input::Datagram { local, source, bytes }, now);
            }
            Input::Connected { flow, local, remote, link } => {
                self.sip.handle_input(sip::Input::Connected { flow, local, remote, link }, now);
            }
            Input::Message { flow, bytes } => self.sip.handle_input(sip::Input::Message { flow, bytes }, now),
            Input::Stream { flow, bytes } => self.sip.handle_input(sip::Input::Stream { flow, bytes }, now),
            Input::Closed { flow } => self.sip.handle_input(sip::Input::Closed { flow }, now),
            Input::Resolved { question, answer } => {
                self.sip.handle_input(sip::Input::Resolved { question, answer }, now);
            }
            Input::Unreachable { local, remote } => {
                self.sip.handle_input(sip::Input::Unreachable { local, remote }, now);
            }
            Input::Load { delay } => self.sip.handle_input(sip::Input::Load { delay }, now),
            Input::Leisure => self.sip.handle_input(sip::Input::Leisure, now),
            Input::Media(input) => self.on_media(input, now),
            Input::Store(ack) => self.queue.handle_input(queue::Input::Store(ack), now),
            Input::Command { agent, command, reply } => {
                let reply = reply & !(1 << 63);
                self.queue.handle_input(queue::Input::Command { agent, command, reply }, now);
            }
            Input::Reload(reload) => self.on_reload(*reload, now),
            Input::Take { call, agent, reply } => {
                let reply = reply & !(1 << 63);
                self.queue.handle_input(queue::Input::Take { call, agent, reply }, now);
            }
            Input::Escalate(call) => self.tell_call(call, havre_call::Input::Escalated, now),
            Input::Drain => self.command_sip(sip::Command::Drain, now),
            Input::HangUp => {
                let calls: Vec<CallId> = self.calls.keys().copied().collect();
                for call in calls {
                    self.tell_call(call, havre_call::Input::Fail(Cause::Draining), now);
                }
            }
        }
        self.carry(now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Now) {
        self.sip.handle_timeout(now);
        self.queue.handle_timeout(now);
        while let Some(id) = self.wakeups.take_due(now.mono) {
            if let Some(entry) = self.calls.get_mut(&id) {
                entry.call.handle_timeout(now);
            }
            self.carry_call(id, now);
        }
        self.carry(now);
    }

    /// What the outside has to do next.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When the switch wants to be woken.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        let children = Wakeup::earliest(self.sip.poll_timeout(), self.queue.poll_timeout());
        Wakeup::earliest(children, self.wakeups.next())
    }

    /// The SIP endpoint, to look at.
    #[must_use]
    pub const fn sip(&self) -> &Endpoint {
        &self.sip
    }

    /// The queue engine, to look at.
    #[must_use]
    pub const fn queue(&self) -> &Engine {
        &self.queue
    }

    /// The calls in progress, to look at.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.values().map(|entry| &entry.call)
    }

    /// A call in progress, to look at.
    #[must_use]
    pub fn call(&self, id: CallId) -> Option<&Call> {
        self.calls.get(&id).map(|entry| &entry.call)
    }

    /// Legs in progress, callers' and agents'.
    #[must_use]
    pub fn legs(&self) -> usize {
        self.legs.len()
    }

    /// Offers whose phones ring or are answered, and that nobody has been connected by yet.
    #[must_use]
    pub fn offers(&self) -> usize {
        self.offers.len()
    }

    /// What was counted here (the children count their own).
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The plan that new calls get.
    #[must_use]
    pub const fn plan(&self) -> &Arc<Dialplan> {
        &self.plan
    }

    /// Carries what the children say to one another until all are quiet.
    fn carry(&mut self, now: Now) {
        loop {
            if let Some(output) = self.sip.poll_output() {
                self.on_sip(output, now);
            } else if let Some(output) = self.queue.poll_output() {
                self.on_queue(output, now);
            } else {
                return;
            }
        }
    }

    fn on_sip(&mut self, output: sip::Output, now: Now) {
        match output {
            sip::Output::Transmit { path, bytes } => self.outputs.push_back(Output::Transmit { path, bytes }),
            sip::Output::Connect { transport, local, remote, flow, server_name } => {
                self.outputs.push_back(Output::Connect { transport, local, remote, flow, server_name });
            }
            sip::Output::Disconnect { flow } => self.outputs.push_back(Output::Disconnect { flow }),
            sip::Output::Resolve(question) => self.outputs.push_back(Output::Resolve(question)),
            sip::Output::Event(event) => self.on_sip_event(event, now),
        }
    }

    fn on_sip_event(&mut self, event: sip::Event, now: Now) {
        match event {
            sip::Event::Incoming { leg, origin, called, line, caller, offer, path, .. } => {
                match (origin, line) {
                    (sip::Origin::Trunk(trunk), Some(line)) => {
                        self.on_caller(leg, trunk, line, &caller, offer, now);
                    }
                    (sip::Origin::Agent(agent), _) => {
                        self.on_feature(leg, &agent, &called, offer, path.transport.is_web(), now);
                    }
                    (sip::Origin::Trunk(_) | sip::Origin::Anyone, _) => {
                        self.command_sip(
                            sip::Command::Reject { leg, status: Cause::NotFound.sip_status() },
                            now,
                        );
                    }
                }
                self.is_called_from(leg, path);
            }
            sip::Event::Replacing { leg, replaced, early, offer, path } => {
                let web = path.transport.is_web();
                if early {
                    self.on_picking_up(leg, replaced, offer, web, now);
                } else {
                    self.on_replacing(leg, replaced, offer, web, now);
                }
                self.is_called_from(leg, path);
            }
            sip::Event::Registered { agent, .. } => {
                if !self.sip.has_browser(&agent) {
                    // What was not heard was a browser, and it is gone; another phone says nothing of its network.
                    self.queue.handle_input(queue::Input::Unheard { agent: agent.clone(), yes: false }, now);
                }
                self.queue.handle_input(queue::Input::Reachable { agent: agent.clone(), yes: true }, now);
                self.reattach(&agent, now);
                self.dial_returning(&agent);
            }
            sip::Event::Trunk { trunk, health } => {
                self.outputs.push_back(Output::Trunk { trunk, health });
                self.say_who_has_a_telephone(std::iter::empty(), now);
            }
            sip::Event::Unregistered { agent } => {
                self.queue.handle_input(queue::Input::Reachable { agent, yes: false }, now);
            }
            sip::Event::Refused { status, why, trunk } => {
                self.outputs.push_back(Output::Refused { status, why, trunk });
            }
            sip::Event::Guessing { source, failures } => {
                self.outputs.push_back(Output::Guessing { source, failures });
            }
            sip::Event::RegisterResult { .. } => {}
            event => {
                let Some(leg) = event.leg() else { return };
                match self.legs.get(&leg).map(|leg| &leg.role) {
                    Some(Role::Caller { call, .. }) => self.on_caller_event(*call, event, now),
                    Some(Role::Agent { .. }) => self.on_agent_event(leg, event, now),
                    Some(Role::Feature(_)) => self.on_feature_event(leg, event, now),
                    // Ours ended already here; the endpoint only finishes its transactions.
                    None => {}
                }
            }
        }
    }

    fn on_feature_event(&mut self, leg: LegId, event: sip::Event, now: Now) {
        match event {
            sip::Event::Confirmed { sdp, .. } if self.take_answer(leg, sdp.as_deref(), now) => {
                self.play_confirmation(leg);
            }
            sip::Event::Reoffered { sdp, .. } => {
                let _held = self.answer_reoffer(leg, sdp, now);
            }
            sip::Event::NotConfirmed { .. } => self.end_feature(leg, Some(Cause::Done), now),
            sip::Event::Detached { .. } => self.end_feature(leg, Some(Cause::AgentLost), now),
            sip::Event::Ended { .. } => self.end_feature(leg, None, now),
            _ => {}
        }
    }

    fn on_media(&mut self, input: MediaInput, now: Now) {
        match input {
            MediaInput::Opened { leg, rtp, rtcp, ice } => self.on_opened(leg, rtp, rtcp, ice, now),
            MediaInput::OpenFailed { leg } => {
                self.counters.no_port += 1;
                self.fail_leg(leg, Cause::Overloaded, now);
            }
            MediaInput::Event(event) => self.on_media_event(&event, now),
        }
    }

    fn on_opened(&mut self, leg: LegId, rtp: u16, rtcp: u16, ice: Option<media::IceLocal>, now: Now) {
        let id = self.random.next_u64() >> 2;
        let codecs = self.codecs_for(leg);
        let browser = self.browser.as_ref().zip(ice).map(|(ours, ice)| sdp::BrowserLocal {
            ice,
            fingerprint: ours.fingerprint,
            candidates: ours.candidates_host.iter().map(|ip| SocketAddr::new(*ip, rtp)).collect(),
        });
        let srtp = self.legs.get(&leg).filter(|_| browser.is_none()).map(|leg| leg.srtp).unwrap_or_default();
        let sdes = sdp::Sdes::new(srtp, &mut self.random);
        let local = sdp::Local { addr: self.rtp_advertise, rtp, rtcp, codecs, browser, sdes };
        let Some(entry) = self.legs.get_mut(&leg) else {
            // The leg ended while its sockets were bound; they were told to close in that order.
            self.counters.late_media += 1;
            return;
        };
        let mut session = sdp::Session::new(local, id);
        if let Some(other) = self.rtp_advertise_other {
            session.also_at(other);
        }
        if let Some(there) = entry.there {
            session.speak_to(there);
        }
        match std::mem::replace(&mut entry.media, Media::Open(Box::new(session))) {
            Media::Opening(Begins::Dial) => self.dial_agent(leg, now),
            Media::Opening(Begins::Answer(offer)) => self.answer_invite(leg, offer, now),
            Media::Open(_) => {}
        }
    }

    fn on_media_event(&mut self, event: &media::Event, now: Now) {
        let leg = match event {
            media::Event::Digit { leg, .. }
            | media::Event::Tty { leg }
            | media::Event::PlayDone { leg, .. }
            | media::Event::MediaLost { leg, .. }
            | media::Event::MediaBack { leg }
            | media::Event::Unreachable { leg }
            | media::Event::FarHears { leg, .. }
            | media::Event::Heard { leg, .. } => *leg,
            media::Event::Quality { leg, quality, last } => {
                return self.on_quality(*leg, quality, *last, now);
            }
            media::Event::Bridged { .. } => return,
        };
        if !self.legs.contains_key(&leg) {
            self.counters.late_media += 1;
            return;
        }
        self.on_one_way(leg, event, now);
        if matches!(event, media::Event::Unreachable { .. }) {
            self.counters.media_unreachable += 1;
        }
        let Some(entry) = self.legs.get(&leg) else { return };
        match entry.role {
            Role::Caller { call, .. } => self.on_caller_media(call, event, now),
            Role::Agent { call, part: Part::Talking, .. } => self.on_agent_media(call, event, now),
            Role::Agent { part: Part::Outside(telephone), .. } => {
                self.on_outside_media(leg, telephone, event, now);
            }
            Role::Agent { .. } => {}
            Role::Feature(_) => match event {
                media::Event::PlayDone { .. } => self.on_confirmation_played(leg, now),
                // A test call has no end of its own, and nobody may be left there.
                media::Event::MediaLost { .. } | media::Event::Unreachable { .. } => {
                    self.end_feature(leg, Some(Cause::AgentLost), now);
                }
                _ => {}
            },
        }
    }

    fn on_queue(&mut self, output: queue::Output, now: Now) {
        match output {
            queue::Output::Offer { offer, call, agent, kind, interpreter } => {
                self.on_offer(offer, call, &agent, kind, interpreter, now);
            }
            queue::Output::Withdraw { offer, call, agent, why } => {
                self.on_withdraw(offer, call, agent, why, now);
            }
            queue::Output::Connect { call, agent, offer } => self.on_connect(call, agent, offer, now),
            queue::Output::Reject { offer } => self.on_reject(offer, now),
            queue::Output::Alert { call } => {
                self.tell_call(call, havre_call::Input::Alerted { paged: false }, now);
            }
            queue::Output::Page { call } => {
                self.tell_call(call, havre_call::Input::Alerted { paged: true }, now);
            }
            queue::Output::MoreHelp { call } => self.tell_call(call, havre_call::Input::MoreHelp, now),
            queue::Output::Partner { call } => self.tell_call(call, havre_call::Input::PartnerOffered, now),
            queue::Output::Agent { agent, state } => self.outputs.push_back(Output::Agent { agent, state }),
            queue::Output::Answer { reply, result } => {
                if reply >> 63 == 1 {
                    self.on_feature_done(LegId(reply), result.is_ok());
                } else {
                    self.outputs.push_back(Output::Answer { reply, result });
                }
            }
            queue::Output::Taken { reply, result } => self.outputs.push_back(Output::Taken { reply, result }),
            queue::Output::Store(op) => self.outputs.push_back(Output::Store(op)),
            queue::Output::Degraded(degraded) => self.outputs.push_back(Output::Degraded(degraded)),
        }
    }

    fn on_reload(&mut self, reload: ReloadPlan, now: Now) {
        let ReloadPlan { sip, agents, ring_first, srtp, codecs, outsiders, plan, library } = reload;
        let sip = with_numbers(sip, &plan, &outsiders);
        let former = std::mem::replace(&mut self.outsiders, outsiders);
        self.command_sip(sip::Command::Configure(Arc::new(sip)), now);
        self.plan = plan;
        self.library = library;
        self.ring_first = ring_first;
        (self.srtp, self.codecs) = (srtp, codecs);
        self.set_agents(agents, now);
        self.say_who_has_a_telephone(former.phones.into_keys(), now);
    }

    fn set_agents(&mut self, agents: Vec<AgentProfile>, now: Now) {
        self.agents = agents.iter().map(|profile| (profile.id.clone(), profile.clone())).collect();
        self.queue.handle_input(queue::Input::Agents(agents), now);
        self.say_who_has_a_telephone(std::iter::empty(), now);
    }

    /// Whether an agent's media is to be SRTP.
    pub(crate) fn srtp_of(&self, agent: &AgentId) -> sdp::Srtp {
        self.srtp.agents.get(agent).copied().unwrap_or_default()
    }

    pub(crate) fn shard_of(&self, seed: u64) -> usize {
        usize::try_from(seed % self.shards as u64).unwrap_or(0)
    }

    pub(crate) fn command_sip(&mut self, command: sip::Command, now: Now) {
        self.sip.handle_input(sip::Input::Command(command), now);
    }

    /// A command for the data thread of `leg`.
    pub(crate) fn command_media(&mut self, leg: LegId, command: media::Command) {
        if let Some(entry) = self.legs.get(&leg) {
            self.outputs.push_back(Output::Media { shard: entry.shard, command });
        }
    }

    /// A new leg: its sockets are asked for.
    pub(crate) fn add_leg(&mut self, id: LegId, leg: Leg) {
        let web = leg.is_browsers() && self.browser.is_some();
        let face = if web { media::Face::Browser } else { media::Face::Plain };
        let command = media::Command::Open { leg: id, face };
        self.outputs.push_back(Output::Media { shard: leg.shard, command });
        self.legs.insert(id, leg);
    }

    /// Its sockets are not bound yet, so that nothing was described.
    fn is_called_from(&mut self, leg: LegId, path: sip::Path) {
        if let Some(leg) = self.legs.get_mut(&leg) {
            leg.there = Some(path.remote.ip());
        }
    }

    /// The far side ended it.
    pub(crate) fn forget_leg(&mut self, id: LegId) -> Option<Leg> {
        self.command_media(id, media::Command::Close { leg: id });
        let leg = self.legs.remove(&id)?;
        self.await_last_report(id, &leg);
        Some(leg)
    }

    /// A feature code's leg is over, whoever ended it.
    pub(crate) fn end_feature(&mut self, id: LegId, cause: Option<Cause>, now: Now) {
        let leg = match cause {
            Some(cause) => self.drop_leg(id, cause, now),
            None => self.forget_leg(id),
        };
        if let Some(Leg { role: Role::Feature(feature), .. }) = leg {
            self.on_feature_over(feature, now);
        }
    }

    /// We end it.
    pub(crate) fn drop_leg(&mut self, id: LegId, cause: Cause, now: Now) -> Option<Leg> {
        let leg = self.forget_leg(id);
        if leg.is_some() {
            self.command_sip(sip::Command::HangUp { leg: id, cause }, now);
        }
        leg
    }
}

fn with_numbers(mut config: sip::Config, plan: &Dialplan, outsiders: &Outsiders) -> sip::Config {
    config.outside = outsiders.phones.values().cloned().collect();
    config.feature_codes = feature::codes();
    config.lines = plan
        .lines()
        .iter()
        .map(|line| sip::LineNumbers { line: line.id.clone(), numbers: line.numbers.clone() })
        .collect();
    config
}
