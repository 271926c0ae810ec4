//! Calling: one INVITE for each contact of an account, or one to a URI; the first 2xx wins (RFC 3261 §13.2).

use std::time::Duration;

use bytes::Bytes;
use havre_model::{CallId, Cause, LegId, Peer, TrunkDown};

use super::credentials::{Credentials, challenge_headers};
use super::established::{Established, Exchange};
use super::reliable::{EarlyAnswer, EarlyDialogs, Heard};
use super::replaced::Rung;
use super::session::{agreed, wish};
use super::table::tag_text;
use super::{Leg, Party, State, cause_of, over, respond, respond_busy, sdp_of};
use crate::Method;
use crate::dialog::{ALLOW, Dialog, PRODUCT, own_contact, with_sdp};
use crate::digest::Session as Digest;
use crate::endpoint::{Account, DialOffer, EndedBy, Event, Identity, Path};
use crate::stack::{ClientId, Inbound, LegTimer, Outcome, Purpose, Stack, Timer, User};
use crate::timer::Alarm;
use crate::trunk::{Attempt, Manners, News, why_of};
use crate::wire::{CSeq, Host, Name, NameAddr, Replaces, Request, Response, SipUri, Uri, method_name};

/// Our INVITEs, unanswered.
pub(crate) struct Dialling {
    pub(super) id: LegId,
    party: Party,
    pub(super) forks: Vec<Fork>,
    sdp: Option<DialOffer>,
    account: Option<Account>,
    rang: bool,
    /// Over trunks: how far the present one is.
    trunk: Option<OverTrunk>,
    /// The most telling refusal so far.
    failure: Option<Failure>,
    /// Their UPDATE with an offer, in an early dialog, waits for `Answer` or `Reject`.
    pub(super) update: Option<Box<Inbound>>,
}

/// One trunk is tried after the other; the outside names the next one when this one has come to nothing.
#[derive(Default)]
struct OverTrunk {
    /// `Call-ID` of the INVITE that goes over it.
    call_id: String,
    /// It has been heard of.
    answers: bool,
    ring_within: Duration,
    silence: Option<Alarm>,
}

/// Where one INVITE goes.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub(crate) uri: Uri,
    pub(crate) path: Path,
    /// A registered phone: spoken to where it registered from, whatever its `Contact` says.
    pub(crate) phone: bool,
}

/// What a browser's page is told with an INVITE.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForCall {
    pub(crate) call: CallId,
    /// It was in this call before.
    pub(crate) resume: bool,
}

/// One INVITE of ours that has no final answer.
pub(super) struct Fork {
    client: ClientId,
    to: Destination,
    /// What it offers.
    sdp: Option<Bytes>,
    /// Credentials were sent.
    proved: bool,
    /// A 422 was obeyed.
    lengthened: bool,
    /// Made by provisional answers that wanted a PRACK.
    pub(super) early: EarlyDialogs,
    /// Made by any.
    rung: Rung,
}

#[derive(Clone, Copy)]
struct Failure {
    by: EndedBy,
    status: u16,
    /// What it says of the trunk's health.
    why: Option<TrunkDown>,
}

impl Dialling {
    /// Sends the INVITEs. With nowhere to send them the leg is over at once.
    #[expect(clippy::too_many_arguments, reason = "the fields of `Command::Dial`")]
    pub(crate) fn begin(
        stack: &mut Stack,
        id: LegId,
        party: Party,
        peer: &Peer,
        to: Vec<Destination>,
        from: &Identity,
        call: Option<ForCall>,
        replaces: Option<&Replaces>,
        sdp: Option<DialOffer>,
        account: Option<Account>,
    ) -> Leg {
        if to.is_empty() {
            return Leg::new(
                id,
                Vec::new(),
                over(stack, id, EndedBy::Refused, Some(480), Cause::Unreachable),
            );
        }
        let mut tags = Vec::new();
        let mut forks = Vec::new();
        for to in to {
            let tag = stack.random_u64();
            tags.push(tag);
            let from = caller(stack, to.path, from);
            let offer = sdp.as_ref().map(|offer| offer.over(to.path, None));
            let mut invite = build(stack, &to, from, &Manners::default(), tag, offer.clone());
            if let Some(call) = call {
                call.write(&mut invite);
            }
            if let Some(replaces) = replaces {
                invite.headers.push(Name::Replaces, replaces);
                invite.headers.push(Name::Require, "replaces");
            }
            let call_id = invite.headers.call_id().unwrap_or_default().to_owned();
            let client = stack.send_request(invite, to.path, User::Leg(id, Purpose::Dial));
            stack.trace.assign(&call_id, id, peer.clone());
            forks.push(Fork::new(client, to, offer));
        }
        let (trunk, failure, update) = (None, None, None);
        let dialling = Self { id, party, forks, sdp, account, rang: false, trunk, failure, update };
        Leg::new(id, tags, State::Dialling(Box::new(dialling)))
    }

