//! Calls of ours over trunks: one address after the other, until one takes the call.

use havre_model::{Cause, LegId};

use super::{DialOffer, EndedBy, Endpoint, Event, Identity};
use crate::config::Outside;
use crate::leg::{Dialling, Leg, Party};
use crate::trunk::News;

impl Endpoint {
    /// Calls somebody outside in the name of the line.
    pub(super) fn dial_outside(&mut self, leg: LegId, to: Outside, line: Identity, sdp: Option<DialOffer>) {
        // Whatever asks for it: no INVITE leaves for a number that the configuration does not name.
        if !self.stack.config.outside.contains(&to) {
            self.stack.counters.unnamed_numbers += 1;
            let (by, status, cause) = (EndedBy::Refused, Some(403), Cause::Forbidden);
            self.stack.emit(Event::Ended { leg, by, status, cause });
            return;
        }
        self.legs.insert(Leg::dialling(leg, Dialling::over_trunks(leg, Party::Agent, sdp)));
        self.trunks.begin(&mut self.stack, leg, to, line.user);
        self.try_next_trunk(leg);
    }

    pub(super) fn on_trunk_news(&mut self, leg: LegId, news: News) {
        self.trunks.on_news(&mut self.stack, leg, news);
        if matches!(news, News::Failed(_)) && self.legs.contains(leg) {
            self.try_next_trunk(leg);
        }
    }

    fn try_next_trunk(&mut self, leg: LegId) {
        match self.trunks.next(&mut self.stack, leg) {
            Some(attempt) => {
                let tag = self.stack.random_u64();
                self.legs.add_tag(leg, tag);
                self.with_leg(leg, |leg, stack| leg.try_over(stack, attempt, tag));
            }
            None => self.with_leg(leg, Leg::give_up),
        }
    }
}
