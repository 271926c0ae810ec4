//! Agents: between an offer of the queue and the phone that rings for it.

use havre_call::{Input as CallInput, Stage};
use havre_media as media;
use havre_model::{
    AgentId, CallEvent, CallId, Cause, LegId, Now, OfferId, OfferKind, Spoken, What, WithdrawReason,
};
use havre_queue as queue;
use havre_sip as sip;

use crate::caller::end_of;
use crate::io::Output;
use crate::label;
use crate::leg::{Begins, Leg, Part, Role};
use crate::switch::Switch;

/// The SIP user that offers come from: the line, never a caller.
const LINE_USER: &str = "line";

impl Switch {
    /// The queue offers a call: a leg of its own, on the shard of the caller.
    pub(crate) fn on_offer(
        &mut self,
        offer: OfferId,
        call: CallId,
        agent: &AgentId,
        kind: OfferKind,
        interpreter: bool,
        now: Now,
    ) {
        let Some(shard) =
            self.calls.get(&call).and_then(|entry| self.legs.get(&entry.leg)).map(|leg| leg.shard)
        else {
            let why = WithdrawReason::CallerLeft;
            self.queue.handle_input(queue::Input::OfferEnded { offer, why }, now);
            return;
        };
        let leg = self.dialled.next();
        // Who has both is rung in the browser alone.
        let browser = self.sip.has_browser(agent);
        let part = Part::Offered { offer, interpreter };
        let role = Role::Agent { call, agent: agent.clone(), browser, part };
        self.offers.insert(offer, leg);
        let srtp = self.srtp_of(agent);
        self.add_leg(leg, Leg::new(shard, role, srtp, Begins::Dial));
        self.tell_call(call, CallInput::Offered { offer, agent: agent.clone(), kind }, now);
    }

    /// Its sockets are bound: ring.
    pub(crate) fn dial_agent(&mut self, leg: LegId, now: Now) {
        let ways = self.codecs_by_trunk(leg);
        let Some(entry) = self.legs.get_mut(&leg) else { return };
        let Role::Agent { call, ref agent, browser, part } = entry.role else { return };
        let agent = agent.clone();
        let interpreter = matches!(part, Part::Offered { interpreter: true, .. });
        let Some(session) = entry.session() else { return };
        let (v4, v6) = session.offers();
        let mut sdp = sip::DialOffer::new(v4.into(), v6.into());
        for (trunk, codecs) in ways {
            let (v4, v6) = session.offers_in(&codecs);
            sdp = sdp.over_trunk(trunk, v4.into(), v6.into());
        }
        let reader = self.agents.get(&agent).map_or(Spoken::En, |profile| profile.ui_language);
        let Some(caller) = self.calls.get(&call).map(|entry| &entry.call) else { return };
        let telephone = if browser { None } else { self.outsiders.phones.get(&agent).cloned() };
        let (from, target) = if let Some(telephone) = telephone {
            // Nothing is said of the call on a network that is not ours: the line's number, and no name.
            let Some(from) = self.line_identity(call) else {
                return self.fail_agent_leg(leg, Cause::Internal, now);
            };
            (from, sip::Target::Outside(telephone))
        } else {
            let display =
                label::of_offer(caller.language(), caller.risk(), caller.mode(), interpreter, reader);
            let from = sip::Identity { display, user: LINE_USER.to_owned(), host: None };
            let target = if browser {
                sip::Target::Browser { agent, call, resume: part == Part::Returning }
            } else {
                sip::Target::Agent(agent)
            };
            (from, target)
        };
        self.command_sip(sip::Command::Dial { leg, target, from, sdp: Some(sdp), account: None }, now);
        self.sip.belongs(leg, call);
    }

