//! The table of server transactions: what a request belongs to, and answering it.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use bytes::Bytes;
use havre_model::{LegId, Mono};

use super::finished::{Epilogue, Finished};
use super::{Stack, Timer};
use crate::Method;
use crate::dialog::ALLOW;
use crate::endpoint::Path;
use crate::timer::Alarm;
use crate::transaction::{Fired, OnRequest, ServerInvite, ServerNonInvite};
use crate::wire::{Headers, Name, Request, Response, Via, method_name};

/// One server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ServerId(u64);

/// What all repetitions of a request share, and nothing else does (RFC 3261 §17.2.3): hashed under a key of this
/// process's, so that nobody can make two requests meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(pub(super) u64);

/// A request to act on, and how to answer it.
pub(crate) struct Inbound {
    pub(crate) request: Request,
    /// The way it came.
    pub(crate) path: Path,
    pub(crate) reply: ReplyTo,
}

/// Where the answer to a request goes. `server` is `None` where no state is kept: for ACK, for answers that can be
/// computed again, and when the table is full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplyTo {
    pub(crate) server: Option<ServerId>,
    path: Path,
    key: Key,
}

impl ReplyTo {
    /// What repetitions of the request look like.
    pub(crate) const fn key(&self) -> Key {
        self.key
    }
}

/// What a request turned out to be.
pub(crate) enum Arrival {
    /// A new one.
    New(Inbound),
    /// An ACK for the transaction user.
    Ack(Inbound),
    /// CANCEL. `matched` if its INVITE is known; `leg` if that still waits for its final answer. `invite` is what its
    /// INVITE looks like.
    Cancel { cancel: Inbound, matched: bool, leg: Option<LegId>, invite: Key },
    /// A repetition; all is done.
    Absorbed,
}

/// Every server transaction by number, by what its repetitions look like, and INVITEs by what merged ones share.
/// Boxed, they leave the table's free places small.
#[derive(Default)]
pub(crate) struct Servers {
    table: HashMap<ServerId, Box<Server>>,
    by_key: HashMap<Key, ServerId>,
    by_merge_key: HashMap<Key, ServerId>,
    pub(super) finished: Finished,
    hashing: RandomState,
    count: u64,
}

struct Server {
    machine: Machine,
    key: Key,
    merge_key: Option<Key>,
    path: Path,
    last: Option<Bytes>,
    leg: Option<LegId>,
    alarm: Option<Alarm>,
}

enum Machine {
    Invite(ServerInvite),
    NonInvite(ServerNonInvite),
}

impl Servers {
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    fn find(&mut self, key: Key) -> Option<(ServerId, &mut Server)> {
        let id = *self.by_key.get(&key)?;
        Some((id, self.table.get_mut(&id)?))
    }

    /// See [`Key`]. An ACK is looked up as INVITE.
    fn key(&self, request: &Request, method: Method) -> Key {
        let headers = &request.headers;
        if let Some(key) = headers.via_top().ok().and_then(|via| self.via_key(via, method)) {
            return key;
        }
        let mut hash = self.hashing.build_hasher();
        method_name(method).hash(&mut hash);
        // RFC 2543: no unique branch. The To tag is left out: an ACK has one where its INVITE had none.
        let tag = headers.from().ok().and_then(|from| from.tag());
        let seq = headers.cseq().map_or(0, |cseq| cseq.seq);
        let via = headers.first(&Name::Via);
        (&request.uri, tag, headers.call_id().ok(), seq, via).hash(&mut hash);
        Key(hash.finish())
    }

    /// The same of a hop alone, if its branch says all; whether the hop is stamped makes no difference.
    fn via_key(&self, via: &Via, method: Method) -> Option<Key> {
        Some(self.hop_key(via, via.unique_branch()?, method))
    }

    fn hop_key(&self, hop: &Via, branch: &str, method: Method) -> Key {
        let mut hash = self.hashing.build_hasher();
        method_name(method).hash(&mut hash);
        (branch, &hop.host, hop.port.unwrap_or(5060)).hash(&mut hash);
        Key(hash.finish())
    }

