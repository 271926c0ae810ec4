//! Callers: between a call and its SIP leg, its media, its place in the queue.

use bytes::Bytes;
use havre_call::{Arrival, Call, End, Input as CallInput, Output as CallOutput};
use havre_media::sdp::{Rejected, Unusable};
use havre_media::{self as media, Codec};
use havre_model::{CallId, Cause, LegId, LineId, Now, Pii, PlayId, TrunkId, limits};
use havre_queue as queue;
use havre_sip as sip;
use rand_chacha::rand_core::Rng;
use std::sync::Arc;

use crate::io::Output;
use crate::leg::{Agreed, Begins, Leg, Role};
use crate::switch::{Entry, Switch};

impl Switch {
    /// A caller: from here on there is a call, and it has an id of its own.
    pub(crate) fn on_caller(
        &mut self,
        leg: LegId,
        trunk: TrunkId,
        line: LineId,
        caller: &Pii<sip::Caller>,
        offer: Option<Bytes>,
        now: Now,
    ) {
        if self.calls.len() >= limits::MAX_CALLS {
            self.counters.too_many_calls += 1;
            self.command_sip(sip::Command::Reject { leg, status: Cause::Overloaded.sip_status() }, now);
            return;
        }
        let id = CallId(self.random.next_u64());
        let number = caller.expose().number.clone().map(Pii::new);
        let ring_first = self.ring_first.contains(&trunk);
        let srtp = self.srtp.trunks.get(&trunk).copied().unwrap_or_default();
        let arrival = Arrival { call: id, line, trunk, number, ring_first };
        let call = Call::new(arrival, Arc::clone(&self.plan), &mut self.redial, now);
        let library = Arc::clone(&self.library);
        self.calls.insert(id, Box::new(Entry { call, leg, library }));
        let role = Role::Caller { call: id };
        self.legs.insert(leg, Leg::new(self.shard_of(id.0), role, srtp, Begins::Answer(offer)));
        self.sip.belongs(leg, id);
        self.carry_call(id, now);
    }

    /// Tells a call, and does what it asks.
    pub(crate) fn tell_call(&mut self, id: CallId, input: CallInput, now: Now) {
        if let Some(entry) = self.calls.get_mut(&id) {
            entry.call.handle_input(input, now);
            self.carry_call(id, now);
        }
    }

    /// Does what a call asks, until it asks nothing more.
    pub(crate) fn carry_call(&mut self, id: CallId, now: Now) {
        while let Some(output) = self.calls.get_mut(&id).and_then(|entry| entry.call.poll_output()) {
            self.on_call(id, output, now);
        }
        let wakeup = self.calls.get(&id).and_then(|entry| entry.call.poll_timeout());
        self.wakeups.set(id, wakeup);
    }

