//! What the screens know, projected from what happens: the control thread feeds it, and publishes its snapshots.
//!
//! Plain data, no clock, no lock: each `on_` is a table look-up and one line into the event ring.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use havre_model::{
    AgentId, AgentProfile, AgentState, CallEvent, CallId, Language, LineId, Mode, Now, OfferId, Quality,
    Risk, Side, TrunkId, Unix, What, limits,
};

use crate::events::{Events, System};
use crate::tally::Tally;

/// The live state of one node, as fed.
#[derive(Debug)]
pub struct Board {
    calls: BTreeMap<CallId, CallEntry>,
    agents: BTreeMap<AgentId, AgentEntry>,
    tally: Tally,
    events: Arc<Events>,
}

/// The state of one node at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The moment.
    pub at: Now,
    /// Calls in progress: waiting ones in the order of the line, then those greeted, then those talking.
    pub calls: Vec<CallEntry>,
    /// Accounts by id.
    pub agents: Vec<AgentEntry>,
    /// Counts since the start.
    pub tally: Tally,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// In the queue.
    Waiting,
    /// Hearing the greeting.
    Greeting,
    /// With an advocate.
    Talking,
}

impl Stage {
    /// All, in the order of the list of calls.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Greeting, Self::Talking];

    /// The stable spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Greeting => "greeting",
            Self::Talking => "talking",
        }
    }
}

/// Whether supervisors were told that a caller waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attention {
    /// No need.
    None,
    /// Alerted: too long.
    Alerted,
    /// Paged: far too long.
    Paged,
}

impl Attention {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Alerted, Self::Paged];

    /// The stable spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Alerted => "alerted",
            Self::Paged => "paged",
        }
    }
}

/// One call in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallEntry {
    /// Random; tells nothing of who called.
    pub id: CallId,
    /// The dialled line.
    pub line: LineId,
    /// The carrier.
    pub trunk: TrunkId,
    /// What is known of the caller's language.
    pub language: Language,
    /// The class.
    pub risk: Risk,
    /// The caller's manner.
    pub mode: Mode,
    /// How far the call has come.
    pub stage: Stage,
    /// Since when it is in that stage.
    pub since: Unix,
    /// When the INVITE came.
    pub arrived: Unix,
    /// When the caller first joined the queue; survives a lost advocate.
    pub joined: Option<Unix>,
    /// How long the caller waited for the advocate (while talking).
    pub waited: Option<Duration>,
    /// Phones that ring for the call.
    pub ringing: Vec<(OfferId, AgentId)>,
    /// The advocate (while talking).
    pub agent: Option<AgentId>,
    /// Whether supervisors were told.
    pub attention: Attention,
    /// Whether the caller's audio arrives.
    pub media_flowing: bool,
    /// Whether TTY tones were heard from the caller.
    pub tty: bool,
    /// How the caller's leg sounds.
    pub caller: LegEntry,
    /// How the advocate's does (while talking).
    pub advocate: LegEntry,
}

/// One party's audio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LegEntry {
    /// What was measured last; `None` in the first seconds.
    pub quality: Option<Quality>,
    /// Whether audio fails to go each [`Way`].
    pub missing: [bool; 2],
}

impl CallEntry {
    fn enter(&mut self, stage: Stage, at: Unix) {
        self.stage = stage;
        self.since = at;
        self.waited = None;
        self.agent = None;
        self.ringing.clear();
        self.attention = Attention::None;
        self.advocate = LegEntry::default();
    }

    fn leg(&mut self, side: Side) -> &mut LegEntry {
        match side {
            Side::Caller => &mut self.caller,
            Side::Advocate => &mut self.advocate,
        }
    }

    fn join(&mut self, language: Language, risk: Risk, at: Unix) {
        self.enter(Stage::Waiting, at);
        self.joined.get_or_insert(at);
        self.language = language;
        self.risk = risk;
    }

    /// How long the caller has waited for an advocate, or did before the talk; `None` in the greeting.
    #[must_use]
    pub fn waited_at(&self, now: Unix) -> Option<Duration> {
        match self.stage {
            Stage::Greeting => None,
            Stage::Waiting => Some(now.since(self.since)),
            Stage::Talking => self.waited,
        }
    }