    /// What merged requests share (RFC 3261 §8.2.2.2). Inside a dialog nothing merges.
    fn merge_key(&self, request: &Request) -> Option<Key> {
        let headers = &request.headers;
        if headers.to().ok()?.tag().is_some() {
            return None;
        }
        let from = headers.from().ok()?;
        let shared = ("merge", from.tag()?, headers.call_id().ok()?, headers.cseq().ok()?.seq);
        Some(Key(self.hashing.hash_one(shared)))
    }
}

impl Server {
    const fn is_invite(&self) -> bool {
        matches!(self.machine, Machine::Invite(_))
    }
}

impl Machine {
    fn on_request(&self) -> OnRequest {
        match self {
            Self::Invite(machine) => machine.on_request(),
            Self::NonInvite(machine) => machine.on_request(),
        }
    }

    fn on_respond(&mut self, status: u16, now: Mono) -> bool {
        match self {
            Self::Invite(machine) => machine.on_respond(status, now),
            Self::NonInvite(machine) => machine.on_respond(status, now),
        }
    }

    fn on_timeout(&mut self, now: Mono) -> Fired {
        match self {
            Self::Invite(machine) => machine.on_timeout(now),
            Self::NonInvite(machine) => machine.on_timeout(now),
        }
    }

    fn deadline(&self) -> Option<Mono> {
        match self {
            Self::Invite(machine) => machine.deadline(),
            Self::NonInvite(machine) => machine.deadline(),
        }
    }

    fn is_terminated(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_terminated(),
            Self::NonInvite(machine) => machine.is_terminated(),
        }
    }
}

impl Stack {
    /// Finds the transaction of a request whose `Via` is stamped already. Makes none: that is [`Self::begin_server`].
    pub(crate) fn on_request(&mut self, request: Request, path: Path) -> Arrival {
        let inbound = |request, reply| Inbound { request, path, reply };
        let is_ack = request.method == Method::Ack;
        let key = self.servers.key(&request, if is_ack { Method::Invite } else { request.method });
        let reply = ReplyTo { server: None, path: reply_path(&request.headers, path), key };
        let now = self.mono();
        if is_ack {
            let Some((id, server)) = self.servers.find(key) else {
                return Arrival::Ack(inbound(request, reply));
            };
            let Machine::Invite(machine) = &mut server.machine else {
                return Arrival::Ack(inbound(request, reply));
            };
            let told = machine.on_ack(now);
            self.rearm_server(id);
            return match told {
                OnRequest::Deliver => Arrival::Ack(inbound(request, reply)),
                OnRequest::Absorb | OnRequest::ResendLast => Arrival::Absorbed,
            };
        }
        if let Some((_, server)) = self.servers.find(key) {
            self.counters.absorbed_requests += 1;
            if let (OnRequest::ResendLast, Some(bytes)) = (server.machine.on_request(), server.last.clone()) {
                let path = server.path;
                self.counters.response_retransmissions += 1;
                self.transmit(path, bytes);
            }
            return Arrival::Absorbed;
        }
        if let Some(epilogue) = self.servers.finished.find(key, now) {
            self.counters.absorbed_requests += 1;
            if let Epilogue::Again(status) = epilogue {
                self.counters.response_retransmissions += 1;
                self.transmit(reply.path, request.respond(status, None).to_bytes());
            }
            return Arrival::Absorbed;
        }
        if request.method == Method::Cancel {
            let invite = self.servers.key(&request, Method::Invite);
            let answered = self.servers.finished.find(invite, now).is_some();
            let (matched, leg) = match self.servers.find(invite) {
                Some((_, Server { machine: Machine::Invite(machine), leg, .. })) => {
                    (true, leg.filter(|_| machine.is_pending()))
                }
                _ => (answered, None),
            };
            return Arrival::Cancel { cancel: inbound(request, reply), matched, leg, invite };
        }
        Arrival::New(inbound(request, reply))
    }

    /// What an INVITE over this hop (or its ACK) is looked up by; `None` if its branch does not say.
    pub(crate) fn invite_key(&self, hop: &Via, branch: &str) -> Key {
        self.servers.hop_key(hop, branch, Method::Invite)
    }

