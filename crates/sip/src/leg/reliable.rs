//! Provisional answers that are repeated until PRACK says that they came (RFC 3262): ours, to an INVITE that requires
//! it, and theirs, to ours.

use bytes::Bytes;
use havre_model::{LegId, Mono};

use super::accept::Ringing;
use super::{respond, sdp_of};
use crate::Method;
use crate::dialog::Dialog;
use crate::stack::{ClientId, Inbound, LegTimer, Purpose, Stack, Timer, User};
use crate::timer::Alarm;
use crate::transaction::Backoff;
use crate::wire::{Headers, Name, RAck, Request, Response};

/// Early dialogs of one INVITE of ours that are acknowledged; a proxy that forks further is not believed.
const MAX_EARLY_DIALOGS: usize = 16;

// ---- ours ----

/// The provisional answers to one INVITE.
pub(crate) struct Reliable {
    /// The INVITE has `Require: 100rel`. Where it is only supported, ours go unrepeated: they carry no description.
    required: bool,
    /// `RSeq` of the last.
    last: u32,
    open: Option<Open>,
    /// To be said next: a second one may not go before the first is acknowledged (§3).
    waiting: Option<u16>,
}

/// Sent and not acknowledged.
struct Open {
    rack: RAck,
    bytes: Bytes,
    backoff: Backoff,
    give_up: Mono,
    alarm: Alarm,
}

impl Reliable {
    pub(crate) fn new(stack: &mut Stack, invite: &Request) -> Self {
        // §3: the first number is anything from 1 to 2^31 - 1.
        let last = u32::try_from(stack.random_between(0, 0x7fff_fffe)).unwrap_or(0);
        Self { required: invite.headers.require().has("100rel"), last, open: None, waiting: None }
    }

    pub(super) const fn is_required(&self) -> bool {
        self.required
    }

    /// A final answer says all: nothing is repeated from now on. Returns what a late PRACK may still name.
    pub(super) fn close(&mut self, stack: &mut Stack) -> Option<RAck> {
        self.waiting = None;
        let open = self.open.take()?;
        stack.cancel_timer(Some(open.alarm));
        Some(open.rack)
    }
}

impl Ringing {
    pub(super) fn progress_reliably(&mut self, stack: &mut Stack, status: u16) {
        let request = &self.invite.request;
        // §5: to an INVITE without an offer the first reliable answer must make one. Ours comes with the 200.
        if !matches!(sdp_of(&request.headers, &request.body), Ok(Some(_))) {
            return;
        }
        if self.reliable.open.is_some() {
            self.reliable.waiting = Some(status);
            return;
        }
        let Ok(cseq) = request.headers.cseq() else { return };
        self.reliable.last += 1;
        let rack = RAck { rseq: self.reliable.last, cseq };
        let mut response = self.response(stack, status);
        response.headers.push(Name::Require, "100rel");
        response.headers.push(Name::RSeq, &rack.rseq);
        let bytes = stack.respond(self.invite.reply, &response);
        let (timers, now) = (stack.base_timers(), stack.mono());
        let backoff = Backoff::new(now, timers.t1, None);
        let alarm = stack.set_timer(backoff.at, Timer::Leg(self.id, LegTimer::Unpracked));
        self.reliable.open = Some(Open { rack, bytes, backoff, give_up: now + timers.t1x64(), alarm });
    }

    /// Repeats it. Nobody is refused because a PRACK is missing (§3 would have 5xx): the answer may still get through.
    pub(super) fn on_unpracked(&mut self, stack: &mut Stack) {
        let Some(open) = &mut self.reliable.open else { return };
        open.backoff.advance();
        let at = open.backoff.at.min(open.give_up);
        if open.give_up <= stack.mono() {
            self.reliable.open = None;
            self.reliable.waiting = None;
            return;
        }
        open.alarm = stack.set_timer(at, Timer::Leg(self.id, LegTimer::Unpracked));
        let bytes = open.bytes.clone();
        stack.resend(self.invite.reply, bytes);
    }

    pub(super) fn on_prack(&mut self, stack: &mut Stack, prack: &Inbound) {
        let known = self.reliable.open.take_if(|open| names(&prack.request, open.rack));
        let Some(open) = known else { return respond(stack, prack, 481) };
        stack.cancel_timer(Some(open.alarm));
        answer_prack(stack, prack);
        if let Some(status) = self.reliable.waiting.take() {
            self.progress_reliably(stack, status);
        }
    }
}