    /// Place in the line: first arrival less the head start of the class.
    fn order(&self) -> i64 {
        self.joined.unwrap_or(self.arrived).as_millis().saturating_sub(self.risk.head_start_millis())
    }
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentEntry {
    /// Who and what for.
    pub profile: AgentProfile,
    /// The state.
    pub state: AgentState,
    /// Since when.
    pub since: Unix,
}

impl Board {
    /// Nothing has happened yet at `started`.
    #[must_use]
    pub fn new(events: Arc<Events>, started: Unix) -> Self {
        Self { calls: BTreeMap::new(), agents: BTreeMap::new(), tally: Tally::new(started), events }
    }

    /// The accounts, at the start and after a reload; who is no longer among them disappears.
    pub fn on_agents(&mut self, profiles: &[AgentProfile], now: Now) {
        let mut before = std::mem::take(&mut self.agents);
        self.agents = profiles
            .iter()
            .take(limits::MAX_AGENTS)
            .map(|profile| {
                let (state, since) = before
                    .remove(&profile.id)
                    .map_or((AgentState::SignedOut, now.unix), |entry| (entry.state, entry.since));
                (profile.id.clone(), AgentEntry { profile: profile.clone(), state, since })
            })
            .collect();
    }

    /// An agent's state changed.
    pub fn on_agent(&mut self, agent: &AgentId, state: AgentState, now: Now) {
        let Some(entry) = self.agents.get_mut(agent) else { return };
        entry.set(state, now.unix);
        self.events.agent(entry, now);
    }

    /// Something happened in a call.
    pub fn on_call(&mut self, event: &CallEvent) {
        self.project(event);
        self.events.call(event);
    }

    /// A party's audio was measured.
    pub fn on_quality(&mut self, call: CallId, side: Side, quality: &Quality) {
        if let Some(call) = self.calls.get_mut(&call) {
            call.leg(side).quality = Some(*quality);
        }
    }

    /// Something happened to the node.
    pub fn on_system(&mut self, what: System, at: Unix) {
        self.events.system(what, at);
    }

    fn project(&mut self, event: &CallEvent) {
        match &event.what {
            What::Arrived { line, trunk } => return self.on_arrived(event, line, trunk),
            What::Ended { outcome, .. } => {
                let call = self.calls.remove(&event.call);
                let waiting = call.as_ref().filter(|c| c.stage == Stage::Waiting);
                let waited = waiting.and_then(|c| c.waited_at(event.at));
                // A call beyond the table's limit still counts.
                let (language, risk) =
                    call.as_ref().map_or((Language::Unknown, Risk::Standard), |c| (c.language, c.risk));
                return self.tally.on_ended(language, risk, *outcome, waited);
            }
            _ => {}
        }
        let Some(call) = self.calls.get_mut(&event.call) else { return };
        match &event.what {
            What::Joined { language, risk } | What::Rejoined { language, risk } => {
                call.join(*language, *risk, event.at);
            }
            What::Language(language) => call.language = *language,
            What::Risk(risk) => call.risk = *risk,
            What::Mode(mode) => call.mode = *mode,
            What::Offered { offer, agent, .. } => {
                if call.ringing.len() < limits::MAX_OFFERS_PER_CALL {
                    call.ringing.push((*offer, agent.clone()));
                }
            }
            What::Withdrawn { offer, .. } => call.ringing.retain(|(ringing, _)| ringing != offer),
            What::Answered { agent, waited } => {
                call.enter(Stage::Talking, event.at);
                call.waited = Some(*waited);
                call.agent = Some(agent.clone());
                self.tally.on_answered(call.language, *waited);
            }
            // The caller is queued again by `Rejoined`; until then the talk is over.
            What::AgentLost { .. } => call.agent = None,
            What::OneWay { side, way, flowing } => {
                call.leg(*side).missing[*way as usize] = !flowing;
                if !flowing {
                    self.tally.one_way[*side as usize][*way as usize] += 1;
                }
            }
            What::CallerMedia { flowing } => call.media_flowing = *flowing,
            What::Tty => call.tty = true,
            What::Alerted => {
                if call.attention == Attention::None {
                    call.attention = Attention::Alerted;
                }
                self.tally.alerts += 1;
            }
            What::Paged => {
                call.attention = Attention::Paged;
                self.tally.pages += 1;
            }
            What::Arrived { .. }
            | What::Picked
            | What::Key(_)
            | What::Quality { .. }
            | What::Ended { .. } => {}
        }
    }