    /// Whether the transaction is here, or was lately.
    pub(crate) fn knows(&self, key: Key) -> bool {
        self.servers.by_key.contains_key(&key) || self.servers.finished.find(key, self.mono()).is_some()
    }

    /// Another INVITE with this `From` tag, `Call-ID` and `CSeq` is in progress: this one came by another way
    /// (RFC 3261 §8.2.2.2).
    pub(crate) fn is_merged(&self, request: &Request) -> bool {
        let servers = &self.servers;
        servers.merge_key(request).is_some_and(|key| {
            servers.by_merge_key.contains_key(&key) || servers.finished.find(key, self.now.mono).is_some()
        })
    }

    /// Keeps state of a new request from now on. With the table full it is answered without.
    pub(crate) fn begin_server(&mut self, inbound: &mut Inbound) {
        if self.is_full() {
            self.counters.transactions_full += 1;
            return;
        }
        let (request, path) = (&inbound.request, inbound.reply.path);
        let (timers, reliable) = (self.base_timers(), path.transport.is_reliable());
        let invite = request.method == Method::Invite;
        let machine = if invite {
            Machine::Invite(ServerInvite::new(timers, reliable))
        } else {
            Machine::NonInvite(ServerNonInvite::new(timers, reliable))
        };
        let servers = &mut self.servers;
        let (key, merge_key) = (inbound.reply.key, servers.merge_key(request).filter(|_| invite));
        servers.count += 1;
        let id = ServerId(servers.count);
        servers.by_key.insert(key, id);
        if let Some(key) = merge_key {
            servers.by_merge_key.insert(key, id);
        }
        let server = Server { machine, key, merge_key, path, last: None, leg: None, alarm: None };
        servers.table.insert(id, Box::new(server));
        inbound.reply.server = Some(id);
    }

    /// The leg that a CANCEL of this INVITE concerns.
    pub(crate) fn set_server_leg(&mut self, reply: ReplyTo, leg: LegId) {
        if let Some(server) = reply.server.and_then(|id| self.servers.table.get_mut(&id)) {
            server.leg = Some(leg);
        }
    }

    /// Answers a request that no transaction and no dialog is kept for. Repetitions get the same.
    pub(crate) fn respond_stateless(&mut self, inbound: &Inbound, status: u16) {
        let response = self.stateless(inbound, status);
        self.respond(inbound.reply, &response);
    }

    /// Answers a request inside a dialog for good, with what is made of it and `status` alone: a repetition can be
    /// answered without keeping the answer.
    pub(crate) fn respond_plain(&mut self, inbound: &Inbound, status: u16) {
        self.respond(inbound.reply, &inbound.request.respond(status, None));
        let known = |id: &ServerId| self.servers.table.get(id).is_some_and(|server| !server.is_invite());
        if let Some(id) = inbound.reply.server.filter(known) {
            self.finish_server(id, Epilogue::Again(status));
        }
    }

    /// The response of [`Self::respond_stateless`], to be added to. It may be a stranger's, who is not told what we are.
    pub(crate) fn stateless(&self, inbound: &Inbound, status: u16) -> Response {
        let mut tag = self.stateless_tag(&inbound.request);
        if inbound.reply.server.is_some() {
            // Its ACK is waited for.
            tag.replace_range(..1, "y");
        }
        inbound.request.respond(status, Some(&tag))
    }

    /// The answer that the lexer gives to what it could not read.
    pub(crate) fn respond_to_junk(&mut self, mut reply: Response, path: Path) {
        reply.headers.stamp_via(path.remote);
        let tag = self.tag_of(&reply.headers);
        reply.headers.tag_to(&tag);
        if matches!(reply.status, 405 | 501) {
            reply.headers.push(Name::Allow, ALLOW);
        }
        let path = reply_path(&reply.headers, path);
        self.transmit(path, reply.to_bytes());
    }