pub(super) fn names(prack: &Request, rack: RAck) -> bool {
    prack.headers.rack().is_ok_and(|named| named == Some(rack))
}

/// 200; an offer in it comes before the one in the INVITE was answered (§5).
pub(super) fn answer_prack(stack: &mut Stack, prack: &Inbound) {
    let offers = !matches!(sdp_of(&prack.request.headers, &prack.request.body), Ok(None));
    respond(stack, prack, if offers { 488 } else { 200 });
}

// ---- theirs ----

/// The early dialogs that one INVITE of ours made by reliable answers.
#[derive(Default)]
pub(super) struct EarlyDialogs(Vec<EarlyDialog>);

pub(super) struct EarlyDialog {
    pub(super) dialog: Dialog,
    /// `RSeq` of the last that was acknowledged.
    last: u32,
    sdp: EarlyAnswer,
}

/// The answer to our offer: the 2xx need not repeat it.
#[derive(Default)]
pub(super) enum EarlyAnswer {
    /// There is none yet.
    #[default]
    None,
    /// This.
    Made(Bytes),
    /// They have made an offer of their own since, by UPDATE, which we answered.
    Void,
}

/// What a provisional answer is to whoever called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// To be acted upon. If it asked for a PRACK, that is on its way.
    New,
    /// Not to be acted upon: a repetition, one that overtook another (§4), or one fork too many.
    PassedOver,
    /// It asks for a PRACK, and where to send that cannot be read: whoever waits for it will refuse the call in the end (§3).
    Unreadable,
}

impl EarlyDialogs {
    /// Sends the PRACK of a provisional answer that asks for one.
    pub(super) fn acknowledge(
        &mut self,
        stack: &mut Stack,
        leg: LegId,
        client: ClientId,
        response: &Response,
        phone: bool,
    ) -> Heard {
        let headers = &response.headers;
        let (Some(rseq), Ok(cseq)) = (headers.rseq(), headers.cseq()) else { return Heard::New };
        if !headers.require().has("100rel") {
            return Heard::New;
        }
        let known = self.0.iter().position(|early| early.is_of(response));
        let at = match known {
            Some(at) if self.0[at].last.checked_add(1) != Some(rseq) => return Heard::PassedOver,
            Some(at) => at,
            None if self.0.len() >= MAX_EARLY_DIALOGS => return Heard::PassedOver,
            None => {
                let dialog = stack
                    .invite(client)
                    .and_then(|(invite, path)| Dialog::answered(invite, response, path, phone));
                let Some(dialog) = dialog else { return Heard::Unreadable };
                self.0.push(EarlyDialog { dialog, last: rseq, sdp: EarlyAnswer::None });
                self.0.len() - 1
            }
        };
        let early = &mut self.0[at];
        early.last = rseq;
        if let (Ok(Some(sdp)), EarlyAnswer::None) = (sdp_of(headers, &response.body), &early.sdp) {
            early.sdp = EarlyAnswer::Made(sdp);
        }
        let mut prack = early.dialog.request(Method::PRack, &stack.config);
        prack.headers.push(Name::RAck, &RAck { rseq, cseq });
        let path = early.dialog.next_hop(stack);
        stack.send_request(prack, path, User::Leg(leg, Purpose::Prack));
        Heard::New
    }

    /// Whether there is none.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The early dialog of this 2xx, and the answer that it brought.
    pub(super) fn confirm(self, response: &Response) -> Option<(Dialog, EarlyAnswer)> {
        let early = self.0.into_iter().find(|early| early.is_of(response))?;
        Some((early.dialog, early.sdp))
    }

    /// Whether one that this request does not belong to has made an offer that was answered.
    pub(super) fn has_reoffered_beside(&self, headers: &Headers) -> bool {
        self.0.iter().any(|early| matches!(early.sdp, EarlyAnswer::Void) && !early.dialog.matches(headers))
    }

    /// The one that a request belongs to.
    pub(super) fn find(&mut self, headers: &Headers) -> Option<&mut EarlyDialog> {
        self.0.iter_mut().find(|early| early.dialog.matches(headers))
    }
}

impl EarlyDialog {
    pub(super) const fn has_answered(&self) -> bool {
        !matches!(self.sdp, EarlyAnswer::None)
    }

    pub(super) fn reoffered(&mut self) {
        self.sdp = EarlyAnswer::Void;
    }

    fn is_of(&self, response: &Response) -> bool {
        response.headers.to().is_ok_and(|to| to.tag().unwrap_or("") == self.dialog.remote_tag())
    }
}
