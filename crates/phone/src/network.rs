//! What the far side and the data plane say.

use bytes::Bytes;
use havre_media::sdp::{Direction, Negotiated, Rejected};
use havre_media::{Command as MediaCommand, Event as MediaEvent};
use havre_model::{Cause, LegId, Now};
use havre_sip::{Command as SipCommand, EndedBy, Event as SipEvent, Target};

use crate::leg::{Agreed, Calling, Leg, Talking};
use crate::{Answering, Event, Keying, Phone};

/// Busy here (RFC 3261 §21.4.24).
const BUSY: u16 = 486;
/// Request pending (RFC 3261 §21.4.27): an offer at a moment when none can be taken.
const PENDING: u16 = 491;

impl Phone {
    pub(crate) fn on_sip(&mut self, event: SipEvent, now: Now) {
        match event {
            SipEvent::Incoming { leg, called, caller, offer, .. } => {
                // A phone shows who calls; that is what the seal is opened for.
                let display = caller.expose().display.clone().unwrap_or_default();
                self.on_incoming(leg, display, called, offer, now);
            }
            SipEvent::Ringing { leg } => self.report(Event::Ringing { leg }),
            SipEvent::Progress { leg, sdp } => self.on_progress(leg, sdp),
            SipEvent::Answered { leg, sdp } => self.on_answered(leg, sdp, now),
            SipEvent::Confirmed { leg, sdp } => self.on_confirmed(leg, sdp, now),
            SipEvent::Reoffered { leg, sdp } => self.on_reoffered(leg, sdp, now),
            SipEvent::ReofferAnswered { leg, sdp } => self.on_reoffer_answered(leg, sdp),
            SipEvent::ReofferRefused { leg, status } => self.on_reoffer_refused(leg, status),
            // It has no media yet that an offer could move.
            SipEvent::EarlyOffer { leg, .. } => self.sip(SipCommand::Reject { leg, status: PENDING }, now),
            SipEvent::Digit { leg, digit, .. } => self.report(Event::Digit { leg, digit, by: Keying::Info }),
            // A phone owes nobody the care that a caller gets: it hangs up when the far side seems gone.
            SipEvent::NotConfirmed { leg } | SipEvent::SessionExpired { leg } => {
                self.hang_up(leg, Cause::Unreachable, now);
            }
            SipEvent::Ended { leg, by, status, cause } => self.on_ended(leg, by, status, cause),
            SipEvent::RegisterResult { status: 200, expires } if expires.is_zero() => {
                self.report(Event::Unregistered);
            }
            SipEvent::RegisterResult { status: 200, expires } => self.report(Event::Registered { expires }),
            SipEvent::RegisterResult { status, .. } => self.report(Event::RegisterFailed { status }),
            // A phone probes nobody, keeps no registrar, has no accounts, no trunks and no browsers.
            SipEvent::Probed { .. }
            | SipEvent::Detached { .. }
            | SipEvent::Replacing { .. }
            | SipEvent::Registered { .. }
            | SipEvent::Unregistered { .. }
            | SipEvent::Guessing { .. }
            | SipEvent::Trunk { .. }
            | SipEvent::Refused { .. } => {}
        }
    }

    pub(crate) fn on_opened(&mut self, leg: LegId, rtp: u16, rtcp: u16, now: Now) {
        let session = self.session(rtp, rtcp);
        match self.legs.remove(&leg) {
            Some(Leg::Opening(dial)) => {
                let mut calling = Calling { session, late_offer: dial.late_offer, agreed: None };
                let sdp = (!dial.late_offer).then(|| Bytes::from(calling.session.offer()).into());
                self.legs.insert(leg, Leg::Calling(calling));
                let (uri, path) = (dial.to, dial.path);
                let target = match dial.instead_of {
                    Some(of) => Target::Instead { uri, path, of },
                    None => Target::Uri { uri, path },
                };
                let (from, account) = (dial.from, dial.account);
                self.sip(SipCommand::Dial { leg, target, from, sdp, account }, now);
            }
            Some(Leg::Answering { offer }) => {
                let mut session = session;
                let (sdp, agreed) = match offer {
                    None => (session.offer(), None),
                    Some(offer) => match session.answer(&offer) {
                        Ok((sdp, negotiated)) => {
                            let agreed = Agreed::of(&negotiated);
                            self.configure(leg, negotiated);
                            (sdp, agreed)
                        }
                        Err(_) => return self.refuse(leg, Cause::NotAcceptable, now),
                    },
                };
                self.legs.insert(leg, Leg::Confirming { session, agreed });
                self.sip(SipCommand::Answer { leg, sdp: Bytes::from(sdp) }, now);
            }
            Some(other) => {
                self.legs.insert(leg, other);
            }
            // Hung up in the meantime; its `Close` is on the way.
            None => {}
        }
    }

