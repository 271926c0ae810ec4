//! What the screens know, projected from what happens: the control thread feeds it, and publishes its snapshots.
//!
//! Plain data, no clock, no lock: each `on_` is a table look-up and one line into the event ring.

mod alarm;
mod entry;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use havre_model::{
    AgentId, AgentProfile, AgentState, CallEvent, CallId, Digit, Language, LineId, Mode, Now, Outcome,
    Quality, Risk, Side, TrunkHealth, TrunkId, Unix, What, limits,
};

use crate::events::{Events, System};
use crate::tally::Tally;
use crate::today::{Most, Today};

pub use alarm::{Alarm, AlarmKind, CertificateTrouble};
pub use entry::{
    AgentEntry, Attention, CallEntry, LastTalk, LegEntry, PastCall, Reach, Ringing, Snapshot, Stage,
};

use alarm::Lasting;

/// The live state of one node, as fed.
#[derive(Debug)]
pub struct Board {
    calls: BTreeMap<CallId, Arc<CallEntry>>,
    agents: BTreeMap<AgentId, Arc<AgentEntry>>,
    tally: Arc<Tally>,
    today: Arc<Today>,
    lasting: Lasting,
    events: Arc<Events>,
}

impl Board {
    /// Nothing has happened yet at `started`.
    #[must_use]
    pub fn new(events: Arc<Events>, started: Unix) -> Self {
        let mut lasting = Lasting::default();
        lasting.on_agents(std::iter::empty(), started);
        let (tally, today) = (Arc::new(Tally::new(started)), Arc::new(Today::new(started)));
        Self { calls: BTreeMap::new(), agents: BTreeMap::new(), tally, today, lasting, events }
    }

    /// The accounts, at the start and after a reload; who is no longer among them disappears.
    pub fn on_agents(&mut self, profiles: &[AgentProfile], now: Now) {
        let mut before = std::mem::take(&mut self.agents);
        self.agents = profiles
            .iter()
            .take(limits::MAX_AGENTS)
            .map(|profile| {
                let mut entry = before
                    .remove(&profile.id)
                    .unwrap_or_else(|| Arc::new(AgentEntry::new(profile.clone(), now.unix)));
                if entry.profile != *profile {
                    Arc::make_mut(&mut entry).profile.clone_from(profile);
                }
                (profile.id.clone(), entry)
            })
            .collect();
        self.lasting.on_agents(self.agents.values(), now.unix);
    }

    /// An agent's state changed.
    pub fn on_agent(&mut self, agent: &AgentId, state: AgentState, now: Now) {
        let Some(entry) = self.agents.get_mut(agent) else { return };
        Arc::make_mut(entry).set(state, now);
        self.events.agent(entry, now);
        self.lasting.on_agents(self.agents.values(), now.unix);
    }

