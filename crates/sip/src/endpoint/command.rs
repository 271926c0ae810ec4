//! Commands to what they are for.

use std::sync::Arc;

use havre_model::{Cause, LegId, Peer};

use super::{Account, Command, DialOffer, EndedBy, Endpoint, Event, Identity, Target};
use crate::config::Config;
use crate::leg::{Destination, Dialling, ForCall, Leg, Party};
use crate::registrar::Binding;
use crate::registration::{Registration, RegistrationId};
use crate::secrets::Secrets;
use crate::stack::Stack;

impl Endpoint {
    pub(super) fn on_command(&mut self, command: Command) {
        match command {
            Command::Progress { leg, status } => self.tell(leg, |leg, stack| leg.progress(stack, status)),
            Command::Answer { leg, sdp } => self.tell(leg, |leg, stack| leg.answer(stack, sdp)),
            Command::Reject { leg, status } => self.tell(leg, |leg, stack| leg.reject(stack, status)),
            Command::Ack { leg, sdp } => self.tell(leg, |leg, stack| leg.ack(stack, sdp)),
            Command::Reoffer { leg, sdp } => self.tell(leg, |leg, stack| leg.reoffer(stack, sdp)),
            Command::SendDigit { leg, digit } => self.tell(leg, |leg, stack| leg.send_digit(stack, digit)),
            Command::Probe { leg } => self.tell(leg, Leg::probe),
            Command::HangUp { leg, cause } => self.tell(leg, |leg, stack| leg.hang_up(stack, cause)),
            Command::Dial { leg, target, from, sdp, account } => self.dial(leg, target, &from, sdp, account),
            Command::Register { account, registrar, uri, expires } => {
                if let Some(former) = &mut self.registration {
                    former.stop(&mut self.stack);
                }
                self.registration = Some(Registration::begin(
                    &mut self.stack,
                    RegistrationId::PHONE,
                    account,
                    registrar,
                    uri,
                    expires,
                ));
            }
            Command::Unregister => match &mut self.registration {
                Some(registration) => registration.leave(&mut self.stack),
                None => self.stack.counters.stray_commands += 1,
            },
            Command::Drain => {
                self.draining = true;
                // A carrier that knows us by our registration sends its callers elsewhere.
                self.trunks.drain(&mut self.stack);
            }
            Command::Configure(config) => self.configure(config),
        }
    }

    fn tell(&mut self, id: LegId, act: impl FnOnce(&mut Leg, &mut Stack)) {
        if self.legs.contains(id) {
            self.with_leg(id, act);
        } else {
            self.stack.counters.stray_commands += 1;
        }
    }

    fn dial(
        &mut self,
        leg: LegId,
        target: Target,
        from: &Identity,
        sdp: Option<DialOffer>,
        account: Option<Account>,
    ) {
        if self.legs.contains(leg) {
            self.stack.counters.stray_commands += 1;
            return;
        }
        if self.legs.len() >= self.stack.config.limits.legs {
            let (by, status, cause) = (EndedBy::Refused, Some(503), Cause::Overloaded);
            self.stack.emit(Event::Ended { leg, by, status, cause });
            return;
        }
        let peer = match &target {
            Target::Agent(agent) | Target::Browser { agent, .. } => Peer::Agent(agent.clone()),
            // Each trunk that is tried is named when it is.
            Target::Uri { .. } | Target::Instead { .. } | Target::Outside(_) => Peer::Unknown,
        };
        let owner = match &peer {
            Peer::Agent(agent) => Some(agent.clone()),
            Peer::Trunk(_) | Peer::Unknown => None,
        };
        let phone = |b: &Binding| Destination { uri: b.uri.clone(), path: b.path, phone: true };
        let mut replaces = None;
        let (to, call) = match target {
            Target::Outside(to) => return self.dial_outside(leg, to, from.clone(), sdp),
            Target::Uri { uri, path } => (vec![Destination { uri, path, phone: false }], None),
            Target::Instead { uri, path, of } => {
                replaces = Some(of);
                (vec![Destination { uri, path, phone: false }], None)
            }
            Target::Agent(agent) => (self.registrar.phones(&agent).map(phone).collect(), None),
            Target::Browser { agent, call, resume } => {
                (self.registrar.browsers(&agent).map(phone).collect(), Some(ForCall { call, resume }))
            }
        };
        let leg = Dialling::begin(
            &mut self.stack,
            leg,
            Party::Agent,
            &peer,
            to,
            from,
            call,
            replaces.as_ref(),
            sdp,
            account,
        );
        self.legs.insert(match owner {
            Some(agent) => leg.owned_by(agent),
            None => leg,
        });
    }

    fn configure(&mut self, config: Arc<Config>) {
        self.stack.secrets = Arc::new(Secrets::of(&config));
        let former = std::mem::replace(&mut self.stack.config, config);
        let present = &self.stack.config;
        if (&former.realm, &former.algorithms) != (&present.realm, &present.algorithms) {
            self.guard = super::guard(&mut self.stack);
        }
        self.registrar.on_configured(&mut self.stack);
        self.trunks.on_configured(&mut self.stack);
        self.stack.drop_ownerless_flows();
    }
}
