//! Changing the session: re-INVITE and UPDATE, theirs and ours, and both at once (RFC 3261 §14, RFC 3311, RFC 6141).

use std::time::Duration;

use bytes::Bytes;

use super::established::{Acknowledged, Established, Exchange, Unacknowledged};
use super::session::{Asked, agreed, asked, wish};
use super::{State, respond, respond_busy, sdp_of};
use crate::Method;
use crate::dialog::{ALLOW, own_contact, with_sdp};
use crate::endpoint::Event;
use crate::stack::{ClientId, Inbound, LegTimer, Outcome, Purpose, Stack, Timer};
use crate::timer::Alarm;
use crate::wire::{Name, Refresher, Response};

/// So often an offer is made again after 491 or 422 before it is reported as refused.
const MAX_TRIES: u8 = 5;

/// An offer of ours in a re-INVITE.
pub(super) struct Offer {
    pub(super) sdp: Bytes,
    /// The session timer's, not the switch's.
    pub(super) refresh: bool,
    /// How often it was refused for a reason that passes.
    pub(super) tries: u8,
    /// Session interval that a 422 asked for, in seconds.
    pub(super) at_least: Option<u32>,
}

impl Established {
    // ---- theirs ----

    pub(super) fn on_offer(&mut self, stack: &mut Stack, inbound: Inbound) {
        let invite = inbound.request.method == Method::Invite;
        match &self.exchange {
            Exchange::Theirs(_) => return respond_busy(stack, &inbound),
            Exchange::Ours { .. } | Exchange::Asked { .. } => return respond(stack, &inbound, 491),
            Exchange::Stable | Exchange::Glare { .. } => {}
        }
        let Ok(sdp) = sdp_of(&inbound.request.headers, &inbound.request.body) else {
            return respond_unsupported(stack, &inbound);
        };
        if self.unacknowledged.as_ref().is_some_and(|wait| wait.asked) && (invite || sdp.is_some()) {
            return respond(stack, &inbound, 491);
        }
        if asked(&inbound.request, &stack.config) == Asked::TooSmall {
            return respond_too_small(stack, &inbound);
        }
        self.dialog.refresh_target(&inbound.request.headers);
        if !invite && sdp.is_none() {
            return self.accept_refresh(stack, &inbound);
        }
        // Ours, refused once with 491, goes out after theirs.
        if let Exchange::Glare { offer, alarm } = std::mem::replace(&mut self.exchange, Exchange::Stable) {
            stack.cancel_timer(Some(alarm));
            self.next_offer.get_or_insert(offer.sdp);
        }
        if invite {
            // They would not start another before they had our 2xx: its ACK was lost.
            self.acknowledge(stack, None);
            stack.set_server_leg(inbound.reply, self.id);
            let trying = inbound.request.respond(100, None);
            stack.respond(inbound.reply, &trying);
        }
        self.exchange = Exchange::Theirs(Box::new(inbound));
        stack.emit(Event::Reoffered { leg: self.id, sdp });
    }

    /// An UPDATE without a description only says that the session goes on (RFC 4028 §7.4).
    fn accept_refresh(&mut self, stack: &mut Stack, update: &Inbound) {
        let response = self.accepted(stack, update, None);
        stack.respond(update.reply, &response);
    }

    pub(super) fn answer(mut self: Box<Self>, stack: &mut Stack, sdp: Bytes) -> State {
        let inbound = match std::mem::replace(&mut self.exchange, Exchange::Stable) {
            Exchange::Theirs(inbound) => inbound,
            other => {
                self.exchange = other;
                return super::stray(stack, State::Established(self));
            }
        };
        let response = self.accepted(stack, &inbound, Some(sdp.clone()));
        let bytes = stack.respond(inbound.reply, &response);
        self.local_sdp = Some(sdp);
        if inbound.request.method == Method::Invite {
            let had_offer = !matches!(sdp_of(&inbound.request.headers, &inbound.request.body), Ok(None));
            let seq = inbound.request.headers.cseq().map_or(0, |cseq| cseq.seq);
            let wait = Unacknowledged::begin(stack, self.id, inbound.reply, bytes, seq, !had_offer, false);
            self.unacknowledged = Some(wait);
        }
        self.settle(stack);
        State::Established(self)
    }

    pub(super) fn reject(mut self: Box<Self>, stack: &mut Stack, status: u16) -> State {
        match std::mem::replace(&mut self.exchange, Exchange::Stable) {
            Exchange::Theirs(inbound) => {
                let status = if (300..700).contains(&status) { status } else { 488 };
                respond(stack, &inbound, status);
                self.settle(stack);
            }
            other => {
                self.exchange = other;
                stack.counters.stray_commands += 1;
            }
        }
        State::Established(self)
    }

