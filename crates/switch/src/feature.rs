//! Feature codes: an agent dials `*40` and hears that it was done, or `*45` and hears that microphone and speaker work.

use bytes::Bytes;
use havre_dialplan::{Confirmation, Cue};
use havre_media as media;
use havre_model::{AgentCommand, AgentId, Cause, LegId, Now, PlayId, Spoken};
use havre_queue as queue;
use havre_sip as sip;

use crate::leg::{Begins, Leg, Role};
use crate::switch::Switch;

/// `*44`: hear my state.
const HEAR_STATE: &str = "*44";

/// `*45`: hear my state, and then myself.
const TEST_CALL: &str = "*45";

/// The codes, as the edge must know them.
pub(crate) fn codes() -> Vec<String> {
    AgentCommand::ALL
        .iter()
        .map(|command| code_of(*command).to_owned())
        .chain([HEAR_STATE.to_owned(), TEST_CALL.to_owned()])
        .collect()
}

const fn code_of(command: AgentCommand) -> &'static str {
    match command {
        AgentCommand::Ready => "*40",
        AgentCommand::Break => "*41",
        AgentCommand::EndWrapUp => "*42",
        AgentCommand::HardCall => "*43",
    }
}

/// One agent's call to a feature code.
#[derive(Debug)]
pub(crate) struct Feature {
    pub(crate) agent: AgentId,
    /// It was dialled in a browser.
    pub(crate) browser: bool,
    reader: Spoken,
    /// What is set; `None` hears the state.
    asks: Option<AgentCommand>,
    says: Confirmation,
    /// What is said afterwards comes back.
    tests: bool,
}

impl Switch {
    /// An agent, proven by digest or by the console's login, dialled `code`. What it asks is done at once; hearing of it comes with the answer.
    pub(crate) fn on_feature(
        &mut self,
        leg: LegId,
        agent: &AgentId,
        code: &str,
        offer: Option<Bytes>,
        browser: bool,
        now: Now,
    ) {
        let Some(reader) = self.agents.get(agent).map(|profile| profile.ui_language) else {
            self.command_sip(sip::Command::Reject { leg, status: Cause::Forbidden.sip_status() }, now);
            return;
        };
        // Until it is answered the phone is in use: nothing is to ring there, though the agent may be ready already.
        self.queue.handle_input(queue::Input::Busy { agent: agent.clone(), yes: true }, now);
        if self.sip.bindings().any(|(bound, _)| bound == agent) {
            // A phone that calls is there, whatever was thought of it.
            self.queue.handle_input(queue::Input::Reachable { agent: agent.clone(), yes: true }, now);
        }
        let asks = AgentCommand::ALL.into_iter().find(|command| code_of(*command) == code);
        let state = self.queue.agent(agent).map(|view| view.state);
        let says = state.map_or(Confirmation::Failed, Confirmation::State);
        let feature = Feature { agent: agent.clone(), browser, reader, asks, says, tests: code == TEST_CALL };
        let srtp = self.srtp_of(agent);
        self.add_leg(
            leg,
            Leg::new(self.shard_of(leg.0), Role::Feature(feature), srtp, Begins::Answer(offer)),
        );
        if let Some(command) = asks {
            // The endpoint's ids of incoming legs have the top bit set, which the API's replies never have.
            self.queue
                .handle_input(queue::Input::Command { agent: agent.clone(), command, reply: leg.0 }, now);
        }
    }

    /// The queue answered a command that was dialled.
    pub(crate) fn on_feature_done(&mut self, leg: LegId, done: bool) {
        if let Some(Leg { role: Role::Feature(feature), .. }) = self.legs.get_mut(&leg)
            && let Some(command) = feature.asks
        {
            feature.says = if done { Confirmation::Done(command) } else { Confirmation::Refused };
        }
    }

    /// The ACK is in: say it.
    pub(crate) fn play_confirmation(&mut self, leg: LegId) {
        let Some(Leg { role: Role::Feature(feature), .. }) = self.legs.get(&leg) else { return };
        let clip = self.plan.catalogue().confirmation(feature.says, feature.reader);
        let clips = self.library.clips(&[Cue::Clip(clip)]);
        self.command_media(leg, media::Command::Play { leg, play: PlayId(1), clips });
    }

    /// It was said.
    pub(crate) fn on_confirmation_played(&mut self, leg: LegId, now: Now) {
        match self.legs.get(&leg).map(|leg| &leg.role) {
            Some(Role::Feature(Feature { tests: true, .. })) => {
                self.command_media(leg, media::Command::Echo { leg });
            }
            _ => self.end_feature(leg, Some(Cause::Done), now),
        }
    }

    /// The phone is free again.
    pub(crate) fn on_feature_over(&mut self, feature: Feature, now: Now) {
        self.queue.handle_input(queue::Input::Busy { agent: feature.agent, yes: false }, now);
    }
}
