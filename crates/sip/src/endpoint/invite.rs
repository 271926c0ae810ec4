//! A new INVITE: what is wrong with it, whether there is room, and who may ring here.

use havre_model::{LegId, Peer, Pii, TrunkId};

use super::receive::unsupported;
use super::replaces;
use super::{Caller, Endpoint, Event, Origin};
use crate::admission::{EVERY, Standing, Waiting};
use crate::config::{Overload, Trunk};
use crate::dialog::Dialog;
use crate::edge::{self, Ruling};
use crate::leg::{Asked, Leg, Party, Reliable, Ringing, State, asked, sdp_of, tag_text};
use crate::passport::{self, Judged};
use crate::registrar::challenge;
use crate::stack::{Inbound, Timer};
use crate::trunk::Full;
use crate::wire::{Name, Request, Uri};

/// Set in the ids of legs that come in, so that they never meet those of legs that are dialled.
const INCOMING: u64 = 1 << 63;

impl Endpoint {
    pub(super) fn on_invite(&mut self, inbound: Inbound) {
        // Cheapest first: under overload this is all that a new call costs.
        if !self.has_room() {
            return self.refuse_for_load(&inbound);
        }
        if self.admission.has(inbound.reply.key()) {
            self.stack.counters.absorbed_requests += 1;
            return;
        }
        if let Some(status) = self.fault(&inbound) {
            return self.stack.respond_stateless(&inbound, status);
        }
        if let Some(unsupported) = unsupported(&inbound.request, &[replaces::TAG]) {
            return self.refuse_extension(&inbound, &unsupported);
        }
        let (stack, guard) = (&mut self.stack, &mut self.guard);
        match edge::judge(stack, guard, &self.registrar, &inbound.request, inbound.path) {
            Ruling::Challenge { stale } => challenge(stack, guard, &inbound, stale),
            Ruling::Refuse { status, why, trunk } => self.refuse(inbound, status, why, trunk),
            Ruling::TakeOver { agent } => self.on_replacing(inbound, agent),
            Ruling::Admit { origin, called, line } => {
                // A caller whose carrier lets such a header through is a caller like any other; it is passed over. One that
                // wants nothing else has to be told.
                if !matches!(origin, Origin::Agent(_))
                    && let Some(unsupported) = replaces::required(&inbound.request)
                {
                    return self.refuse_extension(&inbound, &unsupported);
                }
                let source = inbound.path.remote.ip();
                if matches!(origin, Origin::Trunk(_)) && !self.stack.config.is_trunks(source) {
                    self.strangers.prove(source, self.stack.mono());
                }
                let caller = Pii::new(edge::caller(&self.stack.config, &origin, &inbound.request));
                let since = self.admission.arrived(self.stack.mono());
                self.welcome(Waiting { inbound, origin, called, line, caller, judged: None, since });
            }
        }
    }

    /// It may ring here, now or in its turn. Advocates need not wait.
    fn welcome(&mut self, mut call: Waiting) {
        if matches!(call.origin, Origin::Agent(_)) {
            return self.admit(call, None);
        }
        let mut standing = self.admission.standing(&call.caller, false, self.stack.mono());
        if !self.admission.is_loaded() {
            return self.admit(call, None);
        }
        // Signatures are dear: of these only such as may move a call are looked at before it is let in.
        if standing == Standing::Flood {
            let judged = self.vouched(&call.origin, &call.inbound.request, &call.called, &call.caller);
            call.judged = Some(judged);
            if judged.proven {
                standing = self.admission.standing(&call.caller, true, self.stack.mono());
            }
        }
        self.stack.counters.calls_delayed += 1;
        if let Some(last) = self.admission.enter(standing, call) {
            self.turn_away(&last);
        }
        self.arm_admission();
    }

    /// Lets some of those in who wait, and refuses those who have waited for too long.
    pub(super) fn on_admission_timer(&mut self) {
        self.admission.alarm = None;
        while let Some(overdue) = self.admission.overdue(self.stack.mono()) {
            self.turn_away(&overdue);
        }
        let due = self.admission.due(self.stack.mono());
        self.let_in(due);
        self.arm_admission();
    }

    /// Lets in so many of those who wait.
    pub(super) fn let_in(&mut self, count: usize) {
        for _ in 0..count {
            let Some(call) = self.admission.next() else { break };
            if !self.has_room() {
                self.turn_away(&call);
            } else if self.stack.is_merged(&call.inbound.request) {
                // The same call by another way, let in while this one waited.
                self.stack.respond_stateless(&call.inbound, 482);
            } else {
                self.admit(*call, None);
            }
        }
    }

    /// Refuses one who waited, in the words of the trunk that it is known to come from by now.
    fn turn_away(&mut self, call: &Waiting) {
        let overload = match &call.origin {
            Origin::Trunk(id) => self.stack.config.trunk(id).map(|trunk| trunk.overload),
            Origin::Agent(_) | Origin::Anyone => None,
        };
        self.refuse_with(&call.inbound, overload.unwrap_or_default());
    }

    fn arm_admission(&mut self) {
        if self.admission.alarm.is_none() && self.admission.len() > 0 {
            let at = self.stack.mono() + EVERY;
            self.admission.alarm = Some(self.stack.set_timer(at, Timer::Admission));
        }
    }

    pub(super) fn has_room(&self) -> bool {
        !self.draining && !self.stack.is_crowded() && self.legs.len() < self.stack.config.limits.legs
    }

