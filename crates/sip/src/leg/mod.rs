//! Legs: one party's connection, from its INVITE to its end. A state per stage of its life, a file per verb.
//!
//! Handlers consume the state and return the next one. Whatever ends a leg says so in one `Event::Ended`.

mod accept;
mod body;
mod credentials;
mod dial;
mod early;
mod established;
mod hang_up;
mod info;
mod probe;
mod reliable;
mod reoffer;
mod replaced;
mod session;
mod table;
mod unwanted;

pub(crate) use accept::Ringing;
pub(crate) use body::sdp_of;
pub(crate) use credentials::challenge_headers;
pub(crate) use dial::{Destination, Dialling, ForCall};
pub(crate) use probe::options_answer;
pub(crate) use reliable::Reliable;
pub(crate) use replaced::{DialogId, Named, Owner};
pub(crate) use session::{Asked, asked};
pub(crate) use table::{Legs, tag_text};
pub(crate) use unwanted::refuse_answer;

use bytes::Bytes;
use havre_model::{Cause, Digit, FlowId, LegId, Mono};

use crate::Method;
use crate::endpoint::{EndedBy, Event, Path};
use crate::stack::{ClientId, Inbound, LegTimer, Outcome, Purpose, Stack};
use crate::trunk::Attempt;
use crate::wire::{Headers, Name, Uri};
use established::Established;
use hang_up::Ending;

/// One party's connection.
pub(crate) struct Leg {
    pub(crate) id: LegId,
    /// Our tags, by which requests of the far side find it.
    tags: Vec<u64>,
    owner: Option<Box<Owner>>,
    state: State,
}

/// Where a leg is in its life.
pub(crate) enum State {
    /// They call; we have not answered.
    Ringing(Box<Ringing>),
    /// We call; they have not answered.
    Dialling(Box<Dialling>),
    /// A 2xx was sent or received.
    Established(Box<Established>),
    /// We sent BYE.
    Ending(Box<Ending>),
    /// `Ended` was said.
    Over,
}

/// Whose leg it is: decides only in what words its end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    Caller,
    Agent,
}

impl Party {
    const fn hung_up(self) -> Cause {
        match self {
            Self::Caller => Cause::CallerHungUp,
            Self::Agent => Cause::AgentHungUp,
        }
    }

    const fn lost(self) -> Cause {
        match self {
            Self::Caller => Cause::CallerGone,
            Self::Agent => Cause::AgentLost,
        }
    }
}

impl Leg {
    pub(crate) const fn new(id: LegId, tags: Vec<u64>, state: State) -> Self {
        Self { id, tags, owner: None, state }
    }

    /// One that is to be dialled over trunks.
    pub(crate) fn dialling(id: LegId, dialling: Dialling) -> Self {
        Self::new(id, Vec::new(), State::Dialling(Box::new(dialling)))
    }

    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Whether a request with one of our tags in `To` is of this dialog: `Call-ID` and their tag. A dialog that we
    /// have only asked for is known by our tag alone.
    pub(crate) fn matches(&self, headers: &Headers) -> bool {
        match &self.state {
            State::Ringing(ringing) => ringing.dialog.matches(headers),
            State::Established(established) => established.dialog.matches(headers),
            State::Ending(ending) => ending.dialog.matches(headers),
            State::Dialling(_) => true,
            State::Over => false,
        }
    }

    /// Whether it is a browser's that speaks over this connection.
    pub(crate) fn is_browsers(&self, flow: FlowId) -> bool {
        let path = match &self.state {
            State::Ringing(ringing) => ringing.dialog.path(),
            State::Established(established) => established.dialog.path(),
            // Its INVITEs fail one by one; a BYE that was sent needs nobody any more.
            State::Dialling(_) | State::Ending(_) | State::Over => return false,
        };
        path.transport.is_web() && path.flow == Some(flow)
    }

    /// Goes on over this connection, if it is with the page that answers at this contact. Whether it is.
    pub(crate) fn follow(&mut self, contact: &Uri, path: Path) -> bool {
        let State::Established(established) = &mut self.state else { return false };
        let same = established.dialog.is_with(contact);
        if same {
            established.dialog.follow(path);
        }
        same
    }

    /// A request of this dialog, not ACK or CANCEL.
    pub(crate) fn on_request(&mut self, stack: &mut Stack, inbound: Inbound) {
        self.become_next(|state| match state {
            State::Ringing(ringing) => ringing.on_request(stack, &inbound),
            State::Dialling(dialling) => dialling.on_request(stack, inbound),
            State::Established(established) => established.on_request(stack, inbound),
            State::Ending(ending) => ending.on_request(stack, &inbound),
            State::Over => State::Over,
        });
    }

    /// The ACK of a 2xx.
    pub(crate) fn on_ack(&mut self, stack: &mut Stack, ack: &Inbound) {
        self.become_next(|state| match state {
            State::Established(established) => established.on_ack(stack, ack),
            other => {
                stack.counters.stray_acks += 1;
                other
            }
        });
    }

    /// A REFER was refused.
    pub(crate) fn on_refused_transfer(&mut self, now: Mono) {
        if let State::Established(established) = &mut self.state {
            established.wanted_away = Some(now);
        }
    }

    /// CANCEL of the INVITE that made the leg or, answered elsewhere, of a re-INVITE.
    pub(crate) fn on_cancel(&mut self, stack: &mut Stack, cancel: &Inbound) {
        self.become_next(|state| match state {
            State::Ringing(ringing) => ringing.on_cancel(stack, cancel),
            State::Established(established) => established.on_cancel(stack),
            other => other,
        });
    }

