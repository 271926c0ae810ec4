//! Offers of whom we call, before they answer (RFC 3311). Nobody is bridged to them yet; but where the media are to go may
//! change more than once until then, and several may ring of whom one answers.

use bytes::Bytes;
use havre_model::{Cause, LegId, Now};
use havre_sip as sip;

use crate::leg::{Leg, Media};
use crate::switch::Switch;

impl Switch {
    /// Answers it. Our first offer stays as it was made, for another one who may answer that.
    pub(crate) fn answer_early(&mut self, leg: LegId, offer: &[u8], now: Now) {
        let own = self.codecs_of_way(leg);
        let Some(Leg { media: Media::Open(first), early, .. }) = self.legs.get_mut(&leg) else { return };
        let mut session = early.take().unwrap_or_else(|| first.clone());
        if let Some(own) = own {
            session.keep_to(&own);
        }
        let answered = session.answer(offer);
        *early = Some(session);
        match answered {
            Ok((answer, negotiated)) => {
                self.command_sip(sip::Command::Answer { leg, sdp: Bytes::from(answer) }, now);
                self.configure(leg, negotiated);
            }
            Err(why) => {
                self.say_refused(leg, why);
                self.command_sip(
                    sip::Command::Reject { leg, status: Cause::NotAcceptable.sip_status() },
                    now,
                );
            }
        }
    }

    /// The call is answered, by whom an offer was made before (`None`) or by another one. `false` if the leg ended for it.
    pub(crate) fn take_first_answer(&mut self, leg: LegId, sdp: Option<&[u8]>, now: Now) -> bool {
        if let Some(entry) = self.legs.get_mut(&leg)
            && let Some(session) = entry.early.take()
        {
            if sdp.is_none() && entry.agreed.is_some() {
                entry.media = Media::Open(session);
                return true;
            }
            entry.agreed = None;
        }
        if let Some(own) = self.codecs_of_way(leg)
            && let Some(session) = self.legs.get_mut(&leg).and_then(Leg::session)
        {
            session.keep_to(&own);
        }
        self.take_answer(leg, sdp, now)
    }
}
