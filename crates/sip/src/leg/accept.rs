//! A call that comes in, until we answer it: RFC 3261 §13.3.1, §9.2.

use bytes::Bytes;
use havre_model::{Cause, LegId};

use super::Reliable;
use super::established::{Established, Unacknowledged};
use super::reoffer::{respond_too_small, respond_unsupported};
use super::session::{Asked, asked};
use super::{Party, State, over, respond, respond_busy, sdp_of};
use crate::Method;
use crate::dialog::{ALLOW, Dialog, PRODUCT, SUPPORTED, own_contact, with_sdp};
use crate::endpoint::EndedBy;
use crate::stack::{Inbound, Stack};
use crate::wire::{Name, Response};

/// Their INVITE, unanswered.
pub(crate) struct Ringing {
    pub(crate) id: LegId,
    pub(crate) party: Party,
    pub(crate) invite: Inbound,
    /// With our tag.
    pub(crate) dialog: Dialog,
    pub(crate) tag: String,
    /// The session timer they ask for.
    pub(crate) asked: Asked,
    /// Provisional answers that PRACK acknowledges.
    pub(crate) reliable: Reliable,
    /// It takes the place of another leg of its account.
    pub(crate) replaces: bool,
}

impl Ringing {
    pub(super) fn progress(mut self: Box<Self>, stack: &mut Stack, status: u16) -> State {
        if (101..200).contains(&status) && self.reliable.is_required() {
            self.progress_reliably(stack, status);
        } else if (101..200).contains(&status) {
            let response = self.response(stack, status);
            stack.respond(self.invite.reply, &response);
        } else {
            stack.counters.stray_commands += 1;
        }
        State::Ringing(self)
    }

    /// 200 with our answer, or with our offer if they made none (then the ACK brings the answer).
    pub(super) fn answer(mut self: Box<Self>, stack: &mut Stack, sdp: Bytes) -> State {
        let late_prack = self.reliable.close(stack);
        let has_offer =
            matches!(sdp_of(&self.invite.request.headers, &self.invite.request.body), Ok(Some(_)));
        let mut response = self.response(stack, 200);
        self.asked.write(&mut response.headers);
        with_sdp(&mut response.headers, &mut response.body, sdp.clone());
        let bytes = stack.respond(self.invite.reply, &response);
        let headers = &self.invite.request.headers;
        let seq = headers.cseq().map_or(0, |cseq| cseq.seq);
        let wait = Unacknowledged::begin(stack, self.id, self.invite.reply, bytes, seq, !has_offer, true);
        let peer_updates = headers.allow().has("UPDATE");
        let mut established = Established::new(self.id, self.party, self.dialog, peer_updates, false);
        established.unacknowledged = Some(wait);
        established.late_prack = late_prack;
        established.local_sdp = Some(sdp);
        established.session.start(stack, self.id, self.asked.terms());
        State::Established(Box::new(established))
    }

    /// A final refusal.
    pub(super) fn reject(mut self: Box<Self>, stack: &mut Stack, status: u16, cause: Option<Cause>) -> State {
        self.reliable.close(stack);
        let status = if (300..700).contains(&status) { status } else { 500 };
        let mut response = self.response(stack, status);
        if status == 503 {
            stack.tell_no_room(&mut response, self.invite.path.remote);
        }
        stack.respond(self.invite.reply, &response);
        let cause = cause.unwrap_or(match status {
            503 => Cause::Overloaded,
            488 => Cause::NotAcceptable,
            404 => Cause::NotFound,
            403 => Cause::Forbidden,
            500 => Cause::Internal,
            _ => Cause::Declined,
        });
        over(stack, self.id, EndedBy::Us, Some(status), cause)
    }

    pub(super) fn hang_up(self: Box<Self>, stack: &mut Stack, cause: Cause) -> State {
        // A cause that is a success elsewhere refuses a call that was never answered.
        let status = if cause.sip_status() < 300 { 480 } else { cause.sip_status() };
        self.reject(stack, status, Some(cause))
    }

    /// The endpoint has answered the CANCEL itself.
    pub(super) fn on_cancel(mut self: Box<Self>, stack: &mut Stack, _cancel: &Inbound) -> State {
        self.reliable.close(stack);
        let response = self.response(stack, 487);
        stack.respond(self.invite.reply, &response);
        over(stack, self.id, EndedBy::Cancelled, None, Cause::CallerCancelled)
    }

    pub(super) fn on_request(mut self: Box<Self>, stack: &mut Stack, inbound: &Inbound) -> State {
        if !inbound.request.headers.cseq().is_ok_and(|cseq| self.dialog.takes(cseq.seq)) {
            respond(stack, inbound, 500);
            return State::Ringing(self);
        }
        match inbound.request.method {
            // §15: a caller may end an early dialog by BYE too.
            Method::Bye => {
                self.reliable.close(stack);
                respond(stack, inbound, 200);
                let response = self.response(stack, 487);
                stack.respond(self.invite.reply, &response);
                return over(stack, self.id, EndedBy::Remote, None, Cause::CallerCancelled);
            }
            Method::Options => super::probe::answer_options(stack, inbound),
            Method::Info => super::info::answer(stack, self.id, inbound),
            Method::PRack => self.on_prack(stack, inbound),
            Method::Update => self.on_update(stack, inbound),
            // RFC 3261 §14.2: their INVITE is still open.
            _ => respond_busy(stack, inbound),
        }
        State::Ringing(self)
    }

    /// An UPDATE that offers nothing may move the target, or change the session timer that the 2xx will grant. An offer has
    /// to wait: the INVITE's is open until the 200, since no provisional answer of ours describes anything (RFC 3311 §5.2).
    fn on_update(&mut self, stack: &mut Stack, update: &Inbound) {
        match sdp_of(&update.request.headers, &update.request.body) {
            Ok(None) => {}
            Ok(Some(_)) => return respond_busy(stack, update),
            Err(_) => return respond_unsupported(stack, update),
        }
        let asked = asked(&update.request, &stack.config);
        if asked == Asked::TooSmall {
            return respond_too_small(stack, update);
        }
        self.dialog.refresh_target(&update.request.headers);
        let mut response = update.request.respond(200, None);
        response.headers.push(Name::Contact, &own_contact(&stack.config, update.path, &update.request.uri));
        response.headers.push(Name::Allow, ALLOW);
        response.headers.push(Name::Supported, &SUPPORTED.join(", "));
        asked.write(&mut response.headers);
        stack.respond(update.reply, &response);
    }

    pub(super) fn response(&self, stack: &Stack, status: u16) -> Response {
        let mut response = self.invite.request.respond(status, Some(&self.tag));
        let headers = &mut response.headers;
        if status < 300 {
            headers.copy(&self.invite.request.headers, &Name::RecordRoute);
            let invite = &self.invite;
            headers.push(Name::Contact, &own_contact(&stack.config, invite.path, &invite.request.uri));
            headers.push(Name::Allow, ALLOW);
            let more = if self.replaces { ", replaces" } else { "" };
            headers.push(Name::Supported, &(SUPPORTED.join(", ") + more));
        }
        headers.push(Name::Server, PRODUCT);
        response
    }
}