    /// CANCEL of a re-INVITE.
    pub(super) fn on_cancel(mut self: Box<Self>, stack: &mut Stack) -> State {
        match std::mem::replace(&mut self.exchange, Exchange::Stable) {
            Exchange::Theirs(inbound) => {
                respond(stack, &inbound, 487);
                self.settle(stack);
            }
            other => self.exchange = other,
        }
        State::Established(self)
    }

    fn accepted(&mut self, stack: &mut Stack, inbound: &Inbound, sdp: Option<Bytes>) -> Response {
        let asked = asked(&inbound.request, &stack.config);
        let mut response = inbound.request.respond(200, None);
        let headers = &mut response.headers;
        headers.copy(&inbound.request.headers, &Name::RecordRoute);
        headers.push(Name::Contact, &own_contact(&stack.config, inbound.path, &inbound.request.uri));
        headers.push(Name::Allow, ALLOW);
        headers.push(Name::Supported, "timer");
        asked.write(headers);
        if let Some(sdp) = sdp {
            with_sdp(&mut response.headers, &mut response.body, sdp);
        }
        self.session.start(stack, self.id, asked.terms());
        response
    }

    // ---- ours ----

    pub(super) fn reoffer(mut self: Box<Self>, stack: &mut Stack, sdp: Bytes) -> State {
        self.next_offer = Some(sdp);
        self.settle(stack);
        State::Established(self)
    }

    /// Sends the waiting offer as soon as nothing is open (§14.1).
    pub(super) fn settle(&mut self, stack: &mut Stack) {
        if self.is_stable()
            && let Some(sdp) = self.next_offer.take()
        {
            self.send_reinvite(stack, Offer { sdp, refresh: false, tries: 0, at_least: None });
        }
    }

    pub(super) fn send_reinvite(&mut self, stack: &mut Stack, offer: Offer) {
        let mut invite = self.dialog.request(Method::Invite, &stack.config);
        let interval = offer.at_least.or(self.session.seconds());
        wish(&mut invite.headers, &stack.config, interval, Some(Refresher::Uac));
        with_sdp(&mut invite.headers, &mut invite.body, offer.sdp.clone());
        let client = self.send(stack, invite, Purpose::Reinvite);
        // A peer that says "trying" and nothing more must not keep later offers waiting for ever.
        let at = stack.mono() + stack.base_timers().t1x64();
        let overdue = stack.set_timer(at, Timer::Leg(self.id, LegTimer::OfferOverdue));
        self.exchange = Exchange::Ours { client, offer, overdue };
    }

    /// It was challenged.
    pub(super) fn send_reinvite_again(&mut self, stack: &mut Stack, client: ClientId) {
        match std::mem::replace(&mut self.exchange, Exchange::Stable) {
            Exchange::Ours { client: open, offer, overdue } if open == client => {
                stack.cancel_timer(Some(overdue));
                self.send_reinvite(stack, offer);
            }
            other => self.exchange = other,
        }
    }

    pub(super) fn on_offer_overdue(mut self: Box<Self>, stack: &mut Stack) -> State {
        match std::mem::replace(&mut self.exchange, Exchange::Stable) {
            Exchange::Ours { client, offer, .. } => {
                stack.cancel(client, None);
                self.offer_failed(stack, &offer, 408);
                self.settle(stack);
            }
            other => self.exchange = other,
        }
        State::Established(self)
    }

    fn offer_failed(&mut self, stack: &mut Stack, offer: &Offer, status: u16) {
        if offer.refresh {
            self.session.retry(stack, self.id);
        } else {
            stack.emit(Event::ReofferRefused { leg: self.id, status });
        }
    }

    pub(super) fn on_reinvite_outcome(
        mut self: Box<Self>,
        stack: &mut Stack,
        client: ClientId,
        outcome: &Outcome,
    ) -> State {
        let status = outcome.status();
        let offer = match std::mem::replace(&mut self.exchange, Exchange::Stable) {
            Exchange::Ours { client: open, offer, overdue } if open == client && status >= 200 => {
                stack.cancel_timer(Some(overdue));
                offer
            }
            other => {
                self.exchange = other;
                self.on_late_answer(stack, client, outcome);
                return State::Established(self);
            }
        };
        let again = offer.tries < MAX_TRIES;
        match outcome {
            Outcome::Response(response) if status < 300 => {
                self.on_reinvite_answered(stack, client, response, offer);
            }
            Outcome::Response(_) if status == 491 && again => {
                let alarm = self.wait_out_glare(stack);
                self.exchange = Exchange::Glare { offer: Offer { tries: offer.tries + 1, ..offer }, alarm };
                return State::Established(self);
            }
            Outcome::Response(response) if status == 422 && again => {
                let at_least = response.headers.min_se().ok().flatten();
                self.send_reinvite(stack, Offer { tries: offer.tries + 1, at_least, ..offer });
                return State::Established(self);
            }
            Outcome::Response(_) if status == 481 => return self.gone(stack),
            _ => self.offer_failed(stack, &offer, status),
        }
        self.settle(stack);
        State::Established(self)
    }

