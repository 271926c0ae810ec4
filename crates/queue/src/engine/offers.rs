//! Offers from claim to talk, or to nothing.

use std::time::Duration;

use havre_model::{AgentId, CallId, Now, OfferId, WithdrawReason};

use super::Engine;
use crate::agent::{Agent, Rest, State};
use crate::caller::{Caller, Standing, Wait};
use crate::offer::{Aftermath, Offer, Stage};
use crate::pool::Spot;
use crate::reach::{Bench, Post, needs_interpreter};
use crate::timers::Timer;
use crate::widen::Widened;
use crate::{Lease, Op, Output};

/// A phone that has rung in vain among others is quiet for a moment before it rings again: nobody can work, or
/// think, beside a phone that never stops.
const BREATH: Duration = Duration::from_secs(5);
/// A telephone outside rings some seconds after it is called, and lies in another room: the dialplan's ring time, made for
/// phones on desks, would end most of its calls too soon.
const ON_CALL_RING: Duration = Duration::from_secs(30);
/// Time to hear the question and press the key, and again to hear what call it is.
const ASK: Duration = Duration::from_secs(20);
/// Time from one ringing to the next for those who are asked although they are not ready.
const RING_AGAIN: Duration = Duration::from_secs(30);
/// An agent whom another node holds is asked for again after this time.
const CLAIM_AGAIN: Duration = Duration::from_secs(2);

impl Engine {
    /// Offers the call to a free agent. The phone rings as soon as the store has granted the claim.
    pub(super) fn offer(&mut self, call: CallId, agent_id: &AgentId, now: Now) {
        if let Some(spot) = self.free.at(agent_id) {
            self.offer_at(spot, call, agent_id, now);
        }
    }

    /// Offers the call to an agent at rest, who counts as standing there.
    pub(super) fn offer_at(&mut self, spot: Spot, call: CallId, agent_id: &AgentId, now: Now) {
        let id = self.fresh_offer_id();
        let op = self.claim(Lease { offer: id, call, agent: agent_id.clone(), talking: false }, now);
        let Some(agent) = self.agents.get_mut(agent_id) else { return };
        let State::Resting { rest: back, .. } = agent.state else { return };
        let Some(Caller { place: Standing::Waiting(wait), .. }) = self.callers.get_mut(&call) else { return };
        let rings_all = wait.search.has(Widened::RingAll);
        let offer = Offer {
            call,
            agent: agent_id.clone(),
            kind: Offer::kind(spot, rings_all),
            spot,
            alone: !rings_all && spot.0.bench() == Bench::Ready && spot.0.post() != Post::OnCall,
            began: now.mono,
            stage: Stage::Claiming { op },
        };
        agent.state = State::Claimed { offer: id, back };
        wait.offers.insert(id, offer.firmness());
        self.lent.set(agent_id, wait.lending.includes(offer.firmness()).then_some(spot));
        self.offers.insert(id, offer);
        self.refresh(agent_id, now);
        self.refile(call);
        if op.is_none() {
            self.ring(id, now);
        }
    }

    /// Takes a ringing agent from one caller for another.
    pub(super) fn take_over(&mut self, call: CallId, agent: &AgentId, now: Now) {
        self.lent.set(agent, None);
        if let Some(offer) = self.agents.get(agent).and_then(Agent::offer) {
            self.withdraw(offer, WithdrawReason::AgentChanged, Aftermath::None, now);
            self.offer(call, agent, now);
        }
    }

    /// Granted, or gone on with without the store.
    pub(super) fn ring(&mut self, id: OfferId, now: Now) {
        let Some(offer) = self.offers.get_mut(&id) else { return };
        let Some(caller) = self.callers.get(&offer.call) else { return };
        let Some(rung) = self.agents.get_mut(&offer.agent) else { return };
        let Some(back) = rung.back() else { return };
        let ring_time = caller.widening.ring_time;
        let on_call = offer.spot.0.post() == Post::OnCall;
        let until = now.mono + if on_call { ring_time.max(ON_CALL_RING) } else { ring_time };
        offer.stage = Stage::Ringing { until };
        let (call, agent, kind) = (offer.call, offer.agent.clone(), offer.kind);
        let interpreter = needs_interpreter(caller.language, rung.profile.languages);
        rung.state = State::Offered { offer: id, call, until, back };
        self.counters.offers += 1;
        self.timers.set(Timer::Offer(id), Some(until));
        self.emit(Output::Offer { offer: id, call, agent: agent.clone(), kind, interpreter });
        self.refresh(&agent, now);
    }

