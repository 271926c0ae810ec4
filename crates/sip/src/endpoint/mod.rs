//! One node's (or one phone's) SIP: bytes and commands in, bytes and events out.

mod command;
mod input;
mod invite;
mod output;
mod outside;
mod receive;
mod replaces;
mod shed;
#[cfg(test)]
mod tests;

pub use input::{Account, Command, DialOffer, FlowOwner, Identity, Input, Link, Path, Target, Transport};
pub use output::{Caller, EndedBy, Event, Origin, Output};

use std::sync::Arc;

use havre_model::{
    AgentId, Attempt, CallId, Ladder, LegId, Now, Traffic, TrunkGroup, TrunkHealth, TrunkId, Wakeup,
};

use crate::admission::{AT_LEISURE, Admission};
use crate::config::Config;
use crate::counters::Counters;
use crate::digest::Guard;
use crate::leg::{Leg, Legs, refuse_answer};
use crate::registrar::{Binding, Registrar};
use crate::registration::{Registered, Registration, RegistrationId};
use crate::stack::{ClientId, Outcome, Purpose, Stack, Timer, User};
use crate::strangers::Strangers;
use crate::trunk::Trunks;
use crate::wire::Replaces;

/// Transactions, legs, the registrar and the edge of one node.
pub struct Endpoint {
    stack: Stack,
    legs: Legs,
    registrar: Registrar,
    guard: Guard,
    trunks: Trunks,
    /// As a phone: our own registration.
    registration: Option<Registration>,
    draining: bool,
    admission: Admission,
    strangers: Strangers,
}

impl Endpoint {
    /// Without bindings, calls and connections.
    #[must_use]
    pub fn new(config: Arc<Config>, seed: [u8; 32], now: Now) -> Self {
        let mut stack = Stack::new(config, seed, now);
        let guard = guard(&mut stack);
        let mut trunks = Trunks::default();
        trunks.on_configured(&mut stack);
        let admission = Admission::new(stack.random_key());
        Self {
            stack,
            legs: Legs::default(),
            registrar: Registrar::default(),
            guard,
            trunks,
            registration: None,
            draining: false,
            admission,
            strangers: Strangers::default(),
        }
    }

    /// Takes bytes or a command. Then poll outputs until there are none.
    pub fn handle_input(&mut self, input: Input<'_>, now: Now) {
        self.stack.now = now;
        match input {
            Input::Datagram { local, source, bytes } => self.on_datagram(local, source, bytes),
            Input::Connected { flow, local, remote, link } => {
                self.stack.on_connected(flow, local, remote, link);
            }
            Input::Message { flow, bytes } => self.on_web_message(flow, bytes),
            Input::Stream { flow, bytes } => self.on_stream(flow, bytes),
            Input::Closed { flow } => self.stack.on_closed(flow),
            Input::Unreachable { local, remote } => self.stack.on_unreachable(local, remote),
            Input::Resolved { question, answer } => {
                self.trunks.on_resolved(&mut self.stack, &question, answer);
            }
            Input::Load { delay } => {
                self.stack.counters.overloads += u64::from(self.admission.on_load(delay, self.stack.mono()));
            }
            Input::Leisure => self.let_in(AT_LEISURE),
            Input::Command(command) => self.on_command(command),
        }
        self.settle();
    }

    /// Does what is due at `now`. Then poll outputs until there are none.
    pub fn handle_timeout(&mut self, now: Now) {
        self.stack.now = now;
        while let Some(timer) = self.stack.pop_timer() {
            match timer {
                Timer::Leg(id, timer) => self.with_leg(id, |leg, stack| leg.on_timer(stack, timer)),
                Timer::Bindings(agent) => self.registrar.on_due(&mut self.stack, &agent),
                Timer::Registration(RegistrationId::PHONE) => {
                    if let Some(registration) = &mut self.registration {
                        registration.on_timer(&mut self.stack);
                    }
                }
                Timer::Registration(id) => self.trunks.on_registration_due(&mut self.stack, id),
                Timer::Trunk(id) => self.trunks.on_due(&mut self.stack, &id),
                Timer::Dns => self.trunks.resolve(&mut self.stack),
                Timer::Admission => self.on_admission_timer(),
                // The stack keeps its own to itself.
                Timer::Client(_) | Timer::Server(_) | Timer::Finished | Timer::Flow(_) => {}
            }
            self.settle();
        }
        self.settle();
    }

