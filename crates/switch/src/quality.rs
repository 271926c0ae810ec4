//! How legs sound: what the data plane measured, with whose leg it was.

use havre_media as media;
use havre_model::{AgentId, CallEvent, CallId, LegId, Now, Quality, Side, Way, What, limits};
use havre_queue as queue;

use crate::io::{Output, QualityReport};
use crate::leg::{Leg, Part, Role};
use crate::switch::Switch;

/// Legs whose last report is awaited, at most: it comes within milliseconds, if the data plane is there at all.
const MAX_CLOSING: usize = 2 * limits::MAX_CALLS;

/// A leg that is over but for its last report.
#[derive(Debug)]
pub(crate) struct Closing {
    party: Option<(CallId, Side)>,
    reported: (u64, u64),
    browser_of: Option<AgentId>,
}

impl Leg {
    /// Whose audio it is, in a call: a phone that only rings is in none yet.
    const fn party(&self) -> Option<(CallId, Side)> {
        match &self.role {
            Role::Caller { call, .. } => Some((*call, Side::Caller)),
            Role::Agent { call, part: Part::Talking, .. } => Some((*call, Side::Advocate)),
            Role::Agent { .. } | Role::Feature(_) => None,
        }
    }

    /// Whose browser it is.
    fn browser_of(&self) -> Option<AgentId> {
        match &self.role {
            Role::Agent { agent, browser: true, .. } => Some(agent.clone()),
            Role::Feature(feature) if feature.browser => Some(feature.agent.clone()),
            Role::Caller { .. } | Role::Agent { .. } | Role::Feature(_) => None,
        }
    }
}

impl Switch {
    /// A leg ends: the data plane has a last word to say about it, if it ever had RTP.
    pub(crate) fn await_last_report(&mut self, id: LegId, leg: &Leg) {
        if leg.agreed.is_some() && self.closing.len() < MAX_CLOSING {
            self.closing.insert(
                id,
                Closing { party: leg.party(), reported: leg.reported, browser_of: leg.browser_of() },
            );
        }
    }

    /// The data plane measured a leg.
    pub(crate) fn on_quality(&mut self, id: LegId, quality: &Quality, last: bool, now: Now) {
        let now_reported = (quality.received, quality.lost);
        let (party, before, browser_of) = if last {
            let Some(closing) = self.closing.remove(&id) else {
                self.counters.late_media += 1;
                return;
            };
            (closing.party, closing.reported, closing.browser_of)
        } else if let Some(leg) = self.legs.get_mut(&id) {
            (leg.party(), std::mem::replace(&mut leg.reported, now_reported), leg.browser_of())
        } else if let Some(closing) = self.closing.get_mut(&id) {
            let before = std::mem::replace(&mut closing.reported, now_reported);
            (closing.party, before, closing.browser_of.clone())
        } else {
            self.counters.late_media += 1;
            return;
        };
        if let (true, Some(agent)) = (quality.received > 0, browser_of) {
            self.on_heard(agent, now);
        }
        let received = quality.received.saturating_sub(before.0);
        let lost = quality.lost.saturating_sub(before.1);
        let report = QualityReport { party, quality: *quality, received, lost, last };
        self.outputs.push_back(Output::Quality(Box::new(report)));
        if let (true, Some((call, side))) = (last, party) {
            let what = What::Quality { side, quality: *quality };
            self.outputs.push_back(Output::Event(CallEvent { call, at: now.unix, what }));
        }
    }

    /// Media came from an agent's browser, in a talk or in a test call: whatever was in their way is gone.
    fn on_heard(&mut self, agent: AgentId, now: Now) {
        if !self.queue.agent(&agent).is_some_and(|view| view.unheard) {
            return;
        }
        self.queue.handle_input(queue::Input::Unheard { agent: agent.clone(), yes: false }, now);
        if self.sip.is_reachable(&agent) {
            self.queue.handle_input(queue::Input::Reachable { agent, yes: true }, now);
        }
    }

    /// The data plane noticed that audio goes one way only, or both again; other events are none of this.
    pub(crate) fn on_one_way(&mut self, id: LegId, event: &media::Event, now: Now) {
        let (way, flowing) = match event {
            media::Event::MediaLost { .. } => (Way::From, false),
            media::Event::MediaBack { .. } => (Way::From, true),
            media::Event::FarHears { ours, .. } => (Way::To, *ours),
            _ => return,
        };
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let was = std::mem::replace(&mut leg.flowing[way as usize], flowing);
        if was != flowing {
            self.say_one_way(id, way, flowing, now);
        }
    }

    /// A leg has become part of a talk: what was missing before is missed from now on.
    pub(crate) fn say_what_is_missing(&mut self, id: LegId, now: Now) {
        for way in Way::ALL {
            if self.legs.get(&id).is_some_and(|leg| !leg.flowing[way as usize]) {
                self.say_one_way(id, way, false, now);
            }
        }
    }

    fn say_one_way(&mut self, id: LegId, way: Way, flowing: bool, now: Now) {
        let party = self.legs.get(&id).and_then(Leg::party);
        if let Some((call, side)) = party.filter(|(call, _)| self.calls.contains_key(call)) {
            let what = What::OneWay { side, way, flowing };
            self.outputs.push_back(Output::Event(CallEvent { call, at: now.unix, what }));
        }
    }
}
