//! What needs somebody's attention now: derived from the board's state, never set or cleared by hand.
//!
//! A trunk is down when it was asked and did not answer: of one that only sends us callers nothing is known.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use havre_model::{AgentState, CallId, Language, Risk, Role, Spoken, TrunkHealth, TrunkId, Unix};

use super::{AgentEntry, CallEntry, LegEntry, Stage};

/// Urgent callers are to be answered within this time of joining or rising (the journey's target).
const URGENT_TARGET: Duration = Duration::from_secs(15);
/// Others have by then been offered to everybody of their language, and the search has gone beyond.
const LONG_WAIT: Duration = Duration::from_secs(45);
/// Calls named for one kind of alarm. The first in the line come first; how many wait is said by the queue's figures.
const MAX_CALLS_NAMED: usize = 8;

/// Something that needs attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// What.
    pub kind: AlarmKind,
    /// Since when it is so.
    pub since: Unix,
    /// Of which call, and its language.
    pub call: Option<(CallId, Language)>,
    /// When what it warns of happens or happened, where that is known.
    pub ends: Option<Unix>,
    /// Of which trunk.
    pub trunk: Option<TrunkId>,
}

/// What is wrong with the certificate that the line shows browsers, phones and carriers, or soon will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateTrouble {
    /// It ends then: time to renew it.
    EndsSoon(Unix),
    /// It ends then: the last days to renew it.
    EndsNow(Unix),
    /// It ended then.
    Expired(Unix),
    /// It has not begun.
    NotYet,
}

impl CertificateTrouble {
    const fn kind(self) -> AlarmKind {
        match self {
            Self::EndsSoon(_) => AlarmKind::CertificateSoon,
            Self::EndsNow(_) => AlarmKind::CertificateUrgent,
            Self::Expired(_) => AlarmKind::CertificateExpired,
            Self::NotYet => AlarmKind::CertificateNotYet,
        }
    }

    const fn ends(self) -> Option<Unix> {
        match self {
            Self::EndsSoon(ends) | Self::EndsNow(ends) | Self::Expired(ends) => Some(ends),
            Self::NotYet => None,
        }
    }
}

/// What an alarm is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AlarmKind {
    /// No advocate at all is ready, rung, talking or in wrap-up. Says what the next two would.
    Nobody,
    /// None of those speaks French.
    NoFrench,
    /// None of those speaks English.
    NoEnglish,
    /// An urgent caller waits for longer than the target.
    UrgentWaiting,
    /// Another caller waits for so long that the search has widened beyond the language.
    LongWait,
    /// In a talk, one of the two hears nothing.
    OneWay,
    /// A trunk over which we call does not answer, or refuses us.
    TrunkDown,
    /// The shared store does not answer.
    StoreDegraded,
    /// New calls are refused.
    Draining,
    /// The certificate is to be renewed in the next weeks.
    CertificateSoon,
    /// It is to be renewed in the next days.
    CertificateUrgent,
    /// It is over: browsers and phones refuse it.
    CertificateExpired,
    /// It has not begun: likewise.
    CertificateNotYet,
}

impl AlarmKind {
    /// All, the gravest first.
    pub const ALL: [Self; 13] = [
        Self::UrgentWaiting,
        Self::Nobody,
        Self::NoFrench,
        Self::NoEnglish,
        Self::CertificateExpired,
        Self::CertificateNotYet,
        Self::CertificateUrgent,
        Self::LongWait,
        Self::OneWay,
        Self::TrunkDown,
        Self::StoreDegraded,
        Self::CertificateSoon,
        Self::Draining,
    ];

    /// The stable spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::NoFrench => "no_french",
            Self::NoEnglish => "no_english",
            Self::UrgentWaiting => "urgent_waiting",
            Self::LongWait => "long_wait",
            Self::OneWay => "one_way",
            Self::TrunkDown => "trunk_down",
            Self::StoreDegraded => "store_degraded",
            Self::Draining => "draining",
            Self::CertificateSoon => "certificate_soon",
            Self::CertificateUrgent => "certificate_urgent",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateNotYet => "certificate_not_yet",
        }
    }
}

/// The conditions that have no moment of their own in any entry: since when each holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Lasting {
    pub(super) store_degraded: Option<Unix>,
    pub(super) draining: Option<Unix>,
    certificate: Option<(CertificateTrouble, Unix)>,
    /// What is known of each outbound trunk, and since when.
    pub(super) trunks: Arc<BTreeMap<TrunkId, (TrunkHealth, Unix)>>,
    nobody: Option<Unix>,
    no_french: Option<Unix>,
    no_english: Option<Unix>,
}