    /// The next thing for the outside to do.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.stack.pop_output()
    }

    /// When `handle_timeout` is wanted next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        self.stack.next_timeout()
    }

    /// What was counted since the start.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.stack.counters
    }

    /// Every binding, by account, of phones that answer and of phones that no longer do.
    pub fn bindings(&self) -> impl Iterator<Item = (&AgentId, &Binding)> {
        self.registrar.iter()
    }

    /// Another number whenever [`Self::bindings`] may give something else.
    #[must_use]
    pub const fn bindings_revision(&self) -> u64 {
        self.registrar.revision()
    }

    /// Whether the account is rung in a browser: as long as it has one that is there, no other phone of it rings.
    #[must_use]
    pub fn has_browser(&self, agent: &AgentId) -> bool {
        self.registrar.browsers(agent).next().is_some()
    }

    /// Whether the account has a registered phone that is there.
    #[must_use]
    pub fn is_reachable(&self, agent: &AgentId) -> bool {
        self.registrar.phones(agent).chain(self.registrar.browsers(agent)).next().is_some()
    }

    /// What is known of each outbound trunk.
    pub fn trunks(&self) -> impl Iterator<Item = (&TrunkId, TrunkHealth)> {
        self.trunks.states()
    }

    /// Whether calls to this group have a trunk to go over, as far as is known.
    #[must_use]
    pub fn can_reach(&self, group: &TrunkGroup) -> bool {
        self.trunks.can_reach(group)
    }

    /// The trunk that this leg goes over now.
    #[must_use]
    pub fn trunk_of(&self, leg: LegId) -> Option<&TrunkId> {
        self.trunks.of(leg)
    }

    /// Lets a leg that was detached go on over the connection by which the very page behind it has registered since: a
    /// page has one contact for as long as it lives. Whether there is such a page.
    pub fn reattach(&mut self, leg: LegId, agent: &AgentId) -> bool {
        let Some(leg) = self.legs.find(leg) else { return false };
        self.registrar.browsers(agent).any(|browser| leg.follow(&browser.uri, browser.path))
    }

    /// How another device of ours would name this leg's dialog to its far side (RFC 3891); `None` if it is not answered.
    #[must_use]
    pub fn replaces(&self, leg: LegId) -> Option<Replaces> {
        self.legs.replaces(leg)
    }

    /// Legs that are not over.
    #[must_use]
    pub fn legs(&self) -> usize {
        self.legs.len()
    }

    /// Says of which call a leg is that has just begun, for [`Self::ladder`].
    pub fn belongs(&mut self, leg: LegId, call: CallId) {
        self.stack.trace.belongs(leg, call);
    }

    /// What passed in a call, whoever's leg it was; `None` if it is not, or no longer, known.
    #[must_use]
    pub fn ladder(&self, call: CallId) -> Option<Ladder> {
        self.stack.trace.ladder(call)
    }

    /// INVITEs that became no call, the oldest first.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        self.stack.trace.attempts()
    }

    /// Messages by direction, transport and kind.
    pub fn traffic(&self) -> impl Iterator<Item = Traffic> {
        self.stack.trace.counts.iter()
    }

    /// Whether new calls have to wait, because there is more to do than can be done.
    #[must_use]
    pub const fn is_loaded(&self) -> bool {
        self.admission.is_loaded()
    }

    /// Calls that wait to be let in.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.admission.len()
    }

    /// Tells users of transactions what came of them, until nobody has anything more to say.
    fn settle(&mut self) {
        loop {
            if let Some((client, user, outcome)) = self.stack.pop_outcome() {
                self.on_outcome(client, user, outcome);
            } else if let Some((flow, remote)) = self.stack.pop_closed() {
                self.registrar.on_flow_closed(&mut self.stack, flow);
                self.legs.on_flow_closed(&mut self.stack, flow);
                self.trunks.on_flow_closed(&mut self.stack, remote);
                if let Some(registration) = &mut self.registration {
                    registration.on_flow_closed(&mut self.stack, remote);
                }
            } else if let Some((leg, news)) = self.stack.pop_news() {
                self.on_trunk_news(leg, news);
            } else {
                return;
            }
        }
    }

    fn on_outcome(&mut self, client: ClientId, user: User, outcome: Outcome) {
        match user {
            User::Leg(id, purpose) if self.legs.contains(id) => {
                self.with_leg(id, |leg, stack| leg.on_outcome(stack, client, purpose, &outcome));
            }
            // The leg is gone; a late 2xx to its INVITE must not leave the far side in a call.
            User::Unwanted | User::Leg(_, Purpose::Dial | Purpose::Reinvite) => {
                if let Outcome::Response(response) = outcome {
                    refuse_answer(&mut self.stack, client, &response);
                }
            }
            User::Registration(RegistrationId::PHONE) => {
                let registration = self.registration.as_mut();
                let told = registration.and_then(|r| r.on_outcome(&mut self.stack, client, &outcome));
                if let Some(Registered { status, expires }) = told {
                    self.stack.emit(Event::RegisterResult { status, expires });
                }
            }
            User::Registration(id) => self.trunks.on_registration(&mut self.stack, id, client, &outcome),
            User::Ping(id) => self.trunks.on_pinged(&mut self.stack, id, &outcome),
            User::Binding(binding) => self.registrar.on_asked(&mut self.stack, binding, &outcome),
            User::Leg(..) | User::Nobody => {}
        }
    }

    fn with_leg(&mut self, id: LegId, act: impl FnOnce(&mut Leg, &mut Stack)) {
        match self.legs.find(id) {
            Some(leg) => act(leg, &mut self.stack),
            None => return,
        }
        self.legs.sweep(id, self.stack.mono());
        if !self.legs.contains(id) {
            self.trunks.on_over(id);
        }
    }
}

/// Challenges and checks for the realm of the present configuration.
fn guard(stack: &mut Stack) -> Guard {
    let key = stack.random_key();
    Guard::new(&stack.config.realm, &stack.config.algorithms, key)
}
