//! The table of client transactions: sending requests, and telling their users what came of them.

use std::collections::HashMap;
use std::net::SocketAddr;

use bytes::Bytes;
use havre_model::{Cause, LegId, Mono};

use super::flow::is_ours;
use super::{Stack, Timer};
use crate::Method;
use crate::endpoint::{Path, Transport};
use crate::registrar::BindingId;
use crate::registration::RegistrationId;
use crate::timer::Alarm;
use crate::transaction::{ClientInvite, ClientNonInvite, Fired, OnResponse};
use crate::trunk::PingId;
use crate::wire::{CSeq, Name, Reason, Request, Response, Via, ViaTransport};

/// Above this a UDP request is sent over TCP instead, if a connection to the same place is open (RFC 3261 §18.1.1).
const MAX_UDP_REQUEST: usize = 1300;

/// The unique part of our branches. A CANCEL has the branch of its INVITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientId {
    branch: u64,
    cancel: bool,
}

/// Who is told what came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    /// A leg.
    Leg(LegId, Purpose),
    /// An INVITE that nobody waits for any more: a 2xx gets ACK and BYE.
    Unwanted,
    /// A REGISTER of ours.
    Registration(RegistrationId),
    /// OPTIONS to a trunk.
    Ping(PingId),
    /// OPTIONS to a registered phone.
    Binding(BindingId),
    /// A CANCEL, or the BYE of an unwanted answer.
    Nobody,
}

/// What a leg asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The INVITE that makes the call.
    Dial,
    /// An INVITE within it: an offer or a refresh.
    Reinvite,
    /// PRACK, before the answer.
    Prack,
    /// UPDATE: a session refresh.
    Update,
    /// BYE.
    Bye,
    /// A digit.
    Info,
    /// OPTIONS.
    Probe,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A response. For an INVITE there may be several.
    Response(Response),
    /// No final response in time.
    TimedOut,
    /// The path failed, or there was no room for the transaction.
    Unreachable,
}

impl Outcome {
    /// The status that stands for it (RFC 3261 §8.1.3.1).
    pub(crate) const fn status(&self) -> u16 {
        match self {
            Self::Response(response) => response.status,
            Self::TimedOut => 408,
            Self::Unreachable => 503,
        }
    }
}

/// Every client transaction by its branch.
#[derive(Default)]
pub(crate) struct Clients {
    table: HashMap<ClientId, Box<Client>>,
}

struct Client {
    machine: Machine,
    path: Path,
    bytes: Bytes,
    user: User,
    alarm: Option<Alarm>,
}

enum Machine {
    Invite(Box<Invite>),
    NonInvite(ClientNonInvite),
}

/// What an INVITE needs beyond any request: its ACK, CANCEL and unwanted answers are made from it.
struct Invite {
    machine: ClientInvite,
    request: Request,
    cancel: Cancel,
    /// Remote tags of unwanted answers that have got their BYE.
    ended: Vec<Box<str>>,
}

enum Cancel {
    No,
    /// As soon as a provisional response has come (§9.1).
    Wanted(Option<Cause>),
    /// Sent; without a final response by then the INVITE is given up (§9.1).
    Sent {
        give_up: Mono,
    },
}

impl Clients {
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }
}

impl Client {
    fn deadline(&self) -> Option<Mono> {
        match &self.machine {
            Machine::NonInvite(machine) => machine.deadline(),
            Machine::Invite(invite) => match (&invite.cancel, invite.machine.deadline()) {
                (Cancel::Sent { give_up }, None) if invite.machine.is_pending() => Some(*give_up),
                (_, deadline) => deadline,
            },
        }
    }

    fn is_pending(&self) -> bool {
        match &self.machine {
            Machine::NonInvite(machine) => machine.is_pending(),
            Machine::Invite(invite) => invite.machine.is_pending(),
        }
    }

    fn is_terminated(&self) -> bool {
        match &self.machine {
            Machine::NonInvite(machine) => machine.is_terminated(),
            Machine::Invite(invite) => invite.machine.is_terminated(),
        }
    }