    fn on_call(&mut self, id: CallId, output: CallOutput, now: Now) {
        let Some(entry) = self.calls.get(&id) else { return };
        let leg = entry.leg;
        match output {
            CallOutput::Ring => self.command_sip(sip::Command::Progress { leg, status: 180 }, now),
            CallOutput::Pick => {
                self.command_media(leg, media::Command::Open { leg, face: media::Face::Plain });
            }
            CallOutput::Play { play, cues } => {
                let clips = entry.library.clips(&cues);
                self.command_media(leg, media::Command::Play { leg, play, clips });
            }
            CallOutput::Sound(clip) => {
                if let Some(prompt) = entry.library.prompt(&clip).map(Arc::clone) {
                    // A loop has no end to report: its id is never looked at.
                    self.command_media(leg, media::Command::Loop { leg, play: PlayId(0), prompt });
                }
            }
            CallOutput::Stop => self.command_media(leg, media::Command::Stop { leg }),
            CallOutput::Join { language, risk, mode, widening, arrival } => {
                let input = queue::Input::Join { call: id, language, risk, mode, widening, arrival };
                self.queue.handle_input(input, now);
            }
            CallOutput::Change { language, risk, mode } => {
                self.queue.handle_input(queue::Input::Change { call: id, language, risk, mode }, now);
            }
            CallOutput::Leave => self.queue.handle_input(queue::Input::Leave { call: id }, now),
            CallOutput::Bridge { agent } => {
                self.command_media(leg, media::Command::Bridge { a: leg, b: agent });
            }
            CallOutput::Reattach { agent } => self.await_return(id, &agent),
            CallOutput::Key { agent, digit } => {
                self.outputs.push_back(Output::Key { call: id, agent, digit });
            }
            CallOutput::Word { agent, yes } => self.say_word(agent, yes),
            CallOutput::Went { from, key } => self.outputs.push_back(Output::Went { from, key }),
            CallOutput::ProbeCaller => self.command_sip(sip::Command::Probe { leg }, now),
            CallOutput::ProbeAgent { agent } => self.command_sip(sip::Command::Probe { leg: agent }, now),
            CallOutput::HangUpCaller(cause) => {
                self.drop_leg(leg, cause, now);
            }
            CallOutput::HangUpAgent { agent, cause } => {
                self.drop_leg(agent, cause, now);
            }
            CallOutput::AgentUnheard { agent } => {
                self.queue.handle_input(queue::Input::Unheard { agent, yes: true }, now);
            }
            CallOutput::TalkEnded { agent, reachable } => {
                self.forget_return(id, &agent, now);
                let input = queue::Input::TalkEnded { call: id, agent, agent_reachable: reachable };
                self.queue.handle_input(input, now);
            }
            CallOutput::Event(event) => self.outputs.push_back(Output::Event(event)),
            CallOutput::Over => {
                if let Some(entry) = self.calls.remove(&id) {
                    entry.call.farewell(&mut self.redial, now);
                    self.forget_leg(entry.leg);
                }
            }
        }
    }

    /// SIP said something about a caller's leg.
    pub(crate) fn on_caller_event(&mut self, call: CallId, event: sip::Event, now: Now) {
        let input = match event {
            // The ACK owes us the answer to our offer. Whoever hangs up while we pick up acknowledges without one, and
            // BYE follows. The data plane watches no stream that was never agreed upon.
            sip::Event::Confirmed { leg, sdp: None } | sip::Event::NotConfirmed { leg }
                if self.legs.get(&leg).is_some_and(|leg| leg.agreed.is_none()) =>
            {
                self.tell_call(call, CallInput::CallerMedia(false), now);
                CallInput::NotConfirmed
            }
            sip::Event::Confirmed { leg, sdp } => {
                if !self.take_answer(leg, sdp.as_deref(), now) {
                    return;
                }
                CallInput::Confirmed
            }
            sip::Event::NotConfirmed { .. } => CallInput::NotConfirmed,
            sip::Event::Reoffered { leg, sdp } => {
                self.answer_reoffer(leg, sdp, now);
                return;
            }
            sip::Event::Digit { digit, .. } => CallInput::SignalledDigit(digit),
            sip::Event::Probed { status: Some(481), .. } => CallInput::CallerEnded(End::Unknown),
            sip::Event::Probed { alive, .. } => CallInput::CallerProbed { alive },
            sip::Event::SessionExpired { .. } => CallInput::CallerSessionExpired,
            sip::Event::Ended { by, .. } => CallInput::CallerEnded(end_of(by)),
            _ => return,
        };
        self.tell_call(call, input, now);
    }

    /// The data plane noticed something on a caller's leg.
    pub(crate) fn on_caller_media(&mut self, call: CallId, event: &media::Event, now: Now) {
        let input = match event {
            media::Event::Digit { digit, .. } => CallInput::Digit(*digit),
            media::Event::Tty { .. } => CallInput::CallerTty,
            media::Event::PlayDone { play, .. } => CallInput::PlayDone(*play),
            media::Event::MediaLost { .. } => CallInput::CallerMedia(false),
            media::Event::MediaBack { .. } => CallInput::CallerMedia(true),
            _ => return,
        };
        self.tell_call(call, input, now);
    }