    /// What came of a request of this leg.
    pub(crate) fn on_outcome(
        &mut self,
        stack: &mut Stack,
        client: ClientId,
        purpose: Purpose,
        outcome: &Outcome,
    ) {
        self.become_next(|state| match state {
            // A PRACK that fails changes nothing: its INVITE goes on or not by itself.
            State::Dialling(dialling) if purpose == Purpose::Dial => {
                dialling.on_outcome(stack, client, outcome)
            }
            State::Established(established) => established.on_outcome(stack, client, purpose, outcome),
            State::Ending(ending) => ending.on_outcome(stack, client, purpose, outcome),
            other => other,
        });
    }

    pub(crate) fn on_timer(&mut self, stack: &mut Stack, timer: LegTimer) {
        self.become_next(|state| match state {
            State::Established(established) => established.on_timer(stack, timer),
            State::Dialling(dialling) if timer == LegTimer::TrunkSilent => dialling.on_silence(stack),
            State::Ringing(mut ringing) if timer == LegTimer::Unpracked => {
                ringing.on_unpracked(stack);
                State::Ringing(ringing)
            }
            other => other,
        });
    }

    /// Calls at this address of a trunk.
    pub(crate) fn try_over(&mut self, stack: &mut Stack, attempt: Attempt, tag: u64) {
        self.become_next(|state| match state {
            State::Dialling(dialling) => dialling.try_over(stack, attempt, tag),
            other => other,
        });
    }

    /// No trunk is left.
    pub(crate) fn give_up(&mut self, stack: &mut Stack) {
        self.become_next(|state| match state {
            State::Dialling(dialling) => dialling.give_up(stack),
            other => other,
        });
    }

    pub(crate) fn progress(&mut self, stack: &mut Stack, status: u16) {
        self.become_next(|state| match state {
            State::Ringing(ringing) => ringing.progress(stack, status),
            other => stray(stack, other),
        });
    }

    pub(crate) fn answer(&mut self, stack: &mut Stack, sdp: Bytes) {
        self.become_next(|state| match state {
            State::Ringing(ringing) => ringing.answer(stack, sdp),
            State::Dialling(dialling) => dialling.answer(stack, sdp),
            State::Established(established) => established.answer(stack, sdp),
            other => stray(stack, other),
        });
    }

    pub(crate) fn reject(&mut self, stack: &mut Stack, status: u16) {
        self.become_next(|state| match state {
            State::Ringing(ringing) => ringing.reject(stack, status, None),
            State::Dialling(dialling) => dialling.reject(stack, status),
            State::Established(established) => established.reject(stack, status),
            other => stray(stack, other),
        });
    }

    pub(crate) fn ack(&mut self, stack: &mut Stack, sdp: Bytes) {
        self.become_next(|state| match state {
            State::Established(established) => established.ack(stack, sdp),
            other => stray(stack, other),
        });
    }

    pub(crate) fn reoffer(&mut self, stack: &mut Stack, sdp: Bytes) {
        self.become_next(|state| match state {
            State::Established(established) => established.reoffer(stack, sdp),
            other => stray(stack, other),
        });
    }

    pub(crate) fn send_digit(&mut self, stack: &mut Stack, digit: Digit) {
        self.become_next(|state| match state {
            State::Established(established) => established.send_digit(stack, digit),
            other => stray(stack, other),
        });
    }

    pub(crate) fn probe(&mut self, stack: &mut Stack) {
        self.become_next(|state| match state {
            State::Established(established) => established.probe(stack),
            other => stray(stack, other),
        });
    }

    pub(crate) fn hang_up(&mut self, stack: &mut Stack, cause: Cause) {
        self.become_next(|state| match state {
            State::Ringing(ringing) => ringing.hang_up(stack, cause),
            State::Dialling(dialling) => dialling.hang_up(stack, cause),
            State::Established(established) => established.hang_up(stack, cause),
            State::Ending(ending) => State::Ending(ending),
            State::Over => stray(stack, State::Over),
        });
    }

    fn become_next(&mut self, next: impl FnOnce(State) -> State) {
        self.state = next(std::mem::replace(&mut self.state, State::Over));
        self.learn_name();
    }
}

/// The last word of a leg.
fn over(stack: &mut Stack, leg: LegId, by: EndedBy, status: Option<u16>, cause: Cause) -> State {
    stack.emit(Event::Ended { leg, by, status, cause });
    State::Over
}

fn stray(stack: &mut Stack, state: State) -> State {
    stack.counters.stray_commands += 1;
    state
}

/// Answers a request inside a dialog with a status and nothing else.
fn respond(stack: &mut Stack, inbound: &Inbound, status: u16) {
    if status != 503 {
        return stack.respond_plain(inbound, status);
    }
    let mut response = inbound.request.respond(status, None);
    stack.tell_no_room(&mut response, inbound.path.remote);
    stack.respond(inbound.reply, &response);
}

/// 500 with the pause of RFC 3261 §14.2: another request of theirs is still open.
fn respond_busy(stack: &mut Stack, inbound: &Inbound) {
    let mut response = inbound.request.respond(500, None);
    let seconds = stack.random_between(0, 10);
    response.headers.push(Name::RetryAfter, &seconds);
    stack.respond(inbound.reply, &response);
}

/// What a refusal of our call means.
const fn cause_of(status: u16) -> Cause {
    match status {
        486 | 600 | 603 | 607 => Cause::Declined,
        487 => Cause::Withdrawn,
        406 | 415 | 488 | 606 => Cause::NotAcceptable,
        404 | 410 | 484 | 485 | 604 => Cause::NotFound,
        401 | 403 | 407 => Cause::Forbidden,
        503 => Cause::Overloaded,
        _ => Cause::Unreachable,
    }
}

/// Requests that may carry an offer, and that refresh the target.
fn is_method_of_offer(method: Method) -> bool {
    matches!(method, Method::Invite | Method::Update)
}