    pub(crate) fn on_open_failed(&mut self, leg: LegId, now: Now) {
        match self.legs.remove(&leg) {
            Some(Leg::Opening(_)) => {
                self.report(Event::Ended { leg, by: EndedBy::Us, status: None, cause: Cause::Overloaded });
            }
            Some(Leg::Answering { .. }) => {
                self.legs.insert(leg, Leg::Leaving { media: false });
                self.sip(SipCommand::Reject { leg, status: Cause::Overloaded.sip_status() }, now);
            }
            Some(other) => {
                self.legs.insert(leg, other);
            }
            None => {}
        }
    }

    pub(crate) fn on_media(&mut self, event: &MediaEvent) {
        let event = match *event {
            MediaEvent::Digit { leg, digit } => Event::Digit { leg, digit, by: Keying::Event },
            MediaEvent::PlayDone { leg, play } => Event::PlayDone { leg, play },
            MediaEvent::Heard { leg, hz, dbm0, purity } => Event::Heard { leg, hz, dbm0, purity },
            MediaEvent::MediaLost { leg, for_ } => Event::MediaLost { leg, for_ },
            MediaEvent::MediaBack { leg } => Event::MediaBack { leg },
            MediaEvent::Quality { leg, quality, .. } => Event::Quality {
                leg,
                received: quality.received,
                lost: quality.lost,
                jitter_ms: quality.jitter.as_secs_f32() * 1_000.0,
                round_trip_ms: quality.round_trip.map(|time| time.as_secs_f32() * 1_000.0),
            },
            // A phone bridges nothing, nobody types to it, its far side is the one that watches, and an unreachable port
            // is lost media soon enough.
            MediaEvent::Bridged { .. }
            | MediaEvent::Unreachable { .. }
            | MediaEvent::FarHears { .. }
            | MediaEvent::Tty { .. } => return,
        };
        // The data plane may be a step behind: nothing is said of a leg after its end.
        if event.leg().is_some_and(|leg| self.legs.contains_key(&leg)) {
            self.report(event);
        }
    }

    fn on_incoming(&mut self, leg: LegId, display: String, called: String, offer: Option<Bytes>, now: Now) {
        if self.legs.len() >= self.config.max_legs {
            self.counters.calls_refused_busy += 1;
            return self.sip(SipCommand::Reject { leg, status: BUSY }, now);
        }
        self.report(Event::Incoming { leg, display, called });
        let ringing = |answer_at| Leg::Ringing { offer, answer_at };
        match self.config.answering {
            Answering::Ignore => {
                self.legs.insert(leg, ringing(None));
            }
            Answering::Decline(status) => {
                self.legs.insert(leg, Leg::Leaving { media: false });
                self.sip(SipCommand::Reject { leg, status }, now);
            }
            Answering::After(wait) if wait.is_zero() => {
                self.legs.insert(leg, ringing(None));
                self.answer(leg);
            }
            Answering::After(wait) => {
                self.legs.insert(leg, ringing(Some(now.mono + wait)));
                self.sip(SipCommand::Progress { leg, status: 180 }, now);
            }
            Answering::Manual => {
                self.legs.insert(leg, ringing(None));
                self.sip(SipCommand::Progress { leg, status: 180 }, now);
            }
        }
    }

    /// Early media: we listen to it, and our own goes there.
    fn on_progress(&mut self, leg: LegId, sdp: Option<Bytes>) {
        let Some(Leg::Calling(calling)) = self.legs.get_mut(&leg) else { return };
        let Some(answer) = sdp.filter(|_| !calling.late_offer) else { return };
        match calling.session.accept(&answer) {
            Ok(negotiated) => {
                calling.agreed = Agreed::of(&negotiated);
                self.configure(leg, negotiated);
            }
            Err(_) => self.counters.sdp_rejected += 1,
        }
    }

    fn on_answered(&mut self, leg: LegId, sdp: Option<Bytes>, now: Now) {
        let Some(mut calling) = self.take_calling(leg) else { return };
        let agreed = match (sdp, calling.late_offer) {
            (Some(offer), true) => calling.session.answer(&offer).map(|(answer, negotiated)| {
                self.sip(SipCommand::Ack { leg, sdp: Bytes::from(answer) }, now);
                Some(negotiated)
            }),
            (Some(answer), false) => calling.session.accept(&answer).map(Some),
            // The answer came early, in a provisional response (RFC 3261 §13.2.1).
            (None, false) if calling.agreed.is_some() => Ok(None),
            (None, _) => Err(Rejected::NoAudio),
        };
        let Ok(negotiated) = agreed else {
            self.counters.sdp_rejected += 1;
            self.legs.insert(leg, Leg::Calling(calling));
            return self.hang_up(leg, Cause::NotAcceptable, now);
        };
        let held = negotiated.as_ref().is_some_and(|n| !n.direction.sends());
        let agreed = negotiated.as_ref().map_or(calling.agreed, Agreed::of);
        if let Some(negotiated) = negotiated {
            self.configure(leg, negotiated);
        }
        self.talk(leg, Talking::new(calling.session, held), agreed);
    }