impl Lasting {
    /// The accounts, or a state of theirs, changed.
    pub(super) fn on_agents<'a>(&mut self, agents: impl Iterator<Item = &'a Arc<AgentEntry>>, now: Unix) {
        let (mut any, mut french, mut english) = (false, false, false);
        for agent in agents.filter(|agent| is_on_duty(agent)) {
            any = true;
            french |= agent.profile.languages.contains(Spoken::Fr);
            english |= agent.profile.languages.contains(Spoken::En);
        }
        hold(&mut self.nobody, !any, now);
        hold(&mut self.no_french, any && !french, now);
        hold(&mut self.no_english, any && !english, now);
    }

    /// How the certificate stands.
    pub(super) fn on_certificate(&mut self, trouble: Option<CertificateTrouble>, now: Unix) {
        if self.certificate.map(|(trouble, _)| trouble) != trouble {
            self.certificate = trouble.map(|trouble| (trouble, now));
        }
    }

    /// Everything that needs attention at `now`, the gravest first. `calls` are in the order of the line.
    pub(super) fn alarms(&self, calls: &[Arc<CallEntry>], now: Unix) -> Vec<Alarm> {
        let waiting = |urgent: bool, patience: Duration| {
            let due = move |call: &CallEntry| call.since.max(call.risk_since_in_line()) + patience;
            let waits = calls.iter().filter(move |call| call.stage == Stage::Waiting);
            let of_kind = waits.filter(move |call| (call.risk == Risk::Urgent) == urgent);
            of_kind.map(move |call| (due(call), call)).filter(move |(due, _)| *due < now)
        };
        let one_way = calls.iter().filter(|call| call.stage == Stage::Talking).filter_map(|call| {
            let legs = [&call.caller, &call.advocate];
            Some((legs.into_iter().filter_map(LegEntry::one_way_since).min()?, call))
        });
        let mut alarms = Vec::new();
        for kind in AlarmKind::ALL {
            match kind {
                AlarmKind::UrgentWaiting => name(&mut alarms, kind, waiting(true, URGENT_TARGET)),
                AlarmKind::LongWait => name(&mut alarms, kind, waiting(false, LONG_WAIT)),
                AlarmKind::OneWay => name(&mut alarms, kind, one_way.clone()),
                AlarmKind::TrunkDown => {
                    let down = self.trunks.iter().filter(|(_, (health, _))| !health.is_usable());
                    alarms.extend(down.map(|(trunk, (_, since))| Alarm {
                        kind,
                        since: *since,
                        call: None,
                        ends: None,
                        trunk: Some(trunk.clone()),
                    }));
                }
                AlarmKind::Nobody => say(&mut alarms, kind, self.nobody),
                AlarmKind::NoFrench => say(&mut alarms, kind, self.no_french),
                AlarmKind::NoEnglish => say(&mut alarms, kind, self.no_english),
                AlarmKind::StoreDegraded => say(&mut alarms, kind, self.store_degraded),
                AlarmKind::Draining => say(&mut alarms, kind, self.draining),
                AlarmKind::CertificateSoon
                | AlarmKind::CertificateUrgent
                | AlarmKind::CertificateExpired
                | AlarmKind::CertificateNotYet => {
                    let certificate = self.certificate.filter(|(trouble, _)| trouble.kind() == kind);
                    alarms.extend(certificate.map(|(trouble, since)| Alarm {
                        kind,
                        since,
                        call: None,
                        ends: trouble.ends(),
                        trunk: None,
                    }));
                }
            }
        }
        alarms
    }
}

/// Takes calls, now or as soon as the present one is over. Supervisors and on-call people are the reserve, not the crew.
fn is_on_duty(agent: &AgentEntry) -> bool {
    let works = match agent.state {
        AgentState::Ready { .. }
        | AgentState::Offered { .. }
        | AgentState::Talking { .. }
        | AgentState::WrapUp { .. } => true,
        AgentState::SignedOut | AgentState::NotReady { .. } => false,
    };
    works && agent.profile.roles.contains(Role::Advocate)
}

fn hold(since: &mut Option<Unix>, holds: bool, now: Unix) {
    *since = if holds { since.or(Some(now)) } else { None };
}

fn say(alarms: &mut Vec<Alarm>, kind: AlarmKind, since: Option<Unix>) {
    alarms.extend(since.map(|since| Alarm { kind, since, call: None, ends: None, trunk: None }));
}

