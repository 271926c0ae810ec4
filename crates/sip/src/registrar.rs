//! The registrar (RFC 3261 §10): which phones an account has, and where they can be reached.
//!
//! A phone is reached where it registered from, whatever its `Contact` says: behind NAT only that works. Its binding
//! ends with its connection. Between refreshes it is asked whether it is there ([`presence`]).

mod presence;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use havre_model::{AgentId, FlowId, Mono};

use crate::Method;
use crate::config::Config;
use crate::dialog::PRODUCT;
use crate::digest::{Guard, Verdict};
use crate::edge::on_wrong;
use crate::endpoint::{Event, Path, Transport};
use crate::stack::{Inbound, Outcome, Stack, Timer};
use crate::timer::Alarm;
use crate::wire::{Contacts, Name, NameAddr, Request, Response, Uri};
pub(crate) use presence::BindingId;
use presence::Presence;

/// A registered contact.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Where it registered from; INVITEs go there.
    pub path: Path,
    /// When it ends unless it is refreshed.
    pub expires: Mono,
    pub(crate) uri: Uri,
    presence: Presence,
    /// Preference in thousandths, as registered.
    q: u16,
    /// `+sip.instance` (RFC 5626): the same phone, whatever address it has now.
    instance: Option<String>,
    /// `reg-id` (RFC 5626), given back as it came.
    reg_id: Option<u32>,
    call_id: Box<str>,
    seq: u32,
}

/// Every binding, by account and by where it came from.
#[derive(Default)]
pub(crate) struct Registrar {
    accounts: BTreeMap<AgentId, Account>,
    by_source: HashMap<Source, Vec<AgentId>>,
    /// How often a binding came, went or was heard of.
    revision: u64,
}

#[derive(Default)]
struct Account {
    bindings: Vec<Binding>,
    /// One of its phones is there, as far as the outside was told.
    reachable: bool,
    /// Where they came from, as `by_source` has it.
    sources: Vec<Source>,
    alarm: Option<Alarm>,
}

/// What a phone's requests share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Source {
    Datagrams(SocketAddr),
    Connection(FlowId),
}

/// One contact of a REGISTER.
struct Wish {
    contact: NameAddr,
    lifetime: Duration,
}

/// Why a REGISTER is refused.
enum Refusal {
    Status(u16),
    TooBrief,
}

impl Registrar {
    /// Answers a REGISTER. Only one with right credentials costs a transaction.
    pub(crate) fn on_register(&mut self, stack: &mut Stack, guard: &mut Guard, mut inbound: Inbound) {
        // The console's login has proven whose WebSocket it is.
        let owner = stack.owner(inbound.path).cloned();
        let agent = if owner.is_some() { owner } else { prove(stack, guard, &inbound) };
        if agent.is_none() {
            return;
        }
        stack.begin_server(&mut inbound);
        let response = match agent.filter(|agent| is_for(&inbound.request, agent)) {
            Some(agent) => self.register(stack, &agent, &inbound),
            // One account may not register for another.
            None => refused(&inbound.request, 403),
        };
        stack.respond(inbound.reply, &response);
    }

    fn register(&mut self, stack: &mut Stack, agent: &AgentId, inbound: &Inbound) -> Response {
        let request = &inbound.request;
        let done = match request.headers.contacts() {
            Ok(Contacts::Star) => self.remove_all(stack, agent, request),
            Ok(Contacts::List(list)) => self.apply(stack, agent, inbound, list),
            Err(_) => Err(Refusal::Status(400)),
        };
        match done {
            Ok(()) => self.listing(stack, agent, request),
            Err(Refusal::Status(status)) => refused(request, status),
            Err(Refusal::TooBrief) => {
                let mut response = refused(request, 423);
                response.headers.push(Name::MinExpires, &stack.config.registration.min.as_secs());
                response
            }
        }
    }

    /// `Contact: *` needs `Expires: 0` (§10.3, step 6).
    fn remove_all(&mut self, stack: &mut Stack, agent: &AgentId, request: &Request) -> Result<(), Refusal> {
        if request.headers.expires() != Some(0) {
            return Err(Refusal::Status(400));
        }
        let (call_id, seq) = order(request);
        let known = self.accounts.get(agent).map_or(&[][..], |account| &account.bindings);
        if known.iter().any(|binding| binding.is_newer_than(call_id, seq)) {
            return Err(Refusal::Status(500));
        }
        self.retain(stack, agent, |_| false);
        Ok(())
    }