    /// An on-call phone that really rings lets P7 be true.
    pub(super) fn on_ringing(&mut self, id: OfferId) {
        let Some(offer) = self.offers.get(&id) else {
            self.counters.unknown_offers += 1;
            return;
        };
        let call = offer.call;
        if offer.spot.0.post() == Post::OnCall
            && let Some(Caller { place: Standing::Waiting(wait), .. }) = self.callers.get_mut(&call)
            && !wait.more_help
        {
            wait.more_help = true;
            self.emit(Output::MoreHelp { call });
        }
    }

    /// A telephone outside is answered: whoever it is has a while to take the call. Nobody borrows this phone any more.
    pub(super) fn on_asked(&mut self, id: OfferId, now: Now) {
        let Some(offer) = self.offers.get_mut(&id) else {
            self.counters.unknown_offers += 1;
            return;
        };
        let (Stage::Ringing { .. } | Stage::Asking { .. }) = offer.stage else { return };
        let until = now.mono + ASK;
        offer.stage = Stage::Asking { until };
        let agent_id = offer.agent.clone();
        self.timers.set(Timer::Offer(id), Some(until));
        self.lent.set(&agent_id, None);
        if let Some(agent) = self.agents.get_mut(&agent_id)
            && let State::Offered { until: rings_until, .. } = &mut agent.state
        {
            *rings_until = until;
        }
        self.refresh(&agent_id, now);
    }

    pub(super) fn on_answered(&mut self, id: OfferId, now: Now) {
        let Some(offer) = self.offers.get_mut(&id) else {
            // Withdrawn while the agent picked up: the talk does not exist.
            self.counters.late_answers += 1;
            self.emit(Output::Reject { offer: id });
            return;
        };
        let (Stage::Ringing { .. } | Stage::Asking { .. }) = offer.stage else { return };
        offer.stage = Stage::Answered;
        let call = offer.call;
        self.timers.set(Timer::Offer(id), None);
        if let Some(Caller { place: Standing::Waiting(wait), .. }) = self.callers.get_mut(&call) {
            wait.answered.push_back(id);
        }
        self.refile(call);
        self.confirm_next(call, now);
    }

    /// The first who answered is confirmed; the others wait for the case that the store refuses.
    fn confirm_next(&mut self, call: CallId, now: Now) {
        let Some(Caller { place: Standing::Waiting(wait), .. }) = self.callers.get(&call) else { return };
        let Some(id) = wait.answered.front().copied() else { return };
        let Some(offer) = self.offers.get(&id).filter(|offer| offer.stage == Stage::Answered) else { return };
        match self.confirm(offer.lease(id, true), now) {
            None => self.connect(id, now),
            Some(op) => {
                if let Some(offer) = self.offers.get_mut(&id) {
                    offer.stage = Stage::Confirming { op };
                }
            }
        }
    }

    /// Confirmed: caller and agent have each other, and everybody else is let go.
    pub(super) fn connect(&mut self, id: OfferId, now: Now) {
        let Some(Offer { call, agent, .. }) = self.offers.remove(&id) else { return };
        let Some(caller) = self.callers.get_mut(&call) else { return };
        let talk = Standing::Talking { agent: agent.clone(), offer: id };
        let Standing::Waiting(Wait { offers: losers, .. }) = std::mem::replace(&mut caller.place, talk)
        else {
            return;
        };
        self.counters.connects += 1;
        self.line.set(call, None);
        self.timers.set(Timer::Caller(call), None);
        self.timers.set(Timer::Offer(id), None);
        self.lent.set(&agent, None);
        self.emit(Output::Connect { call, agent: agent.clone(), offer: id });
        if let Some(winner) = self.agents.get_mut(&agent) {
            winner.state = State::Talking { call, offer: id, since: now.unix, then: None };
        }
        self.refresh(&agent, now);
        self.send(Op::DropCaller(call));
        for (loser, _) in losers.iter().filter(|(loser, _)| *loser != id) {
            if self.offers.get(&loser).is_some_and(Offer::is_answered) {
                self.reject(loser, Aftermath::None, now);
            } else {
                self.withdraw(loser, WithdrawReason::AnsweredElsewhere, Aftermath::None, now);
            }
        }
    }