    fn on_timeout(&mut self, now: Mono) -> Fired {
        match &mut self.machine {
            Machine::NonInvite(machine) => machine.on_timeout(now),
            Machine::Invite(invite) => match invite.cancel {
                Cancel::Sent { give_up } if give_up <= now && invite.machine.is_pending() => Fired::TimedOut,
                _ => invite.machine.on_timeout(now),
            },
        }
    }
}

impl Stack {
    /// Sends a request (which has no `Via` yet) in a transaction of its own. Whatever comes of it, also that it could
    /// not be sent, comes as an [`Outcome`].
    pub(crate) fn send_request(&mut self, mut request: Request, path: Path, user: User) -> ClientId {
        let id = ClientId { branch: self.random_u64(), cancel: false };
        let mut path = self.resolve(path, &request);
        self.push_via(&mut request, &path, id.branch);
        let mut bytes = request.to_bytes();
        if path.transport == Transport::Udp
            && bytes.len() > MAX_UDP_REQUEST
            && let Some(stream) = self.open_flow_to(path.remote)
        {
            path = stream;
            request.headers.remove_first(&Name::Via);
            self.push_via(&mut request, &path, id.branch);
            bytes = request.to_bytes();
        }
        self.begin(id, request, path, bytes, user);
        id
    }

    fn begin(&mut self, id: ClientId, request: Request, path: Path, bytes: Bytes, user: User) {
        if self.is_full() {
            self.counters.transactions_full += 1;
            self.outcomes.push_back((id, user, Outcome::Unreachable));
            return;
        }
        if !self.transmit(path, bytes.clone()) {
            self.counters.transaction_unreachable += 1;
            self.outcomes.push_back((id, user, Outcome::Unreachable));
            return;
        }
        let (timers, reliable, now) = (self.base_timers(), path.transport.is_reliable(), self.mono());
        let machine = if request.method == Method::Invite {
            let machine = ClientInvite::new(timers, reliable, now);
            Machine::Invite(Box::new(Invite { machine, request, cancel: Cancel::No, ended: Vec::new() }))
        } else {
            Machine::NonInvite(ClientNonInvite::new(timers, reliable, now))
        };
        let client = Client { machine, path, bytes, user, alarm: None };
        self.clients.table.insert(id, Box::new(client));
        self.rearm_client(id);
    }

    /// Sends a message outside any transaction: the ACK of a 2xx. Returns what was sent, to be sent again.
    pub(crate) fn send_ack(&mut self, mut ack: Request, path: Path) -> (Path, Bytes) {
        let path = self.resolve(path, &ack);
        let branch = self.random_u64();
        self.push_via(&mut ack, &path, branch);
        let bytes = ack.to_bytes();
        self.transmit(path, bytes.clone());
        (path, bytes)
    }

    /// Gives an INVITE up: CANCEL, and ACK and BYE should a 2xx come all the same.
    pub(crate) fn abandon(&mut self, id: ClientId, cause: Option<Cause>) {
        if let Some(client) = self.clients.table.get_mut(&id) {
            client.user = User::Unwanted;
        }
        self.cancel(id, cause);
    }

    /// CANCEL now or as soon as allowed. What comes of the INVITE is still told to its user.
    pub(crate) fn cancel(&mut self, id: ClientId, cause: Option<Cause>) {
        let Some(client) = self.clients.table.get_mut(&id) else { return };
        let Machine::Invite(invite) = &mut client.machine else { return };
        if invite.machine.is_pending() && matches!(invite.cancel, Cancel::No) {
            invite.cancel = Cancel::Wanted(cause);
            self.send_due_cancel(id);
        }
    }

    fn send_due_cancel(&mut self, id: ClientId) {
        let give_up = self.mono() + self.base_timers().t1x64();
        let Some(client) = self.clients.table.get_mut(&id) else { return };
        let Machine::Invite(invite) = &mut client.machine else { return };
        let Cancel::Wanted(cause) = invite.cancel else { return };
        if !invite.machine.is_proceeding() {
            return;
        }
        invite.cancel = Cancel::Sent { give_up };
        let mut cancel = follow_up(&invite.request, Method::Cancel);
        if let Some(cause) = cause {
            add_reason(&mut cancel, cause);
        }
        let (path, bytes) = (client.path, cancel.to_bytes());
        self.begin(ClientId { cancel: true, ..id }, cancel, path, bytes, User::Nobody);
        self.rearm_client(id);
    }

