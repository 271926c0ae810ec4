//! OPTIONS (RFC 3261 §11): asking whether anybody is there, and answering it.

use super::State;
use super::established::Established;
use crate::Method;
use crate::dialog::{ALLOW, PRODUCT, SUPPORTED};
use crate::endpoint::Event;
use crate::stack::{Inbound, Outcome, Purpose, Stack};
use crate::wire::{Name, Request, Response};

impl Established {
    pub(super) fn probe(mut self: Box<Self>, stack: &mut Stack) -> State {
        let options = self.dialog.request(Method::Options, &stack.config);
        self.send(stack, options, Purpose::Probe);
        State::Established(self)
    }

    /// Only reports: who is gone is decided with the media in view (caller-journey, rule 5).
    pub(super) fn on_probe_outcome(self: Box<Self>, stack: &mut Stack, outcome: &Outcome) -> State {
        let leg = self.id;
        match outcome {
            Outcome::Response(response) if response.status < 200 => {}
            Outcome::Response(Response { status, .. }) => {
                let alive = !matches!(status, 408 | 481);
                stack.emit(Event::Probed { leg, alive, status: Some(*status) });
            }
            Outcome::TimedOut | Outcome::Unreachable => {
                stack.emit(Event::Probed { leg, alive: false, status: None });
            }
        }
        State::Established(self)
    }
}

pub(super) fn answer_options(stack: &mut Stack, inbound: &Inbound) {
    let mut response = options_answer(&inbound.request, None);
    response.headers.push(Name::Server, PRODUCT);
    stack.respond(inbound.reply, &response);
}

/// 200 with what an INVITE would meet (§11.2).
pub(crate) fn options_answer(request: &Request, to_tag: Option<&str>) -> Response {
    let mut response = request.respond(200, to_tag);
    let headers = &mut response.headers;
    headers.push(Name::Allow, ALLOW);
    headers.push(Name::Accept, "application/sdp");
    headers.push(Name::AcceptEncoding, "identity");
    headers.push(Name::AcceptLanguage, "en, fr");
    headers.push(Name::Supported, &SUPPORTED.join(", "));
    response
}