    /// Sockets are bound: answer the INVITE that asked for them.
    pub(crate) fn answer_invite(&mut self, leg: LegId, offer: Option<Bytes>, now: Now) {
        if let Err(why) = self.describe(leg, offer, now) {
            self.say_refused(leg, why);
            self.fail_leg(leg, Cause::NotAcceptable, now);
            return;
        }
        if let Some(call) = self.caller_of(leg) {
            self.tell_call(call, CallInput::Picked, now);
        }
    }

    /// Answers a re-INVITE or UPDATE; `None` asks for our offer. Whether the far side is on hold now.
    pub(crate) fn answer_reoffer(&mut self, leg: LegId, sdp: Option<Bytes>, now: Now) -> Option<bool> {
        if let Err(why) = self.describe(leg, sdp, now) {
            self.say_refused(leg, why);
            self.command_sip(sip::Command::Reject { leg, status: Cause::NotAcceptable.sip_status() }, now);
            return None;
        }
        self.legs.get(&leg)?.agreed.map(|agreed| agreed.held)
    }

    /// Every codec that prompts are encoded in, or those of the carriers at the far end; the caller's first: what both legs
    /// speak is relayed rather than transcoded.
    pub(crate) fn codecs_for(&self, leg: LegId) -> Vec<Codec> {
        let call = match self.legs.get(&leg).map(|leg| &leg.role) {
            Some(Role::Caller { call }) => self.calls.get(call),
            _ => None,
        };
        let trunk = call.and_then(|entry| self.codecs.trunks.get(entry.call.trunk()));
        let mut codecs = trunk.cloned().unwrap_or_default();
        for codec in self.codecs_of_ways(leg).iter().flat_map(|(_, codecs)| codecs) {
            if !codecs.contains(codec) {
                codecs.push(*codec);
            }
        }
        if codecs.is_empty() {
            codecs = self.library.codecs().to_vec();
        }
        self.prefer_callers(leg, &mut codecs);
        codecs
    }

    /// The same for each trunk that leads to the telephone of this leg, where they are not all spoken to alike.
    pub(crate) fn codecs_by_trunk(&self, leg: LegId) -> Vec<(TrunkId, Vec<Codec>)> {
        let mut ways = self.codecs_of_ways(leg).to_vec();
        ways.iter_mut().for_each(|(_, codecs)| self.prefer_callers(leg, codecs));
        ways
    }

    /// Those of the trunk that it goes over, where not all are spoken to alike.
    pub(crate) fn codecs_of_way(&self, leg: LegId) -> Option<Vec<Codec>> {
        let trunk = self.sip.trunk_of(leg)?;
        let (_, codecs) = self.codecs_of_ways(leg).iter().find(|(id, _)| id == trunk)?;
        let mut codecs = codecs.clone();
        self.prefer_callers(leg, &mut codecs);
        Some(codecs)
    }

    fn codecs_of_ways(&self, leg: LegId) -> &[(TrunkId, Vec<Codec>)] {
        let Some(Role::Agent { agent, browser: false, .. }) = self.legs.get(&leg).map(|leg| &leg.role) else {
            return &[];
        };
        self.codecs.telephones.get(agent).map_or(&[], Vec::as_slice)
    }

    fn prefer_callers(&self, leg: LegId, codecs: &mut [Codec]) {
        let caller =
            self.legs.get(&leg).and_then(Leg::call).and_then(|call| self.calls.get(&call)).map(|e| e.leg);
        if let Some(agreed) = caller.and_then(|caller| self.legs.get(&caller)).and_then(|leg| leg.agreed) {
            codecs.sort_by_key(|codec| *codec != agreed.codec);
        }
    }

    /// Sends our answer to `offer`, or our own offer, in a 200.
    fn describe(&mut self, leg: LegId, offer: Option<Bytes>, now: Now) -> Result<(), Rejected> {
        let session = self.legs.get_mut(&leg).and_then(Leg::session).ok_or(Rejected::NoOffer)?;
        let (sdp, agreed) = match offer {
            None => (session.offer(), None),
            Some(offer) => {
                let (answer, negotiated) = session.answer(&offer)?;
                (answer, Some(negotiated))
            }
        };
        // The 200 first: whoever gets it knows where the audio comes from.
        self.command_sip(sip::Command::Answer { leg, sdp: sdp.into() }, now);
        if let Some(negotiated) = agreed {
            self.configure(leg, negotiated);
        }
        Ok(())
    }