    /// Sends a response. Returns its bytes, for 2xx that the transaction user repeats.
    pub(crate) fn respond(&mut self, reply: ReplyTo, response: &Response) -> Bytes {
        let bytes = response.to_bytes();
        let now = self.mono();
        match reply.server {
            None => {
                self.transmit(reply.path, bytes.clone());
            }
            Some(id) => {
                let Some(server) = self.servers.table.get_mut(&id) else { return bytes };
                if server.machine.on_respond(response.status, now) {
                    // A 2xx to an INVITE is repeated by whoever sent it.
                    let repeats = server.machine.on_request() == OnRequest::ResendLast;
                    server.last = repeats.then(|| bytes.clone());
                    self.transmit(reply.path, bytes.clone());
                }
                let accepted = (200..300).contains(&response.status)
                    && self.servers.table.get(&id).is_some_and(|server| server.is_invite());
                if accepted {
                    self.finish_server(id, Epilogue::Absorb);
                } else {
                    self.rearm_server(id);
                }
            }
        }
        bytes
    }

    /// A 2xx again (RFC 3261 §13.3.1.4).
    pub(crate) fn resend(&mut self, reply: ReplyTo, bytes: Bytes) {
        self.counters.response_retransmissions += 1;
        self.transmit(reply.path, bytes);
    }

    pub(super) fn on_server_timer(&mut self, id: ServerId) {
        let now = self.mono();
        let Some(server) = self.servers.table.get_mut(&id) else { return };
        server.alarm = None;
        match server.machine.on_timeout(now) {
            Fired::Resend => {
                if let Some(bytes) = server.last.clone() {
                    let path = server.path;
                    self.counters.response_retransmissions += 1;
                    self.transmit(path, bytes);
                }
            }
            // Timer H: a refusal was never acknowledged. Nobody waits for that.
            Fired::TimedOut => self.counters.transaction_timeouts += 1,
            Fired::Nothing | Fired::Terminated => {}
        }
        self.rearm_server(id);
    }

    fn rearm_server(&mut self, id: ServerId) {
        let Some(server) = self.servers.table.get_mut(&id) else { return };
        if let Some(alarm) = server.alarm.take() {
            self.timers.cancel(alarm);
        }
        if server.machine.is_terminated() {
            self.forget_server(id);
        } else if let Some(at) = server.machine.deadline() {
            server.alarm = Some(self.timers.set(at, Timer::Server(id)));
        }
    }

    /// Nothing is left to be done for it but with repetitions.
    fn finish_server(&mut self, id: ServerId, epilogue: Epilogue) {
        let Some(server) = self.forget_server(id) else { return };
        if let Some(alarm) = server.alarm {
            self.timers.cancel(alarm);
        }
        // Timer J is zero on reliable transports (§17.2.2), timer L is not (RFC 6026 §7.1).
        if server.path.transport.is_reliable() && epilogue != Epilogue::Absorb {
            return;
        }
        let until = self.mono() + self.base_timers().t1x64();
        for key in server.merge_key.into_iter().chain([server.key]) {
            let crowded_out = self.servers.finished.note(key, epilogue, until);
            self.counters.finished_forgotten += u64::from(crowded_out);
        }
        if self.servers.finished.alarm.is_none() {
            self.purge_finished();
        }
    }

    pub(super) fn purge_finished(&mut self) {
        let next = self.servers.finished.purge(self.now.mono);
        self.servers.finished.alarm = next.map(|at| self.timers.set(at, Timer::Finished));
    }

    fn forget_server(&mut self, id: ServerId) -> Option<Box<Server>> {
        let server = self.servers.table.remove(&id)?;
        self.servers.by_key.remove(&server.key);
        if let Some(key) = server.merge_key {
            // A later INVITE may have taken the place.
            if self.servers.by_merge_key.get(&key) == Some(&id) {
                self.servers.by_merge_key.remove(&key);
            }
        }
        Some(server)
    }
}

/// Over the same connection; over UDP as RFC 3261 §18.2.2 and RFC 3581 §4 say, from the stamped `Via`.
fn reply_path(headers: &Headers, path: Path) -> Path {
    if path.transport.is_reliable() {
        return path;
    }
    let remote = headers.via_top().ok().and_then(Via::reply_to);
    Path { remote: remote.unwrap_or(path.remote), ..path }
}