    /// The agent's leg ended by itself.
    pub(super) fn on_ended(&mut self, id: OfferId, why: WithdrawReason, now: Now) {
        if !self.offers.contains_key(&id) {
            self.counters.unknown_offers += 1;
            return;
        }
        match why {
            WithdrawReason::NoAnswer => self.counters.no_answers += 1,
            WithdrawReason::NotTaken => self.counters.not_taken += 1,
            WithdrawReason::Declined => self.counters.declines += 1,
            WithdrawReason::Unreachable => self.counters.unreachable += 1,
            WithdrawReason::PhoneFailed => self.counters.phones_failed += 1,
            _ => {}
        }
        self.end(id, Aftermath::of(why), now);
    }

    pub(super) fn on_rung_out(&mut self, id: OfferId, now: Now) {
        let why = match self.offers.get(&id).map(|offer| offer.stage) {
            Some(Stage::Asking { .. }) => WithdrawReason::NotTaken,
            _ => WithdrawReason::NoAnswer,
        };
        match why {
            WithdrawReason::NotTaken => self.counters.not_taken += 1,
            _ => self.counters.no_answers += 1,
        }
        self.withdraw(id, why, Aftermath::Unanswered, now);
    }

    /// Stops the ringing. What has not begun to ring is ended without a word.
    pub(super) fn withdraw(&mut self, id: OfferId, why: WithdrawReason, after: Aftermath, now: Now) {
        let Some(offer) = self.offers.get(&id) else { return };
        if !matches!(offer.stage, Stage::Claiming { .. }) {
            let (call, agent) = (offer.call, offer.agent.clone());
            self.emit(Output::Withdraw { offer: id, call, agent, why });
        }
        self.end(id, after, now);
    }

    /// Lets an agent go who has answered.
    pub(super) fn reject(&mut self, id: OfferId, after: Aftermath, now: Now) {
        self.emit(Output::Reject { offer: id });
        self.end(id, after, now);
    }

    /// The offer is over without a talk: the lease is released, the agent goes back, the caller keeps the place.
    pub(super) fn end(&mut self, id: OfferId, after: Aftermath, now: Now) {
        let Some(offer) = self.offers.remove(&id) else { return };
        self.timers.set(Timer::Offer(id), None);
        self.lent.set(&offer.agent, None);
        self.send(Op::Release(offer.lease(id, false)));
        if let Some(Caller { place: Standing::Waiting(wait), .. }) = self.callers.get_mut(&offer.call) {
            wait.offers.remove(id);
            wait.answered.retain(|answered| *answered != id);
        }
        self.restore(&offer, after, now);
        self.refile(offer.call);
        self.confirm_next(offer.call, now);
    }

    /// Where the agent goes from an offer that came to nothing.
    fn restore(&mut self, offer: &Offer, after: Aftermath, now: Now) {
        let Some(agent) = self.agents.get_mut(&offer.agent) else { return };
        let Some(back) = agent.back() else { return };
        let again = (offer.began + RING_AGAIN).max(now.mono + BREATH);
        let (rest, ask_from) = match after {
            Aftermath::None => (back, now.mono),
            Aftermath::HeldElsewhere => (back, now.mono + CLAIM_AGAIN),
            // The way there failed this once; the telephone is where it was.
            Aftermath::Unreachable | Aftermath::PhoneFailed if agent.telephone => (back, again),
            // Not to be rung for every caller in turn, until somebody has looked at it.
            Aftermath::PhoneFailed => (Rest::phone_failed(now), again),
            Aftermath::Unreachable => {
                agent.reachable = false;
                (back, now.mono)
            }
            Aftermath::Unanswered => match back {
                // Somebody at home, perhaps asleep, is not rung without end.
                Rest::Ready { .. } if offer.spot.0.post() == Post::OnCall => (back, again),
                Rest::Ready { .. } if offer.alone => (Rest::no_answer(now), now.mono + BREATH),
                Rest::Ready { .. } => (back, now.mono + BREATH),
                Rest::WrapUp { .. } | Rest::NotReady { .. } => (back, again),
            },
        };
        self.settle(&offer.agent, rest, ask_from, now);
    }

    /// Brings the pool of phones that can be taken over in line with what the caller lends.
    pub(super) fn relend(&mut self, call: CallId) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        let Standing::Waiting(wait) = &caller.place else { return };
        let lending = caller.lending(wait);
        let Standing::Waiting(wait) = &mut caller.place else { return };
        if std::mem::replace(&mut wait.lending, lending) == lending {
            return;
        }
        for (id, firmness) in wait.offers.iter() {
            let Some(offer) = self.offers.get(&id) else { continue };
            if let Stage::Asking { .. } = offer.stage {
                continue;
            }
            self.lent.set(&offer.agent, lending.includes(firmness).then_some(offer.spot));
        }
    }
}