    /// An offer or an answer was of no use: it is counted, and a carrier that lacks keys, or asks for them in vain, is
    /// named, for nothing but a configuration here or there will help it.
    pub(crate) fn say_refused(&mut self, leg: LegId, why: Rejected) {
        let Rejected::NotSecure(why) = why else {
            self.counters.no_common_codec += 1;
            return;
        };
        self.counters.not_secure += 1;
        if let Some(entry) = self.caller_of(leg).and_then(|call| self.calls.get(&call)) {
            let (status, trunk) = (Cause::NotAcceptable.sip_status(), Some(entry.call.trunk().clone()));
            self.outputs.push_back(Output::Refused { status, why: srtp_word(why), trunk });
        }
    }

    pub(crate) fn configure(&mut self, leg: LegId, negotiated: media::sdp::Negotiated) {
        let held = !negotiated.direction.sends();
        if let (Some(entry), Some((codec, _))) = (self.legs.get_mut(&leg), negotiated.send.first()) {
            entry.agreed = Some(Agreed { codec: *codec, held });
        }
        self.command_media(leg, media::Command::Configure { leg, negotiated: Box::new(negotiated) });
    }

    /// The far side's answer to an offer of ours, where there is one. `false` if the leg ended for it.
    pub(crate) fn take_answer(&mut self, leg: LegId, sdp: Option<&[u8]>, now: Now) -> bool {
        let Some(entry) = self.legs.get_mut(&leg) else { return false };
        // What was agreed before stays in force (RFC 3264 §8): nobody is hung up for a bad second answer.
        let agreed = entry.agreed.is_some();
        let accepted = match (entry.session(), sdp) {
            (Some(session), Some(answer)) => session.accept(answer),
            _ => Err(Rejected::NoOffer),
        };
        match accepted {
            Ok(negotiated) => self.configure(leg, negotiated),
            Err(_) if agreed => {}
            Err(why) => {
                self.say_refused(leg, why);
                self.fail_leg(leg, Cause::NotAcceptable, now);
                return false;
            }
        }
        true
    }

    /// A leg that cannot be set up.
    pub(crate) fn fail_leg(&mut self, leg: LegId, cause: Cause, now: Now) {
        match self.legs.get(&leg).map(|leg| &leg.role) {
            Some(Role::Caller { call, .. }) => self.tell_call(*call, CallInput::Fail(cause), now),
            Some(Role::Agent { .. }) => self.fail_agent_leg(leg, cause, now),
            Some(Role::Feature(_)) => self.end_feature(leg, Some(cause), now),
            None => {}
        }
    }

    fn caller_of(&self, leg: LegId) -> Option<CallId> {
        match self.legs.get(&leg)?.role {
            Role::Caller { call, .. } => Some(call),
            Role::Agent { .. } | Role::Feature(_) => None,
        }
    }
}

/// Why a leg cannot be secure, in a fixed word.
const fn srtp_word(why: Unusable) -> &'static str {
    match why {
        Unusable::Off => "SRTP is off",
        Unusable::Missing => "no SRTP keys",
        Unusable::NotOffered => "SRTP keys not of our offer",
        Unusable::Suite => "no SRTP suite in common",
        Unusable::Key => "a broken SRTP key",
        Unusable::Lifetime => "a senseless SRTP key lifetime",
        Unusable::Mki => "SRTP with MKI",
        Unusable::Parameter => "an SRTP parameter we lack",
    }
}

pub(crate) const fn end_of(by: sip::EndedBy) -> End {
    match by {
        sip::EndedBy::Remote => End::HungUp,
        sip::EndedBy::Transfer => End::LetGo,
        sip::EndedBy::Cancelled => End::Cancelled,
        sip::EndedBy::Unknown481 => End::Unknown,
        sip::EndedBy::Refused | sip::EndedBy::Timeout | sip::EndedBy::Us => End::Lost,
    }
}