    /// To be tried over trunks, by [`Self::try_over`].
    pub(crate) fn over_trunks(id: LegId, party: Party, sdp: Option<DialOffer>) -> Self {
        let trunk = Some(OverTrunk::default());
        let (forks, failure, update) = (Vec::new(), None, None);
        Self { id, party, forks, sdp, account: None, rang: false, trunk, failure, update }
    }

    /// Sends an INVITE there.
    pub(super) fn try_over(mut self: Box<Self>, stack: &mut Stack, attempt: Attempt, tag: u64) -> State {
        let Attempt { trunk, uri, path, from, manners, account, answer_within, ring_within } = attempt;
        let to = Destination { uri, path, phone: false };
        let offer = self.sdp.as_ref().map(|offer| offer.over(path, Some(&trunk)));
        let invite = build(stack, &to, from, &manners, tag, offer.clone());
        let call_id = invite.headers.call_id().unwrap_or_default().to_owned();
        let client = stack.send_request(invite, path, User::Leg(self.id, Purpose::Dial));
        stack.trace.assign(&call_id, self.id, Peer::Trunk(trunk));
        if let Some(former) = &self.trunk {
            stack.trace.follow(&call_id, &former.call_id);
        }
        self.account = account;
        self.forks.push(Fork::new(client, to, offer));
        let silence =
            stack.set_timer(stack.mono() + answer_within, Timer::Leg(self.id, LegTimer::TrunkSilent));
        self.trunk = Some(OverTrunk { call_id, answers: false, ring_within, silence: Some(silence) });
        State::Dialling(self)
    }

    /// The trunk has said nothing, or nothing after its 100: the next one.
    pub(super) fn on_silence(mut self: Box<Self>, stack: &mut Stack) -> State {
        if let Some(trunk) = &mut self.trunk {
            trunk.silence = None;
        }
        for fork in self.forks.drain(..) {
            stack.abandon(fork.client, None);
        }
        self.on_failure(stack, Failure { by: EndedBy::Timeout, status: 408, why: Some(TrunkDown::NoAnswer) })
    }

    /// No trunk is left, or no time.
    pub(super) fn give_up(mut self: Box<Self>, stack: &mut Stack) -> State {
        self.trunk = None;
        let nowhere = Failure { by: EndedBy::Timeout, status: 503, why: None };
        let failure = self.failure.take().unwrap_or(nowhere);
        self.on_failure(stack, failure)
    }

    pub(super) fn on_outcome(
        mut self: Box<Self>,
        stack: &mut Stack,
        client: ClientId,
        outcome: &Outcome,
    ) -> State {
        let Some(at) = self.forks.iter().position(|fork| fork.client == client) else {
            if let Outcome::Response(response) = outcome {
                super::refuse_answer(stack, client, response);
            }
            return State::Dialling(self);
        };
        if let Outcome::Response(response) = outcome {
            self.on_heard(stack, response.status);
        }
        let why = why_of(outcome, self.forks[at].to.path.transport);
        match outcome {
            Outcome::Response(response) if response.status < 200 => {
                return self.on_provisional(stack, client, at, response);
            }
            Outcome::Response(response) if response.status < 300 => {
                return self.on_answer(stack, client, at, response);
            }
            Outcome::Response(response) if self.try_again(stack, at, response) => {}
            Outcome::Response(response) => {
                self.forks.remove(at);
                return self
                    .on_failure(stack, Failure { by: EndedBy::Refused, status: response.status, why });
            }
            Outcome::TimedOut | Outcome::Unreachable => {
                self.forks.remove(at);
                return self
                    .on_failure(stack, Failure { by: EndedBy::Timeout, status: outcome.status(), why });
            }
        }
        State::Dialling(self)
    }

