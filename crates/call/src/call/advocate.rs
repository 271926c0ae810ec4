//! The advocate's side of a talk: what is heard of their phone, and what becomes of the caller when it is lost.

use std::time::Duration;

use havre_dialplan as dialplan;
use havre_model::{AgentId, Cause, LegId, Now, Risk, What};

use super::{Call, Stage};
use crate::Output;
use crate::talk::{Link, Talk};

/// Phones may open their port a moment after they answer: until then an unreachable port says nothing, and a phone that
/// stays silent is found out by that.
const PORT_GRACE: Duration = Duration::from_secs(3);

/// A page that is reloaded, or a laptop that changes its network, is back within this time, or the caller is queued again.
const REATTACH_WITHIN: Duration = Duration::from_secs(20);

impl Call {
    pub(super) fn on_connected(&mut self, agent: AgentId, leg: LegId, browser: bool, now: Now) {
        let Stage::Waiting { since } = self.stage else {
            // The caller left while the confirmation travelled: the advocate is free again.
            self.outputs.push_back(Output::HangUpAgent { agent: leg, cause: Cause::Withdrawn });
            self.outputs.push_back(Output::TalkEnded { agent, reachable: true });
            return;
        };
        self.answered = true;
        self.event(What::Answered { agent: agent.clone(), waited: now.mono.since(since) }, now);
        self.stage = Stage::Talking(Talk { agent, link: Link::new(leg, browser, now) });
        self.tell_walk(dialplan::Input::Answered, now);
        self.outputs.push_back(Output::Bridge { agent: leg });
    }

    pub(super) fn on_resumed(&mut self, leg: LegId, browser: bool, now: Now) {
        let Stage::Talking(talk) = &mut self.stage else {
            self.outputs.push_back(Output::HangUpAgent { agent: leg, cause: Cause::Withdrawn });
            return;
        };
        let agent = talk.agent.clone();
        match std::mem::replace(&mut talk.link, Link::new(leg, browser, now)) {
            // From one device to the next: the caller hears no more of it than a breath.
            Link::Here { leg: former, .. } => {
                self.outputs.push_back(Output::HangUpAgent { agent: former, cause: Cause::Done });
                self.event(What::AgentMoved { agent }, now);
            }
            Link::Away { .. } => self.event(What::AgentBack { agent }, now),
        }
        // Whatever was thought of the former leg, or held by it: this one is there.
        self.tell_walk(dialplan::Input::AgentBack, now);
        self.outputs.push_back(Output::Bridge { agent: leg });
    }

    /// Phones hang up as soon as they have handed a call over, which may be before the other one has it.
    pub(super) fn on_agent_moving(&mut self, now: Now) {
        let Stage::Talking(talk) = &mut self.stage else { return };
        if matches!(talk.link, Link::Away { .. }) {
            return;
        }
        talk.link = Link::Away { until: now.mono + REATTACH_WITHIN };
        let agent = talk.agent.clone();
        self.event(What::AgentAway { agent }, now);
        self.tell_walk(dialplan::Input::AgentSilent, now);
    }

    pub(super) fn on_agent_media(&mut self, flowing: bool, now: Now) {
        let Some(Link::Here { leg, browser, since, health, held, detached }) = self.stage.link() else {
            return;
        };
        if !flowing && *detached {
            // There is nobody to ask.
            self.agent_lost(now);
        } else if flowing {
            let was_doubtful = health.is_doubtful();
            health.on_media(now.mono);
            if was_doubtful {
                self.tell_walk(dialplan::Input::AgentBack, now);
            }
        } else if !*held {
            if *browser {
                health.on_browser_silence(*since, now.mono);
            } else {
                health.on_silence(now.mono);
            }
            let agent = *leg;
            self.outputs.push_back(Output::ProbeAgent { agent });
            self.tell_walk(dialplan::Input::AgentSilent, now);
        }
    }