fn name<'a>(
    alarms: &mut Vec<Alarm>,
    kind: AlarmKind,
    calls: impl Iterator<Item = (Unix, &'a Arc<CallEntry>)>,
) {
    alarms.extend(calls.take(MAX_CALLS_NAMED).map(|(since, call)| Alarm {
        kind,
        since,
        call: Some((call.id, call.language)),
        ends: None,
        trunk: None,
    }));
}

#[cfg(test)]
mod tests {
    use havre_model::{
        AgentId, AgentProfile, CallEvent, Mono, Now, Roles, Side, SpokenSet, StateReason, TrunkDown, Way,
        What, WrapUp,
    };

    use super::*;
    use crate::Board;
    use crate::events::{Events, System};

    #[test]
    fn a_line_without_french_says_so_until_somebody_comes() {
        let mut board = board(&[("en", Spoken::En), ("fr", Spoken::Fr)]);
        assert_eq!(alarms(&mut board, 5), ["nobody@0"]);
        board.on_agent(&id("en"), AgentState::Ready { since: secs(10) }, now(10));
        assert_eq!(alarms(&mut board, 11), ["no_french@10"]);
        board.on_agent(&id("fr"), AgentState::Talking { call: CallId(1), since: secs(20) }, now(20));
        assert_eq!(alarms(&mut board, 21), [""; 0]);
        // Whoever writes up a call takes the next one when nobody else can.
        board.on_agent(&id("fr"), AgentState::WrapUp { since: secs(30), until: None }, now(30));
        board.on_agent(&id("en"), rest(StateReason::Break, 40), now(40));
        assert_eq!(alarms(&mut board, 41), ["no_english@40"]);
        board.on_agent(&id("fr"), AgentState::SignedOut, now(50));
        assert_eq!(alarms(&mut board, 51), ["nobody@50"]);
    }

    #[test]
    fn urgent_callers_are_missed_after_15_s_and_others_after_45() {
        let mut board = board(&[]);
        join(&mut board, 0, 1, Risk::Standard);
        join(&mut board, 5, 2, Risk::Urgent);
        let waits = |board: &mut Board, at| {
            alarms(board, at).into_iter().filter(|alarm| alarm != "nobody@0").collect::<Vec<_>>()
        };
        assert_eq!(waits(&mut board, 20), [""; 0]);
        assert_eq!(waits(&mut board, 21), ["urgent_waiting@20 c0000000000000002"]);
        let both = ["urgent_waiting@20 c0000000000000002", "long_wait@45 c0000000000000001"];
        assert_eq!(waits(&mut board, 46), both);
        // From the moment that the caller rose, not from before.
        tell(&mut board, 50, 1, What::Risk(Risk::Urgent));
        assert_eq!(waits(&mut board, 60), ["urgent_waiting@20 c0000000000000002"]);
        assert_eq!(waits(&mut board, 66).len(), 2);
    }

    #[test]
    fn a_long_line_names_the_first_few() {
        let mut board = board(&[]);
        for call in 0..20 {
            join(&mut board, 0, call, Risk::Standard);
        }
        let named = alarms(&mut board, 60);
        assert_eq!(named.len(), 1 + MAX_CALLS_NAMED);
        assert_eq!(named[1], "long_wait@45 c0000000000000000");
    }

    #[test]
    fn one_way_audio_is_an_alarm_in_a_talk_only() {
        let mut board = board(&[("en", Spoken::En)]);
        board.on_agent(&id("en"), AgentState::Ready { since: secs(0) }, now(0));
        board.on_system(System::StoreDown, secs(1));
        join(&mut board, 1, 1, Risk::Standard);
        let missing = |flowing| What::OneWay { side: Side::Caller, way: Way::To, flowing };
        tell(&mut board, 2, 1, missing(false));
        let rest = ["no_french@0", "store_degraded@1"];
        assert_eq!(alarms(&mut board, 3), rest);
        tell(&mut board, 4, 1, What::Answered { agent: id("en"), waited: Duration::from_secs(3) });
        tell(&mut board, 5, 1, missing(false));
        assert_eq!(alarms(&mut board, 6), [rest[0], "one_way@2 c0000000000000001", rest[1]]);
        tell(&mut board, 7, 1, missing(true));
        board.on_system(System::StoreUp, secs(7));
        board.on_system(System::Draining, secs(8));
        assert_eq!(alarms(&mut board, 9), ["no_french@0", "draining@8"]);
    }

