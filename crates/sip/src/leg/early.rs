//! UPDATE from whom we call, before they answer (RFC 3311): a carrier that moves its early media, or its target.

use bytes::Bytes;

use super::dial::Dialling;
use super::reoffer::{respond_too_small, respond_unsupported};
use super::session::{Asked, asked};
use super::{State, respond, respond_busy, sdp_of, stray};
use crate::dialog::{ALLOW, own_contact, with_sdp};
use crate::endpoint::Event;
use crate::stack::{Inbound, Stack};
use crate::wire::{Name, Response};

impl Dialling {
    /// §5.2. An early dialog that wanted no PRACK is not kept: it has no answer to our offer either.
    pub(super) fn on_update(&mut self, stack: &mut Stack, update: Inbound) {
        let headers = &update.request.headers;
        let Ok(offer) = sdp_of(headers, &update.request.body) else {
            return respond_unsupported(stack, &update);
        };
        if asked(&update.request, &stack.config) == Asked::TooSmall {
            return respond_too_small(stack, &update);
        }
        let open = self.update.is_some();
        let elsewhere = self.forks.iter().any(|fork| fork.early.has_reoffered_beside(headers));
        let dialog = self.forks.iter_mut().find_map(|fork| fork.early.find(headers));
        let Some(early) = dialog else {
            // Their 2xx will say once more where they are.
            return if offer.is_some() { respond(stack, &update, 491) } else { accept(stack, &update, None) };
        };
        if !headers.cseq().is_ok_and(|cseq| early.dialog.takes(cseq.seq)) {
            return respond(stack, &update, 500);
        }
        let Some(offer) = offer else {
            early.dialog.refresh_target(headers);
            return accept(stack, &update, None);
        };
        // Ours is open as long as nothing reliable has answered it.
        if !early.has_answered() {
            return respond(stack, &update, 491);
        }
        if open {
            return respond_busy(stack, &update);
        }
        // Media are at one place: the first of several who ring has it.
        if elsewhere {
            return respond(stack, &update, 488);
        }
        early.dialog.refresh_target(headers);
        self.update = Some(Box::new(update));
        stack.emit(Event::EarlyOffer { leg: self.id, sdp: offer });
    }

    /// 200 with our answer, by which their first one is void.
    pub(super) fn answer(mut self: Box<Self>, stack: &mut Stack, sdp: Bytes) -> State {
        let Some(update) = self.update.take() else { return stray(stack, State::Dialling(self)) };
        let headers = &update.request.headers;
        if let Some(early) = self.forks.iter_mut().find_map(|fork| fork.early.find(headers)) {
            early.reoffered();
        }
        accept(stack, &update, Some(sdp));
        State::Dialling(self)
    }

    /// Nothing changes.
    pub(super) fn reject(mut self: Box<Self>, stack: &mut Stack, status: u16) -> State {
        let Some(update) = self.update.take() else { return stray(stack, State::Dialling(self)) };
        respond(stack, &update, if (300..700).contains(&status) { status } else { 488 });
        State::Dialling(self)
    }

    /// The call comes to an end, or goes on in another dialog.
    pub(super) fn close_update(&mut self, stack: &mut Stack) {
        if let Some(update) = self.update.take() {
            respond(stack, &update, 487);
        }
    }
}

fn accept(stack: &mut Stack, update: &Inbound, sdp: Option<Bytes>) {
    let mut response: Response = update.request.respond(200, None);
    let headers = &mut response.headers;
    headers.push(Name::Contact, &own_contact(&stack.config, update.path, &update.request.uri));
    headers.push(Name::Allow, ALLOW);
    headers.push(Name::Supported, "timer");
    if let Some(sdp) = sdp {
        with_sdp(&mut response.headers, &mut response.body, sdp);
    }
    stack.respond(update.reply, &response);
}