    pub(super) fn on_agent_probed(&mut self, alive: bool, now: Now) {
        let Some(Link::Here { health, .. }) = self.stage.link() else { return };
        if !alive {
            self.agent_lost(now);
            return;
        }
        let was_doubtful = health.is_doubtful();
        health.on_alive(now.mono);
        if was_doubtful && !health.is_doubtful() {
            self.tell_walk(dialplan::Input::AgentBack, now);
        }
    }

    /// A lost connection alone is no lost advocate: as long as the two hear each other they are left alone, and the page
    /// makes another connection meanwhile. A page of which nothing is heard is gone.
    pub(super) fn on_agent_detached(&mut self, now: Now) {
        let Some(Link::Here { health, held, detached, .. }) = self.stage.link() else { return };
        if *held || !health.is_well() {
            self.agent_lost(now);
        } else {
            *detached = true;
        }
    }

    /// It is asked at once whether it knows this call: a phone that began anew under its old name does not.
    pub(super) fn on_agent_attached(&mut self) {
        let Some(Link::Here { leg, detached, .. }) = self.stage.link() else { return };
        *detached = false;
        let agent = *leg;
        self.outputs.push_back(Output::ProbeAgent { agent });
    }

    pub(super) fn on_agent_unreachable(&mut self, now: Now) {
        let Some(Link::Here { since, browser, .. }) = self.stage.link() else { return };
        if now.mono.since(*since) < PORT_GRACE {
            return;
        }
        // A browser that hangs up closes its port and says BYE over another connection, which may be the slower one: it is
        // asked, and its BYE comes before its answer.
        if *browser {
            self.on_agent_media(false, now);
        } else {
            self.agent_lost(now);
        }
    }

    pub(super) fn on_agent_held(&mut self, held: bool, now: Now) {
        let Some(Link::Here { health, held: was, .. }) = self.stage.link() else { return };
        if *was == held {
            return;
        }
        *was = held;
        health.on_media(now.mono);
        let input = if held { dialplan::Input::AgentSilent } else { dialplan::Input::AgentBack };
        self.tell_walk(input, now);
    }

    /// The advocate's leg died. A browser has a while to come back, unless nothing ever came from it: it would come back to
    /// the same network. Otherwise, or after that, the caller is queued again with the first arrival, and hears why.
    pub(super) fn agent_lost(&mut self, now: Now) {
        let Stage::Talking(talk) = &mut self.stage else { return };
        let agent = talk.agent.clone();
        if let Link::Here { leg, browser, health, .. } = talk.link {
            self.outputs.push_back(Output::HangUpAgent { agent: leg, cause: Cause::AgentLost });
            if browser && !health.is_cut_off(now.mono) {
                talk.link = Link::Away { until: now.mono + REATTACH_WITHIN };
                self.event(What::AgentAway { agent: agent.clone() }, now);
                self.tell_walk(dialplan::Input::AgentSilent, now);
                self.outputs.push_back(Output::Reattach { agent });
                return;
            }
            if browser {
                self.outputs.push_back(Output::AgentUnheard { agent: agent.clone() });
            }
        }
        self.queue_again(agent, false, now);
    }

    /// The phone ended the talk without being asked to: the caller stays, and the phone is there.
    pub(super) fn agent_let_go(&mut self, now: Now) {
        let Stage::Talking(talk) = &self.stage else { return };
        let agent = talk.agent.clone();
        self.queue_again(agent, true, now);
    }

    /// The caller goes back into the line, as whoever has waited longest, and hears why.
    fn queue_again(&mut self, agent: AgentId, reachable: bool, now: Now) {
        self.stage = Stage::Waiting { since: now.mono };
        self.outputs.push_back(Output::TalkEnded { agent: agent.clone(), reachable });
        self.event(What::AgentLost { agent }, now);
        self.change_risk(Risk::Elevated, now);
        self.rejoin(now);
        self.tell_walk(dialplan::Input::AgentLost, now);
    }
}