    /// A 2xx again: our ACK was lost. Or one to an offer that we had given up: it holds all the same.
    fn on_late_answer(&mut self, stack: &mut Stack, client: ClientId, outcome: &Outcome) {
        let Outcome::Response(response) = outcome else { return };
        if !(200..300).contains(&response.status) || self.acknowledge_again(stack, client) {
            return;
        }
        let seq = response.headers.cseq().map_or(0, |cseq| cseq.seq);
        self.send_ack(stack, client, seq, None);
        let answer = sdp_of(&response.headers, &response.body).unwrap_or(None);
        stack.emit(Event::ReofferAnswered { leg: self.id, sdp: answer });
    }

    fn on_reinvite_answered(
        &mut self,
        stack: &mut Stack,
        client: ClientId,
        response: &Response,
        offer: Offer,
    ) {
        self.dialog.refresh_target(&response.headers);
        self.local_sdp = Some(offer.sdp);
        self.session.start(stack, self.id, agreed(&response.headers));
        let seq = response.headers.cseq().map_or(0, |cseq| cseq.seq);
        self.send_ack(stack, client, seq, None);
        let answer = sdp_of(&response.headers, &response.body).unwrap_or(None);
        // A refresh may bring a changed answer all the same.
        if !offer.refresh || answer.is_some() {
            stack.emit(Event::ReofferAnswered { leg: self.id, sdp: answer });
        }
    }

    /// §14.1: the owner of the Call-ID waits 2.1 to 4 s, the other 0 to 2 s, in units of 10 ms.
    fn wait_out_glare(&self, stack: &mut Stack) -> Alarm {
        let units = if self.dialled { stack.random_between(210, 400) } else { stack.random_between(0, 200) };
        let at = stack.mono() + Duration::from_millis(units * 10);
        stack.set_timer(at, Timer::Leg(self.id, LegTimer::Glare))
    }

    pub(super) fn on_glare_over(mut self: Box<Self>, stack: &mut Stack) -> State {
        match std::mem::replace(&mut self.exchange, Exchange::Stable) {
            Exchange::Glare { offer, .. } => {
                // A newer offer of ours says all that this one did.
                let offer = match self.next_offer.take() {
                    Some(sdp) => Offer { sdp, refresh: false, ..offer },
                    None => offer,
                };
                self.send_reinvite(stack, offer);
            }
            other => self.exchange = other,
        }
        State::Established(self)
    }

    // ---- the answer to an offer in a 2xx ----

    pub(super) fn ack(mut self: Box<Self>, stack: &mut Stack, sdp: Bytes) -> State {
        let Exchange::Asked { client, seq } = self.exchange else {
            return super::stray(stack, State::Established(self));
        };
        self.exchange = Exchange::Stable;
        self.local_sdp = Some(sdp.clone());
        self.send_ack(stack, client, seq, Some(sdp));
        self.settle(stack);
        State::Established(self)
    }

    /// The ACK of a 2xx to our INVITE numbered `seq`; kept, to be sent again with each repetition of the 2xx.
    pub(super) fn send_ack(&mut self, stack: &mut Stack, client: ClientId, seq: u32, sdp: Option<Bytes>) {
        let mut ack = self.dialog.ack(seq, &stack.config);
        // §13.2.2.4: nobody can challenge an ACK, so it shows what its INVITE showed.
        if let Some((invite, _)) = stack.invite(client) {
            ack.headers.copy_first(&invite.headers, &Name::Authorization);
            ack.headers.copy_first(&invite.headers, &Name::ProxyAuthorization);
        }
        if let Some(sdp) = sdp {
            with_sdp(&mut ack.headers, &mut ack.body, sdp);
        }
        let hop = self.dialog.next_hop(stack);
        let (path, bytes) = stack.send_ack(ack, hop);
        self.acknowledged = Some(Acknowledged { client, path, bytes });
    }
}

/// 415 with what we take.
pub(super) fn respond_unsupported(stack: &mut Stack, inbound: &Inbound) {
    let mut response = inbound.request.respond(415, None);
    response.headers.push(Name::Accept, "application/sdp");
    response.headers.push(Name::AcceptEncoding, "identity");
    stack.respond(inbound.reply, &response);
}

pub(super) fn respond_too_small(stack: &mut Stack, inbound: &Inbound) {
    let mut response = inbound.request.respond(422, None);
    response.headers.push(Name::MinSe, &stack.config.session.min.as_secs());
    stack.respond(inbound.reply, &response);
}