    /// The trunk has been heard of: it has longer to ring, and for ever once it does.
    fn on_heard(&mut self, stack: &mut Stack, status: u16) {
        let Some(trunk) = &mut self.trunk else { return };
        if status == 100 && trunk.answers {
            return;
        }
        stack.cancel_timer(trunk.silence.take());
        if status == 100 {
            let at = stack.mono() + trunk.ring_within;
            trunk.silence = Some(stack.set_timer(at, Timer::Leg(self.id, LegTimer::TrunkSilent)));
        }
        trunk.answers = true;
        // Refusals are told with the reason, if they speak against it.
        if status < 300 {
            stack.say(self.id, News::Answers);
        }
    }

    fn on_provisional(
        mut self: Box<Self>,
        stack: &mut Stack,
        client: ClientId,
        at: usize,
        response: &Response,
    ) -> State {
        let fork = &mut self.forks[at];
        fork.rung.note(&response.headers);
        if response.status == 100 {
            return State::Dialling(self);
        }
        match fork.early.acknowledge(stack, self.id, client, response, fork.to.phone) {
            Heard::New => {}
            // Another one who rings there may still answer.
            Heard::Unreadable if fork.early.is_empty() => {
                return self.on_unreadable(stack, client, at, response);
            }
            Heard::Unreadable | Heard::PassedOver => return State::Dialling(self),
        }
        let sdp = sdp_of(&response.headers, &response.body).unwrap_or(None);
        if response.status == 180 && !self.rang {
            self.rang = true;
            stack.emit(Event::Ringing { leg: self.id });
        }
        if sdp.is_some() {
            stack.emit(Event::Progress { leg: self.id, sdp });
        }
        State::Dialling(self)
    }

    /// The first 2xx makes the dialog; the other forks are called off.
    fn on_answer(
        mut self: Box<Self>,
        stack: &mut Stack,
        client: ClientId,
        at: usize,
        response: &Response,
    ) -> State {
        let phone = self.forks[at].to.phone;
        let dialog =
            stack.invite(client).and_then(|(invite, path)| Dialog::answered(invite, response, path, phone));
        let Some(mut dialog) = dialog else { return self.on_unreadable(stack, client, at, response) };
        self.close_update(stack);
        let Self { id, party, mut forks, account, mut trunk, .. } = *self;
        stop_waiting(stack, &mut trunk);
        let fork = forks.swap_remove(at);
        for loser in &forks {
            stack.abandon(loser.client, Some(Cause::Withdrawn));
        }
        let peer_updates = response.headers.allow().has("UPDATE");
        let seq = dialog.local_seq();
        let mut early = EarlyAnswer::None;
        if let Some((former, answer)) = fork.early.confirm(response) {
            dialog.continue_as(&former);
            early = answer;
        }
        let mut established = Established::new(id, party, dialog, peer_updates, true);
        established.credentials = account.map(|account| Box::new(Credentials::new(account)));
        established.session.start(stack, id, agreed(&response.headers));
        let asked = fork.sdp.is_none();
        established.local_sdp = fork.sdp;
        if asked {
            established.exchange = Exchange::Asked { client, seq };
        } else {
            established.send_ack(stack, client, seq, None);
        }
        let sdp = sdp_of(&response.headers, &response.body).unwrap_or(None);
        let sdp = match early {
            EarlyAnswer::None => sdp,
            EarlyAnswer::Made(early) => sdp.or(Some(early)),
            // What was agreed by UPDATE holds; a 2xx can only repeat what it took the place of.
            EarlyAnswer::Void => None,
        };
        stack.emit(Event::Answered { leg: id, sdp });
        State::Established(Box::new(established))
    }