    /// A response from the network.
    pub(crate) fn on_response(&mut self, response: Response) {
        let now = self.mono();
        let found = client_id(&response).and_then(|(id, method)| {
            let client = self.clients.table.get_mut(&id)?;
            let invites = matches!(client.machine, Machine::Invite(_));
            (invites == (method == Method::Invite)).then_some((id, client))
        });
        let Some((id, client)) = found else {
            self.counters.stray_responses += 1;
            return;
        };
        let told = match &mut client.machine {
            Machine::NonInvite(machine) => machine.on_response(response.status, now),
            Machine::Invite(invite) => invite.machine.on_response(response.status, now),
        };
        let (path, user) = (client.path, client.user);
        if !client.is_pending() {
            // Answered: it is never sent again, and the transaction stays for half a minute.
            client.bytes = Bytes::new();
        }
        if let (OnResponse::Ack | OnResponse::AckAndDeliver, Machine::Invite(invite)) =
            (told, &client.machine)
        {
            let ack = ack_of_refusal(&invite.request, &response);
            self.transmit(path, ack.to_bytes());
        }
        match told {
            OnResponse::Deliver | OnResponse::AckAndDeliver => {
                self.outcomes.push_back((id, user, Outcome::Response(response)));
            }
            OnResponse::Ack | OnResponse::Absorb => self.counters.stray_responses += 1,
        }
        self.send_due_cancel(id);
        self.rearm_client(id);
    }

    pub(super) fn on_client_timer(&mut self, id: ClientId) {
        let now = self.mono();
        let Some(client) = self.clients.table.get_mut(&id) else { return };
        client.alarm = None;
        match client.on_timeout(now) {
            Fired::Resend => {
                let (path, bytes) = (client.path, client.bytes.clone());
                self.counters.request_retransmissions += 1;
                self.transmit(path, bytes);
            }
            Fired::TimedOut => {
                self.counters.transaction_timeouts += 1;
                self.fail(id, Outcome::TimedOut);
            }
            Fired::Nothing | Fired::Terminated => {}
        }
        self.rearm_client(id);
    }

    /// Nobody listens at `remote`, or the connection is gone: what waits for an answer from there fails at once.
    pub(super) fn fail_clients(&mut self, gone: impl Fn(&Path) -> bool) {
        let failed = |client: &Client| client.is_pending() && gone(&client.path);
        let table = self.clients.table.iter();
        let mut ids: Vec<_> = table.filter(|(_, client)| failed(client)).map(|(id, _)| *id).collect();
        // The table has no order of its own, and runs must repeat.
        ids.sort_unstable_by_key(|id| (id.branch, id.cancel));
        for id in ids {
            self.counters.transaction_unreachable += 1;
            self.fail(id, Outcome::Unreachable);
        }
    }

    /// ICMP (RFC 3261 §17.1.4).
    pub(crate) fn on_unreachable(&mut self, local: SocketAddr, remote: SocketAddr) {
        self.fail_clients(|path| {
            path.transport == Transport::Udp && path.remote == remote && path.local == local
        });
    }

    fn fail(&mut self, id: ClientId, outcome: Outcome) {
        if let Some(client) = self.clients.table.remove(&id) {
            self.cancel_timer(client.alarm);
            self.outcomes.push_back((id, client.user, outcome));
        }
    }

    fn rearm_client(&mut self, id: ClientId) {
        let Some(client) = self.clients.table.get_mut(&id) else { return };
        if let Some(alarm) = client.alarm.take() {
            self.timers.cancel(alarm);
        }
        if client.is_terminated() {
            self.clients.table.remove(&id);
        } else if let Some(at) = client.deadline() {
            client.alarm = Some(self.timers.set(at, Timer::Client(id)));
        }
    }

