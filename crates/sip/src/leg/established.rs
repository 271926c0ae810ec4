//! A leg whose call was answered, by us or by them: what it holds, and who handles what.

use std::collections::VecDeque;

use bytes::Bytes;
use havre_model::{Cause, Digit, LegId, Mono};

use super::credentials::Credentials;
use super::reliable::{answer_prack, names};
use super::reoffer::Offer;
use super::session::Session;
use super::{Party, State, is_method_of_offer, over, respond, unwanted};
use crate::Method;
use crate::dialog::Dialog;
use crate::endpoint::{EndedBy, Event, Path};
use crate::stack::{ClientId, Inbound, LegTimer, Outcome, Purpose, ReplyTo, Stack, Timer, User};
use crate::timer::Alarm;
use crate::transaction::Backoff;
use crate::wire::{NameAddr, RAck, Request};

/// See the module's page.
pub(crate) struct Established {
    pub(super) id: LegId,
    pub(super) party: Party,
    pub(super) dialog: Dialog,
    /// We sent the first INVITE, and so own the `Call-ID` (§14.1).
    pub(super) dialled: bool,
    /// A 2xx of ours that waits for its ACK.
    pub(super) unacknowledged: Option<Unacknowledged>,
    /// The ACK of the last 2xx to us.
    pub(super) acknowledged: Option<Acknowledged>,
    /// Whose offer is open.
    pub(super) exchange: Exchange,
    /// An offer of ours that waits until none is open.
    pub(super) next_offer: Option<Bytes>,
    /// What we described last, for refreshing by re-INVITE.
    pub(super) local_sdp: Option<Bytes>,
    /// Their `Allow` has UPDATE.
    pub(super) peer_updates: bool,
    pub(super) session: Session,
    /// Digits go one by one, since INFO may not overtake INFO.
    pub(super) digits: VecDeque<Digit>,
    pub(super) sending_digit: Option<Digit>,
    /// BYE as soon as our 2xx is acknowledged or given up (§15).
    pub(super) hang_up: Option<Cause>,
    /// A provisional answer of ours that had no PRACK before the 2xx (RFC 3262 §3).
    pub(super) late_prack: Option<RAck>,
    /// When the far side wanted to hand the call to somebody else, which was refused.
    pub(super) wanted_away: Option<Mono>,
    /// Of a leg that was dialled with an account.
    pub(super) credentials: Option<Box<Credentials>>,
}

/// The state of offer and answer (RFC 3264, RFC 6337).
pub(super) enum Exchange {
    /// None is open.
    Stable,
    /// Their re-INVITE or UPDATE waits for `Answer` or `Reject`.
    Theirs(Box<Inbound>),
    /// Our re-INVITE is out.
    Ours { client: ClientId, offer: Offer, overdue: Alarm },
    /// Their 2xx made an offer: `Ack` is awaited. `seq` is our INVITE's.
    Asked { client: ClientId, seq: u32 },
    /// Both offered at once (491): ours goes again at the alarm.
    Glare { offer: Offer, alarm: Alarm },
}

/// A 2xx of ours, repeated until its ACK comes (§13.3.1.4).
pub(super) struct Unacknowledged {
    reply: ReplyTo,
    bytes: Bytes,
    seq: u32,
    /// It made an offer: the ACK brings the answer.
    pub(super) asked: bool,
    /// It answered the INVITE that made the leg.
    pub(super) initial: bool,
    backoff: Backoff,
    give_up: Mono,
    alarm: Alarm,
}

/// An ACK of ours, to be sent again should the 2xx come again.
pub(super) struct Acknowledged {
    pub(super) client: ClientId,
    pub(super) path: Path,
    pub(super) bytes: Bytes,
}

impl Established {
    pub(super) fn new(id: LegId, party: Party, dialog: Dialog, peer_updates: bool, dialled: bool) -> Self {
        Self {
            id,
            party,
            dialog,
            dialled,
            unacknowledged: None,
            acknowledged: None,
            exchange: Exchange::Stable,
            next_offer: None,
            local_sdp: None,
            peer_updates,
            session: Session::default(),
            digits: VecDeque::new(),
            sending_digit: None,
            hang_up: None,
            late_prack: None,
            credentials: None,
            wanted_away: None,
        }
    }

