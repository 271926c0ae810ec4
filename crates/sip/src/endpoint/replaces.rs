//! An INVITE with `Replaces` (RFC 3891): an account's device that wants the place of another one in its talk.

use havre_model::{AgentId, LegId};

use super::{Endpoint, Origin};
use crate::admission::Waiting;
use crate::endpoint::Caller;
use crate::leg::Named;
use crate::stack::Inbound;
use crate::wire::{Headers, Name, Request, Tokens};

/// RFC 3911: to be added to a call, which nobody is but by a supervisor's right.
const JOIN: &str = "Join";
/// The extension's name.
pub(super) const TAG: &str = "replaces";

impl Endpoint {
    /// The account is proven. Whatever it names but does not own gets the answer of what does not exist.
    pub(super) fn on_replacing(&mut self, inbound: Inbound, agent: AgentId) {
        let (replaced, early) = match self.replaced_by(&inbound.request.headers, &agent) {
            Ok(replaced) => replaced,
            Err((status, why)) => return self.refuse(inbound, status, why, None),
        };
        let called = inbound.request.uri.user().unwrap_or_default().into_owned();
        let caller = havre_model::Pii::new(Caller { number: None, display: None });
        let since = self.stack.mono();
        let origin = Origin::Agent(agent);
        let call = Waiting { inbound, origin, called, line: None, caller, judged: None, since };
        self.admit(call, Some((replaced, early)));
    }

    /// §3, in its order: the leg, and whether it only rings.
    fn replaced_by(&self, headers: &Headers, agent: &AgentId) -> Result<(LegId, bool), (u16, &'static str)> {
        if headers.has(&Name::Other(JOIN.into())) {
            return Err((400, "Replaces and Join"));
        }
        let Ok(Some(replaces)) = headers.replaces() else { return Err((400, "a bad Replaces")) };
        match self.legs.named_for(agent, &replaces, self.stack.mono()) {
            Named::Leg(_) if replaces.early_only => Err((486, "Replaces for an answered call")),
            Named::Leg(leg) => Ok((leg, false)),
            Named::Early(leg) => Ok((leg, true)),
            Named::Over => Err((603, "Replaces for a call that is over")),
            Named::Nothing => Err((481, "Replaces for no call")),
        }
    }
}

/// Whether it may not stand here (§3: in an INVITE that makes a dialog, and nowhere else).
pub(super) fn is_misplaced(request: &Request) -> bool {
    request.headers.has(&Name::Replaces)
}

/// What is required that only accounts' devices are given.
pub(super) fn required(request: &Request) -> Option<Tokens> {
    request.headers.require().has(TAG).then(|| Tokens::from_values(std::iter::once(TAG), &[',']))
}