    /// Every phone that is registered and answers: whose it is, and whether it is a browser.
    pub fn on_phones<'a>(&mut self, phones: impl Iterator<Item = (&'a AgentId, bool)>, at: Unix) {
        let mut counts: BTreeMap<&AgentId, (usize, usize)> = BTreeMap::new();
        for (agent, browser) in phones {
            let (browsers, phones) = counts.entry(agent).or_default();
            *(if browser { browsers } else { phones }) += 1;
        }
        for (agent, entry) in &mut self.agents {
            let (browsers, phones) = counts.get(agent).copied().unwrap_or_default();
            if (entry.reach.browsers, entry.reach.phones) != (browsers, phones) {
                Arc::make_mut(entry).reach = Reach { browsers, phones, since: at };
            }
        }
    }

    /// Those whose browser answers, though nothing was ever heard of it in a talk.
    pub fn on_unheard<'a>(&mut self, agents: impl Iterator<Item = &'a AgentId>) {
        let unheard: BTreeSet<&AgentId> = agents.collect();
        for (agent, entry) in &mut self.agents {
            let is = unheard.contains(agent);
            if entry.unheard != is {
                Arc::make_mut(entry).unheard = is;
            }
        }
    }

    /// A call of an earlier process, as the record tells it, for the day's curves.
    pub fn on_past_call(&mut self, call: &PastCall) {
        let today = Arc::make_mut(&mut self.today);
        today.on_offered(call.arrived);
        for (at, waited) in &call.talks {
            today.on_answered(*at, call.language, *waited);
        }
        if let Some((at, outcome)) = call.ended {
            today.on_ended(at, call.language, outcome);
        }
    }

    /// Something happened in a call.
    pub fn on_call(&mut self, event: &CallEvent) {
        self.project(event);
        self.events.logs.on_call(event);
        self.events.call(event);
    }

    /// A caller pressed a key in a talk: for the advocate's eyes, and kept nowhere.
    pub fn on_key(&mut self, call: CallId, digit: Digit, at: Unix) {
        if let Some(agent) = self.calls.get(&call).and_then(|call| call.agent.as_ref()) {
            self.events.keys.press(agent, call, digit, at);
        }
    }

    /// A caller went this way of the plan, out of a menu: by this key, or by pressing none.
    pub fn on_went(&mut self, from: &str, key: Option<Digit>, at: Unix) {
        Arc::make_mut(&mut self.today).on_went(at, from, key);
    }

    /// What is true of a call just now beside its events: whether the caller may have called earlier, and whether the
    /// advocate holds the call.
    pub fn on_marks(&mut self, call: CallId, redial: bool, held: bool) {
        if let Some(entry) = self.calls.get_mut(&call)
            && (entry.redial, entry.held) != (redial, held)
        {
            let entry = Arc::make_mut(entry);
            (entry.redial, entry.held) = (redial, held);
        }
    }

    /// A party's audio was measured.
    pub fn on_quality(&mut self, call: CallId, side: Side, quality: &Quality) {
        if let Some(call) = self.calls.get_mut(&call) {
            Arc::make_mut(call).leg(side).quality = Some(*quality);
        }
    }

    /// What is known of an outbound trunk has changed.
    pub fn on_trunk(&mut self, trunk: &TrunkId, health: TrunkHealth, at: Unix) {
        let trunks = Arc::make_mut(&mut self.lasting.trunks);
        let since = match trunks.get(trunk) {
            // Another reason is the same outage.
            Some((known, since)) if known.is_usable() == health.is_usable() => *since,
            _ => at,
        };
        trunks.insert(trunk.clone(), (health, since));
    }

    /// Every outbound trunk, after a reload: those that are no longer among them disappear.
    pub fn on_trunks<'a>(&mut self, trunks: impl Iterator<Item = (&'a TrunkId, TrunkHealth)>, at: Unix) {
        let now: Vec<_> = trunks.collect();
        Arc::make_mut(&mut self.lasting.trunks)
            .retain(|known, _| now.iter().any(|(trunk, _)| *trunk == known));
        for (trunk, health) in now {
            self.on_trunk(trunk, health, at);
        }
    }

    /// Something happened to the node.
    pub fn on_system(&mut self, what: System, at: Unix) {
        match what {
            System::StoreDown => self.lasting.store_degraded = Some(at),
            System::StoreUp => self.lasting.store_degraded = None,
            System::Draining => self.lasting.draining = Some(at),
            System::Started | System::Reloaded { .. } | System::ReloadRefused => {}
        }
        self.events.system(what, at);
    }

    /// How the certificate in force stands now; nothing is said of a good one.
    pub fn on_certificate(&mut self, trouble: Option<CertificateTrouble>, at: Unix) {
        self.lasting.on_certificate(trouble, at);
    }

    fn project(&mut self, event: &CallEvent) {
        match &event.what {
            What::Arrived { line, trunk } => return self.on_arrived(event, line, trunk),
            What::Ended { outcome, .. } => return self.on_ended(event, *outcome),
            _ => {}
        }
        let Some(call) = self.calls.get_mut(&event.call) else { return };
        let (call, tally) = (Arc::make_mut(call), Arc::make_mut(&mut self.tally));
        match &event.what {
            What::Joined { language, risk } => call.join(*language, *risk, event.at),
            What::Rejoined { language, risk } => {
                call.join(*language, *risk, event.at);
                Arc::make_mut(&mut self.today).on_went(event.at, "advocate", None);
            }
            What::Language(language) => call.language = *language,
            What::Risk(risk) => call.set_risk(*risk, event.at),
            What::Mode(mode) => call.mode = *mode,
            What::Offered { offer, agent, kind } => {
                if call.ringing.len() < limits::MAX_OFFERS_PER_CALL {
                    let (offer, agent) = (*offer, agent.clone());
                    call.ringing.push(Ringing { offer, agent, kind: *kind, since: event.at });
                }
            }
            What::Withdrawn { offer, .. } => call.ringing.retain(|ringing| ringing.offer != *offer),
            What::Answered { agent, waited } => {
                call.enter(Stage::Talking, event.at);
                call.waited = Some(*waited);
                call.agent = Some(agent.clone());
                tally.on_answered(call.language, *waited);
                let today = Arc::make_mut(&mut self.today);
                today.on_answered(event.at, call.language, *waited);
                today.on_went(event.at, "waiting", None);
            }
            // The caller is queued again by `Rejoined`; until then the talk is over.
            What::AgentLost { .. } => talk_over(&mut self.agents, call, event.at),
            What::AgentAway { .. } => call.reattaching = true,
            What::AgentBack { .. } | What::AgentMoved { .. } => call.reattaching = false,
            What::OneWay { side, way, flowing } => {
                call.leg(*side).set_missing(*way, *flowing, event.at);
                if !flowing {
                    tally.one_way[*side as usize][*way as usize] += 1;
                }
            }
            What::CallerMedia { flowing } => call.media_flowing = *flowing,
            What::Tty => call.tty = true,
            What::Alerted => {
                if call.attention == Attention::None {
                    call.attention = Attention::Alerted;
                }
                tally.alerts += 1;
            }
            What::Paged => {
                call.attention = Attention::Paged;
                tally.pages += 1;
            }
            What::Arrived { .. }
            | What::Picked
            | What::Key(_)
            | What::Quality { .. }
            | What::Ended { .. } => {}
        }
    }

    fn on_ended(&mut self, event: &CallEvent, outcome: Outcome) {
        // A call beyond the table's limit still counts.
        let (mut language, mut risk, mut waited) = (Language::Unknown, Risk::Standard, None);
        if let Some(mut call) = self.calls.remove(&event.call) {
            (language, risk) = (call.language, call.risk);
            if call.stage == Stage::Waiting {
                waited = call.waited_at(event.at);
            }
            talk_over(&mut self.agents, Arc::make_mut(&mut call), event.at);
        }
        Arc::make_mut(&mut self.tally).on_ended(language, risk, outcome, waited);
        Arc::make_mut(&mut self.today).on_ended(event.at, language, outcome);
    }

    fn on_arrived(&mut self, event: &CallEvent, line: &LineId, trunk: &TrunkId) {
        Arc::make_mut(&mut self.tally).on_offered(line, trunk, event.at);
        let today = Arc::make_mut(&mut self.today);
        today.on_offered(event.at);
        today.on_went(event.at, &format!("line:{}", line.as_str()), None);
        if self.calls.len() >= limits::MAX_CALLS {
            return;
        }
        let call = CallEntry {
            id: event.call,
            line: line.clone(),
            trunk: trunk.clone(),
            language: Language::Unknown,
            risk: Risk::Standard,
            risk_since: event.at,
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
            redial: false,
            held: false,
            reattaching: false,
            caller: LegEntry::default(),
            advocate: LegEntry::default(),
        };
        self.calls.insert(event.call, Arc::new(call));
    }

    /// The state at `now`, to be published.
    #[must_use]
    pub fn snapshot(&mut self, now: Now) -> Snapshot {
        let mut calls: Vec<_> = self.calls.values().cloned().collect();
        calls.sort_by_key(|call| (call.stage, call.order(), call.id));
        let seen = Most {
            ready: self.agents.values().filter(|a| matches!(a.state, AgentState::Ready { .. })).count(),
            waiting: calls.iter().filter(|call| call.stage == Stage::Waiting).count(),
        };
        if self.today.is_news(now.unix, seen) {
            Arc::make_mut(&mut self.today).on_seen(now.unix, seen);
        }
        Snapshot {
            at: now,
            alarms: self.lasting.alarms(&calls, now.unix),
            calls,
            agents: self.agents.values().cloned().collect(),
            tally: Arc::clone(&self.tally),
            today: Arc::clone(&self.today),
            trunks: Arc::clone(&self.lasting.trunks),
            store_up: self.lasting.store_degraded.is_none(),
            draining: self.lasting.draining.is_some(),
        }
    }
}

/// The advocate of `call` comes out of it, and remembers which it was.
fn talk_over(agents: &mut BTreeMap<AgentId, Arc<AgentEntry>>, call: &mut CallEntry, at: Unix) {
    if let Some(agent) = call.agent.take().and_then(|agent| agents.get_mut(&agent)) {
        let CallEntry { id, language, risk, .. } = *call;
        Arc::make_mut(agent).last_talk = Some(LastTalk { call: id, language, risk, ended: at });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use havre_model::{Cause, OfferId, WithdrawReason, WrapUp};

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
        let ringing: Vec<_> = call.ringing.iter().map(|r| (r.offer, r.agent.as_str(), r.since)).collect();
        assert_eq!(ringing, [(OfferId(8), "advocate-en", secs(1))]);
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

        fn only_call(&mut self, at: i64) -> CallEntry {
            let calls = self.0.snapshot(now(at)).calls;
            assert_eq!(calls.len(), 1);
            CallEntry::clone(&calls[0])
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
