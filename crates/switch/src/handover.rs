//! An advocate who goes on with a talk on another device of theirs, or takes a call there that rings elsewhere: it has called
//! with `Replaces` (RFC 3891).
//!
//! The two devices overlap: the caller hears the first one until the second one has acknowledged its answer. From there on
//! it is as with a browser that has returned. What only rings goes on ringing until then, too, and whoever is first has the call.

use bytes::Bytes;
use havre_call::{End, Input as CallInput};
use havre_model::{AgentId, Cause, LegId, Now, OfferId};
use havre_queue as queue;
use havre_sip as sip;

use crate::leg::{Begins, Leg, Part, Role};
use crate::returning::{Former, Returning};
use crate::switch::Switch;

/// RFC 3261 §21.4.27: another one is on its way into the same talk, or the talk is about to begin.
const PENDING: u16 = 491;

impl Switch {
    /// A device of the account whose leg `rings` is would answer that call.
    pub(crate) fn on_picking_up(
        &mut self,
        leg: LegId,
        rings: LegId,
        sdp: Option<Bytes>,
        web: bool,
        now: Now,
    ) {
        let Some(Leg {
            shard, role: Role::Agent { call, agent, part: Part::Offered { offer, .. }, .. }, ..
        }) = self.legs.get(&rings)
        else {
            self.command_sip(sip::Command::Reject { leg, status: PENDING }, now);
            return;
        };
        let (shard, call, agent, offer) = (*shard, *call, agent.clone(), *offer);
        let srtp = self.srtp_of(&agent);
        let role = Role::Agent { call, agent, browser: web, part: Part::PickingUp { offer, rings } };
        self.add_leg(leg, Leg::new(shard, role, srtp, Begins::Answer(sdp)));
        self.sip.belongs(leg, call);
    }

    /// It has acknowledged our answer: the offer is answered by it, unless that is over, or another device was first.
    pub(crate) fn on_picked_up(&mut self, leg: LegId, offer: OfferId, rings: LegId, now: Now) {
        let rung = match self.legs.get(&rings).map(|leg| &leg.role) {
            Some(Role::Agent { part: part @ Part::Offered { .. }, .. }) => Some(*part),
            _ => None,
        };
        let (Some(rung), Some(place)) = (rung, self.offers.get_mut(&offer).filter(|of| **of == rings)) else {
            self.drop_leg(leg, Cause::Withdrawn, now);
            return;
        };
        *place = leg;
        if let Some(Leg { role: Role::Agent { part, .. }, .. }) = self.legs.get_mut(&leg) {
            *part = rung;
        }
        self.drop_leg(rings, Cause::Withdrawn, now);
        self.queue.handle_input(queue::Input::OfferAnswered { offer }, now);
    }

    /// A device of the account whose leg `replaced` is wants its place.
    pub(crate) fn on_replacing(
        &mut self,
        leg: LegId,
        replaced: LegId,
        offer: Option<Bytes>,
        web: bool,
        now: Now,
    ) {
        let Some((call, agent, shard)) = self.talk_of(replaced) else {
            self.command_sip(sip::Command::Reject { leg, status: PENDING }, now);
            return;
        };
        self.returning.insert(agent.clone(), Returning::taking_over(call, leg, replaced));
        let srtp = self.srtp_of(&agent);
        let role = Role::Agent { call, agent, browser: web, part: Part::Replacing };
        self.add_leg(leg, Leg::new(shard, role, srtp, Begins::Answer(offer)));
        self.sip.belongs(leg, call);
    }

    /// The talk that a leg is in, with nobody else on the way into it, and where its media is.
    fn talk_of(&self, leg: LegId) -> Option<(havre_model::CallId, AgentId, usize)> {
        let Role::Agent { call, agent, part: Part::Talking, .. } = &self.legs.get(&leg)?.role else {
            return None;
        };
        let caller = self.calls.get(call).and_then(|entry| self.legs.get(&entry.leg))?;
        (!self.returning.contains_key(agent)).then(|| (*call, agent.clone(), caller.shard))
    }

    /// It has acknowledged our answer: now it is the one.
    pub(crate) fn on_taken_over(&mut self, leg: LegId, now: Now) {
        self.on_returned(leg, now);
        let Some(Leg { role: Role::Agent { call, .. }, agreed: Some(agreed), .. }) = self.legs.get(&leg)
        else {
            return;
        };
        let (call, held) = (*call, agreed.held);
        if held {
            self.tell_call(call, CallInput::AgentHeld(true), now);
        }
    }

    /// It has come to nothing. The first device goes on, if it is still there.
    pub(crate) fn on_not_taken_over(&mut self, leg: LegId, now: Now) {
        let found = self.returning.iter().find(|(_, returning)| returning.is_by(leg));
        let Some((agent, returning)) = found else { return };
        let (agent, call, former) = (agent.clone(), returning.call(), returning.former());
        match former {
            // The page is waited for as any other.
            Some(Former::Lost) => {
                if let Some(returning) = self.returning.get_mut(&agent) {
                    returning.wait_for_page();
                }
                self.dial_returning(&agent);
            }
            Some(Former::HungUp) => {
                self.returning.remove(&agent);
                self.tell_call(call, CallInput::AgentEnded(End::Lost), now);
            }
            Some(Former::Talks(_)) | None => {
                self.returning.remove(&agent);
            }
        }
    }

    /// A leg in a talk was ended by its device. Whether another one is about to take its place: then nobody has hung up.
    pub(crate) fn is_moving(&mut self, leg: LegId, now: Now) -> bool {
        let Some(Leg { role: Role::Agent { call, agent, .. }, .. }) = self.legs.get(&leg) else {
            return false;
        };
        let call = *call;
        let moving = self.returning.get_mut(agent).is_some_and(|returning| returning.hung_up(leg));
        if moving {
            self.forget_leg(leg);
            self.tell_call(call, CallInput::AgentMoving, now);
        }
        moving
    }
}
