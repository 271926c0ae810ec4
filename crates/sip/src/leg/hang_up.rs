//! Ending a leg: RFC 3261 §15.

use std::time::Duration;

use havre_model::{Cause, LegId};

use super::credentials::Credentials;
use super::established::{Acknowledged, Established, Exchange};
use super::{State, over, respond};
use crate::Method;
use crate::dialog::Dialog;
use crate::endpoint::EndedBy;
use crate::stack::{ClientId, Inbound, Outcome, Purpose, Stack, User, add_reason};

/// A phone that hangs up within this time after its REFER was refused did so by itself: nobody is as quick.
const BY_ITSELF: Duration = Duration::from_secs(1);

/// Our BYE is out.
pub(crate) struct Ending {
    id: LegId,
    cause: Cause,
    pub(super) dialog: Dialog,
    /// Its 2xx may still be repeated.
    acknowledged: Option<Acknowledged>,
    credentials: Option<Box<Credentials>>,
}

impl Established {
    pub(super) fn hang_up(mut self: Box<Self>, stack: &mut Stack, cause: Cause) -> State {
        // §15: the side that was called waits for the ACK of its 2xx before it sends BYE.
        if self.unacknowledged.as_ref().is_some_and(|wait| wait.initial) {
            self.hang_up.get_or_insert(cause);
            return State::Established(self);
        }
        self.say_bye(stack, cause)
    }

    pub(super) fn say_bye(mut self: Box<Self>, stack: &mut Stack, cause: Cause) -> State {
        if let Exchange::Asked { client, seq } = self.exchange {
            // Their offer goes unanswered, but not their 2xx.
            self.send_ack(stack, client, seq, None);
        }
        self.close(stack, Some(cause));
        let Self { id, dialog, acknowledged, credentials, .. } = *self;
        let mut ending = Ending { id, cause, dialog, acknowledged, credentials };
        ending.send_bye(stack);
        State::Ending(Box::new(ending))
    }

    pub(super) fn on_bye(mut self: Box<Self>, stack: &mut Stack, bye: &Inbound) -> State {
        respond(stack, bye, 200);
        self.close(stack, None);
        match self.hang_up {
            Some(cause) => over(stack, self.id, EndedBy::Us, None, cause),
            None if self.wanted_away.is_some_and(|at| stack.mono().since(at) < BY_ITSELF) => {
                over(stack, self.id, EndedBy::Transfer, None, self.party.lost())
            }
            None => over(stack, self.id, EndedBy::Remote, None, self.party.hung_up()),
        }
    }
}

impl Ending {
    fn send_bye(&mut self, stack: &mut Stack) {
        let mut bye = self.dialog.request(Method::Bye, &stack.config);
        add_reason(&mut bye, self.cause);
        if let Some(credentials) = &mut self.credentials {
            credentials.write(stack, &mut bye);
        }
        let path = self.dialog.next_hop(stack);
        stack.send_request(bye, path, User::Leg(self.id, Purpose::Bye));
    }

    /// Whatever comes of a BYE, the dialog is over; but a challenge is answered first.
    pub(super) fn on_outcome(
        mut self: Box<Self>,
        stack: &mut Stack,
        client: ClientId,
        purpose: Purpose,
        outcome: &Outcome,
    ) -> State {
        let next = self.dialog.local_seq().wrapping_add(1);
        let credentials = self.credentials.as_mut().filter(|_| purpose == Purpose::Bye);
        if credentials.is_some_and(|credentials| credentials.take(outcome, next)) {
            self.send_bye(stack);
            return State::Ending(self);
        }
        match (purpose, outcome) {
            (Purpose::Bye, Outcome::Response(response)) if response.status < 200 => State::Ending(self),
            (Purpose::Bye, Outcome::Response(response)) => {
                over(stack, self.id, EndedBy::Us, Some(response.status), self.cause)
            }
            (Purpose::Bye, _) => over(stack, self.id, EndedBy::Us, None, self.cause),
            (Purpose::Dial | Purpose::Reinvite, Outcome::Response(response)) => {
                match self.acknowledged.as_ref().filter(|ack| ack.client == client && response.status >= 200)
                {
                    Some(ack) => {
                        stack.transmit(ack.path, ack.bytes.clone());
                    }
                    None => super::refuse_answer(stack, client, response),
                }
                State::Ending(self)
            }
            _ => State::Ending(self),
        }
    }

    pub(super) fn on_request(self: Box<Self>, stack: &mut Stack, inbound: &Inbound) -> State {
        // Both hung up at once: theirs is as good as ours.
        respond(stack, inbound, if inbound.request.method == Method::Bye { 200 } else { 481 });
        State::Ending(self)
    }
}