    fn on_arrived(&mut self, event: &CallEvent, line: &LineId, trunk: &TrunkId) {
        self.tally.offered += 1;
        if self.calls.len() >= limits::MAX_CALLS {
            return;
        }
        let call = CallEntry {
            id: event.call,
            line: line.clone(),
            trunk: trunk.clone(),
            language: Language::Unknown,
            risk: Risk::Standard,
            mode: Mode::default(),
            stage: Stage::Greeting,
            since: event.at,
            arrived: event.at,
            joined: None,
            waited: None,
            ringing: Vec::new(),
            agent: None,
            attention: Attention::None,
            media_flowing: true,
            tty: false,
            caller: LegEntry::default(),
            advocate: LegEntry::default(),
        };
        self.calls.insert(event.call, call);
    }

    /// The state at `now`, to be published.
    #[must_use]
    pub fn snapshot(&self, now: Now) -> Snapshot {
        let mut calls: Vec<_> = self.calls.values().cloned().collect();
        calls.sort_by_key(|call| (call.stage, call.order(), call.id));
        Snapshot {
            at: now,
            calls,
            agents: self.agents.values().cloned().collect(),
            tally: self.tally.clone(),
        }
    }
}

impl AgentEntry {
    pub(crate) fn set(&mut self, state: AgentState, now: Unix) {
        self.since = match state {
            AgentState::Ready { since }
            | AgentState::NotReady { since, .. }
            | AgentState::Talking { since, .. }
            | AgentState::WrapUp { since, .. } => since,
            AgentState::SignedOut if self.state == AgentState::SignedOut => self.since,
            AgentState::SignedOut | AgentState::Offered { .. } => now,
        };
        self.state = state;
    }
}

#[cfg(test)]
mod tests {
    use havre_model::{Cause, Outcome, WithdrawReason, WrapUp};

    use super::*;

    #[test]
    fn a_call_moves_through_its_stages() {
        let mut board = board();
        board.at(0, 1, arrived());
        board.at(2, 1, What::Joined { language: Language::Fr, risk: Risk::Standard });
        board.at(2, 1, offered(7, "advocate-fr"));
        board.at(9, 1, What::Mode(Mode { silent: true, ..Mode::default() }));
        let call = board.only_call(10);
        assert_eq!((call.stage, call.language, call.waited_at(secs(10))), waiting(Language::Fr, 8));
        assert_eq!(call.ringing.len(), 1);
        assert!(call.mode.silent);

        board.at(10, 1, What::Answered { agent: id("advocate-fr"), waited: Duration::from_secs(8) });
        let call = board.only_call(100);
        assert_eq!((call.stage, call.since), (Stage::Talking, secs(10)));
        assert_eq!(call.waited_at(secs(100)), Some(Duration::from_secs(8)));
        assert_eq!((call.agent, call.ringing), (Some(id("advocate-fr")), vec![]));

        board.at(50, 1, What::AgentLost { agent: id("advocate-fr") });
        board.at(51, 1, What::Rejoined { language: Language::Fr, risk: Risk::Elevated });
        let call = board.only_call(61);
        assert_eq!((call.stage, call.language, call.waited_at(secs(61))), waiting(Language::Fr, 10));
        assert_eq!((call.joined, call.agent), (Some(secs(2)), None));

        board.at(70, 1, What::Ended { outcome: Outcome::Answered, cause: Cause::CallerHungUp });
        let snapshot = board.0.snapshot(now(70));
        assert_eq!(snapshot.calls, []);
        assert_eq!(snapshot.tally.ended(Language::Fr, Risk::Elevated, Outcome::Answered), 1);
        assert_eq!(snapshot.tally.in_progress(), 0);
    }

    #[test]
    fn waiting_calls_stand_in_the_order_of_the_line() {
        let mut board = board();
        for (call, joined, risk) in [
            (1, 0, Risk::Information),
            (2, 10, Risk::Standard),
            (3, 65, Risk::Elevated),
            (4, 500, Risk::Urgent),
        ] {
            board.at(joined, call, arrived());
            board.at(joined, call, What::Joined { language: Language::En, risk });
        }
        board.at(501, 5, arrived());
        let order: Vec<_> = board.0.snapshot(now(600)).calls.iter().map(|call| call.id.0).collect();
        assert_eq!(order, [4, 3, 2, 1, 5]);
    }