    /// All of a request or nothing of it (§10.3, step 7).
    fn apply(
        &mut self,
        stack: &mut Stack,
        agent: &AgentId,
        inbound: &Inbound,
        list: Vec<NameAddr>,
    ) -> Result<(), Refusal> {
        let (request, config) = (&inbound.request, stack.config.clone());
        let wishes = wishes(request, &config, list)?;
        let (call_id, seq) = order(request);
        let known = self.accounts.get(agent).map_or(&[][..], |account| &account.bindings);
        let late = |wish: &Wish| {
            known.iter().any(|binding| binding.is(&wish.contact) && binding.is_newer_than(call_id, seq))
        };
        if wishes.iter().any(late) {
            return Err(Refusal::Status(500));
        }
        if wishes.is_empty() {
            return Ok(());
        }
        let mut alive = false;
        let mut superseded = Vec::new();
        let account = self.accounts.entry(agent.clone()).or_default();
        for Wish { contact, lifetime } in wishes {
            let former = account.bindings.iter().find(|binding| binding.is(&contact));
            let presence = Presence::proven(former.map(|binding| &binding.presence), stack);
            let left =
                former.filter(|former| former.path.transport.is_web()).and_then(|former| former.path.flow);
            superseded.extend(left.filter(|left| inbound.path.flow != Some(*left)));
            account.bindings.retain(|binding| !binding.is(&contact));
            if lifetime.is_zero() {
                continue;
            }
            alive = true;
            account.bindings.reserve_exact(1);
            account.bindings.push(Binding {
                path: inbound.path,
                expires: stack.now.mono + lifetime,
                q: contact.q(),
                instance: contact.params.unquoted("+sip.instance"),
                reg_id: contact.params.get("reg-id").and_then(|id| id.parse().ok()),
                uri: contact.uri,
                presence,
                call_id: call_id.into(),
                seq,
            });
        }
        if account.bindings.len() > config.limits.bindings_per_agent {
            stack.counters.bindings_replaced += 1;
            account.bindings.sort_by_key(|binding| binding.expires);
            let excess = account.bindings.len() - config.limits.bindings_per_agent;
            account.bindings.drain(..excess);
        }
        // A refresh is news too: it proves a phone that was thought gone.
        if alive {
            let first = !std::mem::replace(&mut account.reachable, true);
            stack.emit(Event::Registered { agent: agent.clone(), first });
        }
        self.changed(stack, agent);
        for flow in superseded {
            stack.supersede_flow(flow);
        }
        Ok(())
    }

    /// 200 with every binding (§10.3, step 8).
    fn listing(&self, stack: &Stack, agent: &AgentId, request: &Request) -> Response {
        let mut response = request.respond(200, Some(&stack.stateless_tag(request)));
        let mut outbound = false;
        for binding in self.bindings_of(agent) {
            let mut contact = NameAddr::new(binding.uri.clone());
            let left = binding.expires.since(stack.mono());
            // Rounded up: a phone must not believe itself forgotten a second before it is.
            let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
            contact.params.set("expires", &seconds.to_string());
            if binding.q < 1000 {
                contact.params.set("q", &format!("0.{:03}", binding.q));
            }
            // A browser finds its own binding by these.
            if let (Some(instance), Some(reg_id)) = (&binding.instance, binding.reg_id) {
                contact.params.set("+sip.instance", instance);
                contact.params.set("reg-id", &reg_id.to_string());
                outbound |= binding.is_over(request);
            }
            response.headers.push(Name::Contact, &contact);
        }
        // RFC 5626 §6: requests go over the connection that it registered over.
        if outbound {
            response.headers.push(Name::Supported, "outbound");
            response.headers.push(Name::Require, "outbound");
        }
        response.headers.push(Name::Server, PRODUCT);
        response
    }

    pub(crate) fn bindings_of(&self, agent: &AgentId) -> &[Binding] {
        self.accounts.get(agent).map_or(&[], |account| &account.bindings)
    }