    /// SIP said something about an agent's leg.
    pub(crate) fn on_agent_event(&mut self, leg: LegId, event: sip::Event, now: Now) {
        let Some(Leg { role: Role::Agent { call, part, .. }, .. }) = self.legs.get(&leg) else { return };
        let (call, part) = (*call, *part);
        match (event, part) {
            (sip::Event::Ringing { .. } | sip::Event::Progress { .. }, Part::Offered { offer, .. }) => {
                self.queue.handle_input(queue::Input::Ringing { offer }, now);
            }
            (sip::Event::Answered { sdp, .. }, _) if self.take_first_answer(leg, sdp.as_deref(), now) => {
                self.on_agent_answered(leg, part, now);
            }
            (sip::Event::EarlyOffer { sdp, .. }, _) => self.answer_early(leg, &sdp, now),
            (sip::Event::Reoffered { sdp, .. }, _) => {
                if let (Some(held), Part::Talking) = (self.answer_reoffer(leg, sdp, now), part) {
                    self.tell_call(call, CallInput::AgentHeld(held), now);
                }
            }
            (sip::Event::Probed { status: Some(481), .. }, Part::Talking) => {
                self.tell_call(call, CallInput::AgentEnded(havre_call::End::Unknown), now);
            }
            (sip::Event::Probed { alive, .. }, Part::Talking) => {
                self.tell_call(call, CallInput::AgentProbed { alive }, now);
            }
            (sip::Event::SessionExpired { .. }, _) => {
                self.command_sip(sip::Command::Probe { leg }, now);
            }
            (sip::Event::Confirmed { sdp, .. }, Part::Replacing)
                if self.take_answer(leg, sdp.as_deref(), now) =>
            {
                self.on_taken_over(leg, now);
            }
            (sip::Event::Confirmed { sdp, .. }, Part::PickingUp { offer, rings })
                if self.take_answer(leg, sdp.as_deref(), now) =>
            {
                self.on_picked_up(leg, offer, rings, now);
            }
            (sip::Event::NotConfirmed { .. }, Part::Replacing | Part::PickingUp { .. }) => {
                self.fail_agent_leg(leg, Cause::AgentLost, now);
            }
            (sip::Event::Detached { .. }, Part::Talking) => self.on_detached(leg, call, now),
            (sip::Event::Detached { .. }, _) => self.fail_agent_leg(leg, Cause::AgentLost, now),
            (sip::Event::Ended { .. }, Part::Talking) if self.is_moving(leg, now) => {}
            (sip::Event::Ended { by, .. }, Part::Talking) => {
                self.forget_leg(leg);
                self.tell_call(call, CallInput::AgentEnded(end_of(by)), now);
            }
            (sip::Event::Ended { by, .. }, Part::Returning) => {
                self.forget_leg(leg);
                self.on_not_returned(leg, by);
            }
            (sip::Event::Ended { .. }, Part::Replacing) => {
                self.forget_leg(leg);
                self.on_not_taken_over(leg, now);
            }
            (sip::Event::Ended { .. }, Part::PickingUp { .. }) => drop(self.forget_leg(leg)),
            (sip::Event::Ended { by, cause, .. }, Part::Offered { .. }) => {
                if let Some(ended) = self.forget_leg(leg) {
                    self.on_offer_ended(ended, why_of(by, cause), now);
                }
            }
            (event, Part::Outside(telephone)) => self.on_outside_event(leg, telephone, &event, now),
            _ => {}
        }
    }

    pub(crate) fn rings_outside(&self, leg: &Leg) -> bool {
        matches!(&leg.role, Role::Agent { agent, browser: false, .. } if self.outsiders.phones.contains_key(agent))
    }

    fn on_agent_answered(&mut self, leg: LegId, part: Part, now: Now) {
        match part {
            Part::Offered { offer, .. } if self.legs.get(&leg).is_some_and(|leg| self.rings_outside(leg)) => {
                self.ask(leg, offer, now);
            }
            Part::Offered { offer, .. } => {
                self.queue.handle_input(queue::Input::OfferAnswered { offer }, now);
            }
            Part::Returning => self.on_returned(leg, now),
            Part::Outside(_) | Part::Replacing | Part::PickingUp { .. } | Part::Talking => {}
        }
    }

    /// The data plane noticed something on a talking agent's leg.
    pub(crate) fn on_agent_media(&mut self, call: CallId, event: &media::Event, now: Now) {
        let input = match event {
            media::Event::MediaLost { .. } => CallInput::AgentMedia(false),
            media::Event::MediaBack { .. } => CallInput::AgentMedia(true),
            media::Event::Unreachable { .. } => CallInput::AgentUnreachable,
            _ => return,
        };
        self.tell_call(call, input, now);
    }

    /// The queue confirmed an agent whose phone is answered.
    pub(crate) fn on_connect(&mut self, call: CallId, agent: AgentId, offer: OfferId, now: Now) {
        let leg = self.offers.remove(&offer);
        let role = leg.and_then(|leg| self.legs.get_mut(&leg)).map(|leg| &mut leg.role);
        let (Some(leg), Some(Role::Agent { part, browser, .. })) = (leg, role) else {
            // The phone hung up in the same breath: the caller must not be thought to be with it.
            let input = queue::Input::TalkEnded { call, agent, agent_reachable: true };
            self.queue.handle_input(input, now);
            self.tell_call(call, CallInput::ConnectFailed, now);
            return;
        };
        *part = Part::Talking;
        let browser = *browser;
        self.say_what_is_missing(leg, now);
        self.tell_call(call, CallInput::Connected { agent, leg, browser }, now);
    }