    #[test]
    fn a_withdrawn_offer_no_longer_rings_and_attention_never_falls_back() {
        let mut board = board();
        board.at(0, 1, arrived());
        board.at(1, 1, What::Joined { language: Language::Unknown, risk: Risk::Urgent });
        board.at(1, 1, offered(7, "advocate-fr"));
        board.at(1, 1, offered(8, "advocate-en"));
        let (offer, agent) = (OfferId(7), id("advocate-fr"));
        board.at(9, 1, What::Withdrawn { offer, agent, why: WithdrawReason::NoAnswer });
        board.at(10, 1, What::Paged);
        board.at(11, 1, What::Alerted);
        let call = board.only_call(12);
        assert_eq!(call.ringing, [(OfferId(8), id("advocate-en"))]);
        assert_eq!(call.attention, Attention::Paged);
    }

    #[test]
    fn calls_beyond_the_limit_are_counted_all_the_same() {
        let mut board = board();
        let calls = limits::MAX_CALLS as u64 + 3;
        for call in 0..calls {
            board.at(0, call, arrived());
        }
        for call in 0..calls {
            board.at(1, call, What::Ended { outcome: Outcome::Abandoned, cause: Cause::CallerHungUp });
        }
        let tally = board.0.snapshot(now(2)).tally;
        assert_eq!(
            (tally.offered, tally.ended_so(Outcome::Abandoned), tally.in_progress()),
            (calls, calls, 0)
        );
    }

    #[test]
    fn a_reload_keeps_states_and_drops_who_left() {
        let mut board = board();
        board.0.on_agents(&[profile("a"), profile("b")], now(0));
        board.0.on_agent(&id("a"), AgentState::Ready { since: secs(3) }, now(3));
        board.0.on_agent(&id("nobody"), AgentState::Ready { since: secs(3) }, now(3));
        board.0.on_agents(&[profile("a"), profile("c")], now(5));
        let agents = board.0.snapshot(now(6)).agents;
        let seen: Vec<_> =
            agents.iter().map(|a| (a.profile.id.as_str(), a.state.as_str(), a.since)).collect();
        assert_eq!(seen, [("a", "ready", secs(3)), ("c", "signed_out", secs(5))]);
    }

    struct Fed(Board);

    impl Fed {
        fn at(&mut self, at: i64, call: u64, what: What) {
            self.0.on_call(&CallEvent { call: CallId(call), at: secs(at), what });
        }

        fn only_call(&self, at: i64) -> CallEntry {
            let calls = self.0.snapshot(now(at)).calls;
            assert_eq!(calls.len(), 1);
            calls.into_iter().next().unwrap()
        }
    }

    fn board() -> Fed {
        Fed(Board::new(Events::new(secs(0)), secs(0)))
    }

    fn waiting(language: Language, waited: u64) -> (Stage, Language, Option<Duration>) {
        (Stage::Waiting, language, Some(Duration::from_secs(waited)))
    }

    fn arrived() -> What {
        What::Arrived { line: "hotline".parse().unwrap(), trunk: "demo".parse().unwrap() }
    }

    fn offered(offer: u64, agent: &str) -> What {
        What::Offered { offer: OfferId(offer), agent: id(agent), kind: havre_model::OfferKind::RingAll }
    }

    fn profile(agent: &str) -> AgentProfile {
        AgentProfile {
            id: id(agent),
            languages: havre_model::SpokenSet::EMPTY,
            ui_language: havre_model::Spoken::Fr,
            roles: havre_model::Roles::default(),
            wrap_up: WrapUp::Manual,
            ready_on_register: false,
        }
    }

    fn id(agent: &str) -> AgentId {
        agent.parse().unwrap()
    }

    fn secs(at: i64) -> Unix {
        Unix::from_millis(at * 1000)
    }

    fn now(at: i64) -> Now {
        Now { mono: havre_model::Mono::ZERO, unix: secs(at) }
    }
}