    fn push_via(&self, request: &mut Request, path: &Path, branch: u64) {
        let transport = match path.transport {
            Transport::Udp => ViaTransport::Udp,
            Transport::Tcp => ViaTransport::Tcp,
            Transport::Tls => ViaTransport::Tls,
            Transport::Ws => ViaTransport::Ws,
            Transport::Wss => ViaTransport::Wss,
        };
        let mut via =
            Via::new(transport, self.config.advertise(path.local), &format!("z9hG4bK{branch:016x}"));
        // RFC 5923 §5: what they have to say to us may come over this connection, too.
        if path.transport == Transport::Tls && path.flow.is_some_and(is_ours) {
            via.params.set_flag("alias");
        }
        request.headers.push_front(Name::Via, &via);
    }

    /// The INVITE of a transaction, and the path it went.
    pub(crate) fn invite(&self, id: ClientId) -> Option<(&Request, Path)> {
        let client = self.clients.table.get(&id)?;
        match &client.machine {
            Machine::Invite(invite) => Some((&invite.request, client.path)),
            Machine::NonInvite(_) => None,
        }
    }

    /// For an unwanted 2xx: the INVITE it answers, once for each remote tag; on repetitions `first` is false.
    pub(crate) fn unwanted_answer(
        &mut self,
        id: ClientId,
        response: &Response,
    ) -> Option<(Request, Path, bool)> {
        let client = self.clients.table.get_mut(&id)?;
        let Machine::Invite(invite) = &mut client.machine else { return None };
        let to = response.headers.to().ok()?;
        let tag = to.tag().unwrap_or("");
        let first = !invite.ended.iter().any(|known| &**known == tag);
        if first && invite.ended.len() < MAX_UNWANTED_ANSWERS {
            invite.ended.push(tag.into());
        } else if first {
            return None;
        }
        Some((invite.request.clone(), client.path, first))
    }
}

/// Forks that may answer one INVITE of ours and be ended one by one; beyond it somebody is playing with us.
const MAX_UNWANTED_ANSWERS: usize = 16;

/// The transaction a response belongs to, by its branch and the method that it answers (RFC 3261 §17.1.3).
fn client_id(response: &Response) -> Option<(ClientId, Method)> {
    let via = response.headers.via_top().ok()?;
    let hex = via.unique_branch()?.get(7..).filter(|hex| hex.len() == 16)?;
    let branch = u64::from_str_radix(hex, 16).ok()?;
    let method = response.headers.cseq().ok()?.method;
    Some((ClientId { branch, cancel: method == Method::Cancel }, method))
}

/// CANCEL and the ACK of a refusal have the INVITE's URI, top `Via`, `Route`, `From`, `Call-ID` and `CSeq` number.
fn follow_up(invite: &Request, method: Method) -> Request {
    let mut request = Request::new(method, invite.uri.clone());
    let headers = &mut request.headers;
    headers.copy_first(&invite.headers, &Name::Via);
    headers.push(Name::MaxForwards, "70");
    headers.copy(&invite.headers, &Name::Route);
    for name in [Name::From, Name::To, Name::CallId] {
        headers.copy_first(&invite.headers, &name);
    }
    let seq = invite.headers.cseq().map_or(0, |cseq| cseq.seq);
    headers.push(Name::CSeq, &CSeq { seq, method });
    request
}

/// RFC 3261 §17.1.1.3: `To` is the response's.
fn ack_of_refusal(invite: &Request, response: &Response) -> Request {
    let mut ack = follow_up(invite, Method::Ack);
    ack.headers.remove(&Name::To);
    ack.headers.copy_first(&response.headers, &Name::To);
    ack
}

/// RFC 3326. "Completed elsewhere" keeps the call off the phone's list of missed ones.
pub(crate) fn add_reason(request: &mut Request, cause: Cause) {
    let reason = match cause {
        Cause::Withdrawn => Reason::sip(200, "Call completed elsewhere"),
        Cause::CallerHungUp | Cause::AgentHungUp | Cause::Done => Reason::q850(16, "Normal call clearing"),
        _ => Reason::q850(u16::from(cause.q850()), "Call ended"),
    };
    request.headers.push(Name::Reason, &reason);
}