    pub(super) fn on_request(mut self: Box<Self>, stack: &mut Stack, inbound: Inbound) -> State {
        if !inbound.request.headers.cseq().is_ok_and(|cseq| self.dialog.takes(cseq.seq)) {
            respond(stack, &inbound, 500);
            return State::Established(self);
        }
        self.follow(stack, &inbound);
        match inbound.request.method {
            Method::Bye => return self.on_bye(stack, &inbound),
            method if is_method_of_offer(method) => self.on_offer(stack, inbound),
            Method::Info => super::info::answer(stack, self.id, &inbound),
            Method::Options => super::probe::answer_options(stack, &inbound),
            Method::PRack => match self.late_prack.take_if(|rack| names(&inbound.request, *rack)) {
                Some(_) => answer_prack(stack, &inbound),
                None => respond(stack, &inbound, 481),
            },
            _ => respond(stack, &inbound, 405),
        }
        State::Established(self)
    }

    /// A phone that has moved says so with a target refresh; one whose connection broke, with any request.
    fn follow(&mut self, stack: &Stack, inbound: &Inbound) {
        let lost = self.dialog.path().flow.is_some_and(|flow| !stack.is_open(flow));
        if lost || is_method_of_offer(inbound.request.method) {
            self.dialog.follow(inbound.path);
        }
    }

    pub(super) fn on_ack(mut self: Box<Self>, stack: &mut Stack, ack: &Inbound) -> State {
        let headers = &ack.request.headers;
        let seq = headers.cseq().map_or(0, |cseq| cseq.seq);
        if self.unacknowledged.as_ref().is_none_or(|wait| wait.seq != seq) {
            stack.counters.stray_acks += 1;
            return State::Established(self);
        }
        let sdp = super::sdp_of(headers, &ack.request.body).unwrap_or(None);
        self.acknowledge(stack, sdp);
        self.after_acknowledgement(stack)
    }

    /// Stops repeating the 2xx.
    pub(super) fn acknowledge(&mut self, stack: &mut Stack, sdp: Option<Bytes>) {
        let Some(wait) = self.unacknowledged.take() else { return };
        stack.cancel_timer(Some(wait.alarm));
        if self.hang_up.is_none() && (wait.initial || wait.asked) {
            stack.emit(Event::Confirmed { leg: self.id, sdp: sdp.filter(|_| wait.asked) });
        }
    }

    fn after_acknowledgement(mut self: Box<Self>, stack: &mut Stack) -> State {
        match self.hang_up.take() {
            Some(cause) => self.say_bye(stack, cause),
            None => {
                self.settle(stack);
                State::Established(self)
            }
        }
    }

    /// Sends a request of the dialog's.
    pub(super) fn send(&mut self, stack: &mut Stack, mut request: Request, purpose: Purpose) -> ClientId {
        if let Some(credentials) = &mut self.credentials {
            credentials.write(stack, &mut request);
        }
        let path = self.dialog.next_hop(stack);
        stack.send_request(request, path, User::Leg(self.id, purpose))
    }

    pub(super) fn on_outcome(
        mut self: Box<Self>,
        stack: &mut Stack,
        client: ClientId,
        purpose: Purpose,
        outcome: &Outcome,
    ) -> State {
        let next = self.dialog.local_seq().wrapping_add(1);
        let credentials =
            self.credentials.as_mut().filter(|_| !matches!(purpose, Purpose::Dial | Purpose::Prack));
        if credentials.is_some_and(|credentials| credentials.take(outcome, next)) {
            return self.send_again(stack, client, purpose);
        }
        match purpose {
            Purpose::Dial => self.on_dial_outcome(stack, client, outcome),
            Purpose::Reinvite => self.on_reinvite_outcome(stack, client, outcome),
            Purpose::Update => self.on_update_outcome(stack, outcome),
            Purpose::Info => self.on_info_outcome(stack, outcome),
            Purpose::Probe => self.on_probe_outcome(stack, outcome),
            // The 2xx says all that the answer to a PRACK could.
            Purpose::Bye | Purpose::Prack => State::Established(self),
        }
    }

    /// The same request once more, with what the challenge to it asked for.
    fn send_again(mut self: Box<Self>, stack: &mut Stack, client: ClientId, purpose: Purpose) -> State {
        match purpose {
            Purpose::Reinvite => self.send_reinvite_again(stack, client),
            Purpose::Update => self.send_refresh(stack),
            Purpose::Info => self.send_digit_again(stack),
            Purpose::Probe => return self.probe(stack),
            Purpose::Dial | Purpose::Prack | Purpose::Bye => {}
        }
        State::Established(self)
    }