    #[test]
    fn a_certificate_is_an_alarm_from_the_time_to_renew_it_until_another_is_in_force() {
        let mut board = board(&[]);
        let mut stands = |at, trouble| {
            board.on_certificate(trouble, secs(at));
            let alarms = board.snapshot(now(at)).alarms.into_iter().filter(|a| a.kind != AlarmKind::Nobody);
            let ends = |alarm: &Alarm| alarm.ends.map(Unix::as_secs);
            alarms.map(|alarm| (alarm.kind.as_str(), alarm.since.as_secs(), ends(&alarm))).collect::<Vec<_>>()
        };
        assert_eq!(stands(1, None), []);
        let soon = Some(CertificateTrouble::EndsSoon(secs(90)));
        assert_eq!(stands(5, soon), [("certificate_soon", 5, Some(90))]);
        assert_eq!(stands(6, soon), [("certificate_soon", 5, Some(90))], "it is no news that it still is so");
        let urgent = CertificateTrouble::EndsNow(secs(90));
        assert_eq!(stands(80, Some(urgent)), [("certificate_urgent", 80, Some(90))]);
        let expired = CertificateTrouble::Expired(secs(90));
        assert_eq!(stands(90, Some(expired)), [("certificate_expired", 90, Some(90))]);
        assert_eq!(stands(91, None), [], "renewed");
        assert_eq!(stands(92, Some(CertificateTrouble::NotYet)), [("certificate_not_yet", 92, None)]);
    }

    #[test]
    fn a_trunk_that_is_down_is_an_alarm_until_it_answers_or_is_gone() {
        let mut board = board(&[]);
        let (a, b): (TrunkId, TrunkId) = ("a".parse().unwrap(), "b".parse().unwrap());
        board.on_trunk(&a, TrunkHealth::Up, secs(1));
        board.on_trunk(&a, TrunkHealth::Down(TrunkDown::NoAnswer), secs(5));
        board.on_trunk(&b, TrunkHealth::Down(TrunkDown::DnsFailed), secs(6));
        // Another reason is the same outage.
        board.on_trunk(&a, TrunkHealth::Down(TrunkDown::Unreachable), secs(7));
        assert_eq!(alarms(&mut board, 8)[1..], ["trunk_down@5 a", "trunk_down@6 b"]);
        board.on_trunk(&b, TrunkHealth::Up, secs(9));
        assert_eq!(alarms(&mut board, 10)[1..], ["trunk_down@5 a"]);
        board.on_trunks([(&b, TrunkHealth::Up)].into_iter(), secs(11));
        assert_eq!(alarms(&mut board, 12).len(), 1, "a reload has removed it");
    }

    fn alarms(board: &mut Board, at: i64) -> Vec<String> {
        let said =
            board.snapshot(now(at)).alarms.into_iter().map(|Alarm { kind, since, call, trunk, .. }| {
                let call = call.map(|(call, _)| format!(" {call}")).unwrap_or_default();
                let trunk = trunk.map(|trunk| format!(" {trunk}")).unwrap_or_default();
                format!("{}@{}{call}{trunk}", kind.as_str(), since.as_secs())
            });
        said.collect()
    }

    fn board(agents: &[(&str, Spoken)]) -> Board {
        let mut board = Board::new(Events::new(secs(0)), secs(0));
        let profile = |(agent, spoken): &(&str, Spoken)| AgentProfile {
            id: id(agent),
            languages: SpokenSet::EMPTY.with(*spoken),
            ui_language: *spoken,
            roles: Roles::default().with(Role::Advocate),
            wrap_up: WrapUp::Manual,
            ready_on_register: false,
        };
        board.on_agents(&agents.iter().map(profile).collect::<Vec<_>>(), now(0));
        board
    }

    fn join(board: &mut Board, at: i64, call: u64, risk: Risk) {
        let arrived = What::Arrived { line: "hotline".parse().unwrap(), trunk: "demo".parse().unwrap() };
        tell(board, at, call, arrived);
        tell(board, at, call, What::Joined { language: Language::En, risk });
    }

    fn tell(board: &mut Board, at: i64, call: u64, what: What) {
        board.on_call(&CallEvent { call: CallId(call), at: secs(at), what });
    }

    fn rest(reason: StateReason, since: i64) -> AgentState {
        AgentState::NotReady { reason, since: secs(since), until: None }
    }

    fn id(agent: &str) -> AgentId {
        agent.parse().unwrap()
    }

    fn secs(at: i64) -> Unix {
        Unix::from_millis(at * 1000)
    }

    fn now(at: i64) -> Now {
        Now { mono: Mono::ZERO, unix: secs(at) }
    }
}