    /// An answer whose way back cannot be read. No talk could be ended along it, so there is none: a 2xx gets ACK and BYE along
    /// what can be read, one that waits for a PRACK in vain a CANCEL, and whoever made it so counts as having failed.
    fn on_unreadable(
        mut self: Box<Self>,
        stack: &mut Stack,
        client: ClientId,
        at: usize,
        response: &Response,
    ) -> State {
        self.forks.remove(at);
        stack.abandon(client, None);
        super::refuse_answer(stack, client, response);
        // As a gateway that gets an answer which it cannot use (§21.5.3).
        self.on_failure(stack, Failure { by: EndedBy::Refused, status: 502, why: None })
    }

    /// 401 and 407 of our account's realm are answered once (and again if only the nonce was old), 422 once.
    fn try_again(&mut self, stack: &mut Stack, at: usize, response: &Response) -> bool {
        let fork = &mut self.forks[at];
        let Some((invite, _)) = stack.invite(fork.client) else { return false };
        let mut invite = invite.clone();
        match response.status {
            401 | 407 => {
                let Some(account) = &self.account else { return false };
                if !prove(stack, &mut invite, response, account, fork.proved) {
                    return false;
                }
                fork.proved = true;
            }
            422 if !fork.lengthened => {
                let Ok(Some(min)) = response.headers.min_se() else { return false };
                wish(&mut invite.headers, &stack.config, Some(min), None);
                fork.lengthened = true;
            }
            _ => return false,
        }
        next_try(&mut invite);
        (fork.early, fork.rung) = (EarlyDialogs::default(), Rung::default());
        fork.client = stack.send_request(invite, fork.to.path, User::Leg(self.id, Purpose::Dial));
        true
    }

    fn on_failure(mut self: Box<Self>, stack: &mut Stack, failure: Failure) -> State {
        let known = self.failure.filter(|known| known.weight() >= failure.weight());
        let why = failure.why;
        let failure = known.unwrap_or(failure);
        self.failure = Some(failure);
        if self.trunk.is_some() {
            stop_waiting(stack, &mut self.trunk);
            if failure.is_the_trunks() {
                stack.counters.trunk_failovers += 1;
                stack.say(self.id, News::Failed(why));
                return State::Dialling(self);
            }
        }
        // A person has declined on one phone: that goes for all (§16.7, step 5).
        let decided = failure.status >= 600;
        if !self.forks.is_empty() && !decided {
            return State::Dialling(self);
        }
        self.close_update(stack);
        for fork in &self.forks {
            stack.abandon(fork.client, Some(Cause::Withdrawn));
        }
        let (status, cause) = match failure.by {
            EndedBy::Timeout => (None, Cause::Unreachable),
            _ => (Some(failure.status), cause_of(failure.status)),
        };
        over(stack, self.id, failure.by, status, cause)
    }

    pub(super) fn hang_up(mut self, stack: &mut Stack, cause: Cause) -> State {
        stop_waiting(stack, &mut self.trunk);
        self.close_update(stack);
        for fork in &self.forks {
            stack.abandon(fork.client, Some(cause));
        }
        over(stack, self.id, EndedBy::Us, None, cause)
    }

    /// Whether it is one of its early dialogs that is named so.
    pub(super) fn rings_as(&self, replaces: &Replaces) -> bool {
        self.forks.iter().any(|fork| fork.rung.has(replaces))
    }

    /// Most is answered by what needs no state.
    pub(super) fn on_request(mut self: Box<Self>, stack: &mut Stack, inbound: Inbound) -> State {
        match inbound.request.method {
            Method::Options => super::probe::answer_options(stack, &inbound),
            Method::Info => respond_busy(stack, &inbound),
            Method::Update => self.on_update(stack, inbound),
            _ => respond(stack, &inbound, 481),
        }
        State::Dialling(self)
    }
}

impl Fork {
    fn new(client: ClientId, to: Destination, sdp: Option<Bytes>) -> Self {
        let (early, rung) = (EarlyDialogs::default(), Rung::default());
        Self { client, to, sdp, proved: false, lengthened: false, early, rung }
    }
}

impl ForCall {
    fn write(self, invite: &mut Request) {
        invite.headers.push(Name::Other("X-Havre-Call".into()), &self.call);
        if self.resume {
            invite.headers.push(Name::Other("X-Havre-Resume".into()), "yes");
        }
    }
}