    /// More answers to the INVITE that made the leg: a repetition gets its ACK again, another fork is not wanted.
    fn on_dial_outcome(self: Box<Self>, stack: &mut Stack, client: ClientId, outcome: &Outcome) -> State {
        if let Outcome::Response(response) = outcome
            && (200..300).contains(&response.status)
        {
            let to = response.headers.to().ok();
            if to.and_then(NameAddr::tag).unwrap_or("") == self.dialog.remote_tag() {
                self.acknowledge_again(stack, client);
            } else {
                unwanted::refuse_answer(stack, client, response);
            }
        }
        State::Established(self)
    }

    /// Sends the ACK of this INVITE again. False if it is another's.
    pub(super) fn acknowledge_again(&self, stack: &mut Stack, client: ClientId) -> bool {
        let ack = self.acknowledged.as_ref().filter(|ack| ack.client == client);
        if let Some(ack) = ack {
            stack.transmit(ack.path, ack.bytes.clone());
        }
        ack.is_some()
    }

    pub(super) fn on_timer(self: Box<Self>, stack: &mut Stack, timer: LegTimer) -> State {
        match timer {
            LegTimer::Unacknowledged => self.on_unacknowledged(stack),
            LegTimer::OfferOverdue => self.on_offer_overdue(stack),
            LegTimer::Glare => self.on_glare_over(stack),
            LegTimer::Refresh => self.refresh(stack),
            LegTimer::SessionEnd => self.on_session_end(stack),
            // Cancelled by the 2xx.
            LegTimer::Unpracked | LegTimer::TrunkSilent => State::Established(self),
        }
    }

    fn on_unacknowledged(mut self: Box<Self>, stack: &mut Stack) -> State {
        let now = stack.mono();
        let Some(wait) = &mut self.unacknowledged else { return State::Established(self) };
        if wait.give_up > now {
            wait.backoff.advance();
            wait.alarm = stack.set_timer(wait.next(), Timer::Leg(self.id, LegTimer::Unacknowledged));
            let (reply, bytes) = (wait.reply, wait.bytes.clone());
            stack.resend(reply, bytes);
            return State::Established(self);
        }
        self.unacknowledged = None;
        if self.hang_up.is_none() {
            stack.emit(Event::NotConfirmed { leg: self.id });
        }
        self.after_acknowledgement(stack)
    }

    /// No offer is open, and no 2xx of ours.
    pub(super) fn is_stable(&self) -> bool {
        matches!(self.exchange, Exchange::Stable) && self.unacknowledged.is_none()
    }

    /// 481: they no longer know the dialog.
    pub(super) fn gone(mut self: Box<Self>, stack: &mut Stack) -> State {
        self.close(stack, None);
        over(stack, self.id, EndedBy::Unknown481, Some(481), self.party.lost())
    }

    /// Leaves nothing open behind: deadlines, their unanswered offer, ours.
    pub(super) fn close(&mut self, stack: &mut Stack, cause: Option<Cause>) {
        self.session.stop(stack);
        stack.cancel_timer(self.unacknowledged.take().map(|wait| wait.alarm));
        match std::mem::replace(&mut self.exchange, Exchange::Stable) {
            Exchange::Theirs(inbound) => respond(stack, &inbound, 487),
            Exchange::Ours { client, overdue, .. } => {
                stack.cancel_timer(Some(overdue));
                stack.abandon(client, cause);
            }
            Exchange::Glare { alarm, .. } => stack.cancel_timer(Some(alarm)),
            Exchange::Asked { .. } | Exchange::Stable => {}
        }
    }
}

impl Unacknowledged {
    /// From the first sending of a 2xx, until `64·T1` later.
    pub(super) fn begin(
        stack: &mut Stack,
        leg: LegId,
        reply: ReplyTo,
        bytes: Bytes,
        seq: u32,
        asked: bool,
        initial: bool,
    ) -> Self {
        let (timers, now) = (stack.base_timers(), stack.mono());
        let backoff = Backoff::new(now, timers.t1, Some(timers.t2));
        let give_up = now + timers.t1x64();
        let alarm = stack.set_timer(backoff.at, Timer::Leg(leg, LegTimer::Unacknowledged));
        Self { reply, bytes, seq, asked, initial, backoff, give_up, alarm }
    }

    fn next(&self) -> Mono {
        self.backoff.at.min(self.give_up)
    }
}