    /// Where the account's phones ring, browsers excepted: those that are there, or all if none is known to be.
    pub(crate) fn phones(&self, agent: &AgentId) -> impl Iterator<Item = &Binding> {
        let all = self.bindings_of(agent).iter().filter(|binding| !binding.path.transport.is_web());
        let none = !all.clone().any(Binding::is_there);
        all.filter(move |binding| none || binding.is_there())
    }

    /// The account's browsers that are there, the newest first.
    pub(crate) fn browsers(&self, agent: &AgentId) -> impl Iterator<Item = &Binding> {
        let all = self.bindings_of(agent).iter().rev();
        all.filter(|binding| binding.path.transport.is_web() && binding.is_there())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&AgentId, &Binding)> {
        self.accounts.iter().flat_map(|(agent, account)| account.bindings.iter().map(move |b| (agent, b)))
    }

    /// Another number whenever [`Self::iter`] may give something else.
    pub(crate) const fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether a live binding came from there: then what comes from there is an agent's.
    pub(crate) fn is_source(&self, path: Path) -> bool {
        self.by_source.contains_key(&Source::of(path))
    }

    /// A binding runs out, or its phone is to be asked, or has not answered.
    pub(crate) fn on_due(&mut self, stack: &mut Stack, agent: &AgentId) {
        let now = stack.mono();
        if let Some(account) = self.accounts.get_mut(agent) {
            account.bindings.retain(|binding| binding.expires > now);
            for binding in &mut account.bindings {
                binding.presence.on_due(stack, &binding.uri, binding.path);
            }
        }
        self.changed(stack, agent);
    }

    /// What came of asking a phone.
    pub(crate) fn on_asked(&mut self, stack: &mut Stack, id: BindingId, outcome: &Outcome) {
        // One in some thousands, every 30 s each: looking is cheap enough.
        let asked = self.accounts.iter_mut().find_map(|(agent, account)| {
            let binding = account.bindings.iter_mut().find(|binding| binding.presence.id == id);
            binding.map(|binding| (agent.clone(), binding))
        });
        if let Some((agent, binding)) = asked {
            binding.presence.on_asked(stack, outcome);
            self.changed(stack, &agent);
        }
    }

    pub(crate) fn on_flow_closed(&mut self, stack: &mut Stack, flow: FlowId) {
        for agent in self.by_source.get(&Source::Connection(flow)).cloned().unwrap_or_default() {
            self.retain(stack, &agent, |binding| binding.path.flow != Some(flow));
        }
    }

    /// Accounts that are gone lose their bindings.
    pub(crate) fn on_configured(&mut self, stack: &mut Stack) {
        let config = stack.config.clone();
        let gone = self.accounts.keys().filter(|agent| !config.accounts.contains_key(*agent));
        for agent in gone.cloned().collect::<Vec<_>>() {
            self.retain(stack, &agent, |_| false);
        }
    }

    fn retain(&mut self, stack: &mut Stack, agent: &AgentId, keep: impl Fn(&Binding) -> bool) {
        if let Some(account) = self.accounts.get_mut(agent) {
            account.bindings.retain(keep);
            self.changed(stack, agent);
        }
    }

    /// Sets the next deadline, tells whether the account is reachable, and brings the index of sources up to date.
    fn changed(&mut self, stack: &mut Stack, agent: &AgentId) {
        self.revision += 1;
        let Some(account) = self.accounts.get_mut(agent) else { return };
        stack.cancel_timer(account.alarm.take());
        let next = account.bindings.iter().map(|binding| binding.expires.min(binding.presence.due())).min();
        account.alarm = next.map(|at| stack.set_timer(at, Timer::Bindings(agent.clone())));
        for source in account.sources.drain(..) {
            if let Entry::Occupied(mut agents) = self.by_source.entry(source) {
                agents.get_mut().retain(|known| known != agent);
                if agents.get().is_empty() {
                    agents.remove();
                }
            }
        }
        for binding in &account.bindings {
            let source = Source::of(binding.path);
            if !account.sources.contains(&source) {
                account.sources.push(source);
                self.by_source.entry(source).or_default().push(agent.clone());
            }
        }
        let there = account.bindings.iter().any(Binding::is_there);
        match (std::mem::replace(&mut account.reachable, there), there) {
            (false, true) => stack.emit(Event::Registered { agent: agent.clone(), first: true }),
            (true, false) => stack.emit(Event::Unregistered { agent: agent.clone() }),
            _ => {}
        }
        if account.bindings.is_empty() {
            self.accounts.remove(agent);
        }
    }
}