    /// What RFC 3261 §8.2 refuses before it matters who calls.
    fn fault(&self, inbound: &Inbound) -> Option<u16> {
        let (request, headers) = (&inbound.request, &inbound.request.headers);
        if self.stack.is_merged(request) {
            return Some(482);
        }
        match &request.uri {
            Uri::Other(_) => return Some(416),
            Uri::Sip(_) | Uri::Tel(_) => {}
        }
        // A call that ends here places others: a loop through us must run out of hops.
        if headers.max_forwards() == Some(0) {
            return Some(483);
        }
        (!headers.has(&Name::Contact)).then_some(400)
    }

    fn refuse_for_load(&mut self, inbound: &Inbound) {
        self.refuse_with(inbound, self.stack.config.overload(inbound.path.remote.ip()));
    }

    fn refuse_with(&mut self, inbound: &Inbound, overload: Overload) {
        self.stack.counters.overload_refusals += 1;
        let mut response = self.stack.stateless(inbound, 503);
        self.stack.tell_overload(&mut response, overload);
        self.stack.respond(inbound.reply, &response);
    }

    /// The trunk has had its share: nothing is kept of the call, and the others go on.
    fn refuse_for_cap(&mut self, inbound: &Inbound, trunk: &Trunk, full: Full) {
        self.stack.counters.trunk_full += 1;
        let mut response = self.stack.stateless(inbound, 503);
        self.stack.tell_overload(&mut response, trunk.overload);
        let status = response.status;
        self.stack.respond(inbound.reply, &response);
        self.stack.emit(Event::Refused { status, why: full.as_str(), trunk: Some(trunk.id.clone()) });
    }

    /// A carrier's refusal is repeated until it is acknowledged; a stranger's costs no state.
    pub(super) fn refuse(
        &mut self,
        mut inbound: Inbound,
        status: u16,
        why: &'static str,
        trunk: Option<TrunkId>,
    ) {
        self.stack.counters.edge_refusals += 1;
        if let Some(trunk) = &trunk {
            let call_id = inbound.request.headers.call_id().unwrap_or_default();
            self.stack.trace.name(call_id, Peer::Trunk(trunk.clone()));
            self.stack.begin_server(&mut inbound);
        }
        self.stack.respond_stateless(&inbound, status);
        self.stack.emit(Event::Refused { status, why, trunk });
    }

    /// How far a caller's carrier vouches for their number.
    fn vouched(&self, origin: &Origin, request: &Request, called: &str, caller: &Pii<Caller>) -> Judged {
        if !matches!(origin, Origin::Trunk(_)) {
            return Judged::default();
        }
        let shown = caller.expose().number.as_deref();
        passport::judge(&self.stack.config.certificates, request, called, shown, self.stack.now.unix)
    }

    /// Makes a leg of it; `replaced` is the one whose place it is to take, and whether that one only rings.
    pub(super) fn admit(&mut self, call: Waiting, replaced: Option<(LegId, bool)>) {
        let Waiting { mut inbound, origin, called, line, caller, judged, .. } = call;
        let config = self.stack.config.clone();
        let request = &inbound.request;
        let Ok(offer) = sdp_of(&request.headers, &request.body) else {
            let mut response = self.stack.stateless(&inbound, 415);
            response.headers.push(Name::Accept, "application/sdp");
            response.headers.push(Name::AcceptEncoding, "identity");
            self.stack.respond(inbound.reply, &response);
            return;
        };
        let asked = asked(request, &config);
        if asked == Asked::TooSmall {
            let mut response = self.stack.stateless(&inbound, 422);
            response.headers.push(Name::MinSe, &config.session.min.as_secs());
            self.stack.respond(inbound.reply, &response);
            return;
        }
        let party = if matches!(origin, Origin::Trunk(_)) { Party::Caller } else { Party::Agent };
        let tag = self.stack.random_u64();
        let phone = matches!(origin, Origin::Agent(_));
        let Some(dialog) = Dialog::answering(request, &tag_text(tag), inbound.path, phone) else {
            return self.stack.respond_stateless(&inbound, 400);
        };
        let id = LegId(self.stack.random_u64() | INCOMING);
        if let Origin::Trunk(trunk) = &origin
            && let Some(trunk) = config.trunk(trunk)
            && let Err(full) = self.trunks.admit(trunk, id, self.stack.mono())
        {
            return self.refuse_for_cap(&inbound, trunk, full);
        }
        let judged = judged.unwrap_or_else(|| self.vouched(&origin, request, &called, &caller));
        let attestation = judged.attestation;
        if matches!(origin, Origin::Trunk(_)) {
            self.stack.counters.count_identity(attestation);
        }
        let path = inbound.path;
        let peer = match &origin {
            Origin::Trunk(trunk) => Peer::Trunk(trunk.clone()),
            Origin::Agent(agent) => Peer::Agent(agent.clone()),
            Origin::Anyone => Peer::Unknown,
        };
        self.stack.trace.assign(inbound.request.headers.call_id().unwrap_or_default(), id, peer);
        self.stack.begin_server(&mut inbound);
        self.stack.set_server_leg(inbound.reply, id);
        let trying = inbound.request.respond(100, None);
        self.stack.respond(inbound.reply, &trying);
        let reliable = Reliable::new(&mut self.stack, &inbound.request);
        let replaces = replaced.is_some();
        let ringing =
            Ringing { id, party, invite: inbound, dialog, tag: tag_text(tag), asked, reliable, replaces };
        let leg = Leg::new(id, vec![tag], State::Ringing(Box::new(ringing)));
        if let (Some((replaced, early)), Origin::Agent(agent)) = (replaced, &origin) {
            self.legs.insert(leg.owned_by(agent.clone()));
            self.stack.emit(Event::Replacing { leg: id, replaced, early, offer, path });
            return;
        }
        self.legs.insert(leg);
        self.stack.emit(Event::Incoming { leg: id, origin, called, line, caller, attestation, offer, path });
    }
}