fn stop_waiting(stack: &mut Stack, trunk: &mut Option<OverTrunk>) {
    if let Some(trunk) = trunk {
        stack.cancel_timer(trunk.silence.take());
    }
}

impl Failure {
    /// Another trunk may do better: nobody at the far end has said anything. 401 and 407 are the carrier's own.
    const fn is_the_trunks(self) -> bool {
        matches!(self.by, EndedBy::Timeout) || matches!(self.status, 401 | 407 | 408 | 500..=599)
    }

    /// Which of several refusals is told: a person's before a machine's before silence.
    const fn weight(self) -> u8 {
        match (self.by, self.status) {
            (EndedBy::Timeout, _) => 0,
            (_, 600..) => 4,
            (_, 486) => 3,
            (_, 503) => 1,
            _ => 2,
        }
    }
}

/// Adds the answer to a challenge. False if there is none to give.
pub(crate) fn prove(
    stack: &mut Stack,
    request: &mut Request,
    challenge: &Response,
    account: &Account,
    proved: bool,
) -> bool {
    let (asked, answered) = challenge_headers(challenge.status);
    let Ok(mut session) = Digest::accept(&challenge.headers.auths(&asked), Some(&account.realm)) else {
        return false;
    };
    // The same password a second time is right only if the nonce was at fault.
    if proved && !session.stale() {
        return false;
    }
    let cnonce = format!("{:016x}", stack.random_u64());
    let credentials =
        session.authorize(&account.user, account.password.expose(), request.method, &request.uri, &cnonce);
    request.headers.set(answered, &credentials);
    true
}

/// The same request, as the next one of its `Call-ID` (§8.1.3.5).
pub(crate) fn next_try(request: &mut Request) {
    let seq = request.headers.cseq().map_or(1, |cseq| cseq.seq.wrapping_add(1));
    request.headers.set(Name::CSeq, &CSeq { seq, method: request.method });
    request.headers.remove_first(&Name::Via);
}

/// `From`, without its tag.
fn caller(stack: &Stack, path: Path, from: &Identity) -> NameAddr {
    let host = from.host.as_deref().unwrap_or(&stack.config.server_name);
    let host = Host::parse(host).unwrap_or_else(|_| Host::Ip(stack.config.advertise(path.local).ip()));
    let user = Some(from.user.as_str()).filter(|user| !user.is_empty());
    let mut caller = NameAddr::new(Uri::Sip(SipUri::new(user, host, None)));
    caller.display = Some(from.display.clone()).filter(|display| !display.is_empty());
    caller
}

/// An INVITE with nothing in it of any other leg.
fn build(
    stack: &mut Stack,
    to: &Destination,
    from: NameAddr,
    manners: &Manners,
    tag: u64,
    sdp: Option<Bytes>,
) -> Request {
    let mut invite = Request::new(Method::Invite, to.uri.clone());
    let headers = &mut invite.headers;
    headers.push(Name::MaxForwards, "70");
    headers.push(Name::From, &from.with_tag(&tag_text(tag)));
    headers.push(Name::To, &NameAddr::new(to.uri.clone()));
    headers.push(Name::CallId, &format!("{:016x}{:016x}", stack.random_u64(), stack.random_u64()));
    headers.push(Name::CSeq, &format!("1 {}", method_name(Method::Invite)));
    headers.push(Name::Contact, &own_contact(&stack.config, to.path, &to.uri));
    headers.push(Name::Allow, ALLOW);
    // A reliable answer to an INVITE without an offer would make one, which the PRACK would have to answer.
    let reliable = manners.reliable && sdp.is_some();
    // Whose phone it is may go on with the call on another one of theirs.
    let supported = [(manners.session_timer, "timer"), (reliable, "100rel"), (to.phone, "replaces")];
    let supported: Vec<_> = supported.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect();
    if !supported.is_empty() {
        headers.push(Name::Supported, &supported.join(", "));
    }
    headers.push(Name::UserAgent, PRODUCT);
    if let Some(asserted) = &manners.asserted {
        headers.push(Name::PAssertedIdentity, asserted);
    }
    if manners.session_timer {
        wish(headers, &stack.config, None, None);
    }
    if let Some(sdp) = sdp {
        with_sdp(&mut invite.headers, &mut invite.body, sdp);
    }
    invite
}