    /// The queue takes an offer back.
    pub(crate) fn on_withdraw(
        &mut self,
        offer: OfferId,
        call: CallId,
        agent: AgentId,
        why: WithdrawReason,
        now: Now,
    ) {
        match self.offers.remove(&offer) {
            // Nobody took the call: a voicemail is not thanked.
            Some(leg) if why == WithdrawReason::NotTaken => {
                self.drop_leg(leg, Cause::Withdrawn, now);
            }
            Some(leg) => self.let_go(leg, now),
            None => {}
        }
        self.say_withdrawn(offer, call, agent, why, now);
    }

    /// The queue has no use for a phone that was answered: the record must see the end of its offer, too.
    pub(crate) fn on_reject(&mut self, offer: OfferId, now: Now) {
        let Some(leg) = self.offers.remove(&offer) else { return };
        let role = self.legs.get(&leg).map(|leg| &leg.role);
        let Some((call, agent)) = role.and_then(|role| match role {
            Role::Agent { call, agent, .. } => Some((*call, agent.clone())),
            Role::Caller { .. } | Role::Feature(_) => None,
        }) else {
            return;
        };
        self.let_go(leg, now);
        let why = match self.calls.get(&call).map(|entry| entry.call.stage()) {
            None => WithdrawReason::CallerLeft,
            Some(Stage::Talking(_)) => WithdrawReason::AnsweredElsewhere,
            Some(_) => WithdrawReason::Claimed,
        };
        self.say_withdrawn(offer, call, agent, why, now);
    }

    fn say_withdrawn(&mut self, offer: OfferId, call: CallId, agent: AgentId, why: WithdrawReason, now: Now) {
        if self.calls.contains_key(&call) {
            self.tell_call(call, CallInput::Withdrawn { offer, agent, why }, now);
        } else {
            // The caller left: the call is over, and its offers end after it.
            let what = What::Withdrawn { offer, agent, why };
            self.outputs.push_back(Output::Event(CallEvent { call, at: now.unix, what }));
        }
    }

    /// An agent's leg cannot be set up (no port, no codec).
    pub(crate) fn fail_agent_leg(&mut self, leg: LegId, cause: Cause, now: Now) {
        let Some(ended) = self.drop_leg(leg, cause, now) else { return };
        match ended.role {
            Role::Agent { call, part: Part::Talking, .. } => {
                self.tell_call(call, CallInput::AgentEnded(havre_call::End::Lost), now);
            }
            Role::Agent { part: Part::Returning, .. } => self.on_not_returned(leg, sip::EndedBy::Us),
            Role::Agent { part: Part::Replacing, .. } => self.on_not_taken_over(leg, now),
            Role::Agent { part: Part::PickingUp { .. }, .. } => {}
            // No port of ours is no fault of the phone: it is asked again soon, as after a refused claim.
            _ if cause == Cause::Overloaded => self.on_offer_ended(ended, WithdrawReason::Claimed, now),
            _ if cause == Cause::NotAcceptable => {
                self.on_offer_ended(ended, WithdrawReason::PhoneFailed, now);
            }
            _ => self.on_offer_ended(ended, WithdrawReason::Unreachable, now),
        }
    }

    /// The leg of an offer ended before the queue confirmed it.
    pub(crate) fn on_offer_ended(&mut self, leg: Leg, why: WithdrawReason, now: Now) {
        let Role::Agent { call, agent, part, .. } = leg.role else { return };
        let Some(offer) = part.offer() else { return };
        self.offers.remove(&offer);
        self.queue.handle_input(queue::Input::OfferEnded { offer, why }, now);
        self.tell_call(call, CallInput::Withdrawn { offer, agent, why }, now);
    }
}

/// Why an offer's phone did not answer.
const fn why_of(by: sip::EndedBy, cause: Cause) -> WithdrawReason {
    match (by, cause) {
        (_, Cause::Declined) | (sip::EndedBy::Remote, _) => WithdrawReason::Declined,
        (sip::EndedBy::Refused, Cause::NoAnswer) => WithdrawReason::NoAnswer,
        (sip::EndedBy::Refused, Cause::NotAcceptable) => WithdrawReason::PhoneFailed,
        _ => WithdrawReason::Unreachable,
    }
}