impl Binding {
    /// Whether its phone answers, as far as is known.
    #[must_use]
    pub const fn is_there(&self) -> bool {
        self.presence.is_there()
    }

    /// The same phone: by instance, else by address (§10.3, step 7; RFC 5626 §6).
    fn is(&self, contact: &NameAddr) -> bool {
        let instance = contact.params.unquoted("+sip.instance");
        (instance.is_some() && instance == self.instance) || self.uri.equivalent(&contact.uri)
    }

    /// Registered by this request, or an earlier one of its `Call-ID`, whose sender knows RFC 5626.
    fn is_over(&self, request: &Request) -> bool {
        *self.call_id == *order(request).0 && request.headers.supported().has("outbound")
    }

    /// A request that was overtaken by a newer one of its `Call-ID` must not undo it.
    fn is_newer_than(&self, call_id: &str, seq: u32) -> bool {
        *self.call_id == *call_id && self.seq >= seq
    }
}

impl Source {
    const fn of(path: Path) -> Self {
        match (path.transport, path.flow) {
            (Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss, Some(flow)) => {
                Self::Connection(flow)
            }
            _ => Self::Datagrams(path.remote),
        }
    }
}

/// The account that the credentials prove; `None` if it was challenged instead.
fn prove(stack: &mut Stack, guard: &mut Guard, inbound: &Inbound) -> Option<AgentId> {
    let (secrets, request) = (Arc::clone(&stack.secrets), &inbound.request);
    let auths = request.headers.auths(&Name::Authorization);
    let secret = |user: &str| secrets.account(user);
    let source = inbound.path.remote.ip();
    let stale = match guard.verify(&auths, Method::Register, &request.uri, source, secret, stack.now) {
        Verdict::Genuine { username } => return username.parse().ok(),
        Verdict::Missing => false,
        Verdict::Stale => true,
        Verdict::Refused => {
            on_wrong(stack, guard);
            false
        }
    };
    challenge(stack, guard, inbound, stale);
    None
}

/// 401 with a fresh nonce, of which nothing is kept.
pub(crate) fn challenge(stack: &mut Stack, guard: &mut Guard, inbound: &Inbound, stale: bool) {
    stack.counters.challenges += 1;
    let mut response = stack.stateless(inbound, 401);
    for challenge in guard.challenge(inbound.path.remote.ip(), stale, stack.now) {
        response.headers.push(Name::WwwAuthenticate, &challenge);
    }
    stack.respond(inbound.reply, &response);
}

/// To whoever it was: nothing says what we are.
fn refused(request: &Request, status: u16) -> Response {
    request.respond(status, Some("refused"))
}

fn is_for(request: &Request, agent: &AgentId) -> bool {
    let to = request.headers.to().ok();
    to.and_then(|to| to.uri.user().map(|user| user == agent.as_str())).unwrap_or(false)
}

fn order(request: &Request) -> (&str, u32) {
    let seq = request.headers.cseq().map_or(0, |cseq| cseq.seq);
    (request.headers.call_id().unwrap_or(""), seq)
}

/// The lifetimes asked for, shortened to the longest that we give.
fn wishes(request: &Request, config: &Config, list: Vec<NameAddr>) -> Result<Vec<Wish>, Refusal> {
    let times = config.registration;
    let common = request.headers.expires();
    let mut wishes = Vec::new();
    for contact in list.into_iter().take(config.limits.bindings_per_agent) {
        let seconds = contact.expires().or(common);
        let lifetime = seconds.map_or(times.default, |s| Duration::from_secs(u64::from(s))).min(times.max);
        if !lifetime.is_zero() && lifetime < times.min {
            return Err(Refusal::TooBrief);
        }
        if contact.uri.as_sip().is_none() {
            return Err(Refusal::Status(400));
        }
        wishes.push(Wish { contact, lifetime });
    }
    Ok(wishes)
}