    fn on_confirmed(&mut self, leg: LegId, sdp: Option<Bytes>, now: Now) {
        match self.legs.remove(&leg) {
            Some(Leg::Confirming { mut session, agreed }) => {
                let answered = sdp.filter(|_| agreed.is_none()).map(|answer| session.accept(&answer));
                match answered {
                    Some(Ok(negotiated)) => {
                        let held = !negotiated.direction.sends();
                        let agreed = Agreed::of(&negotiated);
                        self.configure(leg, negotiated);
                        self.talk(leg, Talking::new(session, held), agreed);
                    }
                    None if agreed.is_some() => self.talk(leg, Talking::new(session, false), agreed),
                    Some(Err(_)) | None => {
                        self.counters.sdp_rejected += 1;
                        self.legs.insert(leg, Leg::Confirming { session, agreed });
                        self.hang_up(leg, Cause::NotAcceptable, now);
                    }
                }
            }
            Some(Leg::Talking(mut talk)) => {
                let agreed = sdp.map(|answer| talk.session.accept(&answer));
                self.legs.insert(leg, Leg::Talking(talk));
                match agreed {
                    Some(Ok(negotiated)) => self.agreed(leg, negotiated),
                    Some(Err(_)) => self.counters.sdp_rejected += 1,
                    None => {}
                }
            }
            Some(other) => {
                self.legs.insert(leg, other);
            }
            None => {}
        }
    }

    fn on_reoffered(&mut self, leg: LegId, sdp: Option<Bytes>, now: Now) {
        let Some(Leg::Talking(talk)) = self.legs.get_mut(&leg) else {
            return self.sip(SipCommand::Reject { leg, status: PENDING }, now);
        };
        let Some(offer) = sdp else {
            let sdp = Bytes::from(talk.session.offer());
            return self.sip(SipCommand::Answer { leg, sdp }, now);
        };
        match talk.session.answer(&offer) {
            Ok((answer, negotiated)) => {
                self.sip(SipCommand::Answer { leg, sdp: Bytes::from(answer) }, now);
                self.agreed(leg, negotiated);
            }
            Err(_) => {
                self.counters.sdp_rejected += 1;
                self.sip(SipCommand::Reject { leg, status: Cause::NotAcceptable.sip_status() }, now);
            }
        }
    }

    fn on_reoffer_answered(&mut self, leg: LegId, sdp: Option<Bytes>) {
        let Some(Leg::Talking(talk)) = self.legs.get_mut(&leg) else { return };
        let Some(held) = talk.asking.take() else { return };
        match sdp.ok_or(Rejected::NoAudio).and_then(|answer| talk.session.accept(&answer)) {
            Ok(negotiated) => {
                talk.held_by_us = held;
                self.agreed(leg, negotiated);
                self.report(Event::HoldDone { leg, held });
            }
            Err(_) => {
                self.counters.sdp_rejected += 1;
                self.report(Event::HoldRefused { leg, status: Cause::NotAcceptable.sip_status() });
            }
        }
    }

    fn on_reoffer_refused(&mut self, leg: LegId, status: u16) {
        if let Some(Leg::Talking(talk)) = self.legs.get_mut(&leg)
            && talk.asking.take().is_some()
        {
            talk.session.wish(if talk.held_by_us { Direction::SendOnly } else { Direction::SendRecv });
            self.report(Event::HoldRefused { leg, status });
        }
    }

    fn on_ended(&mut self, leg: LegId, by: EndedBy, status: Option<u16>, cause: Cause) {
        // A call refused for want of legs was never in the table.
        let Some(state) = self.legs.remove(&leg) else { return };
        if state.has_media() {
            self.media(MediaCommand::Close { leg });
        }
        self.report(Event::Ended { leg, by, status, cause });
    }

    /// A later offer and answer: media follows, and the person is told of a change of hold.
    fn agreed(&mut self, leg: LegId, negotiated: Negotiated) {
        let Some(Leg::Talking(talk)) = self.legs.get_mut(&leg) else { return };
        let held = !negotiated.direction.sends();
        let changed = std::mem::replace(&mut talk.held_by_them, held) != held;
        self.configure(leg, negotiated);
        if changed {
            self.report(Event::Held { leg, held });
        }
    }

    fn talk(&mut self, leg: LegId, talk: Talking, agreed: Option<Agreed>) {
        let held = talk.held_by_them;
        self.legs.insert(leg, Leg::Talking(talk));
        if let Some(Agreed { codec, suite }) = agreed {
            self.report(Event::Answered { leg, codec, suite });
        }
        if held {
            self.report(Event::Held { leg, held });
        }
    }

    fn refuse(&mut self, leg: LegId, cause: Cause, now: Now) {
        self.counters.sdp_rejected += 1;
        self.legs.insert(leg, Leg::Leaving { media: true });
        self.sip(SipCommand::Reject { leg, status: cause.sip_status() }, now);
    }

    fn take_calling(&mut self, leg: LegId) -> Option<Calling> {
        match self.legs.remove(&leg)? {
            Leg::Calling(calling) => Some(calling),
            other => {
                self.legs.insert(leg, other);
                None
            }
        }
    }
}
